"""The data rows and the vertical axis of a chart of a rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from healthkit.metrics.sides import lower_is_better
from healthkit.report.charts.style import ChartRows, colour
from healthkit.report.text import figures


class RateLine(NamedTuple):
    """A rate day by day, as it is drawn.

    `days` are in ms since the epoch, ascending. `rates` are NaN on days whose rate is not drawn. `statuses`, `counted`
    and `at_fault` are those of the days. `side` ("" if there is none) and `target` are those of the last day.
    """

    days: np.ndarray
    rates: np.ndarray
    statuses: list[str]
    counted: np.ndarray
    at_fault: np.ndarray
    side: str
    target: float | None

    def points(self) -> ChartRows:
        """Return the rows of a chart layer: day and rate, which is None on days whose rate is not drawn."""
        pairs = zip(self.days.tolist(), self.rates.tolist(), strict=True)
        return [{"day": day, "rate": rate if rate == rate else None} for day, rate in pairs]

    def position_of(self, day: int) -> int | None:
        """Return the position of a day whose rate is drawn; None if there is none."""
        found = np.flatnonzero((self.days == day) & ~np.isnan(self.rates))
        return int(found[0]) if len(found) else None

    def format_rate(self, position: int = -1) -> str:
        """Return the rate at a position as text."""
        counts = int(self.counted[position]), int(self.at_fault[position])
        return figures.format_rate(*counts, self.side, self.target)


class RateAxis(NamedTuple):
    """Vertical axis of a rate: lowest and highest value, the target, and its side ("below" or "at least")."""

    low: float
    high: float
    target: float | None
    side: str

    @classmethod
    def from_lines(cls, judged: RateLine, others: Iterable[RateLine] = (), more: Iterable[float] = ()) -> RateAxis:
        """Return an axis that covers the rates of the given lines, `more` rates and the target of `judged`.

        It starts at 0, or for a target of "at least" at a round value below the rates and the target.
        """
        rates = np.concatenate([judged.rates, *(line.rates for line in others), [*more]])
        known = rates[~np.isnan(rates)]
        least, most = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        side, target = judged.side, judged.target
        if side and target is not None and not lower_is_better(side):
            low = min(least, target - (1 - target) / 2)
            step = round_step(1 - low)
            return cls(max(0.0, math.floor(low / step - 0.2) * step), 1.0, target, side)
        highest = max(most * 1.15, (target or 0.0) * 1.5) or 0.01
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

    def relative_height(self, value: Any) -> Any:
        """Return the height of a value, or of each of an array, on the axis: from 0 (bottom) to 1 (top)."""
        return (value - self.low) / (self.high - self.low)


def round_step(span: float) -> float:
    """Return a round step that divides a span into two to five parts."""
    power = 10 ** math.floor(math.log10(span / 2))
    return next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= 5)


class ChartError(ValueError):
    """Raised if rows do not make the chart that is asked for; the message says why and what to do."""


def _check_one_measure(daily: pd.DataFrame, positions: np.ndarray) -> None:
    """Raise ChartError if the rows at some positions are of several accounts or measures, which one line would mix."""
    for name in ("account", "marketplace", "metric", "channel"):
        if name not in daily or len(daily[name].unique()) < 2:
            continue
        found = daily[name].iloc[positions].unique().tolist()
        if len(found) > 1:
            raise ChartError(
                f"One line shows one {name}; these rows have {len(found)}: {', '.join(map(str, found[:5]))}"
                f"{', …' if len(found) > 5 else ''}. Choose one, or draw a chart of each by small_multiples."
            )


def window_line(daily: pd.DataFrame, window: int) -> RateLine:
    """Return the daily scores of the given window as a line, sorted by day."""
    positions = np.flatnonzero((daily["window"] == window).to_numpy())
    _check_one_measure(daily, positions)
    # Column by column: the table has twice as many columns as a line shows.
    days = daily["as_of"].to_numpy().astype("datetime64[ms]").astype(np.int64)[positions]
    if (np.diff(days) < 0).any():
        order = np.argsort(days, kind="stable")
        positions, days = positions[order], days[order]
    statuses = daily["status"].iloc[positions].tolist()
    rates = daily["rate"].to_numpy(dtype=float, na_value=np.nan)[positions].round(6)
    rates[[status in UNDRAWN_STATUSES for status in statuses]] = np.nan
    counted, at_fault = (daily[name].to_numpy()[positions] for name in ("counted", "at_fault"))
    side, target = (daily[name].iloc[positions[-1]] for name in ("side", "target"))
    return RateLine(
        days, rates, statuses, counted, at_fault,
        side if isinstance(side, str) else "", None if pd.isna(target) else float(target),
    )  # fmt: skip


UNDRAWN_STATUSES = ("no data", "short history")
"""Statuses of days whose rate is not drawn."""
