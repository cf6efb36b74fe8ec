"""A page as PDF, printed by an installed Chromium; optional, for those who send paper."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from healthkit import scratch
from healthkit.press import forks
from healthkit.press.run import PressError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60
"""A page that is not printed in so many seconds is not. [seconds]"""
FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-pdf-header-footer", "--virtual-time-budget=20000",
)  # fmt: skip
_running: set[subprocess.Popen[bytes]] = set()
"""The browsers that are printing now."""


def browser() -> str:
    """The Chromium of this machine; the environment variable CHROMIUM names another. Raises PressError without one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise PressError("A PDF needs Chromium: install it, or set CHROMIUM to its path. The HTML page is printed.")
    return found


def write(page: Path) -> Path:
    """Print a page to the PDF beside it, whole or not at all. Raises PressError where it cannot be printed."""
    made = page.with_suffix(".pdf")
    work = scratch.make(scratch.PDF)
    try:
        flags = [*FLAGS, f"--user-data-dir={work}/profile", f"--print-to-pdf={work}/page.pdf"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's own sandbox does not start as root.
            flags.append("--no-sandbox")
        _run([browser(), *flags, page.as_uri()])
        scratch.write_whole(made, (work / "page.pdf").read_bytes())
    except (OSError, subprocess.SubprocessError) as error:
        raise PressError(f"Chromium did not print {page.name}: {error}.") from None
    finally:
        scratch.remove(work)
    return made


def _run(command: list[str]) -> None:
    """Run a browser until it is done. Raises SubprocessError where it fails, is stopped or takes too long."""
    if forks.is_stopped():
        raise subprocess.SubprocessError("the batch was stopped")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        _running.add(process)
        try:
            process.wait(PATIENCE)
        finally:
            _end(process)
            _running.discard(process)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a browser and what it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def stop() -> None:
    """End the browsers that are running: the batch is stopped."""
    for process in list(_running):
        _end(process)
