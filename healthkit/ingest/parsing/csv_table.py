"""A raw file as columns of text, with the line number of each row.

Only the columns that a kind of file needs are parsed; buyers, recipients, addresses and comments are never read.
Tab-separated files have no quoting, since a product name such as 15" would break it.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from healthkit.ingest.parsing.raw_file import ReaderError

HINT_DOWNLOAD_AGAIN = "Download it again."
HINT_SHIFTED_ROW = "The row looks shifted: download the file again and import it unopened."
HINT_RESAVED = "A spreadsheet re-saved the file: download it again and import it unopened."

HANDMADE_HINTS = {
    HINT_SHIFTED_ROW: "Correct the cell; times are written 2026-10-31T17:45:00Z, days 2026-10-31.",
    HINT_RESAVED: "Format the column as text in the spreadsheet, and save the file as CSV again.",
    HINT_DOWNLOAD_AGAIN: "Correct the file.",
}
"""Hints that replace the usual hint (the key) for files that users write themselves."""
NO_ROWS = "The file has a header and no rows."
MAX_LINE_BYTES = 1 << 20
"""Largest length of a line in a raw file. [bytes]"""
MAX_COLUMNS = 1_000
"""Largest number of columns in a raw file."""


@dataclass(frozen=True)
class FileKind:
    """One kind of raw table file: which columns it must have, which are read if present, and which are ignored.

    `quoted` files may have quoted cells; `by_hand` files are written by the user. `aliases` maps other spellings of a
    column to the one used here. `hint` is added to the error for missing columns.

    The header is one of the first `max_header_line` lines that are not blank. With `numbers_repeated_columns` the
    second column of a name is called `name#2`, the third `name#3`; otherwise a repeated column that is read is refused.
    In a file with footers `row_id` is a regular expression that some cell of every row matches, and no footer.
    Kinds that are `added_by_user`, in a column map, are tried after all others.

    The marketplace omits `opt_in_columns` until the seller adds them; `opt_in_hint` says how. A file with all of
    `other_report_columns` is another report that never has them; `other_report_hint` says what to download instead.
    """

    name: str
    title: str
    required_columns: tuple[str, ...]
    optional_columns: tuple[str, ...] = ()
    ignored_columns: str = ""
    delimiters: str = "\t"
    quoted: bool = False
    by_hand: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    opt_in_columns: tuple[str, ...] = ()
    opt_in_hint: str = ""
    other_report_columns: tuple[str, ...] = ()
    other_report_hint: str = ""
    max_header_line: int = 1
    numbers_repeated_columns: bool = False
    row_id: str = ""
    added_by_user: bool = False

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Names of the columns that are read: the required and the optional ones."""
        return (*self.required_columns, *self.optional_columns)

    @property
    def known_columns(self) -> set[str]:
        """Names of all columns that this kind of file may have, including the ignored ones."""
        return {*self.read_columns, *self.ignored_columns.split()}

    def matches(self, names: set[str]) -> bool:
        """Return whether a header with the given column names has all required columns."""
        known = {self.aliases.get(name, name) for name in names} if self.aliases else names
        return known.issuperset(self.required_columns)

    def is_footer(self, cells: Iterable[str]) -> bool:
        """Return whether a short line is a footer: it has words, and no cell that `row_id` matches.

        >>> orders = FileKind("orders", "orders", ("id",), row_id=r"^\\d{2}-\\d{5}$")
        >>> orders.is_footer(["2", "records downloaded"]), orders.is_footer(["1", "12-10001"]), orders.is_footer(["1"])
        (True, False, False)
        """
        texts = [cell.strip() for cell in cells]
        has_words = any(re.search(r"[^\W\d_]{3}", text) for text in texts)
        return bool(self.row_id) and has_words and not any(re.search(self.row_id, text) for text in texts)

    def normalize_header(self, header: str, delimiter: str) -> list[str]:
        """Return the column names in a header line, with aliases replaced by the names used here."""
        names = parse_header(header, delimiter)
        if self.numbers_repeated_columns:
            seen: Counter[str] = Counter()
            names = tuple(_number_repeated(name, seen) for name in names)
        return self._translate(names) if self.aliases else list(names)

    def _translate(self, names: Sequence[str]) -> list[str]:
        """Replace aliases; of several spellings of one column the first in `aliases` counts."""
        ranks = {alias: rank for rank, alias in enumerate(self.aliases)}
        chosen: dict[str, str] = {}
        for name in sorted(names, key=lambda name: ranks.get(name, len(ranks))):
            chosen.setdefault(self.aliases.get(name, name), name)
        columns = [(name, self.aliases.get(name, name)) for name in names]
        return [column if chosen[column] == name else f"{name}#" for name, column in columns]


def _number_repeated(name: str, seen: Counter[str]) -> str:
    """Return a column name, with its number if it is not the first column of that name."""
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}#{seen[name]}"


@dataclass(frozen=True)
class CsvTable:
    """Text columns of a raw file, or of a part of the file if `is_partial` is set.

    `body` is the text below the header; it begins on line `first_line` of the file. `rows` holds the position in the
    body (from 0) of each row that is left after filtering. `spellings` holds the file's own name of each column that it
    spells otherwise.
    """

    name: str
    kind: FileKind
    delimiter: str
    body: bytes
    first_line: int
    arrow_table: pa.Table
    rows: pa.Array
    notes: list[str]
    is_partial: bool = False
    spellings: Mapping[str, str] = field(default_factory=dict)
    _cells: dict[str, pa.Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def has_column(self, column: str) -> bool:
        """Return whether the file has the given column."""
        return column in self.arrow_table.column_names

    def __getitem__(self, column: str) -> pa.Array:
        """Return a column with blanks trimmed and empty cells as null; all null if the file lacks the column."""
        if not self.has_column(column):
            return pa.nulls(len(self), pa.string())
        if column not in self._cells:
            self._cells[column] = _trim(combine_chunks(self.arrow_table[column]))
        return self._cells[column]

    def filter_rows(self, mask: pa.Array) -> CsvTable:
        """Return a table with only the rows for which the mask is true."""
        if pc.all(mask, min_count=0).as_py():
            return self
        return replace(self, arrow_table=self.arrow_table.filter(mask), rows=self.rows.filter(mask))

    def line_number(self, row: int) -> int:
        """Return the line of the file on which a row begins, or 0 if the text is no longer in memory.

        The first line is 1.
        """
        position = self.rows[row].as_py()
        return next((line for number, line in enumerate(_row_line_numbers(self)) if number == position), 0)

    def refuse(self, column: str, bad: pa.Array, reason: str, hint: str = HINT_SHIFTED_ROW) -> NoReturn:
        """Raise ReaderError because of the rows for which `bad` is true.

        The message shows the first of these rows and states their number.
        """
        hint = HANDMADE_HINTS.get(hint, hint) if self.kind.by_hand else hint
        bad = pc.fill_null(bad, False)
        first = pc.index(bad, True).as_py()
        value = redact_value(self[column][first].as_py())
        count = f"{pc.sum(bad).as_py():,} of {len(self):,} rows" + (" near it" if self.is_partial else "")
        named = f"{column} (column {self.spellings[column]})" if column in self.spellings else column
        problem = f"{named} {value} {reason} ({count})"
        if not self.body:
            # The rows are records of a document, which has no lines.
            raise ReaderError(f"{self.name}: record {self.rows[first].as_py() + 1:,}: {problem}. {HINT_DOWNLOAD_AGAIN}")
        _refuse_row(self.name, self.line_number(first), problem, hint)


def _refuse_row(name: str, row: int, problem: str, hint: str = HINT_DOWNLOAD_AGAIN) -> NoReturn:
    raise ReaderError(f"{name}: row {row:,}: {problem}. {hint}")


def combine_chunks(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column, which may be chunked, as one array.

    >>> len(combine_chunks(pa.chunked_array([["a"], ["b"]])))
    2
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _trim(cells: pa.Array) -> pa.Array:
    """Return text cells without blanks at their ends, and cells without a letter as null."""
    if not _may_be_padded(cells):
        return cells
    cells = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)


def _may_be_padded(cells: pa.Array) -> bool:
    """Return whether a cell may begin or end with a blank, by its end bytes alone: a tenth of the cost of trimming.

    >>> _may_be_padded(pa.array([None, "a b", None, "c"])), _may_be_padded(pa.array(["a", None, "b "]))
    (False, True)
    """
    _, offsets, letters = cells.buffers()
    if not letters:
        return False
    bounds = np.frombuffer(offsets, np.int32, len(cells) + 1, cells.offset * 4)
    data = np.frombuffer(letters, np.uint8)
    # Where a cell is empty, these are ends of the cells beside it.
    first, last = data.take(bounds[:-1], mode="clip"), data.take(bounds[1:] - 1, mode="clip")
    return bool(_MAY_BEGIN_BLANK.take(first).any() or (last <= 32).any() or (last >= 127).any())


_MAY_BEGIN_BLANK = np.isin(np.arange(256), [*range(33), 0xC2, 0xE1, 0xE2, 0xE3])
"""Whether a blank may begin with the byte of this number: blanks beyond ASCII begin with one of these four.

Their last byte is one that no ASCII letter has.
"""


@lru_cache(64)
def parse_header(header: str, delimiter: str) -> tuple[str, ...]:
    """Return the column names in a header line in lower case, with hyphens between words.

    >>> parse_header("Order ID,review_score, Sales Channel ", ",")
    ('order-id', 'review-score', 'sales-channel')
    """
    try:
        cells = next(csv.reader([header], delimiter=delimiter), []) if delimiter != "\t" else header.split("\t")
    except csv.Error:
        cells = header.split(delimiter)
    return tuple(re.sub(r"[\s_-]+", "-", cell.strip().strip('"\ufeff').strip().lower()) for cell in cells)


_DATE = r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}([ T]\d{1,2}:\d{2}(:\d{2})?)?"


def redact_value(value: str | None) -> str:
    """Return a phrase that describes a cell in an error message without revealing personal data.

    Long values are shortened; names, addresses and phone numbers are left out.

    >>> redact_value("1.23E+16"), redact_value("10-Jul-2025"), redact_value(None)
    ("is '1.23E+16',", "is '10-Jul-2025',", 'is empty,')
    >>> redact_value("13/10/2026 17:00")
    "is '13/10/2026 17:00',"
    >>> redact_value("Jane Roe, 5 High Street"), redact_value("+1 555 010 0000")
    ('holds words (23 characters),', 'holds words (15 characters),')
    >>> redact_value("jane@example.invalid")
    'holds words (20 characters),'
    """
    if value is None:
        return "is empty,"
    if re.fullmatch(_DATE, value):
        return f"is '{value}',"
    words = re.search(r"[^\W\d]{4}", value) and re.search(r"[\s,\d]", value)
    if words or (re.search(r"@|^\+|\(|\d \d", value) and not re.match(r"\d{4}-\d\d-\d\d", value)):
        return f"holds words ({len(value):,} characters),"
    return f"is '{value[:40]}',"


def parse_table(name: str, text: bytes, kind: FileKind, delimiter: str, notes: list[str]) -> CsvTable:
    """Parse the text of a whole file into the columns that are read from this kind of file.

    See `parse_rows`.
    """
    before, header, body = _split_at_header(text, kind, delimiter)
    return parse_rows(name, header, body, before + 2, kind, delimiter, notes)


def _split_at_header(text: bytes, kind: FileKind, delimiter: str) -> tuple[int, bytes, bytes]:
    """Return the number of lines before the header, the header, and the text below it."""
    trimmed = text.lstrip(b"\n")
    before = len(text) - len(trimmed)
    header, _, body = trimmed.partition(b"\n")
    first = before, header, body
    for _ in range(1, kind.max_header_line):
        if kind.matches(set(parse_header(header.decode(), delimiter))):
            return before, header, body
        trimmed = body.lstrip(b"\n")
        before += 1 + len(body) - len(trimmed)
        header, _, body = trimmed.partition(b"\n")
    return (before, header, body) if kind.matches(set(parse_header(header.decode(), delimiter))) else first


def parse_rows(
    name: str, header: bytes, body: bytes, first_line: int, kind: FileKind, delimiter: str, notes: list[str],
    is_partial: bool = False,
) -> CsvTable:  # fmt: skip
    """Parse the rows below a header into the columns that are read from this kind of file.

    Rows that lack empty cells at their end are padded. Raise ReaderError for a row with too many cells, and for an
    incomplete last line.
    """
    if header.count(b"\t") + header.count(b",") > MAX_COLUMNS:
        _refuse_row(name, 1, f"is no header: it has more than {MAX_COLUMNS:,} columns")
    columns = _make_names_unique(kind.normalize_header(header.decode(), delimiter), name, kind)
    if kind.by_hand:
        notes += _check_unknown_columns(columns, name, kind)
    if not kind.quoted:
        _refuse_incomplete_line(name, first_line, body, delimiter, len(columns))
    elif body.count(b'"') % 2:
        list(_read_records(name, first_line, body, delimiter))
    try:
        table = _read_columns(body, columns, kind, delimiter, not is_partial)
    except pa.ArrowInvalid:
        if kind.quoted:
            padded, count = _pad_quoted_rows(name, first_line, body, delimiter, len(columns), kind)
        else:
            padded, count = _pad_rows(name, first_line, body, delimiter, len(columns))
        if count:
            notes.append(f"Filled up {count:,} rows whose empty cells at the end were cut off.")
        table = _read_columns(padded, columns, kind, delimiter, not is_partial)
    if not len(table) and not is_partial:
        notes.append(NO_ROWS)
    rows = pa.array(np.arange(len(table)))
    spellings = _spellings(header.decode(), delimiter, columns, kind)
    return CsvTable(name, kind, delimiter, body, first_line, table, rows, notes, is_partial, spellings)


def _spellings(header: str, delimiter: str, columns: list[str], kind: FileKind) -> dict[str, str]:
    """Return the file's own name of each column that it reads under another name.

    >>> kind = FileKind("x", "x", ("ordered-at", "sku"), aliases={"sale-date": "ordered-at"})
    >>> _spellings("Sale Date,SKU", ",", ["ordered-at", "sku"], kind)
    {'ordered-at': 'sale-date'}
    """
    if not kind.aliases:
        return {}
    own = parse_header(header, delimiter)
    return {column: name for column, name in zip(columns, own, strict=True) if column != name in kind.aliases}


def refuse_long_lines(name: str, data: bytes, lines_before: int = 0) -> None:
    """Raise ReaderError if a line is longer than MAX_LINE_BYTES.

    Call it before the data is split or copied. `lines_before` is the number of lines of the file before the data.
    """
    for begin in range(0, len(data) - MAX_LINE_BYTES, MAX_LINE_BYTES):
        if all(data.find(end, begin, begin + MAX_LINE_BYTES) < 0 for end in (b"\n", b"\r")):
            row = lines_before + data.count(b"\n", 0, begin) + 1
            _refuse_row(name, row, f"is longer than {MAX_LINE_BYTES >> 20} MB, as no report's is")


def _check_unknown_columns(columns: list[str], name: str, kind: FileKind) -> list[str]:
    """Note the unknown columns of a hand-made file. Raise ReaderError for one that looks like a misspelt column."""
    unknown = [column for column in columns if column not in kind.known_columns]
    missing = [column for column in kind.optional_columns if column not in columns]
    for column in unknown:
        similar = difflib.get_close_matches(column, missing, n=1, cutoff=0.75)
        if similar:
            problem = f"there is no column {column[:40]!r} in a {kind.title}"
            _refuse_row(name, 1, problem, f"Did you mean {similar[0]}? Correct the header.")
    left_out = ", ".join(repr(column[:40]) for column in unknown)
    return [f"Columns left out: {left_out}. The kit reads: {', '.join(kind.read_columns)}."] if unknown else []


BLOCK_BYTES = 1 << 20
"""Size of the blocks that are parsed at once; those that fit into a processor's cache take half as long. [bytes]"""


def _read_columns(body: bytes, columns: list[str], kind: FileKind, delimiter: str, use_threads: bool) -> pa.Table:
    """Return the columns that the kind reads as text; cells without a letter are null. The body is valid UTF-8."""
    read = [column for column in columns if column in kind.read_columns]
    if not body or body.isspace():
        return pa.table({column: pa.array([], pa.string()) for column in read})
    return pacsv.read_csv(
        pa.BufferReader(body),
        read_options=pacsv.ReadOptions(
            column_names=columns, block_size=BLOCK_BYTES, use_threads=use_threads and len(body) > BLOCK_BYTES
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter, quote_char='"' if kind.quoted else False, newlines_in_values=kind.quoted
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(read, pa.string()), include_columns=read, null_values=[""],
            strings_can_be_null=True, check_utf8=False,
        ),
    )  # fmt: skip


def _make_names_unique(columns: list[str], name: str, kind: FileKind) -> list[str]:
    """Number duplicate column names. Raise ReaderError for a duplicate column that the kind reads."""
    counts = Counter(columns)
    duplicates = [column for column in kind.read_columns if counts[column] > 1]
    if duplicates:
        _refuse_row(name, 1, f"duplicate column {duplicates[0]}")
    return [column if counts[column] == 1 else f"{column}#{number}" for number, column in enumerate(columns)]


def _refuse_incomplete_line(name: str, first_line: int, body: bytes, delimiter: str, columns: int) -> None:
    """Raise ReaderError for a last line that lacks its line end and some cells: it was still being written."""
    if not body or body.endswith(b"\n"):
        return
    cells = body[body.rfind(b"\n") + 1 :].count(delimiter.encode()) + 1
    if cells < columns:
        _refuse_half_written(name, first_line + body.count(b"\n"), cells, columns)


def _refuse_half_written(name: str, row: int, cells: int, columns: int) -> NoReturn:
    problem = f"the last line breaks off after {cells} of {columns} columns: the file is half-written"
    _refuse_row(name, row, problem)


def _refuse_long_row(name: str, row: int, count: int, columns: int) -> NoReturn:
    problem = f"has more cells than the header's {columns} columns (such rows: {count:,})"
    _refuse_row(name, row, problem, HINT_SHIFTED_ROW)


def _pad_rows(name: str, first_line: int, body: bytes, delimiter: str, columns: int) -> tuple[bytes, int]:
    """Return the body with short rows padded, and their number. Raise ReaderError for a row with too many cells."""
    lines = pa.array(body.split(b"\n"), pa.binary()).cast(pa.string())
    missing = pc.subtract(pa.scalar(columns - 1, pa.int32()), pc.count_substring(lines, delimiter))
    filled = pc.not_equal(lines, "")
    long = pc.and_(pc.less(missing, 0), filled)
    if pc.any(long, min_count=0).as_py():
        _refuse_long_row(name, first_line + pc.index(long, True).as_py(), pc.sum(long).as_py(), columns)
    short = pc.and_(pc.greater(missing, 0), filled)
    padding = pc.binary_repeat(delimiter, pc.if_else(short, missing, pa.scalar(0, pa.int32())))
    padded = pc.binary_join_element_wise(lines, padding, "").filter(filled)
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(padded)], padded), "\n")[0].as_py()
    return joined.encode() + b"\n", pc.sum(short).as_py() or 0


def _pad_quoted_rows(
    name: str, first_line: int, body: bytes, delimiter: str, columns: int, kind: FileKind
) -> tuple[bytes, int]:
    """Do the same as `_pad_rows` for quoted text, whose cells may contain line breaks; footers are not counted."""
    records = [record for record in _read_records(name, first_line, body, delimiter) if record[1]]
    long = [line for line, cells in records if len(cells) > columns]
    if long:
        _refuse_long_row(name, long[0], len(long), columns)
    line, cells = records[-1]
    if len(cells) < columns and not body.endswith(b"\n") and not kind.is_footer(cells):
        _refuse_half_written(name, line, len(cells), columns)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerows(cells + [""] * (columns - len(cells)) for _, cells in records)
    return out.getvalue().encode(), sum(len(cells) < columns and not kind.is_footer(cells) for _, cells in records)


def _read_records(name: str, first_line: int, body: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a quoted text, each with the line on which it begins."""
    reader, line = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter, strict=True), first_line
    try:
        for cells in reader:
            yield line, cells
            line = first_line + reader.line_num
    except csv.Error:
        _refuse_row(name, line, "a quoted cell does not end where it should: half-written, or re-saved")


def _row_line_numbers(table: CsvTable) -> Iterator[int]:
    """Yield the line on which each row begins, without blank lines."""
    if table.kind.quoted:
        records = _read_records(table.name, table.first_line, table.body, table.delimiter)
        yield from (line for line, cells in records if cells)
    else:
        yield from (line for line, text in enumerate(table.body.split(b"\n"), table.first_line) if text)
