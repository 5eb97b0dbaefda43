"""Commits shared by writers that come at the same time: one wait for the disk for all of them.

Whoever comes while nobody commits does so himself, with those who come before it begins to be made
durable. Whoever comes later waits, and the first of those who wait commits next, for all of them.
So a writer alone hands nothing over: a second thread would cost more than half of a small commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Lock, get_ident
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


def _locked() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Job:
    """A work, and what became of it."""

    work: Work
    thread: int = field(default_factory=get_ident)
    result: Any = None
    error: BaseException | None = None
    leads: bool = False
    """It is this one's turn to commit, for those that wait as well."""
    news: Lock = field(default_factory=_locked)
    """Free once the work is done, or is to lead."""


class Group:
    """The works of one commit, taken from those that wait as long as there is room and time."""

    def __init__(self, first: Job, waiting: deque[Job]) -> None:
        self.jobs: list[Job] = []
        self._first: Job | None = first
        self._waiting = waiting
        self._end = monotonic() + _LONGEST

    def __iter__(self) -> Group:
        return self

    def __next__(self) -> Job:
        """The next work; it ends when nobody waits, so that a writer alone is not held up."""
        job, self._first = self._first, None
        if job is None:
            if len(self.jobs) >= _MOST or monotonic() > self._end:
                raise StopIteration
            try:
                job = self._waiting.popleft()
            except IndexError:
                raise StopIteration from None
        self.jobs.append(job)
        return job


class Line:
    """Runs works one after another, each in the thread of one of those who wait for them.

    `commit` runs every work of a group and returns once they are durable; what it raises is the
    answer to all of them.
    """

    def __init__(self, commit: Callable[[Group], None]) -> None:
        self._commit = commit
        self._waiting: deque[Job] = deque()
        """Works that were not begun; who takes one away, to begin it or to give up, has it."""
        self._leader: int | None = None
        """The thread that commits."""
        self._changed = Condition(Lock())
        self._closed = False

    def run(self, work: Work) -> Any:
        """What `work` returns, once it is durable."""
        job = Job(work)
        with self._changed:
            if self._closed:
                raise RuntimeError("the store is closed")
            if self._leader == job.thread:
                raise RuntimeError("a work cannot begin a transaction inside its own")
            if self._leader is None:
                self._leader, job.leads = job.thread, True
            else:
                self._waiting.append(job)
        if not job.leads:
            self._wait(job)
        if job.leads:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return job.result

    def close(self) -> None:
        """Finish the works that were handed in; take no others."""
        with self._changed:
            self._closed = True
            while self._leader is not None:
                self._changed.wait()

    def _wait(self, job: Job) -> None:
        try:
            if job.news.acquire(timeout=LONGEST_WAIT):
                return
            if self._given_up(job):
                raise Busy("the transactions before this one take too long")
            job.news.acquire()
        except KeyboardInterrupt:
            # Only if it has begun is there somebody else to go on after it.
            if not self._given_up(job) and job.leads:
                self._pass_on()
            raise

    def _given_up(self, job: Job) -> bool:
        try:
            self._waiting.remove(job)
        except ValueError:
            return False
        return True

    def _lead(self, job: Job) -> None:
        group = Group(job, self._waiting)
        failure: BaseException | None = None
        try:
            self._commit(group)
        except BaseException as error:
            failure = error
        jobs = group.jobs
        if not jobs:
            # The transaction could not begin. Those who came meanwhile waited as long for the lock:
            # one after another each of them would wait for it as long as the first one did.
            jobs = [job, *self._all_waiting()]
        self._pass_on()
        for one in jobs:
            # A failure of the commit makes all else untrue.
            one.error = failure or one.error
            one.news.release()

    def _all_waiting(self) -> list[Job]:
        found = []
        while self._waiting:
            try:
                found.append(self._waiting.popleft())
            except IndexError:  # it has just been given up
                break
        return found

    def _pass_on(self) -> None:
        """Have the first of those who wait lead."""
        with self._changed:
            try:
                following = self._waiting.popleft()
            except IndexError:
                self._leader = None
                self._changed.notify_all()
                return
            self._leader, following.leads = following.thread, True
        following.news.release()
