"""What the files say about single orders: SKU, product, carrier, and the country and state that they were sent to.

Nothing else of an address is stored, and nothing of a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals as nw
import pandas as pd

from healthkit.schema.tables import Frame, Ledger, collect_to_pandas

DETAIL_COLUMNS = ("sku", "product", "carrier", "country", "state")
"""The columns that `add_details` adds; each is null where no file has it."""


def add_details(orders: pd.DataFrame, ledger: Ledger, account: str, marketplace: str) -> pd.DataFrame:
    """Return orders with DETAIL_COLUMNS, in the same order.

    `orders` has the column order_id, of orders of an account in a marketplace. An id that is not an order's, such as
    that of a message, has no details; a return has its SKU. SKU and product are those of the first item by SKU.
    `carrier` names each carrier of the order's parcels once. `country` and `state` are where it was sent.
    """
    of_account = (nw.col("account") == account) & (nw.col("marketplace") == marketplace)
    ids = orders["order_id"].unique()
    parts = [
        products_of_orders(ledger.items.filter(of_account), ids),
        _joined_texts(ledger.shipments.filter(of_account), ids, "carrier"),
        _rows_of(ledger.orders.filter(of_account), ids, "order_id", "country", "state").drop_duplicates("order_id"),
    ]
    # Selected by position, which takes a tenth of the time of a merge.
    columns: dict[str, Any] = {}
    for part in parts:
        found = pd.Index(part["order_id"]).get_indexer(orders["order_id"])
        columns |= {name: part[name].array.take(found, allow_fill=True) for name in part.columns if name != "order_id"}
    detailed = orders.reset_index(drop=True).assign(**columns)
    skus = _rows_of(ledger.returns.filter(of_account), ids, "return_id", "sku").drop_duplicates("return_id")
    if len(skus):
        detailed["sku"] = detailed["sku"].fillna(detailed["order_id"].map(skus.set_index("return_id")["sku"]))
    return detailed


def products_of_orders(items: Frame, order_ids: Iterable[str]) -> pd.DataFrame:
    """Return the SKU and product of orders: order_id, sku, product? (of the first item of each order by SKU)."""
    lines = _rows_of(items, order_ids, "order_id", "sku", "product")
    first = lines.sort_values(["order_id", "sku", "product"]).drop_duplicates("order_id")
    return first.reset_index(drop=True)


def _joined_texts(rows: Frame, order_ids: Iterable[str], column: str) -> pd.DataFrame:
    """Return the different texts of a column for each order, joined by commas; orders without one are left out."""
    found = _rows_of(rows, order_ids, "order_id", column).dropna().drop_duplicates().sort_values(["order_id", column])
    return found.groupby("order_id", as_index=False)[column].agg(", ".join)


def _rows_of(rows: Frame, order_ids: Iterable[str], id_column: str, *columns: str) -> pd.DataFrame:
    """Return some columns of the rows of orders."""
    wanted = list(order_ids)
    if not wanted:
        # An empty list has no type and cannot be compared with a text column.
        return pd.DataFrame(columns=[id_column, *columns], dtype="str")
    return collect_to_pandas(rows.filter(nw.col(id_column).is_in(wanted)).select(id_column, *columns))
