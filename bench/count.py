"""Measure the cost of counting orders, and the cost and errors of the usual pandas code (`make bench-count`).

Orders are generated as Parquet files and counted by the same expression as those of a store. Each size runs in its own
process, to measure its peak memory. A bare scan of the same columns is the lower limit of the cost. DuckDB may use
512 MB. SIZES are the numbers of orders (default 1e6,1e7; 1e8 takes ten minutes and 3 GB of disk).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd

from bench import window
from healthkit import store
from healthkit.metrics import scores
from healthkit.metrics.counts import count_orders
from healthkit.metrics.policy_files import load_policy
from healthkit.metrics.scores import day_numbers, list_days, select_intervals
from healthkit.schema import tables

SIZES = [int(float(size)) for size in os.environ.get("SIZES", "1e6,1e7").split(",")]
RUNS = int(os.environ.get("RUNS", "3"))
"""Number of runs of each scan; each count has one run less. The run with the least CPU time is reported."""
AS_OF = date(2026, 10, 31)
COMMON_COLUMNS = ("account", "marketplace", "channel", "order_id", "is_premium", "assumed")
COLUMNS_READ = {
    "late_shipment_rate": (*COMMON_COLUMNS, "ship_by", "ship_by_on", "shipped_at", "shipped_on"),
    "cancellation_rate": (*COMMON_COLUMNS, "ordered_on", "status", "cancelled_on", "cancelled_by", "part_cancelled"),
}
"""Columns of ORDERS that each metric reads."""
ORDERS_PER_ACCOUNT = 100_000
"""Mean number of orders per account."""
ORDERS_PER_FILE = 1_000_000
"""Maximum number of orders in a Parquet file."""


def write_orders(folder: Path, orders: int) -> None:
    """Write generated orders of two years as Parquet files; 1% are cancelled and 4% are shipped late."""
    kinds = {"text": "varchar", "day": "date", "instant": "timestamptz", "count": "bigint", "flag": "boolean"}
    expressions = {
        "account": f"printf('account-%04d', (hash(i) % {max(1, orders // ORDERS_PER_ACCOUNT)})::int)",
        "marketplace": "'US'", "channel": "'seller'",
        "order_id": "printf('%03d-%07d-%07d', i // 10000000 % 1000, i % 10000000, i % 7654321)",
        "ordered_at": "placed", "ordered_on": "placed::date",
        "status": "case when hash(i, 1) % 100 = 0 then 'cancelled' else 'shipped' end",
        "cancelled_on": "case when hash(i, 1) % 100 = 0 then placed::date + 1 end",
        "cancelled_by": "case when hash(i, 1) % 100 = 0 then 'seller' end",
        "ship_by": "placed + interval 2 day", "ship_by_on": "(placed + interval 2 day)::date",
        "shipped_at": "placed + case when hash(i, 2) % 100 < 4 then interval 60 hour else interval 30 hour end",
        "shipped_on": "(placed + case when hash(i, 2) % 100 < 4 then interval 60 hour else interval 30 hour end)::date",
        "updated_at": "placed", "report": "'r'",
    }  # fmt: skip
    columns = ", ".join(
        f"({expressions.get(name, 'null')})::{kinds[column.kind]} as {name}"
        for name, column in tables.ORDERS.columns.items()
    )
    connection = duckdb.connect()
    for n, begin in enumerate(range(0, orders, ORDERS_PER_FILE)):
        end = min(orders, begin + ORDERS_PER_FILE)
        connection.execute(
            f"copy (select {columns} from (select range as i, timestamp '2024-11-01' "
            f"+ interval 1 second * (range * 63072000 // {orders}) as placed from range({begin}, {end}))) "
            f"to '{folder}/{n:05d}.parquet' (format parquet)"
        )


def open_ledger(folder: Path) -> tables.Ledger:
    """Return a ledger that reads the orders from the Parquet files of a folder, like the ledger of a store."""
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set memory_limit = '512MB'; set allocator_background_threads = true")
    empty = {
        table.name: nw.from_native(connection.from_arrow(store.arrow_schema(table).empty_table()))
        for table in tables.RAW_TABLES
    }
    orders = nw.from_native(connection.read_parquet(f"{folder}/*.parquet"))
    account_count = max(1, len(list(folder.glob("*.parquet"))) * ORDERS_PER_FILE // ORDERS_PER_ACCOUNT)
    coverage = pd.DataFrame({
        "account": [f"account-{n:04d}" for n in range(account_count)], "marketplace": "US",
        "begins_on": pd.Timestamp("2024-11-01"), "ends_on": pd.Timestamp(AS_OF), "heard_on": pd.Timestamp(AS_OF),
        "orders": 1, "evidence": "", "reach": "{}", "order_gap": 0, "gaps": "[]",
    })  # fmt: skip
    return tables.Ledger(**(empty | {"orders": orders}), coverage=coverage)


def measure_run(action: str, metric: str, folder: Path) -> dict[str, Any]:
    """Count or scan the orders of a folder in this process; return times, peak memory and numbers of rows."""
    rules = [rule for rule in load_policy("amazon_us").rules_in_force(AS_OF) if rule.metric == metric]
    before = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.perf_counter()
    if action == "count":
        counted = count_orders(open_ledger(folder), rules)
        rows = {"exposure": len(counted.exposure), "faults": len(counted.faults)}
    else:
        columns = ", ".join(f"count({name}), max({name})" for name in COLUMNS_READ[metric])
        duckdb.connect().sql(f"select {columns} from read_parquet('{folder}/*.parquet')").to_arrow_table()
        rows = {}
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = round(time.perf_counter() - begin, 4)
    return {"cpu": round(cpu, 4), "seconds": seconds, "peak_mib": after.ru_maxrss // 1024} | rows


def measure_in_subprocess(action: str, metric: str, folder: Path) -> dict[str, Any]:
    """Count or scan the orders of a folder in a new process (see `measure_run`)."""
    command = [sys.executable, "-m", "bench.count", action, metric, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def measure_usual_ways() -> dict[str, Any]:
    """Measure the time of a new window from counts in memory, and the time and errors of the usual pandas code."""
    counts, largest, _ = window.make_counts()
    rule = next(rule for rule in load_policy("amazon_us").rules_in_force(AS_OF) if rule.metric == window.METRIC)
    days = list_days(AS_OF - timedelta(days=364), AS_OF)
    numbers = day_numbers(days)
    intervals = select_intervals(counts, rule, largest, "US", "seller")
    [arrays] = scores._arrays_by_marketplace(counts)
    key = rule.metric, str(rule.basis), "seller"

    def one_account(length: int) -> list[np.ndarray]:
        both = intervals.counting_intervals, intervals.fault_intervals
        return [stays.count_by_day(numbers, 1, length, 0, False) for stays in both]

    def all_accounts(length: int) -> list[np.ndarray]:
        both = arrays.counting[key], arrays.faults[key]
        return [stays.count_by_day(numbers, len(arrays.accounts), length, 0, False) for stays in both]

    figures: dict[str, Any] = {
        "one_account_new_window_ms": window.median_ms(one_account, range(30, 60)),
        "all_1000_accounts_365_days_ms": window.median_ms(all_accounts, range(30, 37)),
    }
    faults = counts.faults[(counts.faults["account"] == largest).to_numpy()]
    expected = one_account(30)[1][0]

    begin = time.perf_counter()
    clock, known = (pd.to_datetime(faults[name]) for name in ("clock_day", "known_on"))
    loop = [
        int(((clock > day - pd.Timedelta(days=30)) & (clock <= day) & (known <= day)).sum())
        for day in map(pd.Timestamp, days[-60:])
    ]
    figures["pandas_loop_of_365_days_ms"] = round((time.perf_counter() - begin) * 1000 * 365 / 60, 1)
    figures["pandas_loop_wrong_cells"] = round(float((np.array(loop) != expected[-60:]).mean()), 3)

    begin = time.perf_counter()
    daily = faults.groupby("clock_day")["at_fault"].sum().reindex(pd.date_range(clock.min(), AS_OF), fill_value=0)
    rolled = daily.rolling("30D").sum().astype(int).reindex(pd.DatetimeIndex(days)).to_numpy()
    figures["pandas_rolling_ms"] = round((time.perf_counter() - begin) * 1000, 1)
    figures["pandas_rolling_wrong_cells"] = round(float((rolled != expected).mean()), 3)
    return figures


def main() -> None:
    """Measure all sizes and print the results; the last line is JSON."""
    if len(sys.argv) > 3:
        print(json.dumps(measure_run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
        return
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-count-") as parent:
        for size in SIZES:
            folder = Path(parent) / str(size)
            folder.mkdir()
            write_orders(folder, size)
            for metric in COLUMNS_READ:
                scans = [measure_in_subprocess("scan", metric, folder) for _ in range(RUNS)]
                counts = [measure_in_subprocess("count", metric, folder) for _ in range(max(1, RUNS - 1))]
                scan, count = (min(runs, key=lambda run: run["cpu"]) for runs in (scans, counts))
                cost = {"scan": scan, "count": count, "count_to_scan": round(count["cpu"] / scan["cpu"], 2)}
                figures.setdefault(metric, {})[f"{size:.0e}"] = cost
                print(f"{size:.0e} orders, {metric}:", json.dumps(cost), flush=True)
    if len(SIZES) > 1:
        for costs in figures.values():
            first, last = (costs[f"{size:.0e}"]["count"]["cpu"] for size in (SIZES[0], SIZES[-1]))
            # 1 if the cost is proportional to the number of orders.
            costs["slope"] = round(float(np.log(last / first) / np.log(SIZES[-1] / SIZES[0])), 3)
    figures |= measure_usual_ways()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
