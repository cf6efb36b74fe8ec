"""Made-up sellers and their orders, which a server of Amazon's may tell of at any instant.

Everything is a function of seller, marketplace and day, so that nothing has to be kept: the same orders come of any
process, for any days. An order changes after it was placed: it is paid, shipped or cancelled, delivered, returned or
claimed. Orders, lines and parcels are those of the project's sample (`data/sample_story.py`), and so are the writers
of their rows. Whatever is personal holds `MARK`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from zlib import crc32
from zoneinfo import ZoneInfo

from healthkit.schema.marketplaces import MARKETPLACES
from tests.builders.raw_files import MARK
from tests.builders.sample import ROOT

sys.path.append(str(ROOT / "data"))
from sample_story import MARKETS, Defect, Life, Line, Market, Order, Parcel, Product, Story

SECRET = "planted-secret"
"""Part of every credential, token and document URL: it may stand in no file, log or message."""

REGIONS = {"na": ("US", "CA", "MX", "BR"), "fe": ("JP", "AU", "SG")}
CURRENCIES = {"US": "USD", "CA": "CAD", "MX": "MXN", "BR": "BRL", "UK": "GBP", "JP": "JPY", "AU": "AUD", "SG": "SGD"}
PRODUCTS = {
    "DE": ("Größe-M-Tasse", "Schlüsselbrett"),
    "FR": ("Théière émaillée", "Étagère"),
    "ES": ("Caña de azúcar", "Baño"),
    "JP": ("万年筆 細字", "便箋 十枚"),
}
LONGEST = timedelta(120)
"""No order changes later than this after it was placed."""


@dataclass(frozen=True)
class Trouble:
    """Shares of orders that something befalls. [1]"""

    seller_cancel: float = 0.03
    buyer_cancel: float = 0.02
    late: float = 0.05
    late_delivery: float = 0.04
    claim: float = 0.02
    returned: float = 0.05
    rated_badly: float = 0.02
    rated_well: float = 0.08
    rating_removed: float = 0.2


@dataclass(frozen=True)
class Seller:
    """One authorisation: an account in one region, its marketplaces, and its orders a day in each of them."""

    account: str
    marketplaces: tuple[str, ...]
    a_day: int = 4
    trouble: Trouble = field(default_factory=Trouble)
    by_amazon: float = 0.3

    @property
    def region(self) -> str:
        """The region of Amazon's API: na, eu or fe."""
        return next((name for name, codes in REGIONS.items() if self.marketplaces[0] in codes), "eu")

    @property
    def seller_id(self) -> str:
        """The id that Amazon gives a seller."""
        return f"A{crc32((self.account + self.region).encode()):010d}{self.region.upper()}"

    @property
    def refresh_token(self) -> str:
        """The refresh token of the authorisation."""
        return f"Atzr|{SECRET}-refresh-{self.account}-{self.region}"

    @property
    def marketplace_ids(self) -> dict[str, str]:
        """The codes of its marketplaces by Amazon's ids."""
        return {MARKETPLACES[code].marketplace_id: code for code in self.marketplaces}


@dataclass
class Placed:
    """An order with what comes of it: who cancelled it, when it came back or was claimed, how it was rated."""

    order: Order
    cancelled_by: str = ""
    returned_on: date | None = None
    claimed_on: date | None = None
    stars: int = 0
    rated_on: date | None = None
    rating_removed_on: date | None = None

    @property
    def changes(self) -> list[datetime]:
        """The instants at which anything changes that is told of the order."""
        order = self.order
        parcels = [moment for one in order.parcels for moment in (one.confirmed_at, one.delivered_at)]
        every = (order.placed_at, order.paid_at, order.cancelled_at, order.touched_at, *parcels)
        return [change for change in every if change]

    @property
    def defect(self) -> Defect | None:
        """The claim or refund that came of it, as the files of returns and settlements tell it."""
        day, kind = (self.claimed_on, "a_to_z_claim") if self.claimed_on else (self.returned_on, "refund")
        return Defect(self.order.order_id, kind, day, None, "") if day else None


def small_agency() -> tuple[Seller, ...]:
    """Three sellers in two regions and five marketplaces."""
    return (Seller("acme", ("US", "CA")), Seller("bolt", ("DE", "FR")), Seller("cove", ("UK",), a_day=6))


def many_sellers(count: int, a_day: int = 2) -> tuple[Seller, ...]:
    """So many sellers of one marketplace each, with few orders a day."""
    codes = ("US", "DE", "UK", "CA", "FR")
    return tuple(Seller(f"seller-{n:03d}", (codes[n % len(codes)],), a_day) for n in range(count))


@lru_cache(maxsize=64)
def market(code: str) -> Market:
    """How the files of a marketplace look: the sample's, or those of one written like the sample's."""
    known = MARKETPLACES[code]
    form = known.dates.replace("%d", "{d}").replace("%m", "{m}").replace("%y", "{y}")
    encoding = "cp1252" if code in ("DE", "FR", "IT", "ES") else "utf-8"
    like = MARKETS.get(code) or replace(
        MARKETS["UK"], sales_channel=known.sales_channel, zone=ZoneInfo(known.zone), feedback_day=form,
        currency=CURRENCIES.get(code, "EUR"), country=code, orders_encoding=encoding, encoding=encoding,
    )  # fmt: skip
    return replace(like, comments=(MARK,), answer=MARK, street=MARK)


@dataclass(frozen=True)
class SellerStory(Story):
    """A seller in one marketplace, as the sample's writers of rows want it."""

    @property
    def market(self) -> Market:
        """The marketplace's ways of writing."""
        return market(self.marketplace)


@lru_cache(maxsize=1024)
def story(seller: Seller, code: str) -> SellerStory:
    """The story of a seller in a marketplace."""
    names = PRODUCTS.get(code, ('Mug 12"', "Key rack"))
    goods = tuple(Product(f"{code}-{n}", f"B0TEST{n:04d}", name, 20.0 + n) for n, name in enumerate(names))
    return SellerStory(seller.account, "", code, (), goods, (), carriers=("UPS",), seller_share=1 - seller.by_amazon)


def life(seller: Seller, code: str) -> Life:
    """The same as the sample's writers of shipments want it: its orders are handed to them one by one."""
    return Life(story(seller, code), [])


def orders_between(seller: Seller, code: str, first: date, last: date) -> Iterator[Placed]:
    """All orders of a seller in a marketplace that were placed on some days, oldest first."""
    for number in range((last - first).days + 1):
        yield from orders_of_day(seller, code, first + timedelta(number))


@lru_cache(maxsize=4096)
def orders_of_day(seller: Seller, code: str, day: date) -> tuple[Placed, ...]:
    """The orders that were placed on a day in the marketplace's zone."""
    rng = Random(f"{seller.account} {code} {day}")
    count = seller.a_day + rng.randrange(-1, 2) if seller.a_day > 1 else seller.a_day
    placed = [_place(seller, code, day, number, rng) for number in range(count)]
    return tuple(sorted(placed, key=lambda one: one.order.placed_at))


def quiet_moment(sellers: Iterable[Seller], after: datetime, minutes: float) -> datetime:
    """Return an instant from three minutes before which no order changes, and no day ends, until some minutes after.

    What is asked for within these minutes does not depend on the minute. The Orders API tells nothing of the last two.
    """
    lull = timedelta(minutes=3)
    sellers, moment, span = tuple(sellers), after - lull, timedelta(minutes=minutes) + lull
    places = [(seller, code) for seller in sellers for code in seller.marketplaces]
    changes = sorted(
        change
        for seller, code in places
        for placed in orders_between(seller, code, after.date() - LONGEST, after.date() + timedelta(3))
        for change in placed.changes
    )
    for change in [*changes, after + timedelta(9999)]:
        zones = {market(code).zone for _, code in places}
        one_day = all(moment.astimezone(zone).date() == (moment + span).astimezone(zone).date() for zone in zones)
        if change > moment + span and one_day:
            return moment + lull
        moment = max(moment, change + timedelta(seconds=1))
    raise ValueError("there is no quiet moment")


def _place(seller: Seller, code: str, day: date, number: int, rng: Random) -> Placed:
    zone, trouble = market(code).zone, seller.trouble
    goods = story(seller, code).products
    placed_at = _local(day, time(rng.randrange(24), rng.randrange(60), rng.randrange(60)), zone)
    prefix = market(code).prefixes[0] if code in MARKETS else str(600 + crc32(code.encode()) % 300)
    serial = (day.toordinal() - 735_000) * 1000 + number
    lines = [Line(rng.choice(goods), rng.choice((1, 1, 1, 2)), f"5{serial:07d}{crc32(code.encode()) % 1000:03d}1")]
    if rng.random() < 0.1:
        other = next(product for product in goods if product is not lines[0].product)
        lines.append(Line(other, 1, f"5{serial:07d}{crc32(code.encode()) % 1000:03d}2"))
    order = Order(
        order_id=f"{prefix}-{crc32(seller.account.encode()) % 10_000_000:07d}-{serial:07d}",
        placed_at=placed_at,
        day=day,
        channel="amazon" if rng.random() < seller.by_amazon else "seller",
        lines=lines,
        business=rng.random() < 0.1,
        promotion="",
        paid_at=placed_at + timedelta(minutes=20),
        ship_by=datetime.combine(day + timedelta(2), time(23, 59, 59), zone),
        deliver_by=datetime.combine(day + timedelta(7), time(23, 59, 59), zone),
        state="WA" if code == "US" else "",
        ship_method="Standard",
    )
    return _befall(Placed(order), zone, trouble, rng)


def _befall(placed: Placed, zone: ZoneInfo, trouble: Trouble, rng: Random) -> Placed:
    """Let happen to an order what chance has for it."""
    order = placed.order
    if rng.random() < trouble.seller_cancel:
        order.cancelled_at, placed.cancelled_by = order.paid_at + timedelta(hours=20), "MERCHANT"
    elif rng.random() < trouble.buyer_cancel:
        order.cancelled_at, placed.cancelled_by = order.placed_at + timedelta(hours=2), "BUYER"
        order.troubles.add("buyer_cancel")
    if order.cancelled_at:
        for line in order.lines:
            line.cancelled = True
        return placed
    _ship(order, zone, trouble, rng)
    if rng.random() < trouble.claim:
        placed.claimed_on = order.day + timedelta(rng.randrange(12, 40))
    elif rng.random() < trouble.returned:
        placed.returned_on = order.day + timedelta(rng.randrange(10, 30))
    if placed.defect:
        order.touched_at = _local(placed.defect.known_on, time(10), zone)
    if rng.random() < trouble.rated_badly + trouble.rated_well:
        bad = rng.random() < trouble.rated_badly / (trouble.rated_badly + trouble.rated_well)
        placed.stars = rng.randrange(1, 3) if bad else 5
        placed.rated_on = order.day + timedelta(rng.randrange(6, 20))
        if bad and rng.random() < trouble.rating_removed:
            placed.rating_removed_on = placed.rated_on + timedelta(25)
    return placed


def _ship(order: Order, zone: ZoneInfo, trouble: Trouble, rng: Random) -> None:
    """Send an order in one parcel or, of several lines, in two; some too late, some too slowly."""
    days = rng.randrange(3, 6) if rng.random() < trouble.late else 1
    sent_at = _local(order.day + timedelta(days), time(10, rng.randrange(60)), zone)
    slow = 9 if rng.random() < trouble.late_delivery else 3
    units = [line.units for line in order.lines]
    for number, count in enumerate(units if len(units) > 1 and rng.random() < 0.5 else [sum(units)]):
        left_at = sent_at + timedelta(minutes=35 * number)
        tracking = f"{MARK.replace(' ', '')}{order.order_id[-7:]}{number}" if rng.random() < 0.97 else ""
        order.parcels.append(Parcel(count, left_at, left_at + timedelta(slow), "UPS", tracking))


def _local(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
