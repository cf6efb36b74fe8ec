"""The rates file `rates.csv`: what one unit of a currency is worth in the currency in which sales are added up.

An example::

    currency,day,rate
    EUR,2026-10-31,1
    USD,2026-10-31,0.8712
    GBP,2026-10-31,1.1465

The currency whose rate is 1 on every row is the one in which amounts are added up. Of several rows of a currency the
newest on or before the asked day counts. The kit looks no rate up: without this file amounts of several currencies are
never added up.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path

from healthkit.schema.user_files import find_user_file

FILE_NAME = "rates.csv"
COLUMNS = ("currency", "day", "rate")
_MAX_BYTES = 10 << 20


class RatesFileError(ValueError):
    """Raised if the rates file is missing or invalid; the message names file and row, and what to do."""


@dataclass(frozen=True)
class Rates:
    """The rates of a day: the value of one unit of each currency in `base`, and the day of each rate."""

    base: str
    values: dict[str, Fraction]
    days: dict[str, date]

    def factors(self, currencies: Iterable[str]) -> dict[str, Fraction] | None:
        """Return the rate of each currency; None if one of them has no rate.

        >>> Rates("EUR", {"EUR": Fraction(1), "USD": Fraction("0.9")}, {}).factors(["USD"])
        {'USD': Fraction(9, 10)}
        """
        wanted = list(currencies)
        return {one: self.values[one] for one in wanted} if all(one in self.values for one in wanted) else None


def find_rates_file(given: Path | None, store_folder: object) -> Path | None:
    """Return the rates file to use, or None if there is none (see `user_files.find_user_file`).

    Raises RatesFileError if the given one does not exist.
    """
    try:
        return find_user_file(FILE_NAME, store_folder, given)
    except FileNotFoundError:
        raise RatesFileError(f"{given}: there is no such file. Check the path of --rates.") from None


def read_rates(path: Path, as_of: date) -> Rates:
    """Read a rates file; of each currency the newest rate on or before a day.

    Raises RatesFileError, which names file and row, for one that is invalid.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise RatesFileError(f"{path.name}: is larger than {_MAX_BYTES >> 20} MB, as no list of rates is.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RatesFileError(f"{path.name}: is not UTF-8. Save it as CSV in UTF-8.") from None
    rows = csv.reader(lines, delimiter=";" if lines and ";" in lines[0] else ",")
    header = [cell.strip().lower() for cell in next(rows, [])]
    if any(header.count(name) != 1 for name in COLUMNS):
        raise RatesFileError(f"{path.name}: row 1: the columns must be {', '.join(COLUMNS)}, each once.")
    places = [header.index(name) for name in COLUMNS]
    found: dict[str, dict[date, Fraction]] = {}
    for number, cells in enumerate(rows, 2):
        if not any(cell.strip() for cell in cells):
            continue
        currency, day, rate = _read_row(path, number, cells, places)
        if found.setdefault(currency, {}).setdefault(day, rate) != rate:
            raise RatesFileError(f"{path.name}: row {number}: {currency} has two rates on {day}. Keep the right one.")
    bases = [name for name, rate_by_day in found.items() if set(rate_by_day.values()) == {Fraction(1)}]
    if len(bases) != 1:
        problem = "no currency has" if not bases else f"{' and '.join(sorted(bases))} have"
        raise RatesFileError(
            f"{path.name}: {problem} the rate 1 on every row; write 1 for the one currency in which to add up."
        )
    newest = {name: max((day for day in days if day <= as_of), default=None) for name, days in found.items()}
    known = {name: day for name, day in newest.items() if day is not None}
    return Rates(bases[0], {name: found[name][day] for name, day in known.items()} | {bases[0]: Fraction(1)}, known)


def _read_row(path: Path, number: int, cells: list[str], places: list[int]) -> tuple[str, date, Fraction]:
    """Return currency, day and rate of one row."""
    currency, day, rate = (cells[place].strip() if place < len(cells) else "" for place in places)
    where = f"{path.name}: row {number}:"
    if not re.fullmatch("[A-Z]{3}", currency.upper()):
        raise RatesFileError(f"{where} {currency[:20]!r} is no currency; write a code of three letters, such as EUR.")
    try:
        read_day = date.fromisoformat(day)
    except ValueError:
        raise RatesFileError(f"{where} {day[:20]!r} is no day; write it as 2026-10-31.") from None
    plain = rate.replace(",", ".") if re.fullmatch(r"\d+,\d+", rate) else rate
    if not re.fullmatch(r"\d{1,12}(\.\d{1,12})?", plain) or not Fraction(plain):
        raise RatesFileError(f"{where} {rate[:20]!r} is no rate above zero, such as 0.8712.")
    return currency.upper(), read_day, Fraction(plain)
