"""What was pulled, and what was asked for and not fetched yet, so that the next run goes on where one ended.

The state of an account is a JSON file in a folder below that of the store (for a store in an object storage: in the
user's cache folder). It holds ids of reports, days, and digests of imported documents; no credential and nothing of a
buyer's. What it says was pulled holds only as long as the store has the document.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from healthkit.files import marked_folders
from healthkit.store import Store, locks

_LOG = logging.getLogger(__name__)

FOLDER = "pull"
"""Name of the folder of states below the store's folder."""
VERSION = 1
KEEP_DAYS = 400
"""How long a pulled span is remembered with its document; older ones are remembered as pulled. [days]"""

Span = tuple[datetime, datetime]
"""A span of instants in UTC: its start and its end."""


class PullStateError(ValueError):
    """Raised if the state of a pull cannot be written, or another pull into the store runs."""


@dataclass(frozen=True)
class PulledSpan:
    """A span that was pulled: of which report type, and the digest of its import (empty: Amazon had no data).

    `marketplace` is empty for what is pulled for all marketplaces of a region; pages of orders name all of theirs.
    Instants are ISO 8601 in UTC. `part` is the number of a page of orders, or the id of a listed report.
    """

    region: str
    marketplace: str
    report_type: str
    since: str
    until: str
    digest: str = ""
    part: str = ""

    @property
    def span(self) -> Span:
        """The span as instants."""
        return parse_instant(self.since), parse_instant(self.until)


@dataclass(frozen=True)
class OpenReport:
    """A report that was asked for and is not imported yet."""

    region: str
    marketplace: str
    report_type: str
    since: str
    until: str
    report_id: str
    asked_at: str

    @property
    def span(self) -> Span:
        """The span as instants."""
        return parse_instant(self.since), parse_instant(self.until)


@dataclass(frozen=True)
class OpenPages:
    """The pages of orders of one span, by order day or by last update, of which some are imported.

    `digests` are those of the imports of these pages; `token` is Amazon's mark of the next page, given at `asked_at`.
    """

    region: str
    marketplace: str
    report_type: str
    since: str
    until: str
    digests: list[str]
    token: str
    asked_at: str

    @property
    def span(self) -> Span:
        """The span as instants."""
        return parse_instant(self.since), parse_instant(self.until)


@dataclass
class PullState:
    """The state of one account.

    `history_until` is up to when the first pull asked for each type that later ones ask for the changes of.
    `finished_at` is when the last run of a region ended and `problems` are its sentences, by region; `buckets` are the
    tokens that it left, and when, by region and operation.
    """

    account: str
    pulled: list[PulledSpan] = field(default_factory=list)
    open_reports: list[OpenReport] = field(default_factory=list)
    open_pages: list[OpenPages] = field(default_factory=list)
    buckets: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    history_until: dict[str, str] = field(default_factory=dict)
    finished_at: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def add_pulled(self, new: PulledSpan) -> None:
        """Remember a span as pulled; forget the spans of the same kind inside it, and the open report of it."""
        is_snapshot = new.since == new.until and not new.part
        self.pulled = [
            one for one in self.pulled
            if _kind(one) != _kind(new) or one.part != new.part
            or not (is_snapshot or (one.since >= new.since and one.until <= new.until))
        ]  # fmt: skip
        self.pulled.append(new)
        self.open_reports = [one for one in self.open_reports if (_kind(one), one.span) != (_kind(new), new.span)]

    def pulled_spans(self, region: str, marketplace: str, report_type: str) -> list[Span]:
        """Return what was pulled of a report type, and what was asked for, in the order of its start."""
        wanted = (region, marketplace, report_type)
        rows: list[PulledSpan | OpenReport | OpenPages] = [*self.pulled, *self.open_reports, *self.open_pages]
        return sorted(one.span for one in rows if _kind(one) == wanted)

    def pulled_parts(self, region: str, report_type: str) -> set[str]:
        """Return the ids of the listed reports that were pulled."""
        return {one.part for one in self.pulled if (one.region, one.report_type) == (region, report_type)}

    def forget_missing(self, digests: Collection[str]) -> None:
        """Forget the spans whose document the store does not have (any more): they are pulled again."""
        lost = {(_kind(one), one.span) for one in self.pulled if one.digest and one.digest not in digests}
        kept = [one for one in self.pulled if (_kind(one), one.span) not in lost]
        if len(kept) < len(self.pulled):
            _LOG.info(
                "%s: %d documents left the store; they are pulled again", self.account, len(self.pulled) - len(kept)
            )
        self.pulled = kept
        self.open_pages = [one for one in self.open_pages if set(filter(None, one.digests)) <= set(digests)]

    def drop_old_documents(self, now: datetime) -> None:
        """Join the old spans of each kind into one, without their documents."""
        horizon = now - timedelta(KEEP_DAYS)
        old = [one for one in self.pulled if one.span[1] < horizon]
        joined: dict[tuple[str, str, str], PulledSpan] = {}
        for one in sorted(old, key=lambda span: span.since):
            before = joined.get(_kind(one))
            since, until = (before.since, max(before.until, one.until)) if before else (one.since, one.until)
            joined[_kind(one)] = PulledSpan(*_kind(one), since, until)
        self.pulled = [one for one in self.pulled if one.span[1] >= horizon] + list(joined.values())


def _kind(one: PulledSpan | OpenReport | OpenPages) -> tuple[str, str, str]:
    return one.region, one.marketplace, one.report_type


class StateFolder:
    """The states of the accounts of a store, a file for each."""

    def __init__(self, store: Store) -> None:
        self.folder = store.cache_folders[0].resolve() / FOLDER

    def read(self, account: str) -> PullState:
        """Return the state of an account; an empty one if there is none, or none that can be read."""
        path = self._path(account)
        try:
            return _from_json(account, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return PullState(account)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _LOG.warning("the state of the pull at %s is not readable (%s): all is asked for again", path, error)
            return PullState(account)

    def write(self, state: PullState) -> None:
        """Write the state of an account, either completely or not at all. Raises PullStateError if it cannot."""
        text = json.dumps({"version": VERSION, **asdict(state)}, ensure_ascii=False, separators=(",", ":"))
        try:
            self._make()
            # Not by `temp_folders`: this is written after each step, and an unfinished file is simply overwritten.
            path = self._path(state.account)
            unfinished = path.with_name(f"{path.name}.part")
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, path)
        except OSError as error:
            raise PullStateError(
                f"The state of the pull cannot be written into {self.folder} ({error.strerror or error}). Ask for "
                "permission to write there, or free some space."
            ) from None

    def remove(self, account: str) -> None:
        """Delete the state of an account, if there is one."""
        path = self._path(account)
        for one in (path, path.with_name(f"{path.name}.part")):
            one.unlink(missing_ok=True)

    @contextmanager
    def hold_lock(self) -> Iterator[None]:
        """Hold the lock of pulls into this store. Raises PullStateError if another pull holds it."""
        try:
            self._make()
        except OSError as error:
            raise PullStateError(
                f"The folder {self.folder} cannot be made ({error.strerror or error}). Ask for permission to write "
                "there."
            ) from None
        try:
            with locks.hold_exclusive_lock(self.folder):
                yield
        except locks.LockedError:
            raise PullStateError(
                "Another pull into this store is running. Wait for its end, or stop it, and pull again."
            ) from None

    def _make(self) -> None:
        """Make the folder, with the marker of the kit."""
        marker = self.folder / marked_folders.MARKER_NAME
        if not marker.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            marker.write_text(marked_folders.MARKER_TEXT, encoding="utf-8")

    def _path(self, account: str) -> Path:
        return self.folder / f"{quote(account, safe=' ')}.json"


def _from_json(account: str, data: dict[str, Any]) -> PullState:
    if data["version"] != VERSION or data["account"] != account:
        raise ValueError("it is of another version or account")
    kinds = {"pulled": PulledSpan, "open_reports": OpenReport, "open_pages": OpenPages}
    values = {one.name: data[one.name] for one in fields(PullState)}
    values |= {name: [kind(**row) for row in data[name]] for name, kind in kinds.items()}
    values["buckets"] = {
        region: {name: (float(tokens), float(at)) for name, (tokens, at) in saved.items()}
        for region, saved in data["buckets"].items()
    }
    state = PullState(**values)
    rows: list[PulledSpan | OpenReport | OpenPages] = [*state.pulled, *state.open_reports, *state.open_pages]
    for one in rows:
        parse_instant(one.since), parse_instant(one.until)
    return state


def history_key(region: str, marketplace: str, report_type: str) -> str:
    """Return the key of a report type in `PullState.history_until`."""
    return f"{region} {marketplace or '*'} {report_type}"


def parse_instant(text: str) -> datetime:
    """Return the instant that a state names.

    >>> parse_instant("2026-10-01T00:00:00Z").isoformat()
    '2026-10-01T00:00:00+00:00'
    """
    return datetime.fromisoformat(text)


def format_instant(instant: datetime) -> str:
    """Return an instant in UTC as Amazon writes it, in whole seconds.

    >>> format_instant(parse_instant("2026-10-01T02:00:00+02:00"))
    '2026-10-01T00:00:00Z'
    """
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
