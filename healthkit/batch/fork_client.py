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

PRELOADED_MODULES = (
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
START_TIMEOUT = 120.0
"""A server that is not warm after so long is started without warming. [seconds]"""
RETRIES = 2
"""So often a notebook is begun again whose server died under it."""


class ForkError(RuntimeError):
    """The fork server could not be started."""


@dataclass(frozen=True)
class RunResult:
    """How a notebook ended: its status, what is to be said of it, and what its cells showed, by their place.

    `running` is the place of the cell that was running when it did not end well; `cpu` seconds and `peak` [MiB] are the
    fork's own.
    """

    status: str
    says: str = ""
    shown: dict[int, dict[str, Any]] = field(default_factory=dict)
    running: int | None = None
    cpu_seconds: float = 0.0
    peak_mib: int = 0


class ForkServer:
    """One fork server and the talk with it; several threads may ask at once."""

    def __init__(self, warmup: dict[str, Any] | None = None, timeout: float | None = None) -> None:
        ours, theirs = socket.socketpair()
        self.folder = temp_folders.make(temp_folders.WORKER_PREFIX)
        asked = {"modules": list(PRELOADED_MODULES), "folder": str(self.folder)} | (warmup or {})
        quiet = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        # Nobody's own start-up files, and none left behind where there is no home to write to.
        quiet["IPYTHONDIR"] = str(self.folder / "ipython")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "healthkit.batch.fork_server", str(theirs.fileno()), json.dumps(asked)],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=os.environ | quiet,
        )  # fmt: skip
        _server_processes.add(self.process)
        if _stop_requested.is_set():  # After `stop` looked for servers to end.
            self.process.kill()
        theirs.close()
        self._client, self._lines = ours, ours.makefile("r", encoding="utf-8")
        self._lock, self._waiting, self._next_id = threading.Lock(), {}, 0  # type: ignore[var-annotated]
        self._is_lost = False
        try:
            self.begun = self._begin(timeout)
        except BaseException:  # A signal as well: neither the process nor its folder may stay.
            self.process.kill()
            self.close()
            raise
        threading.Thread(target=self._read_answers, daemon=True).start()

    def _begin(self, timeout: float | None) -> dict[str, Any]:
        """What the server says once it is ready. Raises ForkError where it dies before, or lets wait too long."""
        self._client.settimeout(timeout)
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
        return not self._is_lost and self.process.poll() is None

    def run(
        self, cells: Sequence[tuple[int, str]], deadline: float | None = None, memory: int | None = None
    ) -> RunResult | None:
        """Run the code cells of a notebook, each with its place, in a fork; None where the server itself died.

        `deadline` [seconds] and `memory` [MiB beyond what is loaded already] end it when they are passed.
        """
        with self._lock:
            self._next_id += 1
            number, answer = self._next_id, _PendingAnswer()
            self._waiting[number] = answer
        told = self.folder / f"{number}.jsonl"
        asked = {
            "id": number, "cells": list(cells), "told": str(told), "deadline": deadline, "memory": memory,
            "folder": os.getcwd(),
        }  # fmt: skip
        try:
            with self._lock:
                self._client.sendall(json.dumps(asked).encode() + b"\n")
            if not self._is_lost:
                answer.arrived.wait()
        except OSError:
            self._is_lost = True
        finally:
            self._waiting.pop(number, None)
        if answer.told is None:
            return None
        try:
            return _make_run_result(answer.told, _read_json_lines(told), deadline, memory)
        finally:
            told.unlink(missing_ok=True)

    def _read_answers(self) -> None:
        """Hand answers to those who wait for them; when the server is gone, so are all answers."""
        with contextlib.suppress(OSError, ValueError):
            for line in self._lines:
                told = json.loads(line)
                held = self._waiting.get(told["id"])
                if held is not None:
                    held.told = told
                    held.arrived.set()
        self._is_lost = True
        for held in list(self._waiting.values()):
            held.arrived.set()

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
        _server_processes.discard(self.process)
        temp_folders.remove(self.folder)


class _PendingAnswer:
    """What one who asked waits for."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.told: dict[str, Any] | None = None


def _read_json_lines(path: Path) -> list[dict[str, Any]]:
    """What a fork told, as far as it came; a line that was cut off is none."""
    held = []
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                held.append(json.loads(line))
    return held


def _make_run_result(
    answer: dict[str, Any], lines: list[dict[str, Any]], deadline: float | None, memory: int | None
) -> RunResult:
    """How a notebook ended, from what its fork told and what the server saw of it."""
    shown = {line["cell"]: line for line in lines if "cell" in line}
    running = next((line["start"] for line in reversed(lines) if "start" in line and line["start"] not in shown), None)
    cost = {"cpu_seconds": answer.get("cpu", 0.0), "peak_mib": answer.get("peak_mib", 0)}
    end = next((line["end"] for line in lines if "end" in line), None)
    if answer.get("ended"):
        return RunResult("failed", answer["says"], shown, running, **cost)
    if end is not None and not answer["late"] and not answer["signal"]:
        return RunResult(end, "", shown, None, **cost)
    if answer["late"]:
        return RunResult(
            "timed out", f"It was not done after {deadline:g} seconds and was ended.", shown, running, **cost
        )
    if answer["signal"]:
        return RunResult("killed", _describe_signal(answer["signal"]), shown, running, **cost)
    if answer["code"] == EXIT_NO_MEMORY:
        return RunResult(
            "killed", f"It needed more than the {memory} MiB of memory that it may have.", shown, running, **cost
        )
    if answer["code"] == EXIT_NO_SPACE:
        return RunResult("failed", "There is no space left on the disk.", shown, running, **cost)
    says = f"Its process left with code {answer['code']} before the last cell was done."
    return RunResult("exited early", says, shown, running, **cost)


EXIT_NO_MEMORY, EXIT_NO_SPACE = 71, 72
"""Exit codes by which a fork says why it could not tell more."""


def _describe_signal(number: int) -> str:
    names = {9: "as happens when the machine runs out of memory, or by hand", 11: "by an error in compiled code",
             6: "by an error in compiled code"}  # fmt: skip
    return f"Its process was killed by signal {number}, {names.get(number, 'from outside')}."


# -- the one of this process ----------------------------------------------------------------------------------

_server: ForkServer | None = None
_warmup: dict[str, Any] | None = None
_start_lock = threading.Lock()
_stop_requested = threading.Event()
_server_processes: set[subprocess.Popen[bytes]] = set()
"""The servers that run, or are being warmed."""


def set_warmup(warmup: dict[str, Any] | None) -> None:
    """What the server of this process is warmed with when it is started next."""
    global _warmup
    _warmup = warmup
    _stop_requested.clear()


def stop_server() -> None:
    """End the fork server of this process, and start nothing until it is said with what to warm the next."""
    _stop_requested.set()
    if _start_lock.locked():
        # One that is still being warmed would be waited for.
        for process in list(_server_processes):
            process.kill()
    close_server()


def is_stop_requested() -> bool:
    """Whether the batch of this process was stopped, and nothing is to begin any more."""
    return _stop_requested.is_set()


def set_warmup_if_unset(make_warmup: Callable[[], dict[str, Any]]) -> None:
    """Say what the server of this process is warmed with, unless it was said: a worker learns it from its first job."""
    global _warmup
    with _start_lock:
        if _warmup is None and _server is None:
            _warmup = make_warmup()


def get_server() -> ForkServer:
    """The fork server of this process, started where there is none that lives."""
    global _server
    with _start_lock:
        if _server is None or not _server.alive:
            if _server is not None:
                _server.close()
            try:
                _server = ForkServer(_warmup, START_TIMEOUT)
            except ForkError:
                # Its warming killed it, or hangs. Without, what is wrong is told of the notebook that it is wrong in.
                if _stop_requested.is_set():
                    raise
                _server = ForkServer()
        return _server


def run_notebook(
    cells: Sequence[tuple[int, str]], deadline: float | None = None, memory: int | None = None
) -> RunResult:
    """Run a notebook in a fork of this process's server; should the server die, in one of the next."""
    for _ in range(RETRIES + 1):
        if _stop_requested.is_set():
            break
        try:
            ran = get_server().run(cells, deadline, memory)
        except ForkError:
            if not _stop_requested.is_set():
                raise
            continue
        if ran is not None:
            return ran
    if _stop_requested.is_set():
        return RunResult(STOPPED, "The batch was stopped before it was done.")
    return RunResult("killed", f"The fork server died under it {RETRIES + 1} times.")


def close_server() -> None:
    """End the fork server of this process, if there is one."""
    global _server
    with _start_lock:
        if _server is not None:
            _server.close()
            _server = None


atexit.register(close_server)
