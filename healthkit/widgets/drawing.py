"""Charts in a notebook's page without a network: the kernel hands Vega over once, and the page draws.

Nothing of Vega is kept in the notebook: the page asks, the kernel answers.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from healthkit.blocks import Block
from healthkit.blocks.document import asset
from healthkit.vega import bundle

FOLDER = Path(__file__).parent


def _text(*names: str) -> str:
    """Files of this folder, one after the other."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def _looks() -> str:
    """The looks of all blocks and of panels, made to win over those that a notebook's page has for tables and text."""
    return ":root:root:root {\n" + asset("page.css") + _text("panel.css") + "}"


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

    _esm = _text("vega.js", "answer.js")
    _css = _looks()
    shown = traitlets.Dict().tag(sync=True)


def setup() -> None:
    """Make this notebook draw with no network: plain Altair charts, and the blocks of reports.

    Call it once, in the first cell. It shows nothing. Outside of a notebook it does nothing.
    """
    # The shell is asked for where it puts itself while a cell runs: IPython belongs to the press.
    shell = getattr(builtins, "get_ipython", lambda: None)()
    if shell is None:
        return
    PageDrawing()
    # Named, not imported: a notebook without Altair charts does not pay for Altair, and `charts` stays its only room.
    shell.display_formatter.mimebundle_formatter.for_type_by_name("altair.vegalite.v6.api", "TopLevelMixin", _drawn)


def _drawn(chart: Any, include: object = None, exclude: object = None) -> dict[str, Any]:
    """An Altair chart as HTML that carries its Vega-Lite as data, and as text."""
    held = chart.to_dict()
    digest = hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()
    name = f"chart-{digest[:12]}"
    waiting = "The chart is drawn when hk.setup() has run in this notebook."
    html = f'<div class="hk"><div class="chart" id="{name}"><p class="undrawn">{waiting}</p></div></div>'
    told = held.get("description") or "An Altair chart"
    return {"text/html": Block(html, {name: held})._repr_html_(), "text/plain": str(told)}
