"""The back-test compares what it says it does: scores worked out by hand, and on the sample both others are beaten."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pandas as pd
import pytest

from bench import backtest
from tests.builders.sample import ROOT


@pytest.mark.parametrize(
    ("n", "share", "limit"), [(10, 0.3, 2), (60, 0.01, 0), (200, 0.04, 7), (5, 0.0, 0), (5, 1.0, 4)]
)
def test_the_binomial_is_the_binomial(n, share, limit):
    exact = sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(limit + 1, n + 1))
    assert backtest._chance_above(n, share, limit) == pytest.approx(exact)


def test_the_scores_are_mean_squares_and_the_tenths_hold_what_came():
    made = pd.DataFrame({
        "metric": "x", "off": [0.95, 0.05, 0.5], "stays": [1.0, 0.0, 0.0], "binomial": 0.5, "breach": 1.0,
        "off_came": [1.0, 0.0, 1.0], "breach_came": 1.0, "inside": [1.0, 1.0, 0.0],
    })  # fmt: skip
    first = backtest.brier_scores(made).iloc[0]
    assert first["off in 30 days"] == pytest.approx((0.05**2 * 2 + 0.25) / 3)
    assert (first["today stays"], first["breach"]) == (pytest.approx(1 / 3), 0.0)
    assert backtest.calibrate_forecasts(made)[["tenth", "came"]].to_numpy().tolist() == [[0, 0.0], [5, 1.0], [9, 1.0]]


def test_on_the_sample_the_futures_beat_both_plain_forecasts():
    done = subprocess.run(
        [sys.executable, "-m", "bench.backtest"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["forecasts"] > 150
    assert said["off_in_30_days"] < min(said["today_stays"], said["binomial"])
    assert said["breach"] < min(said["breach_today_stays"], said["breach_binomial"])
