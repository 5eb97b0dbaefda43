"""PostgreSQL: a look is one round trip, a commit another one, whatever they hold.

A look is one statement. A commit is one for its locks, one for what it supposes and writes (more
where rows are replaced), and one for the audit trail, sent at once in psycopg's pipeline mode.
Who waits for whom is written in `claims`. Two sites taken whole in opposite order are a deadlock,
which PostgreSQL ends and `write` runs again, as it does when two transactions add the same row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import psycopg
from psycopg import errors as pg
from sqlalchemy import Connection, create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from refnot_fhir.errors import BadInput, Busy, Conflict, RefnotError, StoreFull
from refnot_fhir.store import audit, migrations, seals, statements
from refnot_fhir.store.contract import BodyFault, Moved, Reader, SubjectQuery, SubjectRow, Writer
from refnot_fhir.store.look import look
from refnot_fhir.store.names import Known, Names
from refnot_fhir.store.postgres_connection import CONNECT_SECONDS, PatientConnection, Pool
from refnot_fhir.store.postgres_session import (
    PostgresCommit,
    PostgresLook,
    PostgresSession,
    PostgresWriting,
)
from refnot_fhir.store.read import SqlReader
from refnot_fhir.store.sql import Session, Texts
from refnot_fhir.store.view import Changes, View, Wanted
from refnot_fhir.store.write import SqlWriter

T = TypeVar("T")
log = logging.getLogger(__name__)

_ATTEMPTS = 5
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# After a wait for a lock the next statement must see what the other transaction did.
_BEGIN_WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED"
_LOCKS = 0x5EF206
"""Our share of the advisory locks of a database for migrations; `claims` has others."""
_MIGRATION = 0


class PostgresStore:
    """Implements `base.Store` over one database that other processes share."""

    def __init__(self, url: URL) -> None:
        self._pool = Pool(url)
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

    def look(self, site: str, wanted: Wanted, *, new: int = 0) -> View:
        """Read what is wanted of a site, all as it was at one moment."""

        done = False
        while not done:
            view = View(site)

            def work(connection: PatientConnection, view: View = view) -> tuple[bool, Known]:
                session = PostgresLook(connection.cursor(binary=True), self._texts)
                names = Names(session, self._known)
                return look(session, names, wanted, view, new)(), names.seen

            done, seen = self._read(work)
            self._known.update(seen)
        return view

    def commit(self, changes: Changes, view: View) -> None:
        """Make changes that were decided by a view; they are durable when it returns."""
        try:
            with explained(), self._pool.connection() as connection, connection.pipeline():
                cursor = connection.cursor(binary=True)
                cursor.execute(_BEGIN_WRITING)
                session = PostgresCommit(cursor, self._texts)
                writer = SqlWriter(session, self._known)
                writer.change(changes, view)
                session.flush()
                cursor.execute("COMMIT")
        except _Again as again:
            raise Moved from again
        self._known.update(writer.names)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A consistent view, for as long as the context lasts."""
        with self._session() as session:
            yield SqlReader(session, self._known)

    def subjects(self, query: SubjectQuery) -> list[SubjectRow]:
        """The newest versions of the subjects asked for, in order of row, in one reading."""
        return self._single(lambda session: SqlReader(session, self._known).subjects(query))

    def mark(self, name: str) -> str | None:
        """A named mark, if it was set."""
        row = self._single(lambda session: session.row(statements.mark, name=name))
        return row[0] if row else None

    def newest_moment(self) -> datetime | None:
        """The moment of the newest delivery, if there was any."""
        return self._single(audit.newest_moment)

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
        self._pool.close()

    def _single(self, work: Callable[[Session], T]) -> T:
        """What one statement gives, which is a transaction by itself."""
        return self._read(lambda c: work(PostgresSession(c.cursor(binary=True), self._texts)))

    def _read(self, work: Callable[[PatientConnection], T]) -> T:
        """What is read, with another connection if the server ended an idle one."""
        for attempt in range(2):
            with explained(), self._pool.connection() as connection:
                try:
                    return work(connection)
                except psycopg.OperationalError:
                    if attempt or not connection.closed:
                        raise
            self._pool.close()
        raise AssertionError("the second attempt either returns or raises")

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with explained(), self._pool.connection(_BEGIN_READING) as connection:
            yield PostgresSession(connection.cursor(binary=True), self._texts)

    def _attempt(self, work: Callable[[Writer], T]) -> T:
        with explained(), self._pool.connection(_BEGIN_WRITING) as connection:
            cursor = connection.cursor(binary=True)
            writer = SqlWriter(PostgresWriting(cursor, self._texts), self._known)
            result = work(writer)
            writer.finish()
            cursor.execute("COMMIT")
        self._known.update(writer.names)
        return result


class _Again(Exception):
    """The transaction met another one: it can succeed when it runs again."""

    def __init__(self, answer: RefnotError) -> None:
        super().__init__(str(answer))
        self.answer = answer


def open_current(url: URL) -> PostgresStore:
    """The store in this database; its tables must be current."""
    with _connected(url) as connection:
        migrations.require_current(connection)
    return PostgresStore(url)


def has_tables(url: URL) -> bool:
    """Whether this database holds a store, of whatever release."""
    with _connected(url) as connection:
        return migrations.has_tables(connection)


def migrate(url: URL) -> None:
    """Create or update the tables; others that try at the same time wait."""
    with _connected(url) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCKS}, {_MIGRATION})")
        migrations.upgrade(connection)


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        with explained(), engine.begin() as connection:
            yield connection
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
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise named(error.orig) or error from error


def named(error: psycopg.Error) -> Exception | None:
    """The error as callers know it; None when it is a mistake of ours."""
    match error:
        case pg.UniqueViolation():
            return _Again(Conflict("it contradicts what is kept: that is there already"))
        case pg.DivisionByZero() | pg.DeadlockDetected() | pg.SerializationFailure():
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
