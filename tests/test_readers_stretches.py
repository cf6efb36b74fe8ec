"""A large file of orders read stretch by stretch says just what it says when it is read whole."""

from __future__ import annotations

import gzip
import random
import re
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from healthkit.ingest import importer
from healthkit.ingest.formats import ParsedFile, ReaderError, discover_files, parse_file
from healthkit.ingest.parsing import large_files, raw_file
from healthkit.schema.tables import RAW_TABLES
from healthkit.store import Store
from tests.builders import raw_files as files
from tests.builders.sample import SAMPLE

KEYS = {table.name: list(table.key) for table in RAW_TABLES}


def sample(kind: str) -> bytes:
    """The first 150 lines of the largest file of a kind that the sample has."""
    found = [one for one in discover_files([SAMPLE])[0] if one.kind == kind]
    data = max(found, key=lambda one: one.size).parts[0].read_bytes()
    return b"".join(data.splitlines(keepends=True)[:151])


KINDS = {kind: sample(kind) for kind in ("all_orders", "order_report", "amazon_shipments")}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def small(monkeypatch):
    """Stretches of a few lines, so that a small file has many."""
    monkeypatch.setattr(large_files, "CHUNK_BYTES", 3_000)
    monkeypatch.setattr(raw_file, "PIECE_BYTES", 700)


def sources_of(folder: Path, content: bytes, name: str = "orders.txt") -> list[raw_file.RawFile]:
    files.put(folder, content, name=name)
    sources, refused = discover_files([folder])
    assert refused == []
    return sources


def both(folder: Path, content: bytes, name: str = "orders.txt", **told: str) -> tuple[ParsedFile, ParsedFile]:
    """The same file read whole and by stretches."""
    [one] = sources_of(folder, content, name)
    held, large_files.CHUNK_BYTES = large_files.CHUNK_BYTES, 1 << 40
    try:
        whole = parse_file(one, **told)
    finally:
        large_files.CHUNK_BYTES = held
    return whole, parse_file(one, **told)


def rows(taken: ParsedFile) -> dict[str, list[dict]]:
    """The rows of each table, sorted by their key."""
    told = {}
    for name, table in taken.tables.items():
        held = pa.Table.from_batches(table.to_batches(), table.schema)
        assert table.num_rows == held.num_rows
        told[name] = held.sort_by([(key, "ascending") for key in KEYS[name]]).to_pylist()
    return told


def alike(whole: ParsedFile, parted: ParsedFile) -> None:
    assert not any(isinstance(table, pa.Table) for table in parted.tables.values()), "it was read whole"
    assert rows(whole) == rows(parted)
    for name in ("report", "name", "kind", "account", "rows", "skipped", "first_day", "last_day"):
        assert getattr(whole, name) == getattr(parted, name), name
    assert sorted(whole.notes) == sorted(parted.notes)


@every_kind
def test_stretches_say_what_the_whole_file_says(kind, tmp_path, small):
    alike(*both(tmp_path, KINDS[kind]))


@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_orders_whose_lines_stand_far_apart_are_put_together(kind, seed, tmp_path, small, monkeypatch):
    monkeypatch.setattr(large_files, "REREAD_ORDERS", 5)
    header, *lines = KINDS[kind].decode().splitlines()[:120]
    # Each line twice more, a little changed, so that many orders have several.
    lines += [line.replace("Standard", "Expedited") for line in lines] * 2
    random.Random(seed).shuffle(lines)
    alike(*both(tmp_path, ("\n".join([header, *lines]) + "\n").encode()))


@settings(max_examples=25, deadline=None)
@example([0, 0, 0, 0, 0, 0, 0, 0, 1, 0], 200, 50)  # days by some lines of an order
@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(200, 4_000), st.integers(50, 2_000))
def test_whatever_the_order_of_lines_and_the_size_of_stretches(tmp_path_factory, orders, stretch, piece):
    header, *lines = KINDS["all_orders"].decode().splitlines()
    names = header.split("\t")
    made = []
    for number, order in enumerate(orders):
        cells = lines[number % len(lines)].split("\t")
        cells[names.index("amazon-order-id")] = f"111-{order:07d}-0000000"
        made.append("\t".join(cells))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_files, "CHUNK_BYTES", stretch)
        patch.setattr(raw_file, "PIECE_BYTES", piece)
        whole, parted = both(tmp_path_factory.mktemp("made"), "\n".join([header, *made]).encode())
    assert rows(whole) == rows(parted)
    for name in ("rows", "skipped", "first_day", "last_day"):
        assert getattr(whole, name) == getattr(parted, name), name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp932"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_encoding_and_line_end(encoding, ends, tmp_path, small):
    text = KINDS["all_orders"].decode().replace("Amazon.com", "Amazon.co.jp")
    word = "ソー能表" if encoding not in ("cp1252",) else "Brûlée"
    text = text.replace("Linen", word) if "Linen" in text else text.replace("\tfalse", f"\tfalse{word}", 0)
    names = text.splitlines()[0].split("\t")
    at = names.index("product-name")
    lines = [line.split("\t") for line in text.splitlines()]
    for cells in lines[1::3]:
        cells[at] = word
    content = ends.join("\t".join(cells) for cells in lines).encode(encoding)
    if encoding == "cp1252":
        content = content.replace(b"Amazon.co.jp", b"Amazon.com")
    alike(*both(tmp_path, content))


EDGES = {
    "a blank line at the end": lambda text: text + "\n",
    "blank lines at the end": lambda text: text + "\n" * 7_000,
    "a blank line at the beginning": lambda text: "\n" + text,
    "blank lines in between": lambda text: text.replace("\n", "\n\n", 40),
    "a header alone": lambda text: text.splitlines()[0] + "\n" * 7_000,
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("edge", EDGES)
def test_blank_lines_mean_nothing(edge, encoding, tmp_path, small):
    alike(*both(tmp_path, EDGES[edge](KINDS["all_orders"].decode()).encode(encoding)))


@pytest.mark.parametrize("packed", ["orders.txt.gz", "orders.zip"])
def test_a_packed_file_is_unpacked_as_it_is_read(packed, tmp_path, small):
    content = KINDS["all_orders"]
    if packed.endswith(".gz"):
        alike(*both(tmp_path, gzip.compress(content), packed))
        return
    with zipfile.ZipFile(tmp_path / packed, "w") as archive:
        archive.writestr("acme/orders.txt", content)
    [one], _ = discover_files([tmp_path / packed])
    parted = parse_file(one)
    assert not isinstance(parted.tables["orders"], pa.Table)
    assert parted.rows == len(content.splitlines()) - 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace("-", "_", 2),
        lambda line: line + "\tmore",
        lambda line: re.sub(r"\t20\d\d-", "\t20xx-", line, count=1),
    ],
)
@pytest.mark.parametrize("at", [2, 40, 90])
def test_a_refusal_names_the_row_of_the_file(damage, at, tmp_path, small):
    lines = KINDS["all_orders"].decode().splitlines()[:100]
    lines[at] = damage(lines[at])
    [one] = sources_of(tmp_path, ("\n" + "\n".join(lines) + "\n").encode())
    with pytest.raises(ReaderError, match=f"acme/orders.txt: row {at + 2}: "):
        parse_file(one)


def test_a_refused_file_leaves_nothing_in_the_store(tmp_path, small):
    lines = KINDS["all_orders"].decode().splitlines()
    files.put(tmp_path / "raw", "\n".join([*lines, "broken off"]), name="orders.txt")
    [outcome] = importer.import_files([tmp_path / "raw"], Store(tmp_path / "store"))
    assert re.search(r"row [\d,]+: the last line breaks off", outcome.refused)
    assert not (tmp_path / "store").exists()


def test_the_store_comes_to_the_same_from_either(tmp_path, small, monkeypatch):
    files.put(tmp_path / "raw", KINDS["all_orders"], name="orders.txt")
    [outcome] = importer.import_files([tmp_path / "raw"], Store(tmp_path / "parted"))
    assert not isinstance(outcome.parsed_file.tables["orders"], pa.Table)
    monkeypatch.setattr(large_files, "CHUNK_BYTES", 1 << 40)
    assert all(one.parsed_file for one in importer.import_files([tmp_path / "raw"], Store(tmp_path / "whole")))
    held = [Store(tmp_path / name).ledger() for name in ("parted", "whole")]
    for name in ("orders", "items"):
        # Each import marks its rows by a report of its own.
        parted, whole = (getattr(ledger, name).collect().to_arrow().drop("report").to_pylist() for ledger in held)
        assert parted == whole
    again = list(importer.import_files([tmp_path / "raw"], Store(tmp_path / "parted")))
    assert [one.already_stored for one in again] == [True]


def test_rows_that_do_not_say_their_marketplace_have_the_file_read_whole(tmp_path, small):
    content = KINDS["all_orders"].replace(b"\tAmazon.com\t", b"\t\t")
    [one] = sources_of(tmp_path, content)
    known = {}
    for line in content.decode().splitlines()[1:]:
        known[line.split("\t")[0]] = "CA"
    taken = parse_file(
        one, marketplace_of=lambda account, ids: {order: known[order] for order in ids if order in known}
    )
    assert isinstance(taken.tables["orders"], pa.Table)
    assert set(taken.tables["orders"]["marketplace"].to_pylist()) == {"CA"}
    # Told which, it can be read by stretches.
    parted = parse_file(one, marketplace="US")
    assert not isinstance(parted.tables["orders"], pa.Table)


def test_lines_that_end_in_carriage_returns_alone_have_the_file_read_whole(tmp_path, small):
    [one] = sources_of(tmp_path, KINDS["all_orders"].replace(b"\n", b"\r") * 1)
    assert parse_file(one).rows == len(KINDS["all_orders"].splitlines()) - 1


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, small):
    [one] = sources_of(tmp_path, KINDS["all_orders"])
    one.path.write_bytes(KINDS["all_orders"] + KINDS["all_orders"].splitlines(keepends=True)[1])
    with pytest.raises(ReaderError, match="changed while it was being read"):
        parse_file(one)


def test_how_far_the_reading_has_come_is_told(tmp_path, small):
    [one] = sources_of(tmp_path, KINDS["all_orders"])
    moved: list[int] = []
    parse_file(one, on_progress=moved.append)
    assert len(moved) > 3
    assert sum(moved) == one.size


@every_kind
def test_some_columns_are_read_alone(kind, tmp_path, small):
    """Also a column that is empty in some stretches, and one that has the same value in all rows."""
    [one] = sources_of(tmp_path, KINDS[kind])
    for rows in parse_file(one).tables.values():
        whole = pa.Table.from_batches(rows.to_batches())
        assert len(whole) == rows.num_rows > 0
        for names in (["updated_at"], ["account", "marketplace"], whole.column_names[3:9]):
            assert pa.Table.from_batches(rows.select(names).to_batches()) == whole.select(names)


def test_no_room_for_the_rows_is_said(tmp_path, small, monkeypatch):
    [one] = sources_of(tmp_path, KINDS["all_orders"])

    class Full:
        def __init__(self, *_: object, **__: object) -> None: ...

        def write_table(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("healthkit.ingest.parsing.spill_file.ipc.new_stream", Full)
    with pytest.raises(ReaderError, match=r"there is no room for its rows in .* nothing was added"):
        parse_file(one)
