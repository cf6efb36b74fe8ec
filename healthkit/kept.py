"""The counts of a store, kept beside it: read as they are, brought up to date, or made anew.

They stand under the version of the store and a digest of the rules and of the code that counts, so that a second
question does not count again. When the store has moved on, only accounts of which a file came or went are counted
again; an account's counts rest on its own rows alone. Accounts are counted in groups, so that memory does not grow with
their number. The folder is safe to delete.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from healthkit import exposure, metrics, store, tables
from healthkit.exposure import Counts, Track
from healthkit.policy import Rule, files
from healthkit.store import Store, StoreError

_LOG = logging.getLogger(__name__)

NAMES = ("exposure", "faults", "coverage", "unknown")

RulesOf = Callable[[Iterable[str]], list[Rule]]
"""Every rule that some marketplaces ever had."""


def place_of(held: Store, more: Iterable[str] = ()) -> Path:
    """The folder of the counts: one for each state of the store, of the rules and of the code that counts.

    `more` are paths of rules beside those of the kit.
    """
    return (held.beside / "counts" / f"v{held.state()}-{_digest(more)}").resolve()


def _digest(more: Iterable[str]) -> str:
    """What the counts depend on besides the store: the rules there are, and the code that counts."""
    rules = [*files().values(), *map(Path, more)]
    code = [Path(module.__file__ or "") for module in (metrics, exposure, tables)]
    code += sorted(Path(store.__file__ or "").parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in [*code, *rules])).hexdigest()[:12]


def counts(held: Store, place: Path, rules_of: RulesOf, track: Track = iter) -> Counts:
    """The counts of all accounts of a store, which stand at `place` or will do so; `track` follows what is counted."""
    found = read(place)
    if found is not None:
        _LOG.debug("counts read from %s", place)
        return found
    return _keep(held, place, _brought_up(held, place, rules_of, track) or _made(held, held.groups(), rules_of, track))


def _made(held: Store, groups: list[list[str]], rules_of: RulesOf, track: Track) -> Counts:
    """Counts made anew, group by group."""
    rules = rules_of(held.marketplaces())
    _LOG.info("counting %d accounts in %d groups", sum(map(len, groups)), len(groups))
    # Of several groups the groups are followed, of one its metrics.
    outer, inner = (track, iter) if len(groups) > 1 else (iter, track)
    parts = [exposure.count(held.ledger(group), rules, inner) for group in outer(groups)]
    return _together(parts) if parts else exposure.count(held.ledger(), rules)


def _brought_up(held: Store, place: Path, rules_of: RulesOf, track: Track) -> Counts | None:
    """The newest kept counts, with those accounts counted again that changed since; None where none can be used."""
    for state in _states(place):
        older = read(place.with_name(f"v{state}-{_digest_of(place)}"))
        changed = _changed(held, state)
        if older is None or changed is None:
            continue
        if set(older.coverage["marketplace"]) != set(held.marketplaces()):
            return None  # Other rules may have come in, for all.
        there = set(held.accounts())
        stand = older.of(account for account in older.coverage["account"].unique() if account in there - changed)
        again = sorted(changed & there)
        _LOG.info("counts of state %s stand for all but %d accounts", state, len(again))
        if len(again) > len(there) // 2:
            return None
        parts = [_made(held, held.groups(again), rules_of, track)] if again else []
        return _together([stand, *parts])
    return None


def _digest_of(place: Path) -> str:
    """What the counts in a folder depend on besides the store."""
    return place.name.rpartition("-")[2]


def _states(place: Path) -> list[str]:
    """The states of the store whose counts are kept for the same rules, newest first."""
    digest = _digest_of(place)
    names = [path.name.removeprefix("v").removesuffix(f"-{digest}") for path in place.parent.glob(f"v*-{digest}")]
    return sorted(names, key=_version_of, reverse=True)


def _version_of(state: str) -> int:
    number = state.partition("-")[0]
    return int(number) if number.isdigit() else -1


def _changed(held: Store, state: str) -> set[str] | None:
    """The accounts of which a file came or went since an older state of a store; None where that cannot be told."""
    then = Store(held.folder, _version_of(state))
    try:
        if then.state() != state:
            return None
        before, now = then.reports(), held.reports()
    except StoreError:
        return None
    came = now[~now["report"].isin(before["report"])]
    went = before[~before["report"].isin(now["report"])]
    if went["account"].isna().any():
        return None  # A file of many accounts, whose rows are not read any more.
    of_many = came.loc[came["account"].isna(), "report"]
    return {*came["account"].dropna(), *went["account"], *(held.accounts_of(of_many) if len(of_many) else ())}


def _together(parts: list[Counts]) -> Counts:
    """Counts of several groups of accounts as one, account by account; the parts are used up."""
    frames = []
    for name in NAMES:
        rows = exposure.stacked([exposure.used_up(getattr(part, name)) for part in parts])
        frames.append(pd.DataFrame(exposure.taken(rows, np.argsort(rows["account"].codes, kind="stable")), copy=False))
    return Counts(*frames)


def read(place: Path) -> Counts | None:
    """Counts as kept, or None where there are none."""
    if not place.is_dir():
        return None
    try:
        frames = (pd.read_parquet(place / f"{name}.parquet") for name in NAMES)
        return Counts(*(exposure.categorised(frame) for frame in frames))
    except (OSError, ValueError):
        # Cut off, or half removed: it is counted again, and kept anew.
        return None


def _keep(held: Store, place: Path, counts: Counts) -> Counts:
    """Keep counts for the next question; where nothing can be written, nothing is kept, and that is slower the next
    time."""
    try:
        _write(place, counts)
    except OSError as error:
        _LOG.warning("counts cannot be kept at %s: %s", place, error)
    # After a purge no counts of an older version may stay on disk, also none that were made meanwhile.
    try:
        held.state()
    except StoreError:
        shutil.rmtree(place, ignore_errors=True)
    return counts


_OURS = re.compile(r"v-?\d+(-[0-9a-f]{8})?-[0-9a-f]{12}|\.writing-\w+")
"""How the folders of counts are named."""


def clear(folder: store.Folder) -> int:
    """Remove all counts that were kept of a store; how many folders of them there were.

    Only folders that are named like those of counts and hold nothing else are removed.
    """
    found = 0
    for place in (store.folders.beside(folder) / "counts", store.folders.cache_of(folder) / "counts"):
        for path in place.glob("*") if place.is_dir() else ():
            names = {f"{name}.parquet" for name in NAMES}
            if _OURS.fullmatch(path.name) and path.is_dir() and {file.name for file in path.iterdir()} <= names:
                shutil.rmtree(path)
                found += 1
    return found


def _write(place: Path, counts: Counts) -> None:
    """Write counts, and drop those of older states of the store.

    They appear whole or not at all: written aside first, then moved into place.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".writing-"))
    try:
        for name in NAMES:
            getattr(counts, name).to_parquet(aside / f"{name}.parquet")
        version = place.name.split("-")[0]
        for old in place.parent.iterdir():
            if old == place or not old.name.startswith((".", f"{version}-")):
                shutil.rmtree(old, ignore_errors=True)
        # Another process may keep the same counts in the meantime; theirs are as good.
        with contextlib.suppress(OSError):
            os.replace(aside, place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
