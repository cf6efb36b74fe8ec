"""The what-if of one chapter: sliders whose every answer was counted beforehand, the same as a table, and the goals.

Nothing is computed in the page: it looks up what `whatif.grid` counted for the positions of the sliders.
"""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from typing import Any

import pandas as pd
from markupsafe import Markup

from healthkit.analysis import scenarios
from healthkit.analysis.outlook import Calendar, Futures
from healthkit.report import charts, wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.findings import Measure
from healthkit.report.wording import foresight

STEPS = (0, 10, 20, 30, 50, 75, 100)
"""The positions of the first slider that stand in the table. [percent]"""
BEGIN = 30
"""Where the first slider stands when the page opens. [percent]"""


def what_if(row: Measure, held: Calendar, year: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The words of a chapter's what-if and its chart; None where no order is at fault that could be fewer."""
    causes = scenarios.sliders(held, most=2)
    if not causes or row.target is None:
        return None
    grid = scenarios.grid(held, causes)
    name, grain = f"{row.anchor}-whatif", scenarios.GRAIN[len(causes)]
    today = scenarios.goals(held, held.as_of)
    needed = next(one for one in today if (one.kind, one.cause) == ("cause", causes[0]))
    begin = {cause: (BEGIN // grain * grain if place == 0 else 0) for place, cause in enumerate(causes)}
    words: dict[str, Any] = {
        "id": name,
        "title": foresight.less_title(),
        "chart": f"{name}-curve",
        "chart_title": foresight.curve_title(causes[0], _per(grid, causes, row)),
        "sliders": [
            {"id": f"{name}-{place}", "label": foresight.fewer_label(cause), "grain": grain, "value": begin[cause]}
            for place, cause in enumerate(causes)
        ],
        "answer": _answer(row, held, grid, begin, year),
        "data": _data(row, held, grid, grain, year),
        "steps": _steps(row, held, grid, causes, needed, year),
        "first": wording.causes(causes[0], many=True),
        "goals": _goals(row, held, today, year),
        "notes": [foresight.BEST_CASE, *([foresight.TWO_CAUSES] if _several(held) else [])],
    }
    chart = charts.what_if_curve(
        grid, causes, row.counted, row.side, row.target, [f"#{one['id']}" for one in words["sliders"]], begin,
        finding=words["chart_title"],
    )  # fmt: skip
    return words, charts.spec(chart)


def _several(held: Calendar) -> bool:
    """Whether any order is at fault for several causes."""
    return bool(held.orders["causes"].str.contains("+", regex=False).any())


def _per(grid: pd.DataFrame, causes: list[str], row: Measure) -> str:
    """The rate if none of the first cause had happened."""
    none = grid[(grid[causes[0]] == 100) & (grid[causes[1:]] == 0).all(axis=1)].iloc[0]
    return wording.rate(row.counted, int(none["at_fault"]), row.side, row.target)


def _answer(row: Measure, held: Calendar, grid: pd.DataFrame, at: dict[str, int], year: int) -> dict[str, str]:
    """The three answers for one position of the sliders."""
    place = grid[(grid[list(at)] == pd.Series(at)).all(axis=1)].iloc[0]
    status = wording.STATUSES[place["status"]]
    return {
        "rate": _rate(row, int(place["at_fault"])), "symbol": status.symbol, "colour": status.colour,
        "status": foresight.step_status(place["status"], int(place["headroom"]), row.noun),
        "back": _back(place["back_on"], held, year),
    }  # fmt: skip


def _rate(row: Measure, at_fault: int) -> str:
    shown = wording.rate(row.counted, at_fault, row.side, row.target)
    return f"{shown} ({wording.count(row.counted, at_fault, row.side)})"


def _back(on: Any, held: Calendar, year: int) -> str:
    return foresight.back(None if pd.isna(on) else findings.day(on), held.as_of, year)


def _data(row: Measure, held: Calendar, grid: pd.DataFrame, grain: int, year: int) -> Markup:
    """Every position's answer for the page's script: by place of the position, the count and the day it is back."""
    backs = [_back(on, held, year) for on in grid["back_on"]]
    told = list(dict.fromkeys(backs))
    counts = grid.drop_duplicates("at_fault")
    answers = {}
    for count, room, stands in zip(counts["at_fault"], counts["headroom"], counts["status"], strict=True):
        status, word = wording.STATUSES[stands], foresight.step_status(stands, int(room), row.noun)
        answers[str(count)] = (_rate(row, int(count)), status.colour, status.symbol, word)
    held_in = {
        "grain": grain, "counts": [int(count) for count in grid["at_fault"]], "answers": answers,
        "backs": [told.index(text) for text in backs], "days": told,
    }  # fmt: skip
    text = json.dumps(held_in, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("</", "<\\/").replace("<!", "<\\u0021"))  # noqa: S704 - JSON that cannot end the script


def _steps(
    row: Measure, held: Calendar, grid: pd.DataFrame, causes: list[str], needed: scenarios.Goal, year: int
) -> list[dict[str, Any]]:
    """Some positions of the first slider, the others at none, and the first that meets the target."""
    alone = grid[(grid[causes[1:]] == 0).all(axis=1)].set_index(causes[0])
    grain = scenarios.GRAIN[len(causes)]
    enough = [] if not needed.many else [_up(foresight.whole_percent(needed.by), grain)]
    shares = sorted({share for share in (*STEPS, *enough) if share in alone.index})
    rows = []
    for share in shares:
        place = alone.loc[share]
        status = wording.STATUSES[place["status"]]
        rows.append({
            "share": f"{share}%", "at_fault": wording.number(int(place["at_fault"])), "status": status,
            "rate": wording.rate(row.counted, int(place["at_fault"]), row.side, row.target),
            "back": _back(place["back_on"], held, year), "enough": share in enough,
        })  # fmt: skip
    return rows


def _up(share: int, grain: int) -> int:
    """A share on the next position of a slider."""
    return min(100, -(-share // grain) * grain)


def _goals(row: Measure, held: Calendar, today: list[scenarios.Goal], year: int) -> list[str]:
    """What it would take to be on target on the as-of day, and in a month."""
    if held.back_on == held.as_of:
        return []
    month = min(held.last, findings.month_end(date.fromordinal(held.as_of.toordinal() + 1)))
    told = []
    for by in (held.as_of, month):
        enough = [
            foresight.goal(one.kind, one.cause, one.many, one.by, one.best, row.noun)
            for one in (today if by == held.as_of else scenarios.goals(held, by))
            if one.many is not None and one.kind != "waiting" and not (one.kind == "volume" and by == held.as_of)
        ]
        off = int(held.days.loc[held.days["day"] == pd.Timestamp(by), "headroom"].iloc[0]) < 0
        told.append(foresight.goals_by(by, held.as_of, enough if off else [], year))
    waiting = next(one for one in today if one.kind == "waiting")
    return [*told, wording.opening(foresight.goal("waiting", "", waiting.many, Fraction(0), None, row.noun)) + "."]


def chance(held: Futures, as_of: date) -> str:
    """What the simulated futures of a measure say, in a sentence or two."""
    on = findings.month_end(date.fromordinal(as_of.toordinal() + 1))
    return foresight.chances(held.off_now, held.draws, held.back[5], held.back[9], on, held.chance_off(on), as_of.year)
