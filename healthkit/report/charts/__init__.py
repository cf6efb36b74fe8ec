"""The charts: functions that take SCORES or orders at fault and return an Altair chart. They compute no metric."""

from healthkit.report.charts.bridge_chart import BarScale, bar_scale, bridge_chart
from healthkit.report.charts.causes import MAX_SQUARES, defects_by_cause
from healthkit.report.charts.comparison_charts import excess_by_group, our_and_marketplace_rates
from healthkit.report.charts.days import faults_by_day, leaving_calendar
from healthkit.report.charts.outlook_charts import compared_outlooks, what_if_curve
from healthkit.report.charts.rate_axis import UNDRAWN_STATUSES, ChartError
from healthkit.report.charts.rates import (
    MAX_OTHER_WINDOWS,
    SMALL_CHART_SIZE,
    rate_over_time,
    shown_events,
    small_multiples,
)
from healthkit.report.charts.style import (
    COLOURS,
    FONT,
    HALF,
    NARROW,
    WIDE,
    chart_description,
    chart_sizes,
    colour,
    follow_page_theme,
    vega_lite_spec,
)

__all__ = [
    "COLOURS",
    "FONT",
    "HALF",
    "MAX_OTHER_WINDOWS",
    "MAX_SQUARES",
    "NARROW",
    "SMALL_CHART_SIZE",
    "UNDRAWN_STATUSES",
    "WIDE",
    "BarScale",
    "ChartError",
    "bar_scale",
    "bridge_chart",
    "chart_description",
    "chart_sizes",
    "colour",
    "compared_outlooks",
    "defects_by_cause",
    "excess_by_group",
    "faults_by_day",
    "follow_page_theme",
    "leaving_calendar",
    "our_and_marketplace_rates",
    "rate_over_time",
    "shown_events",
    "small_multiples",
    "vega_lite_spec",
    "what_if_curve",
]
