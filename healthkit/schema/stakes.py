"""What offers sold in the last 30 days, and the days and shares by which expected harm is worked out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DAYS = 30
"""Days ahead over which a measure may be off target, and days back whose sales are at stake. [days]"""
LIKELY_FROM = 0.1
"""Chance to be off target on any of the days from which a measure on target ranks by its harm."""
OFFERS_AT_FAULT = "offers at fault"
"""Scope of a rule whose consequence meets the offers that have orders at fault."""


class RecentSales(NamedTuple):
    """What some offers sold in 30 days: the number of orders, and of those with a price, and sums by currency.

    The sums are in ten-thousandths of the currency. Orders that were cancelled by the as-of day are left out. `days` is
    the number of these days that the files cover; with fewer than DAYS the others are lower bounds.
    """

    orders: int
    priced_orders: int
    amounts: Mapping[str, int]
    days: int = DAYS
