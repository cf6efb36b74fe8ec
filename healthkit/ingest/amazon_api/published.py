"""What Amazon publishes about its API: addresses, rates of its operations, and how each report may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from healthkit.schema.yaml_lines import LINE_KEY, read_yaml

CREATE_REPORT, GET_REPORT, GET_REPORTS = "createReport", "getReport", "getReports"
GET_DOCUMENT, SEARCH_ORDERS = "getReportDocument", "searchOrders"

SNAPSHOT, START, SPAN, LISTED = "snapshot", "start", "span", "listed"
"""How a report is asked for: as of now, with a start day, with a start and an end, or not at all (it is listed)."""

ROWS, REQUEST = "rows", "request"
"""Where the import takes the marketplace of a document from: what its rows state, or what was asked for."""

ORDERS, ORDERS_CREATED = "searchOrders", "searchOrders created"
"""The names under which pages of the Orders API are planned and remembered, beside the report types.

They are pages by last update, and by the time of the order.
"""


@dataclass(frozen=True)
class Rate:
    """The rate of an operation for one seller [calls a second], and how many calls may come at once [calls]."""

    rate: float
    burst: int


@dataclass(frozen=True)
class ReportType:
    """How one report type, or the pages of the Orders API, may be asked for.

    `piece` is the longest span of one request; `oldest` how far back Amazon goes; `again` how much of the span that was
    pulled already is asked for again, since rows change late. `marketplace_from` is tried in its order. `skip` is
    left out at the begin of the history: its rows are of orders placed before. Only the
    first pull asks for a type that is `followed_by` another: later ones ask for the changes since, by the other.
    """

    name: str
    title: str
    kind: str
    asks: str
    piece: timedelta | None
    oldest: timedelta | None
    again: timedelta
    marketplace_from: tuple[str, ...]
    role: str
    followed_by: str = ""
    skip: timedelta = timedelta()


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(Path(__file__).with_suffix(".yaml"))
    return document


@cache
def rates() -> dict[str, Rate]:
    """Return the published rate of each operation.

    >>> rates()["createReport"]
    Rate(rate=0.0167, burst=15)
    """
    rows = _document()["operations"]
    return {name: Rate(row["rate"], row["burst"]) for name, row in rows.items() if isinstance(row, dict)}


@cache
def report_types() -> dict[str, ReportType]:
    """Return the report types that are pulled, by name, in the order in which they are asked for.

    >>> report_types()["GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"].piece.days
    60
    """
    rows = {name: row for name, row in _document()["reports"].items() if name != LINE_KEY}
    return {name: _report_type(name, row) for name, row in rows.items()}


@cache
def orders_types() -> dict[str, ReportType]:
    """Return how the pages of orders are asked for, by name: by the time of the order, and by last update.

    >>> orders_types()[ORDERS_CREATED].followed_by
    'searchOrders'
    """
    row = {**_document()["orders"], "asks": SPAN, "marketplace_from": [ROWS]}
    first = row | {"title": f"{row['title']} by order day", "again_days": 0, "followed_by": ORDERS}
    return {ORDERS_CREATED: _report_type(ORDERS_CREATED, first), ORDERS: _report_type(ORDERS, row)}


@cache
def history_of(name: str) -> ReportType | None:
    """Return the report type that the first pull asks for in place of another, if there is one.

    >>> history_of("GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL").title
    'all-orders file by order day'
    """
    every = (report_types() | orders_types()).values()
    return next((kind for kind in every if kind.followed_by == name), None)


@cache
def title_of(name: str) -> str:
    """Return the title of a report type, or of the pages of orders, for messages.

    >>> title_of("GET_SELLER_FEEDBACK_DATA")
    'seller feedback file'
    """
    return (report_types() | orders_types())[name].title


def _report_type(name: str, row: dict[str, Any]) -> ReportType:
    def days(field: str) -> timedelta | None:
        return timedelta(row[field]) if field in row else None

    return ReportType(
        name, row["title"], row["kind"], row["asks"], days("piece_days"), days("oldest_days"),
        days("again_days") or timedelta(), tuple(row["marketplace_from"]), row["role"],
        row.get("followed_by", ""), days("skip_days") or timedelta(),
    )  # fmt: skip


@cache
def orders_per_page() -> int:
    """Return the most orders on one page of the Orders API."""
    return int(_document()["orders"]["most_per_page"])


@cache
def page_token_lifetime() -> timedelta:
    """Return how long a page token of the Orders API is good."""
    return timedelta(hours=_document()["orders"]["token_hours"])


@cache
def orders_end_margin() -> timedelta:
    """Return how long before now a span of the Orders API must end."""
    return timedelta(seconds=_document()["orders"]["seconds_before_now"])


@dataclass(frozen=True)
class Addresses:
    """The addresses that calls go to: those of the API by region, and that of Login with Amazon.

    Credentials are sent to these and to no other address.
    """

    regions: tuple[tuple[str, str], ...]
    login: str

    def of_region(self, region: str) -> str:
        """Return the address of the API in a region."""
        return dict(self.regions)[region]


@cache
def addresses() -> Addresses:
    """Return Amazon's addresses.

    >>> addresses().of_region("eu")
    'https://sellingpartnerapi-eu.amazon.com'
    """
    regions = _document()["regions"]
    names = tuple((name, text) for name, text in regions.items() if str(text).startswith("https://"))
    return Addresses(names, _document()["login"])
