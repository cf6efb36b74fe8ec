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

from healthkit.report import wording

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Block:
    """HTML that names its charts, and their Vega-Lite by name; `page.js` draws them where they are named."""

    html: str
    charts: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """The HTML, and every chart as data that no browser runs.

        >>> Block("<p>x</p>", {"a": {"title": "</script>"}})._repr_html_()
        '<p>x</p><script type="application/json" data-chart="a">{"title":"<\\\\/script>"}</script>'
        """
        return self.html + "".join(_data(name, held) for name, held in self.charts.items())


def _data(name: str, held: dict[str, Any]) -> str:
    """One chart as a data block."""
    return f'<script type="application/json" data-chart="{escape(name)}">{escaped(held)}</script>'


def escaped(held: Any) -> str:
    """Plain data as JSON inside of a script; "</" and "<!" are broken up, for they could end it early."""
    text = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!", "<\\u0021")


def rendered(template: str, **given: Any) -> str:
    """A template filled in; everything given is escaped, and a name that is not given is an error."""
    return _templates().get_template(template).render(**given)


def _unbroken(value: Any) -> Any:
    """A text in which no line ends inside of "A-to-z"."""
    if not isinstance(value, str) or "A-to-z" not in value:
        return value
    return value.replace("A-to-z", "A\N{NON-BREAKING HYPHEN}to\N{NON-BREAKING HYPHEN}z")


@cache
def _templates() -> jinja2.Environment:
    """The templates of this folder, with the words that they use."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["statuses"] = wording.STATUSES
    made.tests["strong"] = lambda part: isinstance(part, wording.Strong)
    return made
