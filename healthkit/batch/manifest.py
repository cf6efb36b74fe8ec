"""What a page was made of, and which files are ours: the manifest of an account in a reports folder.

A manifest is a JSON object with `account`, `marketplace`, `inputs` (what the page was made of) and `files` (the digest
of each file of the page, by its name). It may also have `pending` (files that were being replaced when the manifest was
written), `failed` (how a later run ended that made no page) and `without_pdf` (why the page has no PDF).

Every change first writes all new files under temporary names, then renames: a full disk changes nothing. A file that
the manifest does not name with its digest is not ours, or was edited; it is moved aside, never overwritten or deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Set
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from healthkit.batch import output_files
from healthkit.batch.output_files import digest

ENDING = ".manifest.json"
NOTEBOOK = ".failed.ipynb"
ENDINGS = (".html", ".json", "_orders.csv", ".pdf", NOTEBOOK)
"""How the files of a page end, besides the manifest."""
PACKAGES = ("healthkit", "altair", "jinja2", "numpy", "pandas", "papermill", "vl-convert-python")
"""Whose versions may change what a page shows."""
PACKAGE = Path(__file__).parents[1]


class ManifestError(ValueError):
    """A manifest cannot be used; the message says why, `cure` what to do."""

    def __init__(self, why: str, cure: str = "Run the report of its account again, or move it away.") -> None:
        super().__init__(why)
        self.cure = cure


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


# -- reading ------------------------------------------------------------------------------------------------------


def load(path: Path) -> dict[str, Any]:
    """A manifest as it stands. Raises ManifestError where the file is not one of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ManifestError("it is not whole JSON; it may be cut off") from None
    if not _has_shape(content, path.name.removesuffix(ENDING)):
        raise ManifestError("it is not the manifest of a page of this name")
    # Manifests of earlier versions name the account only among the parameters.
    owner = content["inputs"].get("parameters", {})
    return {"account": owner.get("account"), "marketplace": owner.get("marketplace")} | content


def _has_shape(content: Any, stem: str) -> bool:
    """Whether JSON is a manifest, and names only files that a page of this name has."""
    if not isinstance(content, dict) or not isinstance(content.get("inputs"), dict):
        return False
    parameters = content["inputs"].get("parameters", {})
    owner = content if "account" in content else parameters
    if not isinstance(parameters, dict) or not all(
        isinstance(owner.get(name), str) for name in ("account", "marketplace")
    ):
        return False
    texts = [content.get("files"), *(content.get(name, {}) for name in ("pending", "failed", "without_pdf"))]
    if not all(isinstance(one, dict) and all(isinstance(text, str) for text in one.values()) for one in texts):
        return False
    return {*content["files"], *content.get("pending", {})} <= _names(stem)


def _names(stem: str) -> set[str]:
    """All names that files of a page can have, beside the index or in a folder of the account."""
    ours = {f"{stem}{ending}" for ending in ENDINGS}
    return ours | {f"{stem}/{name}" for name in (*ours, output_files.BUNDLE)}


def missing(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """The files of a page that are not there; all of them while they were being replaced."""
    if content.get("pending"):
        return sorted({*content["files"], *content["pending"]})
    return [name for name in content["files"] if not (folder / name).is_file()]


def read(path: Path) -> dict[str, Any] | None:
    """The manifest of a page that is whole; None where it is none, or a file that it names is missing."""
    try:
        content = load(path)
    except ManifestError:
        return None
    return content if content["files"] and not missing(path.parent, content) else None


def is_current(folder: Path, stem: str, made_of: Mapping[str, Any], wanted: Set[str] = frozenset()) -> bool:
    """Whether a page stands whole in a folder, was made of just this, and no later run of it failed.

    `wanted` are names of files that it must have besides: its PDF.
    """
    content = read(folder / f"{stem}{ENDING}")
    if content is None or content.get("failed") or content["inputs"] != json.loads(json.dumps(made_of)):
        return False
    if not wanted <= set(content["files"]):
        return False
    return all(_is(folder / name, expected) for name, expected in content["files"].items())


def _is(path: Path, expected: str) -> bool:
    """Whether a file has a digest."""
    return path.is_file() and not path.is_symlink() and digest(path.read_bytes()) == expected


# -- writing; the caller holds the lock of the folder -------------------------------------------------------------


def write(
    folder: Path, stem: str, owner: tuple[str, str], made_of: Mapping[str, Any], files: Mapping[str, bytes]
) -> list[str]:
    """Put the files of a page into a folder, by their names, in place of those of the last run, and its manifest.

    Return a sentence for each file that was moved aside. What is left of an earlier run and not replaced is deleted if
    it is ours; a PDF that is not is moved aside, for beside the new page it would pass as its own. On an error nothing
    has changed.
    """
    content = {"inputs": dict(made_of), "files": {name: digest(data) for name, data in files.items()}}
    earlier = _load_or_none(folder, stem) or {}
    pdfs = {name.removesuffix(".html") + ".pdf" for name in files if name.endswith(".html")}
    stale = {*earlier.get("files", {}), *earlier.get("pending", {}), *pdfs, f"{stem}{NOTEBOOK}"}
    return _replace(folder, stem, _owned(owner) | content, files, stale)


def add(folder: Path, stem: str, name: str, data: bytes) -> list[str]:
    """Add a file to a page whose manifest stands: its PDF."""
    content = load(folder / f"{stem}{ENDING}")
    content.pop("without_pdf", None)
    return _replace(folder, stem, content | {"files": content["files"] | {name: digest(data)}}, {name: data}, set())


def mark(folder: Path, stem: str, owner: tuple[str, str], note: Mapping[str, Any]) -> None:
    """Write a note into the manifest (`without_pdf`); its page stays."""
    content = _load_or_none(folder, stem) or _owned(owner) | {"inputs": {}, "files": {}}
    _replace(folder, stem, content | dict(note), {}, set())


def mark_failed(
    folder: Path, stem: str, owner: tuple[str, str], failed: Mapping[str, str], notebook: bytes | None
) -> list[str]:
    """Note that a run made no page, and keep its notebook; the page of an earlier run stays, and is not current."""
    content = _load_or_none(folder, stem) or _owned(owner) | {"inputs": {}, "files": {}}
    name = f"{stem}{NOTEBOOK}"
    kept = {} if notebook is None else {name: notebook}
    note = dict(failed) | ({} if notebook is None else {"notebook": name, "digest": digest(notebook)})
    return _replace(folder, stem, content | {"failed": note}, kept, {name})


def _owned(owner: tuple[str, str]) -> dict[str, Any]:
    return dict(zip(("account", "marketplace"), owner, strict=True))


def _load_or_none(folder: Path, stem: str) -> dict[str, Any] | None:
    try:
        return load(folder / f"{stem}{ENDING}")
    except ManifestError:
        return None


def _replace(
    folder: Path, stem: str, content: Mapping[str, Any], files: Mapping[str, bytes], stale: set[str]
) -> list[str]:
    """Write files and then the manifest `told`; take away those of `stale` that are not written.

    All is written under temporary names first. Between the first rename and the last one the manifest names both the
    old files and the new ones as ours, so that a run that is killed there leaves nothing that the next one cannot
    tell from a user's file.
    """
    path = folder / f"{stem}{ENDING}"
    earlier = _load_or_none(folder, stem)
    ours = _ours(earlier) | {(name, digest(data)) for name, data in files.items()}
    between = (earlier or _owned((content["account"], content["marketplace"])) | {"inputs": {}, "files": {}}) | {
        "pending": (earlier or {}).get("pending", {}) | {name: digest(data) for name, data in files.items()}
    }
    moved: list[str] = []
    parts: list[Path] = []
    try:
        staged = {name: _staged(folder, data, parts) for name, data in files.items()}
        first, last = (_staged(folder, _as_json(one), parts) for one in (between, content))
        moved += output_files.set_aside(path) if earlier is None else []
        os.replace(first, path)
        for name in sorted(stale - set(files)):
            moved += _clear(folder / name, name, ours)
        for name, part in staged.items():
            moved += _make_room(folder / name, name, ours)
            os.replace(part, folder / name)
        os.replace(last, path)
    finally:
        for part in parts:
            output_files.discard(part)
    return moved


def _staged(folder: Path, data: bytes, parts: list[Path]) -> Path:
    parts.append(output_files.stage(folder, data))
    return parts[-1]


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _ours(content: Mapping[str, Any] | None) -> set[tuple[str, str]]:
    """The files that a manifest proves to be ours: name and digest."""
    if content is None:
        return set()
    failed = content.get("failed", {})
    notebook = {(failed["notebook"], failed["digest"])} if {"notebook", "digest"} <= set(failed) else set()
    return {*content["files"].items(), *content.get("pending", {}).items(), *notebook}


def _is_ours(path: Path, name: str, ours: set[tuple[str, str]]) -> bool:
    return path.is_file() and not path.is_symlink() and (name, digest(path.read_bytes())) in ours


def _clear(path: Path, name: str, ours: set[tuple[str, str]]) -> list[str]:
    """Delete a file of ours; move aside what is not, but leave a notebook that the user worked on."""
    if not _is_ours(path, name, ours):
        return [] if name.endswith(NOTEBOOK) else output_files.set_aside(path)
    path.unlink()
    if "/" in name:
        # The folder of an account goes with its last file.
        with suppress(OSError):
            path.parent.rmdir()
    return []


def _make_room(path: Path, name: str, ours: set[tuple[str, str]]) -> list[str]:
    """Make the folder of a file, and move aside what has its name and is not ours."""
    moved: list[str] = []
    if "/" in name and not path.parent.is_dir():
        moved += output_files.set_aside(path.parent)
        path.parent.mkdir()
    return moved + ([] if _is_ours(path, name, ours) else output_files.set_aside(path))
