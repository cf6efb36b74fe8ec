"""Real marketplaces' orders, with answers computed by others; skipped where the data is not at hand."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from healthkit import batch
from healthkit.ingest import importer
from healthkit.report import model
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests import plain

DATA = Path(__file__).parents[2] / "shared" / "data"
AS_OF = date(2017, 12, 31)
ANSWERS = {
    "cancellation_rate": ("orders", "canceled"),
    "late_shipment_rate": ("shipped", "late_shipment"),
    "negative_feedback_rate": ("orders", "negative"),
    "negative_review_rate": ("reviewed", "negative"),
    "on_time_delivery_rate": ("delivered", "late_delivery"),
}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not part of the project and is not here")


def imported(folder: Path, path: Path) -> Workspace:
    outcomes = list(importer.import_files([path], Store(folder)))
    assert [outcome.refused for outcome in outcomes] == [None] * len(outcomes)
    return Workspace(folder)


@pytest.fixture(scope="module")
def olist(tmp_path_factory):
    return imported(tmp_path_factory.mktemp("olist"), DATA / "olist")


@pytest.fixture(scope="module")
def answers():
    return json.loads((DATA / "expected" / "olist_2017-12-31_60d.json").read_text())["all"]


def test_every_seller_of_olist_has_exactly_the_checked_counts(olist, answers):
    rows = olist.score(AS_OF, answers, window=60, lag=0, hindsight=True)
    said = {(row.account, row.metric): (row.counted, row.at_fault) for row in rows.itertuples()}
    true = {
        (seller, metric): (held[counted], held[at_fault])
        for seller, held in answers.items()
        for metric, (counted, at_fault) in ANSWERS.items()
    }
    assert len(true) == 5 * 432
    assert said == true


def test_what_could_be_seen_that_evening_agrees_with_the_oracle(olist, answers):
    rows = olist.score(AS_OF, answers, window=60, lag=0)
    raw = plain_rows(olist, set(answers))
    rules = {rule.metric: rule for rule in olist.policies["OLIST"].rules_in_force(AS_OF)}
    judged = {
        metric: plain.judged(metric, raw, rule.counting, rule.clock, AS_OF, False) for metric, rule in rules.items()
    }
    wrong = [
        (row.account, row.metric)
        for row in rows.itertuples()
        if (row.counted, row.at_fault) != plain.counts(judged[row.metric], row.account, "seller", AS_OF, 60, 0)
    ]
    assert len(rows) == 5 * 432
    assert wrong == []
    hindsight = olist.score(AS_OF, answers, window=60, lag=0, hindsight=True)
    assert rows["at_fault"].sum() < hindsight["at_fault"].sum()


def plain_rows(desk: Workspace, sellers: set[str]) -> dict[str, list[dict]]:
    """The orders of the window and their reviews as plain rows, days as days."""
    ledger = desk.store.ledger()
    orders = frame(ledger.orders)
    near = orders[orders["account"].isin(sellers) & orders["ordered_on"].between("2017-11-02", "2017-12-31")]
    feedback = frame(ledger.feedback).merge(near[["account", "order_id"]], on=["account", "order_id"])
    return {"orders": records(near), "feedback": records(feedback), "defects": []}


def frame(lazy) -> pd.DataFrame:
    return lazy.collect("pandas").to_native()


def records(rows: pd.DataFrame) -> list[dict]:
    days = [name for name in rows.columns if name.endswith("_on")]
    cut = rows.assign(**{name: [None if pd.isna(day) else day.date() for day in rows[name]] for name in days})
    plain_cells = cut.astype(object).where(cut.notna(), None)
    return plain_cells.to_dict("records")


def test_three_pages_of_olist_show_the_figures_that_scores_gives(olist, tmp_path):
    sellers = [
        "cc419e0650a3c5ba77189a1882b7556a",
        "6560211a19b47992c3666cc44a7e94c0",
        "001cca7ae9ae17fb1caed9dfb1094831",
    ]
    batch.generate_reports(olist, "2017-12", sellers, tmp_path)
    for seller in sellers:
        page = (tmp_path / "2017-12" / f"{seller}_olist.html").read_text(encoding="utf-8")
        rows = olist.score(AS_OF, [seller])
        for row in rows[(rows["status"] != "no target") & (rows["counted"] > 0)].itertuples():
            good = row.counted - row.at_fault if row.side == "at least" else row.at_fault
            assert f">{good:,} of {row.counted:,}<" in page, (seller, row.metric)


def test_every_seller_with_orders_in_a_window_of_the_month_is_to_be_reported(olist):
    shown = olist.score(AS_OF)
    with_orders = set(shown[shown["counted"] > 0]["account"])
    from_the_press = {account for account, _ in model.accounts_to_report(olist, "2017-12")}
    assert from_the_press == with_orders
    assert len(with_orders) >= 432


@pytest.fixture(scope="module")
def sale_report(tmp_path_factory):
    return imported(tmp_path_factory.mktemp("sale"), DATA / "amazon_sale_report")


def test_an_indian_seller_cancelled_661_of_3705_orders_and_the_row_says_what_was_assumed(sale_report):
    rows = sale_report.score(date(2022, 4, 30), window=7, lag=0, hindsight=True)
    [row] = rows[(rows["metric"] == "cancellation_rate") & (rows["channel"] == "seller")].itertuples()
    assert (row.counted, row.at_fault) == (3705, 661)
    assert re.search("canceller_unknown", row.proxy)


def test_without_a_file_of_feedback_or_claims_an_order_defect_rate_is_no_data_not_zero(sale_report):
    rows = sale_report.score(date(2022, 4, 30), window=7, lag=0)
    defects = rows[rows["metric"] == "order_defect_rate"]
    assert set(defects["status"]) == {"no data"}
    assert defects["rate"].isna().all()
