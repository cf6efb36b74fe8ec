"""Import raw files into the store: find them, parse each one whole, check it, append its rows, report the result."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from healthkit.ingest.formats import (
    ParsedFile,
    RawFile,
    ReaderError,
    describe_late_days,
    discover_files,
    join_marketplaces,
)
from healthkit.ingest.import_checks import ImportChecks
from healthkit.ingest.parallel_reading import ParallelReading, ReadRequest, open_parallel_reading, try_read
from healthkit.ingest.parsing.unknown_stores import is_unknown_store_reason
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.store import Store

_LOG = logging.getLogger(__name__)

MULTI_ACCOUNT_KINDS = ("olist",)
"""Kinds of files that contain several accounts; each row names its account."""
BATCH_ROWS = 250_000
"""Rows held in memory before they are appended to the store; a row takes about a kilobyte. [rows]"""
MAX_HEADER_BYTES = 8_192
"""Size above which a file is assumed to have rows, without reading it. [bytes]"""


@dataclass(frozen=True)
class FileToImport:
    """A raw file that was found, with its account (None: the name of its folder) and its marketplace, if known."""

    source: RawFile
    account: str | None = None
    marketplace: str | None = None

    @property
    def digest(self) -> str:
        """Digest of the import: the same for the same file of the same account (see `Store.imported_digests`)."""
        return _import_digest(self.source, self.account, self.marketplace)


@dataclass(frozen=True)
class ImportResult:
    """Outcome of importing one raw file: imported, already in the store, or refused.

    `parsed_file` is set if the file was imported, and `refused` is the reason if it was refused. `warnings` state what
    may be wrong with an imported file. `known_digest` is the digest of a file that the store contained before.
    """

    name: str
    kind: str
    parsed_file: ParsedFile | None = None
    refused: str | None = None
    warnings: tuple[str, ...] = ()
    known_digest: str | None = None

    @property
    def digest(self) -> str | None:
        """The digest under which the store has the file (see `Store.imported_digests`); None if it was refused."""
        return self.known_digest if self.parsed_file is None else self.parsed_file.digest

    @property
    def already_stored(self) -> bool:
        """Whether the store contained the same file before the import."""
        return self.parsed_file is None and self.refused is None


@dataclass
class _PendingFile:
    """A file that is read and not yet appended. `used_known_orders` if known orders gave it its marketplaces."""

    source: RawFile
    request: ReadRequest
    result: ImportResult
    used_known_orders: bool = False

    @property
    def parsed_file(self) -> ParsedFile | None:
        """The parsed file, or None if it is refused or already in the store."""
        return self.result.parsed_file


@dataclass
class _AccountOrders:
    """The marketplaces of one account's orders: by order for this import, and all in the store (None: not read)."""

    account: str | None = None
    marketplace_by_order: dict[str, str] = field(default_factory=dict)
    marketplaces: set[str] = field(default_factory=set)
    stored_marketplaces: set[str] | None = None


class _Batch:
    """Files that are read and not yet appended, and the known orders of the account being imported.

    `known_digests` are the files that the store or this import has. With `anyway`, a file that contradicts the store
    is imported with a warning instead of being refused.
    """

    def __init__(
        self, store: Store, anyway: bool, import_day: date | None, on_progress: Callable[[int], None] | None
    ) -> None:
        self.store, self.anyway, self.known_digests = store, anyway, store.imported_digests()
        self._import_day, self._on_progress = import_day, on_progress
        self._checks = ImportChecks(store)
        self._pending: deque[_PendingFile] = deque()
        self._rows = 0
        self._orders = _AccountOrders()
        self._used_known_orders = False

    def is_known(self, request: ReadRequest) -> bool:
        """Return whether the store or this import has a file, read with all the stores that are known today."""
        return self.known_digest(request) is not None

    def known_digest(self, request: ReadRequest) -> str | None:
        """Return the digest under which the store or this import has a file (see `is_known`), or None."""
        digests = (request.digest, _digest_with_known_stores(request.digest))
        return next((one for one in digests if one in self.known_digests), None)

    def read_file(self, source: RawFile, request: ReadRequest, parallel_reading: ParallelReading) -> _PendingFile:
        """Read one file, unless it is already known or its account has a name that cannot be printed."""
        account = _account_of(source, request.account)
        if not account.isprintable():
            reason = (
                f"{ascii(source.name)[1:-1]}: the account name {account!a} has control characters. Rename the folder, "
                "or name the account with --account."
            )
            return _PendingFile(source, request, ImportResult(source.name, source.kind, refused=reason))
        known_digest = self.known_digest(request)
        if known_digest is not None:
            _LOG.debug("%s is in the store already", source.name)
            return _PendingFile(source, request, ImportResult(source.name, source.kind, known_digest=known_digest))
        return self._parse_file(source, request, parallel_reading, self._on_progress)

    def _parse_file(
        self, source: RawFile, request: ReadRequest, parallel_reading: ParallelReading | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> _PendingFile:  # fmt: skip
        """Parse one file, or take the result of another process."""
        self._used_known_orders = False
        parsed = parallel_reading.take_result(source, request) if parallel_reading is not None else None
        parsed = parsed or try_read(source, request, self._marketplace_of, self._marketplaces_of, on_progress)
        if isinstance(parsed, ReaderError):
            _LOG.warning("refused: %s", parsed)
            return _PendingFile(source, request, ImportResult(source.name, source.kind, refused=str(parsed)))
        parsed.notes += describe_late_days(parsed, self._import_day)
        _LOG.info("%s read as %s: %d rows", source.name, source.kind, parsed.rows)
        lacks_rows = any(map(is_unknown_store_reason, parsed.skipped))
        digest = _digest_with_known_stores(request.digest) if lacks_rows else request.digest
        parsed = replace(parsed, digest=digest, content=source.digest)
        return _PendingFile(source, request, ImportResult(source.name, source.kind, parsed), self._used_known_orders)

    def add_file(self, pending: _PendingFile) -> Iterator[ImportResult]:
        """Add a file to the batch; append the batch and yield its results if it is full or has nothing to append."""
        rows = 0 if pending.parsed_file is None else pending.parsed_file.rows
        if rows > BATCH_ROWS:
            # A large file is appended alone, so that its orders are not compared in memory with those of others.
            yield from self.append()
        self._pending.append(pending)
        if pending.parsed_file is not None:
            self.known_digests.add(pending.request.digest)
            self._remember_orders(pending.parsed_file)
        self._rows += rows
        if not self._rows or self._rows > BATCH_ROWS:
            yield from self.append()

    def _remember_orders(self, parsed_file: ParsedFile) -> None:
        """Remember the marketplaces of a file's orders. Those of a large file are looked up in the store."""
        orders = parsed_file.tables.get("orders")
        if parsed_file.account is not None and orders is not None and parsed_file.rows <= BATCH_ROWS:
            rows = pa.Table.from_batches(orders.to_batches(), orders.schema)
            marketplaces = rows["marketplace"].to_pylist()
            known = self._orders_of(parsed_file.account)
            _add_known_orders(known.marketplace_by_order, rows["order_id"].to_pylist(), marketplaces)
            known.marketplaces |= set(marketplaces)

    def _orders_of(self, account: str) -> _AccountOrders:
        """Return the known orders of an account. Those of the account before are dropped to save memory."""
        if account != self._orders.account:
            self._orders = _AccountOrders(account)
        return self._orders

    def _marketplace_of(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """Return the marketplaces of an account's orders in this import and in the store, by order id."""
        self._used_known_orders = True
        wanted, known = set(order_ids), self._orders_of(account).marketplace_by_order
        in_import = {order: known[order] for order in wanted & known.keys()}
        if len(in_import) == len(wanted) and len(self._marketplaces_of(account)) == 1:
            return in_import  # The store can hold none of them under another marketplace.
        stored = self.store.marketplace_of(account, sorted(wanted))
        _add_known_orders(stored, list(in_import), list(in_import.values()))
        return stored

    def _marketplaces_of(self, account: str) -> set[str]:
        """Return the marketplaces of all orders of an account, in this import and in the store."""
        self._used_known_orders = True
        known = self._orders_of(account)
        if known.stored_marketplaces is None:
            known.stored_marketplaces = set(self.store.marketplaces(account))
        return known.marketplaces | known.stored_marketplaces

    def append(self) -> Iterator[ImportResult]:
        """Check the batch, append its rows to the store in one commit, and yield the result of each file."""
        to_reread = self._append_or_refuse(list(self._pending))
        while to_reread:
            for pending in to_reread:
                reread = self._parse_file(pending.source, pending.request)
                pending.result, pending.used_known_orders = reread.result, reread.used_known_orders
                if pending.parsed_file is not None:
                    self._remember_orders(pending.parsed_file)
            to_reread = self._append_or_refuse(to_reread)
        self._rows = 0
        while self._pending:
            yield self._pending.popleft().result

    def _append_or_refuse(self, files: list[_PendingFile]) -> list[_PendingFile]:
        """Append or refuse some files. Return those to read again, whose marketplaces came from a refused file."""
        parsed_files = [one.parsed_file for one in files if one.parsed_file is not None]
        if not parsed_files:
            return []
        contradictions = self._checks.find_contradictions(parsed_files, self.anyway)
        refused = {} if self.anyway else contradictions
        changed_accounts = {one.account for one in parsed_files if one.report in refused and "orders" in one.tables}
        to_reread = [
            one for one in files
            if one.parsed_file and one.used_known_orders
            and one.parsed_file.account in changed_accounts and one.parsed_file.report not in refused
        ]  # fmt: skip
        left_out = refused.keys() | {one.request.report for one in to_reread}
        added = [one for one in parsed_files if one.report not in left_out]
        warnings = [contradictions, self._checks.warn_of_vanished_ratings(added)]
        if added:
            self.store.add(added)
            self._orders.stored_marketplaces = None
            warnings.append(self._checks.warn_of_empty_files(added))
        for one in files:
            report = one.request.report
            if report in refused:
                self._refuse_file(one, refused[report])
            elif one.parsed_file is not None and one not in to_reread:
                messages = tuple(by_report[report] for by_report in warnings if report in by_report)
                one.result = replace(one.result, warnings=messages)
        return to_reread

    def _refuse_file(self, pending: _PendingFile, reason: str) -> None:
        """Refuse a file that was read, and its copies in this import; forget its orders."""
        _LOG.warning("refused: %s", reason)
        self.known_digests.discard(pending.request.digest)
        self._orders = _AccountOrders()
        for one in self._pending:
            if one.request.digest == pending.request.digest:
                one.result = ImportResult(one.source.name, one.source.kind, refused=reason)


def _add_known_orders(known: dict[str, str], orders: list[str], marketplaces: list[str]) -> None:
    """Add the marketplaces of orders to the known ones; an order in several has all of them, joined by `+`."""
    new = dict(zip(orders, marketplaces, strict=True))
    if len(new) == len(orders) and known.keys().isdisjoint(new):
        known.update(new)
        return
    for order, codes in zip(orders, marketplaces, strict=True):
        before = known.get(order, codes)
        known[order] = codes if before == codes else join_marketplaces(before, codes)


def import_files(
    paths: Iterable[str | Path],
    store: Store,
    account: str | None = None,
    marketplace: str | None = None,
    on_start: Callable[[list[RawFile]], None] | None = None,
    on_file_read: Callable[[RawFile], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    jobs: int = 1,
    anyway: bool = False,
    import_day: date | None = None,
) -> Iterator[ImportResult]:
    """Import raw files into a store and yield one result per file.

    A refused file leaves nothing in the store. Rows are appended in batches, and the results of a batch are yielded
    after it is appended. A result holds the rows of its file, so keep few results at a time.

    Args:
        paths: files and folders to search for raw files.
        store: the store that receives the rows.
        account: the account of all files; by default the name of each file's folder.
        marketplace: the marketplace of files that do not state one.
        on_start: called once with the files found.
        on_file_read: called after each file is read.
        on_progress: called while a large file is read, with the number of bytes read since the last call.
        jobs: processes that read small files. With more than one, the calling program must be importable
            (`if __name__ == "__main__"`).
        anyway: import a file that another account has, or whose order ids another account has, with a warning
            instead of refusing it (see `import_checks`).
        import_day: the latest day that can have begun by now; later days in a file are noted. None omits the check.

    Raises:
        ReaderError: if a path does not exist.
    """
    sources, refused = discover_files(paths)
    if on_start is not None:
        on_start(sources)
    yield from (ImportResult(name=one.name, kind="", refused=one.message) for one in refused)
    files = [FileToImport(source, account, marketplace) for source in sources]
    yield from import_raw_files(files, store, on_file_read, on_progress, jobs, anyway, import_day)


def import_raw_files(
    files: Iterable[FileToImport],
    store: Store,
    on_file_read: Callable[[RawFile], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    jobs: int = 1,
    anyway: bool = False,
    import_day: date | None = None,
) -> Iterator[ImportResult]:
    """Import raw files that were found already, and yield one result per file, in the order of their accounts.

    Files of one account are imported in the given order: files of orders belong first. For the other arguments see
    `import_files`.
    """
    # Account by account: only one account's orders are in memory, and its rows are stored together.
    ordered = sorted(files, key=lambda one: _account_of(one.source, one.account))
    batch = _Batch(store, anyway, import_day, on_progress)
    requests = [(one.source, ReadRequest(one.account, one.marketplace, one.digest, uuid4().hex)) for one in ordered]
    new_files = [one for one in requests if not batch.is_known(one[1])]
    with open_parallel_reading(new_files, jobs) as parallel_reading:
        for source, request in requests:
            results = batch.add_file(batch.read_file(source, request, parallel_reading))
            if on_file_read is not None:
                on_file_read(source)
            yield from results
    yield from batch.append()


def _import_digest(source: RawFile, account: str | None, marketplace: str | None) -> str:
    """Return a digest that is the same for the same file of the same account.

    A file without rows also depends on the marketplace: two marketplaces may have the same header and no rows.
    """
    parts = [source.digest, _account_of(source, account)]
    if marketplace is not None and not _has_rows(source):
        parts.append(marketplace.lower())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _digest_with_known_stores(digest: str) -> str:
    """Return the digest of a file whose rows of unknown stores were left out.

    It differs once another store is known, so that the file can be imported again then.
    """
    stores = sorted((one.sales_channel.lower(), one.marketplace_id) for one in MARKETPLACES.values())
    return hashlib.sha256(f"{digest}\0{stores}".encode()).hexdigest()


def _has_rows(source: RawFile) -> bool:
    """Return whether a file has a line below its first one."""
    if source.size > MAX_HEADER_BYTES or len(source.parts) > 1:
        return True
    try:
        lines = source.parts[0].read_bytes().splitlines()
    except (OSError, ReaderError):
        return True  # Parsing the file gives the reason why it cannot be read.
    return any(line.strip(b"\0 \t") for line in lines[1:])


def _account_of(source: RawFile, account: str | None) -> str:
    """Return the account of a file, or "" if its rows name their accounts."""
    return "" if source.kind in MULTI_ACCOUNT_KINDS else account or source.folder
