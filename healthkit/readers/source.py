"""A raw file as the readers find it: where it lies, what kind it is, its bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"


class ReaderError(ValueError):
    """A raw file cannot be taken in; the message names the file, the row where there is one, and the cure."""


@dataclass(frozen=True)
class Document:
    """One kind of raw file that is no table: how its text may begin, and the names of which it holds one."""

    name: str
    title: str
    begins: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One raw text: a file, or one member of a zip."""

    path: Path
    member: str | None
    name: str
    folder: str
    kind: str = ""

    def content(self) -> bytes:
        """Its bytes, unpacked; raises ReaderError when the packing is broken."""
        try:
            return _unpacked(self._packed())
        except (EOFError, OSError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile) as error:
            raise ReaderError(f"{self.name}: cannot be opened ({type(error).__name__}). Download it again.") from error

    def _packed(self) -> bytes:
        if self.member is None:
            return self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self.member)


@dataclass(frozen=True)
class Source:
    """One file whose kind was recognised, or the group of files that only tell their story together.

    `digest` is the SHA-256 of the unpacked content, so that a file counts once, packed or not;
    of a group it is taken over the sorted digests of its parts. `size` is in bytes, unpacked.
    """

    path: Path
    member: str | None
    name: str
    kind: str
    digest: str
    folder: str
    size: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Refused:
    """One file that cannot be taken in, and why."""

    name: str
    message: str


def digest_of(content: bytes) -> str:
    """The SHA-256 of some bytes, by which a file is known again.

    >>> digest_of(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def digest_of_group(digests: Iterable[str]) -> str:
    """One digest for files that belong together; their order does not matter.

    >>> digest_of_group(["a", "b"]) == digest_of_group(["b", "a"])
    True
    """
    return digest_of("\n".join(sorted(digests)).encode())


def _unpacked(data: bytes) -> bytes:
    """Take gzip off. Told by the first bytes: browsers often unpack a download and leave `.gz` in its name."""
    if data.startswith(GZIP):
        with gzip.open(io.BytesIO(data)) as packed:
            return packed.read()
    return data
