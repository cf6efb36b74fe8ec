"""The conditions, points and consequences of a rule, as phrases."""

from __future__ import annotations

from collections.abc import Sequence

from healthkit.report.text.figures import format_number, format_quantity

STAGE_LABELS = {
    "advice": "advice",
    "at risk": "at risk",
    "a month off target": "a month off target",
    "restricted": "restricted",
}
"""How far things go when a measure stays off target, by the word of the rules."""


def rule_conditions(
    noun: str,
    and_at_least: int | None = None,
    while_under: int | None = None,
    fallback: tuple[int, int] | None = None,
    judged_on: int | None = None,
) -> str:
    """Return what a rule says beyond its share, least number and window; empty where it says no more.

    `fallback` is under how many the longer window holds, and its length.

    >>> rule_conditions("order", and_at_least=8, fallback=(400, 365))
    'a breach only from 8 orders at fault on; of under 400 orders, 365 days are judged'
    >>> rule_conditions("review", judged_on=1)
    'judged on day 1 of the month'
    """
    said = []
    if and_at_least is not None:
        few = "" if while_under is None else f", while under {format_quantity(while_under, noun)} are counted"
        said.append(f"a breach only from {format_quantity(and_at_least, noun)} at fault on{few}")
    if fallback is not None:
        said.append(f"of under {format_quantity(fallback[0], noun)}, {fallback[1]} days are judged")
    if judged_on is not None:
        said.append(f"judged on day {judged_on} of the month")
    return "; ".join(said)


def rating_target_phrase(on_from: int, off_under: int, maximum: int) -> str:
    """Return what is asked of a rating in points.

    >>> rating_target_phrase(200, 100, 1000)
    'from 200 of 1,000 points, off target under 100'
    """
    return (
        f"from {format_number(on_from)} of {format_number(maximum)} points, off target under {format_number(off_under)}"
    )


def points_earned_phrase(start: int, gain: int, per_orders: int) -> str:
    """Return how points are earned.

    >>> points_earned_phrase(200, 4, 200)
    '200 points to begin with, 4 more for every 200 orders'
    """
    return (
        f"{format_quantity(start, 'point')} to begin with, {format_number(gain)} more for every "
        f"{format_quantity(per_orders)}"
    )


def stage_phrase(stage_name: str, days: int) -> str:
    """Return a stage with the day off target, in a row, from which it holds.

    >>> stage_phrase("restricted", 1), stage_phrase("a month off target", 31)
    ('restricted', 'a month off target, from day 31 on')
    """
    return STAGE_LABELS[stage_name] + (f", from day {days} on" if days > 1 else "")


def stages_sentence(rule_stages: Sequence[tuple[str, int, str]]) -> str:
    """Return what follows a measure off target, one stage after the other, each with its day and what the source says.

    >>> stages_sentence([("at risk", 1, "A banner."), ("restricted", 31, "No more offers")])
    'At risk: A banner. Restricted, from day 31 on: No more offers.'
    """
    said = [f"{stage_phrase(word, days)}: {says.strip().rstrip('.')}." for word, days, says in rule_stages]
    return " ".join(one[:1].upper() + one[1:] for one in said)
