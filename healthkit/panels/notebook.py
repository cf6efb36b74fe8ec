"""Set up a notebook to draw charts without a network and to show errors of healthkit as one sentence."""

from __future__ import annotations

import builtins
import hashlib
import json
from typing import Any

from healthkit.panels.js_widgets import ChartDrawer
from healthkit.report import charts
from healthkit.report.html.block import HtmlBlock


def setup() -> None:
    """Set up the current notebook to draw Altair charts and report blocks without a network.

    Errors of the kit are shown as their message, without a traceback. Call it once, in the first cell. It displays
    nothing, and does nothing outside a notebook.
    """
    # IPython adds get_ipython to the builtins while a cell runs. Only the batch package may import IPython.
    shell = getattr(builtins, "get_ipython", lambda: None)()
    if shell is None:
        return
    ChartDrawer()
    shell.set_custom_exc((ValueError,), _show_error)
    # Registered by name: a notebook without Altair charts does not import Altair.
    shell.display_formatter.mimebundle_formatter.for_type_by_name(
        "altair.vegalite.v6.api", "TopLevelMixin", _chart_as_html
    )


def _chart_as_html(chart: Any, include: object = None, exclude: object = None) -> dict[str, Any]:
    """Return an Altair chart as HTML that contains its Vega-Lite as data, and as text."""
    spec = charts.follow_page_theme(chart.to_dict())
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True, default=str).encode()).hexdigest()
    name = f"chart-{digest[:12]}"
    hint = "Run hk.setup() in this notebook to draw the chart."
    html = f'<div class="hk"><div class="chart" id="{name}"><p class="undrawn">{hint}</p></div></div>'
    description = spec.get("description") or "An Altair chart"
    return {"text/html": HtmlBlock(html, {name: spec})._repr_html_(), "text/plain": str(description)}


def _show_error(shell: Any, kind: type, error: ValueError, trace: Any, tb_offset: int | None = None) -> list[str]:
    """Show an error of the kit as its message, and any other error with IPython's traceback."""
    if kind.__module__.split(".")[0] == __name__.split(".")[0]:
        lines = [str(error)]
    else:
        lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    shell._showtraceback(kind, error, lines)
    return lines
