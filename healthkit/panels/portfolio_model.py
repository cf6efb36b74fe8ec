"""All accounts beside each other: every measure where it stands worst, and what it is likely to cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.rolloff import OutlookError
from healthkit.analysis.verdicts import AMAZON
from healthkit.metrics.counts import ProgressTracker
from healthkit.metrics.policy import worst_first_key
from healthkit.metrics.scores import list_days
from healthkit.panels import where_i_stand_model
from healthkit.panels.where_i_stand_model import QuestionError
from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.sparklines import StripWeek, weekly_strip
from healthkit.workspace.workspace import Workspace

AHEAD_DAYS = 30
"""So far ahead harm is looked for. [days]"""
DRAWS = 500
"""So many futures say what a measure is likely to cost: enough for an order of accounts."""
MAX_SMALL_CHARTS = 8
"""So many accounts have a chart of their own."""
SMALL_CHART_DAYS = 60
"""So many days the small charts show."""
PAGE_SIZE = 50
"""So many accounts are listed at once."""
WEEKS = 26
MAX_MEASURE_COLUMNS = 9
"""So many measures have a column."""
KEY_COLUMNS = ["account", "marketplace", "metric", "channel"]


def rank_accounts(
    workspace: Workspace, as_of: date, *, look_ahead: bool = True, track: ProgressTracker = iter
) -> pd.DataFrame:
    """RANKS: every rate of every account on a day in the window where it stands worst, with what it may cost.

    Where the marketplace's own figure is the worst known, its counts and status stand in place of ours. One row an
    account, marketplace, metric and channel: the columns of SCORES, and `used` (share of what the target
    allows; 1 is the limit), `chance` (of being off target on any of the next 30 days) and `harm` (orders likely to be
    placed while it is off target in the next 30 days: the sum of each day's chance, times the orders of a day). Both
    are empty where nothing was looked ahead for. The worst account stands first: by harm, then by status and used.
    An interrupt ends the look ahead early and keeps what was seen. Raises QuestionError where no account has orders.
    """
    rows = workspace.score(as_of)
    rows = rows[rows["metric"].map(where_i_stand_model.is_rate)]
    if rows.empty:
        raise QuestionError(f"No account has orders by {wording.format_day(as_of, 0)}. Choose a later day.")
    rows = _use_worst_known_figures(workspace, rows, as_of)
    rows = rows.assign(used=workspace.shares_used(rows))
    keys = [
        worst_first_key(status, share_used=used)
        for status, used in zip(rows["status"], rows["used"].fillna(0.0), strict=True)
    ]
    position = {key: n for n, key in enumerate(sorted(set(keys)))}
    rows = rows.assign(place=[position[key] for key in keys]).sort_values("place", kind="stable")
    rows = rows.drop_duplicates(KEY_COLUMNS).assign(chance=np.nan, harm=np.nan)
    if look_ahead:
        _add_chance_and_harm(workspace, rows, track)
    return _sort_accounts(rows)


def _use_worst_known_figures(workspace: Workspace, rows: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """SCORES with the marketplace's figure in place of ours where that is worse, or where ours gives no verdict."""
    made = rows.reset_index(drop=True).assign(case=rows["case"].to_numpy())
    place = {key: n for n, key in enumerate(zip(*(made[name] for name in (*KEY_COLUMNS, "window")), strict=True))}
    for account in workspace.verdicts(as_of):
        for one in account.measures:
            at = place.get((one.account, one.marketplace, one.metric, one.channel, one.window))
            if at is not None and one.decided_by == AMAZON and one.theirs is not None:
                for name in ("case", "status", "counted", "at_fault", "rate", "side", "target"):
                    made.loc[at, name] = one.theirs[name]
    return made


def _add_chance_and_harm(workspace: Workspace, rows: pd.DataFrame, track: ProgressTracker) -> None:
    """Fill in chance and harm of every judged measure, the worst first; an interrupt leaves the rest empty."""
    judged = rows.index[rows["status"].isin(findings.JUDGED) & (rows["counted"] > 0) & (rows["case"] == "ours")]
    try:
        for at in track(judged):
            row = rows.loc[at]
            try:
                view = workspace.account(row["account"], row["marketplace"])
                seen = view.simulate(row, days_ahead=AHEAD_DAYS, draws=DRAWS)
            except OutlookError:
                continue
            a_day = row["counted"] / row["window"]
            rows.loc[at, ["chance", "harm"]] = seen.breach_chances[AHEAD_DAYS], seen.days["off"].iloc[1:].sum() * a_day
    except KeyboardInterrupt:
        return


def _sort_accounts(rows: pd.DataFrame) -> pd.DataFrame:
    """Accounts by their worst measure, measures of an account by theirs."""
    # What is off target, and of which nothing can be foreseen, does not stand behind what is foreseen.
    unknown = np.where(rows["status"] == "off target", np.inf, -1.0)
    rows = rows.assign(sure=rows["harm"].where(rows["harm"].notna(), unknown))
    rows = rows.sort_values(["sure", "place", *KEY_COLUMNS], ascending=[False, *[True] * 5])
    first = rows.drop_duplicates(["account", "marketplace"])[["account", "marketplace"]]
    rank = {pair: n for n, pair in enumerate(first.itertuples(index=False, name=None))}
    rows = rows.assign(rank=[rank[pair] for pair in zip(rows["account"], rows["marketplace"], strict=True)])
    rows = rows.sort_values("rank", kind="stable", ignore_index=True)
    return rows.drop(columns=["place", "sure"])


class AccountFilter(NamedTuple):
    """Which accounts are looked at: part of a name, a status, a marketplace; empty where any will do."""

    find: str = ""
    status: str = ""
    marketplace: str = ""


def select_accounts(ranking: pd.DataFrame, account_filter: AccountFilter) -> pd.DataFrame:
    """The worst row of each account that a choice leaves, in the order of RANKS; `stands` is its worst status."""
    rows = ranking.drop_duplicates(["account", "marketplace"])
    worst = _worst_status(ranking)
    rows = rows.assign(stands=[worst[pair] for pair in zip(rows["account"], rows["marketplace"], strict=True)])
    if account_filter.find.strip():
        rows = rows[rows["account"].str.contains(account_filter.find.strip(), case=False, regex=False)]
    if account_filter.status:
        rows = rows[rows["stands"] == account_filter.status]
    if account_filter.marketplace:
        rows = rows[rows["marketplace"] == account_filter.marketplace]
    return rows.reset_index(drop=True)


def _worst_status(ranking: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The status in which each account stands worst."""
    statuses = ranking.groupby(["account", "marketplace"], observed=True)["status"]
    return {pair: min(group, key=worst_first_key) for pair, group in statuses}


def measures_with_column(ranking: pd.DataFrame) -> list[tuple[str, str]]:
    """The measures of RANKS that have a column: those that judge the most accounts, in the order of the words."""
    judged = ranking[ranking["status"].isin(findings.JUDGED)]
    pairs = (judged if len(judged) else ranking).groupby(["metric", "channel"]).size().sort_values(ascending=False)
    names = list(wording.METRIC_WORDS)
    return sorted(pairs.index[:MAX_MEASURE_COLUMNS], key=lambda pair: (names.index(pair[0]), pair[1] == "amazon"))


def small_chart_scores(
    workspace: Workspace,
    accounts: list[tuple[str, str]],
    measure: tuple[str, str],
    window: int,
    as_of: date,
    ranking: pd.DataFrame,
) -> tuple[list[tuple[str, pd.DataFrame]], list[str]]:
    """SCORES of the last 60 days of one measure in some accounts, each with its name; and those that have no rate."""
    metric, channel = measure
    names = list(dict.fromkeys(account for account, _ in accounts))
    rows = workspace.score(
        list_days(as_of - timedelta(days=SMALL_CHART_DAYS - 1), as_of), names, window=window, metrics=[metric]
    )
    rows = rows[rows["channel"] == channel]
    several = ranking.drop_duplicates(["account", "marketplace"])["account"].value_counts()
    drawn, silent = [], []
    for account, marketplace in accounts:
        mine = rows[(rows["account"] == account) & (rows["marketplace"] == marketplace)]
        name = f"{account} ({marketplace})" if several.get(account, 1) > 1 else account
        known = mine[~mine["status"].isin(charts.UNDRAWN_STATUSES)]
        if len(known) > 1:
            drawn.append((name, mine))
        else:
            silent.append(name)
    return drawn, silent


# -- what is shown ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PortfolioSettings:
    """What a portfolio panel looks at: the accounts chosen, those drawn, the measure and window of the small charts."""

    choice: AccountFilter
    drawn: list[tuple[str, str]]
    measure: tuple[str, str]
    window: int
    listed: int = PAGE_SIZE


def render_portfolio(
    workspace: Workspace, ranking: pd.DataFrame, as_of: date, settings: PortfolioSettings
) -> dict[str, Any]:
    """All accounts as the plain data that a notebook's page shows: a sentence, the small charts, and the table."""
    rows = select_accounts(ranking, settings.choice)
    off, risk = (int((rows["stands"] == status).sum()) for status in ("off target", "at risk"))
    finding = wording.panel.ranking_title(off, risk, len(rows), str(rows["account"].iloc[0]) if len(rows) else "")
    return {
        "finding": [(finding, True)],
        "figure": render_small_charts(workspace, ranking, as_of, settings) if settings.drawn else None,
        "table": render_table(workspace, ranking, rows, as_of, settings),
    }


def render_small_charts(
    workspace: Workspace, ranking: pd.DataFrame, as_of: date, settings: PortfolioSettings
) -> dict[str, Any]:
    """The small charts of the accounts that are drawn."""
    drawn, silent = small_chart_scores(workspace, settings.drawn, settings.measure, settings.window, as_of, ranking)
    name = wording.capitalise_first(wording.measure_phrase(settings.measure[0], settings.measure[1], settings.window))
    off = sum(str(daily["status"].iloc[-1]) == "off target" for _, daily in drawn)
    title = wording.panel.side_by_side_title(name, off, len(drawn))
    spec = charts.vega_lite_spec(charts.small_multiples(drawn, description=title)) if drawn else None
    return {
        "title": title,
        "spec": spec,
        "notes": [wording.panel.accounts_without_chart_note(silent)] if silent else [],
    }


def render_table(
    workspace: Workspace, ranking: pd.DataFrame, rows: pd.DataFrame, as_of: date, settings: PortfolioSettings
) -> dict[str, Any]:
    """The heat map: an account a row, a measure a column, each cell its status in symbol, word and colour."""
    columns = measures_with_column(ranking)
    listed = rows.head(settings.listed)
    weeks = _weekly_bars(workspace, listed, as_of)
    cells = {tuple(row[name] for name in KEY_COLUMNS): row for row in findings.records(ranking)}
    return {
        "heads": [_column_heading(*pair) for pair in columns],
        "looked_ahead": bool(ranking["harm"].notna().any()),
        "key": wording.panel.EXPECTED_HARM_NOTE if ranking["harm"].notna().any() else wording.panel.NO_SIMULATION_NOTE,
        "rows": [_render_row(row, cells, columns, weeks, settings.drawn) for row in findings.records(listed)],
        "more": max(0, len(rows) - settings.listed),
        "none": not len(rows),
    }


def _column_heading(metric: str, channel: str) -> str:
    return wording.metric_words(metric).short + (" (Amazon)" if channel == "amazon" else "")


def _render_row(
    row: dict[str, Any],
    cells: dict[tuple[Any, ...], dict[str, Any]],
    columns: list[tuple[str, str]],
    weeks: dict[tuple[Any, ...], list[StripWeek]],
    drawn: list[tuple[str, str]],
) -> dict[str, Any]:
    pair = row["account"], row["marketplace"]
    harm, chance = findings.float_or_none(row["harm"]), findings.float_or_none(row["chance"])
    worst = _column_heading(row["metric"], row["channel"])
    return {
        "account": pair[0],
        "marketplace": pair[1],
        "drawn": pair in drawn,
        "harm": "" if harm is None else wording.panel.format_expected_harm(harm),
        "chance": "" if chance is None else wording.panel.format_simulated_chance(chance),
        "worst": worst,
        "strip": str(weekly_strip(worst, weeks.get((*pair, row["metric"], row["channel"])) or [None])),
        "cells": [_render_cell(cells.get((*pair, *column)), column) for column in columns],
    }


def _render_cell(row: dict[str, Any] | None, column: tuple[str, str]) -> dict[str, Any] | None:
    """One measure of one account: its rate and status."""
    if row is None or not row["counted"]:
        return None
    side, target = findings.text_or_empty(row["side"]), findings.float_or_none(row["target"])
    status = wording.STATUS_STYLES[str(row["status"])]
    rate = wording.format_rate(int(row["counted"]), int(row["at_fault"]), side, target)
    return {"measure": list(column), "rate": rate, **status._asdict()}


def _weekly_bars(
    workspace: Workspace, rows_listed: pd.DataFrame, as_of: date
) -> dict[tuple[Any, ...], list[StripWeek]]:
    """The share of the limit used and the status, week by week, of the worst measure of each account."""
    if rows_listed.empty:
        return {}
    days = [as_of - timedelta(days=7 * back) for back in reversed(range(WEEKS))]
    names, metrics = list(dict.fromkeys(rows_listed["account"])), sorted(set(rows_listed["metric"]))
    begins = max(workspace.policies[code].complete_from for code in set(rows_listed["marketplace"]))
    rows = workspace.score([day for day in days if day >= begins] or as_of, names, metrics=metrics)
    rows = rows.assign(
        used=pd.Series(workspace.shares_used(rows), rows.index).where(~rows["status"].isin(charts.UNDRAWN_STATUSES))
    )
    windows = rows_listed.set_index(KEY_COLUMNS)["window"]
    rows = rows[rows["window"] == windows.reindex(pd.MultiIndex.from_frame(rows[KEY_COLUMNS])).to_numpy()]
    return {
        key: [
            None if pd.isna(used) else [min(float(used), 10.0), str(status)]
            for used, status in mine.sort_values("as_of")[["used", "status"]].itertuples(index=False, name=None)
        ]
        for key, mine in rows.groupby(KEY_COLUMNS, observed=True)
    }
