"""Charts that compare two figures in each row: a group and the rest, or our rate and the marketplace's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from healthkit.report.charts.style import (
    NARROW,
    NARROW_EXPR,
    SKIP_VALIDATION,
    WIDE,
    ChartRows,
    bar_layer,
    bold_text_ems,
    build_chart,
    colour,
    make_layer,
    text_layer,
    text_width,
    truncate_bold,
    wide_or_narrow,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, movements
from healthkit.report.text import reconciliation as reconciliation_text
from healthkit.schema.marketplaces import AMAZON


@SKIP_VALIDATION
def excess_by_group(groups: pd.DataFrame, *, description: str = "") -> alt.LayerChart:
    """Return a chart of the excess faults of each group of orders, compared with the rate of all other orders.

    `groups` is DRIVERS with a column `label`. A dot is the excess in orders, the line through it the interval; the dots
    of groups that stand out are filled.
    """
    rows = groups.to_dict("records")
    low, high = min(0.0, *(row["low"] for row in rows)), max(1.0, *(row["high"] for row in rows))
    figures = [
        f"{movements.format_signed_units(round(row['excess']), 0)} "
        f"({account_text.format_excess(row['low'], row['high'])})"
        for row in rows
    ]
    right = max(text_width(text, 13, True) for text in figures) + 20
    layouts = [_RowLayout(width, low, (width - 10 - right) / (high - low), 40, 0) for width in (WIDE, NARROW)]
    layers = [
        _bar_layer([((0, 0), n, 19, 36, "rule-strong") for n in range(len(rows))], layouts),
        _bar_layer([((row["low"], row["high"]), n, 27, 29, "mark") for n, row in enumerate(rows)], layouts),
        _dot_layer(
            [(row["excess"], n, "mark" if row["stands_out"] else "paper", 80) for n, row in enumerate(rows)], layouts
        ),
        _text_layer([_group_texts(row, n, figures[n], layouts) for n, row in enumerate(rows)]),
    ]
    height = 40 * len(rows)
    return build_chart(layers, description, {"wide": (WIDE, height), "narrow": (NARROW, height)})


class _RowLayout(NamedTuple):
    """The layout of the rows of one drawing: its width, lowest value, pixels per unit, row height and top."""

    width: int
    low: float
    unit: float
    row_height: int
    top: int

    def x_of(self, value: float) -> float:
        """Return the position of a value in pixels from the left."""
        return round(5 + (value - self.low) * self.unit, 1)

    def y_of(self, row: int, offset: float) -> float:
        """Return the position of an offset in a row, in pixels from the top."""
        return self.top + self.row_height * row + offset

    @property
    def middle(self) -> int:
        """The offset of the marks of a row, below its text. [pixels]"""
        return self.row_height - 12


def _bar_layer(
    bars_in_rows: Sequence[tuple[tuple[float, float], int, float, float, str]], layouts: list[_RowLayout]
) -> Any:
    """Return bars given as (low and high value, row, top and bottom offset in the wide drawing, colour)."""
    wide, narrow = layouts
    rows = []
    more = narrow.row_height - wide.row_height
    for (low, high), row, top, bottom, colour_name in bars_in_rows:
        rows.append({
            "x": wide.x_of(low), "x2": max(wide.x_of(high), wide.x_of(low) + 1), "nx": narrow.x_of(low),
            "nx2": max(narrow.x_of(high), narrow.x_of(low) + 1),
            "y": wide.y_of(row, top), "y2": wide.y_of(row, bottom),
            "ny": narrow.y_of(row, top + more), "ny2": narrow.y_of(row, bottom + more), "c": colour(colour_name),
        })  # fmt: skip
    return bar_layer(rows)


def _dot_layer(dots: Sequence[tuple[float, int, str, int]], layouts: list[_RowLayout]) -> Any:
    """Return dots given as (value, row, colour, size); a dot without a colour is a ring."""
    wide, narrow = layouts
    rows = [
        {"x": wide.x_of(value), "nx": narrow.x_of(value), "y": wide.y_of(row, wide.middle),
         "ny": narrow.y_of(row, narrow.middle), "c": colour(colour_name) if colour_name else "transparent", "s": size}
        for value, row, colour_name, size in dots
    ]  # fmt: skip
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("mark"), "strokeWidth": 1.75}
    return make_layer("point", rows, {"x": wide_or_narrow("x"), "y": wide_or_narrow("y"), "opacity": 1, **dot})


def _group_texts(row: dict[str, Any], place: int, figure: str, layouts: list[_RowLayout]) -> ChartRows:
    """Return a group's name and counts above its line, and its excess behind the line."""
    counts = f"{figures.format_count(int(row['counted']), int(row['at_fault']))}; rest "
    counts += figures.format_count(int(row["rest_counted"]), int(row["rest_at_fault"]))
    wide, narrow = layouts
    name = truncate_bold(row["label"], narrow.width - 8)
    start = round(bold_text_ems(name) * 13 + 10)
    fits = start + text_width(counts, 13) < narrow.width
    ends = {"x": wide.x_of(row["high"]) + 9, "nx": narrow.x_of(row["high"]) + 9}
    first_line = {"y": wide.y_of(place, 11), "ny": narrow.y_of(place, 11)}
    return [
        {"t": name, "nt": name, "x": 0, "nx": 0, "w": "bold", **first_line},
        {"t": counts, "nt": counts if fits else "", "x": start, "nx": start, "w": "normal", **first_line},
        {"t": figure, "nt": figure, **ends, "y": wide.y_of(place, 32), "ny": narrow.y_of(place, 32), "w": "bold"},
    ]  # fmt: skip


def _text_layer(row_texts: Iterable[ChartRows]) -> Any:
    """Return the texts of all rows as one layer."""
    return text_layer([row for rows in row_texts for row in rows], wide_or_narrow("t"))


@SKIP_VALIDATION
def our_and_marketplace_rates(sides: pd.DataFrame, *, company: str = AMAZON, description: str = "") -> alt.LayerChart:
    """Return a chart that compares our rates with the rates of the marketplace and with the limit.

    `sides` has one row a measure: `label`, `ours` and `theirs` (shares of what the target allows that are used up), and
    both rates as text (`ours_rate`, `theirs_rate`). Ours is drawn as a dot, theirs as a ring.
    `company` is that of the marketplace (see `labels.company_of`).
    """
    rows = sides.to_dict("records")
    high = min(3.0, max(1.2, *(max(row["ours"], row["theirs"]) * 1.04 for row in rows)))
    layouts = [_RowLayout(width, 0.0, (width - 14) / high, pitch, 20) for width, pitch in ((WIDE, 38), (NARROW, 56))]
    layers = [
        make_layer("rect", [{}], {
            "x": _number_by_width([layout.x_of(1) for layout in layouts]), "x2": {"expr": "width"},
            "y": 20, "y2": {"expr": "height"}, "fill": colour("zone"), "opacity": 1,
        }),
        _bar_layer([((0, high), n, 26, 27, "rule") for n in range(len(rows))], layouts),
        _bar_layer([((1, 1), n, 16, 36, "rule-strong") for n in range(len(rows))], layouts),
        _dot_layer([(min(row["theirs"], high), n, "", 190) for n, row in enumerate(rows)], layouts),
        _dot_layer([(min(row["ours"], high), n, "mark", 60) for n, row in enumerate(rows)], layouts),
        _text_layer([_limit_texts(layouts), *(_measure_texts(row, n, layouts, company) for n, row in enumerate(rows))]),
    ]  # fmt: skip
    heights = {"wide": (WIDE, 24 + 38 * len(rows)), "narrow": (NARROW, 24 + 56 * len(rows))}
    return build_chart(layers, description, heights)


def _number_by_width(values: Sequence[float]) -> dict[str, str]:
    """Return the expression for a number with a value for the wide and one for the narrow drawing."""
    return {"expr": f"{NARROW_EXPR} ? {values[1]} : {values[0]}"}


def _limit_texts(layouts: list[_RowLayout]) -> ChartRows:
    """Return the label of the limit, above its line."""
    x, narrow = (round(layout.x_of(1) - text_width("Limit", 13, True) / 2, 1) for layout in layouts)
    return [{"t": "Limit", "nt": "Limit", "x": x, "nx": narrow, "y": 11, "ny": 11, "w": "bold"}]


def _measure_texts(row: dict[str, Any], place: int, layouts: list[_RowLayout], company: str) -> ChartRows:
    """Return a measure's name and both rates: in one line in the wide drawing, in two lines in the narrow one."""
    wide, narrow = layouts
    name, rates = (
        truncate_bold(row["label"], narrow.width - 8),
        reconciliation_text.format_both_rates(
            row["ours_rate"], row["theirs_rate"], row["ours"] == row["theirs"], company
        ),
    )
    start = round(bold_text_ems(name) * 13 + 10)
    return [
        {"t": name, "nt": name, "x": 0, "nx": 0, "y": wide.y_of(place, 14), "ny": narrow.y_of(place, 14), "w": "bold"},
        {"t": rates, "nt": rates, "x": start, "nx": 0, "y": wide.y_of(place, 14), "ny": narrow.y_of(place, 31),
         "w": "normal"},
    ]  # fmt: skip
