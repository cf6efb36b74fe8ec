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

from healthkit.metrics.definitions import METRICS, PROMISED
from healthkit.metrics.policy import Basis, Rule
from healthkit.schema import tables
from healthkit.schema.tables import Frame, Ledger

_FIRST_KEYS = ["account", "marketplace", "channel", "clock_day", "known_on", "until_day", "assumed"]
_STAY = ["account", "marketplace", "channel", "order_id"]


def none_unknown() -> pd.DataFrame:
    """No rows in the columns of EXPOSURE."""
    return _typed(dict.fromkeys(tables.EXPOSURE.columns, ()), tables.EXPOSURE)


@dataclass(frozen=True, eq=False)
class Counts:
    """EXPOSURE, FAULTS and COVERAGE of some accounts: all that `scores` needs, held in memory.

    `unknown` has the columns of EXPOSURE: how many shipped orders do not count, for no file tells what it takes (see
    `metrics`); of metrics whose every order counts it has no rows.
    """

    exposure: pd.DataFrame
    faults: pd.DataFrame
    coverage: pd.DataFrame
    unknown: pd.DataFrame = field(default_factory=none_unknown)

    def of(self, accounts: Iterable[str]) -> Counts:
        """The counts of some of the accounts; what it costs grows with those, not with all."""
        wanted = list(dict.fromkeys(accounts))
        found = [frame.iloc[_rows(place, wanted)] for frame, place in zip(self._frames, self._by_account, strict=True)]
        return Counts(*found)

    def rows_where(self, **named: str) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of EXPOSURE and of FAULTS have these values; where each set of values stands is found once."""
        names = tuple(named)
        if names not in self._placed:
            self._placed[names] = [_Place.of(frame, names) for frame in self._frames[:2]]
        exposure, faults = (place.rows(tuple(named.values())) for place in self._placed[names])
        return exposure, faults

    @property
    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self.exposure, self.faults, self.coverage, self.unknown

    @cached_property
    def _by_account(self) -> list[_Place]:
        """Where the rows of each account stand in each frame: found once, for many will be asked for."""
        return [_Place.of(frame, ("account",)) for frame in self._frames]

    @cached_property
    def _placed(self) -> dict[tuple[str, ...], list[_Place]]:
        """The same by several columns, as they were asked for."""
        return {}


class _Place(NamedTuple):
    """Where rows with the same values in some columns stand: a code for each set of values, sorted, and the rows."""

    categories: list[dict[str, int]]
    codes: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, names: tuple[str, ...]) -> _Place:
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


def _rows(place: _Place, accounts: list[str]) -> np.ndarray:
    """The rows of some accounts, in the order in which they stand."""
    return np.sort(np.concatenate([place.rows((account,)) for account in accounts] or [place.order[:0]]))


Columns = dict[str, Any]
"""Rows by column, each an array: frames of pandas are made last, for of few rows they are most of the work."""

Track = Callable[[Iterable[Any]], Iterable[Any]]
"""What shows how far a loop has come: given what it loops over, it hands that on."""


def count(ledger: Ledger, rules: Iterable[Rule], track: Track = iter) -> Counts:
    """Count the orders of a ledger for every metric and basis that the rules ask for; `track` follows that loop."""
    asked = sorted({(rule.metric, rule.basis) for rule in rules}, key=str)
    exposures, faults, unknown = [], [], []
    for metric, basis in track(asked):
        stays = METRICS[metric].stays(ledger, basis)
        exposures.append(_named(_exposure(stays.counting), metric, basis))
        if stays.unknown is not None:
            unknown.append(_named(_exposure(stays.unknown), metric, basis))
        faults.append(
            _named(_fault_stays(stays.faults, METRICS[metric].counts, basis.clock in PROMISED), metric, basis)
        )
    coverage = nw.from_native(ledger.coverage).lazy().collect("pandas").to_native()
    return Counts(
        _table(exposures, tables.EXPOSURE),
        _table(faults, tables.FAULTS),
        _typed(used_up(coverage.copy()), tables.COVERAGE),
        _table(unknown, tables.EXPOSURE),
    )


def _exposure(counting: Frame) -> Columns:
    """How many orders count, by the days that bound their stay; one may be known before its clock day."""
    rows = _packed(counting.group_by(_FIRST_KEYS).agg(nw.col("counted").sum()))
    codes = [rows[name].codes if name in _NAMED else rows[name] for name in _FIRST_KEYS]
    return _dated(taken(rows, np.lexsort(codes[::-1])))


def _fault_stays(faults: Frame, counts: str, promised: bool = False) -> Columns:
    """When each order is at fault, and why: stays that overlap or touch are joined, for two defects are one order.

    A joined stay is cut where its causes change, so that a cause that became known later is not named on an
    earlier day; `since` is the first day of the whole stay. Where units are counted, each parcel stays by
    itself: its units add to those of the others.

    No fault is known before its clock day, unless that is `promised`: then the order is known from when it was placed,
    and `known_on` may lie before the clock day, from which on the sweep counts it.
    """
    rows = _packed(faults)
    known, clock = rows["known_on"], rows["clock_day"]
    rows["known_on"] = np.where(known != _OPEN, known, clock)
    if not promised:
        rows["known_on"] = np.maximum(rows["known_on"], clock)
    del known, clock
    numbers = _numbered(rows)
    places = np.lexsort([rows["known_on"], numbers])
    places = places[(rows["known_on"] < rows["cleared_on"])[places]]
    rows, numbers = taken(rows, places), numbers[places]
    begins = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
    # An order whose row neither follows nor is followed by one of the same has it alone.
    several = ~(begins & np.append(begins[1:], True)) & (counts == "orders")
    del numbers, places
    if several.any():
        rows["_order"] = np.cumsum(begins)
        joined = _joined(pd.DataFrame({name: held[several] for name, held in rows.items()}))
        rows["since"] = rows["known_on"]
        rows = stacked([taken(rows, np.flatnonzero(~several)), used_up(joined)])
        rows = taken(rows, np.lexsort([rows["known_on"], rows.pop("_order")]))
    rows["causes"] = rows.pop("cause")
    stays = _dated(rows)
    stays.setdefault("since", stays["known_on"])
    return stays


_OPEN = np.iinfo(np.int32).max
"""The day on which a stay ends that has no end."""
_NAMED = ("account", "marketplace", "channel", "cause", "assumed")
_DAYS = ("clock_day", "known_on", "until_day", "since", "cleared_on")


def _packed(frame: Frame) -> Columns:
    """The rows of a frame in as little memory as they can be had: names as categories, days as numbers since 1970.

    Of a hundred million orders there are millions of them, at fault each with an id: they are taken as they come,
    and what follows handles them column by column.
    """
    parts: dict[str, list[pa.Array]] = {name: [] for name in frame.collect_schema().names()}
    for batch in _batches(frame):
        for name, held in parts.items():
            held.append(_pack(name, batch.column(name)))
    return {name: _one(name, parts.pop(name)) for name in list(parts)}


def _batches(frame: Frame) -> Iterable[pa.RecordBatch]:
    """The rows of a lazy frame, some at a time: DuckDB hands them on as it finds them and never holds all."""
    if frame.implementation.is_duckdb():
        return pa.RecordBatchReader.from_stream(frame.to_native())
    return list(frame.collect().to_arrow().to_batches())


def _kind(name: str) -> pa.DataType:
    """As what a column is packed."""
    if name in _NAMED:
        return pa.dictionary(pa.int32(), pa.string())
    if name in _DAYS:
        return pa.int32()
    return pa.large_string() if name == "order_id" else pa.int64()


def _pack(name: str, column: pa.Array) -> pa.Array:
    """One column of some rows; it holds on to nothing of the batch that it came with."""
    if name in _NAMED:
        return column.cast(pa.string()).dictionary_encode()
    made = column.cast(pa.date32()).cast(pa.int32()).fill_null(_OPEN) if name in _DAYS else column.cast(_kind(name))
    # Two arrays made one are a copy, be the second empty.
    return pa.concat_arrays([made, made[:0]])


def _one(name: str, parts: list[pa.Array]) -> Any:
    """The parts of a column as one; names as categories, in order."""
    whole = pa.chunked_array(parts, _kind(name)).unify_dictionaries().combine_chunks()
    if name not in _NAMED:
        return whole.to_pandas().array if name == "order_id" else whole.to_numpy()
    names = whole.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda place: str(names[place]))
    # The last place is that of the empty ones, which have the code -1.
    codes = np.append(np.argsort(order), -1).astype(np.int32)[whole.indices.fill_null(-1).to_numpy()]
    return pd.Categorical.from_codes(codes, pd.Index([names[place] for place in order], dtype="str"))


def _numbered(rows: Columns) -> np.ndarray:
    """A number for the order of each row, alike for the same order and in the order of their names.

    Ids are ranked by Arrow, for sorting rows by four texts takes most of the time that counting does.
    """
    numbers = np.zeros(_many(rows), dtype=np.int64)
    for name in _STAY[:-1]:
        held = rows[name]
        numbers *= len(held.categories) + 1
        numbers += held.codes
    numbers *= len(numbers) + 1
    numbers += pc.rank(pa.array(rows[_STAY[-1]]), tiebreaker="dense").to_numpy().astype(np.int64)
    return numbers


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """The stays of orders that have several defects: joined where they meet, cut where the causes change."""
    rows = rows.assign(cause=_text(rows["cause"]).array, assumed=_text(rows["assumed"]).array)
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
        causes=("cause", _together), assumed=("assumed", _all_assumed), at_fault=("at_fault", "max")
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
    named = rows.drop_duplicates("_order")[["_order", *_STAY, "clock_day"]]
    return dated.merge(named, on="_order", validate="many_to_one")


def _dated(rows: Columns) -> Columns:
    """The rows with their day numbers as days."""
    for name in _DAYS:
        if name in rows:
            rows[name] = _days(rows[name])
    return rows


def _days(numbers: np.ndarray) -> np.ndarray:
    """Day numbers as days; the open end as none."""
    days = numbers.astype(np.int64)
    days *= 24 * 60 * 60
    days[numbers == _OPEN] = np.iinfo(np.int64).min
    return days.view("datetime64[s]")


def _together(words: pd.Series) -> str:
    """Several causes as one text, each once, in order.

    >>> _together(pd.Series(["chargeback", "a_to_z_claim", "chargeback"]))
    'a_to_z_claim+chargeback'
    """
    return "+".join(sorted(set(words)))


def _all_assumed(words: pd.Series) -> str | None:
    """What was assumed of orders at fault for several reasons: nothing as soon as one of them is certain."""
    return None if words.isna().any() else _together(words)


def _text(column: pd.Series) -> pd.Series:
    """A column as text, what is empty left so."""
    if column.dtype == "category":
        return pd.Series(column.cat.categories.array.take(column.cat.codes.to_numpy(), allow_fill=True))
    return column.astype("str").where(column.notna())


def _category(column: pd.Series) -> pd.Series:
    """A column as categories in order, of such values as it has."""
    if column.dtype != "category":
        return _text(column).astype("category")
    codes = column.cat.codes.to_numpy()
    used = np.bincount(codes[codes >= 0], minlength=len(column.cat.categories))
    return column if used.all() else column.cat.remove_unused_categories()


def _named(rows: Columns, metric: str, basis: Basis) -> Columns:
    """The rows with the metric and basis they were counted for."""
    zeros = np.zeros(_many(rows), dtype=np.int8)
    names = {"metric": metric, "basis": str(basis)}
    return rows | {
        name: pd.Categorical.from_codes(zeros, pd.Index([value], dtype="str")) for name, value in names.items()
    }


def _many(rows: Columns) -> int:
    """How many rows there are."""
    return len(next(iter(rows.values()), ()))


def used_up(frame: pd.DataFrame) -> Columns:
    """The columns of a frame, which keeps none."""
    return {name: frame.pop(name).array for name in list(frame)}


def taken(rows: Columns, places: np.ndarray) -> Columns:
    """The rows at some places. They are used up column by column, so that they are never held twice."""
    found = {name: rows.pop(name).take(places) for name in list(rows)}
    pa.default_memory_pool().release_unused()
    return found


def stacked(parts: list[Columns]) -> Columns:
    """Rows of counts one below the other; they are used up column by column, so that all is never held twice."""
    parts = [rows for rows in parts if _many(rows)] or parts[:1]
    return {name: _end_to_end(name, [rows.pop(name) for rows in parts]) for name in list(parts[0])}


def _end_to_end(name: str, columns: list[Any]) -> Any:
    """Columns of the same name as one."""
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(column, np.ndarray) for column in columns):
        return np.concatenate(columns)
    several = [pd.Series(column, copy=False) for column in columns]
    if name in NAMES or any(column.dtype == "category" for column in several):
        return union_categoricals([_category(column) for column in several], sort_categories=True)
    return pd.concat(several, ignore_index=True).array


def _table(parts: list[Columns], table: tables.Table) -> pd.DataFrame:
    """Rows of several metrics as one table; those that found nothing add nothing. The rows are used up."""
    return _typed(stacked(parts) if parts else dict.fromkeys(table.columns, ()), table)


NAMES = ("account", "marketplace", "channel", "metric", "basis")
"""The columns of counts that are held as categories: few names, each very often."""


def categorised(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts as they were kept, in the kinds in which they were counted: a file without rows forgets what are
    categories, and every file that days are midnights."""
    days = {name: "datetime64[s]" for name in rows if rows[name].dtype.kind == "M"}
    return rows.astype({name: "category" for name in NAMES if name in rows} | days)


def _typed(rows: Columns, table: tables.Table) -> pd.DataFrame:
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
            made[name] = _category(held) if name in NAMES else _text(held)
    return tables.check(pd.DataFrame(made, copy=False), table)
