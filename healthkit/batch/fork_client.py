"""Client of the fork server: starts it when it is first needed, and again when it died."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from healthkit.files import temp_folders

PRELOADED_MODULES = (
    "healthkit.report.html.account",
    "healthkit.report.html.reconciliation",
    "healthkit.report.html.report",
    "healthkit.report.model",
    "healthkit.batch.report_data",
    "healthkit.workspace.workspace",
)
"""Modules that the server imports before the first fork, because every report needs them."""
STOPPED = "stopped"
STATUSES = ("done", "failed", "timed out", "killed", "exited early", STOPPED)
"""Statuses with which a notebook can end."""
CAN_FORK = hasattr(os, "fork") and hasattr(socket, "AF_UNIX")
"""Whether this machine can run a fork server; if not, papermill's own engine runs the notebooks."""
START_TIMEOUT = 120.0
"""Time limit of the warm-up, after which the server is restarted without a warm-up. [seconds]"""
RETRIES = 2
"""Number of times that a notebook is retried after the server died while running it."""
WAITING_END = b'"is_waiting": true}}\n'
"""End of the last event of a notebook whose fork waits for another one; no event of a cell ends like this."""
EXIT_NO_MEMORY, EXIT_NO_SPACE = 71, 72
"""Exit codes of a fork that ran out of memory or of disk space."""


class ForkError(RuntimeError):
    """Raised if the fork server cannot be started."""


@dataclass(frozen=True)
class RunResult:
    """Result of running a notebook: its status, a message, and the outputs of its cells by position.

    `status` is one of STATUSES; `message` is empty if the status is "done". `running_cell` is the position of the cell
    that was running when the notebook ended early; `peak_mib` is the most memory that its process used [MiB].
    """

    status: str
    message: str = ""
    cell_outputs: dict[int, dict[str, Any]] = field(default_factory=dict)
    running_cell: int | None = None
    peak_mib: int = 0


class ForkServer:
    """A fork server process, in which several threads can run notebooks at the same time."""

    def __init__(self, warmup: dict[str, Any] | None = None, timeout: float | None = None) -> None:
        self._control, server_end = socket.socketpair()
        self._is_lost = False
        self._waiting_forks: dict[int | None, list[socket.socket]] = defaultdict(list)
        self.folder = temp_folders.make(temp_folders.WORKER_PREFIX)
        arguments = {"modules": list(PRELOADED_MODULES), "folder": str(self.folder)} | (warmup or {})
        environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        # Keep the user's start-up files out, and work where no home folder can be written.
        environment["IPYTHONDIR"] = str(self.folder / "ipython")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "healthkit.batch.fork_server", str(server_end.fileno()), json.dumps(arguments)],
            pass_fds=[server_end.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env=os.environ | environment,
        )  # fmt: skip
        _server_processes.add(self.process)
        if _stop_requested.is_set():  # `stop_server` may have looked for processes just before this one started.
            self.process.kill()
        server_end.close()
        try:
            self._wait_until_ready(timeout)
        except BaseException:  # A signal too must leave neither the process nor its folder.
            self.process.kill()
            self.close()
            raise

    def _wait_until_ready(self, timeout: float | None) -> None:
        """Wait for the end of the warm-up. Raises ForkError if the server dies before, or after `timeout` [seconds]."""
        self._control.settimeout(timeout)
        with suppress(OSError):
            if self._control.recv(1):
                self._control.settimeout(None)
                return
        self.process.kill()
        raise ForkError(f"The fork server did not become ready (code {self.process.wait()}).")

    @property
    def alive(self) -> bool:
        """Whether the server can run notebooks."""
        return not self._is_lost and self.process.poll() is None

    def run(
        self,
        cells: Sequence[tuple[int, str]],
        deadline: float | None = None,
        memory: int | None = None,
        is_shared: bool = False,
    ) -> RunResult | None:
        """Run the given code cells in a fork and return the result; None if the server died.

        A cell is a pair (position, source). The fork is killed `deadline` [seconds] after its first cell began. It may
        use `memory` [MiB] beyond what the server has loaded. With `is_shared` it may be a fork that ran other shared
        notebooks before; if this one then ends in any other way than "done", it is run again in a new fork, because an
        earlier one may be the cause.
        """
        request = {"cells": list(cells), "memory": memory, "folder": os.getcwd(), "is_shared": is_shared}
        forks = self._waiting_forks[memory]
        with suppress(IndexError):  # Other threads take forks, too.
            result = self._run_in(forks.pop(), request, deadline) if is_shared else None
            if result is not None and result.status == "done":
                return result
        connection, server_end = socket.socketpair()
        with server_end, suppress(OSError):
            socket.send_fds(self._control, [b"\n"], [server_end.fileno()])
        return self._run_in(connection, request, deadline)

    def _run_in(self, connection: socket.socket, request: dict[str, Any], deadline: float | None) -> RunResult | None:
        """Run a notebook in the fork with this connection, as `run` does; a fork that can be used again is kept."""
        received, is_waiting, timed_out = bytearray(), False, False
        latest: float | None = None
        try:
            with suppress(OSError):  # A server that could not fork has sent why and closed the connection.
                connection.settimeout(None)
                connection.sendall(json.dumps(request).encode() + b"\n")
            while not is_waiting and (data := _receive(connection, latest)):
                received += data
                is_waiting = received.endswith(WAITING_END)
                if latest is None and deadline is not None:  # The time runs from the first cell on.
                    latest = time.monotonic() + deadline
        except TimeoutError:
            timed_out = True  # The server kills the fork when the connection closes.
        except OSError:
            pass
        finally:
            if is_waiting:
                self._waiting_forks[request["memory"]].append(connection)
            else:
                connection.close()
        events = _parse_events(received)
        if not timed_out and not (events and "exit" in events[-1]):
            self._is_lost = True
            return None
        return _make_run_result(events, deadline if timed_out else None, request["memory"])

    def close(self) -> None:
        """Stop the server and all of its forks."""
        self._control.close()
        for connection in itertools.chain.from_iterable(self._waiting_forks.values()):
            connection.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _server_processes.discard(self.process)
        temp_folders.remove(self.folder)


def _receive(connection: socket.socket, latest: float | None) -> bytes:
    """Return the next bytes, empty at the end. Raises TimeoutError at `latest` on the monotonic clock [seconds]."""
    connection.settimeout(None if latest is None else max(0.001, latest - time.monotonic()))
    return connection.recv(1 << 16)


def _parse_events(received: bytearray) -> list[dict[str, Any]]:
    """Return the events of a fork; a line that was cut off when the fork was killed is skipped."""
    events = []
    for line in received.split(b"\n"):
        with suppress(ValueError):
            events.append(json.loads(line))
    return events


def _make_run_result(events: list[dict[str, Any]], passed_deadline: float | None, memory: int | None) -> RunResult:
    """Return how a notebook ended, from the events of its fork and of the server."""
    outputs = {event["cell"]: event for event in events if "cell" in event}
    started = [event["start"] for event in events if "start" in event and event["start"] not in outputs]
    running = started[-1] if started else None
    if passed_deadline is not None:
        message = f"It was not done after {passed_deadline:g} seconds and was ended."
        return RunResult("timed out", message, outputs, running)
    end = next((event["end"] for event in events if "end" in event), None)
    last = events[-1]["exit"]
    if "error" in last:
        return RunResult("failed", last["error"], outputs, running)
    if last["signal"]:
        status, message = "killed", _describe_signal(last["signal"])
    elif end is not None:
        status, message, running = end, "", None
    elif last["code"] == EXIT_NO_MEMORY:
        status, message = "killed", f"It needed more than the {memory} MiB of memory that it may have."
    elif last["code"] == EXIT_NO_SPACE:
        status, message = "failed", "There is no space left on the disk."
    else:
        status, message = "exited early", f"Its process left with code {last['code']} before the last cell was done."
    return RunResult(status, message, outputs, running, last["peak_mib"])


def _describe_signal(number: int) -> str:
    causes = {9: "as happens when the machine runs out of memory, or by hand", 11: "by an error in compiled code",
              6: "by an error in compiled code"}  # fmt: skip
    return f"Its process was killed by signal {number}, {causes.get(number, 'from outside')}."


# -- the server of this process -------------------------------------------------------------------------------

_server: ForkServer | None = None
_warmup: dict[str, Any] | None = None
_start_lock = threading.Lock()
_stop_requested = threading.Event()
_server_processes: set[subprocess.Popen[bytes]] = set()
"""Processes of servers that run or are warming up."""


def set_warmup(warmup: dict[str, Any] | None) -> None:
    """Set the warm-up of the next server that is started: the `modules` to import and the `cells` to run."""
    global _warmup
    _warmup = warmup
    _stop_requested.clear()


def stop_server() -> None:
    """Stop the fork server of this process; no server is started again until `set_warmup` is called."""
    _stop_requested.set()
    if _start_lock.locked():
        # Do not wait for the end of a warm-up.
        for process in list(_server_processes):
            process.kill()
    close_server()


def is_stop_requested() -> bool:
    """Return whether `stop_server` was called, after which no new notebook or browser may be started."""
    return _stop_requested.is_set()


def set_warmup_if_unset(make_warmup: Callable[[], dict[str, Any]]) -> None:
    """Set the warm-up that `make_warmup` returns, unless a warm-up is set or a server is running already."""
    global _warmup
    with _start_lock:
        if _warmup is None and _server is None:
            _warmup = make_warmup()


def get_server() -> ForkServer:
    """Return the fork server of this process; start a server if none is running."""
    global _server
    with _start_lock:
        if _server is None or not _server.alive:
            if _server is not None:
                _server.close()
            try:
                _server = ForkServer(_warmup, START_TIMEOUT)
            except ForkError:
                # The warm-up killed the server or hangs. Without it, the notebook that is wrong reports the error.
                if _stop_requested.is_set():
                    raise
                _server = ForkServer()
        return _server


def run_notebook(
    cells: Sequence[tuple[int, str]],
    deadline: float | None = None,
    memory: int | None = None,
    is_shared: bool = False,
) -> RunResult:
    """Run the given code cells in the fork server of this process; if the server dies, retry in a new server.

    The arguments are those of `ForkServer.run`.
    """
    for _ in range(RETRIES + 1):
        if _stop_requested.is_set():
            break
        try:
            result = get_server().run(cells, deadline, memory, is_shared)
        except ForkError:
            if not _stop_requested.is_set():
                raise
            continue
        if result is not None:
            return result
    if _stop_requested.is_set():
        return RunResult(STOPPED, "The batch was stopped before it was done.")
    return RunResult("killed", f"The fork server died under it {RETRIES + 1} times.")


def close_server() -> None:
    """Stop the fork server of this process, if one is running."""
    global _server
    with _start_lock:
        if _server is not None:
            _server.close()
            _server = None


atexit.register(close_server)
