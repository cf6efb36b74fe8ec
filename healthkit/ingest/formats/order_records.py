"""Order lines from JSON of order APIs other than Amazon's, as rows of text for `order_files.parse_records`.

Shared by the readers of these APIs: find the orders in a file of responses, read single values, keep the newest record
of each order. Nothing of buyers is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from healthkit.ingest.formats.orders_api import MAX_FILE_BYTES
from healthkit.ingest.formats.performance_json import JsonObject, parse_json
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.order_layouts import OrderLayout
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError
from healthkit.ingest.parsing.reported_figures import redact_any_value, refuse_value
from healthkit.ingest.parsing.time_formats import parse_time

Line = Mapping[str, str | None]
"""One line of an order: text by column, as in `order_layouts.COLUMNS`."""
NO_DAY_REASON = "orders without a day on which they were placed"
NOT_A_RESPONSE = "responses that hold no orders (errors, other calls)"

_EARLIEST, _LATEST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MILLISECONDS = Decimal(1000)


@dataclass
class OrderRecords:
    """Lines of the orders of one file, each order from its newest record.

    `lines` and `updated` have order ids as keys. `skipped` counts what is left out, by reason.
    """

    lines: dict[str, list[Line]] = field(default_factory=dict)
    updated: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def add_order(self, order: str, updated_at: str, lines: list[Line]) -> None:
        """Add the lines of an order, unless a record that is newer has been added."""
        if updated_at >= self.updated.get(order, ""):
            self.updated[order], self.lines[order] = updated_at, lines

    def count_skipped(self, reason: str) -> None:
        """Add 1 to the number of things that are left out for the given reason."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def rows(self) -> list[Line]:
        """Return the lines of all orders."""
        return [line for lines in self.lines.values() for line in lines]


def find_orders(content: bytes, context: ReadContext, kind: DocumentKind, keys: Collection[str]) -> list[JsonObject]:
    """Return every object of a JSON file that has all the given keys.

    Raises ReaderError for a file that is too large, or no valid JSON.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ReaderError(
            f"{context.name}: holds {len(content):,} bytes; no more than {MAX_FILE_BYTES:,} are read. "
            "Keep the pages in several files."
        )
    response = parse_json(content, context.name, kind.title)
    return list(find_objects(response, f"{context.name}: response", keys))


def find_objects(value: Any, where: str, keys: Collection[str]) -> Iterator[JsonObject]:
    """Yield every object that has all the given keys, but none inside another such object.

    >>> pages = [{"orders": [{"id": 1, "day": 2}]}, {"id": 3}]
    >>> [found.fields["id"] for found in find_objects(pages, "file", ["id", "day"])]
    [1]
    """
    if isinstance(value, dict):
        if set(keys) <= value.keys():
            yield JsonObject(value, where)
            return
        for key, inner in value.items():
            yield from find_objects(inner, f"{where}.{key}" if key.isidentifier() else where, keys)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from find_objects(inner, f"{where}[{number}]", keys)


def read_text(block: JsonObject, key: str) -> str | None:
    """Return a text, or a whole number as text, without surrounding blanks; None if it is missing or empty."""
    value = block.fields.get(key)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = f"{value:.0f}"
    if value is None:
        return None
    if not isinstance(value, str):
        refuse_value(block.path_of(key), value, "where a text belongs")
    # Half of a pair of UTF-16 is no letter, though JSON can write it.
    if any("\ud800" <= letter <= "\udfff" for letter in value) or "\0" in value:
        refuse_value(block.path_of(key), value, "holds letters that are none")
    return " ".join(value.split()) or None


def read_id(block: JsonObject, key: str, layout: OrderLayout) -> str:
    """Return the id of an order; raise ReaderError if it is missing or malformed."""
    value = read_text(block, key)
    if value is None:
        raise ReaderError(f"{block.path_of(key)} is empty, though no order may lack it. {HINT_DOWNLOAD_AGAIN}")
    if not re.search(layout.order_id, value):
        refuse_value(block.path_of(key), value, "no order id")
    return value


def read_word(block: JsonObject, key: str, column: str, layout: OrderLayout) -> str | None:
    """Return the word of the kit for a word of the API; None if it is missing.

    Raises ReaderError for a word that the layout does not know.
    """
    value = read_text(block, key)
    if value is None:
        return None
    word = layout.words[column].get(value.lower())
    if word is None:
        there = ", ".join(layout.words[column])
        raise ReaderError(
            f"{block.path_of(key)} {redact_any_value(value)} unknown; there are: {there}. Add it to "
            f"`words: {{{column}: ...}}` of {layout.kind.name} in data/column_map.yaml."
        )
    return word


def read_stamp(block: JsonObject, key: str) -> str | None:
    """Return a time as ISO 8601 in UTC, from ISO 8601 with an offset; None if it is missing.

    Raises ReaderError for other text.
    """
    value = read_text(block, key)
    if value is None:
        return None
    found = parse_time(value)
    if found is None or found.moment.tzinfo is None:
        refuse_value(block.path_of(key), value, "no time with an offset, as 2026-10-31T17:45:00Z")
    return _to_text(found.moment)


def read_epoch(block: JsonObject, key: str) -> str | None:
    """Return a time as ISO 8601 in UTC, from milliseconds since 1970 or ISO 8601; None if it is missing.

    Times before 1995 are taken as missing, for APIs state such where they know none. Raises ReaderError for other
    values.
    """
    value = block.fields.get(key)
    if isinstance(value, str) and not value.strip().lstrip("-").isdigit():
        return read_stamp(block, key)
    text = read_text(block, key)
    if text is None:
        return None
    try:
        moment = datetime.fromtimestamp(float(Decimal(text) / _MILLISECONDS), UTC)
    except (ArithmeticError, OverflowError, ValueError, OSError):
        refuse_value(block.path_of(key), value, "no time in milliseconds since 1970")
    if moment >= _LATEST:
        refuse_value(block.path_of(key), value, "no time in milliseconds since 1970")
    return _to_text(moment) if moment >= _EARLIEST else None


def _to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
