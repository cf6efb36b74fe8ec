"""Every benchmark is run by `make bench-smoke`, and the copies of the sample are accounts of their own."""

from __future__ import annotations

from bench import press, smoke
from healthkit.ingest import importer
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import ROOT


def test_every_benchmark_is_in_the_smoke_run():
    modules = {path.stem for path in (ROOT / "bench").glob("*.py")} - {"__init__", "smoke"}
    assert set(smoke.BENCHMARKS) == modules


def test_the_smoke_run_is_part_of_what_a_checkout_must_pass():
    assert "make bench-smoke" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_a_benchmark_must_end_well_with_one_json_object():
    assert smoke.find_failure(0, '10 forecasts\n{"forecasts": 10}\n', "a warning") == ""
    assert smoke.find_failure(0, "", "") != ""
    assert smoke.find_failure(0, "[1, 2]\n", "") != ""
    assert smoke.find_failure(2, '{"forecasts": 10}\n', "wrong usage") == "it ended with code 2: wrong usage"


def test_a_store_of_copies_holds_as_many_accounts_as_were_asked_for(tmp_path):
    """Copies that share the digest of a file count as one file: the others are not read."""
    sample = Store(tmp_path / "sample")
    list(importer.import_files([ROOT / "data" / "sample" / "paper-moth"], sample))
    made = press.make_copies(sample, tmp_path / "copies", 3)
    assert Workspace(made.folder).accounts == ["0000-paper-moth", "0001-paper-moth", "0002-paper-moth"]
    orders = [int(rows["orders"].sum()) for _, rows in Workspace(made.folder).counts.coverage.groupby("account")]
    assert len(set(orders)) == 1
    assert orders[0] > 0
