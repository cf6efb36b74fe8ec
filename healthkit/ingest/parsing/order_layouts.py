"""Layouts of order files: which columns, days and words a file of orders has, as YAML.

`ingest/formats/order_files.yaml` describes the files of known marketplaces. Under `orders` in `data/column_map.yaml`
users add files of other sources, and more spellings and words for the known ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from healthkit.ingest.parsing import column_map
from healthkit.ingest.parsing.csv_table import FileKind, parse_header
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.ingest.parsing.time_formats import check_format
from healthkit.schema import yaml_lines
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import CANCELLERS, CHANNELS

FILE = Path(__file__).parents[1] / "formats" / "order_files.yaml"

TIME_COLUMNS = (
    "ordered-at", "ship-by", "deliver-by", "shipped-at", "delivered-at", "cancelled-at", "invoiced-at", "updated-at",
)  # fmt: skip
"""Columns of times. A day without a time of day means the end of that day."""
WORD_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "status": ("pending", "unshipped", "partially shipped", "shipped", "delivered", "cancelled"),
    "channel": CHANNELS,
    "cancelled-by": CANCELLERS,
    "marketplace": tuple(MARKETPLACES),
}
"""Columns of words, with the words of the kit that a layout may translate to."""
OTHER_COLUMNS = (
    "item-id", "units", "sku", "asin", "product", "tracking", "carrier", "ship-method", "country", "state",
    "is-business", "is-premium", "record",
)  # fmt: skip
"""All other columns. `record` is a number of the file's own, by which its kind is known; it is not stored."""
CASE_COLUMNS = ("case-open", "case-closed", "case-mediated")
"""Columns of yes and no: whether there is a complaint of the buyer, of any kind."""
PARENT_COLUMNS = (
    "ordered-at", "shipped-at", "delivered-at", "ship-by", "deliver-by", "channel", "tracking", "carrier",
    "ship-method", "country", "state",
)  # fmt: skip
"""Columns that the rows of a pack take from the row that heads it, where their own cells are empty."""
ORDER, ORDERED_AT = "order-id", "ordered-at"
COLUMNS = (ORDER, *TIME_COLUMNS, *WORD_COLUMNS, *OTHER_COLUMNS, *CASE_COLUMNS)
"""All columns that an order file may have, as the kit's own orders CSV spells them."""


class _Entry(BaseModel):
    """One entry of a YAML file, before it is joined with others of the same name."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    marketplaces: list[str] = Field(default_factory=list)
    columns: dict[str, list[str]] = Field(default_factory=dict)
    known_by: list[str] = Field(default_factory=list)
    dates: list[str] = Field(default_factory=list)
    zone: str = ""
    words: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    read_from: dict[str, str] = Field(default_factory=dict)
    lenient: list[str] = Field(default_factory=list)
    pack_rows: list[str] = Field(default_factory=list)
    channel: Literal["", "seller", "amazon"] = ""
    order_id: str = ""
    header_within: int = Field(default=0, ge=0, le=20)
    repeated_columns: bool = False
    footers: bool = False
    summary_rows: bool = False
    unpaid_rows: bool = False
    by_hand: bool = False

    @field_validator("marketplaces")
    @classmethod
    def _check_marketplaces(cls, codes: list[str]) -> list[str]:
        return [_require_known(code, MARKETPLACES, "marketplace") for code in codes]

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: dict[str, list[str]]) -> dict[str, list[str]]:
        return {_require_known(name, COLUMNS, "column"): spellings for name, spellings in columns.items()}

    @field_validator("dates")
    @classmethod
    def _check_dates(cls, formats: list[str]) -> list[str]:
        return [check_format(one) for one in formats]

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, zone: str) -> str:
        try:
            return zone if not zone or ZoneInfo(zone) else ""
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {zone!r}; write one such as UTC or Europe/Berlin") from None

    @field_validator("words")
    @classmethod
    def _check_words(cls, words: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
        for column, meanings in words.items():
            _require_known(column, WORD_COLUMNS, "column of words")
            for word in meanings:
                _require_known(word, WORD_COLUMNS[column], f"word of {column}")
        return words

    @model_validator(mode="after")
    def _check_names(self) -> _Entry:
        for name in (*self.known_by, *self.read_from.values()):
            _require_known(name, COLUMNS, "column")
        for name in (*self.lenient, *self.read_from):
            _require_known(name, WORD_COLUMNS, "column of words")
        return self


def _require_known(name: str, known: Iterable[str], title: str) -> str:
    if name not in known:
        raise ValueError(f"no {title} {name!r}; there are: {', '.join(known)}")
    return name


@dataclass(frozen=True)
class OrderLayout:
    """Layout of one kind of order file.

    `marketplaces` are those that the file may be of, the first by default; without any, each row must name its own or
    the importer be told. `dates` are the formats of times, `zone` the time zone of times without an offset (empty: that
    of the marketplace). `words` maps the words of each column of words, in lower case, to those of the kit; `patterns`
    does so with words that contain `*`, the longest first. `read_from` names the column whose cells a column of words
    is read from, if it has none of its own. An unknown word of a `lenient` column does not refuse the file. A row whose
    status matches one of `pack_rows` heads the orders of a pack. `channel` is the channel of rows that state none.
    `order_id` is a regular expression that every order id must match.

    With `summary_rows` an order of several lines has one more row, without an item, whose cells hold for all lines.
    With `unpaid_rows` a row without an order id is a purchase that is not paid yet, and no order.
    """

    kind: FileKind
    marketplaces: tuple[str, ...]
    dates: tuple[str, ...]
    zone: str
    words: Mapping[str, Mapping[str, str]]
    channel: str
    order_id: str
    summary_rows: bool = False
    unpaid_rows: bool = False
    patterns: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    read_from: Mapping[str, str] = field(default_factory=dict)
    lenient: frozenset[str] = frozenset()
    pack_rows: tuple[str, ...] = ()

    def translate(self, column: str, word: str) -> str | None:
        """Return the kit's word for a word of a column; None if it is unknown."""
        spelling = normalize_word(word)
        known = self.words[column].get(spelling)
        if known is not None:
            return known
        return next((meaning for one, meaning in self.patterns.get(column, ()) if fnmatchcase(spelling, one)), None)

    def heads_pack(self, status: str) -> bool:
        """Return whether a row with the given status heads the orders of a pack."""
        return any(fnmatchcase(normalize_word(status), one) for one in self.pack_rows)


@cache
def load_order_layouts(file: Path = FILE, added: Path = column_map.FILE) -> dict[str, OrderLayout]:
    """Return the layouts of all order files by name: those of the kit, joined with those that a user adds.

    An entry in `added` that has the name of one in `file` adds spellings, words and formats to it. Raises ReaderError
    with file, line and field for invalid content.
    """
    entries = _read_entries(file)
    for name, entry in _read_entries(added).items() if added.is_file() else ():
        entries[name] = _join(entries[name], entry) if name in entries else entry
    return {name: _make_layout(name, entry, file, added) for name, entry in entries.items()}


def _read_entries(file: Path) -> dict[str, _Entry]:
    """Return the entries under `orders` of one YAML file."""
    try:
        content = yaml_lines.read_yaml(file)
    except yaml_lines.YamlError as error:
        raise ReaderError(str(error)) from None
    entries = (content.get("orders") if isinstance(content, dict) else None) or {}
    if not isinstance(entries, dict):
        raise ReaderError(f"{file.name}: orders must be a mapping of names to order files.")
    return {
        str(name): _read_entry(file, str(name), one) for name, one in entries.items() if name != yaml_lines.LINE_KEY
    }


def _read_entry(file: Path, name: str, content: Any) -> _Entry:
    line = content.get(yaml_lines.LINE_KEY, 0) if isinstance(content, dict) else 0
    try:
        return _Entry.model_validate(yaml_lines.without_lines(content))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        problem = first["msg"].removeprefix("Value error, ")
        raise ReaderError(f"{file.name}, line {line}: {name}, field {field}: {problem}.") from None


def _join(entry: _Entry, added: _Entry) -> _Entry:
    """Return an entry with the spellings, words and formats of another one added; its other fields replace."""
    columns = {
        name: [*added.columns.get(name, []), *entry.columns.get(name, [])]
        for name in {**entry.columns, **added.columns}
    }
    words = {
        column: {
            word: [*added.words.get(column, {}).get(word, []), *entry.words.get(column, {}).get(word, [])]
            for word in {**entry.words.get(column, {}), **added.words.get(column, {})}
        }
        for column in {**entry.words, **added.words}
    }
    changed = {name: getattr(added, name) for name in added.model_fields_set}
    dates = [*added.dates, *entry.dates]
    return entry.model_copy(update=changed | {"columns": columns, "words": words, "dates": dates})


def _make_layout(name: str, entry: _Entry, file: Path, added: Path) -> OrderLayout:
    """Return the layout of an entry; raise ReaderError if it lacks what every order file needs."""
    missing = [one for one in (ORDER, ORDERED_AT) if one not in entry.columns]
    if missing:
        raise ReaderError(f"{added.name}: orders, {name}: has no column {' and '.join(missing)}. Name its spellings.")
    required = tuple(dict.fromkeys((ORDER, ORDERED_AT, *entry.known_by)))
    lacking = [one for one in required if one not in entry.columns]
    if lacking:
        raise ReaderError(f"{added.name}: orders, {name}: known_by names {', '.join(lacking)}, not among its columns.")
    # A spelling may name the second or third column of a repeated name, as in `status#2`.
    aliases = {normalize_spelling(text): column for column, spellings in entry.columns.items() for text in spellings}
    optional = tuple(one for one in COLUMNS if one in entry.columns and one not in required)
    own_names = {column: column for column in entry.columns} if entry.by_hand else {}
    kind = FileKind(
        name, entry.title or name, required, optional,
        delimiters=",;\t", quoted=True, by_hand=entry.by_hand, aliases=own_names | aliases,
        hint=column_map.SPELLING_HINT, max_header_line=max(entry.header_within, 1),
        numbers_repeated_columns=entry.repeated_columns, row_id=entry.order_id if entry.footers else "",
        reads_aliases_only=not entry.by_hand,
    )  # fmt: skip
    meanings = {
        column: {
            normalize_word(spelling): word
            for word, spellings in {
                **{one: [one] for one in WORD_COLUMNS[column]},
                **entry.words.get(column, {}),
            }.items()
            for spelling in (*spellings, word)
        }
        for column in WORD_COLUMNS
    }
    words = {column: {one: word for one, word in known.items() if "*" not in one} for column, known in meanings.items()}
    patterns = {
        column: tuple(sorted(((one, word) for one, word in known.items() if "*" in one), key=_longest_first))
        for column, known in meanings.items()
    }
    return OrderLayout(
        kind, tuple(entry.marketplaces), tuple(entry.dates), entry.zone, words, entry.channel, entry.order_id,
        entry.summary_rows, entry.unpaid_rows, patterns, entry.read_from, frozenset(entry.lenient),
        tuple(map(normalize_word, entry.pack_rows)),
    )  # fmt: skip


def _longest_first(pattern: tuple[str, str]) -> tuple[int, str]:
    return -len(pattern[0]), pattern[0]


def normalize_word(word: str) -> str:
    """Return a word of a cell or of a layout as words are compared: lower case, single blanks between words.

    >>> normalize_word(" Cancelada  por el Comprador ")
    'cancelada por el comprador'
    """
    return " ".join(word.split()).lower()


def normalize_spelling(spelling: str) -> str:
    """Return a column name as headers are compared: lower case, with hyphens between words.

    >>> normalize_spelling("Sale  Date"), normalize_spelling("Estado#2")
    ('sale-date', 'estado#2')
    """
    return parse_header(spelling, "\t")[0]
