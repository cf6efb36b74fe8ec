"""What is missing: the measures that cannot be judged, which file would tell, and where to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from healthkit.ingest.downloads import Advice, advice
from healthkit.report import wording
from healthkit.report.blocks import findings
from healthkit.report.blocks.block import Block, rendered
from healthkit.report.blocks.findings import Measure
from healthkit.report.wording import Sentence

if TYPE_CHECKING:
    from healthkit.report.model import Monthly


def missing(monthly: Monthly) -> Block:
    """The files that enforced measures lack, each with where to get it and for which days; empty where none is."""
    files = advised(monthly)
    if not files:
        return Block("")
    measures = {name for one in files for name in one.measures}
    title = wording.downloads.missing_title(len(findings.enforced_unjudged(monthly)), len(measures), len(files))
    return Block(rendered("missing.html.j2", title=title, files=[wording.downloads.row(*one) for one in files]))


def advised(monthly: Monthly) -> list[Advice]:
    """The files to get for the enforced measures of a report, those that cannot be judged first."""
    return advice(findings.verdict(monthly).needs(), monthly.marketplace)


def titles(monthly: Monthly) -> list[str]:
    """The files to get for the enforced measures that cannot be judged."""
    found = findings.verdict(monthly)
    return [one.title for one in advice(found.needs(found.enforced_unjudged), monthly.marketplace) if one.kind]


def first(monthly: Monthly, wrong: Measure | None) -> Sentence | None:
    """Which file to get first: one that names the orders of a measure, or the first that is missing; None for none."""
    found = findings.verdict(monthly)
    some = None
    if wrong is not None:
        key = wrong.metric, wrong.channel, wrong.window
        some = [one for one in found.measures if (one.metric, one.channel, one.window) == key]
    files = [one for one in advice(found.needs(some), monthly.marketplace) if one.kind]
    if not files:
        return None
    best = next((one for one in files if not one.by_hand), files[0])
    return wording.downloads.first_step(
        best.title, best.menu, best.report_type, best.evidence, best.by_hand, best.ranges
    )
