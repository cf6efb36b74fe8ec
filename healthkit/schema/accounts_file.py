"""The accounts file `accounts.yaml`: the accounts of an agency, their display names and tags, and where to pull them.

An example::

    mail:
      from: Agency <reports@agency.example>
      host: smtp.agency.example
    accounts:
      - name: lantern-hill
        display_name: Lantern Hill Lighting
        tags: [lighting, monthly call]
        logo: logos/lantern-hill.png
        email: [owner@lantern-hill.example]
        amazon:
          - region: na
            marketplaces: [US, CA]
          - region: eu
            marketplaces: [DE, FR]
            credentials: lantern-hill-eu
            credentials_from: keyring

`name` is the account in the store; the other fields are optional. `amazon` has an entry for each region in which the
seller authorised an application; a single entry may stand without the list. `credentials` is the name under which its
refresh token is kept; the default is the account, or with several entries the account and the region, such as
`lantern-hill-na`. `credentials_from` is the place: environment, file or keyring (default: these three, in this order).
`logo` is a PNG, JPEG or SVG file for the client's pages, as a path from the folder of this file, and `email` lists who
gets them. `mail` says from whom mails come and over which SMTP server they are sent: `host`, `port` and `security`
(tls, starttls or, on this machine only, none); packages too large for a mail are linked below `link`. The
file holds no secret, and one that does is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.user_files import find_user_file
from healthkit.schema.yaml_lines import LINE_KEY, YamlError, read_yaml

FILE_NAME = "accounts.yaml"
AMAZON_REGIONS = {
    "na": ("US", "CA", "MX", "BR"),
    "eu": ("UK", "DE", "FR", "IT", "ES", "NL", "BE", "SE", "PL", "IE", "TR", "AE", "SA", "EG", "IN", "ZA"),
    "fe": ("JP", "AU", "SG"),
}
"""The marketplaces of each region of Amazon's API. A marketplace that a policy file adds may be in any of them.

Source: developer-docs.amazon.com, marketplace ids; read 2026-11-28.
"""
CREDENTIAL_PLACES = ("environment", "file", "keyring")
"""Where credentials may be kept, in the order in which they are looked for."""
MAX_NAME_LENGTH = 100
"""Longest name of an account. [characters]"""

_ACCOUNT_FIELDS = ("name", "display_name", "tags", "logo", "email", "amazon")
_MAIL_FIELDS = ("from", "host", "port", "security", "link")
MAIL_PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""Ways to secure the connection to an SMTP server, each with its usual port. Source: RFC 6409, RFC 8314."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""Hosts to which mail may be sent without TLS: this machine."""
_AMAZON_FIELDS = ("region", "marketplaces", "credentials", "credentials_from", "credentials_file")
_SECRET_FIELD = re.compile("token|secret|password|client_id|app_id|key", re.I)
_ADDRESS = re.compile(r"[^\s@<>,;:\"()]+@[^\s@<>,;:\"()]+")
_SECRET_VALUE = re.compile(r"Atzr\||Atza\||amzn1\.")


class AccountsFileError(ValueError):
    """Raised if the accounts file is missing or invalid; the message names file, line and field."""


@dataclass(frozen=True)
class AmazonAccess:
    """One authorisation of a seller at Amazon: a region, its marketplaces, and where its credentials are kept.

    `credentials_from` is one of CREDENTIAL_PLACES, or None for all of them. `credentials_file` replaces the default
    file.
    """

    account: str
    region: str
    marketplaces: tuple[str, ...]
    credentials: str
    credentials_from: str | None = None
    credentials_file: Path | None = None


@dataclass(frozen=True)
class ConfiguredAccount:
    """One account of the accounts file: its name in the store, its name for readers, its tags, and where to pull it.

    `logo` is the file of its logo, `email` the addresses that its reports go to.
    """

    name: str
    display_name: str
    tags: tuple[str, ...] = ()
    amazon: tuple[AmazonAccess, ...] = ()
    logo: Path | None = None
    email: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailSettings:
    """From whom mails come, and the SMTP server that sends them; without `host` none are sent.

    `link` is the https address under which packages that are too large for a mail can be fetched.
    """

    sender: str = ""
    host: str = ""
    port: int = MAIL_PORTS["starttls"]
    security: str = "starttls"
    link: str = ""


def find_accounts_file(given: Path | None, store_folder: object) -> Path | None:
    """Return the accounts file to use, or None if there is none (see `user_files.find_user_file`).

    Raises AccountsFileError if the given one does not exist.
    """
    try:
        return find_user_file(FILE_NAME, store_folder, given)
    except FileNotFoundError:
        raise AccountsFileError(f"{given}: there is no such file. Check the path of --accounts.") from None


def read_accounts(path: Path) -> list[ConfiguredAccount]:
    """Read an accounts file.

    Raises AccountsFileError, which names file, line and field, for one that is invalid or holds a secret.
    """
    document = _read_document(path)
    accounts = [_read_account(path, row) for row in document["accounts"]]
    _refuse_duplicates(path, accounts, document["accounts"])
    return accounts


def read_mail_settings(path: Path) -> MailSettings:
    """Read from whom mails come, and over which server, from an accounts file; nothing is set without its field `mail`.

    Raises AccountsFileError, which names file, line and field, for settings that are invalid.
    """
    document = _read_document(path)
    row = document.get("mail")
    if row is None:
        return MailSettings()
    if not isinstance(row, dict):
        _refuse(path, document, "mail", "write a mapping, such as {from: a@b.example, host: smtp.b.example}")
    _refuse_unknown_fields(path, row, _MAIL_FIELDS, "mail.")
    sender, host = _read_text(path, row, "from", "mail.") or "", _read_text(path, row, "host", "mail.") or ""
    if sender and not _is_address(sender):
        _refuse(path, row, "mail.from", "write an address, such as Agency <reports@agency.example>")
    if host and not sender:
        _refuse(path, row, "mail.from", "it is missing; a mail that is sent needs a sender")
    security = _read_text(path, row, "security", "mail.") or "starttls"
    if security not in MAIL_PORTS:
        _refuse(path, row, "mail.security", f"{security!r} is none of {', '.join(MAIL_PORTS)}")
    if security == "none" and host not in LOCAL_HOSTS:
        _refuse(path, row, "mail.security", "without TLS mail is sent only over a server on this machine (localhost)")
    port = row.get("port", MAIL_PORTS[security])
    if type(port) is not int or not 0 < port < 65_536:
        _refuse(path, row, "mail.port", "write a number from 1 to 65535, such as 587")
    link = _read_text(path, row, "link", "mail.") or ""
    if link and not re.fullmatch(r"https://[^\s<>\"]+", link):
        _refuse(path, row, "mail.link", "write an address that begins with https://")
    return MailSettings(sender, host, port, security, link)


def _is_address(text: str) -> bool:
    """Return whether a text is an e-mail address, alone or behind a name.

    >>> _is_address("a@b.example"), _is_address("The Agency <a@b.example>"), _is_address("a@b, c@d")
    (True, True, False)
    """
    named = re.fullmatch(r"[^<>@,;:\"()]* <([^<>]+)>", text)
    return _ADDRESS.fullmatch(named[1] if named else text) is not None


def _read_document(path: Path) -> dict[str, Any]:
    """Return the content of an accounts file whose top-level fields are known."""
    try:
        document = read_yaml(path)
    except YamlError as error:
        raise AccountsFileError(_without_secrets(str(error))) from None
    if not isinstance(document, dict) or not isinstance(document.get("accounts"), list):
        raise AccountsFileError(f"{path.name}, field accounts: write a list of accounts, such as - name: my-shop.")
    _refuse_unknown_fields(path, document, ("accounts", "mail"), "")
    return document


def _read_account(path: Path, row: Any) -> ConfiguredAccount:
    if not isinstance(row, dict):
        raise AccountsFileError(f"{path.name}, field accounts: each account is a mapping, such as - name: my-shop.")
    _refuse_unknown_fields(path, row, _ACCOUNT_FIELDS, "")
    name = _read_text(path, row, "name", "")
    if name is None:
        _refuse(path, row, "name", "it is missing; write the account's name in the store")
    if len(name) > MAX_NAME_LENGTH:
        _refuse(path, row, "name", f"it is longer than {MAX_NAME_LENGTH} letters")
    display_name = _read_text(path, row, "display_name", "")
    logo, email = _read_text(path, row, "logo", ""), _read_texts(path, row, "email")
    for address in email:
        if not _ADDRESS.fullmatch(address):
            _refuse(path, row, "email", f"{address!r} is no address; write one such as owner@shop.example")
    return ConfiguredAccount(
        name, display_name or name, _read_texts(path, row, "tags"), tuple(_read_amazon(path, row, name)),
        None if logo is None else path.parent / logo, email,
    )  # fmt: skip


def _read_amazon(path: Path, row: dict[str, Any], account: str) -> Iterator[AmazonAccess]:
    """Yield the authorisations of an account."""
    entries = row.get("amazon")
    if entries is None:
        return
    seen: set[str] = set()
    entries = entries if isinstance(entries, list) else [entries]
    for entry in entries:
        if not isinstance(entry, dict):
            _refuse(path, row, "amazon", "write region and marketplaces, such as {region: na, marketplaces: [US]}")
        access = _read_access(path, entry, account, len(entries) > 1)
        if access.region in seen:
            _refuse(path, entry, "amazon.region", f"{access.region} is listed twice; list all its marketplaces in one")
        seen.add(access.region)
        yield access


def _read_access(path: Path, entry: dict[str, Any], account: str, is_one_of_several: bool) -> AmazonAccess:
    _refuse_unknown_fields(path, entry, _AMAZON_FIELDS, "amazon.")
    marketplaces = _read_texts(path, entry, "marketplaces", "amazon.")
    if not marketplaces:
        _refuse(path, entry, "amazon.marketplaces", "list the marketplaces, such as [US, CA]")
    region = _read_text(path, entry, "region", "amazon.")
    if region not in AMAZON_REGIONS:
        found = "it is missing" if region is None else f"{region!r} is no region"
        _refuse(path, entry, "amazon.region", f"{found}; there are {', '.join(AMAZON_REGIONS)}")
    for code in marketplaces:
        known = MARKETPLACES.get(code)
        if known is None or not known.is_amazon:
            amazon = ", ".join(name for name, one in MARKETPLACES.items() if one.is_amazon)
            _refuse(path, entry, "amazon.marketplaces", f"{code!r} is none of Amazon's; there are {amazon}")
        elsewhere = [other for other, codes in AMAZON_REGIONS.items() if code in codes and other != region]
        if elsewhere:
            _refuse(path, entry, "amazon.marketplaces", f"{code} is in region {elsewhere[0]}, not in {region}")
    place = _read_text(path, entry, "credentials_from", "amazon.")
    if place is not None and place not in CREDENTIAL_PLACES:
        _refuse(path, entry, "amazon.credentials_from", f"{place!r} is no place; {', '.join(CREDENTIAL_PLACES)} are")
    file = _read_text(path, entry, "credentials_file", "amazon.")
    return AmazonAccess(
        account, region, tuple(dict.fromkeys(marketplaces)),
        _read_text(path, entry, "credentials", "amazon.") or (f"{account}-{region}" if is_one_of_several else account),
        place,
        None if file is None else path.parent / Path(file).expanduser(),
    )  # fmt: skip


def _refuse_unknown_fields(path: Path, row: dict[str, Any], known: tuple[str, ...], prefix: str) -> None:
    """Raise AccountsFileError for a field that is unknown; the message never repeats a value."""
    for name in row:
        if name in known or name == LINE_KEY:
            continue
        if isinstance(name, str) and _SECRET_FIELD.search(name):
            _refuse(
                path, row, f"{prefix}{name}",
                "this file holds no credentials. Take it out (and make a new one at Amazon if others could read the "
                "file), and keep it in the environment, the client's file or the keyring: see docs/pull.md",
            )  # fmt: skip
        _refuse(path, row, f"{prefix}{name}", f"there is no such field; there are {', '.join(known)}")


def _read_text(path: Path, row: dict[str, Any], field: str, prefix: str) -> str | None:
    """Return the text of a field, or None if it is missing."""
    value = row.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        _refuse(path, row, f"{prefix}{field}", "write a text; put numbers and words such as NO in quotes")
    if _SECRET_VALUE.search(value):
        _refuse(path, row, f"{prefix}{field}", "it looks like a credential; this file holds the names of them only")
    return value.strip()


def _read_texts(path: Path, row: dict[str, Any], field: str, prefix: str = "") -> tuple[str, ...]:
    """Return the list of texts of a field; empty if it is missing."""
    values = row.get(field)
    if values is None:
        return ()
    if not isinstance(values, list):
        _refuse(path, row, f"{prefix}{field}", "write a list, such as [one, two]")
    texts = [_read_text(path, {field: value, LINE_KEY: row[LINE_KEY]}, field, prefix) for value in values]
    if None in texts:
        _refuse(path, row, f"{prefix}{field}", "an entry is empty")
    return tuple(text for text in texts if text is not None)


def _refuse_duplicates(path: Path, accounts: list[ConfiguredAccount], rows: list[dict[str, Any]]) -> None:
    """Raise AccountsFileError if two accounts have one name, or two authorisations one place for credentials."""
    names: dict[str, int] = {}
    for account, row in zip(accounts, rows, strict=True):
        key = account.name.casefold()
        if key in names:
            _refuse(path, row, "name", f"{account.name!r} is listed already, in line {names[key]}")
        names[key] = row[LINE_KEY]
    owners: dict[tuple[str, str | None, Path | None], AmazonAccess] = {}
    for access, row in ((one, row) for account, row in zip(accounts, rows, strict=True) for one in account.amazon):
        place = (access.credentials, access.credentials_from, access.credentials_file)
        if place in owners and (owners[place].account, owners[place].region) != (access.account, access.region):
            _refuse(
                path, row, "amazon.credentials",
                f"{access.credentials!r} is used by {owners[place].account!r} ({owners[place].region}) already: a "
                "seller's orders would be pulled into two accounts, or from two regions by one token",
            )  # fmt: skip
        owners[place] = access


def _refuse(path: Path, row: dict[str, Any], field: str, problem: str) -> NoReturn:
    raise AccountsFileError(f"{path.name}, line {row[LINE_KEY]}, field {field}: {problem}.")


def _without_secrets(message: str) -> str:
    """Return a message of the YAML reader without the text that it quotes if that may hold a credential.

    >>> _without_secrets("a.yaml is not YAML: found Atzr|abc in line 3")
    'a.yaml is not YAML: found [credential] in line 3'
    """
    return re.sub(r"(Atzr\||Atza\||amzn1\.)\S*", "[credential]", message)
