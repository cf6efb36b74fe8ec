"""One expression, every engine: random ledgers count the same on DuckDB, polars, pandas, Arrow and Spark."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from healthkit.metrics import counts
from healthkit.metrics.counts import Counts, count_orders
from healthkit.schema import tables
from healthkit.schema.tables import Ledger
from tests.builders.random_ledgers import RULES, ledger, random_ledger


def in_arrow(held: Ledger) -> dict[str, pa.Table]:
    """The tables of a ledger as Arrow, by name."""
    return {table.name: getattr(held, table.name).collect("pyarrow").to_native() for table in tables.RAW_TABLES}


def polars_of(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table).lazy()


def pandas_of(table: pa.Table) -> Any:
    # Days stay days: pandas has none of its own, so its Arrow kinds hold them.
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def arrow_of(table: pa.Table) -> Any:
    return table


ENGINES: dict[str, Callable[[pa.Table], Any]] = {"polars": polars_of, "pandas": pandas_of, "arrow": arrow_of}


def on(engine: Callable[[pa.Table], Any], held: Ledger) -> Ledger:
    """The same ledger on another engine."""
    frames = {name: nw.from_native(engine(table)).lazy() for name, table in in_arrow(held).items()}
    return replace(held, **frames)


def same(one: Counts, other: Counts) -> bool:
    """Whether two engines came to the same rows, in the same order."""
    for name in ("exposure", "faults", "coverage"):
        mine, theirs = (_plain(getattr(table, name)) for table in (one, other))
        pd.testing.assert_frame_equal(mine, theirs)
    return True


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in one order: engines may hand over rows of the same keys in any."""
    text = frame.astype({name: "str" for name in frame if str(frame[name].dtype) in ("category", "str", "object")})
    return text.sort_values(list(text.columns), ignore_index=True)


@pytest.mark.parametrize("engine", ENGINES)
# A seed stands for a whole ledger: a smaller one is no simpler, so nothing is to be shrunk.
@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_every_engine_comes_to_the_counts_of_duckdb(engine, seed):
    orders = ledger(random_ledger(seed))
    expected = count_on_duckdb(orders)
    assert same(expected, count_orders(on(ENGINES[engine], orders), RULES))
    assert same(expected, count_orders(orders, RULES))


def count_on_duckdb(orders: Ledger) -> Counts:
    """The counts of a ledger as of one that is too large for memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "ROWS_IN_MEMORY", 0)
        return count_orders(orders, RULES)


@pytest.mark.skipif("HEALTHKIT_SPARK" not in os.environ, reason="Spark is asked for by HEALTHKIT_SPARK=1 (needs Java)")
def test_spark_comes_to_the_counts_of_duckdb():
    session = pytest.importorskip("pyspark.sql").SparkSession.builder.master("local[2]")
    quiet = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "2",
             "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}  # fmt: skip
    for name, value in quiet.items():
        session = session.config(name, value)
    spark = session.getOrCreate()
    try:
        for seed in range(3):
            held = ledger(random_ledger(seed))
            whole = count_orders(held, RULES)
            there = on(lambda table: spark.createDataFrame(table), held)
            assert same(whole, count_orders(there, RULES))
    finally:
        spark.stop()
