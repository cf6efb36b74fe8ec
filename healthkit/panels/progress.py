"""How far long work has come, in a notebook and in a terminal: a bar that shows itself only where it lasts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

from healthkit.metrics.counts import ProgressTracker
from healthkit.workspace.workspace import Workspace

PROGRESS_DELAY = 0.7
"""Work that is done sooner shows no bar. [seconds]"""


def progress_tracker(label: str) -> ProgressTracker:
    """A loop of this kind of work, with a bar that says how many are left and how long they take."""

    def looped(every: Iterable[Any]) -> Iterable[Any]:
        return tqdm(every, desc=label, delay=PROGRESS_DELAY, leave=False)

    return looped


def open_workspace(folder: str | None = None, policy: str | None = None) -> Workspace:
    """A desk whose orders are counted at once, with a bar where that lasts (see `Desk`).

    Interrupt the kernel to stop: nothing half-counted is kept. Raises StoreError where there is no store, PolicyError
    for an unknown policy.
    """
    desk = Workspace(folder or None, policy or None, track=progress_tracker("Counting orders"))
    desk.counts  # noqa: B018 - counted here, where the bar is seen
    return desk
