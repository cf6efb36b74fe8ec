"""The model of the panel "What changed?": the bridge between the rates of two days, and the drivers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd

from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList, csv_file_name, order_headings
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import charts
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, movements, sentences
from healthkit.report.text.movements import RateMovement
from healthkit.workspace.workspace import Workspace

STEP_ORDER = ("new", "learnt late", "left", "removed")
"""Steps of a bridge, in the order in which their orders are listed; steps that make the rate worse come first."""


@dataclass(frozen=True)
class RateChange:
    """Explanation of the change of a rate between an earlier day (`before`) and the day of a question.

    `score` is the row of SCORES on the question's day and `drivers` is DRIVERS of that day. `bridge` contains the
    steps, and `orders` the orders of the steps, in `STEP_ORDER`.
    """

    question: Question
    before: date
    score: pd.Series
    bridge: Any
    orders: pd.DataFrame
    drivers: pd.DataFrame

    @cached_property
    def movement(self) -> RateMovement:
        """The change as a `RateMovement`, which the sentences and the chart are made from."""
        return movements.movement_from_bridge(self.bridge)


def explain_change(workspace: Workspace, question: Question, before: date) -> RateChange:
    """Explain how a rate changed between an earlier day (`before`) and the day of the given question.

    Raises ExplainError if no order counts on one of the days or the rule changed between them, QuestionError if no rule
    is in force or the account has no orders yet.
    """
    row = where_i_stand_model.answer_question(workspace, question).score
    view = workspace.account(question.account, question.marketplace)
    if not view.coverage.orders:
        raise QuestionError(where_i_stand_model.no_orders_note(question))
    bridge = view.bridge(row, before)
    position = bridge.orders["step"].map(STEP_ORDER.index)
    orders = bridge.orders.assign(position=position).sort_values(["position", "clock_day", "order_id"])
    orders = orders.drop(columns="position").reset_index(drop=True)
    return RateChange(question, before, row, bridge, orders, view.drivers(row))


def render_change(change: RateChange) -> dict[str, Any]:
    """Return the plain data with which `AnswerWidget` shows a change of a rate: finding, chart, notes and orders."""
    moved, question = change.movement, change.question
    company = labels.company_of(question.marketplace)
    name = labels.capitalise_first(sentences.measure_phrase(question.metric, "", question.window, company))
    title = (
        f"{name} at {moved.format_point_rate(moved.before)} on {figures.format_day(change.before, 0)}, at "
        f"{moved.format_point_rate(moved.after)} now"
    )
    chart = charts.bridge_chart(change.bridge, description=title)
    caption = [*movements.bridge_caption(moved), *movements.bars_caption(moved, charts.bar_scale(moved).begin)]
    return {
        "status": None,
        "finding": [(f"{movements.bridge_title(moved)}.", True)],
        "lead": _drivers_sentence(change),
        "figure": {"title": title, "spec": charts.vega_lite_spec(chart), "picks": _steps_of_bars(moved)},
        "notes": [[(note, False)] for note in caption if note],
        "orders": list_moved_orders(change).render(),
    }


def _drivers_sentence(change: RateChange) -> str:
    """Return a sentence on the groups of orders that stand out on the later day, or that none does."""
    rows = change.drivers[change.drivers["excess"].notna()]
    rows = rows[rows["stands_out"]]
    if rows.empty:
        return account_text.no_group_sentence(change.drivers["dimension"])
    names = [account_text.group_label(*pair) for pair in zip(rows["dimension"], rows["group"], strict=True)]
    noun = labels.metric_words(change.question.metric).noun
    return f"{account_text.groups_title(names[:3], float(rows['excess'].iloc[0]), noun)}."


def list_moved_orders(change: RateChange) -> OrderList:
    """Return the orders that changed a rate, as an order list that can be filtered by step."""
    question = change.question
    headings = order_headings(change.bridge.rule.clock, "step")
    name = csv_file_name(question.account, question.metric, change.before, question.as_of)
    return OrderList(change.orders, headings, movements.moved_orders_title, question.as_of.year, name, {
        step: movements.STEP_LABELS[step] for step in STEP_ORDER
    })  # fmt: skip


def _steps_of_bars(movement: RateMovement) -> list[list[str]]:
    """Return the step and label of each bar of the chart; empty strings for a bar without orders of its own."""
    kinds = [part.kind if part.kind in STEP_ORDER else "" for part in movement.parts]
    words = [" ".join(movements.step_label(movement, part)) for part in movement.parts]
    return [["", ""], *map(list, zip(kinds, words, strict=True)), ["", ""]]
