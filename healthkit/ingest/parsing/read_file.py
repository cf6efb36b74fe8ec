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
from healthkit.ingest.parsing.csv_table import CsvTable, parse_table, refuse_long_lines
from healthkit.ingest.parsing.detect import UnknownFileKind, detect_kind
from healthkit.ingest.parsing.encodings import decode_text, first_lines
from healthkit.ingest.parsing.marketplace_of_row import (
    AccountMarketplaceLookup,
    NeedsWholeFile,
    OrderMarketplaceLookup,
    ReadContext,
)
from healthkit.ingest.parsing.parsed_file import ParsedFile
from healthkit.ingest.parsing.raw_file import FilePart, RawFile, ReaderError, combine_digests, digest_bytes

TABLE_PARSERS: dict[str, Callable[[CsvTable, ReadContext], ParsedFile]] = {
    module.KIND.name: module.parse
    for module in (
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

DOCUMENT_PARSERS: dict[str, Callable[[bytes, ReadContext], ParsedFile]] = {
    **{module.DOCUMENT.name: module.parse for module in (performance_json, performance_xml)},
    **orders_api.PARSERS,
}


HAS_SINGLE_UPDATE_TIME = {all_orders.KIND.name: False, amazon_shipments.KIND.name: False, order_report.KIND.name: True}
"""Files of orders, which may be very large, and whether all rows of one are as new as the newest of them. The first
column that such a kind must have is the order's id."""


def _ignore_progress(size: int) -> None:
    """Nobody asked how far the reading has come."""


def parse_file(
    source: RawFile,
    account: str | None = None,
    marketplace: str | None = None,
    marketplace_of: OrderMarketplaceLookup | None = None,
    marketplaces_of: AccountMarketplaceLookup | None = None,
    report: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ParsedFile:
    """Read one source, or raise ReaderError. A large file of orders is read in bounded memory (see `stretches`).

    The account is the one named, else the folder's name; `report` is how the rows name the file, its digest if not said
    otherwise. `marketplace_of(account, order_ids)` tells the marketplaces of orders that are known already, for files
    that do not state any; `marketplaces_of(account)` those in which the account has orders, for rows that name no
    order. `moved` is told, now and then, how many bytes more were read.
    """
    whose = account or source.folder
    named = report or source.digest
    asked = ReadContext(source.name, named, whose, marketplace, marketplace_of, marketplaces_of).with_marketplace_code()
    taken = _parse_contents(source, asked, account is not None, on_progress or _ignore_progress)
    taken.stated_marketplace = asked.marketplace or taken.stated_marketplace
    return taken


def _parse_contents(
    source: RawFile, context: ReadContext, account_is_given: bool, on_progress: Callable[[int], None]
) -> ParsedFile:
    """What a source holds, by the reader of its kind."""
    if source.kind in HAS_SINGLE_UPDATE_TIME and source.size > large_files.CHUNK_BYTES:
        with contextlib.suppress(NeedsWholeFile):
            return large_files.parse_large_file(
                source.parts[0],
                TABLE_PARSERS[source.kind],
                context,
                source.digest,
                HAS_SINGLE_UPDATE_TIME[source.kind],
                on_progress,
            )
    contents = [part.read_bytes() for part in source.parts]
    _refuse_changed(source, contents)
    if source.kind in DOCUMENT_PARSERS:
        return DOCUMENT_PARSERS[source.kind](contents[0], context)
    grids = {part.kind: _parse_part(part, data, context) for part, data in zip(source.parts, contents, strict=True)}
    if source.kind == olist.KIND_NAME:
        taken = olist.parse(grids, context)
        if account_is_given:
            taken.notes.append("Each seller is an account here: --account was not used.")
        return taken
    return TABLE_PARSERS.get(source.kind, defect_lists.parse)(grids[source.kind], context)


def _refuse_changed(source: RawFile, contents: list[bytes]) -> None:
    """The digest stands for what is read; a file that changed since it was planned would break that."""
    digests = [digest_bytes(data) for data in contents]
    found = combine_digests(digests) if source.kind == olist.KIND_NAME else digests[0]
    if found != source.digest:
        raise ReaderError(f"{source.name}: changed while it was being read. Import it again.")


def _parse_part(part: FilePart, data: bytes, context: ReadContext) -> CsvTable:
    """The columns of one part."""
    refuse_long_lines(part.name, data)
    text, notes = decode_text(data, part.name, lambda: context.is_japanese(data))
    try:
        kind, delimiter = detect_kind(first_lines(text))
    except UnknownFileKind as unknown:
        raise ReaderError(f"{part.name}: {unknown}") from None
    if kind.name == feedback.KIND.name:
        text, mended = feedback.rejoin_torn_rows(part.name, feedback.with_english_header(text))
        notes += [f"Mended {mended:,} rows that a tab or line break in a comment had torn."] if mended else []
    return parse_table(part.name, text, kind, delimiter, notes)
