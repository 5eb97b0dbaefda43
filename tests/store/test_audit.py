"""The audit trail cannot be changed, and shows when it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from refnot_fhir.store.audit import chained
from refnot_fhir.store.contract import AuditEntry, Store
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


def kept_in_two_deliveries(store: Store) -> None:
    """Two resources at NOW with the audit row 1, a third one later with the row 2."""
    later = NOW + timedelta(seconds=1)
    for names, at in ((("o1", "o2"), NOW), (("o3",), later)):
        versions = [replace(kept(key(name)), received=at) for name in names]
        store.write(lambda w: (w.keep(versions), w.log([AuditEntry(at, "x", "create", "")])))  # noqa: B023
    assert store.verify_audit() is None
    assert store.verify_bodies() is None


FORGERIES: Sequence[tuple[str, int | None, int]] = [
    # what is done to the FIRST version, the audit row named, how many of its moment are left
    ("UPDATE version SET body = OTHER WHERE number = FIRST", 1, 2),
    ("UPDATE version SET deleted = NOT deleted WHERE number = FIRST", 1, 2),
    ("UPDATE version SET fhir = 'R5' WHERE number = FIRST", 1, 2),
    ("UPDATE version SET received = received + 7 WHERE number = FIRST", 1, 1),
    ("DELETE FROM version WHERE number = FIRST", 1, 1),
    ("DELETE FROM version WHERE number = (SELECT max(number) FROM version)", 2, 0),
    (
        "INSERT INTO version SELECT number + 9, received + 7, digest, updated, deleted, superseded,"
        " patient, links, body, fhir FROM version WHERE number = FIRST",
        None,
        1,
    ),
]


@pytest.mark.parametrize(("statement", "row", "left"), FORGERIES)
def test_a_version_that_was_changed_taken_away_or_added_shows(
    store: Store, url: str, statement: str, row: int | None, left: int
) -> None:
    kept_in_two_deliveries(store)
    other = r"'\x7b7d'" if url.startswith("postgresql") else "x'7b7d'"

    first = "(SELECT min(number) FROM version)"
    run(url, statement.replace("OTHER", other).replace("FIRST", first))

    fault = store.verify_bodies()
    assert fault is not None
    assert (fault.row, len(fault.resources)) == (row, left)
    assert store.verify_audit() is None


def test_what_was_kept_before_the_audit_spoke_of_bodies_is_not_judged(store: Store) -> None:
    early = replace(kept(key("o0")), received=NOW - timedelta(days=1))
    store.write(lambda w: w.keep([early]))

    kept_in_two_deliveries(store)
