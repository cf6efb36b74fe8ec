"""A papermill engine without a kernel process: each notebook runs in a fresh IPython shell of this process.

Starting a Jupyter kernel costs seconds for every report, most of it imports that are the same each time.
Here they are paid once. Names of one notebook are not seen by the next; for full isolation from what a
template does to the process, use papermill's own engine (`papermill` without `--engine healthkit`).
"""

from __future__ import annotations

import os
import sys
from typing import Any

import nbformat
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from papermill.engines import Engine


class ShellEngine(Engine):
    """Runs the cells of a managed notebook one after another, and stops at the first that raises."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **_: Any) -> None:
        """Run every code cell; outputs and errors are kept in the notebook as a kernel would leave them."""
        shell, main, folder = _fresh_shell(), sys.modules["__main__"], os.getcwd()
        try:
            for place, cell in enumerate(nb_man.nb.cells):
                nb_man.cell_start(cell, place)
                failed = cell.cell_type == "code" and _run(shell, cell, place + 1)
                if failed:
                    nb_man.cell_exception(cell, place, exception=None)
                    return
                nb_man.cell_complete(cell, place)
        finally:
            sys.modules["__main__"] = main
            os.chdir(folder)


def _fresh_shell() -> InteractiveShell:
    """A shell with no names and no memory of other notebooks."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(user_ns={"__name__": "__main__"})
    if shell.history_manager is not None:
        shell.history_manager.enabled = False
    shell.separate_in = ""
    return shell


def _run(shell: InteractiveShell, cell: Any, number: int) -> bool:
    """Run one cell and keep what it showed; True when it raised."""
    with capture_output() as shown:
        shell.display_trap.hook = CapturingDisplayHook(shell=shell, outputs=shown._outputs)
        result = shell.run_cell(cell.source, store_history=False)
    cell.execution_count = number
    cell.outputs = [*_outputs(shown, number), *_errors(shell, result)]
    return not result.success


def _outputs(shown: CapturedIO, number: int) -> list[Any]:
    """What a cell wrote and displayed, as notebook outputs."""
    outputs = [
        nbformat.v4.new_output("stream", name=name, text=text)
        for name, text in (("stdout", shown.stdout), ("stderr", shown.stderr))
        if text
    ]
    for rich in shown.outputs:
        outputs.append(nbformat.v4.new_output("display_data", data=dict(rich.data), metadata=dict(rich.metadata or {})))
    return outputs


def _errors(shell: InteractiveShell, result: ExecutionResult) -> list[Any]:
    """The error of a cell as papermill looks for it."""
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return []
    lines = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    return [nbformat.v4.new_output("error", ename=type(error).__name__, evalue=str(error), traceback=list(lines))]
