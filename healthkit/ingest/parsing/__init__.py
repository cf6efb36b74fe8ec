"""Parsing that all kinds of file share: encodings, CSV tables, cells, detection by header, large files."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "cells",
        "column_map",
        "csv_table",
        "detect",
        "discover",
        "encodings",
        "future_days",
        "large_files",
        "marketplace_of_row",
        "parsed_file",
        "raw_file",
        "read_file",
        "reported_figures",
        "spill_file",
    ],
)
