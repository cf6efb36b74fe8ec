"""Texts that only the notebook panels show: selections, legends and the ranking of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from healthkit.report.text.figures import format_day, format_long_day, format_number, format_quantity
from healthkit.report.text.labels import Strong, capitalise_first, causes_phrase, possessive
from healthkit.report.text.sentences import MeasureStanding, Sentence, format_share_used
from healthkit.schema.marketplaces import AMAZON

ANY_STATUS = "any status"
OUTLOOKS_LEGEND = "Grey: as it is. Bold: what if. Both dashed: if nothing new goes wrong."
WITHOUT_SALES_NOTE = "This is the best case without sales: nothing new goes wrong, and no order comes."
EXPECTED_HARM = "expected harm"
SIDE_BY_SIDE_NOTE = (
    Strong("One small chart for each window: "),
    "a single chart shows up to six. Each has its own scale; the dashed line is the target.",
)
NO_SIMULATION_NOTE = "Ranked by status and by the share of the limit used; no look ahead was asked for."


def picked_orders_title(listed: int, total: int, days: str) -> str:
    """Return the title of the table of orders at fault on the days selected in a chart.

    >>> picked_orders_title(31, 31, "5 to 9 October 2026"), picked_orders_title(200, 310, "5 October 2026")
    ('31 orders at fault on 5 to 9 October 2026', '200 of 310 orders at fault on 5 October 2026')
    >>> picked_orders_title(0, 0, "5 October 2026")
    'No order is at fault on 5 October 2026'
    """
    if not total:
        return f"No order is at fault on {days}"
    start = f"{format_number(listed)} of " if listed < total else ""
    return f"{start}{format_quantity(total)} at fault on {days}"


def not_a_window_error(text: str, longest: int) -> str:
    """Return the message on a text that is no window.

    >>> not_a_window_error("week", 365)
    "'week' is not a window; write numbers of days from 1 to 365, such as 7, 14, 90."
    """
    return f"{text!r} is not a window; write numbers of days from 1 to {longest}, such as 7, 14, 90."


def too_many_windows_error(count: int, most: int) -> str:
    """Return the message on more windows than a panel compares.

    >>> too_many_windows_error(30, 24)
    '30 windows are too many for one panel; write up to 24.'
    """
    return f"{count} windows are too many for one panel; write up to {most}."


def compared_windows_sentence(day: date, rates: Sequence[tuple[int, str]]) -> Sentence:
    """Return the rates over several windows on a day; `rates` are pairs of a window and its rate, "" without one.

    >>> "".join(compared_windows_sentence(date(2026, 10, 31), [(7, "5.1%"), (30, "4.4%"), (365, "")]))
    'On 31 October 2026: 7 days 5.1%, 30 days 4.4%, 365 days no rate.'
    """
    pairs = ", ".join(f"{format_quantity(window, 'day')} {rate or 'no rate'}" for window, rate in rates)
    return (Strong(f"On {format_long_day(day, 0)}: "), f"{pairs}.")


def diamonds_legend(window: int) -> Sentence:
    """Return the legend of the diamonds, which are the marketplace's own figures in a chart.

    >>> "".join(diamonds_legend(60))
    "Diamonds: the marketplace's own figures, over 60 days, from the day of each report until its next."
    """
    return (
        Strong("Diamonds:"),
        f" the marketplace's own figures, over {window} days, from the day of each report until its next.",
    )


def on_target_title(standing: MeasureStanding) -> str:
    """Return the title of the chart of a rate that is on target: the rate and the used share of its target.

    >>> on_target_title(MeasureStanding("order_defect_rate", 1334, 4, "below", 0.01, 9, share_used=0.2999))
    'On target at 0.30%: 30% of what the target allows is used up'
    """
    return f"On target at {standing.formatted_rate}: {format_share_used(standing)} of what the target allows is used up"


CLEARED_LABEL = "No longer at fault, from the first day on:"
NO_PRODUCT = "no product"


def no_target_error(label: str) -> str:
    """Return the message on a measure that has no target.

    >>> no_target_error("refunds")
    'Refunds: no target, so there is no day on which it is back. Choose another measure.'
    """
    return f"{capitalise_first(label)}: no target, so there is no day on which it is back. Choose another measure."


def nothing_counts_error(account: str, as_of: date, ends_on: date) -> str:
    """Return the message on a measure of which nothing counts on a day; `ends_on` is the last day that files cover.

    >>> nothing_counts_error("harbor", date(2026, 10, 31), date(2026, 9, 10))
    'harbor has nothing to count here: its files end on 10 September 2026. Choose a day by then, another measure or window, or import newer files.'
    >>> nothing_counts_error("harbor", date(2026, 9, 10), date(2026, 9, 10))
    'harbor has nothing to count here. Choose another measure, window or day.'
    """  # noqa: E501 - an example
    if ends_on >= as_of:
        return f"{account} has nothing to count here. Choose another measure, window or day."
    return (
        f"{account} has nothing to count here: its files end on {format_long_day(ends_on, 0)}. Choose a day by then, "
        "another measure or window, or import newer files."
    )


def no_orders_note(account: str, marketplace: str, company: str = AMAZON) -> str:
    """Return that the files have no orders of an account, and where what is known of it stands.

    >>> no_orders_note("harbor", "US")
    'No file has orders of harbor (US): only Amazon’s own figures are known. Its monthly report shows them, and which files to bring.'
    """  # noqa: E501 - the note
    return (
        f"No file has orders of {account} ({marketplace}): only {possessive(company)} own figures are known. Its "
        "monthly report shows them, and which files to bring."
    )


def tick_label(order_id: str, causes: str, leaves_on: date, year: int) -> str:
    """Return the label of a box that marks an order as no longer at fault.

    >>> tick_label("111-2163703-9247454", "a_to_z_claim", date(2026, 11, 22), 2026)
    '111-2163703-9247454: A-to-z Guarantee claim, leaves on 22 Nov'
    """
    return f"{order_id}: {causes_phrase(causes)}, leaves on {format_day(leaves_on, year)}"


def needed_phrase(percent: int | None, orders: int) -> str:
    """Return by how much one cause must be reduced to meet the target today, in percent and orders.

    `percent` is None if no reduction of this cause is enough.

    >>> needed_phrase(42, 7), needed_phrase(None, 0), needed_phrase(0, 0)
    ('Needed: 42% (7 orders)', 'Not enough alone', 'Not needed')
    """
    if percent is None:
        return "Not enough alone"
    return f"Needed: {percent}% ({format_quantity(orders)})" if percent else "Not needed"


def format_expected_harm(orders: float) -> str:
    """Format a number of orders at risk, such as '12 orders' or 'under 1 order'.

    >>> format_expected_harm(0.2), format_expected_harm(12.4), format_expected_harm(1840.0)
    ('under 1 order', '12 orders', '1,840 orders')
    """
    return "under 1 order" if orders < 1 else format_quantity(round(orders))


def ranking_title(off: int, risk: int, accounts: int, first: str) -> str:
    """Return the title of the ranking: how many accounts are off target and at risk, and the first one.

    >>> ranking_title(3, 1, 8, "harbor")
    '3 of 8 accounts are off target and 1 at risk. Begin with harbor.'
    >>> ranking_title(0, 0, 1, "")
    '0 of 1 account are off target and 0 at risk.'
    """
    first_step = f" Begin with {first}." if first else ""
    return (
        f"{format_number(off)} of {format_quantity(accounts, 'account')} are off target and {format_number(risk)} "
        f"at risk.{first_step}"
    )


def side_by_side_title(measure_label: str, off: int, charts_drawn: int) -> str:
    """Return the title of small charts of one measure: in how many accounts it is off target.

    >>> side_by_side_title("Late Shipment Rate over 30 days", 2, 8), side_by_side_title("Late Shipment Rate", 1, 1)
    ('Late Shipment Rate over 30 days: 2 are off target, of 8 drawn', 'Late Shipment Rate: off target')
    >>> side_by_side_title("Late Shipment Rate", 0, 0)
    'Late Shipment Rate: no account drawn has a rate'
    """
    if not charts_drawn:
        return f"{measure_label}: no account drawn has a rate"
    if charts_drawn == 1:
        return f"{measure_label}: {'off target' if off else 'not off target'}"
    off_target_count = "1 is" if off == 1 else f"{format_number(off)} are" if off else "none is"
    return f"{measure_label}: {off_target_count} off target, of {format_number(charts_drawn)} drawn"


def accounts_without_chart_note(names: list[str]) -> str:
    """Return a note that lists the accounts without a chart.

    >>> accounts_without_chart_note(["harbor"])
    'No rate in the last 60 days: harbor.'
    """
    return f"No rate in the last 60 days: {', '.join(names)}."
