"""A papermill engine without a kernel: each notebook runs in a fork of a process that has everything imported.

A Jupyter kernel needs seconds to start for every report, mostly for imports that are the same each time. Here the
imports run once, and each notebook still has a process of its own. papermill's own engine runs the notebook, with the
same outputs, if the machine cannot fork or the kernel is not Python's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import nbformat
from papermill.engines import Engine, NBClientEngine

from healthkit.batch import fork_client
from healthkit.batch.fork_client import RunResult

_LOG = logging.getLogger("papermill")
"""papermill's logger."""


class EngineError(ValueError):
    """Raised for an option of papermill that this engine does not support; the message says what to use instead."""


class ForkEngine(Engine):
    """papermill engine that runs each notebook in a forked process.

    It writes the status of the run into the metadata of the notebook.
    """

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, deadline: float | None = None, memory: int | None = None,
        is_shared: bool = False, notebook_sink: list[Any] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Run the code cells of a notebook until one fails.

        The notebook is killed after `deadline` [seconds] or beyond `memory` [MiB]. `is_shared` is that of
        `ForkServer.run`. The notebook is appended to `notebook_sink`, if given, even if it fails.
        """
        language = nb_man.nb.metadata.get("kernelspec", {}).get("language", "python")
        if notebook_sink is not None:
            notebook_sink.append(nb_man.nb)
        if not fork_client.CAN_FORK or language != "python":
            NBClientEngine.execute_managed_notebook(nb_man, kernel_name, **options)
            return
        if options.get("execution_timeout"):
            raise EngineError(
                "The engine healthkit does not support --execution-timeout, which limits each cell. Limit the notebook "
                "instead (deadline= of papermill.execute_notebook, --deadline of healthkit report), or use --engine "
                "nbclient."
            )
        code = [(number, str(cell.source)) for number, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code"]
        _add_outputs(nb_man, fork_client.run_notebook(code, deadline, memory, is_shared))
        _forward_output(nb_man, options)


def _forward_output(nb_man: Any, options: Mapping[str, Any]) -> None:
    """Write the outputs of an executed notebook to papermill's log and files.

    `options` may hold papermill's `log_output`, `stdout_file` and `stderr_file`.
    """
    for cell in nb_man.nb.cells:
        for output in cell.outputs if cell.cell_type == "code" else ():
            text = output.get("text", "") if output["output_type"] == "stream" else ""
            file = options.get(f"{output.get('name', '')}_file") if text else None
            if file is not None:
                file.write(text)
                file.flush()
            logged = text or output.get("data", {}).get("text/plain", "")
            if options.get("log_output") and logged:
                _LOG.log(logging.WARNING if output.get("name") == "stderr" else logging.INFO, "%s", logged)


def _add_outputs(nb_man: Any, result: RunResult) -> None:
    """Add the outputs of a run to the notebook, and set the status of each cell."""
    nb_man.nb.metadata["healthkit"] = {"status": result.status, "says": result.message}
    failure = {"ename": result.status, "evalue": result.message, "traceback": [result.message]}
    code_cells = [(number, cell) for number, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code"]
    for number, cell in code_cells:
        event = result.cell_outputs.get(number)
        if event is not None:
            cell.execution_count = event["count"]
            cell.outputs = [_output_node(output) for output in event["outputs"]]
        if number == result.running_cell and not _has_error(cell):
            cell.outputs.append(nbformat.v4.new_output("error", **failure))
        if _has_error(cell):
            nb_man.cell_exception(cell, number, exception=None)
        elif event is not None:
            cell.metadata.setdefault("papermill", {})["status"] = nb_man.COMPLETED
    if result.status != "done" and not any(_has_error(cell) for _, cell in code_cells):
        code_cells[0][1].outputs.append(nbformat.v4.new_output("error", **failure))


def _output_node(output: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Return an output as a node of a notebook; the data in it stay plain, because there are thousands of values."""
    node = nbformat.NotebookNode()
    dict.update(node, output)
    return node


def _has_error(cell: Any) -> bool:
    """Return whether a code cell has an error output."""
    return any(output["output_type"] == "error" for output in cell.outputs)
