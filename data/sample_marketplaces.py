"""Six accounts of other marketplaces than Amazon, each in the files that a seller there downloads.

Their orders are lived as those of the eight (`sample_life`, `sample_after`), with the ids of their marketplace, and
told by one writer for each marketplace (`sample_marketplace_files`). What no download tells stands in plain CSV files:

- Walmart's file names no time of shipment, delivery or cancellation, and nothing of refunds and returns;
- eBay's file lacks cancelled orders (answers of the API hold them) and cases;
- Etsy's files lack cases and messages; nothing at all covers reviews;
- TikTok Shop's file names neither ship-by nor deliver-by days, Mercado Libre's and Shopify's no ship-by days.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, time, timedelta
from pathlib import Path

from sample_after import live_on
from sample_files import plain_instant, write_commas
from sample_life import live, local
from sample_lists import write_contacts
from sample_marketplace_files import (
    SoldOrder,
    write_ebay_cancellations,
    write_ebay_orders,
    write_ebay_standards,
    write_etsy_items,
    write_etsy_orders,
    write_etsy_star_seller,
    write_mercado_libre_reputation,
    write_mercado_libre_sales,
    write_shopify_orders,
    write_tiktok_orders,
    write_walmart_orders,
)
from sample_story import DOWNLOADED, Defect, Life, Order, Product, Story, Trouble

OPENED, END = "2026-06-01", "2026-10-31"
"""First and last day of these accounts."""

CLOSED = (("2026-02-01", 0), ("2026-05-31", 0))
"""No orders before the shop opens."""


MARKETPLACE_STORIES = (
    Story(
        "cedar-and-copper",
        "Walmart: parcels arrive late since September, most of them with one of two carriers.",
        "WALMART_US",
        (*CLOSED, (OPENED, 1), (END, 3)),
        (
            Product("CC-PAN10", "", "Copper pan, 10 in", 64.0, 2),
            Product("CC-BOARD", "", "Cedar cutting board", 38.5, 4),
            Product("CC-SPOON", "", "Spoons, set of 5", 19.9, 4),
        ),
        (
            Trouble("late_delivery", OPENED, "2026-09-09", 1 / 25),
            Trouble("late_delivery", "2026-09-10", END, 1 / 6.5),
            Trouble("lost", OPENED, END, 1 / 120),
            Trouble("seller_cancel", OPENED, END, 1 / 110),
            Trouble("buyer_cancel", OPENED, "2026-09-30", 1 / 60),
            Trouble("part_cancel", OPENED, "2026-09-20", 1 / 5),
            Trouble("refund", OPENED, END, 1 / 40),
        ),
        ("FedEx", "OnTrac"),
        messages=((OPENED, 0.4), (END, 0.8)),
        late_answers=((OPENED, END, 1 / 40),),
    ),
    Story(
        "second-spin-audio",
        "eBay: healthy, every rate far inside its limit.",
        "EBAY",
        (*CLOSED, (OPENED, 0.5), ("2026-07-20", 1), ("2026-08-01", 4.9), (END, 5.2)),
        (
            Product("SS-DECK", "", "Turntable, restored", 149.0, 2),
            Product("SS-CART", "", "Cartridge, moving magnet", 42.0, 4),
            Product("SS-SLV50", "", "Record sleeves, 50", 17.5, 5),
        ),
        (
            Trouble("late", OPENED, END, 1 / 60),
            Trouble("seller_cancel", OPENED, END, 1 / 220),
            Trouble("buyer_cancel", OPENED, END, 1 / 70),
            Trouble("claim", OPENED, END, 1 / 430),
        ),
        ("USPS", "UPS"),
        claim_detail="not as described",
    ),
    Story(
        "moss-and-thimble",
        "Etsy: orders ship in time, but since September many messages wait longer than two days.",
        "ETSY",
        (*CLOSED, (OPENED, 1.4), (END, 2.4)),
        (
            Product("MT-KIT-FERN", "", "Embroidery kit, fern", 28.0, 4),
            Product("MT-KIT-MOTH", "", "Embroidery kit, moth", 28.0, 3),
            Product("MT-THIMBLE", "", "Leather thimble", 12.0, 4),
        ),
        (
            Trouble("late", OPENED, END, 1 / 14),
            Trouble("seller_cancel", OPENED, END, 1 / 120),
            Trouble("buyer_cancel", OPENED, END, 1 / 60),
            Trouble("claim", OPENED, END, 1 / 150),
        ),
        ("USPS",),
        claim_detail="not received",
        messages=((OPENED, 0.7), (END, 1.1)),
        late_answers=((OPENED, "2026-08-31", 1 / 12), ("2026-09-01", "2026-10-30", 1 / 1.4)),
    ),
    Story(
        "saltbox-candles",
        "TikTok Shop: a video brought more orders in October than could be packed in time.",
        "TIKTOK_US",
        (*CLOSED, (OPENED, 1), ("2026-09-20", 1.6), ("2026-10-08", 6), (END, 3)),
        (
            Product("SC-SEA", "", "Candle, sea salt", 22.0, 5),
            Product("SC-FIG", "", "Candle, fig", 22.0, 4),
            Product("SC-WICK", "", "Wick trimmer", 14.0, 2),
        ),
        (
            Trouble("late", OPENED, "2026-10-06", 1 / 50),
            Trouble("very_late", "2026-10-07", "2026-10-16", 1 / 4),
            Trouble("late", "2026-10-17", END, 1 / 12),
            Trouble("late_delivery", OPENED, END, 1 / 18),
            Trouble("seller_cancel", OPENED, END, 1 / 80),
            Trouble("buyer_cancel", OPENED, END, 1 / 30),
        ),
        ("USPS", "UPS"),
    ),
    Story(
        "casa-jacaranda",
        "Mercado Libre: since late August more sales have a complaint than the green colour allows.",
        "MERCADO_LIBRE",
        (*CLOSED, (OPENED, 1.5), (END, 2.6)),
        (
            Product("CJ-TAZON", "", "Tazón de barro 500 ml", 189.0, 4),
            Product("CJ-JARRA", "", "Jarra de vidrio soplado", 420.0, 2),
            Product("CJ-MANTEL", "", "Mantel bordado 2 m", 650.0, 2),
        ),
        (
            Trouble("claim", OPENED, "2026-08-20", 1 / 90),
            Trouble("claim", "2026-08-21", END, 1 / 13),
            Trouble("late", OPENED, END, 1 / 16),
            Trouble("late_delivery", OPENED, END, 1 / 20),
            Trouble("seller_cancel", OPENED, END, 1 / 60),
            Trouble("buyer_cancel", OPENED, END, 1 / 40),
        ),
        ("Estafeta", "DHL"),
    ),
    Story(
        "northfield-paper",
        "Shopify: orders from Etsy in one list with those of the shop's own page, which no marketplace judges.",
        "ETSY",
        (*CLOSED, (OPENED, 1.4), (END, 2.2)),
        (
            Product("NP-CARD8", "", "Cards, 8 with envelopes", 18.0, 5),
            Product("NP-PLAN", "", "Wall planner", 24.0, 3),
            Product("NP-WRAP", "", "Wrapping paper, 3 sheets", 11.0, 3),
        ),
        (
            Trouble("late", OPENED, "2026-08-31", 1 / 5),
            Trouble("late", "2026-09-01", END, 1 / 9),
            Trouble("seller_cancel", OPENED, END, 1 / 100),
            Trouble("buyer_cancel", OPENED, END, 1 / 60),
            Trouble("claim", OPENED, END, 1 / 200),
        ),
        ("USPS",),
        claim_detail="arrived damaged",
        messages=((OPENED, 0.4), (END, 0.6)),
        late_answers=((OPENED, END, 1 / 10),),
    ),
)
"""Written after the eight, and numbered on from them."""


# ---------------------------------------------------------------- ids of each marketplace's own form


@dataclass(frozen=True)
class OrderIds:
    """How one kind of file names orders and their lines, from the digits of the life's id and the order's place."""

    order: Callable[[str, int], str]
    line: Callable[[str], str] = lambda digits: digits
    splits_orders: bool = False
    """Whether each line of an order is an order of its own, in a pack."""
    has_own_shop: bool = False
    """Whether the same file holds orders of the seller's own shop, which no marketplace judges."""


SHOPIFY = "northfield-paper"
IDS = {
    "cedar-and-copper": OrderIds(lambda digits, _: f"10{digits[-13:]}"),
    "second-spin-audio": OrderIds(
        lambda digits, _: f"{digits[-12:-10]}-{digits[-10:-5]}-{digits[-5:]}", lambda digits: f"9{digits[-11:]}"
    ),
    "moss-and-thimble": OrderIds(lambda digits, _: f"3{digits[-9:]}", lambda digits: f"4{digits[-9:]}"),
    "saltbox-candles": OrderIds(lambda digits, _: f"57646{digits[-13:]}"),
    "casa-jacaranda": OrderIds(
        lambda digits, _: f"200000{digits[-10:]}", lambda digits: f"200001{digits[-10:]}", splits_orders=True
    ),
    SHOPIFY: OrderIds(lambda _, place: f"#{1001 + place}", has_own_shop=True),
}
OWN_SHOP_DIGITS = "05"
"""Last digits of those orders of the Shopify account that were placed on its own page."""


def live_elsewhere(story: Story, number: int) -> Life:
    """The life of an account, with the ids of its marketplace in all that names an order."""
    life, ids = live(story, number), IDS[story.account]
    live_on(life, number)
    names, orders = dict[str, str](), list[Order]()
    for place, order in enumerate(life.orders):
        sold = list(sold_orders(order, place, ids))
        names[order.order_id] = sold[0].order_id
        orders += sold
    if len({order.order_id for order in orders}) < len(orders):
        raise ValueError(f"{story.account}: two orders have one id; change the seed of the account.")
    own_shop = {order.order_id for order in life.orders if in_own_shop(order, ids)}
    return replace(
        life,
        orders=orders,
        defects=[replace(row, order_id=names[row.order_id]) for row in life.defects if row.order_id not in own_shop],
        messages=[replace(row, order_id=names[row.order_id]) for row in life.messages if row.order_id not in own_shop],
    )


def in_own_shop(order: Order, ids: OrderIds) -> bool:
    """Whether the order, under its life's id, was placed on the shop's own page."""
    return ids.has_own_shop and order.order_id[-1] in OWN_SHOP_DIGITS


def sold_orders(order: Order, place: int, ids: OrderIds) -> list[SoldOrder]:
    """The order under its new id; where every line is an order, so many orders of one pack."""
    digits = re.sub(r"\D", "", order.order_id)
    known = {one.name: getattr(order, one.name) for one in fields(Order)}
    lines = [replace(line, item_id=ids.line(line.item_id)) for line in order.lines]
    order_id, own_shop = ids.order(digits, place), in_own_shop(order, ids)
    if not ids.splits_orders or len(lines) == 1:
        return [SoldOrder(**known | {"order_id": order_id, "lines": lines}, own_shop=own_shop)]
    parcels = order.parcels if len(order.parcels) == len(lines) else order.parcels * len(lines)
    troubles = [order.troubles, order.troubles - {"claim"}]
    return [
        SoldOrder(
            **known
            | {"order_id": line.item_id, "lines": [line], "troubles": marks, "parcels": parcels[count : count + 1]},
            pack=order_id,
        )
        for count, (line, marks) in enumerate(zip(lines, troubles, strict=True))
    ]


# ---------------------------------------------------------------- what no download tells


def write_parcels(life: Life, folder: Path) -> None:
    """The seller's own list of parcels, with the days by which each was to be sent and to arrive."""
    rows = [
        (
            *(order.order_id, plain_instant(parcel.confirmed_at), day(order.ship_by), day(order.deliver_by)),
            *(plain_instant(parcel.delivered_at), str(parcel.units), parcel.carrier, parcel.tracking),
        )
        for order in life.orders
        if not order.own_shop
        for parcel in order.parcels
        if parcel.confirmed_at <= DOWNLOADED
    ]
    header = "order-id,confirmed-at,ship-by,deliver-by,delivered-at,units,carrier,tracking"
    write_commas(folder / "ship_confirmations.csv", header, rows)


def day(moment: datetime) -> str:
    """A promised day, whose last second counts."""
    return str(moment.date())


def write_defect_rows(folder: Path, defects: list[Defect]) -> None:
    """The plain CSV of defects that were known by the download."""
    known = sorted((row.known_on, row.order_id, row.kind, row.detail) for row in defects)
    rows = [(name, kind, str(on), "", detail) for on, name, kind, detail in known if on <= DOWNLOADED.date()]
    write_commas(folder / "defects.csv", "order-id,kind,known-on,cleared-on,detail", rows)


def write_cases(life: Life, folder: Path) -> None:
    """Cases that the marketplace counts against the seller."""
    write_defect_rows(folder, [replace(row, kind="case") for row in life.defects if row.kind == "a_to_z_claim"])


def write_refunds(life: Life, folder: Path) -> None:
    """Refunds, and parcels that the buyer says never came."""
    lost = [
        Defect(order.order_id, "not_received", order.deliver_by.date() + timedelta(4), None, "")
        for order in life.orders
        if "lost" in order.troubles
    ]
    write_defect_rows(folder, [*(row for row in life.defects if row.kind == "refund"), *lost])


def write_returned(life: Life, folder: Path) -> None:
    """What buyers sent back: asked for five days before the refund, and granted the next day."""
    lines = {order.order_id: order.lines[0] for order in life.orders}
    known = sorted((row.known_on, row.order_id) for row in life.defects if row.kind == "refund")
    rows = []
    for count, (on, name) in enumerate(known, start=1):
        asked_at = local(on - timedelta(5), time(11, 30), life.story.market.zone)
        answered_at = asked_at + timedelta(hours=22)
        if answered_at <= DOWNLOADED:
            cells = (plain_instant(asked_at), plain_instant(answered_at), "refunded", lines[name].product.sku)
            rows.append((f"R{count:04d}", name, *cells))
    write_commas(folder / "return_requests.csv", "return-id,order-id,requested-at,answered-at,decision,sku", rows)


Writer = Callable[[Life, Path], None]

FILES: dict[str, tuple[Writer, ...]] = {
    "cedar-and-copper": (write_walmart_orders, write_parcels, write_refunds, write_returned, write_contacts),
    "second-spin-audio": (write_ebay_orders, write_ebay_cancellations, write_ebay_standards, write_cases),
    "moss-and-thimble": (write_etsy_orders, write_etsy_items, write_etsy_star_seller, write_cases, write_contacts),
    "saltbox-candles": (write_tiktok_orders, write_parcels),
    "casa-jacaranda": (write_mercado_libre_sales, write_mercado_libre_reputation, write_parcels),
    SHOPIFY: (write_shopify_orders, write_parcels, write_cases, write_contacts),
}
"""The files of each account: the downloads of its marketplace first."""


def write_marketplace_account(story: Story, number: int, out: Path) -> None:
    """One account's folder, with the files that such an account would have."""
    life, folder = live_elsewhere(story, number), out / story.account
    folder.mkdir(parents=True, exist_ok=True)
    for write in FILES[story.account]:
        write(life, folder)
