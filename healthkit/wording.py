"""The words of reports and panels: labels, figures and findings; the one place to translate.

Every function takes plain values and returns text. Rates are counted exactly and formatted last: a shown rate
always stands on the same side of its target as the true one. A sentence with emphasis is a tuple of texts, of
which `Strong` ones are set in bold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
SMALL = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


class Strong(str):
    """A part of a sentence that stands in bold."""

    __slots__ = ()


Sentence = tuple[str, ...]


def plain(sentence: Sentence) -> str:
    """A sentence without its emphasis.

    >>> plain((Strong("Nothing is off target"), "."))
    'Nothing is off target.'
    """
    return "".join(sentence)


# -- names ------------------------------------------------------------------------------------------------


class Metric(NamedTuple):
    """The words of one metric: its name, a short one, what is counted, and what is said of one or more at fault."""

    label: str
    short: str
    many: bool
    noun: str
    one_is: str
    more_are: str


_METRICS = """
order_defect_rate             | Order defects            | Defects   | many | order    | has a claim, bad feedback or a chargeback | have a claim, bad feedback or a chargeback
negative_feedback_rate        | Negative feedback        | Feedback  |      | order    | has negative feedback                     | have negative feedback
a_to_z_claim_rate             | A-to-z claims            | Claims    | many | order    | has an A-to-z claim                       | have an A-to-z claim
chargeback_rate               | Chargebacks              | Charges   | many | order    | has a chargeback                          | have a chargeback
late_shipment_rate            | Late shipment            | Late      |      | order    | was shipped late                          | were shipped late
cancellation_rate             | Cancellation             | Cancelled |      | order    | was cancelled                             | were cancelled
valid_tracking_rate           | Valid tracking           | Tracking  |      | parcel   | has no valid tracking                     | have no valid tracking
on_time_delivery_rate         | On-time delivery         | On time   |      | order    | arrived late                              | arrived late
unit_on_time_delivery_rate    | On-time delivery, units  | Units     |      | unit     | arrived late                              | arrived late
refund_rate                   | Refunds                  | Refunds   | many | order    | was refunded                              | were refunded
negative_review_rate          | Bad reviews              | Reviews   | many | reviewed order | got a bad review                    | got a bad review
invoice_defect_rate           | Invoice defects          | Invoices  | many | order    | has no invoice in time                    | have no invoice in time
late_response_rate            | Late answers             | Answers   | many | contact  | was answered late                         | were answered late
return_dissatisfaction_rate   | Return dissatisfaction   | Returns   |      | return   | went wrong                                | went wrong
negative_return_feedback_rate | Negative return feedback | Return fb |      | return   | has negative feedback                     | have negative feedback
late_return_response_rate     | Late answers to returns  | Ret. late | many | return   | was answered late                         | were answered late
invalid_rejection_rate        | Returns wrongly refused  | Refused   | many | return   | was wrongly refused                       | were wrongly refused
customer_service_dissatisfaction_rate | Service dissatisfaction | Service |  | contact | left the buyer dissatisfied            | left the buyer dissatisfied
policy_violations             | Policy violations        | Policy    | many | violation | is open                                  | are open
account_health_rating         | Account health rating    | Rating    |      | point    | is missing                                | are missing
"""  # noqa: E501 - one row a metric


def _metrics() -> dict[str, Metric]:
    rows = ([cell.strip() for cell in line.split("|")] for line in _METRICS.strip().splitlines())
    return {name: Metric(label, short, many == "many", *rest) for name, label, short, many, *rest in rows}


METRICS: dict[str, Metric] = _metrics()
CHANNELS = {"seller": "seller-fulfilled", "amazon": "Amazon-fulfilled"}
CAUSES = {
    "negative_feedback": "negative feedback",
    "a_to_z_claim": "A-to-z claim",
    "chargeback": "chargeback",
    "cancelled": "cancelled",
    "shipped_late": "shipped late",
    "delivered_late": "delivered late",
    "refund": "refund",
    "no_tracking": "no tracking number",
}
CAUSES_MANY = {
    "negative_feedback": "negative feedback",
    "a_to_z_claim": "A-to-z claims",
    "chargeback": "chargebacks",
    "cancelled": "cancellations",
    "shipped_late": "late shipments",
    "delivered_late": "late deliveries",
    "refund": "refunds",
    "no_tracking": "parcels without a tracking number",
}
ASSUMPTIONS = {
    "canceller_unknown": "the files do not say who cancelled, so every cancelled order counts as the seller's",
    "cancel_day_from_order": "the files hold no day of cancelling, so the order day is taken",
    "claim_day_from_return": "claims are known from the returns file alone and dated by the return request, "
    "so this is a lower bound",
    "feedback_not_imported": "no feedback file was imported, so orders with bad feedback are missing",
    "claims_not_imported": "no file of claims was imported, so orders with a claim are missing",
    "tracking_not_scanned": "the files hold no carrier's scan, so a parcel with a tracking number passes: "
    "judge by the marketplace's own figure",
    "refunds_not_imported": "no refund is named in the defects files, so refunded orders are missing",
    "chargebacks_not_imported": "no defects file was imported, so orders with a chargeback are missing",
}
CLOCKS = {
    "ordered_on": "order day",
    "ship_by_on": "ship-by day",
    "shipped_on": "day of shipping",
    "deliver_by_on": "promised delivery day",
}
PLACED = {
    "ordered_on": "placed",
    "ship_by_on": "due to ship",
    "shipped_on": "shipped",
    "deliver_by_on": "due to arrive",
}
PLACED_HEADS = {
    "ordered_on": "Ordered",
    "ship_by_on": "Ship by",
    "shipped_on": "Shipped",
    "deliver_by_on": "Due",
}
SURE = {
    "A": "the marketplace's own page",
    "R": "a real file",
    "T": "a third party",
    "I": "our inference",
    "user": "your own standard",
}


class Status(NamedTuple):
    """How a status looks: its symbol, its word, and the name of its colour."""

    symbol: str
    word: str
    colour: str


STATUSES = {
    "off target": Status("✕", "Off target", "off"),
    "at risk": Status("▲", "At risk", "risk"),
    "on target": Status("✓", "On target", "on"),
    "no target": Status(DASH, "No target", "none"),
    "too few": Status(DASH, "Too few", "none"),
    "short history": Status(DASH, "Short history", "none"),
    "no data": Status(DASH, "No data", "none"),
}
"""Every status of SCORES, worst first."""


def metric(name: str) -> Metric:
    """The words of a metric; an error names those there are.

    >>> metric("late_shipment_rate").label
    'Late shipment'
    """
    try:
        return METRICS[name]
    except KeyError:
        raise KeyError(f"No words for metric {name!r}. There are: {', '.join(METRICS)}.") from None


def causes(joined: str, many: bool = False) -> str:
    """Causes joined by '+' as words.

    >>> causes("a_to_z_claim+negative_feedback")
    'A-to-z claim and negative feedback'
    >>> causes("chargeback", many=True)
    'chargebacks'
    """
    words = CAUSES_MANY if many else CAUSES
    return listed([words.get(cause, cause.replace("_", " ")) for cause in joined.split("+")])


def assumptions(joined: str) -> str:
    """Assumptions joined by '+' as one sentence; empty when nothing was assumed.

    >>> assumptions("cancel_day_from_order")
    'The files hold no day of cancelling, so the order day is taken.'
    """
    if not joined:
        return ""
    words = [ASSUMPTIONS.get(name, name.replace("_", " ")) for name in joined.split("+")]
    return opening("; ".join(words)) + "."


def opening(text: str) -> str:
    """A text as the opening of a sentence.

    >>> opening("chargeback")
    'Chargeback'
    """
    return text[:1].upper() + text[1:]


def inside(text: str) -> str:
    """A label as it stands inside a sentence.

    >>> inside("Late shipment"), inside("A-to-z claims")
    ('late shipment', 'A-to-z claims')
    """
    return text if text.startswith("A-to-z") else text[:1].lower() + text[1:]


def listed(items: Sequence[str]) -> str:
    """Items as a list in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


# -- figures ----------------------------------------------------------------------------------------------


def number(n: int) -> str:
    """A whole number with separators.

    >>> number(1262), number(-7)
    ('1,262', '−7')
    """
    return f"{int(n):,}".replace("-", MINUS)


def small(n: int) -> str:
    """A whole number in words up to twelve, in digits beyond.

    >>> small(2), small(31)
    ('two', '31')
    """
    return SMALL[n] if 0 <= n < len(SMALL) else number(n)


def things(n: int, noun: str = "order") -> str:
    """A number of things.

    >>> things(1), things(1262)
    ('1 order', '1,262 orders')
    """
    return f"{number(n)} {noun}" if n == 1 else f"{number(n)} {noun}s"


def share(target: float | Fraction) -> Fraction:
    """The exact share behind a number of SCORES.

    >>> share(0.025)
    Fraction(1, 40)
    """
    return Fraction(target).limit_denominator(100_000)


def wants_few(side: str) -> bool:
    """Whether the shown rate is the share at fault; so it is where nothing is asked.

    >>> wants_few("below"), wants_few("at least"), wants_few("")
    (True, False, True)
    """
    return side not in ("at least", "above")


def met(rate: Fraction, side: str, target: Fraction) -> bool:
    """Whether a rate stands on the right side of its target.

    >>> met(Fraction(1, 100), "below", Fraction(1, 100))
    False
    """
    strict = {"below": rate < target, "above": rate > target, "at most": rate <= target, "at least": rate >= target}
    return strict[side]


def exact(counted: int, at_fault: int, side: str = "") -> Fraction:
    """The rate that is shown, exactly.

    >>> exact(20, 1), exact(20, 1, "at least")
    (Fraction(1, 20), Fraction(19, 20))
    """
    return Fraction(int(at_fault if wants_few(side) else counted - at_fault), int(counted))


def _rounded(value: Fraction, digits: int) -> Fraction:
    """Round half up, away from zero."""
    scale = 10**digits
    whole = (abs(value) * scale + Fraction(1, 2)).__floor__()
    return Fraction(whole if value >= 0 else -whole, scale)


def digits(target: float | Fraction | None) -> int:
    """How many decimals a rate has: two where the limit is 1% or less, one elsewhere.

    >>> digits(0.01), digits(0.04), digits(None)
    (2, 1, 1)
    """
    return 2 if target is not None and min(share(target), 1 - share(target)) <= Fraction(1, 100) else 1


def rate(counted: int, at_fault: int, side: str = "", target: float | Fraction | None = None) -> str:
    """A rate as it is shown; a dash where nothing was counted.

    Digits are added until the shown rate stands on the true side of its target, and until
    a share that is neither nothing nor all is not shown as nothing or all.

    >>> rate(2498, 31, "below", 0.01)
    '1.24%'
    >>> rate(1000, 10, "below", 0.01), rate(10040, 100, "below", 0.01)
    ('1.00%', '0.996%')
    >>> rate(612, 36, "at least", 0.90), rate(2000, 201, "at least", 0.90)
    ('94.1%', '89.95%')
    >>> rate(0, 0, "below", 0.01), rate(5000, 1, "below", 0.04), rate(12, 0)
    ('–', '0.02%', '0.0%')
    """
    if not counted:
        return DASH
    true = exact(counted, at_fault, side)
    for places in range(digits(target), 12):
        shown = _rounded(true * 100, places) / 100
        honest = not side or target is None or met(shown, side, share(target)) == met(true, side, share(target))
        if honest and (shown not in (0, 1) or shown == true):
            break
    return f"{float(shown * 100):.{places}f}%"


def percent(value: float | Fraction) -> str:
    """A target as a percentage, without needless digits.

    >>> percent(0.025), percent(Fraction(95, 100))
    ('2.5%', '95%')
    """
    return f"{float(share(value) * 100):.4f}".rstrip("0").rstrip(".") + "%"


def target(side: str, value: float | Fraction | None) -> str:
    """What is asked, in words.

    >>> target("below", 0.01), target("at least", 0.9), target("at most", 0.0), target("", None)
    ('under 1%', 'at least 90%', 'none', 'no target')
    """
    if not side or value is None:
        return "no target"
    if side == "at most" and share(value) == 0:
        return "none"
    return {"below": "under", "above": "over"}.get(side, side) + " " + percent(value)


def limit(side: str, value: float | Fraction) -> str:
    """What is asked, as it stands in brackets behind a rate.

    >>> limit("below", 0.01), limit("at least", 0.9)
    ('limit 1%', 'target at least 90%')
    """
    return f"limit {percent(value)}" if side == "below" else f"target {target(side, value)}"


def count(counted: int, at_fault: int, side: str = "") -> str:
    """The count behind a rate: those at fault, or those in order where the target asks for many.

    >>> count(2498, 31, "below"), count(612, 36, "at least"), count(0, 0)
    ('31 of 2,498', '576 of 612', '0 orders')
    """
    if not counted:
        return "0 orders"
    return f"{number(at_fault if wants_few(side) else counted - at_fault)} of {number(counted)}"


def points(
    now: tuple[int, int], before: tuple[int, int], side: str = "", target: float | Fraction | None = None
) -> str:
    """The change of a rate in percentage points, with better or worse; each pair is counted, at fault.

    >>> points((2498, 31), (2391, 14), "below", 0.01)
    '+0.66, worse'
    >>> points((612, 36), (600, 30), "at least", 0.9), points((10, 1), (20, 2), "below", 0.04)
    ('−0.9, worse', 'no change')
    >>> points((10, 1), (0, 0), "below", 0.04), points((1000, 10), (1001, 10))
    ('–', 'under 0.1 more')
    """
    if not now[0] or not before[0]:
        return DASH
    change = exact(*now, side) - exact(*before, side)
    if not change:
        return "no change"
    places = digits(target)
    verdict = f", {'better' if (change < 0) == wants_few(side) else 'worse'}" if side else ""
    shown = _rounded(change * 100, places)
    if not shown:
        return f"under {10**-places:.{places}f}" + (verdict or (" more" if change > 0 else " less"))
    return f"{'+' if shown > 0 else MINUS}{float(abs(shown)):.{places}f}{verdict}"


def day(value: date, year: int | None = None) -> str:
    """A day, short; with its year where that is not the given one.

    >>> day(date(2026, 11, 24)), day(date(2025, 12, 31), 2026)
    ('24 Nov', '31 Dec 2025')
    """
    text = f"{value.day} {MONTHS[value.month - 1][:3]}"
    return text if year in (None, value.year) else f"{text} {value.year}"


def long_day(value: date, year: int | None = None) -> str:
    """A day, its month in full; with its year where that is not the given one.

    >>> long_day(date(2026, 11, 24), 2026), long_day(date(2026, 11, 24), 0)
    ('24 November', '24 November 2026')
    """
    text = f"{value.day} {MONTHS[value.month - 1]}"
    return text if year in (None, value.year) else f"{text} {value.year}"


def month(value: date) -> str:
    """The month of a day, with its year.

    >>> month(date(2026, 10, 31))
    'October 2026'
    """
    return f"{MONTHS[value.month - 1]} {value.year}"


def days(first: date, last: date, year: int | None = None) -> str:
    """The days from first to last, short.

    >>> days(date(2026, 10, 2), date(2026, 10, 31)), days(date(2026, 8, 18), date(2026, 10, 16))
    ('2 – 31 Oct', '18 Aug – 16 Oct')
    >>> days(date(2025, 12, 18), date(2026, 1, 16), 2026), days(date(2026, 10, 2), date(2026, 10, 2))
    ('18 Dec 2025 – 16 Jan', '2 Oct')
    """
    if first == last:
        return day(last, year)
    alike = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if alike else day(first, year)} {DASH} {day(last, year)}"


def long_days(first: date, last: date, year: int | None = None) -> str:
    """The days from first to last, in a sentence.

    >>> long_days(date(2026, 10, 5), date(2026, 10, 9)), long_days(date(2026, 8, 18), date(2026, 10, 16))
    ('5 to 9 October', '18 August to 16 October')
    """
    if first == last:
        return long_day(last, year)
    alike = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if alike else long_day(first, year)} to {long_day(last, year)}"


def headroom(left: int | None, noun: str = "order") -> str:
    """How many more may go wrong, in words.

    >>> headroom(-7), headroom(0), headroom(1), headroom(8)
    ('7 too many', 'no more room', '1 more order', '8 more orders')
    """
    if left is None:
        return ""
    if left < 0:
        return f"{number(-left)} too many"
    return f"{number(left)} more {noun if left == 1 else noun + 's'}" if left else "no more room"


# -- findings ---------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """One judged measure as sentences speak of it; channel and window are empty where they need no saying."""

    metric: str
    counted: int
    at_fault: int
    side: str
    target: float | None
    headroom: int | None
    channel: str = ""
    window: int = 0

    @property
    def rate(self) -> str:
        """The rate as it is shown."""
        return rate(self.counted, self.at_fault, self.side, self.target)

    @property
    def limit(self) -> str:
        """What is asked, as it stands in brackets."""
        return limit(self.side, self.target or 0)


def measure(name: str, channel: str = "", window: int = 0) -> str:
    """A measure in a sentence, with as much of channel and window as is given.

    >>> measure("late_shipment_rate", window=30)
    'late shipment over 30 days'
    >>> measure("order_defect_rate", "amazon")
    'order defects (Amazon-fulfilled)'
    """
    words = inside(metric(name).label)
    if window:
        words += " over 1 day" if window == 1 else f" over {window} days"
    return words + (f" ({CHANNELS.get(channel, channel)})" if channel else "")


def heading(name: str, window: int = 0) -> str:
    """A measure as a heading, with its window where several are judged.

    >>> heading("late_shipment_rate", 30)
    'Late shipment, 30 days'
    """
    return metric(name).label + (f", {'1 day' if window == 1 else f'{window} days'}" if window else "")


def _named(standing: Standing) -> str:
    return measure(standing.metric, standing.channel, standing.window)


def _verb(standing: Standing) -> str:
    return "are" if metric(standing.metric).many else "is"


def _brackets(standing: Standing) -> str:
    return f" ({standing.limit})"


def wrong(off: Sequence[Standing], risk: Sequence[Standing], on_target: int) -> Sentence:
    """The first sentence of the verdict: what is off target, worst first, or that nothing is.

    >>> defects = Standing("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> late = Standing("late_shipment_rate", 1262, 56, "below", 0.04, -6, window=30)
    >>> plain(wrong([defects, late], [], 5))
    'Order defects are off target at 1.24% (limit 1%), and late shipment over 30 days is at 4.4% (limit 4%).'
    >>> plain(wrong([], [], 1))
    'Nothing is off target: the one measure that can be judged is on target.'
    """
    if off:
        head = Strong(f"{opening(_named(off[0]))} {_verb(off[0])} off target at {off[0].rate}")
        return (head, _brackets(off[0]), *_others(off[1:], risk), ".")
    if risk:
        head = Strong("Nothing is off target")
        near = f", but {_named(risk[0])} {_verb(risk[0])} at risk at {risk[0].rate}{_brackets(risk[0])}"
        return (head, near, *_others((), risk[1:]), ".")
    if on_target:
        judged = "the one measure that can be judged is" if on_target == 1 else (
            f"all {small(on_target)} measures that can be judged are"
        )  # fmt: skip
        return (Strong("Nothing is off target"), f": {judged} on target.")
    return (Strong("No measure can be judged"), " with the orders that the files hold.")


def _others(off: Sequence[Standing], risk: Sequence[Standing]) -> Sentence:
    """What else is off target or at risk: one measure by its figures, several by their number."""
    if len(off) == 1:
        return (f", and {_named(off[0])} {_verb(off[0])} at {off[0].rate}{_brackets(off[0])}",)
    if off:
        return (f", and {small(len(off))} more measures are off target",)
    if len(risk) == 1:
        return (f", and {_named(risk[0])} {_verb(risk[0])} at risk at {risk[0].rate}{_brackets(risk[0])}",)
    return (f", and {small(len(risk))} more measures are at risk",) if risk else ()


class Leaving(NamedTuple):
    """How many orders at fault leave the window by a day, of how many, and the first day one leaves."""

    leave: int
    of: int
    by: date
    first: date


def leaves_next(standing: Standing, leaving: Leaving | None, year: int) -> Sentence:
    """The second sentence when something is off target: how many too many, and how many leave by when.

    >>> defects = Standing("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> plain(leaves_next(defects, Leaving(8, 31, date(2026, 11, 30), date(2026, 11, 3)), 2026))
    '7 orders are too many; 8 of the 31 at fault leave the window by 30 November, the first on 3 November.'
    """
    over = -(standing.headroom or 0)
    noun = metric(standing.metric).noun
    head = Strong(f"{things(over, noun)} {'is' if over == 1 else 'are'} too many")
    if leaving is None:
        return (head, ".")
    return (head, "; ", opening_leave(leaving, year), ".")


def opening_leave(leaving: Leaving, year: int) -> str:
    """How many orders at fault leave by a day.

    >>> opening_leave(Leaving(0, 4, date(2026, 11, 30), date(2026, 12, 7)), 2026)
    'none of the 4 at fault leaves the window before 7 December'
    >>> opening_leave(Leaving(1, 1, date(2026, 11, 30), date(2026, 11, 7)), 2026)
    'the 1 at fault leaves the window on 7 November'
    """
    first, by = long_day(leaving.first, year), long_day(leaving.by, year)
    if leaving.of == 1:
        return f"the 1 at fault leaves the window on {first}"
    if not leaving.leave:
        return f"none of the {number(leaving.of)} at fault leaves the window before {first}"
    if leaving.leave == leaving.of:
        return f"all {number(leaving.of)} at fault leave the window by {by}, the first on {first}"
    verb = "leaves" if leaving.leave == 1 else "leave"
    many = f"{number(leaving.leave)} of the {number(leaving.of)} at fault {verb} the window by {by}"
    return f"{many}, the first on {first}" if leaving.leave > 1 else many


def least_room(standing: Standing) -> Sentence:
    """The second sentence when nothing is off target: the measure with the least room, in orders.

    >>> plain(least_room(Standing("cancellation_rate", 297, 6, "below", 0.025, 1)))
    'Cancellation has the least room: 1 more order may go wrong before the target is missed.'
    """
    verb = "have" if metric(standing.metric).many else "has"
    head = Strong(f"{opening(_named(standing))} {verb} the least room")
    left, noun = standing.headroom or 0, metric(standing.metric).noun
    if not left:
        return (head, f": the next {noun} at fault misses the target.")
    return (head, f": {headroom(left, noun)} may go wrong before the target is missed.")


class Group(NamedTuple):
    """What most orders at fault share: a `product`, a `cause`, or a run of `days`; how many of how many."""

    kind: str
    name: str
    n: int
    of: int
    cause: str = ""
    first: date = date.min
    last: date = date.min
    clock: str = "ordered_on"


def first_step(group: Group | None, at_fault: int, year: int) -> Sentence:
    """The third sentence: where to begin, backed by a count.

    >>> plain(first_step(Group("product", "Tent, 2-person", 13, 31, "a_to_z_claim"), 31, 2026))
    'Start with “Tent, 2-person”: 13 of the 31 orders at fault are A-to-z claims on it.'
    >>> plain(first_step(Group("cause", "chargeback", 9, 12), 12, 2026))
    'Start with the chargebacks: 9 of the 12 orders at fault have one.'
    >>> plain(first_step(None, 0, 2026))
    'Nothing: no order is at fault where the room is least.'
    """
    if group is None:
        return _unshared(at_fault)
    name = {
        "product": f"“{group.name}”",
        "cause": f"the {causes(group.name, many=True)}",
        "days": long_days(group.first, group.last, year),
    }[group.kind]
    return (Strong(f"Start with {name}"), f": {of_all(group, year, pronoun=True)}.")


def _unshared(at_fault: int) -> Sentence:
    if not at_fault:
        return (Strong("Nothing"), ": no order is at fault where the room is least.")
    if at_fault == 1:
        return (Strong("Look at the one order at fault"), " in that measure: it alone makes the rate.")
    head = Strong(f"Go through the {number(at_fault)} orders at fault")
    return (head, ": no product and no ten days hold half of them.")


def of_all(group: Group, year: int, pronoun: bool = False) -> str:
    """How many of the orders at fault share something; with a pronoun where its name was just said.

    >>> of_all(Group("product", "Tent", 13, 31, "a_to_z_claim"), 2026)
    '13 of the 31 orders at fault are A-to-z claims on “Tent”'
    >>> of_all(Group("days", "", 36, 56, "", date(2026, 10, 5), date(2026, 10, 9), "ship_by_on"), 2026)
    '36 of the 56 orders at fault were due to ship in five days, 5 to 9 October'
    >>> of_all(Group("product", "Stove", 7, 7), 2026)
    'All 7 orders at fault are for “Stove”'
    """
    few = "both" if group.of == 2 else f"all {number(group.of)}"
    many = f"{number(group.n)} of the {number(group.of)} orders at fault"
    if group.n == group.of:
        many = f"{few if pronoun else opening(few)} orders at fault"
    if group.kind == "product":
        what = f"are {causes(group.cause, many=True)} on" if group.cause else "are for"
        return f"{many} {what} {'it' if pronoun else f'“{group.name}”'}"
    if group.kind == "cause":
        one = {"a_to_z_claim": "an A-to-z claim"}.get(group.name, f"a {causes(group.name)}")
        one = causes(group.name) if group.name == "negative_feedback" else one
        return f"{many} have {('it' if group.name == 'negative_feedback' else 'one') if pronoun else one}"
    run = (group.last - group.first).days + 1
    within = "one day" if run == 1 else f"{small(run)} days"
    where = (
        f"in {'that' if run == 1 else 'those'} {within}"
        if pronoun
        else f"in {within}, {long_days(group.first, group.last, year)}"
    )
    return f"{many} were {PLACED[group.clock]} {where}"


def scorecard_title(off: int, risk: int, judged: int, unjudged: int) -> str:
    """The scorecard's finding: how many measures stand where.

    >>> scorecard_title(2, 0, 8, 1)
    'Two of eight measures are off target; one cannot be judged'
    >>> scorecard_title(0, 1, 8, 0), scorecard_title(0, 0, 1, 0)
    ('Nothing is off target; one of eight measures is at risk', 'The one measure is on target')
    """
    if not judged:
        return "No measure can be judged yet"
    of = f"of {small(judged)} measures"
    if off:
        text = "The one measure is off target" if judged == 1 else (
            f"{opening(small(off))} {of} {'is' if off == 1 else 'are'} off target"
        )  # fmt: skip
        text += f"; {small(risk)} {'is' if risk == 1 else 'are'} at risk" if risk else ""
    elif risk:
        text = "Nothing is off target; the one measure is at risk" if judged == 1 else (
            f"Nothing is off target; {small(risk)} {of} {'is' if risk == 1 else 'are'} at risk"
        )  # fmt: skip
    else:
        text = "The one measure is on target" if judged == 1 else f"All {small(judged)} measures are on target"
    return text + (f"; {small(unjudged)} cannot be judged" if unjudged else "")


def chapter_title(standing: Standing, before: tuple[int, int] | None) -> str:
    """A chapter's finding: how the rate moved in a month, and how far it stands from its target.

    >>> defects = Standing("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> chapter_title(defects, (2391, 14))
    'Order defects rose from 0.59% to 1.24%: 7 orders too many'
    >>> chapter_title(defects._replace(headroom=2), None)
    'Order defects are at 1.24%, with room for 2 more orders'
    """
    noun = metric(standing.metric).noun
    left = standing.headroom or 0
    if left < 0:
        far = f": {things(-left, noun)} too many"
    else:
        far = f", with room for {headroom(left, noun)}" if left else f", with no room for one more {noun}"
    return f"{opening(_named(standing))} {_moved(standing, before)}{far}"


def _moved(standing: Standing, before: tuple[int, int] | None) -> str:
    """How a rate moved since the month before."""
    if before is None or not before[0]:
        return f"{_verb(standing)} at {standing.rate}"
    was = rate(*before, standing.side, standing.target)
    change = exact(standing.counted, standing.at_fault, standing.side) - exact(*before, standing.side)
    if was == standing.rate:
        return f"{'stay' if metric(standing.metric).many else 'stays'} at {was}"
    return f"{'rose' if change > 0 else 'fell'} from {was} to {standing.rate}"


def chapter_lead(standing: Standing, clock: str, first: date, last: date, year: int) -> str:
    """A chapter's lead: which orders, how many of how many, and what went wrong with them.

    >>> defects = Standing("order_defect_rate", 2498, 31, "below", 0.01, -7, "seller")
    >>> chapter_lead(defects, "ordered_on", date(2026, 8, 18), date(2026, 10, 16), 2026)
    'Seller-fulfilled orders placed 18 August to 16 October: 31 of 2,498 have a claim, bad feedback or a chargeback.'
    """
    words = metric(standing.metric)
    whose = f"{opening(CHANNELS.get(standing.channel, standing.channel))} " if standing.channel else ""
    which = f"{whose}{words.noun}s" if whose else opening(f"{words.noun}s")
    what = words.one_is if standing.at_fault == 1 else words.more_are
    return (
        f"{which} {PLACED[clock]} {long_days(first, last, year)}: "
        f"{number(standing.at_fault)} of {number(standing.counted)} {what}."
    )


def rate_title(standing: Standing, off_since: date | None, run: int, shown: int, year: int) -> str:
    """The finding of the rate over time: since when the rate is off target, or how near it is.

    >>> defects = Standing("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> rate_title(defects, date(2026, 10, 14), 18, 120, 2026)
    'Off target since 14 October, 18 days in a row'
    >>> rate_title(defects, date(2026, 7, 4), 120, 120, 2026)
    'Off target on every one of the last 120 days'
    >>> rate_title(defects._replace(at_fault=22), None, 0, 120, 2026)
    'At risk at 0.88%: 88% of what the target allows is used up'
    """
    if off_since is None:
        return f"At risk at {standing.rate}: {percent_used(standing)} of what the target allows is used up"
    if run == 1:
        return f"Off target since {long_day(off_since, year)}, for one day"
    if run >= shown:
        return f"Off target on every one of the last {run} days"
    return f"Off target since {long_day(off_since, year)}, {run} days in a row"


def used(counted: int, at_fault: int, side: str, target: float | None) -> float | None:
    """The share of what the target allows that is used up; 1 and more is at or past the limit.

    >>> used(2000, 10, "below", 0.01), used(100, 5, "at least", 0.9), used(0, 0, "below", 0.01)
    (0.5, 0.5, None)
    >>> used(9, 1, "at most", 0.0), used(9, 0, "at most", 0.0)
    (inf, 0.0)
    """
    if not counted or not side or target is None:
        return None
    allowed = share(target) if wants_few(side) else 1 - share(target)
    if not allowed:
        return float("inf") if at_fault else 0.0
    return float(Fraction(int(at_fault), int(counted)) / allowed)


def percent_used(standing: Standing) -> str:
    """The share of what the target allows that is used up, in whole percent.

    >>> percent_used(Standing("order_defect_rate", 2000, 10, "below", 0.01, 9))
    '50%'
    """
    value = used(standing.counted, standing.at_fault, standing.side, standing.target)
    return DASH if value is None else f"{int(value * 100 + 0.5):,}%"


def are_at_fault(n: int, noun: str = "order") -> str:
    """How many are at fault, as a clause.

    >>> are_at_fault(1), are_at_fault(31)
    ('1 order is at fault', '31 orders are at fault')
    """
    return f"{things(n, noun)} {'is' if n == 1 else 'are'} at fault"


def causes_title(group: Group | None, at_fault: int, year: int) -> str:
    """The finding of the causes.

    >>> causes_title(Group("cause", "a_to_z_claim", 19, 31), 31, 2026)
    '19 of the 31 orders at fault have an A-to-z claim'
    >>> causes_title(None, 12, 2026)
    'The 12 orders at fault have no product and no ten days in common'
    """
    if group is not None:
        return of_all(group, year)
    return "One order is at fault" if at_fault == 1 else (
        f"The {number(at_fault)} orders at fault have no product and no ten days in common"
    )  # fmt: skip


def leaving_title(leaving: Leaving, year: int) -> str:
    """The finding of the calendar of leaving orders.

    >>> leaving_title(Leaving(8, 31, date(2026, 11, 30), date(2026, 11, 3)), 2026)
    '8 of the 31 at fault leave the window by 30 November, the first on 3 November'
    """
    return opening(opening_leave(leaving, year))


def window_note(clock: str, window: int, lag: int) -> str:
    """How a window moves, said of "The window": when it ends, and when an order ceases to count.

    >>> window_note("ordered_on", 60, 15)
    ' holds 60 order days and ends 15 days before the day shown. An order counts until 74 days after its order day.'
    >>> window_note("ship_by_on", 30, 0)
    ' holds 30 ship-by days and ends on the day shown. An order counts until 29 days after its ship-by day.'
    """
    ends = {0: "on the day shown", 1: "the day before the day shown"}.get(lag, f"{lag} days before the day shown")
    clock_day = CLOCKS[clock]
    plural = clock_day.replace("day", "days", 1)
    stays = window + lag - 1
    until = f"until {stays} days after its {clock_day}" if stays > 1 else f"on its {clock_day}" if not stays else (
        f"until the day after its {clock_day}"
    )  # fmt: skip
    return f" holds {window} {plural if window > 1 else clock_day} and ends {ends}. An order counts {until}."


def both_windows(thick: int, thin: int) -> Sentence:
    """Which line is which.

    >>> plain(both_windows(30, 10))
    'Thick line: 30 days. Thin: 10 days.'
    """
    return (Strong(f"Thick line: {thick} days."), f" Thin: {thin} days.")


def window_in_words(windows: Sequence[int], lag: int) -> str:
    """The windows of a rule and where they end.

    >>> window_in_words((10, 30), 0), window_in_words((60,), 15), window_in_words((7,), 1)
    ('10 and 30 days, same day', '60 days, 15 days before', '7 days, the day before')
    """
    ends = {0: "same day", 1: "the day before"}.get(lag, f"{lag} days before")
    sizes = listed([str(size) for size in windows])
    return f"{sizes} {'day' if list(windows) == [1] else 'days'}, {ends}"


def rule_in_words(side: str, value: float | Fraction | None, minimum: int | None, noun: str = "order") -> str:
    """What a rule asks, with the least number of orders that it judges.

    >>> rule_in_words("at least", Fraction(9, 10), 20, "unit")
    'at least 90%, from 20 units'
    """
    return target(side, value) + (f", from {things(minimum, noun)}" if minimum else "")


def unjudged(
    status: str,
    first: date,
    last: date,
    begins_on: date | None,
    minimum: int | None,
    noun: str,
    year: int,
    ends_on: date | None = None,
) -> str:
    """Why a row has no verdict, in place of its room.

    >>> october = (date(2026, 10, 24), date(2026, 10, 30))
    >>> unjudged("no data", *october, None, None, "order", 2026)
    'no orders from 24 to 30 Oct'
    >>> unjudged("too few", *october, None, 20, "unit", 2026)
    'judged from 20 units'
    >>> unjudged("short history", *october, date(2026, 10, 29), None, "order", 2026)
    'orders only since 29 Oct; the window starts 24 Oct'
    >>> unjudged("short history", *october, date(2026, 1, 1), None, "order", 2026, date(2026, 10, 20))
    'orders only until 20 Oct; the window ends 30 Oct'
    """
    if status == "no data":
        when = f"on {day(last, year)}" if first == last else f"from {days(first, last, year)}"
        return f"no {noun}s {when.replace(DASH, 'to')}"
    if status == "too few":
        return f"judged from {things(minimum, noun)}" if minimum else "too few to judge"
    if status == "short history" and begins_on and begins_on <= first and ends_on and ends_on < last:
        return f"orders only until {day(ends_on, year)}; the window ends {day(last, year)}"
    if status == "short history":
        since = f"orders only since {day(begins_on, year)}; " if begins_on else ""
        return f"{since}the window starts {day(first, year)}"
    return "nothing is asked"


def not_computed(names: Iterable[str]) -> str:
    """The measures that a policy asks for and this version does not compute.

    >>> not_computed(["valid_tracking_rate", "policy_violations"])
    'Not computed yet, though the policy asks for it: valid tracking and policy violations.'
    """
    labels = [inside(metric(name).label) for name in names]
    return f"Not computed yet, though the policy asks for it: {listed(labels)}." if labels else ""


def silent_channel(channel: str, measures: int) -> str:
    """That a channel had no orders, and its rows are left out.

    >>> silent_channel("amazon", 4)
    'No Amazon-fulfilled orders in 26 weeks, so 4 Amazon-fulfilled measures are not listed.'
    """
    words = CHANNELS.get(channel, channel)
    rest = f"{measures} {words} measures are" if measures > 1 else f"1 {words} measure is"
    return f"No {words} orders in 26 weeks, so {rest} not listed."


def squares_caption(orders: int, double: int, most: int) -> str:
    """How to read the orders at fault by cause, and that an order with two causes stands once.

    >>> squares_caption(31, 2, 60)
    'One square, one order. 2 orders have two causes and stand once, so the groups add up to 31.'
    """
    text = "One square, one order." if orders <= most else "The bars count orders."
    if not double:
        return text
    who = "1 order has two causes and stands" if double == 1 else f"{number(double)} orders have two causes and stand"
    return f"{text} {who} once, so the groups add up to {number(orders)}."


def units_caption(orders: int, units: int) -> str:
    """That units at fault are counted, and orders shown; empty where each order holds one.

    >>> units_caption(27, 33), units_caption(5, 5)
    ('27 orders hold the 33 units at fault.', '')
    """
    return (
        f"{things(orders)} {'holds' if orders == 1 else 'hold'} the {things(units, 'unit')} at fault."
        if orders != units
        else ""
    )


def parts_caption(parts: Sequence[tuple[str, int, int, int | None]], target: float | None, before: str) -> str:
    """The rates of a measure's parts; each part is a metric, counted, at fault, and at fault a month before.

    >>> parts_caption([("a_to_z_claim_rate", 2498, 19, 5), ("chargeback_rate", 2498, 3, None)], 0.01, "30 Sep")
    'Parts of the rate: A-to-z claims 0.76% (19; 5 on 30 Sep), chargebacks 0.12% (3).'
    """
    told = []
    for name, counted, at_fault, old in parts:
        then = "" if old is None else f"; {number(old)} on {before}"
        shown = rate(counted, at_fault, "below" if target else "", target)
        told.append(f"{inside(metric(name).label)} {shown} ({number(at_fault)}{then})")
    return f"Parts of the rate: {', '.join(told)}."


def leaving_caption(stand_out: bool, group: Group | None, year: int) -> str:
    """How to read the calendar of leaving orders.

    >>> leaving_caption(True, Group("product", "Tent", 13, 31), 2026)
    'One mark, one order, on the first day it no longer counts. Those for “Tent” stand out.'
    """
    text = "One mark, one order, on the first day it no longer counts."
    if not stand_out or group is None:
        return text
    when = long_days(group.first, group.last, year)
    which = f"for “{group.name}”" if group.kind == "product" else f"{PLACED[group.clock]} {when}"
    return f"{text} Those {which} stand out."


def orders_title(listed_orders: int, all_orders: int) -> str:
    """What the table of orders holds.

    >>> orders_title(12, 31), orders_title(7, 7), orders_title(1, 1)
    ('The 12 of 31 orders at fault that leave first', 'The 7 orders at fault, by the day they leave', 'The order at fault')
    """  # noqa: E501 - three titles
    if all_orders == 1:
        return "The order at fault"
    if listed_orders == all_orders:
        return f"The {number(all_orders)} orders at fault, by the day they leave"
    return f"The {number(listed_orders)} of {number(all_orders)} orders at fault that leave first"


# -- why a rate moved -------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What was seen on one day: its window, how many counted, how many at fault, the rate in its last shown digit."""

    day: date
    first_day: date
    last_day: date
    counted: int
    at_fault: int
    rate: int


class Part(NamedTuple):
    """One step of a rate that moved: its kind, how many at fault it adds, its change in the rate's last shown digit."""

    kind: str
    at_fault: int
    change: int


class Movement(NamedTuple):
    """A rate that moved, as sentences and drawings speak of it; its shown parts add up, and `places` is its decimals.

    `came` and `went` are how many began and ceased to count. Parts that moved nothing are left out.
    """

    metric: str
    clock: str
    window: int
    side: str
    places: int
    before: Seen
    after: Seen
    came: int
    went: int
    parts: tuple[Part, ...]

    @property
    def change(self) -> int:
        """How far the shown rate moved, in its last digit."""
        return self.after.rate - self.before.rate

    @property
    def values(self) -> list[int]:
        """The shown rate before, and after every step."""
        return list(accumulate((part.change for part in self.parts), initial=self.before.rate))

    def rate(self, seen: Seen) -> str:
        """The rate of one of the two days, as it is shown."""
        return plain_number(seen.rate, self.places) + "%"


def movement(bridge: Any) -> Movement:
    """A Bridge in the digits in which its two rates are shown.

    Both rates have as many digits as the one that needs more.
    """
    asked = bridge.rule.target
    side, target = (asked.side, asked.share) if asked is not None else ("", None)
    places = _places(bridge, side, target)
    unit = Fraction(1, 10 ** (places + 2))
    shown = {name: int(value / unit) for name, value in bridge.shown(places + 2).items()}
    before, after = _seen(bridge.before, shown["before"]), _seen(bridge.after, shown["after"])
    parts = (Part(step.kind, step.at_fault, shown[step.kind]) for step in bridge.steps)
    moved = tuple(part for part in parts if part.at_fault or part.change)
    rule = bridge.rule
    return Movement(
        rule.metric, rule.clock, bridge.window, side, places, before, after, bridge.came, bridge.went, moved
    )


def _seen(count: Any, rate: int) -> Seen:
    return Seen(count.day, count.first_day, count.last_day, count.counted, count.at_fault, rate)


def _places(bridge: Any, side: str, target: Fraction | None) -> int:
    """So many decimals that both rates are shown as everywhere else."""
    counts = [(count.counted, count.at_fault) for count in (bridge.before, bridge.after)]
    least = max(len(rate(*count, side, target).rstrip("%").partition(".")[2]) for count in counts)
    true = [exact(*count, side) for count in counts]
    # A rate halfway between two digits may be rounded either way; one digit more settles it.
    return next(
        places for places in range(least, least + 3)
        if [bridge.shown(places + 2)[name] for name in ("before", "after")]
        == [_rounded(value * 100, places) / 100 for value in true]
    )  # fmt: skip


def plain_number(units: int, places: int) -> str:
    """Whole units of the last digit as a number.

    >>> plain_number(124, 2), plain_number(-5, 1), plain_number(-2225089, 2)
    ('1.24', '−0.5', '−22,250.89')
    """
    return f"{MINUS if units < 0 else ''}{abs(units) / 10**places:,.{places}f}"


def signed(units: int, places: int) -> str:
    """A change with its sign; none where nothing of it shows.

    >>> signed(74, 2), signed(-25, 2), signed(0, 2)
    ('+0.74', '−0.25', '0.00')
    """
    return f"{'+' if units > 0 else ''}{plain_number(units, places)}"


def step_label(moved: Movement, part: Part) -> tuple[str, str]:
    """A step's name, and the counts behind it.

    >>> day = Seen(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), 1188, 7, 59)
    >>> moved = Movement("order_defect_rate", "ordered_on", 60, "below", 2, day, day, 2935, 1188, ())
    >>> step_label(moved, Part("learnt late", 7, 28)), step_label(moved, Part("left", -1, -8))
    (('Learnt late:', '7 orders already counted'), ('Left the window:', '1 order at fault'))
    >>> step_label(moved._replace(after=day._replace(counted=2935)), Part("orders", 0, -4))
    ('More orders:', '2,935 in, 1,188 out')
    """
    noun = metric(moved.metric).noun.split()[-1]
    many = things(abs(part.at_fault), noun)
    return {
        "left": ("Left the window:", f"{many} at fault"),
        "removed": ("Removed:", f"{number(abs(part.at_fault))} cleared"),
        "learnt late": ("Learnt late:", f"{many} already counted"),
        "new": ("New in the window:", f"{many} at fault"),
        "orders": (f"{_more_or_fewer(moved)} {noun}s:", f"{number(moved.came)} in, {number(moved.went)} out"),
    }[part.kind]


def _more_or_fewer(moved: Movement) -> str:
    return "More" if moved.after.counted > moved.before.counted else "Fewer"


def seen_label(moved: Movement, seen: Seen) -> tuple[str, str]:
    """A day, and how many of how many on it.

    >>> day = Seen(date(2025, 12, 31), date(2025, 12, 1), date(2025, 12, 30), 612, 36, 941)
    >>> later = day._replace(day=date(2026, 1, 31))
    >>> seen_label(Movement("on_time_delivery_rate", "deliver_by_on", 30, "at least", 1, day, later, 0, 0, ()), day)
    ('31 Dec 2025', '576 of 612')
    """
    return day(seen.day, moved.after.day.year), count(seen.counted, seen.at_fault, moved.side)


def bridge_title(moved: Movement) -> str:
    """Which steps explain most of a rise or fall, or what outweighs or offsets what.

    >>> was = Seen(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), 2391, 14, 59)
    >>> now = Seen(date(2026, 10, 31), date(2026, 8, 18), date(2026, 10, 16), 2498, 31, 124)
    >>> parts = Part("left", -6, -25), Part("removed", -2, -8), Part("learnt late", 7, 28), Part("new", 18, 74)
    >>> moved = Movement("order_defect_rate", "ordered_on", 60, "below", 2, was, now, 1305, 1198,
    ...                  (*parts, Part("orders", 0, -4)))
    >>> bridge_title(moved)
    '18 new orders at fault explain most of the rise from 0.59% to 1.24%'
    >>> bridge_title(moved._replace(after=now._replace(rate=73), parts=(Part("left", -8, -30), Part("new", 11, 44))))
    '11 new orders at fault outweigh the 8 that left: up from 0.59% to 0.73%'
    >>> bridge_title(moved._replace(after=now._replace(rate=59), parts=(Part("left", -8, -30), Part("new", 8, 30))))
    '8 orders at fault that left and 8 new ones offset each other: 0.59% on both days'
    >>> bridge_title(moved._replace(after=now._replace(rate=0), parts=(Part("left", -1, -59),)))
    '1 order at fault that left explains the fall from 0.59% to 0.00%'
    >>> bridge_title(moved._replace(after=was, parts=()))
    'The rate did not move: 0.59% on both days'
    """
    before, after = moved.rate(moved.before), moved.rate(moved.after)
    along = _ranked(moved, 1 if moved.change > 0 else -1)
    against = _ranked(moved, -1 if moved.change > 0 else 1)
    if not moved.parts:
        return f"The rate did not move: {before} on both days"
    if not moved.change:
        return f"{_offset(along, against, moved)}: {before} on both days"
    way, direction = ("rise", "up") if moved.change > 0 else ("fall", "down")
    if mostly_orders(moved):
        return f"{_subjects(moved, _of_kind(along, 'orders'))} explain most of the {way} from {before} to {after}"
    foe = against[0] if against and 2 * abs(against[0].change) >= abs(along[0].change) else None
    named = _enough(along, abs(moved.change), abs(foe.change) if foe else 0)
    ends = "s" if len(named) == 1 and abs(named[0].at_fault) == 1 else ""
    if foe:
        return f"{_subjects(moved, named)} outweigh{ends} {_object(moved, foe)}: {direction} from {before} to {after}"
    whole = "" if len(named) == len(moved.parts) else "most of "
    return f"{_subjects(moved, named)} explain{ends} {whole}the {way} from {before} to {after}"


def _ranked(moved: Movement, sign: int) -> list[Part]:
    """The parts that raise the rate, or those that lower it, the longest first."""
    return sorted((part for part in moved.parts if part.change * sign > 0), key=lambda part: -abs(part.change))


def _of_kind(parts: Sequence[Part], kind: str) -> list[Part]:
    return [part for part in parts if part.kind == kind]


def _enough(along: list[Part], change: int, foe: int) -> list[Part]:
    """The fewest of the longest parts that, less the one against them, make more than half of the change."""
    reach = [sum(abs(part.change) for part in along[:many]) - foe for many in range(1, len(along) + 1)]
    return along[: next((many for many, sums in enumerate(reach, 1) if 2 * sums > change), len(along))]


def _offset(along: list[Part], against: list[Part], moved: Movement) -> str:
    """What cancels what where the shown rate stays; the denominator stands last."""
    if not along:
        return "The rate hardly moved"
    first, last = sorted([along[0], against[0]], key=lambda part: part.kind == "orders")
    return f"{_subjects(moved, [first])} and {_object(moved, last)} offset each other"


def _subjects(moved: Movement, parts: Sequence[Part]) -> str:
    """Parts as the opening of a title."""
    noun = metric(moved.metric).noun
    words = {
        "left": "{} at fault that left", "removed": "{} cleared", "learnt late": "{} learnt late", "new": "{} at fault",
    }  # fmt: skip

    def named(part: Part) -> str:
        if part.kind == "orders":
            return f"{_more_or_fewer(moved).lower()} {noun}s"
        return words[part.kind].format(things(abs(part.at_fault), f"new {noun}" if part.kind == "new" else noun))

    return opening(listed([named(part) for part in parts]))


def _object(moved: Movement, part: Part) -> str:
    """A part as what is outweighed, after the word for the orders was said."""
    many = abs(part.at_fault)
    return {
        "left": f"the {number(many)} that left",
        "removed": f"the {number(many)} cleared",
        "learnt late": f"the {number(many)} learnt late",
        "new": f"{number(many)} new {'one' if many == 1 else 'ones'}",
        "orders": f"having {_more_or_fewer(moved).lower()} {metric(moved.metric).noun}s",
    }[part.kind]


def mostly_orders(moved: Movement) -> str:
    """That the denominator does most of it; empty where it does not.

    >>> was = Seen(date(2026, 2, 1), date(2025, 12, 4), date(2026, 2, 1), 99, 1, 101)
    >>> now = Seen(date(2026, 3, 9), date(2026, 1, 9), date(2026, 3, 9), 6, 1, 1667)
    >>> parts = Part("left", -1, -884), Part("new", 1, 884), Part("orders", 0, 1566)
    >>> mostly_orders(Movement("order_defect_rate", "ordered_on", 60, "below", 2, was, now, 6, 99, parts))
    'The rate rose mostly because fewer orders are counted: 99 before, 6 now.'
    """
    orders = sum(part.change for part in _of_kind(moved.parts, "orders"))
    if orders * moved.change <= 0 or 2 * abs(orders) <= abs(moved.change):
        return ""
    noun = metric(moved.metric).noun
    why = f"{_more_or_fewer(moved).lower()} {noun}s are counted"
    counts = f"{number(moved.before.counted)} before, {number(moved.after.counted)} now"
    return f"The rate {'rose' if moved.change > 0 else 'fell'} mostly because {why}: {counts}."


def bridge_sum(moved: Movement) -> str:
    """The rate of the first day, every step and the rate of the last day, written out as a sum.

    >>> was = Seen(date(2026, 9, 30), date(2026, 9, 1), date(2026, 9, 30), 1231, 26, 21)
    >>> now = Seen(date(2026, 10, 31), date(2026, 10, 2), date(2026, 10, 31), 1262, 56, 44)
    >>> parts = Part("left", -26, -21), Part("new", 56, 45), Part("orders", 0, -1)
    >>> bridge_sum(Movement("late_shipment_rate", "ship_by_on", 30, "below", 1, was, now, 1262, 1231, parts))
    'In percentage points: 2.1 − 2.1 + 4.5 − 0.1 = 4.4.'
    """
    steps = "".join(
        f" {MINUS if part.change < 0 else '+'} {plain_number(abs(part.change), moved.places)}" for part in moved.parts
    )
    before, after = (plain_number(seen.rate, moved.places) for seen in (moved.before, moved.after))
    return f"In percentage points: {before}{steps} = {after}."


def bridge_caption(moved: Movement) -> list[str]:
    """What stands under the steps: the sum, whether the denominator did most of it, and how to read a step."""
    year = moved.after.day.year
    told = [bridge_sum(moved), mostly_orders(moved)]
    if _of_kind(moved.parts, "learnt late"):
        clock_day, seen_day = long_day(moved.before.last_day, year), long_day(moved.before.day, year)
        told.append(f"“Learnt late”: {PLACED[moved.clock]} by {clock_day}, known only after {seen_day}.")
    if moved.parts and moved.before.last_day < moved.after.first_day:
        told.append(f"The two {moved.window}-day windows share no day.")
    return told


def bars_caption(moved: Movement, begin: int) -> list[str]:
    """Where bars do not begin at nothing, and that steps pass an end of the scale on their way.

    >>> day = Seen(date(2026, 10, 31), date(2026, 10, 11), date(2026, 10, 24), 412, 33, 920)
    >>> moved = Movement("on_time_delivery_rate", "deliver_by_on", 14, "at least", 1, day, day, 0, 0, ())
    >>> bars_caption(moved, 900), bars_caption(moved._replace(parts=(Part("left", -40, 85),)), 0)
    (['The bars begin at 90%.'], ['Told one after the other, the steps pass above 100% on their way.'])
    """
    whole = 100 * 10**moved.places
    told = [f"The bars begin at {percent(Fraction(begin, whole))}."] if begin > 0 else []
    low, high = min(moved.values), max(moved.values)
    ends = [text for passed, text in ((low < 0, "below 0%"), (high > whole, "above 100%")) if passed]
    return told + ([f"Told one after the other, the steps pass {listed(ends)} on their way."] if ends else [])


# -- many accounts ----------------------------------------------------------------------------------------


def accounts_wrong(off: int, risk: int, on: int, failed: int) -> Sentence:
    """The index's first sentence: how many accounts stand where.

    >>> plain(accounts_wrong(3, 4, 13, 2))
    'Three accounts are off target and four are at risk. Two more have no report: their runs failed.'
    >>> plain(accounts_wrong(0, 0, 1, 0))
    'No account is off target: one is on target.'
    """

    def are(n: int) -> str:
        return f"{small(n)} {'is' if n == 1 else 'are'}"

    if off:
        noun = "account is" if off == 1 else "accounts are"
        head = Strong(f"{opening(small(off))} {noun} off target")
        parts: Sentence = (head, f" and {are(risk)} at risk." if risk else ".")
    else:
        rest = f"{are(risk)} at risk" if risk else f"{are(on)} on target" if on else "none can be judged yet"
        parts = (Strong("No account is off target"), f": {rest}.")
    if failed:
        one = failed == 1
        parts += (f" {opening(small(failed))} more {'has' if one else 'have'} no report: "
                  f"{'its run' if one else 'their runs'} failed.",)  # fmt: skip
    return parts


def account_furthest(account: str, standing: Standing) -> Sentence:
    """The index's second sentence when an account is off target: the one furthest past its limit.

    >>> plain(account_furthest("Harbor", Standing("order_defect_rate", 2498, 31, "below", 0.01, -7)))
    'Harbor is furthest past its limit: order defects are at 1.24% (limit 1%), 7 orders too many.'
    """
    noun = metric(standing.metric).noun
    over = f", {things(-standing.headroom, noun)} too many" if standing.headroom and standing.headroom < 0 else ""
    rest = f" is furthest past its limit: {_named(standing)} {_verb(standing)} at {standing.rate}{_brackets(standing)}"
    return (Strong(account), f"{rest}{over}.")


def account_nearest(account: str, standing: Standing) -> Sentence:
    """The index's second sentence when no account is off target: the one that has used most of its limit.

    >>> plain(account_nearest("Harbor", Standing("cancellation_rate", 297, 6, "below", 0.025, 1)))
    'Harbor is nearest to its limit: cancellation is at 2.0% (limit 2.5%), with 1 more order to go.'
    """
    left = headroom(standing.headroom, metric(standing.metric).noun)
    rest = f"{_named(standing)} {_verb(standing)} at {standing.rate}{_brackets(standing)}"
    return (Strong(account), f" is nearest to its limit: {rest}, with {left}{' to go' if standing.headroom else ''}.")


def accounts_first(sentence: str, account: str, failed: int) -> Sentence:
    """The index's third sentence: what the orders at fault of the worst account share, then the failed runs.

    >>> plain(accounts_first("13 of the 31 orders at fault are for “Tent”", "Harbor", 2))
    'Open Harbor: 13 of the 31 orders at fault are for “Tent”. Then run the two failed reports again.'
    >>> plain(accounts_first("", "", 0))
    'Nothing: there is no order at fault to look at.'
    """
    again = {0: "", 1: "the failed report again"}.get(failed, f"the {small(failed)} failed reports again")
    if not account and not failed:
        return (Strong("Nothing"), ": there is no order at fault to look at.")
    if not account:
        return (Strong(f"Run {again}"), ".")
    tail = f" Then run {again}." if again else ""
    return (Strong(f"Open {account}"), f": {sentence}.{tail}" if sentence else f".{tail}")


def orders_link(orders: int) -> str:
    """The link to the file of all orders at fault.

    >>> orders_link(31), orders_link(1)
    ('All 31 orders as CSV', 'This order as CSV')
    """
    return "This order as CSV" if orders == 1 else f"All {things(orders)} as CSV"


def failed_title(failed: int, month_name: str) -> str:
    """The heading of the runs that made no report.

    >>> failed_title(2, "October 2026")
    'Two runs failed; these accounts have no figures for October 2026'
    """
    many = (
        "One run failed; this account has"
        if failed == 1
        else f"{opening(small(failed))} runs failed; these accounts have"
    )
    return f"{many} no figures for {month_name}"
