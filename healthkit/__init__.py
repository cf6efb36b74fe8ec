"""healthkit: account health of marketplace sellers, exact to the last order.

The verbs that a notebook needs, loaded when first used:

>>> import healthkit as hk
>>> hk.find_marketplace("DE").title
'Amazon Germany'
"""

import logging

import lazy_loader as lazy

from healthkit.files.deferred_imports import defer_iri_grammar

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())
defer_iri_grammar()

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "analysis",
        "batch",
        "cli",
        "files",
        "ingest",
        "metrics",
        "panels",
        "report",
        "schema",
        "store",
        "workspace",
    ],
    submod_attrs={
        "analysis": ["bridge", "due_orders", "reported_scores", "rolloff", "verdicts"],
        "cli": ["doctor"],
        "ingest": ["downloads", "importer"],
        "metrics": ["counts", "evidence", "policy", "policy_files", "scores"],
        "metrics.policy_files": ["load_policies", "load_policy"],
        "metrics.scores": ["list_days", "score", "orders_at_fault"],
        "files": ["package_files"],
        "batch": ["cluster"],
        "report": ["charts", "model", "todo_list"],
        "report.model": ["MonthlyReport", "accounts_to_report", "last_day_of_month", "open_report"],
        "schema": ["tables"],
        "schema.marketplaces": ["find_marketplace"],
        "panels": ["open_workspace", "portfolio", "setup", "what_changed", "what_if", "where_i_stand"],
        "workspace": ["Workspace", "removal", "snapshot"],
    },
)
