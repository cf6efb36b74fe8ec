"""The what-if section of a chapter: sliders with their chart, the same answers as a table, and goals.

The page computes nothing: it looks up the answers that `what_if.score_sliders` computed for all slider positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from healthkit.analysis import goals, what_if
from healthkit.analysis.rolloff import RollOffCalendar
from healthkit.analysis.scenario_futures import StrongStep
from healthkit.analysis.simulation import Simulation
from healthkit.report import charts
from healthkit.report.html import measures
from healthkit.report.html.block import json_for_script
from healthkit.report.html.measures import Measure
from healthkit.report.text import figures, labels
from healthkit.report.text import outlook as outlook_text

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport

TABLE_STEPS = (0, 20, 50, 100)
"""Positions of the first slider that are rows of the table. [percent]"""


def what_if_section(
    row: Measure,
    calendar: RollOffCalendar,
    year: int,
    futures: Simulation | None = None,
    strongest: Sequence[StrongStep] = (),
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the what-if section of a chapter as template values, and its Vega-Lite spec.

    All sliders start at 0%: the page shows the measure as it is. Its `futures` say what is likely as it goes on, and
    the `strongest` steps what is likely with each.
    Returns None if the measure has no target, or no cause of faults that sliders could reduce.
    """
    causes = what_if.slider_causes(calendar, limit=2)
    if not causes or row.target is None:
        return None
    grid = what_if.score_sliders(calendar, causes)
    name, grain = f"{row.anchor}-whatif", what_if.SLIDER_STEPS[len(causes)]
    goals_today = goals.goals(calendar, calendar.as_of)
    first_goal = next(one for one in goals_today if (one.kind, one.cause) == ("cause", causes[0]))
    start = dict.fromkeys(causes, 0)
    section: dict[str, Any] = {
        "id": name,
        "title": outlook_text.what_if_title(),
        "chart": f"{name}-curve",
        "chart_title": outlook_text.curve_title(causes[0], _rate_without_cause(grid, causes, row)),
        "sliders": [
            {"id": f"{name}-{n}", "label": outlook_text.slider_label(cause), "grain": grain, "value": start[cause]}
            for n, cause in enumerate(causes)
        ],
        "answer": _slider_answer(row, calendar, grid, start, year),
        "likely": outlook_text.as_it_goes_on_sentence(phrase)
        if (phrase := likely_phrase(calendar, futures, year))
        else "",
        "strongest": [
            (outlook_text.step_phrase(one.step, row.noun, year), outlook_text.strong_step_phrase(one.simulation, year))
            for one in strongest
        ],
        "strongest_lead": outlook_text.strongest_steps_lead(len(strongest)),
        "data": _slider_data(row, calendar, grid, grain, year),
        "steps": _step_rows(row, calendar, grid, causes, first_goal, year),
        "first": labels.causes_phrase(causes[0], plural=True),
        "goals": _goal_sentences(row, calendar, goals_today, year, futures),
        "notes": [
            outlook_text.BEST_CASE_NOTE,
            *([outlook_text.TWO_CAUSES_NOTE] if _has_several_causes(calendar) else []),
        ],
    }
    chart = charts.what_if_curve(
        grid, causes, row.counted, row.side, row.target, [f"#{one['id']}" for one in section["sliders"]], start,
        description=section["chart_title"],
    )  # fmt: skip
    return section, charts.vega_lite_spec(chart)


def _has_several_causes(calendar: RollOffCalendar) -> bool:
    """Return whether any order at fault has several causes."""
    return bool(calendar.orders["causes"].str.contains("+", regex=False).any())


def _rate_without_cause(grid: pd.DataFrame, causes: list[str], row: Measure) -> str:
    """Return the rate without any fault of the first cause, as text."""
    none = grid[(grid[causes[0]] == 100) & (grid[causes[1:]] == 0).all(axis=1)].iloc[0]
    return figures.format_rate(row.counted, int(none["at_fault"]), row.side, row.target)


def _slider_answer(
    row: Measure, calendar: RollOffCalendar, grid: pd.DataFrame, positions: dict[str, int], year: int
) -> dict[str, str]:
    """Return the new rate, status and return date for one position of the sliders, as text."""
    answer = grid[(grid[list(positions)] == pd.Series(positions)).all(axis=1)].iloc[0]
    status = labels.STATUS_STYLES[answer["status"]]
    return {
        "rate": _rate_with_count(row, int(answer["at_fault"])), "symbol": status.symbol, "colour": status.colour,
        "status": outlook_text.slider_status_phrase(answer["status"], int(answer["headroom"]), row.noun),
        "back": _return_date_text(answer["back_on"], calendar, year),
    }  # fmt: skip


def _rate_with_count(row: Measure, at_fault: int) -> str:
    rate = figures.format_rate(row.counted, at_fault, row.side, row.target)
    return f"{rate} ({figures.format_count(row.counted, at_fault, row.side)})"


def _return_date_text(return_date: Any, calendar: RollOffCalendar, year: int) -> str:
    return outlook_text.format_return_date(
        None if pd.isna(return_date) else measures.as_date(return_date), calendar.as_of, year
    )


def _slider_data(row: Measure, calendar: RollOffCalendar, grid: pd.DataFrame, grain: int, year: int) -> Markup:
    """Return the answers for all slider positions as JSON for `page.js`.

    `counts` and `backs` have one entry a position: the number at fault, and an index into the return dates `days`.
    `answers` has rate and status by number at fault.
    """
    return_dates = [_return_date_text(day, calendar, year) for day in grid["back_on"]]
    distinct_dates = list(dict.fromkeys(return_dates))
    counts = grid.drop_duplicates("at_fault")
    answers = {}
    for count, headroom, status in zip(counts["at_fault"], counts["headroom"], counts["status"], strict=True):
        style = labels.STATUS_STYLES[status]
        phrase = outlook_text.slider_status_phrase(status, int(headroom), row.noun)
        answers[str(count)] = (_rate_with_count(row, int(count)), style.colour, style.symbol, phrase)
    data = {
        "grain": grain, "counts": [int(count) for count in grid["at_fault"]], "answers": answers,
        "backs": [distinct_dates.index(text) for text in return_dates], "days": distinct_dates,
    }  # fmt: skip
    return Markup(json_for_script(data))  # noqa: S704 - escaped JSON


def _step_rows(
    row: Measure, calendar: RollOffCalendar, grid: pd.DataFrame, causes: list[str], goal: goals.Goal, year: int
) -> list[dict[str, Any]]:
    """Return table rows for positions of the first slider, with the other sliders at 0%.

    They include the first position that meets the target.
    """
    alone = grid[(grid[causes[1:]] == 0).all(axis=1)].set_index(causes[0])
    grain = what_if.SLIDER_STEPS[len(causes)]
    enough = [] if not goal.many else [_round_up_to_step(outlook_text.round_up_percent(goal.by), grain)]
    shares = sorted({share for share in (*TABLE_STEPS, *enough) if share in alone.index})
    rows = []
    for share in shares:
        answer = alone.loc[share]
        status = labels.STATUS_STYLES[answer["status"]]
        rows.append({
            "share": f"{share}%", "at_fault": figures.format_number(int(answer["at_fault"])), "status": status,
            "rate": figures.format_rate(row.counted, int(answer["at_fault"]), row.side, row.target),
            "back": _return_date_text(answer["back_on"], calendar, year), "enough": share in enough,
        })  # fmt: skip
    return rows


def _round_up_to_step(share: int, grain: int) -> int:
    """Return a share rounded up to the next position of a slider. [percent]"""
    return min(100, -(-share // grain) * grain)


def _goal_sentences(
    row: Measure, calendar: RollOffCalendar, goals_today: list[goals.Goal], year: int, futures: Simulation | None
) -> list[str]:
    """Return sentences on what must change to be on target on the as-of day and at the end of the next month."""
    if calendar.back_on == calendar.as_of:
        return []
    month = min(calendar.last_day, measures.end_of_month(date.fromordinal(calendar.as_of.toordinal() + 1)))
    lines = []
    for by in (calendar.as_of, month):
        enough = [
            outlook_text.goal_phrase(one.kind, one.cause, one.many, one.by, one.best, row.noun)
            for one in (goals_today if by == calendar.as_of else goals.goals(calendar, by))
            if one.many is not None and one.kind != "waiting" and not (one.kind == "volume" and by == calendar.as_of)
        ]
        off = int(calendar.days.loc[calendar.days["day"] == pd.Timestamp(by), "headroom"].iloc[0]) < 0
        chance = None if futures is None or by > futures.last_day else futures.chance_off(by)
        lines.append(outlook_text.goals_sentence(by, calendar.as_of, enough if off else [], year, chance))
    waiting = next(one for one in goals_today if one.kind == "waiting")
    if waiting.many is None:
        phrase = outlook_text.goal_phrase("waiting", "", None, Fraction(0), None, row.noun)
        lines.append(f"{labels.capitalise_first(phrase)}.")
    return lines


def likely_phrase(calendar: RollOffCalendar, futures: Simulation | None, year: int) -> str:
    """Return `likely_return_phrase`, or "" if no futures were simulated."""
    return "" if futures is None else outlook_text.likely_return_phrase(futures, calendar, year)


def likely_phrase_of(report: MonthlyReport, row: Measure) -> str:
    """Return what is likely for a measure of a report; "" if it was not simulated, or its figure is not ours."""
    calendar = measures.measure_calendar(report, row)
    if calendar is None or row.shows_marketplace_figure:
        return ""
    futures = report.futures.get((row.metric, row.channel, row.window))
    return likely_phrase(calendar, futures, report.as_of.year)
