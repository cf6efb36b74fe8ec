"""A papermill engine without a kernel: each notebook runs in a fork of a process that has everything loaded.

Starting a Jupyter kernel costs seconds for every report, most of it imports that are the same each time; here they are
paid once. What a notebook does to its process ends with it. Where a process cannot fork, or for a kernel that is not
Python's, papermill's own engine runs the notebook, with the same outputs.
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
"""The log that papermill shows."""


class EngineError(ValueError):
    """An option of papermill's that this engine cannot follow; the message says what to use instead."""


class ForkEngine(Engine):
    """Runs the code cells of a managed notebook in a fork; how it ended stands in the notebook's own metadata."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, deadline: float | None = None, memory: int | None = None,
        keep: list[Any] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Run every code cell until one fails; `keep` is given the notebook, however it ends."""
        language = nb_man.nb.metadata.get("kernelspec", {}).get("language", "python")
        if keep is not None:
            keep.append(nb_man.nb)
        if not fork_client.CAN_FORK or language != "python":
            NBClientEngine.execute_managed_notebook(nb_man, kernel_name, **options)
            return
        if options.get("execution_timeout"):
            raise EngineError(
                "The engine healthkit does not know --execution-timeout, which limits each cell. Limit the notebook "
                "instead (deadline= of papermill.execute_notebook, --deadline of healthkit report), or use --engine "
                "nbclient."
            )
        code = [(place, str(cell.source)) for place, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code"]
        _add_outputs(nb_man, fork_client.run_notebook(code, deadline, memory))
        _forward_output(nb_man, options)


def _forward_output(nb_man: Any, options: Mapping[str, Any]) -> None:
    """Follow papermill's options for output once a notebook has ended: its log, and files for what was written.

    `given` may hold `log_output`, `stdout_file` and `stderr_file`, with the meaning that they have for papermill.
    """
    for cell in nb_man.nb.cells:
        for output in cell.outputs if cell.cell_type == "code" else ():
            text = output.get("text", "") if output["output_type"] == "stream" else ""
            file = options.get(f"{output.get('name', '')}_file") if text else None
            if file is not None:
                file.write(text)
                file.flush()
            shown = text or output.get("data", {}).get("text/plain", "")
            if options.get("log_output") and shown:
                _LOG.log(logging.WARNING if output.get("name") == "stderr" else logging.INFO, "%s", shown)


def _add_outputs(nb_man: Any, result: RunResult) -> None:
    """Put what the cells showed into the notebook, and mark each by how it ended."""
    nb_man.nb.metadata["healthkit"] = {"status": result.status, "says": result.message}
    for place, cell in enumerate(nb_man.nb.cells):
        told = result.cell_outputs.get(place)
        if cell.cell_type != "code":
            continue
        if told is not None:
            cell.execution_count = told["count"]
            cell.outputs = [nbformat.from_dict(output) for output in told["outputs"]]
        failed = place == result.running_cell or any(output["output_type"] == "error" for output in cell.outputs)
        if failed and not any(output["output_type"] == "error" for output in cell.outputs):
            said = {"ename": result.status, "evalue": result.message, "traceback": [result.message]}
            cell.outputs.append(nbformat.v4.new_output("error", **said))
        if failed:
            nb_man.cell_exception(cell, place, exception=None)
        elif told is not None:
            cell.metadata.setdefault("papermill", {})["status"] = nb_man.COMPLETED
    if result.status != "done" and not _has_error_output(nb_man.nb):
        said = {"ename": result.status, "evalue": result.message, "traceback": [result.message]}
        first = next(cell for cell in nb_man.nb.cells if cell.cell_type == "code")
        first.outputs.append(nbformat.v4.new_output("error", **said))


def _has_error_output(notebook: Any) -> bool:
    """Whether any cell holds an error."""
    held = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return any(output["output_type"] == "error" for output in held)
