"""The rows of the tables, by the names of their columns."""

from __future__ import annotations

from typing import Any, NamedTuple

Row = tuple[Any, ...]
"""One of the rows below: its members are columns of a table, the first one its key."""


def columns(row: Row) -> tuple[str, ...]:
    """The names of the columns of a row."""
    found: tuple[str, ...] = row._fields  # type: ignore[attr-defined]
    return found


class Patient(NamedTuple):
    """Of the table `patient`."""

    number: int
    site: int
    id: str
    revision: int


class Links(NamedTuple):
    """Of the table `links`."""

    number: int
    content: str


class Resource(NamedTuple):
    """Of the table `resource`."""

    number: int
    site: int
    type: int
    id: str
    last: int
    versions: int
    version: int
    digest: bytes
    updated: int | None
    received: int
    deleted: bool
    patient: int | None


class Newest(NamedTuple):
    """Of the table `resource`, what another newest version changes."""

    number: int
    last: int
    versions: int
    version: int
    digest: bytes
    updated: int | None
    received: int
    deleted: bool
    patient: int | None


class Counted(NamedTuple):
    """Of the table `resource`, what a version changes that is not the newest."""

    number: int
    last: int
    versions: int


class Owner(NamedTuple):
    """Of the tables `resource` and `version`, whom it is about."""

    number: int
    patient: int | None


class Version(NamedTuple):
    """Of the table `version`."""

    number: int
    received: int
    digest: bytes
    updated: int | None
    deleted: bool
    superseded: bool
    patient: int | None
    links: int | None
    body: bytes
    fhir: str


class Reading(NamedTuple):
    """Of the table `reading`."""

    resource: int
    patient: int
    kinds: str
    facts: str
    replaced_by: str | None


class Dependency(NamedTuple):
    """Of the table `dependency`."""

    resource: int
    place: int
    hash: int
    reference: str


class Identifier(NamedTuple):
    """Of the table `identifier`."""

    resource: int
    place: int
    hash: int
    system: str
    value: str


class SubjectIdentifier(NamedTuple):
    """Of the table `subject_identifier`."""

    subject: int
    place: int
    hash: int
    system: str
    value: str


class Subject(NamedTuple):
    """Of the table `subject`."""

    number: int
    id: str
    site: int
    patient: int
    protocol: str
    version: int
    assessments: int


class SubjectVersion(NamedTuple):
    """Of the table `subject_version`."""

    number: int
    content: str
    assessment: int | None


class Content(NamedTuple):
    """Of the table `assessment`."""

    number: int
    content: str


class Report(NamedTuple):
    """Of the table `report`."""

    number: int
    digest: bytes
    stated: str
    body: bytes


class Name(NamedTuple):
    """Of the tables `site` and `type`."""

    number: int
    name: str


class Audit(NamedTuple):
    """Of the table `audit`."""

    number: int
    lane: int
    at: int
    who: str
    action: str
    what: str
    detail: str
    hash: bytes


class AuditHead(NamedTuple):
    """Of the table `audit_head`."""

    lane: int
    number: int
    hash: bytes
