"""The lists of defects that the marketplace's account-health page offers for download, by `data/column_map.yaml`.

A list tells which orders went wrong, mostly not on which day that became known. Then the day of the list stands in, the
one in its file's name or else the newest that it holds, and the row says so. ACCOUNT_STATES says that there was a list
of that day, for an order that it does not name had no such defect.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    DAY,
    by_distinct,
    columns_of,
    day_of,
    day_reader,
    refuse_numbers,
    without_other_shops,
)
from healthkit.ingest.parsing.column_map import KNOWN_ON, LABEL, ORDER, ORDER_DATE, TYPE, DefectList, lists
from healthkit.ingest.parsing.csv_table import Grid, Kind, names_in
from healthkit.ingest.parsing.marketplace_of_row import Asked, ends_of_days, named_ids, newest
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import ACCOUNT_STATES, DEFECTS

ASSUMED = "day_from_list"
_NO = {"", "no", "n", "false", "0", "-", "nein", "non", "n/a", "none"}
_FORM = "2026-10-31, 31-Oct-2026, or as the marketplace writes it"
_IN_NAME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")


def kinds() -> list[Kind]:
    """Every kind of list there is."""
    return [one.kind for one in lists().values()]


def take(grid: Grid, asked: Asked) -> Taken:
    """Read a list into DEFECTS, one for each order and kind of defect, and its day into ACCOUNT_STATES.

    Raises ReaderError for a word or a day that cannot be read, and where neither a row nor the file's name nor the
    list as a whole tells of any day.
    """
    rows = len(grid)
    grid, skipped = without_other_shops(grid, ORDER)
    lines, of_list = _lines(grid, asked, lists()[grid.kind.name])
    defects = columns_of(lines)
    tables = {
        "defects": fill(DEFECTS, len(lines), defects | asked.stamp()),
        "account_states": _states(grid, asked, defects, of_list),
    }
    first_day, last_day = span(defects["known_on"])
    return Taken(
        asked.report, asked.name, grid.kind.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day,
        stated_day=_day_in_name(asked.name),
    )  # fmt: skip


def _states(grid: Grid, asked: Asked, defects: dict[str, pa.Array], of_list: date) -> pa.Table:
    """That there was a list of a day, with how many orders it names: one row for each marketplace.

    A list without rows is one of every marketplace in which the account is known to sell, unless the caller said which.
    """
    pairs = zip(defects["marketplace"].to_pylist(), defects["order_id"].to_pylist(), strict=True)
    named = Counter(marketplace for marketplace, _ in set(pairs))
    codes = sorted(named or ({asked.marketplace} if asked.marketplace else asked.sells_in()))
    places = pa.array(codes, pa.string())
    days = pa.array([of_list] * len(codes), DAY)
    columns = {
        "marketplace": places, "kind": "list", "name": grid.kind.name, "as_of": days,
        "count": pa.array([named[code] for code in codes], pa.int64()), "updated_at": ends_of_days(days, places),
    }  # fmt: skip
    return fill(ACCOUNT_STATES, len(codes), columns | asked.stamp())


def _lines(grid: Grid, asked: Asked, layout: DefectList) -> tuple[pa.Table, date]:
    """One line for each order and kind of defect that a row names, each once; and the day of the list."""
    refuse_numbers(grid, ORDER)
    if grid[ORDER].null_count:
        grid.refuse(ORDER, pc.is_null(grid[ORDER]), "though no row may lack it")
    ids, marketplaces = named_ids(grid, asked)
    said = {column: _days(grid, column, marketplaces) for column in (KNOWN_ON, ORDER_DATE)}
    told = said[KNOWN_ON]
    of_list = _day_of_list(grid, asked.name, told, said[ORDER_DATE])
    known_on = pc.fill_null(told, pa.scalar(of_list, DAY))
    guessed = pc.if_else(pc.is_null(told), pa.scalar(ASSUMED), pa.scalar(None, pa.string()))
    if told.null_count:
        grid.notes.append(f"{told.null_count:,} defects without a day of their own: taken as known on {of_list}.")
    pieces = [
        pa.table({"marketplace": marketplaces, "order_id": ids, "kind": kind, "known_on": known_on, "assumed": guessed})
        for kind in _kinds(grid, layout)
    ]
    every = pa.concat_tables(pieces)
    every = every.filter(pc.is_valid(every["kind"]))
    once = every.group_by(["marketplace", "order_id", "kind", "assumed"], use_threads=False)
    lines = once.aggregate([("known_on", "min")]).rename_columns(
        ["marketplace", "order_id", "kind", "assumed", "known_on"]
    )
    stamp = newest(ends_of_days(known_on, marketplaces)).as_py()
    return lines.append_column("updated_at", pa.array([stamp] * len(lines), pa.timestamp("us", "UTC"))), of_list


def _kinds(grid: Grid, held: DefectList) -> list[pa.Array]:
    """The kinds of defects that each row names: one column a kind, empty where it is none."""
    nothing = pa.scalar(None, pa.string())
    if held.each:
        return [pa.array([held.each] * len(grid), pa.string())]
    if held.words:
        there = ", ".join(dict.fromkeys(held.words))
        why = f"no known defect; there are: {there}"
        cure = f"Add the word to {LABEL}."
        return [by_distinct(grid, TYPE, grid[TYPE], lambda word: held.words.get(_word(word)), pa.string(), why, cure)]
    return [
        pc.if_else(by_distinct(grid, kind, pc.fill_null(grid[kind], ""), _marked, pa.bool_(), "no mark"), kind, nothing)
        for kind in held.marks
    ]


def _word(word: str) -> str:
    return names_in(word, "\t")[0]


def _marked(word: str) -> bool:
    """Whether a cell marks a defect: any word but a no.

    >>> _marked("X"), _marked("Yes"), _marked("No"), _marked("")
    (True, True, False, False)
    """
    return word.strip().lower() not in _NO


def _days(grid: Grid, column: str, marketplaces: pa.Array) -> pa.Array:
    """A column of days, without the time that may follow; empty where the list has none."""
    if not grid.has(column) or not len(grid):
        return pa.nulls(len(grid), DAY)
    forms = sorted({MARKETPLACES[code].dates for code in pc.unique(marketplaces).to_pylist()})
    if len(forms) > 1 and not pc.all(pc.match_substring_regex(grid[column], r"^\d{4}-|[A-Za-z]"), min_count=0).as_py():
        raise ReaderError(f"{grid.name}: its orders are of marketplaces that write days differently. Part the list.")
    return by_distinct(grid, column, grid[column], day_reader(forms[0]), DAY, f"no day written as {_FORM}")


def _day_in_name(name: str) -> date | None:
    """The day in a file's name.

    >>> str(_day_in_name("acme/order_defects_2026-10-31.csv"))
    '2026-10-31'
    """
    found = _IN_NAME.search(name.rsplit("/", 1)[-1])
    return day_of(*found.groups()) if found else None


def _day_of_list(grid: Grid, name: str, *columns: pa.Array) -> date:
    """The day that a list is of: the one in its name, else the newest that it holds."""
    in_name = _day_in_name(name)
    days = [day for column in columns if (day := pc.max(column).as_py()) is not None]
    if in_name is not None:
        return in_name
    if not days:
        raise ReaderError(
            f"{grid.name}: the list says nowhere of which day it is. Put the day of the download into its name, as "
            "order_defects_2026-10-31.csv."
        )
    newest_day: date = max(days)
    if columns[0].null_count:
        grid.notes.append(f"No day in the file's name: taken as of {newest_day}, the newest day of the list.")
    return newest_day
