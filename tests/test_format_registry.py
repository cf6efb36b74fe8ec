"""A new kind of file needs a module with a kind and a parser, and one row in the registry: nothing else in the code."""

from __future__ import annotations

import importlib.util
import json
from datetime import date

import pytest

from healthkit.ingest.formats import registry
from healthkit.ingest.importer import import_files
from healthkit.schema.tables import DEFECTS, FEEDBACK
from healthkit.store import Store
from tests.builders.raw_files import FIRST, SECOND

CHARGEBACKS = '''
"""A bank's list of chargebacks, one row a chargeback."""

from healthkit.ingest.parsing.cells import parse_iso_day, read_days, read_order_ids
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext, ends_of_days, newest_instant, resolve_marketplaces
from healthkit.ingest.parsing.parsed_file import FileContents

KIND = FileKind("bank_chargebacks", "bank's list of chargebacks", ("order-id", "disputed-on"), delimiters=";")


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    ids = read_order_ids(table, "order-id")
    marketplaces = resolve_marketplaces(table, ids, context)
    days = read_days(table, "disputed-on", parse_iso_day, "yyyy-mm-dd")
    columns = {"order_id": ids, "marketplace": marketplaces, "kind": "chargeback", "known_on": days}
    updated_at = newest_instant(ends_of_days(days, marketplaces)).as_py()
    return FileContents({"defects": columns}, "known_on", updated_at)
'''
RATINGS = '''
"""A shop system's ratings as JSON."""

import json
from datetime import UTC, date, datetime

import pyarrow as pa

from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents, columns_of_rows
from healthkit.ingest.parsing.raw_file import DocumentKind

KIND = DocumentKind("shop_ratings", "ratings of a shop system (JSON)", "{", ('"shopRatings"',))


def parse(content: bytes, context: ReadContext) -> FileContents:
    rows = [
        {
            "order_id": one["order"], "marketplace": "DE", "feedback_id": one["order"], "rating": one["stars"],
            "received_on": date.fromisoformat(one["day"]), "rank": one["day"],
        }
        for one in json.loads(content)["shopRatings"]
    ]
    days = pa.array([row["received_on"] for row in rows])
    made = datetime(2026, 3, 31, tzinfo=UTC)
    return FileContents({"feedback": columns_of_rows("feedback", rows)}, days, made, rows=len(rows))
'''


def add_format(folder, monkeypatch, name, source):
    """Write the module of a new kind of file and add its row to the registry."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, registry.FileFormat(module.KIND, module.parse)))


def import_file(folder, name, content):
    file = folder / "acme" / name
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    store = Store(folder / "store")
    [result] = import_files([file], store, marketplace="DE")
    assert result.refused is None
    return store, result


def test_a_table_of_a_new_kind_is_imported_with_one_module_and_one_row(tmp_path, monkeypatch):
    add_format(tmp_path, monkeypatch, "bank_chargebacks", CHARGEBACKS)
    text = f"Order ID;Disputed on\n{FIRST};2026-03-04\n{SECOND};2026-03-09\nS01-0000001-0000001;2026-03-10\n"
    store, result = import_file(tmp_path, "chargebacks.csv", text)
    parsed = result.parsed_file
    assert (result.kind, parsed.account, parsed.rows, sum(parsed.skipped.values())) == (
        "bank_chargebacks",
        "acme",
        3,
        1,
    )
    assert (parsed.first_day, parsed.last_day) == (date(2026, 3, 4), date(2026, 3, 9))
    rows = store.delta(DEFECTS).to_pyarrow_table().to_pylist()
    assert sorted((row["account"], row["order_id"], row["kind"], row["known_on"]) for row in rows) == [
        ("acme", FIRST, "chargeback", date(2026, 3, 4)),
        ("acme", SECOND, "chargeback", date(2026, 3, 9)),
    ]


def test_a_document_of_a_new_kind_is_imported_with_one_module_and_one_row(tmp_path, monkeypatch):
    add_format(tmp_path, monkeypatch, "shop_ratings", RATINGS)
    document = {"shopRatings": [{"order": FIRST, "stars": 1, "day": "2026-03-04"}]}
    store, result = import_file(tmp_path, "ratings.json", json.dumps(document))
    assert (result.kind, result.parsed_file.rows) == ("shop_ratings", 1)
    assert result.parsed_file.first_day == date(2026, 3, 4)
    [row] = store.delta(FEEDBACK).to_pyarrow_table().to_pylist()
    assert (row["account"], row["marketplace"], row["order_id"], row["rating"]) == ("acme", "DE", FIRST, 1)


def test_without_its_row_the_file_is_refused(tmp_path):
    file = tmp_path / "chargebacks.csv"
    file.write_text(f"Order ID;Disputed on\n{FIRST};2026-03-04\n", encoding="utf-8")
    [result] = import_files([file], Store(tmp_path / "store"), account="acme", marketplace="DE")
    assert "no known kind of file" in result.refused


@pytest.mark.parametrize("name", [one.name for one in registry.FORMATS])
def test_every_format_is_found_by_its_name(name):
    assert registry.find_format(name).name == name
