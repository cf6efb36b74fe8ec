"""Manifests of the pages in a reports folder: what a page was made of, and which files healthkit wrote.

A manifest is a JSON object with `account`, `marketplace`, `inputs` (what the page was made of) and `files` (the SHA-256
of each file of the page by name). `inputs.data.version`, the version of the store, is recorded and not compared: a page
stays current as long as the data of its own account are the same. Optional keys are `pending` (files that were being
replaced when the manifest was written), `failed` (how a later run without page ended) and `without_pdf` (why the page
has no PDF).

Every change first writes all new files under temporary names and then renames them, so that a full disk changes
nothing. A file that no manifest names with its digest is foreign or was edited; it is renamed to a backup, never
overwritten or deleted.
"""

from __future__ import annotations

import json
import os
import re
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
"""Suffixes of the files of a page except the manifest and the lists of orders of each measure."""
_ORDER_LIST_SUFFIX = re.compile(r"_orders_[a-z0-9-]+\.(csv|xlsx)")
RENDERING_PACKAGES = (
    "healthkit",
    "altair",
    "jinja2",
    "numpy",
    "pandas",
    "papermill",
    "vl-convert-python",
    "xlsxwriter",
)
"""Packages whose version can change the content of a page."""
PACKAGE_FOLDER = Path(__file__).parents[1]
_POLICY_FOLDER = PACKAGE_FOLDER / "metrics" / "policies"
"""The rules of the package: each page has the digest of its own among its data."""


class ManifestError(ValueError):
    """Raised if a manifest cannot be used; the message says why, and `cure` says what to do."""

    def __init__(self, reason: str, cure: str = "Run the report of its account again, or move it away.") -> None:
        super().__init__(reason)
        self.cure = cure


@cache
def code_digest() -> str:
    """Return the digest of healthkit's code, templates and styles, without the rules."""
    kinds = {".py", ".j2", ".css", ".js", ".yaml"}
    files = sorted(path for path in PACKAGE_FOLDER.rglob("*") if path.suffix in kinds and path.parent != _POLICY_FOLDER)
    return sha256_hex(
        b"\0".join(path.relative_to(PACKAGE_FOLDER).as_posix().encode() + path.read_bytes() for path in files)
    )


def describe_inputs(data: Mapping[str, Any], template: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that determine the content of a page: data, template, parameters, code and package versions.

    `data` names the version of the store, and has digests of the imports, rules and events of the account.
    """
    return {
        "data": dict(data),
        "template": sha256_hex(template.read_bytes()),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "code": code_digest(),
        "packages": dict(_package_versions()),
    }


@cache
def _package_versions() -> dict[str, str]:
    """Return the versions of RENDERING_PACKAGES; each is read from a file."""
    return {name: version(name) for name in RENDERING_PACKAGES}


# -- reading ------------------------------------------------------------------------------------------------------


def load_manifest(path: Path) -> dict[str, Any]:
    """Return the content of a manifest file. Raises ManifestError if the file cannot be read or is not a manifest."""
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
    """Return whether JSON data is a manifest that names only files of the page with this stem."""
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
    return all(_is_allowed_name(name, stem) for name in {*content["files"], *content.get("pending", {})})


def _is_allowed_name(name: str, stem: str) -> bool:
    """Return whether a file of a page can have this name, beside the index or in a folder of the account."""
    inner = name.removeprefix(f"{stem}/")
    if inner == output_files.VEGA_FILE_NAME:
        return inner != name
    suffix = inner.removeprefix(stem)
    return suffix != inner and (suffix in PAGE_SUFFIXES or is_order_list_suffix(suffix))


def is_order_list_suffix(suffix: str) -> bool:
    """Return whether a suffix is that of the list of orders of one measure.

    >>> is_order_list_suffix("_orders_late-shipment-rate-seller.xlsx"), is_order_list_suffix("_orders.csv")
    (True, False)
    """
    return _ORDER_LIST_SUFFIX.fullmatch(suffix) is not None


def missing_files(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """Return the names of the missing files of a page, or of all its files if their replacement was interrupted."""
    if content.get("pending"):
        return sorted({*content["files"], *content["pending"]})
    return [name for name in content["files"] if not (folder / name).is_file()]


def load_manifest_if_complete(path: Path) -> dict[str, Any] | None:
    """Return the content of a manifest if all files that it lists exist.

    The result is None if a file is missing, no file is listed or the manifest is unusable.
    """
    try:
        content = load_manifest(path)
    except ManifestError:
        return None
    return content if content["files"] and not missing_files(path.parent, content) else None


def is_page_current(
    folder: Path, stem: str, page_inputs: Mapping[str, Any], required_files: Set[str] = frozenset()
) -> bool:
    """Return whether a page is complete, unedited and made from the given inputs, and no later run of it failed.

    `required_files` are names of files that the page must have too, such as its PDF.
    """
    content = load_manifest_if_complete(folder / f"{stem}{MANIFEST_SUFFIX}")
    if content is None or content.get("failed") or not has_same_inputs(content["inputs"], page_inputs):
        return False
    if not required_files <= set(content["files"]):
        return False
    return all(_has_digest(folder / name, expected) for name, expected in content["files"].items())


def has_same_inputs(earlier: Mapping[str, Any], page_inputs: Mapping[str, Any]) -> bool:
    """Return whether a page of the earlier inputs needs no new run: all but the version of the store is the same.

    >>> data = {"imports": "4f1c"}
    >>> has_same_inputs({"data": {"version": "3", **data}}, {"data": {"version": "4", **data}})
    True
    """
    return _without_version(earlier) == _without_version(json.loads(json.dumps(page_inputs)))


def _without_version(page_inputs: Mapping[str, Any]) -> dict[str, Any]:
    data = page_inputs.get("data")
    own = {name: value for name, value in data.items() if name != "version"} if isinstance(data, dict) else data
    return dict(page_inputs) | {"data": own}


def _has_digest(path: Path, expected: str) -> bool:
    """Return whether a file exists and has this SHA-256."""
    return path.is_file() and not path.is_symlink() and sha256_hex(path.read_bytes()) == expected


# -- writing; the caller holds the lock of the folder -------------------------------------------------------------


def write_page(
    folder: Path, stem: str, owner: tuple[str, str], page_inputs: Mapping[str, Any], files: Mapping[str, bytes]
) -> list[str]:
    """Write the files of a page and its manifest, replacing those of the previous run.

    `files` maps names to contents. Return a sentence for each file that was renamed to a backup. Files of an earlier
    run that are not replaced are deleted if healthkit wrote them; a foreign PDF is renamed, because beside the new page
    it would look like its PDF. On an error nothing is changed.
    """
    content = {"inputs": dict(page_inputs), "files": {name: sha256_hex(data) for name, data in files.items()}}
    earlier = _load_or_none(folder, stem) or {}
    pdfs = {name.removesuffix(".html") + ".pdf" for name in files if name.endswith(".html")}
    stale = {*earlier.get("files", {}), *earlier.get("pending", {}), *pdfs, f"{stem}{FAILED_NOTEBOOK_SUFFIX}"}
    return _replace_files(folder, stem, _owner_fields(owner) | content, files, stale)


def add_file(folder: Path, stem: str, name: str, data: bytes) -> list[str]:
    """Add a file, such as the PDF, to a page that has a manifest.

    Return a sentence for each file that was renamed to a backup.
    """
    content = load_manifest(folder / f"{stem}{MANIFEST_SUFFIX}")
    content.pop("without_pdf", None)
    return _replace_files(
        folder, stem, content | {"files": content["files"] | {name: sha256_hex(data)}}, {name: data}, set()
    )


def add_note(folder: Path, stem: str, owner: tuple[str, str], note: Mapping[str, Any]) -> None:
    """Add the keys of `note`, such as `without_pdf`, to the manifest of a page."""
    content = _load_or_none(folder, stem) or _owner_fields(owner) | {"inputs": {}, "files": {}}
    _replace_files(folder, stem, content | dict(note), {}, set())


def mark_failed(
    folder: Path, stem: str, owner: tuple[str, str], failure: Mapping[str, str], notebook: bytes | None
) -> list[str]:
    """Record in the manifest of a page that a run failed, and write the notebook of the run.

    The page of an earlier run is then no longer current. Return a sentence for each file that was renamed to a backup.
    """
    content = _load_or_none(folder, stem) or _owner_fields(owner) | {"inputs": {}, "files": {}}
    name = f"{stem}{FAILED_NOTEBOOK_SUFFIX}"
    files = {} if notebook is None else {name: notebook}
    note = dict(failure) | ({} if notebook is None else {"notebook": name, "digest": sha256_hex(notebook)})
    return _replace_files(folder, stem, content | {"failed": note}, files, {name})


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
    """Write files and then the manifest `content`; delete the files of `stale` that are not written.

    All files are first written under temporary names. Between the first and the last rename the manifest names both
    the old and the new files, so that after a kill the next run can distinguish them from a user's files.
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
    """Return name and digest of the files that healthkit wrote, from a manifest."""
    if content is None:
        return set()
    failed = content.get("failed", {})
    notebook = {(failed["notebook"], failed["digest"])} if {"notebook", "digest"} <= set(failed) else set()
    return {*content["files"].items(), *content.get("pending", {}).items(), *notebook}


def _is_written_by_us(path: Path, name: str, own_files: set[tuple[str, str]]) -> bool:
    return path.is_file() and not path.is_symlink() and (name, sha256_hex(path.read_bytes())) in own_files


def _delete_or_set_aside(path: Path, name: str, own_files: set[tuple[str, str]]) -> list[str]:
    """Delete a file that healthkit wrote; rename any other to a backup, but leave an edited notebook."""
    if not _is_written_by_us(path, name, own_files):
        return [] if name.endswith(FAILED_NOTEBOOK_SUFFIX) else output_files.rename_to_backup(path)
    path.unlink()
    if "/" in name:
        # Remove the folder of an account with its last file.
        with suppress(OSError):
            path.parent.rmdir()
    return []


def _make_room(path: Path, name: str, own_files: set[tuple[str, str]]) -> list[str]:
    """Create the folder of a file, and rename a foreign file of that name to a backup."""
    moved: list[str] = []
    if "/" in name and not path.parent.is_dir():
        moved += output_files.rename_to_backup(path.parent)
        path.parent.mkdir()
    return moved + ([] if _is_written_by_us(path, name, own_files) else output_files.rename_to_backup(path))
