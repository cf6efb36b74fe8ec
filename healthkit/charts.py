"""Charts, each named for its question: SCORES or orders at fault in, an Altair chart out; nothing is computed here.

A chart knows two sizes, for a wide column and for a phone; whoever draws it sets one of them (`sizes`), never
shrinks the drawing. Colours are CSS variables with a light fallback, so a page's dark tokens reach into the drawing;
this wants Vega's SVG renderer, which every chart asks for itself. Positions that depend on the size are Vega
expressions of `width`. Days travel as UTC milliseconds, so that no browser's time zone can move them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from healthkit import wording

Rows = list[dict[str, Any]]

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
SQUARES = 60
"""Up to so many orders are drawn as one square each; more become bars."""

_UNCHECKED = debug_mode(False)
"""Altair checks every object while it is made, which takes longer than making it; the tests check the whole instead."""


def colour(name: str) -> str:
    """A colour of the page, with its light value where the page defines none.

    >>> colour("off")
    'var(--off, #b83a00)'
    """
    return f"var(--{name}, {COLOURS[name]})"


def spec(chart: Any) -> dict[str, Any]:
    """The Vega-Lite of a chart, as plain data; unchecked, for the checks take longer than the drawing."""
    # The plain road below Altair's own, which would copy every layer and its rows first.
    return {"$schema": alt.SCHEMA_URL} | alt.SchemaBase.to_dict(chart, validate=False)


def describe(chart: Any) -> str:
    """The finding that a chart shows, as screen readers hear it."""
    return str(chart.description)


def sizes(held: dict[str, Any]) -> dict[str, list[int]]:
    """Width and height of a chart's two drawings, from its Vega-Lite."""
    return held["usermeta"]["sizes"]


# -- rate over time ---------------------------------------------------------------------------------------


@_UNCHECKED
def rate_over_time(
    daily: pd.DataFrame,
    window: int,
    other: int | None = None,
    *,
    before: date | None = None,
    theirs: pd.DataFrame | None = None,
    finding: str = "",
) -> alt.LayerChart:
    """Where does the rate stand against its target, day by day?

    `daily` holds SCORES of one metric and channel, one row a day and window. The judged window is thick, the
    other one thin; days without orders, or before the files begin, leave a gap. `before` is the day whose
    rate is marked besides the last one; `theirs` holds SCORES of the marketplace's own figures, drawn as diamonds.
    """
    judged = _days_of(daily, window)
    last = judged[-1]
    thin = _days_of(daily, other) if other else []
    said = _said(theirs) if theirs is not None else []
    axis = _RateAxis.around(judged, [*thin, *said])
    labels = _rate_labels(judged, thin, axis, window, other, before)
    days = _day_axis(_day(judged[0]["day"]), _day(last["day"]))
    x = _shared(
        alt.X(
            "day",
            type="quantitative",
            scale=alt.Scale(domain=[judged[0]["day"], last["day"]], nice=False, zero=False),
            axis=days,
        )
    )
    y = _shared(
        alt.Y(
            "rate",
            type="quantitative",
            scale=alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False),
            axis=axis.drawn(),
        )
    )
    layers = [*_target_layers(axis), _line(thin, x, y, "line-2", 1.5)] if thin else _target_layers(axis)
    layers += [_line(judged, x, y, "ink", 2.25)]
    if theirs is not None:
        layers += [_diamonds(said, x, y)]
    layers += [_dots(judged, x, y, before), _texts(labels, x, y)]
    chart = _finished(layers, finding, {"wide": (WIDE, 320), "narrow": (NARROW, 300)}, top=22)
    chart.params = axis.params()
    return chart


def _said(theirs: pd.DataFrame) -> Rows:
    """The marketplace's own figures, each on the first of the days on which it stood."""
    first = theirs.drop_duplicates("rule") if len(theirs) else theirs
    known = first[first["rate"].notna()]
    return [{"day": _moment(row.as_of), "rate": round(float(row.rate), 6)} for row in known.itertuples()]


def _diamonds(rows: Rows, x: Any, y: Any) -> Any:
    """The marketplace's own figures."""
    look = {"shape": "diamond", "filled": True, "size": 70, "fill": colour("paper"), "stroke": colour("ink-2")}
    return _layer("point", rows, {"opacity": 1, "strokeWidth": 1.75, **look}, x=x, y=y)


class _RateAxis(NamedTuple):
    """The scale of a rate: its ends, its target, and on which side the target is missed."""

    low: float
    high: float
    target: float | None
    side: str

    @classmethod
    def around(cls, judged: Rows, thin: Rows) -> _RateAxis:
        """A scale that starts at 0 for "under" and at a round value below the target for "at least"."""
        rates = [row["rate"] for row in (*judged, *thin) if row["rate"] is not None] or [0.0]
        side, target = judged[-1]["side"], judged[-1]["target"]
        if side and not wording.wants_few(side):
            low = min(min(rates), target - (1 - target) / 2)
            step = _step(1 - low)
            return cls(max(0.0, math.floor(low / step - 0.2) * step), 1.0, target, side)
        highest = max(max(rates) * 1.15, (target or 0.0) * 1.5) or 0.01
        return cls(0.0, min(1.0, highest), target, side)

    def ticks(self) -> list[float]:
        """Round values, and the target in place of any that would touch it."""
        step = _step(self.high - self.low)
        first = math.ceil(self.low / step - 1e-9)
        round_values = [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]
        if self.target is None:
            return round_values
        near = (self.high - self.low) * 0.07
        return sorted([self.target, *(value for value in round_values if abs(value - self.target) > near)])

    def drawn(self) -> alt.Axis:
        """The axis: the target's value in bold, percentages with as many digits as the step needs."""
        bold = "abs(datum.value - target) < 1e-9"
        return alt.Axis(
            values=self.ticks(),
            labelExpr="datum.value == 0 ? '0' : format(datum.value, places)",
            labelFontWeight={"condition": {"test": bold, "value": "bold"}, "value": "normal"},
            grid=True,
            gridColor={"condition": {"test": bold, "value": "transparent"}, "value": colour("rule")},
            domain=False,
            ticks=False,
            labelPadding=6,
            title=None,
        )

    def params(self) -> list[Any]:
        """What the axis is set by, under names, so that a drawing can follow other figures without being made anew."""
        places = 0 if all(abs(v * 100 - round(v * 100)) < 1e-6 for v in self.ticks()) else 1
        target = -1.0 if self.target is None else self.target
        return [
            alt.VariableParameter(name="target", value=target),
            alt.VariableParameter(name="places", value=f".{places}%"),
        ]

    def share(self, value: float) -> float:
        """How far up a value stands, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def _step(span: float) -> float:
    """A round step that cuts a span into two to five parts."""
    power = 10 ** math.floor(math.log10(span / 2))
    return next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= 5)


def _days_of(daily: pd.DataFrame, window: int) -> Rows:
    """One window's days in order; the rate is empty where it says nothing."""
    rows = daily[(daily["window"] == window).to_numpy()]
    days = rows["as_of"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    if (np.diff(days) < 0).any():
        rows, days = rows.iloc[np.argsort(days, kind="stable")], np.sort(days)
    status = rows["status"].tolist()
    rates = rows["rate"].to_numpy(dtype=float, na_value=np.nan).round(6).tolist()
    counts = zip(rows["counted"].tolist(), rows["at_fault"].tolist(), strict=True)
    side, target = rows["side"].iloc[-1], rows["target"].iloc[-1]
    asked = {"side": side if isinstance(side, str) else "", "target": None if pd.isna(target) else float(target)}
    return [
        {"day": day, "rate": None if rate != rate or said in _SILENT else rate, "status": said, "count": count, **asked}
        for day, rate, said, count in zip(days.tolist(), rates, status, counts, strict=True)
    ]


_SILENT = ("no data", "short history")


def _shown(row: dict[str, Any]) -> str:
    """A day's rate as it is written."""
    counted, at_fault = row["count"]
    return wording.rate(counted, at_fault, row["side"], row["target"])


def _target_layers(axis: _RateAxis) -> list[Any]:
    """The side where the target is missed, tinted, and the target as a line."""
    if axis.target is None:
        return []
    few = wording.wants_few(axis.side)
    across = {"x": 0, "x2": {"expr": "width"}}
    end = axis.high if few else axis.low
    y, y2 = alt.YDatum(axis.target, type="quantitative"), alt.Y2Datum(end)
    return [
        _layer("rect", [{}], {"fill": colour("zone"), "opacity": 1, **across}, y=y, y2=y2),
        _layer("rule", [{}], {"stroke": colour("ink"), "strokeWidth": 1.25, **across}, y=y),
    ]


def _line(rows: Rows, x: Any, y: Any, ink: str, width: float) -> Any:
    """A rate as displayed, day by day, never smoothed."""
    held = [{"day": row["day"], "rate": row["rate"]} for row in rows]
    return _layer("line", held, {"stroke": colour(ink), "strokeWidth": width, "strokeJoin": "round"}, x=x, y=y)


def _dots(rows: Rows, x: Any, y: Any, before: date | None) -> Any:
    """The last day in the colour of its status, and the day before that is compared with it."""
    marked = [row for row in rows if before and row["rate"] is not None and row["day"] == _moment(before)][:1]
    held = [{"day": row["day"], "rate": row["rate"], "c": colour("ink"), "s": 48} for row in marked]
    if rows[-1]["rate"] is not None:
        tint = wording.STATUSES[rows[-1]["status"]].colour
        held.append({"day": rows[-1]["day"], "rate": rows[-1]["rate"], "c": colour(tint), "s": 72})
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("paper"), "strokeWidth": 1.5}
    return _layer("point", held, {"opacity": 1, **dot}, x=x, y=y)


# -- where labels stand -----------------------------------------------------------------------------------


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


_FREE = 0.5
"""A label that costs less stands over nothing and near its point."""


class _Room:
    """The plot of the narrow drawing, which is the tighter one: what stands where, in pixels from its lower left."""

    def __init__(self, rows: Rows, thin: Rows, axis: _RateAxis, width: float = 284, height: float = 250) -> None:
        self.first, self.last = rows[0]["day"], rows[-1]["day"]
        self.axis, self.width, self.height = axis, width, height
        self.x, self.y = (np.concatenate(ends) for ends in zip(*map(self.traced, (rows, thin)), strict=True))
        self.taken: list[tuple[float, float, float, float]] = []

    def at(self, day: float, rate: float) -> tuple[float, float]:
        """A day and rate as pixels."""
        return (day - self.first) / max(1, self.last - self.first) * self.width, self.axis.share(rate) * self.height

    def traced(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
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
        wide, high = _width(label.text, label.size, label.weight == "bold"), label.size * 1.25
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
            if cost < _FREE:
                break
        self.taken.append(self.box(best))
        return best


def _rate_labels(
    judged: Rows, thin: Rows, axis: _RateAxis, window: int, other: int | None, before: date | None
) -> list[_Label]:
    """All labels of a rate over time, set one after the other where the least is in the way."""
    room = _Room(judged, thin, axis)
    last = judged[-1]
    tint = {"off": "off", "risk": "risk", "on": "on"}.get(wording.STATUSES[last["status"]].colour, "ink")
    figure = _Label(_shown(last), last["day"], axis.high, 0, -15, "right", tint, "bold", 18)
    gap = _width(figure.text, 18, True) + 6
    labels = [figure, _Label(wording.day(_day(last["day"])), last["day"], axis.high, -gap, -14, "right")]
    room.taken += map(room.box, labels)
    if axis.target is not None:
        labels += _target_labels(room, axis)
    marked = [row for row in judged if before and row["day"] == _moment(before) and row["rate"] is not None]
    for row in marked:
        text = f"{wording.day(_day(row['day']))}: {_shown(row)}"
        labels.append(room.place(_around(text, row, 13)))
    if other:
        labels += _line_names(room, judged, thin, window, other)
    return labels


def _target_labels(room: _Room, axis: _RateAxis) -> list[_Label]:
    """The target's words beside its line, and the name of the tinted side in one of its corners."""
    few = wording.wants_few(axis.side)
    assert axis.target is not None
    ends = [(room.first, "left", 4), (room.last, "right", -4)]
    middle = [(room.first + (room.last - room.first) * n // 8, "center", 0) for n in (2, 3, 4, 5, 6)]
    inner, outer = (11, -11) if few else (-11, 11)
    text = f"Target: {wording.target(axis.side, axis.target)}"
    ways = [(day, dx, dy, align) for dy in (inner, outer) for day, align, dx in (*ends, *middle)]
    target = room.place([_Label(text, day, axis.target, dx, dy, align, "ink", "bold") for day, dx, dy, align in ways])
    edge, dy = (axis.high, 12) if few else (axis.low, -12)
    off = room.place([_Label("Off target", day, edge, dx, dy, align, "off") for day, align, dx in ends])
    return [target, off]


def _around(text: str, row: dict[str, Any], size: int, ink: str = "ink") -> list[_Label]:
    """Ways to set a text around a point of a line: below, above, at both sides, near and farther."""
    ways = [(dx, dy, align) for far in (14, 24, 38, 54) for dx, align in ((6, "left"), (-6, "right"), (0, "center"))
            for dy in (far, -far)]  # fmt: skip
    return [_Label(text, row["day"], row["rate"], dx, dy, align, ink, "normal", size) for dx, dy, align in ways]


def _line_names(room: _Room, judged: Rows, thin: Rows, window: int, other: int) -> list[_Label]:
    """The names of two lines, each on its own line where they are far apart and the least is in the way."""
    both = zip(judged, thin, strict=False)
    pairs = [pair for pair in both if pair[0]["rate"] is not None and pair[1]["rate"] is not None]
    apart = sorted(pairs, key=lambda pair: -abs(pair[0]["rate"] - pair[1]["rate"]))[:12]
    names = []
    for place, (text, ink) in enumerate([(f"{window} days", "ink"), (f"{other} days", "ink-2")]):
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


def _width(text: str, size: float, bold: bool = False) -> float:
    """About how wide a text is drawn. [pixels]"""
    thin, broad = "ijlt.,:;'|!()[] fr“”-", "mwMW%@"
    ems = sum(0.33 if c in thin else 0.88 if c in broad else 0.69 if c.isupper() else 0.56 for c in text)
    return ems * size * (1.07 if bold else 1.0)


_BOLD = {" ijl.,:;'!": 0.29, "ft()r-": 0.35, "mMW%": 0.88, "w": 0.78, "abcdefghknopqsuvxyz0123456789": 0.58}
"""About how wide bold letters are; the nearer guess where a text goes on behind them. [ems]"""


def _bold_width(text: str) -> float:
    """About how wide a bold text is drawn. [ems]

    >>> round(_bold_width("Left the window:"), 1)
    7.9
    """
    return sum(next((wide for letters, wide in _BOLD.items() if letter in letters), 0.69) for letter in text)


def _texts(labels: Iterable[_Label], x: Any, y: Any) -> Any:
    """All labels as one layer."""
    return _layer("text", [label.row() for label in labels], _SET, x=x, y=y, text=_WORDS)


_SET = {
    "dx": {"expr": "datum.dx"},
    "dy": {"expr": "datum.dy"},
    "align": {"expr": "datum.a"},
    "fill": {"expr": "datum.c"},
    "fontWeight": {"expr": "datum.w"},
    "fontSize": {"expr": "datum.s"},
    "baseline": "middle",
}
_WORDS = alt.Text("t", type="nominal")


# -- what the orders at fault share -----------------------------------------------------------------------


@_UNCHECKED
def defects_by_cause(
    at_fault: pd.DataFrame, named: pd.Series | None = None, name: str = "", *, finding: str = ""
) -> alt.LayerChart:
    """What went wrong with the orders at fault? One square an order, or bars beyond 60.

    An order with two causes stands once, under both names, so the groups add up to the whole. Orders that
    `named` marks stand first and stand out; `name` says what they are, as in "on the tent".
    """
    groups = _cause_groups(at_fault, named)
    wide, high_wide = _laid_out(groups, name, HALF)
    narrow, high_narrow = _laid_out(groups, name, NARROW)
    marks = [a | {"nx": b["x"], "ny": b["y"], "nl": b["l"]} for a, b in zip(wide[0], narrow[0], strict=True)]
    names = [a | {"nx": b["x"], "ny": b["y"], "nt": b["t"]} for a, b in zip(wide[1], narrow[1], strict=True)]
    where = {"x": _either("x"), "y": _either("y")}
    ends = {"x2": {"expr": f"{_SMALL} ? datum.nx + datum.nl : datum.x + datum.l"},
            "y2": {"expr": f"({_SMALL} ? datum.ny : datum.y) + 14"}}  # fmt: skip
    squares = _layer("rect", marks, {**where, **ends, "fill": {"expr": "datum.c"}, "opacity": 1})
    setting = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic"}
    setting["text"] = _either("t")
    texts = _layer("text", names, {**where, **setting})
    return _finished([squares, texts], finding, {"wide": (HALF, high_wide), "narrow": (NARROW, high_narrow)})


class _Causes(NamedTuple):
    """The orders that share the same causes: how many, and how many of them are named."""

    name: str
    n: int
    named: int


def _cause_groups(at_fault: pd.DataFrame, named: pd.Series | None) -> list[_Causes]:
    """Orders by what went wrong with them, most first."""
    dark = named.astype(bool) if named is not None else pd.Series(False, index=at_fault.index)
    together = dark.groupby(at_fault["causes"]).agg(["size", "sum"]).reset_index()
    groups = [_Causes(wording.opening(wording.causes(causes)), int(n), int(k)) for causes, n, k in together.to_numpy()]
    return sorted(groups, key=lambda group: (-group.n, group.name))


def _laid_out(groups: list[_Causes], name: str, width: int) -> tuple[tuple[Rows, Rows], int]:
    """Marks and names of all groups for one width, from the top down, and the height they take."""
    total, most = sum(group.n for group in groups), max((group.n for group in groups), default=1)
    marks: Rows = []
    names: Rows = []
    top = 14
    for group in groups:
        names += _group_name(group, name, width, top)
        if total <= SQUARES:
            rows, high = _squares(group, width, top + 9)
        else:
            rows, high = _bar(group, (width - 4) / most, top + 9), 14
        marks += rows
        top += high + 34
    return (marks, names), top - 18


def _group_name(group: _Causes, name: str, width: int, top: int) -> Rows:
    """A group's name and count, and in the same line how many of it are named, as far as the line reaches."""
    head = f"{group.name}: {wording.number(group.n)}"
    start = round(_bold_width(head) * 13 + 10)
    rest = f"{wording.number(group.named)} {name}" if group.named else ""
    while _width(rest, 13) * 1.08 > width - start and len(rest) > 14:
        rest = rest[:-2].rstrip() + "…"
    return [
        {"t": head, "x": 0, "y": top, "w": "bold"},
        {"t": rest if len(rest) > 14 else "", "x": start, "y": top, "w": "normal"},
    ]


def _squares(group: _Causes, width: int, top: int) -> tuple[Rows, int]:
    """One square an order, named ones first."""
    across = max(1, (width + 3) // 17)
    inks = [colour("mark" if n < group.named else "mark-2") for n in range(group.n)]
    rows = [{"x": n % across * 17, "y": top + n // across * 17, "l": 14, "c": ink} for n, ink in enumerate(inks)]
    return rows, math.ceil(group.n / across) * 17 - 3


def _bar(group: _Causes, unit: float, top: int) -> Rows:
    """One bar, its named part dark."""
    named = group.named * unit
    return [
        {"x": 0, "y": top, "l": named, "c": colour("mark")},
        {"x": named, "y": top, "l": group.n * unit - named, "c": colour("mark-2")},
    ]


# -- why it moved -----------------------------------------------------------------------------------------


@_UNCHECKED
def why_it_moved(bridge: Any, *, finding: str = "") -> alt.LayerChart:
    """Why did the rate move? Bars from rate to rate, in shown values, with the counts beside every step.

    `bridge` is a Bridge of `explain`; its finding is `wording.bridge_title` unless one is given. Names stand left of
    the bars in the wide drawing and above them in the narrow one; what makes the rate worse is dark.
    """
    moved = wording.movement(bridge)
    span = bars_span(moved)
    rows = _bridge_rows(moved, span.begin)
    wide, narrow = _bars(rows, span, HALF), _bars(rows, span, NARROW)
    layers = [
        *([_zero_line(len(rows), wide, narrow)] if span.low < 0 else []),
        _bridge_joints(rows, wide, narrow),
        _bridge_bars(rows, wide, narrow),
        _bridge_texts(rows, wide, narrow),
    ]
    heights = {"wide": (HALF, 32 * len(rows)), "narrow": (NARROW, 38 * len(rows) - 4)}
    return _finished(layers, finding or wording.bridge_title(moved), heights)


class BarsSpan(NamedTuple):
    """Where bars begin, and the ends of their scale, in the last digit of the shown rates."""

    begin: int
    low: int
    high: int


def bars_span(moved: wording.Movement) -> BarsSpan:
    """The scale of a rate that moved: from nothing where few are wanted, else from a round value below all of it."""
    low, high = min(moved.values), max(moved.values)
    if wording.wants_few(moved.side) or low <= 0:
        return BarsSpan(0, min(0, low), max(1, high))
    step = max(1, round(_step(max(2, high - low))))
    begin = max(0, math.floor(low / step - 0.2) * step)
    return BarsSpan(begin, begin, max(begin + 1, high))


class _BridgeRow(NamedTuple):
    """One row: its name, the counts behind it, the two values its bar lies between, its figure and colour."""

    name: str
    rest: str
    start: int
    end: int
    figure: str
    ink: str


def _bridge_rows(moved: wording.Movement, begin: int) -> list[_BridgeRow]:
    """The first day, every step from running value to running value, and the last day."""
    few = wording.wants_few(moved.side)
    first, last = (
        _BridgeRow(*wording.seen_label(moved, seen), begin, seen.rate, moved.rate(seen), "ink")
        for seen in (moved.before, moved.after)
    )
    steps = [
        _BridgeRow(
            *wording.step_label(moved, part), *ends, wording.signed(part.change, moved.places),
            "mark" if (part.change > 0) == few else "mark-2",
        )
        for part, ends in zip(moved.parts, pairwise(moved.values), strict=True)
    ]  # fmt: skip
    return [first, *steps, last]


class _Bars(NamedTuple):
    """Where the bars of one drawing stand: its first value in pixels, the pixels of one unit, rows and bars."""

    left: float
    unit: float
    low: int
    pitch: int
    top: int
    thick: int

    def at(self, value: int) -> float:
        """A value in pixels from the left."""
        return round(self.left + (value - self.low) * self.unit, 1)

    def y(self, place: int) -> int:
        """The upper edge of a row's bar."""
        return self.top + self.pitch * place


def _bars(rows: list[_BridgeRow], span: BarsSpan, width: int) -> _Bars:
    """The bars of one drawing: as long as the names beside them and the figures behind them leave room."""
    names = max(236.0, *(_rest_at(row) + _width(row.rest, 13) + 14 for row in rows)) if width == HALF else 0.0
    figures = max(_width(row.figure, 13, True) for row in rows) + 8
    unit = (width - 8 - names - figures) / (span.high - span.low)
    return _Bars(names, unit, span.low, *((32, 4, 16) if width == HALF else (38, 17, 12)))


def _rest_at(row: _BridgeRow) -> float:
    """Where the counts stand behind a row's name."""
    return round(_bold_width(row.name) * 13 + 7, 1)


def _bridge_bars(rows: list[_BridgeRow], wide: _Bars, narrow: _Bars) -> Any:
    """A bar for each row, never thinner than a line."""
    held = []
    for place, row in enumerate(rows):
        ends = sorted((row.start, row.end))
        (x, x2), (nx, nx2) = ([bars.at(end) for end in ends] for bars in (wide, narrow))
        held.append({
            "x": x, "x2": max(x2, x + 1.5), "y": wide.y(place), "y2": wide.y(place) + wide.thick,
            "nx": nx, "nx2": max(nx2, nx + 1.5), "ny": narrow.y(place), "ny2": narrow.y(place) + narrow.thick,
            "c": colour(row.ink),
        })  # fmt: skip
    where = {name: _either(name) for name in ("x", "x2", "y", "y2")}
    return _layer("rect", held, {**where, "fill": {"expr": "datum.c"}, "opacity": 1})


def _bridge_joints(rows: list[_BridgeRow], wide: _Bars, narrow: _Bars) -> Any:
    """Thin lines from each running value to the next bar; in the narrow drawing names stand there instead."""
    held = [
        {"x": wide.at(row.end), "nx": narrow.at(row.end), "y": wide.y(place) + wide.thick, "y2": wide.y(place + 1)}
        for place, row in enumerate(rows[:-1])
    ]
    return _uprights([row | {"ny": 0, "ny2": 0} for row in held])


def _zero_line(many: int, wide: _Bars, narrow: _Bars) -> Any:
    """Where nothing is, when steps pass below it: one line, or in the narrow drawing a piece under each bar."""
    held = [
        {"x": wide.at(0), "nx": narrow.at(0), "y": wide.y(place) - 8, "y2": wide.y(place) + wide.thick + 8,
         "ny": narrow.y(place), "ny2": narrow.y(place) + narrow.thick + 4}
        for place in range(many)
    ]  # fmt: skip
    return _uprights(held)


def _uprights(held: Rows) -> Any:
    """Thin upright lines; a rule without a scale would lie down, so they are narrow bars."""
    x, x2 = _either("x"), {"expr": f"({_either('x')['expr']}) + 1"}
    return _layer("rect", held, {"x": x, "x2": x2, "y": _either("y"), "y2": _either("y2"), "opacity": 1,
                                 "fill": colour("rule-strong")})  # fmt: skip


def _bridge_texts(rows: list[_BridgeRow], wide: _Bars, narrow: _Bars) -> Any:
    """Names and counts beside or above the bars, figures behind them."""
    held: Rows = []
    for place, row in enumerate(rows):
        y, above = wide.y(place) + 13, narrow.y(place) - 5
        end = max(row.start, row.end)
        held += [
            {"t": row.name, "x": 0, "nx": 0, "y": y, "ny": above, "w": "bold"},
            {"t": row.rest, "x": _rest_at(row), "nx": _rest_at(row), "y": y, "ny": above, "w": "normal"},
            {"t": row.figure, "x": wide.at(end) + 6, "nx": narrow.at(end) + 6, "y": y, "ny": narrow.y(place) + 11,
             "w": "bold"},
        ]  # fmt: skip
    setting = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic"}
    return _layer("text", held, {**setting, "x": _either("x"), "y": _either("y"), "text": {"expr": "datum.t"}})


# -- which group carries the excess, and what the marketplace counts -----------------------------------------


@_UNCHECKED
def groups_beside_rest(groups: pd.DataFrame, *, finding: str = "") -> alt.LayerChart:
    """Which groups of orders have more at fault than at the rate of the rest, and how sure is that?

    `groups` holds DRIVERS with a `label` each: a dot is the excess in orders, the line through it its interval; those
    that stand out are filled.
    """
    rows = groups.to_dict("records")
    low, high = min(0.0, *(row["low"] for row in rows)), max(1.0, *(row["high"] for row in rows))
    figures = [
        f"{wording.signed(round(row['excess']), 0)} ({wording.account.excess(row['low'], row['high'])})" for row in rows
    ]
    behind = max(_width(text, 13, True) for text in figures) + 20
    both = [_Lines(width, low, (width - 10 - behind) / (high - low), 40, 0) for width in (WIDE, NARROW)]
    layers = [
        _strokes([((0, 0), n, 19, 36, "rule-strong") for n in range(len(rows))], both),
        _strokes([((row["low"], row["high"]), n, 27, 29, "mark") for n, row in enumerate(rows)], both),
        _points([(row["excess"], n, "mark" if row["stands_out"] else "paper", 80) for n, row in enumerate(rows)], both),
        _row_texts([_group_words(row, n, figures[n], both) for n, row in enumerate(rows)]),
    ]
    tall = 40 * len(rows)
    return _finished(layers, finding, {"wide": (WIDE, tall), "narrow": (NARROW, tall)})


class _Lines(NamedTuple):
    """Where rows of one drawing stand: its width, first value and pixels of one unit, the height of a row, the top."""

    width: int
    low: float
    unit: float
    pitch: int
    top: int

    def at(self, value: float) -> float:
        """A value in pixels from the left."""
        return round(5 + (value - self.low) * self.unit, 1)

    def y(self, place: int, down: float) -> float:
        """So far down in a row, in pixels from the top."""
        return self.top + self.pitch * place + down

    @property
    def middle(self) -> int:
        """Where the marks of a row stand below its words."""
        return self.pitch - 12


def _strokes(held: Sequence[tuple[tuple[float, float], int, float, float, str]], both: list[_Lines]) -> Any:
    """Bars from value to value, each in its row, from so far down to so far down in the wide drawing."""
    wide, narrow = both
    rows = []
    for (low, high), place, top, end, ink in held:
        more = narrow.pitch - wide.pitch
        rows.append({
            "x": wide.at(low), "x2": max(wide.at(high), wide.at(low) + 1), "nx": narrow.at(low),
            "nx2": max(narrow.at(high), narrow.at(low) + 1), "y": wide.y(place, top), "y2": wide.y(place, end),
            "ny": narrow.y(place, top + more), "ny2": narrow.y(place, end + more), "c": colour(ink),
        })  # fmt: skip
    where = {name: _either(name) for name in ("x", "x2", "y", "y2")}
    return _layer("rect", rows, {**where, "fill": {"expr": "datum.c"}, "opacity": 1})


def _points(held: Sequence[tuple[float, int, str, int]], both: list[_Lines]) -> Any:
    """Dots at a value in a row; one of no colour is a ring."""
    wide, narrow = both
    rows = [
        {"x": wide.at(value), "nx": narrow.at(value), "y": wide.y(place, wide.middle),
         "ny": narrow.y(place, narrow.middle), "c": colour(ink) if ink else "transparent", "s": size}
        for value, place, ink, size in held
    ]  # fmt: skip
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("mark"), "strokeWidth": 1.75}
    return _layer("point", rows, {"x": _either("x"), "y": _either("y"), "opacity": 1, **dot})


def _group_words(row: dict[str, Any], place: int, figure: str, both: list[_Lines]) -> Rows:
    """A group's name and counts above its line, and its figure behind it."""
    counts = f"{wording.count(int(row['counted']), int(row['at_fault']))}; rest "
    counts += wording.count(int(row["rest_counted"]), int(row["rest_at_fault"]))
    wide, narrow = both
    name = _fitting(row["label"], narrow.width - 8)
    start = round(_bold_width(name) * 13 + 10)
    fits = start + _width(counts, 13) < narrow.width
    ends = {"x": wide.at(row["high"]) + 9, "nx": narrow.at(row["high"]) + 9}
    at = {"y": wide.y(place, 11), "ny": narrow.y(place, 11)}
    return [
        {"t": name, "nt": name, "x": 0, "nx": 0, "w": "bold", **at},
        {"t": counts, "nt": counts if fits else "", "x": start, "nx": start, "w": "normal", **at},
        {"t": figure, "nt": figure, **ends, "y": wide.y(place, 32), "ny": narrow.y(place, 32), "w": "bold"},
    ]  # fmt: skip


def _fitting(text: str, width: float) -> str:
    """A bold text, cut where it would be wider than there is room."""
    while _bold_width(text) * 13 > width and len(text) > 8:
        text = text[:-2].rstrip() + "…"
    return text


def _row_texts(held: Iterable[Rows]) -> Any:
    """The words of all rows as one layer."""
    setting = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic", "text": _either("t")}
    rows = [row for rows in held for row in rows]
    return _layer("text", rows, {**setting, "x": _either("x"), "y": _either("y")})


@_UNCHECKED
def ours_beside_theirs(sides: pd.DataFrame, *, finding: str = "") -> alt.LayerChart:
    """How far do our rates and the marketplace's stand from each other, and from the limit?

    `sides` has one row a measure: label, ours, theirs (shares of what the target allows that are used up), and both
    rates as they are written. Ours is a dot, theirs a ring.
    """
    rows = sides.to_dict("records")
    high = min(3.0, max(1.2, *(max(row["ours"], row["theirs"]) * 1.04 for row in rows)))
    both = [_Lines(width, 0.0, (width - 14) / high, pitch, 20) for width, pitch in ((WIDE, 38), (NARROW, 56))]
    last = len(rows) - 1
    layers = [
        _layer("rect", [{}], {"x": _wide_or([bars.at(1) for bars in both]), "x2": {"expr": "width"}, "y": 20,
                              "y2": {"expr": "height"}, "fill": colour("zone"), "opacity": 1}),
        _strokes([((0, high), n, 26, 27, "rule") for n in range(last + 1)], both),
        _strokes([((1, 1), n, 16, 36, "rule-strong") for n in range(last + 1)], both),
        _points([(min(row["theirs"], high), n, "", 190) for n, row in enumerate(rows)], both),
        _points([(min(row["ours"], high), n, "mark", 60) for n, row in enumerate(rows)], both),
        _row_texts([_limit_words(both), *(_side_words(row, n, both) for n, row in enumerate(rows))]),
    ]  # fmt: skip
    heights = {"wide": (WIDE, 24 + 38 * len(rows)), "narrow": (NARROW, 24 + 56 * len(rows))}
    return _finished(layers, finding, heights)


def _wide_or(values: Sequence[float]) -> dict[str, str]:
    """A number that is another one in the narrow drawing."""
    return {"expr": f"{_SMALL} ? {values[1]} : {values[0]}"}


def _limit_words(both: list[_Lines]) -> Rows:
    """The name of the limit, over its line."""
    x, narrow = (round(bars.at(1) - _width("Limit", 13, True) / 2, 1) for bars in both)
    return [{"t": "Limit", "nt": "Limit", "x": x, "nx": narrow, "y": 11, "ny": 11, "w": "bold"}]


def _side_words(row: dict[str, Any], place: int, both: list[_Lines]) -> Rows:
    """A measure's name and both rates: in one line, or in the narrow drawing in two."""
    wide, narrow = both
    name, rates = (
        _fitting(row["label"], narrow.width - 8),
        wording.beside.both_rates(row["ours_rate"], row["theirs_rate"], row["ours"] == row["theirs"]),
    )
    start = round(_bold_width(name) * 13 + 10)
    return [
        {"t": name, "nt": name, "x": 0, "nx": 0, "y": wide.y(place, 14), "ny": narrow.y(place, 14), "w": "bold"},
        {
            "t": rates,
            "nt": rates,
            "x": start,
            "nx": 0,
            "y": wide.y(place, 14),
            "ny": narrow.y(place, 31),
            "w": "normal",
        },
    ]


# -- on which days ----------------------------------------------------------------------------------------


@_UNCHECKED
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
    days = [_date(day) for day in at_fault["leaves_on"]]
    last = max(days)
    gone = sum(day <= by for day in days)
    text = f"{wording.number(gone)} of {wording.number(len(days))} by {wording.day(by)}"
    return _marks_by_day(days, named, (as_of, last), [(by, text)] if gone < len(days) else [], finding, wide)


@_UNCHECKED
def faults_by_day(
    at_fault: pd.DataFrame, first: date, last: date, named: pd.Series | None = None, *, finding: str = ""
) -> alt.LayerChart:
    """On which days were the orders at fault placed? One mark each, on its clock day."""
    return _marks_by_day([_date(day) for day in at_fault["clock_day"]], named, (first, last), [], finding)


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
    domain = [_moment(first) - _DAY // 2, _moment(last) + _DAY // 2]
    x = _shared(
        alt.X(
            "day",
            type="quantitative",
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=_day_axis(first, last),
        )
    )
    y = _shared(alt.Y("low", type="quantitative", scale=alt.Scale(domain=[0, highest], nice=False), axis=None))
    thick = {"expr": f"max(1.5, min(12, width / {span} - 1.5))"}
    look = {"fill": {"expr": "datum.c"}, "size": thick, "opacity": 1, "orient": "vertical"}
    layers = [_layer("bar", stacks, look, x=x, y=y, y2=alt.Y2("high"))]
    for day, text in notes:
        layers += _note(day, text, x, (day - first).days * 2 < span)
    plot = min(150, 13 * highest)
    tall = plot + (44 if notes else 30)
    return _finished(layers, finding, {"wide": (wide, tall), "narrow": (NARROW, tall)}, top=22 if notes else 4)


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
                rows.append({"day": _moment(day), "low": low, "high": high - (0.15 if each else 0), "c": colour(ink)})
    return rows


def _note(day: date, text: str, x: alt.X, right: bool) -> list[Any]:
    """A thin line at the end of a day, and what has happened by then."""
    held = [{"day": _moment(day) + _DAY // 2}]
    line = {"stroke": colour("ink-2"), "strokeWidth": 1, "y": -6, "y2": {"expr": "height"}}
    words = {"align": "left" if right else "right", "dx": 5 if right else -5, "y": -10, "fontWeight": "bold"}
    return [
        _layer("rule", held, line, x=x),
        _layer("text", [held[0] | {"t": text}], {**words, "baseline": "middle"}, x=x, text=_WORDS),
    ]


# -- what if ------------------------------------------------------------------------------------------------


@_UNCHECKED
def what_if_curve(
    grid: pd.DataFrame,
    causes: Sequence[str],
    counted: int,
    side: str,
    target: float,
    inputs: Sequence[str],
    begin: dict[str, int],
    *,
    finding: str = "",
) -> alt.LayerChart:
    """What would the rate be under so many fewer faults of the first cause?

    `grid` holds `at_fault` for every position of the sliders, a column a cause [percent]. The chart follows native
    sliders outside of it, by their CSS selectors `inputs`: the first moves the dot, a second one the whole curve.
    """
    few = wording.wants_few(side)
    shares = grid["at_fault"] / counted
    rate = shares if few else 1 - shares
    rest = [f"c{place}" for place in range(1, len(causes))]
    steps = grid[causes[0]].nunique()
    grain = 100 // (steps - 1)
    # Only the counts travel: where each belongs on the sliders follows from its place in the list.
    named: dict[str, Any] = {"start": 0, "stop": len(grid), "as": "n"}
    places = alt.SequenceGenerator(sequence=alt.SequenceParams(**named))
    located = [
        alt.CalculateTransform(**{"calculate": f"floor(datum.n / {steps**power}) % {steps} * {grain}", "as": name})
        for name, power in zip(("c0", *rest), reversed(range(len(causes))), strict=True)
    ]
    share = f"counts[datum.n] / {counted}"
    shown = alt.CalculateTransform(**{"calculate": share if few else f"1 - {share}", "as": "rate"})
    low, high = (0.0, max(target, float(rate.max())) * 1.12) if few else (min(target, float(rate.min())) - 0.02, 1.0)
    x = _shared(alt.X("c0", type="quantitative", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(
        title=None, values=[0, 25, 50, 75, 100], labelExpr="datum.value + '%'", grid=False, tickSize=4,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"),
    )))  # fmt: skip
    digits = wording.digits(target)
    y = _few_ticks(low, high, digits)
    same = " && ".join(f"datum.{name} == toNumber(fewer{name[1:]})" for name in rest) or "true"
    line = _layer("line", [], {"strokeWidth": 2.25, "stroke": colour("ink")}, x=x, y=y)
    dot = _layer("point", [], {"filled": True, "size": 90, "opacity": 1, "fill": colour("ink")}, x=x, y=y)
    for layer, here in ((line, same), (dot, f"datum.c0 == toNumber(fewer0) && {same}")):
        layer.data = places
        layer.transform = [*located, alt.FilterTransform(filter=here), shown]
    limit = {"c0": 100, "rate": target, "t": wording.limit(side, target)}
    rule = _layer("rule", [limit], {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y)
    look = {"align": "right", "baseline": "bottom", "dy": -4, "fontSize": 12, "fill": colour("ink-2")}
    name = _layer("text", [limit], look, x=x, y=y, text=_WORDS)
    held = _finished([rule, line, dot, name], finding, {"wide": (HALF, 220), "narrow": (NARROW, 200)}, top=12)
    bound: list[Any] = [
        alt.VariableParameter(name=f"fewer{place}", value=begin[cause], bind={"element": selector})
        for place, (cause, selector) in enumerate(zip(causes, inputs, strict=True))
    ]
    held.params = [alt.VariableParameter(name="counts", value=grid["at_fault"].tolist()), *bound]
    return held


@_UNCHECKED
def two_outlooks(before: Any, after: Any, *, finding: str = "") -> alt.LayerChart:
    """What will the rate be on the days ahead, as it is and what if? Two calendars of `outlook`."""
    target, few = float(after.rule.target.share), after.rule.target.wants_few
    both: list[Rows] = [
        [
            {"day": _moment(row.day), "rate": round(float(row.rate), 6)}
            for row in held.days[held.days["counted"] > 0].itertuples()
        ]
        for held in (before, after)
    ]
    rates: list[float] = [row["rate"] for rows in both for row in rows] or [target]
    low, high = (0.0, max([target, *rates]) * 1.12) if few else (min([target, *rates]) - 0.02, 1.0)
    first, last = (_date(value) for value in (after.days["day"].iloc[0], after.days["day"].iloc[-1]))
    x = _shared(alt.X("day", type="quantitative", axis=_day_axis(first, last),
              scale=alt.Scale(domain=[_moment(first), _moment(last)], nice=False, zero=False)))  # fmt: skip
    digits = max(0, wording.digits(target))
    y = _few_ticks(low, high, digits)
    limit = {"day": _moment(last), "rate": target, "t": wording.limit(after.rule.target.side, target)}
    layers = [
        _layer("rule", [limit], {"stroke": colour("rule-strong")}, y=y),
        _layer("line", both[0], {"strokeWidth": 2, "strokeDash": [5, 3], "stroke": colour("line-2")}, x=x, y=y),
        _layer("line", both[1], {"strokeWidth": 2.25, "strokeDash": [5, 3], "stroke": colour("ink")}, x=x, y=y),
        _layer("text", [limit], {"align": "right", "baseline": "bottom", "dy": -4, "fontSize": 12,
                                 "fill": colour("ink-2")}, x=x, y=y, text=_WORDS),
    ]  # fmt: skip
    ring = {"filled": False, "size": 110, "strokeWidth": 2, "stroke": colour("on"), "opacity": 1}
    for held, rows in zip((before, after), both, strict=True):
        if held.back_on is not None and held.back_on > held.as_of:
            layers.append(_layer("point", [row for row in rows if row["day"] == _moment(held.back_on)], ring, x=x, y=y))
    return _finished(layers, finding, {"wide": (WIDE, 280), "narrow": (NARROW, 240)}, top=12)


def _few_ticks(low: float, high: float, digits: int) -> Any:
    """A rate's scale with a few round ticks."""
    return _shared(alt.Y("rate", type="quantitative", scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=alt.Axis(title=None, format=f".{max(0, digits)}%", tickCount=4, gridColor=colour("rule"), domain=False,
                      ticks=False)))  # fmt: skip


# -- many side by side -------------------------------------------------------------------------------------

CELL = (196, 64)
"""Width and height of one of many small charts. [pixels]"""


@_UNCHECKED
def side_by_side(charts: Sequence[tuple[str, pd.DataFrame]], *, finding: str = "") -> alt.ConcatChart:
    """How does a rate move in each of several accounts, or each of several measures of one? One small chart each.

    Each has a name and SCORES of one metric, channel and window, one row a day. All stand over the same days, each on a
    scale of its own, so that the way to its own target can be seen.
    """
    moments = [_moment(day) for _, daily in charts for day in (daily["as_of"].min(), daily["as_of"].max())]
    days = min(moments), max(moments)
    cells = [_cell(name, daily, days) for name, daily in charts]
    held = alt.ConcatChart(
        columns=4,
        spacing={"row": 44, "column": 44},
        description=finding,
        padding={"left": 1, "right": 10, "top": 26, "bottom": 2},
        background="transparent",
        config=_LOOKS,
        usermeta={"cell": [CELL[0], 44], "embedOptions": {"renderer": "svg", "actions": False, "tooltip": False}},
    )
    # Handed over here, not in the call above, which would copy and check every row of every layer.
    held.concat = cells
    return held


def _cell(name: str, daily: pd.DataFrame, days: tuple[int, int]) -> Any:
    """One of many small charts: a rate, its target, its last day, its name and figure above."""
    rows = _days_of(daily, int(daily["window"].iloc[-1]))
    axis, last = _RateAxis.around(rows, []), rows[-1]
    tint = wording.STATUSES[last["status"]]
    span = alt.Scale(domain=list(days), nice=False, zero=False)
    x = _shared(alt.X("day", type="quantitative", scale=span, axis=alt.Axis(
        values=list(days), labelExpr="utcFormat(datum.value, '%-d %b')", labelFlush=True, grid=False, title=None,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"), tickSize=4, labelPadding=2,
    )))  # fmt: skip
    y = _shared(alt.Y("rate", type="quantitative", axis=None,
              scale=alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False)))  # fmt: skip
    asked = [] if axis.target is None else [{"rate": axis.target}]
    figure = f"{tint.symbol} {_shown(last)}" if last["rate"] is not None else tint.word
    room = CELL[0] - _width(figure, 13, True) - 14
    while _width(name, 13) > room and len(name) > 8:
        name = name[:-2].rstrip() + "…"
    words = [
        {"t": name, "x": 0, "a": "left", "c": colour("ink"), "w": "normal"},
        {"t": figure, "x": CELL[0], "a": "right", "c": colour(tint.colour), "w": "bold"},
    ]
    set_as = {"align": {"expr": "datum.a"}, "fill": {"expr": "datum.c"}, "fontWeight": {"expr": "datum.w"}}
    above = {"x": {"expr": "datum.x"}, "y": -12, "baseline": "middle", "fontSize": 13}
    dot = [{"day": last["day"], "rate": last["rate"], "c": colour(tint.colour)}] if last["rate"] is not None else []
    look = {"fill": {"expr": "datum.c"}, "size": 56, "stroke": colour("paper"), "strokeWidth": 1.5, "opacity": 1}
    layers = [
        _layer("rule", asked, {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y),
        _line(rows, x, y, "ink", 1.75),
        _layer("point", dot, look, x=x, y=y),
        _layer("text", words, {**set_as, **above}, text=_WORDS),
    ]
    # Many share one script: what is held is plain data, without Altair's checks.
    return alt.LayerSpec(layer=layers, width=CELL[0], height=CELL[1])


# -- what all share ---------------------------------------------------------------------------------------

_DAY = 86_400_000


def _date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value


def _moment(value: Any) -> int:
    """A day as milliseconds of its midnight in UTC."""
    day = _date(value)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _day(moment: int) -> date:
    """The day whose midnight in UTC a moment is."""
    return datetime.fromtimestamp(moment / 1000, UTC).date()


def _day_axis(first: date, last: date) -> alt.Axis:
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
        values=[_moment(day) for day in ticks],
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


_SMALL = f"width < {(HALF + NARROW) // 2}"
"""Whether the narrow one of a pair's two drawings is made."""


def _either(name: str) -> dict[str, str]:
    """A value of a row: the one of the narrow drawing stands under the same name with an n before it.

    >>> _either("x")
    {'expr': 'width < 420 ? datum.nx : datum.x'}
    """
    return {"expr": f"{_SMALL} ? datum.n{name} : datum.{name}"}


def _layer(kind: Any, rows: Rows, look: dict[str, Any], **channels: Any) -> alt.UnitSpec:
    """One layer: a kind of mark over its own few rows."""
    mark = alt.MarkDef(kind, **look)
    held: Any = _Held(rows)
    return alt.UnitSpec(mark, data=alt.InlineData(values=held), encoding=alt.Encoding(**channels))


class _Held:
    """Plain data, handed through: Altair would look at every cell of it, which takes longer than all the rest."""

    _schema: ClassVar[dict[str, str]] = {"type": "object"}

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def to_dict(self) -> Any:
        return self.plain


def _shared(channel: alt.X | alt.Y) -> Any:
    """A channel that several layers share, made plain once."""
    return _Held(channel.to_dict(validate=False))


def _finished(layers: list[Any], finding: str, drawn: dict[str, tuple[int, int]], top: int = 2) -> alt.LayerChart:
    """Layers as one chart with its two sizes, its finding, and the looks that all charts share."""
    chart = alt.LayerChart(
        width=drawn["wide"][0],
        height=drawn["wide"][1],
        description=finding,
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        padding={"left": 1, "right": 7, "top": top, "bottom": 2},
        background="transparent",
        config=_LOOKS,
        usermeta={
            "sizes": {name: list(size) for name, size in drawn.items()},
            "embedOptions": {"renderer": "svg", "actions": False, "tooltip": False},
        },
    )
    # Handed over here, not in the call above, which would copy and check every row of every layer.
    chart.layer = layers
    return chart


_LOOKS = {
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
