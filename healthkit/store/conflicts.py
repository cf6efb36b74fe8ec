"""Conflicts of new raw files with a store, found before they are added.

There are three: order ids that another account has, a file that another account has, and a file of feedback without
ratings that earlier files have. Each check is one query for all new files; DuckDB joins the ids in batches, so memory
does not grow with the size of a file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import duckdb
import pyarrow as pa

from healthkit.schema import tables
from healthkit.store.merge_sql import (
    ABSENT_RATINGS_SQL,
    MARK_REMOVED_RATINGS_SQL,
    RECENCY_SQL,
    REPORT_PLACES_SQL,
    arrow_schema,
    merge_rows_sql,
    open_connection,
    select_columns_sql,
)
from healthkit.store.store import FileRows, Store

ID_BATCH_ROWS = 500_000
"""Number of order ids that are looked up together. [rows]"""
_TABLES_WITH_ORDER_IDS = (
    tables.ORDERS,
    tables.FEEDBACK,
    tables.DEFECTS,
    tables.POSTINGS,
    tables.CONTACTS,
    tables.RETURNS,
)
"""The tables whose order ids show which account an order belongs to."""
_ID_COLUMNS = ("account", "marketplace", "order_id")
_ID_SCHEMA = pa.schema([("place", pa.int64()), *((name, pa.string()) for name in _ID_COLUMNS)])


class SharedOrders(NamedTuple):
    """Order ids of a new file that another account also has.

    `account` is the other account, `orders` the number of ids (a lower bound with `at_least`), and `first` the first
    id.
    """

    account: str
    orders: int
    first: str
    at_least: bool = False


class DuplicateFile(NamedTuple):
    """Account and name of a raw file in the store that has the same content as a new file."""

    account: str
    name: str


class MissingRatings(NamedTuple):
    """Number and days of the ratings that a new feedback file lacks.

    They count as removed from the day `removed_from` on.
    """

    ratings: int
    first_day: date
    last_day: date
    removed_from: date


_SHARED_ORDERS_SQL = r"""
    select ids.place, {other_place}, others.account, count(distinct ids.order_id) as orders, min(ids.order_id) as first
    from ids join {others} others on ids.order_id = others.order_id
    where ids.account <> others.account and {other_place} < ids.place
      and (ids.marketplace = others.marketplace or regexp_full_match(ids.order_id, '\d{{3}}-\d{{7}}-\d{{7}}'))
    group by all order by ids.place, orders desc, others.account
"""
"""SQL for shared order ids. Amazon's are unique over all its marketplaces; two other shops may both have order 1001."""


def find_orders_shared_with_store(store: Store, new_files: Sequence[FileRows]) -> dict[str, SharedOrders]:
    """Return the order ids in each new file that the store already holds for another account, by report id.

    Files with several accounts are not compared: their ids may belong to several sellers.
    """
    accounts = {file.account for file in new_files} | {*store.reports_with_row_counts()[0]["account"].to_pylist()}
    if len(accounts - {None}) < 2:
        return {}
    found: dict[str, SharedOrders] = {}
    with contextlib.closing(open_connection()) as connection, store.read_errors_as_store_errors(tables.ORDERS):
        stored = _stored_order_ids_sql(store, connection)
        for ids, is_last in _order_id_batches(new_files, found) if stored else ():
            connection.register("ids", ids)
            connection.execute(_SHARED_ORDERS_SQL.format(others=f"({stored})", other_place="-1"))
            for place, _, account, orders, first in connection.fetchall():
                found.setdefault(new_files[place].report, SharedOrders(account, orders, first, not is_last))
    return found


def find_orders_shared_in_import(new_files: Sequence[FileRows]) -> dict[str, dict[str, SharedOrders]]:
    """Return the order ids that new files share with earlier new files of another account.

    The outer keys are the report ids of the new files, the inner keys those of the earlier files. All order ids must
    fit into memory together.
    """
    if len({file.account for file in new_files} - {None}) < 2:
        return {}
    found: dict[str, dict[str, SharedOrders]] = {}
    with contextlib.closing(open_connection()) as connection:
        connection.register(
            "ids", pa.concat_tables([_ID_SCHEMA.empty_table(), *(ids for ids, _ in _order_id_batches(new_files, {}))])
        )
        connection.execute(_SHARED_ORDERS_SQL.format(others="ids", other_place="others.place"))
        for place, other, account, orders, first in connection.fetchall():
            found.setdefault(new_files[place].report, {})[new_files[other].report] = SharedOrders(
                account, orders, first
            )
    return found


def _stored_order_ids_sql(store: Store, connection: duckdb.DuckDBPyConnection) -> str:
    """Return SQL for the order ids in a store's files of one account each; "" if there are none."""
    reports = store.reports_with_row_counts()[0]
    connection.register("reports", reports.select(["report", "account"]).filter(reports["account"].is_valid()))
    parts = []
    for table in _TABLES_WITH_ORDER_IDS:
        delta = store.delta(table)
        if delta is not None:
            connection.register(f"stored_{table.name}", store.stored_rows(connection, table, delta))
            parts.append(
                f"select account, marketplace, order_id from stored_{table.name} "
                "semi join reports using (report) where order_id <> ''"
            )
    return " union all ".join(parts)


def _order_id_batches(
    new_files: Sequence[FileRows], found: Mapping[str, SharedOrders]
) -> Iterator[tuple[pa.Table, bool]]:
    """Yield the order ids of new files, with each file's position, in batches; and whether a batch is the last.

    The rest of a file that is in `found` is skipped.
    """
    waiting: list[pa.RecordBatch] = []
    waiting_rows = 0
    for place, file in enumerate(new_files):
        for rows in _batches_with_order_ids(file):
            if file.report in found:
                break
            waiting.append(
                pa.RecordBatch.from_arrays(
                    [
                        pa.repeat(pa.scalar(place, pa.int64()), rows.num_rows),
                        *(rows.column(name) for name in _ID_COLUMNS),
                    ],
                    schema=_ID_SCHEMA,
                )
            )
            waiting_rows += rows.num_rows
            if waiting_rows >= ID_BATCH_ROWS:
                yield pa.Table.from_batches(waiting), False
                waiting, waiting_rows = [], 0
    if waiting_rows:
        yield pa.Table.from_batches(waiting), True


def _batches_with_order_ids(file: FileRows) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file with order ids: its orders, or else its rows about orders. None of shared files."""
    with_ids = [file.tables[table.name] for table in _TABLES_WITH_ORDER_IDS if table.name in file.tables]
    if file.account is not None:
        for rows in with_ids[:1] if tables.ORDERS.name in file.tables else with_ids:
            yield from rows.to_batches()


def files_by_content_digest(store: Store) -> dict[str, DuplicateFile]:
    """Return the raw files of a store that have one account and at least one row, by content digest."""
    reports = store.reports_with_row_counts()[0].select(["content", "account", "name", "rows"]).to_pylist()
    return {
        report["content"]: DuplicateFile(report["account"], report["name"])
        for report in reports
        if report["content"] and report["account"] is not None and report["rows"]
    }


_NEWLY_MISSING_RATINGS_SQL = f"""
    with {ABSENT_RATINGS_SQL},
         new as (select account, marketplace, order_id, feedback_id, arg_min(report, last_day) as report
                 from lacking semi join added using (report) group by all)
    select new.report, count(*), min(received_on), max(received_on), min(removed_on)
    from new join feedback using (account, marketplace, order_id, feedback_id)
         anti join removed_before using (account, marketplace, order_id, feedback_id)
    where removed_on is not null
    group by new.report
"""


def find_missing_ratings(store: Store, new_files: Sequence[FileRows]) -> dict[str, MissingRatings]:
    """Return the number and days of the ratings that new feedback files lack, by report id of the file.

    Earlier files or other files of the import contain them. These ratings will count as removed (see
    `merge_sql.MARK_REMOVED_RATINGS_SQL`).
    """
    added = [file for file in new_files if file.kind == "feedback" and file.rows]
    if not added:
        return {}
    reports = store.reports_with_row_counts()[0].select(["report", "number", "kind"])
    number = max(reports["number"].to_pylist(), default=-1) + 1
    new = [{"report": file.report, "number": number + at, "kind": file.kind} for at, file in enumerate(added)]
    all_reports = pa.concat_tables([reports, pa.Table.from_pylist(new, schema=reports.schema)])
    rows = [
        pa.Table.from_batches(file.tables[tables.FEEDBACK.name].to_batches()).cast(arrow_schema(tables.FEEDBACK))
        for file in added
        if file.tables[tables.FEEDBACK.name].num_rows
    ]
    if not rows:
        return {}
    with contextlib.closing(open_connection()) as connection, store.read_errors_as_store_errors(tables.FEEDBACK):
        delta = store.delta(tables.FEEDBACK)
        stored = store.stored_rows(connection, tables.FEEDBACK, delta, sorted({file.account or "" for file in added}))
        connection.register("stored", stored)
        columns = select_columns_sql(tables.FEEDBACK, stored.columns, "stored")
        connection.register("new_rows", pa.concat_tables(rows))
        connection.register("added", pa.table({"report": [file.report for file in added]}))
        _merge_feedback(connection, reports, columns)
        connection.execute("create temp table removed_before as select * from feedback where removed_on is not null")
        _merge_feedback(connection, all_reports, f"{columns} union all by name select * from new_rows")
        connection.execute(_NEWLY_MISSING_RATINGS_SQL)
        return {report: MissingRatings(*rest) for report, *rest in connection.fetchall()}


def count_current_ratings(store: Store, accounts: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the number of ratings of the given accounts that were not removed, by account and marketplace."""
    delta = store.delta(tables.FEEDBACK)
    if delta is None:
        return {}
    with contextlib.closing(open_connection()) as connection, store.read_errors_as_store_errors(tables.FEEDBACK):
        stored = store.stored_rows(connection, tables.FEEDBACK, delta, sorted(accounts))
        connection.register("stored", stored)
        reports = store.reports_with_row_counts()[0].select(["report", "number", "kind"])
        _merge_feedback(connection, reports, select_columns_sql(tables.FEEDBACK, stored.columns, "stored"))
        query = "select account, marketplace, count(*) from feedback where removed_on is null group by all"
        found: dict[str, dict[str, int]] = {}
        for account, marketplace, ratings in connection.execute(query).fetchall():
            found.setdefault(account, {})[marketplace] = ratings
        return found


def _merge_feedback(connection: duckdb.DuckDBPyConnection, reports: pa.Table, rows: str) -> None:
    """Create the table `feedback` of some rows of some reports, with the days on which ratings were removed."""
    connection.register("reports", reports)
    connection.execute(REPORT_PLACES_SQL.format("reports"))
    connection.execute("drop table if exists raw_feedback; drop table if exists feedback")
    connection.execute(
        f"create temp table raw_feedback as select stored_rows.*, {RECENCY_SQL} as newer "
        f"from ({rows}) stored_rows join places using (report)"
    )
    connection.execute(merge_rows_sql(tables.FEEDBACK))
    connection.execute(MARK_REMOVED_RATINGS_SQL)
