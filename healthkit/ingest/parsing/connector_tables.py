"""Tables that connectors such as Airbyte and Fivetran write, as tab-separated text or as JSON lines.

Three forms are turned into text before a file is looked at, so that everything behind reads them like the download
itself: Parquet; JSON lines whose objects are rows of a report; and Airbyte's raw CSV, which holds each record as JSON
in the column `_airbyte_data`. Lists and objects inside a row become JSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

PARQUET_MAGIC = b"PAR1"
RAW_COLUMN = "_airbyte_data"
"""Column in which Airbyte's raw tables hold the record of the source."""
MAX_TABLE_BYTES = 512 << 20
"""Largest size of a table, which is read in memory. [bytes]"""
MAX_FIRST_LINE = 1 << 20
"""So much of the first line is looked at. [bytes]"""

_ROW_COLUMNS = {"amazon-order-id", "order-id", "settlement-id", "return-request-date"}
_RAW_CSV_BEGINNINGS = (b"_airbyte_", b'"_airbyte_')


class ConnectorTableError(ValueError):
    """Raised if the table of a connector cannot be read; the message names the file and what to do."""


def open_as_text(file: IO[bytes], name: str) -> IO[bytes]:
    """Return the text of a connector's table, or the file itself if it is none.

    `name` is the name of the file in messages. Raise ConnectorTableError for a damaged or too large table.
    """
    magic = file.read(len(_RAW_CSV_BEGINNINGS[1]))
    file.seek(0)
    if magic.startswith(PARQUET_MAGIC):
        return io.BytesIO(_parquet_to_text(_read_all(file, name), name))
    if magic.startswith(_RAW_CSV_BEGINNINGS):
        text = _raw_csv_to_text(_read_all(file, name), name)
        return io.BytesIO(text) if text is not None else _rewound(file)
    if magic.lstrip().startswith(b"{"):
        line = file.readline(MAX_FIRST_LINE)
        file.seek(0)
        if _is_report_row(line):
            return io.BytesIO(_lines_to_text(_read_all(file, name), name))
        if _wraps_text(line):
            records = [one[RAW_COLUMN] for one in _read_lines(_read_all(file, name), name, unwrap=False)]
            return io.BytesIO(_records_to_text(records, name))
    return file


def _rewound(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _read_all(file: IO[bytes], name: str) -> bytes:
    data = file.read(MAX_TABLE_BYTES + 1)
    if len(data) > MAX_TABLE_BYTES:
        raise ConnectorTableError(
            f"{name}: the table is larger than {MAX_TABLE_BYTES >> 20:,} MB. Export it in several files."
        )
    return data


def _parquet_to_text(data: bytes, name: str) -> bytes:
    """Return a Parquet file as text: tab-separated, or JSON lines if it is a raw table of Airbyte's."""
    try:
        parquet = pq.ParquetFile(io.BytesIO(data))
        size = sum(parquet.metadata.row_group(n).total_byte_size for n in range(parquet.num_row_groups))
        if size > MAX_TABLE_BYTES:
            raise ConnectorTableError(
                f"{name}: the table unpacks to more than {MAX_TABLE_BYTES >> 20:,} MB. Export it in several files."
            )
        rows = parquet.read().to_pylist()
        columns = list(parquet.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, ConnectorTableError):
            raise
        raise ConnectorTableError(
            f"{name}: the Parquet file cannot be read ({type(error).__name__}). Export it again."
        ) from None
    if RAW_COLUMN in columns:
        return _records_to_text([row[RAW_COLUMN] for row in rows], name)
    return _rows_to_text(columns, rows)


def _raw_csv_to_text(data: bytes, name: str) -> bytes | None:
    """Return the records of Airbyte's raw CSV as text; None if it has no such column."""
    limit = csv.field_size_limit(MAX_TABLE_BYTES)
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        if RAW_COLUMN not in (rows.fieldnames or ()):
            return None
        records = [row[RAW_COLUMN] for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConnectorTableError(
            f"{name}: the CSV cannot be read ({type(error).__name__}). Export it again."
        ) from None
    finally:
        csv.field_size_limit(limit)
    return _records_to_text(records, name)


def _records_to_text(records: list[Any], name: str) -> bytes:
    """Return records that are given as JSON as text: tab-separated if they are rows of a report, else JSON lines."""
    lines = [_to_line(record, number, name) for number, record in enumerate(records, 1) if record]
    text = "".join(lines).encode()
    return _lines_to_text(text, name) if lines and _is_report_row(lines[0].encode()) else text


def _to_line(record: Any, number: int, name: str) -> str:
    """Return one record as a line of JSON."""
    try:
        return json.dumps(json.loads(record) if isinstance(record, str) else record, default=str) + "\n"
    except (ValueError, RecursionError):
        raise ConnectorTableError(f"{name}: row {number:,}: {RAW_COLUMN} is no JSON. Export the table again.") from None


def _is_report_row(line: bytes) -> bool:
    """Return whether a line of JSON is a row of a report, with the columns of the download as its keys.

    >>> _is_report_row(b'{"_airbyte_data": {"amazon-order-id": "1"}}'), _is_report_row(b'{"AmazonOrderId": "1"}')
    (True, False)
    """
    try:
        row = _unwrapped(json.loads(line))
    except (ValueError, RecursionError):
        return False
    if not isinstance(row, dict) or any(isinstance(value, list | dict) for value in row.values()):
        return False
    return not _ROW_COLUMNS.isdisjoint(key.replace("_", "-").lower() for key in row)


def _unwrapped(record: Any) -> Any:
    """Return the record of the source that a record of Airbyte's wraps, or the record itself."""
    if isinstance(record, dict) and RAW_COLUMN in record:
        record = record[RAW_COLUMN]
        return json.loads(record) if isinstance(record, str) else record
    return record


def _column_name(key: str) -> str:
    """Return a key as a column name of a download.

    >>> _column_name("amazon_order_id"), _column_name("AmazonOrderId"), _column_name("sales-channel")
    ('amazon-order-id', 'amazon-order-id', 'sales-channel')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", key).replace("_", "-").lower()


def _lines_to_text(data: bytes, name: str) -> bytes:
    """Return JSON lines, each a row of a report, as tab-separated text."""
    rows = list(_read_lines(data, name))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return _rows_to_text(columns, rows)


def _wraps_text(line: bytes) -> bool:
    """Return whether a line is a raw record of Airbyte's that holds the record of the source as text."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and isinstance(record.get(RAW_COLUMN), str)


def _read_lines(data: bytes, name: str, unwrap: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the object of each line, without Airbyte's wrapper unless `unwrap` is False."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = _unwrapped(json.loads(line)) if unwrap else json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not (unwrap or RAW_COLUMN in row):
            raise ConnectorTableError(f"{name}: row {number:,}: is no JSON object. Export the table again.")
        yield row


def _rows_to_text(columns: list[str], rows: list[dict[str, Any]]) -> bytes:
    """Return rows as tab-separated text below the names of their columns; the connector's own columns are left out."""
    kept = [column for column in columns if not column.startswith(("_airbyte", "_fivetran", "_dlt", "_sdc"))]
    lines = [[_column_name(column) for column in kept], *([_cell(row.get(column)) for column in kept] for row in rows)]
    return "".join("\t".join(map(_plain, cells)) + "\n" for cells in lines).encode()


def _cell(value: Any) -> str:
    """Return one value as the text of a cell; a missing one is empty.

    >>> _cell(None), _cell(True), _cell(2.0), _cell("B01")
    ('', 'true', '2', 'B01')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == value and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain(cell: str) -> str:
    return " ".join(re.split(r"[\t\r\n]+", cell))
