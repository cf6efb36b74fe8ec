"""HTML blocks with their charts, and the Jinja templates that render them."""

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
    """HTML, and the Vega-Lite specs of its charts by element id; `page.js` draws each into the element with that id."""

    html: str
    charts: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Return the HTML followed by each chart as a JSON script element, which a browser does not run.

        >>> HtmlBlock("<p>x</p>", {"a": {"title": "</script>"}})._repr_html_()
        '<p>x</p><script type="application/json" data-chart="a">{"title":"<\\\\/script>"}</script>'
        """
        return self.html + "".join(_chart_script(name, spec) for name, spec in self.charts.items())


def _chart_script(name: str, vega_lite: dict[str, Any]) -> str:
    """Return the Vega-Lite spec of one chart as a JSON script element."""
    return f'<script type="application/json" data-chart="{escape(name)}">{json_for_script(vega_lite)}</script>'


def json_for_script(value: Any) -> str:
    """Return plain data as JSON for a script element; "</" and "<!" are escaped, since they could end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!", "<\\u0021")


def render_template(template: str, **context: Any) -> str:
    """Return a template rendered with a context; all values are escaped, and a missing variable is an error."""
    return _jinja_environment().get_template(template).render(**context)


def _prevent_a_to_z_breaks(value: Any) -> Any:
    """Return a template value in which "A-to-z" has non-breaking hyphens."""
    if not isinstance(value, str) or "A-to-z" not in value:
        return value
    return value.replace("A-to-z", "A\N{NON-BREAKING HYPHEN}to\N{NON-BREAKING HYPHEN}z")


@cache
def _jinja_environment() -> jinja2.Environment:
    """Return the Jinja environment of the templates in this folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_prevent_a_to_z_breaks,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["statuses"] = labels.STATUS_STYLES
    environment.tests["strong"] = lambda part: isinstance(part, labels.Strong)
    return environment
