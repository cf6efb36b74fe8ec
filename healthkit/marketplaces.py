"""The marketplaces that the readers know: how files name them, their zone, how they write dates.

One row a marketplace. What a marketplace *asks* of a seller stands in `policies/*.yaml`, not here.
Zones are the main zone of the country; Amazon's US pages count days in Pacific time.
Date orders are those of the feedback file, which has neither zone nor century. Those of no Amazon marketplace
have neither a sales channel nor an id in Amazon's files (`-`), and write their dates whole.
"""

from __future__ import annotations

from typing import NamedTuple


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


class UnknownMarketplace(ValueError):
    """Nobody told the kit of such a marketplace."""


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


def _read(line: str) -> Marketplace:
    code, rest = line.split(maxsplit=1)
    title, sales_channel, marketplace_id, zone, dates = rest.rsplit(maxsplit=4)
    return Marketplace(code, title.strip(), sales_channel, marketplace_id, zone, dates)


MARKETPLACES: dict[str, Marketplace] = {row.code: row for row in map(_read, _ROWS.strip().splitlines())}
BY_SALES_CHANNEL: dict[str, str] = {
    row.sales_channel.lower(): row.code for row in MARKETPLACES.values() if row.sales_channel != "-"
}


def marketplace(code: str) -> Marketplace:
    """The marketplace of that code; raises UnknownMarketplace, naming those there are.

    >>> marketplace("DE").zone
    'Europe/Berlin'
    """
    try:
        return MARKETPLACES[code]
    except KeyError:
        raise UnknownMarketplace(f"No marketplace {code!r}. There are: {', '.join(MARKETPLACES)}.") from None
