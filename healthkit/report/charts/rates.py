"""A rate over time: one large, or many small ones side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt
import pandas as pd

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.rate_axis import RateAxis, format_row_rate, window_rows
from healthkit.report.charts.rate_labels import label_layer, rate_labels
from healthkit.report.charts.style import (
    CHART_CONFIG,
    NARROW,
    SKIP_VALIDATION,
    TEXT_CHANNEL,
    WIDE,
    ChartRows,
    build_chart,
    colour,
    date_to_epoch_ms,
    day_axis,
    epoch_ms_to_date,
    make_layer,
    shared_channel,
    text_width,
)
from healthkit.report.text import labels


@SKIP_VALIDATION
def rate_over_time(
    daily: pd.DataFrame,
    window: int,
    other_window: int | None = None,
    *,
    before: date | None = None,
    marketplace_scores: pd.DataFrame | None = None,
    description: str = "",
) -> alt.LayerChart:
    """Where does the rate stand against its target, day by day?

    `daily` holds SCORES of one metric and channel, one row a day and window. The judged window is thick, the
    other one thin; days without orders, or before the files begin, leave a gap. `before` is the day whose
    rate is marked besides the last one; `theirs` holds SCORES of the marketplace's own figures, drawn as diamonds.
    """
    judged = window_rows(daily, window)
    last = judged[-1]
    thin = window_rows(daily, other_window) if other_window else []
    said = _reported_points(marketplace_scores) if marketplace_scores is not None else []
    axis = RateAxis.from_rows(judged, [*thin, *said])
    labels = rate_labels(judged, thin, axis, window, other_window, before)
    days = day_axis(epoch_ms_to_date(judged[0]["day"]), epoch_ms_to_date(last["day"]))
    x = shared_channel(
        alt.X(
            "day",
            type="quantitative",
            scale=alt.Scale(domain=[judged[0]["day"], last["day"]], nice=False, zero=False),
            axis=days,
        )
    )
    y = shared_channel(
        alt.Y(
            "rate",
            type="quantitative",
            scale=alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False),
            axis=axis.drawn(),
        )
    )
    layers = [*_target_layers(axis), rate_line(thin, x, y, "line-2", 1.5)] if thin else _target_layers(axis)
    layers += [rate_line(judged, x, y, "ink", 2.25)]
    if marketplace_scores is not None:
        layers += [_diamond_layer(said, x, y)]
    layers += [_dot_layer(judged, x, y, before), label_layer(labels, x, y)]
    chart = build_chart(layers, description, {"wide": (WIDE, 320), "narrow": (NARROW, 300)}, top=22)
    chart.params = axis.params()
    return chart


def _reported_points(marketplace_scores: pd.DataFrame) -> ChartRows:
    """The marketplace's own figures, each on the first of the days on which it stood."""
    first = marketplace_scores.drop_duplicates("rule") if len(marketplace_scores) else marketplace_scores
    known = first[first["rate"].notna()]
    return [{"day": date_to_epoch_ms(row.as_of), "rate": round(float(row.rate), 6)} for row in known.itertuples()]


def _diamond_layer(rows: ChartRows, x: Any, y: Any) -> Any:
    """The marketplace's own figures."""
    look = {"shape": "diamond", "filled": True, "size": 70, "fill": colour("paper"), "stroke": colour("ink-2")}
    return make_layer("point", rows, {"opacity": 1, "strokeWidth": 1.75, **look}, x=x, y=y)


def _target_layers(axis: RateAxis) -> list[Any]:
    """The side where the target is missed, tinted, and the target as a line."""
    if axis.target is None:
        return []
    few = lower_is_better(axis.side)
    across = {"x": 0, "x2": {"expr": "width"}}
    end = axis.high if few else axis.low
    y, y2 = alt.YDatum(axis.target, type="quantitative"), alt.Y2Datum(end)
    return [
        make_layer("rect", [{}], {"fill": colour("zone"), "opacity": 1, **across}, y=y, y2=y2),
        make_layer("rule", [{}], {"stroke": colour("ink"), "strokeWidth": 1.25, **across}, y=y),
    ]


def rate_line(rows: ChartRows, x: Any, y: Any, ink: str, width: float) -> Any:
    """A rate as displayed, day by day, never smoothed."""
    held = [{"day": row["day"], "rate": row["rate"]} for row in rows]
    return make_layer("line", held, {"stroke": colour(ink), "strokeWidth": width, "strokeJoin": "round"}, x=x, y=y)


def _dot_layer(rows: ChartRows, x: Any, y: Any, before: date | None) -> Any:
    """The last day in the colour of its status, and the day before that is compared with it."""
    marked = [row for row in rows if before and row["rate"] is not None and row["day"] == date_to_epoch_ms(before)][:1]
    held = [{"day": row["day"], "rate": row["rate"], "c": colour("ink"), "s": 48} for row in marked]
    if rows[-1]["rate"] is not None:
        tint = labels.STATUS_STYLES[rows[-1]["status"]].colour
        held.append({"day": rows[-1]["day"], "rate": rows[-1]["rate"], "c": colour(tint), "s": 72})
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("paper"), "strokeWidth": 1.5}
    return make_layer("point", held, {"opacity": 1, **dot}, x=x, y=y)


SMALL_CHART_SIZE = (196, 64)
"""Width and height of one of many small charts. [pixels]"""


@SKIP_VALIDATION
def small_multiples(charts: Sequence[tuple[str, pd.DataFrame]], *, description: str = "") -> alt.ConcatChart:
    """How does a rate move in each of several accounts, or each of several measures of one? One small chart each.

    Each has a name and SCORES of one metric, channel and window, one row a day. All stand over the same days, each on a
    scale of its own, so that the way to its own target can be seen.
    """
    moments = [date_to_epoch_ms(day) for _, daily in charts for day in (daily["as_of"].min(), daily["as_of"].max())]
    days = min(moments), max(moments)
    cells = [_small_chart(name, daily, days) for name, daily in charts]
    held = alt.ConcatChart(
        columns=4,
        spacing={"row": 44, "column": 44},
        description=description,
        padding={"left": 1, "right": 10, "top": 26, "bottom": 2},
        background="transparent",
        config=CHART_CONFIG,
        usermeta={
            "cell": [SMALL_CHART_SIZE[0], 44],
            "embedOptions": {"renderer": "svg", "actions": False, "tooltip": False},
        },
    )
    # Handed over here, not in the call above, which would copy and check every row of every layer.
    held.concat = cells
    return held


def _small_chart(name: str, daily: pd.DataFrame, days: tuple[int, int]) -> Any:
    """One of many small charts: a rate, its target, its last day, its name and figure above."""
    rows = window_rows(daily, int(daily["window"].iloc[-1]))
    axis, last = RateAxis.from_rows(rows, []), rows[-1]
    tint = labels.STATUS_STYLES[last["status"]]
    span = alt.Scale(domain=list(days), nice=False, zero=False)
    x = shared_channel(alt.X("day", type="quantitative", scale=span, axis=alt.Axis(
        values=list(days), labelExpr="utcFormat(datum.value, '%-d %b')", labelFlush=True, grid=False, title=None,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"), tickSize=4, labelPadding=2,
    )))  # fmt: skip
    y = shared_channel(alt.Y("rate", type="quantitative", axis=None,
              scale=alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False)))  # fmt: skip
    asked = [] if axis.target is None else [{"rate": axis.target}]
    figure = f"{tint.symbol} {format_row_rate(last)}" if last["rate"] is not None else tint.word
    room = SMALL_CHART_SIZE[0] - text_width(figure, 13, True) - 14
    while text_width(name, 13) > room and len(name) > 8:
        name = name[:-2].rstrip() + "…"
    words = [
        {"t": name, "x": 0, "a": "left", "c": colour("ink"), "w": "normal"},
        {"t": figure, "x": SMALL_CHART_SIZE[0], "a": "right", "c": colour(tint.colour), "w": "bold"},
    ]
    set_as = {"align": {"expr": "datum.a"}, "fill": {"expr": "datum.c"}, "fontWeight": {"expr": "datum.w"}}
    above = {"x": {"expr": "datum.x"}, "y": -12, "baseline": "middle", "fontSize": 13}
    dot = [{"day": last["day"], "rate": last["rate"], "c": colour(tint.colour)}] if last["rate"] is not None else []
    look = {"fill": {"expr": "datum.c"}, "size": 56, "stroke": colour("paper"), "strokeWidth": 1.5, "opacity": 1}
    layers = [
        make_layer("rule", asked, {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y),
        rate_line(rows, x, y, "ink", 1.75),
        make_layer("point", dot, look, x=x, y=y),
        make_layer("text", words, {**set_as, **above}, text=TEXT_CHANNEL),
    ]
    # Many share one script: what is held is plain data, without Altair's checks.
    return alt.LayerSpec(layer=layers, width=SMALL_CHART_SIZE[0], height=SMALL_CHART_SIZE[1])
