"""Plain rows of orders, defects and reported figures around one window of the order defect rate."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time

DAY = date(2026, 6, 30)
FIRST, LAST = date(2026, 4, 17), date(2026, 6, 15)
"""The window of the order defect rate as of DAY: 60 days ending 15 days before it."""


def order(order_id, ordered_on, **more):
    at = more.pop("ordered_at", datetime.combine(ordered_on, time(19), UTC))
    return {
        "account": "acme", "marketplace": "US", "channel": "seller", "order_id": order_id, "ordered_at": at,
        "ordered_on": ordered_on, "status": "shipped", "updated_at": datetime(2026, 7, 1, tzinfo=UTC), "report": "r",
    } | more  # fmt: skip


def about(order_id, **more):
    return {"account": "acme", "marketplace": "US", "order_id": order_id, "report": "r",
            "updated_at": datetime(2026, 7, 1, tzinfo=UTC)} | more  # fmt: skip


def defect(order_id, kind, known_on, cleared_on=None, **more):
    return about(order_id, kind=kind, known_on=known_on, cleared_on=cleared_on, **more)


def reading(counted, at_fault, parts=None, metric="order_defect_rate", days=(FIRST, LAST), channel="seller", as_of=DAY):
    return {
        "account": "acme", "marketplace": "US", "channel": channel, "metric": metric, "as_of": as_of,
        "first_day": days[0], "last_day": days[1], "counted": counted, "at_fault": at_fault,
        "parts": json.dumps(parts) if parts else None, "rate": None, "updated_at": datetime(2026, 7, 1, tzinfo=UTC),
        "report": "a",
    }  # fmt: skip
