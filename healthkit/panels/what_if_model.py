"""What a panel can try, and the answers: fewer faults of each cause, more orders, scored again beside what is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from healthkit.analysis.scenarios import WhatIf
from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import Listing, file_name
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import charts, wording
from healthkit.workspace.workspace import Desk

SLIDERS = 3
"""So many causes have a slider: those of the most orders at fault."""


@dataclass(frozen=True)
class Try:
    """One scenario played on the measure that a question asks for."""

    question: Question
    steps: list[dict[str, Any]]
    score: pd.Series
    held: WhatIf
    new_orders: bool = True


def causes_of(desk: Desk, question: Question) -> list[str]:
    """The causes of the orders at fault, or about to be, those of the most orders first."""
    calendar = desk.calendar(where_i_stand_model.answer(desk, question).score)
    every = pd.Series([cause for causes in calendar.orders["causes"] for cause in causes.split("+")], dtype="str")
    return [str(cause) for cause in every.value_counts().index[:SLIDERS]]


def needed(desk: Desk, question: Question) -> dict[str, tuple[int | None, int]]:
    """How many percent fewer of each cause alone meet the target on the day, and how many orders that are.

    The percentage is empty where no cut of the cause is enough; nothing is said of a measure without a target.
    """
    score = where_i_stand_model.answer(desk, question).score
    if pd.isna(score["target"]):
        return {}
    goals = desk.goals(score, question.as_of)
    return {
        goal.cause: (None if goal.many is None else math.ceil(goal.by * 100), goal.many or 0)
        for goal in goals
        if goal.kind == "cause"
    }


def steps_of(fewer: dict[str, int], volume: int) -> list[dict[str, Any]]:
    """The scenario that some sliders stand for; empty where all stand at nothing.

    >>> steps_of({"a_to_z_claim": 30, "chargeback": 0}, 20)
    [{'fewer': {'cause': 'a_to_z_claim', 'by': '30%'}}, {'volume': {'by': '20%'}}]
    """
    steps = [{"fewer": {"cause": cause, "by": f"{by}%"}} for cause, by in fewer.items() if by]
    return [*steps, *([{"volume": {"by": f"{volume}%"}}] if volume else [])]


def tried(desk: Desk, question: Question, fewer: dict[str, int], volume: int, new_orders: bool = True) -> Try:
    """What a measure would be after so many percent fewer faults of each cause, and so many percent more new orders.

    `new_orders` says whether orders keep coming at all.

    Raises OutlookError for a measure without a target, QuestionError where no rule is in force or no order is there,
    ScenarioError for what cannot be tried.
    """
    score = where_i_stand_model.answer(desk, question).score
    if not int(score["counted"]):
        raise QuestionError(f"{question.account} has nothing that counts here: nothing can be tried. Choose another.")
    since = {"since": question.as_of}
    steps = [
        {kind: (held | since if kind == "volume" else held) for kind, held in step.items()}
        for step in steps_of(fewer, volume)
    ]
    # A window of nothing else than the one there is: a scenario that changes nothing.
    held = desk.what_if(score, steps or [{"window": question.window}], new_orders=new_orders)
    return Try(question, steps, score, held, new_orders)


def shown(told: Try) -> dict[str, Any]:
    """A try as the plain data that a notebook's page shows."""
    before, after, year = told.held.before, told.held.after, told.question.as_of.year
    backs = told.held.calendar.back_on, told.held.edited.back_on
    finding = wording.foresight.difference(before, after, *backs, year)
    chart = charts.two_outlooks(told.held.calendar, told.held.edited, finding=finding)
    return {
        "status": wording.STATUSES[str(after["status"])]._asdict(),
        "finding": [(finding, True)],
        "lead": wording.foresight.BEST_CASE if told.new_orders else wording.panel.NO_NEW_ORDERS,
        "figure": {"title": "The rate of the days ahead, as it is and what if", "spec": charts.spec(chart)},
        "notes": [[(wording.panel.BEST_CASE, False)]],
        "orders": listing(told).shown(),
    }


def listing(told: Try) -> Listing:
    """The orders that would no longer be at fault, as a list."""
    asked = told.question
    heads = {
        "leaves_on": "Leaves on", "order_id": "Order", "causes": "Cause",
        "clock_day": wording.PLACED_HEADS[told.held.calendar.rule.clock], "known_on": "Known",
    }  # fmt: skip
    name = file_name(asked.account, f"{asked.metric}_saved", asked.as_of, asked.as_of)
    return Listing(told.held.saved, heads, _title, asked.as_of.year, name)


def _title(listed: int, many: int) -> str:
    return f"{wording.things(many)} would no longer be at fault" if many else "No order is saved"
