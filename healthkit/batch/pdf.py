"""A page as PDF, printed by an installed Chromium; optional, for those who send paper."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from healthkit.batch import fork_client
from healthkit.batch.run_notebook import BatchError
from healthkit.files import temp_folders

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PRINT_TIMEOUT = 60
"""A page that is not printed in so many seconds is not. [seconds]"""
BROWSER_FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-pdf-header-footer", "--virtual-time-budget=20000",
)  # fmt: skip
INSTALL_BROWSER = (
    "Install Chromium, or set the environment variable CHROMIUM to its path, and run the report again with --pdf."
)
RUN_AGAIN_WITH_PDF = "Run the report of this account again with --pdf."

_browsers: set[subprocess.Popen[bytes]] = set()
"""The browsers that are printing now."""


class PdfError(BatchError):
    """A page cannot be printed as PDF; the message says why, `cure` what to do. The page itself is not concerned."""

    def __init__(self, reason: str, cure: str = RUN_AGAIN_WITH_PDF) -> None:
        super().__init__(reason)
        self.cure = cure


def find_browser() -> str:
    """The Chromium of this machine; the environment variable CHROMIUM names another. Raises PdfError without one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if not found:
        raise PdfError("There is no Chromium on this machine.", INSTALL_BROWSER)
    return found


def print_to_pdf(page: Path) -> bytes:
    """The PDF of a page. Raises PdfError where it cannot be printed."""
    chromium = find_browser()
    work = temp_folders.make(temp_folders.PDF_PREFIX)
    try:
        made, errors = work / "page.pdf", work / "errors.txt"
        flags = [*BROWSER_FLAGS, f"--user-data-dir={work}/profile", f"--print-to-pdf={made}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's own sandbox does not start as root.
            flags.append("--no-sandbox")
        code = _run_browser([chromium, *flags, page.as_uri()], errors)
        data = made.read_bytes() if made.is_file() else b""
        if code or not data.startswith(b"%PDF-"):
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code} and made no PDF"
            raise PdfError(f"Chromium {ended}{_last_line(errors)}.")
    finally:
        temp_folders.remove(work)
    return data


def _run_browser(command: list[str], errors: Path) -> int:
    """Run Chromium to its end and return its exit code; one that takes too long, or is stopped with the batch, is ended
    with all its processes."""
    if fork_client.is_stop_requested():
        raise PdfError("The batch was stopped.")
    with errors.open("wb") as written:
        try:
            running = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=written, start_new_session=True
            )
        except OSError as error:
            raise PdfError(f"{command[0]} cannot be started: {error.strerror}.", INSTALL_BROWSER) from None
    _browsers.add(running)
    try:
        return running.wait(PRINT_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise PdfError(f"Chromium did not print the page in {PRINT_TIMEOUT} seconds.") from None
    finally:
        _kill_browser(running)
        _browsers.discard(running)


def _kill_browser(running: subprocess.Popen[bytes]) -> None:
    """End Chromium, where it still runs, and the processes that it started."""
    if running.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()
    running.wait()


def stop_browsers() -> None:
    """End the browsers that are running: the batch is stopped."""
    for running in list(_browsers):
        _kill_browser(running)


def _last_line(errors: Path) -> str:
    """The last line that Chromium wrote, for the message; empty where it wrote none."""
    lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" ({last[:200]})" if last else ""
