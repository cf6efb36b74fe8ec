"""A made-up report of one month: rules, scores, faults and bridges, without a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from healthkit.analysis.bridge import Bridge
from healthkit.metrics.policy import Rule, judge
from healthkit.report.model import MonthlyReport
from healthkit.schema.tables import SCORES, check_table
from tests.builders.bridges import bridged

ACCOUNT = "Harbor <script>alert(1)</script>"
AS_OF, BEFORE = date(2026, 10, 31), date(2026, 9, 30)


def rule(metric: str, windows: tuple[int, ...], **asked: Any) -> Rule:
    """One rule of a made-up policy."""
    told = {"channels": ("seller",), "source": "Help page of the measure", "sure": "A"}
    return Rule(policy="made_up", metric=metric, since=date(2017, 6, 21), windows=windows, **(told | asked))


BOTH = ("seller", "amazon")
RULES = [
    rule("order_defect_rate", (60,), below="1/100", channels=BOTH, lag=15, consequence="Offers may be deactivated."),
    rule("negative_feedback_rate", (60,), channels=BOTH, lag=15, part_of="order_defect_rate"),
    rule("a_to_z_claim_rate", (60,), channels=BOTH, lag=15, part_of="order_defect_rate"),
    rule("chargeback_rate", (60,), channels=BOTH, lag=15, part_of="order_defect_rate"),
    rule("late_shipment_rate", (10, 30), below="4/100", clock="ship_by_on"),
    rule("cancellation_rate", (7,), below="25/1000", lag=1),
    rule("valid_tracking_rate", (30,), above="95/100", lag=10, clock="deliver_by_on"),
    rule("on_time_delivery_rate", (14,), at_least="90/100", lag=7, clock="deliver_by_on"),
    rule("unit_on_time_delivery_rate", (14,), at_least="90/100", lag=7, minimum=20, clock="deliver_by_on"),
    rule("refund_rate", (30,), sure="user"),
    rule("negative_review_rate", (60,), below="20/100", sure="I"),
]
# metric, channel, window: counted and at fault on the as-of day, a month before, and half a year before.
LEVELS = {
    ("order_defect_rate", "seller", 60): ((2498, 31), (2391, 14), (2300, 9)),
    ("negative_feedback_rate", "seller", 60): ((2498, 11), (2391, 7), (2300, 4)),
    ("a_to_z_claim_rate", "seller", 60): ((2498, 19), (2391, 5), (2300, 3)),
    ("chargeback_rate", "seller", 60): ((2498, 3), (2391, 2), (2300, 2)),
    ("order_defect_rate", "amazon", 60): ((1874, 5), (1800, 6), (1700, 6)),
    ("late_shipment_rate", "seller", 30): ((1262, 56), (1198, 25), (1150, 40)),
    ("late_shipment_rate", "seller", 10): ((424, 9), (410, 8), (400, 16)),
    ("cancellation_rate", "seller", 7): ((297, 7), (280, 3), (260, 3)),
    ("on_time_delivery_rate", "seller", 14): ((612, 36), (600, 30), (580, 25)),
    ("unit_on_time_delivery_rate", "seller", 14): ((7, 1), (6, 0), (0, 0)),
    ("refund_rate", "seller", 30): ((1262, 41), (1198, 36), (1150, 30)),
    ("negative_review_rate", "seller", 60): ((310, 20), (0, 0), (0, 0)),
    ("valid_tracking_rate", "seller", 30): ((0, 0), (0, 0), (0, 0)),
}


def score_row(key: tuple[str, str, int], counted: int, at_fault: int, day: date) -> dict[str, Any]:
    """One row of SCORES, judged as the real ones are."""
    metric, channel, window = key
    asked = next(held for held in RULES if held.metric == metric)
    status = judge(asked, np.array([counted]), np.array([at_fault]))[0]
    status = "short history" if metric == "negative_review_rate" else status
    side, share = (asked.target.side, float(asked.target.share)) if asked.target else (None, None)
    good = at_fault if asked.target is None or asked.target.lower_is_better else counted - at_fault
    last = day - timedelta(asked.lag)
    values = (
        "ours", ACCOUNT, "US", channel, metric, window, pd.Timestamp(day), pd.Timestamp(last - timedelta(window - 1)),
        pd.Timestamp(last), counted, at_fault, good / counted if counted else None, None, share, side, status,
        asked.target.headroom(counted, at_fault) if status in ("on target", "at risk", "off target") else None,
        "canceller_unknown" if metric == "cancellation_rate" else None, asked.id,
    )  # fmt: skip
    return dict(zip(SCORES.columns, values, strict=True))


def between(levels: tuple[tuple[int, int], ...], share: float, luck: Random) -> tuple[int, int]:
    """Counts somewhere between half a year ago (0), a month ago (0.84) and now (1)."""
    (now, was, old) = levels
    low, high, place = (old, was, share / 0.84) if share < 0.84 else (was, now, (share - 0.84) / 0.16)
    counted = round(low[0] + (high[0] - low[0]) * place)
    at_fault = low[1] + (high[1] - low[1]) * place
    wobble = 0 if share in (0.84, 1) else luck.gauss(0, 0.06 * at_fault + 0.2)
    return counted, min(counted, max(0, round(at_fault + wobble)))


def table(days: list[date]) -> pd.DataFrame:
    """SCORES of all measures on these days."""
    luck, rows = Random(7), []
    for key, levels in LEVELS.items():
        for day in days:
            share = 1.0 if day == AS_OF else 0.84 if day == BEFORE else max(0.0, 1 - (AS_OF - day).days / 193)
            rows.append(score_row(key, *between(levels, share, luck), day))
    held = pd.DataFrame(rows, columns=list(SCORES.columns))
    return check_table(
        held.astype({"rate": float, "value": float, "headroom": "Int64", "side": "str", "proxy": "str"}), SCORES
    )


def faults() -> pd.DataFrame:
    """The orders at fault on the as-of day: 31 with defects, 56 and 9 shipped late, 7 cancelled."""
    luck, rows = Random(11), []
    kinds = (
        ["a_to_z_claim"] * 17 + ["a_to_z_claim+negative_feedback"] * 2 + ["negative_feedback"] * 9 + ["chargeback"] * 3
    )
    for place, causes in enumerate(kinds):
        day = date(2026, 8, 18) + timedelta(luck.randrange(60))
        product = (
            "Tent, <b>2-person</b>" if place < 13 else luck.choice(["Camp stove", "Sleeping mat", "Rucksack, 50 l", ""])
        )
        rows.append(fault("order_defect_rate", 60, place, causes, day, 75, product))
    for window, many in ((30, 56), (10, 9)):
        for place in range(many):
            early = place % 7 if window == 10 else luck.randrange(30)
            day = date(2026, 10, 5) + timedelta(place % 5) if place < 36 and window == 30 else AS_OF - timedelta(early)
            rows.append(fault("late_shipment_rate", window, place, "shipped_late", day, window, ""))
    for place in range(7):
        held = fault("cancellation_rate", 7, place, "cancelled", date(2026, 10, 24) + timedelta(place), 8, "Camp stove")
        rows.append(held | {"assumed": "cancel_day_from_order"})
    return pd.DataFrame(rows)


def fault(metric: str, window: int, place: int, causes: str, day: date, stays: int, product: str) -> dict[str, Any]:
    """One order at fault."""
    known, leaves = min(AS_OF, day + timedelta(12)), day + timedelta(stays)
    return {
        "metric": metric, "channel": "seller", "window": window, "order_id": f"111-{2000000 + place * 7919}-{place:07}",
        "causes": causes, "clock_day": pd.Timestamp(day), "known_on": pd.Timestamp(known),
        "leaves_on": pd.Timestamp(leaves), "product": product or None, "sku": None, "assumed": None, "at_fault": 1,
    }  # fmt: skip


def bridges() -> dict[tuple[str, str, int], Bridge]:
    """Why two of the measures moved; of cancellation it is not known."""
    late = {"metric": "late_shipment_rate", "windows": (10, 30), "below": "4/100", "clock": "ship_by_on"}
    return {
        ("order_defect_rate", "seller", 60): bridged((2391, 2498), (14, 31), 6, 2, 7, 18),
        ("late_shipment_rate", "seller", 30): bridged((1198, 1262), (25, 56), 25, 0, 0, 56, **late),
    }


def monthly(**changes: Any) -> MonthlyReport:
    """The made-up account; changes replace fields."""
    made = MonthlyReport(
        account=ACCOUNT,
        marketplace="US",
        marketplace_title="Amazon US",
        policy="amazon_us",
        as_of=AS_OF,
        before=BEFORE,
        scores=table([AS_OF]),
        earlier=table([BEFORE]),
        weekly_scores=table([AS_OF - timedelta(7 * n) for n in range(25, -1, -1)]),
        daily_scores=table([AS_OF - timedelta(n) for n in range(119, -1, -1)]),
        at_fault=faults(),
        bridges=bridges(),
        rules=RULES,
        begins_on=date(2026, 4, 1),
        ends_on=AS_OF,
        orders=14211,
        data="Version 12 of the data, read from 9 files",
        made="1 November 2026, 06:10 UTC",
    )
    return replace(made, **changes)
