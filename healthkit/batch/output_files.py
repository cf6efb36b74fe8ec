"""The files of a reports folder: safe names, whole files only, and what the kit did not write is never overwritten."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from healthkit.files import marked_folders, temp_folders
from healthkit.report.vega_bundle import vega_bundle
from healthkit.schema.marketplaces import MARKETPLACES

__all__ = [
    "VEGA_FILE_NAME",
    "discard_staged_file",
    "is_signed",
    "page_stem",
    "rename_to_backup",
    "sha256_hex",
    "stage_file",
    "vega_bundle",
    "write_file",
    "write_signed",
]

VEGA_FILE_NAME = "vega.js"
MAX_STEM_LENGTH = 120
"""Longest name without its ending; with the longest ending it fits even an encrypted file system. [characters]"""
RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names of devices on Windows, whatever their ending."""
SIGNATURE_LINES = {".html": "<!-- healthkit sha256 {} -->", ".js": "/* healthkit sha256 {} */"}
"""The last line of a file that is shared by all accounts: the digest of the text above it, by ending."""
_SIGNED = re.compile(rb"\n(?:<!--|/\*) healthkit sha256 ([0-9a-f]{64}) (?:-->|\*/)\n\Z")


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def page_stem(account: str, marketplace: str) -> str:
    """The name of an account's page without its ending: letters, digits, dot, dash and underscore only.

    No two pairs share a name, also where names that differ only in case are one. An ordinary name is used as it is;
    any other (capitals, spaces, other scripts, too long, a device of Windows, or one that reads like another pair) gets
    a digest of the pair.

    >>> stem("harbor", "US"), stem("acme", "WALMART_US")
    ('harbor_us', 'acme_walmart_us')
    >>> stem("acme_walmart", "US")
    'acme_walmart_us_ee7f19036b95df85'
    >>> stem("../etc", "US")
    'etc_us_3fa93987a0bcb196'
    """
    plain = f"{account}_{marketplace.lower()}"
    if _is_safe_name(plain) and _pair_of(plain) == (account, marketplace):
        return plain
    # The length of the account says where it ends, so that no two pairs give the same bytes.
    pair = f"{len(account)}:{account}{marketplace}".encode("utf-8", "surrogatepass")
    safe = re.sub(r"[^a-z0-9_-]+", "-", plain.lower()).strip("-")[: MAX_STEM_LENGTH - 17]
    return f"{safe}_{sha256_hex(pair)[:16]}"


def _is_safe_name(name: str) -> bool:
    """Whether a name is safe on every file system, and cannot be taken for one with a digest."""
    safe = len(name) <= MAX_STEM_LENGTH and re.fullmatch(r"[a-z0-9_][a-z0-9._-]*", name)
    return bool(safe) and name.partition(".")[0] not in RESERVED_NAMES and not re.search(r"_[0-9a-f]{16}\Z", name)


def _pair_of(plain: str) -> tuple[str, str] | None:
    """The one account and marketplace that a plain name stands for: the longest code at its end is the marketplace."""
    ends = [code for code in MARKETPLACES if plain.endswith(f"_{code.lower()}")]
    if not ends:
        return None
    code = max(ends, key=len)
    return plain[: -len(code) - 1], code


# -- writing ------------------------------------------------------------------------------------------------------


def stage_file(folder: Path, data: bytes) -> Path:
    """Write a new file that waits in a folder for its name; its mode follows the umask.

    The caller renames it, and then calls `discard`, also where it does not come to that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = marked_folders.make(folder, temp_folders.PARTIAL_FILE_PREFIX) / "part"
    try:
        part.write_bytes(data)
    except BaseException:
        discard_staged_file(part)
        raise
    return part


def discard_staged_file(staged_file: Path) -> None:
    """Remove what is left of a staged file: its folder and, where it was not renamed, itself."""
    temp_folders.remove(staged_file.parent)


def write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temp_folders.write_atomically(path, text)


def write_signed(path: Path, text: str) -> list[str]:
    """Write a file that all accounts share, with a last line that proves it ours; return what was moved aside for it.

    A file of that name that is not ours, or was edited since, is moved aside.
    """
    signed = f"{text}\n{SIGNATURE_LINES[path.suffix].format(sha256_hex(text.encode()))}\n"
    part = stage_file(path.parent, signed.encode())
    try:
        moved = [] if is_signed(path) else rename_to_backup(path)
        os.replace(part, path)
    finally:
        discard_staged_file(part)
    return moved


def is_signed(path: Path) -> bool:
    """Whether a file is as `write_signed` wrote it."""
    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    found = _SIGNED.search(data)
    return found is not None and sha256_hex(data[: found.start()]) == found[1].decode()


def rename_to_backup(path: Path) -> list[str]:
    """Rename a file or folder to NAME.bak-N with the first free N; return a sentence for the user if there was one."""
    if not os.path.lexists(path):
        return []
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.bak-{number}")):
        number += 1
    os.rename(path, aside)
    return [f"{path.name} was not written by this kit, or was changed since: it is now {aside.name}."]
