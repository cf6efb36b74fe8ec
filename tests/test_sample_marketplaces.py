"""The sample's accounts of other marketplaces: told as planted, counted by hand from the orders; nobody's data."""

import csv
import json
import re
import sys
from collections import Counter
from datetime import date, datetime, time, timedelta

import pandas as pd
import pytest

from healthkit import batch
from healthkit.ingest.importer import import_files
from healthkit.ingest.parsing.spreadsheets import workbook_to_text
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.latin_and_tiktok_files import stored_text
from tests.builders.sample import AMAZON_ACCOUNTS, DAY, MONTH, OTHER_ACCOUNTS, OTHER_FOLDERS, SAMPLE

MARKETPLACES = {
    "casa-jacaranda": "MERCADO_LIBRE", "cedar-and-copper": "WALMART_US", "moss-and-thimble": "ETSY",
    "northfield-paper": "ETSY", "saltbox-candles": "TIKTOK_US", "second-spin-audio": "EBAY",
}  # fmt: skip
KINDS = {
    "casa-jacaranda": {"mercado_libre_sales", "mercado_libre_reputation", "confirmations"},
    "cedar-and-copper": {"walmart_orders", "confirmations", "defects", "return_requests", "contacts"},
    "moss-and-thimble": {"etsy_orders", "etsy_items", "etsy_star_seller", "defects", "contacts"},
    "northfield-paper": {"shopify_orders", "confirmations", "defects", "contacts"},
    "saltbox-candles": {"tiktok_orders", "confirmations"},
    "second-spin-audio": {"ebay_orders", "ebay_orders_api", "ebay_standards", "defects"},
}
IDS = {
    "casa-jacaranda": r"20000[01]\d{10}", "cedar-and-copper": r"10\d{13}", "moss-and-thimble": r"3\d{9}",
    "northfield-paper": r"#1\d{3}", "saltbox-candles": r"57646\d{13}", "second-spin-audio": r"\d{2}-\d{5}-\d{5}",
}  # fmt: skip
PLACEHOLDERS = (
    r"Buyer \d{6}|buyer\d{6}@example\.invalid|000-0000|1 Sample Street|Sampletown|00000|SAMPLE-SELLER-000000|"
    r"sample-seller-000000"
)
PERSONAL = re.compile(
    r"buyer|name|mail|phone|street|address|city|zip|cédula|domicilio|dirección|comprador|municipio|código postal|"
    r"datos personales|documento|recipient|creator|district|note|message",
    re.IGNORECASE,
)
NOT_PERSONAL = re.compile(
    r"item|product|company|tax|province|lineitem|paid by|terms|fulfillment|^name$|pertenece|carrier|provider|"
    r"shipping name$",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others") / "store"
    return folder, list(import_files(OTHER_FOLDERS, Store(folder)))


@pytest.fixture(scope="module")
def scores(imported) -> pd.DataFrame:
    return Workspace(imported[0]).score(DAY)


@pytest.fixture(scope="module")
def lives(make_sample):
    """What came of the orders of each account, as its files were written from it."""
    live = sys.modules["sample_marketplaces"].live_elsewhere
    first = len(make_sample.STORIES) + 1
    return {story.account: live(story, first + count) for count, story in enumerate(make_sample.MARKETPLACE_STORIES)}


def counted(scores: pd.DataFrame, account: str, metric: str) -> tuple[int, int]:
    """At fault and counted, as the kit has them."""
    [row] = scores[(scores["account"] == account) & (scores["metric"] == metric)].to_dict("records")
    return row["at_fault"], row["counted"]


# -- counts by hand ---------------------------------------------------------------------------------------------


def window(days: int) -> tuple[date, date]:
    return DAY - timedelta(days - 1), DAY


def orders_of(life, days: int = 0):
    """The orders that the marketplace judges, those placed in a window where one is asked for."""
    first, last = window(days or 1_000)
    return [order for order in life.orders if not order.own_shop and first <= order.day <= last]


def local_day(life, moment: datetime) -> date:
    return moment.astimezone(life.story.market.zone).date()


def late_shipments(life, days: int) -> tuple[int, int]:
    first, last = window(days)
    due = [order for order in orders_of(life) if order.parcels and first <= order.ship_by.date() <= last]
    sent = [order for order in due if local_day(life, order.shipped_at) <= DAY]
    return sum(local_day(life, order.shipped_at) > order.ship_by.date() for order in sent), len(sent)


def cancellations(life, days: int, blamed: tuple[str, ...]) -> tuple[int, int]:
    """Cancelled by one of those who are blamed, or in part; of all that were placed."""
    placed = orders_of(life, days)
    return sum(bool(order.troubles & {*blamed, "part_cancel"}) for order in placed), len(placed)


def cases(life, days: int, known_by: date = DAY) -> tuple[int, int]:
    claimed = {row.order_id for row in life.defects if row.kind == "a_to_z_claim" and row.known_on <= known_by}
    placed = orders_of(life, days)
    return sum(order.order_id in claimed for order in placed), len(placed)


def late_answers(life, days: int, hours: int) -> tuple[int, int]:
    first, last = window(days)
    end = datetime.combine(DAY, time(23, 59, 59), life.story.market.zone)
    asked = [row for row in life.messages if row.needs_answer and first <= local_day(life, row.received_at) <= last]
    known = [row for row in asked if row.received_at <= end]
    late = 0
    for row in known:
        limit = row.received_at + timedelta(hours=hours)
        late += limit <= end and (row.answered_at is None or row.answered_at > limit)
    return late, len([row for row in known if (row.answered_at and row.answered_at <= end)
                      or row.received_at + timedelta(hours=hours) <= end])  # fmt: skip


def parcels_due(life, days: int):
    """Delivered parcels with a tracking number, by the promised day of their order."""
    first, last = window(days)
    for order in orders_of(life):
        if first <= order.deliver_by.date() <= last:
            for parcel in order.parcels:
                if parcel.tracking and parcel.delivered_at and local_day(life, parcel.delivered_at) <= DAY:
                    yield order, parcel


def late_parcels(life, days: int) -> tuple[int, int]:
    due = list(parcels_due(life, days))
    late = sum(local_day(life, parcel.delivered_at) > order.deliver_by.date() for order, parcel in due)
    return late, len(due)


SELLER, ANYONE = ("seller_cancel",), ("seller_cancel", "buyer_cancel")


def test_walmart_parcels_are_late_and_the_rest_is_well(lives, scores):
    account = "cedar-and-copper"
    life = lives[account]
    late, due = late_parcels(life, 30)
    assert late / due > 0.1
    assert counted(scores, account, "on_time_delivery_rate") == (late, due)
    assert counted(scores, account, "late_response_rate") == late_answers(life, 30, 48)
    # The file does not say who cancelled, so that everybody is blamed on the seller.
    assert counted(scores, account, "cancellation_rate") == cancellations(life, 30, ANYONE)
    lost = [order for order in orders_of(life, 60) if "lost" in order.troubles]
    known = [order for order in lost if order.deliver_by.date() + timedelta(4) <= DAY]
    assert counted(scores, account, "item_not_received_rate") == (len(known), len(orders_of(life, 60)))
    refunded = {row.order_id for row in life.defects if row.kind == "refund" and row.known_on <= DAY}
    placed = orders_of(life, 30)
    assert counted(scores, account, "refund_rate") == (
        sum(order.order_id in refunded for order in placed), len(placed),
    )  # fmt: skip


def test_nothing_is_wrong_at_ebay_and_its_own_figures_say_the_same(lives, scores, imported):
    account = "second-spin-audio"
    life = lives[account]
    told = {
        "late_shipment_rate": late_shipments(life, 90),
        "case_rate": cases(life, 90),
        "transaction_defect_rate": (
            sum(one[0] for one in (cancellations_alone(life, 90), cases(life, 90))), len(orders_of(life, 90)),
        ),
    }  # fmt: skip
    assert {metric: counted(scores, account, metric) for metric in told} == told
    assert own_figures(imported[0], account) == told
    assert set(scores.loc[scores["account"] == account, "status"]) == {"on target"}


def cancellations_alone(life, days: int) -> tuple[int, int]:
    """Cancelled by the seller, no matter of what was cancelled in part."""
    placed = orders_of(life, days)
    return sum("seller_cancel" in order.troubles for order in placed), len(placed)


def own_figures(store, account: str) -> dict[str, tuple[int, int]]:
    readings = Store(store).ledger().readings.collect("pyarrow").to_native().to_pylist()
    of_account = [row for row in readings if row["account"] == account]
    return {row["metric"]: (row["at_fault"], row["counted"]) for row in of_account}


def test_etsy_messages_wait_too_long_and_orders_ship_in_time(lives, scores):
    account = "moss-and-thimble"
    life = lives[account]
    late, asked = late_answers(life, 90, 48)
    assert late / asked > 0.2
    assert counted(scores, account, "late_response_rate") == (late, asked)
    assert counted(scores, account, "late_shipment_rate") == late_shipments(life, 90)
    assert counted(scores, account, "case_rate") == cases(life, 90)


def test_tiktok_orders_ship_late_after_the_video(lives, scores):
    account = "saltbox-candles"
    life = lives[account]
    late, sent = late_shipments(life, 30)
    assert late / sent > 0.1
    assert counted(scores, account, "late_shipment_rate") == (late, sent)
    assert counted(scores, account, "on_time_delivery_rate") == late_parcels(life, 30)
    assert counted(scores, account, "cancellation_rate") == cancellations(life, 30, SELLER)


def test_mercado_libre_has_too_many_complaints_and_its_own_figures_say_the_same(lives, scores, imported):
    account = "casa-jacaranda"
    life = lives[account]
    told = {
        "case_rate": cases(life, 60, date(2026, 11, 2)),
        "late_shipment_rate": late_shipments(life, 60),
        "cancellation_rate": cancellations(life, 60, SELLER),
    }
    assert told["case_rate"][0] / told["case_rate"][1] > 0.02
    assert {metric: counted(scores, account, metric) for metric in told} == told
    assert own_figures(imported[0], account) == told | {"case_rate": cases(life, 60)}


def test_of_the_shopify_list_the_orders_of_etsy_count_and_those_of_the_own_page_do_not(lives, scores, imported):
    account = "northfield-paper"
    life = lives[account]
    assert counted(scores, account, "late_shipment_rate") == late_shipments(life, 90)
    assert counted(scores, account, "case_rate") == cases(life, 90)
    own = sum(len(order.lines) for order in life.orders if order.own_shop)
    assert own > 30
    [file] = [one.parsed_file for one in imported[1] if one.parsed_file.kind == "shopify_orders"]
    assert list(file.skipped.values()) == [own]


def test_four_accounts_are_off_target_for_what_was_planted_and_two_are_on_target(scores):
    off = scores[scores["status"] == "off target"]
    assert set(zip(off["account"], off["metric"], strict=True)) == {
        ("casa-jacaranda", "case_rate"), ("cedar-and-copper", "on_time_delivery_rate"),
        ("moss-and-thimble", "late_response_rate"), ("saltbox-candles", "late_shipment_rate"),
    }  # fmt: skip


# -- the files --------------------------------------------------------------------------------------------------


def test_every_file_is_read_as_what_it_is_and_none_is_refused(imported):
    assert [one.refused for one in imported[1] if one.refused] == []
    kinds = {account: set() for account in OTHER_ACCOUNTS}
    for one in imported[1]:
        kinds[one.parsed_file.account].add(one.parsed_file.kind)
    assert kinds == KINDS


def test_every_account_is_judged_by_the_rules_of_its_marketplace(imported, scores):
    workspace = Workspace(imported[0])
    assert {account: [code] for account, code in MARKETPLACES.items()} == {
        account: sorted(set(scores.loc[scores["account"] == account, "marketplace"])) for account in OTHER_ACCOUNTS
    }
    for account, code in MARKETPLACES.items():
        asked = {rule.metric for rule in workspace.policies[code].rules_in_force(DAY)}
        assert set(scores.loc[scores["account"] == account, "metric"]) == asked


def test_ids_have_the_form_of_their_marketplace_and_none_stands_in_two_accounts(imported):
    orders = Store(imported[0]).ledger().orders.collect("pyarrow").to_native().to_pylist()
    assert all(re.fullmatch(IDS[row["account"]], row["order_id"]) for row in orders)
    assert len({row["order_id"] for row in orders}) == len(orders)
    counts = Counter(row["account"] for row in orders)
    assert set(counts) == set(OTHER_ACCOUNTS)
    assert min(counts.values()) > 200


def cells(path) -> list[list[str]]:
    data = path.read_bytes()
    tabs = path.suffix == ".xlsx"
    text = workbook_to_text(data, path.name).decode() if tabs else data.decode("utf-8-sig")
    return list(csv.reader(text.splitlines(), delimiter="\t" if tabs else ","))


def personal_cells() -> list[tuple[str, str, str]]:
    """File, column and cell of every column of the marketplaces' files that holds personal data."""
    found = []
    for path in sorted(path for folder in OTHER_FOLDERS for path in folder.iterdir()):
        if path.suffix == ".json" or re.match(r"contacts|defects|return|ship_conf", path.name):
            continue
        rows = cells(path)
        header = max(rows[:6], key=lambda row: sum(map(bool, row)))
        for at, column in enumerate(header):
            if PERSONAL.search(column) and not NOT_PERSONAL.search(column):
                found += [
                    (path.name, column, row[at])
                    for row in rows[rows.index(header) + 1 :]
                    if len(row) > len(header) // 2
                ]
    return found


def test_every_buyer_is_a_placeholder_in_every_file_and_reaches_no_disk(imported):
    found = personal_cells()
    told = {(name, column) for name, column, cell in found if cell}
    assert {name for name, _ in told} == {
        "20261102_Ventas_MX_Mercado_Libre.xlsx", "All order-2026-11-02.csv", "EtsySoldOrderItems2026.csv",
        "EtsySoldOrders2026.csv", "PO_Data_2026-11-02.xlsx", "eBay-OrdersReport-Nov-02-2026.csv", "orders_export.csv",
        "star_seller_shipping.csv",
    }  # fmt: skip
    assert len(told) > 45
    assert [row for row in found if row[2] and not re.fullmatch(PLACEHOLDERS, row[2])] == []
    stored = stored_text(imported[0])
    assert (
        re.findall(r"Buyer \d{6}|example\.invalid|Sample Street|Sampletown|(?i:sample-seller)|000-0000", stored) == []
    )


def test_every_tracking_number_is_made_up():
    text = "\n".join(
        "\t".join(row) for path in SAMPLE.glob("*/*") if path.parent in OTHER_FOLDERS for row in cells(path)
    )
    assert len(re.findall(r"TEST\d{7}", text)) > 1_000
    assert re.findall(r"\b(?:9[2-5]\d{20}|1Z[0-9A-Z]{16})\b", text) == []


def test_the_traps_of_real_files_are_in_the_sample():
    sales = cells(SAMPLE / "casa-jacaranda" / "20261102_Ventas_MX_Mercado_Libre.xlsx")
    assert sales[5][:3] == ["# de venta", "Fecha de venta", "Estado"]
    assert (sales[5].count("Estado"), sales[5].count("Unidades")) == (2, 3)
    assert any(row[2] == "Paquete de 2 productos" for row in sales if len(row) > 2)
    assert any(re.fullmatch(r"\d+ de septiembre \| \d\d:\d\d", cell) for row in sales for cell in row)
    tiktok = (SAMPLE / "saltbox-candles" / "All order-2026-11-02.csv").read_bytes().decode("utf-8-sig")
    assert re.search(r"^57646\d{13}\t,", tiktok, re.MULTILINE)
    ebay = (SAMPLE / "second-spin-audio" / "eBay-OrdersReport-Nov-02-2026.csv").read_text("utf-8").splitlines()
    assert set(ebay[0]) == set(ebay[2]) == {","}
    assert ebay[-1].startswith("Seller ID : ")
    assert '"record(s) downloaded"' in ebay[-2]
    numbers = Counter(row[1] for row in csv.reader(ebay[3:]) if len(row) > 2)
    assert set(numbers.values()) == {1, 3}
    etsy = cells(SAMPLE / "moss-and-thimble" / "EtsySoldOrders2026.csv")
    assert any("," in row[-1] for row in etsy[1:])


def test_ebay_says_of_each_cancelled_order_who_cancelled_it(lives):
    answer = json.loads((SAMPLE / "second-spin-audio" / "cancelled_orders_2026-11-02.json").read_text("utf-8"))
    told = {
        order["orderId"]: order["cancelStatus"]["cancelRequests"][0]["cancelInitiator"] for order in answer["orders"]
    }
    assert told == {
        order.order_id: "SELLER" if "seller_cancel" in order.troubles else "BUYER"
        for order in lives["second-spin-audio"].orders
        if order.cancelled_at
    }
    assert set(told.values()) == {"SELLER", "BUYER"}


# -- the pages --------------------------------------------------------------------------------------------------


def test_the_index_shows_them_and_a_page_names_what_no_file_tells(imported, tmp_path):
    made = batch.generate_reports(
        Workspace(imported[0]), MONTH, ["cedar-and-copper", "second-spin-audio"], out=tmp_path, jobs=2
    )
    index = made.index.read_text("utf-8")
    assert all(title in index for title in ("Walmart US", "eBay", "second-spin-audio", "cedar-and-copper"))
    page = (made.index.parent / "cedar-and-copper_walmart_us.html").read_text("utf-8")
    assert "off target at 85.9%" in page
    assert "No file covers negative feedback" in page


def test_no_account_has_the_name_of_another():
    assert not set(OTHER_ACCOUNTS) & set(AMAZON_ACCOUNTS)
    assert {path.name for path in SAMPLE.iterdir()} == {*OTHER_ACCOUNTS, *AMAZON_ACCOUNTS}
