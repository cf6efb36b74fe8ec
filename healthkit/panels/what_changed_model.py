"""What a panel can ask about a change, and the answers: a bridge between two days, and who carries the excess."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd

from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList, csv_file_name
from healthkit.panels.where_i_stand_model import Question
from healthkit.report import charts, wording
from healthkit.report.wording import RateMovement
from healthkit.workspace.workspace import Workspace

STEP_ORDER = ("new", "learnt late", "left", "removed")
"""In which order the orders that moved are listed: those that made it worse first."""


@dataclass(frozen=True)
class RateChange:
    """Why a rate moved from one day to the question's own.

    `score` is its row of SCORES on that day. `bridge` holds the steps, `orders` the orders that moved, those at fault
    anew first; `drivers` is DRIVERS of the question's day.
    """

    question: Question
    before: date
    score: pd.Series
    bridge: Any
    orders: pd.DataFrame
    drivers: pd.DataFrame

    @cached_property
    def moved(self) -> RateMovement:
        """The change as sentences speak of it."""
        return wording.movement_from_bridge(self.bridge)


def explain_change(workspace: Workspace, question: Question, before: date) -> RateChange:
    """Why the rate that a question asks for moved since an earlier day.

    Raises ExplainError where nothing counts on one of the days, or the rule changed between them; QuestionError where
    no rule is in force or the account has no orders yet.
    """
    row = where_i_stand_model.answer_question(workspace, question).score
    view = workspace.account(question.account, question.marketplace)
    bridge = view.bridge(row, before)
    place = bridge.orders["step"].map(STEP_ORDER.index)
    orders = bridge.orders.assign(place=place).sort_values(["place", "clock_day", "order_id"], ignore_index=True)
    return RateChange(question, before, row, bridge, orders.drop(columns="place"), view.drivers(row))


def render_change(change: RateChange) -> dict[str, Any]:
    """A change as the plain data that a notebook's page shows."""
    moved = change.moved
    row = change.question
    name = wording.capitalise_first(wording.measure_phrase(row.metric, "", row.window))
    title = (
        f"{name} at {moved.rate(moved.before)} on {wording.format_day(change.before, 0)}, at "
        f"{moved.rate(moved.after)} now"
    )
    chart = charts.bridge_chart(change.bridge, description=title)
    caption = [*wording.bridge_caption(moved), *wording.bars_caption(moved, charts.bar_scale(moved).begin)]
    return {
        "status": None,
        "finding": [(f"{wording.bridge_title(moved)}.", True)],
        "lead": _drivers_sentence(change),
        "figure": {"title": title, "spec": charts.vega_lite_spec(chart), "picks": _steps_of_bars(moved)},
        "notes": [[(note, False)] for note in caption if note],
        "orders": list_moved_orders(change).shown(),
    }


def _drivers_sentence(change: RateChange) -> str:
    """Which groups of orders stand out now, or that none does."""
    rows = change.drivers[change.drivers["excess"].notna()]
    loud = rows[rows["stands_out"]]
    if loud.empty:
        return wording.account.no_group_sentence(change.drivers["dimension"])
    names = [wording.account.group_label(*pair) for pair in zip(loud["dimension"], loud["group"], strict=True)]
    noun = wording.metric_words(change.question.metric).noun
    return f"{wording.account.groups_title(names[:3], float(loud['excess'].iloc[0]), noun)}."


def list_moved_orders(change: RateChange) -> OrderList:
    """The orders that moved, as a list that can be cut to one step."""
    asked = change.question
    placed = wording.CLOCK_COLUMN_HEADS[change.bridge.rule.clock]
    heads = {"step": "Step", "order_id": "Order", "causes": "Cause", "clock_day": placed, "known_on": "Known"}
    name = csv_file_name(asked.account, asked.metric, change.before, asked.as_of)
    return OrderList(change.orders, heads, wording.moved_orders_title, asked.as_of.year, name, {
        step: wording.STEP_LABELS[step] for step in STEP_ORDER
    })  # fmt: skip


def _steps_of_bars(movement: RateMovement) -> list[list[str]]:
    """For each bar of the chart the step whose orders stand behind it, with its words; empty where none do."""
    kinds = [part.kind if part.kind in STEP_ORDER else "" for part in movement.parts]
    words = [" ".join(wording.step_label(movement, part)) for part in movement.parts]
    return [["", ""], *map(list, zip(kinds, words, strict=True)), ["", ""]]
