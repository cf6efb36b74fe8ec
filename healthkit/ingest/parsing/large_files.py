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

from healthkit.ingest.parsing.cells import AMAZON_ID
from healthkit.ingest.parsing.csv_table import LONGEST_LINE, NO_ROWS, Grid, Kind, parse_body, refuse_long_lines
from healthkit.ingest.parsing.detect import Unrecognised, recognise
from healthkit.ingest.parsing.encodings import NotUtf8, clean, encoding_of, in_utf8, mark_of, note_on, opening
from healthkit.ingest.parsing.marketplace_of_row import Asked, OnlyWhole
from healthkit.ingest.parsing.parsed_file import Taken, span
from healthkit.ingest.parsing.raw_file import Part, ReaderError
from healthkit.ingest.parsing.spill_file import Spilled, among, numbers_of

STRETCH = 8 << 20
"""So many bytes are read whole; of a larger file so many make a stretch. [bytes]"""
AGAIN = 200_000
"""So many orders whose lines stand apart are read again at once."""
NUMBERS = 2_000_000
"""So many orders are looked through at once for those that stand in several stretches."""
THREADS = min(4, os.cpu_count() or 1)

Take = Callable[[Grid, Asked], Taken]


@dataclass(frozen=True)
class Stretch:
    """Some lines of a file, as clean text, and the number of the first of them; `first` tells of the file's first."""

    header: bytes
    body: bytes
    first_line: int
    first: bool
    size: int
    notes: list[str]


@dataclass
class _Found:
    """What the stretches of a file told so far."""

    name: str
    same: dict[str, Any]
    tables: dict[str, Spilled] = field(default_factory=dict)
    rows: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    days: list[date] = field(default_factory=list)
    stamps: list[Any] = field(default_factory=list)
    again: bool = False
    numbers: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def add(self, taken: Taken) -> None:
        """What one stretch told."""
        for reason, count in taken.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        self.rows += taken.rows
        self.notes += taken.notes
        self.days += [day for day in (taken.first_day, taken.last_day) if day is not None]
        self.numbers.write(numbers_of(taken.tables["orders"]["order_id"]).tobytes())
        self.keep(taken)

    def keep(self, taken: Taken) -> None:
        """The rows of one stretch, or of orders that were read again."""
        for name, rows in taken.tables.items():
            if name not in self.tables:
                self.tables[name] = Spilled(self.name, rows.schema, dict(self.same))
            self.tables[name].add(rows)
            if "updated_at" in self.same and rows.num_rows:
                self.stamps.append(rows["updated_at"][0].as_py())

    def apart(self) -> np.ndarray:
        """The orders that stand in several stretches, as sorted numbers."""
        self.numbers.flush()
        size = self.numbers.tell() // 8
        rounds = 1 + size // NUMBERS
        return np.sort(np.concatenate([_twice(self.numbers, place, rounds) for place in range(rounds)]))

    def taken(self, kind: str, asked: Asked) -> Taken:
        """All that the file says."""
        for held in self.tables.values():
            if "updated_at" in self.same:
                # A file without stamps of its own is as new as its newest time, wherever that stands.
                held.same["updated_at"] = max(self.stamps, default=None)
            held.finish()
        first, last = min(self.days, default=None), max(self.days, default=None)
        if self.again:
            # A stretch told of days by some lines of an order, of which all its lines may know better.
            first, last = span(pa.chunked_array([batch["ordered_on"] for batch in self.tables["orders"].to_batches()]))
        tables: dict[str, Any] = dict(self.tables)
        notes = added_up(self.notes)
        return Taken(asked.report, asked.name, kind, asked.account, tables, self.rows, self.skipped, notes, first, last)


def _twice(numbers: IO[bytes], place: int, rounds: int) -> np.ndarray:
    """Of the numbers in a file, those that stand twice or more; in this round only a part of them."""
    numbers.seek(0)
    held = []
    while piece := numbers.read(1 << 23):
        found = np.frombuffer(piece, np.int64)
        held.append(found[found % rounds == place])
    mine = np.sort(np.concatenate(held)) if held else np.array([], np.int64)
    return np.unique(mine[1:][mine[1:] == mine[:-1]])


def take_by_stretches(
    part: Part, take: Take, asked: Asked, digest: str, one_stamp: bool, moved: Callable[[int], None]
) -> Taken:
    """Read a file of orders stretch by stretch, or raise ReaderError; OnlyWhole for one that must be read whole.

    `take` reads one stretch; with `one_stamp` all its rows are as new as the newest of them. `moved` is told how many
    bytes more were read.
    """
    try:
        return _Reading(part, take, asked, "", one_stamp, moved).taken(digest)
    except NotUtf8:
        # Of whose orders the beginning tells, it is known which language they are in.
        encoding = encoding_of(part.pieces, lambda: asked.japanese(next(part.pieces(), b"")))
        return _Reading(part, take, asked, encoding, one_stamp, moved).taken(digest)


@dataclass
class _Reading:
    """One file being read, in one encoding; "" where it is told by its mark, or else UTF-8."""

    part: Part
    take: Take
    asked: Asked
    encoding: str
    one_stamp: bool
    moved: Callable[[int], None]
    digest: Any = field(default_factory=hashlib.sha256)

    def taken(self, digest: str) -> Taken:
        """All that the file says."""
        same: dict[str, Any] = dict(self.asked.stamp())
        found = _Found(self.part.name, same | ({"updated_at": None} if self.one_stamp else {}))
        kind = ""
        for stretch, taken in self._in_turn(self._take):
            kind = taken.kind
            found.add(taken)
            self.moved(stretch.size)
        if self.digest.hexdigest() != digest:
            raise ReaderError(f"{self.part.name}: changed while it was being read. Import it again.")
        found.notes = note_on(self.encoding) + found.notes + ([] if found.rows or found.skipped else [NO_ROWS])
        self._read_again(found)
        return found.taken(kind, self.asked)

    def _take(self, stretch: Stretch) -> Taken:
        """What one stretch says; only of the first the store is asked."""
        known = self.asked.marketplace_of if stretch.first else None
        return self.take(self._grid(stretch), replace(self.asked, in_part=True, marketplace_of=known))

    def _grid(self, stretch: Stretch) -> Grid:
        kind, delimiter = self._recognised(stretch.header)
        notes = list(stretch.notes)
        return parse_body(
            self.part.name, stretch.header, stretch.body, stretch.first_line, kind, delimiter, notes, in_part=True
        )

    def _read_again(self, found: _Found) -> None:
        """Read the orders that stand in several stretches from all their lines, and let those rows stand instead."""
        apart = found.apart()
        found.again = len(apart) > 0
        for held in found.tables.values():
            held.leave_out(apart)
        for begin in range(0, len(apart), AGAIN):
            wanted = apart[begin : begin + AGAIN]
            grids = [grid for _, grid in self._in_turn(partial(self._of, wanted))]
            lines = pa.concat_tables([grid.table for grid in grids])
            together = replace(grids[0], table=lines, rows=pa.array(np.arange(len(lines))))
            found.keep(self.take(together, replace(self.asked, in_part=True, marketplace_of=None)))

    def _of(self, wanted: np.ndarray, stretch: Stretch) -> Grid:
        """The lines of a stretch that belong to some orders."""
        grid = self._grid(stretch)
        column = grid.kind.needed[0]
        grid = grid.keep(pc.fill_null(pc.match_substring_regex(grid[column], AMAZON_ID), False))
        # Its body would hold the whole stretch in memory.
        grid = replace(grid, body=b"", notes=[])
        return grid.keep(pa.array(among(numbers_of(grid[column]), wanted)))

    def _in_turn(self, work: Callable[[Stretch], Any]) -> Iterator[tuple[Stretch, Any]]:
        """Each stretch with what was made of it, in the order in which they stand."""
        with ThreadPoolExecutor(THREADS) as threads:
            begun: deque[tuple[Stretch, Future[Any]]] = deque()
            try:
                for stretch in self._stretches():
                    begun.append((stretch, threads.submit(work, stretch)))
                    if len(begun) > THREADS:
                        stretch, made = begun.popleft()
                        yield stretch, made.result()
                while begun:
                    stretch, made = begun.popleft()
                    yield stretch, made.result()
            finally:
                for _, made in begun:
                    made.cancel()

    def _stretches(self) -> Iterator[Stretch]:
        """The file, cut where an order ends."""
        name, self.digest = self.part.name, hashlib.sha256()
        header, held, passed, first = b"", b"", 0, True
        for raw in self._lines():
            refuse_long_lines(name, raw, passed + held.count(b"\n"))
            text, notes = clean(raw, name, in_part=True)
            text = held + text
            if not header:
                if b"\n" not in text:
                    raise OnlyWhole  # Its lines end in carriage returns alone, or it is one line.
                began = text.lstrip(b"\n")
                header, _, rest = began.partition(b"\n")
                passed += len(text) - len(began) + bool(header)
                if not header:
                    continue
                text, place = rest, self._place_of_order(began)
            end = _end_of_order(text, place)
            held = text[end:]
            if end:
                yield Stretch(header, text[:end], passed + 1, first, len(raw), notes)
                passed, first = passed + text.count(b"\n", 0, end), False
            elif len(held) > MOST_OF_ONE_ORDER:
                raise OnlyWhole
        if held or first:
            yield Stretch(header, held, passed + 1, first, 0, [])

    def _place_of_order(self, text: bytes) -> tuple[int, bytes]:
        """Which cell of a line holds the order's id, and what parts cells."""
        kind, delimiter = self._recognised(text)
        header = text.partition(b"\n")[0].decode()
        return kind.names(header, delimiter).index(kind.needed[0]), delimiter.encode()

    def _recognised(self, text: bytes) -> tuple[Kind, str]:
        try:
            return recognise(opening(text))
        except Unrecognised as unknown:
            raise ReaderError(f"{self.part.name}: {unknown}") from None

    def _lines(self) -> Iterator[bytes]:
        """The text in whole lines, as UTF-8, some STRETCH bytes at once."""
        held: list[bytes] = []
        size = 0
        pieces = self._pieces()
        first = next(pieces, b"")  # With it comes the encoding.
        for piece in in_utf8(chain([first], pieces), self.encoding, self.part.name):
            held.append(piece)
            size += len(piece)
            end = piece.rfind(b"\n") + 1
            if end and size >= STRETCH:
                held[-1] = piece[:end]
                yield b"".join(held)
                held, size = [piece[end:]], len(piece) - end
            elif not end and size > 2 * LONGEST_LINE:
                if any(b"\r" in one for one in held):
                    raise OnlyWhole  # Its lines may end in carriage returns alone.
                yield b"".join(held)
                held, size = [], 0
        rest = b"".join(held)
        if rest:
            yield rest

    def _pieces(self) -> Iterator[bytes]:
        """The file's bytes, whose digest is taken as they pass; the first tells the encoding."""
        for number, piece in enumerate(self.part.pieces()):
            if not number:
                self.encoding = self.encoding or mark_of(piece) or "utf-8"
            self.digest.update(piece)
            yield piece


MOST_OF_ONE_ORDER = 64 << 20
"""Lines of one order that are longer together are not looked at as such. [bytes]"""


def _end_of_order(text: bytes, place: tuple[int, bytes]) -> int:
    """Where the lines of the last order begin: what follows may not be all of them.

    >>> _end_of_order(b"a,1\\nb,1\\nb,2\\n", (0, b","))
    4
    """
    column, parted = place

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


def added_up(notes: list[str]) -> list[str]:
    """Sentences that differ in their first number alone as one, with the sum of those numbers.

    >>> added_up(["Filled up 2 rows.", "Read as cp1252.", "Filled up 1,003 rows.", "Read as cp1252."])
    ['Filled up 1,005 rows.', 'Read as cp1252.']
    """
    sums: dict[str, int] = {}
    for note in notes:
        shape = _FIRST_NUMBER.sub("\0", note, count=1)
        found = _FIRST_NUMBER.search(note)
        sums[shape] = sums.get(shape, 0) + (int(found[0].replace(",", "")) if found else 0)
    return [shape.replace("\0", f"{count:,}") for shape, count in sums.items()]
