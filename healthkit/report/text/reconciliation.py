"""Texts that compare the marketplace's own figures with ours: counts, statuses and causes of differences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from healthkit.report.text.figures import (
    format_day_range,
    format_long_day,
    format_number,
    format_quantity,
    spell_number,
)
from healthkit.report.text.labels import (
    STATUS_STYLES,
    capitalise_first,
    causes_phrase,
    join_words,
    lowercase_first,
    possessive,
)
from healthkit.report.text.reasons import unknown_facts_clause
from healthkit.schema.marketplaces import AMAZON

MAX_NAMED_ORDERS = 5
"""Order ids listed for each reason; the rest are counted."""
DIFFERENCE_REASONS = {
    "window": "it counts other days than our rule",
    "time zone": "it cuts days in UTC, we in the marketplace\N{RIGHT SINGLE QUOTATION MARK}s zone",
    "channel": "it counts orders of the other channel, too",
    "cancelled orders": "it leaves cancelled orders out",
    "counted twice": "it counts an order once for each of its defects",
    "not imported": "none of our files covers such defects",
    "feedback removed": "feedback that only one of the two counts as removed",
    "cleared": "cleared on one of the two sides only",
    "known later": "our files date the defect after that day",
    "not known there": "learnt in the last days, and not in its figure yet",
    "orders missing": "orders that no file of ours holds",
    "no scans": "a tracking number that no carrier scanned; our files hold no scans",
    "no file": "none of our files says enough to count them",
    "unexplained": "cause not found",
}
"""Cause of a difference between two counts (see `reconcile.DIFFERENCES`) -> its text."""
NO_DIFFERENCE = "No difference"


def count_difference_phrase(counted: int, at_fault: int, noun: str) -> str:
    """Return how many more or fewer orders the marketplace counts, and counts as at fault, than our files.

    >>> [count_difference_phrase(*counts, "order") for counts in ((3, 0), (0, -1), (1, -5), (0, 0))]
    ['3 orders more counted', '1 order fewer at fault', '1 order more counted and 5 fewer at fault', 'the same numbers']
    """
    parts = []
    if counted:
        parts.append(f"{format_quantity(abs(counted), noun)} {'more' if counted > 0 else 'fewer'} counted")
    if at_fault:
        quantity = format_number(abs(at_fault)) if counted else format_quantity(abs(at_fault), noun)
        parts.append(f"{quantity} {'more' if at_fault > 0 else 'fewer'} at fault")
    return join_words(parts) or "the same numbers"


def difference_sentence(
    cause: str,
    counted: int,
    at_fault: int,
    noun: str = "order",
    *,
    uncertain: bool = False,
    missing: Sequence[str] = (),
    company: str = AMAZON,
) -> str:
    """Return a sentence on one cause of a difference between two counts, with its numbers.

    With `uncertain`, another cause would explain the numbers as well. `missing` is the evidence that the cause "no
    file" lacks.

    >>> difference_sentence("known later", 0, 1, uncertain=True)
    '1 order more at fault; it may be: our files date the defect after that day.'
    >>> difference_sentence("no file", 141, 4, missing=["promises", "confirmations"])
    'Amazon counts 141 orders, 4 at fault; none of our files says when they were due to ship and when they were confirmed.'
    >>> difference_sentence("no file", 141, 4, missing=["orders"])
    'Amazon counts 141 orders, 4 at fault; none of our files covers orders.'

    >>> difference_sentence("time zone", 2, 0)
    '2 orders more counted: it cuts days in UTC, we in the marketplace’s zone.'
    >>> difference_sentence("unexplained", 0, -3), difference_sentence("unexplained", 1, -5)
    ('3 orders fewer at fault, cause not found.', '1 order more counted and 5 fewer at fault, cause not found; perhaps our files lack orders.')
    """  # noqa: E501 - four reasons
    reason = DIFFERENCE_REASONS.get(cause, cause)
    if cause == "no file":
        reason = f"none of our files {unknown_facts_clause(missing)}" if missing else reason
        return f"{company} counts {format_quantity(counted, noun)}, {format_number(at_fault)} at fault; {reason}."
    if uncertain:
        return capitalise_first(f"{count_difference_phrase(counted, at_fault, noun)}; it may be: {reason}.")
    remark = f"; perhaps our files lack {noun}s" if cause == "unexplained" and counted > 0 else ""
    return capitalise_first(
        f"{count_difference_phrase(counted, at_fault, noun)}{', ' if cause == 'unexplained' else ': '}{reason}{remark}."
    )


def cause_counts_sentence(cause: str, ours: int, theirs: int, company: str = AMAZON) -> str:
    """Return a sentence with the number of orders that each side counts for one cause of faults.

    >>> cause_counts_sentence("negative_feedback", 10, 9)
    'Orders with negative feedback: Amazon counts 9, our files 10.'
    """
    return (
        f"Orders with {causes_phrase(cause, plural=True)}: {company} counts {format_number(theirs)}, our files "
        f"{format_number(ours)}."
    )


def more_orders_note(total: int) -> str:
    """Return a note with the number of order ids that are not listed; empty if all are.

    >>> more_orders_note(7), more_orders_note(3)
    ('and 2 more', '')
    """
    return f"and {format_number(total - MAX_NAMED_ORDERS)} more" if total > MAX_NAMED_ORDERS else ""


def counted_days_sentence(first: date, last: date, our_first: date, our_last: date, year: int) -> str:
    """Return a sentence with the window of the marketplace's figure and that of our rule.

    >>> counted_days_sentence(date(2026, 10, 1), date(2026, 10, 30), date(2026, 10, 2), date(2026, 10, 31), 2026)
    'It counts 1 – 30 Oct, our rule 2 – 31 Oct.'
    """
    return f"It counts {format_day_range(first, last, year)}, our rule {format_day_range(our_first, our_last, year)}."


def contradiction_sentence(text: str, company: str = AMAZON) -> str:
    """Return a sentence that the marketplace's own report contradicts itself.

    >>> contradiction_sentence("status good, though 3 of 100 is over its target")
    'Amazon’s report contradicts itself: status good, though 3 of 100 is over its target.'
    """
    return f"{possessive(company)} report contradicts itself: {text.strip().rstrip('.')}."


def reconciliation_title(measures: int, other_status: Sequence[str], other_counts: int, company: str = AMAZON) -> str:
    """Return the title of the reconciliation: whether the marketplace's figures agree with ours.

    `other_status` names the measures with another status; `other_counts` is the number of measures with other
    counts.

    >>> reconciliation_title(5, [], 2), reconciliation_title(5, [], 0), reconciliation_title(1, [], 0)
    ('Amazon’s own figures give the same status everywhere; two differ in their counts', 'Amazon’s own figures are the same as ours in all five measures', 'Amazon’s own figure is the same as ours')
    >>> reconciliation_title(5, ["Order Defect Rate"], 2)
    'Amazon’s own figures give another status for Order Defect Rate'
    """  # noqa: E501 - three titles
    if other_status:
        return (
            f"{possessive(company)} own figures give another status for "
            f"{join_words([lowercase_first(name) for name in other_status])}"
        )
    if not other_counts:
        return f"{possessive(company)} own figure is the same as ours" if measures == 1 else (
            f"{possessive(company)} own figures are the same as ours in all {spell_number(measures)} measures"
        )  # fmt: skip
    verb = "differs in its counts" if other_counts == 1 else "differ in their counts"
    return f"{possessive(company)} own figures give the same status everywhere; {spell_number(other_counts)} {verb}"


def disagreement_clause(measures: Sequence[tuple[str, str, str]], company: str = AMAZON) -> str:
    """Return a clause on the measures that the marketplace judges differently; it ends the verdict's first sentence.

    Each measure is its name in a sentence, the marketplace's rate and the marketplace's status.

    >>> disagreement_clause([("Order Defect Rate", "0.91%", "at risk")])
    '; Amazon’s own figures put Order Defect Rate at 0.91% (at risk)'
    >>> disagreement_clause([("a", "1%", "at risk"), ("b", "2%", "on target"), ("c", "3%", "on target")])
    '; Amazon’s own figures judge three measures differently'
    """
    if not measures:
        return ""
    if len(measures) > 2:
        return f"; {possessive(company)} own figures judge {spell_number(len(measures))} measures differently"
    figures = join_words([f"{name} at {rate} ({status})" for name, rate, status in measures])
    return f"; {possessive(company)} own figures put {figures}"


def missing_figures_sentence(names: Sequence[str], as_of: date, year: int, company: str = AMAZON) -> str:
    """Return a sentence with the measures that the marketplace's report has no figure for; empty for none.

    >>> missing_figures_sentence(["Late Shipment Rate over 10 days"], date(2026, 10, 31), 2026)
    'Amazon’s report for 31 October holds no figure for Late Shipment Rate over 10 days.'
    """
    if not names:
        return ""
    listed = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return f"{possessive(company)} report for {format_long_day(as_of, year)} holds no figure for {listed}."


def reported_on_note(day: date, year: int, company: str = AMAZON) -> str:
    """Return a note with the day on which the marketplace reported a figure.

    >>> reported_on_note(date(2026, 10, 31), 2026)
    'as Amazon reported on 31 October'
    """
    return f"as {company} reported on {format_long_day(day, year)}"


def format_both_rates(ours: str, theirs: str, same: bool, company: str = AMAZON) -> str:
    """Format our rate and the marketplace's for a chart; as one if they are exactly the same.

    >>> format_both_rates("1.28%", "0.91%", False), format_both_rates("1.5%", "1.5%", True)
    ('ours ● 1.28%, Amazon’s ○ 0.91%', 'both ◉ 1.5%')
    """
    return f"both ◉ {ours}" if same else f"ours ● {ours}, {possessive(company)} ○ {theirs}"


def furthest_apart_title(
    label: str, ours: str, theirs: str, limit: str, same: bool = False, company: str = AMAZON
) -> str:
    """Return the title of the chart of both rates: the measure whose two rates differ most.

    >>> furthest_apart_title("Order Defect Rate", "1.28%", "0.91%", "limit 1%")
    'Furthest apart: Order Defect Rate, ours 1.28%, Amazon’s 0.91% (limit 1%)'
    >>> furthest_apart_title("Order Defect Rate", "1.28%", "1.28%", "limit 1%", same=True)
    'Both figures stand at the same place in every measure'
    """
    if same:
        return "Both figures stand at the same place in every measure"
    return f"Furthest apart: {lowercase_first(label)}, ours {ours}, {possessive(company)} {theirs} ({limit})"


def both_rates_caption(company: str = AMAZON) -> str:
    """Return the caption of the chart of both rates: how to read it.

    >>> both_rates_caption("eBay")
    'How much of what the target allows is used up. Filled: ours; ring: eBay’s.'
    """
    return f"How much of what the target allows is used up. Filled: ours; ring: {possessive(company)}."


def status_phrase(status: str) -> str:
    """Return a status as written inside a sentence.

    >>> status_phrase("off target")
    'off target'
    """
    return STATUS_STYLES[status].word.lower() if status in STATUS_STYLES else status
