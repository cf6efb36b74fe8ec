"""Prepare the rows of an order file: drop rows without orders, fill in the cells that hold for a whole order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing import column_map
from healthkit.ingest.parsing.cells import read_required_texts, refuse_malformed_ids, refuse_numeric_ids
from healthkit.ingest.parsing.csv_table import CsvTable, combine_chunks, redact_value
from healthkit.ingest.parsing.marketplace_of_row import MARKETPLACE_NAMES
from healthkit.ingest.parsing.order_layouts import ORDER, ORDERED_AT, PARENT_COLUMNS, TIME_COLUMNS, OrderLayout

OTHER_MARKETPLACE_REASON = "rows of no marketplace that the kit knows"
NO_ORDER_REASON = "rows that hold no order (titles, descriptions, totals)"
UNPAID_REASON = "rows without an order id: purchases that are not paid yet"
PACK_REASON = "rows that head the orders of a pack"
_FACTS = (ORDERED_AT, "status", "sku", "units")
"""Columns of which an order has at least one; a row without any, and without an order id, holds no order."""
_ITEM_COLUMNS = ("item-id", "sku", "asin", "product")
"""Columns of what was bought; the summary row of an order of several lines has none of them."""
_LINE_COLUMNS = (*_ITEM_COLUMNS, "units", "amount", "unit-price")
"""Columns of a single line of an order; the others hold for the whole order."""
_MAX_LISTED = 6
"""Largest number of words that a note lists. [words]"""


def prepare_rows(table: CsvTable, layout: OrderLayout) -> tuple[CsvTable, dict[str, int]]:
    """Return the rows that hold order lines, each with the cells of its order, and the number of rows dropped.

    The numbers are by reason. Raises ReaderError for a row without an order id, or with a malformed one.
    """
    rows, packs = _fill_packs(table, layout)
    rows, skipped = _drop_rows_without_orders(rows, layout)
    if layout.summary_rows:
        rows = _fold_summary_rows(rows)
    _check_order_ids(rows, layout)
    if layout.fill_down:
        rows = _fill_down(rows)
    rows = _with_marketplace_codes(rows, layout)
    if layout.skip_other_marketplaces:
        rows, skipped = _drop_other_marketplaces(rows, skipped)
    return rows, skipped | packs


def notes_on_columns(table: CsvTable, layout: OrderLayout) -> list[str]:
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
    filled = _fill_from_rows(table, pa.array(parents, pa.int64()), PARENT_COLUMNS)
    is_head = pc.is_in(pa.array(range(len(sizes)), pa.int64()), pa.array(heads, pa.int64()))
    return filled.filter_rows(pc.invert(is_head)), {PACK_REASON: len(heads)}


def _fill_from_rows(table: CsvTable, rows: pa.Array, columns: Collection[str]) -> CsvTable:
    """Fill the empty cells of some columns from other rows; `rows` has the position of such a row for each, or null."""
    filled = table.arrow_table
    for position, name in enumerate(filled.column_names):
        if name in columns:
            filled = filled.set_column(position, name, pc.coalesce(table[name], table[name].take(rows)))
    return replace(table, arrow_table=filled)


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
    has_lines = pa.array([one in with_lines for one in ids], pa.bool_())
    filled = _fill_from_rows(table, rows, _order_columns(table))
    return filled.filter_rows(pc.invert(pc.and_(is_summary, has_lines)))


def _order_columns(table: CsvTable) -> list[str]:
    """Return the columns that hold for a whole order."""
    return [name for name in table.arrow_table.column_names if name not in _LINE_COLUMNS]


def _check_order_ids(table: CsvTable, layout: OrderLayout) -> None:
    """Raise ReaderError if a row lacks the id of its order or has a malformed one."""
    ids = read_required_texts(table, ORDER)
    refuse_numeric_ids(table, ORDER)
    if layout.order_id:
        refuse_malformed_ids(table, ORDER, pc.invert(pc.match_substring_regex(ids, layout.order_id)))


def _fill_down(table: CsvTable) -> CsvTable:
    """Fill the empty cells of an order's rows with those of its first row, but for the columns of single lines."""
    ids = table[ORDER]
    first = pc.index_in(ids, value_set=ids)
    return _fill_from_rows(table, first, _order_columns(table))


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
        f"word means one, add it to `orders: {{{table.kind.name}: {{words: {{marketplace: ...}}}}}}` in "
        f"{column_map.FILE_LABEL}."
    )
    return table.filter_rows(is_known), skipped | {OTHER_MARKETPLACE_REASON: len(others)}
