"""A raw file as the importer finds it: its path, its kind, its bytes and their digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from healthkit.ingest.parsing.connector_tables import ConnectorTableError, open_as_text
from healthkit.ingest.parsing.spreadsheets import WorkbookError, workbook_to_text

FREE_UNPACKED_BYTES = 64 << 20
"""Unpacked size that is allowed however small the packed file is. [bytes]"""
MAX_UNPACK_RATIO = 200
"""Largest ratio of unpacked to packed size of files that unpack to more than FREE_UNPACKED_BYTES.

Text packs to about a tenth of its size.
"""
MAX_UNPACKED_BYTES = 16 << 30
"""Largest unpacked size of any file (protects against decompression bombs). [bytes]"""
PIECE_BYTES = 1 << 18
"""Size of the pieces in which files are read; such a piece stays in a processor's cache. [bytes]"""
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
UNREADABLE_ERRORS = (EOFError, OSError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile)
"""Exceptions of gzip, zipfile and the file system for a file that cannot be opened or unpacked."""


class ReaderError(ValueError):
    """Raised if a raw file cannot be imported.

    The message states the file, the row if there is one, and what to do.
    """


def unreadable_error(name: str, error: Exception) -> ReaderError:
    """Return a ReaderError saying that a file cannot be opened or unpacked."""
    return ReaderError(f"{name}: cannot be opened ({type(error).__name__}). Download it again.")


@dataclass(frozen=True)
class DocumentKind:
    """One kind of raw file that is JSON or XML, with the signs by which it is recognized.

    The file begins with one of `first_characters` and contains at least one of `marker_names`.
    """

    name: str
    title: str
    first_characters: str
    marker_names: tuple[str, ...]


@dataclass(frozen=True)
class FilePart:
    """Location of one raw text: a file, one member of a zip file, or `content`, the bytes of a file in memory."""

    path: Path
    member: str | None
    name: str
    folder: str
    kind: str = ""
    content: bytes | None = field(default=None, repr=False)

    def read_bytes(self) -> bytes:
        """Return the unpacked bytes of the text.

        Raise ReaderError if they cannot be read or unpacked.
        """
        return b"".join(self.read_pieces())

    def read_pieces(self, piece_bytes: int | None = None) -> Iterator[bytes]:
        """Yield the unpacked bytes in pieces, for files that do not fit into memory; by default of PIECE_BYTES.

        Raise ReaderError if they cannot be read or unpacked.
        """
        try:
            with self._open_unpacked() as (file, packed_size):
                yield from _read_limited(file, packed_size, self.name, piece_bytes or PIECE_BYTES)
        except ReaderError:
            raise
        except (WorkbookError, ConnectorTableError) as error:
            raise ReaderError(str(error)) from None
        except UNREADABLE_ERRORS as error:
            raise unreadable_error(self.name, error) from error

    @contextmanager
    def _open_unpacked(self) -> Iterator[tuple[IO[bytes], int]]:
        """Open the file, unpacked, with its packed size (0 if it is not packed).

        Gzip is recognized by the first bytes, since browsers often unpack a download and keep `.gz` in its name. A
        workbook (XLSX) and the table of a connector are turned into text.
        """
        with ExitStack() as stack:
            file: IO[bytes]
            packed_size = 0
            if self.content is not None:
                file, size = io.BytesIO(self.content), len(self.content)
            elif self.member is None:
                file = stack.enter_context(self.path.open("rb"))
                size = self.path.stat().st_size
            else:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                file = stack.enter_context(archive.open(self.member))
                size = packed_size = archive.getinfo(self.member).compress_size
            magic = file.read(len(ZIP_MAGIC))
            file.seek(0)
            if magic.startswith(GZIP_MAGIC):
                file, packed_size = cast(IO[bytes], stack.enter_context(gzip.open(file))), size
            elif magic == ZIP_MAGIC:
                data = b"".join(_read_limited(file, packed_size, self.name, PIECE_BYTES))
                file, packed_size = io.BytesIO(workbook_to_text(data, self.name)), 0
            text = open_as_text(file, self.name)
            if text is not file:
                file, packed_size = text, 0
            yield file, packed_size


@dataclass(frozen=True)
class RawFile:
    """One file of a known kind, or a group of files that are parsed together.

    `digest` is the SHA-256 of the unpacked content, so that a file is the same packed or not; for a group it is taken
    over the sorted digests of its parts. `size` is the unpacked size in bytes.
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
    """A file that cannot be imported, and the reason."""

    name: str
    message: str


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 digest of the given bytes as hexadecimal digits.

    >>> digest_bytes(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def digest_pieces(pieces: Iterable[bytes]) -> tuple[str, int]:
    """Return the SHA-256 digest and the size in bytes of a file that is given in pieces.

    >>> digest_pieces([b"a", b"b"]) == (digest_bytes(b"ab"), 2)
    True
    """
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def combine_digests(digests: Iterable[str]) -> str:
    """Return one digest for a group of files; the order of the given digests does not matter.

    >>> combine_digests(["a", "b"]) == combine_digests(["b", "a"])
    True
    """
    return digest_bytes("\n".join(sorted(digests)).encode())


def _read_limited(file: IO[bytes], packed_size: int, name: str, piece_bytes: int) -> Iterator[bytes]:
    """Yield a file in pieces. Raise ReaderError once a packed file exceeds the limits on its unpacked size."""
    limit, size = min(MAX_UNPACKED_BYTES, max(FREE_UNPACKED_BYTES, MAX_UNPACK_RATIO * packed_size)), 0
    while piece := file.read(piece_bytes):
        size += len(piece)
        if packed_size and size > limit:
            raise ReaderError(
                f"{name}: unpacks to more than {limit >> 20:,} MB from {packed_size:,} bytes, as no report does. "
                "If it is one all the same, unpack it yourself and import the text."
            )
        yield piece
