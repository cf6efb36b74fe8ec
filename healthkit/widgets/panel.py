"""What every panel has: controls for account, measure, window and day; what they ask is shown as they move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets

from healthkit import wording
from healthkit.desk import Desk
from healthkit.widgets import questions
from healthkit.widgets.drawing import AnswerDrawing
from healthkit.widgets.questions import LONGEST, Question

_LABELS = {"description_width": "initial"}


class Panel(widgets.VBox):
    """Controls and what follows them; `question` is what they ask, `finding` the answer in a sentence.

    A panel of its own kind says in `_ask` what is shown for a question, and may have rows of controls of its own.
    """

    def __init__(self, desk: Desk, first: Question, *more: widgets.Widget) -> None:
        self._desk = desk
        self._quiet = False
        self.account = widgets.Dropdown(description="Account", style=_LABELS, layout={"width": "250px"})
        self.measure = widgets.Dropdown(description="Measure", style=_LABELS, layout={"width": "300px"})
        self.window = widgets.IntSlider(
            first.window, 1, LONGEST, description="Window in days", style=_LABELS, layout={"width": "420px"}
        )
        self.own = widgets.HBox()
        self.day = widgets.DatePicker(value=first.as_of, description="As of", style=_LABELS, layout={"width": "190px"})
        self.shown = AnswerDrawing()
        self._begin(first)
        rows = [[self.account, self.measure, self.day], [self.window, self.own]]
        super().__init__([*(in_a_row(*row) for row in rows), *more, self.shown])
        self.add_class("hk-panel")
        for control, change in (
            (self.account, self._account_changed), (self.measure, self._measure_changed),
            (self.window, self._show), (self.day, self._day_changed),
        ):  # fmt: skip
            control.observe(change, "value")
        self._show()

    @property
    def question(self) -> Question:
        """What the controls ask."""
        (account, marketplace), (metric, channel) = self.account.value, self.measure.value
        return Question(account, marketplace, metric, channel, self.window.value, self.day.value)

    @property
    def finding(self) -> str:
        """The finding, as it stands above the chart."""
        return "".join(text for text, _ in self.shown.shown["finding"])

    def _begin(self, first: Question) -> None:
        """Set the controls to the first question."""
        self.account.options = [(_account(self._desk, pair), pair) for pair in questions.accounts(self._desk)]
        self.account.value = (first.account, first.marketplace)
        self._offer_measures((first.metric, first.channel))
        self._offer_own_windows()
        self.window.value = first.window

    def _account_changed(self, _: Any) -> None:
        with self._told():
            self._offer_measures(self.measure.value)
            self._offer_own_windows()

    def _measure_changed(self, _: Any) -> None:
        if self._quiet:
            return
        with self._told():
            self._offer_own_windows()
            self.window.value = self._rule().windows[-1]

    def _day_changed(self, _: Any) -> None:
        with self._told():
            self._check_day()
            self._offer_measures(self.measure.value)
            self._offer_own_windows()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Change controls without an answer for each; then answer once, or say why there is none."""
        self._quiet = True
        try:
            yield
        except ValueError as error:
            self._refuse(error)
        else:
            self._quiet = False
            self._show()
        finally:
            self._quiet = False

    def _show(self, _: Any = None) -> None:
        """Answer what the controls ask, or say why it cannot be answered."""
        if self._quiet:
            return
        try:
            self._check_day()
            self.shown.shown = self._ask()
        except ValueError as error:
            self._refuse(error)

    def _ask(self) -> dict[str, Any]:
        """What is shown for the question that the controls ask; a ValueError says why it has no answer."""
        raise NotImplementedError

    def _refuse(self, error: ValueError) -> None:
        """Say why there is no answer."""
        self.shown.shown = questions.refused(error)

    def _check_day(self) -> None:
        if self.day.value is None:
            raise questions.QuestionError("Choose a day: the rate is shown as of its evening.")

    def _rule(self) -> Any:
        asked = self.question
        return questions.rule_of(self._desk, asked.marketplace, asked.metric, asked.channel, asked.as_of)

    def _offer_measures(self, wanted: tuple[str, str] | None) -> None:
        """The measures of the account on the day; the one wanted stays chosen where there is such."""
        account, marketplace = self.account.value
        pairs = questions.measures(self._desk, account, marketplace, self.day.value)
        several = len({channel for _, channel in pairs}) > 1
        if [pair for _, pair in self.measure.options] != pairs:
            self.measure.options = [(_measure(*pair, several), pair) for pair in pairs]
        self.measure.value = wanted if wanted in pairs else pairs[0]
        if self.measure.value != wanted:
            self.window.value = self._rule().windows[-1]

    def _offer_own_windows(self) -> None:
        """One button for each window that the rule itself judges."""
        own = self._rule().windows
        if [button.days for button in self.own.children[1:]] != list(own):
            self.own.children = [widgets.Label("The rule's own:"), *(self._button(days) for days in own)]
            self.own.add_class("hk-own")

    def _button(self, days: int) -> widgets.Button:
        button = widgets.Button(description=f"{days} {'day' if days == 1 else 'days'}")
        button.days = days
        button.on_click(lambda _: setattr(self.window, "value", days))
        return button


def in_a_row(*controls: widgets.Widget) -> widgets.HBox:
    """Controls beside each other."""
    made = widgets.HBox(controls)
    made.add_class("hk-controls")
    return made


def _account(desk: Desk, pair: tuple[str, str]) -> str:
    """An account as the control names it, with its marketplace where it sells in several."""
    account, marketplace = pair
    several = (desk.counts.coverage["account"] == account).sum() > 1
    return f"{account} ({marketplace})" if several else account


def _measure(metric: str, channel: str, several: bool) -> str:
    """A measure as the control names it, with its channel where there are several."""
    return wording.opening(wording.measure(metric, channel if several else ""))
