"""The counts of a store, kept beside it: read as they are, brought up to date, or counted again.

They stand under the version of the store and a digest of the rules and of the code that counts, so that a second
question does not count again. When the store has moved on, only accounts of which a file came or went are counted
again; an account's counts rest on its own rows alone. Accounts are counted in groups, so that memory does not grow with
their number. Where the store can only be read, they stand in the user's cache. The folder is safe to delete.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from healthkit import store
from healthkit.files import marked_folders
from healthkit.metrics import definitions as metrics
from healthkit.metrics import exposure
from healthkit.metrics.exposure import Counts, ProgressTracker
from healthkit.metrics.policy import Rule, find_policy_files
from healthkit.schema import tables
from healthkit.store import Store, StoreError

_LOG = logging.getLogger(__name__)

TABLE_NAMES = ("exposure", "faults", "coverage", "unknown")
CACHE_FILES = re.compile("|".join(rf"{name}\.parquet" for name in TABLE_NAMES))
"""All that a folder of counts holds beside its marker."""
TEMP_PREFIX = ".writing-"
"""Counts on their way into a folder of their own."""
FOLDER_PATTERN = re.compile(r"v(-1|\d+-[0-9a-f]{8})-[0-9a-f]{12}")
"""How a folder of counts is named: the state of the store, and a digest of what they depend on besides."""

RulesLookup = Callable[[Iterable[str]], list[Rule]]
"""Every rule that some marketplaces ever had."""


def cache_folders(store: Store, extra_policies: Iterable[str] = ()) -> list[Path]:
    """The folders where the counts of a store may stand, the best first: beside it, and in the user's cache.

    They are named by the state of the store, of the rules and of the code that counts. `more` are paths of rules beside
    those of the kit.
    """
    name = f"v{store.state()}-{_digest(extra_policies)}"
    return [place.resolve() / "counts" / name for place in store.cache_folders]


def _digest(extra_policies: Iterable[str]) -> str:
    """What the counts depend on besides the store: the rules there are, and the code that counts."""
    rules = [*find_policy_files().values(), *map(Path, extra_policies)]
    code = [Path(module.__file__ or "") for module in (metrics, exposure, tables)]
    code += sorted(Path(store.__file__ or "").parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in [*code, *rules])).hexdigest()[:12]


def load_or_count(
    store: Store, folders: list[Path], rules_of: RulesLookup, track: ProgressTracker = iter
) -> tuple[Counts, Path | None]:
    """The counts of all accounts of a store, and in which of `places` they stand now; None where none takes them.

    `track` follows what is counted.
    """
    for place in folders:
        found = read_counts(place)
        if found is not None:
            _LOG.debug("counts read from %s", place)
            return found, place
    made = _update_older_counts(store, folders, rules_of, track) or _count_groups(
        store, store.group_accounts(), rules_of, track
    )
    return made, _save_counts(store, folders, made)


def _count_groups(opened: Store, groups: list[list[str]], rules_of: RulesLookup, track: ProgressTracker) -> Counts:
    """All counts again, group by group."""
    rules = rules_of(opened.marketplaces())
    _LOG.info("counting %d accounts in %d groups", sum(map(len, groups)), len(groups))
    # Of several groups the groups are followed, of one its metrics.
    outer, inner = (track, iter) if len(groups) > 1 else (iter, track)
    parts = [exposure.count_orders(opened.ledger(group), rules, inner) for group in outer(groups)]
    return _concat_counts(parts) if parts else exposure.count_orders(opened.ledger(), rules)


def _update_older_counts(
    store: Store, folders: list[Path], rules_of: RulesLookup, track: ProgressTracker
) -> Counts | None:
    """The newest kept counts, with those accounts counted again that changed since; None where none can be used."""
    for state, place in _find_older_counts(folders):
        older = read_counts(place)
        changed = _changed_accounts(store, state)
        if older is None or changed is None:
            continue
        if set(older.coverage["marketplace"]) != set(store.marketplaces()):
            return None  # Other rules may have come in, for all.
        there = set(store.accounts())
        stand = older.of(account for account in older.coverage["account"].unique() if account in there - changed)
        again = sorted(changed & there)
        _LOG.info("counts of state %s stand for all but %d accounts", state, len(again))
        if len(again) > len(there) // 2:
            return None
        parts = [_count_groups(store, store.group_accounts(again), rules_of, track)] if again else []
        return _concat_counts([stand, *parts])
    return None


def _find_older_counts(folders: list[Path]) -> list[tuple[str, Path]]:
    """The states of the store whose counts are kept for the same rules, newest first, each with its folder."""
    found = []
    for place in folders:
        digest = place.name.rpartition("-")[2]
        with contextlib.suppress(OSError):
            found += [
                (name.removeprefix("v").removesuffix(f"-{digest}"), place.with_name(name))
                for name in os.listdir(place.parent)
                if FOLDER_PATTERN.fullmatch(name) and name.endswith(f"-{digest}")
            ]
    return sorted(found, key=lambda one: _version_of(one[0]), reverse=True)


def _version_of(state: str) -> int:
    number = state.partition("-")[0]
    return int(number) if number.isdigit() else -1


def _changed_accounts(opened: Store, state: str) -> set[str] | None:
    """The accounts of which a file came or went since an older state of a store; None where that cannot be told."""
    then = Store(opened.folder, _version_of(state))
    try:
        if then.state() != state:
            return None
        before, now = then.reports(), opened.reports()
    except StoreError:
        return None
    came = now[~now["report"].isin(before["report"])]
    went = before[~before["report"].isin(now["report"])]
    if went["account"].isna().any():
        return None  # A file of many accounts, whose rows are not read any more.
    of_many = came.loc[came["account"].isna(), "report"]
    return {*came["account"].dropna(), *went["account"], *(opened.accounts_in_reports(of_many) if len(of_many) else ())}


def _concat_counts(parts: list[Counts]) -> Counts:
    """Counts of several groups of accounts as one, account by account; the parts are used up."""
    frames = []
    for name in TABLE_NAMES:
        rows = exposure.concat_rows([exposure.pop_columns(getattr(part, name)) for part in parts])
        frames.append(
            pd.DataFrame(exposure.take_rows(rows, np.argsort(rows["account"].codes, kind="stable")), copy=False)
        )
    return Counts(*frames)


def read_counts(folder: Path) -> Counts | None:
    """Counts as kept, or None where there are none."""
    try:
        if not folder.is_dir():
            return None
        frames = (pd.read_parquet(folder / f"{name}.parquet") for name in TABLE_NAMES)
        return Counts(*(exposure.restore_dtypes(frame) for frame in frames))
    except (OSError, ValueError):
        # Cut off, half removed, or another user's: it is counted again and written again.
        return None


def _save_counts(store: Store, folders: list[Path], counts: Counts) -> Path | None:
    """Keep counts for the next question, in the first of the places that takes them; where nothing can be written,
    nothing is kept, and that is slower the next time."""
    for place in folders:
        try:
            write_counts(place, counts)
        except OSError as error:
            _LOG.log(logging.WARNING if place == folders[-1] else logging.INFO, "no counts at %s: %s", place, error)
            continue
        # After a purge no counts of an older version may stay on disk, also none that were made meanwhile.
        try:
            store.state()
        except StoreError:
            marked_folders.remove(place, CACHE_FILES)
            return None
        return place
    return None


def clear_cache(folder: store.Folder) -> int:
    """Remove all counts that were kept of a store; how many folders of them there were.

    Only what the kit wrote is removed: folders that are named as those of counts and marked, and its files in them.
    """
    found = 0
    for beside in store.locations.cache_folders(folder):
        place = beside / "counts"
        for path in sorted(place.iterdir()) if place.is_dir() and not place.is_symlink() else ():
            if FOLDER_PATTERN.fullmatch(path.name) or path.name.startswith(TEMP_PREFIX):
                found += marked_folders.remove(path, CACHE_FILES)
    return found


def list_foreign_files(folder: store.Folder) -> list[Path]:
    """The files below the folders of counts of a store: after `clear`, those that are not proven to be the kit's."""
    places = [beside / "counts" for beside in store.locations.cache_folders(folder)]
    return [path for place in places if place.is_dir() for path in sorted(place.rglob("*")) if not path.is_dir()]


def write_counts(folder: Path, counts: Counts) -> None:
    """Write counts, and remove those of older states of the store, as far as the kit wrote them.

    They appear whole or not at all: written aside first, then moved into place. Raises OSError where nothing can be
    written, or where another folder stands in their place.
    """
    _make_counts_folder(folder.parent)
    marked_folders.remove_abandoned(folder.parent, {TEMP_PREFIX: CACHE_FILES})
    # Whoever may read the store may read its counts.
    aside = marked_folders.make(folder.parent, TEMP_PREFIX, 0o777)
    try:
        write_parquet_files(aside, counts)
        _remove_others(folder)
        marked_folders.unlock(aside)
        if folder.exists() and not marked_folders.is_marked(folder):
            raise FileExistsError(17, "a folder that is not healthkit's stands there", str(folder))
        # Another process may keep the same counts in the meantime; theirs are as good.
        with contextlib.suppress(OSError):
            os.replace(aside, folder)
    finally:
        marked_folders.remove(aside, CACHE_FILES)


def write_parquet_files(folder: Path, counts: Counts) -> None:
    """Write counts into a folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    for name in TABLE_NAMES:
        getattr(counts, name).to_parquet(folder / f"{name}.parquet")


def _make_counts_folder(folder: Path) -> None:
    """Make the folder for counts; in the user's cache, its own is for the user alone."""
    if not folder.parent.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)


def _remove_others(folder: Path) -> None:
    """Remove the counts of other states of the store, and those in `place` that cannot be read.

    What is not named as counts are, is not marked, holds other files, or is a symbolic link, is the user's and stays.
    """
    if folder.parent.is_symlink():
        return
    version = folder.name.split("-")[0]
    for name in os.listdir(folder.parent):
        if FOLDER_PATTERN.fullmatch(name) and (name == folder.name or not name.startswith(f"{version}-")):
            marked_folders.remove(folder.with_name(name), CACHE_FILES)
