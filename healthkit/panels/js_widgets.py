"""Notebook widgets that draw charts without a network.

The page requests Vega and the kernel sends it once. The notebook file does not store Vega.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from healthkit.report.html.page import read_asset
from healthkit.report.vega_bundle import vega_bundle

SCRIPTS_FOLDER = Path(__file__).parent


def _read_files(*names: str) -> str:
    """Return the text of files of this folder, joined."""
    return "\n".join((SCRIPTS_FOLDER / name).read_text(encoding="utf-8") for name in names)


def _styles() -> str:
    """Return the CSS of report blocks and panels, with enough specificity to override that of JupyterLab."""
    return ":root:root:root {\n" + read_asset("page.css") + _read_files("panel.css") + "}"


def _to_json(value: dict[str, Any], _: Any) -> str:
    """Return plain data as JSON text; ipywidgets would otherwise search every value for bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_JSON_TRAIT: dict[str, Any] = {"sync": True, "to_json": _to_json}


class _VegaWidget(anywidget.AnyWidget):
    """A widget that sends Vega to its page on request."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._send_vega)

    def _send_vega(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Send the Vega bundle if the message requests it."""
        if content.get("vega") == "please":
            self.send({"vega": "here"}, buffers=[vega_bundle().encode()])


class ChartDrawer(_VegaWidget):
    """Invisible widget that draws the charts in all HTML outputs of a notebook page."""

    _esm = read_asset("save_chart.js") + _read_files("vega.js", "page.js")
    _css = _styles()


class AnswerWidget(_VegaWidget):
    """Widget that shows the answer of a panel: a finding, its chart and a list of orders.

    `content` is what `render_answer`, `render_change` or `render_what_if` returns, `orders` what `OrderList.render`
    returns for another view of the list.
    """

    _esm = read_asset("save_chart.js") + _read_files(
        "vega.js", "shared.js", "live.js", "pick.js", "table.js", "answer.js"
    )
    _css = _styles()
    content = traitlets.Dict().tag(**_JSON_TRAIT)
    orders = traitlets.Dict().tag(**_JSON_TRAIT)


class PortfolioWidget(_VegaWidget):
    """Widget that shows the accounts of a portfolio: a finding, small charts and a table.

    `content` is what `render_portfolio` returns. `small_charts` is what `render_small_charts` returns; it replaces only
    the small charts.
    """

    _esm = read_asset("save_chart.js") + _read_files("vega.js", "shared.js", "live.js", "portfolio.js")
    _css = _styles()
    content = traitlets.Dict().tag(**_JSON_TRAIT)
    small_charts = traitlets.Dict().tag(**_JSON_TRAIT)
