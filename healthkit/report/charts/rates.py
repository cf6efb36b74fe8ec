"""A rate over time: one large, or many small ones side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt
import pandas as pd

from healthkit.report import wording
from healthkit.report.charts.rate_axis import RateAxis, days_of, shown
from healthkit.report.charts.rate_labels import label_layer, rate_labels
from healthkit.report.charts.style import (
    LOOKS,
    NARROW,
    UNCHECKED,
    WIDE,
    WORDS,
    Rows,
    colour,
    day_axis,
    day_of,
    finished,
    layer_of,
    moment_of,
    shared,
    text_width,
)


@UNCHECKED
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
    judged = days_of(daily, window)
    last = judged[-1]
    thin = days_of(daily, other) if other else []
    said = _said(theirs) if theirs is not None else []
    axis = RateAxis.around(judged, [*thin, *said])
    labels = rate_labels(judged, thin, axis, window, other, before)
    days = day_axis(day_of(judged[0]["day"]), day_of(last["day"]))
    x = shared(
        alt.X(
            "day",
            type="quantitative",
            scale=alt.Scale(domain=[judged[0]["day"], last["day"]], nice=False, zero=False),
            axis=days,
        )
    )
    y = shared(
        alt.Y(
            "rate",
            type="quantitative",
            scale=alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False),
            axis=axis.drawn(),
        )
    )
    layers = [*_target_layers(axis), drawn_line(thin, x, y, "line-2", 1.5)] if thin else _target_layers(axis)
    layers += [drawn_line(judged, x, y, "ink", 2.25)]
    if theirs is not None:
        layers += [_diamonds(said, x, y)]
    layers += [_dots(judged, x, y, before), label_layer(labels, x, y)]
    chart = finished(layers, finding, {"wide": (WIDE, 320), "narrow": (NARROW, 300)}, top=22)
    chart.params = axis.params()
    return chart


def _said(theirs: pd.DataFrame) -> Rows:
    """The marketplace's own figures, each on the first of the days on which it stood."""
    first = theirs.drop_duplicates("rule") if len(theirs) else theirs
    known = first[first["rate"].notna()]
    return [{"day": moment_of(row.as_of), "rate": round(float(row.rate), 6)} for row in known.itertuples()]


def _diamonds(rows: Rows, x: Any, y: Any) -> Any:
    """The marketplace's own figures."""
    look = {"shape": "diamond", "filled": True, "size": 70, "fill": colour("paper"), "stroke": colour("ink-2")}
    return layer_of("point", rows, {"opacity": 1, "strokeWidth": 1.75, **look}, x=x, y=y)


def _target_layers(axis: RateAxis) -> list[Any]:
    """The side where the target is missed, tinted, and the target as a line."""
    if axis.target is None:
        return []
    few = wording.wants_few(axis.side)
    across = {"x": 0, "x2": {"expr": "width"}}
    end = axis.high if few else axis.low
    y, y2 = alt.YDatum(axis.target, type="quantitative"), alt.Y2Datum(end)
    return [
        layer_of("rect", [{}], {"fill": colour("zone"), "opacity": 1, **across}, y=y, y2=y2),
        layer_of("rule", [{}], {"stroke": colour("ink"), "strokeWidth": 1.25, **across}, y=y),
    ]


def drawn_line(rows: Rows, x: Any, y: Any, ink: str, width: float) -> Any:
    """A rate as displayed, day by day, never smoothed."""
    held = [{"day": row["day"], "rate": row["rate"]} for row in rows]
    return layer_of("line", held, {"stroke": colour(ink), "strokeWidth": width, "strokeJoin": "round"}, x=x, y=y)


def _dots(rows: Rows, x: Any, y: Any, before: date | None) -> Any:
    """The last day in the colour of its status, and the day before that is compared with it."""
    marked = [row for row in rows if before and row["rate"] is not None and row["day"] == moment_of(before)][:1]
    held = [{"day": row["day"], "rate": row["rate"], "c": colour("ink"), "s": 48} for row in marked]
    if rows[-1]["rate"] is not None:
        tint = wording.STATUSES[rows[-1]["status"]].colour
        held.append({"day": rows[-1]["day"], "rate": rows[-1]["rate"], "c": colour(tint), "s": 72})
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("paper"), "strokeWidth": 1.5}
    return layer_of("point", held, {"opacity": 1, **dot}, x=x, y=y)


CELL = (196, 64)
"""Width and height of one of many small charts. [pixels]"""


@UNCHECKED
def side_by_side(charts: Sequence[tuple[str, pd.DataFrame]], *, finding: str = "") -> alt.ConcatChart:
    """How does a rate move in each of several accounts, or each of several measures of one? One small chart each.

    Each has a name and SCORES of one metric, channel and window, one row a day. All stand over the same days, each on a
    scale of its own, so that the way to its own target can be seen.
    """
    moments = [moment_of(day) for _, daily in charts for day in (daily["as_of"].min(), daily["as_of"].max())]
    days = min(moments), max(moments)
    cells = [_cell(name, daily, days) for name, daily in charts]
    held = alt.ConcatChart(
        columns=4,
        spacing={"row": 44, "column": 44},
        description=finding,
        padding={"left": 1, "right": 10, "top": 26, "bottom": 2},
        background="transparent",
        config=LOOKS,
        usermeta={"cell": [CELL[0], 44], "embedOptions": {"renderer": "svg", "actions": False, "tooltip": False}},
    )
    # Handed over here, not in the call above, which would copy and check every row of every layer.
    held.concat = cells
    return held


def _cell(name: str, daily: pd.DataFrame, days: tuple[int, int]) -> Any:
    """One of many small charts: a rate, its target, its last day, its name and figure above."""
    rows = days_of(daily, int(daily["window"].iloc[-1]))
    axis, last = RateAxis.around(rows, []), rows[-1]
    tint = wording.STATUSES[last["status"]]
    span = alt.Scale(domain=list(days), nice=False, zero=False)
    x = shared(alt.X("day", type="quantitative", scale=span, axis=alt.Axis(
        values=list(days), labelExpr="utcFormat(datum.value, '%-d %b')", labelFlush=True, grid=False, title=None,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"), tickSize=4, labelPadding=2,
    )))  # fmt: skip
    y = shared(alt.Y("rate", type="quantitative", axis=None,
              scale=alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False)))  # fmt: skip
    asked = [] if axis.target is None else [{"rate": axis.target}]
    figure = f"{tint.symbol} {shown(last)}" if last["rate"] is not None else tint.word
    room = CELL[0] - text_width(figure, 13, True) - 14
    while text_width(name, 13) > room and len(name) > 8:
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
        layer_of("rule", asked, {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y),
        drawn_line(rows, x, y, "ink", 1.75),
        layer_of("point", dot, look, x=x, y=y),
        layer_of("text", words, {**set_as, **above}, text=WORDS),
    ]
    # Many share one script: what is held is plain data, without Altair's checks.
    return alt.LayerSpec(layer=layers, width=CELL[0], height=CELL[1])
