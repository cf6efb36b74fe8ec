"""The commands that look ahead: outlook and whatif say what the desk says, and refuse what cannot be in a sentence."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healthkit.analysis import what_if
from healthkit.cli import app
from healthkit.report.text.outlook import likely_clause
from tests.builders.sample import DAY

DEFECTS = ("--account", "lantern-hill-lighting", "--metric", "order_defect_rate", "--as-of", DAY)
SCENARIO = Path(__file__).parents[1] / "docs" / "scenario.yaml"


@pytest.fixture
def run(run, sample_store):
    return lambda *words: run(*words, "--data", sample_store)


@pytest.fixture(scope="module")
def defects(desk):
    return desk.account("lantern-hill-lighting").measure("order_defect_rate", DAY)


def rows_of(shown):
    assert shown.exit_code == 0, shown.output
    return list(csv.DictReader(io.StringIO(shown.stdout)))


# -- outlook ----------------------------------------------------------------------------------------------


def test_the_outlook_of_all_measures_gives_the_day_on_which_each_is_back(run, desk):
    rows = rows_of(run("outlook", "--as-of", DAY, "--account", "birchway-crafts", "--format", "csv"))
    off = [row for row in rows if row["status"] == "off target"]
    assert {row["metric"] for row in off} == {"cancellation_rate", "late_shipment_rate"}
    for row in off:
        held = desk.account("birchway-crafts").calendar(
            desk.account("birchway-crafts").measure(row["metric"], DAY, window=int(row["window"]))
        )
        assert row["back_on"] == f"{held.back_on}"
    shown = run("outlook", "--as-of", DAY, "--account", "birchway-crafts").stdout
    assert "if nothing new" in " ".join(shown.split())
    assert "The best case: nothing new" in shown


def test_the_outlook_of_one_measure_is_its_calendar(run, desk, defects):
    rows = rows_of(run("outlook", *DEFECTS, "--format", "csv"))
    held = desk.account("lantern-hill-lighting").calendar(defects)
    assert [int(row["at_fault"]) for row in rows] == held.days["at_fault"].tolist()
    told = json.loads(run("outlook", *DEFECTS, "--format", "json").stdout)
    assert told["back_on"] == held.back_on.isoformat()
    assert "; 22 November if nothing new goes wrong; " in run("outlook", *DEFECTS).stdout


def test_without_new_orders_is_said(run, desk, defects):
    told = json.loads(run("outlook", *DEFECTS, "--no-new-orders", "--format", "json").stdout)
    held = desk.account("lantern-hill-lighting").calendar(defects, new_orders=False)
    assert [row["counted"] for row in told["days"]] == held.days["counted"].tolist()
    assert "No new orders are taken into account" in run("outlook", *DEFECTS, "--no-new-orders").stdout


def test_what_it_takes_by_a_day_is_told_a_way_a_line(run, desk, defects):
    shown = run("outlook", *DEFECTS, "--by", "2026-11-10").stdout
    assert "To be on target on 10 November:" in shown
    assert shown.count("  · ") == len(desk.account("lantern-hill-lighting").goals(defects, date(2026, 11, 10)))
    assert "it is on target then if nothing new goes wrong" in run("outlook", *DEFECTS, "--by", "2026-12-20").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("outlook", "--as-of", DAY, "--by", "2026-11-10"), 2, "--by goes with --metric"),
        (("outlook", *DEFECTS, "--by", "2026-10-01"), 2, "from --as-of on"),
        (("outlook", "--as-of", DAY, "--metric", "order_defect_rate"), 2, "goes with one --account"),
        (("outlook", *DEFECTS[:2], "--metric", "refund_rate", *DEFECTS[4:]), 1, "Refunds: no target, so"),
        (
            ("whatif", *DEFECTS[:2], "--metric", "refund_rate", *DEFECTS[4:], "--step", "volume: {by: 20%}"),
            1, "Refunds: no target, so",
        ),
        (
            ("outlook", *DEFECTS[:2], "--metric", "policy_violations", *DEFECTS[4:]),
            1, "Policy violations: no rate of orders",
        ),
        (
            ("outlook", "--account", "minato-bungu", "--metric", "late_response_rate", *DEFECTS[4:]),
            1, "Late answers over 90 days (the account as a whole): nothing is counted",
        ),
        (("outlook", *DEFECTS[:2], "--metric", "nothing", *DEFECTS[4:]), 1, "There are: order_defect_rate"),
    ],
)  # fmt: skip
def test_an_outlook_that_cannot_be_given_is_refused(run, words, code, said):
    shown = run(*words)
    assert shown.exit_code == code
    assert said in " ".join(shown.output.replace("│", " ").split())


# -- whatif -----------------------------------------------------------------------------------------------


def test_a_scenario_gives_both_sides_and_the_orders_it_saves(run, desk, defects):
    told = json.loads(run("whatif", *DEFECTS, "--scenario", SCENARIO, "--format", "json").stdout)
    held = desk.account("lantern-hill-lighting").what_if(defects, SCENARIO)
    assert told["saved"] == held.orders_saved["order_id"].tolist() != []
    assert (told["before"]["at_fault"], told["after"]["at_fault"]) == (defects["at_fault"], held.after["at_fault"])
    assert (told["before"]["case"], told["after"]["case"]) == ("ours", "what if")
    assert told["after"]["back_on"] == held.calendar_after.back_on.isoformat() < told["before"]["back_on"]
    rows = rows_of(run("whatif", *DEFECTS, "--scenario", SCENARIO, "--format", "csv"))
    assert [row["case"] for row in rows] == ["ours", "what if"]


def test_a_scenario_in_words_says_the_difference(run):
    shown = run("whatif", *DEFECTS, "--scenario", SCENARIO).stdout
    assert "Order Defect Rate would be at" in shown
    first = shown.splitlines()[0]
    assert "best case" not in first, "what is likely comes first"
    assert first.index("likely still off target on 29 January") < first.index("22 November if nothing new goes wrong")
    assert "No longer at fault: 111-" in shown


def test_steps_are_given_in_a_line_each_with_their_days_and_simulated(run, desk, defects):
    line = "stop_selling: {sku: LH-READ, since: 2026-11-02, until: 2026-12-31}"
    idle = "volume: {by: 20%, since: 2027-08-01}"
    answer = json.loads(run("whatif", *DEFECTS, "--step", line, "--step", idle, "--format", "json").stdout)
    view = desk.account("lantern-hill-lighting")
    steps = [{"stop_selling": {"sku": "LH-READ", "since": "2026-11-02", "until": "2026-12-31"}}]
    after, before = view.simulate_scenario(defects, steps, draws=1_000), view.simulate(defects, draws=1_000)
    for side, futures in (("before", before), ("after", after)):
        seen = answer[side]["simulated"]
        assert seen["chance_off_target"]["2026-11-30"] == futures.chance_off(date(2026, 11, 30))
        days = {str(tenth): None if day is None else day.isoformat() for tenth, day in futures.back_on_by_tenth.items()}
        assert seen["back_on_by_tenth"] == days
    late = date.max
    assert (after.back_on_by_tenth[5] or late, after.back_on_by_tenth[1]) < (
        before.back_on_by_tenth[5] or late, before.back_on_by_tenth[1]
    )  # fmt: skip
    assert answer["steps_without_effect"] == [2]
    shown = " ".join(run("whatif", *DEFECTS, "--step", line, "--step", idle).stdout.split())
    assert f"With the scenario: {likely_clause(after, 2026).partition(';')[0]}" in shown
    assert "This step changes nothing: 20% more orders from 1 August 2027." in shown


def test_a_scenario_is_given_once(run):
    for words in ((), ("--scenario", SCENARIO, "--step", "window: 30")):
        shown = run("whatif", *DEFECTS, *words)
        assert shown.exit_code == 2
        assert "either --scenario FILE or one --step" in " ".join(shown.output.replace("│", " ").split())
    shown = run("whatif", *DEFECTS, "--step", "stop_selling: {sku: ")
    assert shown.exit_code == 1
    assert "Step 1 is not YAML" in " ".join(shown.output.split())


def test_every_step_of_the_example_can_be_played(desk, defects, tmp_path):
    """Those that are commented out, too, with an order and a product that there are."""
    lines = SCENARIO.read_text(encoding="utf-8").replace("# - ", "- ")
    one = desk.account("lantern-hill-lighting").orders_at_fault(defects)["order_id"].iloc[0]
    file = tmp_path / "all.yaml"
    file.write_text(lines.replace("111-1234567-1234567", one), encoding="utf-8")
    assert {step.kind for step in what_if.read_scenario(file)} == set(what_if.SCENARIO_STEPS)
    assert desk.account("lantern-hill-lighting").what_if(defects, file).after["window"] == 90


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- fewer: {cause: a_to_z_claim, by: 140%}", "bad.yaml: Step 1, fewer: 140% fewer cannot be; give 0% to 100%."),
        ("- fewer: {cause: lost, by: 40%}", "no order of this measure is at fault for 'lost'. There are: a_to_z_claim"),
        ("- fewer: {cause: a_to_z_claim, by: 40%, since: 1999-01-01}", "long before the first order at fault"),
        ("- cleared: {orders: [111-1]}", "were never at fault in this measure"),
        ("- stop_selling: {sku: LAMP}", "There are: LH-BULB4"),
        ("- faster: 10%", "there is no such step. There are: fewer"),
        ("fewer: {cause: a_to_z_claim", "bad.yaml is not YAML"),
        ("- fewer: {cause: a_to_z_claim, by: 1%, by: 2%}", "bad.yaml, line 1: duplicate by."),
        ("", "A scenario is a list of steps"),
    ],
)
def test_a_bad_scenario_is_refused_with_what_there_is_instead(run, tmp_path, text, said):
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    shown = run("whatif", *DEFECTS, "--scenario", file)
    assert shown.exit_code == 1
    assert said in " ".join(shown.output.split())


def test_a_scenario_that_is_not_there_is_named(run, tmp_path):
    shown = run("whatif", *DEFECTS, "--scenario", tmp_path / "none.yaml")
    assert shown.exit_code == 1
    assert "none.yaml cannot be read" in " ".join(shown.output.split())


# -- estimates, and what cannot be judged ---------------------------------------------------------------------


def client(folder, last_day=28):
    """A store with one order a day in October and no file of feedback, claims, deliveries; tracking numbers, no scans.

    Of the parcels, five of the newest ten went out without tracking.
    """
    raw = folder / "raw" / "kiln"
    raw.mkdir(parents=True)
    orders = [
        "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tfulfillment-channel\tsales-channel\tquantity\tsku"
    ]
    parcels = ["order-id,confirmed-at,tracking"]
    for number in range(1, last_day + 1):
        name, on = f"111-0000000-{number:07}", f"2026-10-{number:02}"
        orders.append(f"{name}\t{on}T10:00:00-07:00\t{on}T15:00:00-07:00\tShipped\tMerchant\tAmazon.com\t1\tMUG")
        parcels.append(f"{name},{on}T15:00:00-07:00,{'no' if 18 < number <= 23 else 'yes'}")
    (raw / "all_orders.txt").write_text("\n".join(orders) + "\n")
    (raw / "ship_confirmations.csv").write_text("\n".join(parcels) + "\n")
    store = folder / "store"
    done = CliRunner().invoke(
        app, ["import", str(raw), "--account", "kiln", "--marketplace", "US", "--data", str(store)]
    )
    assert done.exit_code == 0, done.output
    return store


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    store = client(tmp_path_factory.mktemp("client"))
    return lambda *words: CliRunner().invoke(
        app, [*map(str, words), "--account", "kiln", "--as-of", "2026-10-28", "--data", str(store)],
        env={"COLUMNS": "240"},
    )  # fmt: skip


def test_a_measure_that_cannot_be_judged_is_no_all_clear_in_an_outlook(asked):
    shown = asked("outlook").stdout
    line = next(line for line in shown.splitlines() if "Order Defect Rate" in line)
    assert "cannot be judged" in line
    assert "no file covers" in line
    for row in rows_of(asked("outlook", "--format", "csv")):
        if row["status"] in ("incomplete", "short history", "no data"):
            assert row["back_on"] == "", row
    metrics = {row["metric"] for row in rows_of(asked("outlook", "--format", "csv"))}
    assert {"order_defect_rate", "late_shipment_rate", "on_time_delivery_rate"} & metrics


def test_one_measure_that_cannot_be_judged_says_so_with_its_reason(asked):
    shown = asked("outlook", "--metric", "order_defect_rate").stdout
    assert "cannot be judged" in shown
    assert "no file covers" in shown
    assert "stays under" not in shown
    told = json.loads(asked("outlook", "--metric", "order_defect_rate", "--format", "json").stdout)
    assert told["back_on"] is None
    assert told["status"] == "no data"
    assert "no file covers" in told["reason"]
    assert not {day["status"] for day in told["days"]} & {"on target", "at risk"}


def test_outlook_and_what_if_carry_the_mark_of_an_estimate(run, desk):
    """The sample's valid tracking rests on tracking numbers, for no file holds scans."""
    where = ("--account", "birchway-crafts", "--as-of", DAY)
    row = desk.account("birchway-crafts").measure("valid_tracking_rate", DAY)
    assert row["proxy"] == "tracking_not_scanned"
    for words in (("outlook", *where), ("outlook", *where, "--metric", "valid_tracking_rate")):
        shown = run(*words).stdout
        assert "≈ proxy" in shown
        assert "≈ proxy: " in shown
    told = json.loads(run("outlook", *where, "--metric", "valid_tracking_rate", "--format", "json").stdout)
    assert told["proxy"] == "tracking_not_scanned"
    rows = rows_of(run("outlook", *where, "--format", "csv"))
    assert {one["proxy"] for one in rows if one["metric"] == "valid_tracking_rate"} == {"tracking_not_scanned"}


def test_what_if_carries_the_mark_of_an_estimate(run, tmp_path):
    steps = tmp_path / "steps.yaml"
    steps.write_text("steps:\n  - target: 97%\n")
    asked = ("whatif", "--account", "birchway-crafts", "--metric", "valid_tracking_rate", "--as-of", DAY)
    shown = run(*asked, "--scenario", steps).stdout
    assert "≈ proxy: " in shown
    told = json.loads(run(*asked, "--scenario", steps, "--format", "json").stdout)
    assert told["before"]["proxy"] == told["after"]["proxy"] == "tracking_not_scanned"


def test_a_what_if_of_what_cannot_be_judged_says_no_day(asked, tmp_path):
    steps = tmp_path / "steps.yaml"
    steps.write_text("steps:\n  - target: 2%\n")
    words = ("whatif", "--metric", "order_defect_rate", "--scenario", steps)
    shown = asked(*words)
    assert shown.exit_code == 0, shown.output
    assert "already" not in shown.stdout
    assert "cannot be judged" in shown.stdout
    told = json.loads(asked(*words, "--format", "json").stdout)
    assert told["before"]["back_on"] is told["after"]["back_on"] is None
