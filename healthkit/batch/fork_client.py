"""A fork server of our own, from the side that asks: started when first needed, started again should it die."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from healthkit.files import temp_folders

MODULES = (
    "healthkit.report.blocks",
    "healthkit.report.model",
    "healthkit.batch",
    "healthkit.workspace.workspace",
    "nbformat",
)
"""What every report needs: loaded once, before the first fork."""
STOPPED = "stopped"
STATUSES = ("done", "failed", "timed out", "killed", "exited early", STOPPED)
CAN_FORK = hasattr(os, "fork") and hasattr(socket, "AF_UNIX")
PATIENCE = 120.0
"""A server that is not warm after so long is started without warming. [seconds]"""
AGAIN = 2
"""So often a notebook is begun again whose server died under it."""


class ForkError(RuntimeError):
    """The fork server could not be started."""


@dataclass(frozen=True)
class Ran:
    """How a notebook ended: its status, what is to be said of it, and what its cells showed, by their place.

    `running` is the place of the cell that was running when it did not end well; `cpu` seconds and `peak` [MiB] are the
    fork's own.
    """

    status: str
    says: str = ""
    shown: dict[int, dict[str, Any]] = field(default_factory=dict)
    running: int | None = None
    cpu: float = 0.0
    peak: int = 0


class ForkServer:
    """One fork server and the talk with it; several threads may ask at once."""

    def __init__(self, warming: dict[str, Any] | None = None, patience: float | None = None) -> None:
        ours, theirs = socket.socketpair()
        self.folder = temp_folders.make(temp_folders.PRESS)
        asked = {"modules": list(MODULES), "folder": str(self.folder)} | (warming or {})
        quiet = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        # Nobody's own start-up files, and none left behind where there is no home to write to.
        quiet["IPYTHONDIR"] = str(self.folder / "ipython")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "healthkit.batch.fork_server", str(theirs.fileno()), json.dumps(asked)],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=os.environ | quiet,
        )  # fmt: skip
        _started.add(self.process)
        if _stopped.is_set():  # After `stop` looked for servers to end.
            self.process.kill()
        theirs.close()
        self._client, self._lines = ours, ours.makefile("r", encoding="utf-8")
        self._lock, self._waiting, self._next = threading.Lock(), {}, 0  # type: ignore[var-annotated]
        self._gone = False
        try:
            self.begun = self._begin(patience)
        except BaseException:  # A signal as well: neither the process nor its folder may stay.
            self.process.kill()
            self.close()
            raise
        threading.Thread(target=self._hear, daemon=True).start()

    def _begin(self, patience: float | None) -> dict[str, Any]:
        """What the server says once it is ready. Raises ForkError where it dies before, or lets wait too long."""
        self._client.settimeout(patience)
        try:
            first = self._lines.readline()
        except OSError:
            first = ""
        if first:
            self._client.settimeout(None)
            return dict(json.loads(first))
        self.process.kill()
        raise ForkError(f"The fork server did not become ready (code {self.process.wait()}).")

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return not self._gone and self.process.poll() is None

    def run(
        self, cells: Sequence[tuple[int, str]], deadline: float | None = None, memory: int | None = None
    ) -> Ran | None:
        """Run the code cells of a notebook, each with its place, in a fork; None where the server itself died.

        `deadline` [seconds] and `memory` [MiB beyond what is loaded already] end it when they are passed.
        """
        with self._lock:
            self._next += 1
            number, answer = self._next, _Answer()
            self._waiting[number] = answer
        told = self.folder / f"{number}.jsonl"
        asked = {
            "id": number, "cells": list(cells), "told": str(told), "deadline": deadline, "memory": memory,
            "folder": os.getcwd(),
        }  # fmt: skip
        try:
            with self._lock:
                self._client.sendall(json.dumps(asked).encode() + b"\n")
            if not self._gone:
                answer.come.wait()
        except OSError:
            self._gone = True
        finally:
            self._waiting.pop(number, None)
        if answer.told is None:
            return None
        try:
            return _ran(answer.told, _lines(told), deadline, memory)
        finally:
            told.unlink(missing_ok=True)

    def _hear(self) -> None:
        """Hand answers to those who wait for them; when the server is gone, so are all answers."""
        with contextlib.suppress(OSError, ValueError):
            for line in self._lines:
                told = json.loads(line)
                held = self._waiting.get(told["id"])
                if held is not None:
                    held.told = told
                    held.come.set()
        self._gone = True
        for held in list(self._waiting.values()):
            held.come.set()

    def close(self) -> None:
        """End the server and every fork."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._client.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _started.discard(self.process)
        temp_folders.remove(self.folder)


class _Answer:
    """What one who asked waits for."""

    def __init__(self) -> None:
        self.come = threading.Event()
        self.told: dict[str, Any] | None = None


def _lines(path: Path) -> list[dict[str, Any]]:
    """What a fork told, as far as it came; a line that was cut off is none."""
    held = []
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                held.append(json.loads(line))
    return held


def _ran(ended: dict[str, Any], lines: list[dict[str, Any]], deadline: float | None, memory: int | None) -> Ran:
    """How a notebook ended, from what its fork told and what the server saw of it."""
    shown = {line["cell"]: line for line in lines if "cell" in line}
    running = next((line["start"] for line in reversed(lines) if "start" in line and line["start"] not in shown), None)
    cost = {"cpu": ended.get("cpu", 0.0), "peak": ended.get("peak_mib", 0)}
    end = next((line["end"] for line in lines if "end" in line), None)
    if ended.get("ended"):
        return Ran("failed", ended["says"], shown, running, **cost)
    if end is not None and not ended["late"] and not ended["signal"]:
        return Ran(end, "", shown, None, **cost)
    if ended["late"]:
        return Ran("timed out", f"It was not done after {deadline:g} seconds and was ended.", shown, running, **cost)
    if ended["signal"]:
        return Ran("killed", _by_signal(ended["signal"]), shown, running, **cost)
    if ended["code"] == NO_MEMORY:
        return Ran(
            "killed", f"It needed more than the {memory} MiB of memory that it may have.", shown, running, **cost
        )
    if ended["code"] == NO_SPACE:
        return Ran("failed", "There is no space left on the disk.", shown, running, **cost)
    says = f"Its process left with code {ended['code']} before the last cell was done."
    return Ran("exited early", says, shown, running, **cost)


NO_MEMORY, NO_SPACE = 71, 72
"""Exit codes by which a fork says why it could not tell more."""


def _by_signal(number: int) -> str:
    names = {9: "as happens when the machine runs out of memory, or by hand", 11: "by an error in compiled code",
             6: "by an error in compiled code"}  # fmt: skip
    return f"Its process was killed by signal {number}, {names.get(number, 'from outside')}."


# -- the one of this process ----------------------------------------------------------------------------------

_here: ForkServer | None = None
_warming: dict[str, Any] | None = None
_starting = threading.Lock()
_stopped = threading.Event()
_started: set[subprocess.Popen[bytes]] = set()
"""The servers that run, or are being warmed."""


def warm_with(warming: dict[str, Any] | None) -> None:
    """What the server of this process is warmed with when it is started next."""
    global _warming
    _warming = warming
    _stopped.clear()


def stop() -> None:
    """End the fork server of this process, and start nothing until it is said with what to warm the next."""
    _stopped.set()
    if _starting.locked():
        # One that is still being warmed would be waited for.
        for process in list(_started):
            process.kill()
    close()


def is_stopped() -> bool:
    """Whether the batch of this process was stopped, and nothing is to begin any more."""
    return _stopped.is_set()


def warm_unless_warm(warming: Callable[[], dict[str, Any]]) -> None:
    """Say what the server of this process is warmed with, unless it was said: a worker learns it from its first job."""
    global _warming
    with _starting:
        if _warming is None and _here is None:
            _warming = warming()


def here() -> ForkServer:
    """The fork server of this process, started where there is none that lives."""
    global _here
    with _starting:
        if _here is None or not _here.alive:
            if _here is not None:
                _here.close()
            try:
                _here = ForkServer(_warming, PATIENCE)
            except ForkError:
                # Its warming killed it, or hangs. Without, what is wrong is told of the notebook that it is wrong in.
                if _stopped.is_set():
                    raise
                _here = ForkServer()
        return _here


def run(cells: Sequence[tuple[int, str]], deadline: float | None = None, memory: int | None = None) -> Ran:
    """Run a notebook in a fork of this process's server; should the server die, in one of the next."""
    for _ in range(AGAIN + 1):
        if _stopped.is_set():
            break
        try:
            ran = here().run(cells, deadline, memory)
        except ForkError:
            if not _stopped.is_set():
                raise
            continue
        if ran is not None:
            return ran
    if _stopped.is_set():
        return Ran(STOPPED, "The batch was stopped before it was done.")
    return Ran("killed", f"The fork server died under it {AGAIN + 1} times.")


def close() -> None:
    """End the fork server of this process, if there is one."""
    global _here
    with _starting:
        if _here is not None:
            _here.close()
            _here = None


atexit.register(close)
