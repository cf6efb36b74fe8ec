"""From paths to sources: walk folders, look into packed files, recognise kinds, put orders first."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from healthkit.ingest.formats import olist, orders_api
from healthkit.ingest.parsing.csv_table import AGAIN
from healthkit.ingest.parsing.detect import (
    DOCUMENTS,
    KINDS,
    Unrecognised,
    every_kind,
    may_be_document,
    recognise,
    recognise_document,
    stands_beside,
)
from healthkit.ingest.parsing.encodings import HEAD, opening
from healthkit.ingest.parsing.raw_file import (
    ZIP,
    Part,
    ReaderError,
    Refused,
    Source,
    digest_of_group,
    digest_of_pieces,
)

SUFFIXES = {".txt", ".tsv", ".csv", ".json", ".xml", ".gz", ".zip", ""}
MOST_MEMBERS = 10_000
"""So many files one zip may hold."""
_GROUPED = {kind.name for kind in olist.KINDS}
_NAMES = [*(kind.name for kind in KINDS), *(document.name for document in DOCUMENTS)]
_TURN = {name: turn for turn, name in enumerate(_NAMES)} | {olist.NAME: 0.5}
_TURN |= {document.name: 0.6 + turn / 10 for turn, document in enumerate(orders_api.DOCUMENTS)}


def plan(paths: Iterable[str | Path]) -> tuple[list[Source], list[Refused]]:
    """What can be read below the paths, orders first, and what cannot and why.

    Folders are walked; hidden files and files that are no raw reports are passed over.
    Raises ReaderError for a path that does not exist or is a pipe or device, and for a column map that cannot be read.
    """
    every_kind()
    sources: list[Source] = []
    refused: list[Refused] = []
    members: list[tuple[Part, Source]] = []
    for part in _parts(paths, refused):
        try:
            source = _source(part)
        except ReaderError as error:
            refused.append(Refused(part.name, str(error)))
            continue
        if source is not None and source.kind in _GROUPED:
            members.append((replace(part, kind=source.kind), source))
        elif source is not None:
            sources.append(source)
    sources += _groups(members, refused)
    return sorted(sources, key=lambda source: (_TURN.get(source.kind, len(_NAMES)), source.name)), refused


def _parts(paths: Iterable[str | Path], refused: list[Refused]) -> Iterator[Part]:
    """Every raw text below the paths, each once, in a fixed order."""
    for path in dict.fromkeys(file for given in paths for file in _files(Path(given))):
        try:
            yield from _members(path)
        except ReaderError as error:
            refused.append(Refused(_name(path), str(error)))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            name = _name(path)
            refused.append(Refused(name, f"{name}: cannot be opened ({type(error).__name__}). {AGAIN}"))


def _files(path: Path) -> Iterator[Path]:
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


def _name(path: Path) -> str:
    """How messages and the store call a file: its folder and its name, no more of the machine."""
    return f"{path.parent.name}/{path.name}"


def _members(path: Path) -> Iterator[Part]:
    """The file as one part, or the parts of a zip."""
    with path.open("rb") as file:
        packed = file.read(len(ZIP)) == ZIP
    if not packed:
        yield Part(path, None, _name(path), path.parent.name)
        return
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
    if len(names) > MOST_MEMBERS:
        raise ReaderError(f"{_name(path)}: holds {len(names):,} files; unpack it yourself and import the folder.")
    for name in names:
        inside = Path(name)
        # Nothing is ever written under a member's name, so that one may point wherever it likes.
        hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in inside.parts)
        if not hidden and inside.suffix.lower() in SUFFIXES - {".zip"}:
            yield Part(path, name, f"{_name(path)}/{name}", inside.parent.name or path.parent.name)


def _source(part: Part) -> Source | None:
    """One part with its kind and digest; None for what stands beside and is not read."""
    pieces = part.pieces()
    begins = b""
    while len(begins) < HEAD and (piece := next(pieces, b"")):
        begins += piece
    lines = opening(begins)
    if not lines:
        raise ReaderError(
            f"{part.name}: is empty. Amazon writes no file for a request that it cancelled or that found nothing: "
            "ask for it again."
        )
    if may_be_document(lines):
        # What kind of document it is may stand anywhere in it.
        begins += b"".join(pieces)
    try:
        document = recognise_document(begins, lines)
        if document is None and stands_beside(lines[0]):
            return None
        kind = document or recognise(lines)[0]
    except Unrecognised as unknown:
        # A file that is made to fill the memory is refused as that, whatever it begins with.
        digest_of_pieces(pieces)
        raise ReaderError(f"{part.name}: {_why(begins, str(unknown))}") from None
    digest, size = digest_of_pieces(chain([begins], pieces))
    whole = (replace(part, kind=kind.name),)
    return Source(part.path, part.member, part.name, kind.name, digest, part.folder, size, whole)


def _why(content: bytes, unknown: str) -> str:
    """Bytes that are no text are refused as that; a header in them would only mislead."""
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"holds NUL bytes, so it is no text (or UTF-16 without its mark). {AGAIN}"
    return unknown


def _groups(members: list[tuple[Part, Source]], refused: list[Refused]) -> Iterator[Source]:
    """Olist's files, one source a folder or zip; orders and items are needed, reviews may be missing."""
    places = dict.fromkeys(_place(part) for part, _ in members)
    for place in places:
        group = {source.kind: (part, source) for part, source in members if _place(part) == place}
        missing = [kind.title for kind in olist.KINDS[:2] if kind.name not in group]
        repeated = [part.name for part, _ in members if _place(part) == place and part not in _first(group)]
        if missing or repeated:
            refused += _incomplete(group, missing, repeated)
        else:
            yield _group(group)


def _place(part: Part) -> tuple[Path, str]:
    return (part.path, part.folder) if part.member else (part.path.parent, part.folder)


def _first(group: dict[str, tuple[Part, Source]]) -> list[Part]:
    return [part for part, _ in group.values()]


def _incomplete(group: dict[str, tuple[Part, Source]], missing: list[str], repeated: list[str]) -> Iterator[Refused]:
    """Why the files of a folder make no whole."""
    if missing:
        for part in _first(group):
            yield Refused(
                part.name, f"{part.name}: stands without its {' and '.join(missing)}. Put them in one folder."
            )
    for name in repeated:
        yield Refused(name, f"{name}: its folder holds more than one such file. Give each set a folder of its own.")


def _group(group: dict[str, tuple[Part, Source]]) -> Source:
    """One source of the orders, items and reviews; the sellers' file says nothing that the kit keeps."""
    group = {kind: pair for kind, pair in group.items() if kind != olist.SELLERS_KIND.name}
    orders, _ = group[olist.ORDERS_KIND.name]
    path = orders.path if orders.member else orders.path.parent
    name = _name(path) if orders.member else path.name
    digest = digest_of_group(source.digest for _, source in group.values())
    size = sum(source.size for _, source in group.values())
    return Source(path, None, name, olist.NAME, digest, orders.folder, size, tuple(_first(group)))
