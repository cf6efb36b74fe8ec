"""Made-up accounts with an event: orders and faults drawn day by day, without a store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd

from healthkit.analysis.account_view import AccountView
from healthkit.analysis.event_effects import MeasureOrders
from healthkit.analysis.fitted_rates import HISTORY_DAYS, History, pool_rates_of_accounts
from healthkit.metrics.counts import Counts
from healthkit.metrics.evidence import FileCoverage
from healthkit.metrics.policy_files import load_policy
from healthkit.metrics.scores import NEVER, Intervals, MeasureIntervals, day_numbers
from healthkit.schema.events_file import Event

AS_OF = date(2026, 10, 31)
NOW = int(day_numbers([AS_OF])[0])
US = load_policy("amazon_us")
LONG_AGO = 300
"""Days of orders of an account. [days]"""


def drawn_orders(
    rng: np.random.Generator, per_day: float, rate_on: Callable[[int], float], delay: float, bad_weeks: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Clock days and orders of each; clock day and day known of each fault, also of those that are not known yet.

    `rate_on` is the rate of faults of a day, `delay` the mean days until one is known, `bad_weeks` the squared
    variation of the rate from week to week.
    """
    days = NOW - np.arange(LONG_AGO)[::-1]
    orders = rng.poisson(per_day, LONG_AGO)
    rates = np.array([rate_on(int(day)) for day in days])
    if bad_weeks:
        weeks = rng.gamma(1 / bad_weeks, bad_weeks, LONG_AGO // 7 + 1)
        rates = np.minimum(0.95, rates * np.repeat(weeks, 7)[:LONG_AGO])
    clock = np.repeat(days, rng.binomial(orders, rates))
    return days, orders, clock, clock + rng.exponential(delay, clock.size).astype(int)


def measure_orders(days, orders, clock, known, window: int = 30) -> MeasureOrders:
    """One measure of an account, from what `drawn_orders` gives, as known on the as-of day."""
    clock, known = clock[known <= NOW], known[known <= NOW]
    zeros, ones = np.zeros(clock.size, int), np.ones(clock.size, int)
    counting = Intervals(np.zeros(days.size, int), days, days, np.full(days.size, NEVER), orders)
    faults = Intervals(zeros, clock, known, np.full(clock.size, NEVER), ones)
    first = NOW - HISTORY_DAYS + 1
    by_day = np.zeros((1, HISTORY_DAYS))
    by_day[0, days - first] = orders
    history = History(
        pd.Index(["acme"]), first, NOW, by_day, zeros, clock - first, np.clip(known - clock, 0, 180), ones
    )
    return MeasureOrders(
        "acme", "US", "late_shipment_rate", "seller", window, "below", 0.04,
        MeasureIntervals(faults, counting, pd.DataFrame(), zeros), history, pool_rates_of_accounts(history),
        AS_OF - timedelta(days=LONG_AGO - 1), AS_OF,
    )  # fmt: skip


def account_view(metrics: dict[str, tuple], events: list[Event]) -> AccountView:
    """An account of a store, with the orders and faults of some metrics as `drawn_orders` gives them."""
    exposure, faults = [], []
    for metric, (days, orders, clock, known) in metrics.items():
        rule = next(rule for rule in US.rules_in_force(AS_OF) if rule.metric == metric)
        keys = {"account": "acme", "marketplace": "US", "channel": "seller", "metric": metric, "basis": str(rule.basis)}
        at = days.astype("datetime64[D]").astype("datetime64[s]")
        exposure.append(pd.DataFrame(
            {**keys, "clock_day": at, "known_on": at, "until_day": pd.NaT, "counted": orders, "assumed": None}
        ))  # fmt: skip
        learnt = known <= NOW
        of_day, since = (values[learnt].astype("datetime64[D]").astype("datetime64[s]") for values in (clock, known))
        faults.append(pd.DataFrame({
            **keys, "order_id": [f"{metric}-{n}" for n in range(since.size)], "causes": "shipped_late",
            "clock_day": of_day, "since": since, "known_on": since, "cleared_on": pd.NaT, "at_fault": 1,
            "assumed": None,
        }))  # fmt: skip
    coverage = pd.DataFrame({
        "account": ["acme"], "marketplace": "US", "begins_on": pd.Timestamp(AS_OF - timedelta(days=LONG_AGO - 1)),
        "ends_on": pd.Timestamp(AS_OF), "heard_on": pd.Timestamp(AS_OF), "orders": 1_000,
        "evidence": "chargebacks+claims+confirmations+feedback+promises", "reach": "{}", "order_gap": 0, "gaps": "[]",
    })  # fmt: skip
    kinds = dict.fromkeys(keys, "category")
    counts = Counts(
        pd.concat(exposure, ignore_index=True).astype(kinds | {"until_day": "datetime64[s]"}),
        pd.concat(faults, ignore_index=True).astype(kinds | {"cleared_on": "datetime64[s]"}),
        coverage,
    )
    row = coverage.to_dict("records")[0]
    return AccountView("acme", "US", counts, counts, US, FileCoverage.from_row(row), None, lambda: tuple(events))
