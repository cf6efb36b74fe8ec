"""The file of returns that Amazon took back for a seller: one row a unit, with the reason that the buyer gave.

Amazon answers these requests itself, so they have no answer here. Each unit bears a licence plate, which names the
return; in older files, which have none, order, SKU and time do. What buyers write is not read.
"""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_of,
    counts,
    instants,
    one_per,
    order_ids,
    refuse_numbers,
    texts,
    without_other_shops,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, local_days, newest, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import RETURNS

KIND = Kind(
    "fba_returns",
    "Amazon-fulfilled returns file",
    ("return-date", "order-id", "sku", "fnsku", "quantity"),
    ("reason", "license-plate-number"),
    "asin product-name fulfillment-center-id detailed-disposition status customer-comments",
)
_TWO_DAYS = timedelta(days=2)
_TWICE = "lines on a licence plate that another line names: the latest stands"


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into RETURNS."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    lines = _lines(grid, asked)
    plated = pc.is_valid(lines["plate"])
    named = _by_plate(lines.filter(plated))
    twice = (pc.sum(plated).as_py() or 0) - len(named)
    skipped |= {_TWICE: twice} if twice else {}
    returns = _returns(pa.concat_tables([named, _by_order(lines.filter(pc.invert(plated)))]), asked)
    first_day, last_day = span(returns["requested_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, {"returns": returns}, rows, skipped, grid.notes,
        first_day, last_day,
    )  # fmt: skip


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    ids = order_ids(grid, "order-id")
    refuse_numbers(grid, "license-plate-number")
    return pa.table(
        {
            "marketplace": places(grid, ids, asked),
            "order_id": ids,
            "plate": grid["license-plate-number"],
            "requested_at": instants(grid, "return-date"),
            "sku": texts(grid, "sku"),
            "reason": grid["reason"],
            "units": counts(grid, "quantity"),
        }
    )


def _by_plate(lines: pa.Table) -> pa.Table:
    """One row a licence plate of an account, as it was returned last."""
    latest_first = lines.sort_by([("requested_at", "descending")])
    stands = dict.fromkeys(("order_id", "requested_at", "sku", "reason", "units"), "first")
    returns = columns_of(one_per(latest_first, ["marketplace", "plate"], stands))
    return pa.table({"return_id": returns.pop("plate"), **returns})


def _by_order(lines: pa.Table) -> pa.Table:
    """One row an order, SKU and time; lines that agree in those are several units of one return."""
    keys = ["marketplace", "order_id", "requested_at", "sku"]
    returns = columns_of(one_per(lines, keys, {"reason": "first", "units": "sum"}))
    times = pc.strftime(returns["requested_at"].cast(pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    named = pc.binary_join_element_wise(returns["order_id"], returns["sku"], times, " ")
    return pa.table({"return_id": named, **{name: returns[name] for name in _COLUMNS}})


_COLUMNS = ("marketplace", "order_id", "requested_at", "sku", "reason", "units")


def _returns(lines: pa.Table, asked: Asked) -> pa.Table:
    """The returns with their days; the file is as new as its newest return."""
    returns = columns_of(lines)
    two_days_on = pc.add(returns["requested_at"], _TWO_DAYS)
    days = {
        "requested_on": local_days(returns["requested_at"], returns["marketplace"]),
        "due_48h_on": local_days(two_days_on, returns["marketplace"]),
    }
    said = {"channel": "amazon", "updated_at": newest(returns["requested_at"]).as_py()}
    return fill(RETURNS, len(lines), returns | days | said | asked.stamp())
