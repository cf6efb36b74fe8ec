"""Where the labels of a rate over time stand: over nothing, and near what they name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.rate_axis import RateAxis, format_row_rate
from healthkit.report.charts.style import (
    TEXT_CHANNEL,
    ChartRows,
    colour,
    date_to_epoch_ms,
    epoch_ms_to_date,
    make_layer,
    text_width,
)
from healthkit.report.text import figures, labels


class _Label(NamedTuple):
    """A text on a chart: the point it belongs to, how far from it, and how it is set."""

    text: str
    day: int
    rate: float
    dx: float = 0
    dy: float = 0
    align: str = "left"
    ink: str = "ink"
    weight: str = "normal"
    size: int = 13

    def row(self) -> dict[str, Any]:
        """The label as data of the text layer."""
        return {
            "t": self.text, "day": self.day, "rate": self.rate, "dx": self.dx, "dy": self.dy, "a": self.align,
            "c": colour(self.ink), "w": self.weight, "s": self.size,
        }  # fmt: skip


_ACCEPTABLE_COST = 0.5
"""A label that costs less stands over nothing and near its point."""


class _LabelPlacer:
    """The plot of the narrow drawing, which is the tighter one: what stands where, in pixels from its lower left."""

    def __init__(
        self, rows: ChartRows, other_rows: ChartRows, axis: RateAxis, width: float = 284, height: float = 250
    ) -> None:
        self.first, self.last = rows[0]["day"], rows[-1]["day"]
        self.axis, self.width, self.height = axis, width, height
        self.x, self.y = (np.concatenate(ends) for ends in zip(*map(self.trace_line, (rows, other_rows)), strict=True))
        self.taken: list[tuple[float, float, float, float]] = []

    def at(self, day: float, rate: float) -> tuple[float, float]:
        """A day and rate as pixels."""
        return (day - self.first) / max(1, self.last - self.first) * self.width, self.axis.share(rate) * self.height

    def trace_line(self, rows: ChartRows) -> tuple[np.ndarray, np.ndarray]:
        """A line as dense points, so that a steep part is felt between its days."""
        known = [self.at(row["day"], row["rate"]) for row in rows if row["rate"] is not None]
        if not known:
            return np.empty(0), np.empty(0)
        x, y = np.array(known).T
        fine = np.linspace(0, len(x) - 1, max(len(x), min(8 * len(x), 960)))
        return np.interp(fine, np.arange(len(x)), x), np.interp(fine, np.arange(len(y)), y)

    def box(self, label: _Label) -> tuple[float, float, float, float]:
        """The left, right, lower and upper edge of a label."""
        x, y = self.at(label.day, label.rate)
        wide, high = text_width(label.text, label.size, label.weight == "bold"), label.size * 1.25
        left = x + label.dx - {"left": 0.0, "center": wide / 2, "right": wide}[label.align]
        middle = y - label.dy
        return left, left + wide, middle - high / 2, middle + high / 2

    def cost(self, label: _Label) -> float:
        """How badly a label would stand: over another one worst, then outside, then over or near a line."""
        left, right, low, high = self.box(label)
        over = sum(left < b + 4 and right > a - 4 and low < d + 1 and high > c - 1 for a, b, c, d in self.taken)
        outside = left < -4 or right > self.width + 4 or low < -2 or high > self.height + 2
        if over or outside:
            return over * 1000 + outside * 300
        hit = (self.x >= left - 5) & (self.x <= right + 5) & (self.y >= low - 3) & (self.y <= high + 3)
        return float(hit.sum()) + abs(label.dy) * 0.02

    def place(self, candidates: Sequence[_Label]) -> _Label:
        """The first of several ways to set one label that is in nothing's way, else the best of them."""
        best, least = candidates[0], math.inf
        for label in candidates:
            cost = self.cost(label)
            if cost < least:
                best, least = label, cost
            if cost < _ACCEPTABLE_COST:
                break
        self.taken.append(self.box(best))
        return best


def rate_labels(
    judged_rows: ChartRows,
    other_rows: ChartRows,
    axis: RateAxis,
    window: int,
    other_window: int | None,
    before: date | None,
) -> list[_Label]:
    """All labels of a rate over time, set one after the other where the least is in the way."""
    room = _LabelPlacer(judged_rows, other_rows, axis)
    last = judged_rows[-1]
    tint = {"off": "off", "risk": "risk", "on": "on"}.get(labels.STATUS_STYLES[last["status"]].colour, "ink")
    figure = _Label(format_row_rate(last), last["day"], axis.high, 0, -15, "right", tint, "bold", 18)
    gap = text_width(figure.text, 18, True) + 6
    placed = [
        figure,
        _Label(figures.format_day(epoch_ms_to_date(last["day"])), last["day"], axis.high, -gap, -14, "right"),
    ]
    room.taken += map(room.box, placed)
    if axis.target is not None:
        placed += _target_labels(room, axis)
    marked = [
        row for row in judged_rows if before and row["day"] == date_to_epoch_ms(before) and row["rate"] is not None
    ]
    for row in marked:
        text = f"{figures.format_day(epoch_ms_to_date(row['day']))}: {format_row_rate(row)}"
        placed.append(room.place(_labels_around(text, row, 13)))
    if other_window:
        placed += _line_labels(room, judged_rows, other_rows, window, other_window)
    return placed


def _target_labels(room: _LabelPlacer, axis: RateAxis) -> list[_Label]:
    """The target's words beside its line, and the name of the tinted side in one of its corners."""
    few = lower_is_better(axis.side)
    assert axis.target is not None
    ends = [(room.first, "left", 4), (room.last, "right", -4)]
    middle = [(room.first + (room.last - room.first) * n // 8, "center", 0) for n in (2, 3, 4, 5, 6)]
    inner, outer = (11, -11) if few else (-11, 11)
    text = f"Target: {figures.format_target(axis.side, axis.target)}"
    ways = [(day, dx, dy, align) for dy in (inner, outer) for day, align, dx in (*ends, *middle)]
    target = room.place([_Label(text, day, axis.target, dx, dy, align, "ink", "bold") for day, dx, dy, align in ways])
    edge, dy = (axis.high, 12) if few else (axis.low, -12)
    off = room.place([_Label("Off target", day, edge, dx, dy, align, "off") for day, align, dx in ends])
    return [target, off]


def _labels_around(text: str, row: dict[str, Any], size: int, ink: str = "ink") -> list[_Label]:
    """Ways to set a text around a point of a line: below, above, at both sides, near and farther."""
    ways = [(dx, dy, align) for far in (14, 24, 38, 54) for dx, align in ((6, "left"), (-6, "right"), (0, "center"))
            for dy in (far, -far)]  # fmt: skip
    return [_Label(text, row["day"], row["rate"], dx, dy, align, ink, "normal", size) for dx, dy, align in ways]


def _line_labels(
    room: _LabelPlacer, judged_rows: ChartRows, other_rows: ChartRows, window: int, other_window: int
) -> list[_Label]:
    """The names of two lines, each on its own line where they are far apart and the least is in the way."""
    both = zip(judged_rows, other_rows, strict=False)
    pairs = [pair for pair in both if pair[0]["rate"] is not None and pair[1]["rate"] is not None]
    apart = sorted(pairs, key=lambda pair: -abs(pair[0]["rate"] - pair[1]["rate"]))[:12]
    names = []
    for place, (text, ink) in enumerate([(f"{window} days", "ink"), (f"{other_window} days", "ink-2")]):
        ways = []
        for pair in apart:
            up = pair[place]["rate"] >= pair[1 - place]["rate"]
            ways += [
                _Label(text, pair[place]["day"], pair[place]["rate"], dx, -dy if up else dy, align, ink)
                for dy in (12, 20, -12, -20)
                for dx, align in ((0, "center"), (6, "left"), (-6, "right"))
            ]
        names += [room.place(ways)] if ways else []
    return names


def label_layer(labels: Iterable[_Label], x: Any, y: Any) -> Any:
    """All labels as one layer."""
    return make_layer("text", [label.row() for label in labels], _LABEL_ENCODING, x=x, y=y, text=TEXT_CHANNEL)


_LABEL_ENCODING = {
    "dx": {"expr": "datum.dx"},
    "dy": {"expr": "datum.dy"},
    "align": {"expr": "datum.a"},
    "fill": {"expr": "datum.c"},
    "fontWeight": {"expr": "datum.w"},
    "fontSize": {"expr": "datum.s"},
    "baseline": "middle",
}
