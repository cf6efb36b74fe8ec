"""The marketplace's own figures as SCORES (case `amazon`): on each day the newest that it had given by then.

A figure carries its own days, target and condition; those win over the policy file. Its status is the worse of what the
marketplace calls it and what its number says: a figure that is called good and misses its own target is off target
(`READINGS.contradiction` says so), and an unknown word is judged by the number.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.metrics.policy import JUDGED_STATUSES, Policy, PolicyError, Rule, Target, judge, judge_points
from healthkit.schema import tables
from healthkit.schema.tables import WHOLE_ACCOUNT, Ledger, collect_to_pandas, records

_EXACTLY = "exactly"


def reported_scores(
    ledger: Ledger, days: date | Iterable[date], policies: Mapping[str, Policy] | None = None
) -> pd.DataFrame:
    """SCORES of the figures that the marketplace itself reported, as they stood on each of the days.

    One row a day, account, marketplace, channel, metric and window, from the first report on. `rule` names the day of
    the report. Open violations stand as the metric `policy_violations` in the channel `all`, all categories together.
    With the `policies` of the marketplaces, figures are judged by the rules of their day as well: from which share on
    one is at risk, from how many on it is judged, and the points of a rating.
    """
    asked = [days] if isinstance(days, date) else sorted(set(days))
    history: dict[tuple[Any, ...], list[_Row]] = {}
    for row in sorted([*_reading_rows(ledger, policies or {}), *_violation_rows(ledger)], key=_sort_key):
        history.setdefault(tuple(row[name] for name in _KEYS), []).append(row)
    made = []
    for rows in history.values():
        told = [row["reported_on"] for row in rows]
        for as_of in asked:
            newest = bisect_right(told, as_of) - 1
            if newest >= 0:
                made.append(rows[newest] | {"as_of": as_of, "rule": f"reported@{told[newest]}"})
    return _scores_table(made)


def combine_scores(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """SCORES of ours and of the marketplace's own: the two figures of a measure stand together."""
    rows = pd.concat([one for one in (ours, theirs) if len(one)] or [ours], ignore_index=True)
    place = rows["metric"].map(list(tables.METRIC_IDS).index)
    keys = ["as_of", "account", "marketplace", "place", "channel", "window", "case"]
    ordered = rows.assign(place=place).sort_values(keys, ascending=[True] * 6 + [False], ignore_index=True)
    return ordered.drop(columns="place")


_Row = dict[str, Any]
_KEYS = ("account", "marketplace", "metric", "channel", "window")


def _sort_key(row: _Row) -> tuple[Any, ...]:
    """Where a figure stands: by what it is of, then by the day of its report, of one day by the days it covers."""
    return tuple(row[name] for name in _KEYS), row["reported_on"], row["first_day"]


def _reading_rows(ledger: Ledger, policies: Mapping[str, Policy]) -> Iterator[_Row]:
    """READINGS as rows of SCORES, each with the day of its report."""
    for row in records(collect_to_pandas(ledger.readings)):
        made = row | {
            "reported_on": row["as_of"], "window": max(1, (row["last_day"] - row["first_day"]).days + 1),
            "value": _score_or_hours(row["parts"]), "counted": int(row["counted"] or 0),
            "at_fault": int(row["at_fault"] or 0),
            "side": "at most" if row["side"] == _EXACTLY else row["side"],
        }  # fmt: skip
        by_number = _status_of_number(made, row, _rule_in_force(policies.get(row["marketplace"]), row))
        yield made | {"status": worse_status(tables.STATUS_WORDS.get(row["status"], "no data"), by_number)}


def _rule_in_force(policy: Policy | None, row: _Row) -> Rule | None:
    """The rule in force on the day of a figure that asks for its metric; None where there is none."""
    if policy is None:
        return None
    try:
        rules = policy.on(row["as_of"])
    except PolicyError:
        return None
    fits = [rule for rule in rules if rule.metric == row["metric"]]
    return next((rule for rule in fits if row["channel"] in (WHOLE_ACCOUNT, *rule.channels)), None)


def _status_of_number(scores_row: _Row, row: _Row, rule: Rule | None) -> str:
    """The status that the number of one figure has by its own target; "no data" where it has no number or target."""
    if scores_row["value"] is not None and rule is not None and rule.points is not None:
        return str(judge_points(rule.points, np.array([scores_row["value"]]))[0])
    if row["target"] is None or scores_row["side"] is None:
        return "no data"
    target = Target(Fraction(str(row["target"])), scores_row["side"])
    if row["counted"] and row["at_fault"] is not None:
        counts = np.array([row["counted"]]), np.array([row["at_fault"]])
        if rule is None or rule.target is None:
            return "on target" if target.met(row["counted"], row["at_fault"]) else "off target"
        own = replace(target, and_at_least=rule.target.and_at_least, while_under=rule.target.while_under)
        return str(judge(rule, *counts, own)[0])
    if row["rate"] is None:
        return "no data"
    # One of a million stands for the count that is not given: the rate alone is compared.
    wrong = Fraction(str(row["rate"])) if target.lower_is_better else 1 - Fraction(str(row["rate"]))
    return "on target" if target.met(10**6, wrong * 10**6) else "off target"


def worse_status(first_status: str, second_status: str) -> str:
    """The worse of two statuses; of those that say nothing of a target, the one that does.

    >>> worse("on target", "off target"), worse("no data", "at risk"), worse("no data", "too few")
    ('off target', 'at risk', 'no data')
    """
    return next((status for status in JUDGED_STATUSES if status in (first_status, second_status)), first_status)


def _violation_rows(ledger: Ledger) -> Iterator[_Row]:
    """The counts of open violations that the marketplace gave, added up over its categories, by report."""
    sums: dict[tuple[str, str, date], int] = {}
    for row in records(collect_to_pandas(ledger.violations.filter(nw.col("violation_id") == ""))):
        key = row["account"], row["marketplace"], row["opened_on"]
        sums[key] = sums.get(key, 0) + int(row["count"])
    for (account, marketplace, on), many in sums.items():
        yield {
            "account": account, "marketplace": marketplace, "channel": WHOLE_ACCOUNT, "metric": "policy_violations",
            "reported_on": on, "first_day": on, "last_day": on, "window": 1, "counted": 1, "at_fault": many,
            "rate": None, "value": float(many), "target": 0.0, "side": "at most",
            "status": "off target" if many > 0 else "on target",
        }  # fmt: skip


def _score_or_hours(parts: Any) -> float | None:
    """The number that stands in place of a rate: the score of a rating, hours of an answer."""
    held = json.loads(parts) if parts else {}
    return next((float(held[name]) for name in ("score", "average_hours") if held.get(name) is not None), None)


def _scores_table(rows: list[_Row]) -> pd.DataFrame:
    """The columns and kinds of SCORES, which its check is the tests' to hold it to."""
    none = {"case": "amazon", "headroom": None, "proxy": None}
    made: dict[str, Any] = {}
    for name, column in tables.SCORES.columns.items():
        values = [none[name]] * len(rows) if name in none else [row[name] for row in rows]
        if column.kind == "day":
            made[name] = np.array(values, dtype="datetime64[s]")
        elif column.kind == "share":
            made[name] = np.array(values, dtype="float64")
        elif column.kind == "count":
            made[name] = pd.array(values, dtype="Int64") if column.nullable else np.array(values, dtype="int64")
        else:
            made[name] = pd.array(values, dtype="str")
    return pd.DataFrame(made)
