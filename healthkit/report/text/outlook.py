"""Texts on the future of a measure: return dates, headroom, chances, what-if scenarios and goals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from healthkit.report.text.figures import (
    format_day,
    format_long_day,
    format_number,
    format_quantity,
    format_rate,
    format_target,
)
from healthkit.report.text.labels import (
    STATUS_STYLES,
    Strong,
    capitalise_first,
    causes_phrase,
    join_words,
    metric_words,
)
from healthkit.report.text.sentences import MeasureStanding, Sentence, is_or_are, standing_phrase
from healthkit.schema.marketplaces import AMAZON

BEST_CASE_NOTE = (
    "This is the best case: nothing new goes wrong, and orders keep coming at the pace of the last eight weeks."
)
NO_NEW_ORDERS_NOTE = "No new orders are taken into account: every window only empties."


def return_dates_sentence(
    return_dates: Sequence[tuple[MeasureStanding, date | None]], last: date, year: int
) -> Sentence:
    """Return the second sentence of the verdict: the return dates of measures off target, in the best case.

    The first two measures are named, the worst first. `last` is the last day of the forecast.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> late = MeasureStanding("late_shipment_rate", 1262, 56, "below", 0.04, -6, window=30)
    >>> both = [(late, date(2026, 11, 5)), (defects, date(2026, 11, 24))]
    >>> "".join(return_dates_sentence(both, date(2027, 1, 29), 2026))
    'If nothing new goes wrong, Late Shipment Rate over 30 days is back on 5 November and Order Defect Rate on 24 November.'
    >>> "".join(return_dates_sentence([(defects, None)], date(2027, 1, 29), 2026))
    'Order Defect Rate is not back before 29 January 2027, even if nothing new goes wrong.'
    """  # noqa: E501 - the sentence
    named = return_dates[:2]
    dated = sorted(((day, standing) for standing, day in named if day is not None), key=lambda pair: pair[0])
    not_back = [standing for standing, day in named if day is None]
    parts: Sentence = ()
    if dated:
        clauses = [f"{standing_phrase(standing)} on {format_long_day(day, year)}" for day, standing in dated]
        first_clause = (
            f"{standing_phrase(dated[0][1])} {is_or_are(dated[0][1])} back on {format_long_day(dated[0][0], year)}"
        )
        parts = ("If nothing new goes wrong, ", Strong(join_words([first_clause, *clauses[1:]])), ".")
    if not_back:
        names = join_words([standing_phrase(standing) for standing in not_back])
        verb = "are" if len(not_back) > 1 else is_or_are(not_back[0])
        head = Strong(f"{capitalise_first(names)} {verb} not back before {format_long_day(last, year)}")
        parts = (*parts, " " if parts else "", head, ", even if nothing new goes wrong.")
    return tuple(part for part in parts if part)


def room_ahead_lines(
    headroom_by_day: Sequence[tuple[date, int]], back_on: date | None, noun: str, year: int
) -> tuple[str, str]:
    """Return two short lines for the scorecard: the headroom of a measure, and its next change or return date.

    `headroom_by_day` begins with the present headroom and goes on with each later change.

    >>> room_ahead_lines([(date(2026, 10, 31), 7), (date(2026, 11, 1), 8)], date(2026, 10, 31), "order", 2026)
    ('7 more before 1 Nov', 'then 8')
    >>> room_ahead_lines([(date(2026, 10, 31), -7), (date(2026, 11, 3), -6)], date(2026, 11, 24), "order", 2026)
    ('7 too many', 'back 24 Nov if nothing new')
    >>> room_ahead_lines([(date(2026, 10, 31), 0)], date(2026, 10, 31), "order", 2026)
    ('no more room', '')
    """
    (_, now), later = headroom_by_day[0], headroom_by_day[1:]
    if now < 0:
        when = f"back {format_day(back_on, year)} if nothing new" if back_on else "not back by waiting"
        return f"{format_number(-now)} too many", when
    if not later:
        return (f"{format_number(now)} more {noun if now == 1 else noun + 's'}" if now else "no more room"), ""
    change_day, next_headroom = later[0]
    remaining = f"{format_number(now)} more" if now else "no more room"
    if next_headroom < 0:
        return f"{remaining} before {format_day(change_day, year)}", f"then {format_number(-next_headroom)} too many"
    return (
        f"{remaining} before {format_day(change_day, year)}",
        f"then {format_number(next_headroom) if next_headroom else 'no more room'}",
    )


def forecast_title(standing: MeasureStanding, as_of: date, back_on: date | None, last: date, year: int) -> str:
    """Return the title of a forecast chart: the day from which the rate meets its target, or that it stays there.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> forecast_title(defects, date(2026, 10, 31), date(2026, 11, 24), date(2027, 1, 29), 2026)
    'If nothing new goes wrong, the rate is under 1% from 24 November on'
    >>> forecast_title(defects._replace(at_fault=22, headroom=2), date(2026, 10, 31), date(2026, 10, 31),
    ...                date(2027, 1, 29), 2026)
    'If nothing new goes wrong, the rate stays under 1%'
    """
    target = format_target(standing.side, standing.target)
    if back_on is None:
        return f"Even if nothing new goes wrong, the rate is not {target} before {format_long_day(last, year)}"
    if back_on == as_of:
        return f"If nothing new goes wrong, the rate stays {target}"
    return f"If nothing new goes wrong, the rate is {target} from {format_long_day(back_on, year)} on"


def format_chance(share: float) -> str:
    """Format a probability in whole percent, but below 0.01 as "under 1%" and above 0.99 as "over 99%".

    >>> format_chance(0.561), format_chance(0.0), format_chance(0.999)
    ('56%', 'under 1%', 'over 99%')
    """
    if share < 0.01:
        return "under 1%"
    return "over 99%" if share > 0.99 else f"{int(share * 100 + 0.5)}%"


def simulated_futures_sentence(
    off_now: bool,
    draws: int,
    half_back_on: date | None,
    nine_in_ten_back_on: date | None,
    chance_day: date,
    chance_off: float,
    year: int,
) -> str:
    """Return a sentence on simulated futures: return dates, and the chance to be off target on a day.

    Half and nine in ten of the `draws` futures are back by `half_back_on` and `nine_in_ten_back_on`. `chance_off`
    is the probability to be off target on `chance_day`.

    >>> simulated_futures_sentence(True, 4000, date(2026, 12, 1), date(2026, 12, 8), date(2026, 11, 30), 0.56, 2026)
    'Half of 4,000 simulated futures are back by 1 Dec, nine in ten by 8 Dec. The chance of being off target on 30 Nov is 56%.'
    >>> simulated_futures_sentence(True, 4000, None, None, date(2026, 11, 30), 0.97, 2026)
    'At the usual pace, fewer than half of 4,000 simulated futures come back in the days looked at. The chance of being off target on 30 Nov is 97%.'
    >>> simulated_futures_sentence(False, 4000, None, None, date(2026, 11, 30), 0.12, 2026)
    'In 4,000 simulated futures at the usual pace, the chance of being off target on 30 Nov is 12%.'
    """  # noqa: E501 - three examples
    chance = f"chance of being off target on {format_day(chance_day, year)} is {format_chance(chance_off)}."
    if not off_now:
        return f"In {format_number(draws)} simulated futures at the usual pace, the {chance}"
    if half_back_on is None:
        clause = f"fewer than half of {format_number(draws)} simulated futures come back in the days looked at"
        return f"At the usual pace, {clause}. The {chance}"
    nine_in_ten = f", nine in ten by {format_day(nine_in_ten_back_on, year)}" if nine_in_ten_back_on else ""
    return (
        f"Half of {format_number(draws)} simulated futures are back by {format_day(half_back_on, year)}{nine_in_ten}. "
        f"The {chance}"
    )


def slider_title(cause: str, percentage: int) -> str:
    """Return the title of a what-if slider: a cause, and by how many percent it is reduced.

    >>> slider_title("a_to_z_claim", 30)
    'What if there had been 30% fewer A-to-z Guarantee claims?'
    """
    return f"What if there had been {percentage}% fewer {causes_phrase(cause, plural=True)}?"


def what_if_title() -> str:
    """Return the heading of the what-if section of a chapter."""
    return "What if less had gone wrong?"


def slider_status_phrase(status: str, headroom: int, noun: str) -> str:
    """Return the status at one position of a what-if slider, with the number of orders too many.

    >>> slider_status_phrase("off target", -2, "order"), slider_status_phrase("at risk", 1, "order")
    ('Off target by 2 orders', 'At risk')
    """
    return f"Off target by {format_quantity(-headroom, noun)}" if status == "off target" else STATUS_STYLES[status].word


def format_return_date(back_on: date | None, as_of: date, year: int) -> str:
    """Format a return date: "already" if it is the as-of day, "not by waiting" if there is none.

    >>> format_return_date(date(2026, 11, 16), date(2026, 10, 31), 2026)
    '16 Nov'
    >>> format_return_date(date(2026, 10, 31), date(2026, 10, 31), 2026)
    'already'
    """
    if back_on is None:
        return "not by waiting"
    return "already" if back_on == as_of else format_day(back_on, year)


def goal_phrase(
    kind: str, cause: str, amount: int | None, reduction: Fraction, best_rate: Fraction | None, noun: str
) -> str:
    """Return what one kind of change takes to meet a target: fewer faults, orders won, more orders, or waiting.

    `kind` is "cause", "orders", "volume" or "waiting". `amount` is None if the change alone is not enough;
    `best_rate` is the rate that it reaches then.

    >>> goal_phrase("cause", "a_to_z_claim", 7, Fraction(7, 17), None, "order")
    '42% fewer A-to-z Guarantee claims (7 orders)'
    >>> goal_phrase("orders", "", 3, Fraction(0), None, "order")
    '3 of these orders won'
    >>> goal_phrase("volume", "", 212, Fraction(0), None, "order")
    '212 more clean orders in time'
    >>> goal_phrase("waiting", "", 11, Fraction(0), None, "order")
    '11 days of waiting, if nothing new goes wrong'
    >>> goal_phrase("cause", "chargeback", None, Fraction(1), Fraction(12, 1000), "order")
    'no chargebacks at all would not be enough: 1.20%'
    >>> goal_phrase("volume", "", None, Fraction(0), None, "order")
    'more orders cannot count by then'
    """
    if kind == "cause":
        causes = causes_phrase(cause, plural=True)
        if amount is None:
            rate_reached = "" if best_rate is None else f": {float(best_rate * 100):.2f}%"
            return f"no {causes} at all would not be enough{rate_reached}"
        return f"{round_up_percent(reduction)}% fewer {causes} ({format_quantity(amount, noun)})"
    if kind == "orders":
        return (
            "no number of orders won is enough" if amount is None else f"{format_number(amount)} of these {noun}s won"
        )
    if kind == "volume":
        not_enough = "more orders cannot count by then"
        return not_enough if amount is None else f"{format_quantity(amount, f'more clean {noun}')} in time"
    if amount is None:
        return "waiting alone does not bring it back"
    return f"{format_quantity(amount, 'day')} of waiting, if nothing new goes wrong"


def round_up_percent(fraction: Fraction) -> int:
    """Return a share in whole percent, rounded up.

    >>> round_up_percent(Fraction(7, 17)), round_up_percent(Fraction(1, 2))
    (42, 50)
    """
    return -(-fraction.numerator * 100 // fraction.denominator)


def scenario_sentence(
    before: Any,
    after: Any,
    back_before: date | None,
    back_after: date | None,
    year: int,
    *,
    unjudged: bool = False,
    company: str = AMAZON,
) -> str:
    """Return a sentence on the effect of a scenario: the rate and return date of a measure before and after.

    `before` and `after` are rows of SCORES. With `unjudged`, no return date is given.

    >>> was = {"metric": "order_defect_rate", "counted": 2498, "at_fault": 31, "side": "below", "target": 0.01}
    >>> scenario_sentence(was, was | {"at_fault": 26}, date(2026, 11, 24), date(2026, 11, 16), 2026)
    'Order Defect Rate would be at 1.04% (26 of 2,498) instead of 1.24% (31 of 2,498), and back on 16 Nov instead of 24 Nov.'
    """  # noqa: E501 - an example
    words = metric_words(before["metric"], company)
    figures = [
        f"{format_rate(int(row['counted']), int(row['at_fault']), row['side'], row['target'])} "
        f"({format_number(int(row['at_fault']))} of {format_number(int(row['counted']))})"
        for row in (after, before)
    ]
    text = f"{words.label} would be at {figures[0]} instead of {figures[1]}" if figures[0] != figures[1] else (
        f"{words.label} would still be at {figures[0]}"
    )  # fmt: skip
    if unjudged:
        return f"{text}; when it is back cannot be judged."
    if back_after == back_before:
        date_clause = "" if back_after is None else f", and back on {format_day(back_after, year)} all the same"
        return f"{text}{date_clause or ', and not back by waiting'}."
    new_date = f"back on {format_day(back_after, year)}" if back_after else "not back by waiting"
    old_date = f"on {format_day(back_before, year)}" if back_before else "never by waiting"
    return f"{text}, and {new_date} instead of {old_date}.".replace("instead of on", "instead of")


def burn_rate_sentence(share_used: float, pace: float, used_up_on: date | None, noun: str, year: int) -> str:
    """Return a sentence on the used share of what a target allows, and the day on which it is used up.

    `pace` is in orders at fault a day; at that pace nothing is left on `used_up_on`.

    >>> burn_rate_sentence(0.88, 0.5, date(2026, 11, 8), "order", 2026)
    '88% of what the target allows is used up; at the pace of 3.5 orders at fault a week nothing is left on 8 Nov.'
    >>> burn_rate_sentence(0.4, 0.0, None, "order", 2026)
    '40% of what the target allows is used up; no order at fault came lately.'
    """
    share_clause = f"{int(share_used * 100 + 0.5)}% of what the target allows is used up"
    if not pace:
        return f"{share_clause}; no {noun} at fault came lately."
    weekly = f"at the pace of {pace * 7:.1f} {noun}s at fault a week"
    return (
        f"{share_clause}; {weekly} nothing is left on {format_day(used_up_on, year)}."
        if used_up_on
        else f"{share_clause}; {weekly} it lasts."
    )


TWO_CAUSES_NOTE = "An order that is at fault for two causes stays at fault until both are gone."


def slider_label(cause: str) -> str:
    """Return the label of a what-if slider that reduces one cause.

    >>> slider_label("a_to_z_claim")
    'Fewer A-to-z Guarantee claims'
    """
    return f"Fewer {causes_phrase(cause, plural=True)}"


def curve_title(cause: str, lowest_rate: str) -> str:
    """Return the title of a what-if curve: the rate without any faults of one cause.

    >>> curve_title("a_to_z_claim", "0.56%")
    'Without any A-to-z Guarantee claims the rate would be 0.56%'
    """
    return f"Without any {causes_phrase(cause, plural=True)} the rate would be {lowest_rate}"


def goals_sentence(target_day: date, as_of: date, ways: Sequence[str], year: int) -> str:
    """Return a sentence with the ways to be on target on a day; `ways` are alternatives.

    >>> ways = ["3 of these orders won", "212 more clean orders in time"]
    >>> goals_sentence(date(2026, 11, 30), date(2026, 10, 31), ways, 2026)
    'To be on target on 30 November: 3 of these orders won, or 212 more clean orders in time.'
    >>> goals_sentence(date(2026, 11, 30), date(2026, 10, 31), [], 2026)
    'On 30 November it is on target anyway, if nothing new goes wrong.'
    """
    if not ways:
        return f"On {format_long_day(target_day, year)} it is on target anyway, if nothing new goes wrong."
    return f"{goals_lead(target_day, as_of, year)} {', or '.join(ways)}."


def goals_lead(target_day: date, as_of: date, year: int) -> str:
    """Return the opening of a sentence with the ways to be on target on a day.

    >>> goals_lead(date(2026, 11, 30), date(2026, 10, 31), 2026)
    'To be on target on 30 November:'
    """
    opening = "To have been on target" if target_day == as_of else "To be on target"
    return f"{opening} on {format_long_day(target_day, year)}:"
