"""The commands that explain: bridge, drivers, standing, reconcile; and whose figures scores prints."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import date
from fractions import Fraction

import pytest

from healthkit.analysis.bridge import ExplainError
from healthkit.analysis.due_orders import find_due_orders
from healthkit.metrics.scores import ScoreError

DAY, BEFORE = date(2026, 10, 31), date(2026, 9, 30)
LATE = ("--account", "birchway-crafts", "--metric", "late_shipment_rate", "--as-of", DAY)
BRIDGE = ("bridge", *LATE, "--from", BEFORE)


@pytest.fixture
def run(run, sample_store):
    return lambda *words: run(*words, "--data", sample_store)


def rows_of(shown):
    assert shown.exit_code == 0, shown.output
    return list(csv.DictReader(io.StringIO(shown.stdout)))


# -- bridge -----------------------------------------------------------------------------------------------


def test_a_bridge_as_json_adds_up_exactly_and_names_every_order_that_moved(run, desk):
    told = json.loads(run(*BRIDGE, "--format", "json").stdout)
    ends = [Fraction(told[name]["at_fault"], told[name]["counted"]) for name in ("before", "after")]
    assert sum((Fraction(step["exactly"]) for step in told["steps"]), ends[0]) == ends[1]
    row = desk.account("birchway-crafts").measure("late_shipment_rate", DAY)
    assert (told["after"]["counted"], told["after"]["at_fault"]) == (row["counted"], row["at_fault"])
    assert sum(order["at_fault"] for order in told["orders"]) == told["after"]["at_fault"] - told["before"]["at_fault"]


def test_a_bridge_as_a_table_is_a_finding_its_steps_and_the_first_orders(run):
    shown = run(*BRIDGE)
    assert "explain most of the rise from" in shown.stdout
    assert "New in the window:" in shown.stdout
    assert "In percentage points: " in shown.stdout
    assert "more; --format csv lists all." in shown.stdout


def test_a_bridge_as_csv_lists_the_orders_in_the_order_of_the_steps(run):
    steps = [row["step"] for row in rows_of(run(*BRIDGE, "--format", "csv"))]
    assert steps == sorted(steps, key=["left", "removed", "learnt late", "new"].index)
    assert {"left", "new"} <= set(steps)


# -- drivers, standing ------------------------------------------------------------------------------------


def test_drivers_as_csv_are_those_of_the_desk(run, desk):
    rows = rows_of(run("drivers", *LATE, "--format", "csv"))
    view = desk.account("birchway-crafts")
    held = view.drivers(view.measure("late_shipment_rate", DAY))
    assert [(row["dimension"], row["group"], int(row["at_fault"])) for row in rows] == list(
        held[["dimension", "group", "at_fault"]].itertuples(index=False, name=None)
    )


def test_a_group_that_stands_out_is_named_and_another_may_be_chance(run):
    loud = run("drivers", "--account", "lantern-hill-lighting", "--metric", "order_defect_rate", "--as-of", DAY).stdout
    assert "stands out: about" in loud
    quiet = run("drivers", *LATE).stdout
    assert "stands out from chance." in quiet
    assert "may be chance" in quiet


def test_a_standing_counts_the_days_in_a_row_and_gives_its_source(run, desk):
    shown = run("standing", "--account", "birchway-crafts", "--as-of", DAY)
    assert "birchway-crafts: Late Shipment Rate over 30 days (seller-fulfilled): Off target for" in shown.stdout
    assert "Source: Seller Central help" in shown.stdout
    rows = rows_of(run("standing", "--account", "birchway-crafts", "--as-of", DAY, "--format", "csv"))
    late = next(row for row in rows if (row["metric"], row["window"]) == ("late_shipment_rate", "30"))
    since = date.fromisoformat(late["since"])
    assert (DAY - since).days + 1 == int(late["days"])
    scored = desk.score([date.fromordinal(since.toordinal() - 1), since], ["birchway-crafts"])
    mine = scored[(scored["metric"] == "late_shipment_rate") & (scored["window"] == 30)]
    assert mine["status"].tolist() == ["at risk", "off target"] or mine["status"].tolist() == [
        "on target",
        "off target",
    ]


def test_an_account_on_target_has_no_standing(run):
    assert "No measure is off target on" in run("standing", "--account", "applegate-plants", "--as-of", DAY).stdout


# -- reconcile, cases -------------------------------------------------------------------------------------


def test_reconcile_shows_both_counts_and_the_orders_of_a_difference(run):
    shown = run("reconcile", "--account", "lantern-hill-lighting", "--as-of", DAY)
    assert "21 of 1,641" in shown.stdout
    assert "20 of 1,644" in shown.stdout
    assert "No difference" in shown.stdout
    told = json.loads(run("reconcile", "--account", "lantern-hill-lighting", "--as-of", DAY, "--format", "json").stdout)
    for one in told:
        for ours, theirs, name in (
            (one["our_counted"], one["their_counted"], "counted"),
            (one["our_at_fault"], one["their_at_fault"], "at_fault"),
        ):
            assert sum(difference[name] for difference in one["differences"]) == theirs - ours
    flat = rows_of(run("reconcile", "--account", "lantern-hill-lighting", "--as-of", DAY, "--format", "csv"))
    assert {row["metric"] for row in flat} == {one["metric"] for one in told}


def test_the_planted_differences_of_the_sample_are_named_and_where_there_is_none_none_is_found(desk):
    """Of lantern-hill-lighting a claim was withdrawn, three orders are in no file, one was confirmed late.

    That no file holds a carrier's scan is no difference in the orders, but one that Amazon alone can see.
    """
    found = {}
    for account in desk.accounts:
        with contextlib.suppress(ExplainError):
            for one in desk.account(account).reconcile(DAY):
                told = [tuple(reason)[:3] for reason in one.differences if reason.cause != "no scans"]
                found.update({(account, one.metric): told} if told else {})
    assert found == {
        ("lantern-hill-lighting", "order_defect_rate"): [("cleared", 0, -1), ("unexplained", 3, 0)],
        ("lantern-hill-lighting", "late_shipment_rate"): [("unexplained", 0, 1)],
    }


def test_the_marketplaces_own_figures_stand_alone_or_beside_ours(run):
    words = ("scores", "--as-of", DAY, "--account", "lantern-hill-lighting")
    both = rows_of(run(*words, "--case", "all", "--format", "csv"))
    alone = rows_of(run(*words, "--case", "amazon", "--format", "csv"))
    ours = rows_of(run(*words, "--format", "csv"))
    assert {row["case"] for row in alone} == {"amazon"}
    assert len(both) == len(alone) + len(ours)
    defects = [(row["case"], row["counted"]) for row in both if row["metric"] == "order_defect_rate"]
    assert defects == [("ours", "1641"), ("amazon", "1644")]
    assert "the marketplace's" in run(*words, "--case", "all").stdout


def test_an_account_without_figures_of_the_marketplace_says_what_to_import(run):
    shown = run("reconcile", "--account", "paper-moth", "--as-of", "2026-05-01")
    assert shown.exit_code == 1
    assert "Import its seller performance reports" in " ".join(shown.output.split())


# -- due --------------------------------------------------------------------------------------------------


def test_due_lists_the_orders_that_wait_the_most_urgent_first(run, desk):
    rows = rows_of(run("due", "--as-of", DAY, "--format", "csv"))
    held = find_due_orders(desk.store.ledger(), DAY)
    assert [row["order_id"] for row in rows] == held["order_id"].tolist()
    assert f"{len(rows)} orders wait on 31 October 2026" in run("due", "--as-of", DAY).stdout


# -- which measure is meant -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bridge", *LATE, "--from", "2026-11-01"), "is not after"),
        (("bridge", *LATE[:2], "--metric", "lateness", *LATE[4:], "--from", BEFORE), "There are: order_defect_rate"),
        (("bridge", *LATE[:2], "--metric", "policy_violations", *LATE[4:], "--from", BEFORE), "no rate of orders"),
        (("drivers", *LATE[:2], "--metric", "average_response_time", *LATE[4:]), "no rate of orders"),
        (("drivers", *LATE, "--channel", "amazon"), "There are: seller"),
        (("drivers", *LATE, "--marketplace", "DE"), "There are: US"),
        (("drivers", "--account", "nobody", *LATE[2:]), "No account 'nobody'"),
        (("reconcile", "--account", "nobody", "--as-of", DAY), "nobody"),
    ],
)
def test_what_is_not_there_is_said_with_what_there_is(run, words, said):
    shown = run(*words)
    assert shown.exit_code == 1
    assert said in " ".join(shown.output.split())
    assert "Traceback" not in shown.output


def test_a_measure_is_that_of_the_longest_window_or_of_the_one_asked_for(desk):
    view = desk.account("birchway-crafts")
    assert [view.measure("late_shipment_rate", DAY, window=window)["window"] for window in (None, 10, 20)] == [
        30,
        10,
        20,
    ]
    account, metric = several_channels(desk)
    with pytest.raises(ScoreError, match="several of channel"):
        desk.account(account).measure(metric, DAY)


def several_channels(desk):
    """An account and a metric that is judged in two channels."""
    rows = desk.score(DAY)
    sums = rows[rows["channel"] != "all"].groupby(["account", "metric"])["channel"].nunique()
    return sums.index[sums > 1][0]
