"""Nobody's data on disk: markers stand wherever a file has what the kit does not read, and are found nowhere after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from healthkit.cli import report_commands
from healthkit.ingest.parsing.detect import detect_document_kind, detect_kind
from healthkit.ingest.parsing.encodings import first_lines
from tests.builders.processes import run_healthkit
from tests.builders.sample import SAMPLE
from tests.builders.written_texts import texts

ACCOUNTS = ("applegate-plants", "lantern-hill-lighting")
MARK = "planted-marker-93f0c2"


def planted(content: bytes) -> bytes:
    """The file with the marker in every cell of every column that its reader leaves outside: names, addresses, more."""
    if detect_document_kind(content) is not None:
        return content
    kind, delimiter = detect_kind(first_lines(content))
    header, *rows = content.decode().splitlines()
    left = [
        at
        for at, name in enumerate(kind.normalize_header(header, delimiter))
        if name not in (*kind.required_columns, *kind.optional_columns)
    ]
    if kind.by_hand or kind.quoted or not left:
        return content
    lines = [header]
    for row in rows:
        cells = row.split(delimiter)
        for at in left:
            if at < len(cells):
                cells[at] = f"{MARK} {at}"
        lines.append(delimiter.join(cells))
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="module")
def used(tmp_path_factory) -> tuple[Path, str]:
    """Everything that a month's work writes and says, with the kit's temporary files kept where they can be seen."""
    work = tmp_path_factory.mktemp("privacy")
    many = 0
    for account in ACCOUNTS:
        for path in sorted((SAMPLE / account).iterdir()):
            content = planted(path.read_bytes())
            many += content.count(MARK.encode())
            (work / "raw" / account).mkdir(parents=True, exist_ok=True)
            (work / "raw" / account / path.name).write_bytes(content)
    assert many > 10_000
    # One file that is refused for a cell beside the markers.
    [spoilt, *_] = sorted((work / "raw" / ACCOUNTS[0]).glob("all_orders*.txt"))
    lines = spoilt.read_bytes().replace(b"Shipped\t", MARK.encode() + b" Jane Roe\t", 1)
    (work / "raw" / ACCOUNTS[0] / "spoilt.txt").write_bytes(lines)
    out = work / "out"
    # There is no home, as in a container.
    (out / "tmp").mkdir(parents=True)
    told = os.environ | {"TMPDIR": str(out / "tmp"), "HOME": str(out / "home"), "XDG_CACHE_HOME": str(out / "cache")}
    store, said = str(out / "store"), ""
    for words in (
        ("import", str(work / "raw"), "--data", store),
        ("scores", "--as-of", "2026-10-31", "--data", store, "--format", "csv"),
        ("report", "--month", "2026-10", "--data", store, "--out", str(out / "reports")),
        ("reconcile", "--account", ACCOUNTS[0], "--as-of", "2026-10-31", "--data", store),
        ("store", "check", "--data", store),
        ("doctor", "--data", store),
    ):
        ran = run_healthkit("--log", "debug", *words, env=told)
        assert "Traceback" not in ran.stderr, ran.stderr
        assert ran.returncode in (0, 1), (words, ran.stderr)
        said += ran.stdout + ran.stderr
    return out, said


def test_the_kit_wrote_what_it_was_asked_for(used):
    out, said = used
    assert len(list((out / "reports").rglob("*.html"))) >= 3
    assert "spoilt.txt: row" in said
    # What is told of the work while it is done is searched as well.
    assert " INFO healthkit.store.store: " in said
    assert " WARNING healthkit.ingest.importer: refused: " in said


def test_no_marker_is_on_disk(used):
    out, _ = used
    assert [str(path.relative_to(out)) for path, text in texts(out) if MARK in text] == []


def test_no_marker_is_said(used):
    _, said = used
    assert MARK not in said
    assert "Jane Roe" not in said


def test_no_temporary_file_is_left(used):
    out, _ = used
    left = [path for path in (out / "tmp").rglob("*") if path.is_file()]
    assert left == []


def test_jupyterlab_listens_to_this_machine_alone_and_keeps_its_token(monkeypatch):
    asked: list[list[str]] = []
    monkeypatch.setattr(report_commands.subprocess, "call", lambda command: asked.append(command) or 0)
    monkeypatch.chdir(SAMPLE.parent.parent)

    class Context:
        args: tuple[str, ...] = ("--no-browser",)

    with pytest.raises(report_commands.typer.Exit):
        report_commands.lab(Context())
    [command] = asked
    assert "--ServerApp.ip=127.0.0.1" in command
    assert not any("token" in word or "password" in word for word in command)
