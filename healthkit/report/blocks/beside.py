"""The marketplace's own figures beside ours, with every difference put down to a cause or called not found."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.block import Block, rendered
from healthkit.report.blocks.findings import JUDGED

if TYPE_CHECKING:
    from healthkit.report.model import Monthly


def reconciled(monthly: Monthly) -> Block:
    """Both counts, rates and statuses of each measure, and why they differ; empty where nothing was reported."""
    rows = sorted(monthly.reconciled, key=_rank)
    if not rows:
        return Block("")
    other_status = [_label(one) for one in rows if _judged_otherwise(one)]
    chart = _figure(rows)
    html = rendered(
        "beside.html.j2",
        title=wording.beside.beside_title(len(rows), other_status, sum(not one.agrees for one in rows)),
        rows=[_row(one, monthly.as_of.year) for one in rows],
        figure=chart[0] if chart else None,
        lacking=wording.beside.no_figure(_lacking(monthly), max(one.as_of for one in rows), monthly.as_of.year),
    )
    return Block(html, {chart[0]["id"]: chart[1]} if chart else {})


def _rank(one: Any) -> tuple[bool, bool, int, str]:
    """Another status first, then other counts, then in the order of the words."""
    return not _judged_otherwise(one), one.agrees, list(wording.METRICS).index(one.metric), one.channel


def _judged_otherwise(one: Any) -> bool:
    return one.status != one.their_status and {one.status, one.their_status} <= set(JUDGED)


def _label(one: Any) -> str:
    """A measure as a label, with its window where the rule judges several, and its channel where it must be said."""
    label = wording.heading(one.metric, one.window if len(one.rule.windows) > 1 else 0)
    return label if one.channel in ("seller", "all") else f"{label}, {wording.CHANNELS[one.channel]}"


def _row(one: Any, year: int) -> dict[str, Any]:
    """One measure: both sides in figures, and why they differ."""
    side, share = findings.asked(one.rule)
    return {
        "label": _label(one),
        "days": wording.days(one.first_day, one.last_day, year),
        "sides": [
            {"rate": wording.rate(n, k, side, share), "count": wording.count(n, k, side) if n else "",
             "status": wording.STATUSES[status] if _judged_otherwise(one) else None}
            for (n, k), status in ((one.ours, one.status), (one.theirs, one.their_status))
        ],
        "proxy": one.proxy,
        "why": _why(one, year),
        "contradiction": wording.beside.contradicts(one.contradiction) if one.contradiction else "",
    }  # fmt: skip


def _why(one: Any, year: int) -> list[tuple[str, tuple[str, ...], str]]:
    """The reasons, each with the first orders that it names, and how many more there are."""
    noun = wording.metric(one.metric).noun
    last = one.as_of - timedelta(days=one.rule.lag)
    first = last - timedelta(days=one.window - 1)
    lines = []
    for cause, counted, at_fault, ids in one.differences:
        cause_text = wording.beside.reason(
            cause, counted, at_fault, noun, perhaps=cause in one.perhaps, missing=one.missing
        )
        if cause == "window":
            # Its orders are those of whole days, which the days name better.
            cause_text, ids = (
                f"{cause_text} {wording.beside.other_days(one.first_day, one.last_day, first, last, year)}",
                (),
            )
        lines.append((cause_text, ids[: wording.beside.NAMED], wording.beside.more_orders(len(ids))))
    lines += [(wording.beside.part(*part), (), "") for part in one.parts]
    return lines or [(wording.beside.NO_DIFFERENCE, (), "")]


def _lacking(monthly: Monthly) -> list[str]:
    """The judged measures of which the marketplace's report holds no figure, in words."""
    given = {(one.metric, one.channel, one.window) for one in monthly.reconciled}
    named = set(monthly.reported["metric"]) if "metric" in monthly.reported else set()
    rows = [
        row for row in findings.measures(monthly)
        if row.status in JUDGED and (row.metric, row.channel, row.window) not in given
        and (row.is_rate or row.metric not in named) and row.theirs is None
    ]  # fmt: skip
    windows: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        spoken = row.standing
        windows.setdefault((row.metric, spoken.channel), []).extend([spoken.window] if spoken.window else [])
    return [wording.over_windows(*key, held) for key, held in windows.items()]


def _figure(rows: list[Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Both rates of each measure that has a target, on one scale: the share of what is allowed that is used up."""
    held = [one for one in rows if one.rule.target is not None and one.ours[0] and one.theirs[0]]
    if not held:
        return None
    sides = pd.DataFrame([_sides(one) for one in held])
    far = sides.loc[(sides["ours"] - sides["theirs"]).abs().idxmax()]
    title = wording.beside.sides_title(
        far["label"], far["ours_rate"], far["theirs_rate"], far["limit"], far["ours"] == far["theirs"]
    )
    chart = charts.ours_beside_theirs(sides, finding=title)
    return {"id": "beside-chart", "title": title, "caption": [wording.beside.SIDES_CAPTION]}, charts.spec(chart)


def _sides(one: Any) -> dict[str, Any]:
    """One measure's two rates, as shares of what is allowed and in words."""
    side, share = findings.asked(one.rule)
    (n, k), (their_n, their_k) = one.ours, one.theirs
    return {
        "label": _label(one), "limit": wording.limit(side, share),
        "ours": one.rule.target.share_used(n, k) or 0.0, "ours_rate": wording.rate(n, k, side, share),
        "theirs": one.rule.target.share_used(their_n, their_k) or 0.0,
        "theirs_rate": wording.rate(their_n, their_k, side, share),
    }  # fmt: skip
