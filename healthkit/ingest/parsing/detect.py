"""Which kind a raw file is, told by its header or what it names inside, and never by its own name."""

from __future__ import annotations

from healthkit.ingest.formats import (
    all_orders,
    amazon_shipments,
    confirmations,
    contacts,
    defect_lists,
    defects,
    fba_returns,
    feedback,
    invoices,
    olist,
    order_report,
    orders_api,
    performance_json,
    performance_xml,
    return_requests,
    returns,
    sale_report,
    settlement,
    surveys,
    unshipped,
    violations,
)
from healthkit.ingest.parsing.csv_table import RESAVED, Kind, names_of
from healthkit.ingest.parsing.encodings import opening
from healthkit.ingest.parsing.raw_file import Document

KINDS: tuple[Kind, ...] = (
    all_orders.KIND,
    sale_report.KIND,
    *olist.KINDS,
    amazon_shipments.KIND,
    order_report.KIND,
    unshipped.KIND,
    confirmations.KIND,
    feedback.KIND,
    returns.KIND,
    fba_returns.KIND,
    defects.KIND,
    settlement.KIND,
    invoices.KIND,
    return_requests.KIND,
    contacts.KIND,
    surveys.KIND,
    violations.KIND,
)
"""Every kind whose columns are known. Files with orders stand first: others ask them for an order's marketplace."""


def every_kind() -> tuple[Kind, ...]:
    """Those and the lists of defects, whose columns are the user's to say.

    Raises ReaderError where `data/column_map.yaml` cannot be read.
    """
    return (*KINDS, *defect_lists.kinds())


DOCUMENTS: tuple[Document, ...] = (
    performance_json.DOCUMENT,
    performance_xml.DOCUMENT,
    *orders_api.DOCUMENTS,
)
"""Every kind that is JSON or XML and no table."""

DELIMITERS = "\t,;"


class Unrecognised(ValueError):
    """No kind fits a header; the message names the nearest and the columns that differ."""


def recognise(lines: list[str]) -> tuple[Kind, str]:
    """The kind of a file and the delimiter of its columns, from its first lines.

    >>> kind, delimiter = recognise(["order-id,kind,known-on"])
    >>> kind.name, delimiter
    ('defects', ',')
    >>> recognise(["order-id\\tRating\\tDay"])
    Traceback (most recent call last):
    ...
    healthkit.ingest.parsing.detect.Unrecognised: no known kind of file. ...
    """
    header = lines[0]
    for delimiter in DELIMITERS:
        names = set(names_of(header, delimiter))
        fitting = [kind for kind in every_kind() if kind.fits(names)]
        if fitting:
            return _delimited(max(fitting, key=lambda kind: len(kind.needed)), delimiter), delimiter
    if _is_feedback(lines):
        return feedback.KIND, "\t"
    raise Unrecognised(_nearest(header))


def recognise_document(content: bytes, lines: list[str] | None = None) -> Document | None:
    """The kind of a file that is JSON or XML; None for one that is neither. `lines` are its first, where known.

    >>> recognise_document(b'{"accountStatuses": []}').name, recognise_document(b"order-id,kind")
    ('performance_json', None)
    >>> recognise_document(b"<html>")
    Traceback (most recent call last):
    ...
    healthkit.ingest.parsing.detect.Unrecognised: no known kind of file. ...
    """
    begins = _begins(opening(content) if lines is None else lines)
    alike = [document for document in DOCUMENTS if begins in document.begins]
    if not alike:
        return None
    letters = content.replace(b"\0", b"")  # UTF-16 is refused by the room of its kind, in better words
    for document in alike:
        if any(name.encode() in letters for name in document.names):
            return document
    known = "; ".join(f"{document.title}, which names {' or '.join(document.names)}" for document in alike)
    raise Unrecognised(
        f"no known kind of file. Of those that begin with {begins} the kit reads: {known}. Download one of them, whole."
    )


def may_be_document(lines: list[str]) -> bool:
    """Whether a file that opens with these lines may be JSON or XML.

    >>> may_be_document(["  {"]), may_be_document(["order-id,kind"])
    (True, False)
    """
    return any(_begins(lines) in document.begins for document in DOCUMENTS)


def _begins(lines: list[str]) -> str:
    return lines[0].lstrip()[:1]


def stands_beside(header: str) -> bool:
    """Whether a file belongs to Olist's data and holds nothing that the kit reads.

    >>> stands_beside("order_id,review_known,n_sources,sources")
    True
    """
    names = set(names_of(header, ","))
    return any(beside <= names for beside in olist.BESIDE)


def _delimited(kind: Kind, delimiter: str) -> Kind:
    if delimiter in kind.delimiters:
        return kind
    raise Unrecognised(f"looks like: {kind.title}, but its columns are parted by {delimiter!r}. {RESAVED}")


def _is_feedback(lines: list[str]) -> bool:
    """A localised header is known by the rows below it; without rows, by its six columns of unknown names."""
    if any(map(feedback.has_the_shape, lines[1:])):
        return True
    names = names_of(lines[0], "\t")
    known = set().union(*(kind.known for kind in every_kind()))
    return len(lines) == 1 and len(names) == len(feedback.IN_ORDER) and not known & set(names)


def _nearest(header: str) -> str:
    """A sentence on the kind that comes nearest, and what differs."""
    delimiter = max(DELIMITERS, key=header.count)
    kind = max(every_kind(), key=lambda kind: _nearness(kind, kind.names(header, delimiter)))
    names = kind.names(header, delimiter)
    missing = [name for name in kind.needed if name not in names]
    if len(missing) == len(kind.needed):
        titles = ", ".join(kind.title for kind in every_kind())
        return f"no known kind of file: its first line is not a header that the kit knows. It reads: {titles}."
    unknown = [name[:40] for name in names if name and name not in kind.known]
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    differs = f", and holds {', '.join(unknown[:8])}{more}, unknown there" if unknown else ""
    other = next((one for one in every_kind() if one.never_with and set(one.never_with) <= set(names)), None)
    if other is not None:
        kind, missing, differs = other, [name for name in other.off_by_default if name not in names], ""
    return (
        f"no known kind of file. The nearest kind: {kind.title}; the file lacks {', '.join(missing)}{differs}. "
        f"{_cure(kind, missing, names)}"
    )


def _cure(kind: Kind, missing: list[str], names: list[str]) -> str:
    """What to do about a file that lacks columns of its kind: some have to be switched on where it is made."""
    if not kind.switch_on or not set(missing) <= set(kind.off_by_default):
        return f"Download it again with all its columns, or correct its header.{f' {kind.cure}' if kind.cure else ''}"
    instead = f"{kind.instead} " if kind.never_with and set(kind.never_with) <= set(names) else ""
    return instead + kind.switch_on.format(columns=" and ".join(missing))


def _nearness(kind: Kind, names: list[str]) -> float:
    """How near a header comes to a kind: its needed columns weigh most."""
    needed = len(set(kind.needed) & set(names)) / len(kind.needed)
    return 2 * needed + len(kind.known & set(names)) / len(names)
