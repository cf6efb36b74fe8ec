"""Counts: the orders of the raw tables by the days on which they count (EXPOSURE) and are at fault (FAULTS).

This is the one module whose cost grows with the number of orders. Both tables are free of window, lag and target, so
that changing one of these never reads a raw order: a hundred million orders become a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import union_categoricals

from healthkit.metrics.definitions import METRICS, PROMISED_CLOCKS
from healthkit.metrics.policy import Basis, Rule
from healthkit.schema import tables
from healthkit.schema.tables import Frame, Ledger

_EXPOSURE_KEYS = ["account", "marketplace", "channel", "clock_day", "known_on", "until_day", "assumed"]
_SALES_KEYS = ["account", "marketplace", "channel", "sold_on", "cancelled_on", "currency"]
_ORDER_COLUMNS = ["account", "marketplace", "channel", "order_id"]


def empty_exposure() -> pd.DataFrame:
    """Return a table with the columns of EXPOSURE and no rows."""
    return _empty_table("exposure").copy()


def empty_sales() -> pd.DataFrame:
    """Return a table with the columns of SALES and no rows."""
    return _empty_table("sales").copy()


@cache
def _empty_table(name: str) -> pd.DataFrame:
    """Return an empty table; made once, because every `Counts` has one or two."""
    table = {"exposure": tables.EXPOSURE, "sales": tables.SALES}[name]
    return _apply_dtypes(dict.fromkeys(table.columns, ()), table)


@dataclass(frozen=True, eq=False)
class Counts:
    """The tables EXPOSURE, FAULTS, COVERAGE and SALES of one or more accounts, in memory, as `scores` needs them.

    `unknown`, in the columns of EXPOSURE, holds how many shipped orders do not count because no file holds what that
    takes (see `definitions`).
    """

    exposure: pd.DataFrame
    faults: pd.DataFrame
    coverage: pd.DataFrame
    unknown: pd.DataFrame = field(default_factory=empty_exposure)
    sales: pd.DataFrame = field(default_factory=empty_sales)

    def for_accounts(self, accounts: Iterable[str]) -> Counts:
        """Return the counts of the given accounts.

        The time grows with the number of these accounts, not of all accounts.
        """
        wanted = list(dict.fromkeys(accounts))
        found = []
        for frame, index in zip(self._frames, self._index_by("account"), strict=True):
            rows = [index.find_rows((account,)) for account in wanted]
            found.append(frame.iloc[np.sort(np.concatenate(rows))] if rows else frame.iloc[:0])
        exposure, faults, unknown, coverage, sales = found
        return Counts(exposure, faults, coverage, unknown, sales)

    def rows_where(self, **values: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the positions of the rows of EXPOSURE, FAULTS and `unknown` that have the given column values."""
        exposure, faults, unknown = (index.find_rows(tuple(values.values())) for index in self._index_by(*values)[:3])
        return exposure, faults, unknown

    @property
    def _frames(self) -> tuple[pd.DataFrame, ...]:
        return self.exposure, self.faults, self.unknown, self.coverage, self.sales

    def _index_by(self, *names: str) -> list[_RowIndex]:
        """Return an index by some columns of each frame that has them."""
        if names not in self._indexes:
            frames = [frame for frame in self._frames if set(names) <= set(frame)]
            self._indexes[names] = [_RowIndex.build(frame, names) for frame in frames]
        return self._indexes[names]

    @cached_property
    def _indexes(self) -> dict[tuple[str, ...], list[_RowIndex]]:
        return {}


class _RowIndex(NamedTuple):
    """Finds the rows of a frame by the values of some columns: a sorted code for each row, and the row's position.

    `categories` holds, for each column, the code of each value.
    """

    categories: list[dict[str, int]]
    codes: np.ndarray
    order: np.ndarray

    @classmethod
    def build(cls, frame: pd.DataFrame, names: tuple[str, ...]) -> _RowIndex:
        """Index a frame by some columns of categories."""
        columns = [_as_categorical(frame[name].array) for name in names]
        codes = np.zeros(len(frame), dtype=np.int64)
        for column in columns:
            codes = codes * len(column.categories) + column.codes
        order = np.argsort(codes, kind="stable")
        categories = [{str(value): code for code, value in enumerate(column.categories)} for column in columns]
        return cls(categories, codes[order], order)

    def find_rows(self, values: tuple[str, ...]) -> np.ndarray:
        """Return the positions of the rows with these values, ascending."""
        wanted = 0
        for codes, value in zip(self.categories, values, strict=True):
            if value not in codes:
                return self.order[:0]
            wanted = wanted * len(codes) + codes[value]
        first, last = np.searchsorted(self.codes, [wanted, wanted + 1])
        return self.order[first:last]


def _as_categorical(values: Any) -> pd.Categorical:
    """Return values as they are if they are categories; pandas would check and copy them."""
    return values if isinstance(values, pd.Categorical) else pd.Categorical(values)


ColumnArrays = dict[str, Any]
"""A table as one array per column.

A data frame is made last because making many small ones is slow.
"""

ProgressTracker = Callable[[Iterable[Any]], Iterable[Any]]
"""A function that shows the progress of a loop: it takes an iterable and yields its items, as `tqdm` does."""


def count_orders(ledger: Ledger, rules: Iterable[Rule], track: ProgressTracker = iter) -> Counts:
    """Count the orders of the raw tables for every metric and basis that the given rules use.

    Ledgers of at most ROWS_IN_MEMORY rows are loaded into memory first. `track` shows the progress.
    """
    ledger = _load_if_small(ledger)
    measures = sorted({(rule.metric, rule.basis) for rule in rules}, key=str)
    exposures, faults, unknown = [], [], []
    exposure_of: dict[int, tuple[Frame, ColumnArrays]] = {}
    for metric, basis in track(measures):
        orders = METRICS[metric].find_counted_orders(ledger, basis)
        # Many metrics count the same orders: the very same frame (see `definitions`), which is kept to keep its id.
        if id(orders.counting) not in exposure_of:
            exposure_of[id(orders.counting)] = orders.counting, _exposure_rows(orders.counting)
        exposures.append(_add_metric_and_basis(exposure_of[id(orders.counting)][1], metric, basis))
        if orders.unknown is not None:
            unknown.append(_add_metric_and_basis(_exposure_rows(orders.unknown), metric, basis))
        fault_rows = _fault_rows(orders.faults, METRICS[metric].counted_unit, basis.clock in PROMISED_CLOCKS)
        faults.append(_add_metric_and_basis(fault_rows, metric, basis))
    exposure_of.clear()
    coverage = nw.from_native(ledger.coverage).lazy().collect("pandas").to_native()
    return Counts(
        _build_table(exposures, tables.EXPOSURE),
        _build_table(faults, tables.FAULTS),
        _apply_dtypes(pop_columns(coverage.copy()), tables.COVERAGE),
        _build_table(unknown, tables.EXPOSURE),
        _build_table([_sales_rows(ledger)], tables.SALES),
    )


ROWS_IN_MEMORY = 60_000
"""Largest ledger that is counted in memory. [rows of all raw tables]

Preparing the queries of a count takes DuckDB about a second of CPU, however few rows they read. Arrow takes a quarter
of that for a thousand orders, and as long as DuckDB for 80,000 orders.
"""


def _load_if_small(ledger: Ledger) -> Ledger:
    """Return a ledger in memory if it is of DuckDB and has at most ROWS_IN_MEMORY rows, else as it is."""
    frames = [getattr(ledger, table.name) for table in tables.RAW_TABLES]
    if not all(frame.implementation.is_duckdb() for frame in frames):
        return ledger
    rows = sum(frame.select(nw.len()).collect().item() for frame in frames)
    return ledger.in_memory() if rows <= ROWS_IN_MEMORY else ledger


def _sales_rows(ledger: Ledger) -> ColumnArrays:
    """Return how many orders were placed on each day, and what they sold, by currency and day of cancellation."""
    keys = ["account", "marketplace", "order_id"]
    prices = ledger.items.filter(~nw.col("amount").is_null()).group_by([*keys, "currency"])
    gone_on = nw.when(nw.col("status") == "cancelled").then(nw.col("cancelled_on"))
    orders = ledger.orders.filter(~nw.col("ordered_on").is_null()).select(
        *keys, channel=nw.coalesce(nw.col("channel"), nw.lit("seller")), sold_on="ordered_on", cancelled_on=gone_on
    )
    sold = orders.join(prices.agg(nw.col("amount").sum()), on=keys, how="left")
    sums = sold.group_by(_SALES_KEYS).agg(orders=nw.col("order_id").count(), amount=nw.col("amount").sum())
    rows = _pack_frame(sums.with_columns(nw.col("amount").fill_null(0)))
    codes = [rows[name].codes if name in _TEXT_COLUMNS else rows[name] for name in _SALES_KEYS]
    return _convert_day_columns(take_rows(rows, np.lexsort(codes[::-1])))


def _exposure_rows(counting: Frame) -> ColumnArrays:
    """Return how many orders count between the same days, sorted."""
    rows = _pack_frame(counting.group_by(_EXPOSURE_KEYS).agg(nw.col("counted").sum()))
    codes = [rows[name].codes if name in _TEXT_COLUMNS else rows[name] for name in _EXPOSURE_KEYS]
    return _convert_day_columns(take_rows(rows, np.lexsort(codes[::-1])))


def _fault_rows(faults: Frame, counted_unit: str, promised: bool = False) -> ColumnArrays:
    """Return when each order is at fault, and why: intervals of one order that overlap or touch are joined.

    Two defects make one order at fault. A joined interval is split where its causes change, so that a cause is not
    named before it was known; `since` is the first day of the whole interval. Parcels and units are not joined: they
    add up.

    A fault is not known before the clock day, unless the clock is `promised`: then `known_on` may be before the clock
    day, from which on the sweep counts the order.
    """
    rows = _pack_frame(faults)
    known, clock = rows["known_on"], rows["clock_day"]
    rows["known_on"] = np.where(known != _OPEN_END, known, clock)
    if not promised:
        rows["known_on"] = np.maximum(rows["known_on"], clock)
    del known, clock
    numbers = _order_numbers(rows)
    positions = np.lexsort([rows["known_on"], numbers])
    positions = positions[(rows["known_on"] < rows["cleared_on"])[positions]]
    rows, numbers = take_rows(rows, positions), numbers[positions]
    begins = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
    # A row is the only one of its order if neither the row before nor the row after is of the same order.
    several = ~(begins & np.append(begins[1:], True)) & (counted_unit == "orders")
    del numbers, positions
    if several.any():
        rows["_order"] = np.cumsum(begins)
        joined = _join_overlapping(pd.DataFrame({name: values[several] for name, values in rows.items()}))
        rows["since"] = rows["known_on"]
        rows = concat_rows([take_rows(rows, np.flatnonzero(~several)), pop_columns(joined)])
        rows = take_rows(rows, np.lexsort([rows["known_on"], rows.pop("_order")]))
    rows["causes"] = rows.pop("cause")
    rows = _convert_day_columns(rows)
    rows.setdefault("since", rows["known_on"])
    return rows


_OPEN_END = np.iinfo(np.int32).max
"""The day number that stands for a day that never comes."""
_TEXT_COLUMNS = ("account", "marketplace", "channel", "cause", "assumed", "currency")
_DAY_COLUMNS = ("clock_day", "known_on", "until_day", "since", "cleared_on", "sold_on", "cancelled_on")


def _pack_frame(frame: Frame) -> ColumnArrays:
    """Return the rows of a frame in little memory: texts as categories, days as numbers since 1970-01-01.

    Rows are read in batches, and every later step works on one column at a time: a hundred million orders have millions
    of rows at fault, each with an id.
    """
    parts: dict[str, list[pa.Array]] = {name: [] for name in frame.collect_schema().names()}
    for batch in _record_batches(frame):
        for name, arrays in parts.items():
            arrays.append(_pack_column(name, batch.column(name)))
    return {name: _combine_parts(name, parts.pop(name)) for name in list(parts)}


def _record_batches(frame: Frame) -> Iterable[pa.RecordBatch]:
    """Return the rows of a lazy frame in batches; DuckDB streams them and never holds all of them."""
    if frame.implementation.is_duckdb():
        return pa.RecordBatchReader.from_stream(frame.to_native())
    return list(frame.collect().to_arrow().to_batches())


def _packed_type(name: str) -> pa.DataType:
    """Return the Arrow type in which a column is packed."""
    if name in _TEXT_COLUMNS:
        return pa.dictionary(pa.int32(), pa.string())
    if name in _DAY_COLUMNS:
        return pa.int32()
    return pa.large_string() if name == "order_id" else pa.int64()


def _pack_column(name: str, column: pa.Array) -> pa.Array:
    """Return one column of a batch in its packed type, without a reference to the batch."""
    if name in _TEXT_COLUMNS:
        return column.cast(pa.string()).dictionary_encode()
    packed = (
        column.cast(pa.date32()).cast(pa.int32()).fill_null(_OPEN_END)
        if name in _DAY_COLUMNS
        else column.cast(_packed_type(name))
    )
    # Concatenating copies the array, so that the batch can be freed.
    return pa.concat_arrays([packed, packed[:0]])


def _combine_parts(name: str, parts: list[pa.Array]) -> Any:
    """Return the batches of a column as one array; texts as sorted categories."""
    whole = pa.chunked_array(parts, _packed_type(name)).unify_dictionaries().combine_chunks()
    if name not in _TEXT_COLUMNS:
        return whole.to_pandas().array if name == "order_id" else whole.to_numpy()
    texts = whole.dictionary.to_pylist()
    order = sorted(range(len(texts)), key=lambda code: str(texts[code]))
    # Nulls have the code -1, which is the last item.
    codes = np.append(np.argsort(order), -1).astype(np.int32)[whole.indices.fill_null(-1).to_numpy()]
    return pd.Categorical.from_codes(codes, pd.Index([texts[code] for code in order], dtype="str"))


def _order_numbers(rows: ColumnArrays) -> np.ndarray:
    """Return a number for the order of each row; the numbers sort as the names of the orders do.

    Arrow ranks the ids, because sorting rows by four texts would take most of the time of counting.
    """
    numbers = np.zeros(_row_count(rows), dtype=np.int64)
    for name in _ORDER_COLUMNS[:-1]:
        numbers *= len(rows[name].categories) + 1
        numbers += rows[name].codes
    numbers *= len(numbers) + 1
    numbers += pc.rank(pa.array(rows[_ORDER_COLUMNS[-1]]), tiebreaker="dense").to_numpy().astype(np.int64)
    return numbers


def _join_overlapping(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals of orders with several faults, joined where they touch and split where the causes change."""
    rows = rows.assign(cause=_to_text(rows["cause"]).array, assumed=_to_text(rows["assumed"]).array)
    rows = rows.rename(columns={"known_on": "_begin", "cleared_on": "_end"})
    ends = [rows[["_order", name]].set_axis(["_order", "_begin"], axis=1) for name in ("_begin", "_end")]
    bounds = pd.concat(ends).drop_duplicates().sort_values(["_order", "_begin"]).to_numpy()
    within = bounds[1:, 0] == bounds[:-1, 0]
    cuts = pd.DataFrame({
        "_order": bounds[:-1, 0][within], "_begin": bounds[:-1, 1][within], "_end": bounds[1:, 1][within]
    })  # fmt: skip
    pairs = cuts.merge(rows, on="_order", suffixes=("", "_whole"))
    covered = pairs[(pairs["_begin_whole"] <= pairs["_begin"]) & (pairs["_end"] <= pairs["_end_whole"])]
    causes = covered.groupby(["_order", "_begin", "_end"], as_index=False).agg(
        causes=("cause", _join_words), assumed=("assumed", _join_assumptions), at_fault=("at_fault", "max")
    )
    order, begin, end = (causes[name].to_numpy() for name in ("_order", "_begin", "_end"))
    meets = np.zeros(len(causes), dtype=bool)
    meets[1:] = (order[1:] == order[:-1]) & (begin[1:] == end[:-1])
    reasons = (causes["causes"] + " " + causes["assumed"].fillna("")).to_numpy()
    changes = ~meets
    changes[1:] |= reasons[1:] != reasons[:-1]
    starts = np.flatnonzero(changes)
    lasts = np.append(starts[1:] - 1, len(causes) - 1)
    whole = np.flatnonzero(~meets)[np.cumsum(~meets) - 1]
    parts = causes.iloc[starts].reset_index(drop=True)
    days = {"since": begin[whole][starts], "known_on": begin[starts], "cleared_on": end[lasts]}
    dated = parts.assign(**days).drop(columns=["_begin", "_end"]).rename(columns={"causes": "cause"})
    named = rows.drop_duplicates("_order")[["_order", *_ORDER_COLUMNS, "clock_day"]]
    return dated.merge(named, on="_order", validate="many_to_one")


def _convert_day_columns(rows: ColumnArrays) -> ColumnArrays:
    """Return rows with their day numbers as days."""
    for name in _DAY_COLUMNS:
        if name in rows:
            rows[name] = _numbers_to_days(rows[name])
    return rows


def _numbers_to_days(numbers: np.ndarray) -> np.ndarray:
    """Return day numbers as days; the open end as null."""
    days = numbers.astype(np.int64)
    days *= 24 * 60 * 60
    days[numbers == _OPEN_END] = np.iinfo(np.int64).min
    return days.view("datetime64[s]")


def _join_words(words: pd.Series) -> str:
    """Return several words joined by "+", sorted, each once.

    >>> _join_words(pd.Series(["chargeback", "a_to_z_claim", "chargeback"]))
    'a_to_z_claim+chargeback'
    """
    return "+".join(sorted(set(words)))


def _join_assumptions(words: pd.Series) -> str | None:
    """Return the assumptions about an order with several faults; None if one of the faults is certain."""
    return None if words.isna().any() else _join_words(words)


def _to_text(column: pd.Series) -> pd.Series:
    """Return a column as text, with its nulls."""
    if column.dtype == "category":
        return pd.Series(column.cat.categories.array.take(column.cat.codes.to_numpy(), allow_fill=True))
    return column.astype("str").where(column.notna())


def _to_categories(column: pd.Series) -> pd.Series:
    """Return a column as sorted categories, without unused ones."""
    if column.dtype != "category":
        return _to_text(column).astype("category")
    codes = column.cat.codes.to_numpy()
    used = np.bincount(codes[codes >= 0], minlength=len(column.cat.categories))
    return column if used.all() else column.cat.remove_unused_categories()


def _add_metric_and_basis(rows: ColumnArrays, metric: str, basis: Basis) -> ColumnArrays:
    """Return rows with the columns `metric` and `basis`."""
    zeros = np.zeros(_row_count(rows), dtype=np.int8)
    constants = {"metric": metric, "basis": str(basis)}
    return rows | {
        name: pd.Categorical.from_codes(zeros, pd.Index([value], dtype="str")) for name, value in constants.items()
    }


def _row_count(rows: ColumnArrays) -> int:
    """Return the number of rows."""
    return len(next(iter(rows.values()), ()))


def pop_columns(frame: pd.DataFrame) -> ColumnArrays:
    """Remove all columns from a frame and return them, so that they can be freed one by one."""
    return {name: frame.pop(name).array for name in list(frame)}


def take_rows(rows: ColumnArrays, positions: np.ndarray) -> ColumnArrays:
    """Return the rows at the given positions, and empty `rows`.

    `rows` is emptied column by column, so that memory holds each value once.
    """
    found = {name: rows.pop(name).take(positions) for name in list(rows)}
    pa.default_memory_pool().release_unused()
    return found


def concat_rows(parts: list[ColumnArrays]) -> ColumnArrays:
    """Concatenate the rows of the tables in `parts`, and empty these tables.

    They are emptied column by column, so that memory holds each value once.
    """
    parts = [rows for rows in parts if _row_count(rows)] or parts[:1]
    return {name: _concat_columns(name, [rows.pop(name) for rows in parts]) for name in list(parts[0])}


def _concat_columns(name: str, columns: list[Any]) -> Any:
    """Return parts of one column as one array."""
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(column, np.ndarray) for column in columns):
        return np.concatenate(columns)
    several = [pd.Series(column, copy=False) for column in columns]
    if name in CATEGORY_COLUMNS or any(column.dtype == "category" for column in several):
        return union_categoricals([_to_categories(column) for column in several], sort_categories=True)
    return pd.concat(several, ignore_index=True).array


def _build_table(parts: list[ColumnArrays], table: tables.Table) -> pd.DataFrame:
    """Return the rows of several metrics as one table; the parts are emptied."""
    return _apply_dtypes(concat_rows(parts) if parts else dict.fromkeys(table.columns, ()), table)


CATEGORY_COLUMNS = ("account", "marketplace", "channel", "metric", "basis")
"""The columns of counts that are of a categorical type: they have few values, each in many rows."""


def restore_dtypes(rows: pd.DataFrame) -> pd.DataFrame:
    """Convert a table of counts that was read from a file to the types that `count_orders` returns.

    A file loses the resolution of days, and without rows the categories.
    """
    days = {name: "datetime64[s]" for name in rows if rows[name].dtype.kind == "M"}
    return rows.astype({name: "category" for name in CATEGORY_COLUMNS if name in rows} | days)


def _apply_dtypes(rows: ColumnArrays, table: tables.Table) -> pd.DataFrame:
    """Return rows as a checked table: days as midnights without a zone, counts as integers, names as categories.

    The rows are emptied.
    """
    columns: dict[str, Any] = {}
    for name, column in table.columns.items():
        values = pd.Series(rows.pop(name), copy=False)
        if column.kind == "day":
            columns[name] = pd.to_datetime(values).astype("datetime64[s]")
        elif column.kind == "count":
            columns[name] = values.astype("int64")
        else:
            columns[name] = _to_categories(values) if name in CATEGORY_COLUMNS else _to_text(values)
    return tables.check_table(pd.DataFrame(columns, copy=False), table)
