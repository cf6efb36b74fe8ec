"""The model of the panel "What if?", which compares the current scores with those of fewer faults or more orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import pandas as pd

from healthkit.analysis.simulation import Simulation
from healthkit.analysis.what_if import ScenarioResult, orders_by_product
from healthkit.metrics.policy import JUDGED_STATUSES
from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList, csv_file_name, order_headings
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import charts
from healthkit.report.model import SIMULATION_DRAWS
from healthkit.report.text import figures, labels
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import panel as panel_text
from healthkit.workspace.workspace import Workspace

MAX_SLIDERS = 3
"""Maximum number of causes that have a slider; the causes with the most orders at fault are chosen."""
MAX_TICKS = 40
"""Maximum number of orders that can be ticked as won."""


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


def most_frequent_causes(workspace: Workspace, question: Question) -> list[str]:
    """Return the most frequent causes of orders that are or will be at fault, at most `MAX_SLIDERS`."""
    view = workspace.account(question.account, question.marketplace)
    calendar = view.calendar(where_i_stand_model.answer_question(workspace, question).score)
    series = pd.Series([cause for causes in calendar.orders["causes"] for cause in causes.split("+")], dtype="str")
    return [str(cause) for cause in series.value_counts().index[:MAX_SLIDERS]]


def reductions_needed(workspace: Workspace, question: Question) -> dict[str, tuple[int | None, int]]:
    """Return, by cause, the reduction of faults that alone would meet the target: percent and number of orders.

    The percentage is None if no reduction of the cause is enough. The result is empty for a measure without a target.
    """
    score = where_i_stand_model.answer_question(workspace, question).score
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
    won: Sequence[str] = (),
    product: str = "",
    since: date | None = None,
    until: date | None = None,
) -> list[dict[str, Any]]:
    """Convert the values of controls to the steps of a scenario; there is no step if all are 0 or empty.

    The sliders are in percent. `won` are orders no longer at fault, `product` (sku) is no longer sold; `since` and
    `until` bound the days of every step but `won`.

    >>> scenario_of_sliders({"a_to_z_claim": 30, "chargeback": 0}, 20)
    [{'fewer': {'cause': 'a_to_z_claim', 'by': '30%'}}, {'volume': {'by': '20%'}}]
    >>> scenario_of_sliders({}, 0, won=["111-1"], product="LAMP", since=date(2026, 11, 2))
    [{'cleared': {'orders': ['111-1']}}, {'stop_selling': {'sku': 'LAMP', 'since': datetime.date(2026, 11, 2)}}]
    """
    days = {name: day for name, day in (("since", since), ("until", until)) if day is not None}
    return [
        *({"fewer": {"cause": cause, "by": f"{by}%"} | days} for cause, by in percent_fewer.items() if by),
        *([{"cleared": {"orders": list(won)}}] if won else []),
        *([{"stop_selling": {"sku": product} | days}] if product else []),
        *([{"volume": {"by": f"{percent_more_orders}%"} | days}] if percent_more_orders else []),
    ]


def list_products(workspace: Workspace, question: Question) -> list[str]:
    """Return the products (sku) of an account that are bought alone, sorted by name."""
    view = workspace.account(question.account, question.marketplace)
    return sorted(orders_by_product(view.ledger, question.marketplace).names)


def orders_to_win(workspace: Workspace, question: Question) -> list[tuple[str, str]]:
    """Return the orders at fault now or later as label and id: at most `MAX_TICKS`.

    Those at fault now come first, and of these the ones that leave last.
    """
    view = workspace.account(question.account, question.marketplace)
    orders = view.calendar(where_i_stand_model.answer_question(workspace, question).score).orders
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
    score = where_i_stand_model.answer_question(workspace, question).score
    if not int(score["counted"]):
        raise QuestionError(f"{question.account} has nothing to count here. Choose another measure, window or day.")
    steps = [
        {kind: options | {"since": max(options.get("since", question.as_of), question.as_of)}}
        if kind == "volume" else {kind: options}
        for step in steps for kind, options in step.items()
    ]  # fmt: skip
    view = workspace.account(question.account, question.marketplace)
    result = view.what_if(score, steps, new_orders=new_orders)
    likely, with_scenario = "", ""
    untouched: tuple[str, ...] = ()
    if score["status"] in JUDGED_STATUSES:
        year = question.as_of.year
        best = result if new_orders else view.what_if(score, steps)
        likely = outlook_text.likely_return_phrase(_simulate(workspace, question), best.calendar_before, year)
        if steps:
            forecast = view.forecast_scenarios(
                score, [result.edits], draws=SIMULATION_DRAWS, bands=False, calendar=best.calendar_before
            )[0]
            with_scenario = outlook_text.scenario_return_phrase(
                forecast.plain, forecast.simulation, best.calendar_after, year
            )
            noun = labels.metric_words(question.metric).noun
            untouched = tuple(
                outlook_text.untouched_step_sentence(
                    outlook_text.step_phrase(step, noun, year), forecast.simulation.last_day, year
                )
                for step in forecast.untouched
            )
    return WhatIfAnswer(question, steps, score, result, new_orders, likely, with_scenario, untouched)


@lru_cache(maxsize=32)
def _simulate(workspace: Workspace, question: Question) -> Simulation:
    """Return the simulated futures of a measure as it goes on, as the report of its account has them."""
    score = where_i_stand_model.answer_question(workspace, question).score
    return workspace.account(question.account, question.marketplace).simulate(
        score, draws=SIMULATION_DRAWS, bands=False
    )


def render_what_if(answer: WhatIfAnswer) -> dict[str, Any]:
    """Return the plain data with which `AnswerWidget` shows a scenario: finding, chart, note and orders."""
    before, after, year = answer.result.before, answer.result.after, answer.question.as_of.year
    backs = answer.result.calendar_before.back_on, answer.result.calendar_after.back_on
    company = labels.company_of(answer.question.marketplace)
    finding = outlook_text.scenario_sentence(before, after, *backs, year, company=company)
    case = outlook_text.BEST_CASE_NOTE if answer.new_orders else panel_text.WITHOUT_SALES_NOTE
    likely = outlook_text.as_it_goes_on_sentence(answer.likely) if answer.likely else ""
    with_scenario = answer.likely_with_scenario and outlook_text.with_scenario_sentence(answer.likely_with_scenario)
    more = " ".join(filter(None, [likely, with_scenario, *answer.untouched]))
    chart = charts.compared_outlooks(answer.result.calendar_before, answer.result.calendar_after, description=finding)
    return {
        "status": labels.STATUS_STYLES[str(after["status"])]._asdict(),
        "finding": [(finding, True), *([(f" {more}", False)] if more else [])],
        "lead": case,
        "figure": {"title": "The rate of the days ahead, as it is and what if", "spec": charts.vega_lite_spec(chart)},
        "notes": [[(panel_text.OUTLOOKS_LEGEND, False)]],
        "orders": list_saved_orders(answer).render(),
    }


def list_saved_orders(answer: WhatIfAnswer) -> OrderList:
    """Return the orders that would no longer be at fault in a scenario, as an order list."""
    question = answer.question
    headings = order_headings(answer.result.calendar_before.rule.clock)
    name = csv_file_name(question.account, f"{question.metric}_saved", question.as_of, question.as_of)
    return OrderList(answer.result.orders_saved, headings, _orders_title, question.as_of.year, name)


def _orders_title(listed: int, total: int) -> str:
    return f"{figures.format_quantity(total)} would no longer be at fault" if total else "No order is saved"
