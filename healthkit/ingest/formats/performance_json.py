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

from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError
from healthkit.ingest.parsing.reported_figures import (
    ACCOUNT,
    ALL_CHANNELS,
    WARNING,
    ReportedFigure,
    ReportedFigures,
    parse_count,
    parse_share,
    parse_status_word,
    parse_timestamp_day,
    redact_any_value,
    refuse_large_file,
    refuse_value,
    to_snake_case,
)
from healthkit.schema.tables import STATUS_WORDS

KIND = DocumentKind(
    "performance_json", "seller performance report (JSON)", "{[", ('"accountStatuses"', '"performanceMetrics"')
)
MAX_DEPTH = 20
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
class RateKeys:
    """Where one metric stands in a block: how many counted, how many went wrong or `well`, and the parts of it."""

    metric: str
    counted: str
    numerator: str
    well: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


_CANCELLATION = RateKeys("cancellation_rate", "orderCount", "cancellationCount")
_RATES = {
    "lateShipmentRate": RateKeys("late_shipment_rate", "orderCount", "lateShipmentCount"),
    "preFulfillmentCancellationRate": _CANCELLATION,
    "prefulfillmentCancelRate": _CANCELLATION,
    "onTimeDeliveryRate": RateKeys(
        "on_time_delivery_rate", "shipmentCountWithValidTracking", "onTimeDeliveryCount", well="on_time"
    ),
    "unitOnTimeDeliveryRate": RateKeys(
        "unit_on_time_delivery_rate", "totalUnitCount", "unitOnTimeDeliveryCount", well="on_time"
    ),
    "validTrackingRate": RateKeys("valid_tracking_rate", "shipmentCount", "validTrackingCount", well="valid_tracking"),
    "invoiceDefectRate": RateKeys(
        "invoice_defect_rate", "orderCount", "invoiceDefect",
        parts={"missing_invoice": "missingInvoice", "late_invoice": "lateInvoice"},
    ),
}  # fmt: skip
_DEFECTS = RateKeys(
    "order_defect_rate", "orderCount", "orderWithDefects",
    parts={"negative_feedback": "negativeFeedback", "a_to_z_claim": "claims", "chargeback": "chargebacks"},
)  # fmt: skip
# The channel is the key that a block stands under: Amazon's example says "mfn" inside both.
_CHANNELS = {"mfn": "seller", "afn": "amazon"}


@dataclass(frozen=True)
class JsonObject:
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

        >>> JsonObject({}, "acme/a.json: report.performanceMetrics[0].orderDefectRate[0].mfn[0]").key
        'orderDefectRate.mfn'
        """
        return re.sub(r"\[\d+\]", "", re.sub(r"^.*\.performanceMetrics\[\d+\]\.", "", self.where))

    def count(self, *keys: str) -> int | None:
        """A count, given as a number or as an object with a `count`."""
        value = self.get(*keys)
        return parse_count(value.get("count") if isinstance(value, dict) else value, self.at(keys[0]))

    def child_object(self, key: str) -> JsonObject | None:
        """The object under a key; None where there is none."""
        value = self.cells.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            refuse_value(self.at(key), value, "where an object belongs")
        return JsonObject(value, self.at(key))

    def each(self, key: str) -> Iterator[JsonObject]:
        """The objects of a list under a key; one object alone is a list of one."""
        value = self.cells.get(key)
        for place, one in enumerate([] if value is None else value if isinstance(value, list) else [value]):
            if not isinstance(one, dict):
                refuse_value(f"{self.at(key)}[{place}]", one, "where an object belongs")
            yield JsonObject(one, f"{self.at(key)}[{place}]")


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Read the file into READINGS, VIOLATIONS and ACCOUNT_STATES."""
    report = JsonObject(load_report(content, context.name), f"{context.name}: report")
    snapshot = ReportedFigures(context)
    if not {"accountStatuses", "performanceMetrics"} & report.cells.keys():
        raise ReaderError(
            f"{context.name}: its object holds neither accountStatuses nor performanceMetrics. {HINT_DOWNLOAD_AGAIN}"
        )
    statuses = list(report.each("accountStatuses"))
    for status in statuses:
        state = parse_status_word(status.get("status"), status.at("status"))
        if state is not None:
            place = snapshot.resolve_marketplace(_marketplace_id(status))
            snapshot.set_state(place, ACCOUNT, "account_status", _STATES.get(state, state))
    named = {_marketplace_id(status) for status in statuses}
    alone = named.pop() if len(named) == 1 else None
    unread: set[str] = set()
    for block in report.each("performanceMetrics"):
        _read_marketplace_block(snapshot, snapshot.resolve_marketplace(_marketplace_id(block) or alone), block, unread)
    if unread:
        snapshot.notes.append(f"Not read, as the kit does not know it: {', '.join(sorted(unread)[:12])}.")
    return snapshot.to_contents(_stated_day(report))


def _stated_day(report: JsonObject) -> date | None:
    """The day of the report itself, where somebody kept it with the figures."""
    return next(filter(None, (parse_timestamp_day(report.get(key), report.at(key)) for key in _STATED_DAYS)), None)


def _marketplace_id(block: JsonObject) -> str | None:
    value = block.get("marketplaceId")
    if value is not None and not isinstance(value, str):
        refuse_value(block.at("marketplaceId"), value, "where a marketplace id belongs")
    return value


def _read_marketplace_block(reported: ReportedFigures, marketplace: str, block: JsonObject, unread: set[str]) -> None:
    """All that one marketplace's block says; the lists of further windows after the windows themselves."""
    for key in sorted(block.cells, key=lambda key: key.endswith("List")):
        rate = _RATES.get(key.removesuffix("List"))
        if rate is not None:
            for one in block.each(key):
                _read_rate(reported, marketplace, "seller", rate, one)
        elif key.removesuffix("List") == "orderDefectRate":
            _read_defect_rate(reported, marketplace, block, key)
        elif key == "accountHealthRating":
            _read_health_rating(reported, marketplace, block.child_object(key))
        elif key in ("warningState", "warningStates"):
            _read_warnings(reported, marketplace, block, key, unread)
        elif key != "marketplaceId":
            _read_other_block(reported, marketplace, key, block.cells[key], block.at(key), unread)


def _read_defect_rate(reported: ReportedFigures, marketplace: str, block: JsonObject, key: str) -> None:
    for both in block.each(key):
        for raw, channel in _CHANNELS.items():
            for one in both.each(raw):
                _read_rate(reported, marketplace, channel, _DEFECTS, one)


def _read_rate(reported: ReportedFigures, marketplace: str, channel: str, rate: RateKeys, block: JsonObject) -> None:
    """One figure, as given."""
    days = _read_covered_days(reported, block)
    if days is None:
        return
    parts = {name: block.count(key) for name, key in rate.parts.items()}
    some = block.count(rate.numerator)
    if rate.well:
        parts[rate.well] = some
    figure = ReportedFigure(
        rate.metric, channel, *days, block.count(rate.counted), some, bool(rate.well),
        {name: many for name, many in parts.items() if many is not None},
        parse_share(block.get("rate"), block.at("rate")),
        parse_share(block.get("targetValue"), block.at("targetValue")),
        _read_target_side(reported, block),
        parse_status_word(block.get("status"), block.at("status")),
    )  # fmt: skip
    reported.add_figure(marketplace, figure)


def _read_covered_days(reported: ReportedFigures, block: JsonObject) -> tuple[date, date] | None:
    """The days that a figure covers, which also tell how new the file is."""
    first, last = _read_range_day(block, "reportingDateFrom"), _read_range_day(block, "reportingDateTo")
    if last is not None:
        reported.days.append(last)
    if first is None or last is None:
        reported.count_skipped(f"{_NO_DAYS} ({block.key})")
        return None
    return first, last


def _read_range_day(block: JsonObject, key: str) -> date | None:
    covered = block.child_object("reportingDateRange")
    return None if covered is None else parse_timestamp_day(covered.get(key), covered.at(key))


def _read_target_side(reported: ReportedFigures, block: JsonObject) -> str | None:
    """On which side of its target the figure must stay; a condition never seen is told and left out."""
    condition = parse_status_word(block.get("targetCondition"), block.at("targetCondition"))
    if condition is None:
        return None
    side = _SIDES.get(condition.upper().replace(" ", "_"))
    if side is None:
        reported.count_skipped(f"target conditions that the kit does not know ({condition})")
    return side


def _read_health_rating(reported: ReportedFigures, marketplace: str, block: JsonObject | None) -> None:
    """The account health rating: no rate, so its score is a part and its colour the status."""
    days = _read_covered_days(reported, block) if block else None
    if block is None or days is None:
        return
    score = block.count("ahrScore", "accountHealthRatingScore")
    status = parse_status_word(block.get("accountHealthRatingStatus", "ahrStatus"), block.at("ahrStatus"))
    parts = {} if score is None else {"score": score}
    reported.add_figure(
        marketplace, ReportedFigure("account_health_rating", ALL_CHANNELS, *days, parts=parts, status=status)
    )


def _read_warnings(reported: ReportedFigures, marketplace: str, block: JsonObject, key: str, unread: set[str]) -> None:
    """Warnings: a list of objects or of bare words, or one object of named ones."""
    value = block.cells[key]
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        where = f"{block.at(key)}[{number}]"
        if isinstance(one, dict) and "warningType" not in one:
            for name, inner in one.items():
                _read_other_block(reported, marketplace, name, inner, f"{where}.{name}", unread)
            continue
        kind, state = (one.get("warningType"), one.get("status")) if isinstance(one, dict) else (one, None)
        if kind is None:
            continue
        if not isinstance(kind, str):
            refuse_value(where, kind, "where a warning belongs")
        reported.set_state(marketplace, WARNING, to_snake_case(kind), parse_status_word(state, f"{where}.status"))


def _read_other_block(
    reported: ReportedFigures, marketplace: str, key: str, value: Any, where: str, unread: set[str]
) -> None:
    """A block of any name: a count of violations or of warnings, or more such blocks inside."""
    for one in value if isinstance(value, list) else [value]:
        block = JsonObject(one, where) if isinstance(one, dict) else None
        if block and "defectsCount" in block.cells:
            _read_violations(reported, marketplace, key, block)
        elif block and "warningsCount" in block.cells:
            many = block.count("warningsCount")
            reported.set_state(
                marketplace,
                WARNING,
                to_snake_case(key),
                parse_status_word(block.get("status"), block.at("status")),
                many,
            )
        elif block and any(isinstance(inner, dict | list) for inner in block.cells.values()) and "rate" not in one:
            for name, inner in block.cells.items():
                _read_other_block(reported, marketplace, name, inner, f"{where}.{name}", unread)
        elif one not in (None, {}):
            unread.add(to_snake_case(key))


def _read_violations(reported: ReportedFigures, marketplace: str, key: str, block: JsonObject) -> None:
    """How many violations of a category are open, as of the day of the report."""
    first, last = _read_range_day(block, "reportingDateFrom"), _read_range_day(block, "reportingDateTo")
    if last is not None:
        reported.days.append(last)
    many = block.count("defectsCount")
    if many is None:
        reported.count_skipped("violation counts that the file leaves empty")
        return
    category = _CATEGORIES.get(to_snake_case(key), to_snake_case(key))
    reported.add_violation(marketplace, category, many)
    if first and last and first > last:
        reported.notes.append(f"{marketplace} {category}: its days run backwards, from {first} to {last}.")
    status, target = parse_status_word(block.get("status"), block.at("status")), block.count("targetValue")
    if status is not None and status not in STATUS_WORDS:
        reported.note_unknown_word(f"{marketplace} {category}", status, f"{many:,} open")
    if (
        _read_target_side(reported, block) == "exactly"
        and status == ("bad" if many == target else "good")
        and target is not None
    ):
        reported.notes.append(
            f"{marketplace} {category}: is called {status} with {many:,} open, where {target:,} may be."
        )


def load_report(content: bytes, name: str) -> dict[str, Any]:
    """The object that the file holds, its numbers exact; raises ReaderError for anything else."""
    refuse_large_file(content, name)
    report = parse_json(content, name, "performance report")
    if not isinstance(report, dict):
        raise ReaderError(f"{name}: holds a {type(report).__name__} where one object belongs. {HINT_DOWNLOAD_AGAIN}")
    return report


def parse_json(content: bytes, name: str, title: str) -> Any:
    """What the JSON of a file holds, its numbers exact; raises ReaderError for what is none, or nests too deep."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaderError(
            f"{name}: byte {error.start + 1:,} is no UTF-8, as all JSON is. {HINT_DOWNLOAD_AGAIN}"
        ) from error
    try:
        report = json.loads(
            text,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_duplicate_keys,
        )
    except json.JSONDecodeError as error:
        raise ReaderError(
            f"{name}: row {error.lineno:,}: {_describe_json_error(text, error)} {HINT_DOWNLOAD_AGAIN}"
        ) from error
    except RecursionError as error:
        raise ReaderError(_depth_message(name, title)) from error
    except (ArithmeticError, ValueError) as error:
        raise ReaderError(f"{name}: {error}. {HINT_DOWNLOAD_AGAIN}") from error
    _refuse_deep(report, name, title)
    return report


def _describe_json_error(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "the JSON breaks off: the file is half-written."
    return f"no JSON from column {error.colno:,} on ({error.msg})."


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"holds {constant}, which is no number")


def _refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which no key stands twice: of two values nobody knows which one is meant."""
    cells = dict(pairs)
    if len(cells) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has a key that {redact_any_value(twice)} twice in one object")
    return cells


def _refuse_deep(report: Any, name: str, title: str) -> None:
    level = _nested_values([report])
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _nested_values(one)]
        if not level:
            return
    raise ReaderError(_depth_message(name, title))


def _nested_values(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [one for one in inner if isinstance(one, dict | list)]


def _depth_message(name: str, title: str) -> str:
    return f"{name}: nests its brackets deeper than {MAX_DEPTH} levels, so it is no {title}. {HINT_DOWNLOAD_AGAIN}"
