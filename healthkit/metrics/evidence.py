"""What the files of an account tell of, and until which day: whether a measure can be judged by them.

COVERAGE says of each account and marketplace which evidence was imported (`tables.EVIDENCE`) and over which days its
rows reach. A count is complete where every kind of evidence that its rule rests on covers the window; where one is
missing or ends early, the orders at fault are a lower bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from healthkit.metrics.definitions import METRICS
from healthkit.metrics.policy import Rule

MAX_SILENT_DAYS = 3
"""After so many days without news of orders, files are taken to end; with orders every day, sooner. [days]"""
MIN_TOLERATED_GAP_DAYS = 7
"""Ratings, claims and the like may be silent for so many days in any account. [days]"""
TOLERATED_INTERVALS = 3.0
"""Rows that come at random are silent for so many mean intervals with a chance of 5 %; longer silence is a file's
end."""
DENOMINATOR_EVIDENCE = {
    "late_shipment_rate": ("promises", "confirmations"),
    "valid_tracking_rate": ("tracking",),
    "on_time_delivery_rate": ("delivery_promises", "deliveries"),
    "unit_on_time_delivery_rate": ("delivery_promises", "deliveries"),
}
"""The evidence without which a measure counts nothing, by metric."""
CLOCK_EVIDENCE = {"ship_by_on": "promises", "deliver_by_on": "delivery_promises", "shipped_on": "confirmations"}
"""The evidence that tells the day which places an order, by clock."""


class EvidenceSpan(NamedTuple):
    """The first and last day of which one kind of evidence has rows, and on how many days it has some."""

    first: date
    last: date
    days: int

    @property
    def tolerated_gap_days(self) -> int:
        """How many days without a row are no surprise. [days]

        >>> Reach(date(2026, 1, 1), date(2026, 1, 31), 31).slack, Reach(date(2026, 1, 1), date(2026, 1, 31), 6).slack
        (7, 18)
        >>> Reach(date(2026, 1, 1), date(2026, 1, 1), 1).slack > 10_000
        True
        """
        if self.days < 3:
            return 36_500
        return max(MIN_TOLERATED_GAP_DAYS, round(TOLERATED_INTERVALS * (self.last - self.first).days / (self.days - 1)))


class FileCoverage(NamedTuple):
    """What the files of one account in one marketplace tell of: one row of COVERAGE."""

    begins_on: date
    ends_on: date
    heard_on: date
    orders: int
    evidence: frozenset[str]
    reach: Mapping[str, EvidenceSpan]
    gaps: tuple[tuple[date, date], ...] = ()
    max_silent_days: int = MAX_SILENT_DAYS

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> FileCoverage:
        """The files of one row of COVERAGE, its days as dates or stamps."""
        begins_on, ends_on, heard_on = (_to_date(row[name]) for name in ("begins_on", "ends_on", "heard_on"))
        reach = {
            word: EvidenceSpan(
                date.fromisoformat(entry["first"]), date.fromisoformat(entry["last"]), int(entry["days"])
            )
            for word, entry in json.loads(_to_text(row.get("reach")) or "{}").items()
        }
        gaps = tuple(
            (date.fromisoformat(first), date.fromisoformat(last))
            for first, last in json.loads(_to_text(row.get("gaps")) or "[]")
        )
        gap = row.get("order_gap")
        silence = MAX_SILENT_DAYS if gap is None or gap != gap else min(MAX_SILENT_DAYS, max(1, int(gap)))
        evidence = frozenset(word for word in str(row["evidence"]).split("+") if word)
        return cls(begins_on, ends_on, heard_on, int(row["orders"]), evidence, reach, gaps, silence)

    def lacks_evidence(self, kind: str, first: date, as_of: date) -> bool:
        """Whether one kind of evidence does not tell of all that happened from a day until another."""
        if kind not in self.evidence:
            return True
        reach = self.reach.get(kind)
        if reach is None:
            return False
        slack = timedelta(days=reach.tolerated_gap_days)
        return reach.last + slack < as_of or reach.first - slack > first


def evidence_for_rule(rule: Rule) -> tuple[str, ...]:
    """The kinds of evidence that the measure of a rule needs, each once.

    >>> from healthkit.metrics.policy import load
    >>> us = {rule.metric: rests_on(rule) for rule in load("amazon_us").rules}
    >>> us["order_defect_rate"], us["late_shipment_rate"], us["cancellation_rate"]
    (('feedback', 'claims', 'chargebacks'), ('promises', 'confirmations'), ())
    """
    clock = CLOCK_EVIDENCE.get(rule.clock)
    words = (*METRICS[rule.metric].needs, *((clock,) if clock else ()), *DENOMINATOR_EVIDENCE.get(rule.metric, ()))
    return tuple(dict.fromkeys(words))


def _to_date(value: Any) -> date:
    day: date = value.date() if hasattr(value, "date") else value
    return day


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else ""
