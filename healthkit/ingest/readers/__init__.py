"""The readers: raw files in, checked tables out. The only rooms that know raw headers, encodings, time zones.

`plan` finds the files below some paths and recognises each by its header; `read` reads one of them whole, or
refuses it with a sentence that names the file, the row and the cure. Personal data is never read in.
"""

from __future__ import annotations

from healthkit.ingest.readers.future_days import notes_on_days
from healthkit.ingest.readers.place import joined_marketplaces
from healthkit.ingest.readers.reading import read
from healthkit.ingest.readers.source import ReaderError, Refused, Source
from healthkit.ingest.readers.taken import Taken
from healthkit.ingest.readers.walk import plan

__all__ = [
    "ReaderError",
    "Refused",
    "Source",
    "Taken",
    "joined_marketplaces",
    "notes_on_days",
    "plan",
    "read",
]
