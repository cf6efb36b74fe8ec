"""The location of a store: a local folder, or an address in an object storage such as s3://bucket/healthkit."""

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
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

_ADDRESS = re.compile(r"s3:/{1,2}(?P<rest>[^/].*?)/*")


@dataclass(frozen=True)
class Bucket:
    """A folder in an object storage, with the part of the `Path` interface that a store needs.

    Credentials come from the environment (`AWS_ACCESS_KEY_ID` and so on) and are stored nowhere.

    >>> str(Bucket("s3://bucket/healthkit") / "orders")
    's3://bucket/healthkit/orders'
    """

    address: str

    def __truediv__(self, name: str) -> Bucket:
        return Bucket(f"{self.address}/{name}")

    def __str__(self) -> str:
        return self.address

    def resolve(self) -> Bucket:
        """Return this address unchanged, since it is always absolute."""
        return self

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self.address.rpartition("/")[2]


Folder = Path | Bucket


def parse_folder(location: str | Path | Bucket) -> Folder:
    """Convert a path or an address to a local folder or a bucket.

    A `Path` that contains an address becomes a bucket.

    >>> parse_folder("data/store"), parse_folder(Path("s3://bucket/healthkit"))
    (PosixPath('data/store'), Bucket(address='s3://bucket/healthkit'))

    Raises ValueError for an empty name, which would mean the working directory.
    """
    if isinstance(location, Bucket):
        return location
    if isinstance(location, str) and not location.strip():
        raise ValueError("The folder of the store is an empty name. Name it, or leave it out for data/store.")
    found = _ADDRESS.fullmatch(str(location))
    return Bucket(f"s3://{found['rest']}") if found else Path(location)


def open_filesystem(folder: Folder) -> fs.FileSystem:
    """Return a file system whose root is the given folder or bucket, which need not exist."""
    if isinstance(folder, Path):
        return fs.SubTreeFileSystem(str(folder.resolve()), fs.LocalFileSystem())
    return fs.PyFileSystem(DeltaStorageHandler(str(folder)))


def write_object(bucket: Bucket, path: str, content: bytes) -> None:
    """Write an object below the address of a bucket, either completely or not at all."""
    # Not by the file system: pyarrow hands buffers to its streams, which accept bytes only.
    stream: Any = DeltaStorageHandler(str(bucket))._handler.open_output_stream(path)
    stream.write(content)
    stream.close()


def list_files(filesystem: fs.FileSystem, folder: str) -> list[str]:
    """Return the sorted paths of the files directly in a folder; empty if the folder does not exist."""
    found = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return sorted(one.path for one in found if one.type == fs.FileType.File)


def file_exists(filesystem: fs.FileSystem, path: str) -> bool:
    """Return whether a path is that of an existing file."""
    return bool(filesystem.get_file_info(path).type == fs.FileType.File)


def cache_folders(folder: Folder) -> list[Path]:
    """Return the folders in which a store can keep its caches, in order of preference.

    A local store prefers its own folder. The last one, in the user's cache, serves a store that is read-only or in an
    object storage.
    """
    own = [folder] if isinstance(folder, Path) else []
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return [*own, platformdirs.user_cache_path("healthkit") / "stores" / digest]


_DENIED_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)
_DENIED_MESSAGE = re.compile(
    rf"(os error |code: )({'|'.join(map(str, _DENIED_ERRNOS))})\b|"
    "Permission denied|PermissionDenied|Operation not permitted|Read-only file system"
)
"""The wording of deltalake, DuckDB and Arrow."""


def is_permission_error(error: BaseException) -> bool:
    """Return whether an error, of any library, means that a permission is missing.

    >>> is_permission_error(OSError("Unable to open file /s/orders/1.json: Permission denied (os error 13)"))
    True
    >>> is_permission_error(OSError("No such file or directory (os error 2)"))
    False
    """
    return getattr(error, "errno", None) in _DENIED_ERRNOS or _DENIED_MESSAGE.search(str(error)) is not None


def first_unwritable_folder(folders: Iterable[Path]) -> Path | None:
    """Return the first existing folder into which this user cannot write, or None if there is none."""
    return next((folder for folder in folders if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK)), None)


def nearest_existing_folder(folder: Path) -> Path:
    """Return the given folder if it exists, or else its nearest parent that exists."""
    return next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)


def file_owner(path: Path) -> str:
    """Return the name of the owner of a file, or "" if it is not known."""
    with suppress(OSError, KeyError, NotImplementedError):
        return path.owner()
    return ""
