"""Download by hand what a pull would ask for: the files that a person would have saved, one for each kind."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from tests.builders.amazon_server import reports
from tests.builders.amazon_server.scenario import Seller

DATA = ("CANCELLATION", "FULFILLMENT", "PACKAGES")


def download(seller: Seller, code: str, folder: Path, since: datetime, now: datetime) -> list[Path]:
    """Save every file about a seller in a marketplace from a day on, and return the paths.

    Each kind of report is one file for the whole time, but for settlements, of which there is one every two weeks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for kind in (reports.ORDERS_BY_UPDATE, reports.FEEDBACK, reports.RETURNED, reports.SHIPPED, reports.PERFORMANCE):
        text = reports.write_report(seller, code, kind, since, now, now)
        if text is not None:
            found[f"{kind}_{code}.txt"] = text.encode(reports.encoding(code, kind))
    for end in reports.settlement_ends(since, now):
        name = f"{reports.SETTLED}_{code}_{end}.txt"
        found[name] = reports.settlement(seller, code, end).encode(reports.encoding(code, reports.SETTLED))
    orders = [reports.api_order(seller, code, one, now, DATA) for one in changed(seller, code, since, now)]
    page = {"orders": orders, "lastUpdatedBefore": reports.stamp(now)}
    found[f"orders_{code}.json"] = json.dumps(page, ensure_ascii=False).encode()
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in found]


def changed(seller: Seller, code: str, since: datetime, now: datetime) -> list[reports.Placed]:
    """Return the orders that changed since a day, as the Orders API has them."""
    return reports.changed_orders(seller, code, since, now, now)
