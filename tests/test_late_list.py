"""Late shipment from an order report and the marketplace's list: files in, a figure out that says on what it rests."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from healthkit.ingest.importer import import_files
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace

START = date(2026, 5, 1)
ORDERS = 40
ALL_ORDERS = (
    "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tfulfillment-channel\tsku\tquantity\tsales-channel"
)
ORDER_REPORT = (
    "order-id\torder-item-id\tpurchase-date\tsku\tquantity-purchased\tlatest-ship-date\tlatest-delivery-date"
    "\tsales-channel"
)
LIST = "Order ID,Ship by date,Ship confirmation date"


def order_id(number: int) -> str:
    return f"111-{number:07d}-0000000"


def stamp(days: int, hour: int) -> str:
    return f"{START + timedelta(days=days)}T{hour:02d}:00:00+00:00"


def files(folder: Path, listed: tuple[int, ...] | None, promises: bool = True) -> list[Path]:
    """Forty orders, one a day, due two days later; the list of 1 June names some of them, or there is none."""
    texts = {"all_orders.txt": [ALL_ORDERS] + [
        f"{order_id(n)}\t{stamp(n, 18)}\t{stamp(n + 1, 18)}\tShipped\tMerchant\tS\t1\tAmazon.com" for n in range(ORDERS)
    ]}  # fmt: skip
    if promises:
        texts["order_report.txt"] = [ORDER_REPORT] + [
            f"{order_id(n)}\t{n}\t{stamp(n, 18)}\tS\t1\t{stamp(n + 2, 20)}\t{stamp(n + 7, 20)}\tAmazon.com"
            for n in range(ORDERS)
        ]
    if listed is not None:
        texts["late_shipments_2026-06-01.csv"] = [LIST] + [
            f"{order_id(n)},{START + timedelta(days=n + 2)},{START + timedelta(days=n + 3)}" for n in listed
        ]
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [folder / name for name in texts]


def late_shipment(folder: Path, paths: list[Path], as_of: date) -> dict:
    """Late shipment over 30 days, with how many orders of those days are unknown."""
    store = Store(folder / "store")
    assert not [one.refused for one in import_files(paths, store, "acme", "US") if one.refused]
    desk = Workspace(store.folder)
    rows = desk.score(as_of, metrics=["late_shipment_rate"])
    [row] = rows[rows["window"] == 30].to_dict("records")
    held, evening = desk.counts.unknown, pd.Timestamp(as_of)
    held = held[(held["metric"] == "late_shipment_rate") & held["clock_day"].between(row["first_day"], evening)]
    held = held[(held["known_on"] <= evening) & ~(held["until_day"] <= evening)]
    return row | {"unknown": held["counted"].sum(), "proxy": None if pd.isna(row["proxy"]) else row["proxy"]}


def told(row: dict) -> tuple:
    return row["at_fault"], row["counted"], row["unknown"], row["proxy"]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [((0, 1, 28), (3, 30, 0, "confirmations_from_list")), ((), (0, 30, 0, "confirmations_from_list"))],
)
def test_the_order_report_and_the_list_together_give_late_shipment(tmp_path, listed, expected):
    # Due on 3 to 30 May and on 1 and 2 June; the days from 3 May to 1 June are the window of 1 June.
    assert told(late_shipment(tmp_path, files(tmp_path, listed), date(2026, 6, 1))) == expected


def test_a_header_alone_says_that_no_order_was_late(tmp_path):
    row = late_shipment(tmp_path, files(tmp_path, ()), date(2026, 6, 1))
    assert (row["status"], row["rate"]) == ("on target", 0.0)


def test_before_the_day_of_the_list_and_for_orders_due_later_nothing_is_known(tmp_path):
    paths = files(tmp_path, (0,))
    assert told(late_shipment(tmp_path, paths, date(2026, 5, 31))) == (0, 0, 29, None)
    # On 5 June the window begins on 7 May; 26 orders were due by 1 June, four after.
    assert told(late_shipment(tmp_path, paths, date(2026, 6, 5))) == (0, 26, 4, "confirmations_from_list")


def test_without_ship_by_days_or_without_the_list_every_order_is_unknown(tmp_path):
    for name, paths in (("list", {"listed": (0,), "promises": False}), ("report", {"listed": None})):
        folder = tmp_path / name
        folder.mkdir()
        row = late_shipment(folder, files(folder, **paths), date(2026, 6, 1))
        assert (row["counted"], row["proxy"], row["status"]) == (0, None, "no data")
        assert row["unknown"] == 30
