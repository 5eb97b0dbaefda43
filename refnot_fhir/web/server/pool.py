"""The threads that run requests: so many at once, so many waiting, and no more."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Job(NamedTuple):
    work: Callable[[], Any]
    answer: Future[Any]
    loop: AbstractEventLoop


class Pool:
    """Runs work of an event loop in `threads` threads; `waiting` more may wait for one of them.

    The threads are daemons: one that hangs in a database does not keep the process from ending.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._room = threads + waiting
        self._taken = 0
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        for number in range(threads):
            Thread(target=self._work, name=f"refnot-request-{number}", daemon=True).start()

    @property
    def full(self) -> bool:
        """Whether as many are served and wait as may; asked in the event loop."""
        return self._taken >= self._room

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises in one of the threads, first come, first served."""
        loop = asyncio.get_running_loop()
        answer: Future[T] = loop.create_future()
        self._taken += 1
        self._jobs.put(_Job(work, answer, loop))
        try:
            return await answer
        finally:
            self._taken -= 1

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            result: Any = None
            failure: BaseException | None = None
            try:
                result = job.work()
            except BaseException as error:
                failure = error
            # The loop may have been closed meanwhile: then nobody waits for the answer.
            with suppress(RuntimeError):
                job.loop.call_soon_threadsafe(_settle, job.answer, result, failure)
            del job, result, failure


def _settle(answer: Future[Any], result: Any, failure: BaseException | None) -> None:
    if answer.done():  # its request was cancelled
        return
    if failure is None:
        answer.set_result(result)
    else:
        answer.set_exception(failure)
