"""Which file contains what, where it is, and how many days of it are missing."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest

from healthkit.ingest import downloads
from healthkit.ingest.downloads import (
    EVIDENCE_KINDS,
    DownloadsError,
    EvidenceNeed,
    catalogue,
    downloads_for,
    recommend_downloads,
)
from healthkit.ingest.formats import registry
from healthkit.ingest.importer import import_files
from healthkit.report.text import downloads as downloads_text
from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES, UnknownMarketplaceError
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import ROOT

FILES = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
PUBLIC_DATA = {"sale_report", "olist_orders", "olist_items", "olist_reviews", "olist_sellers"}
FIRST, LAST = date(2026, 9, 14), date(2026, 11, 27)


def kinds(evidence: str, marketplace: str) -> list[str]:
    return [one.kind for one in downloads_for(evidence, marketplace)]


def sentences(*needs: tuple, marketplace: str = "US") -> list[str]:
    return [downloads_text.advice_sentence(one) for one in recommend_downloads(needs, marketplace)]


# -- the catalogue --------------------------------------------------------------------------------------------


SAME_CALLS = {"orders_api_v0_items", "orders_api_table"}
"""Other forms of the answers of the Orders API, which the entry of those stands for."""


def test_every_kind_of_file_that_a_seller_gets_is_in_the_catalogue_under_its_own_title():
    known = {kind.name: kind.title for kind in (*registry.table_kinds(), *registry.document_kinds())}
    known = {name: title for name, title in known.items() if name not in PUBLIC_DATA | SAME_CALLS}
    assert {one.kind: one.title for one in catalogue().downloads.values()} == known
    by_hand = {kind.name for kind in registry.table_kinds() if kind.by_hand}
    assert {one.kind for one in catalogue().downloads.values() if one.by_hand} == by_hand


def test_the_catalogue_contains_what_the_store_takes_as_evidence():
    """A file that is named for some evidence must count as such once it is imported, and the other way round."""
    proves = {
        kind: set(proofs) & set(EVIDENCE_KINDS)
        for kind, proofs in tables.EVIDENCE_BY_KIND.items()
        if kind in catalogue().downloads
    }
    assert proves
    for kind, evidence in proves.items():
        assert evidence <= set(catalogue().downloads[kind].contains), kind
    proves["defects"] |= {"refunds", "cases"}
    proves["confirmations"] = proves.get("confirmations", set()) | {"scans"}
    judged = set().union(*proves.values())
    for one in catalogue().downloads.values():
        fully = {word for word, how in one.contains.items() if how != "in part"}
        assert fully & judged <= proves.get(one.kind, set()), one.kind


def test_every_kind_of_evidence_has_a_file_on_amazon_and_a_name():
    assert list(downloads_text.EVIDENCE_LABELS) == list(EVIDENCE_KINDS)
    for code, place in MARKETPLACES.items():
        for evidence in EVIDENCE_KINDS:
            files = downloads_for(evidence, code)
            assert all(one.by_hand or code in one.only for one in files) or place.is_amazon
            assert files or not place.is_amazon


def test_a_list_that_only_some_stores_offer_is_named_there_alone():
    assert kinds("invoices", "DE") == ["list_invoice_defects", "invoices"]
    assert kinds("invoices", "US") == ["invoices"]


def test_other_marketplaces_have_the_plain_files():
    assert kinds("claims", "EBAY") == ["defects"]
    assert kinds("confirmations", "WALMART_US") == ["walmart_orders_api", "confirmations", "orders_csv"]
    assert kinds("orders", "EBAY") == ["ebay_orders", "ebay_orders_api", "shopify_orders", "orders_csv"]
    assert kinds("orders", "ETSY") == ["etsy_orders", "etsy_items", "shopify_orders", "orders_csv"]
    assert kinds("promises", "ETSY") == ["etsy_star_seller", "confirmations", "orders_csv"]


def test_an_unknown_word_or_marketplace_is_refused_with_those_there_are():
    with pytest.raises(DownloadsError, match=r"No evidence 'claim'\. There are: orders, cancellers"):
        downloads_for("claim", "US")
    with pytest.raises(UnknownMarketplaceError, match="No marketplace 'USA'"):
        downloads_for("claims", "USA")


def test_the_file_is_part_of_what_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"ingest/{downloads.CATALOGUE_FILE.name}" in project["tool"]["setuptools"]["package-data"]["healthkit"]


SOUND = downloads.CATALOGUE_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("    every: 7\n", "    every: 0\n", ", all_orders, field every: Input should be greater"),
        ("    sure: A\n", "    sure: B\n", ", all_orders, field sure: Input should be 'A', 'R', 'T' or 'I'"),
        ("    read: 2026-11-28\n", "", ", all_orders, field read: Field required"),
        ("    most_days: 30\n", "    days: 30\n", ", all_orders, field days: Extra inputs"),
        ("Orders > Order Reports > All Orders", "Order Reports", "field menu: String should match"),
        ("report_type: GET_SELLER", "report_type: SELLER", "field report_type: String should match"),
        (
            "contains: {contacts: fully}",
            "contains: {messages: fully}",
            "no evidence 'messages'; there are orders, cancellers",
        ),
        (
            "contains: {contacts: fully}",
            "contains: {contacts: mostly}",
            "field contains.contacts: Input should be 'fully'",
        ),
        ("only: [UK, DE", "only: [UK, D", "no marketplace 'D'; there are US"),
        ("    title: surveys", "    title: surveys", ""),
        (
            "    title: buyer surveys CSV\n",
            "    title: buyer surveys CSV\n    menu: A > B\n",
            "a file by hand has no menu",
        ),
        (
            "  contacts: [contacts]\n",
            "  contacts: [surveys]\n",
            "evidence, contacts: it must list each file that contains it",
        ),
        ("  contacts: [contacts]\n", "", "evidence: the words must be orders, cancellers"),
        ("evidence:\n", "proofs:\n", "it must hold two mappings, evidence and downloads"),
        ("note: Defects of premium", "note: [Defects of premium", "is not YAML"),
    ],
)
def test_a_broken_catalogue_is_refused_by_file_line_and_field(tmp_path, old, new, why):
    path = tmp_path / "downloads.yaml"
    path.write_text(SOUND.replace(old, new, 1), encoding="utf-8")
    if not why:
        assert downloads.load_catalogue(path) == catalogue()
        return
    with pytest.raises(DownloadsError) as raised:
        downloads.load_catalogue(path)
    assert why in str(raised.value)
    assert re.match(r"downloads\.yaml[,: ]", str(raised.value))


def test_the_table_of_files_has_the_menu_paths_and_report_types_of_the_catalogue():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in FILES.splitlines() if line.startswith("| `")]
    table = {re.findall(r"`(\w+)`", row[0])[0]: row for row in rows if len(row) == 5}
    assert set(table) - PUBLIC_DATA == {one.kind for one in catalogue().downloads.values() if not one.by_hand}
    for one in catalogue().downloads.values():
        if not one.by_hand:
            menu = one.menu or ("–" if one.report_type else "your own calls")
            assert table[one.kind][2:4] == [menu, f"`{one.report_type}`" if one.report_type else "–"]


# -- what to get ----------------------------------------------------------------------------------------------


def test_a_longer_download_of_the_file_on_hand_would_do():
    need = EvidenceNeed("feedback", FIRST, LAST, date(2026, 10, 3), LAST, ("order_defect_rate",), "feedback")
    [one] = recommend_downloads([need], "US")
    assert (one.kind, one.missing, one.ranges, one.days) == ("feedback", "start", ((FIRST, date(2026, 10, 2)),), 19)
    assert one.extends
    assert downloads_text.advice_sentence(one) == (
        "Your seller feedback file begins on 3 October 2026; a download of 19 days more would do, "
        "14 September to 2 October 2026 (Seller Central, Performance > Feedback > Feedback Manager; report type "
        "GET_SELLER_FEEDBACK_DATA). Needed for: Order Defect Rate."
    )


def test_files_that_end_too_early_are_named_too():
    need = EvidenceNeed("feedback", FIRST, LAST, date(2026, 10, 3), date(2026, 11, 26), (), "feedback")
    [one] = recommend_downloads([need], "US")
    # 19 days before and one after are two downloads, or one of all 75 days.
    assert (one.missing, one.ranges, one.days, one.downloads) == ("both", ((FIRST, LAST),), 75, 1)
    assert downloads_text.advice_sentence(one).startswith(
        "Your files cover ratings from 3 October 2026 on and until 26 November 2026 only. Download the "
    )
    assert "for 75 days, 14 September to 27 November 2026." in downloads_text.advice_sentence(one)


def test_a_file_is_asked_for_once_whether_or_not_one_is_on_hand():
    """Of ship-by days the last are missing, of deliver-by days all: one order report covers both."""
    measures = ("late_shipment_rate",)
    on_hand = "promises", FIRST, LAST, FIRST, date(2026, 11, 20), measures, "order_report"
    [one] = recommend_downloads([on_hand, ("delivery_promises", FIRST, LAST, None, None, measures)], "US")
    assert (one.kind, one.ranges) == ("order_report", ((FIRST, LAST),))


def test_so_many_days_take_so_many_downloads():
    [one] = recommend_downloads([("orders", FIRST, LAST, None, None, ("order_defect_rate", "cancellation_rate"))], "US")
    assert (one.missing, one.days, one.downloads, one.most_days) == ("all", 75, 3, 30)
    assert downloads_text.advice_sentence(one) == (
        "Download the all-orders file (Seller Central, Orders > Order Reports > All Orders; report type "
        "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL) for 75 days, 14 September to 27 November 2026, in 3 "
        "downloads of at most 30 days. Needed for: Order Defect Rate, Pre-fulfilment Cancellation Rate."
    )
    [one] = recommend_downloads(
        [("orders", FIRST, LAST, date(2026, 10, 14), date(2026, 11, 12), (), "all_orders")], "US"
    )
    assert (one.days, one.downloads) == (45, 2)  # 30 days before, 15 after
    assert catalogue().downloads["order_report"].most_days == 60
    [one] = recommend_downloads([("promises", FIRST, LAST, None, None)], "US")
    assert (one.kind, one.downloads) == ("order_report", 2)


def test_one_file_serves_several_needs():
    needs = [
        EvidenceNeed("claims", FIRST, LAST, None, None, ("order_defect_rate", "a_to_z_claim_rate")),
        EvidenceNeed("promises", date(2026, 10, 29), LAST, None, None, ("late_shipment_rate",)),
        EvidenceNeed("chargebacks", FIRST, LAST, None, None, ("order_defect_rate", "chargeback_rate")),
        EvidenceNeed("delivery_promises", date(2026, 11, 1), LAST, None, None, ("on_time_delivery_rate",)),
    ]
    defects, report = recommend_downloads(needs, "US")
    assert (defects.kind, defects.evidence) == ("list_order_defects", ("claims", "chargebacks"))
    assert defects.measures == ("order_defect_rate", "a_to_z_claim_rate", "chargeback_rate")
    assert (report.kind, report.ranges) == ("order_report", ((date(2026, 10, 29), LAST),))
    assert downloads_text.advice_sentence(defects) == (
        "Download the list of orders with defects (Seller Central, Performance > Account Health > Order Defect Rate > "
        "Download report); it covers the days of the marketplace’s own measure. It names the orders, not the day of "
        "each event: the days are assumed. The defects CSV shows all. "
        "Needed for: Order Defect Rate, A-to-z Guarantee claims, "
        "Chargebacks."
    )


def test_a_list_of_the_marketplaces_own_days_is_not_named_for_earlier_days():
    [one] = recommend_downloads([("claims", FIRST, LAST, date(2026, 10, 3), LAST, (), "list_order_defects")], "US")
    assert (one.kind, one.missing, one.extends, one.days) == ("settlement", "start", False, 19)
    assert downloads_text.advice_sentence(one).startswith(
        "Your files cover A-to-z Guarantee claims from 3 October 2026 on only. Download the settlement file ("
    )
    [one] = recommend_downloads([("claims", FIRST, LAST, FIRST, date(2026, 11, 20), (), "list_order_defects")], "US")
    assert (one.kind, one.missing, one.days, one.downloads) == ("list_order_defects", "end", 0, 1)
    [one] = recommend_downloads([("amazon_figures", FIRST, LAST, date(2026, 10, 3), LAST)], "US")
    assert one.kind == "performance_json"  # nothing else tells


def test_what_shows_a_part_says_so_and_names_the_file_that_shows_all():
    [one] = recommend_downloads([("confirmations", FIRST, LAST, None, None, ("late_shipment_rate",))], "US")
    assert (one.kind, one.how) == ("list_late_shipments", "in part")
    assert one.full_alternative == "shipment confirmations CSV"
    assert downloads_text.advice_sentence(one).endswith(
        "It shows only a part of them, so that the figure is a lower bound. The shipment confirmations CSV shows all. "
        "Needed for: Late Shipment Rate."
    )


def test_what_no_download_holds_is_filled_in_by_hand():
    assert sentences(("contacts", date(2026, 8, 30), LAST, None, None, ("late_response_rate",))) == [
        "Fill in the buyer messages CSV (docs/files.md) for 90 days, 30 August to 27 November 2026: no download "
        "contains it. Needed for: Late answers."
    ]
    [more] = sentences(("contacts", date(2026, 8, 30), LAST, date(2026, 8, 30), date(2026, 11, 20), (), "contacts"))
    assert more.startswith(
        "Your files cover buyer messages until 20 November 2026 only. Fill in the buyer messages CSV"
    )


def test_files_of_other_marketplaces_are_on_their_own_pages():
    need = EvidenceNeed("orders", FIRST, LAST, None, None)
    [of_walmart], [of_ebay] = (recommend_downloads([need], code) for code in ("WALMART_US", "EBAY"))
    assert "(Seller Center, Orders > Order Management > Download > PO Data)" in downloads_text.advice_sentence(
        of_walmart
    )
    assert downloads_text.advice_cells(of_ebay)["place"] == "Seller Hub, Orders > Reports > Download report > Orders"
    [figures] = recommend_downloads([EvidenceNeed("amazon_figures", FIRST, LAST, None, None)], "EBAY")
    assert "your own calls of the eBay Analytics API" in downloads_text.advice_sentence(figures)


def test_evidence_without_any_file_is_named():
    assert sentences(("amazon_figures", FIRST, LAST, None, None, ("order_defect_rate",)), marketplace="ETSY") == [
        "No file that the kit reads covers Etsy's own figures in this marketplace. Needed for: Order Defect Rate."
    ]


def test_what_is_on_hand_is_not_asked_for():
    assert (
        recommend_downloads(
            [("feedback", FIRST, LAST, FIRST, LAST), ("claims", FIRST, LAST, date(2026, 9, 1), LAST)], "US"
        )
        == []
    )
    assert recommend_downloads([], "US") == []


def test_days_on_hand_that_touch_none_of_the_needed_ones_are_none():
    [one] = recommend_downloads([("feedback", FIRST, LAST, date(2026, 6, 1), date(2026, 6, 30), (), "feedback")], "US")
    assert (one.missing, one.days, one.extends) == ("all", 75, False)


@pytest.mark.parametrize("code", ["US", "DE", "EBAY"])
@pytest.mark.parametrize("evidence", EVIDENCE_KINDS)
def test_every_kind_of_advice_is_a_sentence(evidence, code):
    """No empty brackets, no doubled blanks, and it ends with a full stop."""
    for first, last in ((None, None), (date(2026, 10, 3), LAST), (FIRST, date(2026, 11, 3)), (date(2026, 10, 3),) * 2):
        for kind in ("", *(one.kind for one in downloads_for(evidence, code))):
            [text] = sentences((evidence, FIRST, LAST, first, last, ("order_defect_rate",), kind), marketplace=code)
            assert text.endswith("Needed for: Order Defect Rate.")
            assert not re.search(r"\(\)|  |\.\.|None| ,|;\)", text), text


FIRST_THREE = ("all_orders_2026-0[7-9]*", "all_orders_2026-10*", "seller_feedback*", "performance_2026-10*")
SHIPPING = {"late_shipment_rate", "valid_tracking_rate", "unit_on_time_delivery_rate"}


def test_the_first_files_give_what_the_readme_says(tmp_path):
    """And the next ones add what it says they add."""
    raw, day = ROOT / "data" / "sample" / "lantern-hill-lighting", date(2026, 10, 31)

    def measured(store: str, *patterns: str) -> dict[str, int]:
        """The measures of seller-fulfilled orders that count anything, with how many are at fault."""
        files = [path for pattern in patterns for path in sorted(raw.glob(pattern))]
        assert not [one.refused for one in import_files(files, Store(tmp_path / store)) if one.refused]
        scores = Workspace(tmp_path / store).score(day)
        ours = scores[
            (scores["channel"] == "seller") & (scores["counted"] > 0) & scores["window"].isin([7, 14, 30, 60])
        ]
        return dict(zip(ours["metric"], ours["at_fault"], strict=True))

    three = measured("three", *FIRST_THREE)
    assert set(three) == {"order_defect_rate", "negative_feedback_rate", "cancellation_rate"}
    assert three["order_defect_rate"] == three["negative_feedback_rate"]
    shipping = measured("shipping", *FIRST_THREE, "order_report*", "ship_confirmations*")
    assert set(shipping) == {*three, *SHIPPING}
    defects = measured("defects", *FIRST_THREE, "order_defects_list*")
    assert set(defects) == {*three, "a_to_z_claim_rate", "chargeback_rate"}
    assert defects["order_defect_rate"] > three["order_defect_rate"]
