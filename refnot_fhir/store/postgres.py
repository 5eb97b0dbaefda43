"""PostgreSQL: one transaction a write, serial within a site, parallel between sites.

The first time that a transaction touches a site it takes the site's advisory lock, before it reads
anything of it: from then on nothing that it reads can change. Everything that decides about a
patient belongs to one site. Two sites taken in opposite order are a deadlock, which PostgreSQL ends
and `write` runs again, as it does when two transactions add the same row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast
from zlib import crc32

import psycopg
from psycopg import errors as pg
from sqlalchemy import Table, create_engine, types
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from refnot_fhir.errors import BadInput, Busy, Conflict, RefnotError, StoreFull
from refnot_fhir.store import audit, migrations, seals, statements
from refnot_fhir.store.contract import BodyFault, Reader, Writer
from refnot_fhir.store.names import Known
from refnot_fhir.store.postgres_connection import (
    CONNECT_SECONDS,
    QUICK_SECONDS,
    STATEMENT_SECONDS,
    PatientConnection,
    engine_for,
)
from refnot_fhir.store.read import SqlReader
from refnot_fhir.store.sql import Cursor, Session, Texts
from refnot_fhir.store.write import SqlWriter

T = TypeVar("T")
log = logging.getLogger(__name__)

_ATTEMPTS = 5
# A connection keeps its plans: one made while a table was empty would read the whole table long
# after. Every statement has an index to go by, so none needs to be planned otherwise.
_BY_INDEX = "SET LOCAL enable_seqscan = off"
# Whoever waits for an answer of ours is told within ten seconds that the database gives none.
_LIMITS = "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '7s'"
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {_BY_INDEX}; {_LIMITS}"
# After a wait for a lock the next statement must see what the other transaction did.
_BEGIN_WRITING = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_BY_INDEX}; {_LIMITS}"
_LOCKS = 0x5EF207
"""Our share of the advisory locks of a database; the second number is of the site."""
_MIGRATION = 0
_ONE_BY_ONE = 2
"""From so many rows on, COPY is quicker than INSERT."""
_OIDS = {
    types.BigInteger: "int8",
    types.Integer: "int4",
    types.Text: "text",
    types.LargeBinary: "bytea",
    types.Boolean: "bool",
}


class PostgresSession(Session):
    """One transaction that only reads."""

    def insert(self, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
        """Add rows, many of them with COPY."""
        if len(rows) < _ONE_BY_ONE:
            for row in rows:
                self.cursor.execute(_insertion(table), row)
            return
        cursor = cast("psycopg.Cursor[Any]", self.cursor)
        with cursor.copy(f"COPY {table.name} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_types(table))
            for row in rows:
                copy.write_row(row)

    def many(self, values: Collection[int] | Collection[str]) -> object:
        """An array."""
        return list(values)

    def numbers(self, table: Table, count: int) -> Iterable[int]:
        """Numbers of a sequence; those of a transaction that fails are lost."""
        if not count:
            return ()
        self.cursor.execute(
            f"SELECT nextval('{table.name}_number') FROM generate_series(1, %s)",  # noqa: S608
            (count,),
        )
        return sorted(number for (number,) in self.cursor.fetchall())

    def head(self) -> tuple[int, int, bytes]:
        """A chain that no other transaction is about to extend, or else the first to be free."""
        found = self._heads("ORDER BY lane FOR UPDATE SKIP LOCKED LIMIT 1")
        return (found or self._heads("ORDER BY random() LIMIT 1 FOR UPDATE"))[0]

    def _heads(self, which: str) -> list[tuple[int, int, bytes]]:
        self.cursor.execute(f"SELECT lane, number, hash FROM audit_head {which}")  # noqa: S608
        return list(self.cursor.fetchall())


class PostgresWriting(PostgresSession):
    """One transaction that writes."""

    def __init__(self, cursor: Cursor, texts: Texts) -> None:
        super().__init__(cursor, texts)
        self._claimed: set[str] = set()

    def claim(self, sites: Iterable[str]) -> bool:
        """Lock the sites that are not locked yet, in the order of their names."""
        new = sorted(set(sites) - self._claimed)
        for site in new:
            place = crc32(site.encode()) - (1 << 31)
            self.cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCKS, place))
            self._claimed.add(site)
        return bool(new)


@cache
def _insertion(table: Table) -> str:
    return f"INSERT INTO {table.name} VALUES ({','.join(['%s'] * len(table.c))})"  # noqa: S608


@cache
def _types(table: Table) -> list[str]:
    return [
        next(name for kind, name in _OIDS.items() if isinstance(column.type, kind))
        for column in table.c
    ]


class PostgresStore:
    """Implements `base.Store` over one database that other processes share."""

    def __init__(self, url: URL) -> None:
        self._engine = engine_for(url)
        self._texts = Texts(PGDialect_psycopg())  # type: ignore[no-untyped-call]
        self._known: Known = {}

    def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` in one transaction and return what it returns once that is durable."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._attempt(work)
            except _Again as again:
                if attempt == _ATTEMPTS:
                    raise again.answer from again.__cause__
        raise AssertionError("the last attempt either returns or raises")

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A consistent view, for as long as the context lasts."""
        with self._session() as session:
            yield SqlReader(session, self._known)

    def mark(self, name: str) -> str | None:
        """A named mark, if it was set."""
        with self._session() as session:
            row = session.row(statements.mark, name=name)
        return row[0] if row else None

    def newest_moment(self) -> datetime | None:
        """The moment of the newest delivery, if there was any."""
        with self._session() as session:
            return audit.newest_moment(session)

    def verify_audit(self) -> int | None:
        """Number of the first row of the audit trail that does not fit its chain; None: all do."""
        with self._session() as session:
            return audit.first_bad_row(session)

    def verify_bodies(self) -> BodyFault | None:
        """Which kept body is not the one that the audit trail speaks of; None: all are."""
        with self._session() as session:
            return seals.first_fault(session)

    def close(self) -> None:
        """Release every connection."""
        self._engine.dispose()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._cursor(_BEGIN_READING) as cursor:
            yield PostgresSession(cursor, self._texts)

    def _attempt(self, work: Callable[[Writer], T]) -> T:
        with self._cursor(_BEGIN_WRITING) as cursor:
            writer = SqlWriter(PostgresWriting(cursor, self._texts), self._known)
            result = work(writer)
            writer.finish()
            cursor.execute("COMMIT")
        self._known.update(writer.names)
        return result

    @contextmanager
    def _cursor(self, begin: str) -> Iterator[psycopg.Cursor[Any]]:
        with explained():
            pooled = self._engine.raw_connection()
            connection = cast("PatientConnection", pooled.driver_connection)
            try:
                cursor = connection.cursor()
                cursor.execute(begin)
                connection.patience = STATEMENT_SECONDS
                yield cursor
            except psycopg.Error as error:
                if connection.closed or isinstance(error, pg.ReadOnlySqlTransaction):
                    # It may lead to a server that another one has taken over from.
                    pooled.invalidate()
                raise
            finally:
                connection.patience = QUICK_SECONDS
                # Returning it to the pool ends the transaction.
                pooled.close()


class _Again(Exception):
    """The transaction met another one: it can succeed when it runs again."""

    def __init__(self, answer: RefnotError) -> None:
        super().__init__(str(answer))
        self.answer = answer


def open_current(url: URL) -> PostgresStore:
    """The store in this database; its tables must be current."""
    engine = engine_for(url)
    try:
        with explained(), engine.connect() as connection:
            migrations.require_current(connection)
    finally:
        engine.dispose()
    return PostgresStore(url)


def has_tables(url: URL) -> bool:
    """Whether this database holds a store, of whatever release."""
    engine = engine_for(url)
    try:
        with explained(), engine.connect() as connection:
            return migrations.has_tables(connection)
    finally:
        engine.dispose()


def migrate(url: URL) -> None:
    """Create or update the tables; others that try at the same time wait."""
    engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        with explained(), engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCKS}, {_MIGRATION})")
            migrations.upgrade(connection)
    finally:
        engine.dispose()


@contextmanager
def explained() -> Iterator[None]:
    """Raise PostgreSQL's errors as those of this package."""
    try:
        yield
    except psycopg.Error as error:
        known = named(error)
        if known is None:
            raise
        raise known from error
    except PoolTimeout as error:
        raise Busy("every connection to the database is in use") from error
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise named(error.orig) or error from error


def named(error: psycopg.Error) -> Exception | None:
    """The error as callers know it; None when it is a mistake of ours."""
    match error:
        case pg.UniqueViolation():
            return _Again(Conflict("it contradicts what is kept: that is there already"))
        case pg.DeadlockDetected() | pg.SerializationFailure():
            return _Again(Busy("other transactions are in the way"))
        case pg.LockNotAvailable() | pg.TooManyConnections():
            return Busy("other transactions keep the database locked")
        case pg.DiskFull() | pg.ReadOnlySqlTransaction() | pg.InsufficientPrivilege():
            _noted("store.not_writable", error)
            return StoreFull("the database cannot be written to")
        case pg.IntegrityError():
            return Conflict(f"it contradicts what is kept: {_first_line(error)}")
        case psycopg.DataError():
            return BadInput(f"the database cannot keep it: {_first_line(error)}")
        case psycopg.OperationalError():
            _noted("store.no_answer", error)
            return Busy("the database does not answer")
    return None


def _noted(what: str, error: psycopg.Error) -> None:
    """Say in the log what is no caller's business: addresses and names of the database."""
    log.warning("%s: %s", what, _first_line(error))


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]
