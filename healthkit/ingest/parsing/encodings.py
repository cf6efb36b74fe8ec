"""From the bytes of a raw file to clean UTF-8 lines, saying which encoding it took.

A file saved by hand carries no word about its encoding. The order that works offline: byte order mark,
strict UTF-8, CP932 where the marketplace is Japan, Windows-1252, Latin-1 (which never fails, so it stands last).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

from healthkit.ingest.parsing.raw_file import ReaderError

HEAD_BYTES = 65_536
"""Bytes that are enough to see the header and the first rows."""

_LOST_LETTER = re.compile(rb"\?\?|[A-Za-z]\?[a-z]")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))


def first_lines(data: bytes) -> list[str]:
    """The first lines, decoded just well enough to know the kind of file by its header.

    >>> first_lines(b"Datum\\tBewertung\\r\\n1.2.26\\t1\\r\\n")
    ['Datum\\tBewertung', '1.2.26\\t1']
    """
    encoding = encoding_from_bom(data)
    head = data[:HEAD_BYTES]
    text = head.decode(encoding, errors="ignore") if encoding else _decode_head(head)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


def _decode_head(head: bytes) -> str:
    """UTF-8 where it is that, its last letter perhaps cut in two; else something of which at least ASCII is right."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("latin-1")


def decode_text(data: bytes, name: str, is_japanese: Callable[[], bool]) -> tuple[bytes, list[str]]:
    """The text as UTF-8 with bare line feeds, and notes on what had to be assumed.

    `japanese` is asked only when the bytes leave it open. Raises ReaderError for what is no text.
    """
    encoding = detect_encoding(lambda: [data], is_japanese)
    text = data if encoding == "utf-8" else b"".join(transcode_to_utf8([data], encoding, name))
    text, notes = normalize_text(text, name)
    return text, encoding_note(encoding) + notes


def encoding_note(encoding: str) -> list[str]:
    """What is said of a file that is not plain UTF-8."""
    return [] if encoding == "utf-8" else [f"Read as {encoding}: the file is not plain UTF-8."]


def detect_encoding(pieces: Callable[[], Iterable[bytes]], is_japanese: Callable[[], bool]) -> str:
    """The encoding of a text that comes in pieces, once for each time that `pieces` is called."""
    marked = encoding_from_bom(next(iter(pieces()), b""))
    if marked:
        return marked
    if _can_decode(pieces(), "utf-8"):
        return "utf-8"
    candidates = ["cp1252"]
    if any(b"Amazon.co.jp" in piece for piece in pieces()) or is_japanese():
        candidates.insert(0, "cp932")
    return next((candidate for candidate in candidates if _can_decode(pieces(), candidate)), "latin-1")


def encoding_from_bom(data: bytes) -> str:
    """The encoding that a byte order mark tells of; empty where there is none."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), "")


class NotUtf8(ValueError):
    """A text that was taken for UTF-8 is none."""


def transcode_to_utf8(pieces: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """The pieces of a text as UTF-8, no letter parted.

    Raises NotUtf8 where it was taken for that, and ReaderError where it is not what its mark says.
    """
    decoder, passed, held = codecs.getincrementaldecoder(encoding)(), 0, b""
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            if encoding == "utf-8":
                together, held = held + piece, decoder.getstate()[0]
                yield together[: len(together) - len(held)]
            else:
                yield text.encode()
                held = decoder.getstate()[0]
            passed += len(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            raise NotUtf8(name) from error
        raise ReaderError(
            f"{name}: begins as {encoding} and breaks off at byte {passed - len(held) + error.start:,}. "
            "Download it again."
        ) from error


def normalize_text(text: bytes, name: str, is_partial: bool = False) -> tuple[bytes, list[str]]:
    """UTF-8 with bare line feeds, and what had to be assumed. Raises ReaderError for what is no text.

    A part of a file is known to have line feeds elsewhere.
    """
    if b"\0" in text:
        raise ReaderError(
            f"{name}: holds NUL bytes, so it is no text (or UTF-16 without its mark). "
            "Download the text file again, and do not convert it."
        )
    text, notes = _normalize_line_ends(text, is_partial)
    return text, notes + _note_lost_letters(text)


def _can_decode(pieces: Iterable[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _normalize_line_ends(text: bytes, is_partial: bool) -> tuple[bytes, list[str]]:
    """End lines with a line feed alone; a stray carriage return inside a line becomes a blank."""
    if b"\r" not in text:
        return text, []
    text = text.replace(b"\r\n", b"\n")
    stray = text.count(b"\r")
    if not stray:
        return text, []
    if b"\n" not in text and not is_partial:
        return text.replace(b"\r", b"\n"), []
    return text.replace(b"\r", b" "), [f"Turned {stray:,} stray carriage returns inside lines into blanks."]


def _note_lost_letters(text: bytes) -> list[str]:
    """Say where letters were lost before the file reached us; nothing can bring them back."""
    if not text.isascii():
        lost = text.count("\ufffd".encode())
        return [f"{lost:,} letters were already lost in this file (U+FFFD); they cannot be restored."] if lost else []
    if b"?" not in text:
        return []
    marks = sum(1 for hit in _LOST_LETTER.finditer(text) if not _is_in_url(text, hit.start()))
    return [f"{marks:,} letters look as if they were replaced by '?' before the download."] if marks else []


def _is_in_url(text: bytes, position: int) -> bool:
    """Whether a question mark belongs to a web address."""
    cell = max(text.rfind(edge, 0, position) for edge in (b"\t", b"\n", b" ", b","))
    return b"/" in text[cell + 1 : position]
