"""Compare groups of orders (by product, carrier, place, weekday) with the rest, to find an excess of faults.

A group stands out when the whole confidence interval of its difference from the rest is on the bad side. The interval
is Newcombe's for two independent shares (hybrid score, Statistics in Medicine 17, 1998, method 10), at 95 % for all
groups of one dimension together (Bonferroni correction), so that a large number of groups does not make one stand out
by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from statistics import NormalDist
from typing import NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.analysis.bridge import ExplainError, require_rate
from healthkit.analysis.orders_on_day import DaySnapshot, OrderTimeline
from healthkit.metrics.policy import Rule
from healthkit.schema.object_cache import cache_on_first_argument
from healthkit.schema.tables import Column, Ledger, Table, collect_to_pandas

DRIVERS = Table(
    "drivers",
    "one group of orders compared with the rest of them, in one measure as of a day",
    {
        "dimension": Column("text"), "group": Column("text"), "counted": Column("count"), "at_fault": Column("count"),
        "rate": Column("share"), "rest_counted": Column("count"), "rest_at_fault": Column("count"),
        "excess": Column("share"), "low": Column("share"), "high": Column("share"), "stands_out": Column("flag"),
    },
    ("dimension", "group"),
)  # fmt: skip
"""`excess` is how many more orders are at fault than at the rate of the rest. [orders]

`rate` is the share at fault. `low` and `high` bound the interval of `excess`. A `cause` has no rest: its row says how
many orders are at fault for it.
"""
DIMENSIONS = ("cause", "sku", "asin", "carrier", "ship_method", "country", "state", "reason", "weekday")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CONFIDENCE = 0.95
"""The confidence level of the intervals of all groups of one dimension together."""


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
    """Return DRIVERS for one measure on a day: a comparison of each group of orders with the rest.

    Groups that stand out come first, then those with the largest excess. An order of two products is in the group of
    each. Dimensions without data, or with a single group, are left out. Raises ExplainError where nothing counts on
    that day, and for a metric that is not a rate.
    """
    require_rate(rule.metric)
    length = window or rule.windows[0]
    last = as_of - timedelta(days=rule.lag)
    first = last - timedelta(days=length - 1)
    timeline = OrderTimeline.from_ledger(ledger, rule, account, marketplace)
    snapshot = timeline.snapshot_on(first, last, as_of, (channel,))
    if snapshot.total_counted == 0:
        raise ExplainError(
            f"{account} has nothing that counts in this measure ({channel}) on {as_of}; choose another day."
        )
    counted, at_fault = snapshot.counted_by_order, np.where(snapshot.is_counted, snapshot.at_fault_by_order, 0)
    pieces = [_cause_rows(snapshot)]
    for dimension, groups in _groups_by_dimension(ledger, timeline, account, marketplace, snapshot.is_counted):
        pieces.append(_compare_with_rest(dimension, groups, counted, at_fault))
    rows = [piece for piece in pieces if len(piece["group"])] or pieces[:1]
    table = pd.DataFrame({name: np.concatenate([piece[name] for piece in rows]) for name in DRIVERS.columns})
    return table.sort_values(
        ["stands_out", "excess"], ascending=False, kind="stable", na_position="last", ignore_index=True
    )


_Columns = dict[str, np.ndarray]


def _driver_rows(
    dimension: str, groups: np.ndarray, counted: np.ndarray, at_fault: np.ndarray, **more: np.ndarray
) -> _Columns:
    """Return the groups of one dimension as columns of DRIVERS; missing columns are filled with nothing."""
    size = len(groups)
    share = np.divide(at_fault, counted, out=np.full(size, np.nan), where=counted > 0)
    nothing = dict.fromkeys(("excess", "low", "high"), np.full(size, np.nan))
    none = dict.fromkeys(("rest_counted", "rest_at_fault"), np.zeros(size, dtype=np.int64))
    made = {"dimension": np.full(size, dimension, dtype=object), "group": groups.astype(object)}
    made |= {"counted": counted, "at_fault": at_fault, "rate": share}
    return made | nothing | none | {"stands_out": np.zeros(size, dtype=bool)} | more


def _cause_rows(snapshot: DaySnapshot) -> _Columns:
    """Count the orders at fault for each cause; an order with two causes is in both."""
    rows, size = snapshot.faults, len(snapshot.causes)
    order, cause, weight = (rows.order, rows.cause, rows.weight)
    if snapshot.order_counts_once:
        _, once = np.unique(order * max(1, size) + cause, return_index=True)
        cause, weight = cause[once], weight[once]
    counts = np.bincount(cause, weight, size).astype(np.int64)
    there = np.unique(cause)
    total = np.full(there.size, snapshot.total_counted)
    return _driver_rows("cause", np.array(snapshot.causes, dtype=object)[there], total, counts[there])


def _compare_with_rest(dimension: str, groups: GroupMembership, counted: np.ndarray, at_fault: np.ndarray) -> _Columns:
    """Compare each group of one dimension with the other orders whose group is known."""
    grouped = np.unique(groups.order)
    total_counted, total_at_fault = int(counted[grouped].sum()), int(at_fault[grouped].sum())
    each, bad = (
        np.bincount(groups.group, weight[groups.order], len(groups.names)).astype(np.int64)
        for weight in (counted, at_fault)
    )
    there = np.unique(groups.group)
    if there.size < 2:
        return _driver_rows(dimension, *(np.zeros(0, dtype=np.int64),) * 3)
    each, bad = each[there], bad[there]
    rest, rest_bad = total_counted - each, total_at_fault - bad
    # Where each order is in the group there is no rest to hold it against.
    some = (rest > 0) & (each > 0)
    excess, low, high = (np.full(there.size, np.nan) for _ in range(3))
    gap = _newcombe_intervals(bad[some], each[some], rest_bad[some], rest[some], 1 - (1 - CONFIDENCE) / there.size)
    excess[some], low[some], high[some] = (each[some] * end for end in gap)
    return _driver_rows(
        dimension, groups.names[there], each, bad, rest_counted=rest, rest_at_fault=rest_bad, excess=excess, low=low,
        high=high, stands_out=low > 0,
    )  # fmt: skip


def wilson_interval(at_fault: int, counted: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the bounds of the score interval of the share at fault (Wilson 1927).

    >>> tuple(round(end, 4) for end in wilson_interval(56, 70))
    (0.6918, 0.877)
    """
    low, high = _wilson_intervals(np.array([at_fault]), np.array([counted]), confidence)
    return float(low[0]), float(high[0])


def newcombe_interval(
    at_fault: int, counted: int, other_at_fault: int, other_counted: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the bounds of the interval of the difference of two shares (Newcombe 1998, method 10).

    >>> tuple(round(end, 4) for end in newcombe_interval(56, 70, 48, 80))
    (0.0524, 0.3339)
    """
    first, second, third, fourth = (np.array([value]) for value in (at_fault, counted, other_at_fault, other_counted))
    _, low, high = _newcombe_intervals(first, second, third, fourth, confidence)
    return float(low[0]), float(high[0])


def _wilson_intervals(at_fault: np.ndarray, counted: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, more = at_fault / counted, z * z / counted
    middle, far = share + more / 2, z * np.sqrt((share * (1 - share) + more / 4) / counted)
    # At none and at all at fault the ends are the share itself, which rounding may miss by the last digit.
    low, high = (middle - far) / (1 + more), (middle + far) / (1 + more)
    return np.maximum(0.0, np.minimum(low, share)), np.minimum(1.0, np.maximum(high, share))


def _newcombe_intervals(
    at_fault: np.ndarray, counted: np.ndarray, other_at_fault: np.ndarray, other_counted: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the differences of two shares, and the lower and upper bounds of their intervals."""
    share, other = at_fault / counted, other_at_fault / other_counted
    (low, high), (other_low, other_high) = (
        _wilson_intervals(at_fault, counted, confidence),
        _wilson_intervals(other_at_fault, other_counted, confidence),
    )
    gap = share - other
    below = np.sqrt((share - low) ** 2 + (other_high - other) ** 2)
    above = np.sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return gap, gap - below, gap + above


# -- which group an order is in -------------------------------------------------------------------------------


class GroupMembership(NamedTuple):
    """The assignment of orders to the groups of one dimension.

    `names` are the sorted names of the groups; `order` and `group` are pairs of positions, each pair once.
    """

    names: np.ndarray
    order: np.ndarray
    group: np.ndarray


GROUP_COLUMNS = (
    ("items", "order_id", ("sku", "asin")),
    ("shipments", "order_id", ("carrier", "ship_method")),
    ("orders", "order_id", ("country", "state", "ship_method")),
    ("returns", "return_id", ("sku", "reason")),
)
"""The sources of groups: the table, the column of the order id, and the columns whose values name groups."""


def _groups_by_dimension(
    ledger: Ledger, timeline: OrderTimeline, account: str, marketplace: str, is_counted: np.ndarray
) -> Iterator[tuple[str, GroupMembership]]:
    """Yield each dimension with the groups of the orders that count."""
    names = pd.Index(timeline.ids)
    memberships: dict[str, GroupMembership] = {}
    for table, name, columns in GROUP_COLUMNS:
        rows = _rows_of_table(ledger, table, name, columns, account, marketplace)
        place = names.get_indexer(rows[name])
        inside = (place >= 0) & is_counted[place]
        for dimension in columns:
            if dimension in memberships:
                continue
            known = inside & rows[dimension].notna().to_numpy()
            groups = _membership(place[known], rows[dimension][known])
            # An ASIN for each SKU and the other way round are the same groups under another name.
            repeats_sku = dimension == "asin" and "sku" in memberships and _are_same_groups(rows[known])
            if len(groups.order) and not repeats_sku:
                memberships[dimension] = groups
                yield dimension, groups
    rows = timeline.counting
    first = np.full(len(names), -1)
    first[rows.order[::-1]] = rows.clock[::-1]
    at = np.flatnonzero(is_counted & (first >= 0))
    # Day 0, the first of 1970, was a Thursday.
    yield "weekday", _membership(at, pd.Series(np.array(WEEKDAYS, dtype=object)[(first[at] + 3) % 7]))


@cache_on_first_argument()
def _rows_of_table(
    ledger: Ledger, table: str, id_column: str, columns: tuple[str, ...], account: str, marketplace: str
) -> pd.DataFrame:
    """Return the order ids and group names in one table of an account; cached, because each measure needs them."""
    of_account = (nw.col("account") == account) & (nw.col("marketplace") == marketplace)
    rows = collect_to_pandas(getattr(ledger, table).filter(of_account).select(id_column, *columns).unique())
    return rows.astype(object)


def _are_same_groups(lines: pd.DataFrame) -> bool:
    """Return whether SKU and ASIN divide the orders in the same way."""
    both = lines[["sku", "asin"]].dropna().drop_duplicates()
    return len(both) == both["sku"].nunique() == both["asin"].nunique()


def _membership(order: np.ndarray, names: pd.Series) -> GroupMembership:
    """Return the pairs of order and group, each once."""
    codes, groups = pd.factorize(names.to_numpy(dtype=object), sort=True)
    size = max(1, len(groups))
    both = np.unique(order.astype(np.int64) * size + codes)
    return GroupMembership(np.asarray(groups, dtype=object), both // size, both % size)
