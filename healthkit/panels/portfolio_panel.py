"""The panel "which account first?": all accounts by what they are likely to cost, and one of them opened below."""

from __future__ import annotations

from datetime import date
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import portfolio_model, where_i_stand_model
from healthkit.panels.js_widgets import PortfolioDrawing
from healthkit.panels.panel import in_a_row
from healthkit.panels.portfolio_model import PAGE, Choice, Shown
from healthkit.panels.progress import track
from healthkit.panels.where_i_stand_model import LONGEST, Question
from healthkit.panels.where_i_stand_panel import WhereIStand
from healthkit.report import wording
from healthkit.workspace.workspace import Desk

_LABELS = {"description_width": "initial"}


class PortfolioPanel(widgets.VBox):
    """All accounts beside each other; `ranks` holds what the table rests on, `opened` the account looked into."""

    def __init__(self, desk: Desk, as_of: date, held: pd.DataFrame) -> None:
        self._desk = desk
        self.ranks = held
        self.as_of = as_of
        self._quiet = False
        self._listed = PAGE
        pairs = portfolio_model.measures(held)
        self.find = widgets.Text(
            description="Find account", placeholder="part of a name", style=_LABELS, layout={"width": "250px"}
        )
        self.status = _choice("Status", [("any", ""), *((wording.STATUSES[one].word, one) for one in _statuses(held))])
        codes = sorted(set(held["marketplace"]))
        self.marketplace = _choice("Marketplace", [("all", ""), *((code, code) for code in codes)])
        self.measure = _choice("Measure drawn", [(_measure(*pair), pair) for pair in pairs], "330px")
        self.window = widgets.IntSlider(
            30, 1, LONGEST, description="Window in days", style=_LABELS, layout={"width": "420px"}
        )
        self.shown = PortfolioDrawing()
        self.opened: WhereIStand | None = None
        self._below = widgets.VBox()
        self._below.add_class("hk-opened")
        self._begin()
        rows = [[self.find, self.status, self.marketplace], [self.measure, self.window]]
        super().__init__([*(in_a_row(*row) for row in rows), self.shown, self._below])
        self.add_class("hk-panel")
        for control in (self.find, self.status, self.marketplace):
            control.observe(self._chosen, "value")
        self.measure.observe(self._measure_changed, "value")
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
        return portfolio_model.chosen(self.ranks, self._choice)

    @property
    def _choice(self) -> Choice:
        return Choice(self.find.value, self.status.value, self.marketplace.value)

    @property
    def _look(self) -> Shown:
        return Shown(self._choice, self.drawn, self.measure.value, self.window.value, self._listed)

    def _begin(self) -> None:
        """Begin with the worst measure of the worst account."""
        worst = self.ranks.iloc[0]
        pair = str(worst["metric"]), str(worst["channel"])
        if pair in [held for _, held in self.measure.options]:
            self.measure.value = pair
        self.window.value = self._own_window()
        self.drawn = self._first_drawn()

    def _own_window(self) -> int:
        """The rule's own window of the measure that is drawn."""
        metric, channel = self.measure.value
        rows = self.ranks[(self.ranks["metric"] == metric) & (self.ranks["channel"] == channel)]
        return int(rows["window"].iloc[0])

    def _first_drawn(self) -> list[tuple[str, str]]:
        """The worst accounts of the choice that have the measure."""
        metric, channel = self.measure.value
        rows = self.ranks[
            (self.ranks["metric"] == metric) & (self.ranks["channel"] == channel) & (self.ranks["counted"] > 0)
        ]
        have = set(zip(rows["account"], rows["marketplace"], strict=True))
        every = [(str(row.account), str(row.marketplace)) for row in self.chosen.itertuples()]
        return [pair for pair in every if pair in have][: portfolio_model.DRAWN]

    def _chosen(self, _: Any) -> None:
        self._listed = PAGE
        self.drawn = self._first_drawn()
        self._show()

    def _measure_changed(self, _: Any) -> None:
        self._quiet = True
        self.window.value = self._own_window()
        self._quiet = False
        self.drawn = self._first_drawn()
        self._show()

    def _show(self) -> None:
        self.shown.shown = portfolio_model.shown(self._desk, self.ranks, self.as_of, self._look)

    def _redraw(self, _: Any = None) -> None:
        """Draw the small charts again; the table stays as it is."""
        if self._quiet:
            return
        drawn = portfolio_model.figure(self._desk, self.ranks, self.as_of, self._look) if self.drawn else None
        self.shown.redrawn = drawn or {}

    def _asked_back(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Answer what the page asks back: open an account, draw another one, list more."""
        ask, pair = content.get("ask"), (content.get("account", ""), content.get("marketplace", ""))
        known = pair in set(zip(self.ranks["account"], self.ranks["marketplace"], strict=True))
        if ask == "more":
            self._listed += PAGE
            self._show()
        elif ask == "draw" and known:
            self.drawn = self._with(pair) if content["on"] else [held for held in self.drawn if held != pair]
            self._show()
        elif ask == "open" and known:
            measure = content.get("measure")
            self.look_into(*pair, tuple(measure) if measure else None)

    def _with(self, pair: tuple[str, str]) -> list[tuple[str, str]]:
        """The accounts drawn and one more; beyond eight the one that came first goes."""
        return [*(held for held in self.drawn if held != pair), pair][-portfolio_model.DRAWN :]

    def look_into(self, account: str, marketplace: str, measure: tuple[str, str] | None = None) -> None:
        """Open an account below, at a measure or at its worst one."""
        mine = self.ranks[(self.ranks["account"] == account) & (self.ranks["marketplace"] == marketplace)]
        if measure is not None:
            mine = mine[(mine["metric"] == measure[0]) & (mine["channel"] == measure[1])]
        row = mine.iloc[0]
        asked = Question(account, marketplace, row["metric"], row["channel"], int(row["window"]), self.as_of)
        self.opened = WhereIStand(self._desk, asked)
        self._below.children = (self.opened,)
        self.shown.send({"opened": f"{account} is opened below."})


def portfolio(desk: Desk, as_of: str | date = "", *, ahead: bool = True) -> PortfolioPanel:
    """The panel that answers "which account first?".

    `as_of` is the day (the last day of the orders where none is given). `ahead` looks 30 days ahead for every measure,
    which takes some hundredths of a second for each; interrupt the kernel to stop early and keep what was seen. Raises
    QuestionError for what is no day, or where no account has orders.
    """
    day = where_i_stand_model.day_of(as_of) if as_of else where_i_stand_model.last_day(desk)
    return PortfolioPanel(desk, day, portfolio_model.ranks(desk, day, ahead=ahead, track=track("Looking ahead")))


def _statuses(held: pd.DataFrame) -> list[str]:
    """The statuses that there are, the worst first."""
    there = set(portfolio_model.chosen(held, Choice())["stands"])
    return [status for status in wording.STATUSES if status in there]


def _choice(label: str, options: list[tuple[str, Any]], width: str = "220px") -> widgets.Dropdown:
    return widgets.Dropdown(
        options=options, value=options[0][1], description=label, style=_LABELS, layout={"width": width}
    )


def _measure(metric: str, channel: str) -> str:
    """A measure as the control names it."""
    return wording.opening(wording.measure(metric, channel if channel != "all" else ""))
