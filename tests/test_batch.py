"""A batch: a page for every account, the same bytes twice, and one failure that stops no other."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from healthkit import batch
from healthkit.batch import fork_client, manifest, monthly_batch, output_files, run_notebook
from healthkit.batch.page_job import PageJob, make_warmup
from healthkit.report.model import MonthError
from healthkit.schema import tables
from healthkit.store import StoreError
from healthkit.workspace import snapshot
from tests.builders.notebooks import template_with_cell, write_notebook
from tests.builders.processes import is_running, run_healthkit, wait_until
from tests.builders.sample import MONTH
from tests.builders.slow import slow_after


@pytest.fixture
def printing(desk, threads, tmp_path):
    """Print the month of some accounts into the test's folder; the notebook server stays warm between the tests."""
    return lambda accounts, **wishes: batch.generate_reports(
        desk, MONTH, accounts, tmp_path, executor=threads, **wishes
    )


def test_every_account_gets_a_page_with_its_orders_and_figures_beside_it(desk, printed):
    folder = printed.index.parent
    pages = {path.name for path in folder.glob("*_??.html")}
    assert len(pages) == printed.page_count == len(desk.accounts) == 8
    assert printed.failures == []
    for page in pages:
        assert (folder / page.replace(".html", ".json")).is_file()
        assert (folder / page.replace(".html", "_orders.csv")).is_file()
    index = printed.index.read_text(encoding="utf-8")
    assert all(f'href="{page}"' in index for page in pages)


def test_the_index_puts_the_account_with_the_largest_expected_harm_first(printed):
    """paper-moth is furthest past its target, with 1 defect of 33 orders; little is at stake there."""
    index = printed.index.read_text(encoding="utf-8")
    order = re.findall(r'href="([a-z-]+)_[a-z]{2}\.html"', index)
    assert order[0] == "lantern-hill-lighting"
    assert order.index("birchway-crafts") < order.index("paper-moth") < order.index("applegate-plants")


def test_the_figures_on_a_page_are_those_of_scores(desk, printed):
    page = (printed.index.parent / "birchway-crafts_us.html").read_text(encoding="utf-8")
    twin = json.loads((printed.index.parent / "birchway-crafts_us.json").read_text(encoding="utf-8"))
    rows = desk.score(desk.counts.coverage["ends_on"].max().date(), ["birchway-crafts"])
    assert [row["at_fault"] for row in twin["scores"]] == rows["at_fault"].tolist()
    assert "64 of 670" in page
    assert "9.6%" in page


def test_the_orders_beside_a_page_are_as_many_as_at_fault(printed):
    with (printed.index.parent / "lantern-hill-lighting_us_orders.csv").open(encoding="utf-8") as file:
        orders = list(csv.DictReader(file))
    assert sum(row["metric"] == "order_defect_rate" for row in orders) == 21


def test_the_same_store_gives_the_same_bytes(printing, printed):
    again = printing(["werkstatt-lindenau"])
    for name in ("werkstatt-lindenau_de.html", "werkstatt-lindenau_de.json", "werkstatt-lindenau_de_orders.csv"):
        assert (again.index.parent / name).read_bytes() == (printed.index.parent / name).read_bytes()


@pytest.mark.slow
def test_pages_that_share_a_process_are_those_of_a_process_each(desk, printed, tmp_path, monkeypatch):
    """Pages of two processes by name, and of one process in the other order, against a process for each page."""
    run_jobs = monthly_batch._run_jobs
    with monkeypatch.context() as patch:
        patch.setattr(monthly_batch, "_run_jobs", lambda executor, jobs: run_jobs(executor, jobs[::-1]))
        backwards = batch.generate_reports(desk, MONTH, out=tmp_path / "backwards", jobs=1)
        patch.setattr(run_notebook, "SHIPPED_CODE", "")
        alone = batch.generate_reports(desk, MONTH, out=tmp_path / "alone", jobs=2)
    names = sorted(path.name for path in alone.index.parent.iterdir())
    assert len(names) > 4 * alone.page_count > 20
    for shared in (printed, backwards):
        assert names == sorted(path.name for path in shared.index.parent.iterdir())
        for name in names:
            assert (shared.index.parent / name).read_bytes() == (alone.index.parent / name).read_bytes(), name


def test_only_the_shipped_template_shares_a_process(desk, tmp_path, monkeypatch):
    """By its code: another text between the cells is no other template, another line of code is."""
    assert run_notebook.code_digest(run_notebook.load_template(batch.TEMPLATE)) == run_notebook.SHIPPED_CODE, (
        "The template was changed: check that a page leaves nothing behind for the next one, then set SHIPPED_CODE."
    )
    asked = []
    run = fork_client.run_notebook
    monkeypatch.setattr(fork_client, "run_notebook", lambda *given: [asked.append(given[3]), run(*given)][1])
    edited = template_with_cell(tmp_path, "1 + 1")
    for template in (batch.TEMPLATE, edited):
        batch.generate_reports(desk, MONTH, ["clearbrook-bath"], tmp_path, template=template)
    assert asked == [True, False]


def test_a_misspelt_parameter_stops_with_the_ones_there_are(sample_store):
    given = {"acount": "paper-moth", "account": "paper-moth", "month": MONTH, "data": str(sample_store)}
    with pytest.raises(batch.BatchError, match=r"no parameter 'acount'. It has: account, month"):
        batch.run_template(given)


def test_a_missing_parameter_stops(sample_store):
    with pytest.raises(batch.BatchError, match="needs account"):
        batch.run_template({"month": MONTH, "data": str(sample_store)})


def test_an_unknown_account_or_a_month_without_data_stops_and_leaves_no_page(desk, tmp_path):
    with pytest.raises(StoreError, match="No account 'nobody'"):
        batch.generate_reports(desk, MONTH, ["nobody"], tmp_path)
    with pytest.raises(MonthError, match="has no orders to report for 2025-10"):
        batch.generate_reports(desk, "2025-10", ["paper-moth"], tmp_path)
    with pytest.raises(MonthError, match="The orders reach from 2026-02 to 2026-10"):
        batch.generate_reports(desk, "2025-10", None, tmp_path)
    assert list(tmp_path.rglob("*.html")) == []


def test_a_run_that_fails_stands_on_the_index_and_stops_no_other(printing, tmp_path):
    template = template_with_cell(tmp_path, 'assert account != "paper-moth", "ship_by is empty in 14 rows"')
    printed = printing(["paper-moth", "clearbrook-bath"], template=template)
    assert printed.page_count == 1
    assert [(one.account, one.reason) for one in printed.failures] == [("paper-moth", "ship_by is empty in 14 rows")]
    assert "ship_by is empty in 14 rows" in printed.index.read_text(encoding="utf-8")
    assert not (printed.index.parent / "paper-moth_us.html").exists()
    assert (printed.index.parent / "clearbrook-bath_us.html").is_file()


def test_a_failed_run_shows_no_page_of_an_earlier_one(printing, tmp_path):
    printing(["paper-moth"])
    template = template_with_cell(tmp_path, 'raise ValueError("no luck")')
    printed = printing(["paper-moth"], template=template)
    left = sorted(path.name for path in printed.index.parent.iterdir())
    beside = [
        "paper-moth_us.html", "paper-moth_us.json", "paper-moth_us.manifest.json", "paper-moth_us_orders.csv",
        "paper-moth_us_orders_order-defect-rate-seller.csv", "paper-moth_us_orders_order-defect-rate-seller.xlsx",
        "paper-moth_us_orders_valid-tracking-rate-seller.csv", "paper-moth_us_orders_valid-tracking-rate-seller.xlsx",
    ]  # fmt: skip
    assert left == ["index.html", "paper-moth_us.failed.ipynb", *beside, "vega.js"]
    assert (
        manifest.load_manifest_if_complete(printed.index.parent / "paper-moth_us.manifest.json")["failed"]["what"]
        == "no luck"
    )
    index = printed.index.read_text(encoding="utf-8")
    assert "no luck" in index
    assert 'href="paper-moth_us.failed.ipynb"' in index
    assert 'href="paper-moth_us.html"' not in index.partition('id="failed"')[0]
    assert printed.summaries == []


def test_a_run_that_dies_takes_no_other_with_it(desk, tmp_path):
    template = template_with_cell(tmp_path, 'import os\nif account == "paper-moth":\n    os._exit(3)')
    printed = batch.generate_reports(desk, MONTH, ["paper-moth", "clearbrook-bath"], tmp_path, template=template)
    assert printed.page_count == 1
    assert [(one.account, one.status) for one in printed.failures] == [("paper-moth", "exited early")]


def test_the_index_holds_every_page_of_the_folder(printing):
    printing(["paper-moth"])
    index = printing(["clearbrook-bath"]).index.read_text(encoding="utf-8")
    assert 'href="paper-moth_us.html"' in index
    assert 'href="clearbrook-bath_us.html"' in index


def test_names_of_one_notebook_are_not_seen_by_the_next(sample_store, tmp_path):
    cell = "print('left behind' if 'mine' in globals() else 'clean')\nmine = 1"
    template = write_notebook(tmp_path / "t.ipynb", cell, parameters='account = ""\nmonth = ""')
    for _ in range(2):
        notebook = batch.run_template({"account": "a", "month": MONTH}, template)
        assert notebook.cells[-1].outputs[0].text == "clean\n"


def test_an_account_name_cannot_leave_the_folder():
    assert re.fullmatch(r"[a-z0-9-][a-z0-9._-]*", output_files.page_stem("../../etc/passwd", "US"))
    assert output_files.page_stem("a b", "US") != output_files.page_stem("a-b", "US")
    assert output_files.page_stem("Acme", "US") != output_files.page_stem("acme", "US")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    page = tmp_path / "page.html"
    output_files.write_file(page, "before")
    with pytest.raises(UnicodeEncodeError):
        output_files.write_file(page, "half \ud800 written")
    assert page.read_text() == "before"
    assert [path.name for path in Path(tmp_path).iterdir()] == ["page.html"]


def test_a_formula_in_an_export_is_text():
    assert tables.as_csv(pd.DataFrame({"product": ["=1+1", "lamp"]})) == "product\n'=1+1\nlamp\n"


# -- a batch --------------------------------------------------------------------------------------------------


def marks(folder: Path) -> dict[str, int]:
    """When each page was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*_??.html")}


def test_only_what_changed_is_printed_again(printing):
    first = printing(["paper-moth", "clearbrook-bath"])
    folder = first.index.parent
    before = marks(folder)
    again = printing(["paper-moth", "clearbrook-bath"], only_changed=True)
    assert (again.page_count, again.skipped) == (0, 2)
    assert marks(folder) == before
    assert 'href="paper-moth_us.html"' in again.index.read_text(encoding="utf-8")
    # A page that was touched, or other words in its footer, are changes.
    (folder / "paper-moth_us_orders.csv").write_text("spoilt")
    third = printing(["paper-moth", "clearbrook-bath"], only_changed=True)
    assert (third.page_count, third.skipped) == (1, 1)
    other = printing(["paper-moth"], only_changed=True, made="by hand")
    assert (other.page_count, other.skipped) == (1, 0)


def test_another_template_is_a_change(printing, tmp_path):
    printing(["paper-moth"])
    template = template_with_cell(tmp_path, "1")
    again = printing(["paper-moth"], only_changed=True, template=template)
    assert (again.page_count, again.skipped) == (1, 0)


@pytest.mark.slow
def test_a_batch_that_is_killed_is_finished_by_the_next(sample_store, tmp_path):
    batch = report(sample_store, tmp_path, tmp_path / "temporary")
    folder = tmp_path / MONTH
    wait_until(lambda: len(list(folder.glob("*.manifest.json"))) >= 2)
    os.killpg(batch.pid, signal.SIGKILL)
    batch.wait()
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.manifest.json")}
    assert 2 <= len(done) < 8
    words = ("report", "--month", MONTH, "--data", sample_store, "--out", tmp_path, "--only-changed")
    shown = run_healthkit(*words, check=True)
    assert f"{8 - len(done)} reports, 0 failed, {len(done)} unchanged." in shown.stdout
    for name, when in done.items():
        assert (folder / name).stat().st_mtime_ns == when
    assert len(list(folder.glob("*_??.html"))) == 8
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_two_batches_into_one_folder_leave_whole_pages(desk, tmp_path):
    names = ["paper-moth", "clearbrook-bath", "minato-bungu"]
    script = (
        "import sys\nfrom healthkit import batch\nfrom healthkit.workspace.workspace import Workspace\n"
        f"batch.generate_reports(Workspace({str(desk.store.folder)!r}), {MONTH!r}, {names!r}, {str(tmp_path)!r}, "
        "jobs=1, made=sys.argv[1])"
    )
    both = [subprocess.Popen([sys.executable, "-c", script, made]) for made in ("first", "second")]
    assert [one.wait(200) for one in both] == [0, 0]
    folder = tmp_path / MONTH
    for path in folder.glob("*.manifest.json"):
        told = manifest.load_manifest_if_complete(path)
        made = told["inputs"]["parameters"]["made"]
        assert made in ("first", "second")
        for name, digest in told["files"].items():
            assert manifest.sha256_hex((folder / name).read_bytes()) == digest
    assert len(list(folder.glob("*.manifest.json"))) == 3
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_a_template_that_kills_its_server_in_the_warming_stops_no_batch(desk, tmp_path):
    template = template_with_cell(tmp_path, 'import os\nif account == "clearbrook-bath":\n    os._exit(3)')
    printed = batch.generate_reports(desk, MONTH, ["clearbrook-bath", "paper-moth"], tmp_path, template=template)
    assert [(one.account, one.status) for one in printed.failures] == [("clearbrook-bath", "exited early")]
    assert (printed.index.parent / "paper-moth_us.html").is_file()


def test_one_page_can_hold_all_it_needs_and_its_code(printing):
    printed = printing(["paper-moth"], self_contained=True, show_code=True)
    page = (printed.index.parent / "paper-moth_us.html").read_text(encoding="utf-8")
    assert "<script src=" not in page
    assert "html.scorecard(report)" in page
    assert len(page) > 800_000


@pytest.mark.slow
def test_papermill_s_own_engine_prints_the_same_page(desk, tmp_path):
    ours = batch.generate_reports(desk, MONTH, ["clearbrook-bath"], tmp_path / "ours").index.parent
    stock = batch.generate_reports(desk, MONTH, ["clearbrook-bath"], tmp_path / "stock", engine="nbclient").index.parent
    for name in ("clearbrook-bath_us.html", "clearbrook-bath_us.json", "clearbrook-bath_us_orders.csv"):
        assert (ours / name).read_bytes() == (stock / name).read_bytes()


def test_a_full_disk_leaves_no_half_page_and_says_so(printing, tmp_path):
    """The device that is always full stands in for a disk: the notebook writes into it, and its error is told."""
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    template = template_with_cell(tmp_path, "with open('/dev/full', 'w') as file:\n    file.write('x' * 100_000)")
    printed = printing(["paper-moth"], template=template)
    assert "No space left on device" in printed.failures[0].reason
    assert not (printed.index.parent / "paper-moth_us.html").exists()


def test_a_script_in_a_name_is_text_in_the_page(desk, printed):
    for path in printed.index.parent.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "Content-Security-Policy" in text
        assert text.count("<main") == 1
        assert '<html lang="en">' in text


def report(store: Path, out: Path, temporary: Path, *words: str, **how) -> subprocess.Popen:
    """A batch of all accounts, one at a time, with a folder for temporary files of its own."""
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "healthkit", "report", "--month", MONTH, "--data", str(store), "--jobs", "1"]
    told = os.environ | {"TMPDIR": str(temporary)}
    return subprocess.Popen([*command, "--out", str(out), *words], start_new_session=True, env=told, **how)


def wait_for(folder: Path, pattern: str) -> None:
    """Wait until a file is there."""
    wait_until(lambda: list(folder.glob(pattern)))


def rows_in(folder: Path) -> list[str]:
    """The files below a folder that hold rows of orders as the store has them."""
    # A half-written page takes its name while its folder is read: `rglob` raises there, `walk` passes over it.
    held = (Path(inside) / name for inside, _, names in os.walk(folder) for name in names)
    return [str(path.relative_to(folder)) for path in held if path.suffix in (".arrow", ".parquet")]


def assert_whole_pages(folder: Path) -> None:
    """A batch that was ended left some pages, each with its manifest, and nothing half-written."""
    done = len(list(folder.glob("*.manifest.json")))
    assert 1 <= done < 8
    assert len(list(folder.glob("*_??.html"))) == done
    assert [path.name for path in folder.iterdir() if path.name.startswith(".") or "failed" in path.name] == []


def private(folder: Path) -> bool:
    return stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(("name", "code"), slow_after(1, [("SIGTERM", 143), ("SIGHUP", 129)]))
def test_a_batch_that_is_told_to_end_leaves_no_rows_and_no_process(name, code, sample_store, tmp_path):
    folder, temporary = tmp_path / "out" / MONTH, tmp_path / "temporary"
    batch = report(sample_store, tmp_path / "out", temporary)
    wait_for(folder, "*.manifest.json")
    # While it runs, rows stand where only this user reads them, and never among the pages.
    assert rows_in(folder) == []
    [work] = temporary.glob("healthkit-batch-*")
    assert private(work)
    assert len(rows_in(work)) > 50
    os.kill(batch.pid, getattr(signal, name))
    assert batch.wait(20) == code
    assert_whole_pages(folder)
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(batch.pid, 0)


@pytest.mark.slow
def test_a_batch_that_is_told_to_end_while_it_gets_ready_ends_at_once(sample_store, tmp_path):
    temporary = tmp_path / "temporary"
    batch = report(sample_store, tmp_path / "out", temporary)
    wait_for(temporary, "healthkit-press-*")
    begin = time.monotonic()
    batch.terminate()
    assert batch.wait(20) == 143
    assert time.monotonic() - begin < 8, "a container is killed after ten seconds"
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_browser_that_prints_a_pdf_is_ended_with_the_batch(sample_store, tmp_path):
    temporary, browser = tmp_path / "temporary", tmp_path / "browser"
    browser.write_text("#!/bin/sh\nsleep 50 &\necho $! > " + str(tmp_path / "begun") + "\nwait\n")
    browser.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHROMIUM", str(browser))
        batch = report(sample_store, tmp_path / "out", temporary, "--pdf")
    wait_for(tmp_path, "begun")
    time.sleep(0.5)
    batch.terminate()
    assert batch.wait(20) == 143
    assert list(temporary.iterdir()) == []
    begun = int((tmp_path / "begun").read_text())
    wait_until(lambda: not is_running(begun), 5)


@pytest.mark.slow
def test_what_a_killed_batch_left_is_removed_by_the_next_command(sample_store, tmp_path):
    folder, temporary = tmp_path / "out" / MONTH, tmp_path / "temporary"
    batch = report(sample_store, tmp_path / "out", temporary)
    wait_for(folder, "*.manifest.json")
    (folder / ".draft.part").write_text("mine")
    os.killpg(batch.pid, signal.SIGKILL)
    batch.wait()
    assert rows_in(tmp_path / "out") == []
    assert len(rows_in(temporary)) > 50
    (temporary / "healthkit-batch-1-x").mkdir()
    words = ("scores", "--as-of", "2026-10-31", "--data", sample_store)
    run_healthkit(*words, env=os.environ | {"TMPDIR": str(temporary)}, check=True)
    assert [path.name for path in temporary.iterdir()] == ["healthkit-batch-1-x"]
    assert (folder / ".draft.part").read_text() == "mine"


@pytest.mark.slow
def test_rows_stand_where_the_user_wants_them(sample_store, tmp_path):
    folder, work = tmp_path / "out" / MONTH, tmp_path / "work"
    batch = report(sample_store, tmp_path / "out", tmp_path / "temporary", "--work", str(work))
    wait_for(folder, "*.manifest.json")
    [inside] = work.iterdir()
    assert private(inside)
    assert len(rows_in(inside)) > 50
    batch.terminate()
    assert batch.wait(20) == 143
    assert list(work.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_ends_a_batch_cleanly(sample_store, tmp_path):
    folder, temporary = tmp_path / "out" / MONTH, tmp_path / "temporary"
    # A shell gives what it runs in the background a deaf ear for Ctrl-C, which is handed on; a terminal does not.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    batch = report(sample_store, tmp_path / "out", temporary)
    signal.signal(signal.SIGINT, heard)
    wait_for(folder, "*.manifest.json")
    os.killpg(batch.pid, signal.SIGINT)
    assert batch.wait(20) == 130
    assert_whole_pages(folder)
    assert list(temporary.iterdir()) == []


@pytest.mark.long
@pytest.mark.skipif(not fork_client.CAN_FORK, reason="this machine cannot fork: nothing is warmed up")
def test_every_cell_of_the_warm_up_runs(desk, tmp_path):
    """A warm-up that fails is not reported: every fork would do its work again."""
    counts = desk.ensure_counts_saved(tmp_path, False)
    snapshot.write_snapshot(desk.store, ["paper-moth"], counts, tmp_path / "snapshot")
    job = PageJob("paper-moth", "US", MONTH, str(tmp_path / "snapshot"), (), "", tmp_path, batch.PageRequest())
    fork_client.set_warmup(None)
    server = fork_client.ForkServer()
    try:
        result = server.run(make_warmup(job, 8)["cells"])
    finally:
        server.close()
    assert result is not None
    assert (result.status, result.message) == ("done", "")
