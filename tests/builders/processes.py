"""Other processes: run the commands in one, wait for what they do, see whether they run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run_healthkit(*words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own and return what it printed."""
    command = [sys.executable, "-m", "healthkit", *map(str, words)]
    return subprocess.run(command, **({"capture_output": True, "text": True, "timeout": 300, "check": False} | how))


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something has happened; fail if it does not."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
