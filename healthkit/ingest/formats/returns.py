"""Parser of the returns report of seller-fulfilled orders: return requests, and which have an A-to-z Guarantee claim.

The report has the day and status of each request, but no answer time. It says that there is a claim but not when it was
filed, so the day of the request is assumed, which the row records. Claims without a return are missing, so the number
of claims is a lower bound.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    columns_by_name,
    map_distinct,
    merge_rows,
    parse_named_month_day,
    read_counts,
    read_days,
    read_flags,
    read_order_ids,
    read_required_texts,
    refuse_numeric_ids,
)
from healthkit.ingest.parsing.csv_table import CsvTable, FileKind, combine_chunks, redact_value
from healthkit.ingest.parsing.marketplace_of_row import (
    ReadContext,
    ends_of_days,
    newest_instant,
    resolve_marketplaces,
)
from healthkit.ingest.parsing.parsed_file import Columns, FileContents

KIND = FileKind(
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
_PENDING = "waits"
_AMOUNT = r"\D{0,5}\d[\d.,' ]*\D{0,5}"


def parse(table: CsvTable, context: ReadContext) -> FileContents:
    """Parse a returns report into the tables RETURNS and DEFECTS.

    RETURNS gets one row per return, DEFECTS one row for each order and day with an A-to-z Guarantee claim.
    """
    lines = _read_lines(table, context)
    days, marketplaces = (combine_chunks(lines[column]) for column in ("requested_on", "marketplace"))
    tables = {"returns": _merge_returns(lines), "defects": _merge_claims(lines)}
    return FileContents(tables, days, updated_at=newest_instant(ends_of_days(days, marketplaces)).as_py())


def _read_lines(table: CsvTable, context: ReadContext) -> pa.Table:
    """Read the rows of the report with typed columns."""
    ids = read_order_ids(table, "order-id")
    read_required_texts(table, "return-request-status")
    read_days(table, "order-date", parse_named_month_day, _FORM)
    requested_on = read_days(table, "return-request-date", parse_named_month_day, _FORM)
    claimed = pc.fill_null(read_flags(table, "a-to-z-claim"), False)  # a blank states no claim
    decision = _decisions(table)
    refused = pc.fill_null(pc.equal(decision, "refused"), False)
    in_policy = read_flags(table, "in-policy")
    columns = {
        "marketplace": resolve_marketplaces(table, ids, context),
        "return_id": _return_ids(table, ids, requested_on),
        "order_id": ids,
        "requested_on": requested_on,
        "claimed": claimed,
        "decision": decision,
        "waits": pc.is_null(decision),
        "refused": refused,
        "in_policy": in_policy,
        "refused_in_policy": pc.if_else(refused, in_policy, pa.scalar(None, pa.bool_())),
        "sku": table["merchant-sku"],
        "reason": table["return-reason"],
        "units": read_counts(table, "return-quantity"),
    }
    return pa.table(columns)


def _return_ids(table: CsvTable, ids: pa.Array, requested_on: pa.Array) -> pa.Array:
    """Return Amazon's ids of the returns; returns without an id are numbered within their order and day."""
    refuse_numeric_ids(table, "amazon-rma-id")
    stated = table["amazon-rma-id"]
    nameless = pc.indices_nonzero(pc.is_null(stated))
    if not len(nameless):
        return stated
    ids_of_rows, seen = stated.to_pylist(), dict[str, int]()
    begins = pc.binary_join_element_wise(ids, requested_on.cast(pa.string()), " ").to_pylist()
    for row in nameless.to_pylist():
        seen[begins[row]] = seen.get(begins[row], 0) + 1
        ids_of_rows[row] = f"{begins[row]} {seen[begins[row]]}"
    return pa.array(ids_of_rows, pa.string())


def _decisions(table: CsvTable) -> pa.Array:
    """Return how each return was decided, empty while pending; an amount counts as a refund unless refused."""
    status = table["return-request-status"]
    status_decisions = map_distinct(table, "return-request-status", status, _parse_decision, pa.string(), "no status")
    waits = pc.equal(status_decisions, _PENDING)
    _note_unknown_words(table, status)
    decided = pc.if_else(waits, pa.scalar(None, pa.string()), status_decisions)
    amounts = map_distinct(table, "refunded-amount", table["refunded-amount"], _is_money, pa.bool_(), "no amount")
    refunded = pc.and_(pc.fill_null(amounts, False), pc.not_equal(status_decisions, "refused"))
    return pc.if_else(refunded, "refunded", decided)


def _parse_decision(status: str) -> str:
    """Return the decision that a status means; unknown words mean closed.

    >>> tuple(map(_parse_decision, ("Approved", "PendingApproval", "Denied", "Expired")))
    ('authorised', 'waits', 'refused', 'closed')
    """
    word = status.lower()
    return _PENDING if word.startswith("pending") else _DECISIONS.get(word, "closed")


def _note_unknown_words(table: CsvTable, status: pa.Array) -> None:
    """Note the status words that are unknown and count as closed."""
    distinct = combine_chunks(pc.value_counts(status)).to_pylist()
    unknown = [
        one
        for one in distinct
        if _parse_decision(one["values"]) == "closed" and one["values"].lower() not in _DECISIONS
    ]
    if unknown:
        named = "; ".join(redact_value(one["values"]).rstrip(",") for one in unknown[:8])
        count = sum(one["counts"] for one in unknown)
        table.notes.append(
            f"return-request-status {named}, unknown to the kit: {count:,} returns were taken as closed."
        )


def _is_money(amount: str) -> bool | None:
    """Return whether an amount is above zero, in any notation; None if it is no amount.

    >>> _is_money("21.38"), _is_money("R$ 1.021,38"), _is_money("0,00"), _is_money("-3.00"), _is_money("Seller")
    (True, True, False, False, None)
    """
    if not re.fullmatch(_AMOUNT, amount, re.ASCII):
        return None
    return bool(re.search(r"[1-9]", amount)) and "-" not in amount


def _merge_returns(lines: pa.Table) -> Columns:
    """Merge rows to the columns of RETURNS: refused if any item was refused, pending while any item is pending."""
    aggregations = {
        "order_id": "first", "requested_on": "min", "decision": "first", "waits": "max", "refused": "max",
        "in_policy": "max", "refused_in_policy": "max", "sku": "first", "reason": "first", "units": "sum",
    }  # fmt: skip
    returns = columns_by_name(merge_rows(lines, ["marketplace", "return_id"], aggregations))
    waits, refused = returns.pop("waits"), returns.pop("refused")
    open_ = pc.if_else(waits, pa.scalar(None, pa.string()), returns["decision"])
    returns["decision"] = pc.if_else(refused, "refused", open_)
    # Of a refused return only its refused items say whether that was within the policy.
    returns["in_policy"] = pc.if_else(refused, returns.pop("refused_in_policy"), returns["in_policy"])
    returns["requested_at"] = ends_of_days(returns["requested_on"], returns["marketplace"])
    return returns | {"channel": "seller", "assumed": "return_time_unknown"}


def _merge_claims(lines: pa.Table) -> Columns:
    """Merge rows to the columns of DEFECTS, one row a claimed order and day."""
    claimed = lines.filter(lines["claimed"]).rename_columns({"requested_on": "known_on"})
    claims = columns_by_name(merge_rows(claimed, ["marketplace", "order_id", "known_on"], {}))
    return claims | {"kind": "a_to_z_claim", "assumed": "claim_day_from_return"}
