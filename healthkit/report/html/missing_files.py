"""What is missing: the measures that cannot be judged, which file would tell, and where to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthkit.ingest.downloads import DownloadAdvice, recommend_downloads
from healthkit.report.html import measures
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.html.measures import Measure
from healthkit.report.text import downloads as downloads_text
from healthkit.report.text.sentences import Sentence

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport


def files_to_download(report: MonthlyReport) -> HtmlBlock:
    """The files that enforced measures lack, each with where to get it and for which days; empty where none is."""
    files = download_advice(report)
    if not files:
        return HtmlBlock("")
    metrics = {metric for one in files for metric in one.measures}
    title = downloads_text.missing_files_title(len(measures.enforced_unjudged(report)), len(metrics), len(files))
    return HtmlBlock(
        render_template("missing.html.j2", title=title, files=[downloads_text.advice_cells(one) for one in files])
    )


def download_advice(report: MonthlyReport) -> list[DownloadAdvice]:
    """The files to get for the enforced measures of a report, those that cannot be judged first."""
    return recommend_downloads(measures.report_verdict(report).missing_evidence(), report.marketplace)


def missing_file_titles(report: MonthlyReport) -> list[str]:
    """Return the files to get for the enforced measures that cannot be judged."""
    found = measures.report_verdict(report)
    return [
        one.title
        for one in recommend_downloads(found.missing_evidence(found.enforced_unjudged), report.marketplace)
        if one.kind
    ]


def first_file_to_download(report: MonthlyReport, worst_measure: Measure | None) -> Sentence | None:
    """Which file to get first: one that names the orders of a measure, or the first that is missing; None for none."""
    found = measures.report_verdict(report)
    some = None
    if worst_measure is not None:
        key = worst_measure.metric, worst_measure.channel, worst_measure.window
        some = [one for one in found.measures if (one.metric, one.channel, one.window) == key]
    files = [one for one in recommend_downloads(found.missing_evidence(some), report.marketplace) if one.kind]
    if not files:
        return None
    best = next((one for one in files if not one.by_hand), files[0])
    return downloads_text.first_download_sentence(
        best.title, best.menu, best.report_type, best.evidence, best.by_hand, best.ranges
    )
