"""Where a store lies: in a folder, or in an object storage under an address such as s3://bucket/healthkit."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import pyarrow as pa
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

_ADDRESS = re.compile(r"s3:/{1,2}(?P<rest>[^/].*?)/*")


@dataclass(frozen=True)
class Bucket:
    """A folder in an object storage: as much of a path as a store needs.

    Who may read and write there is known from the environment (`AWS_ACCESS_KEY_ID` and so on), and is kept nowhere.

    >>> str(Bucket("s3://bucket/healthkit") / "orders")
    's3://bucket/healthkit/orders'
    """

    address: str

    def __truediv__(self, name: str) -> Bucket:
        return Bucket(f"{self.address}/{name}")

    def __str__(self) -> str:
        return self.address

    def resolve(self) -> Bucket:
        """The same: an address is whole."""
        return self

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]


Folder = Path | Bucket


def folder_of(named: str | Path | Bucket) -> Folder:
    """The folder that is meant by a path or an address; a `Path` made of an address has lost one of its slashes.

    >>> folder_of("data/store"), folder_of(Path("s3://bucket/healthkit"))
    (PosixPath('data/store'), Bucket(address='s3://bucket/healthkit'))

    Raises ValueError for an empty name, which would be the folder one works in.
    """
    if isinstance(named, Bucket):
        return named
    if isinstance(named, str) and not named.strip():
        raise ValueError("The folder of the store is an empty name. Name it, or leave it out for data/store.")
    found = _ADDRESS.fullmatch(str(named))
    return Bucket(f"s3://{found['rest']}") if found else Path(named)


class _Bytes:
    """A stream that takes bytes, for pyarrow, which hands on buffers."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: pa.Buffer) -> None:
        """Hand on what is written."""
        self._stream.write(data.to_pybytes())

    def flush(self) -> None:
        """What is written stands once the stream is closed."""

    def close(self) -> None:
        """Let what was written stand."""
        self._stream.close()
        self.closed = True


class _Objects(DeltaStorageHandler):
    """The objects of a storage as files, which can be written too."""

    def open_output_stream(self, path: str, metadata: dict[str, str] | None = None) -> pa.PythonFile:
        """A stream to write an object from its beginning."""
        return pa.PythonFile(_Bytes(self._handler.open_output_stream(path, metadata)), mode="w")


def files_in(folder: Folder) -> fs.FileSystem:
    """The files of a folder, by their paths within it; there need be none."""
    if isinstance(folder, Path):
        return fs.SubTreeFileSystem(str(folder.resolve()), fs.LocalFileSystem())
    return fs.PyFileSystem(_Objects(str(folder)))


def names_in(files: fs.FileSystem, below: str) -> list[str]:
    """The paths of the files right below one, in the order of their names; none where there is no such folder."""
    found = files.get_file_info(fs.FileSelector(below, allow_not_found=True))
    return sorted(one.path for one in found if one.type == fs.FileType.File)


def is_there(files: fs.FileSystem, path: str) -> bool:
    """Whether there is such a file."""
    return bool(files.get_file_info(path).type == fs.FileType.File)


def besides(folder: Folder) -> list[Path]:
    """The folders for what is made of a store and kept for the next question, the best first: its own, and one in the
    user's cache, for a store that can only be read or lies in an object storage."""
    own = [folder] if isinstance(folder, Path) else []
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return [*own, platformdirs.user_cache_path("healthkit") / "stores" / digest]


_DENIALS = (errno.EACCES, errno.EPERM, errno.EROFS)
_DENIED = re.compile(
    rf"(os error |code: )({'|'.join(map(str, _DENIALS))})\b|"
    "Permission denied|PermissionDenied|Operation not permitted|Read-only file system"
)
"""How deltalake, DuckDB and Arrow word it."""


def is_denied(error: BaseException) -> bool:
    """Whether an error, of whatever library, says that permission is missing, and not that anything is damaged.

    >>> is_denied(OSError("Unable to open file /s/orders/1.json: Permission denied (os error 13)"))
    True
    >>> is_denied(OSError("No such file or directory (os error 2)"))
    False
    """
    return getattr(error, "errno", None) in _DENIALS or _DENIED.search(str(error)) is not None


def unwritable(places: Iterable[Path]) -> Path | None:
    """The first of some folders into which this user cannot write; those that are not there are passed over."""
    return next((place for place in places if place.is_dir() and not os.access(place, os.W_OK | os.X_OK)), None)


def nearest(folder: Path) -> Path:
    """A folder itself or, where it is not there, the nearest one above it that is."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def owner_of(place: Path) -> str:
    """The name of the user to whom a file belongs; empty where that is not known."""
    with suppress(OSError, KeyError, NotImplementedError):
        return place.owner()
    return ""
