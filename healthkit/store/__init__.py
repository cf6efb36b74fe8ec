"""The store: append-only Delta tables, read in their newest state or as of a version; check, repair, compact, purge.

The only package that imports deltalake and duckdb.
"""

import lazy_loader as lazy

from healthkit.store.locations import Bucket, Folder, parse_folder
from healthkit.store.merge_sql import arrow_schema, build_ledger
from healthkit.store.store import FileRows, NoPermissionError, Store, StoreError, refuse_unknown_accounts

__getattr__, _, _names = lazy.attach(
    __name__,
    submodules=["conflicts", "maintenance", "purging", "removal"],
    submod_attrs={
        "conflicts": ["DuplicateFile", "MissingRatings", "SharedOrders"],
        "maintenance": [
            "CheckResult",
            "CompactResult",
            "Damage",
            "RepairResult",
            "Version",
            "check",
            "compact",
            "repair",
            "versions",
        ],
        "purging": ["PurgeResult", "purge"],
        "removal": ["ImportedFile", "Removal", "find_removal", "remove"],
    },
)
__all__ = [
    "Bucket",
    "FileRows",
    "Folder",
    "NoPermissionError",
    "Store",
    "StoreError",
    "arrow_schema",
    "build_ledger",
    "parse_folder",
    "refuse_unknown_accounts",
    *_names,
]
