"""The panel "which account first?": all accounts by what they are likely to cost, and one of them opened below."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import portfolio_model, where_i_stand_model
from healthkit.panels.js_widgets import PortfolioWidget
from healthkit.panels.panel import control_row
from healthkit.panels.portfolio_model import PAGE_SIZE, AccountFilter, PortfolioSettings
from healthkit.panels.progress import progress_tracker
from healthkit.panels.where_i_stand_model import MAX_WINDOW, Question
from healthkit.panels.where_i_stand_panel import WhereIStandPanel
from healthkit.report.text import labels, sentences
from healthkit.workspace.workspace import Workspace

_LABELS = {"description_width": "initial"}


class PortfolioPanel(widgets.VBox):
    """All accounts beside each other; `ranks` holds what the table rests on, `opened` the account looked into."""

    def __init__(self, workspace: Workspace, as_of: date, ranking: pd.DataFrame) -> None:
        self._workspace = workspace
        self.ranks = ranking
        self.as_of = as_of
        self._is_paused = False
        self._row_limit = PAGE_SIZE
        pairs = portfolio_model.measures_with_column(ranking)
        self.find = widgets.Text(
            description="Find account", placeholder="part of a name", style=_LABELS, layout={"width": "250px"}
        )
        self.status = _dropdown(
            "Status", [("any", ""), *((labels.STATUS_STYLES[one].word, one) for one in _statuses_present(ranking))]
        )
        codes = sorted(set(ranking["marketplace"]))
        self.marketplace = _dropdown("Marketplace", [("all", ""), *((code, code) for code in codes)])
        self.measure = _dropdown("Measure drawn", [(_measure_label(*pair), pair) for pair in pairs], "330px")
        self.window = widgets.IntSlider(
            30, 1, MAX_WINDOW, description="Window in days", style=_LABELS, layout={"width": "420px"}
        )
        self.shown = PortfolioWidget()
        self.opened: WhereIStandPanel | None = None
        self._opened_box = widgets.VBox()
        self._opened_box.add_class("hk-opened")
        self._begin()
        rows = [[self.find, self.status, self.marketplace], [self.measure, self.window]]
        super().__init__([*(control_row(*row) for row in rows), self.shown, self._opened_box])
        self.add_class("hk-panel")
        for control in (self.find, self.status, self.marketplace):
            control.observe(self._on_filter_change, "value")
        self.measure.observe(self._on_measure_change, "value")
        self.window.observe(self._redraw, "value")
        self.shown.on_msg(self._asked_back)
        self._show()

    @property
    def finding(self) -> str:
        """The finding, as it stands above the charts."""
        return "".join(text for text, _ in self.shown.shown["finding"])

    @property
    def chosen(self) -> pd.DataFrame:
        """The worst row of RANKS of each account that is looked at."""
        return portfolio_model.select_accounts(self.ranks, self._account_filter)

    @property
    def _account_filter(self) -> AccountFilter:
        return AccountFilter(self.find.value, self.status.value, self.marketplace.value)

    @property
    def _settings(self) -> PortfolioSettings:
        return PortfolioSettings(
            self._account_filter, self.drawn, self.measure.value, self.window.value, self._row_limit
        )

    def _begin(self) -> None:
        """Begin with the worst measure of the worst account."""
        worst = self.ranks.iloc[0]
        pair = str(worst["metric"]), str(worst["channel"])
        if pair in [held for _, held in self.measure.options]:
            self.measure.value = pair
        self.window.value = self._rule_window()
        self.drawn = self._default_drawn()

    def _rule_window(self) -> int:
        """The rule's own window of the measure that is drawn."""
        metric, channel = self.measure.value
        rows = self.ranks[(self.ranks["metric"] == metric) & (self.ranks["channel"] == channel)]
        return int(rows["window"].iloc[0])

    def _default_drawn(self) -> list[tuple[str, str]]:
        """The worst accounts of the choice that have the measure."""
        metric, channel = self.measure.value
        rows = self.ranks[
            (self.ranks["metric"] == metric) & (self.ranks["channel"] == channel) & (self.ranks["counted"] > 0)
        ]
        have = set(zip(rows["account"], rows["marketplace"], strict=True))
        every = [(str(row.account), str(row.marketplace)) for row in self.chosen.itertuples()]
        return [pair for pair in every if pair in have][: portfolio_model.MAX_SMALL_CHARTS]

    def _on_filter_change(self, _: Any) -> None:
        self._row_limit = PAGE_SIZE
        self.drawn = self._default_drawn()
        self._show()

    def _on_measure_change(self, _: Any) -> None:
        self._is_paused = True
        self.window.value = self._rule_window()
        self._is_paused = False
        self.drawn = self._default_drawn()
        self._show()

    def _show(self) -> None:
        self.shown.shown = portfolio_model.render_portfolio(self._workspace, self.ranks, self.as_of, self._settings)

    def _redraw(self, _: Any = None) -> None:
        """Draw the small charts again; the table stays as it is."""
        if self._is_paused:
            return
        drawn = (
            portfolio_model.render_small_charts(self._workspace, self.ranks, self.as_of, self._settings)
            if self.drawn
            else None
        )
        self.shown.redrawn = drawn or {}

    def _asked_back(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Answer what the page asks back: open an account, draw another one, list more."""
        ask, pair = content.get("ask"), (content.get("account", ""), content.get("marketplace", ""))
        known = pair in set(zip(self.ranks["account"], self.ranks["marketplace"], strict=True))
        if ask == "more":
            self._row_limit += PAGE_SIZE
            self._show()
        elif ask == "draw" and known:
            self.drawn = self._add_to_drawn(pair) if content["on"] else [held for held in self.drawn if held != pair]
            self._show()
        elif ask == "open" and known:
            measure = content.get("measure")
            self.open_account(*pair, tuple(measure) if measure else None)

    def _add_to_drawn(self, pair: tuple[str, str]) -> list[tuple[str, str]]:
        """The accounts drawn and one more; beyond eight the one that came first goes."""
        return [*(held for held in self.drawn if held != pair), pair][-portfolio_model.MAX_SMALL_CHARTS :]

    def open_account(self, account: str, marketplace: str, measure: tuple[str, str] | None = None) -> None:
        """Open an account below, at a measure or at its worst one."""
        mine = self.ranks[(self.ranks["account"] == account) & (self.ranks["marketplace"] == marketplace)]
        if measure is not None:
            mine = mine[(mine["metric"] == measure[0]) & (mine["channel"] == measure[1])]
        row = mine.iloc[0]
        asked = Question(account, marketplace, row["metric"], row["channel"], int(row["window"]), self.as_of)
        self.opened = WhereIStandPanel(self._workspace, asked)
        self._opened_box.children = (self.opened,)
        self.shown.send({"opened": f"{account} is opened below."})


def portfolio(workspace: Workspace, as_of: str | date = "", *, look_ahead: bool = True) -> PortfolioPanel:
    """The panel that answers "which account first?".

    `as_of` is the day (the last day of the orders where none is given). `ahead` looks 30 days ahead for every measure,
    which takes some hundredths of a second for each; interrupt the kernel to stop early and keep what was seen. Raises
    QuestionError for what is no day, or where no account has orders.
    """
    day = where_i_stand_model.parse_day(as_of) if as_of else where_i_stand_model.last_day(workspace)
    return PortfolioPanel(
        workspace,
        day,
        portfolio_model.rank_accounts(workspace, day, look_ahead=look_ahead, track=progress_tracker("Looking ahead")),
    )


def _statuses_present(ranking: pd.DataFrame) -> list[str]:
    """The statuses that there are, the worst first."""
    there = set(portfolio_model.select_accounts(ranking, AccountFilter())["stands"])
    return [status for status in labels.STATUS_STYLES if status in there]


def _dropdown(label: str, options: list[tuple[str, Any]], width: str = "220px") -> widgets.Dropdown:
    return widgets.Dropdown(
        options=options, value=options[0][1], description=label, style=_LABELS, layout={"width": width}
    )


def _measure_label(metric: str, channel: str) -> str:
    """A measure as the control names it."""
    return labels.capitalise_first(sentences.measure_phrase(metric, channel if channel != "all" else ""))
