"""Prints a page to PDF with an installed Chromium; optional."""

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
"""Time limit for printing one page. [seconds]"""
BROWSER_FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-pdf-header-footer", "--virtual-time-budget=20000",
)  # fmt: skip
INSTALL_BROWSER = (
    "Install Chromium, or set the environment variable CHROMIUM to its path, and run the report again with --pdf."
)
RUN_AGAIN_WITH_PDF = "Run the report of this account again with --pdf."

_browsers: set[subprocess.Popen[bytes]] = set()
"""Browser processes that are running now."""


class PdfError(BatchError):
    """Raised if a page cannot be printed to PDF; the message says why, and `cure` says what to do.

    The page itself is unaffected.
    """

    def __init__(self, reason: str, cure: str = RUN_AGAIN_WITH_PDF) -> None:
        super().__init__(reason)
        self.cure = cure


def find_browser() -> str:
    """Return the path of Chromium: the environment variable CHROMIUM, or else the first browser found.

    Raises PdfError if there is none.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if not found:
        raise PdfError("There is no Chromium on this machine.", INSTALL_BROWSER)
    return found


def print_to_pdf(page: Path) -> bytes:
    """Print an HTML file to PDF and return the PDF. Raises PdfError if the file cannot be printed."""
    chromium = find_browser()
    work = temp_folders.make(temp_folders.PDF_PREFIX)
    try:
        pdf, errors = work / "page.pdf", work / "errors.txt"
        flags = [*BROWSER_FLAGS, f"--user-data-dir={work}/profile", f"--print-to-pdf={pdf}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's own sandbox does not start as root.
            flags.append("--no-sandbox")
        code = _run_browser([chromium, *flags, page.as_uri()], errors)
        data = pdf.read_bytes() if pdf.is_file() else b""
        if code or not data.startswith(b"%PDF-"):
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code} and made no PDF"
            raise PdfError(f"Chromium {ended}{_last_line(errors)}.")
    finally:
        temp_folders.remove(work)
    return data


def _run_browser(command: list[str], errors: Path) -> int:
    """Run Chromium and return its exit code; kill it and its children at the time limit or when the batch stops."""
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
    """Kill Chromium, if it still runs, and the processes that it started."""
    if running.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()
    running.wait()


def stop_browsers() -> None:
    """Kill all running browsers; called when the batch is stopped."""
    for running in list(_browsers):
        _kill_browser(running)


def _last_line(errors: Path) -> str:
    """Return the last line of Chromium's error output in brackets; empty if there is none."""
    lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" ({last[:200]})" if last else ""
