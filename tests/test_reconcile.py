"""Ours beside the marketplace's: each planted difference is named with its orders, and none where there is none."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from healthkit import store
from healthkit.analysis import bridge, reconcile
from healthkit.metrics.policy_files import load_policy
from healthkit.report.text import reconciliation as reconciliation_text
from healthkit.schema import tables
from tests.builders.ledger_rows import DAY, FIRST, LAST, about, defect, order, reading
from tests.builders.random_ledgers import ledger as random_rows
from tests.builders.random_ledgers import random_ledger

US = load_policy("amazon_us")
ALL_TOLD = ("feedback", "claims", "chargebacks", "refunds")
KINDS = {table.name: table for table in tables.RAW_TABLES}


def rating(order_id, received_on, removed_on=None):
    return about(
        order_id, feedback_id=order_id, rating=1, received_on=received_on, rank=str(received_on), removed_on=removed_on
    )


def orders_every_day(each=4):
    """Four orders a day from March to July, none of them near a midnight of UTC or of the Pacific."""
    days = [date(2026, 3, 1) + timedelta(n) for n in range(122)]
    return [order(f"{day:%m%d}-{n}", day) for day in days for n in range(each)]


def reconciled(orders, readings, feedback=(), defects=(), told=ALL_TOLD, **more):
    rows = {"orders": orders, "feedback": list(feedback), "defects": list(defects), "readings": readings, **more}
    held = store.build_ledger({
        name: pa.Table.from_pylist(of, schema=store.arrow_schema(KINDS[name])) for name, of in rows.items()
    })  # fmt: skip
    return reconcile.reconcile(held, US, "acme", "US", DAY, told)


def named(one):
    return {difference.cause: difference for difference in one.differences}


CLAIMS = [defect(f"05{day:02}-0", "a_to_z_claim", date(2026, 5, day + 9)) for day in range(1, 7)]
"""Six claims of May, known in May."""
N = 60 * 4


def test_no_difference_is_found_where_there_is_none():
    (one,) = reconciled(orders_every_day(), [reading(N, 6, {"a_to_z_claim": 6})], defects=CLAIMS)
    assert (one.ours, one.theirs, one.differences) == ((N, 6), (N, 6), ())
    assert one.agrees
    assert (one.status, one.their_status) == ("off target", "off target")


def test_another_window_is_named_with_the_orders_of_its_days():
    """Amazon's window ends two days earlier: it has eight orders of two days in April more, of two in June less."""
    days = (FIRST - timedelta(2), LAST - timedelta(2))
    june = defect("0615-1", "a_to_z_claim", date(2026, 6, 20))
    (one,) = reconciled(orders_every_day(), [reading(N, 6, days=days)], defects=[*CLAIMS, june])
    assert one.ours == (N, 7)
    window = named(one).pop("window")
    assert (window.counted, window.at_fault) == (0, -1)
    assert set(window.order_ids) == {f"{day}-{n}" for day in ("0415", "0416", "0614", "0615") for n in range(4)}
    assert set(named(one)) == {"window"}


def test_days_cut_in_utc_are_named_with_the_orders_near_midnight():
    """Ordered at 20:00 Pacific on the last day: the next day in UTC, so that Amazon's window does not hold it."""
    late = [order(f"late-{n}", LAST, ordered_at=datetime(2026, 6, 16, 3, tzinfo=UTC)) for n in range(3)]
    claim = defect("late-0", "a_to_z_claim", date(2026, 6, 20))
    (one,) = reconciled([*orders_every_day(), *late], [reading(N, 6)], defects=[*CLAIMS, claim])
    assert one.ours == (N + 3, 7)
    zone = named(one)["time zone"]
    assert (zone.counted, zone.at_fault, set(zone.order_ids)) == (-3, -1, {"late-0", "late-1", "late-2"})
    assert set(named(one)) == {"time zone"}


def test_orders_of_the_other_channel_are_named():
    amazon = [order(f"fba-{n}", date(2026, 5, 10), channel="amazon") for n in range(7)]
    claim = defect("fba-3", "a_to_z_claim", date(2026, 5, 20))
    (one,) = reconciled([*orders_every_day(), *amazon], [reading(N + 7, 7)], defects=[*CLAIMS, claim])
    channel = named(one)["channel"]
    assert (channel.counted, channel.at_fault) == (7, 1)
    assert set(channel.order_ids) == {f"fba-{n}" for n in range(7)}
    assert set(named(one)) == {"channel"}


def test_cancelled_orders_left_out_are_named():
    gone = [order(f"gone-{n}", date(2026, 5, 10), status="cancelled", cancelled_on=date(2026, 5, 12)) for n in range(5)]
    (one,) = reconciled([*orders_every_day(), *gone], [reading(N, 6)], defects=CLAIMS)
    assert (named(one)["cancelled orders"].counted, set(named(one))) == (-5, {"cancelled orders"})
    assert set(named(one)["cancelled orders"].order_ids) == {f"gone-{n}" for n in range(5)}


def test_a_part_counted_twice_is_named_with_the_orders_that_have_two():
    """1 of 6 orders with a claim has bad feedback too: the sum of the parts is one more than the orders."""
    both = rating("0501-0", date(2026, 5, 20))
    parts = {"a_to_z_claim": 6, "negative_feedback": 1}
    (one,) = reconciled(orders_every_day(), [reading(N, 7, parts)], [both], CLAIMS)
    assert one.ours == (N, 6)
    twice = named(one)["counted twice"]
    assert (twice.counted, twice.at_fault, twice.order_ids) == (0, 1, ("0501-0",))
    assert set(named(one)) == {"counted twice"}


def test_feedback_that_amazon_still_counts_after_its_removal_is_named():
    removed = rating("0510-2", date(2026, 5, 20), removed_on=date(2026, 6, 29))
    parts = {"a_to_z_claim": 6, "negative_feedback": 1}
    (one,) = reconciled(orders_every_day(), [reading(N, 7, parts)], [removed], CLAIMS)
    assert one.ours == (N, 6)
    gone = named(one)["feedback removed"]
    assert (gone.at_fault, gone.order_ids, set(named(one))) == (1, ("0510-2",), {"feedback removed"})


def test_feedback_whose_removal_our_files_learn_later_is_named():
    removed = rating("0510-2", date(2026, 5, 20), removed_on=date(2026, 7, 15))
    (one,) = reconciled(
        orders_every_day(), [reading(N, 6, {"a_to_z_claim": 6, "negative_feedback": 0})], [removed], CLAIMS
    )
    assert one.ours == (N, 7)
    gone = named(one)["feedback removed"]
    assert (gone.at_fault, gone.order_ids, set(named(one))) == (-1, ("0510-2",), {"feedback removed"})


def test_a_claim_that_our_files_date_after_the_day_is_named():
    later = defect("0520-1", "a_to_z_claim", date(2026, 7, 2))
    (one,) = reconciled(orders_every_day(), [reading(N, 7, {"a_to_z_claim": 7})], defects=[*CLAIMS, later])
    known = named(one)["known later"]
    assert (known.at_fault, known.order_ids, set(named(one))) == (1, ("0520-1",), {"known later"})


def test_a_claim_of_the_last_days_that_amazon_does_not_count_yet_is_named():
    fresh = defect("0520-1", "a_to_z_claim", date(2026, 6, 29))
    (one,) = reconciled(orders_every_day(), [reading(N, 6, {"a_to_z_claim": 6})], defects=[*CLAIMS, fresh])
    known = named(one)["not known there"]
    assert (known.at_fault, known.order_ids, set(named(one))) == (-1, ("0520-1",), {"not known there"})


def test_an_order_that_no_file_of_orders_holds_is_named():
    """A claim names order X-1, which stands in no file of orders."""
    lost = defect("X-1", "a_to_z_claim", date(2026, 5, 20))
    (one,) = reconciled(orders_every_day(), [reading(N + 1, 7, {"a_to_z_claim": 7})], defects=[*CLAIMS, lost])
    missing = named(one)["orders missing"]
    assert (missing.counted, missing.at_fault, missing.order_ids) == (1, 1, ("X-1",))
    assert set(named(one)) == {"orders missing"}


def test_days_without_any_order_in_our_files_are_orders_missing():
    held = [one for one in orders_every_day() if one["ordered_on"] not in (date(2026, 5, 30), date(2026, 5, 31))]
    (one,) = reconciled(held, [reading(N, 6)], defects=CLAIMS)
    assert (named(one)["orders missing"].counted, set(named(one))) == (8, {"orders missing"})


def test_a_claim_that_amazons_own_list_leaves_out_is_cleared_there():
    listed = [defect(one["order_id"], "a_to_z_claim", date(2026, 6, 28), assumed="day_from_list") for one in CLAIMS[:5]]
    (one,) = reconciled(orders_every_day(), [reading(N, 5, {"a_to_z_claim": 5})], defects=[*CLAIMS, *listed])
    assert one.ours == (N, 6)
    cleared = named(one)["cleared"]
    assert (cleared.at_fault, cleared.order_ids, set(named(one))) == (-1, ("0506-0",), {"cleared"})


def test_claims_of_which_no_file_tells_are_not_imported():
    (one,) = reconciled(orders_every_day(), [reading(N, 6, {"a_to_z_claim": 6})], told=("feedback",))
    assert (named(one)["not imported"].at_fault, set(named(one))) == (6, {"not imported"})


def test_what_nothing_accounts_for_stays_unexplained():
    (one,) = reconciled(orders_every_day(), [reading(N + 3, 5, {"a_to_z_claim": 5})], defects=CLAIMS)
    rest = named(one)["unexplained"]
    assert (rest.counted, rest.at_fault, rest.order_ids, set(named(one))) == (3, -1, (), {"unexplained"})


def test_a_parcel_without_a_scan_explains_a_proxy():
    by = {"deliver_by": datetime(2026, 6, 10, tzinfo=UTC), "deliver_by_on": date(2026, 6, 9)}
    orders = [order(f"o{n}", date(2026, 6, 1), **by) for n in range(40)]
    parcels = [about(f"o{n}", shipment_id="1", confirmed_on=date(2026, 6, 2), tracking=True) for n in range(40)]
    days = (date(2026, 5, 22), date(2026, 6, 20))
    (one,) = reconciled(
        orders, [reading(40, 3, {"valid_tracking": 37}, "valid_tracking_rate", days)], shipments=parcels
    )
    assert (one.window, one.ours, one.proxy) == (30, (40, 0), True)
    assert (named(one)["no scans"].at_fault, set(named(one))) == (3, {"no scans"})


def test_several_causes_at_once_are_each_named():
    removed = rating("0510-2", date(2026, 5, 20), removed_on=date(2026, 6, 29))
    lost = defect("X-1", "a_to_z_claim", date(2026, 5, 20))
    amazon = [order(f"fba-{n}", date(2026, 5, 10), channel="amazon") for n in range(7)]
    parts = {"a_to_z_claim": 7, "negative_feedback": 1}
    (one,) = reconciled([*orders_every_day(), *amazon], [reading(N + 8, 8, parts)], [removed], [*CLAIMS, lost])
    assert set(named(one)) == {"channel", "feedback removed", "orders missing"}


def test_the_newest_report_by_the_day_is_taken_as_of_its_own_day():
    older = reading(9, 9, as_of=date(2026, 6, 1), days=(date(2026, 3, 19), date(2026, 5, 17)))
    later = reading(9, 9, as_of=date(2026, 7, 1))
    (one,) = reconciled(orders_every_day(), [older, reading(N, 6), later], defects=CLAIMS)
    assert (one.as_of, one.agrees) == (DAY, True)


def test_without_a_figure_of_amazons_there_is_nothing_to_compare():
    with pytest.raises(bridge.ExplainError, match="Import its seller performance reports"):
        reconciled(orders_every_day(), [])


@pytest.mark.parametrize("seed", range(12))
def test_the_differences_always_add_up_to_the_distance(seed):
    """Random ledgers and random figures of Amazon's, right or absurd."""
    rng, rows = random.Random(seed), random_ledger(seed, orders=60)
    rows = {name: [one | {"account": "acme"} for one in held] for name, held in rows.items()}
    day = date(2026, 2, 10)
    readings = [
        reading(
            rng.randrange(50), rng.randrange(12),
            {"a_to_z_claim": rng.randrange(9)} if rng.random() < 0.5 else None, metric,
            (day - timedelta(rng.randrange(20, 40)), day - timedelta(rng.randrange(8))), as_of=day,
        )
        for metric in ("order_defect_rate", "cancellation_rate", "late_shipment_rate", "valid_tracking_rate")
    ]  # fmt: skip
    held = random_rows({**rows, "readings": readings})
    made = reconcile.reconcile(held, US, "acme", "US", day, rng.sample(ALL_TOLD, 2))
    assert len(made) == 4
    for one in made:
        assert one.ours[0] + sum(difference.counted for difference in one.differences) == one.theirs[0]
        assert one.ours[1] + sum(difference.at_fault for difference in one.differences) == one.theirs[1]
        assert {difference.cause for difference in one.differences} <= set(reconcile.DIFFERENCES)


# -- what is not sure, what no file says, which part differs ---------------------------------------------------


def test_where_two_causes_fit_neither_is_sure():
    """Amazon counts one order less at fault: a claim of its last days and one cleared since both fit."""
    lately = defect("0601-0", "a_to_z_claim", DAY - timedelta(1))
    cleared = defect("0602-0", "a_to_z_claim", date(2026, 6, 9), DAY + timedelta(2))
    (one,) = reconciled(orders_every_day(), [reading(N, 7)], defects=[*CLAIMS, lately, cleared])
    assert one.ours == (N, 8)
    (difference,) = one.differences
    assert one.uncertain_causes == (difference.cause,)
    (sure,) = reconciled(orders_every_day(), [reading(N, 6)], defects=[*CLAIMS, lately])
    assert (set(named(sure)), sure.uncertain_causes) == ({"not known there"}, ())


def test_orders_of_which_no_file_tells_are_not_missing_orders():
    late = reading(141, 4, metric="late_shipment_rate", days=(DAY - timedelta(29), DAY))
    (one,) = reconciled(orders_every_day(), [late], told=())
    assert (one.ours, one.missing) == ((0, 0), ("promises", "confirmations"))
    assert named(one) == {"no file": ("no file", 141, 4, ())}
    said = reconciliation_text.difference_sentence(*one.differences[0][:3], missing=one.missing)
    assert "none of our files says when they were due to ship" in said
    assert "lack" not in said


def test_the_part_that_differs_is_named():
    ratings = [rating(f"05{day:02}-1", date(2026, 5, day + 3)) for day in range(1, 11)]
    parts = {"negative_feedback": 9, "a_to_z_claim": 6, "chargeback": 0}
    (one,) = reconciled(orders_every_day(), [reading(N, 15, parts)], feedback=ratings, defects=CLAIMS)
    assert one.ours == (N, 16)
    assert one.parts == (("negative_feedback", 10, 9),)
    assert reconciliation_text.cause_counts_sentence(*one.parts[0]).endswith("Amazon counts 9, our files 10.")
