"""Mails to clients: a ready .eml file for each account, with its summary and its package, and sending them."""

from __future__ import annotations

import copy
import email.utils
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path

from healthkit.batch import output_files, smtp
from healthkit.batch.deliveries import SENT, Deliveries, read_deliveries
from healthkit.batch.packages import Package
from healthkit.batch.page_job import lock_folder
from healthkit.report.html.mail import mail_html
from healthkit.report.text import mail as mail_text
from healthkit.schema.accounts_file import ConfiguredAccount, MailSettings

FOLDER = "mail"
MAX_ATTACHMENT = 10 * 1024 * 1024
"""Largest package that is attached; as text it grows by a third, and many servers refuse mails of 20 MB. [bytes]"""


@dataclass(frozen=True)
class ReadyMail:
    """The mail of an account: the message without sender's date and id, its addresses, its file and its package."""

    account: str
    message: EmailMessage
    addresses: tuple[str, ...]
    path: Path
    package: Package


@dataclass(frozen=True)
class MailResult:
    """Mails that were written and sent: `problems` are told as errors, `notes` and `sent` as they are."""

    written: list[ReadyMail]
    sent: list[str]
    notes: list[str]
    problems: list[str]


def write_mails(
    folder: Path,
    packages: Iterable[Package],
    summaries: Iterable[mail_text.Summary],
    accounts: Mapping[str, ConfiguredAccount],
    settings: MailSettings,
    period: str,
) -> MailResult:
    """Write a mail for each package of a reports folder, as a .eml file in its folder `mail`.

    `summaries` are those of all pages, `accounts` the accounts of the accounts file by name, `period` names the month
    or week. The same inputs give the same bytes. A package that is too large is linked if the settings have a link; if
    not, the account gets no mail, and a problem says so.
    """
    by_account: dict[str, list[mail_text.Summary]] = {}
    for summary in summaries:
        by_account.setdefault(summary.account, []).append(summary)
    result = MailResult([], [], [], [])
    with lock_folder(folder):
        deliveries = read_deliveries(folder)
        for package in packages:
            account = accounts.get(package.account) or ConfiguredAccount(package.account, package.account)
            size = package.path.stat().st_size
            link = f"{settings.link.rstrip('/')}/{package.path.name}" if size > MAX_ATTACHMENT and settings.link else ""
            if size > MAX_ATTACHMENT and not link:
                result.problems.append(mail_text.too_large_sentence(package.account, size))
                continue
            message = build_message(package, by_account.get(package.account, []), account, settings, period, link)
            name = f"{FOLDER}/{output_files.account_stem(package.account)}.eml"
            draft = copy.deepcopy(message)
            draft["X-Unsent"] = "1"  # Mail programs open such a file as a draft.
            result.notes.extend(deliveries.write_file(name, draft.as_bytes()))
            result.written.append(ReadyMail(package.account, message, account.email, folder / name, package))
            if not account.email:
                result.notes.append(mail_text.no_address_sentence(package.account))
    return result


def build_message(
    package: Package,
    summaries: list[mail_text.Summary],
    account: ConfiguredAccount,
    settings: MailSettings,
    period: str,
    link: str = "",
) -> EmailMessage:
    """Return the mail of an account: text, HTML and, unless a link is given, the package; always the same bytes.

    Date and id are added when it is sent.
    """
    name = " ".join(account.display_name.split())
    pages = [package.pages[summary.marketplace] for summary in summaries if summary.marketplace in package.pages]
    closing = mail_text.how_to_open(package.path.name, pages, link)
    message = EmailMessage(policy.SMTP)
    message["Subject"] = mail_text.subject(name, period)
    if settings.sender:
        message["From"] = settings.sender
    if account.email:
        message["To"] = ", ".join(account.email)
    message.set_content(mail_text.body(name, period, summaries, closing), cte="quoted-printable")
    message.add_alternative(mail_html(name, period, summaries, closing, link), subtype="html", cte="quoted-printable")
    if not link:
        message.add_attachment(
            package.path.read_bytes(), maintype="application", subtype="zip", filename=package.path.name
        )
    for number, part in enumerate(one for one in message.walk() if one.is_multipart()):
        part.set_boundary(f"=_{package.digest[:32]}_{number}")
    return message


def send_mails(folder: Path, mails: Iterable[ReadyMail], settings: MailSettings, resend: bool = False) -> MailResult:
    """Send mails that have addresses; one that fails stops no other, and its file stays.

    An address that was sent the same package before is left out, and a note says so, unless `resend`.
    """
    result = MailResult([], [], [], [])
    with lock_folder(folder):
        deliveries = read_deliveries(folder)
        for mail in mails:
            if mail.addresses:
                _send_mail(deliveries, mail, settings, resend, result)
    return result


def _send_mail(
    deliveries: Deliveries, mail: ReadyMail, settings: MailSettings, resend: bool, result: MailResult
) -> None:
    """Send a mail, record it and add what is to be told to the result."""
    earlier = deliveries.receipts(mail.account, mail.package.digest)
    known = [address for address in mail.addresses if address in earlier]
    for address in known:
        row = earlier[address]
        result.notes.append(
            mail_text.sent_before_sentence(mail.account, address, row["on"], row["state"] == SENT, resend)
        )
    addresses = [address for address in mail.addresses if resend or address not in known]
    if not addresses:
        return
    message = copy.deepcopy(mail.message)
    if addresses != list(mail.addresses):
        message.replace_header("To", ", ".join(addresses))
    now = datetime.now(UTC)
    message["Date"] = email.utils.format_datetime(now)
    message["Message-ID"] = email.utils.make_msgid(domain=settings.sender.rpartition("@")[2].rstrip("> "))
    row = deliveries.begin(mail.account, mail.package.digest, addresses, now.date())
    try:
        refused = smtp.send(message, addresses, settings)
    except smtp.SendError as error:
        if not error.outcome_unknown:
            deliveries.finish(row, [])
        result.problems.append(mail_text.not_sent_sentence(mail.account, str(error), mail.path.name))
        return
    accepted = [address for address in addresses if address not in refused]
    deliveries.finish(row, accepted)
    if accepted:
        result.sent.append(mail_text.sent_sentence(mail.account, accepted))
    for address, answer in refused.items():
        result.problems.append(
            mail_text.not_sent_sentence(mail.account, mail_text.refused_sentence(address, answer), mail.path.name)
        )


def write_summaries(folder: Path, summaries: Iterable[mail_text.Summary], html: bool) -> list[str]:
    """Write the summary of each account and marketplace into a file of its own, in the folder `summaries`.

    Return a sentence for each file that was renamed to a backup, because healthkit did not write it.
    """
    notes: list[str] = []
    with lock_folder(folder):
        deliveries = read_deliveries(folder)
        for summary in summaries:
            stem = output_files.page_stem(summary.account, summary.marketplace)
            name = f"summaries/{stem}.{'html' if html else 'txt'}"
            notes += deliveries.write_file(name, (mail_text.summary_text([summary], html) + "\n").encode())
    return notes
