"""Figures that a marketplace reported itself, as rows: kept as given, and where one contradicts itself, that said.

What the performance reports share, whatever their form: one cell read, one figure judged against itself, one
snapshot laid out as READINGS, VIOLATIONS and ACCOUNT_STATES.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NoReturn

import pyarrow as pa

from healthkit.ingest.parsing.cells import DAY, make_day
from healthkit.ingest.parsing.csv_table import HINT_DOWNLOAD_AGAIN, redact_value
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents, columns_of_rows
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import (
    ACCOUNT_STATUS_WORDS,
    STATUS_WORDS,
)

ALL_CHANNELS = "all"
"""The channel of a figure that the marketplace gives for all orders together."""
ACCOUNT, WARNING, CHECKLIST = "account", "warning", "checklist"
MAX_NUMBER = 10**12
"""No count of orders is larger; a number beyond it is a broken file."""
MAX_REPORT_BYTES = 20_000_000
"""A performance report is some kilobytes; what is so much larger is none."""
MAX_NOTES_PER_KIND = 12
"""At most so many notes of one kind at import: contradictions, unknown status words. The rest is one note."""

_CODE_BY_MARKETPLACE_ID = {
    place.marketplace_id: code for code, place in MARKETPLACES.items() if place.marketplace_id != "-"
}
_NOTHING = {"", "-", "n/a", "na", "null", "none"}
_NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_STAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_WORD = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}", re.ASCII)
_ID = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)
_GOOD, _BAD = {"good", "normal"}, {"bad"}
_UPPER_LIMIT_SIDES = ("below", "at most")


@dataclass(frozen=True)
class RoundedShare:
    """A share of 1 and to how many decimal places the file gives it."""

    value: Decimal
    places: int

    def __str__(self) -> str:
        """The share in percent.

        >>> str(Share(Decimal("0.8848"), 4))
        '88.48 %'
        """
        return f"{float(self.value) * 100:.6g} %"

    def matches(self, numerator: int, counted: int) -> bool:
        """Whether it is the share of `some` in `counted`, rounded or cut off.

        >>> Share(Decimal("0.8848"), 4).fits(146, 165), Share(Decimal("0.009"), 4).fits(1078, 539_000)
        (True, False)
        """
        return abs(Decimal(numerator) / counted - self.value) < Decimal(1).scaleb(-self.places)


@dataclass(frozen=True)
class ReportedFigure:
    """One reported figure. `some` counts those at fault, or, where `well` holds, those that went well."""

    metric: str
    channel: str
    first_day: date
    last_day: date
    counted: int | None = None
    numerator: int | None = None
    well: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)
    rate: RoundedShare | None = None
    target: RoundedShare | None = None
    side: str | None = None
    status: str | None = None

    @property
    def at_fault(self) -> int | None:
        """How many were at fault, or None where the file does not tell or cannot be right."""
        some = self._infer_numerator() if self.numerator is None else self.numerator
        if not self.well or some is None:
            return some
        return None if self.counted is None or some > self.counted else self.counted - some

    def _infer_numerator(self) -> int | None:
        """The whole number that the rate allows, where the file gives no number; None where several would fit."""
        if not self.counted or self.rate is None or self.rate.value > 1:
            return None
        near = round(self.rate.value * self.counted)
        fitting = [
            some
            for some in (near - 1, near, near + 1)
            if 0 <= some <= self.counted and self.rate.matches(some, self.counted)
        ]
        return fitting[0] if len(fitting) == 1 else None

    def has_data(self) -> bool:
        """Whether any number or word of it is known."""
        return any(
            known not in (None, {}) for known in (self.counted, self.numerator, self.rate, self.status, self.parts)
        )

    def row(self) -> dict[str, Any]:
        """Its columns of READINGS, its days in order."""
        first, last = sorted((self.first_day, self.last_day))
        return {
            "channel": self.channel, "metric": self.metric, "first_day": first, "last_day": last,
            "counted": self.counted, "at_fault": self.at_fault,
            "parts": json.dumps(dict(self.parts), sort_keys=True) if self.parts else None,
            "rate": None if self.rate is None else float(self.rate.value),
            "target": None if self.target is None else float(self.target.value),
            "side": self.side, "status": self.status, "contradiction": self.contradiction(),
        }  # fmt: skip

    def contradiction(self) -> str | None:
        """In words, where the figure does not agree with itself; None where it does."""
        sentences = (self._check_days(), self._check_counts(), self._check_status())
        return " ".join(sentence for sentence in sentences if sentence) or None

    def _check_days(self) -> str | None:
        if self.first_day <= self.last_day:
            return None
        return f"Its days ran backwards, from {self.first_day} to {self.last_day}; here they stand in order."

    def _check_counts(self) -> str | None:
        if self.rate is not None and self.rate.value > 1:
            return f"The rate given, {self.rate}, is more than all."
        if self.counted is None or self.numerator is None:
            return None
        if self.numerator > self.counted:
            return f"{self.numerator:,} of {self.counted:,} is more than all."
        if self.rate is None or not self.counted or self.rate.matches(self.numerator, self.counted):
            return None
        share = RoundedShare(Decimal(self.numerator) / self.counted, 0)
        return f"{self.numerator:,} of {self.counted:,} is {share}, but the rate given is {self.rate}."

    def _check_status(self) -> str | None:
        """A rate at its very target may be called either."""
        if self.rate is None or self.target is None or self.side is None or self.rate.value == self.target.value:
            return None
        meets = (self.rate.value < self.target.value) == (self.side in _UPPER_LIMIT_SIDES)
        if self.status in _GOOD and not meets:
            return f"It is called {self.status}, though {self.rate} is not {self.side} {self.target}."
        if self.status in _BAD and meets:
            return f"It is called {self.status}, though {self.rate} is {self.side} {self.target}."
        return None


@dataclass
class ReportedFigures:
    """All that one report says of an account, put together row by row."""

    asked: ReadContext
    readings: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    violations: dict[tuple[str, str], int] = field(default_factory=dict)
    states: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    days: list[date] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown_words: list[str] = field(default_factory=list)

    def skip(self, reason: str) -> None:
        """Count one thing that is left out, and why."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def place(self, identifier: str | None) -> str:
        """The marketplace of that id, else the one told; raises ReaderError for one unknown or contradicted."""
        name, told = self.asked.name, self.asked.marketplace
        if identifier is None:
            if told is None:
                raise ReaderError(f"{name}: does not say of which marketplace it is. Say which with --marketplace.")
            return told
        code = _CODE_BY_MARKETPLACE_ID.get(identifier)
        if code is None:
            written = f"is '{identifier}'," if _ID.fullmatch(identifier) else redact_any_value(identifier)
            raise ReaderError(
                f"{name}: marketplaceId {written} a marketplace that the kit does not know. It knows "
                f"{', '.join(_CODE_BY_MARKETPLACE_ID.values())}; another one is a row in marketplaces.py."
            )
        if told not in (None, code):
            raise ReaderError(
                f"{name}: you said marketplace {told}, but the file states {code}. "
                "Leave --marketplace out: the file says it by itself."
            )
        return code

    def figure(self, marketplace: str, figure: ReportedFigure) -> None:
        """Take one figure; of two on the same days the first stands, and says so where they differ."""
        if not figure.has_data():
            self.skip("figures that the file leaves empty")
            return
        row = figure.row()
        key = (marketplace, row["channel"], row["metric"], row["first_day"], row["last_day"])
        held = self.readings.setdefault(key, row)
        if any(known is not None and held[name] not in (None, known) for name, known in row.items()):
            twice = "The file gives it twice, and differently; the first stands."
            held["contradiction"] = " ".join(filter(None, (held["contradiction"], twice)))

    def add_violation(self, marketplace: str, category: str, count: int) -> None:
        """Take one count of open violations; of two the larger stands, so that none is hidden."""
        held = self.violations.get((marketplace, category))
        if held not in (None, count):
            self.notes.append(f"{marketplace} {category}: given as {held:,} and as {count:,}; the larger stands.")
        self.violations[marketplace, category] = max(count, held or 0)

    def state(self, marketplace: str, kind: str, name: str, state: str | None, count: int | None = None) -> None:
        """Take one word on the account as a whole; of two the last stands."""
        self.states[marketplace, kind, name] = {"state": state, "count": count}

    def taken(self, stated: date | None = None) -> FileContents:
        """The whole, as of the day stated, else the newest day that the file reports on."""
        if stated is None and not self.days:
            raise ReaderError(
                f"{self.asked.name}: holds no day at all, so that the day of its figures is unknown. Ask for it again."
            )
        as_of = stated or max(self.days)
        if stated is None:
            self.notes.append(f"Taken as of {as_of}, the newest day that the file reports on.")
        self._note_contradictions()
        self._note_unknown_words()
        tables = self._tables(as_of)
        days = [row[end] for row in self.readings.values() for end in ("first_day", "last_day")] or [as_of]
        return FileContents(
            {name: columns_of_rows(name, rows) for name, rows in tables.items()},
            pa.array(days, DAY),
            updated_at=datetime.combine(as_of, time(23, 59, 59), UTC),
            rows=sum(map(len, tables.values())),
            skipped=self.skipped,
            notes=self.notes,
            stated_day=stated,
        )

    def _tables(self, as_of: date) -> dict[str, list[dict[str, Any]]]:
        readings = [{"marketplace": key[0], "as_of": as_of, **row} for key, row in self.readings.items()]
        violations = [
            {"marketplace": place, "category": category, "violation_id": "", "opened_on": as_of, "count": count}
            for (place, category), count in self.violations.items()
        ]
        states = [
            {"marketplace": place, "kind": kind, "name": name, "as_of": as_of, **said}
            for (place, kind, name), said in self.states.items()
        ]
        return {"readings": readings, "violations": violations, "account_states": states}

    def note_unknown_word(self, subject: str, status: str, number: str) -> None:
        """Note a status word that the kit does not know, with the figure's own number ("" where there is none)."""
        judged = f"judged by its number, {number}" if number else "without a number, so it counts as no data"
        self.unknown_words.append(f"{subject}: unknown status word '{status}'; the figure is {judged}.")

    def _note_contradictions(self) -> None:
        """Tell at import what the figures contradict themselves in."""
        found = [
            f"{key[0]} {row['metric']} ({row['channel']}, {row['first_day']} to {row['last_day']}): "
            f"{row['contradiction']}"
            for key, row in self.readings.items()
            if row["contradiction"]
        ]
        self._note(found, "figures contradict themselves")

    def _note_unknown_words(self) -> None:
        """Tell at import which status words the kit does not know, and what becomes of them."""
        for key, row in self.readings.items():
            if row["status"] is not None and row["status"] not in STATUS_WORDS:
                days = f"{row['first_day']} to {row['last_day']}"
                self.note_unknown_word(
                    f"{key[0]} {row['metric']} ({row['channel']}, {days})", row["status"], _describe_number(row)
                )
        for (place, kind, name), row in self.states.items():
            known: Collection[str] = {ACCOUNT: ACCOUNT_STATUS_WORDS, CHECKLIST: STATUS_WORDS}.get(kind, ())
            if known and row["state"] not in known:
                self.unknown_words.append(
                    f"{place} {kind} {name}: unknown status word '{row['state']}'; shown as the report gives it."
                )
        self._note(self.unknown_words, "status words are unknown")

    def _note(self, sentences: list[str], overflow_label: str) -> None:
        """Add sentences of one kind to the notes: the first ones, and how many more there are."""
        self.notes += sentences[:MAX_NOTES_PER_KIND]
        if len(sentences) > MAX_NOTES_PER_KIND:
            self.notes.append(f"{len(sentences) - MAX_NOTES_PER_KIND:,} more {overflow_label}.")


def _describe_number(row: Mapping[str, Any]) -> str:
    """The number of a figure, in words; "" where it has none.

    >>> _number({"parts": '{"score": 96}', "counted": None, "at_fault": None, "rate": None})
    '96 points'
    >>> _number({"parts": None, "counted": 200, "at_fault": 3, "rate": 0.015})
    '3 of 200 at fault, rate 1.5 %'
    """
    parts = json.loads(row["parts"]) if row["parts"] else {}
    if "score" in parts:
        return f"{parts['score']:,} points"
    counts = row["counted"] is not None and row["at_fault"] is not None
    some = f"{row['at_fault']:,} of {row['counted']:,} at fault" if counts else ""
    rate = "" if row["rate"] is None else f"rate {row['rate'] * 100:.6g} %"
    return ", ".join(filter(None, (some, rate)))


def refuse_large_file(content: bytes, name: str) -> None:
    """Raise ReaderError for a file that is far too large for a performance report."""
    if len(content) > MAX_REPORT_BYTES:
        raise ReaderError(
            f"{name}: holds {len(content):,} bytes; a performance report has some thousands, and the kit reads no more "
            f"than {MAX_REPORT_BYTES:,}. {HINT_DOWNLOAD_AGAIN}"
        )


def refuse_value(where: str, value: Any, reason: str) -> NoReturn:
    """Raise ReaderError for one value of a report, in the words of all readers."""
    raise ReaderError(f"{where} {redact_any_value(value)} {reason}. {HINT_DOWNLOAD_AGAIN}")


def redact_any_value(value: Any) -> str:
    """A value as a message may show it, whatever it is.

    >>> seen([1]), seen(True), seen("many")
    ('is a list,', 'is true or false,', "is 'many',")
    """
    kinds = {dict: "is an object,", list: "is a list,", bool: "is true or false,"}
    return kinds.get(type(value)) or redact_value(str(value).encode("utf-8", "backslashreplace").decode())


def parse_number(value: Any, where: str) -> Decimal | None:
    """A number that is not negative, written as one or as text; None where there is none.

    >>> number("1,078", "x"), number(" ", "x"), number(None, "x")
    (Decimal('1078'), None, None)
    """
    if isinstance(value, str) and value.strip().lower() in _NOTHING:
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip().replace(",", ""))
    if value is None:
        return None
    if not isinstance(value, Decimal) or not value.is_finite():
        refuse_value(where, value, "no number")
    if not 0 <= value <= MAX_NUMBER:
        refuse_value(where, value, "no number that a report can hold")
    return value


def parse_count(value: Any, where: str) -> int | None:
    """A whole number, or None.

    >>> count("165.0", "x")
    165
    """
    found = parse_number(value, where)
    if found is not None and found != found.to_integral_value():
        refuse_value(where, value, "no whole number")
    return None if found is None else int(found)


def parse_share(value: Any, where: str) -> RoundedShare | None:
    """A share of 1, or the same in percent where a percent sign says so; None where there is none.

    A number drops the zeros at its end, so it is taken as good to four places at least.

    >>> share("0.52 %", "x"), share("0,5%", "x").value, share("0.01", "x").places
    (Share(value=Decimal('0.0052'), places=4), Decimal('0.005'), 4)
    """
    text = value.strip() if isinstance(value, str) else ""
    if text.endswith("%"):
        found = parse_number(re.sub(r"^(\d+),(\d+)$", r"\1.\2", text[:-1].strip()), where)
        return None if found is None else RoundedShare(found / 100, _decimal_places(found) + 2)
    found = parse_number(value, where)
    return None if found is None else RoundedShare(found, max(4, _decimal_places(found)))


def _decimal_places(value: Decimal) -> int:
    """How many places behind the point a number has; a float has no more than 15 that mean anything."""
    exponent = value.as_tuple().exponent
    return min(15, max(0, -exponent)) if isinstance(exponent, int) else 0


def parse_timestamp_day(value: Any, where: str) -> date | None:
    """The day of a time stamp as it is written, whatever its zone; None where there is none.

    >>> day("2020-11-18T23:59Z", "x"), day("2021-12-27T23:59:59Z", "x"), day(None, "x")
    (datetime.date(2020, 11, 18), datetime.date(2021, 12, 27), None)
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
        return None
    found = _STAMP.fullmatch(value.strip()) if isinstance(value, str) else None
    read = make_day(*found.group(1, 2, 3)) if found else None
    if read is None:
        refuse_value(where, value, "no day written as yyyy-mm-dd")
    return read


def parse_status_word(value: Any, where: str) -> str | None:
    """A word of the marketplace in lower case, parted by blanks; None where there is none.

    >>> word("AT_RISK", "x"), word("At Risk", "x"), word("NONE", "x"), word("", "x")
    ('at risk', 'at risk', 'none', None)
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not _WORD.fullmatch(value.strip()):
        refuse_value(where, value, "no word of a status")
    return re.sub(r"[_\s-]+", " ", value.strip().lower())


def to_snake_case(key: str) -> str:
    """The name of a block in our spelling.

    >>> name_of("receivedIntellectualPropertyComplaints"), name_of("a_z_claims")
    ('received_intellectual_property_complaints', 'a_z_claims')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower())[:60].strip("_") or "unnamed"
