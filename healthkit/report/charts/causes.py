"""What the orders at fault share: a square for each, grouped by cause."""

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
    text_width,
    wide_or_narrow,
)
from healthkit.report.text import figures, labels

MAX_SQUARES = 60
"""Up to so many orders are drawn as one square each; more become bars."""


@SKIP_VALIDATION
def defects_by_cause(
    at_fault: pd.DataFrame, highlighted: pd.Series | None = None, highlight_label: str = "", *, description: str = ""
) -> alt.LayerChart:
    """What went wrong with the orders at fault? One square an order, or bars beyond 60.

    An order with two causes stands once, under both names, so the groups add up to the whole. Orders that
    `named` marks stand first and stand out; `name` says what they are, as in "on the tent".
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
    setting = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic"}
    setting["text"] = wide_or_narrow("t")
    texts = make_layer("text", names, {**where, **setting})
    return build_chart([squares, texts], description, {"wide": (HALF, high_wide), "narrow": (NARROW, high_narrow)})


class _CauseGroup(NamedTuple):
    """The orders that share the same causes: how many, and how many of them are named."""

    name: str
    n: int
    named: int


def _cause_groups(at_fault: pd.DataFrame, highlighted: pd.Series | None) -> list[_CauseGroup]:
    """Orders by what went wrong with them, most first."""
    dark = highlighted.astype(bool) if highlighted is not None else pd.Series(False, index=at_fault.index)
    together = dark.groupby(at_fault["causes"]).agg(["size", "sum"]).reset_index()
    groups = [
        _CauseGroup(labels.capitalise_first(labels.causes_phrase(causes)), int(n), int(k))
        for causes, n, k in together.to_numpy()
    ]
    return sorted(groups, key=lambda group: (-group.n, group.name))


def _lay_out_groups(
    groups: list[_CauseGroup], highlight_label: str, width: int
) -> tuple[tuple[ChartRows, ChartRows], int]:
    """Marks and names of all groups for one width, from the top down, and the height they take."""
    total, most = sum(group.n for group in groups), max((group.n for group in groups), default=1)
    marks: ChartRows = []
    names: ChartRows = []
    top = 14
    for group in groups:
        names += _group_name(group, highlight_label, width, top)
        if total <= MAX_SQUARES:
            rows, high = _square_rows(group, width, top + 9)
        else:
            rows, high = _bar_rows(group, (width - 4) / most, top + 9), 14
        marks += rows
        top += high + 34
    return (marks, names), top - 18


def _group_name(group: _CauseGroup, highlight_label: str, width: int, top: int) -> ChartRows:
    """A group's name and count, and in the same line how many of it are named, as far as the line reaches."""
    head = f"{group.name}: {figures.format_number(group.n)}"
    start = round(bold_text_ems(head) * 13 + 10)
    rest = f"{figures.format_number(group.named)} {highlight_label}" if group.named else ""
    while text_width(rest, 13) * 1.08 > width - start and len(rest) > 14:
        rest = rest[:-2].rstrip() + "…"
    return [
        {"t": head, "x": 0, "y": top, "w": "bold"},
        {"t": rest if len(rest) > 14 else "", "x": start, "y": top, "w": "normal"},
    ]


def _square_rows(group: _CauseGroup, width: int, top: int) -> tuple[ChartRows, int]:
    """One square an order, named ones first."""
    across = max(1, (width + 3) // 17)
    inks = [colour("mark" if n < group.named else "mark-2") for n in range(group.n)]
    rows = [{"x": n % across * 17, "y": top + n // across * 17, "l": 14, "c": ink} for n, ink in enumerate(inks)]
    return rows, math.ceil(group.n / across) * 17 - 3


def _bar_rows(group: _CauseGroup, unit: float, top: int) -> ChartRows:
    """One bar, its named part dark."""
    named = group.named * unit
    return [
        {"x": 0, "y": top, "l": named, "c": colour("mark")},
        {"x": named, "y": top, "l": group.n * unit - named, "c": colour("mark-2")},
    ]
