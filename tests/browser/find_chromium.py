"""Find a Chromium for the browser tests; install Debian's where that is allowed, else say what will be skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The path of a Chromium on this machine, or None. CHROMIUM names another."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def install() -> None:
    """Install Debian's Chromium as root; elsewhere do nothing."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    print("== Installing Chromium for the browser tests", flush=True)
    install_it = ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation"]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install_it):
        if subprocess.run(command, check=False, capture_output=True, env=quiet).returncode:
            return


if __name__ == "__main__":
    if chromium() is None:
        install()
    if chromium() is None:
        print("== No Chromium here: the tests in tests/browser do not run. Install it, or set CHROMIUM to its path.")
    sys.exit(0)
