"""Rules as data: what a number at fault beside a share means, what small sellers are judged by, and the page of all."""

from __future__ import annotations

import doctest
import importlib.util
import json
import shutil
import subprocess
import sys
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit.metrics.policy import OPEN_END, PolicyError, Rule, Target, judge, judge_points
from healthkit.metrics.policy_files import find_policy_files, load_policies, load_policy, marketplaces_with_policy
from healthkit.metrics.sides import SIDES
from healthkit.report.text import labels
from healthkit.schema.marketplaces import MARKETPLACES, MarketplaceError, load_marketplaces
from healthkit.schema.tables import SEVERITIES
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import DAY, ROOT

PAGE = ROOT / "docs" / "rules.md"
NAMES = list(find_policy_files())
AMAZON_STORES = {code: f"amazon_{code.lower()}" for code, one in MARKETPLACES.items() if one.is_amazon}
STORES = list(AMAZON_STORES.values())
"""The policies of Amazon's stores."""


def _loaded():
    """docs/make_rules.py as a module; docs is no package."""
    found = importlib.util.spec_from_file_location("make_rules", ROOT / "docs" / "make_rules.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


make_rules = _loaded()


# -- a share and a number at fault ------------------------------------------------------------------------


def breached(target: Target, counted: int, at_fault: int) -> bool:
    """Whether the share is missed, and the number at fault reached where it is asked, said with fractions."""
    wrong = Fraction(at_fault, counted)
    missed = {
        "below": wrong >= target.share,
        "at most": wrong > target.share,
        "at least": 1 - wrong < target.share,
        "above": 1 - wrong <= target.share,
    }[target.side]
    if target.and_at_least is None or (target.while_under is not None and counted >= target.while_under):
        return missed
    return missed and at_fault >= target.and_at_least


SOME_TARGET = st.builds(
    Target,
    st.fractions(0, 1, max_denominator=200),
    st.sampled_from(SIDES),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 60),
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(SOME_TARGET, st.integers(1, 70))
def test_met_limit_and_headroom_are_what_trying_every_number_at_fault_finds(target, counted):
    tried = range(counted + 1)
    met = [at_fault for at_fault in tried if not breached(target, counted, at_fault)]
    assert [at_fault for at_fault in tried if target.is_met(counted, at_fault)] == met
    limit = target.max_at_fault(counted)
    assert min(limit, counted) == max(met, default=-1)
    assert [target.headroom(counted, at_fault) for at_fault in tried] == [limit - at_fault for at_fault in tried]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(SOME_TARGET, st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.data())
def test_many_counts_at_once_are_judged_as_each_alone(target, counted, data):
    at_fault = [data.draw(st.integers(0, n)) for n in counted]
    arrays = np.array(counted), np.array(at_fault)
    pairs = list(zip(counted, at_fault, strict=True))
    assert target.max_at_fault(arrays[0]).tolist() == [target.max_at_fault(n) for n in counted]
    assert target.headroom(*arrays).tolist() == [target.headroom(*pair) for pair in pairs]
    assert target.is_met(*arrays).tolist() == [n > 0 and not breached(target, n, k) for n, k in pairs]
    share = Fraction(4, 5)
    assert target.is_share_used(*arrays, share).tolist() == [bool(target.is_share_used(*pair, share)) for pair in pairs]


def status(target: Target, warn: Fraction, counted: int, at_fault: int) -> str:
    """The word of one count, said with fractions; at risk asks that part of the share and of the number allowed."""
    if breached(target, counted, at_fault):
        return "off target"
    bounds = [target.allowed_share * counted]
    if target.and_at_least is not None and (target.while_under is None or counted < target.while_under):
        bounds.append(Fraction(target.and_at_least - 1))
    return "at risk" if at_fault and all(at_fault >= warn * bound for bound in bounds) else "on target"


@settings(max_examples=250, deadline=None, derandomize=True)
@given(SOME_TARGET, st.fractions(0, 1, max_denominator=10), st.integers(1, 70))
def test_judging_says_what_fractions_say(target, warn, counted):
    side = target.side.replace(" ", "_")
    proviso = {"and_at_least": target.and_at_least}
    if target.and_at_least is not None:
        proviso["while_under"] = target.while_under
    else:
        target = Target(target.share, target.side)
    one = rule(**{side: target.share}, warn=warn, **proviso)
    assert one.target == target
    at_fault = np.arange(counted + 1)
    said = judge(one, np.full_like(at_fault, counted), at_fault).tolist()
    assert said == [status(target, warn, counted, k) for k in at_fault.tolist()]


def rule(**fields) -> Rule:
    given = {"policy": "p", "metric": "late_shipment_rate", "since": date(2026, 1, 1), "channels": ("seller",)}
    return Rule(**{**given, "windows": (90,), "source": "test", "sure": "I", **fields})


def judged(one: Rule, *counts: tuple[int, int]) -> list[str]:
    """Status words of (counted, at fault)."""
    counted, at_fault = (np.array(numbers) for numbers in zip(*counts, strict=True))
    return judge(one, counted, at_fault).tolist()


def test_more_than_two_percent_is_no_breach_with_fewer_than_five_at_fault():
    # 4 of 50 are 8 %, 5 of 50 are 10 %; 5 of 250 are 2 %, 6 are more.
    one = rule(at_most=Fraction(2, 100), and_at_least=5)
    assert judged(one, (50, 4), (50, 5), (250, 5), (250, 6)) == ["at risk", "off target", "at risk", "off target"]
    assert one.target.headroom(50, 1) == 3


def test_one_of_five_is_not_at_risk_while_five_are_needed():
    # Four may be at fault; four fifths of them are 3.2.
    one = rule(at_most=Fraction(2, 100), and_at_least=5)
    assert judged(one, (5, 1), (5, 3), (5, 4)) == ["on target", "on target", "at risk"]


def test_of_under_300_orders_three_may_go_wrong_and_of_300_less_than_one_percent():
    # Of 299 orders 3 are allowed; of 300, 3 are 1 %, which is not under 1 %; of 301, 3 are.
    one = rule(below=Fraction(1, 100), and_at_least=4, while_under=300)
    assert [one.target.max_at_fault(counted) for counted in (1, 299, 300, 301)] == [3, 3, 2, 3]
    assert judged(one, (299, 3), (300, 3), (301, 3)) == ["at risk", "off target", "at risk"]


def test_a_number_at_fault_saves_on_the_other_side_too():
    # At least 90 % of 10 in order: 1 may be at fault; where a breach needs 3 at fault, 2 may.
    assert Target(Fraction(90, 100), "at least").max_at_fault(10) == 1
    assert Target(Fraction(90, 100), "at least", and_at_least=3).max_at_fault(10) == 2


def test_of_no_order_there_is_no_data_whatever_number_at_fault_is_asked():
    assert judged(rule(at_most=Fraction(2, 100), and_at_least=5), (0, 0)) == ["no data"]
    assert not Target(Fraction(2, 100), "at most", 5).is_met(0, 0)


# -- the fields in a file ---------------------------------------------------------------------------------

HEAD = """\
policy: mine
title: Mine
zone: UTC
read: 2026-11-22
rules:
  late_shipment_rate:
    - since: 2020-01-01
      windows: [60]
      source: test
      sure: I
"""
PROVISOS = """\
      at_most: 7/100
      and_at_least: 8
      fallback: {under: 40, window: 365}
      judged_on: 20
"""
FULL = HEAD + PROVISOS


def written(folder, text: str) -> str:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return str(folder / "mine.yaml")


def test_a_rule_carries_its_provisos(tmp_path):
    [one] = load_policy(written(tmp_path, FULL)).rules
    assert (one.and_at_least, one.while_under, one.judged_on) == (8, None, 20)
    assert (one.fallback.under, one.fallback.window) == (40, 365)
    assert one.target == Target(Fraction(7, 100), "at most", and_at_least=8)


def test_a_rule_without_provisos_has_none(tmp_path):
    [one] = load_policy(written(tmp_path, HEAD + "      at_most: 7/100\n")).rules
    assert (one.and_at_least, one.while_under, one.fallback, one.judged_on) == (None, None, None, None)
    assert make_rules.provisos(one) == ""


@pytest.mark.parametrize(
    ("old", "new", "field", "what"),
    [
        ("and_at_least: 8", "and_at_least: 0", "and_at_least", "greater than or equal to 1"),
        ("and_at_least: 8", "and_at_least: 2.5", "and_at_least", "valid integer"),
        ("and_at_least: 8", "and_at_least: true", "and_at_least", "valid integer"),
        ("      at_most: 7/100\n", "", "rule", "and_at_least needs a target"),
        ("and_at_least: 8", "while_under: 300", "rule", "and_at_least, which is missing"),
        ("and_at_least: 8", "and_at_least: 8\n      while_under: 0", "while_under", "greater than or equal to 1"),
        ("judged_on: 20", "judged_on: 0", "judged_on", "greater than or equal to 1"),
        ("judged_on: 20", "judged_on: 29", "judged_on", "less than or equal to 28"),
        ("judged_on: 20", "judged_on: 2026-11-20", "judged_on", "valid integer"),
        ("{under: 40, window: 365}", "365", "fallback", "Fallback"),
        ("{under: 40, window: 365}", "{window: 365}", "fallback.under", "required"),
        ("{under: 40, window: 365}", "{under: 40, days: 365}", "fallback.window", "required"),
        ("{under: 40, window: 365}", "{under: 40, window: 365, days: 1}", "fallback.days", "not permitted"),
        ("{under: 40, window: 365}", "{under: 0, window: 365}", "fallback.under", "greater than or equal to 1"),
        ("{under: 40, window: 365}", "{under: 40, window: 60}", "rule", "is no longer than 60 days"),
        ("windows: [60]", "windows: [30, 60]", "rule", "write one row for each window"),
    ],
)
def test_a_wrong_proviso_is_refused_by_file_line_and_field(tmp_path, old, new, field, what):
    assert old in FULL
    with pytest.raises(PolicyError) as said:
        load_policy(written(tmp_path, FULL.replace(old, new)))
    assert str(said.value).startswith(f"mine.yaml, line 7, late_shipment_rate, field {field}: ")
    assert what in str(said.value)


POINTS = "      points: {start: 200, gain: 4, per_orders: 200, most: 1000, on_from: 200, off_under: 100}\n"
STAGES = """\
      stages:
        - {stage: at risk, says: A banner}
        - {stage: restricted, days: 31, says: No more offers}
"""
WHOLE = HEAD.replace("windows", "channels: [all]\n      clock: opened_on\n      windows") + POINTS + STAGES


def test_a_rule_of_the_account_as_a_whole_carries_points_and_stages(tmp_path):
    [one] = load_policy(written(tmp_path, WHOLE)).rules
    assert (one.channels, one.clock) == (("all",), "opened_on")
    assert [(stage.stage, stage.days, stage.says) for stage in one.stages] == [
        ("at risk", 1, "A banner"), ("restricted", 31, "No more offers"),
    ]  # fmt: skip
    assert (one.points.start, one.points.on_from, one.points.off_under) == (200, 200, 100)


@pytest.mark.parametrize(
    ("old", "new", "field", "what"),
    [
        ("channels: [all]", "channels: [every]", "channels.0", "'all'"),
        ("clock: opened_on", "clock: closed_on", "clock", "'opened_on'"),
        ("start: 200", "begin: 200", "points.start", "required"),
        ("start: 200", "start: 200, more: 1", "points.more", "not permitted"),
        ("gain: 4", "gain: 4.5", "points.gain", "valid integer"),
        ("per_orders: 200", "per_orders: 0", "points.per_orders", "greater than or equal to 1"),
        ("stage: at risk", "stage: doomed", "stages.0.stage", "'restricted'"),
        ("says: A banner", "words: A banner", "stages.0.says", "required"),
        ("says: A banner", "says: ''", "stages.0.says", "at least 1 character"),
        ("days: 31", "days: 0", "stages.1.days", "greater than or equal to 1"),
        ("days: 31", "days: 31, until: 60", "stages.1.until", "not permitted"),
        ("      stages:\n", "      stages: at risk\n      x:\n", "stages", "valid tuple"),
        (POINTS, "      counting: {points_low: 0}\n", "counting", "cannot be 0"),
        (POINTS, "      counting: {points_grave: 8}\n", "counting", "no option 'points_grave'"),
        (POINTS, "      counting: {within_hours: 12}\n", "counting", "cannot be 12"),
        (POINTS, "      counting: {orders: prime}\n", "counting", "cannot be 'prime'"),
    ],
)
def test_wrong_points_stages_and_channels_are_refused_by_file_line_and_field(tmp_path, old, new, field, what):
    assert old in WHOLE
    with pytest.raises(PolicyError) as said:
        load_policy(written(tmp_path, WHOLE.replace(old, new)))
    assert str(said.value).startswith(f"mine.yaml, line 7, late_shipment_rate, field {field}: ")
    assert what in str(said.value)


def test_a_metric_of_ones_own_stands_where_the_other_policy_has_it():
    assert load_policy("amazon_uk").metrics()[-1] == "invoice_defect_rate"
    common = [name for name in load_policy("amazon_uk").metrics() if name in load_policy("amazon_us").metrics()]
    assert common == [name for name in load_policy("amazon_us").metrics() if name in common]


def test_a_row_that_asks_nothing_is_kept_with_its_reason():
    silent = {one.metric: (one.since, one.source) for one in load_policy("amazon_ie").ended_rules}
    assert silent["unit_on_time_delivery_rate"][0] == date(2017, 6, 21)
    assert "No source for this store" in silent["unit_on_time_delivery_rate"][1]
    assert silent["invoice_defect_rate"][0] == date(2017, 6, 21)


# -- the policies that are there --------------------------------------------------------------------------


def asked(name: str, day: date, metric: str) -> list[Rule]:
    return [one for one in load_policy(name).rules_in_force(day) if one.metric == metric]


@pytest.mark.parametrize("name", STORES)
def test_every_amazon_asks_the_same_of_defects_and_late_shipments(name):
    [defects], [late] = (asked(name, DAY, metric) for metric in ("order_defect_rate", "late_shipment_rate"))
    assert (defects.windows, defects.lag, defects.target) == ((60,), 15, Target(Fraction(1, 100), "below"))
    assert (late.windows, late.lag, late.target) == ((10, 30), 0, Target(Fraction(4, 100), "below"))
    [cancelled] = asked(name, DAY, "cancellation_rate")
    windows = (7, 30) if name == "amazon_in" else (7,)
    assert (cancelled.windows, cancelled.lag, cancelled.target) == (windows, 1, Target(Fraction(25, 1000), "below"))


def test_the_rate_in_units_is_asked_where_a_source_says_so_and_nowhere_else():
    metric = "unit_on_time_delivery_rate"
    held = load_policies(AMAZON_STORES)
    with_units = {code: asked(one.name, DAY, metric) for code, one in held.items() if asked(one.name, DAY, metric)}
    assert set(with_units) == {"US", "UK", "DE", "FR", "IT", "ES"}
    for [one] in with_units.values():
        assert (one.windows, one.lag, one.minimum) == ((14,), 7, 20)
        assert one.target == Target(Fraction(90, 100), "at least")
    for code in set(held) - set(with_units):
        assert asked(held[code].name, DAY, "on_time_delivery_rate"), code


def test_invoices_are_asked_for_in_five_european_stores_since_20_march_2020():
    five = {"amazon_uk", "amazon_de", "amazon_fr", "amazon_it", "amazon_es"}
    shared = {"amazon_europe", "amazon_de_fr_it_es"}
    assert {name for name in NAMES if "invoice_defect_rate" in load_policy(name).metrics()} == five | shared
    for name in five:
        [one] = asked(name, date(2020, 3, 20), "invoice_defect_rate")
        assert (one.windows, one.lag, one.target) == ((7,), 7, Target(Fraction(5, 100), "below"))
        assert asked(name, date(2020, 3, 19), "invoice_defect_rate") == []


def test_returns_are_judged_as_a_whole_and_shown_in_three_parts():
    [whole] = asked("amazon_us", DAY, "return_dissatisfaction_rate")
    assert whole.target == Target(Fraction(10, 100), "below")
    parts = {
        one.metric
        for one in load_policy("amazon_us").rules_in_force(DAY)
        if one.part_of == "return_dissatisfaction_rate"
    }
    assert parts == {"negative_return_feedback_rate", "late_return_response_rate", "invalid_rejection_rate"}


@pytest.mark.parametrize("name", STORES)
def test_messages_and_violations_are_of_the_account_and_placed_by_their_own_days(name):
    in_force = {one.metric: one for one in load_policy(name).rules_in_force(DAY)}
    placed = {metric: (in_force[metric].channels, in_force[metric].clock) for metric in in_force}
    of_account = ("all",)
    for metric in ("late_response_rate", "average_response_time", "customer_service_dissatisfaction_rate"):
        assert placed[metric] == (of_account, "received_on")
    assert placed["policy_violations"] == (of_account, "opened_on")
    assert placed["account_health_rating"] == (of_account, "ordered_on")
    returns = {metric for metric, (_, clock) in placed.items() if clock == "requested_on"}
    assert returns == {
        "return_dissatisfaction_rate", "negative_return_feedback_rate", "late_return_response_rate",
        "invalid_rejection_rate",
    }  # fmt: skip
    assert all(placed[metric][0] == ("seller",) for metric in returns)


@pytest.mark.parametrize("name", STORES)
def test_a_rating_begins_with_200_points_which_orders_raise_and_violations_take(name):
    [rating] = asked(name, DAY, "account_health_rating")
    # 1,250 orders are 6 times 200: 24 points. One violation of high and one of low severity take 8 and 2.
    assert int(rating.points.rating(1250, rating.counting["points_high"] + rating.counting["points_low"])) == 214
    assert [int(rating.points.rating(orders, 0)) for orders in (0, 199, 200, 39_999, 40_000, 90_000)] == [
        200, 200, 204, 996, 1000, 1000,
    ]  # fmt: skip
    # A critical violation takes all there is, whatever was earned.
    assert int(rating.points.rating(90_000, rating.counting["points_critical"])) == 0
    assert judge_points(rating.points, np.array([200.0, 199, 100, 99])).tolist() == [
        "on target", "at risk", "at risk", "off target",
    ]  # fmt: skip
    assert set(rating.counting) == {f"points_{severity}" for severity in (*SEVERITIES, "unknown")}
    assert "estimate" in rating.source


def test_the_reference_standards_warn_of_demotion_after_a_month():
    held = [rule for rule in load_policy("amazon_reference").rules if rule.target is not None]
    assert {(stage.stage, stage.days) for rule in held for stage in rule.stages} == {("a month off target", 31)}
    assert all(rule.stages for rule in held)


@pytest.mark.parametrize("name", STORES)
def test_amazon_says_of_every_target_what_follows_or_that_nothing_is_known(name):
    for one in load_policy(name).rules:
        if one.target or one.points:
            assert one.stages or "or does a source say what follows" in one.source, one.id
    # No Amazon page names how long a measure may stay off target, so none of its stages begins later than at once.
    assert {stage.days for one in load_policy(name).rules for stage in one.stages} == {1}


@pytest.mark.parametrize(
    "metric",
    ["return_dissatisfaction_rate", "customer_service_dissatisfaction_rate", "late_response_rate",
     "on_time_delivery_rate"],
)  # fmt: skip
def test_what_is_only_advised_says_so(metric):
    for name in STORES:
        for one in load_policy(name).rules:
            if one.metric == metric:
                assert [stage.stage for stage in one.stages] == ["advice"], one.id


@pytest.mark.parametrize(
    ("name", "day", "stage"),
    [
        ("amazon_uk", date(2025, 9, 16), "advice"),
        ("amazon_uk", date(2025, 10, 15), "advice"),
        ("amazon_uk", date(2025, 10, 16), "at risk"),
        ("amazon_uk", date(2026, 2, 1), "at risk"),
        ("amazon_uk", date(2026, 2, 2), "restricted"),
        ("amazon_us", date(2024, 9, 25), "restricted"),
        ("amazon_us", date(2026, 2, 28), "restricted"),
        *(
            (name, day, stage)
            for name in ("amazon_de", "amazon_fr", "amazon_it", "amazon_es")
            for day, stage in (
                (date(2026, 7, 15), "advice"),
                (date(2026, 8, 31), "advice"),
                (date(2026, 9, 1), "at risk"),
            )
        ),
    ],
)
def test_the_rate_in_units_grew_teeth_day_by_day(name, day, stage):
    [one] = asked(name, day, "unit_on_time_delivery_rate")
    assert [held.stage for held in one.stages] == [stage]
    assert (one.windows, one.lag, one.minimum, one.target.share) == ((14,), 7, 20, Fraction(90, 100))


def test_premium_shipping_counts_premium_orders_alone():
    assert {one.counting["orders"] for one in load_policy("amazon_premium").rules} == {"premium"}
    [cancelled] = asked("amazon_premium", DAY, "cancellation_rate")
    assert str(cancelled.basis) == (
        "ordered_on amazon_cancelled=at_fault orders=premium part_cancelled=at_fault unknown_canceller=at_fault"
    )


@pytest.mark.parametrize(
    ("name", "hours", "at_most"),
    [("walmart_us", 48, 5), ("etsy", 48, 20), ("etsy_star", 24, 5), ("amazon_us", 24, 10)],
)
def test_answers_to_buyers_are_asked_for_within_hours(name, hours, at_most):
    [answers] = asked(name, DAY, "late_response_rate")
    assert (answers.channels, answers.clock, answers.counting) == (("all",), "received_on", {"within_hours": hours})
    assert answers.target == Target(Fraction(at_most, 100), "at most")


def test_premium_shipping_is_stricter_and_was_eased_in_july_2025():
    eve, day = (asked("amazon_premium", as_of, "on_time_delivery_rate") for as_of in (date(2025, 6, 30), DAY))
    assert [one.target for one in eve + day] == [
        Target(Fraction(97, 100), "at least"), Target(Fraction(92, 100), "at least"),
    ]  # fmt: skip
    [cancelled] = asked("amazon_premium", DAY, "cancellation_rate")
    assert cancelled.target == Target(Fraction(5, 1000), "at most")
    [tracked] = asked("amazon_premium", DAY, "valid_tracking_rate")
    # All of 20 parcels must be tracked.
    assert (tracked.target.max_at_fault(20), load_policy("amazon_premium").marketplaces) == (0, ())


def test_ebay_judges_late_shipments_by_share_and_number_over_a_year_for_the_small():
    [late] = asked("ebay", DAY, "late_shipment_rate")
    assert late.target == Target(Fraction(7, 100), "at most", and_at_least=8)
    assert (late.fallback.under, late.fallback.window, late.judged_on) == (400, 365, 20)


def test_etsy_allows_four_bad_reviews_of_under_forty_and_under_a_tenth_of_more():
    # Of 39 reviews 4 may be bad, of 40 only 3 (4 are a tenth), of 41 again 4.
    [reviews] = asked("etsy", DAY, "negative_review_rate")
    assert [reviews.target.max_at_fault(counted) for counted in (39, 40, 41)] == [4, 3, 4]
    assert reviews.judged_on == 1


def test_mercado_libre_looks_at_a_year_of_under_forty_orders():
    rules = load_policy("mercado_libre").rules_in_force(DAY)
    assert {(one.fallback.under, one.fallback.window, one.minimum) for one in rules} == {(40, 365, 10)}


def test_walmart_counts_bad_ratings_from_its_guide_of_october_2025_on():
    metric = "negative_feedback_rate"
    assert asked("walmart_us", date(2025, 10, 21), metric) == []
    [one] = asked("walmart_us", date(2025, 10, 22), metric)
    assert (one.windows, one.target) == ((60,), Target(Fraction(2, 100), "at most"))


# -- every rule, and the page of all ----------------------------------------------------------------------


def test_every_marketplace_has_one_policy():
    owned = [code for name in NAMES for code in load_policy(name).marketplaces]
    assert sorted(owned) == sorted(MARKETPLACES)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_and_every_silence_has_a_day_and_a_source(name):
    held = load_policy(name)
    assert held.rules
    for one in (*held.rules, *held.ended_rules):
        assert isinstance(one.since, date), one.metric
        assert len(one.source.strip()) > 10, one.metric
    assert {one.sure for one in held.rules} <= set(labels.CERTAINTY_LABELS)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_says_on_which_day_its_sources_were_read(name):
    held = yaml.safe_load(find_policy_files()[name].read_text(encoding="utf-8"))
    assert isinstance(held["read"], date)
    assert all(row["since"] <= held["read"] for rows in held["rules"].values() for row in rows)


def test_the_page_of_rules_is_what_the_files_say():
    stale = "docs/rules.md is stale; write it again: python docs/make_rules.py"
    assert PAGE.read_text(encoding="utf-8") == make_rules.rules_page(), stale


def test_the_page_has_every_rule_ever_and_every_row_that_asks_nothing():
    page = make_rules.rules_page()
    held = [load_policy(name) for name in NAMES]
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| Measure", "| ---"))]
    assert len(rows) == sum(len(one.rules) + len(one.ended_rules) for one in held)
    ended = [rule for one in held for rule in one.rules if rule.until < OPEN_END]
    assert ended
    assert all(f"| {rule.since} | {rule.until} |" in page for rule in ended)


def test_the_page_tells_of_fallbacks_and_days_of_judging():
    page = make_rules.rules_page()
    provisos = {make_rules.provisos(rule) for name in NAMES for rule in load_policy(name).rules} - {""}
    assert len(provisos) >= 3
    assert all(words in page for words in provisos)
    assert "of under 400 orders, 365 days are judged; judged on day 20 of the month" in page


def test_the_page_tells_of_points_and_of_what_follows():
    page = make_rules.rules_page()
    assert (
        "from 200 of 1,000 points, off target under 100; 200 points to begin with, 4 more for every 200 orders" in page
    )
    assert "A month off target, from day 31 on: Risk of demotion (less traffic, fewer sales)." in page
    for name in NAMES:
        for one in load_policy(name).rules:
            assert all(make_rules._cell(stage.says.rstrip(".")) in page for stage in one.stages), one.id


def test_no_text_breaks_its_row():
    page = make_rules.rules_page().replace("\\|", "")
    assert {line.count("|") for line in page.splitlines() if line.startswith("| ")} == {len(make_rules.HEADS) + 1}


def test_the_examples_of_the_page_maker_run():
    assert doctest.testmod(make_rules).failed == 0


# -- a marketplace from a file alone ----------------------------------------------------------------------

NEW = """\
policy: amazon_nz
title: Amazon New Zealand
marketplaces: [NZ]
new_marketplace:
  code: NZ
  title: Amazon New Zealand  # not there in truth
  sales_channel: Amazon.co.nz
  marketplace_id: A0NZ0NZ0NZ0NZ0

  zone: Pacific/Auckland
  dates: "%d/%m/%y"
zone: Pacific/Auckland
read: 2026-11-22
rules:
  cancellation_rate:
    - since: 2020-01-01
      windows: [7]
      at_most: 1/2
      source: test
      sure: I
"""
IN_ONE_LINE = (
    "new_marketplace: {code: NZ, title: 'Amazon New Zealand', sales_channel: Amazon.co.nz, "
    'marketplace_id: A0NZ0NZ0NZ0NZ0, zone: Pacific/Auckland, dates: "%d/%m/%y"}  # not there in truth\n'
)
AS_ONE_LINE = NEW[: NEW.index("new_marketplace")] + IN_ONE_LINE + NEW[NEW.index("zone: Pacific/Auckland\nread") :]


def named_new(folder, text: str) -> Path:
    """A folder with a policy that names a new marketplace."""
    (folder / "amazon_nz.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("text", [NEW, AS_ONE_LINE, NEW.replace("\n", "\r\n")])
def test_a_policy_file_may_name_a_new_marketplace_on_one_line_or_several(tmp_path, text):
    new = load_marketplaces(named_new(tmp_path, text))
    assert new["NZ"] == (
        "NZ", "Amazon New Zealand", "Amazon.co.nz", "A0NZ0NZ0NZ0NZ0", "Pacific/Auckland", "%d/%m/%y",
    )  # fmt: skip
    assert {code: row for code, row in new.items() if code != "NZ"} == MARKETPLACES
    held = load_policy(str(tmp_path / "amazon_nz.yaml"))
    assert (held.marketplaces, held.zone) == (("NZ",), new["NZ"].zone)


def test_a_marketplace_that_is_not_amazons_has_neither_sales_channel_nor_id(tmp_path):
    text = "".join(line for line in NEW.splitlines(True) if "sales_channel" not in line and "_id" not in line)
    new = load_marketplaces(named_new(tmp_path, text))["NZ"]
    assert (new.sales_channel, new.marketplace_id, new.is_amazon) == ("-", "-", False)


@pytest.mark.parametrize("said", ["[NZ, 'NO']", '["NZ",\n  NO]', "\n  - NZ  # the first\n  - 'NO'", "  \n- NZ\n- NO"])
def test_a_policy_is_found_by_its_marketplaces_however_they_are_listed(tmp_path, said):
    folder = named_new(tmp_path, NEW.replace("[NZ]", said))
    assert marketplaces_with_policy(folder) == {"NZ", "NO"}
    assert load_policies(["NZ"], folder)["NZ"].name == "amazon_nz"


def test_without_such_a_block_nothing_is_new(tmp_path):
    assert load_marketplaces(tmp_path) == MARKETPLACES
    assert load_marketplaces(named_new(tmp_path, FULL)) == MARKETPLACES


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "what"),
    [
        ("code: NZ", "code: nz", 5, "code", "'nz' will not do"),
        ("code: NZ", "code: US", 5, "code", "US is that of US already"),
        ("  code: NZ\n", "", 4, "code", "it is missing"),
        ("Amazon.co.nz", "amazon.com", 7, "sales_channel", "amazon.com is that of US already"),
        ("  sales_channel: Amazon.co.nz\n", "", 4, "sales_channel", "it is missing"),
        ("A0NZ0NZ0NZ0NZ0", "ATVPDKIKX0DER", 8, "marketplace_id", "ATVPDKIKX0DER is that of US already"),
        ("A0NZ0NZ0NZ0NZ0", "nz", 8, "marketplace_id", "'nz' will not do"),
        ("  zone: Pacific/Auckland\n", "  zone: Pacific/Aukland\n", 10, "zone", "'Pacific/Aukland' will not do"),
        ('"%d/%m/%y"', '"%d/%m"', 11, "dates", "'%d/%m' will not do"),
        ('"%d/%m/%y"', '"%d/%d/%y"', 11, "dates", "'%d/%d/%y' will not do"),
        ("  dates:", "  datums:", 11, "datums", "there is no such field; there are code, title"),
        ("  code: NZ", "  code:", 5, "code", "write a field and its text"),
    ],
)
def test_a_wrong_new_marketplace_is_refused_by_file_line_and_field(tmp_path, old, new, line, field, what):
    assert old in NEW
    with pytest.raises(MarketplaceError) as said:
        load_marketplaces(named_new(tmp_path, NEW.replace(old, new)))
    assert str(said.value).startswith(f"amazon_nz.yaml, line {line}, new_marketplace, field {field}: {what}")


def test_a_new_marketplace_on_one_line_must_be_in_braces(tmp_path):
    with pytest.raises(MarketplaceError, match=r"^amazon_nz\.yaml, line 4, new_marketplace: write \{code: NZ"):
        load_marketplaces(named_new(tmp_path, AS_ONE_LINE.replace('y"}', 'y"')))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("marketplaces: [NZ]", "marketplaces: []", "field code: NZ is not listed in marketplaces"),
        (
            "zone: Pacific/Auckland\nread",
            "zone: UTC\nread",
            "field zone: Pacific/Auckland is not the policy's zone, UTC",
        ),
        ("code: NZ", "code: NO", "field code: write it in quotes"),
    ],
)
def test_a_policy_judges_the_marketplace_that_it_names_in_its_zone(tmp_path, old, new, said):
    text = NEW.replace(old, new)
    assert text != NEW
    with pytest.raises(PolicyError) as error:
        load_policy(written(tmp_path, text))
    assert f"mine.yaml, line 5, new_marketplace, {said}" in str(error.value)


ORDER_FILE = """\
amazon-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel sku quantity
250-0000000-0000001 2026-10-24T10:00:00+00:00 2026-10-30T00:00:00+00:00 Shipped Merchant Amazon.co.nz K1 1
250-0000000-0000002 2026-10-24T11:30:00+00:00 2026-10-30T00:00:00+00:00 Shipped Merchant Amazon.co.nz K1 1
250-0000000-0000003 2026-10-26T10:00:00+00:00 2026-10-30T00:00:00+00:00 Cancelled Merchant Amazon.co.nz K1 1
""".replace(" ", "\t")


def test_one_more_yaml_is_all_that_a_new_marketplace_needs(tmp_path):
    # A copy of the package with one more policy file reads, keeps, scores and names an order of New Zealand.
    shutil.copytree(ROOT / "healthkit", tmp_path / "healthkit", ignore=shutil.ignore_patterns("__pycache__"))
    named_new(tmp_path / "healthkit" / "metrics" / "policies", NEW)
    (tmp_path / "kauri-crafts").mkdir()
    (tmp_path / "kauri-crafts" / "orders.txt").write_text(ORDER_FILE, encoding="utf-8")

    def run(*words: str) -> str:
        ran = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run("-m", "healthkit", "import", "kauri-crafts", "--data", "store")
    [row] = json.loads(run("-m", "healthkit", "scores", "--as-of", "2026-10-31", "--format", "json", "--data", "store"))
    # Seven days to 31 October begin on the 25th; in Auckland the order of 11:30 UTC is of the 25th, that of 10:00 not.
    assert (row["marketplace"], row["rule"]) == ("NZ", "amazon_nz.cancellation_rate@2020-01-01")
    assert (row["counted"], row["at_fault"]) == (2, 1)
    title = (
        "import healthkit as hk; "
        "print(hk.open_report(hk.Workspace('store'), 'kauri-crafts', '2026-10').marketplace_title)"
    )
    assert run("-c", title).strip() == "Amazon New Zealand"


def test_counts_are_kept_for_the_rules_that_there_are(tmp_path, monkeypatch):
    # One more file, or one more row in a file, is counted anew.
    desk = Workspace(tmp_path)
    before = desk.counts_folder
    monkeypatch.setattr(
        "healthkit.workspace.counts_cache.find_policy_files",
        lambda: {**find_policy_files(), "amazon_nz": tmp_path / "amazon_nz.yaml"},
    )
    named_new(tmp_path, NEW)
    after = Workspace(tmp_path).counts_folder
    named_new(tmp_path, NEW.replace("1/2", "1/3"))
    assert len({before, after, Workspace(tmp_path).counts_folder}) == 3
