"""The analyst's desk: a store, the policies of its marketplaces and its counts, opened together.

Counts are kept beside the store, under the store's version and the rules they were counted for, so that a
second question does not count again. The folder is safe to delete.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd

from healthkit import explain, exposure, metrics, scores, tables
from healthkit.exposure import Counts
from healthkit.policy import Policy, files, for_marketplaces, judged_marketplaces, load
from healthkit.store import Store

DATA = Path("data/store")
SAMPLE = Path("data/sample_store")


def choose(folder: str | Path | None = None) -> Path:
    """The store to open: the one named, else the user's own, else the sample's where there is no other.

    Looked for here and in the folders above, for a notebook runs in its own folder.
    """
    if folder is not None:
        return Path(folder)
    for home in (Path(), *Path.cwd().parents):
        for store in (home / DATA, home / SAMPLE):
            if Store(store).exists():
                return store
    return DATA


class Desk:
    """One store with its policies, ready for questions.

    `folder` is the store's; `policy` is the name (or YAML path) of one policy for every marketplace, instead
    of each marketplace's own. Raises StoreError where there is no store, PolicyError for an unknown policy.
    """

    def __init__(self, folder: str | Path | None = None, policy: str | None = None) -> None:
        self.store = Store(choose(folder))
        self.policy_name = policy
        self._one = None if policy is None else load(policy)

    @cached_property
    def counts(self) -> Counts:
        """EXPOSURE, FAULTS and COVERAGE of every account, counted or read as kept.

        Raises StoreError where there is no store.
        """
        self.store.must_exist()
        place = self.store.folder / "counts" / f"v{self.store.version()}-{self._digest()}"
        return _read(place) or _keep(place, self._count())

    def _count(self) -> Counts:
        """Count the whole store for every rule that its marketplaces ever had."""
        ledger = self.store.ledger()
        policies = self._policies(ledger.coverage["marketplace"].unique())
        return exposure.count(ledger, [rule for policy in set(policies.values()) for rule in policy.rules])

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policy of each marketplace in the store."""
        return self._policies(self.counts.coverage["marketplace"].unique())

    def _policies(self, codes: Iterable[str]) -> Mapping[str, Policy]:
        if self._one is not None:
            return dict.fromkeys(codes, self._one)
        judged = judged_marketplaces()
        return for_marketplaces(code for code in codes if code in judged)

    @property
    def unjudged(self) -> list[str]:
        """The marketplaces in the store that no policy judges; their orders stand in no score."""
        return [code for code in self.counts.coverage["marketplace"].unique() if code not in self.policies]

    def _digest(self) -> str:
        """What the counts depend on besides the store: the rules there are, and the code that counts."""
        rules = [*files().values(), *map(Path, self._one.files if self._one else ())]
        code = [Path(module.__file__ or "") for module in (metrics, exposure, tables)]
        return hashlib.sha256(b"\0".join(path.read_bytes() for path in [*code, *rules])).hexdigest()[:12]

    @property
    def accounts(self) -> list[str]:
        """The accounts in the store, in the order of their names."""
        return sorted(self.counts.coverage["account"].unique())

    def score(
        self,
        days: date | Iterable[date],
        accounts: Iterable[str] | None = None,
        *,
        window: int | None = None,
        lag: int | None = None,
        hindsight: bool = False,
    ) -> pd.DataFrame:
        """SCORES of all accounts or some, on one day or several (see `scores.score`).

        Raises StoreError for an account that the store does not hold.
        """
        counts = self.counts
        if accounts is not None:
            wanted = list(accounts)
            self.store.check_accounts(wanted, self.accounts)
            counts = counts.of(wanted)
        return scores.score(counts, self.policies, days, window=window, lag=lag, hindsight=hindsight)

    def orders_at_fault(self, row: pd.Series, *, hindsight: bool = False) -> pd.DataFrame:
        """The orders behind one row of SCORES (see `scores.orders_at_fault`)."""
        return scores.orders_at_fault(self.counts, row, self.policies[row["marketplace"]], hindsight=hindsight)

    def bridge(self, row: pd.Series, before: date) -> explain.Bridge:
        """Why the rate of one row of SCORES moved since an earlier day (see `explain.bridge`)."""
        return explain.bridge(
            self.counts, self.policies[row["marketplace"]], row["account"], row["marketplace"], row["metric"],
            before, row["as_of"].date(), channel=row["channel"], window=int(row["window"]),
        )  # fmt: skip

    def not_computed(self, day: date, marketplaces: Iterable[str] | None = None) -> list[str]:
        """The metrics that rules in force on a day ask for and that this version cannot compute."""
        chosen = {code: self.policies[code] for code in marketplaces} if marketplaces is not None else self.policies
        return exposure.uncomputed(rule for policy in dict.fromkeys(chosen.values()) for rule in policy.on(day))


def _read(place: Path) -> Counts | None:
    """Counts as kept, or None where there are none."""
    if not place.is_dir():
        return None
    try:
        return Counts(*(pd.read_parquet(place / f"{name}.parquet") for name in ("exposure", "faults", "coverage")))
    except (OSError, ValueError):
        # Cut off, or half removed: it is counted again, and kept anew.
        return None


def _keep(place: Path, counts: Counts) -> Counts:
    """Keep counts for the next question, and drop those of older states of the store.

    They appear whole or not at all: written aside first, then moved into place. Where nothing can be written,
    nothing is kept.
    """
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".writing-"))
        for name in ("exposure", "faults", "coverage"):
            getattr(counts, name).to_parquet(aside / f"{name}.parquet")
        version = place.name.split("-")[0]
        for old in place.parent.iterdir():
            if old == place or not old.name.startswith((".", f"{version}-")):
                shutil.rmtree(old, ignore_errors=True)
        try:
            os.replace(aside, place)
        except OSError:
            # Another process kept the same counts in the meantime; theirs are as good.
            shutil.rmtree(aside, ignore_errors=True)
    return counts
