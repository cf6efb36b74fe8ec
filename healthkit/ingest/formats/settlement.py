"""Parser of settlement reports (V1 and V2): money taken for refunds, claims and chargebacks, or given back.

Settlements divide the money of one order at arbitrary days. So every amount is kept, and the sums of an order are
computed over all files (see `store.merge_sql`). A claim is paid some days after it was filed; one that Amazon paid
itself or denied is never paid. So the number of claims is a lower bound.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.amounts import parse_amount, to_ten_thousandths
from healthkit.ingest.parsing.cells import (
    DAY,
    make_day_parser,
    map_distinct,
    read_order_ids,
    read_required_texts,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    ends_of_days,
    newest_instant,
    resolve_marketplaces,
)
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.unknown_stores import drop_unknown_stores
from healthkit.schema.marketplaces import MARKETPLACE_BY_SALES_CHANNEL, MARKETPLACES

KIND = FileKind(
    "settlement",
    "settlement file",
    ("settlement-id", "transaction-type", "order-id", "posted-date"),
    (
        "amount",
        "price-amount",
        "other-amount",
        "marketplace-name",
        "posted-date-time",
        "adjustment-id",
        "order-item-code",
        "sku",
    ),
    """settlement-start-date settlement-end-date deposit-date total-amount currency merchant-order-id
    shipment-id amount-type amount-description fulfillment-id merchant-order-item-id
    merchant-adjustment-item-id quantity-purchased promotion-id shipment-fee-type shipment-fee-amount
    order-fee-type order-fee-amount price-type item-related-fee-type item-related-fee-amount misc-fee-amount
    other-fee-amount other-fee-reason-description direct-payment-type direct-payment-amount promotion-amount
    promotion-type""",
)
_ENDINGS = "refund|refund claim|claim|recovery|reversal"
_KINDS = {
    "refund": "refund( recovery| reversal)?",
    "a_to_z_claim": f"a-to-z( guarantee)?( ({_ENDINGS}))?",
    "chargeback": f"chargeback( ({_ENDINGS}))?",
}
_LOOKS_LIKE = re.compile("(refund|a-to-z|chargeback)(?!.*retrocharge)")
_FORM = "2026-10-31, with or without a time, or as the marketplace writes it"
_OTHER_MONEY = "rows of other money: sales, fees, totals"


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a settlement report into the table POSTINGS, one row for each amount charged or credited."""
    posted = pc.unique(table["posted-date"].drop_null()).to_pylist()
    names = pc.unique(table["marketplace-name"]).drop_null().to_pylist()
    stated = {
        MARKETPLACE_BY_SALES_CHANNEL[name.lower()] for name in names if name.lower() in MARKETPLACE_BY_SALES_CHANNEL
    }
    types = pc.fill_null(table["transaction-type"], "")
    kinds = map_distinct(table, "transaction-type", types, _defect_kind, pa.string(), "no transaction type")
    is_posting = pc.and_(pc.not_equal(kinds, ""), pc.is_valid(table["order-id"]))
    _note_unknown_types(table, types.filter(pc.equal(kinds, "")))
    other_rows = len(table) - (pc.sum(is_posting).as_py() or 0)
    table, unknown = drop_unknown_stores(table.filter_rows(is_posting), "marketplace-name")
    kinds = map_distinct(table, "transaction-type", table["transaction-type"], _defect_kind, pa.string(), "unknown")
    # Such a file says nothing about the stores that are known, not even that there was no claim.
    is_of_unknown_store = bool(unknown) and not stated and not len(table)
    ids = read_order_ids(table, "order-id")
    marketplaces = resolve_marketplaces(table, ids, context, "marketplace-name")
    days = _read_posting_days(table, marketplaces)
    amounts = _read_amounts(table)
    columns = {
        "marketplace": marketplaces,
        "order_id": ids,
        "kind": kinds,
        "posting_id": _posting_ids(table, marketplaces, ids, kinds, days, amounts),
        "posted_on": days,
        "amount": amounts,
    }
    return FileContents(
        {"postings": columns},
        pa.concat_arrays([days, _readable_days(posted, marketplaces, context)]),
        updated_at=newest_instant(ends_of_days(days, marketplaces)).as_py(),
        skipped=unknown | ({_OTHER_MONEY: other_rows} if other_rows and not is_of_unknown_store else {}),
        stated_marketplace="+".join(sorted(stated)) or None,
    )


def _readable_days(posted_days: list[str], marketplaces: pa.Array, context: ReadContext) -> pa.Array:
    """Return the days of all rows, which are the days for which the report shows refunds and claims.

    Days in a marketplace's own format are read only if all marketplaces in question share it; others are ignored.
    """
    candidates = {context.marketplace} if context.marketplace else context.account_marketplaces()
    codes: set[str] = set(pc.unique(marketplaces).to_pylist()) or candidates
    forms = {MARKETPLACES[code].dates for code in codes}
    read = make_day_parser(*forms) if len(forms) == 1 else make_day_parser(None)
    return pa.array([day for word in posted_days if (day := read(word)) is not None], DAY)


def _defect_kind(word: str) -> str:
    """Return the kind of defect that a transaction type is; empty if it is none.

    >>> tuple(map(_defect_kind, ("A-to-z Guarantee Recovery", "Chargeback Refund", "Refund", "Order")))
    ('a_to_z_claim', 'chargeback', 'refund', '')
    >>> _defect_kind("Refund_Retrocharge")  # a correction of tax
    ''
    """
    plain = " ".join(word.lower().split())
    return next((kind for kind, types in _KINDS.items() if re.fullmatch(types, plain)), "")


def _note_unknown_types(table: CsvTable, types: pa.Array) -> None:
    """Note transaction types that start like a refund, claim or chargeback but are unknown."""
    counts = {one["values"]: one["counts"] for one in pc.value_counts(types).to_pylist()}
    unknown = {word: count for word, count in sorted(counts.items()) if _LOOKS_LIKE.match(word.strip().lower())}
    if unknown:
        named = ", ".join(f"{word!r} ({count:,} rows)" for word, count in unknown.items())
        table.notes.append(f"transaction types that are not known were passed over: {named}.")


def _posting_ids(table: CsvTable, *parts: pa.Array) -> pa.Array:
    """Return an id of each amount: settlement, item, time, amount and the number of equal amounts so far.

    A settlement that was downloaded twice, or in both versions, has the same ids.
    """
    items = pc.coalesce(table["order-item-code"], table["sku"])
    moments = pc.coalesce(table["posted-date-time"], table["posted-date"])
    details = [
        table["settlement-id"],
        table["adjustment-id"],
        items,
        pa.array([_time_of_day(word or "") for word in moments.to_pylist()]),
    ]
    seen: Counter[tuple[object, ...]] = Counter()
    names = []
    for row in zip(*(column.to_pylist() for column in (*parts, *details)), strict=True):
        seen[row] += 1
        names.append("/".join("-" if part is None else str(part) for part in (*row[3:], seen[row])))
    return pa.array(names, pa.string())


def _time_of_day(word: str) -> str:
    """Return the time of day in a cell as HH:MM:SS; empty if there is none.

    >>> tuple(map(_time_of_day, ("14.10.2026 05:23:11 UTC", "2026-10-14T05:23:11+00:00", "2026-10-14")))
    ('05:23:11', '05:23:11', '')
    """
    found = re.search(r"\d\d:\d\d:\d\d", word)
    return found.group() if found else ""


def _read_posting_days(table: CsvTable, marketplaces: pa.Array) -> pa.Array:
    """Read the posting days in the date format of each row's marketplace."""
    read_required_texts(table, "posted-date")
    if not len(table):
        return pa.nulls(0, DAY)
    pieces = pa.nulls(len(table), DAY)
    for code in pc.unique(marketplaces).to_pylist():
        of_code = pc.equal(marketplaces, code)
        form = MARKETPLACES[code].dates
        cells = pc.if_else(of_code, table["posted-date"], pa.scalar(None, pa.string()))
        read = map_distinct(table, "posted-date", cells, make_day_parser(form), DAY, f"no day: {_FORM}")
        pieces = pc.if_else(of_code, read, pieces)
    return pieces


def _read_amounts(table: CsvTable) -> pa.Array:
    """Read the amount of each row, below zero if taken from the seller. [ten-thousandths of the currency]"""
    total = [Decimal(0)] * len(table)
    for column in ("amount", "price-amount", "other-amount"):
        cells = pc.fill_null(table[column], "0")
        kind = pa.decimal128(20, 4)
        read = map_distinct(table, column, cells, parse_amount, kind, "no amount").to_pylist()
        total = [one + more for one, more in zip(total, read, strict=True)]
    return pa.array([to_ten_thousandths(one) for one in total], pa.int64())
