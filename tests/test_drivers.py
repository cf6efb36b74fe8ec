"""Which group carries the excess, how long a measure is off target, what is due, and the marketplace's own figures."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from healthkit import store
from healthkit.analysis import reported_scores
from healthkit.analysis.bridge import ExplainError
from healthkit.analysis.drivers import drivers as compare_groups
from healthkit.analysis.drivers import newcombe_interval, wilson_interval
from healthkit.analysis.due_orders import count_waiting_without_ship_by, find_due_orders
from healthkit.analysis.streaks import find_streak
from healthkit.metrics.policy import Stage
from healthkit.metrics.policy_files import load_policy
from healthkit.schema import tables
from tests.builders.ledger_rows import about, defect, order, reading

KINDS = {table.name: table for table in tables.RAW_TABLES}
US = load_policy("amazon_us")
CLAIMS = next(rule for rule in US.rules if rule.metric == "a_to_z_claim_rate")
DAY = date(2026, 6, 30)


def held(**rows):
    return store.build_ledger({
        name: pa.Table.from_pylist(of, schema=store.arrow_schema(KINDS[name])) for name, of in rows.items()
    })  # fmt: skip


def sold(many, bad, sku, carrier="UPS", start=0):
    """Orders of one product of one carrier in May, the first `bad` of them with a claim."""
    ids = [f"{sku}-{n}" for n in range(start, start + many)]
    orders = [order(one, date(2026, 5, 1) + timedelta(n % 28)) for n, one in enumerate(ids)]
    items = [about(one, sku=sku) for one in ids]
    parcels = [about(one, shipment_id="1", carrier=carrier) for one in ids]
    return orders, items, [defect(one, "a_to_z_claim", date(2026, 6, 1)) for one in ids[:bad]], parcels


def drivers(*shelves):
    orders, items, defects, parcels = ([*chain(*parts)] for parts in zip(*shelves, strict=True))
    ledger = held(orders=orders, items=items, defects=defects, shipments=parcels)
    return compare_groups(ledger, CLAIMS, "acme", "US", "seller", DAY).set_index(["dimension", "group"])


def test_a_product_with_far_more_claims_than_the_rest_stands_out_with_its_excess():
    """20 of 200 lamps and 4 of 800 bulbs: at the bulbs' 0.5 % one lamp would have a claim, so 19 are too many."""
    rows = drivers(sold(200, 20, "lamp"), sold(800, 4, "bulb"))
    lamp = rows.loc[("sku", "lamp")]
    assert (lamp["counted"], lamp["at_fault"], lamp["rest_counted"], lamp["rest_at_fault"]) == (200, 20, 800, 4)
    assert lamp["excess"] == pytest.approx(19)
    assert lamp["low"] > 0
    assert lamp["stands_out"]
    assert rows.index[0] == ("sku", "lamp")
    assert not rows.loc[("sku", "bulb"), "stands_out"]


def test_a_product_with_one_claim_more_is_noise():
    rows = drivers(sold(200, 2, "lamp"), sold(800, 4, "bulb"))
    assert rows.loc[("sku", "lamp"), "excess"] == pytest.approx(1)
    assert not rows["stands_out"].any()


def test_of_many_products_none_stands_out_by_mere_number():
    """4 of 40 against 1 in 40 elsewhere would stand out alone at 95 %; among thirty products it does not."""
    alone = newcombe_interval(4, 40, 29, 1160)
    assert alone[0] > 0
    rows = drivers(sold(40, 4, "p0"), *(sold(40, 1, f"p{n}") for n in range(1, 30)))
    assert not rows.loc[("sku", "p0"), "stands_out"]


def test_an_order_of_two_products_stands_in_the_group_of_each():
    orders, items, defects, parcels = sold(50, 5, "lamp")
    more = sold(50, 0, "bulb")
    items = [*items, about("lamp-0", sku="bulb")]
    rows = drivers((orders, items, defects, parcels), more)
    assert rows.loc[("sku", "bulb"), ["counted", "at_fault"]].tolist() == [51, 1]
    assert rows.loc[("sku", "lamp"), ["counted", "at_fault"]].tolist() == [50, 5]


def test_causes_are_told_without_a_rest_and_one_group_alone_is_no_driver():
    rows = drivers(sold(50, 5, "lamp"))
    assert rows.loc[("cause", "a_to_z_claim"), ["counted", "at_fault"]].tolist() == [50, 5]
    assert np.isnan(rows.loc[("cause", "a_to_z_claim"), "excess"])
    assert "sku" not in rows.index.get_level_values(0)
    assert "carrier" not in rows.index.get_level_values(0)


def test_weekdays_are_those_of_the_clock_day():
    """1 May 2026 is a Friday; of 28 days four are Fridays."""
    rows = drivers(sold(28, 1, "lamp"))
    assert rows.loc[("weekday", "Friday"), ["counted", "at_fault"]].tolist() == [4, 1]


def test_groups_of_one_kind_add_up_to_what_is_counted():
    rows = drivers(sold(120, 6, "lamp", "UPS"), sold(80, 3, "bulb", "USPS")).reset_index()
    for kind in ("sku", "carrier", "weekday"):
        mine = rows[rows["dimension"] == kind]
        assert (mine["counted"].sum(), mine["at_fault"].sum()) == (200, 9)


def test_without_an_order_there_is_no_driver_to_look_for():
    with pytest.raises(ExplainError, match="nothing that counts"):
        compare_groups(held(orders=[]), CLAIMS, "acme", "US", "seller", DAY)


@pytest.mark.parametrize(("bad", "counted"), [(0, 1), (1, 1), (0, 400), (3, 17), (400, 400)])
def test_the_interval_of_a_share_holds_it_and_stays_a_share(bad, counted):
    low, high = wilson_interval(bad, counted)
    assert 0 <= low <= bad / counted <= high <= 1


# -- standing ---------------------------------------------------------------------------------------------


def history(*statuses, last=DAY):
    days = [last - timedelta(back) for back in reversed(range(len(statuses)))]
    return pd.DataFrame({
        "account": "acme", "marketplace": "US", "channel": "seller", "metric": "order_defect_rate", "window": 60,
        "as_of": pd.to_datetime(days), "status": list(statuses),
    })  # fmt: skip


RULE = US.rules[0].model_copy(update={"stages": (
    Stage(stage="at risk", days=1, says="A banner is shown."),
    Stage(stage="a month off target", days=31, says="Risk of demotion."),
)})  # fmt: skip


def test_days_off_target_are_counted_back_without_a_break():
    one = find_streak(history("off target", "on target", "off target", "off target"), RULE)
    assert (one.days, one.since, one.may_be_longer) == (2, DAY - timedelta(1), False)
    assert one.stage.stage == "at risk"


def test_a_measure_on_target_or_without_a_verdict_has_no_stage():
    for status in ("on target", "at risk", "too few", "no data"):
        one = find_streak(history("off target", status), RULE)
        assert (one.days, one.since, one.stage) == (0, None, None)


def test_the_month_off_target_begins_on_the_thirty_first_day():
    assert find_streak(history("on target", *["off target"] * 30), RULE).stage.stage == "at risk"
    assert find_streak(history("on target", *["off target"] * 31), RULE).stage.stage == "a month off target"


def test_a_history_that_begins_off_target_says_at_least():
    one = find_streak(history(*["off target"] * 5), RULE)
    assert (one.days, one.may_be_longer) == (5, True)


def test_a_day_that_is_missing_breaks_the_row():
    rows = history("off target", "off target", "off target").drop(index=1)
    assert find_streak(rows, RULE).days == 1


def test_a_rule_that_says_nothing_of_what_follows_has_no_stage():
    assert find_streak(history("off target"), RULE.model_copy(update={"stages": ()})).stage is None


# -- orders about to ship late ----------------------------------------------------------------------------


def waiting(order_id, ship_by, **more):
    return order(order_id, date(2026, 6, 26), status="unshipped", ship_by=ship_by, ship_by_on=ship_by.date(), **more)


def due(orders, ahead=2):
    rows = find_due_orders(held(orders=orders), DAY, ahead)
    return dict(zip(rows["order_id"], rows["days_left"], strict=True))


def test_orders_that_wait_are_due_the_most_urgent_first():
    soon, late, far = (datetime(2026, 6, 30, 20, tzinfo=UTC) + timedelta(days) for days in (1, -3, 9))
    assert list(due([waiting("soon", soon), waiting("late", late), waiting("far", far)]).items()) == [
        ("late", -3), ("soon", 1),
    ]  # fmt: skip


def test_orders_that_wait_without_a_ship_by_day_are_counted_and_shipped_ones_are_not():
    def untold(order_id, status):
        return order(order_id, date(2026, 6, 26), status=status, shipped_at=None, ship_by=None, ship_by_on=None)

    orders = [untold("waits", "unshipped"), untold("gone", "shipped"), untold("off", "cancelled")]
    orders.append(waiting("told", datetime(2026, 7, 1, 20, tzinfo=UTC)))
    assert count_waiting_without_ship_by(held(orders=orders), DAY) == {"acme": 1}
    assert count_waiting_without_ship_by(held(orders=orders), date(2026, 6, 25)) == {}


def test_what_was_confirmed_or_cancelled_by_the_evening_does_not_wait():
    """23:30 Pacific is 06:30 UTC of the next day: still the evening of 30 June there."""
    by = datetime(2026, 6, 30, 20, tzinfo=UTC)
    shown = due([
        waiting("confirmed", by, shipped_at=datetime(2026, 7, 1, 6, 30, tzinfo=UTC)),
        waiting("confirmed later", by, shipped_at=datetime(2026, 7, 1, 7, 30, tzinfo=UTC)),
        waiting("cancelled", by) | {"status": "cancelled", "cancelled_on": date(2026, 6, 29)},
        waiting("amazon's", by, channel="amazon"),
        waiting("shipped, unknown when", by) | {"status": "shipped"},
        waiting("shipped in part, unknown when", by) | {"status": "partially shipped"},
    ])  # fmt: skip
    assert shown == {"confirmed later": 0}


# -- the marketplace's own figures ------------------------------------------------------------------------


def test_the_newest_figure_by_a_day_stands_until_the_next():
    rows = [
        reading(100, 2, as_of=date(2026, 5, 31)) | {"status": "bad", "rate": 0.02, "target": 0.01, "side": "below"},
        reading(110, 1, as_of=date(2026, 6, 30)) | {"status": "good", "rate": 0.009, "target": 0.01, "side": "below"},
    ]
    table = reported_scores.reported_scores(
        held(readings=rows), [date(2026, 5, 30), date(2026, 6, 15), date(2026, 6, 30)]
    )
    assert table["as_of"].dt.day.tolist() == [15, 30]
    assert table[["counted", "at_fault", "status", "case"]].to_numpy().tolist() == [
        [100, 2, "off target", "amazon"], [110, 1, "on target", "amazon"],
    ]  # fmt: skip
    assert table["rule"].tolist() == ["reported@2026-05-31", "reported@2026-06-30"]


def test_a_rating_is_a_value_and_violations_are_added_up():
    rating = reading(None, None, {"score": 316}, "account_health_rating", channel="all") | {"status": "great"}
    counts = [
        {"account": "acme", "marketplace": "US", "category": category, "violation_id": "", "opened_on": DAY,
         "count": count, "updated_at": datetime(2026, 7, 1, tzinfo=UTC), "report": "a"}
        for category, count in (("listing_policy_violations", 2), ("other_policy_violations", 1))
    ]  # fmt: skip
    table = reported_scores.reported_scores(held(readings=[rating], violations=counts), DAY).set_index("metric")
    assert table.loc["account_health_rating", ["value", "status"]].tolist() == [316.0, "on target"]
    assert table.loc["policy_violations", ["value", "status", "at_fault"]].tolist() == [3.0, "off target", 3]


def test_without_reports_the_table_is_empty_and_whole():
    table = reported_scores.reported_scores(held(orders=[]), DAY)
    assert list(table.columns) == list(tables.SCORES.columns)
    assert table.empty


@pytest.mark.parametrize(("before", "longer"), [("short history", True), ("incomplete", True), ("on target", False)])
def test_a_row_that_begins_after_an_unknown_day_says_at_least(before, longer):
    one = find_streak(history("on target", before, "off target", "off target"), RULE)
    assert (one.days, one.may_be_longer) == (2, longer)
