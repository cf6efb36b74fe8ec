"""Sentences on what is at stake, and on the order of accounts by expected harm."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from healthkit.report.text import figures, labels
from healthkit.report.text.labels import Strong, join_words
from healthkit.report.text.outlook import format_chance
from healthkit.report.text.sentences import Sentence
from healthkit.schema.stakes import DAYS, LIKELY_FROM, OFFERS_AT_FAULT, RecentSales
from healthkit.schema.tables import AMOUNT_SCALE

if TYPE_CHECKING:
    from healthkit.analysis.ranking import AccountHarm, RankedAccount, Ranking

_SCOPES = {
    "account": "The account’s {channel} orders",
    "seller-fulfilled offers": "These offers",
    OFFERS_AT_FAULT: "The offers with orders at fault",
}
"""What a consequence takes from sale, as the subject of a sentence."""


def format_money(amount: Fraction, currency: str) -> str:
    """Format an amount in whole units of its currency; one under 100 with two decimals.

    >>> format_money(Fraction("21182.47"), "USD"), format_money(Fraction("9.5"), "EUR")
    ('USD 21,182', 'EUR 9.50')
    """
    value = Decimal(amount.numerator) / Decimal(amount.denominator)
    step = Decimal("0.01") if 0 < value < 100 else Decimal(1)
    return f"{currency} {value.quantize(step, ROUND_HALF_UP):,}"


def sales_phrase(sales: RecentSales) -> str:
    """Return what offers sold: a sum for each currency, and the number of orders.

    >>> sales_phrase(RecentSales(823, 823, {"USD": 211824700})), sales_phrase(RecentSales(2, 0, {}))
    ('USD 21,182 in 823 orders', '2 orders of unknown price')
    >>> sales_phrase(RecentSales(12, 10, {"EUR": 2000000, "USD": 900000}))
    'EUR 200 and USD 90.00 in 12 orders (2 of unknown price)'
    >>> sales_phrase(RecentSales(8, 8, {"USD": 900000}, 10)), sales_phrase(RecentSales(0, 0, {}, 0))
    ('at least USD 90.00 in 8 orders', 'an unknown amount')
    """
    if not sales.days:
        return "an unknown amount"
    orders = figures.format_quantity(sales.orders)
    if sales.days < DAYS:
        return f"at least {sales_phrase(sales._replace(days=DAYS))}" if sales.orders else "an unknown amount"
    if not sales.orders:
        return "no order"
    if not sales.priced_orders:
        return f"{orders} of unknown price"
    sums = join_words(
        [format_money(Fraction(sales.amounts[name], AMOUNT_SCALE), name) for name in sorted(sales.amounts)]
    )
    if sales.priced_orders < sales.orders:
        return f"{sums} in {orders} ({sales.orders - sales.priced_orders:,} of unknown price)"
    return f"{sums} in {orders}"


def sales_days_phrase(sales: RecentSales) -> str:
    """Return the days of the sales at stake, as far as the files cover them.

    >>> [sales_days_phrase(RecentSales(1, 0, {}, days)) for days in (30, 10, 0)]
    ['the last 30 days', 'the 10 of the last 30 days that the files cover', 'the last 30 days, which the files do not cover']
    """  # noqa: E501 - the phrases
    if not sales.days:
        return f"the last {DAYS} days, which the files do not cover"
    return (
        f"the last {DAYS} days"
        if sales.days >= DAYS
        else f"the {sales.days} of the last {DAYS} days that the files cover"
    )


def at_stake_sentence(scope: str, channel: str, sales: RecentSales, company: str = "") -> str:
    """Return what the offers sold that a rule's consequence takes from sale.

    `scope` is that of the rule; "" if it does not say, which is said.

    >>> sold = RecentSales(823, 823, {"USD": 211824700})
    >>> at_stake_sentence("seller-fulfilled offers", "seller", sold)
    'These offers sold USD 21,182 in 823 orders in the last 30 days.'
    >>> at_stake_sentence("", "seller", sold)
    'The source does not say which offers; all seller-fulfilled ones sold USD 21,182 in 823 orders in the last 30 days.'
    >>> at_stake_sentence("seller-fulfilled offers", "seller", sold._replace(days=10))
    'These offers sold at least USD 21,182 in 823 orders in the 10 of the last 30 days that the files cover.'
    """
    phrase = labels.channel_label(channel, company) if channel == "amazon" else "seller-fulfilled"
    phrase = "" if channel == "all" else phrase
    if scope in _SCOPES:
        subject = " ".join(_SCOPES[scope].format(channel=phrase).split())
        verb = "came to" if scope == "account" else "sold"
    else:
        subject, verb = f"The source does not say which offers; all{f' {phrase}' if phrase else ''} ones", "sold"
    return f"{subject} {verb} {sales_phrase(sales)} in {sales_days_phrase(sales)}."


def index_stake_note(harm: AccountHarm) -> str:
    """Return what an account puts at stake, as a note of its row in the index; "" for one in no danger.

    >>> from healthkit.analysis.ranking import AccountHarm
    >>> index_stake_note(AccountHarm("a", "US", "at risk", "x", sales=RecentSales(5, 5, {"USD": 1000000})))
    'at stake: USD 100 in 5 orders'
    >>> index_stake_note(AccountHarm("a", "US", "on target", "x", chance=0.2, sales=RecentSales(5, 0, {})))
    '20% chance to be off target within 30 days; at stake: 5 orders of unknown price'
    """
    at_stake = f"at stake: {sales_phrase(harm.sales)}"
    if harm.metric and harm.status in ("off target", "at risk"):
        return at_stake
    if harm.chance is None or harm.chance < LIKELY_FROM:
        return ""
    return f"{format_chance(harm.chance)} chance to be off target within {DAYS} days; {at_stake}"


def days_off_phrase(harm: AccountHarm) -> str:
    """Return how long a measure is expected to be off target in the next 30 days.

    >>> from healthkit.analysis.ranking import AccountHarm
    >>> days_off_phrase(AccountHarm("a", "US", "off target", share_off=0.823, chance=1.0))
    'expected to be off target on 25 of the next 30 days'
    >>> days_off_phrase(AccountHarm("a", "US", "at risk", share_off=0.004, chance=0.02))
    'expected to be off target on less than one of the next 30 days (chance of any: 2%)'
    >>> days_off_phrase(AccountHarm("a", "US", "off target", share_off=1.0, chance_assumed=True))
    'off target, and taken to stay so, as no future can be simulated'
    """
    if harm.share_off is None:
        return f"{harm.status}, of unknown chance"
    if harm.chance_assumed:
        return "off target, and taken to stay so, as no future can be simulated"
    days = int(harm.share_off * DAYS + 0.5)
    chance = (
        f" (chance of any: {format_chance(harm.chance)})" if harm.chance is not None and harm.chance < 0.995 else ""
    )
    return f"expected to be off target on {days or 'less than one'} of the next {DAYS} days{chance}"


def harm_phrase(harm: AccountHarm) -> str:
    """Return why an account stands where it stands: how long off target, and what that puts at stake.

    >>> from healthkit.analysis.ranking import AccountHarm
    >>> harm = AccountHarm("a", "US", "off target", "late_shipment_rate", "seller", 30, 0.823, 1.0, False,
    ...                    "seller-fulfilled offers", RecentSales(700, 700, {"USD": 181674500}))
    >>> harm_phrase(harm)
    'Late Shipment Rate is expected to be off target on 25 of the next 30 days; at stake: sales of the last 30 days, USD 18,167 in 700 orders'
    """  # noqa: E501 - the phrase
    words = labels.metric_words(harm.metric, labels.company_of(harm.marketplace))
    verb = "are" if words.is_plural else "is"
    at_stake = "at stake" if harm.scope else "at stake (assumed)"
    return (
        f"{labels.capitalise_first(words.label)} {verb} {days_off_phrase(harm)}; {at_stake}: sales of "
        f"{sales_days_phrase(harm.sales)}, {sales_phrase(harm.sales)}"
    )


def first_account_reason(first: RankedAccount, name: str = "") -> Sentence:
    """Return which account has the largest expected harm, and why; `name` is how the sentence names it.

    >>> from healthkit.analysis.ranking import AccountHarm, RankedAccount
    >>> harm = AccountHarm("acme", "US", "at risk", "late_shipment_rate", "seller", 30, 0.41, 0.95, False,
    ...                    "account", RecentSales(558, 0, {}))
    >>> "".join(first_account_reason(RankedAccount(1, harm, 230.9)))
    'acme has the largest expected harm: Late Shipment Rate is expected to be off target on 12 of the next 30 days (chance of any: 95%); at stake: sales of the last 30 days, 558 orders of unknown price.'
    """  # noqa: E501 - the sentence
    return Strong(name or first.harm.account), f" has the largest expected harm: {harm_phrase(first.harm)}."


def reason_clause(phrase: str) -> str:
    """Return the reason of an account's place as a sentence; "" without one.

    >>> reason_clause("Late Shipment Rate is off target"), reason_clause("")
    ('Late Shipment Rate is off target.', '')
    """
    return f"{phrase}." if phrase else ""


def ranking_basis_sentence(ranking: Ranking) -> str:
    """Return how accounts were compared, and why not in money where they were compared by orders.

    >>> from datetime import date
    >>> from fractions import Fraction
    >>> from healthkit.analysis.ranking import Ranking
    >>> from healthkit.schema.rates_file import Rates
    >>> ranking_basis_sentence(Ranking((), currencies=("EUR", "USD")))
    'Order: expected harm, the orders of 30 days times the share of the next 30 days off target. Amounts in EUR and USD are not added up without a rates file, so accounts are compared by orders.'
    >>> usd = Rates("USD", {"USD": Fraction(1)}, {"USD": date(2026, 10, 31)})
    >>> ranking_basis_sentence(Ranking((), currencies=("EUR", "USD"), rates=usd)).partition("off target. ")[2]
    'Amounts in EUR and USD are not added up because the rates file has no rate for EUR, so accounts are compared by orders.'
    >>> ranking_basis_sentence(Ranking((), "USD"))
    'Order: expected harm, the sales of 30 days in USD times the share of the next 30 days off target.'
    """  # noqa: E501 - the sentences
    what = f"sales of {DAYS} days in {ranking.currency}" if ranking.currency else f"orders of {DAYS} days"
    parts = [f"Order: expected harm, the {what} times the share of the next {DAYS} days off target."]
    if ranking.currencies:
        known = {} if ranking.rates is None else ranking.rates.values
        lacking = join_words([one for one in ranking.currencies if one not in known])
        why = "without a rates file" if ranking.rates is None else f"because the rates file has no rate for {lacking}"
        parts.append(
            f"Amounts in {join_words(list(ranking.currencies))} are not added up {why}, so accounts are compared by "
            "orders."
        )
    if ranking.mean_price is not None:
        price = format_money(ranking.mean_price, ranking.currency)
        parts.append(f"Where no file states prices, an order counts {price}, the mean of the others.")
    sales = [one.harm.sales for one in ranking.compared]
    if any(0 < one.days < DAYS for one in sales):
        parts.append("Where the files cover fewer of these days, the others count at the same pace.")
    if any(one.harm.orders_off is None for one in ranking.compared):
        parts.append("An account off target or at risk of unknown harm comes before those on target.")
    if ranking.currency and ranking.rates is not None and ranking.rates.days:
        first, last = min(ranking.rates.days.values()), max(ranking.rates.days.values())
        parts.append(
            f"Rates of {figures.format_day_range(first, last, 0) if first < last else figures.format_day(last, 0)}."
        )
    return " ".join(parts)


def first_line(ranking: Ranking) -> str:
    """Return one line on the account to open first, for lists of alerts and summaries; "" if none is in danger."""
    first = ranking.first
    if first is None:
        return ""
    label = f"{first.harm.account} ({first.harm.marketplace})"
    return f"open first  {label}: {harm_phrase(first.harm)}" if first.harm.metric else f"open first  {label}"


def portfolio_sales_sentence(rows: Sequence[RankedAccount]) -> str:
    """Return what all accounts off target or at risk put at stake, a sum for each currency; "" for none.

    >>> from healthkit.analysis.ranking import AccountHarm, RankedAccount
    >>> harm = AccountHarm("a", "US", "at risk", "x", sales=RecentSales(5, 5, {"USD": 1000000}))
    >>> portfolio_sales_sentence([RankedAccount(1, harm, 1.0)])
    'Sold in the last 30 days and at stake in all accounts off target or at risk: USD 100 in 5 orders.'
    """
    of_accounts = [one.harm.sales for one in rows if one.harm.status in ("off target", "at risk") and one.harm.metric]
    if not of_accounts:
        return ""
    amounts: dict[str, int] = {}
    for sales in of_accounts:
        for name, amount in sales.amounts.items():
            amounts[name] = amounts.get(name, 0) + amount
    total = RecentSales(sum(one.orders for one in of_accounts), sum(one.priced_orders for one in of_accounts), amounts)
    where = "at stake in all accounts off target or at risk"
    if all(one.days >= DAYS for one in of_accounts):
        return f"Sold in the last {DAYS} days and {where}: {sales_phrase(total)}."
    least = f"at least {sales_phrase(total)}" if total.orders else sales_phrase(total._replace(days=0))
    return f"Sold in the last {DAYS} days and {where}: {least}; the files of some cover fewer days."
