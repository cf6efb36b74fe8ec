"""What a file is that the kit does not read: whose it is, and what to download instead.

A wrong guess is worse than none. So a file is called by name only where its first bytes, its header or its marks say
so, and else it is called unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from healthkit.ingest.parsing.csv_table import parse_header
from healthkit.schema import yaml_lines

SIGNATURES = Path(__file__).parents[1] / "formats" / "unknown_files.yaml"
"""Headers and marks of files that are not read, with their titles and what to download instead."""
MAX_HEADER_LINE = 15
"""The header of an unknown file is looked for among so many first lines."""
DELIMITERS = "\t,;|"

_TABLES = "as a CSV, a text file or a workbook (XLSX)"
_BINARY = (
    (
        b"%PDF",
        f"a PDF, whose tables cannot be read exactly. Download the report {_TABLES} instead; docs/files.md says where.",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Office document (XLS, DOC), which is not read. Open it, and save its table as XLSX or CSV; or download "
        f"the report {_TABLES}.",
    ),
    (b"{\\rtf", f"a text document (RTF), which is not read. Download the report {_TABLES} instead."),
    (b"SQLite format 3", "a database (SQLite), which is not read. Export its table of orders as CSV."),
    (b"Obj\x01", "a table in the format Avro, which is not read. Export it as Parquet, JSON lines or CSV."),
    (b"ORC", "a table in the format ORC, which is not read. Export it as Parquet, JSON lines or CSV."),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z), which is not opened. Unpack it, and import the files in it."),
    (b"Rar!", "an archive (RAR), which is not opened. Unpack it, and import the files in it."),
    (b"BZh", "packed (bzip2), which is not opened. Unpack it, and import the file in it."),
    (b"\xfd7zXZ", "packed (xz), which is not opened. Unpack it, and import the file in it."),
    (b"\x28\xb5\x2f\xfd", "packed (zstd), which is not opened. Unpack it, and import the file in it."),
)
_PICTURE_BEGINNINGS = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"\x00\x00\x01\x00", b"<svg",
)  # fmt: skip
_PICTURE = (
    f"a picture, in which no figure can be read exactly. Download the report {_TABLES} instead, or write what the "
    "picture shows into a plain CSV file (docs/files.md)."
)
_PAGE = (
    "a saved web page, which is not read: it holds what was on the screen and not every order. Use the page's own "
    f"button to download the report {_TABLES}; docs/files.md says where each one is."
)
_MAIL = f"a saved e-mail, which is not read. Save the file that is attached to it, or download the report {_TABLES}."
_PAGE_BEGINNING = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table)\b",
                             re.IGNORECASE | re.DOTALL)  # fmt: skip
_MAIL_BEGINNING = re.compile(rb"(?:From|Received|Return-Path|MIME-Version|Delivered-To): ", re.IGNORECASE)
_OFFICE_MEMBERS = {
    "word/document.xml": "a text document (Word)",
    "ppt/presentation.xml": "a presentation (PowerPoint)",
    "xl/workbook.bin": "a binary workbook (XLSB)",
    "content.xml": "a document of LibreOffice or OpenOffice (ODS, ODT)",
    "Index/Document.iwa": "a document of Apple's Numbers or Pages",
}
UNREAD_SUFFIXES = {
    ".pdf", ".xls", ".xlsb", ".ods", ".doc", ".docx", ".odt", ".rtf", ".numbers", ".pages", ".pptx", ".html", ".htm",
    ".mht", ".mhtml", ".eml", ".avro", ".orc", ".7z", ".rar", ".bz2", ".xz", ".zst",
}  # fmt: skip
"""Suffixes of files in folders that may hold a report, and are looked at only to say that they are not read.

Pictures in folders are passed over; one that is named by itself is refused in a sentence.
"""


def describe_binary_file(beginning: bytes) -> str:
    """Return what a file is by its first bytes, if it is none that can be read as text, and what to do; or "".

    >>> describe_binary_file(b"%PDF-1.7").split(".")[0]
    'is a PDF, whose tables cannot be read exactly'
    >>> describe_binary_file(b"order-id,kind,known-on")
    ''
    """
    text = beginning.removeprefix(b"\xef\xbb\xbf")
    found = next((sentence for begin, sentence in _BINARY if text.lstrip().startswith(begin)), "")
    if not found and (text.startswith(_PICTURE_BEGINNINGS) or _is_other_picture(text)):
        found = _PICTURE
    if not found and _PAGE_BEGINNING.match(text):
        found = _PAGE
    if not found and _MAIL_BEGINNING.match(text):
        found = _MAIL
    return f"is {found}" if found else ""


def _is_other_picture(beginning: bytes) -> bool:
    """Return whether a file is a picture in the format WebP, HEIC, AVIF or BMP."""
    is_webp = beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"
    is_heic = beginning[4:8] == b"ftyp" and beginning[8:12] in (b"heic", b"heix", b"mif1", b"avif", b"hevc")
    return is_webp or is_heic or (beginning[:2] == b"BM" and beginning[6:10] == b"\x00\x00\x00\x00")


def describe_archive(archive: ZipFile) -> str:
    """Return what a zip file is, if it is an Office document that is not read, and what to do; or ""."""
    names = set(archive.namelist())
    found = next((title for member, title in _OFFICE_MEMBERS.items() if member in names), "")
    return (
        f"is {found}, which is not read. Save its table as XLSX or CSV, or download the report again." if found else ""
    )


@dataclass(frozen=True)
class _Signature:
    """A file that is not read: the columns or marks by which it is known, its title, and what to do instead."""

    title: str
    instead: str
    columns: tuple[frozenset[str], ...] = ()
    marks: tuple[bytes, ...] = ()


def describe_known_table(lines: Iterable[str]) -> str:
    """Return whose table a file is by its header, if it is one that is known and not read, and what to do; or "".

    >>> describe_known_table(["Sale Date,Order ID,Full Name,Order Value"]).split(".")[0]
    'looks like an Etsy order export, in a form that is not read'
    >>> describe_known_table(["order-id,remark"])
    ''
    """
    for line in list(lines)[:MAX_HEADER_LINE]:
        headers = [set(parse_header(line, delimiter)) for delimiter in DELIMITERS]
        for one in _signatures("files"):
            if any(all(spellings & names for spellings in one.columns) for names in headers):
                return _sentence(one)
    return ""


def describe_known_document(content: bytes) -> str:
    """Return whose JSON a file is by its marks, if it is one that is known and not read, and what to do; or ""."""
    return next(
        map(_sentence, (one for one in _signatures("documents") if all(mark in content for mark in one.marks))), ""
    )


def _sentence(one: _Signature) -> str:
    return f"looks like {one.title}, in a form that is not read. {one.instead}"


@cache
def _signatures(part: str) -> tuple[_Signature, ...]:
    """Return the signatures of one part of the YAML file, `files` or `documents`."""
    content: dict[str, Any] = yaml_lines.without_lines(yaml_lines.read_yaml(SIGNATURES))
    texts = content["instead"]
    return tuple(
        _Signature(
            one["title"],
            texts.get(one.get("instead", "no_orders"), one.get("instead", "")),
            tuple(
                frozenset(parse_header(str(text), "\t")[0] for text in spellings)
                for spellings in one.get("columns", ())
            ),
            tuple(mark.encode() for mark in one.get("marks", ())),
        )
        for one in content[part]
    )
