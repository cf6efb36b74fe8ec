"""The press: a page for every account, the same bytes twice, and one failure that stops no other."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from healthkit import press
from healthkit.desk import Desk
from healthkit.monthly import MonthError
from healthkit.press import shelf, twin
from healthkit.store import StoreError

MONTH = "2026-10"


@pytest.fixture(scope="module")
def desk(sample_store):
    return Desk(sample_store)


@pytest.fixture(scope="module")
def printed(desk, tmp_path_factory):
    return press.print_month(desk, MONTH, out=tmp_path_factory.mktemp("reports"), jobs=2)


def test_every_account_gets_a_page_with_its_orders_and_figures_beside_it(desk, printed):
    folder = printed.index.parent
    pages = {path.name for path in folder.glob("*_??.html")}
    assert len(pages) == printed.pages == len(desk.accounts) == 8
    assert printed.failures == []
    for page in pages:
        assert (folder / page.replace(".html", ".json")).is_file()
        assert (folder / page.replace(".html", "_orders.csv")).is_file()
    index = printed.index.read_text(encoding="utf-8")
    assert all(f'href="{page}"' in index for page in pages)


def test_the_index_puts_the_worst_account_first(printed):
    index = printed.index.read_text(encoding="utf-8")
    order = re.findall(r'href="([a-z-]+)_[a-z]{2}\.html"', index)
    assert order[0] == "paper-moth"
    assert order.index("lantern-hill-lighting") < order.index("thistle-and-wren") < order.index("applegate-plants")


def test_the_figures_on_a_page_are_those_of_scores(desk, printed):
    page = (printed.index.parent / "birchway-crafts_us.html").read_text(encoding="utf-8")
    twin = json.loads((printed.index.parent / "birchway-crafts_us.json").read_text(encoding="utf-8"))
    rows = desk.score(desk.counts.coverage["ends_on"].max().date(), ["birchway-crafts"])
    assert [row["at_fault"] for row in twin["scores"]] == rows["at_fault"].tolist()
    assert "64 of 670" in page
    assert "9.6%" in page


def test_the_orders_beside_a_page_are_as_many_as_at_fault(printed):
    with (printed.index.parent / "lantern-hill-lighting_us_orders.csv").open(encoding="utf-8") as file:
        orders = list(csv.DictReader(file))
    assert sum(row["metric"] == "order_defect_rate" for row in orders) == 21


def test_the_same_store_gives_the_same_bytes(desk, printed, tmp_path):
    again = press.print_month(desk, MONTH, ["werkstatt-lindenau"], tmp_path)
    for name in ("werkstatt-lindenau_de.html", "werkstatt-lindenau_de.json", "werkstatt-lindenau_de_orders.csv"):
        assert (again.index.parent / name).read_bytes() == (printed.index.parent / name).read_bytes()


def test_a_misspelt_parameter_stops_with_the_ones_there_are(sample_store):
    given = {"acount": "paper-moth", "account": "paper-moth", "month": MONTH, "data": str(sample_store)}
    with pytest.raises(press.PressError, match=r"no parameter 'acount'. It has: account, month"):
        press.run_template(given)


def test_a_missing_parameter_stops(sample_store):
    with pytest.raises(press.PressError, match="needs account"):
        press.run_template({"month": MONTH, "data": str(sample_store)})


def test_an_unknown_account_or_a_month_without_data_stops_and_leaves_no_page(desk, tmp_path):
    with pytest.raises(StoreError, match="No account 'nobody'"):
        press.print_month(desk, MONTH, ["nobody"], tmp_path)
    with pytest.raises(MonthError, match="has no orders to report for 2025-10"):
        press.print_month(desk, "2025-10", ["paper-moth"], tmp_path)
    with pytest.raises(MonthError, match="The orders reach from 2026-02 to 2026-10"):
        press.print_month(desk, "2025-10", None, tmp_path)
    assert list(tmp_path.rglob("*.html")) == []


def test_a_run_that_fails_stands_on_the_index_and_stops_no_other(desk, tmp_path):
    template = broken(tmp_path, 'assert account != "paper-moth", "ship_by is empty in 14 rows"')
    printed = press.print_month(desk, MONTH, ["paper-moth", "clearbrook-bath"], tmp_path, template=template)
    assert printed.pages == 1
    assert [(one.account, one.what) for one in printed.failures] == [("paper-moth", "ship_by is empty in 14 rows")]
    assert "ship_by is empty in 14 rows" in printed.index.read_text(encoding="utf-8")
    assert not (printed.index.parent / "paper-moth_us.html").exists()
    assert (printed.index.parent / "clearbrook-bath_us.html").is_file()


def broken(folder: Path, line: str) -> Path:
    """The template with one more line, which runs before anything is shown."""
    template = nbformat.read(press.TEMPLATE, as_version=4)
    template.cells.insert(3, nbformat.v4.new_code_cell(line))
    nbformat.write(template, folder / "monthly_report.ipynb")
    return folder / "monthly_report.ipynb"


def test_a_failed_run_leaves_no_page_of_an_earlier_one(desk, tmp_path):
    press.print_month(desk, MONTH, ["paper-moth"], tmp_path)
    template = broken(tmp_path, 'raise ValueError("no luck")')
    printed = press.print_month(desk, MONTH, ["paper-moth"], tmp_path, template=template)
    assert sorted(path.name for path in printed.index.parent.iterdir()) == ["index.html", "vega.js"]
    assert "no luck" in printed.index.read_text(encoding="utf-8")


def test_a_run_that_dies_takes_no_other_with_it(desk, tmp_path):
    template = broken(tmp_path, 'import os\nif account == "paper-moth":\n    os._exit(3)')
    printed = press.print_month(desk, MONTH, ["paper-moth", "clearbrook-bath"], tmp_path, template=template)
    assert printed.pages == 1
    assert [(one.account, "died" in one.what) for one in printed.failures] == [("paper-moth", True)]


def test_the_index_holds_every_page_of_the_folder(desk, tmp_path):
    press.print_month(desk, MONTH, ["paper-moth"], tmp_path)
    index = press.print_month(desk, MONTH, ["clearbrook-bath"], tmp_path).index.read_text(encoding="utf-8")
    assert 'href="paper-moth_us.html"' in index
    assert 'href="clearbrook-bath_us.html"' in index


def test_names_of_one_notebook_are_not_seen_by_the_next(sample_store, tmp_path):
    cells = [
        nbformat.v4.new_code_cell('account = ""\nmonth = ""', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('left behind' if 'mine' in globals() else 'clean')\nmine = 1"),
    ]
    template = tmp_path / "t.ipynb"
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), template)
    for _ in range(2):
        notebook = press.run_template({"account": "a", "month": MONTH}, template)
        assert notebook.cells[-1].outputs[0].text == "clean\n"


def test_an_account_name_cannot_leave_the_folder():
    assert re.fullmatch(r"[a-z0-9-][a-z0-9._-]*", shelf.stem("../../etc/passwd", "US"))
    assert shelf.stem("a b", "US") != shelf.stem("a-b", "US")
    assert shelf.stem("Acme", "US") != shelf.stem("acme", "US")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    page = tmp_path / "page.html"
    shelf.write(page, "before")
    with pytest.raises(UnicodeEncodeError):
        shelf.write(page, "half \ud800 written")
    assert page.read_text() == "before"
    assert [path.name for path in Path(tmp_path).iterdir()] == ["page.html"]


def test_a_formula_in_an_export_is_text():
    assert twin._csv(pd.DataFrame({"product": ["=1+1", "lamp"]})) == "product\n'=1+1\nlamp\n"
