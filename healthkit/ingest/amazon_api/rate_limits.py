"""Token buckets: how many calls of each operation a seller may make now, and when the next one.

A bucket holds up to `burst` tokens and gets `rate` of them a second. A call takes one. Time is an argument, so that the
rules can be tested with a simulated clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from healthkit.ingest.amazon_api.published import Rate, rates

_ROUNDING = 1e-9
"""Tokens by which a bucket may fall short of one: sums of floating-point numbers."""
_MARGIN = 0.001
"""Time after which a token is surely there, though instants are rounded to some 10^-7 s. [s]"""


@dataclass
class TokenBucket:
    """The tokens of one operation of one seller, as of an instant. Instants are seconds since 1970.

    >>> bucket = TokenBucket(Rate(0.5, 2))
    >>> [bucket.try_take(now) for now in (0, 0, 0, 1, 2)]
    [True, True, False, False, True]
    >>> bucket.next_at(2)
    4.001
    """

    rate: Rate
    tokens: float = field(default=-1.0)
    filled_at: float | None = None

    def __post_init__(self) -> None:
        if self.tokens < 0:
            self.tokens = float(self.rate.burst)

    def try_take(self, now: float) -> bool:
        """Take a token, if there is one now."""
        self._fill(now)
        if self.tokens < 1 - _ROUNDING:
            return False
        self.tokens = max(0.0, self.tokens - 1)
        return True

    def next_at(self, now: float) -> float:
        """Return the instant from which a token can be taken."""
        self._fill(now)
        missing = 1 - self.tokens
        return now + missing / self.rate.rate + _MARGIN if missing > 0 else now

    def seconds_for(self, calls: int, now: float) -> float:
        """Return how long a number of further calls have to wait for tokens. [s]"""
        self._fill(now)
        return max(0.0, calls - self.tokens) / self.rate.rate

    def empty(self, now: float) -> None:
        """Set the bucket to no token: Amazon said that there was none (429)."""
        self._fill(now)
        self.tokens = 0.0

    def set_rate(self, rate: float, now: float) -> None:
        """Use the rate that an answer states (the header x-amzn-RateLimit-Limit) from now on; the burst stays."""
        if rate > 0 and rate != self.rate.rate:
            self._fill(now)
            self.rate = Rate(rate, self.rate.burst)

    def _fill(self, now: float) -> None:
        passed = 0.0 if self.filled_at is None else max(0.0, now - self.filled_at)
        self.tokens = min(float(self.rate.burst), self.tokens + passed * self.rate.rate)
        self.filled_at = now if self.filled_at is None else max(now, self.filled_at)


def make_buckets(saved: Mapping[str, tuple[float, float]] | None = None) -> dict[str, TokenBucket]:
    """Return the buckets of one seller by operation.

    They are full, or as `saved` says (tokens and instant by operation): a run that was killed has used some.
    """
    buckets = {name: TokenBucket(rate) for name, rate in rates().items()}
    for name, (tokens, at) in (saved or {}).items():
        if name in buckets:
            buckets[name].tokens, buckets[name].filled_at = min(tokens, float(buckets[name].rate.burst)), at
    return buckets


def seconds_at_published_rates(calls: Mapping[str, int]) -> float:
    """Return how long the calls of one seller take at least, from full buckets: the operation that waits longest. [s]

    >>> round(seconds_at_published_rates({"createReport": 21, "getReport": 21}))
    359
    """
    return max((max(0, count - rates()[name].burst) / rates()[name].rate for name, count in calls.items()), default=0.0)
