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

from healthkit.press.engine import ShellEngine

TEMPLATE = Path(__file__).parents[2] / "notebooks" / "templates" / "monthly_report.ipynb"
ENGINE = "healthkit"

papermill_engines.register(ENGINE, ShellEngine)


class PressError(ValueError):
    """A report cannot be printed; the message says why and what can be done."""


def run_template(parameters: Mapping[str, Any], template: Path = TEMPLATE) -> Any:
    """Run a template with parameters and return the executed notebook.

    Raises PressError for a parameter that the template does not have (papermill would only warn, and publish
    the report of the default account) or that it needs and was not given; or when a cell raises, with
    the sentence of its error.
    """
    _check(parameters, template)
    try:
        return papermill.execute_notebook(
            str(template), None, parameters=dict(parameters), engine_name=ENGINE, progress_bar=False, log_output=False,
            request_save_on_cell_execute=False,
        )  # fmt: skip
    except PapermillExecutionError as error:
        raise PressError(error.evalue or error.ename) from None


def _check(parameters: Mapping[str, Any], template: Path) -> None:
    """Hold the parameters against those that the template declares."""
    if not template.is_file():
        raise PressError(f"There is no template at {template}.")
    declared = {one.name: one.default for one in _infer_parameters(load_notebook_node(str(template)))}
    unknown = [name for name in parameters if name not in declared]
    if unknown:
        raise PressError(
            f"{template.name} has no parameter {', '.join(map(repr, unknown))}. It has: {', '.join(declared)}."
        )
    missing = [name for name in ("account", "month") if name in declared and not parameters.get(name)]
    if missing:
        raise PressError(f"{template.name} needs {' and '.join(missing)}.")
