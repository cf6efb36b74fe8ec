"""Every benchmark at a size of seconds, so that none stops working unseen (`make bench-smoke`).

The figures say nothing at these sizes. A benchmark passes that ends with exit code 0 and whose last line is one JSON
object. The browser benchmark is left out, and named, where there is no Chromium.
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
"""Benchmarks that run at the same time."""
DEADLINE = 300.0
"""A benchmark that takes longer is ended and has failed. [seconds]"""


class Benchmark(NamedTuple):
    """A benchmark: its arguments and the variables that make it small."""

    words: tuple[str, ...] = ()
    sizes: Mapping[str, str] = {}


BENCHMARKS = {
    "backtest": Benchmark((str(SAMPLE / "paper-moth"), "--least", "30")),
    "futures": Benchmark(sizes={"DRAWS": "200"}),
    "window": Benchmark(sizes={"ORDERS": "1e5"}),
    "count": Benchmark(sizes={"SIZES": "1e4,2e4", "RUNS": "1", "ORDERS": "1e5"}),
    "intake": Benchmark(sizes={"LINES": "1e3,2e3", "RUNS": "1"}),
    "press": Benchmark(
        sizes={"RAW": str(SAMPLE / "paper-moth"), "ACCOUNTS": "1", "FEW": "1,2", "REPORTS": "0"},
    ),
    "ui": Benchmark(
        sizes={"RAW": str(SAMPLE / "birchway-crafts"), "PRESSES": "2", "ONLY": "ours_730,usual_730_days_bare"},
    ),
}  # fmt: skip
"""Every benchmark of this folder by the name of its module."""


def run_benchmark(name: str) -> tuple[float, str]:
    """Run one benchmark. Returns its seconds and what is wrong with it, empty where nothing is."""
    one, begin = BENCHMARKS[name], time.monotonic()
    words = [sys.executable, "-m", f"bench.{name}", *one.words]
    try:
        ran = subprocess.run(
            words, cwd=ROOT, env=os.environ | one.sizes, capture_output=True, text=True, check=False, timeout=DEADLINE
        )
    except subprocess.TimeoutExpired:
        return time.monotonic() - begin, f"it was not done after {DEADLINE:g} seconds"
    return time.monotonic() - begin, find_failure(ran.returncode, ran.stdout, ran.stderr)


def find_failure(code: int, stdout: str, stderr: str) -> str:
    """Return why a benchmark that ended did not pass, empty where it did.

    >>> wrong_with(0, 'made 8 files\\n{"seconds": 2}\\n', "")
    ''
    >>> wrong_with(0, "made 8 files\\n", "")
    "its last line is no JSON object: 'made 8 files'"
    >>> wrong_with(1, "", "The copies make 8 accounts; 40 were to be made.")
    'it ended with code 1: The copies make 8 accounts; 40 were to be made.'
    """
    if code:
        return f"it ended with code {code}: {stderr.strip()[-2000:]}"
    last = (stdout.strip().splitlines() or [""])[-1]
    try:
        told: Any = json.loads(last)
    except ValueError:
        told = None
    return "" if isinstance(told, dict) and told else f"its last line is no JSON object: {last[:200]!r}"


def main() -> None:
    """Run all, or those that are named, say how each ended, and end with exit code 1 where one failed."""
    names = list(sys.argv[1:] or BENCHMARKS)
    if "ui" in names and chromium() is None:
        names.remove("ui")
        print("ui         left out: no Chromium here", flush=True)
    seconds, failed = {}, []
    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        for name, (took, wrong) in zip(names, pool.map(run_benchmark, names), strict=True):
            seconds[name] = took
            print(f"{name:10} {took:6.1f} s  {wrong or 'passed'}", flush=True)
            failed += [name] if wrong else []
    print(json.dumps({"seconds": {name: round(took, 1) for name, took in seconds.items()}, "failed": failed}))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
