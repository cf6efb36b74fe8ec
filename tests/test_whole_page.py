"""The rest of the account-health page: messages, violations, rating, Amazon's own figures, who carries the excess."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest

from healthkit.analysis.reconcile import DIFFERENCES, Difference, Reconciliation
from healthkit.analysis.streaks import Streak
from healthkit.batch import ReportData
from healthkit.batch.report_data import MIME_TYPE
from healthkit.ingest import importer
from healthkit.metrics import definitions as metrics
from healthkit.metrics.policy import JUDGED_STATUSES, Points, Stage
from healthkit.report import charts, model
from healthkit.report.html import measures
from healthkit.report.html.account import account_state, buyer_messages
from healthkit.report.html.block import HtmlBlock
from healthkit.report.html.page import html_page
from healthkit.report.html.reconciliation import reconciliation
from healthkit.report.html.report import measure_chapters, rules_in_force, scorecard, verdict
from healthkit.report.model import MonthlyReport
from healthkit.report.text import account as account_text
from healthkit.report.text import reconciliation as reconciliation_text
from healthkit.schema.tables import SCORES
from healthkit.store import Store
from healthkit.workspace import workspace
from tests.builders import made_report
from tests.builders.made_report import ACCOUNT, AS_OF, BEFORE
from tests.builders.pages import LABELS, opened, rows_of, words

TRICKY = "<b onload=x>"
POINTS = Points(start=200, gain=4, per_orders=200, most=1000, on_from=200, off_under=100)
WHOLE = {"channels": ("all",)}
MORE = [
    made_report.rule("late_response_rate", (7, 30), at_most="10/100", clock="received_on", **WHOLE),
    made_report.rule("average_response_time", (7, 30), clock="received_on", **WHOLE),
    made_report.rule("policy_violations", (180,), at_most="0/1", clock="opened_on", **WHOLE),
    made_report.rule("account_health_rating", (180,), points=POINTS, **WHOLE),
    made_report.rule("customer_service_dissatisfaction_rate", (30,), below="25/100", clock="received_on", **WHOLE),
]


def score_row(metric: str, window: int, day: date, **told: Any) -> dict[str, Any]:
    """One row of SCORES of the account as a whole."""
    asked = next(rule for rule in MORE if rule.metric == metric)
    target = (asked.target.side, float(asked.target.share)) if asked.target else (None, None)
    nothing = {"counted": 0, "at_fault": 0, "rate": None, "value": None, "headroom": None, "proxy": None}
    return nothing | {
        "case": "ours", "account": ACCOUNT, "marketplace": "US", "channel": "all", "metric": metric, "window": window,
        "as_of": pd.Timestamp(day), "first_day": pd.Timestamp(day - timedelta(window - 1)), 
        "last_day": pd.Timestamp(day), "side": target[0], "target": target[1], "rule": asked.id,
    } | told  # fmt: skip


def account_rows(day: date, violations: int, points: float) -> list[dict[str, Any]]:
    """SCORES of messages, violations and rating on one day; nobody asked the buyers."""
    off = {"status": "off target"}
    return [
        score_row("late_response_rate", 7, day, counted=10, at_fault=0, rate=0.0, status="on target", headroom=1),
        score_row("late_response_rate", 30, day, counted=46, at_fault=6, rate=6 / 46, headroom=-2, **off),
        score_row("average_response_time", 7, day, counted=10, value=10.5, status="no target"),
        score_row("average_response_time", 30, day, counted=45, value=9.25, status="no target"),
        score_row("policy_violations", 180, day, counted=1, at_fault=violations, value=float(violations),
                  headroom=-violations, status="off target" if violations else "on target"),
        score_row("account_health_rating", 180, day, counted=3071, value=points, status="on target",
                  proxy="rating_estimated"),
        score_row("customer_service_dissatisfaction_rate", 30, day, status="no data", proxy="surveys_not_imported"),
    ]  # fmt: skip


def with_rows(scores: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    more = pd.DataFrame(rows, columns=list(SCORES.columns)).astype({"headroom": "Int64", "value": float, "rate": float})
    return pd.concat([scores, more], ignore_index=True)


def messages() -> pd.DataFrame:
    """Five messages answered late and one that waits."""
    rows = [
        made_report.fault("late_response_rate", 30, n, "answered_late" if n else "unanswered",
                          date(2026, 10, 5) + timedelta(n), 30, "") | {"channel": "all", "order_id": f"C{n}{TRICKY}"}
        for n in range(6)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def drivers(stands_out: bool) -> pd.DataFrame:
    """A product and a carrier beside the rest."""
    names = ["dimension", "group", "counted", "at_fault", "rate", "rest_counted", "rest_at_fault", "excess", "low",
             "high", "stands_out"]  # fmt: skip
    return pd.DataFrame(
        [
            ("sku", f"T-2 {TRICKY}", 276, 16, 16 / 276, 2222, 15, 14.1, 7.2, 26.9, stands_out),
            ("asin", "B0", 276, 16, 16 / 276, 2222, 15, 14.1, 7.2, 26.9, stands_out),
            ("carrier", "UPS", 489, 8, 8 / 489, 2009, 23, 2.4, -4.6, 12.6, False),
            ("weekday", "Monday", 300, 3, 0.01, 2198, 28, -0.8, -4.0, 9.2, False),
            ("cause", "chargeback", 2498, 3, 3 / 2498, 0, 0, None, None, None, False),
        ],
        columns=names,
    )


def reconciled() -> list[Reconciliation]:
    """Order defects, which Amazon counts otherwise and judges otherwise, and cancellation, where both are the same."""
    rules = {rule.metric: rule for rule in made_report.RULES}
    why = (
        Difference("time zone", 2, 0, tuple(f"111-{n}" for n in range(7))),
        Difference("cleared", 0, -1, (f"112-1{TRICKY}",)),
        Difference("unexplained", 1, -6),
    )
    days = date(2026, 8, 18), date(2026, 10, 16)
    return [
        Reconciliation(ACCOUNT, "US", "seller", rules["cancellation_rate"], AS_OF, 7, date(2026, 10, 24),
                   date(2026, 10, 30), (297, 7), (297, 7), "at risk", "at risk", "", False),
        Reconciliation(ACCOUNT, "US", "seller", rules["order_defect_rate"], AS_OF, 60, *days, (2498, 31), (2501, 24),
                   "off target", "on target", f"it is called good {TRICKY}", False, why),
    ]  # fmt: skip


def reported(points: float | None, defects: int | None = 24) -> pd.DataFrame:
    """Amazon's own rating on both days, and its Order Defect Rate of the as-of day, which it calls good."""
    nothing = {"counted": 0, "at_fault": 0, "rate": None, "target": None, "side": None, "headroom": None, "proxy": None}
    base = nothing | {"case": "amazon", "account": ACCOUNT, "marketplace": "US", "status": "on target", "value": None}
    rows = [
        base | {
            "metric": "account_health_rating", "channel": "all", "window": 180, "value": value, "as_of": day,
            "first_day": day - timedelta(179), "last_day": day, "rule": f"reported@{day}",
        }
        for day, value in ((BEFORE, 240.0), (AS_OF, points))
    ]  # fmt: skip
    if defects is not None:
        rows.append(base | {
            "metric": "order_defect_rate", "channel": "seller", "window": 60, "as_of": AS_OF, "counted": 2501,
            "at_fault": defects, "rate": defects / 2501, "target": 0.01, "side": "below",
            "first_day": date(2026, 8, 18), "last_day": date(2026, 10, 16), "rule": f"reported@{AS_OF}",
        })  # fmt: skip
    made = pd.DataFrame(rows, columns=list(SCORES.columns))
    return made.assign(**{name: pd.to_datetime(made[name]) for name in ("as_of", "first_day", "last_day")})


VIOLATIONS = pd.DataFrame(
    [
        (f"odd_{TRICKY}", 1, "medium", date(2026, 10, 20), 0, None, None),
        ("received_intellectual_property_complaints", 1, None, None, 0, None, AS_OF),
        ("product_condition_customer_complaints", 0, None, None, 1, date(2026, 10, 12), None),
    ],
    columns=list(model.VIOLATION_COLUMNS),
    dtype=object,
)
STATES = pd.DataFrame({
    "kind": ["account", "warning"], "name": ["account_status", f"listing_{TRICKY}"], "state": ["normal", "warned"],
    "count": [None, 2], "as_of": pd.to_datetime([AS_OF] * 2),
})  # fmt: skip


WEEKS = [AS_OF - timedelta(7 * n) for n in range(26)]


def whole(**changes: Any) -> MonthlyReport:
    """The made-up account of the other tests, with all that Amazon's page shows besides."""
    made = made_report.monthly()
    stage = Stage(stage="at risk", says="Offers may be deactivated")
    held = replace(
        made,
        rules=[*made.rules, *MORE],
        scores=with_rows(made.scores, account_rows(AS_OF, 2, 252)),
        earlier=with_rows(made.earlier, account_rows(BEFORE, 1, 252)),
        weekly_scores=with_rows(made.weekly_scores, [row for day in WEEKS for row in account_rows(day, 1, 252)]),
        daily_scores=with_rows(made.daily_scores,
            [row for n in range(60) for row in account_rows(AS_OF - timedelta(n), 1, 252)]),
        at_fault=pd.concat([made.at_fault, messages()], ignore_index=True),
        reported=reported(228),
        reconciled=reconciled(),
        states=STATES,
        violations=VIOLATIONS,
        drivers={("order_defect_rate", "seller", 60): drivers(True), ("late_response_rate", "all", 30): drivers(False)},
        standings={("order_defect_rate", "seller", 60): Streak(22, date(2026, 10, 10), False, stage, "Help page; x")},
    )  # fmt: skip
    return replace(held, **changes)


@pytest.fixture(scope="module")
def account() -> MonthlyReport:
    return whole()


def all_blocks(account: MonthlyReport) -> list[HtmlBlock]:
    """The report in its order."""
    return [
        verdict(account), scorecard(account), measure_chapters(account, "harbor"),
        buyer_messages(account), account_state(account), reconciliation(account),
        rules_in_force(account),
    ]  # fmt: skip


# -- scorecard and verdict ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        "✕ Off target Policy violations 31 Oct 2 Target none open 2 to resolve +1, worse since 30 Sep",
        "✓ On target Account Health Rating as Amazon reported on 31 October 228 Target at least 200 of 1,000 "
        "28 points to lose too few weeks to draw −12, worse since 30 Sep",
        "✕ Off target Late answers, 30 days 2 – 31 Oct 13.0% Target at most 10% 6 of 46 2 too many "
        "no change since 30 Sep",
        "– No target Time to answer 2 – 31 Oct 9.3 h no target 45 messages nothing is asked no change since 30 Sep",
    ],
)
def test_what_is_no_rate_has_its_row_with_its_own_figure(account: MonthlyReport, row: str) -> None:
    assert row in rows_of(scorecard(account).html)


def test_a_rating_that_nobody_reported_still_shows_its_target(account: MonthlyReport) -> None:
    rating = account.scores["metric"] == "account_health_rating"
    unknown = account.scores.assign(
        value=account.scores["value"].mask(rating), status=account.scores["status"].mask(rating, "no data")
    )
    html = scorecard(replace(account, scores=unknown, reported=pd.DataFrame())).html
    [row] = [row for row in rows_of(html) if "Account Health Rating" in row]
    assert "Target at least 200" in row


def test_a_measure_of_which_no_file_tells_is_a_line_and_not_a_row(account: MonthlyReport) -> None:
    told = words(scorecard(account).html)
    assert "Service dissatisfaction" not in told
    assert "No file covers service dissatisfaction (a file of buyer surveys would)." in told


def test_the_title_counts_judged_measures_only(account: MonthlyReport) -> None:
    judged = [row for row in measures.measures(account) if row.status in JUDGED_STATUSES]
    assert len(judged) == 10
    assert words(scorecard(account).html).startswith("Four of ten measures are off target; one is at risk")


def test_the_title_and_the_verdict_agree_on_how_many_measures_cannot_be_judged(account: MonthlyReport) -> None:
    """Answers have no consequence: the verdict asks for no files for them, and the title does not count them."""
    answers = account.scores["metric"] == "late_response_rate"
    defects = (account.scores["metric"] == "order_defect_rate") & (account.scores["channel"] == "amazon")
    status = account.scores["status"].mask(answers, "incomplete")
    none, one = (
        replace(account, scores=account.scores.assign(status=changed), reported=reported(228, None))
        for changed in (status, status.mask(defects, "incomplete"))
    )
    assert "cannot be judged" not in words(scorecard(none).html) + words(verdict(none).html)
    assert "of seven measures are off target; one is at risk; one cannot be judged" in words(scorecard(one).html)
    assert "; Order Defect Rate (Amazon-fulfilled) cannot be judged." in words(verdict(one).html)


def test_an_estimated_rating_is_called_an_estimate(account: MonthlyReport) -> None:
    told = words(account_state(replace(account, reported=pd.DataFrame())).html)
    assert "the rating is estimated at 252" in told
    assert "≈ estimated: 200 + 4 per 200 orders − points of open violations; how many points a violation takes" in told
    assert "Amazon’s own number" not in told


def test_the_verdict_says_in_its_first_sentence_where_amazon_judges_otherwise(account: MonthlyReport) -> None:
    told = words(verdict(account).html)
    assert "; Amazon’s own figures put Order Defect Rate at 0.96% (on target)." in told
    assert "Amazon’s" not in words(verdict(replace(account, reported=reported(228, None))).html)


def test_open_violations_alone_are_told_without_a_promise_that_waiting_helps(account: MonthlyReport) -> None:
    alone = account.scores[account.scores["metric"] == "policy_violations"]
    told = words(verdict(replace(account, scores=alone, reported=reported(228, None))).html)
    assert "Policy violations are off target at 2 open (none allowed)." in told
    assert "2 violations are open ; they do not leave by waiting." in told
    assert "Resolve the open policy violations : the oldest that a file dates is odd" in told


def test_a_violation_is_never_the_least_room_for_none_is_allowed(account: MonthlyReport) -> None:
    good = account.scores[account.scores["status"] == "on target"]
    extra = pd.DataFrame([account_rows(AS_OF, 0, 252)[4]], columns=list(SCORES.columns)).astype({"headroom": "Int64"})
    scores = pd.concat([good, extra], ignore_index=True)
    held = replace(account, scores=scores, reported=reported(228, None))
    assert "Late answers have the least room : 1 more message" in words(verdict(held).html)


# -- chapters -------------------------------------------------------------------------------------------------


def test_a_chapter_says_what_the_rules_text_says_with_its_source_and_since_when(account: MonthlyReport) -> None:
    told = words(measure_chapters(account).html)
    assert (
        "What may follow. Off target for 22 days in a row; the rule’s source says, under “at risk”: "
        "Offers may be deactivated. Source: Help page; the marketplace&#39;s own page." in told
    )


def test_a_stage_that_is_not_reached_is_told_with_its_day(account: MonthlyReport) -> None:
    month = Stage(stage="a month off target", days=31, says="Risk of demotion")
    asked = [
        rule.model_copy(update={"stages": (month,)}) if rule.metric == "order_defect_rate" else rule
        for rule in account.rules
    ]
    standings = {("order_defect_rate", "seller", 60): Streak(22, date(2026, 10, 10), False, None, "Reference")}
    told = words(measure_chapters(replace(account, rules=asked, standings=standings)).html)
    assert "From 31 days on, which is 9 November should it stay so, the rule’s source says" in told


def test_a_group_that_stands_out_is_drawn_and_told_with_its_counts(account: MonthlyReport) -> None:
    held = measure_chapters(account)
    assert "order-defect-rate-seller-groups" in held.charts
    told = words(held.html)
    assert "16 of 276 at fault, of the rest 15 of 2,222; 7 to 27 orders more than at the rate of the rest." in told
    assert "ASIN" not in told


def test_where_no_group_stands_out_one_sentence_says_so_and_nothing_is_drawn(account: MonthlyReport) -> None:
    held = measure_chapters(account)
    assert "late-response-rate-all-groups" not in held.charts
    assert "Who carries the excess. No product, carrier or weekday stands out from chance." in words(held.html)


def test_messages_are_called_messages_and_not_orders(account: MonthlyReport) -> None:
    chapter = measure_chapters(account).html.split('id="late-response-rate-all"')[1].split("<section")[0]
    told = words("<" + chapter)
    assert "Messages received 2 to 31 October: 6 of 46 were answered late." in told
    assert "The 6 messages at fault, by the day they leave" in told
    assert "order" not in told.lower()


def test_violations_and_rating_have_no_chapter_of_orders(account: MonthlyReport) -> None:
    assert 'id="policy-violations-all"' not in measure_chapters(account).html
    assert '<a href="#account">Policy violations</a>' in scorecard(account).html


# -- messages, violations, rating ------------------------------------------------------------------------------


def test_messages_stand_by_window_answered_in_time_late_and_waiting(account: MonthlyReport) -> None:
    held = buyer_messages(account).html
    assert rows_of(held) == [
        "7 days 25 – 31 Oct messages 10 in time 10 100.0% late 0 no answer yet 0 on average 10.5 hours",
        "30 days 2 – 31 Oct messages 46 in time 40 87.0% late 5 no answer yet 1 on average 9.3 hours",
    ]


def test_blocks_of_which_nothing_is_known_are_empty() -> None:
    nothing = made_report.monthly()
    for block in (buyer_messages(nothing), account_state(nothing), reconciliation(nothing)):
        assert block._repr_html_() == ""


def test_open_violations_stand_by_category_with_nought_for_those_that_a_file_told_of(account: MonthlyReport) -> None:
    told = words(account_state(account).html)
    assert told.startswith("2 policy violations are open; the rating fell to 228")
    assert "Account status ✓ Normal" in told
    assert "(2) ▲ Warned" in told
    assert "✕ 1 Received intellectual property open" in told
    assert "open medium, opened 20 Oct" in told
    assert "0 Product condition 1 resolved 12 Oct" in told
    assert "228 (240 on 30 Sep)" in told
    assert "Amazon’s own number, as it reported on 31 October." in told


def test_the_mark_of_a_rating_stands_at_its_share_of_the_scale(account: MonthlyReport) -> None:
    assert '<line x1="22.8%" x2="22.8%"' in account_state(account).html


# -- Amazon's own figures ---------------------------------------------------------------------------------------


def test_both_sides_stand_with_status_where_it_differs_and_every_cause(account: MonthlyReport) -> None:
    rows = rows_of(reconciliation(account).html)
    assert rows[0].startswith(
        "Order Defect Rate 18 Aug – 16 Oct Ours 1.24% 31 of 2,498 ✕ Off target Amazon’s 0.96% 24 of 2,501 ✓ On target "
        "2 orders more counted: it cuts days in UTC, we in the marketplace’s zone. "
        "111-0, 111-1, 111-2, 111-3, 111-4 and 2 more "
        "1 order fewer at fault: cleared on one of the two sides only. 112-1"
    )
    assert "1 order more counted and 6 fewer at fault, cause not found; perhaps our files lack orders." in rows[0]
    assert "Amazon’s report contradicts itself: it is called good" in rows[0]
    assert (
        rows[1]
        == "Pre-fulfilment Cancellation Rate 24 – 30 Oct Ours 2.4% 7 of 297 Amazon’s 2.4% 7 of 297 No difference"
    )


def test_the_measures_without_a_figure_are_named(account: MonthlyReport) -> None:
    told = words(reconciliation(account).html)
    assert "Amazon’s report for 31 October holds no figure for " in told
    assert "Late Shipment Rate over 10 and 30 days" in told
    lacking = told.split("holds no figure for ")[1]
    assert "account health rating" not in lacking
    assert "cancellation" not in lacking


def test_every_known_cause_of_a_difference_has_words() -> None:
    assert tuple(reconciliation_text.DIFFERENCE_REASONS) == DIFFERENCES


def test_every_metric_that_is_no_rate_is_shown_as_such() -> None:
    shown = {name: metric.figure for name, metric in metrics.METRICS.items() if metric.figure != "rate"}
    assert shown == account_text.FIGURE_KINDS


# -- the page ---------------------------------------------------------------------------------------------------


def test_no_text_of_the_account_is_markup(account: MonthlyReport) -> None:
    html = "".join(block.html for block in all_blocks(account))
    assert TRICKY not in html
    assert html.count("&lt;b onload=x&gt;") >= 5


CHARTS = {
    "groups": lambda: charts.excess_by_group(drivers(True).head(4).assign(label="“Tent”"), description="A tent."),
    "sides": lambda: charts.our_and_marketplace_rates(
        pd.DataFrame({"label": ["Order Defect Rate", "Late Shipment Rate, 30 days"],
        "ours": [1.24, 0.4], "theirs": [0.96, 9.0],
                      "ours_rate": ["1.24%", "1.6%"], "theirs_rate": ["0.96%", "36.0%"]}), description="Apart.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_valid_small_and_says_its_finding(name: str) -> None:
    chart = CHARTS[name]()
    held = charts.vega_lite_spec(chart)
    alt.LayerChart.validate(held)
    assert charts.chart_description(chart) == held["description"] != ""
    assert charts.chart_sizes(held)["narrow"][0] == 328
    assert '"#' not in json.dumps(held)
    assert len(json.dumps(held)) < 20_000


def test_a_group_that_stands_out_is_filled_and_others_are_not() -> None:
    dots = next(
        layer for layer in charts.vega_lite_spec(CHARTS["groups"]())["layer"] if layer["mark"]["type"] == "point"
    )
    mark, paper = (f"var(--{name}, {charts.colour(name)})" for name in ("mark", "paper"))
    assert [row["c"] for row in dots["data"]["values"]] == [mark, mark, paper, paper]


@pytest.mark.parametrize("width", [1280, 1000, 900, 360])
def test_no_label_lies_over_another_and_nothing_scrolls_sideways(
    offline_chromium: Any, account: MonthlyReport, tmp_path: Path, width: int
) -> None:
    bundle = pytest.importorskip("vl_convert").javascript_bundle()
    (tmp_path / "whole.html").write_text(html_page("Harbor", all_blocks(account), vega_text=bundle), encoding="utf-8")
    sheet, said = opened(offline_chromium, tmp_path / "whole.html", width)
    assert sheet.evaluate(LABELS) == []
    assert sheet.evaluate("document.documentElement.scrollWidth") == width
    assert said == []


def test_the_twin_holds_all_of_it_as_plain_data(account: MonthlyReport) -> None:
    figures = ReportData(account, "harbor")._repr_mimebundle_()[MIME_TYPE]["figures"]
    held = json.loads(json.dumps(figures, allow_nan=False))
    assert held["reconciled"][1]["theirs"] == {"counted": 2501, "at_fault": 24}
    assert held["reconciled"][1]["differences"][2] == {
        "cause": "unexplained", "counted": 1, "at_fault": -6, "order_ids": [],
    }  # fmt: skip
    assert held["violations"][2]["resolved_on"] == "2026-10-12"
    assert held["standings"][0]["since"] == "2026-10-10"
    assert held["drivers"][0]["groups"][0]["at_fault"] == 16
    assert held["reported"][1]["value"] == 228.0


# -- gathered from files -----------------------------------------------------------------------------------------


def violation(category: str, number: str, opened_on: str, resolved_on: str | None, count: int = 1) -> dict[str, Any]:
    return {
        "category": category, "violation_id": number, "severity": None, "opened_on": date.fromisoformat(opened_on),
        "resolved_on": resolved_on and date.fromisoformat(resolved_on), "count": count,
    }  # fmt: skip


def test_a_count_gives_way_to_violations_told_one_by_one_and_the_newest_count_stands() -> None:
    rows = pd.DataFrame([
        violation("listing", "", "2026-10-31", None, 9),
        violation("listing", "V-1", "2026-10-20", None),
        violation("listing", "V-2", "2026-09-01", "2026-09-30"),
        violation("safety", "", "2026-09-30", None, 3),
        violation("safety", "", "2026-10-31", None, 0),
        violation("other", "V-3", "2026-09-12", "2026-10-12"),
        violation("other", "V-4", "2026-09-12", "2026-11-02"),
    ])  # fmt: skip
    violations = model._violations_by_category(rows, AS_OF, AS_OF.replace(day=1)).set_index("category")
    assert violations["open"].to_dict() == {"listing": 1, "other": 1, "safety": 0}
    assert violations["resolved"].to_dict() == {"listing": 0, "other": 1, "safety": 0}
    week = model._violations_by_category(rows, AS_OF, AS_OF - timedelta(days=6)).set_index("category")
    assert week["resolved"].to_dict() == {"listing": 0, "other": 0, "safety": 0}


def test_a_warning_that_the_newest_report_no_longer_names_has_gone() -> None:
    rows = pd.DataFrame({
        "kind": ["account", "warning", "account"], "name": ["account_status", "listing", "account_status"],
        "state": ["normal", "warned", "normal"], "count": None, "as_of": pd.to_datetime([BEFORE, BEFORE, AS_OF]),
    })  # fmt: skip
    assert list(model._latest_account_states(rows)["kind"]) == ["account"]


def test_the_violations_of_a_report_add_up_to_the_score_and_the_worst_window_has_drivers(tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "data" / "sample" / "birchway-crafts"
    store = tmp_path / "store"
    home = tmp_path / "in" / "birchway-crafts"
    home.mkdir(parents=True)
    for path in sample.glob("*"):
        if not path.name.startswith(("violations", "performance")):
            (home / path.name).write_bytes(path.read_bytes())
    lines = ["violation-id,category,opened-on,resolved-on,severity,marketplace",
             "V-1,Listing policy,2026-10-20,,low,US", "V-2,Listing policy,2026-10-02,2026-10-05,,US",
             "V-3,Product condition,2026-09-02,,high,US"]  # fmt: skip
    (home / "violations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    list(importer.import_files([home.parent], Store(store)))
    made = model.open_report(workspace.Workspace(store), "birchway-crafts", "2026-10")
    score = made.scores[made.scores["metric"] == "policy_violations"].iloc[0]
    assert made.violations["open"].sum() == score["at_fault"] == 2
    assert made.violations["resolved"].sum() == 1
    off = made.scores[made.scores["status"].isin(["off target", "at risk"]) & made.scores["rate"].notna()]
    assert {key[:2] for key in made.drivers} == set(zip(off["metric"], off["channel"], strict=True))
    assert set(made.standings) >= {("policy_violations", "all", 180)}
