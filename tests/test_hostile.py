"""Files made to do harm: each is refused with a sentence, or read for what it is; none crashes, hangs or fills memory.

Every file of the corpus is imported by a process of its own, which may use so much memory and so much time and no more.
"""

from __future__ import annotations

# ruff: noqa: E501 - a file and what is said of it stand on one line
import csv
import gzip
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from healthkit.schema import tables
from healthkit.store import Store
from tests import fuzz
from tests.builders import raw_files as files

MEMORY, SECONDS = 500 << 20, 60
"""What one hostile file may cost beyond what the libraries take by themselves. [bytes], [seconds]"""

GOOD = files.ALL_ORDERS.text()
HEADER = GOOD.splitlines()[0]
ROW = GOOD.splitlines()[1]
FEEDBACK = files.FEEDBACK.text()
DEFECTS = "order-id,kind,known-on\n"
PLANTED = "planted-marker-7c1f"
"""Stands where personal data would; no word of it may be said or kept."""


class Hostile(NamedTuple):
    """One hostile file: its name, what it holds, and what is said of it; nothing where it is read."""

    name: str
    holds: Callable[[], bytes]
    said: str


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


@cache
def bomb(size: int) -> bytes:
    """A gzip of that many bytes of nothing."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return out.getvalue()


def cell(column: str, value: str) -> bytes:
    """The orders with one cell replaced in their first row."""
    names, cells = HEADER.split("\t"), ROW.split("\t")
    cells[names.index(column)] = value
    return "\n".join([HEADER, "\t".join(cells), *GOOD.splitlines()[2:]]).encode() + b"\n"


def performance(text: str) -> bytes:
    return text.encode()


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9))
    + "]><sellerPerformanceReports>&j;</sellerPerformanceReports>"
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><sellerPerformanceReports>&x;</sellerPerformanceReports>'

CORPUS = [
    # -- packed
    Hostile("bomb.txt.gz", lambda: bomb(1 << 30), "unpacks to more than"),
    Hostile("bomb_behind_orders.txt.gz", lambda: gzip.compress(GOOD.encode()) + bomb(1 << 30), "unpacks to more than"),
    Hostile("bomb.zip", lambda: zipped(**{"orders.txt": bytes(600 << 20)}), "unpacks to more than"),
    Hostile("bomb_in_bomb.zip", lambda: zipped(**{"orders.txt.gz": bomb(1 << 30)}), "unpacks to more than"),
    Hostile("zip_in_zip.zip", lambda: zipped(**{"inner.zip": zipped(**{"orders.txt": GOOD.encode()})}), "No file to import|"),
    Hostile("many.zip", lambda: zipped(**{f"o{n}.txt": b"x" for n in range(10_001)}), "holds 10,001 files"),
    Hostile("escape.zip", lambda: zipped(**{"..__..__evil__orders.txt": GOOD.encode()}), ""),
    Hostile("absolute.zip", lambda: zipped(**{"__etc__evil__orders.txt": GOOD.encode()}), ""),
    Hostile("no_zip.zip", lambda: b"PK\x03\x04" + bytes(100), "cannot be opened"),
    Hostile("half.zip", lambda: zipped(**{"orders.txt": GOOD.encode()})[:-30], "cannot be opened"),
    Hostile("half.txt.gz", lambda: gzip.compress(GOOD.encode())[:-20], "cannot be opened"),
    Hostile("wrong_sum.txt.gz", lambda: gzip.compress(GOOD.encode())[:-8] + bytes(8), "cannot be opened"),
    Hostile("no_gzip.txt.gz", lambda: b"\x1f\x8b" + bytes(40), "cannot be opened"),
    Hostile("empty.zip", lambda: zipped(), "No file to import|"),
    Hostile("locked.zip", lambda: locked(), "cannot be opened"),
    # -- sizes
    Hostile("cell_of_10_mb.txt", lambda: cell("product-name", "x" * (10 << 20)), "is longer than 1 MB"),
    Hostile("line_of_200_mb.txt", lambda: HEADER.encode() + b"\n" + b"x" * (200 << 20), "is longer than 1 MB"),
    Hostile("quoted_cell_of_10_mb.csv", lambda: (DEFECTS + '"' + "x" * (10 << 20) + '",refund,2026-01-01\n').encode(), "is longer than 1 MB"),
    Hostile("header_of_columns.txt", lambda: ("\t".join([*HEADER.split("\t"), *(f"c{n}" for n in range(50_000))]) + "\n").encode(), "more than 1,000 columns"),
    Hostile("header_of_10_mb.txt", lambda: b"amazon-order-id" + b"x" * (10 << 20) + b"\n", "no header|kind"),
    Hostile("tabs.txt", lambda: HEADER.encode() + b"\n" + b"\t" * 900_000 + b"\n", ""),
    Hostile("many_tabs.txt", lambda: HEADER.encode() + b"\n" + (b"\t" * 5_000 + b"\n") * 2_000, ""),
    Hostile("blank_lines.txt", lambda: b"\n" * (20 << 20) + GOOD.encode(), "is empty"),
    Hostile("only_line_feeds.txt", lambda: b"\n" * (20 << 20), "is empty"),
    Hostile("many_rows_one_order.txt", lambda: (HEADER + "\n" + (ROW + "\n") * 100_000).encode(), ""),
    # -- text
    Hostile("nul.txt", lambda: GOOD.encode().replace(b"Screen", b"Scr\0een"), "NUL bytes"),
    Hostile("nuls.txt", lambda: bytes(1 << 20), "NUL bytes"),
    Hostile("noise.txt", lambda: noise(1 << 20), "kind|NUL|header"),
    Hostile("half_utf16.txt", lambda: GOOD.encode("utf-16")[:-1], "breaks off"),
    Hostile("utf16_no_mark.txt", lambda: GOOD.encode("utf-16-le"), "NUL bytes"),
    Hostile("utf7.txt", lambda: b"+ADw-script+AD4-\n", "kind|header"),
    Hostile("overlong.txt", lambda: GOOD.encode().replace(b"Stand", b"\xc0\xaf"), ""),
    Hostile("surrogates.txt", lambda: GOOD.encode().replace(b"Stand", b"\xed\xa0\x80"), ""),
    Hostile("right_to_left.txt", lambda: GOOD.replace("Stand", "\u202etxt.exe").encode(), ""),
    Hostile("zalgo.txt", lambda: GOOD.replace("Stand", "S" + "\u0301" * 5_000).encode(), ""),
    Hostile("bell.txt", lambda: GOOD.replace("Stand", "\x07\x1b[31mred\x1b]0;title\x07").encode(), ""),
    Hostile("returns.txt", lambda: GOOD.replace("\n", "\r").encode(), ""),
    Hostile("stray_returns.txt", lambda: GOOD.replace("Stand", "Sta\rnd").encode(), ""),
    # -- cells
    Hostile("formula.txt", lambda: GOOD.replace("Stand", "=HYPERLINK(\"http://x.invalid\")").encode(), ""),
    Hostile("formula_sku.txt", lambda: GOOD.replace("S-2", "@SUM(1+1)*cmd|' /C calc'!A0").encode(), ""),
    Hostile("script.txt", lambda: GOOD.replace("Stand", "<script>alert(1)</script>").encode(), ""),
    Hostile("template.txt", lambda: GOOD.replace("Stand", "{{ 7*7 }}{% include '/etc/passwd' %}").encode(), ""),
    Hostile("sql.txt", lambda: GOOD.replace("S-2", "'; drop table orders; --").encode(), ""),
    Hostile("markup.txt", lambda: GOOD.replace("Stand", "[bold red]x[/] [link=file:///etc/passwd]y[/link]").encode(), ""),
    Hostile("format.txt", lambda: GOOD.replace("Stand", "{0.__class__} %s %n").encode(), ""),
    Hostile("id_of_path.txt", lambda: cell("amazon-order-id", "../../etc/passwd"), "amazon-order-id"),
    Hostile("id_as_number.txt", lambda: cell("amazon-order-id", "1.23E+16"), "amazon-order-id"),
    Hostile("year_9999999.txt", lambda: cell("purchase-date", "9999999-01-01T00:00:00Z"), "purchase-date"),
    Hostile("year_1.txt", lambda: cell("purchase-date", "0001-01-01T00:00:00+00:00"), "not in our time"),
    Hostile("far_offset.txt", lambda: cell("purchase-date", "2026-03-01T00:00:00+99:99"), "purchase-date"),
    Hostile("units_huge.txt", lambda: cell("quantity", "9" * 400), "quantity"),
    Hostile("units_negative.txt", lambda: cell("quantity", "-5"), "quantity"),
    Hostile("units_nan.txt", lambda: cell("quantity", "NaN"), "quantity"),
    Hostile("shop_unknown.txt", lambda: cell("sales-channel", "Amazon.evil"), "sales-channel|marketplace|"),
    # -- headers
    Hostile("twice.txt", lambda: GOOD.replace("item-status", "order-status", 1).encode(), "duplicate column order-status"),
    Hostile("header_script.csv", lambda: b"order-id,kind,known-on,<script>\n", ""),
    Hostile("header_only.txt", lambda: HEADER.encode() + b"\n", ""),
    Hostile("regex.csv", lambda: b"order-id,kind,known-on\n" + b"(a+)+$" * 2_000 + b",refund,2026-01-01\n", "order-id"),
    # -- quotes
    Hostile("open_quote.csv", lambda: (DEFECTS + '"' + "x,refund,2026-01-01\n" * 50_000).encode(), "half-written|quoted|longer"),
    Hostile("quotes.csv", lambda: (DEFECTS + '"' * 300_001 + "\n").encode(), "quoted|row 2|order-id"),
    # -- comments with personal data
    Hostile("planted.txt", lambda: FEEDBACK.replace("late", PLANTED).encode(), "marketplace|"),
    Hostile("planted_bad.txt", lambda: FEEDBACK.replace("12/4/26", PLANTED).encode(), "."),
    # -- documents
    Hostile("laughs.xml", lambda: LAUGHS.encode(), "document type|kind"),
    Hostile("outside.xml", lambda: OUTSIDE.encode(), "document type|kind"),
    Hostile("deep.xml", lambda: b"<?xml version='1.0'?>" + b"<sellerPerformanceReports>" * 100_000, "deeper|whole XML|kind"),
    Hostile("wide.xml", lambda: b"<sellerPerformanceReports>" + b"<a/>" * 1_000_000 + b"</sellerPerformanceReports>", "more than|larger|kind"),
    Hostile("half.xml", lambda: b"<?xml version='1.0'?><sellerPerformanceReports><a>", "whole XML|kind"),
    Hostile("deep.json", lambda: b'{"accountStatuses":' + b"[" * 200_000, "deep|brackets|breaks off|kind"),
    Hostile("deep_objects.json", lambda: b'{"accountStatuses":' * 100_000, "deep|brackets|breaks off|kind"),
    Hostile("long_number.json", lambda: b'{"accountStatuses": [' + b"9" * 5_000_000 + b"]}", "."),
    Hostile("exponent.json", lambda: b'{"accountStatuses": [1e999999999]}', "."),
    Hostile("nan.json", lambda: b'{"accountStatuses": [NaN]}', "."),
    Hostile("keys_twice.json", lambda: b'{"accountStatuses": [], "accountStatuses": []}', "."),
    Hostile("many_keys.json", lambda: json.dumps({"accountStatuses": [], **{f"k{n}": n for n in range(300_000)}}).encode(), "."),
    Hostile("long_text.json", lambda: json.dumps({"accountStatuses": ["x" * (50 << 20)]}).encode(), "."),
]  # fmt: skip


def noise(size: int) -> bytes:
    """Bytes by chance, the same each time."""
    state, out = 1, bytearray()
    for _ in range(size // 4):
        state = (state * 1_103_515_245 + 12_345) % (1 << 32)
        out += state.to_bytes(4, "big")
    return bytes(out)


def locked() -> bytes:
    """A zip that says that its member is encrypted."""
    data = bytearray(zipped(**{"orders.txt": GOOD.encode()}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


IMPORT = """
import json, signal, sys
from pathlib import Path
from healthkit.ingest import importer
from healthkit.store import Store

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else []
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(what)), 0)

work, seconds = Path(sys.argv[1]), int(sys.argv[2])
for folder in sorted(work.iterdir()):
    print(json.dumps({"begun": folder.name}), flush=True)
    # Ended by the alarm, whatever it is at.
    signal.alarm(seconds)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    before = memory("VmRSS")
    [path] = (folder / "raw" / "acme").iterdir()
    outcomes = list(importer.import_files([path], Store(folder / "store"), marketplace="US"))
    signal.alarm(0)
    grew = memory("VmHWM") - before
    said = [one.refused for one in outcomes]
    print(json.dumps({"done": folder.name, "said": said, "grew": grew}), flush=True)
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> tuple[Path, dict[str, dict], str]:
    """The whole corpus imported, a store each, and what was said of each file."""
    work = tmp_path_factory.mktemp("hostile")
    for number, one in enumerate(CORPUS):
        place = work / f"{number:03d}" / "raw" / "acme" / one.name
        place.parent.mkdir(parents=True)
        place.write_bytes(one.holds())
    words = [sys.executable, "-X", "faulthandler", "-c", IMPORT, str(work), str(SECONDS)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS * 10, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    last = next((line["begun"] for line in reversed(lines) if "begun" in line), "nothing")
    assert ran.returncode == 0, f"file {last} ended it ({ran.returncode}): {ran.stderr[-2_000:]}"
    return work, {line["done"]: line for line in lines if "done" in line}, ran.stdout + ran.stderr


def test_the_corpus_is_large_enough_and_each_name_stands_once():
    assert len({one.name for one in CORPUS}) == len(CORPUS) >= 60


@pytest.mark.parametrize("one", CORPUS, ids=lambda one: one.name)
def test_a_hostile_file_is_refused_in_a_sentence_or_read_for_what_it_is(one, imported):
    work, told, _ = imported
    place = f"{CORPUS.index(one):03d}"
    refused = [said for said in told[place]["said"] if said]
    if one.said:
        assert re.search(one.said, "\n".join(refused)), told[place]
        assert all(said.startswith("acme/") and said.endswith((".", "text.", "folder.")) for said in refused)
    else:
        assert told[place]["said"] == [None], refused
    assert told[place]["grew"] <= MEMORY, "it took too much memory"
    # Nothing is written outside the store.
    assert {path.name for path in (work / place).iterdir()} <= {"raw", "store"}


def test_nobodys_data_is_said_or_kept(imported):
    work, _, printed = imported
    assert PLANTED not in printed
    kept = [path for path in work.glob("*/store/**/*") if path.is_file()]
    assert kept
    assert [path for path in kept if PLANTED.encode() in path.read_bytes()] == []


def test_formulas_in_cells_are_text_in_every_csv(imported):
    work, _, _ = imported
    for name in ("formula.txt", "formula_sku.txt"):
        place = work / f"{[one.name for one in CORPUS].index(name):03d}"
        items = Store(place / "store").ledger().items.collect("pandas").to_native()
        cells = [cell for line in tables.as_csv(items).splitlines() for cell in next(csv.reader([line]))]
        assert any(cell.startswith("'") for cell in cells)
        assert not any(cell.startswith(("=", "@", "+", "-")) for cell in cells)


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_damaged_files_by_chance_are_read_or_refused(reader, tmp_path):
    told = fuzz.fuzz(reader, seconds=60, seed=7, keep=tmp_path, most=60)
    assert told["tried"] == 60
