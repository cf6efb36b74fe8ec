"""Times and days as order files of many marketplaces write them: formats in the notation of `strptime`.

Besides `strptime`, month names of several languages are known (`%b` and `%B`, in full or shortened), a format may leave
out the year, and white space in a format stands for any white space. ISO 8601 is always read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

_MONTH_NAMES = (
    "january januar janvier gennaio enero janeiro januari styczen",
    "february februar fevrier febbraio febrero fevereiro februari luty",
    "march marz maerz mars marzo marco maart marzec mrz",
    "april avril aprile abril kwiecien",
    "may mai maggio mayo maio mei maj",
    "june juni juin giugno junio junho czerwiec",
    "july juli juillet luglio julio julho lipiec",
    "august aout agosto augustus augusti sierpien",
    "september septembre settembre septiembre setembro wrzesien setiembre",
    "october oktober octobre ottobre octubre outubro pazdziernik",
    "november novembre noviembre novembro listopad",
    "december dezember decembre dicembre diciembre dezembro grudzien",
)
_ACCENTS = str.maketrans("áàâãäåçéèêëíìîïñóòôõöśúùûüżźłńęą", "aaaaaaceeeeiiiinooooosuuuuzzlnea")
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_MIN_MONTH_LETTERS = 3
_PATTERNS = {
    "d": r"(?P<d>\d{1,2})", "m": r"(?P<m>\d{1,2})", "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d{2})",
    "b": r"(?P<b>[^\W\d_]{3,}\.?)", "B": r"(?P<b>[^\W\d_]{3,}\.?)", "H": r"(?P<H>\d{1,2})", "I": r"(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{2})", "S": r"(?P<S>\d{2})(?:\.\d+)?", "p": r"(?P<p>[AaPp]\.?\s?[Mm]\.?)",
    "z": r"(?P<z>Z|UTC|GMT|[+-]\d{2}\s?:?\s?\d{2})",
}  # fmt: skip
_ISO_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M %z")
_FIRST_YEAR, _LAST_YEAR = 1995, 2099


class WrittenTime(NamedTuple):
    """A time as a file writes it. `moment` has a time zone if the text states an offset.

    `has_time` is whether the text has a time of day, `has_year` whether it has a year; without one the year is 2000.
    """

    moment: datetime
    has_time: bool
    has_year: bool


def parse_time(text: str, formats: Iterable[str] = ()) -> WrittenTime | None:
    """Parse a time or day in ISO 8601 or in one of the given formats; return None for other text.

    >>> parse_time("10-Dez-25", ["%d-%b-%y"]).moment
    datetime.datetime(2025, 12, 10, 0, 0)
    >>> parse_time("30 de septiembre de 2025 19:29 hs.", ["%d de %B de %Y %H:%M hs."]).moment
    datetime.datetime(2025, 9, 30, 19, 29)
    >>> parse_time("1 de septiembre | 23:52", ["%d de %B | %H:%M"]).has_year, parse_time("2026-05-01").has_time
    (False, False)
    >>> parse_time("2026-05-01T10:00:00+0200").moment.utcoffset(), parse_time("31/02/2026", ["%d/%m/%Y"])
    (datetime.timedelta(seconds=7200), None)
    """
    text = text.strip()
    iso_formats = _ISO_FORMATS if text[:4].isdigit() else ()  # Each of them begins with a year of four digits.
    return next(filter(None, (_parse_with(text, one) for one in (*iso_formats, *formats))), None)


def _parse_with(text: str, time_format: str) -> WrittenTime | None:
    """Parse text in one format."""
    found = _compile_format(time_format).fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    month = parse_month(parts["b"]) if parts.get("b") else int(parts["m"])
    year = int(parts.get("Y") or (f"20{parts['y']}" if parts.get("y") else 2000))
    hour, minute, second = (int(parts.get(one) or 0) for one in ("H", "M", "S"))
    if parts.get("I"):
        clock_hour = int(parts["I"])
        if not 1 <= clock_hour <= 12:
            return None
        hour = clock_hour % 12 + (12 if parts["p"][0] in "pP" else 0)
    try:
        moment = datetime(year, month or 0, int(parts["d"]), hour, minute, second)
    except ValueError:
        return None
    has_year = bool(parts.get("Y") or parts.get("y"))
    if has_year and not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    if parts.get("z"):
        moment = moment.replace(tzinfo=_parse_offset(parts["z"]))
    return WrittenTime(moment, "M" in parts and parts["M"] is not None, has_year)


@lru_cache(1_024)
def parse_month(name: str) -> int | None:
    """Return the number of a month from its name in one of several languages, in full or shortened to three letters.

    Return None for a name that is unknown or fits several months.

    >>> parse_month("Sept."), parse_month("März"), parse_month("fev"), parse_month("Ju"), parse_month("xyz")
    (9, 3, 2, None, None)
    """
    letters = name.lower().rstrip(".").translate(_ACCENTS)
    if len(letters) < _MIN_MONTH_LETTERS:
        return None
    months = {number for full, number in _MONTHS.items() if full.startswith(letters)}
    return months.pop() if len(months) == 1 else _MONTHS.get(letters)


def _parse_offset(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    sign, digits = -1 if text[0] == "-" else 1, re.sub(r"\D", "", text)
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


@lru_cache(256)
def _compile_format(time_format: str) -> re.Pattern[str]:
    """Return the regular expression of a format; raise ValueError for an unknown directive."""
    pattern = ""
    for piece in re.findall(r"%.|\s+|[^%\s]+", time_format):
        if piece[0] == "%":
            if piece[1] not in _PATTERNS:
                known = ", ".join(f"%{one}" for one in _PATTERNS)
                raise ValueError(f"no directive {piece}; there are: {known}")
            pattern += _PATTERNS[piece[1]]
        else:
            pattern += r"\s+" if piece.isspace() else re.escape(piece)
    # The date and the time of ISO 8601 may be separated by a T, and an offset may follow without a space.
    pattern = pattern.replace(r"(?P<d>\d{1,2})\s+(?P<H>", r"(?P<d>\d{1,2})(?:\s+|T)(?P<H>")
    return re.compile(re.sub(r"\\s\+(?=\(\?P<[zp]>)", r"\\s*", pattern), re.IGNORECASE)


def check_format(time_format: str) -> str:
    """Return a format that has a day and a month; raise ValueError for any other.

    >>> check_format("%d/%m/%Y %H:%M")
    '%d/%m/%Y %H:%M'
    >>> check_format("%H:%M")
    Traceback (most recent call last):
    ...
    ValueError: '%H:%M' needs a day (%d) and a month (%m, %b or %B)
    """
    groups = _compile_format(time_format).groupindex
    if "d" not in groups or not {"m", "b"} & groups.keys() or ("I" in groups) != ("p" in groups):
        need = "a day (%d) and a month (%m, %b or %B)"
        raise ValueError(f"{time_format!r} needs {need}" + (", and %I needs %p" if "I" in groups else ""))
    return time_format
