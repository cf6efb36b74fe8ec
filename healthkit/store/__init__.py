"""The embedded store: append-only Delta tables, read as they are known now or as of a version, checked and mended.

The only room with deltalake and duckdb.
"""

from healthkit.store.bucket import Bucket, Place, place_of
from healthkit.store.merging import ledger_of, schema
from healthkit.store.store import Store, StoreError, refuse_unknown
from healthkit.store.upkeep import Checked, Compacted, Damage, Version, check, compact, repair, versions

__all__ = [
    "Bucket",
    "Checked",
    "Compacted",
    "Damage",
    "Place",
    "Store",
    "StoreError",
    "Version",
    "check",
    "compact",
    "ledger_of",
    "place_of",
    "refuse_unknown",
    "repair",
    "schema",
    "versions",
]
