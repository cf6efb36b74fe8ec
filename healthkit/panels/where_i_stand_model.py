"""The model of the panel "Where do I stand?": questions on one measure, and answers as tables, sentences and charts."""

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
from healthkit.metrics.policy import JUDGED_STATUSES, UNJUDGED_STATUSES
from healthkit.metrics.scores import list_days
from healthkit.panels.order_list import OrderList, csv_file_name, order_headings
from healthkit.panels.progress import progress_tracker
from healthkit.report import charts
from healthkit.report.html import measures
from healthkit.report.model import last_day_of_month
from healthkit.report.text import account as account_text
from healthkit.report.text import downloads as downloads_text
from healthkit.report.text import events as event_text
from healthkit.report.text import figures, labels, reasons, sentences
from healthkit.report.text import panel as panel_text
from healthkit.report.text.labels import Strong
from healthkit.report.text.sentences import MeasureStanding, Sentence
from healthkit.schema.events_file import Event
from healthkit.schema.tables import WHOLE_ACCOUNT, records
from healthkit.workspace.workspace import Workspace

MAX_DAYS_WITHOUT_FILES = 30
"""Maximum age of the last day that files cover at which an account is judged as of that day. [days]"""
HISTORY_DAYS = 120
"""Number of days that the chart shows by default."""
MAX_WINDOW = 365
"""Longest window that can be set with the slider. [days]"""
MAX_COMPARED = 24
"""Most windows that can be compared with that of a question."""


class QuestionError(ValueError):
    """Raised for a question that cannot be answered; the message says why and what to ask instead."""


class Question(NamedTuple):
    """Question about one measure of an account in a marketplace, over a window and as of a day."""

    account: str
    marketplace: str
    metric: str
    channel: str
    window: int
    as_of: date


@dataclass(frozen=True)
class Answer:
    """Answer to one question: its tables, and the data from which its sentences and chart are made.

    `score` is the row of SCORES that the question asks for. `daily_scores` is SCORES of the days before, for the window
    asked for and the windows of the rule. `orders` are the orders at fault, those that leave the window first on top.
    `reported` are the marketplace's own figures of the same measure and days, if requested. `verdict` is None if the
    rule does not judge the window. `other_windows` are compared with that of the question; `are_chosen` is False for
    those of the rule. `known_until` is the last day that the files cover; `missing_files` names missing
    files and where to download them. `events` are what the account changed on the days of the chart, `event_effects`
    what came of it in this measure (see `AccountView.event_effects`).
    """

    question: Question
    score: pd.Series
    daily_scores: pd.DataFrame
    orders: pd.DataFrame
    rule: Any
    begins_on: date
    several_channels: bool
    reported: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdict: Verdict | None = None
    known_until: date | None = None
    missing_files: tuple[Sentence, ...] = ()
    events: tuple[Event, ...] = ()
    event_effects: pd.DataFrame = field(default_factory=pd.DataFrame)
    other_windows: tuple[int, ...] = ()
    are_chosen: bool = False

    @cached_property
    def standing(self) -> MeasureStanding:
        """The measure as a `MeasureStanding`, the input of the functions that write sentences."""
        row, question = self.score, self.question
        counts = int(row["counted"]), int(row["at_fault"])
        channel = question.channel if self.several_channels else ""
        side, target = measures.text_or_empty(row["side"]), measures.float_or_none(row["target"])
        headroom, used = measures.int_or_none(row["headroom"]), None
        if self.rule.target is not None:
            used = self.rule.target.share_used(*counts)
        return MeasureStanding(
            question.metric,
            *counts,
            side,
            target,
            headroom,
            channel,
            question.window,
            share_used=used,
            company=labels.company_of(question.marketplace),
        )

    @property
    def is_side_by_side(self) -> bool:
        """Whether each window has a small chart of its own, because one chart cannot show as many lines."""
        return len(self.other_windows) > charts.MAX_OTHER_WINDOWS

    @cached_property
    def can_be_drawn(self) -> bool:
        """Whether at least two days have a rate, so that the chart can be drawn."""
        return sum(status not in charts.UNDRAWN_STATUSES for status in self.window_scores["status"].tolist()) > 1

    @cached_property
    def window_scores(self) -> pd.DataFrame:
        """The rows of `daily_scores` for the window of the question."""
        return self.daily_scores[self.daily_scores["window"] == self.question.window]

    @property
    def finding(self) -> Sentence:
        """A sentence on the status of the measure; the marketplace's own figure comes first if it is worse."""
        ours = standing_sentence(self.standing, str(self.score["status"]), self._unjudged_reason, self.question.as_of)
        if not self.shows_marketplace_figure or self.verdict is None or self.verdict.theirs is None:
            return ours
        theirs, rule = self.verdict.theirs, self.rule
        counts = int(theirs["counted"]), int(theirs["at_fault"])
        headroom = None if rule.target is None or not counts[0] else int(rule.target.headroom(*counts))
        whose = reasons.own_figure_phrase(
            theirs["reported_on"], self.verdict.figure_age or 0, self.question.as_of.year, self.standing.company
        )
        reported = self.standing._replace(
            counted=counts[0], at_fault=counts[1], side=measures.text_or_empty(theirs["side"]),
            target=measures.float_or_none(theirs["target"]), headroom=headroom, window=int(theirs["window"]),
            figure_source=whose,
        )  # fmt: skip
        return (*standing_sentence(reported, self.status, "", self.question.as_of), " ", *ours)

    @property
    def shows_marketplace_figure(self) -> bool:
        """Whether the marketplace's own figure decides the status of the measure, instead of ours."""
        return self.verdict is not None and self.verdict.decided_by == AMAZON

    @property
    def status(self) -> str:
        """The status of the measure by the worst known figure, ours or the marketplace's."""
        if self.shows_marketplace_figure and self.verdict is not None:
            return self.verdict.status
        return str(self.score["status"])

    @property
    def lead(self) -> str:
        """A sentence on how many orders count and how many of them are at fault; empty if no order counts."""
        if not self.standing.counted:
            return ""
        first, last = (measures.as_date(self.score[name]) for name in ("first_day", "last_day"))
        standing = self.standing._replace(channel=self.question.channel)
        return sentences.chapter_lead(standing, self.rule.clock, first, last, self.question.as_of.year)

    @property
    def _unjudged_reason(self) -> str:
        first, last = (measures.as_date(self.score[name]) for name in ("first_day", "last_day"))
        noun = labels.metric_words(self.question.metric).noun
        year = self.question.as_of.year
        status = str(self.score["status"])
        if self.verdict is not None and self.verdict.reason is not None:
            return reasons.unjudged_reason(self.verdict.reason, noun, first, last, year, self.rule.minimum)
        return sentences.no_verdict_note(status, first, last, self.begins_on, self.rule.minimum, noun, year)


def list_accounts(workspace: Workspace) -> list[tuple[str, str]]:
    """Return the (account, marketplace) pairs that a policy judges, sorted by account."""
    pairs = workspace.counts.coverage[["account", "marketplace"]].sort_values(["account", "marketplace"])
    return [pair for pair in pairs.itertuples(index=False, name=None) if pair[1] in workspace.policies]


def last_day(workspace: Workspace, account: str = "") -> date:
    """Return the day of the newest page, of the given account or of all accounts.

    It is the last day that the files or the marketplace's figures cover, at most the end of the month of the last
    order. Raises StoreError for an account that is not in the store, QuestionError if there are no orders.
    """
    if account:
        workspace.store.check_accounts([account], workspace.accounts)
    coverage = workspace.counts.coverage
    rows = coverage[coverage["account"] == account] if account else coverage
    if rows.empty:
        raise QuestionError("The store contains no orders. Import some: python -m healthkit import FOLDER.")
    reported = add_report_days(records(workspace.reported(date.max, [account] if account else None)))
    # Orders of a month are often updated in the first days of the next, which no order covers yet.
    ends = [
        min(heard_on.date(), last_day_of_month(f"{ends_on:%Y-%m}"))
        for ends_on, heard_on in rows[["ends_on", "heard_on"]].itertuples(index=False, name=None)
    ]
    return max([*ends, *(row["reported_on"] for row in reported)])


def list_measures(workspace: Workspace, account: str, marketplace: str, as_of: date) -> list[tuple[str, str]]:
    """Return the rates (metric, channel) by which an account is judged on a day, in the order of the policy.

    Raises QuestionError for a day before the account's first order.
    """
    measures_of_day = _scores_of_day(workspace, account, marketplace, as_of)[["metric", "channel"]].drop_duplicates()
    measures_of_day = measures_of_day[measures_of_day["metric"].map(is_rate)]
    if measures_of_day.empty:
        begins = workspace.account(account, marketplace).coverage.begins_on
        raise QuestionError(
            f"{account} has no orders by {figures.format_day(as_of, 0)}: its first order is of "
            f"{figures.format_day(begins, 0)}."
        )
    position = {rule.metric: n for n, rule in enumerate(workspace.policies[marketplace].rules_in_force(as_of))}
    pairs = measures_of_day.itertuples(index=False, name=None)
    return sorted(pairs, key=lambda pair: (position[pair[0]], pair[1]))


def rule_of(workspace: Workspace, marketplace: str, metric: str, channel: str, as_of: date) -> Any:
    """Return the rule that judges a measure on a day. Raises QuestionError if no rule is in force."""
    for rule in workspace.policies[marketplace].rules_in_force(as_of):
        if rule.metric == metric and channel in rule.channels:
            return rule
    name = sentences.measure_phrase(metric, channel, company=labels.company_of(marketplace))
    raise QuestionError(
        f"No rule of {workspace.policies[marketplace].name} asks for {name} on {figures.format_day(as_of, 0)}. "
        "Choose another day or measure."
    )


MAX_SIMULATED_AT_START = 100
"""Most accounts that are simulated before a panel opens; of more, the first is found by status. [accounts]

A second simulates some twenty accounts.
"""


def first_question(workspace: Workspace, account: str = "", as_of: str | date = "", marketplace: str = "") -> Question:
    """Return a question about the measure with the worst status, of the given account or of the first in the ranking.

    `as_of` defaults to the day of the newest page (see `last_day`). Without an account it is the one with the largest
    expected harm, as of the last day, at most `as_of`, that its files cover, as in the index and in `check`; of more
    than MAX_SIMULATED_AT_START accounts it is the one furthest past a limit. Raises StoreError for an account that is
    not in the store, QuestionError for an invalid day or if no account has orders on it, AccountMarketplaceError for a
    marketplace that is not one of the account's.
    """
    day = parse_day(as_of) if as_of else last_day(workspace, account)
    if account:
        if marketplace:
            workspace.account(account, marketplace)
        verdicts = [one for one in workspace.verdicts(day, [account]) if marketplace in ("", one.marketplace)]
    else:
        verdicts = newest_verdicts(workspace, day)
        track = progress_tracker("Looking ahead") if len(verdicts) <= MAX_SIMULATED_AT_START else None
        places = workspace.rank(verdicts, workspace.rates(day), track).places()
        verdicts.sort(key=lambda one: places[one[:2]])
    rates = [[one for one in verdict.measures if is_rate(one.metric) and one.ours is not None] for verdict in verdicts]
    found = [measures_of_account for measures_of_account in rates if measures_of_account]
    if not found:
        no_rules = reasons.unjudged_stores_sentence(workspace.unjudged_stores([account] if account else None))
        hint = no_rules or f"The files cover days until {last_day(workspace)}."
        judged = " that a policy judges" if no_rules else ""
        raise QuestionError(f"No account has orders by {figures.format_day(day, 0)}{judged}. {hint}")
    candidates = [one for measures_of_account in found for one in measures_of_account] if account else found[0]
    worst = min(candidates, key=lambda verdict: (verdict.worst_first_key, verdict.account, verdict.marketplace))
    return Question(worst.account, worst.marketplace, worst.metric, worst.channel, worst.window, worst.as_of)


def newest_verdicts(workspace: Workspace, as_of: date) -> list[AccountVerdict]:
    """Return the verdict on each account as of the last day, at most `as_of`, that its files cover.

    An account whose files end more than MAX_DAYS_WITHOUT_FILES days earlier is judged as of the day itself, on which
    nothing is known of it.
    """
    verdicts = workspace.verdicts(as_of, at_last_known_day=True)
    ended = {one[:2] for one in verdicts if (as_of - one.as_of).days > MAX_DAYS_WITHOUT_FILES}
    if not ended:
        return verdicts
    today = workspace.verdicts(as_of, sorted({account for account, _ in ended}))
    return [one for one in verdicts if one[:2] not in ended] + [one for one in today if one[:2] in ended]


def is_rate(metric: str) -> bool:
    """Return whether the value of a metric is a rate, not a number of violations, hours or points."""
    return account_text.figure_kind(metric) == "rate"


def parse_day(text: str | date) -> date:
    """Convert a text such as 2026-10-31 to a date. Raises QuestionError if it is not a valid day."""
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QuestionError(f"{text!r} is not a valid day; write it as 2026-10-31.") from None


def parse_windows(text: str) -> tuple[int, ...]:
    """Convert a text of windows to their days, the shortest first.

    >>> parse_windows("90, 7 14"), parse_windows(" ")
    ((7, 14, 90), ())

    Raises QuestionError for what is no window, and for more than MAX_COMPARED windows.
    """
    parts = text.replace(",", " ").replace(";", " ").split()
    for part in parts:
        if not (part.isascii() and part.isdecimal() and 1 <= int(part) <= MAX_WINDOW):
            raise QuestionError(panel_text.not_a_window_error(part, MAX_WINDOW))
    windows = sorted({int(part) for part in parts})
    if len(windows) > MAX_COMPARED:
        raise QuestionError(panel_text.too_many_windows_error(len(windows), MAX_COMPARED))
    return tuple(windows)


def answer_question(
    workspace: Workspace,
    question: Question,
    days: int = HISTORY_DAYS,
    with_reported: bool = False,
    other_windows: Iterable[int] = (),
) -> Answer:
    """Return the answer to a question: score, history, orders at fault and verdict.

    `days` is the length of the history; `with_reported` adds the marketplace's own figures. `other_windows` [days] are
    compared with that of the question, by default those of the rule. Raises QuestionError if no rule is in force or the
    account has no orders yet, PolicyError for a day before the policy begins.
    """
    account, marketplace, metric, channel, window, as_of = question
    rule = rule_of(workspace, marketplace, metric, channel, as_of)
    measure = account, marketplace, metric, channel
    daily = _history(workspace, *measure, None, days, as_of)
    chosen = tuple(dict.fromkeys(one for one in other_windows if one != window))
    # Apart from the others, so that these stay cached while the window moves.
    added = [tuple(one for one in group if one not in rule.windows) for group in ((window,), chosen)]
    if any(added):
        pieces = [_history(workspace, *measure, group, days, as_of) for group in added if group]
        daily = pd.concat([*pieces, daily], ignore_index=True)
    score = _select_row(daily, window, as_of)
    if score is None:
        raise QuestionError(
            f"{account} has no {labels.channel_label(channel, labels.company_of(marketplace))} orders by "
            f"{figures.format_day(as_of, 0)}. "
            "Choose a later day."
        )
    view = workspace.account(account, marketplace)
    orders = view.orders_at_fault(score, details=False).sort_values(["leaves_on", "order_id"], ignore_index=True)
    begins = view.coverage.begins_on
    several = len(set(_scores_of_day(workspace, account, marketplace, as_of)["channel"]) - {WHOLE_ACCOUNT}) > 1
    reported = _reported_scores(workspace, question, daily) if with_reported else pd.DataFrame()
    account_verdict = _verdict(workspace, account, marketplace, as_of)
    key = (metric, channel, window)
    verdict = next((one for one in account_verdict.measures if (one.metric, one.channel, one.window) == key), None)
    known_until = view.coverage.heard_on
    missing: tuple[Sentence, ...] = ()
    if verdict is not None and verdict.status != "on target":
        missing = _missing_file_sentences(account_verdict, verdict)
    if not view.coverage.orders:
        missing = ((no_orders_note(question),), *missing)
    return Answer(
        question, score, daily, orders, rule, begins, several, reported, verdict, known_until, missing,
        *_events(workspace, question, daily), chosen or _other_windows(rule, daily, window),
        bool(chosen),
    )  # fmt: skip


def no_orders_note(question: Question) -> str:
    """Return the note on an account of which the files have no orders."""
    company = labels.company_of(question.marketplace)
    return panel_text.no_orders_note(question.account, question.marketplace, company)


def _other_windows(rule: Any, daily: pd.DataFrame, window: int) -> tuple[int, ...]:
    """Return the windows of a rule besides the given one, as far as the rule judged by them on the days of `daily`."""
    found = set(daily["window"].unique())
    return tuple(one for one in rule.windows if one != window and one in found)


def _events(workspace: Workspace, question: Question, daily: pd.DataFrame) -> tuple[tuple[Event, ...], pd.DataFrame]:
    """Return the events on the days of a chart, and their effects on the measure of a question."""
    view = workspace.account(question.account, question.marketplace)
    first, last = daily["as_of"].min().date(), daily["as_of"].max().date()
    effects = _event_effects(workspace, question.account, question.marketplace, question.as_of)
    of_measure = (effects["metric"] == question.metric) & (effects["channel"] == question.channel)
    return tuple(charts.shown_events(view.events, first, last)), effects[of_measure]


@lru_cache(maxsize=32)
def _event_effects(workspace: Workspace, account: str, marketplace: str, as_of: date) -> pd.DataFrame:
    """Return the effects of the events of an account on all its measures, as of a day."""
    return workspace.account(account, marketplace).event_effects(as_of)


def _missing_file_sentences(account_verdict: AccountVerdict, verdict: Verdict) -> tuple[Sentence, ...]:
    """Return a sentence for each file that a measure lacks, with where to download it."""
    return tuple(
        (Strong("Missing: "), downloads_text.advice_sentence(one))
        for one in downloads.recommend_downloads(
            account_verdict.missing_evidence([verdict]), account_verdict.marketplace
        )
    )


@lru_cache(maxsize=32)
def _verdict(workspace: Workspace, account: str, marketplace: str, as_of: date) -> AccountVerdict:
    """Return the verdict on an account on a day."""
    return workspace.account(account, marketplace).verdict(as_of)


def _select_row(daily: pd.DataFrame, window: int, day: date) -> pd.Series | None:
    """Return the row of SCORES of one window and day, if any."""
    same_day = daily["as_of"].to_numpy() == np.datetime64(day)
    positions = np.flatnonzero(same_day & (daily["window"].to_numpy() == window))
    return daily.iloc[positions[0]] if len(positions) else None


_cached_days_of = lru_cache(maxsize=8)(list_days)


@lru_cache(maxsize=32)
def _history(
    workspace: Workspace,
    account: str,
    marketplace: str,
    metric: str,
    channel: str,
    windows: tuple[int, ...] | None,
    days: int,
    as_of: date,
) -> pd.DataFrame:
    """Return SCORES of a metric on the days up to `as_of`, at most back to the first day of its policy; cached.

    Of a day and window that several rules judge, the row of the first rule.
    """
    begins = workspace.policies[marketplace].complete_from
    since = max(begins, as_of - timedelta(days=days - 1))
    score_days = _cached_days_of(since, as_of) or [as_of]
    rows = workspace.account(account, marketplace).score(score_days, window=windows, metrics=[metric])
    is_of_channel = (rows["channel"] == channel).to_numpy()
    rows = rows if is_of_channel.all() else rows[is_of_channel]
    return rows.drop_duplicates(["window", "as_of"], ignore_index=True)


@lru_cache(maxsize=16)
def _scores_of_day(workspace: Workspace, account: str, marketplace: str, as_of: date) -> pd.DataFrame:
    """Return SCORES of all measures of an account on one day."""
    return workspace.account(account, marketplace).score(as_of)


def _reported_scores(workspace: Workspace, question: Question, daily: pd.DataFrame) -> pd.DataFrame:
    """Return the marketplace's own figures of a measure on the days of an answer.

    They are those of the window asked for, or else of the longest window that the marketplace reports.
    """
    days = [day.date() for day in daily["as_of"].drop_duplicates()]
    rows = workspace.account(question.account, question.marketplace).reported(days)
    for name in ("metric", "channel"):
        rows = rows[rows[name] == getattr(question, name)]
    same_window = rows["window"] == question.window
    return rows[same_window if same_window.any() else rows["window"] == rows["window"].max()].reset_index(drop=True)


def answer_of_day(answer: Answer, day: date) -> Answer | None:
    """Return the answer to the same question for another day, without orders; None if its history lacks the day."""
    row = _select_row(answer.daily_scores, answer.question.window, day)
    if row is None:
        return None
    question = answer.question._replace(as_of=day)
    verdict = answer.verdict if day == answer.question.as_of else None
    return replace(answer, question=question, score=row, orders=answer.orders[:0], verdict=verdict)


def describe_day(answer: Answer, day: date) -> str:
    """Describe the measure of an answer on one day of its history, in plain text."""
    answer_then = answer_of_day(answer, day)
    if answer_then is None:
        return f"{figures.format_long_day(day, 0)}: nothing is known of this day."
    return " ".join(filter(None, ["".join(map(str, answer_then.finding)), answer_then.lead]))


def orders_at_fault_between(workspace: Workspace, answer: Answer, first: date, last: date) -> pd.DataFrame:
    """Return the orders at fault on any day from `first` to `last`, sorted by the day on which they leave the window.

    Raises QuestionError for a last day that the answer does not include.
    """
    row = _select_row(answer.daily_scores, answer.question.window, last)
    if row is None:
        raise QuestionError(
            f"Nothing is known of {figures.format_long_day(last, 0)}. Choose a day that the chart shows."
        )
    view = workspace.account(answer.question.account, answer.question.marketplace)
    orders = view.orders_at_fault(row, since=first, details=False)
    return orders.sort_values(["leaves_on", "order_id"], ignore_index=True)


# -- rendering --------------------------------------------------------------------------------------------


def standing_sentence(standing: MeasureStanding, status: str, unjudged: str, as_of: date) -> Sentence:
    """Return a sentence on the status of a measure on a day: rate, limit and headroom in whole orders.

    `unjudged` is the reason why the measure has no verdict, if it has none.

    >>> late = MeasureStanding("late_shipment_rate", 1262, 56, "below", 0.04, -6, window=30)
    >>> "".join(map(str, standing_sentence(late, "off target", "", date(2026, 10, 31))))
    'Late Shipment Rate over 30 days is at 4.4% on 31 October 2026 (limit 4%): 6 orders too many.'
    >>> none = late._replace(counted=0)
    >>> "".join(map(str, standing_sentence(none, "no data", "no orders yet", date(2026, 10, 31))))
    'Late Shipment Rate over 30 days has no rate on 31 October 2026: no orders yet.'
    """
    words, name = standing.words, labels.capitalise_first(sentences.standing_phrase(standing))
    on = figures.format_long_day(as_of, 0)
    if status == "too few":
        few = figures.format_quantity(standing.counted, words.noun)
        return (Strong(f"{name} cannot be judged"), f" on {on}: {few}, {unjudged}.")
    if status == "no orders" or not standing.counted:
        return (Strong(f"{name} {'have' if words.is_plural else 'has'} no rate"), f" on {on}: {unjudged}.")
    head = Strong(f"{name} {'are' if words.is_plural else 'is'} at {standing.formatted_rate}")
    if not standing.side:
        return (head, f" on {on}; {unjudged}.")
    day_and_limit = f" on {on} ({standing.formatted_limit}){sentences.figure_source_suffix(standing)}"
    if status in UNJUDGED_STATUSES:
        return (head, day_and_limit, f", but cannot be judged: {unjudged}.")
    left = standing.headroom or 0
    if left < 0:
        return (head, day_and_limit, f": {figures.format_quantity(-left, words.noun)} too many.")
    room = f"room for {figures.format_headroom(left, words.noun)}" if left else f"no room for one more {words.noun}"
    return (head, day_and_limit, f", with {room}.")


def render_answer(answer: Answer) -> dict[str, Any]:
    """Return the plain data with which `AnswerWidget` shows an answer: status, finding, chart, notes and orders."""
    return {
        "status": labels.STATUS_STYLES[answer.status]._asdict(),
        "finding": _text_parts(answer.finding),
        "lead": answer.lead,
        "figure": _figure(answer) if answer.can_be_drawn else None,
        "notes": [_text_parts(note) for note in _notes(answer)],
        "orders": list_orders_at_fault(answer).render(),
    }


def render_error(error: ValueError) -> dict[str, Any]:
    """Return the plain data with which `AnswerWidget` shows only the message of an error, as the finding."""
    sentence = (Strong(" ".join(str(error).split())),)
    return {"status": None, "finding": _text_parts(sentence), "lead": "", "figure": None, "notes": [], "orders": None}


def _text_parts(sentence: Sentence) -> list[tuple[str, bool]]:
    """Return the parts of a sentence, each with whether it is bold."""
    return [(str(part), isinstance(part, Strong)) for part in sentence]


def _figure(answer: Answer) -> dict[str, Any]:
    """Return the chart of the rate over time with its title, which is also its description for screen readers."""
    window = answer.question.window
    title = _title(answer)
    if answer.is_side_by_side:
        drawn = [
            (figures.format_quantity(days, "day"), rows) for days in _windows_in_order(answer)
            if len(rows := answer.daily_scores[answer.daily_scores["window"] == days])
        ]  # fmt: skip
        grid = charts.small_multiples(drawn, events=answer.events, description=title)
        return {"title": title, "spec": charts.vega_lite_spec(grid), "picks": None}
    reported = answer.reported if len(answer.reported) else None
    chart = charts.rate_over_time(
        answer.daily_scores, window, answer.other_windows, marketplace_scores=reported, events=answer.events,
        description=title,
    )  # fmt: skip
    return {"title": title, "spec": charts.vega_lite_spec(chart), "picks": "days"}


def _title(answer: Answer) -> str:
    """Return since when the rate is off target, or how close it is; the name of the measure without a verdict."""
    if str(answer.score["status"]) not in JUDGED_STATUSES:
        name = sentences.standing_phrase(answer.standing._replace(channel=""))
        return f"{labels.capitalise_first(name)}, day by day"
    if str(answer.score["status"]) == "on target":
        return panel_text.on_target_title(answer.standing)
    since = measures.off_target_since(answer.window_scores)
    return sentences.rate_title(answer.standing, *since, answer.question.as_of.year)


def _notes(answer: Answer) -> Iterable[Sentence]:
    """Yield the notes below the chart: legends, windows of the rule, missing files and assumptions."""
    question, others = answer.question, answer.other_windows
    if answer.is_side_by_side and answer.can_be_drawn:
        yield panel_text.SIDE_BY_SIDE_NOTE
    elif others and answer.can_be_drawn:
        yield sentences.windows_legend(question.window, *others)
    if answer.are_chosen:
        yield panel_text.compared_windows_sentence(
            question.as_of, [(days, _rate_of_window(answer, days)) for days in _windows_in_order(answer)]
        )
    if answer.can_be_drawn or len(answer.event_effects):
        yield from event_text.event_lines(
            answer.events, records(answer.event_effects), answer.rule.clock, question.as_of.year, len(answer.events)
        )
    if question.window not in answer.rule.windows:
        yield (Strong("A window of your own: "), f"the rule judges {_windows_text(answer.rule.windows)}.")
    if len(answer.reported):
        yield panel_text.diamonds_legend(int(answer.reported["window"].iloc[-1]))
    if answer.known_until is not None and answer.known_until < question.as_of:
        yield (
            Strong("The files end early. "),
            reasons.files_end_sentence(answer.known_until, question.as_of.year),
        )
    yield from answer.missing_files
    proxy = measures.text_or_empty(answer.score["proxy"])
    if proxy:
        yield (Strong("≈ proxy. "), labels.assumptions_sentence(proxy))


def _windows_in_order(answer: Answer) -> list[int]:
    """Return the window of an answer and those compared with it, the shortest first."""
    return sorted({answer.question.window, *answer.other_windows})


def _rate_of_window(answer: Answer, window: int) -> str:
    """Return the rate over a window on the day of an answer as text, "" without one.

    A rate that is not judged says why.
    """
    row = _select_row(answer.daily_scores, window, answer.question.as_of)
    if row is None or not int(row["counted"]):
        return ""
    side, target = measures.text_or_empty(row["side"]), measures.float_or_none(row["target"])
    rate, status = figures.format_rate(int(row["counted"]), int(row["at_fault"]), side, target), str(row["status"])
    return f"{rate} ({labels.STATUS_STYLES[status].word.lower()})" if status in UNJUDGED_STATUSES else rate


def _windows_text(windows: Iterable[int]) -> str:
    """Return windows as text.

    >>> _windows_text((10, 30)), _windows_text((1,))
    ('10 and 30 days', '1 day')
    """
    return f"{labels.join_words([str(days) for days in windows])} {'day' if list(windows) == [1] else 'days'}"


def list_orders_at_fault(answer: Answer, orders: pd.DataFrame | None = None, first: date | None = None) -> OrderList:
    """Return the order list of an answer: its orders at fault, or the given orders.

    Given orders are those at fault on the days from `first` to the day of the answer.
    """
    account, _, metric, *_, as_of = answer.question
    headings, name = order_headings(answer.rule.clock), csv_file_name(account, metric, first or as_of, as_of)
    if orders is None or first is None:
        return OrderList(answer.orders, headings, _orders_title, as_of.year, name)
    days = figures.format_long_day_range(first, as_of, 0)

    def title(listed: int, total: int) -> str:
        return panel_text.picked_orders_title(listed, total, days)

    return OrderList(orders, headings, title, as_of.year, name, picked_days=days)


def _orders_title(listed: int, total: int) -> str:
    return sentences.orders_title(listed, total) if total else "No order is at fault"
