"""Count for how many days in a row a measure has been off target, and find the consequence that its rule states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from healthkit.analysis.bridge import ExplainError
from healthkit.metrics.policy import UNKNOWN_STATUSES, Rule, Stage
from healthkit.metrics.scores import day_numbers


@dataclass(frozen=True)
class Streak:
    """The days in a row on which a measure has been off target, and the stage of consequences reached.

    `days` is 0 on target. `may_be_longer` says that the history begins off target, or that the day before could not be
    judged because files are missing. `stage` is None where the rule's source states no consequence.
    """

    days: int
    since: date | None
    may_be_longer: bool
    stage: Stage | None
    source: str


def find_streak(daily: pd.DataFrame, rule: Rule) -> Streak:
    """Return the streak on the last day of a history of one measure and window.

    `daily` are rows of SCORES, one row per day. A day without a verdict (no data, too few, short history) ends a
    streak. The stage is the last one of the rule whose number of days is reached. Raises ExplainError for rows of
    several measures, or for none.
    """
    key = daily[["account", "marketplace", "channel", "metric"]].drop_duplicates()
    if len(key) != 1 or daily["as_of"].duplicated().any():
        raise ExplainError(
            f"A streak needs one measure and window with one row per day; the rows have {len(key)} measures."
        )
    rows = daily.sort_values("as_of")
    return find_streak_in_days(day_numbers(rows["as_of"]), rows["status"].to_numpy(), rule)


def find_streak_in_days(days: np.ndarray, statuses: np.ndarray, rule: Rule) -> Streak:
    """Return the streak on the last of the given day numbers, by the status of each day.

    >>> from healthkit.metrics.policy_files import load_policy
    >>> rule = load_policy("amazon_us").rules[0]
    >>> find_streak_in_days(np.array([20391, 20392]), np.array(["on target", "off target"]), rule).since
    datetime.date(2025, 10, 31)
    >>> find_streak_in_days(np.array([20391, 20392]), np.array(["short history", "off target"]), rule).may_be_longer
    True
    """
    is_off_target = statuses == "off target"
    broken = ~is_off_target[::-1] | (days[::-1] != days[-1] - np.arange(days.size))
    run = int(broken.argmax()) if broken.any() else days.size
    since = date.fromordinal(_EPOCH_ORDINAL + int(days[-run])) if run else None
    reached = [stage for stage in rule.stages if stage.days <= run]
    may_be_longer = run == days.size or (run > 0 and statuses[-run - 1] in UNKNOWN_STATUSES)
    return Streak(run, since, may_be_longer, max(reached, key=lambda one: one.days, default=None), rule.source)


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
