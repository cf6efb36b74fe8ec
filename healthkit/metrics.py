"""When each order counts in a metric, and when and why it is at fault: one function a metric.

A metric says *when*, not *whether*. It never looks at an as-of day and never counts; it answers, for a
ledger and a basis (the clock and the options of a rule), with two frames of days:

- `counting`: account, marketplace, channel, clock_day, known_on (from when on it counts), until_day?
  (from when on it no longer does), counted (how many it adds: one order, or its units);
- `faults`: account, marketplace, channel, order_id, cause, clock_day, known_on, cleared_on?, at_fault,
  assumed? (what had to be assumed, as `wording` explains it).

The frames are lazy and of any engine that narwhals knows. Sources of the definitions stand with the rules
in `policies/*.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import narwhals as nw

from healthkit.policy import Basis
from healthkit.tables import Frame, Ledger

ORDER = ["account", "marketplace", "order_id"]
_SIX = ["account", "marketplace", "channel", "clock_day", "known_on", "until_day", "counted"]
_TEN = [
    "account", "marketplace", "channel", "order_id", "cause",
    "clock_day", "known_on", "cleared_on", "at_fault", "assumed",
]  # fmt: skip


class Stays(NamedTuple):
    """When orders count and when they are at fault; see the head of this module for the columns."""

    counting: Frame
    faults: Frame


class Metric(NamedTuple):
    """One metric: its id in every table, the function that finds its days, what it counts, and what it needs.

    `needs` names the evidence (see `tables.EVIDENCE`) without which no file could have told of a fault:
    where none of it was imported nothing is counted, where some is missing the rate is a proxy. `proxy` names
    what the metric itself has to assume, whatever was imported.
    """

    id: str
    stays: Callable[[Ledger, Basis], Stays]
    counts: str
    needs: tuple[str, ...] = ()
    proxy: str = ""


def _placed(ledger: Ledger, basis: Basis) -> Frame:
    """The orders that have the day which places them, as `clock_day`; `gone_on` is the day they cease to count."""
    known = ~nw.col(basis.clock).is_null() & ~nw.col("channel").is_null()
    leaves = not basis.option("include_cancelled", True)
    gone_on = _cancelled_on() if leaves else _nothing("date")
    return ledger.orders.filter(known).with_columns(clock_day=nw.col(basis.clock), gone_on=gone_on)


def _cancelled_on() -> nw.Expr:
    """The day on which the whole order was cancelled; a cancelled line leaves the rest to be shipped."""
    return nw.when(nw.col("status") == "cancelled").then(nw.col("cancelled_on")).otherwise(_nothing("date"))


def _counting(orders: Frame, known_on: str, until_day: str | None = None, counted: str | None = None) -> Frame:
    """Orders as counting rows: from the known day on, until the other."""
    return orders.with_columns(
        known_on=nw.col(known_on),
        until_day=_nothing("date") if until_day is None else nw.col(until_day),
        counted=nw.lit(1, nw.Int64) if counted is None else nw.col(counted),
    ).select(_SIX)


def _faults(
    orders: Frame, cause: str, known_on: str, cleared_on: str | None = None, at_fault: str | None = None,
    assumed: str | None = None,
) -> Frame:  # fmt: skip
    """Orders as rows at fault for one cause."""
    return orders.with_columns(
        cause=nw.lit(cause),
        known_on=nw.col(known_on),
        cleared_on=nw.col("gone_on") if cleared_on is None else nw.min_horizontal(cleared_on, "gone_on"),
        at_fault=nw.lit(1, nw.Int64) if at_fault is None else nw.col(at_fault),
        assumed=_nothing("text") if assumed is None else nw.col(assumed),
    ).select(_TEN)


def _nothing(kind: str) -> nw.Expr:
    """A column of nothing known, of the right type for every engine."""
    return nw.lit(None, nw.Date if kind == "date" else nw.String)


def _of_orders(rows: Frame, orders: Frame) -> Frame:
    """Rows about orders, each with the channel and the clock day of its order; rows of unknown orders go."""
    placed = orders.select(*ORDER, "channel", "clock_day", "gone_on")
    return rows.join(placed, on=ORDER, how="inner")


def _all_orders(ledger: Ledger, basis: Basis) -> Frame:
    """Every order counts from its clock day on; a cancelled one ceases where the rule leaves those out."""
    return _counting(_placed(ledger, basis), "clock_day", "gone_on")


def negative_feedback_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders with a bad rating among all orders.

    A rating counts from the day it was received until it is removed, or until a later rating of the same
    order takes its place.
    """
    bad = nw.col("rating") <= basis.option("negative_up_to", 2)
    ratings = _standing(ledger.feedback).filter(bad)
    placed = _placed(ledger, basis)
    rated = _faults(_of_orders(ratings, placed), "negative_feedback", "received_on", "removed_on")
    told = _of_defects(ledger, placed, "negative_feedback")
    return Stays(_all_orders(ledger, basis), nw.concat([rated, told]))


def negative_review_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders with a bad rating among the orders that were rated at all, from their first rating on."""
    bad = nw.col("rating") <= basis.option("negative_up_to", 2)
    placed = _placed(ledger, basis)
    first = ledger.feedback.group_by(ORDER).agg(nw.col("received_on").min())
    ratings = _of_orders(_standing(ledger.feedback).filter(bad), placed)
    faults = _faults(ratings, "negative_feedback", "received_on", "removed_on")
    return Stays(_counting(_of_orders(first, placed), "received_on"), faults)


def _standing(feedback: Frame) -> Frame:
    """Ratings with the day on which a later one of the same order, or a removal, ended each.

    Which of an order's ratings is the later one says `rank`; one that a later-ranked rating preceded in
    time never stood at all.
    """
    later = feedback.select(*ORDER, replaced_on="received_on", later_rank="rank")
    pairs = feedback.join(later, on=ORDER, how="inner").filter(nw.col("later_rank") > nw.col("rank"))
    ended = pairs.group_by(*ORDER, "feedback_id").agg(nw.col("replaced_on").min())
    joined = feedback.join(ended, on=[*ORDER, "feedback_id"], how="left")
    ends = nw.min_horizontal("removed_on", "replaced_on")
    stood = joined.with_columns(removed_on=ends)
    return stood.filter(nw.col("removed_on").is_null() | (nw.col("removed_on") > nw.col("received_on")))


def a_to_z_claim_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders with a buyer's A-to-z claim among all orders."""
    return Stays(_all_orders(ledger, basis), _of_defects(ledger, _placed(ledger, basis), "a_to_z_claim"))


def chargeback_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders with a chargeback among all orders."""
    return Stays(_all_orders(ledger, basis), _of_defects(ledger, _placed(ledger, basis), "chargeback"))


def _of_defects(ledger: Ledger, placed: Frame, kind: str) -> Frame:
    """The defects of one kind as rows at fault.

    A defect whose day had to be assumed gives way to one of the same order and kind whose day is known,
    from the day on which that became known; what was seen before stays as it was seen.
    """
    kinds = ledger.defects.filter(nw.col("kind") == kind)
    known = kinds.filter(nw.col("assumed").is_null())
    takes_over = known.group_by(ORDER).agg(replaced_on=nw.col("known_on").min())
    guessed = kinds.filter(~nw.col("assumed").is_null()).join(takes_over, on=ORDER, how="left")
    guessed = guessed.with_columns(cleared_on=nw.min_horizontal("cleared_on", "replaced_on")).drop("replaced_on")
    return _faults(_of_orders(nw.concat([known, guessed]), placed), kind, "known_on", "cleared_on", assumed="assumed")


def order_defect_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders with bad feedback, a claim or a chargeback among all orders; one with several counts once."""
    parts = (negative_feedback_rate, a_to_z_claim_rate, chargeback_rate)
    return Stays(_all_orders(ledger, basis), nw.concat([part(ledger, basis).faults for part in parts]))


def cancellation_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders that the seller cancelled, whole or in part, among all orders.

    Orders cancelled at the buyer's request count but are not at fault. Where no file says who cancelled,
    the rule's option decides, and the row is marked as assumed.
    """
    placed = _placed(ledger, basis)
    whole = nw.col("status") == "cancelled"
    part = nw.col("part_cancelled").fill_null(False)
    if basis.option("part_cancelled", "at_fault") != "at_fault":
        part = nw.lit(False)
    cancelled = placed.filter(~nw.col("cancelled_on").is_null()).filter(whole | part)
    by = nw.col("cancelled_by")
    blamed = ["seller", "amazon"] if basis.option("amazon_cancelled", "at_fault") == "at_fault" else ["seller"]
    at_fault = by.is_in(blamed)
    if basis.option("unknown_canceller", "at_fault") == "at_fault":
        at_fault = at_fault | by.is_null()
    rows = _canceller_assumed(cancelled.filter(at_fault))
    return Stays(_counting(placed, "clock_day"), _faults(rows, "cancelled", "cancelled_on", assumed="assumed"))


def _canceller_assumed(rows: Frame) -> Frame:
    """Cancellations with all that was assumed of them: who did it, and on which day."""
    unknown, undated = nw.col("cancelled_by").is_null(), nw.col("assumed").is_null()
    return rows.with_columns(
        assumed=nw.when(unknown & undated).then(nw.lit("canceller_unknown"))
        .when(unknown).then(nw.concat_str(nw.lit("canceller_unknown+"), nw.col("assumed")))
        .otherwise(nw.col("assumed"))
    )  # fmt: skip


def late_shipment_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders whose first confirmation came after the ship-by instant.

    With `counts: confirmed` an order counts from the day it is confirmed; with `counts: due` every order
    with a ship-by instant does, from its clock day until it is cancelled.
    """
    due = basis.option("counts", "confirmed") == "due"
    promised = _placed(ledger, basis).filter(~nw.col("ship_by").is_null())
    if due:
        promised = promised.with_columns(gone_on=_cancelled_on())
    confirmed = promised.filter(~nw.col("shipped_at").is_null())
    late = _faults(confirmed.filter(nw.col("shipped_at") > nw.col("ship_by")), "shipped_late", "shipped_on")
    counting = _counting(promised, "clock_day", "gone_on") if due else _counting(confirmed, "shipped_on")
    return Stays(counting, late)


def on_time_delivery_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Delivered orders that came after the deliver-by instant, among those delivered; known on the delivery day."""
    promised = _placed(ledger, basis).filter(~nw.col("deliver_by").is_null() & ~nw.col("delivered_at").is_null())
    late = promised.filter(nw.col("delivered_at") > nw.col("deliver_by"))
    return Stays(_counting(promised, "delivered_on"), _faults(late, "delivered_late", "delivered_on"))


def unit_on_time_delivery_rate(ledger: Ledger, basis: Basis) -> Stays:
    """The same in units, parcel by parcel: five late units are five, and a parcel under way does not count."""
    promised = _placed(ledger, basis).filter(~nw.col("deliver_by").is_null())
    promised = promised.select(*ORDER, "channel", "clock_day", "gone_on", "deliver_by")
    delivered = ledger.shipments.filter(~nw.col("delivered_at").is_null())
    parcels = delivered.with_columns(nw.col("units").fill_null(1)).join(promised, on=ORDER, how="inner")
    late = parcels.filter(nw.col("delivered_at") > nw.col("deliver_by"))
    return Stays(
        _counting(parcels, "delivered_on", counted="units"),
        _faults(late, "delivered_late", "delivered_on", at_fault="units"),
    )


def valid_tracking_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Confirmed parcels without a tracking number, among those of which the files say whether they have one.

    The marketplace asks for a carrier's scan, which no download holds; a number without a scan passes here, so
    the rate is a proxy and an upper bound. A parcel counts from the day it was confirmed.
    """
    promised = _placed(ledger, basis).select(*ORDER, "channel", "clock_day", "gone_on")
    told = ledger.shipments.filter(~nw.col("confirmed_on").is_null() & ~nw.col("tracking").is_null())
    parcels = told.join(promised, on=ORDER, how="inner")
    without = parcels.filter(~nw.col("tracking"))
    return Stays(_counting(parcels, "confirmed_on"), _faults(without, "no_tracking", "confirmed_on"))


def refund_rate(ledger: Ledger, basis: Basis) -> Stays:
    """Orders with a refund among all orders."""
    return Stays(_all_orders(ledger, basis), _of_defects(ledger, _placed(ledger, basis), "refund"))


METRICS: dict[str, Metric] = {
    metric.id: metric
    for metric in (
        Metric("order_defect_rate", order_defect_rate, "orders", ("feedback", "claims", "chargebacks")),
        Metric("negative_feedback_rate", negative_feedback_rate, "orders", ("feedback",)),
        Metric("a_to_z_claim_rate", a_to_z_claim_rate, "orders", ("claims",)),
        Metric("chargeback_rate", chargeback_rate, "orders", ("chargebacks",)),
        Metric("cancellation_rate", cancellation_rate, "orders"),
        Metric("late_shipment_rate", late_shipment_rate, "orders"),
        Metric("on_time_delivery_rate", on_time_delivery_rate, "orders"),
        Metric("unit_on_time_delivery_rate", unit_on_time_delivery_rate, "units"),
        Metric("valid_tracking_rate", valid_tracking_rate, "parcels", proxy="tracking_not_scanned"),
        Metric("refund_rate", refund_rate, "orders", ("refunds",)),
        Metric("negative_review_rate", negative_review_rate, "orders"),
    )
}
"""Every metric that can be computed; a rule for another is shown as not yet computed."""
