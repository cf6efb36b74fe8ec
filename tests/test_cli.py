"""The commands as a user types them: words in, tables out, exit codes that tell."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from healthkit import cli
from healthkit.cli import app, options
from healthkit.workspace.workspace import Workspace
from tests.builders.cli_commands import commands, path_options
from tests.builders.sample import SAMPLE

DAY = "2026-10-31"


def test_scores_as_json_are_the_scores_of_the_desk(run, sample_store):
    shown = run("scores", "--as-of", DAY, "--format", "json", "--data", sample_store)
    assert shown.exit_code == 0
    rows = json.loads(shown.stdout)
    table = Workspace(sample_store).score(date(2026, 10, 31))
    assert [(row["account"], row["metric"], row["counted"], row["at_fault"]) for row in rows] == list(
        table[["account", "metric", "counted", "at_fault"]].itertuples(index=False, name=None)
    )
    assert {row["as_of"] for row in rows} == {DAY}


def test_windows_stand_side_by_side_each_as_it_is_alone(run, sample_store):
    words = ("scores", "--as-of", DAY, "--account", "lantern-hill-lighting", "--data", sample_store)
    alone = {days: json.loads(run(*words, "--window", days, "--format", "json").stdout) for days in (7, 45, 90)}
    asked = [word for days in alone for word in ("--window", days)]
    shown = run(*words, *asked).stdout.splitlines()
    assert re.search(r"7 days +45 days +90 days", shown[0])
    [place] = [place for place, line in enumerate(shown) if "Order Defect Rate" in line and "at least" not in line][:1]
    rows = [next(row for row in rows if row["metric"] == "order_defect_rate") for rows in alone.values()]
    figures = [f"{row['rate']:.2%} ({row['at_fault']:,} of {row['counted']:,})" for row in rows]
    assert re.findall(r"[\d.]+% \([\d,]+ of [\d,]+\)", shown[place]) == figures
    assert re.findall(r"[a-z]+ target", shown[place + 1]) == [row["status"] for row in rows]
    listed = json.loads(run(*words, *asked, "--format", "json").stdout)
    assert len(listed) == sum(map(len, alone.values())), "a row a window, as for one window alone"


def test_scores_as_csv_hold_a_history_day_by_day(run, sample_store):
    shown = run(
        "scores", "--as-of", DAY, "--from", "2026-10-25", "--account", "paper-moth", "--format", "csv",
        "--data", sample_store,
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    defects = [row for row in rows if row["metric"] == "order_defect_rate"]
    assert [row["as_of"] for row in defects] == [f"2026-10-{day}" for day in range(25, 32)]


def test_alerts_say_how_much_room_is_left(run, sample_store):
    words = ("check", "--month", "2026-10", "--data", sample_store)
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").stdout)))
    lines = run(*words).stdout.splitlines()
    alerts = [line for line in lines if line.startswith(("off target", "at risk", "cannot be judged"))]
    assert len(alerts) == len(rows)
    for row, line in zip(rows, alerts, strict=True):
        if row["status"] == "at risk" and float(row["headroom"]) > 0:
            assert f"room for {float(row['headroom']):g} more" in line
    assert any("room for 8 more units" in line for line in lines)


def test_the_table_marks_a_status_by_symbol_and_word_and_explains_a_proxy(run, sample_store):
    shown = run("scores", "--as-of", DAY, "--data", sample_store)
    assert "✕ off target" in shown.stdout
    assert "≈ proxy: The files do not say who cancelled" in shown.stdout


def test_the_table_says_how_much_room_is_left(run, sample_store):
    words = ("scores", "--as-of", DAY, "--data", sample_store)
    rooms = [row["headroom"] for row in json.loads(run(*words, "--format", "json").stdout)]
    lines = run(*words).stdout.splitlines()
    begin = lines[0].index("Room left")
    rows = [
        line for line in lines[1:] if not line.startswith((" ", "≈", "? "))
    ]  # A long measure goes on in a second line.
    told = [line[begin:].strip() for line in rows]
    assert told == ["" if room is None else f"{room:,}" for room in rooms]
    assert sum(room is not None for room in rooms) > 50


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("command", ["scores", "outlook"])
def test_on_a_narrow_terminal_a_table_folds_and_nothing_of_it_is_cut(command, width, monkeypatch, sample_store):
    monkeypatch.setattr(options.out, "_force_terminal", True)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = CliRunner().invoke(app, [command, "--as-of", DAY, "--account", "paper-moth", "--data", str(sample_store)])
    table = re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout).split("\n\n")[0]
    assert max(map(len, table.splitlines()[:20])) <= width
    assert "Measure" in table
    assert "…" not in table
    words = table.lower().split()
    assert {"defects", "target"} <= set(words)


_CELLS = st.text(st.sampled_from("abc de-1.5%≈✓日本é"), max_size=40) | st.sampled_from(["[b]", ":x:", "two\nlines", ""])


@given(
    rows=st.lists(st.tuples(_CELLS, _CELLS, _CELLS, st.sampled_from([None, "dim"])), max_size=8),
    sides=st.permutations(["left", "right", "long"]),
    width=st.integers(40, 140),
)
def test_a_table_is_printed_as_rich_prints_it(rows, sides, width):
    def printed(as_lines):
        console = Console(file=io.StringIO(), width=width)
        table = options.make_table(dict(zip(("One", "Two", "Three"), sides, strict=True)))
        for *cells, style in rows:
            table.add_row(*cells, style=style)
        if not (as_lines and options._print_as_lines(table, console)):
            console.print(table)
        return console.file.getvalue()

    assert printed(as_lines=True) == printed(as_lines=False)


def test_each_command_is_loaded_from_the_module_that_has_it():
    for module, names in cli._COMMANDS.items():
        code = (
            f"import healthkit.cli as cli; [cli._load_commands(name) for name in {names}]; "
            "app = cli._import_module('options').app; "
            "print(*[one.name or one.callback.__name__ for one in app.registered_commands], "
            "*[one.name for one in app.registered_groups])"
        )
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert sorted(shown.stdout.split()) == sorted(names), module
    everything = [one.name or one.callback.__name__ for one in app.registered_commands]
    everything += [one.name for one in app.registered_groups]
    assert sorted(everything) == sorted(name for names in cli._COMMANDS.values() for name in names)


def test_window_lag_and_policy_replace_those_of_the_rules(run, sample_store):
    words = ("scores", "--as-of", DAY, "--format", "json", "--data", sample_store, "--account", "birchway-crafts")
    own = json.loads(run(*words, "--window", 20, "--lag", 3).stdout)
    assert {(row["window"], row["last_day"]) for row in own} == {(20, "2026-10-28")}
    reference = json.loads(run(*words, "--policy", "amazon_reference").stdout)
    late = [row["window"] for row in reference if row["metric"] == "late_shipment_rate"]
    assert late == [7, 10, 30]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["scores", "--as-of", "31/10/2026"], 2, "write it as 2026-10-31"),
        (["scores"], 2, "Missing option"),
        (["scores", "--as-of", DAY, "--from", "2026-11-05"], 2, "is after --as-of"),
        (["scores", "--as-of", DAY, "--account", "nobody"], 1, "No account 'nobody'"),
        (["scores", "--as-of", DAY, "--policy", "amazon_mars"], 1, "Policies: amazon_"),
        (["scores", "--as-of", DAY, "--window", "0"], 2, "Invalid value for '--window'"),
        (["scores", "--as-of", DAY, "--lag", "-1"], 2, "Invalid value for '--lag'"),
        (["scores", "--as-of", "2010-01-01"], 1, "has no rule for order_defect_rate on 2010-01-01"),
        (["report", "--month", "October"], 2, "write it as 2026-10"),
        (["report", "--month", "2019-10"], 1, "No account has orders to report for 2019-10"),
        (["report", "--month", "2026-10", "--account", "nobody"], 1, "No account 'nobody'"),
    ],
)
def test_what_cannot_be_answered_is_said_and_the_exit_code_tells(run, sample_store, tmp_path, words, code, said):
    where = ["--data", sample_store, *(["--out", tmp_path] if words[0] == "report" else [])]
    shown = run(*words, *where)
    assert shown.exit_code == code
    assert said in re.sub(r"[│\s]+", " ", shown.output)
    assert not any(tmp_path.iterdir())


PATHS = [(words, option, is_option) for words, command in commands() for option, is_option in path_options(command)]


def test_every_option_that_names_a_path_is_tried():
    named = {(words, option) for words, option, _ in PATHS}
    assert {
        ("import", "paths"), ("import", "--data"), ("report", "--out"), ("report", "--work"), ("report", "--data"),
        ("whatif", "--scenario"), ("store repair", "--data"), ("doctor", "--data"), ("scores", "--data"),
    } <= named  # fmt: skip


@pytest.mark.parametrize("empty", ["", "  "], ids=["nothing", "blanks"])
@pytest.mark.parametrize(("words", "option", "is_option"), PATHS, ids=[f"{one[0]} {one[1]}" for one in PATHS])
def test_an_empty_path_as_of_a_variable_that_is_not_set_is_refused(
    run, words, option, is_option, empty, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    needed = {"--account": "acme", "--metric": "order_defect_rate", "--as-of": DAY, "--month": "2026-10"}
    needed |= {"--from": "2026-10-01", "--on": DAY, "--scenario": "scenario.yaml", "--marketplace": "US"}
    command = dict(commands())[words]
    given = [word for one in command.params if one.opts[0] in needed and one.opts[0] != option
             for word in (one.opts[0], needed[one.opts[0]])]  # fmt: skip
    shown = run(*words.split(), *given, *([option, empty] if is_option else [empty]))
    assert shown.exit_code == 2
    assert "the path is empty" in re.sub(r"[│\s]+", " ", shown.output)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_name_of_a_policy_is_refused(run, sample_store):
    shown = run("scores", "--as-of", DAY, "--policy", "", "--data", sample_store)
    assert shown.exit_code == 1
    assert "Policies: amazon_" in shown.output


def test_a_store_without_a_name_is_refused_by_the_library_too():
    with pytest.raises(ValueError, match="empty"):
        Workspace("").counts  # noqa: B018 - it is not come so far


def test_the_store_is_found_from_a_folder_below(sample_store, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample_store").symlink_to(sample_store)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert len(Workspace().accounts) == 8


def test_without_a_store_the_way_to_one_is_said(run, tmp_path):
    shown = run("scores", "--as-of", DAY, "--data", tmp_path / "none")
    assert shown.exit_code == 1
    assert "python -m healthkit import PATH" in shown.output


def test_an_import_says_what_it_took_and_the_second_adds_nothing(run, tmp_path):
    words = ("import", SAMPLE / "clearbrook-bath", "--data", tmp_path)
    first, second = run(*words), run(*words)
    assert first.exit_code == second.exit_code == 0
    assert "skipped" in first.output
    assert re.search(r"[1-9]\d* files imported into .*, 0 already there, 0 refused", first.output.replace("\n", " "))
    assert re.search(r"0 files imported into .*, [1-9]\d* already there", second.output.replace("\n", " "))


def test_a_refused_file_makes_the_exit_code_one_and_the_others_are_taken(run, tmp_path):
    folder = tmp_path / "clearbrook-bath"
    shutil.copytree(SAMPLE / "clearbrook-bath", folder)
    (folder / "broken.txt").write_text("what\tis\tthis\n1\t2\t3\n")
    shown = run("import", folder, "--data", tmp_path / "store")
    assert shown.exit_code == 1
    assert "broken.txt" in shown.output
    assert Workspace(tmp_path / "store").accounts == ["clearbrook-bath"]


def test_a_path_that_is_not_there_is_named(run, tmp_path):
    shown = run("import", tmp_path / "nowhere", "--data", tmp_path / "store")
    assert shown.exit_code == 1
    assert "nowhere" in shown.output


def test_the_rules_of_a_day_are_those_in_force_with_their_source(run):
    before, after = (run("rules", "--marketplace", "US", "--on", day) for day in ("2024-09-24", "2024-09-25"))
    assert before.exit_code == after.exit_code == 0
    assert ("On-Time Delivery Rate (units)" in before.stdout, "On-Time Delivery Rate (units)" in after.stdout) == (
        False,
        True,
    )
    assert "Seller Central help" in after.stdout


def test_rules_want_one_marketplace_or_one_policy(run):
    assert run("rules", "--on", DAY).exit_code == 2
    unknown = run("rules", "--on", DAY, "--marketplace", "USA")
    assert unknown.exit_code == 1
    assert "No policy for marketplace 'USA'" in unknown.output


@pytest.mark.parametrize("command", ["import", "scores", "report", "rules", "lab"])
def test_every_command_has_help_with_an_example(run, command):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert f"Example: python -m healthkit {command}" in re.sub(r"\s+", " ", shown.output)


def test_a_name_forges_no_line_of_the_log(tmp_path):
    name = "a\n2026-10-31 00:00:00,000 ERROR healthkit.store.store: all is lost\x1b[2J.txt"
    (tmp_path / "raw").mkdir()
    one = next((SAMPLE / "paper-moth").glob("all_orders_2026-10*"))
    shutil.copy(one, tmp_path / "raw" / name)
    words = ["--log", "info", "import", str(tmp_path / "raw"), "--data", str(tmp_path / "store")]
    command = [sys.executable, "-m", "healthkit", *words]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    lines = [line for line in said.splitlines() if " healthkit." in line]
    assert any(" INFO healthkit.ingest.importer: " in line and "\\n2026-10-31" in line for line in lines)
    assert not any(line.startswith("2026-10-31 00:00:00,000 ERROR") for line in lines)
    assert "\x1b" not in said


def test_nothing_is_said_of_the_work_unless_asked(tmp_path):
    command = [sys.executable, "-m", "healthkit", "import", str(SAMPLE / "paper-moth"), "--data", str(tmp_path / "s")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
