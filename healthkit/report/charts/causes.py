"""The chart of orders at fault by cause."""

from __future__ import annotations

import math
from typing import NamedTuple

import altair as alt
import pandas as pd

from healthkit.report.charts.style import (
    HALF,
    NARROW,
    NARROW_EXPR,
    SKIP_VALIDATION,
    ChartRows,
    bold_text_ems,
    build_chart,
    colour,
    make_layer,
    text_layer,
    text_width,
    truncate,
    wide_or_narrow,
)
from healthkit.report.text import figures, labels

MAX_SQUARES = 60
"""Maximum number of orders that are drawn as one square each; more orders are drawn as bars."""


@SKIP_VALIDATION
def defects_by_cause(
    at_fault: pd.DataFrame, highlighted: pd.Series | None = None, highlight_label: str = "", *, description: str = ""
) -> alt.LayerChart:
    """Return a chart of orders at fault by cause: one square per order, or bars for more than 60 orders.

    An order with two causes is drawn once, in a group named after both, so the groups add up to the total. Orders that
    `highlighted` marks come first and are dark; `highlight_label` describes them, as in "on the tent".
    """
    groups = _cause_groups(at_fault, highlighted)
    wide, high_wide = _lay_out_groups(groups, highlight_label, HALF)
    narrow, high_narrow = _lay_out_groups(groups, highlight_label, NARROW)
    marks = [a | {"nx": b["x"], "ny": b["y"], "nl": b["l"]} for a, b in zip(wide[0], narrow[0], strict=True)]
    names = [a | {"nx": b["x"], "ny": b["y"], "nt": b["t"]} for a, b in zip(wide[1], narrow[1], strict=True)]
    where = {"x": wide_or_narrow("x"), "y": wide_or_narrow("y")}
    ends = {"x2": {"expr": f"{NARROW_EXPR} ? datum.nx + datum.nl : datum.x + datum.l"},
            "y2": {"expr": f"({NARROW_EXPR} ? datum.ny : datum.y) + 14"}}  # fmt: skip
    squares = make_layer("rect", marks, {**where, **ends, "fill": {"expr": "datum.c"}, "opacity": 1})
    texts = text_layer(names, wide_or_narrow("t"))
    return build_chart([squares, texts], description, {"wide": (HALF, high_wide), "narrow": (NARROW, high_narrow)})


class _CauseGroup(NamedTuple):
    """The orders with the same causes: their number, and how many of them are highlighted."""

    name: str
    size: int
    highlighted: int


def _cause_groups(at_fault: pd.DataFrame, highlighted: pd.Series | None) -> list[_CauseGroup]:
    """Return the groups of orders by causes, the largest first."""
    dark = highlighted.astype(bool) if highlighted is not None else pd.Series(False, index=at_fault.index)
    together = dark.groupby(at_fault["causes"]).agg(["size", "sum"]).reset_index()
    groups = [
        _CauseGroup(labels.capitalise_first(labels.causes_phrase(causes)), int(n), int(k))
        for causes, n, k in together.to_numpy()
    ]
    return sorted(groups, key=lambda group: (-group.size, group.name))


def _lay_out_groups(
    groups: list[_CauseGroup], highlight_label: str, width: int
) -> tuple[tuple[ChartRows, ChartRows], int]:
    """Return marks and names of all groups for one width, from the top down, and the total height. [pixels]"""
    total, largest = sum(group.size for group in groups), max((group.size for group in groups), default=1)
    marks: ChartRows = []
    names: ChartRows = []
    top = 14
    for group in groups:
        names += _group_name(group, highlight_label, width, top)
        if total <= MAX_SQUARES:
            rows, high = _square_rows(group, width, top + 9)
        else:
            rows, high = _bar_rows(group, (width - 4) / largest, top + 9), 14
        marks += rows
        top += high + 34
    return (marks, names), top - 18


def _group_name(group: _CauseGroup, highlight_label: str, width: int, top: int) -> ChartRows:
    """Return a group's name and size, and behind it the number of highlighted orders, cut to the width."""
    head = f"{group.name}: {figures.format_number(group.size)}"
    start = round(bold_text_ems(head) * 13 + 10)
    rest = f"{figures.format_number(group.highlighted)} {highlight_label}" if group.highlighted else ""
    rest = truncate(rest, width - start, lambda text: text_width(text, 13) * 1.08, 14)
    return [
        {"t": head, "x": 0, "y": top, "w": "bold"},
        {"t": rest if len(rest) > 14 else "", "x": start, "y": top, "w": "normal"},
    ]


def _square_rows(group: _CauseGroup, width: int, top: int) -> tuple[ChartRows, int]:
    """Return one square an order, highlighted orders first, and the height of the squares. [pixels]"""
    across = max(1, (width + 3) // 17)
    colours = [colour("mark" if n < group.highlighted else "mark-2") for n in range(group.size)]
    rows = [{"x": n % across * 17, "y": top + n // across * 17, "l": 14, "c": fill} for n, fill in enumerate(colours)]
    return rows, math.ceil(group.size / across) * 17 - 3


def _bar_rows(group: _CauseGroup, unit: float, top: int) -> ChartRows:
    """Return one bar whose highlighted part is dark; `unit` is the length of one order. [pixels]"""
    dark = group.highlighted * unit
    return [
        {"x": 0, "y": top, "l": dark, "c": colour("mark")},
        {"x": dark, "y": top, "l": group.size * unit - dark, "c": colour("mark-2")},
    ]
