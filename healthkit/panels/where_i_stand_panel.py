"""The panel "Where do I stand?": one rate over time, its target, and the orders at fault."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList
from healthkit.panels.panel import Panel, control_row, labelled_control
from healthkit.panels.where_i_stand_model import Answer, Question
from healthkit.workspace.workspace import Workspace

HISTORY_OPTIONS = (30, 60, 120, 365, 730)
"""Numbers of days that the user can choose for the chart."""


class WhereIStandPanel(Panel):
    """The panel "Where do I stand?", which shows one measure: its status, rate over time and orders at fault.

    `scores` and `orders` are the tables of the answer. The window can be compared with any number of others.
    """

    _answer: Answer | None

    def __init__(self, workspace: Workspace, first: Question) -> None:
        options = [(f"{days} days", days) for days in HISTORY_OPTIONS]
        self.history = labelled_control(
            widgets.Dropdown, "Days shown", 190, options=options, value=where_i_stand_model.HISTORY_DAYS
        )
        self.show_reported = widgets.Checkbox(
            value=False, description="The marketplace's own figures", indent=False, layout={"width": "260px"}
        )
        self.other_windows = labelled_control(
            widgets.Text, "Other windows", 250, placeholder="days: 7, 14, 90", continuous_update=False
        )
        super().__init__(workspace, first, control_row(self.history, self.other_windows, self.show_reported))
        self.other_windows.observe(self._show, "value")
        self.history.observe(self._show, "value")
        self.show_reported.observe(self._show, "value")

    @property
    def scores(self) -> pd.DataFrame:
        """The table SCORES of the days in the chart; empty if the question has no answer."""
        return self._answer.daily_scores if self._answer is not None else pd.DataFrame()

    @property
    def orders(self) -> pd.DataFrame:
        """All orders at fault; empty if the question has no answer."""
        if self._answer is not None:
            return self._answer.orders
        return pd.DataFrame(columns=[*self._workspace.counts.faults.columns, "enters_on", "leaves_on"])

    def _render_answer(self) -> dict[str, Any]:
        self._answer = where_i_stand_model.answer_question(
            self._workspace, self.question, self.history.value, self.show_reported.value,
            where_i_stand_model.parse_windows(self.other_windows.value),
        )  # fmt: skip
        self._listing = where_i_stand_model.list_orders_at_fault(self._answer)
        return where_i_stand_model.render_answer(self._answer)

    def _describe_day(self, day: date) -> str:
        return where_i_stand_model.describe_day(self._answer, day) if self._answer is not None else ""

    def _orders_of_days(self, first: date, last: date) -> OrderList | None:
        if self._answer is None:
            return None
        answer_of_last = where_i_stand_model.answer_of_day(self._answer, last)
        if answer_of_last is None:
            return None
        return where_i_stand_model.list_orders_at_fault(
            answer_of_last,
            where_i_stand_model.orders_at_fault_between(self._workspace, self._answer, first, last),
            first,
        )


def where_i_stand(
    workspace: Workspace, account: str = "", as_of: str | date = "", *, marketplace: str = ""
) -> WhereIStandPanel:
    """Return the panel "Where do I stand?", which first shows the measure with the worst status.

    `account` is the first account (default: that with the largest expected harm), `marketplace` one of its own, and
    `as_of` the day (default: that of the newest page). Raises StoreError for an account that is not in the store,
    QuestionError for an invalid day.
    """
    first = where_i_stand_model.first_question(workspace, account, as_of, marketplace)
    return WhereIStandPanel(workspace, first)
