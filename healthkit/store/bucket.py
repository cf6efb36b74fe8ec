"""Where a store lies: in a folder, or in an object storage under an address such as s3://bucket/healthkit."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_ADDRESS = re.compile(r"s3:/{1,2}(?P<rest>[^/].*?)/*")


@dataclass(frozen=True)
class Bucket:
    """A place in an object storage: as much of a path as a store needs.

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


Place = Path | Bucket


def place_of(named: str | Path | Bucket) -> Place:
    """The place that is meant by a path or an address; a `Path` made of an address has lost one of its slashes.

    >>> place_of("data/store"), place_of(Path("s3://bucket/healthkit"))
    (PosixPath('data/store'), Bucket(address='s3://bucket/healthkit'))
    """
    if isinstance(named, Bucket):
        return named
    found = _ADDRESS.fullmatch(str(named))
    return Bucket(f"s3://{found['rest']}") if found else Path(named)


def beside(place: Place) -> Path:
    """The folder for what is made of a store and kept for the next question: in its own folder, or in the cache of
    this machine where it has none."""
    if isinstance(place, Path):
        return place
    digest = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("healthkit") / "stores" / digest
