"""The model of the panel "What if?", which compares the current scores with those of fewer faults or more orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import pandas as pd

from healthkit.analysis.rolloff import RollOffCalendar
from healthkit.analysis.simulation import Simulation
from healthkit.analysis.what_if import ScenarioResult, orders_by_product
from healthkit.metrics.policy import UNJUDGED_STATUSES, PolicyError
from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList, csv_file_name, order_headings
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import charts, todo_list
from healthkit.report.model import SIMULATION_DRAWS
from healthkit.report.text import figures, labels
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import panel as panel_text
from healthkit.report.text import todo as todo_text
from healthkit.report.todo_list import TodoRow
from healthkit.workspace.workspace import Workspace

MAX_SLIDERS = 3
"""Maximum number of causes that have a slider; the causes with the most orders at fault are chosen."""
MAX_TICKS = 40
"""Maximum number of orders that can be ticked as no longer at fault."""


@dataclass(frozen=True)
class WhatIfAnswer:
    """Result of one scenario for the measure that a question asks about.

    `steps` are the steps of the scenario and `score` is the current row of SCORES. `new_orders` is False if the
    scenario assumes that no new orders come. `likely` is what is likely without the scenario, `likely_with_scenario`
    with it; "" for a measure that cannot be judged. `untouched` has a sentence for each step that changes nothing.
    """

    question: Question
    steps: list[dict[str, Any]]
    score: pd.Series
    result: ScenarioResult
    new_orders: bool = True
    likely: str = ""
    likely_with_scenario: str = ""
    untouched: tuple[str, ...] = ()


@lru_cache(maxsize=32)
def _score(workspace: Workspace, question: Question) -> pd.Series:
    """Return the current row of SCORES of a question."""
    return where_i_stand_model.answer_question(workspace, question).score


@lru_cache(maxsize=32)
def _calendar(workspace: Workspace, question: Question, new_orders: bool = True) -> RollOffCalendar:
    """Return the roll-off calendar of a question; raise QuestionError for a measure without a target."""
    score = _score(workspace, question)
    if pd.isna(score["target"]):
        label = labels.metric_words(question.metric, labels.company_of(question.marketplace)).label
        raise QuestionError(panel_text.no_target_error(label))
    return workspace.account(question.account, question.marketplace).calendar(score, new_orders=new_orders)


def most_frequent_causes(workspace: Workspace, question: Question) -> list[str]:
    """Return the most frequent causes of orders that are or will be at fault, at most `MAX_SLIDERS`."""
    orders = _calendar(workspace, question).orders
    series = pd.Series([cause for causes in orders["causes"] for cause in causes.split("+")], dtype="str")
    return [str(cause) for cause in series.value_counts().index[:MAX_SLIDERS]]


def reductions_needed(workspace: Workspace, question: Question) -> dict[str, tuple[int | None, int]]:
    """Return, by cause, the reduction of faults that alone would meet the target: percent and number of orders.

    The percentage is None if no reduction of the cause is enough. The result is empty for a measure without a target.
    """
    score = _score(workspace, question)
    if pd.isna(score["target"]):
        return {}
    goals = workspace.account(question.account, question.marketplace).goals(score, question.as_of)
    return {
        goal.cause: (None if goal.many is None else math.ceil(goal.by * 100), goal.many or 0)
        for goal in goals
        if goal.kind == "cause"
    }


def scenario_of_sliders(
    percent_fewer: dict[str, int],
    percent_more_orders: int,
    *,
    cleared: Sequence[str] = (),
    product: str = "",
    since: date | None = None,
    until: date | None = None,
) -> list[dict[str, Any]]:
    """Convert the values of controls to the steps of a scenario; there is no step if all are 0 or empty.

    The sliders are in percent. `cleared` are orders no longer at fault, `product` (sku) is no longer sold; `since` and
    `until` bound the days of every step, but what is cleared from `since` on stays cleared.

    >>> scenario_of_sliders({"a_to_z_claim": 30, "chargeback": 0}, 20)
    [{'fewer': {'cause': 'a_to_z_claim', 'by': '30%'}}, {'volume': {'by': '20%'}}]
    >>> scenario_of_sliders({}, 0, cleared=["111-1"], product="LAMP", since=date(2026, 11, 2))
    [{'cleared': {'orders': ['111-1'], 'since': datetime.date(2026, 11, 2)}}, {'stop_selling': {'sku': 'LAMP', 'since': datetime.date(2026, 11, 2)}}]
    """  # noqa: E501 - an example
    days = {name: day for name, day in (("since", since), ("until", until)) if day is not None}
    return [
        *({"fewer": {"cause": cause, "by": f"{by}%"} | days} for cause, by in percent_fewer.items() if by),
        *([{"cleared": {"orders": list(cleared)} | ({} if since is None else {"since": since})}] if cleared else []),
        *([{"stop_selling": {"sku": product} | days}] if product else []),
        *([{"volume": {"by": f"{percent_more_orders}%"} | days}] if percent_more_orders else []),
    ]


def list_products(workspace: Workspace, question: Question) -> list[str]:
    """Return the products (sku) of an account that are bought alone, sorted by name."""
    view = workspace.account(question.account, question.marketplace)
    return sorted(orders_by_product(view.ledger, question.marketplace).names)


def orders_to_clear(workspace: Workspace, question: Question) -> list[tuple[str, str]]:
    """Return the orders at fault now or later as label and id: at most `MAX_TICKS`.

    Those at fault now come first, and of these the ones that leave last.
    """
    orders = _calendar(workspace, question).orders
    orders = orders.assign(later=orders["enters_on"] > pd.Timestamp(question.as_of))
    order = ["later", "leaves_on", "order_id"]
    last = orders.sort_values(order, ascending=[True, False, True], kind="stable").head(MAX_TICKS)
    return [
        (panel_text.tick_label(one.order_id, one.causes, one.leaves_on.date(), question.as_of.year), one.order_id)
        for one in last.itertuples()
    ]


def answer_what_if(
    workspace: Workspace,
    question: Question,
    steps: list[dict[str, Any]],
    new_orders: bool = True,
) -> WhatIfAnswer:
    """Return the result of a scenario (see `scenario_of_sliders`), counted and simulated.

    A change of the volume begins on the day of the question at the earliest. `new_orders=False` assumes that no new
    orders come at all. Raises OutlookError for a measure without a target,
    QuestionError if no rule is in force or no order counts, ScenarioError for a scenario that cannot be applied.
    """
    score = _score(workspace, question)
    calendar = _calendar(workspace, question, new_orders)
    if not int(score["counted"]):
        files = workspace.account(question.account, question.marketplace).coverage
        if not files.orders:
            raise QuestionError(where_i_stand_model.no_orders_note(question))
        ends_on = files.heard_on
        raise QuestionError(panel_text.nothing_counts_error(question.account, question.as_of, ends_on))
    steps = [
        {kind: options | {"since": max(options.get("since", question.as_of), question.as_of)}}
        if kind == "volume" else {kind: options}
        for step in steps for kind, options in step.items()
    ]  # fmt: skip
    view = workspace.account(question.account, question.marketplace)
    result = view.what_if(score, steps, new_orders=new_orders, calendar=calendar)
    best = result
    if not new_orders:
        best = view.what_if(score, steps, calendar=_calendar(workspace, question))
    is_judged = score["status"] not in UNJUDGED_STATUSES
    year, noun = question.as_of.year, labels.metric_words(question.metric).noun
    likely, with_scenario = "", ""
    untouched: tuple[str, ...] = ()
    if is_judged:
        likely = outlook_text.likely_return_phrase(_simulate(workspace, question), best.calendar_before, year)
    if steps:
        # A measure that cannot be judged has no forecast, but one simulated future shows which steps change nothing.
        draws = SIMULATION_DRAWS if is_judged else 1
        forecast = view.forecast_scenarios(
            score, [best.edits], draws=draws, bands=False, calendar=best.calendar_before
        )[0]
        if is_judged and best.after["status"] not in UNJUDGED_STATUSES:
            with_scenario = outlook_text.scenario_return_phrase(
                forecast.plain, forecast.simulation, best.calendar_after, year
            )
        untouched = outlook_text.untouched_sentences(forecast, noun, year)
    return WhatIfAnswer(question, steps, score, result, new_orders, likely, with_scenario, untouched)


@lru_cache(maxsize=32)
def _simulate(workspace: Workspace, question: Question) -> Simulation:
    """Return the simulated futures of a measure as it goes on, as the report of its account has them."""
    view = workspace.account(question.account, question.marketplace)
    return view.simulate(_score(workspace, question), draws=SIMULATION_DRAWS, bands=False)


@lru_cache(maxsize=8)
def _todo(workspace: Workspace, account: str, marketplace: str, as_of: date) -> list[TodoRow]:
    return todo_list.account_todo(workspace.account(account, marketplace), as_of)


def list_actions(workspace: Workspace, question: Question) -> list[dict[str, str]]:
    """Return what to do about the measure of a question, in order: the action, what it is about and what it brings.

    Each is as the command `todo` has it. The list is empty for a measure with no action and a day without rules.
    """
    try:
        rows = _todo(workspace, question.account, question.marketplace, question.as_of)
    except PolicyError:
        return []
    return [
        {
            "action": row.action,
            "about": ", ".join(filter(None, (row.orders_phrase, row.until))),
            "brings": labels.capitalise_first("; ".join(filter(None, (row.brings, row.past)))),
        }
        for row in rows
        if row.metric == question.metric and row.channel in ("", question.channel)
    ]


def render_what_if(answer: WhatIfAnswer, actions: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    """Return the plain data with which `AnswerWidget` shows a scenario: finding, chart, note, actions and orders.

    What is likely comes first, with the best case beside it.
    """
    before, after = answer.result.before, answer.result.after
    unjudged = not {before["status"], after["status"]}.isdisjoint(UNJUDGED_STATUSES)
    company = labels.company_of(answer.question.marketplace)
    finding = outlook_text.scenario_sentence(before, after, bool(answer.steps), unjudged=unjudged, company=company)
    likely = f" {outlook_text.as_it_goes_on_sentence(answer.likely)}" if answer.likely else ""
    with_scenario = answer.likely_with_scenario and outlook_text.with_scenario_sentence(answer.likely_with_scenario)
    parts = [(finding, True), (likely, False), (with_scenario and f" {with_scenario}", True)]
    parts += [(f" {sentence}", False) for sentence in answer.untouched]
    chart = charts.compared_outlooks(answer.result.calendar_before, answer.result.calendar_after, description=finding)
    return {
        "status": labels.STATUS_STYLES[str(after["status"])]._asdict(),
        "finding": [part for part in parts if part[0]],
        "lead": outlook_text.BEST_CASE_NOTE if answer.new_orders else _without_sales_note(answer.result, unjudged),
        "figure": {"title": "The rate of the days ahead, as it is and what if", "spec": charts.vega_lite_spec(chart)},
        "notes": [[(panel_text.OUTLOOKS_LEGEND, False)]],
        "todo": {"title": todo_text.HEADING, "rows": list(actions)} if actions else None,
        "orders": list_saved_orders(answer).render(),
    }


def _without_sales_note(result: ScenarioResult, unjudged: bool) -> str:
    """Return what the best case without sales is, with its days of return where the measure can be judged."""
    as_of = result.calendar_before.as_of
    after, before = (
        outlook_text.format_return_date(one.back_on, as_of, as_of.year)
        for one in (result.calendar_after, result.calendar_before)
    )
    return panel_text.WITHOUT_SALES_NOTE + ("" if unjudged else f" Back on target then: {after}; as it is: {before}.")


def list_saved_orders(answer: WhatIfAnswer) -> OrderList:
    """Return the orders that would no longer be at fault in a scenario, as an order list."""
    question = answer.question
    headings = order_headings(answer.result.calendar_before.rule.clock)
    name = csv_file_name(question.account, f"{question.metric}_saved", question.as_of, question.as_of)
    return OrderList(answer.result.orders_saved, headings, _orders_title, question.as_of.year, name)


def _orders_title(listed: int, total: int) -> str:
    return f"{figures.format_quantity(total)} would no longer be at fault" if total else "No order is saved"
