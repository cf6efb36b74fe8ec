"""Tables that connectors write: read row by row as the download or the answer itself, or refused in a sentence."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthkit.ingest import importer
from healthkit.ingest.formats import ParsedFile, discover_files, parse_file
from healthkit.store import Store
from tests.builders import raw_files as files
from tests.builders.damaged_files import said_of
from tests.builders.order_downloads import order_2026, order_v0
from tests.builders.raw_files import FIRST, MARK, SECOND, THIRD, Tiny, put

REPORTS = [files.ALL_ORDERS, files.ORDER_REPORT, files.SETTLEMENT]


def parsed(folder: Path, content: str | bytes, name: str, **told: Any) -> ParsedFile:
    path = put(folder, content, name=name)
    [source], refused = discover_files([path])
    assert refused == []
    return parse_file(source, report="r", **told)


def rows(one: ParsedFile) -> dict[str, list[dict[str, Any]]]:
    return {
        name: pa.Table.from_batches(table.to_batches(), table.schema).to_pylist() for name, table in one.tables.items()
    }


def records(file: Tiny, separator: str = "-") -> list[dict[str, str | None]]:
    names = [name.strip().lower().replace(" ", separator).replace("-", separator) for name in file.header]
    return [{name: cell or None for name, cell in zip(names, cells, strict=True)} for cells in file.rows]


def as_csv(table: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def as_lines(table: list[Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in table)


def as_parquet(table: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table), out)
    return out.getvalue()


def wrapped(table: list[Any], as_text: bool = False) -> list[dict[str, Any]]:
    """The records in Airbyte's raw form."""
    return [
        {"_airbyte_ab_id": f"x{n}", "_airbyte_emitted_at": 1790000000000 + n,
         "_airbyte_data": json.dumps(one) if as_text else one}
        for n, one in enumerate(table)
    ]  # fmt: skip


WAYS = {
    "underscored CSV": ("t.csv", lambda file: as_csv([{**one, "_fivetran_synced": "x"} for one in records(file, "_")])),
    "JSON lines": ("t.jsonl", lambda file: as_lines(records(file))),
    "Airbyte's JSON lines": ("t.jsonl", lambda file: as_lines(wrapped(records(file)))),
    "Airbyte's text records": ("t.jsonl", lambda file: as_lines(wrapped(records(file), as_text=True))),
    "Airbyte's raw CSV": ("t.csv", lambda file: as_csv(wrapped(records(file), as_text=True))),
    "Parquet": ("t.parquet", lambda file: as_parquet(records(file, "_"))),
    "Airbyte's raw Parquet": ("t.parquet", lambda file: as_parquet(wrapped(records(file), as_text=True))),
}


@pytest.mark.parametrize("file", REPORTS, ids=lambda file: file.kind)
@pytest.mark.parametrize("way", WAYS)
def test_a_report_as_a_table_is_read_as_the_download(tmp_path, file, way):
    told = {"marketplace": "US"} if file is files.ORDER_REPORT else {}
    name, write = WAYS[way]
    plain = parsed(tmp_path / "plain", file.text(), file.name, **told)
    table = parsed(tmp_path / "table", write(file.with_personal_data()), name, **told)
    assert rows(table) == rows(plain)
    assert any(rows(plain).values())
    assert MARK not in str(rows(table))


FLAT = {"BuyerInfo": "left out", "ShippingAddress": "left out"}
ORDERS = [order_v0(order, **FLAT) for order in (FIRST, SECOND, THIRD)]


def snake(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_"): value for name, value in one.items()
    }


API_WAYS = {
    "JSON lines": ("o.jsonl", lambda: as_lines(ORDERS)),
    "JSON lines of pages": ("o.jsonl", lambda: as_lines([{"payload": {"Orders": [one]}} for one in ORDERS])),
    "Airbyte": ("o.jsonl", lambda: as_lines(wrapped(ORDERS))),
    "Airbyte's text records": ("o.jsonl", lambda: as_lines(wrapped(ORDERS, as_text=True))),
    "Airbyte's raw CSV": ("o.csv", lambda: as_csv(wrapped(ORDERS, as_text=True))),
    "Airbyte's raw Parquet": ("o.parquet", lambda: as_parquet(wrapped(ORDERS, as_text=True))),
    "underscored CSV": ("o.csv", lambda: as_csv([snake(one) for one in ORDERS])),
    "underscored JSON lines": ("o.jsonl", lambda: as_lines([snake(one) for one in ORDERS])),
    "Parquet": ("o.parquet", lambda: as_parquet([snake(one) for one in ORDERS])),
    "Parquet with the names of the API": ("o.parquet", lambda: as_parquet(ORDERS)),
}


@pytest.mark.parametrize("way", API_WAYS)
def test_orders_of_the_api_as_a_table_are_read_as_a_page_of_answers(tmp_path, way):
    name, write = API_WAYS[way]
    page = parsed(tmp_path / "page", json.dumps({"Orders": ORDERS}), "page.json")
    table = parsed(tmp_path / "table", write(), name)
    assert rows(table)["orders"] == rows(page)["orders"]
    assert len(rows(page)["orders"]) == 3


def test_times_of_a_warehouse_are_read_as_utc(tmp_path):
    table = [snake(one) | {"purchase_date": "2026-03-02 04:00:00 UTC"} for one in ORDERS]
    page = parsed(tmp_path / "page", json.dumps({"Orders": ORDERS}), "page.json")
    assert rows(parsed(tmp_path / "table", as_csv(table), "o.csv"))["orders"] == rows(page)["orders"]
    report = [one | {"purchase_date": "2026-03-01 20:00:00 UTC"} for one in records(files.ALL_ORDERS, "_")[:1]]
    [order] = rows(parsed(tmp_path / "report", as_csv(report), "r.csv"))["orders"]
    assert order["ordered_at"].isoformat() == "2026-03-01T20:00:00+00:00"


def test_lines_of_another_version_are_counted(tmp_path):
    one = parsed(tmp_path, as_lines([*ORDERS, {"note": "x"}]), "o.jsonl")
    assert one.skipped == {"records that hold no order of this version of the Orders API": 1}
    assert len(rows(one)["orders"]) == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("o.jsonl", as_lines(ORDERS) + '{"AmazonOrderId": "111-', "row 4"),
        ("o.jsonl", as_lines([*ORDERS, [1, 2], "text", {"AmazonOrderId": 5, "OrderStatus": "Shipped"}]), "row 6"),
        ("o.jsonl", as_lines(wrapped(ORDERS, as_text=True)).replace('\\"Shipped\\"', '\\"Ship', 1), "row 1"),
        ("o.jsonl", as_lines(records(files.ALL_ORDERS)) + "{broken\n", "row 5: is no JSON object"),
        ("o.jsonl", as_lines([*ORDERS, {"AmazonOrderId": "x" * 3_000_000, "OrderStatus": "Shipped"}]), "AmazonOrderId"),
        ("o.jsonl", '{"amazon-order-id": "' + "1" * 3_000_000 + '"}\n', "longer than 1 MB|no known kind"),
        ("o.jsonl", "{" * 50_000 + '"OrderStatus"' + "\n" + "{}", "row 1|deep"),
        ("o.parquet", b"PAR1" + bytes(200), "the Parquet file cannot be read"),
        ("o.parquet", as_parquet(records(files.ALL_ORDERS))[:-40], "the Parquet file cannot be read"),
        ("o.parquet", as_parquet([{"colour": "red", "_airbyte_x": 1}]), "no known kind of file"),
        ("o.csv", "_airbyte_ab_id,_airbyte_data\nx,\"{broken\"\n", "."),
        ("o.csv", "_airbyte_ab_id,_airbyte_emitted_at\nx,1\n", "no known kind of file"),
        ("o.csv", as_csv(records(files.ALL_ORDERS, "_")).replace("Merchant", "Drone", 1), "row 2: fulfillment-channel"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused_in_a_sentence_and_stores_nothing(tmp_path, name, content, said):

    put(tmp_path / "raw", content, name=name)
    message = said_of(tmp_path / "raw")
    assert message.startswith(f"acme/{name}: ")
    assert re.search(said, message), message
    assert MARK not in message
    store = Store(tmp_path / "store")
    [result] = importer.import_files([tmp_path / "raw"], store)
    assert result.refused
    assert not store.exists() or not len(store.reports())


def test_versions_of_the_api_in_one_file_do_not_crash(tmp_path):
    one = parsed(tmp_path, as_lines([order_v0(FIRST), order_2026(SECOND)]), "o.jsonl")
    assert [row["order_id"] for row in rows(one)["orders"]] in ([FIRST], [SECOND])
    assert sum(one.skipped.values()) == 1
