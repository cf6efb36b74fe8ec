"""Reports opened from disk with the network off: every chart is drawn, nothing is asked for, nothing complains."""

from __future__ import annotations

import pytest

from tests.browser.axe import violations
from tests.builders.slow import slow_after

ACCOUNTS = (
    "birchway-crafts_us", "index", "applegate-plants_us", "clearbrook-bath_us", "lantern-hill-lighting_us",
    "minato-bungu_jp", "paper-moth_us", "thistle-and-wren_uk", "werkstatt-lindenau_de",
)  # fmt: skip


@pytest.fixture
def opened(offline_chromium, reports):
    """Open a page from disk; what the console said and what was requested is kept with it."""
    contexts = []

    def open_page(name: str, **looks):
        context = offline_chromium.new_context(offline=True, **looks)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((reports / f"{name}.html").as_uri())
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
    page.get_by_role("button", name="Status").press("Enter")
    assert names.all_inner_texts() == every


def test_a_page_of_many_charts_is_small(opened, reports):
    page = opened("lantern-hill-lighting_us", viewport={"width": 1280, "height": 900})
    assert page.locator("script[data-chart]").count() >= 8
    assert (reports / "lantern-hill-lighting_us.html").stat().st_size <= 150 * 1024
