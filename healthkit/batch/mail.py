"""Mails to clients: a ready .eml file for each account, with its summary and its package, and sending them."""

from __future__ import annotations

import email
import email.utils
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path

from healthkit.batch import manifest, output_files, smtp
from healthkit.batch.deliveries import (
    LINKED,
    MAILS,
    PACKAGES,
    SENT,
    SUMMARIES,
    Deliveries,
    MadeFrom,
    digest_of_texts,
    digests_of_pages,
    open_deliveries,
    read_deliveries,
)
from healthkit.batch.packages import Package
from healthkit.batch.page_job import lock_folder
from healthkit.report.html.mail import mail_html
from healthkit.report.text import mail as mail_text
from healthkit.schema.accounts_file import ConfiguredAccount, MailSettings

MAX_ATTACHMENT = 10 * 1024 * 1024
"""Largest package that is attached; as text it grows by a third, and many servers refuse mails of 20 MB. [bytes]"""


@dataclass(frozen=True)
class ReadyMail:
    """The mail of an account: its addresses, its file, which has no date and id yet, and its package."""

    account: str
    addresses: tuple[str, ...]
    path: Path
    package: Package


@dataclass(frozen=True)
class MailResult:
    """Mails that were written and sent: `problems` are reported as errors, `notes` and `sent` as they are."""

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
    or week. The same inputs give the same bytes, and a mail of the same inputs is not made again. A package that is too
    large is linked if the settings have a link; if not, the account gets no mail, and a problem says so.
    """
    by_account: dict[str, list[mail_text.Summary]] = {}
    for summary in summaries:
        by_account.setdefault(summary.account, []).append(summary)
    result = MailResult([], [], [], [])
    with lock_folder(folder), open_deliveries(folder) as deliveries:
        for package in packages:
            account = accounts.get(package.account) or ConfiguredAccount(package.account, package.account)
            size = package.path.stat().st_size
            is_linked = size > MAX_ATTACHMENT and bool(settings.link)
            if size > MAX_ATTACHMENT and not is_linked:
                result.problems.append(mail_text.too_large_sentence(package.account, size))
                continue
            link = _write_linked_package(deliveries, package, settings, result) if is_linked else ""
            of_account = by_account.get(package.account, [])
            name = f"{MAILS}/{output_files.account_stem(package.account)}.eml"
            made_from = MadeFrom(
                _made_from(deliveries, package).pages,
                digest_of_texts([manifest.code_digest(), *map(repr, (package, of_account, account, settings, period))]),
            )
            if not deliveries.is_written(name, made_from):
                draft = build_message(package, of_account, account, settings, period, link)
                draft["X-Unsent"] = "1"  # Mail programs open such a file as a draft.
                result.notes.extend(deliveries.write_file(name, draft.as_bytes(), made_from))
            result.written.append(ReadyMail(package.account, account.email, folder / name, package))
            if not account.email:
                result.notes.append(mail_text.no_address_sentence(package.account))
    return result


def _made_from(deliveries: Deliveries, package: Package) -> MadeFrom:
    return deliveries.made_from.get(f"{PACKAGES}/{package.path.name}", MadeFrom("", package.digest))


def _write_linked_package(deliveries: Deliveries, package: Package, settings: MailSettings, result: MailResult) -> str:
    """Write a package where the user takes it from to put it behind the link; return its address.

    The address holds the digest of the package, so that who knows one address cannot guess that of another account.
    """
    name = f"{LINKED}/{package.digest[:32]}/{package.path.name}"
    made_from = _made_from(deliveries, package)
    if not deliveries.is_written(name, made_from):
        result.notes.extend(deliveries.write_file(name, package.path.read_bytes(), made_from))
    address = f"{settings.link.rstrip('/')}/{name.partition('/')[2]}"
    result.notes.append(mail_text.linked_sentence(package.account, name, address))
    return address


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
    # Addresses in other letters stay as they are; all else is ASCII.
    message = EmailMessage(policy.SMTP if all(map(str.isascii, account.email)) else policy.SMTPUTF8)
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
    """Send mails that have addresses over one connection; one that is refused stops no other, and its file stays.

    An address that was sent the same package before is left out, and a note says so, unless `resend`. Once the
    connection is lost nothing more is sent, and a problem names the rest. One mail at a time is in memory.
    """
    result = MailResult([], [], [], [])
    with lock_folder(folder), smtp.Session(settings) as session:
        deliveries = read_deliveries(folder)
        rest: list[str] = []
        for mail in mails:
            addresses = _addresses_to_send(deliveries, mail, resend, result) if mail.addresses else []
            if not addresses:
                continue
            if session.is_lost:
                rest.append(mail.account)
            elif not deliveries.is_unchanged(f"{MAILS}/{mail.path.name}"):
                result.problems.append(
                    mail_text.not_sent_sentence(mail.account, mail_text.FILE_CHANGED, mail.path.name)
                )
            else:
                _send_mail(session, deliveries, mail, addresses, settings, result)
        if rest:
            result.problems.append(mail_text.rest_not_sent_sentence(rest))
    return result


def _addresses_to_send(deliveries: Deliveries, mail: ReadyMail, resend: bool, result: MailResult) -> list[str]:
    """Return the addresses that get a mail now; notes of the result name those that were sent the package before."""
    earlier = deliveries.receipts(mail.account, mail.package.digest)
    for address in mail.addresses:
        if row := earlier.get(address):
            result.notes.append(
                mail_text.sent_before_sentence(mail.account, address, row["on"], row["state"] == SENT, resend)
            )
    return [address for address in mail.addresses if resend or address not in earlier]


def _send_mail(
    session: smtp.Session,
    deliveries: Deliveries,
    mail: ReadyMail,
    addresses: list[str],
    settings: MailSettings,
    result: MailResult,
) -> None:
    """Send a mail, record it and add what is to be reported to the result."""
    message = email.message_from_bytes(mail.path.read_bytes(), EmailMessage, policy=policy.SMTP)
    del message["X-Unsent"]
    now = datetime.now(UTC)
    message["Date"] = email.utils.format_datetime(now)
    message["Message-ID"] = email.utils.make_msgid(domain=settings.sender.rpartition("@")[2].rstrip("> "))
    row = deliveries.begin(mail.account, mail.package.digest, addresses, now.date())
    try:
        refused = session.send(message, addresses)
    except smtp.SendError as error:
        if error.outcome_unknown:
            result.problems.append(mail_text.perhaps_sent_sentence(mail.account, addresses, str(error)))
            return
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
    with lock_folder(folder), open_deliveries(folder) as deliveries:
        pages_now = digests_of_pages(folder)
        for summary in summaries:
            stem = output_files.page_stem(summary.account, summary.marketplace)
            name, pages = f"{SUMMARIES}/{stem}.{'html' if html else 'txt'}", pages_now.get((SUMMARIES, stem), "")
            data = (mail_text.summary_text([summary], html) + "\n").encode()
            notes += deliveries.write_file(name, data, MadeFrom(pages, output_files.sha256_hex(data)))
    return notes
