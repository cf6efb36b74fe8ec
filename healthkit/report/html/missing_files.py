"""HTML block and sentences on missing files: which measures need them, and where to download them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthkit.analysis.verdicts import MissingEvidence, newer_orders
from healthkit.ingest.downloads import DownloadAdvice, recommend_downloads
from healthkit.report.html import measures
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.html.measures import Measure
from healthkit.report.text import downloads as downloads_text
from healthkit.report.text import labels
from healthkit.report.text.sentences import Sentence
from healthkit.report.todo_list import files_to_bring

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport


def files_to_download(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block of missing files that enforced measures need; empty if none is missing.

    Each is listed with its menu path and its days.
    """
    files = download_advice(report)
    if not files:
        return HtmlBlock("")
    metrics = {metric for one in files for metric in one.measures}
    unjudged = len(measures.enforced_unjudged(report))
    company = labels.company_of(report.marketplace)
    title = downloads_text.missing_files_title(unjudged, len(metrics), len(files), company)
    return HtmlBlock(
        render_template("missing.html.j2", title=title, files=[downloads_text.advice_cells(one) for one in files])
    )


def download_advice(report: MonthlyReport) -> list[DownloadAdvice]:
    """Return the files to download for the enforced measures of a report; measures that cannot be judged come first."""
    evidence = measures.report_verdict(report).missing_evidence()
    return recommend_downloads([*_newer_orders(report), *evidence], report.marketplace)


def _newer_orders(report: MonthlyReport) -> list[MissingEvidence]:
    """Return the orders of the last days of the period, if the files end before it does."""
    verdict = measures.report_verdict(report)
    return newer_orders(verdict, report.begins_on, report.ends_on, report.month_end or report.as_of)


def missing_file_titles(report: MonthlyReport) -> list[str]:
    """Return the titles of the files to download for enforced measures that cannot be judged."""
    verdict = measures.report_verdict(report)
    return [
        one.title
        for one in recommend_downloads(verdict.missing_evidence(verdict.enforced_unjudged), report.marketplace)
        if one.kind
    ]


def first_file_to_download(report: MonthlyReport, worst_measure: Measure | None, kind: str = "") -> Sentence | None:
    """Return a sentence on which missing file to download first; None if no file is missing.

    Only files for `worst_measure` are considered, or for all enforced measures if it is None. With `kind` it is the
    file of that kind in the list of what to do, with its days.
    """
    verdict = measures.report_verdict(report)
    selected = None
    if worst_measure is not None:
        key = worst_measure.metric, worst_measure.channel, worst_measure.window
        selected = [one for one in verdict.measures if (one.metric, one.channel, one.window) == key]
    files = [one for one in recommend_downloads(verdict.missing_evidence(selected), report.marketplace) if one.kind]
    if kind:
        files = [one for one in files_to_bring(verdict, _newer_orders(report)) if one.kind == kind]
    if not files:
        return None
    best = next((one for one in files if not one.by_hand), files[0])
    return downloads_text.first_download_sentence(
        best.title,
        best.menu,
        best.report_type,
        best.evidence,
        best.by_hand,
        best.ranges,
        best.site,
        best.api,
        labels.company_of(report.marketplace),
    )
