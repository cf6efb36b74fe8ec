"""The settlement file, old and new columns: refunds, claims and chargebacks that cost the seller money, when paid.

A claim is paid some days after it was filed, and one that Amazon paid itself or denied is never paid. The day of the
payment stands in for the day on which it became known, and the row says so; what is found is a lower bound. Money that
is given back later clears the defect. A refund is known on the day it was paid.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.marketplaces import MARKETPLACES
from healthkit.readers.cells import DAY, by_distinct, columns_of, day_reader, order_ids, texts, without_other_shops
from healthkit.readers.grid import Grid, Kind
from healthkit.readers.place import Asked, ends_of_days, newest, places
from healthkit.readers.taken import Taken, fill, span
from healthkit.tables import DEFECTS

KIND = Kind(
    "settlement",
    "settlement file",
    ("settlement-id", "transaction-type", "order-id", "posted-date"),
    ("amount", "price-amount", "other-amount", "marketplace-name"),
    """settlement-start-date settlement-end-date deposit-date total-amount currency merchant-order-id adjustment-id
    shipment-id amount-type amount-description fulfillment-id posted-date-time order-item-code merchant-order-item-id
    merchant-adjustment-item-id sku quantity-purchased promotion-id shipment-fee-type shipment-fee-amount
    order-fee-type order-fee-amount price-type item-related-fee-type item-related-fee-amount misc-fee-amount
    other-fee-amount other-fee-reason-description direct-payment-type direct-payment-amount promotion-amount
    promotion-type""",
)
_KINDS = {"refund": "refund", "a-to-z": "a_to_z_claim", "chargeback": "chargeback"}
_ASSUMED = {"a_to_z_claim": "claim_day_from_money", "chargeback": "chargeback_day_from_money"}
_FORM = "2026-10-31, with or without a time, or as the marketplace writes it"
_OTHER = "rows of other money: sales, fees, totals"


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into DEFECTS: one for each order and kind, from the first payment to the day it was given back."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    posted = pc.unique(grid["posted-date"].drop_null()).to_pylist()
    kinds = by_distinct(
        grid, "transaction-type", pc.fill_null(grid["transaction-type"], ""), _kind, pa.string(), "no transaction type"
    )
    ours = pc.and_(pc.not_equal(kinds, ""), pc.is_valid(grid["order-id"]))
    if not pc.all(ours, min_count=0).as_py():
        skipped[_OTHER] = len(grid) - (pc.sum(ours).as_py() or 0)
    grid, kinds = grid.keep(ours), kinds.filter(ours)
    ids = order_ids(grid, "order-id")
    places_of = places(grid, ids, asked, "marketplace-name")
    days = _days(grid, places_of)
    defects = _defects(grid, ids, places_of, kinds, days)
    stamp = newest(ends_of_days(days, places_of)).as_py()
    held = columns_of(defects) | {"updated_at": stamp} | asked.stamp()
    tables = {"defects": fill(DEFECTS, len(defects), held)}
    first_day, last_day = span(pa.concat_arrays([days, _readable(posted, places_of, asked)]))
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _readable(posted: list[str], marketplaces: pa.Array, asked: Asked) -> pa.Array:
    """The days on which anything was posted, sales and fees too: so far the file tells of refunds and claims as well.

    Those of other rows are read only where all marketplaces in question write days alike; what cannot be read is left.
    """
    candidates = {asked.marketplace} if asked.marketplace else asked.sells_in()
    codes: set[str] = set(pc.unique(marketplaces).to_pylist()) or candidates
    forms = {MARKETPLACES[code].dates for code in codes}
    read = day_reader(*forms) if len(forms) == 1 else _nothing_read
    return pa.array([day for word in posted if (day := read(word)) is not None], DAY)


def _nothing_read(word: str) -> date | None:
    """No day is read where it could be two."""
    return None


def _kind(word: str) -> str:
    """The kind of defect that a type of transaction is; empty where it is none.

    >>> _kind("A-to-z Guarantee Refund"), _kind("Chargeback Refund"), _kind("Refund"), _kind("Order")
    ('a_to_z_claim', 'chargeback', 'refund', '')
    """
    begin = word.strip().lower()
    return next((kind for start, kind in _KINDS.items() if begin.startswith(start)), "")


def _defects(grid: Grid, ids: pa.Array, marketplaces: pa.Array, kinds: pa.Array, days: pa.Array) -> pa.Table:
    """The lines of DEFECTS: one for each order and kind."""
    paid: dict[tuple[str, str, str], dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    rows = zip(*(one.to_pylist() for one in (marketplaces, ids, kinds, days, _amounts(grid))), strict=True)
    for marketplace, order, kind, day, amount in rows:
        paid[marketplace, order, kind][day] += amount
    keys = sorted(paid)
    made = {
        "marketplace": pa.array([marketplace for marketplace, _, _ in keys], pa.string()),
        "order_id": pa.array([order for _, order, _ in keys], pa.string()),
        "kind": pa.array([kind for _, _, kind in keys], pa.string()),
        "known_on": pa.array([min(paid[key]) for key in keys], DAY),
        "cleared_on": pa.array([_given_back(paid[key]) for key in keys], DAY),
        "assumed": pa.array([_ASSUMED.get(kind) for _, _, kind in keys], pa.string()),
    }
    return pa.table(made)


def _given_back(held: dict[date, Decimal]) -> date | None:
    """The day on which as much had come back as was taken; None where it never had.

    >>> _given_back({date(2026, 10, 5): Decimal(-20), date(2026, 10, 19): Decimal(20)})
    datetime.date(2026, 10, 19)
    """
    total, taken = Decimal(0), False
    for day in sorted(held):
        total += held[day]
        taken = taken or total < 0
        if taken and total >= 0:
            return day
    return None


def _days(grid: Grid, marketplaces: pa.Array) -> pa.Array:
    """The day on which each sum was posted, as its marketplace writes days."""
    texts(grid, "posted-date")
    if not len(grid):
        return pa.nulls(0, DAY)
    pieces = pa.nulls(len(grid), DAY)
    for code in pc.unique(marketplaces).to_pylist():
        mine = pc.equal(marketplaces, code)
        form = MARKETPLACES[code].dates
        cells = pc.if_else(mine, grid["posted-date"], pa.scalar(None, pa.string()))
        read = by_distinct(grid, "posted-date", cells, day_reader(form), DAY, f"no day: {_FORM}")
        pieces = pc.if_else(mine, read, pieces)
    return pieces


def _amounts(grid: Grid) -> pa.Array:
    """What each row took (below nothing) or gave; nothing where the file has no amounts."""
    total = [Decimal(0)] * len(grid)
    for column in ("amount", "price-amount", "other-amount"):
        cells = pc.fill_null(grid[column], "0")
        kind = pa.decimal128(20, 4)
        read = by_distinct(grid, column, cells, _amount, kind, "no amount").to_pylist()
        total = [one + more for one, more in zip(total, read, strict=True)]
    return pa.array(total, pa.decimal128(24, 4))


def _amount(word: str) -> Decimal | None:
    """An amount with a decimal point or comma, and marks between thousands.

    >>> [str(_amount(word)) for word in ("-12.50", "-1.234,56", "1,234", "-3 000,5", "x")]
    ['-12.50', '-1234.56', '1234', '-3000.5', 'None']
    """
    plain = re.sub(r"[\s\N{NO-BREAK SPACE}']", "", word).replace("\N{MINUS SIGN}", "-")
    found = re.fullmatch(r"([+-]?)(\d{1,15}|\d{1,3}(?:[.,]\d{3})+)(?:[.,](\d{1,4}))?", plain)
    if found is None:
        return None
    sign, whole, rest = found.groups()
    if rest is not None and len(rest) == 3 and not re.search("[.,]", whole) and whole.lstrip("0"):
        whole, rest = whole + rest, None  # 1,234 is a thousand and more: money has no three decimals
    digits = re.sub("[.,]", "", whole)
    return Decimal(f"{sign}{digits}{f'.{rest}' if rest else ''}")
