"""What comes of an account's orders later: messages, surveys, return requests, invoices, and what only Amazon knows.

Each draws on chance of its own (see `chance`), so that a new thing moves nothing that was told before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from sample_life import (
    between,
    daytime,
    local,
    one_of_each_run,
    pace,
    pick,
    place_order,
    returned,
    shopping_time,
    stays,
    working_days,
)
from sample_story import DOWNLOADED, LAST_DAY, ORDER_REPORTS, Life, Message, Order, Rating, Request, Survey, chance

STATES = ("CA", "CA", "TX", "TX", "NY", "FL", "FL", "IL", "WA", "PA", "OH")
"""The more often it stands here, the more buyers live there."""

INVOICES_BAD = 1 / 16
NEVER_SCANNED = 1 / 130
REQUESTS_FROM = date(2026, 7, 1)


def live_on(life: Life, number: int) -> None:
    """All that comes later, of whatever an account keeps files of."""
    address(life, number)
    write_to_the_seller(life, number)
    if "surveys" in life.story.also:
        answer_surveys(life, number)
    if "return_requests" in life.story.also:
        ask_for_returns(life, number)
    if "invoices" in life.story.also:
        send_invoices(life, number)
    if "older_feedback" in life.story.also:
        life.ratings.append(removed_rating(life))
    lose_scans(life, number)
    if "secrets" in life.story.also:
        keep_secrets(life, number)


def address(life: Life, number: int) -> None:
    """Where American orders go and how they are sent, and which are Prime orders of the seller's own."""
    rng, prime = chance(number, 100), chance(number, 200)
    for order in life.orders if life.story.marketplace == "US" else []:
        order.state = pick(rng, STATES)
        order.ship_method = "Ground" if rng.random() < 0.75 else "Priority"
        order.prime = order.channel == "seller" and prime.random() < life.story.prime


# ---------------------------------------------------------------- messages and surveys


def write_to_the_seller(life: Life, number: int) -> None:
    """Buyers write of orders of the last weeks; a share that is met exactly waits longer than 24 hours."""
    rng, story = chance(number, 300), life.story
    asked = list(questions(life, rng))
    wanting = [message for message in asked if message.needs_answer]
    late = set[str]()
    for first, last, share in story.late_answers:
        days = date.fromisoformat(first), date.fromisoformat(last)
        of_then = [row for row in wanting if days[0] <= row.received_at.astimezone(story.market.zone).date() <= days[1]]
        late |= {row.contact_id for row in one_of_each_run(of_then, share, rng)}
    life.messages += [answered(message, message.contact_id in late, rng) for message in asked]


def questions(life: Life, rng: Random) -> Iterator[Message]:
    """Messages as they come, none answered yet; one in twelve only says thanks."""
    if not life.story.messages:
        return
    zone, count = life.story.market.zone, 0
    day = date.fromisoformat(life.story.messages[0][0])
    while day <= LAST_DAY:
        recent = [order for order in life.seller_orders if day - timedelta(25) <= order.day < day and stays(order)]
        times = sorted(shopping_time(rng) for _ in range(int(pace(life.story.messages, day) + rng.random())))
        for clock in times if recent else []:
            count += 1
            yield Message(
                f"M{count:04d}", local(day, clock, zone), None, pick(rng, recent).order_id, rng.random() > 1 / 12
            )
        day += timedelta(1)


def answered(message: Message, late: bool, rng: Random) -> Message:
    """The message with its answer: within 20 hours, or after 26 and more; of the late ones a quarter gets none."""
    hours = between(rng, 26, 70) if late else between(rng, 0.3, 20)
    none = rng.random() < (0.25 if late else 0.0) or (not message.needs_answer and rng.random() < 0.7)
    at = None if none else message.received_at + timedelta(seconds=int(hours * 3600))
    return Message(message.contact_id, message.received_at, at, message.order_id, message.needs_answer)


def answer_surveys(life: Life, number: int) -> None:
    """Half of the answered buyers say whether that helped; now and then one says so again, and better."""
    rng = chance(number, 400)
    for message in life.messages:
        if message.answered_at and message.needs_answer and rng.random() < 0.5:
            at = message.answered_at + timedelta(hours=int(between(rng, 12, 60)))
            solved = rng.random() < 0.82
            votes = [(at, solved)]
            if not solved and rng.random() < 0.3:
                votes.append((at + timedelta(hours=30), True))
            life.surveys += [
                Survey(f"S{message.contact_id[1:]}{'ab'[place]}", message.order_id, when, happy)
                for place, (when, happy) in enumerate(votes)
                if when.date() <= LAST_DAY
            ]


# ---------------------------------------------------------------- returns


def ask_for_returns(life: Life, number: int) -> None:
    """Return requests: those of Amazon's file, older ones, and a few by message, which Amazon's file lacks."""
    rng = chance(number, 500)
    life.requests += [*older_requests(life, rng), *told_requests(life, rng), *requests_by_message(life, rng)]
    life.requests.sort(key=lambda row: (row.requested_at, row.return_id))


def told_requests(life: Life, rng: Random) -> Iterator[Request]:
    """Those of Amazon's file, named as the kit names them there: by order, day and number."""
    rows = returned(life)
    late = {row.order_id for row in one_of_each_run(rows, 1 / 14, rng)}
    in_vain = {row.order_id for row in one_of_each_run(rows, 1 / 12, rng)}
    for row in rows:
        reason = "defective" if row.kind == "a_to_z_claim" else "unwanted"
        made = request(life, f"{row.order_id} {row.known_on} 1", row.order_id, row.known_on, reason, rng)
        yield decided(made, row.order_id in late, row.order_id in in_vain, rng)


def older_requests(life: Life, rng: Random) -> Iterator[Request]:
    """Those of before Amazon's file, under the seller's own numbers."""
    begins = min((row.known_on for row in returned(life)), default=LAST_DAY)
    rows = [row for row in life.defects if row.kind == "refund" and REQUESTS_FROM <= row.known_on < begins]
    for count, row in enumerate(sorted(rows, key=lambda row: (row.known_on, row.order_id)), start=1):
        made = request(life, f"R{count:04d}", row.order_id, row.known_on, "unwanted", rng)
        yield decided(made, rng.random() < 0.05, rng.random() < 0.04, rng)


BY_MESSAGE = (
    ("2026-10-03", "refused", 20, True, True),
    ("2026-10-09", "refused", 30, False, False),
    ("2026-10-14", "refused", 9, True, True),
    ("2026-10-20", "authorised", 61, True, False),
    ("2026-10-24", "", None, True, False),
    ("2026-10-31", "authorised", 19, True, False),
)
"""Day, decision, hours until it, whether the policy covers it, and whether the refusal was wrong."""


def requests_by_message(life: Life, rng: Random) -> Iterator[Request]:
    """Returns asked for in plain messages: three were refused, two of them wrongly; one still waits."""
    taken = {row.order_id for row in life.defects}
    for count, (text, decision, hours, covered, wrongly) in enumerate(BY_MESSAGE, start=1):
        day = date.fromisoformat(text)
        orders = [
            order
            for order in life.seller_orders
            if day - timedelta(20) <= order.day <= day - timedelta(10) and stays(order) and order.order_id not in taken
        ]
        order = pick(rng, orders)
        at = local(day, time(18, 20 + count), life.story.market.zone)
        answered_at = None if hours is None else at + timedelta(hours=hours)
        sku = order.lines[0].product.sku
        yield Request(
            f"B{count:04d}", order.order_id, sku, "no longer needed", at, answered_at, decision, covered, wrongly
        )


def request(life: Life, return_id: str, order_id: str, day: date, reason: str, rng: Random) -> Request:
    """One request of that day, not decided yet."""
    sku = life.of(order_id).lines[0].product.sku
    return Request(return_id, order_id, sku, reason, local(day, daytime(rng, 8, 22), life.story.market.zone), None, "")


def decided(asked: Request, late: bool, in_vain: bool, rng: Random) -> Request:
    """The request refunded, within 40 hours or after 50 and more; `in_vain` where the buyer was not content."""
    hours = between(rng, 50, 95) if late else between(rng, 2, 40)
    at = asked.requested_at + timedelta(seconds=int(hours * 3600))
    unhappy_on = at.date() + timedelta(3 + int(rng.random() * 6)) if in_vain else None
    if unhappy_on and unhappy_on > LAST_DAY:
        unhappy_on = None
    return Request(
        asked.return_id, asked.order_id, asked.sku, asked.reason, asked.requested_at, at, "refunded",
        unresolved_on=unhappy_on,
    )  # fmt: skip


# ---------------------------------------------------------------- invoices and feedback


def send_invoices(life: Life, number: int) -> None:
    """An invoice for each business order that was sent; one of sixteen comes late, and a third of those never."""
    rng = chance(number, 600)
    orders = [
        order for order in life.seller_orders if order.business and order.parcels and order.day >= ORDER_REPORTS[0]
    ]
    bad = [order.order_id for order in one_of_each_run(orders, INVOICES_BAD, rng)]
    never = bad[1::3]
    for order in [order for order in orders if order.order_id not in never]:
        at = invoiced_at(life, order, order.order_id in bad, rng)
        if at <= DOWNLOADED:
            life.invoices[order.order_id] = at


def invoiced_at(life: Life, order: Order, late: bool, rng: Random) -> datetime:
    """In time, which is by the end of the next working day after dispatch, or one to three days after that."""
    zone = life.story.market.zone
    due = working_days(order.shipped_at.astimezone(zone).date(), 1)
    if late:
        return local(due + timedelta(1 + int(rng.random() * 3)), daytime(rng, 9, 17), zone)
    soon = order.shipped_at + timedelta(minutes=int(between(rng, 5, 400)))
    return min(soon, local(due, time(20, 0), zone))


def removed_rating(life: Life) -> Rating:
    """One star for an order of late July, taken down by Amazon on 12 October: the older download alone has it."""
    order = next(
        order
        for order in life.seller_orders
        if date(2026, 7, 22) <= order.day and stays(order) and not order.troubles and order.order_id not in rated(life)
    )
    return Rating(order.day + timedelta(12), 1, order.order_id, date(2026, 10, 12))


def rated(life: Life) -> set[str]:
    """The orders that were rated or complained of."""
    return {row.order_id for row in life.ratings} | {row.order_id for row in life.defects}


# ---------------------------------------------------------------- what only Amazon knows


def lose_scans(life: Life, number: int) -> None:
    """A few parcels with a tracking number were never scanned."""
    rng = chance(number, 700)
    tracked = [
        (order.order_id, place)
        for order in life.seller_orders
        for place, parcel in enumerate(order.parcels)
        if parcel.tracking
    ]
    life.secrets.unscanned |= set(one_of_each_run(tracked, NEVER_SCANNED, rng))


def keep_secrets(life: Life, number: int) -> None:
    """The three differences on 31 October; see the head of `sample_accounts`."""
    rng, zone = chance(number, 800), life.story.market.zone
    life.secrets.withdrawn[withdrawn_claim(life)] = date(2026, 10, 30)
    for day in (date(2026, 9, 17), date(2026, 9, 18), date(2026, 9, 20)):
        order = place_order(life.story, number, day, rng)
        order.cancelled_at = order.placed_at + timedelta(minutes=50)
        order.troubles.add("buyer_cancel")
        life.secrets.orders.append(order)
    late = next(order for order in life.seller_orders if order.ship_by.date() == date(2026, 10, 15) and in_time(order))
    life.secrets.confirmed_at[late.order_id] = local(date(2026, 10, 16), time(9, 12), zone)


def withdrawn_claim(life: Life) -> str:
    """The order of a claim that alone makes it a defect, on an order of September."""
    rows = [row for row in life.defects if row.kind in ("a_to_z_claim", "chargeback")]
    several = {row.order_id for row in life.ratings}
    several |= {row.order_id for row in rows if sum(row.order_id == other.order_id for other in rows) > 1}
    return next(
        row.order_id
        for row in sorted(rows, key=lambda row: (row.known_on, row.order_id))
        if row.kind == "a_to_z_claim" and not row.cleared_on and row.order_id not in several
        and date(2026, 9, 10) <= life.of(row.order_id).day <= date(2026, 9, 25) and row.known_on >= date(2026, 10, 5)
    )  # fmt: skip


def in_time(order: Order) -> bool:
    """Whether an order of one parcel was confirmed in time, and nothing else befell it."""
    return not order.troubles and len(order.parcels) == 1 and order.shipped_at <= order.ship_by
