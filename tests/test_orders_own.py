"""The kit's own orders CSV, the column map for other sources, and the map that a refusal offers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.ingest.formats import ReaderError, discover_files, parse_file
from healthkit.ingest.formats.registry import table_kinds
from healthkit.ingest.importer import import_files
from healthkit.ingest.parsing import column_map, order_layouts
from healthkit.ingest.parsing.detect import UnknownFileKind, detect_kind
from healthkit.ingest.parsing.order_map_guess import suggest_order_map
from healthkit.schema import tables
from healthkit.workspace import Workspace
from tests.builders import etsy_shopify_files, raw_files
from tests.builders.damaged_files import REFUSED, read_from_disk, said_of, seeded, spoilt
from tests.builders.etsy_shopify_files import FILES, HUB, OWN_ORDERS, SHOPIFY
from tests.builders.raw_files import MARK, put

DOCS = (Path(__file__).parents[1] / "docs" / "files.md").read_text(encoding="utf-8")


def parsed(folder, file, **told):
    put(folder, file)
    [source], refused = discover_files([folder])
    assert refused == []
    return parse_file(source, **told)


def rows(table, *columns):
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


# -- the orders CSV ---------------------------------------------------------------------------------------------


def test_every_column_of_an_order_that_a_user_may_know_is_read(tmp_path):
    one = parsed(tmp_path, OWN_ORDERS)
    orders = {row["order_id"]: row for row in one.tables["orders"].to_pylist()}
    assert len(orders) == 4
    first = orders["A-1"]
    assert (first["marketplace"], first["status"], first["part_cancelled"], first["cancelled_by"]) == (
        "EBAY", "delivered", True, "buyer",
    )  # fmt: skip
    assert (first["ship_by_on"], first["deliver_by_on"], first["shipped_on"], first["delivered_on"]) == (
        date(2026, 10, 3), date(2026, 10, 8), date(2026, 10, 2), date(2026, 10, 6),
    )  # fmt: skip
    assert (first["units"], first["country"], first["state"], first["ship_method"]) == (3, "DE", "BE", "Standard")
    german = orders["305-0000001-0000001"]
    assert (german["marketplace"], german["is_business"], german["invoiced_on"], german["cancelled_by"]) == (
        "DE", True, date(2026, 10, 4), "seller",
    )  # fmt: skip
    known = {name for row in orders.values() for name, value in row.items() if value is not None}
    assert set(tables.ORDERS.columns) - known == {"restored_on", "assumed"}


def test_three_columns_will_do(tmp_path):
    one = parsed(tmp_path, "order-id;ordered-at;marketplace\nA-1;2026-10-01;EBAY\n")
    assert rows(one.tables["orders"], "order_id", "ordered_on", "status", "channel") == [
        ("A-1", date(2026, 10, 1), None, "seller")
    ]
    assert "channel: 1 rows that state none were taken as fulfilled by the seller." in one.notes


def test_the_example_in_the_list_of_files_is_imported(tmp_path, store):
    [example] = re.findall(r"```text\n(order-id,ordered-at.*?)```", DOCS, re.S)
    put(tmp_path, example, name="orders.csv")
    [result] = import_files([tmp_path / "acme"], store)
    assert (result.kind, result.refused) == ("orders_csv", None)
    assert result.parsed_file.tables["orders"].num_rows >= 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("cancelled-by", "aunt", "row 3: cancelled-by is 'aunt', unknown"),
        ("channel", "pigeon", "row 3: channel is 'pigeon', unknown"),
        ("marketplace", "EBAYY", "row 3: marketplace is 'EBAYY', unknown"),
        ("ship-by", "31/31/2026", "row 3: ship-by is '31/31/2026', no day or time in a known form"),
        ("units", "two", "row 3: units is 'two', no whole number"),
        ("is-business", "perhaps", "row 3: is-business holds words (7 characters), neither yes nor no"),
    ],
)
def test_wrong_words_and_days_are_refused_with_row_and_cure(tmp_path, column, value, said):
    put(tmp_path, OWN_ORDERS.with_cell(1, column, value))
    found = said_of(tmp_path, marketplace=None)
    assert re.search(re.escape(said).replace(r"holds\ words\ \(7\ characters\),", ".*"), found), found
    assert re.search("Correct the cell|data/column_map.yaml|There are", found), found


def test_an_unknown_status_is_refused_where_no_time_tells(tmp_path):
    put(tmp_path, OWN_ORDERS.with_cell(3, "status", "torn"))
    said = said_of(tmp_path, marketplace=None)
    assert "row 5: status is 'torn', unknown" in said
    assert "There are: pending, unshipped" in said


def test_a_misspelt_column_is_refused_with_the_one_that_was_meant(tmp_path):
    put(tmp_path, "order-id,ordered-at,marketplace,shiped-at\nA-1,2026-10-01,EBAY,\n")
    assert "Did you mean shipped-at?" in said_of(tmp_path, marketplace=None)


def test_an_invoice_in_an_orders_csv_is_evidence(tmp_path, store):
    put(tmp_path, OWN_ORDERS)
    [result] = import_files([tmp_path / "acme"], store)
    assert result.refused is None
    evidence = dict(Workspace(store.folder).counts.coverage[["marketplace", "evidence"]].to_numpy().tolist())
    assert "invoices" in evidence["DE"].split("+")
    assert "invoices" not in evidence["EBAY"].split("+")


# -- damage and privacy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.kind)
@pytest.mark.parametrize("damage", REFUSED, ids=lambda damage: damage.words)
def test_a_broken_twin_is_refused_by_file_and_row(tmp_path, file, damage):
    put(tmp_path, damage.happens(file), name=file.name)
    said = said_of(tmp_path, marketplace=None)
    assert said.startswith(f"acme/{file.name}: ")
    row = re.search(r"row (\d|\{last\})", damage.said)
    assert row is None or row[0].replace("{last}", str(len(file.rows) + 1)) in said


@pytest.mark.parametrize("file", [file for file in FILES if file.personal], ids=lambda file: file.kind)
def test_personal_columns_reach_no_disk(tmp_path, store, file):
    put(tmp_path, file.with_personal_data())
    [result] = import_files([tmp_path / "acme"], store)
    assert result.refused is None
    assert MARK not in str(result)
    for path in store.folder.rglob("*"):
        assert not path.is_file() or MARK.encode() not in path.read_bytes()
    assert MARK not in str([table.to_pylist() for table in result.parsed_file.tables.values()])


@seeded
@given(data=st.data())
def test_damage_is_read_or_refused(data):
    file = data.draw(st.sampled_from(FILES))
    read_from_disk(spoilt(data, file.text().encode()), data)


# -- the column map ---------------------------------------------------------------------------------------------

TEN_LINES = """\
orders:
  hub_export:
    columns:
      order-id: Channel Order ID
      ordered-at: Placed on
      ship-by: Dispatch deadline
      shipped-at: Dispatched on
      status: State
    words: {status: {shipped: Versendet, cancelled: Storniert, unshipped: Neu}}
    dates: ["%d.%m.%Y %H:%M", "%d.%m.%Y"]
"""


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """A folder in which the kit is run, without a column map yet."""
    folder = tmp_path / "work"
    (folder / "data").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def write_map(work: Path, text: str) -> None:
    (work / "data" / "column_map.yaml").write_text(text, encoding="utf-8")
    order_layouts._load_order_layouts.cache_clear()
    column_map._load_defect_lists.cache_clear()


def test_a_header_never_seen_is_mapped_by_ten_lines(work):
    assert len(TEN_LINES.splitlines()) == 10
    write_map(work, TEN_LINES)
    one = parsed(work, HUB, marketplace="EBAY")
    assert rows(one.tables["orders"], "order_id", "status", "ordered_at", "ship_by_on", "shipped_on") == [
        ("A-1", "shipped", datetime(2026, 10, 31, 16, 30, tzinfo=UTC), date(2026, 11, 2), date(2026, 11, 1)),
        ("A-2", "cancelled", datetime(2026, 10, 31, 17, 30, tzinfo=UTC), date(2026, 11, 2), None),
        ("A-3", "unshipped", datetime(2026, 10, 31, 18, 30, tzinfo=UTC), date(2026, 11, 2), None),
        ("A-4", "unshipped", datetime(2026, 10, 31, 19, 30, tzinfo=UTC), date(2026, 11, 2), None),
    ]


def test_the_map_in_the_refusal_is_pasted_and_the_file_imported(work, store):
    put(work, HUB, name="hub.csv")
    [result] = import_files([work / "acme"], store)
    assert "Are these your orders? Then put this into data/column_map.yaml" in result.refused
    offered = result.refused[result.refused.index("orders:\n") :]
    assert MARK not in result.refused
    write_map(work, offered)
    [result] = import_files([work / "acme"], store)
    assert (result.kind, result.refused) == ("my_orders", None)
    assert rows(result.parsed_file.tables["orders"], "order_id", "marketplace", "status", "ship_by_on") == [
        ("A-1", "EBAY", "shipped", date(2026, 11, 2)),
        ("A-2", "ETSY", "cancelled", date(2026, 11, 2)),
        ("A-4", "EBAY", "unshipped", date(2026, 11, 2)),
    ]
    assert list(result.parsed_file.skipped.values()) == [1]
    late = Workspace(store.folder).score(date(2026, 11, 3), ["acme"], metrics=["late_shipment_rate"])
    assert sorted(late[["marketplace", "counted"]].to_numpy().tolist()) == [["EBAY", 1], ["ETSY", 0]]


@pytest.mark.parametrize("text", [HUB.replace(";", ","), HUB.replace(";", "\t")], ids=["comma", "tab"])
def test_a_map_is_offered_whatever_separates_the_columns(text):
    assert 'order-id: ["Channel Order ID"]' in suggest_order_map(text.splitlines())


def test_a_second_unknown_file_gets_another_name(work):
    write_map(work, TEN_LINES.replace("hub_export", "my_orders"))
    assert "  my_orders_2:" in suggest_order_map(["Order No,Placed on", "1,2026-10-01"])


def test_both_orders_of_day_and_month_are_offered_where_nothing_tells():
    offered = suggest_order_map(["Order No,Order date", "A1,05/06/2026", "A2,07/08/2026"])
    assert 'dates: ["%d/%m/%Y", "%m/%d/%Y"]  # keep those of the right order' in offered
    assert 'dates: ["%m/%d/%Y"]\n' in suggest_order_map(["Order No,Order date", "A1,05/06/2026", "A2,07/28/2026"])


def test_empty_cells_below_the_first_row_of_an_order_are_to_be_filled():
    offered = suggest_order_map(["Order No,Order date,SKU", "A1,2026-10-01,X", "A1,,Y"])
    assert "fill_down: true" in offered


def test_a_header_below_titles_is_found():
    offered = suggest_order_map(["My hub", "Orders of October", "Order No,Order date,Qty", "A1,2026-10-01,2"])
    assert "header_within: 3" in offered
    assert 'units: ["Qty"]' in offered


@pytest.mark.parametrize(
    "lines",
    [
        ["Name,Phone", "Jane Roe,555"],
        ["Order No,Colour", "A1,blue"],
        ["Colour,Order date", "blue,2026-10-01"],
        ["Order No,Order date", "A1,soon"],
        ["amazon-order-id\tpurchase-date", "111-0000001-0000001\t2026-10-01"],
        ["just one line of words"],
        [""],
        ["a" * 100_000],
        ["," * 100_000],
    ],
)
def test_no_map_is_offered_where_order_or_day_cannot_be_guessed(lines):
    assert suggest_order_map(lines) is None


@seeded
@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_whatever_the_lines_a_map_is_offered_that_is_read_or_none(lines):
    offered = suggest_order_map(lines)
    assert offered is None or "order-id" in offered


def test_an_offered_map_is_valid_whatever_the_names(work):
    lines = ['"Order ""No""",Order\\date,"Status, #1"', "A1,2026-10-01,Shipped: yes"]
    offered = suggest_order_map(lines)
    write_map(work, offered[offered.index("orders:\n") :])
    assert detect_kind(lines)[0].name == "my_orders"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("order-id:", "order-idd:", "line 4: hub_export, field columns: no column 'order-idd'; there are: order-id"),
        ("      ordered-at: Placed on\n", "", "line 3: hub_export, field columns: ordered-at must be there"),
        ("%d.%m.%Y %H", "%Q", "field dates: no directive %Q"),
        ("shipped: Versendet", "flown: Versendet", "field words: no word of status 'flown'; there are: pending"),
        ("cancelled: Storniert", "cancelled: Versendet", "words of status: 'versendet' stands under shipped and under"),
        ("Placed on", "7", "7 is read as no text; write it in quotes"),
        ("words:", "word:", "field word: there is no such field; there are: title, marketplaces"),
        ("hub_export:", "Hub Export:", "a name has small letters, digits and underscores"),
        ("    dates:", "    zone: Moon\n    dates:", "field zone: no time zone 'Moon'"),
        ("    dates:", "    marketplaces: [MOON]\n    dates:", "field marketplaces: no marketplace 'MOON'"),
        ("    dates:", "    known_by: [sku]\n    dates:", "field known_by: sku must be among its columns"),
        ("    dates:", '    order_id: "("\n    dates:', "field order_id: '(' is no regular expression"),
        ("hub_export:", "feedback:", "orders, feedback: is the name of another kind of file"),
        ("orders:", "orders: [", "column_map.yaml is not YAML"),
    ],
)
def test_a_mistake_in_a_map_is_named_by_file_line_and_field(work, old, new, said):
    write_map(work, TEN_LINES.replace(old, new, 1))
    put(work, HUB)
    with pytest.raises(ReaderError) as raised:
        discover_files([work / "acme"])
    assert "column_map.yaml" in str(raised.value)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "file",
    [*raw_files.FILES[:-1], *raw_files.HAND_WRITTEN, *raw_files.DEFECT_LISTS, *FILES],
    ids=lambda file: file.kind,
)
def test_no_map_takes_over_a_known_kind_of_file(work, file):
    lines = file.text().splitlines()
    before, delimiter = detect_kind(lines)
    names = [name.strip('"') for name in lines[0].split(delimiter)]
    write_map(
        work,
        "orders:\n  greedy:\n    columns:\n"
        f"      order-id: ['{names[0]}']\n      ordered-at: ['{names[1]}']\n"
        f"      sku: ['{names[2]}']\n    known_by: [sku]\n",
    )
    assert "greedy" in {kind.name for kind in table_kinds()}
    assert detect_kind(lines)[0].name == before.name


GERMAN_FEEDBACK = "Datum\tBewertung\tKommentare\tIhre Antwort\tBestellnummer\tE-Mail\n"


def test_no_map_takes_over_feedback_in_another_language(work):
    row = "01.03.26\t5\tgut\t\t111-0000001-0000001\tx@example.invalid\n"
    write_map(work, "orders:\n  mine:\n    columns: {order-id: Bestellnummer, ordered-at: Datum}\n")
    assert detect_kind((GERMAN_FEEDBACK + row).splitlines())[0].name == "feedback"


def test_a_map_adds_spellings_words_and_days_to_a_known_kind(work):
    write_map(
        work,
        "orders:\n  etsy_orders:\n    columns: {shipped-at: Versanddatum}\n    dates: ['%d.%m.%y']\n"
        "    words: {status: {shipped: Verschickt}}\n",
    )
    text = etsy_shopify_files.ETSY_ORDERS.text()
    assert parsed(work / "as before", text).tables["orders"].num_rows == 4
    changed = text.replace("Date Shipped", "Versanddatum").replace("Shipped", "Verschickt")
    changed = re.sub(r"\b10/(\d\d)/26", r"\1.10.26", changed)
    one = parsed(work / "changed", changed)
    assert rows(one.tables["orders"], "status", "ordered_on", "shipped_on")[0] == (
        "shipped", date(2026, 10, 1), date(2026, 10, 2),
    )  # fmt: skip


def test_of_two_spellings_of_one_column_that_of_the_kit_counts(work):
    write_map(work, "orders:\n  shopify_orders:\n    columns: {sku: Id}\n")
    assert parsed(work, SHOPIFY).tables["items"]["sku"].to_pylist()[:2] == ["MUG", "BOWL"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("known_by: [ship-by]", "line 3: shopify_orders, field known_by: this kind of file is known"),
        ("columns: {sku: Source}", "field columns.sku: 'Source' is a spelling of marketplace already"),
    ],
)
def test_a_map_cannot_change_how_a_known_kind_is_recognized(work, entry, said):
    write_map(work, f"orders:\n  shopify_orders:\n    {entry}\n")
    with pytest.raises(ReaderError, match=re.escape(said)):
        table_kinds()


def test_a_map_of_the_working_folder_adds_spellings_to_defect_lists(work):
    text = raw_files.LATE.text().replace("Expected ship date", "Fecha límite")
    put(work, text, name="late_2026-03-31.csv")
    with pytest.raises(UnknownFileKind):
        detect_kind(text.splitlines())
    write_map(work, "lists:\n  list_late_shipments:\n    columns: {ship-by: [Fecha límite]}\n")
    assert detect_kind(text.splitlines())[0].name == "list_late_shipments"
