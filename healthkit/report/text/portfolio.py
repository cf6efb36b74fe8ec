"""Sentences of the index page of many accounts: accounts off target, which to open first, failed runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape

from healthkit.report.text import account as account_text
from healthkit.report.text.figures import format_day as short_day
from healthkit.report.text.figures import format_headroom, format_long_day, format_month, format_quantity, spell_number
from healthkit.report.text.labels import Strong, capitalise_first, join_words
from healthkit.report.text.reasons import unjudged_measures_clause
from healthkit.report.text.sentences import (
    MeasureStanding,
    Sentence,
    figure_clause,
    figure_source_suffix,
    headroom_phrase,
    standing_phrase,
)


def accounts_off_target_sentence(
    off: int, risk: int, unjudged: int, on_target: int, failed: int, ended: int = 0
) -> Sentence:
    """Return the first sentence of the index page: the number of accounts in each status.

    `failed` runs have no page, nor have the `ended` accounts whose files end before the period of the index.

    >>> "".join(accounts_off_target_sentence(3, 4, 0, 13, 2))
    'Three accounts are off target and four are at risk. Two more have no report: their runs failed.'
    >>> "".join(accounts_off_target_sentence(1, 0, 0, 0, 0, 2))
    'One account is off target. Two more cannot be judged: their files end earlier.'
    >>> "".join(accounts_off_target_sentence(3, 0, 2, 13, 0))
    'Three accounts are off target; two cannot be judged.'
    >>> "".join(accounts_off_target_sentence(0, 0, 0, 1, 0)), "".join(accounts_off_target_sentence(0, 0, 1, 2, 0))
    ('No account is off target: one is on target.', 'No account is known to be off target: two are on target, one cannot be judged.')
    """  # noqa: E501 - the sentences

    def count_phrase(n: int) -> str:
        return f"{spell_number(n)} {'is' if n == 1 else 'are'}"

    unjudged_clause = f"{spell_number(unjudged)} cannot be judged" if unjudged else ""
    if off:
        noun = "account is" if off == 1 else "accounts are"
        head = Strong(f"{capitalise_first(spell_number(off))} {noun} off target")
        rest = f" and {count_phrase(risk)} at risk" if risk else ""
        parts: Sentence = (head, f"{rest}; {unjudged_clause}." if unjudged_clause else f"{rest}.")
    else:
        states = [f"{count_phrase(n)} {word}" for n, word in ((risk, "at risk"), (on_target, "on target")) if n][
            : 2 if unjudged_clause else 1
        ]
        rest = ", ".join([*states, *([unjudged_clause] if unjudged_clause else [])]) or "none can be judged yet"
        parts = (Strong(f"No account is {'known to be ' if unjudged or ended else ''}off target"), f": {rest}.")
    if failed:
        single = failed == 1
        parts += (f" {capitalise_first(spell_number(failed))} more {'has' if single else 'have'} no report: "
                  f"{'its run' if single else 'their runs'} failed.",)  # fmt: skip
    if ended:
        whose = "its" if ended == 1 else "their"
        parts += (f" {capitalise_first(spell_number(ended))} more cannot be judged: {whose} files end earlier.",)
    return parts


def unjudged_accounts_sentence(account: str, accounts: int, failed: int) -> Sentence:
    """Return the third sentence of the index page if the worst known status is that accounts cannot be judged.

    `account` is the first of the `accounts` that cannot be judged; `failed` is the number of failed runs.

    >>> "".join(unjudged_accounts_sentence("harbor", 2, 0))
    'Open harbor: its page says which files are missing, and where to get them. One more cannot be judged.'
    """
    others = accounts - 1  # No noun: it may be the same account in another marketplace.
    more = f" {capitalise_first(spell_number(others))} more cannot be judged." if others else ""
    rerun = f" Then run the {spell_number(failed)} failed reports again." if failed > 1 else (
        " Then run the failed report again." if failed else ""
    )  # fmt: skip
    return (Strong(f"Open {account}"), f": its page says which files are missing, and where to get them.{more}{rerun}")


def as_of_note(day: date) -> str:
    """Return a note that an account's files end before the day of the index page.

    >>> as_of_note(date(2026, 11, 29))
    'as of 29 Nov, where its files end'
    """
    return f"as of {short_day(day)}, where its files end"


def unjudged_measures_note(measures: int, files: Sequence[str] = ()) -> str:
    """Return a note with the number of enforced measures without a verdict and the missing files; empty for none.

    >>> unjudged_measures_note(1), unjudged_measures_note(3, ["order report", "all-orders file"])
    ('one enforced measure cannot be judged', 'three enforced measures cannot be judged; missing: order report, all-orders file')
    >>> unjudged_measures_note(2, ["a", "b", "c", "d"]), unjudged_measures_note(0)
    ('two enforced measures cannot be judged; missing: a, b and 2 more', '')
    """  # noqa: E501 - the lines
    if not measures:
        return ""
    note = f"{spell_number(measures)} enforced {'measure' if measures == 1 else 'measures'} cannot be judged"
    return f"{note}; missing: {shorten_file_list(files)}" if files else note


def shorten_file_list(files: Sequence[str]) -> str:
    """Return a list of file titles; of more than three, the first two and the number of others.

    >>> shorten_file_list(["a", "b", "c"]), shorten_file_list(["a", "b", "c", "d"])
    ('a, b, c', 'a, b and 2 more')
    """
    return ", ".join(files) if len(files) <= 3 else f"{', '.join(files[:2])} and {len(files) - 2} more"


def missing_files_sentence(measures: Sequence[str], files: Sequence[str]) -> str:
    """Return which measures cannot be judged and which files are missing, as sentences of a summary.

    >>> missing_files_sentence(["Late Shipment Rate", "Valid Tracking Rate"], ["order report"])
    'Late Shipment Rate and Valid Tracking Rate cannot be judged. Missing files: order report.'
    """
    text = f"{capitalise_first(unjudged_measures_clause(measures, 12))}."
    return f"{text} Missing files: {', '.join(files)}." if files else text


def furthest_account_sentence(account: str, standing: MeasureStanding, likely: str = "") -> Sentence:
    """Return the second sentence of the index page: the account furthest past its limit, and its measure.

    `likely` says when it is back (see `outlook.likely_return_phrase`); "" if no future was simulated.

    >>> "".join(furthest_account_sentence("Harbor", MeasureStanding("order_defect_rate", 2498, 31, "below", 0.01, -7)))
    'Harbor is furthest past its limit: Order Defect Rate is at 1.24% (limit 1%), 7 orders too many.'
    """
    noun = standing.words.noun
    excess = (
        f", {format_quantity(-standing.headroom, noun)} too many" if standing.headroom and standing.headroom < 0 else ""
    )
    verb = "They are" if standing.words.is_plural else "It is"
    after = f" {verb} {likely}." if likely else ""
    return (Strong(account), f" is furthest past its limit: {figure_clause(standing)}{excess}.{after}")


def nearest_account_sentence(account: str, standing: MeasureStanding) -> Sentence:
    """Return the second sentence of the index page if no account is off target: the one nearest to its limit.

    >>> "".join(nearest_account_sentence("Harbor", MeasureStanding("cancellation_rate", 297, 6, "below", 0.025, 1)))
    'Harbor is nearest to its limit: Pre-fulfilment Cancellation Rate is at 2.0% (limit 2.5%), with 1 more order to go.'
    """
    headroom = format_headroom(standing.headroom, standing.words.noun)
    figure = figure_clause(standing._replace(figure_source=""))
    return (
        Strong(account),
        f" is nearest to its limit: {figure}, with {headroom}{' to go' if standing.headroom else ''}.",
    )


def first_account_sentence(sentence: str, account: str, failed: int) -> Sentence:
    """Return the third sentence of the index page: the account to open first, and the failed runs to repeat.

    `sentence` says what the orders at fault of that account share.

    >>> "".join(first_account_sentence("13 of the 31 orders at fault are for “Tent”", "Harbor", 2))
    'Open Harbor: 13 of the 31 orders at fault are for “Tent”. Then run the two failed reports again.'
    >>> "".join(first_account_sentence("", "", 0))
    'Nothing: there is no order at fault to look at.'
    """
    rerun = {0: "", 1: "the failed report again"}.get(failed, f"the {spell_number(failed)} failed reports again")
    if not account and not failed:
        return (Strong("Nothing"), ": there is no order at fault to look at.")
    if not account:
        return (Strong(f"Run {rerun}"), ".")
    tail = f" Then run {rerun}." if rerun else ""
    return (Strong(f"Open {account}"), f": {sentence}.{tail}" if sentence else f".{tail}")


def orders_link_label(orders: int, noun: str = "order") -> str:
    """Return the label of the link to the CSV file of all orders at fault.

    >>> orders_link_label(31), orders_link_label(1)
    ('All 31 orders as CSV', 'This order as CSV')
    """
    return f"This {noun} as CSV" if orders == 1 else f"All {format_quantity(orders, noun)} as CSV"


def period_name(period: str, last: date) -> str:
    """Return the month or the week of an index in a heading. `period` is a month or a day, `last` its last day.

    >>> period_name("2026-10", date(2026, 10, 31)), period_name("2026-10-14", date(2026, 10, 14))
    ('October 2026', 'the week to 14 October 2026')
    """
    return f"the week to {format_long_day(last, 0)}" if period == last.isoformat() else format_month(last)


WORKBOOK_LINK_LABEL = "as XLSX"
"""Label of the link to the same orders as a workbook, behind that of `orders_link_label`."""


def failed_runs_title(failed: int, month_name: str) -> str:
    """Return the heading of the list of failed runs, with their number and month.

    >>> failed_runs_title(2, "October 2026")
    'Two runs failed; these accounts have no figures for October 2026'
    """
    subject = (
        "One run failed; this account has"
        if failed == 1
        else f"{capitalise_first(spell_number(failed))} runs failed; these accounts have"
    )
    return f"{subject} no figures for {month_name}"


def split_steps(text: str) -> tuple[list[str], str]:
    """Return the numbered steps of a text, a step a line, without their numbers, and the rest of the text.

    >>> split_steps("1. Ship 7 orders.\\n2. Answer.\\nAnd 3 more."), split_steps("On target.")
    ((['Ship 7 orders.', 'Answer.'], 'And 3 more.'), ([], 'On target.'))
    """
    steps: list[str] = []
    lines = text.split("\n")
    while len(steps) < len(lines) and lines[len(steps)].startswith(f"{len(steps) + 1}. "):
        steps.append(lines[len(steps)].partition(". ")[2])
    return steps, "\n".join(lines[len(steps) :])


def _text_answer(question: str, answer: str) -> str:
    """Return a question and its answer as lines of a text; steps stand one below the other."""
    steps, _ = split_steps(answer)
    return f"  {question}:\n    {answer.replace(chr(10), chr(10) + '    ')}" if steps else f"  {question}: {answer}"


def _html_answer(question: str, answer: str) -> str:
    """Return a question and its answer as HTML; steps are a list."""
    steps, rest = split_steps(answer)
    if not steps:
        return f"<p><b>{escape(question)}:</b> {escape(answer)}</p>"
    items = "".join(f"<li>{escape(step)}</li>" for step in steps)
    return f"<p><b>{escape(question)}:</b></p>\n<ol>{items}</ol>" + (f"\n<p>{escape(rest)}</p>" if rest else "")


def email_summary(verdicts: Mapping[str, Sequence[Sequence[str]]], html: bool = False, first: str = "") -> str:
    r"""Return the verdicts of several accounts as text or HTML for an e-mail.

    `verdicts` maps an account to its pairs of question and answer. `first` is a line on the account to open first,
    which stands above them. Numbered steps, a step a line, are a list.

    >>> print(email_summary({"harbor": [["What is wrong", "Late Shipment Rate is off target."]]}))
    harbor
      What is wrong: Late Shipment Rate is off target.
    >>> email_summary({"<b>": [["What is wrong", "1 < 2"]]}, html=True)
    '<h3>&lt;b&gt;</h3>\n<p><b>What is wrong:</b> 1 &lt; 2</p>'
    """
    if first:
        head = f"<p>{escape(first)}</p>\n" if html else f"{first}\n\n"
        return head + email_summary(verdicts, html)
    if html:
        return "\n".join(
            f"<h3>{escape(account)}</h3>\n"
            + "\n".join(_html_answer(question, answer) for question, answer in sentences)
            for account, sentences in verdicts.items()
        )
    return "\n\n".join(
        "\n".join([account, *(_text_answer(question, answer) for question, answer in sentences)])
        for account, sentences in verdicts.items()
    )


def alert_line(standing: MeasureStanding, account: str, marketplace: str, status: str) -> str:
    """Return one line on a measure that is off target or at risk: its account, rate, limit and headroom.

    >>> late = MeasureStanding("late_shipment_rate", 670, 64, "below", 0.04, -38, window=30)
    >>> alert_line(late, "harbor", "US", "off target")
    'off target  harbor (US): Late Shipment Rate over 30 days at 9.6% (limit 4%), 38 orders too many'
    >>> alert_line(late._replace(figure_source="Amazon’s own figure of 27 November"), "harbor", "US", "off target")
    'off target  harbor (US): Late Shipment Rate over 30 days at 9.6% (limit 4%), 38 orders too many, by Amazon’s own figure of 27 November'
    """  # noqa: E501 - the lines
    source_suffix = f",{figure_source_suffix(standing)}" if standing.figure_source else ""
    measure = standing_phrase(standing)
    if standing.value is not None:
        figure = account_text.format_short_value(standing.metric, standing.value)
        return f"{status}  {account} ({marketplace}): {measure}: {figure}{source_suffix}"
    line = f"{status}  {account} ({marketplace}): {measure} {standing.rate_and_limit}"
    return line + ("" if standing.headroom is None else f", {headroom_phrase(standing)}") + source_suffix


def unjudged_alert_line(standing: MeasureStanding, account: str, marketplace: str, reason: str) -> str:
    """Return one line on an enforced measure that cannot be judged, with the reason.

    >>> late = MeasureStanding("late_shipment_rate", 0, 0, "below", 0.04, None, window=30)
    >>> unjudged_alert_line(late, "harbor", "US", "130 orders, but no file says when they were confirmed")
    'cannot be judged  harbor (US): Late Shipment Rate over 30 days: 130 orders, but no file says when they were confirmed'
    """  # noqa: E501 - the line
    rate = (
        f" at {standing.formatted_rate} ({standing.formatted_limit})"
        if standing.counted and standing.value is None
        else ""
    )
    return f"cannot be judged  {account} ({marketplace}): {standing_phrase(standing)}{rate}: {reason}"


def not_covered_line(account: str, marketplace: str, names: Sequence[str]) -> str:
    """Return one line on the measures of an account that no rule enforces and no file covers.

    >>> not_covered_line("harbor", "US", ["late answers", "service dissatisfaction"])
    'not covered  harbor (US): no file covers late answers and service dissatisfaction; no consequence is known'
    """
    return f"not covered  {account} ({marketplace}): no file covers {join_words(names)}; no consequence is known"


def files_end_line(account: str, marketplace: str, known_until: date, month_end: date) -> str:
    """Return one line that an account's files end before the requested day.

    >>> files_end_line("harbor", "US", date(2026, 11, 26), date(2026, 11, 30))
    'files end  harbor (US): judged as of 26 Nov, the last day that its files cover, not 30 Nov'
    """
    return (
        f"files end  {account} ({marketplace}): judged as of {short_day(known_until)}, the last day that its files "
        f"cover, not {short_day(month_end)}"
    )


def no_verdict_line(account: str, marketplace: str) -> str:
    """Return the line of `check` for an account of which no measure can be judged.

    >>> no_verdict_line("shop", "ETSY")
    'cannot be judged  shop (ETSY): no measure can be judged; `doctor --account shop` names the files to import'
    """
    return (
        f"cannot be judged  {account} ({marketplace}): no measure can be judged; `doctor --account {account}` "
        "names the files to import"
    )


def no_data_line(account: str, marketplace: str, last: date, kind: str = "month") -> str:
    """Return one line that an account's files end before the month or week begins.

    >>> no_data_line("harbor", "US", date(2026, 9, 12))
    'cannot be judged  harbor (US): its files end on 12 Sep, and nothing is known of the month; import newer ones'
    """
    return (
        f"cannot be judged  {account} ({marketplace}): its files end on {short_day(last)}, and nothing is known of "
        f"the {kind}; import newer ones"
    )
