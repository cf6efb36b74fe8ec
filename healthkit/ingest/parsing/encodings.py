"""Decode raw files to UTF-8 lines, and note which encoding was assumed.

A file saved by hand does not state its encoding. These are tried in order: byte order mark, strict UTF-8, CP932 if the
marketplace is Japan, Windows-1252, and Latin-1, which never fails.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN
from healthkit.ingest.parsing.raw_file import ReaderError

HEAD_BYTES = 65_536
"""Length of the beginning of a file, which contains its header and first rows. [bytes]"""
NUL_PROBLEM = "holds NUL bytes, so it is no text (or UTF-16 without its mark)"

_LOST_LETTER = re.compile(rb"\?\?|[A-Za-z]\?[a-z]")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))


def first_lines(data: bytes) -> list[str]:
    """Return the first lines of a file that are not blank, decoded well enough to recognize the header.

    >>> first_lines(b"Datum\\tBewertung\\r\\n1.2.26\\t1\\r\\n")
    ['Datum\\tBewertung', '1.2.26\\t1']
    """
    encoding = encoding_from_bom(data)
    head = data[:HEAD_BYTES]
    text = head.decode(encoding, errors="ignore") if encoding else _decode_head(head)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


def _decode_head(head: bytes) -> str:
    """Decode as UTF-8, whose last letter may be cut, or else with an encoding that keeps ASCII."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("latin-1")


def decode_text(data: bytes, name: str, is_japanese: Callable[[], bool]) -> tuple[bytes, list[str]]:
    """Return the text of a file as UTF-8 with line feeds only, and notes on the assumptions made.

    `is_japanese` is called only if the bytes do not determine the encoding. Raise ReaderError if the file is no text.
    """
    encoding = detect_encoding(lambda: [data], is_japanese)
    text = data if encoding == "utf-8" else b"".join(transcode_to_utf8([data], encoding, name))
    text, notes = normalize_text(text, name)
    return text, encoding_note(encoding) + notes


def encoding_note(encoding: str) -> list[str]:
    """Return a list with a note that names the encoding, or an empty list for plain UTF-8."""
    return [] if encoding == "utf-8" else [f"Read as {encoding}: the file is not plain UTF-8."]


def detect_encoding(pieces: Callable[[], Iterable[bytes]], is_japanese: Callable[[], bool]) -> str:
    """Detect the encoding of a text.

    Each call of `pieces` reads the text from the beginning.
    """
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
    """Return the encoding that the byte order mark of a text indicates, or "" if there is no mark."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), "")


class NotUtf8(ValueError):
    """Raised if a text that is decoded as UTF-8 is not valid UTF-8."""


def transcode_to_utf8(pieces: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """Convert the pieces of a text to UTF-8 and yield them, cut only between characters.

    Raise NotUtf8 if `encoding` is "utf-8" and the text is not, else ReaderError if its byte order mark is wrong.
    """
    decoder, passed, incomplete = codecs.getincrementaldecoder(encoding)(), 0, b""
    try:
        for piece in pieces:
            if encoding == "utf-8" and not incomplete and piece.isascii():
                yield piece  # Decoding it would make a copy.
                passed += len(piece)
                continue
            text = decoder.decode(piece)
            if encoding == "utf-8":
                whole, incomplete = incomplete + piece, decoder.getstate()[0]
                yield whole[: len(whole) - len(incomplete)]
            else:
                yield text.encode()
                incomplete = decoder.getstate()[0]
            passed += len(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            raise NotUtf8(name) from error
        position = passed - len(incomplete) + error.start
        raise ReaderError(
            f"{name}: begins as {encoding} and breaks off at byte {position:,}. {HINT_DOWNLOAD_AGAIN}"
        ) from error


def normalize_text(text: bytes, name: str, is_partial: bool = False) -> tuple[bytes, list[str]]:
    """Return UTF-8 text with line feeds only, and notes on the assumptions made.

    Raise ReaderError if the bytes are no text. A text with `is_partial` belongs to a file that has line feeds
    elsewhere.
    """
    if b"\0" in text:
        raise ReaderError(f"{name}: {NUL_PROBLEM}. Download the text file again, and do not convert it.")
    text, notes = _normalize_line_ends(text, is_partial)
    return text, notes + _note_lost_letters(text)


def _can_decode(pieces: Iterable[bytes], encoding: str) -> bool:
    try:
        for _ in codecs.iterdecode(pieces, encoding):
            pass
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
    """Note letters that were lost before the file was downloaded; they cannot be restored."""
    if not text.isascii():
        lost = text.count("\ufffd".encode())
        return [f"{lost:,} letters were already lost in this file (U+FFFD); they cannot be restored."] if lost else []
    if b"?" not in text:
        return []
    marks = sum(1 for hit in _LOST_LETTER.finditer(text) if not _is_in_url(text, hit.start()))
    return [f"{marks:,} letters look as if they were replaced by '?' before the download."] if marks else []


def _is_in_url(text: bytes, position: int) -> bool:
    """Return whether a question mark belongs to a web address."""
    cell = max(text.rfind(edge, 0, position) for edge in (b"\t", b"\n", b" ", b","))
    return b"/" in text[cell + 1 : position]
