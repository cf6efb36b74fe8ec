"""What a page was made of: its manifest, written last, says that the page is whole and whether it is still right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from healthkit.press import shelf

ENDING = ".manifest.json"
PACKAGES = ("healthkit", "altair", "jinja2", "numpy", "pandas", "papermill", "vl-convert-python")
"""Whose versions may change what a page shows."""
PACKAGE = Path(__file__).parents[1]


def digest(data: bytes) -> str:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


@cache
def _code() -> str:
    """The digest of the kit's own code, looks and words."""
    kinds = {".py", ".j2", ".css", ".js", ".yaml"}
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in kinds)
    return digest(b"\0".join(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes() for path in files))


def inputs(data: Mapping[str, Any], template: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What decides what a page shows: the data and rules, the template, the parameters, and the code with its parts.

    `data` names the state of the store and of the rules.
    """
    return {
        "data": dict(data),
        "template": digest(template.read_bytes()),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "code": _code(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def write(folder: Path, stem: str, made_of: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Put files on the shelf, each whole, and after them the manifest; `files` holds their texts by ending."""
    (folder / f"{stem}{ENDING}").unlink(missing_ok=True)
    for ending, text in files.items():
        shelf.write(folder / f"{stem}{ending}", text)
    told = {"inputs": made_of, "files": {f"{stem}{ending}": digest(text.encode()) for ending, text in files.items()}}
    shelf.write(folder / f"{stem}{ENDING}", json.dumps(told, indent=1, sort_keys=True) + "\n")


def drop(folder: Path, stem: str) -> None:
    """Take a page from the shelf with all that belongs to it: what an earlier run left is not this one's."""
    for ending in (ENDING, ".html", ".json", "_orders.csv", ".failed.ipynb", ".pdf"):
        (folder / f"{stem}{ending}").unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any] | None:
    """A manifest; None where it is none, or a file that it names is missing."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        whole = all((path.parent / name).is_file() for name in told["files"])
    except (OSError, ValueError, KeyError):
        return None
    return told if whole else None


def is_current(folder: Path, stem: str, made_of: Mapping[str, Any]) -> bool:
    """Whether a page stands whole in a folder and was made of just this."""
    told = read(folder / f"{stem}{ENDING}")
    if told is None or told["inputs"] != json.loads(json.dumps(made_of)):
        return False
    return all(digest((folder / name).read_bytes()) == held for name, held in told["files"].items())
