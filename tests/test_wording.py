"""Words that must hold for every figure: the true side of a target, a label for every metric, no promise."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

import healthkit
from healthkit.analysis import bridge
from healthkit.metrics.definitions import METRICS
from healthkit.metrics.policy_files import find_policy_files, load_policy
from healthkit.metrics.sides import lower_is_better, meets_target
from healthkit.report.text import figures, labels, movements, sentences
from healthkit.schema import tables
from tests.builders.bridges import bridged

SIDES = [
    ("below", Fraction(1, 100)),
    ("at most", Fraction(4, 100)),
    ("at least", Fraction(9, 10)),
    ("above", Fraction(95, 100)),
]


@pytest.mark.parametrize(("side", "target"), SIDES)
def test_a_shown_rate_stands_on_the_same_side_of_its_target_as_the_true_one(side: str, target: Fraction) -> None:
    for counted in (1, 7, 99, 100, 101, 399, 1262, 2498, 20_001):
        edge = int(counted * (target if lower_is_better(side) else 1 - target))
        for at_fault in {max(0, edge - 1), edge, min(counted, edge + 1)}:
            shown = Fraction(figures.format_rate(counted, at_fault, side, target).rstrip("%")) / 100
            true = figures.exact_rate(counted, at_fault, side)
            assert meets_target(shown, side, target) == meets_target(true, side, target), (
                counted,
                at_fault,
            )


def test_nothing_counted_is_a_dash_and_never_nought_percent() -> None:
    assert figures.format_rate(0, 0, "below", 0.01) == "–"
    assert figures.format_rate_change((0, 0), (10, 1)) == "–"


def test_every_metric_that_a_policy_asks_for_has_words() -> None:
    asked = {metric for name in find_policy_files() for metric in load_policy(name).metrics()}
    assert asked <= set(labels.METRIC_WORDS)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"No words for metric 'order_defects'\. There are: order_defect_rate"):
        labels.metric_words("order_defects")


def test_no_sentence_promises_what_will_be() -> None:
    folder = Path(figures.__file__).parent
    assert " will " not in "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))


def test_one_order_is_spoken_of_in_the_singular() -> None:
    cancelled = sentences.MeasureStanding("cancellation_rate", 44, 1, "below", 0.025, 0)
    assert sentences.plain_text(sentences.least_room_sentence(cancelled)) == (
        "Pre-fulfilment Cancellation Rate has the least room: the next order at fault misses the target."
    )
    assert sentences.plain_text(sentences.origin_sentence(None, 1, 2026)) == (
        "One order at fault: it alone makes the rate."
    )


def test_several_measures_off_target_are_named_by_number() -> None:
    off = sentences.MeasureStanding("order_defect_rate", 100, 3, "below", 0.01, -3)
    assert sentences.plain_text(sentences.what_is_wrong_sentence([off, off, off], [], 0)) == (
        "Order Defect Rate is off target at 3.00% (limit 1%), and two more measures are off target."
    )


def test_an_assumption_that_nobody_worded_is_shown_as_it_stands() -> None:
    assert labels.assumptions_sentence("ship_day_guessed") == "Ship day guessed."


# -- why a rate moved -------------------------------------------------------------------------------------


def chance_bridge(luck: Random) -> bridge.Bridge:
    """A bridge of any size and kind of target."""
    counted = tuple(luck.choice([luck.randint(1, 9), luck.randint(1, 400), luck.randint(1, 50_000)]) for _ in "ab")
    was, now = (luck.randint(0, luck.choice([n, max(1, n // 50)])) for n in counted)
    gone = luck.randint(max(0, was - now), was)
    left, came = luck.randint(0, gone), now - was + gone
    late = luck.randint(0, came)
    asked = luck.choice([
        {"below": "1/100"}, {"below": "4/100"}, {"below": None}, {"below": None, "at_least": "90/100"},
        {"below": None, "above": "99/100"},
    ])  # fmt: skip
    return bridged(counted, (was, now), left, gone - left, late, came - late, **asked)


def test_the_written_sums_of_two_hundred_bridges_add_up_and_end_in_the_shown_rates() -> None:
    luck = Random(5)
    for _ in range(200):
        bridge = chance_bridge(luck)
        moved = movements.movement_from_bridge(bridge)
        told = (
            movements.bridge_sum_sentence(moved)
            .removeprefix("In percentage points: ")
            .removesuffix(".")
            .replace(",", "")
        )
        first, steps, end = re.fullmatch(r"(\S+)((?: [+−] \S+)*) = (\S+)", told).groups()
        signs = [Fraction(part.replace("− ", "-").replace("+ ", "")) for part in re.findall(r"[+−] \S+", steps)]
        assert Fraction(first) + sum(signs) == Fraction(end), told
        share = bridge.rule.target.share if bridge.rule.target else None
        for seen, text in ((moved.before, first), (moved.after, end)):
            shown = figures.format_rate(seen.counted, seen.at_fault, moved.side, share).rstrip("%")
            near = Fraction(1, 2 * 10 ** len(shown.partition(".")[2]))
            assert abs(Fraction(text) - Fraction(shown)) <= near, told


def test_every_chance_bridge_has_a_title_in_one_sentence_that_names_both_rates() -> None:
    luck = Random(6)
    for _ in range(200):
        moved = movements.movement_from_bridge(chance_bridge(luck))
        title = movements.bridge_title(moved)
        assert moved.format_point_rate(moved.after) in title
        assert moved.format_point_rate(moved.before) in title
        assert title[0].isdigit() or title[0].isupper()
        assert ("rise" in title or "up from" in title) == (moved.change > 0), title
        assert ("fall" in title or "down from" in title) == (moved.change < 0), title


TITLES = {
    "18 new orders at fault explain most of the rise from 0.59% to 1.24%": ((2391, 2498), (14, 31), 6, 2, 7, 18),
    "Fewer orders explain most of the rise from 1.01% to 16.67%": ((99, 6), (1, 1), 1, 0, 0, 1),
    "12 orders at fault that left explain most of the fall from 2.00% to 1.20%": ((1000, 1000), (20, 12), 12, 1, 2, 3),
    "17 new orders at fault outweigh the 14 that left: up from 2.00% to 2.30%": ((1000, 1000), (20, 23), 14, 0, 0, 17),
    "5 orders learnt late and 4 new orders at fault outweigh the 8 that left: up from 2.00% to 2.10%": (
        (1000, 1000), (20, 21), 8, 0, 5, 4,
    ),
    "1 order cleared and 1 new one offset each other: 2.00% on both days": ((1000, 1000), (20, 20), 0, 1, 0, 1),
    "1 order learnt late explains the rise from 0.00% to 2.00%": ((50, 50), (0, 1), 0, 0, 1, 0),
    "The rate did not move: 0.00% on both days": ((50, 40), (0, 0), 0, 0, 0, 0),
    "The rate hardly moved: 0.50% on both days": ((90_000, 90_000), (450, 450), 1, 0, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("title", TITLES)
def test_a_bridge_is_titled_by_what_moved_most(title: str) -> None:
    assert movements.bridge_title(movements.movement_from_bridge(bridged(*TITLES[title]))) == title


def test_more_orders_at_fault_are_a_fall_where_many_in_order_are_wanted() -> None:
    asked = {"metric": "unit_on_time_delivery_rate", "below": None, "at_least": "90/100", "clock": "deliver_by_on"}
    moved = movements.movement_from_bridge(bridged((361, 412), (13, 33), 13, 0, 0, 33, **asked))
    assert movements.bridge_sum_sentence(moved) == "In percentage points: 96.4 + 3.4 − 8.6 + 0.8 = 92.0."
    assert movements.bridge_title(moved) == "33 new units at fault explain most of the fall from 96.4% to 92.0%"
    assert movements.step_label(moved, moved.parts[-1]) == ("More units:", "1,251 in, 1,200 out")
    assert movements.bridge_point_label(moved, moved.after) == ("31 Oct", "379 of 412")


def test_a_shrunken_denominator_is_said_in_a_sentence_of_its_own() -> None:
    told = movements.bridge_caption(movements.movement_from_bridge(bridged((99, 6), (1, 1), 1, 0, 0, 1)))
    assert "The rate rose mostly because fewer orders are counted: 99 before, 6 now." in told
    assert (
        movements.order_count_sentence(movements.movement_from_bridge(bridged((2391, 2498), (14, 31), 6, 2, 7, 18)))
        == ""
    )


def test_learnt_late_says_what_it_means_only_where_it_stands() -> None:
    late = movements.bridge_caption(movements.movement_from_bridge(bridged((100, 100), (1, 2), 0, 0, 1, 0)))
    assert "“Learnt late”: placed by 15 September, known only after 30 September." in late
    assert not any(
        "Learnt" in text
        for text in movements.bridge_caption(movements.movement_from_bridge(bridged((9, 9), (1, 1), 1, 0, 0, 1)))
    )


def test_a_rate_halfway_between_two_digits_is_shown_with_one_more() -> None:
    moved = movements.movement_from_bridge(bridged((800, 800), (1, 8), 0, 0, 0, 7))
    assert movements.bridge_sum_sentence(moved) == "In percentage points: 0.125 + 0.875 = 1.000."


# -- nothing without a word -------------------------------------------------------------------------------

PACKAGE = Path(healthkit.__file__).parent


def test_every_assumption_that_a_figure_can_rest_on_has_a_sentence():
    """Those of the metrics, and whatever the readers write into `assumed`."""
    keys = {f"{need}_not_imported" for metric in METRICS.values() for need in metric.required_evidence}
    keys |= {metric.proxy for metric in METRICS.values() if metric.proxy}
    for path in [
        PACKAGE / "metrics" / "definitions.py",
        PACKAGE / "metrics" / "scores.py",
        PACKAGE / "schema" / "tables.py",
        PACKAGE / "store" / "merge_sql.py",
        *(PACKAGE / "ingest" / "formats").glob("*.py"),
    ]:
        endings = "unknown|not_scanned|within_policy|estimated|from_[a-z]+"
        keys |= set(re.findall(rf"['\"]([a-z_]+_(?:{endings}))\+?['\"]", path.read_text(encoding="utf-8")))
    assert {"day_from_list", "canceller_unknown", "claim_day_from_money", "rating_estimated"} <= keys
    assert sorted(keys - set(labels.ASSUMPTION_SENTENCES) - {"points_unknown"}) == []


def test_every_cause_has_a_word_for_one_and_for_many():
    text = (PACKAGE / "metrics" / "definitions.py").read_text(encoding="utf-8")
    causes = {
        cause
        for cause in re.findall(r', "([a-z_]+)", "[a-z_]+_on"', text)
        if not cause.endswith(("_on", "_at", "_day"))
    }
    late = set(re.findall(r'"([a-z_]*answered_late)", "([a-z_]*unanswered)"', text))
    causes |= {cause for pair in late for cause in pair} | set(tables.DEFECT_KINDS)
    assert "unanswered" in causes
    assert sorted(causes - set(labels.CAUSE_LABELS)) == sorted(causes - set(labels.CAUSE_PLURALS)) == []
