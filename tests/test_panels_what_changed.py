"""The panel of what changed: the bridge, orders and groups of the desk, and a sentence for what cannot be said."""

from __future__ import annotations

from datetime import date

import pytest

import healthkit as hk
from healthkit.panels import order_list, what_changed_model, where_i_stand_model
from healthkit.panels.where_i_stand_model import QuestionError
from healthkit.report.text import movements

OCTOBER, SEPTEMBER = date(2026, 10, 31), date(2026, 9, 30)


@pytest.fixture
def panel(desk):
    return hk.what_changed(desk, "birchway-crafts", "2026-10-31")


def test_it_opens_on_the_worst_measure_since_the_end_of_the_month_before(desk, panel):
    assert panel.before.value == SEPTEMBER
    assert panel.question == where_i_stand_model.first_question(desk, "birchway-crafts", OCTOBER)
    assert panel.finding == f"{movements.bridge_title(movements.movement_from_bridge(panel.bridge))}."


@pytest.mark.parametrize("window", [7, 30, 45])
def test_its_steps_lead_from_one_rate_to_the_other(desk, panel, window):
    panel.window.value = window
    row = desk.account("birchway-crafts").measure("late_shipment_rate", OCTOBER, window=window)
    bridge = panel.bridge
    assert (bridge.after.counted, bridge.after.at_fault) == (row["counted"], row["at_fault"])
    assert bridge.rate(bridge.before) + sum(step.change for step in bridge.steps) == bridge.rate(bridge.after)
    assert len(panel.orders) == len(bridge.orders)
    assert len(panel.answer_widget.content["orders"]["rows"]) == min(len(panel.orders), order_list.MAX_ROWS)
    places = panel.orders["step"].map(what_changed_model.STEP_ORDER.index)
    assert places.is_monotonic_increasing


def test_another_day_before_moves_the_chart(panel):
    panel.before.value = date(2026, 10, 15)
    assert panel.bridge.before.day == date(2026, 10, 15)
    assert "15 Oct 2026" in panel.answer_widget.content["figure"]["title"]


def test_a_group_that_stands_out_is_said(desk):
    panel = hk.what_changed(desk, "lantern-hill-lighting", OCTOBER, SEPTEMBER)
    panel.measure.value = ("order_defect_rate", "seller")
    assert panel.drivers["stands_out"].any()
    assert "stand" in panel.answer_widget.content["lead"]


def test_a_standing_is_a_sentence(panel):
    assert panel.streak_text.startswith("Off target for")
    panel.measure.value = ("order_defect_rate", "seller")
    assert panel.streak_text == "Not off target on 31 October 2026."


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (None, "Choose a day to compare with"),
        (date(2026, 11, 30), "is not after"),
        (date(2026, 1, 31), "choose another day"),
    ],
)
def test_what_cannot_be_compared_is_said_and_the_next_is_answered(panel, before, said):
    panel.before.value = before
    assert said in panel.finding
    assert panel.bridge is None
    assert panel.orders.empty
    panel.before.value = SEPTEMBER
    assert panel.bridge is not None


@pytest.mark.long
def test_a_measure_of_every_account_is_drawn_or_refused_in_a_sentence(desk):
    panel, drawn = hk.what_changed(desk, as_of=OCTOBER, before=SEPTEMBER), 0
    for account, marketplace in where_i_stand_model.list_accounts(desk):
        panel.account.value = (account, marketplace)
        for pair in where_i_stand_model.list_measures(desk, account, marketplace, OCTOBER):
            panel.measure.value = pair
            drawn += panel.bridge is not None
            assert panel.finding.endswith("."), panel.finding
            assert (panel.answer_widget.content["figure"] is None) == (panel.bridge is None)
    assert drawn > 20


def test_a_day_that_is_none_is_refused(desk):
    with pytest.raises(QuestionError, match="write it as 2026-10-31"):
        hk.what_changed(desk, before="30.9.2026")
