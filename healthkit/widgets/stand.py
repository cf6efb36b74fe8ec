"""The panel "where do I stand": the rate, its target and the orders behind the number."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from healthkit.desk import Desk
from healthkit.widgets import questions
from healthkit.widgets.panel import Panel
from healthkit.widgets.questions import Answer, Question


class WhereIStand(Panel):
    """Where one measure stands; `scores` and `orders` hold what the answer rests on."""

    def __init__(self, desk: Desk, first: Question) -> None:
        self._answer: Answer | None = None
        super().__init__(desk, first)

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
        self._answer = questions.answer(self._desk, self.question)
        return questions.shown(self._answer)

    def _refuse(self, error: ValueError) -> None:
        self._answer = None
        super()._refuse(error)


def where_i_stand(desk: Desk, account: str = "", as_of: str | date = "") -> WhereIStand:
    """The panel that answers "where do I stand?", opened on the worst measure.

    `account` is one to begin with, `as_of` the day (the last day of the orders where none is given). Raises StoreError
    for an account that the store does not hold, QuestionError for what is no day.
    """
    return WhereIStand(desk, questions.first_question(desk, account, as_of))
