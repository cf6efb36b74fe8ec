"""What several tests need: a store of the sample's Amazon accounts, its pages, a command line, a browser offline."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from IPython.core.interactiveshell import InteractiveShell
from typer.testing import CliRunner

from healthkit import batch
from healthkit.batch import fork_client
from healthkit.cli import app
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.browser.find_chromium import chromium

pytest.register_assert_rewrite("tests.builders")
from tests.builders.sample import AMAZON_FOLDERS, MONTH, SAMPLE, load_make_sample  # noqa: E402 - its assertions are to be rewritten
from tests.builders.store_files import import_all, three_imports  # noqa: E402


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory) -> Path:
    """The folder of a store that holds the Amazon accounts of data/sample."""
    folder = tmp_path_factory.mktemp("sample") / "store"
    import_all(Store(folder), AMAZON_FOLDERS)
    return folder


@pytest.fixture(scope="module")
def make_sample() -> Iterator[ModuleType]:
    """The module that writes data/sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SAMPLE.parent))
        yield load_make_sample()


@pytest.fixture(scope="session")
def desk(sample_store) -> Workspace:
    """The sample opened once a session, so that its counts are read once."""
    return Workspace(sample_store)


@pytest.fixture(scope="session")
def printed(desk, tmp_path_factory) -> batch.BatchResult:
    """The pages of all accounts of the sample, to be read and not changed."""
    return batch.generate_reports(desk, MONTH, out=tmp_path_factory.mktemp("reports"), jobs=2)


@pytest.fixture(scope="session")
def reports(printed) -> Path:
    """The folder of those pages."""
    return printed.index.parent


@pytest.fixture(scope="module")
def threads():
    """Threads that print, so that the fork server stays warm from one batch to the next."""
    with ThreadPoolExecutor(2) as executor:
        yield executor
    fork_client.stop_server()
    fork_client.set_warmup(None)


@pytest.fixture
def store(tmp_path) -> Store:
    """A store that holds nothing yet."""
    return Store(tmp_path / "store")


@pytest.fixture
def three(tmp_path) -> tuple[Store, list[Path]]:
    """A store of three imports, and their files."""
    return three_imports(tmp_path)


@pytest.fixture
def run(monkeypatch):
    """Run a command in this process, on a terminal of 200 columns."""
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words, **more: CliRunner().invoke(app, [str(word) for word in words], **more)


@pytest.fixture
def shell():
    """An IPython shell, as a notebook has it."""
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


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
