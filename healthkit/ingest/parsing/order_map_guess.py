"""Guess the layout of an unknown order file, as an entry for `data/column_map.yaml` that the user completes.

Columns are guessed from their names: first by the spellings of all known order files, then by common words of several
languages. Times, words and repeated rows are guessed from the first rows. Only names of columns, and words of the
columns of status and marketplace, come out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from healthkit.ingest.parsing.column_map import FILE_LABEL
from healthkit.ingest.parsing.csv_table import MAX_COLUMNS
from healthkit.ingest.parsing.encodings import HEAD_BYTES
from healthkit.ingest.parsing.marketplace_of_row import MARKETPLACE_NAMES
from healthkit.ingest.parsing.order_layouts import (
    COLUMNS,
    ORDER,
    ORDERED_AT,
    TIME_COLUMNS,
    WORD_COLUMNS,
    load_order_layouts,
    normalize_spelling,
)
from healthkit.ingest.parsing.time_formats import parse_time
from healthkit.schema.marketplaces import MARKETPLACES

MAX_HEADER_LINE = 10
"""Number of lines among which a header is looked for."""
MAX_ROWS = 200
"""Number of rows from which times and words are guessed. [rows]"""
MAX_WORDS = 12
"""Largest number of unknown words that a map lists. [words]"""

_ORDER = r"(?:order|bestell|auftrag|command|pedido|ordine|orden|venta|vente|compra|zam[oó]wien|sale|purchase|receipt)"
_ID = r"(?:id|no|nr|num|number|nummer|n[uú]mero|numero|ref|reference|referenz|code|key)"
_DAY = r"(?:date|datum|fecha|data|time|zeit|day|tag|timestamp|hora|at|on)"
_SEND = r"(?:ship\w*|dispatch\w*|versand\w*|versend\w*|send|envoi|exp[eé]dition|env[ií]o|spedizione|handling|fulfil\w*)"
_SENT = (
    r"(?:shipped|dispatched|despatched|sent|fulfilled|versandt|verschickt|versendet|versand|exp[eé]di[eé]\w*|enviad\w*|"
    r"spedit\w*|confirmed|ship|shipping|dispatch|shipment|envoi|env[ií]o|spedizione)"
)
_ARRIVE = r"(?:deliver\w*|arriv\w*|zustell\w*|liefer\w*|entreg\w*|livr\w*|consegn\w*)"
_LIMIT = r"(?:by|due|deadline|latest|before|bis|until|limit|promised|expected|estimated|sp[aä]testens|sla|max)"
_CANCEL = r"(?:cancel\w*|storn\w*|annul\w*)"
_PATTERNS: tuple[tuple[str, str], ...] = (
    (ORDER, rf"(?:marketplace|channel|external|platform|site|store|portal)-{_ORDER}\w*-?{_ID}"),
    (ORDER, rf"{_ORDER}\w*-?{_ID}"),
    (ORDER, rf"{_ID}-(?:de-|du-|di-|of-)?(?:la-)?{_ORDER}\w*|{_ORDER}\w*"),
    ("cancelled-by", rf"{_CANCEL}-?(?:by|von|par|por)|{_CANCEL}-(?:initiator|party)"),
    ("cancelled-at", rf"{_CANCEL}-?{_DAY}?|{_DAY}-{_CANCEL}"),
    ("ship-by", rf"(?:{_LIMIT}-{_SEND}|{_SEND}-{_LIMIT})(?:-{_DAY})?|{_SEND}-{_DAY}-{_LIMIT}|{_LIMIT}-to-{_SEND}"),
    ("deliver-by", rf"(?:{_LIMIT}-{_ARRIVE}|{_ARRIVE}-{_LIMIT})(?:-{_DAY})?|{_ARRIVE}-{_DAY}-{_LIMIT}|eta|edd"),
    ("delivered-at", rf"(?:delivered|zugestellt|geliefert|entregad\w*|livr[eé]\w*|consegnat\w*)-?{_DAY}?"),
    ("delivered-at", rf"(?:actual-)?{_ARRIVE}-?{_DAY}|{_DAY}-(?:delivered|livr[eé]|entreg\w*)"),
    ("shipped-at", rf"(?:actual-)?{_SENT}-?{_DAY}|{_DAY}-(?:de-|d')?{_SENT}|shipped|versandt|sent"),
    ("updated-at", rf"(?:last-)?(?:updated?|modified|changed?)-?{_DAY}?|ge[aä]ndert-?{_DAY}?"),
    ("invoiced-at", rf"invoic\w*-?{_DAY}|rechnungs-?{_DAY}"),
    (ORDERED_AT, rf"{_ORDER}\w*-?(?:created-|placed-)?{_DAY}|{_DAY}-(?:de-|du-|di-|of-)?(?:la-)?{_ORDER}\w*"),
    (
        ORDERED_AT,
        rf"(?:order-)?(?:creat\w*|placed|ordered|purchased|sold|bestellt|verkauft|kauf|bought|erstellt)-?{_DAY}?",
    ),
    (ORDERED_AT, rf"{_DAY}-(?:created|placed|ordered|sold|added)|{_DAY}|{_DAY}-{_DAY}"),
    ("item-id", rf"(?:{_ORDER}\w*-?)?(?:item|line|position|positions|lineitem|transaction)-?{_ID}|line|position"),
    ("units", r"(?:item-|order-|total-)?(?:qty|quantity|units?|menge|anzahl|st[uü]ckzahl|cantidad|quantit\w+|qtd)"),
    (
        "sku",
        r"(?:seller-|merchant-|product-|item-|variant-|custom-)?sku|arti(?:kel|cle)-?(?:nummer|nr|no)|\w+-code",
    ),
    ("asin", r"asin"),
    (
        "product",
        r"(?:product|item|article|listing)-?(?:name|title)?|title|artikel\w*bezeichnung|produkt\w*",
    ),
    ("tracking", rf"tracking(?:-{_ID})?|sendungs-?nummer|(?:shipment|parcel|consignment)-{_ID}|awb|waybill(?:-{_ID})?"),
    ("carrier", r"carrier(?:-name)?|courier|(?:shipping|delivery)-(?:company|provider|carrier)|versanddienst\w*"),
    ("ship-method", r"(?:ship\w*|delivery)-(?:method|service|option)|versandart"),
    ("channel", r"fulfil\w*-(?:channel|type|by|method)|fulfilled-by"),
    ("marketplace", r"market-?place(?:-name)?|markt-?platz|(?:sales-)?channel(?:-name)?|platform|portal|source|site"),
    ("status", rf"(?:{_ORDER}\w*-?)?(?:status|zustand|estado|stato|statut|state)|{_SEND}-status"),
    ("country", r"(?:ship\w*|delivery|dest\w*)-country(?:-code)?|country(?:-code)?|(?:liefer)?land|pa[ií]s|pays"),
)
"""Column of the kit and a pattern of names for it, in the order in which they are tried."""
_NOT_OURS = re.compile(r"buyer|customer|k[aä]ufer|kunde|client|name$|mail|phone|address|paid|payment|zahl|refund|birth")
_ALLOWED_NAMES = {"product-name", "item-name", "carrier-name", "marketplace-name", "channel-name"}

_DAYS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%d-%m-%y", "%m-%d-%y", "%Y/%m/%d", "%Y.%m.%d", "%d-%b-%Y", "%d-%b-%y", "%b-%d-%Y", "%b-%d-%y", "%d %b %Y",
    "%d %b %y", "%b %d, %Y", "%b %d %Y", "%d. %b %Y", "%d de %b de %Y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S %z", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S")
_FORMATS = tuple(f"{day}{time}" for day in _DAYS for time in _TIMES)
_MAX_NAME, _MAX_TIME = 60, 40
"""Longest column name and longest time that are looked at. [characters]"""

_STATUS_WORDS: Mapping[str, str] = {
    "pending": r"unpaid|pending( payment)?|(awaiting|waiting for) payment|on hold|zahlung ausstehend|en attente",
    "cancelled": r"cancel.*|storn.*|annul.*|void(ed)?|rejected|declined|abgebrochen",
    "delivered": r"deliver(ed|y complete)|complete[d]?|zugestellt|geliefert|abgeschlossen|entregad.|livr.e?|consegnat.|"
    r"returned|received",
    "partially shipped": r"part(ial|ially|ly)?[ _-]?(shipped|dispatched|fulfilled|sent)|teilweise versandt?",
    "shipped": r"(shipped|dispatched|despatched|sent|fulfilled|in[ _]transit|versandt|versendet|verschickt|unterwegs|"
    r"exp.di.e?|enviad.|spedit.)",
    "unshipped": r"new|open|paid|processing|(in )?process(ing)?|(awaiting|ready|to be|waiting)[ _](to |for )?"
    r"(ship\w*|dispatch\w*|fulfil\w*)|un(shipped|fulfilled)|not (shipped|sent)|confirmed|accepted|acknowledged|created|"
    r"neu|offen|bezahlt|in bearbeitung|nuevo|pagado|pag.e|nouveau|nuovo|packed|printed",
}
"""Patterns of status words by their meaning, tried in this order."""


class _Rows(NamedTuple):
    """The rows below a guessed header: names of the columns, their cells, and the line of the header."""

    names: list[str]
    cells: list[list[str]]
    line: int

    def values(self, position: int) -> list[str]:
        """Return the different filled cells of a column."""
        filled = (row[position].strip() for row in self.cells if position < len(row))
        return list(dict.fromkeys(filter(None, filled)))


def suggest_order_map(lines: Sequence[str]) -> str | None:
    """Return sentences with an entry for the column map, guessed from the first lines of an unknown file.

    `lines` are those that are not blank. Return None if the column of the order id or that of the order day cannot be
    guessed, or the file is one of Amazon's.

    >>> suggested = suggest_order_map(["Order No;Placed on;State", "A-1;31.10.2026;Dispatched"])
    >>> print("\\n".join(suggested.splitlines()[6:10]))
        columns:
          order-id: ["Order No"]
          ordered-at: ["Placed on"]
          status: ["State"]
    """
    for line in range(min(len(lines), MAX_HEADER_LINE)):
        rows = _read_rows(lines, line)
        if "amazon-order-id" in map(normalize_spelling, rows.names):
            return None
        columns = _guess_columns(rows)
        formats = _guess_formats(rows, columns)
        if {ORDER, ORDERED_AT} <= columns.keys():
            return _describe(rows, columns, formats)
    return None


def _read_rows(lines: Sequence[str], line: int) -> _Rows:
    """Return the rows of a text whose header is on the given line (from 0)."""
    delimiter = max("\t,;", key=lines[line].count)
    if lines[line].count(delimiter) > MAX_COLUMNS:
        return _Rows([], [], line)
    try:
        header, *cells = csv.reader(lines[line : line + MAX_ROWS + 1], delimiter=delimiter)
    except (csv.Error, ValueError):
        return _Rows([], [], line)
    if sum(map(len, lines)) > HEAD_BYTES // 2:
        cells = cells[:-1]  # Of a long file only the beginning is given; its last line may be cut.
    return _Rows([name.strip().strip("\ufeff") for name in header], cells, line)


def _guess_columns(rows: _Rows) -> dict[str, int]:
    """Return the position of each column of the kit that could be guessed."""
    found: dict[str, int] = {}
    names = [_split_words(name) if len(name) <= _MAX_NAME else "" for name in rows.names]
    if len([name for name in names if name]) < 2:
        return found
    known = _known_spellings()
    for position, name in enumerate(map(normalize_spelling, rows.names)):
        if name in known and _is_free(names[position], known[name], position, found, rows):
            found[known[name]] = position
    for column, pattern in _PATTERNS:
        for position, name in enumerate(names):
            if re.fullmatch(pattern, name) and _is_free(name, column, position, found, rows):
                found[column] = position
    return found


def _is_free(name: str, column: str, position: int, found: dict[str, int], rows: _Rows) -> bool:
    """Return whether a column of the file may be the given one of the kit's, which has none yet.

    The marketplace's id of an order is better than one of the seller's software.
    """
    if position in found.values() or (name not in _ALLOWED_NAMES and _NOT_OURS.search(name)):
        return False
    is_better = column == ORDER and not re.fullmatch(_PATTERNS[0][1], _split_words(rows.names[found.get(ORDER, 0)]))
    if column in found and not (is_better and re.fullmatch(_PATTERNS[0][1], name)):
        return False
    return _fits(column, rows, position)


def _split_words(name: str) -> str:
    """Return a column name in lower case with hyphens between words, also between those of `orderDate`.

    >>> _split_words("orderDate"), _split_words("Order_No."), _split_words("OrderID"), _split_words("PO#")
    ('order-date', 'order-no', 'order-id', 'po-number')
    """
    name = re.sub(r"(?<=[a-zäöüé])(?=[A-Z])", " ", name.replace("#", " number").replace("№", " number"))
    return re.sub(r"[^\w']+|_", "-", name.lower()).strip("-")


def _known_spellings() -> dict[str, str]:
    """Return the column of each spelling of the known order files; one that they use differently is left out."""
    columns: dict[str, set[str]] = {}
    for layout in load_order_layouts().values():
        for spelling, column in layout.kind.aliases.items():
            if column in COLUMNS:
                columns.setdefault(spelling, set()).add(column)
    return {spelling: next(iter(some)) for spelling, some in columns.items() if len(some) == 1 and "#" not in spelling}


def _fits(column: str, rows: _Rows, position: int) -> bool:
    """Return whether the cells of a column may be what its name says; a column without cells may be anything."""
    values = rows.values(position)
    if not values:
        return column not in (ORDER, ORDERED_AT) or not rows.cells
    if column in TIME_COLUMNS:
        return all(_parses(value) for value in values)
    if column == ORDER:
        return not any(_parses(value) for value in values)
    if column == "units":
        return all(re.fullmatch(r"\d{1,6}", value) for value in values)
    if column == "state":
        return not any(map(_status_meaning, values))
    if column in _GUESSES:
        return any(value.lower() in _own_words(column) or _GUESSES[column](value) for value in values)
    return True


def _parses(value: str) -> bool:
    return len(value) <= _MAX_TIME and any(map(str.isdigit, value)) and parse_time(value, _FORMATS) is not None


def _guess_formats(rows: _Rows, columns: Mapping[str, int]) -> list[str]:
    """Return the formats of all times that are not written as in ISO 8601; both orders of day and month if unclear."""
    values = {value for column in TIME_COLUMNS if column in columns for value in rows.values(columns[column])}
    words = sorted(value for value in values if parse_time(value) is None)
    found: list[str] = []
    for excluded in ("^%m[/.-]%d", "^%d[/.-]%m"):
        formats = [one for one in _FORMATS if not re.search(excluded, one)]
        needed = [next((one for one in formats if parse_time(word, [one])), None) for word in words]
        if all(needed):
            found += [one for one in dict.fromkeys(needed) if one and one not in found]
    return found


def _describe(rows: _Rows, columns: Mapping[str, int], formats: Sequence[str]) -> str:
    """Return the sentences and the entry of the column map."""
    ordered = [one for one in (ORDER, *TIME_COLUMNS, *_REST) if one in columns]
    name = _free_name()
    entry = ["orders:", f"  {name}:", f"    title: {name.replace('_', ' ')}"]
    entry += _marketplace_lines(rows, columns)
    entry += ["    columns:", *(f"      {one}: [{_quote(rows.names[columns[one]])}]" for one in ordered)]
    if formats:
        entry.append(f"    dates: [{', '.join(map(_quote, formats))}]{_day_comment(formats)}")
    entry += _word_lines(rows, columns)
    if rows.line:
        entry.append(f"    header_within: {rows.line + 1}")
    if _leaves_cells_empty(rows, columns):
        entry.append("    fill_down: true")
    lacking = ", ".join(one for one in _WANTED if one not in columns)
    entry += [f"    # Name these too where the file has them: {lacking}"] if lacking else []
    return (
        f"Are these your orders? Then put this into {FILE_LABEL}, complete it, and import the file again (the line "
        "`orders:` may stand there once):\n\n" + "\n".join(entry) + "\n"
    )


_REST = (
    "status", "cancelled-by", "marketplace", "channel", "item-id", "units", "sku", "asin", "product", "tracking",
    "carrier", "ship-method", "country", "state", "is-business", "is-premium",
)  # fmt: skip
_WANTED = ("ship-by", "deliver-by", "shipped-at", "delivered-at", "cancelled-at", "cancelled-by", "status", "tracking")


def _free_name() -> str:
    """Return a name that no order file has yet."""
    taken = load_order_layouts()
    names = ("my_orders", *(f"my_orders_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _quote(text: str) -> str:
    """Return a text as YAML in quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _day_comment(formats: Iterable[str]) -> str:
    orders = {one.index("%d") < one.index("%m") for one in formats if "%m" in one and not one.startswith("%Y")}
    return "  # keep those of the right order of day and month" if len(orders) > 1 else ""


def _marketplace_lines(rows: _Rows, columns: Mapping[str, int]) -> list[str]:
    if "marketplace" in columns:
        return []
    return ["    # marketplaces: [EBAY]  # or name the marketplace at import: --marketplace EBAY"]


def _word_lines(rows: _Rows, columns: Mapping[str, int]) -> list[str]:
    """Return the lines of the words of status and marketplace, and of those without a known meaning."""
    lines: list[str] = []
    unknown: dict[str, str] = {}
    for column, guess in _GUESSES.items():
        words = rows.values(columns[column]) if column in columns else []
        by_meaning: dict[str, list[str]] = {}
        for word in words:
            if word.lower() not in _own_words(column) and _WORD.fullmatch(word):
                by_meaning.setdefault(guess(word), []).append(word)
        unknown[column] = ", ".join(by_meaning.pop("", [])[:MAX_WORDS])
        if by_meaning:
            lines += [f"      {column}:"]
            lines += [f"        {meaning}: [{', '.join(map(_quote, some))}]" for meaning, some in by_meaning.items()]
    lines = ["    words:", *lines] if lines else []
    if unknown["status"]:
        meanings = ", ".join(WORD_COLUMNS["status"])
        lines.append(f"    # Under words, status: give these words a meaning ({meanings}): {unknown['status']}")
    if unknown["marketplace"]:
        lines.append(f"    skip_other_marketplaces: true  # leaves out the rows of {unknown['marketplace']}")
    return lines


def _own_words(column: str) -> frozenset[str]:
    """Return the words that need no translation, in lower case."""
    return MARKETPLACE_NAMES if column == "marketplace" else frozenset(map(str.lower, WORD_COLUMNS[column]))


def _status_meaning(word: str) -> str:
    """Return the meaning of a status word, or "".

    >>> _status_meaning("Versendet"), _status_meaning("awaiting shipment"), _status_meaning("Blue")
    ('shipped', 'unshipped', '')
    """
    return next((one for one, pattern in _STATUS_WORDS.items() if re.fullmatch(pattern, word.strip().lower())), "")


def _marketplace_meaning(word: str) -> str:
    """Return the code of a marketplace from its name, or "".

    >>> _marketplace_meaning("TikTok-Shop"), _marketplace_meaning("Amazon DE"), _marketplace_meaning("eBay.de")
    ('TIKTOK', 'DE', 'EBAY')
    >>> _marketplace_meaning("my shop"), _marketplace_meaning("Amazon")
    ('', '')
    """
    words = " ".join(re.findall(r"[^\W_]+", word.lower()))
    for one in MARKETPLACES.values():
        names = {one.code.lower().replace("_", " "), one.title.lower()}
        if one.is_amazon:
            names |= {f"amazon {one.code.lower()}", one.sales_channel.lower().replace(".", " ")}
        # The other marketplaces have one code for all countries.
        if words in names or (not one.is_amazon and any(re.fullmatch(rf"{name}( \w\w\w?)?", words) for name in names)):
            return one.code
    return ""


_GUESSES: Mapping[str, Callable[[str], str]] = {"status": _status_meaning, "marketplace": _marketplace_meaning}
"""The function that guesses the meaning of a word, by column."""
_WORD = re.compile(r"[\w &/().-]{1,40}")


def _leaves_cells_empty(rows: _Rows, columns: Mapping[str, int]) -> bool:
    """Return whether rows after the first of an order leave the day of the order empty."""
    order, day = columns[ORDER], columns[ORDERED_AT]
    seen: set[str] = set()
    for row in rows.cells:
        if order < len(row) and row[order].strip():
            if row[order] in seen and not (day < len(row) and row[day].strip()):
                return True
            seen.add(row[order])
    return False
