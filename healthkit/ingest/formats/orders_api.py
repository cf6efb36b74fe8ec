"""The answers of the Orders API (JSON), kept as files: pages of orders, of one order's items, or one order alone.

Version 0 knows promises and no parcel; a cancellation was the buyer's where the buyer asked for it, and who
else cancelled is not told. Version 2026-01-01 knows who cancelled, and the parcels, but of a parcel only when it was
created. An order that stands in several answers is as the newest of them has it. Of buyers nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from healthkit.ingest.formats.performance_json import Block, parsed
from healthkit.ingest.parsing.cells import AMAZON_ID, INSTANT, OTHER_SHOP, OTHER_SHOP_ID, region
from healthkit.ingest.parsing.csv_table import AGAIN
from healthkit.ingest.parsing.marketplace_of_row import Asked, local_days, marketplaces_in, refuse_several
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.ingest.parsing.raw_file import Document, ReaderError
from healthkit.ingest.parsing.reported_figures import Snapshot, name_of, refuse
from healthkit.schema.marketplaces import BY_SALES_CHANNEL
from healthkit.schema.tables import ITEMS, ORDERS, SHIPMENTS, Table

V0 = Document(
    "orders_api_v0", "orders of the Orders API, version 0 (JSON)", "{[",
    ('"OrderStatus"', '"Orders"', '"PurchaseDate"'),
)  # fmt: skip
V0_ITEMS = Document("orders_api_v0_items", "order items of the Orders API, version 0 (JSON)", "{[", ('"OrderItems"',))
V2026 = Document(
    "orders_api_2026", "orders of the Orders API, version 2026-01-01 (JSON)", "{[",
    ('"orderItems"', '"fulfillmentStatus"', '"createdBefore"', '"lastUpdatedBefore"'),
)  # fmt: skip
DOCUMENTS = (V0, V2026, V0_ITEMS)
"""Pages of items alone stand last: they name no marketplace, and ask the orders."""
MOST_BYTES = 200_000_000

Row = dict[str, Any]

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})", re.ASCII | re.I)
_EARLIEST, _LATEST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_CHANNELS = {"MFN": "seller", "AFN": "amazon", "MERCHANT": "seller", "AMAZON": "amazon"}
_CANCELLERS = {"MERCHANT": "seller", "AMAZON": "amazon", "BUYER": "buyer"}
"""Of an order that several cancelled, the first of these is named."""
_FLAGS = {"true": True, "false": False}
_ON_ITS_WAY = {"PENDING": False, "IN_TRANSIT": True, "SHIPPED": True, "DELIVERED": True, "UNDELIVERABLE": True}
"""Whether a parcel in that state has left the seller; that a carrier scanned it, no state says."""
_MADE_UP = "orders placed before 1995 are made up, as those of Amazon's sandbox"
_OTHER_ANSWERS = "answers that hold no order (addresses, buyers, regulated products)"
_FAILED = "answers that are errors hold no order: ask for them again"
_CALLED_OFF = "parcels that were called off"
_TIMES = {"ordered_at": "ordered_on", "ship_by": "ship_by_on", "deliver_by": "deliver_by_on"}


def take_v0(content: bytes, asked: Asked) -> Taken:
    """Read answers of version 0 into ORDERS and ITEMS."""
    return _taken(content, asked, V0, _take_v0)


def take_v0_items(content: bytes, asked: Asked) -> Taken:
    """Read pages of items alone into ITEMS, and into ORDERS whose cancellation the buyer asked for."""
    return _taken(content, asked, V0_ITEMS, _take_v0)


def take_2026(content: bytes, asked: Asked) -> Taken:
    """Read answers of version 2026-01-01 into ORDERS, ITEMS and SHIPMENTS."""
    return _taken(content, asked, V2026, _take_2026)


TAKE = {V0.name: take_v0, V2026.name: take_2026, V0_ITEMS.name: take_v0_items}


@dataclass
class Book:
    """All that one file says, by order: the order itself, its items and its parcels, each by its own id."""

    asked: Asked
    orders: dict[str, Row] = field(default_factory=dict)
    items: dict[str, dict[str, Row]] = field(default_factory=dict)
    parcels: dict[str, dict[str, Row]] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    skipped: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    answers: int = 0

    def skip(self, reason: str) -> None:
        """Count one thing that is left out, and why."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def wants(self, order: str, block: Block, placed: str, other: bool) -> bool:
        """Whether an order is read: not one of another shop, nor one that was made up."""
        self.rows += 1
        ordered_at = _instant(block, placed, made_up=True)
        reason = OTHER_SHOP if other or re.match(OTHER_SHOP_ID, order) else None if ordered_at else _MADE_UP
        if reason:
            self.left_out.add(order)
            self.skip(reason)
        return reason is None

    def keep(self, order: Row, items: dict[str, Row], parcels: dict[str, Row]) -> None:
        """Keep what one answer says of an order, unless a newer one is held."""
        held = self.orders.get(order["order_id"])
        if held is not None and held["updated_at"] >= order["updated_at"]:
            return
        self.orders[order["order_id"]] = order
        if items:
            self.items[order["order_id"]] = items
        self.parcels[order["order_id"]] = parcels

    def place(self, identifier: str | None, channel: str | None) -> str | None:
        """The marketplace of an id, else of a sales channel, else the one told; None where nothing tells."""
        told, named = self.asked.marketplace, BY_SALES_CHANNEL.get((channel or "").lower())
        if identifier is not None:
            return Snapshot(self.asked, V0.name).place(identifier)
        if told and named and told != named:
            raise ReaderError(
                f"{self.asked.name}: you said marketplace {told}, but the file states {named}. "
                "Leave --marketplace out: the file says it by itself."
            )
        return named or told


def _taken(content: bytes, asked: Asked, kind: Document, take: Callable[[Book, Block], None]) -> Taken:
    """The whole file: every answer in it read, then laid out as tables."""
    if len(content) > MOST_BYTES:
        raise ReaderError(
            f"{asked.name}: holds {len(content):,} bytes; the kit reads no more than {MOST_BYTES:,} of answers in one "
            "file. Keep the pages in several files."
        )
    book = Book(asked)
    for block in _objects(parsed(content, asked.name, kind.title), f"{asked.name}: answer"):
        take(book, block)
    if not book.answers:
        raise ReaderError(f"{asked.name}: holds no answer with orders in it. Ask the Orders API again.")
    return _laid_out(book, kind)


def _objects(value: Any, where: str) -> Iterator[Block]:
    """Every object of a file that is an answer or may wrap one; what stands inside an answer is its own."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _objects(one, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield Block(value, where)
        if not _ANSWERS & value.keys():
            for key, inner in value.items():
                yield from _objects(inner, f"{where}.{name_of(key)}")


_ANSWERS = {"Orders", "OrderItems", "AmazonOrderId", "orders", "orderId", "orderItems"}


def _take_v0(book: Book, block: Block) -> None:
    """One object of version 0: a page of orders, a page of one order's items, or an order."""
    if "Orders" in block.cells:
        book.answers += 1
        for one in block.each("Orders"):
            _take_order_v0(book, one)
    elif {"OrderStatus", "PurchaseDate"} & block.cells.keys():
        book.answers += 1
        _take_order_v0(book, block)
    elif "OrderItems" in block.cells:
        book.answers += 1
        _take_page_of_items(book, block)
    elif "AmazonOrderId" in block.cells:
        book.skip(_OTHER_ANSWERS)
    elif isinstance(block.cells.get("errors"), list):
        book.skip(_FAILED)


def _take_order_v0(book: Book, block: Block) -> None:
    order, sold_on = _order_id(block, "AmazonOrderId"), _text(block, "SalesChannel")
    if not book.wants(order, block, "PurchaseDate", (sold_on or "").lower().startswith("non-amazon")):
        return
    channel = _one_of(block, "FulfillmentChannel", _CHANNELS)
    address = block.inner("ShippingAddress") or Block({}, "")
    counts = [many for many in map(block.count, ("NumberOfItemsShipped", "NumberOfItemsUnshipped")) if many is not None]
    told = {
        "order_id": order,
        "marketplace": book.place(_text(block, "MarketplaceId"), sold_on),
        "channel": channel,
        "status": _status(block, "OrderStatus"),
        "ordered_at": _instant(block, "PurchaseDate"),
        "updated_at": _instant(block, "LastUpdateDate", needed=True),
        "ship_by": _instant(block, "LatestShipDate"),
        "deliver_by": _instant(block, "LatestDeliveryDate"),
        "is_business": _flag(block, "IsBusinessOrder"),
        "is_premium": _premium(channel, _flag(block, "IsPremiumOrder"), _flag(block, "IsPrime")),
        "ship_method": _text(block, "ShipmentServiceLevelCategory"),
        "country": region(_text(address, "CountryCode")),
        "state": region(_text(address, "StateOrRegion")),
        "units": sum(counts) if counts else None,
    }
    book.keep(told, _items_v0(block), {})


def _take_page_of_items(book: Book, block: Block) -> None:
    order = _order_id(block, "AmazonOrderId")
    book.rows += 1
    if re.match(OTHER_SHOP_ID, order):
        book.skip(OTHER_SHOP)
        return
    book.items.setdefault(order, {}).update(_items_v0(block))


def _items_v0(block: Block) -> dict[str, Row]:
    """The items under an order or on a page, by their ids."""
    items = {}
    for number, one in enumerate(block.each("OrderItems")):
        asked_for = one.inner("BuyerRequestedCancel")
        items[_text(one, "OrderItemId") or str(number)] = {
            "sku": _text(one, "SellerSKU"),
            "asin": _text(one, "ASIN"),
            "product": _text(one, "Title"),
            "units": one.count("QuantityOrdered"),
            "by": "buyer" if asked_for and _flag(asked_for, "IsBuyerRequestedCancel") else None,
        }
    return items


def _take_2026(book: Book, block: Block) -> None:
    """One object of version 2026-01-01: a page of orders, or an order."""
    if "orders" in block.cells:
        book.answers += 1
        for one in block.each("orders"):
            _take_order_2026(book, one)
    elif {"orderId", "orderItems"} & block.cells.keys():
        book.answers += 1
        _take_order_2026(book, block)
    elif isinstance(block.cells.get("errors"), list):
        book.skip(_FAILED)


def _take_order_2026(book: Book, block: Block) -> None:
    order, nothing = _order_id(block, "orderId"), Block({}, "")
    sold_on = block.inner("salesChannel") or nothing
    if not book.wants(order, block, "createdTime", _text(sold_on, "channelName") == "NON_AMAZON"):
        return
    fulfilled = block.inner("fulfillment") or nothing
    address = (block.inner("recipient") or nothing).inner("deliveryAddress") or nothing
    channel, programs = _one_of(fulfilled, "fulfilledBy", _CHANNELS), _words(block, "programs")
    told = {
        "order_id": order,
        "marketplace": book.place(_text(sold_on, "marketplaceId"), _text(sold_on, "marketplaceName")),
        "channel": channel,
        "status": _status(fulfilled, "fulfillmentStatus"),
        "ordered_at": _instant(block, "createdTime"),
        "updated_at": _instant(block, "lastUpdatedTime", needed=True),
        "ship_by": _end(fulfilled, "shipByWindow"),
        "deliver_by": _end(fulfilled, "deliverByWindow"),
        "is_business": None if programs is None else "AMAZON_BUSINESS" in programs,
        "is_premium": None if programs is None else _premium(channel, "PREMIUM" in programs, "PRIME" in programs),
        "ship_method": _text(fulfilled, "fulfillmentServiceLevel"),
        "country": region(_text(address, "countryCode")),
        "state": region(_text(address, "stateOrRegion")),
    }
    book.keep(told, _items_2026(block), _parcels(book, block))


def _end(block: Block, key: str) -> datetime | None:
    """The end of a window of time."""
    window = block.inner(key)
    return None if window is None else _instant(window, "latestDateTime")


def _items_2026(block: Block) -> dict[str, Row]:
    """The items of an order, by their ids; each says who cancelled it, if anybody did."""
    items = {}
    for number, one in enumerate(block.each("orderItems")):
        product = one.inner("product") or Block({}, "")
        cancelled = one.inner("cancellation") or Block({}, "")
        done, asked_for = (cancelled.inner(f"cancellation{step}") for step in ("Execution", "Request"))
        items[_text(one, "orderItemId") or str(number)] = {
            "sku": _text(product, "sellerSku"),
            "asin": _text(product, "asin"),
            "product": _text(product, "title"),
            "units": one.count("quantityOrdered"),
            "cancelled": done is not None if "cancellation" in one.cells else None,
            "by": _asked_by_buyer(asked_for) or (_one_of(done, "cancelledBy", _CANCELLERS) if done else None),
        }
    return items


def _asked_by_buyer(block: Block | None) -> str | None:
    """The buyer, where the buyer asked for it, whoever then carried it out: that is not held against the seller."""
    return "buyer" if block and _text(block, "requester") == "BUYER" else None


def _parcels(book: Book, block: Block) -> dict[str, Row]:
    """The parcels of an order, by their ids; only whether there is a tracking number is kept."""
    parcels = {}
    for number, one in enumerate(block.each("packages"), 1):
        state = _text(one.inner("packageStatus") or Block({}, ""), "status")
        if state == "CANCELLED":
            book.skip(_CALLED_OFF)
            continue
        tracking = one.cells.get("trackingNumber") not in (None, "")
        on_its_way = _ON_ITS_WAY.get(state or "")
        many = [inner.count("quantity") for inner in one.each("packageItems")]
        counted = [count for count in many if count is not None]
        parcels[_text(one, "packageReferenceId") or str(number)] = {
            "confirmed_at": _instant(one, "createdTime"),
            "units": sum(counted) if counted else None,
            "tracking": tracking,
            "scanned": None if on_its_way is None else on_its_way and tracking,
            "carrier": _text(one, "carrier"),
            "ship_method": _text(one, "shippingService"),
        }
    return parcels


def _laid_out(book: Book, kind: Document) -> Taken:
    """The tables of a file; orders of which only the items are known are placed by the store's word."""
    for order in book.orders.values():
        _settle(order, list(book.items.get(order["order_id"], {}).values()))
    notes = _notes(book)
    orders = {**book.orders, **_orders_of_items(book)}
    _place_the_others(book, orders, notes)
    tables = {"orders": _order_table(book, orders), "items": _item_table(book, orders)}
    if kind is V2026:
        tables["shipments"] = _shipment_table(book, orders)
    first_day, last_day = span(tables["orders"]["ordered_on"])
    asked = book.asked
    return Taken(
        asked.report, asked.name, kind.name, asked.account, tables, book.rows, book.skipped, notes, first_day, last_day
    )


def _settle(order: Row, items: list[Row]) -> None:
    """Work out of an order's items how many units it has, and who cancelled it, whole or in part."""
    units = [item["units"] for item in items if item["units"] is not None]
    whole = order["status"] == "cancelled"
    in_part = not whole and any(item.get("cancelled") for item in items)
    order["units"] = sum(units) if units else order.get("units")
    order["part_cancelled"] = in_part if whole or any(item.get("cancelled") is not None for item in items) else None
    order["cancelled_at"] = order["updated_at"] if whole or in_part else None
    order["cancelled_by"] = _canceller(items, whole) if whole or in_part else None


def _canceller(items: list[Row], whole: bool) -> str | None:
    """Who cancelled: the seller before Amazon before the buyer; the buyer alone only where it was all the buyer."""
    said = [item["by"] for item in items if whole or item.get("cancelled")]
    if None in said and not {"seller", "amazon"} & set(said):
        return None
    return next((one for one in _CANCELLERS.values() if one in said), None)


def _orders_of_items(book: Book) -> dict[str, Row]:
    """Orders of which a file holds the items alone. It says nothing of when, so any other file is newer."""
    alone = book.items.keys() - book.orders.keys() - book.left_out
    return {
        order: {
            "order_id": order,
            "marketplace": None,
            "updated_at": _EARLIEST,
            "cancelled_by": _canceller(list(book.items[order].values()), whole=True),
        }
        for order in book.items
        if order in alone
    }


def _place_the_others(book: Book, orders: dict[str, Row], notes: list[str]) -> None:
    """Find the marketplace of orders that state none; raises ReaderError where it is not to be known."""
    asked, open_ones = book.asked, [order for order in orders.values() if order["marketplace"] is None]
    known = asked.known(order["order_id"] for order in open_ones)
    if asked.marketplace is None:
        refuse_several(asked.name, known)
    if asked.marketplace and known and not any(asked.marketplace in marketplaces_in(one) for one in known.values()):
        raise ReaderError(
            f"{asked.name}: you said marketplace {asked.marketplace}, but its orders are known to be of "
            f"{', '.join(sorted(set(known.values())))}. Leave --marketplace out: the orders say it."
        )
    for order in open_ones:
        order["marketplace"] = asked.marketplace or known.get(order["order_id"])
    missing = [order for order in open_ones if order["marketplace"] is None]
    seen = sorted({order["marketplace"] for order in orders.values()} - {None})
    if missing and len(seen) != 1:
        others = f"the other orders are of {', '.join(seen)}" if seen else "none of its orders is known yet"
        raise ReaderError(
            f"{asked.name}: does not say of which marketplace {len(missing):,} of its {len(orders):,} orders are, and "
            f"{others}. Say which with --marketplace, or import the orders first."
        )
    for order in missing:
        order["marketplace"] = seen[0]
    if missing:
        notes.append(f"{len(missing):,} orders not known yet: taken as {seen[0]}, as all the others are.")


def _notes(book: Book) -> list[str]:
    """What was assumed, and what the file lacks."""
    parcels = [parcel for order in book.parcels.values() for parcel in order.values()]
    notes = [] if book.rows else ["The file holds no orders."]
    if parcels:
        notes.append(
            f"{len(parcels):,} parcels: the time at which each was created stands for that of its confirmation, "
            "which the Orders API does not tell."
        )
    if any(parcel["scanned"] is not None for parcel in parcels):
        notes.append("Parcels past pending with a tracking number stand for parcels that a carrier scanned.")
    return notes


def _order_table(book: Book, orders: dict[str, Row]) -> pa.Table:
    """One row an order; of one known by its items alone only when it says who cancelled."""
    rows = [row for row in orders.values() if "status" in row or row["cancelled_by"]]
    places = _column(rows, "marketplace").cast(pa.string())
    days = {day: local_days(_column(rows, name).cast(INSTANT), places) for name, day in _TIMES.items()}
    days["cancelled_on"] = local_days(_column(rows, "cancelled_at").cast(INSTANT), places)
    return _filled(ORDERS, rows, days | book.asked.stamp())


def _item_table(book: Book, orders: dict[str, Row]) -> pa.Table:
    """One row an order and SKU; an item without SKU names none."""
    rows: dict[tuple[str, str], Row] = {}
    for number, order in orders.items():
        for item in book.items.get(number, {}).values():
            if item["sku"] is None:
                continue
            row = rows.setdefault((number, item["sku"]), {**order, **item, "units": None})
            if item["units"] is not None:
                row["units"] = (row["units"] or 0) + item["units"]
    return _filled(ITEMS, list(rows.values()), book.asked.stamp())


def _shipment_table(book: Book, orders: dict[str, Row]) -> pa.Table:
    """One row a parcel, as new as its order."""
    rows = []
    for number, parcels in book.parcels.items():
        whose = {name: orders[number][name] for name in ("order_id", "marketplace", "updated_at")}
        rows += [{**whose, "shipment_id": name, **parcel} for name, parcel in parcels.items()]
    places = _column(rows, "marketplace").cast(pa.string())
    confirmed_on = local_days(_column(rows, "confirmed_at").cast(INSTANT), places)
    return _filled(SHIPMENTS, rows, {"confirmed_on": confirmed_on, **book.asked.stamp()})


def _column(rows: list[Row], name: str) -> pa.Array:
    return pa.array([row.get(name) for row in rows])


def _filled(table: Table, rows: list[Row], known: Row) -> pa.Table:
    """A table of rows, with the columns that are known beside them."""
    return fill(table, len(rows), {name: _column(rows, name) for name in table.columns} | known)


def _order_id(block: Block, key: str) -> str:
    """Amazon's order id, or that of an order of another shop."""
    value = _text(block, key)
    if value is None:
        raise ReaderError(f"{block.at(key)} is empty, though no order may lack it. {AGAIN}")
    if not (re.match(AMAZON_ID, value, re.ASCII) or re.match(OTHER_SHOP_ID, value, re.ASCII)):
        refuse(block.at(key), value, "no order id")
    return value


def _text(block: Block, key: str) -> str | None:
    """A text without blanks around it; None where there is none."""
    value = block.cells.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        refuse(block.at(key), value, "where a text belongs")
    # Half of a pair of UTF-16 is no letter, though JSON can write it.
    if any("\ud800" <= letter <= "\udfff" for letter in value) or "\0" in value:
        refuse(block.at(key), value, "holds letters that are none")
    return value.strip() or None


def _words(block: Block, key: str) -> list[str] | None:
    """A list of words; None where the file has none."""
    value = block.cells.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        refuse(block.at(key), value, "where a list of words belongs")
    return value


def _one_of(block: Block, key: str, meanings: dict[str, str]) -> str | None:
    """A word of the API in our spelling; an unknown one refuses the file."""
    value = _text(block, key)
    if value is not None and value.upper() not in meanings:
        refuse(block.at(key), value, f"unknown; there are: {', '.join(meanings)}")
    return None if value is None else meanings[value.upper()]


def _status(block: Block, key: str) -> str | None:
    """A status word in lower case, parted by blanks: `PartiallyShipped` and `PARTIALLY_SHIPPED` are one."""
    value = _text(block, key)
    if value is None:
        return None
    if not re.fullmatch(r"[A-Za-z][A-Za-z_ ]{0,39}", value):
        refuse(block.at(key), value, "no status word")
    status = name_of(value).replace("_", " ")
    return {"canceled": "cancelled"}.get(status, status)


def _flag(block: Block, key: str) -> bool | None:
    """Yes or no, written as such or as text."""
    value = block.cells.get(key)
    if isinstance(value, str):
        value = _FLAGS.get(value.strip().lower(), value) if value.strip() else None
    if value is not None and not isinstance(value, bool):
        refuse(block.at(key), value, "neither true nor false")
    return value


def _premium(channel: str | None, *told: bool | None) -> bool | None:
    """Whether the seller promised more than usual; Amazon's own Prime orders are no promise of the seller's."""
    if all(one is None for one in told):
        return None
    return channel == "seller" and any(told)


def _instant(block: Block, key: str, needed: bool = False, made_up: bool = False) -> datetime | None:
    """An instant in UTC, written ISO 8601 with its offset; one before 1995 is None where it may be made up."""
    value = _text(block, key)
    if value is None:
        if needed or made_up:
            raise ReaderError(f"{block.at(key)} is empty, though no order may lack it. {AGAIN}")
        return None
    try:
        found = datetime.fromisoformat(value.upper()) if _STAMP.fullmatch(value) else None
        instant = found.astimezone(UTC) if found else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        refuse(block.at(key), value, "no time stamp with an offset")
    if made_up and instant < _EARLIEST:
        return None
    if not _EARLIEST <= instant < _LATEST:
        refuse(block.at(key), value, "not in our time")
    return instant
