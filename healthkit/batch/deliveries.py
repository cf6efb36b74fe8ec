"""What a reports folder has for clients: packages, mails and summaries that healthkit wrote, and which mails were sent.

The record is `deliveries.json` beside the index: `files` has the SHA-256 of each written file by name, `made_from` by
name the digest of the pages that the file was made from and that of all its inputs, `sent` one row for each mail that
was sent or may have been: account, package (the SHA-256 of its content), to, on, state.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from healthkit.batch import manifest, output_files
from healthkit.batch.run_notebook import BatchError
from healthkit.files import temp_folders

FILE_NAME = "deliveries.json"
PACKAGES, MAILS, LINKED, SUMMARIES = "packages", "mail", "links", "summaries"
"""Folders of a reports folder: packages, mails, packages to put where mails link to, summaries."""
SENT, BEGUN = "sent", "begun"
"""States of a mail: the server accepted it, or nobody knows, because the run ended while it was sent."""


class DeliveriesError(BatchError):
    """Raised if the record of a reports folder cannot be used; the message says why and what to do."""


class MadeFrom(NamedTuple):
    """What a file was made from: the digest of the pages that it is about, and the digest of all its inputs."""

    pages: str
    inputs: str


class OldFiles(NamedTuple):
    """Files for clients that are not current: `removed` were deleted, `kept` stay: changed since, or without a page."""

    removed: list[str]
    kept: list[str]


@dataclass
class Deliveries:
    """The record of a reports folder. The caller of a method that writes holds the lock of the folder."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    made_from: dict[str, MadeFrom] = field(default_factory=dict)

    def write_file(self, name: str, data: bytes, made_from: MadeFrom) -> list[str]:
        """Write a file of the folder; return a sentence if a file that healthkit did not write was renamed to a backup.

        The same content is not written again. The caller saves the record (see `open_deliveries`).
        """
        path, digest = self.folder / name, output_files.sha256_hex(data)
        existing = self._digest_of_file(name)
        notes = []
        if existing != digest:
            if os.path.lexists(path) and existing != self.files.get(name):
                notes = output_files.rename_to_backup(path)
            temp_folders.write_atomically(path, data)
        self.files[name], self.made_from[name] = digest, made_from
        return notes

    def is_written(self, name: str, made_from: MadeFrom) -> bool:
        """Return whether a file was made from the same inputs and is unchanged, so that it need not be made again."""
        return self.made_from.get(name) == made_from and self.is_unchanged(name)

    def is_unchanged(self, name: str) -> bool:
        """Return whether a file is as healthkit wrote it."""
        return name in self.files and self._digest_of_file(name) == self.files[name]

    def _digest_of_file(self, name: str) -> str:
        path = self.folder / name
        return output_files.sha256_hex(path.read_bytes()) if path.is_file() and not path.is_symlink() else ""

    def remove_old_files(self) -> OldFiles:
        """Delete the files whose pages are no longer those that they were made from, and return their names.

        A file that was changed since it was written is the user's, and one without a page has nothing to be compared
        with: both stay.
        """
        pages_now = digests_of_pages(self.folder) if self.files else {}
        old = OldFiles([], [])
        for name in list(self.files):
            made_from, now = self.made_from.get(name), pages_now.get(_subject(name))
            path = self.folder / name
            if made_from is not None and made_from.pages == now:
                continue
            if now is not None and self.is_unchanged(name):
                path.unlink()
                old.removed.append(name)
                with suppress(OSError):  # other files are in the folder
                    path.parent.rmdir()
            elif os.path.lexists(path):
                old.kept.append(name)
                continue  # It stays in the record, so that every run names it.
            del self.files[name]
            self.made_from.pop(name, None)
        return old

    def files_of(self, owners: Iterable[tuple[str, str]]) -> list[str]:
        """Return the names of the files that exist of some accounts and marketplaces."""
        subjects = {subject for account, code in owners for subject in _subjects(account, code)}
        return [name for name in self.files if _subject(name) in subjects and (self.folder / name).is_file()]

    def receipts(self, account: str, package: str) -> dict[str, dict[str, Any]]:
        """Return the newest row of `sent` of a package by address."""
        rows = [row for row in self.sent if (row["account"], row["package"]) == (account, package)]
        return {address: row for row in rows for address in row["to"]}

    def begin(self, account: str, package: str, addresses: list[str], on: date) -> dict[str, Any]:
        """Record that a mail is about to be sent; return its row, for `finish`."""
        row = {"account": account, "package": package, "to": addresses, "on": on.isoformat(), "state": BEGUN}
        self.sent.append(row)
        self.save()
        return row

    def finish(self, row: dict[str, Any], accepted: list[str]) -> None:
        """Record which addresses the server accepted; the row goes if it accepted none."""
        row |= {"state": SENT, "to": accepted}
        if not accepted:
            self.sent.remove(row)
        self.save()

    def save(self) -> None:
        """Write the record."""
        content = {
            "files": dict(sorted(self.files.items())),
            "made_from": {name: one._asdict() for name, one in sorted(self.made_from.items())},
            "sent": self.sent,
        }
        temp_folders.write_atomically(self.folder / FILE_NAME, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


@contextmanager
def open_deliveries(folder: Path) -> Iterator[Deliveries]:
    """Yield the record of a reports folder, and save it once if its files changed, also after an error."""
    deliveries = read_deliveries(folder)
    before = dict(deliveries.files), dict(deliveries.made_from)
    try:
        yield deliveries
    finally:
        if before != (deliveries.files, deliveries.made_from):
            deliveries.save()


def digests_of_pages(folder: Path) -> dict[tuple[str, str], str]:
    """Return digests of what the manifests of a folder name, by what the files for clients are about (see `_subject`).

    That of an account is of the files of all its pages that may be sent; that of a page is of its figures.
    """
    found: dict[tuple[str, str], str] = {}
    of_account: dict[str, list[str]] = {}
    for path in sorted(folder.glob(f"*{manifest.MANIFEST_SUFFIX}")):
        with suppress(manifest.ManifestError):
            content, stem = manifest.load_manifest(path), path.name.removesuffix(manifest.MANIFEST_SUFFIX)
            inside = [f"{name} {digest}" for name, digest in content["files"].items() if name.startswith(f"{stem}/")]
            of_account.setdefault(output_files.account_stem(content["account"]), []).extend(inside)
            found[SUMMARIES, stem] = content["files"].get(f"{stem}.json", "")
    return found | {(PACKAGES, account): digest_of_texts(sorted(lines)) for account, lines in of_account.items()}


def digest_of_texts(texts: Iterable[str]) -> str:
    """Return the digest of some texts in their order."""
    return output_files.sha256_hex(json.dumps(list(texts), ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _subjects(account: str, marketplace: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return what files for clients of an account and marketplace are about: all its pages, and this one."""
    return (PACKAGES, output_files.account_stem(account)), (SUMMARIES, output_files.page_stem(account, marketplace))


def _subject(name: str) -> tuple[str, str]:
    """Return what a file for clients is about: all pages of an account, or (a summary) one page.

    >>> _subject("mail/harbor.eml"), _subject("links/4f1c/harbor.zip"), _subject("summaries/harbor_us.txt")
    (('packages', 'harbor'), ('packages', 'harbor'), ('summaries', 'harbor_us'))
    """
    folder, stem = name.partition("/")[0], name.rpartition("/")[2].rpartition(".")[0]
    return SUMMARIES if folder == SUMMARIES else PACKAGES, stem


def find_pages(accounts: Collection[str], report_folders: Iterable[Path]) -> list[Path]:
    """Find the HTML pages of the given accounts in the given folders of reports, and what was made of them.

    The JSON file beside each page, or beside the folder of a page that can be sent on its own, names its account.
    Packages, mails and summaries are found by their name in the folders beside it.
    """
    found: set[Path] = set()
    for path in sorted({file for folder in report_folders if folder.is_dir() for file in folder.rglob("*.json")}):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(content, dict) or content.get("account") not in accounts or "as_of" not in content:
            continue
        stem, folders = path.stem, [path.parent / name for name in (PACKAGES, MAILS, SUMMARIES)]
        found.update(
            page for page in (path.with_suffix(".html"), path.parent / stem / f"{stem}.html") if page.is_file()
        )
        found.update(
            file for folder in (*folders, *(path.parent / LINKED).glob("*")) if folder.is_dir()
            for file in folder.iterdir() if file.stem in (stem, output_files.account_stem(content["account"]))
        )  # fmt: skip
    return sorted(found)


def read_deliveries(folder: Path) -> Deliveries:
    """Read the record of a reports folder; an empty one if there is none. Raises DeliveriesError if it is unusable."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Deliveries(
            folder, _texts(content["files"]), [_sent_row(row) for row in content["sent"]],
            {name: MadeFrom(one["pages"], one["inputs"]) for name, one in content.get("made_from", {}).items()},
        )  # fmt: skip
    except FileNotFoundError:
        return Deliveries(folder)
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        why = "it is damaged or was edited"
    raise DeliveriesError(
        f"{path}: {why}, so that nobody knows which packages are healthkit's and which mails were sent. "
        "Put back a copy of it, or move it away; then mails count as not sent."
    )


_OWN_NAME = re.compile(rf"({PACKAGES}|{MAILS}|{SUMMARIES}|{LINKED}/[0-9a-f]+)/[a-z0-9_][a-z0-9._-]*")
"""Names that the record may hold; another could lead out of the folder."""


def _texts(values: Any) -> dict[str, str]:
    if not all(isinstance(text, str) and _OWN_NAME.fullmatch(name) for name, text in values.items()):
        raise ValueError
    return dict(values)


def _sent_row(row: Any) -> dict[str, Any]:
    if not isinstance(row["to"], list) or row["state"] not in (SENT, BEGUN):
        raise ValueError
    return {name: row[name] for name in ("account", "package", "to", "on", "state")}
