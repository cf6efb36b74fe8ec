"""Stores of the test server's sellers, imported by hand, and what any two such stores must have in common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from healthkit.ingest import importer
from healthkit.schema.tables import SCORES
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.amazon_server.by_hand import download, search
from tests.builders.amazon_server.scenario import Seller


def scores(store: Store, last: datetime, days: int = 90) -> pd.DataFrame:
    """SCORES of all accounts on many days, as displayed then and in hindsight, in one order."""
    on = [last.date() - timedelta(number) for number in range(0, days, 5)]
    workspace = Workspace(store.folder)
    both = pd.concat([workspace.score(on).assign(late=False), workspace.score(on, hindsight=True).assign(late=True)])
    return both.sort_values([*SCORES.key, "late"]).reset_index(drop=True)


def import_all(store: Store, paths: list[Path], account: str, code: str | None = None) -> None:
    results = list(importer.import_files(paths, store, account, code))
    assert [result.refused for result in results if result.refused] == []


def import_by_hand(folder: Path, since: datetime, now: datetime, sellers: Iterable[Seller]) -> Store:
    """A store into which somebody imported whole files of every account, downloaded at an instant."""
    store = Store(folder / "by_hand")
    for seller in sellers:
        for code in seller.marketplaces:
            paths = download(seller, code, folder / "raw" / seller.account / code, since, now)
            import_all(store, paths, seller.account, code)
        import_all(store, search(seller, folder / "api" / seller.account, since, now), seller.account)
    return store


def orders(store: Store) -> pd.DataFrame:
    """The orders of a store, in one order.

    Of a cancelled order the Orders API tells the units that were ordered, and reports none. Of two equally new files
    the one that was imported last decides, so the units are left out.
    """
    found = store.ledger().orders.collect("pandas").to_native().drop(columns=["report", "units"])
    return found.sort_values(["account", "marketplace", "order_id"]).reset_index(drop=True)
