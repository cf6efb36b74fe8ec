"""Forecasts made on past month-ends, held against what came: `make backtest`, or with raw files of your own.

For every account, measure and past month-end with enough orders, the futures that could be made on that evening give
the chance to be off target 30 days later, and the chance of a breach on any of those days. Both are compared with what
was displayed then, beside two plain forecasts: that the status of today stays, and a binomial with the rate of the
window.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from healthkit.analysis import simulation
from healthkit.ingest import importer
from healthkit.metrics.policy import Target
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace

AHEAD = 30
DRAWS = 1_000
CALIBRATION_BINS = 10


def make_forecasts(workspace: Workspace, min_orders: int, seed: int = 0) -> pd.DataFrame:
    """One row a forecast: what was said, what the plain forecasts say, and what came."""
    rows = []
    for as_of in _month_ends(workspace):
        table = workspace.score(as_of)
        asked = table[table["target"].notna() & (table["counted"] >= min_orders) & table["rate"].notna()]
        if asked.empty:
            continue
        then = workspace.score([as_of + timedelta(days=ahead) for ahead in range(1, AHEAD + 1)], set(asked["account"]))
        keys = ["account", "marketplace", "channel", "metric", "window"]
        came = dict(list(then.groupby(keys)))
        lookout = simulation.Forecaster(workspace.counts, as_of)
        for _, row in asked.iterrows():
            policy = workspace.policies[row["marketplace"]]
            rule = workspace.account(row["account"], row["marketplace"]).rule(row)
            days = came.get(tuple(row[name] for name in keys))
            if rule.target is None or days is None:
                continue
            held = lookout.simulate(policy, row, days_ahead=AHEAD, draws=DRAWS, seed=seed)
            rows.append(
                {
                    **row[[*keys, "as_of", "counted", "at_fault"]].to_dict(),
                    **_forecast_and_outcome(held, row, rule.target, days),
                }
            )
    return pd.DataFrame(rows)


def _month_ends(workspace: Workspace) -> Iterator[date]:
    """Month-ends of which both a past of 90 days and the month after are known."""
    coverage = workspace.counts.coverage
    begins, ends = coverage["begins_on"].min().date(), coverage["heard_on"].max().date()
    for day in pd.date_range(begins + timedelta(days=90), ends - timedelta(days=AHEAD), freq="ME"):
        if all(day.date() >= policy.complete_from for policy in workspace.policies.values()):
            yield day.date()


def _forecast_and_outcome(
    futures: simulation.Simulation, row: pd.Series, target: Target, days: pd.DataFrame
) -> dict[str, float]:
    """What was forecast, and what came."""
    off = (days.sort_values("as_of")["status"] == "off target").to_numpy()
    last = days.sort_values("as_of").iloc[-1]
    n, k = int(row["counted"]), int(row["at_fault"])
    now = float(row["status"] == "off target")
    edges = futures.days.iloc[AHEAD]
    inside = (
        np.nan if pd.isna(last["rate"]) else float(edges["low80"] - 1e-12 <= last["rate"] <= edges["high80"] + 1e-12)
    )
    return {
        "off": futures.chance_off(futures.as_of + timedelta(days=AHEAD)), "breach": futures.breach_chances[AHEAD],
        "stays": now,
        "binomial": _chance_above(n, k / n, int(target.max_at_fault(n))), "off_came": float(off[-1]),
        "breach_came": float(off.any()),
        "inside": inside,
    }  # fmt: skip


def _chance_above(n: int, share: float, limit: int) -> float:
    """The chance of more than `limit` of n, each with the same chance."""
    if limit < 0 or share >= 1:
        return 1.0
    if share <= 0 or limit >= n:
        return 0.0
    # From the most likely number outwards, in logarithms: no library needed, and exact enough.
    numbers = np.arange(n + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((n - numbers[:-1]) / (numbers[:-1] + 1)))])
    chance = np.exp(ways + numbers * np.log(share) + (n - numbers) * np.log1p(-share))
    return float(min(1.0, chance[limit + 1 :].sum() / chance.sum()))


def brier_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Brier scores by measure and of all together; the lower, the better."""
    pieces = [("all", table), *table.groupby("metric")]
    return pd.DataFrame([
        {
            "measure": name, "forecasts": len(rows), "off, of all": rows["off_came"].mean(),
            "off in 30 days": _brier_score(rows["off"], rows["off_came"]),
            "today stays": _brier_score(rows["stays"], rows["off_came"]),
            "binomial": _brier_score(rows["binomial"], rows["off_came"]),
            "breach": _brier_score(rows["breach"], rows["breach_came"]),
            "breach, today stays": _brier_score(rows["stays"], rows["breach_came"]),
            "breach, binomial": _brier_score(rows["binomial"], rows["breach_came"]),
            "inside the 80% band": rows["inside"].mean(),
        }
        for name, rows in pieces
    ])  # fmt: skip


def _brier_score(forecast: pd.Series, outcome: pd.Series) -> float:
    return float(((forecast - outcome) ** 2).mean())


def calibrate_forecasts(table: pd.DataFrame) -> pd.DataFrame:
    """How often it came where so much was said, by tenths of the chance said."""
    bins = np.minimum((table["off"] * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    held = table.assign(tenth=bins).groupby("tenth")
    return held.agg(forecasts=("off", "size"), said=("off", "mean"), came=("off_came", "mean")).reset_index()


def main() -> None:
    """Import, forecast, compare, print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("raw", nargs="?", type=Path, default=Path("data/sample"), help="raw files; default: data/sample")
    asked.add_argument("--least", type=int, default=30, help="orders that a window must hold to be forecast")
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        refused = [one.refused for one in importer.import_files([told.raw], Store(folder)) if one.refused]
        if refused:
            sys.exit(f"{len(refused)} files were refused, the first: {refused[0]}")
        desk = Workspace(folder)
        began = time.process_time()
        made = make_forecasts(desk, told.least)
        spent = time.process_time() - began
    if made.empty:
        sys.exit("No measure of any account has enough orders on a past month-end.")
    table = brier_scores(made)
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.float_format", "{:.4f}".format):
        print(
            f"{len(made):,} forecasts of {made['account'].nunique():,} accounts on {made['as_of'].nunique()} month-ends"
        )
        print("\nBrier scores (lower is better)\n", table.to_string(index=False), sep="")
        print("\nChance said and share that came\n", calibrate_forecasts(made).to_string(index=False), sep="")
    first = table.iloc[0]
    print(json.dumps({
        "forecasts": len(made), "accounts": int(made["account"].nunique()), "cpu_seconds": round(spent, 1),
        **{name.replace(" ", "_").replace(",", ""): round(float(first[name]), 5) for name in table.columns[2:]},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
