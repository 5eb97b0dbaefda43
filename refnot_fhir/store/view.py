"""What a delivery touches, read at once, and what it changes, written at once.

A view is a record of mappings. Who decides asks it as if it held everything: what it does not hold
is answered with nothing and noted in `missing`, to be read as well before anything is decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple, TypeVar

from refnot_fhir.core.facts import Fact
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.store.contract import AuditEntry, Head, Kept, Key, Reading, Receipt, SubjectRow

K = TypeVar("K")
V = TypeVar("V")


class Carried(NamedTuple):
    """An identifier of the resources of one type."""

    type: str
    system: str
    value: str


class Match(NamedTuple):
    """A resource that was found by something that it says, with its row and newest version."""

    key: Key
    number: int
    version: int


class Place(NamedTuple):
    """A patient's row, and how often the facts or subjects of the patient have changed."""

    number: int
    revision: int


@dataclass(slots=True)
class Wanted:
    """What is to be read of one site."""

    heads: set[Key] = field(default_factory=set)
    bodies: set[Key] = field(default_factory=set)
    """Resources whose newest versions are wanted."""
    carriers: set[Carried] = field(default_factory=set)
    naming: set[tuple[str, str]] = field(default_factory=set)
    """(system, value) by which resources name their patient."""
    dependants: set[str] = field(default_factory=set)
    """References on which the meaning of resources hangs."""
    of_patient: set[tuple[str, str]] = field(default_factory=set)
    """(patient, type) of resources."""
    orphans: set[tuple[str, str]] = field(default_factory=set)
    """(patient, type) of resources, wanted if the Patient is not there."""
    patients: set[str] = field(default_factory=set)
    """Patients whose facts, subjects and merged records are wanted."""
    receipts: set[bytes] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in _WANTED)

    def add(self, other: Wanted) -> None:
        """Want what the other wants as well."""
        for name in _WANTED:
            getattr(self, name).update(getattr(other, name))


_WANTED = tuple(one.name for one in fields(Wanted))


@dataclass(slots=True)
class View:
    """What the store held of one site at one moment, as far as it was read."""

    site: str
    heads: dict[Key, Head | None] = field(default_factory=dict)
    bodies: dict[Key, Kept | None] = field(default_factory=dict)
    """Newest versions; None for what is not there or deleted."""
    carriers: dict[Carried, tuple[Match, ...]] = field(default_factory=dict)
    naming: dict[tuple[str, str], tuple[Match, ...]] = field(default_factory=dict)
    dependants: dict[str, tuple[Match, ...]] = field(default_factory=dict)
    of_patient: dict[tuple[str, str], tuple[Match, ...]] = field(default_factory=dict)
    """Resources of one type and one patient, in order of arrival."""
    places: dict[str, Place | None] = field(default_factory=dict)
    merged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each patient those whose record says that it was replaced by this one."""
    facts: dict[str, tuple[tuple[Fact, ...], ...]] = field(default_factory=dict)
    """Of each patient the facts of each resource, in order of arrival."""
    subjects: dict[str, tuple[SubjectRow, ...]] = field(default_factory=dict)
    """Of each patient the newest versions of the subjects."""
    receipts: dict[bytes, Receipt | None] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    """Rows that are reserved for what will be added, by table."""
    missing: Wanted = field(default_factory=Wanted)
    state: object = None
    """What the engine knows this moment by, if it can tell that nobody has written since."""

    def holds(self, wanted: Wanted) -> bool:
        """Whether everything that is wanted was read."""
        return (
            wanted.heads <= self.heads.keys()
            and wanted.bodies <= self.bodies.keys()
            and wanted.carriers <= self.carriers.keys()
            and wanted.naming <= self.naming.keys()
            and wanted.dependants <= self.dependants.keys()
            and wanted.of_patient <= self.of_patient.keys()
            and wanted.patients <= self.places.keys()
            and wanted.receipts <= self.receipts.keys()
        )

    def head(self, key: Key) -> Head | None:
        """The newest version of a resource without its content; None when it was never kept."""
        return self._of(self.heads, key, self.missing.heads, None)

    def body(self, key: Key) -> Kept | None:
        """The newest version of a resource; None when it is not there or deleted."""
        return self._of(self.bodies, key, self.missing.bodies, None)

    def carrying(self, wanted: Carried) -> tuple[Key, ...]:
        """Resources whose newest version carries the identifier, in order of arrival."""
        found = self._of(self.carriers, wanted, self.missing.carriers, ())
        return tuple(match.key for match in found)

    def naming_patient(self, system: str, value: str) -> list[Kept]:
        """Resources whose newest version names its patient by this identifier."""
        return self._all(self._of(self.naming, (system, value), self.missing.naming, ()))

    def depending_on(self, reference: str) -> list[Kept]:
        """Resources whose meaning hangs on the one that is named."""
        return self._all(self._of(self.dependants, reference, self.missing.dependants, ()))

    def resources(self, patient: str, type: str) -> list[Kept]:
        """Resources of one type and one patient, in order of arrival."""
        return self._all(self._of(self.of_patient, (patient, type), self.missing.of_patient, ()))

    def merged_into(self, patient: str) -> tuple[str, ...]:
        """Patients whose record says that it was replaced by this one."""
        return self._of(self.merged, patient, self.missing.patients, ())

    def known(self, patient: str) -> tuple[tuple[Fact, ...], ...]:
        """Everything known of a patient, the facts of each resource, in order of arrival."""
        return self._of(self.facts, patient, self.missing.patients, ())

    def subjects_of(self, patient: str) -> tuple[SubjectRow, ...]:
        """The newest versions of a patient's subjects."""
        return self._of(self.subjects, patient, self.missing.patients, ())

    def receipt(self, digest: bytes) -> Receipt | None:
        """What was answered to a request with this content or key."""
        return self._of(self.receipts, digest, self.missing.receipts, None)

    def after(self, readings: Collection[Reading]) -> Mapping[str, tuple[Fact, ...]]:
        """What will be known of each patient of the view once these readings are kept.

        Facts stay in the order in which their resources arrived.
        """
        new = {(one.key.type, one.key.id): one for one in readings}
        found: dict[str, tuple[Fact, ...]] = {}
        for patient, resources in self.facts.items():
            facts: list[Fact] = []
            placed = set()
            for some in filter(None, resources):
                named = (some[0].source.type, some[0].source.id)
                again = new.get(named)
                if again is None:
                    facts += some
                elif again.patient == patient:
                    facts += again.facts
                    placed.add(named)
            for named, one in new.items():
                if one.patient == patient and named not in placed:
                    facts += one.facts
            found[patient] = tuple(facts)
        return found

    def _all(self, matches: Iterable[Match]) -> list[Kept]:
        found = (self.body(match.key) for match in matches)
        return [kept for kept in found if kept is not None]

    @staticmethod
    def _of(known: Mapping[K, V], wanted: K, missing: set[K], nothing: V) -> V:
        try:
            return known[wanted]
        except KeyError:
            missing.add(wanted)
            return nothing


@record
class Identified:
    """The identifiers by which a resource is found, and the one by which it names its patient."""

    own: tuple[tuple[str, str], ...] = ()
    patient: tuple[str, str] | None = None


@record
class Changes:
    """What is written at once; nothing of it, or all."""

    site: str
    versions: Sequence[Kept] = ()
    readings: Sequence[Reading] = ()
    """Each replaces everything that was read from its resource."""
    identifiers: Mapping[Key, Identified] = field(default_factory=dict)
    """They replace those of each of these resources."""
    moved: Mapping[Key, str] = field(default_factory=dict)
    """Resources that are about another patient now; empty: about nobody."""
    subjects: Sequence[tuple[Subject, Assessment | None]] = ()
    """New versions, and the assessments that led to them."""
    patients: Collection[str] = ()
    """Whose facts or subjects are other ones now."""
    receipts: Sequence[Receipt] = ()
    audit: Sequence[AuditEntry] = ()
