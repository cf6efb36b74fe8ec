"""Rows of one large table in a temporary file without a name, which the system removes when the process ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

from healthkit.ingest.parsing.raw_file import ReaderError

BATCH_ROWS = 1 << 16
"""Largest number of rows in a batch that `to_batches` yields."""


class SpillFile:
    """Order rows in a temporary file on disk.

    Append rows with `add`, call `finish`, then read the rows in batches as often as needed. `constant_columns` maps
    each column that has one value in all rows to that value. Such columns are not written, and the values may change
    until `finish` is called.
    """

    def __init__(self, name: str, schema: pa.Schema, constant_columns: dict[str, Any]) -> None:
        self.name, self.schema, self.constant_columns = name, schema, constant_columns
        self.num_rows = 0
        self._written_schema = pa.schema([field for field in schema if field.name not in constant_columns])
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="healthkit-")  # noqa: SIM115 - lives as long as this
        self._writer = ipc.new_stream(self._file, self._written_schema, options=ipc.IpcWriteOptions(compression="lz4"))
        self._excluded_orders, self._excluded_before_row = np.array([], np.int64), 0

    def add(self, rows: pa.Table) -> None:
        """Append rows to the file.

        Raise ReaderError if the disk is full.
        """
        try:
            self._writer.write_table(rows.select(self._written_schema.names).cast(self._written_schema))
        except OSError as error:
            raise ReaderError(
                f"{self.name}: there is no room for its rows in {tempfile.gettempdir()} ({error}); nothing was added. "
                "Make room there, or name another folder in TMPDIR."
            ) from error
        self.num_rows += rows.num_rows

    def exclude_orders(self, orders: np.ndarray) -> None:
        """Exclude the rows of the given orders that were added before this call.

        `orders` are `order_numbers` in ascending order.
        """
        self._excluded_orders, self._excluded_before_row = orders, self.num_rows if len(orders) else 0

    def finish(self) -> None:
        """Finish writing, so that the rows can be read; no more rows can be added."""
        self._writer.close()
        if self._excluded_before_row:
            self.num_rows = sum(batch.num_rows for batch in self._read_written_batches())

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in batches of at most BATCH_ROWS."""
        for written in self._read_written_batches():
            for begin in range(0, written.num_rows, BATCH_ROWS):
                rows = written.slice(begin, BATCH_ROWS)
                columns = [
                    pa.repeat(pa.scalar(self.constant_columns[field.name], field.type), rows.num_rows)
                    if field.name in self.constant_columns else rows.column(field.name)
                    for field in self.schema
                ]  # fmt: skip
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _read_written_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches as they were written, without excluded rows."""
        self._file.seek(0)
        rows_to_check = self._excluded_before_row
        for batch in ipc.open_stream(self._file):
            if rows_to_check > 0:
                is_excluded = is_in_sorted(order_numbers(batch.column("order_id")), self._excluded_orders)
                is_excluded[rows_to_check:] = False
                rows_to_check -= batch.num_rows
                batch = batch.filter(pa.array(~is_excluded))
            yield batch


def order_numbers(order_ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Convert Amazon order ids to whole numbers of 17 digits, one distinct number for each id.

    >>> order_numbers(pa.array(["111-0000002-0000003"])).tolist()
    [11100000020000003]
    """
    return np.asarray(pc.replace_substring(order_ids, "-", "").cast(pa.int64()).to_numpy(zero_copy_only=False))


def is_in_sorted(numbers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for each number whether it is one of the known numbers.

    `known` is sorted and not empty.

    >>> is_in_sorted(np.array([3, 4]), np.array([1, 3, 5])).tolist()
    [True, False]
    """
    return np.asarray(known[np.minimum(np.searchsorted(known, numbers), len(known) - 1)] == numbers)
