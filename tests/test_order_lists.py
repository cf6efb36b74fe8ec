"""The list of orders of one measure: only its orders, plain titles, days as ISO, and nothing that runs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from healthkit.report.html.report import chapter_order_lists, chapter_order_workbooks, measure_chapters
from tests.builders.made_report import monthly
from tests.builders.workbooks import read_back

SUFFIX = "_orders_order-defect-rate-seller.csv"


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_a_list_holds_the_orders_of_its_measure_alone() -> None:
    report = monthly()
    faults = report.at_fault
    rows = rows_of(chapter_order_lists(report)[SUFFIX])
    mine = faults[(faults["metric"] == "order_defect_rate") & (faults["channel"] == "seller")]
    mine = mine[mine["window"] == 60]
    assert len(rows) == 31 < len(faults)
    assert sorted(row["Order"] for row in rows) == sorted(mine["order_id"])
    days = mine["leaves_on"].dt.strftime("%Y-%m-%d")
    assert {row["Order"]: row["Leaves on"] for row in rows} == dict(zip(mine["order_id"], days, strict=True))
    assert [row["Leaves on"] for row in rows] == sorted(days)


def test_titles_and_causes_are_words() -> None:
    rows = rows_of(chapter_order_lists(monthly())[SUFFIX])
    assert list(rows[0])[:5] == ["Order", "Cause", "Ordered", "Known", "Leaves on"]
    assert "_" not in "".join(rows[0])
    assert all(row["Cause"][0].isupper() and "_" not in row["Cause"] for row in rows)


def test_every_chapter_links_to_a_list_and_every_list_is_linked() -> None:
    html = measure_chapters(monthly(), "harbor").html
    lists = chapter_order_lists(monthly())
    assert all(f'href="harbor{suffix}"' in html for suffix in lists)
    assert html.count(".csv") == len(lists) > 0
    assert all(f'href="harbor{suffix}"' in html for suffix in chapter_order_workbooks(monthly()))
    assert html.count(".xlsx") == len(lists)


def test_a_workbook_holds_the_rows_of_the_csv_with_days_as_days() -> None:
    report = monthly()
    rows = rows_of(chapter_order_lists(report)[SUFFIX])
    heads, *cells = read_back(chapter_order_workbooks(report)[SUFFIX.replace("csv", "xlsx")])
    assert heads == list(rows[0])
    days = [heads.index(name) for name in ("Ordered", "Known", "Leaves on")]
    assert all(isinstance(row[place], date) for row in cells for place in days)
    assert [[str(value) for value in row] for row in cells] == [list(row.values()) for row in rows]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_a_formula_in_an_order_or_a_product_is_inert(formula: str) -> None:
    report = monthly()
    poisoned = report.at_fault.assign(order_id=formula + report.at_fault["order_id"].astype("str"), product=formula)
    rows = rows_of(chapter_order_lists(replace(report, at_fault=poisoned))[SUFFIX])
    assert {row["Product"] for row in rows} == {f"'{formula}"}
    assert all(row["Order"].startswith(f"'{formula}") for row in rows)


def test_the_files_beside_a_page_are_the_lists_of_its_chapters_and_the_full_csv(reports: Path) -> None:
    for account, metric, orders in (
        ("lantern-hill-lighting_us", "order-defect-rate-seller", 21),
        ("birchway-crafts_us", "late-shipment-rate-seller", 64),
    ):
        text = (reports / f"{account}_orders_{metric}.csv").read_bytes().decode("utf-8")
        assert len(rows_of(text)) == orders
        full = (reports / f"{account}_orders.csv").read_text(encoding="utf-8")
        assert full.startswith("metric,channel,window,order_id,")
        heads, *cells = read_back((reports / f"{account}_orders_{metric}.xlsx").read_bytes())
        assert [row[heads.index("Order")] for row in cells] == [row["Order"] for row in rows_of(text)]
        named = json.loads((reports / f"{account}.manifest.json").read_text(encoding="utf-8"))["files"]
        assert {path.name for path in reports.glob(f"{account}_orders*")} == {
            name for name in named if name.endswith((".csv", ".xlsx"))
        }
