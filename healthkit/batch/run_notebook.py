"""Runs a template notebook with parameters that are checked first."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill import execute  # Not its functions: papermill imports this module before it defines them.
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.inspection import _infer_parameters
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from healthkit.batch.engine import ForkEngine
from healthkit.batch.output_files import sha256_hex
from healthkit.files import package_files

TEMPLATE = package_files.path_of("notebooks/templates/monthly_report.ipynb")
SHIPPED_CODE = "1b989dddff99363c50eeb2ec6aeb412af3bdb8ebc730fb50ae6653932e2aed67"
"""Digest of the code of `TEMPLATE` as shipped; one that an analyst edited in a checkout has another."""
FORK_ENGINE, NBCLIENT_ENGINE = "healthkit", "nbclient"
"""Names of our engine and of papermill's own engine, which starts a kernel for each notebook."""

MISSING_PARAMETER_CURES = {
    "index_href": 'Separate folders need it, so that no page names the index: add index_href = "index.html" to the '
    "cell of the parameters, and write html.verdict(report, index_href).",
    "as_of": 'A weekly report needs it: add as_of = "" to the cell of the parameters, and write '
    "hk.open_report(workspace, account, as_of or month, marketplace or None, made).",
    "display_name": 'A package with a display name needs it: add display_name = "" to the cell of the parameters, and '
    "write hk.open_report(workspace, account, as_of or month, marketplace or None, made, display_name).",
}
"""What to change in a template that lacks a parameter, by parameter."""

papermill_engines.register(FORK_ENGINE, ForkEngine)


class BatchError(ValueError):
    """Raised if a report cannot be generated; the message says why and what to do.

    `status` says how the notebook ended, `notebook` holds the outputs so far; both are empty if none ran.
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
    is_shared: bool = False,
) -> Any:
    """Run a template notebook with the given parameters and return the executed notebook.

    The notebook is killed after `deadline` [seconds] or beyond `memory` [MiB]; papermill's own engine supports neither.
    With `is_shared` the shipped template may run in a fork that ran it before, for another account (see
    `ForkServer.run`); any other template gets a process of its own, because it may change anything.
    Raises BatchError for a parameter that the template does not have (papermill would only warn, and publish the report
    of the default account), for a required one that is missing, and if the notebook fails.
    """
    check_parameters(parameters, template)
    notebooks: list[Any] = []
    try:
        if engine == FORK_ENGINE:
            return _execute_in_fork(parameters, template, deadline, memory, is_shared, notebooks)
        return papermill.execute_notebook(
            str(template), None, parameters=dict(parameters), engine_name=engine, progress_bar=False, log_output=False,
            request_save_on_cell_execute=False, kernel_name=KERNEL_NAME,
        )  # fmt: skip
    except PapermillExecutionError as error:
        raise _batch_error(error, notebooks[0] if notebooks else None) from None


def _execute_in_fork(
    parameters: Mapping[str, Any],
    template: Path,
    deadline: float | None,
    memory: int | None,
    is_shared: bool,
    notebooks: list[Any],
) -> Any:
    """Run a template by papermill's steps, and append the notebook to `notebooks`, even if it fails.

    `papermill.execute_notebook` ends with writing the notebook as JSON, which takes a third of the time outside the
    fork, also where there is no file to write.
    """
    notebook = load_template(template)
    is_shared = is_shared and code_digest(notebook) == SHIPPED_CODE
    notebook = parameterize_notebook(notebook, dict(parameters), kernel_name=KERNEL_NAME)
    notebook = execute.remove_error_markers(execute.prepare_notebook_metadata(notebook, str(template), None))
    executed = papermill_engines.execute_notebook_with_engine(
        FORK_ENGINE, notebook, KERNEL_NAME, output_path=None, progress_bar=False, log_output=False,
        deadline=deadline, memory=memory, is_shared=is_shared, notebook_sink=notebooks,
    )  # fmt: skip
    execute.raise_for_execution_errors(executed, None)
    return executed


KERNEL_NAME = "python3"


def _batch_error(error: PapermillExecutionError, notebook: Any) -> BatchError:
    """Return the error of a notebook that failed, with its status and the notebook."""
    metadata = {} if notebook is None else notebook.metadata.get("healthkit", {})
    message = metadata.get("says") or error.evalue or error.ename
    if error.ename == "MemoryError":
        message = (
            "It needed more memory than it may have. Give it more with --memory, or run fewer at once with --jobs."
        )
    batch_error = BatchError(message)
    batch_error.status, batch_error.notebook = metadata.get("status", "failed"), notebook
    return batch_error


def code_cells(parameters: Mapping[str, Any], template: Path = TEMPLATE) -> list[tuple[int, str]]:
    """Return the code cells of a template as (position, source), including the cell that sets the parameters."""
    notebook = parameterize_notebook(load_template(template), dict(parameters), kernel_name=KERNEL_NAME)
    return [(number, str(cell.source)) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def write_with_parameters(notebook: Path, parameters: Mapping[str, Any], path: Path) -> None:
    """Write a copy of a notebook with its parameters filled in. Raises BatchError for a file that is no notebook."""
    filled = parameterize_notebook(load_template(notebook), dict(parameters), kernel_name=KERNEL_NAME)
    path.write_text(nbformat.writes(filled) + "\n", encoding="utf-8")


def load_template(template: Path) -> Any:
    """Load a template notebook. Raises BatchError if the file is missing or is not a notebook."""
    if not template.is_file():
        raise BatchError(f"There is no template at {template}.")
    try:
        return copy.deepcopy(_load_content(template, template.read_bytes()))
    except Exception as error:  # papermill and nbformat raise many kinds for what is no notebook
        raise BatchError(f"{template} is no notebook ({' '.join(str(error).split())[:120]}).") from error


@lru_cache(maxsize=4)
def _load_content(template: Path, content: bytes) -> Any:
    """Load a notebook; one of the same content is not read and validated again for every page."""
    return load_notebook_node(str(template))


def code_digest(notebook: Any) -> str:
    """Return the SHA-256 of the code cells of a notebook."""
    sources = [str(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    return sha256_hex("\0".join(sources).encode())


def check_parameters(parameters: Mapping[str, Any], template: Path) -> None:
    """Check the given parameters against those that the template declares.

    Raises BatchError if a parameter is unknown or a required parameter is missing.
    """
    declared = {one.name: one.default for one in _infer_parameters(load_template(template))}
    unknown = [name for name in parameters if name not in declared]
    if unknown:
        cure = "".join(f" {MISSING_PARAMETER_CURES[name]}" for name in unknown if name in MISSING_PARAMETER_CURES)
        raise BatchError(
            f"{template.name} has no parameter {', '.join(map(repr, unknown))}. It has: {', '.join(declared)}.{cure}"
        )
    required = ["account"] if parameters.get("as_of") else ["account", "month"]
    missing = [name for name in required if name in declared and not parameters.get(name)]
    if missing:
        raise BatchError(f"{template.name} needs {' and '.join(missing)}.")
