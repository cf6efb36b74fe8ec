"""Packages of accounts: nothing is lost or stale in them, and the package of each of 50 names no other."""

from __future__ import annotations

import re
import zipfile
from datetime import date

import pytest

from healthkit import batch
from healthkit.batch import output_files, packages
from healthkit.batch.packages import zip_bytes
from healthkit.ingest import importer
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.client_files import all_orders, confirmations, order_report
from tests.builders.notebooks import page_template
from tests.builders.sample import MONTH
from tests.builders.workbooks import text_of

PAIR = ["paper-moth", "clearbrook-bath"]


def test_a_zip_file_is_the_same_whenever_it_is_made():
    files = {"b.html": b"<p>", "a.csv": b"x" * 1000}
    assert zip_bytes(files) == zip_bytes(dict(reversed(files.items())))


def test_no_two_accounts_share_a_package():
    names = ["harbor", "Harbor", "harbor ", "../harbor", "con", "harbor_0123456789abcdef", "x" * 300, "ハーバー"]
    stems = [output_files.account_stem(name) for name in names]
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9._-]{1,120}", stem) for stem in stems)


def test_only_current_pages_are_packed_and_nothing_of_the_user_is_lost(desk, tmp_path, threads):
    good = page_template(tmp_path / "t.ipynb")
    bad = page_template(tmp_path / "bad.ipynb", before="if account == 'paper-moth': raise ValueError('not today')")
    options = {"accounts": PAIR, "out": tmp_path, "executor": threads, "package": True}
    made = batch.generate_reports(desk, MONTH, template=good, **options)
    assert (made.failures, made.package_errors, made.notes) == ([], [], [])
    folder = made.index.parent
    packed = {package.account: package.path.read_bytes() for package in made.packages}
    assert sorted(packed) == sorted(PAIR)
    # The same again gives the same; an edited package is moved aside, and an edited page is not packed.
    (folder / "packages" / "paper-moth.zip").write_bytes(b"mine")
    (folder / "clearbrook-bath_us" / "offer.txt").write_text("mine")
    again = batch.generate_reports(desk, MONTH, template=good, only_changed=True, **options)
    assert {package.account: package.path.read_bytes() for package in again.packages} == packed
    assert (folder / "packages" / "paper-moth.zip.bak-1").read_bytes() == b"mine"
    assert any("paper-moth.zip.bak-1" in note for note in again.notes)
    # A run that fails leaves no package that passes for one of today.
    failed = batch.generate_reports(desk, MONTH, template=bad, **options)
    assert [one.account for one in failed.failures] == ["paper-moth"]
    assert [package.account for package in failed.packages] == ["clearbrook-bath"]
    [told] = failed.package_errors
    assert told.startswith("paper-moth has no package")
    assert "packages/paper-moth.zip is of an earlier run and is not current." in told
    assert (folder / "packages" / "paper-moth.zip").read_bytes() == packed["paper-moth"]


def test_of_pages_that_are_unchanged_no_package_is_made_again(desk, tmp_path, threads, monkeypatch):
    options = {"accounts": PAIR, "out": tmp_path, "executor": threads, "package": True, "only_changed": True}
    template = page_template(tmp_path / "t.ipynb")
    made = batch.generate_reports(desk, MONTH, template=template, **options)
    monkeypatch.setattr(packages, "zip_bytes", lambda files: pytest.fail("made again"))
    again = batch.generate_reports(desk, MONTH, template=template, **options)
    assert (again.skipped, again.packages) == (2, made.packages)


def test_a_page_without_pdf_is_named_where_its_account_has_no_package_for_it(desk, tmp_path, threads, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nowhere"))
    template = page_template(tmp_path / "t.ipynb")
    options = {"out": tmp_path, "executor": threads, "package": True, "template": template}
    made = batch.generate_reports(desk, MONTH, PAIR, pdf=True, **options)
    assert made.packages == []
    first, second = made.package_errors
    assert first.startswith(
        f"clearbrook-bath has no package. clearbrook-bath_us/clearbrook-bath_us.html has no PDF. {tmp_path}/nowhere "
    )
    assert "Install Chromium, or set the environment variable CHROMIUM" in first
    assert second.startswith("paper-moth has no package. paper-moth_us/paper-moth_us.html has no PDF.")
    # A package of earlier pages does not stay beside them.
    batch.generate_reports(desk, MONTH, PAIR, **options)
    options["template"] = page_template(tmp_path / "t.ipynb", "second")
    gone = batch.generate_reports(desk, MONTH, PAIR, pdf=True, **options)
    assert gone.removed == ["packages/clearbrook-bath.zip", "packages/paper-moth.zip"]
    assert not (gone.index.parent / "packages").exists()
    assert "is of an earlier run" not in gone.package_errors[0]


def test_a_summary_knows_that_the_files_of_its_page_end_before_the_month(desk, tmp_path, threads):
    options = {"out": tmp_path, "executor": threads, "template": page_template(tmp_path / "t.ipynb")}
    ends = {
        month: batch.generate_reports(desk, month, PAIR[:1], **options).summaries for month in (MONTH, "2026-11-04")
    }
    assert {month: [one.ends_early for one in found] for month, found in ends.items()} == {
        MONTH: [False], "2026-11-04": [True],
    }  # fmt: skip


def test_the_store_is_asked_once_a_batch_which_version_it_is(desk, tmp_path, threads, monkeypatch):
    asked = []
    version = Store.version
    monkeypatch.setattr(Store, "version", lambda self: asked.append(1) or version(self))
    numbers = []
    for accounts in (PAIR[:1], PAIR):
        options = {"out": tmp_path / str(len(accounts)), "executor": threads}
        batch.generate_reports(desk, MONTH, accounts, template=page_template(tmp_path / "t.ipynb"), **options)
        numbers.append(len(asked))
        asked.clear()
    assert numbers[0] == numbers[1] <= 5


FIRST = ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ivy", "Juniper"]
SECOND = ["Gate", "Hollow", "Lane", "Mill", "Yard"]


@pytest.mark.long
def test_the_package_of_each_of_fifty_accounts_holds_nothing_of_another(tmp_path):
    names = [f"{one} {two}" for one in FIRST for two in SECOND]
    assert len(names) == 50
    clients, files = {}, []
    for number, name in enumerate(names):
        account = name.lower().replace(" ", "-")
        clients[account] = batch.Client(f"{name} Trading")
        orders = [
            (f"7{number:02}-{place:07}-{number:07}", date(2026, 10, 3 + place % 10)) for place in range(25 + number)
        ]
        late = [order for order, _ in orders[: 3 + number % 7]]
        folder = tmp_path / "raw" / account
        folder.mkdir(parents=True)
        texts = {
            "orders.txt": all_orders(orders).replace("Mug", f"Mug of {name}").replace("MUG", f"SKU-{number:03}"),
            "promises.txt": order_report(orders).replace("Mug", f"Mug of {name}").replace("MUG", f"SKU-{number:03}"),
            "confirmations.csv": confirmations(orders, late),
        }
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
            files.append(folder / file)
    refused = [one.refused for one in importer.import_files(files, Store(tmp_path / "store")) if one.refused]
    assert refused == []
    made = batch.generate_reports(
        Workspace(tmp_path / "store"), MONTH, out=tmp_path / "reports", package=True, clients=clients, jobs=2
    )
    assert (made.failures, made.package_errors) == ([], [])
    assert len(made.packages) == 50
    for number, name in enumerate(names):
        account = name.lower().replace(" ", "-")
        [package] = [one for one in made.packages if one.account == account]
        archive = zipfile.ZipFile(package.path)
        texts = {file: text_of(file, archive.read(file)) for file in archive.namelist() if file != "vega.js"}
        whole = " ".join([*texts, *texts.values()])
        assert set(re.findall(r"\b7(\d\d)-\d{7}-\d{7}\b", whole)) == {f"{number:02}"}, "the search must find its own"
        assert set(re.findall(r"SKU-(\d{3})", whole)) == {f"{number:03}"}
        found = re.findall(rf"({'|'.join(FIRST)})[ -]({'|'.join(SECOND)})", whole, re.I)
        assert {" ".join(pair).title() for pair in found} == {name}
        # How many orders it had is a figure of its own.
        assert re.findall(r"(\d+)\s+orders,\s+placed", texts[f"{account}_us.html"]) == [str(25 + number)]
