"""Run the cells of a notebook in this process, in an IPython shell, and tell each as it is done.

What a cell shows is kept as a kernel would send it: what it writes, what it displays, and the value of its last line.
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
    """A shell with no names; it takes the place of `__main__`, so a process that has other work wants none."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(user_ns={"__name__": "__main__"}, colors="nocolor")
    if shell.history_manager is not None:
        shell.history_manager.enabled = False
    shell.separate_in = ""
    return shell


def run_cells(shell: InteractiveShell, cells: Sequence[tuple[int, str]], on_event: EventHandler) -> str:
    """Run cells, each with its place in the notebook, until one fails; how it ended: done, failed or exited early.

    Told are `{"start": place}` before a cell, and after it `{"cell": place, "count": n, "outputs": [...]}`.
    """
    for number, (place, source) in enumerate(cells, 1):
        on_event({"start": place})
        shown = _OutputCapture(shell, number)
        with shown:
            result = shell.run_cell(source, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        outputs = [*shown.outputs, *([] if error is None else [_error_output(shell, error)])]
        on_event({"cell": place, "count": number, "outputs": outputs})
        if error is not None:
            return EXITED_EARLY if isinstance(error, SystemExit) else "failed"
    return "done"


class _CapturedStream(io.TextIOBase):
    """What a cell writes, joined to what it wrote just before."""

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
    """What a cell displays."""

    def __init__(self, outputs: list[dict[str, Any]]) -> None:
        super().__init__()
        self.shown = outputs

    def publish(self, data: Any, metadata: Any = None, *_: Any, **__: Any) -> None:
        self.shown.append({"output_type": "display_data", "data": dict(data), "metadata": dict(metadata or {})})


class _OutputCapture:
    """Catches all that a cell shows, in its order."""

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
        self.shell.display_pub, self.shell.display_trap.hook = _CapturingPublisher(self.outputs), self._value
        # Errors become outputs; nothing prints them besides.
        self.shell._showtraceback = _show_no_traceback  # type: ignore[method-assign,assignment]

    def __exit__(self, *_: object) -> None:
        self.shell.display_pub, self.shell.display_trap.hook = self._publisher, self._hook
        for stream in self._streams:
            stream.__exit__(None, None, None)

    def _value(self, value: Any) -> None:
        """The value of a cell's last line."""
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
    """Says nothing."""


def _error_output(shell: InteractiveShell, error: BaseException) -> dict[str, Any]:
    """The error of a cell as papermill looks for it; leaving early is an error too."""
    if isinstance(error, SystemExit):
        said = f"The notebook left early, by sys.exit({error.code!r}); a report is whole only after its last cell."
        return {"output_type": "error", "ename": "SystemExit", "evalue": said, "traceback": [said]}
    lines = list(map(str, shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)))
    return {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": lines}
