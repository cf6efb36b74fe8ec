"""What several tests need, once a session: a store made from data/sample, and a browser with the network off."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthkit.ingest import importer
from healthkit.store import Store
from tests.browser.find_chromium import chromium

pytest.register_assert_rewrite("tests.builders")
SAMPLE = Path(__file__).parents[1] / "data" / "sample"


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory) -> Path:
    """The folder of a store that holds data/sample."""
    folder = tmp_path_factory.mktemp("sample") / "store"
    outcomes = list(importer.import_files([SAMPLE], Store(folder)))
    assert [outcome.refused for outcome in outcomes if outcome.refused] == []
    return folder


QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def offline_chromium():
    """A browser; each test opens its own context, with `offline=True`."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: install it, or set CHROMIUM to its path")
    # Only the tests with a browser need it.
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()
