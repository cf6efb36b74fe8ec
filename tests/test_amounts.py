"""Money of order lines: read exactly, in its currency, from every kind of file; sums counted by hand from raw files."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from decimal import Decimal

import pyarrow as pa
import pytest

from healthkit.ingest.formats import discover_files, parse_file
from healthkit.ingest.parsing import amounts
from healthkit.ingest.parsing.spreadsheets import workbook_to_text
from healthkit.schema import tables
from healthkit.store import Store
from healthkit.store.merge_sql import arrow_schema, open_connection, select_columns_sql
from tests.builders.raw_files import ALL_ORDERS, put
from tests.builders.sample import AMAZON_ACCOUNTS, SAMPLE


def items_of(folder, kind):
    """The rows of ITEMS of each file of a kind in a folder."""
    sources, _ = discover_files([folder])
    tables_of = [parse_file(source).tables["items"] for source in sources if source.kind == kind]
    assert tables_of
    return pa.concat_tables(tables_of)


def totals(items):
    """The amounts by currency, in units of the currency."""
    found = defaultdict(Decimal)
    for amount, currency in zip(items["amount"].to_pylist(), items["currency"].to_pylist(), strict=True):
        if amount is not None:
            found[currency] += Decimal(amount) / tables.AMOUNT_SCALE
    return dict(found)


ENCODINGS = {"minato-bungu": "cp932", "werkstatt-lindenau": "cp1252"}


def csv_rows(path, delimiter=",", skip=0):
    lines = path.read_text(encoding=ENCODINGS.get(path.parent.name, "utf-8")).splitlines()[skip:]
    return list(csv.DictReader(lines, delimiter=delimiter))


def money(cell):
    return Decimal(cell.replace("$", "").replace(",", "") or 0)


@pytest.mark.parametrize("account", AMAZON_ACCOUNTS)
def test_what_an_amazon_account_sold_is_the_sum_of_the_newest_rows_of_its_files(sample_store, account):
    newest: dict[tuple[str, str], tuple[str, dict[str, Decimal]]] = {}
    for path in sorted((SAMPLE / account).glob("all_orders*.txt")):
        of_file: dict[tuple[str, str], list] = defaultdict(list)
        for row in csv_rows(path, "\t"):
            if row["amazon-order-id"].startswith("S01-"):
                continue  # an order of another shop
            of_file[row["amazon-order-id"], row["sku"]].append(row)
        for key, rows in of_file.items():
            stamp = max(row["last-updated-date"] for row in rows)
            # Rows of an SKU that are as new as its newest are items of their own; older ones are older states.
            price = [
                Decimal(row["item-price"]) for row in rows if row["last-updated-date"] == stamp and row["item-price"]
            ]
            # A row without a price hides none that an older file states.
            if price and stamp >= newest.get(key, ("",))[0]:
                newest[key] = stamp, {next(row["currency"] for row in rows if row["currency"]): sum(price)}
    expected = defaultdict(Decimal)
    for _, of_row in newest.values():
        for currency, amount in of_row.items():
            expected[currency] += amount
    rows = Store(sample_store).ledger([account]).items.collect().to_arrow()
    assert totals(rows) == dict(expected)
    assert len(expected) == 1


def test_what_the_other_accounts_sold_is_the_sum_of_their_cells():
    ebay = csv_rows(SAMPLE / "second-spin-audio" / "eBay-OrdersReport-Nov-02-2026.csv", skip=1)
    sold = sum(money(row["Sold For"]) for row in ebay if row["Custom Label"])
    assert totals(items_of(SAMPLE / "second-spin-audio", "ebay_orders")) == {"USD": sold}
    etsy = csv_rows(SAMPLE / "moss-and-thimble" / "EtsySoldOrderItems2026.csv")
    assert totals(items_of(SAMPLE / "moss-and-thimble", "etsy_items")) == {
        "USD": sum(money(row["Item Total"]) for row in etsy)
    }
    shopify, sources = csv_rows(SAMPLE / "northfield-paper" / "orders_export.csv"), {}
    for row in shopify:
        sources.setdefault(row["Name"], row["Source"])
    sold = sum(
        money(row["Lineitem price"]) * int(row["Lineitem quantity"])
        for row in shopify
        if sources[row["Name"]] == "etsy"
    )
    assert totals(items_of(SAMPLE / "northfield-paper", "shopify_orders")) == {"USD": sold}


@pytest.mark.parametrize(
    ("account", "kind", "pattern", "column", "head", "currency"),
    [
        ("cedar-and-copper", "walmart_orders", "PO_Data*.xlsx", "Item Cost", "PO#", "USD"),
        ("casa-jacaranda", "mercado_libre_sales", "*.xlsx", "Ingresos por productos (MXN)", "# de venta", "MXN"),
        ("saltbox-candles", "tiktok_orders", "*.*", "SKU Subtotal After Discount", "Order ID", "USD"),
    ],
)
def test_workbooks_are_summed_in_the_currency_of_their_column_or_marketplace(
    account, kind, pattern, column, head, currency
):
    sources, _ = discover_files([SAMPLE / account])
    [source] = [one for one in sources if one.kind == kind]
    content = source.path.read_bytes()
    text = (
        workbook_to_text(content, source.name).decode()
        if source.path.suffix == ".xlsx"
        else content.decode("utf-8-sig")
    )
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if source.path.suffix == ".xlsx" else ","))
    at = next(n for n, row in enumerate(rows) if head in row)
    place = rows[at].index(column)
    sold = Decimal(0)
    for row in rows[at + 1 :]:
        cell = row[place].strip().removeprefix("$") if len(row) > place else ""
        sold += Decimal(cell) if cell.replace(".", "", 1).isdigit() else 0
    assert sold > 0
    assert totals(parse_file(source).tables["items"]) == {currency: sold}


@pytest.mark.parametrize(
    ("cell", "marketplace", "expected"),
    [
        ("1.234,56", "DE", ("1234.56", None)),
        ("1,234.56", "US", ("1234.56", None)),
        ("1 234,5 €", "FR", ("1234.5", "EUR")),
        ("EUR 12,90", "EBAY", ("12.90", "EUR")),
        ("$17.50", "EBAY", ("17.50", "USD")),
        ("AU $17.50", "EBAY", ("17.50", "AUD")),
        ("$17.50", "MERCADO_LIBRE", ("17.50", None)),
        ("R$ 1.000,00", "MERCADO_LIBRE", ("1000.00", "BRL")),
        ("IDR 150.000", "TIKTOK", ("150000", "IDR")),
        ("￥100", "JP", None),
        ("-5.00", "US", None),
        ("12.50 Jane Roe", "US", None),
        ("12 High Street", "US", None),
        ("0", "US", ("0", None)),
    ],
)
def test_a_cell_is_read_exactly_or_not_at_all(cell, marketplace, expected):
    amount, currency = amounts.parse_price(cell, marketplace)
    assert (amount, currency) == ((None, None) if expected is None else (Decimal(expected[0]), expected[1]))


def test_a_cell_that_is_no_price_is_noted_by_its_row_and_refuses_no_order(tmp_path):
    header, first, *rest = ALL_ORDERS.text().replace("currency\t", "x\t").replace("item-price", "y").splitlines()
    lines = [f"{header}\tcurrency\titem-price", f"{first}\tUSD\tJane Roe", *(f"{line}\tUSD\t1,000.05" for line in rest)]
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "all_orders.txt").write_text("\n".join(lines) + "\n")
    [source], _ = discover_files([folder])
    read = parse_file(source)
    assert read.rows == len(rest) + 1
    [note] = [note for note in read.notes if note.startswith("item-price")]
    assert note == "item-price: 1 cells, the first in row 2, hold no price; these lines have no value."
    assert set(read.tables["items"]["currency"].drop_null().to_pylist()) == {"USD"}
    assert all(amount % 10_000_500 == 0 for amount in read.tables["items"]["amount"].drop_null().to_pylist())


def test_a_file_without_prices_leaves_them_empty(tmp_path):
    put(tmp_path, ALL_ORDERS)
    [source], _ = discover_files([tmp_path])
    items = parse_file(source).tables["items"]
    assert items["amount"].null_count == items["currency"].null_count == len(items) > 0


def test_rows_of_a_store_without_the_columns_are_read_with_empty_amounts():
    older = [name for name in tables.ITEMS.columns if name not in ("amount", "currency")]
    connection = open_connection()
    connection.register("older", arrow_schema(tables.ITEMS).empty_table().select(older))
    found = connection.sql(select_columns_sql(tables.ITEMS, older, "older")).to_arrow_table()
    assert found.column_names == list(tables.ITEMS.columns)


def test_money_of_an_api_is_read_as_programs_write_it():
    read = amounts.read_json_money
    assert read({"Amount": "19.99", "CurrencyCode": "USD"}, "Amount", "CurrencyCode") == {
        "amount": 199_900, "currency": "USD",
    }  # fmt: skip
    for spoilt in ("1,99", "-1", "NaN", None, True, {"a": 1}, "9" * 40, json.loads("1e99", parse_float=Decimal)):
        assert read({"Amount": spoilt, "CurrencyCode": "USD"}, "Amount", "CurrencyCode") == {
            "amount": None, "currency": None,
        }  # fmt: skip


def test_items_hold_no_column_of_a_person():
    assert set(tables.ITEMS.columns) == {
        "account", "marketplace", "order_id", "sku", "asin", "product", "units", "amount", "currency", "updated_at",
        "report",
    }  # fmt: skip
