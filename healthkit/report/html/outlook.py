"""The what-if of one chapter: sliders whose every answer was counted beforehand, the same as a table, and the goals.

Nothing is computed in the page: it looks up what `whatif.grid` counted for the positions of the sliders.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pandas as pd
from markupsafe import Markup

from healthkit.analysis import goals, what_if
from healthkit.analysis.rolloff import RollOffCalendar
from healthkit.analysis.simulation import Simulation
from healthkit.report import charts
from healthkit.report.html import measures
from healthkit.report.html.block import json_for_script
from healthkit.report.html.measures import Measure
from healthkit.report.text import figures, labels
from healthkit.report.text import outlook as outlook_text

TABLE_STEPS = (0, 10, 20, 30, 50, 75, 100)
"""The positions of the first slider that stand in the table. [percent]"""
SLIDER_START = 30
"""Where the first slider stands when the page opens. [percent]"""


def what_if_section(row: Measure, calendar: RollOffCalendar, year: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the words of a chapter's what-if and its chart; None where no order is at fault that could be fewer."""
    causes = what_if.slider_causes(calendar, limit=2)
    if not causes or row.target is None:
        return None
    grid = what_if.score_sliders(calendar, causes)
    name, grain = f"{row.anchor}-whatif", what_if.SLIDER_STEPS[len(causes)]
    today = goals.goals(calendar, calendar.as_of)
    needed = next(one for one in today if (one.kind, one.cause) == ("cause", causes[0]))
    begin = {cause: (SLIDER_START // grain * grain if place == 0 else 0) for place, cause in enumerate(causes)}
    words: dict[str, Any] = {
        "id": name,
        "title": outlook_text.what_if_title(),
        "chart": f"{name}-curve",
        "chart_title": outlook_text.curve_title(causes[0], _rate_without_cause(grid, causes, row)),
        "sliders": [
            {"id": f"{name}-{place}", "label": outlook_text.slider_label(cause), "grain": grain, "value": begin[cause]}
            for place, cause in enumerate(causes)
        ],
        "answer": _slider_answer(row, calendar, grid, begin, year),
        "data": _slider_data(row, calendar, grid, grain, year),
        "steps": _step_rows(row, calendar, grid, causes, needed, year),
        "first": labels.causes_phrase(causes[0], plural=True),
        "goals": _goal_sentences(row, calendar, today, year),
        "notes": [
            outlook_text.BEST_CASE_NOTE,
            *([outlook_text.TWO_CAUSES_NOTE] if _has_several_causes(calendar) else []),
        ],
    }
    chart = charts.what_if_curve(
        grid, causes, row.counted, row.side, row.target, [f"#{one['id']}" for one in words["sliders"]], begin,
        description=words["chart_title"],
    )  # fmt: skip
    return words, charts.vega_lite_spec(chart)


def _has_several_causes(calendar: RollOffCalendar) -> bool:
    """Return whether any order is at fault for several causes."""
    return bool(calendar.orders["causes"].str.contains("+", regex=False).any())


def _rate_without_cause(grid: pd.DataFrame, causes: list[str], row: Measure) -> str:
    """Return the rate if none of the first cause had happened."""
    none = grid[(grid[causes[0]] == 100) & (grid[causes[1:]] == 0).all(axis=1)].iloc[0]
    return figures.format_rate(row.counted, int(none["at_fault"]), row.side, row.target)


def _slider_answer(
    row: Measure, calendar: RollOffCalendar, grid: pd.DataFrame, positions: dict[str, int], year: int
) -> dict[str, str]:
    """Return the three answers for one position of the sliders."""
    place = grid[(grid[list(positions)] == pd.Series(positions)).all(axis=1)].iloc[0]
    status = labels.STATUS_STYLES[place["status"]]
    return {
        "rate": _rate_with_count(row, int(place["at_fault"])), "symbol": status.symbol, "colour": status.colour,
        "status": outlook_text.slider_status_phrase(place["status"], int(place["headroom"]), row.noun),
        "back": _return_date_text(place["back_on"], calendar, year),
    }  # fmt: skip


def _rate_with_count(row: Measure, at_fault: int) -> str:
    shown = figures.format_rate(row.counted, at_fault, row.side, row.target)
    return f"{shown} ({figures.format_count(row.counted, at_fault, row.side)})"


def _return_date_text(return_date: Any, calendar: RollOffCalendar, year: int) -> str:
    return outlook_text.format_return_date(
        None if pd.isna(return_date) else measures.as_date(return_date), calendar.as_of, year
    )


def _slider_data(row: Measure, calendar: RollOffCalendar, grid: pd.DataFrame, grain: int, year: int) -> Markup:
    """Every position's answer for the page's script: by place of the position, the count and the day it is back."""
    backs = [_return_date_text(on, calendar, year) for on in grid["back_on"]]
    told = list(dict.fromkeys(backs))
    counts = grid.drop_duplicates("at_fault")
    answers = {}
    for count, room, stands in zip(counts["at_fault"], counts["headroom"], counts["status"], strict=True):
        status, word = labels.STATUS_STYLES[stands], outlook_text.slider_status_phrase(stands, int(room), row.noun)
        answers[str(count)] = (_rate_with_count(row, int(count)), status.colour, status.symbol, word)
    data = {
        "grain": grain, "counts": [int(count) for count in grid["at_fault"]], "answers": answers,
        "backs": [told.index(text) for text in backs], "days": told,
    }  # fmt: skip
    return Markup(json_for_script(data))  # noqa: S704 - JSON that cannot end the script


def _step_rows(
    row: Measure, calendar: RollOffCalendar, grid: pd.DataFrame, causes: list[str], goal: goals.Goal, year: int
) -> list[dict[str, Any]]:
    """Return some positions of the first slider, the others at none, and the first that meets the target."""
    alone = grid[(grid[causes[1:]] == 0).all(axis=1)].set_index(causes[0])
    grain = what_if.SLIDER_STEPS[len(causes)]
    enough = [] if not goal.many else [_round_up_to_step(outlook_text.round_up_percent(goal.by), grain)]
    shares = sorted({share for share in (*TABLE_STEPS, *enough) if share in alone.index})
    rows = []
    for share in shares:
        place = alone.loc[share]
        status = labels.STATUS_STYLES[place["status"]]
        rows.append({
            "share": f"{share}%", "at_fault": figures.format_number(int(place["at_fault"])), "status": status,
            "rate": figures.format_rate(row.counted, int(place["at_fault"]), row.side, row.target),
            "back": _return_date_text(place["back_on"], calendar, year), "enough": share in enough,
        })  # fmt: skip
    return rows


def _round_up_to_step(share: int, grain: int) -> int:
    """Return a share on the next position of a slider."""
    return min(100, -(-share // grain) * grain)


def _goal_sentences(row: Measure, calendar: RollOffCalendar, goals_today: list[goals.Goal], year: int) -> list[str]:
    """Return what it would take to be on target on the as-of day, and in a month."""
    if calendar.back_on == calendar.as_of:
        return []
    month = min(calendar.last_day, measures.end_of_month(date.fromordinal(calendar.as_of.toordinal() + 1)))
    told = []
    for by in (calendar.as_of, month):
        enough = [
            outlook_text.goal_phrase(one.kind, one.cause, one.many, one.by, one.best, row.noun)
            for one in (goals_today if by == calendar.as_of else goals.goals(calendar, by))
            if one.many is not None and one.kind != "waiting" and not (one.kind == "volume" and by == calendar.as_of)
        ]
        off = int(calendar.days.loc[calendar.days["day"] == pd.Timestamp(by), "headroom"].iloc[0]) < 0
        told.append(outlook_text.goals_sentence(by, calendar.as_of, enough if off else [], year))
    waiting = next(one for one in goals_today if one.kind == "waiting")
    return [
        *told,
        labels.capitalise_first(outlook_text.goal_phrase("waiting", "", waiting.many, Fraction(0), None, row.noun))
        + ".",
    ]


def simulated_futures_note(futures: Simulation, as_of: date) -> str:
    """Return what the simulated futures of a measure say, in a sentence or two."""
    on = measures.end_of_month(date.fromordinal(as_of.toordinal() + 1))
    return outlook_text.simulated_futures_sentence(
        futures.off_target_now,
        futures.draws,
        futures.back_on_by_tenth[5],
        futures.back_on_by_tenth[9],
        on,
        futures.chance_off(on),
        as_of.year,
    )
