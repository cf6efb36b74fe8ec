"""The sentences on missing files: what to download, where, for how many days, and what it would serve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from healthkit.report.text.figures import format_long_day, format_number, format_quantity, spell_number
from healthkit.report.text.labels import Strong, capitalise_first, join_words, metric_words

EVIDENCE_LABELS = {
    "orders": "orders",
    "cancellers": "who cancelled an order",
    "promises": "ship-by days",
    "delivery_promises": "deliver-by days",
    "confirmations": "the times of shipment confirmation",
    "confirmation_times": "the times of shipment confirmation",
    "deliveries": "the times of delivery",
    "tracking": "tracking numbers",
    "scans": "carrier scans",
    "feedback": "ratings",
    "claims": "A-to-z claims",
    "chargebacks": "chargebacks",
    "refunds": "refunds",
    "returns": "returns",
    "return_answers": "answers to return requests",
    "return_feedback": "buyers' feedback on returns",
    "return_refusals": "refused returns",
    "invoices": "invoices of business orders",
    "contacts": "buyer messages",
    "surveys": "buyer surveys",
    "violations": "policy violations",
    "amazon_figures": "Amazon's own figures",
}
"""What each kind of evidence is called in a sentence."""
FILE_LIMITATIONS = {
    "fully": "",
    "days assumed": "It names the orders, not the day of each event: the days are assumed.",
    "in part": "It shows only a part of them, so that the figure is a lower bound.",
}
"""What a file leaves out, by how much of the evidence it tells."""


def download_location(menu: str, report_type: str) -> str:
    """Where a file is downloaded.

    >>> download_location("Orders > Order Reports > All Orders", "GET_ORDERS")
    'Seller Central, Orders > Order Reports > All Orders; report type GET_ORDERS'
    >>> download_location("", "GET_V2_SELLER_PERFORMANCE_REPORT"), download_location("", "")
    ('Selling Partner API, report type GET_V2_SELLER_PERFORMANCE_REPORT', 'your own calls of the Selling Partner API')
    """
    if menu:
        return f"Seller Central, {menu}" + (f"; report type {report_type}" if report_type else "")
    return (
        f"Selling Partner API, report type {report_type}"
        if report_type
        else "your own calls of the Selling Partner API"
    )


def evidence_list(evidence: Sequence[str]) -> str:
    """Kinds of evidence, listed.

    >>> evidence_list(["claims", "chargebacks"])
    'A-to-z claims and chargebacks'
    """
    return join_words([EVIDENCE_LABELS.get(kind, kind.replace("_", " ")) for kind in evidence])


def missing_files_title(unjudged: int, measures: int, files: int) -> str:
    """The title of the list of missing files.

    >>> missing_files_title(3, 4, 2), missing_files_title(1, 1, 1), missing_files_title(0, 2, 2)
    ('Three measures cannot be judged; two files would tell more', 'One measure cannot be judged; one file would tell more', 'Two measures rest on Amazon’s figure alone; two files would tell which orders')
    """  # noqa: E501 - the titles
    what = f"{spell_number(files)} {'file' if files == 1 else 'files'} would tell"
    if unjudged:
        noun = "measure" if unjudged == 1 else "measures"
        return capitalise_first(f"{spell_number(unjudged)} {noun} cannot be judged; {what} more")
    noun = "measure rests" if measures == 1 else "measures rest"
    return capitalise_first(
        f"{spell_number(measures)} {noun} on Amazon\N{RIGHT SINGLE QUOTATION MARK}s figure alone; {what} which orders"
    )


def no_orders_file_sentence(account: str) -> str:
    """That no file of an account's orders was imported yet.

    >>> no_orders_file_sentence("acme")
    'acme: no file of orders yet, without which nothing is judged. Download the all-orders file (Seller Central, Orders > Order Reports > All Orders).'
    """  # noqa: E501 - the sentence
    place = "Seller Central, Orders > Order Reports > All Orders"
    return f"{account}: no file of orders yet, without which nothing is judged. Download the all-orders file ({place})."


def first_download_sentence(
    title: str, menu: str, report_type: str, evidence: Sequence[str], by_hand: bool,
    ranges: Sequence[tuple[date, date]] = (),
) -> tuple[str, ...]:  # fmt: skip
    """Which file to get first, and for which days, as the last sentence of a verdict.

    The report type is named where there is no menu path; else it stands in the list of missing files.

    >>> "".join(first_download_sentence("order report", "Orders > Order Reports > New Orders", "", ["promises"], False))
    'Download the order report (Seller Central, Orders > Order Reports > New Orders): it tells of ship-by days.'
    >>> "".join(first_download_sentence("all-orders file", "Orders > Order Reports > All Orders", "", ["orders"], False,
    ...         [(date(2026, 7, 30), date(2026, 9, 27))]))
    'Download the all-orders file (Seller Central, Orders > Order Reports > All Orders) for 30 July to 27 September 2026: it tells of orders.'
    """  # noqa: E501 - the sentence
    days = f" for {_ranges_phrase(ranges)}" if ranges else ""
    purpose = f"{days}: it tells of {evidence_list(evidence)}."
    if by_hand:
        return (Strong(f"Fill in the {title}"), f" (docs/files.md){purpose}")
    return (Strong(f"Download the {title}"), f" ({download_location(menu, '' if menu else report_type)}){purpose}")


def advice_sentence(
    kind: str, title: str, menu: str, report_type: str, evidence: Sequence[str], measures: Sequence[str], missing: str,
    ranges: Sequence[tuple[date, date]], days: int, downloads: int, most_days: int | None, have_first: date | None,
    have_last: date | None, extends: bool, snapshot: bool, by_hand: bool, how: str, full_alternative: str, note: str,
) -> str:  # fmt: skip
    """What to get, in sentences; the values are the fields of `downloads.Advice`, in its order.

    >>> first, last = date(2026, 9, 14), date(2026, 11, 27)
    >>> advice_sentence("feedback", "seller feedback file", "Performance > Feedback", "", ["feedback"], ["order_defect_rate"],
    ...          "all", [(first, last)], 75, 1, 365, None, None, False, False, False, "fully", "", "")
    'Download the seller feedback file (Seller Central, Performance > Feedback) for 75 days, 14 September to 27 November 2026. Needed for: Order defects.'
    """  # noqa: E501 - the sentence
    if not kind:
        return (
            f"No file that the kit reads tells of {evidence_list(evidence)} in this "
            f"marketplace.{_needed_for_sentence(measures)}"
        )
    got = (
        _fill_in_phrase(title, ranges, days)
        if by_hand
        else f"Download the {title} ({download_location(menu, report_type)})"
    )
    if snapshot:
        got += "; it covers the days of the marketplace\N{RIGHT SINGLE QUOTATION MARK}s own measure"
    elif not by_hand:
        got += f" for {_days_phrase(ranges, days)}{_downloads_phrase(downloads, most_days)}"
    if extends and not snapshot and not by_hand:
        more = (
            f"a download of {format_quantity(days, 'day')} more would do, "
            f"{_ranges_phrase(ranges)}{_downloads_phrase(downloads, most_days)}"
        )
        got = (
            f"Your {title} {_days_on_hand_phrase(missing, have_first, have_last)}; {more} "
            f"({download_location(menu, report_type)})"
        )
    elif missing != "all":
        got = (
            f"Your files tell of {evidence_list(evidence)} "
            f"{_known_days_sentence(missing, have_first, have_last)}. {got}"
        )
    left_out = f" {FILE_LIMITATIONS[how]}" if FILE_LIMITATIONS[how] else ""
    other = f" The {full_alternative} shows all." if full_alternative else ""
    return f"{got}.{left_out}{other}{_needed_for_sentence(measures)}"


def advice_cells(
    kind: str, title: str, menu: str, report_type: str, evidence: Sequence[str], measures: Sequence[str], missing: str,
    ranges: Sequence[tuple[date, date]], days: int, downloads: int, most_days: int | None, have_first: date | None,
    have_last: date | None, extends: bool, snapshot: bool, by_hand: bool, how: str, full_alternative: str, note: str,
) -> dict[str, str]:  # fmt: skip
    """The same as the cells of a row: title, place, days, report type, what it leaves out, and what it is needed for.

    >>> first, last = date(2026, 9, 14), date(2026, 11, 27)
    >>> cells = advice_cells("feedback", "seller feedback file", "Performance > Feedback", "GET_X", ["feedback"],
    ...     ["order_defect_rate"], "all", [(first, last)], 75, 1, 365, None, None, False, False, False, "fully", "", "")
    >>> cells["days"]
    '75 days, 14 September to 27 November 2026'
    """
    if not kind:
        span = f"No file that the kit reads tells of {evidence_list(evidence)} in this marketplace"
    elif snapshot:
        span = "As it is: it covers the days of the marketplace\N{RIGHT SINGLE QUOTATION MARK}s own measure"
    else:
        span = f"{_days_phrase(ranges, days)}{_downloads_phrase(downloads, most_days)}"
        if extends and not by_hand:
            span = (
                f"{format_quantity(days, 'day')} more, {_ranges_phrase(ranges)}: yours "
                f"{_days_on_hand_phrase(missing, have_first, have_last)}"
            )
    place = (
        ""
        if not kind
        else "docs/files.md: no download holds it"
        if by_hand
        else download_location(menu, "" if menu else report_type)
    )
    left_out = " ".join(
        filter(None, (FILE_LIMITATIONS[how], f"The {full_alternative} shows all." if full_alternative else ""))
    )
    return {
        "title": capitalise_first(title or evidence_list(evidence)), "place": place, "days": span, "note": left_out,
        "report_type": report_type if menu else "",
        "measures": ", ".join(metric_words(name).label for name in measures),
    }  # fmt: skip


def _needed_for_sentence(measures: Sequence[str]) -> str:
    return f" Needed for: {', '.join(metric_words(name).label for name in measures)}." if measures else ""


def _fill_in_phrase(title: str, ranges: Sequence[tuple[date, date]], days: int) -> str:
    return f"Fill in the {title} (docs/files.md) for {_days_phrase(ranges, days)}: no download holds it"


def _days_phrase(ranges: Sequence[tuple[date, date]], days: int) -> str:
    return f"{format_quantity(days, 'day')}, {_ranges_phrase(ranges)}"


def _ranges_phrase(ranges: Sequence[tuple[date, date]]) -> str:
    return join_words([_range_phrase(first, last) for first, last in ranges])


def _range_phrase(first: date, last: date) -> str:
    """The days of a range, the year once.

    >>> _range_phrase(date(2026, 9, 14), date(2026, 11, 27)), _range_phrase(date(2026, 11, 21), date(2026, 11, 27))
    ('14 September to 27 November 2026', '21 to 27 November 2026')
    >>> _range_phrase(date(2026, 11, 27), date(2026, 11, 27)), _range_phrase(date(2025, 12, 30), date(2026, 1, 2))
    ('27 November 2026', '30 December 2025 to 2 January 2026')
    """
    if first == last:
        return format_long_day(last, 0)
    same_month = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if same_month else format_long_day(first, last.year)} to {format_long_day(last, 0)}"


def _downloads_phrase(downloads: int, most_days: int | None) -> str:
    """In how many downloads, where one cannot hold all."""
    if downloads < 2:
        return ""
    limit = "" if most_days is None else f" of at most {format_quantity(most_days, 'day')}"
    return f", in {format_number(downloads)} downloads{limit}"


def _known_days_sentence(missing: str, have_first: date | None, have_last: date | None) -> str:
    """From when until when evidence is on hand."""
    since = f"from {format_long_day(have_first, 0)} on" if have_first and missing in ("start", "both") else ""
    until = f"until {format_long_day(have_last, 0)}" if have_last and missing in ("end", "both") else ""
    return " and ".join(filter(None, (since, until))) + " only"


def _days_on_hand_phrase(missing: str, have_first: date | None, have_last: date | None) -> str:
    """Where the days on hand begin or end."""
    begins = f"begins on {format_long_day(have_first, 0)}" if have_first and missing in ("start", "both") else ""
    ends = f"ends on {format_long_day(have_last, 0)}" if have_last and missing in ("end", "both") else ""
    return " and ".join(filter(None, (begins, ends)))
