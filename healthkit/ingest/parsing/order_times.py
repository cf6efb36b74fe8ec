"""Times of an order file: all columns of times read as instants, in one way of writing for the whole file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from healthkit.ingest.parsing.cells import INSTANT, NAIVE
from healthkit.ingest.parsing.csv_table import CsvTable, combine_chunks
from healthkit.ingest.parsing.marketplace_of_row import attach_zones, ends_of_days
from healthkit.ingest.parsing.order_layouts import ORDERED_AT, TIME_COLUMNS, OrderLayout
from healthkit.ingest.parsing.raw_file import ReaderError
from healthkit.ingest.parsing.time_formats import WrittenTime, parse_time

DATES_HINT = "Correct the cell, or add the way it is written to `dates` of this kind of file in data/column_map.yaml."


def read_times(table: CsvTable, marketplaces: pa.Array, layout: OrderLayout) -> dict[str, pa.Array]:
    """Read all columns of times as instants.

    One way of writing times is chosen for the whole file. Raise ReaderError if a cell cannot be read, or if days and
    months could be exchanged.
    """
    columns = {name: combine_chunks(pc.dictionary_encode(table[name])) for name in TIME_COLUMNS}
    distinct = {word for coded in columns.values() for word in coded.dictionary.to_pylist()}
    parsed = _parse_words(table, distinct, layout)
    _note_bare_days(table, columns, parsed)
    ordered = _to_instants(table, columns[ORDERED_AT], parsed, marketplaces, layout, None)
    days = pc.cast(pc.local_timestamp(ordered.cast(pa.timestamp("us", "UTC"))), pa.date32())
    return {
        name: ordered if name == ORDERED_AT else _to_instants(table, coded, parsed, marketplaces, layout, days)
        for name, coded in columns.items()
    }


def _note_bare_days(table: CsvTable, columns: Mapping[str, pa.Array], parsed: Mapping[str, WrittenTime]) -> None:
    """Note how many cells of each column are a day without a time of day."""
    counts = {}
    for name, coded in columns.items():
        bare = pa.array([not parsed[word].has_time for word in coded.dictionary.to_pylist()], pa.bool_())
        counts[name] = pc.sum(bare.take(coded.indices)).as_py() or 0
    named = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    if named:
        table.notes.append(f"Days without a time were taken as the end of that day: {named}.")


def _parse_words(table: CsvTable, distinct: Iterable[str], layout: OrderLayout) -> dict[str, WrittenTime]:
    """Parse all distinct times of a file in the first format that fits all those that have no other reading."""
    words = sorted(word for word in distinct if word is not None)
    iso = {word: found for word in words if (found := parse_time(word))}
    others = [word for word in words if word not in iso]
    if not others:
        return iso
    readings = [
        {word: found for word in others if (found := parse_time(word, formats))}
        for formats in (layout.preferred_dates, *_format_sets(layout.dates))
    ]
    if len(readings[0]) == len(others):
        return iso | readings[0]
    complete = [one for one in readings if len(one) == len(others)]
    if not complete:
        best = max(readings, key=len)
        _refuse_time(table, next(word for word in others if word not in best))
    _refuse_two_readings(table, complete)
    return iso | complete[0]


def _format_sets(formats: Sequence[str]) -> list[list[str]]:
    """Return the sets of formats that do not contradict each other in the order of day and month.

    >>> _format_sets(["%d/%m/%Y", "%m/%d/%Y", "%d de %B | %H:%M"])
    [['%d/%m/%Y', '%d de %B | %H:%M'], ['%m/%d/%Y', '%d de %B | %H:%M']]
    """
    neutral = [one for one in formats if "%m" not in one]
    day_first = [one for one in formats if "%m" in one and one.index("%d") < one.index("%m")]
    month_first = [one for one in formats if "%m" in one and one not in day_first]
    sets = [[one for one in formats if one in group or one in neutral] for group in (day_first, month_first) if group]
    return sets or [list(formats)]


def _refuse_two_readings(table: CsvTable, complete: Sequence[Mapping[str, WrittenTime]]) -> None:
    """Raise ReaderError if a file can be read with the day first and with the month first, and the two differ."""
    for first, second in pairwise(complete):
        word = next((word for word in first if first[word].moment != second[word].moment), None)
        if word is not None:
            raise ReaderError(
                f"{table.name}: day and month cannot be told apart: {word!r} may be {first[word].moment.date()} or "
                f"{second[word].moment.date()}, and every day of the file can be read both ways. Import a longer "
                f"period, or name one form under `orders: {{{table.kind.name}: {{dates: [...]}}}}` in "
                "data/column_map.yaml."
            )


def _refuse_time(table: CsvTable, word: str) -> None:
    """Raise ReaderError for the first cell that holds a time that cannot be read."""
    for name in TIME_COLUMNS:
        bad = pc.fill_null(pc.equal(table[name], word), False)
        if pc.any(bad, min_count=0).as_py():
            table.refuse(name, bad, "no day or time in a known form", DATES_HINT)


def _to_instants(
    table: CsvTable, coded: pa.DictionaryArray, parsed: Mapping[str, WrittenTime], marketplaces: pa.Array,
    layout: OrderLayout, ordered_on: pa.Array | None,
) -> pa.Array:  # fmt: skip
    """Return the instants of one column; a day without a time of day is the end of that day."""
    words = coded.dictionary.to_pylist()
    times = [parsed[word] for word in words]
    with_zone = pa.array([one.moment.astimezone(UTC) if one.moment.tzinfo else None for one in times], INSTANT)
    naive = pa.array([None if one.moment.tzinfo else one.moment for one in times], NAIVE)
    has_time = pa.array([one.has_time for one in times], pa.bool_())
    local, timed = naive.take(coded.indices), has_time.take(coded.indices)
    if not all(one.has_year for one in times):
        has_year = pa.array([one.has_year for one in times], pa.bool_()).take(coded.indices)
        local = _with_years(local, has_year, ordered_on)
    zoned = attach_zones(local, marketplaces)
    if layout.zone:
        zoned = pc.assume_timezone(local, layout.zone, ambiguous="earliest", nonexistent="latest").cast(INSTANT)
    ends = ends_of_days(local.cast(pa.date32(), safe=False), marketplaces)
    return pc.coalesce(with_zone.take(coded.indices), pc.if_else(timed, zoned, ends))


def _with_years(local: pa.Array, has_year: pa.Array, ordered_on: pa.Array | None) -> pa.Array:
    """Fill in the year of times without one: the first such day that is not before the day of the order."""
    if ordered_on is None:
        return pc.if_else(has_year, local, None)
    days = zip(local.to_pylist(), has_year.to_pylist(), ordered_on.to_pylist(), strict=True)
    return pa.array([one if known or one is None else _next_after(one, day) for one, known, day in days], NAIVE)


def _next_after(moment: datetime, ordered_on: date) -> datetime | None:
    """Return a time with the year in which it is first not before the day of an order, a day of tolerance given.

    >>> _next_after(datetime(2000, 1, 2, 9, 0), date(2025, 12, 30))
    datetime.datetime(2026, 1, 2, 9, 0)
    >>> _next_after(datetime(2000, 12, 31, 23, 59), date(2026, 1, 1))
    datetime.datetime(2025, 12, 31, 23, 59)
    >>> _next_after(datetime(2000, 2, 29), date(2026, 2, 1))
    """
    earliest = ordered_on - timedelta(days=1)
    for year in (earliest.year, earliest.year + 1):
        try:
            found = moment.replace(year=year)
        except ValueError:
            continue
        if found.date() >= earliest:
            return found if found.date() <= ordered_on + timedelta(days=364) else None
    return None
