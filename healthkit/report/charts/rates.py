"""Charts of a rate over time: one large chart, or many small ones side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import altair as alt
import pandas as pd

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.rate_axis import ChartError, RateAxis, RateLine, window_line
from healthkit.report.charts.rate_labels import label_layer, rate_labels
from healthkit.report.charts.style import (
    CHART_CONFIG,
    EMBED_OPTIONS,
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
    number_channel,
    text_width,
    truncate,
)
from healthkit.report.text import labels
from healthkit.schema.events_file import Event

DASHES = ((), (7, 3), (2, 2), (12, 4), (8, 3, 2, 3))
"""Dashes of the thin lines of a chart, in order (see `sentences.windows_legend`). [pixels]"""
MAX_OTHER_WINDOWS = len(DASHES)
"""Most windows that a chart shows besides the first; more lines cannot be told apart."""


@SKIP_VALIDATION
def rate_over_time(
    daily: pd.DataFrame,
    window: int,
    other_window: int | Sequence[int] | None = None,
    *,
    before: date | None = None,
    marketplace_scores: pd.DataFrame | None = None,
    events: Sequence[Event] = (),
    description: str = "",
) -> alt.LayerChart:
    """Return a line chart of a rate and its target, day by day, from SCORES.

    `daily` is SCORES of one metric and channel, one row for each day and window. The line of `window` is thick; those
    of `other_window` (one, or up to MAX_OTHER_WINDOWS) are thin and differ by their dashes. Days without orders, or
    before the files begin, leave a gap. `before` is a day to mark besides the last one. `marketplace_scores` is SCORES
    of the marketplace's own figures, drawn as diamonds. `events` are what the account changed, each a dashed line with
    its number and, where there is room, its note (see `shown_events`). `description` is the text for screen readers.

    Raises ChartError for more windows than lines can be told apart: draw those by `small_multiples`.
    """
    named = other_window if isinstance(other_window, Iterable) else [other_window] if other_window else []
    others = [days for days in dict.fromkeys(named) if days != window]
    if len(others) > MAX_OTHER_WINDOWS:
        raise ChartError(
            f"One chart shows up to {MAX_OTHER_WINDOWS + 1} windows; these are {len(others) + 1}. Draw them side by "
            "side by small_multiples, a chart for each."
        )
    judged = window_line(daily, window)
    thin = {days: window_line(daily, days) for days in others}
    reported = _reported_points(marketplace_scores) if marketplace_scores is not None else []
    axis = RateAxis.from_lines(judged, thin.values(), [row["rate"] for row in reported])
    ends = int(judged.days[0]), int(judged.days[-1])
    days = (epoch_ms_to_date(ends[0]), epoch_ms_to_date(ends[1]))
    marked = shown_events(events, *days)
    labels = rate_labels(judged, thin, axis, window, before, marked)
    x = number_channel(alt.X, "day", ends, day_axis(*days))
    y = number_channel(alt.Y, "rate", (axis.low, axis.high), axis.to_altair_axis())
    layers = _target_layers(axis)
    layers += [rate_line(line, x, y, "line-2", 1.5, dash) for line, dash in zip(thin.values(), DASHES, strict=False)]
    layers += [_event_layer(marked, x, {"expr": "height"})] if marked else []
    layers += [rate_line(judged, x, y, "ink", 2.25)]
    if marketplace_scores is not None:
        layers += [_diamond_layer(reported, x, y)]
    layers += [_dot_layer(judged, x, y, before), label_layer(labels, x, y)]
    chart = build_chart(layers, description, {"wide": (WIDE, 320), "narrow": (NARROW, 300)}, top=22)
    chart.params = axis.vega_parameters()
    return chart


def _reported_points(marketplace_scores: pd.DataFrame) -> ChartRows:
    """Return the marketplace's own figures as rows, each on the first day on which it was displayed."""
    first = marketplace_scores.drop_duplicates("rule") if len(marketplace_scores) else marketplace_scores
    known = first[first["rate"].notna()]
    return [{"day": date_to_epoch_ms(row.as_of), "rate": round(float(row.rate), 6)} for row in known.itertuples()]


def shown_events(events: Iterable[Event], first: date, last: date) -> list[Event]:
    """Return the events of the days of a chart by day; the first is number 1 in the chart."""
    return sorted(event for event in events if first <= event.day <= last)


def _event_layer(events: Iterable[Event], x: Any, height: float | dict[str, str]) -> Any:
    """Return the layer of events: a dashed line on each of their days, as high as the plot. [pixels]"""
    rows = [{"day": moment} for moment in dict.fromkeys(date_to_epoch_ms(event.day) for event in events)]
    look = {"stroke": colour("ink-2"), "strokeWidth": 1, "strokeDash": [3, 3], "y": 0, "y2": height}
    return make_layer("rule", rows, look, x=x)


def _diamond_layer(rows: ChartRows, x: Any, y: Any) -> Any:
    """Return the layer of the marketplace's own figures."""
    look = {"shape": "diamond", "filled": True, "size": 70, "fill": colour("paper"), "stroke": colour("ink-2")}
    return make_layer("point", rows, {"opacity": 1, "strokeWidth": 1.75, **look}, x=x, y=y)


def _target_layers(axis: RateAxis) -> list[Any]:
    """Return the layers of the target: a tinted area where it is missed, and a line."""
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


def rate_line(line: RateLine, x: Any, y: Any, colour_name: str, width: float, dash: Sequence[float] = ()) -> Any:
    """Return a layer that draws a rate as an unsmoothed line with one point per day.

    `width` is the width of the line, `dash` the lengths of its dashes and gaps, in pixels.
    """
    look = {"stroke": colour(colour_name), "strokeWidth": width, "strokeJoin": "round"}
    return make_layer("line", line.points(), look | ({"strokeDash": list(dash)} if dash else {}), x=x, y=y)


def _dot_layer(line: RateLine, x: Any, y: Any, before: date | None) -> Any:
    """Return the layer of dots: the last day in the colour of its status, and the day to compare with."""
    marked = line.position_of(date_to_epoch_ms(before)) if before else None
    tint = labels.STATUS_STYLES[line.statuses[-1]].colour
    dots = [*([(marked, "ink", 48)] if marked is not None else []), (-1, tint, 72)]
    points = [
        {"day": int(line.days[n]), "rate": float(line.rates[n]), "c": colour(name), "s": size}
        for n, name, size in dots if line.rates[n] == line.rates[n]
    ]  # fmt: skip
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("paper"), "strokeWidth": 1.5}
    return make_layer("point", points, {"opacity": 1, **dot}, x=x, y=y)


SMALL_CHART_SIZE = (196, 64)
"""Width and height of one small chart. [pixels]"""


@SKIP_VALIDATION
def small_multiples(
    charts: Sequence[tuple[str, pd.DataFrame]], *, events: Sequence[Event] = (), description: str = ""
) -> alt.ConcatChart:
    """Return a grid of small line charts of a rate, one for each of the given accounts or measures.

    `charts` are pairs of a name and SCORES of one metric, channel and window, one row a day. All charts show the same
    days; each has its own scale, so that the distance to its own target is visible. `events` are what the accounts
    changed, each a dashed line in the charts of its account.
    """
    moments = [date_to_epoch_ms(day) for _, daily in charts for day in (daily["as_of"].min(), daily["as_of"].max())]
    days = min(moments), max(moments)
    cells = [_small_chart(name, daily, days, events) for name, daily in charts]
    chart = alt.ConcatChart(
        columns=4,
        spacing={"row": 44, "column": 44},
        description=description,
        padding={"left": 1, "right": 10, "top": 26, "bottom": 2},
        background=colour("paper"),
        config=CHART_CONFIG,
        usermeta={
            "cell": [SMALL_CHART_SIZE[0], 44],
            "embedOptions": EMBED_OPTIONS,
        },
    )
    # Set afterwards: the constructor would copy and validate every row of every layer.
    chart.concat = cells
    return chart


def _small_chart(name: str, daily: pd.DataFrame, days: tuple[int, int], events: Iterable[Event]) -> Any:
    """Return one small chart: the rate, its target and last day, with name and rate above it."""
    line = window_line(daily, int(daily["window"].iloc[-1]))
    pair = [daily[column].iloc[0] for column in ("account", "marketplace")] if events else []
    marked = shown_events((event for event in events if event.is_of(*pair)), *map(epoch_ms_to_date, days))
    axis, last_rate = RateAxis.from_lines(line), float(line.rates[-1])
    tint = labels.STATUS_STYLES[line.statuses[-1]]
    x = number_channel(alt.X, "day", days, alt.Axis(
        values=list(days), labelExpr="utcFormat(datum.value, '%-d %b')", labelFlush=True, grid=False, title=None,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"), tickSize=4, labelPadding=2,
    ))  # fmt: skip
    y = number_channel(alt.Y, "rate", (axis.low, axis.high), None)
    target_rows = [] if axis.target is None else [{"rate": axis.target}]
    figure = tint.word if math.isnan(last_rate) else f"{tint.symbol} {line.format_rate()}"
    name = truncate(name, SMALL_CHART_SIZE[0] - text_width(figure, 13, True) - 14, lambda text: text_width(text, 13))
    title_texts = [
        {"t": name, "x": 0, "a": "left", "c": colour("ink"), "w": "normal"},
        {"t": figure, "x": SMALL_CHART_SIZE[0], "a": "right", "c": colour(tint.colour), "w": "bold"},
    ]
    set_as = {"align": {"expr": "datum.a"}, "fill": {"expr": "datum.c"}, "fontWeight": {"expr": "datum.w"}}
    above = {"x": {"expr": "datum.x"}, "y": -12, "baseline": "middle", "fontSize": 13}
    dot = {"day": int(line.days[-1]), "rate": last_rate, "c": colour(tint.colour)}
    look = {"fill": {"expr": "datum.c"}, "size": 56, "stroke": colour("paper"), "strokeWidth": 1.5, "opacity": 1}
    layers = [
        # A grid of charts has no expression for the height of one.
        *([_event_layer(marked, x, SMALL_CHART_SIZE[1])] if marked else []),
        make_layer("rule", target_rows, {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y),
        rate_line(line, x, y, "ink", 1.75),
        make_layer("point", [] if math.isnan(last_rate) else [dot], look, x=x, y=y),
        make_layer("text", title_texts, {**set_as, **above}, text=TEXT_CHANNEL),
    ]
    # LayerSpec, not LayerChart: many charts share one script, and the data needs no validation by Altair.
    return alt.LayerSpec(layer=layers, width=SMALL_CHART_SIZE[0], height=SMALL_CHART_SIZE[1])
