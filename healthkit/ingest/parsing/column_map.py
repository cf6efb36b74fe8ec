"""Reader of `data/column_map.yaml`: the column names of the defect lists that the marketplace offers for download.

The marketplace publishes no headers of these lists, so users may edit the names. The kit's own map is part of it; users
of an installed kit put theirs at `data/column_map.yaml` in the folder where they run it, beside their `data/store`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from healthkit.files import package_files
from healthkit.ingest.parsing.csv_table import FileKind, parse_header
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema import yaml_lines
from healthkit.schema.tables import DEFECT_KINDS

FILE = package_files.path_of("data/column_map.yaml")
FILE_LABEL = "data/column_map.yaml"
"""The column map in messages: that of the checkout, or the user's own in the folder where the kit is run."""
SPELLING_HINT = f"Or is a column called otherwise in your country? Then add its name to {FILE_LABEL}."
ORDER, KNOWN_ON, ORDER_DATE, TYPE = "order-id", "known-on", "order-date", "defect-type"


@dataclass(frozen=True)
class DefectListLayout:
    """Layout of one kind of defect list: its columns, and how a row states its kind of defect.

    Every row is a defect of kind `each`; or each column in `marks` marks the kind of its name; or `words` maps words in
    the column `defect-type` to kinds.
    """

    kind: FileKind
    each: str
    marks: tuple[str, ...]
    words: Mapping[str, str]


def files() -> list[Path]:
    """Return the column maps: the kit's own, and that of the working folder if it is another file."""
    own = Path(FILE_LABEL)
    return [FILE, own.absolute()] if own.is_file() and not own.samefile(FILE) else [FILE]


def load_defect_lists(*maps: Path) -> dict[str, DefectListLayout]:
    """Return the layouts of all defect lists by name, from the given column maps or else from `files`.

    A list that stands in several maps has the spellings of all; its other fields are those of the last. Raises
    ReaderError with file, line and field for invalid content.
    """
    return _load_defect_lists(maps or tuple(files()))


@cache
def _load_defect_lists(maps: tuple[Path, ...]) -> dict[str, DefectListLayout]:
    entries: dict[str, Any] = {}
    found: dict[str, DefectListLayout] = {}
    for file in filter(Path.is_file, maps):
        for name, entry in _read_lists(file):
            entries[name] = _join(entries.get(name), entry)
            found[name] = _parse_list(file, name, entries[name])
    return found


def _read_lists(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield the names and entries under `lists` of one column map."""
    try:
        content = yaml_lines.read_yaml(file)
    except yaml_lines.YamlError as error:
        raise ReaderError(str(error)) from None
    lists = _require_mapping(file, {} if content is None else content, "the file").get("lists")
    for name, entry in _require_mapping(file, {} if lists is None and file != FILE else lists, "lists").items():
        if name != yaml_lines.LINE_KEY:
            yield name, entry


def _join(entry: Any, added: Any) -> Any:
    """Return an entry with the spellings of another one added; its other fields are replaced."""
    if isinstance(entry, list) and isinstance(added, list):
        return [*entry, *added]
    if not isinstance(entry, dict) or not isinstance(added, dict):
        return added
    return entry | {
        name: value if name == "known_by" else _join(entry.get(name), value) for name, value in added.items()
    }


def _parse_list(file: Path, name: str, entry: Any) -> DefectListLayout:
    """Return the layout of one list, checked."""
    fields = _require_mapping(file, entry, name)
    where = f"{file.name}, line {fields[yaml_lines.LINE_KEY]}: {name}"
    known = {"title", "columns", "each", "marks", "words", "known_by", yaml_lines.LINE_KEY}
    unknown = [str(field) for field in fields if field not in known]
    if unknown:
        there = ", ".join(sorted(known - {yaml_lines.LINE_KEY}))
        raise ReaderError(f"{where} has no field {', '.join(unknown)}. There are: {there}.")
    ways = [field for field in ("each", "marks", "words") if fields.get(field)]
    if len(ways) != 1:
        raise ReaderError(f"{where} needs one of each, marks and words; it has {' and '.join(ways) or 'none'}.")
    columns = _read_spellings(file, fields.get("columns"), f"{name}, columns")
    marks = _read_spellings(file, fields["marks"], f"{name}, marks") if ways == ["marks"] else {}
    words = _read_spellings(file, fields["words"], f"{name}, words") if ways == ["words"] else {}
    each = fields["each"] if ways == ["each"] else ""
    unknown_kinds = [one for one in (*marks, *words, *([each] if each else [])) if one not in DEFECT_KINDS]
    if unknown_kinds:
        raise ReaderError(
            f"{where}: no kind of defect {', '.join(map(repr, unknown_kinds))}. There are: {', '.join(DEFECT_KINDS)}."
        )
    required = [ORDER, *(fields.get("known_by") or [])]
    missing = [one for one in (*required, *([TYPE] if words else [])) if one not in {**columns, **marks}]
    if missing:
        raise ReaderError(f"{where} has no column {', '.join(map(repr, missing))}; name its spellings.")
    every = {**columns, **marks}
    aliases = {_normalize_spelling(spelling): column for column, spellings in every.items() for spelling in spellings}
    used = tuple(column for column in every if column not in required)
    kind = FileKind(
        name, str(fields.get("title") or name), tuple(dict.fromkeys(required)), used, delimiters=",;\t", quoted=True,
        aliases=aliases, hint=SPELLING_HINT,
    )  # fmt: skip
    kinds_by_word = {
        _normalize_spelling(spelling): word for word, spellings in words.items() for spelling in (*spellings, word)
    }
    return DefectListLayout(kind, str(each), tuple(marks), kinds_by_word)


def _require_mapping(file: Path, value: Any, label: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ReaderError(f"{file.name}: {label} must be a mapping of names to what they mean.")
    return value


def _read_spellings(file: Path, entry: Any, label: str) -> dict[str, list[str]]:
    """Return columns or words with their spellings."""
    spellings_by_name = {
        name: spellings
        for name, spellings in _require_mapping(file, entry, label).items()
        if name != yaml_lines.LINE_KEY
    }
    for name, spellings in spellings_by_name.items():
        if not isinstance(spellings, list) or not spellings or not all(isinstance(one, str) for one in spellings):
            raise ReaderError(f"{file.name}: {label}, {name}: give a list of spellings, as [Order ID, Bestellnummer].")
    return {str(name): spellings for name, spellings in spellings_by_name.items()}


def _normalize_spelling(spelling: str) -> str:
    """Return a spelling as headers are compared.

    >>> _normalize_spelling("Negative  Feedback")
    'negative-feedback'
    """
    return parse_header(spelling, "\t")[0]
