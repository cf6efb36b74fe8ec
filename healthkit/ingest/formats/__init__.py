"""The readers: raw files in, checked tables out. The only rooms that know raw headers, encodings, time zones.

`plan` finds the files below some paths and recognises each by its header; `read` reads one of them whole, or
refuses it with a sentence that names the file, the row and the cure. Personal data is never read in.
"""

from __future__ import annotations

from healthkit.ingest.parsing.discover import discover_files
from healthkit.ingest.parsing.future_days import describe_late_days
from healthkit.ingest.parsing.marketplace_of_row import join_marketplaces
from healthkit.ingest.parsing.parsed_file import ParsedFile
from healthkit.ingest.parsing.raw_file import RawFile, ReaderError, RefusedFile
from healthkit.ingest.parsing.read_file import parse_file

__all__ = [
    "ParsedFile",
    "RawFile",
    "ReaderError",
    "RefusedFile",
    "describe_late_days",
    "discover_files",
    "join_marketplaces",
    "parse_file",
]
