"""A reports folder: what one run printed is never undone by a later step, and what the kit did not write stays."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healthkit import batch
from healthkit.batch import manifest, output_files, pages, pdf
from healthkit.cli import app
from healthkit.ingest import importer
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.notebooks import page_template
from tests.builders.processes import is_running, wait_until
from tests.builders.sample import MONTH, SAMPLE
from tests.builders.slow import slow_after
from tests.builders.store_files import cut

PAIR = ["paper-moth", "clearbrook-bath"]
ENDINGS = (".html", ".json", "_orders.csv", ".manifest.json")


def template(folder: Path, words: str = "first", before: str = "") -> Path:
    """A template whose page says `words`; `before` runs first. It is written once, for its digest counts."""
    path = folder / f"template-{abs(hash((words, before)))}.ipynb"
    return path if path.exists() else page_template(path, words, before)


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    return tmp_path_factory.mktemp("templates")


@pytest.fixture(scope="module")
def two_pages(desk, threads, templates, tmp_path_factory):
    """A reports folder with the pages of two accounts, to be copied."""
    made = tmp_path_factory.mktemp("reports")
    batch.generate_reports(desk, MONTH, PAIR, made, template=template(templates), executor=threads)
    return made


@pytest.fixture
def printing(desk, threads, templates, tmp_path):
    """Print the month of some accounts into a folder of the test; return what the batch made."""

    def run(accounts=PAIR, words="first", before="", out="reports", **wishes):
        made = template(templates, words, before)
        return batch.generate_reports(desk, MONTH, accounts, tmp_path / out, template=made, executor=threads, **wishes)

    return run


@pytest.fixture
def chromium(tmp_path, monkeypatch):
    """Put a program in Chromium's place, given as lines of Python that know `made`, the path of the PDF."""

    def install(lines: str) -> None:
        program = tmp_path / "chromium"
        found = "made = next(one.partition('=')[2] for one in sys.argv if one.startswith('--print-to-pdf='))"
        program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{found}\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("CHROMIUM", str(program))

    return install


PRINTS = """page = open(sys.argv[-1].removeprefix('file://')).read()
open(made, 'w').write('%PDF-1.4 of ' + page.partition('The page of')[2].partition('<')[0])"""


def texts(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index(printed: batch.BatchResult) -> str:
    return printed.index.read_text(encoding="utf-8")


def table(printed: batch.BatchResult) -> str:
    """The part of the index that lists the current pages."""
    return index(printed).partition('id="failed"')[0].partition('id="notes"')[0]


# -- a PDF that fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (None, "There is no Chromium on this machine. Install Chromium, or set"),
        (
            "print('no display', file=sys.stderr); sys.exit(3)",
            "Chromium ended with code 3 and made no PDF (no display).",
        ),
        ("os.kill(os.getpid(), 9)", "Chromium was killed by signal 9."),
        ("sys.exit(0)", "Chromium ended with code 0 and made no PDF."),
        ("open(made, 'w').write('half')", "Chromium ended with code 0 and made no PDF."),
        ("time.sleep(60)", "Chromium did not print the page in 1 seconds."),
    ],
)
def test_a_pdf_that_fails_leaves_the_page_and_is_told(printing, chromium, monkeypatch, lines, says):
    if lines is None:
        monkeypatch.delenv("CHROMIUM", raising=False)
        monkeypatch.setattr(pdf, "BROWSER_NAMES", ())
    else:
        chromium(lines)
    monkeypatch.setattr(pdf, "PRINT_TIMEOUT", 1)
    printed = printing(pdf=True)
    folder = printed.index.parent
    assert (printed.page_count, printed.failures) == (2, [])
    assert all((folder / f"paper-moth_us{ending}").is_file() for ending in ENDINGS)
    assert list(folder.rglob("*.pdf*")) == []
    assert 'href="paper-moth_us.html"' in table(printed)
    [sentence] = batch.missing_pdf_sentences(printed.without_pdf)
    assert sentence.startswith(f"Printed, but without PDF: clearbrook-bath (US), paper-moth (US). {says}")
    assert "Printed, but without PDF: clearbrook-bath (US), paper-moth (US)." in index(printed)


def test_a_program_that_cannot_be_started_is_no_chromium(printing, tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nowhere"))
    printed = printing(["paper-moth"], pdf=True)
    [(what, cure)] = printed.without_pdf.values()
    assert what == f"{tmp_path / 'nowhere'} cannot be started: No such file or directory."
    assert cure.startswith("Install Chromium, or set the environment variable CHROMIUM")


def test_the_pdf_of_an_older_page_does_not_stay_beside_a_new_one(printing, chromium):
    chromium(PRINTS)
    folder = printing(["paper-moth"], pdf=True).index.parent
    assert b"first" in (folder / "paper-moth_us.pdf").read_bytes()
    assert "paper-moth_us.pdf" in manifest.load_manifest_if_complete(folder / "paper-moth_us.manifest.json")["files"]
    chromium("sys.exit(1)")
    printed = printing(["paper-moth"], "second", pdf=True)
    assert printed.notes == []
    assert "paper-moth_us.pdf" not in texts(folder)
    assert b"second" in (folder / "paper-moth_us.html").read_bytes()
    # Nor where the new page is to have none.
    chromium(PRINTS)
    printing(["paper-moth"], "third", pdf=True)
    printing(["paper-moth"], "fourth")
    assert "paper-moth_us.pdf" not in texts(folder)


def test_a_pdf_that_was_edited_is_moved_aside(printing, chromium):
    chromium(PRINTS)
    folder = printing(["paper-moth"], pdf=True).index.parent
    (folder / "paper-moth_us.pdf").write_bytes(b"%PDF-1.4 with my remarks")
    printed = printing(["paper-moth"], "second", pdf=True)
    assert (folder / "paper-moth_us.pdf.bak-1").read_bytes() == b"%PDF-1.4 with my remarks"
    assert printed.notes == [
        "paper-moth_us.pdf was not written by this kit, or was changed since: it is now paper-moth_us.pdf.bak-1."
    ]


def test_a_pdf_that_failed_is_tried_again_though_the_page_has_not_changed(printing, chromium):
    chromium("sys.exit(1)")
    printing(pdf=True)
    chromium(PRINTS)
    printed = printing(pdf=True, only_changed=True)
    assert (printed.page_count, printed.skipped, printed.without_pdf) == (2, 0, {})
    assert (printed.index.parent / "paper-moth_us.pdf").is_file()
    assert "without PDF" not in index(printed)
    again = printing(pdf=True, only_changed=True)
    assert (again.page_count, again.skipped) == (0, 2)


def test_the_index_of_a_later_batch_still_says_which_page_has_no_pdf(printing, chromium):
    chromium("sys.exit(1)")
    printing(["paper-moth"], pdf=True)
    printed = printing(["clearbrook-bath"])
    assert printed.without_pdf == {}
    assert "Printed, but without PDF: paper-moth (US). Chromium ended with code 1" in index(printed)


def test_chromium_that_hangs_leaves_no_process(tmp_path, chromium, monkeypatch):
    chromium(f"import subprocess; child = subprocess.Popen(['sleep', '60']); "
             f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid)); time.sleep(60)")  # fmt: skip
    monkeypatch.setattr(pdf, "PRINT_TIMEOUT", 2)
    with pytest.raises(pdf.PdfError, match="did not print the page in 2 seconds"):
        pdf.print_to_pdf(tmp_path / "page.html")
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_running(child), 2)


@pytest.mark.slow
def test_the_command_says_which_pages_have_no_pdf_and_ends_with_1(sample_store, tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nowhere"))
    asked = ["report", "--month", MONTH, "--data", str(sample_store), "--out", str(tmp_path), "--pdf"]
    shown = CliRunner().invoke(app, [*asked, "--account", "paper-moth"])
    assert shown.exit_code == 1
    assert "1 report, 0 failed, 1 without PDF." in shown.output
    assert f"Printed, but without PDF: paper-moth (US). {tmp_path / 'nowhere'} cannot be started" in shown.output
    assert (tmp_path / MONTH / "paper-moth_us.html").is_file()


# -- a run that fails ---------------------------------------------------------------------------------------------


def test_a_run_that_fails_keeps_the_page_of_last_time_and_never_shows_it_as_current(printing, desk):
    folder = printing().index.parent
    before = {name: data for name, data in texts(folder).items() if name.startswith("paper-moth")}
    failing = 'assert account != "paper-moth", "no luck"'
    printed = printing(before=failing)
    after = texts(folder)
    assert {name: after[name] for name in before if not name.endswith(".manifest.json")} == {
        name: data for name, data in before.items() if not name.endswith(".manifest.json")
    }
    [one] = printed.failures
    version = f"version {desk.store.version()} of the store"
    assert (one.reason, one.page, one.data_version) == ("no luck", "paper-moth_us.html", version)
    assert "paper-moth" not in table(printed)
    assert f"Its page of an earlier run</a>, of {version}, is not current." in index(printed)
    assert [summary.account for summary in printed.summaries] == ["clearbrook-bath"]
    # A later batch of another account does not make it current again.
    later = printing(["clearbrook-bath"])
    assert later.failures == []
    assert "paper-moth" not in table(later)
    assert "no luck" in index(later)
    # It is printed again, though its page was made of just the same; then nothing is left of the failure.
    mended = printing(only_changed=True)
    assert (mended.page_count, mended.skipped) == (1, 1)
    assert 'href="paper-moth_us.html"' in table(mended)
    assert "no luck" not in index(mended)
    assert "paper-moth_us.failed.ipynb" not in texts(folder)


def test_a_notebook_of_a_failure_that_the_user_worked_on_is_not_lost(printing):
    folder = printing(["paper-moth"], before="1 / 0").index.parent
    notebook = folder / "paper-moth_us.failed.ipynb"
    notebook.write_text("mine")
    again = printing(["paper-moth"], before="1 / 0")
    assert (folder / "paper-moth_us.failed.ipynb.bak-1").read_text() == "mine"
    assert len(again.notes) == 1
    notebook.write_text("mine, too")
    printing(["paper-moth"])
    assert notebook.read_text() == "mine, too"


def test_a_disk_that_is_full_in_the_middle_leaves_all_as_it_was(printing, monkeypatch):
    folder = printing().index.parent
    before = texts(folder)
    stage, full = output_files.stage_file, OSError(errno.ENOSPC, "No space left on device")

    def sometimes(place, data):
        if b"The page of paper-moth" in data:
            raise full
        return stage(place, data)

    monkeypatch.setattr(output_files, "stage_file", sometimes)
    printed = printing(words="second")
    assert [(one.account, one.reason) for one in printed.failures] == [("paper-moth", str(full))]
    after = texts(folder)
    assert all(after[f"paper-moth_us{ending}"] == before[f"paper-moth_us{ending}"] for ending in ENDINGS[:3])
    assert b"second" in after["clearbrook-bath_us.html"]
    assert "paper-moth" not in table(printed)
    assert [name for name in after if name.endswith(".part")] == []


def test_an_index_that_cannot_be_written_is_told_and_takes_no_page(printing, monkeypatch):
    folder = printing().index.parent
    before = (folder / "index.html").read_bytes()
    stage = output_files.stage_file

    def refused(place, data):
        if b"<title>Account health, 2026-10" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return stage(place, data)

    monkeypatch.setattr(output_files, "stage_file", refused)
    printed = printing(words="second", before='assert account != "paper-moth", "no luck"')
    assert printed.index_error.startswith("The index could not be written (No space left on device).")
    assert [one.reason for one in printed.failures] == ["no luck"]
    assert b"second" in (folder / "clearbrook-bath_us.html").read_bytes()
    assert (folder / "index.html").read_bytes() == before


@pytest.mark.slow
def test_the_command_says_that_the_index_was_not_written_and_ends_with_1(sample_store, tmp_path, monkeypatch):
    def refused(path, text):
        raise OSError(errno.EACCES, "Permission denied")

    asked = ["report", "--month", MONTH, "--data", str(sample_store), "--out", str(tmp_path), "--account", "paper-moth"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    real = output_files.write_signed
    monkeypatch.setattr(
        output_files, "write_signed", lambda *given: (refused if given[0].suffix == ".html" else real)(*given)
    )
    shown = CliRunner().invoke(app, [*asked, "--only-changed"])
    assert shown.exit_code == 1
    assert "The index could not be written (Permission denied). The reports are written." in shown.output


@pytest.mark.slow
def test_a_run_that_is_killed_while_files_change_places_leaves_nothing_foreign(printing, monkeypatch):
    """After every rename that a page takes: the next run takes all that is there as its own, and moves nothing."""
    for stop in range(1, 5):
        out = f"stop-{stop}"
        folder = printing(["paper-moth"], out=out).index.parent
        rename, done = os.replace, []

        def until(source, target, done=done, stop=stop, rename=rename):
            if "paper-moth" in str(target):
                done.append(target)
                if len(done) > stop:
                    raise KeyboardInterrupt
            rename(source, target)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", until)
            with pytest.raises(KeyboardInterrupt):
                manifest.write_page(folder, "paper-moth_us", ("paper-moth", "US"), {}, {
                    f"paper-moth_us{ending}": b"second" for ending in ENDINGS[:3]})  # fmt: skip
        assert manifest.load_manifest_if_complete(folder / "paper-moth_us.manifest.json") is None
        printed = printing(["paper-moth"], out=out, words="third")
        assert printed.notes == []
        assert [name for name in texts(folder) if "bak" in name] == []


# -- what the user put there --------------------------------------------------------------------------------------


def test_files_of_the_user_s_own_are_moved_aside_and_named(printing, tmp_path):
    folder = tmp_path / "reports" / MONTH
    folder.mkdir(parents=True)
    names = ["paper-moth_us.html", "paper-moth_us.json", "paper-moth_us.manifest.json", "index.html", "vega.js"]
    for name in names:
        (folder / name).write_text(f"my own {name}")
    (folder / "paper-moth_us_orders.csv").mkdir()
    (folder / "paper-moth_us_orders.csv" / "mine.txt").write_text("mine")
    (folder / "notes.html").write_text("untouched")
    printed = printing(["paper-moth"])
    assert printed.page_count == 1
    assert [(folder / f"{name}.bak-1").read_text() for name in names] == [f"my own {name}" for name in names]
    assert (folder / "paper-moth_us_orders.csv.bak-1" / "mine.txt").read_text() == "mine"
    assert (folder / "notes.html").read_text() == "untouched"
    said = {sentence.partition(" ")[0] for sentence in printed.notes}
    assert said == {*names, "paper-moth_us_orders.csv"}
    # Once they are the kit's own, they are replaced without a word.
    again = printing(["paper-moth"], "second")
    assert again.notes == []
    assert len(list(folder.glob("*.bak-*"))) == 6


def test_what_the_user_edited_is_kept_each_time(printing):
    folder = printing(["paper-moth"]).index.parent
    for number in (1, 2):
        (folder / "paper-moth_us_orders.csv").write_text(f"remark {number}")
        (folder / "index.html").write_text(f"index {number}")
        printing(["paper-moth"], only_changed=True)
        assert (folder / f"paper-moth_us_orders.csv.bak-{number}").read_text() == f"remark {number}"
        assert (folder / f"index.html.bak-{number}").read_text() == f"index {number}"
        assert (folder / "paper-moth_us_orders.csv").read_text() == "a,b\n"


def test_a_link_of_the_user_s_is_not_followed(printing, tmp_path):
    elsewhere = tmp_path / "elsewhere.html"
    elsewhere.write_text("mine")
    folder = tmp_path / "reports" / MONTH
    folder.mkdir(parents=True)
    (folder / "paper-moth_us.html").symlink_to(elsewhere)
    (folder / "vega.js").symlink_to(tmp_path / "nowhere")
    printing(["paper-moth"])
    assert elsewhere.read_text() == "mine"
    assert (folder / "paper-moth_us.html.bak-1").is_symlink()
    assert (folder / "vega.js.bak-1").is_symlink()
    assert not (folder / "vega.js").is_symlink()


def test_a_manifest_cannot_have_other_files_removed(printing, tmp_path):
    folder = printing(["paper-moth"]).index.parent
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    path = folder / "paper-moth_us.manifest.json"
    told = json.loads(path.read_text())
    told["files"]["../../victim.txt"] = manifest.sha256_hex(b"mine")
    path.write_text(json.dumps(told))
    printing(["paper-moth"], "second")
    assert victim.read_text() == "mine"


# -- modes of files ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_and_folders_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        output_files.write_file(tmp_path / "new" / "a.txt", "text")
        output_files.write_signed(tmp_path / "new" / "vega.js", "text")
        manifest.mark_failed(tmp_path / "new", "a_us", ("a", "US"), {"what": "no luck"}, b"{}")
        manifest.write_page(tmp_path / "new", "b_us", ("b", "US"), {}, {"b_us.html": b"x", "b_us/vega.js": b"x"})
    finally:
        os.umask(before)
    written = sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert len(written) == 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o666 & ~umask}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new", tmp_path / "new" / "b_us")} == {
        0o777 & ~umask
    }


# -- pages of others ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pages_of_accounts_that_are_gone_leave_the_index_and_are_named(tmp_path):
    both, one = Store(tmp_path / "both"), Store(tmp_path / "one")
    list(importer.import_files([SAMPLE / name for name in PAIR], both))
    list(importer.import_files([SAMPLE / "clearbrook-bath"], one))
    made = template(tmp_path)
    folder = batch.generate_reports(Workspace(both.folder), MONTH, None, tmp_path, template=made).index.parent
    before = {name: data for name, data in texts(folder).items() if name.startswith("paper-moth")}
    printed = batch.generate_reports(Workspace(one.folder), MONTH, None, tmp_path, template=made)
    said = "1 page is of an account that the store no longer holds: paper-moth (US). Its files are left where they are."
    assert printed.notes == [said]
    assert said in index(printed)
    assert "paper-moth_us.html" not in index(printed)
    assert {name: texts(folder)[name] for name in before} == before


def test_a_page_of_an_account_without_orders_for_the_month_leaves_the_index(two_pages):
    moth, brook = ("paper-moth", "US"), ("clearbrook-bath", "US")
    found = pages.read_folder(two_pages / MONTH, MONTH, owners_of_month=[brook], owners_in_store=[moth, brook])
    assert [row["account"] for row in found.index_rows] == ["clearbrook-bath"]
    assert pages.absent_sentences(found) == [
        "1 page is of an account without orders for this month: paper-moth (US). Its files are left where they are."
    ]


def test_a_batch_of_one_account_leaves_the_others_on_the_index(printing):
    printing()
    printed = printing(["paper-moth"], "second")
    assert printed.notes == []
    assert 'href="clearbrook-bath_us.html"' in table(printed)


# -- what is broken -----------------------------------------------------------------------------------------------


def rewritten(path: Path, text: str) -> None:
    """Change a file of a page, and the manifest with it, as another version of the kit would have written both."""
    path.write_text(text)
    beside = path.parent / f"{path.stem}.manifest.json"
    told = json.loads(beside.read_text())
    told["files"][path.name] = manifest.sha256_hex(text.encode())
    beside.write_text(json.dumps(told))


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


FIGURES, PAGE, MANIFEST = "paper-moth_us.json", "paper-moth_us.html", "paper-moth_us.manifest.json"
BROKEN = {
    "figures cut off": (FIGURES, cut),
    "figures gone": (FIGURES, Path.unlink),
    "figures are a folder": (FIGURES, folder_instead),
    "page gone": (PAGE, Path.unlink),
    "no row": (FIGURES, lambda path: rewritten(path, '{"verdict": []}')),
    "row of another shape": (FIGURES, lambda path: rewritten(path, '{"row": {"status": 3}}')),
    "verdict of another shape": (FIGURES, lambda path: rewritten(path, '{"row": {}, "verdict": 3}')),
    "figures are a list": (FIGURES, lambda path: rewritten(path, "[]")),
    "figures are no JSON": (FIGURES, lambda path: rewritten(path, "<html>")),
    "manifest cut off": (MANIFEST, cut),
    "manifest empty": (MANIFEST, lambda path: path.write_text("")),
    "manifest is a list": (MANIFEST, lambda path: path.write_text("[]")),
    "manifest of another shape": (MANIFEST, lambda path: path.write_text('{"inputs": {"parameters": 1}, "files": []}')),
    "manifest too deep": (MANIFEST, lambda path: path.write_text("[" * 100_000)),
    "manifest not UTF-8": (MANIFEST, lambda path: path.write_bytes(b"\xff\xfe{}")),
    "manifest is a folder": (MANIFEST, folder_instead),
}


@pytest.mark.parametrize("how", slow_after(2, BROKEN))
def test_a_broken_file_beside_the_pages_stops_nothing_and_is_named(printing, two_pages, tmp_path, how):
    folder = shutil.copytree(two_pages, tmp_path / "reports") / MONTH
    name, spoil = BROKEN[how]
    spoil(folder / name)
    printed = printing(["clearbrook-bath"], "second")
    assert printed.failures == []
    assert 'href="clearbrook-bath_us.html"' in table(printed)
    assert 'href="paper-moth_us.html"' not in table(printed)
    [said] = printed.notes
    assert re.match(r"paper-moth_us(\.manifest)?\.json is not on the index: ", said)
    assert "paper-moth_us" in index(printed)
    # The next run of the account mends it.
    mended = printing(words="second", only_changed=True)
    assert 'href="paper-moth_us.html"' in table(mended)
    assert (mended.page_count, mended.skipped) == (1, 1)


def test_a_manifest_of_something_else_or_a_copy_is_named(printing):
    folder = printing().index.parent
    (folder / "site.manifest.json").write_text('{"name": "my site", "icons": []}')
    copy = (folder / "paper-moth_us.manifest.json").read_bytes()
    (folder / "paper-moth_us (1).manifest.json").write_bytes(copy)
    printed = printing(["clearbrook-bath"])
    assert printed.notes == [
        f"{name} is not on the index: it is not the manifest of a page of this name. "
        "Run the report of its account again, or move it away."
        for name in ("paper-moth_us (1).manifest.json", "site.manifest.json")
    ]
    assert index(printed).count('href="paper-moth_us.html"') == 1
    assert (folder / "site.manifest.json").is_file()


def test_a_page_under_a_former_name_is_named_and_stays(printing, two_pages, tmp_path):
    folder = shutil.copytree(two_pages, tmp_path / "reports") / MONTH
    for path in list(folder.glob("paper-moth_us*")):
        renamed = path.with_name(path.name.replace("moth_us", "moth_us_a5420c"))
        renamed.write_text(path.read_text().replace("moth_us", "moth_us_a5420c"))
        path.unlink()
    printed = printing()
    assert printed.notes == [
        "paper-moth_us_a5420c.manifest.json is not on the index: it is a page of paper-moth (US) under another name. "
        "Its page is now paper-moth_us.html; delete the files of the other name when you like."
    ]
    assert (folder / "paper-moth_us_a5420c.html").is_file()
    assert table(printed).count(">paper-moth<") == 1


def test_a_page_of_another_month_is_not_taken_for_one_of_this(printing):
    folder = printing().index.parent
    path = folder / "paper-moth_us.manifest.json"
    told = json.loads(path.read_text())
    told["inputs"]["parameters"]["month"] = "2026-09"
    path.write_text(json.dumps(told))
    printed = printing(["clearbrook-bath"])
    assert printed.notes == [
        "paper-moth_us.manifest.json is not on the index: it is not of 2026-10. "
        "Move it and its page to the folder of their month."
    ]


@pytest.mark.long
def test_the_index_is_the_same_whatever_the_seed_of_hashes(tmp_path):
    script = (
        "import pandas as pd\nfrom datetime import date\nfrom healthkit.report.html.page import html_page\n"
        "from healthkit.report.html.portfolio import PortfolioPage, portfolio_index\n"
        "from healthkit.report.text import labels\n"
        "names = [f'{metric} {channel}' for metric in labels.METRIC_WORDS "
        "for channel in ('seller', 'amazon', 'all')]\n"
        "row = dict.fromkeys(('metric', 'channel', 'side', 'first', 'why', 'csv_href'), '') | dict.fromkeys("
        "('target', 'headroom', 'value', 'used'))\n"
        "rows = [row | {'account': a, 'marketplace': 'US', 'marketplace_title': a, 'status': 'no data', 'window': 0, "
        "'counted': 0, 'at_fault': 0, 'href': a, 'strips': dict.fromkeys(names, [(0.5, 'on target')] * 26)} "
        "for a in 'abc']\n"
        "index = PortfolioPage('2026-10', date(2026, 10, 31), pd.DataFrame(rows, dtype=object))\n"
        "print(html_page('x', [portfolio_index(index)]))"
    )
    command = [sys.executable, "-c", script]
    shown = [
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in "12"
    ]
    assert len({one.stdout for one in shown}) == 1
