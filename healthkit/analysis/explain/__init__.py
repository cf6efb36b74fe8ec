"""Why a figure is what it is: why a rate moved, what carries its excess, how long it is off, and how far from Amazon's.

`bridge` parts the change of a rate between two days, `drivers` compares groups of orders with the rest, `standing`
says for how long a measure has been off target and what follows from it, `reconcile` lays our counts beside the
marketplace's.
"""

from healthkit.analysis.explain.group_comparison import DRIVERS, drivers
from healthkit.analysis.explain.rate_bridge import STEPS, Bridge, Count, ExplainError, Step, bridge, largest_remainder
from healthkit.analysis.explain.reconciliation import DIFFERENCES, Difference, Reconciled, reconcile
from healthkit.analysis.explain.streaks import Standing, standing, standing_of

__all__ = [
    "DIFFERENCES",
    "DRIVERS",
    "STEPS",
    "Bridge",
    "Count",
    "Difference",
    "ExplainError",
    "Reconciled",
    "Standing",
    "Step",
    "bridge",
    "drivers",
    "largest_remainder",
    "reconcile",
    "standing",
    "standing_of",
]
