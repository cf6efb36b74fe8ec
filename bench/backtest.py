"""Compare forecasts made on past month-ends with what happened (`make backtest`, or with your own raw files).

For every account, measure and past month-end with enough orders, the simulation of that day gives the chance of being
off target 30 days later, the chance of a breach on any of those days, and a distribution of the rate. They are compared
with the figures displayed then, beside two simple forecasts: today stays, and a binomial distribution with the rate of
the window. With `--document` the scores are written to a Markdown file (`docs/forecasts.md`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from healthkit.analysis import simulation
from healthkit.ingest import importer
from healthkit.metrics.policy import Rule
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace

AHEAD = 30
DRAWS = 1_000
CALIBRATION_BINS = 10
SAME_RATE = 1e-12
"""Rates that differ by less are the same. [share]"""
ENOUGH_FORECASTS = 30
"""Number of forecasts of a measure from which it is held against the simple forecasts."""
PLACES = ("pit_low", "pit_high", "mid_p_if_true", "crps", "crps_stays", "crps_binomial")
"""The columns of a forecast that need a displayed rate."""
DOCUMENT_TABLES = (
    (
        ("measure", "forecasts", "off, of all", "off in 30 days", "today stays", "binomial", "breach",
         "breach, today stays", "breach, binomial"),
        ("{}", "{:,}", "{:.0%}", *["{:.3f}"] * 6),
    ),
    (
        ("measure", "CRPS", "CRPS, today stays", "CRPS, binomial", "80% band, PIT", "80% band, mid-p",
         "mid-p if true"),
        ("{}", *["{:.2f}"] * 3, *["{:.1%}"] * 3),
    ),
)  # fmt: skip
"""The columns of the tables of a section, and their formats."""
HEAD = """# Past forecasts

Made by `make backtest RAW=FOLDER LEAST=ORDERS TITLE=NAME`, which writes the section of one folder; do not edit it.
On every past month-end, from what was known then, each judged rate with enough orders in its window is forecast for
the next 30 days and compared with what was displayed.

- **Brier score** of the chance to be off target in 30 days, and of a breach on any of these days: the mean squared
  difference between chance and outcome (lower is better), beside two simple forecasts: *today stays*, and a *binomial*
  number with the rate and the orders of today's window.
- **CRPS**, the continuous ranked probability score of the rate in 30 days, in percentage points (lower is better; for
  *today stays* it is the absolute error; Gneiting and Raftery 2007).
- **80 % band**: how often it holds what came. Rates of few orders have few possible values, and a band that includes
  its ends holds more than 80 %. So a place among the futures counts: *PIT* is uniform between the shares of futures
  below and up to what came, and is in the band in 80 % of calibrated forecasts (Czado, Gneiting and Held 2009);
  *mid-p* is its middle, which is in the band more often where the counts are small: as often as *mid-p if true* says,
  if what comes is drawn from the forecasts.

Forecasts of one month-end, and of one account, depend on each other: a hundred of them say less than a hundred throws
of a coin. Measures with fewer than 30 forecasts say little.
"""


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
            inputs, fitted = forecaster.prepare(policy, row, days_ahead=AHEAD)
            draws = simulation.draw_counts(inputs, fitted, DRAWS, np.random.default_rng(seed))
            rows.append(
                {
                    **row[[*keys, "as_of", "counted", "at_fault"]].to_dict(),
                    **_forecast_and_outcome(draws, row, inputs.rule, days.sort_values("as_of")),
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
    draws: tuple[np.ndarray, np.ndarray], row: pd.Series, rule: Rule, days: pd.DataFrame
) -> dict[str, float]:
    """Return the forecasts of one measure and the outcome (0 or 1); `draws` are the counts of futures by day.

    Chances, the continuous ranked probability scores (CRPS) of the rate on the last day, and where the rate that came
    lies among the futures: the share below it (`pit_low`) and up to it (`pit_high`); `mid_p_if_true` is how often mid-p
    values would be in the 80 % band if these futures were the truth. They are NaN where no rate is displayed then.
    """
    assert rule.target is not None
    came = (days["status"] == "off target").to_numpy()
    futures_off = simulation.is_off_target(rule, *draws)
    n, k = int(row["counted"]), int(row["at_fault"])
    now = float(row["status"] == "off target")
    forecast = {
        "off": futures_off[:, AHEAD].mean(), "breach": futures_off[:, 1:].any(axis=1).mean(), "stays": now,
        "binomial": float(binomial_chances(n, k / n)[max(0, int(rule.target.max_at_fault(n)) + 1) :].sum()),
        "off_came": float(came[-1]), "breach_came": float(came.any()),
    }  # fmt: skip
    rates = simulation.shown_rates(rule, *(count[:, AHEAD] for count in draws))
    rates = np.sort(rates[~np.isnan(rates)])
    rate = float(days["rate"].iloc[-1])
    if np.isnan(rate) or not rates.size:
        return forecast | dict.fromkeys(PLACES, np.nan)
    low, high = np.searchsorted(rates, [rate - SAME_RATE, rate + SAME_RATE]) / rates.size
    possible = rule.target.displayed_rate(np.arange(n + 1) / n)
    _, sizes = np.unique(np.round(rates / SAME_RATE), return_counts=True)
    middles = (sizes.cumsum() - sizes / 2) / rates.size
    return forecast | {
        "pit_low": low, "pit_high": high,
        "mid_p_if_true": sizes[(middles >= 0.1) & (middles <= 0.9)].sum() / rates.size,
        "crps": ranked_score(rates, np.full(rates.size, 1 / rates.size), rate),
        "crps_stays": abs(float(row["rate"]) - rate),
        "crps_binomial": ranked_score(possible, binomial_chances(n, k / n), rate),
    }  # fmt: skip


def binomial_chances(n: int, share: float) -> np.ndarray:
    """Return the chance of 0, 1, ..., n successes in n trials with the success probability `share`."""
    if share <= 0 or share >= 1:
        return np.asarray(np.arange(n + 1) == (0 if share <= 0 else n), dtype=float)
    # In logarithms, to avoid overflow without another library.
    numbers = np.arange(n + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((n - numbers[:-1]) / (numbers[:-1] + 1)))])
    logs = ways + numbers * np.log(share) + (n - numbers) * np.log1p(-share)
    chance = np.exp(logs - logs.max())
    return np.asarray(chance / chance.sum())


def ranked_score(values: np.ndarray, chances: np.ndarray, outcome: float) -> float:
    """Return the CRPS of a discrete forecast: the integral of (F(x) - [x >= outcome]) squared; lower is better.

    Gneiting and Raftery (2007). For a point forecast it is the absolute error.
    """
    at = np.argsort(values)
    points = np.append(values[at], outcome)
    weights = np.append(chances[at], 0.0)
    order = np.argsort(points, kind="stable")
    points, below = points[order], weights[order].cumsum()[:-1]
    return float((np.diff(points) * (below - (points[:-1] >= outcome)) ** 2).sum())


def band_coverage(low: pd.Series, high: pd.Series) -> pd.Series:
    """Return the chance that the randomised PIT of each forecast lies in the 80 % band, NaN where there is none.

    The randomised PIT is uniform between `low` and `high`, the shares of futures below and up to what came; in a
    calibrated forecast it is uniform between 0 and 1 also for whole numbers (Czado, Gneiting and Held 2009).
    """
    return _share_between(low, high, 0.1, 0.9)


def _share_between(low: pd.Series, high: pd.Series, first: float, last: float) -> pd.Series:
    """Return the share of the interval from `low` to `high` that lies between two numbers."""
    width = (high - low).clip(lower=1e-9)  # no future had that rate: a point
    inside = np.minimum(low + width, last) - np.maximum(low, first)
    return (inside / width).clip(0.0, 1.0)


def score_forecasts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each measure and of all measures together; lower is better, but for the 80 % band.

    CRPS are in percentage points of the rate.
    """
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
            "CRPS": 100 * rows["crps"].mean(), "CRPS, today stays": 100 * rows["crps_stays"].mean(),
            "CRPS, binomial": 100 * rows["crps_binomial"].mean(),
            "80% band, PIT": band_coverage(rows["pit_low"], rows["pit_high"]).mean(),
            "80% band, mid-p": _mid_p_inside(rows).mean(), "mid-p if true": rows["mid_p_if_true"].mean(),
        }
        for name, rows in pieces
    ])  # fmt: skip


def _mid_p_inside(rows: pd.DataFrame) -> pd.Series:
    """Return whether the mid-p value of each outcome (futures below, and half of those equal) is in the band."""
    value = (rows["pit_low"] + rows["pit_high"]) / 2
    return value.between(0.1, 0.9).astype(float).where(value.notna())


def _brier_score(forecast: pd.Series, outcome: pd.Series) -> float:
    return float(((forecast - outcome) ** 2).mean())


def calibrate_forecasts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean chance forecast and the share that came true, for each tenth of the chance forecast."""
    bins = np.minimum((table["off"] * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    groups = table.assign(tenth=bins).groupby("tenth")
    return groups.agg(forecasts=("off", "size"), said=("off", "mean"), came=("off_came", "mean")).reset_index()


def pit_histogram(table: pd.DataFrame) -> pd.DataFrame:
    """Return the expected share of randomised PIT values in each tenth; a calibrated forecast has 0.1 in each."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    shares = [
        _share_between(table["pit_low"], table["pit_high"], *edges[i : i + 2]).mean() for i in range(edges.size - 1)
    ]
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "share": shares})


# -- the document -------------------------------------------------------------------------------------------------


def write_document(path: Path, title: str, forecasts: pd.DataFrame) -> None:
    """Write or replace one section of a Markdown file, and its chart beside it; other sections stay as they are."""
    sections = path.read_text(encoding="utf-8").split("\n## ")[1:] if path.exists() else []
    kept = {section.partition("\n")[0]: section for section in sections}
    chart = path.with_name(f"{path.stem}_{re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')}.svg")
    chart.write_text(draw_charts(forecasts), encoding="utf-8")
    kept[title] = "\n".join([title, "", *_section_lines(forecasts, chart.name)])
    path.write_text("\n## ".join([HEAD, *(one.rstrip("\n") + "\n" for one in kept.values())]), encoding="utf-8")


def _section_lines(forecasts: pd.DataFrame, chart: str) -> list[str]:
    scores = score_forecasts(forecasts)
    tables: list[str] = []
    for columns, forms in DOCUMENT_TABLES:
        tables += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        tables += [
            "| " + " | ".join(form.format(row[name]) for name, form in zip(columns, forms, strict=True)) + " |"
            for _, row in scores.iterrows()
        ]
        tables.append("")
    return [
        f"{len(forecasts):,} forecasts of {forecasts['account'].nunique():,} accounts on "
        f"{forecasts['as_of'].nunique()} month-ends, {forecasts['as_of'].min():%Y-%m-%d} to "
        f"{forecasts['as_of'].max():%Y-%m-%d}, of windows with at least {forecasts['counted'].min():,} orders.",
        "",
        *tables,
        f"![Reliability of the chances, and PIT histogram of the rates]({chart})",
    ]


def draw_charts(forecasts: pd.DataFrame) -> str:
    """Return two charts as SVG: reliability of the chances, and the PIT histogram of the rates."""
    tenths = calibrate_forecasts(forecasts)
    axis = alt.Axis(format="%", tickCount=5)
    whole = alt.Scale(domain=[0, 1])
    ideal = alt.Chart(pd.DataFrame({"said": [0, 1], "came": [0, 1]})).mark_line(color="#888", strokeDash=[4, 4])
    points = alt.Chart(tenths).mark_circle(color="#1f6f8b", opacity=1).encode(
        size=alt.Size("forecasts", title="forecasts", scale=alt.Scale(range=[20, 400])),
    )  # fmt: skip
    reliability = (ideal + points).encode(
        x=alt.X("said:Q", title="chance forecast of being off target in 30 days", axis=axis, scale=whole),
        y=alt.Y("came:Q", title="share that was off target", axis=axis, scale=whole),
    )
    bars = alt.Chart(pit_histogram(forecasts)).mark_bar(color="#1f6f8b").encode(
        x=alt.X("from:Q", bin="binned", title="place of the rate that came among the futures (PIT)"), x2="to:Q",
        y=alt.Y("share:Q", title="share of forecasts", axis=alt.Axis(format="%")),
    )  # fmt: skip
    even = alt.Chart(pd.DataFrame({"share": [1 / CALIBRATION_BINS]})).mark_rule(color="#888", strokeDash=[4, 4])
    both = reliability.properties(width=280, height=220) | (bars + even.encode(y="share:Q")).properties(
        width=280, height=220
    )
    svg: str = vl_convert.vegalite_to_svg(both.configure(background="white").to_dict())
    return svg + "\n"


def main() -> None:
    """Import the raw files, make and score forecasts, and print the scores; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "raw", nargs="?", type=Path, default=Path("data/sample"), help="raw files; default: data/sample"
    )
    parser.add_argument("--least", type=int, default=30, help="minimum number of orders of a window to forecast")
    parser.add_argument(
        "--document", type=Path, help="Markdown file in which to write a section, with a chart beside it"
    )
    parser.add_argument("--title", help="name of the data in the heading; default: the name of the folder")
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
    if options.document:
        title = f"{options.title or options.raw.resolve().name}, from {options.least} orders on"
        write_document(options.document, title, forecasts)
    table = score_forecasts(forecasts)
    with pd.option_context("display.width", 250, "display.max_columns", 20, "display.float_format", "{:.4f}".format):
        print(
            f"{len(forecasts):,} forecasts of {forecasts['account'].nunique():,} accounts "
            f"on {forecasts['as_of'].nunique()} month-ends"
        )
        print("\nBrier scores and CRPS [percentage points] (lower is better)\n", table.to_string(index=False), sep="")
        print(
            "\nChance forecast and share that came true\n",
            calibrate_forecasts(forecasts).to_string(index=False),
            "\n\nPIT histogram\n",
            pit_histogram(forecasts).to_string(index=False),
            sep="",
        )
    first = table.iloc[0]
    print(json.dumps({
        "forecasts": len(forecasts), "accounts": int(forecasts["account"].nunique()),
        "cpu_seconds": round(cpu_seconds, 1), "not_best": _measures_not_best(table),
        **{re.sub(r"[ ,%-]+", "_", name).lower(): round(float(first[name]), 5) for name in table.columns[2:]},
    }))  # fmt: skip


def _measures_not_best(scores: pd.DataFrame) -> int:
    """Return how many measures with 30 or more forecasts do not beat both simple forecasts in Brier score."""
    enough = scores.iloc[1:][scores["forecasts"].iloc[1:] >= ENOUGH_FORECASTS]
    return int((enough["off in 30 days"] >= enough[["today stays", "binomial"]].min(axis=1)).sum())


if __name__ == "__main__":
    main()
