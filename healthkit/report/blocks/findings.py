"""What a month's tables say: measures worst first, what most orders at fault share, which leave when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import pandas as pd

from healthkit.analysis.verdicts import AMAZON, AccountVerdict, Reason, Verdict, account_verdict, reported_rows
from healthkit.metrics.policy import ON_SCALE, UNJUDGED
from healthkit.report import wording
from healthkit.report.wording import Group, Leaving, Standing

if TYPE_CHECKING:
    from healthkit.report.model import Monthly

JUDGED = ON_SCALE

Row = dict[str, Any]

Key = tuple[str, str, int]
"""Metric, channel and window: what names a row of a day's SCORES."""


@dataclass(frozen=True)
class Week:
    """One of the 26 weeks of a measure: its counts, or that it says nothing."""

    counted: int
    at_fault: int
    silent: bool
    value: float | None = None
    status: str = ""


@dataclass(frozen=True)
class Measure:
    """One row of the scorecard: a judged measure, its rule, its month before and its weeks.

    `status` is its verdict, by the worst known figure. `value` is the figure of a measure that is no rate;
    `reported_on` the day of the marketplace's own figure where that is shown in place of ours, and `age` how many days
    old it is. `reason` says why our count gives no verdict, `ours` is our row of SCORES.
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
    before: tuple[int, int] | None
    weeks: tuple[Week, ...]
    several_windows: bool
    value: float | None = None
    value_before: float | None = None
    reported_on: date | None = None
    age: int = 0
    year: int = 0
    used: float | None = None
    reason: Reason | None = None
    ours: Mapping[str, Any] | None = None
    theirs: Mapping[str, Any] | None = None

    @property
    def standing(self) -> Standing:
        """The measure as sentences speak of it: its window where there are others, its channel if not the seller's."""
        channel = "" if self.channel in ("seller", "all") else self.channel
        window = self.window if self.several_windows else 0
        counts = self.counted, self.at_fault
        return Standing(
            self.metric, *counts, self.side, self.level, self.headroom, channel, window, self.value, self.used,
            self.whose,
        )  # fmt: skip

    @property
    def whose(self) -> str:
        """Whose figure is shown, in words, where it is not ours."""
        return "" if self.reported_on is None else wording.reasons.by_amazon(self.reported_on, self.age, self.year)

    def why(self, begins_on: date, ends_on: date) -> str:
        """Why our count gives no verdict, in words; the orders reach from and to the days given."""
        if self.reason is None:
            return wording.unjudged(
                self.status, self.first_day, self.last_day, begins_on, self.minimum, self.noun, self.year, ends_on
            )
        row = self.ours or {"first_day": self.first_day, "last_day": self.last_day}
        first, last = row["first_day"], row["last_day"]
        return wording.reasons.why(self.reason, self.noun, first, last, self.year, self.minimum)

    @property
    def enforced(self) -> bool:
        """Whether its rule names a consequence."""
        return bool(getattr(self.rule, "enforced", False))

    @property
    def is_theirs(self) -> bool:
        """Whether the marketplace's own figure is shown."""
        return self.reported_on is not None

    @property
    def our_counts(self) -> tuple[int, int]:
        """How many our files count, and hold at fault."""
        return (0, 0) if self.ours is None else (int(self.ours["counted"]), int(self.ours["at_fault"]))

    @property
    def is_rate(self) -> bool:
        """Whether it is a rate, of which a share of what is allowed is used up."""
        return wording.account.shows(self.metric) == "rate"

    @property
    def level(self) -> float | None:
        """Where its target stands on its own scale: a share, or the points of a rating."""
        points = getattr(self.rule, "points", None)
        return float(points.on_from) if points is not None else self.target

    @property
    def anchor(self) -> str:
        """The name of its chapter in the page."""
        return f"{self.metric}-{self.channel}".replace("_", "-")

    @property
    def channel_said(self) -> bool:
        """Whether its channel must be said: its rule judges several, or it is not the seller's."""
        return self.channel != "all" and (self.channel != "seller" or len(getattr(self.rule, "channels", ())) > 1)

    @property
    def minimum(self) -> int | None:
        """The least number of orders that its rule judges."""
        return getattr(self.rule, "minimum", None)

    @property
    def noun(self) -> str:
        """What it counts."""
        return wording.metric(self.metric).noun

    @property
    def row_noun(self) -> str:
        """What each row at fault is: an order, though parcels or units are counted, or what counts by itself."""
        return self.noun if self.channel == "all" or self.noun == "return" else "order"


Found = TypeVar("Found")


def once(finding: Callable[..., Found]) -> Callable[..., Found]:
    """What is found of one report, found once: every block asks for it, and a report does not change."""
    kept: WeakKeyDictionary[Monthly, dict[tuple[Any, ...], Found]] = WeakKeyDictionary()

    @wraps(finding)
    def found(monthly: Monthly, *asked: Any) -> Found:
        held = kept.setdefault(monthly, {})
        if asked not in held:
            held[asked] = finding(monthly, *asked)
        return held[asked]

    return found


@once
def verdict(monthly: Monthly) -> AccountVerdict:
    """The verdict on the account: the one that the report was opened with, else by its own figures alone."""
    if monthly.verdict is not None:
        return monthly.verdict
    theirs = [row for row in _reported(monthly) if day(row["as_of"]) == monthly.as_of]
    ours = [_dated(row) for row in records(monthly.scores)]
    return account_verdict(monthly.rules, ours, theirs, monthly.as_of, (monthly.account, monthly.marketplace))


def _dated(row: Row) -> Row:
    """A row of SCORES with its days as dates."""
    return {**row, **{name: day(row[name]) for name in ("as_of", "first_day", "last_day")}}


@once
def _reported(monthly: Monthly) -> list[Row]:
    """The marketplace's own figures of the report, with the day of their own report."""
    if "metric" not in monthly.reported:
        return []
    return [dict(row) for row in reported_rows(_dated(row) for row in records(monthly.reported))]


@once
def measures(monthly: Monthly) -> list[Measure]:
    """The rows of the scorecard, worst first: no parts of a measure, no channel that never had an order.

    Nor measures that no rule enforces and no file tells of, nor more than the longest window of an average.
    """
    silent, not_covered = silent_channels(monthly), set(verdict(monthly).not_covered)
    listed = [
        one for one in verdict(monthly).measures
        if (one.channel not in silent or one.theirs is not None) and one.metric not in not_covered
    ]  # fmt: skip
    longest: dict[str, int] = {}
    for one in listed:
        longest[one.metric] = max(one.window, longest.get(one.metric, 0))
    listed = [one for one in listed if not _is_average(one) or one.window == longest[one.metric]]
    before = {key: week for key, week in _counts(monthly.earlier) if not week.silent}
    weeks: dict[Key, list[Week]] = {}
    for key, week in _counts(monthly.weekly.sort_values("as_of")):
        weeks.setdefault(key, []).append(week)
    windows = Counter((one.metric, one.channel) for one in listed)
    return [
        _measure(monthly, one, before.get(key), tuple(weeks.get(key, ())), windows[one.metric, one.channel] > 1)
        for one in listed
        for key in [(one.metric, one.channel, one.window)]
    ]


def _is_average(one: Verdict) -> bool:
    return wording.account.shows(one.metric) == "average"


@once
def untold(monthly: Monthly) -> list[tuple[str, str]]:
    """The measures that no rule enforces and no file tells of, each with the evidence that is missing."""
    reasons: dict[str, str] = {}
    for row in records(monthly.scores):
        if row["metric"] in verdict(monthly).not_covered:
            reasons.setdefault(row["metric"], text(row["proxy"]))
    return list(reasons.items())


def _value_before(monthly: Monthly, one: Verdict) -> float | None:
    """The marketplace's own figure of a measure that is no rate, as of the month before."""
    earlier = [
        row for row in _reported(monthly)
        if day(row["as_of"]) == monthly.before and row["metric"] == one.metric and row["status"] != "no data"
    ]  # fmt: skip
    return number(earlier[0]["value"]) if earlier else None


def _counts(scores: pd.DataFrame) -> Iterator[tuple[Key, Week]]:
    """The counts of SCORES rows, each under its metric, channel and window."""
    names = ["metric", "channel", "window", "counted", "at_fault", "status"]
    values = scores["value"].tolist() if "value" in scores else [None] * len(scores)
    for metric, channel, window, counted, at_fault, status, value in zip(
        *(scores[name].tolist() for name in names), values, strict=True
    ):
        quiet = status in (*UNJUDGED, "too few")
        yield (metric, channel, int(window)), Week(int(counted), int(at_fault), quiet, number(value), status)


def _measure(monthly: Monthly, one: Verdict, before: Week | None, weeks: tuple[Week, ...], windows: bool) -> Measure:
    """One verdict as a row of the scorecard: with the figures of ours, or of the marketplace where those decide."""
    row, theirs = one.shown, one.whose == AMAZON or one.ours is None
    proxy = "" if theirs else text(row["proxy"])
    side, target, headroom = text(row["side"]), number(row["target"]), whole(row["headroom"])
    counted, at_fault = int(row["counted"]), int(row["at_fault"])
    if theirs and counted and getattr(one.rule, "target", None) is not None:
        headroom = int(one.rule.target.headroom(counted, at_fault))  # type: ignore[union-attr]
    # A value of theirs is compared with theirs of the month before, and drawn with no weeks of ours.
    shows_value = theirs and number(row["value"]) is not None
    counts = None if before is None or theirs else (before.counted, before.at_fault)
    value_before = _value_before(monthly, one) if shows_value else None if before is None else before.value
    return Measure(
        one.metric, one.channel, one.window, one.status, counted, at_fault, side, target, headroom, proxy,
        row["first_day"], row["last_day"], one.rule, counts, () if shows_value else weeks, windows,
        number(row.get("value")), value_before, row["reported_on"] if theirs else None,
        one.age or 0 if theirs else 0, monthly.as_of.year,
        one.used, one.reason, one.ours, one.theirs,
    )  # fmt: skip


def parts(monthly: Monthly) -> set[str]:
    """The metrics that are only a part of another one."""
    return {rule.metric for rule in monthly.rules if rule.part_of}


def parts_of(monthly: Monthly, measure: Measure) -> list[dict[str, Any]]:
    """The SCORES rows of a measure's parts, in its channel and window, most at fault first."""
    names = {rule.metric for rule in monthly.rules if rule.part_of == measure.metric}
    rows = [
        row for row in records(monthly.scores)
        if row["metric"] in names and row["channel"] == measure.channel and row["window"] == measure.window
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row["at_fault"], row["metric"]))


@once
def silent_channels(monthly: Monthly) -> dict[str, int]:
    """Channels without an order in any of 26 weeks, and how many measures they would have; never all channels."""
    hidden = parts(monthly)
    # What belongs to the account as a whole has no orders of its own, and says in its own line what is missing.
    listed = monthly.scores[~monthly.scores["metric"].isin(hidden) & (monthly.scores["channel"] != "all")]
    busy = {
        channel for frame in (monthly.weekly, monthly.scores) for channel in frame.loc[frame["counted"] > 0, "channel"]
    }
    if not busy:
        return {}
    return {channel: n for channel, n in Counter(listed["channel"]).items() if channel not in busy}


def judged_otherwise(rows: Iterable[Measure]) -> list[tuple[str, str, str]]:
    """The measures of which our count is the worse, and that the marketplace judges otherwise: name, rate, status."""
    measures = []
    for row in rows:
        theirs = row.theirs
        if theirs is None or row.is_theirs or row.status not in ("off target", "at risk"):
            continue
        if theirs["status"] in JUDGED and theirs["status"] != row.status and theirs["counted"] and row.is_rate:
            shown = wording.rate(int(theirs["counted"]), int(theirs["at_fault"]), row.side, row.target)
            spoken = row.standing
            name = wording.measure(spoken.metric, spoken.channel, spoken.window)
            measures.append((name, shown, wording.beside.status_in_words(theirs["status"])))
    return measures


@once
def enforced_unjudged(monthly: Monthly) -> list[Measure]:
    """The enforced measures that cannot be judged, of several windows the longest, worst first."""
    keys = {(one.metric, one.channel, one.window) for one in verdict(monthly).enforced_unjudged}
    rows = [row for row in measures(monthly) if (row.metric, row.channel, row.window) in keys]
    longest: dict[tuple[str, str], Measure] = {}
    for row in rows:
        measure = longest.get((row.metric, row.channel))
        if measure is None or row.window > measure.window:
            longest[row.metric, row.channel] = row
    return list(longest.values())


def spoken(one: Any) -> str:
    """A measure with the marketplace's figure, in a sentence; its window where the rule judges several."""
    channel = "" if one.channel in ("seller", "all") else one.channel
    return wording.measure(one.metric, channel, one.window if len(one.rule.windows) > 1 else 0)


def asked(rule: Any) -> tuple[str, Any]:
    """The side and the share of what a rule asks."""
    return (rule.target.side, rule.target.share) if rule.target is not None else ("", None)


def is_reconciled(monthly: Monthly, measure: Measure) -> bool:
    """Whether the marketplace's own figure of a measure stands in the report."""
    names = (measure.metric, measure.channel, measure.window)
    return any((one.metric, one.channel, one.window) == names for one in monthly.reconciled)


def faults_of(monthly: Monthly, measure: Measure) -> pd.DataFrame:
    """The orders at fault in one measure on the as-of day, with the name of what was bought."""
    held = monthly.at_fault
    chosen = (
        (held["metric"] == measure.metric) & (held["channel"] == measure.channel) & (held["window"] == measure.window)
    )
    rows = held[chosen]
    product, sku = (rows[name].map(text) for name in ("product", "sku"))
    return rows.assign(bought=product.where(product != "", sku)).reset_index(drop=True)


def shared(faults: pd.DataFrame, clock: str, window: int) -> Group | None:
    """What most orders at fault share: two in five one product, more than half a cause or a few days."""
    if len(faults) < 2:
        return None
    return _product(faults) or _cause(faults) or _days(faults, clock, window)


def _product(faults: pd.DataFrame) -> Group | None:
    """The product of at least two in five orders at fault, and the cause that all of those have."""
    counts = Counter(name for name in faults["bought"] if name)
    if not counts:
        return None
    name, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
    if n < 2 or n * 5 < len(faults) * 2:
        return None
    sets = [set(causes.split("+")) for causes in faults.loc[faults["bought"] == name, "causes"]]
    common = set.intersection(*sets)
    varied = len(set(faults["causes"])) > 1
    return Group("product", name, n, len(faults), min(common) if common and varied else "")


def _cause(faults: pd.DataFrame) -> Group | None:
    """The cause of more than half of the orders at fault, where there are several causes."""
    if len(set(faults["causes"])) < 2:
        return None
    counts = Counter(cause for causes in faults["causes"] for cause in causes.split("+"))
    name, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return Group("cause", name, n, len(faults)) if n * 2 > len(faults) else None


def _days(faults: pd.DataFrame, clock: str, window: int) -> Group | None:
    """The shortest run of days, a third of the window at most, on which more than half were placed."""
    counts = Counter(day(value) for value in faults["clock_day"])
    longest = min(10, window // 3)
    for length in range(1, longest + 1):
        runs = [(sum(counts[first + timedelta(n)] for n in range(length)), first) for first in counts]
        n, first = min(runs, key=lambda run: (-run[0], run[1]))
        if n * 2 > len(faults) and n > 2:
            first, last = _stretched(counts, first, first + timedelta(length - 1), longest)
            n = sum(many for on, many in counts.items() if first <= on <= last)
            return Group("days", "", n, len(faults), "", first, last, clock)
    return None


def _stretched(counts: Counter[date], first: date, last: date, longest: int) -> tuple[date, date]:
    """A run of days with those beside it that have at least half as many as its days have on average."""
    while (length := (last - first).days + 1) < longest:
        inside = sum(many for on, many in counts.items() if first <= on <= last)
        before, after = first - timedelta(1), last + timedelta(1)
        best = before if counts[before] > counts[after] else after
        if counts[best] * 2 * length < inside:
            break
        first, last = min(first, best), max(last, best)
    return first, last


def in_group(faults: pd.DataFrame, group: Group | None) -> pd.Series:
    """Which orders at fault are of the group."""
    if group is None or group.kind == "cause":
        return pd.Series(False, index=faults.index)
    if group.kind == "product":
        return faults["bought"] == group.name
    return faults["clock_day"].map(lambda value: group.first <= day(value) <= group.last).astype(bool)


def leaving(faults: pd.DataFrame, as_of: date) -> Leaving | None:
    """How many orders at fault leave by the end of the next month, a plain count of a calendar."""
    days = [day(value) for value in faults["leaves_on"]]
    if not days:
        return None
    by = min(month_end(as_of + timedelta(1)), max(days))
    return Leaving(sum(value <= by for value in days), len(days), by, min(days))


def off_target_since(daily: pd.DataFrame) -> tuple[date | None, int, int]:
    """Since when one measure is off target without a break, for how many days, and how many days are shown."""
    rows = daily.sort_values("as_of")
    states = list(zip(rows["as_of"], rows["status"], strict=True))
    run = 0
    while run < len(states) and states[-1 - run][1] == "off target":
        run += 1
    return (day(states[-run][0]) if run else None), run, len(states)


def calendar_of(monthly: Monthly, row: Measure) -> Any:
    """The roll-off calendar of a measure; None where it has none."""
    return monthly.calendars.get((row.metric, row.channel, row.window))


def month_end(value: date) -> date:
    """The last day of a day's month.

    >>> month_end(date(2026, 2, 3))
    datetime.date(2026, 2, 28)
    """
    return (value.replace(day=28) + timedelta(4)).replace(day=1) - timedelta(1)


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table, each by the names of its columns."""
    names = [str(name) for name in frame.columns]
    # Column by column: a table of few rows is mostly columns.
    return [dict(zip(names, row, strict=True)) for row in zip(*(frame[name].tolist() for name in frame), strict=True)]


def text(value: Any) -> str:
    """A text, empty where a table has none."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A number, or None where a table has none."""
    return None if value is None or pd.isna(value) else float(value)


def whole(value: Any) -> int | None:
    """A whole number, or None where a table has none."""
    return None if pd.isna(value) else int(value)


def day(value: Any) -> date:
    """A day of a table as a date."""
    return value.date() if isinstance(value, datetime) else value
