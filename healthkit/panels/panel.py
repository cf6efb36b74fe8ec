"""The base class of the panels about one measure: controls for account, measure, window and day, and the answer.

The answer is computed again whenever a control changes. The page sends messages for details: the text of one day of the
chart, the orders behind days or a bar, and sorting, searching and saving the list of orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import ipywidgets as widgets

from healthkit.panels import where_i_stand_model
from healthkit.panels.js_widgets import AnswerWidget
from healthkit.panels.order_list import ListView, OrderList
from healthkit.panels.where_i_stand_model import MAX_WINDOW, Question
from healthkit.report.text import labels, sentences
from healthkit.workspace.workspace import Workspace

SEARCH_FROM = 12
"""Number of accounts above which a panel shows the search field for accounts."""


class Panel(widgets.VBox):
    """Base class of the panels that answer a question about one measure of one account.

    `finding` is the answer as a sentence. A subclass computes the answer in `_render_answer` and may add its own rows
    of controls. `_answer` is None while the question has no answer.
    """

    _answer: Any = None

    def __init__(self, workspace: Workspace, first: Question, *more: widgets.Widget) -> None:
        self._workspace = workspace
        self._is_paused = False
        self._view = ListView()
        self._listing: OrderList | None = None
        self._first_listing: OrderList | None = None
        self.find = account_search()
        self.account = labelled_control(widgets.Dropdown, "Account", 250)
        self.measure = measure_list()
        self.window = window_slider(first.window)
        self.rule_windows = widgets.HBox()
        self.day = labelled_control(widgets.DatePicker, "As of", 190, value=first.as_of)
        self.answer_widget = AnswerWidget()
        self._set_first_controls(first)
        search = [self.find] if len(where_i_stand_model.list_accounts(workspace)) > SEARCH_FROM else []
        rows = [[*search, self.account, self.measure, self.day], [self.window, self.rule_windows]]
        super().__init__([*(control_row(*row) for row in rows), *more, self.answer_widget])
        self.add_class("hk-panel")
        for control, change in (
            (self.account, self._on_account_change), (self.measure, self._on_measure_change),
            (self.window, self._show), (self.day, self._on_day_change),
        ):  # fmt: skip
            control.observe(change, "value")
        self.find.observe(self._on_search, "value")
        self.answer_widget.on_msg(self._on_page_message)
        self._show()

    @property
    def question(self) -> Question:
        """The question that is selected with the controls."""
        (account, marketplace), (metric, channel) = self.account.value, self.measure.value
        return Question(account, marketplace, metric, channel, self.window.value, self.day.value)

    @property
    def finding(self) -> str:
        """The answer as a sentence, as shown above the chart."""
        return finding_text(self.answer_widget)

    def _set_first_controls(self, first: Question) -> None:
        """Set the controls to the first question."""
        self.account.options = [
            (_account_label(self._workspace, pair), pair) for pair in where_i_stand_model.list_accounts(self._workspace)
        ]
        self.account.value = (first.account, first.marketplace)
        self._update_measures((first.metric, first.channel))
        self._update_rule_windows()
        self.window.value = first.window

    def _on_search(self, _: Any) -> None:
        """Limit the account options to names that contain the text; the selected account stays an option."""
        text, selected = self.find.value.strip().lower(), self.account.value
        pairs = [
            pair
            for pair in where_i_stand_model.list_accounts(self._workspace)
            if text in pair[0].lower() or pair == selected
        ]
        self._is_paused = True
        self.account.options = [(_account_label(self._workspace, pair), pair) for pair in pairs]
        self.account.value = selected
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
        """Change several controls and answer once at the end; show the error if a change fails."""
        self._is_paused = True
        try:
            yield
        except ValueError as error:
            self._show_error(error)
        else:
            self._is_paused = False
            self._show()
        finally:
            self._is_paused = False

    def _show(self, _: Any = None) -> None:
        """Compute and show the answer to the question of the controls, or the reason why there is none."""
        if self._is_paused:
            return
        self._view, self._listing, self._answer = ListView(), None, None
        try:
            self._check_day()
            content = self._render_answer()
            self._listing = self._first_listing = self._add_details(self._listing)
        except ValueError as error:
            self._show_error(error)
        else:
            with self.answer_widget.hold_sync():
                self.answer_widget.orders = {}
                self.answer_widget.content = content

    def _render_answer(self) -> dict[str, Any]:
        """Set `_answer` and `_listing`, and return the content to show; raise ValueError if there is no answer."""
        raise NotImplementedError

    def _show_error(self, error: ValueError) -> None:
        """Show why there is no answer."""
        self._listing = self._first_listing = self._answer = None
        self.answer_widget.content = where_i_stand_model.render_error(error)

    # -- messages from the page ---------------------------------------------------------------------------

    @property
    def listing(self) -> OrderList | None:
        """The complete list of orders below the chart; None while the question has no answer."""
        return self._listing

    def _on_page_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Handle a message from the page: describe a day, pick days, save, sort, search or group the orders."""
        ask = content.get("ask")
        if ask == "read":
            text = self._describe_day(_date_of_milliseconds(content["day"]))
            self.answer_widget.send({"day": content["day"], "text": text})
        elif ask == "pick":
            self._pick_days(tuple(map(_date_of_milliseconds, content["days"])) if content.get("days") else None)
        elif ask == "csv" and self._listing is not None:
            self.answer_widget.send({"name": self._listing.csv_name, "csv": self._listing.csv(self._view)})
        elif ask == "xlsx" and self._listing is not None:
            self.answer_widget.send({"name": self._listing.xlsx_name}, buffers=[self._listing.xlsx(self._view)])
        elif ask in ("sort", "find", "group") and self._listing is not None:
            self._view = _update_view(self._listing, self._view, content)
            self.answer_widget.orders = self._listing.render(self._view)

    def _describe_day(self, day: date) -> str:
        """Return the text for one day of the chart; empty if the panel has none."""
        return ""

    def _orders_of_days(self, first: date, last: date) -> OrderList | None:
        """Return the orders behind a range of days of the chart; None if the panel has no days to pick."""
        return None

    def _pick_days(self, days: tuple[date, ...] | None) -> None:
        """List the orders behind a range of days, or those of the whole window if `days` is None."""
        listing = self._add_details(self._orders_of_days(days[0], days[-1])) if days else self._first_listing
        if listing is None:
            return
        self._listing, self._view = listing, ListView()
        self.answer_widget.orders = listing.render()

    def _add_details(self, listing: OrderList | None) -> OrderList | None:
        """Let a list name product, carrier and place of its orders when it is saved."""
        question = self.question
        view = self._workspace.account(question.account, question.marketplace)
        return listing and replace(listing, add_details=view.add_order_details)

    def _check_day(self) -> None:
        if self.day.value is None:
            raise where_i_stand_model.QuestionError("Choose a day: the rate is shown as of the end of it.")

    def _rule(self) -> Any:
        """Return the rule that judges the selected measure on the selected day."""
        question = self.question
        return where_i_stand_model.rule_of(
            self._workspace, question.marketplace, question.metric, question.channel, question.as_of
        )

    def _update_measures(self, wanted: tuple[str, str] | None) -> None:
        """Offer the measures of the account on the day; select the wanted one if it is among them."""
        account, marketplace = self.account.value
        pairs = where_i_stand_model.list_measures(self._workspace, account, marketplace, self.day.value)
        several = len({channel for _, channel in pairs}) > 1
        if [pair for _, pair in self.measure.options] != pairs:
            self.measure.options = [
                (measure_label(metric, channel if several else "", labels.company_of(marketplace)), (metric, channel))
                for metric, channel in pairs
            ]
        self.measure.value = wanted if wanted in pairs else pairs[0]
        if self.measure.value != wanted:
            self.window.value = self._rule().windows[-1]

    def _update_rule_windows(self) -> None:
        """Show one button for each window that the rule judges."""
        windows = self._rule().windows
        if [button.days for button in self.rule_windows.children[1:]] != list(windows):
            buttons = map(self._window_button, windows)
            self.rule_windows.children = [widgets.Label("The rule's own:"), *buttons]
            self.rule_windows.add_class("hk-own")

    def _window_button(self, days: int) -> widgets.Button:
        button = widgets.Button(description=f"{days} {'day' if days == 1 else 'days'}")
        button.days = days
        button.on_click(lambda _: setattr(self.window, "value", days))
        return button


def control_row(*controls: widgets.Widget) -> widgets.HBox:
    """Return the given controls as a row, in the style that all panels share."""
    row = widgets.HBox(controls)
    row.add_class("hk-controls")
    return row


def labelled_control(kind: type[Any], label: str, width: int, **traits: Any) -> Any:
    """Return an ipywidgets control of the given kind whose label is not cut off.

    `width` is in pixels. `traits` are passed to the control.
    """
    style = {"description_width": "initial"}
    return kind(description=label, style=style, layout={"width": f"{width}px"}, **traits)


def account_search() -> Any:
    """Return a text field that filters accounts by a part of their name."""
    return labelled_control(widgets.Text, "Find account", 250, placeholder="part of a name")


def measure_list(label: str = "Measure", width: int = 380, **traits: Any) -> Any:
    """Return a list of measures that is wide enough for the longest label, such as one that names the channel."""
    return labelled_control(widgets.Dropdown, label, width, **traits).add_class("hk-measure")


def window_slider(days: int) -> Any:
    """Return a slider for the window of a rate, set to the given number of days."""
    return labelled_control(widgets.IntSlider, "Window in days", 420, value=days, min=1, max=MAX_WINDOW)


def finding_text(widget: Any) -> str:
    """Return the finding that an `AnswerWidget` or a `PortfolioWidget` shows, as plain text."""
    return "".join(text for text, _ in widget.content["finding"])


def _account_label(workspace: Workspace, pair: tuple[str, str]) -> str:
    """Return the option text of an account; it names the marketplace if the account has several."""
    account, marketplace = pair
    several = (workspace.counts.coverage["account"] == account).sum() > 1
    return f"{account} ({marketplace})" if several else account


def measure_label(metric: str, channel: str, company: str) -> str:
    """Return the label of a measure in a dropdown; it includes the channel unless that is empty."""
    return labels.capitalise_first(sentences.measure_phrase(metric, channel, company=company))


def _date_of_milliseconds(milliseconds: float) -> date:
    """Return the day of a chart position (milliseconds of midnight in UTC)."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date()


def _update_view(listing: OrderList, view: ListView, content: dict[str, Any]) -> ListView:
    """Return the view after a message: sort by a column (again: reverse), search for a text, or filter by group."""
    if content["ask"] == "find":
        return view._replace(find=str(content.get("text", ""))[:200])
    if content["ask"] == "group":
        return view._replace(group=str(content.get("group", "")))
    column = list(listing.headings)[int(content["column"])]
    return view._replace(column=column, descending=column == view.column and not view.descending)
