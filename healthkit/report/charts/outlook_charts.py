"""What may come: a rate if defects improve, and two outlooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from healthkit.report import wording
from healthkit.report.charts.style import (
    HALF,
    NARROW,
    UNCHECKED,
    WIDE,
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
    x = shared(alt.X("c0", type="quantitative", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(
        title=None, values=[0, 25, 50, 75, 100], labelExpr="datum.value + '%'", grid=False, tickSize=4,
        domainColor=colour("rule-strong"), tickColor=colour("rule-strong"),
    )))  # fmt: skip
    digits = wording.digits(target)
    y = _few_ticks(low, high, digits)
    same = " && ".join(f"datum.{name} == toNumber(fewer{name[1:]})" for name in rest) or "true"
    line = layer_of("line", [], {"strokeWidth": 2.25, "stroke": colour("ink")}, x=x, y=y)
    dot = layer_of("point", [], {"filled": True, "size": 90, "opacity": 1, "fill": colour("ink")}, x=x, y=y)
    for layer, here in ((line, same), (dot, f"datum.c0 == toNumber(fewer0) && {same}")):
        layer.data = places
        layer.transform = [*located, alt.FilterTransform(filter=here), shown]
    limit = {"c0": 100, "rate": target, "t": wording.limit(side, target)}
    rule = layer_of("rule", [limit], {"stroke": colour("rule-strong"), "strokeDash": [4, 3]}, y=y)
    look = {"align": "right", "baseline": "bottom", "dy": -4, "fontSize": 12, "fill": colour("ink-2")}
    name = layer_of("text", [limit], look, x=x, y=y, text=WORDS)
    held = finished([rule, line, dot, name], finding, {"wide": (HALF, 220), "narrow": (NARROW, 200)}, top=12)
    bound: list[Any] = [
        alt.VariableParameter(name=f"fewer{place}", value=begin[cause], bind={"element": selector})
        for place, (cause, selector) in enumerate(zip(causes, inputs, strict=True))
    ]
    held.params = [alt.VariableParameter(name="counts", value=grid["at_fault"].tolist()), *bound]
    return held


@UNCHECKED
def two_outlooks(before: Any, after: Any, *, finding: str = "") -> alt.LayerChart:
    """What will the rate be on the days ahead, as it is and what if? Two calendars of `outlook`."""
    target, few = float(after.rule.target.share), after.rule.target.wants_few
    both: list[Rows] = [
        [
            {"day": moment_of(row.day), "rate": round(float(row.rate), 6)}
            for row in held.days[held.days["counted"] > 0].itertuples()
        ]
        for held in (before, after)
    ]
    rates: list[float] = [row["rate"] for rows in both for row in rows] or [target]
    low, high = (0.0, max([target, *rates]) * 1.12) if few else (min([target, *rates]) - 0.02, 1.0)
    first, last = (date_of(value) for value in (after.days["day"].iloc[0], after.days["day"].iloc[-1]))
    x = shared(alt.X("day", type="quantitative", axis=day_axis(first, last),
              scale=alt.Scale(domain=[moment_of(first), moment_of(last)], nice=False, zero=False)))  # fmt: skip
    digits = max(0, wording.digits(target))
    y = _few_ticks(low, high, digits)
    limit = {"day": moment_of(last), "rate": target, "t": wording.limit(after.rule.target.side, target)}
    layers = [
        layer_of("rule", [limit], {"stroke": colour("rule-strong")}, y=y),
        layer_of("line", both[0], {"strokeWidth": 2, "strokeDash": [5, 3], "stroke": colour("line-2")}, x=x, y=y),
        layer_of("line", both[1], {"strokeWidth": 2.25, "strokeDash": [5, 3], "stroke": colour("ink")}, x=x, y=y),
        layer_of("text", [limit], {"align": "right", "baseline": "bottom", "dy": -4, "fontSize": 12,
                                   "fill": colour("ink-2")}, x=x, y=y, text=WORDS),
    ]  # fmt: skip
    ring = {"filled": False, "size": 110, "strokeWidth": 2, "stroke": colour("on"), "opacity": 1}
    for held, rows in zip((before, after), both, strict=True):
        if held.back_on is not None and held.back_on > held.as_of:
            layers.append(
                layer_of("point", [row for row in rows if row["day"] == moment_of(held.back_on)], ring, x=x, y=y)
            )
    return finished(layers, finding, {"wide": (WIDE, 280), "narrow": (NARROW, 240)}, top=12)


def _few_ticks(low: float, high: float, digits: int) -> Any:
    """A rate's scale with a few round ticks."""
    return shared(alt.Y("rate", type="quantitative", scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=alt.Axis(title=None, format=f".{max(0, digits)}%", tickCount=4, gridColor=colour("rule"), domain=False,
                      ticks=False)))  # fmt: skip
