"""Compare an import with a bare parse of the same file: speed, memory and growth (`make bench-import`).

The file is a generated all-orders report (39 columns, 324 bytes a line, one order in seven with two lines). It is read
in several ways, each in its own process:

- `text`: parsed by pyarrow.csv with all columns as text
- `bare`: parsed by pyarrow.csv with its own type inference
- `pandas`: parsed by pandas.read_csv
- `read`: parsed by the kit (detected, hashed, decoded, checked, days made local, lines grouped into orders, personal
  data dropped)
- `import`: imported into an empty store

LINES are the sizes (default 1e5,1e6,1e7; the last takes 6 GB of disk).
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

LINES = [int(float(size)) for size in os.environ.get("LINES", "1e5,1e6,1e7").split(",")]
RUNS = int(os.environ.get("RUNS", "3"))
"""Number of runs of each way of reading, for up to three million lines; the fastest run is reported."""
COLUMNS = {
    "amazon-order-id": "printf('%03d-%07d-%07d', 100 + o % 900, o % 10000000, (o * 7919) % 10000000)",
    "merchant-order-id": "printf('%03d-%07d-%07d', 100 + o % 900, o % 10000000, (o * 7919) % 10000000)",
    "purchase-date": "strftime(placed, '%Y-%m-%dT%H:%M:%S+00:00')",
    "last-updated-date": "strftime(placed + interval 26 hour, '%Y-%m-%dT%H:%M:%S+00:00')",
    "order-status": "case when o % 100 = 0 then 'Cancelled' else 'Shipped' end",
    "fulfillment-channel": "case when o % 5 = 0 then 'Amazon' else 'Merchant' end",
    "sales-channel": "'Amazon.com'",
    "order-channel": "''",
    "ship-service-level": "case when o % 7 = 0 then 'Expedited' else 'Standard' end",
    "product-name": "'Made-up article no. ' || (l % 500) || ', colour ' || (l % 7) || ', 15\" wide, with two lids'",
    "sku": "'MU-' || (l % 500) || '-' || (l % 7)",
    "asin": "printf('B0%08d', l % 3500)",
    "number-of-items": "'1'",
    "item-status": "case when o % 100 = 0 then 'Cancelled' else 'Shipped' end",
    "quantity": "(1 + l % 3)::varchar",
    "currency": "'USD'",
    "item-price": "printf('%d.%02d', 5 + l % 90, l % 100)",
    "item-tax": "printf('0.%02d', l % 100)",
    "shipping-price": "'4.99'",
    "shipping-tax": "'0.35'",
    "gift-wrap-price": "''",
    "gift-wrap-tax": "''",
    "item-promotion-discount": "''",
    "ship-promotion-discount": "''",
    "address-type": "'Residential'",
    "ship-city": "'Sampletown ' || (o % 900)",
    "ship-state": "'WA'",
    "ship-postal-code": "printf('%05d', o % 99999)",
    "ship-country": "'US'",
    "promotion-ids": "case when o % 9 = 0 then 'Made-up Free Shipping Promotion 2026/01/14 10-22-' || o else '' end",
    "is-business-order": "case when o % 11 = 0 then 'true' else 'false' end",
    "purchase-order-number": "''",
    "price-designation": "''",
    "fulfilled-by": "''",
    "is-replacement-order": "'false'",
    "original-order-id": "''",
    "is-iba": "'false'",
    "is-buyer-requested-cancellation": "case when o % 200 = 0 then 'true' else 'false' end",
    "buyer-requested-cancel-reason": "''",
}
"""Columns of the file, as SQL expressions of line number (l), order number (o) and order time (placed)."""
FILE_NAME = "all_orders.txt"
PRELOADED_MODULES = (
    "deltalake", "pandas", "pyarrow.acero", "pyarrow.csv", "pyarrow.dataset", "narwhals._arrow.dataframe",
    "healthkit.ingest.importer", "healthkit.store",
)  # fmt: skip
"""Modules to load before the measurement, for all ways alike: loading them is no part of the time or the peak."""


def write_orders_file(path: Path, lines: int) -> None:
    """Write a file of generated orders of two years, with the newest orders last."""
    columns = " || chr(9) || ".join(COLUMNS.values())
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = true")
    with path.open("wb") as file:
        file.write("\t".join(COLUMNS).encode() + b"\n")
        for begin in range(0, lines, 200_000):
            rows = connection.execute(
                f"select {columns} || chr(10) from (select *, timestamp '2024-11-01' + interval 1 second "
                f"* (o * 63072000 // {lines}) as placed from (select range as l, range - (range % 8 = 1)::int as o "
                f"from range({begin}, {min(lines, begin + 200_000)}))) order by l"
            ).fetchall()
            file.write("".join(row[0] for row in rows).encode())


def parse_with_types(path: Path) -> int:
    """Parse a file with pyarrow.csv and inferred types; return the number of lines.

    The file is read in blocks, without quoting.
    """
    import pyarrow.csv as pacsv

    parsed = pacsv.open_csv(path, parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False))
    return sum(batch.num_rows for batch in parsed)


def parse_as_text(path: Path) -> int:
    """Parse a file with pyarrow.csv, with all columns as text; return the number of lines.

    This is the minimum that any reader must do.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv

    parsed = pacsv.open_csv(
        path, parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )  # fmt: skip
    return sum(batch.num_rows for batch in parsed)


def parse_with_pandas(path: Path) -> int:
    """Parse a file with pandas.read_csv in blocks; return the number of lines."""
    import pandas as pd

    return sum(len(block) for block in pd.read_csv(path, sep="\t", quoting=3, chunksize=200_000))


def read_as_import_does(path: Path) -> int:
    """Parse a file as an import does, without storing it; return the number of lines."""
    from healthkit.ingest.formats import discover_files, parse_file

    [source], refused = discover_files([path])
    assert not refused
    return parse_file(source).rows


def import_whole(path: Path) -> int:
    """Import a file into an empty store; return the number of lines."""
    from healthkit.ingest.importer import import_files
    from healthkit.store import Store

    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=path.parent.parent) as folder:
        [result] = import_files([path], Store(Path(folder) / "store"))
    assert result.parsed_file is not None, result.refused
    return result.parsed_file.rows


WAYS = {
    "bare": parse_with_types,
    "text": parse_as_text,
    "pandas": parse_with_pandas,
    "read": read_as_import_does,
    "import": import_whole,
}


def measure_run(way: str, path: Path) -> dict[str, Any]:
    """Read a file in one of the WAYS in this process; return the number of lines, times and peak memory.

    The peak memory is what is used beyond the preloaded modules.
    """
    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    baseline = memory_mib("VmRSS")
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    lines = WAYS[way](path)
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"lines": lines, "seconds": round(took, 4), "cpu": round(cpu, 4), "peak_mib": memory_mib("VmHWM") - baseline}


def memory_mib(field: str) -> int:
    """Return a memory field of this process from /proc, in MiB; 0 on systems other than Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) >> 10 for line in lines if line.startswith(field)), 0)


def measure_in_subprocess(way: str, path: Path) -> dict[str, Any]:
    """Read a file in one of the WAYS in a new process (see `measure_run`)."""
    command = [sys.executable, "-m", "bench.intake", way, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.stderr)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def main() -> None:
    """Measure all sizes and print the results; the last line is JSON."""
    if len(sys.argv) > 2:
        print(json.dumps(measure_run(sys.argv[1], Path(sys.argv[2]))))
        return
    figures: dict[str, Any] = {}
    for size in LINES:
        with tempfile.TemporaryDirectory(prefix="bench-import-") as folder:
            path = Path(folder) / "acme" / FILE_NAME
            path.parent.mkdir()
            write_orders_file(path, size)
            ways = {
                way: [measure_in_subprocess(way, path) for _ in range(1 if size > 3_000_000 else RUNS)] for way in WAYS
            }
            megabytes = path.stat().st_size / 1e6
        best = {way: min(runs, key=lambda run: run["seconds"]) for way, runs in ways.items()}
        figures_of_size: dict[str, Any] = {"megabytes": round(megabytes), **best}
        for way in ("pandas", "read", "import"):
            for least in ("bare", "text"):
                figures_of_size[f"{way}_rate_to_{least}"] = round(best[least]["seconds"] / best[way]["seconds"], 2)
                figures_of_size[f"{way}_cpu_rate_to_{least}"] = round(best[least]["cpu"] / best[way]["cpu"], 2)
        figures[f"{size:.0e}"] = figures_of_size
        print(f"{size:.0e} lines:", json.dumps(figures_of_size), flush=True)
    if len(LINES) > 1:
        first, last = (figures[f"{size:.0e}"]["import"] for size in (LINES[0], LINES[-1]))
        figures["slope"] = round(float(np.log(last["cpu"] / first["cpu"]) / np.log(LINES[-1] / LINES[0])), 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
