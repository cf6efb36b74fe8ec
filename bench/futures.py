"""Measure the simulation of 10,000 futures of 90 days, by orders per day and measure (`make bench-futures`)."""

from __future__ import annotations

import json
import os
import resource
import time
from datetime import date, timedelta

import numpy as np
import pandas as pd

from healthkit.analysis import simulation
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy_files import load_policy

DRAWS, AHEAD = int(os.environ.get("DRAWS", "10000")), 90
AS_OF = date(2026, 10, 31)
DAYS = 400
MEASURES = {"order_defect_rate": (0.012, 25), "late_shipment_rate": (0.04, 2)}
"""Share of orders at fault, and mean number of days until a fault is known, by measure."""


def make_counts(metric: str, per_day: int, share: float | None = None, delay: float | None = None) -> Counts:
    """Return generated counts of an account that has on average `per_day` orders per day, and random faults."""
    rng = np.random.default_rng(1)
    share = MEASURES[metric][0] if share is None else share
    delay = MEASURES[metric][1] if delay is None else delay
    rule = next(rule for rule in load_policy("amazon_us").rules_in_force(AS_OF) if rule.metric == metric)
    keys = {"account": "made-up", "marketplace": "US", "channel": "seller", "metric": metric, "basis": str(rule.basis)}
    days = pd.date_range(AS_OF - timedelta(days=DAYS - 1), AS_OF)
    daily_orders = rng.poisson(per_day, DAYS)
    exposure = pd.DataFrame({
        **keys, "clock_day": days, "known_on": days, "until_day": pd.NaT, "counted": daily_orders, "assumed": None,
    })  # fmt: skip
    clock = np.repeat(days.to_numpy(), rng.binomial(daily_orders, share))
    known = clock + rng.exponential(delay, clock.size).astype("timedelta64[D]")
    faults = pd.DataFrame({
        **keys, "order_id": [f"o{n}" for n in range(clock.size)], "causes": "x", "clock_day": clock, "since": known,
        "known_on": known, "cleared_on": pd.NaT, "at_fault": 1, "assumed": None,
    })  # fmt: skip
    faults = faults[faults["known_on"] <= pd.Timestamp(AS_OF)]
    coverage = pd.DataFrame({
        "account": ["made-up"], "marketplace": "US", "begins_on": days[:1], "ends_on": days[-1:], "heard_on": days[-1:],
        "orders": int(daily_orders.sum()), "evidence": "chargebacks+claims+feedback",
        "reach": "{}", "order_gap": 0, "gaps": "[]",
    })  # fmt: skip
    kinds = dict.fromkeys(keys, "category")
    return Counts(
        exposure.astype(kinds | {"until_day": "datetime64[s]"}), faults.astype(kinds | {"cleared_on": "datetime64[s]"}),
        coverage,
    )  # fmt: skip


def main() -> None:
    """Measure the simulation and print the results; the last line is JSON."""
    figures = {}
    rules = load_policy("amazon_us")
    for per_day in (1, 50, 1_000, 20_000):
        for metric in MEASURES:
            counts = make_counts(metric, per_day)
            table = scores.score(counts, rules, AS_OF)
            row = table[table["metric"] == metric].iloc[-1]
            simulation.simulate_futures(counts, rules, row, days_ahead=AHEAD, draws=10)
            begin = time.perf_counter()
            simulated = simulation.simulate_futures(counts, rules, row, days_ahead=AHEAD, draws=DRAWS)
            seconds = time.perf_counter() - begin
            figures[f"{metric}_{per_day}_a_day"] = round(seconds, 3)
            chance = simulated.days["off"].iloc[-1]
            print(
                f"{metric:20} {per_day:>6,} orders a day: {seconds:6.3f} s, off target after {AHEAD} days: {chance:.3f}"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB")
    print(json.dumps({"draws": DRAWS, "ahead": AHEAD, "seconds": figures, "peak_mib": round(peak)}))


if __name__ == "__main__":
    main()
