"""What a monthly report holds: the SCORES, orders and rules of one account and month, gathered in one place."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.analysis.explain import (
    Bridge,
    ExplainError,
    Reconciliation,
    Streak,
    drivers,
    find_streak_in_days,
    reconcile,
)
from healthkit.analysis.outlook import OutlookError, RollOffCalendar, Simulation
from healthkit.analysis.verdicts import AccountVerdict
from healthkit.metrics.policy import PolicyError, Rule
from healthkit.metrics.scores import day_numbers
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import SEVERITIES, Frame, Ledger, collect_to_pandas
from healthkit.workspace.workspace import Workspace

WEEKS_SHOWN = 26
DAYS_SHOWN = 120
"""So far back a report shows the rate of each week, and of each day."""
SIMULATION_DRAWS = 1_000
"""So many futures a report draws of each measure: a chance is then right to some 3 of 100."""

MeasureKey = tuple[str, str, int]
"""Metric, channel and window."""
VIOLATION_COLUMNS = ("category", "open", "severity", "opened_on", "resolved", "resolved_on", "told_on")


class MonthError(ValueError):
    """A month cannot be reported on; the message says why and which months can."""


@dataclass(frozen=True, eq=False)
class MonthlyReport:
    """All that one account's report of one month shows; frames are SCORES unless said otherwise.

    `as_of` is the month's last day (`month_end`), or the last day that the files tell of where that is earlier.
    `scores` is as of that day, `verdict` where each measure stands by the worst known figure, `earlier` as of the
    last day of the month before, `weekly` of 26 days a week apart, `daily` of 120 days. `at_fault` has one row an
    order at fault on the as-of day and measure: metric, channel, window, order_id, causes, clock_day, known_on,
    leaves_on, product?, sku?, assumed?. `bridges` says why a rate off target or at risk moved since `before`, by
    metric, channel and window, where both days have a rate under the same rule; `drivers` which groups carry its
    excess, of the worst window of each rate off target or at risk; `standings` for how long each judged measure is
    off target.

    What the marketplace itself said: `reported` holds its figures as SCORES on both days, `reconciled` ours beside
    them, `states` the rows of ACCOUNT_STATES of its newest report, `violations` one row a category: category, open,
    severity? (the worst open one), opened_on? (the oldest open one), resolved (in this month), resolved_on?,
    told_on? (the day of a count).
    """

    account: str
    marketplace: str
    marketplace_title: str
    policy: str
    as_of: date
    before: date
    scores: pd.DataFrame
    earlier: pd.DataFrame
    weekly_scores: pd.DataFrame
    daily_scores: pd.DataFrame
    at_fault: pd.DataFrame
    bridges: dict[tuple[str, str, int], Bridge]
    rules: list[Rule]
    begins_on: date
    ends_on: date
    orders: int
    data: str
    made: str
    reported: pd.DataFrame = field(default_factory=pd.DataFrame)
    reconciled: list[Reconciliation] = field(default_factory=list)
    states: pd.DataFrame = field(default_factory=pd.DataFrame)
    violations: pd.DataFrame = field(default_factory=pd.DataFrame)
    drivers: dict[MeasureKey, pd.DataFrame] = field(default_factory=dict)
    standings: dict[MeasureKey, Streak] = field(default_factory=dict)
    calendars: dict[MeasureKey, RollOffCalendar] = field(default_factory=dict)
    futures: dict[MeasureKey, Simulation] = field(default_factory=dict)
    verdict: AccountVerdict | None = None
    month_end: date | None = None


def last_day_of_month(month: str) -> date:
    """The last day of a month, which is the as-of day of its report.

    Raises MonthError for what is no month.

    >>> last_day_of("2026-02")
    datetime.date(2026, 2, 28)
    """
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise MonthError(f"{month!r} is not a month; write it as 2026-10.") from None
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def accounts_to_report(workspace: Workspace, month: str) -> list[tuple[str, str]]:
    """The accounts and marketplaces that have something to report for a month, by name.

    Their files or the marketplace's own reports tell of a day in the month, and something is counted on the last such
    day in at least one window, or reported by the marketplace. Raises MonthError, naming the months there are, when no
    account has.
    """
    pairs = [(one.account, one.marketplace) for one in month_verdicts(workspace, month)]
    if not pairs:
        raise MonthError(f"No account has orders to report for {month}. {_describe_order_months(workspace)}")
    return pairs


def month_verdicts(workspace: Workspace, month: str, accounts: Iterable[str] | None = None) -> list[AccountVerdict]:
    """The verdicts on all accounts or some for a month: as of its last day, or the last day that their files tell of.

    Accounts that have nothing to report are left out. Raises MonthError for what is no month, StoreError for an account
    that the store does not hold.
    """
    as_of = last_day_of_month(month)
    if not _has_orders_by(workspace, as_of):
        return []
    verdicts = workspace.verdicts(as_of, accounts, at_last_known_day=True)
    return [one for one in verdicts if one.as_of >= as_of.replace(day=1) and _has_reportable_figures(one)]


def accounts_ended_before(
    workspace: Workspace, month: str, accounts: Iterable[str] | None = None
) -> list[tuple[str, str, date]]:
    """The accounts and marketplaces of whose month nothing is known, for their files end before it, with that last day.

    Raises MonthError for what is no month.
    """
    last = last_day_of_month(month)
    wanted = None if accounts is None else set(accounts)
    figures = workspace.figures(last, wanted)
    known = {
        pair: workspace.last_day_known(pair, last, figures)
        for pair in workspace.files()
        if pair[1] in workspace.policies and (wanted is None or pair[0] in wanted)
    }
    return [(*pair, day) for pair, day in sorted(known.items()) if day < last.replace(day=1)]


def _has_reportable_figures(verdict: AccountVerdict) -> bool:
    """Whether orders lie in a window, even if no file tells of their faults, or the marketplace reported a figure."""
    return any(
        one.theirs is not None or (one.ours or {}).get("counted") or (one.reason is not None and one.reason.orders)
        for one in verdict.measures
    )


def _has_orders_by(workspace: Workspace, as_of: date) -> bool:
    """Whether any order is as old as the day; before that, no rule need be asked."""
    return bool((workspace.counts.exposure["clock_day"].dt.date <= as_of).any())


def _describe_order_months(workspace: Workspace) -> str:
    coverage = workspace.counts.coverage
    if coverage.empty:
        return "The store holds no orders."
    return f"The orders reach from {coverage['begins_on'].min():%Y-%m} to {coverage['ends_on'].max():%Y-%m}."


def open_report(
    workspace: Workspace, account: str, month: str, marketplace: str | None = None, generated_at: str = ""
) -> MonthlyReport:
    """Gather one account's report of one month.

    `marketplace` is needed only where the account sells in several. `made` stands in the footer as given.
    Raises StoreError for an unknown account, MonthError for a month without orders or a marketplace in which
    the account has none.
    """
    workspace.store.check_accounts([account], workspace.accounts)
    month_end = last_day_of_month(month)
    held = workspace.counts.coverage[workspace.counts.coverage["account"] == account].set_index("marketplace")
    code = _choose_marketplace(account, list(held.index), marketplace)
    found = [one for one in month_verdicts(workspace, month, [account]) if one.marketplace == code]
    if not found:
        begins, ends = held.loc[code, "begins_on"], held.loc[code, "ends_on"]
        raise MonthError(
            f"{account} has no orders to report for {month}: "
            f"its orders reach from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}."
        )
    return _build_report(workspace, found[0], month_end, generated_at)


def _choose_marketplace(account: str, available: list[str], requested: str | None) -> str:
    """The marketplace to report on: the one asked for, or the only one."""
    if requested is None and len(available) == 1:
        return available[0]
    if requested is None or requested not in available:
        asked = "in several marketplaces" if requested is None else f"nothing in marketplace {requested!r}"
        raise MonthError(f"{account} has orders {asked}. Choose one of: {', '.join(available)}.")
    return requested


def _scores_of_account(workspace: Workspace, account: str, marketplace: str, days: date | list[date]) -> pd.DataFrame:
    """SCORES of one account in one marketplace."""
    rows = workspace.score(days, [account])
    return rows[rows["marketplace"] == marketplace].reset_index(drop=True)


def _build_report(workspace: Workspace, verdict: AccountVerdict, month_end: date, generated_at: str) -> MonthlyReport:
    account, code, as_of = verdict.account, verdict.marketplace, verdict.as_of
    scored = _scores_of_account(workspace, account, code, as_of)
    policy = workspace.policies[code]
    coverage = workspace.counts.coverage.set_index(["account", "marketplace"]).loc[(account, code)]
    begins_on = coverage["begins_on"].date()
    before = as_of.replace(day=1) - timedelta(days=1)
    weeks = [as_of - timedelta(days=7 * back) for back in reversed(range(WEEKS_SHOWN))]
    history = [as_of - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    first_rule = max((day for _, day in policy.begins), default=date.min)
    asked = sorted({*weeks, *history, before})
    past = _scores_of_account(workspace, account, code, [day for day in asked if day >= first_rule])
    on = past["as_of"].dt.date
    rules = policy.on(as_of)
    daily = past[on.isin(history)].reset_index(drop=True)
    ledger = workspace.ledger(account)
    mine = (nw.col("account") == account) & (nw.col("marketplace") == code)
    return MonthlyReport(
        account=account,
        marketplace=code,
        marketplace_title=MARKETPLACES[code].title,
        policy=policy.name,
        as_of=as_of,
        before=before,
        scores=scored,
        earlier=past[on == before].reset_index(drop=True),
        weekly_scores=past[on.isin(weeks)].reset_index(drop=True),
        daily_scores=daily,
        at_fault=_list_orders_at_fault(workspace, ledger.items.filter(mine), scored),
        bridges=_bridges(workspace, scored, before),
        rules=rules,
        begins_on=begins_on,
        ends_on=coverage["ends_on"].date(),
        orders=int(coverage["orders"]),
        data=_describe_data_version(workspace, account),
        made=generated_at,
        reported=_reported_figures(workspace, account, code, [before, as_of]),
        reconciled=_reconcile_figures(workspace, ledger, account, code, as_of),
        states=_latest_account_states(
            collect_to_pandas(ledger.account_states.filter(mine & (nw.col("as_of") <= nw.lit(as_of))))
        ),
        violations=_violations_by_category(
            collect_to_pandas(ledger.violations.filter(mine & (nw.col("opened_on") <= nw.lit(as_of)))), as_of
        ),
        drivers=dict(_drivers(workspace, ledger, scored)),
        standings=dict(_streaks(workspace, scored, daily)),
        calendars=dict(_calendars(workspace, scored)),
        futures=dict(_futures(workspace, scored)),
        verdict=verdict,
        month_end=month_end,
    )


def _bridges(workspace: Workspace, scored: pd.DataFrame, before: date) -> dict[tuple[str, str, int], Bridge]:
    """Why each rate off target or at risk moved since the month before."""
    bridges = {}
    for _, row in scored[scored["status"].isin(["off target", "at risk"]) & scored["rate"].notna()].iterrows():
        with suppress(ExplainError, PolicyError):
            bridges[row["metric"], row["channel"], int(row["window"])] = workspace.bridge(row, before)
    return bridges


def _measure_key(row: pd.Series) -> MeasureKey:
    return row["metric"], row["channel"], int(row["window"])


def _drivers(workspace: Workspace, ledger: Ledger, scored: pd.DataFrame) -> Iterator[tuple[MeasureKey, pd.DataFrame]]:
    """Which groups carry the excess of each rate off target or at risk; of several windows that of the worst."""
    rows = scored[scored["status"].isin(["off target", "at risk"]) & scored["rate"].notna()]
    rows = rows.assign(off=rows["status"] == "off target", wrong=rows["at_fault"] / rows["counted"])
    worst = rows.sort_values(["off", "wrong", "window"], ascending=False, kind="stable")
    for _, row in worst.drop_duplicates(["metric", "channel"]).sort_index().iterrows():
        with suppress(ExplainError):
            as_of, where = row["as_of"].date(), (row["account"], row["marketplace"], row["channel"])
            yield _measure_key(row), drivers(ledger, workspace.rule(row), *where, as_of, window=int(row["window"]))


def _streaks(workspace: Workspace, scored: pd.DataFrame, daily: pd.DataFrame) -> Iterator[tuple[MeasureKey, Streak]]:
    """For how long each judged measure has been off target, as far back as the days of a report reach."""
    places = daily.groupby(["metric", "channel"], sort=False).indices
    days, off = day_numbers(daily["as_of"]), (daily["status"] == "off target").to_numpy()
    windows = daily["window"].to_numpy()
    for _, row in scored[scored["status"].isin(["off target", "at risk", "on target"])].iterrows():
        rule = workspace.rule(row)
        held = places.get((row["metric"], row["channel"]), np.zeros(0, dtype=np.int64))
        # With a fallback the window changes from day to day, and stays one measure.
        held = held if rule.fallback else held[windows[held] == row["window"]]
        if len(held):
            yield _measure_key(row), find_streak_in_days(days[held], off[held], rule)


def _calendars(workspace: Workspace, scored: pd.DataFrame) -> Iterator[tuple[MeasureKey, RollOffCalendar]]:
    """What each rate off target or at risk will be on the days ahead if nothing new goes wrong."""
    for _, row in scored[scored["status"].isin(["off target", "at risk"]) & scored["rate"].notna()].iterrows():
        with suppress(OutlookError):
            yield _measure_key(row), workspace.calendar(row)


def _futures(workspace: Workspace, scored: pd.DataFrame) -> Iterator[tuple[MeasureKey, Simulation]]:
    """What may come of each rate off target or at risk at the usual pace."""
    for _, row in scored[scored["status"].isin(["off target", "at risk"]) & scored["rate"].notna()].iterrows():
        with suppress(OutlookError):
            yield _measure_key(row), workspace.futures(row, draws=SIMULATION_DRAWS)


def _reported_figures(workspace: Workspace, account: str, marketplace: str, days: list[date]) -> pd.DataFrame:
    """The marketplace's own figures on some days: of each measure the newest, whatever days it covers."""
    rows = workspace.reported(days, [account])
    rows = rows[rows["marketplace"] == marketplace].sort_values(["rule", "window"], kind="stable")
    return rows.drop_duplicates(["as_of", "metric", "channel"], keep="last").reset_index(drop=True)


def _reconcile_figures(
    workspace: Workspace, ledger: Ledger, account: str, marketplace: str, as_of: date
) -> list[Reconciliation]:
    """Ours beside the marketplace's figures; none where it reported none, or before the policy begins."""
    coverage = workspace.counts.coverage.set_index(["account", "marketplace"])
    told = str(coverage.loc[(account, marketplace), "evidence"]).split("+")
    with suppress(ExplainError, PolicyError):
        return reconcile(
            ledger,
            workspace.policies[marketplace],
            account,
            marketplace,
            as_of,
            told,
            workspace.counts_for_accounts([account]),
        )
    return []


def _latest_account_states(account_states: pd.DataFrame) -> pd.DataFrame:
    """What the newest report said of the account; a warning that it no longer names has gone."""
    pieces = []
    for kinds in (("account", "warning"), ("checklist",)):
        held = account_states[account_states["kind"].isin(kinds)]
        pieces.append(held[held["as_of"] == held["as_of"].max()])
    columns = ["kind", "name", "state", "count", "as_of"]
    return pd.concat(pieces)[columns].sort_values(["kind", "name"], ignore_index=True)


def _violations_by_category(rows: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Open violations by category on a day, and those resolved in its month.

    As in the metric, a count of the marketplace stands only where no file tells of that category one by one.
    """
    rows = rows.assign(**{name: pd.to_datetime(rows[name]).dt.date for name in ("opened_on", "resolved_on")})
    single = rows[rows["violation_id"] != ""]
    counts = rows[(rows["violation_id"] == "") & ~rows["category"].isin(single["category"])]
    newest = counts.sort_values("opened_on").drop_duplicates("category", keep="last")
    made = [_summarise_category(category, held, as_of) for category, held in single.groupby("category")]
    made += [
        (row["category"], int(row["count"]), None, None, 0, None, row["opened_on"]) for row in newest.to_dict("records")
    ]
    table = pd.DataFrame(made, columns=list(VIOLATION_COLUMNS), dtype=object)
    return table.sort_values(["open", "resolved", "category"], ascending=[False, False, True], ignore_index=True)


def _summarise_category(category: str, category_rows: pd.DataFrame, as_of: date) -> tuple[object, ...]:
    """One category whose violations are told one by one."""
    gone = category_rows["resolved_on"].map(lambda day: pd.notna(day) and day <= as_of).astype(bool)
    still, resolved = category_rows[~gone], category_rows[gone]
    resolved = resolved[resolved["resolved_on"].map(lambda day: day >= as_of.replace(day=1)).astype(bool)]
    worst = max(still["severity"].dropna(), key=SEVERITIES.index, default=None)
    first, last = min(still["opened_on"], default=None), max(resolved["resolved_on"], default=None)
    return category, int(still["count"].sum()), worst, first, int(resolved["count"].sum()), last, None


def _describe_data_version(workspace: Workspace, account: str) -> str:
    """Which state of which files the figures stand on."""
    files = workspace.store.count_files(account)
    return (
        f"version {workspace.store.version()} of the store, {files:,} {'file' if files == 1 else 'files'} of this "
        "account"
    )


def _list_orders_at_fault(workspace: Workspace, items: Frame, scored: pd.DataFrame) -> pd.DataFrame:
    """The orders at fault behind every row of SCORES, with what was bought."""
    columns = [
        "metric", "channel", "window", "order_id", "causes", "clock_day",
        "known_on", "enters_on", "leaves_on", "at_fault", "assumed",
    ]  # fmt: skip
    behind = [
        workspace.orders_at_fault(row).assign(window=row["window"], known_on=lambda rows: rows["since"])
        for _, row in scored[(scored["at_fault"] > 0) & scored["rate"].notna()].iterrows()
    ]
    rows = pd.concat(behind, ignore_index=True)[columns] if behind else pd.DataFrame(columns=columns)
    named = rows.merge(
        products_of_orders(items, rows["order_id"].unique()), on="order_id", how="left", validate="many_to_one"
    )
    return named.sort_values(["metric", "channel", "window", "leaves_on", "order_id"], ignore_index=True)


def products_of_orders(items: Frame, order_ids: Iterable[str]) -> pd.DataFrame:
    """What was bought with some orders: order_id, sku, product? (the first line of each, by sku)."""
    wanted = list(order_ids)
    if not wanted:
        # An empty list has no type that a column of texts could be held against.
        return pd.DataFrame(columns=["order_id", "sku", "product"], dtype="str")
    lines = collect_to_pandas(items.filter(nw.col("order_id").is_in(wanted)).select("order_id", "sku", "product"))
    first = lines.sort_values(["order_id", "sku", "product"]).drop_duplicates("order_id")
    return first.reset_index(drop=True)
