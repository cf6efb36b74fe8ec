"""Parsers of raw files: one module for each kind of file, and one row for each in `registry`.

`discover_files` finds raw files below some paths and detects the kind of each by its header or content; `parse_file`
parses one file into checked tables, or refuses it with a message that names file, row and remedy. Personal data is
never read.
"""

from __future__ import annotations

from healthkit.ingest.parsing.discover import detect_content, discover_files
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
    "detect_content",
    "discover_files",
    "join_marketplaces",
    "parse_file",
]
