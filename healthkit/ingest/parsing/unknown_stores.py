"""Rows of stores that healthkit does not know: they are left out and counted, and the rest of the file is read.

A regional download of Amazon's holds the orders of every store of the region, whatever was asked for. So one order of a
new store must not keep the others out. A cell that is no name of a store is still refused: its row is damaged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import AMAZON_ORDER_ID
from healthkit.ingest.parsing.csv_table import CsvTable
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.marketplaces import MARKETPLACE_BY_SALES_CHANNEL

MAX_NAMED_STORES = 20
"""Largest number of unknown stores that are named one by one."""
ADD_STORE_HINT = (
    "To judge them too, add the store in a policy file with a block new_marketplace (see docs/rules.md), and import "
    "the file again."
)

_REASON = "rows of {}, a store that the kit does not know"
_OTHERS = "further stores"
_FULFILMENT_WORDS = ("merchant", "amazon", "mfn", "afn")
_STORE_NAME = re.compile(r"[^\W\d_][^\W\d_. -]*([. -]{1,2}[^\W\d_. -]+){0,5}")
_OTHER_SHOPS = "non-amazon"
_MAX_NAME_LETTERS = 40


def unknown_store_reason(name: str) -> str:
    """Return why the rows of an unknown store are skipped.

    >>> unknown_store_reason("Amazon.xx")
    'rows of Amazon.xx, a store that the kit does not know'
    """
    return _REASON.format(name)


def is_unknown_store_reason(reason: str) -> bool:
    """Return whether rows that are skipped for a reason are of an unknown store.

    >>> is_unknown_store_reason(unknown_store_reason("Amazon.xx")), is_unknown_store_reason("rows of other money")
    (True, False)
    """
    return reason.endswith(_REASON.partition("{}")[2])


def is_unknown_store(name: str) -> bool:
    """Return whether a cell of a sales channel may be the name of a store that healthkit does not know.

    >>> is_unknown_store("Amazon.xx"), is_unknown_store("Amazon.de"), is_unknown_store("2026-10-01")
    (True, False, False)
    """
    plain = name.lower()
    if plain in MARKETPLACE_BY_SALES_CHANNEL or plain.startswith(_OTHER_SHOPS) or len(name) > _MAX_NAME_LETTERS:
        return False
    return bool(_STORE_NAME.fullmatch(name))


def drop_unknown_stores(table: CsvTable, column: str = "sales-channel") -> tuple[CsvTable, dict[str, int]]:
    """Return the rows of a table that are not of an unknown store, and the number of the others by reason.

    `column` names the store of each row. A row whose order id or fulfilment channel is none stays in the table, where
    the checks of its format refuse it: its cells are shifted, so that the store may be another cell.
    """
    names = [name for name in pc.unique(table[column]).drop_null().to_pylist() if is_unknown_store(name)]
    if not names:
        return table, {}
    dropped = pc.and_(pc.is_in(table[column], value_set=pa.array(names)), pc.invert(_is_shifted(table, column)))
    counts = pc.value_counts(table[column].filter(dropped)).to_pylist()
    reasons = _count_by_reason({one["values"]: one["counts"] for one in counts})
    return table.filter_rows(pc.invert(dropped)), reasons


def refuse_only_unknown_stores(name: str, skipped: Mapping[str, int]) -> None:
    """Raise ReaderError if a file is left empty because all its rows are of unknown stores.

    `skipped` holds the number of rows left out by reason. As an empty file it would say that there was nothing.
    """
    if skipped and all(map(is_unknown_store_reason, skipped)):
        counts = "; ".join(f"{count:,} {reason}" for reason, count in skipped.items())
        raise ReaderError(f"{name}: holds nothing but {counts}. {ADD_STORE_HINT}")


def note_unknown_stores(skipped: Mapping[str, int]) -> list[str]:
    """Return a note on what to do about rows of unknown stores; no note if none was left out."""
    is_found = any(map(is_unknown_store_reason, skipped))
    return [f"Rows of stores that the kit does not know were left out. {ADD_STORE_HINT}"] if is_found else []


def _is_shifted(table: CsvTable, column: str) -> pa.Array:
    """Return for each row whether its cells look shifted.

    A store of one word, such as "Standard", may be the cell of another column unless the fulfilment channel is right.
    """
    ids = table["amazon-order-id" if table.has_column("amazon-order-id") else "order-id"]
    is_damaged = pc.invert(pc.fill_null(pc.match_substring_regex(ids, AMAZON_ORDER_ID), False))
    if table.has_column("fulfillment-channel"):
        channels = pc.utf8_lower(table["fulfillment-channel"])
        return pc.or_(is_damaged, pc.invert(pc.is_in(channels, value_set=pa.array(_FULFILMENT_WORDS))))
    is_word = pc.invert(pc.match_substring_regex(table[column], "[. ]"))
    return pc.or_(is_damaged, pc.fill_null(is_word, True))


def _count_by_reason(counts: dict[str, int]) -> dict[str, int]:
    """Return the number of rows by reason; the stores with the fewest rows are counted together."""
    found: Counter[str] = Counter()
    for number, (name, count) in enumerate(sorted(counts.items(), key=lambda one: (-one[1], one[0]))):
        found[unknown_store_reason(name if number < MAX_NAMED_STORES else _OTHERS)] += count
    return dict(found)
