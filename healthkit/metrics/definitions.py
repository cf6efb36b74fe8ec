"""When each order counts in a metric, and when and why it is at fault: one function a metric.

A metric says *when*, not *whether*. It never looks at an as-of day and never counts; it answers, for a
ledger and a basis (the clock and the options of a rule), with frames of days:

- `counting`: account, marketplace, channel, order_id, clock_day, known_on (from when on it counts), until_day?
  (from when on it no longer does), counted (how many it adds: one order, or its units), assumed? (what had to be
  assumed for it to count, as `report.text` explains it);
- `faults`: account, marketplace, channel, order_id, cause, clock_day, known_on, cleared_on?, at_fault,
  assumed? (what had to be assumed of the fault);
- `unknown`, of metrics whose denominator is itself learnt from files: orders that were shipped and do not count, for no
  file tells what it takes (the columns of `counting`; each adds one order, whatever the metric counts).

What is counted is an order wherever not said otherwise; of messages, returns and violations, `order_id` holds the id of
the one that counts. What belongs to the account as a whole is of the channel `all`.

The frames are lazy and of any engine that narwhals knows. Sources of the definitions stand with the rules
in `policies/*.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import narwhals as nw

from healthkit.metrics.policy import Basis
from healthkit.schema.tables import DEFECT_LIST_DAYS, SEVERITIES, SHIPPED_STATUSES, WHOLE_ACCOUNT, Frame, Ledger

ORDER_KEY = ["account", "marketplace", "order_id"]
_ORDER_COLUMNS = ["account", "marketplace", "channel", "order_id"]
_COUNTING_COLUMNS = [*_ORDER_COLUMNS, "clock_day", "known_on", "until_day", "counted", "assumed"]
_FAULT_COLUMNS = [*_ORDER_COLUMNS, "cause", "clock_day", "known_on", "cleared_on", "at_fault", "assumed"]


class CountedOrders(NamedTuple):
    """When orders count, when they are at fault, and which are unknown; see the head of this module for the columns.

    `unknown` is None where every order counts from its clock day on, so that there can be none.
    """

    counting: Frame
    faults: Frame
    unknown: Frame | None = None


class Metric(NamedTuple):
    """One metric: its id in every table, the function that finds its days, what it counts, and what it needs.

    `needs` names the evidence (see `tables.EVIDENCE`) without which no file could have told of a fault:
    where none of it was imported nothing is counted, where some is missing the rate is a proxy. `proxy` names
    what the metric itself has to assume, unless the evidence `proxy_unless` was imported.

    `shows` says what is read off the counts: a `rate`; a `number` (how many are at fault: no rate, for there is
    nothing to take a share of); an `average` (what the faults hold, in minutes, by how many are counted); or
    `points` (of a rating, which orders earn and faults take).
    """

    id: str
    find_counted_orders: Callable[[Ledger, Basis], CountedOrders]
    counts: str
    needs: tuple[str, ...] = ()
    proxy: str = ""
    proxy_unless: str = ""
    shows: str = "rate"


def _placed_orders(ledger: Ledger, basis: Basis, *columns: str) -> Frame:
    """The orders that have the day which places them, as `clock_day`; `gone_on` is the day they cease to count.

    `placed_on` is the day from which the clock day is known: a promised day is known as soon as the order is placed.
    Of all that is known of them only what a metric asks for: each step over a wide frame takes thrice as long to say.
    """
    known = ~nw.col(basis.clock).is_null() & ~nw.col("channel").is_null()
    leaves = not basis.option("include_cancelled", True)
    gone_on = _cancelled_on() if leaves else _null_column("date")
    if basis.option("orders", "any") == "premium":
        known = known & nw.col("is_premium").fill_null(False)
    orders = ledger.orders.filter(known)
    placed_on = nw.min_horizontal("ordered_on", basis.clock) if basis.clock in PROMISED_CLOCKS else nw.col(basis.clock)
    return orders.select(*_ORDER_COLUMNS, *columns, clock_day=nw.col(basis.clock), gone_on=gone_on, placed_on=placed_on)


PROMISED_CLOCKS = ("ship_by_on", "deliver_by_on")
"""Clock days that are promised when the order is placed, and mostly lie ahead."""


def _shipped_orders(ledger: Ledger, basis: Basis, *columns: str) -> Frame:
    """The orders that were not cancelled, whether or not the day that places them is known (`clock`, may be empty)."""
    there = ~nw.col("channel").is_null() & (nw.col("status").fill_null("") != "cancelled")
    if basis.option("orders", "any") == "premium":
        there = there & nw.col("is_premium").fill_null(False)
    orders = ledger.orders.filter(there)
    return orders.select(*_ORDER_COLUMNS, "ordered_on", "status", "shipped_at", *columns, clock=nw.col(basis.clock))


def _has_shipped_status() -> nw.Expr:
    """Whether the status of an order says that it was shipped."""
    return nw.col("status").fill_null("").is_in(SHIPPED_STATUSES)


def _unknown_rows(orders: Frame, until_day: str | None = None) -> Frame:
    """Orders of which no file tells enough, as counting rows: from their order day on, placed by the metric's clock
    day where that is known, else by the order day; until a file tells enough after all, where one ever does."""
    dated = orders.with_columns(
        clock_day=nw.coalesce("clock", "ordered_on"), known_on=nw.coalesce("ordered_on", "clock")
    )
    return _counting_rows(dated.filter(~nw.col("clock_day").is_null()), "known_on", until_day)


def _cancelled_on() -> nw.Expr:
    """The day on which the whole order was cancelled; a cancelled line leaves the rest to be shipped."""
    return nw.when(nw.col("status") == "cancelled").then(nw.col("cancelled_on")).otherwise(_null_column("date"))


def _counting_rows(
    orders: Frame, known_on: str, until_day: str | None = None, counted: str | None = None,
    assumed: str | nw.Expr | None = None,
) -> Frame:  # fmt: skip
    """Orders as counting rows: from the known day on, until the other; `assumed` says what that rests on."""
    return orders.select(
        *_ORDER_COLUMNS, "clock_day",
        known_on=nw.col(known_on),
        until_day=_null_column("date") if until_day is None else nw.col(until_day),
        counted=nw.lit(1, nw.Int64) if counted is None else nw.col(counted),
        assumed=assumed if isinstance(assumed, nw.Expr) else nw.lit(assumed, nw.String),
    )  # fmt: skip


def _fault_rows(
    orders: Frame, cause: str, known_on: str, cleared_on: str | None = None, at_fault: str | None = None,
    assumed: str | None = None,
) -> Frame:  # fmt: skip
    """Orders as rows at fault for one cause."""
    return orders.select(
        *_ORDER_COLUMNS,
        cause=nw.lit(cause),
        clock_day=nw.col("clock_day"),
        known_on=nw.col(known_on),
        cleared_on=nw.col("gone_on") if cleared_on is None else nw.min_horizontal(cleared_on, "gone_on"),
        at_fault=nw.lit(1, nw.Int64) if at_fault is None else nw.col(at_fault),
        assumed=_null_column("text") if assumed is None else nw.col(assumed),
    )


def _null_column(kind: str) -> nw.Expr:
    """A column of nothing known, of the right type for every engine."""
    return nw.lit(None, nw.Date if kind == "date" else nw.String)


def _join_placed_orders(rows: Frame, orders: Frame) -> Frame:
    """Rows about orders, each with the channel and the clock day of its order; rows of unknown orders go."""
    placed = orders.select(*ORDER_KEY, "channel", "clock_day", "gone_on")
    return rows.join(placed, on=ORDER_KEY, how="inner")


def _count_all_orders(ledger: Ledger, basis: Basis) -> Frame:
    """Every order counts from its clock day on; a cancelled one ceases where the rule leaves those out."""
    return _counting_rows(_placed_orders(ledger, basis), "placed_on", "gone_on")


def negative_feedback_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders with a bad rating among all orders.

    A rating counts from the day it was received until it is removed, or until a later rating of the same
    order takes its place. A list of the marketplace, which has no days, adds orders until their rating is known.
    """
    bad = nw.col("rating") <= basis.option("negative_up_to", 2)
    ratings = _ratings_with_end(ledger).filter(bad)
    placed = _placed_orders(ledger, basis)
    rated = _fault_rows(_join_placed_orders(ratings, placed), "negative_feedback", "received_on", "removed_on")
    told = _defect_fault_rows(ledger, placed, "negative_feedback")
    from_rating = ledger.feedback.group_by(ORDER_KEY).agg(rated_on=nw.col("received_on").min())
    guessed = told.filter(~nw.col("assumed").is_null()).join(from_rating, on=ORDER_KEY, how="left")
    guessed = guessed.with_columns(cleared_on=nw.min_horizontal("cleared_on", "rated_on")).select(_FAULT_COLUMNS)
    told = nw.concat([told.filter(nw.col("assumed").is_null()), guessed])
    return CountedOrders(_count_all_orders(ledger, basis), nw.concat([rated, told]))


def negative_review_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders with a bad rating among the orders that were rated at all, from their first rating on."""
    bad = nw.col("rating") <= basis.option("negative_up_to", 2)
    placed = _placed_orders(ledger, basis)
    first = ledger.feedback.group_by(ORDER_KEY).agg(nw.col("received_on").min())
    ratings = _join_placed_orders(_ratings_with_end(ledger).filter(bad), placed)
    faults = _fault_rows(ratings, "negative_feedback", "received_on", "removed_on")
    return CountedOrders(_counting_rows(_join_placed_orders(first, placed), "received_on"), faults)


def _ratings_with_end(ledger: Ledger) -> Frame:
    """Ratings with the day on which a later one of the same order, or a removal, ended each.

    Which of an order's ratings is the later one says `rank`; one that a later-ranked rating preceded in
    time never stood at all.
    """
    feedback = ledger.feedback.select(*ORDER_KEY, "received_on", "removed_on", "feedback_id", "rating", "rank")
    later = feedback.select(*ORDER_KEY, replaced_on="received_on", later_rank="rank")
    pairs = feedback.join(later, on=ORDER_KEY, how="inner").filter(nw.col("later_rank") > nw.col("rank"))
    ended = pairs.group_by(*ORDER_KEY, "feedback_id").agg(nw.col("replaced_on").min())
    joined = feedback.join(ended, on=[*ORDER_KEY, "feedback_id"], how="left")
    ends = nw.min_horizontal("removed_on", "replaced_on")
    stood = joined.with_columns(removed_on=ends)
    return stood.filter(nw.col("removed_on").is_null() | (nw.col("removed_on") > nw.col("received_on")))


def a_to_z_claim_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders with a buyer's A-to-z claim among all orders."""
    return CountedOrders(
        _count_all_orders(ledger, basis), _defect_fault_rows(ledger, _placed_orders(ledger, basis), "a_to_z_claim")
    )


def chargeback_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders with a chargeback among all orders."""
    return CountedOrders(
        _count_all_orders(ledger, basis), _defect_fault_rows(ledger, _placed_orders(ledger, basis), "chargeback")
    )


def _defect_fault_rows(ledger: Ledger, placed: Frame, kind: str) -> Frame:
    """The defects of one kind as rows at fault.

    A defect whose day had to be assumed gives way to one of the same order and kind whose day is known,
    from the day on which that became known; what was seen before stays as it was seen.
    """
    kinds = _defects(ledger, kind)
    known = kinds.filter(nw.col("assumed").is_null())
    takes_over = known.group_by(ORDER_KEY).agg(replaced_on=nw.col("known_on").min())
    guessed = kinds.filter(~nw.col("assumed").is_null()).join(takes_over, on=ORDER_KEY, how="left")
    guessed = guessed.with_columns(cleared_on=nw.min_horizontal("cleared_on", "replaced_on")).drop("replaced_on")
    return _fault_rows(
        _join_placed_orders(nw.concat([known, guessed]), placed), kind, "known_on", "cleared_on", assumed="assumed"
    )


def _defects(ledger: Ledger, kind: str) -> Frame:
    """The defects of one kind: their days, and what was assumed of these."""
    return ledger.defects.filter(nw.col("kind") == kind).select(*ORDER_KEY, "known_on", "cleared_on", "assumed")


def order_defect_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders with bad feedback, a claim or a chargeback among all orders; one with several counts once."""
    parts = (negative_feedback_rate, a_to_z_claim_rate, chargeback_rate)
    return CountedOrders(_count_all_orders(ledger, basis), nw.concat([part(ledger, basis).faults for part in parts]))


def cancellation_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders that the seller cancelled, whole or in part, among all orders.

    Orders cancelled at the buyer's request count but are not at fault. Where no file says who cancelled,
    the rule's option decides, and the row is marked as assumed. Orders that the marketplace itself lists are at fault.
    One that was shipped after all is at fault on the days on which it stood cancelled.
    """
    placed = _placed_orders(
        ledger, basis, "cancelled_on", "restored_on", "status", "cancelled_by", "part_cancelled", "assumed"
    )
    whole = (nw.col("status") == "cancelled") | ~nw.col("restored_on").is_null()
    part = nw.col("part_cancelled").fill_null(False)
    if basis.option("part_cancelled", "at_fault") != "at_fault":
        part = nw.lit(False)
    cancelled = placed.filter(~nw.col("cancelled_on").is_null()).filter(whole | part)
    # What is cancelled in part stays so when the rest is shipped.
    cancelled = cancelled.with_columns(
        restored_on=nw.when(part).then(_null_column("date")).otherwise(nw.col("restored_on"))
    )
    by = nw.col("cancelled_by")
    blamed = ["seller", "amazon"] if basis.option("amazon_cancelled", "at_fault") == "at_fault" else ["seller"]
    at_fault = by.is_in(blamed)
    if basis.option("unknown_canceller", "at_fault") == "at_fault":
        at_fault = at_fault | by.is_null()
    rows = _fault_rows(
        _mark_assumed_canceller(cancelled.filter(at_fault)),
        "cancelled",
        "cancelled_on",
        "restored_on",
        assumed="assumed",
    )
    return CountedOrders(
        _counting_rows(placed, "placed_on"), nw.concat([rows, _defect_fault_rows(ledger, placed, "cancelled")])
    )


def _mark_assumed_canceller(rows: Frame) -> Frame:
    """Cancellations with all that was assumed of them: who did it, and on which day."""
    unknown, undated = nw.col("cancelled_by").is_null(), nw.col("assumed").is_null()
    return rows.with_columns(
        assumed=nw.when(unknown & undated).then(nw.lit("canceller_unknown"))
        .when(unknown).then(nw.concat_str(nw.lit("canceller_unknown+"), nw.col("assumed")))
        .otherwise(nw.col("assumed"))
    )  # fmt: skip


def late_shipment_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders whose first confirmation came after the ship-by instant.

    With `counts: confirmed` an order counts from the day it is confirmed; with `counts: due` every order
    with a ship-by instant does, from its clock day until it is cancelled. A shipped order of which no file tells the
    confirmation counts by the marketplace's own list of late shipments (see `_by_list`).
    """
    due = basis.option("counts", "confirmed") == "due"
    placed = _placed_orders(ledger, basis, "cancelled_on", "shipped_on", "shipped_at", "ship_by", "status")
    promised = placed.filter(~nw.col("ship_by").is_null())
    lacking = _unconfirmed_orders(ledger, basis, due)
    if due:
        promised = promised.with_columns(gone_on=_cancelled_on())
    confirmed = promised.filter(~nw.col("shipped_at").is_null())
    late = _fault_rows(confirmed.filter(nw.col("shipped_at") > nw.col("ship_by")), "shipped_late", "shipped_on")
    if due:
        listed = _listed_fault_rows(ledger, promised, "shipped_late", "clock_day")
        return CountedOrders(
            _counting_rows(promised, "placed_on", "gone_on"), nw.concat([late, listed]), _unknown_rows(lacking)
        )
    lists = _defect_lists(ledger, LATE_SHIPMENT_LIST)
    if lists is None:
        listed = _listed_fault_rows(ledger, confirmed, "shipped_late", "shipped_on")
        return CountedOrders(_counting_rows(confirmed, "shipped_on"), nw.concat([late, listed]), _unknown_rows(lacking))
    by_list = _orders_confirmed_by_list(lists, lacking)
    counts = _counting_rows(by_list, "counts_on", assumed=CONFIRMED_BY_LIST)
    columns = [*_ORDER_COLUMNS, "clock_day", "gone_on", "counts_on"]
    both = [confirmed.with_columns(counts_on=nw.col("shipped_on")).select(columns), by_list.select(columns)]
    return CountedOrders(
        nw.concat([_counting_rows(confirmed, "shipped_on"), counts]),
        nw.concat([late, _listed_fault_rows(ledger, nw.concat(both), "shipped_late", "counts_on")]),
        _unknown_rows(lacking.join(by_list.select(*ORDER_KEY, "counts_on"), on=ORDER_KEY, how="left"), "counts_on"),
    )


CONFIRMED_BY_LIST = "confirmations_from_list"
"""What is assumed of orders that count by the list of late shipments."""
LATE_SHIPMENT_LIST = "list_late_shipments"


def _defect_lists(ledger: Ledger, name: str) -> Frame | None:
    """The lists of one kind that the marketplace gave, with the days that each tells of: `from_on` to `list_on`.

    None where there is none: they are few, and to look for them costs less than to count without them.
    """
    rows = ledger.account_states.filter((nw.col("kind") == "list") & (nw.col("name") == name))
    begins = nw.col("as_of").dt.offset_by(f"-{DEFECT_LIST_DAYS}d").cast(nw.Date)
    lists = rows.select("account", "marketplace", list_on="as_of", from_on=begins)
    return lists if len(lists.head(1).collect()) else None


def _orders_confirmed_by_list(lists: Frame, unconfirmed: Frame) -> Frame:
    """Shipped seller orders without a known confirmation that lists of late shipments tell of, from `counts_on` on.

    A list names the late ones among the orders due by its day and in the 60 days before: so one that it does not name
    was confirmed in time. It counts from the day of the first such list, and not before its clock day.
    """
    known = ~nw.col("clock").is_null() & ~nw.col("ship_by").is_null() & (nw.col("channel") == "seller")
    due = unconfirmed.filter(known & nw.col("shipped_at").is_null()).join(
        lists, on=["account", "marketplace"], how="inner"
    )
    within = due.filter((nw.col("from_on") <= nw.col("ship_by_on")) & (nw.col("ship_by_on") <= nw.col("list_on")))
    first = within.group_by(*_ORDER_COLUMNS, "clock").agg(nw.col("list_on").min())
    return first.with_columns(
        clock_day=nw.col("clock"), gone_on=_null_column("date"), counts_on=nw.max_horizontal("clock", "list_on")
    )


def _unconfirmed_orders(ledger: Ledger, basis: Basis, due: bool) -> Frame:
    """Shipped orders of which no file tells when they were due or (unless `due` is enough) confirmed."""
    known = ~nw.col("clock").is_null() & ~nw.col("ship_by").is_null()
    if not due:
        known = known & ~nw.col("shipped_at").is_null()
    lacking = _shipped_orders(ledger, basis, "ship_by_on", "ship_by").filter(~known)
    by_order = lacking.filter(_has_shipped_status() | ~nw.col("shipped_at").is_null())
    # An engine finds where a column is empty without reading it, and whatever else stands beside.
    silent = lacking.filter(nw.col("shipped_at").is_null()).filter(~_has_shipped_status())
    return nw.concat([by_order, silent.join(ledger.shipments.select(*ORDER_KEY), on=ORDER_KEY, how="semi")])


def _listed_fault_rows(ledger: Ledger, orders: Frame, kind: str, counts_from: str) -> Frame:
    """Counted orders that the marketplace itself lists for one cause, as rows at fault: not before they count."""
    counted = orders.select(*ORDER_KEY, begins=nw.col(counts_from))
    rows = _defects(ledger, kind).join(counted, on=ORDER_KEY, how="inner")
    rows = rows.with_columns(known_on=nw.max_horizontal("known_on", "begins"))
    return _fault_rows(_join_placed_orders(rows, orders), kind, "known_on", "cleared_on", assumed="assumed")


def on_time_delivery_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Delivered parcels that came after the deliver-by instant, among those delivered; known on the delivery day.

    A parcel without tracking does not count, and one that was confirmed only after it was delivered is late. An order
    of which no file names a parcel is one parcel. A parcel of an order that the marketplace lists as late is late.
    """
    placed = _placed_orders(ledger, basis, "deliver_by", "delivered_at", "delivered_on")
    promised = placed.filter(~nw.col("deliver_by").is_null())
    parcels = nw.concat([_delivered_parcels(ledger, promised), _delivered_orders(ledger, promised)])
    listed = _listed_orders(ledger, "delivered_late")
    late = parcels.join(listed, on=ORDER_KEY, how="left").with_columns(
        late=(nw.col("delivered_at") > nw.col("deliver_by"))
        | (nw.col("confirmed_at") > nw.col("delivered_at")).fill_null(False)
    )
    tracked = nw.col("tracking").fill_null(True)
    return CountedOrders(
        _counting_rows(parcels, "delivered_on"),
        _parcel_fault_rows(late, "delivered_late", "delivered_on"),
        _unknown_rows(_undelivered_orders(ledger, basis, tracked, nw.col("parcels").is_null())),
    )


def _undelivered_orders(ledger: Ledger, basis: Basis, tracked: nw.Expr, alone: nw.Expr) -> Frame:
    """Shipped orders that do not count, for no file tells when they were promised or that any parcel was delivered.

    One that is under way is among them, until a file tells of its delivery. Orders all of whose parcels are not
    `tracked` stay outside, as they do of the count; those that are `alone` count by the order's own delivery.
    """
    delivered = ~nw.col("delivered_at").is_null() & tracked
    orders = _orders_with_parcels(ledger, basis, delivered, tracked, "deliver_by", "delivered_at")
    is_known = (nw.col("told") == 1).fill_null(False) | (alone & ~nw.col("delivered_at").is_null())
    counts = ~nw.col("clock").is_null() & ~nw.col("deliver_by").is_null() & is_known
    return orders.filter(~counts & (nw.col("inside").fill_null(1) == 1))


def _orders_with_parcels(ledger: Ledger, basis: Basis, is_known: nw.Expr, inside: nw.Expr, *columns: str) -> Frame:
    """Shipped orders with what their parcels say: how many there are (`parcels`), whether one is `told`, or `inside`
    what the metric counts (1 or 0); empty where no file names a parcel."""
    parcels = ledger.shipments.select(
        *ORDER_KEY,
        told=nw.when(is_known).then(1).otherwise(0),
        inside=nw.when(inside).then(1).otherwise(0),
        parcel=nw.lit(1, nw.Int64),
    )
    by_order = parcels.group_by(ORDER_KEY).agg(
        told=nw.col("told").max(), inside=nw.col("inside").max(), parcels=nw.col("parcel").sum()
    )
    orders = _shipped_orders(ledger, basis, *columns).join(by_order, on=ORDER_KEY, how="left")
    return orders.filter(_has_shipped_status() | ~nw.col("shipped_at").is_null() | ~nw.col("parcels").is_null())


_PARCEL_COLUMNS = ["shipment_id", "confirmed_at", "delivered_at", "delivered_on"]


def _delivered_parcels(ledger: Ledger, promised: Frame) -> Frame:
    """The delivered parcels of orders, with the promise of each; those without tracking stay outside."""
    delivered = ledger.shipments.filter(~nw.col("delivered_at").is_null() & nw.col("tracking").fill_null(True))
    orders = promised.select(*ORDER_KEY, "channel", "clock_day", "gone_on", "deliver_by")
    return delivered.select(*ORDER_KEY, *_PARCEL_COLUMNS).join(orders, on=ORDER_KEY, how="inner")


def _delivered_orders(ledger: Ledger, promised: Frame) -> Frame:
    """Delivered orders of which no file names a parcel, each as one."""
    named = ledger.shipments.select(*ORDER_KEY, named=nw.lit(True)).unique()
    alone = promised.filter(~nw.col("delivered_at").is_null()).join(named, on=ORDER_KEY, how="left")
    whole = alone.filter(nw.col("named").is_null()).with_columns(
        shipment_id=nw.col("order_id"),
        confirmed_at=nw.when(nw.col("delivered_at").is_null()).then(nw.col("delivered_at")),
    )
    return whole.select(*ORDER_KEY, *_PARCEL_COLUMNS, "channel", "clock_day", "gone_on", "deliver_by")


def _listed_orders(ledger: Ledger, kind: str) -> Frame:
    """The orders that the marketplace lists for one cause, with the first day of it."""
    open_end = _defects(ledger, kind).with_columns(ended=nw.col("cleared_on").fill_null(_OPEN_END))
    named = open_end.group_by(ORDER_KEY).agg(listed_on=nw.col("known_on").min(), last=nw.col("ended").max())
    ended = nw.when(nw.col("last") < _OPEN_END).then(nw.col("last")).otherwise(_null_column("date"))
    return named.with_columns(listed_till=ended).drop("last")


_OPEN_END = date(9999, 12, 31)
"""The end of what was never cleared, where ends are compared."""


def _parcel_fault_rows(parcels: Frame, cause: str, known_on: str) -> Frame:
    """Parcels as rows at fault: those that are `late`, and the first of an order that is listed and has none."""
    judged = _mark_late_orders(parcels)
    first = judged.filter(nw.col("shipment_id") == nw.col("first"))
    return _late_or_listed_fault_rows(judged, first, cause, known_on)


def _mark_late_orders(parcels: Frame) -> Frame:
    """Parcels with the first of their order (`first`), and whether any of the order is `late` (`any_bad`, 1 or 0)."""
    worst = parcels.with_columns(bad=nw.when(nw.col("late")).then(1).otherwise(0))
    order = worst.group_by(ORDER_KEY).agg(any_bad=nw.col("bad").max(), first=nw.col("shipment_id").min())
    return worst.join(order, on=ORDER_KEY, how="inner")


def _late_or_listed_fault_rows(
    judged: Frame, named: Frame, cause: str, known_on: str, at_fault: str | None = None
) -> Frame:
    """Parcels that are late, and of listed orders without a late one those in `named`, as rows at fault."""
    own = _fault_rows(judged.filter(nw.col("late")), cause, known_on, at_fault=at_fault)
    listed = named.filter((nw.col("any_bad") == 0) & ~nw.col("listed_on").is_null())
    listed = listed.with_columns(listed_on=nw.max_horizontal("listed_on", known_on))
    return nw.concat([own, _fault_rows(listed, cause, "listed_on", "listed_till", at_fault=at_fault)])


def unit_on_time_delivery_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """The same in units, parcel by parcel: five late units are five. One without tracking stays outside.

    Of an order that the marketplace lists as late, and of which no parcel is late by its own days, every unit
    delivered is late: the list names orders, not parcels. See `_with_units` for parcels whose units no file tells.
    """
    promised = _placed_orders(ledger, basis, "deliver_by").filter(~nw.col("deliver_by").is_null())
    tracked = nw.col("tracking").fill_null(True)
    shipped = _parcels_with_units(ledger).filter(~nw.col("delivered_at").is_null() & tracked)
    parcels = shipped.join(promised, on=ORDER_KEY, how="inner")
    late = parcels.join(_listed_orders(ledger, "delivered_late"), on=ORDER_KEY, how="left")
    judged = _mark_late_orders(late.with_columns(late=nw.col("delivered_at") > nw.col("deliver_by")))
    return CountedOrders(
        _counting_rows(parcels, "delivered_on", counted="units", assumed=nw.col("units_from")),
        _late_or_listed_fault_rows(judged, judged, "delivered_late", "delivered_on", at_fault="units"),
        _unknown_rows(_undelivered_orders(ledger, basis, tracked, alone=nw.lit(False))),
    )


UNITS_ESTIMATED = "units_estimated"
"""The word for units of parcels that no file tells."""


def _parcels_with_units(ledger: Ledger) -> Frame:
    """Parcels with their units; where a parcel has none of its own, those of the order that its others leave.

    Several such parcels of one order share them alike, the first also has the rest, and none has fewer than one. That,
    and one unit where those of the order are not known, is an estimate (`units_from`).
    """
    columns = [*ORDER_KEY, "shipment_id", "units", "tracking", "delivered_at", "delivered_on"]
    parcels = ledger.shipments.select(columns)
    unstated = nw.col("units").is_null()
    stated = parcels.filter(~unstated).with_columns(units_from=_null_column("text"))
    without = parcels.filter(unstated)
    if not len(without.head(1).collect()):
        return stated  # Most accounts state all units; this check is cheaper than the joins below.
    sharing = without.group_by(ORDER_KEY).agg(sharing=nw.col("shipment_id").len(), first=nw.col("shipment_id").min())
    stated_units = parcels.filter(~unstated).group_by(ORDER_KEY).agg(stated_units=nw.col("units").sum())
    orders = ledger.orders.select(*ORDER_KEY, order_units=nw.col("units"))
    shares = sharing.join(orders, on=ORDER_KEY, how="left").join(stated_units, on=ORDER_KEY, how="left")
    shares = shares.with_columns(rest=nw.col("order_units") - nw.col("stated_units").fill_null(0))
    share = nw.col("rest") // nw.col("sharing")
    is_first = nw.col("shipment_id") == nw.col("first")
    enough = (nw.col("rest") >= nw.col("sharing")).fill_null(False)
    of_first = nw.when(is_first).then(nw.col("rest") - share * nw.col("sharing")).otherwise(0)
    known = nw.when(enough & (nw.col("sharing") == 1)).then(_null_column("text"))
    estimated = (
        without.drop("units")
        .join(shares, on=ORDER_KEY, how="inner")
        .with_columns(
            units=nw.when(enough).then(share + of_first).otherwise(1).cast(nw.Int64),
            units_from=known.otherwise(nw.lit(UNITS_ESTIMATED, nw.String)),
        )
    )
    return nw.concat([stated, estimated.select([*columns, "units_from"])])


def valid_tracking_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Confirmed parcels without valid tracking, among those of which the files say whether they have it.

    The marketplace asks for a carrier's scan. Where the files hold none, a tracking number passes, so that the rate is
    a proxy and an upper bound. A parcel counts from the day it was confirmed.
    """
    parcels = ledger.shipments.select(
        *ORDER_KEY, "confirmed_on", "shipment_id", valid=nw.coalesce("scanned", "tracking")
    )
    told = parcels.filter(~nw.col("confirmed_on").is_null() & ~nw.col("valid").is_null())
    parcels = told.join(_placed_orders(ledger, basis), on=ORDER_KEY, how="inner")
    judged = parcels.join(_listed_orders(ledger, "no_tracking"), on=ORDER_KEY, how="left").with_columns(
        late=~nw.col("valid")
    )
    return CountedOrders(
        _counting_rows(parcels, "confirmed_on"),
        _parcel_fault_rows(judged, "no_tracking", "confirmed_on"),
        _unknown_rows(_untracked_orders(ledger, basis)),
    )


def _untracked_orders(ledger: Ledger, basis: Basis) -> Frame:
    """Shipped orders that do not count, for no file tells of a confirmed parcel whether it has valid tracking."""
    valid = ~nw.col("confirmed_on").is_null() & ~nw.coalesce("scanned", "tracking").is_null()
    orders = _orders_with_parcels(ledger, basis, is_known=valid, inside=nw.lit(True))
    return orders.filter(nw.col("clock").is_null() | (nw.col("told").fill_null(0) == 0))


def refund_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders with a refund among all orders."""
    return CountedOrders(
        _count_all_orders(ledger, basis), _defect_fault_rows(ledger, _placed_orders(ledger, basis), "refund")
    )


def invoice_defect_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Orders of business customers without an invoice in time, among all of theirs.

    In time is by the end of the next working day after dispatch, Monday to Friday whatever the holidays. An order is at
    fault from the day after that, for want of an invoice, and once it is there for its being late.
    """
    placed = _placed_orders(ledger, basis, "shipped_on", "invoiced_on", "is_business").filter(nw.col("is_business"))
    sent = placed.filter(~nw.col("shipped_on").is_null()).with_columns(late_on=_after_next_working_day("shipped_on"))
    bad = sent.filter(nw.col("invoiced_on").is_null() | (nw.col("invoiced_on") >= nw.col("late_on")))
    missing = _fault_rows(bad, "invoice_missing", "late_on", "invoiced_on")
    late = _fault_rows(bad.filter(~nw.col("invoiced_on").is_null()), "invoice_late", "invoiced_on")
    listed = [_defect_fault_rows(ledger, placed, kind) for kind in ("invoice_missing", "invoice_late")]
    return CountedOrders(_counting_rows(placed, "placed_on", "gone_on"), nw.concat([missing, late, *listed]))


def _after_next_working_day(name: str) -> nw.Expr:
    """The day after the next Monday-to-Friday day: Friday and the weekend wait for the end of Monday."""
    day, weekday = nw.col(name), nw.col(name).dt.weekday()
    return (
        nw.when(weekday == 5).then(day.dt.offset_by("4d").cast(nw.Date))
        .when(weekday == 6).then(day.dt.offset_by("3d").cast(nw.Date))
        .otherwise(day.dt.offset_by("2d").cast(nw.Date))
    )  # fmt: skip


# -- messages, returns and violations, which are counted by themselves ----------------------------------------


def late_response_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Messages that were not answered within so many hours, among those that want an answer.

    One that waits counts only once its hours have passed; one that is found to need no answer leaves.
    """
    due = f"due_{basis.option('within_hours', 24)}h_on"
    messages = _messages(ledger, basis).with_columns(due_on=nw.col(due), cleared_on=nw.col("excused_on"))
    counted = messages.with_columns(counts_on=nw.min_horizontal("answered_on", "due_on"))
    late = _late_answer_fault_rows(
        messages, f"{basis.option('within_hours', 24)}h", "received_at", "answered_late", "unanswered"
    )
    return CountedOrders(_counting_rows(counted, "counts_on", "excused_on"), late)


def _messages(ledger: Ledger, basis: Basis) -> Frame:
    """The messages of buyers, each by its own id and of the whole account."""
    messages = ledger.contacts.filter(nw.col("kind") == "message")
    return messages.with_columns(
        channel=nw.lit(WHOLE_ACCOUNT),
        order_id=nw.col("contact_id"),
        clock_day=nw.col(basis.clock),
        gone_on=_null_column("date"),
    )


def _late_answer_fault_rows(
    requests: Frame, hours: str, since: str, answered_cause: str, unanswered_cause: str
) -> Frame:
    """What was asked and not answered within some hours: without an answer until there is one, then answered late."""
    late = requests.filter(
        nw.col("answered_at").is_null() | (nw.col("answered_at") > nw.col(since).dt.offset_by(hours))
    ).with_columns(waits_till=nw.min_horizontal("answered_on", "cleared_on"))
    waiting = _fault_rows(late, unanswered_cause, "due_on", "waits_till")
    told = late.filter(~nw.col("answered_on").is_null())
    told = told.with_columns(answered_on=nw.max_horizontal("answered_on", "due_on"))
    return nw.concat([waiting, _fault_rows(told, answered_cause, "answered_on", "cleared_on")])


def average_response_time(ledger: Ledger, basis: Basis) -> CountedOrders:
    """How long answered messages waited: each counts from the day of its answer, and holds its minutes."""
    answered = _messages(ledger, basis).filter(~nw.col("answered_at").is_null())
    waited = answered.with_columns(minutes=(nw.col("answered_at") - nw.col("received_at")).dt.total_minutes())
    held = _fault_rows(waited, "answered", "answered_on", "excused_on", at_fault="minutes")
    return CountedOrders(_counting_rows(answered, "answered_on", "excused_on"), held)


def customer_service_dissatisfaction_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Answers "no" to whether a problem was solved, among all; of one order the latest answer stands, of two
    of the same second that with the later id."""
    surveys = ledger.contacts.filter(nw.col("kind") == "survey").with_columns(
        about=nw.coalesce("order_id", "contact_id")
    )
    keys = ["account", "marketplace", "about"]
    later = surveys.select(*keys, replaced_on="received_on", later_at="received_at", later_id="contact_id")
    same = (nw.col("later_at") == nw.col("received_at")) & (nw.col("later_id") > nw.col("contact_id"))
    pairs = surveys.join(later, on=keys, how="inner").filter((nw.col("later_at") > nw.col("received_at")) | same)
    ended = pairs.group_by("account", "marketplace", "contact_id").agg(nw.col("replaced_on").min())
    votes = surveys.join(ended, on=["account", "marketplace", "contact_id"], how="left").with_columns(
        channel=nw.lit(WHOLE_ACCOUNT), order_id=nw.col("contact_id"), clock_day=nw.col(basis.clock),
        gone_on=nw.min_horizontal("excused_on", "replaced_on"),
    )  # fmt: skip
    unhappy = _fault_rows(votes.filter(nw.col("outcome") == "no"), "not_solved", "received_on")
    return CountedOrders(_counting_rows(votes, "received_on", "gone_on"), unhappy)


def negative_return_feedback_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return requests of which the buyer said that they were not resolved, among all valid ones."""
    asked = _return_requests(ledger, basis)
    unresolved = asked.filter(~nw.col("unresolved_on").is_null())
    return CountedOrders(
        _counting_rows(asked, "requested_on", "gone_on"), _fault_rows(unresolved, "not_resolved", "unresolved_on")
    )


def late_return_response_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return requests that were not authorised, refunded or closed within 48 hours, among all valid ones.

    One that was decided, at an unknown time, is taken as answered in time.
    """
    asked = _return_requests(ledger, basis)
    told = asked.filter(~nw.col("answered_at").is_null() | nw.col("decision").is_null())
    rows = told.with_columns(due_on=nw.col("due_48h_on"))
    late = _late_answer_fault_rows(rows, "48h", "requested_at", "return_answered_late", "return_unanswered")
    return CountedOrders(_counting_rows(asked, "requested_on", "gone_on"), late)


def invalid_rejection_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return requests that were refused wrongly, among all valid ones.

    Where no file says that it was wrong, a refusal of a request within the policy is suspected of it, and marked so.
    """
    asked = _return_requests(ledger, basis)
    refused = asked.filter(nw.col("decision") == "refused")
    guessed = nw.col("refused_wrongly").is_null()
    wrong = nw.coalesce("refused_wrongly", "in_policy").fill_null(False)
    rows = refused.filter(wrong).with_columns(
        refused_on=nw.coalesce("answered_on", "requested_on"),
        suspected=nw.when(guessed).then(nw.lit("refusal_within_policy")).otherwise(_null_column("text")),
    )
    faults = _fault_rows(rows, "refused_wrongly", "refused_on", assumed="suspected")
    return CountedOrders(_counting_rows(asked, "requested_on", "gone_on"), faults)


def _return_requests(ledger: Ledger, basis: Basis) -> Frame:
    """The return requests of seller-fulfilled orders, each by its own id; one that is not valid leaves.

    A file of requests may not say who fulfilled the order: then the order does, where it is known.
    """
    orders = ledger.orders.select(*ORDER_KEY, fulfilled_by=nw.col("channel"))
    requests = ledger.returns.filter(nw.col("channel") == "seller").join(orders, on=ORDER_KEY, how="left")
    requests = requests.filter(nw.col("fulfilled_by").fill_null("seller") == "seller")
    return requests.with_columns(
        order_id=nw.col("return_id"), clock_day=nw.col(basis.clock), gone_on=nw.col("cleared_on")
    )


def return_dissatisfaction_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return requests with a fault of any kind, among all valid ones; one with several counts once."""
    parts = (negative_return_feedback_rate, late_return_response_rate, invalid_rejection_rate)
    held = [part(ledger, basis) for part in parts]
    return CountedOrders(held[0].counting, nw.concat([part.faults for part in held]))


def policy_violations(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Open policy violations by category; what counts is the account, from the first day that a file tells of them.

    Violations told one by one stand from the day they were opened until resolved. A count that the marketplace gave
    stands until it gave the next one, and only where no file tells of that category one by one.
    """
    told = ledger.violations
    first = told.group_by("account", "marketplace").agg(clock_day=nw.col("opened_on").min())
    counting = first.with_columns(
        channel=nw.lit(WHOLE_ACCOUNT), order_id=nw.col("account"), known_on=nw.col("clock_day"),
        until_day=_null_column("date"), counted=nw.lit(1, nw.Int64), assumed=_null_column("text"),
    ).select(_COUNTING_COLUMNS)  # fmt: skip
    return CountedOrders(counting, _violation_fault_rows(told, nw.col("count")))


def _violation_fault_rows(violations: Frame, weight: nw.Expr) -> Frame:
    """Violations as rows at fault, each adding what `weight` says; the cause is their category."""
    keys = ["account", "marketplace", "category"]
    single = violations.filter(nw.col("violation_id") != "")
    by_hand = single.select(*keys, each=nw.lit(True)).unique()
    counts = violations.filter(nw.col("violation_id") == "").join(by_hand, on=keys, how="left")
    counts = counts.filter(nw.col("each").is_null()).drop("each")
    later = counts.select(*keys, next_on="opened_on")
    pairs = counts.join(later, on=keys, how="inner").filter(nw.col("next_on") > nw.col("opened_on"))
    ends = pairs.group_by(*keys, "opened_on").agg(next_on=nw.col("next_on").min())
    stood = counts.join(ends, on=[*keys, "opened_on"], how="left").with_columns(resolved_on=nw.col("next_on"))
    rows = nw.concat([single, stood.drop("next_on")]).with_columns(weight=weight).filter(nw.col("weight") > 0)
    named = nw.concat_str("category", nw.lit(" "), "violation_id", nw.lit(" "), nw.col("opened_on").cast(nw.String))
    placed = rows.with_columns(
        channel=nw.lit(WHOLE_ACCOUNT), order_id=named, clock_day=nw.col("opened_on"), gone_on=_null_column("date"),
        cause=nw.col("category"), known_on=nw.col("opened_on"), cleared_on=nw.col("resolved_on"),
        at_fault=nw.col("weight"), assumed=_null_column("text"),
    )  # fmt: skip
    return placed.select(_FAULT_COLUMNS)


def account_health_rating(ledger: Ledger, basis: Basis) -> CountedOrders:
    """What an estimate of the rating is made of: fulfilled orders, which earn points, and violations, which take them.

    How many points a violation takes, by its severity, is the rule's to say.
    """
    orders = _placed_orders(ledger, basis, "cancelled_on", "status").with_columns(
        channel=nw.lit(WHOLE_ACCOUNT), gone_on=_cancelled_on()
    )
    taken = nw.lit(basis.option("points_unknown", 0), nw.Int64)
    for severity in SEVERITIES:
        points = nw.lit(basis.option(f"points_{severity}", 0), nw.Int64)
        taken = nw.when(nw.col("severity") == severity).then(points).otherwise(taken)
    return CountedOrders(
        _counting_rows(orders, "placed_on", "gone_on"),
        _violation_fault_rows(ledger.violations, taken * nw.col("count")),
    )


_RETURN_EVIDENCE = ("returns", "return_answers", "return_feedback", "return_refusals")
METRICS: dict[str, Metric] = {
    metric.id: metric
    for metric in (
        Metric("order_defect_rate", order_defect_rate, "orders", ("feedback", "claims", "chargebacks")),
        Metric("negative_feedback_rate", negative_feedback_rate, "orders", ("feedback",)),
        Metric("a_to_z_claim_rate", a_to_z_claim_rate, "orders", ("claims",)),
        Metric("chargeback_rate", chargeback_rate, "orders", ("chargebacks",)),
        Metric("cancellation_rate", cancellation_rate, "orders"),
        Metric("late_shipment_rate", late_shipment_rate, "orders"),
        Metric(
            "valid_tracking_rate", valid_tracking_rate, "parcels", proxy="tracking_not_scanned", proxy_unless="scans"
        ),
        Metric("on_time_delivery_rate", on_time_delivery_rate, "parcels"),
        Metric("unit_on_time_delivery_rate", unit_on_time_delivery_rate, "units"),
        Metric("refund_rate", refund_rate, "orders", ("refunds",)),
        Metric("invoice_defect_rate", invoice_defect_rate, "orders", ("invoices",)),
        Metric("late_response_rate", late_response_rate, "orders", ("contacts",)),
        Metric("average_response_time", average_response_time, "minutes", ("contacts",), shows="average"),
        Metric("return_dissatisfaction_rate", return_dissatisfaction_rate, "orders", _RETURN_EVIDENCE),
        Metric("negative_return_feedback_rate", negative_return_feedback_rate, "orders", ("return_feedback",)),
        Metric("late_return_response_rate", late_return_response_rate, "orders", ("returns", "return_answers")),
        Metric("invalid_rejection_rate", invalid_rejection_rate, "orders", ("returns", "return_refusals")),
        Metric("customer_service_dissatisfaction_rate", customer_service_dissatisfaction_rate, "orders", ("surveys",)),
        Metric("policy_violations", policy_violations, "violations", ("violations",), shows="number"),
        Metric(
            "account_health_rating",
            account_health_rating,
            "points",
            ("violations",),
            "rating_estimated",
            shows="points",
        ),
        Metric("negative_review_rate", negative_review_rate, "orders"),
    )
}
"""Every metric that can be computed."""
