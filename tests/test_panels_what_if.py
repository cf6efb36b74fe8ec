"""The panel of what if: its sliders are the scenario that the desk plays, and what cannot be tried is said."""

from __future__ import annotations

import re
from datetime import date

import pytest

import healthkit as hk
from healthkit.metrics.policy import UNJUDGED_STATUSES
from healthkit.panels import where_i_stand_model
from healthkit.report.model import SIMULATION_DRAWS
from healthkit.report.text.figures import format_day, format_long_day
from healthkit.report.text.outlook import likely_return_phrase
from healthkit.report.todo_list import account_todo
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import SAMPLE
from tests.builders.store_files import import_all

OCTOBER = date(2026, 10, 31)


@pytest.fixture
def panel(desk):
    panel = hk.what_if(desk, "lantern-hill-lighting", "2026-10-31")
    panel.measure.value = ("order_defect_rate", "seller")
    return panel


def test_it_has_a_slider_for_each_cause_the_commonest_first(desk, panel):
    view = desk.account("lantern-hill-lighting")
    calendar = view.calendar(view.measure("order_defect_rate", OCTOBER))
    many = {cause: calendar.orders["causes"].str.contains(cause).sum() for cause in panel.cause_sliders}
    assert list(many.values()) == sorted(many.values(), reverse=True)
    assert set(many) == {"a_to_z_claim", "negative_feedback", "chargeback"}
    assert panel.cause_sliders["a_to_z_claim"].description == "Fewer A-to-z Guarantee claims, %"


def test_at_nothing_it_shows_what_is(panel):
    assert panel.scenario == []
    assert panel.answer.after["at_fault"] == panel.answer.before["at_fault"]
    row = panel.answer.before
    assert panel.finding.startswith(
        f"Order Defect Rate is at {row['rate']:.2%} ({row['at_fault']} of 1,641). As it goes"
    )
    assert "would" not in panel.finding
    assert panel.orders_saved.empty


def test_the_sliders_are_the_scenario_that_the_desk_plays(desk, panel):
    panel.cause_sliders["a_to_z_claim"].value = 60
    panel.volume.value = 20
    view = desk.account("lantern-hill-lighting")
    row = view.measure("order_defect_rate", OCTOBER)
    steps = [{"fewer": {"cause": "a_to_z_claim", "by": "60%"}}, {"volume": {"by": "20%", "since": OCTOBER}}]
    held = view.what_if(row, steps)
    assert [next(iter(step)) for step in panel.scenario] == ["fewer", "volume"]
    assert panel.answer.after["at_fault"] == held.after["at_fault"] < row["at_fault"]
    assert panel.answer.calendar_after.back_on == held.calendar_after.back_on
    assert panel.orders_saved["order_id"].tolist() == held.orders_saved["order_id"].tolist() != []
    assert "instead of" in panel.finding
    assert len(panel.answer_widget.content["orders"]["rows"]) == len(held.orders_saved)


def test_another_measure_has_its_own_causes(panel):
    panel.measure.value = ("late_shipment_rate", "seller")
    assert list(panel.cause_sliders) == ["shipped_late"]


def test_what_cannot_be_tried_is_said_in_a_sentence(panel):
    panel.measure.value = ("refund_rate", "seller")
    assert "no target, so" in panel.finding
    assert panel._slider_rows.children == panel._ticks.children == (), "those of the measure before are gone"
    assert panel._cleared_label.layout.display == "none"
    assert panel.answer is None
    assert panel.orders_saved.empty


@pytest.mark.parametrize(
    ("wanted", "least"), [("paper-moth", 3), pytest.param("", 30, marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_every_measure_of_every_account_can_be_tried_or_says_why(desk, wanted, least):
    panel, drawn = hk.what_if(desk, as_of=OCTOBER), 0
    for account, marketplace in where_i_stand_model.list_accounts(desk):
        if wanted not in account:
            continue
        panel.account.value = (account, marketplace)
        for pair in where_i_stand_model.list_measures(desk, account, marketplace, OCTOBER):
            panel.measure.value = pair
            drawn += panel.answer is not None
            assert panel.finding.endswith("."), panel.finding
    assert drawn > least


def test_the_button_sets_what_a_cause_alone_needs(desk):
    panel = hk.what_if(desk, "birchway-crafts", "2026-10-31")
    panel.measure.value = ("late_shipment_rate", "seller")
    slider, button = panel._slider_rows.children[0].children
    assert button.description == "Needed: 60% (38 orders)"
    button.click()
    assert slider.value == 60
    assert panel.answer.after["status"] != "off target"
    slider.value = 59
    assert panel.answer.after["status"] == "off target"


def test_without_new_orders_the_best_case_is_another(desk):
    panel = hk.what_if(desk, "birchway-crafts", "2026-10-31")
    panel.measure.value = ("late_shipment_rate", "seller")
    panel.no_new_orders.value = True
    assert "no order comes" in panel.answer_widget.content["lead"]
    row = panel.answer.before
    calendar = desk.account("birchway-crafts").calendar(row, new_orders=False)
    assert panel.answer.calendar_before.back_on == calendar.back_on
    day = format_day(calendar.back_on, 2026)
    assert panel.answer_widget.content["lead"].endswith(f"Back on target then: {day}; as it is: {day}.")


def test_what_cannot_be_judged_names_no_day_of_return(desk):
    panel = hk.what_if(desk, "paper-moth", "2026-10-31")
    view, tried = desk.account("paper-moth"), 0
    for _, pair in panel.measure.options:
        panel.measure.value = pair
        if panel.answer is None or panel.answer.before["status"] not in UNJUDGED_STATUSES:
            continue
        tried += 1
        assert "when it is back cannot be judged" in panel.finding
        assert not re.search(r"back (by|on|between)|likely|chance", panel.finding)
        panel.since.value = date(2027, 6, 1)
        panel.volume.value = 20
        assert "This step changes nothing: 20% more" in panel.finding
        panel.volume.value = 0
    assert tried
    # One claim fewer, and the measure could not be judged: its files do not cover everything.
    panel.measure.value = ("order_defect_rate", "seller")
    assert "As it goes on: " in panel.finding
    panel.since.value = None
    next(iter(panel.cleared.values())).value = True
    assert panel.answer.after["status"] in UNJUDGED_STATUSES
    assert "With the scenario" not in panel.finding
    assert "when it is back cannot be judged" in panel.finding
    assert view.measure("order_defect_rate", OCTOBER)["status"] == "off target"


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    """An account that brings one file of thirty orders of ten days, in two marketplaces; every seventh is cancelled."""
    folder = tmp_path_factory.mktemp("poor")
    head = (SAMPLE / "lantern-hill-lighting" / "all_orders_2026-10.txt").read_text(encoding="utf-8").splitlines()[0]
    lines = [head]
    for number in range(30):
        day, is_ca = date(2026, 9, 1 + number // 3), number % 3 == 2
        status = "Cancelled" if number % 7 == 6 else "Shipped"
        cells = dict.fromkeys(head.split("\t"), "") | {
            "amazon-order-id": f"111-{number:07}-{number:07}", "purchase-date": f"{day}T18:00:00+00:00",
            "last-updated-date": f"{day}T19:00:00+00:00", "order-status": status, "item-status": status,
            "fulfillment-channel": "Merchant", "sales-channel": "Amazon.ca" if is_ca else "Amazon.com",
            "sku": f"SKU{number % 2}", "quantity": "1", "currency": "CAD" if is_ca else "USD", "item-price": "20.00",
            "ship-country": "CA" if is_ca else "US", "is-replacement-order": "false",
        }  # fmt: skip
        lines.append("\t".join(cells.values()))
    (folder / "poor-shop").mkdir()
    (folder / "poor-shop" / "orders.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    import_all(Store(folder / "store"), [folder / "poor-shop"])
    return Workspace(folder / "store")


@pytest.mark.parametrize("day", [date(2026, 9, 10), date(2026, 10, 31)], ids=["fresh", "stale"])
def test_a_poor_account_is_never_greener_than_known_and_has_no_dead_end(poor, day):
    panel, tried = hk.what_if(poor, as_of=day), 0
    assert {marketplace for _, marketplace in where_i_stand_model.list_accounts(poor)} == {"US", "CA"}
    for account, marketplace in where_i_stand_model.list_accounts(poor):
        panel.account.value = (account, marketplace)
        for pair in where_i_stand_model.list_measures(poor, account, marketplace, day):
            panel.measure.value = pair
            if panel.answer is None:
                assert re.search(r"Choose another measure|Choose a day by then", panel.finding), panel.finding
                if day > date(2026, 10, 1) and "target" not in panel.finding:
                    assert "its files end on 1" in panel.finding
                continue
            panel.volume.value = 20
            status = panel.answer.after["status"]
            assert status == panel.answer.before["status"] == poor.account(account, marketplace).measure(
                pair[0], day, channel=pair[1], window=panel.window.value
            )["status"]  # fmt: skip
            assert ("With the scenario" in panel.finding) == (status not in UNJUDGED_STATUSES)
            panel.volume.value = 0
            tried += 1
    assert tried == (2 if day < date(2026, 10, 1) else 0)


def test_a_day_after_the_files_says_where_they_end(desk):
    panel = hk.what_if(desk, "paper-moth", "2026-10-31")
    panel.measure.value = ("order_defect_rate", "seller")
    panel.day.value = date(2027, 6, 1)
    ends_on = desk.account("paper-moth").coverage.heard_on
    assert f"its files end on {format_long_day(ends_on, 0)}. Choose a day by then" in panel.finding


def test_orders_are_ticked_a_product_is_picked_and_days_are_set(desk, panel):
    view = desk.account("lantern-hill-lighting")
    row = view.measure("order_defect_rate", OCTOBER)
    won = list(panel.cleared)[:3]
    for name in won:
        panel.cleared[name].value = True
    assert "LH-READ" in dict(panel.product.options)
    panel.product.value = "LH-READ"
    panel.since.value, panel.until.value = date(2026, 11, 2), date(2026, 12, 31)
    days = {"since": date(2026, 11, 2), "until": date(2026, 12, 31)}
    steps = [
        {"cleared": {"orders": won, "since": date(2026, 11, 2)}}, {"stop_selling": {"sku": "LH-READ"} | days},
    ]  # fmt: skip
    assert panel.scenario == steps
    result, futures = view.what_if(row, steps), view.simulate_scenario(row, steps, draws=SIMULATION_DRAWS)
    assert panel.answer.after["at_fault"] == result.after["at_fault"] == row["at_fault"], "they are cleared on Monday"
    before, after = (one.days["at_fault"].tolist() for one in (view.calendar(row), panel.answer.calendar_after))
    assert [one - other for one, other in zip(before[:5], after[:5], strict=True)] == [0, 0, 3, 3, 3]
    phrase = likely_return_phrase(futures, result.calendar_after, OCTOBER.year)
    assert f"With the scenario: {phrase}." in panel.finding
    assert sorted(panel.orders_saved["order_id"]) == sorted(won)


def test_the_actions_of_the_measure_are_in_the_panel_as_the_command_has_them(desk, panel):
    shown = panel.answer_widget.content["todo"]
    rows = [
        row for row in account_todo(desk.account("lantern-hill-lighting"), OCTOBER) if row.metric == "order_defect_rate"
    ]
    assert [one["action"] for one in shown["rows"]] == [row.action for row in rows] != []
    assert all(row.brings.lower() in one["brings"].lower() for row, one in zip(rows, shown["rows"], strict=True))
    assert shown["rows"][0]["about"] == "5 of 11 orders, by 9 November (inferred)"
    panel.measure.value = ("cancellation_rate", "seller")
    assert panel.answer_widget.content["todo"] is None


def test_what_is_likely_comes_before_the_best_case(panel):
    panel.cause_sliders["a_to_z_claim"].value = 20
    as_is, scenario = panel.finding.split("As it goes on: ")[1].split("With the scenario: ")
    for text in (as_is, scenario):
        assert text.startswith(("back by", "likely"))
        assert re.search(r"back |still off", text).start() < text.index("if nothing new goes wrong")
    assert "best case" not in panel.finding


def test_a_step_of_the_panel_that_changes_nothing_says_so(panel):
    assert "With the scenario" not in panel.finding
    panel.since.value = date(2027, 6, 1)
    panel.cause_sliders["a_to_z_claim"].value = 30
    assert "This step changes nothing: 30% fewer A-to-z Guarantee claims from 1 June 2027." in panel.finding
    panel.until.value = date(2027, 5, 1)
    assert "until 2027-05-01 is before since 2027-06-01" in panel.finding


def test_another_account_has_its_own_products_and_orders(panel):
    panel.product.value = "LH-READ"
    panel.account.value = ("birchway-crafts", "US")
    assert panel.product.value == ""
    assert not any(name.startswith("LH-") for name in dict(panel.product.options))
    assert panel.scenario == []


def test_a_scenario_that_meets_the_target_now_states_the_chance_on_the_same_day(panel):
    panel.cause_sliders["a_to_z_claim"].value = 100
    assert panel.answer.after["status"] != "off target"
    plain, scenario = panel.finding.split("With the scenario: ")
    assert "chance still off target on 30 November" in plain
    assert "chance to be off target within 30 days; " in scenario
    assert scenario.endswith("chance off target on 30 November.")
