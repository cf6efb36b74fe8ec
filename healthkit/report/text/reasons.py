"""Reasons why a measure cannot be judged, as text: missing evidence, or files that end early or begin late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from healthkit import metrics
from healthkit.report.text.downloads import evidence_list
from healthkit.report.text.figures import (
    format_count,
    format_day_range,
    format_long_day,
    format_number,
    format_quantity,
    format_rate,
    spell_number,
)
from healthkit.report.text.labels import DASH, join_words, possessive
from healthkit.schema.marketplaces import AMAZON

MAX_NAMED_ACCOUNTS = 3
"""Largest number of accounts that a sentence on a store without rules names."""
UNKNOWN_FACTS = {
    "promises": "when they were due to ship",
    "delivery_promises": "when they were due to arrive",
    "confirmations": "when they were confirmed",
    "deliveries": "when they were delivered",
    "tracking": "whether they had tracking",
    "business_hours": "whether they were delivered within business hours",
}
"""Kind of evidence -> what is unknown about orders without it."""


def unjudged_reason(reason: Any, noun: str, first: date, last: date, year: int, minimum: int | None = None) -> str:
    """Return the reason why a measure has no verdict, as text to show instead of its headroom.

    `reason` is a `verdicts.UnjudgedReason`. `first` and `last` bound the window, `noun` is what the measure counts,
    `minimum` is the smallest count that the rule judges.
    """
    if reason.kind == "too few":
        return f"judged from {format_quantity(minimum, noun)}" if minimum else "too few to judge"
    if reason.kind == "no target":
        return "nothing is asked"
    if reason.kind == "no orders":
        return no_orders_reason(noun, first, last, year)
    if reason.kind == "no file":
        return no_file_reason(reason, noun, first, last, year)
    if reason.kind == "lower bound":
        return lower_bound_reason(reason, noun, year)
    text = {"starts late": _starts_late_reason, "ends early": _ends_early_reason, "gap": _gap_reason}[reason.kind](
        reason, first, last, year
    )
    return text + on_target_only_if_clause(reason.clean_orders_needed, reason.missing_days, noun)


def unjudged_stores_sentence(stores: Sequence[tuple[str, str, int]]) -> str:
    """Return a sentence on orders in stores that no policy has rules for, and what to do; empty if there are none.

    `stores` holds account, marketplace and number of orders.

    >>> unjudged_stores_sentence([("acme", "SG", 12), ("acme", "ZA", 1), ("bolt", "SG", 3)])
    'No rules for SG (15 orders of acme and bolt) and ZA (1 order of acme), so that these orders are in no rate. Write a policy file for such a store (see docs/rules.md), or judge every store by one policy, such as --policy amazon_reference.'
    """  # noqa: E501 - the sentence
    by_code: dict[str, list[tuple[str, int]]] = {}
    for account, code, orders in stores:
        by_code.setdefault(code, []).append((account, orders))
    phrases = [
        f"{code} ({format_quantity(sum(orders for _, orders in found))} of {_name_some([name for name, _ in found])})"
        for code, found in by_code.items()
    ]
    if not phrases:
        return ""
    # Policies are loaded by the sentence that needs them: they take long to import.
    hint = metrics.policy_files.NO_RULES_HINT
    return f"No rules for {join_words(phrases)}, so that these orders are in no rate. {hint}"


def _name_some(names: Sequence[str]) -> str:
    """Return the first names of a list as words, with the number of the others."""
    more = len(names) - MAX_NAMED_ACCOUNTS
    return join_words([*names[:MAX_NAMED_ACCOUNTS], *([f"{more:,} more"] if more > 0 else [])])


def accounts_without_orders_sentence(pairs: Sequence[tuple[str, str]]) -> str:
    """Return that the files have no orders of some accounts in their marketplaces, and where to see what is known.

    >>> accounts_without_orders_sentence([("acme", "US"), ("acme", "CA")])
    'no file has orders of acme (US) and acme (CA): only the marketplace’s own figures are known (`scores --case all`).'
    """
    named = _name_some([f"{account} ({marketplace})" for account, marketplace in pairs])
    return (
        f"no file has orders of {named}: only the marketplace\N{RIGHT SINGLE QUOTATION MARK}s own figures are known "
        "(`scores --case all`)."
    )


def no_orders_reason(noun: str, first: date, last: date, year: int) -> str:
    """Return the reason that a window has no orders, with its days.

    >>> no_orders_reason("order", date(2026, 10, 24), date(2026, 10, 30), 2026)
    'no orders from 24 to 30 Oct'
    """
    days = (
        f"on {format_day_range(last, last, year)}"
        if first == last
        else f"from {format_day_range(first, last, year).replace(DASH, 'to')}"
    )
    return f"no {noun}s {days}"


def no_file_reason(reason: Any, noun: str, first: date, last: date, year: int) -> str:
    """Return the reason that no imported file contains the evidence of a measure."""
    missing = [need.evidence for need in reason.required_evidence if need.known_last is None]
    if not reason.orders_in_window:
        return f"no file covers {evidence_list(missing)}" if missing else f"no file covers {noun}s"
    gap = unknown_facts_clause(missing) if missing else "says enough about them"
    return f"{format_quantity(reason.orders_in_window)}, but no file {gap}"


def unknown_facts_clause(missing: Sequence[str]) -> str:
    """Return what a file would have to do to give missing evidence; at least one kind is given.

    >>> unknown_facts_clause(["promises", "confirmations"]), unknown_facts_clause(["claims", "feedback"])
    ('says when they were due to ship and when they were confirmed', 'covers A-to-z Guarantee claims and ratings')
    """
    facts = [UNKNOWN_FACTS[evidence] for evidence in missing if evidence in UNKNOWN_FACTS]
    return f"says {join_words(facts)}" if facts else f"covers {evidence_list(missing)}"


def lower_bound_reason(reason: Any, noun: str, year: int) -> str:
    """Return the reason that a count is a lower bound, with the evidence that is missing or incomplete.

    >>> from types import SimpleNamespace as Some
    >>> need = Some(evidence="claims", known_last=None)
    >>> lower_bound_reason(Some(required_evidence=(need,), unknown_orders=0), "order", 2026)
    'a lower bound: no file covers A-to-z Guarantee claims'
    >>> need = Some(evidence="feedback", known_last=date(2026, 10, 12), last=date(2026, 10, 31), known_first=date(2026, 1, 1),
    ...             first=date(2026, 8, 18))
    >>> lower_bound_reason(Some(required_evidence=(need,), unknown_orders=0), "order", 2026)
    'a lower bound: ratings are known only until 12 Oct'
    """  # noqa: E501 - the examples
    missing = [need.evidence for need in reason.required_evidence if need.known_last is None]
    parts = [f"no file covers {evidence_list(missing)}"] if missing else []
    for need in reason.required_evidence:
        if need.known_last is not None:
            ends_early = need.known_last < need.last and (need.last - need.known_last) >= (
                need.known_first - need.first
            )
            parts.append(
                f"{evidence_list([need.evidence])} are known only {_known_range_phrase(need, ends_early, year)}"
            )
    if reason.unknown_orders:
        parts.append(f"the files do not say enough about {format_quantity(reason.unknown_orders)}")
    return f"a lower bound: {join_words(parts) or 'files are missing'}"


def _known_range_phrase(need: Any, ends_early: bool, year: int) -> str:
    return f"until {format_day_range(need.known_last, need.known_last, year)}" if ends_early else (
        f"since {format_day_range(need.known_first, need.known_first, year)}"
    )  # fmt: skip


def _starts_late_reason(reason: Any, first: date, last: date, year: int) -> str:
    since = format_day_range(reason.since, reason.since, year)
    return f"orders only since {since}; the window starts {format_day_range(first, first, year)}"


def _ends_early_reason(reason: Any, first: date, last: date, year: int) -> str:
    order_needs = [need for need in reason.required_evidence if need.evidence == "orders"]
    other_needs = [
        need for need in reason.required_evidence if need.known_last is not None and need.evidence != "orders"
    ]
    if not order_needs and other_needs:
        need = min(other_needs, key=lambda need: need.known_last)
        orders_clause = f"{format_quantity(reason.orders_in_window)}, but " if reason.orders_in_window else ""
        return (
            f"{orders_clause}{evidence_list([need.evidence])} are known only "
            f"{_known_range_phrase(need, need.known_last < need.last, year)}"
        )
    return (
        f"orders only until {format_day_range(reason.until, reason.until, year)}; the window ends "
        f"{format_day_range(last, last, year)}"
    )


def _gap_reason(reason: Any, first: date, last: date, year: int) -> str:
    return f"no file of orders covers {format_day_range(reason.since, reason.until, year).replace(DASH, 'to')}"


def on_target_only_if_clause(clean_orders_needed: int | None, missing_days: int, noun: str) -> str:
    """Return a clause on what the missing days must contain for a measure past its target to be on target.

    It is empty without `clean_orders_needed`: the known counts are not past the target.

    >>> on_target_only_if_clause(142, 10, "order")
    '; on target only if the ten missing days held 142 more orders without a defect'
    >>> on_target_only_if_clause(None, 10, "order")
    ''
    """
    if clean_orders_needed is None:
        return ""
    span = "the missing day" if missing_days == 1 else f"the {spell_number(missing_days)} missing days"
    orders = f"{format_number(clean_orders_needed)} more {noun}{'' if clean_orders_needed == 1 else 's'}"
    return f"; on target only if {span} held {orders} without a defect"


def own_figure_phrase(reported_on: date, age: int, year: int, company: str = AMAZON) -> str:
    """Return a phrase for the marketplace's own figure with its date, and its age if over a week. [days]

    >>> own_figure_phrase(date(2026, 11, 27), 0, 2026), own_figure_phrase(date(2026, 11, 20), 10, 2026, "eBay")
    ('Amazon’s own figure of 27 November', 'eBay’s own figure of 20 November, 10 days old')
    """
    age_note = "" if age <= 7 else f", {format_number(age)} days old"
    return f"{possessive(company)} own figure of {format_long_day(reported_on, year)}{age_note}"


def unjudged_measures_clause(names: Sequence[str], max_named: int = 4) -> str:
    """Return a clause with the measures that cannot be judged: at most `max_named` items, the last a number.

    >>> unjudged_measures_clause(["Late Shipment Rate", "Valid Tracking Rate"])
    'Late Shipment Rate and Valid Tracking Rate cannot be judged'
    >>> unjudged_measures_clause(["Late Shipment Rate"])
    'Late Shipment Rate cannot be judged'
    >>> unjudged_measures_clause(["a", "b", "c", "d", "e", "f"])
    'a, b, c and 3 more measures cannot be judged'
    """
    items = (
        list(names)
        if len(names) <= max_named
        else [*names[: max_named - 1], f"{format_number(len(names) - max_named + 1)} more measures"]
    )
    return f"{join_words(items)} cannot be judged"


def our_counts_sentence(counted: int, at_fault: int, side: str, target: float | None, noun: str, reason: str) -> str:
    """Return a sentence on our own count of a measure that the marketplace's figure decides.

    `reason` says why our count cannot be judged; it may be empty.

    >>> our_counts_sentence(241, 3, "below", 0.01, "order", "orders only since 28 Sep; the window starts 14 Sep")
    'our files hold 3 of 241 (1.24%), which cannot be judged: orders only since 28 Sep; the window starts 14 Sep.'
    >>> our_counts_sentence(27, 0, "below", 0.025, "order", "")
    'our files hold 0 of 27 (0.0%).'
    >>> our_counts_sentence(0, 0, "below", 0.04, "order", "no file covers shipping confirmations")
    'no file covers shipping confirmations.'
    """
    if not counted:
        return f"{reason or f'our files count no {noun}'}."
    count_clause = (
        f"our files hold {format_count(counted, at_fault, side)} ({format_rate(counted, at_fault, side, target)})"
    )
    return f"{count_clause}, which cannot be judged: {reason}." if reason else f"{count_clause}."


def our_rate_title(figure_source: str) -> str:
    """Return the title of the chart of our rate if the marketplace's own figure decides the verdict.

    >>> our_rate_title("Amazon’s own figure of 27 November")
    'The rate by our files; Amazon’s own figure of 27 November decides'
    """
    return f"The rate by our files; {figure_source} decides"


def files_end_sentence(known_until: date, year: int) -> str:
    """Return a sentence with the last day that the files of an account cover.

    >>> files_end_sentence(date(2026, 11, 26), 2026)
    'The files cover orders until 26 November; later days are not known.'
    """
    return f"The files cover orders until {format_long_day(known_until, year)}; later days are not known."


def since_unknown_phrase(figure_source: str) -> str:
    """Return a phrase that a measure is off target by the marketplace's figure alone, since an unknown day.

    >>> since_unknown_phrase("Amazon’s own figure of 27 November")
    'off target by Amazon’s own figure of 27 November; since when, the files do not say.'
    """
    return f"off target by {figure_source}; since when, the files do not say."


def other_unjudged_line(account: str, marketplace: str, unjudged: int) -> str:
    """Return a line with the number of measures of an account that cannot be judged.

    >>> other_unjudged_line("acme", "US", 9)
    '? acme (US): nine measures cannot be judged; `doctor --account acme` lists the files that are missing.'
    """
    text = f"{spell_number(unjudged)} {'measure' if unjudged == 1 else 'measures'} cannot be judged"
    return f"? {account} ({marketplace}): {text}; `doctor --account {account}` lists the files that are missing."


def none_off_target_sentence(as_of: date, unjudged: int) -> str:
    """Return a sentence that no measure is off target, with the number of enforced ones that cannot be judged.

    >>> none_off_target_sentence(date(2026, 10, 31), 0)
    'No measure is off target on 31 October 2026.'
    >>> none_off_target_sentence(date(2026, 10, 31), 2)
    'No measure is known to be off target on 31 October 2026; two that a rule enforces cannot be judged.'
    """
    known_to_be = "known to be " if unjudged else ""
    unjudged_clause = f"; {spell_number(unjudged)} that a rule enforces cannot be judged" if unjudged else ""
    return f"No measure is {known_to_be}off target on {format_long_day(as_of, 0)}{unjudged_clause}."
