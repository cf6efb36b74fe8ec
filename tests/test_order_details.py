"""Product, carrier and place of orders at fault: those of the tables, looked up one by one."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from healthkit.analysis.order_details import DETAIL_COLUMNS, add_details
from healthkit.panels import where_i_stand_model
from healthkit.panels.order_list import ListView
from healthkit.panels.where_i_stand_model import Question
from healthkit.panels.where_i_stand_panel import where_i_stand
from healthkit.schema.tables import records
from tests.builders.sample import DAY


def text_of(value):
    return value if isinstance(value, str) else ""


def looked_up(view, order_id):
    """The details of one order, from the raw rows one by one."""

    def rows(table):
        found = records(view.ledger.to_pandas(table))
        return [row for row in found if row["order_id"] == order_id and row["marketplace"] == view.marketplace]

    items = sorted(rows("items"), key=lambda row: (row["sku"], text_of(row["product"])))
    [order] = rows("orders")
    carriers = sorted({row["carrier"] for row in rows("shipments") if isinstance(row["carrier"], str)})
    return {
        "sku": items[0]["sku"] if items else "", "product": text_of(items[0]["product"]) if items else "",
        "carrier": ", ".join(carriers), "country": text_of(order["country"]), "state": text_of(order["state"]),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("account", "metric"),
    [("birchway-crafts", "late_shipment_rate"), ("werkstatt-lindenau", "order_defect_rate")],
)
def test_orders_at_fault_hold_product_carrier_and_place(desk, account, metric):
    view = desk.account(account)
    row = view.measure(metric, DAY)
    orders = view.orders_at_fault(row)
    plain = view.orders_at_fault(row, details=False)
    pd.testing.assert_frame_equal(orders[list(plain)], plain)
    assert list(orders)[len(plain.columns) :] == list(DETAIL_COLUMNS)
    for order in records(orders.head(12)):
        assert {name: text_of(order[name]) for name in DETAIL_COLUMNS} == looked_up(view, order["order_id"])
    assert orders["sku"].notna().any()
    assert orders["country"].notna().any()


def test_no_order_has_no_details_and_still_the_columns(desk):
    view = desk.account("birchway-crafts")
    none = view.orders_at_fault(view.measure("late_shipment_rate", DAY)).iloc[:0]
    assert list(add_details(none[["order_id"]], view.ledger, view.account, "US")) == ["order_id", *DETAIL_COLUMNS]


def test_a_list_saved_from_the_panel_holds_the_orders_of_its_measure_with_plain_titles(desk):
    panel = where_i_stand(desk, "birchway-crafts", DAY)
    panel.measure.value = ("late_shipment_rate", "seller")
    question = Question("birchway-crafts", "US", "late_shipment_rate", "seller", 30, DAY)
    answer = where_i_stand_model.answer_question(desk, question)
    text = panel.listing.csv(ListView())
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    view = desk.account("birchway-crafts")
    orders = view.orders_at_fault(answer.score)
    assert text.startswith("\ufeff")
    assert sorted(row["Order"] for row in rows) == sorted(orders["order_id"])
    assert {"Order", "Cause", "Ship by", "Leaves on", "SKU", "Carrier", "Country"} <= set(rows[0])
    assert "_" not in "".join(rows[0])
    skus = dict(zip(orders["order_id"], orders["sku"], strict=True))
    assert all(row["SKU"] == skus[row["Order"]] for row in rows)
