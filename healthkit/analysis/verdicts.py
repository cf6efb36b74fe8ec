"""Where each measure of an account stands on a day, by the worst that is known: our count, or the marketplace's own
figure.

A verdict is off target, at risk, cannot be judged or on target, in this order. What cannot be judged is no all-clear,
and says why: no file tells of it, the files end too early, begin too late or leave days out, or what they hold is a
lower bound. The marketplace's own newest figure counts beside ours where it is fresh; an older one counts where ours
cannot be judged and it was off target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from healthkit.metrics.counts import Counts
from healthkit.metrics.definitions import METRICS
from healthkit.metrics.evidence import MAX_SILENT_DAYS, FileCoverage, evidence_for_denominator, evidence_for_rule
from healthkit.metrics.policy import JUDGED_STATUSES, UNJUDGED_STATUSES, Policy, Rule, Target, worst_first_key
from healthkit.metrics.scores import day_numbers, select_intervals
from healthkit.schema.tables import METRIC_IDS, WHOLE_ACCOUNT

FRESH_DAYS = 7
"""A figure of the marketplace is fresh until so many days after the day of its report. [days]"""
OURS, AMAZON = "ours", "amazon"
"""Whose figure a verdict rests on, by the case of SCORES."""
ACCOUNT_WIDE_METRICS = ("policy_violations", "account_health_rating")
"""Measures that our files mostly know from the marketplace's own reports: they age with these."""

Row = Mapping[str, Any]
"""One row of SCORES as plain values, days as dates."""


class RequiredEvidence(NamedTuple):
    """One kind of evidence that is missing: the days needed, and those on hand, None where there are none."""

    evidence: str
    first: date
    last: date
    known_first: date | None = None
    known_last: date | None = None


@dataclass(frozen=True)
class UnjudgedReason:
    """Why our count gives no verdict.

    `kind`: "no orders" (in the window; nothing is wrong with the files), "too few" (the rule judges from more on),
    "no target", "no file" (no file tells of it), "starts late", "ends early", "gap" (order files leave days out),
    "lower bound" (some evidence is missing or ends early). `orders` were placed in the days of the window, of
    `unknown` no file says enough; `more` is how many orders without a defect the missing days would have to hold for
    the target to be met, where what is known is past it. `since`, `until` are the days that the orders reach from and
    to, or the gap.
    """

    kind: str
    needs: tuple[RequiredEvidence, ...] = ()
    orders: int = 0
    unknown: int = 0
    more: int | None = None
    missing_days: int = 0
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Verdict:
    """Where one measure stands: `status` is one of `policy.STATUSES_WORST_FIRST`, `whose` figure it rests on.

    `ours` and `theirs` are rows of SCORES, None where there is none; `age` is how many days old the marketplace's
    figure is. `rule` is None where the marketplace reports what no rule asks for.
    """

    account: str
    marketplace: str
    metric: str
    channel: str
    window: int
    as_of: date
    status: str
    whose: str
    ours: Row | None
    theirs: Row | None
    rule: Rule | None
    reason: UnjudgedReason | None
    age: int | None
    used: float | None

    @property
    def is_enforced(self) -> bool:
        """Whether the rule names a consequence."""
        return self.rule is not None and self.rule.is_enforced

    @property
    def is_reported_fresh(self) -> bool:
        """Whether the marketplace's figure is fresh."""
        return self.age is not None and self.age <= FRESH_DAYS

    @property
    def shown(self) -> Row:
        """The row of SCORES that the verdict rests on, or ours where it rests on none."""
        row = self.theirs if self.whose == AMAZON or self.ours is None else self.ours
        assert row is not None, "a verdict has one of the two"
        return row

    @property
    def rank(self) -> tuple[Any, ...]:
        """The sort key of "worst first"."""
        advised = self.rule is None or self.rule.is_advisory
        past_limit = self.reason is not None and self.reason.more is not None
        place = METRIC_IDS.index(self.metric)
        status, *rest = worst_first_key(self.status, advised, self.used)
        return status, not past_limit, *rest, place, self.channel, -self.window


class AccountVerdict(NamedTuple):
    """Where one account stands in one marketplace: its worst status, and its measures, worst first.

    `enforced_unjudged` are the enforced measures that cannot be judged; `not_covered` the metrics that no rule enforces
    and no file tells of.
    """

    account: str
    marketplace: str
    as_of: date
    status: str
    measures: list[Verdict]
    enforced_unjudged: list[Verdict]
    not_covered: list[str]

    def needs(self, measures_asked: Sequence[Verdict] | None = None) -> list[MissingEvidence]:
        """The evidence that is missing for the enforced measures, or for some: for those that cannot be judged first.

        Of several measures that lack the same evidence the days are joined.
        """
        by_evidence: dict[str, MissingEvidence] = {}
        for one in self._measures_without_files() if measures_asked is None else measures_asked:
            for need in _required_evidence(one):
                by_evidence[need.evidence] = _merge_required(by_evidence.get(need.evidence), need, one.metric)
        return list(by_evidence.values())

    def _measures_without_files(self) -> list[Verdict]:
        """The enforced measures for which files are missing: those without a verdict, then those judged by Amazon's."""
        enforced = [one for one in self.measures if one.is_enforced]
        return [*self.enforced_unjudged, *(one for one in enforced if one not in self.enforced_unjudged)]


FindReason = Callable[[Row, Rule | None], UnjudgedReason | None]
"""What says why a row of ours gives no verdict."""


class MissingEvidence(NamedTuple):
    """Evidence that is missing: as `Need`, with the metrics that it would serve and the kind of file on hand."""

    evidence: str
    first: date
    last: date
    have_first: date | None
    have_last: date | None
    measures: tuple[str, ...]
    have_kind: str


FILE_KIND_OF_EVIDENCE = {
    "orders": "all_orders", "feedback": "feedback", "promises": "order_report", "delivery_promises": "order_report",
}  # fmt: skip
"""The kind of file that mostly brought what is on hand of some evidence."""
EVIDENCE_NAMING_ORDERS = {"cancellation_rate": ("cancellers",)}
"""The evidence that names the orders at fault of a measure that rests on orders alone, by metric."""


def _required_evidence(verdict: Verdict) -> list[RequiredEvidence]:
    """What one measure lacks; where the marketplace's figure is worse than ours, what would name its orders."""
    if verdict.rule is None or (verdict.rule.points is not None and verdict.whose == AMAZON):
        return []
    if verdict.reason is not None:
        return list(verdict.reason.needs)
    theirs, ours = verdict.theirs, verdict.ours
    estimated = _evidence_for_estimate(ours)
    if ours is not None and estimated:
        return [RequiredEvidence(word, ours["first_day"], verdict.as_of) for word in estimated]
    if verdict.whose != AMAZON or theirs is None or ours is None or ours["at_fault"] >= theirs["at_fault"]:
        return []
    words = evidence_for_rule(verdict.rule) or EVIDENCE_NAMING_ORDERS.get(verdict.metric, ())
    return [RequiredEvidence(word, theirs["first_day"], verdict.as_of) for word in words]


EVIDENCE_REPLACING_ASSUMPTION = {"confirmations_from_list": "confirmation_times"}
"""The evidence that would take the place of an assumption, by the assumption."""


def _evidence_for_estimate(row: Row | None) -> list[str]:
    """The evidence without which our figure is an estimate, where a file would tell it."""
    words = "" if row is None else str(row["proxy"] or "")
    evidence = (
        EVIDENCE_REPLACING_ASSUMPTION.get(word, word.removesuffix("_not_imported")) for word in words.split("+") if word
    )
    return [
        word for word in evidence if word in EVIDENCE_REPLACING_ASSUMPTION.values() or f"{word}_not_imported" in words
    ]


def _merge_required(earlier: MissingEvidence | None, required: RequiredEvidence, metric: str) -> MissingEvidence:
    """One more need of some evidence, its days joined with those before."""
    kind = FILE_KIND_OF_EVIDENCE.get(required.evidence, "") if required.known_last is not None else ""
    if earlier is None:
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
    """The verdict on one account in one marketplace (`where`) as of a day, by the rules in force on it.

    `ours` and `theirs` are its rows of SCORES on that day, those of the marketplace with the day of their report as
    `reported_on`; `why` says why one of ours gives no verdict (see `Evidence.reason`).
    """
    in_force = {rule.id: rule for rule in rules}
    own = [row for row in ours if row["rule"] not in in_force or in_force[row["rule"]].part_of is None]
    made = [
        _judge_measure(our_row, given, rule, find_reason, as_of, account_key)
        for our_row, given, rule in _pair_rows(own, theirs, in_force)
    ]
    measures = sorted(made, key=lambda one: one.rank)
    unjudged = _enforced_unjudged(measures)
    return AccountVerdict(
        *account_key, as_of, _account_status(measures, unjudged), measures, unjudged, _metrics_not_covered(measures)
    )


def _metrics_not_covered(measures: Sequence[Verdict]) -> list[str]:
    """The metrics that no rule enforces and no file tells of."""
    named = {one.metric for one in measures if one.is_enforced or not _has_no_source(one)}
    return list(dict.fromkeys(one.metric for one in measures if one.metric not in named))


def _has_no_source(verdict: Verdict) -> bool:
    """Whether neither a file nor the marketplace tells of a measure: nothing is counted, for want of files."""
    if verdict.theirs is not None or verdict.ours is None or verdict.status != "no data":
        return False
    missing = str(verdict.ours["proxy"] or "").split("+")
    return all(word.endswith("_not_imported") for word in missing)


def _account_status(measures: Sequence[Verdict], enforced_unjudged: Sequence[Verdict]) -> str:
    """The worst status of an account's measures: what an enforced one lacks outweighs all that is on target."""
    worst = [status for status in ("off target", "at risk") if any(one.status == status for one in measures)]
    if worst:
        return worst[0]
    judged = any(one.status == "on target" for one in measures)
    return "cannot be judged" if enforced_unjudged or not judged else "on target"


def _enforced_unjudged(measures: Sequence[Verdict]) -> list[Verdict]:
    """The enforced measures without a verdict; a fresh figure of the marketplace covers all windows of its measure."""
    covered = {
        (one.metric, one.channel)
        for one in measures
        if one.is_reported_fresh and one.theirs is not None and _is_judged(one.theirs)
    }
    return [
        one for one in measures
        if one.is_enforced and one.status in UNJUDGED_STATUSES and (one.metric, one.channel) not in covered
    ]  # fmt: skip


def _is_judged(row: Row) -> bool:
    return row["status"] in JUDGED_STATUSES


def _pair_rows(
    ours: Sequence[Row], theirs: Sequence[Row], rules: Mapping[str, Rule]
) -> list[tuple[Row | None, Row | None, Rule | None]]:
    """Each row of ours with the marketplace's figure of the same measure, in the window nearest to it."""
    newest: dict[tuple[str, str], Row] = {}
    for row in sorted(theirs, key=lambda row: (row["rule"], row["window"])):
        newest[row["metric"], _judged_channel(row, rules.values())] = row
    pairs: list[tuple[Row | None, Row | None, Rule | None]] = []
    windows: dict[tuple[str, str], list[int]] = {}
    for row in ours:
        windows.setdefault((row["metric"], row["channel"]), []).append(int(row["window"]))
    for row in ours:
        key = row["metric"], row["channel"]
        given = newest.get(key)
        nearest = given and min(windows[key], key=lambda days: (abs(days - given["window"]), days))
        pairs.append((row, given if given and int(row["window"]) == nearest else None, rules.get(row["rule"])))
    for key, row in newest.items():
        if key not in windows:
            rule = next((rule for rule in rules.values() if rule.metric == key[0] and key[1] in rule.channels), None)
            if rule is None or rule.part_of is None:
                pairs.append((None, row, rule))
    return pairs


def _judged_channel(row: Row, rules: Iterable[Rule]) -> str:
    """The channel of a figure: one of all orders together stands for the channel that the rule judges."""
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
    """The worse of both figures; of theirs what is fresh, or was off target where ours gives no verdict."""
    age = None if theirs is None else (as_of - theirs["reported_on"]).days
    fresh = age is not None and age <= FRESH_DAYS
    known: dict[str, str] = {}
    if ours is not None and ours["status"] in JUDGED_STATUSES and _our_figure_counts(ours, theirs, fresh):
        known[OURS] = ours["status"]
    counts = fresh or (not known and theirs is not None and theirs["status"] == "off target")
    if theirs is not None and theirs["status"] in JUDGED_STATUSES and counts:
        known[AMAZON] = theirs["status"]
    if rule is not None and rule.points is not None and AMAZON in known:
        known.pop(OURS, None)  # Ours is an estimate of the marketplace's own rating.
    reason = None if ours is None or OURS in known else find_reason(ours, rule)
    row: Row = ours or theirs or {}
    if known:
        whose = min(known, key=lambda name: (JUDGED_STATUSES.index(known[name]), name != OURS))
        status, row = known[whose], ours if whose == OURS else theirs or {}  # type: ignore[assignment]
    else:
        whose = ""
        status = _unjudged_status(ours, reason)
    return Verdict(
        *account_key, row["metric"], row["channel"] if ours is None else ours["channel"],
        int(row["window"] if ours is None else ours["window"]), as_of, status, whose, ours, theirs, rule, reason, age,
        _share_used(row, rule),
    )  # fmt: skip


def _our_figure_counts(ours: Row, theirs: Row | None, fresh: bool) -> bool:
    """Whether our figure stands by itself: what we know from the marketplace's reports ages with them."""
    return ours["metric"] not in ACCOUNT_WIDE_METRICS or theirs is None or fresh or ours["status"] != "on target"


def _unjudged_status(ours: Row | None, reason: UnjudgedReason | None) -> str:
    """The status of a measure without a verdict."""
    if ours is None:
        # Our files hold no order of the channel, and the marketplace says nothing that still stands.
        return "no orders"
    if reason is not None and reason.kind == "no orders":
        return "no orders"
    # Good news of the marketplace's that is too old stands for none.
    return "no data" if ours["status"] in JUDGED_STATUSES else str(ours["status"])


def _share_used(row: Row, rule: Rule | None) -> float | None:
    """The share used up of what the target of a figure allows."""
    if rule is None or rule.target is None or METRICS[row["metric"]].figure != "rate":
        return None
    return rule.target.share_used(row["counted"], row["at_fault"])


class ReasonFinder:
    """What the files of one account say of the orders of a window, asked for where a row gives no verdict."""

    def __init__(self, counts: Counts, files: FileCoverage, account_key: tuple[str, str], policy: Policy) -> None:
        self._counts, self._files, self._where = counts, files, account_key
        self._placed = [rule for rule in policy.rules if rule.clock == "ordered_on" and rule.points is None]

    def reason(self, row: Row, rule: Rule | None) -> UnjudgedReason:
        """Why a row of ours gives no verdict."""
        files, first, last, as_of = self._files, row["first_day"], row["last_day"], row["as_of"]
        status = str(row["status"])
        if status in ("no target", "too few") or rule is None:
            return UnjudgedReason(status)
        orders = 0 if row["channel"] == WHOLE_ACCOUNT else self.orders(row["channel"], first, last)
        unknown = self.unknown(row, rule, as_of)
        more, missing = self._count_clean_orders_needed(row, rule), 0
        span = {"since": files.begins_on, "until": files.heard_on}
        needs = tuple(self._needs(rule, first, last, as_of, unknown))
        if status == "short history":
            gap = next((gap for gap in files.gaps if gap[0] <= last and gap[1] >= first), None)
            kind = "starts late" if files.begins_on > first else "ends early" if gap is None else "gap"
            if kind == "starts late":
                missing = (files.begins_on - first).days
            elif kind == "ends early":
                missing = (last - files.heard_on).days
            elif gap is not None:
                missing = (min(gap[1], last) - max(gap[0], first)).days + 1
                span = dict(zip(("since", "until"), gap, strict=True))
            needs = (RequiredEvidence("orders", first, last, files.begins_on, files.heard_on), *needs)
            return UnjudgedReason(kind, needs, orders, unknown, more, missing, **span)
        if not row["counted"]:
            return self._explain_nothing_counted(row, needs, orders, unknown)
        return UnjudgedReason("lower bound", needs, orders, unknown, None, 0, **span)

    def _explain_nothing_counted(
        self, row: Row, needs: tuple[RequiredEvidence, ...], orders: int, unknown: int
    ) -> UnjudgedReason:
        """Why nothing is counted: no file tells, the files end earlier or begin later, or there were no orders."""
        files, first, last = self._files, row["first_day"], row["last_day"]
        if files.heard_on < first or files.begins_on > last:
            kind = "ends early" if files.heard_on < first else "starts late"
            need = RequiredEvidence("orders", first, last, files.begins_on, files.heard_on)
            return UnjudgedReason(kind, (need, *needs), orders, unknown, None, 0, files.begins_on, files.heard_on)
        if any(need.known_last is None for need in needs):
            return UnjudgedReason("no file", needs, orders, unknown)
        if unknown or needs:
            until = min((need.known_last for need in needs if need.known_last is not None), default=None)
            return UnjudgedReason("ends early" if needs else "no file", needs, orders, unknown, None, 0, None, until)
        return UnjudgedReason("no orders")

    def _needs(self, rule: Rule, first: date, last: date, as_of: date, unknown: int) -> Iterable[RequiredEvidence]:
        """The kinds of evidence that do not cover a window."""
        files = self._files
        for word in evidence_for_rule(rule):
            reach = files.reach.get(word)
            known = (None, None) if reach is None else (reach.first, reach.last)
            if word not in files.evidence:
                yield RequiredEvidence(word, first, as_of)
            elif word in evidence_for_denominator(rule):
                few = timedelta(MAX_SILENT_DAYS)
                if unknown and reach is not None and (reach.last + few < last or reach.first - few > first):
                    yield RequiredEvidence(word, first, as_of, *known)
            elif files.lacks_evidence(word, first, as_of):
                yield RequiredEvidence(word, first, as_of, *known)

    def _count_clean_orders_needed(self, row: Row, rule: Rule) -> int | None:
        """How many more orders without a defect would bring counts that are past the target back under it."""
        target: Target | None = rule.target
        if target is None or not row["counted"] or target.is_met(row["counted"], row["at_fault"]):
            return None
        least = target.min_counted(int(row["at_fault"]))
        return None if least is None else max(0, least - int(row["counted"]))

    def orders(self, channel: str, first: date, last: date) -> int:
        """How many orders of a channel were placed in some days, as far as the files say."""
        most = 0
        for rule in self._placed:
            if channel in rule.channels:
                stays = select_intervals(self._counts, rule, *self._where, channel).counting_intervals
                inside = (stays.clock >= day_numbers([first])[0]) & (stays.clock <= day_numbers([last])[0])
                most = max(most, int(stays.weight[inside].sum()))
        return most

    def unknown(self, row: Row, rule: Rule, as_of: date) -> int:
        """Of how many orders of a window no file says enough to count them."""
        frame = self._counts.unknown
        if frame is None or not len(frame):
            return 0
        named = {"account": self._where[0], "marketplace": self._where[1], "channel": row["channel"],
                 "metric": rule.metric, "basis": str(rule.basis)}  # fmt: skip
        chosen = np.ones(len(frame), dtype=bool)
        for name, value in named.items():
            chosen &= (frame[name] == value).to_numpy()
        rows = frame[chosen]
        clock, known = day_numbers(rows["clock_day"]), day_numbers(rows["known_on"])
        first, last, day = day_numbers([row["first_day"], row["last_day"], as_of])
        inside = (clock >= first) & (clock <= last) & (known <= day)
        return int(rows["counted"].to_numpy()[inside].sum())


def add_report_days(rows: Iterable[Row]) -> list[Row]:
    """Rows of the marketplace's own figures with the day of their report, `reported_on`, taken from `rule`."""
    return [{**row, "reported_on": date.fromisoformat(str(row["rule"]).rpartition("@")[2])} for row in rows]


def last_day_known(files: FileCoverage, reported_rows: Iterable[Row], day: date) -> date:
    """The last day up to `day` of which the files or the marketplace's own reports say anything."""
    last_report = max((row["reported_on"] for row in reported_rows), default=files.heard_on)
    return min(day, max(files.heard_on, last_report))


__all__ = [
    "AMAZON",
    "FRESH_DAYS",
    "OURS",
    "AccountVerdict",
    "MissingEvidence",
    "ReasonFinder",
    "RequiredEvidence",
    "UnjudgedReason",
    "Verdict",
    "add_report_days",
    "judge_account",
    "last_day_known",
]  # fmt: skip
