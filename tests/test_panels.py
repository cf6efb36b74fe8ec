"""Panels: the functions give what the desk gives, and a change of a control shows it."""

from __future__ import annotations

import re
from datetime import date

import altair as alt
import pandas as pd
import pytest

import healthkit as hk
from healthkit.ingest.importer import import_files
from healthkit.panels import js_widgets, order_list, where_i_stand_model
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report import vega_bundle
from healthkit.store import Store, StoreError
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import SAMPLE

OCTOBER = date(2026, 10, 31)


@pytest.fixture
def panel(desk):
    return hk.where_i_stand(desk, "birchway-crafts", "2026-10-31")


def scored(desk, question: Question) -> pd.Series:
    """The row of SCORES that a question asks for, straight from the desk."""
    rows = desk.score(question.as_of, [question.account], window=question.window)
    mine = (rows["marketplace"] == question.marketplace) & (rows["metric"] == question.metric)
    return rows[mine & (rows["channel"] == question.channel)].iloc[0]


def drawn_rates(spec: dict) -> list[float]:
    """The rates of the thick line, day by day."""
    lines = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    return [row["rate"] for row in lines[-1]["data"]["values"]]


# -- questions and answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 7, 10, 30, 31, 200])
@pytest.mark.parametrize("day", [date(2026, 7, 15), OCTOBER])
def test_an_answer_is_what_the_desk_scores(desk, window, day):
    question = Question("birchway-crafts", "US", "late_shipment_rate", "seller", window, day)
    told = where_i_stand_model.answer_question(desk, question)
    expected = scored(desk, question)
    pd.testing.assert_series_equal(told.score, expected, check_names=False)
    assert told.orders["at_fault"].sum() == expected["at_fault"]
    assert set(told.orders["order_id"]) == set(
        desk.account(expected["account"], expected["marketplace"]).orders_at_fault(expected)["order_id"]
    )


def test_every_measure_of_every_account_has_an_answer_that_can_be_shown(desk):
    for account, marketplace in where_i_stand_model.list_accounts(desk):
        for metric, channel in where_i_stand_model.list_measures(desk, account, marketplace, OCTOBER):
            told = where_i_stand_model.answer_question(
                desk, Question(account, marketplace, metric, channel, 45, OCTOBER)
            )
            shown = where_i_stand_model.render_answer(told)
            assert shown["finding"][0][0]
            assert len(shown["orders"]["rows"]) == min(len(told.orders), order_list.MAX_ROWS)


def test_the_orders_that_leave_first_stand_on_top(desk):
    told = where_i_stand_model.answer_question(
        desk, Question("birchway-crafts", "US", "late_shipment_rate", "seller", 30, OCTOBER)
    )
    assert len(told.orders) > 1
    assert told.orders["leaves_on"].is_monotonic_increasing


def test_a_panel_on_many_accounts_opens_without_simulating_them(sample_store, monkeypatch):
    workspace = Workspace(sample_store)
    monkeypatch.setattr(where_i_stand_model, "MAX_SIMULATED_AT_START", 1)
    monkeypatch.setattr(Workspace, "_harm", lambda self, verdict: pytest.fail("an account was simulated"))
    first = where_i_stand_model.first_question(workspace)
    [verdict] = [
        one for one in workspace.verdicts(first.as_of, [first.account]) if one.marketplace == first.marketplace
    ]
    assert verdict.status == "off target"


def test_the_first_question_is_the_worst_measure_of_the_account_that_ranks_first(desk):
    first = where_i_stand_model.first_question(desk)
    rows = desk.score(OCTOBER, [desk.rank(desk.verdicts(OCTOBER)).accounts[0].harm.account])
    assert first.as_of == OCTOBER
    assert scored(desk, first)["status"] == "off target"
    enforced = [rule.metric for rule in desk.policies["US"].rules if rule.is_enforced]
    off = rows[(rows["status"] == "off target") & rows["rate"].notna() & rows["metric"].isin(enforced)]
    used = (off["at_fault"] / off["counted"]) / off["target"].where(off["side"] == "below", 1 - off["target"])
    assert off.loc[used.idxmax(), ["account", "metric", "window"]].to_list() == [
        first.account, first.metric, first.window,
    ]  # fmt: skip


def test_an_unknown_account_is_refused_by_its_name(desk):
    with pytest.raises(StoreError, match="birchway"):
        where_i_stand_model.first_question(desk, "birchway")


def test_a_day_that_is_none_is_refused(desk):
    with pytest.raises(QuestionError, match="write it as 2026-10-31"):
        where_i_stand_model.first_question(desk, as_of="31.10.2026")


def test_a_day_before_the_first_order_names_the_first_order_day(desk):
    with pytest.raises(QuestionError, match="its first order is of 1 Feb 2026"):
        where_i_stand_model.list_measures(desk, "birchway-crafts", "US", date(2026, 1, 31))


# -- the panel --------------------------------------------------------------------------------------------


def test_the_window_moves_finding_chart_and_orders(desk, panel):
    panel.measure.value = ("late_shipment_rate", "seller")
    for window in (10, 45, 200):
        panel.window.value = window
        expected = scored(desk, panel.question)
        shown = panel.answer_widget.content
        assert drawn_rates(shown["figure"]["spec"])[-1] == pytest.approx(expected["rate"], abs=1e-6)
        assert f"over {window} days" in panel.finding
        assert len(panel.orders) == expected["at_fault"]
        assert len(shown["orders"]["rows"]) == min(expected["at_fault"], order_list.MAX_ROWS)


def test_the_day_moves_the_chart(desk, panel):
    panel.measure.value = ("order_defect_rate", "seller")
    panel.day.value = date(2026, 9, 3)
    assert "3 September 2026" in panel.finding
    assert panel.scores["as_of"].max() == pd.Timestamp(2026, 9, 3)
    last = drawn_rates(panel.answer_widget.content["figure"]["spec"])[-1]
    assert last == pytest.approx(scored(desk, panel.question)["rate"], abs=1e-6)


def test_a_new_measure_begins_with_its_rule_s_own_window(panel):
    panel.measure.value = ("order_defect_rate", "seller")
    assert panel.window.value == 60
    panel.measure.value = ("late_shipment_rate", "seller")
    assert panel.window.value == 30


def test_a_button_sets_the_rule_s_own_window(panel):
    panel.measure.value = ("late_shipment_rate", "seller")
    panel.window.value = 99
    assert "A window of your own: " in [text for note in panel.answer_widget.content["notes"] for text, _ in note]
    ten, thirty = panel.rule_windows.children[1:]
    assert (ten.description, thirty.description) == ("10 days", "30 days")
    ten.click()
    assert panel.window.value == 10


def test_another_account_keeps_measure_window_and_day(desk, panel):
    panel.measure.value = ("order_defect_rate", "seller")
    panel.window.value = 33
    panel.account.value = ("thistle-and-wren", "UK")
    assert panel.question == Question("thistle-and-wren", "UK", "order_defect_rate", "seller", 33, OCTOBER)
    assert scored(desk, panel.question)["at_fault"] == len(panel.orders)


def test_an_account_without_the_measure_begins_with_its_first(panel):
    panel.measure.value = ("order_defect_rate", "seller")
    panel.account.value = ("clearbrook-bath", "US")
    assert panel.measure.value == ("order_defect_rate", "amazon")


def test_one_change_is_answered_once(panel):
    answers = []
    panel.answer_widget.observe(answers.append, "content")
    panel.account.value = ("clearbrook-bath", "US")
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (None, "Choose a day"),
        (date(2020, 1, 1), "birchway-crafts has no orders by 1 Jan 2020"),
        (date(2026, 1, 31), "its first order is of 1 Feb 2026"),
    ],
)
def test_a_day_that_cannot_be_answered_says_so_and_the_next_one_is_answered(panel, day, said):
    panel.day.value = day
    assert said in panel.finding
    assert panel.answer_widget.content["figure"] is None
    assert panel.orders[["order_id", "causes", "clock_day", "known_on", "leaves_on"]].empty
    panel.day.value = OCTOBER
    assert panel.answer_widget.content["figure"] is not None


def test_a_day_without_a_rate_draws_nothing_and_says_why(panel):
    panel.day.value = date(2027, 5, 1)
    assert "has no rate on 1 May 2027: orders only until 1 Nov 2026" in panel.finding
    assert panel.answer_widget.content["orders"]["rows"] == []


def test_every_control_has_a_label(panel):
    for control in (panel.account, panel.measure, panel.window, panel.day):
        assert control.description


# -- drawing without a network ----------------------------------------------------------------------------


def test_a_page_that_asks_gets_vega_and_no_notebook_keeps_it(panel):
    sent = []
    panel.answer_widget.send = lambda content, buffers=None: sent.append((content, buffers))
    panel.answer_widget._handle_custom_msg({"vega": "please"}, [])
    assert sent == [({"vega": "here"}, [vega_bundle.vega_bundle().encode()])]
    assert len(str(panel.answer_widget.get_state())) < 200_000


def test_the_script_asks_no_other_place():
    for part in (js_widgets.ChartDrawer, js_widgets.AnswerWidget):
        assert "http" not in part._esm.replace("http://www.w3.org", "")


def test_setup_shows_nothing_and_lets_plain_altair_charts_draw(shell):
    made = shell.run_cell("import healthkit\nhealthkit.setup()", store_history=False)
    assert made.success
    assert made.result is None
    chart = alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x=alt.X("x", type="quantitative"))
    data, _ = shell.display_formatter.format(chart)
    assert set(data) == {"text/html", "text/plain"}
    assert 'data-chart="chart-' in data["text/html"]
    assert "<script src" not in data["text/html"]


def test_setup_outside_of_a_notebook_does_nothing():
    assert hk.setup() is None


# -- windows side by side -------------------------------------------------------------------------------------------


def small_rates(spec: dict) -> dict[str, float]:
    """The last rate of each small chart by its name."""
    texts = [cell["layer"][-1]["data"]["values"][0]["t"] for cell in spec["concat"]]
    lines = [next(layer for layer in cell["layer"] if layer["mark"]["type"] == "line") for cell in spec["concat"]]
    return {text: line["data"]["values"][-1]["rate"] for text, line in zip(texts, lines, strict=True)}


@pytest.mark.parametrize("windows", [(7,), (7, 14, 45, 60, 90), tuple(range(10, 34))])
def test_any_number_of_windows_stand_side_by_side(desk, panel, windows):
    panel.measure.value = ("late_shipment_rate", "seller")
    panel.window.value = 30
    panel.other_windows.value = ", ".join(map(str, reversed(windows)))
    shown = panel.answer_widget.content
    rates = {}
    for window in {30, *windows}:
        row = scored(desk, panel.question._replace(window=window))
        rates[window] = row["at_fault"] / row["counted"]
    spec = shown["figure"]["spec"]
    if len(rates) <= 6:
        lines = [layer["data"]["values"][-1]["rate"] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
        assert sorted(lines) == pytest.approx(sorted(rates.values()), abs=1e-6)
        assert "Thin: 7 days" in "".join(text for text, _ in shown["notes"][0])
    else:
        expected = {f"{window} days": rate for window, rate in rates.items()}
        assert small_rates(spec) == pytest.approx(expected, abs=1e-6)
        assert shown["figure"]["picks"] is None
    day = "".join(text for text, _ in shown["notes"][1])
    assert day.startswith("On 31 October 2026: ")
    assert day.count(" days ") == len(rates)
    assert set(rates) <= set(panel.scores["window"])
    assert not panel.scores.duplicated(["window", "as_of"]).any()
    panel.other_windows.value = ""
    assert len([layer for layer in panel.answer_widget.content["figure"]["spec"]["layer"]
                if layer["mark"]["type"] == "line"]) == 2  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [("week", "'week' is not a window"), ("0", "'0' is not a window"), ("366", "from 1 to 365"), ("7.5", "'7.5'"),
     (" ".join(map(str, range(1, 26))), "25 windows are too many for one panel; write up to 24.")],
)  # fmt: skip
def test_what_is_no_window_is_told_in_a_sentence(panel, text, problem):
    panel.other_windows.value = text
    assert problem in panel.finding
    panel.other_windows.value = "7"
    assert "Late Shipment Rate" in panel.finding


def test_scores_take_any_number_of_windows(desk):
    wanted = desk.score(OCTOBER, "birchway-crafts", window=[7, 60, 7], metrics=["late_shipment_rate"])
    single = [desk.score(OCTOBER, "birchway-crafts", window=days, metrics=["late_shipment_rate"]) for days in (7, 60)]
    columns = ["window", "counted", "at_fault", "status"]
    pd.testing.assert_frame_equal(wanted[columns], pd.concat(single, ignore_index=True)[columns])
    with pytest.raises(hk.metrics.scores.ScoreError, match="at least 1 day, not 0"):
        desk.score(OCTOBER, window=[7, 0])
    with pytest.raises(hk.metrics.scores.ScoreError, match="No window given"):
        desk.score(OCTOBER, window=[])


def test_a_rate_that_is_not_judged_says_so_among_others(desk):
    panel = hk.where_i_stand(desk, "birchway-crafts", "2026-10-31")
    panel.measure.value = ("late_shipment_rate", "seller")
    panel.other_windows.value = "7 300"
    day = "".join(text for text, _ in panel.answer_widget.content["notes"][1])
    assert scored(desk, panel.question._replace(window=300))["status"] == "short history"
    assert re.search(r"7 days [\d.]+%, 30 days [\d.]+%, 300 days [\d.]+% \(short history\)\.$", day), day


def test_a_window_by_which_the_rule_judged_on_no_day_shown_draws_no_line(tmp_path):
    """A rule of eBay judges over a year or three months by the seller's sales; one of both has no rows here."""
    list(import_files([SAMPLE / "second-spin-audio"], Store(tmp_path / "store")))
    desk = hk.open_workspace(tmp_path / "store")
    question = Question("second-spin-audio", "EBAY", "late_shipment_rate", "seller", 20, date(2026, 7, 15))
    answer = where_i_stand_model.answer_question(desk, question, 120)
    known = set(answer.daily_scores["window"])
    assert set(answer.other_windows) <= known
    assert not set(answer.rule.windows) <= known
    spec = where_i_stand_model.render_answer(answer)["figure"]["spec"]
    lines = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert len(lines) == len(answer.other_windows) + 1
