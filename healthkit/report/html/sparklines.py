"""Small inline SVG charts: the weekly rates of a measure as a line or a strip of bars, and a rating on its scale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from healthkit.report.html.measures import Measure, MeasureWeek
from healthkit.report.model import WEEKS_SHOWN
from healthkit.report.text import figures, labels

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 132, 26
"""Size of a sparkline. [pixels]"""
STRIP_HEIGHT = 24
"""Height of a strip; the line of the limit is 15 pixels above its lower edge. [pixels]"""


def sparkline(measure: Measure) -> Markup:
    """Return the SVG line of the weekly rates of a measure, with a dashed target and a dot in the colour of its status.

    It is empty if fewer than two weeks have a rate.
    """
    rates = [_week_value(week, measure.side) for week in measure.weeks]
    known = [rate for rate in rates if rate is not None]
    if len(known) < 2:
        return Markup("")
    ends = [*known, *([measure.target_value] if measure.target_value is not None else [])]
    low, high = min(ends), max(ends)
    points = [
        None if rate is None else (_week_x(n, len(rates)), _rate_y(rate, low, high)) for n, rate in enumerate(rates)
    ]
    target = "" if measure.target_value is None else _target_path(_rate_y(measure.target_value, low, high))
    drawn = target + f'<path d="{_line_path(points)}" class="spark"/>' + _last_week_dot(points[-1], measure.status)
    size = f'viewBox="0 0 {SPARKLINE_WIDTH} {SPARKLINE_HEIGHT}" width="{SPARKLINE_WIDTH}" height="{SPARKLINE_HEIGHT}"'
    return Markup(f'<svg class="sp" {size} aria-hidden="true">{drawn}</svg>')  # noqa: S704 - computed numbers


def _week_value(week: MeasureWeek, side: str) -> float | None:
    """Return the value of a week, or its rate if the measure is a rate; None if unknown."""
    if week.value is not None and not week.has_no_rate:
        return week.value
    return (
        None if week.has_no_rate or not week.counted else float(figures.exact_rate(week.counted, week.at_fault, side))
    )


def _week_x(position: int, total: int) -> float:
    return round(2 + position * (SPARKLINE_WIDTH - 8) / max(1, total - 1), 1)


def _rate_y(rate: float, low: float, high: float) -> float:
    """Return the y coordinate of a rate; a constant rate is drawn in the middle. [pixels]"""
    share = (rate - low) / (high - low) if high > low else 0.5
    return round(SPARKLINE_HEIGHT - 4 - share * (SPARKLINE_HEIGHT - 8), 1)


def _target_path(y: float) -> str:
    return f'<path d="M0 {y}H{SPARKLINE_WIDTH}" class="level"/>'


def _line_path(points: Sequence[tuple[float, float] | None]) -> str:
    """Return the SVG path of a line through points, with gaps at None.

    Each point is written as its distance from the one before, to a tenth, which takes half the bytes.

    >>> _line_path([(0, 1), None, (2, 3), (4.5, 2.9)])
    'M0 1M2 3l2.5-.1'
    """
    parts: list[str] = []
    before: tuple[float, float] | None = None
    for point in points:
        if point is not None and before is None:
            parts.append(f"M{point[0]:g} {point[1]:g}")
        elif point is not None and before is not None:
            parts.append("l" + _pair(round(point[0] - before[0], 1), round(point[1] - before[1], 1)))
        before = point
    return "".join(parts)


def _pair(x: float, y: float) -> str:
    """Return two numbers of a path in as few letters as SVG allows.

    >>> _pair(0.5, -0.1), _pair(5, 0.2), _pair(-0.5, 3)
    ('.5-.1', '5 .2', '-.5 3')
    """
    first, second = (re.sub(r"^(-?)0\.", r"\1.", f"{value:g}") for value in (x, y))
    return first + second if second.startswith("-") else f"{first} {second}"


def _last_week_dot(point: tuple[float, float] | None, status: str) -> str:
    if point is None:
        return ""
    return f'<circle cx="{point[0]:g}" cy="{point[1]:g}" r="3" class="f-{labels.STATUS_STYLES[status].colour}"/>'


StripWeek = list[Any] | None
"""A week of a strip: the share of the limit used and the status, or None if unknown. A list, as rows are stored as
JSON."""


def weekly_strip(name: str, weeks: Sequence[StripWeek]) -> Markup:
    """Return the SVG bars of the weeks of one measure; the height is the share of the limit used.

    The last week is at the right, the limit is a line over the weeks that have data, and the colour of a bar is that of
    its status.
    """
    if all(week is None for week in weeks):
        description, drawn = "no data", f'<path d="M0 {STRIP_HEIGHT}H52" class="h-none"/>'
    else:
        off = sum(week is not None and week[1] == "off target" for week in weeks)
        description = f"{off} of {len(weeks)} weeks off target"
        drawn = "".join(_strip_bars(weeks, kind, statuses) for kind, statuses in _COLOUR_STATUSES)
        runs = re.finditer(r"\S+", strip_letters(weeks).rjust(WEEKS_SHOWN))
        limit = "".join(f"M{2 * run.start()} {STRIP_HEIGHT - 15}h{2 * len(run[0])}" for run in runs)
        drawn += f'<path d="{limit}" class="h-limit"/>'
    label = Markup("{}: {}").format(name, description)
    return Markup('<svg viewBox="0 0 52 25" width="52" height="25" role="img" aria-label="{}">{}</svg>').format(
        label,
        Markup(drawn),  # noqa: S704 - computed numbers
    )


_STRIP_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~!*()$,;:@"
"""One letter for each height (0 to 24 pixels) and status of a bar, as `index.js` reads them."""


def strip_letters(weeks: Sequence[StripWeek]) -> str:
    """Return the weeks of a strip as one letter each, which `index.js` draws; a blank for a week without data.

    The place of a letter is three times the height of the bar in pixels, and the number of its status.

    >>> strip_letters([[0.5, "on target"], None, [1.2, "off target"]])
    'o U'
    """
    statuses = [status for _, names in _COLOUR_STATUSES for status in names]
    return "".join(
        " "
        if week is None or week[1] not in statuses
        else _STRIP_LETTERS[3 * max(1, round(min(week[0], 1.6) * 15)) + statuses.index(week[1])]
        for week in weeks
    )


_COLOUR_STATUSES = (("on", ("on target",)), ("risk", ("at risk",)), ("off", ("off target",)))
"""Colours of the bars of a strip, each with its statuses."""


def _strip_bars(weeks: Sequence[StripWeek], kind: str, statuses: Sequence[str]) -> str:
    """Return the bars of one colour as one SVG path, two pixels a week; missing first weeks are left empty."""
    bars = [
        f"M{2 * n + 1} {STRIP_HEIGHT}v{-max(1.0, round(min(week[0], 1.6) * 15, 1)):g}"
        for n, week in enumerate(weeks, WEEKS_SHOWN - len(weeks))
        if week is not None and week[1] in statuses
    ]
    return f'<path d="{"".join(bars)}" class="h-{kind}"/>' if bars else ""


def rating_scale(rating: float, off_under: int, on_from: int, maximum: int, previous_text: str) -> Markup:
    """Return the SVG of a rating on a scale from 0 to its maximum, with ranges in the colours of their status.

    `previous_text` is shown next to the rating. Widths are in percent, so that the drawing fits a page and a phone
    without scaling.
    """
    ends = [0, off_under, on_from, maximum]
    parts = "".join(
        f'<rect x="{_percent_of_width(low, maximum)}" y="30" width="{_percent_of_width(high - low, maximum)}" '
        f'height="12" class="f-{kind} gap"/>'
        for low, high, kind in zip(ends, ends[1:], ("off", "risk", "on"), strict=False)
    )
    x = _percent_of_width(min(max(rating, 0), maximum), maximum)
    share = rating / maximum
    anchor = "start" if share < 0.3 else "end" if share > 0.7 else "middle"
    names = "".join(
        f'<text x="{_percent_of_width(end, maximum)}" y="58" text-anchor="{align}">{figures.format_number(end)}</text>'
        for end, align in zip(ends, ("start", "middle", "middle", "end"), strict=True)
    )
    rating_text = Markup('<text x="{}" y="18" text-anchor="{}"><tspan class="big">{}</tspan> {}</text>').format(
        x, anchor, figures.format_number(round(rating)), previous_text
    )
    mark = f'<line x1="{x}" x2="{x}" y1="24" y2="46" class="need"/>'
    label = Markup("{} of {} {}").format(
        figures.format_number(round(rating)), figures.format_number(maximum), previous_text
    )
    return Markup('<svg class="scale" width="100%" height="62" role="img" aria-label="{}">{}{}</svg>').format(
        label,
        Markup(parts + mark + names),  # noqa: S704 - computed numbers
        rating_text,
    )


def _percent_of_width(value: float, maximum: float) -> str:
    """Return a value as a percentage of the width, which is `maximum`.

    >>> _percent_of_width(228, 1000)
    '22.8%'
    """
    return f"{value / maximum * 100:g}%"
