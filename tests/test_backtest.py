"""The back-test compares what it says it does: scores worked out by hand, and on the sample both others are beaten."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bench import backtest
from tests.builders.sample import ROOT


@pytest.mark.parametrize(("n", "share"), [(10, 0.3), (60, 0.01), (200, 0.04), (5, 0.0), (5, 1.0)])
def test_the_binomial_is_the_binomial(n, share):
    exact = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    assert backtest.binomial_chances(n, share) == pytest.approx(exact)


def test_the_crps_is_that_of_its_other_form():
    """The mean distance to the outcome less half of the mean distance of two draws (Gneiting and Raftery 2007)."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        values, chances, outcome = rng.integers(0, 6, 8) / 5, rng.dirichlet(np.ones(8)), rng.integers(-1, 7) / 5
        apart = chances @ np.abs(values[:, None] - values) @ chances
        assert backtest.ranked_score(values, chances, outcome) == pytest.approx(
            chances @ np.abs(values - outcome) - apart / 2
        )
    assert backtest.ranked_score(np.array([0.3]), np.array([1.0]), 0.1) == pytest.approx(0.2)


def test_a_true_forecast_of_small_numbers_holds_eighty_of_a_hundred_by_pit_and_a_wrong_one_does_not():
    """Binomial numbers of 12 with a chance of 0.1: an inclusive band holds far more than 80 %."""
    came = np.random.default_rng(1).binomial(12, 0.1, 20_000)
    for forecast, held in ((0.1, True), (0.2, False), (0.04, False)):
        up_to = np.append(0.0, backtest.binomial_chances(12, forecast).cumsum())
        low, high = pd.Series(up_to[came]), pd.Series(up_to[came + 1])
        assert (abs(backtest.band_coverage(low, high).mean() - 0.8) < 0.01) == held
        tenths = backtest.pit_histogram(pd.DataFrame({"pit_low": low, "pit_high": high}))["share"]
        assert tenths.sum() == pytest.approx(1)
        assert (tenths.max() < 0.11) == held


def test_the_scores_are_mean_squares_and_the_tenths_hold_what_came():
    made = pd.DataFrame({
        "metric": "x", "off": [0.95, 0.05, 0.5], "stays": [1.0, 0.0, 0.0], "binomial": 0.5, "breach": 1.0,
        "off_came": [1.0, 0.0, 1.0], "breach_came": 1.0, "pit_low": [0.0, 0.5, 0.88], "pit_high": [0.4, 0.5, 0.98],
        "mid_p_if_true": 0.9, "crps": [0.01, 0.02, 0.03], "crps_stays": 0.04, "crps_binomial": 0.05,
    })  # fmt: skip
    first = backtest.score_forecasts(made).iloc[0]
    assert first["off in 30 days"] == pytest.approx((0.05**2 * 2 + 0.25) / 3)
    assert (first["today stays"], first["breach"]) == (pytest.approx(1 / 3), 0.0)
    assert (first["CRPS"], first["CRPS, binomial"]) == (pytest.approx(2.0), pytest.approx(5.0))
    assert first["80% band, PIT"] == pytest.approx((0.75 + 1 + 0.2) / 3)
    assert first["80% band, mid-p"] == pytest.approx(2 / 3)
    assert backtest.calibrate_forecasts(made)[["tenth", "came"]].to_numpy().tolist() == [[0, 0.0], [5, 1.0], [9, 1.0]]


def test_on_the_sample_the_futures_beat_both_plain_forecasts(tmp_path):
    document = tmp_path / "forecasts.md"
    document.write_text("# Old\n\n## Other\n\nstays\n\n## sample, from 30 orders on\n\ngoes\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bench.backtest", "--document", str(document)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["forecasts"] > 150
    assert said["off_in_30_days"] < min(said["today_stays"], said["binomial"])
    assert said["breach"] < min(said["breach_today_stays"], said["breach_binomial"])
    assert said["crps"] < min(said["crps_today_stays"], said["crps_binomial"])
    assert 0.78 <= said["80_band_pit"] <= 0.85
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Past forecasts")
    assert "## Other\n\nstays\n" in text
    assert "goes" not in text
    assert text.count("| order_defect_rate |") == 2
    assert (tmp_path / "forecasts_sample_from_30_orders_on.svg").stat().st_size < 50_000
