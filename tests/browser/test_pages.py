"""Reports opened from disk with the network off: every chart is drawn, nothing is asked for, nothing complains."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from healthkit import batch
from healthkit.report.html.page import html_page
from healthkit.report.html.portfolio import PortfolioPage, portfolio_index
from tests.browser.axe import violations
from tests.builders.sample import MONTH
from tests.builders.slow import slow_after

ACCOUNTS = (
    "birchway-crafts_us", "index", "applegate-plants_us", "clearbrook-bath_us", "lantern-hill-lighting_us",
    "minato-bungu_jp", "paper-moth_us", "thistle-and-wren_uk", "werkstatt-lindenau_de",
)  # fmt: skip


@pytest.fixture
def opened(offline_chromium, reports):
    """Open a page from disk; what the console said and what was requested is kept with it."""
    contexts = []

    def open_page(name: str, folder: Path = reports, **looks):
        context = offline_chromium.new_context(offline=True, **looks)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((folder / f"{name}.html").as_uri())
        page.wait_for_function("['drawn', 'failed'].includes(document.documentElement.dataset.charts)")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", slow_after(2, ACCOUNTS))
def test_a_page_draws_every_chart_offline_in_silence(opened, reports, name):
    page = opened(name, viewport={"width": 1280, "height": 900})
    charts = page.locator("script[data-chart]").count()
    drawn = page.locator(".chart svg").count()
    assert page.evaluate("document.documentElement.dataset.charts") == "drawn"
    assert drawn == 2 * charts
    assert page.locator(".undrawn").count() == 0
    assert page.said == []
    assert all(url.startswith(reports.as_uri()) for url in page.asked)


def test_a_page_with_something_off_target_has_charts_at_all(opened):
    assert opened("birchway-crafts_us").locator("script[data-chart]").count() >= 6


@pytest.mark.parametrize("name", ["birchway-crafts_us", "index"])
def test_nothing_scrolls_sideways_on_a_phone(opened, name):
    page = opened(name, viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_links_of_the_index_lead_to_pages(opened):
    page = opened("index")
    page.locator('a[href="birchway-crafts_us.html"]').first.click()
    page.wait_for_url("**/birchway-crafts_us.html")
    assert page.locator("h1").inner_text().startswith("birchway-crafts")


@pytest.mark.parametrize("name", slow_after(2, ACCOUNTS))
@pytest.mark.parametrize("looks", slow_after(1, [{}, {"color_scheme": "dark"}]))
def test_axe_finds_nothing_on_a_page(opened, name, looks):
    assert violations(opened(name, viewport={"width": 1280, "height": 900}, **looks), "body", None) == []


@pytest.mark.parametrize("looks", [{"width": 390, "scheme": "dark"}, {"width": 1280, "scheme": "light"}])
def test_a_package_opens_offline_in_silence_wherever_it_is_unpacked(opened, desk, threads, tmp_path, looks):
    made = batch.generate_reports(
        desk, MONTH, accounts=["birchway-crafts"], out=tmp_path / "made", executor=threads, package=True
    )
    [package] = made.packages
    client = tmp_path / "of a client"
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(client)
    made.index.parent.rename(tmp_path / "gone")
    pages = list(client.rglob("*.html"))
    assert pages
    for path in pages:
        page = opened(
            path.stem, path.parent, viewport={"width": looks["width"], "height": 900}, color_scheme=looks["scheme"]
        )
        assert page.evaluate("document.documentElement.dataset.charts") == "drawn"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert all(Path(url.removeprefix("file://").replace("%20", " ")).is_relative_to(client) for url in page.asked)
        assert page.said == []
        assert violations(page, "body", None) == []


def test_the_index_is_searched_and_sorted_with_no_server(opened):
    page = opened("index", viewport={"width": 1280, "height": 900})
    names = page.locator(".ix tbody .x-account a")
    every = names.all_inner_texts()
    page.get_by_label("Find an account").fill("PAPER")
    assert page.locator(".ix tbody tr:not([hidden])").count() == 1
    page.get_by_label("Find an account").fill("")
    head = page.get_by_role("button", name="Account", exact=True)
    head.press("Enter")
    assert names.all_inner_texts() == sorted(every)
    head.press("Enter")
    assert names.all_inner_texts() == sorted(every, reverse=True)
    page.get_by_role("button", name="Rank").press("Enter")
    assert names.all_inner_texts() == every
    page.get_by_role("button", name="Status").press("Enter")
    statuses = [text.strip("✕▲?✓ \n") for text in page.locator(".ix tbody .x-status .st").all_inner_texts()]
    assert statuses == sorted(statuses, key=("Off target", "At risk", "Cannot be judged", "On target").index)


def test_the_index_is_filtered_by_status_and_marketplace_with_the_keyboard(opened):
    page = opened("index", viewport={"width": 1280, "height": 900})
    shown = page.locator(".ix tbody tr:not([hidden])")
    every = shown.count()
    off = page.get_by_role("button", name="off target")
    off.press("Enter")
    assert off.get_attribute("aria-pressed") == "true"
    assert 0 < shown.count() == page.locator(".ix tbody tr.r-off").count() < every
    assert page.locator("p.find [role=status]").inner_text() == f"{shown.count()} of {every}"
    page.get_by_label("Marketplace").select_option("Amazon Germany")
    assert shown.locator(".x-account a").all_inner_texts() == ["werkstatt-lindenau"]
    off.press("Space")
    page.get_by_label("Marketplace").select_option("all")
    assert shown.count() == every
    assert page.locator("p.find [role=status]").inner_text() == ""
    assert page.said == []


def test_an_index_of_many_is_filtered_by_tag_and_draws_all_strips(offline_chromium, tmp_path):
    rows = [
        {"account": f"shop-{n:03}", "marketplace": "US", "marketplace_title": "Amazon US", "as_of": "2026-10-31",
         "href": f"{n}.html", "csv_href": "", "status": "at risk", "metric": "late_shipment_rate", "channel": "seller",
         "window": 30, "counted": 100, "at_fault": 3, "side": "below", "target": 0.04, "headroom": 0, "value": None,
         "used": 0.75, "whose": "", "likely": "", "unjudged": 0, "missing": [], "why": "", "first": "", "harm": None,
         "strips": {"late_shipment_rate seller": [[n / 100, "on target"], None, [1.2, "off target"]]}}
        for n in range(130)
    ]  # fmt: skip
    tags = {"shop-007": ("late & new", "calls"), "shop-100": ("calls",)}
    block = portfolio_index(PortfolioPage("2026-10", date(2026, 10, 31), pd.DataFrame(rows, dtype=object), tags=tags))
    path = tmp_path / "index.html"
    path.write_text(html_page("All", [block], is_index=True), encoding="utf-8")
    context = offline_chromium.new_context(offline=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-strips=drawn]", state="attached")
    drawn = page.locator(".ix tbody .x-strip svg")
    assert drawn.count() == 130
    assert drawn.nth(100).get_attribute("aria-label") == "Late Shipment Rate: 1 of 3 weeks off target"
    # The bars of the last three weeks: 15 pixels are the limit, which is drawn over the weeks with data alone.
    paths = page.locator("tr:nth-child(101) .x-strip path").evaluate_all(
        "all => all.map((one) => one.getAttribute('d'))"
    )
    assert paths == ["M47 24v-15", "M51 24v-18", "M46 9h2M50 9h2"]
    shown = page.locator(".ix tbody tr:not([hidden]) .x-account a")
    page.get_by_label("Tag").select_option("late & new")
    assert shown.all_inner_texts() == ["shop-007"]
    page.get_by_label("Tag").select_option("calls")
    assert shown.all_inner_texts() == ["shop-007", "shop-100"]
    assert page.locator("p.find [role=status]").inner_text() == "2 of 130"
    assert said == []
    context.close()


def test_a_page_of_many_charts_is_small(opened, reports):
    page = opened("lantern-hill-lighting_us", viewport={"width": 1280, "height": 900})
    assert page.locator("script[data-chart]").count() >= 8
    assert (reports / "lantern-hill-lighting_us.html").stat().st_size <= 150 * 1024
