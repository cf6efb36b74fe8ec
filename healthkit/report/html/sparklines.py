"""Small drawings of our own: a measure's 26 weeks as a line, an account's as a strip of bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from healthkit.report.html.measures import Measure, MeasureWeek
from healthkit.report.model import WEEKS_SHOWN
from healthkit.report.text import figures, labels

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 132, 26
STRIP_HEIGHT = 24
"""Height of a strip; its limit stands at ten sixteenths. [pixels]"""


def sparkline(measure: Measure) -> Markup:
    """Return a measure's weeks as a line, its target dashed, the last week a dot in the colour of the status.

    Returns nothing where fewer than two weeks say anything.
    """
    rates = [_week_value(week, measure.side) for week in measure.weeks]
    known = [rate for rate in rates if rate is not None]
    if len(known) < 2:
        return Markup("")
    ends = [*known, *([measure.target_value] if measure.target_value is not None else [])]
    low, high = min(ends), max(ends)
    places = [
        None if rate is None else (_week_x(n, len(rates)), _rate_y(rate, low, high)) for n, rate in enumerate(rates)
    ]
    target = "" if measure.target_value is None else _target_path(_rate_y(measure.target_value, low, high))
    drawn = target + f'<path d="{_line_path(places)}" class="spark"/>' + _last_week_dot(places[-1], measure.status)
    size = f'viewBox="0 0 {SPARKLINE_WIDTH} {SPARKLINE_HEIGHT}" width="{SPARKLINE_WIDTH}" height="{SPARKLINE_HEIGHT}"'
    return Markup(f'<svg class="sp" {size} aria-hidden="true">{drawn}</svg>')  # noqa: S704 - numbers of ours


def _week_value(week: MeasureWeek, side: str) -> float | None:
    """Return what a week shows: its own figure, or its rate."""
    if week.value is not None and not week.has_no_rate:
        return week.value
    return (
        None if week.has_no_rate or not week.counted else float(figures.exact_rate(week.counted, week.at_fault, side))
    )


def _week_x(position: int, total: int) -> float:
    return round(2 + position * (SPARKLINE_WIDTH - 8) / max(1, total - 1), 1)


def _rate_y(rate: float, low: float, high: float) -> float:
    """Return a rate's height; a flat line stands in the middle."""
    share = (rate - low) / (high - low) if high > low else 0.5
    return round(SPARKLINE_HEIGHT - 4 - share * (SPARKLINE_HEIGHT - 8), 1)


def _target_path(y: float) -> str:
    return f'<path d="M0 {y}H{SPARKLINE_WIDTH}" class="level"/>'


def _line_path(places: Sequence[tuple[float, float] | None]) -> str:
    """Return a line with gaps where a week says nothing.

    >>> _line_path([(0, 1), None, (2, 3), (4, 5)])
    'M0 1M2 3L4 5'
    """
    parts, pen = [], "M"
    for place in places:
        if place is not None:
            parts.append(f"{pen}{place[0]:g} {place[1]:g}")
        pen = "M" if place is None else "L"
    return "".join(parts)


def _last_week_dot(place: tuple[float, float] | None, status: str) -> str:
    if place is None:
        return ""
    return f'<circle cx="{place[0]:g}" cy="{place[1]:g}" r="3" class="f-{labels.STATUS_STYLES[status].colour}"/>'


StripWeek = list[Any] | None
"""A week of a strip: the share of the limit that was used, and the status; None where nothing is known. A list,
as rows are kept as JSON."""


def weekly_strip(name: str, weeks: Sequence[StripWeek]) -> Markup:
    """An account's weeks in one measure, the last at the right: height is the share of the limit, the line the limit.

    The colour is that of each week's status.
    """
    if all(week is None for week in weeks):
        description, drawn = "no data", f'<path d="M0 {STRIP_HEIGHT}H52" class="h-none"/>'
    else:
        off = sum(week is not None and week[1] == "off target" for week in weeks)
        description = f"{off} of {len(weeks)} weeks off target"
        drawn = "".join(_strip_bars(weeks, kind, statuses) for kind, statuses in _COLOUR_STATUSES)
        drawn += f'<path d="M0 {STRIP_HEIGHT - 15}H52" class="h-limit"/>'
    label = Markup("{}: {}").format(name, description)
    return Markup('<svg viewBox="0 0 52 25" width="52" height="25" role="img" aria-label="{}">{}</svg>').format(
        label,
        Markup(drawn),  # noqa: S704 - numbers of ours
    )


_COLOUR_STATUSES = (("on", ("on target",)), ("risk", ("at risk",)), ("off", ("off target",)))
"""The colours of a strip, each with the statuses that have it."""


def _strip_bars(weeks: Sequence[StripWeek], kind: str, statuses: Sequence[str]) -> str:
    """The weeks of one colour as one path, two pixels a week; where they are fewer, the first ones stay empty."""
    bars = [
        f"M{2 * n + 1} {STRIP_HEIGHT}v{-max(1.0, round(min(week[0], 1.6) * 15, 1)):g}"
        for n, week in enumerate(weeks, WEEKS_SHOWN - len(weeks))
        if week is not None and week[1] in statuses
    ]
    return f'<path d="{"".join(bars)}" class="h-{kind}"/>' if bars else ""


def rating_scale(rating: float, off_under: int, on_from: int, maximum: int, previous_text: str) -> Markup:
    """A rating on its scale from 0 to the most, its parts in the colours of their status; `was` is said beside it.

    Widths are shares of the drawing's own, so that it fits a page and a phone without being shrunk.
    """
    ends = [0, off_under, on_from, maximum]
    parts = "".join(
        f'<rect x="{_percent_of_width(low, maximum)}" y="30" width="{_percent_of_width(high - low, maximum)}" '
        f'height="12" class="f-{kind} gap"/>'
        for low, high, kind in zip(ends, ends[1:], ("off", "risk", "on"), strict=False)
    )
    at = _percent_of_width(min(max(rating, 0), maximum), maximum)
    share = rating / maximum
    anchor = "start" if share < 0.3 else "end" if share > 0.7 else "middle"
    names = "".join(
        f'<text x="{_percent_of_width(end, maximum)}" y="58" text-anchor="{place}">{figures.format_number(end)}</text>'
        for end, place in zip(ends, ("start", "middle", "middle", "end"), strict=True)
    )
    said = Markup('<text x="{}" y="18" text-anchor="{}"><tspan class="big">{}</tspan> {}</text>').format(
        at, anchor, figures.format_number(round(rating)), previous_text
    )
    mark = f'<line x1="{at}" x2="{at}" y1="24" y2="46" class="need"/>'
    label = Markup("{} of {} {}").format(
        figures.format_number(round(rating)), figures.format_number(maximum), previous_text
    )
    return Markup('<svg class="scale" width="100%" height="62" role="img" aria-label="{}">{}{}</svg>').format(
        label,
        Markup(parts + mark + names),  # noqa: S704 - numbers of ours
        said,
    )


def _percent_of_width(value: float, maximum: float) -> str:
    """Return a value as a share of the whole width.

    >>> _percent_of_width(228, 1000)
    '22.8%'
    """
    return f"{value / maximum * 100:g}%"
