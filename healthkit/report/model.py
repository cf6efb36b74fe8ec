"""The data of a monthly report: scores, orders at fault, rules and analyses of one account in one object."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TypeVar

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.analysis.account_view import AccountView
from healthkit.analysis.bridge import Bridge, ExplainError
from healthkit.analysis.ranking import AccountHarm, Stake, account_harm, measures_at_stake
from healthkit.analysis.reconcile import Reconciliation
from healthkit.analysis.rolloff import OutlookError, RollOffCalendar
from healthkit.analysis.scenario_futures import StrongestSteps, StrongStep
from healthkit.analysis.simulation import Simulation
from healthkit.analysis.streaks import Streak, find_streak_in_days
from healthkit.analysis.todo import MeasureKey, Todo
from healthkit.analysis.verdicts import AccountVerdict
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import EndedRule, PolicyError, Rule
from healthkit.metrics.scores import day_numbers
from healthkit.report.text.reasons import unjudged_stores_sentence
from healthkit.schema.events_file import Event
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import SEVERITIES, collect_to_pandas, records
from healthkit.workspace.workspace import Workspace

WEEKS_SHOWN = 26
"""Weekly figures of each measure in a report. [weeks]"""
DAYS_SHOWN = 120
"""Daily figures of each measure in a report. [days]"""
WEEK_DAYS = 7
"""Days of the period of a weekly report. [days]"""
SIMULATION_DRAWS = 1_000
"""Futures simulated for each measure of a report; probabilities are accurate to about 3 percentage points."""

T = TypeVar("T")
VIOLATION_COLUMNS = ("category", "open", "severity", "opened_on", "resolved", "resolved_on", "told_on")


class MonthError(ValueError):
    """A month or week cannot be reported; the message says why and lists the available months."""


@dataclass(frozen=True)
class Period:
    """The days that a report is of: a month, or the week that ends on a day.

    `text` is the period as the user gives it (2026-10 or 2026-10-14), `name` as sentences name it. `first` and `last`
    are its days; `before` is the day that figures are compared with.
    """

    text: str
    first: date
    last: date

    @property
    def before(self) -> date:
        """The day before the period."""
        return self.first - timedelta(days=1)

    @property
    def is_month(self) -> bool:
        """Whether the period is a month."""
        return self.text != self.last.isoformat()

    @property
    def name(self) -> str:
        """The period in a message."""
        return self.text if self.is_month else f"the week to {self.text}"

    @property
    def kind(self) -> str:
        """The kind of period: month or week."""
        return "month" if self.is_month else "week"


def parse_period(text: str) -> Period:
    """Return the period that a text names: a month like 2026-10, or a day like 2026-10-14 for the 7 days to it.

    Raises MonthError for text that is neither.

    >>> parse_period("2026-10").before, parse_period("2026-10-14").before
    (datetime.date(2026, 9, 30), datetime.date(2026, 10, 7))
    >>> parse_period("2026-10-14").name
    'the week to 2026-10-14'
    """
    try:
        last = date.fromisoformat(text)
    except ValueError:
        last = last_day_of_month(text)
        return Period(text, last.replace(day=1), last)
    return Period(last.isoformat(), last - timedelta(days=WEEK_DAYS - 1), last)


@dataclass(frozen=True, eq=False)
class MonthlyReport:
    """The data of one account's report of a month or week; data frames are SCORES unless stated otherwise.

    `title` is the name of the account for readers.

    Days: `as_of` is the last day of the period (`month_end`) or, if the files end earlier, the last day that they
    cover. `before` is the day before the period: the last day of the month before, or the day a week before.

    Scores: `scores` is as of `as_of`, `earlier` as of `before`, `weekly_scores` of 26 days a week apart, and
    `daily_scores` of 120 days. `verdict` has the status of each measure by its worst known figure. `at_fault` has one
    row for each measure and order at fault on the as-of day: metric, channel, window, order_id, causes, clock_day,
    known_on, leaves_on, assumed?, and product?, sku?, carrier?, country?, state?.

    Analyses, by metric, channel and window: `bridges` of rates off target or at risk explain the change since `before`,
    if both days have a rate under the same rule. `drivers` has the groups of orders with excess faults, for the worst
    window of each of these rates. `calendars` has their roll-off calendars, and `futures` their simulated futures;
    `granted` has those with requests granted, by the ids of their orders, and `steps` the steps that help most in the
    worst window. `standings` has the streak off target of each judged measure, `todo` the actions that are still
    possible. `at_stake` says what the offers sold that a measure off target or at risk puts at stake, and `harm` what
    ranks the account among others.

    Figures of the marketplace: `reported` is its own figures as SCORES on `before` and `as_of`, `reconciled` compares
    our counts with them, and `states` is the rows of ACCOUNT_STATES in its newest report. `violations` has one row a
    category: category, open, severity? (the worst of the open ones), opened_on? (of the oldest open one), resolved (in
    this period), resolved_on?, told_on? (the day of a reported total).

    Events: `events` are what the account changed up to `as_of`, and `event_effects` what came of it (see
    `AccountView.event_effects`).

    Rules: `rules` are those in force on `as_of`, `without_rule` the metrics that never had one.

    `data` describes the version of the data, and `made` the time of generation; both are printed in the footer.
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
    steps: dict[MeasureKey, list[StrongStep]] = field(default_factory=dict)
    granted: dict[MeasureKey, dict[tuple[str, ...], Simulation]] = field(default_factory=dict)
    verdict: AccountVerdict | None = None
    month_end: date | None = None
    without_rule: list[EndedRule] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    event_effects: pd.DataFrame = field(default_factory=pd.DataFrame)
    at_stake: dict[MeasureKey, Stake] = field(default_factory=dict)
    harm: AccountHarm | None = None
    todo: Todo | None = None
    display_name: str = ""

    @property
    def title(self) -> str:
        """The name of the account for readers: its display name if one was given."""
        return self.display_name or self.account


def last_day_of_month(month: str) -> date:
    """Return the last day of a month given as text like `2026-10`.

    Raises MonthError for text that is not a month.

    >>> last_day_of_month("2026-02")
    datetime.date(2026, 2, 28)
    """
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise MonthError(f"{month!r} is not a month; write it as 2026-10.") from None
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def accounts_to_report(workspace: Workspace, month: str) -> list[tuple[str, str]]:
    """Return the accounts and marketplaces that have something to report for a month, sorted by name.

    `month` is a month, or a day for the week to it (see `parse_period`). An account is included if its files or the
    marketplace's own reports cover a day of the period, and if on the last such day at least one window has counted
    orders or a reported figure. Raises MonthError, which lists the available months, if there is no such account.
    """
    pairs = _pairs_to_report(workspace, parse_period(month))
    if not pairs:
        no_rules = unjudged_stores_sentence(workspace.unjudged_stores())
        sentences = (
            f"No account has orders to report for {parse_period(month).name}.",
            _describe_order_months(workspace),
            no_rules,
        )
        raise MonthError(" ".join(filter(None, sentences)))
    return pairs


def _pairs_to_report(workspace: Workspace, period: Period) -> list[tuple[str, str]]:
    """Return the accounts and marketplaces of `month_verdicts`, most of them without the work of a whole verdict."""
    if not _files_begin_by(workspace.counts, period.last):
        return []
    found = workspace.verdicts(period.last, at_last_known_day=True, with_reasons=False)
    known = [one for one in found if one.as_of >= period.first]
    pairs = {(one.account, one.marketplace) for one in known if _has_reportable_figures(one)}
    # Orders that no measure counts, for lack of evidence, are found with the reasons.
    if doubtful := sorted({one.account for one in known if (one.account, one.marketplace) not in pairs}):
        whole = workspace.verdicts(period.last, doubtful, at_last_known_day=True)
        in_period = (one for one in whole if one.as_of >= period.first)
        pairs |= {(one.account, one.marketplace) for one in in_period if _has_reportable_figures(one)}
    return sorted(pairs)


def month_verdicts(workspace: Workspace, month: str, accounts: Iterable[str] | None = None) -> list[AccountVerdict]:
    """Return the verdicts on accounts as of the last day of a month that their files cover; by default all accounts.

    `month` may be a day, for the week to it. Accounts with nothing to report are left out. Raises MonthError for
    text that is neither, and StoreError for an account that is not in the store.
    """
    period = parse_period(month)
    if not _files_begin_by(workspace.counts, period.last):
        return []
    verdicts = workspace.verdicts(period.last, accounts, at_last_known_day=True)
    return [one for one in verdicts if one.as_of >= period.first and _has_reportable_figures(one)]


def accounts_ended_before(
    workspace: Workspace, month: str, accounts: Iterable[str] | None = None
) -> list[tuple[str, str, date]]:
    """Return the accounts and marketplaces whose files end before a month, each with its last covered day.

    `month` may be a day, for the week to it. Raises MonthError for text that is neither.
    """
    period = parse_period(month)
    days = workspace.last_days_known(period.last, accounts)
    return [(*pair, day) for pair, day in days.items() if day < period.first]


def _has_reportable_figures(verdict: AccountVerdict) -> bool:
    """Return whether any measure has a reported figure or orders in its window, even without evidence of faults."""
    return any(
        one.theirs is not None
        or (one.ours or {}).get("counted")
        or (one.reason is not None and one.reason.orders_in_window)
        for one in verdict.measures
    )


def _files_begin_by(counts: Counts, as_of: date) -> bool:
    """Return whether files of orders, or figures of the marketplace's own, begin on or before a day."""
    return bool((counts.coverage["begins_on"] <= pd.Timestamp(as_of)).any())


def _describe_order_months(workspace: Workspace) -> str:
    """Return a sentence on the months from the first judged order of the store to the last; empty if none is judged."""
    coverage = workspace.counts.coverage
    coverage = coverage[coverage["orders"] > 0]
    if coverage.empty:
        return "The store holds no orders."
    coverage = coverage[coverage["marketplace"].isin(list(workspace.policies))]
    if coverage.empty:
        return ""
    return f"The orders reach from {coverage['begins_on'].min():%Y-%m} to {coverage['ends_on'].max():%Y-%m}."


def order_days_clause(orders: int, begins_on: date, ends_on: date) -> str:
    """Return from when to when the files have orders of an account.

    >>> order_days_clause(3, date(2026, 3, 1), date(2026, 10, 31)), order_days_clause(0, date(2026, 10, 31), date(2026, 10, 30))
    ('its orders reach from 2026-03-01 to 2026-10-31', 'no file has its orders, and the first figure of the marketplace is of 2026-10-31')
    """  # noqa: E501 - the clauses
    if not orders:
        return f"no file has its orders, and the first figure of the marketplace is of {begins_on}"
    return f"its orders reach from {begins_on} to {ends_on}"


def open_report(
    workspace: Workspace,
    account: str,
    month: str,
    marketplace: str | None = None,
    generated_at: str = "",
    display_name: str = "",
) -> MonthlyReport:
    """Gather the report of one account for one month, or for the week that ends on a day (2026-10-14).

    `marketplace` is required only if the account sells in several. `generated_at` is printed in the footer as given,
    `display_name` instead of the account's name.
    Raises StoreError for an unknown account, AccountMarketplaceError for a marketplace that is not its own, and
    MonthError for a month without orders.
    """
    view = workspace.account(account, marketplace)
    # The tables of a report have few rows: pandas selects from Python strings in a tenth of the time that it needs for
    # the strings of Arrow, its default. The counts of all accounts are read before, and keep the default.
    with pd.option_context("mode.string_storage", "python"):
        return _report_on_view(workspace, view, parse_period(month), generated_at, display_name)


def _report_on_view(
    workspace: Workspace, view: AccountView, period: Period, generated_at: str, display_name: str
) -> MonthlyReport:
    """Gather the report of an account (see `open_report`)."""
    as_of = view.last_day_known(period.last)
    verdict, scored = None, pd.DataFrame()
    if as_of >= period.first and _files_begin_by(view.counts, period.last):
        scored = view.score(as_of)
        verdict = view.verdict(as_of, our_rows=records(scored))
    if verdict is None or not _has_reportable_figures(verdict):
        raise MonthError(
            f"{view.account} has no orders to report for {period.name}: "
            f"{order_days_clause(view.coverage.orders, view.coverage.begins_on, view.coverage.ends_on)}."
        )
    report = _build_report(view, verdict, scored, period, _describe_data_version(workspace, view.account), generated_at)
    return replace(report, display_name=display_name)


def _build_report(
    view: AccountView,
    verdict: AccountVerdict,
    scored: pd.DataFrame,
    period: Period,
    data_version: str,
    generated_at: str,
) -> MonthlyReport:
    """Build the report of an account from its verdict and the SCORES of that day: score history, run all analyses."""
    as_of = verdict.as_of
    ledger = view.ledger  # Opened first, so that no analysis opens the tables that it needs once more.
    watched = scored[scored["status"].isin(["off target", "at risk"]) & scored["rate"].notna()]
    before = period.before
    weeks = [as_of - timedelta(days=7 * back) for back in reversed(range(WEEKS_SHOWN))]
    history = [as_of - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    past = view.score(sorted(day for day in {*weeks, *history, before} if day >= view.policy.complete_from))
    past_days = day_numbers(past["as_of"])

    def on_days(days: list[date]) -> pd.DataFrame:
        return past[np.isin(past_days, day_numbers(days))].reset_index(drop=True)

    daily = on_days(history)
    calendars = _analyse(watched, view.calendar)
    todo = view.todo(as_of, verdict=verdict, scored=scored, calendars=calendars)
    strongest = _simulate_measures(view, watched, calendars, todo)
    at_stake = measures_at_stake(view, verdict)
    of_account = (nw.col("account") == view.account) & (nw.col("marketplace") == view.marketplace)
    return MonthlyReport(
        account=view.account,
        marketplace=view.marketplace,
        marketplace_title=MARKETPLACES[view.marketplace].title,
        policy=view.policy.name,
        as_of=as_of,
        before=before,
        scores=scored,
        earlier=on_days([before]),
        weekly_scores=on_days(weeks),
        daily_scores=daily,
        at_fault=_list_orders_at_fault(view, scored),
        bridges=_analyse(watched, lambda row: view.bridge(row, before)),
        rules=view.policy.rules_in_force(as_of),
        begins_on=view.coverage.begins_on,
        ends_on=view.coverage.ends_on,
        orders=view.coverage.orders,
        data=data_version,
        made=generated_at,
        reported=_reported_figures(view, [before, as_of]),
        reconciled=_reconcile_figures(view, as_of),
        states=_latest_account_states(
            collect_to_pandas(ledger.account_states.filter(of_account & (nw.col("as_of") <= nw.lit(as_of))))
        ),
        violations=_violations_by_category(
            collect_to_pandas(ledger.violations.filter(of_account & (nw.col("opened_on") <= nw.lit(as_of)))),
            as_of,
            period.first,
        ),
        drivers=_analyse(_worst_windows(watched), view.drivers),
        standings=dict(_streaks(view, scored, daily)),
        calendars=calendars,
        futures={key: one.plain for key, one in strongest.items()},
        steps={key: one.steps for key, one in strongest.items() if one.steps},
        granted={key: one.granted for key, one in strongest.items()},
        verdict=verdict,
        month_end=period.last,
        without_rule=view.policy.without_rule(as_of),
        events=[event for event in view.events if event.day <= as_of],
        event_effects=view.event_effects(as_of),
        at_stake=at_stake,
        harm=account_harm(view, verdict, at_stake),
        todo=todo,
    )


def _measure_key(row: pd.Series) -> MeasureKey:
    return row["metric"], row["channel"], int(row["window"])


def _analyse(rows: pd.DataFrame, analysis: Callable[[pd.Series], T]) -> dict[MeasureKey, T]:
    """Apply an analysis to rows of SCORES and return the results by measure; rows it cannot analyse are left out."""
    results = {}
    for _, row in rows.iterrows():
        with suppress(ExplainError, OutlookError, PolicyError):
            results[_measure_key(row)] = analysis(row)
    return results


def _simulate_measures(
    view: AccountView, watched: pd.DataFrame, calendars: dict[MeasureKey, RollOffCalendar], todo: Todo
) -> dict[MeasureKey, StrongestSteps]:
    """Simulate futures of rows of SCORES, also with requests granted, and the strongest steps in the worst windows."""
    worst = {_measure_key(row) for _, row in _worst_windows(watched).iterrows()}

    def strongest(row: pd.Series) -> StrongestSteps:
        key = _measure_key(row)
        requests = todo.steps_if_granted(key)
        return view.strongest_steps(
            row, calendars[key], requests, only_requests=key not in worst, draws=SIMULATION_DRAWS
        )

    known = [_measure_key(row) in calendars for _, row in watched.iterrows()]
    found = _analyse(watched[known], strongest)
    return {key: one if key in worst else one._replace(steps=[]) for key, one in found.items()}


def _worst_windows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the SCORES row of the worst window of each metric and channel."""
    worst = rows.assign(off=rows["status"] == "off target", wrong=rows["at_fault"] / rows["counted"])
    worst = worst.sort_values(["off", "wrong", "window"], ascending=False, kind="stable")
    return worst.drop_duplicates(["metric", "channel"]).sort_index()


def _streaks(view: AccountView, scored: pd.DataFrame, daily: pd.DataFrame) -> Iterator[tuple[MeasureKey, Streak]]:
    """Yield the streak off target of each judged measure, limited to the daily history of the report."""
    row_positions = daily.groupby(["metric", "channel"], sort=False).indices
    days, statuses = day_numbers(daily["as_of"]), daily["status"].to_numpy()
    windows = daily["window"].to_numpy()
    for _, row in scored[scored["status"].isin(["off target", "at risk", "on target"])].iterrows():
        rule = view.rule(row)
        positions = row_positions.get((row["metric"], row["channel"]), np.zeros(0, dtype=np.int64))
        # A rule with a fallback can change its window from day to day; these rows are one measure.
        positions = positions if rule.fallback else positions[windows[positions] == row["window"]]
        if len(positions):
            yield _measure_key(row), find_streak_in_days(days[positions], statuses[positions], rule)


def _reported_figures(view: AccountView, days: list[date]) -> pd.DataFrame:
    """Return the newest figure of each measure that the marketplace reported by each of some days."""
    rows = view.reported(days).sort_values(["rule", "window"], kind="stable")
    return rows.drop_duplicates(["as_of", "metric", "channel"], keep="last").reset_index(drop=True)


def _reconcile_figures(view: AccountView, as_of: date) -> list[Reconciliation]:
    """Compare our counts with the marketplace's; empty if it reported none or the day is before the policy begins."""
    with suppress(ExplainError, PolicyError):
        return view.reconcile(as_of)
    return []


def _latest_account_states(account_states: pd.DataFrame) -> pd.DataFrame:
    """Return the account states of the newest report; warnings that it no longer lists are left out."""
    pieces = []
    for kinds in (("account", "warning"), ("checklist",)):
        rows = account_states[account_states["kind"].isin(kinds)]
        pieces.append(rows[rows["as_of"] == rows["as_of"].max()])
    columns = ["kind", "name", "state", "count", "as_of"]
    return pd.concat(pieces)[columns].sort_values(["kind", "name"], ignore_index=True)


def _violations_by_category(rows: pd.DataFrame, as_of: date, resolved_from: date) -> pd.DataFrame:
    """Return the number of violations by category: open on a day, and resolved from a day on.

    As in the metric, a total reported by the marketplace is used only if no file lists the violations of that category.
    """
    rows = rows.assign(**{name: pd.to_datetime(rows[name]).dt.date for name in ("opened_on", "resolved_on")})
    single = rows[rows["violation_id"] != ""]
    counts = rows[(rows["violation_id"] == "") & ~rows["category"].isin(single["category"])]
    newest = counts.sort_values("opened_on").drop_duplicates("category", keep="last")
    summaries = [
        _summarise_category(category, group, as_of, resolved_from) for category, group in single.groupby("category")
    ]
    summaries += [
        (row["category"], int(row["count"]), None, None, 0, None, row["opened_on"]) for row in newest.to_dict("records")
    ]
    table = pd.DataFrame(summaries, columns=list(VIOLATION_COLUMNS), dtype=object)
    return table.sort_values(["open", "resolved", "category"], ascending=[False, False, True], ignore_index=True)


def _summarise_category(
    category: str, category_rows: pd.DataFrame, as_of: date, resolved_from: date
) -> tuple[object, ...]:
    """Return the VIOLATION_COLUMNS of one category whose violations are listed one by one."""
    is_resolved = category_rows["resolved_on"].map(lambda day: pd.notna(day) and day <= as_of).astype(bool)
    still_open, resolved = category_rows[~is_resolved], category_rows[is_resolved]
    resolved = resolved[resolved["resolved_on"].map(lambda day: day >= resolved_from).astype(bool)]
    worst = max(still_open["severity"].dropna(), key=SEVERITIES.index, default=None)
    first, last = min(still_open["opened_on"], default=None), max(resolved["resolved_on"], default=None)
    return category, int(still_open["count"].sum()), worst, first, int(resolved["count"].sum()), last, None


def _describe_data_version(workspace: Workspace, account: str) -> str:
    """Return a phrase with the version of the store and the number of imported files of the account."""
    store, files = workspace.store, workspace.store.count_files(account)
    shared = " (also for the rates that forecasts share with other accounts)" if len(workspace.accounts) > 1 else ""
    number = f"{files:,} {'file' if files == 1 else 'files'} of this account"
    return f"version {store.version()} of the store{shared}, {number}"


def _list_orders_at_fault(view: AccountView, scored: pd.DataFrame) -> pd.DataFrame:
    """Return the orders at fault of every row of SCORES, with product, carrier and place."""
    columns = [
        "metric", "channel", "window", "order_id", "causes", "clock_day",
        "known_on", "enters_on", "leaves_on", "at_fault", "assumed",
    ]  # fmt: skip
    orders = [
        view.orders_at_fault(row, details=False).assign(window=row["window"], known_on=lambda rows: rows["since"])
        for _, row in scored[(scored["at_fault"] > 0) & scored["rate"].notna()].iterrows()
    ]
    rows = pd.concat(orders, ignore_index=True)[columns] if orders else pd.DataFrame(columns=columns)
    named = view.add_order_details(rows)
    return named.sort_values(["metric", "channel", "window", "leaves_on", "order_id"], ignore_index=True)
