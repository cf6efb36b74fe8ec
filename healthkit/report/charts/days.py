"""Charts of orders at fault by day: when they were placed, and when they leave the window."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd

from healthkit.report.charts.style import (
    DAY_MS,
    HALF,
    NARROW,
    SKIP_VALIDATION,
    TEXT_CHANNEL,
    ChartRows,
    build_chart,
    colour,
    date_to_epoch_ms,
    day_axis,
    make_layer,
    number_channel,
    shared_channel,
    to_date,
)
from healthkit.report.text import figures


@SKIP_VALIDATION
def leaving_calendar(
    at_fault: pd.DataFrame,
    as_of: date,
    until: date,
    highlighted: pd.Series | None = None,
    *,
    description: str = "",
    width: int = HALF,
) -> alt.LayerChart:
    """Return a chart of the days on which orders at fault leave the window, with one mark per order.

    The mark is on the first day on which the order is outside the window. The chart states how many have left by the
    day `until`, unless all have. Orders that `highlighted` marks are dark. `width` is the width of the wide drawing.
    [pixels]
    """
    days = [to_date(day) for day in at_fault["leaves_on"]]
    last = max(days)
    left = sum(day <= until for day in days)
    text = f"{figures.format_number(left)} of {figures.format_number(len(days))} by {figures.format_day(until)}"
    return _day_marks_chart(
        days, highlighted, (as_of, last), [(until, text)] if left < len(days) else [], description, width
    )


@SKIP_VALIDATION
def faults_by_day(
    at_fault: pd.DataFrame, first: date, last: date, highlighted: pd.Series | None = None, *, description: str = ""
) -> alt.LayerChart:
    """Return a chart of orders at fault by day, with one mark per order on its clock day."""
    return _day_marks_chart(
        [to_date(day) for day in at_fault["clock_day"]], highlighted, (first, last), [], description
    )


def _day_marks_chart(
    days: list[date],
    highlighted: pd.Series | None,
    ends: tuple[date, date],
    notes: list[tuple[date, str]],
    description: str,
    width: int = HALF,
) -> alt.LayerChart:
    """Return the chart of orders stacked on their days, highlighted orders dark and at the bottom."""
    first, last = ends
    stacks = _stack_orders(days, list(highlighted.astype(bool)) if highlighted is not None else [False] * len(days))
    highest = max([3, *(math.ceil(row["high"]) for row in stacks)])
    span = (last - first).days + 1
    domain = date_to_epoch_ms(first) - DAY_MS // 2, date_to_epoch_ms(last) + DAY_MS // 2
    x = number_channel(alt.X, "day", domain, day_axis(first, last))
    y = shared_channel(alt.Y("low", type="quantitative", scale=alt.Scale(domain=[0, highest], nice=False), axis=None))
    thick = {"expr": f"max(1.5, min(12, width / {span} - 1.5))"}
    look = {"fill": {"expr": "datum.c"}, "size": thick, "opacity": 1, "orient": "vertical"}
    layers = [make_layer("bar", stacks, look, x=x, y=y, y2=alt.Y2("high"))]
    for day, text in notes:
        layers += _note_layers(day, text, x, (day - first).days * 2 < span)
    plot = min(150, 13 * highest)
    height = plot + (44 if notes else 30)
    return build_chart(
        layers, description, {"wide": (width, height), "narrow": (NARROW, height)}, top=22 if notes else 4
    )


def _stack_orders(days: list[date], highlighted: list[bool]) -> ChartRows:
    """Return one mark an order if no day has more than 30 orders, else at most two bars a day."""
    counts: dict[date, list[int]] = {}
    for day, dark in zip(days, highlighted, strict=True):
        counts.setdefault(day, [0, 0])[0 if dark else 1] += 1
    one_by_one = max(map(sum, counts.values()), default=0) <= 30
    rows = []
    for day, (first, rest) in sorted(counts.items()):
        ends = range(first + rest + 1) if one_by_one else (0, first, first + rest)
        for low, high in pairwise(ends):
            if low < high:
                rows.append({
                    "day": date_to_epoch_ms(day), "low": low, "high": high - (0.15 if one_by_one else 0),
                    "c": colour("mark" if high <= first else "mark-2"),
                })  # fmt: skip
    return rows


def _note_layers(day: date, text: str, x: alt.X, right: bool) -> list[Any]:
    """Return a thin line at the end of a day, with a text."""
    line_rows = [{"day": date_to_epoch_ms(day) + DAY_MS // 2}]
    line = {"stroke": colour("ink-2"), "strokeWidth": 1, "y": -6, "y2": {"expr": "height"}}
    font = {"align": "left" if right else "right", "dx": 5 if right else -5, "y": -10, "fontWeight": "bold"}
    return [
        make_layer("rule", line_rows, line, x=x),
        make_layer("text", [line_rows[0] | {"t": text}], {**font, "baseline": "middle"}, x=x, text=TEXT_CHANNEL),
    ]
