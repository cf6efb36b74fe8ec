"""Data for the HTML blocks of a report: measures sorted worst first, shared causes of faults, orders that leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import wraps
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import pandas as pd

from healthkit.analysis.verdicts import (
    AMAZON,
    AccountVerdict,
    UnjudgedReason,
    Verdict,
    add_report_days,
    judge_account,
)
from healthkit.metrics.policy import JUDGED_STATUSES, UNJUDGED_STATUSES, UNKNOWN_STATUSES
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, reasons, sentences
from healthkit.report.text import reconciliation as reconciliation_text
from healthkit.report.text.sentences import LeavingOrders, MeasureStanding, SharedGroup
from healthkit.schema.marketplaces import AMAZON as AMAZON_COMPANY

if TYPE_CHECKING:
    from healthkit.analysis.todo import MeasureKey
    from healthkit.report.model import MonthlyReport

Row = dict[str, Any]


@dataclass(frozen=True)
class MeasureWeek:
    """The counts of a measure as of one of the 26 weekly days; `has_no_rate` if they have no rate."""

    counted: int
    at_fault: int
    has_no_rate: bool
    value: float | None = None
    status: str = ""


@dataclass(frozen=True)
class Measure:
    """One row of the scorecard: a measure with its verdict, rule, figures, previous month and weeks.

    `status` is the verdict by the worst known figure. `value` is the figure of a measure that is not a rate.
    `reported_on` is the day of the marketplace's own figure if that is shown instead of ours, and `figure_age` its age
    in days. `reason` is why our count gives no verdict. `ours` is our row of SCORES, `theirs` that of the marketplace.
    """

    metric: str
    channel: str
    window: int
    status: str
    counted: int
    at_fault: int
    side: str
    target: float | None
    headroom: int | None
    proxy: str
    first_day: date
    last_day: date
    rule: Any
    previous_counts: tuple[int, int] | None
    weeks: tuple[MeasureWeek, ...]
    several_windows: bool
    value: float | None = None
    previous_value: float | None = None
    reported_on: date | None = None
    figure_age: int = 0
    year: int = 0
    share_used: float | None = None
    reason: UnjudgedReason | None = None
    ours: Mapping[str, Any] | None = None
    theirs: Mapping[str, Any] | None = None
    company: str = AMAZON_COMPANY

    @property
    def standing(self) -> MeasureStanding:
        """The input of sentences on the measure; window 0 if the rule has one window, channel "" if the seller's."""
        channel = "" if self.channel in ("seller", "all") else self.channel
        window = self.window if self.several_windows else 0
        counts = self.counted, self.at_fault
        return MeasureStanding(
            self.metric, *counts, self.side, self.target_value, self.headroom, channel, window, self.value,
            self.share_used, self.figure_source, self.company,
        )  # fmt: skip

    @property
    def figure_source(self) -> str:
        """A phrase on the source of the figure if it is the marketplace's; "" for our own."""
        return (
            ""
            if self.reported_on is None
            else reasons.own_figure_phrase(self.reported_on, self.figure_age, self.year, self.company)
        )

    def explain_unjudged(self, begins_on: date, ends_on: date) -> str:
        """Return a sentence on why our count gives no verdict; the days are those of the first and last order."""
        if self.reason is None:
            return sentences.no_verdict_note(
                self.status, self.first_day, self.last_day, begins_on, self.minimum, self.noun, self.year, ends_on
            )
        row = self.ours or {"first_day": self.first_day, "last_day": self.last_day}
        first, last = row["first_day"], row["last_day"]
        return reasons.unjudged_reason(self.reason, self.noun, first, last, self.year, self.minimum)

    @property
    def shows_marketplace_figure(self) -> bool:
        """Whether the marketplace's own figure is shown."""
        return self.reported_on is not None

    @property
    def our_counts(self) -> tuple[int, int]:
        """Our own number of counted orders and of orders at fault; (0, 0) without a row of SCORES."""
        return (0, 0) if self.ours is None else (int(self.ours["counted"]), int(self.ours["at_fault"]))

    @property
    def is_rate(self) -> bool:
        """Whether the measure is a rate, not a number, an average or a rating."""
        return account_text.figure_kind(self.metric) == "rate"

    @property
    def target_value(self) -> float | None:
        """The target in the unit of the measure: a share, or the points of a rating."""
        points = getattr(self.rule, "points", None)
        return float(points.on_from) if points is not None else self.target

    @property
    def clock(self) -> str:
        """The column of the day that decides to which window an order belongs."""
        return getattr(self.rule, "clock", "ordered_on")

    @property
    def anchor(self) -> str:
        """The HTML id of the chapter of the measure."""
        return f"{self.metric}-{self.channel}".replace("_", "-")

    @property
    def names_channel(self) -> bool:
        """Whether the channel must be shown: the rule has several channels, or it is not the seller's."""
        return self.channel != "all" and (self.channel != "seller" or len(getattr(self.rule, "channels", ())) > 1)

    @property
    def minimum(self) -> int | None:
        """The smallest number of orders that the rule judges; None without a minimum."""
        return getattr(self.rule, "minimum", None)

    @property
    def noun(self) -> str:
        """The noun for the units that the measure counts, such as "order"."""
        return labels.metric_words(self.metric).noun

    @property
    def fault_noun(self) -> str:
        """The noun for a row at fault: "order" even if parcels or units are counted, else the noun of the measure."""
        return self.noun if self.channel == "all" or self.noun == "return" else "order"


CachedResult = TypeVar("CachedResult")


def cached_per_report(compute: Callable[..., CachedResult]) -> Callable[..., CachedResult]:
    """Decorate a function of a report so that it computes its result once for each report and arguments.

    Several blocks use the same results, and a report does not change. The results are discarded with the report.
    """
    cache: WeakKeyDictionary[MonthlyReport, dict[tuple[Any, ...], CachedResult]] = WeakKeyDictionary()

    @wraps(compute)
    def cached(report: MonthlyReport, *arguments: Any) -> CachedResult:
        results = cache.setdefault(report, {})
        if arguments not in results:
            results[arguments] = compute(report, *arguments)
        return results[arguments]

    return cached


@cached_per_report
def report_verdict(report: MonthlyReport) -> AccountVerdict:
    """Return the verdict on the account; without one in the report, it is computed from the figures of the report."""
    if report.verdict is not None:
        return report.verdict
    theirs = [row for row in _reported_rows(report) if as_date(row["as_of"]) == report.as_of]
    ours = [_row_with_dates(row) for row in records(report.scores)]
    return judge_account(report.rules, ours, theirs, report.as_of, (report.account, report.marketplace))


def _row_with_dates(row: Row) -> Row:
    """Return a row of SCORES with its days as `date` objects."""
    return {**row, **{name: as_date(row[name]) for name in ("as_of", "first_day", "last_day")}}


@cached_per_report
def _reported_rows(report: MonthlyReport) -> list[Row]:
    """Return the rows of the marketplace's own figures, with the day on which each was reported."""
    if "metric" not in report.reported:
        return []
    return [dict(row) for row in add_report_days(_row_with_dates(row) for row in records(report.reported))]


@cached_per_report
def measures(report: MonthlyReport) -> list[Measure]:
    """Return the measures on the scorecard, worst first.

    Left out are parts of a measure, channels without orders, measures that are neither enforced nor covered by a file,
    and all windows of an average except the longest.
    """
    silent, not_covered = channels_without_orders(report), set(report_verdict(report).not_covered)
    listed = [
        one for one in report_verdict(report).measures
        if (one.channel not in silent or one.theirs is not None) and one.metric not in not_covered
    ]  # fmt: skip
    longest: dict[str, int] = {}
    for one in listed:
        longest[one.metric] = max(one.window, longest.get(one.metric, 0))
    listed = [one for one in listed if not _is_average(one) or one.window == longest[one.metric]]
    before = {key: week for key, week in _iter_week_counts(report.earlier) if not week.has_no_rate}
    weeks: dict[MeasureKey, list[MeasureWeek]] = {}
    for key, week in _iter_week_counts(report.weekly_scores.sort_values("as_of")):
        weeks.setdefault(key, []).append(week)
    windows = Counter((one.metric, one.channel) for one in listed)
    return [
        _measure_from_verdict(
            report, one, before.get(key), tuple(weeks.get(key, ())), windows[one.metric, one.channel] > 1
        )
        for one in listed
        for key in [(one.metric, one.channel, one.window)]
    ]


def _is_average(measure_verdict: Verdict) -> bool:
    return account_text.figure_kind(measure_verdict.metric) == "average"


@cached_per_report
def uncovered_measures(report: MonthlyReport) -> list[tuple[str, str]]:
    """Return the metrics that are neither enforced nor covered by a file, each with its missing evidence."""
    reasons: dict[str, str] = {}
    for row in records(report.scores):
        if row["metric"] in report_verdict(report).not_covered:
            reasons.setdefault(row["metric"], text_or_empty(row["proxy"]))
    return list(reasons.items())


def _value_before(report: MonthlyReport, measure_verdict: Verdict) -> float | None:
    """Return the marketplace's own value of a measure that is not a rate, as of the month before."""
    earlier = [
        row for row in _reported_rows(report)
        if as_date(row["as_of"]) == report.before
        and row["metric"] == measure_verdict.metric
        and row["status"] != "no data"
    ]  # fmt: skip
    return float_or_none(earlier[0]["value"]) if earlier else None


def _iter_week_counts(scores: pd.DataFrame) -> Iterator[tuple[MeasureKey, MeasureWeek]]:
    """Yield the counts of rows of SCORES, each with its metric, channel and window."""
    names = ["metric", "channel", "window", "counted", "at_fault", "status"]
    values = scores["value"].tolist() if "value" in scores else [None] * len(scores)
    for metric, channel, window, counted, at_fault, status, value in zip(
        *(scores[name].tolist() for name in names), values, strict=True
    ):
        has_no_rate = status in (*UNJUDGED_STATUSES, "too few")
        yield (
            (metric, channel, int(window)),
            MeasureWeek(int(counted), int(at_fault), has_no_rate, float_or_none(value), status),
        )


def _measure_from_verdict(
    report: MonthlyReport,
    measure_verdict: Verdict,
    before: MeasureWeek | None,
    weeks: tuple[MeasureWeek, ...],
    several_windows: bool,
) -> Measure:
    """Return a verdict as a row of the scorecard, with the figures that decided it: ours or the marketplace's."""
    row, theirs = measure_verdict.decisive_row, measure_verdict.decided_by == AMAZON or measure_verdict.ours is None
    proxy = "" if theirs else text_or_empty(row["proxy"])
    side, target, headroom = text_or_empty(row["side"]), float_or_none(row["target"]), int_or_none(row["headroom"])
    counted, at_fault = int(row["counted"]), int(row["at_fault"])
    if theirs and counted and getattr(measure_verdict.rule, "target", None) is not None:
        headroom = int(measure_verdict.rule.target.headroom(counted, at_fault))  # type: ignore[union-attr]
    # A value of the marketplace is compared with its own previous value, and shown without our weekly figures.
    shows_value = theirs and float_or_none(row["value"]) is not None
    counts = None if before is None or theirs else (before.counted, before.at_fault)
    value_before = _value_before(report, measure_verdict) if shows_value else None if before is None else before.value
    return Measure(
        measure_verdict.metric, measure_verdict.channel, measure_verdict.window, measure_verdict.status, counted,
        at_fault, side, target, headroom, proxy,
        row["first_day"], row["last_day"], measure_verdict.rule, counts, () if shows_value else weeks, several_windows,
        float_or_none(row.get("value")), value_before, row["reported_on"] if theirs else None,
        measure_verdict.figure_age or 0 if theirs else 0, report.as_of.year,
        measure_verdict.share_used, measure_verdict.reason, measure_verdict.ours, measure_verdict.theirs,
        labels.company_of(report.marketplace),
    )  # fmt: skip


def part_metrics(report: MonthlyReport) -> set[str]:
    """Return the ids of metrics that are a part of another metric."""
    return {rule.metric for rule in report.rules if rule.part_of}


def part_rows(report: MonthlyReport, measure: Measure) -> list[dict[str, Any]]:
    """Return the rows of SCORES of the parts of a measure in its channel and window, most orders at fault first."""
    names = {rule.metric for rule in report.rules if rule.part_of == measure.metric}
    rows = [
        row for row in records(report.scores)
        if row["metric"] in names and row["channel"] == measure.channel and row["window"] == measure.window
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row["at_fault"], row["metric"]))


@cached_per_report
def channels_without_orders(report: MonthlyReport) -> dict[str, int]:
    """Return the channels without an order in any of the 26 weeks, with their number of measures.

    The result is empty if no channel has orders.
    """
    hidden = part_metrics(report)
    # Measures of the account as a whole have no channel; their own scorecard rows say what is missing.
    listed = report.scores[~report.scores["metric"].isin(hidden) & (report.scores["channel"] != "all")]
    busy = {
        channel
        for frame in (report.weekly_scores, report.scores)
        for channel in frame.loc[frame["counted"] > 0, "channel"]
    }
    if not busy:
        return {}
    return {channel: n for channel, n in Counter(listed["channel"]).items() if channel not in busy}


def measures_judged_otherwise(rows: Iterable[Measure]) -> list[tuple[str, str, str]]:
    """Return the measures that are off target or at risk by our count but have another status in the marketplace.

    Each is the name of the measure, and the rate and status of the marketplace as text.
    """
    disagreements = []
    for row in rows:
        theirs = row.theirs
        if theirs is None or row.shows_marketplace_figure or row.status not in ("off target", "at risk"):
            continue
        if theirs["status"] in JUDGED_STATUSES and theirs["status"] != row.status and theirs["counted"] and row.is_rate:
            rate = figures.format_rate(int(theirs["counted"]), int(theirs["at_fault"]), row.side, row.target)
            standing = row.standing
            name = sentences.standing_phrase(standing)
            disagreements.append((name, rate, reconciliation_text.status_phrase(theirs["status"])))
    return disagreements


@cached_per_report
def enforced_unjudged(report: MonthlyReport) -> list[Measure]:
    """Return the enforced measures that cannot be judged, each with its longest window, worst first."""
    keys = {(one.metric, one.channel, one.window) for one in report_verdict(report).enforced_unjudged}
    rows = [row for row in measures(report) if (row.metric, row.channel, row.window) in keys]
    longest: dict[tuple[str, str], Measure] = {}
    for row in rows:
        measure = longest.get((row.metric, row.channel))
        if measure is None or row.window > measure.window:
            longest[row.metric, row.channel] = row
    return list(longest.values())


def target_side_and_share(rule: Any) -> tuple[str, Any]:
    """Return the side and the share of the target of a rule; ("", None) without a target."""
    return (rule.target.side, rule.target.share) if rule.target is not None else ("", None)


def has_reconciliation(report: MonthlyReport, measure: Measure) -> bool:
    """Return whether the report compares our count of a measure with the marketplace's own figure."""
    names = (measure.metric, measure.channel, measure.window)
    return any((one.metric, one.channel, one.window) == names for one in report.reconciled)


def measure_faults(report: MonthlyReport, measure: Measure) -> pd.DataFrame:
    """Return the orders at fault in one measure on the as-of day, with a column `bought`: the product, else the SKU."""
    return _faults_of_key(report, (measure.metric, measure.channel, measure.window))


@cached_per_report
def _faults_of_key(report: MonthlyReport, key: tuple[str, str, int]) -> pd.DataFrame:
    faults = report.at_fault
    rows = faults[(faults["metric"] == key[0]) & (faults["channel"] == key[1]) & (faults["window"] == key[2])]
    product, sku = (rows[name].map(text_or_empty) for name in ("product", "sku"))
    return rows.assign(bought=product.where(product != "", sku)).reset_index(drop=True)


def find_shared_group(faults: pd.DataFrame, clock: str, window: int) -> SharedGroup | None:
    """Return what most orders at fault have in common, or None: a product, else a cause, else a few days.

    A product must be that of at least two in five orders at fault, a cause or days that of more than half.
    """
    if len(faults) < 2:
        return None
    return _shared_product(faults) or _shared_cause(faults) or _shared_days(faults, clock, window)


def _shared_product(faults: pd.DataFrame) -> SharedGroup | None:
    """Return the product of at least two in five orders at fault, with the cause common to these orders."""
    counts = Counter(name for name in faults["bought"] if name)
    if not counts:
        return None
    name, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
    if n < 2 or n * 5 < len(faults) * 2:
        return None
    sets = [set(causes.split("+")) for causes in faults.loc[faults["bought"] == name, "causes"]]
    common = set.intersection(*sets)
    varied = len(set(faults["causes"])) > 1
    return SharedGroup("product", name, n, len(faults), min(common) if common and varied else "")


def _shared_cause(faults: pd.DataFrame) -> SharedGroup | None:
    """Return the cause of more than half of the orders at fault; None if all have the same causes."""
    if len(set(faults["causes"])) < 2:
        return None
    counts = Counter(cause for causes in faults["causes"] for cause in causes.split("+"))
    name, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return SharedGroup("cause", name, n, len(faults)) if n * 2 > len(faults) else None


def _shared_days(faults: pd.DataFrame, clock: str, window: int) -> SharedGroup | None:
    """Return the shortest run of days, at most a third of the window, with more than half of the orders at fault."""
    counts = Counter(as_date(value) for value in faults["clock_day"])
    longest = min(10, window // 3)
    for length in range(1, longest + 1):
        runs = [(sum(counts[first + timedelta(n)] for n in range(length)), first) for first in counts]
        n, first = min(runs, key=lambda run: (-run[0], run[1]))
        if n * 2 > len(faults) and n > 2:
            first, last = _extend_run(counts, first, first + timedelta(length - 1), longest)
            n = sum(count for day, count in counts.items() if first <= day <= last)
            return SharedGroup("days", "", n, len(faults), "", first, last, clock)
    return None


def _extend_run(counts: Counter[date], first: date, last: date, longest: int) -> tuple[date, date]:
    """Extend a run of days by adjacent days that have at least half of its average count a day; return its ends."""
    while (length := (last - first).days + 1) < longest:
        inside = sum(count for day, count in counts.items() if first <= day <= last)
        before, after = first - timedelta(1), last + timedelta(1)
        best = before if counts[before] > counts[after] else after
        if counts[best] * 2 * length < inside:
            break
        first, last = min(first, best), max(last, best)
    return first, last


def group_mask(faults: pd.DataFrame, group: SharedGroup | None) -> pd.Series:
    """Return a mask of the orders at fault that belong to a product or days; all False for a cause or no group."""
    if group is None or group.kind == "cause":
        return pd.Series(False, index=faults.index)
    if group.kind == "product":
        return faults["bought"] == group.name
    return faults["clock_day"].map(lambda value: group.first <= as_date(value) <= group.last).astype(bool)


def count_leaving_orders(faults: pd.DataFrame, as_of: date) -> LeavingOrders | None:
    """Return how many orders at fault leave the window by the end of the next month; None without orders."""
    days = [as_date(value) for value in faults["leaves_on"]]
    if not days:
        return None
    by = min(end_of_month(as_of + timedelta(1)), max(days))
    return LeavingOrders(sum(value <= by for value in days), len(days), by, min(days))


def off_target_since(daily: pd.DataFrame) -> tuple[date | None, int, int, bool]:
    """Return the first day of the current streak off target (None if none), its length, and the number of days shown.

    The last value says whether the day before the streak could not be judged, so that it may be longer.
    """
    states = sorted(zip(daily["as_of"].tolist(), daily["status"].tolist(), strict=True), key=itemgetter(0))
    run = 0
    while run < len(states) and states[-1 - run][1] == "off target":
        run += 1
    may_be_longer = 0 < run < len(states) and states[-1 - run][1] in UNKNOWN_STATUSES
    return (as_date(states[-run][0]) if run else None), run, len(states), may_be_longer


def measure_calendar(report: MonthlyReport, row: Measure) -> Any:
    """Return the roll-off calendar of a measure; None if it has none."""
    return report.calendars.get((row.metric, row.channel, row.window))


def end_of_month(value: date) -> date:
    """Return the last day of the month of a date.

    >>> end_of_month(date(2026, 2, 3))
    datetime.date(2026, 2, 28)
    """
    return (value.replace(day=28) + timedelta(4)).replace(day=1) - timedelta(1)


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a data frame as dictionaries."""
    names = [str(name) for name in frame.columns]
    # Converted by column: the tables have few rows and many columns.
    return [dict(zip(names, row, strict=True)) for row in zip(*(frame[name].tolist() for name in frame), strict=True)]


def text_or_empty(value: Any) -> str:
    """Return a value of a table if it is text, else ""."""
    return value if isinstance(value, str) else ""


def float_or_none(value: Any) -> float | None:
    """Return a value of a table as a float; None for a missing value."""
    return None if value is None or pd.isna(value) else float(value)


def int_or_none(value: Any) -> int | None:
    """Return a value of a table as an int; None for a missing value."""
    return None if pd.isna(value) else int(value)


def as_date(value: Any) -> date:
    """Return a date or timestamp of a table as a date."""
    return value.date() if isinstance(value, datetime) else value
