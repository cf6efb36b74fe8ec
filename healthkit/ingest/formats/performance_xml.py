"""The seller performance report, version 1 (XML): several time frames of each rate, and the contacts and returns.

Its rates are written in percent. It does not say of which marketplace it is, nor part its orders by channel, and
which time frame a mark of its check list judges is not told either: the marks stand beside the figures.
A document type or an entity is refused at once: Amazon writes none, and entities can blow up a small file.
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
"""So many elements may stand in each other; Amazon needs six."""
MAX_ELEMENTS = 50_000

_ROOT, _REPORT = "sellerPerformanceReports", "sellerPerformanceReport"
_NO_DAYS = "figures without the days that they cover"
_NO_SIGN = "rates without a percent sign, which may be shares or percents"


@dataclass(frozen=True)
class RateElement:
    """One rate of a time frame: its element, and what is known of its counts."""

    metric: str
    element: str
    channel: str
    counted: str = ""
    well: str = ""
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
            RateElement("valid_tracking_rate", "validTracking", "seller", well="valid_tracking"),
            RateElement("on_time_delivery_rate", "onTimeDelivery", "seller", well="on_time"),
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
    """One element of the file; its attributes are read as elements inside it."""

    name: str
    where: str
    inside: list[XmlElement] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list[XmlElement]:
        """The elements of that name inside it: none, one or several."""
        return [one for one in self.inside if one.name == name]

    def first(self, name: str) -> XmlElement | None:
        """The first element of that name inside it, if any."""
        return next(iter(self.all(name)), None)

    def said(self, name: str) -> str | None:
        """The text of the element of that name; None where there is none."""
        one = self.first(name)
        return one.text.strip() or None if one else None

    def count(self, name: str) -> int | None:
        """The whole number in the element of that name."""
        return parse_count(self.said(name), f"{self.where}/{name}")


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Read the file into READINGS and ACCOUNT_STATES."""
    snapshot = ReportedFigures(context)
    unread: set[str] = set()
    for report in _find_reports(parse_xml(content, context.name), context.name):
        _read_report(snapshot, snapshot.resolve_marketplace(report.said("marketplaceId")), report)
        known = {*_BLOCKS, _CONTACTS, "performanceChecklist", "marketplaceId"}
        unread |= {to_snake_case(one.name) for one in report.inside if one.name not in known}
    if unread:
        snapshot.notes.append(f"Not read, as the kit does not know it: {', '.join(sorted(unread)[:12])}.")
    return snapshot.to_contents()


def _find_reports(root: XmlElement, name: str) -> list[XmlElement]:
    if root.name == _REPORT:
        return [root]
    if root.name != _ROOT:
        raise ReaderError(f"{name}: its root is <{root.name[:40]}> where <{_ROOT}> belongs. {HINT_DOWNLOAD_AGAIN}")
    return root.all(_REPORT)


def _read_report(reported: ReportedFigures, marketplace: str, report: XmlElement) -> None:
    """All that one report says, time frames in whatever order."""
    for marks in report.all("performanceChecklist"):
        for mark in marks.inside:
            said = parse_status_word(mark.said("status"), f"{mark.where}/status")
            if said is not None:
                reported.set_state(
                    marketplace, CHECKLIST, _CHECKLIST_METRICS.get(mark.name, to_snake_case(mark.name)), said
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
    """The time frames of a block that say which days they cover."""
    for frame in (one for held in report.all(block) for one in held.all(item)):
        first, last = _read_frame_day(frame, "start"), _read_frame_day(frame, "end")
        if last is not None:
            reported.days.append(last)
        if first is None or last is None:
            reported.count_skipped(f"{_NO_DAYS} ({item})")
        else:
            yield frame, (first, last)


def _read_frame_day(frame: XmlElement, end: str) -> date | None:
    covered = frame.first("timeFrame")
    return None if covered is None else parse_timestamp_day(covered.said(end), f"{covered.where}/{end}")


def _read_rate(
    reported: ReportedFigures, marketplace: str, rate: RateElement, frame: XmlElement, days: tuple[date, date]
) -> None:
    """One figure, as given; one that is not there is nothing, not zero."""
    held = frame.first(rate.element)
    if held is None:
        return
    parts = {name: one.count("count") for name, key in rate.parts.items() for one in frame.all(key)[:1]}
    some = held.count("count")
    if rate.well:
        parts[rate.well] = some
    figure = ReportedFigure(
        rate.metric, rate.channel, *days, frame.count(rate.counted) if rate.counted else None, some, bool(rate.well),
        {name: many for name, many in parts.items() if many is not None}, _read_percent(reported, held),
    )  # fmt: skip
    reported.add_figure(marketplace, figure)


def _read_percent(reported: ReportedFigures, element: XmlElement) -> RoundedShare | None:
    """The rate; without its percent sign nobody knows what it is, unless it is zero."""
    said, where = element.said("rate"), f"{element.where}/rate"
    if said is not None and not said.endswith("%") and parse_number(said, where):
        reported.count_skipped(_NO_SIGN)
        return None
    return parse_share(said, where)


def _read_contacts(reported: ReportedFigures, marketplace: str, frame: XmlElement, days: tuple[date, date]) -> None:
    """Buyers' contacts: late are those answered after a day, and those older than a day without an answer."""
    parts: dict[str, float] = {name: many for name, key in _ANSWERS.items() if (many := frame.count(key)) is not None}
    whole = len(parts) == len(_ANSWERS)
    counted = int(sum(parts.values())) if whole else None
    late = int(parts["answered_late"] + parts["unanswered"]) if whole else None
    hours = parse_number(frame.said("averageResponseTimeInHours"), f"{frame.where}/averageResponseTimeInHours")
    if hours is not None:
        parts["average_hours"] = float(hours)
    reported.add_figure(
        marketplace, ReportedFigure("late_response_rate", ALL_CHANNELS, *days, counted, late, parts=parts)
    )


def parse_xml(content: bytes, name: str) -> XmlElement:
    """The root element of the file; raises ReaderError for what is no plain, small XML."""
    refuse_large_file(content, name)
    growing = _TreeBuilder(name)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = growing.refuse_doctype
    parser.EntityDeclHandler = growing.refuse_doctype
    parser.StartElementHandler = growing.open
    parser.EndElementHandler = growing.close
    parser.CharacterDataHandler = growing.write
    try:
        parser.Parse(content, True)
    except ReaderError:
        raise
    except expat.ExpatError as error:
        why = expat.ErrorString(error.code)
        raise ReaderError(
            f"{name}: row {error.lineno:,}: no whole XML from here on ({why}). {HINT_DOWNLOAD_AGAIN}"
        ) from error
    except (LookupError, ValueError) as error:
        raise ReaderError(f"{name}: is in an encoding that XML is not written in. {HINT_DOWNLOAD_AGAIN}") from error
    return growing.above.inside[0]


class _TreeBuilder:
    """The tree of a file while it is read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.above = XmlElement("", f"{name}: ")
        self.standing = [self.above]
        self.elements = 0

    def refuse_doctype(self, *_: Any) -> None:
        raise ReaderError(
            f"{self.name}: declares a document type or entities, which no report of Amazon does and which may do harm. "
            f"{HINT_DOWNLOAD_AGAIN}"
        )

    def open(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if len(self.standing) > MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise ReaderError(
                f"{self.name}: nests deeper than {MAX_DEPTH} elements or has more than {MAX_ELEMENTS:,}, so it is no "
                f"performance report. {HINT_DOWNLOAD_AGAIN}"
            )
        above = self.standing[-1]
        bare = name.rpartition(" ")[2]
        one = XmlElement(bare, f"{above.where}{'/' if len(self.standing) > 1 else ''}{bare}")
        one.inside += [
            XmlElement(key.rpartition(" ")[2], f"{one.where}/{key}", text=text) for key, text in attributes.items()
        ]
        above.inside.append(one)
        self.standing.append(one)

    def close(self, _: str) -> None:
        self.standing.pop()

    def write(self, text: str) -> None:
        self.standing[-1].text += text
