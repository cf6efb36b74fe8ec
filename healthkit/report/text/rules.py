"""Phrases for the parts of a rule: its conditions, rating points and stages of consequences."""

from __future__ import annotations

from collections.abc import Sequence

from healthkit.report.text.figures import format_number, format_quantity

STAGE_LABELS = {
    "advice": "advice",
    "at risk": "at risk",
    "a month off target": "a month off target",
    "restricted": "restricted",
}
"""Stage of consequences, as in a policy file -> its label."""


def rule_conditions(
    noun: str,
    and_at_least: int | None = None,
    while_under: int | None = None,
    fallback: tuple[int, int] | None = None,
    judged_on: int | None = None,
) -> str:
    """Return the further conditions of a rule as text; empty if it has only a share, a minimum and a window.

    Fewer orders at fault than `and_at_least` are no breach; with `while_under`, only while fewer orders are counted.
    Under `fallback[0]` orders, a window of `fallback[1]` days is judged. With `judged_on`, the rule is judged on
    that day of the month.

    >>> rule_conditions("order", and_at_least=8, fallback=(400, 365))
    'a breach only from 8 orders at fault on; of under 400 orders, 365 days are judged'
    >>> rule_conditions("review", judged_on=1)
    'judged on day 1 of the month'
    """
    conditions = []
    if and_at_least is not None:
        while_clause = "" if while_under is None else f", while under {format_quantity(while_under, noun)} are counted"
        conditions.append(f"a breach only from {format_quantity(and_at_least, noun)} at fault on{while_clause}")
    if fallback is not None:
        conditions.append(f"of under {format_quantity(fallback[0], noun)}, {fallback[1]} days are judged")
    if judged_on is not None:
        conditions.append(f"judged on day {judged_on} of the month")
    return "; ".join(conditions)


def rating_target_phrase(on_target_from: int, off_target_under: int, maximum: int) -> str:
    """Return the target of a rating as text. [points]

    >>> rating_target_phrase(200, 100, 1000)
    'from 200 of 1,000 points, off target under 100'
    """
    return (
        f"from {format_number(on_target_from)} of {format_number(maximum)} points, off target under "
        f"{format_number(off_target_under)}"
    )


def points_earned_phrase(start: int, gain: int, per_orders: int) -> str:
    """Return how a rating gains points as text: `start` points, and `gain` more for every `per_orders` orders.

    >>> points_earned_phrase(200, 4, 200)
    '200 points to begin with, 4 more for every 200 orders'
    """
    return (
        f"{format_quantity(start, 'point')} to begin with, {format_number(gain)} more for every "
        f"{format_quantity(per_orders)}"
    )


def stage_phrase(stage_name: str, days: int) -> str:
    """Return the label of a stage of consequences, with the day off target in a row on which it begins.

    >>> stage_phrase("restricted", 1), stage_phrase("a month off target", 31)
    ('restricted', 'a month off target, from day 31 on')
    """
    return STAGE_LABELS[stage_name] + (f", from day {days} on" if days > 1 else "")


def stages_sentence(rule_stages: Sequence[tuple[str, int, str]]) -> str:
    """Return the stages of consequences of a rule as sentences, in order.

    Each stage is its name, the day off target in a row on which it begins, and the words of the source.

    >>> stages_sentence([("at risk", 1, "A banner."), ("restricted", 31, "No more offers")])
    'At risk: A banner. Restricted, from day 31 on: No more offers.'
    """
    sentences = [
        f"{stage_phrase(stage_name, days)}: {source_words.strip().rstrip('.')}."
        for stage_name, days, source_words in rule_stages
    ]
    return " ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences)
