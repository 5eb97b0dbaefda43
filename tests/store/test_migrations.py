"""Tables are made once, by whoever comes first, as `tables.py` describes them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, make_url

from refnot_fhir.errors import RefnotError
from refnot_fhir.fhir import wire
from refnot_fhir.store import migrate, open_store
from refnot_fhir.store.contract import Receipt
from refnot_fhir.store.schema import metadata
from tests.store.things import NOW, deletion, kept, key

O1, O2 = key("o1"), key("o2")


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
    migrate(url)
    store = open_store(url)
    spelled = (
        b'\xef\xbb\xbf{ "id": "o1", "b": 1.0, "a": {"reference": "urn:uuid:1"}, "n": [null, 1e2] }'
    )
    linked = {"a": {"reference": "Patient/p1"}, "b": Decimal("1.0"), "n": [None, Decimal("1e2")]}
    first = kept(O1, body=spelled)
    versions = [
        replace(first, links={"urn:uuid:1": "Patient/p1"}, digest=wire.digest(linked)),
        deletion(O1, 2),
        replace(kept(O2, body=b'{"x": 1}'), digest=wire.digest({"x": 1})),
    ]
    store.write(lambda w: (w.keep(versions), w.save_receipt(Receipt("north", b"x", NOW, 200, b""))))
    with store.read() as reader:
        expected = reader.heads([O1, O2])
    store.close()
    with connected(url) as connection:
        connection.exec_driver_sql("UPDATE version SET digest = body")
        connection.exec_driver_sql("UPDATE resource SET digest = 'old'")
        connection.exec_driver_sql("ALTER TABLE version DROP COLUMN fhir")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    migrate(url)
    store = open_store(url)
    with store.read() as reader:
        assert reader.heads([O1, O2]) == expected
        assert reader.counts()["receipts"] == 0
        assert [k.body for k in reader.history(O1)] == [b"", spelled]
    store.close()


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
