"""Remove raw files, or all files of an account, from a store: preview, removal and purge.

A purge deletes them from disk, together with the cached counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from healthkit import store
from healthkit.files import temp_folders
from healthkit.ingest.amazon_api.pull_state import StateFolder
from healthkit.store import Store
from healthkit.store.purging import PurgeResult
from healthkit.store.removal import Removal
from healthkit.workspace import counts_cache

__all__ = ["PurgeResult", "Removal", "find_removal", "purge", "remove"]

find_removal = store.find_removal
remove = store.remove


def purge(opened_store: Store, removal: Removal, report_folders: Iterable[Path] = ()) -> PurgeResult:
    """Remove raw files permanently: from every version of a store, from its cached counts and from disk.

    Older versions of the store cannot be read afterwards. Not reached: copies elsewhere (backups, disk snapshots),
    printed pages, and what other processes hold in memory. Leftovers of killed processes in temporary folders, and in
    the given folders of reports, are removed too. Files that healthkit did not demonstrably write stay, and are listed.
    Raises StoreError (see `store.purge`). An interrupted purge is completed by running it again.
    """
    temp_folders.remove_abandoned()
    for place in ([opened_store.folder] if isinstance(opened_store.folder, Path) else []) + _report_folders(
        report_folders
    ):
        temp_folders.remove_abandoned(place)
    counts_cache.clear_cache(opened_store.folder)
    purged = store.purge(opened_store, removal)
    # Again: a question that began before may have kept its counts in the meantime.
    counts_cache.clear_cache(opened_store.folder)
    _remove_pull_states(opened_store, removal)
    purged.files_left += counts_cache.list_foreign_files(opened_store.folder)
    return purged


def _remove_pull_states(opened_store: Store, removal: Removal) -> None:
    """Delete what `pull` remembers of accounts that have no file left; it names their reports and days."""
    left = set(opened_store.reports()["account"]) if opened_store.exists() else set()
    purged = {file.account for file in (*removal.files, *removal.already_removed) if file.account is not None}
    for account in purged - left:
        StateFolder(opened_store).remove(account)


def _report_folders(report_folders: Iterable[Path]) -> list[Path]:
    """Return folders of reports, and the folder of each month in them."""
    return [
        place
        for folder in report_folders
        if folder.is_dir()
        for place in (folder, *filter(Path.is_dir, folder.iterdir()))
    ]
