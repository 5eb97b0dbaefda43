"""The contract of every store, and the words for what it keeps.

A store keeps every received version byte for byte, the readings made of the newest one, subjects
with all their versions, what was answered, and who did what. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from refnot_fhir.core.facts import Fact, Measurement
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, Subject

if TYPE_CHECKING:
    from refnot_fhir.store.view import Changes, View, Wanted

T = TypeVar("T")


class Moved(Exception):
    """The store is no longer as it was when it was looked at: look again, and decide again."""


class Key(NamedTuple):
    """What a received resource is called: `Patient/p1` of two hospitals is two patients."""

    site: str
    type: str
    id: str


@record
class Head:
    """The newest version of a resource, without its content.

    Newest is the last one kept that is not `superseded`.
    """

    version: int
    last: int
    """The highest version number, that of late arrivals included."""
    earlier: tuple[bytes, ...]
    """Digests of all its other versions, late arrivals included."""
    digest: bytes
    """Of its content; empty for a deletion."""
    updated: datetime | None
    """`meta.lastUpdated` as the sender stated it."""
    deleted: bool
    patient: str
    number: int = 0
    """Its row."""


@record
class Kept:
    """One version of a received resource, exactly as received."""

    key: Key
    version: int
    body: bytes
    """The JSON text as received; empty for a deletion."""
    received: datetime
    digest: bytes
    """Of the content, references literal: other spellings of the same JSON have the same."""
    updated: datetime | None = None
    deleted: bool = False
    superseded: bool = False
    """It arrived after a newer version: part of the history, never the newest."""
    patient: str = ""
    """Id of the Patient that it is about, at the same site; empty when none or not known."""
    fhir: str = ""
    """The FHIR version that it is of, `R4`; empty: the one that the site speaks."""
    links: Mapping[str, str] = field(default_factory=dict)
    """References of the bundle it came in (`urn:uuid:…`) and what they became (`Patient/1`)."""


@record
class Reading:
    """What was read from the newest version of one resource."""

    key: Key
    patient: str
    facts: tuple[Fact, ...] = ()
    depends_on: tuple[str, ...] = ()
    """References (`Medication/m1`) of what its meaning hangs on besides its Patient."""


@record
class Receipt:
    """What was answered to a request, so that the same request gets the same answer."""

    site: str
    digest: bytes
    """SHA-256 of what the request is recognised by: its key, or its content."""
    at: datetime
    status: int
    body: bytes


@record
class FrozenReport:
    """A report as it was when people decided something by it, byte for byte."""

    body: bytes
    digest: bytes
    """SHA-256 of the bytes."""
    at: datetime
    fhir: str
    """The FHIR version that it is of, `R4`."""
    software: str
    """The version of the software that wrote it."""
    rules: str
    """The version of the protocol's mapping files that decided."""
    rules_digest: str
    """SHA-256 of these files."""
    sources: tuple[str, ...] = ()
    """The versions of received resources that it rests on: `Observation/o1/_history/2`."""


@record
class AuditEntry:
    """Who did what to which resource, and when."""

    at: datetime
    who: str
    action: str
    """`create`, `update`, `delete`, `transaction`, `batch`, `status` …"""
    what: str
    detail: str = ""


@record
class BodyFault:
    """A moment of whose kept versions one was changed, taken away or added."""

    row: int | None
    """The audit row that speaks of them; None when there is none."""
    at: datetime
    resources: tuple[str, ...]
    """Up to three of the versions received then: `Patient/p1/_history/1`."""


@record
class SubjectQuery:
    """Which subjects are asked for; every empty field is no restriction. Order: by row, ascending.

    Fields restrict together (and); the values within one are alternatives (or).
    """

    ids: Collection[str] | None = None
    sites: Collection[str] | None = None
    patients: Collection[tuple[str, str]] | None = None
    """(site, patient id)."""
    protocols: Collection[str] | None = None
    identifiers: Collection[tuple[str | None, str]] | None = None
    """(system, value) of the subject; None matches any system, '' only identifiers without."""
    after: int = 0
    """Row number of the last subject of the page before."""
    limit: int | None = None


class SubjectRow(NamedTuple):
    """A subject and its place in the order of pages."""

    row: int
    subject: Subject
    assessments: int = 0
    """How many are kept of it."""


class Past(NamedTuple):
    """A version of a subject, and the assessment that led to it."""

    subject: Subject
    assessment: Assessment | None
    """None: an earlier release did not keep it."""


class PatientRow(NamedTuple):
    """A patient and its place in the order of pages: that in which patients arrived."""

    row: int
    site: str
    id: str


class Reader(Protocol):
    """One consistent view of what is kept."""

    def heads(self, keys: Collection[Key]) -> dict[Key, Head]:
        """The newest version of each resource that exists, deleted ones included."""

    def kept(self, key: Key, version: int | None = None) -> Kept | None:
        """A version of a resource, the newest by default; a deletion is a version."""

    def newest(self, keys: Collection[Key]) -> list[Kept]:
        """The newest versions of the resources that exist and are not deleted, in order of keys."""

    def history(self, key: Key) -> list[Kept]:
        """Every version, newest first."""

    def of_patient(self, site: str, patient: str, type: str) -> list[Kept]:
        """The newest versions, not deleted, of one type and one patient, in order of arrival."""

    def with_identifier(self, site: str, type: str, system: str | None, value: str) -> list[Key]:
        """Resources whose newest version carries the identifier; system None: in any system."""

    def in_system(self, site: str, type: str, system: str) -> list[Key]:
        """Resources whose newest version carries any identifier of the system, as they arrived."""

    def naming_patient(self, site: str, system: str, value: str) -> list[Key]:
        """Resources whose newest version names its patient by this identifier."""

    def depending_on(self, site: str, reference: str) -> list[Key]:
        """Resources whose meaning hangs on the one that is named."""

    def merged_into(self, site: str, patient: str) -> list[str]:
        """Ids of the patients whose record says that it was replaced by this one."""

    def facts(self, site: str, patients: Collection[str]) -> dict[str, tuple[Fact, ...]]:
        """Everything known of each patient, in order of arrival; of one without facts, nothing."""

    def patients(self, site: str | None = None) -> Iterator[tuple[str, str]]:
        """(site, patient id) of everybody with a reading, in a stable order."""

    def subjects(self, query: SubjectQuery) -> list[SubjectRow]:
        """The newest versions of the subjects asked for, in order of row."""

    def subject_version(self, id: str, version: int) -> Subject | None:
        """One version of a subject."""

    def subject_history(self, id: str) -> list[Past]:
        """Every version of a subject, newest first."""

    def frozen_report(self, subject: str, version: int | None = None) -> FrozenReport | None:
        """The newest report frozen with a version of a subject, or with one up to `version`."""

    def assessment(self, subject: str) -> Assessment | None:
        """The newest assessment of a subject."""

    def measurements(
        self, *, site: str | None, patient: str | None, since: datetime | None
    ) -> Iterator[Measurement]:
        """Measurements (usable or not) in a stable order; `since` is when they were received."""

    def patients_with(
        self,
        kind: Literal["measurement", "dose"],
        *,
        site: str | None,
        patient: str | None,
        since: datetime | None,
        after: int = 0,
    ) -> Iterator[PatientRow]:
        """Everybody with such a reading received since then, after the patient of that number."""

    def receipt(self, site: str, digest: bytes) -> Receipt | None:
        """What was answered to a request with this content."""

    def counts(self) -> dict[str, int]:
        """How many of what is kept: resources, versions, subjects …"""


class Writer(Reader, Protocol):
    """A transaction: it sees what it wrote, and all of it becomes durable or none."""

    def keep(self, versions: Sequence[Kept]) -> None:
        """Add versions; the pair (key, version) must be new."""

    def set_readings(self, readings: Sequence[Reading]) -> None:
        """Replace everything read from each of these resources."""

    def set_identifiers(
        self,
        key: Key,
        identifiers: Collection[tuple[str, str]],
        patient: tuple[str, str] | None = None,
    ) -> None:
        """Replace the identifiers by which a resource is found, and the one of its patient."""

    def set_patients(self, patients: Mapping[Key, str]) -> None:
        """Say whom the newest versions of resources are about now; empty for nobody."""

    def save_subject(self, subject: Subject, assessment: Assessment | None) -> None:
        """Add a version of a subject, and the assessment that led to it."""

    def save_report(self, subject: Subject, report: FrozenReport) -> None:
        """Freeze a report with a version of a subject that is kept."""

    def save_receipt(self, receipt: Receipt) -> None:
        """Keep an answer; the newest one of a digest counts."""

    def log(self, entries: Sequence[AuditEntry]) -> None:
        """Add to the audit trail, each row chained to the one before by its SHA-256."""

    def set_mark(self, name: str, value: str) -> None:
        """Keep a named mark, such as the digest of the mapping files last used."""


class Store(Protocol):
    """A place to keep facts."""

    def look(self, site: str, wanted: Wanted, *, new: int = 0) -> View:
        """Read what is wanted of a site, all as it was at one moment.

        Rows are reserved for as many `new` resources.
        """

    def commit(self, changes: Changes, view: View) -> None:
        """Make changes that were decided by a view; they are durable when it returns.

        Raises `Moved`, and changes nothing, when something that the view holds is no longer so;
        `errors.Busy` when the store stays locked, `errors.StoreFull` when it cannot grow.
        """

    def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` in one transaction and return what it returns once that is durable.

        An exception undoes all of this `work` and nothing else. Transactions are serial:
        what `work` read has not changed when its writes become visible. `work` may run more
        than once, so it must have no effect but through the writer.
        Raises `errors.Busy` when the store stays locked, `errors.StoreFull` when it cannot grow.
        """

    def read(self) -> AbstractContextManager[Reader]:
        """A consistent view, for as long as the context lasts."""

    def subjects(self, query: SubjectQuery) -> list[SubjectRow]:
        """The newest versions of the subjects asked for, in order of row, in one reading."""

    def mark(self, name: str) -> str | None:
        """A named mark, if it was set."""

    def newest_moment(self) -> datetime | None:
        """The moment of the newest delivery that is kept, by whichever process; None: of none."""

    def verify_audit(self) -> int | None:
        """Number of the first row of the audit trail that does not fit its chain; None: all do."""

    def verify_bodies(self) -> BodyFault | None:
        """Which kept body is not the one that the audit trail speaks of; None: all are."""

    def close(self) -> None:
        """Finish what was begun and release every connection."""
