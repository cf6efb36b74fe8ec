"""Analyses of one account: reasons for a change, drivers, forecasts, scenarios, reconciliation and verdicts."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "account_view",
        "bridge",
        "drivers",
        "due_orders",
        "event_effects",
        "goals",
        "order_details",
        "ranking",
        "reconcile",
        "reported_scores",
        "rolloff",
        "simulation",
        "streaks",
        "verdicts",
        "what_if",
    ],
)
