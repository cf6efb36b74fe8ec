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

SPILL_PREFIX = "healthkit-rows-"
"""Rows that do not fit into memory. DuckDB's own choice, `.tmp` in the folder one works in, stays when a process ends
without closing its connections."""
BATCH_PREFIX = "healthkit-batch-"
"""What the reports of a batch need of the store: rows of orders of all its accounts, and counts."""
WORKER_PREFIX = "healthkit-press-"
"""What the cells of notebooks showed, on its way from a fork server, and the folder of its IPython."""
PARSED_PREFIX = "healthkit-parsed-"
"""Raw files that other processes have parsed, on their way to the import."""
PDF_PREFIX = "healthkit-pdf-"
"""A page on its way to a PDF, and the profile of the browser."""
TABLE_PREFIX = ".healthkit-table-"
"""The next version of a store's table, while a repair or a purge writes it."""
PARTIAL_FILE_PREFIX = ".healthkit-part-"
"""A file on its way into the folder in which this one lies."""

PATTERN_BY_PREFIX = {
    SPILL_PREFIX: re.compile(r"duckdb_temp_[^/]*"),
    BATCH_PREFIX: re.compile(r"excerpt/(\d{6}/(\w+\.arrow)?|excerpt\.json)?|counts/(\w+\.parquet)?"),
    WORKER_PREFIX: re.compile(r"\d+\.jsonl|ipython/.*", re.S),
    PARSED_PREFIX: re.compile(r"[0-9a-f]{64}\.pickle"),
    PDF_PREFIX: re.compile(r"page\.pdf|errors\.txt|profile/.*", re.S),
    TABLE_PREFIX: re.compile(r"table/([^/]+\.parquet|_delta_log/[^/]*)?"),
    PARTIAL_FILE_PREFIX: re.compile(r"part"),
}
"""What the kit writes into each kind of folder, by how the name of the folder begins. `ipython` and `profile` are
filled by IPython and Chromium, for the kit alone."""

_spill_folders: dict[int, Path] = {}
"""The folder for rows, by the process that made it: a fork has one of its own."""


def spill_folder() -> Path | None:
    """The folder for rows, made when it is first asked for; None where no place takes one: all must fit into memory."""
    if os.getpid() not in _spill_folders:
        try:
            _spill_folders[os.getpid()] = make(SPILL_PREFIX)
        except OSError:
            return None
    return _spill_folders[os.getpid()]


def remove_own() -> None:
    """Remove every folder of this process with what the kit wrote into it: for a process that ends here and now."""
    _spill_folders.pop(os.getpid(), None)
    for made in marked_folders.folders_of_this_process():
        remove(made)


atexit.register(remove_own)


def make(prefix: str, parent: Path | None = None) -> Path:
    """Make a folder of a kind for the user alone, among the temporary ones or below `place`; those of processes that
    were killed go. Raises OSError where it cannot be made."""
    below = Path(tempfile.gettempdir()) if parent is None else parent
    remove_abandoned(below)
    return marked_folders.make(below, prefix)


def remove_abandoned(parent: Path | None = None) -> None:
    """Remove the folders of any kind that killed processes left among the temporary ones or below `place`."""
    with suppress(OSError):
        marked_folders.remove_abandoned(Path(tempfile.gettempdir()) if parent is None else parent, PATTERN_BY_PREFIX)


def remove(folder: Path) -> bool:
    """Remove a folder that `make` made, with what the kit wrote into it; say whether it is gone."""
    kind = next((files for beginning, files in PATTERN_BY_PREFIX.items() if folder.name.startswith(beginning)), None)
    return kind is not None and marked_folders.remove(folder, kind)


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all, with the permissions that a new file has; its folder is made if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = marked_folders.make(path.parent, PARTIAL_FILE_PREFIX)
        try:
            (aside / "part").write_bytes(data.encode() if isinstance(data, str) else data)
            os.replace(aside / "part", path)
        finally:
            remove(aside)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # Not what stands aside.
        raise
