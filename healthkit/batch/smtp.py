"""Sends mails over the SMTP server of the accounts file, with credentials from the environment or the keyring."""

from __future__ import annotations

import contextlib
import os
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from typing import Any

from healthkit.batch.run_notebook import BatchError
from healthkit.files import keyring_secrets
from healthkit.schema.accounts_file import MailSettings

USER_VARIABLE, PASSWORD_VARIABLE = "HEALTHKIT_SMTP_USER", "HEALTHKIT_SMTP_PASSWORD"
KEYRING_USER, KEYRING_PASSWORD = "smtp/user", "smtp/password"
NO_SMTPUTF8 = "it has letters beyond a to z, and the server does not take such addresses (SMTPUTF8)"
TIMEOUT = 60
"""Time limit of each answer of the server. [seconds]"""


class SendError(BatchError):
    """Raised if a mail was not sent; the message says why and what to do, and never holds a credential.

    `outcome_unknown` says that the connection broke after the server was ready for the mail, so that it may have it.
    """

    outcome_unknown = False


def find_login(environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Return user and password of the SMTP server, from the environment or the keyring; None if there are none.

    Raises SendError if only one of them is set.
    """
    user, password = environment.get(USER_VARIABLE, ""), environment.get(PASSWORD_VARIABLE, "")
    if not user and not password:
        user, password = (keyring_secrets.read_secret(name) or "" for name in (KEYRING_USER, KEYRING_PASSWORD))
    if bool(user) != bool(password):
        raise SendError(
            f"The SMTP server needs user and password, and one is missing: set {USER_VARIABLE} and {PASSWORD_VARIABLE},"
            f" or run `python -m keyring set {keyring_secrets.SERVICE} {KEYRING_USER}` and the same for "
            f"{KEYRING_PASSWORD}."
        )
    return (user, password) if user else None


def check_server(settings: MailSettings) -> None:
    """Connect to the server and log in, without sending anything. Raises SendError if that fails."""
    with Session(settings) as session:
        session.connect()


class Session:
    """One connection to the SMTP server, over which all mails of a batch go; it is opened for the first of them.

    The connection is secured as the settings say, and the certificate of the server is checked. `is_lost` says that it
    could not be made or broke: then nothing more is sent.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._secrets: tuple[str, ...] = ()
        self._server: smtplib.SMTP | None = None
        self._sent = 0
        self.is_lost = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            # The mails are sent, or not, whatever the server answers now.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._server.quit()
            self._server.close()

    def connect(self) -> smtplib.SMTP:
        """Connect and log in, unless that is done; return the connection. Raises SendError."""
        if self._server is not None and self._server.sock is not None:
            return self._server
        self.is_lost = True
        login = find_login()
        self._secrets = login or ()
        with self._raising_send_error(None):
            server = _connect(self._settings)
            try:
                if login is not None:
                    server.login(*login)
                server.ehlo_or_helo_if_needed()
            except BaseException:
                server.close()
                raise
            self._server, self._sent = server, 0
        if not server.has_extn("smtputf8") and not self._settings.sender.rpartition("<")[2].isascii():
            raise SendError(
                f"{self._settings.host} takes no addresses with letters beyond a to z (SMTPUTF8), and mail.from in "
                "accounts.yaml has one. Use another address."
            )
        self.is_lost = False
        return server

    def send(self, message: EmailMessage, addresses: list[str]) -> dict[str, str]:
        """Send a mail to some addresses; return why the server refused some of them, by address.

        Raises SendError if the mail reached nobody, or if nobody knows whether it did.
        """
        server = self.connect()
        refused = {} if server.has_extn("smtputf8") else {
            address: NO_SMTPUTF8 for address in addresses if not address.isascii()
        }  # fmt: skip
        accepted = [address for address in addresses if address not in refused]
        if not accepted:
            return refused
        del message["To"]
        message["To"] = ", ".join(accepted)
        try:
            with self._raising_send_error(server):
                answers = server.send_message(message, to_addrs=accepted)
            self._sent += 1
        except smtplib.SMTPRecipientsRefused as error:
            answers = error.recipients
        except SendError:
            if not self._sent or self.is_lost or server.sock is not None:
                raise
            # The server ended the connection in order (421), as some do after so many mails: begin another.
            return refused | self.send(message, accepted)
        return refused | {address: _answer(*reason, self._secrets) for address, reason in answers.items()}

    @contextlib.contextmanager
    def _raising_send_error(self, server: smtplib.SMTP | None) -> Iterator[None]:
        """Raise SendError for what goes wrong with the server, or while it is connected (None)."""
        host = self._settings.host
        try:
            yield
        except smtplib.SMTPRecipientsRefused:
            raise
        except smtplib.SMTPAuthenticationError:
            raise SendError(
                f"{host} refused user or password. Correct {USER_VARIABLE} and {PASSWORD_VARIABLE}, or the keyring."
            ) from None
        except smtplib.SMTPResponseException as error:
            answer = _answer(error.smtp_code, error.smtp_error, self._secrets)
            raise SendError(f"{host} refused it: {answer}.") from None
        except ssl.SSLError as error:
            self.is_lost = True
            raise self._failure(
                server,
                f"The connection to {host} is not secure ({getattr(error, 'verify_message', '') or error.reason})."
                " Correct host, port or security under mail in accounts.yaml.",
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            self.is_lost = True
            raise self._failure(
                server, f"{host}, port {self._settings.port}: {_reason(error)}. Try again later."
            ) from None

    def _failure(self, server: smtplib.SMTP | None, text: str) -> SendError:
        failure = SendError(text)
        failure.outcome_unknown = getattr(server, "is_handed_over", False)
        return failure


class _HandoverSMTP(smtplib.SMTP):
    """A connection that knows whether a mail is being handed over, so that a break leaves its outcome unknown."""

    is_handed_over = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.is_handed_over = True
        try:
            answer = super().data(msg)
        except smtplib.SMTPResponseException:  # The server is not ready for it.
            self.is_handed_over = False
            raise
        self.is_handed_over = False
        return answer


class _HandoverSMTPOverTLS(_HandoverSMTP, smtplib.SMTP_SSL):
    """The same over TLS from the first byte on."""


def _connect(settings: MailSettings) -> smtplib.SMTP:
    """Return a connection to the server, secured as the settings say."""
    context = ssl.create_default_context()
    if settings.security == "tls":
        return _HandoverSMTPOverTLS(settings.host, settings.port, timeout=TIMEOUT, context=context)
    server = _HandoverSMTP(settings.host, settings.port, timeout=TIMEOUT)
    if settings.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it does not offer what is needed (TLS or a login)"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _answer(code: int, text: Any, secrets: tuple[str, ...]) -> str:
    """Return the answer of a server as one line, without credentials."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    for secret in secrets:
        words = words.replace(secret, "[credential]")
    return f"{code} {' '.join(words.split())}"[:300]
