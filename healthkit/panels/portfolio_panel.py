"""The panel "Which account first?": all accounts ranked by expected harm, with one account opened below."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd

from healthkit.panels import portfolio_model, where_i_stand_model
from healthkit.panels.js_widgets import PortfolioWidget
from healthkit.panels.panel import (
    account_search,
    control_row,
    finding_text,
    labelled_control,
    measure_label,
    measure_list,
    window_slider,
)
from healthkit.panels.portfolio_model import PAGE_SIZE, AccountFilter, PortfolioSettings
from healthkit.panels.progress import progress_tracker
from healthkit.panels.where_i_stand_model import Question
from healthkit.panels.where_i_stand_panel import WhereIStandPanel
from healthkit.report.text import labels
from healthkit.workspace.workspace import Workspace


class PortfolioPanel(widgets.VBox):
    """The panel "Which account first?", which lists all accounts in one table, ranked by expected harm.

    `ranking` is RANKS. `opened_panel` is the panel of the account that is opened below the table; None at first.
    """

    def __init__(self, workspace: Workspace, as_of: date, ranking: pd.DataFrame) -> None:
        self._workspace = workspace
        self.ranking = ranking
        self.as_of = as_of
        self._is_paused = False
        self._row_limit = PAGE_SIZE
        pairs = portfolio_model.measures_with_column(ranking)
        self.find = account_search()
        self.status = _dropdown(
            "Status",
            [("any", ""), *((labels.STATUS_STYLES[status].word, status) for status in _statuses_present(ranking))],
        )
        codes = sorted(set(ranking["marketplace"]))
        self.marketplace = _dropdown("Marketplace", [("all", ""), *((code, code) for code in codes)], 250)
        options = [
            (
                measure_label(
                    metric,
                    channel if channel != "all" else "",
                    portfolio_model.measure_company(ranking, metric, channel),
                ),
                (metric, channel),
            )
            for metric, channel in pairs
        ]
        self.measure = measure_list("Measure drawn", 420, options=options, value=options[0][1])
        self.window = window_slider(30)
        self.portfolio_widget = PortfolioWidget()
        self.opened_panel: WhereIStandPanel | None = None
        self._opened_box = widgets.VBox()
        self._opened_box.add_class("hk-opened")
        self._set_first_controls()
        rows = [[self.find, self.status, self.marketplace], [self.measure, self.window]]
        super().__init__([*(control_row(*row) for row in rows), self.portfolio_widget, self._opened_box])
        self.add_class("hk-panel")
        for control in (self.find, self.status, self.marketplace):
            control.observe(self._on_filter_change, "value")
        self.measure.observe(self._on_measure_change, "value")
        self.window.observe(self._draw_small_charts, "value")
        self.portfolio_widget.on_msg(self._on_page_message)
        self._show()

    @property
    def finding(self) -> str:
        """The finding that is shown above the small charts, as plain text."""
        return finding_text(self.portfolio_widget)

    @property
    def first_account(self) -> dict[str, Any]:
        """The account that comes first, its marketplace and the as-of day, as the other panels take them."""
        first = self.ranking.iloc[0]
        return {"account": first["account"], "marketplace": first["marketplace"], "as_of": first["as_of"].date()}

    @property
    def selected(self) -> pd.DataFrame:
        """The worst row of RANKS for each account that matches the filter."""
        return portfolio_model.select_accounts(self.ranking, self._account_filter)

    @property
    def _account_filter(self) -> AccountFilter:
        return AccountFilter(self.find.value, self.status.value, self.marketplace.value)

    @property
    def _settings(self) -> PortfolioSettings:
        return PortfolioSettings(
            self._account_filter, self.drawn_accounts, self.measure.value, self.window.value, self._row_limit
        )

    def _set_first_controls(self) -> None:
        """Select the worst measure of the worst account."""
        worst = self.ranking.iloc[0]
        measure = str(worst["metric"]), str(worst["channel"])
        if measure in [option for _, option in self.measure.options]:
            self.measure.value = measure
        self.window.value = self._rule_window()
        self.drawn_accounts = self._default_drawn()

    def _rows_of_measure(self) -> pd.DataFrame:
        """Return the rows of RANKS of the selected measure."""
        metric, channel = self.measure.value
        return self.ranking[(self.ranking["metric"] == metric) & (self.ranking["channel"] == channel)]

    def _rule_window(self) -> int:
        """Return the window in which the rule judges the selected measure. [days]"""
        return int(self._rows_of_measure()["window"].iloc[0])

    def _default_drawn(self) -> list[tuple[str, str]]:
        """Return the worst of the filtered accounts that have orders for the selected measure."""
        rows = self._rows_of_measure()
        rows = rows[rows["counted"] > 0]
        with_orders = set(zip(rows["account"], rows["marketplace"], strict=True))
        pairs = [(str(row.account), str(row.marketplace)) for row in self.selected.itertuples()]
        return [pair for pair in pairs if pair in with_orders][: portfolio_model.MAX_SMALL_CHARTS]

    def _on_filter_change(self, _: Any) -> None:
        self._row_limit = PAGE_SIZE
        self.drawn_accounts = self._default_drawn()
        self._show()

    def _on_measure_change(self, _: Any) -> None:
        self._is_paused = True
        self.window.value = self._rule_window()
        self._is_paused = False
        self.drawn_accounts = self._default_drawn()
        self._show()

    def _show(self) -> None:
        """Show the table and the small charts for the current settings."""
        self.portfolio_widget.content = portfolio_model.render_portfolio(
            self._workspace, self.ranking, self.as_of, self._settings
        )

    def _draw_small_charts(self, _: Any = None) -> None:
        """Draw the small charts again without changing the table."""
        if self._is_paused:
            return
        self.portfolio_widget.small_charts = (
            portfolio_model.render_small_charts(self._workspace, self.ranking, self.as_of, self._settings)
            if self.drawn_accounts
            else {}
        )

    def _on_page_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Handle a message from the page: open an account, add or remove its small chart, list more accounts."""
        ask, pair = content.get("ask"), (content.get("account", ""), content.get("marketplace", ""))
        known = pair in set(zip(self.ranking["account"], self.ranking["marketplace"], strict=True))
        if ask == "more":
            self._row_limit += PAGE_SIZE
            self._show()
        elif ask == "draw" and known:
            others = [other for other in self.drawn_accounts if other != pair]
            # The list is limited: the account that was added first is removed.
            self.drawn_accounts = [*others, pair][-portfolio_model.MAX_SMALL_CHARTS :] if content["on"] else others
            self._show()
        elif ask == "open" and known:
            measure = content.get("measure")
            self.open_account(*pair, tuple(measure) if measure else None)

    def open_account(self, account: str, marketplace: str, measure: tuple[str, str] | None = None) -> None:
        """Open the panel of the given account below the table.

        It shows `measure` (metric, channel), or the worst measure of the account by default.
        """
        rows = self.ranking[(self.ranking["account"] == account) & (self.ranking["marketplace"] == marketplace)]
        if measure is not None:
            rows = rows[(rows["metric"] == measure[0]) & (rows["channel"] == measure[1])]
        row = rows.iloc[0]
        question = Question(
            account, marketplace, row["metric"], row["channel"], int(row["window"]), row["as_of"].date()
        )
        self.opened_panel = WhereIStandPanel(self._workspace, question)
        self._opened_box.children = (self.opened_panel,)
        self.portfolio_widget.send({"opened": f"{account} is opened below."})


def portfolio(
    workspace: Workspace, as_of: str | date = "", *, look_ahead: bool = True, rates: str | Path = ""
) -> PortfolioPanel:
    """Return the panel "Which account first?", which ranks all accounts of a workspace by expected harm.

    `as_of` is the day (default: that of the newest page). `look_ahead` simulates the next 30 days of every measure off
    target or at risk, which takes some hundredths of a second each; interrupt the kernel to stop early and keep the
    results so far. `rates` is a file of rates that converts sales to one currency. Raises QuestionError for an invalid
    day or if no account has orders.
    """
    day = where_i_stand_model.parse_day(as_of) if as_of else where_i_stand_model.last_day(workspace)
    return PortfolioPanel(
        workspace,
        day,
        portfolio_model.rank_accounts(
            workspace,
            day,
            look_ahead=look_ahead,
            track=progress_tracker("Looking ahead"),
            rates=Path(rates) if rates else None,
        ),
    )


def _statuses_present(ranking: pd.DataFrame) -> list[str]:
    """Return the worst statuses of the accounts, the worst first."""
    present = set(portfolio_model.select_accounts(ranking, AccountFilter())["worst_status"])
    return [status for status in labels.STATUS_STYLES if status in present]


def _dropdown(label: str, options: list[tuple[str, Any]], width: int = 220) -> Any:
    return labelled_control(widgets.Dropdown, label, width, options=options, value=options[0][1])
