"""Parser of answers of Mercado Libre's API saved as JSON: orders, with their shipments, and the seller's reputation.

An order comes from `orders/search` or `orders/ID`. When it was due and left stands in its shipment alone: in an answer
of `shipments/ID` in the same file, or in place of the order's own `shipping`. No data of buyers is read. The reputation
is that of `users/ID` or of the global seller; its rates are Mercado Libre's own, and it does not state its day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from healthkit.ingest.formats import order_files
from healthkit.ingest.formats.performance_json import JsonObject, parse_json
from healthkit.ingest.parsing.amounts import amount_text, parse_plain_amount, to_ten_thousandths
from healthkit.ingest.parsing.cells import parse_day_in_name
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError
from healthkit.ingest.parsing.reported_figures import (
    ALL_CHANNELS,
    ReportedFigure,
    ReportedFigures,
    RoundedShare,
    parse_share,
    parse_timestamp_day,
    refuse_value,
)

ORDERS = DocumentKind("mercado_libre_orders", "orders of Mercado Libre's API (JSON)", "{[", ('"order_items"',))
REPUTATION = DocumentKind(
    "mercado_libre_reputation", "seller reputation of Mercado Libre's API (JSON)", "{[",
    ('"seller_reputation"', '"delayed_handling_time"'),
)  # fmt: skip
MARKETPLACE = "MERCADO_LIBRE"
MAX_FILE_BYTES = 200_000_000
"""Largest size of a file of orders. [bytes]"""

Row = dict[str, str | None]

_LAYOUT = "mercado_libre_sales"
_STATUSES = {
    "confirmed": "pending", "payment_required": "pending", "payment_in_process": "pending",
    "partially_paid": "pending", "paid": "unshipped", "partially_refunded": "unshipped", "pending_cancel": "unshipped",
    "cancelled": "cancelled", "invalid": "cancelled",
}  # fmt: skip
"""The kit's status for each status of an order; a shipment may say more."""
_SHIPPED = ("shipped", "not_delivered", "delivered")
_CANCELLERS = {"seller": "seller", "buyer": "buyer", "meli": "amazon"}
_GROUPS = {"delivery": "amazon", "fiscal": "amazon", "fraud": "amazon", "internal": "amazon", "shipment": "amazon"}
"""Who cancelled, by the group of reasons, where no one is named as the one who asked for it."""
_SPLIT = "pack_splitted"
_SPLIT_REASON = "orders of a pack that Mercado Libre split into other orders"
_OTHER_SITE = "figures of other sites than {site}"
_METRICS = {
    "claims": "case_rate", "delayed_handling_time": "late_shipment_rate", "cancellations": "cancellation_rate",
}  # fmt: skip
"""The metric of each figure of the reputation."""
_SITE = "MLM"
"""The site whose rules the policy has: of several in one file its figures are read. [Mexico]"""
_PERIOD = re.compile(r"(\d{1,4}) (day|month|year)s?")
_STATED_DAYS = ("as_of", "date", "retrieved_at")


def parse_orders(content: bytes, context: ReadContext) -> FileContents:
    """Parse orders, and shipments beside or inside them, into the tables ORDERS, ITEMS, SHIPMENTS and DEFECTS.

    Raises ReaderError for a file without orders and for an unknown status of an order.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ReaderError(
            f"{context.name}: holds {len(content):,} bytes; the kit reads no more than {MAX_FILE_BYTES:,} of answers "
            "in one file. Keep the pages in several files."
        )
    blocks = list(_find_blocks(parse_json(content, context.name, ORDERS.title), f"{context.name}: answer"))
    orders = _newest_orders([one for one in blocks if "order_items" in one.fields])
    if not orders and not any("results" in one.fields for one in blocks):
        raise ReaderError(f"{context.name}: holds no answer with orders in it. Ask the API for orders again.")
    shipments = {_text(one, "id"): one for one in blocks if "status_history" in one.fields}
    kept = {number: one for number, one in orders.items() if _cancel_code(one) != _SPLIT}
    rows = [row for number, one in kept.items() for row in _order_rows(number, one, shipments)]
    contents = order_files.parse_records(rows, _LAYOUT, context, _notes(kept, rows))
    contents.rows = len(orders)
    if len(kept) < len(orders):
        contents.skipped[_SPLIT_REASON] = len(orders) - len(kept)
    return contents


def _find_blocks(value: Any, where: str) -> Iterator[JsonObject]:
    """Yield every object of a file, but none inside an order or a shipment."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _find_blocks(one, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield JsonObject(value, where)
        if not {"order_items", "status_history"} & value.keys():
            for key, inner in value.items():
                yield from _find_blocks(inner, f"{where}.{key}")


def _newest_orders(blocks: list[JsonObject]) -> dict[str, JsonObject]:
    """Return the orders by id, each as its newest answer says."""
    orders: dict[str, JsonObject] = {}
    for one in blocks:
        number = _text(one, "id")
        if number is None:
            raise ReaderError(f"{one.path_of('id')} is empty, though no order may lack it. Ask the API again.")
        known = orders.get(number)
        if known is None or (_text(one, "last_updated") or "") >= (_text(known, "last_updated") or ""):
            orders[number] = one
    return orders


def _order_rows(number: str, order: JsonObject, shipments: Mapping[str | None, JsonObject]) -> Iterator[Row]:
    """Yield an order as rows of an order file, one for each of its items."""
    nothing = JsonObject({}, order.location)
    shipping = order.child_object("shipping") or nothing
    shipment = shipments.get(_text(shipping, "id"), shipping)
    details = order.child_object("cancel_detail") or nothing
    common = {
        "order-id": number,
        "ordered-at": _text(order, "date_created"),
        "status": _status(order, shipment),
        "cancelled-at": _text(details, "date"),
        "cancelled-by": _canceller(details),
        "updated-at": _text(order, "last_updated"),
        "case-open": "yes" if order.fields.get("mediations") else "no",
        **_shipment_cells(shipment),
    }
    for item in order.iterate_objects("order_items"):
        product = item.child_object("item") or nothing
        yield common | {
            "sku": _text(product, "seller_sku") or _text(product, "seller_custom_field"),
            "product": _text(product, "title"),
            "units": _text(item, "quantity"),
            "unit-price": _unit_price(item),
            "currency": _text(item, "currency_id") or _text(order, "currency_id"),
        }


def _unit_price(item: JsonObject) -> str | None:
    """Return the price of one unit as text; None if it is missing or no amount."""
    price = parse_plain_amount(item.fields.get("unit_price"))
    return None if price is None else amount_text(to_ten_thousandths(price))


def _shipment_cells(shipment: JsonObject) -> Row:
    """Return what a shipment says: when it was due and left, when it was promised and arrived, who sent it."""
    nothing = JsonObject({}, shipment.location)
    history, option, agreed, lead, logistic = (
        shipment.child_object(key) or nothing
        for key in ("status_history", "shipping_option", "sla", "lead_time", "logistic")
    )
    kind = _text(shipment, "logistic_type") or _text(logistic, "type")
    channel = {None: None, "fulfillment": "amazon"}.get(kind, "seller")
    return {
        "shipped-at": _text(history, "date_shipped"),
        "delivered-at": _text(history, "date_delivered"),
        "ship-by": _text(agreed, "expected_date") or _limit(option, lead, "estimated_handling_limit"),
        "deliver-by": _limit(option, lead, "estimated_delivery_limit"),
        "tracking": _text(shipment, "tracking_number"),
        "ship-method": _text(shipment, "tracking_method"),
        "channel": channel,
    }


def _limit(option: JsonObject, lead: JsonObject, key: str) -> str | None:
    """Return the day of a limit, which stands in the option of shipping or, in newer answers, in the lead time."""
    blocks = (one.child_object(key) for one in (option, lead))
    return next((found for block in blocks if block and (found := _text(block, "date"))), None)


def _status(order: JsonObject, shipment: JsonObject) -> str:
    """Return the kit's status of an order, by the order, its tags and its shipment."""
    stated = _text(order, "status")
    if stated not in _STATUSES:
        refuse_value(order.path_of("status"), stated, f"unknown; there are: {', '.join(_STATUSES)}")
    status = _STATUSES[stated]
    if status == "cancelled":
        return status
    tags = order.fields.get("tags")
    sent = _text(shipment, "status")
    if sent == "delivered" or (isinstance(tags, list) and "delivered" in tags):
        return "delivered"
    return "shipped" if sent in _SHIPPED else status


def _canceller(details: JsonObject) -> str | None:
    """Return who cancelled; None if the order does not say."""
    requested_by, group = ((_text(details, key) or "").lower() for key in ("requested_by", "group"))
    return _CANCELLERS.get(requested_by) or _CANCELLERS.get(group) or _GROUPS.get(group)


def _cancel_code(order: JsonObject) -> str | None:
    details = order.child_object("cancel_detail")
    return _text(details, "code") if details else None


def _notes(orders: Mapping[str, JsonObject], rows: list[Row]) -> list[str]:
    """Return notes on what the file lacks, and on ids that another file spells otherwise."""
    notes = [] if orders else ["The file holds no orders."]
    if orders and not any(row["ship-by"] for row in rows):
        notes.append("No order says when it was due to ship: keep the answers of shipments/ID in the same file.")
    packs = Counter(pack for one in orders.values() if (pack := _text(one, "pack_id")))
    if packs:
        notes.append(
            f"{sum(packs.values()):,} orders stand in a pack, whose number the sales report (ventas) may show instead. "
            "Import either the answers of the API or the sales report for the same days."
        )
    return notes


def _text(block: JsonObject, key: str) -> str | None:
    """Return a text or a whole number as text; None if it is missing or empty."""
    value = block.fields.get(key)
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < 10**25:
        return str(int(value))
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        refuse_value(block.path_of(key), value, "where a text or a whole number belongs")
    # Half of a pair of UTF-16 is no letter, though JSON can write it.
    if any("\ud800" <= letter <= "\udfff" for letter in value) or "\0" in value:
        refuse_value(block.path_of(key), value, "holds letters that are none")
    return " ".join(value.split())


def parse_reputation(content: bytes, context: ReadContext) -> FileContents:
    """Parse the reputation of a seller into the table READINGS.

    The rates are as displayed: without the sales that Mercado Libre excludes. The answer does not state its day, which
    must stand in the name of the file. Raises ReaderError for a file without a day or without figures.
    """
    blocks = list(_find_blocks(parse_json(content, context.name, REPUTATION.title), f"{context.name}: answer"))
    day = _day_of_answer(blocks, context.name)
    found = [one for one in blocks if isinstance(one.fields.get("metrics"), dict)]
    if not found:
        raise ReaderError(f"{context.name}: holds no reputation with metrics in it. Ask the API for users/ID again.")
    if context.marketplace not in (None, MARKETPLACE):
        raise ReaderError(
            f"{context.name}: you said marketplace {context.marketplace}, but this is a file of {MARKETPLACE}. "
            "Leave --marketplace out."
        )
    reported = ReportedFigures(context)
    chosen, site = _choose_site(found, blocks)
    for _ in range(len(found) - 1):
        reported.count_skipped(_OTHER_SITE.format(site=site or "the first"))
    _read_metrics(reported, chosen.child_object("metrics") or chosen, day)
    level = _text(chosen, "level_id")
    if level:
        reported.notes.append(f"Level of the reputation: {level.split('_', 1)[-1].replace('_', ' ')}.")
    return reported.to_contents(day)


def _day_of_answer(blocks: list[JsonObject], name: str) -> date:
    """Return the day of an answer: one that was added to it, or else the one in the name of its file."""
    for block in blocks[:1]:
        for key in _STATED_DAYS:
            day = parse_timestamp_day(block.fields.get(key), block.path_of(key))
            if day is not None:
                return day
    day = parse_day_in_name(name)
    if day is None:
        raise ReaderError(
            f"{name}: the reputation says nowhere of which day it is. Put the day on which you asked for it into its "
            "name, as reputation_2026-10-31.json."
        )
    return day


def _choose_site(found: list[JsonObject], blocks: list[JsonObject]) -> tuple[JsonObject, str | None]:
    """Return the reputation of the site whose rules the policy has, or else the first, and its site."""
    sites = {one.location: _text(one, "site_id") for one in blocks}
    by_site = [(one, sites.get(one.location.rpartition(".")[0])) for one in found]
    return next((pair for pair in by_site if pair[1] == _SITE), by_site[0])


def _read_metrics(reported: ReportedFigures, metrics: JsonObject, day: date) -> None:
    """Add each rate with its days, and note what is excluded from it."""
    completed = metrics.child_object("sales")
    sales = completed.count("completed") if completed else None
    for key, metric in _METRICS.items():
        block = metrics.child_object(key)
        if block is None:
            reported.count_skipped("figures that the file leaves empty")
            continue
        first = _first_day(_text(block, "period"), day)
        if first is None:
            refuse_value(block.path_of("period"), block.fields.get("period"), "no period such as 60 days")
        rate, value = parse_share(block.first_value("rate"), block.path_of("rate")), block.count("value")
        counted = _infer_counted(value, rate, sales)
        if counted != sales:
            reported.notes.append(f"{key}: the file states {sales or 0:,} sales; by its rate there are {counted:,}.")
        figure = ReportedFigure(metric, ALL_CHANNELS, first, day, counted, value, rate=rate)
        reported.add_figure(MARKETPLACE, figure)
        excluded = block.child_object("excluded")
        real = excluded.count("real_value") if excluded else None
        if real and real != value:
            reported.notes.append(f"{key}: Mercado Libre counts {value or 0:,} of {real:,}; it excludes the others.")


def _infer_counted(value: int | None, rate: RoundedShare | None, sales: int | None) -> int | None:
    """Return the number that a rate is taken of: the completed sales where they fit it, else the one that does.

    Mercado Libre takes claims and cancellations of all sales, and late handling of parcels, and states neither.

    >>> rate = RoundedShare(Decimal("0.0228"), 4)
    >>> _infer_counted(6, rate, 244), _infer_counted(6, rate, 263), _infer_counted(0, rate, 244)
    (263, 263, 244)
    """
    if not value or rate is None or not rate.value or (sales and rate.matches(value, sales)):
        return sales
    return round(value / rate.value)


def _first_day(period: str | None, last: date) -> date | None:
    """Return the first day of a period that ends on a day; None for other text.

    >>> _first_day("60 days", date(2026, 10, 31)), _first_day("3 months", date(2026, 5, 31))
    (datetime.date(2026, 9, 2), datetime.date(2026, 3, 1))
    >>> _first_day("historic", date(2026, 5, 31))
    """
    found = _PERIOD.fullmatch((period or "").lower())
    if found is None or not 0 < int(found[1]) < 1_000:
        return None
    count, unit = int(found[1]), found[2]
    if unit == "day":
        return last - timedelta(days=count - 1)
    months = last.year * 12 + last.month - 1 - count * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(last.day, monthrange(year, month)[1])) + timedelta(days=1)
