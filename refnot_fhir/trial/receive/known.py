"""Resources as they will be once a delivery is kept, to understand others with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from refnot_fhir.core.facts import Person, person_in
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.core.values import Source
from refnot_fhir.fhir import references, wire
from refnot_fhir.fhir.types import Context, Understood, patient_of, understand
from refnot_fhir.fhir.whose import Identifier, Whose, carrying, survivor, whose
from refnot_fhir.store.contract import Kept, Key, Reader, Reading
from refnot_fhir.trial.receive.request import CHANGING, Request, Result

Sent = tuple[Mapping[str, Any] | None, int]
"""A resource and its version number."""


@record
class Known:
    """What is on its way first, then what the store has."""

    reader: Reader
    site: Site
    rulebook: Rulebook
    carriers: dict[Identifier, tuple[Key, ...]] = field(default_factory=dict)
    """The patients of the store who were found by an identifier: what was supposed."""
    _coming: Mapping[Key, Sent] = field(default_factory=dict)
    _stored: dict[Key, Sent] = field(default_factory=dict)
    _persons: dict[str, Person | None] = field(default_factory=dict)
    _contexts: dict[str, Context] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        reader: Reader,
        site: Site,
        rulebook: Rulebook,
        decided: Iterable[tuple[Request, Key, Result]] = (),
    ) -> Known:
        """What will be known when the `decided` requests are carried out."""
        coming = {
            key: (request.resource, result.version)  # of a deletion: None
            for request, key, result in decided
            if result.outcome in CHANGING
        }
        return cls(reader, site, rulebook, _coming=coming)

    def whose(self, resource: Mapping[str, Any]) -> Whose:
        """Whose result a resource is."""
        return whose(resource, self._carrying, self._heir, self._here)

    def context(self, resource: Mapping[str, Any]) -> Context:
        """What `resource` is understood with."""
        patient = "" if resource["resourceType"] == "Patient" else patient_of(resource)
        if patient not in self._contexts:
            self._contexts[patient] = Context(
                self.site, self.rulebook, self.person(patient), self._resource
            )
        return self._contexts[patient]

    def person(self, patient: str) -> Person | None:
        """What the Patient with that id says, if there is one."""
        if patient and patient not in self._persons:
            self._persons[patient] = self._read_person(patient)
        return self._persons.get(patient)

    def described(self, patient: str) -> Person | None:
        """What was read of the Patient until now."""
        return person_in(self.reader.facts(self.site.name, [patient])[patient])

    def resource(self, key: Key) -> Mapping[str, Any] | None:
        """A resource as it will be; None when there is none."""
        return self._sent(key)[0]

    def _here(self, patient: str) -> bool:
        return self.resource(Key(self.site.name, "Patient", patient)) is not None

    def _carrying(self, wanted: Identifier) -> list[str]:
        if wanted not in self.carriers:
            self.carriers[wanted] = tuple(
                self.reader.with_identifier(self.site.name, "Patient", *wanted)
            )
        coming = {key: sent for key, (sent, _) in self._coming.items() if key.type == "Patient"}
        return [key.id for key in carrying(self.carriers[wanted], coming, wanted)]

    def _heir(self, patient: str) -> str:
        return survivor(patient, self.person)

    def _read_person(self, patient: str) -> Person | None:
        resource, version = self._sent(Key(self.site.name, "Patient", patient))
        if resource is None:
            return None
        source = Source(self.site.name, "Patient", patient, str(version))
        return person_in(understand(resource, source, Context(self.site, self.rulebook)).facts)

    def _resource(self, reference: str) -> Mapping[str, Any] | None:
        return self.resource(Key(self.site.name, *reference.split("/")))

    def _sent(self, key: Key) -> Sent:
        if key in self._coming:
            return self._coming[key]
        if key not in self._stored:
            kept = self.reader.kept(key)
            there = kept is not None and not kept.deleted
            self._stored[key] = (decoded(kept), kept.version) if kept and there else (None, 0)
        return self._stored[key]


def decoded(kept: Kept) -> Mapping[str, Any]:
    """A kept resource, with the references of the bundle that it came in made literal."""
    resource: Mapping[str, Any] = wire.decode(kept.body)
    return references.resolved(resource, kept.links) if kept.links else resource


def reading_of(key: Key, understood: Understood) -> Reading:
    """What is kept of what was understood; what is about nobody is in no chart."""
    if not understood.patient:
        return Reading(key, "")
    return Reading(key, understood.patient, understood.facts, understood.depends_on)


def death_noted(reading: Reading, received: datetime, known: Known) -> Reading:
    """The reading, with the earliest moment at which a death without a date was known.

    That is what the resource states, or when it came, or what was known before it came.
    """
    person = person_in(reading.facts)
    if person is None or not person.deceased or person.died is not None:
        return reading
    moments = [person.dead_by or received]
    before = known.described(person.source.id)
    if before is not None and before.deceased and before.dead_by is not None:
        moments.append(before.dead_by)
    return replace(reading, facts=(replace(person, dead_by=min(moments)),))


def reread(kept: Kept, known: Known) -> Reading:
    """The reading of a stored resource, made again."""
    source = Source(kept.key.site, kept.key.type, kept.key.id, str(kept.version))
    resource = known.whose(decoded(kept)).resource
    context = replace(known.context(resource), fhir=kept.fhir)
    reading = reading_of(kept.key, understand(resource, source, context))
    return death_noted(reading, kept.received, known)
