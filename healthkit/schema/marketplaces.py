"""The known marketplaces: their names in files, their time zones and their date formats.

The rules for sellers are in `policies/*.yaml`, not here; a policy file may add a marketplace in a block
`new_marketplace`. The zone is the main one of the country; Amazon's US pages count days in Pacific time. The date
format is that of the feedback file, which has neither zone nor century. Marketplaces other than Amazon's have no sales
channel and no id in Amazon's files (`-`), and write full dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

POLICY_FOLDER = Path(__file__).parents[1] / "metrics" / "policies"


class Marketplace(NamedTuple):
    """A marketplace: its code, its title, its names in files, its time zone and its date format.

    `dates` is the `strptime` format of the dates in its feedback files.
    """

    code: str
    title: str
    sales_channel: str
    marketplace_id: str
    zone: str
    dates: str

    @property
    def is_amazon(self) -> bool:
        """Whether the marketplace is one of Amazon's."""
        return self.marketplace_id != "-"

    @property
    def company(self) -> str:
        """The name of the marketplace in sentences: its title, without the country where a company has several.

        >>> [find_marketplace(code).company for code in ("DE", "WALMART_CA", "TIKTOK_US", "EBAY")]
        ['Amazon', 'Walmart', 'TikTok Shop', 'eBay']
        """
        if self.is_amazon:
            return AMAZON
        return next((name for name in _COMPANIES if self.title.startswith(f"{name} ")), self.title)


AMAZON = "Amazon"
"""Company of the marketplaces whose words are the default in texts."""
_COMPANIES = ("Walmart", "TikTok Shop")
"""Other companies with several marketplaces; the title of each marketplace adds a country to the name."""


class UnknownMarketplaceError(ValueError):
    """Raised if no marketplace has the given code."""


class MarketplaceError(ValueError):
    """Raised if a block `new_marketplace` of a policy file is invalid; the message names file, line and field."""


_ROWS = """
US    Amazon US           Amazon.com      ATVPDKIKX0DER   America/Los_Angeles   %m/%d/%y
CA    Amazon Canada       Amazon.ca       A2EUQ1WTGCTBG2  America/Los_Angeles   %d/%m/%y
MX    Amazon Mexico       Amazon.com.mx   A1AM78C64UM0Y8  America/Mexico_City   %d/%m/%y
BR    Amazon Brazil       Amazon.com.br   A2Q3Y263D00KWC  America/Sao_Paulo     %d/%m/%y
UK    Amazon UK           Amazon.co.uk    A1F83G8C2ARO7P  Europe/London         %d/%m/%y
DE    Amazon Germany      Amazon.de       A1PA6795UKMFR9  Europe/Berlin         %d.%m.%y
FR    Amazon France       Amazon.fr       A13V1IB3VIYZZH  Europe/Paris          %d/%m/%y
IT    Amazon Italy        Amazon.it       APJ6JRA9NG5V4   Europe/Rome           %d/%m/%y
ES    Amazon Spain        Amazon.es       A1RKKUPIHCS9HS  Europe/Madrid         %d/%m/%y
NL    Amazon Netherlands  Amazon.nl       A1805IZSGTT6HS  Europe/Amsterdam      %d/%m/%y
BE    Amazon Belgium      Amazon.com.be   AMEN7PMS3EDWL   Europe/Brussels       %d/%m/%y
SE    Amazon Sweden       Amazon.se       A2NODRKZP88ZB9  Europe/Stockholm      %Y-%m-%d
PL    Amazon Poland       Amazon.pl       A1C3SOZRARQ6R3  Europe/Warsaw         %d/%m/%y
IE    Amazon Ireland      Amazon.ie       A28R8C7NBKEWEA  Europe/Dublin         %d/%m/%y
TR    Amazon Turkey       Amazon.com.tr   A33AVAJ2PDY3EV  Europe/Istanbul       %d/%m/%y
AE    Amazon UAE          Amazon.ae       A2VIGQ35RCS4UG  Asia/Dubai            %d/%m/%y
SA    Amazon Saudi Arabia Amazon.sa       A17E79C6D8DWNP  Asia/Riyadh           %d/%m/%y
EG    Amazon Egypt        Amazon.eg       ARBP9OOSHTCHU   Africa/Cairo          %d/%m/%y
ZA    Amazon South Africa Amazon.co.za    AE08WJ6YKNBMC   Africa/Johannesburg   %d/%m/%y
IN    Amazon India        Amazon.in       A21TJRUUN4KGV   Asia/Kolkata          %d/%m/%y
JP    Amazon Japan        Amazon.co.jp    A1VC38T7YXB528  Asia/Tokyo            %y/%m/%d
AU    Amazon Australia    Amazon.com.au   A39IBJ37TRP1C6  Australia/Sydney      %d/%m/%y
SG    Amazon Singapore    Amazon.sg       A19VAU5U5O7RUS  Asia/Singapore        %d/%m/%y
OLIST Olist               -               -               America/Sao_Paulo     %Y-%m-%d
WALMART_US    Walmart US     -  -  America/Los_Angeles  %Y-%m-%d
WALMART_CA    Walmart Canada -  -  America/Toronto      %Y-%m-%d
EBAY          eBay           -  -  America/Los_Angeles  %Y-%m-%d
ETSY          Etsy           -  -  America/New_York     %Y-%m-%d
TIKTOK        TikTok Shop    -  -  Asia/Jakarta         %Y-%m-%d
TIKTOK_US     TikTok Shop US -  -  America/Los_Angeles  %Y-%m-%d
MERCADO_LIBRE Mercado Libre  -  -  America/Mexico_City  %Y-%m-%d
"""


DATES_ASSUMED = frozenset({"ZA"})
"""Marketplaces of which no source says how feedback files write a day; day, month, year is our assumption."""


def _parse_row(line: str) -> Marketplace:
    code, rest = line.split(maxsplit=1)
    title, sales_channel, marketplace_id, zone, dates = rest.rsplit(maxsplit=4)
    return Marketplace(code, title.strip(), sales_channel, marketplace_id, zone, dates)


class _BlockField(NamedTuple):
    """A field of a block: its line number, its name and its text."""

    number: int
    field: str
    text: str


_FIELD = r"""(\w+):\s+("[^"]*"|'[^']*'|[^,{}"'#]*[^,{}"'#\s])\s*"""
_INLINE_BLOCK = re.compile(rf"\{{\s*{_FIELD}(?:,\s*{_FIELD})*\}}\s*(?:#.*)?")
_FIELD_LINE = re.compile(rf"\s+{_FIELD}(?:#.*)?")
_REQUIRED = ("code", "title", "zone", "dates")
_AMAZON_FIELDS = ("sales_channel", "marketplace_id")


def _is_zone(text: str) -> bool:
    try:
        return bool(ZoneInfo(text))
    except (KeyError, ValueError, OSError):
        return False


_FIELD_CHECKS = {
    "code": (lambda text: re.fullmatch("[A-Z][A-Z0-9_]*", text), "a code is of capital letters, such as NZ"),
    "title": (lambda text: text, "a title is needed, such as Amazon New Zealand"),
    "sales_channel": (lambda text: text, "a sales channel is needed, such as Amazon.co.nz"),
    "marketplace_id": (lambda text: re.fullmatch("-|[A-Z0-9]{10,}", text), "an id is of capital letters and digits"),
    "zone": (_is_zone, "a zone is one of the time zone database, such as Pacific/Auckland"),
    "dates": (
        lambda text: re.fullmatch(r"(%[dmyY])([/.-])(%[dmyY])\2(%[dmyY])", text) and set("dm") < set(text),
        'dates are an order of day, month and year, such as "%d/%m/%y"',
    ),
}
"""The check of each field of a block, and the error message."""


def load_marketplaces(folder: Path = POLICY_FOLDER) -> dict[str, Marketplace]:
    """Return all marketplaces by code: first the built-in ones, then those that policy files add.

    Raises MarketplaceError, which names file, line and field, for an invalid block.

    >>> load_marketplaces()["JP"].dates
    '%y/%m/%d'
    """
    rows = {row.code: row for row in map(_parse_row, _ROWS.strip().splitlines())}
    for path in sorted(folder.glob("*.yaml")):
        for row, lines in _read_new_marketplace(path):
            for name in ("code", "sales_channel", "marketplace_id"):
                text = getattr(row, name)
                taken = [other.code for other in rows.values() if getattr(other, name).lower() == text.lower() != "-"]
                if taken:
                    raise _block_error(path, lines[name].number, name, f"{text} is that of {taken[0]} already")
            rows[row.code] = row
    return rows


def _read_new_marketplace(path: Path) -> Iterator[tuple[Marketplace, dict[str, _BlockField]]]:
    """Yield the marketplace that a policy file adds, if any, with the fields of its block."""
    # `policy_files` reads the whole file and refuses one that is not UTF-8.
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for at, line in enumerate(text):
        if line.startswith("new_marketplace:"):
            lines = {one.field: one for one in _block_fields(path, at, text)}
            _check_block(path, at + 1, lines)
            values = dict.fromkeys(_AMAZON_FIELDS, "-") | {name: field.text for name, field in lines.items()}
            yield Marketplace(**values), lines


def _block_fields(path: Path, start: int, text: list[str]) -> Iterator[_BlockField]:
    """Yield the fields of a block that begins at a line: in braces on that line, or one a line below it."""
    rest = text[start].partition(":")[2].strip()
    if rest and not rest.startswith("#"):
        if not _INLINE_BLOCK.fullmatch(rest):
            raise _block_error(path, start + 1, "", "write {code: NZ, title: Amazon New Zealand, ...} in one line")
        yield from (_BlockField(start + 1, name, word.strip("\"'")) for name, word in re.findall(_FIELD, rest))
        return
    for number, line in enumerate(text[start + 1 :], start + 2):
        if line[:1].strip() and not line.startswith("#"):
            return
        if line.strip() and not line.strip().startswith("#"):
            found = _FIELD_LINE.fullmatch(line)
            if not found:
                name = line.strip().partition(":")[0]
                raise _block_error(path, number, name, "write a field and its text, such as code: NZ")
            yield _BlockField(number, found.group(1), found.group(2).strip("\"'"))


def _check_block(path: Path, first_line: int, lines: dict[str, _BlockField]) -> None:
    """Raise MarketplaceError for an unknown, missing or invalid field."""
    for number, name, text in lines.values():
        if name not in _FIELD_CHECKS:
            raise _block_error(path, number, name, f"there is no such field; there are {', '.join(_FIELD_CHECKS)}")
        is_valid, message = _FIELD_CHECKS[name]
        if not is_valid(text):
            raise _block_error(path, number, name, f"{text!r} will not do; {message}")
    # A marketplace of Amazon's has both of these fields, another one neither.
    required = (*_REQUIRED, *(_AMAZON_FIELDS if any(name in lines for name in _AMAZON_FIELDS) else ()))
    for name in required:
        if name not in lines:
            raise _block_error(path, first_line, name, "it is missing")


def _block_error(path: Path, line: int, field: str, problem: str) -> MarketplaceError:
    where = f"new_marketplace, field {field}" if field else "new_marketplace"
    return MarketplaceError(f"{path.name}, line {line}, {where}: {problem}.")


def sales_channels(marketplaces: Iterable[Marketplace]) -> dict[str, str]:
    """Return the marketplace of each spelling of a sales channel, in lower case.

    Beside the name that Amazon's order files use, some exports write `Amazon.` and the code of the country.

    >>> channels = sales_channels(MARKETPLACES.values())
    >>> channels["amazon.com.tr"], channels["amazon.tr"], channels["amazon.jp"], channels["amazon.co.za"]
    ('TR', 'TR', 'JP', 'ZA')
    """
    rows = [row for row in marketplaces if row.sales_channel != "-"]
    channels = {row.sales_channel.lower(): row.code for row in rows}
    # After the channels' own names, which messages list first.
    short_forms = {f"amazon.{row.code.lower()}": row.code for row in rows}
    return channels | {name: code for name, code in short_forms.items() if name not in channels}


MARKETPLACES: dict[str, Marketplace] = load_marketplaces()
MARKETPLACE_BY_SALES_CHANNEL: dict[str, str] = sales_channels(MARKETPLACES.values())
"""Code of the marketplace by spelling of its sales channel, in lower case."""


def find_marketplace(code: str) -> Marketplace:
    """Return the marketplace that has the given code.

    Raises UnknownMarketplaceError, with the known codes, if there is none.

    >>> find_marketplace("DE").zone
    'Europe/Berlin'
    """
    try:
        return MARKETPLACES[code]
    except KeyError:
        raise UnknownMarketplaceError(f"No marketplace {code!r}. There are: {', '.join(MARKETPLACES)}.") from None
