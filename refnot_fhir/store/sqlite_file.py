"""Connections to a SQLite file that several processes read and write, and their errors."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from refnot_fhir.errors import Busy, Conflict, RefnotError, StoreFull

log = logging.getLogger(__name__)

PATIENCE = 8.0
"""Seconds to wait for another process to finish writing."""
_LONGEST_NAP = 0.01
_CACHE = 8 << 20
"""Bytes of pages that each connection holds."""
_MAPPED = 256 << 20
"""Bytes of the file that are read without copying."""
_CHECKPOINT = 4000
"""Pages of the log after which it is copied into the file: few copies of a page often changed."""


def engine_for(url: URL, *, durable: bool) -> Engine:
    """Connections set up for several processes that read and write one file."""
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=-1,
        # Transactions are begun by hand: the driver would begin them too late.
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "cached_statements": 256,
            "timeout": PATIENCE,
        },
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {'FULL' if durable else 'OFF'}",
            "foreign_keys = ON",
            f"cache_size = -{_CACHE >> 10}",
            f"mmap_size = {_MAPPED}",
            f"wal_autocheckpoint = {_CHECKPOINT}",
        ):
            patiently(connection.execute, f"PRAGMA {pragma}")

    return engine


def patiently(execute: Callable[[str], object], statement: str) -> None:
    """Run a statement, again and again while another process is in the way.

    SQLite's own waiting gives up at once when a new file is changed to its log, and sleeps up to
    0.1 s at a time.
    """
    end, nap = monotonic() + PATIENCE, 0.0005
    while True:
        try:
            execute(statement)
        except sqlite3.OperationalError as error:
            if kind_of(error) != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
        else:
            return
        sleep(nap)
        nap = min(nap * 2, _LONGEST_NAP)


def kind_of(error: sqlite3.Error) -> int | None:
    """The primary result code of SQLite; extended ones carry it in their lowest byte."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


_FULL = {
    sqlite3.SQLITE_FULL: "there is no room left for the database",
    sqlite3.SQLITE_READONLY: "the database cannot be written to",
    sqlite3.SQLITE_IOERR: "the disk of the database fails or is full",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
}


def named(error: sqlite3.Error) -> RefnotError | None:
    """The error as callers know it; None when it is a mistake of ours."""
    kind = kind_of(error)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy("another process keeps the database locked")
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(f"it contradicts what is kept: {error}")
    if kind in _FULL:
        log.warning("store.not_writable: %s", error)
        return StoreFull(_FULL[kind])
    return None


@contextmanager
def explained() -> Iterator[None]:
    """Raise SQLite's errors as those of this package."""
    try:
        yield
    except sqlite3.Error as error:
        known = named(error)
        if known is None:
            raise
        raise known from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise named(error.orig) or error from error
