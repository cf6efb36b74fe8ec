"""Only what the kit made is removed: a marked folder of a process that ended, and in it only the kit's files."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from healthkit.files import marked_folders, temp_folders
from healthkit.files.marked_folders import MARKER_NAME, MARKER_TEXT
from tests.builders.sample import ROOT

KINDS = {"mine-": re.compile(r"\d+\.txt|deep/(\d+\.txt)?")}


def left_behind(place: Path, beginning: str = "mine-", names: tuple[str, ...] = ("1.txt", "deep/2.txt")) -> Path:
    """A marked folder with such files, of a process that was killed."""
    script = (
        "import os, sys; from pathlib import Path; from healthkit.files import marked_folders\n"
        "made = marked_folders.make(Path(sys.argv[1]), sys.argv[2])\n"
        "for name in sys.argv[3:]:\n    path = made / name\n    path.parent.mkdir(exist_ok=True)\n"
        "    path.write_text('rows')\n"
        "print(made, flush=True)\nos.kill(os.getpid(), 9)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(place), beginning, *names],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Path(ran.stdout.strip())


def test_what_a_killed_process_left_is_removed(tmp_path):
    left = left_behind(tmp_path)
    assert sorted(path.name for path in left.iterdir()) == [MARKER_NAME, "1.txt", "deep"]
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_process_lives_stays_though_another_has_its_number(tmp_path):
    ours = marked_folders.make(tmp_path, "mine-")
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert ours.is_dir()
    assert marked_folders.remove(ours, KINDS["mine-"])
    # In a container that is started again, a process has the number of the one that was killed.
    left = left_behind(tmp_path)
    _, rest = left.name.removeprefix("mine-").split("-", 1)
    again = left.rename(tmp_path / f"mine-{os.getpid()}-{rest}")
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert not again.exists()


@pytest.mark.parametrize("foreign", ["notes.txt", "deep/notes.txt", "deep/er/1.txt", "1.txt/1.txt"])
def test_a_file_that_is_not_the_kit_s_stays_and_its_folder_with_it(foreign, tmp_path):
    left = left_behind(tmp_path, names=("2.txt", "deep/2.txt"))
    (left / foreign).parent.mkdir(exist_ok=True)
    (left / foreign).write_text("mine")
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert (left / foreign).read_text() == "mine"
    assert not (left / "2.txt").exists()
    assert not (left / "deep" / "2.txt").exists()


@pytest.mark.parametrize("marker", [None, "", "# mine\n", MARKER_TEXT + "and mine\n", "a link", "a folder"])
def test_a_folder_without_the_kit_s_marker_is_not_touched(marker, tmp_path):
    left = left_behind(tmp_path)
    (left / MARKER_NAME).unlink()
    if marker == "a link":
        (tmp_path / "elsewhere").write_text(MARKER_TEXT)
        (left / MARKER_NAME).symlink_to(tmp_path / "elsewhere")
    elif marker == "a folder":
        (left / MARKER_NAME).mkdir()
    elif marker is not None:
        (left / MARKER_NAME).write_text(marker)
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert not marked_folders.remove(left, KINDS["mine-"])
    assert (left / "1.txt").read_text() == (left / "deep" / "2.txt").read_text() == "rows"


def test_symbolic_links_are_not_followed(tmp_path):
    for name in ("outside", "place"):
        (tmp_path / name).mkdir()
    outside = left_behind(tmp_path / "outside")
    link = tmp_path / "place" / outside.name
    link.symlink_to(outside)
    marked_folders.remove_abandoned(tmp_path / "place", KINDS)
    assert not marked_folders.remove(link, KINDS["mine-"])
    inside = left_behind(tmp_path / "place", names=())
    (inside / "deep").symlink_to(outside / "deep")
    marked_folders.remove_abandoned(tmp_path / "place", KINDS)
    assert (outside / "1.txt").read_text() == (outside / "deep" / "2.txt").read_text() == "rows"
    assert link.is_symlink()


@pytest.mark.parametrize(
    "name",
    [
        "mine", "mine-12-x", "mine-{pid}-{host}", "mine-{pid}-{host}-notes", "mine-{pid}-other-01234567",
        "mine-x-{host}-01234567", "mine-{pid}-{host}-012345678",
    ],
)  # fmt: skip
def test_a_name_that_is_not_exactly_the_kit_s_is_not_touched(name, tmp_path):
    left = left_behind(tmp_path)
    pid = left.name.split("-")[1]
    other = left.rename(tmp_path / name.format(pid=pid, host=socket.gethostname()))
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert (other / "1.txt").read_text() == "rows"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_what_another_user_left_is_theirs(tmp_path):
    left = left_behind(tmp_path)
    os.chown(left, 12345, 12345)
    marked_folders.remove_abandoned(tmp_path, KINDS)
    assert (left / "1.txt").read_text() == "rows"


def test_every_kind_of_temporary_folder_is_swept_by_whoever_makes_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = [
        left_behind(
            tmp_path, temp_folders.SPILL_PREFIX, ("duckdb_temp_storage_S32K-0.tmp", "duckdb_temp_block-12.block")
        ),
        left_behind(tmp_path, temp_folders.WORKER_PREFIX, ("1.jsonl", "ipython/profile_default")),
        left_behind(tmp_path, temp_folders.BATCH_PREFIX, ("excerpt/excerpt.json", "counts/faults.parquet")),
        left_behind(tmp_path, temp_folders.PDF_PREFIX, ("page.pdf", "profile/Cookies")),
        left_behind(tmp_path, temp_folders.PARSED_PREFIX, (f"{'ab' * 32}.pickle",)),
        left_behind(tmp_path, temp_folders.DASHBOARD_PREFIX, ("dashboard.ipynb", "tmp/voila_x1/nbconvert.json")),
        left_behind(tmp_path, temp_folders.PARTIAL_FILE_PREFIX, ("part",)),
        left_behind(tmp_path, temp_folders.TABLE_PREFIX, ("table/part-0.parquet", "table/_delta_log/0.json")),
    ]
    assert len(set(left)) == len(temp_folders.PATTERN_BY_PREFIX)
    mine = [tmp_path / f"{beginning}123-host-x" for beginning in temp_folders.PATTERN_BY_PREFIX]
    for folder in mine:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    ours = temp_folders.make(temp_folders.SPILL_PREFIX)
    assert sorted(tmp_path.iterdir()) == sorted([ours, *mine])
    temp_folders.remove(ours)


def test_a_file_is_written_with_the_usual_permissions_and_nothing_is_left_beside_it(tmp_path):
    before = os.umask(0o027)
    try:
        temp_folders.write_atomically(tmp_path / "deep" / "page.html", "<p>")
    finally:
        os.umask(before)
    [page] = (tmp_path / "deep").iterdir()
    assert (page.name, page.read_bytes(), page.stat().st_mode & 0o777) == ("page.html", b"<p>", 0o640)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="taken") as refused:
        temp_folders.write_atomically(tmp_path / "taken", "<p>")
    assert refused.value.filename == str(tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "taken"]


@pytest.mark.parametrize("step", ["mkdir", "_write_marker"])
def test_a_signal_while_a_folder_is_made_leaves_none(step, tmp_path, monkeypatch):
    """The signal comes right after a step, before the next one begins."""

    def ended_after(work):
        def run(*words):
            work(*words)
            raise SystemExit(143)

        return run

    owner = Path if step == "mkdir" else marked_folders
    monkeypatch.setattr(owner, step, ended_after(getattr(owner, step)))
    with pytest.raises(SystemExit):
        temp_folders.make(temp_folders.WORKER_PREFIX, tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_removes_every_folder_it_made(tmp_path):
    made = "from pathlib import Path; from healthkit.files import temp_folders; "
    made += f"print(temp_folders.make(temp_folders.WORKER_PREFIX, Path({str(tmp_path)!r}))); "
    made += "temp_folders.spill_folder(); temp_folders.remove_own()"
    done = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()
    assert list(tmp_path.iterdir()) == []
