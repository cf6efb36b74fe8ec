"""Texts on metrics that are not rates (violations, rating, answer time), groups of orders, and consequences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from healthkit.report.text.figures import (
    MINUS,
    format_day,
    format_long_day,
    format_number,
    format_quantity,
    round_half_up,
)
from healthkit.report.text.labels import (
    STATUS_STYLES,
    StatusStyle,
    capitalise_first,
    join_words,
    lowercase_first,
    metric_words,
    possessive,
)
from healthkit.schema.marketplaces import AMAZON

FIGURE_KINDS = {"policy_violations": "number", "account_health_rating": "points", "average_response_time": "average"}
"""Metric id -> kind of its figure, for metrics that are not rates: open violations, points, or average hours."""
EVIDENCE_FILES = {
    "feedback": "a feedback file",
    "claims": "a file of claims",
    "chargebacks": "a defects file",
    "refunds": "a defects file that names refunds",
    "contacts": "a file of buyer messages",
    "surveys": "a file of buyer surveys",
    "violations": "a violations file",
    "returns": "a returns file",
    "return_answers": "a file of return requests",
    "return_feedback": "a file of return requests",
    "return_refusals": "a file of return requests",
    "invoices": "a file of invoices",
    "scans": "a confirmations file with scans",
    "business_hours": "a confirmations file with the column in-business-hours",
    "not_received": "a defects file that names items not received",
    "cases": "a defects file that names cases",
    "cancellers": "a file that says who cancelled",
}
"""Kind of missing evidence -> the file that contains it in every marketplace."""
AMAZON_EVIDENCE_FILES = EVIDENCE_FILES | {"violations": f"a violations file or {possessive(AMAZON)} performance report"}
"""Kind of missing evidence -> the file that contains it in Amazon's marketplaces."""
CATEGORY_LABELS = {
    "listing_policy_violations": "Listing policy",
    "product_authenticity_customer_complaints": "Product authenticity",
    "product_condition_customer_complaints": "Product condition",
    "product_safety_customer_complaints": "Product safety",
    "received_intellectual_property_complaints": "Received intellectual property",
    "restricted_product_policy_violations": "Restricted products",
    "suspected_intellectual_property_violations": "Suspected intellectual property",
    "food_and_product_safety_issues": "Food and product safety",
    "customer_product_reviews_policy_violations": "Product reviews",
    "document_requests": "Document requests",
    "other_policy_violations": "Other policy",
}
"""Category of policy violations -> its label."""
ACCOUNT_STATE_STYLES = {
    "normal": StatusStyle(STATUS_STYLES["on target"].symbol, "Normal", "on"),
    "at risk": StatusStyle(STATUS_STYLES["at risk"].symbol, "At risk", "risk"),
    "at risk of deactivation": StatusStyle(STATUS_STYLES["at risk"].symbol, "At risk of deactivation", "risk"),
    "deactivated": StatusStyle(STATUS_STYLES["off target"].symbol, "Deactivated", "off"),
    "warned": StatusStyle(STATUS_STYLES["at risk"].symbol, "Warned", "risk"),
    "suspended": StatusStyle(STATUS_STYLES["off target"].symbol, "Suspended", "off"),
    "top rated": StatusStyle(STATUS_STYLES["on target"].symbol, "Top Rated", "on"),
    "above standard": StatusStyle(STATUS_STYLES["on target"].symbol, "Above Standard", "on"),
    "below standard": StatusStyle(STATUS_STYLES["off target"].symbol, "Below Standard", "off"),
}
"""Account state reported by the marketplace -> its style."""


def figure_kind(metric_id: str) -> str:
    """Return the kind of figure of a metric: "rate", "number", "points" or "average".

    >>> figure_kind("late_shipment_rate"), figure_kind("policy_violations")
    ('rate', 'number')
    """
    return FIGURE_KINDS.get(metric_id, "rate")


def format_value(metric_id: str, figure: float) -> str:
    """Format the figure of a metric that is not a rate: open violations, rating points or hours.

    >>> format_value("policy_violations", 2.0), format_value("average_response_time", 9.25)
    ('2', '9.3 hours')
    """
    if figure_kind(metric_id) == "average":
        return f"{float(round_half_up(Fraction(figure), 1)):.1f} hours"
    return format_number(round(figure))


def format_short_value(metric_id: str, figure: float) -> str:
    """Format the figure of a metric that is not a rate for a narrow column ("h" for hours).

    >>> format_short_value("average_response_time", 9.25)
    '9.3 h'
    """
    return format_value(metric_id, figure).replace(" hours", " h")


def format_value_change(metric_id: str, now: float, before: float) -> str:
    """Format the change of a figure that is not a rate, with "better" or "worse".

    An average has no target, so that its change gets no verdict.

    >>> format_value_change("policy_violations", 2, 1), format_value_change("account_health_rating", 228, 240)
    ('+1, worse', '−12, worse')
    >>> format_value_change("average_response_time", 9.0, 9.5), format_value_change("policy_violations", 0, 0)
    ('−0.5', 'no change')
    """
    kind = figure_kind(metric_id)
    change = round_half_up(Fraction(now) - Fraction(before), 1 if kind == "average" else 0)
    if not change:
        return "no change"
    size = f"{float(abs(change)):.1f}" if kind == "average" else format_number(int(abs(change)))
    good = (change > 0) == (kind == "points")
    verdict = "" if kind == "average" else f", {'better' if good else 'worse'}"
    return f"{'+' if change > 0 else MINUS}{size}{verdict}"


def format_value_target(metric_id: str, on_target_from: int | None = None) -> str:
    """Format the target of a metric that is not a rate.

    `on_target_from` is the number of points from which a rating is on target.

    >>> format_value_target("policy_violations"), format_value_target("account_health_rating", 200), format_value_target("average_response_time")
    ('none', 'at least 200', 'no target')
    """  # noqa: E501 - three targets
    if figure_kind(metric_id) == "points" and on_target_from is not None:
        return f"at least {format_number(on_target_from)}"
    return "none" if figure_kind(metric_id) == "number" else "no target"


def format_value_count(metric_id: str, counted: int, maximum: int | None = None) -> str:
    """Return the text for the count column of a metric that is not a rate.

    >>> format_value_count("policy_violations", 1), format_value_count("account_health_rating", 3071, 1000)
    ('open', 'of 1,000')
    >>> format_value_count("average_response_time", 45)
    '45 messages'
    """
    if figure_kind(metric_id) == "points":
        return f"of {format_number(maximum)}" if maximum else "points"
    return "open" if figure_kind(metric_id) == "number" else format_quantity(counted, "message")


def format_value_room(metric_id: str, figure: float, on_target_from: int | None = None) -> str:
    """Format the headroom of a metric that is not a rate: violations to resolve, or points above or below the target.

    `on_target_from` is the number of points from which a rating is on target.

    >>> format_value_room("policy_violations", 2), format_value_room("policy_violations", 0)
    ('2 to resolve', 'none allowed')
    >>> format_value_room("account_health_rating", 228, 200), format_value_room("account_health_rating", 150, 200)
    ('28 points to lose', '50 points too few')
    """
    if figure_kind(metric_id) == "number":
        return f"{format_number(round(figure))} to resolve" if figure else "none allowed"
    if figure_kind(metric_id) == "points" and on_target_from is not None:
        points_above = round(figure) - on_target_from
        return (
            f"{format_quantity(points_above, 'point')} to lose"
            if points_above >= 0
            else f"{format_quantity(-points_above, 'point')} too few"
        )
    return "nothing is asked"


def uncovered_measures_sentence(measures: Iterable[tuple[str, str]], company: str = AMAZON) -> str:
    """Return a sentence on the metrics without imported evidence, and the files that contain it; empty for none.

    Each measure is a metric id and its missing evidence, as assumptions joined by '+'.

    >>> uncovered_measures_sentence([("late_response_rate", "contacts_not_imported"), ("average_response_time", "contacts_not_imported"),
    ...           ("policy_violations", "violations_not_imported")])
    'No file covers late answers and time to answer (a file of buyer messages would), nor policy violations (a violations file or Amazon’s performance report would).'
    >>> uncovered_measures_sentence([("valid_tracking_rate", "")])
    'No file covers Valid Tracking Rate.'
    """  # noqa: E501 - the sentence
    files_by_evidence = AMAZON_EVIDENCE_FILES if company == AMAZON else EVIDENCE_FILES
    labels_by_files: dict[str, list[str]] = {}
    for metric_id, missing in measures:
        names = (one.removesuffix("_not_imported") for one in missing.split("+") if one)
        files = [files_by_evidence.get(name, name) for name in names]
        labels_of_files = labels_by_files.setdefault(join_words(list(dict.fromkeys(files))), [])
        label = lowercase_first(metric_words(metric_id, company).label)
        if label not in labels_of_files:
            labels_of_files.append(label)
    clauses = [
        f"{join_words(labels)} ({files} would)" if files else join_words(labels)
        for files, labels in labels_by_files.items()
    ]
    return f"No file covers {', nor '.join(clauses)}." if clauses else ""


# -- consequences of a measure off target ----------------------------------------------------------------------


def shorten_source(source: str) -> str:
    """Return the source of a rule without the remarks after its first semicolon, colon or full stop.

    >>> shorten_source("Seller Central help, Late Shipment Rate (200285190); the moment of confirmation decides")
    'Seller Central help, Late Shipment Rate (200285190)'
    """
    return re.split(r"[;:]|\. ", " ".join(source.split()))[0].rstrip(".")


def off_target_run_phrase(days: int, at_least: bool = False) -> str:
    """Return a phrase for the number of consecutive days that a measure is off target.

    With `at_least`, the streak may have begun earlier.

    >>> off_target_run_phrase(1), off_target_run_phrase(22), off_target_run_phrase(120, True)
    ('off target for one day', 'off target for 22 days in a row', 'off target for at least 120 days in a row')
    >>> off_target_run_phrase(1, True)
    'off target for at least one day'
    """
    if days == 1:
        return f"off target for {'at least ' if at_least else ''}one day"
    return f"off target for {'at least ' if at_least else ''}{format_number(days)} days in a row"


def consequence_sentence(streak: Any, stages: Sequence[Any], certainty: str) -> str:
    """Return a sentence that quotes the consequence of a streak off target from the rule's source.

    `streak` is a `Streak`, `stages` are the stages of its rule, `certainty` is the label of the source's certainty.
    The sentence quotes the stage reached or, before the first, the next stage with its day. It is empty if the
    source names none. It never claims that the consequence happened.

    >>> from types import SimpleNamespace as Some
    >>> stage = Some(stage="at risk", says="Offers may be deactivated", days=1)
    >>> streak = Some(since=date(2026, 10, 10), days=22, may_be_longer=False, stage=stage, source="Help page; read in 2026")
    >>> consequence_sentence(streak, [], "a third party")
    'Off target for 22 days in a row; the rule’s source says, under “at risk”: Offers may be deactivated. Source: Help page; a third party.'
    >>> streak.stage, later = None, Some(stage="a month off target", says="Risk of demotion", days=31)
    >>> consequence_sentence(streak, [later], "your own standard")
    'Off target for 22 days in a row. From 31 days on, which is 9 November should it stay so, the rule’s source says, under “a month off target”: Risk of demotion. Source: Help page; your own standard.'
    """  # noqa: E501 - the sentences
    next_stage = min(
        (stage for stage in stages if stage.days > streak.days), key=lambda stage: stage.days, default=None
    )
    stage = streak.stage or next_stage
    if streak.since is None or stage is None:
        return ""
    if streak.stage is not None:
        duration = off_target_run_phrase(streak.days, streak.may_be_longer)
        link = ";"
    else:
        duration = off_target_run_phrase(streak.days)
        stage_day = format_long_day(streak.since + timedelta(days=stage.days - 1), streak.since.year)
        link = f". From {stage.days} days on, which is {stage_day} should it stay so,"
    quote = " ".join(stage.says.split()).rstrip(".")
    return (
        f"{capitalise_first(duration)}{link} the rule\N{RIGHT SINGLE QUOTATION MARK}s source says, under "
        f"“{stage.stage}”: {quote}. Source: {shorten_source(streak.source)}; {certainty}."
    )


def streak_sentence(streak: Any, stages: Sequence[Any], certainty: str) -> str:
    """Return a sentence on the days off target in a row and their consequence; empty if on target."""
    if streak.since is None:
        return ""
    return consequence_sentence(streak, stages, certainty) or (
        f"{capitalise_first(off_target_run_phrase(streak.days, streak.may_be_longer))}."
    )


def waiting_orders_sentence(orders: int, late: int, days_ahead: int, as_of: date) -> str:
    """Return a sentence on the number of unconfirmed orders due soon, and how many of them are late already.

    `orders` are due within `days_ahead` days of `as_of`.

    >>> waiting_orders_sentence(7, 2, 2, date(2026, 11, 1)), waiting_orders_sentence(0, 0, 1, date(2026, 11, 1))
    ('7 orders wait on 1 November 2026 and are due within 2 days; 2 of them are late already.', 'No order is known that waits on 1 November 2026 and is due within 1 day.')
    """  # noqa: E501 - two sentences
    span = format_quantity(days_ahead, "day")
    if not orders:
        return f"No order is known that waits on {format_long_day(as_of, 0)} and is due within {span}."
    sentence = f"{format_quantity(orders)} {'waits' if orders == 1 else 'wait'} on {format_long_day(as_of, 0)} and "
    sentence += f"{'is' if orders == 1 else 'are'} due within {span}"
    return (
        f"{sentence}; {format_number(late)} of them {'is' if late == 1 else 'are'} late already."
        if late
        else f"{sentence}."
    )


def missing_ship_by_warning(account: str, orders: int) -> str:
    """Return a warning that unconfirmed orders have no ship-by day, with the files that contain it.

    >>> missing_ship_by_warning("acme", 9)
    '? acme: 9 more orders wait, and no file says by when they must ship; the unshipped-orders report or the orders API does.'
    """  # noqa: E501 - the sentence
    return (
        f"? {account}: {format_quantity(orders, 'more order')} {'waits' if orders == 1 else 'wait'}, and no file "
        "says by when "
        f"{'it' if orders == 1 else 'they'} must ship; the unshipped-orders report or the orders API does."
    )


# -- groups of orders with excess faults -----------------------------------------------------------------------

GROUP_KIND_LABELS = {
    "sku": "product", "asin": "product", "carrier": "carrier", "ship_method": "way of shipping", "country": "place",
    "state": "place", "reason": "reason", "weekday": "weekday",
}  # fmt: skip
"""Kind of a group of orders -> its noun."""


def group_label(kind: str, name: str, product: str = "") -> str:
    """Return the label of a group of orders, such as a product, a carrier or a weekday.

    >>> group_label("sku", "LH-1", "Reading lamp"), group_label("carrier", "UPS"), group_label("weekday", "Monday")
    ('“Reading lamp”', 'Carrier UPS', 'Mondays')
    """
    if kind == "sku":
        return f"“{product or name}”"
    if kind == "weekday":
        return f"{name}s"
    text = name.replace("_", " ") if kind == "reason" else name
    return {"asin": "ASIN {}", "carrier": "Carrier {}", "ship_method": "Shipped as {}", "country": "To {}",
            "state": "To {}", "reason": "Reason: {}"}[kind].format(text)  # fmt: skip


def format_excess(low: float, high: float) -> str:
    """Format an interval of excess orders at fault in whole orders, rounded outwards.

    >>> format_excess(7.48, 27.7), format_excess(0.2, 3.1), format_excess(-4.1, 2.5)
    ('7 to 28', 'up to 4', '−5 to 3')
    """
    least, most = int(low // 1), -int(-high // 1)
    return f"up to {format_number(most)}" if least == 0 < low else f"{format_number(least)} to {format_number(most)}"


def groups_title(names: Sequence[str], first_excess: float, noun: str) -> str:
    """Return a title with the groups of orders that stand out and the excess faults of the first.

    >>> groups_title(["“Reading lamp”"], 14.98, "order")
    '“Reading lamp” stands out: about 15 orders more at fault than at the rate of the rest'
    >>> groups_title(["“Reading lamp”", "Carrier UPS"], 14.98, "order")
    '“Reading lamp” and Carrier UPS stand out; the first has about 15 orders more at fault than at the rate of the rest'
    """
    excess = f"about {format_quantity(max(1, round(first_excess)), noun)} more at fault than at the rate of the rest"
    if len(names) == 1:
        return f"{names[0]} stands out: {excess}"
    return f"{join_words(list(names))} stand out; the first has {excess}"


def group_sentence(name: str, group_counts: str, rest_counts: str, excess_range: str, noun: str) -> str:
    """Return a sentence that compares the faults of one group of orders with those of all other orders.

    >>> group_sentence("“Lamp”", "16 of 276", "5 of 1,365", "7 to 28", "order")
    '“Lamp”: 16 of 276 at fault, of the rest 5 of 1,365; 7 to 28 orders more than at the rate of the rest.'
    """
    return (
        f"{name}: {group_counts} at fault, of the rest {rest_counts}; {excess_range} {noun}s more than at the "
        "rate of the rest."
    )


def no_group_sentence(kinds: Iterable[str]) -> str:
    """Return a sentence that no group of orders stands out, with the kinds of groups that were compared.

    It is empty if no kind has a label.

    >>> no_group_sentence(["cause", "sku", "asin", "carrier", "weekday"]), no_group_sentence(["cause"])
    ('No product, carrier or weekday stands out from chance.', '')
    """
    labels = list(dict.fromkeys(GROUP_KIND_LABELS[kind] for kind in kinds if kind in GROUP_KIND_LABELS))
    if not labels:
        return ""
    listed = f"{', '.join(labels[:-1])} or {labels[-1]}" if len(labels) > 1 else labels[0]
    return f"No {listed} stands out from chance."


GROUPS_CAPTION = (
    "Dot: how many more are at fault than at the rate of the rest; line: where that surely lies (95% for all groups of "
    "one kind together); upright line: the rate of the rest. Filled: stands out."
)


# -- policy violations, rating and account state ---------------------------------------------------------------


def category_label(name: str) -> str:
    """Return the label of a category of policy violations.

    An unknown category is shown by its id, with spaces and a capital.

    >>> category_label("listing_policy_violations"), category_label("drop_shipping")
    ('Listing policy', 'Drop shipping')
    """
    return CATEGORY_LABELS.get(name, capitalise_first(name.replace("_", " ")))


def account_state_style(state: str) -> StatusStyle:
    """Return the symbol, word and colour of the account state that the marketplace reports.

    >>> account_state_style("normal").symbol, account_state_style("under review").word
    ('✓', 'Under review')
    """
    return ACCOUNT_STATE_STYLES.get(
        state, StatusStyle(STATUS_STYLES["no data"].symbol, capitalise_first(state.replace("_", " ")), "none")
    )


def category_note(open_count: int, severity: str, opened_on: date | None, resolved_count: int, resolved_on: date | None,
                year: int) -> str:  # fmt: skip
    """Return the note beside the count of one category of violations: severity, day opened and number resolved.

    `severity` is the worst one and `opened_on` the oldest day of the `open_count` open violations.

    >>> category_note(1, "medium", date(2026, 10, 20), 0, None, 2026), category_note(0, "", None, 1, date(2026, 10, 12), 2026)
    ('medium, opened 20 Oct', '1 resolved 12 Oct')
    >>> category_note(3, "high", date(2026, 9, 2), 0, None, 2026), category_note(2, "", None, 0, None, 2026)
    ('worst high, oldest opened 2 Sep', '')
    """  # noqa: E501 - two categories
    parts = []
    if severity:
        parts.append(severity if open_count == 1 else f"worst {severity}")
    if opened_on is not None:
        parts.append(f"{'' if open_count == 1 else 'oldest '}opened {format_day(opened_on, year)}")
    if resolved_count and resolved_on is not None:
        by = "" if resolved_count == 1 else "by "
        parts.append(f"{format_number(resolved_count)} resolved {by}{format_day(resolved_on, year)}")
    return ", ".join(parts)


def account_title(
    open_count: int | None, rating: float | None, rating_before: float | None, estimated: bool, company: str = AMAZON
) -> str:
    """Return the title of the account section: the number of open violations and the rating.

    A value that is None is left out.

    >>> account_title(0, 316, 304, False), account_title(2, 252, None, True)
    ('No policy violation is open; the rating rose to 316', '2 policy violations are open; the rating is estimated at 252')
    >>> account_title(1, None, None, False), account_title(None, 240, 240, False)
    ('1 policy violation is open', 'The rating is 240')
    """  # noqa: E501 - two titles
    clauses = []
    if open_count is not None:
        number = format_number(open_count) if open_count else "No"
        clauses.append(f"{number} policy violation{' is' if open_count <= 1 else 's are'} open")
    if rating is not None:
        points = format_number(round(rating))
        verb = (
            "is"
            if rating_before is None or round(rating_before) == round(rating)
            else "rose to"
            if rating > rating_before
            else "fell to"
        )
        clauses.append(f"the rating is estimated at {points}" if estimated else f"the rating {verb} {points}")
    return capitalise_first("; ".join(clauses)) or f"What {company} says of the account"


def rating_title(points: float, on_target_from: int, maximum: int) -> str:
    """Return the title of the rating chart: the Account Health Rating and its distance from the target line.

    `on_target_from` and `maximum` are in points.

    >>> rating_title(316, 200, 1000), rating_title(150, 200, 1000)
    ('Account Health Rating: 316 of 1,000, 116 above the line', 'Account Health Rating: 150 of 1,000, 50 below the line')
    """  # noqa: E501 - two titles
    points_above = round(points) - on_target_from
    distance = (
        f"{format_number(points_above)} above the line"
        if points_above > 0
        else f"{format_number(-points_above)} below the line"
        if points_above
        else "on the line"
    )
    return f"Account Health Rating: {format_number(round(points))} of {format_number(maximum)}, {distance}"


def rating_caption(
    reported_on: date | None, year: int, start: int, gain: int, per_orders: int, company: str = AMAZON
) -> str:
    """Return a caption with the source of a rating: the marketplace's report, or an estimate.

    `reported_on` is None for an estimate, which begins with `start` points and adds `gain` points for every
    `per_orders` orders.

    >>> rating_caption(date(2026, 10, 31), 2026, 200, 4, 200)
    'Amazon’s own number, as it reported on 31 October.'
    >>> rating_caption(None, 2026, 200, 4, 200)
    '≈ estimated: 200 + 4 per 200 orders − points of open violations; how many points a violation takes is not published by Amazon.'
    """  # noqa: E501 - the sentence
    if reported_on is not None:
        return f"{possessive(company)} own number, as it reported on {format_long_day(reported_on, year)}."
    return (
        f"≈ estimated: {format_number(start)} + {format_number(gain)} per {format_number(per_orders)} orders "
        f"{MINUS} points of open "
        f"violations; how many points a violation takes is not published by {company}."
    )


def rating_bands(on_target_from: int, off_target_under: int) -> list[tuple[str, str]]:
    """Return the parts of the rating scale, each as a status and a label with its range of points.

    >>> rating_bands(200, 100)[1]
    ('at risk', '100 to 199: at risk')
    """
    return [
        ("off target", f"below {format_number(off_target_under)}: account may be deactivated"),
        ("at risk", f"{format_number(off_target_under)} to {format_number(on_target_from - 1)}: at risk"),
        ("on target", f"{format_number(on_target_from)} or more: on target"),
    ]


def resolve_violations_sentence(open_count: int, oldest: str) -> tuple[str, str]:
    """Return a sentence on where to start with open policy violations: its bold part and the rest.

    `oldest` describes the oldest violation with a date; it may be empty.

    >>> "".join(resolve_violations_sentence(2, "listing policy, opened 20 October"))
    'Resolve the open policy violations: the oldest that a file dates is listing policy, opened 20 October.'
    >>> "".join(resolve_violations_sentence(1, ""))
    'Resolve the open policy violation: it does not leave by waiting.'
    """
    bold_part = f"Resolve the open policy violation{'' if open_count == 1 else 's'}"
    if not oldest:
        return bold_part, f": {'it does' if open_count == 1 else 'they do'} not leave by waiting."
    return bold_part, f": the oldest that a file dates is {oldest}." if open_count > 1 else f": {oldest}."


# -- buyer messages --------------------------------------------------------------------------------------------


def contacts_title(late: int, waiting: int, counted: int, window: int) -> str:
    """Return the title of the section on buyer messages: how many were not answered in time.

    Of the `counted` messages of a window of days, `late` were answered late and `waiting` have no answer.

    >>> contacts_title(4, 2, 46, 30), contacts_title(0, 0, 46, 30)
    ('6 of the 46 messages of 30 days were not answered in time; 2 still wait', 'All 46 messages of 30 days were answered in time')
    """  # noqa: E501 - two titles
    if not late + waiting:
        return f"All {format_number(counted)} messages of {window} days were answered in time"
    verb = "was" if late + waiting == 1 else "were"
    waiting_clause = f"; {format_number(waiting)} still {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    return (
        f"{format_number(late + waiting)} of the {format_number(counted)} messages of {window} days {verb} not "
        f"answered in time{waiting_clause}"
    )


def in_time_column_head(hours: int) -> str:
    """Return the heading of the column with the messages answered within a number of hours.

    >>> in_time_column_head(24)
    'Answered within 24 hours'
    """
    return f"Answered within {hours} hours"
