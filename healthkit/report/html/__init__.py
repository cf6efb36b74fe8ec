"""HTML of the monthly report and of the index of all accounts: blocks, and the page that contains them.

Functions take a `MonthlyReport` (one account) or a `PortfolioPage` (all accounts) and return an `HtmlBlock`: HTML with
its charts, which a notebook displays. The templates escape all text from imported files.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "account": ["account_state", "buyer_messages"],
        "block": ["HtmlBlock"],
        "missing_files": ["files_to_download"],
        "reconciliation": ["reconciliation"],
        "todo": ["what_to_do"],
        "report": ["measure_chapters", "rules_in_force", "scorecard", "verdict"],
    },
)
