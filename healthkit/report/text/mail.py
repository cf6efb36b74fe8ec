"""Texts of the summaries and mails of reports: subject, body, what to open, and what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from healthkit.report.text.figures import format_long_day
from healthkit.report.text.labels import join_words
from healthkit.report.text.portfolio import email_summary


@dataclass(frozen=True)
class Summary:
    """The verdict of one page in short: pairs of heading and sentence, as of a day, and the status of the account.

    `period_ends` is the last day of the month or week; the files may end before it. Numbered steps are a line each.
    """

    account: str
    marketplace: str
    marketplace_title: str
    as_of: date
    status: str
    lines: tuple[tuple[str, str], ...]
    period_ends: date | None = None

    @property
    def heading(self) -> str:
        """The marketplace and the day."""
        return f"{self.marketplace_title}, as displayed on {format_long_day(self.as_of, 0)}"

    @property
    def ends_early(self) -> bool:
        """Whether the files end before the month or week does."""
        return self.period_ends is not None and self.as_of < self.period_ends

    @property
    def note(self) -> str:
        """From which day figures and days ahead are; the reader may see them later, and some days may have passed.

        >>> Summary("harbor", "US", "Amazon US", date(2026, 10, 18), "on target", (), date(2026, 10, 31)).note
        'The files end on 18 October 2026: all figures are as of that day. Days ahead are counted from it too; no file covers those that have passed since.'
        """  # noqa: E501 - the sentence
        day = format_long_day(self.as_of, 0)
        if self.ends_early:
            return (
                f"The files end on {day}: all figures are as of that day. Days ahead are counted from it too; "
                "no file covers those that have passed since."
            )
        return f"Days ahead are counted from {day}."

    @property
    def noted_lines(self) -> tuple[tuple[str, str], ...]:
        """The lines with the note: before them if the files end early, else behind them."""
        if self.ends_early:
            return (("As of", self.note), *self.lines)
        return (*self.lines, ("Days ahead", f"counted from {format_long_day(self.as_of, 0)}."))


def summary_text(summaries: Sequence[Summary], html: bool = False, first: str = "") -> str:
    """Return summaries one below the other, as text or HTML; each names its account and marketplace.

    `first` is a line on the account to open first.

    >>> lines = (("What is wrong", "Late Shipment Rate is off target."),)
    >>> print(summary_text([Summary("harbor", "US", "Amazon US", date(2026, 10, 31), "off target", lines)]))
    harbor (US)
      What is wrong: Late Shipment Rate is off target.
      Days ahead: counted from 31 October 2026.
    """
    return email_summary({f"{one.account} ({one.marketplace})": one.noted_lines for one in summaries}, html, first)


def subject(name: str, period: str) -> str:
    """Return the subject of a mail.

    >>> subject("Harbor", "October 2026")
    'Account health of Harbor, October 2026'
    """
    return f"Account health of {name}, {period}"


def how_to_open(package: str, pages: Sequence[str], link: str = "") -> str:
    """Return how to open a report: the package, attached or linked, and the pages in it.

    >>> how_to_open("harbor.zip", ["harbor_us.html"])
    'The attached file harbor.zip holds the report. Unpack it, then open harbor_us.html in a browser; it needs no network.'
    >>> how_to_open("harbor.zip", ["harbor_us.html", "harbor_ca.html"], "https://share.example/harbor.zip")
    'The report is too large for a mail: https://share.example/harbor.zip. Unpack it, then open harbor_us.html and harbor_ca.html in a browser; it needs no network.'
    """  # noqa: E501 - the sentences
    where = f"The report is too large for a mail: {link}." if link else f"The attached file {package} holds the report."
    return f"{where} Unpack it, then open {join_words(list(pages))} in a browser; it needs no network."


def body(name: str, period: str, summaries: Sequence[Summary], closing: str) -> str:
    """Return the text of a mail: the summary of each marketplace, and how to open the report."""
    parts = [subject(name, period)]
    for one in summaries:
        lines = (f"{heading}\n{sentence}" for heading, sentence in one.lines)
        parts.append("\n\n".join([f"{one.heading}\n{one.note}", *lines]))
    return "\n\n\n".join([*parts, closing]) + "\n"


def too_large_sentence(account: str, size: int) -> str:
    """Return the problem that a package is too large to be attached. `size` in bytes.

    >>> too_large_sentence("harbor", 30 * 1024 * 1024)
    'harbor has no mail: its package of 30 MiB is too large to attach. Set mail.link in accounts.yaml to where you put packages, or leave out --pdf.'
    """  # noqa: E501 - the sentence
    return (
        f"{account} has no mail: its package of {size / 1024 / 1024:.0f} MiB is too large to attach. Set mail.link in "
        "accounts.yaml to where you put packages, or leave out --pdf."
    )


def no_address_sentence(account: str) -> str:
    """Return the note that a mail has no addressee.

    >>> no_address_sentence("harbor")
    'The mail of harbor has no addressee: add email under its name in accounts.yaml.'
    """
    return f"The mail of {account} has no addressee: add email under its name in accounts.yaml."


def sent_sentence(account: str, addresses: Sequence[str]) -> str:
    """Return that a mail was sent.

    >>> sent_sentence("harbor", ["a@harbor.example", "b@harbor.example"])
    'Sent: harbor to a@harbor.example and b@harbor.example.'
    """
    return f"Sent: {account} to {join_words(list(addresses))}."


def sent_before_sentence(account: str, address: str, on: str, is_known: bool, resend: bool) -> str:
    """Return that an address got the same report before, or may have, and whether it gets it again.

    >>> sent_before_sentence("harbor", "a@harbor.example", "2026-11-01", True, False)
    'Not sent: harbor to a@harbor.example, because the same report was sent on 2026-11-01. Add --resend to send it again.'
    >>> sent_before_sentence("harbor", "a@harbor.example", "2026-11-01", False, True)
    'Sent again: harbor to a@harbor.example; the same report may have been sent on 2026-11-01, when the connection broke.'
    """  # noqa: E501 - the sentences
    before = f"was sent on {on}" if is_known else f"may have been sent on {on}, when the connection broke"
    if resend:
        return f"Sent again: {account} to {address}; the same report {before}."
    return f"Not sent: {account} to {address}, because the same report {before}. Add --resend to send it again."


def refused_sentence(address: str, answer: str) -> str:
    """Return that the server refused an address.

    >>> refused_sentence("a@harbor.example", "550 no such user")
    'the server refused a@harbor.example (550 no such user).'
    """
    return f"the server refused {address} ({answer})."


def not_sent_sentence(account: str, reason: str, file: str) -> str:
    """Return that a mail was not sent, why, and where it is.

    >>> not_sent_sentence("harbor", "the server refused it.", "harbor.eml")
    'Not sent: harbor: the server refused it. The mail is in mail/harbor.eml.'
    """
    return f"Not sent: {account}: {reason} The mail is in mail/{file}."


def perhaps_sent_sentence(account: str, addresses: Sequence[str], reason: str) -> str:
    """Return that nobody knows whether a mail was sent, and why.

    >>> perhaps_sent_sentence("harbor", ["a@harbor.example"], "smtp.b.example, port 587: connection closed.")
    'Perhaps sent: harbor to a@harbor.example. The connection broke while the server took the mail, so that it may have it: smtp.b.example, port 587: connection closed. Ask whether it arrived before you send it again (--resend).'
    """  # noqa: E501 - the sentence
    return (
        f"Perhaps sent: {account} to {join_words(list(addresses))}. The connection broke while the server took the "
        f"mail, so that it may have it: {reason} Ask whether it arrived before you send it again (--resend)."
    )


def rest_not_sent_sentence(accounts: Sequence[str]) -> str:
    """Return which mails were not sent because the connection was lost before them.

    >>> rest_not_sent_sentence(["acme", "harbor"])
    'Not sent either: acme and harbor, because there is no connection to the server. The mails are in mail/; the same command with --only-changed sends them.'
    """  # noqa: E501 - the sentence
    more = len(accounts) - MAX_ACCOUNTS
    names = [*accounts[:MAX_ACCOUNTS], f"{more:,} more"] if more > 0 else list(accounts)
    return (
        f"Not sent either: {join_words(names)}, because there is no connection to the server. The mails are in mail/; "
        "the same command with --only-changed sends them."
    )


def linked_sentence(account: str, file: str, address: str) -> str:
    """Return where to put a package that a mail links to.

    >>> linked_sentence("harbor", "links/4f1c/harbor.zip", "https://share.example/4f1c/harbor.zip")
    'The mail of harbor links to its package: put links/4f1c/harbor.zip at https://share.example/4f1c/harbor.zip before it is read.'
    """  # noqa: E501 - the sentence
    return f"The mail of {account} links to its package: put {file} at {address} before it is read."


MAX_ACCOUNTS = 8
"""Accounts that a sentence names; of further ones it gives the number."""
FILE_CHANGED = "its file is missing or was changed since it was written."
NO_SENDER = (
    "No SMTP server is configured: add mail with from and host to accounts.yaml beside the store, or leave out --send "
    "and send the .eml files with your mail program."
)
NO_NOTIFIER = "Notifications need apprise: pip install 'healthkit[notify]'."


def notification_title(accounts: int, period: str) -> str:
    """Return the title of a notification: how many accounts need a look.

    >>> notification_title(1, "October 2026"), notification_title(3, "October 2026")
    ('Account health, October 2026: 1 account needs a look', 'Account health, October 2026: 3 accounts need a look')
    """
    verb = "account needs" if accounts == 1 else "accounts need"
    return f"Account health, {period}: {accounts:,} {verb} a look"


def notification_failed_sentence(kind: str, reason: str = "") -> str:
    """Return that a notification was not delivered; `kind` is the service, such as `json`, without its address.

    >>> notification_failed_sentence("json")
    'The notification by json was not delivered. Check the address and the network; the exit code is that of the check.'
    """
    why = f" ({reason})" if reason else ""
    return (
        f"The notification by {kind} was not delivered{why}. Check the address and the network; the exit code is that "
        "of the check."
    )
