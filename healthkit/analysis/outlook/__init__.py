"""What is coming: orders about to ship late, and what each rate will be if nothing new goes wrong, or as things go."""

from healthkit.analysis.outlook.due_orders import DUE, due, waiting_without_ship_by
from healthkit.analysis.outlook.rolloff import Calendar, OutlookError, calendar, headroom_path, known_by
from healthkit.analysis.outlook.simulation import BANDS, DRAWS, Futures, Lookout, futures

__all__ = [
    "BANDS",
    "DRAWS",
    "DUE",
    "Calendar",
    "Futures",
    "Lookout",
    "OutlookError",
    "calendar",
    "due",
    "futures",
    "headroom_path",
    "known_by",
    "waiting_without_ship_by",
]
