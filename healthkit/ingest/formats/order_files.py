"""Parser of order files of any source: the kit's own orders CSV, and those that layouts in YAML describe.

One row is one line of an order, or a whole order. `parsing/order_layouts` says which column is which, how times are
written and what words mean. What a file does not state stays empty, and the metrics that need it say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.formats.confirmations import merge_parcels
from healthkit.ingest.parsing.amounts import read_line_amounts
from healthkit.ingest.parsing.cells import (
    INSTANT,
    columns_by_name,
    map_distinct,
    merge_items,
    merge_rows,
    read_counts,
    read_flags,
    read_presence,
    read_regions,
    read_required_texts,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    local_days,
    newest_instant,
    note_unknown_orders,
    read_optional_order_keys,
)
from healthkit.ingest.parsing.order_layouts import (
    CASE_COLUMNS,
    COLUMNS,
    ORDER,
    ORDERED_AT,
    TIME_COLUMNS,
    OrderLayout,
    load_order_layouts,
)
from healthkit.ingest.parsing.order_rows import notes_on_columns, prepare_rows
from healthkit.ingest.parsing.order_times import DATES_HINT, read_times
from healthkit.ingest.parsing.parsed_file import Columns, FileContents
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.tables import SHIPPED_STATUSES

CANCEL_DAY_ASSUMED = "cancel_day_from_order"
"""Mark of a cancelled order of which the file does not say when; the day of the order is taken."""
CASE_DAY_ASSUMED = "case_day_from_order"
"""Mark of a complaint of which the file does not say when it came; the day of the order is taken, the earliest."""
_NO_CASE = {"no", "não", "nao", "n", "0", "-", "false"}
_CANCELLED = "cancelled"
_STATUS_ORDER = ("cancelled", "pending", "unshipped", "partially shipped", "shipped", "delivered")
"""An order of several lines is as far as the farthest of them; cancelled only when all are."""
_WAITING = ("pending", "unshipped")
_MAX_LISTED = 6
"""Largest number of words that a note lists. [words]"""


def order_file_kinds() -> list[FileKind]:
    """Return the kind of each order file that a layout describes."""
    return [layout.kind for layout in load_order_layouts().values()]


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse an order file into the tables ORDERS, ITEMS and SHIPMENTS.

    Raises ReaderError for an order without id or time, and for a time or word that cannot be read.
    """
    layout = load_order_layouts()[table.kind.name]
    if not layout.kind.by_hand:
        table.notes.extend(notes_on_columns(table, layout))
    return _parse_rows(table, context, layout)


def _parse_rows(table: CsvTable, context: ReadContext, layout: OrderLayout) -> FileContents:
    """Parse the rows of an order file."""
    own_rows, skipped = prepare_rows(table, layout)
    lines = _read_lines(own_rows, context, layout)
    parcels = merge_parcels(_parcel_lines(lines))
    tables: dict[str, Columns] = {"orders": _merge_orders(lines), "items": merge_items(lines)}
    if len(parcels["order_id"]):
        tables["shipments"] = parcels
    if any(table.has_column(name) for name in CASE_COLUMNS):
        tables["defects"] = _merge_cases(lines)
    return FileContents(tables, "shipped_on" if layout.supplement else "ordered_on", skipped=skipped)


def parse_records(
    rows: Sequence[Mapping[str, str | None]], kind_name: str, context: ReadContext, notes: list[str] | None = None
) -> FileContents:
    """Parse order lines given as dictionaries of text, such as those of a JSON file, like the rows of an order file.

    `kind_name` is the name of a layout; the keys are column names as in COLUMNS. Raises ReaderError as `parse` does.
    """
    layout = load_order_layouts()[kind_name]
    known = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    names = list(dict.fromkeys((ORDER, ORDERED_AT, *known)))
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    table = CsvTable(
        context.name, layout.kind, ",", b"", 1, pa.table(columns), pa.array(range(len(rows)), pa.int64()),
        [] if notes is None else notes,
    )  # fmt: skip
    contents = _parse_rows(table, context, layout)
    contents.rows = len(rows)
    contents.notes = table.notes
    return contents


def _read_lines(table: CsvTable, context: ReadContext, layout: OrderLayout) -> pa.Table:
    """Read the rows with typed columns; rows of one line id count once, rows without line id each for themselves."""
    ids = table[ORDER]
    if not layout.supplement:
        read_required_texts(table, ORDERED_AT)
    marketplaces = _marketplaces(table, ids, context, layout)
    times, units = read_times(table, marketplaces, layout), read_counts(table, "units")
    status = _statuses(table, times, layout)
    events = [times[name] for name in TIME_COLUMNS if name not in ("ship-by", "deliver-by")]
    newest = newest_instant(*events)
    if not newest.is_valid and layout.supplement:
        newest = newest_instant(*times.values())
    if not newest.is_valid and len(table):
        raise ReaderError(f"{table.name}: row {table.line_number(0):,}: no row holds any time. {DATES_HINT}")
    lines = pa.table(
        {
            "order_id": ids,
            "marketplace": marketplaces,
            "channel": _read_channels(table, layout),
            "item": table["item-id"],
            "sku": table["sku"],
            "asin": table["asin"],
            "product": table["product"],
            "units": units,
            **read_line_amounts(table, marketplaces, "amount", unit_column="unit-price", units=units),
            "status": status,
            "cancelled_by": _read_words(table, "cancelled-by", layout),
            **{name.replace("-", "_"): times[name] for name in TIME_COLUMNS if name != "updated-at"},
            "tracking_number": table["tracking"],
            "tracking": _has_tracking(table, status, times),
            "carrier": table["carrier"],
            "ship_method": table["ship-method"],
            "country": read_regions(table, "country"),
            "state": read_regions(table, "state"),
            "has_case": _read_cases(table),
            "is_business": read_flags(table, "is-business"),
            "is_premium": read_flags(table, "is-premium"),
            "updated_at": pc.fill_null(times["updated-at"], newest) if newest.is_valid else times["updated-at"],
        }
    )
    if layout.supplement:
        note_unknown_orders(table, ids, context)
    return _keep_newest_lines(lines)


def _has_tracking(table: CsvTable, status: pa.Array, times: Mapping[str, pa.Array]) -> pa.Array:
    """Return whether each row has a tracking number; null if it was not sent and has none."""
    is_sent = pc.or_(pc.is_valid(times["shipped-at"]), pc.is_in(status, pa.array(SHIPPED_STATUSES, pa.string())))
    is_sent = pc.and_(is_sent, pc.invert(pc.fill_null(pc.equal(status, _CANCELLED), False)))
    is_known = pc.or_(is_sent, pc.is_valid(table["tracking"]))
    return pc.if_else(is_known, read_presence(table, "tracking"), pa.scalar(None, pa.bool_()))


def _read_cases(table: CsvTable) -> pa.Array:
    """Return for each row whether a column names a complaint: any word but those that mean no."""
    has_case = pa.array([False] * len(table), pa.bool_())
    for name in CASE_COLUMNS:
        cells = pc.utf8_lower(table[name])
        named = pc.invert(pc.is_in(cells, value_set=pa.array(sorted(_NO_CASE))))
        has_case = pc.or_(has_case, pc.and_(pc.is_valid(cells), named))
    return has_case


def _merge_cases(lines: pa.Table) -> Columns:
    """Merge the rows with a complaint to the columns of DEFECTS, one row an order."""
    aggregations = {"ordered_at": "min", "updated_at": "max"}
    cases = columns_by_name(merge_rows(lines.filter(lines["has_case"]), ["marketplace", "order_id"], aggregations))
    known_on = local_days(cases.pop("ordered_at"), cases["marketplace"])
    return cases | {"kind": "case", "known_on": known_on, "assumed": CASE_DAY_ASSUMED}


def _read_channels(table: CsvTable, layout: OrderLayout) -> pa.Array:
    """Return the channel of each row: as it states, or that of the layout, or else the seller's, which is noted."""
    stated = _read_words(table, "channel", layout)
    if stated.null_count and not layout.channel:
        table.notes.append(
            f"channel: {stated.null_count:,} rows that state none were taken as fulfilled by the seller."
        )
    return pc.fill_null(stated, layout.channel or "seller")


def _keep_newest_lines(lines: pa.Table) -> pa.Table:
    """Keep the newest of the rows with the same order and line id; rows without a line id all stay."""
    if lines["item"].null_count == len(lines):
        return lines
    keyed = lines.append_column("row", pa.array(range(len(lines)), pa.int64()))
    named = keyed.filter(pc.is_valid(keyed["item"]))
    order = [("updated_at", "descending"), ("row", "descending")]
    newest = named.sort_by(order).group_by(["marketplace", "order_id", "item"], use_threads=False)
    rows = pa.concat_tables(
        [newest.aggregate([("row", "first")]).select(["row_first"]).rename_columns(["row"]),
         keyed.filter(pc.is_null(keyed["item"])).select(["row"])]
    )["row"]  # fmt: skip
    return lines.take(combine_chunks(rows).take(pc.sort_indices(combine_chunks(rows))))


def _marketplaces(table: CsvTable, ids: pa.Array, context: ReadContext, layout: OrderLayout) -> pa.Array:
    """Return the marketplace code of each row: that of the layout, or else as the row or the caller states.

    Where some rows state one marketplace and no row another, rows that state none are of that marketplace, too.
    """
    if not layout.marketplaces:
        return read_optional_order_keys(table, context)[1]
    if context.marketplace not in (None, *layout.marketplaces):
        raise ReaderError(
            f"{table.name}: you said marketplace {context.marketplace}, but this is a file of "
            f"{' or '.join(layout.marketplaces)}: {layout.kind.title}. Leave --marketplace out."
        )
    if context.marketplace:
        return pa.repeat(pa.scalar(context.marketplace), len(ids))
    stated = pa.nulls(len(ids), pa.string())
    if "marketplace" in layout.read_from:
        stated = _read_words(table, "marketplace", layout)
    found = pc.unique(stated.drop_null()).to_pylist()
    default = found[0] if len(found) == 1 else layout.marketplaces[0]
    if not found and len(layout.marketplaces) > 1:
        others = " or ".join(one for one in layout.marketplaces if one != default)
        table.notes.append(
            f"Taken as a file of {default}. If it is of {others}, remove it and say so with --marketplace."
        )
    return pc.fill_null(stated, default)


def _read_words(table: CsvTable, column: str, layout: OrderLayout) -> pa.Array:
    """Translate a column of words with the layout; raise ReaderError for an unknown word, or note it if lenient.

    A column that is read from the cells of another one has a meaning for some of their words alone.
    """
    if not table.has_column(column) and column in layout.read_from:
        return _translate(table[layout.read_from[column]], column, layout)
    if column not in layout.lenient:
        reason = f"unknown; add it to `words: {{{column}: ...}}` of {layout.kind.name} in data/column_map.yaml"
        return map_distinct(
            table, column, table[column], lambda word: layout.translate(column, word), pa.string(), reason, ""
        )
    meanings = _translate(table[column], column, layout)
    taken = "those of the seller" if column == "channel" and layout.channel == "seller" else "not stated"
    _note_unknown_words(table, column, pc.and_(pc.is_valid(table[column]), pc.is_null(meanings)), taken, layout)
    return meanings


def _translate(cells: pa.Array, column: str, layout: OrderLayout) -> pa.Array:
    """Return the kit's words for the words of a column; unknown ones become empty."""
    stated = combine_chunks(pc.dictionary_encode(cells))
    meanings = [layout.translate(column, word) for word in stated.dictionary.to_pylist()]
    return pa.array(meanings, pa.string()).take(stated.indices)


def _note_unknown_words(table: CsvTable, column: str, unknown: pa.Array, taken: str, layout: OrderLayout) -> None:
    """Note how many rows have an unknown word in a column, and how they were taken."""
    count = pc.sum(unknown).as_py()
    if count:
        first = table.line_number(pc.index(unknown, True).as_py())
        table.notes.append(
            f"{column}: {count:,} rows with a word that the kit does not know, the first in row {first:,}, were taken "
            f"as {taken}. Add the word to `words: {{{column}: ...}}` of {layout.kind.name} in data/column_map.yaml."
        )


def _statuses(table: CsvTable, times: Mapping[str, pa.Array], layout: OrderLayout) -> pa.Array:
    """Return the status of each row: its word, or what its times say if the word is unknown or says that it waits.

    A row with an unknown word is refused, unless it has a time of cancellation, shipment or delivery. A row without
    either has no status, so that it does not hide that of another file of the same order.
    """
    by_times = pc.if_else(
        pc.is_valid(times["cancelled-at"]), _CANCELLED,
        pc.if_else(pc.is_valid(times["delivered-at"]), "delivered",
                   pc.if_else(pc.is_valid(times["shipped-at"]), "shipped", None)),
    )  # fmt: skip
    cells = table["status"]
    by_word = _translate(cells, "status", layout)
    unknown = pc.and_(pc.is_valid(cells), pc.is_null(by_word))
    if "status" in layout.lenient:
        taken = "what their times say, without any as not shipped"
        _note_unknown_words(table, "status", unknown, taken, layout)
        return pc.coalesce(by_word, by_times, pa.scalar("unshipped"))
    undecided = pc.and_(unknown, pc.is_null(by_times))
    if pc.any(undecided, min_count=0).as_py():
        reason = f"unknown; add it to `words: {{status: ...}}` of {layout.kind.name} in data/column_map.yaml"
        known = dict.fromkeys(layout.words["status"].values())
        table.refuse("status", undecided, reason, f"There are: {', '.join(known)}.")
    count = pc.sum(unknown).as_py()
    if count:
        table.notes.append(f"status: {count:,} rows with an unknown word were judged by their times alone.")
    waits = pc.is_in(by_word, value_set=pa.array(_WAITING))
    return pc.coalesce(pc.if_else(waits, by_times, None), by_word, by_times)


def _parcel_lines(lines: pa.Table) -> pa.Table:
    """Return the rows that were shipped or have a tracking number, with the columns that `merge_parcels` needs."""
    is_sent = pc.or_(pc.is_valid(lines["shipped_at"]), pc.is_valid(lines["tracking_number"]))
    sent = lines.filter(pc.and_(is_sent, pc.invert(pc.fill_null(pc.equal(lines["status"], _CANCELLED), False))))
    numbers: dict[tuple[str, str], dict[str | None, str]] = {}
    keys = zip(sent["marketplace"].to_pylist(), sent["order_id"].to_pylist(), strict=True)
    parcels = []
    for key, number in zip(keys, sent["tracking_number"].to_pylist(), strict=True):
        known = numbers.setdefault(key, {})
        parcels.append(known.setdefault(number, str(len(known) + 1)))
    return pa.table(
        {
            "order_id": sent["order_id"], "marketplace": sent["marketplace"],
            "shipment_id": pa.array(parcels, pa.string()),
            "confirmed_at": sent["shipped_at"], "delivered_at": sent["delivered_at"], "ship_by": sent["ship_by"],
            "deliver_by": sent["deliver_by"], "units": sent["units"], "carrier": sent["carrier"],
            "tracking": sent["tracking"], "scanned": pa.nulls(len(sent), pa.bool_()),
            "in_business_hours": pa.nulls(len(sent), pa.bool_()),
            "ship_method": sent["ship_method"],
            "updated_at": sent["updated_at"],
        }
    )  # fmt: skip


def _merge_orders(lines: pa.Table) -> Columns:
    """Merge rows to the columns of ORDERS: shipped with the first line, delivered with the last."""
    farthest = pc.index_in(lines["status"], pa.array(_STATUS_ORDER, pa.string()))
    is_cancelled = pc.fill_null(pc.equal(lines["status"], _CANCELLED), False)
    ranked = (
        lines.append_column("farthest", farthest).append_column("some", is_cancelled).append_column("all", is_cancelled)
    )
    waiting = pc.and_(pc.is_null(lines["delivered_at"]), pc.invert(is_cancelled))
    ranked = ranked.append_column("waiting", waiting)
    aggregations = dict.fromkeys(("channel", "ship_method", "country", "state", "is_business", "is_premium"), "first")
    aggregations |= dict.fromkeys(("ordered_at", "shipped_at", "tracking", "cancelled_at", "invoiced_at"), "min")
    aggregations |= dict.fromkeys(("ship_by", "deliver_by", "delivered_at", "updated_at", "farthest"), "max")
    aggregations |= {"units": "sum", "some": "max", "all": "min", "waiting": "max", "cancelled_by": "max"}
    orders = columns_by_name(merge_rows(ranked, ["marketplace", "order_id"], aggregations))
    some, every, is_waiting = orders.pop("some"), orders.pop("all"), orders.pop("waiting")
    dateless = pc.and_(some, pc.is_null(orders["cancelled_at"]))
    return orders | {
        "status": pa.array(_STATUS_ORDER, pa.string()).take(orders.pop("farthest")),
        "cancelled_at": pc.if_else(some, pc.coalesce(orders["cancelled_at"], orders["ordered_at"]), None),
        # The last of the words by the alphabet: an order is cancelled by the seller if any of its lines is.
        "cancelled_by": pc.if_else(some, orders["cancelled_by"], None),
        "part_cancelled": pc.and_(some, pc.invert(every)),
        "delivered_at": pc.if_else(is_waiting, pa.scalar(None, INSTANT), orders["delivered_at"]),
        "assumed": pc.if_else(dateless, CANCEL_DAY_ASSUMED, None),
    }  # fmt: skip
