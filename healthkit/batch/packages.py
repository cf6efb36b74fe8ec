"""Packages: one zip file for each account that can be sent to it, and that holds nothing of any other."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthkit.batch import manifest, output_files
from healthkit.batch.deliveries import PACKAGES, MadeFrom, digest_of_texts, digests_of_pages, open_deliveries
from healthkit.batch.page_job import PageJob, lock_folder
from healthkit.report.text.labels import join_words

_FILE_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a package, so that the same pages give the same bytes."""


@dataclass(frozen=True)
class Package:
    """The package of an account: its file, the SHA-256 of its content, and its pages by marketplace."""

    account: str
    path: Path
    digest: str
    pages: dict[str, str]


def write_packages(folder: Path, jobs: Iterable[PageJob]) -> tuple[list[Package], dict[str, list[str]], list[str]]:
    """Write the package of each account of some jobs that were run; return packages, problems and notes.

    A package holds the current pages of all marketplaces of the account, with their lists of orders and PDFs. An
    account of which a page failed gets none, and its problems say which page and why. One that was made from the same
    pages is not made again. The notes are on files renamed to a backup.
    """
    by_account: dict[str, list[PageJob]] = {}
    for job in jobs:
        by_account.setdefault(job.account, []).append(job)
    packages, problems, notes = [], {}, []
    with lock_folder(folder), open_deliveries(folder) as deliveries:
        pages_now = digests_of_pages(folder)
        for account, of_account in by_account.items():
            reasons = [reason for job in of_account if (reason := _reason_for_no_package(folder, job))]
            if reasons:
                problems[account] = reasons
                continue
            stem = output_files.account_stem(account)
            name, digest = f"{PACKAGES}/{stem}.zip", pages_now[PACKAGES, stem]
            made_from = MadeFrom(digest, digest_of_texts([manifest.code_digest(), digest]))
            if not deliveries.is_written(name, made_from):
                notes += deliveries.write_file(name, zip_bytes(_files_of_account(folder, of_account)), made_from)
            pages = {job.marketplace: f"{job.stem}.html" for job in of_account}
            packages.append(Package(account, folder / name, deliveries.files[name], pages))
    return packages, problems, notes


def _reason_for_no_package(folder: Path, job: PageJob) -> str:
    """Return why the page of a job cannot be packed, as a sentence that names it; "" if it can."""
    if job.is_up_to_date:
        return ""
    page = job.file_name(".html")
    try:
        content = manifest.load_manifest(folder / f"{job.stem}{manifest.MANIFEST_SUFFIX}")
    except manifest.ManifestError as error:
        return f"{page}: its manifest cannot be used, because {error}."
    if content.get("failed"):
        return f"{page}: its run failed ({content['failed'].get('what') or content['failed'].get('status', '')})."
    if "without_pdf" in content:
        note = content["without_pdf"]
        return " ".join(filter(None, (f"{page} has no PDF.", note.get("what"), note.get("cure"))))
    if missing := manifest.missing_files(folder, content):
        return f"{page}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
    return f"{page}: one of its files was edited, or it is of other data."


def _files_of_account(folder: Path, jobs: Iterable[PageJob]) -> dict[str, bytes]:
    """Return the files of the pages of an account by name."""
    files: dict[str, bytes] = {}
    for job in jobs:
        content = manifest.load_manifest(folder / f"{job.stem}{manifest.MANIFEST_SUFFIX}")
        inside = [name for name in content["files"] if name.startswith(f"{job.stem}/")]
        files |= {name.removeprefix(f"{job.stem}/"): (folder / name).read_bytes() for name in inside}
    return files


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file of some files by name, without comments, users or times, so that it is always the same."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items()):
            entry: Any = zipfile.ZipInfo(name, _FILE_TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, data)
    return made.getvalue()


def no_package_sentence(account: str, reasons: Iterable[str], earlier: list[str]) -> str:
    """Return that an account has no package, why, and which files of an earlier run are still there.

    >>> no_package_sentence("harbor", ["harbor_us/harbor_us.html has no PDF."], ["packages/harbor.zip"])
    'harbor has no package. harbor_us/harbor_us.html has no PDF. packages/harbor.zip is of an earlier run and is not current. Run its report again.'
    """  # noqa: E501 - the sentence
    is_are = "is" if len(earlier) == 1 else "are"
    old = f"{join_words(earlier)} {is_are} of an earlier run and {is_are} not current." if earlier else ""
    return " ".join(filter(None, (f"{account} has no package.", *reasons, old, "Run its report again.")))
