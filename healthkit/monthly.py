"""What a monthly report holds: the SCORES, orders and rules of one account and month, gathered in one place."""

from __future__ import annotations

import calendar
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from healthkit.desk import Desk
from healthkit.explain import Bridge, ExplainError
from healthkit.exposure import uncomputed
from healthkit.marketplaces import MARKETPLACES
from healthkit.policy import PolicyError, Rule

WEEKS = 26
DAYS = 120
"""So far back a report shows the rate of each week, and of each day."""


class MonthError(ValueError):
    """A month cannot be reported on; the message says why and which months can."""


@dataclass(frozen=True)
class Monthly:
    """All that one account's report of one month shows; frames are SCORES unless said otherwise.

    `scores` is as of the month's last day, `earlier` as of the last day of the month before, `weekly` of
    26 days a week apart, `daily` of 120 days. `at_fault` has one row an order at fault on the as-of day
    and measure: metric, channel, window, order_id, causes, clock_day, known_on, leaves_on, product?, sku?,
    assumed?. `bridges` says why the rate of a measure moved since `before`, by metric, channel and window,
    where both days have a rate under the same rule.
    """

    account: str
    marketplace: str
    marketplace_title: str
    policy: str
    as_of: date
    before: date
    scores: pd.DataFrame
    earlier: pd.DataFrame
    weekly: pd.DataFrame
    daily: pd.DataFrame
    at_fault: pd.DataFrame
    bridges: dict[tuple[str, str, int], Bridge]
    rules: list[Rule]
    not_computed: list[str]
    begins_on: date
    ends_on: date
    orders: int
    data: str
    made: str


def last_day_of(month: str) -> date:
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


def accounts_in(desk: Desk, month: str) -> list[tuple[str, str]]:
    """The accounts and marketplaces that have something to report for a month, by name.

    Something is counted on the month's last day in at least one window. Raises MonthError, naming the months
    there are, when no account has.
    """
    as_of = last_day_of(month)
    found = desk.score(as_of) if _reached(desk, as_of) else pd.DataFrame(columns=["account", "marketplace", "counted"])
    counted = found[found["counted"] > 0].merge(_heard(desk, as_of), on=["account", "marketplace"])
    pairs = counted[["account", "marketplace"]].drop_duplicates().sort_values(["account", "marketplace"])
    if pairs.empty:
        raise MonthError(f"No account has orders to report for {month}. {_months(desk)}")
    return list(pairs.itertuples(index=False, name=None))


def _reached(desk: Desk, as_of: date) -> bool:
    """Whether any order is as old as the day; before that, no rule need be asked."""
    return bool((desk.counts.exposure["clock_day"].dt.date <= as_of).any())


def _heard(desk: Desk, as_of: date) -> pd.DataFrame:
    """The accounts and marketplaces whose files reach into the month of a day; of others the month is not known."""
    coverage = desk.counts.coverage
    heard = coverage[coverage["heard_on"].dt.date >= as_of.replace(day=1)]
    return heard[["account", "marketplace"]].astype("str")


def _months(desk: Desk) -> str:
    coverage = desk.counts.coverage
    if coverage.empty:
        return "The store holds no orders."
    return f"The orders reach from {coverage['begins_on'].min():%Y-%m} to {coverage['ends_on'].max():%Y-%m}."


def open_month(desk: Desk, account: str, month: str, marketplace: str | None = None, made: str = "") -> Monthly:
    """Gather one account's report of one month.

    `marketplace` is needed only where the account sells in several. `made` stands in the footer as given.
    Raises StoreError for an unknown account, MonthError for a month without orders or a marketplace in which
    the account has none.
    """
    desk.store.check_accounts([account], desk.accounts)
    as_of = last_day_of(month)
    held = desk.counts.coverage[desk.counts.coverage["account"] == account].set_index("marketplace")
    code = _marketplace(account, list(held.index), marketplace)
    scored = _mine(desk, account, code, as_of)
    if not (scored["counted"] > 0).any() or held.loc[code, "heard_on"].date() < as_of.replace(day=1):
        begins, ends = held.loc[code, "begins_on"], held.loc[code, "ends_on"]
        raise MonthError(
            f"{account} has no orders to report for {month}: "
            f"its orders reach from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}."
        )
    return _gather(desk, account, code, as_of, scored, made)


def _marketplace(account: str, held: list[str], wanted: str | None) -> str:
    """The marketplace to report on: the one asked for, or the only one."""
    if wanted is None and len(held) == 1:
        return held[0]
    if wanted is None or wanted not in held:
        asked = "in several marketplaces" if wanted is None else f"nothing in marketplace {wanted!r}"
        raise MonthError(f"{account} has orders {asked}. Choose one of: {', '.join(held)}.")
    return wanted


def _mine(desk: Desk, account: str, marketplace: str, days: date | list[date]) -> pd.DataFrame:
    """SCORES of one account in one marketplace."""
    rows = desk.score(days, [account])
    return rows[rows["marketplace"] == marketplace].reset_index(drop=True)


def _gather(desk: Desk, account: str, code: str, as_of: date, scored: pd.DataFrame, made: str) -> Monthly:
    policy = desk.policies[code]
    coverage = desk.counts.coverage.set_index(["account", "marketplace"]).loc[(account, code)]
    begins_on = coverage["begins_on"].date()
    before = as_of.replace(day=1) - timedelta(days=1)
    weeks = [as_of - timedelta(days=7 * back) for back in reversed(range(WEEKS))]
    history = [as_of - timedelta(days=back) for back in reversed(range(DAYS))]
    first_rule = max((day for _, day in policy.begins), default=date.min)
    asked = sorted({*weeks, *history, before})
    past = _mine(desk, account, code, [day for day in asked if day >= first_rule])
    on = past["as_of"].dt.date
    rules = policy.on(as_of)
    return Monthly(
        account=account,
        marketplace=code,
        marketplace_title=MARKETPLACES[code].title,
        policy=policy.name,
        as_of=as_of,
        before=before,
        scores=scored,
        earlier=past[on == before].reset_index(drop=True),
        weekly=past[on.isin(weeks)].reset_index(drop=True),
        daily=past[on.isin(history)].reset_index(drop=True),
        at_fault=_at_fault(desk, account, code, scored),
        bridges=_bridges(desk, scored, before),
        rules=rules,
        not_computed=uncomputed(rules),
        begins_on=begins_on,
        ends_on=coverage["ends_on"].date(),
        orders=int(coverage["orders"]),
        data=_data(desk, account),
        made=made,
    )


def _bridges(desk: Desk, scored: pd.DataFrame, before: date) -> dict[tuple[str, str, int], Bridge]:
    """Why each judged measure moved since the month before."""
    bridges = {}
    for _, row in scored[scored["side"].notna() & (scored["counted"] > 0)].iterrows():
        with suppress(ExplainError, PolicyError):
            bridges[row["metric"], row["channel"], int(row["window"])] = desk.bridge(row, before)
    return bridges


def _data(desk: Desk, account: str) -> str:
    """Which state of which files the figures stand on."""
    reports = desk.store.reports()
    files = int((reports["account"].isna() | (reports["account"] == account)).sum())
    return f"version {desk.store.version()} of the store, {files:,} {'file' if files == 1 else 'files'} of this account"


def _at_fault(desk: Desk, account: str, code: str, scored: pd.DataFrame) -> pd.DataFrame:
    """The orders at fault behind every row of SCORES, with what was bought."""
    columns = [
        "metric", "channel", "window", "order_id", "causes", "clock_day",
        "known_on", "enters_on", "leaves_on", "at_fault", "assumed",
    ]  # fmt: skip
    behind = [
        desk.orders_at_fault(row).assign(window=row["window"], known_on=lambda rows: rows["since"])
        for _, row in scored[scored["at_fault"] > 0].iterrows()
    ]
    rows = pd.concat(behind, ignore_index=True)[columns] if behind else pd.DataFrame(columns=columns)
    bought = desk.store.products(account, code, rows["order_id"].unique())
    named = rows.merge(bought, on="order_id", how="left", validate="many_to_one")
    return named.sort_values(["metric", "channel", "window", "leaves_on", "order_id"], ignore_index=True)
