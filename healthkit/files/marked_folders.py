"""Folders that the kit makes and removes: each holds a marker, and nothing is removed that the kit did not write.

A folder is removed only when its name is exactly one of the kit's, it is a real folder (no symbolic link), and the
marker in it holds exactly the kit's text. Even then only files whose names the kit uses are deleted, one by one; a
folder in which anything else is left stays. While the process that made a folder lives it holds a lock on the marker,
so that no other process takes the folder for one that was left behind.
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
"""The whole content of a marker."""
FilePattern = re.Pattern[str]
"""The paths, within a folder, of what the kit writes there; those of folders end in a slash."""

_locks: dict[Path, int] = {}
"""The open markers of the folders that this process made: closing one releases its lock."""


def make(parent: Path, prefix: str, mode: int = 0o700) -> Path:
    """Make a marked folder below `place` that is this process's own; its name begins as given.

    `mode` holds its permissions, of which the umask takes some away. Raises OSError where it cannot be made.
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
    """How the names of this process's folders begin: the process, the machine."""
    return f"{prefix}{os.getpid()}-{socket.gethostname()}-"


def _write_marker(folder: Path) -> None:
    """Write the marker, locked before its text is there: whoever can read the text sees the lock as well."""
    marker = os.open(folder / MARKER_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    _locks[folder] = marker
    if fcntl is not None:
        with suppress(OSError):  # Where files cannot be locked, the number of the process must do.
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(marker, MARKER_TEXT.encode())


def folders_of_this_process() -> list[Path]:
    """The folders that this process made and has not given up. A fork inherits none of those of its parent."""
    ending = re.compile(rf".*-{os.getpid()}-{re.escape(socket.gethostname())}-[0-9a-f]{{8}}", re.S)
    return [folder for folder in list(_locks) if ending.fullmatch(folder.name)]


def unlock(folder: Path) -> None:
    """Give up the lock on a folder of this process."""
    marker = _locks.pop(folder, None)
    if marker is not None:
        os.close(marker)


def is_marked(folder: Path) -> bool:
    """Whether this is a real folder that the kit made, as its marker says."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode) or not stat.S_ISREG((folder / MARKER_NAME).lstat().st_mode):
            return False
        return (folder / MARKER_NAME).read_bytes() == MARKER_TEXT.encode()
    except OSError:
        return False


def remove(folder: Path, pattern: FilePattern) -> bool:
    """Remove a marked folder with the files in it that the kit writes; say whether it is gone.

    It stays, marker and all, where it holds anything else. One that is not marked is not touched.
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
    """Delete the kit's files in a folder and in the kit's folders below; symbolic links are not followed."""
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
    """Remove the folders below `place` that processes of this user and machine left when they were killed.

    `kinds` holds how their names begin, and which files the kit writes into each. Those of other machines stay.
    """
    with suppress(OSError):
        for name in os.listdir(parent):
            beginning = next((one for one in pattern_by_prefix if name.startswith(one)), None)
            if beginning is not None and _is_abandoned(parent / name, beginning):
                remove(parent / name, pattern_by_prefix[beginning])


def _is_abandoned(folder: Path, prefix: str) -> bool:
    """Whether a folder is this user's and its process, of this machine, is no more."""
    named = re.fullmatch(rf"(\d+)-{re.escape(socket.gethostname())}-[0-9a-f]{{8}}", folder.name[len(prefix) :])
    if named is None or not is_marked(folder):
        return False
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        return False
    return not _is_in_use(folder, int(named[1]))


def _is_in_use(folder: Path, process: int) -> bool:
    """Whether the process that made a folder lives; its number alone does not tell, for a container gives it again."""
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
    """Whether a process of this machine exists; where that cannot be asked, it is taken to."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
