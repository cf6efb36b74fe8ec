"""Parser of the seller performance report, version 2 (JSON): Amazon's own figures on an account by marketplace.

Amazon's schema, its example and real files differ in keys and leave blocks out. So every block may be missing, and any
object with a count of defects is read as a count of policy violations. The time windows are Amazon's own; a history
needs the files of many days. Days are used as written; Amazon's days are UTC days.
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
"""Largest nesting depth of objects and lists; Amazon's reports have six levels."""

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
    """JSON keys under which a block of the report has the figures of one metric.

    `good_part` names the numerator if it counts good orders.
    """

    metric: str
    counted: str
    numerator: str
    good_part: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


_CANCELLATION = RateKeys("cancellation_rate", "orderCount", "cancellationCount")
_RATES = {
    "lateShipmentRate": RateKeys("late_shipment_rate", "orderCount", "lateShipmentCount"),
    "preFulfillmentCancellationRate": _CANCELLATION,
    "prefulfillmentCancelRate": _CANCELLATION,
    "onTimeDeliveryRate": RateKeys(
        "on_time_delivery_rate", "shipmentCountWithValidTracking", "onTimeDeliveryCount", good_part="on_time"
    ),
    "unitOnTimeDeliveryRate": RateKeys(
        "unit_on_time_delivery_rate", "totalUnitCount", "unitOnTimeDeliveryCount", good_part="on_time"
    ),
    "validTrackingRate": RateKeys(
        "valid_tracking_rate", "shipmentCount", "validTrackingCount", good_part="valid_tracking"
    ),
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
    """One object of a JSON file, with its location in the file for messages."""

    fields: Mapping[str, Any]
    location: str

    def first_value(self, *keys: str) -> Any:
        """Return the value of the first of the given keys that has one, or None if no key has a value."""
        return next((self.fields[key] for key in keys if self.fields.get(key) is not None), None)

    def path_of(self, key: str) -> str:
        """Return the location of the value under a key, for messages."""
        return f"{self.location}.{key}"

    @property
    def key(self) -> str:
        """Keys that lead from the block of a marketplace to this object, joined by dots.

        >>> JsonObject({}, "acme/a.json: report.performanceMetrics[0].orderDefectRate[0].mfn[0]").key
        'orderDefectRate.mfn'
        """
        return re.sub(r"\[\d+\]", "", re.sub(r"^.*\.performanceMetrics\[\d+\]\.", "", self.location))

    def count(self, *keys: str) -> int | None:
        """Return the count under the first of the given keys that has a value.

        The value is a number, or an object with the number under `count`.
        """
        value = self.first_value(*keys)
        return parse_count(value.get("count") if isinstance(value, dict) else value, self.path_of(keys[0]))

    def child_object(self, key: str) -> JsonObject | None:
        """Return the object under a key, or None if the key has no value."""
        value = self.fields.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            refuse_value(self.path_of(key), value, "where an object belongs")
        return JsonObject(value, self.path_of(key))

    def iterate_objects(self, key: str) -> Iterator[JsonObject]:
        """Yield the objects in the list under a key; a single object is treated as a list of one."""
        value = self.fields.get(key)
        for position, one in enumerate([] if value is None else value if isinstance(value, list) else [value]):
            if not isinstance(one, dict):
                refuse_value(f"{self.path_of(key)}[{position}]", one, "where an object belongs")
            yield JsonObject(one, f"{self.path_of(key)}[{position}]")


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Parse a seller performance report (JSON) into the tables READINGS, VIOLATIONS and ACCOUNT_STATES."""
    report = JsonObject(load_report(content, context.name), f"{context.name}: report")
    reported = ReportedFigures(context)
    if not {"accountStatuses", "performanceMetrics"} & report.fields.keys():
        raise ReaderError(
            f"{context.name}: its object holds neither accountStatuses nor performanceMetrics. {HINT_DOWNLOAD_AGAIN}"
        )
    statuses = list(report.iterate_objects("accountStatuses"))
    for status in statuses:
        state = parse_status_word(status.first_value("status"), status.path_of("status"))
        if state is not None and not reported.skips_unknown_store(_marketplace_id(status)):
            marketplace = reported.resolve_marketplace(_marketplace_id(status))
            reported.set_state(marketplace, ACCOUNT, "account_status", _STATES.get(state, state))
    stated = {_marketplace_id(status) for status in statuses}
    only_id = stated.pop() if len(stated) == 1 else None
    unread: set[str] = set()
    for block in report.iterate_objects("performanceMetrics"):
        identifier = _marketplace_id(block) or only_id
        if not reported.skips_unknown_store(identifier):
            _read_marketplace_block(reported, reported.resolve_marketplace(identifier), block, unread)
    if unread:
        reported.notes.append(f"Not read, as the kit does not know it: {', '.join(sorted(unread)[:12])}.")
    return reported.to_contents(_stated_day(report))


def _stated_day(report: JsonObject) -> date | None:
    """Return the day of the report if the file states it; None if not."""
    return next(
        filter(None, (parse_timestamp_day(report.first_value(key), report.path_of(key)) for key in _STATED_DAYS)), None
    )


def _marketplace_id(block: JsonObject) -> str | None:
    value = block.first_value("marketplaceId")
    if value is not None and not isinstance(value, str):
        refuse_value(block.path_of("marketplaceId"), value, "where a marketplace id belongs")
    return value


def _read_marketplace_block(reported: ReportedFigures, marketplace: str, block: JsonObject, unread: set[str]) -> None:
    """Read all figures of one marketplace; lists of further windows come after the windows themselves."""
    for key in sorted(block.fields, key=lambda key: key.endswith("List")):
        rate = _RATES.get(key.removesuffix("List"))
        if rate is not None:
            for one in block.iterate_objects(key):
                _read_rate(reported, marketplace, "seller", rate, one)
        elif key.removesuffix("List") == "orderDefectRate":
            _read_defect_rate(reported, marketplace, block, key)
        elif key == "accountHealthRating":
            _read_health_rating(reported, marketplace, block.child_object(key))
        elif key in ("warningState", "warningStates"):
            _read_warnings(reported, marketplace, block, key, unread)
        elif key != "marketplaceId":
            _read_other_block(reported, marketplace, key, block.fields[key], block.path_of(key), unread)


def _read_defect_rate(reported: ReportedFigures, marketplace: str, block: JsonObject, key: str) -> None:
    for both in block.iterate_objects(key):
        for raw, channel in _CHANNELS.items():
            for one in both.iterate_objects(raw):
                _read_rate(reported, marketplace, channel, _DEFECTS, one)


def _read_rate(reported: ReportedFigures, marketplace: str, channel: str, rate: RateKeys, block: JsonObject) -> None:
    """Read one figure as given."""
    days = _read_covered_days(reported, block)
    if days is None:
        return
    parts = {name: block.count(key) for name, key in rate.parts.items()}
    numerator = block.count(rate.numerator)
    if rate.good_part:
        parts[rate.good_part] = numerator
    figure = ReportedFigure(
        rate.metric, channel, *days, block.count(rate.counted), numerator, bool(rate.good_part),
        {name: count for name, count in parts.items() if count is not None},
        parse_share(block.first_value("rate"), block.path_of("rate")),
        parse_share(block.first_value("targetValue"), block.path_of("targetValue")),
        _read_target_side(reported, block),
        parse_status_word(block.first_value("status"), block.path_of("status")),
    )  # fmt: skip
    reported.add_figure(marketplace, figure)


def _read_covered_days(reported: ReportedFigures, block: JsonObject) -> tuple[date, date] | None:
    """Return the days that a figure covers; they also show how new the file is."""
    first, last = _read_range_day(block, "reportingDateFrom"), _read_range_day(block, "reportingDateTo")
    if last is not None:
        reported.days.append(last)
    if first is None or last is None:
        reported.count_skipped(f"{_NO_DAYS} ({block.key})")
        return None
    return first, last


def _read_range_day(block: JsonObject, key: str) -> date | None:
    covered = block.child_object("reportingDateRange")
    return None if covered is None else parse_timestamp_day(covered.first_value(key), covered.path_of(key))


def _read_target_side(reported: ReportedFigures, block: JsonObject) -> str | None:
    """Return on which side of its target a figure must stay; skip unknown conditions."""
    condition = parse_status_word(block.first_value("targetCondition"), block.path_of("targetCondition"))
    if condition is None:
        return None
    side = _SIDES.get(condition.upper().replace(" ", "_"))
    if side is None:
        reported.count_skipped(f"target conditions that the kit does not know ({condition})")
    return side


def _read_health_rating(reported: ReportedFigures, marketplace: str, block: JsonObject | None) -> None:
    """Read the Account Health Rating: its score is a part of the figure, its colour the status."""
    days = _read_covered_days(reported, block) if block else None
    if block is None or days is None:
        return
    score = block.count("ahrScore", "accountHealthRatingScore")
    status = parse_status_word(block.first_value("accountHealthRatingStatus", "ahrStatus"), block.path_of("ahrStatus"))
    parts = {} if score is None else {"score": score}
    reported.add_figure(
        marketplace, ReportedFigure("account_health_rating", ALL_CHANNELS, *days, parts=parts, status=status)
    )


def _read_warnings(reported: ReportedFigures, marketplace: str, block: JsonObject, key: str, unread: set[str]) -> None:
    """Read warnings: a list of objects or words, or one object by name."""
    value = block.fields[key]
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        where = f"{block.path_of(key)}[{number}]"
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
    """Read a block of any name: a count of violations or warnings, or more such blocks."""
    for one in value if isinstance(value, list) else [value]:
        block = JsonObject(one, where) if isinstance(one, dict) else None
        if block and "defectsCount" in block.fields:
            _read_violations(reported, marketplace, key, block)
        elif block and "warningsCount" in block.fields:
            count = block.count("warningsCount")
            reported.set_state(
                marketplace,
                WARNING,
                to_snake_case(key),
                parse_status_word(block.first_value("status"), block.path_of("status")),
                count,
            )
        elif block and any(isinstance(inner, dict | list) for inner in block.fields.values()) and "rate" not in one:
            for name, inner in block.fields.items():
                _read_other_block(reported, marketplace, name, inner, f"{where}.{name}", unread)
        elif one not in (None, {}):
            unread.add(to_snake_case(key))


def _read_violations(reported: ReportedFigures, marketplace: str, key: str, block: JsonObject) -> None:
    """Read how many violations of a category are open on the day of the report."""
    first, last = _read_range_day(block, "reportingDateFrom"), _read_range_day(block, "reportingDateTo")
    if last is not None:
        reported.days.append(last)
    count = block.count("defectsCount")
    if count is None:
        reported.count_skipped("violation counts that the file leaves empty")
        return
    category = _CATEGORIES.get(to_snake_case(key), to_snake_case(key))
    reported.add_violation(marketplace, category, count)
    if first and last and first > last:
        reported.notes.append(f"{marketplace} {category}: its days run backwards, from {first} to {last}.")
    status, target = parse_status_word(block.first_value("status"), block.path_of("status")), block.count("targetValue")
    if status is not None and status not in STATUS_WORDS:
        reported.note_unknown_word(f"{marketplace} {category}", status, f"{count:,} open")
    if (
        _read_target_side(reported, block) == "exactly"
        and status == ("bad" if count == target else "good")
        and target is not None
    ):
        reported.notes.append(
            f"{marketplace} {category}: is called {status} with {count:,} open, where {target:,} may be."
        )


def load_report(content: bytes, name: str) -> dict[str, Any]:
    """Parse the bytes of a performance report and return its JSON object with exact numbers.

    Raise ReaderError for other content.
    """
    refuse_large_file(content, name)
    report = parse_json(content, name, "performance report")
    if not isinstance(report, dict):
        raise ReaderError(f"{name}: holds a {type(report).__name__} where one object belongs. {HINT_DOWNLOAD_AGAIN}")
    return report


def parse_json(content: bytes, name: str, title: str) -> Any:
    """Parse the bytes of a JSON file and return its content with exact numbers.

    Raise ReaderError for invalid or deeply nested JSON.
    """
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
    """Return an object from its pairs; refuse duplicate keys."""
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
