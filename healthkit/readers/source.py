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
from typing import IO

FREE_BYTES, MOST_TIMES, MOST_BYTES = 64 << 20, 200, 16 << 30
"""What is unpacked may come to so many bytes whatever it was packed to; more than that only to so many times the packed
size, for text packs to a tenth and not to a thousandth; and never to more than the last."""
PIECE = 1 << 22
"""So many bytes are unpacked at once."""
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
            return _unpacked(self._packed(), self.name)
        except ReaderError:
            raise
        except (EOFError, OSError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile) as error:
            raise ReaderError(f"{self.name}: cannot be opened ({type(error).__name__}). Download it again.") from error

    def _packed(self) -> bytes:
        if self.member is None:
            return self.path.read_bytes()
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            return bounded(file, archive.getinfo(self.member).compress_size, self.name)


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


def bounded(file: IO[bytes] | gzip.GzipFile, packed: int, name: str) -> bytes:
    """All that a packed file holds; raises ReaderError for one made to fill the memory, before it does."""
    most = min(MOST_BYTES, max(FREE_BYTES, MOST_TIMES * packed))
    pieces, size = [], 0
    while piece := file.read(PIECE):
        size += len(piece)
        if size > most:
            raise ReaderError(
                f"{name}: unpacks to more than {most >> 20:,} MB from {packed:,} bytes, as no report does. "
                "If it is one all the same, unpack it yourself and import the text."
            )
        pieces.append(piece)
    return b"".join(pieces)


def _unpacked(data: bytes, name: str) -> bytes:
    """Take gzip off. Told by the first bytes: browsers often unpack a download and leave `.gz` in its name."""
    if data.startswith(GZIP):
        with gzip.open(io.BytesIO(data)) as packed:
            return bounded(packed, len(data), name)
    return data
