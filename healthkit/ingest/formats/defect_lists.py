"""Parser of the defect lists that the account health page offers; `data/column_map.yaml` names their columns.

A list has the orders with defects, mostly without the days on which the defects became known. Then the day of the list
is assumed: the day in its file name, or else its newest day; the row records that. ACCOUNT_STATES records the day of
every list, because orders missing from a list had no such defect.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    DAY,
    columns_by_name,
    make_day_parser,
    map_distinct,
    parse_day_in_name,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.column_map import (
    FILE_LABEL,
    KNOWN_ON,
    ORDER,
    ORDER_DATE,
    TYPE,
    DefectListLayout,
    load_defect_lists,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, parse_header
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    ends_of_days,
    newest_instant,
    read_optional_order_keys,
)
from healthkit.ingest.parsing.parsed_file import Columns, FileContents
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import DAY_FROM_LIST

_NO_WORDS = {"", "no", "n", "false", "0", "-", "nein", "non", "n/a", "none"}
_FORM = "2026-10-31, 31-Oct-2026, or as the marketplace writes it"


def defect_list_kinds() -> list[FileKind]:
    """Return the FileKind of each defect list that `data/column_map.yaml` describes."""
    return [one.kind for one in load_defect_lists().values()]


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a defect list into the tables DEFECTS and ACCOUNT_STATES.

    DEFECTS gets one row for each order and kind of defect, ACCOUNT_STATES the day of the list. Raises ReaderError for
    an unknown word or day, and if neither a row nor the file name has a day.
    """
    lines, list_day = _read_lines(table, context, load_defect_lists()[table.kind.name])
    defects = columns_by_name(lines)
    states = _account_states(table, context, defects, list_day)
    return FileContents(
        {"defects": defects, "account_states": states}, "known_on", stated_day=parse_day_in_name(context.name)
    )


def _account_states(table: CsvTable, context: ReadContext, defects: dict[str, pa.Array], list_day: date) -> Columns:
    """Return the columns of ACCOUNT_STATES: the day of the list and its number of orders by marketplace.

    A list without rows holds for every marketplace in which the account sells, unless the caller names one.
    """
    pairs = zip(defects["marketplace"].to_pylist(), defects["order_id"].to_pylist(), strict=True)
    named = Counter(marketplace for marketplace, _ in set(pairs))
    codes = sorted(named or ({context.marketplace} if context.marketplace else context.account_marketplaces()))
    places = pa.array(codes, pa.string())
    days = pa.array([list_day] * len(codes), DAY)
    return {
        "marketplace": places, "kind": "list", "name": table.kind.name, "as_of": days,
        "count": pa.array([named[code] for code in codes], pa.int64()), "updated_at": ends_of_days(days, places),
    }  # fmt: skip


def _read_lines(table: CsvTable, context: ReadContext, layout: DefectListLayout) -> tuple[pa.Table, date]:
    """Return one row for each order and kind of defect of a list, and the day of the list."""
    refuse_numeric_ids(table, ORDER)
    if table[ORDER].null_count:
        table.refuse(ORDER, pc.is_null(table[ORDER]), "though no row may lack it")
    ids, marketplaces = read_optional_order_keys(table, context)
    days = {column: _read_days(table, column, marketplaces) for column in (KNOWN_ON, ORDER_DATE)}
    stated = days[KNOWN_ON]
    list_day = _day_of_list(table, context.name, stated, days[ORDER_DATE])
    known_on = pc.fill_null(stated, pa.scalar(list_day, DAY))
    assumed = pc.if_else(pc.is_null(stated), pa.scalar(DAY_FROM_LIST), pa.scalar(None, pa.string()))
    if stated.null_count:
        table.notes.append(f"{stated.null_count:,} defects without a day of their own: taken as known on {list_day}.")
    pieces = [
        pa.table({"marketplace": marketplaces, "order_id": ids, "kind": kind, "known_on": known_on, "assumed": assumed})
        for kind in _defect_kinds(table, layout)
    ]
    every = pa.concat_tables(pieces)
    every = every.filter(pc.is_valid(every["kind"]))
    once = every.group_by(["marketplace", "order_id", "kind", "assumed"], use_threads=False)
    lines = once.aggregate([("known_on", "min")]).rename_columns(
        ["marketplace", "order_id", "kind", "assumed", "known_on"]
    )
    stamp = newest_instant(ends_of_days(known_on, marketplaces)).as_py()
    return lines.append_column("updated_at", pa.array([stamp] * len(lines), pa.timestamp("us", "UTC"))), list_day


def _defect_kinds(table: CsvTable, layout: DefectListLayout) -> list[pa.Array]:
    """Return the kinds of defect of each row: one array for each kind, empty if a row has no such defect."""
    nothing = pa.scalar(None, pa.string())
    if layout.each:
        return [pa.array([layout.each] * len(table), pa.string())]
    if layout.words:
        there = ", ".join(dict.fromkeys(layout.words))
        reason = f"no known defect; there are: {there}"
        hint = f"Add the word to {FILE_LABEL}."
        return [
            map_distinct(
                table,
                TYPE,
                table[TYPE],
                lambda word: layout.words.get(_normalize_word(word)),
                pa.string(),
                reason,
                hint,
            )
        ]
    return [
        pc.if_else(
            map_distinct(table, kind, pc.fill_null(table[kind], ""), _is_marked, pa.bool_(), "no mark"), kind, nothing
        )
        for kind in layout.marks
    ]


def _normalize_word(word: str) -> str:
    return parse_header(word, "\t")[0]


def _is_marked(word: str) -> bool:
    """Return whether a cell marks a defect: any word but a no.

    >>> _is_marked("X"), _is_marked("Yes"), _is_marked("No"), _is_marked("")
    (True, True, False, False)
    """
    return word.strip().lower() not in _NO_WORDS


def _read_days(table: CsvTable, column: str, marketplaces: pa.Array) -> pa.Array:
    """Read a column of days, without times; empty if the list lacks the column."""
    if not table.has_column(column) or not len(table):
        return pa.nulls(len(table), DAY)
    forms = sorted({MARKETPLACES[code].dates for code in pc.unique(marketplaces).to_pylist()})
    if len(forms) > 1 and not pc.all(pc.match_substring_regex(table[column], r"^\d{4}-|[A-Za-z]"), min_count=0).as_py():
        raise ReaderError(f"{table.name}: its orders are of marketplaces that write days differently. Part the list.")
    return map_distinct(table, column, table[column], make_day_parser(forms[0]), DAY, f"no day written as {_FORM}")


def _day_of_list(table: CsvTable, name: str, *columns: pa.Array) -> date:
    """Return the day of a list: the one in its name, or else its newest day."""
    in_name = parse_day_in_name(name)
    days = [day for column in columns if (day := pc.max(column).as_py()) is not None]
    if in_name is not None:
        return in_name
    if not days:
        raise ReaderError(
            f"{table.name}: the list says nowhere of which day it is. Put the day of the download into its name, as "
            "order_defects_2026-10-31.csv."
        )
    newest_day: date = max(days)
    if columns[0].null_count:
        table.notes.append(f"No day in the file's name: taken as of {newest_day}, the newest day of the list.")
    return newest_day
