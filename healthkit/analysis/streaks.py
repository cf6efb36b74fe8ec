"""For how long a measure has been off target, and what follows from it as far as the rule's own text says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from healthkit.analysis.bridge import ExplainError
from healthkit.metrics.policy import Rule, Stage
from healthkit.metrics.scores import day_numbers


@dataclass(frozen=True)
class Streak:
    """Where one measure stands: days in a row off target, since when, and the stage that the rule describes for it.

    `days` is 0 where it is not off target. `at_least` says that the history given begins off target, so that it may be
    longer. `stage` is None where the rule's source says nothing of what follows.
    """

    days: int
    since: date | None
    at_least: bool
    stage: Stage | None
    source: str


def find_streak(daily: pd.DataFrame, rule: Rule) -> Streak:
    """The standing on the last day of a history: SCORES of one measure and window, one row a day.

    A day without a verdict (no data, too few, short history) breaks the row. The stage is the last of the rule's that
    holds from so many days on; what a rule only fears is never said as if it had happened. Raises ExplainError for rows
    of several measures or for none.
    """
    key = daily[["account", "marketplace", "channel", "metric"]].drop_duplicates()
    if len(key) != 1 or daily["as_of"].duplicated().any():
        raise ExplainError(
            f"A standing is told of one measure and window, one row a day; there are {len(key)} measures."
        )
    rows = daily.sort_values("as_of")
    return find_streak_in_days(day_numbers(rows["as_of"]), (rows["status"] == "off target").to_numpy(), rule)


def find_streak_in_days(days: np.ndarray, is_off_target: np.ndarray, rule: Rule) -> Streak:
    """The same of day numbers in order, and whether the measure was off target on each.

    >>> from healthkit.metrics.policy import load
    >>> standing_of(np.array([20391, 20392]), np.array([False, True]), load("amazon_us").rules[0]).since
    datetime.date(2025, 10, 31)
    """
    broken = ~is_off_target[::-1] | (days[::-1] != days[-1] - np.arange(days.size))
    run = int(broken.argmax()) if broken.any() else days.size
    since = date.fromordinal(_EPOCH_ORDINAL + int(days[-run])) if run else None
    reached = [stage for stage in rule.stages if stage.days <= run]
    return Streak(run, since, run == days.size, max(reached, key=lambda one: one.days, default=None), rule.source)


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
