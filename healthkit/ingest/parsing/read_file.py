"""One source in, its tables out: unpack, decode, lay out in columns, hand to the room of its kind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

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
from healthkit.ingest.parsing import large_files
from healthkit.ingest.parsing.csv_table import Grid, parse, refuse_long_lines
from healthkit.ingest.parsing.detect import Unrecognised, recognise
from healthkit.ingest.parsing.encodings import decode, opening
from healthkit.ingest.parsing.marketplace_of_row import Asked, MarketplaceOf, MarketplacesOf, OnlyWhole
from healthkit.ingest.parsing.parsed_file import Taken
from healthkit.ingest.parsing.raw_file import Part, ReaderError, Source, digest_of, digest_of_group

TAKE: dict[str, Callable[[Grid, Asked], Taken]] = {
    room.KIND.name: room.take
    for room in (
        all_orders,
        sale_report,
        amazon_shipments,
        order_report,
        unshipped,
        confirmations,
        feedback,
        returns,
        fba_returns,
        defects,
        settlement,
        invoices,
        return_requests,
        contacts,
        surveys,
        violations,
    )
}

TAKE_DOCUMENT: dict[str, Callable[[bytes, Asked], Taken]] = {
    **{room.DOCUMENT.name: room.take for room in (performance_json, performance_xml)},
    **orders_api.TAKE,
}


ONE_STAMP = {all_orders.KIND.name: False, amazon_shipments.KIND.name: False, order_report.KIND.name: True}
"""Files of orders, which may be very large, and whether all rows of one are as new as the newest of them. The first
column that such a kind must have is the order's id."""


def _nowhere(size: int) -> None:
    """Nobody asked how far the reading has come."""


def read(
    source: Source,
    account: str | None = None,
    marketplace: str | None = None,
    marketplace_of: MarketplaceOf | None = None,
    marketplaces_of: MarketplacesOf | None = None,
    report: str | None = None,
    moved: Callable[[int], None] | None = None,
) -> Taken:
    """Read one source, or raise ReaderError. A large file of orders is read in bounded memory (see `stretches`).

    The account is the one named, else the folder's name; `report` is how the rows name the file, its digest if not said
    otherwise. `marketplace_of(account, order_ids)` tells the marketplaces of orders that are known already, for files
    that do not state any; `marketplaces_of(account)` those in which the account has orders, for rows that name no
    order. `moved` is told, now and then, how many bytes more were read.
    """
    whose = account or source.folder
    named = report or source.digest
    asked = Asked(source.name, named, whose, marketplace, marketplace_of, marketplaces_of).checked()
    taken = _taken(source, asked, account is not None, moved or _nowhere)
    taken.stated_marketplace = asked.marketplace or taken.stated_marketplace
    return taken


def _taken(source: Source, asked: Asked, account_named: bool, moved: Callable[[int], None]) -> Taken:
    """What a source holds, by the reader of its kind."""
    if source.kind in ONE_STAMP and source.size > large_files.STRETCH:
        with contextlib.suppress(OnlyWhole):
            return large_files.take_by_stretches(
                source.parts[0], TAKE[source.kind], asked, source.digest, ONE_STAMP[source.kind], moved
            )
    contents = [part.content() for part in source.parts]
    _refuse_changed(source, contents)
    if source.kind in TAKE_DOCUMENT:
        return TAKE_DOCUMENT[source.kind](contents[0], asked)
    grids = {part.kind: _grid(part, data, asked) for part, data in zip(source.parts, contents, strict=True)}
    if source.kind == olist.NAME:
        taken = olist.take(grids, asked)
        if account_named:
            taken.notes.append("Each seller is an account here: --account was not used.")
        return taken
    return TAKE.get(source.kind, defect_lists.take)(grids[source.kind], asked)


def _refuse_changed(source: Source, contents: list[bytes]) -> None:
    """The digest stands for what is read; a file that changed since it was planned would break that."""
    digests = [digest_of(data) for data in contents]
    found = digest_of_group(digests) if source.kind == olist.NAME else digests[0]
    if found != source.digest:
        raise ReaderError(f"{source.name}: changed while it was being read. Import it again.")


def _grid(part: Part, data: bytes, asked: Asked) -> Grid:
    """The columns of one part."""
    refuse_long_lines(part.name, data)
    text, notes = decode(data, part.name, lambda: asked.japanese(data))
    try:
        kind, delimiter = recognise(opening(text))
    except Unrecognised as unknown:
        raise ReaderError(f"{part.name}: {unknown}") from None
    if kind.name == feedback.KIND.name:
        text, mended = feedback.mended(part.name, feedback.in_english(text))
        notes += [f"Mended {mended:,} rows that a tab or line break in a comment had torn."] if mended else []
    return parse(part.name, text, kind, delimiter, notes)
