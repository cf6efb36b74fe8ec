"""The plain CSV of shipment confirmations: when each parcel was confirmed, and delivered.

One row a parcel: `order-id`, `confirmed-at`, and where known `shipment-id`, `ship-by`, `delivered-at`,
`deliver-by`, `units`, `carrier`, `tracking`, `scanned`, `ship-method`, `marketplace`, `updated-at`.
Instants are ISO 8601; without an offset they are taken in the marketplace's zone, and a bare day means
its last second. `scanned` is yes or no: whether a carrier scanned the parcel, on any of its lines.
Of a tracking number only whether there is one is kept.
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
    """Read the file into SHIPMENTS and ORDERS."""
    parcels = _merge_parcels(_read_lines(table, context))
    return FileContents({"orders": _merge_orders(parcels), "shipments": parcels}, "shipped_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """The file's rows with their cells read; lines that say exactly the same count once."""
    ids, marketplaces = read_order_keys(table, context)
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
        "ship_method": table["ship-method"],
        "updated_at": _read_update_times(table, times),
    }
    lines = pa.table(columns)
    return lines.group_by(lines.column_names, use_threads=False).aggregate([])


def _read_update_times(table: CsvTable, times: dict[str, pa.Array]) -> pa.Array:
    """How new each row is: its own stamp, else as new as the newest event in the file."""
    stamps = read_instants(table, "updated-at", allow_empty=True)
    of_file = newest_instant(times["confirmed_at"], times["delivered_at"], stamps)
    if not of_file.is_valid:
        of_file = newest_instant(times["ship_by"], times["deliver_by"])
    if not of_file.is_valid and len(table):
        raise ReaderError(
            f"{table.name}: row {table.line_number(0)}: no row holds any time. Fill in confirmed-at or updated-at."
        )
    return pc.fill_null(stamps, of_file) if of_file.is_valid else stamps


def _merge_parcels(lines: pa.Table) -> dict[str, pa.Array]:
    """One row a parcel; several lines of one parcel are its contents."""
    stands = {
        "confirmed_at": "min",
        "delivered_at": "max",
        "ship_by": "max",
        "deliver_by": "max",
        "units": "sum",
        "carrier": "first",
        "tracking": "max",
        "scanned": "max",
        "ship_method": "first",
        "updated_at": "max",
    }
    numbered = lines.set_column(2, "shipment_id", _shipment_ids(lines))
    return columns_by_name(merge_rows(numbered, ["marketplace", "order_id", "shipment_id"], stands))


def _shipment_ids(lines: pa.Table) -> pa.Array:
    """The parcels' own ids; those of an order that have none are numbered in order of confirmation."""
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
    """Merge parcels to one row an order: shipped with its first parcel, delivered with its last."""
    stands = {"confirmed_at": "min", "delivered_at": "max", "ship_by": "max", "deliver_by": "max"}
    stands |= {"tracking": "min", "updated_at": "max", "waiting": "max"}
    lines = pa.table(parcels | {"waiting": pc.is_null(parcels["delivered_at"])})
    orders = columns_by_name(merge_rows(lines, ["marketplace", "order_id"], stands))
    # An order is delivered when its last parcel is, not when some are.
    delivered_at = pc.if_else(orders["waiting"], pa.scalar(None, INSTANT), orders["delivered_at"])
    return orders | {"shipped_at": orders["confirmed_at"], "delivered_at": delivered_at}
