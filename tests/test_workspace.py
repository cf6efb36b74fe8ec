"""The desk: stores in odd places, counts that were kept and went stale, marketplaces that nobody judges."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from healthkit.ingest import importer
from healthkit.report.model import MonthError, open_report
from healthkit.schema import tables
from healthkit.store import Store, StoreError
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import DAY, SAMPLE

HEADER = "\t".join((
    "amazon-order-id", "purchase-date", "last-updated-date", "order-status", "fulfillment-channel", "sales-channel",
    "sku", "quantity",
))  # fmt: skip


def take(store: Path, *paths: Path, **told: str) -> Workspace:
    outcomes = list(importer.import_files(paths, Store(store), **told))
    assert [outcome.refused for outcome in outcomes if outcome.refused] == []
    return Workspace(store)


def orders(folder: Path, name: str, *lines: tuple[str, str, str]) -> Path:
    """An all-orders file of (order id, day, sales channel)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        "\t".join((one, f"{day}T19:00:00Z", f"{day}T19:00:00Z", "Shipped", "Merchant", channel, "x", "1"))
        for one, day, channel in lines
    ]
    (folder / name).write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return folder


def many(first: int, count: int, day: str, channel: str = "Amazon.com") -> list[tuple[str, str, str]]:
    return [(f"111-0000000-{number:07}", day, channel) for number in range(first, first + count)]


@pytest.mark.parametrize("place", ["My Projects", "ünï 店", "Proj #1", "q?x*", "it's"])
def test_a_store_may_lie_in_a_folder_of_any_ordinary_name(tmp_path, place):
    desk = take(tmp_path / place / "store", SAMPLE / "paper-moth")
    assert not desk.score(DAY).empty


def test_a_folder_whose_name_the_tables_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(StoreError, match="Choose another folder with --data"):
        take(tmp_path / "my store [1]", SAMPLE / "paper-moth")


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(file.read_bytes()[:100]), Path.unlink])
def test_kept_counts_that_were_damaged_are_counted_again(tmp_path, damage):
    desk = take(tmp_path, SAMPLE / "paper-moth")
    true = desk.score(DAY)
    [kept] = (tmp_path / "counts").iterdir()
    damage(kept / "faults.parquet")
    assert Workspace(tmp_path).score(DAY).equals(true)
    assert (kept / "faults.parquet").is_file()


def test_a_change_in_the_policy_that_another_is_based_on_is_seen(tmp_path):
    take(tmp_path / "store", SAMPLE / "birchway-crafts")
    base, child = tmp_path / "base.yaml", tmp_path / "child.yaml"
    text = (Path(__file__).parents[1] / "healthkit" / "metrics" / "policies" / "amazon_us.yaml").read_text(
        encoding="utf-8"
    )
    child.write_text(f"policy: child\ntitle: Child\nbased_on: {base}\nzone: UTC\nread: 2026-11-22\nrules: {{}}\n")
    counts = []
    for counted in (text, text.replace("clock: ship_by_on", "clock: shipped_on")):
        base.write_text(counted, encoding="utf-8")
        rows = Workspace(tmp_path / "store", str(child)).score(DAY)
        counts.append(rows[rows["metric"] == "late_shipment_rate"]["counted"].max())
    assert min(counts) > 600
    assert counts[0] != counts[1]


def test_orders_of_a_marketplace_that_no_policy_judges_are_named_and_block_nothing(tmp_path, monkeypatch):
    # Every marketplace has a policy; Singapore loses its own here.
    monkeypatch.setattr("healthkit.workspace.workspace.marketplaces_with_policy", lambda: {"US"})
    folder = orders(tmp_path / "acme", "a.txt", *many(1, 3, "2026-10-05"), *many(10, 1, "2026-10-05", "Amazon.sg"))
    desk = take(tmp_path / "store", folder)
    assert desk.unjudged_marketplaces == ["SG"]
    assert desk.unjudged_stores() == [("acme", "SG", 1)]
    assert desk.unjudged_stores(["bolt"]) == []
    assert set(desk.score(DAY)["marketplace"]) == {"US"}


def test_a_window_that_reaches_past_the_files_is_not_judged(tmp_path):
    folder = orders(tmp_path / "acme", "a.txt", *many(1, 50, "2026-08-01"), *many(100, 50, "2026-09-20"))
    rows = take(tmp_path / "store", folder).score(date(2026, 9, 30), window=30, lag=0)
    cancelled = rows[rows["metric"] == "cancellation_rate"].iloc[0]
    assert (cancelled["counted"], cancelled["status"]) == (50, "short history")


def test_a_month_that_no_file_reaches_into_has_no_report(tmp_path):
    desk = take(tmp_path, SAMPLE / "birchway-crafts")
    with pytest.raises(MonthError, match="no orders to report for 2026-12"):
        open_report(desk, "birchway-crafts", "2026-12")


def test_a_report_leaves_the_options_of_pandas_and_the_texts_of_the_counts_as_they_were(tmp_path):
    desk = take(tmp_path, SAMPLE / "birchway-crafts")
    storage = desk.counts.faults["order_id"].dtype.storage
    for month in ("2026-10", "2026-12"):
        with suppress(MonthError):
            open_report(desk, "birchway-crafts", month)
        assert pd.get_option("mode.string_storage") == "auto"
    assert desk.counts.faults["order_id"].dtype.storage == storage == pd.Series(["a"]).dtype.storage


def test_a_file_of_defects_in_one_marketplace_is_no_evidence_of_another(tmp_path):
    folder = orders(tmp_path / "acme", "a.txt", *many(1, 5, "2026-09-01"), *many(50, 5, "2026-09-01", "Amazon.de"))
    (folder / "d.csv").write_text("order-id,kind,known-on\n111-0000000-0000001,a_to_z_claim,2026-09-09\n")
    rows = take(tmp_path / "store", folder).score(date(2026, 9, 30), window=60, lag=0)
    claims = rows[rows["metric"] == "a_to_z_claim_rate"].set_index(["marketplace", "channel"])["counted"]
    assert claims.loc[("US", "seller")] == 5
    assert claims.loc[("DE", "seller")] == 0


def test_two_imports_of_one_file_at_the_same_moment_are_one_file(tmp_path):
    desk = take(tmp_path, SAMPLE / "paper-moth")
    files = len(desk.store.reports())
    desk.store._append(tables.REPORTS, desk.store._reports())
    assert len(desk.store.reports()) == files
