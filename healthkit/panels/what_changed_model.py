"""What a panel can ask about a change, and the answers: a bridge between two days, and who carries the excess."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd

from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import Listing, file_name
from healthkit.panels.where_i_stand_model import Question
from healthkit.report import charts, wording
from healthkit.report.wording import Movement
from healthkit.workspace.workspace import Desk

STEPS = ("new", "learnt late", "left", "removed")
"""In which order the orders that moved are listed: those that made it worse first."""


@dataclass(frozen=True)
class Change:
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
    def moved(self) -> Movement:
        """The change as sentences speak of it."""
        return wording.movement(self.bridge)


def changed(desk: Desk, question: Question, before: date) -> Change:
    """Why the rate that a question asks for moved since an earlier day.

    Raises ExplainError where nothing counts on one of the days, or the rule changed between them; QuestionError where
    no rule is in force or the account has no orders yet.
    """
    row = where_i_stand_model.answer(desk, question).score
    bridge = desk.bridge(row, before)
    place = bridge.orders["step"].map(STEPS.index)
    orders = bridge.orders.assign(place=place).sort_values(["place", "clock_day", "order_id"], ignore_index=True)
    return Change(question, before, row, bridge, orders.drop(columns="place"), desk.drivers(row))


def shown(told: Change) -> dict[str, Any]:
    """A change as the plain data that a notebook's page shows."""
    moved = told.moved
    row = told.question
    name = wording.opening(wording.measure(row.metric, "", row.window))
    title = f"{name} at {moved.rate(moved.before)} on {wording.day(told.before, 0)}, at {moved.rate(moved.after)} now"
    chart = charts.why_it_moved(told.bridge, finding=title)
    caption = [*wording.bridge_caption(moved), *wording.bars_caption(moved, charts.bars_span(moved).begin)]
    return {
        "status": None,
        "finding": [(f"{wording.bridge_title(moved)}.", True)],
        "lead": _groups(told),
        "figure": {"title": title, "spec": charts.spec(chart), "picks": _bars(moved)},
        "notes": [[(note, False)] for note in caption if note],
        "orders": listing(told).shown(),
    }


def _groups(told: Change) -> str:
    """Which groups of orders stand out now, or that none does."""
    rows = told.drivers[told.drivers["excess"].notna()]
    loud = rows[rows["stands_out"]]
    if loud.empty:
        return wording.account.no_group(told.drivers["dimension"])
    names = [wording.account.group_name(*pair) for pair in zip(loud["dimension"], loud["group"], strict=True)]
    noun = wording.metric(told.question.metric).noun
    return f"{wording.account.groups_title(names[:3], float(loud['excess'].iloc[0]), noun)}."


def listing(told: Change) -> Listing:
    """The orders that moved, as a list that can be cut to one step."""
    asked = told.question
    placed = wording.PLACED_HEADS[told.bridge.rule.clock]
    heads = {"step": "Step", "order_id": "Order", "causes": "Cause", "clock_day": placed, "known_on": "Known"}
    name = file_name(asked.account, asked.metric, told.before, asked.as_of)
    return Listing(told.orders, heads, wording.moved_title, asked.as_of.year, name, {
        step: wording.STEP_NAMES[step] for step in STEPS
    })  # fmt: skip


def _bars(moved: Movement) -> list[list[str]]:
    """For each bar of the chart the step whose orders stand behind it, with its words; empty where none do."""
    kinds = [part.kind if part.kind in STEPS else "" for part in moved.parts]
    words = [" ".join(wording.step_label(moved, part)) for part in moved.parts]
    return [["", ""], *map(list, zip(kinds, words, strict=True)), ["", ""]]
