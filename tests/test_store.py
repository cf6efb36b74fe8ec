"""The store: what several files state of one row, and that nothing half-read, doubled or lost is ever seen."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import narwhals as nw
import pytest

from healthkit.analysis import order_details
from healthkit.schema import tables
from healthkit.store import Store, StoreError, build_ledger, check
from tests.builders.store_files import _TABLES, FIRST, taken

HOUR = timedelta(hours=1)


def read(store: Store, name: str = "orders", accounts: list[str] | None = None) -> list[dict[str, Any]]:
    """The rows of one table as they are known now."""
    frame = getattr(store.ledger(accounts), name).collect("pyarrow").to_native()
    return frame.to_pylist()


def only(store: Store, name: str = "orders") -> dict[str, Any]:
    [row] = read(store, name)
    return row


# -- what stands of several statements --------------------------------------------------------------------


def test_the_newest_statement_stands_in_whatever_order_the_files_come(store):
    store.add([taken("new", orders=[{"status": "shipped", "updated_at": FIRST + HOUR}])])
    store.add([taken("old", orders=[{"status": "pending"}])])
    assert (only(store)["status"], only(store)["updated_at"]) == ("shipped", FIRST + HOUR)


def test_what_the_newest_file_does_not_know_stays_as_an_older_one_said(store):
    store.add([taken("old", orders=[{"status": "shipped", "channel": "seller", "units": 2}])])
    store.add([taken("new", orders=[{"status": None, "units": 3, "updated_at": FIRST + HOUR}])])
    row = only(store)
    assert (row["status"], row["channel"], row["units"]) == ("shipped", "seller", 3)


def test_of_two_statements_of_one_moment_the_later_import_stands(store):
    store.add([taken("a", orders=[{"status": "pending"}])])
    store.add([taken("b", orders=[{"status": "shipped"}]), taken("c", orders=[{"status": "cancelled"}])])
    assert only(store)["status"] == "cancelled"
    store.add([taken("d", orders=[{"status": "shipped"}])])
    assert only(store)["status"] == "shipped"


def test_the_first_day_of_cancelling_and_the_first_confirmation_stand(store):
    early, late = date(2026, 3, 4), date(2026, 3, 6)
    at = {day: datetime(day.year, day.month, day.day, 9, tzinfo=UTC) for day in (early, late)}
    store.add([taken("a", orders=[{"cancelled_on": early, "shipped_at": at[late], "shipped_on": late}])])
    newer = {"cancelled_on": late, "shipped_at": at[early], "shipped_on": early, "updated_at": FIRST + HOUR}
    store.add([taken("b", orders=[newer])])
    row = only(store)
    assert (row["cancelled_on"], row["shipped_on"], row["shipped_at"]) == (early, early, at[early])


def test_an_order_is_delivered_with_the_last_delivery_that_any_file_knows(store):
    early, late = date(2026, 3, 4), date(2026, 3, 6)
    store.add([taken("new", orders=[{"delivered_on": early, "updated_at": FIRST + HOUR}])])
    store.add([taken("old", orders=[{"delivered_on": late}])])
    assert only(store)["delivered_on"] == late


def test_a_claim_that_a_later_file_says_is_cleared_is_one_row(store):
    store.add([taken("a", "defects", orders=[{}], defects=[{}])])
    cleared = {"cleared_on": date(2026, 3, 20), "updated_at": FIRST + HOUR}
    store.add([taken("b", "defects", defects=[cleared])])
    assert only(store, "defects")["cleared_on"] == date(2026, 3, 20)


def test_a_known_defect_and_an_assumed_one_of_the_same_day_stay_two(store):
    store.add([taken("a", orders=[{}], defects=[{}, {"assumed": "claim_day_from_return"}])])
    assert [row["assumed"] for row in read(store, "defects")] == ["claim_day_from_return", None]


def test_one_order_id_in_two_marketplaces_is_two_orders(store):
    store.add([taken("a", orders=[{}, {"marketplace": "CA"}])])
    assert [row["marketplace"] for row in read(store)] == ["CA", "US"]


def test_a_table_of_which_nothing_was_imported_is_empty(store):
    store.add([taken("a", orders=[{}])])
    assert read(store, "feedback") == []
    assert read(store, "shipments") == []


def test_a_ledger_in_memory_merges_as_the_store_does():
    held = taken("a", orders=[{"status": "pending"}, {"status": "shipped", "updated_at": FIRST + HOUR}])
    ledger = build_ledger(held.tables)
    assert ledger.orders.collect("pyarrow").to_native()["status"].to_pylist() == ["shipped"]
    [told] = ledger.coverage.to_dict("records")
    assert (told["account"], told["orders"], told["begins_on"].date()) == ("acme", 1, date(2026, 3, 1))


# -- whole or not at all ----------------------------------------------------------------------------------


def test_rows_of_a_file_that_reports_does_not_name_are_never_read(store):
    store.add([taken("a", orders=[{}])])
    # The import breaks between its appends: rows of "b" are there, its row of REPORTS is not.
    broken = taken("b", orders=[{"order_id": "o2", "account": "bolt", "marketplace": "CA"}], items=[{"order_id": "o2"}])
    for name, rows in broken.tables.items():
        store._append(_TABLES[name], rows)
    assert [row["order_id"] for row in read(store)] == ["o1"]
    assert read(store, "items") == []
    assert (store.accounts(), store.marketplaces(), store.imported_digests()) == (["acme"], ["US"], {"a"})
    assert store.marketplace_of("bolt", ["o2"]) == {}
    assert order_details.products_of_orders(store.ledger().items, ["o2"]).empty
    assert order_details.products_of_orders(store.ledger().in_memory().items, []).empty


def test_a_file_taken_in_again_after_a_break_counts_once(store):
    file = taken("a", orders=[{}, {"order_id": "o2"}], items=[{"units": 3}])
    store._append(tables.ORDERS, file.tables["orders"])
    assert not store.exists()
    store.add([file])
    assert [row["order_id"] for row in read(store)] == ["o1", "o2"]
    assert store.ledger().coverage["orders"].tolist() == [2]


def test_every_import_is_one_version(store):
    assert (store.version(), store.exists(), store.imported_digests()) == (-1, False, set())
    store.add([taken("a", orders=[{}]), taken("b", orders=[{"order_id": "o2"}])])
    assert store.version() == 0
    store.add([taken("c", orders=[{"order_id": "o3"}])])
    assert (store.version(), store.exists(), store.imported_digests()) == (1, True, {"a", "b", "c"})


def test_a_file_that_holds_no_rows_is_remembered(store):
    store.add([taken("a", orders=[])])
    assert store.imported_digests() == {"a"}
    assert read(store) == []
    assert store.accounts() == []


def test_reports_stand_in_the_order_of_their_import(store):
    store.add([taken("z", orders=[{}]), taken("y", orders=[{"order_id": "o2"}])])
    store.add([taken("a", "defects", account=None, defects=[{}])])
    held = store.reports()
    assert held[["report", "name", "kind", "number"]].to_numpy().tolist() == [
        ["z", "z.txt", "all_orders", 0],
        ["y", "y.txt", "all_orders", 1],
        ["a", "a.txt", "defects", 2],
    ]


def add_from_threads(store: Store, threads: int = 4, adds: int = 5) -> list[Exception]:
    """Adds of one order each from several threads at once; what went wrong, if anything."""
    went_wrong: list[Exception] = []
    together = threading.Barrier(threads)

    def work(who: int) -> None:
        together.wait()
        for place in range(adds):
            try:
                store.add([taken(f"r{who}-{place}", orders=[{"order_id": f"o{who}-{place}"}])])
            except Exception as error:
                went_wrong.append(error)

    workers = [threading.Thread(target=work, args=(who,)) for who in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return went_wrong


def test_four_writers_at_once_lose_and_double_nothing(store):
    store.add([taken("a", orders=[{}])])
    assert add_from_threads(store) == []
    assert Counter(row["order_id"] for row in read(store)) == Counter(
        ["o1", *(f"o{who}-{place}" for who in range(4) for place in range(5))]
    )
    assert len(store.reports()) == 21


def test_four_writers_into_a_store_that_is_not_there_yet_lose_nothing_either(store):
    assert add_from_threads(store) == []
    assert len(read(store)) == len(store.reports()) == 20


# -- questions --------------------------------------------------------------------------------------------


def test_questions_at_once_to_several_stores_are_answered_each_by_its_own(tmp_path):
    stores = {f"acme-{number}": Store(tmp_path / f"store-{number}") for number in range(3)}
    for name, store in stores.items():
        store.add([taken("a", account=name, orders=[{"account": name}])])
    with ThreadPoolExecutor(6) as pool:
        asked = [(name, pool.submit(lambda one: (one.accounts(), len(one.reports())), stores[name]))
                 for name in [*stores] * 8]  # fmt: skip
        assert [future.result() for _, future in asked] == [([name], 1) for name, _ in asked]


@pytest.mark.parametrize("folder", ["what?", "star*", "o'brien", 'said "so"', "100 {a,b}"])
def test_a_folder_is_meant_as_it_is_named(tmp_path, folder):
    """DuckDB takes some signs of a path for a pattern; a neighbour that fits it is no part of the store."""
    for name in (folder, "whats", "starry", "100 a"):
        Store(tmp_path / name).add([taken(name, account=name, orders=[{"account": name}])])
    store = Store(tmp_path / folder)
    assert store.accounts() == [folder]
    assert store.ledger([folder]).orders.collect().to_native()["account"].to_pylist() == [folder]
    assert check(store).damages == []


def test_a_store_that_is_not_there_says_how_to_make_one(store):
    for question in (store.reports, store.ledger):
        with pytest.raises(StoreError) as said:
            question()
        assert str(said.value) == (
            f"There is no store at {store.folder}. Import files first: "
            f"python -m healthkit import PATH --data {store.folder}"
        )


def test_a_folder_that_is_no_store_is_left_alone(tmp_path):
    assert Store(tmp_path).accounts() == []
    assert Store(tmp_path).marketplace_of("acme", ["o1"]) == {}
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_account_is_named_with_those_there_are(store):
    store.add([taken("a", account=None, orders=[{}, {"account": "bolt"}])])
    with pytest.raises(StoreError) as said:
        store.ledger(["acme", "cask", "dune"])
    assert str(said.value) == f"No account 'cask', 'dune' in {store.folder}. There are: acme, bolt."


def test_of_many_accounts_the_first_twelve_are_shown(store):
    store.add([taken("a", account=None, orders=[{"account": f"shop{n:02}"} for n in range(15)])])
    with pytest.raises(StoreError, match=r"There are: shop00, .*, shop11 and 3 more\.$"):
        store.ledger(["nobody"])


def test_a_ledger_of_one_account_holds_nothing_of_the_others(store):
    rows = [{}, {"account": "bolt", "order_id": "o2"}]
    store.add([taken("a", account=None, orders=rows, defects=rows)])
    for name in ("orders", "defects"):
        assert [row["account"] for row in read(store, name, ["bolt"])] == ["bolt"]
    assert store.ledger(["bolt"]).coverage["account"].tolist() == ["bolt"]
    assert len(read(store, "orders", ["bolt", "acme", "bolt"])) == 2


def test_the_marketplace_of_known_orders_is_known(store):
    store.add([taken("a", orders=[{}, {"order_id": "o2", "marketplace": "DE"}])])
    store.add([taken("b", account="bolt", orders=[{"account": "bolt", "order_id": "o3"}])])
    assert store.marketplace_of("acme", ["o1", "o2", "o3", "o4"]) == {"o1": "US", "o2": "DE"}
    assert store.marketplace_of("acme", []) == {}


def test_the_first_known_confirmation_of_a_parcel_stays_and_its_newest_delivery(store):
    times = [FIRST + timedelta(days=number) for number in (1, 2, 9, 8)]
    store.add([taken("a", shipments=[{"confirmed_at": times[0], "delivered_at": times[2]}])])
    newer = {"confirmed_at": times[1], "delivered_at": times[3], "updated_at": FIRST + timedelta(days=20)}
    store.add([taken("b", shipments=[newer])])
    row = only(store, "shipments")
    assert (row["confirmed_at"], row["delivered_at"]) == (times[0], times[3])


def test_an_order_number_of_two_marketplaces_is_known_in_both(store):
    store.add([taken("a", orders=[{}]), taken("b", orders=[{"marketplace": "CA"}])])
    assert store.marketplace_of("acme", ["o1"]) == {"o1": "CA+US"}


def test_an_order_that_was_cancelled_and_then_shipped_says_since_when_it_is_no_longer(store):
    later = {"updated_at": FIRST + timedelta(days=3), "status": "shipped"}
    last = {"updated_at": FIRST + timedelta(days=5), "status": "shipped"}
    cancelled = {"status": "cancelled", "cancelled_on": FIRST.date()}
    other = {"order_id": "o2"}
    store.add([taken("a", orders=[cancelled, {**other, "status": "shipped"}])])
    store.add([taken("c", orders=[last])])
    store.add([taken("b", orders=[later, {**other, **later, **cancelled}])])
    rows = {row["order_id"]: row for row in read(store, "orders")}
    assert [rows["o1"][name] for name in ("status", "cancelled_on", "restored_on")] == [
        "shipped", FIRST.date(), (FIRST + timedelta(days=3)).date(),
    ]  # fmt: skip
    assert [rows["o2"][name] for name in ("status", "restored_on")] == ["cancelled", None]


def test_a_marketplace_without_an_order_day_is_not_one_of_the_stores(store):
    store.add([taken("a", orders=[{}, {"order_id": "o2", "marketplace": "DE", "ordered_on": None}])])
    assert store.marketplaces() == ["US"]


def test_what_was_bought_is_the_first_line_of_each_order(store):
    lines = [
        {"sku": "s2", "product": "Stand"},
        {"sku": "s1", "product": "Screen"},
        {"order_id": "o2", "sku": "s3"},
        {"order_id": "o1", "sku": "s0", "product": "Other shop", "marketplace": "DE"},
    ]
    store.add([taken("a", orders=[{}, {"order_id": "o2"}], items=lines)])
    items = store.ledger().items.filter(nw.col("marketplace") == "US")
    products = order_details.products_of_orders(items, ["o2", "o1", "o9"]).astype(object)
    assert products.where(products.notna(), None).to_numpy().tolist() == [["o1", "s1", "Screen"], ["o2", "s3", None]]


def test_coverage_reaches_as_far_as_the_files_of_the_orders(store):
    # The files reach further than the orders in them; the defects file does not count.
    march, april = (date(2026, 3, 1), date(2026, 3, 31)), (date(2026, 4, 1), date(2026, 4, 30))
    store.add([taken("b", days=april, orders=[{"order_id": "o2", "ordered_on": date(2026, 4, 7)}])])
    store.add([taken("a", days=march, orders=[{"ordered_on": date(2026, 3, 9)}])])
    store.add([taken("c", "defects", days=(date(2026, 1, 1), date(2026, 12, 31)), defects=[{}])])
    [told] = store.ledger().coverage.to_dict("records")
    days = told["begins_on"].date(), told["ends_on"].date()
    assert (told["account"], told["marketplace"], *days, told["orders"]) == ("acme", "US", march[0], april[1], 2)


@pytest.mark.parametrize(
    ("kinds", "evidence"),
    [
        (["all_orders"], ""),
        (["all_orders", "feedback"], "feedback"),
        (["all_orders", "returns"], "claims+returns"),
        (["all_orders", "feedback", "defects", "returns"], "chargebacks+claims+feedback+returns"),
    ],
)
def test_coverage_says_of_what_the_imported_files_can_tell(store, kinds, evidence):
    store.add([taken(kind, kind, orders=[{}] if kind == "all_orders" else []) for kind in kinds])
    store.add([taken("other", "defects", account="bolt", orders=[{"account": "bolt"}])])
    told = store.ledger().coverage
    assert told["evidence"].tolist() == [evidence, "chargebacks+claims"]
