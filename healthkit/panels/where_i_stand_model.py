"""What a panel can ask of a desk, and the answers: SCORES, orders at fault and a finding, with no control in sight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.verdicts import AMAZON, AccountVerdict, Verdict
from healthkit.ingest import downloads
from healthkit.metrics.policy import UNJUDGED
from healthkit.metrics.scores import days_of
from healthkit.panels.order_list import Listing, file_name
from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.wording import Sentence, Standing, Strong
from healthkit.schema.tables import ALL
from healthkit.workspace.workspace import Desk

DAYS = 120
"""So many days of history a panel shows unless told otherwise."""
LONGEST = 365
"""The longest window that the control offers. [days]"""


class QuestionError(ValueError):
    """A question that the desk cannot answer; the message says why and what can be asked."""


class Question(NamedTuple):
    """One measure of one account, over a window, as of a day."""

    account: str
    marketplace: str
    metric: str
    channel: str
    window: int
    as_of: date


@dataclass(frozen=True)
class Answer:
    """What the desk says to one question.

    `score` is its row of SCORES; `daily` holds SCORES of the days before, of this window and of the rule's own beside
    it; `orders` are the orders at fault, those that leave first on top. `theirs` are the marketplace's own figures of
    the same measure and days, where they were asked for. `verdict` is that of the window and day, where the rule
    judges the window; `known_until` the last day that the files tell of; `missing` says which files are missing.
    """

    question: Question
    score: pd.Series
    daily: pd.DataFrame
    orders: pd.DataFrame
    rule: Any
    begins_on: date
    several_channels: bool
    theirs: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdict: Verdict | None = None
    known_until: date | None = None
    missing: tuple[Sentence, ...] = ()

    @cached_property
    def standing(self) -> Standing:
        """The measure as sentences speak of it."""
        row, asked = self.score, self.question
        counts = int(row["counted"]), int(row["at_fault"])
        channel = asked.channel if self.several_channels else ""
        side, target = findings.text(row["side"]), findings.number(row["target"])
        room, used = findings.whole(row["headroom"]), None
        if self.rule.target is not None:
            used = self.rule.target.share_used(*counts)
        return Standing(asked.metric, *counts, side, target, room, channel, asked.window, used=used)

    @property
    def other_window(self) -> int | None:
        """The rule's own window that is drawn beside the one asked for: the longest other one."""
        return max((days for days in self.rule.windows if days != self.question.window), default=None)

    @cached_property
    def can_be_drawn(self) -> bool:
        """Whether at least two days have a rate to draw."""
        mine = self.daily[self.daily["window"] == self.question.window]
        return int((~mine["status"].isin(charts.SILENT)).sum()) > 1

    @property
    def finding(self) -> Sentence:
        """Where the measure stands, in a sentence: by the marketplace's own figure where that is the worst known."""
        ours = standing_now(self.standing, str(self.score["status"]), self._unjudged, self.question.as_of)
        if not self.is_theirs or self.verdict is None or self.verdict.theirs is None:
            return ours
        theirs, rule = self.verdict.theirs, self.rule
        counts = int(theirs["counted"]), int(theirs["at_fault"])
        room = None if rule.target is None or not counts[0] else int(rule.target.headroom(*counts))
        whose = wording.reasons.by_amazon(theirs["reported_on"], self.verdict.age or 0, self.question.as_of.year)
        given = self.standing._replace(
            counted=counts[0], at_fault=counts[1], side=findings.text(theirs["side"]),
            target=findings.number(theirs["target"]), headroom=room, window=int(theirs["window"]), whose=whose,
        )  # fmt: skip
        return (*standing_now(given, self.status, "", self.question.as_of), " ", *ours)

    @property
    def is_theirs(self) -> bool:
        """Whether the marketplace's own figure is the worst known."""
        return self.verdict is not None and self.verdict.whose == AMAZON

    @property
    def status(self) -> str:
        """The status of the measure, by the worst known figure."""
        return self.verdict.status if self.is_theirs and self.verdict is not None else str(self.score["status"])

    @property
    def lead(self) -> str:
        """Which orders were counted, and how many of them went wrong; empty where none was."""
        if not self.standing.counted:
            return ""
        first, last = (findings.day(self.score[name]) for name in ("first_day", "last_day"))
        spoken = self.standing._replace(channel=self.question.channel)
        return wording.chapter_lead(spoken, self.rule.clock, first, last, self.question.as_of.year)

    @property
    def _unjudged(self) -> str:
        first, last = (findings.day(self.score[name]) for name in ("first_day", "last_day"))
        noun = wording.metric(self.question.metric).noun
        year = self.question.as_of.year
        status = str(self.score["status"])
        if self.verdict is not None and self.verdict.reason is not None:
            return wording.reasons.why(self.verdict.reason, noun, first, last, year, self.rule.minimum)
        return wording.unjudged(status, first, last, self.begins_on, self.rule.minimum, noun, year)


def accounts(desk: Desk) -> list[tuple[str, str]]:
    """The accounts of a desk with their marketplaces, by name."""
    held = desk.counts.coverage[["account", "marketplace"]].sort_values(["account", "marketplace"])
    return list(held.itertuples(index=False, name=None))


def last_day(desk: Desk, account: str = "") -> date:
    """The last day of the orders of a desk or an account, or of a report of the marketplace's own that is newer.

    Raises StoreError for an account that the store does not hold, QuestionError where the desk holds no orders.
    """
    if account:
        desk.store.check_accounts([account], desk.accounts)
    coverage = desk.counts.coverage
    ends = coverage.loc[coverage["account"] == account, "ends_on"] if account else coverage["ends_on"]
    if ends.empty:
        raise QuestionError("The store holds no orders. Import some: python -m healthkit import FOLDER.")
    figures = desk.figures(date.max, [account] if account else None)
    return max([ends.max().date(), *(row["reported_on"] for rows in figures.values() for row in rows)])


def measures(desk: Desk, account: str, marketplace: str, as_of: date) -> list[tuple[str, str]]:
    """The rates and channels that an account is judged by on a day, in the order of the policy.

    Raises QuestionError for a day before the account's first order.
    """
    mine = _measures(desk, account, marketplace, as_of)[["metric", "channel"]].drop_duplicates()
    mine = mine[mine["metric"].map(is_rate)]
    if mine.empty:
        begins = _coverage(desk, account, marketplace)["begins_on"]
        raise QuestionError(
            f"{account} has no orders by {wording.day(as_of, 0)}: its first is of {wording.day(begins, 0)}."
        )
    place = {rule.metric: n for n, rule in enumerate(desk.policies[marketplace].on(as_of))}
    return sorted(mine.itertuples(index=False, name=None), key=lambda pair: (place[pair[0]], pair[1]))


def rule_of(desk: Desk, marketplace: str, metric: str, channel: str, as_of: date) -> Any:
    """The rule that judges a measure on a day. Raises QuestionError where none is in force."""
    for rule in desk.policies[marketplace].on(as_of):
        if rule.metric == metric and channel in rule.channels:
            return rule
    raise QuestionError(
        f"No rule of {desk.policies[marketplace].name} asks for {wording.measure(metric, channel)} "
        f"on {wording.day(as_of, 0)}. Choose another day or measure."
    )


def first_question(desk: Desk, account: str = "", as_of: str | date = "") -> Question:
    """The worst rate of an account, or of all, as of a day: what to look at first.

    The day is the last one of the orders unless one is given. Raises StoreError for an account that the store does
    not hold, QuestionError for what is no day or a desk without orders on it.
    """
    day = day_of(as_of) if as_of else last_day(desk, account)
    measures_held = [
        one
        for found in desk.verdicts(day, [account] if account else None)
        for one in found.measures
        if is_rate(one.metric) and one.ours is not None
    ]
    if not measures_held:
        raise QuestionError(f"No account has orders by {wording.day(day, 0)}. The last order day: {last_day(desk)}.")
    worst = min(measures_held, key=lambda one: (one.rank, one.account, one.marketplace))
    return Question(worst.account, worst.marketplace, worst.metric, worst.channel, worst.window, day)


def is_rate(metric: str) -> bool:
    """Whether a metric has a rate to draw; open violations, hours and points have none."""
    return wording.account.shows(metric) == "rate"


def day_of(text: str | date) -> date:
    """A day as given in a parameter. Raises QuestionError for what is none."""
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QuestionError(f"{text!r} is not a day; write it as 2026-10-31.") from None


def answer(desk: Desk, question: Question, days: int = DAYS, theirs: bool = False) -> Answer:
    """The answer to a question: what `desk.score` and `desk.orders_at_fault` say to it, and the days before.

    `theirs` asks for the marketplace's own figures too. Raises QuestionError where no rule is in force or the account
    has no orders yet, PolicyError for a day before the policy begins.
    """
    account, marketplace, metric, channel, window, as_of = question
    rule = rule_of(desk, marketplace, metric, channel, as_of)
    measure = account, marketplace, metric, channel
    own = _history(desk, *measure, None, days, as_of)
    asked = own if window in rule.windows else _history(desk, *measure, window, days, as_of)
    daily = asked if asked is own else pd.concat([asked, own], ignore_index=True)
    score = _on(daily, window, as_of)
    if score is None:
        raise QuestionError(
            f"{account} has no {wording.CHANNELS.get(channel, channel)} orders by {wording.day(as_of, 0)}. "
            "Choose a later day."
        )
    orders = desk.orders_at_fault(score).sort_values(["leaves_on", "order_id"], ignore_index=True)
    begins = _coverage(desk, account, marketplace)["begins_on"].date()
    several = len(set(_measures(desk, account, marketplace, as_of)["channel"]) - {ALL}) > 1
    said = _reported(desk, question, daily) if theirs else pd.DataFrame()
    found = _verdict(desk, account, marketplace, as_of)
    named = (metric, channel, window)
    verdict = next((one for one in found.measures if (one.metric, one.channel, one.window) == named), None)
    known_until = desk.files()[account, marketplace].heard_on
    lacking = () if verdict is None or verdict.status == "on target" else _missing(found, verdict)
    return Answer(question, score, daily, orders, rule, begins, several, said, verdict, known_until, lacking)


def _missing(found: AccountVerdict, verdict: Verdict) -> tuple[Sentence, ...]:
    """Which files a measure lacks, and where to get them."""
    return tuple(
        (Strong("Missing: "), wording.downloads.sentence(*one))
        for one in downloads.advice(found.needs([verdict]), found.marketplace)
    )


@lru_cache(maxsize=32)
def _verdict(desk: Desk, account: str, marketplace: str, as_of: date) -> AccountVerdict:
    """The verdict on an account on a day; kept, for a desk never changes."""
    return next(one for one in desk.verdicts(as_of, [account]) if one.marketplace == marketplace)


def _on(daily: pd.DataFrame, window: int, day: date) -> pd.Series | None:
    """The row of SCORES of one window and day; None where there is none."""
    same_day = daily["as_of"].to_numpy() == np.datetime64(day)
    places = np.flatnonzero(same_day & (daily["window"].to_numpy() == window))
    return daily.iloc[places[0]] if len(places) else None


_every_day = lru_cache(maxsize=8)(days_of)


@lru_cache(maxsize=32)
def _history(
    desk: Desk, account: str, marketplace: str, metric: str, channel: str, window: int | None, days: int, as_of: date
) -> pd.DataFrame:
    """SCORES of a metric on the days up to one, as far back as its policy goes; kept, for a desk never changes."""
    begins = max((day for _, day in desk.policies[marketplace].begins), default=date.min)
    since = max(begins, as_of - timedelta(days=days - 1))
    asked = _every_day(since, as_of) or [as_of]
    rows = desk.score(asked, [account], window=window, metrics=[metric])
    mine = ((rows["marketplace"] == marketplace) & (rows["channel"] == channel)).to_numpy()
    return rows if mine.all() else rows[mine].reset_index(drop=True)


@lru_cache(maxsize=16)
def _measures(desk: Desk, account: str, marketplace: str, as_of: date) -> pd.DataFrame:
    """SCORES of all measures of an account on one day; kept, for a desk never changes."""
    rows = desk.score(as_of, [account])
    return rows[rows["marketplace"] == marketplace]


def _reported(desk: Desk, question: Question, daily: pd.DataFrame) -> pd.DataFrame:
    """The marketplace's own figures of a measure on the days of an answer, those of its longest window."""
    days = [day.date() for day in daily["as_of"].drop_duplicates()]
    rows = desk.reported(days, [question.account])
    for name in ("marketplace", "metric", "channel"):
        rows = rows[rows[name] == getattr(question, name)]
    mine = rows[rows["window"] == question.window]
    return (rows[rows["window"] == rows["window"].max()] if mine.empty else mine).reset_index(drop=True)


def as_of_day(told: Answer, day: date) -> Answer | None:
    """The same answer as of a day that it holds already, without its orders; None for a day it does not hold."""
    row = _on(told.daily, told.question.window, day)
    if row is None:
        return None
    then = told.question._replace(as_of=day)
    verdict = told.verdict if day == told.question.as_of else None
    return replace(told, question=then, score=row, orders=told.orders[:0], verdict=verdict)


def read(told: Answer, day: date) -> str:
    """What an answer says of one of its days, in a sentence or two."""
    then = as_of_day(told, day)
    if then is None:
        return f"{wording.long_day(day, 0)}: nothing is known of this day."
    return " ".join(filter(None, ["".join(map(str, then.finding)), then.lead]))


def behind(desk: Desk, told: Answer, first: date, last: date) -> pd.DataFrame:
    """The orders at fault on any day from first to last, those that leave first on top.

    Raises QuestionError for a last day that the answer does not hold.
    """
    row = _on(told.daily, told.question.window, last)
    if row is None:
        raise QuestionError(f"Nothing is known of {wording.long_day(last, 0)}. Choose a day that the chart shows.")
    orders = desk.orders_at_fault(row, since=first)
    return orders.sort_values(["leaves_on", "order_id"], ignore_index=True)


def _coverage(desk: Desk, account: str, marketplace: str) -> pd.Series:
    """The first and last day of an account's orders."""
    held = desk.counts.coverage.set_index(["account", "marketplace"])
    return held.loc[(account, marketplace)]


# -- what is shown ----------------------------------------------------------------------------------------


def standing_now(standing: Standing, status: str, unjudged: str, as_of: date) -> Sentence:
    """Where a measure stands on a day: its rate, what is asked, and the room left in whole orders.

    >>> late = Standing("late_shipment_rate", 1262, 56, "below", 0.04, -6, window=30)
    >>> wording.plain(standing_now(late, "off target", "", date(2026, 10, 31)))
    'Late shipment over 30 days is at 4.4% on 31 October 2026 (limit 4%): 6 orders too many.'
    >>> wording.plain(standing_now(late._replace(counted=0), "no data", "no orders from 1 to 30 Oct", date(2026, 10, 31)))
    'Late shipment over 30 days has no rate on 31 October 2026: no orders from 1 to 30 Oct.'
    """  # noqa: E501 - an example
    words = wording.metric(standing.metric)
    name = wording.opening(wording.measure(standing.metric, standing.channel, standing.window))
    on = wording.long_day(as_of, 0)
    if status == "too few":
        few = wording.things(standing.counted, words.noun)
        return (Strong(f"{name} cannot be judged"), f" on {on}: {few}, {unjudged}.")
    if status == "no orders" or not standing.counted:
        return (Strong(f"{name} {'have' if words.many else 'has'} no rate"), f" on {on}: {unjudged}.")
    head = Strong(f"{name} {'are' if words.many else 'is'} at {standing.rate}")
    if not standing.side:
        return (head, f" on {on}; {unjudged}.")
    day_and_limit = f" on {on} ({standing.limit})" + (f" by {standing.whose}" if standing.whose else "")
    if status in UNJUDGED:
        return (head, day_and_limit, f", but cannot be judged: {unjudged}.")
    left = standing.headroom or 0
    if left < 0:
        return (head, day_and_limit, f": {wording.things(-left, words.noun)} too many.")
    room = f"room for {wording.headroom(left, words.noun)}" if left else f"no room for one more {words.noun}"
    return (head, day_and_limit, f", with {room}.")


def shown(told: Answer) -> dict[str, Any]:
    """An answer as the plain data that a notebook's page shows."""
    return {
        "status": wording.STATUSES[told.status]._asdict(),
        "finding": _parts(told.finding),
        "lead": told.lead,
        "figure": _figure(told) if told.can_be_drawn else None,
        "notes": [_parts(note) for note in _notes(told)],
        "orders": listing(told).shown(),
    }


def refused(error: ValueError) -> dict[str, Any]:
    """A question that cannot be answered, as the sentence that a notebook's page shows."""
    sentence = (Strong(" ".join(str(error).split())),)
    return {"status": None, "finding": _parts(sentence), "lead": "", "figure": None, "notes": [], "orders": None}


def _parts(sentence: Sentence) -> list[tuple[str, bool]]:
    """A sentence as texts, each with whether it is set in bold."""
    return [(str(part), isinstance(part, Strong)) for part in sentence]


def _figure(told: Answer) -> dict[str, Any]:
    """The rate over time, its finding, and as a description the same for a screen reader."""
    window = told.question.window
    title = _title(told)
    theirs = told.theirs if len(told.theirs) else None
    chart = charts.rate_over_time(told.daily, window, told.other_window, theirs=theirs, finding=title)
    return {"title": title, "spec": charts.spec(chart), "picks": "days"}


def _title(told: Answer) -> str:
    """Since when the rate is off target, or how near it is; without a verdict, what is drawn."""
    if str(told.score["status"]) not in findings.JUDGED:
        name = wording.measure(told.question.metric, "", told.question.window)
        return f"{wording.opening(name)}, day by day"
    if str(told.score["status"]) == "on target":
        return wording.panel.on_target_title(told.standing)
    mine = told.daily[told.daily["window"] == told.question.window]
    return wording.rate_title(told.standing, *findings.off_target_since(mine), told.question.as_of.year)


def _notes(told: Answer) -> Iterable[Sentence]:
    """Which line is which, whether the window is the rule's own, and what was assumed."""
    asked, other = told.question, told.other_window
    if other and told.can_be_drawn:
        yield wording.both_windows(asked.window, other)
    if asked.window not in told.rule.windows:
        yield (Strong("A window of your own: "), f"the rule judges {_days(told.rule.windows)}.")
    if len(told.theirs):
        yield wording.panel.theirs_drawn(int(told.theirs["window"].iloc[-1]))
    if told.known_until is not None and told.known_until < asked.as_of:
        yield (Strong("The files end early. "), wording.reasons.ended(told.known_until, asked.as_of.year))
    yield from told.missing
    proxy = findings.text(told.score["proxy"])
    if proxy:
        yield (Strong("≈ proxy. "), wording.assumptions(proxy))


def _days(windows: Iterable[int]) -> str:
    """Windows in words.

    >>> _days((10, 30)), _days((1,))
    ('10 and 30 days', '1 day')
    """
    return f"{wording.listed([str(days) for days in windows])} {'day' if list(windows) == [1] else 'days'}"


def listing(told: Answer, orders: pd.DataFrame | None = None, first: date | None = None) -> Listing:
    """The orders at fault as a list: those of an answer, or those behind the days from first to its own."""
    as_of = told.question.as_of
    if orders is None or first is None:
        return Listing(told.orders, _heads(told), _title_of_orders, as_of.year, _saved_as(told, as_of))
    days = wording.long_days(first, as_of, 0)

    def title(listed: int, many: int) -> str:
        return wording.panel.picked_title(listed, many, days)

    return Listing(orders, _heads(told), title, as_of.year, _saved_as(told, first), picked=days)


def _title_of_orders(listed: int, many: int) -> str:
    return wording.orders_title(listed, many) if many else "No order is at fault"


def _heads(told: Answer) -> dict[str, str]:
    """The columns of orders at fault, with their headings."""
    placed = wording.PLACED_HEADS[told.rule.clock]
    return {
        "leaves_on": "Leaves on", "order_id": "Order", "causes": "Cause", "clock_day": placed, "known_on": "Known",
    }  # fmt: skip


def _saved_as(told: Answer, first: date) -> str:
    return file_name(told.question.account, told.question.metric, first, told.question.as_of)
