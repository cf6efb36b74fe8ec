"""Sentences of one account's report: verdict, titles, captions and notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from healthkit.report.text import account as account_text
from healthkit.report.text import reasons
from healthkit.report.text.figures import (
    exact_rate,
    format_day,
    format_day_range,
    format_headroom,
    format_limit,
    format_long_day,
    format_long_day_range,
    format_number,
    format_quantity,
    format_rate,
    format_target,
    spell_number,
)
from healthkit.report.text.labels import (
    CLOCK_LABELS,
    CLOCK_PARTICIPLES,
    DASH,
    MetricWords,
    Strong,
    capitalise_first,
    causes_phrase,
    channel_label,
    join_words,
    lowercase_first,
    metric_words,
)
from healthkit.schema.marketplaces import AMAZON

Sentence = tuple[str, ...]
"""A sentence as its parts; `Strong` parts are bold."""


def plain_text(sentence: Sentence) -> str:
    """Return a sentence as one string, without its emphasis.

    >>> plain_text((Strong("Nothing is off target"), "."))
    'Nothing is off target.'
    """
    return "".join(sentence)


class MeasureStanding(NamedTuple):
    """One judged measure, as the input of sentences: its counts, target and headroom.

    `channel` and `window` are empty if sentences need not name them. `value` is the figure of a metric that is not
    a rate; the target of a rating is in points. `share_used` is the used share of what the target allows (see
    `policy.Target.share_used`). `figure_source` names the source of the figure; it is empty if the figure is ours.
    `company` is that of the marketplace (see `labels.company_of`).
    """

    metric: str
    counted: int
    at_fault: int
    side: str
    target: float | None
    headroom: int | None
    channel: str = ""
    window: int = 0
    value: float | None = None
    share_used: float | None = None
    figure_source: str = ""
    company: str = AMAZON

    @property
    def words(self) -> MetricWords:
        """The words for the metric, as the company calls it."""
        return metric_words(self.metric, self.company)

    @property
    def formatted_rate(self) -> str:
        """The formatted rate, or the formatted figure of a metric that is not a rate."""
        if self.value is None:
            return format_rate(self.counted, self.at_fault, self.side, self.target)
        unit = {"number": " open", "points": " points"}.get(account_text.figure_kind(self.metric), "")
        return account_text.format_value(self.metric, self.value) + unit

    @property
    def formatted_limit(self) -> str:
        """The target, formatted for the brackets after the rate."""
        if self.value is None:
            return format_limit(self.side, self.target or 0)
        if account_text.figure_kind(self.metric) == "number":
            return "none allowed"
        return f"target {account_text.format_value_target(self.metric, int(self.target or 0))}"

    @property
    def rate_and_limit(self) -> str:
        """The rate or figure with its limit, as in "at 1.24% (limit 1%)"."""
        return f"at {self.formatted_rate} ({self.formatted_limit})"


def measure_over_windows(metric_id: str, channel: str, windows: Sequence[int], company: str = AMAZON) -> str:
    """Return the name of a measure with its windows, as written inside a sentence. [days]

    >>> measure_over_windows("late_shipment_rate", "", [10, 30]), measure_over_windows("refund_rate", "", [])
    ('Late Shipment Rate over 10 and 30 days', 'refunds')
    """
    sizes = join_words([format_number(size) for size in sorted(windows)])
    return measure_phrase(metric_id, channel, company=company) + (
        f" over {sizes} {'day' if list(windows) == [1] else 'days'}" if windows else ""
    )


def measure_phrase(metric_id: str, channel: str = "", window: int = 0, company: str = AMAZON) -> str:
    """Return the name of a measure inside a sentence, with its window and channel if they are given.

    >>> measure_phrase("late_shipment_rate", window=30)
    'Late Shipment Rate over 30 days'
    >>> measure_phrase("order_defect_rate", "amazon")
    'Order Defect Rate (Amazon-fulfilled)'
    >>> measure_phrase("late_shipment_rate", "amazon", company="TikTok Shop")
    'Late Dispatch Rate (TikTok Shop-fulfilled)'
    """
    phrase = lowercase_first(metric_words(metric_id, company).label)
    if window:
        phrase += " over 1 day" if window == 1 else f" over {window} days"
    return phrase + (f" ({channel_label(channel, company)})" if channel else "")


def measure_heading(metric_id: str, window: int = 0, company: str = AMAZON) -> str:
    """Return the name of a measure as a heading, with its window if it is given.

    >>> measure_heading("late_shipment_rate", 30)
    'Late Shipment Rate, 30 days'
    """
    return metric_words(metric_id, company).label + (
        f", {'1 day' if window == 1 else f'{window} days'}" if window else ""
    )


def standing_phrase(standing: MeasureStanding) -> str:
    """Return the name of a judged measure inside a sentence, with its window and channel if they are given."""
    return measure_phrase(standing.metric, standing.channel, standing.window, standing.company)


def is_or_are(standing: MeasureStanding) -> str:
    """Return the verb after the name of a measure: "is" or "are"."""
    return "are" if standing.words.is_plural else "is"


def what_is_wrong_sentence(
    off: Sequence[MeasureStanding],
    risk: Sequence[MeasureStanding],
    on_target: int,
    unjudged: Sequence[MeasureStanding] = (),
) -> Sentence:
    """Return the first sentence of the verdict: the measures off target, at risk and without a verdict.

    `off` and `risk` are sorted, the worst first. `unjudged` are the enforced measures without a verdict,
    `on_target` is the number of measures on target.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> late = MeasureStanding("late_shipment_rate", 1262, 56, "below", 0.04, -6, window=30)
    >>> "".join(what_is_wrong_sentence([defects, late], [], 5))
    'Order Defect Rate is off target at 1.24% (limit 1%), and Late Shipment Rate over 30 days is at 4.4% (limit 4%).'
    >>> amazon = "Amazon’s own figure of 27 November"
    >>> "".join(what_is_wrong_sentence([defects._replace(figure_source=amazon), late], [], 5))
    'Order Defect Rate is off target at 1.24% (limit 1%) by Amazon’s own figure of 27 November, and Late Shipment Rate over 30 days is at 4.4% (limit 4%).'
    >>> "".join(what_is_wrong_sentence([], [], 1))
    'Nothing is off target: the one measure that can be judged is on target.'
    >>> "".join(what_is_wrong_sentence([], [], 3, [late]))
    'Nothing is known to be off target, but Late Shipment Rate over 30 days cannot be judged.'
    >>> "".join(what_is_wrong_sentence([defects], [], 3, [late]))
    'Order Defect Rate is off target at 1.24% (limit 1%); Late Shipment Rate over 30 days cannot be judged.'
    """  # noqa: E501 - the sentences
    unjudged_clause = reasons.unjudged_measures_clause([standing_phrase(one) for one in unjudged]) if unjudged else ""
    rest = f"; {unjudged_clause}." if unjudged_clause else "."
    if off:
        head = Strong(
            f"{capitalise_first(standing_phrase(off[0]))} {is_or_are(off[0])} off target at {off[0].formatted_rate}"
        )
        limit = f" ({off[0].formatted_limit}){figure_source_suffix(off[0])}"
        return (head, limit, *_other_measures_clause(off[1:], risk), rest)
    if risk:
        head = Strong("Nothing is known to be off target" if unjudged else "Nothing is off target")
        return (head, f", but {figure_clause(risk[0], 'at risk ')}", *_other_measures_clause((), risk[1:]), rest)
    if unjudged and on_target:
        return (Strong("Nothing is known to be off target"), f", but {unjudged_clause}.")
    if on_target:
        judged = "the one measure that can be judged is" if on_target == 1 else (
            f"all {spell_number(on_target)} measures that can be judged are"
        )  # fmt: skip
        return (Strong("Nothing is off target"), f": {judged} on target.")
    return (Strong("No measure can be judged"), " with the orders that the files hold.")


def figure_clause(standing: MeasureStanding, status: str = "") -> str:
    """Return a clause with the name of a measure, its rate or figure, and its limit.

    >>> figure_clause(MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7))
    'Order Defect Rate is at 1.24% (limit 1%)'
    """
    verb = is_or_are(standing)
    return f"{standing_phrase(standing)} {verb} {status}{standing.rate_and_limit}{figure_source_suffix(standing)}"


def headroom_phrase(standing: MeasureStanding) -> str:
    """Return the headroom of a measure as text: how many more orders may be at fault, or are too many.

    >>> late = MeasureStanding("late_shipment_rate", 670, 64, "below", 0.04, -38)
    >>> headroom_phrase(late), headroom_phrase(late._replace(headroom=0)), headroom_phrase(late._replace(headroom=2))
    ('38 orders too many', 'no room for one more order', 'room for 2 more orders')
    """
    headroom, noun = standing.headroom or 0, standing.words.noun
    if headroom < 0:
        return f"{format_quantity(-headroom, noun)} too many"
    return f"room for {format_headroom(headroom, noun)}" if headroom else f"no room for one more {noun}"


def figure_source_suffix(standing: MeasureStanding) -> str:
    """Return the source of a figure, to append to it; empty if the figure is ours.

    >>> amazon = "Amazon’s own figure of 27 November"
    >>> figure_source_suffix(MeasureStanding("order_defect_rate", 226, 3, "below", 0.01, -1, figure_source=amazon))
    ' by Amazon’s own figure of 27 November'
    """
    return f" by {standing.figure_source}" if standing.figure_source else ""


def _other_measures_clause(off: Sequence[MeasureStanding], risk: Sequence[MeasureStanding]) -> Sentence:
    """Return what else is off target or at risk: one measure with its figures, several as a number."""
    if len(off) == 1:
        return (f", and {figure_clause(off[0])}",)
    if off:
        return (f", and {spell_number(len(off))} more measures are off target",)
    if len(risk) == 1:
        return (f", and {figure_clause(risk[0], 'at risk ')}",)
    return (f", and {spell_number(len(risk))} more measures are at risk",) if risk else ()


class LeavingOrders(NamedTuple):
    """The number of orders at fault that leave the window by a day, their total, and the first day one leaves."""

    leaving_count: int
    total: int
    until: date
    first_day: date


def orders_leaving_sentence(standing: MeasureStanding, leaving: LeavingOrders | None, year: int) -> Sentence:
    """Return the second sentence of the verdict if a measure is off target: its excess, and the orders that leave.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> "".join(orders_leaving_sentence(defects, LeavingOrders(8, 31, date(2026, 11, 30), date(2026, 11, 3)), 2026))
    '7 orders are too many; 8 of the 31 at fault leave the window by 30 November, the first on 3 November.'
    """
    if standing.value is not None:
        return _no_roll_off_sentence(standing)
    excess = -(standing.headroom or 0)
    noun = standing.words.noun
    head = Strong(f"{format_quantity(excess, noun)} {'is' if excess == 1 else 'are'} too many")
    if leaving is None:
        return (head, ".")
    return (head, "; ", leaving_clause(leaving, year), ".")


def _no_roll_off_sentence(standing: MeasureStanding) -> Sentence:
    """Return a sentence on a figure that waiting does not improve: open violations or missing points.

    >>> "".join(_no_roll_off_sentence(MeasureStanding("policy_violations", 1, 2, "at most", 0.0, -2, value=2.0)))
    '2 violations are open; they do not leave by waiting.'
    """
    figure = standing.value or 0
    if account_text.figure_kind(standing.metric) == "number":
        open_count = round(figure)
        they_do = "it does" if open_count == 1 else "they do"
        return (
            Strong(f"{format_quantity(open_count, 'violation')} {'is' if open_count == 1 else 'are'} open"),
            f"; {they_do} not leave by waiting.",
        )
    missing_points = round((standing.target or 0) - figure)
    return (
        Strong(f"{format_quantity(missing_points, 'point')} {'is' if missing_points == 1 else 'are'} missing"),
        " to the rating that is asked.",
    )


def leaving_clause(leaving: LeavingOrders, year: int) -> str:
    """Return a clause with the number of orders at fault that leave the window by a day.

    >>> leaving_clause(LeavingOrders(0, 4, date(2026, 11, 30), date(2026, 12, 7)), 2026)
    'none of the 4 at fault leaves the window before 7 December'
    >>> leaving_clause(LeavingOrders(1, 1, date(2026, 11, 30), date(2026, 11, 7)), 2026)
    'the 1 at fault leaves the window on 7 November'
    """
    first, until = format_long_day(leaving.first_day, year), format_long_day(leaving.until, year)
    if leaving.total == 1:
        return f"the 1 at fault leaves the window on {first}"
    if not leaving.leaving_count:
        return f"none of the {format_number(leaving.total)} at fault leaves the window before {first}"
    if leaving.leaving_count == leaving.total:
        return f"all {format_number(leaving.total)} at fault leave the window by {until}, the first on {first}"
    verb = "leaves" if leaving.leaving_count == 1 else "leave"
    part = f"{format_number(leaving.leaving_count)} of the {format_number(leaving.total)}"
    clause = f"{part} at fault {verb} the window by {until}"
    return f"{clause}, the first on {first}" if leaving.leaving_count > 1 else clause


def least_room_sentence(standing: MeasureStanding) -> Sentence:
    """Return the second sentence of the verdict if nothing is off target: the measure with the least headroom.

    >>> "".join(least_room_sentence(MeasureStanding("cancellation_rate", 297, 6, "below", 0.025, 1)))
    'Pre-fulfilment Cancellation Rate has the least room: 1 more order may go wrong before the target is missed.'
    """
    verb = "have" if standing.words.is_plural else "has"
    head = Strong(f"{capitalise_first(standing_phrase(standing))} {verb} the least room")
    headroom, noun = standing.headroom or 0, standing.words.noun
    if not headroom:
        return (head, f": the next {noun} at fault misses the target.")
    return (head, f": {format_headroom(headroom, noun)} may go wrong before the target is missed.")


class SharedGroup(NamedTuple):
    """What most orders at fault have in common, and how many of them: a product, a cause or a range of days.

    `kind` is "product", "cause" or "days". `orders` of the `total` orders at fault are in the group.
    """

    kind: str
    name: str
    orders: int
    total: int
    cause: str = ""
    first: date = date.min
    last: date = date.min
    clock: str = "ordered_on"


def nothing_at_fault_sentence(noun: str = "order") -> Sentence:
    """Return the third sentence of the verdict where there is nothing to do.

    >>> "".join(nothing_at_fault_sentence())
    'Nothing: no order is at fault where the room is least.'
    """
    return (Strong("Nothing"), f": no {noun} is at fault where the room is least.")


def origin_sentence(group: SharedGroup | None, at_fault: int, year: int, noun: str = "order") -> Sentence:
    """Return the third sentence of the verdict: what most orders at fault have in common.

    >>> "".join(origin_sentence(SharedGroup("product", "Tent, 2-person", 13, 31, "a_to_z_claim"), 31, 2026))
    '“Tent, 2-person”: 13 of the 31 orders at fault are A-to-z Guarantee claims on it.'
    >>> "".join(origin_sentence(SharedGroup("cause", "chargeback", 9, 12), 12, 2026))
    'Chargebacks: 9 of the 12 orders at fault have one.'
    >>> "".join(origin_sentence(None, 31, 2026)), "".join(origin_sentence(None, 1, 2026))
    ('No one group: no product and no ten days hold half of the 31 orders at fault.', 'One order at fault: it alone makes the rate.')
    """  # noqa: E501 - two sentences
    if group is None and at_fault == 1:
        return (Strong(f"One {noun} at fault"), ": it alone makes the rate.")
    if group is None:
        rest = f": no product and no ten days hold half of the {format_number(at_fault)} {noun}s at fault."
        return (Strong("No one group"), rest)
    name = {
        "product": f"“{group.name}”",
        "cause": causes_phrase(group.name, plural=True) if noun == "order" else f"{noun}s {causes_phrase(group.name)}",
        "days": format_long_day_range(group.first, group.last, year),
    }[group.kind]
    return (Strong(capitalise_first(name)), f": {group_share_phrase(group, year, True, noun)}.")


def group_share_phrase(group: SharedGroup, year: int, pronoun: bool = False, noun: str = "order") -> str:
    """Return how many of the orders at fault share a product, a cause or a range of days.

    With `pronoun`, a pronoun refers to the group that the text has just named.

    >>> group_share_phrase(SharedGroup("product", "Tent", 13, 31, "a_to_z_claim"), 2026)
    '13 of the 31 orders at fault are A-to-z Guarantee claims on “Tent”'
    >>> days = SharedGroup("days", "", 36, 56, "", date(2026, 10, 5), date(2026, 10, 9), "ship_by_on")
    >>> group_share_phrase(days, 2026)
    '36 of the 56 orders at fault were due to ship in five days, 5 to 9 October'
    >>> group_share_phrase(SharedGroup("product", "Stove", 7, 7), 2026)
    'All 7 orders at fault are for “Stove”'
    """
    all_orders = "both" if group.total == 2 else f"all {format_number(group.total)}"
    subject = f"{format_number(group.orders)} of the {format_number(group.total)} {noun}s at fault"
    if group.orders == group.total:
        subject = f"{all_orders if pronoun else capitalise_first(all_orders)} {noun}s at fault"
    if group.kind == "product":
        verb = f"are {causes_phrase(group.cause, plural=True)} on" if group.cause else "are for"
        return f"{subject} {verb} {'it' if pronoun else f'“{group.name}”'}"
    if group.kind == "cause":
        if noun != "order":
            return f"{subject} {'is' if group.orders == 1 else 'are'} {causes_phrase(group.name)}"
        cause = {"a_to_z_claim": "an A-to-z Guarantee claim"}.get(group.name, f"a {causes_phrase(group.name)}")
        cause = causes_phrase(group.name) if group.name == "negative_feedback" else cause
        return f"{subject} have {('it' if group.name == 'negative_feedback' else 'one') if pronoun else cause}"
    days = (group.last - group.first).days + 1
    span = "one day" if days == 1 else f"{spell_number(days)} days"
    period = (
        f"in {'that' if days == 1 else 'those'} {span}"
        if pronoun
        else f"in {span}, {format_long_day_range(group.first, group.last, year)}"
    )
    return f"{subject} were {CLOCK_PARTICIPLES[group.clock]} {period}"


def unknown_orders_sentence(standing: MeasureStanding, known: int) -> Sentence:
    """Return the second sentence of the verdict if the marketplace's own figure is off target: its excess.

    `known` is the number of orders at fault in our files.

    >>> "".join(unknown_orders_sentence(MeasureStanding("order_defect_rate", 226, 3, "below", 0.01, -1), 0))
    '1 order is too many; the files do not say which orders are at fault.'
    >>> "".join(unknown_orders_sentence(MeasureStanding("cancellation_rate", 34, 5, "below", 0.025, -5), 2))
    '5 orders are too many; of the 5 at fault the files name 2.'
    """
    excess = -(standing.headroom or 0)
    noun = standing.words.noun
    if excess > 0:
        head = Strong(f"{format_quantity(excess, noun)} {'is' if excess == 1 else 'are'} too many")
    else:
        head = Strong(f"The marketplace counts {format_quantity(standing.at_fault, noun)} at fault")
    if not known:
        return (head, f"; the files do not say which {noun}s are at fault.")
    if known >= standing.at_fault:
        return (head, f"; the files name {format_number(known)} at fault.")
    return (head, f"; of the {format_number(standing.at_fault)} at fault the files name {format_number(known)}.")


def scorecard_title(off: int, risk: int, judged: int, unjudged: int) -> str:
    """Return the title of the scorecard: the number of measures in each status.

    `unjudged` are the enforced measures without a verdict, as in the first sentence of the verdict.

    >>> scorecard_title(2, 0, 8, 1)
    'Two of eight measures are off target; one cannot be judged'
    >>> scorecard_title(0, 1, 8, 0), scorecard_title(0, 0, 1, 0)
    ('Nothing is off target; one of eight measures is at risk', 'The one measure that can be judged is on target')
    >>> scorecard_title(0, 0, 3, 0)
    'All three measures that can be judged are on target'
    >>> scorecard_title(0, 1, 8, 2)
    'Nothing is known to be off target; one of eight measures is at risk; two cannot be judged'
    >>> scorecard_title(1, 0, 1, 6), scorecard_title(1, 0, 1, 0)
    ('One measure is off target; six cannot be judged', 'The one measure is off target')
    >>> scorecard_title(0, 0, 1, 6), scorecard_title(0, 0, 8, 1)
    ('Six measures cannot be judged; one is on target', 'One measure cannot be judged; eight are on target')
    """
    nothing = "Nothing is known to be off target" if unjudged else "Nothing is off target"
    if not judged:
        return "No measure can be judged yet"
    of_measures = f"of {spell_number(judged)} measures"
    if off:
        text = f"{'One' if unjudged else 'The one'} measure is off target" if judged == 1 else (
            f"{capitalise_first(spell_number(off))} {of_measures} {'is' if off == 1 else 'are'} off target"
        )  # fmt: skip
        text += f"; {spell_number(risk)} {'is' if risk == 1 else 'are'} at risk" if risk else ""
    elif risk:
        text = f"{nothing}; {'one' if unjudged else 'the one'} measure is at risk" if judged == 1 else (
            f"{nothing}; {spell_number(risk)} {of_measures} {'is' if risk == 1 else 'are'} at risk"
        )  # fmt: skip
    elif unjudged:
        noun = "measure" if unjudged == 1 else "measures"
        verb = "is" if judged == 1 else "are"
        return (
            f"{capitalise_first(spell_number(unjudged))} {noun} cannot be judged; {spell_number(judged)} {verb} "
            "on target"
        )
    else:
        text = "The one measure that can be judged is on target" if judged == 1 else (
            f"All {spell_number(judged)} measures that can be judged are on target"
        )  # fmt: skip
    return text + (f"; {spell_number(unjudged)} cannot be judged" if unjudged else "")


def chapter_title(standing: MeasureStanding, before: tuple[int, int] | None) -> str:
    """Return the title of a chapter: how the rate moved in a month, and its headroom.

    `before` is the count of a month before: counted, at fault.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> chapter_title(defects, (2391, 14))
    'Order Defect Rate rose from 0.59% to 1.24%: 7 orders too many'
    >>> chapter_title(defects._replace(headroom=2), None)
    'Order Defect Rate is at 1.24%, with room for 2 more orders'
    """
    link = ": " if (standing.headroom or 0) < 0 else ", with "
    change = _rate_change_phrase(standing, before)
    return f"{capitalise_first(standing_phrase(standing))} {change}{link}{headroom_phrase(standing)}"


def _rate_change_phrase(standing: MeasureStanding, before: tuple[int, int] | None) -> str:
    """Return how a rate changed since the month before."""
    if before is None or not before[0]:
        return f"{is_or_are(standing)} at {standing.formatted_rate}"
    rate_before = format_rate(*before, standing.side, standing.target)
    change = exact_rate(standing.counted, standing.at_fault, standing.side) - exact_rate(*before, standing.side)
    if rate_before == standing.formatted_rate:
        return f"{'stay' if standing.words.is_plural else 'stays'} at {rate_before}"
    return f"{'rose' if change > 0 else 'fell'} from {rate_before} to {standing.formatted_rate}"


def chapter_lead(standing: MeasureStanding, clock: str, first: date, last: date, year: int) -> str:
    """Return the lead of a chapter: the orders counted, how many are at fault, and with what.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7, "seller")
    >>> chapter_lead(defects, "ordered_on", date(2026, 8, 18), date(2026, 10, 16), 2026)
    'Seller-fulfilled orders placed 18 August to 16 October: 31 of 2,498 have a claim, bad feedback or a chargeback.'
    """
    words = standing.words
    names_channel = standing.channel and standing.channel != "all"
    channel = f"{capitalise_first(channel_label(standing.channel, standing.company))} " if names_channel else ""
    subject = f"{channel}{words.noun}s" if channel else capitalise_first(f"{words.noun}s")
    predicate = words.singular_predicate if standing.at_fault == 1 else words.plural_predicate
    return (
        f"{subject} {CLOCK_PARTICIPLES[clock]} {format_long_day_range(first, last, year)}: "
        f"{format_number(standing.at_fault)} of {format_number(standing.counted)} {predicate}."
    )


def rate_title(
    standing: MeasureStanding,
    off_since: date | None,
    days_off_target: int,
    days_shown: int,
    may_be_longer: bool,
    year: int,
) -> str:
    """Return the title of the chart of a rate: since when it is off target, or the used share of its target.

    `days_shown` is the length of the chart. `may_be_longer` says that the day before could not be judged.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> rate_title(defects, date(2026, 10, 14), 18, 120, False, 2026)
    'Off target since 14 October, 18 days in a row'
    >>> rate_title(defects, date(2026, 7, 4), 120, 120, False, 2026)
    'Off target on every one of the last 120 days'
    >>> rate_title(defects, date(2026, 10, 17), 4, 120, True, 2026)
    'Off target since 17 October or earlier, at least 4 days in a row'
    >>> rate_title(defects._replace(at_fault=22, share_used=0.8807), None, 0, 120, False, 2026)
    'At risk at 0.88%: 88% of what the target allows is used up'
    """
    if off_since is None:
        return (
            f"At risk at {standing.formatted_rate}: {format_share_used(standing)} of what the target allows is used up"
        )
    if may_be_longer:
        days = format_quantity(days_off_target, "day")
        return f"Off target since {format_long_day(off_since, year)} or earlier, at least {days} in a row"
    if days_off_target == 1:
        return f"Off target since {format_long_day(off_since, year)}, for one day"
    if days_off_target >= days_shown:
        return f"Off target on every one of the last {days_off_target} days"
    return f"Off target since {format_long_day(off_since, year)}, {days_off_target} days in a row"


def format_share_used(standing: MeasureStanding) -> str:
    """Format the used share of what the target of a measure allows, in whole percent.

    >>> format_share_used(MeasureStanding("order_defect_rate", 2000, 10, "below", 0.01, 9, share_used=0.5))
    '50%'
    """
    return DASH if standing.share_used is None else f"{int(standing.share_used * 100 + 0.5):,}%"


def at_fault_clause(n: int, noun: str = "order") -> str:
    """Return a clause with the number of orders at fault.

    >>> at_fault_clause(1), at_fault_clause(31)
    ('1 order is at fault', '31 orders are at fault')
    """
    return f"{format_quantity(n, noun)} {'is' if n == 1 else 'are'} at fault"


def causes_title(group: SharedGroup | None, at_fault: int, year: int, noun: str = "order") -> str:
    """Return the title of the chart of causes: what most orders at fault have in common.

    >>> causes_title(SharedGroup("cause", "a_to_z_claim", 19, 31), 31, 2026)
    '19 of the 31 orders at fault have an A-to-z Guarantee claim'
    >>> causes_title(None, 12, 2026)
    'The 12 orders at fault have no product and no ten days in common'
    """
    if group is not None:
        return group_share_phrase(group, year, noun=noun)
    return f"One {noun} is at fault" if at_fault == 1 else (
        f"The {format_number(at_fault)} {noun}s at fault have no product and no ten days in common"
    )  # fmt: skip


def leaving_title(leaving: LeavingOrders, year: int) -> str:
    """Return the title of the calendar of orders that leave the window.

    >>> leaving_title(LeavingOrders(8, 31, date(2026, 11, 30), date(2026, 11, 3)), 2026)
    '8 of the 31 at fault leave the window by 30 November, the first on 3 November'
    """
    return capitalise_first(leaving_clause(leaving, year))


def window_note(clock: str, window: int, lag: int, noun: str = "order") -> str:
    """Return a note on a window, to follow the words "The window": where it ends, and how long an order counts.

    `window` and `lag` are in days.

    >>> window_note("ordered_on", 60, 15)
    ' holds 60 order days and ends 15 days before the day shown. An order counts until 74 days after its order day.'
    >>> window_note("ship_by_on", 30, 0)
    ' holds 30 ship-by days and ends on the day shown. An order counts until 29 days after its ship-by day.'
    """
    ends = {0: "on the day shown", 1: "the day before the day shown"}.get(lag, f"{lag} days before the day shown")
    clock_day = CLOCK_LABELS[clock]
    clock_days = clock_day.replace("day", "days", 1)
    last_day = window + lag - 1
    if last_day > 1:
        until = f"until {last_day} days after its {clock_day}"
    else:
        until = f"until the day after its {clock_day}" if last_day else f"on its {clock_day}"
    an_order = f"{'An' if noun[0] in 'aeiou' else 'A'} {noun}"
    return f" holds {window} {clock_days if window > 1 else clock_day} and ends {ends}. {an_order} counts {until}."


def windows_legend(judged_window: int, *other_windows: int) -> Sentence:
    """Return the legend of a chart with several windows: the line of each, in the order of `charts.DASHES`. [days]

    >>> "".join(windows_legend(30, 10)), "".join(windows_legend(30, 10, 60, 90))
    ('Thick line: 30 days. Thin: 10 days.', 'Thick line: 30 days. Thin: 10 days, 60 days (dashed), 90 days (dotted).')
    """
    lines = ", ".join(
        f"{format_quantity(days, 'day')}{f' ({look})' if look else ''}"
        for days, look in zip(other_windows, _LINE_LOOKS, strict=False)
    )
    return (Strong(f"Thick line: {format_quantity(judged_window, 'day')}."), f" Thin: {lines}.")


_LINE_LOOKS = ("", "dashed", "dotted", "long dashes", "dashes and dots")


def window_phrase(windows: Sequence[int], lag: int) -> str:
    """Return the windows of a rule as text: their lengths, and how long before the as-of day they end. [days]

    >>> window_phrase((10, 30), 0), window_phrase((60,), 15), window_phrase((7,), 1)
    ('10 and 30 days, same day', '60 days, 15 days before', '7 days, the day before')
    """
    ends = {0: "same day", 1: "the day before"}.get(lag, f"{lag} days before")
    sizes = join_words([str(size) for size in windows])
    return f"{sizes} {'day' if list(windows) == [1] else 'days'}, {ends}"


def rule_phrase(side: str, value: float | Fraction | None, minimum: int | None, noun: str = "order") -> str:
    """Return the target of a rule as text, with the smallest number of orders that it judges.

    >>> rule_phrase("at least", Fraction(9, 10), 20, "unit")
    'at least 90%, from 20 units'
    """
    return format_target(side, value) + (f", from {format_quantity(minimum, noun)}" if minimum else "")


def no_verdict_note(
    status: str,
    first: date,
    last: date,
    begins_on: date | None,
    minimum: int | None,
    noun: str,
    year: int,
    ends_on: date | None = None,
) -> str:
    """Return the reason why a measure has no verdict, as a note to show instead of its headroom.

    `first` and `last` bound the window; the order files cover `begins_on` to `ends_on`.

    >>> october = (date(2026, 10, 24), date(2026, 10, 30))
    >>> no_verdict_note("no data", *october, None, None, "order", 2026)
    'no orders from 24 to 30 Oct'
    >>> no_verdict_note("too few", *october, None, 20, "unit", 2026)
    'judged from 20 units'
    >>> no_verdict_note("short history", *october, date(2026, 10, 29), None, "order", 2026)
    'orders only since 29 Oct; the window starts 24 Oct'
    >>> no_verdict_note("short history", *october, date(2026, 1, 1), None, "order", 2026, date(2026, 10, 20))
    'orders only until 20 Oct; the window ends 30 Oct'
    """
    if status == "no data":
        days = f"on {format_day(last, year)}" if first == last else f"from {format_day_range(first, last, year)}"
        return f"no {noun}s {days.replace(DASH, 'to')}"
    if status == "too few":
        return f"judged from {format_quantity(minimum, noun)}" if minimum else "too few to judge"
    if status == "short history" and begins_on and begins_on <= first and ends_on and ends_on < last:
        return f"orders only until {format_day(ends_on, year)}; the window ends {format_day(last, year)}"
    if status == "short history":
        since = f"orders only since {format_day(begins_on, year)}; " if begins_on else ""
        return f"{since}the window starts {format_day(first, year)}"
    return "nothing is asked"


def channel_without_orders_note(channel: str, measures: int, company: str = AMAZON) -> str:
    """Return a note that the measures of a channel are not listed, since it had no orders.

    >>> channel_without_orders_note("amazon", 4)
    'No Amazon-fulfilled orders in 26 weeks, so 4 Amazon-fulfilled measures are not listed.'
    """
    label = channel_label(channel, company)
    clause = f"{measures} {label} measures are" if measures > 1 else f"1 {label} measure is"
    return f"No {label} orders in 26 weeks, so {clause} not listed."


def squares_caption(orders: int, with_two_causes: int, max_squares: int, noun: str = "order") -> str:
    """Return the caption of the chart of orders at fault by cause: how to read it.

    An order with two causes is drawn once. Above `max_squares` orders, the chart has bars.

    >>> squares_caption(31, 2, 60)
    'One square, one order. 2 orders have two causes and stand once, so the groups add up to 31.'
    """
    text = f"One square, one {noun}." if orders <= max_squares else f"The bars count {noun}s."
    if not with_two_causes:
        return text
    subject = (
        f"{format_quantity(with_two_causes, noun)} "
        f"{'has two causes and stands' if with_two_causes == 1 else 'have two causes and stand'}"
    )
    return f"{text} {subject} once, so the groups add up to {format_number(orders)}."


def units_caption(orders: int, units: int) -> str:
    """Return a caption with the number of orders that hold the units at fault; empty if each holds one.

    >>> units_caption(27, 33), units_caption(5, 5)
    ('27 orders hold the 33 units at fault.', '')
    """
    return (
        f"{format_quantity(orders)} {'holds' if orders == 1 else 'hold'} the {format_quantity(units, 'unit')} at fault."
        if orders != units
        else ""
    )


def parts_caption(
    parts: Sequence[tuple[str, int, int, int | None]], target: float | None, earlier_day: str, company: str = AMAZON
) -> str:
    """Return a caption with the rates of the parts of a measure, and their faults on an earlier day.

    Each part is a metric id, the orders counted, those at fault, and those at fault on `earlier_day` or None.

    >>> parts_caption([("a_to_z_claim_rate", 2498, 19, 5), ("chargeback_rate", 2498, 3, None)], 0.01, "30 Sep")
    'Parts of the rate: A-to-z Guarantee claims 0.76% (19; 5 on 30 Sep), chargebacks 0.12% (3).'
    """
    rates = []
    for name, counted, at_fault, earlier in parts:
        earlier_note = "" if earlier is None else f"; {format_number(earlier)} on {earlier_day}"
        rate = format_rate(counted, at_fault, "below" if target else "", target)
        rates.append(
            f"{lowercase_first(metric_words(name, company).label)} {rate} ({format_number(at_fault)}{earlier_note})"
        )
    return f"Parts of the rate: {', '.join(rates)}."


def leaving_caption(stand_out: bool, group: SharedGroup | None, year: int, noun: str = "order") -> str:
    """Return the caption of the calendar of orders that leave the window: how to read it.

    With `stand_out`, the orders of the group are highlighted.

    >>> leaving_caption(True, SharedGroup("product", "Tent", 13, 31), 2026)
    'One mark, one order, on the first day it no longer counts. Those for “Tent” stand out.'
    """
    text = f"One mark, one {noun}, on the first day it no longer counts."
    if not stand_out or group is None:
        return text
    days = format_long_day_range(group.first, group.last, year)
    group_phrase = f"for “{group.name}”" if group.kind == "product" else f"{CLOCK_PARTICIPLES[group.clock]} {days}"
    return f"{text} Those {group_phrase} stand out."


def orders_title(listed_orders: int, all_orders: int, noun: str = "order") -> str:
    """Return the title of the table of orders at fault, with how many of them it lists.

    >>> orders_title(12, 31), orders_title(7, 7), orders_title(1, 1)
    ('The 12 of 31 orders at fault that leave first', 'The 7 orders at fault, by the day they leave', 'The order at fault')
    """  # noqa: E501 - three titles
    if all_orders == 1:
        return f"The {noun} at fault"
    if listed_orders == all_orders:
        return f"The {format_number(all_orders)} {noun}s at fault, by the day they leave"
    return f"The {format_number(listed_orders)} of {format_number(all_orders)} {noun}s at fault that leave first"
