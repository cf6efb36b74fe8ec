"""Where pages stand: safe names, whole files only, and the one script that all pages of a folder share."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from healthkit import scratch
from healthkit.vega import bundle

__all__ = ["BUNDLE", "bundle", "stem", "write"]

BUNDLE = "vega.js"


def stem(account: str, marketplace: str) -> str:
    """The name of an account's page without its ending: letters, digits, dot, dash and underscore only.

    A name that had to be changed gets a few characters of its digest, so that two never share a page.

    >>> stem("harbor", "US")
    'harbor_us'
    >>> stem("../etc", "US")
    'etc_us_3145f2'
    >>> stem("Harbor", "US")
    'harbor_us_a5420c'
    """
    plain = f"{account}_{marketplace}".lower()
    safe = re.sub(r"[^a-z0-9._-]+", "-", plain).strip(".-")[:120]
    if safe == plain and account == account.lower():
        return safe
    return f"{safe}_{hashlib.sha256(f'{account}_{marketplace}'.encode()).hexdigest()[:6]}"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    scratch.write_whole(path, text)
