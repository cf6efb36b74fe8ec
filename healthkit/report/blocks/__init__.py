"""HTML blocks of the monthly report and the index, and the page that holds them; each shows one thing.

A block is made from a `Monthly` (one account) or a `Portfolio` (all of them), carries its charts beside its HTML,
and shows itself in a notebook. What came from a file is escaped by the templates.
"""

from healthkit.report.blocks.account import account_state, buyer_messages
from healthkit.report.blocks.beside import reconciliation
from healthkit.report.blocks.block import HtmlBlock
from healthkit.report.blocks.findings import Measure, measures
from healthkit.report.blocks.missing_files import files_to_download
from healthkit.report.blocks.outputs import output_html
from healthkit.report.blocks.page_html import code_details, html_page, page_styles
from healthkit.report.blocks.portfolio import PortfolioPage, portfolio_index, portfolio_row
from healthkit.report.blocks.report import measure_chapters, rules_in_force, scorecard, verdict, verdict_lines

__all__ = [
    "HtmlBlock",
    "Measure",
    "PortfolioPage",
    "account_state",
    "buyer_messages",
    "code_details",
    "files_to_download",
    "html_page",
    "measure_chapters",
    "measures",
    "output_html",
    "page_styles",
    "portfolio_index",
    "portfolio_row",
    "reconciliation",
    "rules_in_force",
    "scorecard",
    "verdict",
    "verdict_lines",
]
