"""Tables are made once, by whoever comes first, as `tables.py` describes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, make_url

from refnot_fhir.core.facts import Dose, Measurement, Person
from refnot_fhir.errors import RefnotError
from refnot_fhir.store import migrate, migrations, open_store
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.store.schema import metadata
from refnot_fhir.trial import reassess
from tests.door import DRUG_OF_MEDICATION, open_door
from tests.store.things import key


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(address)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_migrations_make_the_tables_that_are_described(url: str) -> None:
    migrate(url)
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    # One index serves the chains of the audit trail, of which only PostgreSQL has several.
    named = [d for d in differences if not (d[0] == "remove_index" and d[1].name == "audit_lane")]
    assert named == []


def test_migrating_again_changes_nothing(url: str) -> None:
    migrate(url)
    store = open_store(url)
    store.write(lambda w: w.set_mark("a", "b"))
    store.close()
    migrate(url)
    store = open_store(url)
    assert store.mark("a") == "b"
    store.close()


def test_several_may_migrate_at_the_same_time(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(url), range(4)))
    open_store(url).close()


def test_a_store_without_its_tables_is_not_opened(url: str) -> None:
    with pytest.raises(RefnotError, match="run its migrations first"):
        open_store(url)


def test_a_store_of_a_later_release_is_not_opened(url: str) -> None:
    migrate(url)
    with connected(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RefnotError, match="9999"):
        open_store(url)


def test_digests_of_bytes_become_digests_of_content(url: str) -> None:
    fill(url)
    with connected(url) as connection:
        rows = "SELECT number, digest FROM {} ORDER BY number"
        expected = [
            connection.exec_driver_sql(rows.format(t)).all() for t in ("version", "resource")
        ]
        connection.exec_driver_sql("UPDATE version SET digest = body")
        connection.exec_driver_sql("UPDATE resource SET digest = 'old'")
        connection.exec_driver_sql("ALTER TABLE version DROP COLUMN fhir")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    migrate(url)
    with connected(url) as connection:
        found = [connection.exec_driver_sql(rows.format(t)).all() for t in ("version", "resource")]
    assert found == expected
    store = open_store(url)
    with store.read() as reader:
        assert reader.counts()["receipts"] == 0
    store.close()


FILLED = Path(__file__).with_name("filled_0003.sql")
"""What the release with the tables 0003 wrote of a few deliveries, as SQLite has it."""


def fill(url: str) -> None:
    """A database as the release with the tables 0003 left it."""
    text = FILLED.read_text("utf-8")
    if url.startswith("postgresql"):
        text = re.sub(r"\bx'([0-9a-f]*)'", r"'\\x\1'", text)
    with connected(url) as connection:
        migrations.upgrade(connection, "0003")
        for statement in filter(None, text.split(";\n")):
            connection.exec_driver_sql(statement.replace("%", "%%"))


def test_a_filled_database_of_the_release_before_keeps_everything(url: str) -> None:
    fill(url)
    migrate(url)
    store = open_store(url)
    assert (store.verify_audit(), store.verify_bodies(), store.mark("rulebook")) == (None,) * 3
    with store.read() as reader:
        counts = reader.counts()
        rows = reader.subjects(SubjectQuery())
        given = key("a1", type="MedicationAdministration", site="default")
        assert reader.depending_on("default", "Medication/med1") == [given]
        assert reader.merged_into("default", "p1") == ["p3"]
        facts = reader.facts("default", ["p1", "p2"])
        head = reader.heads([key("p1-plt", site="default")])[key("p1-plt", site="default")]
    store.close()
    assert (counts["versions"], counts["resources"], counts["subjects"]) == (21, 18, 4)
    assert [row.subject.status for row in rows] == ["ineligible", "ineligible", "ineligible",
                                                    "screening"]  # fmt: skip
    assert (head.version, len(head.earlier)) == (2, 1)
    assert [type(fact) for fact in facts["p1"]] == [Person]
    (person,) = facts["p2"]
    assert isinstance(person, Person)
    assert person.dead_by == datetime(2026, 5, 20, 9, tzinfo=UTC)


def test_what_the_release_before_received_is_read_and_decided_again(
    url: str, tmp_path: Path
) -> None:
    fill(url)
    with open_door(tmp_path, url=url) as door:
        judge = door.service.judge()
        assert reassess.rules_moved(door.service.store, judge)
        reassess.everyone(door.service.store, judge)
        verdicts = door.verdicts()
        assert (verdicts["IN07B"], verdicts["IN08A"], verdicts["EX09"]) == ("not-met", "met", "met")
        assert verdicts["IN04"] == "unknown"
        with door.service.store.read() as reader:
            kinds = {type(fact) for fact in reader.facts("default", ["p1"])["p1"]}
            (person, _) = reader.facts("default", ["p2"])["p2"]
        assert kinds == {Person, Measurement, Dose}
        assert isinstance(person, Person)
        assert person.dead_by == datetime(2026, 5, 20, 9, tzinfo=UTC)
        assert door.put(DRUG_OF_MEDICATION).status_code == 200


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "", "oracle+x://"])
def test_an_address_that_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(RefnotError, match="database"):
        open_store(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_without_a_path_is_temporary_and_serves_several_threads(url: str) -> None:
    migrate(url)
    store = open_store(url)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.write(lambda w: w.set_mark(str(n), "x")), range(8)))
        assert list(pool.map(store.mark, map(str, range(8)))) == ["x"] * 8
    store.close()
    again = open_store(url)
    assert again.mark("1") is None
    again.close()


def test_a_relative_path_is_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    migrate("sqlite:///store.sqlite")
    assert (tmp_path / "store.sqlite").exists()
