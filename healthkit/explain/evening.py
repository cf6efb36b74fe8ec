"""One measure of one account as the orders by name that stand behind it, on the evening of any day.

The counts of `exposure` have forgotten which orders they count. Where the question is *which*, for one account, the
days that `metrics` gives are asked again here, order by order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import narwhals as nw
import pandas as pd

from healthkit.metrics import METRICS
from healthkit.policy import Rule
from healthkit.tables import Ledger, collected

INSTANTS = {
    "ordered_on": ("orders", "order_id", "ordered_at"),
    "ship_by_on": ("orders", "order_id", "ship_by"),
    "shipped_on": ("orders", "order_id", "shipped_at"),
    "deliver_by_on": ("orders", "order_id", "deliver_by"),
    "received_on": ("contacts", "contact_id", "received_at"),
    "requested_on": ("returns", "return_id", "requested_at"),
}
"""Where the instant stands from which a clock day was cut: table, id, column."""


@dataclass(frozen=True)
class Seen:
    """What one evening shows: how much each order counts, and the rows at fault (order_id, cause, at_fault, ...)."""

    counted: pd.Series
    faults: pd.DataFrame
    joined: bool

    @cached_property
    def n(self) -> int:
        """How many are counted."""
        return int(self.counted.sum())

    @cached_property
    def k(self) -> int:
        """How many of them are at fault: an order with several defects once, parcels and units each."""
        if self.joined:
            return int(self.faults["order_id"].nunique())
        return int(self.faults["at_fault"].sum())

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The rows at fault, each order once for each of its causes."""
        return self.faults.drop_duplicates(["order_id", "cause"])

    @cached_property
    def orders(self) -> set[str]:
        """The orders that are counted."""
        return set(self.counted.index)

    @cached_property
    def at_fault(self) -> set[str]:
        """The orders that are at fault."""
        return set(self.faults["order_id"])


_KEPT: WeakKeyDictionary[Ledger, dict[tuple[str, ...], Evening]] = WeakKeyDictionary()


_SEEN: WeakKeyDictionary[Evening, dict[tuple[Any, ...], Seen]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Evening:
    """When the orders of one account count in one measure and when they are at fault, by name, as day stamps.

    `counting` has order_id, channel, clock_day, known_on, until_day, counted; `faults` has order_id, channel, cause,
    clock_day, known_on, cleared_on, at_fault, assumed.
    """

    counting: pd.DataFrame
    faults: pd.DataFrame
    joined: bool

    @classmethod
    def of(cls, ledger: Ledger, rule: Rule, account: str, marketplace: str) -> Evening:
        """The orders of an account that a rule asks about; kept with the ledger, for several windows ask the same."""
        kept = _KEPT.setdefault(ledger, {})
        asked = rule.metric, str(rule.basis), account, marketplace
        if asked not in kept:
            stays = METRICS[rule.metric].stays(ledger, rule.basis)
            counting, faults = (_mine(frame, account, marketplace) for frame in stays)
            joined = METRICS[rule.metric].counts == "orders"
            kept[asked] = cls(_known_from_clock(counting), _known_from_clock(faults), joined)
        return kept[asked]

    def seen(self, first: date, last: date, day: date, channels: tuple[str, ...]) -> Seen:
        """What counts on the evening of a day of the orders that were placed from first to last, both ends in."""
        kept = _SEEN.setdefault(self, {})
        asked = first, last, day, channels
        if asked not in kept:
            kept[asked] = self._seen(*asked)
        return kept[asked]

    def _seen(self, first: date, last: date, day: date, channels: tuple[str, ...]) -> Seen:
        evening = pd.Timestamp(day)
        held = [
            frame[
                frame["channel"].isin(channels)
                & frame["clock_day"].between(pd.Timestamp(first), pd.Timestamp(last))
                & (frame["known_on"] <= evening)
                & ~(frame[ended] <= evening)
            ]
            for frame, ended in ((self.counting, "until_day"), (self.faults, "cleared_on"))
        ]
        return Seen(held[0].groupby("order_id")["counted"].sum(), held[1], self.joined)

    def in_utc(self, ledger: Ledger, clock: str) -> Evening | None:
        """The same with the clock days cut in UTC; None where the files hold days alone."""
        if clock not in INSTANTS:
            return None
        table, name, instant = INSTANTS[clock]
        rows = getattr(ledger, table).filter(~nw.col(instant).is_null()).select(name, instant)
        told = collected(rows)
        if told.empty:
            return None
        utc = pd.to_datetime(told[instant], utc=True).dt.tz_localize(None).dt.normalize()
        days = pd.Series(utc.to_numpy(), index=told[name]).groupby(level=0).first()
        moved = (_moved(frame, days) for frame in (self.counting, self.faults))
        return replace(self, **dict(zip(("counting", "faults"), moved, strict=True)))


def _mine(frame: Any, account: str, marketplace: str) -> pd.DataFrame:
    """The rows of one account and marketplace in memory, days as midnights."""
    rows = collected(frame.filter((nw.col("account") == account) & (nw.col("marketplace") == marketplace)))
    days = [name for name in ("clock_day", "known_on", "until_day", "cleared_on") if name in rows]
    return rows.assign(**{name: pd.to_datetime(rows[name]).astype("datetime64[s]") for name in days})


def _known_from_clock(rows: pd.DataFrame) -> pd.DataFrame:
    """Nothing counts before its clock day, however early it was known."""
    return rows.assign(known_on=rows[["known_on", "clock_day"]].max(axis=1))


def _moved(rows: pd.DataFrame, days: pd.Series) -> pd.DataFrame:
    """Rows with other clock days, where there are such."""
    clock = rows["order_id"].map(days).astype("datetime64[s]")
    return rows.assign(clock_day=clock.where(clock.notna(), rows["clock_day"]))


def day(value: Any) -> date:
    """A day stamp as a date."""
    return value.date() if isinstance(value, datetime) else value
