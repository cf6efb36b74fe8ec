"""Every notebook tells a story in short cells, holds no outputs, and runs from top to bottom on the sample."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from healthkit.batch import run_notebook

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(path for path in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
FIRST = FOLDER / "01_where_do_i_stand.ipynb"
LONGEST = 10
"""So many lines a code cell may have."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str = "code") -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def parameters(path: Path, store: Path) -> dict[str, str]:
    """What a notebook is to run with: the sample, and for a template one account and month of it."""
    given = {"data": str(store)}
    return given | {"account": "birchway-crafts", "month": "2026-10"} if path.parent.name == "templates" else given


def texts(notebook) -> str:
    """All that the cells showed, as text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_notebooks_are_found():
    assert FIRST in NOTEBOOKS
    assert any(path.parent.name == "templates" for path in NOTEBOOKS)


@each_notebook
def test_no_outputs_and_no_counts_are_stored(path):
    assert [cell.source for cell in cells(path) if cell.outputs or cell.execution_count is not None] == []
    assert "widgets" not in nbformat.read(path, as_version=4).metadata


@each_notebook
def test_one_cell_holds_the_parameters(path):
    tagged = [cell for cell in cells(path) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert "data = " in tagged[0].source


@each_notebook
def test_code_is_short_and_tells_without_functions_loops_or_magics(path):
    for cell in cells(path):
        assert len(cell.source.splitlines()) <= LONGEST, cell.source
        assert not re.search(r"^\s*[%!]", cell.source, re.M), cell.source
        forbidden = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.For | ast.While
        assert not any(isinstance(node, forbidden) for node in ast.walk(ast.parse(cell.source))), cell.source


@each_notebook
def test_it_begins_with_a_question(path):
    assert re.match(r"# .+\?\n", cells(path, "markdown")[0].source)


@pytest.mark.parametrize(
    "path",
    # The dashboard holds the panels of the others.
    [pytest.param(one, marks=pytest.mark.slow if "dashboard" in one.stem else ()) for one in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_it_runs_on_the_sample(path, sample_store):
    done = papermill.execute_notebook(
        str(path), None, parameters=parameters(path, sample_store), engine_name=run_notebook.FORK_ENGINE,
        progress_bar=False,
        log_output=False, request_save_on_cell_execute=False,
    )  # fmt: skip
    assert [cell.source for cell in done.cells if cell.cell_type == "code" and cell.execution_count is None] == []


def test_the_first_notebook_ends_in_a_finding_and_shows_the_panel(sample_store):
    given = parameters(FIRST, sample_store) | {"account": "birchway-crafts", "as_of": "2026-10-31"}
    done = papermill.execute_notebook(
        str(FIRST), None, parameters=given, engine_name=run_notebook.FORK_ENGINE, progress_bar=False, log_output=False
    )
    shown = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    assert re.search(r"Late Shipment Rate over 30 days is at \d+\.\d% on 31 October 2026 \(limit 4%\)", texts(done))
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in shown)


def test_the_first_notebook_runs_in_a_kernel_of_its_own_as_for_a_user(sample_store, tmp_path):
    notebook = parameterize_notebook(load_notebook_node(str(FIRST)), {"data": str(sample_store)})
    # Sockets in a folder of the test, for ports may clash with those of other tests.
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "k"))
    done = NotebookClient(notebook, km=manager, timeout=120).execute(cwd=str(FOLDER))
    assert "31 October 2026" in texts(done)
    assert len(nbformat.writes(done)) < 1_000_000
