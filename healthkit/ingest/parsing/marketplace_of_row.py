"""Resolve the marketplace of each row of a file, and convert times to days and instants in its time zone.

The first of these that is known decides: the marketplace in the row itself, the one that the caller states, that of
the same order in the store, and that of all the file's other orders if they are in one marketplace. A row without an
order belongs to the only marketplace in which the account has orders. Otherwise the file is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import (
    AMAZON_ORDER_ID,
    DAY,
    INSTANT,
    NAIVE,
    cast_times,
    read_required_texts,
    read_words,
    refuse_malformed_ids,
    refuse_numeric_ids,
    refuse_times_before,
)
from healthkit.ingest.parsing.csv_table import CsvTable, combine_chunks
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.schema.marketplaces import MARKETPLACE_BY_SALES_CHANNEL, MARKETPLACES

OrderMarketplaceLookup = Callable[[str, list[str]], Mapping[str, str]]
"""Function that returns the marketplaces of known orders, given an account and order ids.

Several marketplaces of one order are joined by `+`.
"""
AccountMarketplaceLookup = Callable[[str], Iterable[str]]
"""Function that returns the marketplaces in which the given account has orders."""

_CODE_BY_SALES_CHANNEL = {name: code for name, code in MARKETPLACE_BY_SALES_CHANNEL.items() if name != "-"}
_CODE_BY_NAME = {code.lower(): code for code in MARKETPLACES} | _CODE_BY_SALES_CHANNEL
MARKETPLACE_NAMES = frozenset(_CODE_BY_NAME)
"""Codes and sales channels of all marketplaces, in lower case."""
_ANY_ORDER_ID = re.compile(rb"\d{3}-\d{7}-\d{7}")
_WITH_OFFSET = r"\d[T ]\d{2}:\d{2}.*([Zz]|[+-]\s*\d{2}\s*:?\s*\d{2})$"
_BARE_DAY = r"^\d{4}-\d{2}-\d{2}$"
_LAST_SECOND = timedelta(seconds=86_399)


class NeedsWholeFile(Exception):
    """Raised if a part of a file cannot be parsed without the rest of the file."""


@dataclass(frozen=True)
class ReadContext:
    """Information that a parser needs about a file: its name, report id, account and marketplace.

    `report` is the id of the file in every row. With `is_partial` only a part of the file is parsed: a row without a
    marketplace raises NeedsWholeFile.
    """

    name: str
    report: str
    account: str
    marketplace: str | None = None
    marketplace_of: OrderMarketplaceLookup | None = None
    marketplaces_of: AccountMarketplaceLookup | None = None
    is_partial: bool = False

    def with_marketplace_code(self) -> ReadContext:
        """Return a copy of this context in which the marketplace is a code.

        Raise ReaderError if the marketplace is unknown or the context has no account.
        """
        if not self.account:
            raise ReaderError(f"{self.name}: whose file is it? Say so with --account.")
        if self.marketplace is None:
            return self
        code = _CODE_BY_NAME.get(self.marketplace.lower())
        if code is None:
            raise ReaderError(
                f"{self.name}: no marketplace {self.marketplace!r}. There are: {', '.join(MARKETPLACES)}."
            )
        return replace(self, marketplace=code)

    def origin_columns(self) -> dict[str, str]:
        """Return the columns that have the same value in every row of the file: account and report."""
        return {"account": self.account, "report": self.report}

    def known_marketplaces(self, ids: Iterable[str]) -> Mapping[str, str]:
        """Return the marketplaces of the orders that are already known, by order id.

        Several marketplaces of one order are joined by `+`.
        """
        wanted = sorted(set(ids))
        return self.marketplace_of(self.account, wanted) if self.marketplace_of and wanted else {}

    def account_marketplaces(self) -> set[str]:
        """Return the marketplaces in which the account is known to have orders."""
        return set(self.marketplaces_of(self.account)) if self.marketplaces_of else set()

    def is_japanese(self, data: bytes) -> bool:
        """Return whether a file is from Amazon Japan.

        The marketplace that the caller states decides, or else the known orders whose ids are in `data`.
        """
        if self.marketplace is not None:
            return self.marketplace == "JP"
        ids = {order_id.decode() for order_id in _ANY_ORDER_ID.findall(data)}
        return any("JP" in split_marketplaces(codes) for codes in set(self.known_marketplaces(ids).values()))


def resolve_marketplaces(
    table: CsvTable, ids: pa.Array, context: ReadContext, column: str = "sales-channel"
) -> pa.Array:
    """Return the marketplace code of each row.

    Raise ReaderError if a marketplace is unknown or contradicts the one that the caller states. `ids` are the order ids
    of the rows; `column` is the column that may state the marketplace.
    """
    codes = _CODE_BY_NAME if column == "marketplace" else _CODE_BY_SALES_CHANNEL
    stated = read_words(table, column, codes, allow_empty=True)
    if context.marketplace is not None:
        _refuse_contradiction(table, stated, context.marketplace)
        _refuse_other_marketplace(table, ids, context, context.marketplace)
        return pa.repeat(pa.scalar(context.marketplace), len(table))
    if not stated.null_count:
        return stated
    if context.is_partial:
        raise NeedsWholeFile
    return _fill_marketplaces(table, ids, context, stated)


def join_marketplaces(codes: str, others: str) -> str:
    """Merge the marketplaces of an order from two sources into one text, joined by `+`.

    >>> join_marketplaces("US", "US"), join_marketplaces("US", "CA"), join_marketplaces("CA+US", "US")
    ('US', 'CA+US', 'CA+US')
    """
    return "+".join(sorted({*split_marketplaces(codes), *split_marketplaces(others)}))


def split_marketplaces(codes: str) -> list[str]:
    """Split a text of marketplace codes joined by `+` into a list of codes.

    >>> split_marketplaces("CA+US")
    ['CA', 'US']
    """
    return codes.split("+")


def refuse_ambiguous_orders(name: str, known: Mapping[str, str]) -> None:
    """Raise ReaderError if an order id belongs to more than one marketplace.

    The message asks the user to state the marketplace.
    """
    several = {order: codes for order, codes in sorted(known.items()) if len(split_marketplaces(codes)) > 1}
    if several:
        order, codes = next(iter(several.items()))
        raise ReaderError(
            f"{name}: order {order} is known in {' and '.join(split_marketplaces(codes))}, and the file does not "
            f"say of which it speaks ({len(several):,} such order{'s' * (len(several) > 1)}). Fill in marketplace, "
            "or say which with --marketplace."
        )


def _refuse_contradiction(table: CsvTable, stated: pa.Array, marketplace: str) -> None:
    """Raise ReaderError if the file states another marketplace than the caller."""
    counts = pc.value_counts(stated.drop_null()).to_pylist()
    others = Counter({row["values"]: row["counts"] for row in counts})
    del others[marketplace]
    if others:
        problem = f"of {len(table):,} rows the file states {_list_counts(others)}"
        _refuse_stated_marketplace(table, marketplace, problem, "the file says it by itself")


def _refuse_other_marketplace(table: CsvTable, ids: pa.Array, context: ReadContext, marketplace: str) -> None:
    """Raise ReaderError if all known orders of the file are in another marketplace than the caller states."""
    known = context.known_marketplaces(combine_chunks(pc.unique(ids)).drop_null().to_pylist())
    others = Counter(codes for codes in known.values() if marketplace not in split_marketplaces(codes))
    if others and others.total() == len(known):
        problem = f"its orders are known: {_list_counts(others)}"
        _refuse_stated_marketplace(table, marketplace, problem, "the orders say it")


def _list_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} of {code}" for code, count in sorted(counts.items()))


def _refuse_stated_marketplace(table: CsvTable, marketplace: str, problem: str, reason: str) -> NoReturn:
    raise ReaderError(
        f"{table.name}: you said marketplace {marketplace}, but {problem}. Leave --marketplace out: {reason}."
    )


def _fill_marketplaces(table: CsvTable, ids: pa.Array, context: ReadContext, stated: pa.Array) -> pa.Array:
    """Fill the marketplaces of rows that state none from known orders, or raise ReaderError."""
    unresolved = combine_chunks(pc.unique(ids.filter(pc.is_null(stated)))).drop_null().to_pylist()
    known = context.known_marketplaces(unresolved)
    refuse_ambiguous_orders(context.name, known)
    found = pc.coalesce(stated, look_up_by_order(ids, known))
    if not found.null_count:
        return found
    seen = sorted(set(known.values()) | set(pc.unique(stated.drop_null()).to_pylist()))
    found = _fill_from_account(table, found, pc.is_null(ids), {*context.account_marketplaces(), *seen})
    if not found.null_count:
        return found
    if len(seen) != 1:
        _refuse_unknown_marketplace(table, found, seen)
    table.notes.append(f"{found.null_count:,} rows of orders not known yet: taken as {seen[0]}, as all the others are.")
    return pc.fill_null(found, seen[0])


def _fill_from_account(table: CsvTable, found: pa.Array, lacks_order: pa.Array, sells_in: set[str]) -> pa.Array:
    """Fill rows without an order from the only marketplace in which the account sells."""
    alone = pc.and_(pc.is_null(found), lacks_order)
    count = pc.sum(alone).as_py()
    if not count:
        return found
    if len(sells_in) != 1:
        known = f"the account has orders in {', '.join(sorted(sells_in))}" if sells_in else "no order is known yet"
        raise ReaderError(
            f"{table.name}: row {table.line_number(pc.index(alone, True).as_py()):,}: the file does not say of which "
            f"marketplace it is, nor of which order ({count:,} of {len(table):,} rows), and {known}. "
            "Fill in marketplace, say which with --marketplace, or import the orders first."
        )
    [only] = sells_in
    table.notes.append(
        f"{count:,} rows that name no order: taken as {only}, where all known orders of the account are."
    )
    return pc.if_else(alone, only, found)


def look_up_by_order(ids: pa.Array, known: Mapping[str, str]) -> pa.Array:
    """Return the value that `known` has for each order id; null for unknown orders."""
    coded = combine_chunks(pc.dictionary_encode(ids))
    return pa.array([known.get(order) for order in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _refuse_unknown_marketplace(table: CsvTable, found: pa.Array, seen: list[str]) -> NoReturn:
    missing = pc.is_null(found)
    known = f"the other orders are of {', '.join(seen)}" if seen else "none of its orders is known yet"
    raise ReaderError(
        f"{table.name}: row {table.line_number(pc.index(missing, True).as_py()):,}: the file does not say of which "
        f"marketplace it is ({found.null_count:,} of {len(table):,} rows), and {known}. "
        "Say which with --marketplace, or import the orders first."
    )


def apply_by_zone(
    values: pa.Array, marketplaces: pa.Array, convert: Callable[[pa.Array, str], pa.Array], data_type: pa.DataType
) -> pa.Array:
    """Convert the values of each marketplace with `convert(values, zone)`, given the time zone there."""
    codes = pc.unique(marketplaces).to_pylist()
    if len(codes) == 1:
        return convert(values, MARKETPLACES[codes[0]].zone)
    converted = pa.nulls(len(values), data_type)
    for code in codes:
        converted = pc.if_else(pc.equal(marketplaces, code), convert(values, MARKETPLACES[code].zone), converted)
    return converted


def local_days(instants: pa.Array, marketplaces: pa.Array) -> pa.Array:
    """Return the date of each instant in the time zone of its marketplace.

    >>> import datetime as dt
    >>> night = pa.array([dt.datetime(2026, 3, 1, 3, tzinfo=dt.UTC)] * 2, INSTANT)
    >>> [str(day) for day in local_days(night, pa.array(["US", "DE"]))]
    ['2026-02-28', '2026-03-01']
    """
    return apply_by_zone(instants, marketplaces, _local_day, DAY)


def _local_day(instants: pa.Array, zone: str) -> pa.Array:
    return pc.local_timestamp(instants.cast(pa.timestamp("us", zone))).cast(DAY)


def ends_of_days(days: pa.Array, marketplaces: pa.Array) -> pa.Array:
    """Return the instant of the last second of each day in the time zone of its marketplace.

    >>> import datetime as dt
    >>> str(ends_of_days(pa.array([dt.date(2026, 3, 4)]), pa.array(["US"]))[0])
    '2026-03-05 07:59:59+00:00'
    """
    return attach_zones(pc.add(days.cast(NAIVE), _LAST_SECOND), marketplaces)


def attach_zones(times: pa.Array, marketplaces: pa.Array) -> pa.Array:
    """Convert local times to instants, each in the time zone of its marketplace.

    When clocks go back, a repeated time is its first occurrence; when they go forward, a skipped time is the end of the
    skipped hour. So a later local time is never an earlier instant.
    """
    return apply_by_zone(times, marketplaces, _attach_zone, INSTANT)


def _attach_zone(times: pa.Array, zone: str) -> pa.Array:
    return pc.assume_timezone(times, zone, ambiguous="earliest", nonexistent="latest").cast(INSTANT)


def read_marketplace_times(table: CsvTable, column: str, marketplaces: pa.Array) -> pa.Array:
    """Read a column of times as instants.

    A time without an offset is in the time zone of its marketplace, and a day without a time means the end of that day.
    """
    cells = table[column]
    nothing = pa.scalar(None, pa.string())
    with_offset = pc.match_substring_regex(cells, _WITH_OFFSET)
    bare = is_date_only(table, column)
    stated = cast_times(table, column, pc.if_else(with_offset, cells, nothing), INSTANT, "no ISO 8601 time stamp")
    local = cast_times(table, column, pc.if_else(with_offset, nothing, cells), NAIVE, "no ISO 8601 time stamp")
    ends = ends_of_days(local.cast(pa.date32(), safe=False), marketplaces)
    _note_assumptions(table, column, with_offset, bare)
    return pc.coalesce(stated, pc.if_else(bare, ends, attach_zones(local, marketplaces)))


def is_date_only(table: CsvTable, column: str) -> pa.Array:
    """Return for each cell in a column of times whether it is a day without a time."""
    return pc.match_substring_regex(table[column], _BARE_DAY)


def _note_assumptions(table: CsvTable, column: str, with_offset: pa.Array, bare: pa.Array) -> None:
    """Note how many cells have no offset, or no time of day."""
    days = pc.sum(bare).as_py() or 0
    local = (pc.sum(pc.invert(with_offset)).as_py() or 0) - days
    if local:
        table.notes.append(f"{column}: {local:,} times without offset were taken in the marketplace's zone.")
    if days:
        table.notes.append(f"{column}: {days:,} days without a time were taken as the end of that day.")


def read_update_times(table: CsvTable, marketplaces: pa.Array, *events: pa.Array) -> pa.Array:
    """Return the time of update of each row: its own `updated-at`, or else the newest time in the file.

    `events` are the columns with the other times of the file.
    """
    stamps = read_marketplace_times(table, "updated-at", marketplaces)
    return pc.fill_null(stamps, newest_instant(stamps, *events)) if len(table) else stamps


def local_days_after_hours(instants: pa.Array, hours: int, marketplaces: pa.Array) -> pa.Array:
    """Return the date in its marketplace that each instant has after the given number of hours.

    The hours are elapsed time, also when clocks change.

    >>> import datetime as dt
    >>> before_the_clocks_go_back = pa.array([dt.datetime(2026, 11, 1, 6, 30, tzinfo=dt.UTC)], INSTANT)
    >>> str(local_days_after_hours(before_the_clocks_go_back, 24, pa.array(["US"]))[0])
    '2026-11-01'
    """
    return local_days(pc.add(instants, pa.scalar(hours * 3_600_000_000, pa.duration("us"))), marketplaces)


def read_answer_times(table: CsvTable, earliest: pa.Array, earliest_column: str, marketplaces: pa.Array) -> pa.Array:
    """Read the column `answered-at` as instants.

    Raise ReaderError if an answer is before its question. `earliest` are the instants of the questions, from
    `earliest_column`. A question of which only the day is known counts as asked at the end of that day, and so does an
    answer on the same day.
    """
    answered = read_marketplace_times(table, "answered-at", marketplaces)
    same_day = pc.equal(local_days(answered, marketplaces), local_days(earliest, marketplaces))
    at_once = pc.fill_null(
        pc.and_(pc.and_(is_date_only(table, earliest_column), same_day), pc.less(answered, earliest)), False
    )
    count = pc.sum(at_once).as_py()
    if count:
        table.notes.append(
            f"answered-at: {count:,} answers on the bare day of {earliest_column} were taken as at its end."
        )
    answered = pc.if_else(at_once, earliest, answered)
    refuse_times_before(table, "answered-at", answered, earliest, earliest_column)
    return answered


def newest_instant(*columns: pa.Array) -> pa.Scalar:
    """Return the newest instant in the given columns, or null if they have none."""
    return pc.max(pa.array([pc.max(column).as_py() for column in columns], INSTANT))


def note_unknown_orders(table: CsvTable, ids: pa.Array, context: ReadContext) -> None:
    """Note how many orders of a file that adds to other files are in no order file: they do not count."""
    orders = combine_chunks(pc.unique(ids)).to_pylist()
    unknown = len(orders) - len(context.known_marketplaces(orders)) if context.marketplace_of else 0
    if unknown:
        table.notes.append(
            f"{unknown:,} of {len(orders):,} orders are in no order file yet; until then they are not counted."
        )


def read_order_keys(table: CsvTable, context: ReadContext) -> tuple[pa.Array, pa.Array]:
    """Return the order ids and marketplaces of a hand-made CSV in which every row must have an order id."""
    read_required_texts(table, "order-id")
    ids, marketplaces = read_optional_order_keys(table, context)
    note_unknown_orders(table, ids, context)
    return ids, marketplaces


def read_optional_order_keys(table: CsvTable, context: ReadContext) -> tuple[pa.Array, pa.Array]:
    """Return the order ids and marketplaces of a hand-made CSV in which rows may lack an order id.

    The id of such a row is null. Raise ReaderError for malformed Amazon order ids.
    """
    refuse_numeric_ids(table, "order-id")
    ids = table["order-id"]
    marketplaces = resolve_marketplaces(table, ids, context, "marketplace")
    amazon = [code for code, known in MARKETPLACES.items() if known.sales_channel != "-"]
    strange = pc.invert(pc.match_substring_regex(ids, AMAZON_ORDER_ID))
    refuse_malformed_ids(table, "order-id", pc.and_(strange, pc.is_in(marketplaces, pa.array(amazon))))
    return ids, marketplaces
