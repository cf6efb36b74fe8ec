"""List the orders that wait for shipment confirmation and are about to ship late, or are late already."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import narwhals as nw
import pandas as pd

from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import Column, Ledger, Table, collect_to_pandas

DUE = Table(
    "due",
    "one seller-fulfilled order not confirmed by the end of a day, and its ship-by day",
    {
        "account": Column("text"), "marketplace": Column("text"), "order_id": Column("text"),
        "ordered_on": Column("day"), "ship_by": Column("instant"), "ship_by_on": Column("day"),
        "days_left": Column("count"), "sku": Column("text", True), "units": Column("count", True),
    },
    ("account", "marketplace", "order_id"),
)  # fmt: skip
"""`days_left` counts whole days from the as-of day to the ship-by day; it is negative for overdue orders."""


def find_due_orders(ledger: Ledger, as_of: date, days_ahead: int = 2) -> pd.DataFrame:
    """Return DUE: unconfirmed orders that are overdue, or due up to `days_ahead` days after `as_of`.

    The most urgent orders come first; see `find_waiting_orders`.
    """
    waits = find_waiting_orders(ledger, as_of, days_ahead)
    bought = collect_to_pandas(ledger.items.group_by("account", "marketplace", "order_id").agg(nw.col("sku").min()))
    named = waits.merge(bought, on=["account", "marketplace", "order_id"], how="left")
    left = (pd.to_datetime(named["ship_by_on"]) - pd.Timestamp(as_of)).dt.days
    made = named.assign(days_left=left.astype("int64"))[list(DUE.columns)]
    days = {name: pd.to_datetime(made[name]).astype("datetime64[s]") for name in ("ordered_on", "ship_by_on")}
    made = made.assign(**days, ship_by=pd.to_datetime(made["ship_by"], utc=True))
    return tables.check_table(made.sort_values(["ship_by", "account", "order_id"], ignore_index=True), DUE)


def find_waiting_orders(ledger: Ledger, as_of: date, days_ahead: int = 2) -> pd.DataFrame:
    """Return the orders of DUE in no order, without SKU and days left: account, marketplace, order_id and more.

    An order waits when by the end of `as_of` it was placed, not cancelled, and no file shows a confirmation. A day ends
    at midnight in the time zone of the marketplace.
    """
    due = ledger.orders.filter(
        (nw.col("channel") == "seller")
        & ~nw.col("ship_by").is_null()
        & (nw.col("ordered_on") <= nw.lit(as_of))
        & (nw.col("ship_by_on") <= nw.lit(as_of + timedelta(days_ahead)))
    )
    return _select_waiting(collect_to_pandas(due.select(*_WAITING_COLUMNS)), as_of)


_WAITING_COLUMNS = (
    "account", "marketplace", "order_id", "ordered_on", "ship_by", "ship_by_on", "units", "shipped_at", "status",
    "cancelled_on",
)  # fmt: skip


def count_waiting_without_ship_by(ledger: Ledger, as_of: date) -> dict[str, int]:
    """Count for each account the unconfirmed seller-fulfilled orders whose ship-by day is not known."""
    orders = ledger.orders.filter(
        (nw.col("channel") == "seller") & nw.col("ship_by").is_null() & (nw.col("ordered_on") <= nw.lit(as_of))
    )
    waits = _select_waiting(collect_to_pandas(orders), as_of)
    waits = waits[waits["status"] != "cancelled"]  # A file of orders alone does not say when.
    return {str(account): int(count) for account, count in waits["account"].value_counts().sort_index().items()}


def _select_waiting(orders: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return the orders that were neither confirmed nor cancelled by the end of a day, as far as the files show."""
    ends = {code: _end_of_day(as_of, MARKETPLACES[code].zone) for code in orders["marketplace"].unique()}
    end_of_day = pd.to_datetime(orders["marketplace"].map(ends), utc=True)
    confirmed = pd.to_datetime(orders["shipped_at"], utc=True) <= end_of_day
    marked_shipped = orders["shipped_at"].isna() & orders["status"].isin(tables.SHIPPED_STATUSES)
    cancelled = (orders["status"] == "cancelled") & (pd.to_datetime(orders["cancelled_on"]) <= pd.Timestamp(as_of))
    return orders[~confirmed & ~marked_shipped & ~cancelled]


def _end_of_day(as_of: date, zone: str) -> datetime:
    """Return the last second of a day in a time zone."""
    return datetime.combine(as_of, time(23, 59, 59), ZoneInfo(zone)).astimezone(UTC)
