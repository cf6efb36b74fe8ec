"""The data rows and the vertical axis of a chart of a rate over time."""

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
    """Vertical axis of a rate: lowest and highest value, the target, and its side ("below" or "at least")."""

    low: float
    high: float
    target: float | None
    side: str

    @classmethod
    def from_rows(cls, judged_rows: ChartRows, other_rows: ChartRows) -> RateAxis:
        """Return an axis that covers the rates of the given rows and the target.

        It starts at 0, or for a target of "at least" at a round value below the rates and the target.
        """
        rates = [row["rate"] for row in (*judged_rows, *other_rows) if row["rate"] is not None] or [0.0]
        side, target = judged_rows[-1]["side"], judged_rows[-1]["target"]
        if side and not lower_is_better(side):
            low = min(min(rates), target - (1 - target) / 2)
            step = round_step(1 - low)
            return cls(max(0.0, math.floor(low / step - 0.2) * step), 1.0, target, side)
        highest = max(max(rates) * 1.15, (target or 0.0) * 1.5) or 0.01
        return cls(0.0, min(1.0, highest), target, side)

    def ticks(self) -> list[float]:
        """Return the values of the ticks: the target, and round values that are not too close to it."""
        step = round_step(self.high - self.low)
        first = math.ceil(self.low / step - 1e-9)
        round_values = [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]
        if self.target is None:
            return round_values
        near = (self.high - self.low) * 0.07
        return sorted([self.target, *(value for value in round_values if abs(value - self.target) > near)])

    def to_altair_axis(self) -> alt.Axis:
        """Return the Altair axis, with percentages as labels and the target in bold."""
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

    def vega_parameters(self) -> list[Any]:
        """Return the target and number format as Vega parameters, so that a page can update the chart in place."""
        decimals = 0 if all(abs(v * 100 - round(v * 100)) < 1e-6 for v in self.ticks()) else 1
        target = -1.0 if self.target is None else self.target
        return [
            alt.VariableParameter(name="target", value=target),
            alt.VariableParameter(name="places", value=f".{decimals}%"),
        ]

    def relative_height(self, value: float) -> float:
        """Return the height of a value on the axis, from 0 (bottom) to 1 (top)."""
        return (value - self.low) / (self.high - self.low)


def round_step(span: float) -> float:
    """Return a round step that divides a span into two to five parts."""
    power = 10 ** math.floor(math.log10(span / 2))
    return next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= 5)


class ChartError(ValueError):
    """Raised if rows do not make the chart that is asked for; the message says why and what to do."""


def _check_one_measure(rows: pd.DataFrame) -> None:
    """Raise ChartError if rows are of several accounts or measures, which one line would mix."""
    for name in ("account", "marketplace", "metric", "channel"):
        found = rows[name].unique().tolist() if name in rows else []
        if len(found) > 1:
            raise ChartError(
                f"One line shows one {name}; these rows have {len(found)}: {', '.join(map(str, found[:5]))}"
                f"{', …' if len(found) > 5 else ''}. Choose one, or draw a chart of each by small_multiples."
            )


def window_rows(daily: pd.DataFrame, window: int) -> ChartRows:
    """Return the daily scores of the given window as chart rows, sorted by day.

    `rate` is None on days whose rate is not drawn.
    """
    rows = daily[(daily["window"] == window).to_numpy()]
    _check_one_measure(rows)
    days = rows["as_of"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    if (np.diff(days) < 0).any():
        rows, days = rows.iloc[np.argsort(days, kind="stable")], np.sort(days)
    status = rows["status"].tolist()
    rates = rows["rate"].to_numpy(dtype=float, na_value=np.nan).round(6).tolist()
    counts = zip(rows["counted"].tolist(), rows["at_fault"].tolist(), strict=True)
    side, target = rows["side"].iloc[-1], rows["target"].iloc[-1]
    target_fields = {
        "side": side if isinstance(side, str) else "",
        "target": None if pd.isna(target) else float(target),
    }
    return [
        {
            "day": day,
            "rate": None if rate != rate or day_status in UNDRAWN_STATUSES else rate,
            "status": day_status,
            "count": count,
            **target_fields,
        }
        for day, rate, day_status, count in zip(days.tolist(), rates, status, counts, strict=True)
    ]


UNDRAWN_STATUSES = ("no data", "short history")
"""Statuses of days whose rate is not drawn."""


def format_row_rate(row: dict[str, Any]) -> str:
    """Return the rate of a chart row as text."""
    counted, at_fault = row["count"]
    return figures.format_rate(counted, at_fault, row["side"], row["target"])
