"""Two figures a row beside each other: groups and the rest, ours and the marketplace's."""

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
    bold_text_ems,
    build_chart,
    colour,
    make_layer,
    text_width,
    wide_or_narrow,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, movements
from healthkit.report.text import reconciliation as reconciliation_text


@SKIP_VALIDATION
def excess_by_group(groups: pd.DataFrame, *, description: str = "") -> alt.LayerChart:
    """Which groups of orders have more at fault than at the rate of the rest, and how sure is that?

    `groups` holds DRIVERS with a `label` each: a dot is the excess in orders, the line through it its interval; those
    that stand out are filled.
    """
    rows = groups.to_dict("records")
    low, high = min(0.0, *(row["low"] for row in rows)), max(1.0, *(row["high"] for row in rows))
    figures = [
        f"{movements.format_signed_units(round(row['excess']), 0)} "
        f"({account_text.format_excess(row['low'], row['high'])})"
        for row in rows
    ]
    behind = max(text_width(text, 13, True) for text in figures) + 20
    both = [_RowLayout(width, low, (width - 10 - behind) / (high - low), 40, 0) for width in (WIDE, NARROW)]
    layers = [
        _bar_layer([((0, 0), n, 19, 36, "rule-strong") for n in range(len(rows))], both),
        _bar_layer([((row["low"], row["high"]), n, 27, 29, "mark") for n, row in enumerate(rows)], both),
        _dot_layer(
            [(row["excess"], n, "mark" if row["stands_out"] else "paper", 80) for n, row in enumerate(rows)], both
        ),
        _text_layer([_group_texts(row, n, figures[n], both) for n, row in enumerate(rows)]),
    ]
    tall = 40 * len(rows)
    return build_chart(layers, description, {"wide": (WIDE, tall), "narrow": (NARROW, tall)})


class _RowLayout(NamedTuple):
    """Where rows of one drawing stand: its width, first value and pixels of one unit, the height of a row, the top."""

    width: int
    low: float
    unit: float
    row_height: int
    top: int

    def at(self, value: float) -> float:
        """A value in pixels from the left."""
        return round(5 + (value - self.low) * self.unit, 1)

    def y(self, place: int, offset: float) -> float:
        """So far down in a row, in pixels from the top."""
        return self.top + self.row_height * place + offset

    @property
    def middle(self) -> int:
        """Where the marks of a row stand below its words."""
        return self.row_height - 12


def _bar_layer(
    bars_in_rows: Sequence[tuple[tuple[float, float], int, float, float, str]], layouts: list[_RowLayout]
) -> Any:
    """Bars from value to value, each in its row, from so far down to so far down in the wide drawing."""
    wide, narrow = layouts
    rows = []
    for (low, high), place, top, end, ink in bars_in_rows:
        more = narrow.row_height - wide.row_height
        rows.append({
            "x": wide.at(low), "x2": max(wide.at(high), wide.at(low) + 1), "nx": narrow.at(low),
            "nx2": max(narrow.at(high), narrow.at(low) + 1), "y": wide.y(place, top), "y2": wide.y(place, end),
            "ny": narrow.y(place, top + more), "ny2": narrow.y(place, end + more), "c": colour(ink),
        })  # fmt: skip
    where = {name: wide_or_narrow(name) for name in ("x", "x2", "y", "y2")}
    return make_layer("rect", rows, {**where, "fill": {"expr": "datum.c"}, "opacity": 1})


def _dot_layer(dots: Sequence[tuple[float, int, str, int]], layouts: list[_RowLayout]) -> Any:
    """Dots at a value in a row; one of no colour is a ring."""
    wide, narrow = layouts
    rows = [
        {"x": wide.at(value), "nx": narrow.at(value), "y": wide.y(place, wide.middle),
         "ny": narrow.y(place, narrow.middle), "c": colour(ink) if ink else "transparent", "s": size}
        for value, place, ink, size in dots
    ]  # fmt: skip
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("mark"), "strokeWidth": 1.75}
    return make_layer("point", rows, {"x": wide_or_narrow("x"), "y": wide_or_narrow("y"), "opacity": 1, **dot})


def _group_texts(row: dict[str, Any], place: int, figure: str, layouts: list[_RowLayout]) -> ChartRows:
    """A group's name and counts above its line, and its figure behind it."""
    counts = f"{figures.format_count(int(row['counted']), int(row['at_fault']))}; rest "
    counts += figures.format_count(int(row["rest_counted"]), int(row["rest_at_fault"]))
    wide, narrow = layouts
    name = _truncate_bold(row["label"], narrow.width - 8)
    start = round(bold_text_ems(name) * 13 + 10)
    fits = start + text_width(counts, 13) < narrow.width
    ends = {"x": wide.at(row["high"]) + 9, "nx": narrow.at(row["high"]) + 9}
    at = {"y": wide.y(place, 11), "ny": narrow.y(place, 11)}
    return [
        {"t": name, "nt": name, "x": 0, "nx": 0, "w": "bold", **at},
        {"t": counts, "nt": counts if fits else "", "x": start, "nx": start, "w": "normal", **at},
        {"t": figure, "nt": figure, **ends, "y": wide.y(place, 32), "ny": narrow.y(place, 32), "w": "bold"},
    ]  # fmt: skip


def _truncate_bold(text: str, width: float) -> str:
    """A bold text, cut where it would be wider than there is room."""
    while bold_text_ems(text) * 13 > width and len(text) > 8:
        text = text[:-2].rstrip() + "…"
    return text


def _text_layer(row_texts: Iterable[ChartRows]) -> Any:
    """The words of all rows as one layer."""
    setting = {
        "fontWeight": {"expr": "datum.w"},
        "align": "left",
        "baseline": "alphabetic",
        "text": wide_or_narrow("t"),
    }
    rows = [row for rows in row_texts for row in rows]
    return make_layer("text", rows, {**setting, "x": wide_or_narrow("x"), "y": wide_or_narrow("y")})


@SKIP_VALIDATION
def our_and_marketplace_rates(sides: pd.DataFrame, *, description: str = "") -> alt.LayerChart:
    """How far do our rates and the marketplace's stand from each other, and from the limit?

    `sides` has one row a measure: label, ours, theirs (shares of what the target allows that are used up), and both
    rates as they are written. Ours is a dot, theirs a ring.
    """
    rows = sides.to_dict("records")
    high = min(3.0, max(1.2, *(max(row["ours"], row["theirs"]) * 1.04 for row in rows)))
    both = [_RowLayout(width, 0.0, (width - 14) / high, pitch, 20) for width, pitch in ((WIDE, 38), (NARROW, 56))]
    last = len(rows) - 1
    layers = [
        make_layer("rect", [{}], {"x": _number_by_width([bars.at(1) for bars in both]), "x2": {"expr": "width"},
                    "y": 20,
                                "y2": {"expr": "height"}, "fill": colour("zone"), "opacity": 1}),
        _bar_layer([((0, high), n, 26, 27, "rule") for n in range(last + 1)], both),
        _bar_layer([((1, 1), n, 16, 36, "rule-strong") for n in range(last + 1)], both),
        _dot_layer([(min(row["theirs"], high), n, "", 190) for n, row in enumerate(rows)], both),
        _dot_layer([(min(row["ours"], high), n, "mark", 60) for n, row in enumerate(rows)], both),
        _text_layer([_limit_texts(both), *(_measure_texts(row, n, both) for n, row in enumerate(rows))]),
    ]  # fmt: skip
    heights = {"wide": (WIDE, 24 + 38 * len(rows)), "narrow": (NARROW, 24 + 56 * len(rows))}
    return build_chart(layers, description, heights)


def _number_by_width(values: Sequence[float]) -> dict[str, str]:
    """A number that is another one in the narrow drawing."""
    return {"expr": f"{NARROW_EXPR} ? {values[1]} : {values[0]}"}


def _limit_texts(layouts: list[_RowLayout]) -> ChartRows:
    """The name of the limit, over its line."""
    x, narrow = (round(bars.at(1) - text_width("Limit", 13, True) / 2, 1) for bars in layouts)
    return [{"t": "Limit", "nt": "Limit", "x": x, "nx": narrow, "y": 11, "ny": 11, "w": "bold"}]


def _measure_texts(row: dict[str, Any], place: int, layouts: list[_RowLayout]) -> ChartRows:
    """A measure's name and both rates: in one line, or in the narrow drawing in two."""
    wide, narrow = layouts
    name, rates = (
        _truncate_bold(row["label"], narrow.width - 8),
        reconciliation_text.format_both_rates(row["ours_rate"], row["theirs_rate"], row["ours"] == row["theirs"]),
    )
    start = round(bold_text_ems(name) * 13 + 10)
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
