"""Telling a story of the sample in more of Amazon's files: what waits, what it shipped, took back, and paid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sample_amazon import MARKETPLACE_IDS, Evening, defects
from sample_files import (
    columns,
    instant,
    made_up_buyer,
    money,
    plain_instant,
    said,
    write_commas,
    write_tabs,
)
from sample_life import between, local, one_of_each_run, pick
from sample_story import DOWNLOADED, LAST_DAY, Defect, Life, Line, Order, Parcel, chance

OCTOBER = (date(2026, 10, 1), LAST_DAY)
UNSHIPPED = columns(
    "order-id order-item-id purchase-date payments-date reporting-date promise-date days-past-promise buyer-email "
    "buyer-name buyer-phone-number sku product-name quantity-purchased quantity-shipped quantity-to-ship "
    "ship-service-level recipient-name ship-address-1 ship-address-2 ship-address-3 ship-city ship-state "
    "ship-postal-code ship-country sales-channel is-business-order purchase-order-number price-designation is-prime "
    "verge-of-cancellation verge-of-lateShipment"
)
SHIPMENTS = columns(
    "amazon-order-id merchant-order-id shipment-id shipment-item-id amazon-order-item-id merchant-order-item-id "
    "purchase-date payments-date shipment-date reporting-date buyer-email buyer-name buyer-phone-number sku "
    "product-name quantity-shipped currency item-price item-tax shipping-price shipping-tax gift-wrap-price "
    "gift-wrap-tax ship-service-level recipient-name ship-address-1 ship-address-2 ship-address-3 ship-city "
    "ship-state ship-postal-code ship-country ship-phone-number bill-address-1 bill-address-2 bill-address-3 "
    "bill-city bill-state bill-postal-code bill-country item-promotion-discount ship-promotion-discount carrier "
    "tracking-number estimated-arrival-date fulfillment-center-id fulfillment-channel sales-channel"
)
FBA_RETURNS = columns(
    "return-date order-id sku asin fnsku product-name quantity fulfillment-center-id detailed-disposition reason "
    "status license-plate-number customer-comments"
)
SETTLEMENT = columns(
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency transaction-type "
    "order-id merchant-order-id adjustment-id shipment-id marketplace-name shipment-fee-type shipment-fee-amount "
    "order-fee-type order-fee-amount fulfillment-id posted-date order-item-code merchant-order-item-id "
    "merchant-adjustment-item-id sku quantity-purchased price-type price-amount item-related-fee-type "
    "item-related-fee-amount misc-fee-amount other-fee-amount other-fee-reason-description promotion-id "
    "promotion-type promotion-amount direct-payment-type direct-payment-amount other-amount"
)
WHY_BACK = ("UNWANTED_ITEM", "DEFECTIVE", "NOT_AS_DESCRIBED", "ORDERED_WRONG_ITEM", "UNWANTED_ITEM")


# ---------------------------------------------------------------- what waits to be shipped


def write_unshipped(life: Life, folder: Path) -> None:
    """The orders that wait at the download, each line of them with its promise."""
    waiting = [order for order in life.seller_orders if order.status(DOWNLOADED) == "Unshipped"]
    rows = [unshipped_row(life, number, order, line) for number, order in enumerate(waiting) for line in order.lines]
    write_tabs(folder / f"unshipped_{DOWNLOADED:%Y-%m-%d}.txt", UNSHIPPED, rows, life.story.market.encoding)


def unshipped_row(life: Life, number: int, order: Order, line: Line) -> dict[str, str]:
    """One line; its payment is written in the marketplace's zone and its promise in UTC, as Amazon does."""
    zone = life.story.market.zone
    past = (DOWNLOADED.astimezone(zone).date() - order.ship_by.date()).days
    return {
        "order-id": order.order_id,
        "order-item-id": line.item_id,
        "purchase-date": instant(order.placed_at),
        "payments-date": order.paid_at.astimezone(zone).isoformat(timespec="seconds"),
        "reporting-date": order.paid_at.astimezone(zone).isoformat(timespec="seconds"),
        "promise-date": instant(order.ship_by),
        "days-past-promise": str(past),
        "sku": line.product.sku,
        "product-name": line.product.name,
        "quantity-purchased": str(line.units),
        "quantity-shipped": "0",
        "quantity-to-ship": str(line.units),
        "ship-service-level": "Standard",
        "sales-channel": life.story.market.sales_channel,
        "is-business-order": said(order.business),
        "price-designation": "Business Price" if order.business else "",
        "is-prime": said(order.prime),
        "verge-of-cancellation": said(past >= 5),
        "verge-of-lateShipment": said(past == 0),
        **made_up_buyer(life.story, number),
        "ship-state": order.state,
    }


# ---------------------------------------------------------------- what Amazon shipped and took back


def write_amazon_shipments(life: Life, folder: Path) -> None:
    """What left Amazon's warehouse in October; one line stands twice, as happens."""
    zone = life.story.market.zone
    sent = [
        (order, order.parcels[0])
        for order in life.orders
        if order.channel == "amazon" and order.parcels
        and OCTOBER[0] <= order.shipped_at.astimezone(zone).date() <= OCTOBER[1]
    ]  # fmt: skip
    rows = [shipment_row(life, order, parcel, line) for order, parcel in sent for line in order.lines]
    rows.insert(12, rows[11])
    write_tabs(folder / "amazon_shipments_2026-10.txt", SHIPMENTS, rows, life.story.market.encoding)


def shipment_row(life: Life, order: Order, parcel: Parcel, line: Line) -> dict[str, str]:
    """One item of a parcel; its dates bear the marketplace's own offset."""
    market = life.story.market
    there = {
        name: moment.astimezone(market.zone).isoformat(timespec="seconds")
        for name, moment in (
            ("purchase-date", order.placed_at),
            ("payments-date", order.paid_at),
            ("shipment-date", parcel.confirmed_at),
            ("reporting-date", parcel.confirmed_at + timedelta(hours=3)),
            ("estimated-arrival-date", parcel.confirmed_at + timedelta(days=3)),
        )
    }
    return {
        "amazon-order-id": order.order_id,
        "shipment-id": f"D{order.order_id[-7:]}",
        "shipment-item-id": f"D{line.item_id[-9:]}",
        "amazon-order-item-id": line.item_id,
        **there,
        "sku": line.product.sku,
        "product-name": line.product.name,
        "quantity-shipped": str(line.units),
        "currency": market.currency,
        "item-price": money(life.story, line.product.price * line.units),
        "ship-service-level": "Standard",
        "ship-state": order.state,
        "ship-country": market.country,
        "carrier": "AMZN_US",
        "tracking-number": f"TEST{line.item_id[-7:]}",
        "fulfillment-center-id": "SMP1",
        "fulfillment-channel": "AFN",
        "sales-channel": market.sales_channel if order.own else "Non-Amazon",
    }


def write_fba_returns(life: Life, folder: Path) -> None:
    """What came back to Amazon's warehouse in October: one of twenty orders, each unit with a licence plate."""
    rng, zone, rows = chance(6, 900), life.story.market.zone, []
    sent = [order for order in life.orders if order.own and order.channel == "amazon" and order.parcels]
    sent = [order for order in sent if date(2026, 9, 15) <= order.day <= date(2026, 10, 20)]
    for count, order in enumerate(one_of_each_run(sent, 1 / 20, rng), start=1):
        day = order.day + timedelta(int(between(rng, 9, 30)))
        if OCTOBER[0] <= day <= OCTOBER[1]:
            at = local(day, time(4 + int(rng.random() * 15), 17), zone).astimezone(zone)
            rows.append(fba_return_row(order, count, at, pick(rng, WHY_BACK)))
    rows.sort(key=lambda row: row["return-date"])
    write_tabs(folder / "fba_returns_2026-10.txt", FBA_RETURNS, rows, life.story.market.encoding)


def fba_return_row(order: Order, count: int, at: datetime, reason: str) -> dict[str, str]:
    """One unit that came back."""
    product = order.lines[0].product
    return {
        "return-date": at.isoformat(timespec="seconds"),
        "order-id": order.order_id,
        "sku": product.sku,
        "asin": product.asin,
        "fnsku": f"X00SAMP{product.asin[-2:]}",
        "product-name": product.name,
        "quantity": "1",
        "fulfillment-center-id": "SMP1",
        "detailed-disposition": "DEFECTIVE" if reason == "DEFECTIVE" else "SELLABLE",
        "reason": reason,
        "status": "Unit returned to inventory",
        "license-plate-number": f"LPNSAMPLE{count:04d}",
    }


# ---------------------------------------------------------------- what Amazon paid


def write_settlement(life: Life, folder: Path) -> None:
    """October's settlement: its total, and what refunds, claims and chargebacks took; they agree with the defects."""
    known = [row for row in life.defects if OCTOBER[0] <= row.known_on <= OCTOBER[1] and not row.cleared_on]
    known.sort(key=lambda row: (row.known_on, row.order_id, row.kind))
    rows = [settled_row(life, number, row) for number, row in enumerate(known, start=1)]
    total = {
        **period(life),
        "deposit-date": local(LAST_DAY + timedelta(2), time(9), life.story.market.zone).isoformat(),
        "total-amount": money(life.story, sum(float(row["price-amount"]) for row in rows)),
    }
    write_tabs(folder / "settlement_2026-10.txt", SETTLEMENT, [total, *rows], life.story.market.encoding)


def period(life: Life) -> dict[str, str]:
    """What every row of a settlement repeats."""
    zone = life.story.market.zone
    return {
        "settlement-id": "20261031001",
        "settlement-start-date": local(OCTOBER[0], time(0), zone).isoformat(),
        "settlement-end-date": local(OCTOBER[1], time(23, 59, 59), zone).isoformat(),
        "currency": life.story.market.currency,
    }


TYPES = {"refund": "Refund", "a_to_z_claim": "A-to-z Guarantee Refund", "chargeback": "Chargeback Refund"}


def settled_row(life: Life, number: int, row: Defect) -> dict[str, str]:
    """One sum that went back to a buyer, on the day on which that became known."""
    order = life.of(row.order_id)
    line = order.lines[0]
    return {
        **period(life),
        "transaction-type": TYPES[row.kind],
        "order-id": row.order_id,
        "adjustment-id": f"ADJ{number:05d}",
        "marketplace-name": life.story.market.sales_channel,
        "posted-date": local(row.known_on, time(11), life.story.market.zone).isoformat(),
        "order-item-code": line.item_id,
        "sku": line.product.sku,
        "quantity-purchased": str(line.units),
        "price-type": "Principal",
        "price-amount": money(life.story, -line.product.price * line.units),
    }


# ---------------------------------------------------------------- the Orders API


def write_orders_api(life: Life, folder: Path) -> None:
    """October's orders as one answer of the Orders API of 2026-01-01."""
    placed = [order for order in life.orders if OCTOBER[0] <= order.day <= OCTOBER[1]]
    orders = [api_order(life, number, order) for number, order in enumerate(placed)]
    answer = {"orders": orders, "createdBefore": plain_instant(DOWNLOADED)}
    (folder / "orders_api_2026-10.json").write_bytes(f"{json.dumps(answer, indent=1)}\n".encode())


def api_order(life: Life, number: int, order: Order) -> dict[str, Any]:
    """One order with its promises, its items and its parcels; every tenth with its made-up buyer."""
    market = life.story.market
    buyer, address = api_buyer(life, number) if number % 10 == 0 else ({}, {})
    return {
        "orderId": order.order_id,
        "createdTime": plain_instant(order.placed_at),
        "lastUpdatedTime": plain_instant(order.updated_at(DOWNLOADED)),
        "programs": ["AMAZON_BUSINESS"] if order.business else [],
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": MARKETPLACE_IDS[life.story.marketplace],
            "marketplaceName": market.sales_channel,
        },
        **buyer,
        "recipient": {
            "deliveryAddress": {**address, "stateOrRegion": order.state, "countryCode": market.country},
        },
        "fulfillment": {
            "fulfillmentStatus": order.status(DOWNLOADED).upper(),
            "fulfilledBy": "MERCHANT",
            "fulfillmentServiceLevel": "STANDARD",
            "shipByWindow": {"latestDateTime": plain(order.ship_by)},
            "deliverByWindow": {"latestDateTime": plain(order.deliver_by)},
        },
        "orderItems": [api_item(order, line) for line in order.lines],
        "packages": [*api_packages(order)],
    }


def api_buyer(life: Life, number: int) -> tuple[dict[str, Any], dict[str, str]]:
    """What the API says of a buyer, and of the address: made up, and for a reader to leave out."""
    told = made_up_buyer(life.story, number)
    address = {"name": "recipient-name", "addressLine1": "ship-address-1", "city": "ship-city"}
    address |= {"postalCode": "ship-postal-code", "phone": "ship-phone-number"}
    buyer = {"buyerName": told["buyer-name"], "buyerEmail": told["buyer-email"]}
    return {"buyer": buyer}, {name: told[column] for name, column in address.items()}


def plain(moment: datetime) -> str:
    """An instant in UTC, past or to come."""
    return instant(moment).replace("+00:00", "Z")


def api_item(order: Order, line: Line) -> dict[str, Any]:
    """One item of an order."""
    product, sent = line.product, line.units if order.status(DOWNLOADED) == "Shipped" else 0
    return {
        "orderItemId": line.item_id,
        "quantityOrdered": line.units,
        "product": {"asin": product.asin, "title": product.name, "sellerSku": product.sku},
        "fulfillment": {"quantityFulfilled": sent, "quantityUnfulfilled": line.units - sent},
    }


def api_packages(order: Order) -> Iterator[dict[str, Any]]:
    """The parcels that were confirmed by the download, under the numbers that the seller gave them."""
    for count, parcel in enumerate(order.parcels, start=1):
        if parcel.confirmed_at <= DOWNLOADED:
            there = parcel.delivered_at is not None and parcel.delivered_at <= DOWNLOADED
            yield {
                "packageReferenceId": f"P{count}",
                "createdTime": plain_instant(parcel.confirmed_at),
                "carrier": parcel.carrier,
                "shippingService": order.ship_method,
                "trackingNumber": parcel.tracking,
                "packageStatus": {"status": "DELIVERED" if there else "IN_TRANSIT"},
            }


# ---------------------------------------------------------------- the list of orders with defects


def write_defect_list(life: Life, folder: Path) -> None:
    """Amazon's list of the orders behind its order defect rate of the last day: each with an X for what went wrong."""
    found = defects(Evening(life, LAST_DAY), "seller")
    orders = [life.of(order_id) for order_id in set().union(*found.values())]
    rows = [
        (
            *(order.order_id, str(order.day), "Seller"),
            *("X" if order.order_id in found[kind] else "" for kind in ("negativeFeedback", "claims", "chargebacks")),
        )
        for order in sorted(orders, key=lambda order: (order.placed_at, order.order_id))
    ]
    header = "Order ID,Order date,Fulfilled by,Negative feedback,A-to-z claim,Chargeback"
    write_commas(folder / f"order_defects_list_{LAST_DAY}.csv", header, rows)
