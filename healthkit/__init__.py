"""healthkit: account health of marketplace sellers, exact to the last order.

The verbs that a notebook needs, loaded when first used:

>>> import healthkit as hk
>>> hk.marketplace("DE").title
'Amazon Germany'
"""

import logging

import lazy_loader as lazy

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "analysis",
        "cli",
        "files",
        "ingest",
        "metrics",
        "press",
        "report",
        "schema",
        "store",
        "widgets",
        "workspace",
    ],
    submod_attrs={
        "analysis": ["explain", "outlook", "reported", "verdicts", "whatif"],
        "cli": ["doctor"],
        "ingest": ["downloads", "intake"],
        "metrics": ["evidence", "exposure", "policy", "scores"],
        "metrics.policy": ["load", "for_marketplaces"],
        "metrics.scores": ["days_of", "score", "orders_at_fault"],
        "files": ["shipped"],
        "press": ["cluster"],
        "report": ["blocks", "charts", "monthly", "wording"],
        "report.monthly": ["Monthly", "accounts_in", "last_day_of", "open_month"],
        "schema": ["tables"],
        "schema.marketplaces": ["marketplace"],
        "widgets": ["open_desk", "portfolio", "setup", "what_changed", "what_if", "where_i_stand"],
        "workspace": ["desk", "excerpt", "removal"],
        "workspace.desk": ["Desk"],
    },
)
