"""Draw the pictures of the README from data/sample: python docs/make_pictures.py (needs Chromium)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from healthkit import batch
from healthkit.ingest import importer
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.browser.find_chromium import chromium
from tests.browser.lab import Lab, lab, run_all

NOTEBOOKS = {
    "01_where_do_i_stand": {"account": "lantern-hill-lighting"},
    "02_what_changed": {"account": "birchway-crafts"},
    "03_what_if": {"account": "birchway-crafts"},
    "04_portfolio": {},
}


def main() -> None:
    """Print one report of the sample and keep a picture of its top; run the notebooks and keep one of each panel."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        store = folder / "store"
        list(importer.import_files([ROOT / "data" / "sample"], Store(store)))
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        _report(browser, store, folder)
        with lab(folder) as held:
            for name, given in NOTEBOOKS.items():
                _panel(browser, held, store, name, given)
        browser.close()


def _report(browser: Any, store: Path, folder: Path) -> None:
    printed = batch.generate_reports(Workspace(store), "2026-10", ["lantern-hill-lighting"], folder / "reports")
    page = browser.new_context(offline=True, viewport={"width": 1180, "height": 1390}).new_page()
    page.goto((printed.index.parent / "lantern-hill-lighting_us.html").as_uri())
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    page.screenshot(path=ROOT / "docs" / "report.png")


def _panel(browser: Any, held: Lab, store: Path, name: str, given: dict[str, Any]) -> None:
    page = run_all(browser, held, held.add(f"{name}.ipynb", store, as_of="2026-10-31", **given))
    if name == "03_what_if":
        slider = page.locator(".hk-panel").get_by_role("slider").nth(1)
        slider.focus()
        for _ in range(8):
            page.keyboard.press("PageUp")
    panel = page.locator(".hk-panel").first
    panel.locator("svg").first.wait_for(state="attached")
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    page.screenshot(
        path=ROOT / "docs" / f"{name}.png",
        clip={"x": box["x"] - 8, "y": box["y"] - 8, "width": box["width"] + 16, "height": min(box["height"] + 16, 900)},
    )
    page.context.close()


if __name__ == "__main__":
    main()
