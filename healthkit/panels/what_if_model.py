"""The model of the panel "What if?", which compares the current scores with those of fewer faults or more orders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from healthkit.analysis.simulation import Simulation
from healthkit.analysis.what_if import ScenarioResult
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


@dataclass(frozen=True)
class WhatIfAnswer:
    """Result of one scenario for the measure that a question asks about.

    `steps` are the steps of the scenario and `score` is the current row of SCORES. `new_orders` is False if the
    scenario assumes that no new orders come. `likely` is what is likely without the scenario; "" for a measure that
    cannot be judged.
    """

    question: Question
    steps: list[dict[str, Any]]
    score: pd.Series
    result: ScenarioResult
    new_orders: bool = True
    likely: str = ""


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


def scenario_of_sliders(percent_fewer: dict[str, int], percent_more_orders: int) -> list[dict[str, Any]]:
    """Convert slider values in percent to the steps of a scenario; there is no step if all values are 0.

    >>> scenario_of_sliders({"a_to_z_claim": 30, "chargeback": 0}, 20)
    [{'fewer': {'cause': 'a_to_z_claim', 'by': '30%'}}, {'volume': {'by': '20%'}}]
    """
    steps = [{"fewer": {"cause": cause, "by": f"{by}%"}} for cause, by in percent_fewer.items() if by]
    return [*steps, *([{"volume": {"by": f"{percent_more_orders}%"}}] if percent_more_orders else [])]


def answer_what_if(
    workspace: Workspace,
    question: Question,
    percent_fewer: dict[str, int],
    percent_more_orders: int,
    new_orders: bool = True,
) -> WhatIfAnswer:
    """Return the result of a scenario with fewer faults of the given causes and more new orders, both in percent.

    `new_orders=False` assumes that no new orders come at all. Raises OutlookError for a measure without a target,
    QuestionError if no rule is in force or no order counts, ScenarioError for a scenario that cannot be applied.
    """
    score = where_i_stand_model.answer_question(workspace, question).score
    if not int(score["counted"]):
        raise QuestionError(f"{question.account} has nothing to count here. Choose another measure, window or day.")
    since = {"since": question.as_of}
    steps = [
        {kind: (options | since if kind == "volume" else options) for kind, options in step.items()}
        for step in scenario_of_sliders(percent_fewer, percent_more_orders)
    ]
    # The window that is in force already: a scenario that changes nothing.
    view = workspace.account(question.account, question.marketplace)
    result = view.what_if(score, steps or [{"window": question.window}], new_orders=new_orders)
    likely = ""
    if score["status"] in JUDGED_STATUSES:
        futures, calendar = (
            _simulate(workspace, question),
            result.calendar_before if new_orders else view.calendar(score),
        )
        likely = outlook_text.likely_return_phrase(futures, calendar, question.as_of.year)
    return WhatIfAnswer(question, steps, score, result, new_orders, likely)


@lru_cache(maxsize=32)
def _simulate(workspace: Workspace, question: Question) -> Simulation:
    """Return the simulated futures of a measure as it goes on, as the report of its account has them."""
    score = where_i_stand_model.answer_question(workspace, question).score
    return workspace.account(question.account, question.marketplace).simulate(score, draws=SIMULATION_DRAWS)


def render_what_if(answer: WhatIfAnswer) -> dict[str, Any]:
    """Return the plain data with which `AnswerWidget` shows a scenario: finding, chart, note and orders."""
    before, after, year = answer.result.before, answer.result.after, answer.question.as_of.year
    backs = answer.result.calendar_before.back_on, answer.result.calendar_after.back_on
    company = labels.company_of(answer.question.marketplace)
    finding = outlook_text.scenario_sentence(before, after, *backs, year, company=company)
    case = outlook_text.BEST_CASE_NOTE if answer.new_orders else panel_text.WITHOUT_SALES_NOTE
    likely = outlook_text.as_it_goes_on_sentence(answer.likely) if answer.likely else ""
    chart = charts.compared_outlooks(answer.result.calendar_before, answer.result.calendar_after, description=finding)
    return {
        "status": labels.STATUS_STYLES[str(after["status"])]._asdict(),
        "finding": [(finding, True), *([(f" {likely}", False)] if likely else [])],
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
