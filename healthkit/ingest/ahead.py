"""Files read by other processes, ahead of their turn: many small ones, of which a folder of years has thousands.

What is read is the same, and handed on in the same order. A file that must be told of orders which are known already
is read where these are known; so is a large one, which keeps all cores busy by itself, and every file once a process
was lost.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, NamedTuple

from healthkit.ingest.readers import ReaderError, Source, Taken, read
from healthkit.ingest.readers.place import MarketplaceOf, MarketplacesOf
from healthkit.ingest.readers.stretches import STRETCH

WORTH = 20 << 20
"""So many bytes of small files take longer to read than other processes take to begin."""
AHEAD = 3
"""So many files for each process are begun before their turn: what waits is held in memory."""


class Told(NamedTuple):
    """What the reader is told of a file (see `readers.read`).

    `digest` is the same for the same file; `report`, which its rows are marked with, is this import's alone.
    """

    account: str | None
    marketplace: str | None
    digest: str
    report: str


def tried(
    source: Source, told: Told, marketplace_of: MarketplaceOf, marketplaces_of: MarketplacesOf,
    moved: Callable[[int], None] | None = None,
) -> Taken | ReaderError:  # fmt: skip
    """What a file holds, or why it is refused."""
    try:
        return read(source, told.account, told.marketplace, marketplace_of, marketplaces_of, told.report, moved)
    except ReaderError as error:
        return error


class _AskedBack(Exception):
    """A file cannot be read without what only the import knows."""


class Ahead:
    """The files of one import that others read; `of` hands them out in their turn."""

    def __init__(self, pool: ProcessPoolExecutor | None, most: int, waiting: Iterable[tuple[Source, Told]]) -> None:
        self._pool, self._most, self._waiting = pool, most, deque(waiting)
        self._begun: dict[str, Future[Taken | ReaderError | None]] = {}
        self._asked_back: set[tuple[str, str]] = set()

    def of(self, source: Source, told: Told) -> Taken | ReaderError | None:
        """What was read of a file, or why it is refused; None where the caller has to read it."""
        self._begin()
        future = self._begun.pop(told.digest, None)
        if future is None:
            return None
        try:
            found = future.result()
        except (BrokenProcessPool, OSError):
            # A process was lost, for want of memory perhaps: one at a time will do.
            self._waiting.clear()
            self._begun.clear()
            return None
        if found is None:
            self._asked_back.add((source.folder, source.kind))
        return found

    def _begin(self) -> None:
        """Begin so many files that every process has some waiting, but none of a sort that asked back."""
        while self._pool is not None and self._waiting and len(self._begun) < self._most:
            source, told = self._waiting.popleft()
            if (source.folder, source.kind) not in self._asked_back:
                self._begun[told.digest] = self._pool.submit(_read, source, told)


@contextmanager
def reading(files: Iterable[tuple[Source, Told]], jobs: int) -> Iterator[Ahead]:
    """Read small files, each with what is told of it, in `jobs` processes, where there are so many that it pays."""
    once = {told.digest: (source, told) for source, told in files}
    small = [one for one in once.values() if one[0].size <= STRETCH and len(one[0].parts) == 1]
    if jobs < 2 or sum(source.size for source, _ in small) < WORTH:
        yield Ahead(None, 0, ())
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield Ahead(pool, jobs * AHEAD, small)
    finally:
        pool.shutdown(cancel_futures=True)


def _read(source: Source, told: Told) -> Taken | ReaderError | None:
    """Read one file in a process of its own; None where it asks for what only the import knows."""
    try:
        return tried(source, told, _ask_back, _ask_back)
    except _AskedBack:
        return None


def _ask_back(*_: Any) -> Any:
    raise _AskedBack
