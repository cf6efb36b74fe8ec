"""A page as PDF, printed by an installed Chromium; optional, for those who send paper."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from healthkit.batch import fork_client
from healthkit.batch.run_notebook import PressError
from healthkit.files import temp_folders

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60
"""A page that is not printed in so many seconds is not. [seconds]"""
FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-pdf-header-footer", "--virtual-time-budget=20000",
)  # fmt: skip
INSTALL = "Install Chromium, or set the environment variable CHROMIUM to its path, and run the report again with --pdf."
AGAIN = "Run the report of this account again with --pdf."

_running: set[subprocess.Popen[bytes]] = set()
"""The browsers that are printing now."""


class PdfError(PressError):
    """A page cannot be printed as PDF; the message says why, `cure` what to do. The page itself is not concerned."""

    def __init__(self, what: str, cure: str = AGAIN) -> None:
        super().__init__(what)
        self.cure = cure


def browser() -> str:
    """The Chromium of this machine; the environment variable CHROMIUM names another. Raises PdfError without one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise PdfError("There is no Chromium on this machine.", INSTALL)
    return found


def printed(page: Path) -> bytes:
    """The PDF of a page. Raises PdfError where it cannot be printed."""
    chromium = browser()
    work = temp_folders.make(temp_folders.PDF)
    try:
        made, errors = work / "page.pdf", work / "errors.txt"
        flags = [*FLAGS, f"--user-data-dir={work}/profile", f"--print-to-pdf={made}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's own sandbox does not start as root.
            flags.append("--no-sandbox")
        code = _run([chromium, *flags, page.as_uri()], errors)
        data = made.read_bytes() if made.is_file() else b""
        if code or not data.startswith(b"%PDF-"):
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code} and made no PDF"
            raise PdfError(f"Chromium {ended}{_last_line(errors)}.")
    finally:
        temp_folders.remove(work)
    return data


def _run(command: list[str], errors: Path) -> int:
    """Run Chromium to its end and return its exit code; one that takes too long, or is stopped with the batch, is ended
    with all its processes."""
    if fork_client.is_stopped():
        raise PdfError("The batch was stopped.")
    with errors.open("wb") as written:
        try:
            running = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=written, start_new_session=True
            )
        except OSError as error:
            raise PdfError(f"{command[0]} cannot be started: {error.strerror}.", INSTALL) from None
    _running.add(running)
    try:
        return running.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        raise PdfError(f"Chromium did not print the page in {PATIENCE} seconds.") from None
    finally:
        _end(running)
        _running.discard(running)


def _end(running: subprocess.Popen[bytes]) -> None:
    """End Chromium, where it still runs, and the processes that it started."""
    if running.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()
    running.wait()


def stop() -> None:
    """End the browsers that are running: the batch is stopped."""
    for running in list(_running):
        _end(running)


def _last_line(errors: Path) -> str:
    """The last line that Chromium wrote, for the message; empty where it wrote none."""
    lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" ({last[:200]})" if last else ""
