"""The status of each measure of an account on a day, by the worst known figure: our count or the marketplace's own.

A measure is off target, at risk, cannot be judged or on target, in this order. One that cannot be judged is no
all-clear and has a reason: no file holds it, the files begin too late, end too early or leave days out, or the count
is a lower bound. The marketplace's newest figure is used together with ours while it is fresh; an older one only if
ours cannot be judged and the older one was off target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from healthkit.metrics.counts import Counts
from healthkit.metrics.definitions import METRICS
from healthkit.metrics.evidence import MAX_SILENT_DAYS, FileCoverage, evidence_for_denominator, evidence_for_rule
from healthkit.metrics.policy import JUDGED_STATUSES, UNJUDGED_STATUSES, Policy, Rule, worst_first_key
from healthkit.metrics.scores import day_numbers, select_intervals
from healthkit.schema.tables import METRIC_IDS, WHOLE_ACCOUNT

FRESH_DAYS = 7
"""Maximum age of a marketplace's figure that counts as fresh, from the day of its report. [days]"""
OURS, AMAZON = "ours", "amazon"
"""The two values that say whose figure decides a verdict, as in the column `case` of SCORES."""
ACCOUNT_WIDE_METRICS = ("policy_violations", "account_health_rating")
"""Metrics that our files hold mostly as figures from the marketplace's reports.

Our count becomes outdated with these reports.
"""

Row = Mapping[str, Any]
"""One row of SCORES as a mapping of plain values; days are dates."""


class RequiredEvidence(NamedTuple):
    """One kind of evidence that is missing: the days needed and the days that files cover.

    The known days are None if no file holds such evidence.
    """

    evidence: str
    first: date
    last: date
    known_first: date | None = None
    known_last: date | None = None


@dataclass(frozen=True)
class UnjudgedReason:
    """The reason why our count gives no verdict on a measure.

    `kind`: "no orders" (none in the window, no file is missing), "too few" (under the rule's minimum), "no target",
    "no file" (no file holds the evidence), "starts late", "ends early", "gap" (order files leave days out), "lower
    bound" (some evidence is missing or ends early).

    `orders_in_window` were placed in the days of the window; of `unknown_orders` no file holds enough to count them.
    `clean_orders_needed`: where the known orders are past the target, how many orders without a defect the missing days
    would have to hold. `since` and `until` bound the days that the order files cover, or the gap.
    """

    kind: str
    required_evidence: tuple[RequiredEvidence, ...] = ()
    orders_in_window: int = 0
    unknown_orders: int = 0
    clean_orders_needed: int | None = None
    missing_days: int = 0
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Verdict:
    """The status of one measure, and the figures on which it is based.

    `status` is one of `policy.STATUSES_WORST_FIRST`. `ours` and `theirs` are rows of SCORES, or None. `decided_by` is
    OURS, AMAZON or, without a verdict, empty. `rule` is None where the marketplace reports a metric that no rule
    requires. `figure_age` is the age of the marketplace's figure in days, `share_used` the used share of what the
    target allows.
    """

    account: str
    marketplace: str
    metric: str
    channel: str
    window: int
    as_of: date
    status: str
    decided_by: str
    ours: Row | None
    theirs: Row | None
    rule: Rule | None
    reason: UnjudgedReason | None
    figure_age: int | None
    share_used: float | None

    @property
    def is_enforced(self) -> bool:
        """Whether the rule names a consequence of missing its target."""
        return self.rule is not None and self.rule.is_enforced

    @property
    def is_reported_fresh(self) -> bool:
        """Whether the marketplace's figure is at most FRESH_DAYS old."""
        return self.figure_age is not None and self.figure_age <= FRESH_DAYS

    @property
    def decisive_row(self) -> Row:
        """The row of SCORES that decides the verdict.

        If none decides, it is our row, or the marketplace's if there is no row of ours.
        """
        row = self.theirs if self.decided_by == AMAZON or self.ours is None else self.ours
        assert row is not None, "a verdict has one of the two"
        return row

    @property
    def worst_first_key(self) -> tuple[Any, ...]:
        """The key that sorts measures from worst to best.

        The first item is the position of the status.
        """
        is_advisory = self.rule is None or self.rule.is_advisory
        is_past_limit = self.reason is not None and self.reason.clean_orders_needed is not None
        status, *rest = worst_first_key(self.status, is_advisory, self.share_used)
        return status, not is_past_limit, *rest, METRIC_IDS.index(self.metric), self.channel, -self.window


class AccountVerdict(NamedTuple):
    """The status of one account in one marketplace, and the verdicts on its measures, worst first.

    `enforced_unjudged` are the enforced measures that cannot be judged; `not_covered` the ids of the metrics that no
    rule enforces and no file holds.
    """

    account: str
    marketplace: str
    as_of: date
    status: str
    measures: list[Verdict]
    enforced_unjudged: list[Verdict]
    not_covered: list[str]

    def missing_evidence(self, measures: Sequence[Verdict] | None = None) -> list[MissingEvidence]:
        """Return the evidence that the given measures lack, by default the enforced measures.

        By default, evidence for measures without a verdict comes first. The days of evidence that several measures lack
        are joined.
        """
        if measures is None:
            judged = [one for one in self.measures if one.is_enforced and one not in self.enforced_unjudged]
            measures = [*self.enforced_unjudged, *judged]
        by_evidence: dict[str, MissingEvidence] = {}
        for one in measures:
            for required in _required_evidence(one):
                earlier = by_evidence.get(required.evidence)
                by_evidence[required.evidence] = _merge_required(earlier, required, one.metric)
        return list(by_evidence.values())


FindReason = Callable[[Row, Rule | None], UnjudgedReason | None]
"""A function that returns the reason why one of our rows gives no verdict."""


class MissingEvidence(NamedTuple):
    """Evidence that is missing: days needed, days available, metrics that need it, and kind of file available."""

    evidence: str
    first: date
    last: date
    have_first: date | None
    have_last: date | None
    measures: tuple[str, ...]
    have_kind: str


def newer_orders(verdict: AccountVerdict, begins_on: date, ends_on: date, until: date) -> list[MissingEvidence]:
    """Return the days after a verdict that no order file covers; none for a verdict as of the day asked for, `until`.

    The order files reach from `begins_on` to `ends_on`. They say nothing about measures of the whole account: messages,
    violations and the rating.
    """
    of_orders = (one.metric for one in verdict.measures if one.is_enforced and one.channel != WHOLE_ACCOUNT)
    metrics = tuple(dict.fromkeys(of_orders))
    if verdict.as_of >= until or not metrics:
        return []
    return [MissingEvidence("orders", min(ends_on, verdict.as_of), until, begins_on, ends_on, metrics, "all_orders")]


FILE_KIND_OF_EVIDENCE = {
    "orders": "all_orders", "feedback": "feedback", "promises": "order_report", "delivery_promises": "order_report",
}  # fmt: skip
"""The kind of file that usually holds each kind of evidence."""
EVIDENCE_NAMING_ORDERS = {"cancellation_rate": ("cancellers",)}
"""Evidence that names the orders at fault, by metric.

The rate of such a metric needs only orders.
"""
EVIDENCE_REPLACING_ASSUMPTION = {"confirmations_from_list": "confirmation_times"}
"""Evidence that makes an assumption unnecessary, by assumption."""


def _required_evidence(verdict: Verdict) -> list[RequiredEvidence]:
    """Return what one measure lacks; if the marketplace's figure is worse than ours, what would name its orders."""
    if verdict.rule is None or (verdict.rule.points is not None and verdict.decided_by == AMAZON):
        return []
    if verdict.reason is not None:
        return list(verdict.reason.required_evidence)
    theirs, ours = verdict.theirs, verdict.ours
    if ours is None:
        return _evidence_without_orders(verdict)
    first_day, kinds = ours["first_day"], _evidence_for_estimate(ours)
    if not kinds and verdict.decided_by == AMAZON and theirs is not None and ours["at_fault"] < theirs["at_fault"]:
        kinds = evidence_for_rule(verdict.rule) or EVIDENCE_NAMING_ORDERS.get(verdict.metric, ())
        first_day = theirs["first_day"]
    return [RequiredEvidence(kind, first_day, verdict.as_of) for kind in kinds]


def _evidence_without_orders(verdict: Verdict) -> list[RequiredEvidence]:
    """Return what would show the orders of a figure of the marketplace's, where the files have none of its channel."""
    theirs, rule = verdict.theirs, verdict.rule
    if rule is None or theirs is None or not theirs["counted"] or verdict.channel == WHOLE_ACCOUNT:
        return []
    at_fault = evidence_for_rule(rule) or EVIDENCE_NAMING_ORDERS.get(verdict.metric, ())
    kinds = ("orders", *(at_fault if verdict.status in ("off target", "at risk") else ()))
    return [RequiredEvidence(kind, theirs["first_day"], verdict.as_of) for kind in kinds]


def _evidence_for_estimate(row: Row) -> tuple[str, ...]:
    """Return the kinds of evidence that would turn our estimate into a count."""
    kinds = []
    for assumption in str(row["proxy"] or "").split("+"):
        if assumption in EVIDENCE_REPLACING_ASSUMPTION:
            kinds.append(EVIDENCE_REPLACING_ASSUMPTION[assumption])
        elif assumption.endswith("_not_imported"):
            kinds.append(assumption.removesuffix("_not_imported"))
    return tuple(kinds)


def _merge_required(earlier: MissingEvidence | None, required: RequiredEvidence, metric: str) -> MissingEvidence:
    """Return missing evidence with the days and the metric of one more measure that lacks it."""
    if earlier is None:
        kind = FILE_KIND_OF_EVIDENCE.get(required.evidence, "") if required.known_last is not None else ""
        return MissingEvidence(*required, (metric,), kind)
    measures = earlier.measures if metric in earlier.measures else (*earlier.measures, metric)
    return earlier._replace(
        first=min(earlier.first, required.first), last=max(earlier.last, required.last), measures=measures
    )


def judge_account(
    rules: Iterable[Rule],
    ours: Sequence[Row],
    theirs: Sequence[Row],
    as_of: date,
    account_key: tuple[str, str],
    find_reason: FindReason = lambda row, rule: None,
) -> AccountVerdict:
    """Return the verdict on one (account, marketplace) on a day, by the rules in force on that day.

    `ours` and `theirs` are its rows of SCORES on that day, those of the marketplace with the day of their report
    (`reported_on`, see `add_report_days`). `find_reason` returns why one of our rows gives no verdict
    (see `ReasonFinder.find`).
    """
    in_force = {rule.id: rule for rule in rules}
    own = [row for row in ours if row["rule"] not in in_force or in_force[row["rule"]].part_of is None]
    verdicts = [
        _judge_measure(our_row, their_row, rule, find_reason, as_of, account_key)
        for our_row, their_row, rule in _pair_rows(own, theirs, in_force)
    ]
    measures = sorted(verdicts, key=lambda one: one.worst_first_key)
    unjudged = _enforced_unjudged(measures)
    return AccountVerdict(
        *account_key, as_of, _account_status(measures, unjudged), measures, unjudged, _metrics_not_covered(measures)
    )


def judge_from_files(
    policy: Policy,
    ours: Sequence[Row],
    theirs: Sequence[Row],
    as_of: date,
    account_key: tuple[str, str],
    counts: Counts,
    files: FileCoverage,
) -> AccountVerdict:
    """Return the verdict of `judge_account`, with reasons from the counts and the files of the account."""
    finder = ReasonFinder(counts, files, account_key, policy)
    return judge_account(policy.rules_in_force(as_of), ours, theirs, as_of, account_key, finder.find)


def _metrics_not_covered(measures: Sequence[Verdict]) -> list[str]:
    """Return the metrics that no rule enforces and no file holds."""
    covered = {one.metric for one in measures if one.is_enforced or not _has_no_source(one)}
    return list(dict.fromkeys(one.metric for one in measures if one.metric not in covered))


def _has_no_source(verdict: Verdict) -> bool:
    """Return whether neither a file nor the marketplace holds a measure: nothing counts, all evidence is missing."""
    if verdict.theirs is not None or verdict.ours is None or verdict.status != "no data":
        return False
    if verdict.reason is not None and verdict.reason.kind == "no file":
        return True
    assumptions = str(verdict.ours["proxy"] or "").split("+")
    return all(assumption.endswith("_not_imported") for assumption in assumptions)


def _account_status(measures: Sequence[Verdict], enforced_unjudged: Sequence[Verdict]) -> str:
    """Return the worst status of an account; an enforced measure that cannot be judged outweighs "on target"."""
    statuses = {one.status for one in measures}
    for status in ("off target", "at risk"):
        if status in statuses:
            return status
    return "cannot be judged" if enforced_unjudged or "on target" not in statuses else "on target"


def _enforced_unjudged(measures: Sequence[Verdict]) -> list[Verdict]:
    """Return the enforced measures without a verdict.

    A fresh figure of the marketplace covers all windows of its measure.
    """
    covered = {
        (one.metric, one.channel)
        for one in measures
        if one.is_reported_fresh and one.theirs is not None and one.theirs["status"] in JUDGED_STATUSES
    }
    return [
        one for one in measures
        if one.is_enforced and one.status in UNJUDGED_STATUSES and (one.metric, one.channel) not in covered
    ]  # fmt: skip


def _pair_rows(
    ours: Sequence[Row], theirs: Sequence[Row], rules: Mapping[str, Rule]
) -> list[tuple[Row | None, Row | None, Rule | None]]:
    """Return each of our rows with the marketplace's figure of the same measure in the nearest window, and the rule."""
    newest: dict[tuple[str, str], Row] = {}
    for row in sorted(theirs, key=lambda row: (row["rule"], row["window"])):
        newest[row["metric"], _judged_channel(row, rules.values())] = row
    windows: dict[tuple[str, str], list[int]] = {}
    for row in ours:
        windows.setdefault((row["metric"], row["channel"]), []).append(int(row["window"]))
    pairs: list[tuple[Row | None, Row | None, Rule | None]] = []
    for row in ours:
        key = row["metric"], row["channel"]
        reported = newest.get(key)
        nearest = reported and min(windows[key], key=lambda days: (abs(days - reported["window"]), days))
        pairs.append((row, reported if int(row["window"]) == nearest else None, rules.get(row["rule"])))
    for key, row in newest.items():
        if key not in windows:
            rule = next((rule for rule in rules.values() if rule.metric == key[0] and key[1] in rule.channels), None)
            if rule is None or rule.part_of is None:
                pairs.append((None, row, rule))
    return pairs


def _judged_channel(row: Row, rules: Iterable[Rule]) -> str:
    """Return the channel of a reported figure; a figure of all orders stands for the channel that the rule judges."""
    if row["channel"] != WHOLE_ACCOUNT:
        return str(row["channel"])
    channels = next((rule.channels for rule in rules if rule.metric == row["metric"]), (WHOLE_ACCOUNT,))
    return WHOLE_ACCOUNT if WHOLE_ACCOUNT in channels else channels[0]


def _judge_measure(
    ours: Row | None,
    theirs: Row | None,
    rule: Rule | None,
    find_reason: FindReason,
    as_of: date,
    account_key: tuple[str, str],
) -> Verdict:
    """Return the verdict by the worse of both figures, of those that count."""
    age = None if theirs is None else (as_of - theirs["reported_on"]).days
    is_fresh = age is not None and age <= FRESH_DAYS
    judged: dict[str, Row] = {}
    if ours is not None and ours["status"] in JUDGED_STATUSES and _our_figure_counts(ours, theirs, is_fresh):
        judged[OURS] = ours
    their_statuses = JUDGED_STATUSES if is_fresh else ("off target",) if not judged else ()
    if theirs is not None and theirs["status"] in their_statuses:
        judged[AMAZON] = theirs
    if rule is not None and rule.points is not None and AMAZON in judged:
        judged.pop(OURS, None)  # Ours is an estimate of the marketplace's own rating.
    reason = None if ours is None or OURS in judged else find_reason(ours, rule)
    # Of two figures with the same status ours decides: it is the first.
    decided_by = min(judged, key=lambda name: JUDGED_STATUSES.index(judged[name]["status"]), default="")
    status = str(judged[decided_by]["status"]) if judged else _unjudged_status(ours, reason)
    named: Row = ours or theirs or {}
    return Verdict(
        *account_key, named["metric"], named["channel"], int(named["window"]), as_of, status, decided_by, ours, theirs,
        rule, reason, age, _share_used(judged.get(decided_by, named), rule),
    )  # fmt: skip


def _our_figure_counts(ours: Row, theirs: Row | None, is_fresh: bool) -> bool:
    """Return whether our figure counts; one that rests on the marketplace's reports ages with them."""
    return ours["metric"] not in ACCOUNT_WIDE_METRICS or theirs is None or is_fresh or ours["status"] != "on target"


def _unjudged_status(ours: Row | None, reason: UnjudgedReason | None) -> str:
    """Return the status of a measure without a verdict."""
    if ours is None or (reason is not None and reason.kind == "no orders"):
        # Without a row of ours, the files hold no order of the channel.
        return "no orders"
    # A judged row of ours is not used when it rests on an old "on target" of the marketplace.
    return "no data" if ours["status"] in JUDGED_STATUSES else str(ours["status"])


def _share_used(row: Row, rule: Rule | None) -> float | None:
    """Return the used share of what the target of a rate allows; None for other figures."""
    if rule is None or rule.target is None or METRICS[row["metric"]].figure != "rate":
        return None
    return rule.target.share_used(row["counted"], row["at_fault"])


class ReasonFinder:
    """Finds the reason why our count gives no verdict, from the files and counts of one account."""

    def __init__(self, counts: Counts, files: FileCoverage, account_key: tuple[str, str], policy: Policy) -> None:
        self._counts, self._files, self._account_key = counts, files, account_key
        self._rules_by_order_day = [rule for rule in policy.rules if rule.clock == "ordered_on" and rule.points is None]

    def find(self, row: Row, rule: Rule | None) -> UnjudgedReason:
        """Return the reason why one of our rows gives no verdict."""
        status, files = str(row["status"]), self._files
        if status in ("no target", "too few") or rule is None:
            return UnjudgedReason(status)
        first, last, channel = row["first_day"], row["last_day"], row["channel"]
        unknown = self.count_unknown_orders(row, rule)
        required = tuple(self._find_required(row, rule, unknown))
        orders = 0 if channel == WHOLE_ACCOUNT else self.count_orders(channel, first, last)
        reason = UnjudgedReason("lower bound", required, orders, unknown, since=files.begins_on, until=files.heard_on)
        if status == "short history":
            return self._explain_short_history(row, rule, reason)
        return reason if row["counted"] else self._explain_nothing_counted(row, reason)

    def _explain_short_history(self, row: Row, rule: Rule, reason: UnjudgedReason) -> UnjudgedReason:
        """Return where the order files do not cover the window: they begin late, end early or leave days out."""
        files, first, last = self._files, row["first_day"], row["last_day"]
        reason = self._add_order_files(row, replace(reason, clean_orders_needed=_clean_orders_needed(row, rule)))
        if files.begins_on > first:
            return replace(reason, kind="starts late", missing_days=(files.begins_on - first).days)
        gap = next((gap for gap in files.gaps if gap[0] <= last and gap[1] >= first), None)
        if gap is None:
            return replace(reason, kind="ends early", missing_days=(last - files.heard_on).days)
        missing_days = (min(gap[1], last) - max(gap[0], first)).days + 1
        return replace(reason, kind="gap", missing_days=missing_days, since=gap[0], until=gap[1])

    def _explain_nothing_counted(self, row: Row, reason: UnjudgedReason) -> UnjudgedReason:
        """Return why nothing counts: no file holds it, the files end before it or begin after it, or no orders."""
        files, required = self._files, reason.required_evidence
        if files.heard_on < row["first_day"]:
            return self._add_order_files(row, replace(reason, kind="ends early"))
        if files.begins_on > row["last_day"]:
            return self._add_order_files(row, replace(reason, kind="starts late"))
        known_until = [one.known_last for one in required if one.known_last is not None]
        if len(known_until) < len(required):
            return replace(reason, kind="no file", since=None, until=None)
        if required:
            return replace(reason, kind="ends early", since=None, until=min(known_until))
        if reason.unknown_orders:
            return replace(reason, kind="no file", since=None, until=None)
        return UnjudgedReason("no orders")

    def _add_order_files(self, row: Row, reason: UnjudgedReason) -> UnjudgedReason:
        """Return a reason that requires the order files of the window first."""
        known = self._files.begins_on, self._files.heard_on
        orders = RequiredEvidence("orders", row["first_day"], row["last_day"], *known)
        return replace(reason, required_evidence=(orders, *reason.required_evidence))

    def _find_required(self, row: Row, rule: Rule, unknown_orders: int) -> Iterable[RequiredEvidence]:
        """Yield the kinds of evidence that do not cover the window of a row."""
        files, first, last, as_of = self._files, row["first_day"], row["last_day"], row["as_of"]
        tolerated = timedelta(MAX_SILENT_DAYS)
        for kind in evidence_for_rule(rule):
            span = files.reach.get(kind)
            if kind in files.evidence and kind in evidence_for_denominator(rule):
                is_short = span is not None and (span.last + tolerated < last or span.first - tolerated > first)
                is_missing = unknown_orders > 0 and is_short
            else:
                is_missing = files.lacks_evidence(kind, first, as_of)
            if is_missing:
                known = (span.first, span.last) if span is not None and kind in files.evidence else (None, None)
                yield RequiredEvidence(kind, first, as_of, *known)

    def count_orders(self, channel: str, first: date, last: date) -> int:
        """Return how many orders of a channel were placed from `first` to `last`, according to the files."""
        counted = [0]
        for rule in self._rules_by_order_day:
            if channel in rule.channels:
                intervals = select_intervals(self._counts, rule, *self._account_key, channel).counting_intervals
                counted.append(int(intervals.weight[_is_between(intervals.clock, first, last)].sum()))
        return max(counted)

    def count_unknown_orders(self, row: Row, rule: Rule) -> int:
        """Return how many orders in the window of a row cannot be counted because no file holds enough."""
        account, marketplace = self._account_key
        _, _, rows = self._counts.rows_where(
            metric=rule.metric, basis=str(rule.basis), account=account, marketplace=marketplace, channel=row["channel"]
        )
        orders = self._counts.unknown.iloc[rows]
        is_inside = _is_between(day_numbers(orders["clock_day"]), row["first_day"], row["last_day"])
        is_inside &= day_numbers(orders["known_on"]) <= day_numbers([row["as_of"]])[0]
        return int(orders["counted"].to_numpy()[is_inside].sum())


def _clean_orders_needed(row: Row, rule: Rule) -> int | None:
    """Return how many more orders without a defect would bring a row back on target; None if it is, or none would."""
    if rule.target is None or not row["counted"] or rule.target.is_met(row["counted"], row["at_fault"]):
        return None
    min_counted = rule.target.min_counted(int(row["at_fault"]))
    return None if min_counted is None else max(0, min_counted - int(row["counted"]))


def _is_between(days: np.ndarray, first: date, last: date) -> np.ndarray:
    """Return which day numbers are from `first` to `last`."""
    begin, end = day_numbers([first, last])
    return (days >= begin) & (days <= end)


def add_report_days(rows: Iterable[Row]) -> list[Row]:
    """Add the day of the report (`reported_on`) to rows of the marketplace's own figures.

    The day is read from `rule`.
    """
    return [{**row, "reported_on": date.fromisoformat(str(row["rule"]).rpartition("@")[2])} for row in rows]


def last_day_known(files: FileCoverage, reported_rows: Iterable[Row], day: date) -> date:
    """Return the last day, at most `day`, that the files or the marketplace's reports cover."""
    last_report = max((row["reported_on"] for row in reported_rows), default=files.heard_on)
    return min(day, max(files.heard_on, last_report))
