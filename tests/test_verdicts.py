"""Where a measure stands by the worst known figure, and why one cannot be judged: a client who brings few files."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from healthkit.analysis.verdicts import AMAZON, OURS, AccountVerdict, Verdict, judge_account
from healthkit.cli import app, doctor
from healthkit.metrics.evidence import EvidenceSpan, FileCoverage
from healthkit.metrics.policy import Rule, Stage, Target
from healthkit.report import model
from healthkit.report.html.missing_files import files_to_download
from healthkit.report.html.portfolio import PortfolioPage, portfolio_index, portfolio_row
from healthkit.report.html.report import scorecard, verdict, verdict_lines
from healthkit.report.text import reasons, sentences
from healthkit.workspace.workspace import Workspace
from tests.builders import client_files as client
from tests.builders.pages import words
from tests.builders.random_ledgers import rule as made_rule

AS_OF = date(2026, 11, 20)
FIRST = date(2026, 9, 25)
"""The orders begin after the window of the order defect rate does, which is 60 days that end 15 days before."""


def measure(desk: Workspace, metric: str, window: int = 0, day: date = AS_OF, **how: bool) -> Verdict:
    """The verdict on one measure of the one account, by default in its longest window."""
    [held] = desk.verdicts(day, **how)
    found = [one for one in held.measures if one.metric == metric and window in (0, one.window)]
    return max(found, key=lambda one: one.window)


@pytest.fixture(scope="module")
def orders() -> list[tuple[str, date]]:
    """Five orders a day until the as-of day."""
    return client.placed(FIRST, AS_OF, 5)


@pytest.fixture(scope="module")
def bad(orders) -> list[tuple[str, date, int]]:
    """Four bad ratings among the orders of the window."""
    return [(number, day + timedelta(3), 1) for number, day in orders[10:50:10]]


@pytest.fixture(scope="module")
def first_day(tmp_path_factory, orders, bad) -> Workspace:
    """What a client brings on the first day: orders, ratings, and Amazon's report that marks two measures bad."""
    return client.imported(
        tmp_path_factory.mktemp("first_day"),
        all_orders_dot_txt=client.all_orders(orders),
        feedback_dot_txt=client.feedback(bad),
        performance_dot_json=client.performance(
            AS_OF,
            orderDefectRate=client.defect_rate(AS_OF, 190, 3, "BAD"),
            preFulfillmentCancellationRate=client.cancelled_rate(AS_OF, 34, 1, "BAD"),
            lateShipmentRate=client.shipped_late(AS_OF, 141, 4, "GOOD"),
            rating={"ahrScore": 428, "ahrStatus": "GREAT"},
        ),
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory, orders, bad) -> Workspace:
    """The same client without Amazon's report."""
    return client.imported(
        tmp_path_factory.mktemp("alone"),
        all_orders_dot_txt=client.all_orders(orders),
        feedback_dot_txt=client.feedback(bad),
    )


@pytest.fixture
def brings(tmp_path, orders) -> Callable[..., Workspace]:
    """The same client with other files beside all its orders; `reported` are figures of Amazon's report of the day."""

    def bring(on: date = AS_OF, reported: dict[str, Any] | None = None, **files: str) -> Workspace:
        if reported:
            files["performance_dot_json"] = client.performance(on, **reported)
        return client.imported(tmp_path, **({"all_orders_dot_txt": client.all_orders(orders)} | files))

    return bring


def run(desk: Workspace, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--data", str(desk.store.folder)])


# -- the worst known figure wins ------------------------------------------------------------------------------


def test_amazons_figure_decides_where_ours_cannot_judge(first_day):
    held = measure(first_day, "order_defect_rate")
    assert (held.status, held.decided_by, held.ours["status"]) == ("off target", AMAZON, "short history")
    assert (held.decisive_row["counted"], held.decisive_row["at_fault"], held.figure_age) == (190, 3, 0)


def test_amazons_figure_decides_where_ours_is_better(first_day):
    held = measure(first_day, "cancellation_rate")
    assert (held.ours["at_fault"], held.ours["status"]) == (0, "on target")
    assert (held.status, held.decided_by) == ("off target", AMAZON)


def test_ours_decides_where_it_is_the_worse(brings, orders):
    gone = {number for number, day in orders if day >= AS_OF - timedelta(5)}
    reported = {"preFulfillmentCancellationRate": client.cancelled_rate(AS_OF, 40, 0, "GOOD")}
    desk = brings(reported=reported, all_orders_dot_txt=client.all_orders(orders, cancelled=gone))
    assert (measure(desk, "cancellation_rate").status, measure(desk, "cancellation_rate").decided_by) == (
        "off target",
        OURS,
    )


@pytest.mark.parametrize(
    ("age", "status", "expected"),
    [
        (7, "GOOD", "on target"),
        (8, "GOOD", "no data"),
        (7, "BAD", "off target"),
        (60, "BAD", "off target"),
    ],
)
def test_old_good_news_is_none_and_old_bad_news_stands(brings, age, status, expected):
    on = AS_OF - timedelta(age)
    late = 20 if status == "BAD" else 1
    desk = brings(on, {"lateShipmentRate": client.shipped_late(on, 141, late, status)})
    held = measure(desk, "late_shipment_rate")
    assert (held.status, held.figure_age) == (expected, age)


def test_an_old_figure_does_not_outweigh_our_own(brings):
    on = AS_OF - timedelta(20)
    desk = brings(on, {"preFulfillmentCancellationRate": client.cancelled_rate(on, 34, 1, "BAD")})
    assert (measure(desk, "cancellation_rate").status, measure(desk, "cancellation_rate").decided_by) == (
        "on target",
        OURS,
    )


@pytest.mark.parametrize(
    ("word", "points", "expected"),
    [
        ("AT_RISK_OF_DEACTIVATION", 96, "off target"),
        ("AT_RISK_OF_DEACTIVATION", 150, "at risk"),
        ("SOMETHING_NEW", 428, "on target"),
        ("GREAT", 428, "on target"),
        ("GREAT", 96, "off target"),
    ],
)
def test_a_rating_is_judged_by_the_worse_of_word_and_points(brings, word, points, expected):
    desk = brings(reported={"rating": {"ahrScore": points, "ahrStatus": word}})
    held = measure(desk, "account_health_rating")
    assert (held.status, held.decided_by) == (expected, AMAZON)


def test_a_figure_called_good_that_misses_its_target_is_off_target(brings):
    desk = brings(reported={"lateShipmentRate": client.shipped_late(AS_OF, 100, 9, "GOOD")})
    assert measure(desk, "late_shipment_rate").status == "off target"


# -- what cannot be judged says why ---------------------------------------------------------------------------


def test_short_history_past_its_limit_says_what_it_would_take(alone, bad):
    held = measure(alone, "order_defect_rate")
    counted, at_fault = held.ours["counted"], held.ours["at_fault"]
    assert (held.ours["status"], at_fault) == ("short history", len(bad))
    enough = counted + held.reason.clean_orders_needed
    target = Target(Fraction(1, 100), "below")
    assert target.is_met(enough, at_fault)
    assert not target.is_met(enough - 1, at_fault)
    missing = (FIRST - held.ours["first_day"]).days
    assert held.reason.missing_days == missing
    told = reasons.on_target_only_if_clause(held.reason.clean_orders_needed, missing, "order")
    assert f"held {held.reason.clean_orders_needed} more orders without a defect" in told


def test_no_file_that_tells_is_not_no_orders(alone, orders):
    held = measure(alone, "late_shipment_rate")
    assert (held.status, held.reason.kind, held.ours["counted"]) == ("no data", "no file", 0)
    first, last = held.ours["first_day"], held.ours["last_day"]
    assert held.reason.orders_in_window == sum(first <= day <= last for _, day in orders)
    assert [need.evidence for need in held.reason.required_evidence] == ["promises", "confirmations"]
    told = reasons.unjudged_reason(held.reason, "order", first, last, AS_OF.year)
    assert (
        told == f"{held.reason.orders_in_window} orders, but no file says when they were due to ship "
        "and when they were confirmed"
    )


def test_no_orders_is_said_where_there_were_none(tmp_path):
    early = client.placed(date(2026, 6, 1), AS_OF - timedelta(40), 2)
    late = [(client.order_id(900 + n), AS_OF - timedelta(n)) for n in range(2)]
    desk = client.imported(tmp_path, all_orders_dot_txt=client.all_orders(early + late))
    held = measure(desk, "cancellation_rate", day=AS_OF - timedelta(10))
    assert (held.status, held.reason.kind) == ("no orders", "no orders")


@pytest.mark.parametrize(("back", "status", "kind"), [(12, "no data", "ends early"), (6, "incomplete", "lower bound")])
def test_confirmations_that_end_early_are_named_with_their_day(brings, orders, back, status, kind):
    until = AS_OF - timedelta(back)
    known = [(number, day) for number, day in orders if day <= until]
    told = {"order_report_dot_txt": client.order_report(orders), "confirmations_dot_csv": client.confirmations(known)}
    desk = brings(**told)
    held = measure(desk, "late_shipment_rate", 10)
    assert (held.status, held.reason.kind) == (status, kind)
    assert held.reason.unknown_orders > 0
    [need] = held.reason.required_evidence
    assert (need.evidence, need.known_last) == ("confirmations", until)
    told = reasons.unjudged_reason(held.reason, "order", held.ours["first_day"], held.ours["last_day"], AS_OF.year)
    assert f"known only until {until:%-d %b}" in told


def test_unknown_orders_that_could_not_change_the_verdict_do_not_hide_it(brings, orders):
    known = [one for place, one in enumerate(orders) if place != len(orders) - 30]
    told = {"order_report_dot_txt": client.order_report(orders), "confirmations_dot_csv": client.confirmations(known)}
    desk = brings(**told)
    held = measure(desk, "late_shipment_rate", 30)
    assert held.status == "on target"


def test_a_defect_rate_without_claims_is_a_lower_bound_and_not_on_target(tmp_path):
    orders = client.placed(date(2026, 6, 1), AS_OF, 5)
    stars = [(number, day + timedelta(3), 5) for number, day in orders[::20]]
    desk = client.imported(
        tmp_path, all_orders_dot_txt=client.all_orders(orders), feedback_dot_txt=client.feedback(stars)
    )
    held = measure(desk, "order_defect_rate")
    assert (held.status, held.reason.kind) == ("incomplete", "lower bound")
    assert {need.evidence for need in held.reason.required_evidence} == {"claims", "chargebacks"}


def test_ratings_that_end_early_are_a_lower_bound(tmp_path):
    orders = client.placed(date(2026, 6, 1), AS_OF, 5)
    until = AS_OF - timedelta(30)
    stars = [(number, day, 5) for number, day in orders[::5] if day <= until]
    files = {
        "all_orders_dot_txt": client.all_orders(orders),
        "defects_dot_csv": "order-id,kind,known-on\n",
    }
    whole = client.imported(tmp_path / "whole", **files, feedback_dot_txt=client.feedback(
        [(number, day, 5) for number, day in orders[::5]]))  # fmt: skip
    cut = client.imported(tmp_path / "cut", **files, feedback_dot_txt=client.feedback(stars))
    assert measure(whole, "order_defect_rate").status == "on target"
    assert measure(cut, "order_defect_rate").status == "incomplete"


def test_days_that_no_file_of_orders_covers_are_named(tmp_path):
    orders = client.placed(date(2026, 6, 1), AS_OF, 5)
    hole = date(2026, 9, 10), date(2026, 9, 24)
    before, after = (
        [one for one in orders if one[1] < hole[0]], [one for one in orders if one[1] > hole[1]],
    )  # fmt: skip
    desk = client.imported(
        tmp_path, a_dot_txt=client.all_orders(before), b_dot_txt=client.all_orders(after),
        defects_dot_csv="order-id,kind,known-on\n",
    )  # fmt: skip
    held = measure(desk, "order_defect_rate")
    assert (held.ours["status"], held.reason.kind) == ("short history", "gap")
    assert (held.reason.since, held.reason.until) == hole


def test_silence_is_measured_by_how_often_rows_come():
    often = EvidenceSpan(date(2026, 1, 1), date(2026, 3, 1), 60)
    seldom = EvidenceSpan(date(2026, 1, 1), date(2026, 3, 1), 4)
    assert often.tolerated_gap_days == 7
    assert seldom.tolerated_gap_days == 59
    files = FileCoverage(date(2026, 1, 1), AS_OF, AS_OF, 10, frozenset({"feedback"}), {"feedback": often})
    assert files.lacks_evidence("feedback", date(2026, 1, 1), date(2026, 3, 10))
    assert not files.lacks_evidence("feedback", date(2026, 1, 1), date(2026, 3, 6))
    assert files.lacks_evidence("claims", date(2026, 1, 1), date(2026, 3, 4))


# -- the account as a whole: check, page, index, summary, panel -----------------------------------------------


def test_check_exits_one_and_names_both_of_amazons_measures(first_day):
    shown = run(first_day, "check", "--month", "2026-11")
    assert shown.exit_code == 1
    lines = [line for line in shown.stdout.splitlines() if line.startswith("off target")]
    assert len(lines) == 2
    assert all("by Amazon’s own figure of 20 November" in line for line in lines)
    assert "Order Defect Rate" in lines[0] + lines[1]
    assert "Cancellation" in lines[0] + lines[1]


def test_check_exits_three_where_nothing_is_known_to_be_wrong_and_not_all_is_known(alone):
    shown = run(alone, "check", "--month", "2026-11")
    assert shown.exit_code == 3
    assert "cannot be judged  acme (US): Late Shipment Rate over 30 days" in shown.stdout
    assert "not covered  acme (US): no file covers" in shown.stdout
    assert "on target" not in shown.stdout.replace("on target only if", "")


def test_an_account_with_only_amazon_fulfilled_orders_is_not_passed_over(tmp_path):
    desk = client.imported(
        tmp_path,
        all_orders_dot_txt=client.all_orders(client.placed(date(2026, 11, 1), date(2026, 11, 11), 3), channel="Amazon"),
    )
    shown = run(desk, "check", "--month", "2026-11")
    assert shown.exit_code == 3
    assert "cannot be judged  acme (US): Order Defect Rate over 60 days (Amazon-fulfilled)" in shown.stdout
    assert model.accounts_to_report(desk, "2026-11") == [("acme", "US")]


def test_standing_tells_of_unjudged_measures_beside_those_off_target(first_day):
    shown = run(first_day, "standing", "--as-of", "2026-11-29").stdout
    assert "Order Defect Rate over 60 days" in shown
    assert "measures cannot be judged; `doctor --account acme` lists the files that are missing" in " ".join(
        shown.split()
    )


@pytest.fixture(scope="module")
def two_marketplaces(tmp_path_factory) -> Workspace:
    """One file of ten days in the US, and one of the UK that ended in September."""
    fresh = client.placed(date(2026, 11, 17), date(2026, 11, 26), 3)
    stale = [(f"9{number[1:]}", day) for number, day in client.placed(date(2026, 8, 1), date(2026, 9, 10), 2)]
    uk = client.all_orders(stale, store="Amazon.co.uk")
    folder = tmp_path_factory.mktemp("two")
    return client.imported(folder, marketplace=None, us_dot_txt=client.all_orders(fresh), uk_dot_txt=uk)


@pytest.mark.parametrize("command", ["scores", "outlook"])
def test_a_table_names_the_marketplace_of_an_account_that_has_several(command, two_marketplaces):
    shown = run(two_marketplaces, command, "--as-of", "2026-11-26").stdout
    assert "acme (US)" in shown
    assert "acme (UK)" in shown


def test_the_page_counts_unjudged_measures_once_and_names_them_first(two_marketplaces):
    report = model.open_report(two_marketplaces, "acme", "2026-11", "US")
    assert "Six measures cannot be judged; one is on target" in words(scorecard(report).html)
    assert "Six measures cannot be judged; eight files would show more" in words(files_to_download(report).html)
    *_, (_, first_step) = [line for line in verdict_lines(report) if line[0] == "What to do first"]
    assert first_step.startswith(
        "Download the all-orders file (Seller Central, Orders > Order Reports > All Orders) for 13 September"
    )


@pytest.mark.parametrize(("days_later", "is_stale"), [(0, False), (7, False), (8, True), (60, True)])
def test_doctor_says_that_the_files_of_an_account_are_old(days_later, is_stale, judged):
    known = judged.verdicts(date(2026, 11, 30), at_last_known_day=True)[0].as_of
    lines = doctor.examine_account(judged, "acme", known + timedelta(days_later))
    assert [f"Its files end {days_later} days before" in line.text for line in lines][1] is is_stale
    assert lines[1].cure.startswith("Import newer files") is is_stale
    assert lines[0].symbol == (doctor.MISSING if is_stale else doctor.OK)
    # The day after, which has begun somewhere on Earth, may be asked for; the files are as old as they are here.
    tomorrow = known + timedelta(days_later + 1)
    here = doctor.examine_account(judged, "acme", tomorrow, today=known + timedelta(days_later))
    assert here == lines


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Workspace:
    """A client of whom all enforced measures are known."""
    as_of = date(2026, 11, 30)
    orders = client.placed(FIRST, as_of, 5)
    return client.imported(
        tmp_path_factory.mktemp("judged"),
        all_orders_dot_txt=client.all_orders(orders),
        performance_dot_json=client.performance(
            as_of,
            orderDefectRate=client.defect_rate(as_of, 190, 0, "GOOD"),
            preFulfillmentCancellationRate=client.cancelled_rate(as_of, 34, 0, "GOOD"),
            lateShipmentRate=client.shipped_late(as_of, 141, 1, "GOOD"),
            validTrackingRate=client.tracked(as_of, 150, 149, "GOOD"),
            unitOnTimeDeliveryRate=client.unit_on_time(as_of, 150, 149, "GOOD"),
            rating={"ahrScore": 428, "ahrStatus": "GREAT"},
        ),
    )


def test_check_exits_zero_only_where_every_enforced_measure_has_a_fresh_figure(judged):
    shown = run(judged, "check", "--month", "2026-11")
    assert "Every measure that a rule enforces is on target." in shown.stdout
    assert "not covered  acme (US)" in shown.stdout
    assert shown.exit_code == 0


def test_check_as_json_has_the_verdict_and_whose_figure_it_is(first_day):
    rows = json.loads(run(first_day, "check", "--month", "2026-11", "--format", "json").stdout)
    off = {row["metric"]: row for row in rows if row["status"] == "off target"}
    assert {name: row["case"] for name, row in off.items()} == dict.fromkeys(
        ("order_defect_rate", "cancellation_rate"), "amazon"
    )
    assert {row["status"] for row in rows} == {"off target", "cannot be judged"}
    assert all(row["reason"] for row in rows if row["status"] == "cannot be judged")


def test_the_page_leads_with_amazons_figures_and_is_as_of_the_last_day_known(first_day):
    held = model.open_report(first_day, "acme", "2026-11")
    assert (held.as_of, held.month_end) == (AS_OF, date(2026, 11, 30))
    told = words(verdict(held).html)
    assert "20 November 2026 , the last day that the files cover" in told
    assert "is off target at 1.58% (limit 1%) by Amazon’s own figure of 20 November" in told
    assert "Pre-fulfilment Cancellation Rate is at 2.9% (limit 2.5%) by Amazon’s own figure of 20 November" in told
    assert "cannot be judged" in told
    assert "Nothing" not in told


def test_the_page_of_a_client_of_whom_little_is_known_is_no_all_clear(alone):
    held = model.open_report(alone, "acme", "2026-11")
    told = [sentence for _, sentence in verdict_lines(held)]
    assert told[0].startswith("Nothing is known to be off target, but ")
    assert "cannot be judged" in told[0]
    assert not any(sentence.startswith("Nothing:") for sentence in told)


def test_the_index_ranks_what_cannot_be_judged_before_what_is_on_target(alone, first_day, judged):
    rows = [
        portfolio_row(model.open_report(desk, "acme", "2026-11"), "") | {"account": name}
        for name, desk in (("good", judged), ("alone", alone), ("first", first_day))
    ]
    assert [row["status"] for row in rows] == ["on target", "cannot be judged", "off target"]
    page = PortfolioPage(month="2026-11", as_of=date(2026, 11, 30), rows=pd.DataFrame(rows, dtype=object))
    told = words(portfolio_index(page).html)
    assert told.index("first Amazon US") < told.index("alone Amazon US") < told.index("good Amazon US")
    assert "One account is off target ; one cannot be judged." in told
    assert "as of 20 Nov, where its files end" in told


def test_the_panel_opens_on_amazons_worst_figure_and_says_it(first_day):
    from healthkit.panels import where_i_stand_model

    asked = where_i_stand_model.first_question(first_day, "acme")
    told = where_i_stand_model.answer_question(first_day, asked)
    assert (asked.metric, asked.as_of) == ("order_defect_rate", AS_OF)
    assert told.status == "off target"
    assert "by Amazon’s own figure of 20 November" in sentences.plain_text(told.finding)


def test_the_portfolio_counts_amazons_figure(first_day):
    from healthkit.panels.portfolio_model import rank_accounts

    held = rank_accounts(first_day, AS_OF, look_ahead=False).drop_duplicates(["metric"]).set_index("metric")
    assert held.loc["cancellation_rate", ["status", "case"]].tolist() == ["off target", "amazon"]
    assert held.index[0] in ("cancellation_rate", "order_defect_rate")


# -- targets without a consequence ----------------------------------------------------------------------------


def test_a_miss_of_a_target_without_a_consequence_counts_for_the_account_behind_those_with_one():
    study = made_rule("refund_rate", "ordered_on", windows=(30,), below=Fraction(1, 10), counting={})
    enforced = made_rule("cancellation_rate", "ordered_on", windows=(7,), below=Fraction(1, 40), counting={})
    enforced = enforced.model_copy(update={"consequence": "Offers are removed."})
    advice = study.model_copy(update={"stages": (Stage(stage="advice", says="It is advice"),)})

    def judged(rule: Rule, *statuses: str) -> AccountVerdict:
        rules = [rule, enforced]
        rows = [
            {"rule": one.id, "metric": one.metric, "channel": "seller", "window": one.windows[0], "status": status,
             "counted": 100, "at_fault": 20, "side": "below", "target": 0.1, "headroom": -10, "value": None,
             "proxy": None, "first_day": FIRST, "last_day": AS_OF}
            for one, status in zip(rules, statuses, strict=True)
        ]  # fmt: skip
        return judge_account(rules, rows, [], AS_OF, ("acme", "US"))

    assert not study.is_enforced
    assert advice.is_advisory
    assert judged(study, "off target", "on target").status == "off target"
    assert judged(advice, "off target", "on target").status == "off target"
    assert judged(study, "no data", "on target").status == "on target"
    assert judged(study, "on target", "no data").status == "cannot be judged"
    assert judged(advice, "off target", "off target").measures[0].rule == enforced
