"""Two figures a row beside each other: groups and the rest, ours and the marketplace's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from healthkit.report import wording
from healthkit.report.charts.style import (
    NARROW,
    SMALL,
    UNCHECKED,
    WIDE,
    Rows,
    bold_width,
    colour,
    either,
    finished,
    layer_of,
    text_width,
)


@UNCHECKED
def groups_beside_rest(groups: pd.DataFrame, *, finding: str = "") -> alt.LayerChart:
    """Which groups of orders have more at fault than at the rate of the rest, and how sure is that?

    `groups` holds DRIVERS with a `label` each: a dot is the excess in orders, the line through it its interval; those
    that stand out are filled.
    """
    rows = groups.to_dict("records")
    low, high = min(0.0, *(row["low"] for row in rows)), max(1.0, *(row["high"] for row in rows))
    figures = [
        f"{wording.signed(round(row['excess']), 0)} ({wording.account.excess(row['low'], row['high'])})" for row in rows
    ]
    behind = max(text_width(text, 13, True) for text in figures) + 20
    both = [_Lines(width, low, (width - 10 - behind) / (high - low), 40, 0) for width in (WIDE, NARROW)]
    layers = [
        _strokes([((0, 0), n, 19, 36, "rule-strong") for n in range(len(rows))], both),
        _strokes([((row["low"], row["high"]), n, 27, 29, "mark") for n, row in enumerate(rows)], both),
        _points([(row["excess"], n, "mark" if row["stands_out"] else "paper", 80) for n, row in enumerate(rows)], both),
        _row_texts([_group_words(row, n, figures[n], both) for n, row in enumerate(rows)]),
    ]
    tall = 40 * len(rows)
    return finished(layers, finding, {"wide": (WIDE, tall), "narrow": (NARROW, tall)})


class _Lines(NamedTuple):
    """Where rows of one drawing stand: its width, first value and pixels of one unit, the height of a row, the top."""

    width: int
    low: float
    unit: float
    pitch: int
    top: int

    def at(self, value: float) -> float:
        """A value in pixels from the left."""
        return round(5 + (value - self.low) * self.unit, 1)

    def y(self, place: int, down: float) -> float:
        """So far down in a row, in pixels from the top."""
        return self.top + self.pitch * place + down

    @property
    def middle(self) -> int:
        """Where the marks of a row stand below its words."""
        return self.pitch - 12


def _strokes(held: Sequence[tuple[tuple[float, float], int, float, float, str]], both: list[_Lines]) -> Any:
    """Bars from value to value, each in its row, from so far down to so far down in the wide drawing."""
    wide, narrow = both
    rows = []
    for (low, high), place, top, end, ink in held:
        more = narrow.pitch - wide.pitch
        rows.append({
            "x": wide.at(low), "x2": max(wide.at(high), wide.at(low) + 1), "nx": narrow.at(low),
            "nx2": max(narrow.at(high), narrow.at(low) + 1), "y": wide.y(place, top), "y2": wide.y(place, end),
            "ny": narrow.y(place, top + more), "ny2": narrow.y(place, end + more), "c": colour(ink),
        })  # fmt: skip
    where = {name: either(name) for name in ("x", "x2", "y", "y2")}
    return layer_of("rect", rows, {**where, "fill": {"expr": "datum.c"}, "opacity": 1})


def _points(held: Sequence[tuple[float, int, str, int]], both: list[_Lines]) -> Any:
    """Dots at a value in a row; one of no colour is a ring."""
    wide, narrow = both
    rows = [
        {"x": wide.at(value), "nx": narrow.at(value), "y": wide.y(place, wide.middle),
         "ny": narrow.y(place, narrow.middle), "c": colour(ink) if ink else "transparent", "s": size}
        for value, place, ink, size in held
    ]  # fmt: skip
    dot = {"fill": {"expr": "datum.c"}, "size": {"expr": "datum.s"}, "stroke": colour("mark"), "strokeWidth": 1.75}
    return layer_of("point", rows, {"x": either("x"), "y": either("y"), "opacity": 1, **dot})


def _group_words(row: dict[str, Any], place: int, figure: str, both: list[_Lines]) -> Rows:
    """A group's name and counts above its line, and its figure behind it."""
    counts = f"{wording.count(int(row['counted']), int(row['at_fault']))}; rest "
    counts += wording.count(int(row["rest_counted"]), int(row["rest_at_fault"]))
    wide, narrow = both
    name = _fitting(row["label"], narrow.width - 8)
    start = round(bold_width(name) * 13 + 10)
    fits = start + text_width(counts, 13) < narrow.width
    ends = {"x": wide.at(row["high"]) + 9, "nx": narrow.at(row["high"]) + 9}
    at = {"y": wide.y(place, 11), "ny": narrow.y(place, 11)}
    return [
        {"t": name, "nt": name, "x": 0, "nx": 0, "w": "bold", **at},
        {"t": counts, "nt": counts if fits else "", "x": start, "nx": start, "w": "normal", **at},
        {"t": figure, "nt": figure, **ends, "y": wide.y(place, 32), "ny": narrow.y(place, 32), "w": "bold"},
    ]  # fmt: skip


def _fitting(text: str, width: float) -> str:
    """A bold text, cut where it would be wider than there is room."""
    while bold_width(text) * 13 > width and len(text) > 8:
        text = text[:-2].rstrip() + "…"
    return text


def _row_texts(held: Iterable[Rows]) -> Any:
    """The words of all rows as one layer."""
    setting = {"fontWeight": {"expr": "datum.w"}, "align": "left", "baseline": "alphabetic", "text": either("t")}
    rows = [row for rows in held for row in rows]
    return layer_of("text", rows, {**setting, "x": either("x"), "y": either("y")})


@UNCHECKED
def ours_beside_theirs(sides: pd.DataFrame, *, finding: str = "") -> alt.LayerChart:
    """How far do our rates and the marketplace's stand from each other, and from the limit?

    `sides` has one row a measure: label, ours, theirs (shares of what the target allows that are used up), and both
    rates as they are written. Ours is a dot, theirs a ring.
    """
    rows = sides.to_dict("records")
    high = min(3.0, max(1.2, *(max(row["ours"], row["theirs"]) * 1.04 for row in rows)))
    both = [_Lines(width, 0.0, (width - 14) / high, pitch, 20) for width, pitch in ((WIDE, 38), (NARROW, 56))]
    last = len(rows) - 1
    layers = [
        layer_of("rect", [{}], {"x": _wide_or([bars.at(1) for bars in both]), "x2": {"expr": "width"}, "y": 20,
                                "y2": {"expr": "height"}, "fill": colour("zone"), "opacity": 1}),
        _strokes([((0, high), n, 26, 27, "rule") for n in range(last + 1)], both),
        _strokes([((1, 1), n, 16, 36, "rule-strong") for n in range(last + 1)], both),
        _points([(min(row["theirs"], high), n, "", 190) for n, row in enumerate(rows)], both),
        _points([(min(row["ours"], high), n, "mark", 60) for n, row in enumerate(rows)], both),
        _row_texts([_limit_words(both), *(_side_words(row, n, both) for n, row in enumerate(rows))]),
    ]  # fmt: skip
    heights = {"wide": (WIDE, 24 + 38 * len(rows)), "narrow": (NARROW, 24 + 56 * len(rows))}
    return finished(layers, finding, heights)


def _wide_or(values: Sequence[float]) -> dict[str, str]:
    """A number that is another one in the narrow drawing."""
    return {"expr": f"{SMALL} ? {values[1]} : {values[0]}"}


def _limit_words(both: list[_Lines]) -> Rows:
    """The name of the limit, over its line."""
    x, narrow = (round(bars.at(1) - text_width("Limit", 13, True) / 2, 1) for bars in both)
    return [{"t": "Limit", "nt": "Limit", "x": x, "nx": narrow, "y": 11, "ny": 11, "w": "bold"}]


def _side_words(row: dict[str, Any], place: int, both: list[_Lines]) -> Rows:
    """A measure's name and both rates: in one line, or in the narrow drawing in two."""
    wide, narrow = both
    name, rates = (
        _fitting(row["label"], narrow.width - 8),
        wording.beside.both_rates(row["ours_rate"], row["theirs_rate"], row["ours"] == row["theirs"]),
    )
    start = round(bold_width(name) * 13 + 10)
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
