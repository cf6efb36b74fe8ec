"""HTML blocks of the monthly report and the index, and the page that holds them; each shows one thing.

A block is made from a `Monthly` (one account) or a `Portfolio` (all of them), carries its charts beside its HTML,
and shows itself in a notebook. What came from a file is escaped by the templates.
"""

from healthkit.report.blocks.account import account_state, contacts
from healthkit.report.blocks.beside import reconciled
from healthkit.report.blocks.block import Block
from healthkit.report.blocks.findings import Measure, measures
from healthkit.report.blocks.missing_files import missing
from healthkit.report.blocks.outputs import output_html
from healthkit.report.blocks.page_html import code, page, style
from healthkit.report.blocks.portfolio import Portfolio, index, portfolio_row
from healthkit.report.blocks.report import chapters, rules, scorecard, verdict, verdict_lines

__all__ = [
    "Block",
    "Measure",
    "Portfolio",
    "account_state",
    "chapters",
    "code",
    "contacts",
    "index",
    "measures",
    "missing",
    "output_html",
    "page",
    "portfolio_row",
    "reconciled",
    "rules",
    "scorecard",
    "style",
    "verdict",
    "verdict_lines",
]
