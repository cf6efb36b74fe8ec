"""Reads a reports folder: the current pages, and sentences on failed, missing and unusable ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from healthkit.batch import manifest, output_files
from healthkit.batch.manifest import ManifestError
from healthkit.report.model import parse_period

Owner = tuple[str, str]
"""Account and marketplace of a page."""
IndexNote = tuple[str, list[tuple[str, str]]]
"""A sentence for the index and the links that belong to it, as pairs of text and address."""
MAX_NAMES = 8
"""Maximum number of names that a sentence lists; of further names it gives the number."""
RUN_AGAIN = "Run the report of this account again."


@dataclass(frozen=True)
class FailedRun:
    """A failed run, as recorded in its manifest; `page` is the page of an earlier run, empty if there is none."""

    owner: Owner
    status: str
    reason: str
    notebook: str
    page: str
    data_version: str


@dataclass(frozen=True)
class ReportFolder:
    """Content of the reports folder of one month or week.

    `index_rows` has a row for each current page, `verdicts` its three sentences. `failed_runs` are runs without page,
    `without_pdf` has reason and cure for pages without PDF. `not_in_store` are pages of accounts that the store does
    not hold, `without_orders` of those that have nothing to report for the month. `unusable_files` has name, reason and
    cure; `foreign_files` are files in the folder of an account that are not of its page. `data` is what each current
    page was made of; `of_earlier_version` are the pages of an earlier version of the store whose own data are the same
    now, `out_of_date` those whose own data are not.
    """

    index_rows: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[Owner, list[list[str]]] = field(default_factory=dict)
    failed_runs: list[FailedRun] = field(default_factory=list)
    without_pdf: dict[Owner, tuple[str, str]] = field(default_factory=dict)
    not_in_store: list[Owner] = field(default_factory=list)
    without_orders: list[Owner] = field(default_factory=list)
    unusable_files: list[tuple[str, str, str]] = field(default_factory=list)
    foreign_files: dict[str, list[str]] = field(default_factory=dict)
    data: dict[Owner, dict[str, str]] = field(default_factory=dict)
    of_earlier_version: list[Owner] = field(default_factory=list)
    out_of_date: list[Owner] = field(default_factory=list)

    def drop_owners(self, owners: Set[Owner]) -> ReportFolder:
        """Return a copy without the index rows and verdicts of the given owners."""
        rows = [row for row in self.index_rows if (row["account"], row["marketplace"]) not in owners]
        verdicts = {owner: verdict for owner, verdict in self.verdicts.items() if owner not in owners}
        return replace(self, index_rows=rows, verdicts=verdicts)

    def with_age(self, data_now: Mapping[Owner, Mapping[str, str]]) -> ReportFolder:
        """Return a copy that lists the pages on the index of other data than the given ones of today.

        >>> pages = ReportFolder([{"account": "acme", "marketplace": "US"}], data={("acme", "US"): {"version": "3"}})
        >>> pages.with_age({("acme", "US"): {"version": "4"}}).of_earlier_version
        [('acme', 'US')]
        """
        shown = [(row["account"], row["marketplace"]) for row in self.index_rows]
        older = [one for one in shown if one in data_now and self.data.get(one) != data_now[one]]
        changed = [
            one for one in older if not manifest.has_same_inputs({"data": self.data[one]}, {"data": data_now[one]})
        ]
        return replace(self, of_earlier_version=[one for one in older if one not in changed], out_of_date=changed)


def read_folder(
    folder: Path, month: str, owners_of_month: Iterable[Owner], owners_in_store: Iterable[Owner]
) -> ReportFolder:
    """Read the reports folder of a month, or of the week to a day, and return its content.

    `owners_of_month` are the accounts of the month, `owners_in_store` all accounts of the store. Files that are
    damaged, changed or foreign are listed, not raised. The caller holds the lock of the folder.
    """
    found, in_month, in_store = ReportFolder(), set(owners_of_month), set(owners_in_store)
    for path in sorted(folder.glob(f"*{manifest.MANIFEST_SUFFIX}")):
        try:
            content = manifest.load_manifest(path)
            owner = content["account"], content["marketplace"]
            if owner in in_month:
                _add_manifest(found, folder, month, owner, content, path.name.removesuffix(manifest.MANIFEST_SUFFIX))
            elif content["files"]:
                (found.without_orders if owner in in_store else found.not_in_store).append(owner)
        except ManifestError as error:
            found.unusable_files.append((path.name, str(error), error.cure))
        except OSError as error:
            found.unusable_files.append((path.name, f"its files cannot be read ({error.strerror})", RUN_AGAIN))
    found.index_rows.sort(key=lambda row: (row["account"], row["marketplace"]))
    return found


def _add_manifest(
    report_folder: ReportFolder, folder: Path, month: str, owner: Owner, content: dict[str, Any], stem: str
) -> None:
    """Add the page or failed run of one manifest. Raises ManifestError if it cannot be used."""
    if stem != output_files.page_stem(*owner):
        cure = (
            f"Its page is now {output_files.page_stem(*owner)}.html; delete the files of the other name when you like."
        )
        raise ManifestError(f"it is a page of {owner_label(owner)} under another name", cure)
    if content.get("failed"):
        report_folder.failed_runs.append(_failed_run(folder, owner, content, stem))
        return
    parameters = content["inputs"].get("parameters", {})
    if month not in (parameters.get("month"), parameters.get("as_of")):
        period = parse_period(month)
        raise ManifestError(
            f"it is not of {period.name}", f"Move it and its page to the folder of their {period.kind}."
        )
    lost = manifest.missing_files(folder, content)
    if lost or not content["files"]:
        raise ManifestError(f"its page is not whole: {', '.join(lost) or 'no file'} is missing", RUN_AGAIN)
    _add_figures(report_folder, folder, owner, content, f"{stem}.json")
    if "/" in page_name(content) and (foreign := _foreign_files(folder, stem, content)):
        report_folder.foreign_files[stem] = foreign
    if "without_pdf" in content:
        report_folder.without_pdf[owner] = (
            content["without_pdf"].get("what", ""),
            content["without_pdf"].get("cure", RUN_AGAIN),
        )


def _add_figures(report_folder: ReportFolder, folder: Path, owner: Owner, content: dict[str, Any], name: str) -> None:
    """Add the index row and the verdict of a page from its JSON file, or list the file as unusable."""
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        report_folder.unusable_files.append((name, f"it cannot be read ({error.strerror})", RUN_AGAIN))
        return
    if output_files.sha256_hex(data) != content["files"].get(name):
        report_folder.unusable_files.append((name, "it was damaged or changed after it was printed", RUN_AGAIN))
        return
    row, verdict = _row_and_verdict(data)
    if row is None:
        report_folder.unusable_files.append(
            (name, "it holds no row for the index, or is of another version of this kit", RUN_AGAIN)
        )
        return
    page = page_name(content)
    links = {"href": page, "csv_href": page.removesuffix(".html") + "_orders.csv", "json_href": name}
    report_folder.index_rows.append(row | {"account": owner[0], "marketplace": owner[1]} | links)
    report_folder.verdicts[owner] = verdict
    report_folder.data[owner] = content["inputs"].get("data", {})


def _row_and_verdict(data: bytes) -> tuple[dict[str, Any] | None, list[list[str]]]:
    """Return the index row and the sentences in the JSON of a page; no row if it has another shape."""
    try:
        figures = json.loads(data)
    except (ValueError, RecursionError):
        return None, []
    if not isinstance(figures, dict) or not isinstance(figures.get("row"), dict):
        return None, []
    verdict = figures.get("verdict")
    if not isinstance(verdict, list):
        return None, []
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in verdict):
        return None, []
    return figures["row"], verdict


def _foreign_files(folder: Path, stem: str, content: dict[str, Any]) -> list[str]:
    """Return the files in the folder of an account that its manifest does not name."""
    return sorted(path.name for path in (folder / stem).iterdir() if f"{stem}/{path.name}" not in content["files"])


def _failed_run(folder: Path, owner: Owner, content: dict[str, Any], stem: str) -> FailedRun:
    """Return the failed run of a manifest, with the page of an earlier run if that is complete."""
    page = page_name(content) if content["files"] and not manifest.missing_files(folder, content) else ""
    data = content["inputs"].get("data", {})
    version = data.get("version") if isinstance(data, dict) else None
    notebook = content["failed"].get("notebook", "")
    kept = notebook if notebook == f"{stem}{manifest.FAILED_NOTEBOOK_SUFFIX}" and (folder / notebook).is_file() else ""
    status, what = content["failed"].get("status", "failed"), content["failed"].get("what", "")
    return FailedRun(owner, status, what, kept, page, f"version {version} of the store" if version else "")


def page_name(content: dict[str, Any]) -> str:
    """Return the name of the HTML file that a manifest lists; empty if it lists no HTML file."""
    return next((name for name in content["files"] if name.endswith(".html")), "")


# -- sentences ----------------------------------------------------------------------------------------------------


def owner_label(owner: Owner) -> str:
    """Return a label for an account and marketplace, for use in messages.

    >>> owner_label(("harbor", "US"))
    'harbor (US)'
    """
    return f"{owner[0]} ({owner[1]})"


def list_owners(owners: Iterable[Owner]) -> str:
    """Return a text that lists the labels of the given accounts, sorted.

    It lists at most MAX_NAMES labels, and gives the number of further accounts.
    >>> list_owners([("harbor", "US"), ("acme", "DE")])
    'acme (DE), harbor (US)'
    """
    return _shorten_names([owner_label(owner) for owner in sorted(owners)])


def _shorten_names(names: list[str]) -> str:
    """Join at most MAX_NAMES names; add the number of the others."""
    more = len(names) - MAX_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:MAX_NAMES])} and {more:,} more"


def ended_sentence(account: str, marketplace: str, last_day: date, kind: str = "month") -> str:
    """Return a sentence saying that an account has no page because its files end before the month or week.

    >>> ended_sentence("acme", "US", date(2026, 9, 12))
    'acme (US) has no page: its files end on 2026-09-12, and nothing is known of the month.'
    """
    return f"{account} ({marketplace}) has no page: its files end on {last_day}, and nothing is known of the {kind}."


def absent_sentences(report_folder: ReportFolder, kind: str = "month") -> list[str]:
    """Return sentences about pages whose accounts are no longer in the store or have nothing to report.

    >>> absent_sentences(ReportFolder(not_in_store=[("acme", "DE")]))
    ['1 page is of an account that the store no longer holds: acme (DE). Its files are left where they are.']
    """
    messages = []
    for owners, one, many in (
        (
            report_folder.not_in_store,
            "an account that the store no longer holds",
            "accounts that the store no longer holds",
        ),
        (
            report_folder.without_orders,
            f"an account without orders for this {kind}",
            f"accounts without orders for this {kind}",
        ),
    ):
        if len(owners) == 1:
            messages.append(f"1 page is of {one}: {list_owners(owners)}. Its files are left where they are.")
        elif owners:
            messages.append(
                f"{len(owners):,} pages are of {many}: {list_owners(owners)}. Their files are left where they are."
            )
    return messages


def age_sentences(report_folder: ReportFolder) -> list[str]:
    """Return sentences about pages that were made from an earlier version of the store or from other rules or events.

    >>> age_sentences(ReportFolder(out_of_date=[("acme", "DE")]))
    ['Not up to date, because its data, rules or events changed since: acme (DE). Run its report again.']
    """
    messages = []
    if count := len(report_folder.of_earlier_version):
        are, their = ("1 page is", "its account") if count == 1 else (f"{count:,} pages are", "their accounts")
        messages.append(
            f"{are} of an earlier version of the store. No data of {their} changed since; the forecasts on "
            f"{'it' if count == 1 else 'them'} use rates shared with other accounts as of that version."
        )
    if changed := report_folder.out_of_date:
        its, report = ("its", "its report") if len(changed) == 1 else ("their", "their reports")
        messages.append(
            f"Not up to date, because {its} data, rules or events changed since: {list_owners(changed)}. "
            f"Run {report} again."
        )
    return messages


def unusable_sentences(report_folder: ReportFolder) -> list[str]:
    """Return a sentence for each unusable file of a folder; it says why the file is unusable and what to do.

    >>> file = ("acme_us.json", "it cannot be read (Permission denied)", RUN_AGAIN)
    >>> unusable_sentences(ReportFolder(unusable_files=[file]))
    ['acme_us.json is not on the index: it cannot be read (Permission denied). Run the report of this account again.']
    """
    return [f"{name} is not on the index: {why}. {cure}" for name, why, cure in report_folder.unusable_files]


def foreign_file_sentences(report_folder: ReportFolder) -> list[str]:
    """Return a sentence for each folder that can be sent to a client but contains files that no report wrote.

    >>> foreign_file_sentences(ReportFolder(foreign_files={"acme_us": ["notes.txt"]}))
    ['acme_us/ also holds files that the report did not write: notes.txt. Look at them before you send the folder.']
    """
    return [
        f"{stem}/ also holds files that the report did not write: {_shorten_names(names)}. "
        "Look at them before you send the folder."
        for stem, names in report_folder.foreign_files.items()
    ]


def replaced_sentences(replaced: Iterable[tuple[str, str]]) -> list[str]:
    """Return sentences on files of earlier pages that a run moved or removed: pairs of old and new name ("" if none).

    >>> replaced_sentences([("acme_us/acme_us.html", "acme_us.html"), ("acme_us/acme_us.pdf", "")])[1]
    'Removed, because it is of an earlier page and this run made no PDF: acme_us/acme_us.pdf. Add --pdf to make it again.'
    >>> replaced_sentences([("acme_us/acme_us.html", "acme_us.html")])
    ['A page is elsewhere than before, by --separate or --package: acme_us/acme_us.html is now acme_us.html.']
    """  # noqa: E501 - the sentence
    moved = [f"{old} is now {new}" for old, new in replaced if new]
    removed = [old for old, new in replaced if not new]
    sentences = []
    if moved:
        subject = "A page is" if len(moved) == 1 else f"{len(moved):,} pages are"
        sentences.append(f"{subject} elsewhere than before, by --separate or --package: {_shorten_names(moved)}.")
    if removed:
        are = "it is of an earlier page" if len(removed) == 1 else "they are of earlier pages"
        them = "it" if len(removed) == 1 else "them"
        sentences.append(
            f"Removed, because {are} and this run made no PDF: {_shorten_names(removed)}. Add --pdf to make {them} "
            "again."
        )
    return sentences


def old_delivery_sentences(names: list[str]) -> list[str]:
    """Return a sentence on files for clients that are of an earlier run and stay in the folder; none without any.

    >>> old_delivery_sentences(["packages/acme.zip"])
    ['Of an earlier run and not current: packages/acme.zip. Do not send it; run the report of its account again.']
    """
    if not names:
        return []
    them, whose = ("it", "its account") if len(names) == 1 else ("them", "their accounts")
    return [
        f"Of an earlier run and not current: {_shorten_names(names)}. Do not send {them}; run the report of {whose} "
        "again."
    ]


def removed_delivery_sentences(names: list[str]) -> list[str]:
    """Return a sentence on files for clients that were removed because their pages changed; none without any.

    >>> removed_delivery_sentences(["mail/acme.eml"])
    ['Removed, because its page was made anew since: mail/acme.eml. The option that made it (--package, --mail, --summary) makes it again.']
    """  # noqa: E501 - the sentence
    if not names:
        return []
    whose, it = ("its page was", "it") if len(names) == 1 else ("their pages were", "them")
    return [
        f"Removed, because {whose} made anew since: {_shorten_names(names)}. The option that made {it} (--package, "
        f"--mail, --summary) makes {it} again."
    ]


def missing_pdf_sentences(reasons_by_owner: dict[Owner, tuple[str, str]]) -> list[str]:
    """Return a sentence for each reason why pages have no PDF; it names the accounts and what to do.

    >>> missing_pdf_sentences({("harbor", "US"): ("There is no Chromium on this machine.", "Install it.")})
    ['Printed, but without PDF: harbor (US). There is no Chromium on this machine. Install it.']
    """
    reasons: dict[tuple[str, str], list[Owner]] = {}
    for owner, reason in sorted(reasons_by_owner.items()):
        reasons.setdefault(reason, []).append(owner)
    return [
        f"Printed, but without PDF: {list_owners(owners)}. {what} {cure}".strip()
        for (what, cure), owners in reasons.items()
    ]
