"""Small drawings of our own: a measure's 26 weeks as a line, an account's as a strip of bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from healthkit.report import wording
from healthkit.report.blocks.findings import Measure, Week
from healthkit.report.model import WEEKS

WIDTH, HEIGHT = 132, 26
TALL = 24
"""Height of a strip; its limit stands at ten sixteenths. [pixels]"""


def sparkline(measure: Measure) -> Markup:
    """A measure's weeks as a line, its target dashed, the last week a dot in the colour of the status.

    Returns nothing where fewer than two weeks say anything.
    """
    rates = [_rate(week, measure.side) for week in measure.weeks]
    known = [rate for rate in rates if rate is not None]
    if len(known) < 2:
        return Markup("")
    ends = [*known, *([measure.level] if measure.level is not None else [])]
    low, high = min(ends), max(ends)
    places = [None if rate is None else (_across(n, len(rates)), _up(rate, low, high)) for n, rate in enumerate(rates)]
    target = "" if measure.level is None else _level(_up(measure.level, low, high))
    drawn = target + f'<path d="{_path(places)}" class="spark"/>' + _dot(places[-1], measure.status)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return Markup(f'<svg class="sp" {size} aria-hidden="true">{drawn}</svg>')  # noqa: S704 - numbers of ours


def _rate(week: Week, side: str) -> float | None:
    """What a week shows: its own figure, or its rate."""
    if week.value is not None and not week.silent:
        return week.value
    return None if week.silent or not week.counted else float(wording.exact(week.counted, week.at_fault, side))


def _across(n: int, of: int) -> float:
    return round(2 + n * (WIDTH - 8) / max(1, of - 1), 1)


def _up(rate: float, low: float, high: float) -> float:
    """A rate's height; a flat line stands in the middle."""
    share = (rate - low) / (high - low) if high > low else 0.5
    return round(HEIGHT - 4 - share * (HEIGHT - 8), 1)


def _level(y: float) -> str:
    return f'<path d="M0 {y}H{WIDTH}" class="level"/>'


def _path(places: Sequence[tuple[float, float] | None]) -> str:
    """A line with gaps where a week says nothing.

    >>> _path([(0, 1), None, (2, 3), (4, 5)])
    'M0 1M2 3L4 5'
    """
    parts, pen = [], "M"
    for place in places:
        if place is not None:
            parts.append(f"{pen}{place[0]:g} {place[1]:g}")
        pen = "M" if place is None else "L"
    return "".join(parts)


def _dot(place: tuple[float, float] | None, status: str) -> str:
    if place is None:
        return ""
    return f'<circle cx="{place[0]:g}" cy="{place[1]:g}" r="3" class="f-{wording.STATUSES[status].colour}"/>'


Bar = list[Any] | None
"""A week of a strip: the share of the limit that was used, and the status; None where nothing is known. A list,
as rows are kept as JSON."""


def strip(name: str, weeks: Sequence[Bar]) -> Markup:
    """An account's weeks in one measure, the last at the right: height is the share of the limit, the line the limit.

    The colour is that of each week's status.
    """
    if all(week is None for week in weeks):
        description, drawn = "no data", f'<path d="M0 {TALL}H52" class="h-none"/>'
    else:
        off = sum(week is not None and week[1] == "off target" for week in weeks)
        description = f"{off} of {len(weeks)} weeks off target"
        drawn = "".join(_bars(weeks, kind, statuses) for kind, statuses in _KINDS)
        drawn += f'<path d="M0 {TALL - 15}H52" class="h-limit"/>'
    label = Markup("{}: {}").format(name, description)
    return Markup('<svg viewBox="0 0 52 25" width="52" height="25" role="img" aria-label="{}">{}</svg>').format(
        label,
        Markup(drawn),  # noqa: S704 - numbers of ours
    )


_KINDS = (("on", ("on target",)), ("risk", ("at risk",)), ("off", ("off target",)))
"""The colours of a strip, each with the statuses that have it."""


def _bars(weeks: Sequence[Bar], kind: str, statuses: Sequence[str]) -> str:
    """The weeks of one colour as one path, two pixels a week; where they are fewer, the first ones stay empty."""
    bars = [
        f"M{2 * n + 1} {TALL}v{-max(1.0, round(min(week[0], 1.6) * 15, 1)):g}"
        for n, week in enumerate(weeks, WEEKS - len(weeks))
        if week is not None and week[1] in statuses
    ]
    return f'<path d="{"".join(bars)}" class="h-{kind}"/>' if bars else ""


def scale(held: float, off_under: int, on_from: int, most: int, was: str) -> Markup:
    """A rating on its scale from 0 to the most, its parts in the colours of their status; `was` is said beside it.

    Widths are shares of the drawing's own, so that it fits a page and a phone without being shrunk.
    """
    ends = [0, off_under, on_from, most]
    parts = "".join(
        f'<rect x="{_part(low, most)}" y="30" width="{_part(high - low, most)}" height="12" class="f-{kind} gap"/>'
        for low, high, kind in zip(ends, ends[1:], ("off", "risk", "on"), strict=False)
    )
    at = _part(min(max(held, 0), most), most)
    share = held / most
    anchor = "start" if share < 0.3 else "end" if share > 0.7 else "middle"
    names = "".join(
        f'<text x="{_part(end, most)}" y="58" text-anchor="{place}">{wording.number(end)}</text>'
        for end, place in zip(ends, ("start", "middle", "middle", "end"), strict=True)
    )
    said = Markup('<text x="{}" y="18" text-anchor="{}"><tspan class="big">{}</tspan> {}</text>').format(
        at, anchor, wording.number(round(held)), was
    )
    mark = f'<line x1="{at}" x2="{at}" y1="24" y2="46" class="need"/>'
    label = Markup("{} of {} {}").format(wording.number(round(held)), wording.number(most), was)
    return Markup('<svg class="scale" width="100%" height="62" role="img" aria-label="{}">{}{}</svg>').format(
        label,
        Markup(parts + mark + names),  # noqa: S704 - numbers of ours
        said,
    )


def _part(value: float, most: float) -> str:
    """A value as a share of the whole width.

    >>> _part(228, 1000)
    '22.8%'
    """
    return f"{value / most * 100:g}%"
