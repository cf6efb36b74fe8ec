"""Runs reports on the workers of a Dask cluster; the only module that imports Dask."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from distributed import Client

CONNECT_TIMEOUT = "10s"
"""Time limit for connecting to the scheduler."""
RETRIES = 3
"""Number of times that a report is retried on another worker after its worker died."""


class ClusterError(ValueError):
    """Raised if a cluster cannot be reached; the message names its address."""


@contextmanager
def connect_to_cluster(address: str) -> Iterator[Executor]:
    """Yield an executor that runs work on the cluster whose scheduler has the given address.

    `address` is a URL such as tcp://10.0.0.7:8786. The work of a worker that dies is run again by another one. Raises
    ClusterError if no scheduler answers.
    """
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}.") from None
    with client:
        yield client.get_executor(retries=RETRIES, pure=False)
