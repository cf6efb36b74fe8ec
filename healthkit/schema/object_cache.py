"""Cache the results of a function on its first argument, for as long as that object lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_R = TypeVar("_R")


def cache_on_first_argument(maxsize: int | None = None) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator that caches results in the `__dict__` of the first argument, as `cached_property` does.

    The first argument is an object that does not change (a Ledger, Counts); the others are hashable. Beyond `maxsize`
    results an object, the oldest is dropped.

    >>> class Table:
    ...     pass
    >>> @cache_on_first_argument()
    ... def total(table: Table, first: int, last: int = 0) -> int:
    ...     return first + last
    >>> table = Table()
    >>> total(table, 1), total(table, 1, last=2), total(table, 1, last=3)
    (1, 3, 4)
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        attribute = f"_cache_of_{function.__module__}.{function.__qualname__}"

        @wraps(function)
        def cached(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            results: dict[Any, _R] = vars(args[0]).setdefault(attribute, {})
            key = (args[1:], tuple(sorted(kwargs.items())))
            if key not in results:
                while maxsize is not None and len(results) >= maxsize:
                    del results[next(iter(results))]
                results[key] = function(*args, **kwargs)
            return results[key]

        return cast(Callable[_P, _R], cached)

    return decorate
