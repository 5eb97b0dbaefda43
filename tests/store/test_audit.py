"""The audit trail cannot be changed, and shows when it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from refnot_fhir.store.audit import chained
from refnot_fhir.store.base import AuditEntry, Store
from tests.store.things import NOW, kept, key


def entries(*names: str) -> list[AuditEntry]:
    return [AuditEntry(NOW, "engine", "create", name, "detail of " + name) for name in names]


def run(url: str, *statements: str) -> None:
    """Do to the database what somebody with its password can do."""
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def drop_guards(url: str) -> None:
    postgres = url.startswith("postgresql")
    names = ("change", "truncate") if postgres else ("update", "delete")
    run(url, *(f"DROP TRIGGER audit_no_{n}{' ON audit' if postgres else ''}" for n in names))


def written(store: Store) -> None:
    """Five rows with the numbers 1 to 5, in one chain."""
    store.write(lambda w: w.log(entries("a", "b")))
    store.write(lambda w: w.log(entries("c", "d", "e")))
    assert store.verify_audit() is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody' WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit",
    ],
)
def test_rows_can_neither_be_changed_nor_deleted(store: Store, url: str, statement: str) -> None:
    written(store)
    with pytest.raises(DBAPIError, match="can only be added to"):
        run(url, statement)
    assert store.verify_audit() is None


TAMPERINGS: Sequence[tuple[str, int]] = [
    ("UPDATE audit SET who = 'nobody' WHERE number = 2", 2),
    ("UPDATE audit SET at = at + 1 WHERE number = 3", 3),
    ("UPDATE audit SET detail = what, what = detail WHERE number = 1", 1),
    ("UPDATE audit SET hash = (SELECT hash FROM audit WHERE number = 1) WHERE number = 4", 4),
    ("DELETE FROM audit WHERE number = 1", 2),
    ("DELETE FROM audit WHERE number = 3", 4),
    ("DELETE FROM audit WHERE number = 5", 5),
    ("DELETE FROM audit", 5),
    (
        "UPDATE audit SET number = 99 WHERE number = 2;"
        "UPDATE audit SET number = 2 WHERE number = 3;"
        "UPDATE audit SET number = 3 WHERE number = 99",
        2,
    ),
    (
        "INSERT INTO audit SELECT 6, lane, at, who, action, what, detail, hash "
        "FROM audit WHERE number = 5",
        6,
    ),
]


@pytest.mark.parametrize(("statements", "first_bad"), TAMPERINGS)
def test_without_its_guards_a_change_shows_at_the_first_row_that_it_spoils(
    store: Store, url: str, statements: str, first_bad: int
) -> None:
    written(store)
    drop_guards(url)
    run(url, *statements.split(";"))
    assert store.verify_audit() == first_bad


def test_a_row_inserted_with_a_hash_that_fits_shows_at_the_next(store: Store, url: str) -> None:
    store.write(lambda w: w.log(entries("a")))
    drop_guards(url)
    run(url, "UPDATE audit SET number = number + 10", "UPDATE audit_head SET number = 11")
    assert store.verify_audit() == 11

    def forge(connection: Connection) -> None:
        content = (1, 0, 0, "nobody", "create", "x", "")
        hash_ = chained(bytes(32), content).hex()
        literal = f"'\\x{hash_}'" if connection.dialect.name == "postgresql" else f"x'{hash_}'"
        connection.exec_driver_sql(
            f"INSERT INTO audit VALUES (1, 0, 0, 'nobody', 'create', 'x', '', {literal})"  # noqa: S608
        )

    _within(url, forge)
    assert store.verify_audit() == 11


def _within(url: str, change: Callable[[Connection], None]) -> None:
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(address)
    with engine.begin() as connection:
        change(connection)
    engine.dispose()


def test_audit_rows_are_written_with_the_data_or_not_at_all(store: Store) -> None:
    def fails(writer: object) -> None:
        writer.log(entries("a"))  # type: ignore[attr-defined]
        writer.keep([kept(key("o1"))])  # type: ignore[attr-defined]
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.write(fails)
    store.write(lambda w: w.log(entries("b")))
    with store.read() as reader:
        assert reader.counts()["audit"] == 1
    assert store.verify_audit() is None


def test_a_long_trail_is_verified_page_by_page(store: Store) -> None:
    store.write(lambda w: w.log(entries(*(str(n) for n in range(2_500)))))
    store.write(lambda w: w.log(entries("", "\u2028\"'", "п🩺")))
    assert store.verify_audit() is None
