"""The first tables. What they are for is written in `store/tables.py`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LANES = 16
"""Chains of the audit trail on PostgreSQL: as many transactions can end at the same time."""


def _key(name: str = "number") -> sa.Column[int]:
    return sa.Column(name, _number, primary_key=True, autoincrement=False)


def _to(target: str, name: str, *, key: bool = False, optional: bool = False) -> sa.Column[int]:
    return sa.Column(
        name,
        _number,
        sa.ForeignKey(target),
        primary_key=key,
        nullable=optional,
        autoincrement=False,
    )


def _text(name: str, *, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=optional)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _moment(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=optional)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def upgrade() -> None:
    """Create everything."""
    _create_names()
    _create_resources()
    _create_readings()
    _create_subjects()
    _create_answers()
    _create_audit()
    if op.get_bind().dialect.name == "postgresql":
        _create_sequences()


def _create_names() -> None:
    for table in ("site", "type"):
        op.create_table(table, _key(), _text("name"), sa.UniqueConstraint("name"))
    op.create_table(
        "patient",
        _key(),
        _to("site.number", "site"),
        _text("id"),
        sa.UniqueConstraint("id", "site", name="patient_key"),
    )


def _create_resources() -> None:
    op.create_table(
        "resource",
        _key(),
        _to("site.number", "site"),
        _to("type.number", "type"),
        _text("id"),
        _whole("last"),
        _whole("versions"),
        _whole("version"),
        _bytes("digest"),
        _moment("updated", optional=True),
        _moment("received"),
        _flag("deleted"),
        _to("patient.number", "patient", optional=True),
        sa.UniqueConstraint("id", "type", "site", name="resource_key"),
    )
    op.create_index("resource_patient", "resource", ["patient"])
    op.create_table("links", _key(), _text("content"))
    op.create_table(
        "version",
        _key(),
        _moment("received"),
        _bytes("digest"),
        _moment("updated", optional=True),
        _flag("deleted"),
        _flag("superseded"),
        _to("patient.number", "patient", optional=True),
        _to("links.number", "links", optional=True),
        _bytes("body"),
    )
    _create_identifiers("identifier", "resource")


def _create_readings() -> None:
    op.create_table(
        "reading",
        _to("resource.number", "resource", key=True),
        _to("patient.number", "patient"),
        _text("person", optional=True),
        _text("labs", optional=True),
        _text("doses", optional=True),
        _text("replaced_by", optional=True),
        _text("waits_for", optional=True),
        _moment("waits_hash", optional=True),
    )
    op.create_index("reading_patient", "reading", ["patient"])
    for name, column, present in (
        ("reading_doses", "patient", "doses"),
        ("reading_merged", "replaced_by", "replaced_by"),
        ("reading_waits", "waits_hash", "waits_hash"),
    ):
        where = sa.text(f"{present} IS NOT NULL")
        op.create_index(name, "reading", [column], sqlite_where=where, postgresql_where=where)


def _create_subjects() -> None:
    op.create_table(
        "subject",
        _key(),
        _text("id"),
        _to("site.number", "site"),
        _to("patient.number", "patient"),
        _text("protocol"),
        _whole("version"),
        _whole("assessments"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("subject_patient", "subject", ["patient"])
    for table in ("subject_version", "assessment"):
        op.create_table(table, _key(), _text("content"))
    _create_identifiers("subject_identifier", "subject")


def _create_identifiers(table: str, of: str) -> None:
    op.create_table(
        table,
        _to(f"{of}.number", of, key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        _moment("hash"),
        _text("system"),
        _text("value"),
    )
    op.create_index(f"{table}_hash", table, ["hash"])


def _create_answers() -> None:
    op.create_table(
        "receipt",
        _to("site.number", "site", key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        _moment("at"),
        _whole("status"),
        _bytes("body"),
    )
    op.create_table("mark", sa.Column("name", sa.Text, primary_key=True), _text("value"))


def _create_audit() -> None:
    head = op.create_table("audit_head", _key("lane"), _moment("number"), _bytes("hash"))
    op.create_table(
        "audit",
        _key(),
        _to("audit_head.lane", "lane"),
        _moment("at"),
        _text("who"),
        _text("action"),
        _text("what"),
        _text("detail"),
        _bytes("hash"),
    )
    postgres = op.get_bind().dialect.name == "postgresql"
    lanes = range(_LANES if postgres else 1)
    op.bulk_insert(head, [{"lane": n, "number": 0, "hash": bytes(32)} for n in lanes])
    if postgres:
        _guard_on_postgres()
    else:
        _guard_on_sqlite()


def _guard_on_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{event.lower()} BEFORE {event} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail can only be added to'); END"
        )


def _guard_on_postgres() -> None:
    op.execute("CREATE INDEX audit_lane ON audit (lane, number)")
    op.execute(
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit trail can only be added to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
    )
    op.execute(
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    )


def _create_sequences() -> None:
    for table in ("site", "type", "patient", "resource", "links", "subject", "audit"):
        op.execute(f"CREATE SEQUENCE {table}_number")
