"""The words of the marketplace's own figures beside ours: what each side counts, and why they differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from healthkit.report.wording.figures import days, long_day, number, small, things
from healthkit.report.wording.names import STATUSES, causes, inside, listed, opening
from healthkit.report.wording.reasons import UNKNOWN, tells

THEIRS = "Amazon\N{RIGHT SINGLE QUOTATION MARK}s"
NAMED = 5
"""So many order ids stand in a reason; of the others their number."""
DIFFERENCES = {
    "window": "it counts other days than our rule",
    "time zone": "it cuts days in UTC, we in the marketplace\N{RIGHT SINGLE QUOTATION MARK}s zone",
    "channel": "it counts orders of the other channel, too",
    "cancelled orders": "it leaves cancelled orders out",
    "counted twice": "it counts an order once for each of its defects",
    "not imported": "no file of ours tells of such defects",
    "feedback removed": "feedback that one of the two holds for removed",
    "cleared": "cleared on one of the two sides only",
    "known later": "our files date the defect after that day",
    "not known there": "learnt in the last days, and not in its figure yet",
    "orders missing": "orders that no file of ours holds",
    "no scans": "a tracking number that no carrier scanned; our files hold no scans",
    "no file": "no file of ours tells enough to count them",
    "unexplained": "cause not found",
}
"""Why two counts differ, by the causes of `explain`."""
NO_DIFFERENCE = "No difference"


def moved(counted: int, at_fault: int, noun: str) -> str:
    """How many more or fewer the marketplace counts, and holds at fault.

    >>> moved(3, 0, "order"), moved(0, -1, "order"), moved(1, -5, "order"), moved(0, 0, "order")
    ('3 orders more counted', '1 order fewer at fault', '1 order more counted and 5 fewer at fault', 'the same numbers')
    """
    told = []
    if counted:
        told.append(f"{things(abs(counted), noun)} {'more' if counted > 0 else 'fewer'} counted")
    if at_fault:
        who = number(abs(at_fault)) if counted else things(abs(at_fault), noun)
        told.append(f"{who} {'more' if at_fault > 0 else 'fewer'} at fault")
    return listed(told) or "the same numbers"


def reason(
    cause: str, counted: int, at_fault: int, noun: str = "order", *, perhaps: bool = False, missing: Sequence[str] = ()
) -> str:
    """One reason with its numbers; `perhaps` where another would do as well, `missing` the evidence of "no file".

    >>> reason("known later", 0, 1, perhaps=True)
    '1 order more at fault; it may be: our files date the defect after that day.'
    >>> reason("no file", 141, 4, missing=["promises", "confirmations"])
    'Amazon counts 141 orders, 4 at fault; no file of ours tells when they were due to ship and when they were confirmed.'

    >>> reason("time zone", 2, 0)
    '2 orders more counted: it cuts days in UTC, we in the marketplace’s zone.'
    >>> reason("unexplained", 0, -3), reason("unexplained", 1, -5)
    ('3 orders fewer at fault, cause not found.', '1 order more counted and 5 fewer at fault, cause not found; perhaps our files lack orders.')
    """  # noqa: E501 - four reasons
    why = DIFFERENCES.get(cause, cause)
    if cause == "no file":
        unknown = [UNKNOWN.get(word, f"of {tells([word])}") for word in missing]
        why = f"no file of ours tells {listed(unknown)}" if unknown else why
        return f"Amazon counts {things(counted, noun)}, {number(at_fault)} at fault; {why}."
    if perhaps:
        return opening(f"{moved(counted, at_fault, noun)}; it may be: {why}.")
    lacking = f"; perhaps our files lack {noun}s" if cause == "unexplained" and counted > 0 else ""
    return opening(f"{moved(counted, at_fault, noun)}{', ' if cause == 'unexplained' else ': '}{why}{lacking}.")


def part(name: str, ours: int, theirs: int) -> str:
    """How many orders each side counts of one cause of defects.

    >>> part("negative_feedback", 10, 9)
    'Orders with negative feedback: Amazon counts 9, our files 10.'
    """
    return f"Orders with {causes(name, many=True)}: Amazon counts {number(theirs)}, our files {number(ours)}."


def more_orders(many: int) -> str:
    """How many orders of a reason are not named; empty where all are.

    >>> more_orders(7), more_orders(3)
    ('and 2 more', '')
    """
    return f"and {number(many - NAMED)} more" if many > NAMED else ""


def other_days(first: date, last: date, our_first: date, our_last: date, year: int) -> str:
    """Which days each side counts.

    >>> other_days(date(2026, 10, 1), date(2026, 10, 30), date(2026, 10, 2), date(2026, 10, 31), 2026)
    'It counts 1 – 30 Oct, our rule 2 – 31 Oct.'
    """
    return f"It counts {days(first, last, year)}, our rule {days(our_first, our_last, year)}."


def contradicts(text: str) -> str:
    """That the marketplace's own report does not agree with itself.

    >>> contradicts("status good, though 3 of 100 is over its target")
    'Amazon’s report contradicts itself: status good, though 3 of 100 is over its target.'
    """
    return f"{THEIRS} report contradicts itself: {text.strip().rstrip('.')}."


def beside_title(measures: int, other_status: Sequence[str], other_counts: int) -> str:
    """Whether the marketplace's figures say the same.

    >>> beside_title(5, [], 2), beside_title(5, [], 0), beside_title(1, [], 0)
    ('Amazon’s own figures give the same status everywhere; two differ in their counts', 'Amazon’s own figures are the same as ours in all five measures', 'Amazon’s own figure is the same as ours')
    >>> beside_title(5, ["Order defects"], 2)
    'Amazon’s own figures give another status for order defects'
    """  # noqa: E501 - three titles
    if other_status:
        return f"{THEIRS} own figures give another status for {listed([inside(name) for name in other_status])}"
    if not other_counts:
        return f"{THEIRS} own figure is the same as ours" if measures == 1 else (
            f"{THEIRS} own figures are the same as ours in all {small(measures)} measures"
        )  # fmt: skip
    verb = "differs in its counts" if other_counts == 1 else "differ in their counts"
    return f"{THEIRS} own figures give the same status everywhere; {small(other_counts)} {verb}"


def says_otherwise(measures: Sequence[tuple[str, str, str]]) -> str:
    """That the marketplace judges differently, as the end of the verdict's first sentence.

    Each measure is its name in a sentence, the marketplace's rate and status.

    >>> says_otherwise([("order defects", "0.91%", "at risk")])
    '; Amazon’s own figures put order defects at 0.91% (at risk)'
    >>> says_otherwise([("a", "1%", "at risk"), ("b", "2%", "on target"), ("c", "3%", "on target")])
    '; Amazon’s own figures judge three measures differently'
    """
    if not measures:
        return ""
    if len(measures) > 2:
        return f"; {THEIRS} own figures judge {small(len(measures))} measures differently"
    told = listed([f"{name} at {rate} ({status})" for name, rate, status in measures])
    return f"; {THEIRS} own figures put {told}"


def no_figure(names: Sequence[str], as_of: date, year: int) -> str:
    """Of which measures the marketplace's report holds no figure.

    >>> no_figure(["late shipment over 10 days"], date(2026, 10, 31), 2026)
    'Amazon’s report for 31 October holds no figure for late shipment over 10 days.'
    """
    if not names:
        return ""
    said = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return f"{THEIRS} report for {long_day(as_of, year)} holds no figure for {said}."


def reported_on(day: date, year: int) -> str:
    """When the marketplace reported a figure, under its name.

    >>> reported_on(date(2026, 10, 31), 2026)
    'as Amazon reported on 31 October'
    """
    return f"as Amazon reported on {long_day(day, year)}"


def both_rates(ours: str, theirs: str, same: bool) -> str:
    """Both rates of one measure, on a chart; one where they are the same, not only as they are written.

    >>> both_rates("1.28%", "0.91%", False), both_rates("1.5%", "1.5%", True)
    ('ours ● 1.28%, Amazon’s ○ 0.91%', 'both ◉ 1.5%')
    """
    return f"both ◉ {ours}" if same else f"ours ● {ours}, {THEIRS} ○ {theirs}"


def sides_title(nearest: str, ours: str, theirs: str, limit: str, same: bool = False) -> str:
    """The finding of both figures on one scale: the measure that is furthest apart.

    >>> sides_title("Order defects", "1.28%", "0.91%", "limit 1%")
    'Furthest apart: order defects, ours 1.28%, Amazon’s 0.91% (limit 1%)'
    >>> sides_title("Order defects", "1.28%", "1.28%", "limit 1%", same=True)
    'Both figures stand at the same place in every measure'
    """
    if same:
        return "Both figures stand at the same place in every measure"
    return f"Furthest apart: {inside(nearest)}, ours {ours}, {THEIRS} {theirs} ({limit})"


SIDES_CAPTION = f"How much of what the target allows is used up. Filled: ours; ring: {THEIRS}."


def status_in_words(status: str) -> str:
    """A status inside a sentence.

    >>> status_in_words("off target")
    'off target'
    """
    return STATUSES[status].word.lower() if status in STATUSES else status
