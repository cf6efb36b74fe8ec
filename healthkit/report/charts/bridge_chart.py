"""The bridge chart: bars that lead from one rate to another, one for each step."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import altair as alt

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.rate_axis import round_step
from healthkit.report.charts.style import (
    HALF,
    NARROW,
    SKIP_VALIDATION,
    ChartRows,
    bar_layer,
    bold_text_ems,
    build_chart,
    colour,
    make_layer,
    text_layer,
    text_width,
    wide_or_narrow,
)
from healthkit.report.text import movements


@SKIP_VALIDATION
def bridge_chart(bridge: Any, *, description: str = "") -> alt.LayerChart:
    """Return a bridge chart, which has a bar for each step between two displayed rates.

    `bridge` is a `Bridge` (see `analysis.bridge`). The default description is `movements.bridge_title`. Names and
    counts are left of the bars in the wide drawing and above them in the narrow one. Steps that make the rate worse are
    dark.
    """
    moved = movements.movement_from_bridge(bridge)
    scale = bar_scale(moved)
    rows = _bridge_rows(moved, scale.begin)
    wide, narrow = _bar_layout(rows, scale, HALF), _bar_layout(rows, scale, NARROW)
    layers = [
        *([_zero_line_layer(len(rows), wide, narrow)] if scale.low < 0 else []),
        _bridge_connector_layer(rows, wide, narrow),
        _bridge_bar_layer(rows, wide, narrow),
        _bridge_text_layer(rows, wide, narrow),
    ]
    heights = {"wide": (HALF, 32 * len(rows)), "narrow": (NARROW, 38 * len(rows) - 4)}
    return build_chart(layers, description or movements.bridge_title(moved), heights)


class BarScale(NamedTuple):
    """Scale of a bridge chart: the value at which bars begin, and the lowest and the highest value.

    Values are in units of the last digit of the displayed rates.
    """

    begin: int
    low: int
    high: int


def bar_scale(rate_movement: movements.RateMovement) -> BarScale:
    """Return the scale of a bridge chart.

    Bars begin at 0 if a lower rate is better, otherwise at a round value below all rates.
    """
    low, high = min(rate_movement.values), max(rate_movement.values)
    if lower_is_better(rate_movement.side) or low <= 0:
        return BarScale(0, min(0, low), max(1, high))
    step = max(1, round(round_step(max(2, high - low))))
    begin = max(0, math.floor(low / step - 0.2) * step)
    return BarScale(begin, begin, max(begin + 1, high))


class _BridgeRow(NamedTuple):
    """One row: its name, its counts, the two values that its bar connects, the value as text, and the colour."""

    name: str
    counts_text: str
    start: int
    end: int
    value_text: str
    colour_name: str


def _bridge_rows(rate_movement: movements.RateMovement, begin: int) -> list[_BridgeRow]:
    """Return the rows of the first day, of every step, and of the last day."""
    few = lower_is_better(rate_movement.side)
    first, last = (
        _BridgeRow(
            *movements.bridge_point_label(rate_movement, seen),
            begin,
            seen.rate,
            rate_movement.format_point_rate(seen),
            "ink",
        )
        for seen in (rate_movement.before, rate_movement.after)
    )
    steps = [
        _BridgeRow(
            *movements.step_label(rate_movement, part), *ends,
            movements.format_signed_units(part.change, rate_movement.decimals),
            "mark" if (part.change > 0) == few else "mark-2",
        )
        for part, ends in zip(rate_movement.parts, pairwise(rate_movement.values), strict=True)
    ]  # fmt: skip
    return [first, *steps, last]


class _BarLayout(NamedTuple):
    """The layout of the bars of one drawing: left edge and top, pixels per unit, lowest value, row and bar height."""

    left: float
    unit: float
    low: int
    row_height: int
    top: int
    bar_height: int

    def x_of(self, value: int) -> float:
        """Return the position of a value in pixels from the left."""
        return round(self.left + (value - self.low) * self.unit, 1)

    def y_of(self, row: int) -> int:
        """Return the upper edge of a row's bar in pixels from the top."""
        return self.top + self.row_height * row


def _bar_layout(rows: list[_BridgeRow], scale: BarScale, width: int) -> _BarLayout:
    """Return the layout of one drawing: bars use the width that names and values leave."""
    left = 0.0
    if width == HALF:
        left = max(236.0, *(_counts_x(row) + text_width(row.counts_text, 13) + 14 for row in rows))
    right = max(text_width(row.value_text, 13, True) for row in rows) + 8
    unit = (width - 8 - left - right) / (scale.high - scale.low)
    return _BarLayout(left, unit, scale.low, *((32, 4, 16) if width == HALF else (38, 17, 12)))


def _counts_x(row: _BridgeRow) -> float:
    """Return the position of the counts behind a row's name. [pixels]"""
    return round(bold_text_ems(row.name) * 13 + 7, 1)


def _bridge_bar_layer(rows: list[_BridgeRow], wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Return a bar for each row, at least 1.5 pixels long."""
    bars = []
    for n, row in enumerate(rows):
        ends = sorted((row.start, row.end))
        (x, x2), (nx, nx2) = ([layout.x_of(end) for end in ends] for layout in (wide, narrow))
        bars.append({
            "x": x, "x2": max(x2, x + 1.5), "y": wide.y_of(n), "y2": wide.y_of(n) + wide.bar_height,
            "nx": nx, "nx2": max(nx2, nx + 1.5), "ny": narrow.y_of(n), "ny2": narrow.y_of(n) + narrow.bar_height,
            "c": colour(row.colour_name),
        })  # fmt: skip
    return bar_layer(bars)


def _bridge_connector_layer(rows: list[_BridgeRow], wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Return thin lines from the end of each bar to the next bar; the narrow drawing has names there instead."""
    return _vertical_line_layer([
        {"x": wide.x_of(row.end), "nx": narrow.x_of(row.end), "y": wide.y_of(n) + wide.bar_height,
         "y2": wide.y_of(n + 1), "ny": 0, "ny2": 0}
        for n, row in enumerate(rows[:-1])
    ])  # fmt: skip


def _zero_line_layer(row_count: int, wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Return the line of 0 for bars that pass below it: one line, or in the narrow drawing a piece below each bar."""
    return _vertical_line_layer([
        {"x": wide.x_of(0), "nx": narrow.x_of(0), "y": wide.y_of(n) - 8, "y2": wide.y_of(n) + wide.bar_height + 8,
         "ny": narrow.y_of(n), "ny2": narrow.y_of(n) + narrow.bar_height + 4}
        for n in range(row_count)
    ])  # fmt: skip


def _vertical_line_layer(line_rows: ChartRows) -> Any:
    """Return thin vertical lines, drawn as narrow bars: a rule mark without a scale would be horizontal."""
    x, x2 = wide_or_narrow("x"), {"expr": f"({wide_or_narrow('x')['expr']}) + 1"}
    return make_layer("rect", line_rows, {
        "x": x, "x2": x2, "y": wide_or_narrow("y"), "y2": wide_or_narrow("y2"), "opacity": 1,
        "fill": colour("rule-strong"),
    })  # fmt: skip


def _bridge_text_layer(rows: list[_BridgeRow], wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Return names and counts beside or above the bars, and values behind them."""
    texts: ChartRows = []
    for n, row in enumerate(rows):
        y, above = wide.y_of(n) + 13, narrow.y_of(n) - 5
        end = max(row.start, row.end)
        texts += [
            {"t": row.name, "x": 0, "nx": 0, "y": y, "ny": above, "w": "bold"},
            {"t": row.counts_text, "x": _counts_x(row), "nx": _counts_x(row), "y": y, "ny": above, "w": "normal"},
            {"t": row.value_text, "x": wide.x_of(end) + 6, "nx": narrow.x_of(end) + 6, "y": y,
             "ny": narrow.y_of(n) + 11, "w": "bold"},
        ]  # fmt: skip
    return text_layer(texts, {"expr": "datum.t"})
