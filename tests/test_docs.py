"""The documents are true: every command of README and docs runs, and both lists of packages agree."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from healthkit.ingest.formats import registry
from healthkit.metrics.definitions import METRICS
from tests.builders.sample import ROOT
from tests.builders.slow import slow_after

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONDA_NAMES = {"python-duckdb": "duckdb"}


def commands_of(text: str) -> list[str]:
    """The commands of the blocks of a document that show a terminal."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


COMMANDS = commands_of(README)
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
FURTHER_COMMANDS = sorted(
    {line for page in PAGES for line in commands_of((ROOT / "docs" / page).read_text(encoding="utf-8"))} - {*COMMANDS}
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory, sample_store):
    """A folder that looks like a clone after `make report`: the sample and its store, nothing of one's own."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "data").mkdir()
    (folder / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    (folder / "docs").symlink_to(ROOT / "docs")
    shutil.copytree(sample_store, folder / "data" / "sample_store")
    return folder


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize(
    "command", slow_after(3, [line for line in COMMANDS + FURTHER_COMMANDS if line.startswith("python")])
)
def test_every_command_of_the_documents_runs(command, clone):
    words = [sys.executable, *shlex.split(command)[1:]]
    shown = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip()


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make")])
def test_every_make_word_of_the_readme_is_in_the_makefile(command):
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    shown = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr


CELLS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_cells_of_the_readme_run_one_after_the_other_and_each_shows_something(clone):
    """In one IPython shell, as a notebook would; the last of a cell is what it shows."""
    assert len(CELLS) == 6
    code = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
told = []
for cell in json.load(sys.stdin):
    ended = shell.run_cell(cell, store_history=False)
    ended.raise_error()
    shown = shell.display_formatter.format(ended.result)[0] if ended.result is not None else {}
    told.append(sorted(shown))
print(json.dumps(told))
print(len(shell.user_ns["orders"]) == shell.user_ns["worst"]["at_fault"])
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=clone, capture_output=True, text=True, check=False, input=json.dumps(CELLS),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    *_, told, same = shown.stdout.strip().splitlines()
    first, *rest = json.loads(told)
    assert first == []
    assert all("text/plain" in kinds for kinds in rest)
    assert sum("text/html" in kinds for kinds in rest) >= 4
    assert same == "True"


def test_the_files_that_the_documents_name_are_there():
    for page in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", *(f"docs/{name}" for name in PAGES)):
        text = (ROOT / page).read_text(encoding="utf-8")
        linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        named = re.findall(r"`((?:healthkit|notebooks|tests|data/sample)/[\w./-]+\.\w+)`", text)
        assert [link for link in linked if not ((ROOT / page).parent / link).exists()] == []
        assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_measure_is_defined_in_the_list_of_measures():
    text = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    assert [name for name in METRICS if f"`{name}`" not in text] == []


FILES = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")


def test_every_kind_of_file_stands_in_the_list_of_files():
    kinds = {kind.name for kind in (*registry.table_kinds(), *registry.document_kinds())}
    first = [line.split("|")[1] for line in FILES.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(first))) == kinds


@pytest.mark.parametrize("kind", [kind for kind in registry.table_kinds() if kind.by_hand], ids=lambda kind: kind.name)
def test_the_columns_of_a_plain_file_stand_in_the_list_of_files(kind):
    line = next(line for line in FILES.splitlines() if line.startswith(f"| `{kind.name}`"))
    told = line.split("|")[2]
    assert set(re.findall(r"\[`([\w-]+)`\]", told)) == set(kind.optional_columns)
    assert set(re.findall(r"`([\w-]+)`", told)) == {*kind.required_columns, *kind.optional_columns}


def test_environment_and_pyproject_ask_for_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = {line for line in environment["dependencies"] if isinstance(line, str)} - {"pip"}
    renamed = {re.sub(r"^[\w-]+", lambda name: CONDA_NAMES.get(name[0], name[0]), line) for line in conda}
    assert renamed == {*project["dependencies"], f"python{project['requires-python']}"}


def test_every_requirement_is_pinned_and_covers_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {}
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                package, version = line.split("==")
                pinned[re.sub(r"[-_.]+", "-", package).lower()] = version
    names = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in wanted}
    assert names - pinned.keys() == set()
