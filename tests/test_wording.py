"""Words that must hold for every figure: the true side of a target, a label for every metric, no promise."""

from __future__ import annotations

import inspect
from fractions import Fraction

import pytest

from healthkit import policy, wording

SIDES = [
    ("below", Fraction(1, 100)),
    ("at most", Fraction(4, 100)),
    ("at least", Fraction(9, 10)),
    ("above", Fraction(95, 100)),
]


@pytest.mark.parametrize(("side", "target"), SIDES)
def test_a_shown_rate_stands_on_the_same_side_of_its_target_as_the_true_one(side: str, target: Fraction) -> None:
    for counted in (1, 7, 99, 100, 101, 399, 1262, 2498, 20_001):
        edge = int(counted * (target if wording.wants_few(side) else 1 - target))
        for at_fault in {max(0, edge - 1), edge, min(counted, edge + 1)}:
            shown = Fraction(wording.rate(counted, at_fault, side, target).rstrip("%")) / 100
            true = wording.exact(counted, at_fault, side)
            assert wording.met(shown, side, target) == wording.met(true, side, target), (counted, at_fault)


def test_nothing_counted_is_a_dash_and_never_nought_percent() -> None:
    assert wording.rate(0, 0, "below", 0.01) == "–"
    assert wording.points((0, 0), (10, 1)) == "–"


def test_every_metric_that_a_policy_asks_for_has_words() -> None:
    asked = {metric for name in policy.files() for metric in policy.load(name).metrics()}
    assert asked <= set(wording.METRICS)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"No words for metric 'order_defects'\. There are: order_defect_rate"):
        wording.metric("order_defects")


def test_no_sentence_promises_what_will_be() -> None:
    assert " will " not in inspect.getsource(wording)


def test_one_order_is_spoken_of_in_the_singular() -> None:
    cancelled = wording.Standing("cancellation_rate", 44, 1, "below", 0.025, 0)
    assert wording.plain(wording.least_room(cancelled)) == (
        "Cancellation has the least room: the next order at fault misses the target."
    )
    assert wording.plain(wording.first_step(None, 1, 2026)) == (
        "Look at the one order at fault in that measure: it alone makes the rate."
    )


def test_several_measures_off_target_are_named_by_number() -> None:
    off = wording.Standing("order_defect_rate", 100, 3, "below", 0.01, -3)
    assert wording.plain(wording.wrong([off, off, off], [], 0)) == (
        "Order defects are off target at 3.00% (limit 1%), and two more measures are off target."
    )


def test_an_assumption_that_nobody_worded_is_shown_as_it_stands() -> None:
    assert wording.assumptions("ship_day_guessed") == "Ship day guessed."
