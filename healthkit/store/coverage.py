"""COVERAGE of a store: the days that its files of orders cover, the days without any, and the evidence in other files.

SQL for DuckDB over the tables of `merge_sql` and `reports`, the rows of REPORTS. Only days are aggregated, so the time
grows with days and accounts, plus one scan of the orders for each kind of evidence in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import duckdb

from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES

if TYPE_CHECKING:
    import pandas as pd

_EVIDENCE_OF_KINDS_SQL = ", ".join(
    f"('{kind}', '{one}')" for kind, evidence in tables.EVIDENCE_BY_KIND.items() for one in evidence
)
"""The evidence of each kind of file, as rows of SQL."""
_EVIDENCE_COLUMNS = (
    ("promises told", "orders", "ship_by is not null", "ship_by_on"),
    ("delivery promises told", "orders", "deliver_by is not null", "deliver_by_on"),
    ("confirmations told", "orders", "shipped_at is not null", "shipped_on"),
    ("confirmations told", "shipments", "confirmed_at is not null", "confirmed_on"),
    ("deliveries told", "orders", "delivered_at is not null", "delivered_on"),
    ("deliveries told", "shipments", "delivered_at is not null", "delivered_on"),
    ("cancellers told", "orders", "cancelled_by is not null", "cancelled_on"),
    ("invoices told", "orders", "invoiced_at is not null", "invoiced_on"),
    (
        "tracking told",
        "shipments",
        "confirmed_on is not null and coalesce(tracking, scanned) is not null",
        "confirmed_on",
    ),
    ("scans told", "shipments", "scanned is not null", "confirmed_on"),
    ("business hours told", "shipments", "in_business_hours is not null", "delivered_on"),
)
"""Evidence in single orders and parcels: its kind, the table, the condition, and the column with its day."""
_DEFECT_EVIDENCE_SQL = "('refund', 'refunds told'), ('not_received', 'not received told'), ('case', 'cases told')"
"""Kinds of defects that a file without any does not deny, each with the evidence that a row of it is."""
_DAY_COLUMN_BY_TABLE = {
    "feedback": "received_on",
    "defects": "known_on",
    "postings": "posted_on",
    "returns": "requested_on",
    "contacts": "received_on",
    "orders": "invoiced_on",
    "violations": "opened_on",
    "readings": "as_of",
    "account_states": "as_of",
}
"""The column with the day of a row, of tables with few rows an order; ORDERS counts by the day of an invoice."""


def build_coverage(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return COVERAGE, the table of the days that order files cover and of other evidence.

    It has one row for each account and marketplace with orders, or with figures of the marketplace's own. Without
    orders its days end before they begin. `heard_on` is the last day on which an order was placed or updated,
    in the zone of the marketplace. A file without rows (no defects, say) is evidence for the marketplace that is named
    in it or at import, else for every marketplace of the account, unless such files are made for a single marketplace.
    """
    for name, rows in {
        "order_files": _ORDER_FILES_SQL,
        "reach": _ORDER_FILE_SPANS_SQL,
        "proofs": _EVIDENCE_DAYS_SQL,
    }.items():
        connection.execute(f"create or replace temp table {name} as {rows}")
    zones = [{"marketplace": code, "zone": one.zone} for code, one in MARKETPLACES.items()]
    found = connection.execute(
        """
        with zones as (select unnest($zones, recursive := true)),
             many as (select account, marketplace, count(*) as orders from orders
                      where ordered_on is not null group by all),
             heard as (select account, marketplace,
                              timezone(coalesce(any_value(zone), 'UTC'), max(updated_at))::date as heard_on
                       from raw_orders left join zones using (marketplace) where ordered_on is not null group by all),
             words as (select account, marketplace, string_agg(distinct evidence, '+' order by evidence) as evidence
                       from proofs group by all)
        select reach.*, greatest(ends_on, heard_on) as heard_on, coalesce(orders, 0) as orders,
               coalesce(evidence, '') as evidence
        from reach left join heard using (account, marketplace) left join many using (account, marketplace)
             left join words using (account, marketplace)
        order by account, marketplace
    """,
        {"zones": zones},
    ).df()
    entries = _group_by_account_and_marketplace(connection.execute(_EVIDENCE_SPANS_SQL).fetchall())
    order_gaps = _group_by_account_and_marketplace(connection.execute(_ORDER_GAPS_SQL).fetchall())
    gaps = _group_by_account_and_marketplace(connection.execute(_FILE_GAPS_SQL).fetchall())
    places = list(zip(found["account"], found["marketplace"], strict=True))
    return found.assign(
        reach=[_format_reach(entries.get(place, ())) for place in places],
        order_gap=[order_gaps[place][0][0] for place in places],
        gaps=[json.dumps([[str(first), str(last)] for first, last in gaps.get(place, ())]) for place in places],
    )


_ORDER_FILES_SQL = """
    select files.account, marketplace, kind, first_day, last_day
    from (select distinct account, marketplace, report from raw_orders where ordered_on is not null) files
         join reports using (report)
"""
"""The files of orders of each account and marketplace, with the first and last day of each."""
_ORDER_FILE_SPANS_SQL = """
    with orders as (select account, marketplace, min(first_day) as begins_on, max(last_day) as ends_on
                    from order_files group by all),
         figures as (select account, marketplace, min(as_of) as first_on from raw_readings group by all)
    select * from orders
    union all
    select account, marketplace, first_on, first_on - 1 from figures anti join orders using (account, marketplace)
"""
"""The days that the files of orders cover, by account and marketplace. None, where there are only figures of the
marketplace's own: such days end before they begin."""
_REPORTS_WITH_ROWS_SQL = " union ".join(
    f"select account, marketplace, report from raw_{table.name}" for table in tables.RAW_TABLES
)
_DATED_ROWS_SQL = " union ".join(
    f"select account, marketplace, report, {day} as day from raw_{name} where {day} is not null"
    for name, day in _DAY_COLUMN_BY_TABLE.items()
)
_EVIDENCE_OF_ORDERS_SQL = " union ".join(
    f"select distinct account, marketplace, '{kind}' as kind, {day} as first_on, {day} as last_on "
    f"from {table} where {known}"
    for kind, table, known, day in _EVIDENCE_COLUMNS
)
_EVIDENCE_DAYS_SQL = f"""
    with with_rows as ({_REPORTS_WITH_ROWS_SQL}),
         empty as (select report, account, kind, string_split(stated_marketplace, '+') as stated
                   from reports anti join with_rows using (report)),
         sells as (select account, marketplace from reach where begins_on <= ends_on),
         places as (from sells union all select account, marketplace from reach anti join sells using (account)),
         accounts as (select account, count(*) as marketplaces from places group by account),
         files as (select account, marketplace, report, kind
                   from empty join places using (account) join accounts using (account)
                   where list_contains(stated, marketplace)
                         or (stated is null and (marketplaces = 1 or kind not in {tables.SINGLE_MARKETPLACE_KINDS}))
                   union select with_rows.account, with_rows.marketplace, report, kind
                         from with_rows join reports using (report)
                   union select account, marketplace, report, evidence
                         from raw_defects join (values {_DEFECT_EVIDENCE_SQL}) told(kind, evidence) using (kind)
                   union select account, marketplace, report, 'refunds told' from raw_postings where kind = 'refund'),
         lists as (select report, max(as_of) as list_on from raw_account_states where kind = 'list' group by report),
         rows as ({_DATED_ROWS_SQL}),
         spans as (
             select account, marketplace, files.kind, day as first_on, day as last_on
             from files left join rows using (account, marketplace, report)
             where not starts_with(files.kind, 'list_') and files.kind <> 'settlement'
             union all
             select files.account, marketplace, files.kind, coalesce(list_on, last_day) - {tables.DEFECT_LIST_DAYS},
                    coalesce(list_on, last_day)
             from files join reports using (report) left join lists using (report)
             where starts_with(files.kind, 'list_')
             union all
             select files.account, marketplace, files.kind, first_day, last_day
             from files join reports using (report) where files.kind = 'settlement'
             union all {_EVIDENCE_OF_ORDERS_SQL})
    select distinct account, marketplace, evidence, first_on, last_on
    from spans join (values {_EVIDENCE_OF_KINDS_SQL}) proves(kind, evidence) using (kind)
"""
"""The evidence in the files of each account and marketplace, with its first and last day; both are null for a file
without rows. A row is evidence for its own day; a settlement, which is complete, for every day from its first row to
its last; a list of the marketplace for the days before its own."""
_EVIDENCE_SPANS_SQL = """
    with gaps as (
        select account, marketplace, evidence, first_on, last_on,
               first_on - greatest(begins_on, 1 + max(last_on) over (
                   partition by account, marketplace, evidence order by first_on, last_on
                   rows between unbounded preceding and 1 preceding)) as gap
        from proofs join reach using (account, marketplace) where first_on is not null)
    select account, marketplace, evidence, min(first_on), max(last_on), greatest(max(gap), 0),
           sum(last_on - first_on + 1)
    from gaps group by all order by all
"""
"""The first and last day of each kind of evidence, the longest gap between, and the number of days with evidence."""
_ORDER_DAYS_SQL = "select distinct account, marketplace, ordered_on as day from orders where ordered_on is not null"
_ORDER_GAPS_SQL = f"""
    with days as ({_ORDER_DAYS_SQL}),
         bounded as (select account, marketplace, day from days join reach using (account, marketplace)
                     where day between begins_on and ends_on
                     union select account, marketplace, begins_on - 1 from reach
                     union select account, marketplace, ends_on + 1 from reach),
         runs as (select account, marketplace,
                         day - lag(day) over (partition by account, marketplace order by day) - 1 as run from bounded)
    select account, marketplace, greatest(max(run), 0) from runs group by all
"""
"""The longest run of days without an order, within the days that the files of orders cover."""
_FILE_GAPS_SQL = f"""
    with pieces as (select account, marketplace, first_day as first_on, last_day as last_on, false as of_order
                    from order_files where first_day is not null and kind not in {(*tables.PARTIAL_KINDS, "")}
                    union all select account, marketplace, day, day, true from ({_ORDER_DAYS_SQL})),
         marked as (select *, coalesce(first_on > 1 + max(last_on) over (
                        partition by account, marketplace order by first_on, last_on
                        rows between unbounded preceding and 1 preceding), false)::int as begins from pieces),
         placed as (select *, sum(begins) over (partition by account, marketplace order by first_on, last_on
                        rows unbounded preceding) as island from marked),
         islands as (select account, marketplace, island, min(first_on) as first_on, max(last_on) as last_on
                     from placed group by all),
         days as (select account, marketplace, island, first_on as day from placed where of_order
                  union select account, marketplace, island, first_on - 1 from islands
                  union select account, marketplace, island, last_on + 1 from islands),
         runs as (select account, marketplace,
                         day - lag(day) over (partition by account, marketplace, island order by day) - 1 as run
                  from days),
         longest as (select account, marketplace, coalesce(max(run), 0) as run from runs group by all),
         holes as (select account, marketplace,
                          1 + lag(last_on) over (partition by account, marketplace order by first_on) as first_on,
                          first_on - 1 as last_on from islands)
    select account, marketplace, holes.first_on, holes.last_on
    from holes join longest using (account, marketplace) join reach using (account, marketplace)
    where holes.last_on - holes.first_on + 1 > greatest({tables.MAX_GAP_DAYS}, run)
          and holes.first_on > begins_on and holes.last_on < ends_on
    order by all
"""
"""Runs of days without a file and without an order that are longer than any run without orders inside the files."""


def _group_by_account_and_marketplace(rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], list[tuple[Any, ...]]]:
    """Group rows by their first two cells, the account and the marketplace, which are dropped."""
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for account, marketplace, *rest in rows:
        found.setdefault((account, marketplace), []).append(tuple(rest))
    return found


def _format_reach(entries: Iterable[tuple[Any, ...]]) -> str:
    """Return entries of (evidence, first day, last day, gap, days) as the JSON of COVERAGE.reach.

    >>> _format_reach([("feedback", "2026-02-03", "2026-10-30", 12, 40)])
    '{"feedback": {"first": "2026-02-03", "last": "2026-10-30", "gap": 12, "days": 40}}'
    """
    return json.dumps(
        {
            evidence: {"first": str(first), "last": str(last), "gap": int(gap), "days": int(days)}
            for evidence, first, last, gap, days in entries
        }
    )
