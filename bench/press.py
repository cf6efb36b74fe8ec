"""What a report costs: stock papermill and nbconvert, our batch, and the plain-Python limit (`make bench-press`).

The same accounts, template and store on the same machine in one run. Stock is each report by the papermill command and
`jupyter nbconvert --no-input`. The limit is the same computation and charts in one warm process, with no notebook at
all. CPU seconds, children's included; the start of our batch (imports, one warming run) is shown apart. At last many
copies of the sample are printed, to see that memory, time per report and what is left behind do not grow.
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
from pathlib import Path
from typing import Any

# Before numpy is loaded: as in the fork server, no thread spins for small products.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import pyarrow as pa
import pyarrow.compute as pc

import healthkit as hk
from healthkit import batch
from healthkit.batch import fork_client
from healthkit.ingest import importer
from healthkit.report import blocks
from healthkit.schema import tables
from healthkit.store import Store
from healthkit.workspace import snapshot

RAW = Path(os.environ.get("RAW") or Path(__file__).parents[1] / "data" / "sample")
"""The raw files whose accounts are printed and copied."""
MONTH = "2026-10"
BATCH_SIZES = tuple(int(size) for size in os.environ.get("FEW", "8,40").split(","))
"""Batches of so many reports tell what one more costs."""
STOCK_ACCOUNTS = int(os.environ.get("ACCOUNTS", "8"))
"""Accounts of the sample that are printed by the stock commands and in plain Python."""
MANY_REPORTS = int(os.environ.get("REPORTS", "1000"))
"""So many reports are printed to see whether anything grows."""
SCRIPTS_FOLDER = Path(sys.executable).parent


def cpu_seconds_of(work: Callable[[], Any]) -> float:
    """CPU seconds of this process and all its children over some work."""
    begin = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    end = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(begin, end, strict=True))


def report_by_stock_commands(store: Path, account: str, folder: Path) -> None:
    """One report by the stock commands."""
    notebook = folder / f"{account}.ipynb"
    given = {"account": account, "month": MONTH, "data": str(store), "stem": account}
    words = [word for name, value in given.items() for word in ("-p", name, value)]
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([SCRIPTS_FOLDER / "papermill", batch.TEMPLATE, notebook, *words, "--no-progress-bar"], **quiet)
    subprocess.run([SCRIPTS_FOLDER / "jupyter", "nbconvert", "--to", "html", "--no-input", notebook], **quiet)


def report_in_plain_python(store: Path, account: str, marketplace: str) -> str:
    """One report in plain Python."""
    month = hk.open_report(hk.Workspace(store), account, MONTH, marketplace, "")
    shown = [
        blocks.verdict(month), blocks.scorecard(month), blocks.measure_chapters(month, "x"),
        blocks.buyer_messages(month),
        blocks.account_state(month), blocks.reconciliation(month), blocks.rules_in_force(month),
    ]  # fmt: skip
    batch.ReportData(month, "x")._repr_mimebundle_()
    return blocks.html_page("x", shown, vega_href="vega.js")


def make_copies(sample: Store, folder: Path, account_count: int) -> Store:
    """A store of the sample's accounts over and over, under other names: its stored rows, copied."""
    store = Store(folder)
    accounts = sorted(hk.Workspace(sample.folder).accounts)
    for table in (*tables.RAW_TABLES, tables.REPORTS):
        delta = sample.delta(table)
        if delta is None:
            continue
        held = delta.to_pyarrow_table()
        pieces = []
        for n in range(account_count):
            mine = held.filter(pc.equal(held["account"], accounts[n % len(accounts)]))
            # By number first, so that each of them in turn has a copy among the first few.
            name = f"{n:04d}-{accounts[n % len(accounts)]}"
            named = mine.set_column(mine.schema.get_field_index("account"), "account", pa.repeat(name, len(mine)))
            # A store counts a file once by its digest: the copy of a file needs a digest of its own.
            for column in {"report", "digest"} & set(named.column_names):
                renamed = pc.binary_join_element_wise(str(n), named[column], "-")
                named = named.set_column(named.schema.get_field_index(column), column, renamed)
            pieces.append(named)
        store._append(table, pa.concat_tables(pieces))
    if len(hk.Workspace(store.folder).accounts) != account_count:
        raise SystemExit(
            f"The copies make {len(hk.Workspace(store.folder).accounts)} accounts; {account_count} were to be made."
        )
    return store


def count_leftovers() -> tuple[int, int]:
    """Processes of a fork server that live, and its folders that lie about."""
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    processes = sum("healthkit.batch.fork_server" in line for line in shown.splitlines())
    return processes, len(list(Path(tempfile.gettempdir()).glob("healthkit-press-*")))


def main() -> None:
    """Measure, print."""
    with tempfile.TemporaryDirectory(prefix="bench-press-") as place:
        folder = Path(place)
        list(importer.import_files([RAW], Store(folder / "store")))
        desk = hk.Workspace(folder / "store")
        pairs = hk.accounts_to_report(desk, MONTH)[:STOCK_ACCOUNTS]
        figures: dict[str, Any] = {"accounts": len(pairs)}

        each = [
            cpu_seconds_of(lambda name=name: report_by_stock_commands(folder / "store", name, folder))
            for name, _ in pairs
        ]
        figures["stock_cpu"] = round(sum(each) / len(each), 3)
        print(f"stock        {figures['stock_cpu']:8.3f} CPU s a report", flush=True)

        snapshot.write_snapshot(
            Store(folder / "store"), [name for name, _ in pairs], desk.counts_folder, folder / "excerpt"
        )
        for pair in pairs:
            report_in_plain_python(folder / "excerpt", *pair)
        limit = min(
            cpu_seconds_of(lambda: [report_in_plain_python(folder / "excerpt", *pair) for pair in pairs])
            for _ in range(3)
        ) / len(pairs)
        figures["plain_cpu"] = round(limit, 3)
        print(f"plain Python {figures['plain_cpu']:8.3f} CPU s a report", flush=True)

        # The start is what does not grow with the reports: two batches of different length tell it.
        more = make_copies(Store(folder / "store"), folder / "few", BATCH_SIZES[1])
        few = sorted(hk.Workspace(more.folder).accounts)
        whole = [
            cpu_seconds_of(lambda some=some: _run_our_batch(more.folder, few[:some], folder / f"ours-{some}"))
            for some in BATCH_SIZES
        ]
        ours = (whole[1] - whole[0]) / (BATCH_SIZES[1] - BATCH_SIZES[0])
        figures |= {"ours_cpu": round(ours, 3), "ours_start_cpu": round(whole[0] - ours * BATCH_SIZES[0], 3)}
        print(f"ours         {ours:8.3f} CPU s a report, and {figures['ours_start_cpu']:.3f} to start", flush=True)
        figures["stock_to_ours"] = round(figures["stock_cpu"] / ours, 1)
        figures["ours_to_plain"] = round(ours / limit, 2)

        if MANY_REPORTS:
            figures |= _measure_many_reports(folder, MANY_REPORTS)
    print(json.dumps(figures))


def _run_our_batch(store: Path, names: list[str], out: Path) -> None:
    """Our batch over some accounts."""
    printed = batch.generate_reports(hk.Workspace(store), MONTH, names, out, jobs=2)
    if printed.failures or printed.page_count != len(names):
        raise SystemExit(f"{printed.page_count} of {len(names)} pages: {printed.failures}")


def _measure_many_reports(folder: Path, report_count: int) -> dict[str, Any]:
    """Print so many reports with two at once: time of the first and last tenth, memory, what is left behind."""
    store = make_copies(Store(folder / "store"), folder / "many", report_count)
    desk = hk.Workspace(store.folder)
    names = desk.accounts  # counted before the clock runs
    seen: list[tuple[float, int]] = []

    from healthkit.batch import monthly_batch

    kept = monthly_batch.generate_page

    def watched(job: Any) -> Any:
        told = kept(job)
        seen.append((time.monotonic(), _resident_mib()))
        return told

    monthly_batch.generate_page = watched
    before = count_leftovers()
    begin = time.monotonic()
    try:
        printed = batch.generate_reports(desk, MONTH, names, folder / "reports", jobs=2)
    finally:
        monthly_batch.generate_page = kept
    took = time.monotonic() - begin
    tenth = max(1, len(seen) // 10)
    pace = [
        round((seen[b][0] - seen[a][0]) / max(1, b - a), 3) for a, b in ((tenth, 2 * tenth), (-tenth - 1, -1))
    ]  # fmt: skip
    figures = {
        "reports": printed.page_count, "failed": len(printed.failures), "seconds": round(took, 1),
        "seconds_a_report_early": pace[0], "seconds_a_report_late": pace[1],
        "server_mib_early": seen[tenth][1], "server_mib_late": seen[-1][1],
        "left_processes": count_leftovers()[0] - before[0], "left_folders": count_leftovers()[1] - before[1],
    }  # fmt: skip
    print(figures, flush=True)
    return figures


def _resident_mib() -> int:
    """What this process and its fork server hold in memory. [MiB]"""
    held = 0
    for pid in (os.getpid(), fork_client.get_server().process.pid):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                held += int(line.split()[1]) // 1024
    return held


if __name__ == "__main__":
    main()
