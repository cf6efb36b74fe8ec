"""Readers of text cells: whole columns to ids, days, instants, counts, flags and words, with checks.

All functions work on whole columns. Python code runs once for each distinct value, and for each row only after an
error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from unicodedata import category

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.csv_table import HINT_RESAVED, HINT_SHIFTED_ROW, CsvTable, combine_chunks

INSTANT = pa.timestamp("us", "UTC")
NAIVE = pa.timestamp("us")
DAY = pa.date32()

AMAZON_ORDER_ID = r"^\d{3}-\d{7}-\d{7}$"
_ID_LETTERS, _DASHES = 19, [3, 11]
OTHER_SHOP_ORDER_ID = r"^S\d{2}-\d{7}-\d{7}$"
OTHER_SHOP_REASON = "orders of other shops that Amazon only fulfils (Non-Amazon) count in no rate"
_SCIENTIFIC = r"^\d+([.,]\d+)?[eE]\+\d+$"
_NUMBER = r"^\d+([.,]\d+)?$"
_DAY_IN_NAME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")
_LOOSE_OFFSET = r"\s*([+-])\s*(\d{2})\s*:?\s*(\d{2})$"
_EARLIEST, _LATEST = date(1995, 1, 1), date(2100, 1, 1)
_REGION_SIGNS, _REGION_LETTERS = " .'&()/-", 40
_FLAGS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
_MONTHS = {month: number for number, month in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
)}  # fmt: skip


ORDER_DETAILS = ("is_business", "is_premium", "ship_method", "country", "state")
"""Columns of the table ORDERS that `read_order_details` reads."""
_ITEM_AGGREGATIONS = {
    "asin": "first", "product": "first", "units": "sum", "amount": "sum", "currency": "first", "updated_at": "max",
}  # fmt: skip


def drop_other_shops(table: CsvTable) -> tuple[CsvTable, dict[str, int]]:
    """Drop the rows of orders that Amazon fulfils for other shops.

    Return the remaining rows and the number of dropped rows by reason.
    """
    ids = table["amazon-order-id" if table.has_column("amazon-order-id") else "order-id"]
    channels = table["sales-channel"]
    other = pc.fill_null(pc.starts_with(ids, "S"), False)
    if pc.any(other).as_py():
        other = pc.fill_null(pc.match_substring_regex(ids, OTHER_SHOP_ORDER_ID), False)
    named = pc.unique(channels).drop_null()
    others = named.filter(pc.starts_with(pc.utf8_lower(named), "non-amazon"))
    if len(others):
        other = pc.or_(other, pc.is_in(channels, value_set=others))
    count = pc.sum(other).as_py() or 0
    return table.filter_rows(pc.invert(other)), {OTHER_SHOP_REASON: count} if count else {}


def read_order_ids(table: CsvTable, column: str) -> pa.Array:
    """Read a required column of Amazon order ids (3-7-7 digits); raise ReaderError for other text."""
    ids = read_required_texts(table, column)
    if not _all_amazon_ids(ids):
        refuse_numeric_ids(table, column)
        refuse_malformed_ids(table, column, pc.invert(pc.match_substring_regex(ids, AMAZON_ORDER_ID)))
    return ids


def _all_amazon_ids(ids: pa.Array) -> bool:
    """Return whether all texts are Amazon order ids; compares bytes, ten times faster than a regular expression.

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


def refuse_malformed_ids(table: CsvTable, column: str, bad: pa.Array) -> None:
    """Raise ReaderError if `bad` marks a row whose order id is malformed.

    If all these ids are whole numbers, the message states that a spreadsheet saved the file again.
    """
    if pc.any(bad, min_count=0).as_py():
        numbers = pc.match_substring_regex(table[column], _NUMBER)
        spoilt = pc.all(pc.or_(numbers, pc.invert(bad))).as_py()
        table.refuse(column, bad, "no order id", HINT_RESAVED if spoilt else HINT_SHIFTED_ROW)


def refuse_numeric_ids(table: CsvTable, column: str) -> None:
    """Raise ReaderError if a spreadsheet has turned ids into numbers in scientific notation."""
    bad = pc.match_substring_regex(table[column], _SCIENTIFIC)
    if pc.any(bad).as_py():
        table.refuse(column, bad, "a number where an id belongs", HINT_RESAVED)


def read_required_texts(table: CsvTable, column: str) -> pa.Array:
    """Return a column of text cells; raise ReaderError if a cell is empty."""
    cells = table[column]
    if cells.null_count:
        table.refuse(column, pc.is_null(cells), "though no row may lack it")
    return cells


def read_words(table: CsvTable, column: str, meanings: Mapping[str, str], allow_empty: bool = False) -> pa.Array:
    """Translate each word of a column with `meanings`, ignoring case; raise ReaderError for unknown words."""
    cells = table[column] if allow_empty else read_required_texts(table, column)
    there_are = ", ".join(dict.fromkeys(meanings))
    return map_distinct(
        table, column, cells, lambda word: meanings.get(word.lower()), pa.string(), f"unknown; there are: {there_are}"
    )


def read_statuses(table: CsvTable, column: str) -> pa.Array:
    """Read a column of status words in lower case, without any text after a dash.

    `Shipped - Damaged` becomes `shipped`.
    """
    return map_distinct(
        table, column, read_required_texts(table, column), _normalize_status, pa.string(), "no status word"
    )


def _normalize_status(word: str) -> str | None:
    """Return one status in lower case; None if it is no word.

    >>> _normalize_status("Canceled"), _normalize_status("Shipped - Picked Up"), _normalize_status("2026-03-04")
    ('cancelled', 'shipped', None)
    """
    word = word.split(" - ")[0].strip().lower()
    return {"canceled": "cancelled"}.get(word, word) if re.fullmatch(r"[a-z][a-z ]{0,30}", word) else None


def read_counts(table: CsvTable, column: str) -> pa.Array:
    """Read a column of whole numbers that are not negative; empty cells stay empty."""
    return map_distinct(table, column, table[column], _parse_count, pa.int64(), "no whole number")


def _parse_count(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else None


def read_flags(table: CsvTable, column: str) -> pa.Array:
    """Read a column of yes or no as booleans; empty cells stay empty."""
    return map_distinct(
        table, column, table[column], lambda word: _FLAGS.get(word.lower()), pa.bool_(), "neither yes nor no"
    )


def read_presence(table: CsvTable, column: str) -> pa.Array:
    """Return for each row whether the column has a value; empty if the file lacks the column."""
    return pc.is_valid(table[column]) if table.has_column(column) else pa.nulls(len(table), pa.bool_())


def read_premium_flags(table: CsvTable) -> pa.Array:
    """Return for each row whether the order is a premium or Prime order; empty if the file does not say."""
    flags = [read_flags(table, column) for column in ("is-premium-order", "is-prime")]
    return pc.or_(pc.coalesce(*flags), pc.coalesce(*reversed(flags)))


def read_regions(table: CsvTable, column: str) -> pa.Array:
    """Read a column of countries or states in upper case; cells that are not a short name become empty."""
    coded = combine_chunks(pc.dictionary_encode(table[column]))
    return pa.array(map(normalize_region, coded.dictionary.to_pylist()), pa.string()).take(coded.indices)


def normalize_region(word: str | None) -> str | None:
    """Return a country or state in upper case, or None if the text is not a short name.

    >>> normalize_region(" wa "), normalize_region("12 High Street"), normalize_region(None)
    ('WA', None, None)
    """
    word = (word or "").strip().upper()
    named = word[:1].isalpha() and len(word) <= _REGION_LETTERS
    # A mark belongs to the letter before it, as in most scripts of India.
    are_allowed = (letter.isalpha() or letter in _REGION_SIGNS or category(letter)[0] == "M" for letter in word)
    return word if named and all(are_allowed) else None


def read_order_details(table: CsvTable) -> dict[str, pa.Array]:
    """Read the columns ORDER_DETAILS of an Amazon order file; columns that the file lacks are empty."""
    return {
        "is_business": read_flags(table, "is-business-order"),
        "is_premium": read_premium_flags(table),
        "ship_method": pc.coalesce(table["ship-service-level"], table["ship-service-name"]),
        "country": read_regions(table, "ship-country"),
        "state": read_regions(table, "ship-state"),
    }


def read_days(
    table: CsvTable, column: str, parse: Callable[[str], date | None], date_format: str, allow_empty: bool = False
) -> pa.Array:
    """Read a column of dates with a function that parses one cell.

    `date_format` describes the format in messages.
    """
    cells = table[column] if allow_empty else read_required_texts(table, column)
    return map_distinct(table, column, cells, parse, DAY, f"no day written as {date_format}")


def map_distinct(
    table: CsvTable,
    column: str,
    cells: pa.Array,
    parse: Callable[[str], object],
    data_type: pa.DataType,
    reason: str,
    hint: str = HINT_SHIFTED_ROW,
) -> pa.Array:
    """Convert cells with `parse`, which is called once for each distinct cell.

    Raise ReaderError if `parse` returns None for a cell.
    """
    coded = combine_chunks(pc.dictionary_encode(cells))
    known = pa.array([parse(word) for word in coded.dictionary.to_pylist()], data_type)
    values = known.take(coded.indices)
    bad = pc.and_(pc.is_null(values), pc.is_valid(cells))
    if pc.any(bad).as_py():
        table.refuse(column, bad, reason, hint)
    return values


def parse_iso_day(word: str) -> date | None:
    """Parse a date written as yyyy-mm-dd; return None for other text.

    >>> parse_iso_day("2026-03-04"), parse_iso_day("04/03/2026"), parse_iso_day("2026-02-30")
    (datetime.date(2026, 3, 4), None, None)
    """
    found = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", word)
    return make_day(*found.groups()) if found else None


def parse_named_month_day(word: str) -> date | None:
    """Parse a date written as dd-Mon-yyyy (English month) or yyyy-mm-dd; return None for other text.

    >>> parse_named_month_day("10-Jul-2025"), parse_named_month_day("2025-07-10"), parse_named_month_day("10-Mai-2025")
    (datetime.date(2025, 7, 10), datetime.date(2025, 7, 10), None)
    """
    found = re.fullmatch(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", word)
    if not found:
        return parse_iso_day(word)
    day, month, year = found.groups()
    return make_day(year, _MONTHS.get(month.lower(), 0), day)


def make_day(year: str | int, month: str | int, day: str | int) -> date | None:
    """Return the date of a year, month and day; None if it does not exist or is outside 1995 to 2099."""
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if _EARLIEST <= found < _LATEST else None


def parse_day_in_name(name: str) -> date | None:
    """Return the day in a file's name, written yyyy-mm-dd; None if there is none.

    >>> str(parse_day_in_name("acme/order_defects_2026-10-31.csv"))
    '2026-10-31'
    """
    found = _DAY_IN_NAME.search(name.rsplit("/", 1)[-1])
    return make_day(*found.groups()) if found else None


def parse_day(word: str, date_format: str) -> date | None:
    """Parse a date written in the given format, such as %d/%m/%y; return None for other text.

    >>> parse_day("3/4/26", "%d/%m/%y"), parse_day("3/4/2026", "%m/%d/%y"), parse_day("3.4.26", "%d/%m/%y")
    (datetime.date(2026, 4, 3), datetime.date(2026, 3, 4), None)
    """
    separator = date_format[2]
    parts = word.split(separator)
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    named = dict(zip(date_format.replace("%", "").split(separator), parts, strict=True))
    year = named.get("y", named.get("Y", ""))
    if (len(year) != 4 and not (len(year) == 2 and "y" in named)) or max(len(named["m"]), len(named["d"])) > 2:
        return None
    return make_day(year if len(year) == 4 else f"20{year}", named["m"], named["d"])


def make_day_parser(date_format: str | None) -> Callable[[str], date | None]:
    """Return a function that parses dates in any unambiguous format or in the given one, ignoring times.

    Unambiguous formats are ISO dates, English months, day.month.year and year/month/day. If `date_format` is None, only
    these are parsed.

    >>> read = make_day_parser("%m/%d/%y")
    >>> read("2026-04-03T10:00:00Z"), read("03-Apr-2026"), read("3.4.2026 10:00"), read("2026/04/03")
    (datetime.date(2026, 4, 3), datetime.date(2026, 4, 3), datetime.date(2026, 4, 3), datetime.date(2026, 4, 3))
    >>> read("4/3/26 10:00"), read("soon"), make_day_parser(None)("4/3/26")
    (datetime.date(2026, 4, 3), None, None)
    """
    forms = ("%d.%m.%y", "%Y/%m/%d", *([date_format] if date_format else []))

    def read(word: str) -> date | None:
        begin = re.split(r"[T ]", word.strip(), maxsplit=1)[0]
        return parse_named_month_day(begin) or next(filter(None, (parse_day(begin, one) for one in forms)), None)

    return read


def read_instants(table: CsvTable, column: str, allow_empty: bool = False) -> pa.Array:
    """Read a column of ISO 8601 times with a UTC offset, which may differ between rows."""
    cells = table[column] if allow_empty else read_required_texts(table, column)
    return cast_times(table, column, cells, INSTANT, "no time stamp with an offset")


def read_local_times(table: CsvTable, column: str, allow_empty: bool = False) -> pa.Array:
    """Read a column of local times without a UTC offset."""
    cells = table[column] if allow_empty else read_required_texts(table, column)
    return cast_times(table, column, cells, NAIVE, "no time stamp without offset")


def cast_times(table: CsvTable, column: str, cells: pa.Array, data_type: pa.DataType, reason: str) -> pa.Array:
    """Cast text cells to a time type; raise ReaderError for cells that cannot be cast."""
    try:
        values = cells.cast(data_type)
    except pa.ArrowInvalid:
        # Help pages print `+ 00 :00`; only when the quick way fails is it worth looking for.
        cells = pc.replace_substring_regex(cells, _LOOSE_OFFSET, r"\1\2:\3")
        # Warehouses write the zone by its name, or the hours of the offset alone.
        cells = pc.replace_substring_regex(cells, r"(\d{2}:\d{2}(:\d{2})?(\.\d+)?) ?(UTC|\+00)$", r"\1Z")
        bad = pa.array([not _can_cast(cell, data_type) for cell in cells])
        if pc.any(bad).as_py():
            table.refuse(column, bad, reason)
        values = cells.cast(data_type)
    _refuse_implausible_times(table, column, values)
    return values


def _can_cast(cell: pa.Scalar, data_type: pa.DataType) -> bool:
    try:
        cell.cast(data_type)
    except pa.ArrowInvalid:
        return False
    return True


def _refuse_implausible_times(table: CsvTable, column: str, values: pa.Array) -> None:
    """Refuse times outside 1995 to 2099."""
    earliest, latest = (pa.scalar(day, DAY).cast(NAIVE).cast(values.type) for day in (_EARLIEST, _LATEST))
    bad = pc.or_(pc.less(values, earliest), pc.greater_equal(values, latest))
    if pc.any(bad, min_count=0).as_py():
        table.refuse(column, bad, "not in our time")


def largest_by_key(keys: pa.Array, values: pa.Array) -> pa.Array:
    """Return for each row the largest value among all rows with the same key.

    >>> largest_by_key(pa.array(["a", "b", "a"]), pa.array([1, 5, 3])).to_pylist()
    [3, 5, 3]
    """
    codes = combine_chunks(pc.dictionary_encode(keys)).indices
    top = pa.table({"key": codes, "value": values}).group_by("key", use_threads=False)
    return combine_chunks(top.aggregate([("value", "max")]).sort_by("key")["value_max"]).take(codes)


def merge_rows(
    lines: pa.Table,
    keys: list[str],
    aggregations: Mapping[str, str] | None = None,
    newest_first: str = "",
    is_unique: np.ndarray | None = None,
) -> pa.Table:
    """Merge all rows with the same key into one row, in order of appearance.

    `aggregations` names the function that merges each column. Without `aggregations` the first known value of every
    other column is kept. With `newest_first` rows are ordered by that column, latest first. Rows with a unique key, as
    most have, are kept as they are; `is_unique` marks them if known.

    >>> lines = pa.table({"order": ["a", "b", "a"], "units": [1, 1, 2], "sku": [None, "x", "y"]})
    >>> merge_rows(lines, ["order"], {"units": "sum", "sku": "first"}).to_pylist()
    [{'order': 'a', 'units': 3, 'sku': 'y'}, {'order': 'b', 'units': 1, 'sku': 'x'}]
    """
    if aggregations is None:
        aggregations = {name: "first" for name in lines.column_names if name not in keys}
    selected = lines.select([*keys, *aggregations])
    by_itself = is_unique_row(lines, keys) if is_unique is None else is_unique
    ranks = np.arange(len(lines))
    if newest_first:
        ranks[pc.sort_indices(lines[newest_first], [("", "descending")]).to_numpy()] = np.arange(len(lines))
    if by_itself.all():
        return selected.take(np.argsort(ranks)) if newest_first else selected
    shared = np.flatnonzero(~by_itself)
    shared = shared[np.argsort(ranks[shared])]
    several = selected.take(shared).append_column("_at", pa.array(ranks[shared]))
    made = several.group_by(keys, use_threads=False).aggregate([*aggregations.items(), ("_at", "min")])
    columns = {key: made[key] for key in keys}
    columns |= {name: made[f"{name}_{how}"].cast(selected[name].type) for name, how in aggregations.items()}
    both = pa.concat_tables([selected, pa.table(columns)]).combine_chunks()
    rows = np.concatenate([np.flatnonzero(by_itself), np.arange(len(made)) + len(lines)])
    return both.take(rows[np.argsort(np.concatenate([ranks[by_itself], made["_at_min"].to_numpy()]))])


def merge_items(lines: pa.Table, is_unique: np.ndarray | None = None) -> dict[str, pa.Array]:
    """Merge order lines into the columns of the table ITEMS, one row for each order and SKU.

    Lines without a SKU are dropped.
    """
    aggregations = {name: how for name, how in _ITEM_AGGREGATIONS.items() if name in lines.column_names}
    keys = ["marketplace", "order_id", "sku"]
    items = lines.select([*keys, *aggregations])
    if items["sku"].null_count:
        named = pc.is_valid(items["sku"])
        items, is_unique = items.filter(named), None if is_unique is None else is_unique[named.to_numpy()]
    return columns_by_name(merge_rows(items, keys, aggregations, is_unique=is_unique))


def is_unique_row(lines: pa.Table, keys: list[str]) -> np.ndarray:
    """Return for each row whether its value in at least one of the key columns occurs only once.

    No other row has the key of such a row. A row for which the result is False may have a unique key too.

    >>> is_unique_row(pa.table({"order": ["a", "b", "a"], "sku": ["x", "x", "y"]}), ["order", "sku"]).tolist()
    [False, True, True]
    """
    found = np.full(len(lines), len(lines) < 2)
    for key in keys if len(lines) > 1 else ():
        coded = combine_chunks(pc.dictionary_encode(lines[key], null_encoding="encode"))
        if len(coded.dictionary) > 1:
            places = coded.indices.to_numpy()
            found |= (np.bincount(places) == 1)[places]
    return found


def keep_newest_rows(table: CsvTable, lines: pa.Table, keys: list[str], column: str) -> pa.Table:
    """Keep the row of each key with the newest `updated_at`.

    Raise ReaderError for rows of one key that differ and are equally new. `lines` are the rows of `table`; equal rows
    count once. `column` is named in the refusal.
    """
    numbered = lines.append_column("row", pa.array(range(len(lines)), pa.int64()))
    once = numbered.group_by(lines.column_names, use_threads=False).aggregate([("row", "min")])
    once = once.append_column("key", _join_columns(once, keys))
    once = once.filter(pc.equal(once["updated_at"], largest_by_key(once["key"], once["updated_at"])))
    counted = combine_chunks(pc.value_counts(once["key"]))
    twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    if len(twice):
        rows = once.filter(pc.is_in(once["key"], value_set=twice))["row_min"]
        bad = pc.is_in(pa.array(range(len(table)), pa.int64()), value_set=combine_chunks(rows))
        table.refuse(
            column, bad, "on lines that differ, none of them newer", "Keep the right one, or fill in updated-at."
        )
    return once.select(lines.column_names)


def _join_columns(table: pa.Table, keys: list[str]) -> pa.ChunkedArray:
    """Return several columns joined as one text with NUL bytes between them."""
    return pc.binary_join_element_wise(*(table[key].cast(pa.string()) for key in keys), "\0")


def refuse_times_before(table: CsvTable, column: str, values: pa.Array, earliest: pa.Array, earliest_name: str) -> None:
    """Raise ReaderError if a day or instant is before the earliest one that its row allows."""
    bad = pc.less(values, earliest)
    if pc.any(bad, min_count=0).as_py():
        table.refuse(column, bad, f"before its {earliest_name}", "Correct one of the two.")


def columns_by_name(table: pa.Table) -> dict[str, pa.Array]:
    """Return the columns of a table as a dictionary of arrays by column name."""
    return {name: combine_chunks(table[name]) for name in table.column_names}
