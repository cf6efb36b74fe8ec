"""Which file would tell of what, where to get it, and how many days of it: `downloads.yaml`, read and checked.

`downloads_for` names the files that tell of one kind of evidence, the best first. `advice` takes what is needed and
what is on hand, and says which files to download, for which days, and whether a longer download of a file on hand would
do.
The sentences are in `report.text.downloads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from healthkit.schema import yaml_lines
from healthkit.schema.marketplaces import MARKETPLACES, find_marketplace

CATALOGUE_FILE = Path(__file__).parent / "downloads.yaml"
EVIDENCE_KINDS = (
    "orders", "cancellers", "promises", "delivery_promises", "confirmations", "confirmation_times", "deliveries",
    "tracking", "scans", "feedback", "claims", "chargebacks", "refunds", "returns", "return_answers",
    "return_feedback", "return_refusals", "invoices", "contacts", "surveys", "violations", "amazon_figures",
)  # fmt: skip
"""The kinds of evidence. `promises` are ship-by days, `delivery_promises` deliver-by days, `cancellers` who cancelled,
`confirmation_times` those that no list of late shipments replaces, `amazon_figures` what Amazon reports of its
own measures; the others are as in `tables.EVIDENCE`."""

Coverage = Literal["fully", "days assumed", "in part"]
"""How much of the evidence a file tells: all of it; which orders, but not on which day; only some (a lower bound)."""
MissingPart = Literal["all", "start", "end", "both"]
"""Which of the needed days are not on hand: all, those at the start, those at the end, or both."""
_COVERAGES: tuple[Coverage, ...] = ("fully", "days assumed", "in part")
_DAY = timedelta(days=1)


class DownloadsError(ValueError):
    """The file of downloads, or a question to it, is wrong; the message says where and what there is instead."""


class Download(BaseModel):
    """One kind of file: what it tells, and where and how it is downloaded. Lengths are in days.

    `snapshot`: the marketplace chooses the days. `by_hand`: no download holds it, the seller fills it in. `only`: the
    marketplaces that have it; empty where all of Amazon's do, or, of a file by hand, all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    title: Annotated[str, Field(min_length=1)]
    menu: Annotated[str, Field(pattern=r"^$|^[^>]+( > [^>]+)+$")] = ""
    report_type: Annotated[str, Field(pattern=r"^$|^GET_[A-Z0-9_]+$")] = ""
    most_days: Annotated[int, Field(ge=1, strict=True)] | None = None
    every: Annotated[int, Field(ge=1, strict=True)]
    snapshot: bool = False
    by_hand: bool = False
    only: tuple[str, ...] = ()
    tells: dict[str, Coverage]
    note: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    sure: Literal["A", "R", "T", "I"]
    read: date

    @model_validator(mode="after")
    def _is_consistent(self) -> Download:
        if self.by_hand and (self.menu or self.report_type or self.most_days or self.snapshot):
            raise ValueError("a file by hand has no menu, report_type, most_days or snapshot")
        unknown = [word for word in self.tells if word not in EVIDENCE_KINDS]
        if unknown:
            raise ValueError(f"no evidence {unknown[0]!r}; there are {', '.join(EVIDENCE_KINDS)}")
        strange = [code for code in self.only if code not in MARKETPLACES]
        if strange:
            raise ValueError(f"no marketplace {strange[0]!r}; there are {', '.join(MARKETPLACES)}")
        return self

    def is_available_in(self, code: str) -> bool:
        """Whether a seller in that marketplace can get the file."""
        if self.only:
            return code in self.only
        return self.by_hand or find_marketplace(code).is_amazon


class Catalogue(NamedTuple):
    """All kinds of files by name, and for each kind of evidence the files that tell of it, the best first."""

    downloads: dict[str, Download]
    evidence: dict[str, tuple[Download, ...]]


class EvidenceNeed(NamedTuple):
    """Evidence that is needed for some days, and the days of it that are on hand (None: none of it).

    `measures` are the ids of the metrics that it would serve. `have_kind` is the kind of the file on hand, where known:
    only then can a longer download of it be named.
    """

    evidence: str
    first: date
    last: date
    have_first: date | None
    have_last: date | None
    measures: tuple[str, ...] = ()
    have_kind: str = ""

    def missing(self) -> MissingPart | None:
        """Which of the needed days are not on hand; None where all are.

        >>> Need("feedback", date(2026, 9, 14), date(2026, 11, 27), date(2026, 10, 3), date(2026, 11, 27)).missing()
        'start'
        """
        if self.have_first is None or self.have_last is None:
            return "all"
        # Days on hand that touch none of the needed ones do not help.
        if self.have_first > self.last or self.have_last < self.first:
            return "all"
        start, end = self.have_first > self.first, self.have_last < self.last
        return "both" if start and end else "start" if start else "end" if end else None

    def ranges(self) -> list[tuple[date, date]]:
        """The needed days that are not on hand, as first and last day."""
        missing = self.missing()
        if missing is None:
            return []
        if missing == "all" or self.have_first is None or self.have_last is None:
            return [(self.first, self.last)]
        before = [(self.first, self.have_first - _DAY)] if missing in ("start", "both") else []
        return before + ([(self.have_last + _DAY, self.last)] if missing in ("end", "both") else [])


class DownloadAdvice(NamedTuple):
    """One file to get: what it is, where it is, for which days, and for what.

    `report.text.downloads.advice_sentence(advice)` is its sentence.

    `kind` and `title` are empty where no file tells of the evidence. `ranges` are the missing days, as first and last
    day; `days` how many they are, `downloads` in how many downloads of at most `most_days` each. A snapshot has no days
    to choose: its `ranges` are empty. With `extends` it is a longer download of the file on hand, which holds the days
    `have_first` to `have_last`. `how` is the least that it tells of any of the `evidence`; `fully` the title of another
    file that tells all of it, if `how` is less than that.
    """

    kind: str
    title: str
    menu: str
    report_type: str
    evidence: tuple[str, ...]
    measures: tuple[str, ...]
    missing: MissingPart
    ranges: tuple[tuple[date, date], ...]
    days: int
    downloads: int
    most_days: int | None
    have_first: date | None
    have_last: date | None
    extends: bool
    snapshot: bool
    by_hand: bool
    how: Coverage
    full_alternative: str
    note: str


def downloads_for(evidence: str, marketplace: str) -> list[Download]:
    """The files that tell of some evidence in a marketplace, the best first; none where no file does.

    Raises DownloadsError for an unknown kind of evidence, UnknownMarketplace for an unknown marketplace.

    >>> [one.kind for one in downloads_for("claims", "US")]
    ['list_order_defects', 'list_a_to_z_claims', 'settlement', 'returns', 'defects']
    >>> [one.kind for one in downloads_for("claims", "EBAY")]
    ['defects']
    """
    if evidence not in EVIDENCE_KINDS:
        raise DownloadsError(f"No evidence {evidence!r}. There are: {', '.join(EVIDENCE_KINDS)}.")
    return [one for one in catalogue().evidence[evidence] if one.is_available_in(marketplace)]


def recommend_downloads(needs: Iterable[Sequence[Any]], marketplace: str) -> list[DownloadAdvice]:
    """Which files to get, so that the needed days are on hand: one row a file, in the order of the needs.

    `needs` are `Need`s, or tuples of their fields. Needs that one file serves are put together; what is on hand already
    is left out.

    >>> need = ("feedback", date(2026, 9, 14), date(2026, 11, 27), date(2026, 10, 3), date(2026, 11, 27))
    >>> [one] = advice([(*need, ("order_defect_rate",), "feedback")], "US")
    >>> one.title, one.missing, one.days, one.downloads, one.extends
    ('seller feedback file', 'start', 19, 1, True)
    """
    groups: dict[tuple[str, bool], list[EvidenceNeed]] = {}
    for need in (EvidenceNeed(*one) for one in needs):
        if need.missing() is not None:
            chosen = _choose_download(need, downloads_for(need.evidence, marketplace))
            key = (chosen.kind, chosen.kind == need.have_kind) if chosen else (f"no file of {need.evidence}", False)
            groups.setdefault(key, []).append(need)
    return [_recommend_file(key[0], group, marketplace) for key, group in groups.items()]


def _choose_download(need: EvidenceNeed, choices: list[Download]) -> Download | None:
    """The file to get: the one on hand, longer; else the best. A snapshot cannot be asked for earlier days."""
    early = need.missing() in ("start", "both")
    able = [one for one in choices if not (early and one.snapshot)] or choices
    same = [one for one in able if one.kind == need.have_kind and need.missing() != "all"]
    return next(iter(same + able), None)


def _recommend_file(kind: str, needs: list[EvidenceNeed], marketplace: str) -> DownloadAdvice:
    """What is to be said of one file and all the needs that it serves."""
    evidence = tuple(dict.fromkeys(need.evidence for need in needs))
    measures = tuple(dict.fromkeys(name for need in needs for name in need.measures))
    missing = _combine_missing([need.missing() for need in needs])
    partly = [need for need in needs if need.have_first and need.have_last] if missing != "all" else []
    have_first = max((need.have_first for need in partly if need.have_first), default=None)
    have_last = min((need.have_last for need in partly if need.have_last), default=None)
    if have_first is not None and have_last is not None and have_first > have_last:
        # Of one need the days before are on hand, of another those after: nothing that can be said of the file.
        missing, have_first, have_last = "all", None, None
    ranges = _merge_ranges([one for need in needs for one in need.ranges()])
    days = sum(_day_count(*one) for one in ranges)
    file = catalogue().downloads.get(kind)
    if file is None:
        return DownloadAdvice(
            "", "", "", "", evidence, measures, missing, ranges, days, 0, None, have_first, have_last, False, False,
            False, "fully", "", "",
        )  # fmt: skip
    how = max((file.tells[word] for word in evidence), key=_COVERAGES.index)
    # One download over all of the days may be less work than one for each gap.
    whole = [(ranges[0][0], ranges[-1][1])]
    downloads = min(sum(_download_count(*one, file.most_days) for one in parts) for parts in (ranges, whole))
    if file.snapshot:
        ranges, days, downloads = (), 0, 1
    extends = missing != "all" and all(need.have_kind == kind for need in needs)
    fully = "" if how == "fully" else _find_full_alternative(kind, evidence, marketplace)
    return DownloadAdvice(
        file.kind, file.title, file.menu, file.report_type, evidence, measures, missing, ranges, days, downloads,
        file.most_days, have_first, have_last, extends, file.snapshot, file.by_hand, how, fully, file.note,
    )  # fmt: skip


def _combine_missing(all_missing: Iterable[MissingPart | None]) -> MissingPart:
    """What is missing of a file that serves several needs."""
    found = set(all_missing)
    if "all" in found:
        return "all"
    start, end = bool(found & {"start", "both"}), bool(found & {"end", "both"})
    return "both" if start and end else "start" if start else "end"


def _find_full_alternative(kind: str, evidence: tuple[str, ...], marketplace: str) -> str:
    """The title of another file that tells all of the evidence; "" where there is none."""
    others = [one for one in downloads_for(evidence[0], marketplace) if one.kind != kind]
    return next((one.title for one in others if all(one.tells.get(word) == "fully" for word in evidence)), "")


def _day_count(first: date, last: date) -> int:
    return (last - first).days + 1


def _download_count(first: date, last: date, most_days: int | None) -> int:
    """In how many downloads these days are held.

    >>> _portions(date(2026, 9, 14), date(2026, 11, 27), 30), _portions(date(2026, 9, 14), date(2026, 11, 27), None)
    (3, 1)
    """
    return 1 if most_days is None else -(-_day_count(first, last) // most_days)


def _merge_ranges(ranges: list[tuple[date, date]]) -> tuple[tuple[date, date], ...]:
    """Ranges of days in order; those that overlap or touch are one.

    >>> one, five, six, nine = (date(2026, 10, day) for day in (1, 5, 6, 9))
    >>> [f"{first:%d}-{last:%d}" for first, last in _joined([(six, nine), (one, five)])]
    ['01-09']
    """
    made: list[tuple[date, date]] = []
    for first, last in sorted(ranges):
        if made and first <= made[-1][1] + _DAY:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return tuple(made)


@cache
def catalogue() -> Catalogue:
    """The kit's own catalogue, read once."""
    return load_catalogue(CATALOGUE_FILE)


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue. Raises DownloadsError naming file, line and field."""
    try:
        found = yaml_lines.read_yaml(path)
    except yaml_lines.YamlError as error:
        raise DownloadsError(str(error)) from None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), dict) for name in ("evidence", "downloads")):
        raise DownloadsError(f"{path.name}: it must hold two mappings, evidence and downloads.")
    rows = {kind: row for kind, row in found["downloads"].items() if kind != yaml_lines.LINE_KEY}
    downloads = {kind: _load_download(path, kind, row) for kind, row in rows.items()}
    order = {word: kinds for word, kinds in found["evidence"].items() if word != yaml_lines.LINE_KEY}
    if list(order) != list(EVIDENCE_KINDS):
        raise DownloadsError(f"{path.name}, evidence: the words must be {', '.join(EVIDENCE_KINDS)}, in this order.")
    for word, kinds in order.items():
        tells = {one.kind for one in downloads.values() if word in one.tells}
        wrong = sorted(tells ^ set(kinds))
        if wrong or len(set(kinds)) < len(kinds):
            named = ", ".join(wrong or kinds)
            raise DownloadsError(f"{path.name}, evidence, {word}: it must list each file that tells it once ({named}).")
    return Catalogue(downloads, {word: tuple(downloads[kind] for kind in kinds) for word, kinds in order.items()})


def _load_download(path: Path, kind: str, row: Any) -> Download:
    """One entry, or an error that names its line and field."""
    if not isinstance(row, dict):
        raise DownloadsError(f"{path.name}, downloads, {kind}: it must be a mapping of fields.")
    try:
        return Download(kind=kind, **yaml_lines.without_lines(row))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "entry"
        raise DownloadsError(f"{path.name}, line {row['line']}, {kind}, field {where}: {first['msg']}.") from None
