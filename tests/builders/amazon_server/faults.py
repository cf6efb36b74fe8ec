"""What may go wrong at Amazon's: faults that a test plants in the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Faults of calls. `operation` says which; `times` how often.
THROTTLED = "throttled"  # 429, whatever the bucket holds
SERVER_ERROR = "server error"  # 500, or the status in `value`
TOKEN_EXPIRED = "access token expired"  # the token of the call is no longer valid; the next one is
ROLE_MISSING = "role missing"  # 403
BROKEN_CONNECTION = "broken connection"  # the answer ends after `value` bytes (default: half of it)

# Faults of authorisations.
REVOKED = "revoked"  # invalid_grant
INVALID_CLIENT = "invalid client"  # 401

# Faults of reports. `report_type` and `marketplace` say which.
HANGS = "hangs"  # IN_PROGRESS for ever, or for `value` seconds
CANCELLED = "cancelled"
FATAL = "fatal"  # without a document, or with one that holds the text in `value`
ERROR_SENTENCE = "error sentence"  # DONE, but the document holds one sentence: `value`, or Amazon's about 30 days
EMPTY = "empty"  # DONE, but the document holds no byte
HEADER_ONLY = "header only"  # DONE, but the document holds no row
PLAIN = "plain"  # not packed
GZIP = "gzip"  # packed, and declared so
DECLARED_BUT_PLAIN = "declared but plain"  # declared as packed, and yet plain
ENCODED = "encoded"  # in the encoding that `value` names
CONTENT = "content"  # the document holds the bytes in `value`
URL_EXPIRED = "url expired"  # the document's URL is no longer good: 403

# Faults of pages of orders.
PAGE_TOKEN_EXPIRED = "page token expired"  # 400


@dataclass
class Fault:
    """One fault: its kind, whom and what it concerns (empty: all), and how often it happens (None: always)."""

    kind: str
    account: str = ""
    marketplace: str = ""
    report_type: str = ""
    operation: str = ""
    times: int | None = None
    value: Any = None

    def concerns(self, kind: str, **about: str) -> bool:
        """Return whether the fault is of a kind, is not used up, and concerns what a call is about."""
        wanted = {name: getattr(self, name) for name in ("account", "marketplace", "report_type", "operation")}
        concerned = all(about.get(name) == value for name, value in wanted.items() if value)
        return self.kind == kind and self.times != 0 and concerned

    def use(self) -> None:
        """Count one use."""
        if self.times is not None:
            self.times -= 1
