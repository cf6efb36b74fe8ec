"""A piece of HTML with its charts, and the templates that make one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import escape

from healthkit.report.text import labels

TEMPLATE_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class HtmlBlock:
    """HTML that names its charts, and their Vega-Lite by name; `page.js` draws them where they are named."""

    html: str
    charts: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Return the HTML, and every chart as data that no browser runs.

        >>> HtmlBlock("<p>x</p>", {"a": {"title": "</script>"}})._repr_html_()
        '<p>x</p><script type="application/json" data-chart="a">{"title":"<\\\\/script>"}</script>'
        """
        return self.html + "".join(_chart_script(name, held) for name, held in self.charts.items())


def _chart_script(name: str, vega_lite: dict[str, Any]) -> str:
    """Return one chart as a data block."""
    return f'<script type="application/json" data-chart="{escape(name)}">{json_for_script(vega_lite)}</script>'


def json_for_script(value: Any) -> str:
    """Return plain data as JSON inside of a script; "</" and "<!" are broken up, for they could end it early."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!", "<\\u0021")


def render_template(template: str, **context: Any) -> str:
    """Return a template filled in; everything given is escaped, and a name that is not given is an error."""
    return _jinja_environment().get_template(template).render(**context)


def _prevent_a_to_z_breaks(value: Any) -> Any:
    """Return a text in which no line ends inside of "A-to-z"."""
    if not isinstance(value, str) or "A-to-z" not in value:
        return value
    return value.replace("A-to-z", "A\N{NON-BREAKING HYPHEN}to\N{NON-BREAKING HYPHEN}z")


@cache
def _jinja_environment() -> jinja2.Environment:
    """Return the templates of this folder, with the words that they use."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_prevent_a_to_z_breaks,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["statuses"] = labels.STATUS_STYLES
    made.tests["strong"] = lambda part: isinstance(part, labels.Strong)
    return made
