"""Shared parts of all charts: sizes, colours, configuration, axes, layers and text widths.

A chart has two sizes, for a wide column and for a phone; the page sets one of them (`chart_sizes`) and does not scale
the drawing. A chart holds the colours of the light theme on white, so that it can be saved as a picture. For a page,
`vega_lite_spec` replaces them with CSS variables, so that its dark theme applies; this needs Vega's SVG renderer, which
every chart selects. Positions that depend on the size are Vega expressions of `width`. Days are UTC milliseconds, so
that the time zone of the browser cannot shift them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

import altair as alt
from altair.utils.schemapi import debug_mode

ChartRows = list[dict[str, Any]]
"""Rows of the data of one chart layer, each a dictionary of fields."""

WIDE, HALF, NARROW = 760, 512, 328
"""Widths of a full-width chart, a half-width chart and a chart on a phone. [pixels]"""

FONT = '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif'

COLOURS = {
    "paper": "#ffffff",
    "rule": "#dcdad4",
    "rule-strong": "#6f6d68",
    "ink": "#1b1b1a",
    "ink-2": "#55534f",
    "on": "#0072b2",
    "risk": "#7a5200",
    "off": "#b83a00",
    "none": "#5f6368",
    "zone": "#fbefe8",
    "mark": "#2f3e4c",
    "mark-2": "#8191a0",
    "line-2": "#8b949c",
}

SKIP_VALIDATION = debug_mode(False)
"""Decorator that turns off Altair's validation of every object, which is slow; tests validate whole charts."""
EMBED_OPTIONS = {"renderer": "svg", "actions": False, "tooltip": False}
"""Options that are passed to vega-embed."""


def colour(name: str) -> str:
    """Return the named colour of `COLOURS`: its value in the light theme.

    >>> colour("off")
    '#b83a00'
    """
    return COLOURS[name]


_CSS_COLOURS = {value: f"var(--{name}, {value})" for name, value in COLOURS.items()}
"""The CSS variable of each colour, with the colour as its fallback."""


def vega_lite_spec(chart: Any) -> dict[str, Any]:
    """Return an Altair chart as a Vega-Lite spec (plain data) for a page, without validation.

    Its colours are CSS variables with the light theme as the fallback, and its background is transparent.
    """
    # The method of the base class: that of Chart copies every layer and its rows first.
    return {"$schema": alt.SCHEMA_URL} | follow_page_theme(alt.SchemaBase.to_dict(chart, validate=False))


def follow_page_theme(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite spec in which a chart of this package follows the theme of the page.

    A chart of somebody else stays as it is.
    """
    is_ours = bool({"sizes", "cell"} & set(spec.get("usermeta", {})))
    return _with_css_colours(spec) | {"background": "transparent"} if is_ours else spec


def _with_css_colours(node: Any) -> Any:
    """Return plain data in which each colour of `COLOURS` is a CSS variable.

    >>> _with_css_colours({"fill": "#b83a00", "stroke": "red"})
    {'fill': 'var(--off, #b83a00)', 'stroke': 'red'}
    """
    if isinstance(node, str):
        return _CSS_COLOURS.get(node, node)
    if isinstance(node, list):
        return [_with_css_colours(value) for value in node]
    if not isinstance(node, dict):
        return node
    # Most values are the numbers of rows: a call for each of them would be most of the time.
    return {
        name: _with_css_colours(value) if isinstance(value, str | list | dict) else value
        for name, value in node.items()
    }


def chart_description(chart: Any) -> str:
    """Return the description of a chart for screen readers, which is its finding."""
    return str(chart.description)


def chart_sizes(vega_lite: dict[str, Any]) -> dict[str, list[int]]:
    """Return the width and height of the wide and the narrow drawing of a Vega-Lite spec, in pixels."""
    return vega_lite["usermeta"]["sizes"]


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return the approximate width of a text in the given font size, in pixels."""
    thin, broad = "ijlt.,:;'|!()[] fr“”-", "mwMW%@"
    ems = sum(0.33 if c in thin else 0.88 if c in broad else 0.69 if c.isupper() else 0.56 for c in text)
    return ems * size * (1.07 if bold else 1.0)


_BOLD_LETTER_WIDTHS = {
    " ijl.,:;'!": 0.29,
    "ft()r-": 0.35,
    "mMW%": 0.88,
    "w": 0.78,
    "abcdefghknopqsuvxyz0123456789": 0.58,
}
"""Approximate widths of bold letters, for texts that continue behind bold ones. [ems]"""


def bold_text_ems(text: str) -> float:
    """Return the approximate width of bold text, in ems.

    >>> round(bold_text_ems("Left the window:"), 1)
    7.9
    """
    return sum(
        next((wide for letters, wide in _BOLD_LETTER_WIDTHS.items() if letter in letters), 0.69) for letter in text
    )


def truncate(text: str, width: float, measure: Callable[[str], float], min_length: int = 8) -> str:
    """Shorten a text with an ellipsis until it fits the given width.

    `measure` returns the width of a text. A text of at most `min_length` characters is not shortened.
    """
    while measure(text) > width and len(text) > min_length:
        text = text[:-2].rstrip() + "…"
    return text


def truncate_bold(text: str, width: float) -> str:
    """Shorten a text, set in bold at 13 pixels, with an ellipsis so that it fits into `width` pixels."""
    return truncate(text, width, lambda bold: bold_text_ems(bold) * 13)


TEXT_CHANNEL = alt.Text("t", type="nominal")

DAY_MS = 86_400_000
"""Length of a day. [ms]"""


def to_date(value: Any) -> date:
    """Convert a date, datetime or timestamp to a date."""
    return value.date() if isinstance(value, datetime) else value


def date_to_epoch_ms(value: Any) -> int:
    """Convert a day to milliseconds since the epoch, at midnight in UTC."""
    day = to_date(value)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def epoch_ms_to_date(moment: int) -> date:
    """Convert milliseconds since the epoch to a day in UTC."""
    return datetime.fromtimestamp(moment / 1000, UTC).date()


def day_axis(first: date, last: date) -> alt.Axis:
    """Return a horizontal axis of days, whose ticks depend on the number of days.

    Ticks are at the starts of months, every one or two weeks, or every two days.
    """
    span = (last - first).days
    if span > 62:
        ticks = [day for day in _month_starts(first, last) if (last - day).days > span * 0.09]
        label = "utcFormat(datum.value, '%b')"
    else:
        step = 2 if span <= 10 else 7 if span <= 31 else 14
        ticks = [first + timedelta(n) for n in range(0, span + 1, step)]
        ticks = [day for day in ticks if (last - day).days >= span * 0.1] or [first]
        label = "utcFormat(datum.value, '%-d %b')"
    return alt.Axis(
        values=[date_to_epoch_ms(day) for day in ticks],
        labelExpr=label,
        labelAlign="left",
        labelOffset=3,
        labelPadding=0,
        tickSize=14,
        grid=False,
        title=None,
        domainColor=colour("rule-strong"),
        tickColor=colour("rule-strong"),
    )


def _month_starts(first: date, last: date) -> list[date]:
    """Return the first days of the months from first to last."""
    starts = (date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(15))
    return [day for day in starts if first <= day <= last]


NARROW_EXPR = f"width < {(HALF + NARROW) // 2}"
"""Vega expression that is true if the narrow drawing of a chart is shown."""


def wide_or_narrow(name: str) -> dict[str, str]:
    """Return a Vega expression for a field of a row; the narrow drawing uses the field with the prefix "n".

    >>> wide_or_narrow("x")
    {'expr': 'width < 420 ? datum.nx : datum.x'}
    """
    return {"expr": f"{NARROW_EXPR} ? datum.n{name} : datum.{name}"}


def make_layer(kind: Any, rows: ChartRows, mark_properties: dict[str, Any], **channels: Any) -> alt.UnitSpec:
    """Return a layer that draws the given rows with one kind of mark."""
    mark = alt.MarkDef(kind, **mark_properties)
    values: Any = _PlainData(rows)
    return alt.UnitSpec(mark, data=alt.InlineData(values=values), encoding=alt.Encoding(**channels))


def bar_layer(rows: ChartRows) -> alt.UnitSpec:
    """Return a layer that draws a bar for each row, from its fields x, x2, y and y2, in the colour of its field c."""
    corners = {name: wide_or_narrow(name) for name in ("x", "x2", "y", "y2")}
    return make_layer("rect", rows, {**corners, "fill": {"expr": "datum.c"}, "opacity": 1})


def text_layer(rows: ChartRows, text: dict[str, str]) -> alt.UnitSpec:
    """Return a layer that draws a text for each row, at its fields x and y and in the font weight of its field w."""
    font = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic"}
    return make_layer("text", rows, {**font, "text": text, "x": wide_or_narrow("x"), "y": wide_or_narrow("y")})


class _PlainData:
    """Plain data that Altair passes through; it would otherwise inspect every cell, which is slow."""

    _schema: ClassVar[dict[str, str]] = {"type": "object"}

    def __init__(self, data: Any) -> None:
        self.data = data

    def to_dict(self) -> Any:
        return self.data


def shared_channel(channel: alt.X | alt.Y) -> Any:
    """Convert a channel to plain data once, for use in several layers."""
    return _PlainData(channel.to_dict(validate=False))


def number_channel(kind: type[alt.X | alt.Y], field: str, domain: tuple[float, float], axis: alt.Axis | None) -> Any:
    """Return a quantitative channel for use in several layers, whose scale covers exactly the given domain."""
    scale = alt.Scale(domain=list(domain), nice=False, zero=False)
    return shared_channel(kind(field, type="quantitative", scale=scale, axis=axis))


def build_chart(
    layers: list[Any], description: str, drawing_sizes: dict[str, tuple[int, int]], top: int = 2
) -> alt.LayerChart:
    """Combine layers into one chart with a description, the shared configuration and two drawing sizes.

    `drawing_sizes` maps "wide" and "narrow" to width and height, `top` is the padding above; all in pixels.
    """
    chart = alt.LayerChart(
        width=drawing_sizes["wide"][0],
        height=drawing_sizes["wide"][1],
        description=description,
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        padding={"left": 1, "right": 7, "top": top, "bottom": 2},
        background=colour("paper"),
        config=CHART_CONFIG,
        usermeta={
            "sizes": {name: list(size) for name, size in drawing_sizes.items()},
            "embedOptions": EMBED_OPTIONS,
        },
    )
    # Set afterwards: the constructor would copy and validate every row of every layer.
    chart.layer = layers
    return chart


CHART_CONFIG = {
    "font": FONT,
    "view": {"stroke": None},
    "mark": {"aria": False},
    "axis": {
        "aria": False,
        "labelColor": colour("ink-2"),
        "labelFontSize": 12,
        "labelFont": FONT,
        "labelOverlap": False,
    },
    "text": {"font": FONT, "fontSize": 13, "fill": colour("ink")},
}
