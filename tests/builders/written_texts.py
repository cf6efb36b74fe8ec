"""All texts that lie in the files of a folder, for tests that look for what may not be there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """All that the files below a folder hold, as text; tables are unpacked, for packing would hide a word."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        yield path, path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            yield path, str(pq.read_table(path).to_pylist())
        elif path.suffix == ".arrow":
            yield path, str(pa.ipc.open_file(path).read_all().to_pylist())
