"""Folders that healthkit makes, marks with a file and removes; only files that healthkit wrote are deleted.

A folder is removed only if its name has healthkit's form, it is no symbolic link, and its marker has exactly the
expected text. Even then only files with known names are deleted, one by one; a folder with any other file stays. The
process that made a folder locks the marker while it runs, so that no other process takes the folder for abandoned.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

MARKER_NAME = ".made-by-healthkit"
MARKER_TEXT = "healthkit made this folder and removes it with the files it wrote. Other files here are never deleted.\n"
"""Text in a marker file."""
FilePattern = re.Pattern[str]
"""Pattern of the relative paths that healthkit writes into a folder; paths of folders end in a slash."""

_locks: dict[Path, int] = {}
"""File descriptors of the markers of this process's folders: closing one releases its lock."""


def make(parent: Path, prefix: str, mode: int = 0o700) -> Path:
    """Make a marked folder in `parent` for this process; its name begins with `prefix`.

    `mode` are its permissions before the umask. Raises OSError if it cannot be made.
    """
    while True:
        folder = parent / f"{process_prefix(prefix)}{secrets.token_hex(4)}"
        try:  # From the first step on: a signal may end the process between any two.
            folder.mkdir(mode)
            _write_marker(folder)
            return folder
        except FileExistsError:
            continue
        except BaseException:
            unlock(folder)
            with suppress(OSError):
                (folder / MARKER_NAME).unlink(missing_ok=True)
                folder.rmdir()
            raise


def process_prefix(prefix: str) -> str:
    """Return the prefix with the id of this process and the name of this machine appended."""
    return f"{prefix}{os.getpid()}-{socket.gethostname()}-"


def _write_marker(folder: Path) -> None:
    """Write the marker of a folder, locked before it has its text, so that a complete marker is always locked."""
    marker = os.open(folder / MARKER_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    _locks[folder] = marker
    if fcntl is not None:
        with suppress(OSError):  # Without file locks, the process id has to do.
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(marker, MARKER_TEXT.encode())


def folders_of_this_process() -> list[Path]:
    """Return the marked folders that this process made and still locks.

    Folders of a parent process are not included.
    """
    own_name = re.compile(rf".*-{os.getpid()}-{re.escape(socket.gethostname())}-[0-9a-f]{{8}}", re.S)
    return [folder for folder in list(_locks) if own_name.fullmatch(folder.name)]


def unlock(folder: Path) -> None:
    """Release the lock of this process on a marked folder."""
    marker = _locks.pop(folder, None)
    if marker is not None:
        os.close(marker)


def is_marked(folder: Path) -> bool:
    """Return whether a path is a folder (not a symbolic link) that contains healthkit's marker."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode) or not stat.S_ISREG((folder / MARKER_NAME).lstat().st_mode):
            return False
        return (folder / MARKER_NAME).read_bytes() == MARKER_TEXT.encode()
    except OSError:
        return False


def remove(folder: Path, pattern: FilePattern) -> bool:
    """Delete the files of a marked folder that match a pattern, then the folder if it is empty.

    Returns whether the folder is gone. A folder with other files keeps its marker and these files. A folder without a
    marker is not touched.
    """
    if not is_marked(folder):
        unlock(folder)
        return False
    with suppress(OSError):
        _delete_files(folder, "", pattern)
        if os.listdir(folder) == [MARKER_NAME]:
            unlock(folder)
            (folder / MARKER_NAME).unlink()
            folder.rmdir()
            return True
    unlock(folder)
    return False


def _delete_files(folder: str | Path, within: str, pattern: FilePattern) -> None:
    """Delete the files that match a pattern, also in matching subfolders; symbolic links are not followed."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        path = within + entry.name
        with suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                if pattern.fullmatch(path):
                    os.unlink(entry.path)
            elif pattern.fullmatch(f"{path}/"):
                _delete_files(entry.path, f"{path}/", pattern)
                os.rmdir(entry.path)


def remove_abandoned(parent: Path, pattern_by_prefix: Mapping[str, FilePattern]) -> None:
    """Remove marked folders of this user in `parent` whose process on this machine was killed.

    `pattern_by_prefix` has the prefixes of their names and the files that may be deleted in each.
    """
    with suppress(OSError):
        for name in os.listdir(parent):
            prefix = next((prefix for prefix in pattern_by_prefix if name.startswith(prefix)), None)
            if prefix is not None and _is_abandoned(parent / name, prefix):
                remove(parent / name, pattern_by_prefix[prefix])


def _is_abandoned(folder: Path, prefix: str) -> bool:
    """Return whether a folder is this user's and its process, on this machine, has ended."""
    match = re.fullmatch(rf"(\d+)-{re.escape(socket.gethostname())}-[0-9a-f]{{8}}", folder.name[len(prefix) :])
    if match is None or not is_marked(folder):
        return False
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        return False
    return not _is_in_use(folder, int(match[1]))


def _is_in_use(folder: Path, process: int) -> bool:
    """Return whether the process of a folder runs; by the lock, since containers reuse process ids."""
    if fcntl is None:
        return _process_exists(process)
    try:
        marker = os.open(folder / MARKER_NAME, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _process_exists(process)
    finally:
        os.close(marker)
    return False


def _process_exists(process: int) -> bool:
    """Return whether a process of this machine exists; True if that cannot be determined."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
