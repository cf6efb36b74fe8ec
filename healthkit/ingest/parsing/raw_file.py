"""A raw file as the readers find it: where it lies, what kind it is, its bytes."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

FREE_UNPACKED_BYTES, MAX_UNPACK_RATIO, MAX_UNPACKED_BYTES = 64 << 20, 200, 16 << 30
"""What is unpacked may come to so many bytes whatever it was packed to; more than that only to so many times the packed
size, for text packs to a tenth and not to a thousandth; and never to more than the last."""
PIECE_BYTES = 1 << 22
"""So many bytes are unpacked at once."""
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"


class ReaderError(ValueError):
    """A raw file cannot be taken in; the message names the file, the row where there is one, and the cure."""


@dataclass(frozen=True)
class DocumentKind:
    """One kind of raw file that is no table: how its text may begin, and the names of which it holds one."""

    name: str
    title: str
    first_characters: str
    marker_names: tuple[str, ...]


@dataclass(frozen=True)
class FilePart:
    """One raw text: a file, or one member of a zip."""

    path: Path
    member: str | None
    name: str
    folder: str
    kind: str = ""

    def read_bytes(self) -> bytes:
        """Its bytes, unpacked; raises ReaderError when the packing is broken."""
        return b"".join(self.read_pieces())

    def read_pieces(self) -> Iterator[bytes]:
        """The same piece by piece, so that a file larger than the memory can be read."""
        try:
            with self._open_unpacked() as (file, packed):
                yield from (
                    _limit_unpacked_size(file, packed, self.name)
                    if packed
                    else iter(lambda: file.read(PIECE_BYTES), b"")
                )
        except ReaderError:
            raise
        except (EOFError, OSError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile) as error:
            raise ReaderError(f"{self.name}: cannot be opened ({type(error).__name__}). Download it again.") from error

    @contextmanager
    def _open_unpacked(self) -> Iterator[tuple[IO[bytes], int]]:
        """The file, unpacked as it is read, and the size that it is packed to; 0 for one that is not.

        Gzip is told by the first bytes: browsers often unpack a download and leave `.gz` in its name.
        """
        with ExitStack() as stack:
            file: IO[bytes]
            packed = 0
            if self.member is None:
                file = stack.enter_context(self.path.open("rb"))
                size = self.path.stat().st_size
            else:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                file = stack.enter_context(archive.open(self.member))
                size = packed = archive.getinfo(self.member).compress_size
            begins = file.read(len(GZIP_MAGIC))
            file.seek(0)
            if begins == GZIP_MAGIC:
                file, packed = cast(IO[bytes], stack.enter_context(gzip.open(file))), size
            yield file, packed


@dataclass(frozen=True)
class RawFile:
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
    parts: tuple[FilePart, ...]


@dataclass(frozen=True)
class RefusedFile:
    """One file that cannot be taken in, and why."""

    name: str
    message: str


def digest_bytes(content: bytes) -> str:
    """The SHA-256 of some bytes, by which a file is known again.

    >>> digest_bytes(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def digest_pieces(pieces: Iterable[bytes]) -> tuple[str, int]:
    """The same of a file that comes in pieces, and its size in bytes.

    >>> digest_pieces([b"a", b"b"]) == (digest_bytes(b"ab"), 2)
    True
    """
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def combine_digests(digests: Iterable[str]) -> str:
    """One digest for files that belong together; their order does not matter.

    >>> combine_digests(["a", "b"]) == combine_digests(["b", "a"])
    True
    """
    return digest_bytes("\n".join(sorted(digests)).encode())


def _limit_unpacked_size(file: IO[bytes], packed_size: int, name: str) -> Iterator[bytes]:
    """What a packed file holds, piece by piece; raises ReaderError for one made to fill the memory, before it does."""
    most, size = min(MAX_UNPACKED_BYTES, max(FREE_UNPACKED_BYTES, MAX_UNPACK_RATIO * packed_size)), 0
    while piece := file.read(PIECE_BYTES):
        size += len(piece)
        if size > most:
            raise ReaderError(
                f"{name}: unpacks to more than {most >> 20:,} MB from {packed_size:,} bytes, as no report does. "
                "If it is one all the same, unpack it yourself and import the text."
            )
        yield piece
