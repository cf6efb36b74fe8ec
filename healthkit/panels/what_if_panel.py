"""The panel "What if?": sliders for causes and order volume; shows the rate, the return date and the orders saved."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.analysis.what_if import ScenarioResult
from healthkit.panels import what_if_model, where_i_stand_model
from healthkit.panels.panel import Panel, control_row, labelled_control
from healthkit.panels.what_if_model import WhatIfAnswer
from healthkit.panels.where_i_stand_model import Question
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import panel as panel_text
from healthkit.workspace.workspace import Workspace

_STYLE = {"description_width": "260px"}
_WIDE = {"width": "600px"}


class WhatIfPanel(Panel):
    """The panel "What if less went wrong?", which scores one measure with fewer faults or more orders.

    `scenario`, `answer` and `orders_saved` are the data of the answer.
    """

    _answer: WhatIfAnswer | None

    def __init__(self, workspace: Workspace, first: Question) -> None:
        self.cause_sliders: dict[str, widgets.IntSlider] = {}
        self.volume = widgets.IntSlider(0, -50, 100, 5, description="More new orders, %", style=_STYLE, layout=_WIDE)
        self.no_new_orders = widgets.Checkbox(
            value=False, description="No new orders at all", indent=False, layout={"width": "200px"}
        )
        self.product = labelled_control(widgets.Dropdown, "Stop selling", 250, options=[(panel_text.NO_PRODUCT, "")])
        self.since = labelled_control(widgets.DatePicker, "From", 190)
        self.until = labelled_control(widgets.DatePicker, "Until", 190)
        self.cleared: dict[str, widgets.Checkbox] = {}
        self._boxes: list[widgets.Checkbox] = []
        self._ticks = widgets.VBox(layout={"max_height": "150px", "overflow": "auto"}).add_class("hk-ticks")
        self._cleared_label = widgets.Label(panel_text.CLEARED_LABEL)
        self._slider_rows = widgets.VBox()
        self._sliders_question: Question | None = None
        super().__init__(
            workspace, first, self._slider_rows, control_row(self.volume, self.no_new_orders),
            control_row(self.product, self.since, self.until), self._cleared_label, self._ticks,
        )  # fmt: skip
        for control in (self.volume, self.no_new_orders, self.product, self.since, self.until):
            control.observe(self._show, "value")

    @property
    def scenario(self) -> list[dict[str, Any]]:
        """The steps of the scenario that is set with the controls."""
        return what_if_model.scenario_of_sliders(
            self._percent_fewer, self.volume.value, cleared=[name for name, box in self.cleared.items() if box.value],
            product=self.product.value or "", since=self.since.value, until=self.until.value,
        )  # fmt: skip

    @property
    def _percent_fewer(self) -> dict[str, int]:
        return {cause: slider.value for cause, slider in self.cause_sliders.items()}

    @property
    def answer(self) -> ScenarioResult | None:
        """The scores before and after the scenario; None if the question has no answer."""
        return self._answer.result if self._answer is not None else None

    @property
    def orders_saved(self) -> pd.DataFrame:
        """The orders that would no longer be at fault in the scenario; empty if the question has no answer."""
        if self._answer is not None:
            return self._answer.result.orders_saved
        return pd.DataFrame(columns=["order_id", "causes"])

    def _render_answer(self) -> dict[str, Any]:
        self._update_sliders()
        self._answer = what_if_model.answer_what_if(
            self._workspace, self.question, self.scenario, not self.no_new_orders.value
        )
        self._listing = what_if_model.list_saved_orders(self._answer)
        actions = what_if_model.list_actions(self._workspace, self.question)
        return what_if_model.render_what_if(self._answer, actions)

    def _update_sliders(self) -> None:
        """Show one slider for each cause of the measure; a slider that stays keeps its value.

        A measure without an answer raises an error here and has none, nor orders to clear.
        """
        if self.question == self._sliders_question:
            return
        self._sliders_question = self.question
        self._slider_rows.children = self._ticks.children = ()
        self._cleared_label.layout.display = "none"
        causes = what_if_model.most_frequent_causes(self._workspace, self.question)
        if list(self.cause_sliders) != causes:
            self.cause_sliders = {cause: self.cause_sliders.get(cause) or self._slider(cause) for cause in causes}
        self._update_products()
        self._update_ticks()
        self._cleared_label.layout.display = "" if self.cleared else "none"
        needed = what_if_model.reductions_needed(self._workspace, self.question)
        self._slider_rows.children = tuple(
            control_row(slider, *([_reduction_button(slider, *needed[cause])] if cause in needed else []))
            for cause, slider in self.cause_sliders.items()
        )

    def _update_products(self) -> None:
        """Offer the products of the account; one that it has too stays selected."""
        names = what_if_model.list_products(self._workspace, self.question)
        options = [(panel_text.NO_PRODUCT, ""), *((name, name) for name in names)]
        if list(self.product.options) != options:
            selected = self.product.value if self.product.value in names else ""
            self._is_paused = True
            self.product.options = options
            self.product.value = selected
            self._is_paused = False

    def _update_ticks(self) -> None:
        """Show a box for each order that can be cleared; boxes are used again, for each is slow to make."""
        orders = what_if_model.orders_to_clear(self._workspace, self.question)
        while len(self._boxes) < len(orders):
            self._boxes.append(widgets.Checkbox(value=False, indent=False, layout={"width": "auto"}))
            self._boxes[-1].observe(self._show, "value")
        self._is_paused = True
        self.cleared = {}
        for box, (label, name) in zip(self._boxes, orders, strict=False):
            box.description, box.value, self.cleared[name] = label, False, box
        self._is_paused = False
        self._ticks.children = tuple(self.cleared.values())

    def _slider(self, cause: str) -> widgets.IntSlider:
        label = f"{outlook_text.slider_label(cause)}, %"
        slider = widgets.IntSlider(0, 0, 100, description=label, style=_STYLE, layout=_WIDE)
        slider.observe(self._show, "value")
        return slider


def _reduction_button(slider: widgets.IntSlider, percent: int | None, orders: int) -> widgets.Button:
    """Return a button that names the reduction of one cause that meets the target, and sets the slider to it."""
    button = widgets.Button(description=panel_text.needed_phrase(percent, orders), disabled=not percent)
    button.layout = {"width": "auto"}
    button.on_click(lambda _: setattr(slider, "value", percent))
    return button


def what_if(workspace: Workspace, account: str = "", as_of: str | date = "", *, marketplace: str = "") -> WhatIfPanel:
    """Return the panel "What if less went wrong?", which first shows the measure with the worst status.

    `account` is the first account (default: that with the largest expected harm), `marketplace` one of its own, and
    `as_of` the day (default: that of the newest page). Raises StoreError for an account that is not in the store,
    QuestionError for an invalid day.
    """
    first = where_i_stand_model.first_question(workspace, account, as_of, marketplace)
    return WhatIfPanel(workspace, first)
