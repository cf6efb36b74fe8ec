"""Parser of Walmart's reports of delivery defects and of cancellations (CSV), which share their columns.

One row an order line; `defectType` says what went wrong: `OTD` (delivered late) or `Cancel`. A late delivery is known
on the day of delivery or, where the report has none, on the day after the promised day. Source: Walmart's developer
documentation, "Request a delivery defect report" and "Request a cancellation report".
"""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.formats.order_files import CANCEL_DAY_ASSUMED
from healthkit.ingest.formats.walmart_orders import canceller
from healthkit.ingest.parsing.cells import (
    DAY,
    columns_by_name,
    make_day_parser,
    map_distinct,
    read_days,
    read_required_texts,
    refuse_malformed_ids,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN, CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, ends_of_days, newest_instant
from healthkit.ingest.parsing.order_layouts import load_order_layouts
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import ReaderError

KIND = FileKind(
    "walmart_defects",
    "Walmart report of delivery defects or cancellations",
    ("order-id", "defect-type", "placed-on", "promised-on", "delivered-on"),
    ("cancelled-on", "reason"),
    delimiters=",;\t",
    quoted=True,
    aliases={
        "ponum": "order-id", "defecttype": "defect-type", "orderplaceddt": "placed-on",
        "estimateddeliverydate": "promised-on", "actualdeliverydate": "delivered-on", "canceldate": "cancelled-on",
        "cancelreason": "reason",
    },
)  # fmt: skip
MARKETPLACE = "WALMART_US"
"""Walmart offers the reports in the United States alone."""
BUYER_REASON = "cancellations that the buyer asked for: no defects of the seller"
_LATE, _CANCELLED = "delivered_late", "cancelled"
_KINDS = {"otd": _LATE, "cancel": _CANCELLED}
_FORM = "yyyy-mm-dd"


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a report of delivery defects or cancellations into the table DEFECTS.

    Raises ReaderError for an unknown kind of defect, and for an order without id or day.
    """
    if context.marketplace not in (None, MARKETPLACE):
        raise ReaderError(
            f"{table.name}: you said marketplace {context.marketplace}, but this is a file of {MARKETPLACE}: "
            f"{KIND.title}. Leave --marketplace out."
        )
    read_required_texts(table, "order-id")
    refuse_numeric_ids(table, "order-id")
    form = load_order_layouts()["walmart_orders"].order_id
    refuse_malformed_ids(table, "order-id", pc.invert(pc.match_substring_regex(table["order-id"], form)))
    kinds = map_distinct(
        table, "defect-type", read_required_texts(table, "defect-type"), lambda word: _KINDS.get(word.lower()),
        pa.string(), "unknown; there are: OTD, Cancel", "Download one of these two reports.",
    )  # fmt: skip
    asked_by_buyer = pa.array([canceller(reason) == "buyer" for reason in table["reason"].to_pylist()], pa.bool_())
    no_defect = pc.and_(pc.equal(kinds, _CANCELLED), asked_by_buyer)
    defects = _defect_rows(table, kinds).filter(pc.invert(no_defect))
    keys = ["marketplace", "order_id", "kind", "assumed"]
    once = defects.group_by(keys, use_threads=False).aggregate([("known_on", "min")])
    once = once.rename_columns([*keys, "known_on"])
    count = pc.sum(no_defect).as_py()
    stamp = newest_instant(ends_of_days(once["known_on"], once["marketplace"])) if len(once) else None
    return FileContents(
        {"defects": columns_by_name(once)}, "known_on", stamp.as_py() if stamp else None,
        skipped={BUYER_REASON: count} if count else {},
    )  # fmt: skip


def _defect_rows(table: CsvTable, kinds: pa.Array) -> pa.Table:
    """Return the rows of DEFECTS, each with the day on which the defect became known.

    A cancellation without a day is dated by its order and marked as assumed. Raise ReaderError for a late delivery
    without a day.
    """
    parse_day = make_day_parser("%Y-%m-%d")
    placed, promised, delivered, cancelled = (
        read_days(table, column, parse_day, _FORM, allow_empty=True)
        for column in ("placed-on", "promised-on", "delivered-on", "cancelled-on")
    )
    is_late = pc.equal(kinds, _LATE)
    after_promise = pa.array([day and day + timedelta(days=1) for day in promised.to_pylist()], DAY)
    stated = pc.if_else(is_late, pc.coalesce(delivered, after_promise), cancelled)
    known_on = pc.if_else(is_late, stated, pc.coalesce(stated, placed))
    if known_on.null_count:
        table.refuse("placed-on", pc.is_null(known_on), "in a row without any other day", HINT_DOWNLOAD_AGAIN)
    return pa.table(
        {
            "marketplace": pa.array([MARKETPLACE] * len(table), pa.string()),
            "order_id": table["order-id"],
            "kind": kinds,
            "known_on": known_on,
            "assumed": pc.if_else(pc.is_null(stated), CANCEL_DAY_ASSUMED, pa.scalar(None, pa.string())),
        }
    )
