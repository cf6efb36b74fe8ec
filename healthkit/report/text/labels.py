"""Labels of metrics, channels, causes, assumptions, clocks and statuses; helpers to write them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from healthkit.schema.marketplaces import AMAZON, find_marketplace

DASH = "\N{EN DASH}"


class MetricWords(NamedTuple):
    """The words for one metric: labels, the noun of what it counts, predicates for one or several at fault."""

    label: str
    short_label: str
    is_plural: bool
    noun: str
    singular_predicate: str
    plural_predicate: str


_METRIC_WORDS_TABLE = """
order_defect_rate             | Order Defect Rate        | ODR       |      | order    | has a claim, bad feedback or a chargeback | have a claim, bad feedback or a chargeback
negative_feedback_rate        | Negative feedback        | Feedback  |      | order    | has negative feedback                     | have negative feedback
a_to_z_claim_rate             | A-to-z Guarantee claims  | Claims    | many | order    | has an A-to-z Guarantee claim                       | have an A-to-z Guarantee claim
chargeback_rate               | Chargebacks              | Charges   | many | order    | has a chargeback                          | have a chargeback
late_shipment_rate            | Late Shipment Rate       | LSR       |      | order    | was shipped late                          | were shipped late
cancellation_rate             | Pre-fulfilment Cancellation Rate | PCR       |      | order    | was cancelled                             | were cancelled
valid_tracking_rate           | Valid Tracking Rate      | VTR       |      | parcel   | has no valid tracking                     | have no valid tracking
on_time_delivery_rate         | On-Time Delivery Rate    | OTDR      |      | parcel   | arrived late                              | arrived late
unit_on_time_delivery_rate    | On-Time Delivery Rate (units) | OTDR units |      | unit     | arrived late                              | arrived late
business_hour_delivery_rate   | Business-Hour Delivery Rate | BHDR   |      | parcel   | arrived outside business hours            | arrived outside business hours
refund_rate                   | Refunds                  | Refunds   | many | order    | was refunded                              | were refunded
return_rate                   | Return Rate              | Returned  |      | delivered order | was returned                       | were returned
item_not_received_rate        | Item Not Received Rate   | INR       |      | order    | did not arrive                            | did not arrive
case_rate                     | Cases against the seller | Cases     | many | order    | has a case against the seller             | have a case against the seller
transaction_defect_rate       | Transaction Defect Rate  | TDR       |      | order    | was cancelled or has a case               | were cancelled or have a case
negative_review_rate          | Bad reviews              | Reviews   | many | reviewed order | got a bad review                    | got a bad review
invoice_defect_rate           | Invoice defects          | Invoices  | many | order    | has no invoice in time                    | have no invoice in time
late_response_rate            | Late answers             | Answers   | many | message  | was answered late                         | were answered late
average_response_time         | Time to answer           | Hours     |      | message  | was answered                              | were answered
return_dissatisfaction_rate   | Return dissatisfaction   | Returns   |      | return   | went wrong                                | went wrong
negative_return_feedback_rate | Negative return feedback | Return fb |      | return   | has negative feedback                     | have negative feedback
late_return_response_rate     | Late answers to returns  | Ret. late | many | return   | was answered late                         | were answered late
invalid_rejection_rate        | Returns wrongly refused  | Refused   | many | return   | was wrongly refused                       | were wrongly refused
customer_service_dissatisfaction_rate | Service dissatisfaction | Service |  | contact | left the buyer dissatisfied            | left the buyer dissatisfied
policy_violations             | Policy violations        | Policy    | many | violation | is open                                  | are open
account_health_rating         | Account Health Rating    | AHR       |      | point    | is missing                                | are missing
"""  # noqa: E501 - one row a metric


def _parse_metric_words() -> dict[str, MetricWords]:
    rows = ([cell.strip() for cell in line.split("|")] for line in _METRIC_WORDS_TABLE.strip().splitlines())
    return {
        metric_id: MetricWords(label, short_label, plural_mark == "many", *noun_and_predicates)
        for metric_id, label, short_label, plural_mark, *noun_and_predicates in rows
    }


METRIC_WORDS: dict[str, MetricWords] = _parse_metric_words()
"""Metric id -> its words."""
_LABELS_OUTSIDE_AMAZON = {"cancellation_rate": ("Cancellation Rate", "Cancelled")}
"""Metric id -> label and short label in every other marketplace, for a metric whose label is a name of Amazon's."""
_LABELS_BY_COMPANY = {
    "TikTok Shop": {
        "cancellation_rate": ("Seller Fault Cancellation Rate", "SFCR"),
        "late_shipment_rate": ("Late Dispatch Rate", "LDR"),
    },
}
"""Company -> metric id -> label and short label, for a metric that has a name of its own there."""
_CHANNEL_LABELS = {"seller": "seller-fulfilled", "all": "the account as a whole"}
"""Channel -> its label; that of the channel "amazon" has the name of the company."""
_CAUSE_WORDS = {
    "negative_feedback": ("negative feedback", "negative feedback"),
    "a_to_z_claim": ("A-to-z Guarantee claim", "A-to-z Guarantee claims"),
    "chargeback": ("chargeback", "chargebacks"),
    "cancelled": ("cancelled", "cancellations"),
    "shipped_late": ("shipped late", "late shipments"),
    "delivered_late": ("delivered late", "late deliveries"),
    "refund": ("refund", "refunds"),
    "outside_business_hours": ("delivered outside business hours", "deliveries outside business hours"),
    "returned": ("returned", "returns"),
    "not_received": ("item not received", "items not received"),
    "case": ("case against the seller", "cases against the seller"),
    "no_tracking": ("no tracking number", "parcels without a tracking number"),
    "invoice_missing": ("no invoice", "missing invoices"),
    "invoice_late": ("invoice too late", "late invoices"),
    "unanswered": ("not answered in time", "messages not answered in time"),
    "answered_late": ("answered late", "late answers"),
    "answered": ("answered", "answers"),
    "not_solved": ("problem not solved", "problems not solved"),
    "not_resolved": ("negative return feedback", "negative return feedback"),
    "return_unanswered": ("return not answered in time", "returns not answered in time"),
    "return_answered_late": ("return answered late", "late answers to returns"),
    "refused_wrongly": ("return wrongly refused", "returns wrongly refused"),
}
CAUSE_LABELS = {cause: singular for cause, (singular, _) in _CAUSE_WORDS.items()}
"""Cause -> its name for one order at fault."""
CAUSE_PLURALS = {cause: plural for cause, (_, plural) in _CAUSE_WORDS.items()}
"""Cause -> its name in the plural."""
ASSUMPTION_SENTENCES = {
    "canceller_unknown": "the files do not say who cancelled, so every cancelled order counts as the seller's",
    "cancel_day_from_order": "the files hold no day of cancelling, so the order day is taken",
    "case_day_from_order": "the files hold no day of a complaint, so the order day is taken",
    "claim_day_from_return": "claims are known from the returns file alone and dated by the return request, "
    "so this is a lower bound",
    "feedback_not_imported": "no feedback file was imported, so orders with bad feedback are missing",
    "claims_not_imported": "no file of claims was imported, so orders with a claim are missing",
    "tracking_not_scanned": "the files hold no carrier's scan, so a parcel with a tracking number passes: "
    "judge by the marketplace's own figure",
    "confirmations_from_list": "no file says when some orders were confirmed, so those that the marketplace"
    "'s list of late shipments does not name count as on time",
    "units_estimated": "no file says how many units some parcels hold, so those of the order are shared among its "
    "parcels, or one is taken",
    "refunds_not_imported": "no refund is named in the defects files, so refunded orders are missing",
    "not_received_not_imported": "no item not received is named in the defects files, so such orders are missing",
    "cases_not_imported": "no case is named in the defects files, so orders with a case are missing",
    "cancellers_not_imported": "no file says who cancelled an order",
    "chargebacks_not_imported": "no defects file was imported, so orders with a chargeback are missing",
    "contacts_not_imported": "no file of messages was imported, so late answers are missing",
    "surveys_not_imported": "no file of surveys was imported, so dissatisfied buyers are missing",
    "returns_not_imported": "no file of returns was imported, so return requests are missing",
    "return_answers_not_imported": "no file says when return requests were answered, so late answers are missing",
    "return_feedback_not_imported": "no file holds buyers' words on returns, so negative ones are missing",
    "return_refusals_not_imported": "no file says which returns were wrongly refused, so some may be missing",
    "invoices_not_imported": "no file of invoices was imported, so missing invoices cannot be known",
    "violations_not_imported": "no file of violations was imported, so open ones are missing",
    "refusal_within_policy": "a refused return that the policy allows is taken as wrongly refused",
    "return_time_unknown": "the files hold the day of a return request without its hour, so its end is taken",
    "rating_estimated": "the rating is estimated by points, not the marketplace's own number",
    "day_from_list": "the marketplace's list does not say when a defect became known, so the day of the list is taken",
    "claim_day_from_money": "claims are dated by the day on which they were paid; those not paid are missing",
    "chargeback_day_from_money": "chargebacks are dated by the day on which they were paid; those not paid are missing",
}
"""Assumption behind a figure (column `proxy` of SCORES) -> the sentence that explains it."""
_CLOCK_WORDS = {
    "ordered_on": ("order day", "placed", "Ordered"),
    "ship_by_on": ("ship-by day", "due to ship", "Ship by"),
    "shipped_on": ("day of shipping", "shipped", "Shipped"),
    "deliver_by_on": ("promised delivery day", "due to arrive", "Due"),
    "received_on": ("day of receipt", "received", "Received"),
    "requested_on": ("day of the request", "requested", "Requested"),
    "opened_on": ("day of opening", "opened", "Opened"),
}
CLOCK_LABELS = {clock: label for clock, (label, _, _) in _CLOCK_WORDS.items()}
"""Clock column -> its name in a sentence."""
CLOCK_PARTICIPLES = {clock: participle for clock, (_, participle, _) in _CLOCK_WORDS.items()}
"""Clock column -> what happens to an order on that day, as in "orders placed 1 to 9 October"."""
CLOCK_COLUMN_HEADS = {clock: head for clock, (_, _, head) in _CLOCK_WORDS.items()}
"""Clock column -> its heading in a table."""
CERTAINTY_LABELS = {
    "A": "the marketplace's own page",
    "R": "a real file",
    "T": "a third party",
    "I": "our inference",
    "user": "your own standard",
}
"""How sure a rule's source is (`Rule.sure`) -> its label."""
INFERRED_MARK = "inferred"
"""Mark beside a requirement that rests on our inference (`Rule.is_inferred`)."""
NO_TARGET_FOUND = "no published target found"
"""What is shown for a metric of which no requirement was found (`Policy.without_rule`)."""
NOT_COMPUTED = "not computed: no file shows it"
"""What is shown for a metric whose requirement no file lets compute (`EndedRule.not_computed`)."""


class Strong(str):
    """A part of a sentence that is shown in bold."""

    __slots__ = ()


class StatusStyle(NamedTuple):
    """How a status is shown: its symbol, its word, and the name of its colour."""

    symbol: str
    word: str
    colour: str


STATUS_STYLES = {
    "off target": StatusStyle("✕", "Off target", "off"),
    "at risk": StatusStyle("▲", "At risk", "risk"),
    "cannot be judged": StatusStyle("?", "Cannot be judged", "none"),
    "short history": StatusStyle("?", "Short history", "none"),
    "incomplete": StatusStyle("?", "Incomplete", "none"),
    "no data": StatusStyle("?", "No data", "none"),
    "on target": StatusStyle("✓", "On target", "on"),
    "too few": StatusStyle(DASH, "Too few", "none"),
    "no orders": StatusStyle(DASH, "No orders", "none"),
    "no target": StatusStyle(DASH, "No target", "none"),
}
"""Every status of a measure or an account, worst first (see `policy.STATUSES_WORST_FIRST`)."""


def company_of(*marketplaces: str) -> str:
    """Return the company whose words texts use for some marketplaces, or "" if they are of several companies.

    Without a marketplace, as in a policy that names none, it is Amazon. Raises UnknownMarketplaceError for an
    unknown code.

    >>> company_of("US", "DE"), company_of("EBAY"), company_of("US", "EBAY")
    ('Amazon', 'eBay', '')
    """
    companies = {find_marketplace(code).company for code in marketplaces} or {AMAZON}
    return companies.pop() if len(companies) == 1 else ""


def possessive(company: str) -> str:
    """Return the name of a company in the possessive; that of "" is "the marketplace's".

    >>> possessive("Amazon"), possessive("")
    ('Amazon’s', 'the marketplace’s')
    """
    return f"{company or 'the marketplace'}\N{RIGHT SINGLE QUOTATION MARK}s"


def metric_words(metric_id: str, company: str = AMAZON) -> MetricWords:
    """Return the words for a metric as a company calls it; the error for an unknown metric lists the known ids.

    >>> metric_words("late_shipment_rate").label, metric_words("late_shipment_rate", "TikTok Shop").label
    ('Late Shipment Rate', 'Late Dispatch Rate')
    >>> metric_words("cancellation_rate").label, metric_words("cancellation_rate", "Walmart").label
    ('Pre-fulfilment Cancellation Rate', 'Cancellation Rate')
    """
    try:
        words = METRIC_WORDS[metric_id]
    except KeyError:
        raise KeyError(f"No words for metric {metric_id!r}. There are: {', '.join(METRIC_WORDS)}.") from None
    if company == AMAZON:
        return words
    own_labels = _LABELS_OUTSIDE_AMAZON | _LABELS_BY_COMPANY.get(company, {})
    label, short_label = own_labels.get(metric_id, (words.label, words.short_label))
    return words._replace(label=label, short_label=short_label)


def channel_label(channel: str, company: str = AMAZON) -> str:
    """Return the label of a channel; in that of the channel "amazon" the company fulfils the orders.

    >>> channel_label("seller"), channel_label("amazon"), channel_label("amazon", "eBay"), channel_label("amazon", "")
    ('seller-fulfilled', 'Amazon-fulfilled', 'eBay-fulfilled', 'marketplace-fulfilled')
    """
    return f"{company or 'marketplace'}-fulfilled" if channel == "amazon" else _CHANNEL_LABELS.get(channel, channel)


def causes_phrase(causes: str, plural: bool = False) -> str:
    """Return causes joined by '+' as a phrase, in the singular or the plural.

    >>> causes_phrase("a_to_z_claim+negative_feedback")
    'A-to-z Guarantee claim and negative feedback'
    >>> causes_phrase("chargeback", plural=True)
    'chargebacks'
    """
    labels = CAUSE_PLURALS if plural else CAUSE_LABELS
    return join_words([labels.get(cause, cause.replace("_", " ")) for cause in causes.split("+")])


def assumptions_sentence(assumptions: str) -> str:
    """Return one sentence that explains assumptions (ids joined by '+'); empty if there are none.

    >>> assumptions_sentence("cancel_day_from_order")
    'The files hold no day of cancelling, so the order day is taken.'
    """
    if not assumptions:
        return ""
    clauses = [ASSUMPTION_SENTENCES.get(name, name.replace("_", " ")) for name in assumptions.split("+")]
    return capitalise_first("; ".join(clauses)) + "."


def capitalise_first(text: str) -> str:
    """Return a text with a capital first letter; a name with a capital inside, such as eBay, stays as it is.

    >>> capitalise_first("chargeback"), capitalise_first("eBay orders report")
    ('Chargeback', 'eBay orders report')
    """
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def lowercase_first(text: str) -> str:
    """Return a label as written inside a sentence; the marketplace's own names keep their capitals.

    >>> lowercase_first("Bad reviews"), lowercase_first("Late Shipment Rate"), lowercase_first("A-to-z claims")
    ('bad reviews', 'Late Shipment Rate', 'A-to-z claims')
    """
    return text if text.startswith("A-to-z") or " Rat" in text else text[:1].lower() + text[1:]


def join_words(items: Sequence[str]) -> str:
    """Join items as a list in a sentence, with "and" before the last.

    >>> join_words(["a", "b", "c"]), join_words(["a"])
    ('a, b and c', 'a')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
