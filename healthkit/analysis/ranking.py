"""Which account first: accounts ranked by expected harm, the chance to be off target times what is at stake.

`account_harm` works out the harm of one account; `rank_accounts` compares accounts, and is the only place that puts
them in order: index, panel, `check` and summaries use it.

- The chance is the share of the next 30 days on which a measure is off target, averaged over simulated futures that
  start with what is known now. A small account is judged with the uncertainty of its rate, as everywhere.
- At stake is what the offers concerned sold in the last 30 days: the orders, and their prices where files state them.
  Where files cover fewer of these days, the others count at the same pace; where they cover none, it is unknown.
- Accounts are compared in money where every amount is in one currency, or a rates file converts it. Orders without a
  price then count with the mean price of the account's other orders, or else of all accounts' orders. Where currencies
  cannot be added up, all accounts are compared in orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.analysis.account_view import AccountView
from healthkit.analysis.rolloff import OutlookError
from healthkit.analysis.verdicts import AMAZON, AccountVerdict, Verdict
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import PolicyError, worst_first_key
from healthkit.metrics.scores import ScoreError
from healthkit.schema import tables
from healthkit.schema.rates_file import Rates
from healthkit.schema.stakes import DAYS, LIKELY_FROM, OFFERS_AT_FAULT, RecentSales
from healthkit.schema.tables import AMOUNT_SCALE, WHOLE_ACCOUNT, collect_to_pandas

DRAWS = 500
"""Number of simulated futures for each measure; enough to rank accounts."""
SIMULATED_FROM = 0.5
"""Used share of what the target allows from which a measure on target is simulated, too."""
VIOLATIONS = "policy_violations"
"""Open violations say nothing of the chance of a consequence; what they weigh is in the account health rating."""
_WATCHED = ("off target", "at risk")


NO_SALES = RecentSales(0, 0, {})


class Stake(NamedTuple):
    """What a rule's consequence takes from sale ("" if its source does not say), and what that sold in 30 days."""

    scope: str
    sales: RecentSales


@dataclass(frozen=True)
class AccountHarm:
    """What may happen to one account: its measure of the largest expected harm, and what that puts at stake.

    `status` is that of the account. `share_off` is the expected share of the next 30 days on which the measure is off
    target, `chance` the chance that it is on any of them; None where neither is known. With `chance_assumed` no future
    was simulated: the marketplace's own figure, or a measure that is no rate, is off target and taken to stay so.
    `scope` is what the rule's consequence takes from sale, "" where it does not say; then the sales of the measure's
    channel are at stake by assumption. Metric, channel and window are empty for an account without such a measure.
    """

    account: str
    marketplace: str
    status: str
    metric: str = ""
    channel: str = ""
    window: int = 0
    share_off: float | None = None
    chance: float | None = None
    chance_assumed: bool = False
    scope: str = ""
    sales: RecentSales = NO_SALES
    share_used: float | None = None

    @property
    def pace(self) -> Fraction | None:
        """By how much what the files cover is multiplied for 30 days; None if they cover none of these days."""
        return Fraction(DAYS, self.sales.days) if self.sales.days else None

    @property
    def orders_off(self) -> float | None:
        """The expected number of orders sold while off target: the share of days times the orders at stake."""
        if self.share_off is None or self.pace is None:
            return None
        return self.share_off * float(self.sales.orders * self.pace)

    def to_json(self) -> dict[str, Any]:
        """Return the harm as JSON values; `from_json` reads them."""
        sold = self.sales
        sales = {"orders": sold.orders, "priced": sold.priced_orders, "amounts": dict(sold.amounts), "days": sold.days}
        names = ("metric", "channel", "window", "share_off", "chance", "chance_assumed", "scope", "share_used")
        return {name: getattr(self, name) for name in names} | {"sales": sales}

    @classmethod
    def from_json(cls, account: str, marketplace: str, status: str, values: Any) -> AccountHarm:
        """Return the harm that `to_json` wrote; one without any, for pages of older versions, if there is none."""
        if not isinstance(values, dict):
            return cls(account, marketplace, status)
        known, sales = dict(values), values["sales"]
        recent = RecentSales(
            int(sales["orders"]), int(sales["priced"]), dict(sales["amounts"]), int(sales.get("days", DAYS))
        )
        return cls(account, marketplace, status, **(known | {"sales": recent}))


@dataclass(frozen=True)
class RankedAccount:
    """One account with its place, from 1, and its expected harm.

    `orders` and `money` are what it is expected to sell while off target, `at_stake` the sales at stake; money is None
    where accounts are compared by orders [units of the ranking's currency]. With `value_assumed` some of its orders
    have no price and count with a mean.
    """

    place: int
    harm: AccountHarm
    orders: float | None
    money: Fraction | None = None
    at_stake: Fraction | None = None
    value_assumed: bool = False


@dataclass(frozen=True)
class Ranking:
    """Accounts in the order in which to open them, and how they were compared.

    `currency` is that of the money by which they were compared; "" if by orders. Then `currencies` are those of the
    sales that could not be added up. `mean_price` is that of an order of all accounts, where an account without any
    price counts with it.
    """

    accounts: tuple[RankedAccount, ...]
    currency: str = ""
    currencies: tuple[str, ...] = ()
    mean_price: Fraction | None = None
    rates: Rates | None = None

    @property
    def first(self) -> RankedAccount | None:
        """The account to open first; None if none is known to be in danger."""
        return next((one for one in self.accounts[:1] if _tier(one.harm) < 2), None)

    @property
    def compared(self) -> tuple[RankedAccount, ...]:
        """The accounts that were compared by their expected harm, or whose harm is unknown."""
        return tuple(one for one in self.accounts if _tier(one.harm) == 0)

    def places(self) -> dict[tuple[str, str], int]:
        """Return the place of each account and marketplace, from 1."""
        return {(one.harm.account, one.harm.marketplace): one.place for one in self.accounts}


def recent_sales(counts: Counts, account: str, marketplace: str, channel: str, as_of: date) -> RecentSales:
    """Return what an account sold through a channel in the 30 days to a day; `all` means all channels."""
    rows = counts.sales
    first, last = pd.Timestamp(as_of - timedelta(days=DAYS - 1)), pd.Timestamp(as_of)
    chosen = (rows["sold_on"] >= first) & (rows["sold_on"] <= last)
    chosen &= (rows["account"] == account) & (rows["marketplace"] == marketplace)
    if channel != WHOLE_ACCOUNT:
        chosen &= rows["channel"] == channel
    rows = rows[chosen & (rows["cancelled_on"].isna() | (rows["cancelled_on"] > last))]
    return _sum_sales(rows["currency"], rows["orders"], rows["amount"])


def _sum_sales(currencies: pd.Series, orders: pd.Series, amounts: pd.Series) -> RecentSales:
    """Return sums of rows by currency; amounts without a currency are of no use and count as no price."""
    known = currencies.notna()
    sums = amounts[known].groupby(currencies[known].astype(str)).sum()
    return RecentSales(
        int(orders.sum()), int(orders[known].sum()), {str(name): int(sum_) for name, sum_ in sums.items()}
    )


def account_harm(
    view: AccountView, verdict: AccountVerdict, at_stake: Mapping[tuple[str, str, int], Stake] | None = None
) -> AccountHarm:
    """Return the expected harm of an account: that of the measure with the most orders at stake while off target.

    Simulated are the measures off target or at risk, and those on target that have used half of what their target
    allows. A measure that is only advised is passed over. `at_stake` is what `measures_at_stake` returns, if at hand.
    """
    found = [
        (one, harm)
        for one in verdict.measures
        if _is_simulated(one) and (harm := _measure_harm(view, verdict, one, at_stake or {})) is not None
    ]
    in_danger = [
        harm for one, harm in found if one.status in _WATCHED or (harm.chance or 0.0) >= LIKELY_FROM
    ]  # A measure that is fine never stands for one that is off target, whose harm is unknown.
    rest = [harm for _, harm in found]
    return max(in_danger or rest, key=lambda one: -1.0 if one.orders_off is None else one.orders_off, default=None) or (
        unknown_harm(verdict)
    )


def unknown_harm(verdict: AccountVerdict) -> AccountHarm:
    """Return an account of which nothing was simulated: it ranks by its status and the share of the limit used."""
    used = max((one.share_used for one in verdict.measures if one.share_used is not None), default=None)
    return AccountHarm(verdict.account, verdict.marketplace, verdict.status, share_used=used)


def _is_simulated(one: Verdict) -> bool:
    if one.rule is not None and one.rule.is_advisory:
        return False
    return one.status in _WATCHED or (one.status == "on target" and (one.share_used or 0.0) >= SIMULATED_FROM)


def _measure_harm(
    view: AccountView, verdict: AccountVerdict, one: Verdict, at_stake: Mapping[tuple[str, str, int], Stake]
) -> AccountHarm | None:
    """Return the harm of one measure; None for one on target of which no future can be simulated."""
    simulated, is_assumed = _simulated_chance(view, one), False
    if one.status == "off target" and one.metric != VIOLATIONS and (simulated is None or one.decided_by == AMAZON):
        simulated, is_assumed = (1.0, 1.0), True
    elif one.status == "on target" and simulated is None:
        return None
    share_off, chance = simulated or (None, None)
    scope, sales = at_stake.get((one.metric, one.channel, one.window)) or _stake(view, one)
    return AccountHarm(
        one.account, one.marketplace, verdict.status, one.metric, one.channel, one.window,
        share_off, chance, is_assumed, scope, sales, one.share_used,
    )  # fmt: skip


def measures_at_stake(view: AccountView, verdict: AccountVerdict) -> dict[tuple[str, str, int], Stake]:
    """Return what each measure off target or at risk puts at stake, by metric, channel and window."""
    return {
        (one.metric, one.channel, one.window): _stake(view, one)
        for one in verdict.measures
        if one.status in _WATCHED and one.is_enforced
    }


def _stake(view: AccountView, one: Verdict) -> Stake:
    """Return what the consequence of a rule takes from sale, and what that sold in the last 30 days."""
    scope = one.rule.at_stake if one.rule is not None else ""
    if scope == OFFERS_AT_FAULT and one.ours is not None and one.ours["at_fault"]:
        sales = _sales_of_offers_at_fault(view, _as_series(one))
    else:
        sales = recent_sales(view.counts, one.account, one.marketplace, one.channel, one.as_of)
    covered = view.coverage.count_order_days(one.as_of - timedelta(days=DAYS - 1), one.as_of)
    return Stake(scope, sales._replace(days=covered))


def _as_series(one: Verdict) -> pd.Series:
    """Return our row of SCORES as `AccountView` takes it."""
    row = dict(one.ours or {})
    days = {name: pd.Timestamp(row[name]) for name in ("as_of", "first_day", "last_day")}
    return pd.Series(row | days)


def _simulated_chance(view: AccountView, one: Verdict) -> tuple[float, float] | None:
    """Return the expected share of days off target, and the chance of any; None if our figure has no futures."""
    if one.ours is None or not one.ours["counted"] or one.ours["status"] not in (*_WATCHED, "on target"):
        return None
    row = _as_series(one)
    try:
        simulation = view.simulate(row.where(row.notna(), np.nan), days_ahead=DAYS, draws=DRAWS, bands=False)
    except (OutlookError, PolicyError, ScoreError):
        return None
    return float(simulation.days["off"].iloc[1:].mean()), float(simulation.breach_chances[DAYS])


def _sales_of_offers_at_fault(view: AccountView, row: pd.Series) -> RecentSales:
    """Return what the offers that have an order at fault sold in the last 30 days; an offer is an SKU."""
    as_of = row["as_of"].date()
    at_fault = set(view.orders_at_fault(row, details=False)["order_id"])
    ledger = view.ledger_with((tables.ORDERS, tables.ITEMS))
    own = (nw.col("account") == view.account) & (nw.col("marketplace") == view.marketplace)
    items = collect_to_pandas(ledger.items.filter(own).select("order_id", "sku", "amount", "currency"))
    items = items[items["sku"].isin(items.loc[items["order_id"].isin(at_fault), "sku"])]
    first = as_of - timedelta(days=DAYS - 1)
    days = (nw.col("ordered_on") >= nw.lit(first)) & (nw.col("ordered_on") <= nw.lit(as_of))
    gone = (nw.col("status") == "cancelled") & (nw.col("cancelled_on") <= nw.lit(as_of))
    channel = nw.col("channel") == row["channel"]
    orders = collect_to_pandas(
        ledger.orders.filter(own & days & channel).select("order_id", gone=gone.fill_null(False))
    )
    sold = items.merge(orders[~orders["gone"].astype(bool)], on="order_id")
    by_order = sold.groupby(["order_id", "currency"], dropna=False, as_index=False)["amount"].sum(min_count=1)
    currencies = by_order["currency"].where(by_order["amount"].notna())
    return _sum_sales(currencies, pd.Series(1, index=by_order.index), by_order["amount"].fillna(0).astype("int64"))


# -- the one order of accounts -----------------------------------------------------------------------------------


def rank_accounts(harms: Iterable[AccountHarm], rates: Rates | None = None) -> Ranking:
    """Return accounts in the order in which to open them, by expected harm.

    First come accounts off target, at risk, or likely to be off target, by their harm; of these, one off target or at
    risk of unknown harm comes before all that are on target. Then come those whose harm was not looked at, those that
    cannot be judged, and the others by the share of the limit used. `rates` convert amounts to one currency.

    >>> def harm(name, share, orders):
    ...     return AccountHarm(name, "US", "off target", "x", share_off=share, sales=RecentSales(orders, 0, {}))
    >>> [one.harm.account for one in rank_accounts([harm("small", 1.0, 16), harm("large", 0.4, 670)]).accounts]
    ['large', 'small']
    """
    found = list(harms)
    compared = [one for one in found if _tier(one) == 0]
    currencies = sorted({name for one in compared for name in one.sales.amounts})
    factors, currency = _factors(currencies, rates)
    values = {id(one): _value(one, factors) for one in compared} if currency else {}
    priced = [
        (value, one.sales.priced_orders * one.pace)
        for one in compared
        if (value := values.get(id(one))) is not None and one.pace is not None
    ]
    mean = sum((value for value, _ in priced), Fraction(0)) / sum(count for _, count in priced) if priced else None
    rows = [_ranked(one, values.get(id(one)), mean if currency else None) for one in found]
    fine = [one for one in rows if _tier(one.harm) == 0 and one.harm.status not in _WATCHED]
    largest_on_target = max((_amount(one) or 0.0 for one in fine), default=0.0)
    rows.sort(key=lambda one: _sort_key(one, largest_on_target))
    uses_mean = mean is not None and any(one.sales.orders and not one.sales.priced_orders for one in compared)
    return Ranking(
        tuple(RankedAccount(n, *_fields(one)) for n, one in enumerate(rows, 1)), currency if priced else "",
        () if currency else tuple(currencies), mean if uses_mean else None, rates,
    )  # fmt: skip


def _fields(one: RankedAccount) -> tuple[Any, ...]:
    return one.harm, one.orders, one.money, one.at_stake, one.value_assumed


def _factors(currencies: Sequence[str], rates: Rates | None) -> tuple[dict[str, Fraction], str]:
    """Return the factor of each currency to a common one, and that one; "" if they cannot be added up."""
    if len(currencies) == 1:
        return {currencies[0]: Fraction(1)}, currencies[0]
    known = rates.factors(currencies) if rates is not None and currencies else None
    return (known, rates.base) if known is not None and rates is not None else ({}, "")


def _value(one: AccountHarm, factors: Mapping[str, Fraction]) -> Fraction | None:
    """Return the amounts of 30 days at stake in the common currency; None if no order has a price."""
    if not one.sales.priced_orders or one.pace is None:
        return None
    known = (Fraction(amount, AMOUNT_SCALE) * factors[name] for name, amount in one.sales.amounts.items())
    return sum(known, Fraction(0)) * one.pace


def _ranked(one: AccountHarm, value: Fraction | None, mean: Fraction | None) -> RankedAccount:
    """Return an account with its harm; orders without a price count with the mean of the account's own, or of all."""
    at_stake, unpriced = None, one.sales.orders - one.sales.priced_orders
    if value is not None:
        at_stake = value + value * Fraction(unpriced, one.sales.priced_orders)
    elif mean is not None and one.pace is not None and _tier(one) == 0:
        at_stake = mean * one.sales.orders * one.pace
    money = None if at_stake is None or one.share_off is None else at_stake * Fraction(one.share_off)
    return RankedAccount(0, one, one.orders_off, money, at_stake, at_stake is not None and unpriced > 0)


def _tier(one: AccountHarm) -> int:
    """Return the group in which an account ranks, the first 0."""
    is_watched = one.status in _WATCHED
    if (is_watched and one.metric) or (one.share_off is not None and (one.chance or 0.0) >= LIKELY_FROM):
        return 0
    if is_watched:
        return 1
    return 2 if one.status == "cannot be judged" else 3


def _amount(row: RankedAccount) -> float | None:
    """Return the expected harm by which accounts are compared; None if it is unknown."""
    return float(row.money) if row.money is not None else row.orders


def _sort_key(row: RankedAccount, largest_on_target: float) -> tuple[Any, ...]:
    """Return the key of an account; one of unknown harm stands just before the largest harm of one on target."""
    one = row.harm
    harm: tuple[Any, ...] = (0,)
    if _tier(one) == 0:
        amount = _amount(row)
        is_unknown = amount is None and one.status in _WATCHED
        harm = (-largest_on_target, 0, 0.0) if is_unknown else (-(amount or 0.0), 1, -(row.orders or 0.0))
    rest = worst_first_key(one.status, share_used=one.share_used)
    return _tier(one), harm, rest, one.account, one.marketplace
