"""Tables to counts: EXPOSURE (how many orders count, by clock day) and FAULTS (one row a stay at fault).

The one room that must scale. Both tables are free of window, lag and target, so that a slider never
touches a raw order: a hundred million orders become a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from healthkit import tables
from healthkit.metrics import METRICS
from healthkit.policy import Basis, Rule
from healthkit.tables import Frame, Ledger, collected

_FIRST_KEYS = ["account", "marketplace", "channel", "clock_day", "known_on", "until_day"]
_STAY = ["account", "marketplace", "channel", "order_id"]


@dataclass(frozen=True, eq=False)
class Counts:
    """EXPOSURE, FAULTS and COVERAGE of some accounts: all that `scores` needs, held in memory."""

    exposure: pd.DataFrame
    faults: pd.DataFrame
    coverage: pd.DataFrame

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
    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self.exposure, self.faults, self.coverage

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


Track = Callable[[Iterable[Any]], Iterable[Any]]
"""What shows how far a loop has come: given what it loops over, it hands that on."""


def count(ledger: Ledger, rules: Iterable[Rule], track: Track = iter) -> Counts:
    """Count the orders of a ledger for every metric and basis that the rules ask for; `track` follows that loop."""
    asked = sorted({(rule.metric, rule.basis) for rule in rules}, key=str)
    exposures, faults = [], []
    for metric, basis in track(asked):
        stays = METRICS[metric].stays(ledger, basis)
        exposures.append(_named(_exposure(stays.counting), metric, basis))
        faults.append(_named(_fault_stays(stays.faults, METRICS[metric].counts), metric, basis))
    coverage = nw.from_native(ledger.coverage).lazy().collect("pandas").to_native()
    return Counts(_table(exposures, tables.EXPOSURE), _table(faults, tables.FAULTS), _typed(coverage, tables.COVERAGE))


def _exposure(counting: Frame) -> pd.DataFrame:
    """How many orders count, by the days that bound their stay; one may be known before its clock day."""
    return collected(counting.group_by(_FIRST_KEYS).agg(nw.col("counted").sum()).sort(_FIRST_KEYS))


def _fault_stays(faults: Frame, counts: str) -> pd.DataFrame:
    """When each order is at fault, and why: stays that overlap or touch are joined, for two defects are one order.

    A joined stay is cut where its causes change, so that a cause that became known later is not named on an
    earlier day; `since` is the first day of the whole stay. Where units are counted, each parcel stays by
    itself: its units add to those of the others.
    """
    rows = collected(faults)
    rows = rows.assign(known_on=rows[["known_on", "clock_day"]].max(axis=1))
    rows = rows.assign(_begin=_day_numbers(rows["known_on"], 0), _end=_day_numbers(rows["cleared_on"], _OPEN))
    numbers = _numbered(rows)
    places = np.lexsort([rows["_begin"], numbers])
    places = places[(rows["_begin"] < rows["_end"]).to_numpy()[places]]
    rows, numbers = rows.iloc[places], numbers[places]
    begins = np.append(True, numbers[1:] != numbers[:-1])[: len(rows)]
    rows = rows.assign(_order=np.cumsum(begins))
    # An order whose row neither follows nor is followed by one of the same has it alone.
    several = ~(begins & np.append(begins[1:], True)) & (counts == "orders")
    stays = (rows[~several] if several.any() else rows).rename(columns={"cause": "causes"})
    stays = stays.assign(since=stays["known_on"])
    if several.any():
        stays = pd.concat([stays, _joined(rows[several])], ignore_index=True)
        stays = stays.iloc[np.lexsort([stays["_begin"], stays["_order"]])]
    return stays.reset_index(drop=True).drop(columns=["_order", "_begin", "_end"])


def _numbered(rows: pd.DataFrame) -> np.ndarray:
    """A number for the order of each row, alike for the same order and in the order of their names.

    Ids are ranked by Arrow, for sorting rows by four texts takes most of the time that counting does.
    """
    numbers = np.zeros(len(rows), dtype=np.int64)
    for name in _STAY[:-1]:
        held = rows[name].astype("category").cat
        numbers = numbers * (len(held.categories) + 1) + held.codes.to_numpy()
    ranks = pc.rank(pa.array(rows[_STAY[-1]], pa.string()), tiebreaker="dense").to_numpy().astype(np.int64)
    return numbers * (len(rows) + 1) + ranks


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """The stays of orders that have several defects: joined where they meet, cut where the causes change."""
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
    parts = why.iloc[starts].reset_index(drop=True).assign(_end=end[lasts])
    days = {"since": begin[whole][starts], "known_on": begin[starts], "cleared_on": end[lasts]}
    dated = parts.assign(**{name: _days(numbers) for name, numbers in days.items()})
    named = rows.drop_duplicates("_order")[["_order", *_STAY, "clock_day"]]
    return dated.merge(named, on="_order", validate="many_to_one")


_OPEN = np.iinfo(np.int64).max // 4


def _days(numbers: np.ndarray) -> pd.Series:
    """Day numbers as days; the open end as none."""
    closed = np.where(numbers == _OPEN, np.iinfo(np.int64).min, numbers)
    return pd.Series(closed.astype("datetime64[D]").astype("datetime64[s]"))


def _together(words: pd.Series) -> str:
    """Several causes as one text, each once, in order.

    >>> _together(pd.Series(["chargeback", "a_to_z_claim", "chargeback"]))
    'a_to_z_claim+chargeback'
    """
    return "+".join(sorted(set(words)))


def _all_assumed(words: pd.Series) -> str | None:
    """What was assumed of orders at fault for several reasons: nothing as soon as one of them is certain."""
    return None if words.isna().any() else _together(words)


def _day_numbers(days: pd.Series, empty: int) -> np.ndarray:
    """Days as whole numbers since 1970, with a number for the empty ones."""
    values = pd.to_datetime(days).to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(values), empty, values.astype(np.int64))


def _named(frame: pd.DataFrame, metric: str, basis: Basis) -> pd.DataFrame:
    """The rows with the metric and basis they were counted for."""
    return frame.assign(metric=metric, basis=str(basis))


def _table(frames: list[pd.DataFrame], table: tables.Table) -> pd.DataFrame:
    """Frames of several metrics as one table; those that found nothing add nothing."""
    held = [frame for frame in frames if len(frame)]
    rows = pd.concat(held, ignore_index=True) if held else pd.DataFrame(columns=list(table.columns))
    return _typed(rows, table)


NAMES = ("account", "marketplace", "channel", "metric", "basis")
"""The columns of counts that are held as categories: few names, each very often."""


def categorised(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts as they were kept, in the kinds in which they were counted: a file without rows forgets what are
    categories, and every file that days are midnights."""
    days = {name: "datetime64[s]" for name in rows if rows[name].dtype.kind == "M"}
    return rows.astype({name: "category" for name in NAMES if name in rows} | days)


def _typed(rows: pd.DataFrame, table: tables.Table) -> pd.DataFrame:
    """The table with its own kinds: days as midnights without a zone, counts as whole numbers, names as categories."""
    made: dict[str, Any] = {}
    for name, column in table.columns.items():
        if column.kind == "day":
            made[name] = pd.to_datetime(rows[name]).astype("datetime64[s]")
        elif column.kind == "count":
            made[name] = rows[name].astype("int64")
        elif name in NAMES:
            made[name] = rows[name].astype("str").astype("category")
        else:
            made[name] = (
                rows[name].astype("str") if not column.empty else rows[name].astype("str").where(rows[name].notna())
            )
    return tables.check(pd.DataFrame(made), table)
