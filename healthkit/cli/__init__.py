"""The command line. Each command parses its options, calls one package and prints the answer.

Exit codes: 0 success; 1 a problem with the data or the accounts, which is printed; 2 wrong usage; 130 and 143 ended by
Ctrl-C and SIGTERM, after all temporary files are removed.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import lazy_loader as lazy

from healthkit.cli import (
    dashboard_command,
    event_commands,
    explain_commands,
    import_command,
    outlook_commands,
    pull_commands,
    report_commands,
    score_commands,
    store_commands,
    todo_commands,
)
from healthkit.cli.options import app
from healthkit.files import temp_folders

__all__ = [
    "app",
    "dashboard_command",
    "event_commands",
    "explain_commands",
    "import_command",
    "main",
    "outlook_commands",
    "pull_commands",
    "report_commands",
    "score_commands",
    "store_commands",
    "todo_commands",
]


def main() -> None:
    """Run the command line and exit with its exit code.

    The exit is immediate, because threads of native libraries may block a normal exit.
    """
    for name in _TERMINATING_SIGNALS:
        # A signal that the parent ignores (SIGHUP under nohup) stays ignored.
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
"""Signals that end a command like Ctrl-C: its processes are ended and its temporary files removed."""


def _exit_on_signal(number: int, _: FrameType | None) -> None:
    """Exit through every clean-up; further signals are ignored."""
    for name in _TERMINATING_SIGNALS:
        signal.signal(name, signal.SIG_IGN)
    raise SystemExit(128 + number)
