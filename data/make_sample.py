"""Write eight invented accounts in Amazon's own file formats, each a story: `python data/make_sample.py [OUT_DIR]`.

Every account, order, buyer and number is made up. Orders run from 1 February to 31 October 2026; the files are as
if downloaded on 2 November 2026. The same program writes the same bytes each time: all chance comes from
`random.Random(seed).random()`, whose numbers Python promises not to change, and nothing reads the clock.

A `Story` holds what an account is like, its `Trouble` rows what goes wrong, when, and how often. A story is lived
(orders are placed, cancelled, shipped, complained of) and then told (one writer for each kind of file).
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

Thing = TypeVar("Thing")
SEED = 20261102
FIRST_DAY, LAST_DAY = date(2026, 2, 1), date(2026, 10, 31)
DOWNLOADED = datetime(2026, 11, 2, 12, tzinfo=UTC)
OLDER_DOWNLOAD = datetime(2026, 10, 24, 17, tzinfo=UTC)
"""When October's orders were first downloaded; what changed since stands in the file by last update."""

RETURNS_FROM = date(2026, 9, 3)
QUARTERS = (date(2026, 2, 1), date(2026, 4, 1), date(2026, 7, 1), date(2026, 10, 1), date(2026, 11, 1))
ORDER_REPORTS = (date(2026, 5, 1), date(2026, 7, 1), date(2026, 9, 1), date(2026, 11, 1))
"""First days of the files; an order report reaches back 60 days at most, so it is downloaded every other month."""

WEEKDAYS = (1.12, 1.04, 1.0, 0.98, 0.94, 0.88, 1.04)
HOURS = (7, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 16, 17, 18, 19, 19, 20, 20, 20, 21, 21, 22, 23)


# ---------------------------------------------------------------- what stays the same for a marketplace


@dataclass(frozen=True)
class Market:
    """How one marketplace's files look: names, zone, money, dates, words and encodings."""

    sales_channel: str
    zone: ZoneInfo
    currency: str
    country: str
    prefixes: tuple[str, ...]
    feedback_day: str
    feedback_header: tuple[str, ...]
    comments: tuple[str, ...]
    answer: str
    street: str
    orders_encoding: str = "utf-8"
    encoding: str = "utf-8"


ENGLISH_HEADER = ("Date", "Rating", "Comments", "Your Response", "Order ID", "Rater Email")
ENGLISH_COMMENTS = (
    "Arrived with a broken corner",
    "Took far longer than promised",
    'Smaller than I thought, "large" it is not',
    "Stopped working after a week",
    "Not the colour in the picture",
    "No answer to my two messages",
    "Fine, but the box was open",
)
GERMAN_COMMENTS = (
    "Kam viel zu spät an",
    "Verpackung beschädigt, Gerät läuft aber",
    "Größe passt nicht zur Beschreibung",
    "Zwei Tage über dem Termin geliefert",
    "Leider ohne Zubehör",
)
JAPANESE_COMMENTS = (
    "箱がつぶれていました",
    "写真と色が少し違います",
    "届くまでに時間がかかりました",
    "インクがすぐに切れました",
    "普通です",
)
GERMAN_HEADER = ("Datum", "Bewertung", "Kommentare", "Ihre Antwort", "Bestellnummer", "E-Mail des Käufers")
JAPANESE_HEADER = ("日付", "評価", "コメント", "出品者の返信", "注文番号", "評価者のEメール")

MARKETS = {
    "US": Market(
        *("Amazon.com", ZoneInfo("America/Los_Angeles"), "USD", "US", ("111", "112", "113", "114")),
        *("{m}/{d}/{y}", ENGLISH_HEADER, ENGLISH_COMMENTS, "Sorry, a new one is on its way.", "1 Sample Street"),
    ),
    "UK": Market(
        *("Amazon.co.uk", ZoneInfo("Europe/London"), "GBP", "GB", ("202", "203", "204", "206")),
        *(
            "{d}/{m}/{y}",
            ENGLISH_HEADER,
            ENGLISH_COMMENTS,
            "Sorry about this, we have refunded you.",
            "1 Sample Street",
        ),
    ),
    "DE": Market(
        *("Amazon.de", ZoneInfo("Europe/Berlin"), "EUR", "DE", ("302", "303", "304", "305")),
        *("{d}.{m}.{y}", GERMAN_HEADER, GERMAN_COMMENTS, "Bitte entschuldigen Sie die Verspätung.", "Musterstraße 1"),
        orders_encoding="cp1252",
    ),
    "JP": Market(
        *("Amazon.co.jp", ZoneInfo("Asia/Tokyo"), "JPY", "JP", ("249", "250", "503")),
        *("{y}/{m}/{d}", JAPANESE_HEADER, JAPANESE_COMMENTS, "ご迷惑をおかけしました。", "見本通り 1"),
        orders_encoding="cp932",
        encoding="cp932",
    ),
}


# ---------------------------------------------------------------- what a story is made of


@dataclass(frozen=True)
class Product:
    """One thing for sale; `weight` is its share of the orders against the others'."""

    sku: str
    asin: str
    name: str
    price: float
    weight: int = 1


@dataclass(frozen=True)
class Trouble:
    """What happens to a share of the orders placed from one day to another, on one product and channel or on any.

    The share is met exactly: one order, chosen by chance, out of each run of 1/share.
    """

    kind: str
    first: str
    last: str
    share: float
    sku: str = ""
    channel: str = ""


@dataclass(frozen=True)
class Story:
    """One account: its pace in orders a day, what it sells and how, and what goes wrong."""

    account: str
    about: str
    marketplace: str
    pace: tuple[tuple[str, float], ...]
    products: tuple[Product, ...]
    troubles: tuple[Trouble, ...]
    carriers: tuple[str, ...] = ()
    seller_share: float = 1.0
    transit: int = 4
    layout: str = "wide"
    claim_detail: str = "item not as described"
    claims_won: float = 0.0
    claims_with_feedback: float = 0.0
    returns: bool = False
    defects_file: bool = True

    @property
    def market(self) -> Market:
        """The marketplace's ways of writing."""
        return MARKETS[self.marketplace]


@dataclass
class Line:
    """One item of an order; a line of an order that ships can be cancelled alone."""

    product: Product
    units: int
    item_id: str
    cancelled: bool = False


@dataclass
class Parcel:
    """One parcel: when its dispatch was confirmed, and when it was delivered, if ever."""

    units: int
    confirmed_at: datetime
    delivered_at: datetime | None
    carrier: str
    tracking: str


@dataclass
class Order:
    """One order as it turned out; `seen_at` a download it may not have come so far."""

    order_id: str
    placed_at: datetime
    day: date
    channel: str
    lines: list[Line]
    business: bool
    promotion: str
    paid_at: datetime
    ship_by: datetime
    deliver_by: datetime
    troubles: set[str] = field(default_factory=set)
    cancelled_at: datetime | None = None
    parcels: list[Parcel] = field(default_factory=list)
    touched_at: datetime | None = None

    @property
    def own(self) -> bool:
        """Whether it was bought on Amazon; S01- orders only leave Amazon's warehouse."""
        return not self.order_id.startswith("S")

    @property
    def shipped_at(self) -> datetime:
        """When the first parcel was confirmed."""
        return self.parcels[0].confirmed_at

    def status(self, seen_at: datetime) -> str:
        """The order status that a file downloaded at that instant shows."""
        if self.cancelled_at and self.cancelled_at <= seen_at:
            return "Cancelled"
        if self.parcels and self.shipped_at <= seen_at:
            return "Shipped"
        return "Unshipped" if self.paid_at <= seen_at else "Pending"

    def updated_at(self, seen_at: datetime) -> datetime:
        """When the order last changed, as a file downloaded at that instant shows."""
        changes = [self.placed_at, self.paid_at, self.cancelled_at, self.touched_at]
        changes += [parcel.confirmed_at for parcel in self.parcels]
        return max(change for change in changes if change and change <= seen_at)


@dataclass(frozen=True)
class Defect:
    """One line of the defects file."""

    order_id: str
    kind: str
    known_on: date
    cleared_on: date | None
    detail: str


@dataclass(frozen=True)
class Rating:
    """One line of the feedback file."""

    received_on: date
    stars: int
    order_id: str


@dataclass
class Life:
    """One account's lived story: all its orders and what was said of them."""

    story: Story
    orders: list[Order]
    defects: list[Defect] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)

    @property
    def seller_orders(self) -> list[Order]:
        """The orders that the seller ships."""
        return [order for order in self.orders if order.channel == "seller"]


# ---------------------------------------------------------------- the eight stories

BEGIN, END = "2026-02-01", "2026-10-31"

STORIES = (
    Story(
        "applegate-plants",
        "Healthy: half of it shipped by Amazon, every rate far inside its target.",
        "US",
        ((BEGIN, 7), ("2026-05-01", 9), ("2026-07-15", 8.5), ("2026-09-01", 12.5), (END, 14)),
        (
            Product("AP-PLT12", "B0SAMPLE11", 'Planter 12" terracotta', 24.95, 3),
            Product("AP-TRWL", "B0SAMPLE12", "Steel hand trowel", 14.5, 3),
            Product("AP-SEED8", "B0SAMPLE13", "Herb seeds, 8 bags", 11.99, 4),
            Product("AP-MIST", "B0SAMPLE14", "Plant mister", 16.0, 2),
        ),
        (
            Trouble("negative", BEGIN, END, 1 / 340, channel="seller"),
            Trouble("negative", BEGIN, END, 1 / 280, channel="amazon"),
            Trouble("neutral", BEGIN, END, 1 / 300),
            Trouble("claim", BEGIN, END, 1 / 900, channel="seller"),
            Trouble("late", BEGIN, END, 1 / 90),
            Trouble("late_delivery", BEGIN, END, 1 / 45),
            Trouble("lost", BEGIN, END, 1 / 400),
            Trouble("seller_cancel", BEGIN, "2026-10-18", 1 / 220, channel="seller"),
            Trouble("buyer_cancel", BEGIN, END, 1 / 70),
            Trouble("part_cancel", BEGIN, "2026-10-15", 1 / 30),
            Trouble("refund", BEGIN, END, 1 / 80),
        ),
        ("UPS", "USPS"),
        seller_share=0.55,
    ),
    Story(
        "lantern-hill-lighting",
        "Claims spike: from mid August a reading lamp was sold with a hinge that cracks.",
        "US",
        ((BEGIN, 5), ("2026-07-10", 6.5), ("2026-08-15", 27), (END, 28.5)),
        (
            Product("LH-READ", "B0SAMPLE21", "Reading lamp, folding", 39.99, 3),
            Product("LH-STRIP", "B0SAMPLE22", "LED strip, 16 ft", 18.49, 6),
            Product("LH-BULB4", "B0SAMPLE23", "Warm bulbs, 4", 13.25, 7),
            Product("LH-SHD15", "B0SAMPLE24", 'Linen shade 15"', 27.0, 4),
        ),
        (
            Trouble("claim", "2026-08-17", "2026-09-06", 1 / 16, sku="LH-READ"),
            Trouble("claim", "2026-09-07", "2026-09-30", 1 / 9, sku="LH-READ"),
            Trouble("november_claim", "2026-09-20", "2026-10-10", 1 / 40, sku="LH-READ"),
            Trouble("claim", BEGIN, END, 1 / 700),
            Trouble("chargeback", "2026-08-17", "2026-09-30", 1 / 50, sku="LH-READ"),
            Trouble("chargeback", BEGIN, END, 1 / 1500),
            Trouble("negative", BEGIN, END, 1 / 330),
            Trouble("negative", "2026-08-17", "2026-09-30", 1 / 120, sku="LH-READ"),
            Trouble("neutral", BEGIN, END, 1 / 280),
            Trouble("late", BEGIN, END, 1 / 60),
            Trouble("late_delivery", BEGIN, END, 1 / 25),
            Trouble("lost", BEGIN, END, 1 / 350),
            Trouble("seller_cancel", BEGIN, END, 1 / 150),
            Trouble("buyer_cancel", BEGIN, END, 1 / 60),
            Trouble("part_cancel", BEGIN, "2026-10-15", 1 / 40),
            Trouble("refund", BEGIN, END, 1 / 70),
            Trouble("refund", "2026-08-17", "2026-09-30", 1 / 7, sku="LH-READ"),
        ),
        ("UPS", "USPS", "FedEx"),
        claim_detail="lamp hinge cracked",
        claims_won=0.2,
        claims_with_feedback=0.25,
        returns=True,
    ),
    Story(
        "birchway-crafts",
        "Late shipments: a move of the warehouse from 5 to 14 October, and stock that got lost in it.",
        "US",
        ((BEGIN, 4.5), ("2026-07-10", 7), ("2026-09-10", 23), (END, 24.5)),
        (
            Product("BC-YARN", "B0SAMPLE31", "Merino yarn, 6 balls", 32.0, 4),
            Product("BC-HOOP9", "B0SAMPLE32", 'Embroidery hoop 9"', 9.95, 4),
            Product("BC-BEADS", "B0SAMPLE33", "Wooden beads, 200", 12.4, 3),
            Product("BC-LOOM", "B0SAMPLE34", "Small table loom", 54.0, 1),
        ),
        (
            Trouble("late", BEGIN, "2026-10-01", 1 / 55),
            Trouble("very_late", "2026-10-02", "2026-10-12", 0.175),
            Trouble("late", "2026-10-13", END, 1 / 18),
            Trouble("late_delivery", BEGIN, END, 1 / 28),
            Trouble("lost", BEGIN, END, 1 / 300),
            Trouble("seller_cancel", BEGIN, "2026-10-17", 1 / 130),
            Trouble("seller_cancel", "2026-10-18", "2026-10-23", 1 / 60),
            Trouble("seller_cancel", "2026-10-24", END, 1 / 27),
            Trouble("buyer_cancel", BEGIN, END, 1 / 55),
            Trouble("part_cancel", BEGIN, "2026-10-15", 1 / 40),
            Trouble("negative", BEGIN, END, 1 / 350),
            Trouble("neutral", BEGIN, END, 1 / 260),
            Trouble("claim", BEGIN, END, 1 / 800),
        ),
        ("USPS", "UPS"),
        claim_detail="not received",
    ),
    Story(
        "thistle-and-wren",
        "Recovering: defects and late dispatch were off target in August and September, and are just back.",
        "UK",
        ((BEGIN, 6), ("2026-06-01", 9), ("2026-08-15", 18), (END, 19)),
        (
            Product("TW-POT", "B0SAMPLE41", "Stoneware teapot", 34.0, 3),
            Product("TW-MUG4", "B0SAMPLE42", "Mugs, set of 4", 26.5, 4),
            Product("TW-TRAY", "B0SAMPLE43", 'Oak tray 14"', 22.0, 2),
            Product("TW-COSY", "B0SAMPLE44", "Knitted tea cosy", 15.75, 3),
        ),
        (
            Trouble("negative", BEGIN, "2026-06-09", 1 / 250),
            Trouble("negative", "2026-06-10", "2026-08-17", 1 / 110),
            Trouble("negative", "2026-08-18", END, 1 / 150),
            Trouble("neutral", BEGIN, END, 1 / 200),
            Trouble("claim", BEGIN, "2026-06-09", 1 / 500),
            Trouble("claim", "2026-06-10", "2026-08-17", 1 / 120, sku="TW-POT"),
            Trouble("claim", "2026-06-10", "2026-08-17", 1 / 180),
            Trouble("claim", "2026-08-18", END, 1 / 240),
            Trouble("chargeback", BEGIN, END, 1 / 1200),
            Trouble("late", BEGIN, "2026-07-09", 1 / 50),
            Trouble("late", "2026-07-10", "2026-09-16", 1 / 16),
            Trouble("late", "2026-09-17", END, 1 / 29),
            Trouble("late_delivery", BEGIN, END, 1 / 30),
            Trouble("lost", BEGIN, END, 1 / 350),
            Trouble("seller_cancel", BEGIN, END, 1 / 160),
            Trouble("buyer_cancel", BEGIN, END, 1 / 150),
            Trouble("part_cancel", BEGIN, "2026-10-15", 1 / 40),
            Trouble("refund", BEGIN, END, 1 / 60),
        ),
        ("Royal Mail", "Evri"),
        transit=3,
        layout="classic",
        claim_detail="arrived broken",
        claims_won=0.1,
        claims_with_feedback=0.2,
        returns=True,
    ),
    Story(
        "paper-moth",
        "Tiny: an order every other day, so that one unhappy buyer is a rate of three percent.",
        "US",
        ((BEGIN, 0.4), (END, 0.45)),
        (
            Product("PM-BOOK", "B0SAMPLE51", "Bound notebook, dotted", 21.0, 2),
            Product("PM-SLV15", "B0SAMPLE52", 'Felt sleeve 15"', 29.0, 1),
        ),
        (
            Trouble("negative", "2026-09-01", "2026-10-05", 1 / 15),
            Trouble("late", BEGIN, "2026-08-31", 1 / 45),
            Trouble("buyer_cancel", BEGIN, "2026-09-30", 1 / 40),
        ),
        ("USPS",),
        defects_file=False,
    ),
    Story(
        "clearbrook-bath",
        "Amazon ships everything: no confirmations at all, only what buyers say of the orders.",
        "US",
        ((BEGIN, 4.5), ("2026-07-01", 7), (END, 9)),
        (
            Product("CB-TOWEL", "B0SAMPLE61", "Waffle towels, 3", 36.0, 3),
            Product("CB-RACK18", "B0SAMPLE62", 'Bamboo rack 18"', 28.9, 2),
            Product("CB-SOAP", "B0SAMPLE63", "Olive soap, 6 bars", 17.25, 4),
        ),
        (
            Trouble("negative", BEGIN, END, 1 / 150),
            Trouble("neutral", BEGIN, END, 1 / 130),
            Trouble("buyer_cancel", BEGIN, END, 1 / 45),
            Trouble("seller_cancel", BEGIN, END, 1 / 400),
        ),
        seller_share=0.0,
    ),
    Story(
        "werkstatt-lindenau",
        "German: tools that arrive late too often, most of them with one of two carriers.",
        "DE",
        ((BEGIN, 4), (END, 7.5)),
        (
            Product("WL-SAEGE", "B0SAMPLE71", "Japansäge 240 mm", 31.9, 3),
            Product("WL-SCHL", "B0SAMPLE72", "Schraubenschlüssel, 8 Größen", 44.5, 3),
            Product("WL-TSCH15", "B0SAMPLE73", 'Werkzeugtasche 15"', 38.0, 2),
            Product("WL-OEL", "B0SAMPLE74", "Pflegeöl für Holz", 12.8, 3),
        ),
        (
            Trouble("late_delivery", BEGIN, "2026-07-31", 1 / 18),
            Trouble("late_delivery", "2026-08-01", END, 1 / 9.3),
            Trouble("lost", BEGIN, END, 1 / 300),
            Trouble("late", BEGIN, END, 1 / 60),
            Trouble("negative", BEGIN, END, 1 / 260),
            Trouble("neutral", BEGIN, END, 1 / 150),
            Trouble("claim", BEGIN, END, 1 / 700),
            Trouble("seller_cancel", BEGIN, "2026-10-16", 1 / 150),
            Trouble("buyer_cancel", BEGIN, END, 1 / 60),
            Trouble("part_cancel", BEGIN, "2026-10-15", 1 / 25),
        ),
        ("DHL", "Hermes"),
        transit=2,
        claim_detail="nicht angekommen",
    ),
    Story(
        "minato-bungu",
        "Japanese: all well, but one cancelled order in a week of so few is close to the limit.",
        "JP",
        ((BEGIN, 4), (END, 6.9)),
        (
            Product("MB-PEN3", "B0SAMPLE81", "ゲルインクペン 3色", 880, 5),
            Product("MB-NOTE5", "B0SAMPLE82", "方眼ノート A5 5冊", 1480, 4),
            Product("MB-SLV15", "B0SAMPLE83", 'ノートPCケース 15"', 2980, 2),
            Product("MB-TAPE", "B0SAMPLE84", "和紙テープ 表示用", 640, 3),
        ),
        (
            Trouble("negative", BEGIN, END, 1 / 300),
            Trouble("neutral", BEGIN, END, 1 / 160),
            Trouble("late", BEGIN, END, 1 / 110),
            Trouble("late_delivery", BEGIN, END, 1 / 110),
            Trouble("seller_cancel", BEGIN, "2026-10-22", 1 / 75),
            Trouble("seller_cancel", "2026-10-24", "2026-10-29", 1 / 32),
            Trouble("buyer_cancel", BEGIN, END, 1 / 80),
            Trouble("part_cancel", BEGIN, "2026-10-15", 1 / 25),
        ),
        ("ヤマト運輸", "日本郵便"),
        transit=2,
    ),
)


# ---------------------------------------------------------------- living a story


def between(rng: Random, low: float, high: float) -> float:
    """A number from low to high, every one as likely."""
    return low + (high - low) * rng.random()


def pick(rng: Random, things: Sequence[Thing]) -> Thing:
    """One of the things."""
    return things[int(rng.random() * len(things))]


def digits(rng: Random, count: int) -> str:
    """So many digits."""
    return f"{int(rng.random() * 10**count):0{count}d}"


def local(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """That wall-clock time on that day, as an instant in UTC."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a local day, kept in its own zone as Amazon writes its promises."""
    return datetime.combine(day, time(23, 59, 59), zone)


def working_days(day: date, count: int) -> date:
    """The day so many Mondays-to-Fridays later, or earlier when the count is negative."""
    step = timedelta(1 if count > 0 else -1)
    while count:
        day += step
        count -= (day.weekday() < 5) * (1 if step.days > 0 else -1)
    return day


def daytime(rng: Random, first_hour: int, last_hour: int) -> time:
    """A time of day within office hours."""
    return time(int(between(rng, first_hour, last_hour)), int(rng.random() * 60), int(rng.random() * 60))


def shopping_time(rng: Random) -> time:
    """When somebody orders: mostly in the evening, and now and then within minutes of midnight."""
    if rng.random() < 0.03:
        return time(pick(rng, (0, 23)), 0).replace(minute=int(rng.random() * 10) + 50 * (rng.random() < 0.5))
    return time(pick(rng, HOURS), int(rng.random() * 60), int(rng.random() * 60))


def pace(story: Story, day: date) -> float:
    """Orders expected on that day: straight lines between the story's points, times the rhythm of the week."""
    days = [date.fromisoformat(text) for text, _ in story.pace]
    at = min(max(bisect_right(days, day), 1), len(days) - 1)
    (low_day, high_day), (low, high) = days[at - 1 : at + 1], (story.pace[at - 1][1], story.pace[at][1])
    share = (day - low_day) / (high_day - low_day)
    return (low + (high - low) * share) * WEEKDAYS[day.weekday()]


def place_orders(story: Story, number: int, rng: Random) -> list[Order]:
    """All orders of one account, oldest first."""
    orders, used = [], set[str]()
    for offset in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(offset)
        for _ in range(int(pace(story, day) * between(rng, 0.8, 1.2) + rng.random())):
            order = place_order(story, number, day, rng)
            if order.order_id not in used:
                used.add(order.order_id)
                orders.append(order)
    return sorted(orders, key=lambda order: (order.placed_at, order.order_id))


def place_order(story: Story, number: int, day: date, rng: Random) -> Order:
    """One order of that day, with its promises and nothing gone wrong yet."""
    market, channel = story.market, "seller" if rng.random() < story.seller_share else "amazon"
    placed_at = local(day, shopping_time(rng), market.zone)
    # Most payments clear within the half hour that Amazon waits; a few take days.
    hours = rng.random() / 2 if rng.random() < 0.93 else between(rng, 2, 60)
    paid_at = placed_at + timedelta(seconds=int(hours * 3600))
    ship_by = working_days(paid_at.astimezone(market.zone).date(), 1 if rng.random() < 0.35 else 2)
    elsewhere = channel == "amazon" and rng.random() < 0.02
    return Order(
        # The account's number inside the id keeps ids apart over all accounts.
        order_id=f"{'S01' if elsewhere else pick(rng, market.prefixes)}-{number}{digits(rng, 6)}-{digits(rng, 7)}",
        placed_at=placed_at,
        day=day,
        channel=channel,
        lines=fill_basket(story, number, rng),
        business=rng.random() < 0.05,
        promotion="SAMPLE-COUPON-10" if rng.random() < 0.03 else "",
        paid_at=paid_at,
        ship_by=end_of_day(ship_by, market.zone),
        deliver_by=end_of_day(working_days(ship_by, story.transit), market.zone),
    )


def fill_basket(story: Story, number: int, rng: Random) -> list[Line]:
    """One item, or in five of a hundred orders two."""
    shelf = [product for product in story.products for _ in range(product.weight)]
    chosen = [pick(rng, shelf)]
    if rng.random() < 0.05:
        chosen.append(pick(rng, [product for product in story.products if product is not chosen[0]]))
    units = [1 if rng.random() < 0.92 else 2 + int(rng.random() * 2) for _ in chosen]
    return [Line(product, count, f"{number}{digits(rng, 13)}") for product, count in zip(chosen, units, strict=True)]


def one_of_each_run(orders: list[Order], share: float, rng: Random) -> Iterator[Order]:
    """One order by chance out of each run of 1/share, so that the share is met and yet looks unplanned."""
    run = 1 / share
    for start in range(int(len(orders) / run)):
        yield orders[int(start * run + rng.random() * run)]


KINDS: dict[str, Callable[[Order], bool]] = {
    "seller_cancel": lambda order: order.own,
    "buyer_cancel": lambda order: order.own and "seller_cancel" not in order.troubles,
    "part_cancel": lambda order: sells_itself(order) and len(order.lines) == 2,
    "late": lambda order: sells_itself(order),
    "very_late": lambda order: sells_itself(order),
    "late_delivery": lambda order: sells_itself(order) and not order.troubles & {"late", "very_late"},
    "lost": lambda order: sells_itself(order) and "late_delivery" not in order.troubles,
    "claim": lambda order: sells_itself(order),
    "november_claim": lambda order: sells_itself(order) and "claim" not in order.troubles,
    "chargeback": lambda order: order.own and stays(order),
    "negative": lambda order: order.own and stays(order),
    "neutral": lambda order: order.own and stays(order) and "negative" not in order.troubles,
    "refund": lambda order: order.own and stays(order),
}
"""Which orders each kind of trouble may befall, in the order in which the kinds are dealt out."""


def stays(order: Order) -> bool:
    """Whether the order was not cancelled."""
    return not order.troubles & {"seller_cancel", "buyer_cancel"}


def sells_itself(order: Order) -> bool:
    """Whether the seller ships the order."""
    return order.channel == "seller" and stays(order)


def deal_troubles(story: Story, orders: list[Order], rng: Random) -> None:
    """Mark each order with what will go wrong with it."""
    for kind, may_befall in KINDS.items():
        for trouble in (row for row in story.troubles if row.kind == kind):
            first, last = date.fromisoformat(trouble.first), date.fromisoformat(trouble.last)
            candidates = [
                order
                for order in orders
                if first <= order.day <= last
                and trouble.channel in ("", order.channel)
                and trouble.sku in ("", order.lines[0].product.sku)
                and may_befall(order)
            ]
            for order in one_of_each_run(candidates, trouble.share, rng):
                order.troubles.add(kind)


def cancel(order: Order, rng: Random) -> None:
    """Cancel the order, or one line of it: buyers within hours, sellers when they look for the goods."""
    if "seller_cancel" in order.troubles:
        order.cancelled_at = order.paid_at + timedelta(seconds=int(between(rng, 8, 30) * 3600))
    elif "buyer_cancel" in order.troubles:
        order.cancelled_at = order.placed_at + timedelta(seconds=int(between(rng, 0.3, 6) * 3600))
    elif "part_cancel" in order.troubles:
        order.lines[1].cancelled = True
    if order.cancelled_at:
        order.paid_at = min(order.paid_at, order.cancelled_at)
        for line in order.lines:
            line.cancelled = True


def confirmation_time(story: Story, order: Order, rng: Random) -> datetime:
    """When the first parcel's dispatch is confirmed, late or in time."""
    due, zone = order.ship_by.date(), story.market.zone
    if "very_late" in order.troubles:
        return local(due + timedelta(1 + int(rng.random() * 5)), daytime(rng, 9, 19), zone)
    if "late" in order.troubles:
        # Some miss the end of the day by minutes: only a reader that knows the zone gets them right.
        minutes_late = rng.random() < 0.2
        return local(due + timedelta(1), daytime(rng, 0, 1) if minutes_late else daytime(rng, 8, 18), zone)
    if rng.random() < 0.04:
        return local(due, daytime(rng, 22, 24), zone)
    early = working_days(due, -1)
    return local(early if early > order.paid_at.astimezone(zone).date() else due, daytime(rng, 9, 18), zone)


def delivery_time(story: Story, order: Order, confirmed_at: datetime, rng: Random) -> datetime | None:
    """When the parcel arrives, if it does; a parcel that left late often arrives late."""
    if "lost" in order.troubles:
        return None
    due, zone = order.deliver_by.date(), story.market.zone
    soonest = confirmed_at.astimezone(zone).date() + timedelta(max(1, story.transit - 1))
    if "late_delivery" in order.troubles:
        return local(due + timedelta(1 + int(rng.random() * 3)), daytime(rng, 9, 19), zone)
    return local(max(soonest, due - timedelta(int(rng.random() * 3))), daytime(rng, 9, 20), zone)


def ship(story: Story, order: Order, rng: Random) -> None:
    """Send what was not cancelled, in one parcel or two; Amazon's own parcels are not the seller's to confirm."""
    units = [line.units for line in order.lines if not line.cancelled]
    if order.channel == "amazon":
        order.parcels = [Parcel(sum(units), order.paid_at + timedelta(hours=int(between(rng, 6, 40))), None, "", "")]
        return
    confirmed_at = confirmation_time(story, order, rng)
    slow = "late_delivery" in order.troubles and rng.random() < 0.8
    carrier = story.carriers[-1] if slow else pick(rng, story.carriers)
    for count in units if rng.random() < 0.5 else [sum(units)]:
        arrived_at = delivery_time(story, order, confirmed_at, rng)
        tracking = f"TEST{digits(rng, 7)}" if rng.random() < 0.985 else ""
        order.parcels.append(Parcel(count, confirmed_at, arrived_at, carrier, tracking))
        confirmed_at += timedelta(minutes=35)


def live(story: Story, number: int) -> Life:
    """The whole story of one account."""
    rng = Random(SEED + number)  # noqa: S311 - must repeat itself, guards nothing
    life = Life(story, place_orders(story, number, rng))
    deal_troubles(story, life.orders, rng)
    for order in life.orders:
        cancel(order, rng)
        if not order.cancelled_at:
            ship(story, order, rng)
            complain(life, order, rng)
    return life


# ---------------------------------------------------------------- what buyers say

DELAYS = {"claim": (8, 45), "november_claim": (8, 45), "chargeback": (20, 60), "refund": (3, 30)}
"""How many days after the order each kind of defect becomes known, from and to."""

CLAIMS = ("claim", "november_claim")
"""A november claim is one that came after the last order day, but before the download."""


def complain(life: Life, order: Order, rng: Random) -> None:
    """Everything that becomes known of one order after it was shipped."""
    for kind in [kind for kind in DELAYS if kind in order.troubles]:
        life.defects.append(defect(life.story, order, kind, rng))
    if "claim" in order.troubles and rng.random() < life.story.claims_with_feedback:
        order.troubles.add("negative")
    if "negative" in order.troubles:
        life.ratings.append(rating(order, 1 + (rng.random() < 0.35), rng))
    elif "neutral" in order.troubles:
        life.ratings.append(rating(order, 3, rng))


def rating(order: Order, stars: int, rng: Random) -> Rating:
    """Feedback of that many stars, five to thirty days after the order."""
    return Rating(order.day + timedelta(int(between(rng, 5, 31))), stars, order.order_id)


def defect(story: Story, order: Order, kind: str, rng: Random) -> Defect:
    """A claim (which the seller may win), a chargeback or a refund; the order's last update moves with it."""
    low, high = DELAYS[kind]
    known_on = order.day + timedelta(int(between(rng, low, high + 1)))
    if kind == "november_claim":
        known_on = LAST_DAY + timedelta(1 + int(rng.random() * 2))
    order.touched_at = local(known_on, time(10), story.market.zone)
    won = kind == "claim" and rng.random() < story.claims_won
    cleared_on = known_on + timedelta(int(between(rng, 6, 20))) if won else None
    if cleared_on and cleared_on > DOWNLOADED.date():
        cleared_on = None
    if kind in CLAIMS:
        return Defect(order.order_id, "a_to_z_claim", known_on, cleared_on, story.claim_detail)
    detail = "service: item not received" if kind == "chargeback" else ""
    return Defect(order.order_id, kind, known_on, cleared_on, detail)


# ---------------------------------------------------------------- telling it: one writer a kind of file


def columns(text: str, separator: str = " ") -> list[str]:
    """The names of a file's columns, in order.

    >>> columns("sku asin")
    ['sku', 'asin']
    """
    return text.split(separator)


CLASSIC = columns(
    "amazon-order-id merchant-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel "
    "order-channel ship-service-level product-name sku asin item-status quantity currency item-price item-tax "
    "shipping-price shipping-tax gift-wrap-price gift-wrap-tax item-promotion-discount ship-promotion-discount "
    "ship-city ship-state ship-postal-code ship-country promotion-ids is-business-order purchase-order-number "
    "price-designation"
)
WIDE = columns(
    "amazon-order-id merchant-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel "
    "order-channel ship-service-level product-name sku asin number-of-items item-status quantity currency item-price "
    "item-tax shipping-price shipping-tax gift-wrap-price gift-wrap-tax item-promotion-discount "
    "ship-promotion-discount address-type ship-city ship-state ship-postal-code ship-country promotion-ids "
    "is-business-order purchase-order-number price-designation fulfilled-by is-replacement-order original-order-id "
    "is-iba is-buyer-requested-cancellation buyer-requested-cancel-reason"
)
ORDER_REPORT = columns(
    "order-id order-item-id purchase-date payments-date buyer-email buyer-name buyer-phone-number sku product-name "
    "quantity-purchased currency item-price item-tax shipping-price shipping-tax ship-service-level recipient-name "
    "ship-address-1 ship-address-2 ship-address-3 ship-city ship-state ship-postal-code ship-country "
    "ship-phone-number item-promotion-discount item-promotion-id ship-promotion-discount ship-promotion-id "
    "delivery-start-date delivery-end-date delivery-time-zone delivery-Instructions sales-channel "
    "earliest-ship-date latest-ship-date earliest-delivery-date latest-delivery-date is-business-order "
    "purchase-order-number price-designation is-prime signature-confirmation-recommended"
)
RETURNS = columns(
    "Order ID|Order date|Return request date|Return request status|Amazon RMA ID|Merchant RMA ID|Label type|"
    "Label cost|Currency code|Return carrier|Tracking ID|Label to be paid by|A-to-Z Claim|Is prime|ASIN|"
    "Merchant SKU|Item Name|Return quantity|Return Reason|In policy|Return type|Resolution|Invoice number|"
    "Return delivery date|Order Amount|Order quantity|SafeT Action reason|SafeT claim id|SafeT claim state|"
    "SafeT claim creation time|SafeT claim reimbursement amount|Refunded Amount",
    "|",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Spelt out: the names that the machine's language would give are of no use here."""

Rows = Iterable[dict[str, str]]


def write_tabs(path: Path, header: list[str], rows: Rows, encoding: str, blank: str = "") -> None:
    """A tab-separated file with CRLF ends, quotes as ordinary characters, trailing empty cells kept."""
    lines = ["\t".join(header)] + ["\t".join(row.get(name, "") or blank for name in header) for row in rows]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))


def write_commas(path: Path, header: str, rows: Iterable[tuple[str, ...]]) -> None:
    """A plain CSV in UTF-8, as the seller keeps it; no cell of ours holds a comma."""
    path.write_bytes("".join(f"{line}\n" for line in [header, *map(",".join, rows)]).encode("utf-8"))


def instant(moment: datetime) -> str:
    """As in the all-orders file: in UTC, with the offset written out."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def plain_instant(moment: datetime | None) -> str:
    """As in our own CSV files, or nothing."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment and moment <= DOWNLOADED else ""


def money(story: Story, amount: float) -> str:
    """Two decimals; yen have none."""
    return f"{amount:.0f}" if story.market.currency == "JPY" else f"{amount:.2f}"


def periods(starts: tuple[date, ...]) -> Iterator[tuple[date, date, str]]:
    """First day, last day and file name part of each period."""
    for first, after in pairwise(starts):
        last = after - timedelta(1)
        yield first, last, f"{first:%Y-%m}" if first.month == last.month else f"{first:%Y-%m}_{last:%Y-%m}"


def all_orders_row(story: Story, order: Order, line: Line, seen_at: datetime) -> dict[str, str]:
    """One item of an order as the all-orders file shows it on the day of the download."""
    status = order.status(seen_at)
    gone = status == "Cancelled" or (line.cancelled and status == "Shipped")
    row = {
        "amazon-order-id": order.order_id,
        "purchase-date": instant(order.placed_at),
        "last-updated-date": instant(order.updated_at(seen_at)),
        "order-status": status,
        "fulfillment-channel": "Amazon" if order.channel == "amazon" else "Merchant",
        "sales-channel": story.market.sales_channel if order.own else "Non-Amazon",
        "ship-service-level": "Standard",
        "product-name": line.product.name,
        "sku": line.product.sku,
        "asin": line.product.asin,
        "number-of-items": str(line.units),
        "item-status": "Cancelled" if gone else {"Pending": ""}.get(status, status),
        "quantity": "0" if gone else str(line.units),
        "ship-country": story.market.country,
        "promotion-ids": order.promotion,
        "is-business-order": "true" if order.business else "false",
        "price-designation": "Business Price" if order.business else "",
        **who_cancelled(order, gone),
    }
    if not gone and (status != "Pending" or order.channel == "amazon"):
        row |= {"currency": story.market.currency, "item-price": money(story, line.product.price * line.units)}
    return row


def who_cancelled(order: Order, gone: bool) -> dict[str, str]:
    """The wide layout's only word on who wanted the cancellation."""
    asked = gone and "buyer_cancel" in order.troubles
    reason = "Ordered by mistake" if asked else ""
    return {
        "is-buyer-requested-cancellation": "true" if asked else "false",
        "buyer-requested-cancel-reason": reason,
    }


def write_all_orders(life: Life, folder: Path) -> None:
    """One file a quarter by order date, the last of them downloaded early, and one by last update."""
    story = life.story
    header = CLASSIC if story.layout == "classic" else WIDE

    def tell(name: str, orders: Iterable[Order], seen_at: datetime) -> None:
        rows = (all_orders_row(story, order, line, seen_at) for order in orders for line in order.lines)
        write_tabs(folder / name, header, rows, story.market.orders_encoding)

    for first, last, name in periods(QUARTERS):
        seen_at = OLDER_DOWNLOAD if first == QUARTERS[-2] else DOWNLOADED
        placed = [order for order in life.orders if first <= order.day <= last and order.placed_at <= seen_at]
        tell(f"all_orders_{name}.txt", placed, seen_at)
    changed = [order for order in life.orders if order.updated_at(DOWNLOADED) > OLDER_DOWNLOAD - timedelta(1)]
    tell("all_orders_updated_2026-11-02.txt", changed, DOWNLOADED)


def order_report_rows(story: Story, number: int, order: Order) -> Iterator[dict[str, str]]:
    """The lines of one order; made-up buyers stand on every tenth order only, to keep the sample small."""
    for line in order.lines:
        yield {
            "order-id": order.order_id,
            "order-item-id": line.item_id,
            "purchase-date": instant(order.placed_at),
            "sku": line.product.sku,
            "quantity-purchased": str(line.units),
            "sales-channel": story.market.sales_channel,
            "latest-ship-date": order.ship_by.isoformat(),
            "latest-delivery-date": order.deliver_by.isoformat(),
            "is-business-order": "true" if order.business else "false",
            **(made_up_buyer(story, number) if number % 10 == 0 else {}),
        }
    if order.promotion:
        # A second promotion takes a line of its own, which repeats nothing but the order.
        yield {"order-id": order.order_id, "item-promotion-id": order.promotion}


def made_up_buyer(story: Story, number: int) -> dict[str, str]:
    """What a reader must drop at the door; example.invalid can never exist."""
    return {
        "buyer-email": f"buyer{number:06d}@example.invalid",
        "buyer-name": f"Buyer {number:06d}",
        "buyer-phone-number": "000-0000",
        "recipient-name": f"Buyer {number:06d}",
        "ship-address-1": story.market.street,
        "ship-city": "Sampletown",
        "ship-postal-code": "00000",
        "ship-country": story.market.country,
        "ship-phone-number": "000-0000",
    }


def write_order_reports(life: Life, folder: Path) -> None:
    """The seller's own orders with their promises, in periods of sixty days at most."""
    numbered = list(enumerate(life.seller_orders))
    for first, last, name in periods(ORDER_REPORTS):
        rows = (
            row
            for number, order in numbered
            if first <= order.day <= last and order.cancelled_at != order.paid_at  # cancelled before it was paid
            for row in order_report_rows(life.story, number, order)
        )
        write_tabs(folder / f"order_report_{name}.txt", ORDER_REPORT, rows, life.story.market.encoding)


def write_confirmations(life: Life, folder: Path) -> None:
    """The seller's own list of parcels: confirmed when, delivered when."""
    header = "order-id,shipment-id,confirmed-at,delivered-at,units,carrier,tracking"
    for first, last, name in periods((ORDER_REPORTS[0], *QUARTERS[2:])):
        rows = [
            (
                *(order.order_id, f"P{count}", plain_instant(parcel.confirmed_at), plain_instant(parcel.delivered_at)),
                *(str(parcel.units), parcel.carrier, parcel.tracking),
            )
            for order in life.seller_orders
            if first <= order.day <= last
            for count, parcel in enumerate(order.parcels, start=1)
            if parcel.confirmed_at <= DOWNLOADED
        ]
        write_commas(folder / f"ship_confirmations_{name}.csv", header, rows)


def write_feedback(life: Life, folder: Path) -> None:
    """All feedback of one to three stars; the day is written as the marketplace writes it, unpadded."""
    market = life.story.market
    known = [row for row in life.ratings if row.received_on <= DOWNLOADED.date()]
    known.sort(key=lambda row: row.received_on)
    rows = []
    for number, row in enumerate(known):
        day = market.feedback_day.format(d=row.received_on.day, m=row.received_on.month, y=f"{row.received_on:%y}")
        comment, answer = market.comments[number % len(market.comments)], market.answer if number % 3 == 0 else ""
        cells = (day, str(row.stars), comment, answer, row.order_id, f"rater{number:06d}@example.invalid")
        rows.append(dict(zip(market.feedback_header, cells, strict=True)))
    write_tabs(folder / "seller_feedback.txt", list(market.feedback_header), rows, market.encoding)


def write_defects(life: Life, folder: Path) -> None:
    """Claims, chargebacks and refunds known by the day of the download; a header alone says that there were none."""
    known = [row for row in life.defects if row.known_on <= DOWNLOADED.date()]
    rows = [
        (row.order_id, row.kind, str(row.known_on), str(row.cleared_on or ""), row.detail)
        for row in sorted(known, key=lambda row: (row.known_on, row.order_id, row.kind))
    ]
    write_commas(folder / "defects.csv", "order-id,kind,known-on,cleared-on,detail", rows)


def write_returns(life: Life, folder: Path) -> None:
    """Returns asked for in the last sixty days: some of them refunded orders, some of them claims not won."""
    orders = {order.order_id: order for order in life.orders}
    wanted = [
        row
        for row in life.defects
        if row.kind != "chargeback" and not row.cleared_on and RETURNS_FROM <= row.known_on <= LAST_DAY
    ]
    wanted.sort(key=lambda row: (row.known_on, row.order_id, row.kind))
    told = {row.order_id: row for row in wanted if row.kind == "refund"}
    told |= {row.order_id: row for row in wanted if row.kind == "a_to_z_claim"}
    rows = [return_row(life.story, orders[row.order_id], row) for row in told.values()]
    name = f"returns_{RETURNS_FROM}_{LAST_DAY}.txt"
    write_tabs(folder / name, RETURNS, rows, life.story.market.encoding, blank=" ")


def return_row(story: Story, order: Order, reason: Defect) -> dict[str, str]:
    """One return request, on the day on which its refund or claim became known."""
    line, claim = order.lines[0], reason.kind == "a_to_z_claim"
    amount = money(story, line.product.price * line.units)
    return {
        "Order ID": order.order_id,
        "Order date": returns_day(order.day),
        "Return request date": returns_day(reason.known_on),
        "Return request status": "Approved",
        "Label type": "AmazonPrePaidLabel",
        "Label cost": "4.10",
        "Currency code": story.market.currency,
        "Return carrier": story.carriers[0],
        "Tracking ID": f"TEST{order.order_id[-7:]}",
        "Label to be paid by": "Seller",
        "A-to-Z Claim": "Y" if claim else "N",
        "Is prime": "N",
        "ASIN": line.product.asin,
        "Merchant SKU": line.product.sku,
        "Item Name": line.product.name,
        "Return quantity": str(line.units),
        "Return Reason": "CR-DEFECTIVE" if claim else "CR-UNWANTED_ITEM",
        "In policy": "Y",
        "Return type": "C-Returns",
        "Resolution": "StandardRefund",
        "Order Amount": amount,
        "Order quantity": str(line.units),
        "Refunded Amount": amount,
    }


def returns_day(day: date) -> str:
    """As in the returns file.

    >>> returns_day(date(2026, 9, 3))
    '03-Sep-2026'
    """
    return f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year}"


def write_account(story: Story, number: int, out: Path) -> None:
    """One account's folder, with the files that such an account would have."""
    life, folder = live(story, number), out / story.account
    folder.mkdir(parents=True, exist_ok=True)
    write_all_orders(life, folder)
    write_feedback(life, folder)
    if story.seller_share:
        write_order_reports(life, folder)
        write_confirmations(life, folder)
    if story.defects_file:
        write_defects(life, folder)
    if story.returns:
        write_returns(life, folder)


def main(out: Path) -> None:
    """Write every story below `out`, and say how much that was."""
    for number, story in enumerate(STORIES, start=1):
        write_account(story, number, out)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{len(STORIES)} accounts, {len(files)} files, {size / 1e6:.1f} MB in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
