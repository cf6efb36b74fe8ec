"""Layouts of order files: which columns, days and words a file of orders has, as YAML.

`ingest/formats/order_files.yaml` describes the files of known marketplaces. Under `orders` in `data/column_map.yaml`
users add files of other sources, and more spellings and words for the known ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
    "item-id", "units", "amount", "unit-price", "currency", "sku", "asin", "product", "tracking", "carrier",
    "ship-method", "country", "state", "is-business", "is-premium", "record",
)  # fmt: skip
"""All other columns. `amount` is the price of all units of a line, `unit-price` that of one unit.

`record` is a number of the file's own, by which its kind is known; it is not stored."""
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
_NAME = re.compile(r"(?!list_)[a-z][a-z0-9_]{1,40}")
"""Names of kinds of files; those that begin with `list_` are defect lists."""
_ADDABLE_FIELDS = {"columns", "words", "dates", "zone", "channel"}
"""Fields by which a column map may extend a kind of file that the kit knows."""


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
    fill_down: bool = False
    skip_other_marketplaces: bool = False
    supplement: bool = False
    by_hand: bool = False

    @field_validator("marketplaces", "known_by", "dates", mode="before")
    @classmethod
    def _accept_single_text(cls, value: Any) -> Any:
        return _as_texts(value)

    @field_validator("columns", mode="before")
    @classmethod
    def _accept_single_spelling(cls, columns: Any) -> Any:
        return {name: _as_texts(value) for name, value in columns.items()} if isinstance(columns, dict) else columns

    @field_validator("words", mode="before")
    @classmethod
    def _accept_single_word(cls, words: Any) -> Any:
        if not isinstance(words, dict):
            return words
        return {
            column: {word: _as_texts(value) for word, value in meanings.items()}
            if isinstance(meanings, dict) else meanings
            for column, meanings in words.items()
        }  # fmt: skip

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

    @field_validator("order_id")
    @classmethod
    def _check_order_id(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error:
            raise ValueError(f"{pattern!r} is no regular expression") from None
        if re.search(r"\(\?[^:]|\\[1-9]", pattern):
            raise ValueError(f"{pattern!r} looks ahead or back, which is not possible here")
        return pattern

    @model_validator(mode="after")
    def _check_names(self) -> _Entry:
        for name in (*self.known_by, *self.read_from.values()):
            _require_known(name, COLUMNS, "column")
        for name in (*self.lenient, *self.read_from):
            _require_known(name, WORD_COLUMNS, "column of words")
        _refuse_two_meanings(self.columns, "columns")
        for column, meanings in self.words.items():
            _refuse_two_meanings(meanings, f"words of {column}")
        return self


def _as_texts(value: Any) -> Any:
    """Return a list of texts; a text alone stands for a list of one."""
    texts = [value] if isinstance(value, str | int | float) else value
    if isinstance(texts, list):
        for one in texts:
            if not isinstance(one, str):
                raise ValueError(f"{one} is read as no text; write it in quotes")
    return texts


def _refuse_two_meanings(spellings_by_name: Mapping[str, Iterable[str]], field: str) -> None:
    """Raise ValueError if one spelling stands under two names."""
    seen: dict[str, str] = {}
    for name, spellings in spellings_by_name.items():
        for spelling in map(normalize_spelling, spellings):
            if seen.setdefault(spelling, name) != name:
                raise ValueError(f"{field}: {spelling!r} stands under {seen[spelling]} and under {name}")


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

    With `fill_down` the rows of an order after its first leave the columns of the order empty. With
    `skip_other_marketplaces` rows whose marketplace is unknown are left out. A `supplement` adds to orders of other
    files and may lack their days. A file in which every time fits one of `preferred_dates` is read by these alone.
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
    fill_down: bool = False
    skip_other_marketplaces: bool = False
    supplement: bool = False
    preferred_dates: tuple[str, ...] = ()

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


def load_order_layouts(file: Path = FILE, added: Iterable[Path] | None = None) -> dict[str, OrderLayout]:
    """Return the layouts of all order files by name: those of the kit, joined with those that users add.

    `added` are the column maps of users, by default those that `column_map.files` finds. An entry that has the name of
    one in `file` adds spellings, words and formats to it. Raises ReaderError with file, line and field for invalid
    content.
    """
    return _load_order_layouts(file, tuple(column_map.files() if added is None else added))


@cache
def _load_order_layouts(file: Path, added: tuple[Path, ...]) -> dict[str, OrderLayout]:
    entries = {name: entry for name, _, entry in _read_entries(file)}
    of_kit = frozenset(entries)
    preferred: dict[str, list[str]] = {}
    for map_file in added:
        for name, where, entry in _read_entries(map_file) if map_file.is_file() else ():
            if name in entries:
                entry = _join(where, name in of_kit, entries[name], entry)
                preferred[name] = [*preferred.get(name, []), *entry.dates]
            else:
                _check_complete(where, name, entry)
            entries[name] = entry
    return {
        name: _make_layout(name, entry, preferred.get(name, []), name not in of_kit) for name, entry in entries.items()
    }


def _read_entries(file: Path) -> Iterator[tuple[str, str, _Entry]]:
    """Yield the entries under `orders` of one YAML file: the name, the place for messages, and the entry."""
    try:
        content = yaml_lines.read_yaml(file)
    except yaml_lines.YamlError as error:
        raise ReaderError(str(error)) from None
    entries = (content.get("orders") if isinstance(content, dict) else None) or {}
    if not isinstance(entries, dict):
        raise ReaderError(f"{file.name}: orders must be a mapping of names to order files.")
    for name, one in entries.items():
        if name != yaml_lines.LINE_KEY:
            line = one.get(yaml_lines.LINE_KEY, 0) if isinstance(one, dict) else entries[yaml_lines.LINE_KEY]
            where = f"{file.name}, line {line}: {name}"
            if not _NAME.fullmatch(str(name)):
                raise ReaderError(f"{where}: a name has small letters, digits and underscores, such as my_orders.")
            yield str(name), where, _read_entry(file, str(name), one)


def _read_entry(file: Path, name: str, content: Any) -> _Entry:
    try:
        return _Entry.model_validate(yaml_lines.without_lines(content))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            problem = f"there is no such field; there are: {', '.join(_Entry.model_fields)}"
        where = f"{name}, field {field}" if field else name
        raise ReaderError(f"{file.name}, line {_line_of(content, first['loc'])}: {where}: {problem}.") from None


def _line_of(content: Any, path: Iterable[Any]) -> int:
    """Return the line of the innermost mapping on the path to a field."""
    line = 0
    for key in (None, *path):
        content = content if key is None else content.get(key)
        if not isinstance(content, dict):
            break
        line = content.get(yaml_lines.LINE_KEY, line)
    return line


def _join(where: str, is_of_kit: bool, entry: _Entry, added: _Entry) -> _Entry:
    """Return an entry with the spellings, words and formats of another one added; its other fields replace.

    Raise ReaderError if it would change how a file of a known kind is recognized or read.
    """
    fixed = sorted(added.model_fields_set - _ADDABLE_FIELDS) if is_of_kit else []
    if fixed:
        raise ReaderError(
            f"{where}, field {fixed[0]}: this kind of file is known, so only {', '.join(sorted(_ADDABLE_FIELDS))} may "
            "be added to it. Describe a file of another kind under a name of its own."
        )
    spellings = {normalize_spelling(text): name for name, texts in entry.columns.items() for text in texts}
    for name, texts in added.columns.items():
        for text in texts:
            known = spellings.get(normalize_spelling(text), name)
            if known != name:
                raise ReaderError(f"{where}, field columns.{name}: {text!r} is a spelling of {known} already.")
    changed = {name: getattr(added, name) for name in added.model_fields_set}
    joined = {
        "columns": _join_texts(entry.columns, added.columns),
        "words": {
            column: _join_texts(entry.words.get(column, {}), added.words.get(column, {}))
            for column in {**entry.words, **added.words}
        },
        "dates": [*added.dates, *entry.dates],
    }
    return entry.model_copy(update=changed | joined)


def _join_texts(texts: Mapping[str, list[str]], added: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return lists of texts by name with other texts added; an added text leaves the lists of other names."""
    moved = {text.lower() for one in added.values() for text in one}
    return {
        name: [*(text for text in texts.get(name, []) if text.lower() not in moved), *added.get(name, [])]
        for name in {**texts, **added}
    }


def _check_complete(where: str, name: str, entry: _Entry) -> None:
    """Raise ReaderError if an entry lacks what every order file needs."""
    needed = (ORDER,) if entry.supplement else (ORDER, ORDERED_AT)
    missing = [one for one in needed if not entry.columns.get(one)]
    if missing:
        raise ReaderError(
            f"{where}, field columns: {' and '.join(missing)} must be there. Name how the file spells it."
        )
    lacking = [one for one in entry.known_by if not entry.columns.get(one)]
    if lacking:
        raise ReaderError(f"{where}, field known_by: {', '.join(lacking)} must be among its columns.")


def _make_layout(name: str, entry: _Entry, preferred: Iterable[str], added_by_user: bool) -> OrderLayout:
    """Return the layout of an entry; `preferred` are the formats of times that users add to a known kind."""
    needed = (ORDER,) if entry.supplement else (ORDER, ORDERED_AT)
    required = tuple(dict.fromkeys((*needed, *entry.known_by)))
    # A spelling may name the second or third column of a repeated name, as in `status#2`.
    aliases = {normalize_spelling(text): column for column, spellings in entry.columns.items() for text in spellings}
    optional = tuple(one for one in COLUMNS if one in entry.columns and one not in required)
    if entry.by_hand:
        aliases = {column: column for column in entry.columns} | aliases
    # The kit's own names mean nothing in the files of others, unless they are among the spellings.
    aliases |= {column: f"{column}#" for column in entry.columns if column not in aliases}
    kind = FileKind(
        name, entry.title or name, required, optional,
        delimiters=",;\t", quoted=True, by_hand=entry.by_hand, aliases=aliases,
        hint=column_map.SPELLING_HINT, max_header_line=max(entry.header_within, 1),
        numbers_repeated_columns=entry.repeated_columns, row_id=entry.order_id if entry.footers else "",
        added_by_user=added_by_user,
    )  # fmt: skip
    meanings = {
        column: {normalize_word(one): word for one, word in _meanings(column, entry.words.get(column, {})).items()}
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
        tuple(map(normalize_word, entry.pack_rows)), entry.fill_down, entry.skip_other_marketplaces, entry.supplement,
        tuple(preferred),
    )  # fmt: skip


def _longest_first(pattern: tuple[str, str]) -> tuple[int, str]:
    return -len(pattern[0]), pattern[0]


def normalize_word(word: str) -> str:
    """Return a word of a cell or of a layout as words are compared: lower case, single blanks between words.

    >>> normalize_word(" Cancelada  por el Comprador ")
    'cancelada por el comprador'
    """
    return " ".join(word.split()).lower()


def _meanings(column: str, spellings_by_word: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the meaning of each spelling of a column of words; the kit's own words mean themselves."""
    own = {word.lower(): word for word in WORD_COLUMNS[column]}
    return own | {
        spelling.strip().lower(): word for word, spellings in spellings_by_word.items() for spelling in spellings
    }


def normalize_spelling(spelling: str) -> str:
    """Return a column name as headers are compared: lower case, with hyphens between words.

    >>> normalize_spelling("Sale  Date"), normalize_spelling("Estado#2")
    ('sale-date', 'estado#2')
    """
    return parse_header(spelling, "\t")[0]
