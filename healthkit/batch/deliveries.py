"""What a reports folder has for clients: packages and mails that healthkit wrote, and which mails were sent.

The record is `deliveries.json` beside the index: `files` has the SHA-256 of each written file by name, `sent` one row
for each mail that was sent or may have been: account, package (the SHA-256 of its content), to, on, state.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from healthkit.batch import output_files
from healthkit.batch.run_notebook import BatchError
from healthkit.files import temp_folders

FILE_NAME = "deliveries.json"
SENT, BEGUN = "sent", "begun"
"""States of a mail: the server accepted it, or nobody knows, because the run ended while it was sent."""


class DeliveriesError(BatchError):
    """Raised if the record of a reports folder cannot be used; the message says why and what to do."""


@dataclass
class Deliveries:
    """The record of a reports folder. The caller of a method that writes holds the lock of the folder."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def write_file(self, name: str, data: bytes) -> list[str]:
        """Write a file of the folder; return a sentence if a file that healthkit did not write was renamed to a backup.

        The same content is not written again.
        """
        path, digest = self.folder / name, output_files.sha256_hex(data)
        existing = output_files.sha256_hex(path.read_bytes()) if path.is_file() and not path.is_symlink() else ""
        notes = []
        if existing != digest:
            if os.path.lexists(path) and existing != self.files.get(name):
                notes = output_files.rename_to_backup(path)
            temp_folders.write_atomically(path, data)
        if self.files.get(name) != digest:
            self.files[name] = digest
            self.save()
        return notes

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
        content = {"files": dict(sorted(self.files.items())), "sent": self.sent}
        temp_folders.write_atomically(self.folder / FILE_NAME, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def read_deliveries(folder: Path) -> Deliveries:
    """Read the record of a reports folder; an empty one if there is none. Raises DeliveriesError if it is unusable."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Deliveries(folder, _texts(content["files"]), [_sent_row(row) for row in content["sent"]])
    except FileNotFoundError:
        return Deliveries(folder)
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, RecursionError):
        why = "it is damaged or was edited"
    raise DeliveriesError(
        f"{path}: {why}, so that nobody knows which packages are healthkit's and which mails were sent. "
        "Put back a copy of it, or move it away; then mails count as not sent."
    )


def _texts(values: Any) -> dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(text, str) for text in values.values()):
        raise ValueError
    return dict(values)


def _sent_row(row: Any) -> dict[str, Any]:
    if not isinstance(row["to"], list) or row["state"] not in (SENT, BEGUN):
        raise ValueError
    return {name: row[name] for name in ("account", "package", "to", "on", "state")}
