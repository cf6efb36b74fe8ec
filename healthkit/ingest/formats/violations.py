"""The plain CSV of policy violations, one by one: the marketplace shows them on a page and gives no file.

One row a violation: `violation-id`, `category`, `opened-on`, and where known `resolved-on`, `severity` (low, medium,
high, critical), `marketplace`, `updated-at`. Days are ISO days in the marketplace's own zone. A category that Amazon's
performance report counts has the name it has there, so that the two speak of the same thing.
"""

from __future__ import annotations

import re

import pyarrow as pa

from healthkit.ingest.parsing.cells import (
    by_distinct,
    columns_of,
    days,
    iso_day,
    newest_said,
    refuse_before,
    refuse_numbers,
    texts,
    words,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind
from healthkit.ingest.parsing.marketplace_of_row import Asked, as_new, ends_of_days, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.ingest.parsing.reported_figures import name_of
from healthkit.schema.tables import SEVERITIES, VIOLATIONS

KIND = Kind(
    "violations",
    "policy violations CSV",
    ("violation-id", "category", "opened-on"),
    ("resolved-on", "severity", "marketplace", "updated-at"),
    "sku asin",
    delimiters=",;\t",
    quoted=True,
    by_hand=True,
)
_FORM = "yyyy-mm-dd"
_REPORTED = (
    "listing_policy_violations",
    "product_authenticity_customer_complaints",
    "product_condition_customer_complaints",
    "product_safety_customer_complaints",
    "received_intellectual_property_complaints",
    "restricted_product_policy_violations",
    "suspected_intellectual_property_violations",
    "food_and_product_safety_issues",
    "customer_product_reviews_policy_violations",
    "document_requests",
    "other_policy_violations",
)
"""The categories that Amazon's performance report counts, as the readers of it name them."""


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into VIOLATIONS: one a violation."""
    rows = len(grid)
    violations = columns_of(newest_said(grid, _lines(grid, asked), ["marketplace", "violation_id"], "violation-id"))
    said = {"count": 1} | asked.stamp()
    tables = {"violations": fill(VIOLATIONS, len(violations["violation_id"]), violations | said)}
    first_day, last_day = span(violations["opened_on"])
    return Taken(asked.report, asked.name, KIND.name, asked.account, tables, rows, {}, grid.notes, first_day, last_day)


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    refuse_numbers(grid, "violation-id")
    violation_ids = texts(grid, "violation-id")
    categories = by_distinct(
        grid, "category", texts(grid, "category"), _category, pa.string(), "no category in English words"
    )
    opened_on = days(grid, "opened-on", iso_day, _FORM)
    resolved_on = days(grid, "resolved-on", iso_day, _FORM, empty=True)
    refuse_before(grid, "resolved-on", resolved_on, opened_on, "opened-on")
    marketplaces = places(grid, pa.nulls(len(grid), pa.string()), asked, "marketplace")
    ends = (ends_of_days(day, marketplaces) for day in (opened_on, resolved_on))
    columns = {
        "marketplace": marketplaces,
        "category": categories,
        "violation_id": violation_ids,
        "severity": words(grid, "severity", {severity: severity for severity in SEVERITIES}, empty=True),
        "opened_on": opened_on,
        "resolved_on": resolved_on,
        "updated_at": as_new(grid, marketplaces, *ends),
    }
    return pa.table(columns)


def _category(words_of_it: str) -> str | None:
    """One category in our spelling: that of the performance report where it is plainly the same.

    >>> _category("Listing policy"), _category("product_authenticity_customer_complaints"), _category("Drop shipping")
    ('listing_policy_violations', 'product_authenticity_customer_complaints', 'drop_shipping')
    """
    name = name_of(words_of_it) if re.search(r"[A-Za-z]", words_of_it) else None
    return _SAME.get(_core(name), name) if name else None


def _core(name: str) -> str:
    """What is left of a category without the words that say that it is one.

    >>> _core("listing_policy_violations"), _core("listing_policy"), _core("product_safety_customer_complaints")
    ('listing', 'listing', 'product_safety')
    """
    bare = re.sub(r"_(customer_complaints?|(policy_)?violations?|policy|complaints?)$", "", name)
    return bare.removesuffix("s")


_SAME = {_core(name): name for name in _REPORTED} | {"food_and_product_safety": "food_and_product_safety_issues"}
