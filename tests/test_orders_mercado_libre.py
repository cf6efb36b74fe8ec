"""Mercado Libre: sales reports in Spanish and Portuguese, orders of the API with shipments, the seller's reputation."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from healthkit.ingest.formats import ReaderError, discover_files, parse_file
from healthkit.ingest.importer import import_files
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests import fuzz
from tests.builders.damaged_files import REFUSED, expected, said_of
from tests.builders.latin_and_tiktok_files import (
    SALES,
    SALES_COLUMNS,
    api_order,
    api_shipment,
    reputation,
    sales_report,
    sales_row,
    stored_text,
)
from tests.builders.raw_files import MARK, put

SOLD = "30 de septiembre de 2026 19:29 hs."


def read(folder, content, kind, name="ventas.xlsx", **told):
    put(folder, content if isinstance(content, bytes) else json.dumps(content), name=name)
    [source], refused = discover_files([folder])
    assert refused == []
    assert source.kind == kind
    return parse_file(source, **told)


def read_sales(folder, *rows, portuguese=False):
    return read(folder, sales_report(*rows, portuguese=portuguese), "mercado_libre_sales")


def read_orders(folder, content):
    return read(folder, content, "mercado_libre_orders", "orders.json")


def orders(parsed):
    return {row["order_id"]: row for row in parsed.tables["orders"].to_pylist()}


# -- sales reports -------------------------------------------------------------------------------------------


def test_the_header_is_found_in_row_6_below_titles(tmp_path):
    cells = {"Fecha_en_camino": "1 de octubre | 23:52", "Fecha_entregado": "3 de octubre | 09:00", "Unidades": "2"}
    [order] = orders(read_sales(tmp_path, sales_row(1, SOLD, "Entregado", **cells))).values()
    assert order["order_id"] == "2000000000000001"
    assert (order["marketplace"], order["channel"], order["status"]) == ("MERCADO_LIBRE", "seller", "delivered")
    assert order["ordered_on"] == date(2026, 9, 30)
    assert (order["shipped_on"], order["delivered_on"]) == (date(2026, 10, 1), date(2026, 10, 3))
    # Of the three columns `Unidades` the first counts, of the two columns `Estado` the second is the region.
    assert (order["units"], order["state"], order["ship_by"]) == (2, "JALISCO", None)


@pytest.mark.parametrize(
    ("sold", "sent", "on"),
    [("30 de diciembre de 2025 19:29 hs.", "2 de enero | 10:00", date(2026, 1, 2)),
     ("31 de diciembre de 2025 23:59 hs.", "31 de diciembre | 23:59", date(2025, 12, 31)),
     ("28 de febrero de 2028 10:00 hs.", "29 de febrero | 10:00", date(2028, 2, 29))],
)  # fmt: skip
def test_a_day_without_a_year_is_the_first_after_the_sale(tmp_path, sold, sent, on):
    [order] = orders(read_sales(tmp_path, sales_row(1, sold, "En camino", Fecha_en_camino=sent))).values()
    assert order["shipped_on"] == on


def test_a_portuguese_report_says_the_same(tmp_path):
    row = sales_row(
        1, "30 de dezembro de 2025 19:29 hs.", "Entregue", Fecha_en_camino="31 de dezembro | 10:00",
        Fecha_entregado="3 de março | 09:00",
    )  # fmt: skip
    [order] = orders(read_sales(tmp_path, row, portuguese=True)).values()
    assert (order["ordered_on"], order["status"]) == (date(2025, 12, 30), "delivered")
    assert (order["shipped_on"], order["delivered_on"]) == (date(2025, 12, 31), date(2026, 3, 3))


@pytest.mark.parametrize(
    ("sentence", "status", "who"),
    [("Cancelaste la venta", "cancelled", "seller"), ("Cancelada por el comprador", "cancelled", "buyer"),
     ("Paquete cancelado por Mercado Libre", "cancelled", "amazon"),
     ("Venta cancelada. No despaches.", "cancelled", None),
     ("Cancelada por seguridad", "cancelled", "amazon"), ("Você cancelou a venda", "cancelled", "seller"),
     ("Cancelada pelo comprador", "cancelled", "buyer"), ("Pacote cancelado pelo Mercado Livre", "cancelled", "amazon"),
     ("Venda cancelada. Não envie.", "cancelled", None), ("Tu comprador solicita cancelar", "unshipped", None),
     ("Etiqueta lista para imprimir", "unshipped", None), ("Procesando en la bodega", "unshipped", None),
     ("Llega el 3 de octubre", "shipped", None), ("A caminho", "shipped", None),
     ("Entregado el 3 de octubre", "delivered", None),
     ("Venda entregue", "delivered", None), ("Devolución en camino", "unshipped", None)],
)  # fmt: skip
def test_what_the_sentence_of_the_status_says(tmp_path, sentence, status, who):
    [order] = orders(read_sales(tmp_path, sales_row(1, SOLD, sentence))).values()
    assert (order["status"], order["cancelled_by"]) == (status, who)
    # No column says on which day an order was cancelled.
    cancelled = status == "cancelled"
    assert order["assumed"] == ("cancel_day_from_order" if cancelled else None)
    assert order["cancelled_on"] == (date(2026, 9, 30) if cancelled else None)


def test_an_order_that_is_sent_back_is_delivered_by_its_times(tmp_path):
    row = sales_row(1, SOLD, "Devolución finalizada", Fecha_entregado="3 de octubre | 09:00")
    parsed = read_sales(tmp_path, row)
    assert orders(parsed)["2000000000000001"]["status"] == "delivered"
    assert any(note.startswith("status: 1 rows with a word that the kit does not know") for note in parsed.notes)


def test_the_row_of_a_pack_is_no_order_and_fills_those_below_it(tmp_path):
    parsed = read_sales(
        tmp_path,
        sales_row(1, SOLD, "Paquete de 2 productos", Unidades="", SKU="", Fecha_en_camino="1 de octubre | 10:00"),
        sales_row(2, "", "Entregado", SKU="A", Forma_de_entrega=""),
        sales_row(3, "", "Cancelaste la venta", SKU="B", Forma_de_entrega="", Número_de_seguimiento=""),
        sales_row(4, "1 de octubre de 2026 10:00 hs.", "En camino", SKU="C"),
    )
    found = orders(parsed)
    assert [number[-1] for number in found] == ["2", "3", "4"]
    assert [order["ordered_on"].day for order in found.values()] == [30, 30, 1]
    assert [order["shipped_on"] for order in found.values()] == [date(2026, 10, 1), date(2026, 10, 1), None]
    assert [order["cancelled_by"] for order in found.values()] == [None, "seller", None]
    assert parsed.skipped == {"rows that head the orders of a pack": 1}


@pytest.mark.parametrize(("said", "orders_left"), [("Pacote de 3 produtos", 2), ("Pacote de 999 produtos", 2)])
def test_a_pack_that_ends_with_the_file_or_another_pack_holds_fewer(tmp_path, said, orders_left):
    rows = [sales_row(1, SOLD, said), sales_row(2, "", "Entregue"), sales_row(3, "", "Entregue")]
    assert len(orders(read_sales(tmp_path, *rows, portuguese=True))) == orders_left


def test_a_pack_without_rows_is_an_order(tmp_path):
    rows = [sales_row(1, SOLD, "Paquete de 2 productos"), sales_row(2, SOLD, "Paquete de 1 producto")]
    rows.append(sales_row(3, "", "Entregado"))
    assert [number[-1] for number in orders(read_sales(tmp_path, *rows))] == ["1", "3"]


def test_full_is_fulfilled_by_the_marketplace(tmp_path):
    row = sales_row(1, SOLD, "Entregado", Forma_de_entrega="Mercado Envíos Full")
    [order] = orders(read_sales(tmp_path, row)).values()
    assert order["channel"] == "amazon"


@pytest.mark.parametrize("damage", REFUSED[1:], ids=lambda damage: damage.words)
def test_a_broken_twin_is_refused_by_file_row_and_column(tmp_path, damage):
    put(tmp_path, damage.happens(SALES), name=SALES.name)
    pattern = expected(damage, SALES).replace("row 3: fecha-de-venta", r"row 3: ordered-at \(column fecha-de-venta\)")
    pattern = pattern.replace("row 3: #-de-venta", r"row 3: order-id \(column #-de-venta\)")
    said = said_of(tmp_path, marketplace=None)
    assert "acme/download.txt" in said
    assert re.search(pattern, said), said
    assert MARK not in said


def test_a_report_without_its_column_of_the_status_is_called_by_its_name(tmp_path):
    put(tmp_path, SALES.text().replace("Estado", "Situación"), name="download.txt")
    assert "looks like a Mercado Libre sales export" in said_of(tmp_path)


def test_an_id_that_a_spreadsheet_made_a_number_is_refused(tmp_path):
    row = sales_row(1, SOLD, "Entregado")
    row[0] = "2.0000E+15"
    put(tmp_path, sales_report(row), name="ventas.xlsx")
    assert "row 7: order-id (column #-de-venta) is '2.0000E+15', a number where an id belongs" in said_of(
        tmp_path, marketplace=None
    )


@pytest.mark.parametrize("portuguese", [False, True])
@pytest.mark.parametrize("column", ["Reclamo_abierto", "Reclamo_cerrado", "Con_mediación"])
def test_a_complaint_is_a_case_known_from_the_day_of_the_order(tmp_path, column, portuguese):
    said = "Sim" if portuguese else "Sí"
    rows = [sales_row(1, SOLD, "Entregado", **{column: said}), sales_row(2, SOLD, "Entregado")]
    [case] = read_sales(tmp_path, *rows, portuguese=portuguese).tables["defects"].to_pylist()
    assert (case["order_id"], case["kind"]) == ("2000000000000001", "case")
    assert (case["known_on"], case["assumed"], case["cleared_on"]) == (date(2026, 9, 30), "case_day_from_order", None)


def test_a_mediation_of_an_order_of_the_api_is_a_case(tmp_path):
    parsed = read_orders(tmp_path, [api_order(7, mediations=[{"id": 77}]), api_order(9)])
    [case] = parsed.tables["defects"].to_pylist()
    assert (case["order_id"], case["kind"], case["known_on"]) == ("2000000007", "case", date(2026, 10, 5))


# -- orders of the API ---------------------------------------------------------------------------------------


def test_an_order_with_its_shipment_in_the_same_file(tmp_path):
    parsed = read_orders(tmp_path, [{"results": [api_order(7)]}, api_shipment(7)])
    [order] = orders(parsed).values()
    assert (order["order_id"], order["status"], order["units"]) == ("2000000007", "delivered", 2)
    assert order["channel"] == "seller"
    assert (order["ship_by_on"], order["deliver_by_on"]) == (date(2026, 10, 7), date(2026, 10, 12))
    assert (order["shipped_on"], order["delivered_on"]) == (date(2026, 10, 8), date(2026, 10, 9))
    assert parsed.tables["items"].to_pylist()[0]["sku"] == "CUP-1"
    assert parsed.rows == 1


def test_a_shipment_may_stand_in_the_order_and_an_agreed_day_goes_first(tmp_path):
    agreed = {"sla": {"status": "on_time", "expected_date": "2026-10-06T23:00:00.000-04:00"}}
    kept = {"results": [api_order(7, shipping=api_shipment(7, logistic_type="fulfillment", **agreed))]}
    [order] = orders(read_orders(tmp_path, kept)).values()
    assert (order["ship_by_on"], order["channel"]) == (date(2026, 10, 6), "amazon")


def test_orders_without_shipments_say_what_is_missing(tmp_path):
    parsed = read_orders(tmp_path, {"results": [api_order(7, tags=["delivered"])]})
    [order] = orders(parsed).values()
    assert (order["status"], order["ship_by"], order["shipped_at"]) == ("delivered", None, None)
    assert any("keep the answers of shipments/ID in the same file" in note for note in parsed.notes)


@pytest.mark.parametrize(
    ("details", "who"),
    [({"group": "seller", "requested_by": "seller"}, "seller"), ({"group": "buyer", "requested_by": "buyer"}, "buyer"),
     ({"group": "internal", "requested_by": "Meli"}, "amazon"), ({"group": "seller", "requested_by": None}, "seller"),
     ({"group": "fraud"}, "amazon"), ({"group": "mediations"}, None), ({}, None), (None, None)],
)  # fmt: skip
def test_who_cancelled(tmp_path, details, who):
    dated = details and details | {"date": "2026-10-07T09:00:00.000-04:00"}
    [order] = orders(read_orders(tmp_path, {"results": [api_order(7, "cancelled", cancel_detail=dated)]})).values()
    assert (order["status"], order["cancelled_by"]) == ("cancelled", who)
    assert order["cancelled_on"] == (date(2026, 10, 7) if dated else date(2026, 10, 5))
    assert order["assumed"] == (None if dated else "cancel_day_from_order")


def test_an_order_that_was_split_is_none(tmp_path):
    split = api_order(7, "cancelled", cancel_detail={"group": "internal", "code": "pack_splitted"})
    parsed = read_orders(tmp_path, [split, api_order(9, pack_id=2000000000000009)])
    assert list(orders(parsed)) == ["2000000009"]
    assert parsed.skipped == {"orders of a pack that Mercado Libre split into other orders": 1}
    assert any("1 orders stand in a pack" in note for note in parsed.notes)


def test_of_two_answers_the_newer_one_counts(tmp_path):
    older = api_order(7, last_updated="2026-10-06T10:00:00.000-04:00")
    newer = api_order(7, "cancelled", cancel_detail={"requested_by": "buyer"})
    assert orders(read_orders(tmp_path, [newer, older]))["2000000007"]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("content", "said"),
    [([api_order(7, "teleported")], "status is 'teleported', unknown; there are: confirmed"),
     ([{"order_items": []}], "answer[0].id is empty, though no order may lack it"),
     ([api_order(7, date_created="soon")], "ordered-at is 'soon', no day or time in a known form"),
     ([api_order(7, date_created=None)], "ordered-at is empty"),
     ({"order_items": {}, "note": {"results": 1}, "id": None}, "answer.id is empty, though no order may lack it"),
     ([api_order(7), api_order(8, id="seven")], "record 2: order-id is 'seven', no order id (1 of 2 rows). Download")],
)  # fmt: skip
def test_a_broken_answer_is_refused_by_file_and_field(tmp_path, content, said):
    put(tmp_path, json.dumps(content), name="orders.json")
    message = said_of(tmp_path, marketplace=None)
    assert message.startswith("acme/orders.json")
    assert said in message.replace('\\"', '"')


# -- the reputation ------------------------------------------------------------------------------------------


def read_reputation(folder, content, name="reputation_2026-10-31.json"):
    return read(folder, content, "mercado_libre_reputation", name)


def readings(parsed):
    return {row["metric"]: row for row in parsed.tables["readings"].to_pylist()}


def test_the_rates_of_the_reputation_with_the_number_that_they_are_of(tmp_path):
    parsed = read_reputation(tmp_path, reputation())
    found = readings(parsed)
    assert {name: (row["at_fault"], row["counted"]) for name, row in found.items()} == {
        "case_rate": (24, 263), "late_shipment_rate": (0, 244), "cancellation_rate": (6, 263),
    }  # fmt: skip
    row = found["cancellation_rate"]
    assert (row["first_day"], row["last_day"], row["rate"]) == (date(2026, 9, 2), date(2026, 10, 31), 0.0228)
    assert (row["channel"], row["marketplace"], row["contradiction"]) == ("all", "MERCADO_LIBRE", None)
    assert any("counts 0 of 47; it excludes the others" in note for note in parsed.notes)


def test_the_day_may_stand_in_the_answer(tmp_path):
    parsed = read_reputation(tmp_path, reputation(as_of="2026-10-30"), "reputation.json")
    assert parsed.stated_day == date(2026, 10, 30)


def test_a_reputation_without_a_day_is_refused_with_the_cure(tmp_path):
    put(tmp_path, json.dumps(reputation()), name="reputation.json")
    assert "Put the day on which you asked for it into its name, as reputation_2026-10-31.json" in said_of(
        tmp_path, marketplace=None
    )


@pytest.mark.parametrize(("period", "first"), [("3 months", date(2026, 8, 1)), ("365 days", date(2025, 11, 1))])
def test_a_period_of_months_or_a_year(tmp_path, period, first):
    assert readings(read_reputation(tmp_path, reputation(period=period)))["cancellation_rate"]["first_day"] == first


def test_of_several_sites_that_of_the_rules_is_read(tmp_path):
    sites = [{"site_id": site, **reputation(claims)} for site, claims in (("MLB", (0.5, 122)), ("MLM", (0.0912, 24)))]
    sites[0]["site_id"] = "MLB"
    parsed = read_reputation(tmp_path, {"site_id": "CBT", "seller_reputation": sites})
    assert readings(parsed)["case_rate"]["at_fault"] == 24
    assert parsed.skipped == {"figures of other sites than MLM": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [({"period": "a while"}, "metrics.claims.period holds words (7 characters), no period such as 60 days"),
     ({"claims": ("many", 3)}, "metrics.claims.rate is 'many'"), ({"claims": (0.1, 2.5)}, "metrics.claims.value")],
)  # fmt: skip
def test_a_broken_reputation_is_refused_by_file_and_field(tmp_path, change, said):
    put(tmp_path, json.dumps(reputation(**change)), name="reputation_2026-10-31.json")
    assert said in said_of(tmp_path, marketplace=None)


def test_ours_stands_beside_theirs_judged_by_the_rule_in_force(tmp_path):
    sent = [api_order(number, shipping=api_shipment(number)) for number in range(100, 140, 2)]
    paths = [
        put(tmp_path, json.dumps({"results": sent}), name="orders.json"),
        put(tmp_path, json.dumps(reputation()), name="reputation_2026-10-09.json"),
    ]
    assert [result.refused for result in import_files(paths, Store(tmp_path / "store"))] == [None, None]
    workspace = Workspace(tmp_path / "store")
    theirs = workspace.reported(date(2026, 10, 9)).set_index("metric")
    row = theirs.loc["cancellation_rate"]
    assert (row["counted"], row["at_fault"], row["target"], row["side"]) == (263, 6, 0.04, "at most")
    assert row["status"] == "on target"
    ours = workspace.score(date(2026, 10, 9)).set_index("metric")
    assert (ours.loc["late_shipment_rate", "counted"], ours.loc["late_shipment_rate", "at_fault"]) == (20, 20)


# -- nothing personal ----------------------------------------------------------------------------------------


def test_personal_fields_reach_no_disk(tmp_path):
    paths = [
        put(tmp_path, sales_report(sales_row(1, SOLD, "Entregado")), name="ventas.xlsx"),
        put(tmp_path, json.dumps([api_order(7), api_shipment(7)]), name="orders.json"),
        put(tmp_path, json.dumps(reputation()), name="reputation_2026-10-31.json"),
    ]
    store = Store(tmp_path / "store")
    assert [result.refused for result in import_files(paths, store)] == [None, None, None]
    text = stored_text(tmp_path / "store")
    assert "2000000000000001" in text
    assert MARK not in text
    assert "TRACK-1" not in text


def test_the_columns_of_the_test_hold_the_repeated_names():
    assert [SALES_COLUMNS.count(name) for name in ("Estado", "Unidades", "Fecha en camino")] == [2, 3, 2]


@pytest.mark.parametrize("reader", ["mercado_libre_sales", "mercado_libre_orders", "mercado_libre_reputation"])
def test_damaged_files_by_chance_are_read_or_refused(reader, tmp_path):
    told = fuzz.fuzz(reader, seconds=60, seed=7, keep=tmp_path, most=60)
    assert told["tried"] == 60


def test_another_marketplace_is_refused_as_it_is_told(tmp_path):
    put(tmp_path, json.dumps(reputation()), name="reputation_2026-10-31.json")
    [source], _ = discover_files([tmp_path])
    with pytest.raises(ReaderError, match="you said marketplace US, but this is a file of MERCADO_LIBRE"):
        parse_file(source, marketplace="US")
