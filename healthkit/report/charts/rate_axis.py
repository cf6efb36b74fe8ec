"""The days of one window as rows, and the axis that they stand on, as wide as they and the target ask for."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.style import ChartRows, colour
from healthkit.report.text import figures


class RateAxis(NamedTuple):
    """The scale of a rate: its ends, its target, and on which side the target is missed."""

    low: float
    high: float
    target: float | None
    side: str

    @classmethod
    def from_rows(cls, judged_rows: ChartRows, other_rows: ChartRows) -> RateAxis:
        """A scale that starts at 0 for "under" and at a round value below the target for "at least"."""
        rates = [row["rate"] for row in (*judged_rows, *other_rows) if row["rate"] is not None] or [0.0]
        side, target = judged_rows[-1]["side"], judged_rows[-1]["target"]
        if side and not lower_is_better(side):
            low = min(min(rates), target - (1 - target) / 2)
            step = round_step(1 - low)
            return cls(max(0.0, math.floor(low / step - 0.2) * step), 1.0, target, side)
        highest = max(max(rates) * 1.15, (target or 0.0) * 1.5) or 0.01
        return cls(0.0, min(1.0, highest), target, side)

    def ticks(self) -> list[float]:
        """Round values, and the target in place of any that would touch it."""
        step = round_step(self.high - self.low)
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
        """What the axis is set by, under names, so that a drawing can follow other figures without being made again."""
        places = 0 if all(abs(v * 100 - round(v * 100)) < 1e-6 for v in self.ticks()) else 1
        target = -1.0 if self.target is None else self.target
        return [
            alt.VariableParameter(name="target", value=target),
            alt.VariableParameter(name="places", value=f".{places}%"),
        ]

    def share(self, value: float) -> float:
        """How far up a value stands, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def round_step(span: float) -> float:
    """A round step that cuts a span into two to five parts."""
    power = 10 ** math.floor(math.log10(span / 2))
    return next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= 5)


def window_rows(daily: pd.DataFrame, window: int) -> ChartRows:
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
        {
            "day": day,
            "rate": None if rate != rate or said in UNDRAWN_STATUSES else rate,
            "status": said,
            "count": count,
            **asked,
        }
        for day, rate, said, count in zip(days.tolist(), rates, status, counts, strict=True)
    ]


UNDRAWN_STATUSES = ("no data", "short history")
"""The statuses of days whose rate is not drawn."""


def format_row_rate(row: dict[str, Any]) -> str:
    """A day's rate as it is written."""
    counted, at_fault = row["count"]
    return figures.format_rate(counted, at_fault, row["side"], row["target"])
