"""The panel "what if": a slider for each cause and one for the volume; rate, return day and orders saved follow."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.analysis.scenarios import WhatIf
from healthkit.panels import what_if_model, where_i_stand_model
from healthkit.panels.panel import Panel, in_a_row
from healthkit.panels.what_if_model import Try
from healthkit.panels.where_i_stand_model import Question
from healthkit.report import wording
from healthkit.workspace.workspace import Desk

_STYLE = {"description_width": "220px"}
_WIDE = {"width": "560px"}


class WhatIfPanel(Panel):
    """What one measure would be if less went wrong; `scenario`, `answer` and `saved` hold what was tried."""

    def __init__(self, desk: Desk, first: Question) -> None:
        self._try: Try | None = None
        self.fewer: dict[str, widgets.IntSlider] = {}
        self.volume = widgets.IntSlider(0, -50, 100, 5, description="More new orders, %", style=_STYLE, layout=_WIDE)
        self.still = widgets.Checkbox(
            value=False, description="No new orders at all", indent=False, layout={"width": "200px"}
        )
        self._tries = widgets.VBox()
        self._asked: Question | None = None
        super().__init__(desk, first, self._tries, in_a_row(self.volume, self.still))
        self.volume.observe(self._show, "value")
        self.still.observe(self._show, "value")

    @property
    def scenario(self) -> list[dict[str, Any]]:
        """The steps that the sliders stand for, as `desk.what_if` takes them."""
        return what_if_model.steps_of({cause: slider.value for cause, slider in self.fewer.items()}, self.volume.value)

    @property
    def answer(self) -> WhatIf | None:
        """Both sides of what was tried (see `whatif.WhatIf`); None where it has no answer."""
        return self._try.held if self._try is not None else None

    @property
    def saved(self) -> pd.DataFrame:
        """The orders that would no longer be at fault; empty where the question has no answer."""
        return self._try.held.saved if self._try is not None else pd.DataFrame(columns=["order_id", "causes"])

    def _ask(self) -> dict[str, Any]:
        self._try = None
        self._offer_sliders()
        by = {cause: slider.value for cause, slider in self.fewer.items()}
        self._try = what_if_model.tried(self._desk, self.question, by, self.volume.value, not self.still.value)
        self._listing = what_if_model.listing(self._try)
        return what_if_model.shown(self._try)

    def _refuse(self, error: ValueError) -> None:
        self._try = None
        super()._refuse(error)

    def _offer_sliders(self) -> None:
        """One slider for each cause of the measure; those that stay keep where they stand."""
        if self.question == self._asked:
            return
        self._asked = self.question
        causes = what_if_model.causes_of(self._desk, self.question)
        if list(self.fewer) != causes:
            self.fewer = {cause: self.fewer.get(cause) or self._slider(cause) for cause in causes}
        needed = what_if_model.needed(self._desk, self.question)
        self._tries.children = tuple(
            in_a_row(slider, *([_button(slider, *needed[cause])] if cause in needed else []))
            for cause, slider in self.fewer.items()
        )

    def _slider(self, cause: str) -> widgets.IntSlider:
        label = f"{wording.foresight.fewer_label(cause)}, %"
        slider = widgets.IntSlider(0, 0, 100, description=label, style=_STYLE, layout=_WIDE)
        slider.observe(self._show, "value")
        return slider


def _button(slider: widgets.IntSlider, percent: int | None, orders: int) -> widgets.Button:
    """Says how much of a cause alone is needed, and sets its slider to that."""
    button = widgets.Button(description=wording.panel.needed(percent, orders), disabled=not percent)
    button.layout = {"width": "auto"}
    button.on_click(lambda _: setattr(slider, "value", percent))
    return button


def what_if(desk: Desk, account: str = "", as_of: str | date = "") -> WhatIfPanel:
    """The panel that answers "what if less went wrong?", opened on the worst measure.

    `account` is one to begin with, `as_of` the day (the last day of the orders where none is given). Raises StoreError
    for an account that the store does not hold, QuestionError for what is no day.
    """
    return WhatIfPanel(desk, where_i_stand_model.first_question(desk, account, as_of))
