"""The plain CSV of what buyers answered when they were asked whether their problem was solved.

One row an answer: `order-id`, `surveyed-at`, `solved` (yes or no), and where known `survey-id`, `marketplace`,
`updated-at`. Times are ISO 8601; without an offset they are taken in the marketplace's zone, and a bare day
means its last second.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import columns_of, flags, newest_said, refuse_numbers, texts, without_other_shops
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, as_new, hours_later, local_days, named_ids, times_there
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import CONTACTS

KIND = Kind(
    "surveys",
    "buyer surveys CSV",
    ("order-id", "surveyed-at", "solved"),
    ("survey-id", "marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into CONTACTS: one an answer."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    keys = ["marketplace", "contact_id"]
    answers = columns_of(newest_said(grid, _lines(grid, asked), keys, "order-id"))
    tables = {"contacts": fill(CONTACTS, len(answers["contact_id"]), answers | {"kind": "survey"} | asked.stamp())}
    first_day, last_day = span(answers["received_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    for column in KIND.needed:
        texts(grid, column)
    ids, marketplaces = named_ids(grid, asked)
    surveyed_at = times_there(grid, "surveyed-at", marketplaces)
    columns = {
        "marketplace": marketplaces,
        "contact_id": _survey_ids(grid, ids, surveyed_at),
        "order_id": ids,
        "received_at": surveyed_at,
        "received_on": local_days(surveyed_at, marketplaces),
        "due_24h_on": hours_later(surveyed_at, 24, marketplaces),
        "due_48h_on": hours_later(surveyed_at, 48, marketplaces),
        "outcome": pc.if_else(flags(grid, "solved"), "yes", "no"),
        "updated_at": as_new(grid, marketplaces, surveyed_at),
    }
    return pa.table(columns)


def _survey_ids(grid: Grid, ids: pa.Array, surveyed_at: pa.Array) -> pa.Array:
    """The answers' own ids; one that has none is known by its order and its second, whatever file it stands in."""
    refuse_numbers(grid, "survey-id")
    seconds = pc.strftime(surveyed_at.cast(pa.timestamp("s", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    return pc.coalesce(grid["survey-id"], pc.binary_join_element_wise(ids, seconds, " "))
