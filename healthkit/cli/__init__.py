"""The commands. Thin: each reads its words, calls one room, prints the answer.

Exit codes: 0 fine; 1 the data or the accounts have a problem, which is named; 2 wrong usage; 130 and 143 ended by
Ctrl-C and by SIGTERM, with nothing left among the temporary files.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import lazy_loader as lazy

from healthkit.cli import (
    explain_commands,
    import_command,
    outlook_commands,
    report_commands,
    score_commands,
    store_commands,
)
from healthkit.cli.options import app
from healthkit.files import temp_folders

__all__ = [
    "app",
    "explain_commands",
    "import_command",
    "main",
    "outlook_commands",
    "report_commands",
    "score_commands",
    "store_commands",
]


def main() -> None:
    """The entry point. The process ends here and now: threads of native libraries may outlive Python's own end."""
    for name in _TERMINATING_SIGNALS:
        # What a shell told us not to hear (as nohup does with SIGHUP) stays unheard.
        if signal.getsignal(name) is signal.SIG_DFL:
            signal.signal(name, _exit_on_signal)
    temp_folders.remove_abandoned()
    try:
        app(prog_name="python -m healthkit")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    temp_folders.remove_own()
    os._exit(code)


__getattr__ = lazy.attach(__name__, submodules=["doctor"])[0]

_TERMINATING_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end a command as Ctrl-C does: what it started is ended, what it wrote for itself is removed."""


def _exit_on_signal(number: int, _: FrameType | None) -> None:
    """Leave by way of every clean-up; another such signal does not cut that short."""
    for name in _TERMINATING_SIGNALS:
        signal.signal(name, signal.SIG_IGN)
    raise SystemExit(128 + number)
