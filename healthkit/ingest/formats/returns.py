"""The returns file of seller-fulfilled orders: buyers' return requests, and which of them carry an A-to-z claim.

It tells on which day a return was requested, how it stands, and not when it was answered. It tells that there is
a claim and not when it was filed, so the day of the return request stands in, and the row says so. Claims
without a return are not in it: a lower bound.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    by_distinct,
    columns_of,
    counts,
    days,
    flags,
    named_month_day,
    one_per,
    order_ids,
    refuse_numbers,
    texts,
    without_other_shops,
)
from healthkit.ingest.parsing.csv_table import Grid, Kind, shown, whole
from healthkit.ingest.parsing.marketplace_of_row import Asked, ends_of_days, hours_later, newest, places
from healthkit.ingest.parsing.parsed_file import Taken, fill, span
from healthkit.schema.tables import DEFECTS, RETURNS

KIND = Kind(
    "returns",
    "returns file",
    ("order-id", "order-date", "return-request-date", "return-request-status", "a-to-z-claim"),
    ("amazon-rma-id", "merchant-sku", "return-quantity", "return-reason", "in-policy", "refunded-amount"),
    """merchant-rma-id label-type label-cost currency-code return-carrier tracking-id label-to-be-paid-by is-prime
    asin item-name return-type resolution invoice-number return-delivery-date order-amount order-quantity
    safet-action-reason safet-claim-id safet-claim-state safet-claim-creation-time safet-claim-reimbursement-amount
    order-item-id""",
)
_FORM = "dd-Mon-yyyy or yyyy-mm-dd"
_DECISIONS = {
    "approved": "authorised",
    "authorised": "authorised",
    "authorized": "authorised",
    "refunded": "refunded",
    "closed": "closed",
    "completed": "closed",
    "denied": "refused",
    "rejected": "refused",
    "refused": "refused",
    "declined": "refused",
}
_WAITS = "waits"
_AMOUNT = r"\D{0,5}\d[\d.,' ]*\D{0,5}"


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into RETURNS, one a return, and DEFECTS, one a claimed order and day."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    lines = _lines(grid, asked)
    known_on = lines["requested_on"]
    stamp = newest(ends_of_days(whole(known_on), whole(lines["marketplace"]))).as_py()
    tables = {"returns": _returns(lines, stamp, asked), "defects": _claims(lines, stamp, asked)}
    first_day, last_day = span(known_on)
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )


def _lines(grid: Grid, asked: Asked) -> pa.Table:
    """The file's rows with their cells read."""
    ids = order_ids(grid, "order-id")
    texts(grid, "return-request-status")
    days(grid, "order-date", named_month_day, _FORM)
    requested_on = days(grid, "return-request-date", named_month_day, _FORM)
    claimed = pc.fill_null(flags(grid, "a-to-z-claim"), False)  # a blank states no claim
    decision = _decisions(grid)
    refused = pc.fill_null(pc.equal(decision, "refused"), False)
    in_policy = flags(grid, "in-policy")
    columns = {
        "marketplace": places(grid, ids, asked),
        "return_id": _return_ids(grid, ids, requested_on),
        "order_id": ids,
        "requested_on": requested_on,
        "claimed": claimed,
        "decision": decision,
        "waits": pc.is_null(decision),
        "refused": refused,
        "in_policy": in_policy,
        "refused_in_policy": pc.if_else(refused, in_policy, pa.scalar(None, pa.bool_())),
        "sku": grid["merchant-sku"],
        "reason": grid["return-reason"],
        "units": counts(grid, "return-quantity"),
    }
    return pa.table(columns)


def _return_ids(grid: Grid, ids: pa.Array, requested_on: pa.Array) -> pa.Array:
    """Amazon's ids of the returns; those that have none are numbered within their order and day."""
    refuse_numbers(grid, "amazon-rma-id")
    told = grid["amazon-rma-id"]
    nameless = pc.indices_nonzero(pc.is_null(told))
    if not len(nameless):
        return told
    given, seen = told.to_pylist(), dict[str, int]()
    begins = pc.binary_join_element_wise(ids, requested_on.cast(pa.string()), " ").to_pylist()
    for row in nameless.to_pylist():
        seen[begins[row]] = seen.get(begins[row], 0) + 1
        given[row] = f"{begins[row]} {seen[begins[row]]}"
    return pa.array(given, pa.string())


def _decisions(grid: Grid) -> pa.Array:
    """How each return was decided; empty while it waits. Money given back is a refund, unless it was refused."""
    status = grid["return-request-status"]
    told = by_distinct(grid, "return-request-status", status, _decision, pa.string(), "no status")
    waits = pc.equal(told, _WAITS)
    _note_unknown_words(grid, status)
    decided = pc.if_else(waits, pa.scalar(None, pa.string()), told)
    amounts = by_distinct(grid, "refunded-amount", grid["refunded-amount"], _is_money, pa.bool_(), "no amount")
    refunded = pc.and_(pc.fill_null(amounts, False), pc.not_equal(told, "refused"))
    return pc.if_else(refunded, "refunded", decided)


def _decision(status: str) -> str:
    """One status in our spelling; a word that the kit does not know is taken as the end of it.

    >>> _decision("Approved"), _decision("PendingApproval"), _decision("Denied"), _decision("Expired")
    ('authorised', 'waits', 'refused', 'closed')
    """
    word = status.lower()
    return _WAITS if word.startswith("pending") else _DECISIONS.get(word, "closed")


def _note_unknown_words(grid: Grid, status: pa.Array) -> None:
    """Tell which words of a status were taken as closed for want of a better."""
    distinct = whole(pc.value_counts(status)).to_pylist()
    unknown = [
        one for one in distinct if _decision(one["values"]) == "closed" and one["values"].lower() not in _DECISIONS
    ]
    if unknown:
        named = "; ".join(shown(one["values"]).rstrip(",") for one in unknown[:8])
        many = sum(one["counts"] for one in unknown)
        grid.notes.append(f"return-request-status {named}, unknown to the kit: {many:,} returns were taken as closed.")


def _is_money(amount: str) -> bool | None:
    """Whether an amount is more than nothing, in whatever way it is written.

    >>> _is_money("21.38"), _is_money("R$ 1.021,38"), _is_money("0,00"), _is_money("-3.00"), _is_money("Seller")
    (True, True, False, False, None)
    """
    if not re.fullmatch(_AMOUNT, amount, re.ASCII):
        return None
    return bool(re.search(r"[1-9]", amount)) and "-" not in amount


def _returns(lines: pa.Table, stamp: object, asked: Asked) -> pa.Table:
    """One row a return: refused if any of its items was, waiting while any of them waits."""
    stands = {
        "order_id": "first", "requested_on": "min", "decision": "first", "waits": "max", "refused": "max",
        "in_policy": "max", "refused_in_policy": "max", "sku": "first", "reason": "first", "units": "sum",
    }  # fmt: skip
    returns = columns_of(one_per(lines, ["marketplace", "return_id"], stands))
    waits, refused = returns.pop("waits"), returns.pop("refused")
    open_ = pc.if_else(waits, pa.scalar(None, pa.string()), returns["decision"])
    returns["decision"] = pc.if_else(refused, "refused", open_)
    # Of a refused return only its refused items tell whether that was within the policy.
    returns["in_policy"] = pc.if_else(refused, returns.pop("refused_in_policy"), returns["in_policy"])
    returns["requested_at"] = ends_of_days(returns["requested_on"], returns["marketplace"])
    returns["due_48h_on"] = hours_later(returns["requested_at"], 48, returns["marketplace"])
    said = {"channel": "seller", "assumed": "return_time_unknown", "updated_at": stamp}
    return fill(RETURNS, len(returns["return_id"]), returns | said | asked.stamp())


def _claims(lines: pa.Table, stamp: object, asked: Asked) -> pa.Table:
    """One row a claimed order and day."""
    claimed = lines.filter(lines["claimed"]).rename_columns({"requested_on": "known_on"})
    claims = columns_of(one_per(claimed, ["marketplace", "order_id", "known_on"], {}))
    said = {"kind": "a_to_z_claim", "assumed": "claim_day_from_return", "updated_at": stamp}
    return fill(DEFECTS, len(claims["order_id"]), claims | said | asked.stamp())
