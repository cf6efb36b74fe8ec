"""What every panel has: controls for account, measure, window and day; what they ask is shown as they move.

The page asks back for what is looked at more closely: what a day of the chart says, the orders behind days or a bar, a
list sorted, searched or saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import ipywidgets as widgets

from healthkit.panels import where_i_stand_model
from healthkit.panels.js_widgets import AnswerWidget
from healthkit.panels.order_list import ListView, OrderList
from healthkit.panels.where_i_stand_model import MAX_WINDOW, Question
from healthkit.report.text import labels, sentences
from healthkit.workspace.workspace import Workspace

_LABELS = {"description_width": "initial"}
SEARCH_FROM = 12
"""From more accounts on, they can be searched."""


class Panel(widgets.VBox):
    """Controls and what follows them; `question` is what they ask, `finding` the answer in a sentence.

    A panel of its own kind says in `_ask` what is shown for a question, and may have rows of controls of its own.
    """

    def __init__(self, workspace: Workspace, first: Question, *more: widgets.Widget) -> None:
        self._workspace = workspace
        self._is_paused = False
        self._view = ListView()
        self._listing: OrderList | None = None
        self.find = widgets.Text(
            description="Find account", placeholder="part of a name", continuous_update=True, style=_LABELS,
            layout={"width": "250px"},
        )  # fmt: skip
        self.account = widgets.Dropdown(description="Account", style=_LABELS, layout={"width": "250px"})
        self.measure = widgets.Dropdown(description="Measure", style=_LABELS, layout={"width": "300px"})
        self.window = widgets.IntSlider(
            first.window, 1, MAX_WINDOW, description="Window in days", style=_LABELS, layout={"width": "420px"}
        )
        self.own = widgets.HBox()
        self.day = widgets.DatePicker(value=first.as_of, description="As of", style=_LABELS, layout={"width": "190px"})
        self.shown = AnswerWidget()
        self._begin(first)
        several = len(where_i_stand_model.list_accounts(workspace)) > SEARCH_FROM
        found = [self.find] if several else []
        rows = [[*found, self.account, self.measure, self.day], [self.window, self.own]]
        super().__init__([*(control_row(*row) for row in rows), *more, self.shown])
        self.add_class("hk-panel")
        for control, change in (
            (self.account, self._on_account_change), (self.measure, self._on_measure_change),
            (self.window, self._show), (self.day, self._on_day_change),
        ):  # fmt: skip
            control.observe(change, "value")
        self.find.observe(self._on_search, "value")
        self.shown.on_msg(self._asked_back)
        self._show()

    @property
    def question(self) -> Question:
        """What the controls ask."""
        (account, marketplace), (metric, channel) = self.account.format_value, self.measure.value
        return Question(account, marketplace, metric, channel, self.window.value, self.day.value)

    @property
    def finding(self) -> str:
        """The finding, as it stands above the chart."""
        return "".join(text for text, _ in self.shown.shown["finding"])

    def _begin(self, first: Question) -> None:
        """Set the controls to the first question."""
        self.account.options = [
            (_account_label(self._workspace, pair), pair) for pair in where_i_stand_model.list_accounts(self._workspace)
        ]
        self.account.format_value = (first.account, first.marketplace)
        self._update_measures((first.metric, first.channel))
        self._update_rule_windows()
        self.window.value = first.window

    def _on_search(self, _: Any) -> None:
        """Offer the accounts whose name holds the text; the chosen one stays offered."""
        text, chosen = self.find.value.strip().lower(), self.account.format_value
        pairs = [
            pair
            for pair in where_i_stand_model.list_accounts(self._workspace)
            if text in pair[0].lower() or pair == chosen
        ]
        self._is_paused = True
        self.account.options = [(_account_label(self._workspace, pair), pair) for pair in pairs]
        self.account.format_value = chosen
        self._is_paused = False

    def _on_account_change(self, _: Any) -> None:
        if self._is_paused:
            return
        with self._batch_updates():
            self._update_measures(self.measure.value)
            self._update_rule_windows()

    def _on_measure_change(self, _: Any) -> None:
        if self._is_paused:
            return
        with self._batch_updates():
            self._update_rule_windows()
            self.window.value = self._rule().windows[-1]

    def _on_day_change(self, _: Any) -> None:
        with self._batch_updates():
            self._check_day()
            self._update_measures(self.measure.value)
            self._update_rule_windows()

    @contextmanager
    def _batch_updates(self) -> Iterator[None]:
        """Change controls without an answer for each; then answer once, or say why there is none."""
        self._is_paused = True
        try:
            yield
        except ValueError as error:
            self._refuse(error)
        else:
            self._is_paused = False
            self._show()
        finally:
            self._is_paused = False

    def _show(self, _: Any = None) -> None:
        """Answer what the controls ask, or say why it cannot be answered."""
        if self._is_paused:
            return
        self._view, self._listing = ListView(), None
        try:
            self._check_day()
            shown = self._ask()
        except ValueError as error:
            self._refuse(error)
        else:
            with self.shown.hold_sync():
                self.shown.listed = {}
                self.shown.shown = shown

    def _ask(self) -> dict[str, Any]:
        """What is shown for the question that the controls ask; a ValueError says why it has no answer."""
        raise NotImplementedError

    def _refuse(self, error: ValueError) -> None:
        """Say why there is no answer."""
        self.shown.shown = where_i_stand_model.render_error(error)

    # -- looked at more closely ---------------------------------------------------------------------------

    @property
    def listing(self) -> OrderList | None:
        """The list of orders under the chart, with all its orders; None where the question has no answer."""
        return self._listing

    def _asked_back(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Answer what the page asks back."""
        ask = content.get("ask")
        if ask == "read":
            self.shown.send({"day": content["day"], "told": self._read(_date_of_milliseconds(content["day"]))})
        elif ask == "pick":
            self._pick_days(tuple(map(_date_of_milliseconds, content["days"])) if content.get("days") else None)
        elif ask == "csv" and self._listing is not None:
            self.shown.send({"name": self._listing.name, "csv": self._listing.csv(self._view)})
        elif ask in ("sort", "find", "group") and self._listing is not None:
            self._view = _update_view(self._listing, self._view, content)
            self.shown.listed = self._listing.shown(self._view)

    def _read(self, day: date) -> str:
        """What the chart says of one of its days."""
        return ""

    def _orders_of_days(self, first: date, last: date) -> OrderList | None:
        """The orders behind some days of the chart; None where a panel has no days to pick."""
        return None

    def _pick_days(self, days: tuple[date, ...] | None) -> None:
        """List the orders behind some days of the chart, or again those of the whole window."""
        held = self._orders_of_days(days[0], days[-1]) if days else self._default_listing()
        if held is None:
            return
        self._listing, self._view = held, ListView()
        self.shown.listed = held.shown()

    def _default_listing(self) -> OrderList | None:
        """The orders that stand under the chart before anything is picked."""
        return self._listing

    def _check_day(self) -> None:
        if self.day.value is None:
            raise where_i_stand_model.QuestionError("Choose a day: the rate is shown as of its evening.")

    def _rule(self) -> Any:
        asked = self.question
        return where_i_stand_model.rule_of(self._workspace, asked.marketplace, asked.metric, asked.channel, asked.as_of)

    def _update_measures(self, wanted: tuple[str, str] | None) -> None:
        """The measures of the account on the day; the one wanted stays chosen where there is such."""
        account, marketplace = self.account.format_value
        pairs = where_i_stand_model.list_measures(self._workspace, account, marketplace, self.day.value)
        several = len({channel for _, channel in pairs}) > 1
        if [pair for _, pair in self.measure.options] != pairs:
            self.measure.options = [(_measure_label(*pair, several), pair) for pair in pairs]
        self.measure.value = wanted if wanted in pairs else pairs[0]
        if self.measure.value != wanted:
            self.window.value = self._rule().windows[-1]

    def _update_rule_windows(self) -> None:
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


def control_row(*controls: widgets.Widget) -> widgets.HBox:
    """Controls beside each other."""
    made = widgets.HBox(controls)
    made.add_class("hk-controls")
    return made


def _account_label(workspace: Workspace, pair: tuple[str, str]) -> str:
    """An account as the control names it, with its marketplace where it sells in several."""
    account, marketplace = pair
    several = (workspace.counts.coverage["account"] == account).sum() > 1
    return f"{account} ({marketplace})" if several else account


def _measure_label(metric: str, channel: str, several: bool) -> str:
    """A measure as the control names it, with its channel where there are several."""
    return labels.capitalise_first(sentences.measure_phrase(metric, channel if several else ""))


def _date_of_milliseconds(milliseconds: float) -> date:
    """A day as the chart knows it: its midnight in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date()


def _update_view(listing: OrderList, view: ListView, content: dict[str, Any]) -> ListView:
    """A view after one more wish: another column, the same column the other way, a text, a group."""
    if content["ask"] == "find":
        return view._replace(find=str(content.get("text", ""))[:200])
    if content["ask"] == "group":
        return view._replace(group=str(content.get("group", "")))
    column = list(listing.headings)[int(content["column"])]
    return view._replace(column=column, descending=column == view.column and not view.descending)
