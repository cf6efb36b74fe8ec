"""Outputs of notebook cells added by a user, as HTML: HTML, Altair charts, images and plain text."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from healthkit.report import charts
from healthkit.report.html.block import HtmlBlock

VEGA_LITE_MIME_PREFIX = "application/vnd.vegalite."
"""Prefix of the MIME types of Altair charts; a version follows."""
IMAGE_MIME_TYPES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")
DEFAULT_CHART_SIZES = {"wide": (640, 320), "narrow": (320, 240)}
"""Width and height of a chart without its own size, on a wide page and on a phone. [pixels]"""
_HAS_SCRIPT = re.compile(r"""<script(?![^>]*application/json)|src=["']?https?:""", re.I)


def output_html(output: Mapping[str, Any], name: str) -> str:
    """Return the HTML of one output of a cell; `name` is the element id of its chart.

    The richest MIME type that a page can show is used. If there is none, or a part is left out, a note says so.

    >>> output_html({"output_type": "display_data", "data": {"text/plain": "a < b"}}, "x")
    '<pre class="hk output">a &lt; b</pre>'
    """
    if output["output_type"] == "stream":
        return _text_html(_join_lines(output["text"])) if output["name"] == "stdout" else ""
    data = output.get("data", {})
    chart = next((value for kind, value in data.items() if kind.startswith(VEGA_LITE_MIME_PREFIX)), None)
    if chart is not None:
        return _chart_html(chart, name)
    if "text/html" in data:
        html = _join_lines(data["text/html"])
        return html + (
            _note_html("Scripts and addresses of this output are not used in a page.")
            if _HAS_SCRIPT.search(html)
            else ""
        )
    image = next((kind for kind in IMAGE_MIME_TYPES if kind in data), None)
    if image is not None:
        return _image_html(image, _join_lines(data[image]))
    if "text/markdown" in data:
        return _text_html(_join_lines(data["text/markdown"]))
    if "text/plain" not in data:
        return _note_html(f"A page cannot show this output ({', '.join(data)}).") if data else ""
    rich = [kind for kind in data if kind.startswith("application/")]
    more = _note_html(f"A page cannot show {', '.join(rich)}; this is its text.") if rich else ""
    return _text_html(_join_lines(data["text/plain"])) + more


def _join_lines(text: Any) -> str:
    """Return the text of an output, which a notebook may store as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def _text_html(text: str) -> str:
    return str(Markup('<pre class="hk output">{}</pre>').format(text))


def _note_html(sentence: str) -> str:
    return str(Markup('<p class="hk output note">{}</p>').format(sentence))


def _image_html(kind: str, data: str) -> str:
    """Return an image element with embedded data; an SVG is embedded the same way, so that its scripts do not run."""
    encoded = base64.b64encode(data.encode()).decode() if kind.endswith("xml") else "".join(data.split())
    return str(Markup('<img class="hk output" alt="Figure" src="data:{};base64,{}">').format(kind, encoded))


def _chart_html(spec: Mapping[str, Any], name: str) -> str:
    """Return the HTML of an Altair chart, drawn by `page.js`; its own width and height are used if they are numbers."""
    width, height = spec.get("width"), spec.get("height")
    sizes = {
        size: [width if isinstance(width, int) else across, height if isinstance(height, int) else high]
        for size, (across, high) in DEFAULT_CHART_SIZES.items()
    }
    sized_spec = charts.follow_page_theme(dict(spec)) | {"usermeta": {**spec.get("usermeta", {}), "sizes": sizes}}
    return HtmlBlock(
        str(Markup('<div class="hk output" id="{}"></div>').format(name)), {name: sized_spec}
    )._repr_html_()
