"""Parser of the hand-made CSV of policy violations, which the marketplace shows on a page but does not offer as a file.

One row a violation: `violation-id`, `category`, `opened-on`, and optionally `resolved-on`, `severity` (low, medium,
high, critical), `marketplace`, `updated-at`. Days are ISO days in the marketplace's time zone. Categories that Amazon's
seller performance report counts have the names used there.
"""

from __future__ import annotations

import re

import pyarrow as pa

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    keep_newest_rows,
    map_distinct,
    parse_iso_day,
    read_days,
    read_required_texts,
    read_words,
    refuse_numeric_ids,
    refuse_times_before,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    ends_of_days,
    read_update_times,
    resolve_marketplaces,
)
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.reported_figures import to_snake_case
from healthkit.schema.tables import SEVERITIES

KIND = FileKind(
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
_REPORTED_CATEGORIES = (
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


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse the hand-made CSV of policy violations into the table VIOLATIONS, one row per violation."""
    keys = ["marketplace", "violation_id"]
    violations = columns_by_name(keep_newest_rows(table, _read_lines(table, context), keys, "violation-id"))
    return FileContents({"violations": violations | {"count": 1}}, "opened_on")


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the CSV with typed columns."""
    refuse_numeric_ids(table, "violation-id")
    violation_ids = read_required_texts(table, "violation-id")
    categories = map_distinct(
        table,
        "category",
        read_required_texts(table, "category"),
        _parse_category,
        pa.string(),
        "no category in English words",
    )
    opened_on = read_days(table, "opened-on", parse_iso_day, _FORM)
    resolved_on = read_days(table, "resolved-on", parse_iso_day, _FORM, allow_empty=True)
    refuse_times_before(table, "resolved-on", resolved_on, opened_on, "opened-on")
    marketplaces = resolve_marketplaces(table, pa.nulls(len(table), pa.string()), context, "marketplace")
    ends = (ends_of_days(day, marketplaces) for day in (opened_on, resolved_on))
    columns = {
        "marketplace": marketplaces,
        "category": categories,
        "violation_id": violation_ids,
        "severity": read_words(table, "severity", {severity: severity for severity in SEVERITIES}, allow_empty=True),
        "opened_on": opened_on,
        "resolved_on": resolved_on,
        "updated_at": read_update_times(table, marketplaces, *ends),
    }
    return pa.table(columns)


def _parse_category(category: str) -> str | None:
    """Return a category in snake case, or as the performance report names it if it is plainly the same.

    >>> _parse_category("Listing policy"), _parse_category("Drop shipping")
    ('listing_policy_violations', 'drop_shipping')
    >>> _parse_category("product_authenticity_customer_complaints")
    'product_authenticity_customer_complaints'
    """
    name = to_snake_case(category) if re.search(r"[A-Za-z]", category) else None
    return _REPORTED_CATEGORY_OF.get(_category_stem(name), name) if name else None


def _category_stem(name: str) -> str:
    """Return a category without the words that every category has, such as "policy violations".

    >>> _category_stem("listing_policy_violations"), _category_stem("product_safety_customer_complaints")
    ('listing', 'product_safety')
    """
    bare = re.sub(r"_(customer_complaints?|(policy_)?violations?|policy|complaints?)$", "", name)
    return bare.removesuffix("s")


_REPORTED_CATEGORY_OF = {_category_stem(name): name for name in _REPORTED_CATEGORIES} | {
    "food_and_product_safety": "food_and_product_safety_issues"
}
