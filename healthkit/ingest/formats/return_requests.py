"""The plain CSV of buyers' return requests: when each came, when and how it was decided, and what came of it.

One row a request: `return-id`, `order-id`, `requested-at`, and where known `answered-at`, `decision`, `in-policy`,
`refused-wrongly`, `unresolved-on`, `cleared-on`, `sku`, `reason`, `units`, `channel`, `marketplace`, `updated-at`.
Times are ISO 8601; without an offset they are taken in the marketplace's zone, and a bare day means its last second.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_of,
    counts,
    days,
    flags,
    iso_day,
    newest_said,
    refuse_before,
    refuse_numbers,
    texts,
    without_other_shops,
    words,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import (
    Asked,
    answers_there,
    as_new,
    bare_days,
    hours_later,
    local_days,
    named_ids,
    times_there,
)
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import RETURNS

KIND = Kind(
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


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into RETURNS: one a request."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    requests = columns_of(newest_said(grid, _lines(grid, asked), ["marketplace", "return_id"], "return-id"))
    tables = {"returns": fill(RETURNS, len(requests["return_id"]), requests | asked.stamp())}
    first_day, last_day = span(requests["requested_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    refuse_numbers(grid, "return-id")
    for column in KIND.needed:
        texts(grid, column)
    ids, marketplaces = named_ids(grid, asked)
    requested_at = times_there(grid, "requested-at", marketplaces)
    requested_on = local_days(requested_at, marketplaces)
    answered_at = answers_there(grid, requested_at, "requested-at", marketplaces)
    time_unknown = pa.scalar("return_time_unknown")
    columns = {
        "marketplace": marketplaces,
        "return_id": grid["return-id"],
        "order_id": ids,
        "channel": pc.fill_null(words(grid, "channel", _CHANNELS, empty=True), "seller"),
        "requested_at": requested_at,
        "requested_on": requested_on,
        "due_48h_on": hours_later(requested_at, 48, marketplaces),
        "answered_at": answered_at,
        "answered_on": local_days(answered_at, marketplaces),
        **_outcomes(grid, requested_on),
        "sku": grid["sku"],
        "reason": grid["reason"],
        "units": counts(grid, "units"),
        "assumed": pc.if_else(bare_days(grid, "requested-at"), time_unknown, pa.scalar(None, pa.string())),
        "updated_at": as_new(grid, marketplaces, requested_at, answered_at),
    }
    return pa.table(columns)


def _outcomes(grid: Grid, requested_on: pa.Array) -> dict[str, pa.Array]:
    """How each request was decided, and what came of it; what cannot be is refused."""
    decision = words(grid, "decision", _DECISIONS, empty=True)
    wrongly = flags(grid, "refused-wrongly")
    odd = pc.and_(wrongly, pc.fill_null(pc.not_equal(decision, "refused"), True))
    if pc.any(odd, min_count=0).as_py():
        grid.refuse("refused-wrongly", odd, "though its decision is not refused", "Correct one of the two.")
    found = {name: days(grid, name, iso_day, "yyyy-mm-dd", empty=True) for name in ("unresolved-on", "cleared-on")}
    for name, values in found.items():
        refuse_before(grid, name, values, requested_on, "requested-at")
    return {
        "decision": decision,
        "in_policy": flags(grid, "in-policy"),
        "refused_wrongly": wrongly,
        "unresolved_on": found["unresolved-on"],
        "cleared_on": found["cleared-on"],
    }
