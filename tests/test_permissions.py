"""A store that can only be read is scored and printed; what may not be written or read is never said to be damaged."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from deltalake.exceptions import DeltaError

from healthkit.schema import tables
from healthkit.store import NoPermissionError, Store
from tests.builders.sample import ROOT, SAMPLE
from tests.builders.slow import slow_after
from tests.builders.store_files import import_all, raw

DAY, MONTH = "2026-10-31", "2026-10"
PR_CAPBSET_DROP, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2


def as_others() -> None:
    """Let this process, which may be root's, be held to the permissions of files like any other."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "a capability cannot be dropped")


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


if os.name != "posix" or (is_root() and not sys.platform.startswith("linux")):
    pytest.skip("permissions of files cannot be tried here", allow_module_level=True)


@pytest.fixture(scope="module")
def held_to_permissions():
    """Skips where root cannot be made to obey permissions."""
    try:
        subprocess.run(["true"], preexec_fn=as_others if is_root() else None, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"this process cannot give up root's rights over files: {error}")


@pytest.fixture
def run(held_to_permissions, tmp_path):
    """A command of one who is held to permissions, with a cache and temporary files of their own."""
    for name in ("cache", "temporary"):
        (tmp_path / name).mkdir()

    def command(*words: object, before: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
        told = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "temporary")} | more
        return subprocess.run(
            [*before, sys.executable, "-m", "healthkit", *map(str, words)], cwd=tmp_path, text=True,
            env=told | {"PYTHONPATH": str(ROOT), "COLUMNS": "400"}, capture_output=True, timeout=200, check=False,
            preexec_fn=as_others if is_root() else None,
        )  # fmt: skip

    return command


def protect(folder: Path, folders: int = 0o555, files: int = 0o444) -> None:
    """Let all below a folder be read only."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(folders if path.is_dir() else files)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A store of one account, in two imports."""
    folder = tmp_path_factory.mktemp("made") / "store"
    [first, *others] = sorted((SAMPLE / "paper-moth").iterdir())
    import_all(Store(folder), others, first)
    return folder


@pytest.fixture
def store(made, tmp_path):
    """A store that may be read and not written to."""
    folder = tmp_path / "store"
    shutil.copytree(made, folder)
    protect(folder)
    yield folder
    protect(folder, 0o755, 0o644)


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_store_that_can_only_be_read_is_scored_and_printed(run, store, tmp_path):
    writable = tmp_path / "writable"
    shutil.copytree(store, writable)
    protect(writable, 0o755, 0o644)
    before = tree(store)
    for words in (
        ("check", "--month", MONTH, "--format", "csv"),
        ("scores", "--as-of", DAY, "--format", "csv", "--version", 0),
    ):
        ours, theirs = run(*words, "--data", store), run(*words, "--data", writable)
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), ours.stderr
        assert "permission" not in (ours.stdout + ours.stderr).lower()
    for words in (("store", "check"), ("store", "versions"), ("doctor", "--check")):
        shown = run(*words, "--data", store)
        assert shown.returncode == 0, shown.stdout + shown.stderr
    for part, place in (("ours", store), ("theirs", writable)):
        shown = run("report", "--month", MONTH, "--data", place, "--out", tmp_path / part)
        assert "1 report, 0 failed." in shown.stdout, shown.stderr
    [ours, theirs] = [(tmp_path / part / MONTH / "paper-moth_us.html").read_bytes() for part in ("ours", "theirs")]
    assert ours == theirs
    assert tree(store) == before
    # They are counted once, and stand in the cache for this user alone.
    [place] = (tmp_path / "cache" / "healthkit" / "stores").iterdir()
    assert place.stat().st_mode & 0o777 == 0o700
    shown = run("--log", "debug", "scores", "--as-of", DAY, "--data", store)
    assert f"counts read from {place}" in shown.stderr


def test_the_counts_of_the_one_who_may_write_are_read_by_those_who_may_not(run, store, tmp_path):
    protect(store, 0o755, 0o644)
    run("scores", "--as-of", DAY, "--data", store)
    protect(store)
    shown = run("--log", "debug", "scores", "--as-of", DAY, "--data", store)
    assert f"counts read from {store / 'counts'}" in shown.stderr
    assert not (tmp_path / "cache" / "healthkit" / "stores").exists()


@pytest.mark.long
def test_where_no_counts_can_be_kept_at_all_a_report_is_printed_too(run, store, tmp_path):
    (tmp_path / "cache").chmod(0o555)
    shown = run("report", "--month", MONTH, "--data", store, "--out", tmp_path / "out")
    assert "1 report, 0 failed." in shown.stdout, shown.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.skipif(not is_root(), reason="only root can give a folder away")
def test_a_store_of_another_user_says_whose_it_is(run, store, tmp_path):
    protect(store, 0o755, 0o644)
    for path in [*store.rglob("*"), store]:
        os.chown(path, 1, 1)
    assert run("scores", "--as-of", DAY, "--data", store).returncode == 0
    shown = run("import", raw(tmp_path / "raw", "acme", 7), "--data", store)
    assert shown.returncode == 1
    assert f"No permission to write into {store}, which belongs to {store.owner()}" in shown.stderr


@pytest.mark.parametrize("words", ["import", "store compact", "store repair"])
def test_what_may_not_be_written_is_said_and_nothing_is_changed(words, run, store, tmp_path):
    before = tree(store)
    file = [raw(tmp_path / "raw", "acme", 7)] if words == "import" else []
    shown = run(*words.split(), *file, "--data", store)
    said = shown.stdout + shown.stderr
    assert shown.returncode == 1
    assert f"No permission to write into {store}" in said
    assert "Ask for permission to write there" in said
    assert "damaged" not in said
    assert "panicked" not in said
    assert tree(store) == before


@pytest.mark.parametrize("part", ["the list of raw files", "a log of orders", "the folder of a log", "a table"])
def test_a_folder_of_the_store_that_may_not_be_written_is_named_before_anything_is_written(part, run, store, tmp_path):
    protect(store, 0o755, 0o644)
    place = {"the list of raw files": "reports", "a log of orders": "orders/_delta_log", "a table": "items",
             "the folder of a log": "reports/_delta_log"}[part]  # fmt: skip
    (store / place).chmod(0o555)
    before = tree(store)
    shown = run("import", raw(tmp_path / "raw", "acme", 7), "--data", store)
    assert shown.returncode == 1
    assert f"No permission to write into {store / place}" in shown.stderr
    assert tree(store) == before


@pytest.mark.parametrize("words", [f"scores --as-of {DAY}", "store check", "store repair", "store compact"])
@pytest.mark.parametrize("part", slow_after(1, [
    "orders/*.parquet", "orders/_delta_log/*0.json", "reports/*.parquet", "reports/_delta_log/*1.json",
    "orders/_delta_log", "items",
]))  # fmt: skip
def test_what_may_not_be_read_is_not_taken_for_damaged(part, words, run, store):
    protect(store, 0o755, 0o644)
    place = sorted(store.glob(part))[0]
    place.chmod(0)
    before = sorted(path.name for path in (store / "orders").iterdir())
    shown = run(*words.split(), "--data", store)
    said = shown.stdout + shown.stderr
    place.chmod(0o755)
    if shown.returncode == 0:
        # This question needs no such file.
        assert words.startswith("scores")
        return
    assert shown.returncode == 1
    assert "No permission" in said, said
    assert "It is not damaged" in said or "to write into" in said
    assert "is damaged" not in said
    assert "store repair" not in said
    assert before == sorted(path.name for path in (store / "orders").iterdir())


def test_a_folder_for_pages_that_may_not_be_written_is_said(run, store, tmp_path):
    out = tmp_path / "out"
    (out / MONTH).mkdir(parents=True)
    for place in (out / MONTH, out):
        place.chmod(0o555)
        shown = run("report", "--month", MONTH, "--data", store, "--out", out)
        assert shown.returncode == 1
        assert f"No permission for {out / MONTH}" in shown.stderr
        assert "--out for pages" in shown.stderr
        place.chmod(0o755)
        if place.name == MONTH:
            shutil.rmtree(place)


def test_a_raw_file_that_may_not_be_read_is_said(run, tmp_path):
    file = raw(tmp_path / "raw", "acme", 7)
    file.chmod(0)
    shown = run("import", file, "--data", tmp_path / "new")
    assert shown.returncode == 1
    assert file.name in shown.stderr
    assert "ermission" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.long
def test_a_file_system_that_is_mounted_to_be_read_only(run, store, tmp_path):
    mounted = (
        'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" "$0" && exec "$@"', str(store),
    )  # fmt: skip
    before = ("unshare", "--mount", "sh", "-c", *mounted)
    if shutil.which("unshare") is None or subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("this process may not mount a file system")
    protect(store, 0o755, 0o644)
    assert run("scores", "--as-of", DAY, "--data", store, before=before).returncode == 0
    shown = run("import", raw(tmp_path / "raw", "acme", 7), "--data", store, before=before)
    assert shown.returncode == 1
    assert f"No permission to write into {store}" in shown.stderr
    shown = run("report", "--month", MONTH, "--data", store, "--out", store / "pages", before=before)
    assert re.search(
        f"No permission for {re.escape(str(store / 'pages'))}\\S* \\(Read-only file system\\)", shown.stderr
    )


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/s/orders"),
        OSError(30, "Read-only file system"),
        OSError("Generic LocalFileSystem error\n  Unable to open file /s/1.json\n  Permission denied (os error 13)"),
        DeltaError("Failed to parse parquet: Unable to open file /s/part.parquet#1: Permission denied (os error 13)"),
        DeltaError(
            'Could not create local directory: /s\nError: Os { code: 13, kind: PermissionDenied, message: "x" }'
        ),
        DeltaError("Unable to open file /s/part.parquet#1: Read-only file system (os error 30)"),
        duckdb.IOException('IO Error: Cannot open file "/s/part.parquet": Permission denied'),
    ],
)
def test_every_library_s_word_for_a_missing_permission_is_known(error, tmp_path):
    said = Store(tmp_path).damage_error(tables.ORDERS, error)
    assert isinstance(said, NoPermissionError)
    assert str(said).startswith(f"No permission for the store {tmp_path}")


@pytest.mark.parametrize(
    "error", [OSError(2, "No such file"), DeltaError("no file (os error 2)"), OSError("os error 131")]
)
def test_other_errors_are_none_of_permission(error, tmp_path):
    said = Store(tmp_path).damage_error(tables.ORDERS, error)
    assert not isinstance(said, NoPermissionError)
    assert "is damaged" in str(said)
