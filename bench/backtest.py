"""Compare forecasts made on past month-ends with what happened (`make backtest`, or with your own raw files).

For every account, measure and past month-end with enough orders, the simulation of that day gives the chance of being
off target 30 days later, and the chance of a breach on any of those days. Both are compared with the figures displayed
then, beside two simple forecasts: the status does not change, and a binomial distribution with the rate of the window.
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
    """Return a table of forecasts: the chances by the simulation and by the simple forecasts, and the outcome."""
    rows = []
    for as_of in _month_ends(workspace):
        table = workspace.score(as_of)
        judged = table[table["target"].notna() & (table["counted"] >= min_orders) & table["rate"].notna()]
        if judged.empty:
            continue
        days_ahead = [as_of + timedelta(days=ahead) for ahead in range(1, AHEAD + 1)]
        later = workspace.score(days_ahead, set(judged["account"]))
        keys = ["account", "marketplace", "channel", "metric", "window"]
        outcomes = dict(list(later.groupby(keys)))
        forecaster = simulation.Forecaster(workspace.counts, as_of)
        for _, row in judged.iterrows():
            policy = workspace.policies[row["marketplace"]]
            rule = workspace.account(row["account"], row["marketplace"]).rule(row)
            days = outcomes.get(tuple(row[name] for name in keys))
            if rule.target is None or days is None:
                continue
            simulated = forecaster.simulate(policy, row, days_ahead=AHEAD, draws=DRAWS, seed=seed)
            rows.append(
                {
                    **row[[*keys, "as_of", "counted", "at_fault"]].to_dict(),
                    **_forecast_and_outcome(simulated, row, rule.target, days),
                }
            )
    return pd.DataFrame(rows)


def _month_ends(workspace: Workspace) -> Iterator[date]:
    """Yield the month-ends with at least 90 days of history and a complete month after them."""
    coverage = workspace.counts.coverage
    begins, ends = coverage["begins_on"].min().date(), coverage["heard_on"].max().date()
    for day in pd.date_range(begins + timedelta(days=90), ends - timedelta(days=AHEAD), freq="ME"):
        if all(day.date() >= policy.complete_from for policy in workspace.policies.values()):
            yield day.date()


def _forecast_and_outcome(
    futures: simulation.Simulation, row: pd.Series, target: Target, days: pd.DataFrame
) -> dict[str, float]:
    """Return the chances forecast for one measure, and the outcome as 0 or 1."""
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
    """Return the chance of more than `limit` successes in n trials with the success probability `share`."""
    if limit < 0 or share >= 1:
        return 1.0
    if share <= 0 or limit >= n:
        return 0.0
    # In logarithms, to avoid overflow without another library.
    numbers = np.arange(n + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((n - numbers[:-1]) / (numbers[:-1] + 1)))])
    chance = np.exp(ways + numbers * np.log(share) + (n - numbers) * np.log1p(-share))
    return float(min(1.0, chance[limit + 1 :].sum() / chance.sum()))


def brier_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return the Brier score of each measure and of all measures together; a lower score is better."""
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
    """Return the mean chance forecast and the share that came true, for each tenth of the chance forecast."""
    bins = np.minimum((table["off"] * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    groups = table.assign(tenth=bins).groupby("tenth")
    return groups.agg(forecasts=("off", "size"), said=("off", "mean"), came=("off_came", "mean")).reset_index()


def main() -> None:
    """Import the raw files, make and score forecasts, and print the scores; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "raw", nargs="?", type=Path, default=Path("data/sample"), help="raw files; default: data/sample"
    )
    parser.add_argument("--least", type=int, default=30, help="minimum number of orders of a window to forecast")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = importer.import_files([options.raw], Store(folder))
        refused = [result.refused for result in results if result.refused]
        if refused:
            sys.exit(f"{len(refused)} files were refused, the first: {refused[0]}")
        workspace = Workspace(folder)
        begin = time.process_time()
        forecasts = make_forecasts(workspace, options.least)
        cpu_seconds = time.process_time() - begin
    if forecasts.empty:
        sys.exit("No measure of any account has enough orders on a past month-end.")
    table = brier_scores(forecasts)
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.float_format", "{:.4f}".format):
        print(
            f"{len(forecasts):,} forecasts of {forecasts['account'].nunique():,} accounts "
            f"on {forecasts['as_of'].nunique()} month-ends"
        )
        print("\nBrier scores (lower is better)\n", table.to_string(index=False), sep="")
        print(
            "\nChance forecast and share that came true\n",
            calibrate_forecasts(forecasts).to_string(index=False),
            sep="",
        )
    first = table.iloc[0]
    print(json.dumps({
        "forecasts": len(forecasts), "accounts": int(forecasts["account"].nunique()),
        "cpu_seconds": round(cpu_seconds, 1),
        **{name.replace(" ", "_").replace(",", ""): round(float(first[name]), 5) for name in table.columns[2:]},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
