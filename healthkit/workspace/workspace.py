"""Open a store together with the policies of its marketplaces and its counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from healthkit import analysis, store
from healthkit.analysis.verdicts import AccountVerdict, Row
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts, ProgressTracker
from healthkit.metrics.evidence import FileCoverage
from healthkit.metrics.policy import Policy, PolicyError, Rule, worst_first_key
from healthkit.metrics.policy_files import NO_RULES_HINT, load_policies, load_policy, marketplaces_with_policy
from healthkit.schema import tables
from healthkit.schema.days import Day, Days, to_day, to_names
from healthkit.schema.events_file import Event, find_events_file, read_events
from healthkit.schema.rates_file import Rates, find_rates_file, read_rates
from healthkit.schema.tables import Ledger
from healthkit.store import Store
from healthkit.workspace import counts_cache
from healthkit.workspace.snapshot import StoreSnapshot, is_snapshot

if TYPE_CHECKING:  # Loaded by the first question that needs them: most commands ask one.
    from healthkit.analysis.account_view import AccountView
    from healthkit.analysis.ranking import AccountHarm, Ranking

USER_STORE = Path("data/store")
SAMPLE_STORE = Path("data/sample_store")
MAX_OPEN_ACCOUNTS = 2
"""Maximum number of account views kept open; each may hold the tables of its account in memory."""
MAX_CACHED_SELECTIONS = 8
"""Maximum number of selections of accounts whose counts, or whose reported figures, are cached."""


class UnjudgedStore(NamedTuple):
    """Orders of one account in a marketplace that no policy has rules for."""

    account: str
    marketplace: str
    orders: int


class AccountMarketplaceError(ValueError):
    """Raised if a marketplace must be chosen for an account, or the account does not sell in the given one.

    The message lists the marketplaces of the account.
    """


def find_store_folder(folder: str | Path | store.Bucket | None = None) -> store.Folder:
    """Return the folder of the store to open: the given one, else the user's store, else the sample store.

    The working folder and its parents are searched, because a notebook runs in its own folder.
    """
    if folder is not None:
        return store.parse_folder(folder)
    for home in (Path(), *Path.cwd().parents):
        for place in (home / USER_STORE, home / SAMPLE_STORE):
            if Store(place).exists():
                return place
    return USER_STORE


@lru_cache(maxsize=1)
def _read_snapshot_counts(folder: Path, snapshot: Path) -> Counts:
    """Read the counts of a snapshot; cached, because the forked workers of a batch inherit what their parent read."""
    counts = counts_cache.read_counts(folder)
    if counts is None:
        raise store.StoreError(f"The counts that go with {snapshot} are gone. Start the batch again.")
    return counts


class Workspace:
    """A store, the policies of its marketplaces and its counts, opened together.

    `folder` is the folder of the store; `policy` the name (or YAML path) of one policy for every marketplace, instead
    of each marketplace's own. `version` reads the store as of an older version (see `store.versions`). `track` shows
    the progress of counting, as tqdm does. Raises StoreError where there is no store, PolicyError for an unknown
    policy.
    """

    def __init__(
        self,
        folder: str | Path | store.Bucket | None = None,
        policy: str | None = None,
        *,
        version: int | None = None,
        track: ProgressTracker = iter,
    ) -> None:
        self._folder, self._version = find_store_folder(folder), version
        self.policy_name = policy
        self._single_policy = None if policy is None else load_policy(policy)
        self._track = track
        self._counts_found_in: Path | None = None
        self._harms: dict[tuple[str, str, date], AccountHarm] = {}
        self._views = lru_cache(MAX_OPEN_ACCOUNTS)(self._open_view)
        self._counts_of = lru_cache(MAX_CACHED_SELECTIONS)(self._select_counts)
        self._reported_ledger = lru_cache(MAX_CACHED_SELECTIONS)(self._load_reported)
        self._last_days_known = lru_cache(MAX_CACHED_SELECTIONS)(self._find_last_days_known)

    @cached_property
    def store(self) -> Store | StoreSnapshot:
        """The opened store or snapshot; a store is pinned to its version at first use.

        So counts and rows agree. A later import is seen by a new Workspace.
        """
        return (
            StoreSnapshot.open(self._folder)
            if is_snapshot(self._folder)
            else Store(self._folder, self._version).pin_version()
        )

    @cached_property
    def counts(self) -> Counts:
        """EXPOSURE, FAULTS and COVERAGE of every account, read from the cache or counted now.

        Raises StoreError where there is no store.
        """
        self.store.must_exist()
        if not isinstance(self.store, StoreSnapshot):
            counts, self._counts_found_in = counts_cache.load_or_count(
                self.store, self._counts_folders, self._rules, self._track
            )
            return counts
        return _read_snapshot_counts(self.store.counts_folder, self.store.snapshot_folder)

    @property
    def counts_folder(self) -> Path:
        """The folder of the cached counts.

        There is one for each version of the store, of the rules and of the counting code.
        """
        return self._counts_found_in or self._counts_folders[0]

    @cached_property
    def _counts_folders(self) -> list[Path]:
        """The folders where counts may be cached, the preferred one first."""
        if isinstance(self.store, StoreSnapshot):
            return [self.store.counts_folder]
        return counts_cache.cache_folders(self.store, self._single_policy.files if self._single_policy else ())

    def ensure_counts_saved(self, work_folder: Path, for_other_machines: bool) -> Path:
        """Return a folder from which other processes can read the counts.

        They are written to `work_folder/counts` if there is no such folder yet.

        `for_other_machines` says that other machines must reach it: they see the folder of the store but no user cache.
        """
        counts, there = self.counts, self._counts_found_in
        if there is None or (for_other_machines and there != self._counts_folders[0]):
            there = work_folder / "counts"
            counts_cache.write_parquet_files(there, counts)
        return there

    def _rules(self, codes: Iterable[str]) -> list[Rule]:
        """Return every rule, of any date, of some marketplaces."""
        return [rule for policy in set(self._policies(codes).values()) for rule in policy.rules]

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policy of each marketplace in the store, by code; marketplaces without a policy are left out."""
        return self._policies(self.counts.coverage["marketplace"].unique())

    def _policies(self, codes: Iterable[str]) -> Mapping[str, Policy]:
        if self._single_policy is not None:
            return dict.fromkeys(codes, self._single_policy)
        judged = marketplaces_with_policy()
        return load_policies(code for code in codes if code in judged)

    @property
    def unjudged_marketplaces(self) -> list[str]:
        """The codes of the marketplaces in the store that have no policy.

        Their orders are in no scores.
        """
        return [code for code in self.counts.coverage["marketplace"].unique() if code not in self.policies]

    def unjudged_stores(self, accounts: str | Iterable[str] | None = None) -> list[UnjudgedStore]:
        """Return the orders of some accounts, by default of all, that no policy judges, by account and marketplace."""
        wanted = to_names(accounts)
        return [
            UnjudgedStore(account, code, files.orders)
            for (account, code), files in sorted(self._coverage.items())
            if code not in self.policies and (wanted is None or account in wanted) and files.orders
        ]

    @cached_property
    def accounts(self) -> list[str]:
        """The names of the accounts in the store, sorted."""
        return sorted(self.counts.coverage["account"].unique())

    def account(self, name: str, marketplace: str | None = None) -> AccountView:
        """Open a view of one account in one marketplace; its methods are the analyses of that account.

        `marketplace` is needed only where the account sells in several. Raises StoreError for an account that the store
        does not hold, PolicyError where no policy judges it, AccountMarketplaceError where the marketplace is missing
        or not one of its own.
        """
        codes = self._judged_marketplaces(name)
        if marketplace in codes or (marketplace is None and len(codes) == 1):
            return self._views(name, marketplace or codes[0])
        if marketplace in self._marketplaces_by_account[name]:
            raise self._no_rules_error(name, [marketplace])
        problem = "sells in several marketplaces" if marketplace is None else f"has no orders in {marketplace!r}"
        raise AccountMarketplaceError(f"{name} {problem}. There are: {', '.join(codes)}.")

    def account_views(self, name: str) -> list[AccountView]:
        """Open a view of one account for each of its marketplaces that has a policy."""
        return [self._views(name, code) for code in self._judged_marketplaces(name)]

    @cached_property
    def _marketplaces_by_account(self) -> dict[str, list[str]]:
        """The marketplaces of each account, sorted."""
        found: dict[str, list[str]] = {}
        for account, code in sorted(self._coverage):
            found.setdefault(account, []).append(code)
        return found

    def _judged_marketplaces(self, account: str) -> list[str]:
        codes = self._marketplaces_by_account.get(account)
        if codes is None:
            self.store.check_accounts([account], self.accounts)
            codes = []
        judged = [code for code in codes if code in self.policies]
        if not judged:
            raise self._no_rules_error(account, codes)
        return judged

    def _no_rules_error(self, account: str, codes: Iterable[str | None]) -> PolicyError:
        """Return the error for an account in marketplaces that no policy judges, with the number of its orders."""
        orders = [f"{code} ({self._coverage[account, str(code)].orders:,} orders)" for code in codes]
        return PolicyError(f"No policy judges {' or '.join(orders)}, where {account} sells. {NO_RULES_HINT}")

    @property
    def events_file(self) -> Path:
        """The path of the file `events.csv` that holds what accounts changed, which need not exist."""
        return find_events_file(self.store.folder)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What accounts changed on which day, by day: the rows of `events.csv` beside the store.

        Raises EventsFileError, which names file and row, for a file that is invalid.
        """
        if isinstance(self.store, StoreSnapshot):
            return self.store.events
        return tuple(read_events(self.events_file))

    def _open_view(self, account: str, marketplace: str) -> AccountView:
        return analysis.account_view.AccountView(
            account, marketplace, self._counts_of((account,)), self.counts, self.policies[marketplace],
            self._coverage[account, marketplace], self.store, lambda: self.events,
        )  # fmt: skip

    def score(
        self,
        days: Days,
        accounts: str | Iterable[str] | None = None,
        *,
        window: int | Iterable[int] | None = None,
        lag: int | None = None,
        hindsight: bool = False,
        metrics: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Return the table SCORES for the given days and accounts, by default for all accounts.

        A day is a date, a Timestamp or text ("2026-10-31"). See `metrics.scores.score`. Raises StoreError for an
        account that the store does not hold, DayError for what is no day.
        """
        names = to_names(accounts)
        counts = self.counts if names is None else self._counts_of(tuple(names))
        return scores.score(counts, self.policies, days, window=window, lag=lag, hindsight=hindsight, metrics=metrics)

    def table(self, name: str, accounts: str | Iterable[str] | None = None) -> pd.DataFrame:
        """Return one raw table, such as "orders" or "defects", of some accounts, by default of all, as a pandas frame.

        Raises TableError for an unknown table, StoreError for an account that the store does not hold.
        """
        names = to_names(accounts)
        self.store.check_accounts(names or [], self.accounts)
        return self.store.ledger(names, [table for table in tables.RAW_TABLES if table.name == name]).to_pandas(name)

    def _select_counts(self, accounts: tuple[str, ...]) -> Counts:
        self.store.check_accounts(accounts, self.accounts)
        return self.counts.for_accounts(accounts)

    def reported(self, days: Days, accounts: str | Iterable[str] | None = None) -> pd.DataFrame:
        """Return SCORES of the figures that the marketplaces reported, as known on each of the given days.

        See `reported_scores`.
        """
        names = to_names(accounts)
        ledger = self._reported_ledger(None if names is None else tuple(names))
        return analysis.reported_scores.reported_scores(ledger, days, self.policies)

    def _load_reported(self, accounts: tuple[str, ...] | None) -> Ledger:
        return self.store.ledger(accounts, tables.REPORTED_TABLES).in_memory()

    def shares_used(self, rows: pd.DataFrame) -> np.ndarray:
        """Return for each row of SCORES the orders at fault as a share of those that its target allows.

        The share is NaN for a row without a target or without orders.
        """
        used = np.full(len(rows), np.nan)
        targets = {rule.id: rule.target for policy in set(self.policies.values()) for rule in policy.rules}
        counted, at_fault = (rows[name].to_numpy(dtype=float) for name in ("counted", "at_fault"))
        for rule, places in rows.reset_index(drop=True).groupby("rule").indices.items():
            target = targets.get(str(rule))
            if target is not None:
                used[places] = target.shares_used(counted[places], at_fault[places])
        return used

    @cached_property
    def _coverage(self) -> dict[tuple[str, str], FileCoverage]:
        """What the files of each account and marketplace cover."""
        rows = tables.records(self.counts.coverage)
        return {(row["account"], row["marketplace"]): FileCoverage.from_row(row) for row in rows}

    def verdicts(
        self,
        day: Day,
        accounts: str | Iterable[str] | None = None,
        *,
        at_last_known_day: bool = False,
        scored: pd.DataFrame | None = None,
        with_reasons: bool = True,
    ) -> list[AccountVerdict]:
        """Return a verdict on each account in each of its marketplaces on a day.

        It rests on the worst known figure: our count or the marketplace's own. With `at_last_known_day` an account
        whose files end earlier is judged as of the last day that they cover. `scored` is the answer of `score` for the
        day and these accounts, if at hand. Without `with_reasons`, the verdicts do not say why a measure cannot be
        judged. Raises StoreError for an account that the store does not hold, PolicyError for a day before a policy
        begins.
        """
        day = to_day(day)
        names = to_names(accounts)
        days, theirs = self._last_days_known(day, None if names is None else tuple(names))
        if not at_last_known_day:
            days = dict.fromkeys(days, day)
        ours: dict[tuple[str, str], list[Row]] = {}
        for as_of in sorted(set(days.values())):
            of_day = dict.fromkeys(pair[0] for pair, known in days.items() if known == as_of)
            at_hand = scored if as_of == day else None
            if at_hand is None:
                at_hand = self.score(as_of, None if len(of_day) == len(self.accounts) else of_day)
            for row in tables.records(at_hand):
                pair = row["account"], row["marketplace"]
                if days.get(pair) == as_of:
                    ours.setdefault(pair, []).append(row)
        return [
            self._judge(pair, as_of, ours.get(pair, []), theirs.get(pair, []), with_reasons)
            for pair, as_of in days.items()
        ]

    def _judge(
        self, pair: tuple[str, str], as_of: date, ours: list[Row], theirs: list[Row], with_reasons: bool
    ) -> AccountVerdict:
        """Return the verdict on an account in a marketplace, from the rows of SCORES of a day (see `judge_account`)."""
        policy = self.policies[pair[1]]
        if not with_reasons:
            return analysis.verdicts.judge_account(policy.rules_in_force(as_of), ours, theirs, as_of, pair)
        return analysis.verdicts.judge_from_files(
            policy, ours, theirs, as_of, pair, self._counts_of(pair[:1]), self._coverage[pair]
        )

    def rank(
        self,
        verdicts_of_accounts: Iterable[AccountVerdict],
        rates: Rates | None = None,
        track: ProgressTracker | None = iter,
        *,
        keep_at_interrupt: bool = False,
    ) -> Ranking:
        """Return accounts in the order in which to open them, by expected harm (see `analysis.ranking`).

        Some hundredths of a second are needed for each measure that is off target or at risk, once for each account and
        day. `track` shows the progress; None simulates nothing, and accounts rank by status and share of the limit
        used. With `keep_at_interrupt` an interrupt ends the simulations early and keeps their results.
        """
        found = list(verdicts_of_accounts)
        # The rates fitted to one day serve all of its accounts, and only those of the last day are kept.
        in_turn = sorted(found, key=lambda one: (-one.as_of.toordinal(), worst_first_key(one.status)))
        harms = {}
        try:
            for one in track(in_turn) if track is not None else ():
                harms[one[:2]] = self._harm(one)
        except KeyboardInterrupt:
            if not keep_at_interrupt:
                raise
        return analysis.ranking.rank_accounts(
            (harms.get(one[:2]) or analysis.ranking.unknown_harm(one) for one in found), rates
        )

    def _harm(self, verdict: AccountVerdict) -> AccountHarm:
        """Return the expected harm of an account, which is worked out once."""
        if verdict[:3] not in self._harms:
            view = self._views(verdict.account, verdict.marketplace)
            self._harms[verdict[:3]] = analysis.ranking.account_harm(view, verdict)
        return self._harms[verdict[:3]]

    def rates(self, day: Day, given: Path | None = None) -> Rates | None:
        """Return the rates of currencies on a day: of the given file, or of `rates.csv` beside the store, if any.

        Raises RatesFileError for an invalid file.
        """
        path = find_rates_file(given, self._folder)
        return None if path is None else read_rates(path, to_day(day))

    def last_days_known(self, day: Day, accounts: str | Iterable[str] | None = None) -> dict[tuple[str, str], date]:
        """Return for each account and marketplace the last day, at most `day`, that its files or reports cover."""
        names = to_names(accounts)
        return dict(self._last_days_known(to_day(day), None if names is None else tuple(names))[0])

    def _find_last_days_known(
        self, day: date, accounts: tuple[str, ...] | None
    ) -> tuple[dict[tuple[str, str], date], dict[tuple[str, str], list[Row]]]:
        """Return the last known day of each judged account and marketplace, and the marketplace's own figures."""
        wanted = None if accounts is None else list(dict.fromkeys(accounts))
        theirs: dict[tuple[str, str], list[Row]] = {}
        for row in analysis.verdicts.add_report_days(tables.records(self.reported(day, wanted))):
            theirs.setdefault((row["account"], row["marketplace"]), []).append(row)
        days = {
            pair: analysis.verdicts.last_day_known(files, theirs.get(pair, []), day)
            for pair, files in sorted(self._coverage.items())
            if pair[1] in self.policies and (wanted is None or pair[0] in wanted)
        }
        return days, theirs

    def prepare_forecasts(self, as_of: date) -> None:
        """Fit in advance the pooled rates that the forecasts of all accounts on a day use.

        This process and its forks then need not fit them.
        """
        with contextlib.suppress(PolicyError):
            analysis.simulation.forecaster(self.counts, as_of).fit_pooled_rates(self.policies)
