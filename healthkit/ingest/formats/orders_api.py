"""Parser of responses of the Orders API saved as JSON: pages of orders, pages of order items, or single orders.

Version 0 has promised days but no parcels; of cancellations it says only whether the buyer asked for them. Version
2026-01-01 says who cancelled and has parcels, with the time at which each was created. An order in several responses is
taken from the newest. No data of buyers is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from healthkit.ingest.formats.performance_json import JsonObject, parse_json
from healthkit.ingest.parsing.amounts import read_json_money
from healthkit.ingest.parsing.cells import (
    AMAZON_ORDER_ID,
    INSTANT,
    OTHER_SHOP_ORDER_ID,
    OTHER_SHOP_REASON,
    normalize_region,
)
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN, CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    refuse_ambiguous_orders,
    split_marketplaces,
)
from healthkit.ingest.parsing.parsed_file import Columns, FileContents, columns_of_rows
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError
from healthkit.ingest.parsing.reported_figures import (
    ReportedFigures,
    is_unknown_marketplace_id,
    refuse_value,
    to_snake_case,
)
from healthkit.ingest.parsing.unknown_stores import is_unknown_store, unknown_store_reason
from healthkit.schema.marketplaces import MARKETPLACE_BY_SALES_CHANNEL

V0 = DocumentKind(
    "orders_api_v0", "orders of the Orders API, version 0 (JSON)", "{[",
    ('"OrderStatus"', '"Orders"', '"PurchaseDate"'),
)  # fmt: skip
V0_ITEMS = DocumentKind(
    "orders_api_v0_items", "order items of the Orders API, version 0 (JSON)", "{[", ('"OrderItems"',)
)
V2026 = DocumentKind(
    "orders_api_2026", "orders of the Orders API, version 2026-01-01 (JSON)", "{[",
    ('"orderItems"', '"fulfillmentStatus"', '"createdBefore"', '"lastUpdatedBefore"'),
)  # fmt: skip
TABLE = FileKind(
    "orders_api_table",
    "table of the Orders API (connector)",
    ("amazon-order-id", "purchase-date", "last-update-date", "order-status"),
    (
        "fulfillment-channel", "sales-channel", "marketplace-id", "shipment-service-level-category", "latest-ship-date",
        "latest-delivery-date", "number-of-items-shipped", "number-of-items-unshipped", "is-business-order", "is-prime",
        "is-premium-order",
    ),
    delimiters=",;\t",
    quoted=True,
)  # fmt: skip
MAX_FILE_BYTES = 200_000_000
"""Largest size of a file of API responses. [bytes]"""

Row = dict[str, Any]

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})", re.ASCII | re.I)
_EARLIEST, _LATEST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_CHANNELS = {"MFN": "seller", "AFN": "amazon", "MERCHANT": "seller", "AMAZON": "amazon"}
_CANCELLERS = {"MERCHANT": "seller", "AMAZON": "amazon", "BUYER": "buyer"}
"""Who may cancel an order; of several the first of these counts."""
_FLAGS = {"true": True, "false": False}
_PARCEL_HAS_LEFT = {"PENDING": False, "IN_TRANSIT": True, "SHIPPED": True, "DELIVERED": True, "UNDELIVERABLE": True}
"""Whether a parcel of a state has left the seller; no state says that a carrier scanned it."""
_INVENTED_ORDER = "orders placed before 1995 are made up, as those of Amazon's sandbox"
_OTHER_RESPONSES = "answers that hold no order (addresses, buyers, regulated products)"
_ERROR_RESPONSES = "answers that are errors hold no order: ask for them again"
_OTHER_RECORDS = "records that hold no order of this version of the Orders API"
_CANCELLED_PARCEL = "parcels that were called off"


def parse_v0(content: bytes, context: ReadContext) -> FileContents:
    """Parse responses of the Orders API, version 0, into the tables ORDERS and ITEMS."""
    return _parse_responses(content, context, V0, _read_v0)


def parse_table(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse orders of the Orders API, version 0, that a connector wrote as a table, into the table ORDERS."""
    api_orders = ApiOrders(context)
    columns = {_field_name(name): table[name].to_pylist() for name in TABLE.read_columns if table.has_column(name)}
    for number, cells in enumerate(zip(*columns.values(), strict=True)):
        fields = {name: _field_value(name, cell) for name, cell in zip(columns, cells, strict=True) if cell is not None}
        row = table.rows[number].as_py() + table.first_line
        _read_order_v0(api_orders, JsonObject(fields, f"{context.name}: row {row:,}"))
    contents = _build_tables(api_orders, V0)
    table.notes.extend(contents.notes)
    return contents


def _field_name(column: str) -> str:
    """Return the field of the Orders API that a column of a table holds.

    >>> _field_name("amazon-order-id")
    'AmazonOrderId'
    """
    return "".join(word.capitalize() for word in column.split("-"))


def _field_value(name: str, cell: str) -> str | Decimal:
    """Return the value of a field from the text of a cell; warehouses write counts and times in other ways.

    >>> _field_value("NumberOfItemsShipped", "2.0"), _field_value("PurchaseDate", "2026-10-01 10:00:00 UTC")
    (Decimal('2'), '2026-10-01 10:00:00Z')
    """
    if name.startswith("NumberOf") and re.fullmatch(r"\d{1,9}(\.0+)?", cell, re.ASCII):
        return Decimal(cell.partition(".")[0])
    return re.sub(r"(?<=:\d\d)(\.\d+)? ?(UTC|\+00)$", "Z", cell) if name.endswith("Date") else cell


def parse_v0_items(content: bytes, context: ReadContext) -> FileContents:
    """Parse pages of order items of the Orders API, version 0, into the table ITEMS.

    If a buyer asked for a cancellation, the order is added to the table ORDERS too.
    """
    return _parse_responses(content, context, V0_ITEMS, _read_v0)


def parse_2026(content: bytes, context: ReadContext) -> FileContents:
    """Parse responses of the Orders API, version 2026-01-01, into the tables ORDERS, ITEMS and SHIPMENTS."""
    return _parse_responses(content, context, V2026, _read_2026)


@dataclass
class ApiOrders:
    """Orders, items and parcels that are read from one file of API responses.

    `orders` has order ids as keys; `items` and `parcels` have order ids, and below these the ids of items and parcels.
    """

    context: ReadContext
    orders: dict[str, Row] = field(default_factory=dict)
    items: dict[str, dict[str, Row]] = field(default_factory=dict)
    parcels: dict[str, dict[str, Row]] = field(default_factory=dict)
    excluded_orders: set[str] = field(default_factory=set)
    skipped: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    response_count: int = 0

    def count_skipped(self, reason: str) -> None:
        """Add 1 to the number of records that are skipped for the given reason."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def should_read(self, order: str, block: JsonObject, order_time_key: str, is_other_shop: bool) -> bool:
        """Return whether an order is to be read: not if it belongs to another shop or is invented.

        Orders placed before 1995 are invented, as those of Amazon's sandbox. The order is counted, also if it is
        skipped.
        """
        self.rows += 1
        ordered_at = _read_instant(block, order_time_key, may_be_invented=True)
        reason = (
            OTHER_SHOP_REASON
            if is_other_shop or re.match(OTHER_SHOP_ORDER_ID, order)
            else None
            if ordered_at
            else _INVENTED_ORDER
        )
        if reason:
            self.excluded_orders.add(order)
            self.count_skipped(reason)
        return reason is None

    def skips_unknown_store(self, order: str, identifier: str | None, channel: str | None) -> bool:
        """Return whether an order is of a store that healthkit does not know, and count it as skipped."""
        if identifier is None:
            store = channel if channel and is_unknown_store(channel) else None
        else:
            store = f"marketplace id {identifier}" if is_unknown_marketplace_id(identifier) else None
        if store is not None:
            self.excluded_orders.add(order)
            self.count_skipped(unknown_store_reason(store))
        return store is not None

    def add_order(self, order: Row, items: dict[str, Row], parcels: dict[str, Row]) -> None:
        """Add an order with its items and parcels, unless a record that is at least as new has been added."""
        known = self.orders.get(order["order_id"])
        if known is not None and known["updated_at"] >= order["updated_at"]:
            return
        self.orders[order["order_id"]] = order
        if items:
            self.items[order["order_id"]] = items
        self.parcels[order["order_id"]] = parcels

    def resolve_marketplace(self, identifier: str | None, channel: str | None) -> str | None:
        """Return the marketplace of an order, or None if it is unknown.

        It is that of the marketplace id, or else of the sales channel, or else the one that the caller states. Raise
        ReaderError if they contradict each other.
        """
        given, stated = self.context.marketplace, MARKETPLACE_BY_SALES_CHANNEL.get((channel or "").lower())
        if identifier is not None:
            return ReportedFigures(self.context).resolve_marketplace(identifier)
        if given and stated and given != stated:
            raise ReaderError(
                f"{self.context.name}: you said marketplace {given}, but the file states {stated}. "
                "Leave --marketplace out: the file says it by itself."
            )
        return stated or given


def _parse_responses(
    content: bytes, context: ReadContext, kind: DocumentKind, read_object: Callable[[ApiOrders, JsonObject], None]
) -> FileContents:
    """Read every response of a file and build its tables."""
    if len(content) > MAX_FILE_BYTES:
        raise ReaderError(
            f"{context.name}: holds {len(content):,} bytes; the kit reads no more than {MAX_FILE_BYTES:,} of "
            "answers in one "
            "file. Keep the pages in several files."
        )
    api_orders = ApiOrders(context)
    for document, where in _load_documents(content, context.name, kind.title):
        known = api_orders.response_count, sum(api_orders.skipped.values())
        for block in _find_objects(document, where):
            read_object(api_orders, block)
        if known == (api_orders.response_count, sum(api_orders.skipped.values())):
            api_orders.count_skipped(_OTHER_RECORDS)
    if not api_orders.response_count:
        raise ReaderError(f"{context.name}: holds no answer with orders in it. Ask the Orders API again.")
    return _build_tables(api_orders, kind)


def _load_documents(content: bytes, name: str, title: str) -> Iterator[tuple[Any, str]]:
    """Yield the JSON of a file with its place in messages: one document, or one a line (JSON lines)."""
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) < 2 or not all(line.strip()[:1] + line.strip()[-1:] == b"{}" for _, line in filled[:2]):
        yield parse_json(content, name, title), f"{name}: answer"
        return
    for number, line in filled:
        where = f"{name}: row {number:,}"
        yield parse_json(line, where, title), f"{where}: answer"


def _find_objects(value: Any, where: str) -> Iterator[JsonObject]:
    """Yield every object of a file that is a response or may wrap one, but none inside a response."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _find_objects(one, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield JsonObject(value, where)
        if not _RESPONSE_KEYS & value.keys():
            for key, inner in value.items():
                yield from _find_objects(inner, f"{where}.{to_snake_case(key)}")


_RESPONSE_KEYS = {"Orders", "OrderItems", "AmazonOrderId", "orders", "orderId", "orderItems"}


def _read_v0(api_orders: ApiOrders, block: JsonObject) -> None:
    """Read one object of version 0: a page of orders, a page of one order's items, or an order."""
    if "Orders" in block.fields:
        api_orders.response_count += 1
        for one in block.iterate_objects("Orders"):
            _read_order_v0(api_orders, one)
    elif {"OrderStatus", "PurchaseDate"} & block.fields.keys():
        api_orders.response_count += 1
        _read_order_v0(api_orders, block)
    elif "OrderItems" in block.fields:
        api_orders.response_count += 1
        _read_item_page(api_orders, block)
    elif "AmazonOrderId" in block.fields:
        api_orders.count_skipped(_OTHER_RESPONSES)
    elif isinstance(block.fields.get("errors"), list):
        api_orders.count_skipped(_ERROR_RESPONSES)


def _read_order_v0(api_orders: ApiOrders, block: JsonObject) -> None:
    order, sold_on = _read_order_id(block, "AmazonOrderId"), _read_text(block, "SalesChannel")
    if not api_orders.should_read(order, block, "PurchaseDate", (sold_on or "").lower().startswith("non-amazon")):
        return
    marketplace_id = _read_text(block, "MarketplaceId")
    if api_orders.skips_unknown_store(order, marketplace_id, sold_on):
        return
    channel = _read_choice(block, "FulfillmentChannel", _CHANNELS)
    address = block.child_object("ShippingAddress") or JsonObject({}, "")
    counts = [
        count for count in map(block.count, ("NumberOfItemsShipped", "NumberOfItemsUnshipped")) if count is not None
    ]
    fields = {
        "order_id": order,
        "marketplace": api_orders.resolve_marketplace(marketplace_id, sold_on),
        "channel": channel,
        "status": _read_status(block, "OrderStatus"),
        "ordered_at": _read_instant(block, "PurchaseDate"),
        "updated_at": _read_instant(block, "LastUpdateDate", required=True),
        "ship_by": _read_instant(block, "LatestShipDate"),
        "deliver_by": _read_instant(block, "LatestDeliveryDate"),
        "is_business": _read_flag(block, "IsBusinessOrder"),
        "is_premium": _is_premium(channel, _read_flag(block, "IsPremiumOrder"), _read_flag(block, "IsPrime")),
        "ship_method": _read_text(block, "ShipmentServiceLevelCategory"),
        "country": normalize_region(_read_text(address, "CountryCode")),
        "state": normalize_region(_read_text(address, "StateOrRegion")),
        "units": sum(counts) if counts else None,
    }
    api_orders.add_order(fields, _read_items_v0(block), {})


def _read_item_page(api_orders: ApiOrders, block: JsonObject) -> None:
    order = _read_order_id(block, "AmazonOrderId")
    api_orders.rows += 1
    if re.match(OTHER_SHOP_ORDER_ID, order):
        api_orders.count_skipped(OTHER_SHOP_REASON)
        return
    api_orders.items.setdefault(order, {}).update(_read_items_v0(block))


def _read_items_v0(block: JsonObject) -> dict[str, Row]:
    """Return the items of an order or a page, by item id."""
    items = {}
    for number, one in enumerate(block.iterate_objects("OrderItems")):
        request = one.child_object("BuyerRequestedCancel")
        items[_read_text(one, "OrderItemId") or str(number)] = {
            "sku": _read_text(one, "SellerSKU"),
            "asin": _read_text(one, "ASIN"),
            "product": _read_text(one, "Title"),
            "units": one.count("QuantityOrdered"),
            **read_json_money(one.fields.get("ItemPrice"), "Amount", "CurrencyCode"),
            "by": "buyer" if request and _read_flag(request, "IsBuyerRequestedCancel") else None,
        }
    return items


def _read_2026(api_orders: ApiOrders, block: JsonObject) -> None:
    """Read one object of version 2026-01-01: a page of orders, or an order."""
    if "orders" in block.fields:
        api_orders.response_count += 1
        for one in block.iterate_objects("orders"):
            _read_order_2026(api_orders, one)
    elif {"orderId", "orderItems"} & block.fields.keys():
        api_orders.response_count += 1
        _read_order_2026(api_orders, block)
    elif isinstance(block.fields.get("errors"), list):
        api_orders.count_skipped(_ERROR_RESPONSES)


def _read_order_2026(api_orders: ApiOrders, block: JsonObject) -> None:
    order, nothing = _read_order_id(block, "orderId"), JsonObject({}, "")
    sold_on = block.child_object("salesChannel") or nothing
    if not api_orders.should_read(order, block, "createdTime", _read_text(sold_on, "channelName") == "NON_AMAZON"):
        return
    store = _read_text(sold_on, "marketplaceId"), _read_text(sold_on, "marketplaceName")
    if api_orders.skips_unknown_store(order, *store):
        return
    fulfilled = block.child_object("fulfillment") or nothing
    address = (block.child_object("recipient") or nothing).child_object("deliveryAddress") or nothing
    channel, programs = _read_choice(fulfilled, "fulfilledBy", _CHANNELS), _read_words(block, "programs")
    fields = {
        "order_id": order,
        "marketplace": api_orders.resolve_marketplace(*store),
        "channel": channel,
        "status": _read_status(fulfilled, "fulfillmentStatus"),
        "ordered_at": _read_instant(block, "createdTime"),
        "updated_at": _read_instant(block, "lastUpdatedTime", required=True),
        "ship_by": _read_window_end(fulfilled, "shipByWindow"),
        "deliver_by": _read_window_end(fulfilled, "deliverByWindow"),
        "is_business": None if programs is None else "AMAZON_BUSINESS" in programs,
        "is_premium": None if programs is None else _is_premium(channel, "PREMIUM" in programs, "PRIME" in programs),
        "ship_method": _in_words_of_reports(_read_text(fulfilled, "fulfillmentServiceLevel")),
        "country": normalize_region(_read_text(address, "countryCode")),
        "state": normalize_region(_read_text(address, "stateOrRegion")),
    }
    api_orders.add_order(fields, _read_items_2026(block), _read_parcels(api_orders, block))


def _in_words_of_reports(level: str | None) -> str | None:
    """Return a service level as version 0 and the reports spell it, so that an order of both has one ship method.

    >>> _in_words_of_reports("SECOND_DAY"), _in_words_of_reports("Standard")
    ('SecondDay', 'Standard')
    """
    if level is None or not level.isupper():
        return level
    return "".join(word.capitalize() for word in level.split("_"))


def _read_window_end(block: JsonObject, key: str) -> datetime | None:
    """Return the end of a time window; None if there is no window."""
    window = block.child_object(key)
    return None if window is None else _read_instant(window, "latestDateTime")


def _read_items_2026(block: JsonObject) -> dict[str, Row]:
    """Return the items of an order by item id, each with who cancelled it, if anyone did."""
    items = {}
    for number, one in enumerate(block.iterate_objects("orderItems")):
        product = one.child_object("product") or JsonObject({}, "")
        cancelled = one.child_object("cancellation") or JsonObject({}, "")
        done, request = (cancelled.child_object(f"cancellation{step}") for step in ("Execution", "Request"))
        items[_read_text(one, "orderItemId") or str(number)] = {
            "sku": _read_text(product, "sellerSku"),
            "asin": _read_text(product, "asin"),
            "product": _read_text(product, "title"),
            "units": one.count("quantityOrdered"),
            **_read_price_2026(product, one.count("quantityOrdered")),
            "cancelled": done is not None if "cancellation" in one.fields else None,
            "by": _asked_by_buyer(request) or (_read_choice(done, "cancelledBy", _CANCELLERS) if done else None),
        }
    return items


def _read_price_2026(product: JsonObject, units: int | None) -> Row:
    """Return amount and currency of an item: its unit price, times its units."""
    price = product.fields.get("price")
    money = read_json_money(price.get("unitPrice") if isinstance(price, dict) else None, "amount", "currencyCode")
    return money | {"amount": None if units is None or money["amount"] is None else money["amount"] * units}


def _asked_by_buyer(block: JsonObject | None) -> str | None:
    """Return "buyer" if the buyer asked for a cancellation, whoever carried it out; None if not."""
    return "buyer" if block and _read_text(block, "requester") == "BUYER" else None


def _read_parcels(api_orders: ApiOrders, block: JsonObject) -> dict[str, Row]:
    """Return the parcels of an order by id; of a tracking number only its presence is kept."""
    parcels = {}
    for number, one in enumerate(block.iterate_objects("packages"), 1):
        state = _read_text(one.child_object("packageStatus") or JsonObject({}, ""), "status")
        if state == "CANCELLED":
            api_orders.count_skipped(_CANCELLED_PARCEL)
            continue
        tracking = one.fields.get("trackingNumber") not in (None, "")
        on_its_way = _PARCEL_HAS_LEFT.get(state or "")
        quantities = [inner.count("quantity") for inner in one.iterate_objects("packageItems")]
        counted = [count for count in quantities if count is not None]
        parcels[_read_text(one, "packageReferenceId") or str(number)] = {
            "confirmed_at": _read_instant(one, "createdTime"),
            "units": sum(counted) if counted else None,
            "tracking": tracking,
            "scanned": None if on_its_way is None else on_its_way and tracking,
            "carrier": _read_text(one, "carrier"),
            "ship_method": _read_text(one, "shippingService"),
        }
    return parcels


def _build_tables(api_orders: ApiOrders, kind: DocumentKind) -> FileContents:
    """Return the contents of a file with the tables of its orders."""
    for order in api_orders.orders.values():
        _summarize_items(order, list(api_orders.items.get(order["order_id"], {}).values()))
    notes = _notes(api_orders)
    orders = {**api_orders.orders, **_orders_of_items(api_orders)}
    _fill_marketplaces(api_orders, orders, notes)
    rows = [row for row in orders.values() if "status" in row or row["cancelled_by"]]
    cancelled_at = pa.array([row.get("cancelled_at") for row in rows], INSTANT)
    tables: dict[str, Columns] = {
        # Of an order known by its items alone there is a row only when it says who cancelled.
        "orders": {**columns_of_rows("orders", rows), "cancelled_at": cancelled_at},
        "items": columns_of_rows("items", _item_rows(api_orders, orders)),
    }
    if kind is V2026:
        tables["shipments"] = columns_of_rows("shipments", _parcel_rows(api_orders, orders))
    return FileContents(tables, "ordered_on", rows=api_orders.rows, skipped=api_orders.skipped, notes=notes)


def _summarize_items(order: Row, items: list[Row]) -> None:
    """Set an order's units and cancellation from its items."""
    units = [item["units"] for item in items if item["units"] is not None]
    whole = order["status"] == "cancelled"
    in_part = not whole and any(item.get("cancelled") for item in items)
    order["units"] = sum(units) if units else order.get("units")
    order["part_cancelled"] = in_part if whole or any(item.get("cancelled") is not None for item in items) else None
    order["cancelled_at"] = order["updated_at"] if whole or in_part else None
    order["cancelled_by"] = _find_canceller(items, whole) if whole or in_part else None


def _find_canceller(items: list[Row], whole: bool) -> str | None:
    """Return who cancelled: seller before Amazon before buyer; the buyer only if every cancellation was the buyer's."""
    cancellers = [item["by"] for item in items if whole or item.get("cancelled")]
    if None in cancellers and not {"seller", "amazon"} & set(cancellers):
        return None
    return next((one for one in _CANCELLERS.values() if one in cancellers), None)


def _orders_of_items(api_orders: ApiOrders) -> dict[str, Row]:
    """Return orders of which only items are known; they have no update time, so any other file is newer."""
    alone = api_orders.items.keys() - api_orders.orders.keys() - api_orders.excluded_orders
    return {
        order: {
            "order_id": order,
            "marketplace": None,
            "updated_at": _EARLIEST,
            "cancelled_by": _find_canceller(list(api_orders.items[order].values()), whole=True),
        }
        for order in api_orders.items
        if order in alone
    }


def _fill_marketplaces(api_orders: ApiOrders, orders: dict[str, Row], notes: list[str]) -> None:
    """Set the marketplace of orders that state none; raise ReaderError if it is unknown."""
    context, open_ones = api_orders.context, [order for order in orders.values() if order["marketplace"] is None]
    known = context.known_marketplaces(order["order_id"] for order in open_ones)
    if context.marketplace is None:
        refuse_ambiguous_orders(context.name, known)
    if (
        context.marketplace
        and known
        and not any(context.marketplace in split_marketplaces(one) for one in known.values())
    ):
        raise ReaderError(
            f"{context.name}: you said marketplace {context.marketplace}, but its orders are known to be of "
            f"{', '.join(sorted(set(known.values())))}. Leave --marketplace out: the orders say it."
        )
    for order in open_ones:
        order["marketplace"] = context.marketplace or known.get(order["order_id"])
    missing = [order for order in open_ones if order["marketplace"] is None]
    seen = sorted({order["marketplace"] for order in orders.values()} - {None})
    if missing and len(seen) != 1:
        others = f"the other orders are of {', '.join(seen)}" if seen else "none of its orders is known yet"
        raise ReaderError(
            f"{context.name}: does not say of which marketplace {len(missing):,} of its {len(orders):,} orders are, "
            f"and {others}. Say which with --marketplace, or import the orders first."
        )
    for order in missing:
        order["marketplace"] = seen[0]
    if missing:
        notes.append(f"{len(missing):,} orders not known yet: taken as {seen[0]}, as all the others are.")


def _notes(api_orders: ApiOrders) -> list[str]:
    """Return notes on assumptions and on what the file lacks."""
    parcels = [parcel for order in api_orders.parcels.values() for parcel in order.values()]
    notes = [] if api_orders.rows else ["The file holds no orders."]
    if parcels:
        notes.append(
            f"{len(parcels):,} parcels: the time at which each was created stands for that of its confirmation, "
            "which the Orders API does not say."
        )
    if any(parcel["scanned"] is not None for parcel in parcels):
        notes.append("Parcels past pending with a tracking number stand for parcels that a carrier scanned.")
    return notes


def _item_rows(api_orders: ApiOrders, orders: dict[str, Row]) -> list[Row]:
    """Return the rows of ITEMS, one an order and SKU; items without a SKU are skipped."""
    rows: dict[tuple[str, str], Row] = {}
    for number, order in orders.items():
        for item in api_orders.items.get(number, {}).values():
            if item["sku"] is None:
                continue
            row = rows.setdefault((number, item["sku"]), {**order, **item, "units": None, "amount": None})
            for name in ("units", "amount"):
                if item[name] is not None:
                    row[name] = (row[name] or 0) + item[name]
    return list(rows.values())


def _parcel_rows(api_orders: ApiOrders, orders: dict[str, Row]) -> list[Row]:
    """Return the rows of SHIPMENTS, each as new as its order."""
    rows = []
    for number, parcels in api_orders.parcels.items():
        whose = {name: orders[number][name] for name in ("order_id", "marketplace", "updated_at")}
        rows += [{**whose, "shipment_id": name, **parcel} for name, parcel in parcels.items()]
    return rows


def _read_order_id(block: JsonObject, key: str) -> str:
    """Return an order id of Amazon or of another shop; refuse other text."""
    value = _read_text(block, key)
    if value is None:
        raise ReaderError(f"{block.path_of(key)} is empty, though no order may lack it. {HINT_DOWNLOAD_AGAIN}")
    if not (re.match(AMAZON_ORDER_ID, value, re.ASCII) or re.match(OTHER_SHOP_ORDER_ID, value, re.ASCII)):
        refuse_value(block.path_of(key), value, "no order id")
    return value


def _read_text(block: JsonObject, key: str) -> str | None:
    """Return a text without surrounding blanks; None if it is missing or empty."""
    value = block.fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        refuse_value(block.path_of(key), value, "where a text belongs")
    # Half of a pair of UTF-16 is no letter, though JSON can write it.
    if any("\ud800" <= letter <= "\udfff" for letter in value) or "\0" in value:
        refuse_value(block.path_of(key), value, "holds letters that are none")
    return value.strip() or None


def _read_words(block: JsonObject, key: str) -> list[str] | None:
    """Return a list of words; None if it is missing."""
    value = block.fields.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        refuse_value(block.path_of(key), value, "where a list of words belongs")
    return value


def _read_choice(block: JsonObject, key: str, meanings: dict[str, str]) -> str | None:
    """Return what a word of the API means; refuse an unknown word."""
    value = _read_text(block, key)
    if value is not None and value.upper() not in meanings:
        refuse_value(block.path_of(key), value, f"unknown; there are: {', '.join(meanings)}")
    return None if value is None else meanings[value.upper()]


def _read_status(block: JsonObject, key: str) -> str | None:
    """Return a status in lower case with blanks: `PartiallyShipped` and `PARTIALLY_SHIPPED` are equal."""
    value = _read_text(block, key)
    if value is None:
        return None
    if not re.fullmatch(r"[A-Za-z][A-Za-z_ ]{0,39}", value):
        refuse_value(block.path_of(key), value, "no status word")
    status = to_snake_case(value).replace("_", " ")
    return {"canceled": "cancelled"}.get(status, status)


def _read_flag(block: JsonObject, key: str) -> bool | None:
    """Return a boolean, written as such or as text; None if it is missing."""
    value = block.fields.get(key)
    if isinstance(value, str):
        value = _FLAGS.get(value.strip().lower(), value) if value.strip() else None
    if value is not None and not isinstance(value, bool):
        refuse_value(block.path_of(key), value, "neither true nor false")
    return value


def _is_premium(channel: str | None, *flags: bool | None) -> bool | None:
    """Return whether the seller promised premium shipping; Prime orders that Amazon ships do not count."""
    if all(one is None for one in flags):
        return None
    return channel == "seller" and any(flags)


def _read_instant(
    block: JsonObject, key: str, required: bool = False, may_be_invented: bool = False
) -> datetime | None:
    """Return an instant in UTC from ISO 8601 with offset; None if missing, or invented (before 1995)."""
    value = _read_text(block, key)
    if value is None:
        if required or may_be_invented:
            raise ReaderError(f"{block.path_of(key)} is empty, though no order may lack it. {HINT_DOWNLOAD_AGAIN}")
        return None
    try:
        found = datetime.fromisoformat(value.upper()) if _STAMP.fullmatch(value) else None
        instant = found.astimezone(UTC) if found else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        refuse_value(block.path_of(key), value, "no time stamp with an offset")
    if may_be_invented and instant < _EARLIEST:
        return None
    if not _EARLIEST <= instant < _LATEST:
        refuse_value(block.path_of(key), value, "not in our time")
    return instant
