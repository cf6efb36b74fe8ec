"""What is coming: orders about to ship late, and what each rate will be if nothing new goes wrong, or as things go."""

from healthkit.analysis.outlook.due_orders import DUE, count_waiting_without_ship_by, find_due_orders
from healthkit.analysis.outlook.rolloff import (
    OutlookError,
    RollOffCalendar,
    counts_known_on,
    headroom_changes,
    roll_off_calendar,
)
from healthkit.analysis.outlook.simulation import BANDS, DRAWS, Forecaster, Simulation, simulate_futures

__all__ = [
    "BANDS",
    "DRAWS",
    "DUE",
    "Forecaster",
    "OutlookError",
    "RollOffCalendar",
    "Simulation",
    "count_waiting_without_ship_by",
    "counts_known_on",
    "find_due_orders",
    "headroom_changes",
    "roll_off_calendar",
    "simulate_futures",
]
