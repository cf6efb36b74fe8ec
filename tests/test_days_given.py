"""Days and accounts as a notebook gives them: text, Timestamps, one name; and rows that no single line can show."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import healthkit as hk
from healthkit.report.charts.rate_axis import ChartError
from healthkit.schema.days import DayError, to_day, to_days
from healthkit.schema.tables import RAW_TABLES, TableError

DAY = date(2026, 10, 31)
WAYS: list[Any] = [
    "2026-10-31", pd.Timestamp("2026-10-31 17:00"), datetime(2026, 10, 31, 9), np.datetime64("2026-10-31"),
]  # fmt: skip
METRIC = "late_shipment_rate"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: type(way).__name__)
def test_a_day_may_be_given_in_any_usual_way(desk, way):
    assert to_day(way) == DAY
    assert to_days(way) == [DAY]
    pd.testing.assert_frame_equal(desk.score(way, "birchway-crafts"), desk.score(DAY, ["birchway-crafts"]))
    pd.testing.assert_frame_equal(desk.reported(way, "birchway-crafts"), desk.reported([DAY], ["birchway-crafts"]))
    account = desk.account("birchway-crafts")
    row, same = account.measure(METRIC, way), account.measure(METRIC, DAY)
    assert row["at_fault"] == same["at_fault"] == 64
    assert account.verdict(way) == account.verdict(DAY)


def test_every_question_of_an_account_takes_text(desk):
    account = desk.account("birchway-crafts")
    row = account.measure(METRIC, "2026-10-31")
    since = account.orders_at_fault(row, since="2026-10-01")
    assert since["order_id"].tolist() == account.orders_at_fault(row, since=date(2026, 10, 1))["order_id"].tolist()
    assert account.last_day_known("2026-10-31") == account.last_day_known(DAY)
    assert account.bridge(row, "2026-09-30").steps == account.bridge(row, date(2026, 9, 30)).steps
    assert account.goals(row, "2026-11-30") == account.goals(row, date(2026, 11, 30))
    assert desk.last_days_known("2026-10-31", "paper-moth") == desk.last_days_known(DAY, ["paper-moth"])
    assert [one.account for one in desk.verdicts("2026-10-31", "paper-moth")] == ["paper-moth"]
    assert hk.list_days("2026-10-30", pd.Timestamp(DAY)) == [date(2026, 10, 30), DAY]


def test_days_of_an_index_or_a_column_are_sorted_and_counted_once(desk):
    index = pd.to_datetime(["2026-10-31", "2026-10-30", "2026-10-31"])
    for days in (index, pd.Series(index), ["2026-10-31", date(2026, 10, 30)]):
        assert to_days(days) == [date(2026, 10, 30), DAY]


@pytest.mark.parametrize("wrong", ["31.10.2026", "10/31/2026", "2026-02-30", "", 20261031, None, pd.NaT])
def test_what_is_no_day_is_refused_in_a_sentence(wrong):
    with pytest.raises(DayError, match=r"is no day\. Write it as 2026-10-31"):
        to_day(wrong)


def test_two_accounts_or_two_measures_in_one_line_are_refused(desk):
    days = hk.list_days("2026-10-01", "2026-10-31")
    two = desk.score(days, ["birchway-crafts", "paper-moth"], metrics=[METRIC])
    with pytest.raises(ChartError, match=r"shows one account; these rows have 2: birchway-crafts, paper-moth\."):
        hk.charts.rate_over_time(two, 30)
    mixed = desk.score(days, "birchway-crafts", metrics=[METRIC, "cancellation_rate"], window=30)
    with pytest.raises(ChartError, match="One line shows one metric"):
        hk.charts.rate_over_time(mixed, 30)
    assert hk.charts.rate_over_time(two[two["account"] == "paper-moth"], 30) is not None


def test_every_raw_table_is_a_pandas_frame(desk):
    account = desk.account("birchway-crafts")
    for table in RAW_TABLES:
        rows = desk.table(table.name, "birchway-crafts")
        assert isinstance(rows, pd.DataFrame)
        assert len(rows) == len(account.ledger.to_pandas(table.name))
    orders = desk.table("orders", ["birchway-crafts"])
    assert set(orders["account"]) == {"birchway-crafts"}
    assert orders["ordered_on"].dt.year.isin([2025, 2026]).all()
    assert len(orders) < len(desk.table("orders"))
    with pytest.raises(TableError, match=r"No table 'order'\. There are: orders, items, "):
        desk.table("order")
