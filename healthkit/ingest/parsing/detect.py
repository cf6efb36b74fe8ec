"""Detection of the kind of a raw file by its header or content, never by its name."""

from __future__ import annotations

from dataclasses import replace

from healthkit.ingest.formats import feedback, olist
from healthkit.ingest.formats.registry import document_kinds, table_kinds
from healthkit.ingest.parsing.csv_table import HINT_RESAVED, FileKind, parse_header
from healthkit.ingest.parsing.encodings import first_lines
from healthkit.ingest.parsing.order_map_guess import suggest_order_map
from healthkit.ingest.parsing.raw_file import DocumentKind
from healthkit.ingest.parsing.unknown_files import describe_known_document, describe_known_table

DELIMITERS = "\t,;"
MIN_KNOWN_SHARE = 0.5
"""Smallest share of a header's columns that its nearest kind knows."""
MAX_MISSING_COLUMNS = 5
"""Largest number of columns that a header lacks of its nearest kind."""
_UNKNOWN = (
    "no known kind of file: its first line is not a header that the kit knows. docs/files.md lists the files that are "
    "read and where each is downloaded. The columns of a file of orders from another source can be described under "
    "orders in data/column_map.yaml."
)


class UnknownFileKind(ValueError):
    """Raised if a file matches no known kind of file.

    The message names the nearest kind and the columns that differ.
    """


def detect_kind(lines: list[str]) -> tuple[FileKind, str]:
    """Detect the kind of a table file and its delimiter from the first lines of the file.

    >>> kind, delimiter = detect_kind(["order-id,kind,known-on"])
    >>> kind.name, delimiter
    ('defects', ',')
    >>> detect_kind(["order-id\\tRating\\tDay"])
    Traceback (most recent call last):
    ...
    healthkit.ingest.parsing.detect.UnknownFileKind: no known kind of file. ...
    """
    kinds = table_kinds()
    found = _match_lines(lines, [kind for kind in kinds if not kind.added_by_user])
    if found is None and _is_feedback(lines):
        found = feedback.KIND, "\t"
    found = found or _match_lines(lines, [kind for kind in kinds if kind.added_by_user])
    if found is None:
        raise UnknownFileKind(_describe_unknown_table(lines))
    return found


def _describe_unknown_table(lines: list[str]) -> str:
    """Return what a table file of no known kind looks like, and a column map for it if it may hold orders."""
    looks_like = _describe_nearest_kind(lines[0], 1) or describe_known_table(lines)
    if looks_like:
        return looks_like
    suggested = suggest_order_map(lines)
    nearest = _describe_nearest_kind(lines[0], MAX_MISSING_COLUMNS) or _UNKNOWN
    return f"{nearest} {suggested}" if suggested else nearest


def _match_lines(lines: list[str], kinds: list[FileKind]) -> tuple[FileKind, str] | None:
    """Return the kind whose header is one of the first lines, and the delimiter."""
    for line in range(1, min(len(lines), max((kind.max_header_line for kind in kinds), default=0)) + 1):
        found = _match_header(lines[line - 1], [kind for kind in kinds if kind.max_header_line >= line])
        if found:
            return found
    return None


def _match_header(header: str, kinds: list[FileKind]) -> tuple[FileKind, str] | None:
    """Return the kind whose required columns a header has, and the delimiter; of several the most specific kind."""
    for delimiter in DELIMITERS:
        names = set(parse_header(header, delimiter))
        fitting = [kind for kind in kinds if kind.matches(names)]
        if fitting:
            kind = max(fitting, key=lambda kind: len(kind.required_columns))
            return _check_delimiter(kind, delimiter, header), delimiter
    return None


def detect_document_kind(content: bytes, lines: list[str] | None = None) -> DocumentKind | None:
    """Detect the kind of a JSON or XML file; return None for any other file.

    `lines` are the first lines of the file, if known.

    >>> detect_document_kind(b'{"accountStatuses": []}').name, detect_document_kind(b"order-id,kind")
    ('performance_json', None)
    >>> detect_document_kind(b"<html>")
    Traceback (most recent call last):
    ...
    healthkit.ingest.parsing.detect.UnknownFileKind: no known kind of file. ...
    """
    begins = _first_character(first_lines(content) if lines is None else lines)
    alike = [document for document in document_kinds() if begins in document.first_characters]
    if not alike:
        return None
    letters = content.replace(b"\0", b"")  # UTF-16 is refused by the room of its kind, in better words
    for document in alike:
        if any(name.encode() in letters for name in document.marker_names):
            return document
    looks_like = describe_known_document(content)
    if looks_like:
        raise UnknownFileKind(looks_like)
    known = "; ".join(f"{document.title}, which names {' or '.join(document.marker_names)}" for document in alike)
    raise UnknownFileKind(
        f"no known kind of file. Of those that begin with {begins} the kit reads: {known}. Download one of them, whole."
    )


def may_be_document(lines: list[str]) -> bool:
    """Return whether a file that begins with the given lines may be JSON or XML.

    >>> may_be_document(["  {"]), may_be_document(["order-id,kind"])
    (True, False)
    """
    return any(_first_character(lines) in document.first_characters for document in document_kinds())


def _first_character(lines: list[str]) -> str:
    return lines[0].lstrip()[:1]


def is_ignored_olist_file(header: str) -> bool:
    """Return whether a header is that of an Olist file that healthkit does not import.

    >>> is_ignored_olist_file("order_id,review_known,n_sources,sources")
    True
    """
    names = set(parse_header(header, ","))
    return any(beside <= names for beside in olist.IGNORED_HEADERS)


def _check_delimiter(kind: FileKind, delimiter: str, header: str) -> FileKind:
    if delimiter in kind.delimiters:
        return kind
    if "_" in header and "-" not in header:
        # Connectors write the columns of a download as a CSV, with underscores in their names.
        return replace(kind, delimiters=DELIMITERS, quoted=True)
    raise UnknownFileKind(f"looks like: {kind.title}, but its columns are parted by {delimiter!r}. {HINT_RESAVED}")


def _is_feedback(lines: list[str]) -> bool:
    """Return whether lines are a feedback report: by its rows, or without rows by six unknown columns."""
    if any(map(feedback.looks_like_feedback, lines[1:])):
        return True
    names = parse_header(lines[0], "\t")
    known = set().union(*(kind.known_columns for kind in table_kinds()))
    return len(lines) == 1 and len(names) == len(feedback.COLUMN_ORDER) and not known & set(names)


def _describe_nearest_kind(header: str, max_missing: int) -> str:
    """Return a sentence with the nearest kind of file and what differs; empty if no kind is near.

    A kind is near if the header lacks at most `max_missing` and half of the columns that the kind needs, and is known
    there for the better part.
    """
    delimiter = max(DELIMITERS, key=header.count)
    kind = max(table_kinds(), key=lambda kind: _similarity(kind, kind.normalize_header(header, delimiter)))
    names = kind.normalize_header(header, delimiter)
    missing = [name for name in kind.required_columns if name not in names]
    if not _is_near(kind, names, max_missing):
        return ""
    unknown = [name[:40] for name in names if name and name not in kind.known_columns]
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    differs = f", and holds {', '.join(unknown[:8])}{more}, unknown there" if unknown else ""
    other = next(
        (one for one in table_kinds() if one.other_report_columns and set(one.other_report_columns) <= set(names)),
        None,
    )
    if other is not None:
        kind, missing, differs = other, [name for name in other.opt_in_columns if name not in names], ""
    return (
        f"no known kind of file. The nearest kind: {kind.title}; the file lacks {', '.join(missing)}{differs}. "
        f"{_missing_columns_hint(kind, missing, names)}"
    )


def _is_near(kind: FileKind, names: list[str], max_missing: int) -> bool:
    """Return whether a header is that of a kind of file but for a few columns."""
    if kind.other_report_columns and set(kind.other_report_columns) <= set(names):
        return True
    needed, known = set(kind.required_columns) & set(names), kind.known_columns & set(names)
    missing = len(kind.required_columns) - len(needed)
    is_known = len(known) >= MIN_KNOWN_SHARE * len(set(names)) or (len(needed) > 2 and missing == 1)
    return 0 < len(needed) >= missing <= max_missing and is_known


def _missing_columns_hint(kind: FileKind, missing: list[str], names: list[str]) -> str:
    """Return what to do about missing columns; some must be switched on where the report is made."""
    if not kind.opt_in_hint or not set(missing) <= set(kind.opt_in_columns):
        return f"Download it again with all its columns, or correct its header.{f' {kind.hint}' if kind.hint else ''}"
    instead = (
        f"{kind.other_report_hint} "
        if kind.other_report_columns and set(kind.other_report_columns) <= set(names)
        else ""
    )
    return instead + kind.opt_in_hint.format(columns=" and ".join(missing))


def _similarity(kind: FileKind, names: list[str]) -> float:
    """Return how similar a header is to a kind; required columns count most."""
    needed = len(set(kind.required_columns) & set(names)) / len(kind.required_columns)
    return 2 * needed + len(kind.known_columns & set(names)) / len(names)
