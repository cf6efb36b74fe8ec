"""Fork server: a process that loads everything once and forks itself for every notebook.

The client starts it as a new process (a fork of the client would lose the client's threads). It imports and warms what
notebooks need and then waits for work, so that a fork costs milliseconds. Each fork runs one notebook and exits:
nothing that a notebook changes is seen by the next one. The server itself runs no notebook after the warm-up. Only
notebooks that the client calls shared run one after another in the same fork, as long as each ends well, because the
memory that a fork copies costs as much as a tenth of a page.

Protocol: for each fork the client sends one byte and a connection over the control socket. The fork reads a request
from the connection (a line of JSON) and writes an event for each cell. When the fork has ended, the server adds a last
event that says how, and shuts the connection down; a fork that waits for another request writes the last event itself.
A client that closes a connection ends its fork.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from healthkit.batch import run_cells
from healthkit.batch.fork_client import EXIT_NO_MEMORY, EXIT_NO_SPACE
from healthkit.files import temp_folders

PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl that sets the signal which a process gets when its parent ends."""
MAX_NOTEBOOKS = 16
"""Most notebooks that one fork runs."""
MAX_GROWTH_MIB = 256
"""Growth of the address space after which a fork takes no further notebook. [MiB]"""
_DISK_FULL_ERRORS = (28, 122)
"""Numbers of the errors ENOSPC (no space left on the device) and EDQUOT (quota exceeded)."""


class ForkingProcess:
    """The server itself, which runs notebooks in forks and reports how the fork ended.

    `control` is its control socket and `shell` its IPython shell. `running` has the connection of each fork by process
    id.
    """

    def __init__(self, control: socket.socket, shell: InteractiveShell) -> None:
        self.control, self.shell = control, shell
        self.running: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Start a fork for each connection until the client closes the control socket; then end all forks."""
        gc.collect()
        gc.freeze()
        # A fork lives for a second, so rare collections are enough.
        gc.set_threshold(100_000, 50, 100)
        child_ended, wake = os.pipe()
        for end in (child_ended, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(child_ended, select.POLLIN)
        try:
            while True:
                for number, _ in poller.poll():
                    if number == child_ended:
                        os.read(child_ended, 4096)
                    elif number != self.control.fileno():
                        poller.unregister(number)
                        self._kill_fork_of(number)
                    elif (connection := self._accept()) is None:
                        return
                    elif self._start(connection):
                        # No event is asked for, so poll reports only that the client has closed its end.
                        poller.register(connection, 0)
                for connection in self._report_ended_forks():
                    with suppress(KeyError):
                        poller.unregister(connection)
                    connection.close()
        finally:
            for pid in self.running:
                _kill_group(pid)
            with suppress(ChildProcessError):  # Wait, so that none outlives the server.
                while True:
                    os.wait()

    def _accept(self) -> socket.socket | None:
        """Return the next connection from the control socket; None when the client is gone."""
        try:
            _, numbers, _, _ = socket.recv_fds(self.control, 1, 1)
        except ConnectionError:
            return None
        return socket.socket(fileno=numbers[0]) if numbers else None

    def _start(self, connection: socket.socket) -> bool:
        """Fork for one connection; return False when no process can be made."""
        try:
            pid = os.fork()
        except OSError as error:
            _send_last_event(connection, {"error": f"No process could be started: {error}."})
            connection.close()
            return False
        if pid == 0:
            self._run_in_fork(connection)
        with suppress(OSError):
            os.setpgid(pid, pid)
        self.running[pid] = connection
        return True

    def _kill_fork_of(self, number: int) -> None:
        """Kill the fork whose connection has this file descriptor."""
        for pid, connection in self.running.items():
            if connection.fileno() == number:
                _kill_group(pid)

    def _report_ended_forks(self) -> list[socket.socket]:
        """Send the last event of every fork that has ended; return their connections."""
        ended = []
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                # Processes that the notebook started end with it.
                _kill_group(pid)
                if pid in self.running:
                    ended.append(self.running.pop(pid))
                    _send_last_event(ended[-1], {
                        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
                        "peak_mib": usage.ru_maxrss // 1024,
                    })  # fmt: skip
        return ended

    def _run_in_fork(self, connection: socket.socket) -> None:
        """Run the notebooks of a connection in this process, a fork, and end the process in any case."""
        code = 1
        try:
            os.setpgid(0, 0)
            _die_with_parent()
            signal.set_wakeup_fd(-1)
            for name in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.SIG_DFL)
            for other in (self.control, *self.running.values()):
                other.close()
            with connection.makefile("r", encoding="utf-8") as requests:
                self._run_notebooks(map(json.loads, requests), connection)
            code = 0
        except MemoryError:
            code = EXIT_NO_MEMORY
        except OSError as error:
            code = EXIT_NO_SPACE if error.errno in _DISK_FULL_ERRORS else 1
        finally:
            temp_folders.remove_own()
            os._exit(code)

    def _run_notebooks(self, requests: Iterator[dict[str, Any]], connection: socket.socket) -> None:
        """Run the notebook of the first request, and those of later ones as long as this process may be shared."""
        begin, names = _address_space_size(), dict(self.shell.user_ns)

        def send(event: dict[str, Any], dumps: Any = json.dumps) -> None:
            connection.sendall(dumps(event, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n")

        for number, request in enumerate(requests, 1):
            if number > 1:
                _reset_peak_memory()
            elif request["memory"] is not None:
                limit = begin + int(request["memory"]) * (1 << 20)
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            os.chdir(request["folder"])
            status = run_cells.run_cells(self.shell, [tuple(cell) for cell in request["cells"]], send)
            send({"end": status})
            has_grown = _address_space_size() - begin > MAX_GROWTH_MIB * (1 << 20)
            if status != "done" or not request["is_shared"] or number == MAX_NOTEBOOKS or has_grown:
                return
            peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            send({"exit": {"signal": 0, "code": 0, "peak_mib": peak_mib, "is_waiting": True}})
            self.shell.user_ns.clear()
            self.shell.user_ns.update(names)
            gc.collect()


def _send_last_event(connection: socket.socket, event: dict[str, Any]) -> None:
    """Send how a fork ended and shut the connection down; the line before it may have been cut off."""
    with suppress(OSError):
        connection.sendall(b"\n" + json.dumps({"exit": event}).encode() + b"\n")
        connection.shutdown(socket.SHUT_RDWR)


def _kill_group(pid: int) -> None:
    """Kill a fork and all processes of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """Make this process end when the server ends for any reason; only Linux offers that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _reset_peak_memory() -> None:
    """Reset the peak of the memory that this process used; only Linux offers that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _address_space_size() -> int:
    """Return the address space that this process uses now. [bytes]"""
    with suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 1 << 32


def main() -> None:
    """Warm up, then serve until the client closes the control socket.

    The command-line arguments are the file descriptor of the control socket and the warm-up as JSON.
    """
    control, warmup = socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2])
    shell = _warm_up(warmup)
    control.sendall(b"\n")
    ForkingProcess(control, shell).serve()
    temp_folders.remove(Path(warmup["folder"]))
    temp_folders.remove_own()
    # Some of the loaded libraries print warnings when the interpreter shuts down.
    os._exit(0)


def _warm_up(warmup: dict[str, Any]) -> InteractiveShell:
    """Import modules and run cells once, so that every fork finds their caches filled; return a fresh shell.

    Errors are ignored here: they recur in the fork, which reports them.
    """
    for name in warmup["modules"]:
        __import__(name)
    shell = run_cells.new_shell()
    if warmup.get("cells"):
        here = os.getcwd()
        run_cells.run_cells(shell, [tuple(cell) for cell in warmup["cells"]], lambda _: None)
        os.chdir(here)
        shell.reset(new_session=False)
        shell = run_cells.new_shell()
    return shell


if __name__ == "__main__":
    main()
