"""Parser of the unshipped-orders report: the orders that wait to be shipped, with their ship-by dates.

The report is a snapshot: an order leaves it once it is shipped. It is as new as the newest of its dates, so an order
that a newer file reports as shipped stays shipped. The report's own count of days left is not read.
"""

from __future__ import annotations

from healthkit.ingest.formats.order_report import parse_unfulfilled_orders
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind(
    "unshipped",
    "unshipped-orders file",
    ("order-id", "order-item-id", "purchase-date", "promise-date", "sku", "quantity-purchased"),
    (
        "payments-date",
        "reporting-date",
        "sales-channel",
        "product-name",
        "is-business-order",
        "is-premium-order",
        "is-prime",
        "ship-service-level",
        "ship-service-name",
        "ship-country",
        "ship-state",
    ),
    """days-past-promise buyer-email buyer-name buyer-phone-number cpf number-of-items quantity-shipped
    quantity-to-ship recipient-name ship-address-1 ship-address-2 ship-address-3 address-type ship-city
    ship-postal-code purchase-order-number price-designation customized-url customized-page
    is-buyer-requested-cancellation buyer-requested-cancel-reason verge-of-cancellation verge-of-lateshipment
    signature-confirmation-recommended buyer-identification-number buyer-identification-type payment-method
    cod-collectible-amount already-paid payment-method-fee scheduled-delivery-start-date scheduled-delivery-end-date
    points-granted""",
)
_NOTHING_TO_SHIP = "Nothing waits to be shipped."


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse an unshipped-orders report into the tables ORDERS and ITEMS."""
    if not len(table):
        table.notes.append(_NOTHING_TO_SHIP)
    promises, time_columns = {"ship_by": "promise-date"}, ("payments-date", "reporting-date")
    contents = parse_unfulfilled_orders(table, context, promises, time_columns)
    contents.tables = {**contents.tables, "orders": {**contents.tables["orders"], "status": "unshipped"}}
    return contents
