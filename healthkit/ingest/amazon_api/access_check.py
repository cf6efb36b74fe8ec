"""Try each authorisation with the smallest calls there are, and say which roles the application lacks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from healthkit.ingest.amazon_api import failures, published
from healthkit.ingest.amazon_api.authorization import LOGIN, ApiError, Authorization, make_http_client
from healthkit.ingest.amazon_api.call_scheduler import Call, CallScheduler, Clock, Steps
from healthkit.ingest.amazon_api.credentials import CredentialsError, find_credentials
from healthkit.ingest.amazon_api.pull_state import StateFolder, format_instant
from healthkit.ingest.amazon_api.rate_limits import TokenBucket, make_buckets
from healthkit.ingest.amazon_api.requests_plan import PlannedRequest
from healthkit.schema.accounts_file import AmazonAccess, ConfiguredAccount
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.store import Store

if TYPE_CHECKING:
    import httpx


@dataclass
class AccessCheck:
    """What one authorisation may do: where its credentials are, what Amazon permits, and sentences on what it lacks."""

    access: AmazonAccess
    place: str = ""
    permitted: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check_accesses(
    accounts: Sequence[ConfiguredAccount],
    store: Store,
    clock: Clock | None = None,
    client: httpx.Client | None = None,
    addresses: published.Addresses | None = None,
    environment: Mapping[str, str] = os.environ,
) -> list[AccessCheck]:
    """Try each authorisation of some accounts: its credentials, and a list of each report type and of orders.

    Nothing is asked to be made and nothing is imported. Raises AmazonApiError if the extra is not installed.
    """
    clock, states, jobs, checks = clock or Clock(), StateFolder(store), list[Steps](), list[AccessCheck]()
    client = client or make_http_client()
    for account in accounts:
        saved = states.read(account.name).buckets
        for access in account.amazon:
            check = AccessCheck(access)
            checks.append(check)
            try:
                credentials = find_credentials(access, environment)
            except CredentialsError as error:
                check.problems.append(str(error))
                continue
            check.place = credentials.place
            authorization = Authorization(access, credentials, client, addresses or published.addresses(), clock.time)
            jobs.append(_try_calls(check, authorization, make_buckets(saved.get(access.region)), clock))
    CallScheduler(clock, lambda files: []).run(jobs)
    return checks


def _try_calls(
    check: AccessCheck, authorization: Authorization, buckets: Mapping[str, TokenBucket], clock: Clock
) -> Steps:  # fmt: skip
    """Try one small call for each report type, and one for orders."""
    now = datetime.fromtimestamp(clock.time(), UTC)
    ids = ",".join(MARKETPLACES[code].marketplace_id for code in check.access.marketplaces)
    for kind in (*published.report_types().values(), published.orders_types()[published.ORDERS]):
        request = PlannedRequest(check.access, "", kind, now - timedelta(1), now)
        operation, query = published.GET_REPORTS, {"reportTypes": kind.name, "pageSize": "1"}
        if request.is_pages:
            operation = published.SEARCH_ORDERS
            query = {
                "lastUpdatedAfter": format_instant(request.since), "marketplaceIds": ids, "maxResultsPerPage": "1",
            }  # fmt: skip
        try:
            yield Call(operation, _make_call(authorization, operation, query), buckets[operation])
            check.permitted.append(kind.title)
        except ApiError as error:
            check.problems.append(failures.api_error_sentence(error, request))
            if error.operation == LOGIN:
                return


def _make_call(authorization: Authorization, operation: str, query: Mapping[str, str]) -> Any:
    return lambda: authorization.call(operation, query=query)
