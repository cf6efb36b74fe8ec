"""Parser of the hand-made CSV of shipment confirmations: when each parcel was confirmed and delivered.

One row a parcel: `order-id`, `confirmed-at`, and optionally `shipment-id`, `ship-by`, `delivered-at`, `deliver-by`,
`units`, `carrier`, `tracking`, `scanned`, `in-business-hours`, `ship-method`, `marketplace`, `updated-at`. Times are
ISO 8601. A time without an offset is in the marketplace's time zone, and a bare day means its last second. `scanned`
(yes or no) says whether a carrier scanned the parcel, `in-business-hours` whether it was delivered within the opening
hours of a business customer. Of a tracking number only its presence is kept.
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    INSTANT,
    columns_by_name,
    merge_rows,
    read_counts,
    read_flags,
    read_instants,
    read_presence,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    newest_instant,
    read_marketplace_times,
    read_order_keys,
)
from healthkit.ingest.parsing.parsed_file import Columns, FileContents
from healthkit.ingest.parsing.raw_file import ReaderError

KIND = FileKind(
    "confirmations",
    "shipment confirmations CSV",
    ("order-id", "confirmed-at"),
    (
        "shipment-id",
        "ship-by",
        "delivered-at",
        "deliver-by",
        "units",
        "carrier",
        "tracking",
        "scanned",
        "in-business-hours",
        "ship-method",
        "marketplace",
        "updated-at",
    ),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)
_TIMES = {
    "confirmed-at": "confirmed_at",
    "delivered-at": "delivered_at",
    "ship-by": "ship_by",
    "deliver-by": "deliver_by",
}


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse shipment confirmations into the tables ORDERS and SHIPMENTS."""
    parcels = merge_parcels(_read_lines(table, context))
    return FileContents({"orders": _merge_orders(parcels), "shipments": parcels}, "shipped_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns; equal rows count once."""
    ids, marketplaces = read_order_keys(table, context)
    in_hours = read_flags(table, "in-business-hours")
    undelivered = pc.and_(pc.is_valid(in_hours), pc.is_null(table["delivered-at"]))
    if pc.any(undelivered, min_count=0).as_py():
        table.refuse("in-business-hours", undelivered, "of a parcel without delivered-at", "Fill in delivered-at.")
    times = {name: read_marketplace_times(table, column, marketplaces) for column, name in _TIMES.items()}
    columns = {
        "order_id": ids,
        "marketplace": marketplaces,
        "shipment_id": table["shipment-id"],
        **times,
        "units": read_counts(table, "units"),
        "carrier": table["carrier"],
        "tracking": read_presence(table, "tracking"),
        "scanned": read_flags(table, "scanned"),
        "in_business_hours": in_hours,
        "ship_method": table["ship-method"],
        "updated_at": _read_update_times(table, times),
    }
    lines = pa.table(columns)
    return lines.group_by(lines.column_names, use_threads=False).aggregate([])


def _read_update_times(table: CsvTable, times: dict[str, pa.Array]) -> pa.Array:
    """Return the update time of each row: its own, or else the newest event of the file."""
    stamps = read_instants(table, "updated-at", allow_empty=True)
    of_file = newest_instant(times["confirmed_at"], times["delivered_at"], stamps)
    if not of_file.is_valid:
        of_file = newest_instant(times["ship_by"], times["deliver_by"])
    if not of_file.is_valid and len(table):
        raise ReaderError(
            f"{table.name}: row {table.line_number(0)}: no row holds any time. Fill in confirmed-at or updated-at."
        )
    return pc.fill_null(stamps, of_file) if of_file.is_valid else stamps


def merge_parcels(lines: pa.Table) -> dict[str, pa.Array]:
    """Merge rows to one row a parcel; several rows of one parcel are its contents.

    Takes the columns of `_read_lines`; parcels without an id are numbered. Returns columns of the table SHIPMENTS, and
    `ship_by` and `deliver_by`.
    """
    aggregations = {
        "confirmed_at": "min",
        "delivered_at": "max",
        "ship_by": "max",
        "deliver_by": "max",
        "units": "sum",
        "carrier": "first",
        "tracking": "max",
        "scanned": "max",
        "in_business_hours": "min",
        "ship_method": "first",
        "updated_at": "max",
    }
    numbered = lines.set_column(2, "shipment_id", _shipment_ids(lines))
    return columns_by_name(merge_rows(numbered, ["marketplace", "order_id", "shipment_id"], aggregations))


def _shipment_ids(lines: pa.Table) -> pa.Array:
    """Return the ids of the parcels; parcels without an id are numbered in their order by confirmation time."""
    ids = columns_by_name(lines)["shipment_id"]
    if not ids.null_count:
        return ids
    orders, confirmed = (lines[name].to_pylist() for name in ("order_id", "confirmed_at"))
    nameless = [row for row, missing in enumerate(pc.is_null(ids).to_pylist()) if missing]
    nameless.sort(key=lambda row: (confirmed[row] is None, confirmed[row] or 0))
    given, counted = ids.to_pylist(), Counter[str]()
    for row in nameless:
        counted[orders[row]] += 1
        given[row] = str(counted[orders[row]])
    return pa.array(given, pa.string())


def _merge_orders(parcels: dict[str, pa.Array]) -> Columns:
    """Merge parcels to the columns of ORDERS: shipped with the first parcel, delivered with the last."""
    aggregations = {"confirmed_at": "min", "delivered_at": "max", "ship_by": "max", "deliver_by": "max"}
    aggregations |= {"tracking": "min", "updated_at": "max", "waiting": "max"}
    lines = pa.table(parcels | {"waiting": pc.is_null(parcels["delivered_at"])})
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], aggregations))
    # An order is delivered when its last parcel is, not when some are.
    delivered_at = pc.if_else(orders["waiting"], pa.scalar(None, INSTANT), orders["delivered_at"])
    return orders | {"shipped_at": orders["confirmed_at"], "delivered_at": delivered_at}
