"""What new raw files contradict of what a store holds, asked before they are added.

Three mistakes are found: order ids that another account has, a file that another account has, and a file of feedback
that lacks ratings which earlier ones hold. Each is one question for many files; ids are joined by DuckDB in portions,
so that memory does not grow with the size of a file.
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
"""So many order ids are looked up together."""
_TABLES_WITH_ORDER_IDS = (
    tables.ORDERS,
    tables.FEEDBACK,
    tables.DEFECTS,
    tables.POSTINGS,
    tables.CONTACTS,
    tables.RETURNS,
)
"""The tables in which an order id says whose the order is."""
_ID_COLUMNS = ("account", "marketplace", "order_id")
_ID_SCHEMA = pa.schema([("place", pa.int64()), *((name, pa.string()) for name in _ID_COLUMNS)])


class SharedOrders(NamedTuple):
    """Order ids of a new file that another account has: whose, how many, the first; and whether there may be more."""

    account: str
    orders: int
    first: str
    at_least: bool = False


class DuplicateFile(NamedTuple):
    """A raw file with the same content: whose it is, and its name."""

    account: str
    name: str


class MissingRatings(NamedTuple):
    """Ratings that a new file of feedback lacks: how many, of which days, and from when on they count as removed."""

    ratings: int
    first_day: date
    last_day: date
    removed_from: date


_SHARED_ORDERS_SQL = r"""
    select ids.place, {other}, theirs.account, count(distinct ids.order_id) as orders, min(ids.order_id) as first
    from ids join {theirs} theirs on ids.order_id = theirs.order_id
    where ids.account <> theirs.account and {other} < ids.place
      and (ids.marketplace = theirs.marketplace or regexp_full_match(ids.order_id, '\d{{3}}-\d{{7}}-\d{{7}}'))
    group by all order by ids.place, orders desc, theirs.account
"""
"""Amazon gives an order id once in all of its marketplaces; two shops elsewhere may both have an order 1001."""


def find_orders_shared_with_store(store: Store, new_files: Sequence[FileRows]) -> dict[str, SharedOrders]:
    """The new files, by their report, that name order ids which another account of the store has.

    Files of many accounts are neither looked up nor looked into: their ids may be of several sellers.
    """
    accounts = {taken.account for taken in new_files} | {*store.reports_with_row_counts()[0]["account"].to_pylist()}
    if len(accounts - {None}) < 2:
        return {}
    found: dict[str, SharedOrders] = {}
    with contextlib.closing(open_connection()) as connection, store.read_errors_as_store_errors(tables.ORDERS):
        stored = _stored_order_ids_sql(store, connection)
        for ids, is_last in _order_id_batches(new_files, found) if stored else ():
            connection.register("ids", ids)
            connection.execute(_SHARED_ORDERS_SQL.format(theirs=f"({stored})", other="-1"))
            for place, _, account, orders, first in connection.fetchall():
                found.setdefault(new_files[place].report, SharedOrders(account, orders, first, not is_last))
    return found


def find_orders_shared_in_import(new_files: Sequence[FileRows]) -> dict[str, dict[str, SharedOrders]]:
    """The new files, by their report, that share order ids with earlier ones of another account: by the report of
    each of these. They must fit into memory together."""
    if len({taken.account for taken in new_files} - {None}) < 2:
        return {}
    found: dict[str, dict[str, SharedOrders]] = {}
    with contextlib.closing(open_connection()) as connection:
        connection.register(
            "ids", pa.concat_tables([_ID_SCHEMA.empty_table(), *(ids for ids, _ in _order_id_batches(new_files, {}))])
        )
        connection.execute(_SHARED_ORDERS_SQL.format(theirs="ids", other="theirs.place"))
        for place, other, account, orders, first in connection.fetchall():
            found.setdefault(new_files[place].report, {})[new_files[other].report] = SharedOrders(
                account, orders, first
            )
    return found


def _stored_order_ids_sql(store: Store, connection: duckdb.DuckDBPyConnection) -> str:
    """SQL for the order ids of a store, of files that speak of one account each; empty where there are none."""
    reports = store.reports_with_row_counts()[0]
    connection.register("taken", reports.select(["report", "account"]).filter(reports["account"].is_valid()))
    parts = []
    for table in _TABLES_WITH_ORDER_IDS:
        delta = store.delta(table)
        if delta is not None:
            connection.register(f"stored_{table.name}", store.stored_rows(connection, table, delta))
            parts.append(
                f"select account, marketplace, order_id from stored_{table.name} "
                "semi join taken using (report) where order_id <> ''"
            )
    return " union all ".join(parts)


def _order_id_batches(
    new_files: Sequence[FileRows], found: Mapping[str, SharedOrders]
) -> Iterator[tuple[pa.Table, bool]]:
    """The order ids of some files, with the place of the file among them, so many at once; and whether it is the last
    portion. What is left of a file that is found already is left out."""
    waiting: list[pa.RecordBatch] = []
    many = 0
    for place, taken in enumerate(new_files):
        for rows in _batches_with_order_ids(taken):
            if taken.report in found:
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
            many += rows.num_rows
            if many >= ID_BATCH_ROWS:
                yield pa.Table.from_batches(waiting), False
                waiting, many = [], 0
    if many:
        yield pa.Table.from_batches(waiting), True


def _batches_with_order_ids(file: FileRows) -> Iterator[pa.RecordBatch]:
    """The rows of a file that say whose an order is: its orders, or what it says of orders."""
    with_ids = [file.tables[table.name] for table in _TABLES_WITH_ORDER_IDS if table.name in file.tables]
    if file.account is not None:
        for rows in with_ids[:1] if tables.ORDERS.name in file.tables else with_ids:
            yield from rows.to_batches()


def files_by_content_digest(store: Store) -> dict[str, DuplicateFile]:
    """The raw files of a store by the digest of their content, of those that speak of one account and have rows."""
    reports = store.reports_with_row_counts()[0].select(["content", "account", "name", "rows"]).to_pylist()
    return {
        one["content"]: DuplicateFile(one["account"], one["name"])
        for one in reports
        if one["content"] and one["account"] is not None and one["rows"]
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
    """The new files of feedback, by their report, that lack ratings which earlier ones or others of the import hold:
    these will count as removed (see `merging.REMOVED`)."""
    added = [taken for taken in new_files if taken.kind == "feedback" and taken.rows]
    if not added:
        return {}
    reports = store.reports_with_row_counts()[0].select(["report", "number", "kind"])
    number = max(reports["number"].to_pylist(), default=-1) + 1
    new = [{"report": one.report, "number": number + at, "kind": one.kind} for at, one in enumerate(added)]
    every = pa.concat_tables([reports, pa.Table.from_pylist(new, schema=reports.schema)])
    rows = [
        pa.Table.from_batches(one.tables[tables.FEEDBACK.name].to_batches()).cast(arrow_schema(tables.FEEDBACK))
        for one in added
        if one.tables[tables.FEEDBACK.name].num_rows
    ]
    if not rows:
        return {}
    with contextlib.closing(open_connection()) as connection, store.read_errors_as_store_errors(tables.FEEDBACK):
        delta = store.delta(tables.FEEDBACK)
        stored = store.stored_rows(connection, tables.FEEDBACK, delta, sorted({one.account or "" for one in added}))
        connection.register("stored", stored)
        columns = select_columns_sql(tables.FEEDBACK, stored.columns, "stored")
        connection.register("new_rows", pa.concat_tables(rows))
        connection.register("added", pa.table({"report": [one.report for one in added]}))
        _merge_feedback(connection, reports, columns)
        connection.execute("create temp table removed_before as select * from feedback where removed_on is not null")
        _merge_feedback(connection, every, f"{columns} union all by name select * from new_rows")
        connection.execute(_NEWLY_MISSING_RATINGS_SQL)
        return {report: MissingRatings(*rest) for report, *rest in connection.fetchall()}


def count_current_ratings(store: Store, accounts: Collection[str]) -> dict[str, dict[str, int]]:
    """How many ratings of some accounts were not removed, by account and marketplace."""
    delta = store.delta(tables.FEEDBACK)
    if delta is None:
        return {}
    with contextlib.closing(open_connection()) as connection, store.read_errors_as_store_errors(tables.FEEDBACK):
        stored = store.stored_rows(connection, tables.FEEDBACK, delta, sorted(accounts))
        connection.register("stored", stored)
        reports = store.reports_with_row_counts()[0].select(["report", "number", "kind"])
        _merge_feedback(connection, reports, select_columns_sql(tables.FEEDBACK, stored.columns, "stored"))
        question = "select account, marketplace, count(*) from feedback where removed_on is null group by all"
        found: dict[str, dict[str, int]] = {}
        for account, marketplace, ratings in connection.execute(question).fetchall():
            found.setdefault(account, {})[marketplace] = ratings
        return found


def _merge_feedback(connection: duckdb.DuckDBPyConnection, reports: pa.Table, rows: str) -> None:
    """Make FEEDBACK of some rows of some reports as the table `feedback`, with the days on which ratings went."""
    connection.register("taken", reports)
    connection.execute(REPORT_PLACES_SQL.format("taken"))
    connection.execute("drop table if exists raw_feedback; drop table if exists feedback")
    connection.execute(
        f"create temp table raw_feedback as select held.*, {RECENCY_SQL} as newer "
        f"from ({rows}) held join places using (report)"
    )
    connection.execute(merge_rows_sql(tables.FEEDBACK))
    connection.execute(MARK_REMOVED_RATINGS_SQL)
