"""Living a story of the sample: orders are placed, cancelled, shipped and complained of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

from sample_story import (
    DOWNLOADED,
    FIRST_DAY,
    HOURS,
    LAST_DAY,
    RETURNS_FROM,
    SEED,
    WEEKDAYS,
    Defect,
    Life,
    Line,
    Order,
    Parcel,
    Rating,
    Story,
)

Thing = TypeVar("Thing")


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


def pace(points: tuple[tuple[str, float], ...], day: date) -> float:
    """What is expected on that day: straight lines between the points, times the rhythm of the week."""
    days = [date.fromisoformat(text) for text, _ in points]
    at = min(max(bisect_right(days, day), 1), len(days) - 1)
    (low_day, high_day), (low, high) = days[at - 1 : at + 1], (points[at - 1][1], points[at][1])
    share = (day - low_day) / (high_day - low_day)
    return (low + (high - low) * share) * WEEKDAYS[day.weekday()]


def place_orders(story: Story, number: int, rng: Random) -> list[Order]:
    """All orders of one account, oldest first."""
    orders, used = [], set[str]()
    for offset in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(offset)
        for _ in range(int(pace(story.pace, day) * between(rng, 0.8, 1.2) + rng.random())):
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


def one_of_each_run(orders: Sequence[Thing], share: float, rng: Random) -> Iterator[Thing]:
    """One order or other thing by chance out of each run of 1/share: the share is met, and yet looks unplanned."""
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


def returned(life: Life) -> list[Defect]:
    """Why goods came back in the days of the returns file: refunds, and claims not won; of an order one reason."""
    wanted = [
        row
        for row in life.defects
        if row.kind != "chargeback" and not row.cleared_on and RETURNS_FROM <= row.known_on <= LAST_DAY
    ]
    wanted.sort(key=lambda row: (row.known_on, row.order_id, row.kind))
    told = {row.order_id: row for row in wanted if row.kind == "refund"}
    told |= {row.order_id: row for row in wanted if row.kind == "a_to_z_claim"}
    return list(told.values())


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
