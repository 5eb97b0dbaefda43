"""One column for facts of every kind, what they depend on in a table, revisions of patients.

Facts are made again from what was received: whoever serves next reads everything again, because
the mark that says which mapping files the readings were made with is gone. Only what is known of
the person stays: since when a death without a date was known is in no resource.
"""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT_ONCE = 1000


def upgrade() -> None:
    """Make the tables anew and keep who is whose, and what waits for what."""
    connection = op.get_bind()
    patient_revision = sa.Column("revision", sa.Integer, nullable=False, server_default="0")
    op.add_column("patient", patient_revision)
    op.rename_table("reading", "reading_before")
    for index in ("patient", "doses", "merged", "waits"):
        op.drop_index(f"reading_{index}", "reading_before")
    if connection.dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE reading_before RENAME CONSTRAINT reading_pkey TO reading_before_pkey"
        )
    _create_readings()
    _create_dependencies()
    op.execute(
        "INSERT INTO reading (resource, patient, kinds, facts, replaced_by) "
        "SELECT resource, patient, CASE WHEN person IS NULL THEN '' ELSE 'person' END, "
        "CASE WHEN person IS NULL THEN '[]' ELSE '[{\"person\":' || person || '}]' END, "
        "replaced_by FROM reading_before"
    )
    _keep_dependencies(connection)
    op.drop_table("reading_before")
    op.execute("DELETE FROM mark WHERE name = 'rulebook'")
    if connection.dialect.name == "postgresql":
        _create_append()


def _of_resource() -> sa.Column[int]:
    return sa.Column(
        "resource",
        _number,
        sa.ForeignKey("resource.number"),
        primary_key=True,
        autoincrement=False,
    )


def _create_readings() -> None:
    op.create_table(
        "reading",
        _of_resource(),
        sa.Column("patient", _number, sa.ForeignKey("patient.number"), nullable=False),
        sa.Column("kinds", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("replaced_by", sa.Text),
    )
    op.create_index("reading_patient", "reading", ["patient"])
    for name, column, where in (
        ("reading_doses", "patient", "kinds = 'dose'"),
        ("reading_merged", "replaced_by", "replaced_by IS NOT NULL"),
    ):
        some = sa.text(where)
        op.create_index(name, "reading", [column], sqlite_where=some, postgresql_where=some)


def _create_dependencies() -> None:
    op.create_table(
        "dependency",
        _of_resource(),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
    )
    op.create_index("dependency_hash", "dependency", ["hash"])


def _keep_dependencies(connection: sa.Connection) -> None:
    waiting = sa.text(
        "SELECT resource, waits_for FROM reading_before "
        "WHERE waits_for IS NOT NULL AND resource > :after ORDER BY resource LIMIT :limit"
    )
    add = sa.text("INSERT INTO dependency VALUES (:resource, 0, :hash, :reference)")
    after = 0
    while found := connection.execute(waiting, {"after": after, "limit": _AT_ONCE}).fetchall():
        rows = [{"resource": n, "hash": _hash(name), "reference": name} for n, name in found]
        connection.execute(add, rows)
        after = found[-1][0]


def _hash(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)


def _create_append() -> None:
    """The end of a chain is found, followed and moved in one call: nobody waits on a client."""
    op.execute(
        """
        CREATE FUNCTION audit_append(
            ats bigint[], whos text[], actions text[], whats text[], details text[], tails bytea[]
        ) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            head audit_head;
            last bigint;
        BEGIN
            -- A chain that no other transaction is about to extend, or else the first to be free.
            SELECT * INTO head FROM audit_head ORDER BY lane LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF NOT FOUND THEN
                SELECT * INTO head FROM audit_head ORDER BY random() LIMIT 1 FOR UPDATE;
            END IF;
            FOR i IN 1 .. array_length(ats, 1) LOOP
                last := nextval('audit_number');
                head.hash := sha256(
                    head.hash
                    || convert_to('[' || last || ',' || head.lane || ',', 'UTF8') || tails[i]
                );
                INSERT INTO audit (number, lane, at, who, action, what, detail, hash)
                VALUES (last, head.lane, ats[i], whos[i], actions[i], whats[i], details[i],
                        head.hash);
            END LOOP;
            UPDATE audit_head SET number = last, hash = head.hash WHERE lane = head.lane;
        END $$
        """
    )
