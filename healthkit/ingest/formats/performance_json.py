"""The seller performance report, version 2 (JSON): what Amazon itself says of an account, in each marketplace.

Amazon's schema, its own example and real files spell keys differently and leave blocks out, so every block may be
missing, and any object with a count of defects is a count of policy violations. Its windows are Amazon's own,
whatever was asked for; a history is the files of many days. Its days are taken as written: it cuts them in UTC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from healthkit.ingest.parsing.csv_table import AGAIN
from healthkit.ingest.parsing.marketplace_of_row import Asked
from healthkit.ingest.parsing.parsed_file import Taken
from healthkit.ingest.parsing.raw_file import Document, ReaderError
from healthkit.ingest.parsing.reported_figures import (
    ACCOUNT,
    ALL,
    WARNING,
    Figure,
    Snapshot,
    count,
    day,
    name_of,
    refuse,
    refuse_large,
    seen,
    share,
    word,
)
from healthkit.schema.tables import STATUS_WORDS

DOCUMENT = Document(
    "performance_json", "seller performance report (JSON)", "{[", ('"accountStatuses"', '"performanceMetrics"')
)
DEEPEST = 20
"""So many brackets may stand in each other; Amazon needs six."""

_SIDES = {
    "LESS_THAN": "below", "LESS_THAN_OR_EQUAL": "at most", "GREATER_THAN": "above",
    "GREATER_THAN_OR_EQUAL": "at least", "EQUALS": "exactly",
}  # fmt: skip
_STATES = {"suspended": "deactivated"}
_CATEGORIES = {"document_request": "document_requests"}
_STATED_DAYS = ("processingEndTime", "createdTime", "reportDate")
_NO_DAYS = "figures without the days that they cover"


@dataclass(frozen=True)
class Rate:
    """Where one metric stands in a block: how many counted, how many went wrong or `well`, and the parts of it."""

    metric: str
    counted: str
    some: str
    well: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


_CANCELLATION = Rate("cancellation_rate", "orderCount", "cancellationCount")
_RATES = {
    "lateShipmentRate": Rate("late_shipment_rate", "orderCount", "lateShipmentCount"),
    "preFulfillmentCancellationRate": _CANCELLATION,
    "prefulfillmentCancelRate": _CANCELLATION,
    "onTimeDeliveryRate": Rate(
        "on_time_delivery_rate", "shipmentCountWithValidTracking", "onTimeDeliveryCount", well="on_time"
    ),
    "unitOnTimeDeliveryRate": Rate(
        "unit_on_time_delivery_rate", "totalUnitCount", "unitOnTimeDeliveryCount", well="on_time"
    ),
    "validTrackingRate": Rate("valid_tracking_rate", "shipmentCount", "validTrackingCount", well="valid_tracking"),
    "invoiceDefectRate": Rate(
        "invoice_defect_rate", "orderCount", "invoiceDefect",
        parts={"missing_invoice": "missingInvoice", "late_invoice": "lateInvoice"},
    ),
}  # fmt: skip
_DEFECTS = Rate(
    "order_defect_rate", "orderCount", "orderWithDefects",
    parts={"negative_feedback": "negativeFeedback", "a_to_z_claim": "claims", "chargeback": "chargebacks"},
)  # fmt: skip
# The channel is the key that a block stands under: Amazon's example says "mfn" inside both.
_CHANNELS = {"mfn": "seller", "afn": "amazon"}


@dataclass(frozen=True)
class Block:
    """One object of the file, and where it stands."""

    cells: Mapping[str, Any]
    where: str

    def get(self, *keys: str) -> Any:
        """The first of some keys that holds anything."""
        return next((self.cells[key] for key in keys if self.cells.get(key) is not None), None)

    def at(self, key: str) -> str:
        """Where a key of it stands, for messages."""
        return f"{self.where}.{key}"

    @property
    def key(self) -> str:
        """The keys that lead to it, from the marketplace's block on.

        >>> Block({}, "acme/a.json: report.performanceMetrics[0].orderDefectRate[0].mfn[0]").key
        'orderDefectRate.mfn'
        """
        return re.sub(r"\[\d+\]", "", re.sub(r"^.*\.performanceMetrics\[\d+\]\.", "", self.where))

    def count(self, *keys: str) -> int | None:
        """A count, given as a number or as an object with a `count`."""
        value = self.get(*keys)
        return count(value.get("count") if isinstance(value, dict) else value, self.at(keys[0]))

    def inner(self, key: str) -> Block | None:
        """The object under a key; None where there is none."""
        value = self.cells.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            refuse(self.at(key), value, "where an object belongs")
        return Block(value, self.at(key))

    def each(self, key: str) -> Iterator[Block]:
        """The objects of a list under a key; one object alone is a list of one."""
        value = self.cells.get(key)
        for place, one in enumerate([] if value is None else value if isinstance(value, list) else [value]):
            if not isinstance(one, dict):
                refuse(f"{self.at(key)}[{place}]", one, "where an object belongs")
            yield Block(one, f"{self.at(key)}[{place}]")


def take(content: bytes, asked: Asked) -> Taken:
    """Read the file into READINGS, VIOLATIONS and ACCOUNT_STATES."""
    report = Block(loaded(content, asked.name), f"{asked.name}: report")
    snapshot = Snapshot(asked, DOCUMENT.name)
    if not {"accountStatuses", "performanceMetrics"} & report.cells.keys():
        raise ReaderError(f"{asked.name}: its object holds neither accountStatuses nor performanceMetrics. {AGAIN}")
    statuses = list(report.each("accountStatuses"))
    for status in statuses:
        state = word(status.get("status"), status.at("status"))
        if state is not None:
            place = snapshot.place(_identifier(status))
            snapshot.state(place, ACCOUNT, "account_status", _STATES.get(state, state))
    named = {_identifier(status) for status in statuses}
    alone = named.pop() if len(named) == 1 else None
    unread: set[str] = set()
    for block in report.each("performanceMetrics"):
        _take_block(snapshot, snapshot.place(_identifier(block) or alone), block, unread)
    if unread:
        snapshot.notes.append(f"Not read, as the kit does not know it: {', '.join(sorted(unread)[:12])}.")
    return snapshot.taken(_stated_day(report))


def _stated_day(report: Block) -> date | None:
    """The day of the report itself, where somebody kept it with the figures."""
    return next(filter(None, (day(report.get(key), report.at(key)) for key in _STATED_DAYS)), None)


def _identifier(block: Block) -> str | None:
    value = block.get("marketplaceId")
    if value is not None and not isinstance(value, str):
        refuse(block.at("marketplaceId"), value, "where a marketplace id belongs")
    return value


def _take_block(snapshot: Snapshot, place: str, block: Block, unread: set[str]) -> None:
    """All that one marketplace's block says; the lists of further windows after the windows themselves."""
    for key in sorted(block.cells, key=lambda key: key.endswith("List")):
        rate = _RATES.get(key.removesuffix("List"))
        if rate is not None:
            for one in block.each(key):
                _take_rate(snapshot, place, "seller", rate, one)
        elif key.removesuffix("List") == "orderDefectRate":
            _take_defects(snapshot, place, block, key)
        elif key == "accountHealthRating":
            _take_rating(snapshot, place, block.inner(key))
        elif key in ("warningState", "warningStates"):
            _take_warnings(snapshot, place, block, key, unread)
        elif key != "marketplaceId":
            _take_other(snapshot, place, key, block.cells[key], block.at(key), unread)


def _take_defects(snapshot: Snapshot, place: str, block: Block, key: str) -> None:
    for both in block.each(key):
        for raw, channel in _CHANNELS.items():
            for one in both.each(raw):
                _take_rate(snapshot, place, channel, _DEFECTS, one)


def _take_rate(snapshot: Snapshot, place: str, channel: str, rate: Rate, block: Block) -> None:
    """One figure, as given."""
    days = _days(snapshot, block)
    if days is None:
        return
    parts = {name: block.count(key) for name, key in rate.parts.items()}
    some = block.count(rate.some)
    if rate.well:
        parts[rate.well] = some
    figure = Figure(
        rate.metric, channel, *days, block.count(rate.counted), some, bool(rate.well),
        {name: many for name, many in parts.items() if many is not None},
        share(block.get("rate"), block.at("rate")),
        share(block.get("targetValue"), block.at("targetValue")),
        _side(snapshot, block),
        word(block.get("status"), block.at("status")),
    )  # fmt: skip
    snapshot.figure(place, figure)


def _days(snapshot: Snapshot, block: Block) -> tuple[date, date] | None:
    """The days that a figure covers, which also tell how new the file is."""
    first, last = _end(block, "reportingDateFrom"), _end(block, "reportingDateTo")
    if last is not None:
        snapshot.days.append(last)
    if first is None or last is None:
        snapshot.skip(f"{_NO_DAYS} ({block.key})")
        return None
    return first, last


def _end(block: Block, key: str) -> date | None:
    covered = block.inner("reportingDateRange")
    return None if covered is None else day(covered.get(key), covered.at(key))


def _side(snapshot: Snapshot, block: Block) -> str | None:
    """On which side of its target the figure must stay; a condition never seen is told and left out."""
    condition = word(block.get("targetCondition"), block.at("targetCondition"))
    if condition is None:
        return None
    side = _SIDES.get(condition.upper().replace(" ", "_"))
    if side is None:
        snapshot.skip(f"target conditions that the kit does not know ({condition})")
    return side


def _take_rating(snapshot: Snapshot, place: str, block: Block | None) -> None:
    """The account health rating: no rate, so its score is a part and its colour the status."""
    days = _days(snapshot, block) if block else None
    if block is None or days is None:
        return
    score = block.count("ahrScore", "accountHealthRatingScore")
    status = word(block.get("accountHealthRatingStatus", "ahrStatus"), block.at("ahrStatus"))
    parts = {} if score is None else {"score": score}
    snapshot.figure(place, Figure("account_health_rating", ALL, *days, parts=parts, status=status))


def _take_warnings(snapshot: Snapshot, place: str, block: Block, key: str, unread: set[str]) -> None:
    """Warnings: a list of objects or of bare words, or one object of named ones."""
    value = block.cells[key]
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        where = f"{block.at(key)}[{number}]"
        if isinstance(one, dict) and "warningType" not in one:
            for name, inner in one.items():
                _take_other(snapshot, place, name, inner, f"{where}.{name}", unread)
            continue
        kind, state = (one.get("warningType"), one.get("status")) if isinstance(one, dict) else (one, None)
        if kind is None:
            continue
        if not isinstance(kind, str):
            refuse(where, kind, "where a warning belongs")
        snapshot.state(place, WARNING, name_of(kind), word(state, f"{where}.status"))


def _take_other(snapshot: Snapshot, place: str, key: str, value: Any, where: str, unread: set[str]) -> None:
    """A block of any name: a count of violations or of warnings, or more such blocks inside."""
    for one in value if isinstance(value, list) else [value]:
        block = Block(one, where) if isinstance(one, dict) else None
        if block and "defectsCount" in block.cells:
            _take_violations(snapshot, place, key, block)
        elif block and "warningsCount" in block.cells:
            many = block.count("warningsCount")
            snapshot.state(place, WARNING, name_of(key), word(block.get("status"), block.at("status")), many)
        elif block and any(isinstance(inner, dict | list) for inner in block.cells.values()) and "rate" not in one:
            for name, inner in block.cells.items():
                _take_other(snapshot, place, name, inner, f"{where}.{name}", unread)
        elif one not in (None, {}):
            unread.add(name_of(key))


def _take_violations(snapshot: Snapshot, place: str, key: str, block: Block) -> None:
    """How many violations of a category are open, as of the day of the report."""
    first, last = _end(block, "reportingDateFrom"), _end(block, "reportingDateTo")
    if last is not None:
        snapshot.days.append(last)
    many = block.count("defectsCount")
    if many is None:
        snapshot.skip("violation counts that the file leaves empty")
        return
    category = _CATEGORIES.get(name_of(key), name_of(key))
    snapshot.violation(place, category, many)
    if first and last and first > last:
        snapshot.notes.append(f"{place} {category}: its days run backwards, from {first} to {last}.")
    status, target = word(block.get("status"), block.at("status")), block.count("targetValue")
    if status is not None and status not in STATUS_WORDS:
        snapshot.unknown_word(f"{place} {category}", status, f"{many:,} open")
    if _side(snapshot, block) == "exactly" and status == ("bad" if many == target else "good") and target is not None:
        snapshot.notes.append(f"{place} {category}: is called {status} with {many:,} open, where {target:,} may be.")


def loaded(content: bytes, name: str) -> dict[str, Any]:
    """The object that the file holds, its numbers exact; raises ReaderError for anything else."""
    refuse_large(content, name)
    report = parsed(content, name, "performance report")
    if not isinstance(report, dict):
        raise ReaderError(f"{name}: holds a {type(report).__name__} where one object belongs. {AGAIN}")
    return report


def parsed(content: bytes, name: str, title: str) -> Any:
    """What the JSON of a file holds, its numbers exact; raises ReaderError for what is none, or nests too deep."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaderError(f"{name}: byte {error.start + 1:,} is no UTF-8, as all JSON is. {AGAIN}") from error
    try:
        report = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant, object_pairs_hook=_once
        )
    except json.JSONDecodeError as error:
        raise ReaderError(f"{name}: row {error.lineno:,}: {_broken(text, error)} {AGAIN}") from error
    except RecursionError as error:
        raise ReaderError(_too_deep(name, title)) from error
    except (ArithmeticError, ValueError) as error:
        raise ReaderError(f"{name}: {error}. {AGAIN}") from error
    _refuse_deep(report, name, title)
    return report


def _broken(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "the JSON breaks off: the file is half-written."
    return f"no JSON from column {error.colno:,} on ({error.msg})."


def _no_constant(constant: str) -> Any:
    raise ValueError(f"holds {constant}, which is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which no key stands twice: of two values nobody knows which one is meant."""
    cells = dict(pairs)
    if len(cells) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has a key that {seen(twice)} twice in one object")
    return cells


def _refuse_deep(report: Any, name: str, title: str) -> None:
    level = _inside([report])
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise ReaderError(_too_deep(name, title))


def _inside(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [one for one in inner if isinstance(one, dict | list)]


def _too_deep(name: str, title: str) -> str:
    return f"{name}: nests its brackets deeper than {DEEPEST} levels, so it is no {title}. {AGAIN}"
