"""A page as PDF, printed by an installed Chromium; optional, for those who send paper."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from healthkit.press.run import PressError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60
"""A page that is not printed in so many seconds is not. [seconds]"""
FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--no-pdf-header-footer", "--virtual-time-budget=20000",
)  # fmt: skip


def browser() -> str:
    """The Chromium of this machine; the environment variable CHROMIUM names another. Raises PressError without one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise PressError("A PDF needs Chromium: install it, or set CHROMIUM to its path. The HTML page is printed.")
    return found


def write(page: Path) -> Path:
    """Print a page to the PDF beside it, whole or not at all. Raises PressError where it cannot be printed."""
    made = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="healthkit-pdf-") as profile:
        part = Path(profile) / made.name
        flags = [*FLAGS, f"--user-data-dir={profile}/profile", f"--print-to-pdf={part}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium's own sandbox does not start as root.
            flags.append("--no-sandbox")
        try:
            subprocess.run([browser(), *flags, page.as_uri()], check=True, capture_output=True, timeout=PATIENCE)
            aside = made.with_name(f".{made.name}.part")
            shutil.copyfile(part, aside)
            os.replace(aside, made)
        except (OSError, subprocess.SubprocessError) as error:
            raise PressError(f"Chromium did not print {page.name}: {error}.") from None
    return made
