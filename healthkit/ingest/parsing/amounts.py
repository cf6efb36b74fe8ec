"""Readers of money: what the lines of an order cost, exactly, and in which currency.

An amount is the price of all units of a line as the file states it, without shipping. Discounts are in it or not as the
column of the file has it: Amazon's price is before promotions, TikTok Shop's after discounts. Whether tax is in it, the
files do not say in one way. Nothing of a buyer is read. Amounts are whole numbers of ten-thousandths, so
that sums are exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.csv_table import CsvTable, combine_chunks
from healthkit.schema.tables import AMOUNT_SCALE

MAX_AMOUNT = Decimal(10**11)
"""Amounts from this one on are no price of a line."""
CURRENCIES: Mapping[str, str] = {
    "US": "USD", "CA": "CAD", "MX": "MXN", "BR": "BRL", "UK": "GBP", "DE": "EUR", "FR": "EUR", "IT": "EUR", "ES": "EUR",
    "NL": "EUR", "BE": "EUR", "IE": "EUR", "SE": "SEK", "PL": "PLN", "TR": "TRY", "AE": "AED", "SA": "SAR", "EG": "EGP",
    "ZA": "ZAR", "IN": "INR", "JP": "JPY", "AU": "AUD", "SG": "SGD", "OLIST": "BRL", "WALMART_US": "USD",
    "WALMART_CA": "CAD", "TIKTOK_US": "USD",
}  # fmt: skip
"""The one currency of a marketplace, for files that name none; marketplaces of several currencies are left out."""

_SYMBOLS: Mapping[str, str] = {
    "us$": "USD", "c$": "CAD", "ca$": "CAD", "au$": "AUD", "a$": "AUD", "s$": "SGD", "hk$": "HKD", "nz$": "NZD",
    "mx$": "MXN", "r$": "BRL", "€": "EUR", "£": "GBP", "zł": "PLN", "₹": "INR", "rs": "INR", "rs.": "INR", "rp": "IDR",
    "₫": "VND", "đ": "VND", "฿": "THB", "₱": "PHP", "rm": "MYR", "tl": "TRY", "₺": "TRY", "円": "JPY",
}  # fmt: skip
"""Signs of one currency alone; `$`, `¥` and `kr` are of several."""
_SHARED_SYMBOLS: Mapping[str, frozenset[str]] = {
    "$": frozenset({"USD", "CAD", "AUD", "SGD", "MXN"}),
    "¥": frozenset({"JPY"}),
    "kr": frozenset({"SEK"}),
}
_DOLLARS_OF = {"EBAY": "USD", "ETSY": "USD"}
"""Marketplaces whose other sites write a letter before `$`, so that `$` alone is the US dollar (inferred)."""
_BLANKS = re.compile(r"[\s\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}'\N{RIGHT SINGLE QUOTATION MARK}]")
_PARTS = re.compile(r"([^\d,.+-]*)([+-]?[\d.,]*\d)([^\d,.+-]*\.?)")
_CODE = re.compile(r"[A-Z]{3}")


def parse_amount(word: str) -> Decimal | None:
    """Return an amount with decimal point or comma and thousands separators; None for other text.

    >>> [str(parse_amount(word)) for word in ("-12.50", "-1.234,56", "1,234", "-3 000,5", "x")]
    ['-12.50', '-1234.56', '1234', '-3000.5', 'None']
    """
    plain = _BLANKS.sub("", word).replace("\N{MINUS SIGN}", "-")
    found = re.fullmatch(r"([+-]?)(\d{1,15}|\d{1,3}(?:[.,]\d{3})+)(?:[.,](\d{1,4}))?", plain)
    if found is None:
        return None
    sign, whole, rest = found.groups()
    if rest is not None and len(rest) == 3 and not re.search("[.,]", whole) and whole.lstrip("0"):
        whole, rest = whole + rest, None  # 1,234 is a thousand and more: money has no three decimals
    digits = re.sub("[.,]", "", whole)
    return Decimal(f"{sign}{digits}{f'.{rest}' if rest else ''}")


def parse_price(word: str, marketplace: str = "") -> tuple[Decimal | None, str | None]:
    """Return the amount and the currency in a cell; the currency is None if no sign names one, or one of several.

    An amount below zero, or text that is none, gives None.

    >>> parse_price("US $1,234.50"), parse_price("1.234,50 €"), parse_price("EUR 12,5")
    ((Decimal('1234.50'), 'USD'), (Decimal('1234.50'), 'EUR'), (Decimal('12.5'), 'EUR'))
    >>> parse_price("$9.99", "WALMART_CA"), parse_price("$9.99"), parse_price("IDR 150.000"), parse_price("on request")
    ((Decimal('9.99'), 'CAD'), (Decimal('9.99'), None), (Decimal('150000'), 'IDR'), (None, None))
    """
    found = _PARTS.fullmatch(_BLANKS.sub("", word))
    if found is None:
        return None, None
    before, number, after = found.groups()
    amount = parse_amount(number)
    if amount is None or not 0 <= amount < MAX_AMOUNT or (before and after):
        return None, None
    sign = before or after
    currency = _currency_of_sign(sign, marketplace)
    return (amount, currency) if currency or not sign or sign in _SHARED_SYMBOLS else (None, None)


def _currency_of_sign(sign: str, marketplace: str) -> str | None:
    """Return the currency that a sign or code beside an amount means; None if it is of several, or unknown."""
    if _CODE.fullmatch(sign.upper()):
        return sign.upper()
    own = CURRENCIES.get(marketplace) or (_DOLLARS_OF.get(marketplace) if sign == "$" else None)
    if sign in _SHARED_SYMBOLS:
        return own if own in _SHARED_SYMBOLS[sign] else None
    return _SYMBOLS.get(sign.lower())


def read_line_amounts(
    table: CsvTable,
    marketplaces: pa.Array,
    column: str = "item-price",
    *,
    unit_column: str = "",
    units: pa.Array | None = None,
    currency_column: str = "currency",
) -> dict[str, pa.Array]:
    """Return the columns `amount` (ten-thousandths) and `currency` of the lines of an order file.

    `column` holds the price of a whole line, or else `unit_column` that of one of its `units`. The currency is that of
    its own column, or of the sign in the cell, or in the name of the column, or the marketplace's only one. A cell that
    is no price is left empty, and noted: no order is refused for its price.
    """
    if not any(name and table.has_column(name) for name in (column, unit_column)):
        return {"amount": pa.nulls(len(table), pa.int64()), "currency": pa.nulls(len(table), pa.string())}
    amount, sign = _read_prices(table, column, marketplaces)
    named = _code_in_name(table, column)
    if unit_column and units is not None and table.has_column(unit_column):
        each, each_sign = _read_prices(table, unit_column, marketplaces)
        named = named or _code_in_name(table, unit_column)
        amount, sign = pc.coalesce(amount, pc.multiply(each, units)), pc.coalesce(sign, each_sign)
    found = pc.coalesce(
        _read_codes(table, currency_column), sign, pa.scalar(named, pa.string()), _own_currencies(marketplaces)
    )
    return {"amount": amount, "currency": pc.if_else(pc.is_valid(amount), found, None)}


def _read_prices(table: CsvTable, column: str, marketplaces: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the amounts and the currencies of a column, and note the cells that are no price."""
    cells = table[column]
    codes = pc.unique(combine_chunks(marketplaces)).to_pylist()
    coded = combine_chunks(pc.dictionary_encode(cells))
    words = coded.dictionary.to_pylist()
    amounts, signs = pa.nulls(len(table), pa.int64()), pa.nulls(len(table), pa.string())
    for code in codes:
        read = [_read_price(word, code or "") for word in words]
        numbers = pa.array([amount for amount, _ in read], pa.int64()).take(coded.indices)
        names = pa.array([sign for _, sign in read], pa.string()).take(coded.indices)
        if len(codes) == 1:
            amounts, signs = numbers, names
        else:
            of_code = pc.fill_null(pc.equal(marketplaces, code), code is None)
            amounts, signs = pc.if_else(of_code, numbers, amounts), pc.if_else(of_code, names, signs)
    unread = pc.and_(pc.is_valid(cells), pc.is_null(amounts))
    if count := pc.sum(unread).as_py():
        row = table.line_number(pc.index(unread, True).as_py()) if table.body else 0
        first = f", the first in row {row:,}," if row else ""
        table.notes.append(f"{column}: {count:,} cells{first} hold no price; these lines have no value.")
    return amounts, signs


@lru_cache(1 << 14)  # Every chunk of a file has much the same prices.
def _read_price(word: str, marketplace: str) -> tuple[int | None, str | None]:
    """Return the amount in ten-thousandths and the currency in a cell; see `parse_price`."""
    amount, currency = parse_price(word, marketplace)
    return None if amount is None else to_ten_thousandths(amount), currency


def to_ten_thousandths(amount: Decimal) -> int:
    """Return an amount as a whole number of ten-thousandths; further decimals are rounded.

    >>> to_ten_thousandths(Decimal("12.5")), to_ten_thousandths(Decimal("0.00005"))
    (125000, 0)
    """
    return int((amount * AMOUNT_SCALE).to_integral_value())


def amount_text(amount: int | None) -> str | None:
    """Return an amount in ten-thousandths as the text of a cell with four decimals; None for None.

    >>> amount_text(125000)
    '12.5000'
    """
    return None if amount is None else f"{amount // AMOUNT_SCALE}.{amount % AMOUNT_SCALE:04d}"


def read_json_money(value: Any, amount_key: str, currency_key: str) -> dict[str, Any]:
    """Return `amount` (ten-thousandths) and `currency` of an object of an API; both None for anything else.

    >>> read_json_money({"CurrencyCode": "EUR", "Amount": "12.50"}, "Amount", "CurrencyCode")
    {'amount': 125000, 'currency': 'EUR'}
    >>> read_json_money(None, "Amount", "CurrencyCode")
    {'amount': None, 'currency': None}
    """
    fields = value if isinstance(value, dict) else {}
    amount, code = parse_plain_amount(fields.get(amount_key)), fields.get(currency_key)
    known = isinstance(code, str) and _CODE.fullmatch(code.strip().upper()) is not None and amount is not None
    return {
        "amount": None if amount is None else to_ten_thousandths(amount),
        "currency": code.strip().upper() if known and isinstance(code, str) else None,
    }


def parse_plain_amount(value: Any) -> Decimal | None:
    """Return an amount as programs write it, with a decimal point and nothing else; None for anything else.

    >>> parse_plain_amount("1234.500"), parse_plain_amount(Decimal("9.9")), parse_plain_amount("1,5")
    (Decimal('1234.500'), Decimal('9.9'), None)
    """
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,15}(\.\d{1,10})?\s*", value):
        value = Decimal(value.strip())
    is_amount = isinstance(value, Decimal) and value.is_finite() and 0 <= value < MAX_AMOUNT
    return value if is_amount else None


def _read_codes(table: CsvTable, column: str) -> pa.Array:
    """Return the currency codes of a column; other text becomes empty."""
    coded = combine_chunks(pc.dictionary_encode(table[column]))
    known = [word.upper() if _CODE.fullmatch(word.upper()) else None for word in coded.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(coded.indices)


def _code_in_name(table: CsvTable, column: str) -> str | None:
    """Return the currency code in the file's own name of a column, as in `Ingresos por productos (MXN)`."""
    found = re.search(r"\(([a-z]{3})\)", table.spellings.get(column, ""))
    return found[1].upper() if found else None


def _own_currencies(marketplaces: pa.Array) -> pa.Array:
    """Return the only currency of the marketplace of each row; empty if it has several."""
    coded = combine_chunks(pc.dictionary_encode(combine_chunks(marketplaces)))
    return pa.array([CURRENCIES.get(code) for code in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)
