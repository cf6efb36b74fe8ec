"""The roll-off calendar against history as it came, what-ifs against recounts, goals against exhaustive search."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise

import pandas as pd
import pytest

from healthkit.analysis import goals, rolloff, what_if
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts, count_orders
from tests import plain
from tests.builders.random_ledgers import START, ledger, made_policy, random_ledger, rule
from tests.builders.slow import slow_after

AS_OF = START + timedelta(days=30)
ODR = rule(
    "order_defect_rate", "ordered_on", windows=(7, 20), lag=3, below=Fraction(1, 3), counting={"negative_up_to": 2}
)
LATE = rule("late_shipment_rate", "ship_by_on", windows=(10,), below=Fraction(1, 4), counting={"counts": "confirmed"})
POLICY = made_policy([ODR, LATE])


SHIPPED = ("shipped_at", "shipped_on")


def known_then(rows, evening):
    """The ledger as it was on an evening: nothing that was learnt later."""

    def till(row, *names):
        return row | {name: None for name in names if row.get(name) is not None and row[name] > evening}

    orders = [till(row, "cancelled_on") for row in rows["orders"] if row["ordered_on"] <= evening]
    orders = [
        row | (dict.fromkeys(SHIPPED) if row["shipped_on"] and row["shipped_on"] > evening else {}) for row in orders
    ]
    defects = [till(row, "cleared_on") for row in rows["defects"] if row["known_on"] <= evening]
    feedback = [till(row, "removed_on") for row in rows["feedback"] if row["received_on"] <= evening]
    return rows | {"orders": orders, "defects": defects, "feedback": feedback}


def row_of(table, **named):
    for name, value in named.items():
        table = table[table[name] == value]
    return table.iloc[0]


@cache
def calendars(seed):
    """Every calendar of a random ledger of 40 orders: counted on AS_OF from all that ever came."""
    rows = random_ledger(seed, orders=40)
    counts = count_orders(ledger(rows), POLICY.rules)
    table = scores.score(counts, POLICY, AS_OF)
    return [
        (rows, counts, row, rolloff.roll_off_calendar(counts, POLICY, row, days_ahead=30, new_orders=False))
        for _, row in table[table["counted"] > 0].iterrows()
    ]


@pytest.mark.parametrize("seed", slow_after(2, range(8)))
def test_roll_off_without_new_orders_is_the_history_that_comes_when_nothing_happens(seed):
    """The oracle looks at each day ahead with a ledger in which nothing came after the evening."""
    seen = 0
    for rows, _, row, held in calendars(seed):
        then = known_then(rows, AS_OF)
        options = dict(held.rule.counting)
        for day in held.days.to_dict("records"):
            as_of = day["day"].date()
            judged = plain.judged(held.rule.metric, then, options, held.rule.clock, as_of, False)
            said = plain.counts(judged, row["account"], row["channel"], as_of, held.window, held.rule.lag)
            assert said == (day["counted"], day["at_fault"]), (held.rule.metric, held.window, as_of)
            seen += 1
    assert seen > 200


@pytest.mark.parametrize("seed", range(8))
def test_the_return_day_is_the_first_from_which_no_day_is_off(seed):
    for _, _, _, held in calendars(seed):
        off = [held.rule.target.is_met(n, k) is not True and not held.rule.target.is_met(n, k) and n > 0
               for n, k in zip(held.days["counted"], held.days["at_fault"], strict=True)]  # fmt: skip
        wanted = next((place for place in range(len(off)) if not any(off[place:])), None)
        assert held.back_on == (None if wanted is None else held.days["day"].iloc[wanted].date())


@pytest.mark.parametrize("seed", slow_after(1, range(4)))
def test_nothing_learnt_later_changes_a_calendar(seed):
    for rows, _, row, held in calendars(seed):
        then = count_orders(ledger(known_then(rows, AS_OF)), POLICY.rules)
        again = rolloff.roll_off_calendar(then, POLICY, row, days_ahead=30, new_orders=False)
        both = held.days.merge(again.days, on="day", suffixes=("", "_then"))
        assert (both["counted"] == both["counted_then"]).all()
        assert (both["at_fault"] == both["at_fault_then"]).all()
        assert (held.back_on, set(held.orders["order_id"])) == (again.back_on, set(again.orders["order_id"]))


def test_the_orders_of_a_calendar_enter_and_leave_on_the_days_that_are_told():
    for seed in range(6):
        for _, _, _, held in calendars(seed):
            for day in held.days.to_dict("records"):
                there = held.orders[(held.orders["enters_on"] <= day["day"]) & (held.orders["leaves_on"] > day["day"])]
                assert there["at_fault"].sum() == day["at_fault"]


def test_new_orders_come_at_the_pace_of_their_weekday_and_thin_a_rate():
    """Ten orders each Monday and none on other days; ten weeks on, one bad order of the last Monday."""
    counts = steady({0: 10})
    row = row_of(scores.score(counts, STEADY, MONDAY), window=28)
    held = rolloff.roll_off_calendar(counts, STEADY, row, days_ahead=28)
    assert row["counted"] == 40
    assert set(held.days["counted"]) <= {30, 31, 39, 40, 41, 42}
    assert not rolloff.roll_off_calendar(counts, STEADY, row, days_ahead=28, new_orders=False).days["counted"].iloc[-1]


MONDAY = date(2026, 6, 1)
STEADY = made_policy([rule("refund_rate", "ordered_on", windows=(28,), below=Fraction(5, 100))])


def steady(by_weekday, bad=(), weeks=12):
    """So many orders on each weekday up to MONDAY; `bad` are day numbers back from MONDAY with one refund each."""
    days = pd.date_range(end=pd.Timestamp(MONDAY), periods=7 * weeks).astype("datetime64[s]")
    days = days[[day.weekday() in by_weekday for day in days]]
    named = {"account": "a", "marketplace": "US", "channel": "seller", "metric": "refund_rate", "basis": "ordered_on"}
    made = pd.DataFrame({**named, "clock_day": days, "known_on": days, "until_day": pd.NaT,
                         "counted": [by_weekday[day.weekday()] for day in days], "assumed": None})  # fmt: skip
    placed = pd.to_datetime([MONDAY - timedelta(back) for back in bad]).astype("datetime64[s]")
    faults = pd.DataFrame({
        **named, "order_id": [f"o{n}" for n in range(len(bad))], "causes": "refund", "clock_day": placed,
        "since": placed, "known_on": placed, "cleared_on": pd.NaT, "at_fault": 1, "assumed": None,
    })  # fmt: skip
    coverage = pd.DataFrame({"account": ["a"], "marketplace": ["US"], "begins_on": [days[0]], "ends_on": [days[-1]],
                             "heard_on": [days[-1]], "orders": [1], "evidence": ["refunds"],
                             "reach": "{}", "order_gap": 0, "gaps": "[]"})  # fmt: skip
    kinds = dict.fromkeys(("account", "marketplace", "channel", "metric", "basis"), "category")
    return Counts(made.astype(kinds), faults.astype(kinds), coverage)


# -- what if ------------------------------------------------------------------------------------------------


def test_fewer_of_a_cause_saves_an_order_only_when_it_has_no_other():
    tried = 0
    for seed in range(4):
        for _, row, held, counts in every(seed):
            cause = held.orders["causes"].iloc[0].split("+")[0]
            having = held.orders[[cause in causes.split("+") for causes in held.orders["causes"]]]
            for by in (0, 25, 50, 100):
                steps = what_if.parse_scenario([{"fewer": {"cause": cause, "by": f"{by}%"}}])
                again = what_if.run_scenario(counts, POLICY, row, steps, days_ahead=30, new_orders=False)
                gone = what_if.pick_saved_orders(held.orders, cause, Fraction(by, 100))
                assert len(gone) == len(having) * by // 100
                alone = set(held.orders.loc[held.orders["causes"] == cause, "order_id"])
                assert set(again.orders_saved["order_id"]) == set(gone) & alone
                assert again.after["counted"] == row["counted"]
                now = set(held.orders.loc[held.orders["enters_on"] <= pd.Timestamp(AS_OF), "order_id"])
                assert row["at_fault"] - again.after["at_fault"] == len(set(gone) & alone & now)
                assert again.after["case"] == "what if"
                tried += 1
    assert tried > 20


def every(seed):
    """Each calendar with orders at fault, and the counts it came from."""
    for _, counts, row, held in calendars(seed):
        if len(held.orders):
            yield None, row, held, counts


def test_a_larger_share_takes_the_same_orders_and_more():
    for seed in range(6):
        for _, _, held, _ in every(seed):
            cause = held.orders["causes"].iloc[0].split("+")[0]
            taken = [set(what_if.pick_saved_orders(held.orders, cause, Fraction(by, 20))) for by in range(21)]
            assert all(few <= more for few, more in pairwise(taken))


def test_every_position_of_the_sliders_is_the_scenario_played():
    tried = 0
    for seed in range(2):
        for _, row, held, counts in every(seed):
            causes = what_if.slider_causes(held)
            if not causes:
                continue
            positions = what_if.score_sliders(held, causes)
            assert len(positions) == (100 // what_if.SLIDER_STEPS[len(causes)] + 1) ** len(causes)
            for place in range(0, len(positions), max(1, len(positions) // 6)):
                told = positions.iloc[place]
                steps = [
                    what_if.ScenarioStep("fewer", n, cause, Fraction(int(told[cause]), 100))
                    for n, cause in enumerate(causes)
                ]
                made = what_if.run_scenario(counts, POLICY, row, steps, days_ahead=30, new_orders=False).calendar_after
                assert (made.days["counted"].iloc[0], made.days["at_fault"].iloc[0]) == (
                    told["counted"],
                    told["at_fault"],
                )
                assert made.days["status"].iloc[0] == told["status"]
                assert made.back_on == (None if pd.isna(told["back_on"]) else told["back_on"].date())
                tried += 1
    assert tried > 20


def test_an_order_that_is_won_leaves_and_the_other_orders_stay():
    for seed in range(6):
        for _, row, held, counts in every(seed):
            one = held.orders["order_id"].iloc[0]
            steps = what_if.parse_scenario([{"cleared": {"orders": [one]}}])
            again = what_if.run_scenario(counts, POLICY, row, steps, days_ahead=30, new_orders=False)
            assert set(again.orders_saved["order_id"]) == {one}
            assert set(again.calendar_after.orders["order_id"]) == set(held.orders["order_id"]) - {one}


def won_on(rows, order, day):
    """The ledger in which every claim and rating of an order is gone from a day on."""
    ends = {"defects": "cleared_on", "feedback": "removed_on"}
    changed = {
        name: [row | ({field: day} if row["order_id"] == order and row[field] is None else {}) for row in rows[name]]
        for name, field in ends.items()
    }
    return rows | changed


@pytest.mark.parametrize("ahead", [1, 4, 12])
def test_an_order_won_on_a_day_ahead_is_at_fault_until_the_day_before(ahead):
    """The oracle looks at each day ahead with a ledger in which the claims of the order end on this day."""
    day, seen = AS_OF + timedelta(days=ahead), 0
    for seed in range(3):
        for rows, counts, row, held in calendars(seed):
            if held.rule.metric != "order_defect_rate":
                continue
            for order in held.orders["order_id"].iloc[::3]:
                steps = what_if.parse_scenario([{"cleared": {"orders": [order], "since": day}}])
                again = what_if.run_scenario(counts, POLICY, row, steps, days_ahead=30, new_orders=False)
                then = won_on(known_then(rows, AS_OF), order, day)
                for one in again.calendar_after.days.to_dict("records"):
                    as_of = one["day"].date()
                    judged = plain.judged(
                        held.rule.metric, then, dict(held.rule.counting), held.rule.clock, as_of, False
                    )
                    said = plain.counts(judged, row["account"], row["channel"], as_of, held.window, held.rule.lag)
                    assert said == (one["counted"], one["at_fault"])
                assert again.after["at_fault"] == row["at_fault"], "today it is at fault still"
                stays = held.orders.set_index("order_id").loc[order, "leaves_on"] > pd.Timestamp(day)
                assert again.orders_saved["order_id"].tolist() == [order] * bool(stays)
                seen += bool(stays)
    assert seen > 2


def test_one_cause_won_after_the_other_leaves_the_order_at_fault_between():
    counts = steady(dict.fromkeys(range(7), 4), bad=(1, 2, 3))
    counts = replace(counts, faults=counts.faults.assign(causes=["refund+chargeback", "refund", "chargeback"]))
    row = row_of(scores.score(counts, STEADY, MONDAY), window=28)
    first, second = MONDAY + timedelta(4), MONDAY + timedelta(9)

    def at_fault(*steps):
        parsed = what_if.parse_scenario([{"cleared": step} for step in steps])
        days = what_if.run_scenario(counts, STEADY, row, parsed, new_orders=False).calendar_after.days
        return days["at_fault"].iloc[:12].tolist()

    refund = {"orders": ["o0", "o1"], "cause": "refund", "since": first}
    chargeback = {"orders": ["o0"], "cause": "chargeback", "since": second}
    assert row["at_fault"] == 3
    assert at_fault(refund) == [3] * 4 + [2] * 8
    assert at_fault(chargeback) == [3] * 12, "it is at fault for the refund"
    # o1 is won on the fourth day, o0 on the ninth; o2 stays.
    assert at_fault(refund, chargeback) == at_fault(chargeback, refund) == [3] * 4 + [2] * 5 + [1] * 3
    again = what_if.run_scenario(
        counts, STEADY, row, what_if.parse_scenario([{"cleared": refund}]), new_orders=False
    ).calendar_after
    assert again.orders.set_index("order_id")["at_fault"].to_dict() == {"o0": 1, "o1": 1, "o2": 1}


def test_a_target_of_some_days_judges_these_and_the_rule_the_others():
    tried = set()
    for seed in range(3):
        for _, counts, row, held in calendars(seed):
            since, until = AS_OF + timedelta(3), AS_OF + timedelta(11)
            steps = [
                {"target": {"share": "5%", "since": since, "until": until}},
                {"target": {"share": 1, "since": until}},
            ]
            again = what_if.run_scenario(
                counts, POLICY, row, what_if.parse_scenario(steps), days_ahead=30, new_orders=False
            )
            off = []
            for one in again.calendar_after.days.to_dict("records"):
                day, n, k = one["day"].date(), one["counted"], one["at_fault"]
                share = Fraction(1) if day >= until else Fraction(5, 100) if day >= since else held.rule.target.share
                bad = n > 0 and (held.rule.minimum or 0) <= n and not Fraction(k, n) < share
                assert (one["status"] == "off target") == bad, (day, n, k)
                off.append(bad)
                tried.add((share, bad))
            back = next((place for place in range(len(off)) if not any(off[place:])), None)
            expected = None if back is None else AS_OF + timedelta(back)
            assert again.calendar_after.back_on == expected
            assert (again.after["status"], again.after["target"]) == (row["status"], row["target"])
    assert len(tried) > 3


def test_unknown_orders_are_known_from_their_day_on():
    counts = steady({0: 4}, bad=(1,))
    late = counts.exposure.assign(until_day=pd.Timestamp(MONDAY))
    counts = replace(counts, unknown=late)
    before = rolloff.counts_known_on(counts, MONDAY - timedelta(7))
    assert before.unknown["known_on"].max() == pd.Timestamp(MONDAY - timedelta(7))
    assert before.unknown["until_day"].isna().all()
    assert (rolloff.counts_known_on(counts, MONDAY).unknown["until_day"] == pd.Timestamp(MONDAY)).all()


def test_a_stricter_target_and_another_window_are_scored_by_the_same_sweep():
    for seed in range(4):
        for _, row, _, counts in every(seed):
            steps = what_if.parse_scenario([{"target": "10%"}, {"window": 14}, {"lag": 1}])
            again = what_if.run_scenario(counts, POLICY, row, steps, days_ahead=30, new_orders=False)
            known = rolloff.counts_known_on(counts, AS_OF)
            plainly = row_of(
                scores.score(known, POLICY, AS_OF, window=14, lag=1),
                account=row["account"], metric=row["metric"], channel=row["channel"],
            )  # fmt: skip
            assert (again.after["counted"], again.after["at_fault"]) == (plainly["counted"], plainly["at_fault"])
            assert again.after["target"] == 0.1


def test_more_volume_thins_the_rate_ahead_and_not_today():
    counts = steady(dict.fromkeys(range(7), 4), bad=(1, 2, 3, 4, 5, 6, 8))
    row = row_of(scores.score(counts, STEADY, MONDAY), window=28)
    assert (row["counted"], row["at_fault"], row["status"]) == (112, 7, "off target")
    plainly = what_if.run_scenario(counts, STEADY, row, what_if.parse_scenario([{"volume": {"by": "0%"}}]))
    more = what_if.run_scenario(counts, STEADY, row, what_if.parse_scenario([{"volume": {"by": "+100%"}}]))
    assert more.after["counted"] == 112
    assert more.calendar_after.back_on < plainly.calendar_after.back_on
    assert more.calendar_after.days["counted"].iloc[14] == pytest.approx(112 + 14 * 4, abs=4)


BAD = [
    ([], "list of steps"),
    ([{"magic": 1}], "no such step. There are: fewer"),
    ([{"fewer": {"cause": "refund", "by": "140%"}}], "140% fewer cannot be"),
    ([{"fewer": {"cause": "refund"}}], "lacks by"),
    ([{"fewer": {"cause": "refund", "by": "much"}}], "no percentage"),
    ([{"fewer": {"cause": "chargeback", "by": "10%"}}], "There are: refund"),
    ([{"fewer": {"cause": "refund", "by": "10%", "since": "yesterday"}}], "not a day"),
    ([{"fewer": {"cause": "refund", "by": "10%", "since": "1990-01-01"}}], "long before"),
    ([{"cleared": {"orders": ["o0", "nobody"]}}], "'nobody'. At fault are 7"),
    ([{"cleared": {"orders": ["o0"], "cause": "chargeback"}}], "none of the orders"),
    ([{"volume": {"by": "-140%"}}], "cannot be"),
    ([{"volume": {"by": "10%", "since": "2020-01-01"}}], "is past"),
    ([{"target": "140%"}], "no share"),
    ([{"target": {"since": "2026-11-01"}}], "it holds share, since, until"),
    ([{"target": {"share": "2%", "since": "2026-11-02", "until": "2026-11-01"}}], "until .* is before since"),
    ([{"window": 0}], "no number of days"),
    ([{"window": {"days": 30, "since": "2026-11-01"}}], "every day, so it takes no since and no until"),
    ([{"lag": {"days": 1, "until": "2026-11-01"}}], "every day, so it takes no since and no until"),
    ([{"stop_selling": {"sku": "X"}}], "AccountView.what_if"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "why"), BAD)
def test_a_scenario_that_cannot_be_is_refused_with_what_there_is_instead(steps, why):
    counts = steady(dict.fromkeys(range(7), 4), bad=(1, 2, 3, 4, 5, 6, 8))
    row = row_of(scores.score(counts, STEADY, MONDAY), window=28)
    with pytest.raises(what_if.ScenarioError, match=why):
        what_if.run_scenario(counts, STEADY, row, what_if.parse_scenario(steps))


# -- goals --------------------------------------------------------------------------------------------------


def smallest(held, by, causes_of):
    """By trying every set of orders at fault that day: the fewest that must go so that the target is met."""
    day = row_of(held.days, day=pd.Timestamp(by))
    there = held.orders[(held.orders["enters_on"] <= pd.Timestamp(by)) & (held.orders["leaves_on"] > pd.Timestamp(by))]
    for many in range(len(there) + 1):
        for chosen in combinations(range(len(there)), many):
            left = day["at_fault"] - there["at_fault"].iloc[list(chosen)].sum()
            if day["counted"] == 0 or held.rule.target.is_met(day["counted"], left):
                return many
    return None


@pytest.mark.parametrize("seed", slow_after(2, range(10)))
def test_every_goal_is_the_smallest_that_is_enough(seed):
    tried = 0
    for _, row, held, counts in every(seed):
        for back in (0, 4, 9):
            by = AS_OF + timedelta(back)
            day = row_of(held.days, day=pd.Timestamp(by))
            if len(held.orders) > 9:
                continue
            made = {(one.kind, one.cause): one for one in goals.goals(held, by)}
            assert made["orders", ""].many == smallest(held, by, None)
            by_cause(counts, row, held, by, made)
            more = made["volume", ""].many
            if more:
                met = held.rule.target.is_met
                assert met(day["counted"] + more, day["at_fault"])
                assert not met(day["counted"] + more - 1, day["at_fault"])
            tried += 1
    assert tried


def by_cause(counts, row, held, by, made):
    """Every whole number of orders of a cause, played as a scenario: the first that is enough is the goal."""
    for (kind, cause), goal in made.items():
        if kind != "cause":
            continue
        having = sum(cause in causes.split("+") for causes in held.orders["causes"])
        found = None
        for many in range(having + 1):
            step = what_if.ScenarioStep("fewer", 1, cause, Fraction(many, having))
            day = row_of(what_if.run_scenario(counts, POLICY, row, [step], days_ahead=30,
                new_orders=False).calendar_after.days,
                         day=pd.Timestamp(by))  # fmt: skip
            if day["status"] != "off target":
                found = many
                break
        assert goal.many == found, (cause, by)


def test_clean_orders_cannot_come_in_time_where_the_window_has_closed():
    """The window of the order defect rate ends three days before: what is ordered tomorrow counts in four days."""
    for seed in range(20):
        for _, row, held, _ in every(seed):
            if row["metric"] == "order_defect_rate" and row["status"] == "off target":
                goal = next(one for one in goals.goals(held, AS_OF + timedelta(3)) if one.kind == "volume")
                day = row_of(held.days, day=pd.Timestamp(AS_OF + timedelta(3)))
                assert goal.many in (None, 0)
                assert (goal.many == 0) == (day["status"] != "off target")
                return
    pytest.fail("no ledger was off target")


def test_a_day_outside_the_calendar_is_refused():
    for _, _, held, _ in every(0):
        with pytest.raises(what_if.ScenarioError, match="it reaches from"):
            goals.goals(held, AS_OF - timedelta(1))


def test_headroom_is_told_for_each_day_on_which_it_changes():
    counts = steady(dict.fromkeys(range(7), 4), bad=(20, 27))
    row = row_of(scores.score(counts, STEADY, MONDAY), window=28)
    rooms = rolloff.headroom_changes(rolloff.roll_off_calendar(counts, STEADY, row, days_ahead=20))
    assert rooms[0] == (MONDAY, 3)
    assert rooms[1] == (MONDAY + timedelta(1), 4)
    assert rooms[2][0] == MONDAY + timedelta(8)
