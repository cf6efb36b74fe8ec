"""What nobody means to ask ends in a sentence: pipes, endless deadlines, centuries, odd YAML, odd names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healthkit.analysis import what_if
from healthkit.cli import app
from healthkit.metrics.policy import PolicyError
from healthkit.metrics.policy_files import load_policy
from healthkit.schema import yaml_lines

HEADER = "order-id,kind,known-on\n111-1111111-1111111,a_to_z_claim,2026-10-01\n"


def run(*words: object):
    made = CliRunner().invoke(app, [str(word) for word in words])
    assert made.exception is None or isinstance(made.exception, SystemExit), made.exception
    return made.exit_code, " ".join(made.output.replace("│", " ").split())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_pipe_or_device_is_refused_at_once(tmp_path):
    pipe = tmp_path / "orders.txt"
    os.mkfifo(pipe)
    words = [sys.executable, "-m", "healthkit", "import"]
    for path in (pipe, Path("/dev/null")):
        command = [*words, str(path), "--account", "acme", "--data", str(tmp_path / "store")]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 1
        assert f"{path}: is a pipe or a device, not a file." in ran.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_pipe_is_no_yaml_file(tmp_path):
    pipe = tmp_path / "steps.yaml"
    os.mkfifo(pipe)
    with pytest.raises(yaml_lines.YamlError, match=r"steps.yaml is no file"):
        yaml_lines.read_yaml(pipe)


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e18", "0"])
def test_a_deadline_is_a_finite_time(seconds, tmp_path):
    code, told = run("report", "--month", "2026-10", "--deadline", seconds, "--data", tmp_path)
    assert code == 2
    assert "--deadline" in told


@pytest.mark.parametrize("day", ["9999-12-31", "2200-01-01", "0001-01-01", "1899-12-31"])
@pytest.mark.parametrize("command", ["scores", "outlook", "standing", "due"])
def test_a_day_far_off_is_out_of_reach(command, day, tmp_path):
    code, told = run(command, "--as-of", day, "--data", tmp_path)
    assert code == 2
    assert f"{day} is out of reach; give a day from 1990-01-01 to 2199-12-31." in told


def test_a_range_of_a_century_is_too_long(tmp_path):
    code, told = run("scores", "--as-of", "2026-10-31", "--from", "1990-01-01", "--data", tmp_path)
    assert code == 2
    assert "is 13,453 days; ask for at most 3,700 at once." in told


@pytest.mark.parametrize(
    ("month", "says"),
    [
        ("2026-2", "is not a month"),
        ("2026-13", "is not a month"),
        ("9999-12", "out of reach"),
        ("٢٠٢٦-١٠", "not a month"),
    ],
)
def test_report_and_check_read_a_month_the_same_way(month, says, tmp_path):
    codes = {}
    for command in ("report", "check"):
        codes[command], told = run(command, "--month", month, "--data", tmp_path)
        assert says in told
    assert codes == {"report": 2, "check": 2}


@pytest.mark.parametrize(
    "text",
    [
        "steps: &all [*all]\n",
        "a: &a {b: *a}\n",
        "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
    ],
    ids=["list", "mapping", "many"],
)
def test_aliases_that_hold_themselves_or_too_much_are_refused(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(what_if.ScenarioError, match=r"mine.yaml"):
        what_if.read_scenario(path)
    with pytest.raises(PolicyError, match=r"mine.yaml"):
        load_policy(str(path))


@pytest.mark.parametrize("account", ["ac\nme", "ac\x1b[31mme"])
def test_an_account_name_with_control_characters_is_refused(account, tmp_path):
    named, folder = tmp_path / "acme" / "list.csv", tmp_path / account / "list.csv"
    for path in (named, folder):
        path.parent.mkdir()
        path.write_text(HEADER, encoding="utf-8")
    for words in ([named, "--account", account], [folder]):
        code, told = run("import", *words, "--marketplace", "US", "--data", tmp_path / "store")
        assert code == 1
        assert f"the account name {account!a} has control characters." in told
        assert "0 files imported" in told
        assert "\x1b" not in told
