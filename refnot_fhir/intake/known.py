"""Patients and Medications as they will be once a delivery is kept, to understand others with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from refnot_fhir.core.records import Person, Source
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.fhir import wire
from refnot_fhir.intake.request import CHANGING, Request, Result
from refnot_fhir.reading import Context, Understood, patient_of, understand
from refnot_fhir.store.base import Kept, Key, Reader, Reading

Sent = tuple[Mapping[str, Any] | None, int]
"""A resource and its version number."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is on its way first, then what the store has."""

    reader: Reader
    site: Site
    rulebook: Rulebook
    _resources: dict[Key, Sent] = field(default_factory=dict)
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
            if result.outcome in CHANGING and key.type in ("Patient", "Medication")
        }
        return cls(reader, site, rulebook, coming)

    def context(self, resource: Mapping[str, Any]) -> Context:
        """What `resource` is understood with."""
        patient = "" if resource["resourceType"] == "Patient" else patient_of(resource)
        if patient not in self._contexts:
            self._contexts[patient] = Context(
                self.site, self.rulebook, self.person(patient), self._medication
            )
        return self._contexts[patient]

    def person(self, patient: str) -> Person | None:
        if patient and patient not in self._persons:
            self._persons[patient] = self._read_person(patient)
        return self._persons.get(patient)

    def _read_person(self, patient: str) -> Person | None:
        resource, version = self._resource(Key(self.site.name, "Patient", patient))
        if resource is None:
            return None
        source = Source(self.site.name, "Patient", patient, str(version))
        return understand(resource, source, Context(self.site, self.rulebook)).person

    def _medication(self, reference: str) -> Mapping[str, Any] | None:
        return self._resource(Key(self.site.name, "Medication", reference.rsplit("/", 1)[-1]))[0]

    def _resource(self, key: Key) -> Sent:
        if key not in self._resources:
            kept = self.reader.kept(key)
            there = kept is not None and not kept.deleted
            self._resources[key] = (decoded(kept), kept.version) if kept and there else (None, 0)
        return self._resources[key]


def decoded(kept: Kept) -> Mapping[str, Any]:
    """A kept resource, with the references of the bundle that it came in made literal."""
    body = wire.relink(kept.body, kept.links) if kept.links else kept.body
    resource: Mapping[str, Any] = wire.decode(body)
    return resource


def reading_of(key: Key, understood: Understood) -> Reading:
    """What is kept of what was understood; what is about nobody is in no chart."""
    if not understood.patient:
        return Reading(key, "")
    return Reading(
        key=key,
        patient=understood.patient,
        person=understood.person,
        labs=understood.labs,
        doses=understood.doses,
        waits_for=understood.depends_on,
    )


def reread(kept: Kept, known: Known) -> Reading:
    """The reading of a stored resource, made again."""
    source = Source(kept.key.site, kept.key.type, kept.key.id, str(kept.version))
    resource = decoded(kept)
    return reading_of(kept.key, understand(resource, source, known.context(resource)))
