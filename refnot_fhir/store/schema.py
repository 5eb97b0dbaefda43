"""The tables of every store, in words that SQLite and PostgreSQL share.

What costs most per resource is every index beyond the first, so there are few: rows are numbered,
sites, types and patients are small numbers, and the number of a version is made from the number of
its resource (`packed`), which makes the primary key serve history and uniqueness alike. Keys begin
with the id: a planner without statistics must not take the few sites and types for a choice.
Moments are microseconds since 1970 in UTC: exact, small and in order on both engines.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION_BITS = 24
MOST_VERSIONS = (1 << VERSION_BITS) - 1
"""A resource can have this many versions."""


def packed(number: int, version: int) -> int:
    """The number of a version of the row with this number."""
    return (number << VERSION_BITS) | version


metadata = MetaData()
# INTEGER alone makes the key of a SQLite table its own row number, without a second tree.
_number = BigInteger().with_variant(Integer(), "sqlite")


def _key(name: str = "number") -> Column[int]:
    return Column(name, _number, primary_key=True, autoincrement=False)


def _of(table: Table) -> Column[int]:
    return Column(
        table.name,
        ForeignKey(f"{table.name}.number"),
        type_=_number,
        primary_key=True,
        autoincrement=False,
    )


site = Table("site", metadata, _key(), Column("name", Text, nullable=False, unique=True))
type_ = Table("type", metadata, _key(), Column("name", Text, nullable=False, unique=True))

patient = Table(
    "patient",
    metadata,
    _key(),
    Column("site", ForeignKey("site.number"), type_=_number, nullable=False),
    Column("id", Text, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("id", "site", name="patient_key"),
)

"""`revision` counts the changes of the facts and subjects of the patient."""

resource = Table(
    "resource",
    metadata,
    _key(),
    Column("site", ForeignKey("site.number"), type_=_number, nullable=False),
    Column("type", ForeignKey("type.number"), type_=_number, nullable=False),
    Column("id", Text, nullable=False),
    Column("last", Integer, nullable=False),
    Column("versions", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("updated", BigInteger),
    Column("received", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("patient", ForeignKey("patient.number"), type_=_number),
    UniqueConstraint("id", "type", "site", name="resource_key"),
    Index("resource_patient", "patient"),
)

version = Table(
    "version",
    metadata,
    _key(),
    Column("received", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("updated", BigInteger),
    Column("deleted", Boolean, nullable=False),
    Column("superseded", Boolean, nullable=False),
    Column("patient", ForeignKey("patient.number"), type_=_number),
    Column("links", ForeignKey("links.number"), type_=_number),
    Column("body", LargeBinary, nullable=False),
    Column("fhir", Text, nullable=False, server_default=""),
)
"""`number` is packed from the resource's number and the version. The body is last but for what a
later release added, so that the other columns are read without it."""

links = Table("links", metadata, _key(), Column("content", Text, nullable=False))
"""What the references of a bundle became: one row for all the entries that share it."""

reading = Table(
    "reading",
    metadata,
    _of(resource),
    Column("patient", ForeignKey("patient.number"), type_=_number, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("replaced_by", Text),
    Index("reading_patient", "patient"),
    Index(
        "reading_doses",
        "patient",
        sqlite_where=text("kinds = 'dose'"),
        postgresql_where=text("kinds = 'dose'"),
    ),
    Index(
        "reading_merged",
        "replaced_by",
        sqlite_where=text("replaced_by IS NOT NULL"),
        postgresql_where=text("replaced_by IS NOT NULL"),
    ),
)
"""`facts` is a JSON array of the shapes of `codec`, `kinds` the names of those that are in it."""

dependency = Table(
    "dependency",
    metadata,
    _of(resource),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("hash", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),
    Index("dependency_hash", "hash"),
)
"""What the facts of a resource were made with besides its Patient: `Medication/m1`."""

identifier = Table(
    "identifier",
    metadata,
    _of(resource),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("hash", BigInteger, nullable=False),
    Column("system", Text, nullable=False),
    Column("value", Text, nullable=False),
    Index("identifier_hash", "hash"),
)
"""Found by a hash of the value: senders choose its length, and an index entry has a limit."""

OF_PATIENT = -1
"""The place of an identifier that is not the resource's own but of the patient it is about."""

subject = Table(
    "subject",
    metadata,
    _key(),
    Column("id", Text, nullable=False, unique=True),
    Column("site", ForeignKey("site.number"), type_=_number, nullable=False),
    Column("patient", ForeignKey("patient.number"), type_=_number, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("assessments", Integer, nullable=False),
    Index("subject_patient", "patient"),
)
subject_version = Table(
    "subject_version",
    metadata,
    _key(),
    Column("content", Text, nullable=False),
    Column("assessment", Integer),
)
assessment = Table("assessment", metadata, _key(), Column("content", Text, nullable=False))
"""`number` is packed from the subject's number and a count of its assessments.

`subject_version.assessment` is the count of the one that led to a version; empty where an earlier
release did not keep it.
"""

report = Table(
    "report",
    metadata,
    _key(),
    Column("digest", LargeBinary, nullable=False),
    Column("stated", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Reports that were frozen, byte for byte; `number` is that of the version of the subject."""

subject_identifier = Table(
    "subject_identifier",
    metadata,
    _of(subject),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("hash", BigInteger, nullable=False),
    Column("system", Text, nullable=False),
    Column("value", Text, nullable=False),
    Index("subject_identifier_hash", "hash"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("site", ForeignKey("site.number"), type_=_number, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

mark = Table(
    "mark",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    _key(),
    Column("lane", ForeignKey("audit_head.lane"), type_=_number, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
audit_head = Table(
    "audit_head",
    metadata,
    _key("lane"),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""The end of each chain of audit rows; writers that do not wait for one another use several."""
