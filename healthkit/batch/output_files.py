"""Files of a reports folder: safe names and atomic writes that never overwrite a file of the user."""

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
    "account_stem",
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
"""Maximum length of a file name without suffix, which allows for suffixes on encrypted file systems. [characters]"""
RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names of devices on Windows, which no file may have, whatever its suffix."""
SIGNATURE_LINES = {".html": "<!-- healthkit sha256 {} -->", ".js": "/* healthkit sha256 {} */"}
"""Last line of a file that all accounts share, by suffix; it holds the digest of the text above it."""
_SIGNED = re.compile(rb"\n(?:<!--|/\*) healthkit sha256 ([0-9a-f]{64}) (?:-->|\*/)\n\Z")


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 digest of `data` as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()


def page_stem(account: str, marketplace: str) -> str:
    """Return the file name, without suffix, of the page of an account in a marketplace.

    The name consists of letters, digits, dots, dashes and underscores. No two pairs share a name, even on a file system
    that ignores case. An ordinary name is used as it is; any other (capitals, spaces, other scripts, too long, a device
    of Windows, or one that reads like another pair) gets a digest of the pair.

    >>> page_stem("harbor", "US"), page_stem("acme", "WALMART_US")
    ('harbor_us', 'acme_walmart_us')
    >>> page_stem("acme_walmart", "US")
    'acme_walmart_us_ee7f19036b95df85'
    >>> page_stem("../etc", "US")
    'etc_us_3fa93987a0bcb196'
    """
    plain = f"{account}_{marketplace.lower()}"
    if _is_safe_name(plain) and _pair_of(plain) == (account, marketplace):
        return plain
    # The length of the account says where it ends, so that no two pairs give the same bytes.
    return _name_with_digest(plain, f"{len(account)}:{account}{marketplace}")


def account_stem(account: str) -> str:
    """Return the file name, without suffix, of a file of an account in all its marketplaces, as safe as `page_stem`.

    >>> account_stem("harbor"), account_stem("Harbor & Sons")
    ('harbor', 'harbor-sons_6a6827224d9f741f')
    """
    return account if _is_safe_name(account) else _name_with_digest(account, account)


def _name_with_digest(plain: str, identity: str) -> str:
    """Return a name as far as it is safe, with a digest that makes it unique."""
    safe = re.sub(r"[^a-z0-9_-]+", "-", plain.lower()).strip("-")[: MAX_STEM_LENGTH - 17]
    return f"{safe}_{sha256_hex(identity.encode('utf-8', 'surrogatepass'))[:16]}"


def _is_safe_name(name: str) -> bool:
    """Return whether a name is safe on every file system and does not look like one with a digest."""
    safe = len(name) <= MAX_STEM_LENGTH and re.fullmatch(r"[a-z0-9_][a-z0-9._-]*", name)
    return bool(safe) and name.partition(".")[0] not in RESERVED_NAMES and not re.search(r"_[0-9a-f]{16}\Z", name)


def _pair_of(plain: str) -> tuple[str, str] | None:
    """Return the account and marketplace of a plain name; the longest marketplace code at its end counts."""
    ends = [code for code in MARKETPLACES if plain.endswith(f"_{code.lower()}")]
    if not ends:
        return None
    code = max(ends, key=len)
    return plain[: -len(code) - 1], code


# -- writing ------------------------------------------------------------------------------------------------------


def stage_file(folder: Path, data: bytes) -> Path:
    """Write data to a new temporary file inside the given folder and return the path of the file.

    The file mode follows the umask. The caller renames the file and then calls `discard_staged_file`, also after an
    error.
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
    """Remove the temporary folder of a file that `stage_file` wrote, and the file if it was not renamed."""
    temp_folders.remove(staged_file.parent)


def write_file(path: Path, text: str) -> None:
    """Write a text file atomically."""
    temp_folders.write_atomically(path, text)


def write_signed(path: Path, text: str) -> list[str]:
    """Write a file that all accounts share, with its digest in the last line.

    An existing file of that name is renamed to a backup if healthkit did not write it or if it was edited. Return a
    sentence for each file that was renamed.
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
    """Return whether a file is unchanged since `write_signed` wrote it."""
    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    found = _SIGNED.search(data)
    return found is not None and sha256_hex(data[: found.start()]) == found[1].decode()


def rename_to_backup(path: Path) -> list[str]:
    """Rename a file or folder to NAME.bak-N, with the first free N, if it exists.

    Return a sentence about it for the user.
    """
    if not os.path.lexists(path):
        return []
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.bak-{number}")):
        number += 1
    os.rename(path, aside)
    return [f"{path.name} was not written by this kit, or was changed since: it is now {aside.name}."]
