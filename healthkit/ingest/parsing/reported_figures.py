"""Collect the figures that a marketplace reports itself, as rows of READINGS, VIOLATIONS and ACCOUNT_STATES.

Shared by all performance reports, JSON or XML: parse single values, check each figure against itself, and build the
tables. Figures are stored as the file gives them, with a note where one contradicts itself.
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
from healthkit.ingest.parsing.unknown_stores import refuse_only_unknown_stores, unknown_store_reason
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import (
    ACCOUNT_STATUS_WORDS,
    STATUS_WORDS,
)

ALL_CHANNELS = "all"
"""Channel name of a figure that covers the orders of all channels together."""
ACCOUNT, WARNING, CHECKLIST = "account", "warning", "checklist"
"""Values of the column `kind` of the table ACCOUNT_STATES."""
MAX_NUMBER = 10**12
"""Largest number that is accepted in a report."""
MAX_REPORT_BYTES = 20_000_000
"""Largest size of a performance report; usual reports have some thousand bytes. [bytes]"""
MAX_NOTES_PER_KIND = 12
"""Largest number of notes of one kind at an import; one more note states how many others there are."""

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
_MARKETPLACE_ID = re.compile(r"[A-Z0-9]{10,20}", re.ASCII)
_GOOD, _BAD = {"good", "normal"}, {"bad"}
_UPPER_LIMIT_SIDES = ("below", "at most")


@dataclass(frozen=True)
class RoundedShare:
    """A share (1 is 100 %) and the number of decimal places with which the file states it."""

    value: Decimal
    decimal_places: int

    def __str__(self) -> str:
        """Return the share as text in percent.

        >>> str(RoundedShare(Decimal("0.8848"), 4))
        '88.48 %'
        """
        return f"{float(self.value) * 100:.6g} %"

    def matches(self, numerator: int, counted: int) -> bool:
        """Return whether `numerator` / `counted`, rounded or truncated, equals the share.

        >>> RoundedShare(Decimal("0.8848"), 4).matches(146, 165)
        True
        >>> RoundedShare(Decimal("0.009"), 4).matches(1078, 539_000)
        False
        """
        return abs(Decimal(numerator) / counted - self.value) < Decimal(1).scaleb(-self.decimal_places)


@dataclass(frozen=True)
class ReportedFigure:
    """One figure of a report: the value of a metric in a channel, with its days, counts, target and status.

    `numerator` counts the orders at fault or, with `numerator_is_good`, those without fault.
    """

    metric: str
    channel: str
    first_day: date
    last_day: date
    counted: int | None = None
    numerator: int | None = None
    numerator_is_good: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)
    rate: RoundedShare | None = None
    target: RoundedShare | None = None
    side: str | None = None
    status: str | None = None

    @property
    def at_fault(self) -> int | None:
        """Number of orders at fault, or None if the file does not state it or contradicts itself."""
        numerator = self._infer_numerator() if self.numerator is None else self.numerator
        if not self.numerator_is_good or numerator is None:
            return numerator
        return None if self.counted is None or numerator > self.counted else self.counted - numerator

    def _infer_numerator(self) -> int | None:
        """Return the numerator that fits the rate, or None if several do."""
        if not self.counted or self.rate is None or self.rate.value > 1:
            return None
        near = round(self.rate.value * self.counted)
        candidates = range(max(0, near - 1), min(self.counted, near + 1) + 1)
        fitting = [numerator for numerator in candidates if self.rate.matches(numerator, self.counted)]
        return fitting[0] if len(fitting) == 1 else None

    def has_data(self) -> bool:
        """Return whether the figure has a number or a status."""
        return any(
            value not in (None, {}) for value in (self.counted, self.numerator, self.rate, self.status, self.parts)
        )

    def row(self) -> dict[str, Any]:
        """Return the figure as one row of the table READINGS.

        The earlier of its two days becomes the first.
        """
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
        """Return a text that states how the figure contradicts itself, or None if it does not."""
        sentences = (self._check_days(), self._check_counts(), self._check_status())
        return " ".join(sentence for sentence in sentences if sentence) or None

    def _check_days(self) -> str | None:
        if self.first_day <= self.last_day:
            return None
        return f"Its days ran backwards, from {self.first_day} to {self.last_day}; here they are in order."

    def _check_counts(self) -> str | None:
        if self.rate is not None and self.rate.value > 1:
            return f"The rate given, {self.rate}, is more than 100 %."
        if self.counted is None or self.numerator is None:
            return None
        if self.numerator > self.counted:
            return f"{self.numerator:,} of {self.counted:,} is more than 100 %."
        if self.rate is None or not self.counted or self.rate.matches(self.numerator, self.counted):
            return None
        share = RoundedShare(Decimal(self.numerator) / self.counted, 0)
        return f"{self.numerator:,} of {self.counted:,} is {share}, but the rate given is {self.rate}."

    def _check_status(self) -> str | None:
        """Compare the status with the rate and its target; a rate equal to its target may have either status."""
        if self.rate is None or self.target is None or self.side is None or self.rate.value == self.target.value:
            return None
        meets = (self.rate.value < self.target.value) == (self.side in _UPPER_LIMIT_SIDES)
        if self.status in _GOOD and not meets:
            return f"It is called {self.status}, though {self.rate} is not {self.side} {self.target}."
        if self.status in _BAD and meets:
            return f"It is called {self.status}, though {self.rate} is {self.side} {self.target}."
        return None


def is_unknown_marketplace_id(identifier: str | None) -> bool:
    """Return whether a text is written as a marketplace id of Amazon's, and healthkit does not know it.

    >>> is_unknown_marketplace_id("A0NEWSTORE00"), is_unknown_marketplace_id("A1PA6795UKMFR9")
    (True, False)
    """
    return bool(identifier and _MARKETPLACE_ID.fullmatch(identifier)) and identifier not in _CODE_BY_MARKETPLACE_ID


@dataclass
class ReportedFigures:
    """All figures, violations and account states of one report, added one by one while it is read."""

    context: ReadContext
    readings: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    violations: dict[tuple[str, str], int] = field(default_factory=dict)
    states: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    days: list[date] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown_words: list[str] = field(default_factory=list)

    def count_skipped(self, reason: str) -> None:
        """Add 1 to the number of things in the report that are skipped for the given reason."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def skips_unknown_store(self, identifier: str | None) -> bool:
        """Return whether a marketplace id is that of a store that healthkit does not know, and count it as skipped."""
        is_unknown = is_unknown_marketplace_id(identifier)
        if is_unknown:
            self.count_skipped(unknown_store_reason(f"marketplace id {identifier}"))
        return is_unknown

    def resolve_marketplace(self, identifier: str | None) -> str:
        """Return the code for a marketplace id or, without an id, the marketplace that the caller states.

        Raise ReaderError if the text is no marketplace id, or contradicts the caller.
        """
        name, stated = self.context.name, self.context.marketplace
        if identifier is None:
            if stated is None:
                raise ReaderError(f"{name}: does not say of which marketplace it is. Say which with --marketplace.")
            return stated
        code = _CODE_BY_MARKETPLACE_ID.get(identifier)
        if code is None:
            written = f"is '{identifier}'," if _ID.fullmatch(identifier) else redact_any_value(identifier)
            raise ReaderError(
                f"{name}: marketplaceId {written} a marketplace that the kit does not know. It knows "
                f"{', '.join(_CODE_BY_MARKETPLACE_ID.values())}; another one is a row in marketplaces.py."
            )
        if stated not in (None, code):
            raise ReaderError(
                f"{name}: you said marketplace {stated}, but the file states {code}. "
                "Leave --marketplace out: the file says it by itself."
            )
        return code

    def add_figure(self, marketplace: str, figure: ReportedFigure) -> None:
        """Add one figure.

        If figures of one metric and the same days differ, the first is kept and the contradiction is noted.
        """
        if not figure.has_data():
            self.count_skipped("figures that the file leaves empty")
            return
        row = figure.row()
        key = (marketplace, row["channel"], row["metric"], row["first_day"], row["last_day"])
        first = self.readings.setdefault(key, row)
        if any(value is not None and first[name] not in (None, value) for name, value in row.items()):
            message = "The file gives two different values; the first is kept."
            first["contradiction"] = " ".join(filter(None, (first["contradiction"], message)))

    def add_violation(self, marketplace: str, category: str, count: int) -> None:
        """Add the number of open violations of one category.

        If a category is added twice, the larger number is kept.
        """
        earlier = self.violations.get((marketplace, category))
        if earlier not in (None, count):
            self.notes.append(f"{marketplace} {category}: given as {earlier:,} and as {count:,}; the larger is kept.")
        self.violations[marketplace, category] = max(count, earlier or 0)

    def set_state(self, marketplace: str, kind: str, name: str, state: str | None, count: int | None = None) -> None:
        """Set the value of one state of the account as a whole.

        If a state is set twice, the last value is kept.
        """
        self.states[marketplace, kind, name] = {"state": state, "count": count}

    def to_contents(self, stated: date | None = None) -> FileContents:
        """Return the tables of the report, dated to `stated` or else to the newest day in the file."""
        if not (self.readings or self.violations or self.states):
            refuse_only_unknown_stores(self.context.name, self.skipped)
        if stated is None and not self.days:
            raise ReaderError(
                f"{self.context.name}: holds no day at all, so that the day of its figures is unknown. "
                "Ask for it again."
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
            {"marketplace": marketplace, "category": category, "violation_id": "", "opened_on": as_of, "count": count}
            for (marketplace, category), count in self.violations.items()
        ]
        states = [
            {"marketplace": marketplace, "kind": kind, "name": name, "as_of": as_of, **state}
            for (marketplace, kind, name), state in self.states.items()
        ]
        return {"readings": readings, "violations": violations, "account_states": states}

    def note_unknown_word(self, subject: str, status: str, number: str) -> None:
        """Add a note on a status word that healthkit does not know.

        `number` describes the number of the figure in words, or is "".
        """
        judged = f"judged by its number, {number}" if number else "without a number, so it counts as no data"
        self.unknown_words.append(f"{subject}: unknown status word '{status}'; the figure is {judged}.")

    def _note_contradictions(self) -> None:
        """Note the figures that contradict themselves."""
        messages = [
            f"{key[0]} {row['metric']} ({row['channel']}, {row['first_day']} to {row['last_day']}): "
            f"{row['contradiction']}"
            for key, row in self.readings.items()
            if row["contradiction"]
        ]
        self._note(messages, "figures contradict themselves")

    def _note_unknown_words(self) -> None:
        """Note the status words that the kit does not know, and how each is used."""
        for key, row in self.readings.items():
            if row["status"] is not None and row["status"] not in STATUS_WORDS:
                days = f"{row['first_day']} to {row['last_day']}"
                self.note_unknown_word(
                    f"{key[0]} {row['metric']} ({row['channel']}, {days})", row["status"], _describe_number(row)
                )
        for (marketplace, kind, name), row in self.states.items():
            known: Collection[str] = {ACCOUNT: ACCOUNT_STATUS_WORDS, CHECKLIST: STATUS_WORDS}.get(kind, ())
            if known and row["state"] not in known:
                self.unknown_words.append(
                    f"{marketplace} {kind} {name}: unknown status word '{row['state']}'; shown as the report gives it."
                )
        self._note(self.unknown_words, "status words are unknown")

    def _note(self, messages: list[str], overflow_label: str) -> None:
        """Add the first messages of one kind to the notes, and the number of the others."""
        self.notes += messages[:MAX_NOTES_PER_KIND]
        if len(messages) > MAX_NOTES_PER_KIND:
            self.notes.append(f"{len(messages) - MAX_NOTES_PER_KIND:,} more {overflow_label}.")


def _describe_number(row: Mapping[str, Any]) -> str:
    """Return the number of a figure in words, or "".

    >>> _describe_number({"parts": '{"score": 96}', "counted": None, "at_fault": None, "rate": None})
    '96 points'
    >>> _describe_number({"parts": None, "counted": 200, "at_fault": 3, "rate": 0.015})
    '3 of 200 at fault, rate 1.5 %'
    """
    parts = json.loads(row["parts"]) if row["parts"] else {}
    if "score" in parts:
        return f"{parts['score']:,} points"
    has_counts = row["counted"] is not None and row["at_fault"] is not None
    counts = f"{row['at_fault']:,} of {row['counted']:,} at fault" if has_counts else ""
    rate = "" if row["rate"] is None else f"rate {row['rate'] * 100:.6g} %"
    return ", ".join(filter(None, (counts, rate)))


def refuse_large_file(content: bytes, name: str) -> None:
    """Raise ReaderError if the content of a file is larger than MAX_REPORT_BYTES."""
    if len(content) > MAX_REPORT_BYTES:
        raise ReaderError(
            f"{name}: holds {len(content):,} bytes; a performance report has some thousands, and the kit reads no more "
            f"than {MAX_REPORT_BYTES:,}. {HINT_DOWNLOAD_AGAIN}"
        )


def refuse_value(where: str, value: Any, reason: str) -> NoReturn:
    """Raise ReaderError because of one value of a report.

    `where` names the file and the field.
    """
    raise ReaderError(f"{where} {redact_any_value(value)} {reason}. {HINT_DOWNLOAD_AGAIN}")


def redact_any_value(value: Any) -> str:
    """Return a phrase that describes a JSON value in an error message without revealing personal data.

    See `redact_value`.

    >>> redact_any_value([1]), redact_any_value(True), redact_any_value("many")
    ('is a list,', 'is true or false,', "is 'many',")
    """
    kinds = {dict: "is an object,", list: "is a list,", bool: "is true or false,"}
    return kinds.get(type(value)) or redact_value(str(value).encode("utf-8", "backslashreplace").decode())


def parse_number(value: Any, where: str) -> Decimal | None:
    """Parse a JSON number or a text as a number that is not negative; return None for an empty value.

    >>> parse_number("1,078", "x"), parse_number(" ", "x"), parse_number(None, "x")
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
    """Parse a JSON number or a text as a whole number; return None for an empty value.

    >>> parse_count("165.0", "x")
    165
    """
    number = parse_number(value, where)
    if number is not None and number != number.to_integral_value():
        refuse_value(where, value, "no whole number")
    return None if number is None else int(number)


def parse_share(value: Any, where: str) -> RoundedShare | None:
    """Parse a number as a share of 1, or a text with a percent sign; return None for an empty value.

    A number loses the zeros at its end, so it has at least four decimal places.

    >>> parse_share("0.52 %", "x"), parse_share("0,5%", "x").value, parse_share("0.01", "x").decimal_places
    (RoundedShare(value=Decimal('0.0052'), decimal_places=4), Decimal('0.005'), 4)
    """
    text = value.strip() if isinstance(value, str) else ""
    if text.endswith("%"):
        number = parse_number(re.sub(r"^(\d+),(\d+)$", r"\1.\2", text[:-1].strip()), where)
        return None if number is None else RoundedShare(number / 100, _decimal_places(number) + 2)
    number = parse_number(value, where)
    return None if number is None else RoundedShare(number, max(4, _decimal_places(number)))


def _decimal_places(value: Decimal) -> int:
    """Return the number of decimal places, at most 15, which is the precision of a float."""
    exponent = value.as_tuple().exponent
    return min(15, max(0, -exponent)) if isinstance(exponent, int) else 0


def parse_timestamp_day(value: Any, where: str) -> date | None:
    """Return the date written in a time stamp, ignoring its time zone; None for an empty value.

    >>> [parse_timestamp_day(text, "x") for text in ("2020-11-18T23:59Z", "2021-12-27T23:59:59Z", None)]
    [datetime.date(2020, 11, 18), datetime.date(2021, 12, 27), None]
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
        return None
    match = _STAMP.fullmatch(value.strip()) if isinstance(value, str) else None
    day = make_day(*match.group(1, 2, 3)) if match else None
    if day is None:
        refuse_value(where, value, "no day written as yyyy-mm-dd")
    return day


def parse_status_word(value: Any, where: str) -> str | None:
    """Return a status word in lower case with spaces between its parts; None for an empty value.

    >>> [parse_status_word(text, "x") for text in ("AT_RISK", "At Risk", "NONE", "")]
    ['at risk', 'at risk', 'none', None]
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not _WORD.fullmatch(value.strip()):
        refuse_value(where, value, "no word of a status")
    return re.sub(r"[_\s-]+", " ", value.strip().lower())


def to_snake_case(key: str) -> str:
    """Convert the name of a JSON block to snake case.

    >>> to_snake_case("receivedIntellectualPropertyComplaints"), to_snake_case("a_z_claims")
    ('received_intellectual_property_complaints', 'a_z_claims')
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return re.sub(r"[^a-z0-9]+", "_", split.lower())[:60].strip("_") or "unnamed"
