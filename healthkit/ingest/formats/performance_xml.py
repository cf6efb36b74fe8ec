"""Parser of the seller performance report, version 1 (XML): rates over several time frames, contacts and returns.

Rates are percentages. The report names no marketplace and does not divide orders by channel. It does not say which time
frame the marks of its check list judge, so they are stored beside the figures. Document types and entities are refused,
for Amazon writes none and entities can expand a small file without limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from xml.parsers import expat

from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError
from healthkit.ingest.parsing.reported_figures import (
    ALL_CHANNELS,
    CHECKLIST,
    ReportedFigure,
    ReportedFigures,
    RoundedShare,
    parse_count,
    parse_number,
    parse_share,
    parse_status_word,
    parse_timestamp_day,
    refuse_large_file,
    to_snake_case,
)

KIND = DocumentKind("performance_xml", "seller performance report (XML)", "<", ("sellerPerformanceReport",))
MAX_DEPTH = 20
"""Largest nesting depth of elements; Amazon's reports have six levels."""
MAX_ELEMENTS = 50_000
"""Largest number of elements in a report."""

_ROOT, _REPORT = "sellerPerformanceReports", "sellerPerformanceReport"
_NO_DAYS = "figures without the days that they cover"
_NO_SIGN = "rates without a percent sign, which may be shares or percents"


@dataclass(frozen=True)
class RateElement:
    """Names of the XML elements that state one rate in a time frame.

    `good_part` names the numerator if it counts good orders.
    """

    metric: str
    element: str
    channel: str
    counted: str = ""
    good_part: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


_DEFECTS = {"negative_feedback": "negativeFeedbacks", "a_to_z_claim": "a_z_claims", "chargeback": "chargebacks"}
_BLOCKS: dict[str, tuple[str, tuple[RateElement, ...]]] = {
    "orderDefects": (
        "orderDefectMetrics",
        (RateElement("order_defect_rate", "orderWithDefects", ALL_CHANNELS, "orderCount", parts=_DEFECTS),),
    ),
    "customerExperience": (
        "customerExperienceMetrics",
        (
            RateElement("late_shipment_rate", "lateShipment", "seller", "orderCount"),
            RateElement("cancellation_rate", "preFulfillmentCancellation", "seller", "orderCount"),
            RateElement("refund_rate", "refunds", ALL_CHANNELS, "orderCount"),
        ),
    ),
    "trackingInformation": (
        "trackingMetrics",
        (
            RateElement("valid_tracking_rate", "validTracking", "seller", good_part="valid_tracking"),
            RateElement("on_time_delivery_rate", "onTimeDelivery", "seller", good_part="on_time"),
        ),
    ),
    "returnDissatisfaction": (
        "returnDissatisfactionMetrics",
        (RateElement("return_dissatisfaction_rate", "returnDissatisfaction", "seller"),),
    ),
}
_CONTACTS = "buyerSellerContactResponseTimeMetrics"
_ANSWERS = {
    "answered_within_24_hours": "responseUnder24Hours",
    "answered_late": "responseTimeGreaterThan24Hours",
    "unanswered": "noResponseForContactsOlderThan24Hours",
}
_CHECKLIST_METRICS = {
    "orderDefectRate": "order_defect_rate",
    "orderCancellationRate": "cancellation_rate",
    "lateShipmentRate": "late_shipment_rate",
    "onTimeDelivery": "on_time_delivery_rate",
    "validTrackingRate": "valid_tracking_rate",
    "contactResponseTime": "late_response_rate",
    "returnDissatisfactionRate": "return_dissatisfaction_rate",
    "customerServiceDissatisfactionRate": "customer_service_dissatisfaction_rate",
    "policyViolation": "policy_violations",
}


@dataclass
class XmlElement:
    """One element of an XML file; its attributes are stored as child elements."""

    name: str
    location: str
    children: list[XmlElement] = field(default_factory=list)
    text: str = ""

    def find_all(self, name: str) -> list[XmlElement]:
        """Return the child elements with the given name."""
        return [one for one in self.children if one.name == name]

    def find(self, name: str) -> XmlElement | None:
        """Return the first child element with the given name, or None if there is none."""
        return next(iter(self.find_all(name)), None)

    def find_text(self, name: str) -> str | None:
        """Return the text of the first child element with a name, or None if it is missing or empty."""
        one = self.find(name)
        return one.text.strip() or None if one else None

    def count(self, name: str) -> int | None:
        """Return the whole number in the first child element with a name, or None if it is missing or empty."""
        return parse_count(self.find_text(name), f"{self.location}/{name}")


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Parse a seller performance report (XML) into the tables READINGS and ACCOUNT_STATES."""
    reported = ReportedFigures(context)
    unread: set[str] = set()
    for report in _find_reports(parse_xml(content, context.name), context.name):
        identifier = report.find_text("marketplaceId")
        if reported.skips_unknown_store(identifier):
            continue
        _read_report(reported, reported.resolve_marketplace(identifier), report)
        known = {*_BLOCKS, _CONTACTS, "performanceChecklist", "marketplaceId"}
        unread |= {to_snake_case(one.name) for one in report.children if one.name not in known}
    if unread:
        reported.notes.append(f"Not read, as the kit does not know it: {', '.join(sorted(unread)[:12])}.")
    return reported.to_contents()


def _find_reports(root: XmlElement, name: str) -> list[XmlElement]:
    if root.name == _REPORT:
        return [root]
    if root.name != _ROOT:
        raise ReaderError(f"{name}: its root is <{root.name[:40]}> where <{_ROOT}> belongs. {HINT_DOWNLOAD_AGAIN}")
    return root.find_all(_REPORT)


def _read_report(reported: ReportedFigures, marketplace: str, report: XmlElement) -> None:
    """Read all figures of one report."""
    for checklist in report.find_all("performanceChecklist"):
        for mark in checklist.children:
            status = parse_status_word(mark.find_text("status"), f"{mark.location}/status")
            if status is not None:
                reported.set_state(
                    marketplace, CHECKLIST, _CHECKLIST_METRICS.get(mark.name, to_snake_case(mark.name)), status
                )
    for block, (item, rates) in _BLOCKS.items():
        for frame, days in _find_time_frames(reported, report, block, item):
            for rate in rates:
                _read_rate(reported, marketplace, rate, frame, days)
    for frame, days in _find_time_frames(reported, report, _CONTACTS, "responseTimeMetrics"):
        _read_contacts(reported, marketplace, frame, days)


def _find_time_frames(
    reported: ReportedFigures, report: XmlElement, block: str, item: str
) -> Iterator[tuple[XmlElement, tuple[date, date]]]:
    """Yield the time frames of a block with the days they cover; skip those without days."""
    for frame in (one for element in report.find_all(block) for one in element.find_all(item)):
        first, last = _read_frame_day(frame, "start"), _read_frame_day(frame, "end")
        if last is not None:
            reported.days.append(last)
        if first is None or last is None:
            reported.count_skipped(f"{_NO_DAYS} ({item})")
        else:
            yield frame, (first, last)


def _read_frame_day(frame: XmlElement, end: str) -> date | None:
    covered = frame.find("timeFrame")
    return None if covered is None else parse_timestamp_day(covered.find_text(end), f"{covered.location}/{end}")


def _read_rate(
    reported: ReportedFigures, marketplace: str, rate: RateElement, frame: XmlElement, days: tuple[date, date]
) -> None:
    """Read one figure as given; a missing figure is not zero."""
    element = frame.find(rate.element)
    if element is None:
        return
    parts = {name: one.count("count") for name, key in rate.parts.items() for one in frame.find_all(key)[:1]}
    numerator = element.count("count")
    if rate.good_part:
        parts[rate.good_part] = numerator
    figure = ReportedFigure(
        rate.metric, rate.channel, *days, frame.count(rate.counted) if rate.counted else None, numerator,
        bool(rate.good_part),
        {name: count for name, count in parts.items() if count is not None}, _read_percent(reported, element),
    )  # fmt: skip
    reported.add_figure(marketplace, figure)


def _read_percent(reported: ReportedFigures, element: XmlElement) -> RoundedShare | None:
    """Return the rate of an element; skip a rate without percent sign unless it is zero."""
    text, where = element.find_text("rate"), f"{element.location}/rate"
    if text is not None and not text.endswith("%") and parse_number(text, where):
        reported.count_skipped(_NO_SIGN)
        return None
    return parse_share(text, where)


def _read_contacts(reported: ReportedFigures, marketplace: str, frame: XmlElement, days: tuple[date, date]) -> None:
    """Read buyer contacts: answers after a day, and contacts older than a day without an answer, are late."""
    parts: dict[str, float] = {name: count for name, key in _ANSWERS.items() if (count := frame.count(key)) is not None}
    whole = len(parts) == len(_ANSWERS)
    counted = int(sum(parts.values())) if whole else None
    late = int(parts["answered_late"] + parts["unanswered"]) if whole else None
    hours = parse_number(frame.find_text("averageResponseTimeInHours"), f"{frame.location}/averageResponseTimeInHours")
    if hours is not None:
        parts["average_hours"] = float(hours)
    reported.add_figure(
        marketplace, ReportedFigure("late_response_rate", ALL_CHANNELS, *days, counted, late, parts=parts)
    )


def parse_xml(content: bytes, name: str) -> XmlElement:
    """Parse the bytes of an XML file and return its root element.

    Raise ReaderError for invalid or very large XML.
    """
    refuse_large_file(content, name)
    builder = _TreeBuilder(name)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    parser.EntityDeclHandler = builder.refuse_doctype
    parser.StartElementHandler = builder.open
    parser.EndElementHandler = builder.close
    parser.CharacterDataHandler = builder.write
    try:
        parser.Parse(content, True)
    except ReaderError:
        raise
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ReaderError(
            f"{name}: row {error.lineno:,}: no whole XML from here on ({reason}). {HINT_DOWNLOAD_AGAIN}"
        ) from error
    except (LookupError, ValueError) as error:
        raise ReaderError(f"{name}: is in an encoding that XML is not written in. {HINT_DOWNLOAD_AGAIN}") from error
    return builder.top.children[0]


class _TreeBuilder:
    """Handlers for the events of the XML parser that build the tree of elements."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.top = XmlElement("", f"{name}: ")
        self.open_elements = [self.top]
        self.elements = 0

    def refuse_doctype(self, *_: Any) -> None:
        raise ReaderError(
            f"{self.name}: declares a document type or entities, which no report of Amazon does and which may do harm. "
            f"{HINT_DOWNLOAD_AGAIN}"
        )

    def open(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if len(self.open_elements) > MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise ReaderError(
                f"{self.name}: nests deeper than {MAX_DEPTH} elements or has more than {MAX_ELEMENTS:,}, so it is no "
                f"performance report. {HINT_DOWNLOAD_AGAIN}"
            )
        parent = self.open_elements[-1]
        bare = name.rpartition(" ")[2]
        one = XmlElement(bare, f"{parent.location}{'/' if len(self.open_elements) > 1 else ''}{bare}")
        one.children += [
            XmlElement(key.rpartition(" ")[2], f"{one.location}/{key}", text=text) for key, text in attributes.items()
        ]
        parent.children.append(one)
        self.open_elements.append(one)

    def close(self, _: str) -> None:
        self.open_elements.pop()

    def write(self, text: str) -> None:
        self.open_elements[-1].text += text
