"""Analyses of one account: why a rate moved, which orders carry it, what comes next, what if, and the verdict."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "account_view",
        "bridge",
        "drivers",
        "due_orders",
        "goals",
        "reconcile",
        "reported_scores",
        "rolloff",
        "simulation",
        "streaks",
        "verdicts",
        "what_if",
    ],
)
