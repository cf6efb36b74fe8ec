"""Why a figure is what it is: why a rate moved, what carries its excess, how long it is off, and how far from Amazon's.

`bridge` parts the change of a rate between two days, `drivers` compares groups of orders with the rest, `standing`
says for how long a measure has been off target and what follows from it, `reconcile` lays our counts beside the
marketplace's.
"""

from healthkit.analysis.explain.group_comparison import DRIVERS, drivers
from healthkit.analysis.explain.rate_bridge import (
    BRIDGE_STEPS,
    Bridge,
    BridgeStep,
    DayCount,
    ExplainError,
    bridge,
    largest_remainder,
)
from healthkit.analysis.explain.reconciliation import DIFFERENCES, Difference, Reconciliation, reconcile
from healthkit.analysis.explain.streaks import Streak, find_streak, find_streak_in_days

__all__ = [
    "BRIDGE_STEPS",
    "DIFFERENCES",
    "DRIVERS",
    "Bridge",
    "BridgeStep",
    "DayCount",
    "Difference",
    "ExplainError",
    "Reconciliation",
    "Streak",
    "bridge",
    "drivers",
    "find_streak",
    "find_streak_in_days",
    "largest_remainder",
    "reconcile",
]
