"""What a panel can try, and the answers: fewer faults of each cause, more orders, scored again beside what is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from healthkit.analysis.what_if import ScenarioResult
from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList, csv_file_name
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import charts, wording
from healthkit.workspace.workspace import Workspace

MAX_SLIDERS = 3
"""So many causes have a slider: those of the most orders at fault."""


@dataclass(frozen=True)
class WhatIfAnswer:
    """One scenario played on the measure that a question asks for."""

    question: Question
    steps: list[dict[str, Any]]
    score: pd.Series
    held: ScenarioResult
    new_orders: bool = True


def most_frequent_causes(workspace: Workspace, question: Question) -> list[str]:
    """The causes of the orders at fault, or about to be, those of the most orders first."""
    view = workspace.account(question.account, question.marketplace)
    calendar = view.calendar(where_i_stand_model.answer_question(workspace, question).score)
    every = pd.Series([cause for causes in calendar.orders["causes"] for cause in causes.split("+")], dtype="str")
    return [str(cause) for cause in every.value_counts().index[:MAX_SLIDERS]]


def reductions_needed(workspace: Workspace, question: Question) -> dict[str, tuple[int | None, int]]:
    """How many percent fewer of each cause alone meet the target on the day, and how many orders that are.

    The percentage is empty where no cut of the cause is enough; nothing is said of a measure without a target.
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
    """The scenario that some sliders stand for; empty where all stand at nothing.

    >>> steps_of({"a_to_z_claim": 30, "chargeback": 0}, 20)
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
    """What a measure would be after so many percent fewer faults of each cause, and so many percent more new orders.

    `new_orders` says whether orders keep coming at all.

    Raises OutlookError for a measure without a target, QuestionError where no rule is in force or no order is there,
    ScenarioError for what cannot be tried.
    """
    score = where_i_stand_model.answer_question(workspace, question).score
    if not int(score["counted"]):
        raise QuestionError(f"{question.account} has nothing that counts here: nothing can be tried. Choose another.")
    since = {"since": question.as_of}
    steps = [
        {kind: (held | since if kind == "volume" else held) for kind, held in step.items()}
        for step in scenario_of_sliders(percent_fewer, percent_more_orders)
    ]
    # A window of nothing else than the one there is: a scenario that changes nothing.
    view = workspace.account(question.account, question.marketplace)
    held = view.what_if(score, steps or [{"window": question.window}], new_orders=new_orders)
    return WhatIfAnswer(question, steps, score, held, new_orders)


def render_what_if(answer: WhatIfAnswer) -> dict[str, Any]:
    """A try as the plain data that a notebook's page shows."""
    before, after, year = answer.held.before, answer.held.after, answer.question.as_of.year
    backs = answer.held.calendar_before.back_on, answer.held.calendar_after.back_on
    finding = wording.foresight.scenario_sentence(before, after, *backs, year)
    chart = charts.compared_outlooks(answer.held.calendar_before, answer.held.calendar_after, description=finding)
    return {
        "status": wording.STATUS_STYLES[str(after["status"])]._asdict(),
        "finding": [(finding, True)],
        "lead": wording.foresight.BEST_CASE_NOTE if answer.new_orders else wording.panel.WITHOUT_SALES_NOTE,
        "figure": {"title": "The rate of the days ahead, as it is and what if", "spec": charts.vega_lite_spec(chart)},
        "notes": [[(wording.panel.OUTLOOKS_LEGEND, False)]],
        "orders": list_saved_orders(answer).shown(),
    }


def list_saved_orders(answer: WhatIfAnswer) -> OrderList:
    """The orders that would no longer be at fault, as a list."""
    asked = answer.question
    heads = {
        "leaves_on": "Leaves on", "order_id": "Order", "causes": "Cause",
        "clock_day": wording.CLOCK_COLUMN_HEADS[answer.held.calendar_before.rule.clock], "known_on": "Known",
    }  # fmt: skip
    name = csv_file_name(asked.account, f"{asked.metric}_saved", asked.as_of, asked.as_of)
    return OrderList(answer.held.orders_saved, heads, _title, asked.as_of.year, name)


def _title(listed: int, many: int) -> str:
    return f"{wording.format_quantity(many)} would no longer be at fault" if many else "No order is saved"
