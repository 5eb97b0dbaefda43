"""Connections to PostgreSQL that do not wait for ever, whatever became of the server.

The limits that the server keeps (`statement_timeout`, `lock_timeout`) end what it works on. They do
not help where it has stopped working: its system still takes what is sent, so TCP notices nothing
either. Only the client's own clock does.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

T = TypeVar("T")

STATEMENT_SECONDS = 8.0
"""More than the server's own limit, so that this one is met only when the server is stuck."""
QUICK_SECONDS = 3.0
"""For what costs a server nothing: whether it is there, to begin, to give up."""
CONNECT_SECONDS = 2
"""For each address of the server's name."""
_POOL_SECONDS = 3
_POOLED, _BEYOND = 8, 24
"""Connections that are kept, and that are made and given up when more are asked for."""
_TCP = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3,
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


def engine_for(url: URL) -> Engine:
    """Connections to a server that other processes share."""
    engine = create_engine(
        url,
        pool_size=_POOLED,
        max_overflow=_BEYOND,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
        # Transactions are begun by hand, with the isolation that each needs.
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": CONNECT_SECONDS, **_TCP},
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> PatientConnection:
        return PatientConnection.connect(*arguments, **named)

    return engine
