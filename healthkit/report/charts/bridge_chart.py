"""Why a rate moved: bars from rate to rate."""

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
    bold_text_ems,
    build_chart,
    colour,
    make_layer,
    text_width,
    wide_or_narrow,
)
from healthkit.report.text import movements


@SKIP_VALIDATION
def bridge_chart(bridge: Any, *, description: str = "") -> alt.LayerChart:
    """Why did the rate move? Bars from rate to rate, in shown values, with the counts beside every step.

    `bridge` is a Bridge of `explain`; its finding is `movements.bridge_title` unless one is given. Names stand left of
    the bars in the wide drawing and above them in the narrow one; what makes the rate worse is dark.
    """
    moved = movements.movement_from_bridge(bridge)
    span = bar_scale(moved)
    rows = _bridge_rows(moved, span.begin)
    wide, narrow = _bar_layout(rows, span, HALF), _bar_layout(rows, span, NARROW)
    layers = [
        *([_zero_line_layer(len(rows), wide, narrow)] if span.low < 0 else []),
        _bridge_connector_layer(rows, wide, narrow),
        _bridge_bar_layer(rows, wide, narrow),
        _bridge_text_layer(rows, wide, narrow),
    ]
    heights = {"wide": (HALF, 32 * len(rows)), "narrow": (NARROW, 38 * len(rows) - 4)}
    return build_chart(layers, description or movements.bridge_title(moved), heights)


class BarScale(NamedTuple):
    """Where bars begin, and the ends of their scale, in the last digit of the shown rates."""

    begin: int
    low: int
    high: int


def bar_scale(rate_movement: movements.RateMovement) -> BarScale:
    """The scale of a rate that moved: from nothing where few are wanted, else from a round value below all of it."""
    low, high = min(rate_movement.values), max(rate_movement.values)
    if lower_is_better(rate_movement.side) or low <= 0:
        return BarScale(0, min(0, low), max(1, high))
    step = max(1, round(round_step(max(2, high - low))))
    begin = max(0, math.floor(low / step - 0.2) * step)
    return BarScale(begin, begin, max(begin + 1, high))


class _BridgeRow(NamedTuple):
    """One row: its name, the counts behind it, the two values its bar lies between, its figure and colour."""

    name: str
    rest: str
    start: int
    end: int
    figure: str
    ink: str


def _bridge_rows(rate_movement: movements.RateMovement, begin: int) -> list[_BridgeRow]:
    """The first day, every step from running value to running value, and the last day."""
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
    """Where the bars of one drawing stand: its first value in pixels, the pixels of one unit, rows and bars."""

    left: float
    unit: float
    low: int
    row_height: int
    top: int
    bar_height: int

    def at(self, value: int) -> float:
        """A value in pixels from the left."""
        return round(self.left + (value - self.low) * self.unit, 1)

    def y(self, place: int) -> int:
        """The upper edge of a row's bar."""
        return self.top + self.row_height * place


def _bar_layout(rows: list[_BridgeRow], span: BarScale, width: int) -> _BarLayout:
    """The bars of one drawing: as long as the names beside them and the figures behind them leave room."""
    names = max(236.0, *(_counts_x(row) + text_width(row.rest, 13) + 14 for row in rows)) if width == HALF else 0.0
    figures = max(text_width(row.figure, 13, True) for row in rows) + 8
    unit = (width - 8 - names - figures) / (span.high - span.low)
    return _BarLayout(names, unit, span.low, *((32, 4, 16) if width == HALF else (38, 17, 12)))


def _counts_x(row: _BridgeRow) -> float:
    """Where the counts stand behind a row's name."""
    return round(bold_text_ems(row.name) * 13 + 7, 1)


def _bridge_bar_layer(rows: list[_BridgeRow], wide: _BarLayout, narrow: _BarLayout) -> Any:
    """A bar for each row, never thinner than a line."""
    held = []
    for place, row in enumerate(rows):
        ends = sorted((row.start, row.end))
        (x, x2), (nx, nx2) = ([bars.at(end) for end in ends] for bars in (wide, narrow))
        held.append({
            "x": x, "x2": max(x2, x + 1.5), "y": wide.y(place), "y2": wide.y(place) + wide.bar_height,
            "nx": nx, "nx2": max(nx2, nx + 1.5), "ny": narrow.y(place), "ny2": narrow.y(place) + narrow.bar_height,
            "c": colour(row.ink),
        })  # fmt: skip
    where = {name: wide_or_narrow(name) for name in ("x", "x2", "y", "y2")}
    return make_layer("rect", held, {**where, "fill": {"expr": "datum.c"}, "opacity": 1})


def _bridge_connector_layer(rows: list[_BridgeRow], wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Thin lines from each running value to the next bar; in the narrow drawing names stand there instead."""
    held = [
        {"x": wide.at(row.end), "nx": narrow.at(row.end), "y": wide.y(place) + wide.bar_height, "y2": wide.y(place + 1)}
        for place, row in enumerate(rows[:-1])
    ]
    return _vertical_line_layer([row | {"ny": 0, "ny2": 0} for row in held])


def _zero_line_layer(row_count: int, wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Where nothing is, when steps pass below it: one line, or in the narrow drawing a piece under each bar."""
    held = [
        {"x": wide.at(0), "nx": narrow.at(0), "y": wide.y(place) - 8, "y2": wide.y(place) + wide.bar_height + 8,
         "ny": narrow.y(place), "ny2": narrow.y(place) + narrow.bar_height + 4}
        for place in range(row_count)
    ]  # fmt: skip
    return _vertical_line_layer(held)


def _vertical_line_layer(line_rows: ChartRows) -> Any:
    """Thin upright lines; a rule without a scale would lie down, so they are narrow bars."""
    x, x2 = wide_or_narrow("x"), {"expr": f"({wide_or_narrow('x')['expr']}) + 1"}
    return make_layer("rect", line_rows,
        {"x": x, "x2": x2, "y": wide_or_narrow("y"), "y2": wide_or_narrow("y2"), "opacity": 1,
                                   "fill": colour("rule-strong")})  # fmt: skip


def _bridge_text_layer(rows: list[_BridgeRow], wide: _BarLayout, narrow: _BarLayout) -> Any:
    """Names and counts beside or above the bars, figures behind them."""
    held: ChartRows = []
    for place, row in enumerate(rows):
        y, above = wide.y(place) + 13, narrow.y(place) - 5
        end = max(row.start, row.end)
        held += [
            {"t": row.name, "x": 0, "nx": 0, "y": y, "ny": above, "w": "bold"},
            {"t": row.rest, "x": _counts_x(row), "nx": _counts_x(row), "y": y, "ny": above, "w": "normal"},
            {"t": row.figure, "x": wide.at(end) + 6, "nx": narrow.at(end) + 6, "y": y, "ny": narrow.y(place) + 11,
             "w": "bold"},
        ]  # fmt: skip
    setting = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic"}
    return make_layer(
        "text", held, {**setting, "x": wide_or_narrow("x"), "y": wide_or_narrow("y"), "text": {"expr": "datum.t"}}
    )
