"""Which group of orders carries the excess: a rate by product, carrier, place or weekday, each held against the rest.

A group stands out when the interval of its difference from the rest lies wholly on the bad side. The interval is
Newcombe's for two independent shares (hybrid score, Statistics in Medicine 17, 1998, method 10), at 95 % for all groups
of one kind together (Bonferroni), so that of many groups none stands out by mere number.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from statistics import NormalDist
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.explain.bridges import ExplainError
from healthkit.explain.evening import Evening, Seen
from healthkit.policy import Rule
from healthkit.tables import Column, Ledger, Table, collected

DRIVERS = Table(
    "drivers",
    "one group of orders held against the rest of them, in one measure as of a day",
    {
        "dimension": Column("text"), "group": Column("text"), "counted": Column("count"), "at_fault": Column("count"),
        "rate": Column("share"), "rest_counted": Column("count"), "rest_at_fault": Column("count"),
        "excess": Column("share"), "low": Column("share"), "high": Column("share"), "stands_out": Column("flag"),
    },
    ("dimension", "group"),
)  # fmt: skip
"""`rate` is the share at fault. `excess` is how many more are at fault than at the rest's rate, `low` and `high` its
interval. [orders] Of a `cause` there is no rest: its row says how many are at fault for it."""
DIMENSIONS = ("cause", "sku", "asin", "carrier", "ship_method", "country", "state", "reason", "weekday")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SURE = 0.95
"""How sure the intervals of all groups of one kind are together."""


def drivers(
    ledger: Ledger,
    rule: Rule,
    account: str,
    marketplace: str,
    channel: str,
    as_of: date,
    *,
    window: int | None = None,
) -> pd.DataFrame:
    """DRIVERS of one measure as displayed on a day, those with the largest excess first.

    An order of two products stands in the group of each. Kinds of groups of which the files tell nothing, or one group
    alone, are left out. Raises ExplainError where nothing counts that day.
    """
    length = window or rule.windows[0]
    last = as_of - timedelta(days=rule.lag)
    first = last - timedelta(days=length - 1)
    orders = Evening.of(ledger, rule, account, marketplace)
    seen = orders.seen(first, last, as_of, (channel,))
    if seen.n == 0:
        raise ExplainError(
            f"{account} has nothing that counts in {rule.metric} ({channel}) on {as_of}; choose another day."
        )
    weights = _weights(seen)
    pieces = [_by_cause(seen, weights)]
    for dimension, groups in _groups(ledger, orders, account, marketplace, set(weights.index)):
        pieces.append(_against_rest(dimension, groups, weights))
    rows = pd.concat([piece for piece in pieces if len(piece)] or pieces[:1], ignore_index=True)
    return rows.sort_values(
        ["stands_out", "excess"], ascending=False, kind="stable", na_position="last", ignore_index=True
    )


def _weights(seen: Seen) -> pd.DataFrame:
    """How much each order counts and is at fault, by order."""
    bad = seen.faults.groupby("order_id")["at_fault"].agg("max" if seen.joined else "sum")
    held = seen.counted.rename("counted").to_frame()
    return held.assign(at_fault=bad.reindex(held.index).fillna(0).astype("int64"))


def _by_cause(seen: Seen, weights: pd.DataFrame) -> pd.DataFrame:
    """How many are at fault for each cause, of all that are counted; an order with two causes stands with each."""
    each = seen.faults.drop_duplicates(["order_id", "cause"]) if seen.joined else seen.faults
    counts = each.groupby("cause")["at_fault"].sum()
    total = int(weights["counted"].sum())
    rows = [_row("cause", str(cause), total, int(bad)) for cause, bad in counts.items()]
    return pd.DataFrame(rows, columns=list(DRIVERS.columns))


def _row(dimension: str, group: str, counted: int, at_fault: int, **more: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("excess", "low", "high"), np.nan) | {
        "rest_counted": 0,
        "rest_at_fault": 0,
        "stands_out": False,
    }
    share = at_fault / counted if counted else np.nan
    return (
        {"dimension": dimension, "group": group, "counted": counted, "at_fault": at_fault, "rate": share}
        | nothing
        | more
    )


def _against_rest(dimension: str, groups: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """Each group of one kind against all orders that are not in it; only orders of which the files tell the group."""
    told = weights.loc[weights.index.isin(groups["order_id"])]
    sums = groups.join(told, on="order_id").groupby("group")[["counted", "at_fault"]].sum()
    if len(sums) < 2:
        return pd.DataFrame(columns=list(DRIVERS.columns))
    n, k = int(told["counted"].sum()), int(told["at_fault"].sum())
    sure = 1 - (1 - SURE) / len(sums)
    rows = []
    for group, counted, bad in zip(sums.index, sums["counted"], sums["at_fault"], strict=True):
        rest = {"rest_counted": n - int(counted), "rest_at_fault": k - int(bad)}
        rows.append(
            _row(dimension, str(group), int(counted), int(bad), **rest, **_excess(int(counted), int(bad), n, k, sure))
        )
    return pd.DataFrame(rows, columns=list(DRIVERS.columns))


def _excess(counted: int, at_fault: int, n: int, k: int, sure: float) -> dict[str, Any]:
    """How many more of a group are at fault than at the rest's rate, and between which numbers that surely lies."""
    if n == counted:
        return {}
    share, rest = at_fault / counted, (k - at_fault) / (n - counted)
    low, high = difference(at_fault, counted, k - at_fault, n - counted, sure)
    return {
        "excess": (share - rest) * counted, "low": low * counted, "high": high * counted, "stands_out": bool(low > 0),
    }  # fmt: skip


def wilson(at_fault: int, counted: int, sure: float = SURE) -> tuple[float, float]:
    """The score interval of one share (Wilson 1927).

    >>> tuple(round(end, 4) for end in wilson(56, 70))
    (0.6918, 0.877)
    """
    z = NormalDist().inv_cdf(0.5 + sure / 2)
    share, more = at_fault / counted, z * z / counted
    middle, far = share + more / 2, z * np.sqrt((share * (1 - share) + more / 4) / counted)
    # At none and at all at fault the ends are the share itself, which rounding may miss by the last digit.
    low, high = float((middle - far) / (1 + more)), float((middle + far) / (1 + more))
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def difference(bad: int, counted: int, other_bad: int, other_counted: int, sure: float = SURE) -> tuple[float, float]:
    """The interval of the difference of two independent shares (Newcombe 1998, method 10).

    >>> tuple(round(end, 4) for end in difference(56, 70, 48, 80))
    (0.0524, 0.3339)
    """
    share, other = bad / counted, other_bad / other_counted
    (low, high), (other_low, other_high) = wilson(bad, counted, sure), wilson(other_bad, other_counted, sure)
    gap = share - other
    below = np.sqrt((share - low) ** 2 + (other_high - other) ** 2)
    above = np.sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return float(gap - below), float(gap + above)


# -- which group an order is in -------------------------------------------------------------------------------


def _groups(
    ledger: Ledger, orders: Evening, account: str, marketplace: str, wanted: set[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """By kind of group: order_id and group, each pair once, of the orders that are wanted."""
    mine = (nw.col("account") == account) & (nw.col("marketplace") == marketplace)
    asked: list[tuple[str, Any, str]] = [
        *(("order_id", ledger.items, name) for name in ("sku", "asin")),
        *(("order_id", ledger.shipments, name) for name in ("carrier", "ship_method")),
        *(("order_id", ledger.orders, name) for name in ("country", "state", "ship_method")),
        *(("return_id", ledger.returns, name) for name in ("sku", "reason")),
    ]
    told: dict[str, pd.DataFrame] = {}
    for name, frame, dimension in asked:
        pairs = _pairs(frame.filter(mine & ~nw.col(dimension).is_null()), name, dimension, wanted)
        # An ASIN for each SKU and the other way round are the same groups under another name.
        again = dimension == "asin" and "sku" in told and _same(told["sku"], pairs)
        if dimension not in told and len(pairs) and not again:
            told[dimension] = pairs
            yield dimension, pairs
    clock = orders.counting.drop_duplicates("order_id")
    clock = clock[clock["order_id"].isin(wanted)]
    days = [WEEKDAYS[number] for number in clock["clock_day"].dt.day_of_week]
    yield "weekday", pd.DataFrame({"order_id": clock["order_id"].to_numpy(), "group": days})


def _same(pairs: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two kinds of groups part the orders in the same way."""
    both = pairs.merge(others, on="order_id")[["group_x", "group_y"]].drop_duplicates()
    return len(both) == pairs["group"].nunique() == others["group"].nunique()


def _pairs(frame: Any, name: str, column: str, wanted: set[str]) -> pd.DataFrame:
    """Orders and their group, each pair once."""
    if not wanted:
        return pd.DataFrame(columns=["order_id", "group"], dtype="str")
    asked = frame.filter(nw.col(name).is_in(list(wanted))).select(order_id=nw.col(name), group=nw.col(column))
    rows = collected(asked.unique())
    return rows.sort_values(["order_id", "group"], ignore_index=True)
