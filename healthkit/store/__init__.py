"""The embedded store: append-only Delta tables, read as they are known now or as of a version, checked and mended.

The only room with deltalake and duckdb.
"""

from healthkit.store.folders import Bucket, Folder, folder_of
from healthkit.store.merging import ledger_of, schema
from healthkit.store.store import NoPermissionError, Store, StoreError, refuse_unknown
from healthkit.store.upkeep import Checked, Compacted, Damage, Repaired, Version, check, compact, repair, versions

__all__ = [
    "Bucket",
    "Checked",
    "Compacted",
    "Damage",
    "Folder",
    "NoPermissionError",
    "Repaired",
    "Store",
    "StoreError",
    "Version",
    "check",
    "compact",
    "folder_of",
    "ledger_of",
    "refuse_unknown",
    "repair",
    "schema",
    "versions",
]
