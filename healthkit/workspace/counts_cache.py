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
from healthkit.metrics.exposure import Counts, Track
from healthkit.metrics.policy import Rule, files
from healthkit.schema import tables
from healthkit.store import Store, StoreError

_LOG = logging.getLogger(__name__)

NAMES = ("exposure", "faults", "coverage", "unknown")
FILES = re.compile("|".join(rf"{name}\.parquet" for name in NAMES))
"""All that a folder of counts holds beside its marker."""
WRITING = ".writing-"
"""Counts on their way into a folder of their own."""
NAMED = re.compile(r"v(-1|\d+-[0-9a-f]{8})-[0-9a-f]{12}")
"""How a folder of counts is named: the state of the store, and a digest of what they depend on besides."""

RulesOf = Callable[[Iterable[str]], list[Rule]]
"""Every rule that some marketplaces ever had."""


def places_of(store: Store, more: Iterable[str] = ()) -> list[Path]:
    """The folders where the counts of a store may stand, the best first: beside it, and in the user's cache.

    They are named by the state of the store, of the rules and of the code that counts. `more` are paths of rules beside
    those of the kit.
    """
    name = f"v{store.state()}-{_digest(more)}"
    return [place.resolve() / "counts" / name for place in store.besides]


def _digest(more: Iterable[str]) -> str:
    """What the counts depend on besides the store: the rules there are, and the code that counts."""
    rules = [*files().values(), *map(Path, more)]
    code = [Path(module.__file__ or "") for module in (metrics, exposure, tables)]
    code += sorted(Path(store.__file__ or "").parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in [*code, *rules])).hexdigest()[:12]


def counts(store: Store, places: list[Path], rules_of: RulesOf, track: Track = iter) -> tuple[Counts, Path | None]:
    """The counts of all accounts of a store, and in which of `places` they stand now; None where none takes them.

    `track` follows what is counted.
    """
    for place in places:
        found = read(place)
        if found is not None:
            _LOG.debug("counts read from %s", place)
            return found, place
    made = _brought_up(store, places, rules_of, track) or _made(store, store.groups(), rules_of, track)
    return made, _keep(store, places, made)


def _made(held: Store, groups: list[list[str]], rules_of: RulesOf, track: Track) -> Counts:
    """All counts again, group by group."""
    rules = rules_of(held.marketplaces())
    _LOG.info("counting %d accounts in %d groups", sum(map(len, groups)), len(groups))
    # Of several groups the groups are followed, of one its metrics.
    outer, inner = (track, iter) if len(groups) > 1 else (iter, track)
    parts = [exposure.count(held.ledger(group), rules, inner) for group in outer(groups)]
    return _together(parts) if parts else exposure.count(held.ledger(), rules)


def _brought_up(store: Store, places: list[Path], rules_of: RulesOf, track: Track) -> Counts | None:
    """The newest kept counts, with those accounts counted again that changed since; None where none can be used."""
    for state, place in _older(places):
        older = read(place)
        changed = _changed(store, state)
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
        parts = [_made(store, store.groups(again), rules_of, track)] if again else []
        return _together([stand, *parts])
    return None


def _older(places: list[Path]) -> list[tuple[str, Path]]:
    """The states of the store whose counts are kept for the same rules, newest first, each with its folder."""
    found = []
    for place in places:
        digest = place.name.rpartition("-")[2]
        with contextlib.suppress(OSError):
            found += [
                (name.removeprefix("v").removesuffix(f"-{digest}"), place.with_name(name))
                for name in os.listdir(place.parent)
                if NAMED.fullmatch(name) and name.endswith(f"-{digest}")
            ]
    return sorted(found, key=lambda one: _version_of(one[0]), reverse=True)


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
    try:
        if not place.is_dir():
            return None
        frames = (pd.read_parquet(place / f"{name}.parquet") for name in NAMES)
        return Counts(*(exposure.categorised(frame) for frame in frames))
    except (OSError, ValueError):
        # Cut off, half removed, or another user's: it is counted again and written again.
        return None


def _keep(store: Store, places: list[Path], counts: Counts) -> Path | None:
    """Keep counts for the next question, in the first of the places that takes them; where nothing can be written,
    nothing is kept, and that is slower the next time."""
    for place in places:
        try:
            write(place, counts)
        except OSError as error:
            _LOG.log(logging.WARNING if place == places[-1] else logging.INFO, "no counts at %s: %s", place, error)
            continue
        # After a purge no counts of an older version may stay on disk, also none that were made meanwhile.
        try:
            store.state()
        except StoreError:
            marked_folders.remove(place, FILES)
            return None
        return place
    return None


def clear(folder: store.Folder) -> int:
    """Remove all counts that were kept of a store; how many folders of them there were.

    Only what the kit wrote is removed: folders that are named as those of counts and marked, and its files in them.
    """
    found = 0
    for beside in store.locations.besides(folder):
        place = beside / "counts"
        for path in sorted(place.iterdir()) if place.is_dir() and not place.is_symlink() else ():
            if NAMED.fullmatch(path.name) or path.name.startswith(WRITING):
                found += marked_folders.remove(path, FILES)
    return found


def remaining(folder: store.Folder) -> list[Path]:
    """The files below the folders of counts of a store: after `clear`, those that are not proven to be the kit's."""
    places = [beside / "counts" for beside in store.locations.besides(folder)]
    return [path for place in places if place.is_dir() for path in sorted(place.rglob("*")) if not path.is_dir()]


def write(place: Path, counts: Counts) -> None:
    """Write counts, and remove those of older states of the store, as far as the kit wrote them.

    They appear whole or not at all: written aside first, then moved into place. Raises OSError where nothing can be
    written, or where another folder stands in their place.
    """
    _make_private(place.parent)
    marked_folders.sweep(place.parent, {WRITING: FILES})
    # Whoever may read the store may read its counts.
    aside = marked_folders.make(place.parent, WRITING, 0o777)
    try:
        write_files(aside, counts)
        _remove_others(place)
        marked_folders.release(aside)
        if place.exists() and not marked_folders.is_marked(place):
            raise FileExistsError(17, "a folder that is not healthkit's stands there", str(place))
        # Another process may keep the same counts in the meantime; theirs are as good.
        with contextlib.suppress(OSError):
            os.replace(aside, place)
    finally:
        marked_folders.remove(aside, FILES)


def write_files(folder: Path, counts: Counts) -> None:
    """Write counts into a folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        getattr(counts, name).to_parquet(folder / f"{name}.parquet")


def _make_private(folder: Path) -> None:
    """Make the folder for counts; in the user's cache, its own is for the user alone."""
    if not folder.parent.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)


def _remove_others(place: Path) -> None:
    """Remove the counts of other states of the store, and those in `place` that cannot be read.

    What is not named as counts are, is not marked, holds other files, or is a symbolic link, is the user's and stays.
    """
    if place.parent.is_symlink():
        return
    version = place.name.split("-")[0]
    for name in os.listdir(place.parent):
        if NAMED.fullmatch(name) and (name == place.name or not name.startswith(f"{version}-")):
            marked_folders.remove(place.with_name(name), FILES)
