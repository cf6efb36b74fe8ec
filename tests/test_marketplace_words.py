"""Words of other marketplaces: no sentence on an account of theirs speaks of Amazon or of its pages and measures."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from healthkit import batch
from healthkit.ingest import importer
from healthkit.panels import portfolio_model, where_i_stand_model
from healthkit.report.text import labels
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.etsy_shopify_files import ETSY_ORDERS, ETSY_STAR
from tests.builders.latin_and_tiktok_files import reputation, sales_report, sales_row, tiktok_csv, tiktok_row
from tests.builders.pages import words
from tests.builders.raw_files import put
from tests.builders.walmart_ebay_files import EBAY, WALMART, standards_metric, standards_profile

MONTH, DAY = "2026-10", date(2026, 10, 31)
OF_AMAZON = re.compile(r"Amazon|Seller Central|Selling Partner|A-to-z|Pre-fulfil|all-orders|\bPCR\b|\bFBA\b")


class Seller(NamedTuple):
    """An account of one marketplace: its files by name, and the first file of orders that it is told to download."""

    marketplace: str
    orders_file: str
    files: dict[str, str | bytes]


def _bought(number: int, day: int, status: str, **cells: str) -> list[str]:
    return sales_row(number, f"{day} de octubre de 2026 19:29 hs.", status, **cells)


LATE = standards_metric("SHIPPING_MISS_RATE", "9.56", 35, 329, "BELOW_STANDARD", "7.00")
DEFECTS = standards_metric("DEFECTIVE_TRANSACTION_RATE", "3.10", 10, 329, "BELOW_STANDARD", "2.00")
TIKTOK_ROWS = [tiktok_row(number) for number in (1, 2)] + [
    tiktok_row(3, Order_Status="Canceled", Cancel_By="Seller", Cancelled_Time="21/10/2026 11:00:00\t"),
    tiktok_row(4, Fulfillment_Type="Fulfillment by TikTok Shop"),
]
SELLERS = {
    "walmart-seller": Seller("WALMART_US", "Walmart PO data", {"PO_Data.csv": WALMART.text()}),
    "ebay-seller": Seller("EBAY", "eBay orders report", {
        "OrdersReport.csv": EBAY.text(),
        "standards.json": json.dumps(standards_profile(LATE, DEFECTS, level="BELOW_STANDARD", day="2026-10-30")),
    }),
    "etsy-seller": Seller("ETSY", "Etsy sold orders CSV", {
        "EtsySoldOrders2026-10.csv": ETSY_ORDERS.text(), "star_seller.csv": ETSY_STAR.text(),
    }),
    "tiktok-seller": Seller("TIKTOK", "TikTok Shop orders file", {"orders.csv": tiktok_csv(*TIKTOK_ROWS)}),
    "latin-seller": Seller("MERCADO_LIBRE", "Mercado Libre sales report (ventas)", {
        "ventas.xlsx": sales_report(
            *(_bought(number, number, "Entregado") for number in range(1, 14)),
            _bought(20, 20, "Cancelaste la venta"), _bought(21, 21, "Cancelaste la venta"),
        ),
        "reputation_2026-10-30.json": json.dumps(reputation((0.0912, 24))),
    }),
}  # fmt: skip
EVERY_SELLER = pytest.mark.parametrize("account", SELLERS)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A store of one account of each marketplace."""
    folder = tmp_path_factory.mktemp("sellers")
    for account, seller in SELLERS.items():
        for name, content in seller.files.items():
            put(folder, content, account, name)
        done = importer.import_files([folder / account], Store(folder / "store"), marketplace=seller.marketplace)
        assert not [one.refused for one in done if one.refused], account
    return folder / "store"


@pytest.fixture(scope="module")
def pages(store, tmp_path_factory) -> Path:
    """The folder of the pages of these accounts, and of their index."""
    made = batch.generate_reports(Workspace(store), MONTH, list(SELLERS), tmp_path_factory.mktemp("pages"))
    return made.index.parent


def amazons_words(text: str) -> list[str]:
    """The lines of a text that hold a word of Amazon's."""
    return [line for line in text.splitlines() if OF_AMAZON.search(line)]


def page_text(page: Path) -> str:
    """What a page shows, with the descriptions of its charts; without scripts and styles."""
    html = page.read_text(encoding="utf-8")
    charts = re.findall(r'"(?:description|text|t|nt)":\s*"([^"]*)"', html)
    shown = re.sub(r"(?s)<(script|style).*?</\1>", " ", html)
    hidden = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', shown)
    return "\n".join([re.sub(r"([.:;]) ", r"\1\n", words(shown)), *charts, *hidden])


def test_the_words_that_are_looked_for_are_on_the_pages_of_amazon_s_accounts(sample_store, run):
    """The other tests would not fail if the pattern found nothing at all."""
    shown = run("check", "--month", "2026-10", "--data", sample_store)
    assert amazons_words(shown.output)
    assert amazons_words(run("doctor", "--account", "clearbrook-bath", "--data", sample_store).output)


@EVERY_SELLER
@pytest.mark.parametrize("command", ["scores", "standing", "outlook"])
def test_no_answer_on_a_day_speaks_of_amazon(store, run, account, command):
    shown = run(command, "--as-of", DAY, "--account", account, "--data", store)
    assert shown.exit_code == 0
    assert amazons_words(shown.output) == []


@EVERY_SELLER
def test_no_other_command_speaks_of_amazon(store, run, account):
    code = SELLERS[account].marketplace
    for asked in (
        ["scores", "--case", "all", "--as-of", DAY, "--account", account, "--data", store],
        ["check", "--month", MONTH, "--account", account, "--data", store],
        ["reconcile", "--as-of", DAY, "--account", account, "--data", store],
        ["doctor", "--account", account, "--data", store],
        ["rules", "--marketplace", code, "--on", DAY],
    ):
        shown = run(*asked)
        assert shown.output
        assert amazons_words(shown.output) == [], asked


@EVERY_SELLER
def test_the_page_does_not_speak_of_amazon(pages, account):
    [page] = list(pages.glob(f"{account}*.html"))
    text = page_text(page)
    assert account in text
    assert amazons_words(text) == []


def test_the_index_does_not_speak_of_amazon(pages):
    text = page_text(pages / "index.html")
    assert [one for one in SELLERS if one not in text] == []
    assert amazons_words(text) == []


@EVERY_SELLER
def test_the_panels_do_not_speak_of_amazon(store, account):
    workspace = Workspace(store)
    question = where_i_stand_model.first_question(workspace, account, DAY)
    answer = where_i_stand_model.answer_question(workspace, question, with_reported=True)
    shown = where_i_stand_model.render_answer(answer)
    assert amazons_words(json.dumps(shown, default=str)) == []


def test_the_panel_of_all_accounts_does_not_speak_of_amazon(store):
    workspace = Workspace(store)
    ranking = portfolio_model.rank_accounts(workspace, DAY)
    columns = portfolio_model.measures_with_column(ranking)
    settings = portfolio_model.PortfolioSettings(portfolio_model.AccountFilter(), [], columns[0], 30)
    assert amazons_words(json.dumps(portfolio_model.render_portfolio(workspace, ranking, DAY, settings))) == []


def test_its_own_figure_is_called_by_the_marketplace_s_name(store, run):
    shown = run("check", "--month", MONTH, "--account", "ebay-seller", "--data", store)
    assert "by eBay’s own figure of 30 October" in shown.output
    assert "no target no target" not in shown.output


@EVERY_SELLER
def test_newer_files_begin_with_the_marketplace_s_own(store, run, account):
    shown = run("doctor", "--account", account, "--data", store)
    assert f"the {SELLERS[account].orders_file} first." in " ".join(shown.output.split())


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (json.dumps(reputation()), "reputation_2026-10-30.json",
         "Download the Mercado Libre sales report (ventas) (Mercado Libre, Ventas > Descargar Excel de ventas) for"),
        (json.dumps(standards_profile(LATE)), "standards.json",
         "Download the eBay orders report (Seller Hub, Orders > Reports > Download report > Orders) for"),
    ],
)  # fmt: skip
def test_an_import_without_orders_names_the_file_of_its_marketplace(tmp_path, run, content, name, told):
    put(tmp_path, content, "new-seller", name)
    shown = run("import", tmp_path / "new-seller", "--data", tmp_path / "store")
    assert shown.exit_code == 0
    assert "new-seller (" in shown.output
    assert f"\n  {told}" in shown.output


def test_an_import_without_orders_or_figures_names_the_file_of_orders(tmp_path, run):
    put(tmp_path, "contact-id,order-id,kind,received-at\n", "new-seller", "contacts.csv")
    shown = run("import", tmp_path / "new-seller", "--marketplace", "EBAY", "--data", tmp_path / "store")
    assert shown.exit_code == 0, shown.output
    assert (
        "new-seller: no file of orders yet, without which nothing is judged. Download the eBay orders report (Seller "
        "Hub, Orders > Reports > Download report > Orders)."
    ) in shown.output


def test_one_account_is_counted_in_the_singular(tmp_path, run):
    put(tmp_path, EBAY, "ebay-seller")
    run("import", tmp_path / "ebay-seller", "--data", tmp_path / "store")
    assert "1 raw file, 1 account, 3 orders" in run("doctor", "--data", tmp_path / "store").output


def test_every_marketplace_has_one_company():
    assert {labels.company_of(code) for code in MARKETPLACES} == {
        "Amazon", "Walmart", "eBay", "Etsy", "TikTok Shop", "Mercado Libre", "Olist",
    }  # fmt: skip
    assert {labels.company_of(code) for code, one in MARKETPLACES.items() if one.is_amazon} == {"Amazon"}
