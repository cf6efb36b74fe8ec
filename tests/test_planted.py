"""Files and folders of the user's own, beside, inside and named like each of the kit's, survive every command."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from healthkit.cli import app, report_commands
from healthkit.files import marked_folders
from healthkit.schema import tables
from tests.builders.cli_commands import commands
from tests.builders.sample import ROOT, SAMPLE
from tests.builders.store_files import aged, cut

ACCOUNT, DAY, MONTH = "paper-moth", "2026-10-31", "2026-10"
HOST, GONE = socket.gethostname(), 4_194_305
"""The name of this machine, and the number of a process that there cannot be."""
OURS = f"{GONE}-{HOST}-01234567"
"""How the name of a folder of ours ends that was left behind."""


class Places:
    """Where one user works: raw files, store, reports, temporary files, cache."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.raw, self.store, self.reports = home / "raw", home / "data" / "store", home / "reports"
        self.temporary, self.cache = home / "temporary", home / "cache"
        self.scenario = home / "scenario.yaml"

    def damage(self) -> None:
        """Break a data file and an entry of a log."""
        self.damaged = min((self.store / "feedback").glob("part-*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        cut(self.damaged)
        cut(self.store / "orders" / "_delta_log" / f"{0:020d}.json")
        cut(self.store / "reports" / "_delta_log" / f"{0:020d}.json")

    def repaired(self) -> None:
        """Check that a repair left the damaged file in place; a purge removes it."""
        assert self.damaged.is_file()

    def age(self) -> None:
        """Let the store be two days old, and so fit for the removal of what is not needed."""
        aged(self.store)


Step = list[str] | Callable[[Places], None]
ACCOUNTS_FILE = str(Path(__file__).parents[1] / "docs" / "accounts.yaml")
ASKED = ["--account", ACCOUNT, "--metric", "late_shipment_rate", "--as-of", DAY, "--data", "{store}"]
TABLE: dict[str, list[Step]] = {
    "import": [
        ["{raw}/first", "--account", ACCOUNT, "--data", "{store}"],
        ["{raw}/second", "--account", ACCOUNT, "--data", "{store}"],
        ["{raw}", "--account", ACCOUNT, "--data", "{store}"],
    ],
    "pull": [["--accounts", ACCOUNTS_FILE, "--dry-run", "--data", "{store}"]],
    "accounts": [["--accounts", ACCOUNTS_FILE, "--data", "{store}"]],
    "scores": [["--as-of", DAY, "--data", "{store}"], ["--as-of", DAY, "--version", "0", "--data", "{store}"]],
    "report": [
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}"],
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}"],
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}", "--only-changed"],
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}", "--work", "{home}/work", "--self-contained"],
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}", "--separate"],
        ["--as-of", DAY, "--data", "{store}", "--out", "{reports}"],
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}", "--package", "--mail"],
        ["--month", MONTH, "--data", "{store}", "--out", "{reports}"],
    ],
    "check": [["--month", MONTH, "--data", "{store}"]],
    "bridge": [[*ASKED, "--from", "2026-09-30"]],
    "drivers": [ASKED],
    "standing": [["--as-of", DAY, "--data", "{store}"]],
    "reconcile": [["--account", ACCOUNT, "--as-of", DAY, "--data", "{store}"]],
    "outlook": [["--as-of", DAY, "--data", "{store}"]],
    "whatif": [[*ASKED, "--scenario", "{scenario}"]],
    "due": [["--as-of", DAY, "--data", "{store}"]],
    "todo": [["--as-of", DAY, "--data", "{store}"]],
    "event add": [[ACCOUNT, "2026-10-10", "new carrier", "--data", "{store}"]],
    "event list": [["--data", "{store}"]],
    "event effect": [["--as-of", DAY, "--data", "{store}"]],
    "event remove": [[ACCOUNT, "2026-10-10", "--data", "{store}"]],
    "rules": [["--on", DAY, "--marketplace", "US"]],
    "doctor": [["--data", "{store}"], ["--check", "--data", "{store}"], ["--account", ACCOUNT, "--data", "{store}"]],
    "lab": [[]],
    "dashboard": [["--data", "{store}"]],
    "store versions": [["--data", "{store}"]],
    "store check": [["--data", "{store}"]],
    "store compact": [["--data", "{store}"], Places.age, ["--data", "{store}"]],
    "store repair": [
        ["--data", "{store}"],
        Places.damage,
        ["--data", "{store}"],
        Places.repaired,
        ["--data", "{store}"],
    ],
    "store remove": [
        ["--file", "contacts.csv", "--yes", "--data", "{store}"],
        ["--account", ACCOUNT, "--yes", "--purge", "--data", "{store}"],
    ],
}
"""The runs of every command, in this order, and what happens between them. A new command needs a line here."""


def test_every_command_is_tried():
    assert set(TABLE) == {words for words, _ in commands()}


def own_files(places: Places) -> Iterator[Path]:
    """Files of the user's own: beside, inside and named like what the kit makes."""
    store, reports = places.store, places.reports
    for folder in (
        places.home / "data", store, store.with_name("store.bak"), store / "mine", store / "counts",
        *(store / "counts" / name for name in (
            "mine", "v12-abc", "v0-0", "v0-01234567-0123456789ab", "v1-89abcdef-0123456789ab", "counts/v1-a-b",
            ".hidden", ".writing-abc", f".writing-{OURS}",
        )),
        *(store / table.name for table in (*tables.RAW_TABLES, tables.REPORTS)),
        *(store / table.name / "mine" for table in (*tables.RAW_TABLES, tables.REPORTS)),
        store / "orders" / "_delta_log", store / "orders" / "_delta_log" / "mine",
        store / f"healthkit-batch-{OURS}", store / ".press-123-host-x",
        reports, reports / "mine", reports / MONTH, reports / MONTH / "mine", reports / "2026-09",
        reports / MONTH / f".press-{GONE}-{HOST}-" / "excerpt", reports / MONTH / ".press-123-host-x",
        reports / MONTH / f".healthkit-part-{OURS}",
        places.home / "work", places.home / "work" / f"healthkit-batch-{OURS}",
        *(places.temporary / f"healthkit-{kind}{end}" for kind in ("rows-", "press-", "batch-", "pdf-", "")
          for end in ("123-host-x", OURS, "mine")),
        places.cache / "healthkit", places.cache / "healthkit" / "stores" / "mine",
    ):  # fmt: skip
        yield from (folder / name for name in ("notes.txt", ".draft.part", ".x.part", "part", "7.json"))
    for folder in (store / "orders", store / "reports", store / "counts" / "v0-01234567-0123456789ab"):
        yield from (folder / name for name in (
            "mine.parquet", "part-00000-killed.parquet", "exposure.parquet",
            "part-00000-0d9f7c36-5a0e-4f6e-9a55-0c3de1f1a2b3-c000.snappy.parquet",
        ))  # fmt: skip
    yield store / "orders" / "_delta_log" / "my.checkpoint.parquet"
    for name in ("paper-moth_us.html.bak", "paper-moth_us.txt", "index.html.bak", "zebra_us.html", "vega.js.old"):
        yield reports / MONTH / name


def plant(places: Places) -> dict[Path, bytes]:
    """Write the user's files where there are none, and tell what they hold."""
    for path in own_files(places):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".parquet":
                pq.write_table(pa.table({"report": ["a"], "mine": [1]}), path)
            else:
                path.write_text(f"of the user's own: {path.name}")
            os.utime(path, (1_600_000_000, 1_600_000_000))
    return {path: path.read_bytes() for path in own_files(places)}


def plant_links(places: Places) -> list[Path]:
    """Folders of the user's own elsewhere, to which links lead that are named like folders of ours."""
    elsewhere = places.home / "elsewhere"
    script = (
        "import os, sys; from pathlib import Path; from healthkit.files import marked_folders\n"
        "made = marked_folders.make(Path(sys.argv[1]), 'healthkit-batch-')\n(made / 'excerpt').mkdir()\n"
        "(made / 'excerpt' / 'excerpt.json').write_text('mine')\nos.kill(os.getpid(), 9)"
    )
    elsewhere.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", script, str(elsewhere)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    [made] = elsewhere.iterdir()
    links = [places.temporary / made.name, places.store / "counts" / "v1-01234567-89abcdef0123"]
    links.append(places.reports / MONTH / f".healthkit-part-{OURS[:-1]}8")
    for link in links:
        link.symlink_to(made)
    return [made / marked_folders.MARKER_NAME, made / "excerpt" / "excerpt.json", *links]


@pytest.fixture
def places(tmp_path, monkeypatch) -> Places:
    made = Places(tmp_path)
    for number, path in enumerate(sorted((SAMPLE / ACCOUNT).iterdir())):
        folder = made.raw / ("second" if number else "first")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    made.scenario.write_text("- volume: {by: +20%, since: 2026-11-15}\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("TMPDIR", str(made.temporary))
    monkeypatch.setattr("tempfile.tempdir", str(made.temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(made.cache))
    monkeypatch.setattr(report_commands.subprocess, "call", lambda command, **how: 0)
    return made


@pytest.mark.slow
def test_what_is_the_user_s_own_survives_every_command(places):
    mine = plant(places)
    links = plant_links(places)
    mine |= {path: path.read_bytes() for path in [*places.raw.rglob("*.txt"), places.scenario, *links[:2]]}
    for words, steps in TABLE.items():
        for step in steps:
            if callable(step):
                step(places)
                continue
            given = [word.format_map(vars(places)) for word in step]
            shown = CliRunner().invoke(app, [*words.split(), *given])
            said = f"{words} {' '.join(given)}: {shown.output}"
            assert shown.exit_code in (0, 1, report_commands.EXIT_NOT_ALL_KNOWN), said
            assert shown.exception is None or isinstance(shown.exception, SystemExit), said
            lost = [str(path.relative_to(places.home)) for path, held in mine.items()
                    if not path.is_file() or path.read_bytes() != held]  # fmt: skip
            assert lost == [], said
            assert [path for path in links[2:] if not path.is_symlink()] == [], said
    # The commands did their work, so that something was there to be removed.
    assert (places.reports / MONTH / f"{ACCOUNT}_us.html").is_file()
    assert not places.damaged.exists()
