"""Parser of the hand-made CSV of buyer surveys: whether buyers say that their problem was solved.

One row an answer: `order-id`, `surveyed-at`, `solved` (yes or no), and optionally `survey-id`, `marketplace`,
`updated-at`. Times are ISO 8601. A time without an offset is in the marketplace's time zone, and a bare day means its
last second.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    keep_newest_rows,
    read_flags,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    read_marketplace_times,
    read_optional_order_keys,
    read_update_times,
)
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "surveys",
    "buyer surveys CSV",
    ("order-id", "surveyed-at", "solved"),
    ("survey-id", "marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse the hand-made CSV of buyer surveys into the table CONTACTS, one row per answer."""
    keys = ["marketplace", "contact_id"]
    answers = columns_by_name(keep_newest_rows(table, _read_lines(table, context), keys, "order-id"))
    return FileContents({"contacts": answers | {"kind": "survey"}}, "received_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns."""
    for column in KIND.required_columns:
        read_required_texts(table, column)
    ids, marketplaces = read_optional_order_keys(table, context)
    surveyed_at = read_marketplace_times(table, "surveyed-at", marketplaces)
    columns = {
        "marketplace": marketplaces,
        "contact_id": _survey_ids(table, ids, surveyed_at),
        "order_id": ids,
        "received_at": surveyed_at,
        "outcome": pc.if_else(read_flags(table, "solved"), "yes", "no"),
        "updated_at": read_update_times(table, marketplaces, surveyed_at),
    }
    return pa.table(columns)


def _survey_ids(table: CsvTable, ids: pa.Array, surveyed_at: pa.Array) -> pa.Array:
    """Return the ids of the answers; an answer without an id is identified by its order and second."""
    refuse_numeric_ids(table, "survey-id")
    seconds = pc.strftime(surveyed_at.cast(pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    return pc.coalesce(table["survey-id"], pc.binary_join_element_wise(ids, seconds, " "))
