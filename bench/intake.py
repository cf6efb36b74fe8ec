"""What an import costs beside a bare parse of the same file: rate, memory, growth (`make bench-import`).

An all-orders file is made up, its cells filled as a marketplace fills them (39 columns, 324 bytes a line, one order in
seven with two lines), and taken in several ways, each in a process of its own: parsed by pyarrow.csv and nothing else,
as text (`text`) and with kinds found as pyarrow finds them by itself (`bare`); read by us (found, hashed, decoded,
checked, days made local, orders put together, personal data dropped); imported whole into an empty store.
pandas.read_csv stands beside. LINES are the sizes (default 1e5,1e6,1e7; the last takes 6 GB of disk).
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
"""How often each way is run up to three million lines; the quickest run counts."""
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
"""The columns of the file, as SQL over the number of the line (l), of its order (o), and when it was placed."""
FILE_NAME = "all_orders.txt"
PRELOADED_MODULES = ("deltalake", "pandas", "pyarrow.csv", "healthkit.ingest.importer", "healthkit.store")
"""What is loaded before the clock runs: what libraries take is no part of a way's peak."""


def write_orders_file(path: Path, lines: int) -> None:
    """Write a file of two years, newest lines last."""
    made = " || chr(9) || ".join(COLUMNS.values())
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = true")
    with path.open("wb") as file:
        file.write("\t".join(COLUMNS).encode() + b"\n")
        for begin in range(0, lines, 200_000):
            rows = connection.execute(
                f"select {made} || chr(10) from (select *, timestamp '2024-11-01' + interval 1 second "
                f"* (o * 63072000 // {lines}) as placed from (select range as l, range - (range % 8 = 1)::int as o "
                f"from range({begin}, {min(lines, begin + 200_000)}))) order by l"
            ).fetchall()
            file.write("".join(row[0] for row in rows).encode())


def parse_with_types(path: Path) -> int:
    """Every column parsed by pyarrow.csv, quoting off, and let go block by block."""
    import pyarrow.csv as pacsv

    parsed = pacsv.open_csv(path, parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False))
    return sum(batch.num_rows for batch in parsed)


def parse_as_text(path: Path) -> int:
    """The same with every cell left as the text that it is: the least that any reader can do."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    parsed = pacsv.open_csv(
        path, parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )  # fmt: skip
    return sum(batch.num_rows for batch in parsed)


def parse_with_pandas(path: Path) -> int:
    """The same by pandas, in blocks, its own parser."""
    import pandas as pd

    return sum(len(block) for block in pd.read_csv(path, sep="\t", quoting=3, chunksize=200_000))


def read_as_import_does(path: Path) -> int:
    """Read as an import reads it, and not kept."""
    from healthkit.ingest.formats import discover_files, parse_file

    [source], refused = discover_files([path])
    assert not refused
    return parse_file(source).rows


def import_whole(path: Path) -> int:
    """Taken into an empty store."""
    from healthkit.ingest.importer import import_files
    from healthkit.store import Store

    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=path.parent.parent) as place:
        [outcome] = import_files([path], Store(Path(place) / "store"))
    assert outcome.parsed_file is not None, outcome.refused
    return outcome.parsed_file.rows


WAYS = {
    "bare": parse_with_types,
    "text": parse_as_text,
    "pandas": parse_with_pandas,
    "read": read_as_import_does,
    "import": import_whole,
}


def measure_run(way: str, path: Path) -> dict[str, Any]:
    """One way in this process: CPU and clock seconds, lines, and its peak memory beyond that of the libraries."""
    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    held = memory_mib("VmRSS")
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    lines = WAYS[way](path)
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"lines": lines, "seconds": round(took, 2), "cpu": round(cpu, 2), "peak_mib": memory_mib("VmHWM") - held}


def memory_mib(field: str) -> int:
    """The memory of this process, as Linux tells it; 0 elsewhere. [MiB]"""
    told = Path("/proc/self/status")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((int(line.split()[1]) >> 10 for line in lines if line.startswith(field)), 0)


def measure_in_subprocess(way: str, path: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    words = [sys.executable, "-m", "bench.intake", way, str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, print."""
    if len(sys.argv) > 2:
        print(json.dumps(measure_run(sys.argv[1], Path(sys.argv[2]))))
        return
    figures: dict[str, Any] = {}
    for size in LINES:
        with tempfile.TemporaryDirectory(prefix="bench-import-") as place:
            path = Path(place) / "acme" / FILE_NAME
            path.parent.mkdir()
            write_orders_file(path, size)
            ways = {
                way: [measure_in_subprocess(way, path) for _ in range(1 if size > 3_000_000 else RUNS)] for way in WAYS
            }
            megabytes = path.stat().st_size / 1e6
        best = {way: min(runs, key=lambda run: run["seconds"]) for way, runs in ways.items()}
        held: dict[str, Any] = {"megabytes": round(megabytes), **best}
        for way in ("pandas", "read", "import"):
            for least in ("bare", "text"):
                held[f"{way}_rate_to_{least}"] = round(best[least]["seconds"] / best[way]["seconds"], 2)
                held[f"{way}_cpu_rate_to_{least}"] = round(best[least]["cpu"] / best[way]["cpu"], 2)
        figures[f"{size:.0e}"] = held
        print(f"{size:.0e} lines:", json.dumps(held), flush=True)
    if len(LINES) > 1:
        first, last = (figures[f"{size:.0e}"]["import"] for size in (LINES[0], LINES[-1]))
        figures["slope"] = round(float(np.log(last["cpu"] / first["cpu"]) / np.log(LINES[-1] / LINES[0])), 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
