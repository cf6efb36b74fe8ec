"""What a month's tables say: measures worst first, what most orders at fault share, which leave when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import pandas as pd

from healthkit import wording
from healthkit.wording import Group, Leaving, Standing

if TYPE_CHECKING:
    from healthkit.monthly import Monthly

WORST_FIRST = list(wording.STATUSES)
JUDGED = ("off target", "at risk", "on target")

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


@dataclass(frozen=True)
class Measure:
    """One row of the scorecard: a judged measure, its rule, its month before and its weeks.

    `value` is the figure of a measure that is no rate; `reported_on` the day of the marketplace's own, where that is
    shown in place of ours.
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

    @property
    def standing(self) -> Standing:
        """The measure as sentences speak of it: its window where there are others, its channel if not the seller's."""
        channel = "" if self.channel in ("seller", "all") else self.channel
        window = self.window if self.several_windows else 0
        counts = self.counted, self.at_fault
        return Standing(self.metric, *counts, self.side, self.level, self.headroom, channel, window, self.value)

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
    def used(self) -> float | None:
        """The share of what the target allows that is used up; of what is no rate there is none."""
        if not self.is_rate:
            return None
        return wording.used(self.counted, self.at_fault, self.side, self.target)

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
def measures(monthly: Monthly) -> list[Measure]:
    """The rows of the scorecard, worst first: no parts of a measure, no channel that never had an order.

    Nor measures of which no file tells, nor more than the longest window of an average.
    """
    hidden = parts(monthly)
    silent = silent_channels(monthly)
    scores = [row for row in _listed(monthly) if row["metric"] not in hidden]
    before = {key: week for key, week in _counts(monthly.earlier) if not week.silent}
    weeks: dict[Key, list[Week]] = {}
    for key, week in _counts(monthly.weekly.sort_values("as_of")):
        weeks.setdefault(key, []).append(week)
    windows = Counter((row["metric"], row["channel"]) for row in scores)
    made = [
        _measure(
            row, _rule(monthly.rules, row), before.get(_key(row)), tuple(weeks.get(_key(row), ())),
            windows[row["metric"], row["channel"]] > 1,
        )
        for row in scores
        if row["channel"] not in silent
    ]  # fmt: skip
    return sorted((_as_reported(monthly, row) for row in made), key=_rank)


@once
def _listed(monthly: Monthly) -> list[Row]:
    """The rows of SCORES of which some file tells, or the marketplace itself; of an average the longest window."""
    rows = [row for row in records(monthly.scores) if not is_untold(row) or row["metric"] in _rated(monthly)]
    longest = {
        row["metric"]: max(other["window"] for other in rows if other["metric"] == row["metric"]) for row in rows
    }
    return [
        row for row in rows
        if wording.account.shows(row["metric"]) != "average" or row["window"] == longest[row["metric"]]
    ]  # fmt: skip


def is_untold(row: Row) -> bool:
    """Whether no file tells of a row of SCORES: nothing is counted, for want of files alone."""
    missing = text(row["proxy"]).split("+")
    return row["status"] == "no data" and all(word.endswith("_not_imported") for word in missing)


@once
def untold(monthly: Monthly) -> list[tuple[str, str]]:
    """The measures of which no file tells, no parts of others, each with the evidence that is missing."""
    hidden, told = parts(monthly), _rated(monthly)
    rows = [row for row in records(monthly.scores) if is_untold(row) and row["metric"] not in hidden | told]
    return [(row["metric"], text(row["proxy"])) for row in rows]


@once
def _rated(monthly: Monthly) -> set[str]:
    """The rating, where the marketplace itself gave it."""
    return {"account_health_rating"} if rating(monthly) is not None else set()


@once
def rating(monthly: Monthly, before: bool = False) -> Row | None:
    """The marketplace's own account health rating as of the day, or as of the month before; None where it gave none."""
    if "metric" not in monthly.reported:
        return None
    on = monthly.before if before else monthly.as_of
    rows = monthly.reported[monthly.reported["metric"] == "account_health_rating"]
    held = [row for row in records(rows) if day(row["as_of"]) == on and row["status"] != "no data"]
    return held[0] if held else None


def _as_reported(monthly: Monthly, measure: Measure) -> Measure:
    """The rating as the marketplace gave it, for ours is only an estimate of it; all else as it is."""
    theirs = rating(monthly) if measure.metric == "account_health_rating" else None
    if theirs is None or number(theirs["value"]) is None:
        return measure
    earlier = rating(monthly, True)
    return replace(
        measure, status=theirs["status"], value=number(theirs["value"]), proxy="", weeks=(),
        value_before=None if earlier is None else number(earlier["value"]), reported_on=day(theirs["last_day"]),
    )  # fmt: skip


def _counts(scores: pd.DataFrame) -> Iterator[tuple[Key, Week]]:
    """The counts of SCORES rows, each under its metric, channel and window."""
    names = ["metric", "channel", "window", "counted", "at_fault", "status"]
    values = scores["value"].tolist() if "value" in scores else [None] * len(scores)
    for metric, channel, window, counted, at_fault, status, value in zip(
        *(scores[name].tolist() for name in names), values, strict=True
    ):
        quiet = status in ("no data", "short history", "too few")
        yield (metric, channel, int(window)), Week(int(counted), int(at_fault), quiet, number(value))


def _key(row: dict[str, Any]) -> Key:
    return row["metric"], row["channel"], int(row["window"])


def _measure(
    row: dict[str, Any],
    rule: Any,
    before: Week | None,
    weeks: tuple[Week, ...],
    windows: bool,
) -> Measure:
    """One row of SCORES as a row of the scorecard."""
    counts = None if before is None else (before.counted, before.at_fault)
    return Measure(
        row["metric"], row["channel"], int(row["window"]), row["status"], int(row["counted"]), int(row["at_fault"]),
        text(row["side"]), number(row["target"]), whole(row["headroom"]), text(row["proxy"]),
        day(row["first_day"]), day(row["last_day"]), rule, counts, weeks, windows,
        number(row.get("value")), None if before is None else before.value,
    )  # fmt: skip


def _rule(rules: Iterable[Any], row: dict[str, Any]) -> Any:
    """The rule that judged a row: the one of its metric and channel that its rule id names."""
    held = [rule for rule in rules if rule.metric == row["metric"] and row["channel"] in rule.channels]
    named = [rule for rule in held if text(row["rule"]).endswith(f"@{rule.since}")]
    return next(iter(named or held), None)


def _rank(measure: Measure) -> tuple[int, bool, float, str, str, int]:
    """Worst first: by status, then what is more than advice, then by the share of what is allowed, then by name."""
    used = measure.used
    place = list(wording.METRICS).index(measure.metric)
    stages = getattr(measure.rule, "stages", ())
    only_advice = bool(stages) and all(stage.stage == "advice" for stage in stages)
    return (
        WORST_FIRST.index(measure.status),
        only_advice,
        -(used or 0.0),
        f"{place:03}",
        measure.channel,
        -measure.window,
    )


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


def judged_otherwise(monthly: Monthly) -> list[tuple[str, str, str]]:
    """The measures that the marketplace's own counts judge differently: name, the rate there, the status there."""
    return [
        (spoken(one), wording.rate(*one.theirs, *asked(one.rule)), wording.beside.status_in_words(one.their_status))
        for one in monthly.reconciled
        if one.status != one.their_status and {one.status, one.their_status} <= set(JUDGED)
    ]


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
