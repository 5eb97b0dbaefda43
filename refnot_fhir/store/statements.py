"""What is asked of the tables, each statement once."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Select,
    Text,
    bindparam,
    delete,
    exists,
    false,
    func,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite compiles it to the same text
from sqlalchemy.sql import ColumnElement

from refnot_fhir.store import schema as t
from refnot_fhir.store.sql import Given, joined, one_of

STEP: ColumnElement[int] = literal_column(str(1 << t.VERSION_BITS))
place = t.resource.c.number * STEP


def no_key(column: ColumnElement[int]) -> ColumnElement[int]:
    """The value of a column, of which no index makes a choice.

    A plan that PostgreSQL made while there were few rows would walk through all of a site, or
    through all in order of their numbers, long after.
    """
    return column + literal_column("0")


newest_version = t.version.c.number == place + t.resource.c.version

name_of = {table: select(table.c.number, table.c.name) for table in (t.site, t.type_)}

patients_of_site = select(t.patient.c.number, t.patient.c.id).where(
    t.patient.c.site == bindparam("site"), one_of(t.patient.c.id, "ids")
)
patients_named = select(t.patient.c.number).where(
    t.patient.c.id == bindparam("id"), one_of(t.patient.c.site, "sites")
)
patients_read = (
    select(t.patient.c.number, t.patient.c.site, t.patient.c.id)
    .where(
        t.patient.c.number > bindparam("after"),
        one_of(t.patient.c.site, "sites"),
        exists().where(t.reading.c.patient == t.patient.c.number),
    )
    .order_by(t.patient.c.number)
    .limit(bindparam("limit"))
)

_key = (
    t.resource.c.site == bindparam("site"),
    t.resource.c.type == bindparam("type"),
    one_of(t.resource.c.id, "ids"),
)
heads = (
    select(
        t.resource.c.id,
        t.resource.c.number,
        t.resource.c.version,
        t.resource.c.last,
        t.resource.c.versions,
        t.resource.c.digest,
        t.resource.c.updated,
        t.resource.c.deleted,
        t.patient.c.id,
    )
    .select_from(t.resource.outerjoin(t.patient))
    .where(*_key)
)
digests = (
    select(t.resource.c.number, t.resource.c.version, t.version.c.number, t.version.c.digest)
    .select_from(t.resource)
    .join(
        t.version,
        (t.version.c.number > place) & (t.version.c.number <= place + t.resource.c.last),
    )
    .where(one_of(t.resource.c.number, "numbers"))
    .order_by(t.version.c.number)
)

VERSION = (
    t.version.c.number,
    t.version.c.body,
    t.version.c.received,
    t.version.c.digest,
    t.version.c.updated,
    t.version.c.deleted,
    t.version.c.superseded,
    t.version.c.fhir,
    t.patient.c.id,
    t.links.c.content,
)
_versions = t.version.outerjoin(t.patient, t.version.c.patient == t.patient.c.number).outerjoin(
    t.links
)


def with_newest(resources: Any) -> Any:
    """Resources with all that is kept of their newest versions."""
    return (
        resources.join(t.version, newest_version)
        .outerjoin(t.patient, t.version.c.patient == t.patient.c.number)
        .outerjoin(t.links, t.version.c.links == t.links.c.number)
    )


resource_number = select(t.resource.c.number, t.resource.c.version).where(
    t.resource.c.site == bindparam("site"),
    t.resource.c.type == bindparam("type"),
    t.resource.c.id == bindparam("id"),
)
version = select(*VERSION).select_from(_versions).where(t.version.c.number == bindparam("number"))
history = (
    select(*VERSION)
    .select_from(_versions)
    .where(t.version.c.number > bindparam("first"), t.version.c.number <= bindparam("last"))
    .order_by(t.version.c.number.desc())
)
_newest_of = select(t.resource.c.id, *VERSION).select_from(with_newest(t.resource))
newest = _newest_of.where(*_key, t.resource.c.deleted == false())
of_patient = _newest_of.where(
    t.resource.c.patient == bindparam("patient"),
    t.resource.c.type == bindparam("type"),
    t.resource.c.deleted == false(),
).order_by(t.resource.c.number)

_carriers = (
    select(t.resource.c.id, t.identifier.c.system)
    .select_from(t.identifier.join(t.resource))
    .where(
        t.resource.c.site == bindparam("site"),
        t.resource.c.type == bindparam("type"),
        t.resource.c.deleted == false(),
        t.identifier.c.place >= 0,
    )
    .order_by(t.resource.c.number)
)
identified = _carriers.where(
    t.identifier.c.hash == bindparam("hash"), t.identifier.c.value == bindparam("value")
)
# Without an index: such a question is rare, and an index would be written with every resource.
in_system = _carriers.where(t.identifier.c.system == bindparam("system"))
naming_patient = (
    select(t.resource.c.type, t.resource.c.id)
    .select_from(t.identifier.join(t.resource))
    .where(
        t.identifier.c.hash == bindparam("hash"),
        t.identifier.c.value == bindparam("value"),
        t.identifier.c.system == bindparam("system"),
        t.identifier.c.place == t.OF_PATIENT,
        t.resource.c.site == bindparam("site"),
        t.resource.c.deleted == false(),
    )
    .order_by(t.resource.c.number)
)
depending = (
    select(t.resource.c.type, t.resource.c.id)
    .select_from(t.dependency.join(t.resource))
    .where(
        t.dependency.c.hash == bindparam("hash"),
        t.dependency.c.reference == bindparam("reference"),
        t.resource.c.site == bindparam("site"),
    )
    .order_by(t.resource.c.number)
)
merged = (
    select(t.patient.c.id)
    .select_from(t.reading.join(t.patient))
    .where(
        t.reading.c.replaced_by == bindparam("patient"),
        t.reading.c.replaced_by.is_not(None),
        t.patient.c.site == bindparam("site"),
    )
    .order_by(t.reading.c.resource)
)

_readings = (
    select(
        t.patient.c.id.label("id"),
        t.reading.c.patient.label("patient"),
        t.reading.c.resource.label("resource"),
        t.reading.c.facts.label("facts"),
    )
    .select_from(t.patient.join(t.reading))
    .where(t.patient.c.site == bindparam("site"), one_of(t.patient.c.id, "ids"))
    .order_by(t.reading.c.patient, t.reading.c.resource)
    .subquery()
)
facts = select(
    func.max(_readings.c.id),
    joined(_readings.c.facts, _readings.c.resource),
).group_by(_readings.c.patient)
"""One row a patient: each row that a cursor gives costs a turn at Python's lock."""


@cache
def measurements(*, of_patient: bool) -> Select[tuple[int, str]]:
    """Pages of readings with measurements, in order of resource."""
    whose = one_of(t.reading.c.patient, "patients") if of_patient else None
    page = (
        select(t.reading.c.resource, t.reading.c.facts)
        .select_from(t.reading.join(t.resource))
        .where(
            t.reading.c.kinds.contains(literal("measurement")),
            t.reading.c.resource > bindparam("after"),
            one_of(t.resource.c.site, "sites"),
            t.resource.c.received >= bindparam("since"),
        )
        .order_by(t.reading.c.resource)
        .limit(bindparam("limit"))
    )
    return page if whose is None else page.where(whose)


@cache
def patients_with(kind: str, *, of_patient: bool) -> Select[tuple[int, int, str]]:
    """Pages of patients with a fact of this kind."""
    received = (
        exists()
        .where(t.reading.c.patient == t.patient.c.number, t.reading.c.kinds.contains(literal(kind)))
        .where(
            t.resource.c.number == t.reading.c.resource,
            t.resource.c.received >= bindparam("since"),
        )
    )
    found = (
        select(t.patient.c.number, t.patient.c.site, t.patient.c.id)
        .where(
            t.patient.c.number > bindparam("after"),
            one_of(t.patient.c.site, "sites"),
            received,
        )
        .order_by(t.patient.c.number)
        .limit(bindparam("limit"))
    )
    return found.where(one_of(t.patient.c.number, "patients")) if of_patient else found


WHOSE = Given("whose", site=BigInteger(), id=Text())
_newest_subject = t.subject_version.c.number == t.subject.c.number * STEP + t.subject.c.version
_subjects = t.subject.join(t.subject_version, _newest_subject)
_whose = (t.patient.c.id == WHOSE.c.id) & (t.patient.c.site == WHOSE.c.site)
_subjects_of = (
    WHOSE.table.join(t.patient, _whose)
    .join(t.subject, t.subject.c.patient == t.patient.c.number)
    .join(t.subject_version, _newest_subject)
)


@cache
def subjects(by: frozenset[str], *, of_patients: bool = False) -> Select[tuple[int, str]]:
    """A page of subjects, restricted by these of `ids`, `sites`, `protocols`, `numbers`."""
    columns = {
        "ids": t.subject.c.id,
        "sites": t.subject.c.site,
        "protocols": t.subject.c.protocol,
        "numbers": t.subject.c.number,
    }
    place = no_key(t.subject.c.number) if of_patients or "ids" in by else t.subject.c.number
    return (
        select(t.subject.c.number, t.subject_version.c.content)
        .select_from(_subjects_of if of_patients else _subjects)
        .where(
            place > bindparam("after"),
            *(one_of(columns[name], name) for name in sorted(by)),
        )
        .order_by(place)
        .limit(bindparam("limit"))
    )


subjects_identified = select(
    t.subject_identifier.c.subject, t.subject_identifier.c.system, t.subject_identifier.c.value
).where(one_of(t.subject_identifier.c.hash, "hashes"))
subject_number = select(
    t.subject.c.number, t.subject.c.version, t.subject.c.assessments, t.subject.c.site
).where(t.subject.c.id == bindparam("id"))
subject_version = select(t.subject_version.c.content).where(
    t.subject_version.c.number == bindparam("number")
)
subject_versions = (
    select(t.subject_version.c.content, t.subject_version.c.assessment)
    .where(
        t.subject_version.c.number > bindparam("first"),
        t.subject_version.c.number <= bindparam("last"),
    )
    .order_by(t.subject_version.c.number.desc())
)
report = (
    select(t.report.c.digest, t.report.c.stated, t.report.c.body)
    .where(t.report.c.number > bindparam("first"), t.report.c.number <= bindparam("last"))
    .order_by(t.report.c.number.desc())
    .limit(1)
)
assessments = select(t.assessment.c.number, t.assessment.c.content).where(
    one_of(t.assessment.c.number, "numbers")
)
assessment = select(t.assessment.c.content).where(t.assessment.c.number == bindparam("number"))

receipt = select(t.receipt.c.at, t.receipt.c.status, t.receipt.c.body).where(
    t.receipt.c.site == bindparam("site"), t.receipt.c.digest == bindparam("digest")
)
mark = select(t.mark.c.value).where(t.mark.c.name == bindparam("name"))

counts = {
    "resources": select(func.count()).select_from(t.resource),
    "versions": select(func.coalesce(func.sum(t.resource.c.versions), 0)),
    "patients": select(func.count()).select_from(t.patient),
    "readings": select(func.count()).select_from(t.reading),
    "subjects": select(func.count()).select_from(t.subject),
    "subject_versions": select(func.count()).select_from(t.subject_version),
    "assessments": select(func.count()).select_from(t.assessment),
    "reports": select(func.count()).select_from(t.report),
    "receipts": select(func.count()).select_from(t.receipt),
    "audit": select(func.count()).select_from(t.audit),
}

count_changes = (
    update(t.patient)
    .where(one_of(t.patient.c.number, "numbers"))
    .values(revision=t.patient.c.revision + 1)
)
drop_readings = delete(t.reading).where(one_of(t.reading.c.resource, "numbers"))
drop_dependencies = delete(t.dependency).where(one_of(t.dependency.c.resource, "numbers"))
drop_identifiers = delete(t.identifier).where(one_of(t.identifier.c.resource, "numbers"))
drop_subject_identifiers = delete(t.subject_identifier).where(
    one_of(t.subject_identifier.c.subject, "numbers")
)
_receipt = upsert(t.receipt).values({c.name: bindparam(c.name) for c in t.receipt.c})
save_receipt = _receipt.on_conflict_do_update(
    index_elements=["site", "digest"],
    set_={name: _receipt.excluded[name] for name in ("at", "status", "body")},
)
_mark = upsert(t.mark).values(name=bindparam("name"), value=bindparam("value"))
set_mark = _mark.on_conflict_do_update(
    index_elements=["name"], set_={"value": _mark.excluded["value"]}
)
