"""Temporary folders and files, which are removed when their process ends or, if it was killed, by the next one.

Folders are made in the system's temporary folder (`TMPDIR` changes it), with access for the user alone. Only files that
match `PATTERN_BY_PREFIX` are ever removed from them (see `marked_folders`).
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
"""Prefix of folders with rows that DuckDB writes to disk when memory is short.

DuckDB's own default, `.tmp` in the working directory, stays when a process ends without closing its connections.
"""
BATCH_PREFIX = "healthkit-batch-"
"""Prefix of folders with the rows and counts of the accounts of a batch, for its worker processes."""
WORKER_PREFIX = "healthkit-press-"
"""Prefix of folders with the output of notebook cells in worker processes, and with IPython's files."""
PARSED_PREFIX = "healthkit-parsed-"
"""Prefix of folders with raw files that other processes parsed for an import."""
PDF_PREFIX = "healthkit-pdf-"
"""Prefix of folders with a page that is printed to PDF, and with the profile of the browser."""
DASHBOARD_PREFIX = "healthkit-dashboard-"
"""Prefix of folders with the notebook of the dashboard, its parameters filled in."""
TABLE_PREFIX = ".healthkit-table-"
"""Prefix of folders in which a repair or a purge writes the next version of a table."""
PARTIAL_FILE_PREFIX = ".healthkit-part-"
"""Prefix of folders with a file that is written before it is moved into the parent folder."""

PATTERN_BY_PREFIX = {
    SPILL_PREFIX: re.compile(r"duckdb_temp_[^/]*"),
    BATCH_PREFIX: re.compile(r"excerpt/(\d{6}/(\w+\.arrow)?|excerpt\.json)?|counts/(\w+\.parquet)?"),
    WORKER_PREFIX: re.compile(r"\d+\.jsonl|ipython/.*", re.S),
    PARSED_PREFIX: re.compile(r"[0-9a-f]{64}\.pickle"),
    PDF_PREFIX: re.compile(r"page\.pdf|errors\.txt|profile/.*", re.S),
    DASHBOARD_PREFIX: re.compile(r"dashboard\.ipynb|tmp/.*", re.S),
    TABLE_PREFIX: re.compile(r"table/([^/]+\.parquet|_delta_log/[^/]*)?"),
    PARTIAL_FILE_PREFIX: re.compile(r"part"),
}
"""Patterns of the files that may be removed from a temporary folder, by the prefix of its name.

IPython, Chromium and Voila write into `ipython`, `profile` and `tmp`.
"""

_spill_folders: dict[int, Path] = {}
"""The spill folder by process id: a fork makes its own."""


def spill_folder() -> Path | None:
    """Return the folder into which DuckDB spills rows of this process, or None if it cannot be made.

    The first call makes it.
    """
    if os.getpid() not in _spill_folders:
        try:
            _spill_folders[os.getpid()] = make(SPILL_PREFIX)
        except OSError:
            return None
    return _spill_folders[os.getpid()]


def remove_own() -> None:
    """Remove all temporary folders of this process; called when the process ends."""
    _spill_folders.pop(os.getpid(), None)
    for folder in marked_folders.folders_of_this_process():
        remove(folder)


atexit.register(remove_own)


def make(prefix: str, parent: Path | None = None) -> Path:
    """Make a temporary folder that only this user can read; its name begins with `prefix`.

    It is made in `parent` or, by default, in the system's temporary folder. Folders of killed processes there are
    removed first. Raises OSError if the folder cannot be made.
    """
    folder = Path(tempfile.gettempdir()) if parent is None else parent
    remove_abandoned(folder)
    return marked_folders.make(folder, prefix)


def remove_abandoned(parent: Path | None = None) -> None:
    """Remove the temporary folders that killed processes left behind.

    They are searched for in `parent` or, by default, in the system's temporary folder.
    """
    with suppress(OSError):
        marked_folders.remove_abandoned(Path(tempfile.gettempdir()) if parent is None else parent, PATTERN_BY_PREFIX)


def remove(folder: Path) -> bool:
    """Remove a folder that `make` made, and return whether it is gone.

    It stays if it contains other files.
    """
    pattern = next((files for prefix, files in PATTERN_BY_PREFIX.items() if folder.name.startswith(prefix)), None)
    return pattern is not None and marked_folders.remove(folder, pattern)


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file either completely or not at all.

    The file has the default permissions; its folder is made if it does not exist.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = marked_folders.make(path.parent, PARTIAL_FILE_PREFIX)
        try:
            (partial / "part").write_bytes(data.encode() if isinstance(data, str) else data)
            os.replace(partial / "part", path)
        finally:
            remove(partial)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # The file of the caller, not the temporary one.
        raise
