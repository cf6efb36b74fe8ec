"""The first cell of a notebook: its page draws with no network, and an error of the kit is a sentence."""

from __future__ import annotations

import builtins
import hashlib
import json
from typing import Any

from healthkit.panels.js_widgets import ChartDrawer
from healthkit.report.html.block import HtmlBlock


def setup() -> None:
    """Make this notebook draw with no network: plain Altair charts, and the blocks of reports.

    What the kit refuses is said in its sentence, without the code that led there. Call it once, in the first cell. It
    shows nothing. Outside of a notebook it does nothing.
    """
    # The shell is asked for where it puts itself while a cell runs: IPython belongs to the press.
    shell = getattr(builtins, "get_ipython", lambda: None)()
    if shell is None:
        return
    ChartDrawer()
    shell.set_custom_exc((ValueError,), _show_error)
    # Named, not imported: a notebook without Altair charts does not pay for Altair, and `charts` stays its only room.
    shell.display_formatter.mimebundle_formatter.for_type_by_name(
        "altair.vegalite.v6.api", "TopLevelMixin", _chart_as_html
    )


def _chart_as_html(chart: Any, include: object = None, exclude: object = None) -> dict[str, Any]:
    """An Altair chart as HTML that carries its Vega-Lite as data, and as text."""
    held = chart.to_dict()
    digest = hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()
    name = f"chart-{digest[:12]}"
    waiting = "The chart is drawn when hk.setup() has run in this notebook."
    html = f'<div class="hk"><div class="chart" id="{name}"><p class="undrawn">{waiting}</p></div></div>'
    told = held.get("description") or "An Altair chart"
    return {"text/html": HtmlBlock(html, {name: held})._repr_html_(), "text/plain": str(told)}


def _show_error(shell: Any, kind: type, error: ValueError, trace: Any, tb_offset: int | None = None) -> list[str]:
    """What a cell shows of an error: of the kit's own its sentence, of any other all that IPython says."""
    if kind.__module__.split(".")[0] == __name__.split(".")[0]:
        lines = [str(error)]
    else:
        lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    shell._showtraceback(kind, error, lines)
    return lines
