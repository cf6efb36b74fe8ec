"""Charts of a page saved from the browser: offline, from disk, white in a dark page too."""

from __future__ import annotations

import json
import re

import pytest

from healthkit.report import charts
from tests.builders.pictures import colours_of, png_pixels

PAGE = "lantern-hill-lighting_us"
CHART = "order-defect-rate-seller-rate"


@pytest.fixture
def open_page(offline_chromium, reports):
    """Open a page from disk with the network off; what the console said is kept with it."""
    contexts = []

    def open_one(**looks):
        contexts.append(offline_chromium.new_context(offline=True, accept_downloads=True, **looks))
        page = contexts[-1].new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto((reports / f"{PAGE}.html").as_uri())
        page.wait_for_function("['drawn', 'failed'].includes(document.documentElement.dataset.charts)")
        return page

    yield open_one
    for context in contexts:
        context.close()


def saved(page, kind: str, chart: str = CHART):
    """The name and content of the picture that the button of a chart saves."""
    with page.expect_download() as wait:
        page.locator(f"#{chart} + .pictures").get_by_role("button", name=kind).click()
    return wait.value.suggested_filename, wait.value.path().read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_saved_white_in_the_colours_of_the_light_page(open_page, scheme):
    page = open_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    name, png = saved(page, "PNG")
    pixels = png_pixels(png)
    wide = json.loads(page.locator(f'script[data-chart="{CHART}"]').inner_text())["usermeta"]["sizes"]["wide"]
    assert name == f"{PAGE}_{CHART}.png"
    assert pixels.shape[1] == pytest.approx(2 * wide[0], abs=4)
    assert (pixels[..., 3] == 255).all()
    assert {tuple(pixels[row, column]) for row in (0, -1) for column in (0, -1)} == {(255, 255, 255, 255)}
    assert {charts.COLOURS[one] for one in ("off", "zone", "ink")} <= colours_of(pixels)

    name, svg = saved(page, "SVG")
    assert name == f"{PAGE}_{CHART}.svg"
    assert b"var(" not in svg
    assert svg.startswith(b"<svg")
    assert re.search(rb'<rect width="100%" height="100%" fill="#ffffff"', svg)
    assert page.said == []


def test_every_chart_offers_both_and_a_phone_saves_the_wide_drawing(open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    drawn = page.locator("script[data-chart]").count()
    assert page.locator(".pictures button").count() == 2 * drawn
    labels = page.locator(".pictures button").evaluate_all("all => all.map((one) => one.ariaLabel)")
    assert len(set(labels)) == len(labels)
    _, png = saved(page, "PNG")
    assert png_pixels(png).shape[1] > 2 * charts.NARROW


def test_the_buttons_are_not_printed(open_page):
    page = open_page(viewport={"width": 1280, "height": 900})
    page.emulate_media(media="print")
    assert not page.locator(".pictures").first.is_visible()
