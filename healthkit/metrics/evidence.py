"""Which evidence the imported files of an account hold and over which days: whether a measure can be judged.

COVERAGE lists, for each account and marketplace, the kinds of evidence that were imported (`tables.EVIDENCE_BY_KIND`)
and the days that their rows cover. A count is complete if every kind of evidence that its rule needs covers the window.
If one is missing or ends early, the number of orders at fault is a lower bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from healthkit.metrics.definitions import METRICS
from healthkit.metrics.policy import Rule

MAX_SILENT_DAYS = 3
"""Number of days without a row after which the order files are considered to have ended. [days]

The number is smaller for an account whose longest gap between orders is shorter.
"""
MIN_TOLERATED_GAP_DAYS = 7
"""Length up to which a gap in other evidence (ratings, claims) never indicates a missing file. [days]"""
TOLERATED_INTERVALS = 3.0
"""Length of the tolerated gap in other evidence, as a multiple of the mean interval between its rows.

Of the gaps between random rows, 5 % are longer.
"""
CLOCK_EVIDENCE = {"ship_by_on": "promises", "deliver_by_on": "delivery_promises", "shipped_on": "confirmations"}
"""Kind of evidence that holds the days of a clock, by clock (the day that dates an order)."""


class EvidenceSpan(NamedTuple):
    """The first and last day with rows of one kind of evidence, and the number of days with rows."""

    first: date
    last: date
    days: int

    @property
    def tolerated_gap_days(self) -> int:
        """The longest gap without rows that does not indicate a missing file. [days]

        The gap is not limited if fewer than 3 days have rows.

        >>> january = date(2026, 1, 1), date(2026, 1, 31)
        >>> EvidenceSpan(*january, 31).tolerated_gap_days, EvidenceSpan(*january, 6).tolerated_gap_days
        (7, 18)
        >>> EvidenceSpan(date(2026, 1, 1), date(2026, 1, 1), 1).tolerated_gap_days > 10_000
        True
        """
        if self.days < 3:
            return 36_500
        return max(MIN_TOLERATED_GAP_DAYS, round(TOLERATED_INTERVALS * (self.last - self.first).days / (self.days - 1)))


class FileCoverage(NamedTuple):
    """What the files of one account in one marketplace cover: one row of COVERAGE.

    The order files begin and end on `begins_on` and `ends_on`, with `gaps` of whole days without orders; `heard_on` is
    the last day of which any of them says something. `reach` is the span of each kind of evidence.
    """

    begins_on: date
    ends_on: date
    heard_on: date
    orders: int
    evidence: frozenset[str]
    reach: Mapping[str, EvidenceSpan]
    gaps: tuple[tuple[date, date], ...] = ()
    max_silent_days: int = MAX_SILENT_DAYS

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> FileCoverage:
        """Create the coverage from one row of COVERAGE; its days may be dates or timestamps."""
        begins_on, ends_on, heard_on = (_to_date(row[name]) for name in ("begins_on", "ends_on", "heard_on"))
        day = date.fromisoformat
        reach = {
            kind: EvidenceSpan(day(span["first"]), day(span["last"]), int(span["days"]))
            for kind, span in _read_json(row.get("reach"), {}).items()
        }
        gaps = tuple((day(first), day(last)) for first, last in _read_json(row.get("gaps"), []))
        gap = row.get("order_gap")
        max_silent = MAX_SILENT_DAYS if gap is None or gap != gap else min(MAX_SILENT_DAYS, max(1, int(gap)))
        evidence = frozenset(kind for kind in str(row["evidence"]).split("+") if kind)
        return cls(begins_on, ends_on, heard_on, int(row["orders"]), evidence, reach, gaps, max_silent)

    def lacks_evidence(self, kind: str, first: date, as_of: date) -> bool:
        """Return whether one kind of evidence is missing or does not cover all days from `first` to `as_of`."""
        if kind not in self.evidence:
            return True
        span = self.reach.get(kind)
        if span is None:
            return False
        tolerated = timedelta(days=span.tolerated_gap_days)
        return span.last + tolerated < as_of or span.first - tolerated > first

    def count_order_days(self, first: date, last: date) -> int:
        """Return the number of days from `first` to `last` that the order files cover. [days]"""
        covered = [(max(first, self.begins_on), min(last, self.heard_on))]
        left_out = [(max(first, gap[0]), min(last, gap[1])) for gap in self.gaps]
        days, missing = (sum(max(0, (end - begin).days + 1) for begin, end in one) for one in (covered, left_out))
        return max(0, days - missing)

    def days_covered(self, rule: Rule, as_of: date) -> tuple[date, date]:
        """Return the first and the last day, at most `as_of`, for which the imported files contain what a rule needs.

        Evidence that was not imported at all is not looked at.
        """
        first, last = self.begins_on, min(as_of, self.heard_on)
        for span in (self.reach[kind] for kind in evidence_for_rule(rule) if kind in self.reach):
            tolerated = timedelta(days=span.tolerated_gap_days)
            first = span.first if span.first - tolerated > first else first
            last = span.last if span.last + tolerated < last else last
        return first, last


def evidence_for_rule(rule: Rule) -> tuple[str, ...]:
    """Return the kinds of evidence that are needed to judge a rule.

    >>> from healthkit.metrics.policy_files import load_policy
    >>> us = {rule.metric: evidence_for_rule(rule) for rule in load_policy("amazon_us").rules}
    >>> us["order_defect_rate"], us["late_shipment_rate"], us["cancellation_rate"]
    (('feedback', 'claims', 'chargebacks'), ('promises', 'confirmations'), ())
    """
    return tuple(dict.fromkeys((*METRICS[rule.metric].required_evidence, *evidence_for_denominator(rule))))


def evidence_for_denominator(rule: Rule) -> tuple[str, ...]:
    """Return the kinds of evidence without which no order counts under a rule."""
    clock = CLOCK_EVIDENCE.get(rule.clock)
    return (*((clock,) if clock else ()), *METRICS[rule.metric].denominator_evidence)


def _to_date(value: Any) -> date:
    day: date = value.date() if hasattr(value, "date") else value
    return day


def _read_json(text: Any, default: Any) -> Any:
    """Return the JSON of a cell, or the default for an empty cell (None, NaN or no text)."""
    return json.loads(text) if isinstance(text, str) and text else default
