"""Sends mails over the SMTP server of the accounts file, with credentials from the environment or the keyring."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import lazy_loader as lazy

from healthkit.batch.run_notebook import BatchError
from healthkit.schema.accounts_file import MailSettings

keyring = lazy.load("keyring")

USER_VARIABLE, PASSWORD_VARIABLE = "HEALTHKIT_SMTP_USER", "HEALTHKIT_SMTP_PASSWORD"
KEYRING_SERVICE, KEYRING_USER, KEYRING_PASSWORD = "healthkit", "smtp/user", "smtp/password"
TIMEOUT = 60
"""Time limit of each answer of the server. [seconds]"""


class SendError(BatchError):
    """Raised if a mail was not sent; the message says why and what to do, and never holds a credential.

    `outcome_unknown` says that the connection broke after the whole mail was handed over.
    """

    outcome_unknown = False


def find_login(environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Return user and password of the SMTP server, from the environment or the keyring; None if there are none.

    Raises SendError if only one of them is set.
    """
    user, password = environment.get(USER_VARIABLE, ""), environment.get(PASSWORD_VARIABLE, "")
    if not user and not password:
        user, password = _from_keyring(KEYRING_USER), _from_keyring(KEYRING_PASSWORD)
    if bool(user) != bool(password):
        raise SendError(
            f"The SMTP server needs user and password, and one is missing: set {USER_VARIABLE} and {PASSWORD_VARIABLE},"
            f" or run `python -m keyring set {KEYRING_SERVICE} {KEYRING_USER}` and the same for {KEYRING_PASSWORD}."
        )
    return (user, password) if user else None


def _from_keyring(name: str) -> str:
    if importlib.util.find_spec("keyring") is None:
        return ""
    try:
        return keyring.get_password(KEYRING_SERVICE, name) or ""
    except Exception:  # each keyring raises its own kinds: locked, absent, refused by the user
        return ""


def send(message: EmailMessage, addresses: list[str], settings: MailSettings) -> dict[str, str]:
    """Send a mail to some addresses; return why the server refused some of them, by address.

    The connection is secured as the settings say, and the certificate of the server is checked. Raises SendError if the
    mail reached nobody.
    """
    login = find_login()
    secrets = login or ()
    server, is_handed_over = None, False
    try:
        server = _connect(settings)
        if login is not None:
            server.login(*login)
        is_handed_over = True
        refused = server.send_message(message, to_addrs=addresses)
    except smtplib.SMTPRecipientsRefused as error:
        return {address: _answer(*reason, secrets) for address, reason in error.recipients.items()}
    except smtplib.SMTPAuthenticationError:
        raise SendError(
            f"{settings.host} refused user or password. Correct {USER_VARIABLE} and {PASSWORD_VARIABLE}, or the "
            "keyring."
        ) from None
    except smtplib.SMTPResponseException as error:
        raise SendError(f"{settings.host} refused it: {_answer(error.smtp_code, error.smtp_error, secrets)}.") from None
    except ssl.SSLError as error:
        raise SendError(
            f"The connection to {settings.host} is not secure ({getattr(error, 'verify_message', '') or error.reason})."
            " Correct host, port or security under mail in accounts.yaml."
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        failure = SendError(f"{settings.host}, port {settings.port}: {_reason(error)}. Try again later.")
        failure.outcome_unknown = is_handed_over
        raise failure from None
    finally:
        if server is not None:
            # The mail is sent, or not, whatever the server answers now.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()
    return {address: _answer(*reason, secrets) for address, reason in refused.items()}


def _connect(settings: MailSettings) -> smtplib.SMTP:
    """Return a connection to the server, secured as the settings say."""
    context = ssl.create_default_context()
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT)
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
