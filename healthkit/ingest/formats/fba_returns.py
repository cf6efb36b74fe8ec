"""The file of returns that Amazon took back for a seller: one row a unit, with the reason that the buyer gave.

Amazon answers these requests itself, so they have no answer here. Each unit bears a licence plate, which names the
return; in older files, which have none, order, SKU and time do. What buyers write is not read.
"""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    drop_other_shops,
    merge_rows,
    read_counts,
    read_instants,
    read_order_ids,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, local_days, newest_instant, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import ParsedFile, build_table, first_and_last_day
from healthkit.schema.tables import RETURNS

KIND = FileKind(
    "fba_returns",
    "Amazon-fulfilled returns file",
    ("return-date", "order-id", "sku", "fnsku", "quantity"),
    ("reason", "license-plate-number"),
    "asin product-name fulfillment-center-id detailed-disposition status customer-comments",
)
_TWO_DAYS = timedelta(days=2)
_REPEATED_PLATE = "lines on a licence plate that another line names: the latest stands"


def parse(table: CsvTable, context: ReadContext) -> ParsedFile:
    """Read the file into RETURNS."""
    rows = len(table)
    table, skipped = drop_other_shops(table, "order-id")
    lines = _lines(table, context)
    plated = pc.is_valid(lines["plate"])
    named = _returns_by_plate(lines.filter(plated))
    twice = (pc.sum(plated).as_py() or 0) - len(named)
    skipped |= {_REPEATED_PLATE: twice} if twice else {}
    returns = _returns(pa.concat_tables([named, _returns_by_order(lines.filter(pc.invert(plated)))]), context)
    first_day, last_day = first_and_last_day(returns["requested_on"])
    return ParsedFile(
        context.report, context.name, KIND.name, context.account, {"returns": returns}, rows, skipped, table.notes,
        first_day, last_day,
    )  # fmt: skip


def _lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """The file's rows with their cells read."""
    ids = read_order_ids(table, "order-id")
    refuse_numeric_ids(table, "license-plate-number")
    return pa.table(
        {
            "marketplace": resolve_marketplaces(table, ids, context),
            "order_id": ids,
            "plate": table["license-plate-number"],
            "requested_at": read_instants(table, "return-date"),
            "sku": read_required_texts(table, "sku"),
            "reason": table["reason"],
            "units": read_counts(table, "quantity"),
        }
    )


def _returns_by_plate(lines: pa.Table) -> pa.Table:
    """One row a licence plate of an account, as it was returned last."""
    latest_first = lines.sort_by([("requested_at", "descending")])
    stands = dict.fromkeys(("order_id", "requested_at", "sku", "reason", "units"), "first")
    returns = columns_by_name(merge_rows(latest_first, ["marketplace", "plate"], stands))
    return pa.table({"return_id": returns.pop("plate"), **returns})


def _returns_by_order(lines: pa.Table) -> pa.Table:
    """One row an order, SKU and time; lines that agree in those are several units of one return."""
    keys = ["marketplace", "order_id", "requested_at", "sku"]
    returns = columns_by_name(merge_rows(lines, keys, {"reason": "first", "units": "sum"}))
    times = pc.strftime(returns["requested_at"].cast(pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    named = pc.binary_join_element_wise(returns["order_id"], returns["sku"], times, " ")
    return pa.table({"return_id": named, **{name: returns[name] for name in _COLUMNS}})


_COLUMNS = ("marketplace", "order_id", "requested_at", "sku", "reason", "units")


def _returns(lines: pa.Table, context: ReadContext) -> pa.Table:
    """The returns with their days; the file is as new as its newest return."""
    returns = columns_by_name(lines)
    two_days_on = pc.add(returns["requested_at"], _TWO_DAYS)
    days = {
        "requested_on": local_days(returns["requested_at"], returns["marketplace"]),
        "due_48h_on": local_days(two_days_on, returns["marketplace"]),
    }
    said = {"channel": "amazon", "updated_at": newest_instant(returns["requested_at"]).as_py()}
    return build_table(RETURNS, len(lines), returns | days | said | context.origin_columns())
