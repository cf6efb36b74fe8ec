"""Run every benchmark whole, one after the other, and write `docs/benchmarks.md` (`make bench-all`).

A benchmark that fails stops no other: the file says how it ended, and the exit code is 1. The file is written anew
after each benchmark, so that a run that is stopped leaves what it has measured. OLIST is a folder of raw files of
Olist; with it past forecasts of its sellers are measured too, which the README names. With `--again` only the named
benchmarks run: their sections in the file are replaced, and say at which commit (`make bench-all AGAIN="commands ui"`).
With `--small` the small forms of `bench.smoke` run, whose figures mean nothing; then `--out` must name another file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import smoke

OUT = smoke.ROOT / "docs" / "benchmarks.md"
LIBRARIES = (
    "altair",
    "deltalake",
    "duckdb",
    "narwhals",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "vl-convert-python",
)
DEADLINE = 6 * 3600.0
"""Time limit of a whole benchmark. [seconds]"""
BUSY_LOAD = 0.5
"""Processes ready to run at the start (mean of a minute) above which the file says that the machine was busy."""


@dataclass(frozen=True)
class Figure:
    """A row of the table of a benchmark.

    `path` leads through the JSON of the benchmark by dots; each `*` stands for any key, which `text` names by {0}, {1}.
    `text` says what the figure is and `compared` with what it is compared; there {a.b} is another figure. `form` is the
    format of the value with its unit. `at_most` and `at_least` are the goal: a number, or paths of other figures.
    """

    path: str
    text: str
    form: str
    compared: str = ""
    at_most: float | str | None = None
    at_least: float | str | None = None


@dataclass(frozen=True)
class Section:
    """A benchmark in the file: its module with arguments and environment, its heading and its figures."""

    module: str
    title: str
    figures: Sequence[Figure]
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


BACKTEST = (
    Figure("forecasts", "forecasts, of {accounts} accounts", "{:,}"),
    Figure("off_in_30_days", "Brier score of off target in 30 days (lower is better)", "{:.3f}",
           "today stays {today_stays:.3f}, binomial {binomial:.3f}", at_most="today_stays,binomial"),
    Figure("breach", "Brier score of a breach within 30 days", "{:.3f}",
           "today stays {breach_today_stays:.3f}, binomial {breach_binomial:.3f}",
           at_most="breach_today_stays,breach_binomial"),
    Figure("not_best", "measures with 30 forecasts or more that do not beat both in Brier score", "{:,}", at_most=0),
    Figure("crps", "CRPS of the rate in 30 days (lower is better)", "{:.2f} percentage points",
           "today stays {crps_today_stays:.2f}, binomial {crps_binomial:.2f}",
           at_most="crps_today_stays,crps_binomial"),
    Figure("80_band_pit", "forecasts whose 80 % band held what came, by randomised PIT", "{:.0%}",
           "by mid-p {80_band_mid_p:.0%}; {mid_p_if_true:.0%} if the forecasts are true", at_least=0.78, at_most=0.85),
    Figure("cpu_seconds", "CPU time", "{:.1f} CPU s"),
)  # fmt: skip
OLIST = os.environ.get("OLIST", "")
SECTIONS = {
    "backtest": Section("backtest", "Past forecasts, the sample", BACKTEST, (str(smoke.SAMPLE),)),
    **{
        f"olist-{least}": Section(
            "backtest", f"Past forecasts, sellers of Olist, from {least} orders on", BACKTEST,
            (OLIST, "--least", str(least)),
        )
        for least in (30, 10) if OLIST
    },
    "futures": Section("futures", "Simulated futures", (
        Figure("seconds.*", "{draws:,} futures of {ahead} days, {0}", "{:.3f} s"),
        Figure("peak_mib", "peak memory", "{:,} MiB"),
    )),
    "window": Section("window", "A new window, largest of 1,000 accounts", (
        Figure("orders_of_the_largest", "orders of the largest account, of {orders:,} in all", "{:,}"),
        Figure("rates_of_120_days_ms", "rates of 120 days", "{:.1f} ms"),
        Figure("rates_of_730_days_ms", "rates of 730 days", "{:.1f} ms"),
        Figure("whole_answer_120_days_ms", "whole answer of the panel, 120 days", "{:.1f} ms"),
    )),
    "count": Section("count", "Counting", (
        Figure("*.*.count_to_scan", "{0}, {1} orders: CPU time of counting", "{:.2f} times",
               "a bare scan of the same columns"),
        Figure("*.*.count.cpu", "{0}, {1} orders", "{:.2f} CPU s"),
        Figure("*.*.count.peak_mib", "{0}, {1} orders: peak memory", "{:,} MiB"),
        Figure("*.slope", "{0}: growth", "{:.3f}", "1 is proportional to the orders"),
        Figure("one_account_new_window_ms", "a year of one account, a new window", "{:.1f} ms",
               "pandas: loop {pandas_loop_of_365_days_ms:,.0f} ms, rolling {pandas_rolling_ms:,.1f} ms"),
        Figure("pandas_rolling_wrong_cells", "wrong cells of pandas' rolling", "{:.0%}", "ours 0 %"),
        Figure("all_1000_accounts_365_days_ms", "a year of 1,000 accounts, a new window", "{:.1f} ms"),
    )),
    "intake": Section("intake", "Import of one large file", (
        Figure("*.read_rate_to_bare", "reading {0} lines: rate", "{:.2f}", "1 is pyarrow.csv, types inferred",
               at_least=0.6),
        Figure("*.import_rate_to_bare", "importing {0} lines: rate", "{:.2f}", "1 is pyarrow.csv, types inferred",
               at_least=0.3),
        Figure("*.pandas_rate_to_bare", "pandas.read_csv, {0} lines: rate", "{:.2f}", "1 is pyarrow.csv"),
        Figure("*.import.cpu", "importing {0} lines", "{:.2f} CPU s"),
        Figure("*.import.peak_mib", "importing {0} lines: memory", "{:,} MiB"),
        Figure("slope", "growth of an import", "{:.3f}", "1 is proportional to the lines"),
    )),
    "commands": Section("commands", "Commands, and many small files", (
        Figure("scores.cpu", "`scores` on the sample, with start", "{:.2f} CPU s", "`--help` {start.cpu:.2f} CPU s",
               at_most=0.8),
        Figure("first_panel_s", 'first panel of notebook 01 on the sample, from "run all"', "{:.1f} s",
               "without the browser", at_most=3),
        Figure("import_ms_a_file", "import of {small_files:,} small files, each", "{:.1f} ms", at_most=8),
        Figure("same_again_ms_a_file", "the same files again, each", "{:.1f} ms"),
    )),
    "ui": Section("ui", "Key press to redrawn chart, in JupyterLab", (
        Figure("ours_730_days.median_ms", "730 days, median", "{:.0f} ms",
               "the usual pattern {usual_730_days.median_ms:.0f} ms", at_most=80),
        Figure("ours_8_charts.median_ms", "8 charts, median", "{:.0f} ms",
               "the usual pattern {usual_8_charts.median_ms:.0f} ms", at_most=80),
        Figure("*.worst_ms", "{0}, worst", "{:.0f} ms"),
        Figure("*.blank_frames", "{0}, frames without chart", "{:,}"),
    )),
    "press": Section("press", "Monthly reports", (
        Figure("ours_cpu", "one more report of a batch", "{:.3f} CPU s",
               "papermill and nbconvert {stock_cpu:.3f} CPU s; plain Python {plain_cpu:.3f} CPU s"),
        Figure("stock_to_ours", "papermill and nbconvert to ours", "{:.1f} times", at_least=25),
        Figure("ours_to_plain", "ours to plain Python", "{:.2f} times", at_most=1.15),
        Figure("ours_start_cpu", "start of a batch", "{:.1f} CPU s", at_most=4),
        Figure("reports", "reports of one batch, two at once", "{:,}", "{failed} failed"),
        Figure("seconds", "the whole batch", "{:,.0f} s"),
        Figure("seconds_a_report_late", "one report, at the end of the batch", "{:.3f} s",
               "at its begin {seconds_a_report_early:.3f} s"),
        Figure("server_mib_late", "memory of batch and fork server, at the end", "{:,} MiB",
               "at its begin {server_mib_early:,} MiB"),
        Figure("left_processes", "processes left behind", "{:,}", at_most=0),
        Figure("left_folders", "folders left behind", "{:,}", at_most=0),
    )),
}  # fmt: skip
"""Every benchmark, in the order in which they run."""


@dataclass
class Outcome:
    """How a benchmark ended: its figures, or why it has none, and how long it ran. [seconds]"""

    figures: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    seconds: float = 0.0


def run_section(section: Section, small: bool) -> Outcome:
    """Run one benchmark, in its small form if asked, and return how it ended."""
    chosen = smoke.BENCHMARKS[section.module] if small else smoke.Benchmark(section.arguments, section.environment)
    begin = time.monotonic()
    try:
        result = subprocess.run(
            [sys.executable, "-m", f"bench.{section.module}", *chosen.arguments], cwd=smoke.ROOT, text=True,
            env=os.environ | chosen.environment, capture_output=True, check=False,
            timeout=smoke.DEADLINE if small else DEADLINE,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return Outcome(failure=f"it did not end within {error.timeout:,.0f} seconds", seconds=time.monotonic() - begin)
    failure = smoke.find_failure(result.returncode, result.stdout, result.stderr)
    figures = {} if failure else json.loads(result.stdout.strip().splitlines()[-1])
    return Outcome(figures, failure, time.monotonic() - begin)


# -- the file -----------------------------------------------------------------------------------------------------


def find_values(figures: Mapping[str, Any], path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value at a path, with the keys for which `*` stands.

    >>> list(find_values({"late": {"1e5": {"cpu": 2}, "slope": 1}}, "*.*.cpu"))
    [(('late', '1e5'), 2)]
    """
    first, _, rest = path.partition(".")
    keys = [first] if first != "*" else list(figures)
    for key in keys:
        value = figures.get(key)
        star = (key,) if first == "*" else ()
        if rest and isinstance(value, dict):
            yield from ((star + keys_below, below) for keys_below, below in find_values(value, rest))
        elif not rest and isinstance(value, int | float):
            yield star, value


def _fill(text: str, figures: Mapping[str, Any], keys: tuple[str, ...] = ()) -> str:
    """Return a text with its figures; "" if one is missing, because then nothing was compared."""
    missing = False

    def replace(match: re.Match[str]) -> str:
        nonlocal missing
        name, _, form = match.group(1).partition(":")
        if name.isdigit():
            return _words(keys[int(name)])
        found = [value for _, value in find_values(figures, name)]
        missing = missing or not found
        return format(found[0], form) if found else ""

    filled = re.sub(r"\{([^{}]*)\}", replace, text)
    return "" if missing else filled


def _words(key: str) -> str:
    """Return a key of JSON as words.

    >>> _words("late_shipment_rate"), _words("1e+05")
    ('late shipment rate', '100,000')
    """
    return f"{float(key):,.0f}" if re.fullmatch(r"\de\+\d+", key) else key.replace("_", " ")


def _goal(figure: Figure, value: float, figures: Mapping[str, Any]) -> str:
    """Return the goal of a figure and whether it is met; "" without a goal.

    >>> _goal(Figure("start", "start of a batch", "{:.1f} CPU s", at_most=4), 9.2, {})
    'at most 4.0 CPU s: not met'
    >>> _goal(Figure("held", "held", "{:.0%}", at_least=0.78, at_most=0.85), 0.8, {})
    '78% to 85%: met'
    """
    if isinstance(figure.at_least, float) and isinstance(figure.at_most, float):
        is_met = figure.at_least <= value <= figure.at_most
        low, high = figure.form.format(figure.at_least), figure.form.format(figure.at_most)
        return f"{low} to {high}: {'met' if is_met else 'not met'}"
    for sign, goal in (("at most", figure.at_most), ("at least", figure.at_least)):
        if goal is None:
            continue
        if isinstance(goal, str):
            limits = [one for path in goal.split(",") for _, one in find_values(figures, path)]
            return f"below both: {'met' if limits and value < min(limits) else 'not met'}"
        is_met = value <= goal if sign == "at most" else value >= goal
        return f"{sign} {figure.form.format(goal)}: {'met' if is_met else 'not met'}"
    return ""


def section_lines(section: Section, outcome: Outcome | None, small: bool = False, run: str = "") -> list[str]:
    """Return the Markdown lines of one benchmark; `run` says when it ran, if not with the others of the file."""
    lines = [f"## {section.title}", ""]
    if outcome is None:
        return [*lines, "Not run yet.", ""]
    if outcome.failure:
        first, *_, last = (outcome.failure.strip().splitlines() or [""]) * 2
        reason = first if first == last else f"{first.partition(':')[0]}: {last}"
        return [*lines, f"**Failed** after {outcome.seconds:,.0f} s{run}: `{_without_paths(reason)[:600]}`", ""]
    lines += ["| figure | measured | compared with | goal |", "|---|---|---|---|"]
    for figure in section.figures:
        for keys, value in find_values(outcome.figures, figure.path):
            cells = (
                _fill(figure.text, outcome.figures, keys), figure.form.format(value),
                _fill(figure.compared, outcome.figures, keys), "" if small else _goal(figure, value, outcome.figures),
            )  # fmt: skip
            lines.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|")
    return [*lines, "", f"`python -m bench.{section.module}`, {outcome.seconds:,.0f} s{run}.", ""]


def _without_paths(text: str) -> str:
    return text.replace(f"{smoke.ROOT}/", "").replace(str(Path.home()), "~").replace("`", "'")


def document(outcomes: Mapping[str, Outcome], names: Sequence[str], small: bool, place: Sequence[str]) -> str:
    """Return the whole file: where and when, then a section for each benchmark."""
    failed = [SECTIONS[name].title for name in names if name in outcomes and outcomes[name].failure]
    lines = [
        *("---", "orphan: true", "---", ""),
        "# Benchmarks",
        "",
        "Made by `make bench-all`, which runs every benchmark whole, one after the other; do not edit it. Times are of",
        "the machine below; CPU s are seconds of CPU of all processes together. A goal stands beside its figure. A",
        "benchmark that ran again later names its commit and day below its figures.",
        "",
        *(["**Small forms: these figures only show that each benchmark runs.**", ""] if small else []),
        *place,
        "",
        *([f"**Failed: {', '.join(failed)}.**", ""] if failed else []),
    ]
    for name in names:
        lines += section_lines(SECTIONS[name], outcomes.get(name), small)
    return "\n".join(lines) + "\n"


def replace_section(text: str, name: str, outcome: Outcome, run: str) -> str:
    """Return the text of the file with one benchmark run again, in its place or at the end; `run` says when it ran."""
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    by_title = {one.partition("\n")[0].removeprefix("## "): one for one in sections}
    by_title[SECTIONS[name].title] = "\n".join(section_lines(SECTIONS[name], outcome, run=run)) + "\n"
    head = re.sub(r"^\*\*Failed: .*\n\n", "", head, flags=re.MULTILINE)
    failed = [title for title, one in by_title.items() if one.partition("\n\n")[2].startswith("**Failed**")]
    return "".join([head, *([f"**Failed: {', '.join(failed)}.**\n\n"] if failed else []), *by_title.values()])


def describe_run() -> dict[str, str]:
    """Return commit, day and load of a run by name."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = " (**the machine was busy**)" if load > BUSY_LOAD else ""
    return {"commit": _commit(), "day": date.today().isoformat(), "load at the start": f"{load:.1f}{busy}"}


def describe_place() -> list[str]:
    """Return the table of machine, system, versions, commit and day."""
    return ["| | |", "|---|---|", *_rows(_describe_machine()), *_rows(describe_run())]


def _rows(texts: Mapping[str, str]) -> list[str]:
    return [f"| {name} | {text} |" for name, text in texts.items()]


def _describe_machine() -> dict[str, str]:
    """Return machine, system and versions by name; two runs are compared only where all are the same."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} logical CPUs",
        "memory": _memory(),
        "system": f"{_system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.M) if info.exists() else None
    return found.group(1) if found else platform.processor() or "unknown"


def _memory() -> str:
    info = Path("/proc/meminfo")
    found = re.search(r"^MemTotal:\s*(\d+) kB", info.read_text(), re.M) if info.exists() else None
    return f"{int(found.group(1)) / 2**20:.1f} GiB" if found else "unknown"


def _system() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"
    except (OSError, KeyError, AttributeError):
        return f"{platform.system()} {platform.release()}"


def _commit() -> str:
    """Return the commit that is checked out, and whether files differ from it; the output itself does not count."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=smoke.ROOT, capture_output=True, text=True, check=True).stdout

    try:
        changed = [line for line in git("status", "--porcelain").splitlines() if not line.endswith(OUT.name)]
        return git("rev-parse", "--short=12", "HEAD").strip() + (", with changes not committed" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> None:
    """Run the benchmarks and write the file; the exit code is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"benchmarks to run; default: {', '.join(SECTIONS)}")
    parser.add_argument("--small", action="store_true", help="run the small forms, into --out")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write; default: docs/benchmarks.md")
    parser.add_argument("--again", action="store_true", help="run the named ones into the file and keep its others")
    options = parser.parse_args()
    names = options.names or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    if options.out.resolve() == OUT and (options.small or (options.names and not options.again)):
        parser.error(
            "docs/benchmarks.md holds whole runs of all benchmarks only; name another file with --out (OUT=), or "
            "replace sections of it with --again (AGAIN=)"
        )
    earlier = ""
    if options.again:
        if options.small or not options.names or not options.out.is_file():
            parser.error("--again needs names of benchmarks and a file of a whole run, and no --small")
        earlier = options.out.read_text(encoding="utf-8")
        if changed := [row for row in _rows(_describe_machine()) if row not in earlier]:
            parser.error(
                f"{options.out} is of another machine or other versions; run all again. Now:\n{chr(10).join(changed)}"
            )
    outcomes: dict[str, Outcome] = {}
    place, now = describe_place(), describe_run()
    run = f", again at commit {now['commit']} on {now['day']}, load at the start {now['load at the start']}"
    for name in names:
        print(f"{name:10} ", end="", flush=True)
        outcomes[name] = run_section(SECTIONS[name], options.small)
        print(f"{outcomes[name].seconds:8.1f} s  {outcomes[name].failure or 'passed'}", flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        if options.again:
            earlier = replace_section(earlier, name, outcomes[name], run)
        text = earlier if options.again else document(outcomes, names, options.small, place)
        options.out.write_text(text, encoding="utf-8")
    failed = [name for name, outcome in outcomes.items() if outcome.failure]
    print(f"{options.out}: {len(names) - len(failed)} benchmarks, {len(failed)} failed {' '.join(failed)}".strip())
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
