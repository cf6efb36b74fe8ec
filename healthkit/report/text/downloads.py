"""Sentences on missing files: which file to download, where, for which days and for which measures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from healthkit.report.text.figures import format_long_day, format_number, format_quantity, spell_number
from healthkit.report.text.labels import Strong, capitalise_first, company_of, join_words, metric_words, possessive
from healthkit.schema.marketplaces import AMAZON

if TYPE_CHECKING:
    from healthkit.ingest.downloads import Download, DownloadAdvice

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
    "business_hours": "deliveries within business hours",
    "feedback": "ratings",
    "claims": "claims",
    "chargebacks": "chargebacks",
    "refunds": "refunds",
    "not_received": "items not received",
    "cases": "cases against the seller",
    "returns": "returns",
    "return_answers": "answers to return requests",
    "return_feedback": "buyers' feedback on returns",
    "return_refusals": "refused returns",
    "invoices": "invoices of business orders",
    "contacts": "buyer messages",
    "surveys": "buyer surveys",
    "violations": "policy violations",
    "amazon_figures": "the marketplace's own figures",
}
"""Kind of evidence -> its name in a sentence in every marketplace."""
FILE_LIMITATIONS = {
    "fully": "",
    "days assumed": "It names the orders, not the day of each event: the days are assumed.",
    "in part": "It shows only a part of them, so that the figure is a lower bound.",
}
"""How well a file covers its evidence -> a sentence on what it lacks."""
SNAPSHOT_DAYS = "it covers the days of the marketplace\N{RIGHT SINGLE QUOTATION MARK}s own measure"


def download_location(
    menu: str, report_type: str, site: str = "Seller Central", api: str = "Selling Partner API"
) -> str:
    """Return where to download a file: its menu path in the pages of the seller, or its report type in the API.

    >>> download_location("Orders > Export", "", "TikTok Shop Seller Center")
    'TikTok Shop Seller Center, Orders > Export'
    >>> download_location("Orders > Order Reports > All Orders", "GET_ORDERS")
    'Seller Central, Orders > Order Reports > All Orders; report type GET_ORDERS'
    >>> download_location("", "GET_V2_SELLER_PERFORMANCE_REPORT"), download_location("", "")
    ('Selling Partner API, report type GET_V2_SELLER_PERFORMANCE_REPORT', 'your own calls of the Selling Partner API')
    """
    if menu:
        return f"{site}, {menu}" + (f"; report type {report_type}" if report_type else "")
    return f"{api}, report type {report_type}" if report_type else f"your own calls of the {api}"


def evidence_list(evidence: Sequence[str], company: str = AMAZON) -> str:
    """Return the names of kinds of evidence as a list in a sentence.

    >>> evidence_list(["claims", "chargebacks"]), evidence_list(["claims", "chargebacks"], "eBay")
    ('A-to-z Guarantee claims and chargebacks', 'claims and chargebacks')
    >>> evidence_list(["amazon_figures"], "eBay")
    "eBay's own figures"
    """
    names = EVIDENCE_LABELS | ({"claims": "A-to-z Guarantee claims"} if company == AMAZON else {})
    names |= {"amazon_figures": f"{company}'s own figures"} if company else {}
    return join_words([names.get(kind, kind.replace("_", " ")) for kind in evidence])


def missing_files_title(unjudged: int, measures: int, files: int, company: str = AMAZON) -> str:
    """Return the title of the list of missing files, with the number of measures that need them.

    `unjudged` of the `measures` cannot be judged; `files` is the number of missing files.

    >>> missing_files_title(3, 4, 2), missing_files_title(1, 1, 1), missing_files_title(0, 2, 2)
    ('Three measures cannot be judged; two files would show more', 'One measure cannot be judged; one file would show more', 'Two measures rest on Amazon’s figure alone; two files would show which orders')
    """  # noqa: E501 - the titles
    files_clause = f"{spell_number(files)} {'file' if files == 1 else 'files'} would show"
    if unjudged:
        noun = "measure" if unjudged == 1 else "measures"
        return capitalise_first(f"{spell_number(unjudged)} {noun} cannot be judged; {files_clause} more")
    noun = "measure rests" if measures == 1 else "measures rest"
    return capitalise_first(
        f"{spell_number(measures)} {noun} on {possessive(company)} figure alone; {files_clause} which orders"
    )


def no_orders_file_sentence(account: str, file: Download) -> str:
    """Return a sentence that no order file of an account was imported, and where to get one.

    `file` is the best file of orders in the marketplace of the account.

    >>> from healthkit.ingest.downloads import downloads_for
    >>> no_orders_file_sentence("acme", downloads_for("orders", "US")[0])
    'acme: no file of orders yet, without which nothing is judged. Download the all-orders file (Seller Central, Orders > Order Reports > All Orders).'
    >>> no_orders_file_sentence("acme", downloads_for("orders", "OLIST")[0])
    'acme: no file of orders yet, without which nothing is judged. Fill in the orders CSV (docs/files.md).'
    """  # noqa: E501 - the sentence
    location = download_location(file.menu, "" if file.menu else file.report_type, file.site, file.api)
    step = f"Fill in the {file.title} (docs/files.md)" if file.by_hand else f"Download the {file.title} ({location})"
    return f"{account}: no file of orders yet, without which nothing is judged. {step}."


def first_download_sentence(
    title: str, menu: str, report_type: str, evidence: Sequence[str], by_hand: bool,
    ranges: Sequence[tuple[date, date]] = (), site: str = "Seller Central", api: str = "Selling Partner API",
    company: str = AMAZON,
) -> tuple[str, ...]:  # fmt: skip
    """Return a sentence on the file to download first, where and for which days; it ends a verdict.

    `by_hand` marks a file to fill in, which has no download. The report type is named only if there is no menu
    path; the list of missing files names it otherwise.

    >>> "".join(first_download_sentence("order report", "Orders > Order Reports > New Orders", "", ["promises"], False))
    'Download the order report (Seller Central, Orders > Order Reports > New Orders): it contains ship-by days.'
    >>> "".join(first_download_sentence("all-orders file", "Orders > Order Reports > All Orders", "", ["orders"], False,
    ...         [(date(2026, 7, 30), date(2026, 9, 27))]))
    'Download the all-orders file (Seller Central, Orders > Order Reports > All Orders) for 30 July to 27 September 2026: it contains orders.'
    """  # noqa: E501 - the sentence
    days_phrase = f" for {_ranges_phrase(ranges)}" if ranges else ""
    end = f"{days_phrase}: it contains {evidence_list(evidence, company)}."
    if by_hand:
        return (Strong(f"Fill in the {title}"), f" (docs/files.md){end}")
    location = download_location(menu, "" if menu else report_type, site, api)
    return (Strong(f"Download the {title}"), f" ({location}){end}")


def advice_sentence(advice: DownloadAdvice) -> str:
    """Return download advice as sentences: the file, where to get it, for which days and which measures.

    >>> from healthkit.ingest.downloads import DownloadAdvice
    >>> days = ((date(2026, 9, 14), date(2026, 11, 27)),)
    >>> print(advice_sentence(DownloadAdvice(
    ...     "feedback", "seller feedback file", "Performance > Feedback", "", ("feedback",), ("order_defect_rate",),
    ...     "all", days, 75, 1, 365, None, None, False, False, False, "fully", "", "")))
    Download the seller feedback file (Seller Central, Performance > Feedback) for 75 days, 14 September to 27 November 2026. Needed for: Order Defect Rate.
    """  # noqa: E501 - the sentence
    evidence = evidence_list(advice.evidence, company_of(advice.marketplace))
    needed_for = f" Needed for: {_measure_labels(advice)}." if advice.measures else ""
    if not advice.kind:
        return f"No file that the kit reads covers {evidence} in this marketplace.{needed_for}"
    location = download_location(advice.menu, advice.report_type, advice.site, advice.api)
    text = f"Download the {advice.title} ({location})"
    if advice.by_hand:
        text = f"Fill in the {advice.title} (docs/files.md) for {_days_phrase(advice)}: no download contains it"
    if advice.snapshot:
        text += f"; {SNAPSHOT_DAYS}"
    elif not advice.by_hand:
        text += f" for {_days_phrase(advice)}{_downloads_phrase(advice)}"
    if advice.extends and not advice.snapshot and not advice.by_hand:
        days = f"a download of {format_quantity(advice.days, 'day')} more would do, {_ranges_phrase(advice.ranges)}"
        more = f"{days}{_downloads_phrase(advice)}"
        text = f"Your {advice.title} {_days_on_hand_phrase(advice)}; {more} ({location})"
    elif advice.missing != "all":
        text = f"Your files cover {evidence} {_days_known_phrase(advice)}. {text}"
    return " ".join(filter(None, (f"{text}.", _limitation_sentences(advice)))) + needed_for


def advice_cells(advice: DownloadAdvice) -> dict[str, str]:
    """Return download advice as the cells of a table row: the file, its location, days and measures.

    >>> from healthkit.ingest.downloads import DownloadAdvice
    >>> days = ((date(2026, 9, 14), date(2026, 11, 27)),)
    >>> cells = advice_cells(DownloadAdvice(
    ...     "feedback", "seller feedback file", "Performance > Feedback", "", ("feedback",), ("order_defect_rate",),
    ...     "all", days, 75, 1, 365, None, None, False, False, False, "fully", "", ""))
    >>> cells["days"]
    '75 days, 14 September to 27 November 2026'
    """
    evidence, location = evidence_list(advice.evidence, company_of(advice.marketplace)), ""
    if advice.kind:
        report_type = "" if advice.menu else advice.report_type
        no_download = "docs/files.md: no download contains it"
        location = (
            no_download if advice.by_hand else download_location(advice.menu, report_type, advice.site, advice.api)
        )
    if not advice.kind:
        days = f"No file that the kit reads covers {evidence} in this marketplace"
    elif advice.snapshot:
        days = f"As it is: {SNAPSHOT_DAYS}"
    elif advice.extends and not advice.by_hand:
        more = f"{format_quantity(advice.days, 'day')} more, {_ranges_phrase(advice.ranges)}"
        days = f"{more}: yours {_days_on_hand_phrase(advice)}"
    else:
        days = f"{_days_phrase(advice)}{_downloads_phrase(advice)}"
    return {
        "title": capitalise_first(advice.title or evidence),
        "place": location,
        "days": days,
        "note": _limitation_sentences(advice),
        "report_type": advice.report_type if advice.menu else "",
        "measures": _measure_labels(advice),
    }


def bring_file_phrase(advice: DownloadAdvice) -> str:
    """Return what to do about a missing file, as an imperative: download it, or fill it in where there is no download.

    >>> from types import SimpleNamespace as Made
    >>> bring_file_phrase(Made(by_hand=False, title="order report"))
    'Download the order report and import it'
    """
    return f"{'Fill in' if advice.by_hand else 'Download'} the {advice.title} and import it"


def file_brings_phrase(advice: DownloadAdvice) -> str:
    """Return what a missing file contains.

    >>> from types import SimpleNamespace as Made
    >>> file_brings_phrase(Made(evidence=("promises",), marketplace="US"))
    'it contains ship-by days'
    """
    return f"it contains {evidence_list(advice.evidence, company_of(advice.marketplace))}"


def _measure_labels(advice: DownloadAdvice) -> str:
    return ", ".join(metric_words(metric, company_of(advice.marketplace)).label for metric in advice.measures)


def _limitation_sentences(advice: DownloadAdvice) -> str:
    """Return what a file lacks, and the other file that contains it."""
    alternative = f"The {advice.full_alternative} shows all." if advice.full_alternative else ""
    return " ".join(filter(None, (FILE_LIMITATIONS[advice.how], alternative)))


def _days_phrase(advice: DownloadAdvice) -> str:
    return f"{format_quantity(advice.days, 'day')}, {_ranges_phrase(advice.ranges)}"


def _ranges_phrase(ranges: Sequence[tuple[date, date]]) -> str:
    return join_words([_range_phrase(first, last) for first, last in ranges])


def _range_phrase(first: date, last: date) -> str:
    """Return a range of days as text; a year that both days share is written once.

    >>> _range_phrase(date(2026, 9, 14), date(2026, 11, 27)), _range_phrase(date(2026, 11, 21), date(2026, 11, 27))
    ('14 September to 27 November 2026', '21 to 27 November 2026')
    >>> _range_phrase(date(2026, 11, 27), date(2026, 11, 27)), _range_phrase(date(2025, 12, 30), date(2026, 1, 2))
    ('27 November 2026', '30 December 2025 to 2 January 2026')
    """
    if first == last:
        return format_long_day(last, 0)
    same_month = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if same_month else format_long_day(first, last.year)} to {format_long_day(last, 0)}"


def _downloads_phrase(advice: DownloadAdvice) -> str:
    """Return the number of downloads needed as a phrase; empty if one is enough."""
    if advice.downloads < 2:
        return ""
    limit = "" if advice.most_days is None else f" of at most {format_quantity(advice.most_days, 'day')}"
    return f", in {format_number(advice.downloads)} downloads{limit}"


def _days_known_phrase(advice: DownloadAdvice) -> str:
    """Return the first and last day of the evidence in the files on hand as a phrase."""
    return " and ".join(_ends_on_hand(advice, "from {} on", "until {}")) + " only"


def _days_on_hand_phrase(advice: DownloadAdvice) -> str:
    """Return the first and last day of the file on hand as a phrase."""
    return " and ".join(_ends_on_hand(advice, "begins on {}", "ends on {}"))


def _ends_on_hand(advice: DownloadAdvice, start: str, end: str) -> list[str]:
    ends = ((start, advice.have_first, "start"), (end, advice.have_last, "end"))
    return [
        text.format(format_long_day(day, 0)) for text, day, side in ends if day and advice.missing in (side, "both")
    ]
