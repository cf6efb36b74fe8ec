"""Charts in a notebook's page without a network: the kernel hands Vega over once, and the page draws.

Nothing of Vega is kept in the notebook: the page asks, the kernel answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from healthkit.report.blocks.page_html import asset
from healthkit.report.vega_bundle import bundle

FOLDER = Path(__file__).parent


def _text(*names: str) -> str:
    """Files of this folder, one after the other."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def _looks() -> str:
    """The looks of all blocks and of panels, made to win over those that a notebook's page has for tables and text."""
    return ":root:root:root {\n" + asset("page.css") + _text("panel.css") + "}"


def _as_text(held: dict[str, Any], _: Any) -> str:
    """Plain data as one text: ipywidgets would look at every value of it for bytes."""
    return json.dumps(held, ensure_ascii=False, separators=(",", ":"))


_PLAIN: dict[str, Any] = {"sync": True, "to_json": _as_text}


class _Drawing(anywidget.AnyWidget):
    """What can hand Vega to its page."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.on_msg(self._hand_over)

    def _hand_over(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Send the bundle to a page that asks for it."""
        if content.get("vega") == "please":
            self.send({"vega": "here"}, buffers=[bundle().encode()])


class PageDrawing(_Drawing):
    """Draws the charts of all HTML outputs of a page; it is never shown itself."""

    _esm = _text("vega.js", "page.js")
    _css = _looks()


class AnswerDrawing(_Drawing):
    """A finding, its chart and the orders behind it, as `questions.shown` gives them."""

    _esm = _text("vega.js", "shared.js", "live.js", "pick.js", "table.js", "answer.js")
    _css = _looks()
    shown = traitlets.Dict().tag(**_PLAIN)
    listed = traitlets.Dict().tag(**_PLAIN)


class PortfolioDrawing(_Drawing):
    """All accounts, as `ranks.shown` gives them; `redrawn` are the small charts alone, drawn after that."""

    _esm = _text("vega.js", "shared.js", "live.js", "portfolio.js")
    _css = _looks()
    shown = traitlets.Dict().tag(**_PLAIN)
    redrawn = traitlets.Dict().tag(**_PLAIN)
