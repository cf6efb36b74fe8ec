"""Tables to counts: EXPOSURE (how many orders count, by clock day) and FAULTS (one row a stay at fault).

The one room that must scale. Both tables are free of window, lag and target, so that a slider never
touches a raw order: a hundred million orders become a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit import tables
from healthkit.metrics import METRICS
from healthkit.policy import Basis, Rule
from healthkit.tables import Frame, Ledger

_FIRST_KEYS = ["account", "marketplace", "channel", "clock_day", "known_on", "until_day"]
_STAY = ["account", "marketplace", "channel", "order_id"]


@dataclass(frozen=True, eq=False)
class Counts:
    """EXPOSURE, FAULTS and COVERAGE of some accounts: all that `scores` needs, held in memory."""

    exposure: pd.DataFrame
    faults: pd.DataFrame
    coverage: pd.DataFrame

    def of(self, accounts: Iterable[str]) -> Counts:
        """The counts of some of the accounts."""
        wanted = list(accounts)
        return Counts(*(frame[frame["account"].isin(wanted)] for frame in (self.exposure, self.faults, self.coverage)))


def count(ledger: Ledger, rules: Iterable[Rule]) -> Counts:
    """Count the orders of a ledger for every metric and basis that the rules ask for.

    Rules whose metric is not computed are passed over; `uncomputed` names them.
    """
    asked = sorted({(rule.metric, rule.basis) for rule in rules if rule.metric in METRICS}, key=str)
    exposures, faults = [], []
    for metric, basis in asked:
        stays = METRICS[metric].stays(ledger, basis)
        exposures.append(_named(_exposure(stays.counting), metric, basis))
        faults.append(_named(_fault_stays(stays.faults, METRICS[metric].counts), metric, basis))
    coverage = nw.from_native(ledger.coverage).lazy().collect("pandas").to_native()
    return Counts(_table(exposures, tables.EXPOSURE), _table(faults, tables.FAULTS), _typed(coverage, tables.COVERAGE))


def uncomputed(rules: Iterable[Rule]) -> list[str]:
    """The metrics that the rules ask for and that are not computed yet."""
    return list(dict.fromkeys(rule.metric for rule in rules if rule.metric not in METRICS))


def _exposure(counting: Frame) -> pd.DataFrame:
    """How many orders count, by the days that bound their stay; a day known too early is the clock day."""
    bounded = counting.with_columns(known_on=nw.max_horizontal("known_on", "clock_day"))
    return _collect(bounded.group_by(_FIRST_KEYS).agg(nw.col("counted").sum()).sort(_FIRST_KEYS))


def _collect(frame: Frame) -> pd.DataFrame:
    """The rows in memory, as pandas."""
    held = frame.collect().to_native()
    return held if isinstance(held, pd.DataFrame) else held.to_pandas(date_as_object=False)


def _fault_stays(faults: Frame, counts: str) -> pd.DataFrame:
    """The stays at fault of each order, overlapping or touching ones joined: two defects are one order.

    Where units are counted, each parcel stays by itself: its units add to those of the others.
    """
    rows = _collect(faults)
    rows = rows.assign(known_on=rows[["known_on", "clock_day"]].max(axis=1))
    ends = _day_numbers(rows["cleared_on"], np.iinfo(np.int64).max)
    rows = rows.assign(_starts=_day_numbers(rows["known_on"], 0), _ends=ends)
    rows = rows[rows["_starts"] < rows["_ends"]]
    several = rows.duplicated(_STAY, keep=False) & (counts == "orders")
    joined = pd.concat([rows[~several].rename(columns={"cause": "causes"}), _joined(rows[several])], ignore_index=True)
    return joined.sort_values([*_STAY, "_starts"], ignore_index=True).drop(columns=["_starts", "_ends"])


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """Join the stays of orders that have several, where they overlap or touch."""
    rows = rows.sort_values([*_STAY, "_starts", "_ends"], ignore_index=True)
    order = rows.groupby(_STAY, sort=False, observed=True).ngroup().to_numpy()
    so_far = rows.groupby(order)["_ends"].cummax().to_numpy()
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (order[1:] != order[:-1]) | (rows["_starts"].to_numpy()[1:] > so_far[:-1])
    stay = rows.groupby(np.cumsum(new), sort=False)
    last = rows["_ends"].groupby(np.cumsum(new), sort=False).idxmax()
    first = rows[new].drop(columns=["cause", "cleared_on", "_ends", "at_fault", "assumed"]).reset_index(drop=True)
    return first.assign(
        causes=stay["cause"].agg(_together).to_numpy(),
        cleared_on=rows["cleared_on"].loc[last].to_numpy(),
        _ends=stay["_ends"].max().to_numpy(),
        at_fault=stay["at_fault"].max().to_numpy(),
        assumed=stay["assumed"].agg(_all_assumed).to_numpy(),
    )


def _together(words: pd.Series) -> str:
    """Several causes as one text, each once, in order.

    >>> _together(pd.Series(["chargeback", "a_to_z_claim", "chargeback"]))
    'a_to_z_claim+chargeback'
    """
    return "+".join(sorted(set(words)))


def _all_assumed(words: pd.Series) -> str | None:
    """What was assumed of a joined stay: nothing as soon as one of its defects is known for certain."""
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


def _typed(rows: pd.DataFrame, table: tables.Table) -> pd.DataFrame:
    """The table with its own kinds: days as midnights without a zone, counts as whole numbers, names as categories."""
    made: dict[str, Any] = {}
    for name, column in table.columns.items():
        if column.kind == "day":
            made[name] = pd.to_datetime(rows[name]).astype("datetime64[s]")
        elif column.kind == "count":
            made[name] = rows[name].astype("int64")
        elif name in ("account", "marketplace", "channel", "metric", "basis"):
            made[name] = rows[name].astype("str").astype("category")
        else:
            made[name] = (
                rows[name].astype("str") if not column.empty else rows[name].astype("str").where(rows[name].notna())
            )
    return tables.check(pd.DataFrame(made), table)
