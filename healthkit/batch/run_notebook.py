"""Run one template for one account, its parameters checked strictly before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.inspection import _infer_parameters
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from healthkit.batch.engine import ForkEngine
from healthkit.files import package_files

TEMPLATE = package_files.path_of("notebooks/templates/monthly_report.ipynb")
FORK_ENGINE, NBCLIENT_ENGINE = "healthkit", "nbclient"
"""Ours, and papermill's own, which starts a kernel for each notebook."""

INDEX_HREF_MISSING = (
    'Separate folders need it, so that no page names the index: add index_href = "index.html" to the cell of the '
    "parameters, and write html.verdict(report, index_href)."
)

papermill_engines.register(FORK_ENGINE, ForkEngine)


class BatchError(ValueError):
    """A report cannot be printed; the message says why and what can be done.

    `status` says how its notebook ended, `notebook` is it as far as it ran; both are empty where none ran.
    """

    status: str = ""
    notebook: Any = None


def run_template(
    parameters: Mapping[str, Any],
    template: Path = TEMPLATE,
    *,
    engine: str = FORK_ENGINE,
    deadline: float | None = None,
    memory: int | None = None,
) -> Any:
    """Run a template with parameters and return the executed notebook.

    `deadline` [seconds] and `memory` [MiB] end it when they are passed; papermill's own engine knows neither. Raises
    PressError for a parameter that the template does not have (papermill would only warn, and publish the report of
    the default account) or that it needs and was not given; or when the notebook does not come to its end, with how it
    ended.
    """
    check_parameters(parameters, template)
    kept: list[Any] = []
    limits = {"deadline": deadline, "memory": memory, "keep": kept} if engine == FORK_ENGINE else {}
    try:
        return papermill.execute_notebook(
            str(template), None, parameters=dict(parameters), engine_name=engine, progress_bar=False, log_output=False,
            request_save_on_cell_execute=False, kernel_name=KERNEL_NAME, **limits,
        )  # fmt: skip
    except PapermillExecutionError as error:
        raise _batch_error(error, kept[0] if kept else None) from None


KERNEL_NAME = "python3"


def _batch_error(error: PapermillExecutionError, notebook: Any) -> BatchError:
    """How a notebook ended that did not come to its end, in a sentence."""
    told = {} if notebook is None else notebook.metadata.get("healthkit", {})
    said = told.get("says") or error.evalue or error.ename
    if error.ename == "MemoryError":
        said = "It needed more memory than it may have. Give it more with --memory, or run fewer at once with --jobs."
    made = BatchError(said)
    made.status, made.notebook = told.get("status", "failed"), notebook
    return made


def code_cells(parameters: Mapping[str, Any], template: Path = TEMPLATE) -> list[tuple[int, str]]:
    """The code cells of a template with its parameters, as a run has them."""
    made = parameterize_notebook(load_template(template), dict(parameters), kernel_name=KERNEL_NAME)
    return [(place, str(cell.source)) for place, cell in enumerate(made.cells) if cell.cell_type == "code"]


def load_template(template: Path) -> Any:
    """Return a template as a notebook. Raises PressError for one that is not there or is no notebook."""
    if not template.is_file():
        raise BatchError(f"There is no template at {template}.")
    try:
        return load_notebook_node(str(template))
    except Exception as error:  # papermill and nbformat raise many kinds for what is no notebook
        raise BatchError(f"{template} is no notebook ({' '.join(str(error).split())[:120]}).") from error


def check_parameters(parameters: Mapping[str, Any], template: Path) -> None:
    """Hold the parameters against those that the template declares."""
    declared = {one.name: one.default for one in _infer_parameters(load_template(template))}
    unknown = [name for name in parameters if name not in declared]
    if unknown:
        cure = f" {INDEX_HREF_MISSING}" if unknown == ["index_href"] else ""
        raise BatchError(
            f"{template.name} has no parameter {', '.join(map(repr, unknown))}. It has: {', '.join(declared)}.{cure}"
        )
    missing = [name for name in ("account", "month") if name in declared and not parameters.get(name)]
    if missing:
        raise BatchError(f"{template.name} needs {' and '.join(missing)}.")
