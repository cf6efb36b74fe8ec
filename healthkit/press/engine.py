"""A papermill engine without a kernel: each notebook runs in a fork of a process that has everything loaded.

Starting a Jupyter kernel costs seconds for every report, most of it imports that are the same each time; here they are
paid once. What a notebook does to its process ends with it. Where a process cannot fork, or for a kernel that is not
Python's, papermill's own engine runs the notebook, with the same outputs.
"""

from __future__ import annotations

from typing import Any

import nbformat
from papermill.engines import Engine, NBClientEngine

from healthkit.press import forks
from healthkit.press.forks import Ran


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
        if not forks.CAN_FORK or language != "python":
            NBClientEngine.execute_managed_notebook(nb_man, kernel_name, **given)
            return
        code = [(place, str(cell.source)) for place, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code"]
        _fill_in(nb_man, forks.run(code, deadline, memory))


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
