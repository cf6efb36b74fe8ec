"""Take raw files out of a store again: find them by name or account, say what goes with them, remove them.

A raw file is in the store when its row of REPORTS is. Removing drops these rows in a new version: no question reads the
file's other rows any more, its digest is forgotten, so that it can be imported again, and older versions are read as
before. `purge` takes the rows from disk.
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
"""The rows of so many raw files are deleted at once: of more than 20,000 the process breaks down."""
MAX_FILES_NAMED = 12
"""So many raw files are named in an error; of more, their number."""
_NUMBERED_NAME = re.compile(r"(?P<name>.+)#(?P<number>\d+)")


class ImportedFile(NamedTuple):
    """One row of REPORTS: how the file is called, whose it is, what it holds."""

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
    """What a removal takes out of a store.

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
    """Find the raw files to remove: those with these names, or all of an account, or an account's with these names.

    A name is that of REPORTS ("acme/orders.txt"), its last part where only one file has it, or either with the number
    of the import ("acme/orders.txt#12") where several files have one name. `with_earlier` also finds files that were
    removed before, which older versions hold. Raises StoreError for a name that fits none or several files, for an
    unknown account, and for an account whose rows stand in a file of many accounts.
    """
    store.must_exist()
    names = list(names)
    if not names and account is None:
        raise StoreError("Name what is to be removed: --file NAME or --account NAME.")
    now = _imported_files(store.reports_with_row_counts()[0])
    earlier = [] if not with_earlier else files_of_older_versions(store, {one.digest for one in now})
    if account is not None:
        _refuse_shared_files(store, account, now, names)
        now, earlier = ([one for one in rows if one.account == account] for rows in (now, earlier))
        if not now and not earlier:
            _refuse_unknown_account(store, account)
    if names:
        chosen = [_find_by_name(name, now, earlier, store) for name in names]
        now = [one for one in now if one in chosen]
        earlier = [one for one in earlier if one in chosen]
    return _describe_removal(store, list(dict.fromkeys(now)), earlier)


def _imported_files(reports: pa.Table) -> list[ImportedFile]:
    """Rows of REPORTS in the order of their import."""
    rows = [
        ImportedFile(**{name: row[name] for name in ImportedFile._fields} | {"digest": row["digest"] or row["report"]})
        for row in reports.to_pylist()
    ]
    return sorted(rows, key=lambda one: (one.number, one.report))


def files_of_older_versions(store: Store, excluded_digests: Collection[str] = ()) -> list[ImportedFile]:
    """The raw files that older versions of REPORTS name, but those of some digests; each once."""
    filesystem = open_filesystem(store.folder / tables.REPORTS.name)
    paths = [path for path in list_files(filesystem, "") if path.endswith(".parquet")]
    files = {file.digest: file for file in _imported_files(read_reports_files(filesystem, paths))}
    return [file for file in files.values() if file.digest not in excluded_digests]


def read_reports_files(filesystem: FileSystem, paths: Iterable[str]) -> pa.Table:
    """Return the rows of some data files of REPORTS with its present columns; files that are unreadable or no part of
    REPORTS add none."""
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
    """Raise StoreError for an account of which there is no raw file, naming those there are."""
    known = {name for name in store.reports_with_row_counts()[0]["account"].to_pylist() if name is not None}
    refuse_unknown_accounts([account], sorted(known), store.folder)


def _refuse_shared_files(store: Store, account: str, files: Sequence[ImportedFile], names: Sequence[str]) -> None:
    """Raise StoreError where rows of the account stand in files of many accounts, which go whole or not at all."""
    many = [] if names else [one for one in files if one.account is None]
    holding = {one.name: accounts for one in many if account in (accounts := store.accounts_in_reports([one.report]))}
    if holding:
        holders = ", ".join(f"{name} ({len(accounts):,} accounts)" for name, accounts in holding.items())
        raise StoreError(
            f"Rows of {account!r} stand in files of many accounts, of which one account cannot be removed alone: "
            f"{holders}. Nothing was removed. Remove the whole file with --file, and import one without this account."
        )


def _find_by_name(
    name: str, now: Sequence[ImportedFile], earlier: Sequence[ImportedFile], store: Store
) -> ImportedFile:
    """The one raw file that a name means. Raises StoreError for none or several."""
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
    parts = {one.name for one in now} | {PurePosixPath(one.name).name for one in now}
    close = set(get_close_matches(name, parts, n=MAX_FILES_NAMED)) | set(
        get_close_matches(last, parts, n=MAX_FILES_NAMED)
    )
    likely = [one for one in now if {one.name, PurePosixPath(one.name).name} & close] or list(now)
    raise StoreError(
        f"No raw file {name!r} in {store.folder}. "
        + (f"There are:\n{_format_files(likely)}" if likely else "It holds no raw file of that account.")
    )


def _match_name(name: str, files: Sequence[ImportedFile]) -> list[ImportedFile]:
    """The files that a name fits: the whole name first, then the end of a path, then the last part."""
    numbered = _NUMBERED_NAME.fullmatch(name)
    if numbered and not any(one.name == name for one in files):
        of_number = [one for one in files if one.number == int(numbered["number"])]
        return _match_name(numbered["name"], of_number)
    tests = (
        lambda one: one.name == name,
        lambda one: name.endswith(f"/{one.name}"),
        lambda one: PurePosixPath(one.name).name == name,
    )
    return next((found for test in tests if (found := list(filter(test, files)))), [])


def _format_files(files: Sequence[ImportedFile]) -> str:
    """Raw files, one a line."""
    lines = [f"  {one}" for one in files[:MAX_FILES_NAMED]]
    return "\n".join(
        [*lines, *([f"  and {len(files) - MAX_FILES_NAMED:,} more"] if len(files) > MAX_FILES_NAMED else [])]
    )


def _describe_removal(store: Store, files: list[ImportedFile], earlier: list[ImportedFile]) -> Removal:
    """What goes with some files."""
    if not files:
        return Removal([], earlier, sorted({one.account for one in earlier if one.account}))
    going = {one.report for one in files}
    days = [day for one in files for day in (one.first_day, one.last_day) if day is not None]
    of_many = [one.report for one in files if one.account is None]
    named = {one.account for one in files if one.account is not None}
    accounts = sorted(named | set(store.accounts_in_reports(of_many) if of_many else ()))
    staying = [one for one in _imported_files(store.reports_with_row_counts()[0]) if one.report not in going]
    kept = {one.account for one in staying} | set(
        store.accounts_in_reports([o.report for o in staying if o.account is None])
    )
    orders, orders_staying = store.count_orders_in_reports(going, None if of_many else accounts)
    return Removal(
        files, earlier, accounts, [name for name in accounts if name not in kept], orders, orders_staying,
        min(days, default=None), max(days, default=None),
    )  # fmt: skip


def remove(store: Store, removal: Removal) -> None:
    """Drop the raw files of a removal from the store: all of them in a new version, or none.

    Files that are no longer there are passed over. Raises StoreError where others write all the time.
    """
    with locks.hold_shared_lock(store.folder):
        drop_files_by_digest(store, {one.digest for one in removal.files})


def drop_files_by_digest(store: Store, digests: Collection[str]) -> None:
    """Drop the rows of REPORTS that name raw files of these digests, by whatever imports."""
    for attempt in range(APPEND_ATTEMPTS):
        delta = store.delta(tables.REPORTS)
        rows = None if delta is None else store.all_report_rows(delta)
        if delta is None or rows is None:
            return
        going = pc.is_in(pc.coalesce(rows["digest"], rows["report"]), pa.array(list(digests), pa.string()))
        if not pc.any(going).as_py():
            return
        commit_info = {
            OPERATION_KEY: REMOVE_OPERATION,
            FILE_COUNT_KEY: str(len(set(rows["report"].filter(going).to_pylist()))),
        }
        try:
            # All in one entry: rows that another import appends in the meantime are not those that are replaced.
            write_deltalake(
                delta, rows.filter(pc.invert(going)), mode="overwrite", schema_mode="merge",
                commit_properties=CommitProperties(custom_metadata=commit_info),
            )  # fmt: skip
            _LOG.info("%s: %s raw files removed", store.folder, commit_info[FILE_COUNT_KEY])
            return
        except CommitFailedError as error:
            _LOG.info(
                "%s: another import wrote at the same moment, try %d of %d", store.folder, attempt + 1, APPEND_ATTEMPTS
            )
            if attempt == APPEND_ATTEMPTS - 1:
                raise StoreError(f"Too many imports at once into {store.folder}. Run this again.") from error
        except (DeltaError, OSError) as error:
            raise store.damage_error(tables.REPORTS, error) from error


def delete_rows_of_reports(delta: DeltaTable, reports: Collection[str]) -> None:
    """Delete the rows of some reports."""
    names = sorted(reports)
    for first in range(0, len(names), DELETE_BATCH_SIZE):
        listed = ", ".join(f"'{report}'" for report in names[first : first + DELETE_BATCH_SIZE])
        delta.delete(f"report in ({listed})")


def removed_reports(store: Store) -> set[str]:
    """The reports that were removed, and that older versions still read; what a repair forgot is not among them."""
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
