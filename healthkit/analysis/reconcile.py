"""Compare our counts with the marketplace's own figures, and attribute each difference to a cause where one is known.

The marketplace reports a count and the days it covers, not the orders. So each known way to count differently is tried
on our own orders, and a difference is attributed to the ways that explain it: the fewest that leave the smallest rest.
What none of them explains is reported as unexplained. The differences add up to the distance exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import chain, combinations
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.analysis.bridge import ExplainError
from healthkit.analysis.orders_on_day import CHANNEL_NUMBERS, DaySnapshot, IntervalArrays, OrderTimeline, to_date
from healthkit.metrics.counts import Counts
from healthkit.metrics.definitions import METRICS
from healthkit.metrics.evidence import evidence_for_rule
from healthkit.metrics.policy import Policy, Rule, judge
from healthkit.metrics.scores import NEVER, day_numbers, select_intervals
from healthkit.schema.object_cache import cache_on_first_argument
from healthkit.schema.tables import CHANNELS, WHOLE_ACCOUNT, Ledger, collect_to_pandas

DIFFERENCES = (
    "window", "time zone", "channel", "cancelled orders", "counted twice", "not imported", "feedback removed",
    "cleared", "known later", "not known there", "orders missing", "no scans", "no file", "unexplained",
)  # fmt: skip
"""The causes of a difference between two counts, in display order.

`window`: other days than our rule's. `time zone`: days taken in UTC. `channel`: orders of the other channel included.
`cancelled orders`: cancelled orders left out. `counted twice`: an order counted once for each of its defects. `not
imported`: no imported file covers such defects. `feedback removed`, `cleared`: a defect that only one side considers
gone. `known later`: a defect that our files date after the day. `not known there`: a defect of the last days before it.
`orders missing`: orders that no imported file holds. `no scans`: tracking numbers that no carrier scanned. `no file`:
no imported file has what is needed to count any order (see `Reconciliation.missing`).
"""
TIMING_SLACK_DAYS = 7
"""Number of days around the compared day on which one side may not know of a change yet. [days]"""


class Difference(NamedTuple):
    """One cause of the difference between two counts, and how much of the difference it explains.

    `counted` and `at_fault` are how many more the marketplace counts and has at fault; `order_ids` are the orders, if
    known.
    """

    cause: str
    counted: int
    at_fault: int
    order_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconciliation:
    """A comparison of our count of one measure with the marketplace's reported count, and why they differ.

    Each count is a pair (counted, at fault). `first_day` and `last_day` are the days that the marketplace says it
    counted. `uncertain_causes` are causes for which others would fit as well. `missing` is the evidence without which
    our files count nothing. `parts` are the causes of defects whose numbers differ: name, ours, theirs.
    """

    account: str
    marketplace: str
    channel: str
    rule: Rule
    as_of: date
    window: int
    first_day: date
    last_day: date
    ours: tuple[int, int]
    theirs: tuple[int, int]
    status: str
    their_status: str
    contradiction: str
    proxy: bool
    differences: tuple[Difference, ...] = field(default=())
    uncertain_causes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    parts: tuple[tuple[str, int, int], ...] = ()

    @property
    def metric(self) -> str:
        """The id of the metric."""
        return self.rule.metric

    @property
    def agrees(self) -> bool:
        """Whether both counts are the same."""
        return self.ours == self.theirs


def reconcile(
    ledger: Ledger,
    policy: Policy,
    account: str,
    marketplace: str,
    day: date,
    evidence: Iterable[str] = (),
    counts: Counts | None = None,
) -> list[Reconciliation]:
    """Compare our counts with the newest counts that the marketplace had reported by a day.

    Returns one Reconciliation per measure. Only figures with both counts are compared, as of the day of their own
    report. `evidence` lists the kinds of evidence in our files (see `tables.EVIDENCE_BY_KIND`). With `counts`, orders
    are read one by one only where both sides differ. Raises ExplainError where the store holds no figure of the
    marketplace.
    """
    readings = _newest_readings(ledger, account, marketplace, day)
    if readings.empty:
        raise ExplainError(
            f"No figure of the marketplace itself is known for {account} ({marketplace}) by {day}. Import its seller "
            "performance reports (JSON or XML)."
        )
    kinds = set(evidence)
    made = [_reconcile_reading(ledger, policy, reading, kinds, counts) for reading in readings.to_dict("records")]
    return [one for one in made if one is not None]


def _newest_readings(ledger: Ledger, account: str, marketplace: str, as_of: date) -> pd.DataFrame:
    """Return the newest figure of each measure and channel reported by a day; of several windows the longest."""
    readings = ledger.readings.filter((nw.col("account") == account) & (nw.col("marketplace") == marketplace))
    rows = collect_to_pandas(readings.filter(nw.col("as_of") <= nw.lit(as_of)))
    rows = rows[rows["counted"].notna() & rows["at_fault"].notna() & rows["metric"].isin(METRICS)]
    newest = rows.sort_values(["metric", "channel", "as_of", "first_day"], ascending=[True, True, False, True])
    return newest.drop_duplicates(["metric", "channel"]).reset_index(drop=True)


def _reconcile_reading(
    ledger: Ledger, policy: Policy, reading: dict[str, Any], evidence: set[str], counts: Counts | None
) -> Reconciliation | None:
    """Compare one reported figure with ours; None where no rule asks for it, or it is not a rate."""
    as_of, first, last = (to_date(reading[name]) for name in ("as_of", "first_day", "last_day"))
    rule = _rule_in_force(policy, reading["metric"], reading["channel"], as_of)
    if rule is None or METRICS[rule.metric].figure != "rate":
        return None
    channels = rule.channels if reading["channel"] == WHOLE_ACCOUNT else (reading["channel"],)
    window = _nearest_window(rule.windows, (last - first).days + 1)
    theirs = int(reading["counted"]), int(reading["at_fault"])
    ends = as_of - timedelta(days=rule.lag)
    begins = ends - timedelta(days=window - 1)
    account_key = reading["account"], reading["marketplace"]
    differences: tuple[Difference, ...] = ()
    uncertain: set[str] = set()
    missing: tuple[str, ...] = ()
    parts: tuple[tuple[str, int, int], ...] = ()
    if (
        counts is not None
        and (begins, ends) == (first, last)
        and _sweep_counts(counts, rule, account_key, channels, as_of, window) == theirs
    ):
        ours = theirs
    else:
        orders = OrderTimeline.from_ledger(ledger, rule, *account_key)
        snapshot = orders.snapshot_on(begins, ends, as_of, channels)
        ours = snapshot.total_counted, snapshot.total_at_fault
        comparison = _Comparison(ledger, rule, reading, orders, channels, (first, last), as_of, evidence)
        if not snapshot.total_counted and not comparison.snapshot().total_counted and theirs[0]:
            lacking = tuple(word for word in evidence_for_rule(rule) if word not in evidence)
            missing = lacking if _has_orders(ledger, *account_key) else ("orders",)
        parts = _differing_parts(comparison)
        differences = (
            (Difference("no file", *theirs),)
            if missing
            else tuple(_explain_differences(comparison, snapshot, theirs, uncertain))
        )
    return Reconciliation(
        *account_key, reading["channel"], rule, as_of, window, first, last, ours, theirs, _judge_counts(rule, *ours),
        _judge_counts(rule, *theirs), _text_or_empty(reading["contradiction"]),
        bool(METRICS[rule.metric].proxy) and METRICS[rule.metric].proxy_unless not in evidence, differences,
        tuple(one.cause for one in differences if one.cause in uncertain), missing, parts,
    )  # fmt: skip


def _sweep_counts(
    counts: Counts, rule: Rule, account_key: tuple[str, str], channels: tuple[str, ...], as_of: date, window: int
) -> tuple[int, int]:
    """Return how many count and are at fault on a day, from counts."""
    measure_intervals = [select_intervals(counts, rule, *account_key, channel) for channel in channels]
    kinds = [one.counting_intervals for one in measure_intervals], [one.fault_intervals for one in measure_intervals]
    day = day_numbers([as_of])
    counted, at_fault = (
        sum(int(one.count_by_day(day, 1, window, rule.lag, False)[0, 0]) for one in intervals) for intervals in kinds
    )
    return counted, at_fault


@cache_on_first_argument()
def _has_orders(ledger: Ledger, account: str, marketplace: str) -> bool:
    """Return whether the files hold any order of an account in one marketplace."""
    rows = ledger.orders.filter((nw.col("account") == account) & (nw.col("marketplace") == marketplace))
    return len(collect_to_pandas(rows.select("order_id").head(1))) > 0


def _rule_in_force(policy: Policy, metric: str, channel: str, as_of: date) -> Rule | None:
    """Return the rule in force for a metric in a channel."""
    for rule in policy.rules_in_force(as_of):
        if rule.metric == metric and (channel == WHOLE_ACCOUNT or channel in rule.channels):
            return rule
    return None


def _nearest_window(windows: tuple[int, ...], days: int) -> int:
    """Return the rule's window that is nearest in length."""
    return min(windows, key=lambda window: (abs(window - days), window))


def _judge_counts(rule: Rule, counted: int, at_fault: int) -> str:
    return str(judge(rule, np.array([counted]), np.array([at_fault]))[0])


def _text_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""


# -- what accounts for a difference ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    """One figure of the marketplace, and the orders that it must be about."""

    ledger: Ledger
    rule: Rule
    reading: dict[str, Any]
    orders: OrderTimeline
    channels: tuple[str, ...]
    days: tuple[date, date]
    as_of: date
    evidence: set[str]

    def snapshot(self, orders: OrderTimeline | None = None, channels: tuple[str, ...] | None = None) -> DaySnapshot:
        """Return what counts of the days that the marketplace names."""
        return (orders or self.orders).snapshot_on(*self.days, self.as_of, channels or self.channels)

    # Each way is tried in several sets; what none of them changes is computed once.

    @cached_property
    def in_utc(self) -> OrderTimeline | None:
        """The orders with clock days taken in UTC; None where the files hold days without times."""
        return self.orders.in_utc(self.ledger, self.rule.clock)

    @cached_property
    def cancelled(self) -> np.ndarray:
        """Which orders were cancelled as a whole by then. [mask over orders]"""
        cancelled = self.ledger.orders.filter(
            (nw.col("account") == self.reading["account"]) & (nw.col("status") == "cancelled")
            & (nw.col("cancelled_on") <= nw.lit(self.as_of))
        )  # fmt: skip
        order_ids = set(collect_to_pandas(cancelled.select("order_id"))["order_id"])
        return np.array([name in order_ids for name in self.orders.ids], dtype=bool)

    @cache_on_first_argument()
    def exclude_cancelled(self, orders: OrderTimeline) -> OrderTimeline:
        """Return a timeline without the orders that were cancelled as a whole by then."""
        return orders.exclude_orders(self.cancelled)

    @cached_property
    def borderline_orders(self) -> tuple[list[_CandidateOrder], ...]:
        """The orders of these days that only one side may see as at fault: cleared by then, cleared later, known later,
        known only lately."""
        rows = self.orders.faults
        first, last, day = (int(number) for number in day_numbers([*self.days, self.as_of]))
        channels = [CHANNEL_NUMBERS[name] for name in self.channels]
        inside = np.isin(rows.channel, channels) & (rows.clock >= first) & (rows.clock <= last)
        known, cleared = inside & (rows.known <= day), inside & (rows.ended <= day)
        later = inside & (rows.known > day)
        lately = known & (rows.known > day - TIMING_SLACK_DAYS) & ~cleared
        later_gone = known & (rows.ended > day) & (rows.ended < NEVER)
        return (
            self.candidates(cleared, 1, -rows.ended, _ending_cause),
            self.candidates(later_gone, -1, rows.ended, _ending_cause),
            self.candidates(later, 1, rows.known, lambda _: "known later"),
            self.candidates(lately, -1, -rows.known, lambda _: "not known there"),
        )

    def candidates(
        self,
        chosen: np.ndarray,
        sign: int,
        sort_by: np.ndarray,
        cause: Callable[[str], str],
        rows: IntervalArrays | None = None,
    ) -> list[_CandidateOrder]:
        """Return rows at fault as single orders, each once, sorted by a number."""
        faults = self.orders.faults if rows is None else rows
        at = np.flatnonzero(chosen)
        at = at[np.argsort(sort_by[at], kind="stable")]
        once = at[np.sort(np.unique(faults.order[at], return_index=True)[1])]
        named = ((self.orders.causes[faults.cause[place]], int(faults.order[place])) for place in once)
        return [
            _CandidateOrder(cause(defect), self.orders.ids[order], defect, sign, 0, order) for defect, order in named
        ]

    @cached_property
    def silent_days(self) -> int:
        """The number of days of the window without an order in our files (see `_count_silent_days`)."""
        return _count_silent_days(self)

    @cached_property
    def orders_missing(self) -> list[_CandidateOrder]:
        """The orders at fault that no orders file holds."""
        return list(_orders_missing(self))


class _Attempt(NamedTuple):
    """A combination of ways to count differently: the resulting snapshot, and what each way changed."""

    snapshot: DaySnapshot
    counts_each_defect: bool
    differences: tuple[Difference, ...]

    @property
    def total_at_fault(self) -> int:
        """The number at fault; an order once for each of its defects where they are counted twice."""
        return len(self.snapshot.order_cause_pairs) if self.counts_each_defect else self.snapshot.total_at_fault


def _explain_differences(
    comparison: _Comparison, ours: DaySnapshot, theirs: tuple[int, int], uncertain: set[str]
) -> Iterator[Difference]:
    """Yield the differences that add up to the distance: the stated window first, then what leaves the smallest rest.

    Causes for which others would fit as well are added to `uncertain`.
    """
    stated = comparison.snapshot()
    window = _difference_between("window", ours, stated)
    if _changes_anything(window):
        yield window
    if (stated.total_counted, stated.total_at_fault) == theirs:
        # Nothing is left open, and no other way can leave less.
        return
    best: list[Difference] = []
    cost: tuple[int, int] | None = None
    fitting: list[set[str]] = []
    for tried in _attempts(comparison, stated):
        instead: set[str] = set()
        rest = list(_explain_by_orders(comparison, tried, theirs, instead))
        unexplained = rest[-1]
        if unexplained.counted and any(one.counted for one in tried.differences):
            # Another way to count moves many orders at once. One that still leaves some open is no better than chance.
            continue
        open_ends = abs(unexplained.counted) + abs(unexplained.at_fault)
        made = [*tried.differences, *(one for one in rest if _changes_anything(one))]
        if cost is None or (open_ends, len(made)) < cost:
            best, cost, fitting = made, (open_ends, len(made)), []
            uncertain.clear()
            uncertain.update(instead)
        if (open_ends, len(made)) == cost:
            fitting.append({one.cause for one in made})
    for one in best:
        if one.cause != "unexplained" and any(one.cause not in causes for causes in fitting):
            uncertain.add(one.cause)
    yield from sorted(best, key=lambda one: DIFFERENCES.index(one.cause))


def _changes_anything(difference: Difference) -> bool:
    """Return whether a difference changes a count; a window may exchange orders and leave the counts the same."""
    return bool(difference.counted or difference.at_fault or (difference.cause == "window" and difference.order_ids))


def _difference_between(cause: str, before: DaySnapshot, after: DaySnapshot) -> Difference:
    """Return what changes from one snapshot to another, with the orders that only one of them has."""
    moved = (before.is_counted ^ after.is_counted) | (before.is_at_fault ^ after.is_at_fault)
    return Difference(
        cause,
        after.total_counted - before.total_counted,
        after.total_at_fault - before.total_at_fault,
        after.ids_of(moved),
    )


def _attempts(comparison: _Comparison, as_stated: DaySnapshot) -> Iterator[_Attempt]:
    """Yield every combination of up to two ways to count differently, the smallest first, that changes something."""
    names = ["time zone", "channel", "cancelled orders", "counted twice"]
    for chosen in chain.from_iterable(combinations(names, size) for size in range(3)):
        tried = _make_attempt(comparison, as_stated, chosen)
        if tried is not None:
            yield tried


def _make_attempt(comparison: _Comparison, as_stated: DaySnapshot, chosen: tuple[str, ...]) -> _Attempt | None:
    """Apply some ways together; None where one of them changes nothing or cannot be applied."""
    orders, channels, snapshot, made = comparison.orders, comparison.channels, as_stated, []
    for name in chosen:
        if name == "time zone":
            orders = comparison.in_utc if comparison.in_utc is not None else orders
        elif name == "channel":
            channels = tuple(dict.fromkeys((*channels, *CHANNELS))) if WHOLE_ACCOUNT not in channels else channels
        elif name == "cancelled orders":
            orders = comparison.exclude_cancelled(orders)
        now = comparison.snapshot(orders, channels)
        if name == "counted twice":
            made.append(_defects_counted_twice(now))
        else:
            made.append(_difference_between(name, snapshot, now))
            snapshot = now
        if not _changes_anything(made[-1]):
            return None
    return _Attempt(snapshot, "counted twice" in chosen, tuple(made))


def _defects_counted_twice(snapshot: DaySnapshot) -> Difference:
    """Return the effect of counting an order once for each of its defects."""
    several = np.bincount(snapshot.order_cause_pairs[:, 0], minlength=len(snapshot.ids)) > 1
    if not snapshot.order_counts_once:
        return Difference("counted twice", 0, 0)
    return Difference(
        "counted twice", 0, len(snapshot.order_cause_pairs) - snapshot.total_at_fault, snapshot.ids_of(several)
    )


# -- single orders --------------------------------------------------------------------------------------------


class _CandidateOrder(NamedTuple):
    """One order whose defect only one side may see: +1 or -1 at fault, for one cause of defects.

    `position` is its position among the orders; -1 where no orders file holds it.
    """

    cause: str
    order_id: str
    defect: str
    sign: int
    counted: int = 0
    position: int = -1


def _explain_by_orders(
    comparison: _Comparison, attempt: _Attempt, theirs: tuple[int, int], uncertain: set[str]
) -> Iterator[Difference]:
    """Yield what single orders explain of the remaining distance, and the unexplained rest last.

    Causes for which single orders of another cause would fit as well are added to `uncertain`.
    """
    open_counted, open_at_fault = theirs[0] - attempt.snapshot.total_counted, theirs[1] - attempt.total_at_fault
    left = _open_parts(comparison, attempt)
    used: dict[str, list[_CandidateOrder]] = {}
    taken: set[str] = set()
    singles = _candidate_orders(comparison, attempt.snapshot)
    for single in singles:
        if single.order_id in taken or (single.counted and open_counted < single.counted):
            continue
        if open_at_fault * single.sign <= 0 or (left is not None and left.get(single.defect, 0) * single.sign <= 0):
            continue
        used.setdefault(single.cause, []).append(single)
        taken.add(single.order_id)
        open_at_fault, open_counted = open_at_fault - single.sign, open_counted - single.counted
        if left is not None:
            left[single.defect] -= single.sign
    for cause, those in used.items():
        ids = tuple(sorted(single.order_id for single in those))
        alike = {_effect_on_counts(one, left is not None) for one in those}
        others = (one for one in singles if one.cause != cause and one.order_id not in taken)
        if any(_effect_on_counts(one, left is not None) in alike for one in others):
            uncertain.add(cause)
        yield Difference(cause, sum(one.counted for one in those), sum(one.sign for one in those), ids)
    for one in _explain_without_orders(comparison, open_counted, open_at_fault, left, taken):
        open_counted, open_at_fault = open_counted - one.counted, open_at_fault - one.at_fault
        yield one
    yield Difference("unexplained", open_counted, open_at_fault)


def _effect_on_counts(candidate: _CandidateOrder, by_part: bool) -> tuple[int, int, str]:
    """Return what a single order does to the counts, and to which part where the marketplace gives parts."""
    return candidate.sign, candidate.counted, candidate.defect if by_part else ""


def _differing_parts(comparison: _Comparison) -> tuple[tuple[str, int, int], ...]:
    """Return the causes of defects that both sides count differently, as far as parts are given."""
    stated = comparison.snapshot()
    open_parts = _open_parts(comparison, _Attempt(stated, False, ())) or {}
    theirs = _read_parts(comparison.reading["parts"])
    return tuple((name, theirs[name] - more, theirs[name]) for name, more in open_parts.items() if more)


def _open_parts(comparison: _Comparison, attempt: _Attempt) -> dict[str, int] | None:
    """Return by cause of defects how many more the marketplace counts; None where it gives no parts."""
    known = {name: many for name, many in _read_parts(comparison.reading["parts"]).items() if name in _PART_CAUSES}
    if not known or not attempt.snapshot.order_counts_once or comparison.rule.metric != "order_defect_rate":
        return None
    pairs = np.bincount(attempt.snapshot.order_cause_pairs[:, 1], minlength=len(attempt.snapshot.causes))
    ours = dict(zip(attempt.snapshot.causes, pairs.tolist(), strict=True))
    return {name: many - ours.get(name, 0) for name, many in known.items()}


_PART_CAUSES = ("negative_feedback", "a_to_z_claim", "chargeback")


def _read_parts(text: Any) -> dict[str, int]:
    """Return the parts of a figure as stored in READINGS."""
    return json.loads(text) if isinstance(text, str) and text else {}


def _candidate_orders(comparison: _Comparison, snapshot: DaySnapshot) -> list[_CandidateOrder]:
    """Return the single orders that only one side may see, the likeliest first."""
    gone, later_gone, later, lately = comparison.borderline_orders
    singles = [
        *_orders_not_listed(comparison, snapshot),
        *(one for one in gone if not snapshot.is_at_fault[one.position]),
        *later_gone,
        *(one for one in later if not snapshot.is_at_fault[one.position]),
        *comparison.orders_missing,
        *lately,
    ]
    return [one for one in singles if one.counted or snapshot.is_counted[one.position]]


def _orders_not_listed(comparison: _Comparison, snapshot: DaySnapshot) -> list[_CandidateOrder]:
    """Return orders at fault that the marketplace's own list leaves out, where the list is as long as its count."""
    listed = comparison.orders.on_marketplace_list & snapshot.is_counted
    if int(listed.sum()) != int(comparison.reading["at_fault"]):
        return []
    rows = snapshot.faults
    return comparison.candidates(~listed[rows.order], -1, rows.order, lambda _: "cleared", rows)


def _ending_cause(defect: str) -> str:
    """Return the cause of a difference for a defect that ceased to count."""
    return "feedback removed" if defect == "negative_feedback" else "cleared"


def _orders_missing(comparison: _Comparison) -> Iterator[_CandidateOrder]:
    """Yield orders that a file of defects or feedback names and no orders file holds, known by the day."""
    if comparison.rule.metric not in _DEFECTS_OF_METRIC:
        return
    of_account = (nw.col("account") == comparison.reading["account"]) & (
        nw.col("marketplace") == comparison.reading["marketplace"]
    )
    known = set(collect_to_pandas(comparison.ledger.orders.filter(of_account).select("order_id"))["order_id"])
    bad = comparison.rule.basis.option("negative_up_to", 2)
    ratings = collect_to_pandas(comparison.ledger.feedback.filter(of_account & (nw.col("rating") <= bad)))
    defects = collect_to_pandas(comparison.ledger.defects.filter(of_account))
    rows = [
        ("negative_feedback", row["order_id"], row["received_on"], row["removed_on"])
        for row in ratings.to_dict("records")
    ]
    rows += [(row["kind"], row["order_id"], row["known_on"], row["cleared_on"]) for row in defects.to_dict("records")]
    for kind, order_id, begins, ends in sorted(rows, key=lambda one: (str(one[2]), one[1], one[0])):
        stands = to_date(begins) <= comparison.as_of and (pd.isna(ends) or to_date(ends) > comparison.as_of)
        if order_id not in known and kind in _DEFECTS_OF_METRIC[comparison.rule.metric] and stands:
            yield _CandidateOrder("orders missing", order_id, kind, 1, 1)


_DEFECTS_OF_METRIC = {
    "order_defect_rate": _PART_CAUSES, "negative_feedback_rate": ("negative_feedback",),
    "a_to_z_claim_rate": ("a_to_z_claim",), "chargeback_rate": ("chargeback",),
    "refund_rate": ("refund",), "cancellation_rate": ("cancelled",),
    "late_shipment_rate": ("shipped_late",),
}  # fmt: skip


def _explain_without_orders(
    comparison: _Comparison,
    open_counted: int,
    open_at_fault: int,
    open_parts: dict[str, int] | None,
    used_order_ids: set[str],
) -> Iterator[Difference]:
    """Yield what is known of the rest without order ids: missing files of defects, scans, days without orders."""
    metric = METRICS[comparison.rule.metric]
    missing = [need for need in metric.required_evidence if need not in comparison.evidence]
    if open_at_fault > 0 and missing:
        from_parts = sum(
            max(0, (open_parts or {}).get(_DEFECT_OF_EVIDENCE[need], 0))
            for need in missing
            if need in _DEFECT_OF_EVIDENCE
        )
        many = min(open_at_fault, from_parts) if open_parts is not None else open_at_fault
        if many:
            yield Difference("not imported", 0, many)
            open_at_fault -= many
    if open_at_fault > 0 and metric.proxy == "tracking_not_scanned" and metric.proxy_unless not in comparison.evidence:
        yield Difference("no scans", 0, open_at_fault)
    silent = comparison.silent_days
    if open_counted > 0 and silent:
        yield Difference("orders missing", open_counted, 0)


_DEFECT_OF_EVIDENCE = {"feedback": "negative_feedback", "claims": "a_to_z_claim", "chargebacks": "chargeback"}


def _count_silent_days(comparison: _Comparison) -> int:
    """Count the days of the marketplace's window without an order in our files, where the others have three or more."""
    first, last = (int(number) for number in day_numbers(comparison.days))
    rows = comparison.orders.counting
    inside = np.isin(rows.channel, [CHANNEL_NUMBERS[name] for name in comparison.channels])
    clock = rows.clock[inside & (rows.clock >= first) & (rows.clock <= last)] - first
    per_day = np.bincount(clock, minlength=last - first + 1)
    busy = per_day[per_day > 0]
    return int((per_day == 0).sum()) if busy.size and busy.mean() >= 3 else 0
