"""The check at the border: what it lets through, and what it says of a frame that its table does not promise."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from healthkit import store
from healthkit.schema import tables
from healthkit.schema.tables import TableError, check_table

DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
SOME = tables.Table(
    "some",
    "one row",
    {
        "name": tables.Column("text"),
        "began_on": tables.Column("day", nullable=True),
        "seen_at": tables.Column("instant", nullable=True),
        "many": tables.Column("count", nullable=True),
        "part": tables.Column("share", nullable=True),
        "right": tables.Column("flag", nullable=True),
    },
    key=("name",),
)
ARROW = [pa.string(), pa.date32(), pa.timestamp("us", "UTC"), pa.int64(), pa.float64(), pa.bool_()]


def some(*names: str | None, **columns: pa.Array) -> pa.Table:
    """Rows of SOME of which only the names are known, with some columns replaced."""
    held = {name: pa.nulls(len(names), kind) for name, kind in zip(SOME.columns, ARROW, strict=True)}
    return pa.table({**held, "name": pa.array(names, pa.string()), **columns})


def said_of(frame, table: tables.Table = SOME) -> str:
    with pytest.raises(TableError) as said:
        check_table(frame, table)
    return str(said.value)


def test_a_frame_that_holds_comes_back_with_its_columns_in_order():
    rows = some("a", "b")
    turned = rows.select(list(reversed(SOME.columns)))
    assert check_table(turned, SOME).equals(rows)


def test_a_frame_of_pandas_comes_back_as_pandas():
    frame = some("a").to_pandas()
    back = check_table(frame, SOME)
    assert isinstance(back, pd.DataFrame)
    assert list(back.columns) == list(SOME.columns)


def test_no_rows_are_a_table_too():
    assert check_table(some(), SOME).num_rows == 0


def test_missing_columns_are_named():
    assert said_of(some("a").drop(["many", "right"])) == "some has no column many, right."


def test_unknown_columns_are_named_with_those_there_are():
    said = said_of(some("a", buyer=pa.array(["x"]), phone=pa.array(["y"])))
    assert said == "some does not hold buyer, phone. It holds name, began_on, seen_at, many, part, right."


def test_empty_cells_are_counted_and_the_first_is_named():
    assert said_of(some("a", None, "b", None)) == "some.name is empty in 2 of 4 rows; the first is row 2."


def test_a_row_that_stands_twice_is_shown():
    assert said_of(some("a", "b", "a")) == "some holds a row twice: {'name': 'a'}."


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("name", pa.array([1]), "text"),
        ("began_on", pa.array(["2026-03-01"]), "day"),
        ("began_on", pa.array([NOW], pa.timestamp("us", "UTC")), "day"),
        ("seen_at", pa.array([DAY]), "instant"),
        ("seen_at", pa.array([NOW.replace(tzinfo=None)], pa.timestamp("us")), "instant"),
        ("many", pa.array([1.0]), "count"),
        ("many", pa.array([True]), "count"),
        ("part", pa.array([1]), "share"),
        ("right", pa.array(["yes"]), "flag"),
        ("right", pa.array([1]), "flag"),
    ],
)
def test_a_column_of_another_kind_is_refused(column, value, kind):
    assert said_of(some("a", **{column: value})).startswith(f"some.{column} must be a {kind}; it is ")


def test_a_column_that_may_be_empty_and_is_throughout_may_be_of_any_kind():
    assert check_table(some("a", "b", many=pa.nulls(2, pa.string())), SOME).num_rows == 2


def test_a_day_may_be_a_midnight_without_a_zone():
    assert check_table(some("a", began_on=pa.array([datetime(2026, 3, 1)], pa.timestamp("s"))), SOME).num_rows == 1


def test_an_assumed_defect_and_a_known_one_of_the_same_day_are_two_rows():
    row = {"account": "a", "marketplace": "US", "order_id": "o", "kind": "a_to_z_claim", "known_on": DAY}
    stamp = {"updated_at": NOW, "report": "r"}
    two = [{**row, **stamp}, {**row, **stamp, "assumed": "claim_day_from_return"}]
    schema = store.arrow_schema(tables.DEFECTS)
    assert check_table(pa.Table.from_pylist(two, schema=schema), tables.DEFECTS).num_rows == 2
    assert said_of(pa.Table.from_pylist([two[0], two[0]], schema=schema), tables.DEFECTS).startswith("defects holds a")


@pytest.mark.parametrize(
    "table", [*tables.RAW_TABLES, tables.REPORTS, tables.COVERAGE, tables.SCORES], ids=lambda one: one.name
)
def test_every_column_that_names_a_row_belongs_to_its_table(table):
    assert set(table.key) <= set(table.columns)
    assert {column.kind for column in table.columns.values()} <= {"text", "day", "instant", "count", "share", "flag"}
    assert {column.keep for column in table.columns.values()} <= {"newest", "first", "last"}


@pytest.mark.parametrize("table", tables.RAW_TABLES, ids=lambda one: one.name)
def test_every_raw_row_says_whose_it_is_and_which_file_said_so(table):
    assert {"account", "marketplace", "updated_at", "report"} <= set(table.required())


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(-7), -7), (np.int64(0), 0), (np.float64(0.5), 0.5), (np.bool_(False), False), (True, True), ("", ""),
        (pd.Timestamp("2026-10-31"), date(2026, 10, 31)), (date(2026, 10, 31), date(2026, 10, 31)),
        (None, None), (pd.NA, None), (pd.NaT, None), (float("nan"), None), (np.float64("nan"), None),
    ],
)  # fmt: skip
def test_a_cell_of_any_kind_of_column_is_a_plain_value_or_none(value, plain):
    made = tables.to_plain_value(value)
    assert (made, type(made)) == (plain, type(plain))
