"""The command line. Each command parses its options, calls one package and prints the answer.

Exit codes: 0 success; 1 a problem with the data or the accounts, which is printed; 2 wrong usage; 130 and 143 ended by
Ctrl-C and SIGTERM, after all temporary files are removed.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import chain
from types import FrameType
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from healthkit.files import temp_folders

if TYPE_CHECKING:
    import typer

    app: typer.Typer

_COMMANDS = {
    "dashboard_command": ("dashboard",),
    "event_commands": ("event",),
    "explain_commands": ("bridge", "drivers", "standing", "reconcile"),
    "import_command": ("import",),
    "outlook_commands": ("outlook", "whatif"),
    "pull_commands": ("pull", "accounts"),
    "report_commands": ("report", "check", "lab"),
    "score_commands": ("scores", "rules", "due"),
    "store_commands": ("store", "doctor"),
    "todo_commands": ("todo",),
}
"""The modules and the commands in each, in the order of the help."""
_import_module = lazy.attach(__name__, submodules=[*_COMMANDS, "doctor", "options"])[0]


def _load_commands(*names: str) -> Any:
    """Import the modules of the named commands, or of all if one is unknown; return the application."""
    owners = {command: module for module, commands in _COMMANDS.items() for command in commands}
    for module in dict.fromkeys(map(owners.get, names)) if owners.keys() >= set(names) else _COMMANDS:
        _import_module(module)
    return _import_module("options").app


def __getattr__(name: str) -> Any:
    """Return the application with all its commands as `app`, or a module of commands."""
    return _load_commands(*chain(*_COMMANDS.values())) if name == "app" else _import_module(name)


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
        # A command starts sooner without the modules of the others; the first word may also be an option.
        _load_commands(*sys.argv[1:2] or ("--help",))(prog_name="python -m healthkit")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    temp_folders.remove_own()
    os._exit(code)


_TERMINATING_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end a command like Ctrl-C: its processes are ended and its temporary files removed."""


def _exit_on_signal(number: int, _: FrameType | None) -> None:
    """Exit through every clean-up; further signals are ignored."""
    for name in _TERMINATING_SIGNALS:
        signal.signal(name, signal.SIG_IGN)
    raise SystemExit(128 + number)
