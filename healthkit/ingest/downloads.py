"""Recommend which files to download: `downloads.yaml` lists the files that contain each kind of evidence.

`downloads_for` lists the files for one kind of evidence, the best first. `recommend_downloads` compares the days that
are needed with those on hand and returns the files to download, for which days, and whether to extend a file on hand.
The wording is in `downloads_text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from healthkit.schema import yaml_lines
from healthkit.schema.marketplaces import MARKETPLACES, find_marketplace

CATALOGUE_FILE = Path(__file__).parent / "downloads.yaml"
"""YAML file with the catalogue of downloads that is part of healthkit."""
EVIDENCE_KINDS = (
    "orders", "cancellers", "promises", "delivery_promises", "confirmations", "confirmation_times", "deliveries",
    "tracking", "scans", "business_hours", "feedback", "claims", "chargebacks", "refunds", "not_received", "cases",
    "returns", "return_answers", "return_feedback", "return_refusals", "invoices", "contacts", "surveys", "violations",
    "amazon_figures",
)  # fmt: skip
"""Names of the kinds of evidence that files can contain.

`promises` are ship-by days, `delivery_promises` deliver-by days, and `cancellers` state who cancelled.
`confirmation_times` are confirmations that a list of late shipments cannot replace. `amazon_figures` are what the
marketplace reports of its own measures. The others are as in `tables.EVIDENCE_BY_KIND`.
"""

Coverage = Literal["fully", "days assumed", "in part"]
"""How much of one kind of evidence a file contains.

"fully" is all of it, "days assumed" all orders but not their days, and "in part" only some of the orders (a lower
bound).
"""
MissingPart = Literal["all", "start", "end", "both"]
"""Which of the needed days are not on hand: all days, the first ones ("start"), the last ones ("end"), or both."""
_COVERAGES = get_args(Coverage)
_DAY = timedelta(days=1)


class DownloadsError(ValueError):
    """Raised if the catalogue of downloads is invalid or if unknown evidence is requested.

    The message states where the mistake is.
    """


class Download(BaseModel):
    """One kind of file: which evidence it contains and how a seller gets it.

    `contains` states the coverage of each kind of evidence in the file. `most_days` is the most days of one download,
    `every` how often to download it [days]. For a `snapshot` the marketplace chooses the days. A file `by_hand` is not
    downloaded; the seller fills it in. `only` lists the marketplaces that have the file; empty means all of Amazon's,
    or all for a file by hand. `site` is the name of the pages that `menu` is of, `api` that of the interface.
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
    site: Annotated[str, Field(min_length=1)] = "Seller Central"
    api: Annotated[str, Field(min_length=1)] = "Selling Partner API"
    only: tuple[str, ...] = ()
    contains: dict[str, Coverage]
    note: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    sure: Literal["A", "R", "T", "I"]
    read: date

    @model_validator(mode="after")
    def _is_consistent(self) -> Download:
        if self.by_hand and (self.menu or self.report_type or self.most_days or self.snapshot):
            raise ValueError("a file by hand has no menu, report_type, most_days or snapshot")
        for noun, names, known in (
            ("evidence", self.contains, EVIDENCE_KINDS),
            ("marketplace", self.only, MARKETPLACES),
        ):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise ValueError(f"no {noun} {unknown[0]!r}; there are {', '.join(known)}")
        return self

    def is_available_in(self, code: str) -> bool:
        """Return whether a seller in the given marketplace can get this file."""
        return code in self.only if self.only else self.by_hand or find_marketplace(code).is_amazon


class Catalogue(NamedTuple):
    """All downloads by kind of file, and the downloads that contain each kind of evidence, the best first."""

    downloads: dict[str, Download]
    evidence: dict[str, tuple[Download, ...]]


class EvidenceNeed(NamedTuple):
    """Evidence that is needed from day `first` to day `last`, and the days of it that are already on hand.

    `have_first` and `have_last` are the days on hand, or None if there are none. `measures` are the ids of the metrics
    that use it. `have_kind` is the kind of the file on hand, if known; without it, a longer download of that file
    cannot be recommended.
    """

    evidence: str
    first: date
    last: date
    have_first: date | None
    have_last: date | None
    measures: tuple[str, ...] = ()
    have_kind: str = ""

    def missing(self) -> MissingPart | None:
        """Return which part of the needed days is not on hand, or None if all days are on hand.

        >>> first, last = date(2026, 9, 14), date(2026, 11, 27)
        >>> EvidenceNeed("feedback", first, last, date(2026, 10, 3), last).missing()
        'start'
        """
        ranges = self.ranges()
        if len(ranges) != 1:
            return "both" if ranges else None
        [(first, last)] = ranges
        return "all" if (first, last) == (self.first, self.last) else "start" if first == self.first else "end"

    def ranges(self) -> list[tuple[date, date]]:
        """Return the needed days that are not on hand, as pairs of first and last day."""
        have_first, have_last = self.have_first, self.have_last
        if have_first is None or have_last is None or have_first > self.last or have_last < self.first:
            return [(self.first, self.last)]
        gaps = [(self.first, have_first - _DAY), (have_last + _DAY, self.last)]
        return [(first, last) for first, last in gaps if first <= last]


class DownloadAdvice(NamedTuple):
    """Advice to download one file: which file, from where, for which days and for which evidence.

    `report.text.downloads` turns it into sentences.

    - `kind` and `title` are "" if no file contains the evidence.
    - `ranges` are the days to download, `days` their number, `downloads` the number of downloads of at most `most_days`
      each. A snapshot has no ranges, since the marketplace chooses its days.
    - With `extends` it is a longer download of the file on hand, which contains the days `have_first` to `have_last`.
    - `how` is the lowest coverage of any of the evidence; if it is not "fully", `full_alternative` is the title of
      another file that contains all of the evidence, or "".
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
    site: str = "Seller Central"
    api: str = "Selling Partner API"
    marketplace: str = "US"


def downloads_for(evidence: str, marketplace: str) -> list[Download]:
    """Return the files that contain the given kind of evidence in a marketplace, the best file first.

    Raise DownloadsError for an unknown kind of evidence, and UnknownMarketplace for an unknown marketplace.

    >>> [one.kind for one in downloads_for("claims", "US")]
    ['list_order_defects', 'list_a_to_z_claims', 'settlement', 'returns', 'defects']
    >>> [one.kind for one in downloads_for("claims", "EBAY")]
    ['defects']
    """
    if evidence not in EVIDENCE_KINDS:
        raise DownloadsError(f"No evidence {evidence!r}. There are: {', '.join(EVIDENCE_KINDS)}.")
    return [one for one in catalogue().evidence[evidence] if one.is_available_in(marketplace)]


def recommend_downloads(needs: Iterable[Sequence[Any]], marketplace: str) -> list[DownloadAdvice]:
    """Return advice on the files that provide all needed days, in the order of `needs`.

    `needs` are of the class `EvidenceNeed`, or tuples of its fields. Needs that one file serves are combined, to one
    range of days unless that takes more downloads; needs whose days are all on hand are left out.

    >>> need = ("feedback", date(2026, 9, 14), date(2026, 11, 27), date(2026, 10, 3), date(2026, 11, 27))
    >>> [one] = recommend_downloads([(*need, ("order_defect_rate",), "feedback")], "US")
    >>> one.title, one.missing, one.days, one.downloads, one.extends
    ('seller feedback file', 'start', 19, 1, True)
    """
    groups: dict[str, list[EvidenceNeed]] = {}
    for need in (EvidenceNeed(*one) for one in needs):
        if need.missing() is not None:
            chosen = _choose_download(need, downloads_for(need.evidence, marketplace))
            groups.setdefault(chosen.kind if chosen else f"no file of {need.evidence}", []).append(need)
    return [_recommend_file(kind, group, marketplace) for kind, group in groups.items()]


def _choose_download(need: EvidenceNeed, choices: list[Download]) -> Download | None:
    """Return the file to download: preferably the one on hand. A snapshot cannot contain earlier days."""
    lacks_start = need.missing() in ("start", "both")
    suitable = [one for one in choices if not (lacks_start and one.snapshot)] or choices
    on_hand = [one for one in suitable if one.kind == need.have_kind and need.missing() != "all"]
    return next(iter(on_hand + suitable), None)


def _recommend_file(kind: str, needs: list[EvidenceNeed], marketplace: str) -> DownloadAdvice:
    """Return the advice on one file and all the needs that it serves."""
    evidence = tuple(dict.fromkeys(need.evidence for need in needs))
    measures = tuple(dict.fromkeys(name for need in needs for name in need.measures))
    missing = _combine_missing([need.missing() for need in needs])
    partly = [need for need in needs if need.have_first and need.have_last] if missing != "all" else []
    have_first = max((need.have_first for need in partly if need.have_first), default=None)
    have_last = min((need.have_last for need in partly if need.have_last), default=None)
    if have_first is not None and have_last is not None and have_first > have_last:
        # The needs have no day on hand in common.
        missing, have_first, have_last = "all", None, None
    ranges = _merge_ranges([one for need in needs for one in need.ranges()])
    download = catalogue().downloads.get(kind)
    most_days = None if download is None else download.most_days
    # One download over all of the days, also those on hand, may be less work than one for each gap.
    whole = ((ranges[0][0], ranges[-1][1]),)
    ranges = whole if _downloads_of(whole, most_days) <= _downloads_of(ranges, most_days) else ranges
    downloads = _downloads_of(ranges, most_days)
    days = sum(_day_count(*one) for one in ranges)
    if download is None:
        return DownloadAdvice(
            "", "", "", "", evidence, measures, missing, ranges, days, 0, None, have_first, have_last, False, False,
            False, "fully", "", "", marketplace=marketplace,
        )  # fmt: skip
    coverage = max((download.contains[word] for word in evidence), key=_COVERAGES.index)
    extends = (
        missing != "all" and (missing != "both" or ranges != whole) and all(one.have_kind == kind for one in needs)
    )
    if download.snapshot:
        ranges, days, downloads = (), 0, 1
    alternative = "" if coverage == "fully" else _find_full_alternative(kind, evidence, marketplace)
    return DownloadAdvice(
        download.kind, download.title, download.menu, download.report_type, evidence, measures, missing, ranges, days,
        downloads, download.most_days, have_first, have_last, extends, download.snapshot, download.by_hand, coverage,
        alternative, download.note, download.site, download.api, marketplace,
    )  # fmt: skip


def _combine_missing(all_missing: Iterable[MissingPart | None]) -> MissingPart:
    """Return which days are missing for any of several needs."""
    found = set(all_missing)
    if "all" in found:
        return "all"
    start, end = bool(found & {"start", "both"}), bool(found & {"end", "both"})
    return "both" if start and end else "start" if start else "end"


def _find_full_alternative(kind: str, evidence: tuple[str, ...], marketplace: str) -> str:
    """Return the title of another file that contains all of the evidence, or ""."""
    others = [one for one in downloads_for(evidence[0], marketplace) if one.kind != kind]
    return next((one.title for one in others if all(one.contains.get(word) == "fully" for word in evidence)), "")


def _day_count(first: date, last: date) -> int:
    return (last - first).days + 1


def _download_count(first: date, last: date, most_days: int | None) -> int:
    """Return the number of downloads of at most `most_days` that cover some days.

    >>> [_download_count(date(2026, 9, 14), date(2026, 11, 27), most_days) for most_days in (30, None)]
    [3, 1]
    """
    return 1 if most_days is None else -(-_day_count(first, last) // most_days)


def _downloads_of(ranges: Sequence[tuple[date, date]], most_days: int | None) -> int:
    return sum(_download_count(first, last, most_days) for first, last in ranges)


def _merge_ranges(ranges: list[tuple[date, date]]) -> tuple[tuple[date, date], ...]:
    """Return ranges of days in order; ranges that overlap or touch become one.

    >>> one, five, six, nine = (date(2026, 10, day) for day in (1, 5, 6, 9))
    >>> [f"{first:%d}-{last:%d}" for first, last in _merge_ranges([(six, nine), (one, five)])]
    ['01-09']
    """
    merged: list[tuple[date, date]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + _DAY:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


@cache
def catalogue() -> Catalogue:
    """Return the catalogue that is part of healthkit; its file is read only once."""
    return load_catalogue(CATALOGUE_FILE)


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue of downloads from a YAML file.

    Raise DownloadsError with file, line and field if it is invalid.
    """
    try:
        content = yaml_lines.read_yaml(path)
    except yaml_lines.YamlError as error:
        raise DownloadsError(str(error)) from None
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), dict) for name in ("evidence", "downloads")
    ):
        raise DownloadsError(f"{path.name}: it must hold two mappings, evidence and downloads.")
    rows = content["downloads"].items()
    downloads = {kind: _load_download(path, kind, row) for kind, row in rows if kind != yaml_lines.LINE_KEY}
    kinds_by_word = yaml_lines.without_lines(content["evidence"])
    if list(kinds_by_word) != list(EVIDENCE_KINDS):
        raise DownloadsError(f"{path.name}, evidence: the words must be {', '.join(EVIDENCE_KINDS)}, in this order.")
    for word, kinds in kinds_by_word.items():
        wrong = sorted({one.kind for one in downloads.values() if word in one.contains} ^ set(kinds))
        if wrong or len(set(kinds)) < len(kinds):
            names = ", ".join(wrong or kinds)
            raise DownloadsError(
                f"{path.name}, evidence, {word}: it must list each file that contains it once ({names})."
            )
    evidence = {word: tuple(downloads[kind] for kind in kinds) for word, kinds in kinds_by_word.items()}
    return Catalogue(downloads, evidence)


def _load_download(path: Path, kind: str, row: Any) -> Download:
    """Return one entry of the catalogue. Raise DownloadsError with its line and field if it is invalid."""
    if not isinstance(row, dict):
        raise DownloadsError(f"{path.name}, downloads, {kind}: it must be a mapping of fields.")
    try:
        return Download(kind=kind, **yaml_lines.without_lines(row))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "entry"
        raise DownloadsError(f"{path.name}, line {row['line']}, {kind}, field {where}: {first['msg']}.") from None
