"""Tables to counts: EXPOSURE (how many orders count, by clock day), FAULTS (one row a stay at fault), and how many
orders are unknown.

The one room that must scale. Both tables are free of window, lag and target, so that a slider never
touches a raw order: a hundred million orders become a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
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
_ORDER_COLUMNS = ["account", "marketplace", "channel", "order_id"]


def empty_exposure() -> pd.DataFrame:
    """No rows in the columns of EXPOSURE."""
    return _apply_dtypes(dict.fromkeys(tables.EXPOSURE.columns, ()), tables.EXPOSURE)


@dataclass(frozen=True, eq=False)
class Counts:
    """EXPOSURE, FAULTS and COVERAGE of some accounts: all that `scores` needs, held in memory.

    `unknown` has the columns of EXPOSURE: how many shipped orders do not count, for no file tells what it takes (see
    `metrics`); of metrics whose every order counts it has no rows.
    """

    exposure: pd.DataFrame
    faults: pd.DataFrame
    coverage: pd.DataFrame
    unknown: pd.DataFrame = field(default_factory=empty_exposure)

    def for_accounts(self, accounts: Iterable[str]) -> Counts:
        """The counts of some of the accounts; what it costs grows with those, not with all."""
        wanted = list(dict.fromkeys(accounts))
        found = [
            frame.iloc[_rows_of_accounts(place, wanted)]
            for frame, place in zip(self._frames, self._by_account, strict=True)
        ]
        return Counts(*found)

    def rows_where(self, **named: str) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of EXPOSURE and of FAULTS have these values; where each set of values stands is found once."""
        names = tuple(named)
        if names not in self._indexes:
            self._indexes[names] = [_RowIndex.build(frame, names) for frame in self._frames[:2]]
        exposure, faults = (place.rows(tuple(named.values())) for place in self._indexes[names])
        return exposure, faults

    @property
    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self.exposure, self.faults, self.coverage, self.unknown

    @cached_property
    def _by_account(self) -> list[_RowIndex]:
        """Where the rows of each account stand in each frame: found once, for many will be asked for."""
        return [_RowIndex.build(frame, ("account",)) for frame in self._frames]

    @cached_property
    def _indexes(self) -> dict[tuple[str, ...], list[_RowIndex]]:
        """The same by several columns, as they were asked for."""
        return {}


class _RowIndex(NamedTuple):
    """Where rows with the same values in some columns stand: a code for each set of values, sorted, and the rows."""

    categories: list[dict[str, int]]
    codes: np.ndarray
    order: np.ndarray

    @classmethod
    def build(cls, frame: pd.DataFrame, names: tuple[str, ...]) -> _RowIndex:
        """The places of a frame, by columns of categories."""
        columns = [frame[name].astype("category").cat for name in names]
        codes = np.zeros(len(frame), dtype=np.int64)
        for held in columns:
            codes = codes * len(held.categories) + held.codes.to_numpy()
        order = np.argsort(codes, kind="stable")
        named = [{str(name): place for place, name in enumerate(held.categories)} for held in columns]
        return cls(named, codes[order], order)

    def rows(self, values: tuple[str, ...]) -> np.ndarray:
        """The rows that have these values, in the order in which they stand."""
        wanted = 0
        for held, value in zip(self.categories, values, strict=True):
            at = held.get(value)
            if at is None:
                return self.order[:0]
            wanted = wanted * len(held) + at
        first, last = np.searchsorted(self.codes, [wanted, wanted + 1])
        return self.order[first:last]


def _rows_of_accounts(index: _RowIndex, accounts: list[str]) -> np.ndarray:
    """The rows of some accounts, in the order in which they stand."""
    return np.sort(np.concatenate([index.rows((account,)) for account in accounts] or [index.order[:0]]))


ColumnArrays = dict[str, Any]
"""Rows by column, each an array: frames of pandas are made last, for of few rows they are most of the work."""

ProgressTracker = Callable[[Iterable[Any]], Iterable[Any]]
"""What shows how far a loop has come: given what it loops over, it hands that on."""


def count_orders(ledger: Ledger, rules: Iterable[Rule], track: ProgressTracker = iter) -> Counts:
    """Count the orders of a ledger for every metric and basis that the rules ask for; `track` follows that loop."""
    asked = sorted({(rule.metric, rule.basis) for rule in rules}, key=str)
    exposures, faults, unknown = [], [], []
    for metric, basis in track(asked):
        stays = METRICS[metric].find_counted_orders(ledger, basis)
        exposures.append(_add_metric_and_basis(_exposure_rows(stays.counting), metric, basis))
        if stays.unknown is not None:
            unknown.append(_add_metric_and_basis(_exposure_rows(stays.unknown), metric, basis))
        faults.append(
            _add_metric_and_basis(
                _fault_rows(stays.faults, METRICS[metric].counted_unit, basis.clock in PROMISED_CLOCKS), metric, basis
            )
        )
    coverage = nw.from_native(ledger.coverage).lazy().collect("pandas").to_native()
    return Counts(
        _build_table(exposures, tables.EXPOSURE),
        _build_table(faults, tables.FAULTS),
        _apply_dtypes(pop_columns(coverage.copy()), tables.COVERAGE),
        _build_table(unknown, tables.EXPOSURE),
    )


def _exposure_rows(counting: Frame) -> ColumnArrays:
    """How many orders count, by the days that bound their stay; one may be known before its clock day."""
    rows = _pack_frame(counting.group_by(_EXPOSURE_KEYS).agg(nw.col("counted").sum()))
    codes = [rows[name].codes if name in _TEXT_COLUMNS else rows[name] for name in _EXPOSURE_KEYS]
    return _convert_day_columns(take_rows(rows, np.lexsort(codes[::-1])))


def _fault_rows(faults: Frame, counted_unit: str, promised: bool = False) -> ColumnArrays:
    """When each order is at fault, and why: stays that overlap or touch are joined, for two defects are one order.

    A joined stay is cut where its causes change, so that a cause that became known later is not named on an
    earlier day; `since` is the first day of the whole stay. Where units are counted, each parcel stays by
    itself: its units add to those of the others.

    No fault is known before its clock day, unless that is `promised`: then the order is known from when it was placed,
    and `known_on` may lie before the clock day, from which on the sweep counts it.
    """
    rows = _pack_frame(faults)
    known, clock = rows["known_on"], rows["clock_day"]
    rows["known_on"] = np.where(known != _OPEN_END, known, clock)
    if not promised:
        rows["known_on"] = np.maximum(rows["known_on"], clock)
    del known, clock
    numbers = _order_numbers(rows)
    places = np.lexsort([rows["known_on"], numbers])
    places = places[(rows["known_on"] < rows["cleared_on"])[places]]
    rows, numbers = take_rows(rows, places), numbers[places]
    begins = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
    # An order whose row neither follows nor is followed by one of the same has it alone.
    several = ~(begins & np.append(begins[1:], True)) & (counted_unit == "orders")
    del numbers, places
    if several.any():
        rows["_order"] = np.cumsum(begins)
        joined = _join_overlapping(pd.DataFrame({name: held[several] for name, held in rows.items()}))
        rows["since"] = rows["known_on"]
        rows = concat_rows([take_rows(rows, np.flatnonzero(~several)), pop_columns(joined)])
        rows = take_rows(rows, np.lexsort([rows["known_on"], rows.pop("_order")]))
    rows["causes"] = rows.pop("cause")
    stays = _convert_day_columns(rows)
    stays.setdefault("since", stays["known_on"])
    return stays


_OPEN_END = np.iinfo(np.int32).max
"""The day on which a stay ends that has no end."""
_TEXT_COLUMNS = ("account", "marketplace", "channel", "cause", "assumed")
_DAY_COLUMNS = ("clock_day", "known_on", "until_day", "since", "cleared_on")


def _pack_frame(frame: Frame) -> ColumnArrays:
    """The rows of a frame in as little memory as they can be had: names as categories, days as numbers since 1970.

    Of a hundred million orders there are millions of them, at fault each with an id: they are taken as they come,
    and what follows handles them column by column.
    """
    parts: dict[str, list[pa.Array]] = {name: [] for name in frame.collect_schema().names()}
    for batch in _record_batches(frame):
        for name, held in parts.items():
            held.append(_pack_column(name, batch.column(name)))
    return {name: _combine_parts(name, parts.pop(name)) for name in list(parts)}


def _record_batches(frame: Frame) -> Iterable[pa.RecordBatch]:
    """The rows of a lazy frame, some at a time: DuckDB hands them on as it finds them and never holds all."""
    if frame.implementation.is_duckdb():
        return pa.RecordBatchReader.from_stream(frame.to_native())
    return list(frame.collect().to_arrow().to_batches())


def _packed_type(name: str) -> pa.DataType:
    """As what a column is packed."""
    if name in _TEXT_COLUMNS:
        return pa.dictionary(pa.int32(), pa.string())
    if name in _DAY_COLUMNS:
        return pa.int32()
    return pa.large_string() if name == "order_id" else pa.int64()


def _pack_column(name: str, column: pa.Array) -> pa.Array:
    """One column of some rows; it holds on to nothing of the batch that it came with."""
    if name in _TEXT_COLUMNS:
        return column.cast(pa.string()).dictionary_encode()
    made = (
        column.cast(pa.date32()).cast(pa.int32()).fill_null(_OPEN_END)
        if name in _DAY_COLUMNS
        else column.cast(_packed_type(name))
    )
    # Two arrays made one are a copy, be the second empty.
    return pa.concat_arrays([made, made[:0]])


def _combine_parts(name: str, parts: list[pa.Array]) -> Any:
    """The parts of a column as one; names as categories, in order."""
    whole = pa.chunked_array(parts, _packed_type(name)).unify_dictionaries().combine_chunks()
    if name not in _TEXT_COLUMNS:
        return whole.to_pandas().array if name == "order_id" else whole.to_numpy()
    names = whole.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda place: str(names[place]))
    # The last place is that of the empty ones, which have the code -1.
    codes = np.append(np.argsort(order), -1).astype(np.int32)[whole.indices.fill_null(-1).to_numpy()]
    return pd.Categorical.from_codes(codes, pd.Index([names[place] for place in order], dtype="str"))


def _order_numbers(rows: ColumnArrays) -> np.ndarray:
    """A number for the order of each row, alike for the same order and in the order of their names.

    Ids are ranked by Arrow, for sorting rows by four texts takes most of the time that counting does.
    """
    numbers = np.zeros(_row_count(rows), dtype=np.int64)
    for name in _ORDER_COLUMNS[:-1]:
        held = rows[name]
        numbers *= len(held.categories) + 1
        numbers += held.codes
    numbers *= len(numbers) + 1
    numbers += pc.rank(pa.array(rows[_ORDER_COLUMNS[-1]]), tiebreaker="dense").to_numpy().astype(np.int64)
    return numbers


def _join_overlapping(rows: pd.DataFrame) -> pd.DataFrame:
    """The stays of orders that have several defects: joined where they meet, cut where the causes change."""
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
    why = covered.groupby(["_order", "_begin", "_end"], as_index=False).agg(
        causes=("cause", _join_words), assumed=("assumed", _join_assumptions), at_fault=("at_fault", "max")
    )
    order, begin, end = (why[name].to_numpy() for name in ("_order", "_begin", "_end"))
    meets = np.zeros(len(why), dtype=bool)
    meets[1:] = (order[1:] == order[:-1]) & (begin[1:] == end[:-1])
    reasons = (why["causes"] + " " + why["assumed"].fillna("")).to_numpy()
    changes = ~meets
    changes[1:] |= reasons[1:] != reasons[:-1]
    starts = np.flatnonzero(changes)
    lasts = np.append(starts[1:] - 1, len(why) - 1)
    whole = np.flatnonzero(~meets)[np.cumsum(~meets) - 1]
    parts = why.iloc[starts].reset_index(drop=True)
    days = {"since": begin[whole][starts], "known_on": begin[starts], "cleared_on": end[lasts]}
    dated = parts.assign(**days).drop(columns=["_begin", "_end"]).rename(columns={"causes": "cause"})
    named = rows.drop_duplicates("_order")[["_order", *_ORDER_COLUMNS, "clock_day"]]
    return dated.merge(named, on="_order", validate="many_to_one")


def _convert_day_columns(rows: ColumnArrays) -> ColumnArrays:
    """The rows with their day numbers as days."""
    for name in _DAY_COLUMNS:
        if name in rows:
            rows[name] = _numbers_to_days(rows[name])
    return rows


def _numbers_to_days(numbers: np.ndarray) -> np.ndarray:
    """Day numbers as days; the open end as none."""
    days = numbers.astype(np.int64)
    days *= 24 * 60 * 60
    days[numbers == _OPEN_END] = np.iinfo(np.int64).min
    return days.view("datetime64[s]")


def _join_words(words: pd.Series) -> str:
    """Several causes as one text, each once, in order.

    >>> _together(pd.Series(["chargeback", "a_to_z_claim", "chargeback"]))
    'a_to_z_claim+chargeback'
    """
    return "+".join(sorted(set(words)))


def _join_assumptions(words: pd.Series) -> str | None:
    """What was assumed of orders at fault for several reasons: nothing as soon as one of them is certain."""
    return None if words.isna().any() else _join_words(words)


def _to_text(column: pd.Series) -> pd.Series:
    """A column as text, what is empty left so."""
    if column.dtype == "category":
        return pd.Series(column.cat.categories.array.take(column.cat.codes.to_numpy(), allow_fill=True))
    return column.astype("str").where(column.notna())


def _to_categories(column: pd.Series) -> pd.Series:
    """A column as categories in order, of such values as it has."""
    if column.dtype != "category":
        return _to_text(column).astype("category")
    codes = column.cat.codes.to_numpy()
    used = np.bincount(codes[codes >= 0], minlength=len(column.cat.categories))
    return column if used.all() else column.cat.remove_unused_categories()


def _add_metric_and_basis(rows: ColumnArrays, metric: str, basis: Basis) -> ColumnArrays:
    """The rows with the metric and basis they were counted for."""
    zeros = np.zeros(_row_count(rows), dtype=np.int8)
    names = {"metric": metric, "basis": str(basis)}
    return rows | {
        name: pd.Categorical.from_codes(zeros, pd.Index([value], dtype="str")) for name, value in names.items()
    }


def _row_count(rows: ColumnArrays) -> int:
    """How many rows there are."""
    return len(next(iter(rows.values()), ()))


def pop_columns(frame: pd.DataFrame) -> ColumnArrays:
    """The columns of a frame, which keeps none."""
    return {name: frame.pop(name).array for name in list(frame)}


def take_rows(rows: ColumnArrays, positions: np.ndarray) -> ColumnArrays:
    """The rows at some places. They are used up column by column, so that they are never held twice."""
    found = {name: rows.pop(name).take(positions) for name in list(rows)}
    pa.default_memory_pool().release_unused()
    return found


def concat_rows(parts: list[ColumnArrays]) -> ColumnArrays:
    """Rows of counts one below the other; they are used up column by column, so that all is never held twice."""
    parts = [rows for rows in parts if _row_count(rows)] or parts[:1]
    return {name: _concat_columns(name, [rows.pop(name) for rows in parts]) for name in list(parts[0])}


def _concat_columns(name: str, columns: list[Any]) -> Any:
    """Columns of the same name as one."""
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(column, np.ndarray) for column in columns):
        return np.concatenate(columns)
    several = [pd.Series(column, copy=False) for column in columns]
    if name in CATEGORY_COLUMNS or any(column.dtype == "category" for column in several):
        return union_categoricals([_to_categories(column) for column in several], sort_categories=True)
    return pd.concat(several, ignore_index=True).array


def _build_table(parts: list[ColumnArrays], table: tables.Table) -> pd.DataFrame:
    """Rows of several metrics as one table; those that found nothing add nothing. The rows are used up."""
    return _apply_dtypes(concat_rows(parts) if parts else dict.fromkeys(table.columns, ()), table)


CATEGORY_COLUMNS = ("account", "marketplace", "channel", "metric", "basis")
"""The columns of counts that are held as categories: few names, each very often."""


def restore_dtypes(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts as they were kept, in the kinds in which they were counted: a file without rows forgets what are
    categories, and every file that days are midnights."""
    days = {name: "datetime64[s]" for name in rows if rows[name].dtype.kind == "M"}
    return rows.astype({name: "category" for name in CATEGORY_COLUMNS if name in rows} | days)


def _apply_dtypes(rows: ColumnArrays, table: tables.Table) -> pd.DataFrame:
    """The table with its own kinds: days as midnights without a zone, counts as whole numbers, names as categories.

    The rows are used up.
    """
    made: dict[str, Any] = {}
    for name, column in table.columns.items():
        held = pd.Series(rows.pop(name), copy=False)
        if column.kind == "day":
            made[name] = pd.to_datetime(held).astype("datetime64[s]")
        elif column.kind == "count":
            made[name] = held.astype("int64")
        else:
            made[name] = _to_categories(held) if name in CATEGORY_COLUMNS else _to_text(held)
    return tables.check_table(pd.DataFrame(made, copy=False), table)
