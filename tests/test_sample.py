"""The sample: made again byte for byte, complete, small, and without anybody's personal data."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).parent.parent / "data"
SAMPLE = DATA / "sample"
ORDERS, REPORT, CONFIRMED = "all_orders", "order_report", "ship_confirmations"
FEEDBACK, DEFECTS, RETURNS = "seller_feedback", "defects", "returns"
SELLS = {ORDERS, REPORT, CONFIRMED, FEEDBACK}
KINDS = {
    "applegate-plants": SELLS | {DEFECTS},
    "birchway-crafts": SELLS | {DEFECTS},
    "clearbrook-bath": {ORDERS, FEEDBACK, DEFECTS},
    "lantern-hill-lighting": SELLS | {DEFECTS, RETURNS},
    "minato-bungu": SELLS | {DEFECTS},
    "paper-moth": SELLS,
    "thistle-and-wren": SELLS | {DEFECTS, RETURNS},
    "werkstatt-lindenau": SELLS | {DEFECTS},
}
ENCODINGS = {
    ("werkstatt-lindenau", ORDERS): "cp1252",
    ("minato-bungu", ORDERS): "cp932",
    ("minato-bungu", REPORT): "cp932",
    ("minato-bungu", FEEDBACK): "cp932",
}
PLACEHOLDERS = {
    "buyer-email": r"buyer\d{6}@example\.invalid",
    "buyer-name": r"Buyer \d{6}",
    "buyer-phone-number": r"000-0000",
    "recipient-name": r"Buyer \d{6}",
    "ship-address-1": r"1 Sample Street|Musterstraße 1|見本通り 1",
    "ship-address-2": r"",
    "ship-address-3": r"",
    "ship-city": r"Sampletown",
    "ship-postal-code": r"00000",
    "ship-phone-number": r"000-0000",
}


def kind(path: Path) -> str:
    return re.split(r"_?\d|\.|_updated", path.name)[0]


def files(account: str = "*", kind_of_file: str = "") -> list[Path]:
    return sorted(SAMPLE.glob(f"{account}/{kind_of_file}*"))


def text(path: Path) -> str:
    return path.read_bytes().decode(ENCODINGS.get((path.parent.name, kind(path)), "utf-8"))


def rows(path: Path) -> list[dict[str, str]]:
    header, *lines = [line.split("\t") for line in text(path).removesuffix("\r\n").split("\r\n")]
    return [dict(zip(header, line, strict=True)) for line in lines]


@pytest.fixture(scope="module")
def make_sample() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample", DATA / "make_sample.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_sample"] = module
    spec.loader.exec_module(module)
    return module


def test_the_script_writes_the_committed_files_byte_for_byte(make_sample, tmp_path):
    make_sample.main(tmp_path)
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SAMPLE): path for path in SAMPLE.rglob("*") if path.is_file()}
    assert set(made) == set(kept)
    assert [str(name) for name, path in made.items() if path.read_bytes() != kept[name].read_bytes()] == []


def test_every_account_has_the_files_that_such_an_account_would_have():
    assert {folder.name: {kind(path) for path in folder.iterdir()} for folder in SAMPLE.iterdir()} == KINDS


def test_the_sample_is_small():
    sizes = [path.stat().st_size for path in files()]
    assert max(sizes) < 2_000_000
    assert sum(sizes) < 8_000_000


def test_no_order_id_stands_in_two_accounts():
    ids = {
        account: {row["amazon-order-id"] for path in files(account, ORDERS) for row in rows(path)} for account in KINDS
    }
    assert len(set.union(*ids.values())) == sum(map(len, ids.values()))
    assert all(re.fullmatch(r"(\d{3}|S01)-\d{7}-\d{7}", order) for order in set.union(*ids.values()))


def test_every_buyer_is_a_placeholder():
    found = set()
    for path in files(kind_of_file=REPORT):
        for row in rows(path):
            for column, pattern in PLACEHOLDERS.items():
                assert row[column] == "" or re.fullmatch(pattern, row[column]), f"{path.name}: {column}"
                found |= {column} if row[column] else set()
    assert found == {column for column, pattern in PLACEHOLDERS.items() if pattern}


def test_every_e_mail_address_is_of_a_domain_that_cannot_exist():
    addresses = {address for path in files() for address in re.findall(r"[^\s,]+@[^\s,]+", text(path))}
    assert addresses
    assert all(re.fullmatch(r"(buyer|rater)\d{6}@example\.invalid", address) for address in addresses)


def test_every_tracking_number_is_made_up():
    for path in files(kind_of_file=CONFIRMED):
        assert all(re.fullmatch(r"(TEST\d{7})?", line.split(",")[-1]) for line in text(path).splitlines()[1:])


@pytest.mark.parametrize("kind_of_file", [ORDERS, REPORT, FEEDBACK])
def test_the_japanese_files_are_cp932_and_not_utf_8(kind_of_file):
    paths = files("minato-bungu", kind_of_file)
    assert paths
    for path in paths:
        assert re.search("[ぁ-んァ-ン一-龥]", text(path))
        with pytest.raises(UnicodeDecodeError):
            path.read_bytes().decode("utf-8")


def test_the_german_orders_are_cp1252_and_not_utf_8():
    for path in files("werkstatt-lindenau", ORDERS):
        assert re.search("Schraubenschlüssel|Japansäge|Pflegeöl", text(path))
        with pytest.raises(UnicodeDecodeError):
            path.read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("account", "form"),
    [
        ("lantern-hill-lighting", r"([1-9]|1[0-2])/([1-9]|[12]\d|3[01])/26"),
        ("thistle-and-wren", r"([1-9]|[12]\d|3[01])/([1-9]|1[0-2])/26"),
        ("werkstatt-lindenau", r"([1-9]|[12]\d|3[01])\.([1-9]|1[0-2])\.26"),
        ("minato-bungu", r"26/([1-9]|1[0-2])/([1-9]|[12]\d|3[01])"),
    ],
)
def test_feedback_days_are_written_as_the_marketplace_writes_them(account, form):
    [path] = files(account, FEEDBACK)
    cells = [line.split("\t") for line in text(path).removesuffix("\r\n").split("\r\n")]
    assert {len(line) for line in cells} == {6}
    assert all(re.fullmatch(form, day) for day, *_ in cells[1:])
    assert {rating for _, rating, *_ in cells[1:]} <= {"1", "2", "3"}


def test_the_older_download_of_october_is_overtaken_by_the_newer_one():
    for account in KINDS:
        older, newer = (
            {row["amazon-order-id"]: row for row in rows(SAMPLE / account / name)}
            for name in ("all_orders_2026-10.txt", "all_orders_updated_2026-11-02.txt")
        )
        open_then = {order for order, row in older.items() if row["order-status"] in ("Pending", "Unshipped")}
        assert open_then
        assert open_then <= set(newer)
        assert all(newer[order]["last-updated-date"] >= older[order]["last-updated-date"] for order in open_then)
        assert {newer[order]["order-status"] for order in open_then} <= {"Shipped", "Cancelled"}


def test_cancelled_rows_hold_neither_a_quantity_nor_a_price():
    for path in files(kind_of_file=ORDERS):
        gone = [row for row in rows(path) if row["item-status"] == "Cancelled"]
        assert all((row["quantity"], row["item-price"]) == ("0", "") for row in gone)


def test_only_the_british_files_do_not_say_who_cancelled():
    silent = {path.parent.name for path in files(kind_of_file=ORDERS) if "buyer-requested" not in text(path)}
    assert silent == {"thistle-and-wren"}


def test_the_traps_of_real_files_are_in_the_sample():
    orders = [row for path in files(kind_of_file=ORDERS) for row in rows(path)]
    promises = [row for path in files(kind_of_file=REPORT) for row in rows(path)]
    assert any(row["sales-channel"] == "Non-Amazon" for row in orders)
    assert any('"' in row["product-name"] for row in orders)
    assert any((row["order-status"], row["item-status"]) == ("Shipped", "Cancelled") for row in orders)
    assert any(row["promotion-ids"] for row in orders)
    assert any(row["order-id"] and not row["order-item-id"] for row in promises)
    assert any(row["latest-ship-date"].endswith("T23:59:59-07:00") for row in promises)


def test_some_claims_were_won_and_some_became_known_after_the_last_order_day():
    lines = [line.split(",") for line in text(SAMPLE / "lantern-hill-lighting" / "defects.csv").splitlines()[1:]]
    claims = [(known, cleared) for _, what, known, cleared, _ in lines if what == "a_to_z_claim"]
    assert any(cleared > known for known, cleared in claims)
    assert any(known > "2026-10-31" for known, _ in claims)
    assert max(known for known, _ in claims) <= "2026-11-02"


def test_returns_hold_a_blank_where_there_is_nothing():
    for path in files(kind_of_file=RETURNS):
        assert {len(row) for row in rows(path)} == {32}
        assert all(cell for row in rows(path) for cell in row.values())
        assert {row["A-to-Z Claim"] for row in rows(path)} == {"Y", "N"}
