"""Parser of the hand-made CSV of defects that no download holds, such as claims and chargebacks.

One row a defect: `order-id`, `kind`, `known-on`, and optionally `cleared-on`, `detail`, `marketplace`, `updated-at`.
Days are ISO days in the marketplace's time zone.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    largest_by_key,
    map_distinct,
    parse_iso_day,
    read_days,
    read_instants,
    read_required_texts,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, ends_of_days, newest_instant, read_order_keys
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.tables import DEFECT_KINDS

KIND = FileKind(
    "defects",
    "defects CSV",
    ("order-id", "kind", "known-on"),
    ("cleared-on", "detail", "marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)
_FORM = "yyyy-mm-dd"
_OTHER_SPELLINGS = {
    "a_to_z": "a_to_z_claim",
    "a_to_z_guarantee_claim": "a_to_z_claim",
    "canceled": "cancelled",
    "cancellation": "cancelled",
    "pre_fulfillment_cancellation": "cancelled",
    "late_shipment": "shipped_late",
    "late_dispatch": "shipped_late",
    "late_delivery": "delivered_late",
    "no_valid_tracking": "no_tracking",
    "invalid_tracking": "no_tracking",
    "missing_tracking": "no_tracking",
    "item_not_received": "not_received",
    "inr": "not_received",
    "missing_invoice": "invoice_missing",
    "no_invoice": "invoice_missing",
    "late_invoice": "invoice_late",
}
"""Other spellings of the kinds, as people and the marketplace's pages write them."""


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse the hand-made CSV of defects into the table DEFECTS."""
    defects = _keep_newest_rows(table, _read_lines(table, context))
    return FileContents({"defects": columns_by_name(defects)}, "known_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns; equal rows count once."""
    ids, marketplaces = read_order_keys(table, context)
    kinds = map_distinct(
        table, "kind", read_required_texts(table, "kind"), _parse_defect_kind, pa.string(),
        f"unknown; there are: {', '.join(DEFECT_KINDS)}",
        "Correct the word.",
    )  # fmt: skip
    known_on = read_days(table, "known-on", parse_iso_day, _FORM)
    cleared_on = read_days(table, "cleared-on", parse_iso_day, _FORM, allow_empty=True)
    backwards = pc.less(cleared_on, known_on)
    if pc.any(backwards, min_count=0).as_py():
        table.refuse("cleared-on", backwards, "before its known-on", "Correct one of the two days.")
    stamps = read_instants(table, "updated-at", allow_empty=True)
    of_file = newest_instant(ends_of_days(known_on, marketplaces), ends_of_days(cleared_on, marketplaces))
    columns = {
        "marketplace": marketplaces,
        "order_id": ids,
        "kind": kinds,
        "known_on": known_on,
        "cleared_on": cleared_on,
        "detail": table["detail"],
        "updated_at": pc.fill_null(stamps, of_file) if len(table) else stamps,
    }
    lines = pa.table(columns)
    return lines.group_by(lines.column_names, use_threads=False).aggregate([])


def _parse_defect_kind(word: str) -> str | None:
    """Return the kind of defect that a word means; None for an unknown word.

    >>> _parse_defect_kind("A-to-z claim"), _parse_defect_kind("Late shipment"), _parse_defect_kind("late")
    ('a_to_z_claim', 'shipped_late', None)
    """
    word = re.sub(r"[\s_-]+", "_", word.lower())
    word = _OTHER_SPELLINGS.get(word, word)
    return word if word in DEFECT_KINDS else None


def _keep_newest_rows(table: CsvTable, lines: pa.Table) -> pa.Table:
    """Keep the newest row of each defect; refuse rows that differ and are equally new."""
    cells = columns_by_name(lines)
    key = pc.binary_join_element_wise(
        cells["order_id"], cells["kind"], cells["known_on"].cast(pa.string()), cells["marketplace"], "\0"
    )
    lines = lines.append_column("key", key)
    lines = lines.filter(pc.equal(cells["updated_at"], largest_by_key(key, cells["updated_at"])))
    twice = [row for row in pc.value_counts(combine_chunks(lines["key"])).to_pylist() if row["counts"] > 1]
    if twice:
        order, kind, day, _ = twice[0]["values"].split("\0")
        row = pc.index(table["order-id"], order).as_py()
        raise ReaderError(
            f"{table.name}: row {table.line_number(row):,}: order {order} has {twice[0]['counts']} differing lines on "
            "its "
            f"{kind} of {day}, none of them newer ({len(twice):,} such defects). "
            "Keep the right one, or fill in updated-at."
        )
    return lines.drop_columns(["key"])
