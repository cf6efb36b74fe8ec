"""Charts in a notebook's page without a network: the kernel hands Vega over once, and the page draws.

Nothing of Vega is kept in the notebook: the page asks, the kernel answers.
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
    """Files of this folder, one after the other."""
    return "\n".join((SCRIPTS_FOLDER / name).read_text(encoding="utf-8") for name in names)


def _styles() -> str:
    """The looks of all blocks and of panels, made to win over those that a notebook's page has for tables and text."""
    return ":root:root:root {\n" + read_asset("page.css") + _read_files("panel.css") + "}"


def _to_json(value: dict[str, Any], _: Any) -> str:
    """Plain data as one text: ipywidgets would look at every value of it for bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_JSON_TRAIT: dict[str, Any] = {"sync": True, "to_json": _to_json}


class _VegaWidget(anywidget.AnyWidget):
    """What can hand Vega to its page."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._send_vega)

    def _send_vega(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Send the bundle to a page that asks for it."""
        if content.get("vega") == "please":
            self.send({"vega": "here"}, buffers=[vega_bundle().encode()])


class ChartDrawer(_VegaWidget):
    """Draws the charts of all HTML outputs of a page; it is never shown itself."""

    _esm = _read_files("vega.js", "page.js")
    _css = _styles()


class AnswerWidget(_VegaWidget):
    """A finding, its chart and the orders behind it, as `questions.shown` gives them."""

    _esm = _read_files("vega.js", "shared.js", "live.js", "pick.js", "table.js", "answer.js")
    _css = _styles()
    shown = traitlets.Dict().tag(**_JSON_TRAIT)
    listed = traitlets.Dict().tag(**_JSON_TRAIT)


class PortfolioWidget(_VegaWidget):
    """All accounts, as `ranks.shown` gives them; `redrawn` are the small charts alone, drawn after that."""

    _esm = _read_files("vega.js", "shared.js", "live.js", "portfolio.js")
    _css = _styles()
    shown = traitlets.Dict().tag(**_JSON_TRAIT)
    redrawn = traitlets.Dict().tag(**_JSON_TRAIT)
