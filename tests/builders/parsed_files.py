"""Raw files of tests, parsed: the one file of a folder, the reason of its refusal, and the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from healthkit.ingest.formats import ParsedFile, ReaderError, discover_files, parse_file
from tests.builders.raw_files import Tiny, put


def read(folder: Path, content: Tiny | str | bytes, name: str = "file.txt", **context: Any) -> ParsedFile:
    put(folder, content, name=name)
    [source], refused = discover_files([folder])
    assert refused == []
    return parse_file(source, **context)


def refusal(folder: Path, content: Tiny | str | bytes, **context: Any) -> str:
    """Return the reason for which a file is refused."""
    put(folder, content, name="file.txt")
    sources, refused = discover_files([folder])
    if refused:
        return refused[0].message
    with pytest.raises(ReaderError) as raised:
        parse_file(sources[0], **context)
    return str(raised.value)


def rows(parsed: ParsedFile, table: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Return the rows of a table by order id, with some columns."""
    return {row["order_id"]: tuple(row[name] for name in columns) for row in parsed.tables[table].to_pylist()}
