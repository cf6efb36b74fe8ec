"""`report --separate` and `--package`: what can be sent to one account, in which nothing of another stands."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healthkit import batch
from healthkit.batch import manifest
from healthkit.cli import app
from tests.builders.notebooks import template_with_cell
from tests.builders.sample import MONTH, SAMPLE
from tests.builders.workbooks import text_of

PAIR = ["paper-moth", "clearbrook-bath"]
NAMED, CLIENT = "clearbrook-bath", batch.Client("Clearbrook & Sons", "data:image/png;base64,iVBORw0KGgo=")
ORDER = re.compile(r"\b[0-9S]\d{2}-\d{7}-\d{7}\b|\b[0-9a-f]{32}\b")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A program in Chromium's place, which prints the page as it is after the first bytes of a PDF."""
    program = tmp_path_factory.mktemp("bin") / "chromium"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "made = next(one.partition('=')[2] for one in sys.argv if one.startswith('--print-to-pdf='))\n"
        "open(made, 'w').write('%PDF-1.4 ' + open(sys.argv[-1].removeprefix('file://')).read())\n"
    )
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module", params=["two accounts", pytest.param("all accounts", marks=pytest.mark.long)])
def accounts(request, desk) -> list[str]:
    return PAIR if request.param == "two accounts" else desk.accounts


@pytest.fixture(scope="module")
def printed(accounts, desk, chromium, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CHROMIUM", str(chromium))
        out = tmp_path_factory.mktemp("reports")
        return batch.generate_reports(
            desk, MONTH, accounts, out, package=True, clients={NAMED: CLIENT}, pdf=True, show_code=True
        )


def folders(printed: batch.BatchResult) -> list[Path]:
    return sorted(path for path in printed.index.parent.iterdir() if path.is_dir() and path.name != "packages")


def orders_of(account: str) -> set[str]:
    """All order ids in the raw files of an account."""
    files = (path for path in (SAMPLE / account).rglob("*") if path.is_file())
    return {found for path in files for found in ORDER.findall(path.read_text(encoding="utf-8", errors="replace"))}


class Links(HTMLParser):
    """What a page links to or loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def files_of(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, text_of(path.name, path.read_bytes())


def test_each_account_has_a_folder_with_what_may_be_sent(accounts, printed):
    assert printed.failures == []
    assert printed.notes == []
    assert [folder.name for folder in folders(printed)] == sorted(
        path.name.removesuffix(manifest.MANIFEST_SUFFIX)
        for path in printed.index.parent.glob(f"*{manifest.MANIFEST_SUFFIX}")
    )
    assert len(folders(printed)) == len(accounts)
    for folder in folders(printed):
        lists = {path.name for kind in ("csv", "xlsx") for path in folder.glob(f"{folder.name}_orders_*.{kind}")}
        names = {path.name for path in folder.iterdir()} - lists
        assert names == {f"{folder.name}.html", f"{folder.name}.pdf", f"{folder.name}_orders.csv", "vega.js"}


def test_nothing_of_another_stands_in_a_folder(desk, printed):
    ids = {account: orders_of(account) for account in desk.accounts}
    assert all(len(found) > 30 for found in ids.values())
    for folder in folders(printed):
        [mine] = [account for account in desk.accounts if folder.name.startswith(f"{account}_")]
        others = [account for account in desk.accounts if account != mine]
        foreign = set().union(*(ids[account] for account in others)) - ids[mine]
        for name, text in files_of(folder):
            assert [account for account in others if account in text.lower()] == [], name
            assert foreign.intersection(ORDER.findall(text)) == set(), name
            assert "index.html" not in text, name
            assert "all accounts" not in text, name
            assert str(desk.store.folder) not in text, name
            assert str(printed.index.parent) not in text, name
        assert ORDER.search((folder / f"{folder.name}_orders.csv").read_text()), "the search must find ids at all"
        for book in folder.glob("*.xlsx"):
            found = " ".join(text for name, text in files_of(folder) if name == book.name)
            assert set(ORDER.findall(found)) == set(ORDER.findall(book.with_suffix(".csv").read_text())), book.name


def test_a_package_holds_the_folder_of_its_account_and_nothing_else(accounts, desk, printed):
    assert printed.package_errors == []
    assert [package.account for package in printed.packages] == sorted(accounts)
    ids = {account: orders_of(account) for account in desk.accounts}
    for package in printed.packages:
        raw = package.path.read_bytes()
        assert raw[-22:-18] == b"PK\5\6", "an archive ends here if it has no comment"
        archive = zipfile.ZipFile(package.path)
        [folder] = [one for one in folders(printed) if one.name.startswith(f"{package.account}_")]
        assert {name: archive.read(name) for name in archive.namelist()} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
        assert {(one.date_time[0], one.comment, one.extra) for one in archive.infolist()} == {(1980, b"", b"")}
        others = [account for account in desk.accounts if account != package.account]
        foreign = set().union(*(ids[account] for account in others)) - ids[package.account]
        for name in archive.namelist():
            text = archive.read(name).decode("utf-8", "replace")
            assert [one for one in others if one in text.lower() or one.encode() in raw.lower()] == [], name
            assert foreign.intersection(ORDER.findall(text)) == set(), name
            assert package.account == NAMED or "Clearbrook" not in text, name
    assert len({package.digest for package in printed.packages}) == len(accounts)


def test_the_pages_of_a_package_have_name_and_logo_of_the_client(printed):
    page = (printed.index.parent / f"{NAMED}_us" / f"{NAMED}_us.html").read_text(encoding="utf-8")
    assert "<title>Clearbrook &amp; Sons, Amazon US: account health on " in page
    assert "<h1>Clearbrook &amp; Sons <span>" in page
    assert f'<img src="{CLIENT.logo}" alt=""' in page
    assert page.index(CLIENT.logo) < page.index("<h1>")
    assert "<img" not in (printed.index.parent / "paper-moth_us" / "paper-moth_us.html").read_text(encoding="utf-8")
    index = printed.index.read_text(encoding="utf-8")
    assert NAMED in index


def test_all_that_a_page_links_to_is_in_its_folder(printed):
    for folder in folders(printed):
        every = Links(folder / f"{folder.name}.html").found
        # The logo is part of the page, and an order's own page is opened by a click alone.
        links = [link for link in every if not link.startswith(("data:image/", "https://sellercentral."))]
        assert "vega.js" in links
        assert all(link.startswith("#") or ((folder / link).is_file() and "/" not in link) for link in links)


def test_the_index_of_the_owner_links_into_the_folders(printed):
    top = printed.index.parent
    links = Links(printed.index).found
    for folder in folders(printed):
        assert f"{folder.name}/{folder.name}.html" in links
        assert f"{folder.name}/{folder.name}_orders.csv" in links
    assert all(link.startswith("#") or (top / link).is_file() for link in links)
    assert not (top / "vega.js").exists()


def test_the_page_is_the_same_but_for_the_way_to_the_index(desk, printed, tmp_path):
    flat_batch = batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path, show_code=True)
    flat = flat_batch.index.parent / "paper-moth_us.html"
    alone = printed.index.parent / "paper-moth_us" / "paper-moth_us.html"
    back = '<span class="back"> · <a href="index.html">all accounts</a></span>'
    text = flat.read_text(encoding="utf-8")
    assert back in text
    same = alone.read_text(encoding="utf-8")
    assert re.sub(r"<pre>.*?</pre>", "", same, flags=re.S) == re.sub(
        r"<pre>.*?</pre>", "", text.replace(back, ""), flags=re.S
    )


@pytest.mark.long
def test_only_what_changed_in_a_folder_is_printed_again(desk, tmp_path):
    asked = {"out": tmp_path, "separate": True, "only_changed": True}
    folder = batch.generate_reports(desk, MONTH, PAIR, **asked).index.parent
    again = batch.generate_reports(desk, MONTH, PAIR, **asked)
    assert (again.page_count, again.skipped) == (0, 2)
    for name in ("vega.js", "paper-moth_us.html", "paper-moth_us_orders.csv"):
        (folder / "paper-moth_us" / name).unlink()
        again = batch.generate_reports(desk, MONTH, PAIR, **asked)
        assert (again.page_count, again.skipped) == (1, 1)
        assert (folder / "paper-moth_us" / name).is_file()
    # A file of the user's stays, and is named, for it would be sent too.
    (folder / "paper-moth_us" / "offer.txt").write_text("mine")
    noted = batch.generate_reports(desk, MONTH, ["clearbrook-bath"], **asked)
    said = "paper-moth_us/ also holds files that the report did not write: offer.txt."
    assert [sentence.startswith(said) for sentence in noted.notes] == [True]
    assert said in noted.index.read_text(encoding="utf-8")


@pytest.mark.long
def test_one_layout_takes_the_place_of_the_other(desk, tmp_path):
    flat = batch.generate_reports(desk, MONTH, PAIR, tmp_path)
    folder = flat.index.parent
    one = batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path, separate=True, self_contained=True)
    assert not (folder / "paper-moth_us.html").exists()
    assert {path.name for path in (folder / "paper-moth_us").iterdir()} == {
        "paper-moth_us.html",
        "paper-moth_us_orders.csv",
        "paper-moth_us_orders_order-defect-rate-seller.csv",
        "paper-moth_us_orders_order-defect-rate-seller.xlsx",
        "paper-moth_us_orders_valid-tracking-rate-seller.csv",
        "paper-moth_us_orders_valid-tracking-rate-seller.xlsx",
    }
    links = Links(one.index).found
    assert {"paper-moth_us/paper-moth_us.html", "clearbrook-bath_us.html"} <= set(links)
    # Back again; the folder goes, unless something of the user's lies in it.
    batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path)
    assert not (folder / "paper-moth_us").exists()
    assert (folder / "paper-moth_us.html").is_file()
    (folder / "clearbrook-bath_us").mkdir()
    (folder / "clearbrook-bath_us" / "clearbrook-bath_us.html").write_text("a copy of mine")
    batch.generate_reports(desk, MONTH, ["clearbrook-bath"], tmp_path, made="again")
    assert (folder / "clearbrook-bath_us" / "clearbrook-bath_us.html").read_text() == "a copy of mine"


def test_a_file_in_the_place_of_the_folder_is_moved_aside(desk, tmp_path):
    folder = tmp_path / MONTH
    folder.mkdir()
    (folder / "paper-moth_us").write_text("mine")
    printed = batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path, separate=True)
    assert (folder / "paper-moth_us.bak-1").read_text() == "mine"
    assert len(printed.notes) == 1
    assert (folder / "paper-moth_us" / "paper-moth_us.html").is_file()


def test_a_failed_run_leaves_its_notebook_beside_the_index_and_not_in_the_folder(desk, tmp_path):
    template = template_with_cell(tmp_path, "1 / 0")
    printed = batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path, separate=True, template=template)
    assert len(printed.failures) == 1
    assert (printed.index.parent / "paper-moth_us.failed.ipynb").is_file()
    assert not (printed.index.parent / "paper-moth_us").exists()


def test_a_template_without_the_parameter_says_what_to_add(desk, tmp_path):
    text = batch.TEMPLATE.read_text(encoding="utf-8")
    old = text.replace('\\n",\n    "index_href = \\"index.html\\""', '"').replace("(report, index_href)", "(report)")
    assert old != text
    (tmp_path / "t.ipynb").write_text(old, encoding="utf-8")
    given = {"template": tmp_path / "t.ipynb"}
    assert batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path, **given).failures == []
    printed = batch.generate_reports(desk, MONTH, ["paper-moth"], tmp_path, separate=True, **given)
    assert "add index_href" in printed.failures[0].reason


def test_the_command_makes_separate_folders(sample_store, tmp_path):
    asked = ["report", "--month", MONTH, "--data", str(sample_store), "--out", str(tmp_path), "--separate"]
    shown = CliRunner().invoke(app, [*asked, "--account", "paper-moth"])
    assert shown.exit_code == 0, shown.output
    made = tmp_path / MONTH
    assert {path.name for path in (made / "paper-moth_us").iterdir()} == {
        "paper-moth_us.html",
        "paper-moth_us_orders.csv",
        "paper-moth_us_orders_order-defect-rate-seller.csv",
        "paper-moth_us_orders_order-defect-rate-seller.xlsx",
        "paper-moth_us_orders_valid-tracking-rate-seller.csv",
        "paper-moth_us_orders_valid-tracking-rate-seller.xlsx",
        "vega.js",
    }
    shutil.rmtree(made / "paper-moth_us")
    again = CliRunner().invoke(app, [*asked, "--account", "paper-moth", "--only-changed"])
    assert "1 report, 0 failed." in again.output
