"""The panel "where do I stand": the rate, its target and the orders behind the number."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import OrderList
from healthkit.panels.panel import Panel, control_row
from healthkit.panels.where_i_stand_model import Answer, Question
from healthkit.workspace.workspace import Workspace

HISTORY_OPTIONS = (30, 60, 120, 365, 730)
"""How many days of history a panel offers to show."""


class WhereIStandPanel(Panel):
    """Where one measure stands; `scores` and `orders` hold what the answer rests on."""

    def __init__(self, workspace: Workspace, first: Question) -> None:
        self._answer: Answer | None = None
        self.history = widgets.Dropdown(
            options=[(f"{days} days", days) for days in HISTORY_OPTIONS], value=where_i_stand_model.HISTORY_DAYS,
            description="Days shown",
            style={"description_width": "initial"}, layout={"width": "190px"},
        )  # fmt: skip
        self.theirs = widgets.Checkbox(
            value=False, description="The marketplace's own figures", indent=False, layout={"width": "260px"}
        )
        super().__init__(workspace, first, control_row(self.history, self.theirs))
        self.history.observe(self._show, "value")
        self.theirs.observe(self._show, "value")

    @property
    def scores(self) -> pd.DataFrame:
        """SCORES of the days that the chart draws; empty where the question has no answer."""
        return self._answer.daily_scores if self._answer is not None else pd.DataFrame()

    @property
    def orders(self) -> pd.DataFrame:
        """The orders behind the number, all of them; empty where the question has no answer."""
        if self._answer is not None:
            return self._answer.orders
        return pd.DataFrame(columns=[*self._workspace.counts.faults.columns, "enters_on", "leaves_on"])

    def _ask(self) -> dict[str, Any]:
        self._answer = None
        self._answer = where_i_stand_model.answer_question(
            self._workspace, self.question, self.history.value, self.theirs.value
        )
        self._listing = where_i_stand_model.list_orders_at_fault(self._answer)
        return where_i_stand_model.render_answer(self._answer)

    def _read(self, day: date) -> str:
        return where_i_stand_model.describe_day(self._answer, day) if self._answer is not None else ""

    def _orders_of_days(self, first: date, last: date) -> OrderList | None:
        if self._answer is None:
            return None
        then = where_i_stand_model.answer_of_day(self._answer, last)
        if then is None:
            return None
        return where_i_stand_model.list_orders_at_fault(
            then, where_i_stand_model.orders_at_fault_between(self._workspace, self._answer, first, last), first
        )

    def _default_listing(self) -> OrderList | None:
        return where_i_stand_model.list_orders_at_fault(self._answer) if self._answer is not None else None

    def _refuse(self, error: ValueError) -> None:
        self._answer = None
        super()._refuse(error)


def where_i_stand(workspace: Workspace, account: str = "", as_of: str | date = "") -> WhereIStandPanel:
    """The panel that answers "where do I stand?", opened on the worst measure.

    `account` is one to begin with, `as_of` the day (the last day of the orders where none is given). Raises StoreError
    for an account that the store does not hold, QuestionError for what is no day.
    """
    return WhereIStandPanel(workspace, where_i_stand_model.first_question(workspace, account, as_of))
