"""What a panel can ask of a desk, and the answers: SCORES, orders at fault and a finding, with no control in sight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.verdicts import AMAZON, AccountVerdict, Verdict, add_report_days
from healthkit.ingest import downloads
from healthkit.metrics.policy import UNJUDGED_STATUSES
from healthkit.metrics.scores import list_days
from healthkit.panels.order_list import OrderList, csv_file_name
from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.wording import MeasureStanding, Sentence, Strong
from healthkit.schema.tables import WHOLE_ACCOUNT, records
from healthkit.workspace.workspace import Workspace

HISTORY_DAYS = 120
"""So many days of history a panel shows unless told otherwise."""
MAX_WINDOW = 365
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
    daily_scores: pd.DataFrame
    orders: pd.DataFrame
    rule: Any
    begins_on: date
    several_channels: bool
    theirs: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdict: Verdict | None = None
    known_until: date | None = None
    missing: tuple[Sentence, ...] = ()

    @cached_property
    def standing(self) -> MeasureStanding:
        """The measure as sentences speak of it."""
        row, asked = self.score, self.question
        counts = int(row["counted"]), int(row["at_fault"])
        channel = asked.channel if self.several_channels else ""
        side, target = findings.text_or_empty(row["side"]), findings.float_or_none(row["target"])
        room, used = findings.int_or_none(row["headroom"]), None
        if self.rule.target is not None:
            used = self.rule.target.share_used(*counts)
        return MeasureStanding(asked.metric, *counts, side, target, room, channel, asked.window, used=used)

    @property
    def other_window(self) -> int | None:
        """The rule's own window that is drawn beside the one asked for: the longest other one."""
        return max((days for days in self.rule.windows if days != self.question.window), default=None)

    @cached_property
    def can_be_drawn(self) -> bool:
        """Whether at least two days have a rate to draw."""
        mine = self.daily_scores[self.daily_scores["window"] == self.question.window]
        return int((~mine["status"].isin(charts.UNDRAWN_STATUSES)).sum()) > 1

    @property
    def finding(self) -> Sentence:
        """Where the measure stands, in a sentence: by the marketplace's own figure where that is the worst known."""
        ours = standing_sentence(self.standing, str(self.score["status"]), self._unjudged_reason, self.question.as_of)
        if not self.shows_marketplace_figure or self.verdict is None or self.verdict.theirs is None:
            return ours
        theirs, rule = self.verdict.theirs, self.rule
        counts = int(theirs["counted"]), int(theirs["at_fault"])
        room = None if rule.target is None or not counts[0] else int(rule.target.headroom(*counts))
        whose = wording.reasons.amazons_figure_phrase(
            theirs["reported_on"], self.verdict.figure_age or 0, self.question.as_of.year
        )
        given = self.standing._replace(
            counted=counts[0], at_fault=counts[1], side=findings.text_or_empty(theirs["side"]),
            target=findings.float_or_none(theirs["target"]), headroom=room, window=int(theirs["window"]), whose=whose,
        )  # fmt: skip
        return (*standing_sentence(given, self.status, "", self.question.as_of), " ", *ours)

    @property
    def shows_marketplace_figure(self) -> bool:
        """Whether the marketplace's own figure is the worst known."""
        return self.verdict is not None and self.verdict.decided_by == AMAZON

    @property
    def status(self) -> str:
        """The status of the measure, by the worst known figure."""
        return (
            self.verdict.status
            if self.shows_marketplace_figure and self.verdict is not None
            else str(self.score["status"])
        )

    @property
    def lead(self) -> str:
        """Which orders were counted, and how many of them went wrong; empty where none was."""
        if not self.standing.counted:
            return ""
        first, last = (findings.as_date(self.score[name]) for name in ("first_day", "last_day"))
        spoken = self.standing._replace(channel=self.question.channel)
        return wording.chapter_lead(spoken, self.rule.clock, first, last, self.question.as_of.year)

    @property
    def _unjudged_reason(self) -> str:
        first, last = (findings.as_date(self.score[name]) for name in ("first_day", "last_day"))
        noun = wording.metric_words(self.question.metric).noun
        year = self.question.as_of.year
        status = str(self.score["status"])
        if self.verdict is not None and self.verdict.reason is not None:
            return wording.reasons.unjudged_reason(self.verdict.reason, noun, first, last, year, self.rule.minimum)
        return wording.no_verdict_note(status, first, last, self.begins_on, self.rule.minimum, noun, year)


def list_accounts(workspace: Workspace) -> list[tuple[str, str]]:
    """The accounts of a desk with their marketplaces, by name."""
    held = workspace.counts.coverage[["account", "marketplace"]].sort_values(["account", "marketplace"])
    return list(held.itertuples(index=False, name=None))


def last_day(workspace: Workspace, account: str = "") -> date:
    """The last day of the orders of a desk or an account, or of a report of the marketplace's own that is newer.

    Raises StoreError for an account that the store does not hold, QuestionError where the desk holds no orders.
    """
    if account:
        workspace.store.check_accounts([account], workspace.accounts)
    coverage = workspace.counts.coverage
    ends = coverage.loc[coverage["account"] == account, "ends_on"] if account else coverage["ends_on"]
    if ends.empty:
        raise QuestionError("The store holds no orders. Import some: python -m healthkit import FOLDER.")
    reported = add_report_days(records(workspace.reported(date.max, [account] if account else None)))
    return max([ends.max().date(), *(row["reported_on"] for row in reported)])


def list_measures(workspace: Workspace, account: str, marketplace: str, as_of: date) -> list[tuple[str, str]]:
    """The rates and channels that an account is judged by on a day, in the order of the policy.

    Raises QuestionError for a day before the account's first order.
    """
    mine = _scores_of_day(workspace, account, marketplace, as_of)[["metric", "channel"]].drop_duplicates()
    mine = mine[mine["metric"].map(is_rate)]
    if mine.empty:
        begins = workspace.account(account, marketplace).coverage.begins_on
        raise QuestionError(
            f"{account} has no orders by {wording.format_day(as_of, 0)}: its first is of "
            f"{wording.format_day(begins, 0)}."
        )
    place = {rule.metric: n for n, rule in enumerate(workspace.policies[marketplace].rules_in_force(as_of))}
    return sorted(mine.itertuples(index=False, name=None), key=lambda pair: (place[pair[0]], pair[1]))


def rule_of(workspace: Workspace, marketplace: str, metric: str, channel: str, as_of: date) -> Any:
    """The rule that judges a measure on a day. Raises QuestionError where none is in force."""
    for rule in workspace.policies[marketplace].rules_in_force(as_of):
        if rule.metric == metric and channel in rule.channels:
            return rule
    raise QuestionError(
        f"No rule of {workspace.policies[marketplace].name} asks for {wording.measure_phrase(metric, channel)} "
        f"on {wording.format_day(as_of, 0)}. Choose another day or measure."
    )


def first_question(workspace: Workspace, account: str = "", as_of: str | date = "") -> Question:
    """The worst rate of an account, or of all, as of a day: what to look at first.

    The day is the last one of the orders unless one is given. Raises StoreError for an account that the store does
    not hold, QuestionError for what is no day or a desk without orders on it.
    """
    day = parse_day(as_of) if as_of else last_day(workspace, account)
    measures_held = [
        one
        for found in workspace.verdicts(day, [account] if account else None)
        for one in found.measures
        if is_rate(one.metric) and one.ours is not None
    ]
    if not measures_held:
        raise QuestionError(
            f"No account has orders by {wording.format_day(day, 0)}. The last order day: {last_day(workspace)}."
        )
    worst = min(measures_held, key=lambda one: (one.worst_first_key, one.account, one.marketplace))
    return Question(worst.account, worst.marketplace, worst.metric, worst.channel, worst.window, day)


def is_rate(metric: str) -> bool:
    """Whether a metric has a rate to draw; open violations, hours and points have none."""
    return wording.account.figure_kind(metric) == "rate"


def parse_day(text: str | date) -> date:
    """A day as given in a parameter. Raises QuestionError for what is none."""
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QuestionError(f"{text!r} is not a day; write it as 2026-10-31.") from None


def answer_question(
    workspace: Workspace, question: Question, days: int = HISTORY_DAYS, with_reported: bool = False
) -> Answer:
    """The answer to a question: what `desk.score` and `desk.orders_at_fault` say to it, and the days before.

    `theirs` asks for the marketplace's own figures too. Raises QuestionError where no rule is in force or the account
    has no orders yet, PolicyError for a day before the policy begins.
    """
    account, marketplace, metric, channel, window, as_of = question
    rule = rule_of(workspace, marketplace, metric, channel, as_of)
    measure = account, marketplace, metric, channel
    own = _history(workspace, *measure, None, days, as_of)
    asked = own if window in rule.windows else _history(workspace, *measure, window, days, as_of)
    daily = asked if asked is own else pd.concat([asked, own], ignore_index=True)
    score = _select_row(daily, window, as_of)
    if score is None:
        raise QuestionError(
            f"{account} has no {wording.CHANNEL_LABELS.get(channel, channel)} orders by "
            f"{wording.format_day(as_of, 0)}. "
            "Choose a later day."
        )
    view = workspace.account(account, marketplace)
    orders = view.orders_at_fault(score).sort_values(["leaves_on", "order_id"], ignore_index=True)
    begins = view.coverage.begins_on
    several = len(set(_scores_of_day(workspace, account, marketplace, as_of)["channel"]) - {WHOLE_ACCOUNT}) > 1
    said = _reported_scores(workspace, question, daily) if with_reported else pd.DataFrame()
    found = _verdict(workspace, account, marketplace, as_of)
    named = (metric, channel, window)
    verdict = next((one for one in found.measures if (one.metric, one.channel, one.window) == named), None)
    known_until = view.coverage.heard_on
    lacking = () if verdict is None or verdict.status == "on target" else _missing_file_sentences(found, verdict)
    return Answer(question, score, daily, orders, rule, begins, several, said, verdict, known_until, lacking)


def _missing_file_sentences(account_verdict: AccountVerdict, verdict: Verdict) -> tuple[Sentence, ...]:
    """Which files a measure lacks, and where to get them."""
    return tuple(
        (Strong("Missing: "), wording.downloads.advice_sentence(*one))
        for one in downloads.recommend_downloads(
            account_verdict.missing_evidence([verdict]), account_verdict.marketplace
        )
    )


@lru_cache(maxsize=32)
def _verdict(workspace: Workspace, account: str, marketplace: str, as_of: date) -> AccountVerdict:
    """The verdict on an account on a day; kept, for a desk never changes."""
    return workspace.account(account, marketplace).verdict(as_of)


def _select_row(daily: pd.DataFrame, window: int, day: date) -> pd.Series | None:
    """The row of SCORES of one window and day; None where there is none."""
    same_day = daily["as_of"].to_numpy() == np.datetime64(day)
    places = np.flatnonzero(same_day & (daily["window"].to_numpy() == window))
    return daily.iloc[places[0]] if len(places) else None


_cached_days_of = lru_cache(maxsize=8)(list_days)


@lru_cache(maxsize=32)
def _history(
    workspace: Workspace,
    account: str,
    marketplace: str,
    metric: str,
    channel: str,
    window: int | None,
    days: int,
    as_of: date,
) -> pd.DataFrame:
    """SCORES of a metric on the days up to one, as far back as its policy goes; kept, for a desk never changes."""
    begins = workspace.policies[marketplace].complete_from
    since = max(begins, as_of - timedelta(days=days - 1))
    asked = _cached_days_of(since, as_of) or [as_of]
    rows = workspace.account(account, marketplace).score(asked, window=window, metrics=[metric])
    mine = (rows["channel"] == channel).to_numpy()
    return rows if mine.all() else rows[mine].reset_index(drop=True)


@lru_cache(maxsize=16)
def _scores_of_day(workspace: Workspace, account: str, marketplace: str, as_of: date) -> pd.DataFrame:
    """SCORES of all measures of an account on one day; kept, for a desk never changes."""
    return workspace.account(account, marketplace).score(as_of)


def _reported_scores(workspace: Workspace, question: Question, daily: pd.DataFrame) -> pd.DataFrame:
    """The marketplace's own figures of a measure on the days of an answer, those of its longest window."""
    days = [day.date() for day in daily["as_of"].drop_duplicates()]
    rows = workspace.account(question.account, question.marketplace).reported(days)
    for name in ("metric", "channel"):
        rows = rows[rows[name] == getattr(question, name)]
    mine = rows[rows["window"] == question.window]
    return (rows[rows["window"] == rows["window"].max()] if mine.empty else mine).reset_index(drop=True)


def answer_of_day(answer: Answer, day: date) -> Answer | None:
    """The same answer as of a day that it holds already, without its orders; None for a day it does not hold."""
    row = _select_row(answer.daily_scores, answer.question.window, day)
    if row is None:
        return None
    then = answer.question._replace(as_of=day)
    verdict = answer.verdict if day == answer.question.as_of else None
    return replace(answer, question=then, score=row, orders=answer.orders[:0], verdict=verdict)


def describe_day(answer: Answer, day: date) -> str:
    """What an answer says of one of its days, in a sentence or two."""
    then = answer_of_day(answer, day)
    if then is None:
        return f"{wording.format_long_day(day, 0)}: nothing is known of this day."
    return " ".join(filter(None, ["".join(map(str, then.finding)), then.lead]))


def orders_at_fault_between(workspace: Workspace, answer: Answer, first: date, last: date) -> pd.DataFrame:
    """The orders at fault on any day from first to last, those that leave first on top.

    Raises QuestionError for a last day that the answer does not hold.
    """
    row = _select_row(answer.daily_scores, answer.question.window, last)
    if row is None:
        raise QuestionError(
            f"Nothing is known of {wording.format_long_day(last, 0)}. Choose a day that the chart shows."
        )
    view = workspace.account(answer.question.account, answer.question.marketplace)
    orders = view.orders_at_fault(row, since=first)
    return orders.sort_values(["leaves_on", "order_id"], ignore_index=True)


# -- what is shown ----------------------------------------------------------------------------------------


def standing_sentence(standing: MeasureStanding, status: str, unjudged: str, as_of: date) -> Sentence:
    """Where a measure stands on a day: its rate, what is asked, and the room left in whole orders.

    >>> late = Standing("late_shipment_rate", 1262, 56, "below", 0.04, -6, window=30)
    >>> wording.plain(standing_now(late, "off target", "", date(2026, 10, 31)))
    'Late shipment over 30 days is at 4.4% on 31 October 2026 (limit 4%): 6 orders too many.'
    >>> wording.plain(standing_now(late._replace(counted=0), "no data", "no orders from 1 to 30 Oct", date(2026, 10, 31)))
    'Late shipment over 30 days has no rate on 31 October 2026: no orders from 1 to 30 Oct.'
    """  # noqa: E501 - an example
    words = wording.metric_words(standing.metric)
    name = wording.capitalise_first(wording.measure_phrase(standing.metric, standing.channel, standing.window))
    on = wording.format_long_day(as_of, 0)
    if status == "too few":
        few = wording.format_quantity(standing.counted, words.noun)
        return (Strong(f"{name} cannot be judged"), f" on {on}: {few}, {unjudged}.")
    if status == "no orders" or not standing.counted:
        return (Strong(f"{name} {'have' if words.many else 'has'} no rate"), f" on {on}: {unjudged}.")
    head = Strong(f"{name} {'are' if words.many else 'is'} at {standing.rate}")
    if not standing.side:
        return (head, f" on {on}; {unjudged}.")
    day_and_limit = f" on {on} ({standing.limit})" + (f" by {standing.whose}" if standing.whose else "")
    if status in UNJUDGED_STATUSES:
        return (head, day_and_limit, f", but cannot be judged: {unjudged}.")
    left = standing.headroom or 0
    if left < 0:
        return (head, day_and_limit, f": {wording.format_quantity(-left, words.noun)} too many.")
    room = f"room for {wording.format_headroom(left, words.noun)}" if left else f"no room for one more {words.noun}"
    return (head, day_and_limit, f", with {room}.")


def render_answer(answer: Answer) -> dict[str, Any]:
    """An answer as the plain data that a notebook's page shows."""
    return {
        "status": wording.STATUS_STYLES[answer.status]._asdict(),
        "finding": _text_parts(answer.finding),
        "lead": answer.lead,
        "figure": _figure(answer) if answer.can_be_drawn else None,
        "notes": [_text_parts(note) for note in _notes(answer)],
        "orders": list_orders_at_fault(answer).shown(),
    }


def render_error(error: ValueError) -> dict[str, Any]:
    """A question that cannot be answered, as the sentence that a notebook's page shows."""
    sentence = (Strong(" ".join(str(error).split())),)
    return {"status": None, "finding": _text_parts(sentence), "lead": "", "figure": None, "notes": [], "orders": None}


def _text_parts(sentence: Sentence) -> list[tuple[str, bool]]:
    """A sentence as texts, each with whether it is set in bold."""
    return [(str(part), isinstance(part, Strong)) for part in sentence]


def _figure(answer: Answer) -> dict[str, Any]:
    """The rate over time, its finding, and as a description the same for a screen reader."""
    window = answer.question.window
    title = _title(answer)
    theirs = answer.theirs if len(answer.theirs) else None
    chart = charts.rate_over_time(
        answer.daily_scores, window, answer.other_window, marketplace_scores=theirs, description=title
    )
    return {"title": title, "spec": charts.vega_lite_spec(chart), "picks": "days"}


def _title(answer: Answer) -> str:
    """Since when the rate is off target, or how near it is; without a verdict, what is drawn."""
    if str(answer.score["status"]) not in findings.JUDGED:
        name = wording.measure_phrase(answer.question.metric, "", answer.question.window)
        return f"{wording.capitalise_first(name)}, day by day"
    if str(answer.score["status"]) == "on target":
        return wording.panel.on_target_title(answer.standing)
    mine = answer.daily_scores[answer.daily_scores["window"] == answer.question.window]
    return wording.rate_title(answer.standing, *findings.off_target_since(mine), answer.question.as_of.year)


def _notes(answer: Answer) -> Iterable[Sentence]:
    """Which line is which, whether the window is the rule's own, and what was assumed."""
    asked, other = answer.question, answer.other_window
    if other and answer.can_be_drawn:
        yield wording.two_windows_legend(asked.window, other)
    if asked.window not in answer.rule.windows:
        yield (Strong("A window of your own: "), f"the rule judges {_windows_text(answer.rule.windows)}.")
    if len(answer.theirs):
        yield wording.panel.diamonds_legend(int(answer.theirs["window"].iloc[-1]))
    if answer.known_until is not None and answer.known_until < asked.as_of:
        yield (
            Strong("The files end early. "),
            wording.reasons.files_end_sentence(answer.known_until, asked.as_of.year),
        )
    yield from answer.missing
    proxy = findings.text_or_empty(answer.score["proxy"])
    if proxy:
        yield (Strong("≈ proxy. "), wording.assumptions_sentence(proxy))


def _windows_text(windows: Iterable[int]) -> str:
    """Windows in words.

    >>> _days((10, 30)), _days((1,))
    ('10 and 30 days', '1 day')
    """
    return f"{wording.join_words([str(days) for days in windows])} {'day' if list(windows) == [1] else 'days'}"


def list_orders_at_fault(answer: Answer, orders: pd.DataFrame | None = None, first: date | None = None) -> OrderList:
    """The orders at fault as a list: those of an answer, or those behind the days from first to its own."""
    as_of = answer.question.as_of
    if orders is None or first is None:
        return OrderList(answer.orders, _headings(answer), _orders_title, as_of.year, _csv_name(answer, as_of))
    days = wording.format_long_day_range(first, as_of, 0)

    def title(listed: int, many: int) -> str:
        return wording.panel.picked_orders_title(listed, many, days)

    return OrderList(orders, _headings(answer), title, as_of.year, _csv_name(answer, first), picked_days=days)


def _orders_title(listed: int, many: int) -> str:
    return wording.orders_title(listed, many) if many else "No order is at fault"


def _headings(answer: Answer) -> dict[str, str]:
    """The columns of orders at fault, with their headings."""
    placed = wording.CLOCK_COLUMN_HEADS[answer.rule.clock]
    return {
        "leaves_on": "Leaves on", "order_id": "Order", "causes": "Cause", "clock_day": placed, "known_on": "Known",
    }  # fmt: skip


def _csv_name(answer: Answer, first: date) -> str:
    return csv_file_name(answer.question.account, answer.question.metric, first, answer.question.as_of)
