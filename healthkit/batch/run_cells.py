"""Runs the cells of a notebook in an IPython shell of this process, and reports each one as it ends.

The outputs of a cell are those that a kernel would send: its streams, what it displays, and its last value.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

EventHandler = Callable[[dict[str, Any]], None]
EXITED_EARLY = "exited early"


def new_shell() -> InteractiveShell:
    """Return a new IPython shell with an empty namespace.

    The shell replaces `__main__`, so call this only in a process that does nothing else.
    """
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(user_ns={"__name__": "__main__"}, colors="nocolor")
    if shell.history_manager is not None:
        shell.history_manager.enabled = False
    shell.separate_in = ""
    return shell


def run_cells(shell: InteractiveShell, cells: Sequence[tuple[int, str]], on_event: EventHandler) -> str:
    """Run the given cells until one fails; return "done", "failed" or "exited early".

    A cell is a pair (position, source). `on_event` gets `{"start": position}` before a cell and `{"cell": position,
    "count": n, "outputs": [...]}` after it.
    """
    for number, (position, source) in enumerate(cells, 1):
        on_event({"start": position})
        capture = _OutputCapture(shell, number)
        with capture:
            result = shell.run_cell(source, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        outputs = [*capture.outputs, *([] if error is None else [_error_output(shell, error)])]
        on_event({"cell": position, "count": number, "outputs": outputs})
        if error is not None:
            return EXITED_EARLY if isinstance(error, SystemExit) else "failed"
    return "done"


class _CapturedStream(io.TextIOBase):
    """Text stream that appends what a cell writes to the outputs, joined with the output before of the same name."""

    def __init__(self, name: str, outputs: list[dict[str, Any]]) -> None:
        self.stream_name, self.outputs = name, outputs

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        last = self.outputs[-1] if self.outputs else {}
        if last.get("name") == self.stream_name:
            last["text"] += text
        elif text:
            self.outputs.append({"output_type": "stream", "name": self.stream_name, "text": text})
        return len(text)


class _CapturingPublisher(DisplayPublisher):
    """Display publisher that appends to a list of outputs."""

    def __init__(self, outputs: list[dict[str, Any]]) -> None:
        super().__init__()
        self.outputs = outputs

    def publish(self, data: Any, metadata: Any = None, *_: Any, **__: Any) -> None:
        self.outputs.append({"output_type": "display_data", "data": dict(data), "metadata": dict(metadata or {})})


class _OutputCapture:
    """Context manager that collects the outputs of a cell in their order."""

    def __init__(self, shell: InteractiveShell, number: int) -> None:
        self.shell, self.number = shell, number
        self.outputs: list[dict[str, Any]] = []

    def __enter__(self) -> None:
        self._streams = (
            redirect_stdout(_CapturedStream("stdout", self.outputs)),
            redirect_stderr(_CapturedStream("stderr", self.outputs)),
        )
        for stream in self._streams:
            stream.__enter__()
        self._publisher, self._hook = self.shell.display_pub, self.shell.display_trap.hook
        self.shell.display_pub, self.shell.display_trap.hook = _CapturingPublisher(self.outputs), self._capture_value
        # Errors become outputs, so the shell must not print them.
        self.shell._showtraceback = _show_no_traceback  # type: ignore[method-assign,assignment]

    def __exit__(self, *_: object) -> None:
        self.shell.display_pub, self.shell.display_trap.hook = self._publisher, self._hook
        for stream in self._streams:
            stream.__exit__(None, None, None)

    def _capture_value(self, value: Any) -> None:
        """Append the value of the last line of a cell."""
        if value is None:
            return
        self.shell.user_ns["_"] = value
        assert self.shell.display_formatter is not None
        data, metadata = self.shell.display_formatter.format(value)
        if data:
            self.outputs.append({
                "output_type": "execute_result", "execution_count": self.number, "data": data, "metadata": metadata,
            })  # fmt: skip


def _show_no_traceback(*_: Any) -> None:
    """Print no traceback."""


def _error_output(shell: InteractiveShell, error: BaseException) -> dict[str, Any]:
    """Return the error of a cell as an output for papermill; SystemExit is an error too."""
    if isinstance(error, SystemExit):
        message = f"The notebook left early, by sys.exit({error.code!r}); a report is whole only after its last cell."
        return {"output_type": "error", "ename": "SystemExit", "evalue": message, "traceback": [message]}
    lines = list(map(str, shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)))
    return {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": lines}
