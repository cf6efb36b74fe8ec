"""The returns file of seller-fulfilled orders: which returned orders carry an A-to-z claim.

It tells that there is a claim and not when it was filed, so the day of the return request stands in, and
the row says so. Claims without a return are not in it: a lower bound.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.readers.cells import (
    columns_of,
    days,
    flags,
    named_month_day,
    one_per,
    order_ids,
    texts,
    without_other_shops,
)
from healthkit.readers.grid import Grid, Kind
from healthkit.readers.place import Asked, ends_of_days, newest, places
from healthkit.readers.taken import Taken, fill, span
from healthkit.tables import DEFECTS

KIND = Kind(
    "returns",
    "returns file",
    ("order-id", "order-date", "return-request-date", "return-request-status", "a-to-z-claim"),
    (),
    """amazon-rma-id merchant-rma-id label-type label-cost currency-code return-carrier tracking-id
    label-to-be-paid-by is-prime asin merchant-sku item-name return-quantity return-reason in-policy return-type
    resolution invoice-number return-delivery-date order-amount order-quantity safet-action-reason safet-claim-id
    safet-claim-state safet-claim-creation-time safet-claim-reimbursement-amount refunded-amount
    order-item-id""",
)
_WITHOUT_CLAIM = "returns without an A-to-z claim hold nothing that the kit keeps"


def take(grid: Grid, asked: Asked) -> Taken:
    """Read the file into DEFECTS: one a claimed order and day."""
    rows = len(grid)
    grid, skipped = without_other_shops(grid, "order-id")
    ids = order_ids(grid, "order-id")
    texts(grid, "return-request-status")
    days(grid, "order-date", named_month_day, "dd-Mon-yyyy or yyyy-mm-dd")
    known_on = days(grid, "return-request-date", named_month_day, "dd-Mon-yyyy or yyyy-mm-dd")
    claimed = pc.fill_null(flags(grid, "a-to-z-claim"), False)  # a blank states no claim
    marketplaces = places(grid, ids, asked)
    stamp = newest(ends_of_days(known_on, marketplaces)).as_py()
    lines = pa.table({"marketplace": marketplaces, "order_id": ids, "known_on": known_on}).filter(claimed)
    if len(lines) < len(grid):
        skipped[_WITHOUT_CLAIM] = len(grid) - len(lines)
    claims = columns_of(one_per(lines, ["marketplace", "order_id", "known_on"], {}))
    said = {"kind": "a_to_z_claim", "assumed": "claim_day_from_return", "updated_at": stamp}
    tables = {"defects": fill(DEFECTS, len(claims["order_id"]), claims | said | asked.stamp())}
    first_day, last_day = span(known_on)
    return Taken(
        asked.report, asked.name, KIND.name, asked.account, tables, rows, skipped, grid.notes, first_day, last_day
    )
