"""Connections to PostgreSQL that do not wait for ever, whatever became of the server.

The limits that the server keeps (`statement_timeout`, `lock_timeout`) end what it works on. They do
not help where it has stopped working: its system still takes what is sent, so TCP notices nothing
either. Only the client's own clock does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL

from refnot_fhir.errors import Busy
from refnot_fhir.store.postgres_arrays import register

T = TypeVar("T")

STATEMENT_SECONDS = 8.0
"""More than the server's own limit, so that this one is met only when the server is stuck."""
QUICK_SECONDS = 3.0
"""For what costs a server nothing: whether it is there, to begin, to give up."""
CONNECT_SECONDS = 2
"""For each address of the server's name."""
_POOL_SECONDS = 3
_KEPT, _MOST = 8, 32
"""Connections that are kept, and that are made when more are asked for."""
_PREPARED = 400
"""Statements of which a connection keeps the plans."""
# A connection keeps its plans: one made while a table was empty would read the whole table long
# after. Every statement has an index to go by, row after row, so none needs to be planned otherwise
# (`statements.no_key` sees to the index), and joins tables in the order in which they are written:
# to look for a better one takes 10 ms for each new statement of each connection. What a plan
# without whole tables is said to cost would have each statement compiled, for eight times its cost.
# And whoever waits for an answer of ours is told within ten seconds that the database gives none.
_SETTINGS = (
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;"
    " SET enable_mergejoin = off; SET join_collapse_limit = 1;"
    " SET plan_cache_mode = force_generic_plan; SET jit = off;"
    " SET lock_timeout = '5s'; SET statement_timeout = '7s';"
    # The parts of one question come in their order only where one process makes them.
    " SET max_parallel_workers_per_gather = 0"
)
_TCP: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3,
        "tcp_user_timeout": 9000}  # fmt: skip


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when one wait for the server lasts longer than `patience`."""

    patience = QUICK_SECONDS

    def wait(self, gen: PQGen[T], *arguments: Any, **named: Any) -> T:
        """Drive a conversation with the server. Raises OperationalError when it takes too long."""
        return super().wait(self._limited(gen), *arguments, **named)

    def _limited(self, gen: PQGen[T]) -> PQGen[T]:
        end = monotonic() + self.patience
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and monotonic() > end:
                    self.close()
                    raise psycopg.OperationalError("it took too long")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result


class Pool:
    """Connections to one server: some are kept, and more are made when more are asked for."""

    def __init__(self, url: URL) -> None:
        address = url.set(drivername="postgresql")
        self._address = address.render_as_string(hide_password=False)
        self._idle: list[PatientConnection] = []
        self._room = BoundedSemaphore(_MOST)

    @contextmanager
    def connection(self, begin: str = "") -> Iterator[PatientConnection]:
        """A connection for as long as the context lasts, and what it begins with.

        A transaction that is not ended is undone. Raises Busy when all are in use.
        """
        if not self._room.acquire(timeout=_POOL_SECONDS):
            raise Busy("every connection to the database is in use")
        try:
            connection = self._begun(begin)
            try:
                connection.patience = STATEMENT_SECONDS
                yield connection
            except psycopg.Error as error:
                if connection.closed or isinstance(error, ReadOnlySqlTransaction):
                    # It may lead to a server that another one has taken over from.
                    connection.close()
                    self.close()
                raise
            finally:
                self._back(connection)
        finally:
            self._room.release()

    def close(self) -> None:
        """Give up the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _begun(self, begin: str) -> PatientConnection:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._made()
        try:
            if begin:
                connection.execute(begin)
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            # The server ended it, and the others as well, while nobody used them.
            self.close()
            connection = self._made()
            connection.execute(begin)
        return connection

    def _made(self) -> PatientConnection:
        connection = PatientConnection.connect(
            self._address, autocommit=True, prepare_threshold=0, connect_timeout=CONNECT_SECONDS,
            **_TCP,
        )  # fmt: skip
        connection.prepared_max = _PREPARED
        register(connection.adapters)
        connection.execute(_SETTINGS, prepare=False)
        return connection

    def _back(self, connection: PatientConnection) -> None:
        connection.patience = QUICK_SECONDS
        if connection.closed:
            return
        with suppress(psycopg.Error):
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                connection.rollback()
        if len(self._idle) < _KEPT and not connection.closed:
            self._idle.append(connection)
        else:
            connection.close()
