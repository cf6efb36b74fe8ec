"""Remove raw files from a store: find them by name or account, describe what goes with them, remove them.

A raw file is in the store when REPORTS has its row. A removal drops these rows in a new version: no query reads the
other rows of the file any more, it can be imported again, and older versions stay as they are. `purge` deletes the rows
from disk.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from pyarrow.fs import FileSystem

from healthkit.schema import tables
from healthkit.store import locks
from healthkit.store.locations import list_files, open_filesystem
from healthkit.store.logs import (
    FILE_COUNT_KEY,
    OPERATION_KEY,
    REMOVE_OPERATION,
    find_commit_info,
    list_log_entries,
    read_log_entry,
)
from healthkit.store.merge_sql import arrow_schema
from healthkit.store.store import APPEND_ATTEMPTS, Store, StoreError, refuse_unknown_accounts

_LOG = logging.getLogger(__name__)

DELETE_BATCH_SIZE = 5_000
"""Largest number of reports whose rows one Delta command deletes.

With more than 20,000 the process crashes.
"""
MAX_FILES_NAMED = 12
"""Largest number of raw files that an error message names before it counts the rest."""
_NUMBERED_NAME = re.compile(r"(?P<name>.+)#(?P<number>\d+)")


class ImportedFile(NamedTuple):
    """One raw file of a store, with the columns of its row in REPORTS."""

    report: str
    digest: str
    name: str
    kind: str
    account: str | None
    rows: int
    first_day: date | None
    last_day: date | None
    number: int

    def __str__(self) -> str:
        days = f", {self.first_day} to {self.last_day}" if self.first_day else ""
        whose = self.account or "many accounts"
        return f"{self.name}#{self.number}  {self.kind} of {whose}{days}, {self.rows:,} rows"


@dataclass(frozen=True)
class Removal:
    """Raw files to remove from a store, with the accounts, orders and days that this affects.

    `files` are those that the store has now; `already_removed` were taken out before and are in older versions only.
    `orders` is the number of orders in `files`, `orders_in_other_files` how many of these stay because other files have
    them too. `emptied_accounts` are the accounts that have no raw file left afterwards.
    """

    files: list[ImportedFile]
    already_removed: list[ImportedFile] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    emptied_accounts: list[str] = field(default_factory=list)
    orders: int = 0
    orders_in_other_files: int = 0
    first_day: date | None = None
    last_day: date | None = None


def find_removal(
    store: Store, names: Iterable[str] = (), account: str | None = None, *, with_earlier: bool = False
) -> Removal:
    """Find raw files to remove by name, by account or by both; return them with what the removal affects.

    A name is that of REPORTS ("acme/orders.txt"), its last part if that is unique, or either with the number of the
    import ("acme/orders.txt#12") if several files have the same name. `with_earlier` also finds files that were
    removed before and are in older versions. Raises StoreError for a name that fits no file or several, for an unknown
    account, and for an account with rows in a file of several accounts.
    """
    store.must_exist()
    names = list(names)
    if not names and account is None:
        raise StoreError("Name the raw files to remove: --file NAME or --account NAME.")
    now = _imported_files(store.reports_with_row_counts()[0])
    earlier = [] if not with_earlier else files_of_older_versions(store, {file.digest for file in now})
    if account is not None:
        _refuse_shared_files(store, account, now, names)
        now, earlier = ([file for file in rows if file.account == account] for rows in (now, earlier))
        if not now and not earlier:
            _refuse_unknown_account(store, account)
    if names:
        chosen = [_find_by_name(name, now, earlier, store) for name in names]
        now = [file for file in now if file in chosen]
        earlier = [file for file in earlier if file in chosen]
    return _describe_removal(store, list(dict.fromkeys(now)), earlier)


def _imported_files(reports: pa.Table) -> list[ImportedFile]:
    """Return the rows of REPORTS as raw files, in the order of their import."""
    rows = [
        ImportedFile(**{name: row[name] for name in ImportedFile._fields} | {"digest": row["digest"] or row["report"]})
        for row in reports.to_pylist()
    ]
    return sorted(rows, key=lambda file: (file.number, file.report))


def files_of_older_versions(store: Store, excluded_digests: Collection[str] = ()) -> list[ImportedFile]:
    """Return the raw files of all versions of REPORTS, each once, without those that have excluded digests."""
    filesystem = open_filesystem(store.folder / tables.REPORTS.name)
    paths = [path for path in list_files(filesystem, "") if path.endswith(".parquet")]
    files = {file.digest: file for file in _imported_files(read_reports_files(filesystem, paths))}
    return [file for file in files.values() if file.digest not in excluded_digests]


def read_reports_files(filesystem: FileSystem, paths: Iterable[str]) -> pa.Table:
    """Read the given data files of REPORTS in its present schema, skipping files that are not readable."""
    schema, parts = arrow_schema(tables.REPORTS), []
    for path in sorted(paths):
        try:
            with filesystem.open_input_file(path) as opened:
                rows = pq.read_table(opened)
        except (OSError, pa.ArrowException):
            continue
        if {"report", "name", "kind", "account", "rows", "number"} <= set(rows.column_names):
            columns = [rows[name] if name in rows.column_names else pa.nulls(len(rows)) for name in schema.names]
            parts.append(pa.table(columns, names=schema.names).cast(schema))
    return pa.concat_tables([schema.empty_table(), *parts])


def _refuse_unknown_account(store: Store, account: str) -> None:
    """Raise StoreError, with the known accounts, for an account without a raw file."""
    known = {name for name in store.reports_with_row_counts()[0]["account"].to_pylist() if name is not None}
    refuse_unknown_accounts([account], sorted(known), store.folder)


def _refuse_shared_files(store: Store, account: str, files: Sequence[ImportedFile], names: Sequence[str]) -> None:
    """Raise StoreError if an account has rows in files of several accounts, which are only removed as a whole."""
    shared_files = [] if names else [file for file in files if file.account is None]
    accounts_by_file = {file.name: store.accounts_in_reports([file.report]) for file in shared_files}
    affected = {name: accounts for name, accounts in accounts_by_file.items() if account in accounts}
    if affected:
        listed = ", ".join(f"{name} ({len(accounts):,} accounts)" for name, accounts in affected.items())
        raise StoreError(
            f"Rows of {account!r} stand in files of many accounts, from which one account cannot be removed alone: "
            f"{listed}. Nothing was removed. Remove the whole file with --file, and import one without this account."
        )


def _find_by_name(
    name: str, now: Sequence[ImportedFile], earlier: Sequence[ImportedFile], store: Store
) -> ImportedFile:
    """Return the raw file with a name. Raises StoreError if none or several have it."""
    for files in (now, earlier):
        found = _match_name(name, files)
        if len(found) == 1:
            return found[0]
        if found:
            raise StoreError(
                f"{len(found):,} raw files of {store.folder} are named {name!r}. Say which, with its number:\n"
                + _format_files(found)
            )
    last = PurePosixPath(name).name
    parts = {file.name for file in now} | {PurePosixPath(file.name).name for file in now}
    close = {match for text in (name, last) for match in get_close_matches(text, parts, n=MAX_FILES_NAMED)}
    likely = [file for file in now if {file.name, PurePosixPath(file.name).name} & close] or list(now)
    raise StoreError(
        f"No raw file {name!r} in {store.folder}. "
        + (f"There are:\n{_format_files(likely)}" if likely else "It holds no raw file of that account.")
    )


def _match_name(name: str, files: Sequence[ImportedFile]) -> list[ImportedFile]:
    """Return the files with a name: with the whole name, else those whose name ends the path, else by the last part."""
    numbered = _NUMBERED_NAME.fullmatch(name)
    if numbered and not any(file.name == name for file in files):
        of_number = [file for file in files if file.number == int(numbered["number"])]
        return _match_name(numbered["name"], of_number)
    tests = (
        lambda file: file.name == name,
        lambda file: name.endswith(f"/{file.name}"),
        lambda file: PurePosixPath(file.name).name == name,
    )
    return next((found for test in tests if (found := list(filter(test, files)))), [])


def _format_files(files: Sequence[ImportedFile]) -> str:
    """Return raw files as text, one a line."""
    lines = [f"  {file}" for file in files[:MAX_FILES_NAMED]]
    if len(files) > MAX_FILES_NAMED:
        lines.append(f"  and {len(files) - MAX_FILES_NAMED:,} more")
    return "\n".join(lines)


def _describe_removal(store: Store, files: list[ImportedFile], earlier: list[ImportedFile]) -> Removal:
    """Return a removal of some files, with the accounts, orders and days that it affects."""
    if not files:
        return Removal([], earlier, sorted({file.account for file in earlier if file.account}))
    removed = {file.report for file in files}
    days = [day for file in files for day in (file.first_day, file.last_day) if day is not None]
    remaining = [file for file in _imported_files(store.reports_with_row_counts()[0]) if file.report not in removed]
    accounts, remaining_accounts = _accounts_of(store, files), _accounts_of(store, remaining)
    is_shared = any(file.account is None for file in files)
    orders, orders_in_other_files = store.count_orders_in_reports(removed, None if is_shared else accounts)
    return Removal(
        files, earlier, accounts, [name for name in accounts if name not in remaining_accounts], orders,
        orders_in_other_files, min(days, default=None), max(days, default=None),
    )  # fmt: skip


def _accounts_of(store: Store, files: Sequence[ImportedFile]) -> list[str]:
    """Return the sorted accounts with rows in some raw files."""
    shared = [file.report for file in files if file.account is None]
    own = {file.account for file in files if file.account is not None}
    return sorted(own | set(store.accounts_in_reports(shared) if shared else ()))


def remove(store: Store, removal: Removal) -> None:
    """Remove the raw files of a removal from the store in a new version, either all or none.

    Files that the store no longer has are ignored. Raises StoreError if other writers always commit first.
    """
    with locks.hold_shared_lock(store.folder):
        drop_files_by_digest(store, {file.digest for file in removal.files})


def drop_files_by_digest(store: Store, digests: Collection[str]) -> None:
    """Drop all rows of REPORTS that have one of the given digests, in one new version."""
    for attempt in range(APPEND_ATTEMPTS):
        delta = store.delta(tables.REPORTS)
        rows = None if delta is None else store.all_report_rows(delta)
        if delta is None or rows is None:
            return
        is_dropped = pc.is_in(pc.coalesce(rows["digest"], rows["report"]), pa.array(list(digests), pa.string()))
        if not pc.any(is_dropped).as_py():
            return
        commit_info = {
            OPERATION_KEY: REMOVE_OPERATION,
            FILE_COUNT_KEY: str(len(set(rows["report"].filter(is_dropped).to_pylist()))),
        }
        try:
            # One entry: rows that another import appends meanwhile are not replaced.
            write_deltalake(
                delta, rows.filter(pc.invert(is_dropped)), mode="overwrite", schema_mode="merge",
                commit_properties=CommitProperties(custom_metadata=commit_info),
            )  # fmt: skip
            _LOG.info("%s: %s raw files removed", store.folder, commit_info[FILE_COUNT_KEY])
            return
        except CommitFailedError as error:
            _LOG.info(
                "%s: another import committed first, attempt %d of %d", store.folder, attempt + 1, APPEND_ATTEMPTS
            )
            if attempt == APPEND_ATTEMPTS - 1:
                raise StoreError(f"Too many imports at once into {store.folder}. Run this again.") from error
        except (DeltaError, OSError) as error:
            raise store.damage_error(tables.REPORTS, error) from error


def delete_rows_of_reports(delta: DeltaTable, reports: Collection[str]) -> None:
    """Delete the rows of the given reports from a Delta table."""
    names = sorted(reports)
    for first in range(0, len(names), DELETE_BATCH_SIZE):
        listed = ", ".join(f"'{report}'" for report in names[first : first + DELETE_BATCH_SIZE])
        delta.delete(f"report in ({listed})")


def removed_reports(store: Store) -> set[str]:
    """Return the ids of the reports that were removed but are still in older versions.

    Reports that a repair left out are not included.
    """
    filesystem, found = open_filesystem(store.folder / tables.REPORTS.name), set[str]()
    for version in list_log_entries(filesystem):
        actions = read_log_entry(filesystem, version) or []
        if find_commit_info(actions).get(OPERATION_KEY) != REMOVE_OPERATION:
            continue
        before, after = (
            set(read_reports_files(filesystem, paths)["report"].to_pylist())
            for paths in ([action[name]["path"] for action in actions if name in action] for name in ("remove", "add"))
        )
        found |= before - after
    return found - store.digests_by_report().keys()
