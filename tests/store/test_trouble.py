"""What callers meet when the disk, the lock or the server is in trouble."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import make_url

from refnot_fhir.errors import BadInput, Busy, Conflict, RefnotError, StoreFull
from refnot_fhir.store import migrate, open_store, postgres, sqlite_file
from refnot_fhir.store.base import Store, SubjectQuery, Writer
from tests.store.things import kept, key, subject
from tests.store.worker import add_version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_another_process_keeps_is_busy_and_passes(
    sqlite_store: Store, sqlite_url: str
) -> None:
    sqlite_store.write(lambda w: w.set_mark("a", "1"))
    other = sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy) as raised:
        sqlite_store.write(lambda w: w.set_mark("a", "2"))
    assert raised.value.retry_after > 0
    assert sqlite_store.mark("a") == "1"
    other.execute("COMMIT")
    other.close()
    sqlite_store.write(lambda w: w.set_mark("a", "2"))
    assert sqlite_store.mark("a") == "2"


FILL = """
import resource, sys
from refnot_fhir.errors import StoreFull
from refnot_fhir.store import open_store
from tests.store.things import kept, key
store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
done = 0
try:
    while True:
        store.write(lambda w: w.keep([kept(key(f"o{done}"), body=b"x" * 50_000)]))
        done += 1
except StoreFull:
    sys.stdout.write(str(done))
"""


def test_a_disk_without_room_is_told_and_what_was_acknowledged_stays(sqlite_url: str) -> None:
    migrate(sqlite_url)
    run = subprocess.run(
        [sys.executable, "-c", FILL, sqlite_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    done = int(run.stdout)
    assert done > 5
    store = open_store(sqlite_url)
    with store.read() as reader:
        assert len(reader.newest([key(f"o{n}") for n in range(done)])) == done
    store.write(lambda w: w.keep([kept(key("more"))]))
    store.close()


def test_a_database_that_cannot_be_written_is_told(sqlite_store: Store) -> None:
    def forbid(writer: Writer) -> None:
        writer._session.cursor.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    sqlite_store.write(forbid)
    with pytest.raises(StoreFull, match="cannot be written"):
        sqlite_store.write(lambda w: w.set_mark("a", "b"))


def _sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_IOERR_WRITE, StoreFull),
        (sqlite3.SQLITE_READONLY_DIRECTORY, StoreFull),
        (sqlite3.SQLITE_CANTOPEN, StoreFull),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Busy),
        (sqlite3.SQLITE_LOCKED, Busy),
        (sqlite3.SQLITE_ERROR, type(None)),
        (sqlite3.SQLITE_CORRUPT, type(None)),
    ],
)
def test_errors_of_sqlite_have_one_meaning_each(code: int, meaning: type) -> None:
    assert type(sqlite_file.named(_sqlite(code))) is meaning


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (pg.DiskFull("x"), StoreFull),
        (pg.ReadOnlySqlTransaction("x"), StoreFull),
        (pg.LockNotAvailable("x"), Busy),
        (pg.TooManyConnections("x"), Busy),
        (pg.AdminShutdown("x"), Busy),
        (psycopg.OperationalError("connection refused\nmore"), Busy),
        (pg.ForeignKeyViolation("x"), Conflict),
        (pg.NumericValueOutOfRange("x"), BadInput),
        (pg.UndefinedTable("x"), type(None)),
    ],
)
def test_errors_of_postgresql_have_one_meaning_each(error: psycopg.Error, meaning: type) -> None:
    assert type(postgres.named(error)) is meaning


def test_a_server_that_does_not_answer_is_busy() -> None:
    with pytest.raises(Busy, match="does not answer"):
        open_store("postgresql://refnot@127.0.0.1:1/nothing")


def test_text_that_postgresql_cannot_hold_is_bad_input(postgresql_url: str) -> None:
    migrate(postgresql_url)
    store = open_store(postgresql_url)
    with pytest.raises(BadInput, match="NUL"):
        store.write(lambda w: w.set_mark("a", "\x00"))
    store.write(lambda w: w.keep([kept(key("o1"), body=b"\x00")]))
    store.close()


def test_works_that_lock_sites_in_opposite_order_both_succeed(postgresql_url: str) -> None:
    migrate(postgresql_url)
    store = open_store(postgresql_url)
    met = threading.Barrier(2)
    first = threading.local()

    def one(sites: tuple[str, str]) -> int:
        first.time = True

        def work(writer: Writer) -> int:
            for site in sites:
                writer.heads([key("o", site=site)])
                if first.time:
                    first.time = False
                    met.wait(timeout=30)
            return add_version(writer)

        return store.write(work)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, [("a", "b"), ("b", "a")])) == [1, 2]
    store.close()


def test_two_decisions_on_one_subject_do_not_overwrite_each_other(store: Store) -> None:
    store.write(lambda w: w.save_subject(subject("s1"), None))

    def decide(_: int) -> int:
        def work(writer: Writer) -> int:
            (row,) = writer.subjects(SubjectQuery(ids=["s1"]))
            version = row.subject.version + 1
            writer.save_subject(subject("s1", version=version), None)
            return version

        return store.write(work)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(decide, range(24))) == list(range(2, 26))


@pytest.mark.parametrize(
    "content",
    [b"this is no database, and never was one" * 40, None],
    ids=["a text", "other tables"],
)
def test_what_is_no_store_is_refused_in_words(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.sqlite3"
    if content is None:
        other = sqlite3.connect(file)
        other.execute("create table patient (x)")
        other.close()
    else:
        file.write_bytes(content)
    with pytest.raises(RefnotError, match=r"x\.sqlite3 cannot be used"):
        migrate(f"sqlite:///{file}")


@pytest.mark.usefixtures("impatient")
def test_works_that_waited_for_a_lock_together_are_busy_together(
    sqlite_store: Store, sqlite_url: str
) -> None:
    sqlite_store.write(lambda w: w.set_mark("a", "1"))
    other = sqlite3.connect(str(make_url(sqlite_url).database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def outcome(number: int) -> str:
        try:
            sqlite_store.write(lambda w: w.set_mark("a", str(number)))
        except Busy:
            return "busy"
        return "written"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(outcome, range(4))) == ["busy"] * 4
    other.execute("COMMIT")
    other.close()
    assert outcome(5) == "written"
