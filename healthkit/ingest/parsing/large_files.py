"""Parse an order file that is too large for memory: in chunks, to the same rows as when it is parsed whole.

Each chunk is parsed as a small file is. Three things need more than one chunk:

- An order may have several lines, so a chunk ends with the last line of an order.
- An order with lines in several chunks is parsed again at the end, from all its lines.
- Rows that do not state their marketplace depend on the rest of the file. They raise NeedsWholeFile, and the caller
  parses the file whole.

Several threads parse chunks. If one chunk is refused, no row of the file is imported.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
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
    HEAD_BYTES,
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
"""Size of a chunk; a file that is not larger is parsed whole. [bytes]"""
MAX_ORDER_BYTES = 64 << 20
"""Largest size of the lines of one order; a file that exceeds it is parsed whole. [bytes]"""
REREAD_ORDERS = 200_000
"""Largest number of orders split over chunks that one further pass over the file parses."""
CHUNK_THREADS = min(4, os.cpu_count() or 1)
"""Number of threads that parse chunks."""

TableParser = Callable[[CsvTable, ReadContext], ParsedFile]


@dataclass(frozen=True)
class Chunk:
    """Consecutive lines of a file as normalized UTF-8, with the header of the file.

    `first_line` is the number of the first line of the chunk.
    """

    header: bytes
    kind: FileKind
    delimiter: str
    body: bytes
    first_line: int
    is_first: bool
    size: int
    notes: list[str]


@dataclass
class _ChunkResults:
    """The rows, counts and notes of the chunks parsed so far. All tables share `constant_columns`."""

    name: str
    constant_columns: dict[str, Any]
    tables: dict[str, SpillFile] = field(default_factory=dict)
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    days: list[date | None] = field(default_factory=list)
    order_number_file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def add(self, parsed_file: ParsedFile) -> None:
        """Add the result of one chunk."""
        self.skipped.update(parsed_file.skipped)
        self.rows += parsed_file.rows
        self.notes += parsed_file.notes
        self.days += [parsed_file.first_day, parsed_file.last_day]
        self.order_number_file.write(order_numbers(parsed_file.tables["orders"]["order_id"]).tobytes())
        self.add_rows(parsed_file)

    def add_rows(self, parsed_file: ParsedFile) -> None:
        """Add the rows of one chunk, or of orders that were parsed again."""
        for name, rows in parsed_file.tables.items():
            if name not in self.tables:
                self.tables[name] = SpillFile(self.name, rows.schema, self.constant_columns)
            self.tables[name].add(rows)
            if "updated_at" in self.constant_columns and rows.num_rows:
                times = (self.constant_columns["updated_at"], rows["updated_at"][0].as_py())
                self.constant_columns["updated_at"] = max(filter(None, times), default=None)

    def find_split_orders(self) -> np.ndarray:
        """Return the orders that have lines in several chunks, as sorted numbers."""
        self.order_number_file.flush()
        if not self.order_number_file.tell():
            return np.array([], np.int64)
        # Sorted in the file itself, whose pages the system can drop from memory.
        numbers = np.memmap(self.order_number_file, np.int64, "r+")
        numbers.sort()
        return np.asarray(np.unique(numbers[1:][numbers[1:] == numbers[:-1]]))


def parse_large_file(
    part: FilePart,
    parse: TableParser,
    context: ReadContext,
    digest: str,
    has_single_update_time: bool,
    on_progress: Callable[[int], None],
) -> ParsedFile:
    """Parse an order file in chunks, so that it need not fit into memory.

    Raise ReaderError if the file is refused, and NeedsWholeFile if it must be parsed whole. `parse` parses one chunk.
    With `has_single_update_time` all rows get the newest time of update in the file. `on_progress` is called with the
    number of bytes read since the last call.
    """
    beginning = next(part.read_pieces(), b"")

    def parse_as(encoding: str) -> ParsedFile:
        return _LargeFile(part, parse, context, encoding, has_single_update_time, on_progress).parse_chunks(digest)

    try:
        return parse_as(encoding_from_bom(beginning) or "utf-8")
    except NotUtf8:
        return parse_as(detect_encoding(part.read_pieces, lambda: context.is_japanese(beginning)))


@dataclass
class _LargeFile:
    """One file in one encoding, and how to parse its chunks; see `parse_large_file`."""

    part: FilePart
    parse: TableParser
    context: ReadContext
    encoding: str
    has_single_update_time: bool
    on_progress: Callable[[int], None]
    digest: Any = field(default_factory=hashlib.sha256)

    def parse_chunks(self, digest: str) -> ParsedFile:
        """Parse all chunks, and the orders that several of them share once more."""
        constant_columns: dict[str, Any] = dict(self.context.origin_columns())
        if self.has_single_update_time:
            constant_columns["updated_at"] = None
        results = _ChunkResults(self.part.name, constant_columns)
        kind = ""
        for chunk, parsed_file in self._map_in_order(self._parse_chunk):
            kind = parsed_file.kind
            results.add(parsed_file)
            self.on_progress(chunk.size)
        if self.digest.hexdigest() != digest:
            raise ReaderError(f"{self.part.name}: changed while it was being read. Import it again.")
        split_orders = results.find_split_orders()
        self._reparse_orders(split_orders, results)
        for table in results.tables.values():
            table.finish()
        if len(split_orders):
            # Some lines of an order may state other days than all its lines.
            batches = results.tables["orders"].select(["ordered_on"]).to_batches()
            results.days = [*first_and_last_day(pa.chunked_array([batch["ordered_on"] for batch in batches]))]
        days = [day for day in results.days if day is not None]
        no_rows = [] if results.rows or results.skipped else [NO_ROWS]
        return ParsedFile(
            self.context.report, self.context.name, kind, self.context.account, dict(results.tables), results.rows,
            dict(results.skipped), sum_notes([*encoding_note(self.encoding), *results.notes, *no_rows]),
            min(days, default=None), max(days, default=None),
        )  # fmt: skip

    def _parse_chunk(self, chunk: Chunk) -> ParsedFile:
        """Parse one chunk. Only the first is checked against orders in the store."""
        marketplace_of = self.context.marketplace_of if chunk.is_first else None
        return self.parse(_parse_columns(self.part.name, chunk), self._chunk_context(marketplace_of))

    def _chunk_context(self, marketplace_of: Any = None) -> ReadContext:
        return replace(self.context, is_partial=True, marketplace_of=marketplace_of)

    def _reparse_orders(self, orders: np.ndarray, results: _ChunkResults) -> None:
        """Replace the rows of orders with lines in several chunks by rows parsed from all their lines."""
        for spill_file in results.tables.values():
            spill_file.exclude_orders(orders)
        for begin in range(0, len(orders), REREAD_ORDERS):
            select = partial(_select_orders, self.part.name, orders[begin : begin + REREAD_ORDERS])
            tables = [table for _, table in self._map_in_order(select)]
            lines = pa.concat_tables([table.arrow_table for table in tables])
            table = replace(tables[0], arrow_table=lines, rows=pa.array(np.arange(len(lines))))
            results.add_rows(self.parse(table, self._chunk_context()))

    def _map_in_order(self, process: Callable[[Chunk], Any]) -> Iterator[tuple[Chunk, Any]]:
        """Yield each chunk with the result of `process`, in file order. Threads work a few chunks ahead."""
        threads = ThreadPoolExecutor(CHUNK_THREADS)
        submitted: deque[tuple[Chunk, Future[Any]]] = deque()
        try:
            for chunk in self._read_chunks():
                submitted.append((chunk, threads.submit(process, chunk)))
                if len(submitted) > CHUNK_THREADS:
                    chunk, future = submitted.popleft()
                    yield chunk, future.result()
            for chunk, future in submitted:
                yield chunk, future.result()
        finally:
            threads.shutdown(cancel_futures=True)

    def _read_chunks(self) -> Iterator[Chunk]:
        """Yield the file in chunks that end where an order ends."""
        name = self.part.name
        pieces = transcode_to_utf8(self._read_pieces(), self.encoding, name)
        header, text, begin, lines_before, header_notes = self._find_header(pieces)
        kind, delimiter = _detect_kind(name, header + b"\n" + text[begin : begin + HEAD_BYTES])
        if kind.quoted:
            raise NeedsWholeFile  # A cell may hold line ends.
        order_column = kind.normalize_header(header.decode(), delimiter).index(kind.required_columns[0])
        is_first = True
        for lines in _split_at_orders(chain([text], pieces), begin, order_column, delimiter.encode()):
            refuse_long_lines(name, lines, lines_before)
            body, notes = normalize_text(lines, name, is_partial=True)
            if is_first:
                notes = [*header_notes, *notes]
            size = len(lines) + (begin if is_first else 0)
            yield Chunk(header, kind, delimiter, body, lines_before + 1, is_first, size, notes)
            lines_before, is_first = lines_before + body.count(b"\n"), False

    def _find_header(self, pieces: Iterator[bytes]) -> tuple[bytes, bytes, int, int, list[str]]:
        """Return the header, the text read so far, where the rows begin in it and after how many lines, and notes."""
        text, begin, lines = b"", 0, 0
        for piece in pieces:
            text, begin = text[begin:] + piece, 0
            while end := text.find(b"\n", begin) + 1:
                line, notes = normalize_text(text[begin:end], self.part.name, is_partial=True)
                begin, lines = end, lines + 1
                if line != b"\n":
                    return line[:-1], text, begin, lines, notes
            if len(text) - begin > 2 * MAX_LINE_BYTES:
                refuse_long_lines(self.part.name, text[begin:], lines)
                break
        raise NeedsWholeFile  # Its lines end in carriage returns alone, or it is one line.

    def _read_pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the file and take their digest."""
        self.digest = hashlib.sha256()
        for piece in self.part.read_pieces(CHUNK_BYTES):
            self.digest.update(piece)
            yield piece


def _detect_kind(name: str, text: bytes) -> tuple[FileKind, str]:
    try:
        return detect_kind(first_lines(text))
    except UnknownFileKind as error:
        raise ReaderError(f"{name}: {error}") from None


def _parse_columns(name: str, chunk: Chunk) -> CsvTable:
    return parse_rows(
        name, chunk.header, chunk.body, chunk.first_line, chunk.kind, chunk.delimiter, list(chunk.notes),
        is_partial=True,
    )  # fmt: skip


def _select_orders(name: str, orders: np.ndarray, chunk: Chunk) -> CsvTable:
    """Return the lines of a chunk that belong to some orders."""
    table = _parse_columns(name, chunk)
    column = chunk.kind.required_columns[0]
    table = table.filter_rows(pc.fill_null(pc.match_substring_regex(table[column], AMAZON_ORDER_ID), False))
    # Without its body, which would keep the whole chunk in memory.
    table = replace(table, body=b"", notes=[])
    return table.filter_rows(pa.array(is_in_sorted(order_numbers(table[column]), orders)))


def _split_at_orders(pieces: Iterable[bytes], begin: int, column: int, delimiter: bytes) -> Iterator[bytes]:
    """Yield the lines of a text that is given in pieces, cut where an order ends; the rows begin in its first piece.

    Raise NeedsWholeFile if the lines of one order are too many.
    """
    pending = b""
    for piece in pieces:
        end = _last_order_start(piece, column, delimiter)
        if end <= begin:
            # The order may have begun in the piece before.
            piece, pending, begin = pending + piece[begin:], b"", 0
            end = _last_order_start(piece, column, delimiter)
        if end:
            yield b"".join((pending, memoryview(piece)[begin:end]))  # Of a view: each copy of a piece takes long.
        pending, begin = piece[end:], 0
        if len(pending) > 2 * MAX_LINE_BYTES and b"\n" not in pending[-2 * MAX_LINE_BYTES :]:
            if b"\r" in pending:
                raise NeedsWholeFile  # Its lines may end in carriage returns alone.
            break  # The last line is too long, for which it is refused.
        if len(pending) > MAX_ORDER_BYTES:
            raise NeedsWholeFile
    yield pending


def _last_order_start(text: bytes, column: int, delimiter: bytes) -> int:
    """Return where the lines of the last order begin. More lines of it may follow in the file.

    The first and the last line of the text may be incomplete.

    >>> _last_order_start(b"a,1\\nb,1\\nb,2\\nc", 0, b",")
    4
    """

    def read_order(begin: int, end: int) -> bytes:
        cells = text[begin:end].split(delimiter, column + 1)
        return cells[column] if len(cells) > column else b""

    end = text.rfind(b"\n") + 1
    begin = text.rfind(b"\n", 0, max(0, end - 1)) + 1
    last = read_order(begin, end)
    while begin:
        earlier = text.rfind(b"\n", 0, begin - 1) + 1
        if read_order(earlier, begin) != last:
            break
        begin = earlier
    return begin


_FIRST_NUMBER = re.compile(r"\b\d[\d,]*\b")


def sum_notes(notes: list[str]) -> list[str]:
    """Merge notes that differ only in their first number into one note with the sum of the numbers.

    >>> sum_notes(["Filled up 2 rows.", "Read as cp1252.", "Filled up 1,003 rows.", "Read as cp1252."])
    ['Filled up 1,005 rows.', 'Read as cp1252.']
    """
    sums: Counter[str] = Counter()
    for note in notes:
        number = _FIRST_NUMBER.search(note)
        sums[_FIRST_NUMBER.sub("\0", note, count=1)] += int(number[0].replace(",", "")) if number else 0
    return [shape.replace("\0", f"{count:,}") for shape, count in sums.items()]
