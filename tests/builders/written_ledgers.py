"""Ledgers written as text tables, as in `cases/*.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from healthkit import store
from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES

TABLES = {
    table.name: table
    for table in (
        tables.ORDERS, tables.FEEDBACK, tables.DEFECTS, tables.SHIPMENTS, tables.CONTACTS, tables.RETURNS,
        tables.VIOLATIONS, tables.ACCOUNT_STATES,
    )
}  # fmt: skip
FILES_BEGIN = date(2015, 1, 1)
"""Long before every window, so that no status says "short history"."""
_ORDER = {"channel": "seller", "status": "shipped", "ordered_on": date(2017, 7, 1)}
_MORE = {
    "orders": _ORDER, "contacts": {"kind": "message"}, "returns": {"channel": "seller"},
    "violations": {"count": 1, "severity": None}, "account_states": {"kind": "list"},
}  # fmt: skip
_STAMPS = {"account": "acme", "updated_at": datetime(2030, 1, 1, tzinfo=UTC), "report": "r"}
_DAYS = {
    "ship_by": "ship_by_on",
    "shipped_at": "shipped_on",
    "deliver_by": "deliver_by_on",
    "delivered_at": "delivered_on",
    "confirmed_at": "confirmed_on",
    "invoiced_at": "invoiced_on",
    "received_at": "received_on",
    "requested_at": "requested_on",
    "answered_at": "answered_on",
}
_DUE = {"received_at": (24, 48), "requested_at": (48,)}
"""After so many hours an answer is late: the day on which they have passed stands in the tables."""
_READ = {
    "text": str,
    "day": date.fromisoformat,
    "instant": datetime.fromisoformat,
    "count": int,
    "flag": {"yes": True, "no": False}.__getitem__,
}


def rows(texts: Mapping[str, str], marketplace: str = "US") -> dict[str, list[dict[str, Any]]]:
    """Plain rows of the tables that are written out as texts; `marketplace` is that of every row."""
    return {name: list(_table(name, texts.get(name, ""), marketplace)) for name in TABLES}


def _table(name: str, text: str, marketplace: str) -> Iterator[dict[str, Any]]:
    header, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()] or [[]]
    unknown = set(header) - set(TABLES[name].columns)
    assert not unknown, f"{name} has no column {unknown}"
    assert all(len(line) == len(header) for line in lines), f"a row of {name} has more or fewer cells than the header"
    for number, line in enumerate(lines):
        cells = dict(zip(header, line, strict=True))
        own = _OWN.get(name, "order_id")
        for one in _each(cells[own]):
            yield _row(name, {**cells, own: one}, marketplace, number)


_OWN = {"contacts": "contact_id", "returns": "return_id", "violations": "violation_id", "account_states": "name"}
"""By what a row of a table is named, where that is not an order."""


def _each(order_id: str) -> list[str]:
    """The order ids that a cell stands for.

    >>> _each("A1..A3"), _each("B")
    (['A1', 'A2', 'A3'], ['B'])
    """
    span = re.fullmatch(r"([A-Z])(\d+)\.\.\1(\d+)", order_id)
    return [f"{span[1]}{n}" for n in range(int(span[2]), int(span[3]) + 1)] if span else [order_id]


def _row(name: str, cells: dict[str, str], marketplace: str, number: int) -> dict[str, Any]:
    columns = TABLES[name].columns
    row = dict.fromkeys(columns) | _STAMPS | {"marketplace": marketplace} | _MORE.get(name, {})
    row |= {column: _READ[columns[column].kind](cell) if cell else None for column, cell in cells.items()}
    if name == "returns":
        row = {**row, "order_id": cells.get("order_id", row["return_id"])}
    if name == "violations" and row["violation_id"] in (None, "-"):
        row = {**row, "violation_id": ""}  # a count of a whole category
    if name == "feedback":
        row = {**row, "feedback_id": f"f{number}", "rank": cells.get("rank", str(row["received_on"]))}
    if name == "shipments":
        row = {**row, "shipment_id": cells.get("shipment_id", f"s{number}")}
    zone = ZoneInfo(MARKETPLACES[marketplace].zone)
    return {name: value for name, value in (row | _days_of_instants(row, zone)).items() if name in columns}


def _days_of_instants(row: dict[str, Any], zone: ZoneInfo) -> dict[str, date]:
    """The days in the marketplace's zone of the instants that were written."""
    days = {day: row[name].astimezone(zone).date() for name, day in _DAYS.items() if row.get(name) and not row.get(day)}
    due = {
        f"due_{hours}h_on": (row[name] + timedelta(hours=hours)).astimezone(zone).date()
        for name, several in _DUE.items() for hours in several if row.get(name)
    }  # fmt: skip
    return days | due


def ledger(held: Mapping[str, list[dict[str, Any]]]) -> tables.Ledger:
    """A ledger of plain rows whose files reach far enough back."""
    arrow = {name: pa.Table.from_pylist(of, schema=store.arrow_schema(TABLES[name])) for name, of in held.items()}
    made = store.build_ledger(arrow)
    return replace(made, coverage=made.coverage.assign(begins_on=FILES_BEGIN))
