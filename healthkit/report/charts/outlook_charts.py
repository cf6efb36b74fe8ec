"""Charts of possible future rates: the rate with fewer faults, and two outlooks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.style import (
    HALF,
    NARROW,
    SKIP_VALIDATION,
    TEXT_CHANNEL,
    WIDE,
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
def what_if_curve(
    grid: pd.DataFrame,
    causes: Sequence[str],
    counted: int,
    side: str,
    target: float,
    slider_selectors: Sequence[str],
    start_positions: dict[str, int],
    *,
    description: str = "",
) -> alt.LayerChart:
    """Return a chart of the rate for each reduction of faults by cause, which sliders of the page control.

    `grid` has one row for each position of the sliders: a column for each cause [percent] and `at_fault`. The chart
    follows HTML sliders outside of it, which `slider_selectors` names as CSS selectors; the first slider moves the dot,
    the others the whole curve. `start_positions` are the positions of the sliders at first. [percent]
    """
    few = lower_is_better(side)
    shares = grid["at_fault"] / counted
    rate = shares if few else 1 - shares
    rest = [f"c{place}" for place in range(1, len(causes))]
    steps = grid[causes[0]].nunique()
    step = 100 // (steps - 1)
    # The chart contains only the counts; the slider positions of each follow from its index in the list.
    sequence: dict[str, Any] = {"start": 0, "stop": len(grid), "as": "n"}
    indices = alt.SequenceGenerator(sequence=alt.SequenceParams(**sequence))
    positions = [
        alt.CalculateTransform(**{"calculate": f"floor(datum.n / {steps**power}) % {steps} * {step}", "as": name})
        for name, power in zip(("c0", *rest), reversed(range(len(causes))), strict=True)
    ]
    share = f"counts[datum.n] / {counted}"
    rate_of_row = alt.CalculateTransform(**{"calculate": share if few else f"1 - {share}", "as": "rate"})
    low, high = (0.0, max(target, float(rate.max())) * 1.12) if few else (min(target, float(rate.min())) - 0.02, 1.0)
    x = shared_channel(alt.X("c0", type="quantitative", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(
        title=None, values=[0, 25, 50, 75, 100], labelExpr="datum.value + '%'", grid=False, tickSize=4,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"),
    )))  # fmt: skip
    digits = figures.rate_decimals(target)
    y = _rate_channel(low, high, digits)
    same = " && ".join(f"datum.{name} == toNumber(fewer{name[1:]})" for name in rest) or "true"
    line = make_layer("line", [], {"strokeWidth": 2.25, "stroke": colour("ink")}, x=x, y=y)
    dot = make_layer("point", [], {"filled": True, "size": 90, "opacity": 1, "fill": colour("ink")}, x=x, y=y)
    for layer, here in ((line, same), (dot, f"datum.c0 == toNumber(fewer0) && {same}")):
        layer.data = indices
        layer.transform = [*positions, alt.FilterTransform(filter=here), rate_of_row]
    limit = {"c0": 100, "rate": target, "t": figures.format_limit(side, target)}
    rule = make_layer("rule", [limit], {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y)
    name = make_layer("text", [limit], _LIMIT_FONT, x=x, y=y, text=TEXT_CHANNEL)
    chart = build_chart([rule, line, dot, name], description, {"wide": (HALF, 220), "narrow": (NARROW, 200)}, top=12)
    bound: list[Any] = [
        alt.VariableParameter(name=f"fewer{place}", value=start_positions[cause], bind={"element": selector})
        for place, (cause, selector) in enumerate(zip(causes, slider_selectors, strict=True))
    ]
    chart.params = [alt.VariableParameter(name="counts", value=grid["at_fault"].tolist()), *bound]
    return chart


_LIMIT_FONT = {"align": "right", "baseline": "bottom", "dy": -4, "fontSize": 12, "fill": colour("ink-2")}


@SKIP_VALIDATION
def compared_outlooks(before: Any, after: Any, *, description: str = "") -> alt.LayerChart:
    """Return a chart that compares the rate on the days ahead without and with a scenario.

    `before` and `after` are the roll-off calendars without and with the scenario.
    """
    rules = after.rules_by_day
    targets = [float(rule.target.share) for rule, _ in rules]
    target, few = targets[-1], after.rule.target.lower_is_better
    both: list[ChartRows] = [
        [
            {"day": day, "rate": round(rate, 6)}
            for day, rate, counted in zip(
                (calendar.days["day"].to_numpy().astype("datetime64[ms]").astype(int)).tolist(),
                calendar.days["rate"].tolist(),
                calendar.days["counted"].tolist(),
                strict=True,
            )
            if counted > 0
        ]
        for calendar in (before, after)
    ]
    rates: list[float] = [row["rate"] for rows in both for row in rows] or [target]
    low, high = (0.0, max([*targets, *rates]) * 1.12) if few else (min([*targets, *rates]) - 0.02, 1.0)
    first, last = (to_date(value) for value in (after.days["day"].iloc[0], after.days["day"].iloc[-1]))
    x = number_channel(alt.X, "day", (date_to_epoch_ms(first), date_to_epoch_ms(last)), day_axis(first, last))
    digits = max(0, figures.rate_decimals(target))
    y = _rate_channel(low, high, digits)
    limit = {"day": date_to_epoch_ms(last), "rate": target, "t": figures.format_limit(after.rule.target.side, target)}
    steps = [
        {"day": date_to_epoch_ms(after.days["day"].iloc[place]), "rate": share}
        for share, (_, part) in zip(targets, rules, strict=True)
        for place in (part.start, min(part.stop, len(after.days) - 1))
    ]
    layers = [
        make_layer("rule", [limit], {"stroke": colour("rule-strong")}, y=y)
        if len(rules) == 1
        else make_layer("line", steps, {"stroke": colour("rule-strong"), "strokeWidth": 1}, x=x, y=y),
        make_layer("line", both[0], {"strokeWidth": 2, "strokeDash": [5, 3], "stroke": colour("line-2")}, x=x, y=y),
        make_layer("line", both[1], {"strokeWidth": 2.25, "strokeDash": [5, 3], "stroke": colour("ink")}, x=x, y=y),
        make_layer("text", [limit], _LIMIT_FONT, x=x, y=y, text=TEXT_CHANNEL),
    ]
    ring = {"filled": False, "size": 110, "strokeWidth": 2, "stroke": colour("on"), "opacity": 1}
    for calendar, rows in zip((before, after), both, strict=True):
        if calendar.back_on is not None and calendar.back_on > calendar.as_of:
            back_rows = [row for row in rows if row["day"] == date_to_epoch_ms(calendar.back_on)]
            layers.append(make_layer("point", back_rows, ring, x=x, y=y))
    return build_chart(layers, description, {"wide": (WIDE, 280), "narrow": (NARROW, 240)}, top=12)


def _rate_channel(low: float, high: float, digits: int) -> Any:
    """Return the channel of a rate with a few round ticks, in percent with a number of digits."""
    return number_channel(alt.Y, "rate", (low, high), alt.Axis(
        title=None, format=f".{max(0, digits)}%", tickCount=4, gridColor=colour("rule"), domain=False, ticks=False,
    ))  # fmt: skip
