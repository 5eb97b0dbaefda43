"""Commits shared by writers that come at the same time: one wait for the disk for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from time import monotonic
from typing import Any

from refnot_fhir.errors import Busy
from refnot_fhir.store.contract import Writer

Work = Callable[[Writer], Any]

_MOST = 64
"""Works in one commit: the first waits for the last."""
LONGEST_WAIT = 9.0
"""Seconds after which a work that was not begun is given up."""
_LONGEST = 0.05
"""Seconds after which no further work joins a commit."""


@dataclass(slots=True)
class Job:
    """A work, and what became of it."""

    work: Work
    answer: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: BaseException | None = None

    def begin(self) -> bool:
        """From now on the caller waits to the end; False when it has given up."""
        if self.answer.cancelled():
            return False
        return self.answer.running() or self.answer.set_running_or_notify_cancel()

    def settle(self, failure: BaseException | None) -> None:
        """Tell the caller, if it still waits; a failure of the commit makes all else untrue."""
        if not self.begin():
            return
        error = failure or self.error
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(self.result)


class Group:
    """The works of one commit, taken from the queue as long as there is room and time."""

    def __init__(self, first: Job, queue: SimpleQueue[Job | None]) -> None:
        self.jobs: list[Job] = []
        self.closing = False
        self._next: Job | None = first
        self._queue = queue
        self._end = monotonic() + _LONGEST

    def __iter__(self) -> Group:
        return self

    def __next__(self) -> Job:
        """The next work; it ends when nobody waits, so that a writer alone is not held up."""
        while True:
            job = self._next or self._more()
            self._next = None
            if job.begin():
                self.jobs.append(job)
                return job

    def _more(self) -> Job:
        if self.closing or len(self.jobs) >= _MOST or monotonic() > self._end:
            raise StopIteration
        try:
            job = self._queue.get_nowait()
        except Empty:
            raise StopIteration from None
        if job is None:
            self.closing = True
            raise StopIteration
        return job


class WriterThread:
    """Runs works one after another in a thread of its own, started by the first of them.

    `commit` runs every work of a group and returns once they are durable; what it raises is the
    answer to all of them.
    """

    def __init__(self, commit: Callable[[Group], None]) -> None:
        self._commit = commit
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def run(self, work: Work) -> Any:
        """What `work` returns, once it is durable."""
        job = Job(work)
        with self._lock:
            if self._closed:
                raise RuntimeError("the store is closed")
            if self._thread is None:
                self._thread = Thread(target=self._loop, name="refnot-store-writer", daemon=True)
                self._thread.start()
            if current_thread() is self._thread:
                raise RuntimeError("a work cannot begin a transaction inside its own")
            self._queue.put(job)
        try:
            return job.answer.result(LONGEST_WAIT)
        except TimeoutError:
            if job.answer.cancel():
                raise Busy("the transactions before this one take too long") from None
            return job.answer.result()

    def close(self) -> None:
        """Finish the works that were handed in, then end the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _loop(self) -> None:
        closing = False
        while not closing:
            first = self._queue.get()
            if first is None:
                return
            group = Group(first, self._queue)
            failure: BaseException | None = None
            try:
                self._commit(group)
            except BaseException as error:
                failure = error
            jobs = group.jobs or [first, *self._waiting(group)]
            for job in jobs:
                job.settle(failure)
            closing = group.closing

    def _waiting(self, group: Group) -> Iterator[Job]:
        """Works that came while the transaction could not begin: they waited as long, and fail too.

        One after another each of them would wait for a lock as long as the first one did.
        """
        while not group.closing:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            if job is None:
                group.closing = True
            else:
                yield job
