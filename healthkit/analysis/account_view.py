"""One account in one marketplace: its counts, policy, tables and file coverage, and the questions they answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from healthkit.analysis import reported_scores, simulation, verdicts
from healthkit.analysis.bridge import Bridge, bridge
from healthkit.analysis.drivers import drivers
from healthkit.analysis.event_effects import MeasureOrders, effects_table, find_effects
from healthkit.analysis.goals import Goal, goals
from healthkit.analysis.order_details import add_details
from healthkit.analysis.reconcile import Reconciliation, reconcile
from healthkit.analysis.rolloff import (
    OutlookError,
    RollOffCalendar,
    counts_known_on,
    counts_of_measure,
    roll_off_calendar,
)
from healthkit.analysis.scenario_futures import (
    ScenarioForecast,
    StrongestSteps,
    candidate_steps,
    forecast_scenarios,
    pick_strongest,
)
from healthkit.analysis.simulation import Simulation
from healthkit.analysis.streaks import Streak, find_streak
from healthkit.analysis.todo import FAILING_STATUSES, Todo, find_todo, tables_of_waiting
from healthkit.analysis.verdicts import AccountVerdict, Row
from healthkit.analysis.what_if import (
    ScenarioEdits,
    ScenarioResult,
    ScenarioStep,
    edit_measure,
    parse_scenario,
    parse_step_texts,
    read_scenario,
    run_scenario,
)
from healthkit.metrics import scores
from healthkit.metrics.action_files import load_actions
from healthkit.metrics.counts import Counts
from healthkit.metrics.evidence import FileCoverage
from healthkit.metrics.policy import Policy, Rule
from healthkit.metrics.scores import select_intervals
from healthkit.schema import tables
from healthkit.schema.days import Day, Days, to_day
from healthkit.schema.events_file import Event
from healthkit.schema.tables import Ledger, Table

MAX_ORDERS_IN_MEMORY = 1_000_000
"""Accounts with more orders are not loaded into memory; each question reads their tables again. [orders]"""


class TableSource(Protocol):
    """The interface of a store or a snapshot: it returns the tables of given accounts."""

    def ledger(self, accounts: Iterable[str] | None = None, only: Collection[Table] = ...) -> Ledger:
        """Return the raw tables with the rows of the given accounts, by default of all accounts.

        Tables that are not in `only` are empty.
        """


@dataclass(frozen=True, eq=False)
class AccountView:
    """One account in one marketplace: its data, its policy, and the analyses of it as methods.

    It is made by `Workspace.account`.

    `counts` are the account's own; `all_counts` those of every account in the store, to which forecasts of a small
    account are drawn. `coverage` says over which days the imported files reach. A `row` in the methods is one row of
    SCORES of this account: see `measure`.
    """

    account: str
    marketplace: str
    counts: Counts
    all_counts: Counts
    policy: Policy
    coverage: FileCoverage
    source: TableSource
    read_events: Callable[[], Iterable[Event]] = tuple

    @cached_property
    def ledger(self) -> Ledger:
        """The raw tables of the account for all its marketplaces, from all files in the opened store."""
        ledger = self.source.ledger([self.account])
        return ledger.in_memory() if self.counts.coverage["orders"].sum() <= MAX_ORDERS_IN_MEMORY else ledger

    def ledger_with(self, needed: Collection[Table]) -> Ledger:
        """Return a ledger of the account that has at least these tables; others may be empty.

        Rows are as the files state them: columns filled from other tables (`restored_on`, `removed_on`) may be empty.
        """
        if "ledger" in self.__dict__:
            return self.ledger
        return self.source.ledger([self.account], needed)

    @cached_property
    def _reported_history(self) -> list[list[dict[str, Any]]]:
        """The figures that the marketplace reported here; they are few, and several days are asked for."""
        ledger = self.source.ledger([self.account], tables.REPORTED_TABLES).in_memory()
        history = reported_scores.read_history(ledger, {self.marketplace: self.policy})
        return [rows for rows in history if rows[0]["marketplace"] == self.marketplace]

    def score(
        self,
        days: Days,
        *,
        window: int | Iterable[int] | None = None,
        lag: int | None = None,
        hindsight: bool = False,
        metrics: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Return the table SCORES of the account on the given days (see `scores.score`)."""
        policies = {self.marketplace: self.policy}
        return scores.score(self.counts, policies, days, window=window, lag=lag, hindsight=hindsight, metrics=metrics)

    def measure(self, metric: str, as_of: Day, *, channel: str = "", window: int | None = None) -> pd.Series:
        """Return the row of SCORES for one metric on a day; the methods below take it as `row`.

        The window is the longest of the rule's unless one is given. Raises ScoreError where no measure or more than
        one matches, naming those there are.
        """
        rows = self.score(as_of)
        for name, wanted in (("metric", metric), ("channel", channel)):
            available = list(dict.fromkeys(rows[name]))
            if wanted:
                rows = rows[rows[name] == wanted]
            if rows.empty or len(set(rows[name])) > 1:
                what = f"no {name} {wanted!r}" if wanted else f"several of {name}; say which"
                raise scores.ScoreError(
                    f"{self.account} has {what} on {as_of}. There are: {', '.join(available) or 'none'}."
                )
        if window is not None:
            if window not in set(rows["window"]):
                row = rows.iloc[0]
                rows = self.score(as_of, window=window, metrics=[row["metric"]])
                rows = rows[rows["channel"] == row["channel"]]
            rows = rows[rows["window"] == window]
        return rows.sort_values("window").iloc[-1]

    def rule(self, row: pd.Series) -> Rule:
        """Return the rule that judged a row of SCORES."""
        return next(rule for rule in self.policy.rules if rule.id == row["rule"])

    def orders_at_fault(
        self, row: pd.Series, *, hindsight: bool = False, since: Day | None = None, details: bool = True
    ) -> pd.DataFrame:
        """Return the orders at fault on the day of a row, or on any day from `since` until then.

        One row an order: see `scores.orders_at_fault`. With `details`, also sku?, product?, carrier?, country? and
        state? (where it was sent), as far as the files contain them: see `order_details.add_details`.
        """
        orders = scores.orders_at_fault(self.counts, row, self.policy, hindsight=hindsight, since=since)
        return self.add_order_details(orders) if details else orders

    def add_order_details(self, orders: pd.DataFrame) -> pd.DataFrame:
        """Return a table of orders of the account with product, carrier and place (see `order_details.add_details`)."""
        return add_details(orders, self.ledger, self.account, self.marketplace)

    def reported(self, days: Days) -> pd.DataFrame:
        """Return SCORES of the figures that the marketplace reported, as known on each of the given days.

        See `reported_scores`.
        """
        return reported_scores.scores_on_days(self._reported_history, days)

    def _reported_rows(self, day: Day) -> list[Row]:
        return verdicts.add_report_days(tables.records(self.reported(day)))

    def last_day_known(self, day: Day) -> date:
        """Return the last day, at most `day`, that the files or the marketplace's reports cover."""
        return verdicts.last_day_known(self.coverage, self._reported_rows(day), to_day(day))

    def verdict(
        self, as_of: Day, our_rows: Sequence[Row] | None = None, reported_rows: Sequence[Row] | None = None
    ) -> AccountVerdict:
        """Return the verdict on the account and on each of its measures on a day (see `verdicts`).

        It rests on the worst known figure. `our_rows` and `reported_rows` are rows of SCORES of that day, ours and the
        marketplace's; they are computed if not given. Raises PolicyError for a day before the policy begins.
        """
        as_of = to_day(as_of)
        ours = tables.records(self.score(as_of)) if our_rows is None else our_rows
        theirs = self._reported_rows(as_of) if reported_rows is None else reported_rows
        key = self.account, self.marketplace
        return verdicts.judge_from_files(self.policy, ours, theirs, as_of, key, self.counts, self.coverage)

    def reconcile(self, day: Day) -> list[Reconciliation]:
        """Compare our counts with the newest counts that the marketplace had reported by a day.

        See `reconcile.reconcile`. Raises ExplainError where the store holds no such figure.
        """
        return reconcile(
            self.ledger, self.policy, self.account, self.marketplace, to_day(day), self.coverage.evidence, self.counts
        )

    def bridge(self, row: pd.Series, before: Day) -> Bridge:
        """Explain why the rate in a row of SCORES changed since an earlier day (see `bridge.bridge`)."""
        return bridge(
            self.counts, self.policy, self.account, self.marketplace, row["metric"],
            to_day(before), row["as_of"].date(), channel=row["channel"], window=int(row["window"]),
        )  # fmt: skip

    def drivers(self, row: pd.Series) -> pd.DataFrame:
        """Return the table DRIVERS for a row of SCORES: groups of orders, and how many more faults each has."""
        return drivers(
            self.ledger, self.rule(row), self.account, self.marketplace, row["channel"], row["as_of"].date(),
            window=int(row["window"]),
        )  # fmt: skip

    def streak(self, row: pd.Series, days: int = 400) -> Streak:
        """Return the streak of a row of SCORES: for how many days in a row the measure has been off target.

        At most `days` days are looked at.
        """
        as_of, first_day = row["as_of"].date(), self.policy.complete_from
        history = [as_of - timedelta(days=back) for back in reversed(range(days))]
        rows = self.score([day for day in history if day >= first_day], metrics=[row["metric"]])
        rows = rows[(rows["channel"] == row["channel"]) & (rows["window"] == row["window"])]
        return find_streak(rows, self.rule(row))

    @property
    def events(self) -> list[Event]:
        """What the seller changed in this marketplace, by day: the rows of `events.csv` (see `schema.events_file`).

        Raises EventsFileError for a file that is invalid.
        """
        return [event for event in self.read_events() if event.is_of(self.account, self.marketplace)]

    def event_effects(self, as_of: Day) -> pd.DataFrame:
        """Return whether each event of the account helped, one row for each event and measure, newest event first.

        Every measure that is a rate with a target is compared, in its longest window. Columns: account, marketplace,
        day and notes (of the event), metric, channel, window [days], side, target, verdict (one of
        `event_effects.VERDICTS`), known_within [days], share_known, low and high (95 % interval of the share at fault
        after the event), chance, corrected_chance, comparisons, and for both groups, with the prefixes `before_` and
        `after_`, first_day, last_day, counted and at_fault. The module `event_effects` says how they are compared.
        Raises EventsFileError for an invalid `events.csv`, PolicyError for a day before the policy begins.
        """
        as_of, events = to_day(as_of), self.events
        compared = list(self._measures_with_orders(as_of)) if events else []
        return effects_table(find_effects(compared, events, as_of))

    def _measures_with_orders(self, as_of: date) -> Iterator[MeasureOrders]:
        """Yield the orders of each measure that is a rate with a target, in its longest window."""
        rows = self.score(as_of)
        rows = rows[rows["target"].notna() & rows["rate"].notna()].sort_values("window", kind="stable")
        rows = rows.drop_duplicates(["metric", "channel"], keep="last").sort_index()
        known, forecaster = counts_known_on(self.counts, as_of), simulation.forecaster(self.all_counts, as_of)
        for _, row in rows.iterrows():
            rule = self.rule(row)
            if not rule.part_of:
                yield MeasureOrders(
                    self.account, self.marketplace, rule.metric, row["channel"], int(row["window"]),
                    row["side"], float(row["target"]),
                    select_intervals(known, rule, self.account, self.marketplace, row["channel"]),
                    *forecaster.shared_rates(rule, self.marketplace, row["channel"]),
                    *self.coverage.days_covered(rule, as_of),
                )  # fmt: skip

    def calendar(self, row: pd.Series, *, days_ahead: int | None = None, new_orders: bool = True) -> RollOffCalendar:
        """Return the roll-off calendar of a row of SCORES, as known on the day of the row.

        See `rolloff.roll_off_calendar`.
        """
        return roll_off_calendar(self.counts, self.policy, row, days_ahead=days_ahead, new_orders=new_orders)

    def simulate(
        self,
        row: pd.Series,
        *,
        days_ahead: int = 90,
        draws: int = simulation.DRAWS,
        seed: int = 0,
        bands: bool = True,
    ) -> Simulation:
        """Simulate futures of a row of SCORES from what was known on the day of the row.

        See `simulation.simulate_futures`; without `bands`, it is faster and lacks those of the rates.
        """
        forecaster = simulation.forecaster(self.all_counts, row["as_of"].date())
        return forecaster.simulate(
            self.policy, row, days_ahead=days_ahead, draws=draws, seed=seed, account_counts=self.counts, bands=bands
        )

    def what_if(
        self,
        row: pd.Series,
        scenario: Any,
        *,
        days_ahead: int | None = None,
        new_orders: bool = True,
        calendar: RollOffCalendar | None = None,
    ) -> ScenarioResult:
        """Compute a row of SCORES again under a scenario (see `what_if.run_scenario`).

        `scenario` is as `parse_steps` takes it.
        """
        steps = self.parse_steps(scenario)
        return run_scenario(
            self.counts, self.policy, row, steps, ledger=self._ledger_for(steps), days_ahead=days_ahead,
            new_orders=new_orders, calendar=calendar,
        )  # fmt: skip

    def simulate_scenario(
        self, row: pd.Series, scenario: Any, *, days_ahead: int = 90, draws: int = simulation.DRAWS, seed: int = 0
    ) -> Simulation:
        """Simulate futures of a row of SCORES under a scenario, from the same draws as `simulate` without it.

        `scenario` is as `parse_steps` takes it; an empty list of steps gives the futures of `simulate`.
        """
        return self.forecast_scenarios(row, [scenario], days_ahead=days_ahead, draws=draws, seed=seed)[0].simulation

    def forecast_scenarios(
        self,
        row: pd.Series,
        scenarios: Sequence[Any],
        *,
        days_ahead: int = 90,
        draws: int = simulation.DRAWS,
        seed: int = 0,
        bands: bool = True,
        calendar: RollOffCalendar | None = None,
    ) -> list[ScenarioForecast]:
        """Simulate a row of SCORES as it goes on and under each of some scenarios.

        See `scenario_futures.forecast_scenarios`; a scenario is as `parse_steps` takes it, or what its steps change
        (`ScenarioResult.edits`). `calendar` is the roll-off calendar of the row, if at hand. Raises ScenarioError for a
        step that cannot be applied.
        """
        as_of = row["as_of"].date()
        calendar = calendar or self.calendar(row)
        known = counts_of_measure(self.counts, calendar)
        edited = []
        for one in scenarios:
            if not isinstance(one, ScenarioEdits):
                steps = self.parse_steps(one)
                one = edit_measure(known, row, steps, calendar, self._ledger_for(steps))
            edited.append(one)
        return forecast_scenarios(
            simulation.forecaster(self.all_counts, as_of), self.policy, row, edited, calendar, self.counts,
            days_ahead=days_ahead, draws=draws, seed=seed, bands=bands,
        )  # fmt: skip

    def _ledger_for(self, steps: Iterable[ScenarioStep]) -> Ledger | None:
        """Return the tables of the account if steps count its orders again, else None."""
        return self.ledger if any(step.kind == "stop_selling" for step in steps) else None

    def strongest_steps(
        self,
        row: pd.Series,
        calendar: RollOffCalendar,
        requests: Sequence[ScenarioStep] = (),
        *,
        only_requests: bool = False,
        draws: int = simulation.DRAWS,
        seed: int = 0,
    ) -> StrongestSteps:
        """Return the simulated futures of a row of SCORES, and the steps from the next day on that help most.

        Tried are `scenario_futures.candidate_steps` (unless `only_requests`), and `requests` that are granted (see
        `Todo.steps_if_granted`). `calendar` is the roll-off calendar of the row.
        """
        known = edit_measure(counts_of_measure(self.counts, calendar), row, [], calendar)
        steps = [*([] if only_requests else candidate_steps(known, calendar, self.ledger)), *requests]
        if not steps:
            return StrongestSteps(self.simulate(row, draws=draws, seed=seed, bands=False), [], {})
        forecasts = self.forecast_scenarios(
            row, [[step] for step in steps], draws=draws, seed=seed, bands=False, calendar=calendar
        )
        simulations = [one.simulation for one in forecasts[len(steps) - len(requests) :]]
        granted = {step.orders: one for step, one in zip(requests, simulations, strict=True)}
        return StrongestSteps(forecasts[0].plain, pick_strongest(steps, forecasts), granted)

    @staticmethod
    def parse_steps(scenario: Any) -> list[ScenarioStep]:
        """Return the steps of a scenario.

        `scenario` is the path of a YAML file, the list of steps that it would hold, a list with a line of YAML for each
        step, or a list of parsed steps. Raises ScenarioError, naming the step, for one that cannot be.
        """
        if isinstance(scenario, str | Path):
            return read_scenario(Path(scenario))
        steps = list(scenario) if isinstance(scenario, Sequence) else scenario
        if isinstance(steps, list) and all(isinstance(step, ScenarioStep) for step in steps):
            return steps
        if isinstance(steps, list) and all(isinstance(step, str) for step in steps):
            return parse_step_texts(steps)
        return parse_scenario(steps)

    def goals(self, row: pd.Series, by: Day, *, new_orders: bool = True) -> list[Goal]:
        """Return the smallest change of each kind with which the target is met on a day (see `goals.goals`)."""
        by = to_day(by)
        days_ahead = max(0, (by - row["as_of"].date()).days)
        return goals(self.calendar(row, days_ahead=days_ahead, new_orders=new_orders), by)

    def todo(
        self,
        as_of: Day,
        *,
        verdict: AccountVerdict | None = None,
        scored: pd.DataFrame | None = None,
        calendars: Mapping[tuple[str, str, int], RollOffCalendar] | None = None,
    ) -> Todo:
        """Return what to do in the account on a day, in order: actions, orders, last days, and what each brings.

        See `todo.find_todo`. `verdict`, `scored` (SCORES) and `calendars` of that day are computed if not given, also
        single calendars: each measure that is off target or at risk by any known figure has one.
        """
        verdict = self.verdict(as_of) if verdict is None else verdict
        scored = self.score(verdict.as_of) if scored is None else scored
        calendars = dict(calendars or {})
        failing = {(one.metric, one.channel, one.window) for one in verdict.measures if one.status in FAILING_STATUSES}
        for _, row in scored[scored["rate"].notna()].iterrows():
            key = row["metric"], row["channel"], int(row["window"])
            if key in failing and key not in calendars:
                with suppress(OutlookError):
                    calendars[key] = self.calendar(row)
        catalogue = load_actions(self.marketplace)
        ledger, ends_on = self.ledger_with(tables_of_waiting(catalogue)), self.coverage.heard_on
        return find_todo(verdict, self.counts, self.policy, scored, calendars, ledger, catalogue, ends_on)
