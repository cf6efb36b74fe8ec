"""The panel "what if": a slider for each cause and one for the volume; rate, return day and orders saved follow."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.analysis.what_if import ScenarioResult
from healthkit.panels import what_if_model, where_i_stand_model
from healthkit.panels.panel import Panel, control_row
from healthkit.panels.what_if_model import WhatIfAnswer
from healthkit.panels.where_i_stand_model import Question
from healthkit.report import wording
from healthkit.workspace.workspace import Workspace

_STYLE = {"description_width": "220px"}
_WIDE = {"width": "560px"}


class WhatIfPanel(Panel):
    """What one measure would be if less went wrong; `scenario`, `answer` and `saved` hold what was tried."""

    def __init__(self, workspace: Workspace, first: Question) -> None:
        self._what_if_answer: WhatIfAnswer | None = None
        self.cause_sliders: dict[str, widgets.IntSlider] = {}
        self.volume = widgets.IntSlider(0, -50, 100, 5, description="More new orders, %", style=_STYLE, layout=_WIDE)
        self.no_new_orders = widgets.Checkbox(
            value=False, description="No new orders at all", indent=False, layout={"width": "200px"}
        )
        self._slider_rows = widgets.VBox()
        self._asked: Question | None = None
        super().__init__(workspace, first, self._slider_rows, control_row(self.volume, self.no_new_orders))
        self.volume.observe(self._show, "value")
        self.no_new_orders.observe(self._show, "value")

    @property
    def scenario(self) -> list[dict[str, Any]]:
        """The steps that the sliders stand for, as `AccountView.what_if` takes them."""
        return what_if_model.scenario_of_sliders(
            {cause: slider.value for cause, slider in self.cause_sliders.items()}, self.volume.value
        )

    @property
    def answer(self) -> ScenarioResult | None:
        """Both sides of what was tried (see `whatif.WhatIf`); None where it has no answer."""
        return self._what_if_answer.held if self._what_if_answer is not None else None

    @property
    def orders_saved(self) -> pd.DataFrame:
        """The orders that would no longer be at fault; empty where the question has no answer."""
        return (
            self._what_if_answer.held.orders_saved
            if self._what_if_answer is not None
            else pd.DataFrame(columns=["order_id", "causes"])
        )

    def _ask(self) -> dict[str, Any]:
        self._what_if_answer = None
        self._update_sliders()
        by = {cause: slider.value for cause, slider in self.cause_sliders.items()}
        self._what_if_answer = what_if_model.answer_what_if(
            self._workspace, self.question, by, self.volume.value, not self.no_new_orders.value
        )
        self._listing = what_if_model.list_saved_orders(self._what_if_answer)
        return what_if_model.render_what_if(self._what_if_answer)

    def _refuse(self, error: ValueError) -> None:
        self._what_if_answer = None
        super()._refuse(error)

    def _update_sliders(self) -> None:
        """One slider for each cause of the measure; those that stay keep where they stand."""
        if self.question == self._asked:
            return
        self._asked = self.question
        causes = what_if_model.most_frequent_causes(self._workspace, self.question)
        if list(self.cause_sliders) != causes:
            self.cause_sliders = {cause: self.cause_sliders.get(cause) or self._slider(cause) for cause in causes}
        needed = what_if_model.reductions_needed(self._workspace, self.question)
        self._slider_rows.children = tuple(
            control_row(slider, *([_button(slider, *needed[cause])] if cause in needed else []))
            for cause, slider in self.cause_sliders.items()
        )

    def _slider(self, cause: str) -> widgets.IntSlider:
        label = f"{wording.foresight.slider_label(cause)}, %"
        slider = widgets.IntSlider(0, 0, 100, description=label, style=_STYLE, layout=_WIDE)
        slider.observe(self._show, "value")
        return slider


def _button(slider: widgets.IntSlider, percent: int | None, orders: int) -> widgets.Button:
    """Says how much of a cause alone is needed, and sets its slider to that."""
    button = widgets.Button(description=wording.panel.needed_phrase(percent, orders), disabled=not percent)
    button.layout = {"width": "auto"}
    button.on_click(lambda _: setattr(slider, "value", percent))
    return button


def what_if(workspace: Workspace, account: str = "", as_of: str | date = "") -> WhatIfPanel:
    """The panel that answers "what if less went wrong?", opened on the worst measure.

    `account` is one to begin with, `as_of` the day (the last day of the orders where none is given). Raises StoreError
    for an account that the store does not hold, QuestionError for what is no day.
    """
    return WhatIfPanel(workspace, where_i_stand_model.first_question(workspace, account, as_of))
