"""The store: append-only Delta tables, read in their newest state or as of a version; check, repair, compact, purge.

The only package that imports deltalake and duckdb.
"""

from healthkit.store.conflicts import DuplicateFile, MissingRatings, SharedOrders
from healthkit.store.locations import Bucket, Folder, parse_folder
from healthkit.store.maintenance import (
    CheckResult,
    CompactResult,
    Damage,
    RepairResult,
    Version,
    check,
    compact,
    repair,
    versions,
)
from healthkit.store.merge_sql import arrow_schema, build_ledger
from healthkit.store.purging import PurgeResult, purge
from healthkit.store.removal import ImportedFile, Removal, find_removal, remove
from healthkit.store.store import FileRows, NoPermissionError, Store, StoreError, refuse_unknown_accounts

__all__ = [
    "Bucket",
    "CheckResult",
    "CompactResult",
    "Damage",
    "DuplicateFile",
    "FileRows",
    "Folder",
    "ImportedFile",
    "MissingRatings",
    "NoPermissionError",
    "PurgeResult",
    "Removal",
    "RepairResult",
    "SharedOrders",
    "Store",
    "StoreError",
    "Version",
    "arrow_schema",
    "build_ledger",
    "check",
    "compact",
    "find_removal",
    "parse_folder",
    "purge",
    "refuse_unknown_accounts",
    "remove",
    "repair",
    "versions",
]
