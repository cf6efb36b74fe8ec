"""The quick tests in an environment of its own, with the lowest or the newest versions that pyproject.toml allows.

    python -m tests.versions lowest
    python -m tests.versions newest --python python3.13

The packages come from the registry that is set up on the machine (by uv); nothing is pinned but what the bounds say.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESOLUTION = {"lowest": "lowest-direct", "newest": "highest"}
TOOLS = ("hypothesis", "polars", "pytest", "pytest-xdist")
"""Of the extra `dev`, what the quick tests run with."""
QUICK = [
    "test_blocks",
    "test_cases",
    "test_charts",
    "test_cli",
    "test_coverage",
    "test_engines",
    "test_import_checks",
    "test_policy",
    "test_readers",
    "test_readers_broken",
    "test_readers_by_hand",
    "test_readers_lists",
    "test_readers_orders",
    "test_sample",
    "test_scores",
    "test_store",
    "test_tables",
    "test_wording",
]
"""Tests without browser, notebook or batch: two to four minutes on two cores."""


def wanted() -> list[str]:
    """The requirements of the project, and of the tools that test it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tools = [one for one in project["optional-dependencies"]["dev"] if one.split(">=")[0] in TOOLS]
    return [*project["dependencies"], *tools]


def main() -> None:
    """Make the environment, say what is in it, run the tests; end with their exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", choices=sorted(RESOLUTION))
    parser.add_argument("--python", default=sys.executable, help="the Python that the environment is made of")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="healthkit-versions-") as folder:
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([words.python, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"], check=True)
        asked = ["--resolution", RESOLUTION[words.versions], *wanted()]
        subprocess.run([python, "-m", "uv", "pip", "install", "--quiet", "--python", python, *asked], check=True)
        subprocess.run([python, "-m", "uv", "pip", "list", "--python", python], check=True)
        tests = [f"tests/{name}.py" for name in QUICK]
        run = [python, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *tests]
        sys.exit(subprocess.run(run, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode)


if __name__ == "__main__":
    main()
