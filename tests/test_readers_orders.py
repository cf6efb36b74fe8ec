"""The readers of orders by other roads: the Orders API, what waits, what Amazon shipped, what Amazon took back."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.ingest import importer
from healthkit.ingest.formats import ParsedFile, ReaderError, discover_files, parse_file
from healthkit.ingest.formats.registry import find_format
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import build_parsed_file
from tests.builders import raw_files as files
from tests.builders.damaged_files import (
    ODD_CELLS,
    REFUSED,
    expected,
    read_from_disk,
    said_of,
    seeded,
    spoilt,
    whole_or_refused,
)
from tests.builders.order_downloads import DE, item_2026, items_v0, order_2026, order_v0, parcel_2026
from tests.builders.raw_files import FIRST, MARK, SECOND, THIRD, Tiny, put, tiny

SHARED = Path(__file__).parents[2] / "shared" / "data" / "amazon_reports"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="Amazon's own examples lie outside the project")

# ruff: noqa: E501 - tables of cells are wider than lines of code

# 06:59:59 UTC is the last second of the day before in Los Angeles; one row holds two offsets.
UNSHIPPED = tiny(
    "unshipped",
    "unshipped-orders file",
    f"""
    order-id | order-item-id | purchase-date | payments-date | reporting-date | promise-date | days-past-promise | buyer-email | buyer-name | buyer-phone-number | sku | product-name | quantity-purchased | quantity-shipped | quantity-to-ship | ship-service-level | recipient-name | ship-address-1 | ship-city | ship-state | ship-postal-code | ship-country | is-business-order | purchase-order-number | is-prime | verge-of-cancellation | verge-of-lateShipment
    {FIRST}  | 50000000000001 | 2026-09-24T12:02:50+00:00 | 2026-09-24T05:02:50-07:00 | 2026-09-24T13:00:00+00:00 | 2026-09-26T06:59:59+00:00 | -1 | X | X | X | S-1 | Screen 15" | 2 | 0 | 2 | Standard | X | X | X | wa | X | US | false | X | true  | false | false
    {FIRST}  | 50000000000002 | 2026-09-24T12:02:50+00:00 | 2026-09-24T05:02:50-07:00 | 2026-09-24T13:00:00+00:00 | 2026-09-27T06:59:59+00:00 | -2 | X | X | X | S-2 | Stand      | 1 | 0 | 1 | Standard | X | X | X | wa | X | US | false | X | true  | false | false
    {SECOND} | 50000000000003 | 2026-09-25T03:00:00+00:00 | 2026-09-24T20:30:00-07:00 |                           | 2026-09-28T06:59:59+00:00 | -3 | X | X | X | S-2 | Stand      | 1 | 0 | 1 | Standard | X | X | X | 1 High Street | X | US | true | X | false | false | false
    """,
    id_column="order-id",
    date_column="promise-date",
    needed="promise-date",
    impossible_date="2026-02-30T00:00:00+00:00",
    personal=(
        "buyer-email", "buyer-name", "buyer-phone-number", "recipient-name", "ship-address-1", "ship-city",
        "ship-postal-code", "purchase-order-number",
    ),
)  # fmt: skip
AMAZON_SHIPMENTS = tiny(
    "amazon_shipments",
    "Amazon-fulfilled shipments file",
    f"""
    amazon-order-id | shipment-id | shipment-item-id | purchase-date | payments-date | shipment-date | reporting-date | buyer-email | buyer-name | sku | product-name | quantity-shipped | ship-service-level | recipient-name | ship-address-1 | ship-city | ship-state | ship-postal-code | ship-country | bill-city | carrier | tracking-number | fulfillment-channel | sales-channel
    {FIRST}  | D1 | I1 | 2026-06-05T06:57:28+09:00 | 2026-06-05T07:00:00+09:00 | 2026-06-06T01:00:00+09:00 | 2026-06-06T09:00:00+09:00 | X | X | S-1 | Screen 15" | 1 | Expedited | X | X | X | Tokyo | X | JP | X | YAMATO | 9400 | AFN | Amazon.co.jp
    {FIRST}  | D1 | I2 | 2026-06-05T06:57:28+09:00 | 2026-06-05T07:00:00+09:00 | 2026-06-06T01:00:00+09:00 | 2026-06-06T09:00:00+09:00 | X | X | S-2 | Stand      | 2 | Expedited | X | X | X | Tokyo | X | JP | X | YAMATO | 9400 | AFN | Amazon.co.jp
    {FIRST}  | D2 | I3 | 2026-06-05T06:57:28+09:00 | 2026-06-05T07:00:00+09:00 | 2026-06-07T01:00:00+09:00 | 2026-06-07T09:00:00+09:00 | X | X | S-1 | Screen 15" | 1 | Expedited | X | X | X | Tokyo | X | JP | X | YAMATO |      | AFN | Amazon.co.jp
    {FIRST}  | D2 | I3 | 2026-06-05T06:57:28+09:00 | 2026-06-05T07:00:00+09:00 | 2026-06-07T01:00:00+09:00 | 2026-06-07T09:00:00+09:00 | X | X | S-1 | Screen 15" | 1 | Expedited | X | X | X | Tokyo | X | JP | X | YAMATO |      | AFN | Amazon.co.jp
    {SECOND} | D3 | I4 | 2026-06-05T23:30:00+09:00 | 2026-06-05T23:31:00+09:00 | 2026-06-07T02:00:00+09:00 |                           | X | X | S-2 | Stand      | 1 | Standard  | X | X | X | Tokyo | X | JP | X | YAMATO | 9401 | AFN | Amazon.co.jp
    """,
    id_column="amazon-order-id",
    date_column="shipment-date",
    needed="shipment-item-id",
    impossible_date="2026-02-30T00:00:00+09:00",
    personal=(
        "buyer-email", "buyer-name", "recipient-name", "ship-address-1", "ship-city", "ship-postal-code", "bill-city",
        "tracking-number",
    ),
)  # fmt: skip
FBA_RETURNS = tiny(
    "fba_returns",
    "Amazon-fulfilled returns file",
    f"""
    return-date | order-id | sku | asin | fnsku | product-name | quantity | fulfillment-center-id | detailed-disposition | reason | status | license-plate-number | customer-comments
    2026-03-02T04:00:00+00:00 | {FIRST}  | S-1 | B01 | X01 | Screen 15" | 1 | PHX3 | SELLABLE  | DEFECTIVE      | Reimbursed | LPN1 | X
    2026-03-02T04:00:00+00:00 | {FIRST}  | S-1 | B01 | X01 | Screen 15" | 1 | PHX3 | SELLABLE  | DEFECTIVE      | Reimbursed | LPN2 | X
    2026-03-05T12:00:00-08:00 | {SECOND} | S-2 | B02 | X02 | Stand      | 2 | PHX3 | DEFECTIVE | UNWANTED_ITEM  |            |      | X
    """,
    id_column="order-id",
    date_column="return-date",
    needed="fnsku",
    impossible_date="2026-02-30T00:00:00+00:00",
    personal=("customer-comments",),
)
TINY = (UNSHIPPED, AMAZON_SHIPMENTS, FBA_RETURNS)
each_kind = pytest.mark.parametrize("file", TINY, ids=lambda file: file.kind)


def cancelled_2026(*items: dict[str, Any], status: str = "CANCELLED") -> dict[str, Any]:
    fulfillment = order_2026()["fulfillment"] | {"fulfillmentStatus": status}
    return order_2026(fulfillment=fulfillment, orderItems=list(items), packages=[])


def answered(content: Any, kind: str = "orders_api_v0", **told: Any) -> ParsedFile:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    context = ReadContext("acme/answer.json", "digest", "acme", **told).with_marketplace_code()
    return build_parsed_file(find_format(kind).parse(data, context), context, kind)


def answered_2026(*orders: dict[str, Any], **told: Any) -> ParsedFile:
    return answered({"orders": list(orders)}, "orders_api_2026", **told)


def taken(folder: Path, content: Tiny | str | bytes, name: str = "download.txt", **told: Any) -> ParsedFile:
    put(folder, content, name=name)
    [source], refused = discover_files([folder])
    assert refused == []
    return parse_file(source, **told)


def rows(one: ParsedFile, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in one.tables[table].select(columns).to_pylist()]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# The Orders API, version 0


@pytest.mark.parametrize(
    "answer",
    [
        {"payload": {"Orders": [order_v0()], "NextToken": "x"}},
        {"Orders": [order_v0()]},
        [{"payload": {"Orders": []}}, {"payload": {"Orders": [order_v0()]}}],
        {"payload": order_v0()},
        order_v0(),
        {"answers kept": {"page 1": [{"payload": {"Orders": [order_v0()]}}]}},
    ],
    ids=["a page", "a bare page", "a list of pages", "one order", "one bare order", "wrapped"],
)
def test_an_answer_of_version_0_becomes_an_order_whatever_wraps_it(tmp_path, answer):
    one = taken(tmp_path, json.dumps(answer), "answer.json")
    assert one.kind == "orders_api_v0"
    assert rows(one, "orders", "order_id", "marketplace", "channel", "status", "ordered_at", "ordered_on", "units") == [
        (FIRST, "US", "seller", "shipped", at("2026-03-02 04:00"), date(2026, 3, 1), 3)
    ]
    assert rows(one, "orders", "ship_by", "ship_by_on", "deliver_by_on", "is_business", "is_premium") == [
        (at("2026-03-04 07:59:59"), date(2026, 3, 3), date(2026, 3, 7), True, False)
    ]
    assert rows(one, "orders", "ship_method", "country", "state", "updated_at") == [
        ("Standard", "US", "WA", at("2026-03-04 04:00"))
    ]
    assert (one.first_day, one.last_day) == (date(2026, 3, 1), date(2026, 3, 1))


@pytest.mark.parametrize(("asked", "by"), [(("true", "true"), "buyer"), (("true", "false"), None), ((), None)])
def test_a_cancellation_of_version_0_is_the_buyers_where_the_buyer_asked_for_every_item(asked, by):
    one = answered([{"Orders": [order_v0(OrderStatus="Canceled")]}, items_v0(FIRST, *asked)])
    assert rows(one, "orders", "status", "cancelled_on", "cancelled_by") == [("cancelled", date(2026, 3, 3), by)]


def test_a_request_to_cancel_an_order_that_was_shipped_cancels_nothing():
    one = answered([{"Orders": [order_v0()]}, items_v0(FIRST, "true")])
    assert rows(one, "orders", "status", "cancelled_on", "cancelled_by", "part_cancelled") == [
        ("shipped", None, None, None)
    ]


def test_items_on_a_page_of_their_own_join_their_order_in_the_same_file():
    one = answered([items_v0(FIRST, "false", "false"), {"Orders": [order_v0()]}])
    assert rows(one, "items", "order_id", "sku", "asin", "units", "updated_at") == [
        (FIRST, "S-1", "B1", 1, at("2026-03-04 04:00")),
        (FIRST, "S-2", "B2", 2, at("2026-03-04 04:00")),
    ]
    assert rows(one, "orders", "units") == [(3,)]


def test_items_alone_ask_the_store_where_they_belong_and_are_older_than_anything():
    one = answered(items_v0(FIRST, "true"), "orders_api_v0_items", marketplace_of=lambda *_: {FIRST: "DE"})
    assert rows(one, "items", "marketplace", "sku", "updated_at") == [("DE", "S-1", at("1995-01-01 00:00"))]
    assert rows(one, "orders", "order_id", "status", "ordered_on", "cancelled_by") == [(FIRST, None, None, "buyer")]
    with pytest.raises(ReaderError, match=r"none of its orders is known yet\. Say which with --marketplace, or import"):
        answered(items_v0(FIRST, "true"), "orders_api_v0_items")
    with pytest.raises(ReaderError, match="said marketplace US, but its orders are known to be of DE"):
        answered(items_v0(), "orders_api_v0_items", marketplace="US", marketplace_of=lambda *_: {FIRST: "DE"})


def test_items_alone_are_read_after_the_orders_whatever_the_files_are_called(store, tmp_path):
    put(tmp_path, json.dumps(items_v0(FIRST, "true")), name="a_items.json")
    put(tmp_path, json.dumps({"Orders": [order_v0(OrderStatus="Canceled", MarketplaceId=DE)]}), name="b_orders.json")
    put(tmp_path, FBA_RETURNS, name="c.txt")
    outcomes = list(importer.import_files([tmp_path / "acme"], store))
    assert [(outcome.kind, outcome.refused) for outcome in outcomes] == [
        ("orders_api_v0", None), ("orders_api_v0_items", None), ("fba_returns", None),
    ]  # fmt: skip
    [order] = store.ledger().orders.collect().to_native().to_pylist()
    assert (order["marketplace"], order["status"], order["cancelled_by"]) == ("DE", "cancelled", "buyer")


def test_an_order_of_two_pages_is_as_the_newest_has_it():
    older = order_v0(OrderStatus="Unshipped", LastUpdateDate="2026-03-02T05:00:00Z")
    for pages in ([older, order_v0()], [order_v0(), older]):
        assert rows(answered({"Orders": pages}), "orders", "order_id", "status") == [(FIRST, "shipped")]


@pytest.mark.parametrize("cells", [{"AmazonOrderId": "S01-0000001-0000001"}, {"SalesChannel": "Non-Amazon US"}])
def test_orders_of_other_shops_are_left_out_of_an_answer_and_told(cells):
    one = answered({"Orders": [order_v0(**{**cells, "MarketplaceId": "A1MQXOICRS2Z7M"}), order_v0(SECOND)]})
    assert rows(one, "orders", "order_id") == [(SECOND,)]
    assert list(one.skipped.values()) == [1]


def test_orders_that_were_made_up_are_left_out_with_their_items_and_told():
    made_up = order_v0(PurchaseDate="1970-01-19T03:58:30Z", LatestShipDate="1970-01-19T04:05:13Z")
    one = answered([{"Orders": [made_up, order_v0(SECOND)]}, items_v0(FIRST, "false")])
    assert rows(one, "orders", "order_id") == [(SECOND,)]
    assert rows(one, "items", "order_id") == []
    assert one.skipped == {"orders placed before 1995 are made up, as those of Amazon's sandbox": 1}


def test_without_an_id_the_sales_channel_names_the_marketplace_else_the_caller():
    one = answered({"Orders": [order_v0(MarketplaceId="left out", SalesChannel="Amazon.de")]})
    assert rows(one, "orders", "marketplace") == [("DE",)]
    bare = {"Orders": [order_v0(MarketplaceId="left out", SalesChannel="left out")]}
    assert rows(answered(bare, marketplace="uk"), "orders", "marketplace") == [("UK",)]
    with pytest.raises(ReaderError, match="does not say of which marketplace 1 of its 1 orders are"):
        answered(bare)


@pytest.mark.parametrize("cells", [{}, {"MarketplaceId": "left out"}])
def test_the_told_marketplace_may_not_contradict_an_answer(cells):
    with pytest.raises(ReaderError, match="you said marketplace DE, but the file states US"):
        answered({"Orders": [order_v0(**cells)]}, marketplace="DE")


@pytest.mark.parametrize(
    ("channel", "premium", "prime", "is_premium"),
    [
        ("MFN", True, False, True), ("MFN", False, True, True), ("AFN", False, True, False),
        ("MFN", "left out", "left out", None),
    ],
)  # fmt: skip
def test_prime_is_premium_only_where_the_seller_ships(channel, premium, prime, is_premium):
    order = order_v0(FulfillmentChannel=channel, IsPremiumOrder=premium, IsPrime=prime)
    assert rows(answered({"Orders": [order]}), "orders", "is_premium") == [(is_premium,)]


def test_an_empty_page_holds_no_orders_and_says_so(tmp_path):
    one = taken(tmp_path, '{"payload": {"Orders": []}}', "answer.json")
    assert (sum(map(len, one.tables.values())), one.notes) == (0, ["The file holds no orders."])


def test_answers_that_failed_are_told():
    one = answered([{"errors": [{"code": "QuotaExceeded", "message": "x"}]}, {"Orders": [order_v0()]}])
    assert one.skipped == {"answers that are errors hold no order: ask for them again": 1}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"AmazonOrderId": "12345"}, r"Orders\[0\]\.AmazonOrderId is '12345', no order id"),
        ({"AmazonOrderId": "١١١-0000001-0000001"}, "no order id"),
        ({"AmazonOrderId": None}, "AmazonOrderId is empty, though no order may lack it"),
        ({"LastUpdateDate": None}, "LastUpdateDate is empty, though no order may lack it"),
        ({"PurchaseDate": "2026-03-02"}, "PurchaseDate is '2026-03-02', no time stamp with an offset"),
        ({"PurchaseDate": "2026-02-30T00:00:00Z"}, "PurchaseDate is '2026-02-30T00:00:00Z', no time stamp"),
        ({"LatestShipDate": "1970-01-19T04:05:13Z"}, "LatestShipDate is '1970-01-19T04:05:13Z', not in our time"),
        ({"LatestShipDate": 1770000000}, "LatestShipDate is '1770000000', where a text belongs"),
        ({"FulfillmentChannel": "Drone"}, "FulfillmentChannel is 'Drone', unknown; there are: MFN, AFN"),
        ({"OrderStatus": "4711"}, "OrderStatus is '4711', no status word"),
        ({"IsPrime": "perhaps"}, "IsPrime is 'perhaps', neither true nor false"),
        ({"NumberOfItemsShipped": "many"}, "NumberOfItemsShipped is 'many', no number"),
        ({"MarketplaceId": "XYZ"}, "marketplaceId is 'XYZ', a marketplace that the kit does not know"),
        ({"ShippingAddress": MARK}, r"ShippingAddress holds words \(15 characters\), where an object belongs"),
    ],
)
def test_a_value_of_version_0_that_cannot_be_read_is_named(cells, said):
    with pytest.raises(ReaderError, match=said) as raised:
        answered({"Orders": [order_v0(**cells)]})
    assert str(raised.value).startswith("acme/answer.json: ")


@real
def test_amazons_own_sandbox_answers_are_read():
    [source], refused = discover_files([SHARED / "schema" / "ordersV0.sandbox_responses.json"])
    assert refused == []
    one = parse_file(source, account="acme")
    assert rows(one, "orders", "order_id", "marketplace", "channel", "status", "is_business") == [
        ("902-3159896-1390916", "US", "seller", "pending", False),
        ("921-3175655-0452641", "DE", "amazon", "shipped", True),
    ]
    assert 3 in one.skipped.values()


@real
def test_made_up_seeds_of_a_connector_are_refused_with_what_they_lack():
    [source], [refused] = discover_files([SHARED / "seeds"])
    assert refused.name == "seeds/order_item.csv"
    assert "no known kind of file: its first line is not a header that the kit knows" in refused.message
    assert (source.name, source.kind) == ("seeds/orders.csv", "orders_api_table")
    with pytest.raises(ReaderError, match=r"seeds/orders\.csv: row 2\.AmazonOrderId holds words .*, no order id"):
        parse_file(source, account="acme")


# The Orders API, version 2026-01-01


@pytest.mark.parametrize(
    "answer",
    [{"orders": [order_2026()]}, order_2026(), {"order": order_2026()}, [{"orders": []}, {"orders": [order_2026()]}]],
    ids=["a page", "one order", "an answer of one order", "a list of pages"],
)
def test_an_answer_of_2026_becomes_an_order_its_item_and_its_parcel(tmp_path, answer):
    one = taken(tmp_path, json.dumps(answer), "answer.json")
    assert one.kind == "orders_api_2026"
    assert rows(one, "orders", "order_id", "marketplace", "channel", "status", "ordered_on", "units") == [
        (FIRST, "US", "seller", "shipped", date(2026, 3, 1), 1)
    ]
    assert rows(one, "orders", "ship_by_on", "deliver_by_on", "is_business", "is_premium", "ship_method", "state") == [
        (date(2026, 3, 3), date(2026, 3, 7), True, True, "Standard", "WA")
    ]
    assert rows(one, "items", "sku", "asin", "product", "units") == [("S-1", "B1", "Stand", 1)]
    assert rows(one, "shipments", "shipment_id", "confirmed_at", "confirmed_on", "units", "carrier", "ship_method") == [
        ("P1", at("2026-03-03 04:00"), date(2026, 3, 2), 2, "UPS", "UPS Ground")
    ]
    assert [note for note in one.notes if note.startswith("1 parcels: the time at which each was created stands for")]


@pytest.mark.parametrize(
    ("items", "by"),
    [
        ([item_2026(1, "BUYER"), item_2026(2, "BUYER")], "buyer"),
        ([item_2026(1, "BUYER"), item_2026(2, "MERCHANT")], "seller"),
        ([item_2026(1, "AMAZON"), item_2026(2, "BUYER")], "amazon"),
        ([item_2026(1, "AMAZON"), item_2026(2, "MERCHANT")], "seller"),
        ([item_2026(1, None, "BUYER")], "buyer"),
        ([item_2026(1, "MERCHANT", "BUYER")], "buyer"),
        ([item_2026(1, "BUYER"), item_2026(2)], None),
        ([item_2026(1)], None),
    ],
)
def test_a_cancellation_of_2026_names_who_did_it(items, by):
    one = answered_2026(cancelled_2026(*items))
    assert rows(one, "orders", "status", "cancelled_on", "cancelled_by", "part_cancelled") == [
        ("cancelled", date(2026, 3, 4), by, False)
    ]


def test_an_order_of_which_one_item_was_cancelled_is_cancelled_in_part():
    one = answered_2026(cancelled_2026(item_2026(1), item_2026(2, "MERCHANT"), status="SHIPPED"))
    assert rows(one, "orders", "status", "cancelled_on", "cancelled_by", "part_cancelled") == [
        ("shipped", date(2026, 3, 4), "seller", True)
    ]


@pytest.mark.parametrize(
    ("parcel", "tracking", "scanned"),
    [
        (parcel_2026("PENDING"), True, False), (parcel_2026("IN_TRANSIT"), True, True),
        (parcel_2026("SHIPPED"), True, True), (parcel_2026("DELIVERED"), True, True),
        (parcel_2026("DELIVERED", trackingNumber=""), False, False), (parcel_2026("NEWLY_INVENTED"), True, None),
        (parcel_2026(packageStatus="left out"), True, None),
    ],
)  # fmt: skip
def test_a_parcel_past_pending_stands_for_one_that_was_scanned(parcel, tracking, scanned):
    assert rows(answered_2026(order_2026(packages=[parcel])), "shipments", "tracking", "scanned") == [
        (tracking, scanned)
    ]


def test_a_parcel_that_was_called_off_is_left_out_and_told():
    one = answered_2026(order_2026(packages=[parcel_2026("CANCELLED"), parcel_2026(packageReferenceId="P2")]))
    assert rows(one, "shipments", "shipment_id") == [("P2",)]
    assert one.skipped == {"parcels that were called off": 1}


def test_orders_that_were_not_placed_on_amazon_are_left_out_of_2026():
    other = order_2026(salesChannel={"channelName": "NON_AMAZON"})
    one = answered_2026(other, order_2026(SECOND))
    assert (rows(one, "orders", "order_id"), list(one.skipped.values())) == ([(SECOND,)], [1])


def test_partly_shipped_is_one_word_in_both_versions():
    statuses = [
        answered({"Orders": [order_v0(OrderStatus="PartiallyShipped")]}),
        answered_2026(cancelled_2026(item_2026(), status="PARTIALLY_SHIPPED")),
    ]
    assert [rows(one, "orders", "status") for one in statuses] == [[("partially shipped",)]] * 2


@pytest.mark.parametrize(
    "one", [answered([{"Orders": [order_v0()]}, items_v0(FIRST, "true")]), answered_2026(order_2026())]
)
def test_nothing_of_a_buyer_comes_out_of_an_answer(one):
    told = str([table.to_pylist() for table in one.tables.values()]) + str(one)
    assert MARK not in told
    assert "1Z999" not in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"orderItems": 1}', "orderId is empty"),
        (b'[{"orders": [1]}]', r"orders\[0\] is '1', where an object belongs"),
        (b'{"other": {"orderItems\\ud800": 1}}', "holds no answer with orders in it"),
        (b'{"orders": [', "the JSON breaks off: the file is half-written"),
        (b'{"orders": []} x', "no JSON from column 16"),
        (b'{"orders": [], "orders": []}', "has a key that is 'orders', twice"),
        (b'{"orders": ' + b"[" * 30 + b"]" * 30 + b"}", "nests its brackets deeper than 20 levels, so it is no orders"),
        (b'{"orders": "\xff"}', "byte 13 is no UTF-8"),
        (b'{"orders": [], "n": NaN}', "holds NaN, which is no number"),
    ],
)
def test_a_broken_answer_is_refused_by_what_is_wrong_with_it(content, said):
    with pytest.raises(ReaderError, match=said) as raised:
        answered(content, "orders_api_2026")
    assert re.search("again", str(raised.value))


def test_half_a_letter_is_refused_before_it_reaches_a_table():
    lone = json.dumps({"orders": [order_2026()]}).replace("Stand", "\\ud800").encode()
    with pytest.raises(ReaderError, match=r"title .*holds letters that are none"):
        answered(lone, "orders_api_2026")


# What waits to be shipped


def test_an_order_that_waits_has_its_latest_promise_and_all_its_units(tmp_path):
    one = taken(tmp_path, UNSHIPPED, marketplace="US")
    assert one.kind == "unshipped"
    assert rows(
        one, "orders", "order_id", "channel", "status", "ordered_at", "ordered_on", "ship_by", "ship_by_on"
    ) == [
        (
            FIRST,
            "seller",
            "unshipped",
            at("2026-09-24 12:02:50"),
            date(2026, 9, 24),
            at("2026-09-27 06:59:59"),
            date(2026, 9, 26),
        ),
        (
            SECOND,
            "seller",
            "unshipped",
            at("2026-09-25 03:00"),
            date(2026, 9, 24),
            at("2026-09-28 06:59:59"),
            date(2026, 9, 27),
        ),
    ]
    assert rows(one, "orders", "units", "is_business", "is_premium", "ship_method", "country", "state") == [
        (3, False, True, "Standard", "US", "WA"),
        (1, True, False, "Standard", "US", None),
    ]
    assert rows(one, "items", "order_id", "sku", "units") == [(FIRST, "S-1", 2), (FIRST, "S-2", 1), (SECOND, "S-2", 1)]


def test_what_waits_is_as_new_as_the_newest_date_in_its_file(tmp_path):
    one = taken(tmp_path, UNSHIPPED, marketplace="US")
    assert set(one.tables["orders"]["updated_at"].to_pylist()) == {at("2026-09-25 03:30")}
    reported = UNSHIPPED.with_cell(2, "reporting-date", "2026-09-25T06:00:00+00:00")
    newer = taken(tmp_path / "newer", reported, marketplace="US")
    assert set(newer.tables["orders"]["updated_at"].to_pylist()) == {at("2026-09-25 06:00")}


def test_a_header_alone_says_that_nothing_waits(tmp_path):
    one = taken(tmp_path, UNSHIPPED.text().split("\n")[0] + "\n")
    assert sum(map(len, one.tables.values())) == 0
    assert "Nothing waits to be shipped." in one.notes


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_an_order_that_was_shipped_later_is_not_turned_back_by_the_file_of_what_waits(store, tmp_path, names):
    put(tmp_path, UNSHIPPED, name=f"{names[0]}.txt")
    shipped = files.ALL_ORDERS.with_cell(0, "last-updated-date", "2026-09-26T00:00:00+00:00")
    shipped = shipped.with_cell(1, "last-updated-date", "2026-09-26T00:00:00+00:00")
    list(importer.import_files([tmp_path / "acme"], store))
    put(tmp_path, shipped, name=f"{names[1]}.txt")
    outcomes = list(importer.import_files([tmp_path / "acme"], store))
    if any(outcome.refused for outcome in outcomes):  # without orders nobody knows where the first file belongs
        outcomes = list(importer.import_files([tmp_path / "acme"], store))
    assert [outcome.refused for outcome in outcomes if outcome.refused] == []
    orders = {row["order_id"]: row for row in store.ledger().orders.collect().to_native().to_pylist()}
    assert (orders[FIRST]["status"], orders[FIRST]["ship_by_on"]) == ("shipped", date(2026, 9, 26))
    # The other order is older in the file of all orders than in that of what waits.
    assert orders[SECOND]["status"] == "unshipped"


# What Amazon shipped


def test_an_order_that_amazon_shipped_left_with_its_first_parcel(tmp_path):
    one = taken(tmp_path, AMAZON_SHIPMENTS)
    assert one.kind == "amazon_shipments"
    columns = ("order_id", "marketplace", "channel", "status", "ordered_on", "shipped_on", "units")
    assert sorted(rows(one, "orders", *columns)) == [
        (FIRST, "JP", "amazon", "shipped", date(2026, 6, 5), date(2026, 6, 6), 4),
        (SECOND, "JP", "amazon", "shipped", date(2026, 6, 5), date(2026, 6, 7), 1),
    ]
    assert sorted(rows(one, "orders", "tracking", "ship_method", "country", "state", "updated_at")) == [
        (False, "Expedited", "JP", "TOKYO", at("2026-06-07 00:00")),
        (True, "Standard", "JP", "TOKYO", at("2026-06-06 17:00")),
    ]


def test_a_row_that_stands_twice_is_one_item_of_one_parcel(tmp_path):
    one = taken(tmp_path, AMAZON_SHIPMENTS)
    columns = ("order_id", "shipment_id", "units", "confirmed_at", "tracking", "carrier")
    assert sorted(rows(one, "shipments", *columns)) == [
        (FIRST, "D1", 3, at("2026-06-05 16:00"), True, "YAMATO"),
        (FIRST, "D2", 1, at("2026-06-06 16:00"), False, "YAMATO"),
        (SECOND, "D3", 1, at("2026-06-06 17:00"), True, "YAMATO"),
    ]
    items = sorted(rows(one, "items", "order_id", "sku", "units"))
    assert items == [(FIRST, "S-1", 2), (FIRST, "S-2", 2), (SECOND, "S-2", 1)]
    assert one.rows == 5


def test_what_amazon_shipped_in_japan_is_read_as_cp932(tmp_path):
    japanese = AMAZON_SHIPMENTS.with_cell(4, "product-name", "ソー能表").with_cell(4, "ship-state", "東京都")
    one = taken(tmp_path, japanese.text().encode("cp932"))
    assert "Read as cp932: the file is not plain UTF-8." in one.notes
    assert (SECOND, "ソー能表") in rows(one, "items", "order_id", "product")
    assert (SECOND, "東京都") in rows(one, "orders", "order_id", "state")


def test_what_amazon_shipped_for_other_shops_is_left_out(tmp_path):
    other = AMAZON_SHIPMENTS.with_cell(4, "sales-channel", "Non-Amazon JP")
    one = taken(tmp_path, other)
    assert (rows(one, "orders", "order_id"), list(one.skipped.values())) == ([(FIRST,)], [1])


# What Amazon took back


def test_a_return_to_amazon_is_named_by_its_licence_plate(tmp_path):
    one = taken(tmp_path, FBA_RETURNS, marketplace="US")
    assert one.kind == "fba_returns"
    columns = (
        "return_id",
        "order_id",
        "channel",
        "requested_at",
        "requested_on",
        "due_48h_on",
        "reason",
        "units",
        "sku",
    )
    assert rows(one, "returns", *columns) == [
        ("LPN1", FIRST, "amazon", at("2026-03-02 04:00"), date(2026, 3, 1), date(2026, 3, 3), "DEFECTIVE", 1, "S-1"),
        ("LPN2", FIRST, "amazon", at("2026-03-02 04:00"), date(2026, 3, 1), date(2026, 3, 3), "DEFECTIVE", 1, "S-1"),
        (
            f"{SECOND} S-2 2026-03-05T20:00:00Z",
            SECOND,
            "amazon",
            at("2026-03-05 20:00"),
            date(2026, 3, 5),
            date(2026, 3, 7),
            "UNWANTED_ITEM",
            2,
            "S-2",
        ),
    ]
    assert set(one.tables["returns"]["updated_at"].to_pylist()) == {at("2026-03-05 20:00")}


def test_two_days_after_a_return_may_be_an_hour_more_by_the_clock_there(tmp_path):
    # Summer time began in Los Angeles on 8 March 2026: 23:30 on the 7th is 00:30 two days and 48 hours later.
    spring = FBA_RETURNS.with_cell(2, "return-date", "2026-03-07T23:30:00-08:00")
    one = taken(tmp_path, spring, marketplace="US")
    assert rows(one, "returns", "requested_on", "due_48h_on")[-1] == (date(2026, 3, 7), date(2026, 3, 10))


def test_older_files_without_licence_plates_add_the_units_of_one_return(tmp_path):
    older = FBA_RETURNS
    for column in ("customer-comments", "license-plate-number", "status", "reason"):
        older = older.without_column(column)
    one = taken(tmp_path, older, marketplace="US")
    assert rows(one, "returns", "return_id", "units", "reason") == [
        (f"{FIRST} S-1 2026-03-02T04:00:00Z", 2, None),
        (f"{SECOND} S-2 2026-03-05T20:00:00Z", 2, None),
    ]


def test_a_licence_plate_that_stands_twice_is_one_return_the_latest(tmp_path):
    again = FBA_RETURNS.with_cell(1, "license-plate-number", "LPN1").with_cell(1, "return-date", "2026-03-04T00:00:00Z")
    one = taken(tmp_path, again, marketplace="US")
    assert rows(one, "returns", "return_id", "requested_at")[0] == ("LPN1", at("2026-03-04 00:00"))
    assert (len(one.tables["returns"]), list(one.skipped.values())) == (2, [1])


# The older readers' new columns


def test_all_orders_tell_the_instant_the_way_and_where_to(tmp_path):
    one = taken(tmp_path, wider(files.ALL_ORDERS))
    assert rows(one, "orders", "order_id", "ordered_at", "ship_method", "country", "state", "is_premium") == [
        (THIRD, at("2026-03-04 04:00"), "NextDay", "US", "WA", False),  # Amazon ships it: no promise of the seller's
        (SECOND, at("2026-03-02 04:00"), "NextDay", "US", "WA", True),
        (FIRST, at("2026-03-01 20:00"), "NextDay", "US", "WA", True),
    ]


def test_an_order_report_tells_the_instant_the_way_and_where_to(tmp_path):
    one = taken(tmp_path, wider(files.ORDER_REPORT), marketplace="US")
    assert rows(one, "orders", "order_id", "ordered_at", "ship_method", "country", "state", "is_premium") == [
        (FIRST, at("2026-05-04 12:00"), "NextDay", "US", "WA", True),
        (SECOND, at("2026-05-05 13:00"), "NextDay", "US", "WA", True),
    ]


def test_files_without_the_new_columns_leave_them_empty(tmp_path):
    one = taken(tmp_path, files.ALL_ORDERS)
    assert set(rows(one, "orders", "ship_method", "country", "state", "is_premium")) == {(None, None, None, None)}


def test_half_an_address_in_the_column_of_states_stays_outside(tmp_path):
    for number, street in enumerate(("12 High Street", "x" * 41, "jane@example.invalid", "-")):
        one = taken(
            tmp_path / str(number), wider(files.ORDER_REPORT).with_cell(0, "ship-state", street), marketplace="US"
        )
        assert street.upper() not in {state for (state,) in rows(one, "orders", "state")}


def wider(file: Tiny) -> Tiny:
    """The same file with the columns that newer downloads have."""
    header = (*file.header, "ship-service-name", "ship-country", "ship-state", "is-prime")
    return Tiny(
        **{
            **vars(file),
            "header": header,
            "rows": tuple((*cells, "NextDay", "us", " wa ", "true") for cells in file.rows),
        }
    )


# Broken twins


@each_kind
@pytest.mark.parametrize("damage", REFUSED, ids=lambda damage: damage.words)
def test_a_broken_twin_is_refused_by_file_row_and_cure(tmp_path, file, damage):
    put(tmp_path, damage.happens(file), name=file.name)
    said = said_of(tmp_path, marketplace="JP" if file is AMAZON_SHIPMENTS else "US")
    assert f"acme/{file.name}" in said
    assert re.search(expected(damage, file).replace("(more|8)", "more"), said), said
    assert re.search(damage.cure, said), said


@each_kind
def test_nothing_of_a_buyer_comes_out_of_a_file(tmp_path, file):
    one = taken(tmp_path, file.with_personal_data(), marketplace=None if file is AMAZON_SHIPMENTS else "US")
    assert MARK not in str([table.to_pylist() for table in one.tables.values()]) + str(one)
    assert sum(map(len, one.tables.values())) > 0


@pytest.mark.parametrize(
    ("file", "column", "value", "said"),
    [
        (UNSHIPPED, "purchase-date", "2026-09-24", "no time stamp with an offset"),
        (UNSHIPPED, "order-item-id", "5.0E+13", "a number where an id belongs"),
        (UNSHIPPED, "is-prime", "perhaps", "neither yes nor no"),
        (AMAZON_SHIPMENTS, "quantity-shipped", "-1", "no whole number"),
        (AMAZON_SHIPMENTS, "shipment-date", "0206-03-01T10:00:00Z", "not in our time"),
        (FBA_RETURNS, "quantity", "many", "no whole number"),
        (FBA_RETURNS, "license-plate-number", "1.2E+16", "a number where an id belongs"),
    ],
)
def test_a_cell_that_cannot_be_read_names_its_row(tmp_path, file, column, value, said):
    put(tmp_path, file.with_cell(1, column, value))
    told = {"marketplace": "JP" if file is AMAZON_SHIPMENTS else "US"}
    assert f"row 3: {column} is '{value}', {said}" in said_of(tmp_path, **told)


@pytest.mark.parametrize("file", [UNSHIPPED, FBA_RETURNS], ids=lambda file: file.kind)
def test_a_file_that_does_not_say_its_marketplace_is_never_guessed(tmp_path, file):
    put(tmp_path, file)
    assert "row 2: the file does not say of which marketplace" in said_of(tmp_path, marketplace=None)


# Whatever a file holds, it is read whole or refused in words

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.just([]), st.just({}),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z", "true", "1e999", "\ud800",
         "S01-0000001-0000001", SECOND, "2026-03-02T24:00:00Z", "Non-Amazon", "\0", " ", 10**400, -1, 1e308],
    ),
)  # fmt: skip
each_file = pytest.mark.parametrize(
    "file",
    [*TINY, *files.DEFECT_LISTS, wider(files.ALL_ORDERS), wider(files.ORDER_REPORT), wider(files.SALE_REPORT)],
    ids=lambda file: file.kind,
)
ANSWERS = {
    "orders_api_v0": [{"payload": {"Orders": [order_v0(), order_v0(SECOND, OrderStatus="Canceled")]}}, items_v0(FIRST, "true", "false")],
    "orders_api_v0_items": [items_v0(FIRST, "true", "false"), items_v0(SECOND, "true")],
    "orders_api_2026": {"orders": [order_2026(), cancelled_2026(item_2026(1, "MERCHANT"), item_2026(2, "BUYER")) | {"orderId": SECOND}]},
}  # fmt: skip


def paths_in(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of an answer stands."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [at, *(path for key in keys for path in paths_in(value[key], (*at, key)))]


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    made = copy.copy(value)
    made[path[0]] = replaced(value[path[0]], path[1:], odd)
    return made


@pytest.mark.parametrize("kind", ANSWERS)
@seeded
@given(data=st.data())
def test_an_answer_with_any_values_replaced_is_read_whole_or_refused(kind, data):
    answer = ANSWERS[kind]
    for _ in range(data.draw(st.integers(1, 3))):
        answer = replaced(answer, data.draw(st.sampled_from(paths_in(answer))), data.draw(ODD))
    told = data.draw(st.sampled_from([None, "US", "DE"]))
    whole_or_refused(lambda: answered(json.dumps(answer).encode(), kind, marketplace=told))


@pytest.mark.parametrize("kind", ANSWERS)
@seeded
@given(data=st.data())
def test_an_answer_with_any_bytes_spoilt_is_read_whole_or_refused(kind, data):
    content = spoilt(data, json.dumps(ANSWERS[kind]).encode())
    whole_or_refused(lambda: answered(content, kind, marketplace="US"))


@each_file
@seeded
@given(data=st.data())
def test_a_file_with_any_cells_replaced_is_read_whole_or_refused(file, data):
    for _ in range(data.draw(st.integers(1, 4))):
        row = data.draw(st.integers(0, len(file.rows) - 1))
        file = file.with_cell(row, data.draw(st.sampled_from(file.header)), data.draw(ODD_CELLS))
    read_from_disk(file.text().encode("utf-8", "surrogatepass"), data)


@each_file
@seeded
@given(data=st.data())
def test_a_file_with_any_bytes_spoilt_is_read_whole_or_refused(file, data):
    read_from_disk(spoilt(data, file.text().encode()), data)


@pytest.mark.parametrize("invoicing", [False, True])
def test_an_order_report_without_promises_says_which_columns_to_switch_on(tmp_path, invoicing):
    """By default Amazon leaves them out; the report for invoicing never has them."""
    bare = files.ORDER_REPORT.without_column("latest-ship-date").without_column("latest-delivery-date")
    more = ("currency", "item-price", "item-tax", "shipping-price", "delivery-time-zone")
    more += ("bill-address-1", "payment-method-details") if invoicing else ()
    rows_of = tuple((*cells, *("x" for _ in more)) for cells in bare.rows)
    put(tmp_path, replace(bare, header=(*bare.header, *more), rows=rows_of), name="orders.txt")
    _, [refused] = discover_files([tmp_path])
    assert "The nearest kind: order report; the file lacks latest-ship-date, latest-delivery-date" in refused.message
    assert "tick latest-ship-date and latest-delivery-date, then download it again" in refused.message
    assert ("never has the ship-by and deliver-by days" in refused.message) == invoicing
