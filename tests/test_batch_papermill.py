"""papermill's own options hold with our engine, or are refused in a sentence."""

from __future__ import annotations

import io
import subprocess
import sys

import papermill
import pytest

from healthkit.batch import fork_client, run_notebook
from healthkit.batch.engine import EngineError
from tests.builders.notebooks import write_notebook

pytestmark = pytest.mark.skipif(
    not fork_client.CAN_FORK, reason="notebooks run in a kernel where a process cannot fork"
)


@pytest.fixture
def notebook(tmp_path):
    words = "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)"
    return write_notebook(tmp_path / "some.ipynb", words, "40 + 2")


@pytest.mark.parametrize("first", ["papermill", "healthkit.batch"])
def test_either_may_be_imported_first(first):
    """papermill loads our engine by its entry point in the middle of its own import."""
    code = f"import {first}; from papermill.engines import papermill_engines; import healthkit.batch"
    code += f"; papermill_engines.get_engine({run_notebook.FORK_ENGINE!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_is_written_goes_to_the_files_and_the_log(notebook, tmp_path, caplog):
    files = {name: io.StringIO() for name in ("stdout_file", "stderr_file")}
    with caplog.at_level("INFO", logger="papermill"):
        papermill.execute_notebook(
            notebook,
            tmp_path / "out.ipynb",
            engine_name=run_notebook.FORK_ENGINE,
            progress_bar=False,
            log_output=True,
            **files,
        )
    assert files["stdout_file"].getvalue() == "to stdout\n"
    assert files["stderr_file"].getvalue() == "to stderr\n"
    assert {"to stdout\n", "to stderr\n", "42"} <= set(caplog.messages)


def test_a_limit_for_each_cell_is_refused(notebook, tmp_path):
    with pytest.raises(EngineError, match="does not support --execution-timeout"):
        papermill.execute_notebook(
            notebook,
            tmp_path / "out.ipynb",
            engine_name=run_notebook.FORK_ENGINE,
            progress_bar=False,
            execution_timeout=5,
        )
