"""Placement of the labels in a chart of a rate over time: near what they name, without overlaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.rate_axis import RateAxis, RateLine
from healthkit.report.charts.style import (
    TEXT_CHANNEL,
    WIDE,
    colour,
    date_to_epoch_ms,
    epoch_ms_to_date,
    make_layer,
    text_width,
)
from healthkit.report.text import events as event_text
from healthkit.report.text import figures, labels
from healthkit.schema.events_file import Event


class _Label(NamedTuple):
    """A label: its text, the point that it belongs to, the offset from the point in pixels, and its font."""

    text: str
    day: int
    rate: float
    dx: float = 0
    dy: float = 0
    align: str = "left"
    colour_name: str = "ink"
    weight: str = "normal"
    size: int = 13

    def row(self) -> dict[str, Any]:
        """Return the label as a row of the text layer."""
        return {
            "t": self.text, "day": self.day, "rate": self.rate, "dx": self.dx, "dy": self.dy, "a": self.align,
            "c": colour(self.colour_name), "w": self.weight, "s": self.size,
        }  # fmt: skip


_ACCEPTABLE_COST = 0.5
"""A label with a lower cost overlaps nothing and is close to its point."""


class _LabelPlacer:
    """Places labels in the plot of the narrow drawing, which has less space; pixels count from the lower left."""

    def __init__(
        self, judged: RateLine, others: Iterable[RateLine], axis: RateAxis, width: float = 280, height: float = 227
    ) -> None:
        self.first, self.last = int(judged.days[0]), int(judged.days[-1])
        self.axis, self.width, self.height = axis, width, height
        self.x, self.y = np.empty(0), np.empty(0)
        self._add_points(map(self.trace_line, (judged, *others)))
        self.occupied: list[tuple[float, float, float, float]] = []

    def _add_points(self, lines: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add lines to those that labels avoid; all points stay sorted by x, so that few are compared with a label."""
        x, y = (np.concatenate(ends) for ends in zip((self.x, self.y), *lines, strict=True))
        order = np.argsort(x, kind="stable")
        self.x, self.y = x[order], y[order]

    def to_pixels(self, day: Any, rate: Any) -> tuple[Any, Any]:
        """Return the position of a day and rate, or of each of two arrays, in pixels."""
        x = (day - self.first) / max(1, self.last - self.first) * self.width
        return x, self.axis.relative_height(rate) * self.height

    def trace_line(self, line: RateLine) -> tuple[np.ndarray, np.ndarray]:
        """Return a line as dense points, so that steep parts between two days count too."""
        known = ~np.isnan(line.rates)
        x, y = self.to_pixels(line.days[known], line.rates[known])
        if not len(x):
            return x, y
        fine = np.linspace(0, len(x) - 1, max(len(x), min(8 * len(x), 960)))
        return np.interp(fine, np.arange(len(x)), x), np.interp(fine, np.arange(len(y)), y)

    def label_box(self, label: _Label) -> tuple[float, float, float, float]:
        """Return the left, right, lower and upper edge of a label in pixels."""
        x, y = self.to_pixels(label.day, label.rate)
        wide, high = text_width(label.text, label.size, label.weight == "bold"), label.size * 1.25
        left = x + label.dx - {"left": 0.0, "center": wide / 2, "right": wide}[label.align]
        middle = y - label.dy
        return left, left + wide, middle - high / 2, middle + high / 2

    def cost(self, label: _Label) -> float:
        """Return the cost of a position: highest over another label, then outside the plot, then near a line."""
        left, right, low, high = box = self.label_box(label)
        over = self._overlaps_of_box(box)
        outside = left < -4 or right > self.width + 4 or low < -2 or high > self.height + 2
        if over or outside:
            return over * 1000 + outside * 300
        near = self.y[np.searchsorted(self.x, left - 5, "left") : np.searchsorted(self.x, right + 5, "right")]
        return float(np.count_nonzero((near >= low - 3) & (near <= high + 3))) + abs(label.dy) * 0.02

    def add_uprights(self, days: Sequence[int]) -> None:
        """Add a vertical line on each of some days to the lines that labels avoid."""
        height = np.linspace(0.0, self.height, 60)
        self._add_points((np.full(height.size, self.to_pixels(day, self.axis.low)[0]), height) for day in days)

    def overlaps(self, label: _Label) -> int:
        """Return how many placed labels a label would overlap."""
        return self._overlaps_of_box(self.label_box(label))

    def _overlaps_of_box(self, box: tuple[float, float, float, float]) -> int:
        left, right, low, high = box
        return sum(left < b + 4 and right > a - 4 and low < d + 1 and high > c - 1 for a, b, c, d in self.occupied)

    def place_label(self, candidates: Iterable[_Label], wide: _LabelPlacer | None = None) -> _Label:
        """Return the first candidate position with an acceptable cost, or else the cheapest, and mark it occupied.

        With `wide`, the placer of the wide drawing, the cost is that of the worse of both drawings.
        """
        best, least = None, math.inf
        for label in candidates:
            cost = self.cost(label) if wide is None else max(self.cost(label), wide.cost(label))
            if best is None or cost < least:
                best, least = label, cost
            if cost < _ACCEPTABLE_COST:
                break
        if best is None:
            raise ValueError("no position for a label")
        self.occupied.append(self.label_box(best))
        return best


def rate_labels(
    judged: RateLine,
    others: Mapping[int, RateLine],
    axis: RateAxis,
    window: int,
    before: date | None,
    events: Sequence[Event] = (),
) -> list[_Label]:
    """Return the labels of a chart of a rate over time, placed so that they overlap as little as possible.

    `others` are the thin lines by their windows.
    """
    placer = _LabelPlacer(judged, others.values(), axis)
    event_days = [date_to_epoch_ms(event.day) for event in events]
    placer.add_uprights(event_days)
    tint = {"off": "off", "risk": "risk", "on": "on"}.get(labels.STATUS_STYLES[judged.statuses[-1]].colour, "ink")
    figure = _Label(judged.format_rate(), placer.last, axis.high, 0, -15, "right", tint, "bold", 18)
    gap = text_width(figure.text, 18, True) + 6
    placed = [
        figure,
        _Label(figures.format_day(epoch_ms_to_date(placer.last)), placer.last, axis.high, -gap, -14, "right"),
    ]
    placer.occupied += map(placer.label_box, placed)
    if axis.target is not None:
        placed += _target_labels(placer, axis)
    marked = judged.position_of(date_to_epoch_ms(before)) if before else None
    if marked is not None:
        day = int(judged.days[marked])
        text = f"{figures.format_day(epoch_ms_to_date(day))}: {judged.format_rate(marked)}"
        beside = _wide_placer(judged, placed, axis) if events else None
        if beside is not None:
            beside.add_uprights(event_days)
        placed.append(placer.place_label(_labels_around(text, day, float(judged.rates[marked]), 13), beside))
    if others:
        wide = _wide_placer(judged, placed, axis) if len(others) > 1 else None
        placed += _line_labels(placer, {window: judged, **others}, wide, 40 if events or wide else 12)
    return placed + (_event_labels(placer, _wide_placer(judged, placed, axis), events) if events else [])


def _wide_placer(judged: RateLine, placed: Iterable[_Label], axis: RateAxis) -> _LabelPlacer:
    """Return a placer for the wide drawing that knows the labels placed so far."""
    wide = _LabelPlacer(judged, [], axis, WIDE - 48, 247)
    wide.occupied += map(wide.label_box, placed)
    return wide


MIN_EVENT_GAP = 22.0
"""Distance under which the marks of two events share a label. [pixels of the narrow drawing]"""
MAX_EVENT_LABEL = 20
"""Longest note in a label; the text beside the chart holds the whole note. [characters]"""


def _event_labels(placer: _LabelPlacer, wide: _LabelPlacer, events: Sequence[Event]) -> list[_Label]:
    """Return the labels of events: number and note, or the number alone where the note finds no place.

    Events close to each other share the label of their numbers. A label that would overlap another one, in the narrow
    drawing of `placer` or in the wide one, is left out.
    """
    groups: list[list[int]] = []
    for place, event in enumerate(events):
        x = placer.to_pixels(date_to_epoch_ms(event.day), placer.axis.low)[0]
        near = groups and x - placer.to_pixels(date_to_epoch_ms(events[groups[-1][0]].day), 0.0)[0] < MIN_EVENT_GAP
        if near:
            groups[-1].append(place)
        else:
            groups.append([place])
    placed = []
    for group in groups:
        number = event_text.number_phrase(group[0] + 1, group[-1] + 1)
        note = event_text.shorten_note(events[group[0]].note, MAX_EVENT_LABEL)
        days = [date_to_epoch_ms(events[place].day) for place in (group[0], group[-1])]
        for text in ([f"{number}: {note}"] if len(group) == 1 and len(groups) < 4 else []) + [number]:
            free = (
                label for label in _labels_along(text, days, placer)
                if placer.cost(label) < _ACCEPTABLE_COST and not wide.overlaps(label)
            )  # fmt: skip
            label = next(free, None)
            if label is not None:
                placed.append(label)
                for one in (placer, wide):
                    one.occupied.append(one.label_box(label))
                break
    return placed


def _labels_along(text: str, days: Sequence[int], placer: _LabelPlacer) -> list[_Label]:
    """Return candidate labels at several heights, to the right of the last of some days or to the left of the first."""
    axis = placer.axis
    heights = [axis.low + (axis.high - axis.low) * share / 20 for share in (19, 1, *range(18, 1, -1))]
    sides = ((days[-1], 7, "left"), (days[0], -7, "right"))
    return [
        _Label(text, day, height, dx, 0, align, "ink-2", "normal", 12) for height in heights for day, dx, align in sides
    ]


def _target_labels(placer: _LabelPlacer, axis: RateAxis) -> list[_Label]:
    """Return the label of the target line, and the label of the tinted area in one of its corners."""
    few = lower_is_better(axis.side)
    assert axis.target is not None
    ends = [(placer.first, "left", 4), (placer.last, "right", -4)]
    middle = [(placer.first + (placer.last - placer.first) * n // 8, "center", 0) for n in (2, 3, 4, 5, 6)]
    inner, outer = (11, -11) if few else (-11, 11)
    text = f"Target: {figures.format_target(axis.side, axis.target)}"
    positions = [(day, dx, dy, align) for dy in (inner, outer) for day, align, dx in (*ends, *middle)]
    target = placer.place_label(
        [_Label(text, day, axis.target, dx, dy, align, "ink", "bold") for day, dx, dy, align in positions]
    )
    edge, dy = (axis.high, 12) if few else (axis.low, -12)
    off = placer.place_label([_Label("Off target", day, edge, dx, dy, align, "off") for day, align, dx in ends])
    return [target, off]


def _labels_around(text: str, day: int, rate: float, size: int) -> list[_Label]:
    """Return candidate labels around a point of a line: below, above and at both sides, near ones first.

    The last ones stand further aside, where a mark stands beside the point.
    """
    near, aside = ((6, "left"), (-6, "right"), (0, "center")), (
        (32, "center"), (-32, "center"), (26, "left"), (-26, "right"),
    )  # fmt: skip
    offsets = [(dx, dy, align) for sides, distances in ((near, (14, 24, 38, 54)), (aside, (14, 24, 38)))
            for far in distances for dx, align in sides for dy in (far, -far)]  # fmt: skip
    return [_Label(text, day, rate, dx, dy, align, "ink", "normal", size) for dx, dy, align in offsets]


MIN_LINE_GAP = 6.0
"""Distance to the nearest other line under which one of several lines is not labelled. [pixels]"""


def _line_labels(
    placer: _LabelPlacer, lines: Mapping[int, RateLine], wide: _LabelPlacer | None, days_tried: int
) -> list[_Label]:
    """Return the labels of lines by window, each where its line is far from the others and the cost is lowest.

    `days_tried` is the number of days on which a label may stand, those first on which its line is far from the others.

    With a `wide` placer, which is that of the wide drawing, a label is left out that would overlap another one or a
    line, or whose line is nowhere apart from the others.
    """
    days = np.unique(np.concatenate([line.days for line in lines.values()]))
    rates = np.full((len(lines), len(days)), np.nan)
    for row, line in zip(rates, lines.values(), strict=True):
        row[np.searchsorted(days, line.days)] = line.rates
    is_known = ~np.isnan(rates)
    is_shared = is_known.all(axis=0)
    apart = 0.0 if wide is None else MIN_LINE_GAP / placer.height * (placer.axis.high - placer.axis.low)
    placed = []
    for number, window in enumerate(lines):
        distances = _nearest_distances(rates, number)
        can_stand = is_known[number] & (is_shared | ~is_shared.any()) & (np.abs(distances) >= apart)
        far_first = np.flatnonzero(can_stand)[np.argsort(-np.abs(distances[can_stand]), kind="stable")][:days_tried]
        points = zip(*(values[far_first].tolist() for values in (days, rates[number], distances)), strict=True)
        candidates = (
            _Label(f"{window} days", day, rate, dx, -dy if distance >= 0 else dy, align, "ink-2" if number else "ink")
            for day, rate, distance in points
            for dy in (12, 20, -12, -20)
            for dx, align in ((0, "center"), (6, "left"), (-6, "right"))
        )  # fmt: skip
        if wide is None:
            placed += [placer.place_label(candidates)] if len(far_first) else []
            continue
        free = (label for label in candidates if placer.cost(label) < _ACCEPTABLE_COST and not wide.overlaps(label))
        for label in islice(free, 1):
            wide.occupied.append(wide.label_box(label))
            placed.append(placer.place_label([label]))
    return placed


def _nearest_distances(rates: np.ndarray, number: int) -> np.ndarray:
    """Return how far one line is above the nearest other line on each day; 0 on days without another.

    `rates` has a row for each line and a column for each day; NaN is no rate.
    """
    distances = rates[number] - np.delete(rates, number, axis=0)
    distances[np.isnan(distances)] = np.inf
    nearest = np.take_along_axis(distances, np.abs(distances).argmin(axis=0)[None], axis=0)[0]
    nearest[np.isinf(nearest)] = 0.0
    return nearest


def label_layer(labels: Iterable[_Label], x: Any, y: Any) -> Any:
    """Return a text layer with the given labels."""
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
