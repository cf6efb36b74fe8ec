"""The panel "What changed?": the steps between the rates of two days, with the orders of each step."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import what_changed_model, where_i_stand_model
from healthkit.panels.panel import Panel, control_row, labelled_control
from healthkit.panels.what_changed_model import RateChange
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels
from healthkit.workspace.workspace import Workspace


class WhatChangedPanel(Panel):
    """The panel "What changed?", which explains the change of one rate between two days.

    `bridge`, `orders` and `drivers` are the data of the answer.
    """

    _answer: RateChange | None

    def __init__(self, workspace: Workspace, first: Question, before: date) -> None:
        self.before = labelled_control(widgets.DatePicker, "Since", 190, value=before)
        super().__init__(workspace, first, control_row(self.before))
        self.before.observe(self._show, "value")

    @property
    def bridge(self) -> Any:
        """The steps between the rates of the two days (see `bridge.Bridge`); None if the question has no answer."""
        return self._answer.bridge if self._answer is not None else None

    @property
    def orders(self) -> pd.DataFrame:
        """All orders that entered or left the count of faults; empty if the question has no answer."""
        if self._answer is not None:
            return self._answer.orders
        return pd.DataFrame(columns=["order_id", "step", "causes", "clock_day", "known_on", "at_fault"])

    @property
    def drivers(self) -> pd.DataFrame:
        """The table DRIVERS of the later day; empty if the question has no answer."""
        return self._answer.drivers if self._answer is not None else pd.DataFrame()

    @property
    def streak_text(self) -> str:
        """A sentence on how long the measure has been off target on the later day, and on the stage of its rule."""
        if self._answer is None:
            return self.finding
        row = self._answer.score
        view = self._workspace.account(row["account"], row["marketplace"])
        streak, rule = view.streak(row), view.rule(row)
        sentence = account_text.streak_sentence(streak, rule.stages, labels.CERTAINTY_LABELS[rule.sure])
        return sentence or f"Not off target on {figures.format_long_day(self.question.as_of, 0)}."

    def _render_answer(self) -> dict[str, Any]:
        if self.before.value is None:
            raise QuestionError("Choose a day to compare with: the change since that day is shown.")
        self._answer = what_changed_model.explain_change(self._workspace, self.question, self.before.value)
        self._listing = what_changed_model.list_moved_orders(self._answer)
        return what_changed_model.render_change(self._answer)


def what_changed(
    workspace: Workspace,
    account: str = "",
    as_of: str | date = "",
    before: str | date = "",
    *,
    marketplace: str = "",
) -> WhatChangedPanel:
    """Return the panel "What changed?", which first shows the measure with the worst status.

    `account` is the first account (default: that with the largest expected harm), `marketplace` one of its own, `as_of`
    the later day (default: that of the newest page), `before` the earlier day (default: the last day of the month
    before). Raises StoreError for an account that is not in the store, QuestionError for an invalid day.
    """
    first = where_i_stand_model.first_question(workspace, account, as_of, marketplace)
    earlier = where_i_stand_model.parse_day(before) if before else first.as_of.replace(day=1) - timedelta(days=1)
    return WhatChangedPanel(workspace, first, earlier)
