"""What does not fit into memory stands in a folder of the process alone, and is gone with it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from healthkit.files import temp_folders
from healthkit.store import merge_sql

SPILLING = """
import sys
from pathlib import Path
from healthkit.files import temp_folders
from healthkit.cli import main
from healthkit.store.merge_sql import open_connection

connection = open_connection()
connection.execute("set memory_limit = '60MB'")
connection.execute("set threads = 1")
connection.execute("create temp table much as select range as n, 'order ' || range as words from range(5000000)")
held = sorted(Path(temp_folders.spill_folder()).iterdir())
sys.argv = ["healthkit", "rules", "--help"]
print(sum(path.stat().st_size for path in held), oct(temp_folders.spill_folder().stat().st_mode)[-3:], flush=True)
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [("main()", 0), ("", 0), ("raise SystemExit(3)", 3), ("connection.execute('select no_such_column')", 1)],
    ids=["the command ends at once", "python ends", "an exit code", "an error"],
)
def test_nothing_is_left_where_one_works_nor_in_the_folder_for_temporary_files(end, code, tmp_path):
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    told = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", SPILLING + end], cwd=work, env=told, capture_output=True, text=True)
    assert ran.returncode == code, ran.stderr
    size, mode = ran.stdout.split()[:2]
    assert int(size) > 10_000_000, "nothing was spilled, so nothing was shown"
    assert mode == "700"
    assert [*work.iterdir(), *temporary.iterdir()] == []


def test_what_a_killed_process_left_goes_with_the_next_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    words = "import os; from healthkit.files import temp_folders; print(temp_folders.spill_folder(), flush=True); "
    killed = subprocess.run(
        [sys.executable, "-c", words + "os.kill(os.getpid(), 9)"], env=told, capture_output=True, text=True
    )
    left = Path(killed.stdout.strip())
    assert killed.returncode == -9
    assert left.is_dir()
    with subprocess.Popen(
        [sys.executable, "-c", words + "input()"], env=told, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as alive:
        held = Path(alive.stdout.readline().strip())
        assert not left.exists(), "the next process takes away what was left"
        here = socket.gethostname()
        elsewhere = [tmp_path / left.name.replace(here, name) for name in ("another", f"x-{here}", f"{here}-x")]
        for folder in elsewhere:
            folder.mkdir()
        ours = temp_folders.make(temp_folders.SPILL_PREFIX)
        assert sorted(tmp_path.iterdir()) == sorted([held, *elsewhere, ours])
        alive.communicate("\n")
    assert not held.exists()


def test_without_a_place_for_it_all_must_fit_into_memory(monkeypatch):
    monkeypatch.setattr("healthkit.files.temp_folders._spill_folders", {})
    monkeypatch.setattr(
        "healthkit.files.temp_folders.marked_folders.make", lambda *_: (_ for _ in ()).throw(OSError(30, "read-only"))
    )
    merge_sql._process_database.cache_clear()
    try:
        assert temp_folders.spill_folder() is None
        assert merge_sql.open_connection().execute("select current_setting('temp_directory')").fetchall() == [("",)]
    finally:
        merge_sql._process_database.cache_clear()


def test_a_folder_that_was_swept_away_is_made_again():
    first = temp_folders.spill_folder()
    temp_folders.remove_own()
    second = temp_folders.spill_folder()
    assert first != second
    assert not first.exists()
    assert stat.S_IMODE(second.stat().st_mode) == 0o700


def test_connections_see_nothing_of_each_other():
    one, other = merge_sql.open_connection(), merge_sql.open_connection()
    one.execute("create temp table held as select 1 as n")
    with pytest.raises(duckdb.CatalogException):
        other.execute("select * from held")
    other.execute("create temp table held as select 2 as n")
    assert one.execute("select n from held").fetchall() == [(1,)]


def test_many_threads_may_ask_at_once():
    def ask(number: int) -> int:
        connection = merge_sql.open_connection()
        connection.execute(f"create temp table held as select range as n from range({number})")
        return connection.execute("select count(*) from held").fetchall()[0][0]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(200))) == list(range(200))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_has_an_engine_and_a_folder_of_its_own():
    merge_sql.open_connection().execute("create temp table held as select 1")
    ours = temp_folders.spill_folder()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        theirs = temp_folders.spill_folder()
        said = merge_sql.open_connection().execute("select 6 * 7").fetchall()[0][0]
        temp_folders.remove_own()
        os.write(writes, f"{said} {theirs != ours} {theirs.exists()}".encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as told:
        assert told.read() == "42 True False"
    os.waitpid(child, 0)
    assert ours.is_dir()
