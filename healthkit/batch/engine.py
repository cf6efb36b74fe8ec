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
from healthkit.batch.fork_client import Ran

_LOG = logging.getLogger("papermill")
"""The log that papermill shows."""


class EngineError(ValueError):
    """An option of papermill's that this engine cannot follow; the message says what to use instead."""


class ForkEngine(Engine):
    """Runs the code cells of a managed notebook in a fork; how it ended stands in the notebook's own metadata."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, deadline: float | None = None, memory: int | None = None,
        keep: list[Any] | None = None, **given: Any,
    ) -> None:  # fmt: skip
        """Run every code cell until one fails; `keep` is given the notebook, however it ends."""
        language = nb_man.nb.metadata.get("kernelspec", {}).get("language", "python")
        if keep is not None:
            keep.append(nb_man.nb)
        if not fork_client.CAN_FORK or language != "python":
            NBClientEngine.execute_managed_notebook(nb_man, kernel_name, **given)
            return
        if given.get("execution_timeout"):
            raise EngineError(
                "The engine healthkit does not know --execution-timeout, which limits each cell. Limit the notebook "
                "instead (deadline= of papermill.execute_notebook, --deadline of healthkit report), or use --engine "
                "nbclient."
            )
        code = [(place, str(cell.source)) for place, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code"]
        _fill_in(nb_man, fork_client.run(code, deadline, memory))
        _pass_on(nb_man, given)


def _pass_on(nb_man: Any, given: Mapping[str, Any]) -> None:
    """Follow papermill's options for output once a notebook has ended: its log, and files for what was written.

    `given` may hold `log_output`, `stdout_file` and `stderr_file`, with the meaning that they have for papermill.
    """
    for cell in nb_man.nb.cells:
        for output in cell.outputs if cell.cell_type == "code" else ():
            text = output.get("text", "") if output["output_type"] == "stream" else ""
            file = given.get(f"{output.get('name', '')}_file") if text else None
            if file is not None:
                file.write(text)
                file.flush()
            shown = text or output.get("data", {}).get("text/plain", "")
            if given.get("log_output") and shown:
                _LOG.log(logging.WARNING if output.get("name") == "stderr" else logging.INFO, "%s", shown)


def _fill_in(nb_man: Any, ran: Ran) -> None:
    """Put what the cells showed into the notebook, and mark each by how it ended."""
    nb_man.nb.metadata["healthkit"] = {"status": ran.status, "says": ran.says}
    for place, cell in enumerate(nb_man.nb.cells):
        told = ran.shown.get(place)
        if cell.cell_type != "code":
            continue
        if told is not None:
            cell.execution_count = told["count"]
            cell.outputs = [nbformat.from_dict(output) for output in told["outputs"]]
        failed = place == ran.running or any(output["output_type"] == "error" for output in cell.outputs)
        if failed and not any(output["output_type"] == "error" for output in cell.outputs):
            said = {"ename": ran.status, "evalue": ran.says, "traceback": [ran.says]}
            cell.outputs.append(nbformat.v4.new_output("error", **said))
        if failed:
            nb_man.cell_exception(cell, place, exception=None)
        elif told is not None:
            cell.metadata.setdefault("papermill", {})["status"] = nb_man.COMPLETED
    if ran.status != "done" and not _says_why(nb_man.nb):
        said = {"ename": ran.status, "evalue": ran.says, "traceback": [ran.says]}
        first = next(cell for cell in nb_man.nb.cells if cell.cell_type == "code")
        first.outputs.append(nbformat.v4.new_output("error", **said))


def _says_why(notebook: Any) -> bool:
    """Whether any cell holds an error."""
    held = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return any(output["output_type"] == "error" for output in held)
