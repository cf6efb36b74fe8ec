"""The analyst's desk: a store, the policies of its marketplaces and its counts, opened together."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit import store
from healthkit.analysis import explain, outlook, reported_scores, scenarios, verdicts
from healthkit.analysis.verdicts import AccountVerdict, Row
from healthkit.ingest import downloads
from healthkit.ingest.downloads import DownloadAdvice
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts, ProgressTracker, count_orders
from healthkit.metrics.evidence import FileCoverage
from healthkit.metrics.policy import Policy, PolicyError, Rule
from healthkit.metrics.policy_files import load_policies, load_policy, marketplaces_with_policy
from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import Ledger
from healthkit.store import Store
from healthkit.workspace import counts_cache
from healthkit.workspace.snapshot import StoreSnapshot, is_snapshot

USER_STORE = Path("data/store")
SAMPLE_STORE = Path("data/sample_store")
MAX_ORDERS_IN_MEMORY = 1_000_000
"""The tables of an account with more orders are not held in memory. [orders]"""
REPORTED_TABLES = (tables.READINGS, tables.VIOLATIONS)
"""The tables that hold the marketplace's own figures."""
_SNAPSHOT_COUNTS: dict[Path, Counts] = {}
"""The counts that go with the excerpt read last: they are the same for every report of a batch."""
_FORECASTERS: WeakKeyDictionary[Counts, dict[date, outlook.Forecaster]] = WeakKeyDictionary()
"""What the futures of an evening share; it goes when its counts go."""
MAX_CACHED_SELECTIONS = 8
"""So many choices of accounts have their counts kept apart."""


def find_store_folder(folder: str | Path | store.Bucket | None = None) -> store.Folder:
    """The store to open: the one named, else the user's own, else the sample's where there is no other.

    Looked for here and in the folders above, for a notebook runs in its own folder.
    """
    if folder is not None:
        return store.parse_folder(folder)
    for home in (Path(), *Path.cwd().parents):
        for place in (home / USER_STORE, home / SAMPLE_STORE):
            if Store(place).exists():
                return place
    return USER_STORE


class Workspace:
    """One store with its policies, ready for questions.

    `folder` is the store's; `policy` is the name (or YAML path) of one policy for every marketplace, instead
    of each marketplace's own. `version` reads the store as it was then (see
    `store.versions`). `track` shows how far counting has come, as tqdm does. Raises StoreError where there is no store,
    PolicyError for an unknown policy.
    """

    def __init__(
        self,
        folder: str | Path | store.Bucket | None = None,
        policy: str | None = None,
        *,
        version: int | None = None,
        track: ProgressTracker = iter,
    ) -> None:
        self._place, self._version = find_store_folder(folder), version
        self.policy_name = policy
        self._one = None if policy is None else load_policy(policy)
        self._track = track
        self._parts: dict[tuple[str, ...], Counts] = {}
        self._counts_found_in: Path | None = None
        self._ledgers: dict[str, Ledger] = {}
        self._figures: dict[tuple[str, ...] | None, Ledger] = {}
        self._files: dict[tuple[str, str], FileCoverage] | None = None

    @cached_property
    def store(self) -> Store | StoreSnapshot:
        """What is asked: a store as it was at the first question, for counts and rows must be of one state. What is
        imported later another desk sees."""
        return (
            StoreSnapshot.opened(self._place)
            if is_snapshot(self._place)
            else Store(self._place, self._version).pin_version()
        )

    @cached_property
    def counts(self) -> Counts:
        """EXPOSURE, FAULTS and COVERAGE of every account, counted or read as kept.

        Raises StoreError where there is no store.
        """
        self.store.must_exist()
        if not isinstance(self.store, StoreSnapshot):
            counts, self._counts_found_in = counts_cache.load_or_count(
                self.store, self._counts_folders, self._rules, self._track
            )
            return counts
        place = self.store.counts
        # Forks inherit what their parent read.
        if place not in _SNAPSHOT_COUNTS:
            found = counts_cache.read_counts(place)
            if found is None:
                raise store.StoreError(f"The counts that go with {self.store.place} are gone. Start the batch again.")
            _SNAPSHOT_COUNTS.clear()
            _SNAPSHOT_COUNTS[place] = found
        return _SNAPSHOT_COUNTS[place]

    @property
    def counts_folder(self) -> Path:
        """The folder of the counts: one for each state of the store, of the rules and of the code that counts."""
        return self._counts_found_in or self._counts_folders[0]

    @cached_property
    def _counts_folders(self) -> list[Path]:
        """Where the counts of the store may stand, the best first."""
        if isinstance(self.store, StoreSnapshot):
            return [self.store.counts]
        return counts_cache.cache_folders(self.store, self._one.files if self._one else ())

    def ensure_counts_saved(self, work_folder: Path, for_other_machines: bool) -> Path:
        """The folder in which other processes find the counts; `work / "counts"`, written now, where there is none.

        `shared` says that other machines must reach it, which may see the folder of the store but no user's cache.
        """
        counts, there = self.counts, self._counts_found_in
        if there is None or (for_other_machines and there != self._counts_folders[0]):
            there = work_folder / "counts"
            counts_cache.write_parquet_files(there, counts)
        return there

    def _rules(self, codes: Iterable[str]) -> list[Rule]:
        """Every rule that some marketplaces ever had."""
        return [rule for policy in set(self._policies(codes).values()) for rule in policy.rules]

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policy of each marketplace in the store."""
        return self._policies(self.counts.coverage["marketplace"].unique())

    def _policies(self, codes: Iterable[str]) -> Mapping[str, Policy]:
        if self._one is not None:
            return dict.fromkeys(codes, self._one)
        judged = marketplaces_with_policy()
        return load_policies(code for code in codes if code in judged)

    @property
    def unjudged(self) -> list[str]:
        """The marketplaces in the store that no policy judges; their orders stand in no score."""
        return [code for code in self.counts.coverage["marketplace"].unique() if code not in self.policies]

    @property
    def accounts(self) -> list[str]:
        """The accounts in the store, in the order of their names."""
        return sorted(self.counts.coverage["account"].unique())

    def ledger(self, account: str) -> Ledger:
        """The raw tables of one account as they are known now; kept for its next question.

        Raises StoreError for an account that the store does not hold.
        """
        if account not in self._ledgers:
            coverage = self.counts.coverage
            held = self.store.ledger([account])
            small = int(coverage.loc[coverage["account"] == account, "orders"].sum()) <= MAX_ORDERS_IN_MEMORY
            self._ledgers.clear()
            self._ledgers[account] = held.in_memory() if small else held
        return self._ledgers[account]

    def score(
        self,
        days: date | Iterable[date],
        accounts: Iterable[str] | None = None,
        *,
        window: int | None = None,
        lag: int | None = None,
        hindsight: bool = False,
        metrics: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """SCORES of all accounts or some, on one day or several (see `scores.score`).

        Raises StoreError for an account that the store does not hold.
        """
        counts = self.counts if accounts is None else self.counts_for_accounts(accounts)
        return scores.score(counts, self.policies, days, window=window, lag=lag, hindsight=hindsight, metrics=metrics)

    def counts_for_accounts(self, accounts: Iterable[str]) -> Counts:
        """The counts of some accounts; those asked for last are kept for their next question.

        Raises StoreError for an account that the store does not hold.
        """
        wanted = tuple(dict.fromkeys(accounts))
        if wanted not in self._parts:
            self.store.check_accounts(wanted, self.accounts)
            while len(self._parts) >= MAX_CACHED_SELECTIONS:
                self._parts.pop(next(iter(self._parts)))
            self._parts[wanted] = self.counts.for_accounts(wanted)
        return self._parts[wanted]

    def measure(
        self,
        account: str,
        metric: str,
        as_of: date,
        *,
        channel: str = "",
        window: int | None = None,
        marketplace: str = "",
    ) -> pd.Series:
        """The row of SCORES of one measure of an account on a day: what the verbs below ask for.

        The window is the longest of the rule's unless one is given. Raises StoreError for an unknown account,
        ScoreError where nothing or more than one thing is meant, naming what there is.
        """
        rows = self.score(as_of, [account])
        asked = {"metric": metric, "marketplace": marketplace, "channel": channel}
        for name, wanted in asked.items():
            there = list(dict.fromkeys(rows[name]))
            if wanted:
                rows = rows[rows[name] == wanted]
            if rows.empty or len(set(rows[name])) > 1:
                what = f"no {name} {wanted!r}" if wanted else f"several of {name}; say which"
                raise scores.ScoreError(f"{account} has {what} on {as_of}. There are: {', '.join(there) or 'none'}.")
        if window is not None and window not in set(rows["window"]):
            held, rows = rows.iloc[0], self.score(as_of, [account], window=window)
            for name in asked:
                rows = rows[rows[name] == held[name]]
        mine = rows if window is None else rows[rows["window"] == window]
        return mine.sort_values("window").iloc[-1]

    def orders_at_fault(self, row: pd.Series, *, hindsight: bool = False, since: date | None = None) -> pd.DataFrame:
        """The orders behind one row of SCORES, or behind all days since one (see `scores.orders_at_fault`)."""
        counts, policy = self.counts_for_accounts([row["account"]]), self.policies[row["marketplace"]]
        return scores.orders_at_fault(counts, row, policy, hindsight=hindsight, since=since)

    def bridge(self, row: pd.Series, before: date) -> explain.Bridge:
        """Why the rate of one row of SCORES moved since an earlier day (see `explain.bridge`)."""
        counts = self.counts_for_accounts([row["account"]])
        return explain.bridge(
            counts, self.policies[row["marketplace"]], row["account"], row["marketplace"], row["metric"], before,
            row["as_of"].date(), channel=row["channel"], window=int(row["window"]),
        )  # fmt: skip

    def reported(self, days: date | Iterable[date], accounts: Iterable[str] | None = None) -> pd.DataFrame:
        """SCORES of the marketplace's own figures, as they stood on each of the days (see `reported.reported`)."""
        key = None if accounts is None else tuple(dict.fromkeys(accounts))
        if key not in self._figures:
            while len(self._figures) >= MAX_CACHED_SELECTIONS:
                self._figures.pop(next(iter(self._figures)))
            self._figures[key] = self.store.ledger(key, REPORTED_TABLES).in_memory()
        return reported_scores.reported_scores(self._figures[key], days, self.policies)

    def shares_used(self, rows: pd.DataFrame) -> np.ndarray:
        """The share of what its target allows that each row of SCORES has used up; not a number where none is asked."""
        used = np.full(len(rows), np.nan)
        targets = {rule.id: rule.target for policy in set(self.policies.values()) for rule in policy.rules}
        counted, at_fault = (rows[name].to_numpy(dtype=float) for name in ("counted", "at_fault"))
        for rule, places in rows.reset_index(drop=True).groupby("rule").indices.items():
            target = targets.get(str(rule))
            if target is not None:
                used[places] = target.shares_used(counted[places], at_fault[places])
        return used

    def files(self) -> dict[tuple[str, str], FileCoverage]:
        """What the files of each account and marketplace tell of."""
        if self._files is None:
            rows = tables.records(self.counts.coverage)
            self._files = {(row["account"], row["marketplace"]): FileCoverage.from_row(row) for row in rows}
        return self._files

    def verdicts(
        self, day: date, accounts: Iterable[str] | None = None, *, at_last_known_day: bool = False
    ) -> list[AccountVerdict]:
        """Where each account stands in each of its marketplaces on a day, by the worst known figure (see `verdicts`).

        With `as_known` an account whose files end earlier is judged as of the last day that they tell of. Raises
        StoreError for an account that the store does not hold, PolicyError for a day before a policy begins.
        """
        chosen = None if accounts is None else list(dict.fromkeys(accounts))
        figures = self.figures(day, chosen)
        days = {
            pair: self.last_day_known(pair, day, figures) if at_last_known_day else day for pair in self._pairs(chosen)
        }
        ours: dict[tuple[str, str], list[Row]] = {}
        for on in sorted(set(days.values())):
            names = dict.fromkeys(pair[0] for pair, last_known in days.items() if last_known == on)
            rows = self.score(on, None if len(names) == len(self.accounts) else names)
            for row in tables.records(rows):
                pair = row["account"], row["marketplace"]
                if days.get(pair) == on:
                    ours.setdefault(pair, []).append(row)
        return [self._verdict(pair, on, ours.get(pair, []), figures.get(pair, [])) for pair, on in days.items()]

    def _verdict(self, pair: tuple[str, str], as_of: date, ours: list[Row], theirs: list[Row]) -> AccountVerdict:
        """The verdict on one account in one marketplace, of its figures on a day."""
        policy = self.policies[pair[1]]
        evidence = verdicts.ReasonFinder(self.counts_for_accounts([pair[0]]), self.files()[pair], pair, policy)
        return verdicts.judge_account(policy.rules_in_force(as_of), ours, theirs, as_of, pair, evidence.find)

    def advice(self, verdict: AccountVerdict) -> list[DownloadAdvice]:
        """The files to get for the enforced measures of an account, those that cannot be judged first."""
        return downloads.recommend_downloads(verdict.missing_evidence(), verdict.marketplace)

    def figures(self, day: date, accounts: Iterable[str] | None = None) -> dict[tuple[str, str], list[Row]]:
        """The marketplace's own newest figures by a day, as rows of SCORES with the day of their report."""
        made: dict[tuple[str, str], list[Row]] = {}
        for row in verdicts.add_report_days(tables.records(self.reported(day, accounts))):
            made.setdefault((row["account"], row["marketplace"]), []).append(row)
        return made

    def last_day_known(
        self, pair: tuple[str, str], day: date, figures: Mapping[tuple[str, str], list[Row]] | None = None
    ) -> date:
        """The last day up to `day` of which the files of an account in a marketplace tell anything."""
        given = self.figures(day, [pair[0]]) if figures is None else figures
        return verdicts.last_day_known(self.files()[pair], given.get(pair, []), day)

    def _pairs(self, accounts: Collection[str] | None) -> list[tuple[str, str]]:
        """The accounts and marketplaces that a policy judges, all or some accounts."""
        return [
            pair for pair in sorted(self.files())
            if pair[1] in self.policies and (accounts is None or pair[0] in accounts)
        ]  # fmt: skip

    def reconcile(self, account: str, day: date, marketplace: str | None = None) -> list[explain.Reconciliation]:
        """Our counts beside the marketplace's own newest ones (see `explain.reconcile`).

        `marketplace` is needed only where the account sells in several. Raises StoreError for an unknown account,
        ExplainError where the store holds no such figure.
        """
        ledger = self.ledger(account)
        held = self.counts.coverage[self.counts.coverage["account"] == account].set_index("marketplace")["evidence"]
        codes = [marketplace] if marketplace else [code for code in held.index if code in self.policies]
        told = {code: str(held.get(code, "")).split("+") for code in codes}
        return [
            one
            for code in codes
            for one in explain.reconcile(
                ledger, self.policies[code], account, code, day, told[code], self.counts_for_accounts([account])
            )
        ]

    def drivers(self, row: pd.Series) -> pd.DataFrame:
        """Which groups of orders carry the excess in one row of SCORES (see `explain.drivers`)."""
        ledger = self.ledger(row["account"])
        return explain.drivers(
            ledger, self.rule(row), row["account"], row["marketplace"], row["channel"], row["as_of"].date(),
            window=int(row["window"]),
        )  # fmt: skip

    def rule(self, row: pd.Series) -> Rule:
        """The rule that judged one row of SCORES."""
        return next(rule for rule in self.policies[row["marketplace"]].rules if rule.id == row["rule"])

    def standing(self, row: pd.Series, days: int = 400) -> explain.Streak:
        """For how long the measure of one row of SCORES has been off target (see `explain.standing`)."""
        policy, as_of = self.policies[row["marketplace"]], row["as_of"].date()
        begins = policy.complete_from
        history = [as_of - timedelta(days=back) for back in reversed(range(days))]
        rows = self.score([day for day in history if day >= begins], [row["account"]])
        mine = rows[
            (rows["marketplace"] == row["marketplace"]) & (rows["metric"] == row["metric"])
            & (rows["channel"] == row["channel"]) & (rows["window"] == row["window"])
        ]  # fmt: skip
        return explain.find_streak(mine, self.rule(row))

    def calendar(
        self, row: pd.Series, *, days_ahead: int | None = None, new_orders: bool = True
    ) -> outlook.RollOffCalendar:
        """The roll-off calendar of one row of SCORES, as known on its day (see `outlook.calendar`)."""
        counts = self.counts_for_accounts([row["account"]])
        return outlook.roll_off_calendar(
            counts, self.policies[row["marketplace"]], row, days_ahead=days_ahead, new_orders=new_orders
        )

    def futures(
        self, row: pd.Series, *, days_ahead: int = 90, draws: int = outlook.DRAWS, seed: int = 0
    ) -> outlook.Simulation:
        """Simulated futures of one row of SCORES, as could be made on its day (see `outlook.futures`)."""
        policy = self.policies[row["marketplace"]]
        alone = self.counts_for_accounts([row["account"]])
        held = self._forecaster(row["as_of"].date())
        return held.futures(policy, row, days_ahead=days_ahead, draws=draws, seed=seed, account_counts=alone)

    def prepare_forecasts(self, as_of: date) -> None:
        """Learn beforehand what the futures of all accounts share on an evening; who asks for one is then answered at
        once, and so is every process that is forked from this one."""
        with contextlib.suppress(PolicyError):
            self._forecaster(as_of).learn(self.policies)

    def _forecaster(self, as_of: date) -> outlook.Forecaster:
        """What the futures of an evening share, of the last evening asked for."""
        kept = _FORECASTERS.setdefault(self.counts, {})
        if as_of not in kept:
            kept.clear()
            kept[as_of] = outlook.Forecaster(self.counts, as_of)
        return kept[as_of]

    def what_if(
        self, row: pd.Series, scenario: Any, *, days_ahead: int | None = None, new_orders: bool = True
    ) -> scenarios.ScenarioResult:
        """Play a scenario on one row of SCORES (see `whatif.play`).

        `told` is the path of a YAML file, or what it would hold (see `whatif.scenario`).
        """
        steps = (
            scenarios.read_scenario(Path(scenario))
            if isinstance(scenario, str | Path)
            else scenarios.parse_scenario(scenario)
        )

        def without(sku: str, since: date | None) -> tuple[Counts, float]:
            return self._without(row, sku, since)

        return scenarios.run_scenario(
            self.counts_for_accounts([row["account"]]), self.policies[row["marketplace"]], row, steps,
            exclude_product=without, days_ahead=days_ahead, new_orders=new_orders,
        )  # fmt: skip

    def _without(self, row: pd.Series, sku: str, since: date | None) -> tuple[Counts, float]:
        """The counts of an account without the orders of one product alone from a day on, and their share of all.

        Raises KeyError, naming those there are, for an SKU that no order holds.
        """
        ledger = self.ledger(row["account"])
        items = tables.collect_to_pandas(ledger.items.filter(nw.col("marketplace") == row["marketplace"]))
        kinds = items.groupby("order_id")["sku"].agg(["nunique", "first"])
        orders = kinds.index[(kinds["nunique"] == 1) & (kinds["first"] == sku)]
        if not len(orders):
            known = ", ".join(sorted(items["sku"].unique())[:8])
            raise KeyError(f"no order of {row['account']} is for {sku!r} alone. There are: {known}.")
        gone = nw.col("order_id").is_in(list(orders))
        if since is not None:
            gone = gone & (nw.col("ordered_on") >= nw.lit(since))
        stay = ledger.orders.filter(~gone.fill_null(False))
        edited = dataclasses.replace(ledger, orders=stay)
        return count_orders(edited, [self.rule(row)]), len(orders) / max(1, len(kinds))

    def goals(self, row: pd.Series, by: date, *, new_orders: bool = True) -> list[scenarios.Goal]:
        """What it would take to be on target by a day (see `whatif.goals`)."""
        ahead = max(0, (by - row["as_of"].date()).days)
        return scenarios.goals(self.calendar(row, days_ahead=ahead, new_orders=new_orders), by)

    def due(self, as_of: date, accounts: Iterable[str] | None = None, days_ahead: int = 2) -> pd.DataFrame:
        """DUE: orders that wait to be confirmed and are due within some days, or overdue (see `outlook.due`)."""
        return outlook.find_due_orders(self.store.ledger(accounts), as_of, self._zones(), days_ahead)

    def waiting_without_ship_by(self, as_of: date, accounts: Iterable[str] | None = None) -> dict[str, int]:
        """How many orders of each account wait, of which no file says by when they must ship."""
        return outlook.count_waiting_without_ship_by(self.store.ledger(accounts), as_of, self._zones())

    def _zones(self) -> dict[str, str]:
        return {code: MARKETPLACES[code].zone for code in self.counts.coverage["marketplace"].unique()}
