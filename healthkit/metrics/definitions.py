"""Metric definitions: one function a metric, which returns when each order counts, and when and why it is at fault.

A metric says *when*, not *whether*. It knows no as-of day, window or target and adds nothing up. For the raw tables and
a basis (the clock and the options of a rule) it returns frames with one row for each interval of days:

- `counting`: account, marketplace, channel, order_id, clock_day (the day that dates the order), known_on (the first day
  on which it counts), until_day? (the first on which it no longer does), counted (how much it adds: one order, or its
  units), assumed? (the assumption by which it counts, an id that `report/text/labels` explains);
- `faults`: account, marketplace, channel, order_id, cause, clock_day, known_on, cleared_on?, at_fault (how much it
  adds), assumed? (an assumption about the fault);
- `unknown`, for metrics whose denominator is learnt from files: shipped orders that do not count because no file holds
  what that takes (the columns of `counting`, one order each).

Where a metric counts messages, return requests or violations, `order_id` is the id of what is counted. Rows that belong
to the account as a whole have the channel `all`.

The frames are lazy, of any engine that narwhals supports. The sources of the definitions are in `policies/*.yaml`, with
the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import narwhals as nw

from healthkit.metrics.policy import OPEN_END, Basis
from healthkit.schema.tables import DEFECT_LIST_DAYS, SEVERITIES, SHIPPED_STATUSES, WHOLE_ACCOUNT, Frame, Ledger

ORDER_KEY = ["account", "marketplace", "order_id"]
"""The columns that identify an order."""
_ORDER_COLUMNS = ["account", "marketplace", "channel", "order_id"]
PROMISED_CLOCKS = ("ship_by_on", "deliver_by_on")
"""Clocks (columns of days) that are promised when the order is placed, so that they are known in advance."""


class CountedOrders(NamedTuple):
    """The result of a metric function: a frame of what counts, one of the faults, one of unknown orders.

    The docstring of this module lists their columns. `unknown` is None where every order counts from its clock day on.
    """

    counting: Frame
    faults: Frame
    unknown: Frame | None = None


_FindCountedOrders = Callable[[Ledger, Basis], CountedOrders]


class Metric(NamedTuple):
    """A metric: its id, the function that finds its orders, the unit it counts and the evidence it needs.

    `required_evidence` are the kinds of evidence (see `tables.EVIDENCE_BY_KIND`) that hold the faults: without any of
    them nothing counts, without some the rate is a proxy. `denominator_evidence` are those that hold what is counted.
    `proxy` is an assumption of the metric itself, which evidence of the kind `proxy_unless` removes.

    `figure` is what is shown: a `rate`; a `number` (how many are at fault); an `average` (minutes at fault by how many
    count); or `points` (a rating, which orders raise and faults lower).
    """

    id: str
    find_counted_orders: _FindCountedOrders
    counted_unit: str = "orders"
    required_evidence: tuple[str, ...] = ()
    denominator_evidence: tuple[str, ...] = ()
    proxy: str = ""
    proxy_unless: str = ""
    figure: str = "rate"


METRICS: dict[str, Metric] = {}
"""All metrics by id; the id of a metric is the name of its function."""


def _metric(
    counted_unit: str = "orders", required_evidence: tuple[str, ...] = (), **fields: Any
) -> Callable[[_FindCountedOrders], _FindCountedOrders]:
    """Return a decorator that adds a function to METRICS; the parameters are the fields of `Metric`."""

    def register(function: _FindCountedOrders) -> _FindCountedOrders:
        name = function.__name__
        METRICS[name] = Metric(name, function, counted_unit, required_evidence, **fields)
        return function

    return register


_MakeFrame = Callable[..., Frame]


def _cached_on_ledger(**options: Any) -> Callable[[_MakeFrame], _MakeFrame]:
    """Return a decorator for functions of a ledger, a basis and texts, whose frame several metrics use.

    The frame is made once for a ledger. `options` names the options of the basis that the function reads, with their
    defaults: it gets no others.
    """

    def decorate(function: _MakeFrame) -> _MakeFrame:
        @wraps(function)
        def find(ledger: Ledger, basis: Basis, *texts: str) -> Frame:
            read = Basis(basis.clock, tuple((name, basis.option(name, default)) for name, default in options.items()))
            key = function.__name__, read, texts
            if key not in ledger.derived_frames:
                ledger.derived_frames[key] = function(ledger, read, *texts)
            return ledger.derived_frames[key]

        return find

    return decorate


# -- rows -------------------------------------------------------------------------------------------------


def _null_column(kind: str) -> nw.Expr:
    """Return a column of nulls ("date" or "text"), typed for every engine."""
    return nw.lit(None, nw.Date if kind == "date" else nw.String)


def _is_known(name: str) -> nw.Expr:
    return ~nw.col(name).is_null()


def _counting_rows(
    orders: Frame, known_on: str, until_day: str | None = None, counted: str | None = None,
    assumed: str | nw.Expr | None = None,
) -> Frame:  # fmt: skip
    """Return orders as rows of `counting`, each from its day `known_on` until its day `until_day`."""
    return orders.select(
        *_ORDER_COLUMNS, "clock_day",
        known_on=nw.col(known_on),
        until_day=_null_column("date") if until_day is None else nw.col(until_day),
        counted=nw.lit(1, nw.Int64) if counted is None else nw.col(counted),
        assumed=assumed if isinstance(assumed, nw.Expr) else nw.lit(assumed, nw.String),
    )  # fmt: skip


def _fault_rows(
    orders: Frame, cause: str | nw.Expr, known_on: str, cleared_on: str | None = None, at_fault: str | None = None,
    assumed: str | None = None,
) -> Frame:  # fmt: skip
    """Return orders as rows of `faults`, which end no later than the order counts (`gone_on`)."""
    return orders.select(
        *_ORDER_COLUMNS,
        cause=cause if isinstance(cause, nw.Expr) else nw.lit(cause),
        clock_day=nw.col("clock_day"),
        known_on=nw.col(known_on),
        cleared_on=nw.col("gone_on") if cleared_on is None else nw.min_horizontal(cleared_on, "gone_on"),
        at_fault=nw.lit(1, nw.Int64) if at_fault is None else nw.col(at_fault),
        assumed=_null_column("text") if assumed is None else nw.col(assumed),
    )


def _unknown_rows(orders: Frame, until_day: str | None = None) -> Frame:
    """Return shipped orders as rows of `unknown`: from the order day on, until a file holds what was missing.

    They are dated by the metric's clock day, or by the order day where that is unknown.
    """
    dated = orders.with_columns(
        clock_day=nw.coalesce("clock", "ordered_on"), known_on=nw.coalesce("ordered_on", "clock")
    )
    return _counting_rows(dated.filter(_is_known("clock_day")), "known_on", until_day)


@_cached_on_ledger(include_cancelled=True, orders="any")
def _placed_orders(ledger: Ledger, basis: Basis, *columns: str) -> Frame:
    """Return the orders whose clock day is known, with `clock_day`, `placed_on`, `gone_on` and some columns.

    `placed_on` is the day from which the clock day is known: the order day for a promised day. `gone_on` is the day on
    which a cancelled order stops counting. Few columns are taken because wide frames make every later step slower.
    """
    clock = basis.clock
    gone_on = _null_column("date") if basis.option("include_cancelled", True) else _cancelled_on()
    placed_on = nw.min_horizontal("ordered_on", clock) if clock in PROMISED_CLOCKS else nw.col(clock)
    orders = ledger.orders.filter(_is_known(clock) & _is_in_rule(basis))
    return orders.select(*_ORDER_COLUMNS, *columns, clock_day=nw.col(clock), gone_on=gone_on, placed_on=placed_on)


def _shipped_orders(ledger: Ledger, basis: Basis, *columns: str) -> Frame:
    """Return the orders that were not cancelled, with `clock`, the clock day, which may be null."""
    orders = ledger.orders.filter(_is_in_rule(basis) & (nw.col("status").fill_null("") != "cancelled"))
    return orders.select(*_ORDER_COLUMNS, "ordered_on", "status", "shipped_at", *columns, clock=nw.col(basis.clock))


def _is_in_rule(basis: Basis) -> nw.Expr:
    """Return whether an order has a channel and is of the kind (any, or Premium Shipping) that a rule counts."""
    if basis.option("orders", "any") == "premium":
        return _is_known("channel") & nw.col("is_premium").fill_null(False)
    return _is_known("channel")


def _has_shipped_status() -> nw.Expr:
    """Return whether the status of an order says that it was shipped."""
    return nw.col("status").fill_null("").is_in(SHIPPED_STATUSES)


def _cancelled_on() -> nw.Expr:
    """Return the day on which the whole order was cancelled; null where only some of its lines were."""
    return nw.when(nw.col("status") == "cancelled").then(nw.col("cancelled_on")).otherwise(_null_column("date"))


def _join_placed_orders(rows: Frame, placed: Frame) -> Frame:
    """Return rows about orders with the channel and the clock day of the order; rows of other orders are dropped."""
    return rows.join(placed.select(*ORDER_KEY, "channel", "clock_day", "gone_on"), on=ORDER_KEY, how="inner")


def _of_whole_account(rows: Frame, row_id: str | nw.Expr, clock_day: str, gone_on: nw.Expr | None = None) -> Frame:
    """Return rows that count by themselves (messages, violations) as orders of the channel `all`."""
    return rows.with_columns(
        channel=nw.lit(WHOLE_ACCOUNT),
        order_id=row_id if isinstance(row_id, nw.Expr) else nw.col(row_id),
        clock_day=nw.col(clock_day),
        gone_on=_null_column("date") if gone_on is None else gone_on,
    )


@_cached_on_ledger(include_cancelled=True, orders="any")
def _count_all_orders(ledger: Ledger, basis: Basis) -> Frame:
    """Return every order as counting from its clock day, until it is cancelled if the rule leaves those out."""
    return _counting_rows(_placed_orders(ledger, basis), "placed_on", "gone_on")


def _add_replaced_on(
    rows: Frame, keys: list[str], row_id: list[str], day: str, is_later: nw.Expr, **later_columns: str
) -> Frame:
    """Return rows with `replaced_on`, the first `day` of a row with the same keys that `is_later`, or null.

    `later_columns` names the columns of the other row that `is_later` compares.
    """
    later = rows.select(*keys, replaced_on=day, **later_columns)
    pairs = rows.join(later, on=keys, how="inner").filter(is_later)
    ends = pairs.group_by(row_id).agg(nw.col("replaced_on").min())
    return rows.join(ends, on=row_id, how="left")


def _replace_assumed(rows: Frame, certain: Frame, day: str) -> Frame:
    """Return faults, those with an assumption ended on the first `day` of a certain row about the same order.

    Before that day they remain: what was displayed in the past does not change.
    """
    first = certain.group_by(ORDER_KEY).agg(replaced_on=nw.col(day).min())
    assumed = rows.filter(_is_known("assumed")).join(first, on=ORDER_KEY, how="left")
    ended = assumed.with_columns(cleared_on=nw.min_horizontal("cleared_on", "replaced_on")).drop("replaced_on")
    return nw.concat([rows.filter(~_is_known("assumed")), ended])


def _defects(ledger: Ledger, kind: str) -> Frame:
    """Return the defects of one kind, with their days and the assumption about these."""
    return ledger.defects.filter(nw.col("kind") == kind).select(*ORDER_KEY, "known_on", "cleared_on", "assumed")


def _defect_fault_rows(ledger: Ledger, placed: Frame, kind: str) -> Frame:
    """Return the defects of one kind as rows of `faults`; a known day replaces an assumed day of the same order."""
    defects = _defects(ledger, kind)
    defects = _replace_assumed(defects, defects.filter(~_is_known("assumed")), "known_on")
    return _fault_rows(_join_placed_orders(defects, placed), kind, "known_on", "cleared_on", assumed="assumed")


@_cached_on_ledger(include_cancelled=True, orders="any")
def _defect_faults_of_all_orders(ledger: Ledger, basis: Basis, kind: str) -> Frame:
    """Return the defects of one kind of all orders as rows of `faults`."""
    return _defect_fault_rows(ledger, _placed_orders(ledger, basis), kind)


def _defect_rate(ledger: Ledger, basis: Basis, kind: str) -> CountedOrders:
    """Return all orders, at fault where they have a defect of one kind."""
    return CountedOrders(_count_all_orders(ledger, basis), _defect_faults_of_all_orders(ledger, basis, kind))


# -- Order Defect Rate and its parts ----------------------------------------------------------------------


@_metric(required_evidence=("feedback", "claims", "chargebacks"))
def order_defect_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those with negative feedback, an A-to-z Guarantee claim or a chargeback as at fault.

    An order with several of these counts once.
    """
    parts = (negative_feedback_rate, a_to_z_claim_rate, chargeback_rate)
    return CountedOrders(_count_all_orders(ledger, basis), nw.concat([part(ledger, basis).faults for part in parts]))


@_metric(required_evidence=("feedback",))
def negative_feedback_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those with negative feedback as at fault.

    A rating counts from the day it was received until it is removed or replaced by a later rating of the same order.
    The marketplace's own list of orders with negative feedback has no days; an order on it is at fault until its rating
    is known.
    """
    listed = _defect_faults_of_all_orders(ledger, basis, "negative_feedback")
    listed = _replace_assumed(listed, ledger.feedback, "received_on")
    rated = _negative_ratings(ledger, basis)
    return CountedOrders(_count_all_orders(ledger, basis), nw.concat([rated, listed]))


@_metric()
def negative_review_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the orders with a rating and mark those with a negative rating as at fault.

    An order counts from the day of its first rating.
    """
    placed = _placed_orders(ledger, basis)
    rated = ledger.feedback.group_by(ORDER_KEY).agg(nw.col("received_on").min())
    counting = _counting_rows(_join_placed_orders(rated, placed), "received_on")
    return CountedOrders(counting, _negative_ratings(ledger, basis))


@_cached_on_ledger(include_cancelled=True, orders="any", negative_up_to=2)
def _negative_ratings(ledger: Ledger, basis: Basis) -> Frame:
    """Return negative ratings as rows of `faults`, each until it is removed or replaced.

    `rank` orders the ratings of one order. A rating that arrived after a higher-ranked one never counts.
    """
    feedback = ledger.feedback.select(*ORDER_KEY, "received_on", "removed_on", "feedback_id", "rating", "rank")
    is_later = nw.col("later_rank") > nw.col("rank")
    ratings = _add_replaced_on(
        feedback, ORDER_KEY, [*ORDER_KEY, "feedback_id"], "received_on", is_later, later_rank="rank"
    )
    ratings = ratings.with_columns(removed_on=nw.min_horizontal("removed_on", "replaced_on"))
    counts = ~_is_known("removed_on") | (nw.col("removed_on") > nw.col("received_on"))
    negative = ratings.filter(counts & (nw.col("rating") <= basis.option("negative_up_to", 2)))
    placed = _placed_orders(ledger, basis)
    return _fault_rows(_join_placed_orders(negative, placed), "negative_feedback", "received_on", "removed_on")


@_metric(required_evidence=("claims",))
def a_to_z_claim_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those with an A-to-z Guarantee claim as at fault."""
    return _defect_rate(ledger, basis, "a_to_z_claim")


@_metric(required_evidence=("chargebacks",))
def chargeback_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those with a chargeback as at fault."""
    return _defect_rate(ledger, basis, "chargeback")


@_metric(required_evidence=("refunds",))
def refund_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those with a refund as at fault."""
    return _defect_rate(ledger, basis, "refund")


@_metric(required_evidence=("not_received",))
def item_not_received_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those of which the buyer said that nothing arrived as at fault."""
    return _defect_rate(ledger, basis, "not_received")


@_metric(required_evidence=("cases",))
def case_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those with a case that the marketplace counts against the seller as at fault.

    On eBay that is a case closed without the seller's resolution, on Etsy one that the seller refunded, on Mercado
    Libre a complaint.
    """
    return _defect_rate(ledger, basis, "case")


@_metric(required_evidence=("cancellers", "cases"))
def transaction_defect_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those that the seller cancelled, or with a case against the seller, as at fault.

    An order with both counts once.
    """
    cancelled = cancellation_rate(ledger, basis)
    return CountedOrders(cancelled.counting, nw.concat([cancelled.faults, case_rate(ledger, basis).faults]))


# -- cancelling and shipping ------------------------------------------------------------------------------


@_metric()
def cancellation_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all orders and mark those that the seller cancelled, in whole or in part, as at fault.

    This is the Pre-fulfilment Cancellation Rate. Orders cancelled at the buyer's request count and are not at fault.
    Where no file names who cancelled, the rule's option decides and the row is marked as assumed. Orders that the
    marketplace lists are at fault. An order that was shipped after all is at fault on the days on which it was
    cancelled.
    """
    placed = _placed_orders(
        ledger, basis, "cancelled_on", "restored_on", "status", "cancelled_by", "part_cancelled", "assumed"
    )
    whole = (nw.col("status") == "cancelled") | _is_known("restored_on")
    counts_parts = basis.option("part_cancelled", "at_fault") == "at_fault"
    part = nw.col("part_cancelled").fill_null(False) if counts_parts else nw.lit(False)
    cancelled = placed.filter(_is_known("cancelled_on")).filter(whole | part)
    # A part stays cancelled when the rest is shipped.
    cancelled = cancelled.with_columns(
        restored_on=nw.when(part).then(_null_column("date")).otherwise(nw.col("restored_on"))
    )
    counts_amazon = basis.option("amazon_cancelled", "at_fault") == "at_fault"
    at_fault = nw.col("cancelled_by").is_in(["seller", "amazon"] if counts_amazon else ["seller"])
    if basis.option("unknown_canceller", "at_fault") == "at_fault":
        at_fault = at_fault | ~_is_known("cancelled_by")
    blamed = _mark_assumed_canceller(cancelled.filter(at_fault))
    faults = _fault_rows(blamed, "cancelled", "cancelled_on", "restored_on", assumed="assumed")
    listed = _defect_faults_of_all_orders(ledger, basis, "cancelled")
    return CountedOrders(_counting_rows(placed, "placed_on"), nw.concat([faults, listed]))


def _mark_assumed_canceller(cancelled: Frame) -> Frame:
    """Return cancelled orders with the assumption about who cancelled added to `assumed`."""
    unknown = ~_is_known("cancelled_by")
    return cancelled.with_columns(
        assumed=nw.when(unknown & ~_is_known("assumed")).then(nw.lit("canceller_unknown"))
        .when(unknown).then(nw.concat_str(nw.lit("canceller_unknown+"), nw.col("assumed")))
        .otherwise(nw.col("assumed"))
    )  # fmt: skip


@_metric(denominator_evidence=("promises", "confirmations"))
def late_shipment_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the confirmed orders (or all orders due) and mark those confirmed after the ship-by time as at fault.

    With the option `counts: confirmed` an order counts from the day it is confirmed; with `counts: due` every order
    with a ship-by time counts from its clock day until it is cancelled. A shipped order whose confirmation no file
    holds counts by the marketplace's list of late shipments (see `_orders_confirmed_by_list`).
    """
    due = basis.option("counts", "confirmed") == "due"
    placed = _placed_orders(ledger, basis, "cancelled_on", "shipped_on", "shipped_at", "ship_by", "status")
    promised = placed.filter(_is_known("ship_by"))
    if due:
        promised = promised.with_columns(gone_on=_cancelled_on())
    confirmed = promised.filter(_is_known("shipped_at"))
    late = _fault_rows(confirmed.filter(nw.col("shipped_at") > nw.col("ship_by")), "shipped_late", "shipped_on")
    columns = [*_ORDER_COLUMNS, "clock_day", "gone_on", "counts_on"]
    counted = (promised if due else confirmed).with_columns(counts_on="clock_day" if due else "shipped_on")
    counted = counted.select(columns)
    counting = _counting_rows(promised, "placed_on", "gone_on") if due else _counting_rows(confirmed, "shipped_on")
    unconfirmed = _unconfirmed_orders(ledger, basis, due)
    unknown = _unknown_rows(unconfirmed)
    lists = None if due else _defect_lists(ledger, LATE_SHIPMENT_LIST)
    if lists is not None:
        by_list = _orders_confirmed_by_list(lists, unconfirmed)
        counted = nw.concat([counted, by_list.select(columns)])
        counting = nw.concat([counting, _counting_rows(by_list, "counts_on", assumed=CONFIRMED_BY_LIST)])
        until_listed = unconfirmed.join(by_list.select(*ORDER_KEY, "counts_on"), on=ORDER_KEY, how="left")
        unknown = _unknown_rows(until_listed, "counts_on")
    listed = _defects(ledger, "shipped_late").join(
        counted.select(*ORDER_KEY, "counts_on"), on=ORDER_KEY, how="inner"
    ).with_columns(known_on=nw.max_horizontal("known_on", "counts_on"))  # fmt: skip
    listed = _join_placed_orders(listed, counted)
    listed = _fault_rows(listed, "shipped_late", "known_on", "cleared_on", assumed="assumed")
    return CountedOrders(counting, nw.concat([late, listed]), unknown)


CONFIRMED_BY_LIST = "confirmations_from_list"
"""Name of the assumption that an order not on a list of late shipments was confirmed in time."""
LATE_SHIPMENT_LIST = "list_late_shipments"


def _defect_lists(ledger: Ledger, name: str) -> Frame | None:
    """Return the marketplace's lists of one kind, with the days that each covers (`from_on` to `list_on`), or None.

    Looking for the few lists first costs less than joining an empty frame.
    """
    rows = ledger.account_states.filter((nw.col("kind") == "list") & (nw.col("name") == name))
    begins = nw.col("as_of").dt.offset_by(f"-{DEFECT_LIST_DAYS}d").cast(nw.Date)
    lists = rows.select("account", "marketplace", list_on="as_of", from_on=begins)
    return lists if len(lists.head(1).collect()) else None


def _orders_confirmed_by_list(lists: Frame, unconfirmed: Frame) -> Frame:
    """Return shipped seller orders without a known confirmation that a list of late shipments covers.

    A list names the late orders among those due by its day and in the 60 days before, so an order that it does not name
    was confirmed in time. An order counts from the day of the first such list (`counts_on`), and not before its clock
    day.
    """
    known = _is_known("clock") & _is_known("ship_by") & (nw.col("channel") == "seller")
    due = unconfirmed.filter(known & ~_is_known("shipped_at"))
    due = due.join(lists, on=["account", "marketplace"], how="inner")
    covered = due.filter((nw.col("from_on") <= nw.col("ship_by_on")) & (nw.col("ship_by_on") <= nw.col("list_on")))
    first = covered.group_by(*_ORDER_COLUMNS, "clock").agg(nw.col("list_on").min())
    return first.with_columns(
        clock_day=nw.col("clock"), gone_on=_null_column("date"), counts_on=nw.max_horizontal("clock", "list_on")
    )


def _unconfirmed_orders(ledger: Ledger, basis: Basis, due: bool) -> Frame:
    """Return shipped orders whose ship-by time or (unless `due`) confirmation no file holds."""
    known = _is_known("clock") & _is_known("ship_by")
    if not due:
        known = known & _is_known("shipped_at")
    unknown = _shipped_orders(ledger, basis, "ship_by_on", "ship_by").filter(~known)
    by_order = unknown.filter(_has_shipped_status() | _is_known("shipped_at"))
    # In two filters: an engine skips by a null column without reading the rest.
    by_parcel = unknown.filter(~_is_known("shipped_at")).filter(~_has_shipped_status())
    return nw.concat([by_order, by_parcel.join(ledger.shipments.select(*ORDER_KEY), on=ORDER_KEY, how="semi")])


# -- parcels ----------------------------------------------------------------------------------------------


@_metric("parcels", denominator_evidence=("delivery_promises", "deliveries"))
def on_time_delivery_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the delivered parcels and mark those delivered after the deliver-by time as at fault.

    A parcel counts from the day of its delivery. A parcel without tracking does not count; one that was confirmed only
    after it was delivered is late. An order without a parcel in any file is one parcel. A parcel of an order that the
    marketplace lists as late is late.
    """
    placed = _placed_orders(ledger, basis, "deliver_by", "delivered_at", "delivered_on")
    promised = placed.filter(_is_known("deliver_by"))
    parcels = nw.concat([_delivered_parcels(ledger, promised), _delivered_orders(ledger, promised)])
    late = parcels.with_columns(
        late=(nw.col("delivered_at") > nw.col("deliver_by"))
        | (nw.col("confirmed_at") > nw.col("delivered_at")).fill_null(False)
    )
    return CountedOrders(
        _counting_rows(parcels, "delivered_on"),
        _parcel_fault_rows(ledger, late, "delivered_late", "delivered_on"),
        _unknown_rows(_undelivered_orders(ledger, basis, ~_is_known("parcels"))),
    )


@_metric("units", denominator_evidence=("delivery_promises", "deliveries"))
def unit_on_time_delivery_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the delivered units and mark those in parcels delivered after the deliver-by time as at fault.

    Five late units of one order count as five. A parcel without tracking does not count. If the marketplace lists an
    order as late and none of its parcels is late by its own days, all its delivered units are late: the list names
    orders, not parcels. `_parcels_with_units` estimates units that no file holds.
    """
    promised = _placed_orders(ledger, basis, "deliver_by").filter(_is_known("deliver_by"))
    shipped = _parcels_with_units(ledger).filter(_is_known("delivered_at") & _is_tracked())
    parcels = shipped.join(promised, on=ORDER_KEY, how="inner")
    late = parcels.with_columns(late=nw.col("delivered_at") > nw.col("deliver_by"))
    return CountedOrders(
        _counting_rows(parcels, "delivered_on", counted="units", assumed=nw.col("units_from")),
        _parcel_fault_rows(ledger, late, "delivered_late", "delivered_on", units="units"),
        _unknown_rows(_undelivered_orders(ledger, basis, nw.lit(False))),
    )


@_metric("parcels", denominator_evidence=("delivery_promises", "business_hours"))
def business_hour_delivery_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the parcels to business customers and mark those delivered outside opening hours as at fault.

    A parcel counts from the day of its delivery if a file says whether that was within the opening hours of the
    customer.
    """
    placed = _placed_orders(ledger, basis, "is_business").filter(nw.col("is_business"))
    columns = [*ORDER_KEY, "delivered_on", "in_business_hours"]
    delivered = ledger.shipments.select(columns).filter(_is_known("delivered_on") & _is_known("in_business_hours"))
    parcels = delivered.join(placed, on=ORDER_KEY, how="inner")
    outside = _fault_rows(parcels.filter(~nw.col("in_business_hours")), "outside_business_hours", "delivered_on")
    is_known = _is_known("delivered_on") & _is_known("in_business_hours")
    shipped = _orders_with_parcels(ledger, basis, is_known, nw.lit(True), "is_business").filter(nw.col("is_business"))
    unknown = shipped.filter(~_is_known("clock") | (nw.col("any_known").fill_null(0) == 0))
    return CountedOrders(_counting_rows(parcels, "delivered_on", "gone_on"), outside, _unknown_rows(unknown))


@_metric("parcels", denominator_evidence=("tracking",), proxy="tracking_not_scanned", proxy_unless="scans")
def valid_tracking_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the confirmed parcels whose tracking is known and mark those without valid tracking as at fault.

    The marketplace requires a carrier's scan. Where the files hold no scans, a tracking number is taken as valid, so
    the rate is a proxy and an upper bound. A parcel counts from the day it was confirmed.
    """
    parcels = ledger.shipments.select(
        *ORDER_KEY, "confirmed_on", "shipment_id", valid=nw.coalesce("scanned", "tracking")
    )
    known = parcels.filter(_is_known("confirmed_on") & _is_known("valid"))
    parcels = known.join(_placed_orders(ledger, basis), on=ORDER_KEY, how="inner")
    untracked = parcels.with_columns(late=~nw.col("valid"))
    return CountedOrders(
        _counting_rows(parcels, "confirmed_on"),
        _parcel_fault_rows(ledger, untracked, "no_tracking", "confirmed_on"),
        _unknown_rows(_untracked_orders(ledger, basis)),
    )


def _is_tracked() -> nw.Expr:
    """Return whether a parcel has tracking; True where no file says."""
    return nw.col("tracking").fill_null(True)


def _untracked_orders(ledger: Ledger, basis: Basis) -> Frame:
    """Return shipped orders without a confirmed parcel whose tracking is known."""
    is_known = _is_known("confirmed_on") & ~nw.coalesce("scanned", "tracking").is_null()
    orders = _orders_with_parcels(ledger, basis, is_known, nw.lit(True))
    return orders.filter(~_is_known("clock") | (nw.col("any_known").fill_null(0) == 0))


def _undelivered_orders(ledger: Ledger, basis: Basis, counts_by_order: nw.Expr) -> Frame:
    """Return shipped orders whose deliver-by time or delivery no file holds, among them those still in transit.

    Orders without any tracked parcel are left out, as they do not count. Where `counts_by_order`, the delivery of the
    order itself is enough.
    """
    delivered = _is_known("delivered_at") & _is_tracked()
    orders = _orders_with_parcels(ledger, basis, delivered, _is_tracked(), "deliver_by", "delivered_at")
    is_known = (nw.col("any_known") == 1).fill_null(False) | (counts_by_order & _is_known("delivered_at"))
    counts = _is_known("clock") & _is_known("deliver_by") & is_known
    return orders.filter(~counts & (nw.col("any_eligible").fill_null(1) == 1))


def _orders_with_parcels(ledger: Ledger, basis: Basis, is_known: nw.Expr, is_eligible: nw.Expr, *columns: str) -> Frame:
    """Return shipped orders with their number of `parcels` and, as 1 or 0, `any_known` and `any_eligible`.

    These three are null where no file names a parcel.
    """
    parcels = ledger.shipments.select(
        *ORDER_KEY,
        known=nw.when(is_known).then(1).otherwise(0),
        eligible=nw.when(is_eligible).then(1).otherwise(0),
        parcel=nw.lit(1, nw.Int64),
    )
    by_order = parcels.group_by(ORDER_KEY).agg(
        any_known=nw.col("known").max(), any_eligible=nw.col("eligible").max(), parcels=nw.col("parcel").sum()
    )
    orders = _shipped_orders(ledger, basis, *columns).join(by_order, on=ORDER_KEY, how="left")
    return orders.filter(_has_shipped_status() | _is_known("shipped_at") | _is_known("parcels"))


_PARCEL_COLUMNS = ["shipment_id", "confirmed_at", "delivered_at", "delivered_on"]


def _delivered_parcels(ledger: Ledger, promised: Frame) -> Frame:
    """Return the delivered parcels with tracking, each with the deliver-by time of its order."""
    delivered = ledger.shipments.filter(_is_known("delivered_at") & _is_tracked())
    orders = promised.select(*ORDER_KEY, "channel", "clock_day", "gone_on", "deliver_by")
    return delivered.select(*ORDER_KEY, *_PARCEL_COLUMNS).join(orders, on=ORDER_KEY, how="inner")


def _delivered_orders(ledger: Ledger, promised: Frame) -> Frame:
    """Return delivered orders without a parcel in any file, each as one parcel."""
    with_parcel = ledger.shipments.select(*ORDER_KEY, has_parcel=nw.lit(True)).unique()
    orders = promised.filter(_is_known("delivered_at")).join(with_parcel, on=ORDER_KEY, how="left")
    orders = orders.filter(~_is_known("has_parcel")).with_columns(
        shipment_id=nw.col("order_id"),
        # A null of the type of delivered_at.
        confirmed_at=nw.when(~_is_known("delivered_at")).then(nw.col("delivered_at")),
    )
    return orders.select(*ORDER_KEY, *_PARCEL_COLUMNS, "channel", "clock_day", "gone_on", "deliver_by")


def _parcel_fault_rows(ledger: Ledger, parcels: Frame, cause: str, known_on: str, units: str | None = None) -> Frame:
    """Return the parcels that are `late` as rows of `faults`, and those of orders that the marketplace lists.

    An order that is listed and has no late parcel is at fault with its first parcel, or with all `units`.
    """
    late_number = nw.when(nw.col("late")).then(1).otherwise(0)
    by_order = parcels.with_columns(late_number=late_number).group_by(ORDER_KEY).agg(
        any_late=nw.col("late_number").max(), first=nw.col("shipment_id").min()
    )  # fmt: skip
    late = _fault_rows(parcels.filter(nw.col("late")), cause, known_on, at_fault=units)
    listed = parcels.join(_listed_orders(ledger, cause), on=ORDER_KEY, how="inner")
    listed = listed.join(by_order, on=ORDER_KEY, how="inner").filter(nw.col("any_late") == 0)
    if units is None:
        listed = listed.filter(nw.col("shipment_id") == nw.col("first"))
    listed = listed.with_columns(listed_on=nw.max_horizontal("listed_on", known_on))
    return nw.concat([late, _fault_rows(listed, cause, "listed_on", "listed_until", at_fault=units)])


def _listed_orders(ledger: Ledger, kind: str) -> Frame:
    """Return the orders that the marketplace lists for one cause, with `listed_on` and `listed_until` (may be null)."""
    ends = _defects(ledger, kind).with_columns(ended=nw.col("cleared_on").fill_null(OPEN_END))
    orders = ends.group_by(ORDER_KEY).agg(listed_on=nw.col("known_on").min(), last=nw.col("ended").max())
    ended = nw.when(nw.col("last") < OPEN_END).then(nw.col("last")).otherwise(_null_column("date"))
    return orders.with_columns(listed_until=ended).drop("last")


UNITS_ESTIMATED = "units_estimated"
"""Name of the assumption about parcels whose number of units no file holds."""


def _parcels_with_units(ledger: Ledger) -> Frame:
    """Return parcels with their `units`, and `units_from`, the assumption where these are estimated.

    Parcels without units of their own share what the other parcels leave of the order's units: equal parts, the
    remainder with the first, at least one each; one unit each where those of the order are unknown. Only a single such
    parcel of an order with enough units left is no estimate.
    """
    columns = [*ORDER_KEY, "shipment_id", "units", "tracking", "delivered_at", "delivered_on"]
    parcels = ledger.shipments.select(columns)
    stated = parcels.filter(_is_known("units")).with_columns(units_from=_null_column("text"))
    without = parcels.filter(~_is_known("units"))
    if not len(without.head(1).collect()):
        return stated  # Most accounts state all units; this check is cheaper than the joins below.
    sharing = without.group_by(ORDER_KEY).agg(sharing=nw.col("shipment_id").len(), first=nw.col("shipment_id").min())
    stated_units = stated.group_by(ORDER_KEY).agg(stated_units=nw.col("units").sum())
    orders = ledger.orders.select(*ORDER_KEY, order_units=nw.col("units"))
    shares = sharing.join(orders, on=ORDER_KEY, how="left").join(stated_units, on=ORDER_KEY, how="left")
    shares = shares.with_columns(rest=nw.col("order_units") - nw.col("stated_units").fill_null(0))
    share = nw.col("rest") // nw.col("sharing")
    is_first = nw.col("shipment_id") == nw.col("first")
    enough = (nw.col("rest") >= nw.col("sharing")).fill_null(False)
    remainder = nw.when(is_first).then(nw.col("rest") - share * nw.col("sharing")).otherwise(0)
    known = nw.when(enough & (nw.col("sharing") == 1)).then(_null_column("text"))
    estimated = (
        without.drop("units")
        .join(shares, on=ORDER_KEY, how="inner")
        .with_columns(
            units=nw.when(enough).then(share + remainder).otherwise(1).cast(nw.Int64),
            units_from=known.otherwise(nw.lit(UNITS_ESTIMATED, nw.String)),
        )
    )
    return nw.concat([stated, estimated.select([*columns, "units_from"])])


# -- invoices ---------------------------------------------------------------------------------------------


@_metric(required_evidence=("invoices",))
def invoice_defect_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the orders of business customers and mark those without an invoice in time as at fault.

    In time is by the end of the next working day after dispatch, Monday to Friday, holidays included. From the day
    after that the order is at fault because the invoice is missing, and once it is there because it was late.
    """
    placed = _placed_orders(ledger, basis, "shipped_on", "invoiced_on", "is_business").filter(nw.col("is_business"))
    shipped = placed.filter(_is_known("shipped_on")).with_columns(late_on=_after_next_working_day("shipped_on"))
    bad = shipped.filter(~_is_known("invoiced_on") | (nw.col("invoiced_on") >= nw.col("late_on")))
    missing = _fault_rows(bad, "invoice_missing", "late_on", "invoiced_on")
    late = _fault_rows(bad.filter(_is_known("invoiced_on")), "invoice_late", "invoiced_on")
    listed = [_defect_fault_rows(ledger, placed, kind) for kind in ("invoice_missing", "invoice_late")]
    return CountedOrders(_counting_rows(placed, "placed_on", "gone_on"), nw.concat([missing, late, *listed]))


def _after_next_working_day(name: str) -> nw.Expr:
    """Return the day after the next working day (Monday to Friday) of a column of days."""
    day, weekday = nw.col(name), nw.col(name).dt.weekday()
    return (
        nw.when(weekday == 5).then(day.dt.offset_by("4d").cast(nw.Date))
        .when(weekday == 6).then(day.dt.offset_by("3d").cast(nw.Date))
        .otherwise(day.dt.offset_by("2d").cast(nw.Date))
    )  # fmt: skip


# -- messages and surveys ---------------------------------------------------------------------------------


@_metric(required_evidence=("contacts",))
def late_response_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the buyer messages that need an answer and mark those not answered within 24 or 48 hours as at fault.

    A message without an answer counts only once its hours are over; one marked as needing no answer stops counting.
    """
    hours = basis.option("within_hours", 24)
    messages = _messages(ledger, basis).with_columns(due_on=nw.col(f"due_{hours}h_on"), cleared_on=nw.col("excused_on"))
    counted = messages.with_columns(counts_on=nw.min_horizontal("answered_on", "due_on"))
    late = _late_answer_fault_rows(messages, hours, "received_at", "answered_late", "unanswered")
    return CountedOrders(_counting_rows(counted, "counts_on", "excused_on"), late)


@_metric("minutes", ("contacts",), figure="average")
def average_response_time(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Find the answered buyer messages, and as faults the minutes that each waited for its answer.

    A message counts from the day of its answer.
    """
    answered = _messages(ledger, basis).filter(_is_known("answered_at"))
    waited = answered.with_columns(minutes=(nw.col("answered_at") - nw.col("received_at")).dt.total_minutes())
    minutes = _fault_rows(waited, "answered", "answered_on", "excused_on", at_fault="minutes")
    return CountedOrders(_counting_rows(answered, "answered_on", "excused_on"), minutes)


def _messages(ledger: Ledger, basis: Basis) -> Frame:
    """Return the messages of buyers as orders of the whole account."""
    return _of_whole_account(ledger.contacts.filter(nw.col("kind") == "message"), "contact_id", basis.clock)


def _late_answer_fault_rows(
    requests: Frame, hours: int, since: str, answered_cause: str, unanswered_cause: str
) -> Frame:
    """Return requests not answered within some hours as rows of `faults`: unanswered first, then answered late."""
    late = requests.filter(
        ~_is_known("answered_at") | (nw.col("answered_at") > nw.col(since).dt.offset_by(f"{hours}h"))
    ).with_columns(waits_until=nw.min_horizontal("answered_on", "cleared_on"))
    waiting = _fault_rows(late, unanswered_cause, "due_on", "waits_until")
    answered = late.filter(_is_known("answered_on"))
    answered = answered.with_columns(answered_on=nw.max_horizontal("answered_on", "due_on"))
    return nw.concat([waiting, _fault_rows(answered, answered_cause, "answered_on", "cleared_on")])


@_metric(required_evidence=("surveys",))
def customer_service_dissatisfaction_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return all survey answers and mark those that say "no" (the problem was not solved) as at fault.

    Only the latest answer about an order counts; of two with the same time, the one with the larger id.
    """
    surveys = ledger.contacts.filter(nw.col("kind") == "survey")
    surveys = surveys.with_columns(about=nw.coalesce("order_id", "contact_id"))
    same_time = nw.col("later_at") == nw.col("received_at")
    is_later = (nw.col("later_at") > nw.col("received_at")) | (same_time & (nw.col("later_id") > nw.col("contact_id")))
    account = ["account", "marketplace"]
    surveys = _add_replaced_on(
        surveys, [*account, "about"], [*account, "contact_id"], "received_on", is_later,
        later_at="received_at", later_id="contact_id",
    )  # fmt: skip
    gone_on = nw.min_horizontal("excused_on", "replaced_on")
    answers = _of_whole_account(surveys, "contact_id", basis.clock, gone_on)
    not_solved = _fault_rows(answers.filter(nw.col("outcome") == "no"), "not_solved", "received_on")
    return CountedOrders(_counting_rows(answers, "received_on", "gone_on"), not_solved)


# -- return requests --------------------------------------------------------------------------------------


@_metric(required_evidence=("returns", "return_answers", "return_feedback", "return_refusals"))
def return_dissatisfaction_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the valid return requests and mark those unresolved, answered late or wrongly refused as at fault.

    The next three functions find the three kinds of fault. A request with several of them counts once.
    """
    parts = (negative_return_feedback_rate, late_return_response_rate, invalid_rejection_rate)
    counted = [part(ledger, basis) for part in parts]
    return CountedOrders(counted[0].counting, nw.concat([part.faults for part in counted]))


@_metric(required_evidence=("return_feedback",))
def negative_return_feedback_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the valid return requests and mark those that the buyer called unresolved as at fault."""
    requests = _return_requests(ledger, basis)
    unresolved = _fault_rows(requests.filter(_is_known("unresolved_on")), "not_resolved", "unresolved_on")
    return CountedOrders(_counting_rows(requests, "requested_on", "gone_on"), unresolved)


@_metric(required_evidence=("returns", "return_answers"))
def late_return_response_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the valid return requests and mark those not authorised, refunded or closed within 48 hours as at fault.

    A request that was decided at an unknown time is taken as answered in time.
    """
    requests = _return_requests(ledger, basis)
    dated = requests.filter(_is_known("answered_at") | ~_is_known("decision"))
    dated = dated.with_columns(due_on=nw.col("due_48h_on"))
    late = _late_answer_fault_rows(dated, 48, "requested_at", "return_answered_late", "return_unanswered")
    return CountedOrders(_counting_rows(requests, "requested_on", "gone_on"), late)


@_metric(required_evidence=("returns", "return_refusals"))
def invalid_rejection_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the valid return requests and mark those that were wrongly refused as at fault.

    Where no file says whether a refusal was wrong, the refusal of a request within the return policy counts as wrong
    and is marked as assumed.
    """
    requests = _return_requests(ledger, basis)
    wrong = nw.coalesce("refused_wrongly", "in_policy").fill_null(False)
    assumed = nw.when(~_is_known("refused_wrongly")).then(nw.lit("refusal_within_policy"))
    refused = requests.filter((nw.col("decision") == "refused") & wrong).with_columns(
        refused_on=nw.coalesce("answered_on", "requested_on"), assumed=assumed.otherwise(_null_column("text"))
    )
    faults = _fault_rows(refused, "refused_wrongly", "refused_on", assumed="assumed")
    return CountedOrders(_counting_rows(requests, "requested_on", "gone_on"), faults)


def _return_requests(ledger: Ledger, basis: Basis) -> Frame:
    """Return the return requests of seller-fulfilled orders, each as an order that an invalid request ends.

    Where the file of requests does not say who fulfilled the order, the order does, if it is known.
    """
    orders = ledger.orders.select(*ORDER_KEY, fulfilled_by=nw.col("channel"))
    requests = ledger.returns.filter(nw.col("channel") == "seller").join(orders, on=ORDER_KEY, how="left")
    requests = requests.filter(nw.col("fulfilled_by").fill_null("seller") == "seller")
    return requests.with_columns(
        order_id=nw.col("return_id"), clock_day=nw.col(basis.clock), gone_on=nw.col("cleared_on")
    )


@_metric(required_evidence=("returns",), denominator_evidence=("deliveries",))
def return_rate(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Return the delivered orders and mark those of which the buyer asked to return something as at fault.

    An order counts from the delivery of its first parcel, or its own where no file names a parcel. It is at fault from
    the first request on that is not known to be invalid.
    """
    parcels = ledger.shipments.filter(_is_known("delivered_on")).group_by(ORDER_KEY)
    first = parcels.agg(first_on=nw.col("delivered_on").min())
    orders = _placed_orders(ledger, basis, "delivered_on").join(first, on=ORDER_KEY, how="left")
    orders = orders.with_columns(counts_on=nw.coalesce("first_on", "delivered_on")).drop("first_on", "delivered_on")
    delivered = orders.filter(_is_known("counts_on"))
    requests = ledger.returns.select(*ORDER_KEY, "requested_on", "cleared_on")
    returned = requests.join(delivered, on=ORDER_KEY, how="inner").with_columns(
        known_on=nw.max_horizontal("requested_on", "counts_on")
    )
    shipped = _orders_with_parcels(ledger, basis, _is_known("delivered_on"), nw.lit(True), "delivered_on")
    is_delivered = (nw.col("any_known").fill_null(0) == 1) | _is_known("delivered_on")
    return CountedOrders(
        _counting_rows(delivered, "counts_on", "gone_on"),
        _fault_rows(returned, "returned", "known_on", "cleared_on"),
        _unknown_rows(shipped.filter(~_is_known("clock") | ~is_delivered)),
    )


# -- the account as a whole -------------------------------------------------------------------------------


@_metric("violations", ("violations",), figure="number")
def policy_violations(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Find the open policy violations of each account, with their category as the cause.

    What counts is the account itself, from the first day on which a file names a violation. A violation with an id is
    open until it is resolved. A count that the marketplace reported holds until its next report, and only for a
    category without violations with ids.
    """
    account = ["account", "marketplace"]
    first = ledger.violations.group_by(account).agg(clock_day=nw.col("opened_on").min())
    counting = _counting_rows(_of_whole_account(first, "account", "clock_day"), "clock_day")
    return CountedOrders(counting, _violation_fault_rows(ledger.violations, nw.col("count")))


@_metric("points", ("violations",), proxy="rating_estimated", figure="points")
def account_health_rating(ledger: Ledger, basis: Basis) -> CountedOrders:
    """Find the orders that raise the estimated Account Health Rating, and the violations that lower it.

    The orders are the fulfilled ones. The rule's options say how many points a violation of each severity takes.
    """
    orders = _placed_orders(ledger, basis, "cancelled_on", "status").with_columns(
        channel=nw.lit(WHOLE_ACCOUNT), gone_on=_cancelled_on()
    )
    points_lost = nw.lit(basis.option("points_unknown", 0), nw.Int64)
    for severity in SEVERITIES:
        points = nw.lit(basis.option(f"points_{severity}", 0), nw.Int64)
        points_lost = nw.when(nw.col("severity") == severity).then(points).otherwise(points_lost)
    return CountedOrders(
        _counting_rows(orders, "placed_on", "gone_on"),
        _violation_fault_rows(ledger.violations, points_lost * nw.col("count")),
    )


def _violation_fault_rows(violations: Frame, weight: nw.Expr) -> Frame:
    """Return violations as rows of `faults` that add `weight`; the cause is their category."""
    keys = ["account", "marketplace", "category"]
    single = violations.filter(nw.col("violation_id") != "")
    has_ids = single.select(*keys, has_ids=nw.lit(True)).unique()
    counts = violations.filter(nw.col("violation_id") == "").join(has_ids, on=keys, how="left")
    counts = counts.filter(~_is_known("has_ids")).drop("has_ids")
    is_later = nw.col("replaced_on") > nw.col("opened_on")
    counts = _add_replaced_on(counts, keys, [*keys, "opened_on"], "opened_on", is_later)
    counts = counts.with_columns(resolved_on=nw.col("replaced_on")).drop("replaced_on")
    rows = nw.concat([single, counts]).with_columns(weight=weight).filter(nw.col("weight") > 0)
    row_id = nw.concat_str("category", nw.lit(" "), "violation_id", nw.lit(" "), nw.col("opened_on").cast(nw.String))
    rows = _of_whole_account(rows, row_id, "opened_on")
    return _fault_rows(rows, nw.col("category"), "opened_on", "resolved_on", at_fault="weight")
