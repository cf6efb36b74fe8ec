"""Did an event help: planted changes are found, chance is not, and what is not known yet is not claimed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from math import comb

import numpy as np
import pandas as pd
import pytest

from healthkit.analysis import event_effects
from healthkit.analysis.event_effects import LEVEL, correct_chances, find_effects, mid_p, smallest_mid_p
from healthkit.report.text.events import VERDICT_LABELS, effect_sentence, event_lines
from healthkit.schema.events_file import make_event
from tests.builders.event_accounts import AS_OF, NOW, account_view, drawn_orders, measure_orders

LATE, DEFECTS = "late_shipment_rate", "order_defect_rate"


def event(days_ago, note="new carrier"):
    return make_event("acme", AS_OF - timedelta(days=days_ago), note)


def step(days_ago, before, after):
    return lambda day: after if day >= NOW - days_ago else before


def steady(rate):
    return lambda day: rate


# -- the planted change -----------------------------------------------------------------------------------------


def count_by_hand(drawn, age, first, last):
    """Orders of some clock days, and how many had a fault `age` days later, one by one."""
    days, orders, clock, known = drawn
    begin, end = (NOW - (AS_OF - day).days for day in (first, last))
    counted = sum(int(n) for day, n in zip(days, orders, strict=True) if begin <= day <= end)
    at_fault = sum(1 for day, seen in zip(clock, known, strict=True) if begin <= day <= end and seen - day <= age)
    return counted, at_fault


@pytest.fixture(scope="module")
def planted():
    """An account whose late shipments fall from 6 to 2 % with a new carrier, and whose defects stay the same."""
    rng = np.random.default_rng(11)
    drawn = {
        LATE: drawn_orders(rng, 45, step(45, 0.06, 0.02), 2),
        DEFECTS: drawn_orders(rng, 45, steady(0.012), 20),
    }
    return drawn, account_view(drawn, [event(45)])


def test_a_planted_fall_helped_and_its_figures_are_counted_by_hand(planted):
    drawn, view = planted
    effects = view.event_effects(AS_OF)
    assert effects[["metric", "verdict"]].to_dict("records") == [
        {"metric": DEFECTS, "verdict": "too early"}, {"metric": LATE, "verdict": "helped"}
    ]  # fmt: skip
    for row in effects.to_dict("records"):
        window = max(row["window"], 28)
        day = row["day"].date()
        assert row["after_first_day"].date() == day
        assert row["before_first_day"].date() == day - timedelta(days=window)
        assert row["before_last_day"].date() == day - timedelta(days=1)
        end = min(day + timedelta(days=window - 1), AS_OF - timedelta(days=row["known_within"]))
        assert row["after_last_day"].date() == end
        for side in ("before", "after"):
            days = row[f"{side}_first_day"].date(), row[f"{side}_last_day"].date()
            by_hand = count_by_hand(drawn[row["metric"]], row["known_within"], *days)
            assert (row[f"{side}_counted"], row[f"{side}_at_fault"]) == by_hand
    late = effects[effects["metric"] == LATE].iloc[0]
    rate = late["after_at_fault"] / late["after_counted"]
    assert late["low"] < rate < late["high"]
    assert late["corrected_chance"] < 0.001


def test_the_sentence_says_both_rates_the_interval_the_chance_and_the_verdict(planted):
    _, view = planted
    late = next(row for row in view.event_effects("2026-10-31").to_dict("records") if row["metric"] == LATE)
    rates = [late[f"{side}_at_fault"] / late[f"{side}_counted"] for side in ("before", "after")]
    assert effect_sentence(late, "ship_by_on", "late shipments", 2026) == (
        f"Since 16 September (new carrier): late shipments {rates[0]:.1%} before, {rates[1]:.1%} after "
        f"(interval {late['low'] * 100:.1f} to {late['high'] * 100:.1f}%), {late['known_within']} days after the "
        "ship-by day; a difference like this comes by chance in fewer than 1 of 1,000 cases (2 comparisons allowed "
        "for): helped."
    )


def test_a_planted_rise_got_worse():
    drawn = drawn_orders(np.random.default_rng(2), 45, step(45, 0.02, 0.06), 2)
    assert account_view({LATE: drawn}, [event(45)]).event_effects(AS_OF)["verdict"].tolist() == ["got worse"]


def test_many_unchanged_orders_show_no_difference():
    drawn = drawn_orders(np.random.default_rng(3), 60, steady(0.05), 2)
    [row] = account_view({LATE: drawn}, [event(45)]).event_effects(AS_OF).to_dict("records")
    assert row["verdict"] == "no difference"
    assert row["corrected_chance"] > LEVEL


def test_few_orders_are_too_few_once_the_window_is_full_and_too_early_before():
    drawn = drawn_orders(np.random.default_rng(3), 2, steady(0.05), 2)
    view = account_view({LATE: drawn}, [event(60), event(20, "handling time")])
    verdicts = view.event_effects(AS_OF).set_index("notes")["verdict"]
    assert verdicts.to_dict() == {"handling time": "too early", "new carrier": "too few"}


def test_an_event_of_this_week_is_too_early_whatever_its_orders_show():
    drawn = drawn_orders(np.random.default_rng(3), 60, step(4, 0.3, 0.0), 0)
    [row] = account_view({LATE: drawn}, [event(4)]).event_effects(AS_OF).to_dict("records")
    assert row["verdict"] == "too early"
    assert pd.isna(row["chance"])


def test_the_orders_after_end_at_the_next_event_and_those_before_begin_at_the_one_before():
    drawn = drawn_orders(np.random.default_rng(5), 60, steady(0.05), 2)
    events = [event(50, "b"), event(60, "a"), event(40, "c"), event(50, "again"), event(-3, "to come")]
    effects = account_view({LATE: drawn}, events).event_effects(AS_OF).set_index("notes")
    assert list(effects.index) == ["c", "b; again", "a"] or list(effects.index) == ["c", "again; b", "a"]
    middle = effects.iloc[1]
    assert middle["before_first_day"].date() == AS_OF - timedelta(days=60)
    assert middle["after_last_day"].date() == AS_OF - timedelta(days=41)


def test_no_event_gives_an_empty_table_with_its_columns(planted):
    _, view = planted
    empty = replace(view, read_events=tuple).event_effects(AS_OF)
    assert empty.empty
    assert list(empty) == list(view.event_effects(AS_OF))


def test_an_event_elsewhere_is_none_of_this_account(planted):
    drawn, _ = planted
    day = AS_OF - timedelta(days=45)
    others = [make_event("acme", day, "x", "DE"), make_event("other", day, "y")]
    assert account_view(drawn, others).event_effects(AS_OF).empty


# -- defects that are learnt late -------------------------------------------------------------------------------


def test_defects_learnt_late_make_no_event_look_good():
    """Counted as known today, the newest orders look better in nearly every account; judged at one age, they do not."""
    rng, fooled, helped, all_rates = np.random.default_rng(4), 0, 0, []
    for _ in range(40):
        days, orders, clock, known = drawn_orders(rng, 60, steady(0.04), 25)
        [effect] = find_effects([measure_orders(days, orders, clock, known, 60)], [event(40)], AS_OF)
        helped += effect.verdict == "helped"
        all_rates.append([side.at_fault / side.counted for side in (effect.before, effect.after)])
        split, seen = NOW - 40, known <= NOW
        naive = []
        for of_days in ((days >= split - 60) & (days < split), days >= split):
            first, last = days[of_days].min(), days[of_days].max()
            naive += [int(orders[of_days].sum()), int(((clock >= first) & (clock <= last) & seen).sum())]
        fooled += mid_p(*naive) <= LEVEL and naive[3] * naive[0] < naive[1] * naive[2]
    assert fooled >= 36
    assert helped <= 5
    before, after = np.mean(all_rates, axis=0)
    assert after == pytest.approx(before, rel=0.1)


def test_no_rate_is_compared_before_half_of_the_faults_are_known():
    drawn = drawn_orders(np.random.default_rng(4), 60, step(12, 0.04, 0.0), 30)
    [effect] = find_effects([measure_orders(*drawn, 60)], [event(12)], AS_OF)
    assert effect.verdict == "too early"
    assert effect.share_known >= 0.5
    assert effect.after.counted == 0


# -- chance -----------------------------------------------------------------------------------------------------


def claims(rng, accounts, bad_weeks=0.0, measures=3, days_ago=(40, 80)):
    """How many unchanged accounts have any event that is said to have helped or to have made things worse."""
    found = 0
    for _ in range(accounts):
        drawn = [
            measure_orders(*drawn_orders(rng, per_day, steady(rate), delay, bad_weeks))
            for per_day, rate, delay in ((40, 0.05, 2), (15, 0.03, 6), (40, 0.02, 12))[:measures]
        ]
        effects = find_effects(drawn, [event(ago, str(ago)) for ago in days_ago], AS_OF)
        found += any(one.verdict in ("helped", "got worse") for one in effects)
    return found


def test_in_twenty_unchanged_accounts_no_more_is_claimed_than_the_level_says():
    """3 measures and 2 events each: 6 comparisons. At a level of 5 %, 4 or more of 20 come in 1 of 60 trials."""
    assert claims(np.random.default_rng(8), 20) <= 3


@pytest.mark.slow
@pytest.mark.parametrize(("bad_weeks", "most"), [(0.0, 0.05), (0.1, 0.10)])
def test_in_many_unchanged_accounts_the_level_is_held(bad_weeks, most):
    """Within the error of the simulation; bad weeks are allowed for as far as half a year of them shows."""
    accounts = 300
    share = claims(np.random.default_rng(9), accounts, bad_weeks) / accounts
    assert share <= most + 2 * (most * (1 - most) / accounts) ** 0.5


def mid_p_by_hand(n0, k0, n1, k1):
    """Every table with the same margins, in whole numbers."""
    total = k0 + k1
    tables = {after: comb(n1, after) * comb(n0, total - after) for after in range(total + 1) if after <= n1}
    if sum(many > 0 for many in tables.values()) == 1:
        return 1.0  # Nothing else could have come.
    found, every = tables[k1], sum(tables.values())
    less, same = (sum(many for many in tables.values() if test(many)) for test in (
        lambda many: many < found, lambda many: many == found
    ))  # fmt: skip
    return float(Fraction(less, every) + Fraction(same, 2 * every))


def test_the_chance_is_that_of_all_tables_counted_one_by_one():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n0, n1 = (int(n) for n in rng.integers(1, 60, 2))
        k0, k1 = int(rng.integers(0, n0 + 1)), int(rng.integers(0, n1 + 1))
        assert mid_p(n0, k0, n1, k1) == pytest.approx(mid_p_by_hand(n0, k0, n1, k1), rel=1e-9)
        every = [
            mid_p_by_hand(n0, k0 + k1 - after, n1, after) for after in range(max(0, k0 + k1 - n0), min(n1, k0 + k1) + 1)
        ]
        assert smallest_mid_p(n0, k0, n1, k1) == pytest.approx(min(every), rel=1e-9)


def test_large_accounts_are_compared_as_well():
    assert mid_p(900_000, 9_000, 1_100_000, 11_000) == pytest.approx(1, abs=0.01)
    assert mid_p(900_000, 9_000, 1_100_000, 10_000) < 1e-9


def test_comparisons_that_can_show_nothing_do_not_weaken_the_others():
    hopeless = [0.4] * 20
    assert correct_chances([0.01, *hopeless], [0.001, *hopeless])[0][0] == pytest.approx(0.01)
    assert correct_chances([], []) == ([], 0)


def test_faults_in_bad_weeks_weigh_less():
    rng, even, uneven = np.random.default_rng(6), [], []
    for bad_weeks, sizes in ((0.0, even), (0.4, uneven)):
        for _ in range(12):
            drawn = drawn_orders(rng, 40, steady(0.05), 2, bad_weeks)
            [effect] = find_effects([measure_orders(*drawn)], [event(45)], AS_OF)
            sizes.append(effect.deflated[2])
    assert np.mean(uneven) < np.mean(even) / 2


# -- the lines beside a chart -----------------------------------------------------------------------------------


def test_each_event_of_a_chart_has_a_line_with_the_number_of_its_mark(planted):
    _, view = planted
    rows = [row for row in view.event_effects(AS_OF).to_dict("records") if row["metric"] == LATE]
    events = [event(100, "a" * 90), *view.events]
    lines = ["".join(map(str, line)) for line in event_lines(events, rows, "ship_by_on", 2026, 3)]
    assert lines[0] == f"1: since 23 July ({'a' * 59}…)."
    assert lines[1].startswith("2: since 16 September (new carrier): ")
    assert lines[1].endswith(": helped.")
    alone = "".join(map(str, event_lines(view.events, [], "ship_by_on", 2026, 3)[0]))
    assert alone == "Since 16 September (new carrier)."


def test_a_day_that_is_none_is_refused(planted):
    _, view = planted
    with pytest.raises(ValueError, match="no day"):
        view.event_effects("3/9/2026")


def test_every_verdict_has_its_words():
    assert set(VERDICT_LABELS) == set(event_effects.VERDICTS)
