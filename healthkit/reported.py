"""The marketplace's own figures as SCORES (case `amazon`): on each day the newest that it had given by then.

A figure carries its own days, target and condition; those win over the policy file. What it calls good may be off its
own target: both are kept, and `READINGS.contradiction` says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit import tables
from healthkit.tables import ALL, Ledger, collected

STATUSES = {
    "good": "on target", "bad": "off target", "great": "on target", "warned": "at risk", "fair": "at risk",
    "poor": "off target", "none": "no data", "normal": "on target", "at risk": "at risk", "deactivated": "off target",
    "healthy": "on target", "unhealthy": "off target", "critical": "off target",
}  # fmt: skip
"""The marketplace's words for where a measure stands, in ours."""
_EXACTLY = "exactly"


def reported(ledger: Ledger, days: date | Iterable[date]) -> pd.DataFrame:
    """SCORES of the figures that the marketplace itself reported, as they stood on each of the days.

    One row a day, account, marketplace, channel, metric and window, from the first report on. `rule` names the day of
    the report. Open violations stand as the metric `policy_violations` in the channel `all`, all categories together.
    """
    asked = [days] if isinstance(days, date) else sorted(set(days))
    given = pd.concat([_figures(ledger), _violations(ledger)], ignore_index=True)
    pieces = [_standing(given, as_of) for as_of in asked]
    rows = (
        pd.concat([piece for piece in pieces if len(piece)], ignore_index=True) if any(map(len, pieces)) else given[:0]
    )
    return tables.check(_typed(rows), tables.SCORES)


def _figures(ledger: Ledger) -> pd.DataFrame:
    """READINGS as rows of SCORES, each with the day of its report."""
    rows = collected(ledger.readings)
    window = (pd.to_datetime(rows["last_day"]) - pd.to_datetime(rows["first_day"])).dt.days + 1
    made = rows.assign(
        reported_on=rows["as_of"], window=window.clip(lower=1).astype("int64"), value=rows["parts"].map(_value)
    )
    counted = made["counted"].astype("float64").fillna(0).astype("int64")
    at_fault = made["at_fault"].astype("float64").fillna(0).astype("int64")
    status = made["status"].map(STATUSES).fillna("no data")
    side = made["side"].where(made["side"] != _EXACTLY, "at most")
    return made.assign(counted=counted, at_fault=at_fault, status=status, side=side)


def _violations(ledger: Ledger) -> pd.DataFrame:
    """The counts of open violations that the marketplace gave, added up over its categories, by report."""
    rows = collected(ledger.violations.filter(nw.col("violation_id") == ""))
    if rows.empty:
        return pd.DataFrame(columns=["account", "marketplace"])
    sums = rows.groupby(["account", "marketplace", "opened_on"], as_index=False)["count"].sum()
    many = sums["count"].astype("int64")
    return sums.assign(
        channel=ALL, metric="policy_violations", reported_on=sums["opened_on"], first_day=sums["opened_on"],
        last_day=sums["opened_on"], window=1, counted=1, at_fault=many, rate=np.nan, value=many.astype("float64"),
        target=0.0, side="at most", status=np.where(many > 0, "off target", "on target"),
    )  # fmt: skip


def _value(parts: Any) -> float:
    """The number that stands in place of a rate: the score of a rating, hours of an answer."""
    held = json.loads(parts) if isinstance(parts, str) and parts else {}
    return next((float(held[name]) for name in ("score", "average_hours") if held.get(name) is not None), np.nan)


def _standing(given: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """The newest figures by the evening of one day."""
    known = given[pd.to_datetime(given["reported_on"]) <= pd.Timestamp(as_of)]
    keys = ["account", "marketplace", "channel", "metric", "window"]
    newest = known.sort_values([*keys, "reported_on"]).drop_duplicates(keys, keep="last")
    return newest.assign(as_of=as_of, rule="reported@" + pd.to_datetime(newest["reported_on"]).dt.strftime("%Y-%m-%d"))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns and kinds of SCORES."""
    made = rows.assign(case="amazon", headroom=pd.array([pd.NA] * len(rows), dtype="Int64"), proxy=None)
    made = made.reindex(columns=list(tables.SCORES.columns))
    for name, column in tables.SCORES.columns.items():
        if column.kind == "day":
            made[name] = pd.to_datetime(made[name]).astype("datetime64[s]")
        elif column.kind == "share":
            made[name] = made[name].astype("float64")
        elif column.kind == "count" and not column.empty:
            made[name] = made[name].astype("int64")
        elif column.kind == "text":
            made[name] = made[name].astype("str").where(made[name].notna())
    order = ["account", "marketplace", "metric", "channel", "window", "as_of"]
    return made.sort_values(order, ignore_index=True)
