"""The model of the panel "Which account first?": RANKS, the account filter, the small charts and the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.ranking import Ranking
from healthkit.analysis.verdicts import AMAZON, AccountVerdict
from healthkit.metrics.counts import ProgressTracker
from healthkit.metrics.policy import JUDGED_STATUSES, worst_first_key
from healthkit.metrics.scores import list_days
from healthkit.panels import where_i_stand_model
from healthkit.panels.where_i_stand_model import QuestionError
from healthkit.report import charts
from healthkit.report.html import measures
from healthkit.report.html.sparklines import StripWeek, weekly_strip
from healthkit.report.text import events as event_text
from healthkit.report.text import figures, labels, reasons, sentences, stakes
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import panel as panel_text
from healthkit.report.text import portfolio as portfolio_text
from healthkit.workspace.workspace import Workspace

MAX_SMALL_CHARTS = 8
"""Maximum number of accounts that have a small chart."""
SMALL_CHART_DAYS = 60
"""Number of days that a small chart shows."""
PAGE_SIZE = 50
"""Number of accounts that the table lists at first, and that each click on "List more" adds."""
WEEKS = 26
"""Number of weeks that the strip chart of each account shows."""
MAX_MEASURE_COLUMNS = 9
"""Maximum number of measures that have a column in the table."""
KEY_COLUMNS = ["account", "marketplace", "metric", "channel"]


def rank_accounts(
    workspace: Workspace,
    as_of: date,
    *,
    look_ahead: bool = True,
    track: ProgressTracker = iter,
    rates: Path | None = None,
) -> pd.DataFrame:
    """Return RANKS, the table of all accounts and measures, in the order in which to open the accounts.

    It has one row for each account, marketplace, metric and channel, for the window with the worst status, as of the
    last day, at most `as_of`, that the files of the account cover (see `where_i_stand_model.newest_verdicts`). If the
    marketplace's own figure is worse, its counts and status replace ours. Columns are those of SCORES and

    - `used`: share of what the target allows that is used up; 1 is the limit
    - `chance`: chance of being off target on any of the next 30 days
    - `harm`: expected number of orders sold while off target in the next 30 days (see `analysis.ranking`)
    - `reason`: why the account stands where it stands, the same in all its rows; "" if nothing was simulated

    `chance` and `harm` are those of the measure that ranks the account, in its first row, and empty elsewhere. The
    order is that of the index, of `check` and of summaries; `rates` is a file of rates, by default `rates.csv` beside
    the store. `attrs["basis"]` says how accounts were compared. An interrupt ends the simulation early and keeps its
    results. Raises QuestionError if no account has orders.
    """
    rows = workspace.score(as_of)
    rows = rows[rows["metric"].map(where_i_stand_model.is_rate)]
    if rows.empty:
        no_rules = reasons.unjudged_stores_sentence(workspace.unjudged_stores())
        hint = f"that a policy judges. {no_rules}" if no_rules else "Choose a later day."
        raise QuestionError(f"No account has orders by {figures.format_day(as_of, 0)}{' ' if no_rules else '. '}{hint}")
    verdicts = where_i_stand_model.newest_verdicts(workspace, as_of)
    rows = _use_worst_known_figures(_on_days_judged(workspace, rows, verdicts), verdicts)
    rows = rows.assign(used=workspace.shares_used(rows))
    keys = [
        worst_first_key(status, share_used=used)
        for status, used in zip(rows["status"], rows["used"].fillna(0.0), strict=True)
    ]
    position = {key: n for n, key in enumerate(sorted(set(keys)))}
    rows = rows.assign(place=[position[key] for key in keys]).sort_values("place", kind="stable")
    rows = rows.drop_duplicates(KEY_COLUMNS).assign(chance=np.nan, harm=np.nan, reason="")
    with_rates = set(zip(rows["account"], rows["marketplace"], strict=True))
    ranking = workspace.rank(
        [one for one in verdicts if one[:2] in with_rates],
        workspace.rates(as_of, rates),
        track if look_ahead else None,
        keep_at_interrupt=True,
    )
    return _in_order_of(rows, ranking, look_ahead)


def _on_days_judged(workspace: Workspace, rows: pd.DataFrame, verdicts: list[AccountVerdict]) -> pd.DataFrame:
    """Return the rates of SCORES of each account on the day of its verdict; `rows` are those of the as-of day."""
    days = {one[:2]: one.as_of for one in verdicts}
    pieces = [rows]
    for day in sorted(set(days.values()) - set(rows["as_of"].dt.date)):
        scored = workspace.score(day, sorted({account for (account, _), judged in days.items() if judged == day}))
        pieces.append(scored[scored["metric"].map(where_i_stand_model.is_rate)])
    found = pd.concat(pieces, ignore_index=True) if pieces[1:] else rows
    pairs = zip(found["account"], found["marketplace"], found["as_of"].dt.date, strict=True)
    return found[[days[account, marketplace] == day for account, marketplace, day in pairs]]


def _use_worst_known_figures(rows: pd.DataFrame, verdicts: list[AccountVerdict]) -> pd.DataFrame:
    """Return SCORES with the marketplace's figure where it is worse than ours, or ours gives no verdict or is none."""
    # `case` is categorical in SCORES; as an object column it can take the value of another row.
    result = rows.reset_index(drop=True).assign(case=rows["case"].to_numpy())
    position = {key: n for n, key in enumerate(result[[*KEY_COLUMNS, "window"]].itertuples(index=False, name=None))}
    for account_verdict in verdicts:
        for one in account_verdict.measures:
            row = position.get((one.account, one.marketplace, one.metric, one.channel, one.window))
            if row is not None and one.decided_by == AMAZON and one.theirs is not None:
                for name in ("case", "status", "counted", "at_fault", "rate", "side", "target"):
                    result.loc[row, name] = one.theirs[name]
    alone = [
        one.theirs
        for account_verdict in verdicts
        for one in account_verdict.measures
        if one.ours is None and one.theirs is not None and one.decided_by and where_i_stand_model.is_rate(one.metric)
    ]
    if not alone:
        return result
    added = pd.DataFrame(alone)[list(result.columns)]
    # Names among the categories of one frame need not be among those of the other.
    types = {name: "object" if isinstance(one, pd.CategoricalDtype) else one for name, one in result.dtypes.items()}
    return pd.concat([result.astype(types), added.astype(types)], ignore_index=True)


def _in_order_of(rows: pd.DataFrame, ranking: Ranking, looked_ahead: bool) -> pd.DataFrame:
    """Return rows in the order of a ranking, the measure that ranks an account first, with its chance and harm."""
    places = ranking.places()
    rows = rows.assign(rank=[places[pair] - 1 for pair in zip(rows["account"], rows["marketplace"], strict=True)])
    is_first = pd.Series(False, index=rows.index)
    for one in ranking.accounts:
        of_account = rows[(rows["account"] == one.harm.account) & (rows["marketplace"] == one.harm.marketplace)]
        named = of_account[(of_account["metric"] == one.harm.metric) & (of_account["channel"] == one.harm.channel)]
        # A measure that is no rate has no row; the worst rate of the account stands for it.
        first = (named if len(named) else of_account).index[0]
        is_first[first] = True
        if one.harm.share_off is not None:
            rows.loc[first, ["chance", "harm"]] = one.harm.chance, one.orders
        if one.harm.metric:
            rows.loc[of_account.index, "reason"] = stakes.harm_phrase(one.harm)
    rows = rows.assign(later=~is_first).sort_values(["rank", "later", "place", *KEY_COLUMNS], ignore_index=True)
    rows.attrs["basis"] = stakes.ranking_basis_sentence(ranking) if looked_ahead else panel_text.NO_SIMULATION_NOTE
    return rows.drop(columns=["place", "later"])


class AccountFilter(NamedTuple):
    """Filter of accounts by a part of the name, worst status and marketplace; an empty field matches all accounts."""

    find: str = ""
    status: str = ""
    marketplace: str = ""


def select_accounts(ranking: pd.DataFrame, account_filter: AccountFilter) -> pd.DataFrame:
    """Return the worst row of RANKS for each account that matches the given filter.

    The added column `worst_status` is the worst status of all measures of the account.
    """
    rows = ranking.drop_duplicates(["account", "marketplace"])
    worst = _worst_status(ranking)
    rows = rows.assign(worst_status=[worst[pair] for pair in zip(rows["account"], rows["marketplace"], strict=True)])
    if account_filter.find.strip():
        rows = rows[rows["account"].str.contains(account_filter.find.strip(), case=False, regex=False)]
    if account_filter.status:
        rows = rows[rows["worst_status"] == account_filter.status]
    if account_filter.marketplace:
        rows = rows[rows["marketplace"] == account_filter.marketplace]
    return rows.reset_index(drop=True)


def _worst_status(ranking: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the worst status of each account and marketplace."""
    statuses = ranking.groupby(["account", "marketplace"], observed=True)["status"]
    return {pair: min(group, key=worst_first_key) for pair, group in statuses}


def measures_with_column(ranking: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the measures (metric, channel) that have a table column: those by which most accounts are judged."""
    judged = ranking[ranking["status"].isin(JUDGED_STATUSES)]
    pairs = (judged if len(judged) else ranking).groupby(["metric", "channel"]).size().sort_values(ascending=False)
    names = list(labels.METRIC_WORDS)
    return sorted(pairs.index[:MAX_MEASURE_COLUMNS], key=lambda pair: (names.index(pair[0]), pair[1] == "amazon"))


def measure_company(ranking: pd.DataFrame, metric: str, channel: str) -> str:
    """Return the company of the accounts that have a measure (see `labels.company_of`); "" if there are several."""
    rows = ranking[(ranking["metric"] == metric) & (ranking["channel"] == channel)]
    return labels.company_of(*rows["marketplace"].unique())


def small_chart_scores(
    workspace: Workspace,
    accounts: list[tuple[str, str]],
    measure: tuple[str, str],
    window: int,
    as_of: date,
    ranking: pd.DataFrame,
) -> tuple[list[tuple[str, pd.DataFrame]], list[str]]:
    """Return the scores that the small charts of one measure draw, and the accounts without a rate to draw.

    The scores are pairs of the label of an account and its SCORES of the last 60 days. The accounts without a rate are
    given by their labels.
    """
    metric, channel = measure
    names = list(dict.fromkeys(account for account, _ in accounts))
    rows = workspace.score(
        list_days(as_of - timedelta(days=SMALL_CHART_DAYS - 1), as_of), names, window=window, metrics=[metric]
    )
    rows = rows[rows["channel"] == channel]
    several = ranking.drop_duplicates(["account", "marketplace"])["account"].value_counts()
    drawn, without_rate = [], []
    for account, marketplace in accounts:
        daily = rows[(rows["account"] == account) & (rows["marketplace"] == marketplace)]
        label = f"{account} ({marketplace})" if several.get(account, 1) > 1 else account
        if (~daily["status"].isin(charts.UNDRAWN_STATUSES)).sum() > 1:
            drawn.append((label, daily))
        else:
            without_rate.append(label)
    return drawn, without_rate


# -- rendering --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PortfolioSettings:
    """Settings of a portfolio panel: the account filter, and the accounts, measure and window of the small charts.

    `row_limit` is the maximum number of accounts in the table.
    """

    account_filter: AccountFilter
    drawn_accounts: list[tuple[str, str]]
    measure: tuple[str, str]
    window: int
    row_limit: int = PAGE_SIZE


def render_portfolio(
    workspace: Workspace, ranking: pd.DataFrame, as_of: date, settings: PortfolioSettings
) -> dict[str, Any]:
    """Return the plain data that `PortfolioWidget` shows: a finding, the small charts and the table of accounts."""
    rows = select_accounts(ranking, settings.account_filter)
    off, risk = (int((rows["worst_status"] == status).sum()) for status in ("off target", "at risk"))
    finding = panel_text.ranking_title(off, risk, len(rows), str(rows["account"].iloc[0]) if len(rows) else "")
    reason = stakes.reason_clause(rows["reason"].iloc[0]) if len(rows) else ""
    return {
        "finding": [(finding, True), *([(f" {reason}", False)] if reason else [])],
        "figure": render_small_charts(workspace, ranking, as_of, settings) if settings.drawn_accounts else None,
        "table": render_table(workspace, ranking, rows, as_of, settings),
    }


def render_small_charts(
    workspace: Workspace, ranking: pd.DataFrame, as_of: date, settings: PortfolioSettings
) -> dict[str, Any]:
    """Return the plain data of the small charts of the selected accounts: title, Vega-Lite spec and notes."""
    drawn, without_rate = small_chart_scores(
        workspace, settings.drawn_accounts, settings.measure, settings.window, as_of, ranking
    )
    company = labels.company_of(*(marketplace for _, marketplace in settings.drawn_accounts))
    name = labels.capitalise_first(sentences.measure_phrase(*settings.measure, settings.window, company))
    off = sum(str(daily["status"].iloc[-1]) == "off target" for _, daily in drawn)
    title = panel_text.side_by_side_title(name, off, len(drawn))
    events = workspace.events
    spec = charts.vega_lite_spec(charts.small_multiples(drawn, events=events, description=title)) if drawn else None
    first = as_of - timedelta(days=SMALL_CHART_DAYS - 1)
    has_marks = any(
        event.is_of(*pair) for event in charts.shown_events(events, first, as_of) for pair in settings.drawn_accounts
    )
    return {
        "title": title,
        "spec": spec,
        "notes": [
            *([panel_text.accounts_without_chart_note(without_rate)] if without_rate else []),
            *([event_text.MARKS_NOTE] if has_marks else []),
        ],
    }


def render_table(
    workspace: Workspace, ranking: pd.DataFrame, rows: pd.DataFrame, as_of: date, settings: PortfolioSettings
) -> dict[str, Any]:
    """Return the plain data of the table of accounts and measures, in which a cell is a rate with its status."""
    columns = measures_with_column(ranking)
    listed = rows.head(settings.row_limit)
    weeks = _weekly_bars(workspace, listed, as_of)
    cells = {tuple(row[name] for name in KEY_COLUMNS): row for row in measures.records(ranking)}
    key = ranking.attrs.get("basis", panel_text.NO_SIMULATION_NOTE)
    no_rules = reasons.unjudged_stores_sentence(workspace.unjudged_stores())
    return {
        "heads": [_column_heading(*pair, measure_company(ranking, *pair)) for pair in columns],
        "looked_ahead": bool(ranking["harm"].notna().any()),
        "key": f"{key} {no_rules}".strip(),
        "rows": [
            _render_row(row, cells, columns, weeks, settings.drawn_accounts, as_of) for row in measures.records(listed)
        ],
        "more": max(0, len(rows) - settings.row_limit),
        "none": not len(rows),
    }


def _column_heading(metric: str, channel: str, company: str) -> str:
    short_label = labels.metric_words(metric, company).short_label
    return f"{short_label} ({company or 'marketplace'})" if channel == "amazon" else short_label


def _render_row(
    row: dict[str, Any],
    cells: dict[tuple[Any, ...], dict[str, Any]],
    columns: list[tuple[str, str]],
    weeks: dict[tuple[Any, ...], list[StripWeek]],
    drawn_accounts: list[tuple[str, str]],
    as_of: date,
) -> dict[str, Any]:
    pair, day = (row["account"], row["marketplace"]), row["as_of"].date()
    harm, chance = measures.float_or_none(row["harm"]), measures.float_or_none(row["chance"])
    worst = _column_heading(row["metric"], row["channel"], labels.company_of(row["marketplace"]))
    return {
        "account": pair[0],
        "marketplace": pair[1],
        "ended": portfolio_text.as_of_note(day) if day < as_of else "",
        "drawn": pair in drawn_accounts,
        "harm": "" if harm is None else panel_text.format_expected_harm(harm),
        "chance": "" if chance is None else outlook_text.format_chance(chance),
        "worst": worst,
        "strip": str(weekly_strip(worst, weeks.get((*pair, row["metric"], row["channel"])) or [None])),
        "cells": [_render_cell(cells.get((*pair, *column)), column) for column in columns],
    }


def _render_cell(row: dict[str, Any] | None, column: tuple[str, str]) -> dict[str, Any] | None:
    """Return the rate and status of one measure of one account; None if no order counts."""
    if row is None or not row["counted"]:
        return None
    side, target = measures.text_or_empty(row["side"]), measures.float_or_none(row["target"])
    status = labels.STATUS_STYLES[str(row["status"])]
    rate = figures.format_rate(int(row["counted"]), int(row["at_fault"]), side, target)
    return {"measure": list(column), "rate": rate, **status._asdict()}


def _weekly_bars(
    workspace: Workspace, rows_listed: pd.DataFrame, as_of: date
) -> dict[tuple[Any, ...], list[StripWeek]]:
    """Return the weekly share of the limit used, with its status, of the worst measure of each account."""
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
            for used, status in weekly.sort_values("as_of")[["used", "status"]].itertuples(index=False, name=None)
        ]
        for key, weekly in rows.groupby(KEY_COLUMNS, observed=True)
    }
