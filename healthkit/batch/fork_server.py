"""The fork server: a process that has everything loaded and forks itself once for every notebook.

It is a new process (never forked from its starter, whose threads would not survive), loads and warms what notebooks
need, and waits on a socket. A fork runs one notebook and ends, so nothing that a notebook changes is seen by the next.
The server itself runs nothing of theirs; it kills what is over its time, and says truthfully how each ended.

Requests and answers are lines of JSON. A fork writes what its cells showed to a file, line by line, so that what ran
before it was killed is known.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from json import dumps
from pathlib import Path
from typing import Any

from healthkit.batch import run_cells
from healthkit.batch.fork_client import EXIT_NO_MEMORY, EXIT_NO_SPACE
from healthkit.files import temp_folders

PDEATHSIG = 1
"""Linux's word for: kill this process when its parent ends."""


class ForkingProcess:
    """What the server knows: its client, its shell, and the forks that are running."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.shell = run_cells.new_shell()
        self.running: dict[int, dict[str, Any]] = {}
        self.unread = b""

    def serve(self) -> None:
        """Answer requests until the client is gone; then end every fork."""
        gc.collect()
        gc.freeze()
        # A fork lives for a second: looking for garbage now and then is enough.
        gc.set_threshold(100_000, 50, 100)
        wake_in, wake_out = os.pipe()
        for end in (wake_in, wake_out):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        waiting = selectors.DefaultSelector()
        waiting.register(self.client, selectors.EVENT_READ)
        waiting.register(wake_in, selectors.EVENT_READ)
        try:
            while True:
                ready = waiting.select(self._time_to_next_deadline())
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_in, 4096)
                self._report_ended_forks()
                self._kill_overdue_forks()
                if any(key.fileobj is self.client for key, _ in ready) and not self._read_requests():
                    return
        finally:
            for pid in self.running:
                _kill(pid)

    def _time_to_next_deadline(self) -> float | None:
        """How long until the next deadline."""
        ends = [held["ends"] for held in self.running.values() if held["ends"] is not None and not held["late"]]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _read_requests(self) -> bool:
        """Take in requests; False when the client is gone."""
        try:
            read = self.client.recv(1 << 16)
        except ConnectionError:
            return False
        if not read:
            return False
        *lines, self.unread = (self.unread + read).split(b"\n")
        for line in lines:
            self._start(json.loads(line))
        return True

    def _start(self, request: dict[str, Any]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._answer({"id": request["id"], "ended": "failed", "says": f"No process could be started: {error}."})
            return
        if pid == 0:
            self._run_in_fork(request)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        deadline = request.get("deadline")
        ends = None if deadline is None else time.monotonic() + deadline
        self.running[pid] = {"id": request["id"], "ends": ends, "late": False}

    def _report_ended_forks(self) -> None:
        """Say how every fork that ended did."""
        while self.running:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            held = self.running.pop(pid, None)
            # Whatever the notebook left running ends with it.
            _kill(pid)
            if held is not None:
                self._answer({
                    "id": held["id"], "late": held["late"],
                    "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                    "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
                    "cpu": round(used.ru_utime + used.ru_stime, 3), "peak_mib": used.ru_maxrss // 1024,
                })  # fmt: skip

    def _kill_overdue_forks(self) -> None:
        now = time.monotonic()
        for pid, held in self.running.items():
            if held["ends"] is not None and now >= held["ends"] and not held["late"]:
                held["late"] = True
                _kill(pid)

    def _answer(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.client.sendall(json.dumps(message).encode() + b"\n")

    def _run_in_fork(self, request: dict[str, Any]) -> None:
        """Run one notebook, and end this process whatever happens."""
        code = 1
        try:
            os.setpgid(0, 0)
            _die_with_parent()
            signal.set_wakeup_fd(-1)
            for name in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.SIG_DFL)
            self.client.close()
            if request.get("memory") is not None:
                most = _address_space_size() + int(request["memory"]) * (1 << 20)
                resource.setrlimit(resource.RLIMIT_AS, (most, most))
            os.chdir(request["folder"])
            with Path(request["told"]).open("w", encoding="utf-8") as file:

                def tell(what: dict[str, Any]) -> None:
                    file.write(dumps(what, ensure_ascii=False, default=str) + "\n")
                    file.flush()

                tell({"end": run_cells.run_cells(self.shell, [tuple(cell) for cell in request["cells"]], tell)})
            code = 0
        except MemoryError:
            code = EXIT_NO_MEMORY
        except OSError as error:
            code = EXIT_NO_SPACE if error.errno in _DISK_FULL_ERRORS else 1
        finally:
            temp_folders.remove_own()
            os._exit(code)


_DISK_FULL_ERRORS = (28, 122)
"""No space left on the device; the quota is used up."""


def _kill(pid: int) -> None:
    """Kill a fork and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """End when the server does, however that came; only Linux can promise that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)


def _address_space_size() -> int:
    """The address space that this process holds already. [bytes]"""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 1 << 32


def main() -> None:
    """Load, warm, serve: the socket's number and what to warm with come as arguments."""
    client = socket.socket(fileno=int(sys.argv[1]))
    server = ForkingProcess(client)
    warming = json.loads(sys.argv[2])
    begin = time.process_time()
    said = _warm(server, warming)
    spent = time.process_time()
    told = {"ready": os.getpid(), "warm_seconds": round(spent - begin, 3), "cpu": round(spent, 3), "says": said}
    client.sendall(json.dumps(told).encode() + b"\n")
    server.serve()
    if "folder" in warming:
        temp_folders.remove(Path(warming["folder"]))
    temp_folders.remove_own()
    # Nothing is left to tidy up, and some libraries complain of an end among what was loaded.
    os._exit(0)


def _warm(server: ForkingProcess, warmup: dict[str, Any]) -> str:
    """Run a notebook once in the server itself, so that what it loads and caches is there for every fork.

    Its names are taken back. What goes wrong here goes wrong in the fork too, where it is told.
    """
    said = ""
    for name in warmup.get("modules", []):
        __import__(name)

    def tell(what: dict[str, Any]) -> None:
        nonlocal said
        said = next((out["evalue"] for out in what.get("outputs", []) if out["output_type"] == "error"), said)

    if warmup.get("cells"):
        here = os.getcwd()
        run_cells.run_cells(server.shell, [tuple(cell) for cell in warmup["cells"]], tell)
        os.chdir(here)
        server.shell.reset(new_session=False)
        server.shell = run_cells.new_shell()
    return said


if __name__ == "__main__":
    main()
