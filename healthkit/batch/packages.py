"""Packages: one zip file for each account that can be sent to it, and that holds nothing of any other."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthkit.batch import manifest, output_files
from healthkit.batch.deliveries import Deliveries, read_deliveries
from healthkit.batch.page_job import PageJob, lock_folder

FOLDER = "packages"
_FILE_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a package, so that the same pages give the same bytes."""


@dataclass(frozen=True)
class Package:
    """The package of an account: its file, the SHA-256 of its content, and its pages by marketplace."""

    account: str
    path: Path
    digest: str
    pages: dict[str, str]


def write_packages(folder: Path, jobs: Iterable[PageJob]) -> tuple[list[Package], list[str], list[str]]:
    """Write the package of each account of some jobs that were run; return packages, problems and notes.

    A package holds the current pages of all marketplaces of the account, with their lists of orders and PDFs. An
    account of which a page failed gets none, and a problem says so. The notes are on files renamed to a backup.
    """
    by_account: dict[str, list[PageJob]] = {}
    for job in jobs:
        by_account.setdefault(job.account, []).append(job)
    packages, problems, notes = [], [], []
    with lock_folder(folder):
        deliveries = read_deliveries(folder)
        for account, of_account in by_account.items():
            files = _files_of_account(folder, of_account)
            if files is None:
                problems.append(_no_package_sentence(folder, account))
                continue
            package, moved = _write_package(folder, deliveries, account, of_account, files)
            packages.append(package)
            notes += moved
    return packages, problems, notes


def _files_of_account(folder: Path, jobs: list[PageJob]) -> dict[str, bytes] | None:
    """Return the files of the pages of an account by name; None if a page is not current or was edited."""
    files: dict[str, bytes] = {}
    for job in jobs:
        content = manifest.load_manifest_if_complete(folder / f"{job.stem}{manifest.MANIFEST_SUFFIX}")
        if content is None or not job.is_up_to_date:
            return None
        inside = [name for name in content["files"] if name.startswith(f"{job.stem}/")]
        files |= {name.removeprefix(f"{job.stem}/"): (folder / name).read_bytes() for name in inside}
    return files


def _write_package(
    folder: Path, deliveries: Deliveries, account: str, jobs: list[PageJob], files: Mapping[str, bytes]
) -> tuple[Package, list[str]]:
    data = zip_bytes(files)
    name = f"{FOLDER}/{output_files.account_stem(account)}.zip"
    notes = deliveries.write_file(name, data)
    pages = {job.marketplace: f"{job.stem}.html" for job in jobs}
    return Package(account, folder / name, output_files.sha256_hex(data), pages), notes


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file of some files by name, without comments, users or times, so that it is always the same."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items()):
            entry: Any = zipfile.ZipInfo(name, _FILE_TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, data)
    return made.getvalue()


def _no_package_sentence(folder: Path, account: str) -> str:
    name = f"{FOLDER}/{output_files.account_stem(account)}.zip"
    earlier = f" {name} is of an earlier run and is not current." if (folder / name).is_file() else ""
    return f"{account} has no package, because a page of it is missing or was edited.{earlier} Run its report again."
