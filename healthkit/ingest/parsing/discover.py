"""Find raw files: walk folders, look into zip files, detect the kind of each file, and put order files first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

from healthkit.ingest.formats import olist
from healthkit.ingest.formats.registry import all_formats, import_order
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN
from healthkit.ingest.parsing.detect import (
    UnknownFileKind,
    detect_document_kind,
    detect_kind,
    is_ignored_olist_file,
    may_be_document,
)
from healthkit.ingest.parsing.encodings import HEAD_BYTES, NUL_PROBLEM, encoding_from_bom, first_lines
from healthkit.ingest.parsing.raw_file import (
    UNREADABLE_ERRORS,
    ZIP_MAGIC,
    FilePart,
    RawFile,
    ReaderError,
    RefusedFile,
    combine_digests,
    digest_pieces,
    unreadable_error,
)
from healthkit.ingest.parsing.spreadsheets import is_workbook
from healthkit.ingest.parsing.unknown_files import UNREAD_SUFFIXES, describe_archive, describe_binary_file

SUFFIXES = {
    ".txt",
    ".tsv",
    ".csv",
    ".json",
    ".xml",
    ".gz",
    ".zip",
    ".xlsx",
    ".xlsm",
    ".jsonl",
    ".ndjson",
    ".parquet",
    "",
}
"""Suffixes of the files that are read from folders and zip files."""
MAX_ZIP_MEMBERS = 10_000
"""Largest number of files in one zip file."""
_GROUPED_KINDS = {kind.name for kind in olist.KINDS}


def discover_files(paths: Iterable[str | Path]) -> tuple[list[RawFile], list[RefusedFile]]:
    """Find the raw files at the given paths; return them and the files that cannot be imported.

    Order files come first. Folders are searched recursively. Hidden files and files that are no reports are ignored.
    Raise ReaderError for a path that does not exist or is a pipe or device, and for an invalid column map.
    """
    all_formats()
    found: list[RawFile] = []
    refused: list[RefusedFile] = []
    olist_groups: defaultdict[tuple[Path, str], list[RawFile]] = defaultdict(list)
    for part in _find_parts(paths, refused):
        try:
            raw_file = _detect_file(part)
        except ReaderError as error:
            refused.append(RefusedFile(part.name, str(error)))
            continue
        if raw_file is not None and raw_file.kind in _GROUPED_KINDS:
            olist_groups[part.path if part.member else part.path.parent, part.folder].append(raw_file)
        elif raw_file is not None:
            found.append(raw_file)
    for group in olist_groups.values():
        problems = _find_group_problems(group)
        refused += problems
        if not problems:
            found.append(_combine_group(group))
    position = import_order()
    return sorted(found, key=lambda one: (position[one.kind], one.name)), refused


def _find_parts(paths: Iterable[str | Path], refused: list[RefusedFile]) -> Iterator[FilePart]:
    """Yield every raw text below some paths once, in a fixed order."""
    for path in dict.fromkeys(file for given in paths for file in _find_files(Path(given))):
        name = _display_name(path)
        try:
            yield from _list_parts(path, name)
        except ReaderError as error:
            refused.append(RefusedFile(name, str(error)))
        except UNREADABLE_ERRORS as error:
            refused.append(RefusedFile(name, str(unreadable_error(name, error))))


def _find_files(path: Path) -> Iterator[Path]:
    """Yield the file itself, or the files of a folder that may be reports, sorted."""
    if not path.exists():
        raise ReaderError(f"{path}: there is no such file or folder. Check the path.")
    if not path.is_dir():
        if not path.is_file():
            raise ReaderError(
                f"{path}: is a pipe or a device, not a file. Write what it gives into a file, and import that."
            )
        yield path.resolve()
        return
    for file in sorted(path.resolve().rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(path.resolve()).parts)
        if file.is_file() and not is_hidden and file.suffix.lower() in SUFFIXES | UNREAD_SUFFIXES:
            yield file


def _display_name(path: Path) -> str:
    """Return the name of a file in messages and in the store: its folder and its name, not its full path."""
    return f"{path.parent.name}/{path.name}"


def _list_parts(path: Path, name: str) -> Iterator[FilePart]:
    """Yield the file as one part, or the members of a zip file."""
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if not is_zip:
        yield FilePart(path, None, name, path.parent.name)
        return
    with ZipFile(path) as archive:
        if document := describe_archive(archive):
            raise ReaderError(f"{name}: {document}")
        if is_workbook(archive):
            yield FilePart(path, None, name, path.parent.name)
            return
        members = sorted(member for member in archive.namelist() if not member.endswith("/"))
    if len(members) > MAX_ZIP_MEMBERS:
        raise ReaderError(f"{name}: holds {len(members):,} files; unpack it yourself and import the folder.")
    for member in members:
        inside = Path(member)
        # No file is written under a member's name, so the name may point outside the folder.
        is_hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in inside.parts)
        if not is_hidden and inside.suffix.lower() in (SUFFIXES | UNREAD_SUFFIXES) - {".zip"}:
            yield FilePart(path, member, f"{name}/{member}", inside.parent.name or path.parent.name)


def detect_content(content: bytes, name: str, folder: str) -> RawFile:
    """Return a raw file whose bytes are in memory, with its kind and digest; the bytes may be packed by gzip.

    `name` is its name in messages and in the store, `folder` that of its account. Raise ReaderError if it is of no
    known kind.
    """
    found = _detect_file(FilePart(Path(name), None, name, folder, content=content))
    if found is None or found.kind in _GROUPED_KINDS:
        raise ReaderError(f"{name}: is a file of Olist's data. Import its folder: python -m healthkit import PATH")
    return found


def _detect_file(part: FilePart) -> RawFile | None:
    """Return a part with its kind and digest, or None for a file of Olist's data that is not read."""
    pieces = part.read_pieces()
    beginning = b""
    while len(beginning) < HEAD_BYTES and (piece := next(pieces, b"")):
        beginning += piece
    if unread := describe_binary_file(beginning):
        raise ReaderError(f"{part.name}: {unread}")
    lines = first_lines(beginning)
    if not lines:
        raise ReaderError(
            f"{part.name}: is empty. Amazon writes no file for a request that it cancelled or that found nothing: "
            "ask for it again."
        )
    if may_be_document(lines):
        # The names that identify the kind of a document may be anywhere in it.
        beginning += b"".join(pieces)
    try:
        document = detect_document_kind(beginning, lines)
        if document is None and is_ignored_olist_file(lines[0]):
            return None
        kind = document or detect_kind(lines)[0]
    except UnknownFileKind as error:
        # Reading the rest refuses a decompression bomb as such.
        digest_pieces(pieces)
        raise ReaderError(f"{part.name}: {_refusal_reason(beginning, str(error))}") from None
    digest, size = digest_pieces(chain([beginning], pieces))
    parts = (replace(part, kind=kind.name),)
    return RawFile(part.path, part.member, part.name, kind.name, digest, part.folder, size, parts)


def _refusal_reason(content: bytes, unknown_kind: str) -> str:
    """Return why a file is refused. For binary data a message on its header would be misleading."""
    if b"\0" in content[:4096] and not encoding_from_bom(content).startswith("utf-16"):
        return f"{NUL_PROBLEM}. {HINT_DOWNLOAD_AGAIN}"
    return unknown_kind


def _find_group_problems(group: list[RawFile]) -> list[RefusedFile]:
    """Return why Olist's files of one folder or zip cannot be imported: files missing, or several of one kind.

    Orders and items are required, reviews are not.
    """
    by_kind = {one.kind: one for one in group}
    missing = [kind.title for kind in olist.KINDS[:2] if kind.name not in by_kind]
    problems = [
        RefusedFile(one.name, f"{one.name}: lacks its {' and '.join(missing)}. Put them in one folder.")
        for one in by_kind.values()
        if missing
    ]
    return problems + [
        RefusedFile(
            one.name, f"{one.name}: its folder holds more than one such file. Give each set a folder of its own."
        )
        for one in group
        if by_kind[one.kind] is not one
    ]


def _combine_group(group: list[RawFile]) -> RawFile:
    """Return Olist's orders, items and reviews as one raw file; nothing is read from the file of sellers."""
    by_kind = {one.kind: one for one in group if one.kind != olist.SELLERS_KIND.name}
    orders = by_kind[olist.ORDERS_KIND.name]
    path = orders.path if orders.member else orders.path.parent
    name = _display_name(path) if orders.member else path.name
    digest = combine_digests(one.digest for one in by_kind.values())
    size = sum(one.size for one in by_kind.values())
    parts = tuple(part for one in by_kind.values() for part in one.parts)
    return RawFile(path, None, name, olist.KIND_NAME, digest, orders.folder, size, parts)
