"""Simulate a measure under a scenario at the usual pace, from the same draws as the futures without it.

What a scenario changes of the known orders is counted as in `what_if`; of what is to come, each step takes away or adds
a share of the orders and faults drawn. Faults to come have the causes of the account's past faults with about the same
delay; a product has its share of past orders and of past faults. Rates are fitted to what happened, without the
scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from healthkit.analysis.arrivals import days_between, volume_factors
from healthkit.analysis.fitted_rates import MAX_FAULT_DELAY
from healthkit.analysis.rolloff import RollOffCalendar, rules_by_day
from healthkit.analysis.simulation import Forecaster, InputChange, Simulation, SimulationInput, simulate_changes
from healthkit.analysis.what_if import (
    ScenarioEdits,
    ScenarioStep,
    products_most_at_fault,
    recent_weights,
    slider_causes,
)
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import Policy
from healthkit.metrics.scores import day_numbers, select_intervals
from healthkit.schema.tables import Ledger

CAUSE_DELAY_DAYS = 7.0
"""Scale on which past faults with another delay count less for the causes of a fault to come. [days]"""
CAUSE_WEIGHT = 2.0
"""Weight of the causes of all past faults, whatever their delay, as a number of recent faults. [faults]"""


CAUSES_TRIED, PRODUCTS_TRIED = 2, 1
"""Number of causes, and of products, that are tried for the strongest steps."""
STRONGEST_STEPS = 3
"""Number of steps that a report names."""
SMALLEST_EFFECT = 0.02
"""A step that saves a smaller share of the expected days off target is not named."""


class ScenarioForecast(NamedTuple):
    """The simulated futures of a measure under a scenario, beside those without it.

    `untouched` are the steps that change nothing: no order that counts or is at fault now or on a simulated day, and
    no order or fault to come.
    """

    plain: Simulation
    simulation: Simulation
    untouched: tuple[ScenarioStep, ...]


def forecast_scenarios(
    forecaster: Forecaster,
    policy: Policy,
    row: pd.Series,
    scenarios: Sequence[ScenarioEdits],
    calendar: RollOffCalendar,
    counts: Counts,
    *,
    days_ahead: int = 90,
    draws: int,
    seed: int = 0,
    bands: bool = True,
) -> list[ScenarioForecast]:
    """Simulate a row of SCORES as it goes on and under each of some scenarios.

    `scenarios` are what the steps of each change (see `what_if.edit_measure`), `calendar` is the roll-off calendar of
    the row, and `counts` are those of its account. `bands` is as in `simulation.simulate_changes`. A scenario without a
    step equals the futures without one, draw for draw. Raises OutlookError for a row without a target.
    """
    inputs, fitted = forecaster.prepare(policy, row, days_ahead=days_ahead, account_counts=counts)
    edited = [_edit_stepwise(one, inputs, fitted.mean_rate, calendar) for one in scenarios]
    window = calendar.window, calendar.lag
    same = [place for place, one in enumerate(edited) if (one.edits.window, one.edits.lag) == window]
    plain, *changed = simulate_changes(
        inputs, fitted, [edited[place].change for place in same], draws=draws, seed=seed, account=row["account"],
        bands=bands,
    )  # fmt: skip
    simulated = dict(zip(same, changed, strict=True))
    for place, one in enumerate(edited):
        if place not in simulated:
            simulated[place] = _simulate_other_window(
                forecaster, policy, one.edits, counts, days_ahead, draws=draws, seed=seed, bands=bands
            )
    return [ScenarioForecast(plain, simulated[place], one.untouched) for place, one in enumerate(edited)]


class StrongStep(NamedTuple):
    """A step and the simulated futures of a measure under it."""

    step: ScenarioStep
    simulation: Simulation


class StrongestSteps(NamedTuple):
    """The simulated futures of a measure as it goes on, and the steps tried that help most.

    `granted` has the futures with each request granted, by the ids of its orders.
    """

    plain: Simulation
    steps: list[StrongStep]
    granted: dict[tuple[str, ...], Simulation]


def candidate_steps(known: ScenarioEdits, calendar: RollOffCalendar, ledger: Ledger) -> list[ScenarioStep]:
    """Return the steps that are tried for a measure, from the day after its row on.

    They halve each of the most frequent causes, and stop selling the product most at fault, if that lowers the rate.
    """
    since = calendar.as_of + timedelta(days=1)
    halved = [ScenarioStep("fewer", 0, cause, Fraction(1, 2), since) for cause in slider_causes(calendar, CAUSES_TRIED)]
    products = products_most_at_fault(known, ledger, calendar.as_of, PRODUCTS_TRIED)
    return [*halved, *(ScenarioStep("stop_selling", 0, since=since, sku=sku) for sku in products)]


def pick_strongest(
    steps: Sequence[ScenarioStep], forecasts: Sequence[ScenarioForecast], limit: int = STRONGEST_STEPS
) -> list[StrongStep]:
    """Return the steps with the fewest expected days off target, the fewest first.

    Steps that save less than SMALLEST_EFFECT of these days are left out.
    """
    pairs = [
        StrongStep(step, one.simulation)
        for step, one in zip(steps, forecasts, strict=True)
        if _share_off(one.simulation) < _share_off(one.plain) * (1 - SMALLEST_EFFECT)
    ]
    return sorted(pairs, key=lambda pair: _share_off(pair.simulation))[:limit]


def _share_off(simulation: Simulation) -> float:
    """Return the share of simulated days on which a measure is off target."""
    return float(simulation.days["off"].mean())


def _simulate_other_window(
    forecaster: Forecaster,
    policy: Policy,
    edits: ScenarioEdits,
    counts: Counts,
    days_ahead: int,
    *,
    draws: int,
    seed: int,
    bands: bool,
) -> Simulation:
    """Simulate a scenario that changes the window or the lag, in which other faults are seen on other days."""
    row = edits.row
    last = row["as_of"] - pd.Timedelta(days=edits.lag)
    moved = pd.Series({**row.to_dict(), "window": edits.window, "last_day": last})
    inputs, fitted = forecaster.prepare(policy, moved, days_ahead=days_ahead, account_counts=counts)
    change = input_change(edits, inputs, fitted.mean_rate)
    return simulate_changes(
        inputs, fitted, [change], draws=draws, seed=seed, account=row["account"], bands=bands
    )[1]  # fmt: skip


class _EditedInput(NamedTuple):
    """A scenario applied to the input of a simulation."""

    edits: ScenarioEdits
    change: InputChange
    untouched: tuple[ScenarioStep, ...]


def _edit_stepwise(
    edits: ScenarioEdits, inputs: SimulationInput, fault_rate: float, calendar: RollOffCalendar
) -> _EditedInput:
    """Return how a scenario changes the input of a simulation, and its steps that change nothing."""
    states = [edits]
    while states[0].previous is not None:
        states.insert(0, states[0].previous)
    change, untouched = InputChange.none(inputs), []
    for before, after in pairwise(states):
        changed = input_change(after, inputs, fault_rate)
        same = _rules(before, calendar) == _rules(after, calendar) and _is_same(inputs, change, changed)
        if after.step is not None and same and _counts_same_days(before, after, calendar):
            untouched.append(after.step)
        change = changed
    return _EditedInput(edits, change, tuple(untouched))


def _rules(edits: ScenarioEdits, calendar: RollOffCalendar) -> tuple[Any, ...]:
    """Return the window, the lag and the target of each day of a calendar."""
    days = rules_by_day(edits.rule, edits.rule_changes, calendar.as_of, len(calendar.days))
    targets = np.concatenate([np.full(part.stop - part.start, rule.target.share) for rule, part in days if rule.target])
    return edits.window, edits.lag, targets.tolist()


def _counts_same_days(before: ScenarioEdits, after: ScenarioEdits, calendar: RollOffCalendar) -> bool:
    """Return whether a step leaves the known counts of every day of a calendar, which may reach beyond the futures."""
    if before.counts is after.counts:
        return True
    one, other = (_known_counts(edits, len(calendar.days)) for edits in (before, after))
    return np.array_equal(one, other)


def _known_counts(edits: ScenarioEdits, days: int) -> np.ndarray:
    """Return how many known orders count and are at fault on each day from that of the row on. [2 x days]"""
    row = edits.row
    intervals = select_intervals(edits.counts, edits.rule, row["account"], row["marketplace"], row["channel"])
    numbers = int(day_numbers([row["as_of"]])[0]) + np.arange(days)
    return np.concatenate([
        one.count_by_day(numbers, 1, edits.window, edits.lag, False)
        for one in (intervals.counting_intervals, intervals.fault_intervals)
    ])  # fmt: skip


def _is_same(inputs: SimulationInput, one: InputChange, other: InputChange) -> bool:
    """Return whether two changes leave the same known counts, orders and faults to come."""
    come = (inputs.new_orders_by_day > 0) & (inputs.share_counting.max(axis=1, initial=0.0) > 0)
    pairs = (
        (one.counted, other.counted), (one.at_fault, other.at_fault), (one.orders, other.orders),
        (one.faults, other.faults), (one.clean_orders[come], other.clean_orders[come]),
    )  # fmt: skip
    return all(np.array_equal(left, right) for left, right in pairs)


def input_change(edits: ScenarioEdits, inputs: SimulationInput, fault_rate: float) -> InputChange:
    """Return how the edits of a scenario change the input of a simulation in the same window.

    `fault_rate` is the share of new orders that are expected to have a fault.
    """
    row, slots = edits.row, inputs.slots
    counted, at_fault = inputs.counted, inputs.at_fault
    if edits.counts is not edits.counts_before:
        counted, at_fault = _known_counts(edits, counted.size)
    clocks = inputs.first_clock + np.arange(inputs.new_orders_by_day.size)
    is_new = slots.counts_from >= 0
    clean_orders = volume_factors(edits.volume_changes, clocks)
    orders = np.where(is_new, volume_factors(edits.volume_changes, slots.clock), 1.0)
    faults = _share_without_causes(edits, inputs) if edits.fewer else np.ones(slots.clock.size)
    for product in edits.stopped:
        # Of the orders with a fault it has another share than of all, by which the volume has changed.
        days = product.since, product.until
        stays = 1 - np.array([product.share_of_orders, product.share_at_fault])
        of_clean = (stays[0] - fault_rate * stays[1]) / max(1e-9, 1 - fault_rate)
        clean_orders[days_between(clocks, *days)] *= max(0.0, of_clean) / max(1e-9, stays[0])
        orders[is_new & days_between(slots.clock, *days)] *= stays[1] / max(1e-9, stays[0])
        if product.since is None or product.since <= row["as_of"].date():
            faults[~is_new & days_between(slots.clock, *days)] *= stays[1]
    return InputChange(edits.rule, counted, at_fault, clean_orders, orders, faults, edits.rule_changes)


def _share_without_causes(edits: ScenarioEdits, inputs: SimulationInput) -> np.ndarray:
    """Return the share of the faults of each slot that stays when there are fewer of some causes.

    An order with two causes is saved only when both are gone.
    """
    combinations, by_delay = causes_by_delay(edits)
    slots = inputs.slots
    stays = np.ones(slots.clock.size)
    if not combinations:
        return stays
    left: dict[str, np.ndarray] = {}
    for step in edits.fewer:
        inside = days_between(slots.clock, step.since, step.until)
        left[step.cause] = left.get(step.cause, 1.0) * np.where(inside, float(1 - step.by), 1.0)
    for combination, shares in zip(combinations, by_delay, strict=True):
        saved = np.ones(slots.clock.size)
        for cause in combination.split("+"):
            saved = saved * (1 - left[cause]) if cause in left else np.zeros(saved.size)
        stays -= shares[slots.delay] * saved
    return np.clip(stays, 0.0, 1.0)


def causes_by_delay(edits: ScenarioEdits) -> tuple[list[str], np.ndarray]:
    """Return the combinations of causes of past faults, and the share of each among faults with each delay.

    Newer faults weigh more, as do those with about the same delay; whether an order is old enough to show a delay is
    the same for all causes of one delay. [combinations x delays]
    """
    row = edits.row
    faults = select_intervals(
        edits.counts_before, edits.rule, row["account"], row["marketplace"], row["channel"]
    ).faults
    faults = faults[faults["cleared_on"].isna().to_numpy()]
    weights = recent_weights(faults["clock_day"], row["as_of"].date()) * faults["at_fault"].to_numpy()
    combination, names = pd.factorize(faults["causes"])
    delay = np.clip(day_numbers(faults["since"]) - day_numbers(faults["clock_day"]), 0, MAX_FAULT_DELAY)
    size = MAX_FAULT_DELAY + 1
    seen = np.bincount(combination * size + delay, weights, len(names) * size).reshape(len(names), size)
    if not seen.any():
        return [], seen
    days = np.arange(size)
    near = np.exp(-np.abs(days[:, None] - days[None, :]) / CAUSE_DELAY_DAYS)
    of_all = seen.sum(axis=1, keepdims=True) / seen.sum()
    weighed = seen @ near + CAUSE_WEIGHT * of_all
    return [str(name) for name in names], weighed / weighed.sum(axis=0)
