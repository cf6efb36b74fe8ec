"""The embedded store: append-only Delta tables, read as they are known now or as of a version, checked and mended.

The only room with deltalake and duckdb.
"""

from healthkit.store.conflicts import MissingRatings, SameFile, SharedOrders
from healthkit.store.locations import Bucket, Folder, folder_of
from healthkit.store.maintenance import (
    Checked,
    Compacted,
    Damage,
    Repaired,
    Version,
    check,
    compact,
    repair,
    versions,
)
from healthkit.store.merge_sql import ledger_of, schema
from healthkit.store.purging import Purged, purge
from healthkit.store.removal import RawFile, Removal, find_removal, remove
from healthkit.store.store import NoPermissionError, Store, StoreError, Taken, refuse_unknown

__all__ = [
    "Bucket",
    "Checked",
    "Compacted",
    "Damage",
    "Folder",
    "MissingRatings",
    "NoPermissionError",
    "Purged",
    "RawFile",
    "Removal",
    "Repaired",
    "SameFile",
    "SharedOrders",
    "Store",
    "StoreError",
    "Taken",
    "Version",
    "check",
    "compact",
    "find_removal",
    "folder_of",
    "ledger_of",
    "purge",
    "refuse_unknown",
    "remove",
    "repair",
    "schema",
    "versions",
]
