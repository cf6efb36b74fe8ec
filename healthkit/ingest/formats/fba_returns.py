"""Parser of the report of Amazon-fulfilled returns: one row a unit, with the reason that the buyer gave.

Amazon answers these requests itself, so they have no answer time. The licence plate of a unit identifies the return; in
older files without licence plates order, SKU and time do. Comments of buyers are not read.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    merge_rows,
    read_counts,
    read_instants,
    read_order_ids,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, newest_instant, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "fba_returns",
    "Amazon-fulfilled returns file",
    ("return-date", "order-id", "sku", "fnsku", "quantity"),
    ("reason", "license-plate-number"),
    "asin product-name fulfillment-center-id detailed-disposition status customer-comments",
)
_REPEATED_PLATE = "lines on a licence plate that another line names: the latest stands"


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a report of Amazon-fulfilled returns into the table RETURNS."""
    lines = _read_lines(table, context)
    plated = pc.is_valid(lines["plate"])
    named = _merge_by_plate(lines.filter(plated))
    repeated = (pc.sum(plated).as_py() or 0) - len(named)
    returns = columns_by_name(pa.concat_tables([named, _merge_by_order(lines.filter(pc.invert(plated)))]))
    return FileContents(
        {"returns": returns | {"channel": "amazon"}},
        "requested_on",
        updated_at=newest_instant(returns["requested_at"]).as_py(),
        skipped={_REPEATED_PLATE: repeated} if repeated else {},
    )


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the report with typed columns."""
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


def _merge_by_plate(lines: pa.Table) -> pa.Table:
    """Merge rows to one row a licence plate, as it was returned last."""
    latest_first = lines.sort_by([("requested_at", "descending")])
    aggregations = dict.fromkeys(("order_id", "requested_at", "sku", "reason", "units"), "first")
    returns = columns_by_name(merge_rows(latest_first, ["marketplace", "plate"], aggregations))
    return pa.table({"return_id": returns.pop("plate"), **returns})


def _merge_by_order(lines: pa.Table) -> pa.Table:
    """Merge rows without a licence plate to one row for each order, SKU and time, with the sum of units."""
    keys = ["marketplace", "order_id", "requested_at", "sku"]
    returns = columns_by_name(merge_rows(lines, keys, {"reason": "first", "units": "sum"}))
    times = pc.strftime(returns["requested_at"].cast(pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    named = pc.binary_join_element_wise(returns["order_id"], returns["sku"], times, " ")
    return pa.table({"return_id": named, **{name: returns[name] for name in _COLUMNS}})


_COLUMNS = ("marketplace", "order_id", "requested_at", "sku", "reason", "units")
