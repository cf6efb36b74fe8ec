"""Run a command of healthkit against a test server, in a process of its own that may be killed.

`python -m tests.builders.pull_process HOSTS WORD...`: HOSTS are the addresses of the server as JSON. The process takes
the instant at which simulated clocks begin for now, waits for no rate, and logs everything that any library logs.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from healthkit.ingest.amazon_api import call_scheduler, published, pull, rate_limits
from tests.builders.amazon_pull import START, addresses, environment
from tests.builders.amazon_server.service import Service
from tests.builders.sample import ROOT


def command(service: Service, *words: object) -> list[str]:
    return [sys.executable, "-m", "tests.builders.pull_process", json.dumps(service.hosts), *map(str, words)]


def options(service: Service, folder: object) -> dict[str, Any]:
    """What a process needs: the credentials in its environment, and no home or keyring of anybody's."""
    told = {**os.environ, **environment(service.sellers.values()), "PYTHONPATH": str(ROOT)}
    told |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    told |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    return {"env": told, "cwd": ROOT, "text": True}


def run(service: Service, folder: object, *words: object) -> subprocess.CompletedProcess[str]:
    how = options(service, folder)
    return subprocess.run(command(service, *words), capture_output=True, timeout=300, check=False, **how)


def _play(hosts: Mapping[str, str]) -> None:
    """Put the server in Amazon's place, and stop the clock."""
    published.addresses = lambda: addresses(hosts)
    rate_limits.rates = lambda: {name: published.Rate(1000, 1_000_000) for name in published.rates()}
    call_scheduler.Clock.time = lambda self: START.timestamp()
    waiting = call_scheduler.Clock.wait

    def wait(clock: call_scheduler.Clock, seconds: float, calls: set[Any]) -> None:
        waiting(clock, min(seconds, 0.5 if calls else 0.001), calls)

    call_scheduler.Clock.wait = wait
    pull.POLL_SECONDS = 0.0


if __name__ == "__main__":
    from healthkit.cli import main

    logging.basicConfig(level=logging.DEBUG)
    hosts, *sys.argv[1:] = sys.argv[1:]
    _play(json.loads(hosts))
    main()
