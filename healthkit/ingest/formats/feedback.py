"""Parser of the seller feedback report: one row a rating.

The header is in the language of the marketplace, but the order of the columns is fixed. Dates have neither time zone
nor century: 03/04/26 may be March or April, so the marketplace must be known. Comments, responses and e-mail addresses
are never read.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    DAY,
    columns_by_name,
    map_distinct,
    merge_rows,
    parse_day,
    read_order_ids,
    read_required_texts,
)
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN, HINT_SHIFTED_ROW, CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    ends_of_days,
    newest_instant,
    resolve_marketplaces,
)
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.marketplaces import DATES_ASSUMED, MARKETPLACES

KIND = FileKind(
    "feedback",
    "seller feedback file",
    ("date", "rating", "order-id"),
    (),
    """comments your-response response rater-email rater-role arrived-on-time item-as-described
    customer-service""",
)
COLUMN_ORDER = ("date", "rating", "comments", "your-response", "order-id", "rater-email")
"""English names of the six columns, in the order of feedback reports in every language."""

_DATE_LIKE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}$")
_ORDER_ID = re.compile(r"[S\d]\d{2}-\d{7}-\d{7}$")
_ROW_START = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\t[1-5]\t")
_SAME_ORDER_TWICE = "further ratings of one order on one day: the lowest stands"


def looks_like_feedback(line: str) -> bool:
    """Return whether a line is a row of a feedback report: six cells with a date, a rating and an order id.

    >>> looks_like_feedback("1.2.26\\t1\\tnie angekommen\\t\\t123-1234567-1234567\\tx")
    True
    """
    cells = [cell.strip() for cell in line.split("\t")]
    return (
        len(cells) == len(COLUMN_ORDER)
        and bool(_DATE_LIKE.match(cells[0]))
        and cells[1] in ("1", "2", "3", "4", "5")
        and bool(_ORDER_ID.match(cells[4]))
    )


def with_english_header(text: bytes) -> bytes:
    """Replace the header of a feedback report with the English one if it has the six usual columns."""
    header, feed, body = text.partition(b"\n")
    if header.count(b"\t") + 1 != len(COLUMN_ORDER):
        return text
    return "\t".join(COLUMN_ORDER).encode() + feed + body


def rejoin_torn_rows(name: str, text: bytes) -> tuple[bytes, int]:
    """Rejoin the rows of a feedback report that tabs or line breaks in comments have split.

    Returns the text and the number of repaired rows. Raises ReaderError for a row that stays ambiguous.
    """
    header, *lines = text.decode().split("\n")
    columns = header.count("\t") + 1
    if columns != len(COLUMN_ORDER) or all(line.count("\t") + 1 == columns for line in lines if line):
        return text, 0
    if not lines[-1]:
        lines.pop()
    elif lines[-1].count("\t") + 1 < columns:
        return text, 0  # half-written, and refused as such
    out, count = [header], 0
    for number, record, line_count in _join_lines(lines):
        mended_record = record if record.count("\t") + 1 == columns else _rejoin_row(name, number, record)
        count += line_count > 1 or mended_record != record
        # Blank lines are passed over; they keep the numbers of the lines that follow.
        out += [mended_record, *[""] * (line_count - 1)]
    return ("\n".join(out) + "\n").encode(), count


def _join_lines(lines: list[str]) -> list[tuple[int, str, int]]:
    """Join lines so that each starts with a date and a rating; return line number, text and number of lines of each."""
    records: list[tuple[int, str, int]] = []
    for number, line in enumerate(lines, 2):
        torn = records and not _ROW_START.match(line) and records[-1][1].count("\t") + 1 < len(COLUMN_ORDER)
        if torn:
            first, text, line_count = records[-1]
            records[-1] = (first, f"{text} {line}", line_count + 1)
        else:
            records.append((number, line, 1))
    return records


def _rejoin_row(name: str, number: int, record: str) -> str:
    """Return the six cells of a split row: date and rating from its start, the order id from its end."""
    cells = record.split("\t")
    ids = [position for position, cell in enumerate(cells) if _ORDER_ID.match(cell.strip())]
    if not _ROW_START.match(record) or len(ids) != 1 or ids[0] < len(cells) - 2 or len(cells) < len(COLUMN_ORDER) - 1:
        raise ReaderError(
            f"{name}: row {number:,}: has {len(cells)} cells for {len(COLUMN_ORDER)} columns, and it is not plain "
            "which one is the order id. A tab or line break in a comment may have torn it: take it out. "
            f"{HINT_SHIFTED_ROW}"
        )
    return "\t".join((cells[0], cells[1], "", "", cells[ids[0]], ""))


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a feedback report into the table FEEDBACK, one row per rating.

    Of several ratings of an order the one of the latest day ranks last, and of one day the lowest.
    """
    ids = read_order_ids(table, "order-id")
    marketplaces = resolve_marketplaces(table, ids, context)
    received = _read_days(table, marketplaces)
    ratings = map_distinct(
        table, "rating", read_required_texts(table, "rating"), _parse_rating, pa.int64(), "no rating from 1 to 5"
    )
    lines = pa.table({"marketplace": marketplaces, "order_id": ids, "received_on": received, "rating": ratings})
    lowest = columns_by_name(merge_rows(lines, ["marketplace", "order_id", "received_on"], {"rating": "min"}))
    day = lowest["received_on"].cast(pa.string())
    harshness = pc.subtract(6, lowest["rating"]).cast(pa.string())
    columns = lowest | {
        "feedback_id": pc.binary_join_element_wise(lowest["order_id"], day, " "),
        "rank": pc.binary_join_element_wise(day, harshness, " "),
    }
    repeated = len(lines) - len(day)
    return FileContents(
        {"feedback": columns},
        "received_on",
        updated_at=newest_instant(ends_of_days(received, marketplaces)).as_py(),
        skipped={_SAME_ORDER_TWICE: repeated} if repeated else {},
    )


def _parse_rating(word: str) -> int | None:
    return int(word) if word in ("1", "2", "3", "4", "5") else None


def _read_days(table: CsvTable, marketplaces: pa.Array) -> pa.Array:
    """Read the days of feedback in the date format of the marketplace."""
    codes = pc.unique(marketplaces).to_pylist()
    forms = sorted({MARKETPLACES[code].dates for code in codes})
    if len(forms) > 1:
        raise ReaderError(
            f"{table.name}: row 2: its orders are of {', '.join(sorted(codes))}, which write dates in different "
            "orders. Say of which marketplace the file is with --marketplace."
        )
    if not forms:
        return pa.nulls(len(table), DAY)
    reason = f"no day as {', '.join(sorted(codes))} writes it ({forms[0].replace('%', '')})"
    hint = f"Is the file of another marketplace? Say which with --marketplace. If not: {HINT_DOWNLOAD_AGAIN.lower()}"
    for code in sorted(DATES_ASSUMED & set(codes)):
        table.notes.append(
            f"no source says how {MARKETPLACES[code].title} writes days: they were read as day, month, year. Compare "
            "the first rating with Seller Central."
        )
    return map_distinct(
        table, "date", read_required_texts(table, "date"), lambda word: parse_day(word, forms[0]), DAY, reason, hint
    )
