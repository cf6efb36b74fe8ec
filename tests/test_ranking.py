"""Which account first: harm counted by hand, one order everywhere, money only where it may be added up."""

from __future__ import annotations

import csv
import itertools
import json
import random
import re
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

import healthkit as hk
from healthkit import batch
from healthkit.analysis import ranking
from healthkit.analysis.ranking import AccountHarm, account_harm, rank_accounts, recent_sales
from healthkit.panels import portfolio_model
from healthkit.report.model import open_report
from healthkit.report.text import stakes
from healthkit.schema import tables
from healthkit.schema.rates_file import Rates, RatesFileError, find_rates_file, read_rates
from healthkit.schema.stakes import RecentSales
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders import client_files as client
from tests.builders.sample import DAY, MONTH, ROOT, SAMPLE
from tests.builders.store_files import import_all


def harm(account, share, orders, amounts=None, status="off target", priced=None, days=30, **more):
    amounts = {name: amount * 10_000 for name, amount in (amounts or {}).items()}
    sales = RecentSales(orders, (orders if amounts else 0) if priced is None else priced, amounts, days)
    return AccountHarm(account, "US", status, "late_shipment_rate", "seller", 30, share, share, sales=sales, **more)


def names(ranked):
    return [one.harm.account for one in ranked.accounts]


# -- what is at stake ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "code", "channel", "word"),
    [("lantern-hill-lighting", "US", "seller", "Merchant"), ("clearbrook-bath", "US", "amazon", "Amazon")],
)
def test_sales_of_thirty_days_are_those_counted_in_the_raw_files(desk, account, code, channel, word):
    newest: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted((SAMPLE / account).glob("all_orders*.txt")):
        for number, row in enumerate(csv.DictReader(path.read_text().splitlines(), delimiter="\t")):
            key = row["amazon-order-id"], row["sku"]
            older = newest.get(key)
            if older is None or row["last-updated-date"] >= older["last-updated-date"]:
                newest[key] = row | {"at": str(number)}
    view = desk.account(account)
    placed = {
        row["order_id"]: row["ordered_on"].date()
        for row in desk.table("orders", account)[["order_id", "ordered_on"]].to_dict("records")
    }
    first, orders, amount = DAY - timedelta(days=29), set(), 0
    for (order, _), row in newest.items():
        if row["fulfillment-channel"] != word or not first <= placed.get(order, date.min) <= DAY:
            continue
        if row["order-status"] != "Cancelled":
            orders.add(order)
            amount += round(Fraction(row["item-price"] or "0") * 10_000)
    sales = recent_sales(view.counts, account, code, channel, DAY)
    cancelled_later = sales.orders - len(orders)
    assert 0 <= cancelled_later <= 5
    assert sales.amounts == {"USD": amount}
    assert sales.priced_orders <= sales.orders


def test_the_offers_at_fault_are_those_with_the_sku_of_an_order_at_fault(desk):
    view = desk.account("birchway-crafts")
    row = view.measure("late_shipment_rate", DAY, window=30)
    found = ranking._sales_of_offers_at_fault(view, row)
    at_fault = set(view.orders_at_fault(row)["order_id"])
    items, orders = desk.table("items", "birchway-crafts"), desk.table("orders", "birchway-crafts")
    skus = set(items[items["order_id"].isin(at_fault)]["sku"])
    sold, amount = set(), 0
    known = {one["order_id"]: one for one in orders.to_dict("records")}
    for item in items.to_dict("records"):
        order = known.get(item["order_id"])
        if order is None or item["sku"] not in skus or order["channel"] != "seller":
            continue
        day = order["ordered_on"].date()
        gone = order["status"] == "cancelled" and order["cancelled_on"].date() <= DAY
        if DAY - timedelta(days=29) <= day <= DAY and not gone:
            sold.add(item["order_id"])
            amount += 0 if item["amount"] != item["amount"] else int(item["amount"])
    assert (found.orders, found.amounts) == (len(sold), {"USD": amount})
    every = recent_sales(view.counts, "birchway-crafts", "US", "seller", DAY)
    assert 0 < found.orders <= every.orders


# -- one order ---------------------------------------------------------------------------------------------


def test_accounts_stand_as_in_every_pair_the_one_with_more_harm_does():
    chance = random.Random(5)
    for _ in range(40):
        harms = [
            harm(
                f"a{n}", chance.choice([None, chance.random()]), chance.randrange(1, 900),
                {"USD": chance.randrange(1, 9_000)},
                status=chance.choice(["off target", "at risk"]),
            )
            for n in range(6)
        ]  # fmt: skip
        ranked = rank_accounts(harms)

        def worth(one):
            # Known harm first, in money.
            known = one.share_off is not None
            return known, Fraction(one.share_off or 0) * one.sales.amounts["USD"] if known else 0

        for first, second in itertools.combinations(ranked.accounts, 2):
            assert worth(first.harm) >= worth(second.harm)
        best = max((one for one in harms if one.share_off is not None), key=worth, default=None)
        assert best is None or ranked.accounts[0].harm is best


def test_a_small_account_that_is_off_by_one_order_stands_below_a_large_one():
    ranked = rank_accounts([harm("small", 1.0, 16), harm("large", 0.82, 670)])
    assert names(ranked) == ["large", "small"]
    assert [round(one.orders or 0, 1) for one in ranked.accounts] == [549.4, 16.0]


def test_the_sample_puts_its_account_of_nineteen_orders_last_of_those_off_target(desk):
    verdicts = desk.verdicts(DAY)
    ranked = desk.rank(verdicts)
    off = [one.harm for one in ranked.accounts if one.harm.status == "off target"]
    assert off[-1].account == "paper-moth"
    assert off[-1].sales.orders < 25
    assert off[0].account == "lantern-hill-lighting"


def test_what_cannot_be_judged_stands_before_what_is_on_target_and_after_what_is_in_danger():
    rows = [
        harm("calm", 0.01, 900, status="on target"), harm("new", None, 0, status="cannot be judged"),
        harm("risk", 0.0, 5, status="at risk"), harm("unknown", None, 9, status="off target"),
        harm("soon", 0.3, 9, status="on target"),
    ]  # fmt: skip
    for order in itertools.permutations(rows):
        assert names(rank_accounts(order)) == ["unknown", "soon", "risk", "new", "calm"]


def test_days_that_no_file_covers_count_at_the_pace_of_the_others():
    """10 of 30 days with 300 orders are at the pace of 900 orders, which is more than 600."""
    part = harm("part", 1.0, 300, {"USD": 3_000}, days=10)
    ranked = rank_accounts([harm("whole", 1.0, 600, {"USD": 6_000}), part])
    assert names(ranked) == ["part", "whole"]
    assert [(one.orders, one.money) for one in ranked.accounts] == [(900, 9_000), (600, 6_000)]
    assert "the others count at the same pace" in stakes.ranking_basis_sentence(ranked)
    assert stakes.index_stake_note(part) == "at stake: at least USD 3,000 in 300 orders"
    assert stakes.portfolio_sales_sentence(ranked.accounts).endswith(
        ": at least USD 9,000 in 900 orders; the files of some cover fewer days."
    )
    # By orders, too: 300 of 10 days are more than 600 of 30.
    assert names(rank_accounts([harm("whole", 1.0, 600), harm("part", 1.0, 300, days=10)])) == ["part", "whole"]


def test_the_mean_price_is_that_of_an_order_whatever_days_the_files_cover():
    ranked = rank_accounts([harm("none", 1.0, 30), harm("part", 1.0, 10, {"USD": 100}, days=15)])
    assert ranked.mean_price == 10
    assert {one.harm.account: one.at_stake for one in ranked.accounts} == {"none": 300, "part": 200}


@pytest.mark.parametrize("unknown", [
    harm("unknown", 1.0, 0, days=0), harm("unknown", None, 9), harm("unknown", None, 9, status="at risk"),
], ids=["no day covered", "off target of unknown chance", "at risk of unknown chance"])  # fmt: skip
def test_an_account_in_danger_of_unknown_harm_is_never_below_one_that_is_fine(unknown):
    soon = harm("soon", 0.9, 900, status="on target")
    ranked = rank_accounts([harm("calm", 0.01, 900, status="on target"), soon, unknown, harm("large", 1.0, 901)])
    assert names(ranked) == ["large", "unknown", "soon", "calm"]
    assert "of unknown harm comes before those on target" in stakes.ranking_basis_sentence(ranked)


def test_the_harm_of_a_measure_that_is_fine_does_not_stand_for_one_off_target(desk, monkeypatch):
    """The only measures that can be simulated are on target: the one off target ranks the account, its harm unknown."""
    [verdict] = desk.verdicts(DAY, ["clearbrook-bath"])
    fine = [one for one in verdict.measures if one.status == "on target"]
    violations = replace(fine[0], metric=ranking.VIOLATIONS, status="off target", ours=None)
    monkeypatch.setattr(ranking, "_simulated_chance", lambda view, one: None if one is violations else (0.001, 0.02))
    found = account_harm(
        desk.account("clearbrook-bath"), verdict._replace(status="off target", measures=[violations, *fine])
    )
    assert (found.metric, found.share_off) == (ranking.VIOLATIONS, None)


def test_sales_of_files_that_end_early_are_said_to_be_those_of_the_days_covered(tmp_path):
    """Orders until 10 October, and Amazon's figure of the 30th: of the 30 days from the 1st on the files cover 10."""
    last, reported_on = date(2026, 10, 10), date(2026, 10, 30)
    workspace = client.imported(
        tmp_path,
        all_orders_dot_txt=client.all_orders(client.placed(date(2026, 7, 1), last, 4)),
        performance_dot_json=client.performance(
            reported_on, orderDefectRate=client.defect_rate(reported_on, 190, 3, "BAD")
        ),
    )
    [account_verdict] = workspace.verdicts(DAY, at_last_known_day=True)
    found = workspace.rank([account_verdict]).accounts[0].harm
    assert (account_verdict.as_of, found.status, found.metric) == (reported_on, "off target", "order_defect_rate")
    assert (found.sales.orders, found.sales.days) == (40, 10)
    assert found.orders_off == 120
    assert stakes.harm_phrase(found).endswith(
        "sales of the 10 of the last 30 days that the files cover, at least 40 orders of unknown price"
    )


def test_several_currencies_are_compared_by_orders_and_said_so():
    ranked = rank_accounts([harm("euros", 1.0, 10, {"EUR": 9_000}), harm("dollars", 1.0, 20, {"USD": 100})])
    assert names(ranked) == ["dollars", "euros"]
    assert (ranked.currency, ranked.currencies) == ("", ("EUR", "USD"))
    assert "not added up without a rates file" in stakes.ranking_basis_sentence(ranked)
    assert all(one.money is None for one in ranked.accounts)


def test_a_rates_file_makes_them_one_currency():
    rates = Rates("EUR", {"EUR": Fraction(1), "USD": Fraction(9, 10)}, {"USD": DAY})
    ranked = rank_accounts([harm("dollars", 0.5, 20, {"USD": 100}), harm("euros", 0.5, 10, {"EUR": 9_000})], rates)
    assert names(ranked) == ["euros", "dollars"]
    assert [one.money for one in ranked.accounts] == [4_500, 45]
    lacking = rank_accounts([harm("a", 1.0, 1, {"GBP": 1}), harm("b", 1.0, 2, {"EUR": 1})], rates)
    assert (lacking.currency, names(lacking)) == ("", ["b", "a"])


def test_orders_without_a_price_count_with_a_mean_and_that_is_said():
    ranked = rank_accounts([harm("none", 1.0, 30), harm("some", 1.0, 20, {"USD": 100}, priced=10)])
    assert ranked.mean_price == 10
    assert {one.harm.account: (one.at_stake, one.value_assumed) for one in ranked.accounts} == {
        "none": (300, True), "some": (200, True),
    }  # fmt: skip
    assert "an order counts USD 10.00, the mean of the others" in stakes.ranking_basis_sentence(ranked)
    assert rank_accounts([harm("a", 1.0, 3), harm("b", 1.0, 2)]).currency == ""


def test_a_harm_is_the_same_after_it_was_written_as_json(desk):
    for verdict in desk.verdicts(DAY)[:4]:
        found = account_harm(desk.account(verdict.account, verdict.marketplace), verdict)
        written = json.loads(json.dumps(found.to_json()))
        assert AccountHarm.from_json(verdict.account, verdict.marketplace, verdict.status, written) == found


def test_index_panel_check_and_summary_name_the_same_first_account_and_why(desk, sample_store, printed, run):
    ranked = portfolio_model.rank_accounts(desk, DAY)
    first = ranked["account"].iloc[0]
    index = printed.index.read_text(encoding="utf-8")
    table = re.findall(r'class="x-account"><a href="[^"]+">([^<]+)</a>', index)
    assert table == list(ranked["account"].drop_duplicates())
    reason = ranked["reason"].iloc[0]
    assert f"<b>{first}</b> has the largest expected harm: {reason}." in index
    checked = run("check", "--month", MONTH, "--data", sample_store).output.splitlines()
    assert checked[-1].endswith(reason) or any(line.endswith(reason) for line in checked)
    assert first in checked[0]
    assert printed.summaries[0].account == first
    assert printed.first == f"open first  {first} (US): {reason}"


# -- rates -------------------------------------------------------------------------------------------------


def test_the_newest_rate_up_to_the_day_counts(tmp_path, monkeypatch):
    path = tmp_path / "rates.csv"
    path.write_text(
        "Currency;Day;Rate\nEUR;2026-01-01;1\nUSD;2026-10-30;0,9\nUSD;2026-10-31;0.95\nUSD;2026-11-01;0.8\n"
    )
    found = read_rates(path, DAY)
    assert (found.base, found.values, found.days["USD"]) == ("EUR", {"EUR": 1, "USD": Fraction(19, 20)}, DAY)
    assert find_rates_file(None, tmp_path / "store") == path
    assert find_rates_file(None, tmp_path / "other" / "store") is None
    # As accounts and events, in the working folder if none is beside the store.
    monkeypatch.chdir(tmp_path)
    assert find_rates_file(None, tmp_path / "other" / "store") == Path("rates.csv")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("currency,rate\nEUR,1\n", "row 1: the columns must be currency, day, rate"),
        ("currency,day,rate\nEuro,2026-10-01,1\n", "row 2: 'Euro' is no currency"),
        ("currency,day,rate\nEUR,1.10.2026,1\n", "row 2: '1.10.2026' is no day"),
        ("currency,day,rate\nEUR,2026-10-01,0\n", "row 2: '0' is no rate above zero"),
        ("currency,day,rate\nEUR,2026-10-01\n", "row 2: '' is no rate above zero"),
        ("currency,day,rate\nUSD,2026-10-01,0.9\n", "no currency has the rate 1"),
        ("currency,day,rate\nUSD,2026-10-01,1\nEUR,2026-10-01,1\n", "EUR and USD have the rate 1"),
        ("currency,day,rate\nEUR,2026-10-01,1\nUSD,2026-10-01,1.1\nUSD,2026-10-01,1.2\n", "two rates on 2026-10-01"),
    ],
)
def test_a_rates_file_is_refused_with_its_row_and_cure(tmp_path, text, problem):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(RatesFileError, match=re.escape(problem)):
        read_rates(path, DAY)


def test_a_named_rates_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RatesFileError, match="there is no such file"):
        find_rates_file(tmp_path / "none.csv", tmp_path)


# -- the first account of panels and dashboard -------------------------------------------------------------


@pytest.mark.parametrize("look_ahead", [True, False])
def test_the_dashboard_opens_the_first_account_of_its_ranking(desk, look_ahead):
    shared = {"workspace": desk, "as_of": "", "account": "", "look_ahead": look_ahead}
    cells = json.loads((ROOT / "notebooks" / "05_dashboard.ipynb").read_text(encoding="utf-8"))["cells"]
    panels = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "hk." in source and "open_workspace" not in source:
            *head, last = source.splitlines()
            exec("import healthkit as hk\n" + "\n".join(head), shared)
            panels.append(eval(last, shared))
    ranked, *others = panels
    first = ranked.ranking.iloc[0]
    assert len(others) == 3
    for panel in others:
        found = panel.question
        assert (found.account, found.marketplace, found.as_of) == (
            first["account"], first["marketplace"], first["as_of"].date(),
        )  # fmt: skip


@pytest.fixture(scope="module")
def two_accounts(tmp_path_factory):
    """A small account far off target and a large one a little; orders until the 19th, the last updated on the 20th."""
    folder = tmp_path_factory.mktemp("two_accounts")
    last = date(2026, 10, 19)
    for name, prefix, a_day, cancelled in (("aardvark", "111", 1, 3), ("zebra", "112", 20, 7)):
        orders = [(f"{prefix}{number[3:]}", day) for number, day in client.placed(date(2026, 8, 1), last, a_day)]
        week = [number for number, day in orders if day > last - timedelta(7)]
        text = client.all_orders(orders, cancelled=set(week[:cancelled]))
        head, _, row = text.rstrip("\n").rpartition("\n")
        row = row.replace(client.at(last), client.at(last + timedelta(1))).replace(
            client.at(last + timedelta(1)), client.at(last), 1
        )
        (folder / name).mkdir()
        (folder / name / "all_orders.txt").write_text(f"{head}\n{row}\n", encoding="utf-8")
        import_all(Store(folder / "store"), folder / name / "all_orders.txt")
    return Workspace(folder / "store")


def test_index_check_summary_portfolio_and_panels_open_the_same_account_day_and_figure(two_accounts, tmp_path, run):
    """Of the week to 19 October 7 of 140 orders of the large account were cancelled, and 3 of 7 of the small one."""
    result = batch.generate_reports(two_accounts, "2026-10", out=tmp_path / "out")
    checked = run("check", "--month", "2026-10", "--data", two_accounts.store.folder).output.splitlines()
    ranked = hk.portfolio(two_accounts).ranking.iloc[0]
    asked = [panel(two_accounts).question for panel in (hk.where_i_stand, hk.what_changed, hk.what_if)]
    page = open_report(two_accounts, "zebra", "2026-10")
    [cancelled] = [row for row in tables.records(page.scores) if row["metric"] == "cancellation_rate"]
    # The window of 7 days ends the day before the as-of day, which is the 20th: the 13th to the 19th.
    day = date(2026, 10, 20)
    assert (page.as_of, cancelled["counted"], cancelled["at_fault"]) == (day, 140, 7)
    assert result.summaries[0].account == "zebra"
    assert result.first.startswith("open first  zebra (US)")
    index = result.index.read_text(encoding="utf-8")
    assert re.findall(r'class="x-account"><a href="[^"]+">([^<]+)</a>', index) == ["zebra", "aardvark"]
    assert "zebra (US): Pre-fulfilment Cancellation Rate" in checked[0]
    assert "5.0%" in checked[0]
    assert (ranked["account"], ranked["as_of"].date(), ranked["counted"], ranked["at_fault"]) == ("zebra", day, 140, 7)
    for question in asked:
        assert (question.account, question.metric, question.as_of) == ("zebra", "cancellation_rate", day)
