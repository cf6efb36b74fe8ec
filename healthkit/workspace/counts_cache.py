"""Cache the counts of a store: read them, update them for the accounts that changed, or count again.

The cache is keyed by the version of the store and a digest of the rules and of the counting code. When the store has
changed, only accounts with files added or removed are counted again; the counts of an account depend on its own rows
alone. Accounts are counted in groups, so that memory does not grow with their number. Where the store is read-only, the
cache is in the user's cache folder. The folder is safe to delete.
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

from healthkit import metrics, store
from healthkit.files import marked_folders
from healthkit.metrics.counts import (
    Counts,
    ProgressTracker,
    concat_rows,
    count_orders,
    pop_columns,
    restore_dtypes,
    take_rows,
)
from healthkit.metrics.policy import Rule
from healthkit.metrics.policy_files import find_policy_files
from healthkit.schema import tables
from healthkit.store import Store, StoreError

_LOG = logging.getLogger(__name__)

TABLE_NAMES = ("exposure", "faults", "coverage", "unknown", "sales")
CACHE_FILES = re.compile("|".join(rf"{name}\.parquet" for name in TABLE_NAMES))
"""Pattern of the names of the files in a cache folder, except its marker."""
TEMP_PREFIX = ".writing-"
"""Prefix of the names of folders in which counts are being written."""
FOLDER_PATTERN = re.compile(r"v(-1|\d+-[0-9a-f]{8})-[0-9a-f]{12}")
"""Pattern of the names of cache folders.

A name holds the state of the store, and a digest of everything else that the counts depend on.
"""

RulesLookup = Callable[[Iterable[str]], list[Rule]]
"""A function that returns every rule, past and present, of the marketplaces with the given codes."""


def cache_folders(store: Store, extra_policies: Iterable[str] = ()) -> list[Path]:
    """Return the folders where the counts of a store may be cached: beside the store, then in the user's cache.

    Their name holds the state of the store, and a digest of the rules and the counting code. `extra_policies` are paths
    of policies besides the built-in ones.
    """
    name = f"v{store.state()}-{_digest(extra_policies)}"
    return [folder.resolve() / "counts" / name for folder in store.cache_folders]


def _digest(extra_policies: Iterable[str]) -> str:
    """Return a digest of what the counts depend on besides the store: the policies and the counting code."""
    rules = [*find_policy_files().values(), *map(Path, extra_policies)]
    code = [Path(tables.__file__ or "")]
    for package in (metrics, store):
        code += sorted(Path(package.__file__ or "").parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in [*code, *rules])).hexdigest()[:12]


def load_or_count(
    store: Store, folders: list[Path], rules_of: RulesLookup, track: ProgressTracker = iter
) -> tuple[Counts, Path | None]:
    """Return the counts of all accounts of a store, and the folder in which they are cached.

    The folder is None if none of `folders` is writable. Counts are read from the first of `folders` that has them, else
    counted and saved. `track` shows progress.
    """
    for folder in folders:
        found = read_counts(folder)
        if found is not None:
            _LOG.debug("counts read from %s", folder)
            return found, folder
    counts = _update_older_counts(store, folders, rules_of, track) or _count_groups(
        store, store.group_accounts(), rules_of, track
    )
    return counts, _save_counts(store, folders, counts)


def _count_groups(opened: Store, groups: list[list[str]], rules_of: RulesLookup, track: ProgressTracker) -> Counts:
    """Count accounts, one group at a time."""
    rules = rules_of(opened.marketplaces())
    _LOG.info("counting %d accounts in %d groups", sum(map(len, groups)), len(groups))
    # Of several groups the groups are followed, of one its metrics.
    outer, inner = (track, iter) if len(groups) > 1 else (iter, track)
    parts = [count_orders(opened.ledger(group), rules, inner) for group in outer(groups)]
    return _concat_counts(parts) if parts else count_orders(opened.ledger(), rules)


def _update_older_counts(
    store: Store, folders: list[Path], rules_of: RulesLookup, track: ProgressTracker
) -> Counts | None:
    """Return the newest older counts with the changed accounts counted again; None where none can be used."""
    for state, folder in _find_older_counts(folders):
        older = read_counts(folder)
        changed = _changed_accounts(store, state)
        if older is None or changed is None:
            continue
        if set(older.coverage["marketplace"]) != set(store.marketplaces()):
            return None  # Rules of another marketplace may apply to every account.
        accounts = set(store.accounts())
        unchanged = older.for_accounts(
            account for account in older.coverage["account"].unique() if account in accounts - changed
        )
        to_count = sorted(changed & accounts)
        _LOG.info("counts of state %s reused for all but %d accounts", state, len(to_count))
        if len(to_count) > len(accounts) // 2:
            return None
        parts = [_count_groups(store, store.group_accounts(to_count), rules_of, track)] if to_count else []
        return _concat_counts([unchanged, *parts])
    return None


def _find_older_counts(folders: list[Path]) -> list[tuple[str, Path]]:
    """Return the states of the store with counts for the same rules, newest first, each with its folder."""
    found = []
    for folder in folders:
        digest = folder.name.rpartition("-")[2]
        with contextlib.suppress(OSError):
            found += [
                (name.removeprefix("v").removesuffix(f"-{digest}"), folder.with_name(name))
                for name in os.listdir(folder.parent)
                if FOLDER_PATTERN.fullmatch(name) and name.endswith(f"-{digest}")
            ]
    return sorted(found, key=lambda one: _version_of(one[0]), reverse=True)


def _version_of(state: str) -> int:
    number = state.partition("-")[0]
    return int(number) if number.isdigit() else -1


def _changed_accounts(opened: Store, state: str) -> set[str] | None:
    """Return the accounts with files added or removed since an older state of a store; None where that is not known."""
    older = Store(opened.folder, _version_of(state))
    try:
        if older.state() != state:
            return None
        reports_before, reports_now = older.reports(), opened.reports()
    except StoreError:
        return None
    added = reports_now[~reports_now["report"].isin(reports_before["report"])]
    removed = reports_before[~reports_before["report"].isin(reports_now["report"])]
    if removed["account"].isna().any():
        return None  # A file of many accounts, whose rows are not read any more.
    shared = added.loc[added["account"].isna(), "report"]
    return {
        *added["account"].dropna(),
        *removed["account"],
        *(opened.accounts_in_reports(shared) if len(shared) else ()),
    }


def _concat_counts(parts: list[Counts]) -> Counts:
    """Concatenate counts of several groups of accounts, sorted by account; the parts are consumed."""
    frames = []
    for name in TABLE_NAMES:
        rows = concat_rows([pop_columns(getattr(part, name)) for part in parts])
        frames.append(pd.DataFrame(take_rows(rows, np.argsort(rows["account"].codes, kind="stable")), copy=False))
    return Counts(*frames)


def read_counts(folder: Path) -> Counts | None:
    """Read cached counts from a folder; return None if there are none or they cannot be read."""
    try:
        if not folder.is_dir():
            return None
        frames = (pd.read_parquet(folder / f"{name}.parquet") for name in TABLE_NAMES)
        return Counts(*(restore_dtypes(frame) for frame in frames))
    except (OSError, ValueError):
        # Cut off, half removed, or another user's: count again and write again.
        return None


def _save_counts(store: Store, folders: list[Path], counts: Counts) -> Path | None:
    """Save counts in the first folder that is writable, and return it; None where none is."""
    for folder in folders:
        try:
            write_counts(folder, counts)
        except OSError as error:
            _LOG.log(logging.WARNING if folder == folders[-1] else logging.INFO, "no counts at %s: %s", folder, error)
            continue
        # After a purge no counts of an older version may stay on disk, also none that were made meanwhile.
        try:
            store.state()
        except StoreError:
            marked_folders.remove(folder, CACHE_FILES)
            return None
        return folder
    return None


def clear_cache(folder: store.Folder) -> int:
    """Remove all cached counts of a store, and return the number of folders removed.

    Only folders and files that healthkit wrote are removed: folders named as a cache and marked, and the cache files in
    them.
    """
    removed = 0
    for beside in store.locations.cache_folders(folder):
        cache = beside / "counts"
        for path in sorted(cache.iterdir()) if cache.is_dir() and not cache.is_symlink() else ():
            if FOLDER_PATTERN.fullmatch(path.name) or path.name.startswith(TEMP_PREFIX):
                removed += marked_folders.remove(path, CACHE_FILES)
    return removed


def list_foreign_files(folder: store.Folder) -> list[Path]:
    """Return the files still in the cache folders of a store after `clear_cache`: healthkit did not write them."""
    caches = [beside / "counts" for beside in store.locations.cache_folders(folder)]
    return [path for cache in caches if cache.is_dir() for path in sorted(cache.rglob("*")) if not path.is_dir()]


def write_counts(folder: Path, counts: Counts) -> None:
    """Write counts to a folder atomically, and remove the counts of other versions of the store.

    Only folders that healthkit wrote are removed. Raises OSError where the folder is not writable, or is not a cache of
    healthkit.
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
    """Write counts into a folder as Parquet files, and create the folder if needed."""
    folder.mkdir(exist_ok=True)
    for name in TABLE_NAMES:
        getattr(counts, name).to_parquet(folder / f"{name}.parquet")


def _make_counts_folder(folder: Path) -> None:
    """Create the folder for caches; one in the user's cache is private to the user."""
    if not folder.parent.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)


def _remove_others(folder: Path) -> None:
    """Remove the counts of other states of the store, and those in `folder` that cannot be read.

    A folder with another name, without a marker, with other files, or behind a symbolic link is the user's, and stays.
    """
    if folder.parent.is_symlink():
        return
    version = folder.name.split("-")[0]
    for name in os.listdir(folder.parent):
        if FOLDER_PATTERN.fullmatch(name) and (name == folder.name or not name.startswith(f"{version}-")):
            marked_folders.remove(folder.with_name(name), CACHE_FILES)
