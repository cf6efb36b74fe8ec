"""Texts on the future of a measure: return dates, headroom, chances, what-if scenarios and goals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from healthkit.report.text.figures import (
    format_day,
    format_long_day,
    format_number,
    format_quantity,
    format_rate,
)
from healthkit.report.text.labels import (
    STATUS_STYLES,
    Strong,
    capitalise_first,
    causes_phrase,
    metric_words,
)
from healthkit.report.text.sentences import MeasureStanding, Sentence, is_or_are, standing_phrase
from healthkit.schema.marketplaces import AMAZON

if TYPE_CHECKING:
    from healthkit.analysis.rolloff import RollOffCalendar
    from healthkit.analysis.scenario_futures import ScenarioForecast
    from healthkit.analysis.simulation import Simulation
    from healthkit.analysis.what_if import ScenarioStep

BEST_CASE_NOTE = "The best case: nothing new goes wrong, and orders keep coming at the pace of the last eight weeks."
LIKELY_NOTE = (
    "Likely: at the usual pace of orders and faults, by simulated futures. One in ten is back to stay by the first day "
    "named, nine in ten by the second."
)
NO_NEW_ORDERS_NOTE = "No new orders are taken into account: every window only empties."


MAX_NAMED = 5
"""Maximum number of orders that the phrase of a step names."""
CHANCE_DAYS = 30
"""Number of days ahead for which a phrase states the chance to be off target. [days]"""


def likely_return_phrase(simulation: Simulation, calendar: RollOffCalendar, year: int) -> str:
    """Return what is likely for a measure: the days of its return, those of the best case, and a chance.

    The predicate of a sentence about a measure that is off target: the days between which 8 of 10 simulated futures
    come back for good (see `simulation.Simulation`), the day of the best case (see `rolloff.RollOffCalendar`) and
    the chance to be off target `CHANCE_DAYS` days ahead. For a measure that is not off target, the chance to be off
    target on any of these days. Text that names a best case takes it from here, so that it never stands alone.

    >>> from types import SimpleNamespace as Made
    >>> day = date(2026, 10, 31)
    >>> futures = Made(off_target_now=True, as_of=day, chance_off=lambda day: 0.88, breach_chances={30: 1.0},
    ...                back_on_by_tenth={1: date(2026, 11, 24), 5: date(2026, 12, 2), 9: date(2026, 12, 9)},
    ...                last_day=date(2027, 1, 29), chance_back_by=lambda day: 0.5)
    >>> best = Made(back_on=date(2026, 11, 22), last_day=date(2027, 1, 29))
    >>> likely_return_phrase(futures, best, 2026)
    'likely back between 24 November and 9 December; 22 November if nothing new goes wrong; 88% chance still off target on 30 November'
    >>> futures.back_on_by_tenth = {1: date(2026, 11, 24), 5: date(2027, 1, 17), 9: None}
    >>> likely_return_phrase(futures, best, 2026)
    'back by 17 January 2027 with a chance of 50%; 22 November if nothing new goes wrong; 88% chance still off target on 30 November'
    """  # noqa: E501 - the phrases
    if not simulation.off_target_now:
        return likely_clause(simulation, year)
    best = (
        f"{format_long_day(calendar.back_on, year)} if nothing new goes wrong"
        if calendar.back_on is not None
        else f"not before {format_long_day(calendar.last_day, year)} even if nothing new goes wrong"
    )
    return f"{likely_clause(simulation, year)}; {best}; {_still_off_clause(simulation, year)}"


def _still_off_clause(simulation: Simulation, year: int) -> str:
    day = simulation.as_of + timedelta(days=CHANCE_DAYS)
    return f"{format_chance(simulation.chance_off(day))} chance still off target on {format_long_day(day, year)}"


def strong_step_phrase(simulation: Simulation, year: int) -> str:
    """Return what is likely under one of the strongest steps: the days of its return, and a chance.

    >>> from types import SimpleNamespace as Made
    >>> futures = Made(off_target_now=True, as_of=date(2026, 10, 31), chance_off=lambda day: 0.62,
    ...                back_on_by_tenth={1: date(2026, 11, 24), 5: date(2026, 12, 2), 9: date(2026, 12, 9)},
    ...                last_day=date(2027, 1, 29))
    >>> strong_step_phrase(futures, 2026)
    'likely back between 24 November and 9 December; 62% chance still off target on 30 November'
    """
    clause = likely_clause(simulation, year)
    return f"{clause}; {_still_off_clause(simulation, year)}" if simulation.off_target_now else clause


def likely_clause(simulation: Simulation, year: int) -> str:
    """Return the days of the likely return, or that none is likely in the simulated days.

    For a measure that is not off target, the chance to be off target within `CHANCE_DAYS` days.
    """
    if not simulation.off_target_now:
        return (
            f"{format_chance(simulation.breach_chances[CHANCE_DAYS])} chance to be off target within {CHANCE_DAYS} days"
        )
    first, middle, last = (simulation.back_on_by_tenth[tenth] for tenth in (1, 5, 9))
    if middle is None or first is None:
        return f"likely still off target on {format_long_day(simulation.last_day, year)}"
    # A future that is off target until the last day but one counts as back on the last: nobody saw it stay.
    if last is None or last >= simulation.last_day:
        chance = format_chance(simulation.chance_back_by(middle))
        return f"back by {format_long_day(middle, year)} with a chance of {chance}"
    if first == last:
        return f"likely back on {format_long_day(first, year)}"
    return f"likely back between {format_long_day(first, year)} and {format_long_day(last, year)}"


def likely_returns_sentence(returns: Sequence[tuple[MeasureStanding, str]]) -> Sentence:
    """Return the second sentence of the verdict: what is likely for the measures off target, the worst first.

    Each measure has its `likely_return_phrase`. The first two are named.

    >>> defects = MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)
    >>> phrase = "likely back between 24 November and 9 December; 22 November if nothing new goes wrong"
    >>> "".join(likely_returns_sentence([(defects, phrase)]))
    'Order Defect Rate is likely back between 24 November and 9 December; 22 November if nothing new goes wrong.'
    """
    parts: list[str] = []
    for standing, phrase in returns[:2]:
        lead, separator, rest = phrase.partition("; ")
        head = Strong(f"{capitalise_first(standing_phrase(standing))} {is_or_are(standing)} {lead}")
        parts += [*([" "] if parts else []), head, f"{separator}{rest}."]
    return tuple(parts)


def room_ahead_lines(headroom_by_day: Sequence[tuple[date, int]], noun: str, year: int) -> tuple[str, str]:
    """Return two short lines: the headroom of a measure, and its next change; empty for a measure off target.

    `headroom_by_day` begins with the present headroom and goes on with each later change.

    >>> room_ahead_lines([(date(2026, 10, 31), 7), (date(2026, 11, 1), 8)], "order", 2026)
    ('7 more before 1 Nov', 'then 8')
    >>> room_ahead_lines([(date(2026, 10, 31), -7), (date(2026, 11, 3), -6)], "order", 2026)
    ('7 too many', '')
    >>> room_ahead_lines([(date(2026, 10, 31), 0)], "order", 2026)
    ('no more room', '')
    """
    (_, now), later = headroom_by_day[0], headroom_by_day[1:]
    if now < 0:
        return f"{format_number(-now)} too many", ""
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


def format_chance(share: float) -> str:
    """Format a probability in whole percent, but below 0.01 as "under 1%" and above 0.99 as "over 99%".

    >>> format_chance(0.561), format_chance(0.0), format_chance(0.999)
    ('56%', 'under 1%', 'over 99%')
    """
    if share < 0.01:
        return "under 1%"
    return "over 99%" if share > 0.99 else f"{int(share * 100 + 0.5)}%"


def simulated_futures_sentence(draws: int, phrase: str) -> str:
    """Return what is likely for a measure (`likely_return_phrase`), and what it rests on.

    >>> simulated_futures_sentence(4000, "12% chance to be off target within 30 days")
    '12% chance to be off target within 30 days, by 4,000 simulated futures at the usual pace.'
    >>> simulated_futures_sentence(4000, "likely back between 24 November and 9 December; 22 November if …")
    'Likely back between 24 November and 9 December; 22 November if …. Of 4,000 simulated futures at the usual pace, one in ten is back to stay by the first of these days, nine in ten by the second.'
    """  # noqa: E501 - an example
    of_draws = f"{format_number(draws)} simulated futures at the usual pace"
    lead, _, rest = phrase.partition("; ")
    if not rest:
        return f"{phrase}, by {of_draws}."
    if " between " in lead:
        basis = f"Of {of_draws}, one in ten is back to stay by the first of these days, nine in ten by the second."
    else:
        basis = f"By {of_draws}; back means back to stay."
    return f"{capitalise_first(phrase)}. {basis}"


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
    kind: str,
    cause: str,
    amount: int | None,
    reduction: Fraction,
    best_rate: Fraction | None,
    noun: str,
    likely: str = "",
) -> str:
    """Return what one kind of change takes to meet a target: fewer faults, orders cleared, more orders, or waiting.

    `kind` is "cause", "orders", "volume" or "waiting". `amount` is None if the change alone is not enough;
    `best_rate` is the rate that it reaches then. `likely` is the `likely_return_phrase` to state beside waiting.

    >>> goal_phrase("cause", "a_to_z_claim", 7, Fraction(7, 17), None, "order")
    '42% fewer A-to-z Guarantee claims (7 orders)'
    >>> goal_phrase("orders", "", 3, Fraction(0), None, "order")
    '3 of these orders no longer at fault'
    >>> goal_phrase("volume", "", 212, Fraction(0), None, "order")
    '212 more clean orders in time'
    >>> goal_phrase("waiting", "", 11, Fraction(0), None, "order", "likely back on 24 November; 11 November if …")
    '11 days of waiting, if nothing new goes wrong (likely back on 24 November)'
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
        if amount is None:
            return f"not enough if none of these {noun}s is at fault any more"
        return f"{format_number(amount)} of these {noun}s no longer at fault"
    if kind == "volume":
        not_enough = "more orders cannot count by then"
        return not_enough if amount is None else f"{format_quantity(amount, f'more clean {noun}')} in time"
    if amount is None:
        return "waiting alone does not bring it back"
    beside = f" ({likely.partition('; ')[0]})" if likely else ""
    return f"{format_quantity(amount, 'day')} of waiting, if nothing new goes wrong{beside}"


def round_up_percent(fraction: Fraction) -> int:
    """Return a share in whole percent, rounded up.

    >>> round_up_percent(Fraction(7, 17)), round_up_percent(Fraction(1, 2))
    (42, 50)
    """
    return -(-fraction.numerator * 100 // fraction.denominator)


def scenario_sentence(
    before: Any, after: Any, has_steps: bool = True, *, unjudged: bool = False, company: str = AMAZON
) -> str:
    """Return a sentence on the effect of a scenario: the rate of a measure before and after.

    `before` and `after` are rows of SCORES. Without `has_steps` it says the rate as it is. `unjudged` says that no day
    of return is known. `as_it_goes_on_sentence` and `with_scenario_sentence` belong beside it.

    >>> was = {"metric": "order_defect_rate", "counted": 2498, "at_fault": 31, "side": "below", "target": 0.01}
    >>> scenario_sentence(was, was | {"at_fault": 26})
    'Order Defect Rate would be at 1.04% (26 of 2,498) instead of 1.24% (31 of 2,498).'
    >>> scenario_sentence(was | {"counted": 0}, was | {"counted": 0})
    'Order Defect Rate: nothing is counted, so there is no rate that could move.'
    >>> scenario_sentence(was, was), scenario_sentence(was, was, False, unjudged=True)
    ('Order Defect Rate would still be at 1.24% (31 of 2,498).', 'Order Defect Rate is at 1.24% (31 of 2,498); when it is back cannot be judged.')
    """  # noqa: E501 - an example
    words = metric_words(before["metric"], company)
    if not int(before["counted"]) and not int(after["counted"]):
        return f"{words.label}: nothing is counted, so there is no rate that could move."
    figures = [
        f"{format_rate(int(row['counted']), int(row['at_fault']), row['side'], row['target'])} "
        f"({format_number(int(row['at_fault']))} of {format_number(int(row['counted']))})"
        for row in (after, before)
    ]
    verb = "is" if not has_steps else "would be" if figures[0] != figures[1] else "would still be"
    instead = f" instead of {figures[1]}" if figures[0] != figures[1] else ""
    return f"{words.label} {verb} at {figures[0]}{instead}{'; when it is back cannot be judged' if unjudged else ''}."


def as_it_goes_on_sentence(phrase: str) -> str:
    """Return what is likely without any scenario, to state beside the best case of one.

    >>> as_it_goes_on_sentence("likely back on 24 November; 22 November if nothing new goes wrong")
    'As it goes on: likely back on 24 November; 22 November if nothing new goes wrong.'
    """
    return f"As it goes on: {phrase}."


def with_scenario_sentence(phrase: str) -> str:
    """Return what is likely under a scenario, to state beside `as_it_goes_on_sentence`.

    >>> with_scenario_sentence("likely back on 12 November; 4 November if nothing new goes wrong")
    'With the scenario: likely back on 12 November; 4 November if nothing new goes wrong.'
    """
    return f"With the scenario: {phrase}."


def scenario_return_phrase(plain: Simulation, simulation: Simulation, calendar: RollOffCalendar, year: int) -> str:
    """Return what is likely under a scenario (`likely_return_phrase`), to be compared with what is likely without it.

    Where only the scenario is not off target now, the chance on the day that the other phrase names is added.

    >>> from types import SimpleNamespace as Made
    >>> plain = Made(off_target_now=True)
    >>> chances = {"breach_chances": {30: 0.8}, "chance_off": lambda day: 0.6}
    >>> futures = Made(off_target_now=False, as_of=date(2026, 10, 31), **chances)
    >>> scenario_return_phrase(plain, futures, None, 2026)
    '80% chance to be off target within 30 days; 60% chance off target on 30 November'
    """
    phrase = likely_return_phrase(simulation, calendar, year)
    if simulation.off_target_now or not plain.off_target_now:
        return phrase
    day = simulation.as_of + timedelta(days=CHANCE_DAYS)
    return f"{phrase}; {format_chance(simulation.chance_off(day))} chance off target on {format_long_day(day, year)}"


def step_phrase(step: ScenarioStep, noun: str, year: int) -> str:
    """Return one step of a scenario in words, with its days.

    >>> from healthkit.analysis.what_if import parse_scenario
    >>> steps = parse_scenario([
    ...     {"fewer": {"cause": "shipped_late", "by": "50%", "since": "2026-11-02"}},
    ...     {"volume": {"by": "100%", "since": "2026-12-01", "until": "2026-12-31"}},
    ...     {"stop_selling": {"sku": "LH-READ", "until": "2026-11-30"}},
    ...     {"cleared": {"orders": ["1", "2", "3"], "since": "2026-11-05"}},
    ...     {"target": {"share": "2%", "until": "2026-11-30"}}, {"window": 30}, {"lag": 1},
    ... ])
    >>> for step in steps:
    ...     print(step_phrase(step, "order", 2026))
    50% fewer late shipments from 2 November
    100% more orders from 1 December to 31 December
    LH-READ not sold until 30 November
    3 orders no longer at fault (1, 2, 3) from 5 November
    a target of 2% until 30 November
    a window of 30 days
    a window that ends 1 day before
    """
    days = " ".join(
        f"{word} {format_long_day(day, year)}"
        for word, day in (("from", step.since), ("to" if step.since else "until", step.until))
        if day is not None
    )
    by = f"{float(abs(step.by) * 100):g}%"
    phrase = {
        "fewer": f"{by} fewer {causes_phrase(step.cause, plural=True)}",
        "cleared": f"{format_quantity(len(step.orders), noun)} no longer at fault{_first_order_ids(step.orders)}",
        "volume": f"{by} {'fewer' if step.by < 0 else 'more'} {noun}s",
        "stop_selling": f"{step.sku} not sold",
        "target": f"a target of {by}",
        "window": f"a window of {format_quantity(step.days, 'day')}",
        "lag": f"a window that ends {format_quantity(step.days, 'day')} before",
    }[step.kind]
    return f"{phrase} {days}".strip()


def _first_order_ids(ids: Sequence[str]) -> str:
    more = f" and {format_number(len(ids) - MAX_NAMED)} more" if len(ids) > MAX_NAMED else ""
    return f" ({', '.join(ids[:MAX_NAMED])}{more})"


def strongest_steps_lead(number: int) -> str:
    """Return the lead of the list of steps that help most, worked out at the usual pace.

    >>> strongest_steps_lead(3), strongest_steps_lead(1)
    ('What helps most at the usual pace, of the steps tried:', 'What helps at the usual pace, of the steps tried:')
    """
    return f"What helps{' most' if number > 1 else ''} at the usual pace, of the steps tried:"


def untouched_step_sentence(phrase: str, last_day: date, year: int) -> str:
    """Return a sentence on a step (`step_phrase`) that changes nothing known and nothing to come.

    >>> untouched_step_sentence("20% more orders from 1 June 2027", date(2027, 1, 29), 2026)
    'This step changes nothing: 20% more orders from 1 June 2027. No order that counts now is touched, and none to come by 29 January 2027.'
    """  # noqa: E501 - an example
    return (
        f"This step changes nothing: {phrase}. No order that counts now is touched, and none to come by "
        f"{format_long_day(last_day, year)}."
    )


def untouched_sentences(forecast: ScenarioForecast, noun: str, year: int) -> tuple[str, ...]:
    """Return `untouched_step_sentence` for each step of a scenario that changes nothing."""
    return tuple(
        untouched_step_sentence(step_phrase(step, noun, year), forecast.simulation.last_day, year)
        for step in forecast.untouched
    )


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


def goals_sentence(
    target_day: date, as_of: date, ways: Sequence[str], year: int, chance_off: float | None = None
) -> str:
    """Return a sentence with the ways to be on target on a day; `ways` are alternatives.

    Without ways the measure is on target then in the best case; `chance_off` is the chance that it is not.

    >>> ways = ["3 of these orders no longer at fault", "212 more clean orders in time"]
    >>> goals_sentence(date(2026, 11, 30), date(2026, 10, 31), ways, 2026)
    'To be on target on 30 November: 3 of these orders no longer at fault, or 212 more clean orders in time.'
    >>> goals_sentence(date(2026, 11, 30), date(2026, 10, 31), [], 2026, 0.88)
    'The chance to be off target on 30 November is 88%; it is on target then if nothing new goes wrong.'
    """
    if not ways:
        day = format_long_day(target_day, year)
        if chance_off is None:
            return f"On {day} it is on target if nothing new goes wrong."
        chance = f"The chance to be off target on {day} is {format_chance(chance_off)}"
        return f"{chance}; it is on target then if nothing new goes wrong."
    return f"{goals_lead(target_day, as_of, year)} {', or '.join(ways)}."


def goals_lead(target_day: date, as_of: date, year: int) -> str:
    """Return the opening of a sentence with the ways to be on target on a day.

    >>> goals_lead(date(2026, 11, 30), date(2026, 10, 31), 2026)
    'To be on target on 30 November:'
    """
    opening = "To have been on target" if target_day == as_of else "To be on target"
    return f"{opening} on {format_long_day(target_day, year)}:"
