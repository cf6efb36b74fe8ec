"""Measure commands with their start, the first panel, and the import of many small files (`make bench-commands`).

`scores` runs on the sample in a new process each time, the counts cached; the run with the least CPU time is reported.
The first panel is that of notebook 01, in a kernel that was just started: from "run all" until the kernel has sent it;
the browser that draws it is not counted. The small files are those of the sample, under the names of many accounts; the
same files again show what reading and hashing them costs. `--anyway` lets accounts share order ids.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel

from healthkit.batch import run_notebook
from healthkit.ingest import importer
from healthkit.store import Store

SAMPLE = Path(os.environ.get("RAW") or Path(__file__).parents[1] / "data" / "sample")
"""Folder with the raw files of the accounts."""
RUNS = int(os.environ.get("RUNS", "5"))
NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_where_do_i_stand.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
"""MIME type of an output that shows a widget."""
KERNEL_TIMEOUT = 60
"""Time limit of a cell. [seconds]"""
COPIES = int(os.environ.get("COPIES", "20"))
"""How many copies of the raw files are imported as small files."""


def run_command(*words: str) -> dict[str, float]:
    """Run a command of healthkit in a new process; return its CPU and clock seconds.

    As for a user, Python keeps the compiled modules of the run before, whatever the environment of the benchmark says.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "healthkit", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": round(cpu, 2), "seconds": round(seconds, 2)}


def show_first_panel(store: Path) -> float:
    """Run the cells of NOTEBOOK in a new kernel until one shows a widget; return the seconds from the first cell on."""
    manager, client = start_new_kernel(kernel_name=run_notebook.KERNEL_NAME)
    shown: list[float] = []

    def look_for_widget(message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            raise SystemExit("\n".join(message["content"]["traceback"]))
        if WIDGET in message["content"].get("data", {}):
            shown.append(time.perf_counter())

    begin = time.perf_counter()
    try:
        for _, source in run_notebook.code_cells({"data": str(store)}, NOTEBOOK):
            client.execute_interactive(source, timeout=KERNEL_TIMEOUT, output_hook=look_for_widget)
            if shown:
                return shown[0] - begin
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    raise SystemExit(f"{NOTEBOOK.name} shows no panel.")


def copy_small_files(folder: Path) -> int:
    """Write the raw files of the sample as those of many accounts, and return the number of files written."""
    count = 0
    # Workbooks, too: some accounts have their orders in one, without which their other files are refused.
    for path in sorted(filter(Path.is_file, SAMPLE.rglob("*"))):
        data = path.read_bytes()
        for number in range(COPIES):
            place = folder / f"{number:03d}-{path.parent.name}"
            place.mkdir(exist_ok=True)
            (place / path.name).write_bytes(data)
            count += 1
    return count


def main() -> None:
    """Measure the commands and the import, and print the results; the last line is JSON."""
    with tempfile.TemporaryDirectory(prefix="bench-commands-") as parent:
        folder = Path(parent)
        list(importer.import_files([SAMPLE], Store(folder / "store")))
        ask = ("scores", "--as-of", "2026-10-31", "--data", str(folder / "store"))
        run_command(*ask)  # Counts the orders; the counts are cached.
        figures: dict[str, Any] = {
            "scores": min((run_command(*ask) for _ in range(RUNS)), key=lambda run: run["cpu"]),
            "start": min((run_command("--help") for _ in range(RUNS)), key=lambda run: run["cpu"]),
        }
        figures["first_panel_s"] = round(min(show_first_panel(folder / "store") for _ in range(RUNS)), 2)
        print(figures, flush=True)
        (folder / "raw").mkdir()
        files = copy_small_files(folder / "raw")
        words = ("import", str(folder / "raw"), "--data", str(folder / "many"), "--anyway")
        first, again = run_command(*words), run_command(*words)
        figures |= {"small_files": files}
        figures |= {
            "import_ms_a_file": round(1000 * first["seconds"] / files, 2),
            "import_cpu_ms_a_file": round(1000 * first["cpu"] / files, 2),
            "same_again_ms_a_file": round(1000 * again["seconds"] / files, 2),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
