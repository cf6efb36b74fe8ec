"""Files that the kit does not read: each is called what it is, or unknown, and the way out is told."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from healthkit.ingest.formats import discover_files
from healthkit.ingest.formats.registry import table_kinds
from tests.builders.raw_files import MARK, put

FLAT_FILE_V2 = "The settlement file holds the same refunds, claims and chargebacks and is read"


def said_of(folder, content, name="download.csv") -> str:
    path = put(folder, content, name=name)
    found, refused = discover_files([path])
    assert found == []
    [one] = refused
    assert one.message.startswith(f"acme/{name}: ")
    return one.message


def zipped(*members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "report.pdf", "is a PDF, whose tables cannot be read exactly"),
        (b"\n%PDF-1.4\n", "report.txt", "is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "orders.xls", "is an old Office document (XLS, DOC)"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "health.png", "is a picture, in which no figure can be read exactly"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "health.jpg", "is a picture"),
        (b"GIF89a\x01\0", "health.gif", "is a picture"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "health.webp", "is a picture"),
        (b"\0\0\0\x18ftypheic\0\0", "photo.heic", "is a picture"),
        (b"<!DOCTYPE html>\n<html><body>Orders</body></html>", "page.html", "is a saved web page"),
        (b"\xef\xbb\xbf<HTML><TABLE><TR><TD>order-id", "orders.xls", "is a saved web page"),
        (b"<?xml version='1.0'?><!DOCTYPE html><html>", "page.xhtml", "is a saved web page"),
        (b"From: someone\nMIME-Version: 1.0\n", "mail.eml", "is a saved e-mail"),
        (b"{\\rtf1\\ansi orders}", "orders.rtf", "is a text document (RTF)"),
        (b"SQLite format 3\0" + bytes(90), "orders.db", "is a database (SQLite)"),
        (b"Obj\x01\x04\x14avro.codec", "orders.avro", "is a table in the format Avro"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "orders.7z", "is an archive (7z), which is not opened. Unpack it"),
        (b"Rar!\x1a\x07\x01\0", "orders.rar", "is an archive (RAR)"),
        (zipped("[Content_Types].xml", "word/document.xml"), "orders.docx", "is a text document (Word)"),
        (zipped("mimetype", "content.xml"), "orders.ods", "is a document of LibreOffice or OpenOffice"),
        (zipped("[Content_Types].xml", "xl/workbook.bin"), "orders.xlsb", "is a binary workbook (XLSB)"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_called_what_it_is(tmp_path, content, name, said):
    message = said_of(tmp_path, content, name)
    assert said in message
    assert "header" not in message
    assert message.endswith(".")


DATE_RANGE_HEADERS = {
    "EN": ("date/time", "settlement id", "type", "order id"),
    "DE": ("Datum/Uhrzeit", "Abrechnungsnummer", "Typ", "Bestellnummer"),
    "FR": ("date/heure", "numéro de versement", "type", "numéro de la commande"),
    "IT": ("Data/Ora:", "Numero pagamento", "Tipo", "Numero ordine"),
    "ES": ("fecha y hora", "identificador de pago", "tipo", "número de pedido"),
    "MX": ("fecha/hora", "Id. de liquidación", "tipo", "Id. del pedido"),
    "NL": ("datum/tijd", "schikkings-ID", "type", "bestelnummer"),
    "SE": ("datum/tid", "reglerings-id", "typ", "beställnings-id"),
    "PL": ("data/godzina", "identyfikator rozliczenia", "typ", "identyfikator zamówienia"),
    "JP": ("日付/時間", "決済番号", "トランザクションの種類", "注文番号"),
}


@pytest.mark.parametrize("header", DATE_RANGE_HEADERS.values(), ids=DATE_RANGE_HEADERS)
@pytest.mark.parametrize("lines_before", [0, 7, 11])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_date_range_report_of_any_language_points_to_the_settlement_file(tmp_path, header, lines_before, delimiter):
    out = io.StringIO()
    rows = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    rows.writerows([[f"A line of explanation, number {number}"] for number in range(lines_before)])
    rows.writerow([*header, "sku", "description"])
    rows.writerow(["Oct 14, 2026 4:42:09 PM PDT", "26827395211", "Refund", "111-0000018-0000001", "S-1", MARK])
    message = said_of(tmp_path, out.getvalue())
    assert "looks like Amazon's date range report (transactions), in a form that is not read" in message
    assert FLAT_FILE_V2 in message
    assert MARK not in message


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Sales Record Number,Order Number,Buyer Username,Item Number,Total Price", "an eBay order export"),
        ("Order Number,Item Title,Buyer Username,Sale price", "an eBay order export"),
        ("Sale Date,Order ID,Buyer User ID,Full Name,Order Value", "an Etsy order export"),
        ("Sale Date,Item Name,Buyer,Quantity,Price,Transaction ID,Listing ID", "an Etsy export of order items"),
        ("PO#,Order#,Customer Name,Item Description", "Walmart's order export"),
        ("salesOrder,poNum,legacySlrId,defectType,cancelReason", "Walmart's list of orders with defects"),
        ("Order ID,Order Substatus,SKU ID,Seller SKU", "a TikTok Shop order export"),
        ("Name,Email,Financial Status,Lineitem name", "a Shopify order export"),
        ("Handle,Title,Body (HTML),Vendor,Variant SKU", "Shopify's product export"),
        ("(Parent) ASIN,(Child) ASIN,Sessions - Total,Units Ordered", "Amazon's business report (traffic and sales)"),
        ("item-name\titem-description\tseller-sku\tprice\tquantity\tasin1", "Amazon's inventory report (listings)"),
        ("sku\tfnsku\tasin\tafn-warehouse-quantity", "Amazon's FBA inventory report"),
        ("UNIQUE_ACCOUNT_IDENTIFIER,ACTIVITY_PERIOD,TRANSACTION_TYPE", "Amazon's VAT transactions report"),
    ],
)
def test_a_table_of_another_source_is_called_by_its_name(tmp_path, header, said):
    message = said_of(tmp_path, f"{header}\n")
    assert f"looks like {said}, in a form that is not read." in message
    assert "nearest" not in message
    assert "docs/files.md" in message


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("receipt_id", "transactions"), "Etsy's answer of receipts"),
        (("financial_status", "line_items"), "Shopify's answer of orders"),
        (("FinancialEvents",), "Amazon's answer of financial events"),
    ],
)
def test_json_of_another_source_is_called_by_its_name(tmp_path, keys, said):
    assert f"looks like {said}" in said_of(tmp_path, json.dumps(dict.fromkeys(keys, 1)), "answer.json")


def test_what_nothing_is_known_of_is_called_unknown(tmp_path):
    for content in ("colour,weight\nred,5\n", "order number,remark,colour,weight\n1,2,3,4\n", "a line of text\n"):
        message = said_of(tmp_path, content)
        assert "no known kind of file: its first line is not a header that the kit knows" in message
        assert "docs/files.md lists the files that are read" in message
        assert "nearest" not in message


def test_one_shared_column_makes_no_nearest_kind(tmp_path):
    for kind in table_kinds():
        columns = [kind.required_columns[0], *(f"column {number}" for number in range(9))]
        assert "nearest" not in said_of(tmp_path, kind.delimiters[0].join(columns) + "\n")


def test_files_that_may_be_reports_are_named_in_folders_and_pictures_passed_over(tmp_path):
    put(tmp_path, b"%PDF-1.7", name="report.pdf")
    put(tmp_path, b"\x89PNG\r\n\x1a\n", name="logo.png")
    found, refused = discover_files([tmp_path])
    assert found == []
    assert [one.name for one in refused] == ["acme/report.pdf"]


@pytest.mark.parametrize(
    ("header", "kind", "lacks"),
    [
        ("Verkaufsprotokollnummer;Bestellnummer;Nutzername;Angebotstitel", "eBay orders report", "ordered-at"),
        ("# de venta;Fecha de venta;Estado de la venta", "Mercado Libre sales report (ventas)", "status"),
        ("N.º de venda;Data da venda;Estado da venda", "Mercado Libre sales report (ventas)", "status"),
    ],
)
def test_a_file_that_lacks_one_column_of_a_known_kind_names_both(tmp_path, header, kind, lacks):
    assert f"The nearest kind: {kind}; the file lacks {lacks}" in said_of(tmp_path, f"{header}\n1;2;3;4\n")
