"""All accounts beside each other: their order, what is chosen, drawn and opened; lists; a notebook's first cells."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import date

import numpy as np
import pandas as pd
import pytest

import healthkit as hk
from healthkit.analysis import ranking
from healthkit.panels import order_list, portfolio_model, progress, where_i_stand_model
from healthkit.panels.order_list import ListView, OrderList
from healthkit.panels.portfolio_model import AccountFilter
from healthkit.panels.where_i_stand_model import Question, QuestionError
from healthkit.report.text import figures
from tests.builders.workbooks import read_back

AS_OF = date(2026, 10, 31)


@pytest.fixture(scope="module")
def held(desk):
    return portfolio_model.rank_accounts(desk, AS_OF)


# -- RANKS ------------------------------------------------------------------------------------------------


def test_every_rate_stands_once_in_the_window_where_it_is_worst(desk, held):
    assert not held.duplicated(portfolio_model.KEY_COLUMNS).any()
    rows = desk.score(AS_OF)
    rows = rows[rows["metric"].map(where_i_stand_model.is_rate)]
    assert len(held) == len(rows.drop_duplicates(portfolio_model.KEY_COLUMNS))
    both = rows[(rows["account"] == "birchway-crafts") & (rows["metric"] == "late_shipment_rate")]
    mine = held[(held["account"] == "birchway-crafts") & (held["metric"] == "late_shipment_rate")].iloc[0]
    assert len(both) == 2
    assert mine["used"] == pytest.approx((both["at_fault"] / both["counted"] / both["target"]).max())


def test_harm_is_the_mean_of_each_day_s_chance_times_the_orders_of_thirty_days(desk, held):
    row = held.iloc[0]
    seen = desk.account(row["account"], row["marketplace"]).simulate(row, days_ahead=30, draws=ranking.DRAWS)
    orders = desk.table("orders", row["account"])
    since = orders["ordered_on"] > pd.Timestamp(AS_OF) - pd.Timedelta(days=30)
    sold = orders[since & (orders["ordered_on"] <= pd.Timestamp(AS_OF)) & (orders["channel"] == "seller")]
    gone = (sold["status"] == "cancelled") & (sold["cancelled_on"] <= pd.Timestamp(AS_OF))
    assert row["harm"] == pytest.approx(seen.days["off"].iloc[1:].mean() * (~gone).sum())
    assert row["chance"] == seen.breach_chances[30]


def test_accounts_stand_by_their_largest_harm(held):
    largest = held.groupby(["account", "marketplace"], sort=False)["harm"].max().dropna()
    assert list(largest) == sorted(largest, reverse=True)
    assert len(largest) >= 5
    assert held["rank"].is_monotonic_increasing


def test_without_a_look_ahead_they_stand_by_status_and_share_of_the_limit(desk):
    rows = portfolio_model.rank_accounts(desk, AS_OF, look_ahead=False)
    assert rows["harm"].isna().all()
    first = rows.drop_duplicates(["account", "marketplace"])
    assert first["status"].iloc[0] == "off target"
    off = first[first["status"] == "off target"]["used"]
    assert list(off) == sorted(off, reverse=True)


def test_an_interrupt_keeps_what_was_seen(desk):
    def stopped(every):
        for n, one in enumerate(every):
            if n == 3:
                raise KeyboardInterrupt
            yield one

    rows = portfolio_model.rank_accounts(desk, AS_OF, track=stopped)
    assert rows["harm"].notna().sum() == 3
    assert len(rows) > 3


def test_a_day_before_all_orders_is_refused_in_words(desk):
    with pytest.raises(QuestionError, match="No account has orders by 1 Jan 2026"):
        portfolio_model.rank_accounts(desk, date(2026, 1, 1))


def test_a_choice_leaves_the_accounts_that_are_so(held):
    every = portfolio_model.select_accounts(held, AccountFilter())
    assert list(portfolio_model.select_accounts(held, AccountFilter(find="LANTERN"))["account"]) == [
        "lantern-hill-lighting"
    ]
    assert set(portfolio_model.select_accounts(held, AccountFilter(marketplace="UK"))["account"]) == {
        "thistle-and-wren"
    }
    off = portfolio_model.select_accounts(held, AccountFilter(status="off target"))
    assert 0 < len(off) < len(every)
    for row in off.itertuples():
        mine = held[(held["account"] == row.account) & (held["marketplace"] == row.marketplace)]
        assert (mine["status"] == "off target").any()
    assert portfolio_model.select_accounts(held, AccountFilter(find="nobody")).empty


# -- the panel --------------------------------------------------------------------------------------------


@pytest.fixture
def panel(desk):
    return hk.portfolio(desk, "2026-10-31", look_ahead=False)


def drawn_figures(panel) -> dict[str, str]:
    """Name and figure of each small chart."""
    cells = panel.portfolio_widget.content["figure"]["spec"]["concat"]
    return dict([row["t"] for row in cell["layer"][-1]["data"]["values"]] for cell in cells)


def test_small_charts_show_what_the_desk_scores(desk, panel):
    panel.measure.value = ("late_shipment_rate", "seller")
    panel.window.value = 45
    cells = panel.portfolio_widget.small_charts["spec"]["concat"]
    assert len(cells) > 4
    for cell in cells:
        name, figure = (row["t"] for row in cell["layer"][-1]["data"]["values"])
        account = next(pair for pair in panel.drawn_accounts if pair[0].startswith(name.rstrip("…")))
        row = desk.account(*account).measure("late_shipment_rate", AS_OF, window=45, channel="seller")
        rate = figures.format_rate(int(row["counted"]), int(row["at_fault"]), row["side"], row["target"])
        assert figure.endswith(rate)


def test_a_new_measure_begins_with_its_rule_s_window(panel):
    panel.measure.value = ("order_defect_rate", "seller")
    assert panel.window.value == 60
    assert "over 60 days" in panel.portfolio_widget.content["figure"]["title"]


def test_search_and_status_cut_table_and_charts(panel):
    panel.find.value = "paper"
    assert [row["account"] for row in panel.portfolio_widget.content["table"]["rows"]] == ["paper-moth"]
    assert list(drawn_figures(panel)) == ["paper-moth"]
    panel.find.value = "nobody"
    assert panel.portfolio_widget.content["table"]["none"]
    assert panel.portfolio_widget.content["figure"] is None


def test_a_cell_says_status_in_symbol_word_and_colour(panel):
    rows = panel.portfolio_widget.content["table"]["rows"]
    cells = [cell for row in rows for cell in row["cells"] if cell]
    assert {cell["word"] for cell in cells} >= {"Off target", "On target", "At risk"}
    assert all(cell["symbol"] and cell["word"] and cell["colour"] and cell["rate"] for cell in cells)


def test_the_page_opens_an_account_at_its_measure_and_draws_another(panel):
    asked = {"account": "birchway-crafts", "marketplace": "US", "measure": ["cancellation_rate", "seller"]}
    panel._on_page_message(panel, {"ask": "open"} | asked, [])
    assert panel.opened_panel.question[:3] == ("birchway-crafts", "US", "cancellation_rate")
    before = list(panel.drawn_accounts)
    panel._on_page_message(
        panel, {"ask": "draw", "account": before[0][0], "marketplace": before[0][1], "on": False}, []
    )
    assert panel.drawn_accounts == before[1:]
    panel._on_page_message(panel, {"ask": "open", "account": "nobody", "marketplace": "US"}, [])
    assert panel.opened_panel.question.account == "birchway-crafts"


def test_a_long_table_is_listed_in_parts(desk, held):
    many = pd.concat([held.assign(account=held["account"] + f"-{n}") for n in range(20)], ignore_index=True)
    look = portfolio_model.PortfolioSettings(AccountFilter(), [], ("late_shipment_rate", "seller"), 30, row_limit=5)
    rows = portfolio_model.select_accounts(many, AccountFilter())
    rows = rows.assign(account=rows["account"].str.replace(r"-\d+$", "", regex=True))
    told = portfolio_model.render_table(desk, many, rows, AS_OF, look)
    assert len(told["rows"]) == 5
    assert told["more"] == len(rows) - 5


# -- lists ------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(desk) -> OrderList:
    told = where_i_stand_model.answer_question(
        desk, Question("birchway-crafts", "US", "late_shipment_rate", "seller", 30, AS_OF)
    )
    return where_i_stand_model.list_orders_at_fault(told)


def test_a_list_is_sorted_both_ways_and_found_in(orders):
    up = orders.select_rows(ListView("order_id"))["order_id"]
    assert list(up) == sorted(orders.orders["order_id"])
    assert list(orders.select_rows(ListView("order_id", descending=True))["order_id"]) == list(up)[::-1]
    one = up.iloc[2]
    assert list(orders.select_rows(ListView(find=one[3:].upper()))["order_id"]) == [one]
    assert len(orders.select_rows(ListView(find="shipped late"))) == len(orders.orders)
    assert orders.select_rows(ListView(find="no such order")).empty
    assert orders.render(ListView(find="no such order"))["title"] == "No order contains that text"


def test_a_csv_holds_the_view_and_no_formula():
    rows = pd.DataFrame({
        "leaves_on": pd.to_datetime(["2026-11-01", "2026-11-02"]), "order_id": ["=cmd()", "111-1"],
        "causes": "shipped_late",
        "clock_day": pd.to_datetime("2026-10-01"), "known_on": pd.to_datetime("2026-10-02"), "at_fault": 1,
    })  # fmt: skip
    heads = {"leaves_on": "Leaves on", "order_id": "Order"}
    held = OrderList(rows, heads, lambda listed, many: f"{listed} of {many}", 2026, "x.csv")
    text = held.csv(ListView("order_id"))
    assert text.startswith("\ufeff")
    saved = list(csv.DictReader(io.StringIO(text[1:])))
    assert list(saved[0]) == ["Order", "Cause", "Clock day", "Known", "Leaves on"]
    assert [row["Order"] for row in saved] == ["111-1", "'=cmd()"]
    assert (saved[0]["Leaves on"], saved[0]["Cause"]) == ("2026-11-02", "Shipped late")
    assert len(list(csv.DictReader(io.StringIO(held.csv(ListView(find="111")))))) == 1


def test_days_of_a_chart_give_the_orders_at_fault_on_any_of_them(desk):
    told = where_i_stand_model.answer_question(
        desk, Question("birchway-crafts", "US", "late_shipment_rate", "seller", 30, AS_OF)
    )
    first, last = date(2026, 10, 10), date(2026, 10, 20)
    expected: set[str] = set()
    for day in hk.list_days(first, last):
        row = desk.account("birchway-crafts").measure("late_shipment_rate", day, window=30)
        expected |= set(desk.account("birchway-crafts").orders_at_fault(row)["order_id"])
    assert set(where_i_stand_model.orders_at_fault_between(desk, told, first, last)["order_id"]) == expected
    with pytest.raises(QuestionError, match="Choose a day that the chart shows"):
        where_i_stand_model.orders_at_fault_between(desk, told, first, date(2027, 1, 1))


def test_a_day_is_read_as_the_answer_of_that_day_would_say(desk):
    asked = Question("birchway-crafts", "US", "late_shipment_rate", "seller", 30, AS_OF)
    day = date(2026, 10, 3)
    then = where_i_stand_model.answer_question(desk, asked._replace(as_of=day))
    said = where_i_stand_model.describe_day(where_i_stand_model.answer_question(desk, asked), day)
    assert said == f"{''.join(map(str, then.finding))} {then.lead}"


def test_the_page_asks_back_and_is_answered(desk):
    panel = hk.where_i_stand(desk, "birchway-crafts", "2026-10-31")
    panel.measure.value = ("late_shipment_rate", "seller")
    sent = []
    panel.answer_widget.send = lambda content, buffers=None: sent.append(content | {"buffers": buffers})
    moment = int(pd.Timestamp(2026, 10, 3).timestamp() * 1000)
    panel._on_page_message(panel, {"ask": "read", "day": moment}, [])
    assert "3 October 2026" in sent[-1]["text"]
    panel._on_page_message(panel, {"ask": "pick", "days": [moment, moment]}, [])
    assert panel.answer_widget.orders["title"].endswith("on 3 October 2026")
    panel._on_page_message(panel, {"ask": "csv"}, [])
    assert len(sent[-1]["csv"].splitlines()) == panel.answer_widget.orders["many"] + 1
    text = sent[-1]
    panel._on_page_message(panel, {"ask": "xlsx"}, [])
    name, [content] = sent[-1]["name"], sent[-1]["buffers"]
    assert name == text["name"].replace(".csv", ".xlsx")
    heads, *rows = read_back(content)
    saved = list(csv.DictReader(io.StringIO(text["csv"][1:])))
    assert heads == list(saved[0])
    place = heads.index("Leaves on")
    assert [row[place] for row in rows] == [date.fromisoformat(row["Leaves on"]) for row in saved]
    panel._on_page_message(panel, {"ask": "pick", "days": None}, [])
    assert panel.answer_widget.orders["many"] == len(panel.orders)


@pytest.mark.parametrize("make", [hk.where_i_stand, hk.what_changed, hk.what_if])
def test_every_list_that_is_saved_names_product_carrier_and_place(desk, make):
    panel = make(desk, "birchway-crafts", "2026-10-31")
    panel.measure.value = ("late_shipment_rate", "seller")
    if make is hk.what_if:
        panel.cause_sliders["shipped_late"].value = 50
    rows = panel.listing.saved_rows(ListView())
    view = desk.account("birchway-crafts")
    orders = view.add_order_details(panel.listing.orders)
    assert len(rows) == len(orders) > 0
    for name, title in (("sku", "SKU"), ("product", "Product"), ("carrier", "Carrier"), ("country", "Country")):
        assert orders[name].notna().any() == (title in rows)
    assert {"SKU", "Product"} <= set(rows)
    assert rows["SKU"].tolist() == orders["sku"].tolist()


def test_the_marketplace_s_own_figures_are_drawn_where_asked_for(desk):
    panel = hk.where_i_stand(desk, "lantern-hill-lighting", "2026-10-31")
    panel.measure.value = ("order_defect_rate", "seller")
    panel.show_reported.value = True
    said = desk.reported(AS_OF, ["lantern-hill-lighting"])
    theirs = said[(said["metric"] == "order_defect_rate") & (said["channel"] == "seller")].iloc[0]
    drawn = [
        row
        for layer in panel.answer_widget.content["figure"]["spec"]["layer"]
        if layer["mark"].get("shape") == "diamond"
        for row in layer["data"]["values"]
    ]
    assert drawn[-1]["rate"] == pytest.approx(theirs["rate"], abs=1e-6)


# -- a notebook's first cells -------------------------------------------------------------------------------


def test_what_the_kit_refuses_is_one_sentence(shell, capsys, tmp_path):
    shell.run_cell("import healthkit as hk\nhk.setup()", store_history=False)
    capsys.readouterr()
    ended = shell.run_cell(f"hk.open_workspace({str(tmp_path / 'nowhere')!r})", store_history=False)
    said = "".join(capsys.readouterr())
    assert not ended.success
    assert "python -m healthkit import" in said
    assert "Traceback" not in said
    assert 'File "' not in said


def test_any_other_error_is_told_in_full(shell, capsys):
    shell.run_cell("import healthkit as hk\nhk.setup()", store_history=False)
    capsys.readouterr()
    shell.run_cell("int('seven')", store_history=False)
    said = "".join(capsys.readouterr())
    assert "Traceback" in said
    assert "invalid literal" in said


def test_a_desk_counts_at_once_and_follows_the_loop(sample_store, tmp_path, monkeypatch):
    seen = []

    def track(every):
        for one in every:
            seen.append(one)
            yield one

    # A store of its own: what others counted is kept, and not counted again.
    shutil.copytree(sample_store, tmp_path / "store", ignore=shutil.ignore_patterns("counts"))
    desk = hk.Workspace(tmp_path / "store", "amazon_reference", track=track)
    assert len(desk.counts.exposure) > 0
    assert seen
    assert isinstance(progress.open_workspace(str(sample_store)), hk.Workspace)


def test_a_thousand_accounts_are_shown_quickly_and_in_parts(desk, held):
    every = pd.concat([held.assign(account=[f"{name}-{n}" for name in held["account"]]) for n in range(125)])
    assert len(portfolio_model.select_accounts(every, AccountFilter())) == 1000
    assert np.isfinite(every["used"].dropna()).all()


def test_file_names_hold_nothing_but_plain_letters():
    assert order_list.csv_file_name("../../etc/passwd", "m", AS_OF, AS_OF) == "etc-passwd_m_2026-10-31.csv"


@pytest.mark.parametrize("day", ["2026-02-01", "2026-02-02", "2027-06-01"])
def test_one_day_of_data_or_none_for_long_breaks_no_panel(desk, day):
    panels = [
        hk.where_i_stand(desk, "birchway-crafts", day), hk.what_changed(desk, "birchway-crafts", day),
        hk.what_if(desk, "birchway-crafts", day), hk.portfolio(desk, day),
    ]  # fmt: skip
    for panel in panels:
        assert panel.finding
    for panel in panels[:3]:
        for _, measure in panel.measure.options:
            panel.measure.value = measure
            assert panel.finding
