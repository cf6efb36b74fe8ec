"""The marketplaces that the readers know: how files name them, their zone, how they write dates.

One row a marketplace. What a marketplace *asks* of a seller stands in `policies/*.yaml`, not here; a policy file may
name a marketplace that has no row yet, in a block `new_marketplace`.
Zones are the main zone of the country; Amazon's US pages count days in Pacific time.
Date orders are those of the feedback file, which has neither zone nor century. Those of no Amazon marketplace
have neither a sales channel nor an id in Amazon's files (`-`), and write their dates whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

POLICY_FOLDER = Path(__file__).parents[1] / "metrics" / "policies"


class Marketplace(NamedTuple):
    """One marketplace; `dates` is the order of day, month and year in its feedback files."""

    code: str
    title: str
    sales_channel: str
    marketplace_id: str
    zone: str
    dates: str

    @property
    def is_amazon(self) -> bool:
        """Whether it is one of Amazon's own."""
        return self.marketplace_id != "-"


class UnknownMarketplaceError(ValueError):
    """Nobody told the kit of such a marketplace."""


class MarketplaceError(ValueError):
    """A block `new_marketplace` of a policy file is wrong; the message says file, line and field."""


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
MERCADO_LIBRE Mercado Libre  -  -  America/Mexico_City  %Y-%m-%d
"""


def _parse_row(line: str) -> Marketplace:
    code, rest = line.split(maxsplit=1)
    title, sales_channel, marketplace_id, zone, dates = rest.rsplit(maxsplit=4)
    return Marketplace(code, title.strip(), sales_channel, marketplace_id, zone, dates)


class _BlockField(NamedTuple):
    """One field of a block: the number of its line, its name and its text."""

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
"""What each field of a block must be, and the words that say so."""


def load_marketplaces(folder: Path = POLICY_FOLDER) -> dict[str, Marketplace]:
    """The marketplaces by code: the rows above, then those that policy files name as new.

    Raises MarketplaceError naming file, line and field.

    >>> known()["JP"].dates
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
    """The marketplace that a policy file names as new, if any, with the lines that say so."""
    # A file that is not UTF-8 is refused by `policy`, which reads all of it.
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for at, line in enumerate(text):
        if line.startswith("new_marketplace:"):
            lines = {one.field: one for one in _block_fields(path, at, text)}
            _check_block(path, at + 1, lines)
            said = dict.fromkeys(_AMAZON_FIELDS, "-") | {name: one.text for name, one in lines.items()}
            yield Marketplace(**said), lines


def _block_fields(path: Path, start: int, text: list[str]) -> Iterator[_BlockField]:
    """The fields of a block that begins at a line, in braces on that line or each on a line of its own below."""
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
    """Refuse a block with a field too many, one that is missing, or one that is not what it must be."""
    for one in lines.values():
        if one.field not in _FIELD_CHECKS:
            raise _block_error(
                path, one.number, one.field, f"there is no such field; there are {', '.join(_FIELD_CHECKS)}"
            )
        is_right, words = _FIELD_CHECKS[one.field]
        if not is_right(one.text):
            raise _block_error(path, one.number, one.field, f"{one.text!r} will not do; {words}")
    # A marketplace of Amazon's has both of these, another neither.
    required = (*_REQUIRED, *(_AMAZON_FIELDS if any(name in lines for name in _AMAZON_FIELDS) else ()))
    for name in required:
        if name not in lines:
            raise _block_error(path, first_line, name, "it is missing")


def _block_error(path: Path, line: int, field: str, problem: str) -> MarketplaceError:
    where = f"new_marketplace, field {field}" if field else "new_marketplace"
    return MarketplaceError(f"{path.name}, line {line}, {where}: {problem}.")


MARKETPLACES: dict[str, Marketplace] = load_marketplaces()
MARKETPLACE_BY_SALES_CHANNEL: dict[str, str] = {
    row.sales_channel.lower(): row.code for row in MARKETPLACES.values() if row.sales_channel != "-"
}


def find_marketplace(code: str) -> Marketplace:
    """The marketplace of that code; raises UnknownMarketplace, naming those there are.

    >>> marketplace("DE").zone
    'Europe/Berlin'
    """
    try:
        return MARKETPLACES[code]
    except KeyError:
        raise UnknownMarketplaceError(f"No marketplace {code!r}. There are: {', '.join(MARKETPLACES)}.") from None
