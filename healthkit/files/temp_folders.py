"""Temporary folders and files: removed when their process ends or, if it was killed, by the next process.

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
"""Rows that DuckDB spills to disk. Its default, `.tmp` in the working directory, stays when a process ends without
closing its connections."""
BATCH_PREFIX = "healthkit-batch-"
"""The rows and counts of the accounts of a batch, for its worker processes."""
WORKER_PREFIX = "healthkit-press-"
"""The output of notebook cells in worker processes, and the folder of their IPython."""
PARSED_PREFIX = "healthkit-parsed-"
"""Raw files that other processes parsed for an import."""
PDF_PREFIX = "healthkit-pdf-"
"""A page that is printed to PDF, and the profile of the browser."""
TABLE_PREFIX = ".healthkit-table-"
"""The next version of a store's table, while a repair or a purge writes it."""
PARTIAL_FILE_PREFIX = ".healthkit-part-"
"""A file that is written before it is moved into the parent folder."""

PATTERN_BY_PREFIX = {
    SPILL_PREFIX: re.compile(r"duckdb_temp_[^/]*"),
    BATCH_PREFIX: re.compile(r"excerpt/(\d{6}/(\w+\.arrow)?|excerpt\.json)?|counts/(\w+\.parquet)?"),
    WORKER_PREFIX: re.compile(r"\d+\.jsonl|ipython/.*", re.S),
    PARSED_PREFIX: re.compile(r"[0-9a-f]{64}\.pickle"),
    PDF_PREFIX: re.compile(r"page\.pdf|errors\.txt|profile/.*", re.S),
    TABLE_PREFIX: re.compile(r"table/([^/]+\.parquet|_delta_log/[^/]*)?"),
    PARTIAL_FILE_PREFIX: re.compile(r"part"),
}
"""Paths of the files that may be removed, by the prefix of the folder's name. IPython and Chromium fill `ipython` and
`profile`."""

_spill_folders: dict[int, Path] = {}
"""The spill folder by process id: a fork makes its own."""


def spill_folder() -> Path | None:
    """Return the folder for spilled rows of this process, made at the first call; None where none can be made."""
    if os.getpid() not in _spill_folders:
        try:
            _spill_folders[os.getpid()] = make(SPILL_PREFIX)
        except OSError:
            return None
    return _spill_folders[os.getpid()]


def remove_own() -> None:
    """Remove every temporary folder of this process, when it ends."""
    _spill_folders.pop(os.getpid(), None)
    for folder in marked_folders.folders_of_this_process():
        remove(folder)


atexit.register(remove_own)


def make(prefix: str, parent: Path | None = None) -> Path:
    """Make a temporary folder of a kind, in the system's temporary folder or in `parent`, for the user alone.

    Folders of killed processes there are removed first. Raises OSError where the folder cannot be made.
    """
    folder = Path(tempfile.gettempdir()) if parent is None else parent
    remove_abandoned(folder)
    return marked_folders.make(folder, prefix)


def remove_abandoned(parent: Path | None = None) -> None:
    """Remove the temporary folders of killed processes in the system's temporary folder or in `parent`."""
    with suppress(OSError):
        marked_folders.remove_abandoned(Path(tempfile.gettempdir()) if parent is None else parent, PATTERN_BY_PREFIX)


def remove(folder: Path) -> bool:
    """Remove a folder that `make` made and return whether it is gone; it stays if other files are in it."""
    pattern = next((files for prefix, files in PATTERN_BY_PREFIX.items() if folder.name.startswith(prefix)), None)
    return pattern is not None and marked_folders.remove(folder, pattern)


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file as a whole or not at all, with the default permissions; make its folder if it does not exist."""
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
