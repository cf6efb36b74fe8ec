"""What is coming: orders about to ship late, and what each rate will be if nothing new goes wrong, or as things go."""

from healthkit.outlook.due import DUE, due
from healthkit.outlook.rolloff import Calendar, OutlookError, calendar, headroom_path, known_by

__all__ = ["DUE", "Calendar", "OutlookError", "calendar", "due", "headroom_path", "known_by"]
