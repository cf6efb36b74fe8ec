"""The workers of a Dask cluster as those who print; the only room with Dask, loaded where a cluster is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from distributed import Client

CONNECT_TIMEOUT = "10s"
"""A scheduler that does not answer within this is not there."""
RETRIES = 3
"""So often a report is given to another worker when its own dies."""


class ClusterError(ValueError):
    """A cluster cannot be reached; the message says which."""


@contextmanager
def connect_to_cluster(address: str) -> Iterator[Executor]:
    """An executor whose work is done by the cluster of a scheduler, such as tcp://10.0.0.7:8786.

    What a worker that dies was at is done by another. Raises ClusterError where no scheduler answers.
    """
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}.") from None
    with client:
        yield client.get_executor(retries=RETRIES, pure=False)
