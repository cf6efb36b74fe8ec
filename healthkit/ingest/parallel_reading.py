"""Parse many small raw files in other processes, before the import needs them.

Results are the same as without other processes, and are returned in the same order. Three groups of files are left to
the importing process: files that need the marketplaces of orders that only it knows, large files (which use all cores
by themselves), and every file after a process was lost.
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
"""Total size of the small files above which other processes are started to parse them. [bytes]"""
QUEUED_FILES_PER_PROCESS = 3
"""Number of files per process that are submitted before they are needed; results are stored on disk."""


class ReadRequest(NamedTuple):
    """Account, marketplace and ids with which one raw file is parsed.

    `digest` is the same for the same file in every import; `report`, which marks its rows, is unique to one import.
    """

    account: str | None
    marketplace: str | None
    digest: str
    report: str


def try_read(
    source: RawFile, request: ReadRequest, marketplace_of: OrderMarketplaceLookup,
    marketplaces_of: AccountMarketplaceLookup, on_progress: Callable[[int], None] | None = None,
) -> ParsedFile | ReaderError:  # fmt: skip
    """Parse a raw file and return the parsed file, or the error if the file is refused.

    For the two lookup functions see `parse_file`.
    """
    try:
        return parse_file(
            source, request.account, request.marketplace, marketplace_of, marketplaces_of, request.report, on_progress
        )
    except ReaderError as error:
        return error


class _NeedsKnownOrders(Exception):
    """A file needs the marketplaces of orders that only the importing process knows."""


class ParallelReading:
    """Files of one import that other processes parse before the import needs them.

    A process writes its result to a file in `folder`. Only one flag passes through the pool's pipe: a process that is
    killed while it sends a longer message would block the import.
    """

    def __init__(
        self, pool: ProcessPoolExecutor | None = None, max_submitted: int = 0,
        files: Iterable[tuple[RawFile, ReadRequest]] = (), folder: Path | None = None,
    ) -> None:  # fmt: skip
        self._pool, self._max_submitted, self._waiting, self._folder = pool, max_submitted, deque(files), folder
        self._submitted: dict[str, tuple[Future[bool], Path]] = {}
        self._left_to_import: set[tuple[str, str]] = set()

    def take_result(self, source: RawFile, request: ReadRequest) -> ParsedFile | ReaderError | None:
        """Return the parsed file or the error of a refused file, or None if the caller has to parse the file."""
        try:
            self._submit_files()
            if request.digest not in self._submitted:
                return None
            future, path = self._submitted.pop(request.digest)
            if future.result():
                result: ParsedFile | ReaderError = pickle.loads(path.read_bytes())  # noqa: S301 - written by our own process
                path.unlink()
                return result
        except (BrokenProcessPool, OSError):
            # A process was lost, perhaps for lack of memory, or the disk is full: go on without other processes.
            self._waiting.clear()
            self._submitted.clear()
            return None
        self._left_to_import.add((source.folder, source.kind))
        return None

    def _submit_files(self) -> None:
        """Keep the processes busy, without files of an account and kind that had to be left to the import."""
        if self._pool is None or self._folder is None:
            return
        while self._waiting and len(self._submitted) < self._max_submitted:
            source, request = self._waiting.popleft()
            if (source.folder, source.kind) not in self._left_to_import:
                path = self._folder / f"{request.digest}.pickle"
                self._submitted[request.digest] = (self._pool.submit(_read_into_file, source, request, path), path)


@contextmanager
def open_parallel_reading(files: Iterable[tuple[RawFile, ReadRequest]], jobs: int) -> Iterator[ParallelReading]:
    """Open a ParallelReading that parses the small ones of the given files in `jobs` processes.

    If these files are too few to save time, no process is started and the caller parses all files.
    """
    by_digest = {request.digest: (source, request) for source, request in files}
    small = [one for one in by_digest.values() if one[0].size <= CHUNK_BYTES and len(one[0].parts) == 1]
    if jobs < 2 or sum(source.size for source, _ in small) < MIN_PARALLEL_BYTES:
        yield ParallelReading()
        return
    try:
        folder = temp_folders.make(temp_folders.PARSED_PREFIX)
    except OSError:
        yield ParallelReading()  # Without temporary files the importing process parses all files.
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield ParallelReading(pool, jobs * QUEUED_FILES_PER_PROCESS, small, folder)
    finally:
        pool.shutdown(cancel_futures=True)
        temp_folders.remove(folder)


def _read_into_file(source: RawFile, request: ReadRequest, path: Path) -> bool:
    """Parse a file and write the result to `path`; return False if only the importing process can parse it."""
    try:
        result = try_read(source, request, _raise_needs_known_orders, _raise_needs_known_orders)
    except _NeedsKnownOrders:
        return False
    path.write_bytes(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
    return True


def _raise_needs_known_orders(*_: Any) -> Any:
    raise _NeedsKnownOrders
