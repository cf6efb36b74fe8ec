"""Files read by other processes, ahead of their turn: many small ones, of which a folder of years has thousands.

What is read is the same, and handed on in the same order. A file that must be told of orders which are known already
is read where these are known; so is a large one, which keeps all cores busy by itself, and every file once a process
was lost.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from healthkit.files import temp_folders
from healthkit.ingest.formats import ParsedFile, RawFile, ReaderError, parse_file
from healthkit.ingest.parsing.large_files import CHUNK_BYTES
from healthkit.ingest.parsing.marketplace_of_row import AccountMarketplaceLookup, OrderMarketplaceLookup

MIN_PARALLEL_BYTES = 20 << 20
"""So many bytes of small files take longer to read than other processes take to begin."""
QUEUED_FILES_PER_PROCESS = 3
"""So many files for each process are begun before their turn: what waits is held in memory."""


class ReadRequest(NamedTuple):
    """What the reader is told of a file (see `readers.read`).

    `digest` is the same for the same file; `report`, which its rows are marked with, is this import's alone.
    """

    account: str | None
    marketplace: str | None
    digest: str
    report: str


def try_read(
    source: RawFile, request: ReadRequest, marketplace_of: OrderMarketplaceLookup,
    marketplaces_of: AccountMarketplaceLookup,
    on_progress: Callable[[int], None] | None = None,
) -> ParsedFile | ReaderError:  # fmt: skip
    """What a file holds, or why it is refused."""
    try:
        return parse_file(
            source, request.account, request.marketplace, marketplace_of, marketplaces_of, request.report, on_progress
        )
    except ReaderError as error:
        return error


class _NeedsKnownOrders(Exception):
    """A file cannot be read without what only the import knows."""


class ParallelReading:
    """The files of one import that others read; `of` hands them out in their turn.

    A process hands over what it read as a file in `folder`. Through the pool's own pipe only one word passes: a process
    that is killed in the middle of a longer message would leave the import waiting for the rest of it.
    """

    def __init__(
        self, pool: ProcessPoolExecutor | None, max_submitted: int, files: Iterable[tuple[RawFile, ReadRequest]],
        folder: Path | None = None,
    ) -> None:  # fmt: skip
        self._pool, self._most, self._waiting, self._folder = pool, max_submitted, deque(files), folder
        self._submitted: dict[str, tuple[Future[bool], Path]] = {}
        self._asked_back: set[tuple[str, str]] = set()

    def of(self, source: RawFile, request: ReadRequest) -> ParsedFile | ReaderError | None:
        """What was read of a file, or why it is refused; None where the caller has to read it."""
        try:
            self._begin()
            if request.digest not in self._submitted:
                return None
            future, path = self._submitted.pop(request.digest)
            if future.result():
                found: ParsedFile | ReaderError = pickle.loads(path.read_bytes())  # noqa: S301 - written by our own process
                path.unlink()
                return found
        except (BrokenProcessPool, OSError):
            # A process was lost, for want of memory perhaps, or the disk is full: one at a time will do.
            self._waiting.clear()
            self._submitted.clear()
            return None
        self._asked_back.add((source.folder, source.kind))
        return None

    def _begin(self) -> None:
        """Begin so many files that every process has some waiting, but none of a sort that asked back."""
        while (
            self._pool is not None and self._folder is not None and self._waiting and len(self._submitted) < self._most
        ):
            source, told = self._waiting.popleft()
            if (source.folder, source.kind) not in self._asked_back:
                path = self._folder / f"{told.digest}.pickle"
                self._submitted[told.digest] = (self._pool.submit(_read_into_file, source, told, path), path)


@contextmanager
def open_parallel_reading(files: Iterable[tuple[RawFile, ReadRequest]], jobs: int) -> Iterator[ParallelReading]:
    """Read small files, each with what is told of it, in `jobs` processes, where there are so many that it pays."""
    once = {told.digest: (source, told) for source, told in files}
    small = [one for one in once.values() if one[0].size <= CHUNK_BYTES and len(one[0].parts) == 1]
    if jobs < 2 or sum(source.size for source, _ in small) < MIN_PARALLEL_BYTES:
        yield ParallelReading(None, 0, ())
        return
    try:
        folder = temp_folders.make(temp_folders.PARSED_PREFIX)
    except OSError:
        yield ParallelReading(None, 0, ())  # No place for temporary files: the import reads all of them itself.
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield ParallelReading(pool, jobs * QUEUED_FILES_PER_PROCESS, small, folder)
    finally:
        pool.shutdown(cancel_futures=True)
        temp_folders.remove(folder)


def _read_into_file(source: RawFile, request: ReadRequest, path: Path) -> bool:
    """Read one file in a process of its own and write the result to `path`; False where only the import can read it,
    for it asks for what is known there."""
    try:
        found = try_read(source, request, _raise_needs_known_orders, _raise_needs_known_orders)
    except _NeedsKnownOrders:
        return False
    path.write_bytes(pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
    return True


def _raise_needs_known_orders(*_: Any) -> Any:
    raise _NeedsKnownOrders
