"""Find the credentials of an authorisation: in the environment, in a file, or in the system's keyring.

Credentials are never written anywhere: they are in no message, log or file of the kit, and `Credentials.redact` takes
them out of whatever Amazon answers. The names are those of python-amazon-sp-api, so that its users change nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from healthkit.files import keyring_secrets
from healthkit.schema.accounts_file import CREDENTIAL_PLACES, AmazonAccess
from healthkit.schema.yaml_lines import YamlError, read_yaml, without_lines

TOKEN, APP_ID, APP_SECRET = "refresh_token", "lwa_app_id", "lwa_client_secret"
VARIABLES = {TOKEN: "SP_API_REFRESH_TOKEN", APP_ID: "LWA_APP_ID", APP_SECRET: "LWA_CLIENT_SECRET"}
"""Environment variables by field. That of an authorisation has its name appended: SP_API_REFRESH_TOKEN_MY_SHOP."""
SHARED_NAME = "default"
"""Name under which a file has the credentials of the application, for authorisations that have none of their own."""


class CredentialsError(ValueError):
    """Raised if credentials are missing; the message says how to give them, and `summary` which are missing."""

    def __init__(self, message: str, summary: str = "") -> None:
        super().__init__(message)
        self.summary = summary or message


class Credentials:
    """The refresh token of an authorisation and the id and secret of the application. `place` says where they are.

    >>> Credentials("token", "id", "secret", "the environment")
    Credentials(from the environment)
    """

    __slots__ = ("_values", "place")

    def __init__(self, refresh_token: str, app_id: str, app_secret: str, place: str) -> None:
        self._values, self.place = (refresh_token, app_id, app_secret), place

    def __repr__(self) -> str:
        return f"Credentials(from {self.place})"

    def __reduce__(self) -> Any:
        raise TypeError("Credentials are not stored.")

    def login_form(self) -> dict[str, str]:
        """Return the form that Login with Amazon exchanges for an access token."""
        token, app_id, secret = self._values
        return {"grant_type": "refresh_token", "refresh_token": token, "client_id": app_id, "client_secret": secret}

    def redact(self, text: str) -> str:
        """Return a text without these credentials, access tokens and addresses.

        >>> Credentials("abc", "id", "xyz", "a file").redact("abc at https://example.invalid/?sign=1 of Atza|w")
        '[credential] at [address] of [credential]'
        """
        for value in sorted(self._values, key=len, reverse=True):
            if len(value) > 2:
                text = text.replace(value, "[credential]")
        text = re.sub(r"https?://\S+", "[address]", text)
        return re.sub(r"(Atz[ar]\||amzn1\.(application|oa2))\S*", "[credential]", text)


def variable_name(field: str, name: str) -> str:
    """Return the environment variable of a field for an authorisation.

    >>> variable_name(TOKEN, "lantern-hill")
    'SP_API_REFRESH_TOKEN_LANTERN_HILL'
    """
    return f"{VARIABLES[field]}_{re.sub('[^A-Z0-9]', '_', name.upper())}"


def default_file() -> Path:
    """Return the path of the file in which python-amazon-sp-api keeps credentials."""
    return platformdirs.user_config_path("python-sp-api", appauthor=False) / "credentials.yml"


def find_credentials(access: AmazonAccess, environment: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials of an authorisation, from the first place that has its refresh token.

    The id and the secret of the application may be in another place than the token: one application serves many
    sellers. Raises CredentialsError, which names what is missing and where it was looked for.
    """
    places = (access.credentials_from,) if access.credentials_from else CREDENTIAL_PLACES
    values: dict[str, str] = {}
    own = None
    for place in places:
        found = _read_place(place, access, environment)
        if own is None and TOKEN in found:
            # The application beside the token is the one that the seller authorised.
            own, values = place, values | found
        else:
            values = found | values
        if own is not None and values.keys() >= VARIABLES.keys():
            return Credentials(values[TOKEN], values[APP_ID], values[APP_SECRET], _describe_place(own, access))
    raise _missing_error(access, [field for field in VARIABLES if field not in values], places)


def _read_place(place: str, access: AmazonAccess, environment: Mapping[str, str]) -> dict[str, str]:
    if place == "environment":
        return _read_environment(access.credentials, environment)
    return _read_file(access) if place == "file" else _read_keyring(access.credentials)


def _read_environment(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment has; a refresh token only under the name of the authorisation."""
    found = {field: environment.get(variable_name(field, name), "") for field in VARIABLES}
    for field in (APP_ID, APP_SECRET):
        found[field] = found[field] or environment.get(VARIABLES[field], "")
    return {field: value.strip() for field, value in found.items() if value.strip()}


def _read_file(access: AmazonAccess) -> dict[str, str]:
    """Return what the file has under the name of the authorisation, and the application under SHARED_NAME."""
    path = access.credentials_file or default_file()
    if not path.is_file():
        return {}
    try:
        document = without_lines(read_yaml(path))
    except (YamlError, OSError) as error:
        # The message of a YAML error quotes the file.
        problem = error.strerror if isinstance(error, OSError) else "it is not YAML in UTF-8"
        raise CredentialsError(f"{path}: the file of credentials cannot be read: {problem}. Correct it.") from None
    rows = document if isinstance(document, dict) else {}
    own, shared = (row if isinstance(row := rows.get(name), dict) else {} for name in (access.credentials, SHARED_NAME))
    found = {field: own.get(field) or (shared.get(field) if field != TOKEN else None) for field in VARIABLES}
    return {field: value.strip() for field, value in found.items() if isinstance(value, str) and value.strip()}


def _read_keyring(name: str) -> dict[str, str]:
    """Return what the keyring has for the authorisation; the application may be under SHARED_NAME."""
    found: dict[str, str] = {}
    for field in VARIABLES:
        for owner in (name, SHARED_NAME) if field != TOKEN else (name,):
            value = keyring_secrets.read_secret(f"{owner}/{field}")
            if value is None:
                return found
            if value and field not in found:
                found[field] = value
    return found


def _describe_place(place: str, access: AmazonAccess) -> str:
    if place == "file":
        return str(access.credentials_file or default_file())
    return f"the {place}"


def _missing_error(access: AmazonAccess, missing: list[str], places: Sequence[str]) -> CredentialsError:
    """Return the error that says which credentials are missing, and how to give them in each place."""
    name, path = access.credentials, access.credentials_file or default_file()
    owners = {field: name if field == TOKEN else SHARED_NAME for field in missing}
    variables = [variable_name(field, name) if field == TOKEN else VARIABLES[field] for field in missing]
    keys = [f'`python -m keyring set {keyring_secrets.SERVICE} "{owner}/{field}"`' for field, owner in owners.items()]
    ways = {
        "environment": f"set {', '.join(variables)}",
        "file": f"write into {path} " + ", ".join(f"{field} under {owner}" for field, owner in owners.items()),
        "keyring": f"run {' and '.join(keys)}",
    }
    if not keyring_secrets.is_installed():
        ways["keyring"] = f"install the keyring (pip install 'healthkit[amazon]') and {ways['keyring']}"
    words = {TOKEN: f"refresh token {name!r}", APP_ID: "application id", APP_SECRET: "application secret"}
    what = join_words([words[field] for field in missing])
    where = join_words([_describe_place(one, access) for one in places])
    return CredentialsError(
        f"{access.account} ({access.region}): no {what} found in {where}. "
        f"To give {'it' if len(missing) == 1 else 'them'}: {'; or '.join(ways[place] for place in places)}.",
        f"No {what} found.",
    )  # fmt: skip


def join_words(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    >>> join_words(["one", "two", "three"])
    'one, two and three'
    """
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
