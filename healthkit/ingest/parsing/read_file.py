"""Parsing of one raw file: unpack, decode, read columns, and call the parser of its format."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

from healthkit.ingest.formats import feedback
from healthkit.ingest.formats.registry import FileFormat, find_format
from healthkit.ingest.parsing import large_files
from healthkit.ingest.parsing.cells import drop_other_shops
from healthkit.ingest.parsing.csv_table import CsvTable, parse_table, refuse_long_lines
from healthkit.ingest.parsing.detect import UnknownFileKind, detect_kind
from healthkit.ingest.parsing.encodings import decode_text, first_lines
from healthkit.ingest.parsing.marketplace_of_row import (
    AccountMarketplaceLookup,
    NeedsWholeFile,
    OrderMarketplaceLookup,
    ReadContext,
)
from healthkit.ingest.parsing.parsed_file import ParsedFile, build_parsed_file
from healthkit.ingest.parsing.raw_file import (
    DocumentKind,
    FilePart,
    RawFile,
    ReaderError,
    combine_digests,
    digest_bytes,
)
from healthkit.ingest.parsing.unknown_stores import drop_unknown_stores, note_unknown_stores, refuse_only_unknown_stores


def _ignore_progress(size: int) -> None:
    """Ignore the number of bytes read."""


def parse_file(
    source: RawFile,
    account: str | None = None,
    marketplace: str | None = None,
    marketplace_of: OrderMarketplaceLookup | None = None,
    marketplaces_of: AccountMarketplaceLookup | None = None,
    report: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ParsedFile:
    """Parse one raw file into a ParsedFile.

    Raise ReaderError if it is refused. Large order files are parsed in bounded memory. `account` defaults to the name
    of the folder, `report` (the id of the file in all rows) to its digest. `marketplace_of(account, order_ids)` returns
    the marketplaces of known orders, for files that name none; `marketplaces_of(account)` those in which the account
    has orders, for rows that name no order. `on_progress` is called with the number of bytes read since the last call.
    """
    whose = account or source.folder
    named = report or source.digest
    context = ReadContext(
        source.name, named, whose, marketplace, marketplace_of, marketplaces_of
    ).with_marketplace_code()
    parsed_file = _parse_contents(source, context, account is not None, on_progress or _ignore_progress)
    parsed_file.stated_marketplace = context.marketplace or parsed_file.stated_marketplace
    if not any(rows.num_rows for rows in parsed_file.tables.values()):
        refuse_only_unknown_stores(parsed_file.name, parsed_file.skipped)
    parsed_file.notes += note_unknown_stores(parsed_file.skipped)
    return parsed_file


def _parse_contents(
    source: RawFile, context: ReadContext, account_is_given: bool, on_progress: Callable[[int], None]
) -> ParsedFile:
    """Parse a source with the parser of its format."""
    file_format = find_format(source.kind)
    if file_format.may_be_large and source.size > large_files.CHUNK_BYTES:
        with contextlib.suppress(NeedsWholeFile):
            parser = partial(_parse_table, file_format)
            single_time = file_format.has_single_update_time
            return large_files.parse_large_file(
                source.parts[0], parser, context, source.digest, single_time, on_progress
            )
    data = [part.read_bytes() for part in source.parts]
    _refuse_changed(source, data)
    if isinstance(file_format.kind, DocumentKind):
        return build_parsed_file(file_format.parse(data[0], context), context, source.kind)
    tables = {part.kind: _read_table(part, content, context) for part, content in zip(source.parts, data, strict=True)}
    if not file_format.group:
        return _parse_table(file_format, tables[source.kind], context)
    parsed_file = build_parsed_file(file_format.parse(tables, context), context, source.kind)
    parsed_file.account = None
    if account_is_given:
        parsed_file.notes.append("Each seller is an account here: --account was not used.")
    return parsed_file


def _parse_table(file_format: FileFormat, table: CsvTable, context: ReadContext) -> ParsedFile:
    """Parse the table of one file, without the rows of other shops."""
    own_rows, skipped = drop_other_shops(table)
    known_rows, unknown = drop_unknown_stores(own_rows)
    contents = file_format.parse(known_rows, context)
    contents.rows, contents.skipped, contents.notes = len(table), skipped | unknown | contents.skipped, table.notes
    return build_parsed_file(contents, context, file_format.name)


def _refuse_changed(source: RawFile, contents: list[bytes]) -> None:
    """Refuse a file that changed since it was discovered: its digest must match what is read."""
    digests = [digest_bytes(data) for data in contents]
    found = combine_digests(digests) if len(digests) > 1 else digests[0]
    if found != source.digest:
        raise ReaderError(f"{source.name}: changed while it was being read. Import it again.")


def _read_table(part: FilePart, data: bytes, context: ReadContext) -> CsvTable:
    """Read the columns of one part of a source."""
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
