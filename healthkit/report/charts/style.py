"""What all charts share: sizes, colours, looks, days on an axis, layers, and how wide a text is drawn.

A chart knows two sizes, for a wide column and for a phone; whoever draws it sets one of them (`sizes`), never
shrinks the drawing. Colours are CSS variables with a light fallback, so a page's dark tokens reach into the drawing;
this wants Vega's SVG renderer, which every chart asks for itself. Positions that depend on the size are Vega
expressions of `width`. Days travel as UTC milliseconds, so that no browser's time zone can move them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import altair as alt
from altair.utils.schemapi import debug_mode

ChartRows = list[dict[str, Any]]

WIDE, HALF, NARROW = 760, 512, 328
"""Widths of a full figure, of one of a pair, and of a phone. [pixels]"""

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
"""Altair checks every object while it is made, which takes longer than making it; the tests check the whole instead."""


def colour(name: str) -> str:
    """A colour of the page, with its light value where the page defines none.

    >>> colour("off")
    'var(--off, #b83a00)'
    """
    return f"var(--{name}, {COLOURS[name]})"


def vega_lite_spec(chart: Any) -> dict[str, Any]:
    """The Vega-Lite of a chart, as plain data; unchecked, for the checks take longer than the drawing."""
    # The plain road below Altair's own, which would copy every layer and its rows first.
    return {"$schema": alt.SCHEMA_URL} | alt.SchemaBase.to_dict(chart, validate=False)


def chart_description(chart: Any) -> str:
    """The finding that a chart shows, as screen readers hear it."""
    return str(chart.description)


def chart_sizes(vega_lite: dict[str, Any]) -> dict[str, list[int]]:
    """Width and height of a chart's two drawings, from its Vega-Lite."""
    return vega_lite["usermeta"]["sizes"]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """About how wide a text is drawn. [pixels]"""
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
"""About how wide bold letters are; the nearer guess where a text goes on behind them. [ems]"""


def bold_text_ems(text: str) -> float:
    """About how wide a bold text is drawn. [ems]

    >>> round(bold_width("Left the window:"), 1)
    7.9
    """
    return sum(
        next((wide for letters, wide in _BOLD_LETTER_WIDTHS.items() if letter in letters), 0.69) for letter in text
    )


TEXT_CHANNEL = alt.Text("t", type="nominal")

DAY_MS = 86_400_000
"""A day. [ms]"""


def to_date(value: Any) -> date:
    """A day, of a day or a moment of it."""
    return value.date() if isinstance(value, datetime) else value


def date_to_epoch_ms(value: Any) -> int:
    """A day as milliseconds of its midnight in UTC."""
    day = to_date(value)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def epoch_ms_to_date(moment: int) -> date:
    """The day whose midnight in UTC a moment is."""
    return datetime.fromtimestamp(moment / 1000, UTC).date()


def day_axis(first: date, last: date) -> alt.Axis:
    """Days: months where they fill the axis, else every first or second week, or every second day."""
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
    """The first days of months from first to last."""
    starts = (date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(15))
    return [day for day in starts if first <= day <= last]


NARROW_EXPR = f"width < {(HALF + NARROW) // 2}"
"""Whether the narrow one of a pair's two drawings is made."""


def wide_or_narrow(name: str) -> dict[str, str]:
    """A value of a row: the one of the narrow drawing stands under the same name with an n before it.

    >>> either("x")
    {'expr': 'width < 420 ? datum.nx : datum.x'}
    """
    return {"expr": f"{NARROW_EXPR} ? datum.n{name} : datum.{name}"}


def make_layer(kind: Any, rows: ChartRows, mark_properties: dict[str, Any], **channels: Any) -> alt.UnitSpec:
    """One layer: a kind of mark over its own few rows."""
    mark = alt.MarkDef(kind, **mark_properties)
    held: Any = _PlainData(rows)
    return alt.UnitSpec(mark, data=alt.InlineData(values=held), encoding=alt.Encoding(**channels))


class _PlainData:
    """Plain data, handed through: Altair would look at every cell of it, which takes longer than all the rest."""

    _schema: ClassVar[dict[str, str]] = {"type": "object"}

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def to_dict(self) -> Any:
        return self.plain


def shared_channel(channel: alt.X | alt.Y) -> Any:
    """A channel that several layers share, made plain once."""
    return _PlainData(channel.to_dict(validate=False))


def build_chart(
    layers: list[Any], description: str, drawing_sizes: dict[str, tuple[int, int]], top: int = 2
) -> alt.LayerChart:
    """Layers as one chart with its two sizes, its finding, and the looks that all charts share."""
    chart = alt.LayerChart(
        width=drawing_sizes["wide"][0],
        height=drawing_sizes["wide"][1],
        description=description,
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        padding={"left": 1, "right": 7, "top": top, "bottom": 2},
        background="transparent",
        config=CHART_CONFIG,
        usermeta={
            "sizes": {name: list(size) for name, size in drawing_sizes.items()},
            "embedOptions": {"renderer": "svg", "actions": False, "tooltip": False},
        },
    )
    # Handed over here, not in the call above, which would copy and check every row of every layer.
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
