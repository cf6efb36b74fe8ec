"""Every store of Amazon: its rules are printed, its orders are imported and judged, and what is inferred says so."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from types import SimpleNamespace

import pytest

from healthkit.ingest import importer
from healthkit.metrics.policy import PolicyError, Target
from healthkit.metrics.policy_files import find_policy_files, load_policy
from healthkit.report.html.report import rules_in_force
from healthkit.report.text import labels
from healthkit.schema.marketplaces import MARKETPLACE_BY_SALES_CHANNEL, MARKETPLACES
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace

DAY = date(2026, 10, 31)
STORES = {
    "US": "Amazon.com", "CA": "Amazon.ca", "MX": "Amazon.com.mx", "BR": "Amazon.com.br", "UK": "Amazon.co.uk",
    "DE": "Amazon.de", "FR": "Amazon.fr", "IT": "Amazon.it", "ES": "Amazon.es", "NL": "Amazon.nl",
    "BE": "Amazon.com.be", "SE": "Amazon.se", "PL": "Amazon.pl", "IE": "Amazon.ie", "TR": "Amazon.com.tr",
    "AE": "Amazon.ae", "SA": "Amazon.sa", "EG": "Amazon.eg", "ZA": "Amazon.co.za", "IN": "Amazon.in",
    "JP": "Amazon.co.jp", "AU": "Amazon.com.au", "SG": "Amazon.sg",
}  # fmt: skip
NEW = ("NL", "BE", "SE", "PL", "IE", "TR", "AE", "SA", "EG", "ZA", "SG", "BR")
HEADER = (
    "amazon-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel sku quantity"
).replace(" ", "\t")


def test_amazon_has_23_stores_and_each_has_a_policy_of_its_own():
    assert {code for code, one in MARKETPLACES.items() if one.is_amazon} == set(STORES)
    assert len(STORES) == 23
    for code in STORES:
        held = load_policy(f"amazon_{code.lower()}")
        assert (held.marketplaces, held.zone) == ((code,), MARKETPLACES[code].zone)


@pytest.mark.parametrize("code", STORES)
def test_the_rules_of_every_store_are_printed_with_and_without_a_day(run, code):
    for words in ((), ("--on", DAY)):
        shown = run("rules", "--marketplace", code, *words)
        assert shown.exit_code == 0, shown.output
        assert "Order Defect Rate" in shown.output
        assert "under 1%" in shown.output


def regional_file(folder, channels):
    """An all-orders file with one order for each sales channel."""
    folder.mkdir()
    rows = [
        f"111-0000000-{number:07}\t2026-10-20T12:00:00Z\t2026-10-31T12:00:00Z\tShipped\tMerchant\t{channel}\tK1\t1"
        for number, channel in enumerate(channels, 1)
    ]
    (folder / "all_orders.txt").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return folder


def test_a_regional_file_of_every_store_imports_whole_and_every_store_is_judged(tmp_path):
    folder = regional_file(tmp_path / "acme", STORES.values())
    [outcome] = importer.import_files([folder], Store(tmp_path / "store"))
    assert (outcome.refused, outcome.parsed_file.rows) == (None, 23)
    workspace = Workspace(tmp_path / "store")
    assert workspace.unjudged_marketplaces == []
    rows = workspace.score(DAY, window=30, lag=0)
    cancelled = rows[(rows["metric"] == "cancellation_rate") & (rows["channel"] == "seller")].drop_duplicates(
        "marketplace"
    )
    assert dict(zip(cancelled["marketplace"], cancelled["counted"], strict=True)) == dict.fromkeys(STORES, 1)
    assert cancelled["target"].tolist() == [0.025] * 23
    owners = dict(zip(cancelled["marketplace"], cancelled["rule"].str.split(".").str[0], strict=True))
    assert owners == {code: f"amazon_{code.lower()}" for code in STORES}


@pytest.mark.parametrize(
    ("channel", "code"),
    [("Amazon.tr", "TR"), ("amazon.jp", "JP"), ("AMAZON.BE", "BE"), ("Amazon.za", "ZA"), ("Amazon.co.za", "ZA")],
)
def test_a_store_is_known_by_other_spellings_of_its_sales_channel(tmp_path, channel, code):
    [_] = importer.import_files([regional_file(tmp_path / "acme", [channel])], Store(tmp_path / "store"))
    assert Workspace(tmp_path / "store").counts.coverage["marketplace"].tolist() == [code]


def test_no_spelling_of_one_store_is_that_of_another():
    for code, channel in STORES.items():
        assert MARKETPLACE_BY_SALES_CHANNEL[channel.lower()] == code
        assert MARKETPLACE_BY_SALES_CHANNEL[f"amazon.{code.lower()}"] == code


# -- what is inferred, and what was not found -------------------------------------------------------------


@pytest.mark.parametrize("code", NEW)
def test_a_new_store_asks_nothing_of_which_no_source_was_found(code):
    held = load_policy(f"amazon_{code.lower()}")
    missing = {one.metric for one in held.without_rule(DAY)}
    assert {"unit_on_time_delivery_rate", "invoice_defect_rate"} <= missing
    assert missing & {rule.metric for rule in held.rules} == set()


@pytest.mark.parametrize("code", NEW)
def test_what_a_new_store_takes_over_from_another_is_marked_as_inferred(code):
    for rule in load_policy(f"amazon_{code.lower()}").rules:
        if "No source for this store was found" in rule.source:
            assert rule.sure == "I", rule.id
            assert rule.is_inferred
        if rule.metric in ("late_response_rate", "return_dissatisfaction_rate", "policy_violations"):
            assert rule.source.startswith("No source for this store was found; taken over from "), rule.id


@pytest.mark.parametrize(
    ("code", "metric", "sure"),
    [
        ("NL", "order_defect_rate", "A"), ("NL", "cancellation_rate", "I"), ("SE", "valid_tracking_rate", "A"),
        ("TR", "order_defect_rate", "T"), ("TR", "valid_tracking_rate", "T"), ("SA", "order_defect_rate", "A"),
        ("SA", "cancellation_rate", "I"), ("BR", "order_defect_rate", "T"), ("BR", "valid_tracking_rate", "I"),
        ("EG", "order_defect_rate", "I"), ("ZA", "valid_tracking_rate", "I"), ("SG", "late_shipment_rate", "I"),
        ("BE", "order_defect_rate", "I"), ("IE", "late_shipment_rate", "I"), ("PL", "cancellation_rate", "I"),
    ],
)  # fmt: skip
def test_a_rule_of_a_new_store_is_as_sure_as_its_source(code, metric, sure):
    [rule] = [one for one in load_policy(f"amazon_{code.lower()}").rules_in_force(DAY) if one.metric == metric]
    assert rule.sure == sure


def test_valid_tracking_by_category_is_named_as_not_computed_in_the_emirates(run):
    held = load_policy("amazon_ae")
    assert not [one for one in held.rules if one.metric == "valid_tracking_rate"]
    [row] = [one for one in held.without_rule(DAY) if one.metric == "valid_tracking_rate"]
    assert row.not_computed
    assert "category" in row.source
    assert labels.NOT_COMPUTED in run("rules", "--marketplace", "AE").output


def test_the_rules_table_of_a_page_marks_what_is_inferred_and_what_was_not_found():
    held = load_policy("amazon_eg")
    report = SimpleNamespace(
        rules=held.rules_in_force(DAY), without_rule=held.without_rule(DAY), policy="amazon_eg", marketplace="EG",
        made="", data="d",
        orders=1, begins_on=DAY, ends_on=DAY,
    )  # fmt: skip
    page = rules_in_force(report).html
    rows = [
        re.sub("<[^>]+>", " ", row) for row in page.split("<tr ") if "Late Shipment Rate" in row or "Invoice" in row
    ]
    assert "under 4%" in rows[0]
    assert labels.INFERRED_MARK in rows[0].split("10 and 30 days")[0]
    assert labels.NO_TARGET_FOUND in rows[1]


def test_notes_stand_beside_their_rule_and_are_not_taken_over_by_other_stores(run):
    american = run("rules", "--marketplace", "US", "--on", DAY).output
    for words in ("automated handling", "four", "item by item"):
        assert words in " ".join(american.split()), words
    for code in set(STORES) - {"US"}:
        assert not [one.id for one in load_policy(f"amazon_{code.lower()}").rules if one.note]


@pytest.mark.parametrize(("text", "sure"), [("based_on: amazon_us\n", "B"), ("", "I")])
def test_a_wrong_inherited_sure_is_refused(tmp_path, text, sure):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"policy: mine\ntitle: Mine\n{text}inherited_sure: {sure}\nzone: UTC\nread: 2026-11-22\nrules: {{}}\n"
    )
    with pytest.raises(PolicyError, match=r"mine\.yaml, field inherited_sure: "):
        load_policy(str(path))


# -- corrections of 2025 and 2026 -------------------------------------------------------------------------


def rule_on(name, metric, day):
    [rule] = [one for one in load_policy(name).rules_in_force(day) if one.metric == metric]
    return rule


def metrics_on(name, day):
    return {one.metric for one in load_policy(name).rules_in_force(day)}


@pytest.mark.parametrize("name", ["amazon_de", "amazon_fr", "amazon_it", "amazon_es"])
def test_four_stores_ask_for_units_on_time_and_later_for_business_hours(name):
    units, hours = "unit_on_time_delivery_rate", "business_hour_delivery_rate"
    assert {units, "on_time_delivery_rate"} & metrics_on(name, date(2026, 7, 14)) == {"on_time_delivery_rate"}
    assert {units, "on_time_delivery_rate"} & metrics_on(name, date(2026, 7, 15)) == {units}
    assert [hours in metrics_on(name, date(2026, 9, day)) for day in (29, 30)] == [False, True]
    assert rule_on(name, hours, date(2026, 9, 30)).target == Target(Fraction(9, 10), "at least")
    enforced = [rule_on(name, hours, date(2026, 10, day)).is_enforced for day in (29, 30)]
    assert enforced == [False, True]
    assert rule_on(name, hours, DAY).is_inferred


def test_the_rating_in_points_came_to_india_in_august_2023():
    eve, day = (metrics_on("amazon_in", as_of) for as_of in (date(2023, 7, 31), date(2023, 8, 1)))
    assert day - eve == {"account_health_rating"}


def test_walmart_asks_for_refunds_returns_and_items_received_from_their_days_on():
    refunds = [rule_on("walmart_us", "refund_rate", date(2025, 10, day)).target for day in (27, 28)]
    assert refunds == [Target(Fraction(6, 100), "below"), Target(Fraction(6, 100), "at most")]
    new = {"return_rate", "item_not_received_rate"}
    assert [metrics_on("walmart_us", date(2026, 1, day)) & new for day in (28, 29)] == [set(), new]
    for metric, share in (("return_rate", 6), ("item_not_received_rate", 2)):
        rule = rule_on("walmart_us", metric, DAY)
        assert (rule.windows, rule.target) == ((60,), Target(Fraction(share, 100), "at most"))


def test_tiktok_in_the_united_states_has_a_policy_of_its_own():
    held = load_policy("tiktok_us")
    assert held.marketplaces == ("TIKTOK_US",)
    assert {one.metric: one.target for one in held.rules_in_force(DAY)} == {
        "cancellation_rate": Target(Fraction(25, 1000), "at most"),
        "late_shipment_rate": Target(Fraction(4, 100), "at most"),
        "on_time_delivery_rate": Target(Fraction(80, 100), "at least"),
        "valid_tracking_rate": Target(Fraction(95, 100), "at least"),
    }


@pytest.mark.parametrize(
    ("name", "since", "window", "shares"),
    [
        ("amazon_prime_eu", date(2023, 6, 21), 30, ("90/100", "99/100", "5/1000")),
        ("amazon_prime_jp", date(2026, 1, 1), 7, ("96/100", "94/100", "1/100")),
    ],
)
def test_prime_orders_that_sellers_ship_have_profiles_of_their_own(name, since, window, shares):
    held = load_policy(name)
    metrics = ("on_time_delivery_rate", "valid_tracking_rate", "cancellation_rate")
    assert held.marketplaces == ()
    assert [rule_on(name, metric, DAY).target.share for metric in metrics] == [Fraction(share) for share in shares]
    for rule in held.rules:
        assert (rule.since, rule.windows, rule.counting["orders"]) == (since, (window,), "premium")


def test_every_policy_with_cases_counts_them_by_orders():
    asked = {name for name in find_policy_files() if "case_rate" in load_policy(name).metrics()}
    assert asked == {"ebay", "etsy", "mercado_libre"}
