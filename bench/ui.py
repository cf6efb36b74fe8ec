"""Measure the time from a key press to the redrawn chart in JupyterLab, for our panels and others (`make bench-ui`).

The usual pattern is an Output widget that shows a new Altair chart for every value of a slider. Both use the same
workspace, rates and chart, so that only the way to the page differs; our panels also show the finding and the orders.
The usual pattern with a single line is measured too.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from healthkit.ingest import importer
from healthkit.store import Store
from tests.browser.find_chromium import chromium
from tests.browser.lab import lab, run_all

RAW = Path(os.environ.get("RAW") or Path(__file__).parents[1] / "data" / "sample")
"""Folder with the raw files to import; they must include the account birchway-crafts."""
PRESSES, WARMUP_PRESSES = int(os.environ.get("PRESSES", "30")), min(5, int(os.environ.get("PRESSES", "30")))
ONLY = tuple(os.environ.get("ONLY", "").split(","))
"""Prefixes of the names of the panels to measure, such as `ONLY=ours_730,usual_730`; empty for all panels."""
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
USUAL = """
import altair as alt
import ipywidgets as widgets
import pandas as pd
from datetime import date, timedelta
from IPython.display import clear_output, display
alt.renderers.enable("jupyter", offline=True, embed_options={"renderer": "svg"})
last = date(2026, 10, 31)
slider, out = widgets.IntSlider(20, 1, 365, description="Window"), widgets.Output()
def show(_):
    with out:
        clear_output(wait=True)
        display(draw(slider.value))
slider.observe(show, "value")
"""
ONE = """
def draw(window):
    days = hk.list_days(last - timedelta(729), last)
    rows = [workspace.score(days, ["birchway-crafts"], window=n, metrics=["late_shipment_rate"]) for n in (window, 30)]
    return hk.charts.rate_over_time(pd.concat(rows), window, 30, description=f"Late shipment over {window} days")
"""
EIGHT = """
def draw(window):
    days = hk.list_days(last - timedelta(59), last)
    rows = workspace.score(days, window=window, metrics=["late_shipment_rate"])
    charts = [(name, daily) for name, daily in rows.groupby("account") if (daily["counted"] > 0).any()]
    return hk.charts.small_multiples(charts[:8], description=f"Late shipment over {window} days")
"""
BARE = """
def draw(window):
    days = hk.list_days(last - timedelta(729), last)
    rows = workspace.score(days, ["birchway-crafts"], window=window, metrics=["late_shipment_rate"])
    line = alt.Chart(rows[["as_of", "rate"]]).mark_line().encode(x="as_of:T", y="rate:Q")
    return line.properties(width=700, height=300)
"""
SHOW = "show(None)\nwidgets.VBox([slider, out])"
OURS_ONE = """
panel = hk.where_i_stand(workspace, "birchway-crafts", "2026-10-31")
panel.history.value = 730
panel.measure.value = ("late_shipment_rate", "seller")
panel.window.value = 20
panel
"""
OURS_EIGHT = """
panel = hk.portfolio(workspace, "2026-10-31", look_ahead=False)
panel.measure.value = ("late_shipment_rate", "seller")
panel.window.value = 20
panel
"""
WATCH = """(root) => {
  const lines = () => [...root.querySelectorAll("g.mark-line path")].map((one) => one.getAttribute("d")).join("|");
  const bench = (window.bench = { seen: [], blank: 0, jumps: 0 });
  const handle = root.querySelector(".noUi-handle");
  handle.addEventListener("keydown", () => {
    const begin = performance.now(), before = lines(), high = root.offsetHeight, many = before.split("|").length;
    let last = "";
    const frame = () => {
      const now = lines();
      if (!now) bench.blank += 1;
      if (Math.abs(root.offsetHeight - high) > 2) bench.jumps += 1;
      const whole = now && now !== before && now.split("|").length >= many;
      if (whole) bench.seen.push(performance.now() - begin);
      else if (performance.now() - begin < 8000) requestAnimationFrame(frame);
      else bench.seen.push(NaN);
    };
    requestAnimationFrame(frame);
  }, true);
  handle.focus();
}"""


def measure_panel(browser: Any, jupyter: Any, name: str, cells: list[str]) -> dict[str, float]:
    """Return the median and the maximum time from a key press to the redrawn chart, and the number of bad frames.

    Bad frames are those without a chart and those in which the height has changed.
    """
    page = run_all(browser, jupyter, jupyter.write(f"{name}.ipynb", cells))
    root = page.locator(".jp-OutputArea-output").filter(has=page.locator(".noUi-handle")).last
    root.scroll_into_view_if_needed()
    root.locator("g.mark-line path").first.wait_for(state="attached", timeout=60_000)
    page.wait_for_timeout(1500)
    root.evaluate(WATCH)
    for n in range(WARMUP_PRESSES + PRESSES):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"window.bench.seen.length === {n + 1}", timeout=20_000)
        page.wait_for_timeout(120)
        if n + 1 == WARMUP_PRESSES:
            page.evaluate("window.bench.blank = window.bench.jumps = 0")
    measured = page.evaluate("window.bench")
    page.context.close()
    durations = measured["seen"][WARMUP_PRESSES:]
    return {
        "median_ms": round(statistics.median(durations), 1), "worst_ms": round(max(durations), 1),
        "blank_frames": measured["blank"], "jumping_frames": measured["jumps"],
    }  # fmt: skip


def main() -> None:
    """Measure all panels and print the results; the last line is JSON."""
    path = chromium()
    if path is None:
        sys.exit("No Chromium found: install it, or set CHROMIUM to its path.")
    with tempfile.TemporaryDirectory(prefix="bench-ui-") as parent, sync_playwright() as playwright:
        folder = Path(parent)
        list(importer.import_files([RAW], Store(folder / "store")))
        # The usual pattern uses Altair's own renderer, so it does not call `hk.setup()`.
        usual = f"import healthkit as hk\nworkspace = hk.open_workspace({str(folder / 'store')!r})"
        ours = f"{usual}\nhk.setup()"
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        figures = {}
        with lab(folder) as jupyter:
            for name, cells in {
                "ours_730_days": [ours, OURS_ONE],
                "usual_730_days": [usual, USUAL + ONE, SHOW],
                "usual_730_days_bare_line": [usual, USUAL + BARE, SHOW],
                "ours_8_charts": [ours, OURS_EIGHT],
                "usual_8_charts": [usual, USUAL + EIGHT, SHOW],
            }.items():
                if not name.startswith(ONLY):
                    continue
                figures[name] = measure_panel(browser, jupyter, name, cells)
                print(name, figures[name], flush=True)
        browser.close()
    pairs = {"730_days": "730_days", "730_days_bare_line": "730_days", "8_charts": "8_charts"}
    ratios = {
        usual: round(figures[f"usual_{usual}"]["median_ms"] / figures[f"ours_{ours}"]["median_ms"], 1)
        for usual, ours in pairs.items()
        if f"usual_{usual}" in figures and f"ours_{ours}" in figures
    }
    print(json.dumps({"presses": PRESSES, **figures, "times_faster": ratios}))


if __name__ == "__main__":
    main()
