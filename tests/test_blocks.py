"""The blocks of report and index, from one made-up account that has every state."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from healthkit.analysis.ranking import AccountHarm
from healthkit.metrics.policy import STATUSES_WORST_FIRST
from healthkit.report import charts
from healthkit.report.html import measures, sparklines
from healthkit.report.html.block import HtmlBlock
from healthkit.report.html.page import html_page, page_styles
from healthkit.report.html.portfolio import PortfolioPage, portfolio_index, portfolio_row
from healthkit.report.html.report import measure_chapters, rules_in_force, scorecard, verdict
from healthkit.report.model import MonthlyReport
from healthkit.schema.stakes import RecentSales
from tests.builders.bridges import bridged
from tests.builders.made_report import AS_OF, monthly
from tests.builders.pages import LABELS, opened, rows_of, words


@pytest.fixture(scope="module")
def account() -> MonthlyReport:
    return monthly()


@pytest.fixture(scope="module")
def report(account: MonthlyReport) -> dict[str, HtmlBlock]:
    return {
        "verdict": verdict(account),
        "scorecard": scorecard(account),
        "chapters": measure_chapters(account, "harbor"),
        "rules": rules_in_force(account),
    }


def test_the_verdict_says_what_is_wrong_what_leaves_and_where_to_begin(report: dict[str, HtmlBlock]) -> None:
    told = words(report["verdict"].html)
    assert (
        "Order Defect Rate is off target at 1.24% (limit 1%), "
        "and Late Shipment Rate over 30 days is at 4.4% (limit 4%)." in told
    )
    assert "7 orders are too many ; " in told
    assert "13 of the 31 orders at fault are A-to-z Guarantee claims on it." in told


def test_the_scorecard_stands_worst_first_and_leaves_parts_out(report: dict[str, HtmlBlock]) -> None:
    rows = rows_of(report["scorecard"].html)
    states = [next(word for word in STATUSES_WORST_FIRST if word in row.lower()) for row in rows]
    assert states == sorted(states, key=STATUSES_WORST_FIRST.index)
    assert len(rows) == 10
    assert not any("Chargebacks" in row or "A-to-z" in row for row in rows)


@pytest.mark.parametrize(
    "row",
    [
        "✕ Off target Order Defect Rate seller-fulfilled · 18 Aug – 16 Oct 1.24% Target under 1% 31 of 2,498 "
        "7 too many "
        "+0.66, worse since 30 Sep",
        "▲ At risk Pre-fulfilment Cancellation Rate ≈ proxy 24 – 30 Oct 2.4% Target under 2.5% 7 of 297 no more room "
        "+1.3, worse since 30 Sep",
        "✓ On target On-Time Delivery Rate 11 – 24 Oct 94.1% Target at least 90% 576 of 612 25 more parcels "
        "−0.9, worse since 30 Sep",
        "– No target Refunds 2 – 31 Oct 3.2% no target 41 of 1,262 nothing is asked +0.2 since 30 Sep",
        "– Too few On-Time Delivery Rate (units) 11 – 24 Oct – Target at least 90% 6 of 7 judged from 20 units "
        "too few to draw –",
        "? Short history Bad reviews 2 Sep – 31 Oct 6.5% Target under 20% 20 of 310 "
        "orders only since 1 Apr; the window starts 2 Sep too few weeks to draw –",
        "? No data Valid Tracking Rate 22 Sep – 21 Oct – Target over 95% 0 parcels no parcels from 22 Sep to 21 Oct "
        "nothing to draw –",
    ],
)
def test_every_state_has_its_row(report: dict[str, HtmlBlock], row: str) -> None:
    assert row in rows_of(report["scorecard"].html)


def test_a_proxy_says_in_words_what_was_assumed(report: dict[str, HtmlBlock]) -> None:
    assert "≈ proxy: The files do not say who cancelled" in words(report["scorecard"].html)
    assert "≈ The files hold no day of cancelling" in words(report["chapters"].html)


def test_only_measures_off_target_or_at_risk_have_a_chapter(report: dict[str, HtmlBlock]) -> None:
    titles = re.findall(r"<h2[^>]*>([^<]+)</h2>", report["chapters"].html)
    assert titles == [
        "Order Defect Rate rose from 0.59% to 1.24%: 7 orders too many",
        "Late Shipment Rate over 30 days rose from 2.1% to 4.4%: 6 orders too many",
        "Pre-fulfilment Cancellation Rate rose from 1.1% to 2.4%, with no room for one more order",
    ]


def test_every_chart_has_its_place_and_every_place_its_chart(report: dict[str, HtmlBlock]) -> None:
    held = report["chapters"]
    assert re.findall(r'<div class="chart" id="([^"]+)">', held.html) == list(held.charts)
    assert len(held.charts) == 11


def test_why_the_rate_moved_stands_beside_the_causes_with_its_sum(report: dict[str, HtmlBlock]) -> None:
    pair = report["chapters"].html.split('<div class="cols pair">')[1].split('<div class="cols alone">')[0]
    ids = re.findall(r'id="([^"]+)"', pair)
    assert ids == ["order-defect-rate-seller-causes", "order-defect-rate-seller-bridge"]
    told = words(pair)
    assert "18 new orders at fault explain most of the rise from 0.59% to 1.24%" in told
    assert "In percentage points: 0.59 − 0.25 − 0.08 + 0.28 + 0.74 − 0.04 = 1.24. “Learnt late”" in told


def test_a_measure_of_which_nobody_knows_why_it_moved_shows_what_leaves_instead(
    report: dict[str, HtmlBlock],
) -> None:
    pair = report["chapters"].html.split('<div class="cols pair">')[-1]
    ids = [name for name in re.findall(r'id="([^"]+)"', pair) if name.startswith("cancellation")]
    assert ids == ["cancellation-rate-seller-causes", "cancellation-rate-seller-leaving"]


def test_a_bridge_stands_alone_where_too_few_orders_are_at_fault_to_draw(account: MonthlyReport) -> None:
    few = replace(account, at_fault=account.at_fault.groupby("metric").head(1))
    held = measure_chapters(few)
    assert [name.rsplit("-", 1)[1] for name in held.charts] == ["rate", "bridge", "rate", "bridge", "rate"]
    assert 'class="cols alone"' not in held.html


def test_at_most_twelve_orders_stand_in_a_chapter_and_the_file_holds_all(report: dict[str, HtmlBlock]) -> None:
    html = report["chapters"].html
    assert len(rows_of(html)) == 12
    assert '<a href="harbor_orders_order-defect-rate-seller.csv">All 31 orders as CSV</a>' in html
    assert "csv" not in measure_chapters(monthly()).html


def test_the_parts_are_told_and_an_order_with_two_causes_once(report: dict[str, HtmlBlock]) -> None:
    told = words(report["chapters"].html)
    assert "2 orders have two causes and stand once, so the groups add up to 31." in told
    assert (
        "A-to-z Guarantee claims 0.76% (19; 5 on 30 Sep), negative feedback 0.44% (11; 7 on 30 Sep), chargebacks 0.12%"
        in told
    )


def test_the_rules_say_source_and_how_sure(account: MonthlyReport) -> None:
    html = rules_in_force(account).html
    assert (
        "Order Defect Rate seller-fulfilled and Amazon-fulfilled under 1% 60 days, 15 days before order day"
        in words(html)
    )
    assert "your own standard" in html


def test_nothing_off_target_names_the_measure_with_the_least_room(account: MonthlyReport) -> None:
    good = account.scores[account.scores["status"] == "on target"]
    told = words(verdict(replace(account, scores=good)).html)
    assert "Nothing is off target : all three measures that can be judged are on target." in told
    assert "Late Shipment Rate has the least room : 7 more orders may go wrong before the target is missed." in told
    assert measure_chapters(replace(account, scores=good)).charts == {}


def test_an_account_that_cannot_be_judged_says_what_the_files_hold(account: MonthlyReport) -> None:
    short = account.scores[account.scores["status"] == "short history"]
    told = words(verdict(replace(account, scores=short)).html)
    assert "No measure can be judged with the orders that the files hold." in told
    assert "The files hold 14,211 orders, from 1 April to 31 October." in told


def test_a_month_before_the_first_order_compares_with_nothing(account: MonthlyReport) -> None:
    first = replace(account, earlier=account.earlier.head(0), weekly_scores=account.weekly_scores.head(0))
    assert "Order Defect Rate is at 1.24%: 7 orders too many" in measure_chapters(first).html


def test_a_channel_without_any_order_is_one_line_and_not_a_row(account: MonthlyReport) -> None:
    def empty(scores: pd.DataFrame) -> pd.DataFrame:
        amazon = scores["channel"] == "amazon"
        return scores.assign(counted=scores["counted"].mask(amazon, 0), at_fault=scores["at_fault"].mask(amazon, 0))

    html = scorecard(replace(account, scores=empty(account.scores), weekly_scores=empty(account.weekly_scores))).html
    assert "No Amazon-fulfilled orders in 26 weeks, so 1 Amazon-fulfilled measure is not listed." in html
    assert len(rows_of(html)) == 9


def test_what_most_orders_at_fault_share_is_a_product_then_a_cause_then_a_few_days() -> None:
    days = pd.Timestamp("2026-10-05")
    rows = pd.DataFrame({"bought": ["Tent"] * 4 + ["Mat"] * 6, "causes": ["chargeback"] * 10, "clock_day": [days] * 10})
    assert measures.find_shared_group(rows, "ordered_on", 60).name == "Mat"
    mixed = rows.assign(bought="", causes=["chargeback"] * 6 + ["a_to_z_claim"] * 4)
    assert (
        measures.find_shared_group(mixed, "ordered_on", 60).kind,
        measures.find_shared_group(mixed, "ordered_on", 60).orders,
    ) == ("cause", 6)
    alike = rows.assign(bought="")
    run = measures.find_shared_group(alike, "ship_by_on", 30)
    assert (run.kind, run.orders, run.first, run.last) == ("days", 10, date(2026, 10, 5), date(2026, 10, 5))


def test_orders_of_a_calendar_are_counted_to_the_end_of_the_next_month() -> None:
    rows = pd.DataFrame({"leaves_on": pd.to_datetime(["2026-11-03", "2026-11-30", "2026-12-01"])})
    found = measures.count_leaving_orders(rows, AS_OF)
    assert (found.leaving_count, found.total, found.until, found.first_day) == (
        2,
        3,
        date(2026, 11, 30),
        date(2026, 11, 3),
    )


# -- the index --------------------------------------------------------------------------------------------


def portfolio(**changes: Any) -> PortfolioPage:
    """Five accounts in five states, and a failed run."""
    base = portfolio_row(monthly(), "harbor.html", "harbor_orders.csv")
    states = [
        ("Calm", "on target", 0.3),
        ("Near", "at risk", 0.9),
        ("New", "cannot be judged", None),
        ("Far", "off target", 2.5),
    ]
    rows = [base] + [base | {"account": name, "status": status, "used": used} for name, status, used in states]
    held = {"month": "2026-10", "as_of": AS_OF, "rows": pd.DataFrame(rows),
            "failures": [("Lost <b>", "orders.ship_by is empty in 14 rows.", "Download it again.")]}  # fmt: skip
    return PortfolioPage(**(held | changes))


def test_the_index_stands_worst_first_and_what_cannot_be_judged_before_what_is_on_target() -> None:
    rows = rows_of(portfolio_index(portfolio()).html)
    assert [row.split(" Amazon US")[0] for row in rows] == [
        "1 ✕ Off target Far",
        "2 ✕ Off target Harbor &lt;script&gt;alert(1)&lt;/script&gt;",
        "3 ▲ At risk Near",
        "4 ? Cannot be judged New",
        "5 ✓ On target Calm",
    ]


def test_the_index_says_how_many_accounts_stand_where_and_lists_failed_runs_apart() -> None:
    html = portfolio_index(portfolio()).html
    assert (
        "Two accounts are off target and one is at risk; one cannot be judged. One more has no report: its run failed."
        in words(html)
    )
    assert "One run failed; this account has no figures for October 2026" in html
    assert "Lost &lt;b&gt;" in html


def test_an_account_with_several_pages_counts_once_by_its_worst() -> None:
    rows = portfolio().rows
    pages = pd.concat([rows, rows.assign(marketplace="CA", status="on target")])
    html = words(portfolio_index(portfolio(rows=pages, failures=[("Lost", "x", ""), ("Lost", "y", "")])).html)
    assert (
        "Two accounts are off target and one is at risk; one cannot be judged. One more has no report: its run failed."
        in html
    )
    assert "6 accounts, 10 pages" in html


def test_the_index_shows_what_is_no_rate_by_its_own_figure() -> None:
    open_cases = {"metric": "policy_violations", "channel": "", "window": 0, "counted": 1, "at_fault": 2,
                  "side": "at most", "target": 0.0, "headroom": -2, "value": 2.0, "used": None}  # fmt: skip
    row = portfolio_row(monthly(), "harbor.html") | open_cases
    html = words(portfolio_index(portfolio(rows=pd.DataFrame([row]))).html)
    assert "policy violations are at 2 open (none allowed), 2 violations too many" in html
    assert "Policy violations 2 open target: none 2 to resolve" in re.sub(r"\s+", " ", html)
    assert "200" not in html.split("Orders at fault")[0]


def test_of_a_measure_that_is_younger_than_half_a_year_the_last_weeks_stand_where_they_do_of_others() -> None:
    full, young = (sparklines.weekly_strip("late", [[0.5, "on target"]] * weeks) for weeks in (26, 9))
    places = [[int(x) for x in re.findall(r"M(\d+) \d+v", one)] for one in (full, young)]
    assert places[0] == list(range(1, 53, 2))
    assert places[1] == places[0][-9:]


def test_the_limit_of_a_strip_stands_over_the_weeks_with_data_alone() -> None:
    weeks = [None, [0.5, "on target"], [0.0, "no data"], [1.2, "off target"], [0.1, "on target"]]
    strip = str(sparklines.weekly_strip("late", weeks))
    assert '<path d="M44 9h2M48 9h4" class="h-limit"/>' in strip


def test_the_index_ranks_by_harm_and_says_what_is_at_stake_of_whom() -> None:
    def row(name: str, status: str, share: float, orders: int) -> dict[str, Any]:
        sales = RecentSales(orders, orders, {"USD": orders * 200_000})
        harm = AccountHarm(name, "US", status, "late_shipment_rate", "seller", 30, share, share, sales=sales)
        return portfolio_row(monthly(), f"{name}.html") | {"account": name, "status": status, "harm": harm.to_json()}

    rows = [row("Small", "off target", 1.0, 16), row("Large", "at risk", 0.5, 600)]
    html = words(portfolio_index(portfolio(rows=pd.DataFrame(rows))).html)
    assert html.index("▲ At risk Large") < html.index("✕ Off target Small")
    assert "Large has the largest expected harm: Late Shipment Rate is expected to be off target on 15 of the" in html
    assert "at stake: USD 12,000 in 600 orders" in html
    assert (
        "Sold in the last 30 days and at stake in all accounts off target or at risk: USD 12,320 in 616 orders." in html
    )


def test_the_letters_of_strips_are_those_that_the_script_reads() -> None:
    script = (Path(sparklines.__file__).parent / "index.js").read_text(encoding="utf-8")
    assert f"LETTERS = '{sparklines._STRIP_LETTERS}'" in script
    assert len(set(sparklines._STRIP_LETTERS)) == 75


def test_an_index_of_failed_runs_alone_still_says_so() -> None:
    html = portfolio_index(portfolio(rows=pd.DataFrame([]))).html
    assert "No account is off target : none can be judged yet. One more has no report" in words(html)


def test_an_accounts_row_is_plain_enough_for_json() -> None:
    row = portfolio_row(monthly(), "harbor.html")
    assert json.loads(json.dumps(row)) == row
    assert (row["status"], row["metric"], row["headroom"], row["used"]) == (
        "off target",
        "order_defect_rate",
        -7,
        1.241,
    )


# -- the page ---------------------------------------------------------------------------------------------


def page(report: dict[str, HtmlBlock], **how: Any) -> str:
    return html_page("Harbor <i>", report.values(), **how)


def test_what_came_from_a_file_is_text_and_never_markup(report: dict[str, HtmlBlock]) -> None:
    html = page(report, vega_href="vega.js")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<b>2-person</b>" not in html.replace("<\\/", "</").split("<script", 1)[0]
    assert "<title>Harbor &lt;i&gt;</title>" in html


def test_a_chart_cannot_end_its_script_early(report: dict[str, HtmlBlock]) -> None:
    shown = report["chapters"]._repr_html_()
    data = re.findall(r'<script type="application/json" data-chart="[^"]+">(.*?)</script>', shown, re.S)
    assert len(data) == 11
    assert [json.loads(text) for text in data] == list(report["chapters"].charts.values())


def test_a_page_has_language_title_one_main_and_headings_in_order(report: dict[str, HtmlBlock]) -> None:
    html = page(report)
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert html.count("<main>") == html.count("<h1>") == 1
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", html)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_same_month_gives_the_same_page_byte_for_byte(report: dict[str, HtmlBlock], account: MonthlyReport) -> None:
    again = {"verdict": verdict(account), "scorecard": scorecard(account),
             "chapters": measure_chapters(account, "harbor"),
             "rules": rules_in_force(account)}  # fmt: skip
    assert page(report) == page(again)


def test_a_page_takes_the_html_that_a_notebook_showed(report: dict[str, HtmlBlock]) -> None:
    assert html_page("A", [block._repr_html_() for block in report.values()]) == html_page("A", report.values())


def test_the_looks_for_a_notebook_reach_no_element_outside_a_block() -> None:
    css = re.sub(r"/\*.*?\*/", "", page_styles().html.removeprefix("<style>").removesuffix("</style>"), flags=re.S)
    selectors = [found.strip() for found in re.findall(r"(?:^|[{};])\s*([^@{};]+)\{", css)]
    assert len(selectors) > 100
    assert all(part.strip().startswith("&") or ".hk" in part for held in selectors for part in held.split(","))


# -- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(report: dict[str, HtmlBlock], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reports")
    bundle = pytest.importorskip("vl_convert").javascript_bundle()
    (made / "vega.js").write_text("(()=>{" + bundle + "})()", encoding="utf-8")
    (made / "beside.html").write_text(page(report, vega_href="vega.js"), encoding="utf-8")
    (made / "alone.html").write_text(page(report, vega_text=bundle), encoding="utf-8")
    (made / "bare.html").write_text(page(report), encoding="utf-8")
    (made / "index.html").write_text(html_page("All", [portfolio_index(portfolio())]), encoding="utf-8")
    return made


@pytest.mark.parametrize("name", ["beside.html", "alone.html"])
def test_a_page_opened_from_disk_draws_every_chart_and_asks_for_nothing(
    offline_chromium: Any, folder: Path, name: str
) -> None:
    sheet, said = opened(offline_chromium, folder / name)
    assert sheet.evaluate("document.documentElement.dataset.drawn") == "11"
    assert sheet.evaluate("document.querySelectorAll('.chart .wide svg').length") == 11
    assert said == []


@pytest.mark.parametrize("width", [1280, 1000, 900, 360])
def test_no_label_lies_over_another_or_beyond_its_chart_and_nothing_scrolls_sideways(
    offline_chromium: Any, folder: Path, width: int
) -> None:
    sheet, _ = opened(offline_chromium, folder / "beside.html", width)
    assert sheet.evaluate(LABELS) == []
    assert sheet.evaluate("document.documentElement.scrollWidth") == width
    index, _ = opened(offline_chromium, folder / "index.html", width)
    assert index.evaluate("document.documentElement.scrollWidth") == width


def test_the_index_printed_on_a4_has_room_for_names_and_measures(offline_chromium: Any, folder: Path) -> None:
    sheet, _ = opened(offline_chromium, folder / "index.html", 718)
    sheet.emulate_media(media="print")
    widths = [sheet.evaluate(f"document.querySelector('td.{name}, th.{name}').offsetWidth") for name in
              ("x-account", "x-nearest")]  # fmt: skip
    assert widths[0] >= 85
    assert widths[1] >= 160
    assert sheet.evaluate("document.documentElement.scrollWidth") == 718


EXTREMES = [
    bridged((2391, 2498), (14, 31), 6, 2, 7, 18),
    bridged((99, 6), (1, 1), 1, 0, 0, 1),
    bridged((40, 38), (0, 1), 0, 0, 1, 0),
    bridged((50, 40), (0, 0), 0, 0, 0, 0),
    bridged((2, 50_000), (2, 1), 2, 0, 0, 1),
    bridged((50_000, 2), (900, 2), 890, 8, 0, 0),
    bridged((48_000, 61_000), (12_345, 23_456), 10_000, 1_111, 12_222, 10_000, metric="negative_review_rate"),
    bridged((361, 412), (13, 33), 13, 0, 0, 33, metric="valid_tracking_rate", below=None, at_least="90/100"),
    bridged((5, 3), (5, 0), 5, 0, 0, 0, metric="unit_on_time_delivery_rate", below=None, at_least="90/100"),
    bridged((1000, 10_040), (10, 100), 9, 1, 60, 40),
]
"""Bridges as wide as they come: from one percent to seventeen with one order, from nothing, far below nothing."""


@pytest.mark.parametrize("width", [1280, 1000, 900, 360])
def test_no_label_of_any_bridge_lies_over_another_or_beyond_its_chart(
    offline_chromium: Any, tmp_path: Path, width: int
) -> None:
    bundle = pytest.importorskip("vl_convert").javascript_bundle()
    figure = '<figure><h3>{0}</h3><div class="chart" id="b{0}"></div></figure>'.format
    html = "".join(map(figure, range(len(EXTREMES))))
    drawn = {f"b{place}": charts.vega_lite_spec(charts.bridge_chart(bridge)) for place, bridge in enumerate(EXTREMES)}
    block = HtmlBlock(f'<section class="hk"><div class="cols pair">{html}</div></section>', drawn)
    (tmp_path / "bridges.html").write_text(html_page("Bridges", [block], vega_text=bundle), encoding="utf-8")
    sheet, said = opened(offline_chromium, tmp_path / "bridges.html", width)
    assert sheet.evaluate(LABELS) == []
    assert sheet.evaluate("document.documentElement.scrollWidth") == width
    assert said == []


def test_a_browser_of_another_time_zone_shows_the_same_days(offline_chromium: Any, folder: Path) -> None:
    texts = "() => [...document.querySelectorAll('.chart .wide text')].map(text => text.textContent)"
    west, east = (
        opened(offline_chromium, folder / "beside.html", zone=zone)[0] for zone in ("Pacific/Honolulu", "Asia/Tokyo")
    )
    assert west.evaluate(texts) == east.evaluate(texts)


def test_without_its_script_a_page_still_tells_and_says_what_is_missing(offline_chromium: Any, folder: Path) -> None:
    sheet, _ = opened(offline_chromium, folder / "bare.html")
    assert sheet.evaluate("document.documentElement.dataset.charts") == "failed"
    assert sheet.locator(".undrawn").count() == 11
    assert sheet.locator("table.od").count() == 3
