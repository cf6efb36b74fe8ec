"""What pulls from the test server need: accounts and credentials of its sellers, a simulated clock, a pull of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import yaml

from healthkit.ingest.amazon_api.call_scheduler import Clock
from healthkit.ingest.amazon_api.credentials import APP_ID, APP_SECRET, TOKEN, VARIABLES, variable_name
from healthkit.ingest.amazon_api.published import Addresses
from healthkit.ingest.amazon_api.pull import AccountResult, Pull
from healthkit.schema.accounts_file import ConfiguredAccount, read_accounts
from healthkit.store import Store
from tests.builders.amazon_server.in_process import ServiceTransport
from tests.builders.amazon_server.scenario import Seller
from tests.builders.amazon_server.service import CLIENT_ID, CLIENT_SECRET, Service

START = datetime(2026, 11, 1, 6, tzinfo=UTC)
"""The instant at which a simulated clock begins."""


class SimulatedClock(Clock):
    """A clock that stands still while calls are made and jumps over every wait."""

    def __init__(self, start: datetime = START) -> None:
        self.seconds = start.timestamp()

    def time(self) -> float:
        return self.seconds

    def wait(self, seconds: float, calls: set[Future[Any]]) -> None:
        if calls:
            wait(calls, return_when=FIRST_COMPLETED)
        else:
            self.seconds += seconds

    def pass_days(self, days: float) -> None:
        self.seconds += days * 86_400


def accounts_text(sellers: Iterable[Seller]) -> str:
    """The accounts file of some sellers; the sellers of one account are its regions."""
    rows: dict[str, dict[str, Any]] = {}
    for seller in sellers:
        row = rows.setdefault(seller.account, {"name": seller.account, "amazon": []})
        name = f"{seller.account}-{seller.region}"
        row["amazon"].append({
            "region": seller.region, "marketplaces": list(seller.marketplaces), "credentials": name,
        })  # fmt: skip
    return yaml.safe_dump({"accounts": list(rows.values())}, sort_keys=False)


def write_accounts(folder: Path, sellers: Iterable[Seller]) -> Path:
    path = folder / "accounts.yaml"
    path.write_text(accounts_text(sellers), encoding="utf-8")
    return path


def configured(folder: Path, sellers: Iterable[Seller]) -> list[ConfiguredAccount]:
    return read_accounts(write_accounts(folder, sellers))


def environment(sellers: Iterable[Seller]) -> dict[str, str]:
    """The environment with the credentials of some sellers."""
    tokens = {variable_name(TOKEN, f"{one.account}-{one.region}"): one.refresh_token for one in sellers}
    return tokens | {VARIABLES[APP_ID]: CLIENT_ID, VARIABLES[APP_SECRET]: CLIENT_SECRET}


def addresses(hosts: Mapping[str, str]) -> Addresses:
    """The addresses of a service, as the product wants them."""
    regions = tuple((name, hosts[name]) for name in ("na", "eu", "fe"))
    return Addresses(regions, f"{hosts['lwa']}/auth/o2/token")


def make_pull(
    store: Store, service: Service, clock: Clock, days: int = 180, poll_seconds: float = 15, **more: Any
) -> Pull:  # fmt: skip
    """A pull from a service in this process."""
    now = datetime.fromtimestamp(clock.time(), UTC)
    more = {"environment": environment(service.sellers.values()), "jitter": Random(1)} | more
    return Pull(
        store, now - timedelta(days), clock, httpx.Client(transport=ServiceTransport(service)),
        addresses(service.hosts), poll_seconds=poll_seconds, **more,
    )  # fmt: skip


def pull_from(
    folder: Path, store: Store, service: Service, clock: Clock, days: int = 180, **more: Any
) -> dict[str, AccountResult]:  # fmt: skip
    """Pull all sellers of a service, and return the results by account."""
    accounts = configured(folder, service.sellers.values())
    return {one.account: one for one in make_pull(store, service, clock, days, **more).run(accounts)}
