"""Reads secrets from the system's keyring; one that is absent, locked or refused is empty, and the log says why."""

from __future__ import annotations

import importlib.util
import logging

import lazy_loader as lazy

_LOG = logging.getLogger(__name__)

keyring = lazy.load("keyring")
SERVICE = "healthkit"
"""Name of the service under which the keyring has the secrets."""


def is_installed() -> bool:
    """Return whether the library for the keyring is installed."""
    return importlib.util.find_spec("keyring") is not None


def read_secret(name: str) -> str | None:
    """Return the secret of a name, "" if the keyring has none; None if it cannot be asked, and the log says why.

    Only the kind of an error is logged, because its text may quote a secret.
    """
    if not is_installed():
        _LOG.info("the keyring is not read: the library keyring is not installed")
        return None
    try:
        return keyring.get_password(SERVICE, name) or ""
    except Exception as error:  # each keyring raises its own kinds: locked, absent, refused by the user
        _LOG.info("the keyring is not read: %s", type(error).__name__)
        return None
