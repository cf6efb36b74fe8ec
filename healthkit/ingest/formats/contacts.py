"""The plain CSV of buyers' messages: when each came, when it was answered, and whether it wanted an answer at all.

One row a message: `contact-id`, `received-at`, and where known `answered-at`, `order-id`, `needs-answer`,
`excused-on`, `marketplace`, `updated-at`. Times are ISO 8601; without an offset they are taken in the
marketplace's zone, and a bare day means its last second. What was written is never read.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_of,
    days,
    flags,
    iso_day,
    newest_said,
    refuse_before,
    refuse_numbers,
    texts,
    without_other_shops,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import (
    Asked,
    answers_there,
    as_new,
    hours_later,
    local_days,
    named_ids,
    times_there,
)
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import CONTACTS

KIND = Kind(
    "contacts",
    "buyer messages CSV",
    ("contact-id", "received-at"),
    ("answered-at", "order-id", "needs-answer", "excused-on", "marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into CONTACTS: one a message."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    messages = columns_of(newest_said(grid, _lines(grid, asked), ["marketplace", "contact_id"], "contact-id"))
    tables = {"contacts": fill(CONTACTS, len(messages["contact_id"]), messages | {"kind": "message"} | asked.stamp())}
    first_day, last_day = span(messages["received_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    refuse_numbers(grid, "contact-id")
    contact_ids = texts(grid, "contact-id")
    texts(grid, "received-at")
    ids, marketplaces = named_ids(grid, asked)
    received_at = times_there(grid, "received-at", marketplaces)
    received_on = local_days(received_at, marketplaces)
    answered_at = answers_there(grid, received_at, "received-at", marketplaces)
    columns = {
        "marketplace": marketplaces,
        "contact_id": contact_ids,
        "order_id": ids,
        "received_at": received_at,
        "received_on": received_on,
        "due_24h_on": hours_later(received_at, 24, marketplaces),
        "due_48h_on": hours_later(received_at, 48, marketplaces),
        "answered_at": answered_at,
        "answered_on": local_days(answered_at, marketplaces),
        "excused_on": _excused(grid, received_on),
        "updated_at": as_new(grid, marketplaces, received_at, answered_at),
    }
    return pa.table(columns)


def _excused(grid: Grid, received_on: pa.Array) -> pa.Array:
    """From which day on a message needs no answer: the one given, else that of the message itself."""
    wants = flags(grid, "needs-answer")
    excused_on = days(grid, "excused-on", iso_day, "yyyy-mm-dd", empty=True)
    both = pc.and_(wants, pc.is_valid(excused_on))
    if pc.any(both, min_count=0).as_py():
        grid.refuse("excused-on", both, "though needs-answer is yes", "Correct one of the two.")
    refuse_before(grid, "excused-on", excused_on, received_on, "received-at")
    needless = pc.fill_null(pc.invert(wants), False)
    return pc.if_else(needless, pc.coalesce(excused_on, received_on), excused_on)
