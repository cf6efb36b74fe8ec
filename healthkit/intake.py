"""Raw files into the store: find them, read them whole, append what they hold, say what was skipped and why."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from healthkit.ahead import Ahead, Told, reading, tried
from healthkit.readers import ReaderError, Source, Taken, notes_on_days, plan
from healthkit.store import Store

_LOG = logging.getLogger(__name__)

MANY_ACCOUNTS = ("olist",)
"""Kinds of files that say themselves which accounts they speak of."""
BATCH_ROWS = 250_000
"""So many rows are held in memory before they are appended: a kilobyte each, with all that is made of them."""


@dataclass(frozen=True)
class Outcome:
    """What became of one raw file: taken, already held, or refused with the reason."""

    name: str
    kind: str
    taken: Taken | None = None
    refused: str | None = None

    @property
    def held_already(self) -> bool:
        """Whether the store had this very file before."""
        return self.taken is None and self.refused is None


@dataclass
class _Batch:
    """Files read and not yet appended, and the marketplaces of the orders of the account whose turn it is."""

    store: Store
    takens: list[Taken] = field(default_factory=list)
    whose: str | None = None
    known: dict[str, str] = field(default_factory=dict)

    def take(self, taken: Taken) -> None:
        """Keep what was read, and where its orders belong; where it is much, append it: then the store knows."""
        self.takens.append(taken)
        orders = taken.tables.get("orders")
        if taken.account is not None and orders is not None and taken.rows <= BATCH_ROWS:
            rows = pa.Table.from_batches(orders.to_batches(), orders.schema)
            pairs = zip(rows["order_id"].to_pylist(), rows["marketplace"].to_pylist(), strict=True)
            self._known_of(taken.account).update(pairs)
        if sum(taken.rows for taken in self.takens) > BATCH_ROWS:
            self.append()

    def _known_of(self, account: str) -> dict[str, str]:
        """The marketplaces of the orders of this import, of the account whose turn it is; those of others are let go,
        for a million accounts would fill the memory."""
        if account != self.whose:
            self.whose, self.known = account, {}
        return self.known

    def marketplace_of(self, account: str, order_ids: Iterable[str]) -> dict[str, str]:
        """The marketplace of an account's orders: those of this import first, then those in the store."""
        wanted, known = set(order_ids), self._known_of(account)
        here = {order: known[order] for order in wanted if order in known}
        unknown = wanted - here.keys()
        return here | (self.store.marketplace_of(account, sorted(unknown)) if unknown else {})

    def marketplaces_of(self, account: str) -> set[str]:
        """The marketplaces of an account's orders, those of this import and those in the store."""
        return {*self._known_of(account).values(), *self.store.marketplaces(account)}

    def append(self) -> None:
        """Hand what was read to the store, all of it or nothing."""
        if self.takens:
            self.store.add(self.takens)
            self.takens.clear()


def take_in(
    paths: Iterable[str | Path],
    store: Store,
    account: str | None = None,
    marketplace: str | None = None,
    begun: Callable[[list[Source]], None] | None = None,
    done: Callable[[Source], None] | None = None,
    moved: Callable[[int], None] | None = None,
    jobs: int = 1,
    import_day: date | None = None,
) -> Iterator[Outcome]:
    """Take raw files into the store, one outcome a file; a file that is refused leaves nothing behind.

    The store is appended to at the end, or whenever many rows are waiting. `begun` is told what was found, `done` each
    file that is finished, `moved` how many bytes more of a large file were read. Many small files are read by `jobs`
    processes; a program that asks for several must be one that can be loaded again (`if __name__ == "__main__"`).
    `import_day` is the latest day that can have begun by now: later days in a file are noted (None: they are not).
    An outcome holds what was read: who takes in thousands of files at once does not keep them all.
    Raises ReaderError for a path that does not exist.
    """
    sources, refused = plan(paths)
    if begun is not None:
        begun(sources)
    yield from (Outcome(name=one.name, kind="", refused=one.message) for one in refused)
    # Account by account: what must be known of an account's orders is let go with it, and its rows stand together.
    sources.sort(key=lambda source: _whose(source, account))
    held, batch = store.holds(), _Batch(store)
    files = [(source, Told(account, marketplace, _identity(source, account), uuid4().hex)) for source in sources]
    with reading([one for one in files if one[1].digest not in held], jobs) as ahead:
        for source, told in files:
            yield _one(source, told, batch, held, moved, ahead, import_day)
            if done is not None:
                done(source)
    batch.append()


def _one(
    source: Source, told: Told, batch: _Batch, held: set[str], moved: Callable[[int], None] | None, ahead: Ahead,
    import_day: date | None,
) -> Outcome:  # fmt: skip
    """Read one file, unless the store or this import has it."""
    if told.digest in held:
        _LOG.debug("%s stands in the store already", source.name)
        return Outcome(source.name, source.kind)
    taken = ahead.of(source, told) or tried(source, told, batch.marketplace_of, batch.marketplaces_of, moved)
    if isinstance(taken, ReaderError):
        _LOG.warning("refused: %s", taken)
        return Outcome(source.name, source.kind, refused=str(taken))
    taken.notes += notes_on_days(taken, import_day)
    _LOG.info("%s read as %s: %d rows", source.name, source.kind, taken.rows)
    held.add(told.digest)
    batch.take(replace(taken, digest=told.digest))
    return Outcome(source.name, source.kind, taken=taken)


def _identity(source: Source, account: str | None) -> str:
    """What makes a file the same file: its content and the account it speaks of.

    Two accounts may each have a file with a header and no rows, the same to the byte.
    """
    return hashlib.sha256(f"{source.digest}\0{_whose(source, account)}".encode()).hexdigest()


def _whose(source: Source, account: str | None) -> str:
    """The account that a file speaks of; none where it says itself of which."""
    return "" if source.kind in MANY_ACCOUNTS else account or source.folder
