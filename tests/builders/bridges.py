"""A bridge between two rates, made from its numbers."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pandas as pd

from healthkit.analysis import explain
from healthkit.metrics import policy


def bridged(
    counted: tuple[int, int], at_fault: tuple[int, int], *moved: int, metric: str = "order_defect_rate", **asked: Any
) -> explain.Bridge:
    """A bridge from 30 September to 31 October; `moved` are how many left, were removed, learnt late and are new."""
    rule = policy.Rule(
        policy="made_up", metric=metric, since=date(2017, 6, 21), channels=("seller",), source="Help page", sure="A",
        **({"windows": (60,), "lag": 15, "below": "1/100"} | asked),
    )  # fmt: skip
    (before, after), (was, now) = counted, at_fault
    left, removed, late, new = moved
    assert was - left - removed + late + new == now
    few = rule.target is None or rule.target.lower_is_better
    sign = 1 if few else -1
    each = sign * (Fraction(1, before) + Fraction(1, after)) / 2
    changes = dict(zip(explain.BRIDGE_STEPS, (-left, -removed, late, new), strict=False))
    steps = [explain.BridgeStep(kind, n, n * each) for kind, n in changes.items()]
    steps.append(
        explain.BridgeStep("orders", 0, -sign * Fraction(was + now, 2) * Fraction(after - before, before * after))
    )
    ends = (
        explain.DayCount(date(2026, 9, 30), date(2026, 7, 18), date(2026, 9, 15), before, was),
        explain.DayCount(date(2026, 10, 31), date(2026, 8, 18), date(2026, 10, 16), after, now),
    )
    flow = 1200 + max(0, after - before), 1200 + max(0, before - after)
    return explain.Bridge(rule, "seller", rule.windows[0], *ends, *flow, tuple(steps), pd.DataFrame(), few)
