"""The template's pages hold what they held: their text is compared with the one that is stored.

After a change that is meant: python -m tests.test_template writes the stored pages anew; read what changed in them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from healthkit import batch
from healthkit.ingest import importer
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import AMAZON_FOLDERS

STORED = Path(__file__).parent / "pages"
ACCOUNTS = {"lantern-hill-lighting": "us", "clearbrook-bath": "us", "minato-bungu": "jp"}


class _Text(HTMLParser):
    """What a reader of a page reads, a line for each piece; of a chart its finding."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        if tag in ("script", "style"):
            self.inside = "chart" if "data-chart" in held else "skipped"
        if label := held.get("aria-label"):
            self.lines.append(f"({label})")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self.inside = ""

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self.inside == "chart":
            self.lines.append(f"[chart: {json.loads(data).get('description', '')}]")
        elif not self.inside and text:
            self.lines.append(text)


def text_of(page: Path) -> str:
    """The text of a page."""
    made = _Text()
    made.feed(page.read_text(encoding="utf-8"))
    return "\n".join(made.lines) + "\n"


@pytest.fixture(scope="module")
def printed(sample_store, tmp_path_factory) -> Path:
    return batch.generate_reports(
        Workspace(sample_store), "2026-10", ACCOUNTS, tmp_path_factory.mktemp("pages"), made="for the test"
    ).index.parent


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_page_reads_as_it_did(printed, account):
    name = f"{account}_{ACCOUNTS[account]}"
    assert text_of(printed / f"{name}.html") == (STORED / f"{name}.txt").read_text(encoding="utf-8")


def main() -> None:
    """Write the stored pages anew."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        list(importer.import_files(AMAZON_FOLDERS, Store(store)))
        made = batch.generate_reports(
            Workspace(store), "2026-10", ACCOUNTS, Path(folder) / "reports", made="for the test"
        )
        for account, code in ACCOUNTS.items():
            name = f"{account}_{code}"
            (STORED / f"{name}.txt").write_text(text_of(made.index.parent / f"{name}.html"), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
