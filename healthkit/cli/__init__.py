"""The commands. Thin: each reads its words, calls one room, prints the answer.

Exit codes: 0 fine; 1 the data or the accounts have a problem, which is named; 2 wrong usage.
"""

from __future__ import annotations

import os
import sys

from healthkit import scratch
from healthkit.cli import explaining, foreseeing, keeping, printing, scoring, taking
from healthkit.cli.asking import app

__all__ = ["app", "explaining", "foreseeing", "keeping", "main", "printing", "scoring", "taking"]


def main() -> None:
    """The entry point. The process ends here and now: threads of native libraries may outlive Python's own end."""
    try:
        app(prog_name="python -m healthkit")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    scratch.clear()
    os._exit(code)
