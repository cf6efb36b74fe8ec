"""Parser of eBay's seller standards (Sell Analytics API, JSON): eBay's own figures, beside ours.

A profile belongs to a program (US, UK, Germany, global) and a cycle: CURRENT, of the last evaluation, or PROJECTED, as
if the seller were evaluated now. Of a file with several programs the seller's default one is read; its newest cycle
gives the figures, and CURRENT the level of the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from healthkit.ingest.formats.order_records import find_objects
from healthkit.ingest.formats.performance_json import JsonObject, parse_json
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError
from healthkit.ingest.parsing.reported_figures import (
    ACCOUNT,
    CHECKLIST,
    WARNING,
    ReportedFigure,
    ReportedFigures,
    RoundedShare,
    parse_count,
    parse_number,
    parse_status_word,
    parse_timestamp_day,
    refuse_large_file,
)
from healthkit.schema.tables import METRIC_IDS

KIND = DocumentKind("ebay_standards", "eBay seller standards (JSON)", "{[", ('"standardsProfiles"', '"standardsLevel"'))
MARKETPLACE, CHANNEL = "EBAY", "seller"
OTHER_PROGRAM_REASON = "profiles of another program or an older cycle"
OTHER_METRIC_REASON = "conditions that are no rates (days on the site, sales, turnover)"


@dataclass(frozen=True)
class _Metric:
    """A metric of the kit, and whether eBay's numerator counts good transactions."""

    id: str
    numerator_is_good: bool = False


_METRICS = {
    "SHIPPING_MISS_RATE": _Metric("late_shipment_rate"),
    "DEFECTIVE_TRANSACTION_RATE": _Metric("transaction_defect_rate"),
    "CLAIMS_SAF_RATE": _Metric("case_rate"),
    "VALID_TRACKING_UPLOADED_WITHIN_HANDLING_RATE": _Metric("valid_tracking_rate", numerator_is_good=True),
}
"""The metric for each `metricKey` that is a rate. Keys as responses shown by sellers have them (2016 to 2026)."""
_ENFORCED_LEVEL = "above standard"
"""The level whose limit a seller has to meet; the limits of other levels are not stored."""


def parse(content: bytes, context: ReadContext) -> FileContents:
    """Parse seller standards into the tables READINGS and ACCOUNT_STATES.

    Raises ReaderError for a file without a profile, or without a day of evaluation.
    """
    if context.marketplace not in (None, MARKETPLACE):
        raise ReaderError(
            f"{context.name}: you said marketplace {context.marketplace}, but this is a file of {MARKETPLACE}: "
            f"{KIND.title}. Leave --marketplace out."
        )
    refuse_large_file(content, context.name)
    response = parse_json(content, context.name, KIND.title)
    profiles = list(find_objects(response, f"{context.name}: file", ("standardsLevel", "cycle")))
    if not profiles:
        raise ReaderError(f"{context.name}: holds no profile with standardsLevel and cycle. {HINT_DOWNLOAD_AGAIN}")
    own = _of_default_program(profiles)
    newest = max(own, key=_evaluated_on)
    reported = ReportedFigures(context)
    for _ in range(len(profiles) - 1):
        reported.count_skipped(OTHER_PROGRAM_REASON)
    _read_levels(reported, own)
    for one in newest.iterate_objects("metrics"):
        _read_metric(reported, one)
    reported.notes.append(f"Read: {_text(newest, 'program')}, cycle {_text(_cycle(newest), 'cycleType')}.")
    return reported.to_contents(_evaluated_on(newest))


def _of_default_program(profiles: list[JsonObject]) -> list[JsonObject]:
    """Return the profiles of the seller's default program, or else of the first one that has metrics."""
    ranked = sorted(
        profiles, key=lambda one: (one.fields.get("defaultProgram") is not True, not one.fields.get("metrics"))
    )
    program = _text(ranked[0], "program")
    return [one for one in profiles if _text(one, "program") == program]


def _cycle(profile: JsonObject) -> JsonObject:
    return profile.child_object("cycle") or JsonObject({}, profile.location)


def _evaluated_on(profile: JsonObject) -> date:
    """Return the day of the evaluation; raise ReaderError if the profile states none."""
    cycle = _cycle(profile)
    day = parse_timestamp_day(cycle.fields.get("evaluationDate"), cycle.path_of("evaluationDate"))
    if day is None:
        raise ReaderError(f"{cycle.path_of('evaluationDate')} is empty, so the day is unknown. {HINT_DOWNLOAD_AGAIN}")
    return day


def _text(block: JsonObject, key: str) -> str:
    return parse_status_word(block.fields.get(key), block.path_of(key)) or ""


def _read_levels(reported: ReportedFigures, profiles: list[JsonObject]) -> None:
    """Read the level of the last evaluation, and the projected one where it differs."""
    levels = {
        _text(_cycle(one), "cycleType"): _text(one, "standardsLevel") for one in sorted(profiles, key=_evaluated_on)
    }
    current, projected = levels.get("current"), levels.get("projected")
    level = current or projected
    if level:
        reported.set_state(MARKETPLACE, ACCOUNT, "account_status", level)
    if projected and current and projected != current:
        reported.set_state(MARKETPLACE, WARNING, "projected_level", projected)


def _read_metric(reported: ReportedFigures, block: JsonObject) -> None:
    """Read one rate; other conditions of a level are skipped."""
    key = str(block.fields.get("metricKey") or "").upper()
    metric, value = _METRICS.get(key), block.fields.get("value")
    if metric is None or not isinstance(value, dict):
        reported.count_skipped(OTHER_METRIC_REASON)
        return
    figures = JsonObject(value, block.path_of("value"))
    rate = _percent(figures, "value")
    level = _text(block, "level")
    first, last = (
        parse_timestamp_day(block.fields.get(name), block.path_of(name))
        for name in ("lookbackStartDate", "lookbackEndDate")
    )
    if first is None or last is None:
        reported.count_skipped("figures without the days that they cover")
        return
    if metric.id not in METRIC_IDS:
        reported.set_state(MARKETPLACE, CHECKLIST, metric.id, level)
        return
    target = _limit(block, level)
    side = None if target is None else "at least" if metric.numerator_is_good else "at most"
    figure = ReportedFigure(
        metric.id, CHANNEL, first, last,
        parse_count(figures.fields.get("denominator"), figures.path_of("denominator")),
        parse_count(figures.fields.get("numerator"), figures.path_of("numerator")),
        metric.numerator_is_good, rate=rate, target=target, side=side, status=level or None,
    )  # fmt: skip
    reported.add_figure(MARKETPLACE, figure)


def _limit(block: JsonObject, level: str) -> RoundedShare | None:
    """Return the limit of the level above standard; None if the metric states that of another level."""
    if level != _ENFORCED_LEVEL:
        return None
    for key in ("thresholdUpperBound", "thresholdLowerBound"):
        limit = block.fields.get(key)
        if isinstance(limit, dict) and limit.get("value") is not None:
            return _percent(JsonObject(limit, block.path_of(key)), "value")
    return None


def _percent(block: JsonObject, key: str) -> RoundedShare | None:
    """Return a share from a number of percent, as "0.91"; None if it is missing."""
    number = parse_number(block.fields.get(key), block.path_of(key))
    if number is None:
        return None
    exponent = number.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return RoundedShare(number / Decimal(100), min(15, max(4, places + 2)))
