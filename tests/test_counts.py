"""EXPOSURE and FAULTS: stays at fault that touch, overlap or stand apart, weights of units, and choosing accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pandas as pd
import pytest

from healthkit import store
from healthkit.metrics import policy
from healthkit.metrics.counts import Counts, count_orders
from healthkit.metrics.definitions import METRICS
from healthkit.schema import tables
from tests.builders.written_ledgers import ledger, rows

ORDERS = """
order_id | ordered_on
A        | 2026-01-10
B        | 2026-01-10
"""


def rule(metric: str, clock: str = "ordered_on", **counting) -> policy.Rule:
    return policy.Rule(
        policy="p", metric=metric, since=date(2020, 1, 1), channels=("seller", "amazon"), clock=clock, windows=(7,),
        counting=counting, below=Fraction(1, 100), source="test", sure="I",
    )  # fmt: skip


def counted(*rules: policy.Rule, **texts: str) -> Counts:
    return count_orders(ledger(rows({"orders": ORDERS, **texts})), rules)


def days(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    """Rows as tuples, days written as texts."""
    held = frame.loc[:, list(columns)]
    cells = {name: held[name].dt.strftime("%m-%d") if held[name].dtype.kind == "M" else held[name] for name in held}
    shown = pd.DataFrame(cells).astype(object)
    return list(shown.where(shown.notna(), None).itertuples(index=False, name=None))


def stays(defects: str, feedback: str = "") -> list[tuple]:
    """(order, causes, known on, cleared on) of the order defect rate, for lines of defects and of feedback."""
    heads = {"defects": "order_id|kind|known_on|cleared_on\n", "feedback": "order_id|rating|received_on|removed_on\n"}
    texts = {"defects": defects, "feedback": feedback}
    held = {name: heads[name] + "\n".join(text.split(", ")) for name, text in texts.items() if text}
    return days(counted(rule("order_defect_rate"), **held).faults, "order_id", "causes", "known_on", "cleared_on")


CLAIM_1_TO_10 = "A|a_to_z_claim|2026-02-01|2026-02-10"


def test_one_defect_is_one_stay():
    assert stays(CLAIM_1_TO_10) == [("A", "a_to_z_claim", "02-01", "02-10")]


def test_stays_that_overlap_are_one_cut_where_the_causes_change():
    assert stays(f"{CLAIM_1_TO_10}, A|chargeback|2026-02-05|2026-02-15") == [
        ("A", "a_to_z_claim", "02-01", "02-05"),
        ("A", "a_to_z_claim+chargeback", "02-05", "02-10"),
        ("A", "chargeback", "02-10", "02-15"),
    ]


def test_every_part_of_a_joined_stay_tells_since_when_the_order_is_at_fault():
    defects = """
    order_id | kind         | known_on   | cleared_on
    A        | a_to_z_claim | 2026-02-01 | 2026-02-10
    A        | chargeback   | 2026-02-05 | 2026-02-15
    A        | chargeback   | 2026-03-01 |
    """
    held = counted(rule("order_defect_rate"), defects=defects).faults
    assert days(held, "since", "known_on") == [
        ("02-01", "02-01"), ("02-01", "02-05"), ("02-01", "02-10"), ("03-01", "03-01"),
    ]  # fmt: skip


def test_stays_that_touch_are_one():
    assert stays(f"{CLAIM_1_TO_10}, A|chargeback|2026-02-10|2026-02-15") == [
        ("A", "a_to_z_claim", "02-01", "02-10"),
        ("A", "chargeback", "02-10", "02-15"),
    ]


def test_stays_with_a_day_between_are_two():
    assert stays(f"{CLAIM_1_TO_10}, A|chargeback|2026-02-11|2026-02-15") == [
        ("A", "a_to_z_claim", "02-01", "02-10"),
        ("A", "chargeback", "02-11", "02-15"),
    ]


def test_a_stay_inside_another_does_not_shorten_it():
    assert stays("A|a_to_z_claim|2026-02-01|2026-02-20, A|chargeback|2026-02-05|2026-02-08") == [
        ("A", "a_to_z_claim", "02-01", "02-05"),
        ("A", "a_to_z_claim+chargeback", "02-05", "02-08"),
        ("A", "a_to_z_claim", "02-08", "02-20"),
    ]


def test_a_stay_that_never_ends_takes_in_all_that_follow():
    assert stays("A|a_to_z_claim|2026-02-01|, A|chargeback|2026-02-05|2026-02-08, A|chargeback|2026-03-01|") == [
        ("A", "a_to_z_claim", "02-01", "02-05"),
        ("A", "a_to_z_claim+chargeback", "02-05", "02-08"),
        ("A", "a_to_z_claim", "02-08", "03-01"),
        ("A", "a_to_z_claim+chargeback", "03-01", None),
    ]


def test_a_long_stay_holds_together_two_that_stand_apart():
    lines = (
        "A|a_to_z_claim|2026-02-01|2026-02-03, A|chargeback|2026-02-02|2026-02-20, A|a_to_z_claim|2026-02-10|2026-02-12"
    )
    assert stays(lines) == [
        ("A", "a_to_z_claim", "02-01", "02-02"),
        ("A", "a_to_z_claim+chargeback", "02-02", "02-03"),
        ("A", "chargeback", "02-03", "02-10"),
        ("A", "a_to_z_claim+chargeback", "02-10", "02-12"),
        ("A", "chargeback", "02-12", "02-20"),
    ]


def test_the_stays_of_two_orders_are_never_joined():
    assert stays(f"{CLAIM_1_TO_10}, B|chargeback|2026-02-05|2026-02-15") == [
        ("A", "a_to_z_claim", "02-01", "02-10"),
        ("B", "chargeback", "02-05", "02-15"),
    ]


def test_feedback_and_claims_of_one_order_are_joined():
    assert stays(CLAIM_1_TO_10, feedback="A|1|2026-02-08|") == [
        ("A", "a_to_z_claim", "02-01", "02-08"),
        ("A", "a_to_z_claim+negative_feedback", "02-08", "02-10"),
        ("A", "negative_feedback", "02-10", None),
    ]


def test_one_cause_twice_is_named_once():
    assert stays(f"{CLAIM_1_TO_10}, A|a_to_z_claim|2026-02-05|2026-02-15") == [("A", "a_to_z_claim", "02-01", "02-15")]


def test_a_defect_that_was_cleared_when_it_became_known_leaves_no_row():
    assert stays("A|a_to_z_claim|2026-02-01|2026-02-01, B|a_to_z_claim|2026-02-05|2026-02-01") == []


def test_a_defect_known_before_its_order_is_placed_begins_with_the_order():
    assert stays("A|a_to_z_claim|2026-01-05|2026-02-01, B|chargeback|2026-01-05|2026-01-10") == [
        ("A", "a_to_z_claim", "01-10", "02-01")
    ]


def test_what_was_assumed_stands_in_the_row_and_goes_where_one_defect_is_certain():
    defects = """
    order_id | kind         | known_on   | cleared_on | assumed
    A        | a_to_z_claim | 2026-02-01 |            | claim_day_from_return
    B        | a_to_z_claim | 2026-02-01 |            | claim_day_from_return
    B        | chargeback   | 2026-02-01 |            |
    """
    held = counted(rule("order_defect_rate"), defects=defects).faults
    assert days(held, "order_id", "assumed") == [("A", "claim_day_from_return"), ("B", None)]


PARCELS = {
    "orders": """
    order_id | deliver_by
    A        | 2026-05-04T19:00:00Z
    B        | 2026-05-04T19:00:00Z
    """,
    "shipments": """
    order_id | units | delivered_at
    A        | 5     | 2026-05-06T19:00:00Z
    A        | 3     | 2026-05-06T20:00:00Z
    A        |       | 2026-05-04T18:00:00Z
    B        | 7     | 2026-05-04T18:00:00Z
    """,
}


def test_units_are_counted_parcel_by_parcel_and_late_ones_are_added():
    held = counted(rule("unit_on_time_delivery_rate", "deliver_by_on"), **PARCELS)
    # On time: the parcel of A that does not say its units, one, and the seven of B.
    assert sorted(days(held.exposure, "clock_day", "known_on", "counted")) == [
        ("05-04", "05-04", 1),
        ("05-04", "05-04", 7),
        ("05-04", "05-06", 8),
    ]
    assert dict(days(held.exposure, "counted", "assumed"))[1] == "units_estimated"
    assert sorted(days(held.faults, "order_id", "causes", "at_fault")) == [
        ("A", "delivered_late", 3),
        ("A", "delivered_late", 5),
    ]


def test_orders_of_one_day_are_one_row_of_exposure():
    held = counted(rule("a_to_z_claim_rate")).exposure
    assert days(held, "metric", "basis", "clock_day", "known_on", "until_day", "counted") == [
        ("a_to_z_claim_rate", "ordered_on", "01-10", "01-10", None, 2)
    ]


def test_two_ways_to_count_one_metric_stand_side_by_side():
    orders = """
    order_id | ordered_on | status    | cancelled_on
    A        | 2026-01-10 | shipped   |
    B        | 2026-01-10 | cancelled | 2026-01-12
    """
    rules = rule("chargeback_rate"), rule("chargeback_rate", include_cancelled=False)
    held = counted(*rules, orders=orders).exposure
    assert set(days(held, "basis", "until_day", "counted")) == {
        ("ordered_on", None, 2),
        ("ordered_on include_cancelled=False", "01-12", 1),
        ("ordered_on include_cancelled=False", None, 1),
    }


def test_rules_that_ask_the_same_are_counted_once():
    once, twice = (counted(*[rule("chargeback_rate")] * many) for many in (1, 2))
    assert once.exposure.equals(twice.exposure)


def test_every_metric_that_a_policy_may_ask_for_is_computed():
    assert sorted(METRICS) == sorted(tables.METRIC_IDS)


def test_an_empty_ledger_counts_nothing():
    held = count_orders(store.build_ledger({}), [rule("order_defect_rate"), rule("unit_on_time_delivery_rate")])
    assert [len(frame) for frame in (held.exposure, held.faults, held.coverage, held.unknown)] == [0, 0, 0, 0]
    assert list(held.faults.columns) == list(tables.FAULTS.columns)


BARE = """
order_id | ordered_on | status    | channel | ship_by              | shipped_at           | deliver_by
A        | 2026-01-10 | shipped   | seller  |                      |                      |
B        | 2026-01-10 | shipped   | seller  | 2026-01-12T18:00:00Z |                      |
C        | 2026-01-11 | shipped   | seller  | 2026-01-12T18:00:00Z | 2026-01-12T17:00:00Z | 2026-01-20T18:00:00Z
D        | 2026-01-11 | cancelled | seller  | 2026-01-12T18:00:00Z |                      |
E        | 2026-01-11 | unshipped | seller  | 2026-01-12T18:00:00Z |                      |
F        | 2026-01-11 |           | seller  |                      | 2026-01-12T17:00:00Z |
G        | 2026-01-11 | shipped   |         |                      |                      |
"""


def unknown(metric: str, clock: str, **texts: str) -> list[tuple]:
    held = count_orders(ledger(rows({"orders": BARE, **texts})), [rule(metric, clock)])
    return days(held.unknown, "clock_day", "known_on", "counted")


def test_shipped_orders_that_no_file_confirms_are_unknown_by_their_ship_by_day_or_else_their_order_day():
    # A and F have no ship-by day, B no confirmation. C counts; D was cancelled, E not shipped, G has no channel.
    assert unknown("late_shipment_rate", "ship_by_on") == [
        ("01-10", "01-10", 1), ("01-11", "01-11", 1), ("01-12", "01-10", 1),
    ]  # fmt: skip
    # Where every order that is due counts, only those of which no file says when they are due are unknown.
    held = count_orders(ledger(rows({"orders": BARE})), [rule("late_shipment_rate", "ship_by_on", counts="due")])
    assert days(held.unknown, "clock_day", "counted") == [("01-10", 1), ("01-11", 1)]


def test_shipped_orders_of_which_no_parcel_was_delivered_are_unknown():
    # Of E a parcel says that it was shipped after all; one delivered parcel is enough for an order to count.
    shipments = """
    order_id | delivered_at         | tracking
    C        |                      | yes
    C        | 2026-01-19T18:00:00Z | yes
    E        |                      | yes
    A        |                      | no
    """
    expected = [("01-10", "01-10", 1), ("01-11", "01-11", 2)]
    assert unknown("on_time_delivery_rate", "deliver_by_on", shipments=shipments) == expected
    # A has no tracking, so that both rates leave it out.
    assert unknown("unit_on_time_delivery_rate", "deliver_by_on", shipments=shipments) == expected


def test_shipped_orders_of_which_no_parcel_says_whether_it_has_tracking_are_unknown():
    shipments = """
    order_id | confirmed_at         | tracking | scanned
    C        | 2026-01-12T17:00:00Z | no       |
    A        | 2026-01-12T17:00:00Z |          |
    """
    # C counts. A has no word on tracking, B and F have no parcel.
    expected = [("01-10", "01-10", 2), ("01-11", "01-11", 1)]
    assert unknown("valid_tracking_rate", "deliver_by_on", shipments=shipments) == expected


@pytest.fixture(scope="module")
def two_accounts() -> Counts:
    first, second = (rows({"orders": ORDERS, "defects": f"order_id|kind|known_on\n{line}"}) for line in (
        "A|chargeback|2026-02-01", "B|chargeback|2026-02-02",
    ))  # fmt: skip
    other = {name: [{**row, "account": "bolt"} for row in held] for name, held in second.items()}
    return count_orders(ledger({name: first[name] + other[name] for name in first}), [rule("chargeback_rate")])


def test_the_orders_of_two_accounts_of_the_same_ids_are_kept_apart(two_accounts):
    assert days(two_accounts.faults, "account", "order_id") == [("acme", "A"), ("bolt", "B")]
    assert days(two_accounts.exposure, "account", "counted") == [("acme", 2), ("bolt", 2)]


def test_the_counts_of_some_accounts_hold_nothing_of_the_others(two_accounts):
    unknown = two_accounts.exposure.assign(counted=1)
    held = replace(two_accounts, unknown=unknown).for_accounts(["bolt"])
    for frame in (held.exposure, held.faults, held.coverage, held.unknown):
        assert frame["account"].unique().tolist() == ["bolt"]
    assert len(two_accounts.for_accounts(["bolt", "acme"]).faults) == 2
    assert len(two_accounts.for_accounts([]).faults) == 0
