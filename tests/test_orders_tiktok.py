"""Order files of TikTok Shop: tabs after ids, described columns, two ways of writing times, words of many languages."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from healthkit.ingest.formats import ReaderError, discover_files, parse_file
from healthkit.ingest.importer import import_files
from healthkit.store import Store
from tests import fuzz
from tests.builders.damaged_files import REFUSED, expected, said_of
from tests.builders.latin_and_tiktok_files import (
    TIKTOK,
    TIKTOK_COLUMNS,
    TIKTOK_PERSONAL,
    stored_text,
    tiktok_csv,
    tiktok_row,
    workbook,
)
from tests.builders.raw_files import MARK, put


def read(folder, content, name="All order.csv", **told):
    put(folder, content, name=name)
    [source], refused = discover_files([folder])
    assert refused == []
    assert source.kind == "tiktok_orders"
    return parse_file(source, **told)


def orders(parsed):
    return {row["order_id"][-1]: row for row in parsed.tables["orders"].to_pylist()}


def test_the_header_has_its_56_columns():
    assert len(TIKTOK_COLUMNS) == 56


def test_tabs_after_ids_and_times_are_no_part_of_them(tmp_path):
    [order] = orders(read(tmp_path, tiktok_csv(tiktok_row(1)))).values()
    assert order["order_id"] == "576460000000000001"
    # The zone of the marketplace is that of Jakarta, seven hours ahead.
    assert order["ordered_at"] == datetime(2026, 10, 20, 3, tzinfo=UTC)
    assert (order["status"], order["channel"], order["marketplace"]) == ("delivered", "seller", "TIKTOK")
    assert (order["shipped_on"], order["delivered_on"]) == (date(2026, 10, 21), date(2026, 10, 23))
    assert (order["ship_by"], order["deliver_by"], order["tracking"]) == (None, None, True)


def test_american_times_have_the_month_first(tmp_path):
    cells = {"Created_Time": "10/02/2026 1:00:00 PM\t", "Shipped_Time": "10/03/2026 12:30:00 AM", "Delivered_Time": ""}
    [order] = orders(read(tmp_path, tiktok_csv(tiktok_row(1, Order_Status="Shipped", **cells)))).values()
    assert order["ordered_on"] == date(2026, 10, 2)
    assert order["shipped_at"] == datetime(2026, 10, 2, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize("blank", [1, 2])
def test_a_file_with_american_addresses_is_of_the_american_shop_also_where_an_order_has_none(tmp_path, blank):
    rows = [tiktok_row(number, Country="" if number == blank else "United States") for number in (1, 2)]
    parsed = read(tmp_path, tiktok_csv(*rows))
    assert {order["marketplace"] for order in orders(parsed).values()} == {"TIKTOK_US"}
    # Ten in the morning in Los Angeles.
    assert orders(parsed)["1"]["ordered_at"] == datetime(2026, 10, 20, 17, tzinfo=UTC)
    assert not any("Taken as a file of" in note for note in parsed.notes)


def test_what_the_caller_says_of_the_marketplace_goes_before_the_country(tmp_path):
    parsed = read(tmp_path, tiktok_csv(tiktok_row(1, Country="United States")), marketplace="TIKTOK")
    assert orders(parsed)["1"]["marketplace"] == "TIKTOK"


def test_a_file_that_names_another_country_or_none_is_of_the_first_marketplace_and_says_so(tmp_path):
    parsed = read(tmp_path, tiktok_csv(tiktok_row(1), tiktok_row(2, Country="")))
    assert {order["marketplace"] for order in orders(parsed).values()} == {"TIKTOK"}
    assert any("Taken as a file of TIKTOK. If it is of TIKTOK_US" in note for note in parsed.notes)


def test_each_row_is_a_sku_of_an_order(tmp_path):
    parsed = read(tmp_path, tiktok_csv(tiktok_row(1, Quantity="2"), tiktok_row(1, Seller_SKU="MUG-1"), tiktok_row(2)))
    assert {key: order["units"] for key, order in orders(parsed).items()} == {"1": 3, "2": 1}
    assert len(parsed.tables["items"]) == 3
    assert len(parsed.tables["shipments"]) == 2


@pytest.mark.parametrize("described", ["Platform unique order ID.", "รหัสคำสั่งซื้อเฉพาะของแพลตฟอร์ม", "平台订单号"])
@pytest.mark.parametrize("torn_header", [False, True])
def test_a_workbook_with_a_wrong_dimension_and_described_columns(tmp_path, described, torn_header):
    words = [described, *["What this column holds."] * (len(TIKTOK_COLUMNS) - 1)]
    content = workbook([TIKTOK_COLUMNS, words, tiktok_row(1), tiktok_row(2)], "A1:A1", torn_header)
    parsed = read(tmp_path, content, "All order.xlsx")
    assert sorted(orders(parsed)) == ["1", "2"]
    assert parsed.skipped == {"rows that hold no order (titles, descriptions, totals)": 1}


STATUSES = {
    "Unpaid": "pending", "To ship": "unshipped", "Awaiting collection": "unshipped", "Shipped": "shipped",
    "In transit": "shipped", "Completed": "delivered", "Canceled": "cancelled", "Cancelled": "cancelled",
    "Pendiente de pago": "pending", "Por enviar": "unshipped", "Enviado": "shipped", "Completado": "delivered",
    "Cancelado": "cancelled", "A ser enviado": "unshipped", "Concluído": "delivered",
    "Belum dibayar": "pending", "Perlu dikirim": "unshipped", "Dikirim": "shipped", "Selesai": "delivered",
    "Dibatalkan": "cancelled", "ค้างชำระ": "pending", "ที่จะจัดส่ง": "unshipped", "จัดส่งแล้ว": "shipped",
    "เสร็จสมบูรณ์": "delivered", "ยกเลิกแล้ว": "cancelled", "Chưa thanh toán": "pending", "Cần gửi": "unshipped",
    "Đã gửi": "shipped", "Đã hoàn tất": "delivered", "Đã hủy": "cancelled", "Untuk dihantar": "unshipped",
    "Telah dihantar": "shipped", "Telah diterima": "delivered",
}  # fmt: skip


@pytest.mark.parametrize(("word", "status"), STATUSES.items())
def test_a_status_in_the_language_of_the_shop(tmp_path, word, status):
    row = tiktok_row(1, Order_Status=word, Shipped_Time="", Delivered_Time="")
    parsed = read(tmp_path, tiktok_csv(row))
    assert orders(parsed)["1"]["status"] == status
    assert not any("does not know" in note for note in parsed.notes)


@pytest.mark.parametrize(
    ("times", "status"),
    [({"Delivered_Time": ""}, "shipped"), ({"Delivered_Time": "", "Shipped_Time": ""}, "unshipped"),
     ({"Cancelled_Time": "22/10/2026 10:00:00"}, "cancelled"), ({}, "delivered")],
)  # fmt: skip
def test_an_unknown_status_is_taken_from_the_times_and_told_without_its_word(tmp_path, times, status):
    parsed = read(tmp_path, tiktok_csv(tiktok_row(1), tiktok_row(2, Order_Status="発送済み 山田", **times)))
    assert orders(parsed)["2"]["status"] == status
    [note] = [note for note in parsed.notes if "does not know" in note]
    assert "status: 1 rows" in note
    assert "the first in row 3," in note
    assert "山田" not in note


@pytest.mark.parametrize(
    ("word", "who"),
    [("User", "buyer"), ("Seller", "seller"), ("System", "amazon"), ("Pembeli", "buyer"), ("Penjual", "seller"),
     ("ผู้ขาย", "seller"), ("Người mua", "buyer"), ("Usuario", "buyer"), ("Sistem", "amazon"), ("", None), ("?", None)],
)  # fmt: skip
def test_who_cancelled(tmp_path, word, who):
    cells = {"Shipped_Time": "", "Delivered_Time": "", "Cancelled_Time": "21/10/2026 09:00:00\t", "Cancel_By": word}
    order = orders(read(tmp_path, tiktok_csv(tiktok_row(1, Order_Status="Canceled", **cells))))["1"]
    assert (order["cancelled_by"], order["cancelled_on"], order["assumed"]) == (who, date(2026, 10, 21), None)


@pytest.mark.parametrize(
    ("word", "channel"),
    [("Fulfillment by TikTok Shop", "amazon"), ("Fulfilled by TikTok", "amazon"), ("Fulfillment by seller", "seller"),
     ("Dipenuhi oleh penjual", "seller"), ("", "seller"), ("出品者出荷", "seller")],
)  # fmt: skip
def test_who_fulfils(tmp_path, word, channel):
    assert orders(read(tmp_path, tiktok_csv(tiktok_row(1, Fulfillment_Type=word))))["1"]["channel"] == channel


@pytest.mark.parametrize("damage", REFUSED[1:], ids=lambda damage: damage.words)
def test_a_broken_twin_is_refused_by_file_row_and_column(tmp_path, damage):
    put(tmp_path, damage.happens(TIKTOK), name=TIKTOK.name)
    pattern = expected(damage, TIKTOK).replace("row 3: created-time", r"row 3: ordered-at \(column created-time\)")
    said = said_of(tmp_path, marketplace=None)
    assert "acme/download.csv" in said
    assert re.search(pattern, said), said
    assert MARK not in said


def test_another_marketplace_is_refused_as_it_is_told(tmp_path):
    put(tmp_path, tiktok_csv(tiktok_row(1)))
    [source], _ = discover_files([tmp_path])
    with pytest.raises(ReaderError, match=r"you said marketplace US, but this is a file of TIKTOK.*: TikTok Shop"):
        parse_file(source, marketplace="US")


def test_the_names_of_the_kit_are_no_names_of_its_columns(tmp_path):
    header = "order-id,ordered-at,marketplace,status,shipped-at,ship-by,channel"
    put(tmp_path, f"{header}\n1,2026-10-01T10:00:00Z,TIKTOK,shipped,2026-10-02,2026-10-03,seller\n", name="mine.csv")
    [source], _ = discover_files([tmp_path])
    assert source.kind == "orders_csv"


def test_a_newer_file_says_that_an_order_was_cancelled(tmp_path):
    store = Store(tmp_path / "store")
    waiting = tiktok_row(1, Order_Status="To ship", Shipped_Time="", Delivered_Time="")
    cancelled = tiktok_row(
        1, Order_Status="Canceled", Shipped_Time="", Delivered_Time="", Cancel_By="Seller",
        Cancelled_Time="22/10/2026 09:00:00",
    )  # fmt: skip
    for name, row in (("one.csv", waiting), ("two.csv", cancelled)):
        [result] = import_files([put(tmp_path, tiktok_csv(row), name=name)], store)
        assert result.refused is None
    [order] = store.ledger().orders.collect("pandas").to_native().to_dict("records")
    assert (order["status"], order["cancelled_by"]) == ("cancelled", "seller")


def test_personal_columns_reach_no_disk(tmp_path):
    assert {name for name in TIKTOK_COLUMNS if re.search("Buyer|Recip|Phone|Address|Note|Handle", name)} <= set(
        TIKTOK_PERSONAL
    )
    [result] = import_files([put(tmp_path, tiktok_csv(tiktok_row(1)))], Store(tmp_path / "store"))
    assert result.refused is None
    text = stored_text(tmp_path / "store")
    assert "576460000000000001" in text
    assert MARK not in text
    assert "TRACK-1" not in text


def test_damaged_files_by_chance_are_read_or_refused(tmp_path):
    told = fuzz.fuzz("tiktok_orders", seconds=60, seed=7, keep=tmp_path, most=60)
    assert told["tried"] == 60
