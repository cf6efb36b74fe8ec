"""Rows of one large table in a temporary file without a name, which the system removes when the process ends."""

from __future__ import annotations

import copy
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
        self._written_names: list[list[str]] = []
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="healthkit-")  # noqa: SIM115 - lives as long as this
        self._excluded_orders, self._excluded_before_row = np.array([], np.int64), 0

    def add(self, rows: pa.Table) -> None:
        """Append rows to the file, without their empty columns.

        Raise ReaderError if the disk is full.
        """
        names = [
            name for name in self.schema.names
            if name not in self.constant_columns and rows[name].null_count < rows.num_rows
        ]  # fmt: skip
        if not names:
            return
        schema = pa.schema([self.schema.field(name) for name in names])
        try:
            # Each table is a stream of its own, because other columns of it may be empty.
            writer = ipc.new_stream(self._file, schema, options=ipc.IpcWriteOptions(compression="lz4"))
            writer.write_table(rows.select(names).cast(schema))
            writer.close()
        except OSError as error:
            raise ReaderError(
                f"{self.name}: there is no room for its rows in {tempfile.gettempdir()} ({error}); nothing was added. "
                "Make room there, or name another folder in TMPDIR."
            ) from error
        self._written_names.append(names)
        self.num_rows += rows.num_rows

    def exclude_orders(self, orders: np.ndarray) -> None:
        """Exclude the rows of the given orders that were added before this call.

        `orders` are `order_numbers` in ascending order.
        """
        self._excluded_orders, self._excluded_before_row = orders, self.num_rows if len(orders) else 0

    def finish(self) -> None:
        """Count the rows that are left; no more rows can be added."""
        if self._excluded_before_row:
            self.num_rows = sum(batch.num_rows for batch in self._read_written_batches(["order_id"]))

    def select(self, columns: list[str]) -> SpillFile:
        """Return the same rows with some columns alone; the others are not read, which saves unpacking them."""
        selected = copy.copy(self)
        selected.schema = pa.schema([self.schema.field(name) for name in columns])
        return selected

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in batches of at most BATCH_ROWS."""
        for written in self._read_written_batches(self.schema.names):
            for begin in range(0, written.num_rows, BATCH_ROWS):
                rows = written.slice(begin, BATCH_ROWS)
                columns = [
                    rows.column(field.name) if field.name in rows.schema.names
                    else pa.repeat(pa.scalar(self.constant_columns.get(field.name), field.type), rows.num_rows)
                    for field in self.schema
                ]  # fmt: skip
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _read_written_batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield the batches as they were written, with `order_id` and those of the given columns that were written.

        Excluded rows are left out.
        """
        self._file.seek(0)
        rows_to_check = self._excluded_before_row
        for names in self._written_names:
            fields = [place for place, name in enumerate(names) if name in columns or name == "order_id"]
            for batch in ipc.open_stream(self._file, options=ipc.IpcReadOptions(included_fields=fields)):
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
