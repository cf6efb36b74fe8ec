"""Download by hand what a pull would ask for: the files that a person would have saved, one for each kind."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from tests.builders.amazon_server import reports
from tests.builders.amazon_server.scenario import Seller, market

DATA = ("CANCELLATION", "FULFILLMENT", "PACKAGES")


def download(seller: Seller, code: str, folder: Path, since: datetime, now: datetime) -> list[Path]:
    """Save every report about a seller in a marketplace from a day on, and return the paths.

    Each kind of report is one file for the whole time, but for settlements: one every two weeks,
    of the last 90 days, for that is as long as Amazon lists them. Shipments of the first ten days are left out: their
    orders were placed before.
    """
    found = {}
    for kind in (reports.ORDERS_BY_DAY, reports.FEEDBACK, reports.RETURNED, reports.SHIPPED, reports.PERFORMANCE):
        first = since + timedelta(10) if kind == reports.SHIPPED else since
        first = begin_of_day(since, code) if kind == reports.ORDERS_BY_DAY else first
        text = reports.write_report(seller, code, kind, first, now, now)
        if text is not None:
            found[f"{kind}_{code}.txt"] = text.encode(reports.encoding(code, kind))
    for end in reports.settlement_ends(max(since, now - timedelta(90)), now):
        name = f"{reports.SETTLED}_{code}_{end}.txt"
        found[name] = reports.settlement(seller, code, end).encode(reports.encoding(code, reports.SETTLED))
    return _save(found, folder)


def search(seller: Seller, folder: Path, since: datetime, now: datetime) -> list[Path]:
    """Save the orders of all marketplaces of a seller that were placed since a day, as the Orders API has them."""
    first = max(begin_of_day(since, code) for code in seller.marketplaces)
    orders = [
        reports.api_order(seller, code, placed, now, DATA)
        for code in seller.marketplaces
        for placed in reports.known_orders(seller, code, since, now)
        if placed.order.placed_at >= first
    ]
    page = {"orders": orders, "createdBefore": reports.stamp(now)}
    return _save({"orders.json": json.dumps(page, ensure_ascii=False).encode()}, folder)


def begin_of_day(moment: datetime, code: str) -> datetime:
    """Return when the day begins in a marketplace, so that no order of a part of a day is taken for all of it."""
    return datetime(moment.year, moment.month, moment.day, tzinfo=market(code).zone)


def _save(files: dict[str, bytes], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]
