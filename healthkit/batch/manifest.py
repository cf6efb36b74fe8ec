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
from healthkit.batch.output_files import sha256_hex

MANIFEST_SUFFIX = ".manifest.json"
FAILED_NOTEBOOK_SUFFIX = ".failed.ipynb"
PAGE_SUFFIXES = (".html", ".json", "_orders.csv", ".pdf", FAILED_NOTEBOOK_SUFFIX)
"""How the files of a page end, besides the manifest."""
RENDERING_PACKAGES = ("healthkit", "altair", "jinja2", "numpy", "pandas", "papermill", "vl-convert-python")
"""Whose versions may change what a page shows."""
PACKAGE_FOLDER = Path(__file__).parents[1]


class ManifestError(ValueError):
    """A manifest cannot be used; the message says why, `cure` what to do."""

    def __init__(self, reason: str, cure: str = "Run the report of its account again, or move it away.") -> None:
        super().__init__(reason)
        self.cure = cure


@cache
def _code_digest() -> str:
    """The digest of the kit's own code, looks and words."""
    kinds = {".py", ".j2", ".css", ".js", ".yaml"}
    files = sorted(path for path in PACKAGE_FOLDER.rglob("*") if path.suffix in kinds)
    return sha256_hex(
        b"\0".join(path.relative_to(PACKAGE_FOLDER).as_posix().encode() + path.read_bytes() for path in files)
    )


def describe_inputs(data: Mapping[str, Any], template: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What decides what a page shows: the data and rules, the template, the parameters, and the code with its parts.

    `data` names the state of the store and of the rules.
    """
    return {
        "data": dict(data),
        "template": sha256_hex(template.read_bytes()),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "code": _code_digest(),
        "packages": {name: version(name) for name in RENDERING_PACKAGES},
    }


# -- reading ------------------------------------------------------------------------------------------------------


def load_manifest(path: Path) -> dict[str, Any]:
    """A manifest as it stands. Raises ManifestError where the file is not one of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ManifestError("it is not whole JSON; it may be cut off") from None
    if not _is_valid_manifest(content, path.name.removesuffix(MANIFEST_SUFFIX)):
        raise ManifestError("it is not the manifest of a page of this name")
    # Manifests of earlier versions name the account only among the parameters.
    owner = content["inputs"].get("parameters", {})
    return {"account": owner.get("account"), "marketplace": owner.get("marketplace")} | content


def _is_valid_manifest(content: Any, stem: str) -> bool:
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
    return {*content["files"], *content.get("pending", {})} <= _allowed_names(stem)


def _allowed_names(stem: str) -> set[str]:
    """All names that files of a page can have, beside the index or in a folder of the account."""
    ours = {f"{stem}{ending}" for ending in PAGE_SUFFIXES}
    return ours | {f"{stem}/{name}" for name in (*ours, output_files.VEGA_FILE_NAME)}


def missing_files(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """The files of a page that are not there; all of them while they were being replaced."""
    if content.get("pending"):
        return sorted({*content["files"], *content["pending"]})
    return [name for name in content["files"] if not (folder / name).is_file()]


def load_manifest_if_complete(path: Path) -> dict[str, Any] | None:
    """The manifest of a page that is whole; None where it is none, or a file that it names is missing."""
    try:
        content = load_manifest(path)
    except ManifestError:
        return None
    return content if content["files"] and not missing_files(path.parent, content) else None


def is_page_current(
    folder: Path, stem: str, page_inputs: Mapping[str, Any], required_files: Set[str] = frozenset()
) -> bool:
    """Whether a page stands whole in a folder, was made of just this, and no later run of it failed.

    `wanted` are names of files that it must have besides: its PDF.
    """
    content = load_manifest_if_complete(folder / f"{stem}{MANIFEST_SUFFIX}")
    if content is None or content.get("failed") or content["inputs"] != json.loads(json.dumps(page_inputs)):
        return False
    if not required_files <= set(content["files"]):
        return False
    return all(_has_digest(folder / name, expected) for name, expected in content["files"].items())


def _has_digest(path: Path, expected: str) -> bool:
    """Whether a file has a digest."""
    return path.is_file() and not path.is_symlink() and sha256_hex(path.read_bytes()) == expected


# -- writing; the caller holds the lock of the folder -------------------------------------------------------------


def write_page(
    folder: Path, stem: str, owner: tuple[str, str], page_inputs: Mapping[str, Any], files: Mapping[str, bytes]
) -> list[str]:
    """Put the files of a page into a folder, by their names, in place of those of the last run, and its manifest.

    Return a sentence for each file that was moved aside. What is left of an earlier run and not replaced is deleted if
    it is ours; a PDF that is not is moved aside, for beside the new page it would pass as its own. On an error nothing
    has changed.
    """
    content = {"inputs": dict(page_inputs), "files": {name: sha256_hex(data) for name, data in files.items()}}
    earlier = _load_or_none(folder, stem) or {}
    pdfs = {name.removesuffix(".html") + ".pdf" for name in files if name.endswith(".html")}
    stale = {*earlier.get("files", {}), *earlier.get("pending", {}), *pdfs, f"{stem}{FAILED_NOTEBOOK_SUFFIX}"}
    return _replace_files(folder, stem, _owner_fields(owner) | content, files, stale)


def add_file(folder: Path, stem: str, name: str, data: bytes) -> list[str]:
    """Add a file to a page whose manifest stands: its PDF."""
    content = load_manifest(folder / f"{stem}{MANIFEST_SUFFIX}")
    content.pop("without_pdf", None)
    return _replace_files(
        folder, stem, content | {"files": content["files"] | {name: sha256_hex(data)}}, {name: data}, set()
    )


def add_note(folder: Path, stem: str, owner: tuple[str, str], note: Mapping[str, Any]) -> None:
    """Write a note into the manifest (`without_pdf`); its page stays."""
    content = _load_or_none(folder, stem) or _owner_fields(owner) | {"inputs": {}, "files": {}}
    _replace_files(folder, stem, content | dict(note), {}, set())


def mark_failed(
    folder: Path, stem: str, owner: tuple[str, str], failure: Mapping[str, str], notebook: bytes | None
) -> list[str]:
    """Note that a run made no page, and keep its notebook; the page of an earlier run stays, and is not current."""
    content = _load_or_none(folder, stem) or _owner_fields(owner) | {"inputs": {}, "files": {}}
    name = f"{stem}{FAILED_NOTEBOOK_SUFFIX}"
    kept = {} if notebook is None else {name: notebook}
    note = dict(failure) | ({} if notebook is None else {"notebook": name, "digest": sha256_hex(notebook)})
    return _replace_files(folder, stem, content | {"failed": note}, kept, {name})


def _owner_fields(owner: tuple[str, str]) -> dict[str, Any]:
    return dict(zip(("account", "marketplace"), owner, strict=True))


def _load_or_none(folder: Path, stem: str) -> dict[str, Any] | None:
    try:
        return load_manifest(folder / f"{stem}{MANIFEST_SUFFIX}")
    except ManifestError:
        return None


def _replace_files(
    folder: Path, stem: str, content: Mapping[str, Any], files: Mapping[str, bytes], stale: set[str]
) -> list[str]:
    """Write files and then the manifest `told`; take away those of `stale` that are not written.

    All is written under temporary names first. Between the first rename and the last one the manifest names both the
    old files and the new ones as ours, so that a run that is killed there leaves nothing that the next one cannot
    tell from a user's file.
    """
    path = folder / f"{stem}{MANIFEST_SUFFIX}"
    earlier = _load_or_none(folder, stem)
    ours = _files_written_by_us(earlier) | {(name, sha256_hex(data)) for name, data in files.items()}
    between = (earlier or _owner_fields((content["account"], content["marketplace"])) | {"inputs": {}, "files": {}}) | {
        "pending": (earlier or {}).get("pending", {}) | {name: sha256_hex(data) for name, data in files.items()}
    }
    moved: list[str] = []
    parts: list[Path] = []
    try:
        staged = {name: _stage_file(folder, data, parts) for name, data in files.items()}
        first, last = (_stage_file(folder, _as_json(one), parts) for one in (between, content))
        moved += output_files.rename_to_backup(path) if earlier is None else []
        os.replace(first, path)
        for name in sorted(stale - set(files)):
            moved += _delete_or_set_aside(folder / name, name, ours)
        for name, part in staged.items():
            moved += _make_room(folder / name, name, ours)
            os.replace(part, folder / name)
        os.replace(last, path)
    finally:
        for part in parts:
            output_files.discard_staged_file(part)
    return moved


def _stage_file(folder: Path, data: bytes, staged_parts: list[Path]) -> Path:
    staged_parts.append(output_files.stage_file(folder, data))
    return staged_parts[-1]


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _files_written_by_us(content: Mapping[str, Any] | None) -> set[tuple[str, str]]:
    """The files that a manifest proves to be ours: name and digest."""
    if content is None:
        return set()
    failed = content.get("failed", {})
    notebook = {(failed["notebook"], failed["digest"])} if {"notebook", "digest"} <= set(failed) else set()
    return {*content["files"].items(), *content.get("pending", {}).items(), *notebook}


def _is_written_by_us(path: Path, name: str, own_files: set[tuple[str, str]]) -> bool:
    return path.is_file() and not path.is_symlink() and (name, sha256_hex(path.read_bytes())) in own_files


def _delete_or_set_aside(path: Path, name: str, own_files: set[tuple[str, str]]) -> list[str]:
    """Delete a file of ours; move aside what is not, but leave a notebook that the user worked on."""
    if not _is_written_by_us(path, name, own_files):
        return [] if name.endswith(FAILED_NOTEBOOK_SUFFIX) else output_files.rename_to_backup(path)
    path.unlink()
    if "/" in name:
        # The folder of an account goes with its last file.
        with suppress(OSError):
            path.parent.rmdir()
    return []


def _make_room(path: Path, name: str, own_files: set[tuple[str, str]]) -> list[str]:
    """Make the folder of a file, and move aside what has its name and is not ours."""
    moved: list[str] = []
    if "/" in name and not path.parent.is_dir():
        moved += output_files.rename_to_backup(path.parent)
        path.parent.mkdir()
    return moved + ([] if _is_written_by_us(path, name, own_files) else output_files.rename_to_backup(path))
