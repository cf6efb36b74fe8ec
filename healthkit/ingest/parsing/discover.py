"""From paths to sources: walk folders, look into packed files, recognise kinds, put orders first."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

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
from healthkit.ingest.parsing.encodings import HEAD_BYTES, first_lines
from healthkit.ingest.parsing.raw_file import (
    ZIP_MAGIC,
    FilePart,
    RawFile,
    ReaderError,
    RefusedFile,
    combine_digests,
    digest_pieces,
)

SUFFIXES = {".txt", ".tsv", ".csv", ".json", ".xml", ".gz", ".zip", ""}
MAX_ZIP_MEMBERS = 10_000
"""So many files one zip may hold."""
_GROUPED_KINDS = {kind.name for kind in olist.KINDS}


def discover_files(paths: Iterable[str | Path]) -> tuple[list[RawFile], list[RefusedFile]]:
    """What can be read below the paths, orders first, and what cannot and why.

    Folders are walked; hidden files and files that are no raw reports are passed over.
    Raises ReaderError for a path that does not exist or is a pipe or device, and for a column map that cannot be read.
    """
    all_formats()
    sources: list[RawFile] = []
    refused: list[RefusedFile] = []
    members: list[tuple[FilePart, RawFile]] = []
    for part in _find_parts(paths, refused):
        try:
            source = _detect_file(part)
        except ReaderError as error:
            refused.append(RefusedFile(part.name, str(error)))
            continue
        if source is not None and source.kind in _GROUPED_KINDS:
            members.append((replace(part, kind=source.kind), source))
        elif source is not None:
            sources.append(source)
    sources += _group_olist_files(members, refused)
    return sorted(sources, key=lambda source: (import_order(source.kind), source.name)), refused


def _find_parts(paths: Iterable[str | Path], refused: list[RefusedFile]) -> Iterator[FilePart]:
    """Every raw text below the paths, each once, in a fixed order."""
    for path in dict.fromkeys(file for given in paths for file in _find_files(Path(given))):
        try:
            yield from _list_parts(path)
        except ReaderError as error:
            refused.append(RefusedFile(_display_name(path), str(error)))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            name = _display_name(path)
            refused.append(
                RefusedFile(name, f"{name}: cannot be opened ({type(error).__name__}). {HINT_DOWNLOAD_AGAIN}")
            )


def _find_files(path: Path) -> Iterator[Path]:
    """The file itself, or the candidates of a folder, sorted."""
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
        hidden = any(part.startswith(".") for part in file.relative_to(path.resolve()).parts)
        if file.is_file() and not hidden and file.suffix.lower() in SUFFIXES:
            yield file


def _display_name(path: Path) -> str:
    """How messages and the store call a file: its folder and its name, no more of the machine."""
    return f"{path.parent.name}/{path.name}"


def _list_parts(path: Path) -> Iterator[FilePart]:
    """The file as one part, or the parts of a zip."""
    with path.open("rb") as file:
        packed = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if not packed:
        yield FilePart(path, None, _display_name(path), path.parent.name)
        return
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
    if len(names) > MAX_ZIP_MEMBERS:
        raise ReaderError(
            f"{_display_name(path)}: holds {len(names):,} files; unpack it yourself and import the folder."
        )
    for name in names:
        inside = Path(name)
        # Nothing is ever written under a member's name, so that one may point wherever it likes.
        hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in inside.parts)
        if not hidden and inside.suffix.lower() in SUFFIXES - {".zip"}:
            yield FilePart(path, name, f"{_display_name(path)}/{name}", inside.parent.name or path.parent.name)


def _detect_file(part: FilePart) -> RawFile | None:
    """One part with its kind and digest; None for what stands beside and is not read."""
    pieces = part.read_pieces()
    begins = b""
    while len(begins) < HEAD_BYTES and (piece := next(pieces, b"")):
        begins += piece
    lines = first_lines(begins)
    if not lines:
        raise ReaderError(
            f"{part.name}: is empty. Amazon writes no file for a request that it cancelled or that found nothing: "
            "ask for it again."
        )
    if may_be_document(lines):
        # What kind of document it is may stand anywhere in it.
        begins += b"".join(pieces)
    try:
        document = detect_document_kind(begins, lines)
        if document is None and is_ignored_olist_file(lines[0]):
            return None
        kind = document or detect_kind(lines)[0]
    except UnknownFileKind as unknown:
        # A file that is made to fill the memory is refused as that, whatever it begins with.
        digest_pieces(pieces)
        raise ReaderError(f"{part.name}: {_refusal_reason(begins, str(unknown))}") from None
    digest, size = digest_pieces(chain([begins], pieces))
    whole = (replace(part, kind=kind.name),)
    return RawFile(part.path, part.member, part.name, kind.name, digest, part.folder, size, whole)


def _refusal_reason(content: bytes, unknown: str) -> str:
    """Bytes that are no text are refused as that; a header in them would only mislead."""
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"holds NUL bytes, so it is no text (or UTF-16 without its mark). {HINT_DOWNLOAD_AGAIN}"
    return unknown


def _group_olist_files(members: list[tuple[FilePart, RawFile]], refused: list[RefusedFile]) -> Iterator[RawFile]:
    """Olist's files, one source a folder or zip; orders and items are needed, reviews may be missing."""
    places = dict.fromkeys(_group_key(part) for part, _ in members)
    for place in places:
        group = {source.kind: (part, source) for part, source in members if _group_key(part) == place}
        missing = [kind.title for kind in olist.KINDS[:2] if kind.name not in group]
        repeated = [
            part.name for part, _ in members if _group_key(part) == place and part not in _parts_of_group(group)
        ]
        if missing or repeated:
            refused += _refuse_incomplete(group, missing, repeated)
        else:
            yield _build_group(group)


def _group_key(part: FilePart) -> tuple[Path, str]:
    return (part.path, part.folder) if part.member else (part.path.parent, part.folder)


def _parts_of_group(group: dict[str, tuple[FilePart, RawFile]]) -> list[FilePart]:
    return [part for part, _ in group.values()]


def _refuse_incomplete(
    group: dict[str, tuple[FilePart, RawFile]], missing: list[str], repeated: list[str]
) -> Iterator[RefusedFile]:
    """Why the files of a folder make no whole."""
    if missing:
        for part in _parts_of_group(group):
            yield RefusedFile(
                part.name, f"{part.name}: stands without its {' and '.join(missing)}. Put them in one folder."
            )
    for name in repeated:
        yield RefusedFile(name, f"{name}: its folder holds more than one such file. Give each set a folder of its own.")


def _build_group(group: dict[str, tuple[FilePart, RawFile]]) -> RawFile:
    """One source of the orders, items and reviews; the sellers' file says nothing that the kit keeps."""
    group = {kind: pair for kind, pair in group.items() if kind != olist.SELLERS_KIND.name}
    orders, _ = group[olist.ORDERS_KIND.name]
    path = orders.path if orders.member else orders.path.parent
    name = _display_name(path) if orders.member else path.name
    digest = combine_digests(source.digest for _, source in group.values())
    size = sum(source.size for _, source in group.values())
    return RawFile(path, None, name, olist.KIND_NAME, digest, orders.folder, size, tuple(_parts_of_group(group)))
