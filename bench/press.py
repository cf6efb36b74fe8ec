"""Measure the cost of a report: papermill and nbconvert, our batch, and plain Python (`make bench-press`).

All use the same accounts, each as often as the others, template and store in one run. "stock" runs papermill's command
and `jupyter nbconvert --no-input` for each report. "plain Python" does the same computation and charts in one warm
process without a notebook, which is the lower limit. Figures are CPU seconds, child processes included; the start of
our batch (imports, one warm-up run) is shown separately. Finally many copies of the sample are reported, to check that
memory, time a report and leftovers do not grow.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

# Before numpy is imported, as in the fork server: no threads for small matrix products.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import pyarrow as pa
import pyarrow.compute as pc

import healthkit as hk
from healthkit import batch
from healthkit.batch import fork_client
from healthkit.ingest import importer
from healthkit.report.html.account import account_state, buyer_messages
from healthkit.report.html.page import html_page
from healthkit.report.html.reconciliation import reconciliation
from healthkit.report.html.report import measure_chapters, rules_in_force, scorecard, verdict
from healthkit.schema import tables
from healthkit.store import Store
from healthkit.workspace import snapshot

RAW = Path(os.environ.get("RAW") or Path(__file__).parents[1] / "data" / "sample")
"""Folder with the raw files of the accounts that are reported and copied."""
MONTH = "2026-10"
BATCH_COPIES = tuple(int(size) for size in os.environ.get("FEW", "2,6").split(","))
"""Copies of all accounts in the two batches whose difference gives the cost of one more report.

Both have more pages than the first forks make, and enough that a second more or less does not matter.
"""
STOCK_ACCOUNTS = int(os.environ.get("ACCOUNTS", "1000"))
"""Most accounts to report with the stock commands."""
MANY_REPORTS = int(os.environ.get("REPORTS", "1000"))
"""Number of reports that are generated to check that time and memory do not grow; 0 for no check."""
SCRIPTS_FOLDER = Path(sys.executable).parent


def cpu_seconds_of(work: Callable[[], Any]) -> float:
    """Call `work` and return the CPU seconds that this process and its children used meanwhile."""
    begin = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    end = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(begin, end, strict=True))


def report_by_stock_commands(store: Path, account: str, folder: Path) -> None:
    """Generate one report with the commands papermill and nbconvert."""
    notebook = folder / f"{account}.ipynb"
    parameters = {"account": account, "month": MONTH, "data": str(store), "stem": account}
    options = [text for name, value in parameters.items() for text in ("-p", name, value)]
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([SCRIPTS_FOLDER / "papermill", batch.TEMPLATE, notebook, *options, "--no-progress-bar"], **quiet)
    subprocess.run([SCRIPTS_FOLDER / "jupyter", "nbconvert", "--to", "html", "--no-input", notebook], **quiet)


def report_in_plain_python(store: Path, account: str, marketplace: str) -> str:
    """Generate one report without a notebook and return its HTML."""
    month = hk.open_report(hk.Workspace(store), account, MONTH, marketplace, "")
    shown = [
        verdict(month), scorecard(month), measure_chapters(month, "x"),
        buyer_messages(month),
        account_state(month), reconciliation(month), rules_in_force(month),
    ]  # fmt: skip
    batch.ReportData(month, "x")._repr_mimebundle_()
    return html_page("x", shown, vega_href="vega.js")


def make_copies(sample: Store, folder: Path, account_count: int) -> Store:
    """Write copies of the accounts of the sample, under new names, into a new store and return the store."""
    store = Store(folder)
    accounts = sorted(hk.Workspace(sample.folder).accounts)
    for table in (*tables.RAW_TABLES, tables.REPORTS):
        delta = sample.delta(table)
        if delta is None:
            continue
        rows = delta.to_pyarrow_table()
        pieces = []
        for n in range(account_count):
            copy = rows.filter(pc.equal(rows["account"], accounts[n % len(accounts)]))
            # The number comes first, so that the first few names include a copy of each account.
            name = f"{n:04d}-{accounts[n % len(accounts)]}"
            copy = copy.set_column(copy.schema.get_field_index("account"), "account", pa.repeat(name, len(copy)))
            # A store identifies a file by its digest: each copy of a file needs its own digest.
            for column in {"report", "digest"} & set(copy.column_names):
                renamed = pc.binary_join_element_wise(str(n), copy[column], "-")
                copy = copy.set_column(copy.schema.get_field_index(column), column, renamed)
            pieces.append(copy)
        store._append(table, pa.concat_tables(pieces))
    if len(hk.Workspace(store.folder).accounts) != account_count:
        raise SystemExit(
            f"The copies have {len(hk.Workspace(store.folder).accounts)} accounts; expected {account_count}."
        )
    return store


def count_leftovers() -> tuple[int, int]:
    """Count the running fork server processes and the temporary folders of fork servers."""
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    running = sum("healthkit.batch.fork_server" in line for line in processes.splitlines())
    return running, len(list(Path(tempfile.gettempdir()).glob("healthkit-press-*")))


def main() -> None:
    """Measure all ways to generate reports and print the results; the last line is JSON."""
    with tempfile.TemporaryDirectory(prefix="bench-press-") as parent:
        folder = Path(parent)
        list(importer.import_files([RAW], Store(folder / "store")))
        workspace = hk.Workspace(folder / "store")
        pairs = hk.accounts_to_report(workspace, MONTH)
        figures: dict[str, Any] = {"accounts": len(pairs)}

        stock = [
            cpu_seconds_of(partial(report_by_stock_commands, folder / "store", name, folder))
            for name, _ in pairs[:STOCK_ACCOUNTS]
        ]
        figures["stock_cpu"] = round(sum(stock) / len(stock), 3)
        print(f"stock        {figures['stock_cpu']:8.3f} CPU s a report", flush=True)

        snapshot.write_snapshot(
            Store(folder / "store"), [name for name, _ in pairs], workspace.counts_folder, folder / "excerpt"
        )
        for pair in pairs:
            report_in_plain_python(folder / "excerpt", *pair)
        limit = min(
            cpu_seconds_of(lambda: [report_in_plain_python(folder / "excerpt", *pair) for pair in pairs])
            for _ in range(3)
        ) / len(pairs)
        figures["plain_cpu"] = round(limit, 3)
        print(f"plain Python {figures['plain_cpu']:8.3f} CPU s a report", flush=True)

        # Two batches of different size separate the cost of the start from the cost of a report.
        sizes = [len(pairs) * copies for copies in BATCH_COPIES]
        copies = make_copies(Store(folder / "store"), folder / "few", sizes[1])
        names = sorted(hk.Workspace(copies.folder).accounts)
        totals = [
            cpu_seconds_of(partial(_run_our_batch, folder / "few", names[:size], folder / f"ours-{size}"))
            for size in sizes
        ]
        ours = (totals[1] - totals[0]) / (sizes[1] - sizes[0])
        figures |= {"ours_cpu": round(ours, 3), "ours_start_cpu": round(totals[0] - ours * sizes[0], 3)}
        print(f"ours         {ours:8.3f} CPU s a report, and {figures['ours_start_cpu']:.3f} to start", flush=True)
        figures["stock_to_ours"] = round(figures["stock_cpu"] / ours, 1)
        figures["ours_to_plain"] = round(ours / limit, 2)

        if MANY_REPORTS:
            figures |= _measure_many_reports(folder, MANY_REPORTS)
    print(json.dumps(figures))


def _run_our_batch(store: Path, names: list[str], out: Path) -> None:
    """Our batch over some accounts."""
    result = batch.generate_reports(hk.Workspace(store), MONTH, names, out, jobs=2)
    if result.failures or result.page_count != len(names):
        raise SystemExit(f"{result.page_count} of {len(names)} pages: {result.failures}")


def _measure_many_reports(folder: Path, report_count: int) -> dict[str, Any]:
    """Generate many reports, two at a time. Return time a report early and late, memory, and leftovers."""
    store = make_copies(Store(folder / "store"), folder / "many", report_count)
    workspace = hk.Workspace(store.folder)
    names = workspace.accounts  # counts the orders before the measurement
    samples: list[tuple[float, int]] = []

    from healthkit.batch import monthly_batch
    from healthkit.batch.page_job import generate_page

    def measured(job: Any) -> Any:
        result = generate_page(job)
        samples.append((time.monotonic(), _resident_mib()))
        return result

    before = count_leftovers()
    begin = time.monotonic()
    with patch.object(monthly_batch, "generate_page", measured):
        result = batch.generate_reports(workspace, MONTH, names, folder / "reports", jobs=2)
    seconds = time.monotonic() - begin
    tenth = max(1, len(samples) // 10)
    early, late = (
        round((samples[b][0] - samples[a][0]) / max(1, b - a), 3) for a, b in ((tenth, 2 * tenth), (-tenth - 1, -1))
    )
    figures = {
        "reports": result.page_count, "failed": len(result.failures), "seconds": round(seconds, 1),
        "seconds_a_report_early": early, "seconds_a_report_late": late,
        "server_mib_early": samples[tenth][1], "server_mib_late": samples[-1][1],
        "left_processes": count_leftovers()[0] - before[0], "left_folders": count_leftovers()[1] - before[1],
    }  # fmt: skip
    print(figures, flush=True)
    return figures


def _resident_mib() -> int:
    """Return the resident memory of this process and its fork server. [MiB]"""
    total = 0
    for pid in (os.getpid(), fork_client.get_server().process.pid):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1]) // 1024
    return total


if __name__ == "__main__":
    main()
