"""The sliders of a saved report, driven by keyboard with the network off: they show what `whatif` scores."""

from __future__ import annotations

from datetime import date

import pytest

from healthkit.report import wording
from healthkit.report.wording import foresight
from tests.builders.slow import slow_after

AS_OF = date(2026, 10, 31)
MEASURES = {"lantern-hill-lighting": "order_defect_rate", "birchway-crafts": "late_shipment_rate"}
POSITIONS = (0, 5, 15, 25, 40, 45, 55, 70, 85, 100)


@pytest.mark.parametrize(("account", "metric"), slow_after(1, MEASURES.items()))
def test_a_slider_moved_by_keys_shows_what_the_scenario_scores(offline_chromium, reports, desk, account, metric):
    row = desk.measure(account, metric, AS_OF)
    context = offline_chromium.new_context(offline=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((reports / f"{account}_us.html").as_uri())
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    box = page.locator(f".whatif[id^='{metric.replace('_rate', '').replace('_', '-')}']").first
    if not box.count():
        box = page.locator(".whatif").first
    slider = box.locator("input[type=range]").first
    grain = int(slider.get_attribute("step"))
    cause = {"order_defect_rate": "a_to_z_claim", "late_shipment_rate": "shipped_late"}[metric]
    label = box.locator("label").first.inner_text().replace("\N{NON-BREAKING HYPHEN}", "-")
    assert label == foresight.slider_label(cause)
    slider.focus()
    page.keyboard.press("Home")
    at, seen = 0, []
    for position in POSITIONS:
        while at < position:
            page.keyboard.press("ArrowRight")
            at += grain
        held = desk.what_if(row, [{"fewer": {"cause": cause, "by": f"{position}%"}}])
        answer = {name: box.locator(f"[data-answer={name}]").inner_text() for name in ("rate", "status", "back")}
        after = held.after
        assert answer["rate"].startswith(
            f"{wording.format_rate(after['counted'], after['at_fault'], after['side'], after['target'])} "
            f"({wording.format_count(after['counted'], after['at_fault'])})"
        )
        word = foresight.slider_status_phrase(
            after["status"], int(after["headroom"]), wording.metric_words(metric).noun
        )
        assert answer["status"] == wording.STATUS_STYLES[after["status"]].symbol + word
        assert answer["back"] == foresight.format_return_date(held.calendar_after.back_on, AS_OF, AS_OF.year)
        assert box.locator("output").first.inner_text() == f"{position}%"
        seen.append(answer["rate"])
        # The dot of the curve stands where the slider stands.
        dot = box.locator(".chart .wide .mark-symbol path").first.get_attribute("transform")
        seen.append(dot)
    assert len(set(seen)) > len(POSITIONS)
    assert said == []
    context.close()
