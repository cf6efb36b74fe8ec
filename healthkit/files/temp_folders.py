"""Temporary folders and files: gone with the process that made them, or with the next one after it was killed.

Folders lie where the system keeps temporary files (`TMPDIR` names another place), for the user alone. What may be
removed from each kind of folder stands in `KINDS`, and nothing else is (see `marked_folders`).
"""

from __future__ import annotations

import atexit
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from healthkit.files import marked_folders

SPILLED = "healthkit-rows-"
"""Rows that do not fit into memory. DuckDB's own choice, `.tmp` in the folder one works in, stays when a process ends
without closing its connections."""
BATCH = "healthkit-batch-"
"""What the reports of a batch need of the store: rows of orders of all its accounts, and counts."""
PRESS = "healthkit-press-"
"""What the cells of notebooks showed, on its way from a fork server, and the folder of its IPython."""
PARSED = "healthkit-parsed-"
"""Raw files that other processes have parsed, on their way to the import."""
PDF = "healthkit-pdf-"
"""A page on its way to a PDF, and the profile of the browser."""
PART = ".healthkit-part-"
"""A file on its way into the folder in which this one lies."""

KINDS = {
    SPILLED: re.compile(r"duckdb_temp_[^/]*"),
    BATCH: re.compile(r"excerpt/(\d{6}/(\w+\.arrow)?|excerpt\.json)?|counts/(\w+\.parquet)?"),
    PRESS: re.compile(r"\d+\.jsonl|ipython/.*", re.S),
    PARSED: re.compile(r"[0-9a-f]{64}\.pickle"),
    PDF: re.compile(r"page\.pdf|errors\.txt|profile/.*", re.S),
    PART: re.compile(r"part"),
}
"""What the kit writes into each kind of folder, by how the name of the folder begins. `ipython` and `profile` are
filled by IPython and Chromium, for the kit alone."""

_made: dict[int, Path] = {}
"""The folder for rows, by the process that made it: a fork has one of its own."""


def folder() -> Path | None:
    """The folder for rows, made when it is first asked for; None where no place takes one: all must fit into memory."""
    if os.getpid() not in _made:
        try:
            _made[os.getpid()] = make(SPILLED)
        except OSError:
            return None
    return _made[os.getpid()]


def clear() -> None:
    """Remove every folder of this process with what the kit wrote into it: for a process that ends here and now."""
    _made.pop(os.getpid(), None)
    for made in marked_folders.made_here():
        remove(made)


atexit.register(clear)


def make(beginning: str, place: Path | None = None) -> Path:
    """Make a folder of a kind for the user alone, among the temporary ones or below `place`; those of processes that
    were killed go. Raises OSError where it cannot be made."""
    below = Path(tempfile.gettempdir()) if place is None else place
    sweep(below)
    return marked_folders.make(below, beginning)


def sweep(place: Path | None = None) -> None:
    """Remove the folders of any kind that killed processes left among the temporary ones or below `place`."""
    with suppress(OSError):
        marked_folders.sweep(Path(tempfile.gettempdir()) if place is None else place, KINDS)


def remove(made: Path) -> bool:
    """Remove a folder that `make` made, with what the kit wrote into it; say whether it is gone."""
    kind = next((files for beginning, files in KINDS.items() if made.name.startswith(beginning)), None)
    return kind is not None and marked_folders.remove(made, kind)


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all, with the permissions that a new file has; its folder is made if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = marked_folders.make(path.parent, PART)
        try:
            (aside / "part").write_bytes(data.encode() if isinstance(data, str) else data)
            os.replace(aside / "part", path)
        finally:
            remove(aside)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # Not what stands aside.
        raise
