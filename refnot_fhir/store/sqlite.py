"""SQLite: one writer at a time, commits shared, readers never waiting.

A database without a path lives in a temporary folder until it is closed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from itertools import chain
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar, cast

import msgspec
from sqlalchemy import Table, event
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL
from sqlalchemy.sql import ClauseElement

from refnot_fhir.errors import Busy, StoreFull
from refnot_fhir.store import audit, migrations, rows, schema, seals, statements
from refnot_fhir.store.contract import (
    AuditEntry,
    BodyFault,
    Moved,
    Reader,
    SubjectQuery,
    SubjectRow,
    Writer,
)
from refnot_fhir.store.group import Group, Job, Line
from refnot_fhir.store.look import look
from refnot_fhir.store.names import Known, Names
from refnot_fhir.store.read import SqlReader
from refnot_fhir.store.rows import Row, columns
from refnot_fhir.store.sql import Given, Session, Texts
from refnot_fhir.store.sqlite_file import engine_for, explained, patiently
from refnot_fhir.store.view import Changes, View, Wanted
from refnot_fhir.store.write import SqlWriter

T = TypeVar("T")

_WRITER_CACHE = 64 << 20
"""Bytes: the upper parts of the indexes of some million resources."""
_LARGEST_CHUNK = 128
"""Rows that one statement adds."""
_encode = msgspec.json.Encoder().encode


class _State(NamedTuple):
    """What distinguishes what a database holds from what it held before, for one connection."""

    connection: sqlite3.Connection
    others: int
    """Another number whenever others have written."""
    own: int
    """Rows written through the connection."""


class _End(NamedTuple):
    """How a transaction left the database: who writes next need not ask, if nobody else wrote."""

    state: _State
    next: dict[str, int]
    """The numbers of the next rows, by table."""
    chain: tuple[int, int, bytes] | None
    """The lane of the audit trail, and the number and the hash of its last row."""


class SqliteSession(Session):
    """One transaction of SQLite. Rows get their numbers while nobody else can write."""

    def __init__(self, cursor: sqlite3.Cursor, texts: Texts) -> None:
        super().__init__(cursor, texts)
        self.learned: Known = {}
        self._connection = cursor.connection
        self._others = 0
        self._next: dict[str, int] = {}
        self._chain: tuple[int, int, bytes] | None = None

    def follow(self, last: _End | None) -> None:
        """Begin to write where the last transaction ended, if others have not written since."""
        self._others = self.cursor.execute("PRAGMA data_version").fetchall()[0][0]
        if last is not None and last.state[:2] == self._state()[:2]:
            self._next, self._chain = dict(last.next), last.chain

    def end(self) -> _End:
        """How it leaves the database, if it is committed."""
        return _End(self._state(), self._next, self._chain)

    def unchanged_since(self, state: object) -> bool:
        """Whether nobody has written since, this transaction included."""
        return state == self._state()

    def _state(self) -> _State:
        return _State(self._connection, self._others, self._connection.total_changes)

    def insert(self, table: Table, added: Sequence[Row]) -> None:
        """Add rows, many with one statement: each step gives up Python's lock once."""
        start, left = 0, len(added)
        while left:
            size = min(_LARGEST_CHUNK, 1 << (left.bit_length() - 1))
            values = [value for row in added[start : start + size] for value in row]
            self.cursor.execute(_insertion(table, columns(added[0]), size), values)
            start, left = start + size, left - size

    def update(self, table: Table, changed: Sequence[Row]) -> None:
        """Set the columns of rows that are there."""
        if changed:
            turned = [(*row[1:], row[0]) for row in changed]
            self.cursor.executemany(_setting(table, columns(changed[0])), turned)

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add rows to the end of the only chain."""
        lane, _, before = self._chain or self.rows(audit.lanes)[0]
        added = audit.extended(lane, before, self.numbers(schema.audit, len(entries)), entries)
        self.insert(schema.audit, added)
        self._chain = rows.AuditHead(lane, added[-1].number, added[-1].hash)
        self.update(schema.audit_head, [self._chain])

    def suppose(self, moved: ClauseElement, values: Mapping[str, object]) -> None:
        """Raise Moved if a statement gives a row: nobody else can write any more."""
        if self.row(moved, **values) is not None:
            raise Moved

    def many(self, values: Collection[int] | Collection[str]) -> object:
        """A JSON array."""
        return _encode(list(values)).decode()

    def given(self, given: Given, listed: Sequence[tuple[object, ...]]) -> dict[str, object]:
        """A JSON array of arrays."""
        return {given.name: _encode(listed).decode()}

    def numbers(self, table: Table, count: int) -> Iterable[int]:
        """The numbers after the highest one."""
        if not count:
            return range(0)
        name = table.name
        if name not in self._next:
            self.cursor.execute(f"SELECT coalesce(max(number), 0) FROM {name}")  # noqa: S608
            self._next[name] = self.cursor.fetchall()[0][0] + 1
        first = self._next[name]
        self._next[name] = first + count
        return range(first, first + count)


@cache
def _insertion(table: Table, names: tuple[str, ...], rows: int) -> str:
    row = f"({','.join('?' * len(names))})"
    return f"INSERT INTO {table.name} ({','.join(names)}) VALUES {','.join([row] * rows)}"  # noqa: S608


@cache
def _setting(table: Table, names: tuple[str, ...]) -> str:
    key, *others = names
    return f"UPDATE {table.name} SET {','.join(f'{name} = ?' for name in others)} WHERE {key} = ?"  # noqa: S608


class SqliteStore:
    """Implements `base.Store` over one file."""

    def __init__(self, url: URL, folder: TemporaryDirectory[str] | None = None) -> None:
        self._folder = folder
        self._engine = engine_for(url, durable=folder is None)
        self._texts = Texts(SQLiteDialect(paramstyle="named"))
        self._known: Known = {}
        self._connection: sqlite3.Connection | None = None
        self._last: _End | None = None
        self._idle: list[sqlite3.Connection] = []
        """Connections that nobody reads with now: cheaper to borrow than from the engine's pool."""
        self._writer = Line(self._commit)

    def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` in one transaction and return what it returns once that is durable."""
        return cast("T", self._writer.run(work))

    def look(self, site: str, wanted: Wanted, *, new: int = 0) -> View:
        """Read what is wanted of a site, all as it was at one moment."""
        done = False
        while not done:
            view = View(site, state=self._last and self._last.state)
            with self._session() as session:
                names = Names(session, self._known)
                done = look(session, names, wanted, view, new)()
            self._known.update(names.seen)
        return view

    def commit(self, changes: Changes, view: View) -> None:
        """Make changes that were decided by a view; they are durable when it returns."""
        self._writer.run(lambda writer: cast("SqlWriter", writer).change(changes, view))

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A consistent view, for as long as the context lasts."""
        with self._session() as session:
            yield SqlReader(session, self._known)

    def subjects(self, query: SubjectQuery) -> list[SubjectRow]:
        """The newest versions of the subjects asked for, in order of row, in one reading."""
        with self.read() as reader:
            return reader.subjects(query)

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
        """Finish what was begun and release every connection."""
        self._writer.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()
        if self._folder is not None:
            self._folder.cleanup()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with explained():
            connection = self._borrowed()
            try:
                cursor = connection.cursor()
                cursor.execute("BEGIN")
                yield SqliteSession(cursor, self._texts)
            except BaseException:
                connection.close()
                raise
            connection.rollback()
            self._idle.append(connection)

    def _borrowed(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._detached()

    def _detached(self) -> sqlite3.Connection:
        """A connection set up by the engine and no longer its own."""
        pooled = self._engine.raw_connection()
        connection = cast("sqlite3.Connection", pooled.driver_connection)
        pooled.detach()
        return connection

    def _commit(self, group: Group) -> None:
        try:
            self._commit_all(group)
        except Busy:
            raise
        except BaseException:
            self._forget()
            raise
        if any(isinstance(job.error, StoreFull) for job in group.jobs):
            self._forget()

    def _commit_all(self, group: Group) -> None:
        with explained():
            connection = self._connection or self._connect()
            cursor = connection.cursor()
            patiently(cursor.execute, "BEGIN IMMEDIATE")
            try:
                session = self._run(group, cursor)
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.rollback()
                raise
            self._last = session.end()
            self._known.update(session.learned)

    def _forget(self) -> None:
        """Give up all connections: one opened while a file was read-only stays so for ever."""
        with suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        with suppress(IndexError):  # readers borrow them meanwhile
            while True:
                self._idle.pop().close()

    def _run(self, jobs: Iterator[Job], cursor: sqlite3.Cursor) -> SqliteSession:
        """Run works one after another. Where one fails that has written, the others run again.

        That is rare. Savepoints would have SQLite copy every page that a work changes, each time,
        and put the copies into a file.
        """
        connection = cursor.connection
        session = SqliteSession(cursor, self._texts)
        session.follow(self._last)
        done = []
        for job in jobs:
            before = connection.total_changes
            writer = SqlWriter(session, self._known)
            if _done(job, writer):
                session.learned.update(writer.names)
                done.append(job)
            elif job.error and not connection.in_transaction:
                # The trouble undid the whole transaction, so it is everybody's.
                raise job.error
            elif connection.total_changes != before:
                cursor.execute("ROLLBACK")
                patiently(cursor.execute, "BEGIN IMMEDIATE")
                return self._run(chain(done, jobs), cursor)
        return session

    def _connect(self) -> sqlite3.Connection:
        connection = self._detached()
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE >> 10}")
        # `patiently` waits in smaller steps than SQLite's.
        connection.execute("PRAGMA busy_timeout = 0")
        self._connection = connection
        return connection


def _done(job: Job, writer: SqlWriter) -> bool:
    try:
        with explained():
            job.result = job.work(writer)
            writer.finish()
    except BaseException as error:
        job.error = error
        return False
    return True


def open_current(url: URL) -> SqliteStore:
    """The store in this file; its tables must be current."""
    engine = engine_for(url, durable=True)
    try:
        with explained(), engine.connect() as connection:
            migrations.require_current(connection)
    finally:
        engine.dispose()
    return SqliteStore(url)


def temporary() -> SqliteStore:
    """A store that is gone when it is closed."""
    folder = TemporaryDirectory(prefix="refnot-")
    url = URL.create("sqlite", database=f"{folder.name}/store.sqlite")
    migrate(url)
    return SqliteStore(url, folder)


def migrate(url: URL) -> None:
    """Create or update the tables; others that try at the same time wait.

    A new file is for its owner alone; SQLite gives its log the same permissions.
    """
    with suppress(OSError):  # where it cannot be made, SQLite says why
        os.close(os.open(str(url.database), os.O_CREAT | os.O_RDWR, 0o600))
    engine = engine_for(url, durable=True)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with explained(), engine.begin() as connection:
            migrations.upgrade(connection)
    finally:
        engine.dispose()
