"""Where rows of an SQL question stand that do not fit into memory: a folder of this process alone, gone with it.

It lies where the system keeps such files (`TMPDIR` names another place). DuckDB's own choice, `.tmp` in the folder one
works in, would be readable by all who read that, and stays when a process ends without closing its connections.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_made: dict[int, Path] = {}
"""The folder, by the process that made it: a fork has one of its own."""


def folder() -> Path | None:
    """The folder, made when it is first asked for; None where no place takes one, and all must fit into memory."""
    if os.getpid() not in _made:
        try:
            _made[os.getpid()] = Path(tempfile.mkdtemp(prefix="healthkit-"))
        except OSError:
            return None
    return _made[os.getpid()]


def clear() -> None:
    """Remove the folder with all that is in it: for a process that ends here and now."""
    made = _made.pop(os.getpid(), None)
    if made is not None:
        shutil.rmtree(made, ignore_errors=True)


atexit.register(clear)
