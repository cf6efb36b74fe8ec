"""The plain CSV of defects that no file of the marketplace holds: claims and chargebacks, and from when to when.

One row a defect: `order-id`, `kind`, `known-on`, and where there is one `cleared-on`, `detail`,
`marketplace`, `updated-at`. Days are ISO days in the marketplace's own zone.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    by_distinct,
    columns_of,
    days,
    instants,
    iso_day,
    largest_of,
    texts,
    without_other_shops,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind, whole
from healthkit.ingest.parsing.marketplace_of_row import Asked, ends_of_days, newest, plain_ids
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.tables import DEFECT_KINDS, DEFECTS

KIND = Kind(
    "defects",
    "defects CSV",
    ("order-id", "kind", "known-on"),
    ("cleared-on", "detail", "marketplace", "updated-at"),
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)
_FORM = "yyyy-mm-dd"
_ALSO = {
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
    "missing_invoice": "invoice_missing",
    "no_invoice": "invoice_missing",
    "late_invoice": "invoice_late",
}
"""Other spellings of the kinds, as people and the marketplace's pages write them."""


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into DEFECTS."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    defects = columns_of(_newest_said(grid, _lines(grid, asked)))
    tables = {"defects": fill(DEFECTS, len(defects["order_id"]), defects | asked.stamp())}
    first_day, last_day = span(defects["known_on"])
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read; lines that say exactly the same count once."""
    ids, marketplaces = plain_ids(grid, asked)
    kinds = by_distinct(
        grid, "kind", texts(grid, "kind"), _kind, pa.string(), f"unknown; there are: {', '.join(DEFECT_KINDS)}",
        "Correct the word.",
    )  # fmt: skip
    known_on = days(grid, "known-on", iso_day, _FORM)
    cleared_on = days(grid, "cleared-on", iso_day, _FORM, empty=True)
    backwards = pc.less(cleared_on, known_on)
    if pc.any(backwards, min_count=0).as_py():
        grid.refuse("cleared-on", backwards, "before its known-on", "Correct one of the two days.")
    stamps = instants(grid, "updated-at", empty=True)
    of_file = newest(ends_of_days(known_on, marketplaces), ends_of_days(cleared_on, marketplaces))
    columns = {
        "marketplace": marketplaces,
        "order_id": ids,
        "kind": kinds,
        "known_on": known_on,
        "cleared_on": cleared_on,
        "detail": grid["detail"],
        "updated_at": pc.fill_null(stamps, of_file) if len(grid) else stamps,
    }
    lines = pa.table(columns)
    return lines.group_by(lines.column_names, use_threads=False).aggregate([])


def _kind(word: str) -> str | None:
    """One kind of defect in our spelling.

    >>> _kind("A-to-z claim"), _kind("Late shipment"), _kind("late")
    ('a_to_z_claim', 'shipped_late', None)
    """
    word = re.sub(r"[\s_-]+", "_", word.lower())
    word = _ALSO.get(word, word)
    return word if word in DEFECT_KINDS else None


def _newest_said(grid: Grid, lines: pa.Table) -> pa.Table:
    """Of several lines on one defect the newest; lines as new as each other may not differ."""
    cells = columns_of(lines)
    key = pc.binary_join_element_wise(
        cells["order_id"], cells["kind"], cells["known_on"].cast(pa.string()), cells["marketplace"], "\0"
    )
    lines = lines.append_column("key", key)
    lines = lines.filter(pc.equal(cells["updated_at"], largest_of(key, cells["updated_at"])))
    twice = [row for row in pc.value_counts(whole(lines["key"])).to_pylist() if row["counts"] > 1]
    if twice:
        order, kind, day, _ = twice[0]["values"].split("\0")
        row = pc.index(grid["order-id"], order).as_py()
        raise ReaderError(
            f"{grid.name}: row {grid.line(row):,}: order {order} has {twice[0]['counts']} differing lines on its "
            f"{kind} of {day}, none of them newer ({len(twice):,} such defects). "
            "Keep the right one, or fill in updated-at."
        )
    return lines.drop_columns(["key"])
