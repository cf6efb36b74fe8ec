"""The accounts of an agency at a glance: what is configured, when it was pulled, and what is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from healthkit.ingest.amazon_api import published
from healthkit.ingest.amazon_api.credentials import CredentialsError, find_credentials
from healthkit.ingest.amazon_api.pull_state import PullState, StateFolder, parse_instant
from healthkit.schema import tables
from healthkit.schema.accounts_file import AmazonAccess, ConfiguredAccount
from healthkit.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AccountStatus:
    """The status of one account in one region; an account without an authorisation has the region "".

    `credentials` says where they are (empty: nowhere, or none are needed). `last_order` is the last day with an order
    in the store. `missing` are sentences.
    """

    account: str
    display_name: str
    tags: tuple[str, ...]
    region: str
    marketplaces: tuple[str, ...]
    credentials: str
    last_pull: datetime | None
    last_order: date | None
    missing: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        """Return the status as plain data: texts, lists of texts, None for what is unknown."""
        return {
            "account": self.account,
            "display_name": self.display_name,
            "tags": list(self.tags),
            "region": self.region,
            "marketplaces": list(self.marketplaces),
            "credentials": self.credentials,
            "last_pull": self.last_pull.strftime("%Y-%m-%d %H:%M UTC") if self.last_pull else None,
            "last_order": self.last_order.isoformat() if self.last_order else None,
            "missing": list(self.missing),
        }


def statuses_as_frame(statuses: Sequence[AccountStatus]) -> pd.DataFrame:
    """Return statuses as a frame of texts, a row each; several texts of one cell are separated by semicolons."""
    rows = [one.as_row() for one in statuses]
    columns = {
        name: pa.array(
            ["; ".join(row[name]) if isinstance(row[name], list) else row[name] for row in rows], pa.string()
        )
        for name in (rows[0] if rows else ())
    }
    return pa.table(columns).to_pandas()


def list_account_statuses(
    accounts: Sequence[ConfiguredAccount], store: Store, environment: Mapping[str, str] = os.environ
) -> list[AccountStatus]:
    """Return the status of each configured account, and of the accounts of the store that are not configured."""
    states, last_orders = StateFolder(store), _last_orders(store)
    found = []
    for account in accounts:
        state, last_order = states.read(account.name), last_orders.get(account.name)
        found += [_status_of_access(account, access, state, last_order, environment) for access in account.amazon]
        if not account.amazon:
            missing = () if last_order else ("No file with orders was imported.",)
            found.append(
                AccountStatus(account.name, account.display_name, account.tags, "", (), "", None, last_order, missing)
            )
    names = {account.name for account in accounts}
    return found + [
        AccountStatus(name, name, (), "", (), "", None, last_orders[name], ("Not in the accounts file.",))
        for name in sorted(last_orders.keys() - names)
    ]


def _status_of_access(
    account: ConfiguredAccount, access: AmazonAccess, state: PullState, last_order: date | None,
    environment: Mapping[str, str],
) -> AccountStatus:  # fmt: skip
    missing, place = [], ""
    try:
        place = find_credentials(access, environment).place
    except CredentialsError as error:
        missing.append(error.summary)
    finished = state.finished_at.get(access.region)
    if finished is None:
        missing.append("Never pulled to the end.")
    missing += state.problems.get(access.region, []) if place else []
    if finished is not None:
        pulled = {one.report_type for one in state.pulled if one.region == access.region}
        pulled |= {kind.followed_by for kind in published.report_types().values() if kind.name in pulled}
        never = [kind.title for kind in published.report_types().values() if kind.name not in pulled]
        missing += [f"Nothing pulled yet of: {', '.join(never)}."] if never else []
    return AccountStatus(
        account.name, account.display_name, account.tags, access.region, access.marketplaces, place,
        None if finished is None else parse_instant(finished), last_order, tuple(missing),
    )  # fmt: skip


def _last_orders(store: Store) -> dict[str, date | None]:
    """Return the last day with an order of each account in the store; None for an account without orders."""
    if not store.exists():
        return {}
    found: dict[str, date | None] = {}
    reports = store.reports()
    for account, last, brought in zip(reports["account"], reports["last_day"], reports["brought"], strict=True):
        if not isinstance(account, str):
            continue
        day = tables.to_plain_value(last) if json.loads(brought or "{}").get(tables.ORDERS.name) else None
        day = day.date() if isinstance(day, datetime) else day
        before = found.get(account)
        found[account] = max(filter(None, (before, day)), default=None)
    return found
