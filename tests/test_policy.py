"""Targets against plain fractions, the rules of every policy file on both sides of each change, and bad files."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit.metrics import policy
from healthkit.metrics.policy import PolicyError, Rule, Target, judge
from healthkit.metrics.policy_files import find_policy_files, load_policies, load_policy
from healthkit.metrics.sides import SIDES
from healthkit.report.text import labels
from healthkit.schema.marketplaces import MARKETPLACES

SHARES = [Fraction(0), *(Fraction(n, 100) for n in (1, 2, 4, 90, 95, 97, 100)), Fraction(25, 1000)]
EDGES = sorted({*range(5001), *range(5000, 10_001, 20), *range(5000, 10_001, 100)})
NAMES = list(find_policy_files())
TARGETS = [Target(share, side) for share in SHARES for side in SIDES]
every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.side} {target.share}")


def on_target(target: Target, counted: int, at_fault: int) -> bool:
    """Whether the shown rate is on its side of the target, said with fractions."""
    wrong = Fraction(at_fault, counted)
    return {
        "below": wrong < target.share,
        "at most": wrong <= target.share,
        "at least": 1 - wrong >= target.share,
        "above": 1 - wrong > target.share,
    }[target.side]


# -- targets ----------------------------------------------------------------------------------------------


@every_target
def test_headroom_more_are_on_target_and_one_more_is_a_breach(target):
    counted = np.array(EDGES[1:])
    rooms = target.headroom(counted, np.zeros_like(counted))
    for n, room in zip(EDGES[1:], rooms.tolist(), strict=True):
        assert room < 0 or on_target(target, n, room), (n, room)
        assert room >= n or not on_target(target, n, room + 1), (n, room)


@every_target
def test_what_has_gone_wrong_is_taken_from_the_headroom(target):
    counted = np.array([1, 19, 20, 21, 99, 100, 101, 2498, 10_000])
    whole = target.headroom(counted, np.zeros_like(counted))
    for at_fault in (1, 5, 31):
        assert (target.headroom(counted, np.full_like(counted, at_fault)) == whole - at_fault).all()


@every_target
def test_a_rate_is_met_exactly_where_fractions_say_so(target):
    counted = np.array(EDGES[1:])
    edge = target.max_at_fault(counted)
    for step in (-1, 0, 1, 2):
        at_fault = np.clip(edge + step, 0, counted)
        said = target.is_met(counted, at_fault).tolist()
        true = [on_target(target, n, k) for n, k in zip(counted.tolist(), at_fault.tolist(), strict=True)]
        assert said == true


@every_target
def test_of_no_order_nothing_is_met(target):
    assert not target.is_met(0, 0)
    assert target.is_met(np.array([0, 0]), np.array([0, 0])).tolist() == [False, False]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.fractions(0, 1, max_denominator=1000), st.sampled_from(SIDES), st.integers(1, 10**6), st.data())
def test_any_share_is_judged_as_fractions_judge_it(share, side, counted, data):
    target = Target(share, side)
    at_fault = data.draw(st.integers(0, counted))
    assert bool(target.is_met(counted, at_fault)) is on_target(target, counted, at_fault)
    room = target.headroom(counted, at_fault)
    assert (room >= 0) is on_target(target, counted, at_fault)
    if 0 <= at_fault + room <= counted:
        assert on_target(target, counted, at_fault + room)
    if 0 <= at_fault + room + 1 <= counted:
        assert not on_target(target, counted, at_fault + room + 1)


def test_one_late_of_twenty_meets_at_least_95_percent_and_misses_above_95_percent():
    assert Target(Fraction(95, 100), "at least").is_met(20, 1)
    assert not Target(Fraction(95, 100), "above").is_met(20, 1)


@pytest.mark.parametrize("counted", [20, 40, 60, 1000])
def test_no_order_is_given_away_at_the_multiples_of_twenty(counted):
    # Of 20 orders 1 may be late at "at least 95 %", and none at "above 95 %".
    assert Target(Fraction(95, 100), "at least").headroom(counted, 0) == counted // 20
    assert Target(Fraction(95, 100), "above").headroom(counted, 0) == counted // 20 - 1


def test_one_percent_is_not_under_one_percent():
    below, at_most = Target(Fraction(1, 100), "below"), Target(Fraction(1, 100), "at most")
    assert not below.is_met(100, 1)
    assert at_most.is_met(100, 1)
    assert below.is_met(101, 1)


def test_a_breach_is_told_in_whole_orders():
    # Under 1 % of 2,498 orders are at most 24; with 31 at fault, 7 are too many.
    assert Target(Fraction(1, 100), "below").headroom(2498, 31) == -7


# -- judging ----------------------------------------------------------------------------------------------


def rule(**fields) -> Rule:
    given = {
        "policy": "p",
        "metric": "order_defect_rate",
        "since": date(2020, 1, 1),
        "channels": ("seller",),
        "windows": (7,),
    }
    return Rule(**given, source="test", sure="I", **fields)


def judged(one: Rule, *counts: tuple[int, int]) -> list[str]:
    """Status words of (counted, at fault)."""
    counted, at_fault = (np.array(numbers) for numbers in zip(*counts, strict=True))
    return judge(one, counted, at_fault).tolist()


def test_a_decimal_target_means_what_it_says():
    one = rule(below=0.01)
    assert one.target == Target(Fraction(1, 100), "below")
    assert not one.target.is_met(100, 1)


def test_with_nothing_at_fault_a_target_of_none_is_met_not_at_risk():
    assert judged(rule(at_most=Fraction(0)), (10, 0), (10, 1)) == ["on target", "off target"]


def test_at_risk_begins_at_exactly_four_fifths_of_what_is_allowed():
    # 1 % of 1,000 are 10; four fifths of them are 8.
    counts = (1000, 7), (1000, 8), (1000, 9), (1000, 10)
    assert judged(rule(below=Fraction(1, 100)), *counts) == ["on target", "at risk", "at risk", "off target"]
    assert judged(rule(at_most=Fraction(1, 100)), *counts) == ["on target", "at risk", "at risk", "at risk"]


def test_at_risk_is_the_same_on_the_other_side():
    # 5 % of 100 may be late: 4 are four fifths of them.
    counts = (100, 3), (100, 4), (100, 5), (100, 6)
    assert judged(rule(at_least=Fraction(95, 100)), *counts) == ["on target", "at risk", "at risk", "off target"]
    assert judged(rule(above=Fraction(95, 100)), *counts) == ["on target", "at risk", "off target", "off target"]


def test_a_rule_may_warn_earlier():
    # Half of 10 is 5.
    assert judged(rule(below=Fraction(1, 100), warn=Fraction(1, 2)), (1000, 4), (1000, 5)) == ["on target", "at risk"]


def test_of_no_order_there_is_no_data_and_without_a_target_none_is_judged():
    assert judged(rule(below=Fraction(1, 100)), (0, 0), (1, 0)) == ["no data", "on target"]
    assert judged(rule(), (0, 0), (1, 1)) == ["no data", "no target"]


def test_too_few_are_not_judged_however_bad():
    few = rule(at_least=Fraction(90, 100), minimum=20)
    assert judged(few, (0, 0), (19, 0), (19, 19), (20, 0), (20, 3)) == [
        "no data", "too few", "too few", "on target", "off target",
    ]  # fmt: skip


# -- the policies that are there --------------------------------------------------------------------------


def rows_of(name: str) -> list[tuple[str, dict]]:
    """(metric, row) of a policy file as it is written, rows that end a rule with the others."""
    held = yaml.safe_load(find_policy_files()[name].read_text(encoding="utf-8"))
    return [(metric, row) for metric, rows in held["rules"].items() for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_a_policy_has_a_day_a_source_and_how_sure_it_is(name):
    assert load_policy(name).name == name
    for metric, row in rows_of(name):
        assert isinstance(row["since"], date), metric
        assert row["source"].strip(), metric
        ends = "rule" in row
        assert ends or row["sure"] in ("A", "R", "T", "I", "user"), metric
        assert not ends or row["rule"] in (None, "not computed"), metric


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_of_a_policy_has_its_words(name):
    assert set(load_policy(name).metrics()) <= set(labels.METRIC_WORDS)


def test_no_marketplace_has_two_policies_and_each_is_found_by_its_own():
    owners = [(code, name) for name in NAMES for code in load_policy(name).marketplaces]
    assert len(dict(owners)) == len(owners)
    assert set(dict(owners)) <= set(MARKETPLACES)
    found = load_policies(code for code, _ in owners)
    assert [(code, held.name) for code, held in found.items()] == owners
    assert all(MARKETPLACES[code].zone == load_policy(name).zone for code, name in owners)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_is_in_force_on_its_first_and_last_day_and_not_around_them(name):
    held = load_policy(name)
    begins = held.complete_from
    day = timedelta(days=1)
    for one in held.rules:
        assert one in held.rules_in_force(one.since)
        if one.since > begins:
            assert one not in held.rules_in_force(one.since - day)
        if one.until < policy.OPEN_END:
            assert one in held.rules_in_force(one.until)
            assert one not in held.rules_in_force(one.until + day)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("amazon_us", date(2024, 9, 25)),
        ("amazon_uk", date(2025, 9, 16)),
        ("amazon_de", date(2026, 7, 15)),
        ("amazon_fr", date(2026, 7, 15)),
        ("amazon_it", date(2026, 7, 15)),
        ("amazon_es", date(2026, 7, 15)),
    ],
)
def test_the_rate_in_units_follows_the_rate_in_orders_without_a_gap(name, change):
    both = {"on_time_delivery_rate", "unit_on_time_delivery_rate"}
    eve, day = (
        {one.metric for one in load_policy(name).rules_in_force(as_of)} & both
        for as_of in (change - timedelta(1), change)
    )
    assert (eve, day) == ({"on_time_delivery_rate"}, {"unit_on_time_delivery_rate"})


def test_the_account_health_rating_came_to_the_united_states_in_august_2022():
    asked = [
        {one.metric for one in load_policy("amazon_us").rules_in_force(date(2022, 7, 31) + timedelta(n))}
        for n in (0, 1)
    ]
    assert asked[1] - asked[0] == {"account_health_rating"}


@pytest.mark.parametrize(
    ("name", "first"),
    [("amazon_us", date(2017, 6, 21)), ("amazon_reference", date(2010, 1, 1)), ("olist", date(2016, 1, 1))],
)
def test_the_day_before_the_first_row_is_refused_by_name(name, first):
    held = load_policy(name)
    assert held.rules_in_force(first)
    eve = first - timedelta(days=1)
    with pytest.raises(PolicyError) as said:
        held.rules_in_force(eve)
    asked = next(iter(held.first_days))
    assert f"{name} has no rule for {asked} on {eve}" in str(said.value)
    assert f"begins on {first}" in str(said.value)


def test_a_policy_says_of_another_only_what_differs():
    shared, uk = load_policy("amazon_europe"), load_policy("amazon_uk")
    own = {"on_time_delivery_rate", "unit_on_time_delivery_rate"}
    taken_over = [one.model_copy(update={"policy": "amazon_uk"}) for one in shared.rules if one.metric not in own]
    assert [one for one in uk.rules if one.metric not in own] == taken_over
    assert uk.zone == "Europe/London"


def test_a_metric_that_a_policy_names_itself_is_taken_over_in_no_part():
    [india] = [one for one in load_policy("amazon_in").rules if one.metric == "cancellation_rate"]
    assert (india.windows, india.lag, india.target) == ((7, 30), 1, Target(Fraction(25, 1000), "below"))
    assert not [one for one in load_policy("amazon_in").rules if one.metric == "unit_on_time_delivery_rate"]


def test_the_reference_standards_are_the_users_own():
    both, seller, account = ("seller", "amazon"), ("seller",), ("all",)
    held = load_policy("amazon_reference")
    judged = {one.metric: (one.channels, one.windows, one.target) for one in held.rules if one.target is not None}
    assert judged == {
        "order_defect_rate": (both, (60,), Target(Fraction(1, 100), "below")),
        "cancellation_rate": (seller, (7, 10, 30), Target(Fraction(25, 1000), "below")),
        "late_shipment_rate": (seller, (7, 10, 30), Target(Fraction(4, 100), "below")),
        "valid_tracking_rate": (seller, (7, 30), Target(Fraction(95, 100), "at least")),
        "on_time_delivery_rate": (seller, (7, 30), Target(Fraction(97, 100), "at least")),
        "policy_violations": (account, (180,), Target(Fraction(0), "at most")),
    }
    shown = {one.metric: (one.channels, one.windows) for one in held.rules if one.target is None}
    assert shown == {
        "negative_feedback_rate": (both, (60,)),
        "a_to_z_claim_rate": (both, (60,)),
        "chargeback_rate": (both, (60,)),
        "refund_rate": (seller, (7, 10, 30)),
        "late_response_rate": (account, (90,)),
        "average_response_time": (account, (90,)),
        "negative_return_feedback_rate": (seller, (30,)),
    }


def test_the_reference_standards_have_no_lag_and_warn_of_a_demotion():
    held = load_policy("amazon_reference")
    assert {one.lag for one in held.rules} == {0}
    assert {one.sure for one in held.rules} == {"user"}
    assert held.marketplaces == ()
    for one in held.rules:
        assert ("demotion" in one.consequence) is (one.target is not None), one.metric
    [answers] = [one for one in held.rules if one.metric == "late_response_rate"]
    assert answers.counting == {"within_hours": 48}


def test_the_parts_of_the_order_defect_rate_are_placed_and_counted_as_it_is():
    for name in NAMES:
        for part in load_policy(name).rules:
            if part.part_of is not None:
                [whole] = [one for one in load_policy(name).rules if one.metric == part.part_of]
                placed = [(one.channels, one.clock, one.windows, one.lag) for one in (part, whole)]
                assert placed[0] == placed[1], part.id
                assert part.counting.items() <= whole.counting.items(), part.id


def test_two_options_in_any_order_are_one_basis():
    pairs = [("counts", "due"), ("negative_up_to", 2)]
    one, other = (rule(counting=dict(pairs)) for pairs in (pairs, pairs[::-1]))
    assert one.basis == other.basis
    assert str(one.basis) == "ordered_on counts=due negative_up_to=2"
    assert (one.basis.option("negative_up_to", 7), one.basis.option("within_hours", 7)) == (2, 7)


# -- policies that are wrong ------------------------------------------------------------------------------

HEAD = """
policy: mine
title: Mine
zone: UTC
read: 2026-11-22
rules:
"""
ROW = """\
  cancellation_rate:
    - since: 2020-01-01
      windows: [7]
      below: 1/100
      source: test
      sure: I
"""


def written(folder, text: str, name: str = "mine.yaml") -> str:
    (folder / name).write_text(text.lstrip(), encoding="utf-8")
    return str(folder / name)


def said_of(folder, text: str) -> str:
    with pytest.raises(PolicyError) as said:
        load_policy(written(folder, text))
    return str(said.value)


def test_a_file_by_its_path_is_a_policy(tmp_path):
    [one] = load_policy(written(tmp_path, HEAD + ROW)).rules
    assert (one.id, one.channels, one.lag, one.until) == (
        "mine.cancellation_rate@2020-01-01", ("seller",), 0, policy.OPEN_END,
    )  # fmt: skip


# The row begins on line 7 of the file.
@pytest.mark.parametrize(
    ("old", "new", "field", "what"),
    [
        ("below: 1/100", "under: 1/100", "under", "not permitted"),
        ("below: 1/100", "below: a few", "below", "fraction"),
        ("sure: I", "sure: I\n      colour: red", "colour", "not permitted"),
        ("sure: I", "sure: perhaps", "sure", "'user'"),
        ("windows: [7]", "windows: [0]", "windows.0", "greater than or equal to 1"),
        ("windows: [7]", "windows: [7, -30]", "windows.1", "greater than or equal to 1"),
        ("windows: [7]", "windows: []", "windows", "at least 1 item"),
        ("windows: [7]", "windows: [7]\n      lag: -1", "lag", "greater than or equal to 0"),
        ("windows: [7]", "windows: [7]\n      clock: birthday", "clock", "'ordered_on'"),
        ("windows: [7]", "windows: [7]\n      channels: [fba]", "channels.0", "'amazon'"),
        ("      windows: [7]\n", "", "windows", "required"),
        ("      source: test\n", "", "source", "required"),
        ("      sure: I\n", "", "sure", "required"),
        (
            "below: 1/100",
            "below: 1/100\n      at_least: 9/10",
            "rule",
            "only one target is allowed, not below and at_least",
        ),
        ("below: 1/100", "below: 5", "below", "less than or equal to 1"),
        ("below: 1/100", "below: -1/100", "below", "greater than or equal to 0"),
        ("below: 1/100", "below: 1/100\n      warn: 2", "warn", "less than or equal to 1"),
        ("below: 1/100", "below: 1/100\n      minimum: 0", "minimum", "greater than or equal to 1"),
        ("windows: [7]", "windows: [7, 7]", "rule", "duplicate window"),
        ("      source: test\n", "      source: ''\n", "source", "at least 1 character"),
        ("below: 1/100", "below: 1/100\n      channels: []", "channels", "at least 1 item"),
        ("below: 1/100", "counting: {unknown_canceler: ignore}", "counting", "no option 'unknown_canceler'"),
        ("below: 1/100", "counting: {unknown_canceller: ignored}", "counting", "cannot be 'ignored'"),
        ("below: 1/100", "until: 2019-01-01", "until", "is before 2020-01-01"),
    ],
)
def test_a_wrong_row_is_refused_by_file_line_and_field(tmp_path, old, new, field, what):
    said = said_of(tmp_path, HEAD + ROW.replace(old, new))
    assert said.startswith(f"mine.yaml, line 7, cancellation_rate, field {field}: ")
    assert what in said


@pytest.mark.parametrize("line", ["lag: 7", "since: soon", "since: 7"])
def test_a_row_without_a_day_is_refused(tmp_path, line):
    said = said_of(tmp_path, HEAD + ROW.replace("since: 2020-01-01", line))
    assert said.startswith("mine.yaml, line 7, cancellation_rate, field since: a row needs its first day in force")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy: [mine", "mine.yaml is not YAML"),
        ("- a list", "mine.yaml is not a mapping"),
        ("policy: mine\ntitle: Mine\nrules: {}", "mine.yaml: missing field zone, read"),
        (HEAD.replace("title", "titel") + ROW, "mine.yaml: unknown field 'titel'. Fields: based_on, "),
        (HEAD + "  cancellation_rate: 5", "mine.yaml, cancellation_rate: not a list of rows"),
        (HEAD + "  cancellation_rate: []", "mine.yaml, cancellation_rate: not a list of rows"),
        (HEAD.replace("rules:", "rules: []"), "mine.yaml, field rules: not a mapping"),
        (HEAD + ROW + ROW, "mine.yaml, line 6: duplicate cancellation_rate"),
        (
            HEAD + ROW.replace("cancellation_rate", "cancelation_rate"),
            "mine.yaml, line 7, cancelation_rate, field metric: Value error, no metric 'cancelation_rate'",
        ),
        ("based_on: nobody\n" + HEAD.lstrip() + ROW, "No policy 'nobody'."),
    ],
)
def test_a_file_that_is_no_policy_says_why(tmp_path, text, said):
    assert said_of(tmp_path, text).startswith(said)


def test_an_unknown_policy_is_refused_with_those_there_are():
    with pytest.raises(PolicyError, match=r"No policy 'amazon_usa'\. Policies: .*amazon_us, .*olist, .*; or give"):
        load_policy("amazon_usa")
    with pytest.raises(PolicyError, match="No policy"):
        load_policy("nowhere/mine.yaml")


def test_an_unknown_marketplace_is_refused_with_those_there_are():
    with pytest.raises(
        PolicyError, match=r"No policy for marketplace 'NZ'\. Marketplaces with a policy: AE, .*, UK, US, WALMART_"
    ):
        load_policies(["US", "NZ"])


def test_a_row_of_null_ends_a_rule_for_both_channels(tmp_path):
    both = ROW.replace("windows", "channels: [seller, amazon]\n      windows")
    text = HEAD + both + "    - {since: 2021-01-01, rule: null, source: test}\n"
    held = load_policy(written(tmp_path, text))
    assert [one.metric for one in held.rules_in_force(date(2020, 12, 31))] == ["cancellation_rate"]
    assert held.rules_in_force(date(2021, 1, 1)) == []
    assert held.rules[0].until == date(2020, 12, 31)


def test_a_row_that_begins_with_null_says_that_nothing_was_asked(tmp_path):
    text = HEAD + ROW.replace("- since: 2020", "- {since: 2019-01-01, rule: null, source: test}\n    - since: 2020")
    held = load_policy(written(tmp_path, text))
    assert held.rules_in_force(date(2019, 1, 1)) == []
    assert len(held.rules_in_force(date(2020, 1, 1))) == 1
    with pytest.raises(PolicyError):
        held.rules_in_force(date(2018, 12, 31))


def test_rows_may_stand_in_any_order_and_each_ends_the_one_before(tmp_path):
    later = ROW.split("\n", 1)[1].replace("2020", "2022").replace("1/100", "2/100")
    held = load_policy(written(tmp_path, HEAD + "  cancellation_rate:\n" + later + ROW.split("\n", 1)[1]))
    assert [(one.since.year, one.until.year, one.below) for one in held.rules] == [
        (2020, 2021, Fraction(1, 100)),
        (2022, 9999, Fraction(2, 100)),
    ]


def test_rows_of_two_channels_run_side_by_side(tmp_path):
    amazon = ROW.split("\n", 1)[1].replace("2020-01", "2020-06").replace("windows", "channels: [amazon]\n      windows")
    held = load_policy(written(tmp_path, HEAD + ROW + amazon))
    assert [one.channels for one in held.rules_in_force(date(2021, 1, 1))] == [("seller",), ("amazon",)]


def test_a_row_that_ends_another_for_one_of_its_channels_is_refused(tmp_path):
    both = ROW.replace("windows", "channels: [seller, amazon]\n      windows")
    said = said_of(tmp_path, HEAD + both + ROW.split("\n", 1)[1].replace("2020", "2021"))
    assert said.startswith(
        "mine.yaml, line 13, cancellation_rate, field channels: this row ends the row of line 7 for only some"
    )
