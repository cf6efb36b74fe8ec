"""Accounts of which the files hold no order, only figures of the marketplace's own: each command, page and panel."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import healthkit as hk
from healthkit.analysis.reconcile import Reconciliation
from healthkit.analysis.verdicts import AMAZON
from healthkit.cli import app
from healthkit.report.html.report import verdict_lines
from healthkit.report.model import accounts_to_report, open_report
from healthkit.report.todo_list import account_todo
from healthkit.workspace.workspace import Workspace
from tests.builders import client_files as client

DAY = date(2026, 10, 31)
WHOSE = "only the marketplace’s own figures are known"


def figures(marketplace: str = "US", defects: int = 20) -> str:
    """Amazon's report of the day: order defects as given, late shipment on target."""
    return client.performance(
        DAY,
        marketplace,
        orderDefectRate=client.defect_rate(DAY, 1_600, defects, "BAD" if defects >= 16 else "GOOD"),
        lateShipmentRate=client.shipped_late(DAY, 780, 13, "GOOD"),
        preFulfillmentCancellationRate=client.cancelled_rate(DAY, 194, 1, "GOOD"),
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An account that brought Amazon's performance report and nothing else."""
    return client.imported(tmp_path_factory.mktemp("alone"), performance_dot_json=figures())


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An account with orders in the US, and of CA nothing but Amazon's report, which is off target."""
    return client.imported(
        tmp_path_factory.mktemp("two"),
        marketplace=None,
        all_orders_dot_txt=client.all_orders(client.placed(date(2026, 6, 1), DAY, 5)),
        defects_dot_csv="order-id,kind,known-on\n",
        performance_us_dot_json=figures(defects=2),
        performance_ca_dot_json=figures("CA"),
    )


def run(workspace: Workspace, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--data", str(workspace.store.folder)])


def test_the_verdict_rests_on_amazon_s_figures(alone):
    [verdict] = alone.verdicts(DAY)
    status = {one.metric: (one.status, one.decided_by) for one in verdict.measures if one.theirs is not None}
    assert (verdict.account, verdict.marketplace, verdict.status) == ("acme", "US", "off target")
    assert status["order_defect_rate"] == ("off target", AMAZON)
    assert status["late_shipment_rate"] == ("on target", AMAZON)
    assert alone.accounts == ["acme"]
    files = alone.account("acme").coverage
    assert (files.orders, files.count_order_days(date(2026, 10, 1), DAY)) == (0, 0)


def test_no_measure_of_orders_is_counted_or_judged_by_us(alone):
    scores = alone.score(DAY)
    of_orders = scores[scores["channel"] != "all"]
    assert not of_orders["status"].isin(["on target", "at risk", "off target"]).any()


def test_check_says_off_target_by_amazon_s_figure(alone):
    shown = run(alone, "check", "--month", "2026-10")
    assert shown.exit_code == 1
    assert "Order Defect Rate over 60 days at 1.25% (limit 1%)" in shown.stdout
    assert "by Amazon’s own figure of 31 October" in shown.stdout


@pytest.mark.parametrize("command", ["scores", "outlook", "due"])
def test_commands_say_that_there_are_no_orders(alone, command):
    shown = run(alone, command, "--as-of", "2026-10-31")
    assert shown.exit_code == 0
    assert f"no file has orders of acme (US): {WHOSE}" in " ".join(shown.output.split())
    assert "orders of 1 of 1 account end before" not in shown.output


def test_the_first_thing_to_do_is_to_bring_the_orders(alone):
    rows = account_todo(alone.account("acme"), DAY)
    assert (rows[0].action_id, rows[0].status) == ("all_orders", "off target")
    assert {row.action_id for row in rows} >= {"feedback", "list_order_defects"}
    assert "none" not in {row.kind for row in rows}
    shown = run(alone, "doctor", "--account", "acme").output
    assert "Download the all-orders file" in shown


def test_a_difference_is_put_down_to_the_missing_orders(alone):
    rows: list[Reconciliation] = alone.account("acme").reconcile(DAY)
    assert {one.rule.metric: [gap.cause for gap in one.differences] for one in rows} == {
        "cancellation_rate": ["no file"], "late_shipment_rate": ["no file"], "order_defect_rate": ["no file"],
    }  # fmt: skip
    assert {one.missing for one in rows} == {("orders",)}


def test_the_page_names_whose_figure_it_is_and_what_to_bring(alone, tmp_path: Path):
    assert accounts_to_report(alone, "2026-10") == [("acme", "US")]
    report = open_report(alone, "acme", "2026-10")
    lines = dict(verdict_lines(report))
    assert "off target at 1.25%" in lines["What is wrong"]
    assert "by Amazon’s own figure of 31 October" in lines["What is wrong"]
    assert "all-orders file" in lines["What to do first"]
    shown = run(alone, "report", "--month", "2026-10", "--out", str(tmp_path / "out"))
    assert shown.exit_code == 0, shown.output
    assert list((tmp_path / "out").rglob("acme_us.html"))


def test_panels_say_that_there_are_no_orders(alone):
    assert "1 of 1 account are off target" in hk.portfolio(alone).finding
    notes = "".join(text for note in hk.where_i_stand(alone).answer_widget.content["notes"] for text, _ in note)
    assert "No file has orders of acme (US)" in notes
    for panel in (hk.what_changed, hk.what_if):
        assert panel(alone).finding.startswith("No file has orders of acme (US): only Amazon’s own figures are known.")


def test_figures_of_a_second_marketplace_are_judged_beside_the_first(two_stores):
    by_marketplace = {one.marketplace: one.status for one in two_stores.verdicts(DAY)}
    assert by_marketplace["CA"] == "off target"
    assert "off target  acme (CA): Order Defect Rate" in run(two_stores, "check", "--month", "2026-10").stdout
    assert "no file has orders of acme (CA)" in run(two_stores, "scores", "--as-of", "2026-10-31").output


def test_an_empty_file_denies_nothing_where_there_are_no_orders(two_stores):
    """A defects file without rows says that there was none where the account sells."""
    assert "claims" in two_stores.account("acme", "US").coverage.evidence
    assert "claims" not in two_stores.account("acme", "CA").coverage.evidence


def test_orders_that_come_later_replace_the_bare_figures(tmp_path: Path):
    client.imported(tmp_path, performance_dot_json=figures())
    workspace = client.imported(tmp_path, all_orders_dot_txt=client.all_orders(client.placed(date(2026, 6, 1), DAY, 5)))
    assert workspace.account("acme").coverage.orders > 0
    assert workspace.score(DAY, "acme")["metric"].eq("order_defect_rate").any()


def test_a_report_without_violations_is_enough(tmp_path: Path):
    """Nothing at all is counted of this account."""
    report = json.loads(figures())
    del report["performanceMetrics"][0]["listingPolicyViolations"]
    workspace = client.imported(tmp_path, performance_dot_json=json.dumps(report))
    assert workspace.counts.exposure.empty
    shown = run(workspace, "check", "--month", "2026-10")
    assert (shown.exit_code, "off target  acme (US): Order Defect Rate" in shown.stdout) == (1, True)
    assert accounts_to_report(workspace, "2026-10") == [("acme", "US")]
    assert open_report(workspace, "acme", "2026-10").verdict.status == "off target"


def test_no_days_of_orders_are_named_where_there_are_none(alone):
    for words in (("--account", "acme"), ()):
        shown = run(alone, "report", "--month", "2026-09", *words)
        assert shown.exit_code == 1
        assert "reach from" not in shown.output
    assert "no file has its orders, and the first figure of the marketplace is of 2026-10-31" in " ".join(
        run(alone, "report", "--month", "2026-09", "--account", "acme").output.split()
    )


def test_old_good_figures_are_no_all_clear(tmp_path: Path):
    """Four weeks after a report in which all was well, nothing is known."""
    workspace = client.imported(tmp_path, performance_dot_json=figures(defects=2))
    assert run(workspace, "check", "--month", "2026-10").exit_code in (0, 3)
    later = run(workspace, "check", "--as-of", "2026-11-28")
    assert (later.exit_code, "on target" in later.stdout) == (3, False)
    assert "✓" not in run(workspace, "scores", "--as-of", "2026-11-28").output
    assert workspace.verdicts(date(2026, 11, 28))[0].status == "cannot be judged"
