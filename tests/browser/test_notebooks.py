"""The four notebooks in a real JupyterLab that reaches no other machine: run, moved by keys and by hand, and saved."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from healthkit.report import charts
from healthkit.report.text import figures
from healthkit.report.text import outlook as outlook_text
from tests.browser.axe import violations
from tests.browser.lab import Lab, lab, run_all
from tests.builders.pictures import colours_of, png_pixels
from tests.builders.slow import slow_after

AS_OF = date(2026, 10, 31)
NOTEBOOKS = ("01_where_do_i_stand.ipynb", "02_what_changed.ipynb", "03_what_if.ipynb", "04_portfolio.ipynb")
ACCOUNT = "birchway-crafts"


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def opened(offline_chromium, held: Lab, sample_store):
    """Open one of the notebooks, all its cells run; closed in the end, its kernel too."""
    pages = []

    def open_page(name: str, **given):
        page = run_all(offline_chromium, held, held.add(name, sample_store, **given))
        pages.append(page)
        drawn = page.locator(".hk-answer .chart[data-drawn]").first
        drawn.scroll_into_view_if_needed()
        page.wait_for_function(
            "!document.querySelector('.hk-answer .chart') || document.querySelector('.hk-answer svg')"
        )
        return page

    yield open_page
    for page in pages:
        page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
        page.context.close()


def drawings(page) -> int:
    """How many times the chart was drawn."""
    return int(page.locator(".hk-answer .chart").first.get_attribute("data-drawn"))


def after(page, act) -> None:
    """Do something, and wait for the drawing that follows it and for the list below."""
    before = drawings(page)
    act()
    page.wait_for_function(f"Number(document.querySelector('.hk-answer .chart').dataset.drawn) > {before}")
    page.wait_for_timeout(80)


def late_shipment(page) -> None:
    """Choose Late Shipment Rate, which may be chosen already, and wait until it is answered."""
    page.locator(".hk-panel").get_by_label("Measure").select_option(label="Late Shipment Rate (seller-fulfilled)")
    said = "document.querySelector('.hk-answer .finding').textContent.replace(/\\s/g, ' ')"
    page.wait_for_function(f"{said}.includes('Late Shipment Rate over 30')")
    page.wait_for_function("document.querySelector('.hk-answer .orders h3').textContent.length > 0")
    page.wait_for_timeout(200)


def texts(page) -> list[str]:
    """All texts that the chart shows."""
    return page.locator(".hk-answer .chart svg text").all_text_contents()


def shown_rate(row) -> str:
    return figures.format_rate(int(row["counted"]), int(row["at_fault"]), row["side"], row["target"])


def listed(page) -> list[str]:
    """The order ids in the list, in its order."""
    return page.locator(".hk-answer .od tbody th").all_inner_texts()


@pytest.mark.parametrize("name", slow_after(1, NOTEBOOKS))
def test_a_notebook_runs_in_silence_asks_nobody_and_can_be_used_by_all(opened, name):
    page = opened(name)
    assert page.said == []
    assert page.asked == []
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code')"
        ".flatMap(c => c.model.outputs.toJSON()).filter(o => o.output_type === 'error').length"
    ) == 0  # fmt: skip
    assert violations(page, ".hk-panel") == []
    said = page.locator(".hk-answer .chart [aria-roledescription=visualization]").first.get_attribute("aria-label")
    findings = [page.locator(f".hk-answer {place}").first.inner_text() for place in ("figure h3", ".finding b")]
    assert said in findings


def test_keys_move_window_and_measure_and_the_chart_shows_what_scores_gives(opened, desk):
    page = opened(NOTEBOOKS[0], account=ACCOUNT, as_of="2026-10-31")
    panel = page.locator(".hk-panel")
    panel.get_by_label("Measure").focus()
    after(page, lambda: page.keyboard.press("Home"))
    measure = panel.get_by_label("Measure").evaluate("node => node.selectedOptions[0].label")
    assert measure.replace("\N{NO-BREAK SPACE}", " ") == "Order Defect Rate (seller-fulfilled)"
    after(page, lambda: page.keyboard.press("ArrowDown"))
    assert panel.get_by_label("Measure").evaluate("node => node.selectedIndex") == 1
    page.keyboard.type("late")
    page.wait_for_function("document.querySelector('.hk-answer .finding').textContent.includes('Late')")
    chosen = panel.get_by_label("Measure").evaluate("node => node.selectedOptions[0].textContent")
    assert chosen.replace("\N{NO-BREAK SPACE}", " ").startswith("Late Shipment Rate")
    kinds = page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.map(c => c.model.type)")
    assert kinds.count("code") == 6
    slider = panel.get_by_role("slider", name="Window in days")
    slider.focus()
    for window in (31, 32, 33):
        after(page, lambda: page.keyboard.press("ArrowRight"))
        row = desk.account(ACCOUNT).measure("late_shipment_rate", AS_OF, window=window)
        assert shown_rate(row) in texts(page)
        assert f"over {window} days" in page.locator(".hk-answer .finding").inner_text()
    # The drawing stayed and took the new figures.
    assert int(page.locator(".hk-answer .chart").get_attribute("data-made")) < drawings(page)


@pytest.mark.slow
def test_days_picked_by_key_and_by_hand_list_the_orders_at_fault_on_them(opened, desk):
    page = opened(NOTEBOOKS[0], account=ACCOUNT, as_of="2026-10-31")
    row = desk.account(ACCOUNT).measure("late_shipment_rate", AS_OF)
    late_shipment(page)
    reader = page.locator(".hk-answer .reader")
    reader.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function(
        "document.querySelector('.hk-answer .reader').getAttribute('aria-valuetext').includes('23 October')"
    )
    page.keyboard.press("Enter")
    first, last = AS_OF - timedelta(8), AS_OF - timedelta(5)
    page.wait_for_function("document.querySelector('.hk-answer .orders h3').textContent.includes('23 to 26 October')")
    on_last = desk.account(ACCOUNT).measure("late_shipment_rate", last, window=int(row["window"]))
    expected = desk.account(ACCOUNT).orders_at_fault(on_last, since=first)
    assert set(listed(page)) == set(expected["order_id"])
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('.hk-answer .orders h3').textContent.includes('23 to 26')")
    assert set(listed(page)) == set(desk.account(ACCOUNT).orders_at_fault(row)["order_id"])
    # By hand: from the left end to the middle.
    box = reader.bounding_box()
    page.mouse.move(box["x"] + 1, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.hk-answer .orders h3').textContent.includes(' to ')")
    begin = AS_OF - timedelta(119)
    middle = begin + timedelta(60)
    expected = desk.account(ACCOUNT).orders_at_fault(
        desk.account(ACCOUNT).measure("late_shipment_rate", middle, window=int(row["window"])), since=begin
    )
    title = page.locator(".hk-answer .orders h3").inner_text()
    assert title.startswith(f"{len(expected)} order") or f"of {len(expected)} orders" in title
    # A click picks one day.
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 50)
    page.wait_for_function("document.querySelector('.hk-answer .orders h3').textContent.endsWith('on 31 October 2026')")
    assert set(listed(page)) == set(desk.account(ACCOUNT).orders_at_fault(row)["order_id"])


@pytest.mark.slow
def test_the_list_is_sorted_searched_and_saved_whole(opened, desk):
    page = opened(NOTEBOOKS[0], account=ACCOUNT, as_of="2026-10-31")
    late_shipment(page)
    orders = desk.account(ACCOUNT).orders_at_fault(desk.account(ACCOUNT).measure("late_shipment_rate", AS_OF))
    head = page.locator(".hk-answer .od thead").get_by_role("button", name="Order")
    head.click()
    page.wait_for_function("document.querySelectorAll('.hk-answer th[aria-sort=ascending]').length === 1")
    assert listed(page) == sorted(orders["order_id"])
    head.click()
    page.wait_for_function("document.querySelectorAll('.hk-answer th[aria-sort=descending]').length === 1")
    assert listed(page) == sorted(orders["order_id"], reverse=True)
    wanted = sorted(orders["order_id"])[3]
    find = page.get_by_label("Find in these orders")
    find.fill(wanted)
    page.wait_for_function("document.querySelectorAll('.hk-answer .od tbody tr').length === 1")
    assert listed(page) == [wanted]
    find.fill("")
    page.wait_for_function(f"document.querySelectorAll('.hk-answer .od tbody tr').length === {len(orders)}")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8-sig"))))
    assert {row["Order"] for row in rows} == set(orders["order_id"])
    assert saved.value.suggested_filename == "birchway-crafts_late_shipment_rate_2026-10-31.csv"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as XLSX").click()
    heads, *cells = CalamineWorkbook.from_path(saved.value.path()).get_sheet_by_name("Orders").to_python()
    assert heads == list(rows[0])
    assert {row[heads.index("Order")] for row in cells} == set(orders["order_id"])
    assert saved.value.suggested_filename == "birchway-crafts_late_shipment_rate_2026-10-31.xlsx"


@pytest.mark.slow
def test_a_chart_of_a_panel_is_saved_white_in_the_colours_of_the_page(opened):
    page = opened(NOTEBOOKS[0], account=ACCOUNT, as_of="2026-10-31")
    page.emulate_media(color_scheme="dark")
    late_shipment(page)
    buttons = page.locator(".hk-answer .pictures")
    with page.expect_download() as saved:
        buttons.get_by_role("button", name="PNG").click()
    pixels = png_pixels(saved.value.path().read_bytes())
    assert (pixels[..., 3] == 255).all()
    assert {tuple(pixels[row, column]) for row in (0, -1) for column in (0, -1)} == {(255, 255, 255, 255)}
    assert {charts.COLOURS[one] for one in ("off", "zone", "ink")} <= colours_of(pixels)
    with page.expect_download() as saved:
        buttons.get_by_role("button", name="SVG").click()
    assert b"var(" not in saved.value.path().read_bytes()


@pytest.mark.slow
def test_a_bar_of_a_change_lists_the_orders_of_its_step(opened, desk):
    page = opened(NOTEBOOKS[1], account=ACCOUNT, as_of="2026-10-31", before="2026-09-30")
    first = page.locator(".hk-answer .bar").first
    first.click()
    page.wait_for_function("document.querySelector('.hk-answer .groups [aria-pressed=true]')")
    pressed = page.locator(".hk-answer .groups [aria-pressed=true]")
    step, many = pressed.inner_text().rstrip(")").split(" (")
    assert page.locator(".hk-answer .od tbody tr").count() == int(many)
    assert set(page.locator(".hk-answer .od tbody td.o-leaves").all_inner_texts()) == {step}
    pressed.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('.hk-answer .groups [aria-pressed=true]')")
    assert page.locator(".hk-answer .od tbody tr").count() > int(many)


@pytest.mark.slow
def test_a_cause_s_slider_moved_by_keys_shows_what_the_scenario_scores(opened, desk):
    page = opened(NOTEBOOKS[2], account="lantern-hill-lighting", as_of="2026-10-31")
    view = desk.account("lantern-hill-lighting")
    row = view.measure("order_defect_rate", AS_OF)
    measures = page.locator(".hk-panel").get_by_label("Measure")
    measures.select_option(
        label="Order Defect Rate (seller-fulfilled)"
    )  # May be chosen already; then nothing is drawn.
    page.wait_for_function("document.querySelector('.hk-answer .finding').textContent.includes('rder Defect')")
    slider = page.locator(".hk-panel").get_by_role("slider").nth(1)
    assert "fewer" in slider.get_attribute("aria-label").lower()
    slider.focus()
    for _ in range(6):
        page.keyboard.press("PageUp")
    by = int(float(slider.get_attribute("aria-valuenow")))
    assert by > 0
    cause = page.evaluate("document.querySelectorAll('.hk-panel .noUi-handle')[1].getAttribute('aria-label')")
    causes = {outlook_text.slider_label(name): name for name in ("a_to_z_claim", "negative_feedback", "chargeback")}
    held = view.what_if(row, [{"fewer": {"cause": causes[cause.removesuffix(", %")], "by": f"{by}%"}}])
    shown = json.dumps(shown_rate(held.after))
    page.wait_for_function(f"document.querySelector('.hk-answer .finding').textContent.includes({shown})")


@pytest.mark.slow
def test_a_cell_of_all_accounts_opens_the_account_at_its_measure(opened, desk):
    page = opened(NOTEBOOKS[3], as_of="2026-10-31")
    assert page.locator(".hk-answer .accounts tbody tr").count() == len(desk.counts.coverage)
    cell = page.locator(".hk-answer .heat button").first
    said = cell.get_attribute("aria-label")
    account, measure = said.split(":")[0].split(", ", 1)
    cell.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".hk-opened .hk-answer svg")
    opened_at = page.locator(".hk-opened select").first.evaluate("node => node.selectedOptions[0].textContent")
    assert opened_at.startswith(account)
    assert said.split(": ")[1].split(",")[0] in page.locator(".hk-opened .finding").inner_text()
    assert measure
    page.locator(".hk-panel").first.get_by_label("Find account").fill("lantern")
    page.wait_for_function("document.querySelectorAll('.hk-answer .accounts tbody tr').length === 1")


@pytest.mark.slow
def test_a_notebook_saved_after_use_is_small(opened, held):
    page = opened(NOTEBOOKS[0], account=ACCOUNT, as_of="2026-10-31")
    after(page, lambda: page.locator(".hk-panel").get_by_label("Days shown").select_option(label="730 days"))
    page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
    assert (held.root / NOTEBOOKS[0]).stat().st_size < 1_000_000
