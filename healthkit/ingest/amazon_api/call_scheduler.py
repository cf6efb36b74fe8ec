"""Run many jobs at once: calls wait for their token bucket, a few threads make them, and pauses take no thread.

A job is a generator. It yields a `Call`, a `Pause` or a document to import (`ImportStep`), and gets the answer of the
call or the result of the import; a call that fails for good is thrown into it as an ApiError. Documents of many jobs
are imported together, in the thread that runs the scheduler. Time comes from a clock, so that a simulated one works.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from healthkit.ingest.amazon_api.authorization import ApiAnswer, ApiError
from healthkit.ingest.amazon_api.rate_limits import TokenBucket
from healthkit.ingest.importer import FileToImport, ImportResult

_LOG = logging.getLogger(__name__)

THREADS = 8
"""Number of calls that are made at the same time."""
ATTEMPTS = 9
"""Attempts of one call that fails without an answer or with a server error: some eight minutes."""
THROTTLED_ATTEMPTS = 30
"""Attempts of one call that is refused as too frequent (429), each after a wait for its bucket."""
SECONDS_TO_STOP = 5
"""Longest wait for the calls under way when a run is stopped. [s]"""
FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0
"""Wait before the second attempt, which doubles with each further one up to the longest. [s]"""
IMPORT_BYTES, IMPORT_FILES = 64 << 20, 500
"""Size [bytes] and number of the documents that are held in memory before they are imported."""


class Clock:
    """The clock of the machine. A simulated one overrides both methods."""

    def time(self) -> float:
        """Return the instant now, in seconds since 1970."""
        return time.time()

    def wait(self, seconds: float, calls: set[Future[Any]]) -> None:
        """Wait for some seconds, or until one of the calls ends."""
        if calls:
            wait(calls, timeout=seconds, return_when=FIRST_COMPLETED)
        else:
            time.sleep(seconds)


@dataclass(frozen=True)
class Call:
    """A step of a job: make a call, once `bucket` has a token for it (None: at once)."""

    operation: str
    send: Callable[[], Any]
    bucket: TokenBucket | None = None


@dataclass(frozen=True)
class Pause:
    """A step of a job: wait. [s]"""

    seconds: float


@dataclass(frozen=True)
class ImportStep:
    """A step of a job: import a document. The answer is its ImportResult."""

    file: FileToImport
    size: int


Step = Call | Pause | ImportStep
Steps = Generator[Step, Any, None]
"""The steps of a job."""


@dataclass
class _PendingCall:
    steps: Steps
    call: Call
    failures: int = 0
    throttled: int = 0


@dataclass
class _Queue:
    """The calls that wait for one bucket. `is_scheduled` if it is among those to look at, now or at an instant."""

    bucket: TokenBucket
    calls: deque[_PendingCall] = field(default_factory=deque)
    is_scheduled: bool = False


class CallScheduler:
    """Runs jobs until all have ended.

    `import_files` imports documents and returns a result for each; `on_wait` is called before a wait without any call.
    """

    def __init__(
        self,
        clock: Clock,
        import_files: Callable[[Sequence[FileToImport]], list[ImportResult]],
        on_wait: Callable[[], None] = lambda: None,
        jitter: random.Random | None = None,
    ) -> None:
        self._clock, self._import_files, self._on_wait = clock, import_files, on_wait
        self._jitter = jitter or random.Random()  # noqa: S311 - it spreads retries
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._queues: dict[int, _Queue] = {}
        self._ready: deque[_PendingCall | _Queue] = deque()
        self._running: dict[Future[Any], _PendingCall] = {}
        self._documents: list[tuple[Steps, ImportStep]] = []

    def waiting_calls(self, bucket: TokenBucket) -> int:
        """Return how many calls wait for a bucket."""
        queue = self._queues.get(id(bucket))
        return len(queue.calls) if queue else 0

    def run(self, jobs: Sequence[Steps]) -> None:
        """Run some jobs to their end. Whatever interrupts it leaves no call waiting."""
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="healthkit-pull")
        try:
            for steps in jobs:
                self._resume(steps)
            while self._running or self._ready or self._later or self._documents:
                self._run_round(pool)
        except BaseException:
            self._finish_running_calls()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _finish_running_calls(self) -> None:
        """Wait a moment for the calls that were made, so that each job can note what it was answered: a report's id."""
        wait(self._running, timeout=SECONDS_TO_STOP)
        for future, pending in self._running.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                with suppress(Exception):
                    pending.steps.send(future.result())
        self._running.clear()

    def _run_round(self, pool: ThreadPoolExecutor) -> None:
        """Start what is due, then take what has ended, import what has come, or wait."""
        now = self._clock.time()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        self._start_calls(pool, now)
        ended = [future for future in self._running if future.done()]
        if ended:
            for future in ended:
                self._finish_call(future)
        elif self._documents and (not self._running or self._has_many_documents()):
            self._import_documents()
        elif self._running or self._later:
            seconds = max(0.0, self._later[0][0] - now) if self._later else 3600.0
            if not self._running:
                self._on_wait()
            self._clock.wait(seconds, set(self._running))

    def _start_calls(self, pool: ThreadPoolExecutor, now: float) -> None:
        """Start calls while threads are free: a token is taken only when its call is made at once."""
        while self._ready and len(self._running) < THREADS:
            one = self._ready.popleft()
            if isinstance(one, _PendingCall):
                self._running[pool.submit(one.call.send)] = one
                continue
            one.is_scheduled = False
            if one.calls and one.bucket.try_take(now):
                pending = one.calls.popleft()
                self._running[pool.submit(pending.call.send)] = pending
            self._schedule(one, now)

    def _schedule(self, queue: _Queue, now: float) -> None:
        """Look at a queue again when its bucket has a token."""
        if not queue.calls or queue.is_scheduled:
            return
        queue.is_scheduled = True
        at = queue.bucket.next_at(now)
        if at <= now:
            self._ready.append(queue)
        else:
            self._call_at(at, lambda: self._ready.append(queue))

    def _call_at(self, at: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (at, next(self._numbers), action))

    def _enqueue(self, pending: _PendingCall) -> None:
        bucket = pending.call.bucket
        if bucket is None:
            self._ready.append(pending)
            return
        queue = self._queues.setdefault(id(bucket), _Queue(bucket))
        queue.calls.append(pending)
        self._schedule(queue, self._clock.time())

    def _finish_call(self, future: Future[Any]) -> None:
        pending = self._running.pop(future)
        now, bucket = self._clock.time(), pending.call.bucket
        try:
            answer = future.result()
        except ApiError as error:
            self._retry_or_throw(pending, error, now)
            return
        if bucket is not None and isinstance(answer, ApiAnswer) and answer.rate is not None:
            bucket.set_rate(answer.rate, now)
        self._resume(pending.steps, answer)

    def _retry_or_throw(self, pending: _PendingCall, error: ApiError, now: float) -> None:
        """Try a failed call again later, or report the failure to its job."""
        is_throttled = error.status == 429
        pending.throttled += is_throttled
        pending.failures += not is_throttled
        if is_throttled and pending.call.bucket is not None:
            pending.call.bucket.empty(now)
        if not error.may_succeed_later or pending.failures >= ATTEMPTS or pending.throttled >= THROTTLED_ATTEMPTS:
            self._resume(pending.steps, error=error)
            return
        seconds = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (pending.failures + pending.throttled - 1))
        seconds *= self._jitter.uniform(0.5, 1.0)
        _LOG.info("%s; next attempt in %.0f s", error, seconds)
        self._call_at(now + seconds, lambda: self._enqueue(pending))

    def _resume(self, steps: Steps, answer: Any = None, error: Exception | None = None) -> None:
        """Let a job go on to its next step."""
        try:
            step = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration:
            return
        if isinstance(step, Call):
            self._enqueue(_PendingCall(steps, step))
        elif isinstance(step, Pause):
            self._call_at(self._clock.time() + step.seconds, lambda: self._resume(steps))
        else:
            self._documents.append((steps, step))

    def _has_many_documents(self) -> bool:
        size = sum(step.size for _, step in self._documents)
        return len(self._documents) >= IMPORT_FILES or size >= IMPORT_BYTES

    def _import_documents(self) -> None:
        documents, self._documents = self._documents, []
        results = self._import_files([step.file for _, step in documents])
        for (steps, _), result in zip(documents, results, strict=True):
            self._resume(steps, result)
