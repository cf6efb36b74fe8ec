"""A file that looks like a mistake is refused before it is added, with the cure: nothing of it is stored."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from healthkit.cli import app
from healthkit.ingest import importer
from healthkit.ingest.importer import ImportResult, import_files
from healthkit.store import Store, check, conflicts, find_removal, remove
from tests.builders import raw_files as files
from tests.builders.feedback_files import HEAD as FEEDBACK_HEAD
from tests.builders.feedback_files import days, order_id, written
from tests.builders.raw_files import FIRST, SECOND, put
from tests.builders.store_files import import_all, orders, raw, taken


def imported(store: Store, *paths: Path, **told: Any) -> dict[str, ImportResult]:
    """What became of each file, by its name with its folder."""
    return {one.name: one for one in import_files(paths, store, **told)}


def refusals(outcomes: dict[str, ImportResult]) -> dict[str, str]:
    return {name: one.refused for name, one in outcomes.items() if one.refused}


# -- order ids of another account ---------------------------------------------------------------------------------


def test_a_file_of_orders_that_another_account_has_is_refused_and_the_others_go_on(tmp_path, store):
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    wrong = raw(tmp_path / "new", "bolt", 1, rows=25)
    outcomes = imported(store, wrong, raw(tmp_path / "new", "bolt", 2))
    assert list(refusals(outcomes)) == ["bolt/orders-001.txt"]
    why = outcomes["bolt/orders-001.txt"].refused or ""
    assert "account 'acme' has 20 order ids of this file for 'bolt', the first 001-0000000-0000000" in why
    assert "--account acme" in why
    assert "--anyway" in why
    assert {order[:3] for order in orders(store)} == {"001", "002"}
    assert (len(orders(store)), check(store).orphan_rows) == (40, 0)
    # Nothing of it is known: it is refused again, and taken for the right account.
    assert list(refusals(imported(store, wrong))) == ["bolt/orders-001.txt"]
    assert refusals(imported(store, wrong, account="acme")) == {}
    assert len(orders(store)) == 45


def test_with_anyway_it_is_taken_with_a_warning(tmp_path, store):
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    outcomes = imported(store, raw(tmp_path / "new", "bolt", 1, rows=25), anyway=True)
    [one] = outcomes.values()
    assert one.parsed_file is not None
    assert ["account 'acme' has 20 order ids" in warning for warning in one.warnings] == [True]
    assert store.accounts() == ["acme", "bolt"]


def test_two_accounts_of_one_import_that_share_orders_are_seen_too(tmp_path, store):
    place = tmp_path / "raw"
    raw(place, "acme", 1)
    raw(place, "bolt", 1, rows=3)
    raw(place, "cove", 1, rows=2)
    raw(place, "cove", 2)
    outcomes = imported(store, place)
    assert {name: "account 'acme' has" in why for name, why in refusals(outcomes).items()} == {
        "bolt/orders-001.txt": True, "cove/orders-001.txt": True,
    }  # fmt: skip
    assert store.accounts() == ["acme", "cove"]


def test_a_file_is_not_held_against_one_that_is_refused(tmp_path, store):
    """B shares orders with A, which the store has, and C with B alone: C is taken."""
    import_all(store, raw(tmp_path / "old", "acme", 1))
    place = tmp_path / "raw"
    both = raw(place, "bolt", 1, rows=2)
    other = raw(place, "cove", 2, rows=2)
    both.write_text(both.read_text() + "\n".join(other.read_text().splitlines()[1:]) + "\n")
    assert list(refusals(imported(store, place))) == ["bolt/orders-001.txt"]
    assert store.accounts() == ["acme", "cove"]


def test_feedback_and_defects_of_orders_of_another_account_are_refused(tmp_path, store):
    import_all(store, [put(tmp_path, files.ALL_ORDERS, account="acme"), raw(tmp_path / "raw", "bolt", 9)])
    wrong = [
        put(tmp_path, files.FEEDBACK, account="bolt", name="feedback.txt"),
        put(tmp_path, files.DEFECTS, account="bolt", name="defects.csv"),
    ]
    outcomes = imported(store, *wrong, marketplace="US")
    assert list(refusals(outcomes)) == ["bolt/feedback.txt", "bolt/defects.csv"]
    assert refusals(imported(store, *wrong, account="acme")) == {}
    # And the other way round: feedback that went into the wrong account is seen when the orders come.
    remove(store, find_removal(store, account="acme"))
    imported(store, *wrong, marketplace="US")
    late = imported(store, put(tmp_path, files.ALL_ORDERS, account="acme", name="late.txt"))
    assert "account 'bolt' has 2 order ids" in refusals(late)["acme/late.txt"]


def test_one_account_may_have_an_order_in_two_marketplaces(tmp_path, store):
    import_all(store, raw(tmp_path / "raw", "acme", 1), raw(tmp_path / "ca", "acme", 1, channel="Amazon.ca"))
    assert store.marketplaces("acme") == ["CA", "US"]
    # Amazon gives an id once in all of its marketplaces; elsewhere the same one is of two orders.
    assert refusals(imported(store, raw(tmp_path / "de", "bolt", 1, channel="Amazon.de")))


def shop(report: str, account: str, marketplace: str) -> Any:
    rows = [{"order_id": "1001", "account": account, "marketplace": marketplace}]
    return taken(report, account=account, orders=rows)


def test_two_shops_of_different_marketplaces_may_both_have_an_order_1001(store):
    store.add([shop("a", "acme", "EBAY_US")])
    shared = conflicts.find_orders_shared_with_store(store, [shop("b", "bolt", "ETSY"), shop("c", "cove", "EBAY_US")])
    assert shared == {"c": ("acme", 1, "1001", False)}


def test_the_orders_of_files_of_many_accounts_are_of_several_sellers(tmp_path, store):
    files.place(tmp_path, files.OLIST_ORDERS, account="olist")
    (tmp_path / "again").mkdir()
    for path in (tmp_path / "olist").iterdir():
        (tmp_path / "again" / path.name).write_text(path.read_text() + ("\n" if path.name == "items.csv" else ""))
    import_all(store, tmp_path / "olist")
    assert {"ana", "bia"} == set(store.accounts())
    assert refusals(imported(store, tmp_path / "again")) == {}
    rows = [{"order_id": "o1", "account": "ana", "marketplace": "OLIST"}]
    assert conflicts.find_orders_shared_with_store(store, [taken("a", account="acme", orders=rows)]) == {}


def test_a_large_file_is_looked_up_in_portions_until_one_has_a_shared_order(tmp_path, store, monkeypatch):
    store.add([taken("a", account="acme", orders=[{"order_id": f"o{number}"} for number in range(100)])])
    asked = []
    monkeypatch.setattr(conflicts, "ID_BATCH_ROWS", 10)

    def large(begin: int) -> Any:
        ids = [{"order_id": f"o{begin + number}", "account": "bolt"} for number in range(100)]
        made = taken("b", account="bolt", orders=ids)
        whole = made.tables["orders"]

        class Rows:
            def to_batches(self):
                for first in range(0, 100, 10):
                    asked.append(first)
                    yield from whole.slice(first, 10).to_batches()

        made.tables["orders"] = Rows()
        return made

    assert conflicts.find_orders_shared_with_store(store, [large(200)]) == {}
    assert asked == list(range(0, 100, 10))
    asked.clear()
    assert conflicts.find_orders_shared_with_store(store, [large(85)]) == {"b": ("acme", 10, "o85", True)}
    assert asked == [0, 10]


def test_a_store_of_one_account_is_not_asked_at_all(tmp_path, store, monkeypatch):
    monkeypatch.setattr(conflicts, "_stored_order_ids_sql", lambda *_: pytest.fail("the store was asked"))
    import_all(store, raw(tmp_path / "raw", "acme", 1), raw(tmp_path / "raw", "acme", 2))


def test_many_files_are_one_question(tmp_path, store, monkeypatch):
    import_all(store, raw(tmp_path / "old", "zeta", 500))
    questions = []
    stored_ids = conflicts._stored_order_ids_sql
    monkeypatch.setattr(conflicts, "_stored_order_ids_sql", lambda *words: questions.append(1) or stored_ids(*words))
    import_all(store, [raw(tmp_path / "raw", f"acme-{number % 3}", number, rows=2) for number in range(30)])
    assert questions == [1]


# -- what else of an import rests on a refused file ---------------------------------------------------------------


def test_what_was_placed_by_the_orders_of_a_refused_file_is_read_again_without_them(tmp_path, store):
    """Feedback of bolt names no marketplace. Of acme's orders, given for bolt's, it would be taken to be of the US."""
    import_all(store, put(tmp_path, files.ALL_ORDERS, account="acme"))
    place = tmp_path / "new"
    put(place, files.ALL_ORDERS, account="bolt", name="orders.txt")
    text = files.FEEDBACK.text().replace(FIRST, "222-0000001-0000001").replace(SECOND, "222-0000002-0000002")
    put(place, text, account="bolt", name="feedback.txt")
    outcomes = refusals(imported(store, place))
    assert "has this very file already" in outcomes["bolt/orders.txt"]
    assert "--marketplace" in outcomes["bolt/feedback.txt"]
    assert store.accounts() == ["acme"]
    assert check(store).orphan_rows == 0


def test_a_refused_file_and_its_copy_in_one_import_are_both_refused(tmp_path, store):
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    wrong = raw(tmp_path / "new", "bolt", 1)
    (wrong.parent / "copy.txt").write_text(wrong.read_text())
    assert list(refusals(imported(store, tmp_path / "new"))) == ["bolt/copy.txt", "bolt/orders-001.txt"]


def test_in_small_appends_the_same_is_refused(tmp_path, monkeypatch):
    place = tmp_path / "raw"
    for account, numbers in {"acme": (1, 2), "bolt": (2, 3), "cove": (1, 4)}.items():
        for number in numbers:
            raw(place, account, number, rows=5 + number)
    whole = refusals(imported(Store(tmp_path / "one"), place))
    monkeypatch.setattr(importer, "BATCH_ROWS", 1)
    many = refusals(imported(Store(tmp_path / "many"), place))
    assert list(whole) == list(many) == ["bolt/orders-002.txt", "cove/orders-001.txt"]
    assert orders(Store(tmp_path / "one")) == orders(Store(tmp_path / "many"))


# -- the same file ------------------------------------------------------------------------------------------------

VIOLATIONS = "category,opened-on,violation-id,severity\nlisting_policy,2026-10-01,v1,high\n"


def test_the_same_file_under_a_second_account_is_refused_also_where_it_names_no_order(tmp_path, store):
    for account in ("acme", "bolt"):
        import_all(store, raw(tmp_path / "raw", account, ord(account[0])))
    import_all(store, put(tmp_path, VIOLATIONS, account="acme", name="violations.csv"))
    again = put(tmp_path, VIOLATIONS, account="bolt", name="violations.csv")
    why = refusals(imported(store, again))["bolt/violations.csv"]
    assert "account 'acme' has this very file already (acme/violations.csv)" in why
    assert 'store remove --file "acme/violations.csv" --account "acme"' in why
    [one] = imported(store, again, anyway=True).values()
    assert one.parsed_file is not None
    assert len(one.warnings) == 1
    # After the first is taken out, nothing is known of it any more.
    third = put(tmp_path, VIOLATIONS.replace("v1", "v2"), account="acme", name="violations2.csv")
    import_all(store, third)
    remove(store, find_removal(store, ["violations2.csv"]))
    assert refusals(imported(store, third, account="bolt")) == {}


def test_the_same_file_in_two_folders_of_one_import_is_refused_for_the_second(tmp_path, store):
    for account in ("acme", "bolt"):
        raw(tmp_path / "raw", account, ord(account[0]))
        put(tmp_path / "raw", VIOLATIONS, account=account, name="violations.csv")
    assert list(refusals(imported(store, tmp_path / "raw"))) == ["bolt/violations.csv"]


def test_a_file_without_rows_may_be_of_several_accounts(tmp_path, store):
    header = files.DEFECTS.text().splitlines()[0] + "\n"
    for account in ("acme", "bolt"):
        raw(tmp_path / "raw", account, ord(account[0]))
        put(tmp_path / "raw", header, account=account, name="defects.csv")
    assert refusals(imported(store, tmp_path / "raw")) == {}
    assert refusals(imported(store, put(tmp_path, header, account="cove", name="d.csv"), marketplace="US")) == {}


# -- feedback that is missing -------------------------------------------------------------------------------------


def warned(store: Store, path: Path) -> list[str]:
    [one] = import_files([path], store, "acme", "US")
    assert one.refused is None
    return list(one.warnings)


def test_feedback_that_makes_ratings_vanish_is_taken_with_a_warning_that_says_how_many(tmp_path, store):
    assert warned(store, written(tmp_path / "one.txt", days(1, 3, 5, 7, 9))) == []
    [warning] = warned(store, written(tmp_path / "two.txt", days(1, 7, 20)))
    assert "3 ratings from 2026-03-04 to 2026-03-10 of earlier files are missing" in warning
    assert "from 2026-03-21 on" in warning
    assert f'store remove --file "{tmp_path.name}/two.txt" --account "acme"' in warning
    held = {row["order_id"]: row["removed_on"] for row in store.ledger().feedback.collect().to_native().to_pylist()}
    assert [name for name, gone in held.items() if gone] == [order_id(3), order_id(5), order_id(9)]
    # What is gone already is not told again.
    assert warned(store, written(tmp_path / "three.txt", days(1, 7, 20, 25))) == []


def test_feedback_that_lacks_nothing_or_is_of_other_days_is_not_warned_of(tmp_path, store):
    assert warned(store, written(tmp_path / "one.txt", days(1, 5, 9))) == []
    assert warned(store, written(tmp_path / "two.txt", days(10, 15, 20))) == []
    assert warned(store, written(tmp_path / "three.txt", days(1, 5, 9, 10, 15, 20, 21))) == []


def test_of_two_downloads_in_one_import_the_one_that_lacks_ratings_is_warned_of(tmp_path, store):
    written(tmp_path / "a.txt", days(1, 5, 9))
    written(tmp_path / "b.txt", days(1, 9, 20))
    outcomes = list(import_files([tmp_path / "a.txt", tmp_path / "b.txt"], store, "acme", "US"))
    assert [len(one.warnings) for one in outcomes] == [0, 1]


def test_the_warned_file_is_taken_out_again_and_the_ratings_are_back(tmp_path, store):
    warned(store, written(tmp_path / "one.txt", days(1, 5, 9)))
    assert warned(store, written(tmp_path / "two.txt", days(1, 9, 20)))
    remove(store, find_removal(store, ["two.txt"]))
    rows = store.ledger().feedback.collect().to_native().to_pylist()
    assert [(row["received_on"], row["removed_on"]) for row in rows] == [
        (date(2026, 3, 1) + timedelta(days=day), None) for day in (1, 5, 9)
    ]


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_refuses_with_exit_code_1_and_warns_with_anyway(tmp_path, store, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    words = ["import", str(raw(tmp_path / "new", "bolt", 1)), "--data", str(store.folder)]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1
    assert "refused  bolt/orders-001.txt: account 'acme' has this very file already" in refused.stderr
    assert "0 files imported" in refused.stdout
    taken_anyway = CliRunner().invoke(app, [*words, "--anyway"])
    assert taken_anyway.exit_code == 0
    assert "warning: bolt/orders-001.txt: account 'acme' has" in taken_anyway.stdout


# -- files without rows, and orders of two marketplaces -----------------------------------------------------------


def two_shops(folder: Path) -> list[Path]:
    """Orders of one account in the US and in Canada."""
    return [
        raw(folder / "raw", "acme", 1, channel="Amazon.com"),
        raw(folder / "raw", "acme", 2, channel="Amazon.ca"),
    ]


def test_a_file_without_rows_is_of_every_marketplace_and_says_so(tmp_path, store):
    import_all(store, two_shops(tmp_path))
    header = files.DEFECTS.text().splitlines()[0] + "\n"
    [one] = imported(store, put(tmp_path, header, name="defects.csv")).values()
    [warning] = one.warnings
    assert "it is taken to say that there was nothing in CA and US" in warning
    assert "--marketplace" in warning
    evidence = dict(store.ledger().coverage[["marketplace", "evidence"]].itertuples(index=False))
    assert sorted(evidence) == ["CA", "US"]
    assert all({"claims", "chargebacks"} <= set(words.split("+")) for words in evidence.values())


def test_a_file_without_rows_is_of_the_marketplace_that_was_named_alone(tmp_path, store):
    import_all(store, two_shops(tmp_path))
    header = files.DEFECTS.text().splitlines()[0] + "\n"
    [one] = imported(store, put(tmp_path, header, name="defects.csv"), marketplace="amazon.ca").values()
    assert one.warnings == ()
    evidence = dict(store.ledger().coverage[["marketplace", "evidence"]].itertuples(index=False))
    assert ["claims" in evidence[code].split("+") for code in ("CA", "US")] == [True, False]


def test_a_file_of_feedback_without_ratings_says_that_the_earlier_ones_still_count(tmp_path, store):
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    imported(store, written(tmp_path / "feedback.txt", days(1, 5, 9)), account="acme", marketplace="US")
    empty = tmp_path / "none.txt"
    empty.write_text((tmp_path / "feedback.txt").read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    [one] = imported(store, empty, account="acme").values()
    assert ["the 3 ratings of earlier files still count" in warning for warning in one.warnings] == [True]


def empty_feedback(folder: Path) -> Path:
    """A feedback file with a header alone."""
    path = folder / "empty_feedback.txt"
    path.write_text(FEEDBACK_HEAD + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("together", [False, True])
def test_a_download_without_rows_is_asked_of_which_marketplace_it_is(tmp_path, store, together):
    """Each marketplace has feedback of its own: that of the US says nothing of Canada."""
    orders_of_both, empty = two_shops(tmp_path), empty_feedback(tmp_path)
    if not together:
        import_all(store, orders_of_both)
    paths = [empty, *orders_of_both] if together else [empty]
    [why] = refusals(imported(store, *paths, account="acme")).values()
    assert "no row says of which marketplace the file is, and acme sells in CA and US" in why
    assert "--marketplace" in why
    assert refusals(imported(store, empty, account="acme", marketplace="US")) == {}
    evidence = dict(store.ledger().coverage[["marketplace", "evidence"]].itertuples(index=False))
    assert ["feedback" in evidence[code].split("+") for code in ("CA", "US")] == [False, True]
    # The file of the other marketplace is the same to the byte.
    [other] = imported(store, empty, account="acme", marketplace="CA").values()
    assert other.parsed_file is not None
    assert all("feedback" in words.split("+") for words in store.ledger().coverage["evidence"])
    [again] = imported(store, empty, account="acme", marketplace="CA").values()
    assert again.already_stored


def test_a_download_without_rows_from_before_the_second_marketplace_proves_nothing_there(tmp_path, store):
    first, second = two_shops(tmp_path)
    import_all(store, first)
    assert refusals(imported(store, empty_feedback(tmp_path), account="acme")) == {}
    assert "feedback" in store.ledger().coverage["evidence"].iloc[0].split("+")
    import_all(store, second)
    assert not any("feedback" in words.split("+") for words in store.ledger().coverage["evidence"])


def test_a_settlement_without_claims_is_evidence_where_its_rows_are_of(tmp_path, store):
    import_all(store, two_shops(tmp_path))
    rows = "7\tOrder\t001-0000003-0000000\tAmazon.ca\t5.00\t2026-10-20\n"
    head = "settlement-id\ttransaction-type\torder-id\tmarketplace-name\tamount\tposted-date\n"
    [one] = imported(store, put(tmp_path, head + rows, name="settlement.txt")).values()
    assert (one.refused, one.warnings) == (None, ())
    evidence = dict(store.ledger().coverage[["marketplace", "evidence"]].itertuples(index=False))
    assert ["chargebacks" in evidence[code].split("+") for code in ("CA", "US")] == [True, False]


def test_a_defect_of_an_order_that_two_marketplaces_have_is_asked_for(tmp_path, store):
    import_all(store, [raw(tmp_path / "us", "acme", 1), raw(tmp_path / "ca", "acme", 1, channel="Amazon.ca")])
    row = "order-id,kind,known-on\n001-0000003-0000000,a_to_z_claim,2026-10-20\n"
    told = put(tmp_path, row, name="defects.csv")
    [why] = refusals(imported(store, told)).values()
    assert "order 001-0000003-0000000 is known in CA and US" in why
    assert "Fill in marketplace, or say which with --marketplace" in why
    assert refusals(imported(store, told, marketplace="CA")) == {}
    assert store.ledger().defects.collect("pyarrow").to_native()["marketplace"].to_pylist() == ["CA"]


def test_so_it_is_where_the_orders_are_of_the_same_import(tmp_path, store):
    paths = [raw(tmp_path / "1", "acme", 1), raw(tmp_path / "2", "acme", 1, channel="Amazon.ca")]
    row = "order-id,kind,known-on\n001-0000003-0000000,a_to_z_claim,2026-10-20\n"
    outcomes = imported(store, *paths, put(tmp_path, row, name="z_defects.csv"))
    assert list(refusals(outcomes)) == ["acme/z_defects.csv"]
