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


def parse_folder(location: str | Path | Bucket) -> Folder:
    """The folder that is meant by a path or an address; a `Path` made of an address has lost one of its slashes.

    >>> folder_of("data/store"), folder_of(Path("s3://bucket/healthkit"))
    (PosixPath('data/store'), Bucket(address='s3://bucket/healthkit'))

    Raises ValueError for an empty name, which would be the folder one works in.
    """
    if isinstance(location, Bucket):
        return location
    if isinstance(location, str) and not location.strip():
        raise ValueError("The folder of the store is an empty name. Name it, or leave it out for data/store.")
    found = _ADDRESS.fullmatch(str(location))
    return Bucket(f"s3://{found['rest']}") if found else Path(location)


class _ByteStream:
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


class _ObjectStorageHandler(DeltaStorageHandler):
    """The objects of a storage as files, which can be written too."""

    def open_output_stream(self, path: str, metadata: dict[str, str] | None = None) -> pa.PythonFile:
        """A stream to write an object from its beginning."""
        return pa.PythonFile(_ByteStream(self._handler.open_output_stream(path, metadata)), mode="w")


def open_filesystem(folder: Folder) -> fs.FileSystem:
    """The files of a folder, by their paths within it; there need be none."""
    if isinstance(folder, Path):
        return fs.SubTreeFileSystem(str(folder.resolve()), fs.LocalFileSystem())
    return fs.PyFileSystem(_ObjectStorageHandler(str(folder)))


def list_files(filesystem: fs.FileSystem, folder: str) -> list[str]:
    """The paths of the files right below one, in the order of their names; none where there is no such folder."""
    found = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return sorted(one.path for one in found if one.type == fs.FileType.File)


def file_exists(filesystem: fs.FileSystem, path: str) -> bool:
    """Whether there is such a file."""
    return bool(filesystem.get_file_info(path).type == fs.FileType.File)


def cache_folders(folder: Folder) -> list[Path]:
    """The folders for what is made of a store and kept for the next question, the best first: its own, and one in the
    user's cache, for a store that can only be read or lies in an object storage."""
    own = [folder] if isinstance(folder, Path) else []
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return [*own, platformdirs.user_cache_path("healthkit") / "stores" / digest]


_DENIED_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)
_DENIED_MESSAGE = re.compile(
    rf"(os error |code: )({'|'.join(map(str, _DENIED_ERRNOS))})\b|"
    "Permission denied|PermissionDenied|Operation not permitted|Read-only file system"
)
"""How deltalake, DuckDB and Arrow word it."""


def is_permission_error(error: BaseException) -> bool:
    """Whether an error, of whatever library, says that permission is missing, and not that anything is damaged.

    >>> is_denied(OSError("Unable to open file /s/orders/1.json: Permission denied (os error 13)"))
    True
    >>> is_denied(OSError("No such file or directory (os error 2)"))
    False
    """
    return getattr(error, "errno", None) in _DENIED_ERRNOS or _DENIED_MESSAGE.search(str(error)) is not None


def first_unwritable_folder(folders: Iterable[Path]) -> Path | None:
    """The first of some folders into which this user cannot write; those that are not there are passed over."""
    return next((place for place in folders if place.is_dir() and not os.access(place, os.W_OK | os.X_OK)), None)


def nearest_existing_folder(folder: Path) -> Path:
    """A folder itself or, where it is not there, the nearest one above it that is."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def file_owner(path: Path) -> str:
    """The name of the user to whom a file belongs; empty where that is not known."""
    with suppress(OSError, KeyError, NotImplementedError):
        return path.owner()
    return ""
