"""Folders that a process needs while it lives, and the one where rows stand that do not fit into memory.

They lie where the system keeps temporary files (`TMPDIR` names another place), for the user alone. What a killed
process left behind is taken away when the next one makes such a folder.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from pathlib import Path

SPILLED = "healthkit-rows-"
"""DuckDB's own choice, `.tmp` in the folder one works in, stays when a process ends without closing its connections."""

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
    """Remove the folder for rows with all that is in it: for a process that ends here and now."""
    made = _made.pop(os.getpid(), None)
    if made is not None:
        shutil.rmtree(made, ignore_errors=True)


atexit.register(clear)


def make(beginning: str) -> Path:
    """A new folder whose name begins so; those of processes that were killed go. Raises OSError where none can be."""
    sweep(Path(tempfile.gettempdir()), beginning)
    return Path(tempfile.mkdtemp(prefix=own_name(beginning)))


def own_name(beginning: str) -> str:
    """How the name of a folder begins that is this process's own."""
    return f"{beginning}{os.getpid()}-{socket.gethostname()}-"


def sweep(place: Path, beginning: str) -> bool:
    """Take away the folders whose process is no more; whether there were any. Those of other machines stay."""
    found = False
    for left in place.glob(f"{beginning}*-*-*"):
        process, _, rest = left.name.removeprefix(beginning).partition("-")
        here = rest.rpartition("-")[0] == socket.gethostname()
        if here and process.isdigit() and not lives(int(process)):
            shutil.rmtree(left, ignore_errors=True)
            found = True
    return found


def lives(process: int) -> bool:
    """Whether a process of this machine is there; where that cannot be asked, it is taken to be."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
