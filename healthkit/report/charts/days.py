"""On which days orders at fault stand, and when they leave the window."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd

from healthkit.report import wording
from healthkit.report.charts.style import (
    DAY,
    HALF,
    NARROW,
    UNCHECKED,
    WORDS,
    Rows,
    colour,
    date_of,
    day_axis,
    finished,
    layer_of,
    moment_of,
    shared,
)


@UNCHECKED
def leaving_calendar(
    at_fault: pd.DataFrame,
    as_of: date,
    by: date,
    named: pd.Series | None = None,
    *,
    finding: str = "",
    wide: int = HALF,
) -> alt.LayerChart:
    """When do the orders at fault leave the window? One mark each, on the first day it no longer counts.

    How many have left by the day `by` is written at that day, unless all have. `wide` is the width of the wide
    drawing. [pixels]
    """
    days = [date_of(day) for day in at_fault["leaves_on"]]
    last = max(days)
    gone = sum(day <= by for day in days)
    text = f"{wording.number(gone)} of {wording.number(len(days))} by {wording.day(by)}"
    return _marks_by_day(days, named, (as_of, last), [(by, text)] if gone < len(days) else [], finding, wide)


@UNCHECKED
def faults_by_day(
    at_fault: pd.DataFrame, first: date, last: date, named: pd.Series | None = None, *, finding: str = ""
) -> alt.LayerChart:
    """On which days were the orders at fault placed? One mark each, on its clock day."""
    return _marks_by_day([date_of(day) for day in at_fault["clock_day"]], named, (first, last), [], finding)


def _marks_by_day(
    days: list[date],
    named: pd.Series | None,
    ends: tuple[date, date],
    notes: list[tuple[date, str]],
    finding: str,
    wide: int = HALF,
) -> alt.LayerChart:
    """Orders stacked on their days, those that are named dark and at the bottom."""
    first, last = ends
    stacks = _stacks(days, list(named.astype(bool)) if named is not None else [False] * len(days))
    highest = max([3, *(math.ceil(row["high"]) for row in stacks)])
    span = (last - first).days + 1
    domain = [moment_of(first) - DAY // 2, moment_of(last) + DAY // 2]
    x = shared(
        alt.X(
            "day",
            type="quantitative",
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=day_axis(first, last),
        )
    )
    y = shared(alt.Y("low", type="quantitative", scale=alt.Scale(domain=[0, highest], nice=False), axis=None))
    thick = {"expr": f"max(1.5, min(12, width / {span} - 1.5))"}
    look = {"fill": {"expr": "datum.c"}, "size": thick, "opacity": 1, "orient": "vertical"}
    layers = [layer_of("bar", stacks, look, x=x, y=y, y2=alt.Y2("high"))]
    for day, text in notes:
        layers += _note(day, text, x, (day - first).days * 2 < span)
    plot = min(150, 13 * highest)
    tall = plot + (44 if notes else 30)
    return finished(layers, finding, {"wide": (wide, tall), "narrow": (NARROW, tall)}, top=22 if notes else 4)


def _stacks(days: list[date], named: list[bool]) -> Rows:
    """One mark an order where at most 30 share a day, else two bars a day."""
    counts: dict[date, list[int]] = {}
    for day, dark in zip(days, named, strict=True):
        counts.setdefault(day, [0, 0])[0 if dark else 1] += 1
    each = max(map(sum, counts.values()), default=0) <= 30
    rows = []
    for day, (first, rest) in sorted(counts.items()):
        ends = range(first + rest + 1) if each else (0, first, first + rest)
        for low, high in pairwise(ends):
            ink = "mark" if high <= first else "mark-2"
            if low < high:
                rows.append({"day": moment_of(day), "low": low, "high": high - (0.15 if each else 0), "c": colour(ink)})
    return rows


def _note(day: date, text: str, x: alt.X, right: bool) -> list[Any]:
    """A thin line at the end of a day, and what has happened by then."""
    held = [{"day": moment_of(day) + DAY // 2}]
    line = {"stroke": colour("ink-2"), "strokeWidth": 1, "y": -6, "y2": {"expr": "height"}}
    words = {"align": "left" if right else "right", "dx": 5 if right else -5, "y": -10, "fontWeight": "bold"}
    return [
        layer_of("rule", held, line, x=x),
        layer_of("text", [held[0] | {"t": text}], {**words, "baseline": "middle"}, x=x, text=WORDS),
    ]
