"""The marketplace's lists of defects, by the column map, and the settlement file: what they say, and what is refused."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit.ingest.formats import ReaderError, defect_lists, discover_files, parse_file
from healthkit.ingest.formats.registry import table_kinds
from healthkit.ingest.parsing import column_map
from healthkit.schema import tables
from healthkit.store.merge_sql import build_ledger
from tests.builders.damaged_files import said_of, seeded
from tests.builders.raw_files import (
    FIRST,
    INVOICE_DEFECTS,
    LATE,
    MARK,
    ORDER_DEFECTS,
    SECOND,
    SETTLEMENT,
    THIRD,
    put,
)

# ruff: noqa: E501 - tables of cells are wider than lines of code


def taken(folder, file, **told):
    put(folder, file, name=file.name)
    (source,), refused = discover_files([folder])
    assert refused == []
    one = parse_file(source, marketplace=told.get("marketplace", None if file.kind == "settlement" else "US"))
    assert one.kind == file.kind
    [name] = {"defects", "postings"} & set(one.tables)
    tables.check_table(one.tables[name], {"defects": tables.DEFECTS, "postings": tables.POSTINGS}[name])
    return one


def ledger(*files):
    """What some files come to together: the ledger, in memory, of what they were read as."""
    names = {name for one in files for name in one.tables}
    return build_ledger(
        {name: pa.concat_tables([one.tables[name] for one in files if name in one.tables]) for name in names}
    )


def defects(one):
    rows = ledger(one).defects.collect().to_native().to_pylist()
    return sorted((row["order_id"], row["kind"], row["known_on"], row["assumed"]) for row in rows)


# -- what a list says -------------------------------------------------------------------------------------


def test_each_mark_of_a_row_is_a_defect_known_on_the_day_of_the_list(tmp_path):
    day, guessed = date(2026, 3, 31), "day_from_list"
    assert defects(taken(tmp_path, ORDER_DEFECTS)) == [
        (FIRST, "negative_feedback", day, guessed),
        (SECOND, "a_to_z_claim", day, guessed),
        (SECOND, "chargeback", day, guessed),
    ]


def lists_of(one):
    rows = one.tables["account_states"].to_pylist()
    return [(row["marketplace"], row["kind"], row["name"], row["as_of"], row["count"]) for row in rows]


def test_a_list_says_of_which_day_it_is_and_how_many_orders_it_names(tmp_path):
    one = taken(tmp_path, ORDER_DEFECTS)
    tables.check_table(one.tables["account_states"], tables.ACCOUNT_STATES)
    # Of three rows the third marks no defect.
    assert lists_of(one) == [("US", "list", "list_order_defects", date(2026, 3, 31), 2)]
    # Without a day in its name a list is of the newest day that it holds.
    late = taken(tmp_path / "late", LATE)
    assert lists_of(late) == [("US", "list", "list_late_shipments", date(2026, 3, 7), 2)]
    assert late.notes == []


@pytest.mark.parametrize(
    ("marketplace", "sells_in", "expected"), [("US", {"US", "CA"}, ["US"]), (None, {"US", "CA"}, ["CA", "US"]), (None, {}, [])]
)  # fmt: skip
def test_a_list_without_rows_is_one_of_every_marketplace_that_is_meant(tmp_path, marketplace, sells_in, expected):
    put(tmp_path, LATE.text().splitlines()[0] + "\n", name="late_2026-03-31.csv")
    one = parse_file(
        discover_files([tmp_path])[0][0], marketplace=marketplace, marketplaces_of=lambda account: sells_in
    )
    day = date(2026, 3, 31)
    assert lists_of(one) == [(code, "list", "list_late_shipments", day, 0) for code in expected]


def test_a_day_of_its_own_is_no_assumption_however_it_is_written(tmp_path):
    assert defects(taken(tmp_path, LATE)) == [
        (FIRST, "shipped_late", date(2026, 3, 6), None),
        (SECOND, "shipped_late", date(2026, 3, 7), None),
    ]


def test_a_word_says_which_defect_it_is(tmp_path):
    assert [row[1:3] for row in defects(taken(tmp_path, INVOICE_DEFECTS))] == [
        ("invoice_missing", date(2026, 3, 10)), ("invoice_late", date(2026, 3, 10)),
    ]  # fmt: skip


def test_a_list_without_a_day_in_its_name_is_of_its_newest_day_and_says_so(tmp_path):
    put(tmp_path, ORDER_DEFECTS, name="defects.csv")
    one = parse_file(discover_files([tmp_path])[0][0], marketplace="US")
    assert {row[2] for row in defects(one)} == {date(2026, 3, 4)}
    assert any("taken as of 2026-03-04" in note for note in one.notes)


def test_a_list_that_tells_of_no_day_is_refused_with_the_cure(tmp_path):
    blank = ORDER_DEFECTS
    for row in range(3):
        blank = blank.with_cell(row, "Order date", "")
    put(tmp_path, blank, name="defects.csv")
    assert "Put the day of the download into its name" in said_of(tmp_path, marketplace="US")


def test_an_order_in_several_rows_is_one_defect_of_each_kind(tmp_path):
    twice = LATE.with_cell(1, "Order-ID", FIRST)
    assert defects(taken(tmp_path, twice)) == [(FIRST, "shipped_late", date(2026, 3, 6), None)]


def test_a_header_never_seen_names_the_nearest_list_and_the_file_to_edit(tmp_path):
    put(tmp_path, ORDER_DEFECTS.text().replace("A-to-z claim", "Garantía de la A a la Z"), name="defects.csv")
    said = discover_files([tmp_path])[1][0].message
    assert "The nearest kind: list of orders with defects; the file lacks a_to_z_claim" in said
    assert "garantía-de-la-a-a-la-z" in said
    assert "add its name to data/column_map.yaml" in said


def test_a_word_never_seen_names_the_words_there_are(tmp_path):
    put(tmp_path, INVOICE_DEFECTS.with_cell(0, "Defect Type", "Torn"))
    assert "no known defect; there are: missing-invoice" in said_of(tmp_path, marketplace="US")


# -- the column map ---------------------------------------------------------------------------------------


def test_no_two_lists_are_known_by_the_same_columns():
    needed = [frozenset(kind.required_columns) for kind in defect_lists.defect_list_kinds()]
    assert len(needed) == len(set(needed)) == 8
    assert {kind.name for kind in defect_lists.defect_list_kinds()} <= {kind.name for kind in table_kinds()}


def test_a_spelling_that_the_user_adds_is_known(tmp_path, monkeypatch):
    text = column_map.FILE.read_text(encoding="utf-8").replace("A-to-z claim,", "A-to-z claim, Garantía,", 1)
    mine = tmp_path / "map.yaml"
    mine.write_text(text, encoding="utf-8")
    assert column_map.load_defect_lists(mine)["list_order_defects"].kind.aliases["garantía"] == "a_to_z_claim"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("each: shipped_late", "each: lost", "list_late_shipments: no kind of defect 'lost'. There are: "),
        ("each: shipped_late", "all: shipped_late", "list_late_shipments has no field all. There are: columns, each"),
        ("each: cancelled", "", "list_cancellations needs one of each, marks and words; it has none."),
        ("known_by: [no_tracking]", "known_by: [colour]", "list_valid_tracking has no column 'colour'"),
        ("title: list of late shipments", "title: [", "is not YAML"),
        ("order-date: [Order date]", "order-date: Order date", "give a list of spellings"),
        ("title: list of late shipments", "title: a\n    title: b", "duplicate title"),
    ],
)
def test_a_map_that_cannot_be_read_names_file_line_and_field(tmp_path, old, new, said):
    text = column_map.FILE.read_text(encoding="utf-8")
    assert old in text
    mine = tmp_path / "column_map.yaml"
    mine.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ReaderError, match=re.escape(said)) as refused:
        column_map.load_defect_lists(mine)
    assert "column_map.yaml" in str(refused.value)


def test_without_a_map_no_list_is_known(tmp_path):
    assert column_map.load_defect_lists(tmp_path / "none.yaml") == {}


# -- the settlement file ----------------------------------------------------------------------------------


def settled(*files):
    """What settlements come to: order, kind, first and last day, what was assumed."""
    rows = ledger(*files).defects.collect().to_native().to_pylist()
    return [(row["order_id"], row["kind"], row["known_on"], row["cleared_on"], row["assumed"]) for row in rows]


CLAIM, CHARGEBACK = "claim_day_from_money", "chargeback_day_from_money"


def test_money_taken_is_a_defect_and_money_given_back_clears_it(tmp_path):
    one = taken(tmp_path, SETTLEMENT)
    assert settled(one) == [
        (FIRST, "a_to_z_claim", date(2026, 3, 9), date(2026, 3, 20), CLAIM),
        (SECOND, "chargeback", date(2026, 3, 10), None, CHARGEBACK),
        (THIRD, "refund", date(2026, 3, 11), None, None),
    ]
    assert one.skipped == {"rows of other money: sales, fees, totals": 2}
    assert {row["marketplace"] for row in one.tables["postings"].to_pylist()} == {"DE"}


def settlement(folder, lines, name="settlement.txt", old=False):
    """A settlement of the US: lines of (type, order, day, amount, item)."""
    amount = ("price-type", "price-amount") if old else ("amount-type", "amount")
    header = ("settlement-id", "transaction-type", "order-id", "marketplace-name", *amount, "posted-date")
    rows = [("7", kind, order, "Amazon.com", "Principal", money, day, item) for kind, order, day, money, item in lines]
    put(folder, "\n".join("\t".join(row) for row in [(*header, "order-item-code"), *rows]) + "\n", name=name)
    (source,), refused = discover_files([folder])
    assert refused == []
    return parse_file(source)


def test_money_given_back_on_its_day_or_alone_is_no_defect(tmp_path):
    lines = [
        ("Refund", FIRST, "2026-05-08", "-3.00", "1"),
        ("Refund", FIRST, "2026-05-08", "3.00", "1"),
        ("A-to-z Guarantee Recovery", SECOND, "2026-05-09", "8.00", "2"),
    ]
    assert settled(settlement(tmp_path, lines)) == []


def test_an_order_that_is_refunded_again_is_at_fault_again(tmp_path):
    lines = [
        ("Refund", FIRST, "2026-05-08", "-3.00", "1"),
        ("Refund", FIRST, "2026-05-10", "3.00", "1"),
        ("Refund", FIRST, "2026-05-20", "-2.00", "1"),
    ]
    assert settled(settlement(tmp_path, lines)) == [
        (FIRST, "refund", date(2026, 5, 8), date(2026, 5, 10), None),
        (FIRST, "refund", date(2026, 5, 20), None, None),
    ]


def test_types_count_whole_and_those_that_only_begin_alike_are_told(tmp_path):
    kinds = ["Refund_Retrocharge", "A-to-z Guarantee Refund", "Chargeback Recovery", "Chargeback Refund", "Refund fee"]
    lines = [(kind, FIRST, "2026-05-08", f"-{place}.00", "1") for place, kind in enumerate(kinds, 1)]
    one = settlement(tmp_path, lines)
    assert {row["kind"] for row in one.tables["postings"].to_pylist()} == {"a_to_z_claim", "chargeback"}
    assert one.notes == ["transaction types that are not known were passed over: 'Refund fee' (1 rows)."]


@pytest.mark.parametrize(
    ("channel", "written"),
    [
        ("Amazon.co.uk", "14.10.2026"),
        ("Amazon.fr", "14.10.2026"),
        ("Amazon.ca", "14.10.2026 05:23:11 UTC"),
        ("Amazon.com.mx", "14.10.2026"),
        ("Amazon.co.jp", "2026/10/14"),
        ("Amazon.com", "2026-10-14"),
        ("Amazon.com", "14.10.2026"),
        ("Amazon.de", "2026-10-14T05:23:11+00:00"),
    ],
)
def test_the_days_of_a_settlement_are_read_as_each_is_written(tmp_path, channel, written):
    file = SETTLEMENT.text().replace("Amazon.de", channel)
    for day in ("02.03.2026", "09.03.2026", "20.03.2026", "10.03.2026", "11.03.2026"):
        file = file.replace(day, written)
    put(tmp_path, file)
    one = parse_file(discover_files([tmp_path])[0][0])
    assert {row["posted_on"] for row in one.tables["postings"].to_pylist()} == {date(2026, 10, 14)}
    assert (one.first_day, one.last_day) == (date(2026, 10, 14), date(2026, 10, 14))


def test_sums_of_one_order_and_day_in_two_files_are_both_counted(tmp_path):
    morning = settlement(tmp_path / "1", [("Refund", FIRST, "2026-05-08T10:00:00+00:00", "-3.00", "1")])
    evening = settlement(tmp_path / "2", [("Refund", FIRST, "2026-05-08T12:00:00+00:00", "-3.00", "1")])
    back = settlement(tmp_path / "3", [("Refund", FIRST, "2026-05-09T12:00:00+00:00", "3.00", "1")])
    assert settled(back, morning, evening) == [(FIRST, "refund", date(2026, 5, 8), None, None)]


def test_a_refund_that_another_file_tells_of_too_is_one_row(tmp_path):
    own = "order_id,kind,known_on,cleared_on\n" + f"{FIRST},refund,2026-05-08,\n{SECOND},refund,2026-05-08,2026-05-09\n"
    path = put(tmp_path / "own", own, name="defects.csv").parent
    stated = parse_file(discover_files([path])[0][0], marketplace="US")
    money = settlement(
        tmp_path / "money",
        [
            ("Refund", FIRST, "2026-05-08", "-3.00", "1"),
            ("Refund", FIRST, "2026-05-12", "3.00", "1"),
            ("Refund", SECOND, "2026-05-08", "-3.00", "1"),
        ],
    )
    for files in ((stated, money), (money, stated)):
        assert settled(*files) == [
            (FIRST, "refund", date(2026, 5, 8), date(2026, 5, 12), None),
            (SECOND, "refund", date(2026, 5, 8), date(2026, 5, 9), None),
        ]


def test_a_settlement_downloaded_twice_counts_once_in_whatever_columns(tmp_path):
    lines = [
        ("Refund", FIRST, "2026-05-08", "-3.00", "1"),
        ("Refund", FIRST, "2026-05-08", "-3.00", "1"),
        ("Refund", FIRST, "2026-05-12", "6.00", "1"),
    ]
    files = [
        settlement(tmp_path / "new", lines),
        settlement(tmp_path / "old", lines, old=True),
        settlement(tmp_path / "part", lines[:2]),
    ]
    assert settled(*files) == [(FIRST, "refund", date(2026, 5, 8), date(2026, 5, 12), None)]


MONEY = st.lists(
    st.tuples(
        st.sampled_from(["Refund", "A-to-z Guarantee Refund", "Chargeback Refund"]),
        st.sampled_from([FIRST, SECOND]),
        st.integers(1, 6),
        st.integers(-3, 3),
    ),
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(MONEY, st.data())
def test_postings_come_to_the_same_whatever_the_split_and_the_order(money, data):
    lines = [
        (kind, order, f"2026-05-{day:02}", f"{amount}.00", str(item))
        for item, (kind, order, day, amount) in enumerate(money)
    ]
    cuts = [data.draw(st.integers(0, 2)) for _ in lines]
    parts = [[line for line, cut in zip(lines, cuts, strict=True) if cut == part] for part in range(3)]
    with TemporaryDirectory() as folder:
        files = [settlement(Path(folder) / str(place), part) for place, part in enumerate(parts) if part]
    for several in (files, files[::-1]):
        if several:
            assert [row[:4] for row in settled(*several)] == by_hand(money)


def by_hand(money):
    """What sums come to, in plain loops: owed from the evening of one day until the evening of another."""
    kinds = {"Refund": "refund", "A-to-z Guarantee Refund": "a_to_z_claim", "Chargeback Refund": "chargeback"}
    found = []
    for order, kind in {(order, kind) for kind, order, _, _ in money}:
        since, total = None, 0
        for day in range(1, 8):
            total += sum(one[3] for one in money if one[:3] == (kind, order, day))
            if total < 0 and since is None:
                since = date(2026, 5, day)
            if total >= 0 and since is not None:
                found.append((order, kinds[kind], since, date(2026, 5, day)))
                since = None
        if since is not None:
            found.append((order, kinds[kind], since, None))
    return sorted(found, key=lambda one: one[:3])


def test_a_settlement_reaches_as_far_as_anything_was_posted(tmp_path):
    # The sale of 2 March is no refund, claim or chargeback; by the last row, of 20 March, none had come either.
    one = taken(tmp_path, SETTLEMENT)
    assert (one.first_day, one.last_day) == (date(2026, 3, 2), date(2026, 3, 20))


def test_the_days_of_a_settlement_without_any_claim_are_read_as_its_marketplace_writes_them(tmp_path):
    lines = SETTLEMENT.text().splitlines()
    put(tmp_path, "\n".join(lines[:3]) + "\n", name="settlement.txt")
    source = discover_files([tmp_path])[0][0]
    told = parse_file(source, marketplace="DE")
    assert (told.tables["postings"].num_rows, told.first_day, told.last_day) == (0, date(2026, 3, 2), date(2026, 3, 2))
    # A day written with dots is the same everywhere; with slashes the file alone does not say which day was meant.
    assert parse_file(source, marketplaces_of=lambda account: {"DE", "US"}).last_day == date(2026, 3, 2)
    put(tmp_path, "\n".join(lines[:3]).replace("02.03.2026", "02/03/2026") + "\n", name="settlement.txt")
    unknown = parse_file(discover_files([tmp_path])[0][0], marketplaces_of=lambda account: {"UK", "US"})
    assert (unknown.first_day, unknown.last_day) == (None, None)


def test_the_old_columns_say_the_same(tmp_path):
    text = SETTLEMENT.text().replace("amount-type\tamount\t", "price-type\tprice-amount\t")
    put(tmp_path, text)
    one = parse_file(discover_files([tmp_path])[0][0])
    assert defects(one) == defects(taken(tmp_path / "new", SETTLEMENT))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("posted-date", "soon", "no day"),
        ("posted-date", "", "though no row may lack it"),
        ("amount", "much", "no amount"),
        ("order-id", "1.1E+16", "posted|id"),
    ],
)
def test_a_cell_that_cannot_be_read_names_its_row(tmp_path, column, value, said):
    put(tmp_path, SETTLEMENT.with_cell(5, column, value))
    message = said_of(tmp_path, marketplace=None)
    assert "row 7" in message
    assert re.search(said, message)


# -- whatever a file holds --------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [LATE])
def test_nothing_of_a_buyer_comes_out(tmp_path, file):
    one = taken(tmp_path, file)
    assert MARK not in str([table.to_pylist() for table in one.tables.values()]) + str(one)


@seeded
@given(st.data())
def test_a_map_with_any_line_spoilt_is_read_or_refused(tmp_path_factory, data):
    text = column_map.FILE.read_text(encoding="utf-8")
    at = data.draw(st.integers(0, len(text) - 1))
    made = text[:at] + data.draw(st.text(max_size=4)) + text[at + data.draw(st.integers(0, 8)) :]
    file = Path(tmp_path_factory.mktemp("map")) / "column_map.yaml"
    file.write_text(made, encoding="utf-8", errors="replace")
    with contextlib.suppress(ReaderError):
        assert {one.kind.name for one in column_map.load_defect_lists(file).values()}
