"""What callers meet when the disk, the lock or the server is in trouble."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import make_url

from refnot_fhir.errors import BadInput, Busy, Conflict, RefnotError, StoreFull
from refnot_fhir.store import group, migrate, open_store, postgres, sqlite_file
from refnot_fhir.store.contract import Store, SubjectQuery, Writer
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


def test_a_store_that_could_not_be_written_to_is_tried_again(sqlite_store: Store) -> None:
    def forbid(writer: Writer) -> None:
        writer._session.cursor.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    sqlite_store.write(forbid)
    with pytest.raises(StoreFull):
        sqlite_store.write(lambda w: w.set_mark("a", "b"))
    sqlite_store.write(lambda w: w.set_mark("a", "c"))
    assert sqlite_store.mark("a") == "c"


def test_a_file_that_cannot_be_opened_is_told_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    url = f"sqlite:///{folder}/store.sqlite"
    migrate(url)
    store = open_store(url)
    folder.rename(tmp_path / "away")
    with pytest.raises(StoreFull, match="cannot be opened"):
        store.write(lambda w: w.set_mark("a", "b"))
    (tmp_path / "away").rename(folder)
    store.write(lambda w: w.set_mark("a", "c"))
    assert store.mark("a") == "c"
    store.close()


def test_a_work_that_waits_too_long_for_others_is_busy_and_is_not_done_later(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "LONGEST_WAIT", 0.1)
    begun, go_on = threading.Event(), threading.Event()

    def slow(writer: Writer) -> str:
        begun.set()
        go_on.wait(30)
        writer.set_mark("a", "slow")
        return "done"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(sqlite_store.write, slow)
        assert begun.wait(30)
        with pytest.raises(Busy):
            sqlite_store.write(lambda w: w.set_mark("a", "late"))
        go_on.set()
        assert first.result(30) == "done"
    sqlite_store.write(lambda w: w.set_mark("b", "1"))
    assert sqlite_store.mark("a") == "slow"


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


def _silent(url: str) -> list[int]:
    """Every process of the server, stopped: as after a fault of its disk or its machine."""
    with psycopg.connect(url) as connection:
        (file,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    postmaster = int((Path(file) / "postmaster.pid").read_text("ascii").split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text("ascii")
    found = [postmaster, *map(int, children.split())]
    for pid in found:
        _told(pid, signal.SIGSTOP)
    return found


def _told(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # that of a connection that was closed a moment ago
        os.kill(pid, what)


def test_a_server_that_is_frozen_is_busy_within_ten_seconds_and_then_used_again(
    own_postgresql_url: str,
) -> None:
    migrate(own_postgresql_url)
    store = open_store(own_postgresql_url)
    store.write(lambda w: w.set_mark("a", "1"))
    stopped: list[int] = []
    begun: list[float] = []

    def freeze(writer: Writer) -> None:
        stopped.extend(_silent(own_postgresql_url))
        begun.append(time.monotonic())
        writer.set_mark("a", "in the middle")

    def late(writer: Writer) -> None:
        writer.set_mark("a", "2")

    try:
        for work in (freeze, late):
            begun.append(time.monotonic())
            with pytest.raises(Busy) as raised:
                store.write(work)
            assert time.monotonic() - begun[-1] < 10
            assert "127.0.0.1" not in str(raised.value)
            assert "refnot" not in str(raised.value)
    finally:
        for pid in stopped:
            _told(pid, signal.SIGCONT)
    assert store.mark("a") == "1"
    store.write(lambda w: w.set_mark("a", "3"))
    assert store.mark("a") == "3"
    store.close()


def test_a_table_that_another_transaction_locks_is_busy_within_ten_seconds(
    postgresql_url: str,
) -> None:
    migrate(postgresql_url)
    store = open_store(postgresql_url)
    with psycopg.connect(postgresql_url) as other:
        other.execute("LOCK TABLE mark IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        with pytest.raises(Busy):
            store.mark("a")
        with pytest.raises(Busy):
            store.write(lambda w: w.set_mark("a", "1"))
        assert time.monotonic() - begun < 20
    store.write(lambda w: w.set_mark("a", "2"))
    assert store.mark("a") == "2"
    store.close()


def test_connections_that_the_server_ended_are_made_anew(postgresql_url: str) -> None:
    migrate(postgresql_url)
    store = open_store(postgresql_url)
    store.write(lambda w: w.set_mark("a", "1"))
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert store.mark("a") == "1"
    store.close()


def test_a_database_that_became_read_only_is_told_and_tried_again(postgresql_url: str) -> None:
    migrate(postgresql_url)
    store = open_store(postgresql_url)
    name = make_url(postgresql_url).database
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        store.close()
        store = open_store(postgresql_url)
        with pytest.raises(StoreFull, match="cannot be written to"):
            store.write(lambda w: w.set_mark("a", "1"))
        other.execute("SET default_transaction_read_only = off")
        other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    store.write(lambda w: w.set_mark("a", "2"))
    assert store.mark("a") == "2"
    store.close()


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
