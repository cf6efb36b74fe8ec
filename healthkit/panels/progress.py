"""Progress bars for long loops, in a notebook and in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

from healthkit.metrics.counts import ProgressTracker
from healthkit.workspace.workspace import Workspace

PROGRESS_DELAY = 0.7
"""Delay before a progress bar appears. [seconds]"""


def progress_tracker(label: str) -> ProgressTracker:
    """Return a function that wraps an iterable in a labelled progress bar."""

    def track(items: Iterable[Any]) -> Iterable[Any]:
        return tqdm(items, desc=label, delay=PROGRESS_DELAY, leave=False)

    return track


def open_workspace(folder: str | None = None, policy: str | None = None) -> Workspace:
    """Open a store as a `Workspace` and count its orders, with a progress bar.

    `folder` is the folder of the store and `policy` the name of one policy for all marketplaces; both have the defaults
    of `Workspace`. Interrupt the kernel to stop; incomplete counts are not saved. Raises StoreError if there is no
    store, PolicyError for an unknown policy.
    """
    workspace = Workspace(folder or None, policy or None, track=progress_tracker("Counting orders"))
    workspace.counts  # noqa: B018 - counted here, so that the bar is shown
    return workspace
