"""SQL that merges the rows of several files: each column takes the newest known value, the first or the last.

It reads the DuckDB tables `raw_…`: the rows as stored, with a column `newer` that orders them by recency.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import narwhals as nw
import pyarrow as pa

from healthkit.files import temp_folders
from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES
from healthkit.schema.tables import Ledger

if TYPE_CHECKING:
    import pandas as pd

ARROW_TYPES = {
    "text": pa.string(),
    "day": pa.date32(),
    "instant": pa.timestamp("us", "UTC"),
    "count": pa.int64(),
    "share": pa.float64(),
    "flag": pa.bool_(),
}


def arrow_schema(table: tables.Table) -> pa.Schema:
    """Return the Arrow schema in which the given table is stored."""
    return pa.schema([pa.field(name, ARROW_TYPES[column.kind]) for name, column in table.columns.items()])


def open_connection() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with tables and views of its own.

    All connections of a process share one in-memory database, since starting one takes 20 to 30 milliseconds. What does
    not fit into memory is spilled to the temporary folder of the process.
    """
    return _process_database(os.getpid()).cursor()


@cache
def _process_database(process_id: int) -> duckdb.DuckDBPyConnection:
    """Return the DuckDB database of a process; a fork needs its own, as it lacks the threads of its parent's."""
    return duckdb.connect(config={"temp_directory": str(temp_folders.spill_folder() or "")})


def build_ledger(raw: Mapping[str, pa.Table], coverage: pd.DataFrame | None = None) -> Ledger:
    """Build a ledger from Arrow tables in memory, for orders that are in no store.

    `raw` has Arrow tables by name; missing ones count as empty. Without `coverage`, its days are those of the orders
    and every kind of evidence counts as present.
    """
    connection = open_connection()
    for table in tables.RAW_TABLES:
        rows = raw.get(table.name, arrow_schema(table).empty_table()).cast(arrow_schema(table))
        connection.register(f"given_{table.name}", rows)
        connection.execute(REPORT_PLACES_SQL.format(f"(select distinct report, 0 as number from given_{table.name})"))
        connection.execute(
            f"create temp table raw_{table.name} as select stored_rows.*, {RECENCY_SQL} as newer "
            f"from given_{table.name} stored_rows join places using (report)"
        )
        connection.execute(merge_rows_sql(table))
    mark_restored_orders(connection)
    connection.execute(ADD_SETTLED_DEFECTS_SQL)
    default_coverage = connection.execute(
        "select account, marketplace, min(ordered_on) as begins_on, max(ordered_on) as ends_on, "
        "date '9999-12-31' as heard_on, count(*) as orders, "
        "$evidence as evidence, '{}' as reach, 0 as order_gap, '[]' as gaps "
        "from orders where ordered_on is not null group by all order by all",
        {"evidence": "+".join(sorted(_all_evidence_kinds(connection)))},
    ).df()
    return ledger_from_connection(connection, default_coverage if coverage is None else coverage)


def _all_evidence_kinds(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return all kinds of evidence; scans only where a parcel states whether it was scanned."""
    every = {one for kinds in tables.EVIDENCE_BY_KIND.values() for one in kinds}
    scans = connection.execute("select count(scanned) from shipments").fetchall()[0][0]
    return every if scans else every - {"scans"}


def ledger_from_connection(connection: duckdb.DuckDBPyConnection, coverage: pd.DataFrame) -> Ledger:
    """Build a ledger from the tables of a DuckDB connection, without loading them into memory."""
    frames = {table.name: nw.from_native(connection.table(table.name)) for table in tables.RAW_TABLES}
    return Ledger(coverage=coverage, **frames)


_SQL_TYPES = {
    "text": "varchar", "day": "date", "instant": "timestamptz", "count": "bigint", "share": "double",
    "flag": "boolean",
}  # fmt: skip


def select_columns_sql(table: tables.Table, stored_columns: Collection[str], rows: str) -> str:
    """Return SQL that selects all columns of a table from rows that may lack some of the columns."""
    columns = ", ".join(_column_sql(table, name, name in stored_columns) for name in table.columns)
    return f"select {columns} from {rows} stored_rows"


def _column_sql(table: tables.Table, name: str, is_stored: bool) -> str:
    """Return SQL for one column; null if the store is older than the column."""
    kind = _SQL_TYPES[table.columns[name].kind]
    value = f"stored_rows.{name}" if is_stored else f"null::{kind}"
    empty = table.columns[name].nullable or table.columns[name].kind != "text"
    return f"{value} as {name}" if empty else f"coalesce({value}, '') as {name}"


REPORT_PLACES_SQL = """
    create or replace temp table places as
    select report, row_number() over (order by number, report) as place from {0}
"""
"""SQL that numbers the reports in the order in which they were imported."""
RECENCY_SQL = "coalesce(epoch_us(stored_rows.updated_at), 0)::hugeint * 4294967296 + place"
"""SQL expression that states how recent a row is, as one integer.

Comparing it takes a fifth of the time that comparing two columns takes.
"""


def merge_rows_sql(table: tables.Table) -> str:
    """Return SQL that merges all rows of the same key into one row.

    Each column takes the newest known value, the first or the last. The newest value is that of the latest `updated_at`
    or, of two, of the later import. Of a table with `merge_whole_rows` the newest row is taken as it is, with its empty
    cells.
    """
    by = {"first": "min({0})", "last": "max({0})", "newest": "arg_max({0}, newer)"}
    last_row = "arg_max_null({0}, newer)"
    merged = ", ".join(
        f"{(last_row if table.merge_whole_rows else by[column.keep]).format(name)} as {name}"
        for name, column in table.columns.items()
        if name not in table.key
    )
    key = ", ".join(table.key)
    return (
        f"create temp table {table.name} as select {key}, {merged} from raw_{table.name} group by {key} order by {key}"
    )


_MARK_RESTORED_SQL = """
    with zones as (select unnest($zones, recursive := true)),
         cancelled as (select account, marketplace, order_id, max(updated_at) as cancelled_at
                       from raw_orders where status = 'cancelled' group by all),
         after as (select account, marketplace, order_id, min(updated_at) as restored_at
                   from raw_orders join cancelled using (account, marketplace, order_id)
                   where status <> 'cancelled' and updated_at > cancelled_at group by all)
    update orders set restored_on = found.restored_on
    from (select account, marketplace, order_id,
                 timezone(coalesce(zone, 'UTC'), restored_at)::date as restored_on
          from after left join zones using (marketplace)) found
    where orders.account = found.account and orders.marketplace = found.marketplace
          and orders.order_id = found.order_id
"""


def mark_restored_orders(connection: duckdb.DuckDBPyConnection) -> None:
    """Set the column `restored_on` of ORDERS to the day on which a cancelled order became active again.

    The day is in the time zone of the marketplace.
    """
    zones = [{"marketplace": code, "zone": one.zone} for code, one in MARKETPLACES.items()]
    connection.execute(_MARK_RESTORED_SQL, {"zones": zones})


ABSENT_RATINGS_SQL = """
         spans as (select account, marketplace, report, min(received_on) as first_day, max(received_on) as last_day
                   from raw_feedback semi join (from reports where kind = 'feedback') using (report) group by all),
         rows as (select distinct account, marketplace, order_id, feedback_id, received_on, report, last_day
                  from raw_feedback join spans using (account, marketplace, report)),
         ratings as (select account, marketplace, order_id, feedback_id, received_on, max(last_day) as held_till
                     from rows group by all),
         covered as (select ratings.*, report, last_day from ratings join spans using (account, marketplace)
                     where first_day < received_on and received_on < last_day),
         absent as (from covered anti join rows using (account, marketplace, order_id, feedback_id, report)),
         holders as (select absent.*, rows.report as holder
                     from absent join rows using (account, marketplace, order_id, feedback_id)),
         pairs as (select distinct holder, report from holders),
         interleaved as (select pairs.* from pairs semi join pairs others
                         on pairs.holder = others.report and pairs.report = others.holder),
         unclear as (from holders semi join interleaved using (holder, report)),
         rated_again as (select absent.* from absent semi join rows
                         on rows.report = absent.report and rows.account = absent.account
                            and rows.marketplace = absent.marketplace and rows.order_id = absent.order_id
                            and rows.received_on > absent.received_on),
         lacking as (from absent anti join unclear using (account, marketplace, order_id, feedback_id, report)
                          anti join rated_again using (account, marketplace, order_id, feedback_id, report)
                     where last_day >= held_till)
"""
"""SQL that finds ratings and later downloads that cover the day of a rating but lack it.

See `MARK_REMOVED_RATINGS_SQL`.
"""
MARK_REMOVED_RATINGS_SQL = f"""
    create or replace temp table feedback as
    with {ABSENT_RATINGS_SQL.strip()},
         lacked as (select account, marketplace, order_id, feedback_id, min(last_day) as lacked_on,
                           max(held_till) as held_till
                    from lacking group by all)
    select feedback.* replace (
        case when removed_on is null and lacked_on is not null
             then greatest(lacked_on, held_till + 1, received_on + 1) else removed_on end as removed_on)
    from feedback left join lacked using (account, marketplace, order_id, feedback_id)
    order by account, marketplace, order_id, feedback_id
"""
"""SQL that sets `removed_on` of ratings that a later download of the account and marketplace lacks.

A download covers the days between its first and its last rating; these two days themselves may be incomplete and do not
count. It is later than the downloads with the rating when it reaches as far as each of them: a rating of a past day may
disappear and never appears. The rating was gone by the last day of the first such download, and not before the day
after the last one with it. An order that the later download rates again was not freed (see `metrics`). Two downloads
that each lack ratings of the other (one may show only bad ratings) prove nothing about each other.
"""

ADD_SETTLED_DEFECTS_SQL = """
    create or replace temp table defects as
    with days as (select account, marketplace, order_id, kind, posted_on, sum(amount) as amount,
                         max(updated_at) as updated_at,
                         arg_max(report, row(updated_at, posting_id)) as report
                  from postings group by all),
         totals as (select *, sum(amount) over (partition by account, marketplace, order_id, kind
                                                order by posted_on) < 0 as is_owed from days),
         changes as (from totals qualify is_owed <> coalesce(
                         lag(is_owed) over (partition by account, marketplace, order_id, kind order by posted_on),
                         false)),
         stays as (select *, lead(posted_on) over (partition by account, marketplace, order_id, kind
                                                   order by posted_on) as cleared_on from changes),
         settled as (select account, marketplace, order_id, kind, posted_on as known_on, cleared_on,
                            case kind when 'a_to_z_claim' then 'claim_day_from_money'
                                      when 'chargeback' then 'chargeback_day_from_money' end as assumed,
                            updated_at, report
                     from stays where is_owed),
         stated as (select *, 1 as priority from defects
                    union all by name select *, 2 as priority from settled)
    select account, marketplace, order_id, kind, known_on, arg_min(cleared_on, priority) as cleared_on,
           arg_min(detail, priority) as detail, assumed, arg_min(updated_at, priority) as updated_at,
           arg_min(report, priority) as report
    from stated group by account, marketplace, order_id, kind, known_on, assumed
    order by account, marketplace, order_id, kind, known_on, assumed
"""
"""SQL that adds defects to DEFECTS according to the sum of the postings of each order.

The sum is taken over all settlements. An order is refunded, or claimed, from the day by whose end more was deducted for
it than returned, until the day by whose end all of that was returned. The day of the payment stands in for the day on
which a claim became known. A defect that another file states for the same day stays one row with that file's values;
the settlement fills in values that the file leaves empty, such as the day on which the money was returned.
"""
