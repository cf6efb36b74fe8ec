"""Measure a new window for the largest of 1,000 accounts with ten million orders in all (`make bench-window`).

EXPOSURE and FAULTS are generated in memory. The time is that of a panel whose slider moves: the rates of every day
shown, and the orders at fault on the last day.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from healthkit import store
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy_files import load_policy
from healthkit.metrics.scores import list_days
from healthkit.panels import where_i_stand_model
from healthkit.panels.where_i_stand_model import Question
from healthkit.schema import tables
from healthkit.schema.tables import REPORTED_TABLES
from healthkit.workspace.workspace import Workspace

ORDERS = int(float(os.environ.get("ORDERS", "1e7")))
ACCOUNTS, DAYS = 1_000, 730
AS_OF = date(2026, 10, 31)
METRIC, SHARE, DELAY = "late_shipment_rate", 0.04, 2.0


def make_counts() -> tuple[Counts, str, int]:
    """Return generated counts of accounts of different sizes, and the name and order count of the largest account."""
    rng = np.random.default_rng(7)
    weights = 1 / np.arange(1, ACCOUNTS + 1)
    sizes = rng.multinomial(ORDERS, weights / weights.sum())
    rule = next(rule for rule in load_policy("amazon_us").rules_in_force(AS_OF) if rule.metric == METRIC)
    days = pd.date_range(AS_OF - timedelta(days=DAYS - 1), AS_OF).to_numpy().astype("datetime64[s]")
    names = np.array([f"account-{n:04d}" for n in range(ACCOUNTS)])
    daily_orders = np.stack([rng.multinomial(size, np.full(DAYS, 1 / DAYS)) for size in sizes])
    keys = {"marketplace": "US", "channel": "seller", "metric": METRIC, "basis": str(rule.basis)}
    exposure = pd.DataFrame({
        "account": np.repeat(names, DAYS), **keys, "clock_day": np.tile(days, ACCOUNTS),
        "known_on": np.tile(days, ACCOUNTS), "until_day": pd.NaT, "counted": daily_orders.ravel(), "assumed": None,
    })  # fmt: skip
    late = rng.binomial(daily_orders.ravel(), SHARE)
    clock = np.repeat(np.tile(days, ACCOUNTS), late)
    known = clock + rng.exponential(DELAY, clock.size).astype("timedelta64[D]")
    faults = pd.DataFrame({
        "account": np.repeat(np.repeat(names, DAYS), late), **keys, "order_id": [f"o{n}" for n in range(clock.size)],
        "causes": "shipped_late", "clock_day": clock, "since": known, "known_on": known, "cleared_on": pd.NaT,
        "at_fault": 1, "assumed": None,
    })  # fmt: skip
    coverage = pd.DataFrame({
        "account": names, "marketplace": "US", "begins_on": days[0], "ends_on": days[-1], "heard_on": days[-1],
        "orders": sizes, "evidence": "", "reach": "{}", "order_gap": 0, "gaps": "[]",
    })  # fmt: skip
    kinds = dict.fromkeys(["account", *keys], "category")
    counts = Counts(
        exposure.astype(kinds | {"until_day": "datetime64[s]"}),
        faults.astype(kinds | {"cleared_on": "datetime64[s]"}),
        coverage.astype({"account": "category", "marketplace": "category"}),
    )
    return counts, str(names[0]), int(sizes[0])


def median_ms(work: Callable[[int], object], windows: range) -> float:
    """Return the median time of a call of `work` with each of the given windows, in milliseconds."""
    durations = []
    for window in windows:
        begin = time.perf_counter()
        work(window)
        durations.append(time.perf_counter() - begin)
    return round(statistics.median(durations) * 1000, 2)


def main() -> None:
    """Measure the time of a new window and print the results as JSON."""
    counts, largest, orders = make_counts()
    with tempfile.TemporaryDirectory() as folder:
        # An empty store: the panel reads the marketplace's own figures from it, and there are none.
        store.Store(folder)._append(tables.REPORTS, store.arrow_schema(tables.REPORTS).empty_table())
        workspace = Workspace(folder)
        workspace.__dict__["counts"] = counts
        empty = workspace.store.ledger(only=REPORTED_TABLES).in_memory()
        workspace.__dict__["store"] = SimpleNamespace(
            folder=Path(folder), ledger=lambda *_: empty, check_accounts=lambda *_: None
        )
        question = Question(largest, "US", METRIC, "seller", 30, AS_OF)
        where_i_stand_model.answer_question(workspace, question)
        days = {span: list_days(AS_OF - timedelta(days=span - 1), AS_OF) for span in (120, 730)}

        def rates(span: int) -> Callable[[int], object]:
            return lambda window: workspace.score(days[span], [largest], window=window, metrics=[METRIC])

        figures = {
            "orders": ORDERS, "orders_of_the_largest": orders, "faults": len(counts.faults),
            "rates_of_120_days_ms": median_ms(rates(120), range(40, 90)),
            "rates_of_730_days_ms": median_ms(rates(730), range(40, 90)),
            "whole_answer_120_days_ms": median_ms(
                lambda window: where_i_stand_model.answer_question(workspace, question._replace(window=window)),
                range(90, 130),
            ),
        }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
