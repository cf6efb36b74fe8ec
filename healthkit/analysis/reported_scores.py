"""The marketplace's own figures as SCORES (case `amazon`): on each day, the newest figure reported by then.

A figure has its own days, target and condition, which take precedence over the policy file. Its status is the worse of
the marketplace's word and the status of its number: a figure called good that misses its own target is off target
(`READINGS.contradiction` says so), and a figure with an unknown word is judged by its number.
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

from healthkit.metrics.policy import Policy, PolicyError, Rule, Target, judge, judge_points, worse_status
from healthkit.schema import tables
from healthkit.schema.days import Days, to_days
from healthkit.schema.tables import WHOLE_ACCOUNT, Ledger, collect_to_pandas, records

_Row = dict[str, Any]
_KEYS = ("account", "marketplace", "metric", "channel", "window")


def reported_scores(ledger: Ledger, days: Days, policies: Mapping[str, Policy] | None = None) -> pd.DataFrame:
    """Return SCORES of the figures that the marketplace reported, as known on each of the given days.

    One row for each day, account, marketplace, channel, metric and window, from the first report on. `rule` names the
    day of the report. Open violations of all categories together are the metric `policy_violations` in the channel
    `all`. With `policies` (by marketplace), figures are also judged by the rules in force on the day of the report:
    the share that is at risk, the smallest number that is judged, and the points of a rating.
    """
    return scores_on_days(read_history(ledger, policies), days)


def read_history(ledger: Ledger, policies: Mapping[str, Policy] | None = None) -> list[list[_Row]]:
    """Return the figures that the marketplace reported, judged as in `reported_scores`: a list for each measure."""
    history: dict[tuple[Any, ...], list[_Row]] = {}
    for row in sorted([*_reading_rows(ledger, policies or {}), *_violation_rows(ledger)], key=_sort_key):
        history.setdefault(tuple(row[name] for name in _KEYS), []).append(row)
    return list(history.values())


def scores_on_days(history: Iterable[list[_Row]], days: Days) -> pd.DataFrame:
    """Return the table of `reported_scores` from the figures of `read_history`."""
    as_of_days, scores = to_days(days), []
    for rows in history:
        report_days = [row["reported_on"] for row in rows]
        for as_of in as_of_days:
            newest = bisect_right(report_days, as_of) - 1
            if newest >= 0:
                scores.append(rows[newest] | {"as_of": as_of, "rule": f"reported@{report_days[newest]}"})
    return _scores_table(scores)


def combine_scores(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Combine our SCORES and the marketplace's in one table.

    The two figures of a measure are adjacent, ours first.
    """
    rows = pd.concat([table for table in (ours, theirs) if len(table)] or [ours], ignore_index=True)
    position = rows["metric"].map(list(tables.METRIC_IDS).index)
    keys = ["as_of", "account", "marketplace", "position", "channel", "window", "case"]
    rows = rows.assign(position=position).sort_values(keys, ascending=[True] * 6 + [False], ignore_index=True)
    return rows.drop(columns="position")


def _sort_key(row: _Row) -> tuple[Any, ...]:
    """Return the sort key of a figure: its measure, the day of its report, its first day."""
    return tuple(row[name] for name in _KEYS), row["reported_on"], row["first_day"]


def _reading_rows(ledger: Ledger, policies: Mapping[str, Policy]) -> Iterator[_Row]:
    """Yield READINGS as rows of SCORES with the day of their report."""
    for reading in records(collect_to_pandas(ledger.readings)):
        row = reading | {
            "reported_on": reading["as_of"], "window": max(1, (reading["last_day"] - reading["first_day"]).days + 1),
            "value": _score_or_hours(reading["parts"]), "counted": int(reading["counted"] or 0),
            "at_fault": int(reading["at_fault"] or 0),
            "side": "at most" if reading["side"] == "exactly" else reading["side"],
        }  # fmt: skip
        rule = _rule_in_force(policies.get(row["marketplace"]), row)
        if rule is not None and rule.target is not None and row["target"] is None and row["status"] is None:
            row |= {"target": float(rule.target.share), "side": rule.target.side}
        by_number = _status_of_number(row, reading, rule)
        yield row | {"status": worse_status(tables.STATUS_WORDS.get(row["status"], "no data"), by_number)}


def _rule_in_force(policy: Policy | None, row: _Row) -> Rule | None:
    """Return the rule for the metric of a figure on the day of its report; None if there is none."""
    if policy is None:
        return None
    try:
        rules = policy.rules_in_force(row["as_of"])
    except PolicyError:
        return None
    rules = [rule for rule in rules if rule.metric == row["metric"]]
    return next((rule for rule in rules if row["channel"] in (WHOLE_ACCOUNT, *rule.channels)), None)


def _status_of_number(row: _Row, reading: _Row, rule: Rule | None) -> str:
    """Return the status of a figure by its own target; "no data" without a number or a target."""
    if row["value"] is not None and rule is not None and rule.points is not None:
        return str(judge_points(rule.points, np.array([row["value"]]))[0])
    if row["target"] is None or row["side"] is None:
        return "no data"
    target = Target(Fraction(str(row["target"])), row["side"])
    if row["counted"] and reading["at_fault"] is not None:
        counts = np.array([row["counted"]]), np.array([row["at_fault"]])
        if rule is None or rule.target is None:
            return str(target.judge(*counts)[0])
        target = replace(target, and_at_least=rule.target.and_at_least, while_under=rule.target.while_under)
        return str(judge(rule, *counts, target)[0])
    return "no data" if row["rate"] is None else target.judge_rate(row["rate"])


def _violation_rows(ledger: Ledger) -> Iterator[_Row]:
    """Yield the open violations that the marketplace reported, all categories together, one row for each report."""
    totals: dict[tuple[str, str, date], int] = {}
    for row in records(collect_to_pandas(ledger.violations.filter(nw.col("violation_id") == ""))):
        key = row["account"], row["marketplace"], row["opened_on"]
        totals[key] = totals.get(key, 0) + int(row["count"])
    for (account, marketplace, day), open_violations in totals.items():
        yield {
            "account": account, "marketplace": marketplace, "channel": WHOLE_ACCOUNT, "metric": "policy_violations",
            "reported_on": day, "first_day": day, "last_day": day, "window": 1, "counted": 1,
            "at_fault": open_violations, "rate": None, "value": float(open_violations),
            "target": 0.0, "side": "at most", "status": Target(Fraction(0), "at most").judge_rate(open_violations),
        }  # fmt: skip


def _score_or_hours(parts: Any) -> float | None:
    """Return the number shown instead of a rate (score of a rating, hours to an answer) from the JSON of `parts`."""
    values = json.loads(parts) if parts else {}
    return next((float(values[name]) for name in ("score", "average_hours") if values.get(name) is not None), None)


def _scores_table(rows: list[_Row]) -> pd.DataFrame:
    """Return rows as a table of the columns and types of SCORES."""
    defaults = {"case": "amazon", "headroom": None, "proxy": None}
    columns: dict[str, Any] = {}
    for name, column in tables.SCORES.columns.items():
        values = [row.get(name, defaults.get(name)) for row in rows]
        if column.kind == "day":
            columns[name] = np.array(values, dtype="datetime64[s]")
        elif column.kind == "share":
            columns[name] = np.array(values, dtype="float64")
        elif column.kind == "count":
            columns[name] = pd.array(values, dtype="Int64") if column.nullable else np.array(values, dtype="int64")
        else:
            columns[name] = pd.array(values, dtype="str")
    return pd.DataFrame(columns)
