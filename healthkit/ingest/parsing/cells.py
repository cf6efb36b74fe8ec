"""From text cells to ids, days, instants, counts, flags and words; each says which row it cannot read.

Whole columns at once. A loop in Python runs over distinct values, and over rows only once one is known to be bad.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from unicodedata import category

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.csv_table import RESAVED, SHIFTED, Grid, whole

INSTANT = pa.timestamp("us", "UTC")
NAIVE = pa.timestamp("us")
DAY = pa.date32()

AMAZON_ID = r"^\d{3}-\d{7}-\d{7}$"
_ID_LETTERS, _DASHES = 19, [3, 11]
OTHER_SHOP_ID = r"^S\d{2}-\d{7}-\d{7}$"
OTHER_SHOP = "orders of other shops that Amazon only fulfils (Non-Amazon) count in no rate"
_SCIENTIFIC = r"^\d+([.,]\d+)?[eE]\+\d+$"
_NUMBER = r"^\d+([.,]\d+)?$"
_LOOSE_OFFSET = r"\s*([+-])\s*(\d{2})\s*:?\s*(\d{2})$"
_EARLIEST, _LATEST = date(1995, 1, 1), date(2100, 1, 1)
_REGION_SIGNS, _REGION_LETTERS = " .'&()/-", 40
_FLAGS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
_MONTHS = {month: number for number, month in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
)}  # fmt: skip


def without_other_shops(grid: Grid, column: str) -> tuple[Grid, dict[str, int]]:
    """Leave out orders that Amazon fulfils for other shops, and say how many lines that were."""
    ids, channels = grid[column], grid["sales-channel"]
    other = pc.fill_null(pc.starts_with(ids, "S"), False)
    if pc.any(other).as_py():
        other = pc.fill_null(pc.match_substring_regex(ids, OTHER_SHOP_ID), False)
    named = pc.unique(channels).drop_null()
    others = named.filter(pc.starts_with(pc.utf8_lower(named), "non-amazon"))
    if len(others):
        other = pc.or_(other, pc.is_in(channels, value_set=others))
    count = pc.sum(other).as_py() or 0
    return grid.keep(pc.invert(other)), {OTHER_SHOP: count} if count else {}


def order_ids(grid: Grid, column: str) -> pa.Array:
    """Amazon's order ids, three groups of digits; anything else refuses the file."""
    ids = texts(grid, column)
    if not _all_amazon_ids(ids):
        refuse_numbers(grid, column)
        refuse_other_ids(grid, column, pc.invert(pc.match_substring_regex(ids, AMAZON_ID)))
    return ids


def _all_amazon_ids(ids: pa.Array) -> bool:
    """Whether all are Amazon's order ids, told from their bytes at once: a tenth of what a pattern costs.

    >>> _all_amazon_ids(pa.array(["111-0000001-0000001", "S01-0000001-0000001"]))
    False
    """
    _, offsets, letters = ids.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(ids) + 1, ids.offset * 4) if len(ids) else np.zeros(1, np.int32)
    if (np.diff(bounds) != _ID_LETTERS).any() or letters is None:
        return not len(ids)
    each = np.frombuffer(letters, np.uint8)[bounds[0] : bounds[-1]].reshape(-1, _ID_LETTERS)
    dashes, digits = each[:, _DASHES], np.delete(each, _DASHES, axis=1)
    return bool((dashes == ord("-")).all() and ((digits >= ord("0")) & (digits <= ord("9"))).all())


def refuse_other_ids(grid: Grid, column: str, bad: pa.Array) -> None:
    """Refuse what has not the shape of Amazon's order ids; whole numbers come from a spreadsheet."""
    if pc.any(bad, min_count=0).as_py():
        numbers = pc.match_substring_regex(grid[column], _NUMBER)
        spoilt = pc.all(pc.or_(numbers, pc.invert(bad))).as_py()
        grid.refuse(column, bad, "no order id", RESAVED if spoilt else SHIFTED)


def refuse_numbers(grid: Grid, column: str) -> None:
    """Refuse ids that a spreadsheet turned into numbers."""
    bad = pc.match_substring_regex(grid[column], _SCIENTIFIC)
    if pc.any(bad).as_py():
        grid.refuse(column, bad, "a number where an id belongs", RESAVED)


def texts(grid: Grid, column: str) -> pa.Array:
    """A column of which no cell may be empty."""
    cells = grid[column]
    if cells.null_count:
        grid.refuse(column, pc.is_null(cells), "though no row may lack it")
    return cells


def words(grid: Grid, column: str, meanings: Mapping[str, str], empty: bool = False) -> pa.Array:
    """Words in our spelling, whatever their case; an unknown one refuses the file."""
    cells = grid[column] if empty else texts(grid, column)
    there_are = ", ".join(dict.fromkeys(meanings))
    return by_distinct(
        grid, column, cells, lambda word: meanings.get(word.lower()), pa.string(), f"unknown; there are: {there_are}"
    )


def statuses(grid: Grid, column: str) -> pa.Array:
    """Status words in lower case, without what follows a dash: `Shipped - Damaged` is shipped."""
    return by_distinct(grid, column, texts(grid, column), _status, pa.string(), "no status word")


def _status(word: str) -> str | None:
    """One status word in our spelling.

    >>> _status("Canceled"), _status("Shipped - Picked Up"), _status("2026-03-04")
    ('cancelled', 'shipped', None)
    """
    word = word.split(" - ")[0].strip().lower()
    return {"canceled": "cancelled"}.get(word, word) if re.fullmatch(r"[a-z][a-z ]{0,30}", word) else None


def counts(grid: Grid, column: str) -> pa.Array:
    """Whole numbers, not negative; an empty cell stays empty."""
    return by_distinct(grid, column, grid[column], _count, pa.int64(), "no whole number")


def _count(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else None


def flags(grid: Grid, column: str) -> pa.Array:
    """Yes or no; an empty cell stays empty."""
    return by_distinct(
        grid, column, grid[column], lambda word: _FLAGS.get(word.lower()), pa.bool_(), "neither yes nor no"
    )


def premium(grid: Grid) -> pa.Array:
    """Whether an order was promised as a premium one, or as Prime; empty where neither is told."""
    told = [flags(grid, column) for column in ("is-premium-order", "is-prime")]
    return pc.or_(pc.coalesce(*told), pc.coalesce(*reversed(told)))


def regions(grid: Grid, column: str) -> pa.Array:
    """Countries or states in upper case; a cell that is no short name, such as half an address, stays empty."""
    coded = whole(pc.dictionary_encode(grid[column]))
    return pa.array(map(region, coded.dictionary.to_pylist()), pa.string()).take(coded.indices)


def region(word: str | None) -> str | None:
    """The same for one word.

    >>> region(" wa "), region("12 High Street"), region(None)
    ('WA', None, None)
    """
    word = (word or "").strip().upper()
    named = word[:1].isalpha() and len(word) <= _REGION_LETTERS
    # A mark belongs to the letter before it, as in most scripts of India.
    held = (letter.isalpha() or letter in _REGION_SIGNS or category(letter)[0] == "M" for letter in word)
    return word if named and all(held) else None


def days(grid: Grid, column: str, read: Callable[[str], date | None], form: str, empty: bool = False) -> pa.Array:
    """Days, read by the given function; `form` says in words what it reads."""
    cells = grid[column] if empty else texts(grid, column)
    return by_distinct(grid, column, cells, read, DAY, f"no day written as {form}")


def by_distinct(
    grid: Grid,
    column: str,
    cells: pa.Array,
    read: Callable[[str], object],
    kind: pa.DataType,
    why: str,
    cure: str = SHIFTED,
) -> pa.Array:
    """Read each distinct cell once; where `read` gives None, the file is refused for that cell."""
    coded = whole(pc.dictionary_encode(cells))
    known = pa.array([read(word) for word in coded.dictionary.to_pylist()], kind)
    values = known.take(coded.indices)
    bad = pc.and_(pc.is_null(values), pc.is_valid(cells))
    if pc.any(bad).as_py():
        grid.refuse(column, bad, why, cure)
    return values


def iso_day(word: str) -> date | None:
    """A day written yyyy-mm-dd.

    >>> iso_day("2026-03-04"), iso_day("04/03/2026"), iso_day("2026-02-30")
    (datetime.date(2026, 3, 4), None, None)
    """
    found = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", word)
    return day_of(*found.groups()) if found else None


def named_month_day(word: str) -> date | None:
    """A day written dd-Mon-yyyy with an English month, or yyyy-mm-dd.

    >>> named_month_day("10-Jul-2025"), named_month_day("2025-07-10"), named_month_day("10-Mai-2025")
    (datetime.date(2025, 7, 10), datetime.date(2025, 7, 10), None)
    """
    found = re.fullmatch(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", word)
    if not found:
        return iso_day(word)
    day, month, year = found.groups()
    return day_of(year, _MONTHS.get(month.lower(), 0), day)


def day_of(year: str | int, month: str | int, day: str | int) -> date | None:
    """The day of these numbers, or None when there is no such day, or none in our time."""
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if _EARLIEST <= found < _LATEST else None


def read_day(word: str, form: str) -> date | None:
    """A day in a marketplace's order of day, month and year; any other writing is None.

    >>> read_day("3/4/26", "%d/%m/%y"), read_day("3/4/2026", "%m/%d/%y"), read_day("3.4.26", "%d/%m/%y")
    (datetime.date(2026, 4, 3), datetime.date(2026, 3, 4), None)
    """
    separator = form[2]
    parts = word.split(separator)
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    named = dict(zip(form.replace("%", "").split(separator), parts, strict=True))
    year = named.get("y", named.get("Y", ""))
    if (len(year) != 4 and not (len(year) == 2 and "y" in named)) or max(len(named["m"]), len(named["d"])) > 2:
        return None
    return day_of(year if len(year) == 4 else f"20{year}", named["m"], named["d"])


def day_reader(form: str | None) -> Callable[[str], date | None]:
    """What reads a day, whatever time follows it: in a form that says its own order, or in a marketplace's.

    ISO, an English month, day.month.year and year/month/day need no marketplace; with None nothing else is read.

    >>> read = day_reader("%m/%d/%y")
    >>> read("2026-04-03T10:00:00Z"), read("03-Apr-2026"), read("3.4.2026 10:00"), read("2026/04/03")
    (datetime.date(2026, 4, 3), datetime.date(2026, 4, 3), datetime.date(2026, 4, 3), datetime.date(2026, 4, 3))
    >>> read("4/3/26 10:00"), read("soon"), day_reader(None)("4/3/26")
    (datetime.date(2026, 4, 3), None, None)
    """
    forms = ("%d.%m.%y", "%Y/%m/%d", *([form] if form else []))

    def read(word: str) -> date | None:
        begin = re.split(r"[T ]", word.strip(), maxsplit=1)[0]
        return named_month_day(begin) or next(filter(None, (read_day(begin, one) for one in forms)), None)

    return read


def instants(grid: Grid, column: str, empty: bool = False) -> pa.Array:
    """Instants written ISO 8601 with their offset; offsets may differ from row to row."""
    cells = grid[column] if empty else texts(grid, column)
    return read_times(grid, column, cells, INSTANT, "no time stamp with an offset")


def local_times(grid: Grid, column: str, empty: bool = False) -> pa.Array:
    """Times as written, without offset or zone."""
    cells = grid[column] if empty else texts(grid, column)
    return read_times(grid, column, cells, NAIVE, "no time stamp without offset")


def read_times(grid: Grid, column: str, cells: pa.Array, kind: pa.DataType, why: str) -> pa.Array:
    """Read the given cells of a column as times of one kind; one that is none refuses the file."""
    try:
        values = cells.cast(kind)
    except pa.ArrowInvalid:
        # Help pages print `+ 00 :00`; only when the quick way fails is it worth looking for.
        cells = pc.replace_substring_regex(cells, _LOOSE_OFFSET, r"\1\2:\3")
        bad = pa.array([not _casts(cell, kind) for cell in cells])
        if pc.any(bad).as_py():
            grid.refuse(column, bad, why)
        values = cells.cast(kind)
    _refuse_other_times(grid, column, values)
    return values


def _casts(cell: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        cell.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _refuse_other_times(grid: Grid, column: str, values: pa.Array) -> None:
    """Refuse years that no order can have."""
    earliest, latest = (pa.scalar(day, DAY).cast(NAIVE).cast(values.type) for day in (_EARLIEST, _LATEST))
    bad = pc.or_(pc.less(values, earliest), pc.greater_equal(values, latest))
    if pc.any(bad, min_count=0).as_py():
        grid.refuse(column, bad, "not in our time")


def largest_of(keys: pa.Array, values: pa.Array) -> pa.Array:
    """For each row, the largest value among the rows of the same key.

    >>> largest_of(pa.array(["a", "b", "a"]), pa.array([1, 5, 3])).to_pylist()
    [3, 5, 3]
    """
    codes = whole(pc.dictionary_encode(keys)).indices
    top = pa.table({"key": codes, "value": values}).group_by("key", use_threads=False)
    return whole(top.aggregate([("value", "max")]).sort_by("key")["value_max"]).take(codes)


def one_per(
    lines: pa.Table,
    keys: list[str],
    stands: Mapping[str, str],
    newest_first: str = "",
    known_alone: np.ndarray | None = None,
) -> pa.Table:
    """One row for each key, in order of appearance; `stands` says which of a column's values stands.

    With `newest_first` the lines stand in the order of that column, the latest first. Lines that have their key alone,
    as most have, are their own row, and only the others are put together; `known_alone` says of which that is known.

    >>> lines = pa.table({"order": ["a", "b", "a"], "units": [1, 1, 2], "sku": [None, "x", "y"]})
    >>> one_per(lines, ["order"], {"units": "sum", "sku": "first"}).to_pylist()
    [{'order': 'a', 'units': 3, 'sku': 'y'}, {'order': 'b', 'units': 1, 'sku': 'x'}]
    """
    held = lines.select([*keys, *stands])
    by_itself = alone(lines, keys) if known_alone is None else known_alone
    ranks = np.arange(len(lines))
    if newest_first:
        ranks[pc.sort_indices(lines[newest_first], [("", "descending")]).to_numpy()] = np.arange(len(lines))
    if by_itself.all():
        return held.take(np.argsort(ranks)) if newest_first else held
    shared = np.flatnonzero(~by_itself)
    shared = shared[np.argsort(ranks[shared])]
    several = lines.take(shared).append_column("_at", pa.array(ranks[shared]))
    made = several.group_by(keys, use_threads=False).aggregate([*stands.items(), ("_at", "min")])
    columns = {key: made[key] for key in keys}
    columns |= {name: made[f"{name}_{how}"].cast(held[name].type) for name, how in stands.items()}
    both = pa.concat_tables([held, pa.table(columns)]).combine_chunks()
    rows = np.concatenate([np.flatnonzero(by_itself), np.arange(len(made)) + len(lines)])
    return both.take(rows[np.argsort(np.concatenate([ranks[by_itself], made["_at_min"].to_numpy()]))])


def alone(lines: pa.Table, keys: list[str]) -> np.ndarray:
    """Whether a row has the value of one of these columns all to itself, so that no other row has its key.

    >>> alone(pa.table({"order": ["a", "b", "a"], "sku": ["x", "x", "y"]}), ["order", "sku"]).tolist()
    [False, True, True]
    """
    found = np.full(len(lines), len(lines) < 2)
    for key in keys if len(lines) > 1 else ():
        coded = whole(pc.dictionary_encode(lines[key], null_encoding="encode"))
        if len(coded.dictionary) > 1:
            places = coded.indices.to_numpy()
            found |= (np.bincount(places) == 1)[places]
    return found


def newest_said(grid: Grid, lines: pa.Table, keys: list[str], column: str) -> pa.Table:
    """Of the lines on one thing the newest; lines as new as each other may not differ, else the file is refused.

    `lines` are the grid's rows; lines that say exactly the same count once. `column` is the one that a refusal names.
    """
    numbered = lines.append_column("row", pa.array(range(len(lines)), pa.int64()))
    once = numbered.group_by(lines.column_names, use_threads=False).aggregate([("row", "min")])
    once = once.append_column("key", _joined(once, keys))
    once = once.filter(pc.equal(once["updated_at"], largest_of(once["key"], once["updated_at"])))
    counted = whole(pc.value_counts(once["key"]))
    twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    if len(twice):
        rows = once.filter(pc.is_in(once["key"], value_set=twice))["row_min"]
        bad = pc.is_in(pa.array(range(len(grid)), pa.int64()), value_set=whole(rows))
        grid.refuse(
            column, bad, "on lines that differ, none of them newer", "Keep the right one, or fill in updated-at."
        )
    return once.select(lines.column_names)


def _joined(table: pa.Table, keys: list[str]) -> pa.ChunkedArray:
    """Some columns as one text; no text of a file holds the NUL byte between them."""
    return pc.binary_join_element_wise(*(table[key].cast(pa.string()) for key in keys), "\0")


def refuse_before(grid: Grid, column: str, values: pa.Array, since: pa.Array, what: str) -> None:
    """Refuse a day or instant that lies before the one it must follow."""
    bad = pc.less(values, since)
    if pc.any(bad, min_count=0).as_py():
        grid.refuse(column, bad, f"before its {what}", "Correct one of the two.")


def columns_of(table: pa.Table) -> dict[str, pa.Array]:
    """A table's columns by name, each as one array."""
    return {name: whole(table[name]) for name in table.column_names}
