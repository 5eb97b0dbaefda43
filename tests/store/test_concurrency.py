"""Many writers at once: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest

from refnot_fhir.errors import Conflict
from refnot_fhir.store import migrate, open_store
from refnot_fhir.store.contract import AuditEntry, Store, Writer
from refnot_fhir.store.group import Group, Line
from tests.store.things import NOW, kept, key, lab_reading
from tests.store.worker import SHARED, add_version

ROOT = Path(__file__).parents[2]


def start(url: str, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.worker", url, name, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_threads_that_write_at_once_lose_nothing(store: Store) -> None:
    def one(number: int) -> int:
        own = key(f"o{number}")

        def work(writer: Writer) -> int:
            writer.keep([kept(own)])
            writer.set_readings([lab_reading(own)])
            writer.log([AuditEntry(NOW, "engine", "create", own.id)])
            return add_version(writer)

        return store.write(work)

    with ThreadPoolExecutor(16) as pool:
        versions = list(pool.map(one, range(64)))
    assert sorted(versions) == list(range(1, 65))
    with store.read() as reader:
        assert len(reader.facts("north", ["p1"])["p1"]) == 64
        assert [k.version for k in reader.history(SHARED)] == list(range(64, 0, -1))
        assert reader.counts()["audit"] == 64
    assert store.verify_audit() is None


def test_a_failing_work_harms_none_of_those_that_are_committed_with_it(store: Store) -> None:
    def one(number: int) -> int:
        def work(writer: Writer) -> int:
            writer.keep([kept(key(f"o{number}"), patient=f"p{number}")])
            if number % 3 == 0:
                raise LookupError(str(number))
            return number

        return store.write(work)

    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(one, number) for number in range(48)]
    for number, answer in enumerate(answers):
        if number % 3:
            assert answer.result() == number
        else:
            with pytest.raises(LookupError, match=f"^'?{number}'?$"):
                answer.result()
    with store.read() as reader:
        assert reader.counts()["resources"] == 32
        assert reader.counts()["patients"] == 32


def test_only_one_of_many_creates_what_must_be_there_once(store: Store) -> None:
    def create(number: int) -> bool:
        own = key(f"p{number}", type="Patient")

        def work(writer: Writer) -> bool:
            if writer.with_identifier("north", "Patient", "s", "1"):
                return False
            writer.keep([kept(own)])
            writer.set_identifiers(own, [("s", "1")])
            return True

        return store.write(work)

    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(create, range(48)))
    assert created.count(True) == 1


def test_readers_see_whole_transactions_while_others_write(store: Store) -> None:
    stop = threading.Event()

    def watch() -> list[int]:
        seen = []
        while not stop.is_set():
            with store.read() as reader:
                seen.append(reader.counts()["resources"])
        return seen

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        for n in range(20):
            store.write(lambda w, n=n: w.keep([kept(key(f"o{n}-{i}")) for i in range(10)]))  # type: ignore[misc]
        stop.set()
        seen = watching.result()
    assert seen == sorted(seen)
    assert all(count % 10 == 0 for count in seen)


def test_two_processes_that_write_one_database_lose_nothing(url: str) -> None:
    migrate(url)
    workers = [start(url, name, 40) for name in ("a", "b")]
    said = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    versions = sorted(int(v) for words in said for v in words[1::2])
    assert versions == list(range(1, 81))
    store = open_store(url)
    with store.read() as reader:
        assert len(reader.facts("north", ["p1"])["p1"]) == 80
        assert reader.counts()["versions"] == 160
    assert store.verify_audit() is None
    store.close()


def test_what_was_acknowledged_survives_a_kill(url: str) -> None:
    migrate(url)
    rounds, end = 10, monotonic() + 20
    chance = random.Random(8)  # noqa: S311 - when to kill is no secret
    acknowledged: list[tuple[str, int]] = []
    for number in range(rounds):
        if monotonic() > end:
            break
        worker = start(url, f"w{number}", 10_000)
        assert worker.stdout is not None
        for _ in range(chance.randrange(1, 30)):
            line = worker.stdout.readline()
            acknowledged.append((f"w{number}-{line.split()[0]}", int(line.split()[1])))
        os.kill(worker.pid, signal.SIGKILL)
        # What was said and not yet read counts as well.
        for line in worker.stdout:
            if line.endswith("\n"):
                acknowledged.append((f"w{number}-{line.split()[0]}", int(line.split()[1])))
        worker.wait(timeout=10)
        worker.stdout.close()
    store = open_store(url)
    with store.read() as reader:
        kept_ids = {k.id for k in reader.heads([key(id) for id, _ in acknowledged])}
        counts = reader.counts()
        assert kept_ids == {id for id, _ in acknowledged}
        assert {v for _, v in acknowledged} <= {k.version for k in reader.history(SHARED)}
        # Whole transactions only: each one adds a resource, a shared version and an audit row.
        assert counts["audit"] == counts["resources"] - 1 == counts["versions"] / 2
        assert counts["readings"] == counts["audit"]
    assert store.verify_audit() is None
    store.write(add_version)
    store.close()


def test_a_work_inside_a_work_is_refused(sqlite_store: Store) -> None:
    def outer(_: Writer) -> None:
        sqlite_store.write(lambda w: w.set_mark("a", "b"))

    with pytest.raises(RuntimeError, match="inside"):
        sqlite_store.write(outer)


def test_who_is_interrupted_while_he_waits_leaves_the_turn_to_the_next() -> None:
    """As a command is that somebody ends with Ctrl-C while others write."""
    begun, go_on = threading.Event(), threading.Event()

    def commit(jobs: Group) -> None:
        for job in jobs:
            job.result = job.work(None)
        begun.set()
        assert go_on.wait(30)

    line = Line(commit)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(line.run, lambda _: "first")
        assert begun.wait(30)
        here = threading.get_ident()
        threading.Timer(0.2, signal.pthread_kill, [here, signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            line.run(lambda _: "interrupted")
        go_on.set()
        assert first.result(30) == "first"
        assert pool.submit(line.run, lambda _: "next").result(30) == "next"
    line.close()


def test_a_closed_store_refuses_to_write(sqlite_url: str) -> None:
    migrate(sqlite_url)
    store = open_store(sqlite_url)
    store.write(lambda w: w.set_mark("a", "b"))
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.write(lambda w: w.set_mark("a", "b"))


def test_a_conflict_is_of_its_own_work(store: Store) -> None:
    store.write(lambda w: w.keep([kept(key("o1"))]))
    with pytest.raises(Conflict):
        store.write(lambda w: w.keep([kept(key("o1"))]))
    store.write(lambda w: w.keep([kept(key("o1"), 2)]))
