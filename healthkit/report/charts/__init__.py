"""Charts, each named for its question: SCORES or orders at fault in, an Altair chart out; nothing is computed here."""

from healthkit.report.charts.beside import groups_beside_rest, ours_beside_theirs
from healthkit.report.charts.bridge_chart import BarsSpan, bars_span, why_it_moved
from healthkit.report.charts.causes import SQUARES, defects_by_cause
from healthkit.report.charts.days import faults_by_day, leaving_calendar
from healthkit.report.charts.outlook_charts import two_outlooks, what_if_curve
from healthkit.report.charts.rate_axis import SILENT
from healthkit.report.charts.rates import CELL, rate_over_time, side_by_side
from healthkit.report.charts.style import COLOURS, FONT, HALF, NARROW, WIDE, colour, describe, sizes, spec

__all__ = [
    "CELL",
    "COLOURS",
    "FONT",
    "HALF",
    "NARROW",
    "SILENT",
    "SQUARES",
    "WIDE",
    "BarsSpan",
    "bars_span",
    "colour",
    "defects_by_cause",
    "describe",
    "faults_by_day",
    "groups_beside_rest",
    "leaving_calendar",
    "ours_beside_theirs",
    "rate_over_time",
    "side_by_side",
    "sizes",
    "spec",
    "two_outlooks",
    "what_if_curve",
    "why_it_moved",
]
