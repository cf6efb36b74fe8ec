"""What `report` and `check` give to clients and to their reader: packages, mails, summaries and notifications."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

import healthkit as hk
from healthkit.cli.options import exit_with_error, print_error, print_line
from healthkit.report.text import mail as mail_text
from healthkit.report.text import portfolio as portfolio_text
from healthkit.schema import accounts_file


@dataclass(frozen=True)
class Clients:
    """What the accounts file says about clients: the accounts by name, and from whom and how mails go out."""

    accounts: dict[str, accounts_file.ConfiguredAccount] = field(default_factory=dict)
    settings: accounts_file.MailSettings = field(default_factory=accounts_file.MailSettings)

    def for_pages(self, accounts: list[str] | None) -> dict[str, Any]:
        """Return names and logos for the pages of the given accounts (default: all).

        Raises LogoError for a logo that cannot be used.
        """
        return {
            name: hk.batch.Client.of_account(one)
            for name, one in self.accounts.items()
            if not accounts or name in accounts
        }


def read_clients(given: Path | None, store_folder: Any) -> Clients:
    """Read the accounts file: the given one, or that beside the store; without one nothing is known of clients."""
    path = accounts_file.find_accounts_file(given, store_folder)
    if path is None:
        return Clients()
    return Clients({one.name: one for one in accounts_file.read_accounts(path)}, accounts_file.read_mail_settings(path))


def check_server(clients: Clients) -> None:
    """Log in at the SMTP server, so that a wrong password is reported before any report is made.

    Exits with an error if the accounts file names no server; raises SendError if it cannot be used.
    """
    if not clients.settings.host:
        exit_with_error(mail_text.NO_SENDER)
    hk.batch.check_server(clients.settings)


def print_summaries(result: Any, html: bool) -> None:
    """Print the summaries of a batch worst first, and write each into a file of its own."""
    typer.echo(mail_text.summary_text(result.summaries, html, result.first))
    for note in hk.batch.write_summaries(result.index.parent, result.summaries, html):
        print_error(note, None)


def mail_packages(result: Any, clients: Clients, period: Any, send: bool, resend: bool) -> bool:
    """Write the mails of a batch and, if asked, send them; return whether all went well."""
    folder = result.index.parent
    name = portfolio_text.period_name(period.text, period.last)
    written = hk.batch.write_mails(folder, result.packages, result.summaries, clients.accounts, clients.settings, name)
    _print_mail_result(written)
    for ready in written.written:
        print_line(str(ready.path))
    if not send:
        return not written.problems
    sent = hk.batch.send_mails(folder, written.written, clients.settings, resend)
    _print_mail_result(sent)
    return not written.problems and not sent.problems


def _print_mail_result(result: Any) -> None:
    for line in result.sent:
        print_line(line)
    for line in result.notes:
        print_error(line, None)
    for line in result.problems:
        print_error(line)


def require_notifier() -> None:
    """Exit with an error if notifications cannot be sent because apprise is not installed."""
    if importlib.util.find_spec("apprise") is None:
        exit_with_error(mail_text.NO_NOTIFIER)


def notify(urls: Iterable[str], title: str, body: str) -> None:
    """Send a notification to each address of apprise; say on standard error which failed.

    The addresses hold tokens, so that a message names only the service.
    """
    apprise = importlib.import_module("apprise")  # The extra `notify`; `require_notifier` has looked for it.
    for url in urls:
        kind = urlsplit(url).scheme or "?"
        try:
            notifier = apprise.Apprise()
            is_delivered = bool(notifier.add(url)) and bool(notifier.notify(title=title, body=body))
        except Exception as error:  # each service raises its own kinds
            print_error(mail_text.notification_failed_sentence(kind, type(error).__name__))
            continue
        if not is_delivered:
            print_error(mail_text.notification_failed_sentence(kind))
