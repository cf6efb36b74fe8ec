"""Rows of one table that are many: kept in a file without a name, and handed on batch by batch.

The file is gone with the process, however that ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

from healthkit.ingest.parsing.future_days import DayStatistics
from healthkit.ingest.parsing.raw_file import ReaderError

BATCH_ROWS = 1 << 16
"""So many rows are handed on at once."""


class SpillFile:
    """Rows of orders that are added part by part and, once finished, read batch by batch, as often as one likes.

    `same` holds the columns whose value is the same in every row, which are not written; it may change until then.
    """

    def __init__(self, name: str, schema: pa.Schema, constant_columns: dict[str, Any]) -> None:
        self.name, self.schema, self.same = name, schema, constant_columns
        self.num_rows, self.days = 0, DayStatistics()
        self._kept = pa.schema([field for field in schema if field.name not in constant_columns])
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="healthkit-")  # noqa: SIM115 - lives as long as this
        self._writer = ipc.new_stream(self._file, self._kept, options=ipc.IpcWriteOptions(compression="lz4"))
        self._excluded_orders, self._excluded_before_row = np.array([], np.int64), 0

    def add(self, rows: pa.Table) -> None:
        """Append rows. Raises ReaderError where there is no room for them."""
        try:
            self._writer.write_table(rows.select(self._kept.names).cast(self._kept))
        except OSError as error:
            raise ReaderError(
                f"{self.name}: there is no room for its rows in {tempfile.gettempdir()} ({error}); nothing was added. "
                "Make room there, or name another folder in TMPDIR."
            ) from error
        self.num_rows += rows.num_rows
        self.days.add(rows)

    def exclude_orders(self, orders: np.ndarray) -> None:
        """Rows of these orders (see `numbers_of`, sorted), as far as they were added till now, are not handed on."""
        self._excluded_orders, self._excluded_before_row = orders, self.num_rows

    def finish(self) -> None:
        """All rows are there."""
        self._writer.close()
        if len(self._excluded_orders):
            self.num_rows = sum(batch.num_rows for batch in self._remaining_batches())

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, batch by batch."""
        for held in self._remaining_batches():
            for begin in range(0, held.num_rows, BATCH_ROWS):
                rows = held.slice(begin, BATCH_ROWS)
                columns = [
                    pa.repeat(pa.scalar(self.same[field.name], field.type), rows.num_rows)
                    if field.name in self.same else rows.column(field.name)
                    for field in self.schema
                ]  # fmt: skip
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _remaining_batches(self) -> Iterator[pa.RecordBatch]:
        """The batches as they were written, without the rows that were left out."""
        self._file.seek(0)
        place = 0
        for batch in ipc.open_stream(self._file):
            until = min(batch.num_rows, max(0, self._excluded_before_row - place))
            place += batch.num_rows
            if until and len(self._excluded_orders):
                gone = is_in_sorted(order_numbers(batch.column("order_id")), self._excluded_orders)
                gone[until:] = False
                yield batch.filter(pa.array(~gone))
            else:
                yield batch


def order_numbers(order_ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Amazon's order ids as whole numbers: seventeen digits, so no two are alike.

    >>> order_numbers(pa.array(["111-0000002-0000003"])).tolist()
    [11100000020000003]
    """
    return np.asarray(pc.replace_substring(order_ids, "-", "").cast(pa.int64()).to_numpy(zero_copy_only=False))


def is_in_sorted(numbers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of some numbers stand among others, which are sorted.

    >>> is_in_sorted(np.array([3, 4]), np.array([1, 3, 5])).tolist()
    [True, False]
    """
    if not len(known):
        return np.zeros(len(numbers), dtype=bool)
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.asarray(known[places] == numbers)
