"""Locks on a store's folder: imports hold a shared lock, a repair or a purge an exclusive one.

The lock is on the folder itself (`flock`), so no file is made and a killed process leaves no lock. Where the system or
the disk has no such locks (Windows, some network disks, an object storage), nothing is locked.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from healthkit.store.locations import Folder

if sys.platform != "win32":
    import fcntl

PURGE_WAIT_SECONDS = 10.0
"""Longest time that a repair or a purge waits for running imports. [seconds]"""
_EXCLUSIVELY_LOCKED: set[Folder] = set()
"""The folders on which this process holds an exclusive lock."""
RETRY_PAUSE_SECONDS = 0.1
"""Pause between two attempts to acquire a lock. [seconds]"""


class LockedError(Exception):
    """Raised if another process holds the lock."""


@contextmanager
def hold_shared_lock(folder: Folder) -> Iterator[None]:
    """Hold a shared lock on a store's folder, after waiting for any exclusive lock to be released."""
    with _open_folder(folder) as handle:
        _acquire_lock(handle, exclusive=False)
        yield


def is_purge_running(folder: Folder) -> bool:
    """Return whether another process holds the exclusive lock for a repair or a purge."""
    with _open_folder(folder) as handle:
        return folder not in _EXCLUSIVELY_LOCKED and not _acquire_lock(handle, exclusive=False, wait=False)


@contextmanager
def hold_exclusive_lock(folder: Folder) -> Iterator[None]:
    """Hold the exclusive lock on a store's folder.

    Raises LockedError if it is not free after `PURGE_WAIT_SECONDS`.
    """
    with _open_folder(folder) as handle:
        until = time.monotonic() + PURGE_WAIT_SECONDS
        while not _acquire_lock(handle, exclusive=True):
            if time.monotonic() > until:
                raise LockedError(f"Another process writes to {folder}.")
            time.sleep(RETRY_PAUSE_SECONDS)
        _EXCLUSIVELY_LOCKED.add(folder)
        try:
            yield
        finally:
            _EXCLUSIVELY_LOCKED.discard(folder)


@contextmanager
def _open_folder(folder: Folder) -> Iterator[int | None]:
    """Yield a file descriptor of the folder, or None if it has none. Closing it releases the lock."""
    handle = None
    if sys.platform != "win32" and isinstance(folder, Path):
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:
            handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _acquire_lock(handle: int | None, exclusive: bool, wait: bool = True) -> bool:
    """Return whether the lock was acquired. Only a shared one is waited for; without file locks the answer is yes."""
    if handle is None or sys.platform == "win32":
        return True
    try:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(handle, kind if wait and not exclusive else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
