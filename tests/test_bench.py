"""Every benchmark is run by `make bench-smoke`, and the copies of the sample are accounts of their own."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bench import commands, press, run_all, smoke
from healthkit.ingest import importer
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import ROOT


def test_every_benchmark_is_in_the_smoke_run():
    modules = {path.stem for path in (ROOT / "bench").glob("*.py")} - {"__init__", "smoke", "run_all"}
    assert set(smoke.BENCHMARKS) == modules


def test_the_smoke_run_is_part_of_what_a_checkout_must_pass():
    assert "make bench-smoke" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_a_benchmark_must_end_well_with_one_json_object():
    assert smoke.find_failure(0, '10 forecasts\n{"forecasts": 10}\n', "a warning") == ""
    assert smoke.find_failure(0, "", "") != ""
    assert smoke.find_failure(0, "[1, 2]\n", "") != ""
    assert smoke.find_failure(2, '{"forecasts": 10}\n', "wrong usage") == "it ended with code 2: wrong usage"


def test_a_store_of_copies_holds_as_many_accounts_as_were_asked_for(tmp_path):
    """Copies that share the digest of a file count as one file: the others are not read."""
    sample = Store(tmp_path / "sample")
    list(importer.import_files([ROOT / "data" / "sample" / "paper-moth"], sample))
    made = press.make_copies(sample, tmp_path / "copies", 3)
    assert Workspace(made.folder).accounts == ["0000-paper-moth", "0001-paper-moth", "0002-paper-moth"]
    orders = [int(rows["orders"].sum()) for _, rows in Workspace(made.folder).counts.coverage.groupby("account")]
    assert len(set(orders)) == 1
    assert orders[0] > 0


PARTS = {
    "cpu": 2, "reports": 8, "failed": 0, "left": {"1e+05": {"cpu": 1.5}, "1e+06": {"cpu": 9}, "slope": 1},
}  # fmt: skip
SECTION = run_all.Section("press", "Reports", (
    run_all.Figure("cpu", "a report", "{:.1f} CPU s", "{reports} reports, {failed} failed", at_most=4),
    run_all.Figure("left.*.cpu", "{0} lines", "{:.1f} CPU s", "{nothing.here}", at_least=2),
    run_all.Figure("absent", "not measured", "{:.1f} s"),
))  # fmt: skip


def test_the_file_of_all_benchmarks_has_each_figure_with_its_goal_and_says_what_failed():
    made = run_all.section_lines(SECTION, run_all.Outcome(PARTS, seconds=3))
    assert made[4:7] == [
        "| a report | 2.0 CPU s | 8 reports, 0 failed | at most 4.0 CPU s: met |",
        "| 100,000 lines | 1.5 CPU s | | at least 2.0 CPU s: not met |",
        "| 1,000,000 lines | 9.0 CPU s | | at least 2.0 CPU s: met |",
    ]
    assert len([line for line in made if line.startswith("| ")]) == 4
    # A small form says nothing of a goal.
    assert "met" not in "".join(run_all.section_lines(SECTION, run_all.Outcome(PARTS), small=True))
    failure = f"it ended with code 1: Traceback\n  File {ROOT}/bench/press.py\nOSError: no `disk` at {ROOT}/x"
    text = run_all.document({"press": run_all.Outcome(failure=failure, seconds=2)}, ["press", "ui"], False, [])
    assert "**Failed: Monthly reports.**" in text
    assert "**Failed** after 2 s: `it ended with code 1: OSError: no 'disk' at x`" in text
    assert "## Key press to redrawn chart, in JupyterLab\n\nNot run yet." in text
    assert str(ROOT) not in text


def test_a_benchmark_that_runs_again_takes_the_place_of_its_section_and_names_its_commit():
    failed, passed = (
        run_all.Outcome(failure="no disk", seconds=2),
        run_all.Outcome({"seconds": {"off": 1.5}}, seconds=3),
    )
    names = ["window", "press", "futures"]
    before = run_all.document({"window": passed, "press": failed, "futures": failed}, names, False, ["| commit | 1a |"])
    assert "**Failed: Monthly reports, Simulated futures.**" in before
    after = run_all.replace_section(before, "futures", passed, ", again at commit 2b")
    assert "**Failed: Monthly reports.**" in after
    assert "`python -m bench.futures`, 3 s, again at commit 2b." in after
    # A failure that runs again well leaves no trace, and the others stay letter for letter.
    assert run_all.replace_section(after, "futures", failed, "") == before
    assert (
        before.partition("## Simulated futures")[0].replace(", Simulated futures.**", ".**")
        == (after.partition("## Simulated futures")[0])
    )
    assert run_all.replace_section(before, "ui", failed, "").startswith(before.partition("**Failed")[0])
    everything = run_all.replace_section(run_all.replace_section(after, "press", passed, ""), "ui", passed, "")
    assert "Failed" not in everything
    assert everything.rindex("## Key press") > everything.rindex("## Simulated futures")


def test_a_benchmark_runs_again_only_beside_figures_of_the_same_machine(tmp_path):
    (tmp_path / "made.md").write_text("| processor | an abacus |\n", encoding="utf-8")
    ended = run_bench_all("--again", "futures", "--out", str(tmp_path / "made.md"))
    assert ended.returncode == 2
    assert "is of another machine or other versions" in ended.stderr
    assert "holds whole runs" not in ended.stderr
    assert (tmp_path / "made.md").read_text(encoding="utf-8") == "| processor | an abacus |\n"


def test_every_benchmark_is_in_the_whole_run_and_its_goals_are_those_of_its_figures():
    assert {section.module for section in run_all.SECTIONS.values()} == set(smoke.BENCHMARKS)
    goals = {figure.path: (figure.at_most, figure.at_least) for figure in run_all.SECTIONS["press"].figures}
    assert (goals["stock_to_ours"], goals["ours_to_plain"]) == ((None, 25), (1.15, None))


def test_no_file_of_the_sample_is_missing_from_its_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "COPIES", 1)
    files = [path for path in smoke.SAMPLE.rglob("*") if path.is_file()]
    assert commands.copy_small_files(tmp_path) == len(files)
    assert {path.name for path in tmp_path.rglob("*")} >= {path.name for path in files}


def run_bench_all(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.run_all", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_small_forms_and_single_benchmarks_never_become_the_document():
    for words in (("--small",), ("futures",), ("--out", str(run_all.OUT), "futures")):
        ended = run_bench_all(*words)
        assert ended.returncode == 2
        assert "holds whole runs of all benchmarks only" in ended.stderr


@pytest.mark.slow
def test_the_small_form_of_a_benchmark_goes_into_the_file_that_is_named(tmp_path):
    ended = run_bench_all("--small", "--out", str(tmp_path / "new" / "made.md"), "futures")
    assert ended.returncode == 0, ended.stdout
    text = (tmp_path / "new" / "made.md").read_text(encoding="utf-8")
    assert "**Small forms" in text
    assert "| 200 futures of 90 days, late shipment rate 50 a day |" in text


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def measured_lines(text: str) -> list[str]:
    """The lines of the README that name measured figures: the table of past forecasts, and anything in units of time
    or memory."""
    table = text.partition("| forecasts | off target")[2].partition("\n\n")[0].splitlines()[2:]
    return [*table, *re.findall(r".*\d (?:ms|µs|CPU s|MiB|KiB)\b.*", text)]


def test_the_readme_names_no_figure_that_the_benchmarks_did_not_give():
    lines = measured_lines(README)
    assert len(lines) >= 3
    if not run_all.OUT.exists():
        pytest.skip("docs/benchmarks.md is not made yet: make bench-all OLIST=FOLDER")
    sections = [set(NUMBER.findall(one)) for one in run_all.OUT.read_text(encoding="utf-8").split("\n## ")]
    for line in lines:
        figures = set(NUMBER.findall(line))
        assert any(figures <= section for section in sections), f"not in docs/benchmarks.md as it stands: {line}"
