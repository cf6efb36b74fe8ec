"""A file of orders that is too large to be read whole: read stretch by stretch, in bounded memory, to the same rows.

A stretch is read just as a small file is. What would part the two ways is seen to: a stretch ends with the last line of
an order; an order whose lines stand farther apart is read again at the end, from all its lines; and what only the whole
file can say (of which marketplace a row is, if not the row itself) is not asked of a stretch, but has the file read
whole. Stretches are taken apart by several threads; nothing is kept where one of them is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from itertools import chain
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import AMAZON_ORDER_ID
from healthkit.ingest.parsing.csv_table import (
    MAX_LINE_BYTES,
    NO_ROWS,
    CsvTable,
    FileKind,
    parse_rows,
    refuse_long_lines,
)
from healthkit.ingest.parsing.detect import UnknownFileKind, detect_kind
from healthkit.ingest.parsing.encodings import (
    NotUtf8,
    detect_encoding,
    encoding_from_bom,
    encoding_note,
    first_lines,
    normalize_text,
    transcode_to_utf8,
)
from healthkit.ingest.parsing.marketplace_of_row import NeedsWholeFile, ReadContext
from healthkit.ingest.parsing.parsed_file import ParsedFile, first_and_last_day
from healthkit.ingest.parsing.raw_file import FilePart, ReaderError
from healthkit.ingest.parsing.spill_file import SpillFile, is_in_sorted, order_numbers

CHUNK_BYTES = 8 << 20
"""So many bytes are read whole; of a larger file so many make a stretch. [bytes]"""
REREAD_ORDERS = 200_000
"""So many orders whose lines stand apart are read again at once."""
ORDERS_PER_PASS = 2_000_000
"""So many orders are looked through at once for those that stand in several stretches."""
CHUNK_THREADS = min(4, os.cpu_count() or 1)

TableParser = Callable[[CsvTable, ReadContext], ParsedFile]


@dataclass(frozen=True)
class Chunk:
    """Some lines of a file, as clean text, and the number of the first of them; `first` tells of the file's first."""

    header: bytes
    body: bytes
    first_line: int
    first: bool
    size: int
    notes: list[str]


@dataclass
class _ChunkResults:
    """What the stretches of a file told so far."""

    name: str
    same: dict[str, Any]
    tables: dict[str, SpillFile] = field(default_factory=dict)
    rows: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    update_times: list[Any] = field(default_factory=list)
    again: bool = False
    numbers: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def add(self, parsed_file: ParsedFile) -> None:
        """What one stretch told."""
        for reason, count in parsed_file.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        self.rows += parsed_file.rows
        self.notes += parsed_file.notes
        self.days += [day for day in (parsed_file.first_day, parsed_file.last_day) if day is not None]
        self.numbers.write(order_numbers(parsed_file.tables["orders"]["order_id"]).tobytes())
        self.keep(parsed_file)

    def keep(self, parsed_file: ParsedFile) -> None:
        """The rows of one stretch, or of orders that were read again."""
        for name, rows in parsed_file.tables.items():
            if name not in self.tables:
                self.tables[name] = SpillFile(self.name, rows.schema, dict(self.same))
            self.tables[name].add(rows)
            if "updated_at" in self.same and rows.num_rows:
                self.update_times.append(rows["updated_at"][0].as_py())

    def find_split_orders(self) -> np.ndarray:
        """The orders that stand in several stretches, as sorted numbers."""
        self.numbers.flush()
        size = self.numbers.tell() // 8
        rounds = 1 + size // ORDERS_PER_PASS
        return np.sort(np.concatenate([_find_repeated(self.numbers, place, rounds) for place in range(rounds)]))

    def taken(self, kind: str, context: ReadContext) -> ParsedFile:
        """All that the file says."""
        for held in self.tables.values():
            if "updated_at" in self.same:
                # A file without stamps of its own is as new as its newest time, wherever that stands.
                held.same["updated_at"] = max(self.update_times, default=None)
            held.finish()
        first, last = min(self.days, default=None), max(self.days, default=None)
        if self.again:
            # A stretch told of days by some lines of an order, of which all its lines may know better.
            first, last = first_and_last_day(
                pa.chunked_array([batch["ordered_on"] for batch in self.tables["orders"].to_batches()])
            )
        tables: dict[str, Any] = dict(self.tables)
        notes = sum_notes(self.notes)
        return ParsedFile(
            context.report, context.name, kind, context.account, tables, self.rows, self.skipped, notes, first, last
        )


def _find_repeated(numbers: IO[bytes], remainder: int, passes: int) -> np.ndarray:
    """Of the numbers in a file, those that stand twice or more; in this round only a part of them."""
    numbers.seek(0)
    held = []
    while piece := numbers.read(1 << 23):
        found = np.frombuffer(piece, np.int64)
        held.append(found[found % passes == remainder])
    mine = np.sort(np.concatenate(held)) if held else np.array([], np.int64)
    return np.unique(mine[1:][mine[1:] == mine[:-1]])


def parse_large_file(
    part: FilePart,
    parse: TableParser,
    context: ReadContext,
    digest: str,
    has_single_update_time: bool,
    on_progress: Callable[[int], None],
) -> ParsedFile:
    """Read a file of orders stretch by stretch, or raise ReaderError; OnlyWhole for one that must be read whole.

    `take` reads one stretch; with `one_stamp` all its rows are as new as the newest of them. `moved` is told how many
    bytes more were read.
    """
    try:
        return _LargeFile(part, parse, context, "", has_single_update_time, on_progress).taken(digest)
    except NotUtf8:
        # Of whose orders the beginning tells, it is known which language they are in.
        encoding = detect_encoding(part.read_pieces, lambda: context.is_japanese(next(part.read_pieces(), b"")))
        return _LargeFile(part, parse, context, encoding, has_single_update_time, on_progress).taken(digest)


@dataclass
class _LargeFile:
    """One file being read, in one encoding; "" where it is told by its mark, or else UTF-8."""

    part: FilePart
    take: TableParser
    asked: ReadContext
    encoding: str
    has_single_update_time: bool
    moved: Callable[[int], None]
    digest: Any = field(default_factory=hashlib.sha256)

    def taken(self, digest: str) -> ParsedFile:
        """All that the file says."""
        same: dict[str, Any] = dict(self.asked.origin_columns())
        found = _ChunkResults(self.part.name, same | ({"updated_at": None} if self.has_single_update_time else {}))
        kind = ""
        for stretch, taken in self._map_in_order(self._parse_chunk):
            kind = taken.kind
            found.add(taken)
            self.moved(stretch.size)
        if self.digest.hexdigest() != digest:
            raise ReaderError(f"{self.part.name}: changed while it was being read. Import it again.")
        found.notes = encoding_note(self.encoding) + found.notes + ([] if found.rows or found.skipped else [NO_ROWS])
        self._reread_split_orders(found)
        return found.taken(kind, self.asked)

    def _parse_chunk(self, chunk: Chunk) -> ParsedFile:
        """What one stretch says; only of the first the store is asked."""
        known = self.asked.marketplace_of if chunk.first else None
        return self.take(self._read_chunk_table(chunk), replace(self.asked, is_partial=True, marketplace_of=known))

    def _read_chunk_table(self, chunk: Chunk) -> CsvTable:
        kind, delimiter = self._detect_kind(chunk.header)
        notes = list(chunk.notes)
        return parse_rows(
            self.part.name, chunk.header, chunk.body, chunk.first_line, kind, delimiter, notes, is_partial=True
        )

    def _reread_split_orders(self, found: _ChunkResults) -> None:
        """Read the orders that stand in several stretches from all their lines, and let those rows stand instead."""
        apart = found.find_split_orders()
        found.again = len(apart) > 0
        for held in found.tables.values():
            held.exclude_orders(apart)
        for begin in range(0, len(apart), REREAD_ORDERS):
            wanted = apart[begin : begin + REREAD_ORDERS]
            grids = [grid for _, grid in self._map_in_order(partial(self._select_order_lines, wanted))]
            lines = pa.concat_tables([grid.arrow_table for grid in grids])
            together = replace(grids[0], arrow_table=lines, rows=pa.array(np.arange(len(lines))))
            found.keep(self.take(together, replace(self.asked, is_partial=True, marketplace_of=None)))

    def _select_order_lines(self, wanted: np.ndarray, chunk: Chunk) -> CsvTable:
        """The lines of a stretch that belong to some orders."""
        grid = self._read_chunk_table(chunk)
        column = grid.kind.required_columns[0]
        grid = grid.filter_rows(pc.fill_null(pc.match_substring_regex(grid[column], AMAZON_ORDER_ID), False))
        # Its body would hold the whole stretch in memory.
        grid = replace(grid, body=b"", notes=[])
        return grid.filter_rows(pa.array(is_in_sorted(order_numbers(grid[column]), wanted)))

    def _map_in_order(self, process: Callable[[Chunk], Any]) -> Iterator[tuple[Chunk, Any]]:
        """Each stretch with what was made of it, in the order in which they stand."""
        with ThreadPoolExecutor(CHUNK_THREADS) as threads:
            begun: deque[tuple[Chunk, Future[Any]]] = deque()
            try:
                for stretch in self._read_chunks():
                    begun.append((stretch, threads.submit(process, stretch)))
                    if len(begun) > CHUNK_THREADS:
                        stretch, made = begun.popleft()
                        yield stretch, made.result()
                while begun:
                    stretch, made = begun.popleft()
                    yield stretch, made.result()
            finally:
                for _, made in begun:
                    made.cancel()

    def _read_chunks(self) -> Iterator[Chunk]:
        """The file, cut where an order ends."""
        name, self.digest = self.part.name, hashlib.sha256()
        header, held, passed, first = b"", b"", 0, True
        for raw in self._lines():
            refuse_long_lines(name, raw, passed + held.count(b"\n"))
            text, notes = normalize_text(raw, name, is_partial=True)
            text = held + text
            if not header:
                if b"\n" not in text:
                    raise NeedsWholeFile  # Its lines end in carriage returns alone, or it is one line.
                began = text.lstrip(b"\n")
                header, _, rest = began.partition(b"\n")
                passed += len(text) - len(began) + bool(header)
                if not header:
                    continue
                text, place = rest, self._find_order_column(began)
            end = _last_order_start(text, place)
            held = text[end:]
            if end:
                yield Chunk(header, text[:end], passed + 1, first, len(raw), notes)
                passed, first = passed + text.count(b"\n", 0, end), False
            elif len(held) > MAX_ORDER_BYTES:
                raise NeedsWholeFile
        if held or first:
            yield Chunk(header, held, passed + 1, first, 0, [])

    def _find_order_column(self, text: bytes) -> tuple[int, bytes]:
        """Which cell of a line holds the order's id, and what parts cells."""
        kind, delimiter = self._detect_kind(text)
        header = text.partition(b"\n")[0].decode()
        return kind.normalize_header(header, delimiter).index(kind.required_columns[0]), delimiter.encode()

    def _detect_kind(self, text: bytes) -> tuple[FileKind, str]:
        try:
            return detect_kind(first_lines(text))
        except UnknownFileKind as unknown:
            raise ReaderError(f"{self.part.name}: {unknown}") from None

    def _lines(self) -> Iterator[bytes]:
        """The text in whole lines, as UTF-8, some STRETCH bytes at once."""
        held: list[bytes] = []
        size = 0
        pieces = self._pieces()
        first = next(pieces, b"")  # With it comes the encoding.
        for piece in transcode_to_utf8(chain([first], pieces), self.encoding, self.part.name):
            held.append(piece)
            size += len(piece)
            end = piece.rfind(b"\n") + 1
            if end and size >= CHUNK_BYTES:
                held[-1] = piece[:end]
                yield b"".join(held)
                held, size = [piece[end:]], len(piece) - end
            elif not end and size > 2 * MAX_LINE_BYTES:
                if any(b"\r" in one for one in held):
                    raise NeedsWholeFile  # Its lines may end in carriage returns alone.
                yield b"".join(held)
                held, size = [], 0
        rest = b"".join(held)
        if rest:
            yield rest

    def _pieces(self) -> Iterator[bytes]:
        """The file's bytes, whose digest is taken as they pass; the first tells the encoding."""
        for number, piece in enumerate(self.part.read_pieces()):
            if not number:
                self.encoding = self.encoding or encoding_from_bom(piece) or "utf-8"
            self.digest.update(piece)
            yield piece


MAX_ORDER_BYTES = 64 << 20
"""Lines of one order that are longer together are not looked at as such. [bytes]"""


def _last_order_start(text: bytes, order_column: tuple[int, bytes]) -> int:
    """Where the lines of the last order begin: what follows may not be all of them.

    >>> _last_order_start(b"a,1\\nb,1\\nb,2\\n", (0, b","))
    4
    """
    column, parted = order_column

    def cell(begin: int, end: int) -> bytes:
        cells = text[begin:end].split(parted, column + 1)
        return cells[column] if len(cells) > column else b""

    end = len(text)
    begin = text.rfind(b"\n", 0, end - 1) + 1
    last = cell(begin, end)
    while begin:
        earlier = text.rfind(b"\n", 0, begin - 1) + 1
        if cell(earlier, begin) != last:
            break
        begin = earlier
    return begin


_FIRST_NUMBER = re.compile(r"\b\d[\d,]*\b")


def sum_notes(notes: list[str]) -> list[str]:
    """Sentences that differ in their first number alone as one, with the sum of those numbers.

    >>> sum_notes(["Filled up 2 rows.", "Read as cp1252.", "Filled up 1,003 rows.", "Read as cp1252."])
    ['Filled up 1,005 rows.', 'Read as cp1252.']
    """
    sums: dict[str, int] = {}
    for note in notes:
        shape = _FIRST_NUMBER.sub("\0", note, count=1)
        found = _FIRST_NUMBER.search(note)
        sums[shape] = sums.get(shape, 0) + (int(found[0].replace(",", "")) if found else 0)
    return [shape.replace("\0", f"{count:,}") for shape, count in sums.items()]
