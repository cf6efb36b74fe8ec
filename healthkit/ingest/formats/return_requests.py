"""Parser of the hand-made CSV of return requests: when each was received and answered, and its outcome.

One row a request: `return-id`, `order-id`, `requested-at`, and optionally `answered-at`, `decision`, `in-policy`,
`refused-wrongly`, `unresolved-on`, `cleared-on`, `sku`, `reason`, `units`, `channel`, `marketplace`, `updated-at`.
Times are ISO 8601. A time without an offset is in the marketplace's time zone, and a bare day means its last second.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    keep_newest_rows,
    parse_iso_day,
    read_counts,
    read_days,
    read_flags,
    read_required_texts,
    read_words,
    refuse_numeric_ids,
    refuse_times_before,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    is_date_only,
    local_days,
    read_answer_times,
    read_marketplace_times,
    read_optional_order_keys,
    read_update_times,
)
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "return_requests",
    "return requests CSV",
    ("return-id", "order-id", "requested-at"),
    (
        "answered-at",
        "decision",
        "in-policy",
        "refused-wrongly",
        "unresolved-on",
        "cleared-on",
        "sku",
        "reason",
        "units",
        "channel",
        "marketplace",
        "updated-at",
    ),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)
_DECISIONS = {
    "authorised": "authorised",
    "authorized": "authorised",
    "approved": "authorised",
    "refunded": "refunded",
    "closed": "closed",
    "completed": "closed",
    "refused": "refused",
    "denied": "refused",
    "rejected": "refused",
}
_CHANNELS = {"seller": "seller", "merchant": "seller", "mfn": "seller", "amazon": "amazon", "afn": "amazon"}


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse the hand-made CSV of return requests into the table RETURNS, one row per request."""
    keys = ["marketplace", "return_id"]
    requests = columns_by_name(keep_newest_rows(table, _read_lines(table, context), keys, "return-id"))
    return FileContents({"returns": requests}, "requested_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns."""
    refuse_numeric_ids(table, "return-id")
    for column in KIND.required_columns:
        read_required_texts(table, column)
    ids, marketplaces = read_optional_order_keys(table, context)
    requested_at = read_marketplace_times(table, "requested-at", marketplaces)
    answered_at = read_answer_times(table, requested_at, "requested-at", marketplaces)
    time_unknown = pa.scalar("return_time_unknown")
    columns = {
        "marketplace": marketplaces,
        "return_id": table["return-id"],
        "order_id": ids,
        "channel": pc.fill_null(read_words(table, "channel", _CHANNELS, allow_empty=True), "seller"),
        "requested_at": requested_at,
        "answered_at": answered_at,
        **_read_outcomes(table, local_days(requested_at, marketplaces)),
        "sku": table["sku"],
        "reason": table["reason"],
        "units": read_counts(table, "units"),
        "assumed": pc.if_else(is_date_only(table, "requested-at"), time_unknown, pa.scalar(None, pa.string())),
        "updated_at": read_update_times(table, marketplaces, requested_at, answered_at),
    }
    return pa.table(columns)


def _read_outcomes(table: CsvTable, requested_on: pa.Array) -> dict[str, pa.Array]:
    """Read how each request was decided and what followed; refuse contradictions."""
    decision = read_words(table, "decision", _DECISIONS, allow_empty=True)
    wrongly = read_flags(table, "refused-wrongly")
    contradicts = pc.and_(wrongly, pc.fill_null(pc.not_equal(decision, "refused"), True))
    if pc.any(contradicts, min_count=0).as_py():
        table.refuse("refused-wrongly", contradicts, "though its decision is not refused", "Correct one of the two.")
    found = {
        name: read_days(table, name, parse_iso_day, "yyyy-mm-dd", allow_empty=True)
        for name in ("unresolved-on", "cleared-on")
    }
    for name, values in found.items():
        refuse_times_before(table, name, values, requested_on, "requested-at")
    return {
        "decision": decision,
        "in_policy": read_flags(table, "in-policy"),
        "refused_wrongly": wrongly,
        "unresolved_on": found["unresolved-on"],
        "cleared_on": found["cleared-on"],
    }
