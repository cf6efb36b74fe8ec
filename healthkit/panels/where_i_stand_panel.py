"""The panel "where do I stand": the rate, its target and the orders behind the number."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import Listing
from healthkit.panels.panel import Panel, in_a_row
from healthkit.panels.where_i_stand_model import Answer, Question
from healthkit.workspace.workspace import Desk

HISTORY = (30, 60, 120, 365, 730)
"""How many days of history a panel offers to show."""


class WhereIStand(Panel):
    """Where one measure stands; `scores` and `orders` hold what the answer rests on."""

    def __init__(self, desk: Desk, first: Question) -> None:
        self._answer: Answer | None = None
        self.history = widgets.Dropdown(
            options=[(f"{days} days", days) for days in HISTORY], value=where_i_stand_model.DAYS,
            description="Days shown",
            style={"description_width": "initial"}, layout={"width": "190px"},
        )  # fmt: skip
        self.theirs = widgets.Checkbox(
            value=False, description="The marketplace's own figures", indent=False, layout={"width": "260px"}
        )
        super().__init__(desk, first, in_a_row(self.history, self.theirs))
        self.history.observe(self._show, "value")
        self.theirs.observe(self._show, "value")

    @property
    def scores(self) -> pd.DataFrame:
        """SCORES of the days that the chart draws; empty where the question has no answer."""
        return self._answer.daily if self._answer is not None else pd.DataFrame()

    @property
    def orders(self) -> pd.DataFrame:
        """The orders behind the number, all of them; empty where the question has no answer."""
        if self._answer is not None:
            return self._answer.orders
        return pd.DataFrame(columns=[*self._desk.counts.faults.columns, "enters_on", "leaves_on"])

    def _ask(self) -> dict[str, Any]:
        self._answer = None
        self._answer = where_i_stand_model.answer(self._desk, self.question, self.history.value, self.theirs.value)
        self._listing = where_i_stand_model.listing(self._answer)
        return where_i_stand_model.shown(self._answer)

    def _read(self, day: date) -> str:
        return where_i_stand_model.read(self._answer, day) if self._answer is not None else ""

    def _behind(self, first: date, last: date) -> Listing | None:
        if self._answer is None:
            return None
        then = where_i_stand_model.as_of_day(self._answer, last)
        if then is None:
            return None
        return where_i_stand_model.listing(
            then, where_i_stand_model.behind(self._desk, self._answer, first, last), first
        )

    def _first_listing(self) -> Listing | None:
        return where_i_stand_model.listing(self._answer) if self._answer is not None else None

    def _refuse(self, error: ValueError) -> None:
        self._answer = None
        super()._refuse(error)


def where_i_stand(desk: Desk, account: str = "", as_of: str | date = "") -> WhereIStand:
    """The panel that answers "where do I stand?", opened on the worst measure.

    `account` is one to begin with, `as_of` the day (the last day of the orders where none is given). Raises StoreError
    for an account that the store does not hold, QuestionError for what is no day.
    """
    return WhereIStand(desk, where_i_stand_model.first_question(desk, account, as_of))
