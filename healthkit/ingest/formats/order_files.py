"""Parser of order files of any source: the kit's own orders CSV, and those that layouts in YAML describe.

One row is one line of an order, or a whole order. `parsing/order_layouts` says which column is which, how times are
written and what words mean. What a file does not state stays empty, and the metrics that need it say so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.formats.confirmations import merge_parcels
from healthkit.ingest.parsing import column_map
from healthkit.ingest.parsing.cells import (
    INSTANT,
    NAIVE,
    columns_by_name,
    map_distinct,
    merge_items,
    merge_rows,
    read_counts,
    read_flags,
    read_presence,
    read_regions,
    read_required_texts,
    refuse_malformed_ids,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.column_map import FILE_LABEL
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks, redact_value
from healthkit.ingest.parsing.marketplace_of_row import (
    MARKETPLACE_NAMES,
    ReadContext,
    attach_zones,
    ends_of_days,
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
    PARENT_COLUMNS,
    TIME_COLUMNS,
    OrderLayout,
    load_order_layouts,
)
from healthkit.ingest.parsing.parsed_file import Columns, FileContents
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.ingest.parsing.time_formats import WrittenTime, parse_time
from healthkit.schema.tables import SHIPPED_STATUSES

OTHER_MARKETPLACE_REASON = "rows of no marketplace that the kit knows"
NO_ORDER_REASON = "rows that hold no order (titles, descriptions, totals)"
UNPAID_REASON = "rows without an order id: purchases that are not paid yet"
PACK_REASON = "rows that head the orders of a pack"
CANCEL_DAY_ASSUMED = "cancel_day_from_order"
"""Mark of a cancelled order of which the file does not say when; the day of the order is taken."""
CASE_DAY_ASSUMED = "case_day_from_order"
"""Mark of a complaint of which the file does not say when it came; the day of the order is taken, the earliest."""
_NO_CASE = {"no", "não", "nao", "n", "0", "-", "false"}
_FACTS = (ORDERED_AT, "status", "sku", "units")
"""Columns of which an order has at least one; a row without any, and without an order id, holds no order."""
_ITEM_COLUMNS = ("item-id", "sku", "asin", "product")
"""Columns of what was bought; the summary row of an order of several lines has none of them."""
_OWN_COLUMNS = (*_ITEM_COLUMNS, "units")
"""Columns that a line never takes from the summary row of its order."""
_CANCELLED = "cancelled"
_STATUS_ORDER = ("cancelled", "pending", "unshipped", "partially shipped", "shipped", "delivered")
"""An order of several lines is as far as the farthest of them; cancelled only when all are."""
_WAITING = ("pending", "unshipped")
_LINE_COLUMNS = ("item-id", "units", "sku", "asin", "product")
"""Columns of a single line of an order; the others hold for the whole order."""
_MAX_LISTED = 6
"""Largest number of words that a note lists. [words]"""
_DATES_HINT = "Correct the cell, or add the way it is written to `dates` of this kind of file in data/column_map.yaml."


def order_file_kinds() -> list[FileKind]:
    """Return the kind of each order file that a layout describes."""
    return [layout.kind for layout in load_order_layouts().values()]


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse an order file into the tables ORDERS, ITEMS and SHIPMENTS.

    Raises ReaderError for an order without id or time, and for a time or word that cannot be read.
    """
    layout = load_order_layouts()[table.kind.name]
    if not layout.kind.by_hand:
        table.notes.extend(_notes_on_columns(table, layout))
    return _parse_rows(table, context, layout)


def _parse_rows(table: CsvTable, context: ReadContext, layout: OrderLayout) -> FileContents:
    """Parse the rows of an order file."""
    rows, packs = _fill_packs(table, layout)
    own_rows, skipped = _drop_rows_without_orders(rows, layout)
    if layout.summary_rows:
        own_rows = _fold_summary_rows(own_rows)
    _check_order_ids(own_rows, layout)
    if layout.fill_down:
        own_rows = _fill_down(own_rows)
    own_rows = _with_marketplace_codes(own_rows, layout)
    if layout.skip_other_marketplaces:
        own_rows, skipped = _drop_other_marketplaces(own_rows, skipped)
    lines = _read_lines(own_rows, context, layout)
    parcels = merge_parcels(_parcel_lines(lines))
    tables: dict[str, Columns] = {"orders": _merge_orders(lines), "items": merge_items(lines)}
    if len(parcels["order_id"]):
        tables["shipments"] = parcels
    if any(table.has_column(name) for name in CASE_COLUMNS):
        tables["defects"] = _merge_cases(lines)
    return FileContents(tables, "shipped_on" if layout.supplement else "ordered_on", skipped=skipped | packs)


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


def _notes_on_columns(table: CsvTable, layout: OrderLayout) -> list[str]:
    """Return a note on the columns of facts that a file of this kind may have and this file lacks."""
    facts = (*TIME_COLUMNS, "status", "tracking")
    missing = [name for name in layout.kind.optional_columns if name in facts and not table.has_column(name)]
    if not missing:
        return []
    return [
        f"The file has no column for {', '.join(missing)}. If it has one under another name, add that name under "
        f"`orders: {{{layout.kind.name}: {{columns: ...}}}}` to {column_map.FILE_LABEL}."
    ]


def _fill_packs(table: CsvTable, layout: OrderLayout) -> tuple[CsvTable, dict[str, int]]:
    """Drop the rows that head a pack of several orders, and fill empty cells of its orders from them.

    Return the other rows and the number of the dropped ones. The status of such a row says how many rows belong to the
    pack; one without any below it is an order by itself.
    """
    if not layout.pack_rows:
        return table, {}
    sizes = _pack_sizes(table["status"].to_pylist(), layout)
    parents: list[int | None] = [None] * len(sizes)
    heads = []
    for row, size in enumerate(sizes):
        members = list(range(row + 1, min(row + 1 + size, len(sizes))))
        while members and any(sizes[one] for one in members):
            members.pop()
        if members:
            heads.append(row)
            parents[members[0] : members[-1] + 1] = [row] * len(members)
    if not heads:
        return table, {}
    taken = pa.array(parents, pa.int64())
    filled = table.arrow_table
    for name in (one for one in PARENT_COLUMNS if table.has_column(one)):
        cells = pc.coalesce(table[name], table[name].take(taken))
        filled = filled.set_column(filled.column_names.index(name), name, cells)
    is_head = pc.is_in(pa.array(range(len(sizes)), pa.int64()), pa.array(heads, pa.int64()))
    return replace(table, arrow_table=filled).filter_rows(pc.invert(is_head)), {PACK_REASON: len(heads)}


def _pack_sizes(statuses: Sequence[str | None], layout: OrderLayout) -> list[int]:
    """Return for each row the number of rows of the pack that it heads, which its status states; else 0."""
    sizes: dict[str | None, int] = {}
    for status in set(statuses):
        stated = re.search(r"\d{1,3}", status) if status and layout.heads_pack(status) else None
        sizes[status] = int(stated[0]) if stated else 0
    return [sizes[status] for status in statuses]


def _drop_rows_without_orders(table: CsvTable, layout: OrderLayout) -> tuple[CsvTable, dict[str, int]]:
    """Drop titles, descriptions of columns, totals and footers, and rows of unpaid purchases if the file has such.

    Returns the other rows and the number of the dropped ones by reason.
    """
    ids = table[ORDER]
    is_no_order = pc.is_null(ids)
    if layout.order_id:
        is_no_order = pc.or_(is_no_order, pc.invert(pc.match_substring_regex(pc.fill_null(ids, ""), layout.order_id)))
    for column in (*_FACTS, *(TIME_COLUMNS if layout.supplement else ())):
        is_no_order = pc.and_(is_no_order, pc.is_null(table[column]))
    if layout.order_id and len(table):
        # Below the header some workbooks describe each column in words.
        describes = not any(re.search(r"\d", table[name][0].as_py() or "") for name in (ORDER, ORDERED_AT))
        is_no_order = pc.or_(is_no_order, pa.array([describes] + [False] * (len(table) - 1)))
    is_unpaid = pc.and_(pc.is_null(ids), pc.invert(is_no_order))
    if not layout.unpaid_rows:
        is_unpaid = pc.and_(is_unpaid, False)
    counts = {NO_ORDER_REASON: pc.sum(is_no_order).as_py(), UNPAID_REASON: pc.sum(is_unpaid).as_py()}
    kept = table.filter_rows(pc.invert(pc.or_(is_no_order, is_unpaid)))
    return kept, {reason: count for reason, count in counts.items() if count}


def _fold_summary_rows(table: CsvTable) -> CsvTable:
    """Drop the summary row of each order of several lines, and fill the empty cells of its lines from it."""
    is_summary = pa.array([True] * len(table), pa.bool_())
    for column in _ITEM_COLUMNS:
        is_summary = pc.and_(is_summary, pc.is_null(table[column]))
    ids = table[ORDER].to_pylist()
    summaries = {one: row for row, (one, is_one) in enumerate(zip(ids, is_summary.to_pylist(), strict=True)) if is_one}
    with_lines = {one for one, is_one in zip(ids, is_summary.to_pylist(), strict=True) if not is_one}
    rows = pa.array([summaries.get(one) for one in ids], pa.int64())
    columns = {
        name: table[name] if name in _OWN_COLUMNS else pc.coalesce(table[name], table[name].take(rows))
        for name in table.arrow_table.column_names
    }
    has_lines = pa.array([one in with_lines for one in ids], pa.bool_())
    filled = replace(table, arrow_table=pa.table(columns))
    return filled.filter_rows(pc.invert(pc.and_(is_summary, has_lines)))


def _check_order_ids(table: CsvTable, layout: OrderLayout) -> None:
    """Raise ReaderError if a row lacks the id of its order or has a malformed one."""
    ids = read_required_texts(table, ORDER)
    refuse_numeric_ids(table, ORDER)
    if layout.order_id:
        refuse_malformed_ids(table, ORDER, pc.invert(pc.match_substring_regex(ids, layout.order_id)))


def _fill_down(table: CsvTable) -> CsvTable:
    """Fill the empty cells of an order's rows with the values of its first row, but for the columns of single lines."""
    coded = combine_chunks(pc.dictionary_encode(table[ORDER]))
    filled = table.arrow_table
    for position, name in enumerate(filled.column_names):
        cells = table[name]
        if name not in _LINE_COLUMNS and cells.null_count:
            known = pa.table({"order": coded.indices, "value": cells}).filter(pc.is_valid(cells))
            first = known.group_by("order", use_threads=False).aggregate([("value", "first")])
            values = first["value_first"].take(pc.index_in(coded.indices, combine_chunks(first["order"])))
            filled = filled.set_column(position, name, pc.coalesce(cells, combine_chunks(values)))
    return replace(table, arrow_table=filled)


def _with_marketplace_codes(table: CsvTable, layout: OrderLayout) -> CsvTable:
    """Translate the words of the column `marketplace` to codes; words that the layout does not know stay."""
    cells = table["marketplace"]
    if not table.has_column("marketplace") or not len(cells):
        return table
    coded = combine_chunks(pc.dictionary_encode(cells))
    known = pa.array(
        [layout.translate("marketplace", word) or word for word in coded.dictionary.to_pylist()], pa.string()
    )
    position = table.arrow_table.column_names.index("marketplace")
    return replace(table, arrow_table=table.arrow_table.set_column(position, "marketplace", known.take(coded.indices)))


def _drop_other_marketplaces(table: CsvTable, skipped: dict[str, int]) -> tuple[CsvTable, dict[str, int]]:
    """Drop the rows that name no known marketplace; return the others, and the number of dropped rows by reason."""
    words = table["marketplace"]
    named = pc.utf8_lower(words)
    is_known = pc.fill_null(pc.is_in(named, value_set=pa.array(sorted(MARKETPLACE_NAMES))), False)
    others = words.filter(pc.invert(is_known))
    if not len(others):
        return table, skipped
    counts = Counter(redact_value(word).removeprefix("is ").rstrip(",") for word in others.to_pylist())
    listed = ", ".join(f"{word} {count:,}" for word, count in counts.most_common(_MAX_LISTED))
    more = f" and {len(counts) - _MAX_LISTED:,} more" if len(counts) > _MAX_LISTED else ""
    table.notes.append(
        f"Rows of the seller's own shop, or of a source that names no one marketplace: {listed}{more}. Where such a "
        f"word means one, add it to `orders: {{{table.kind.name}: {{words: {{marketplace: ...}}}}}}` in {FILE_LABEL}."
    )
    return table.filter_rows(is_known), skipped | {OTHER_MARKETPLACE_REASON: len(others)}


def _read_lines(table: CsvTable, context: ReadContext, layout: OrderLayout) -> pa.Table:
    """Read the rows with typed columns; rows of one line id count once, rows without line id each for themselves."""
    ids = table[ORDER]
    if not layout.supplement:
        read_required_texts(table, ORDERED_AT)
    marketplaces = _marketplaces(table, ids, context, layout)
    times = _read_times(table, marketplaces, layout)
    status = _statuses(table, times, layout)
    events = [times[name] for name in TIME_COLUMNS if name not in ("ship-by", "deliver-by")]
    newest = newest_instant(*events)
    if not newest.is_valid and layout.supplement:
        newest = newest_instant(*times.values())
    if not newest.is_valid and len(table):
        raise ReaderError(f"{table.name}: row {table.line_number(0):,}: no row holds any time. {_DATES_HINT}")
    lines = pa.table(
        {
            "order_id": ids,
            "marketplace": marketplaces,
            "channel": _read_channels(table, layout),
            "item": table["item-id"],
            "sku": table["sku"],
            "asin": table["asin"],
            "product": table["product"],
            "units": read_counts(table, "units"),
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


def _read_times(table: CsvTable, marketplaces: pa.Array, layout: OrderLayout) -> dict[str, pa.Array]:
    """Read all columns of times as instants.

    One way of writing times is chosen for the whole file. Raise ReaderError if a cell cannot be read, or if days and
    months could be exchanged.
    """
    columns = {name: combine_chunks(pc.dictionary_encode(table[name])) for name in TIME_COLUMNS}
    distinct = {word for coded in columns.values() for word in coded.dictionary.to_pylist()}
    parsed = _parse_words(table, distinct, layout)
    _note_bare_days(table, columns, parsed)
    ordered = _to_instants(table, columns[ORDERED_AT], parsed, marketplaces, layout, None)
    days = pc.cast(pc.local_timestamp(ordered.cast(pa.timestamp("us", "UTC"))), pa.date32())
    return {
        name: ordered if name == ORDERED_AT else _to_instants(table, coded, parsed, marketplaces, layout, days)
        for name, coded in columns.items()
    }


def _note_bare_days(table: CsvTable, columns: Mapping[str, pa.Array], parsed: Mapping[str, WrittenTime]) -> None:
    """Note how many cells of each column are a day without a time of day."""
    counts = {}
    for name, coded in columns.items():
        bare = pa.array([not parsed[word].has_time for word in coded.dictionary.to_pylist()], pa.bool_())
        counts[name] = pc.sum(bare.take(coded.indices)).as_py() or 0
    named = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    if named:
        table.notes.append(f"Days without a time were taken as the end of that day: {named}.")


def _parse_words(table: CsvTable, distinct: Iterable[str], layout: OrderLayout) -> dict[str, WrittenTime]:
    """Parse all distinct times of a file in the first format that fits all those that have no other reading."""
    words = sorted(word for word in distinct if word is not None)
    iso = {word: found for word in words if (found := parse_time(word))}
    others = [word for word in words if word not in iso]
    if not others:
        return iso
    readings = [
        {word: found for word in others if (found := parse_time(word, formats))}
        for formats in (layout.preferred_dates, *_format_sets(layout.dates))
    ]
    if len(readings[0]) == len(others):
        return iso | readings[0]
    complete = [one for one in readings if len(one) == len(others)]
    if not complete:
        best = max(readings, key=len)
        _refuse_time(table, next(word for word in others if word not in best))
    _refuse_two_readings(table, complete)
    return iso | complete[0]


def _format_sets(formats: Sequence[str]) -> list[list[str]]:
    """Return the sets of formats that do not contradict each other in the order of day and month.

    >>> _format_sets(["%d/%m/%Y", "%m/%d/%Y", "%d de %B | %H:%M"])
    [['%d/%m/%Y', '%d de %B | %H:%M'], ['%m/%d/%Y', '%d de %B | %H:%M']]
    """
    neutral = [one for one in formats if "%m" not in one]
    day_first = [one for one in formats if "%m" in one and one.index("%d") < one.index("%m")]
    month_first = [one for one in formats if "%m" in one and one not in day_first]
    sets = [[one for one in formats if one in group or one in neutral] for group in (day_first, month_first) if group]
    return sets or [list(formats)]


def _refuse_two_readings(table: CsvTable, complete: Sequence[Mapping[str, WrittenTime]]) -> None:
    """Raise ReaderError if a file can be read with the day first and with the month first, and the two differ."""
    for first, second in pairwise(complete):
        word = next((word for word in first if first[word].moment != second[word].moment), None)
        if word is not None:
            raise ReaderError(
                f"{table.name}: day and month cannot be told apart: {word!r} may be {first[word].moment.date()} or "
                f"{second[word].moment.date()}, and every day of the file can be read both ways. Import a longer "
                f"period, or name one form under `orders: {{{table.kind.name}: {{dates: [...]}}}}` in "
                "data/column_map.yaml."
            )


def _refuse_time(table: CsvTable, word: str) -> None:
    """Raise ReaderError for the first cell that holds a time that cannot be read."""
    for name in TIME_COLUMNS:
        bad = pc.fill_null(pc.equal(table[name], word), False)
        if pc.any(bad, min_count=0).as_py():
            table.refuse(name, bad, "no day or time in a known form", _DATES_HINT)


def _to_instants(
    table: CsvTable, coded: pa.DictionaryArray, parsed: Mapping[str, WrittenTime], marketplaces: pa.Array,
    layout: OrderLayout, ordered_on: pa.Array | None,
) -> pa.Array:  # fmt: skip
    """Return the instants of one column; a day without a time of day is the end of that day."""
    words = coded.dictionary.to_pylist()
    times = [parsed[word] for word in words]
    with_zone = pa.array([one.moment.astimezone(UTC) if one.moment.tzinfo else None for one in times], INSTANT)
    naive = pa.array([None if one.moment.tzinfo else one.moment for one in times], NAIVE)
    has_time = pa.array([one.has_time for one in times], pa.bool_())
    local, timed = naive.take(coded.indices), has_time.take(coded.indices)
    if not all(one.has_year for one in times):
        has_year = pa.array([one.has_year for one in times], pa.bool_()).take(coded.indices)
        local = _with_years(local, has_year, ordered_on)
    zoned = attach_zones(local, marketplaces)
    if layout.zone:
        zoned = pc.assume_timezone(local, layout.zone, ambiguous="earliest", nonexistent="latest").cast(INSTANT)
    ends = ends_of_days(local.cast(pa.date32(), safe=False), marketplaces)
    return pc.coalesce(with_zone.take(coded.indices), pc.if_else(timed, zoned, ends))


def _with_years(local: pa.Array, has_year: pa.Array, ordered_on: pa.Array | None) -> pa.Array:
    """Fill in the year of times without one: the first such day that is not before the day of the order."""
    if ordered_on is None:
        return pc.if_else(has_year, local, None)
    days = zip(local.to_pylist(), has_year.to_pylist(), ordered_on.to_pylist(), strict=True)
    return pa.array([one if known or one is None else _next_after(one, day) for one, known, day in days], NAIVE)


def _next_after(moment: datetime, ordered_on: date) -> datetime | None:
    """Return a time with the year in which it is first not before the day of an order, a day of tolerance given.

    >>> _next_after(datetime(2000, 1, 2, 9, 0), date(2025, 12, 30))
    datetime.datetime(2026, 1, 2, 9, 0)
    >>> _next_after(datetime(2000, 12, 31, 23, 59), date(2026, 1, 1))
    datetime.datetime(2025, 12, 31, 23, 59)
    >>> _next_after(datetime(2000, 2, 29), date(2026, 2, 1))
    """
    earliest = ordered_on - timedelta(days=1)
    for year in (earliest.year, earliest.year + 1):
        try:
            found = moment.replace(year=year)
        except ValueError:
            continue
        if found.date() >= earliest:
            return found if found.date() <= ordered_on + timedelta(days=364) else None
    return None


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
