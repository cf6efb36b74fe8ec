"""Draw the pictures of the README from data/sample: python docs/make_pictures.py (needs Chromium)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from healthkit import intake, press
from healthkit.desk import Desk
from healthkit.store import Store
from tests.browser.find_chromium import chromium


def main() -> None:
    """Print one report of the sample and keep a picture of its top."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        list(intake.take_in([ROOT / "data" / "sample"], Store(folder)))
        printed = press.print_month(Desk(folder), "2026-10", ["lantern-hill-lighting"], Path(folder) / "reports")
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(offline=True, viewport={"width": 1180, "height": 1390}).new_page()
        page.goto((printed.index.parent / "lantern-hill-lighting_us.html").as_uri())
        page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
        page.screenshot(path=ROOT / "docs" / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
