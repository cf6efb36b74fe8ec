"""A raw file as columns of text, every row of it traceable to its line.

Only the columns a kind reads are ever made; buyers, recipients, addresses, comments stay outside.
Quoting is off in tab-separated files: a product name such as 15" would break it.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping
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
"""What to do instead, where a file was written by the user and cannot be downloaded again."""


@dataclass(frozen=True)
class FileKind:
    """One kind of raw file: its columns: those it must have, those read where present, those left outside.

    `off_by_default` are columns that the marketplace leaves out until the seller adds them; `switch_on` says where. A
    file with all of `never_with` is another one, which never has them; `instead` says what to download then.
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

    @property
    def known_columns(self) -> set[str]:
        """Every column this kind of file is known to hold."""
        return {*self.required_columns, *self.optional_columns, *self.ignored_columns.split()}

    def matches(self, names: set[str]) -> bool:
        """Whether a header of these names has all the columns that this kind needs."""
        known = {self.aliases.get(name, name) for name in names} if self.aliases else names
        return known.issuperset(self.required_columns)

    def normalize_header(self, header: str, delimiter: str) -> list[str]:
        """The header's column names in the one spelling that this kind uses."""
        return [self.aliases.get(name, name) for name in parse_header_cached(header, delimiter)]


@dataclass(frozen=True)
class CsvTable:
    """The text columns of one file, or with `in_part` of a part of it.

    `body` is its text below the header, which begins on the line `first_line` of the file; `rows` are the numbers
    (from 0) of the rows of the body that are still in the grid.
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

    def __len__(self) -> int:
        return len(self.rows)

    def has_column(self, column: str) -> bool:
        """Whether the file has this column at all."""
        return column in self.arrow_table.column_names

    def __getitem__(self, column: str) -> pa.Array:
        """One column, blanks trimmed and blank cells empty; a column that is not there is empty throughout."""
        if not self.has_column(column):
            return pa.nulls(len(self), pa.string())
        cells = combine_chunks(self.arrow_table[column])
        if not _may_be_padded(cells):
            return cells
        cells = pc.utf8_trim_whitespace(cells)
        return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)

    def filter_rows(self, mask: pa.Array) -> CsvTable:
        """The rows for which the mask holds."""
        if pc.all(mask, min_count=0).as_py():
            return self
        return replace(self, arrow_table=self.arrow_table.filter(mask), rows=self.rows.filter(mask))

    def line_number(self, row: int) -> int:
        """The line of the file, from 1, on which a row of this grid begins; 0 where its lines are not held any more."""
        wanted = self.rows[row].as_py()
        return next((line for number, line in enumerate(_row_line_numbers(self)) if number == wanted), 0)

    def refuse(self, column: str, bad: pa.Array, reason: str, hint: str = HINT_SHIFTED_ROW) -> NoReturn:
        """Raise ReaderError for the rows where `bad` holds, naming the first of them."""
        hint = HANDMADE_HINTS.get(hint, hint) if self.kind.by_hand else hint
        bad = pc.fill_null(bad, False)
        first = pc.index(bad, True).as_py()
        value = redact_value(self[column][first].as_py())
        among = f"{pc.sum(bad).as_py():,} of {len(self):,} rows" + (" near it" if self.is_partial else "")
        raise ReaderError(f"{self.name}: row {self.line_number(first):,}: {column} {value} {reason} ({among}). {hint}")


def combine_chunks(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of a column, however it was read.

    >>> len(combine_chunks(pa.chunked_array([["a"], ["b"]])))
    2
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _may_be_padded(cells: pa.Array) -> bool:
    """Whether some cell may begin or end with a blank, told by first and last bytes: a tenth of what trimming costs."""
    _, offsets, letters = cells.buffers()
    if not letters:
        return False
    bounds = np.frombuffer(offsets, np.int32, len(cells) + 1, cells.offset * 4)
    filled = np.flatnonzero(bounds[1:] > bounds[:-1])
    data = np.frombuffer(letters, np.uint8)
    first, last = data[bounds[filled]], data[bounds[filled + 1] - 1]
    # Blanks beyond ASCII begin with these four, and end with any byte that no ASCII letter has.
    return bool(((first <= 32) | np.isin(first, (0xC2, 0xE1, 0xE2, 0xE3)) | (last <= 32) | (last >= 127)).any())


@lru_cache(64)
def parse_header_cached(header: str, delimiter: str) -> tuple[str, ...]:
    """The same as `names_in`, found once: of a folder of years most files have the same few headers."""
    return tuple(parse_header(header, delimiter))


def parse_header(header: str, delimiter: str) -> list[str]:
    """Column names in one spelling: lower case, words joined by a hyphen.

    >>> parse_header("Order ID,review_score, Sales Channel ", ",")
    ['order-id', 'review-score', 'sales-channel']
    """
    try:
        cells = next(csv.reader([header], delimiter=delimiter), []) if delimiter != "\t" else header.split("\t")
    except csv.Error:
        cells = header.split(delimiter)
    return [re.sub(r"[\s_-]+", "-", cell.strip().strip('"\ufeff').strip().lower()) for cell in cells]


_DATE = r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}([ T]\d{1,2}:\d{2}(:\d{2})?)?"


def redact_value(value: str | None) -> str:
    """A value as a message may show it: short, and never somebody's name or address.

    >>> redact_value("1.23E+16"), redact_value("10-Jul-2025"), redact_value(None)
    ("is '1.23E+16',", "is '10-Jul-2025',", 'is empty,')
    >>> redact_value("Jane Roe, 5 High Street")
    'holds words (23 characters),'
    >>> redact_value("13/10/2026 17:00")
    "is '13/10/2026 17:00',"
    >>> redact_value("+1 555 010 0000"), redact_value("jane@example.invalid")
    ('holds words (15 characters),', 'holds words (20 characters),')
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
    """Read the columns that the kind wants of a whole file; see `parse_body`."""
    began = text.lstrip(b"\n")
    header, _, body = began.partition(b"\n")
    return parse_rows(name, header, body, len(text) - len(began) + 2, kind, delimiter, notes)


def parse_rows(
    name: str, header: bytes, body: bytes, first_line: int, kind: FileKind, delimiter: str, notes: list[str],
    is_partial: bool = False,
) -> CsvTable:  # fmt: skip
    """Read the columns that the kind wants of some rows; pad rows that only lack empty cells at their end.

    Raises ReaderError for a row that is too long, and for a last line that breaks off.
    """
    _refuse_many_columns(name, header)
    columns = _make_names_unique(kind.normalize_header(header.decode(), delimiter), name, kind)
    if kind.by_hand:
        notes += _check_unknown_columns(columns, name, kind)
    wanted = [column for column in columns if column in kind.required_columns or column in kind.optional_columns]
    if not kind.quoted:
        _refuse_half_written(name, first_line, body, delimiter, len(columns))
    elif body.count(b'"') % 2:
        list(_read_records(name, first_line, body, delimiter))
    try:
        table = _read_columns(body, columns, wanted, kind, delimiter, not is_partial)
    except pa.ArrowInvalid:
        fill_up = _pad_quoted_rows if kind.quoted else _pad_rows
        filled, padded = fill_up(name, first_line, body, delimiter, len(columns))
        notes.append(f"Filled up {padded:,} rows whose empty cells at the end were cut off.")
        table = _read_columns(filled, columns, wanted, kind, delimiter, not is_partial)
    if not len(table) and not is_partial:
        notes.append(NO_ROWS)
    rows = pa.array(np.arange(len(table)))
    return CsvTable(name, kind, delimiter, body, first_line, table, rows, notes, is_partial)


NO_ROWS = "The file has a header and no rows."
NEW_LINE = b"\n"
MAX_LINE_BYTES, MAX_COLUMNS = 1 << 20, 1_000
"""No report has longer lines, or more columns. [bytes], [columns]"""


def refuse_long_lines(name: str, data: bytes, lines_before: int = 0) -> None:
    """Refuse lines that no marketplace writes, before any of it is taken apart or copied.

    `before` is how many lines of the file stand before the data.
    """
    for begin in range(0, len(data) - MAX_LINE_BYTES, MAX_LINE_BYTES):
        if (
            data.find(NEW_LINE, begin, begin + MAX_LINE_BYTES) < 0
            and data.find(b"\r", begin, begin + MAX_LINE_BYTES) < 0
        ):
            row = lines_before + data.count(b"\n", 0, begin) + 1
            raise ReaderError(
                f"{name}: row {row:,}: is longer than {MAX_LINE_BYTES >> 20} MB, as no report's is. "
                f"{HINT_DOWNLOAD_AGAIN}"
            )


def _refuse_many_columns(name: str, header: bytes) -> None:
    if header.count(b"\t") + header.count(b",") > MAX_COLUMNS:
        raise ReaderError(
            f"{name}: row 1: is no header: it has more than {MAX_COLUMNS:,} columns. {HINT_DOWNLOAD_AGAIN}"
        )


def _check_unknown_columns(columns: list[str], name: str, kind: FileKind) -> list[str]:
    """Columns of a hand-made file that mean nothing: one that was misspelt is refused, the others are told."""
    unknown = [column for column in columns if column not in kind.known_columns]
    missing = [column for column in kind.optional_columns if column not in columns]
    for column in unknown:
        meant = difflib.get_close_matches(column, missing, n=1, cutoff=0.75)
        if meant:
            raise ReaderError(
                f"{name}: row 1: there is no column {quote_column_name(column)} in a {kind.title}. "
                f"Did you mean {meant[0]}? Correct the header."
            )
    left_out = ", ".join(map(quote_column_name, unknown))
    return (
        [f"Columns left out: {left_out}. The kit reads: {', '.join((*kind.required_columns, *kind.optional_columns))}."]
        if unknown
        else []
    )


def quote_column_name(column: str) -> str:
    """A column's name as a message may show it."""
    return repr(column[:40])


def _read_columns(
    body: bytes, columns: list[str], wanted: list[str], kind: FileKind, delimiter: str, threads: bool
) -> pa.Table:  # fmt: skip
    """The wanted columns as text, which is known to be UTF-8; cells without a letter are empty."""
    if not body or body.isspace():
        return pa.table({column: pa.array([], pa.string()) for column in wanted})
    return pacsv.read_csv(
        io.BytesIO(body),
        # Blocks that fit into a processor's cache are parsed twice as fast as larger ones.
        read_options=pacsv.ReadOptions(column_names=columns, block_size=1 << 20, use_threads=threads),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if kind.quoted else False,
            newlines_in_values=kind.quoted,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()),
            include_columns=wanted,
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
        ),
    )


def _make_names_unique(columns: list[str], name: str, kind: FileKind) -> list[str]:
    """Number columns that stand twice, so that each has a name; refuse it where the column matters."""
    seen: dict[str, int] = {}
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
    twice = [column for column in (*kind.required_columns, *kind.optional_columns) if seen.get(column, 0) > 1]
    if twice:
        raise ReaderError(f"{name}: row 1: the column {twice[0]} stands twice. {HINT_DOWNLOAD_AGAIN}")
    return [column if seen[column] == 1 else f"{column}#{number}" for number, column in enumerate(columns)]


def _refuse_half_written(name: str, first_line: int, body: bytes, delimiter: str, columns: int) -> None:
    """A last line without line end and with too few cells was still being written."""
    if not body or body.endswith(b"\n"):
        return
    cells = body[body.rfind(b"\n") + 1 :].count(delimiter.encode()) + 1
    if cells < columns:
        _refuse_broken_off(name, first_line + body.count(b"\n"), cells, columns)


def _refuse_broken_off(name: str, row: int, cells: int, columns: int) -> NoReturn:
    raise ReaderError(
        f"{name}: row {row:,}: the last line breaks off after {cells} of {columns} columns: "
        f"the file is half-written. {HINT_DOWNLOAD_AGAIN}"
    )


def _pad_rows(name: str, first_line: int, body: bytes, delimiter: str, columns: int) -> tuple[bytes, int]:
    """The body with short rows filled up, and how many there were; raises ReaderError for a long row."""
    lines = pa.array(body.split(b"\n"), pa.binary()).cast(pa.string())
    missing = pc.subtract(pa.scalar(columns - 1, pa.int32()), pc.count_substring(lines, delimiter))
    written = pc.not_equal(lines, "")
    long = pc.and_(pc.less(missing, 0), written)
    if pc.any(long, min_count=0).as_py():
        _refuse_long_row(name, first_line + pc.index(long, True).as_py(), pc.sum(long).as_py(), columns)
    short = pc.and_(pc.greater(missing, 0), written)
    padding = pc.binary_repeat(delimiter, pc.if_else(short, missing, pa.scalar(0, pa.int32())))
    filled = pc.binary_join_element_wise(lines, padding, "").filter(written)
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(filled)], filled), "\n")[0].as_py()
    return joined.encode() + b"\n", pc.sum(short).as_py() or 0


def _refuse_long_row(name: str, row: int, count: int, columns: int) -> NoReturn:
    raise ReaderError(
        f"{name}: row {row:,}: has more cells than the header's {columns} columns (such rows: {count:,}). "
        f"{HINT_SHIFTED_ROW}"
    )


def _pad_quoted_rows(name: str, first_line: int, body: bytes, delimiter: str, columns: int) -> tuple[bytes, int]:
    """The same for quoted text, whose line breaks may stand inside a cell."""
    records = [record for record in _read_records(name, first_line, body, delimiter) if record[1]]
    long = [line for line, cells in records if len(cells) > columns]
    if long:
        _refuse_long_row(name, long[0], len(long), columns)
    line, cells = records[-1]
    if len(cells) < columns and not body.endswith(b"\n"):
        _refuse_broken_off(name, line, len(cells), columns)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerows(cells + [""] * (columns - len(cells)) for _, cells in records)
    return out.getvalue().encode(), sum(len(cells) < columns for _, cells in records)


def _read_records(name: str, first_line: int, body: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a quoted text, each with the line on which it begins."""
    reader, begins = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter, strict=True), first_line
    try:
        for cells in reader:
            yield begins, cells
            begins = first_line + reader.line_num
    except csv.Error as error:
        raise ReaderError(
            f"{name}: row {begins:,}: a quoted cell does not end where it should: half-written, or re-saved. "
            f"{HINT_DOWNLOAD_AGAIN}"
        ) from error


def _row_line_numbers(table: CsvTable) -> Iterator[int]:
    """The line on which each row begins, blank lines passed over."""
    if table.kind.quoted:
        yield from (
            line for line, cells in _read_records(table.name, table.first_line, table.body, table.delimiter) if cells
        )
    else:
        yield from (line for line, text in enumerate(table.body.split(b"\n"), table.first_line) if text)
