"""Plan what to ask Amazon for: which reports and pages of orders, for which days, given what was pulled already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from healthkit.ingest.amazon_api import published
from healthkit.ingest.amazon_api.published import LISTED, SNAPSHOT, START, ReportType
from healthkit.ingest.amazon_api.pull_state import PullState, Span, format_instant, history_key, parse_instant
from healthkit.schema.accounts_file import AmazonAccess
from healthkit.schema.marketplaces import MARKETPLACES

HISTORY_DAYS = 180
"""How much history the first pull asks for: enough for every window and for the forecasts. [days]"""
LEAST_AGE = timedelta(hours=1)
"""What was pulled less long ago is not asked for again."""
_GRID = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PlannedRequest:
    """One thing to ask for: a report, a list of reports, or the pages of orders of a span.

    `marketplace` is empty for what concerns all marketplaces of the region; for pages of orders it names all of them.
    """

    access: AmazonAccess
    marketplace: str
    kind: ReportType
    since: datetime
    until: datetime

    @property
    def is_pages(self) -> bool:
        """Whether these are pages of the Orders API."""
        return self.kind.name in published.orders_types()


def plan_requests(access: AmazonAccess, state: PullState, since: datetime, now: datetime) -> list[PlannedRequest]:
    """Return what to ask for one authorisation, so that everything from `since` until `now` is pulled.

    Reports that were asked for and not fetched yet are not in it.
    """
    now = now.replace(microsecond=0)
    pages_of = marketplaces_key(access)
    return [
        *(
            request
            for kind in published.orders_types().values()
            for request in _plan_kind(access, pages_of, kind, state, since, now - published.orders_end_margin())
        ),
        *(
            request
            for kind in published.report_types().values()
            for code in ([""] if kind.asks == LISTED else access.marketplaces)
            for request in _plan_kind(access, code, kind, state, since, now)
        ),
    ]


def marketplaces_key(access: AmazonAccess) -> str:
    """Return the key under which the pages of orders of an authorisation are remembered: its marketplaces.

    A marketplace that is added later thereby gets its history, too.
    """
    return "+".join(sorted(access.marketplaces))


def _plan_kind(
    access: AmazonAccess, code: str, kind: ReportType, state: PullState, since: datetime, now: datetime
) -> Iterator[PlannedRequest]:
    """Yield the requests of one report type in one marketplace, each once."""
    first = _begin_of_day(since, code.split("+")) if kind.followed_by else since.replace(microsecond=0)
    first = max(first + kind.skip, now - kind.oldest) if kind.oldest else first + kind.skip
    if kind.asks == LISTED:
        yield PlannedRequest(access, code, kind, first, now)
        return
    pulled = state.pulled_spans(access.region, code, kind.name)
    if kind.asks == SNAPSHOT:
        is_open = any(
            (one.region, one.marketplace, one.report_type) == (access.region, code, kind.name)
            for one in state.open_reports
        )
        if not is_open and not any(now - until < LEAST_AGE for _, until in pulled):
            yield PlannedRequest(access, code, kind, now, now)
        return
    if kind.followed_by:
        now = _history_end(access, code, kind, state, now)
    elif history := published.history_of(kind.name):
        pulled.append((first, _history_end(access, code, history, state, now)))
    missing = _missing_spans(first, now, sorted(pulled), kind.again)
    if missing and kind.asks == START:
        yield PlannedRequest(access, code, kind, _floor(missing[0][0], timedelta(30)), now)
        return
    if missing and kind.piece and kind.again >= kind.piece:
        # A span that is asked for again in the same pieces comes back as the same file, unless something changed.
        missing = [(_floor(missing[0][0], kind.piece), missing[-1][1])]
    # The latest first: the newest span that was pulled is then where an earlier run planned to end, also if it was
    # stopped halfway, and nothing before it is asked for again.
    pieces = [piece for start, end in missing for piece in split_span(start, end, kind.piece)]
    yield from (PlannedRequest(access, code, kind, *piece) for piece in reversed(pieces))


def _begin_of_day(since: datetime, codes: Iterable[str]) -> datetime:
    """Return when the day of an instant begins in the zones of some marketplaces; the latest, where they differ.

    Orders of a part of a day would be taken for all of it.

    >>> _begin_of_day(datetime(2026, 11, 5, 6, tzinfo=UTC), ["US"]).isoformat()
    '2026-11-05T08:00:00+00:00'
    """
    begins = (datetime.combine(since.date(), time(), ZoneInfo(MARKETPLACES[code].zone)) for code in codes)
    return max(begin.astimezone(UTC) for begin in begins)


def _history_end(access: AmazonAccess, code: str, kind: ReportType, state: PullState, now: datetime) -> datetime:
    """Return the instant up to which the first pull asks for a type; later pulls ask for the changes from then on."""
    until = state.history_until.get(history_key(access.region, code, kind.name))
    return parse_instant(until) if until else now


def remember_history(requests: Iterable[PlannedRequest], state: PullState) -> None:
    """Remember up to when the first pull asks for each type, so that later ones ask for the same pieces or changes."""
    ends: dict[str, str] = {}
    for one in requests:
        if one.kind.followed_by:
            key, until = history_key(one.access.region, one.marketplace, one.kind.name), format_instant(one.until)
            ends[key] = max(until, ends.get(key, until))
    state.history_until = ends | state.history_until


def _missing_spans(first: datetime, last: datetime, pulled: Iterable[Span], again: timedelta) -> list[Span]:
    """Return the parts of a span that were not pulled, or were pulled so late that rows may have changed since.

    >>> day = lambda number: datetime(2026, 10, number, tzinfo=UTC)
    >>> spans = _missing_spans(day(1), day(20), [(day(3), day(9)), (day(8), day(12))], timedelta(2))
    >>> [(start.day, end.day) for start, end in spans]
    [(1, 3), (10, 20)]
    """
    pulled = list(pulled)
    newest = max((until for _, until in pulled), default=first)
    horizon = newest if last - newest < LEAST_AGE else newest - again
    missing, reached = [], first
    for start, end in [(start, min(end, horizon)) for start, end in pulled if start < horizon]:
        if min(start, last) > reached:
            missing.append((reached, min(start, last)))
        reached = max(reached, end)
    if reached < last and last - reached >= LEAST_AGE:
        missing.append((reached, last))
    return missing


def split_span(start: datetime, end: datetime, piece: timedelta | None) -> Iterator[Span]:
    """Yield a span in pieces that are not longer than `piece`.

    >>> day = lambda number: datetime(2026, 10, number, tzinfo=UTC)
    >>> [(one.day, other.day) for one, other in split_span(day(1), day(6), timedelta(2))]
    [(1, 3), (3, 5), (5, 6)]
    """
    while start < end:
        stop = end if piece is None else min(end, start + piece)
        yield start, stop
        start = stop


def _floor(instant: datetime, step: timedelta) -> datetime:
    """Return the last point of a fixed grid that is not after an instant."""
    return _GRID + (instant - _GRID) // step * step


def count_calls(requests: Iterable[PlannedRequest], open_reports: int = 0) -> Counter[str]:
    """Return how many calls of each operation some requests take at least: a page of orders a span, no settlement."""
    calls: Counter[str] = Counter()
    for request in requests:
        if request.is_pages:
            calls[published.SEARCH_ORDERS] += 1
        elif request.kind.asks == LISTED:
            calls[published.GET_REPORTS] += 1
        else:
            calls.update((published.CREATE_REPORT, published.GET_REPORT, published.GET_DOCUMENT))
    calls[published.GET_REPORT] += open_reports
    calls[published.GET_DOCUMENT] += open_reports
    return +calls
