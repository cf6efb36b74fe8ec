"""What a story of the sample is made of: a marketplace's ways of writing, products, troubles, orders, and all that is
said of them.

Dates and the seed of all chance stand here too. Nothing in it reads the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from zoneinfo import ZoneInfo

SEED = 20261102
FIRST_DAY, LAST_DAY = date(2026, 2, 1), date(2026, 10, 31)
DOWNLOADED = datetime(2026, 11, 2, 12, tzinfo=UTC)
OLDER_DOWNLOAD = datetime(2026, 10, 24, 17, tzinfo=UTC)
"""When October's orders were first downloaded; what changed since stands in the file by last update."""

OLDER_FEEDBACK = date(2026, 9, 15)
"""When feedback was first downloaded, where it was downloaded twice."""

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


def other_market(name: str, zone: str, currency: str, country: str) -> Market:
    """A marketplace that is not Amazon's: its files hold no ratings, and its ids are made by `sample_marketplaces`."""
    return Market(name, ZoneInfo(zone), currency, country, ("100",), "", (), (), "", "1 Sample Street")


MARKETS |= {
    "EBAY": other_market("eBay", "America/Los_Angeles", "USD", "US"),
    "ETSY": other_market("Etsy", "America/New_York", "USD", "US"),
    "MERCADO_LIBRE": other_market("Mercado Libre", "America/Mexico_City", "MXN", "MX"),
    "TIKTOK_US": other_market("TikTok Shop", "America/Los_Angeles", "USD", "US"),
    "WALMART_US": other_market("Walmart", "America/Los_Angeles", "USD", "US"),
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
class Violation:
    """One policy violation, by the name and severity that the marketplace's page gives it."""

    violation_id: str
    category: str
    opened_on: str
    resolved_on: str
    severity: str


@dataclass(frozen=True)
class Story:
    """One account: its pace in orders a day, what it sells and how, and what goes wrong.

    `also` names the files that it has besides those of orders; `messages` is a pace like that of its orders, and
    `late_answers` from when to when which share of them is answered late. Where buyers ask for a cancellation by
    message, the seller cancels for them, and to Amazon it is the seller's.
    """

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
    also: tuple[str, ...] = ()
    messages: tuple[tuple[str, float], ...] = ()
    late_answers: tuple[tuple[str, str, float], ...] = ()
    violations: tuple[Violation, ...] = ()
    prime: float = 0.0
    cancels_by_message: bool = False

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
    prime: bool = False
    state: str = ""
    ship_method: str = ""

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
    removed_on: date | None = None


@dataclass(frozen=True)
class Message:
    """One message of a buyer, and when it was answered, if ever."""

    contact_id: str
    received_at: datetime
    answered_at: datetime | None
    order_id: str
    needs_answer: bool


@dataclass(frozen=True)
class Survey:
    """One answer of a buyer to whether the problem was solved."""

    survey_id: str
    order_id: str
    surveyed_at: datetime
    solved: bool


@dataclass(frozen=True)
class Request:
    """One request of a buyer to send something back, how it was decided, and whether that helped."""

    return_id: str
    order_id: str
    sku: str
    reason: str
    requested_at: datetime
    answered_at: datetime | None
    decision: str
    in_policy: bool = True
    refused_wrongly: bool = False
    unresolved_on: date | None = None


@dataclass
class Secrets:
    """What only Amazon knows of an account: no file of the seller's covers it.

    `unscanned` parcels are named by order and number; `confirmed_at` is when Amazon took a confirmation in.
    """

    unscanned: set[tuple[str, int]] = field(default_factory=set)
    withdrawn: dict[str, date] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    confirmed_at: dict[str, datetime] = field(default_factory=dict)


@dataclass
class Life:
    """One account's lived story: all its orders, what was said of them, and what came of it later."""

    story: Story
    orders: list[Order]
    defects: list[Defect] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    surveys: list[Survey] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    invoices: dict[str, datetime] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def seller_orders(self) -> list[Order]:
        """The orders that the seller ships."""
        return [order for order in self.orders if order.channel == "seller"]

    def of(self, order_id: str) -> Order:
        """The order of that id."""
        return next(order for order in self.orders if order.order_id == order_id)


# ---------------------------------------------------------------- chance, days and hours


def chance(number: int, offset: int) -> Random:
    """A generator of an account's own for one new thing, so that all that was told before stays as it is."""
    return Random(SEED * 1000 + number + offset)  # noqa: S311 - must repeat itself, guards nothing
