"""Texts on what to do: an action with its orders and last day, what it brings, and what is not sure about it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from healthkit.report.text import figures, labels
from healthkit.report.text.figures import format_long_day, format_number, format_quantity
from healthkit.schema.marketplaces import AMAZON

if TYPE_CHECKING:
    from healthkit.analysis.todo import MeasureState, MeasureTodo, TodoItem
    from healthkit.report.todo_list import TodoRow

HEADING = "What to do, in order"
NOTHING = "Nothing is off target or at risk, and nothing waits."
NO_ACTION = "No action with a source is known for this measure in this marketplace."
IF_GRANTED = (
    "What an action brings is counted with its orders cleared, if the marketplace grants all of them; how often it "
    "does is published nowhere."
)
INFERRED_NOTE = (
    "A last day marked as inferred is counted from a day that stands for the one that the source names, such as the "
    "day on which a claim became known for that of the decision; one marked as a third party's is not confirmed by the "
    "marketplace."
)
IF_GRANTED_SHORT = "What a request brings holds if all named are granted; how often that is, nobody publishes."
INFERRED_SHORT = "Inferred: counted from the day on which it became known."
_UNSURE_DAYS = {"I": "inferred", "T": "third party"}
"""How sure the number of days of a deadline is -> the mark beside its last day."""


def orders_phrase(item: TodoItem, noun: str = "order") -> str:
    """Return how many orders an action takes: the smallest set of those for which it is possible, or all.

    >>> from types import SimpleNamespace as Made
    >>> orders_phrase(Made(orders=("a", "b", "c"), needed=2)), orders_phrase(Made(orders=("a",), needed=None))
    ('2 of 3 orders', '1 order')
    >>> orders_phrase(Made(orders=(), needed=None))
    ''
    """
    if not item.orders:
        return ""
    if item.needed is not None and item.needed < len(item.orders):
        return f"{format_number(item.needed)} of {format_quantity(len(item.orders), noun)}"
    return format_quantity(len(item.orders), noun)


def last_day_phrase(item: TodoItem, year: int) -> str:
    """Return until when an action is possible: the last day with a mark if it is not sure, or what is known of it.

    >>> from types import SimpleNamespace as Made
    >>> action, order = Made(deadline=Made(sure="I"), until=""), Made(is_latest=False)
    >>> last_day_phrase(Made(last_day=date(2026, 11, 9), action=action, first_orders=[order]), 2026)
    'by 9 November (inferred)'
    >>> order.is_latest = True
    >>> last_day_phrase(Made(last_day=date(2026, 11, 9), action=action, first_orders=[order]), 2026)
    'by 9 November at the latest (inferred)'
    >>> last_day_phrase(Made(last_day=None, action=Made(deadline=None, until="no last day is stated")), 2026)
    'no last day is stated'
    """
    if item.last_day is None:
        return item.action.until
    mark = _UNSURE_DAYS.get("" if item.action.deadline is None else item.action.deadline.sure, "")
    latest = " at the latest" if any(one.is_latest for one in item.first_orders) else ""
    return f"by {format_long_day(item.last_day, year)}{latest}{f' ({mark})' if mark else ''}"


def past_phrase(item: TodoItem, noun: str = "order") -> str:
    """Return for how many orders the last day is past; where it is inferred, that the action may still be possible.

    >>> from types import SimpleNamespace as Made
    >>> past_phrase(Made(past=("a", "b"), action=Made(kind="due", deadline=None)))
    '2 more are late already'
    >>> past_phrase(Made(past=("a",), action=Made(kind="clear", deadline=Made(sure="A"))))
    'too late for 1 more order'
    >>> past_phrase(Made(past=("a",), action=Made(kind="clear", deadline=Made(sure="I"))))
    'by this count too late for 1 more order: see whether it is still offered'
    >>> past_phrase(Made(past=(), action=None))
    ''
    """
    many = len(item.past)
    if not many:
        return ""
    if item.action.kind == "due":
        return f"{format_number(many)} more {'is' if many == 1 else 'are'} late already"
    late = f"too late for {format_number(many)} more {noun if many == 1 else noun + 's'}"
    is_sure = item.action.deadline is not None and item.action.deadline.sure == "A"
    return late if is_sure else f"by this count {late}: see whether it is still offered"


def brings_phrase(
    item: TodoItem,
    measure: MeasureTodo,
    side: str,
    target: float | None,
    as_of: date,
    company: str = AMAZON,
    noun: str = "order",
) -> str:
    """Return what an action brings, worked out by the rule, as a phrase without a full stop.

    `side` and `target` are those of the rule. The return day is that of the best case and says so; what is likely
    stands beside it (`as_it_goes_on_sentence`).

    >>> from types import SimpleNamespace as Made
    >>> def at(at_fault, status, headroom, back_on=None):
    ...     return Made(counted=1641, at_fault=at_fault, status=status, headroom=headroom, back_on=back_on)
    >>> now = at(21, "off target", -5, date(2026, 11, 22))
    >>> measure = Made(now=now, status="off target", figure_is_reported=False, unknown=0)
    >>> clear = Made(kind="clear")
    >>> item = Made(action=clear, orders=("a",) * 11, needed=5, then=at(16, "at risk", 0, date(2026, 11, 5)))
    >>> brings_phrase(item, measure, "below", 0.01, date(2026, 10, 31))
    'with these 5 of 11 granted: 0.98% instead of 1.28%, on target from 5 November if nothing new goes wrong'
    >>> item = Made(action=clear, orders=("a",), needed=None, then=at(20, "off target", -4, date(2026, 11, 15)))
    >>> brings_phrase(item, measure, "below", 0.01, date(2026, 10, 31))
    'with this one granted: 1.22% instead of 1.28%, still off target; on target from 15 November instead of 22 November if nothing new goes wrong'
    >>> measure.figure_is_reported, measure.unknown, item.then = True, 7, None
    >>> brings_phrase(item, measure, "below", 0.01, date(2026, 10, 31))
    'cannot be worked out: Amazon’s own figure decides, and the files name 7 fewer orders than it counts'
    """  # noqa: E501 - examples
    kind = item.action.kind
    if kind == "due":
        many = len(item.orders)
        if not many:
            return ""
        return f"done in time, {'it does' if many == 1 else f'these {format_number(many)} do'} not count as late"
    if measure.figure_is_reported and kind == "clear":
        fewer = f", and the files name {format_number(measure.unknown)} fewer {noun}s than it counts"
        return (
            f"cannot be worked out: {labels.possessive(company)} own figure decides{fewer if measure.unknown else ''}"
        )
    if item.then is None or measure.now is None:
        return ""
    if kind == "clear":
        return f"with {_granted_phrase(item)} granted: {standing_phrase(item.then, measure.now, side, target, as_of)}"
    return _prevention_phrase(item.then, as_of.year, labels.metric_words(measure.metric).noun)


def _granted_phrase(item: TodoItem) -> str:
    """Return the orders whose effect is said: "this one", "these 5 of 11", "all 3"."""
    many = len(item.orders)
    if many == 1:
        return "this one"
    if item.needed is not None and item.needed < many:
        these = "this 1" if item.needed == 1 else f"these {format_number(item.needed)}"
        return f"{these} of {format_number(many)}"
    return f"all {format_number(many)}"


def standing_phrase(then: MeasureState, now: MeasureState, side: str, target: float | None, as_of: date) -> str:
    """Return the rate of a measure then and now, and from which day it is on target in the best case.

    >>> from types import SimpleNamespace as Made
    >>> now = Made(counted=1116, at_fault=11, status="at risk", headroom=0, back_on=date(2026, 10, 31))
    >>> then = Made(counted=1116, at_fault=4, status="on target", headroom=7, back_on=date(2026, 10, 31))
    >>> standing_phrase(then, now, "below", 0.01, date(2026, 10, 31))
    '0.36% instead of 0.99%, room for 7 more instead of none'
    >>> now.status = "off target"
    >>> standing_phrase(then, now, "below", 0.01, date(2026, 10, 31))
    '0.36% instead of 0.99%, on target at once, and to stay if nothing new goes wrong'
    >>> then.status = "incomplete"
    >>> standing_phrase(then, now, "below", 0.01, date(2026, 10, 31))
    '0.36% instead of 0.99% by what the files hold; they do not cover everything, so it cannot be judged then'
    """
    rates = [figures.format_rate(one.counted, one.at_fault, side, target) for one in (then, now)]
    text = f"{rates[0]} instead of {rates[1]}" if rates[0] != rates[1] else f"still {rates[0]}"
    if then.status not in ("off target", "at risk", "on target"):
        return f"{text} by what the files hold; they do not cover everything, so it cannot be judged then"
    if now.status != "off target":
        return f"{text}, room for {_room(then.headroom)} more instead of {_room(now.headroom)}"
    still = ", still off target;" if then.status == "off target" else ","
    if then.back_on is None:
        return f"{text}{still} not back on target by waiting"
    if then.back_on == as_of:
        return f"{text}, on target at once, and to stay if nothing new goes wrong"
    year, earlier = as_of.year, ""
    since = format_long_day(then.back_on, year)
    if then.status == "off target":
        was = "never by waiting" if now.back_on is None else format_long_day(now.back_on, year)
        earlier = " as without it" if then.back_on == now.back_on else f" instead of {was}"
    return f"{text}{still} on target from {since}{earlier} if nothing new goes wrong"


def _room(headroom: int | None) -> str:
    return format_number(headroom) if headroom else "none"


def _prevention_phrase(now: MeasureState, year: int, noun: str) -> str:
    """Return what it brings if no new fault comes: the day of the best case, or the room that stays."""
    if now.status != "off target":
        room = figures.format_headroom(now.headroom, noun) if now.headroom else f"not one more {noun}"
        return f"keeps it on target, where {room} may go wrong"
    if now.back_on is None:
        return "not back on target by waiting, even if nothing new goes wrong"
    return f"on target from {format_long_day(now.back_on, year)} if nothing new goes wrong"


def together_phrase(then: MeasureState, now: MeasureState, side: str, target: float | None, as_of: date) -> str:
    """Return what all actions of a measure bring together, where no single one is enough; it follows one of them.

    >>> from types import SimpleNamespace as Made
    >>> now = Made(counted=100, at_fault=5, status="off target", headroom=-4, back_on=date(2026, 11, 20))
    >>> then = Made(counted=100, at_fault=0, status="on target", headroom=1, back_on=date(2026, 11, 2))
    >>> together_phrase(then, now, "below", 0.01, date(2026, 10, 31))
    'all requests for this measure granted: 0.00% instead of 5.00%, on target from 2 November if nothing new goes wrong'
    """
    return f"all requests for this measure granted: {standing_phrase(then, now, side, target, as_of)}"


def grounds_sentence(grounds: tuple[str, ...]) -> str:
    """Return in which circumstances an action is granted.

    >>> grounds_sentence(("it reviews nothing but the product", "it holds names"))
    'It is granted where: it reviews nothing but the product; it holds names.'
    """
    return f"It is granted where: {'; '.join(grounds)}." if grounds else ""


def more_phrase(more: int) -> str:
    """Return how many more rows the whole list has.

    >>> more_phrase(9)
    'and 9 more in the whole list'
    """
    return f"and {format_number(more)} more in the whole list" if more else ""


def notes(rows: Iterable[TodoRow], as_of: date, short: bool = False) -> list[str]:
    """Return what is said under a list: as of which day the last days are, what "brings" rests on, and what is unsure.

    >>> from types import SimpleNamespace as Made
    >>> found = notes([Made(kind="clear", until="by 9 November (inferred)", past="")], date(2026, 10, 31))
    >>> len(found), found[0]
    (3, 'Last days are as of 31 October 2026; earlier ones count as past.')
    >>> notes([Made(kind="file", until="", past="")], date(2026, 10, 31))
    []
    """
    rows = list(rows)
    unsure = any(row.until.endswith(f"({mark})") for row in rows for mark in _UNSURE_DAYS.values())
    requests = any(row.kind == "clear" for row in rows)
    granted, inferred = (IF_GRANTED_SHORT, INFERRED_SHORT) if short else (IF_GRANTED, INFERRED_NOTE)
    has_days = any(row.kind == "clear" and (row.until or row.past) for row in rows)
    days = [f"Last days are as of {figures.format_long_day(as_of, 0)}; earlier ones count as past."]
    return [*(days if has_days else []), *([granted] if requests else []), *([inferred] if unsure else [])]


def step_sentence(title: str, measure: str, orders: str, last_day: str, brings: str) -> str:
    """Return one action as one sentence, for a summary.

    >>> step_sentence("Appeal the claim", "Order Defect Rate", "5 of 11 orders", "by 9 November", "0.97% instead of 1.28%")
    'Appeal the claim (Order Defect Rate; 5 of 11 orders; by 9 November): 0.97% instead of 1.28%.'
    """  # noqa: E501 - the call
    about = "; ".join(filter(None, (measure, orders, last_day)))
    return f"{title} ({about}){f': {brings}' if brings else ''}."
