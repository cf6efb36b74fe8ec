"""Parser of the hand-made CSV of buyer messages: when each was received and answered, and whether it needs an answer.

One row a message: `contact-id`, `received-at`, and optionally `answered-at`, `order-id`, `needs-answer`,
`excused-on`, `marketplace`, `updated-at`. Times are ISO 8601. A time without an offset is in the marketplace's time
zone, and a bare day means its last second. The text of a message is never read.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    keep_newest_rows,
    parse_iso_day,
    read_days,
    read_flags,
    read_required_texts,
    refuse_numeric_ids,
    refuse_times_before,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    local_days,
    read_answer_times,
    read_marketplace_times,
    read_optional_order_keys,
    read_update_times,
)
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "contacts",
    "buyer messages CSV",
    ("contact-id", "received-at"),
    ("answered-at", "order-id", "needs-answer", "excused-on", "marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse buyer messages into the table CONTACTS, one row per message."""
    keys = ["marketplace", "contact_id"]
    messages = columns_by_name(keep_newest_rows(table, _read_lines(table, context), keys, "contact-id"))
    return FileContents({"contacts": messages | {"kind": "message"}}, "received_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns."""
    refuse_numeric_ids(table, "contact-id")
    contact_ids = read_required_texts(table, "contact-id")
    read_required_texts(table, "received-at")
    ids, marketplaces = read_optional_order_keys(table, context)
    received_at = read_marketplace_times(table, "received-at", marketplaces)
    answered_at = read_answer_times(table, received_at, "received-at", marketplaces)
    columns = {
        "marketplace": marketplaces,
        "contact_id": contact_ids,
        "order_id": ids,
        "received_at": received_at,
        "answered_at": answered_at,
        "excused_on": _read_excused_days(table, local_days(received_at, marketplaces)),
        "updated_at": read_update_times(table, marketplaces, received_at, answered_at),
    }
    return pa.table(columns)


def _read_excused_days(table: CsvTable, received_on: pa.Array) -> pa.Array:
    """Return the day from which a message needs no answer: the one given, or else the day of the message."""
    wants = read_flags(table, "needs-answer")
    excused_on = read_days(table, "excused-on", parse_iso_day, "yyyy-mm-dd", allow_empty=True)
    both = pc.and_(wants, pc.is_valid(excused_on))
    if pc.any(both, min_count=0).as_py():
        table.refuse("excused-on", both, "though needs-answer is yes", "Correct one of the two.")
    refuse_times_before(table, "excused-on", excused_on, received_on, "received-at")
    needless = pc.fill_null(pc.invert(wants), False)
    return pc.if_else(needless, pc.coalesce(excused_on, received_on), excused_on)
