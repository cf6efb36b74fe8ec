"""The readers: raw files in, checked tables out. The only rooms that know raw headers, encodings, time zones.

`plan` finds the files below some paths and recognises each by its header; `read` reads one of them whole, or
refuses it with a sentence that names the file, the row and the cure. Personal data is never read in.
"""

from __future__ import annotations

from healthkit.ingest.parsing.discover import plan
from healthkit.ingest.parsing.future_days import notes_on_days
from healthkit.ingest.parsing.marketplace_of_row import joined_marketplaces
from healthkit.ingest.parsing.parsed_file import Taken
from healthkit.ingest.parsing.raw_file import ReaderError, Refused, Source
from healthkit.ingest.parsing.read_file import read

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
