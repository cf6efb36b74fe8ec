"""Run every benchmark at a small size, to detect when one stops working (`make bench-smoke`).

The figures mean nothing at these sizes. A benchmark passes if it ends with exit code 0 and its last line is one JSON
object. The browser benchmark is skipped, with a message, if there is no Chromium.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.browser.find_chromium import chromium

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"
PARALLEL_RUNS = 2
"""Number of benchmarks that run at the same time."""
DEADLINE = 300.0
"""Time limit of a benchmark, after which it counts as failed. [seconds]"""


class Benchmark(NamedTuple):
    """A benchmark: its arguments and the environment variables that make it small."""

    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}


BENCHMARKS = {
    "backtest": Benchmark((str(SAMPLE / "paper-moth"), "--least", "30")),
    "futures": Benchmark(environment={"DRAWS": "200"}),
    "window": Benchmark(environment={"ORDERS": "1e5"}),
    "count": Benchmark(environment={"SIZES": "1e4,2e4", "RUNS": "1", "ORDERS": "1e5"}),
    "intake": Benchmark(environment={"LINES": "1e3,2e3", "RUNS": "1"}),
    "commands": Benchmark(environment={"RAW": str(SAMPLE / "paper-moth"), "RUNS": "1", "COPIES": "1"}),
    "press": Benchmark(
        environment={"RAW": str(SAMPLE / "paper-moth"), "ACCOUNTS": "1", "FEW": "1,2", "REPORTS": "0"},
    ),
    "ui": Benchmark(
        environment={"RAW": str(SAMPLE / "birchway-crafts"), "PRESSES": "2", "ONLY": "ours_730,usual_730_days_bare"},
    ),
}  # fmt: skip
"""All benchmarks of this folder, by module name."""


def run_benchmark(name: str) -> tuple[float, str]:
    """Run one benchmark; return its duration in seconds and why it failed, empty if it passed."""
    benchmark, begin = BENCHMARKS[name], time.monotonic()
    command = [sys.executable, "-m", f"bench.{name}", *benchmark.arguments]
    environment = os.environ | benchmark.environment
    try:
        result = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE
        )
    except subprocess.TimeoutExpired:
        return time.monotonic() - begin, f"it did not end within {DEADLINE:g} seconds"
    return time.monotonic() - begin, find_failure(result.returncode, result.stdout, result.stderr)


def find_failure(code: int, stdout: str, stderr: str) -> str:
    """Return a phrase that says why a benchmark failed; empty if it passed.

    >>> find_failure(0, 'made 8 files\\n{"seconds": 2}\\n', "")
    ''
    >>> find_failure(0, "made 8 files\\n", "")
    "its last line is not a JSON object: 'made 8 files'"
    >>> find_failure(1, "", "The copies have 8 accounts; expected 40.")
    'it ended with code 1: The copies have 8 accounts; expected 40.'
    """
    if code:
        return f"it ended with code {code}: {stderr.strip()[-2000:]}"
    last = (stdout.strip().splitlines() or [""])[-1]
    try:
        figures: Any = json.loads(last)
    except ValueError:
        figures = None
    return "" if isinstance(figures, dict) and figures else f"its last line is not a JSON object: {last[:200]!r}"


def main() -> None:
    """Run all benchmarks, or those named as arguments, and print the results.

    The exit code is 1 if a benchmark failed.
    """
    names = list(sys.argv[1:] or BENCHMARKS)
    if "ui" in names and chromium() is None:
        names.remove("ui")
        print("ui         skipped: no Chromium found", flush=True)
    seconds, failed = {}, []
    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        for name, (duration, failure) in zip(names, pool.map(run_benchmark, names), strict=True):
            seconds[name] = round(duration, 1)
            print(f"{name:10} {duration:6.1f} s  {failure or 'passed'}", flush=True)
            failed += [name] if failure else []
    print(json.dumps({"seconds": seconds, "failed": failed}))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
