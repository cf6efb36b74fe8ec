"""The panel "what changed": why a rate moved between two days, step by step, with the orders of each step."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import what_changed_model, where_i_stand_model
from healthkit.panels.panel import Panel, control_row
from healthkit.panels.what_changed_model import RateChange
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import wording
from healthkit.workspace.workspace import Workspace


class WhatChangedPanel(Panel):
    """Why one measure moved; `bridge`, `orders` and `drivers` hold what the answer rests on."""

    def __init__(self, workspace: Workspace, first: Question, before: date) -> None:
        self._change: RateChange | None = None
        style = {"description_width": "initial"}
        self.before = widgets.DatePicker(value=before, description="Since", style=style, layout={"width": "190px"})
        super().__init__(workspace, first, control_row(self.before))
        self.before.observe(self._show, "value")

    @property
    def bridge(self) -> Any:
        """The steps from one day to the other (see `bridge.Bridge`); None where the question has no answer."""
        return self._change.bridge if self._change is not None else None

    @property
    def orders(self) -> pd.DataFrame:
        """The orders that moved, all of them; empty where the question has no answer."""
        if self._change is not None:
            return self._change.orders
        return pd.DataFrame(columns=["order_id", "step", "causes", "clock_day", "known_on", "at_fault"])

    @property
    def drivers(self) -> pd.DataFrame:
        """DRIVERS of the later day; empty where the question has no answer."""
        return self._change.drivers if self._change is not None else pd.DataFrame()

    @property
    def standing(self) -> str:
        """For how long the measure has been off target on the later day, and what its rule's text says of that."""
        if self._change is None:
            return self.finding
        row = self._change.score
        view = self._workspace.account(row["account"], row["marketplace"])
        held, rule = view.streak(row), view.rule(row)
        said = wording.account.streak_sentence(held, rule.stages, wording.CERTAINTY_LABELS[rule.sure])
        return said or f"Not off target on {wording.format_long_day(self.question.as_of, 0)}."

    def _ask(self) -> dict[str, Any]:
        self._change = None
        if self.before.value is None:
            raise QuestionError("Choose a day to compare with: the rate moved since then.")
        self._change = what_changed_model.explain_change(self._workspace, self.question, self.before.value)
        self._listing = what_changed_model.list_moved_orders(self._change)
        return what_changed_model.render_change(self._change)

    def _refuse(self, error: ValueError) -> None:
        self._change = None
        super()._refuse(error)


def what_changed(
    workspace: Workspace, account: str = "", as_of: str | date = "", before: str | date = ""
) -> WhatChangedPanel:
    """The panel that answers "what changed?", opened on the worst measure since the end of the month before.

    `account` is one to begin with, `as_of` the later day (the last day of the orders where none is given), `before` the
    earlier one. Raises StoreError for an account that the store does not hold, QuestionError for what is no day.
    """
    first = where_i_stand_model.first_question(workspace, account, as_of)
    earlier = where_i_stand_model.parse_day(before) if before else first.as_of.replace(day=1) - timedelta(days=1)
    return WhatChangedPanel(workspace, first, earlier)
