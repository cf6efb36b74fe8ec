"""Damaged twins of the small raw files, and what the readers say of them."""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from healthkit.ingest.formats import ReaderError, discover_files, parse_file
from healthkit.schema import tables
from tests.builders.raw_files import Tiny, put

AGAIN = "ownload (it|the file) again"
NAMES_ITSELF = ("all_orders", "sale_report", "olist")


@dataclass(frozen=True)
class Damage:
    """One way to break a file: what happens to its bytes, and what must be said of it."""

    words: str
    happens: Callable[[Tiny], bytes]
    said: str
    cure: str = AGAIN


def whole(file: Tiny) -> bytes:
    return file.text().encode()


def shifted(file: Tiny) -> bytes:
    """The second row moved right by one cell, its last cell lost."""
    cells = file.rows[1]
    return whole(replace(file, rows=(file.rows[0], ("", *cells[:-1]), *file.rows[2:])))


def shifted_left(file: Tiny) -> bytes:
    """The second row lacks its first cell."""
    cells = file.rows[1]
    return whole(replace(file, rows=(file.rows[0], (*cells[1:], ""), *file.rows[2:])))


def half_written(file: Tiny) -> bytes:
    """The last row breaks off after its first cell."""
    return whole(replace(file, rows=file.rows[:-1])) + file.rows[-1][0].encode()


def numbered(file: Tiny) -> bytes:
    return whole(file.with_cell(1, file.id_column, "1.11E+16"))


def too_long(file: Tiny) -> bytes:
    return whole(replace(file, rows=(file.rows[0], (*file.rows[1], "x", "y"), *file.rows[2:])))


REFUSED = (
    Damage("a column that it needs is missing", lambda file: whole(file.without_column(file.needed)), "lacks {needed}"),
    Damage("a row is shifted to the right", shifted, "row 3"),
    Damage("a row is shifted to the left", shifted_left, "row 3"),
    Damage("a row has too many cells", too_long, "row 3: has (more|8) cells"),
    Damage("it is empty", lambda file: b"", "is empty", "ask for it again"),
    Damage("it holds blank lines only", lambda file: b"\r\n\r\n", "is empty", "ask for it again"),
    Damage("it is half-written", half_written, "row {last}: the last line breaks off after 1 of {columns} columns"),
    Damage(
        "a date does not exist",
        lambda file: whole(file.with_cell(1, file.date_column, file.impossible_date)),
        "row 3: {date}",
    ),
    Damage("an order id is missing", lambda file: whole(file.with_cell(1, file.id_column, "")), "row 3: {id} is empty"),
    Damage(
        "a spreadsheet made numbers of its ids", numbered, "row 3: {id} is '1.11E\\+16', a number where an id belongs"
    ),
    Damage("it is UTF-16 without its mark", lambda file: file.text().encode("utf-16-le"), "NUL bytes"),
    Damage("it is UTF-16 and cut off", lambda file: file.text().encode("utf-16")[:-1], "breaks off at byte"),
    Damage("its gzip is cut off", lambda file: gzip.compress(whole(file))[:-20], "cannot be opened"),
    Damage("its zip is cut off", lambda file: b"PK\x03\x04" + whole(file), "cannot be opened"),
)


def expected(damage: Damage, file: Tiny) -> str:
    """The pattern that the message must fit."""
    named = {
        "needed": file.needed,
        "date": file.date_column,
        "id": file.id_column,
        "last": str(len(file.rows) + 1),
        "columns": str(len(file.header)),
    }
    spelt = {name: re.sub("[ _]", "-", text.lower()) for name, text in named.items()}
    return damage.said.format(**spelt)


def said_of(folder: Path, **told: Any) -> str:
    """What the readers say of the files in a folder, none of which they may take."""
    sources, refused = discover_files([folder])
    messages = [refusal.message for refusal in refused]
    for source in sources:
        told.setdefault("marketplace", None if source.kind in NAMES_ITSELF else "US")
        with pytest.raises(ReaderError) as raised:
            parse_file(source, **told)
        messages.append(str(raised.value))
    return "\n".join(messages)


BY_HAND = r"Correct the cell; times are written|save the file as CSV again"
"""A file that the user wrote cannot be downloaded again: its cure is to correct it."""


RAW = {table.name: table for table in tables.RAW_TABLES}
ODD_CELLS = st.one_of(
    st.text(max_size=12).map(lambda text: re.sub(r"[\t\n\r]", " ", text)),
    st.sampled_from(
        ["", " ", '"', "NULL", "1E+16", "-1", "99999999999", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
         "2026-03-08T02:30:00-08:00", "S01-0000001-0000001", "Non-Amazon", "Amazon.de", "true", "\ufeff", "\u2028"],
    ),
)  # fmt: skip
seeded = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def whole_or_refused(read_it) -> None:
    """Nothing but ReaderError may be raised, and what comes out is as its table promises."""
    try:
        one = read_it()
    except ReaderError:
        return
    for name, table in one.tables.items():
        tables.check_table(table, RAW[name])
        assert table.column_names == list(RAW[name].columns)


def spoilt(data: Any, content: bytes) -> bytes:
    """Some bytes flipped, and perhaps the end cut off."""
    made = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    return bytes(made[: data.draw(st.one_of(st.just(len(made)), st.integers(0, len(made))))])


def read_from_disk(content: bytes, data: Any) -> None:
    told = data.draw(st.sampled_from([None, "US", "JP"]))
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), content)
        for source in discover_files([folder])[0]:
            whole_or_refused(lambda source=source: parse_file(source, marketplace=told))


def without_own_column(message):
    """Return a refusal without the file's own name of a column, which stands behind the name used here."""
    return re.sub(r" \(column [^)]*\)", "", message)
