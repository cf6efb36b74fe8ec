"""Readers fed with damaged files by chance, for as long as asked: `make fuzz SECONDS=600`.

Every reader gets files of its kind, damaged a little: bytes, cells, lines, columns, encodings, ends. It may read one or
refuse it in a sentence (ReaderError); any other exception, more than SLOW seconds or more than MEMORY ends the run, and
the file that did it is kept. What is tried follows from a seed, so that a find comes again. Time is CPU time.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from healthkit.ingest.formats import RawFile, ReaderError, discover_files, parse_file
from healthkit.ingest.formats.registry import FORMATS, document_kinds
from tests.builders import etsy_shopify_files, walmart_ebay_files
from tests.builders import latin_and_tiktok_files as others
from tests.builders import raw_files as files
from tests.builders.order_downloads import items_v0, order_2026, order_v0
from tests.builders.performance_reports import LONG, SHORT, frame, xml
from tests.builders.sample import SAMPLE

SLOW, MEMORY = 10.0, 500
"""What one damaged file may cost beyond what the libraries take. [CPU seconds], [MiB]"""
LINES = 40
"""So many lines of a sample file are a seed: small files find more in the same time."""
ORDER_FILES = ("walmart_orders", "ebay_orders", "tiktok_orders", "mercado_libre_sales")
READERS = (
    *dict.fromkeys(one.name for one in FORMATS), "order_defects_list", *ORDER_FILES,
    *(file.kind for file in etsy_shopify_files.FILES),
)  # fmt: skip

NASTY = [
    b"", b" ", b"\t", b"\n", b"\r", b"\r\n", b"\0", b'"', b'""', b",", b";", b"'", b"-", b"--", b"0", b"-0", b"-1",
    b"1e9", b"1E+16", b"9" * 9, b"9" * 10, b"9" * 400, b"NaN", b"inf", b"null", b"None", b"true", b"2026-02-30",
    b"2026-13-01",
    b"0000-00-00", b"0001-01-01", b"9999-12-31", b"1994-12-31", b"2099-12-31T23:59:59Z", b"2026-03-29T02:30:00",
    b"2026-11-01T01:30:00", b"2026-03-08T02:30:00-08:00", b"2026-10-31T24:00:00Z", b"2026-10-31T23:59:60Z",
    b"2026-10-31 17:45", b"31.12.2025", b"12/31/2025", b"1/1/1", b"+99:99", b"Z", b"111-0000001-0000001",
    b"111-0000001-000000", b"S01-0000001-0000001", b"../../x", b"Amazon.com", b"Amazon.de", b"Amazon.co.jp",
    b"Non-Amazon", b"Amazon", b"Merchant", b"Cancelled", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbf\xbd",
    "é".encode(), "日本".encode("cp932"), "\u202e".encode(), "٣".encode(), "²".encode(), "İ".encode(), "ß".encode(),
    "\u00a0".encode(), "\u2028".encode(), b"\x0b", b"\x0c", b"\x1c", b"\x85", b"[", b"]", b"{", b"}", b"<a>", b"</a>",
    b"<!--", b"<![CDATA[", b"&amp;", b"&#0;", b"\\u0000", b"\\ud800", b"1" * 5_000, b"[" * 3_000, b"x" * 70_000,
]  # fmt: skip


def seeds(reader: str) -> list[bytes]:
    """Small good files of one kind: the beginnings of the sample's, and those of the tests."""
    tiny = (*files.FILES, *etsy_shopify_files.FILES)
    found = [file.text().encode() for file in tiny if file.kind == reader] + DOCUMENTS.get(reader, [])
    sources, _ = discover_files([SAMPLE])
    documents = {kind.name for kind in document_kinds()}
    held = [
        source
        for source in sources
        if source.kind == reader or (reader == "order_defects_list" and "list" in source.kind)
    ]
    for source in held[:6]:
        content = source.parts[0].read_bytes()
        whole = reader in documents or content.startswith(b"PK")
        content = content if whole else b"\n".join(content.split(b"\n")[:LINES]) + b"\n"
        found.append(content)
    return found


DOCUMENTS = {
    "performance_xml": [
        xml(LONG + SHORT), xml(frame("orderDefectMetrics", "2019-05-02", "2019-05-31", "<orderCount>0</orderCount>")),
    ],
    "orders_api_v0": [json.dumps({"payload": {"Orders": [order_v0(), order_v0(files.SECOND)]}}, indent=1).encode()],
    "orders_api_v0_items": [json.dumps(items_v0(files.FIRST, "true", "false"), indent=1).encode()],
    "orders_api_2026": [json.dumps({"orders": [order_2026(), order_2026(files.SECOND)]}, indent=1).encode()],
    **{kind: [text.encode() for text in texts] for kind, texts in walmart_ebay_files.DOCUMENTS.items()},
    "orders_api_table": [
        b"amazon_order_id,purchase_date,last_update_date,order_status,fulfillment_channel,sales_channel\n"
        b"111-0000001-0000001,2026-03-02T04:00:00Z,2026-03-04T04:00:00Z,Shipped,MFN,Amazon.com\n",
    ],
    "mercado_libre_orders": [
        json.dumps([{"results": [others.api_order(7), others.api_order(9, "cancelled")]}, shipment]).encode()
        for shipment in (others.api_shipment(7),)
    ],
    "mercado_libre_reputation": [json.dumps(others.reputation(as_of="2026-10-31")).encode()],
    "tiktok_orders": [
        others.TIKTOK.text().encode(), others.tiktok_csv(others.tiktok_row(1), others.tiktok_row(2)),
        others.workbook([others.TIKTOK_COLUMNS, others.tiktok_row(1)]),
    ],
    "mercado_libre_sales": [others.SALES.text().encode(), others.sales_report(*others.SALES.rows)],
}  # fmt: skip
"""Documents as their tests write them, beside those of the sample."""


def damaged(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """One file with some damage."""
    data = good
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        data = chance.choice(DAMAGES)(data, other, chance)
    return data[: 4 << 20]


def _at(data: bytes, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _flip(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: _at(data, chance)]


def _remove(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + data[at + chance.randrange(1, 200) :]


def _insert(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + chance.choice(NASTY) + data[at:]


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: _at(data, chance)] + other[_at(other, chance) :]


def _again(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    piece = data[at : at + chance.randrange(1, 300)]
    return data[:at] + piece * chance.randrange(2, 20) + data[at:]


def _in_lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[[bytes, bytes, random.Random], bytes]:
    def made(data: bytes, other: bytes, chance: random.Random) -> bytes:
        lines = data.split(b"\n")
        change(lines, chance)
        return b"\n".join(lines)

    return made


def _parted(line: bytes) -> bytes:
    return max((b"\t", b",", b";", b'":', b">"), key=line.count)


def _cell(lines: list[bytes], chance: random.Random) -> None:
    """One cell becomes something else: of the nasty words, or of another cell."""
    at = chance.randrange(len(lines)) if chance.random() < 0.1 else chance.randrange(min(1, len(lines) - 1), len(lines))
    by = _parted(lines[at])
    cells = lines[at].split(by)
    words = lines[chance.randrange(len(lines))].split(by)
    cells[chance.randrange(len(cells))] = chance.choice(NASTY) if chance.random() < 0.7 else chance.choice(words)
    lines[at] = by.join(cells)


def _column(lines: list[bytes], chance: random.Random) -> None:
    """A whole column becomes one word."""
    by = _parted(lines[0])
    place, word = chance.randrange(lines[0].count(by) + 1), chance.choice(NASTY)
    for at in range(1, len(lines)):
        cells = lines[at].split(by)
        if place < len(cells) > 1:
            cells[place] = word
            lines[at] = by.join(cells)


def _drop_column(lines: list[bytes], chance: random.Random) -> None:
    by = _parted(lines[0])
    place = chance.randrange(lines[0].count(by) + 1)
    for at, line in enumerate(lines):
        cells = line.split(by)
        if place < len(cells) > 1:
            lines[at] = by.join(cells[:place] + cells[place + 1 :])


def _drop_line(lines: list[bytes], chance: random.Random) -> None:
    del lines[chance.randrange(len(lines))]
    lines += [] if lines else [b""]


def _repeat_line(lines: list[bytes], chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))


def _swap_lines(lines: list[bytes], chance: random.Random) -> None:
    one, two = (chance.randrange(len(lines)) for _ in range(2))
    lines[one], lines[two] = lines[two], lines[one]


def _encoded(data: bytes, other: bytes, chance: random.Random) -> bytes:
    name = chance.choice(("utf-16", "utf-16-le", "utf-8-sig", "cp1252", "cp932", "latin-1", "utf-32", "utf-7"))
    return data.decode("utf-8", "replace").encode(name, "replace")


def _line_ends(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\r\r\n", b"\n\n", b"\n\r")))


def _parted_by(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data.replace(chance.choice((b"\t", b",")), chance.choice((b",", b"\t", b";", b"|", b" ")))


def _quoted(data: bytes, other: bytes, chance: random.Random) -> bytes:
    by = _parted(data.split(b"\n")[0])
    return data.replace(by, b'"' + by + b'"')


DAMAGES: Sequence[Callable[[bytes, bytes, random.Random], bytes]] = (
    _flip, _cut, _remove, _insert, _splice, _again, _encoded, _line_ends, _parted_by, _quoted,
    *map(_in_lines, (_cell, _cell, _cell, _cell, _cell, _column, _column, _drop_column, _drop_line, _repeat_line,
                     _swap_lines)),
)  # fmt: skip


def _known(chance: random.Random) -> Callable[[str, list[str]], dict[str, str]]:
    """A store that knows some orders: none, all of one marketplace, or of several."""
    codes = chance.choice(([], ["US"], ["DE"], ["US", "DE"], ["JP"]))
    return lambda account, ids: {one: codes[n % len(codes)] for n, one in enumerate(ids)} if codes else {}


def _import(path: Path, chance: random.Random) -> list[RawFile]:
    """Read what stands in a folder as an import would; the sources that were read."""
    sources, refused = discover_files([path])
    for one in refused:
        assert one.message.startswith(one.name), one
    told = chance.choice((None, None, "US", "DE"))
    done = []
    for source in sources:
        try:
            taken = parse_file(source, None, told, _known(chance), lambda account: {"US"})
        except ReaderError as error:
            if not str(error):
                raise AssertionError(source) from error
            continue
        assert taken.rows >= 0
        done.append(source)
    return done


def fuzz(reader: str, seconds: float, seed: int, keep: Path, most: int | None = None) -> dict[str, object]:
    """Feed one reader, with so many files at most; what was tried, and what the dearest file cost.

    Raises what the reader raises.
    """
    good = seeds(reader) if reader != "olist" else [file.text().encode() for file in OLIST]
    chance = random.Random(f"{reader} {seed}")
    tried = read_whole = 0
    slowest, begin = 0.0, time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        folder = Path(place) / "acme"
        folder.mkdir()
        while time.process_time() - begin < seconds and tried != most:
            for old in folder.iterdir():
                old.unlink()
            hurt = chance.randrange(len(good))
            for number, one in enumerate(good) if reader == "olist" else [(hurt, good[hurt])]:
                content = damaged(one, chance.choice(good), chance) if number == hurt else one
                (folder / f"{number}.txt").write_bytes(content)
            since = time.process_time()
            try:
                read_whole += bool(_import(folder, chance))
                took = time.process_time() - since
                assert took < SLOW, f"took {took:.1f} s"
                grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
                assert grew < MEMORY, f"took {grew:.0f} MiB"
            except Exception:
                keep.mkdir(parents=True, exist_ok=True)
                for file in folder.iterdir():
                    (keep / f"{reader}-{seed}-{tried}-{file.name}").write_bytes(file.read_bytes())
                raise
            tried, slowest = tried + 1, max(slowest, took)
    grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "reader": reader, "seed": seed, "cpu_seconds": round(time.process_time() - begin), "tried": tried,
        "read": read_whole, "slowest_ms": round(slowest * 1000), "grew_mib": round(grew),
    }  # fmt: skip


OLIST = (files.OLIST_ORDERS, files.OLIST_ITEMS, files.OLIST_REVIEWS)


def main() -> None:
    """Every reader, or those named, a process each; exit code 1 where one failed."""
    ask = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    ask.add_argument("readers", nargs="*", help="Default: all.")
    ask.add_argument("--seconds", type=float, default=20.0)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--jobs", type=int, default=1)
    ask.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "healthkit-fuzz")
    ask.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    said = ask.parse_args()
    if said.one:
        try:
            print(json.dumps(fuzz(said.readers[0], said.seconds, said.seed, said.keep)))
        except Exception as error:
            traceback.print_exc()
            print(json.dumps({"reader": said.readers[0], "seed": said.seed, "failed": repr(error)[:300]}))
        return

    def apart(reader: str) -> dict[str, object]:
        words = [sys.executable, "-m", "tests.fuzz", reader, "--one", "--keep", str(said.keep)]
        words += ["--seconds", str(said.seconds), "--seed", str(said.seed)]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        told = ran.stdout.splitlines()[-1:]
        figures = json.loads(told[0]) if told else {"reader": reader, "failed": f"ended with {ran.returncode}"}
        print(json.dumps(figures), flush=True)
        print(ran.stderr[-3_000:], file=sys.stderr, end="", flush=True)
        return dict(figures)

    with ThreadPoolExecutor(said.jobs) as several:
        told = list(several.map(apart, said.readers or READERS))
    failed = [one["reader"] for one in told if "failed" in one]
    print(f"{len(told)} readers, {len(failed)} failed: {', '.join(map(str, failed)) or 'none'}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
