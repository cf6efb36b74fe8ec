"""Raw files into the store: find them, read them whole, append what they hold, say what was skipped and why."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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
from healthkit.store import Store

_LOG = logging.getLogger(__name__)

MULTI_ACCOUNT_KINDS = ("olist",)
"""Kinds of files that say themselves which accounts they speak of."""
BATCH_ROWS = 250_000
"""So many rows are held in memory before they are appended: a kilobyte each, with all that is made of them."""


@dataclass(frozen=True)
class ImportResult:
    """What became of one raw file: taken, already held, or refused with the reason. `warnings` say what may be wrong
    with one that was taken."""

    name: str
    kind: str
    taken: ParsedFile | None = None
    refused: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def already_stored(self) -> bool:
        """Whether the store had this very file before."""
        return self.taken is None and self.refused is None


@dataclass
class _PendingFile:
    """A file that was read and is not appended yet; `by_known_orders` where known orders say its marketplaces."""

    source: RawFile
    told: ReadRequest
    outcome: ImportResult
    depends_on_known_orders: bool = False

    @property
    def taken(self) -> ParsedFile | None:
        """What was read, unless it was refused or is in the store already."""
        return self.outcome.taken


class _Batch:
    """Files read and not yet appended, and the marketplaces of the orders of the account whose turn it is.

    `held` are the digests of the files that the store or this import has. With `anyway` a file that contradicts what is
    there is taken with a warning, else refused.
    """

    def __init__(self, store: Store, anyway: bool, import_day: date | None) -> None:
        self.store, self.anyway, self.held = store, anyway, store.imported_digests()
        self._import_day = import_day
        self._checks = ImportChecks(store)
        self._waiting: deque[_PendingFile] = deque()
        self._rows = 0
        self._current_account: str | None = None
        self._known: dict[str, str] = {}
        self._known_marketplaces: set[str] = set()
        self._stored_marketplaces: set[str] | None = None
        self._asked = False

    def read(
        self,
        source: RawFile,
        request: ReadRequest,
        parallel_reading: ParallelReading | None,
        on_progress: Callable[[int], None] | None,
    ) -> _PendingFile:
        """Read one file, unless another process did."""
        self._asked = False
        taken = parallel_reading.of(source, request) if parallel_reading is not None else None
        taken = taken or try_read(source, request, self._marketplace_of, self._marketplaces_of, on_progress)
        if isinstance(taken, ReaderError):
            _LOG.warning("refused: %s", taken)
            return _PendingFile(source, request, ImportResult(source.name, source.kind, refused=str(taken)))
        taken.notes += describe_late_days(taken, self._import_day)
        _LOG.info("%s read as %s: %d rows", source.name, source.kind, taken.rows)
        taken = replace(taken, digest=request.digest, content=source.digest)
        return _PendingFile(source, request, ImportResult(source.name, source.kind, taken=taken), self._asked)

    def take(self, pending: _PendingFile) -> Iterator[ImportResult]:
        """Keep what became of a file; where much waits, or nothing that can be appended, say what became of all."""
        many = 0 if pending.taken is None else pending.taken.rows
        if many > BATCH_ROWS:
            # A large file is appended alone: its orders are not compared in memory with those of others.
            yield from self.append()
        self._waiting.append(pending)
        if pending.taken is not None:
            self.held.add(pending.told.digest)
            self._remember_orders(pending.taken)
        self._rows += many
        if not self._rows or self._rows > BATCH_ROWS:
            yield from self.append()

    def _remember_orders(self, parsed_file: ParsedFile) -> None:
        """Keep where the orders of a file belong; of a large one the store knows."""
        orders = parsed_file.tables.get("orders")
        if parsed_file.account is not None and orders is not None and parsed_file.rows <= BATCH_ROWS:
            rows = pa.Table.from_batches(orders.to_batches(), orders.schema)
            marketplaces = rows["marketplace"].to_pylist()
            _add_known_orders(self._known_orders_of(parsed_file.account), rows["order_id"].to_pylist(), marketplaces)
            self._known_marketplaces |= set(marketplaces)

    def _known_orders_of(self, account: str) -> dict[str, str]:
        """The marketplaces of the orders of this import, of the account whose turn it is; those of others are let go,
        for a million accounts would fill the memory."""
        if account != self._current_account:
            self._current_account, self._known, self._known_marketplaces, self._stored_marketplaces = (
                account,
                {},
                set(),
                None,
            )
        return self._known

    def _marketplace_of(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """The marketplace of an account's orders, those of this import and those in the store (see `Store`)."""
        self._asked = True
        wanted, known = set(order_ids), self._known_orders_of(account)
        here = {order: known[order] for order in wanted & known.keys()}
        if len(here) == len(wanted) and len(self._marketplaces_of(account)) == 1:
            return here  # The store can hold none of them under another marketplace.
        stored = self.store.marketplace_of(account, sorted(wanted))
        _add_known_orders(stored, list(here), list(here.values()))
        return stored

    def _marketplaces_of(self, account: str) -> set[str]:
        """The marketplaces of an account's orders, those of this import and those in the store."""
        self._asked = True
        self._known_orders_of(account)
        if self._stored_marketplaces is None:
            self._stored_marketplaces = set(self.store.marketplaces(account))
        return self._known_marketplaces | self._stored_marketplaces

    def append(self) -> Iterator[ImportResult]:
        """Check what was read and hand it to the store, all of it or nothing; then say what became of each file."""
        again = self._append_or_refuse(list(self._waiting))
        while again:
            for one in again:
                read = self.read(one.source, one.told, None, None)
                one.outcome, one.depends_on_known_orders = read.outcome, read.depends_on_known_orders
                if one.taken is not None:
                    self._remember_orders(one.taken)
            again = self._append_or_refuse(again)
        self._rows = 0
        while self._waiting:
            yield self._waiting.popleft().outcome

    def _append_or_refuse(self, files: list[_PendingFile]) -> list[_PendingFile]:
        """Append some files, or refuse them. Returns those to be read again: their marketplaces were known by orders of
        a file that is refused."""
        takens = [one.taken for one in files if one.taken is not None]
        if not takens:
            return []
        found = self._checks.find_contradictions(takens, self.anyway)
        refused = {} if self.anyway else found
        strayed = {taken.account for taken in takens if taken.report in refused and "orders" in taken.tables}
        again = [
            one for one in files
            if one.taken and one.depends_on_known_orders
            and one.taken.account in strayed and one.taken.report not in refused
        ]  # fmt: skip
        left_out = refused.keys() | {one.told.report for one in again}
        added = [taken for taken in takens if taken.report not in left_out]
        warnings = [found, self._checks.warnings(added)]
        if added:
            self.store.add(added)
            self._stored_marketplaces = None
            warnings.append(self._checks.warn_of_empty_files(added))
        for one in files:
            if one.told.report in refused:
                self._refuse(one, refused[one.told.report])
            elif one.taken is not None and one not in again:
                notes = tuple(told[one.told.report] for told in warnings if one.told.report in told)
                one.outcome = replace(one.outcome, warnings=notes)
        return again

    def _refuse(self, pending: _PendingFile, reason: str) -> None:
        """Refuse a file that was read, and those of this import that are the same; its orders are forgotten."""
        _LOG.warning("refused: %s", reason)
        self.held.discard(pending.told.digest)
        self._current_account, self._known, self._known_marketplaces, self._stored_marketplaces = None, {}, set(), None
        for one in self._waiting:
            if one.told.digest == pending.told.digest:
                one.outcome = ImportResult(one.source.name, one.source.kind, refused=reason)


def _add_known_orders(known: dict[str, str], orders: list[str], marketplaces: list[str]) -> None:
    """Add orders and their marketplaces to the known ones; an order of several has all of them, joined by `+`."""
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
    """Take raw files into the store, one outcome a file; a file that is refused leaves nothing behind.

    The store is appended to at the end, or whenever many rows are waiting; then the outcomes of these files follow.
    `begun` is told what was found, `done` each file that is read, `moved` how many bytes more of a large file were
    read. Many small files are read by `jobs` processes; a program that asks for several must be one that can be loaded
    again (`if __name__ == "__main__"`). A file that another account has, or with order ids that another account has, is
    refused, or with `anyway` taken with a warning (see `import_checks`). `import_day` is the latest day that can have
    begun by now: later days in a file are noted (None: they are not).
    An outcome holds what was read: who takes in thousands of files at once does not keep them all.
    Raises ReaderError for a path that does not exist.
    """
    sources, refused = discover_files(paths)
    if on_start is not None:
        on_start(sources)
    yield from (ImportResult(name=one.name, kind="", refused=one.message) for one in refused)
    # Account by account: what must be known of an account's orders is let go with it, and its rows stand together.
    sources.sort(key=lambda source: _account_of(source, account))
    batch = _Batch(store, anyway, import_day)
    files = [
        (source, ReadRequest(account, marketplace, _import_digest(source, account, marketplace), uuid4().hex))
        for source in sources
    ]
    with open_parallel_reading([one for one in files if one[1].digest not in batch.held], jobs) as ahead:
        for source, told in files:
            outcomes = batch.take(_read_one_file(source, told, batch, on_progress, ahead))
            if on_file_read is not None:
                on_file_read(source)
            yield from outcomes
    yield from batch.append()


def _read_one_file(
    source: RawFile,
    request: ReadRequest,
    batch: _Batch,
    on_progress: Callable[[int], None] | None,
    parallel_reading: ParallelReading,
) -> _PendingFile:
    """Read one file, unless the store or this import has it, or its account has a name that cannot be printed."""
    name = _account_of(source, request.account)
    if not name.isprintable():
        why = (
            f"{ascii(source.name)[1:-1]}: the account name {name!a} has control characters. Rename the folder, or "
            "name the account with --account."
        )
        return _PendingFile(source, request, ImportResult(source.name, source.kind, refused=why))
    if request.digest in batch.held:
        _LOG.debug("%s stands in the store already", source.name)
        return _PendingFile(source, request, ImportResult(source.name, source.kind))
    return batch.read(source, request, parallel_reading, on_progress)


def _import_digest(source: RawFile, account: str | None, marketplace: str | None) -> str:
    """What makes a file the same file: its content and the account it speaks of.

    Two accounts may each have a file with a header and no rows, the same to the byte, and so may two marketplaces.
    """
    parts = [source.digest, _account_of(source, account)]
    if marketplace is not None and not _has_rows(source):
        parts.append(marketplace.lower())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


MAX_HEADER_BYTES = 8_192
"""A larger file is taken to have rows without being looked into. [bytes]"""


def _has_rows(source: RawFile) -> bool:
    """Whether a file has a line below its first one."""
    if source.size > MAX_HEADER_BYTES or len(source.parts) > 1:
        return True
    try:
        lines = source.parts[0].content().splitlines()
    except (OSError, ReaderError):
        return True  # Reading it says why it cannot be read.
    return any(line.strip(b"\0 \t") for line in lines[1:])


def _account_of(source: RawFile, account: str | None) -> str:
    """The account that a file speaks of; none where it says itself of which."""
    return "" if source.kind in MULTI_ACCOUNT_KINDS else account or source.folder
