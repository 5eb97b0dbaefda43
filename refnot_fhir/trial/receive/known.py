"""Resources as they will be once a delivery is kept, to understand others with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from refnot_fhir.core.chart import survivor
from refnot_fhir.core.facts import Person, Report, person_in
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import Source
from refnot_fhir.fhir import references, wire
from refnot_fhir.fhir.elements import Lookup, identifiers_of, with_version
from refnot_fhir.fhir.types import Context, Understood, patient_of, understand
from refnot_fhir.fhir.whose import (
    Identifier,
    Whose,
    carrying,
    linked_to,
    names_nobody_more,
    results_of,
    whose,
)
from refnot_fhir.store.contract import Kept, Key, Reading
from refnot_fhir.store.view import Carried, View, Wanted
from refnot_fhir.trial.receive.request import CHANGING, Request, Result

Json = Mapping[str, Any]


@record
class Known:
    """What is on its way first, then what the view of the store holds."""

    view: View
    site: Site
    rulebook: Rulebook
    _coming: Mapping[Key, tuple[Json | None, int]] = field(default_factory=dict)
    """Resources on their way and their versions; None for a deletion."""
    _patients: Mapping[Key, Json | None] = field(default_factory=dict)
    _persons: dict[str, Person | None] = field(default_factory=dict)
    _read: dict[Source, tuple[Json, Understood]] = field(default_factory=dict)
    """What Patients say."""
    _contexts: dict[tuple[str, str], Context] = field(default_factory=dict)
    _decoded: dict[Key, Json | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        view: View,
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
        patients = {key: sent for key, (sent, _) in coming.items() if key.type == "Patient"}
        return cls(view, site, rulebook, coming, patients)

    def whose(self, key: Key, resource: Json) -> Whose:
        """Whose result a resource is."""
        if names_nobody_more(resource):
            resource = linked_to(resource, self._of_results(key, resource))
        return whose(resource, self._carrying, self._heir, self._here)

    def _of_results(self, key: Key, report: Json) -> str:
        """The patient of the version before, or else the one of the results that are listed."""
        last = self.view.head(key)
        if last is not None and last.patient:
            return last.patient
        listed = [Key(key.site, "Observation", id) for id in results_of(report)]
        patients = {self._patient(one) for one in listed} - {""}
        return patients.pop() if len(patients) == 1 else ""

    def _patient(self, key: Key) -> str:
        if key in self._coming:
            return patient_of(self._coming[key][0] or {"resourceType": key.type})
        head = self.view.head(key)
        return head.patient if head is not None else ""

    def context(self, resource: Json, fhir: str) -> Context:
        """What `resource`, of a FHIR version, is understood with."""
        patient = "" if resource["resourceType"] == "Patient" else patient_of(resource)
        if (patient, fhir) not in self._contexts:
            self._contexts[patient, fhir] = Context(
                self.site,
                self.rulebook,
                self.person(patient),
                Lookup(self._resource, self._all_carrying),
                fhir,
            )
        return self._contexts[patient, fhir]

    def understood(self, resource: Json, source: Source, fhir: str) -> Understood:
        """What a resource, of a FHIR version, says; a Patient on its way is read only once."""
        if source.type != "Patient":
            return understand(resource, source, self.context(resource, fhir))
        found = self._read.get(source)
        if found is None or found[0] is not resource:
            found = (resource, understand(resource, source, self.context(resource, fhir)))
            self._read[source] = found
        return found[1]

    def person(self, patient: str) -> Person | None:
        """What the Patient with that id says, if there is one."""
        if patient and patient not in self._persons:
            self._persons[patient] = self._read_person(patient)
        return self._persons.get(patient)

    def described(self, patient: str) -> Person | None:
        """What was read of the Patient until now."""
        facts = self.view.known(patient)
        return person_in(fact for some in facts for fact in some)

    def _here(self, patient: str) -> bool:
        key = Key(self.site.name, "Patient", patient)
        if key in self._patients:
            return self._patients[key] is not None
        head = self.view.head(key)
        return head is not None and not head.deleted

    def _carrying(self, wanted: Identifier) -> list[str]:
        stored = self.view.carrying(Carried("Patient", *wanted))
        return [key.id for key in carrying(stored, self._patients, wanted)]

    def _heir(self, patient: str) -> str:
        return survivor(patient, self.person)

    def _read_person(self, patient: str) -> Person | None:
        key = Key(self.site.name, "Patient", patient)
        if key not in self._coming:
            return self.described(patient)
        resource, version = self._coming[key]
        if resource is None:
            return None
        source = Source(self.site.name, "Patient", patient, str(version))
        return person_in(self.understood(resource, source, fhir="").facts)

    def _resource(self, reference: str) -> Json | None:
        return self._newest(Key(self.site.name, *reference.split("/")))

    def _newest(self, key: Key) -> Json | None:
        if key not in self._decoded:
            if key in self._coming:
                resource, version = self._coming[key]
            else:
                kept = self.view.body(key)
                resource, version = (decoded(kept), kept.version) if kept else (None, 0)
            self._decoded[key] = with_version(resource, str(version)) if resource else None
        return self._decoded[key]

    def _all_carrying(self, identifier: str) -> list[Json]:
        """The resources that carry an identifier (`Specimen?system|value`)."""
        wanted = carried(identifier)
        coming = {key: sent for key, (sent, _) in self._coming.items() if key.type == wanted.type}
        keys = carrying(self.view.carrying(wanted), coming, Identifier(wanted.system, wanted.value))
        return [found for key in keys if (found := self._newest(key)) is not None]


def carried(identifier: str) -> Carried:
    """An identifier as references name resources by it: `Specimen?system|value`."""
    type, _, rest = identifier.partition("?")
    system, _, value = rest.partition("|")
    return Carried(type, system, value)


def want(reference: str, site: str, wanted: Wanted) -> None:
    """Want what a resource names by id or by identifier."""
    if "?" in reference:
        wanted.carriers.add(carried(reference))
        return
    other = Key(site, *reference.split("/"))
    wanted.heads.add(other)
    wanted.bodies.add(other)


def depending(view: View, key: Key, resource: Json | None) -> list[Kept]:
    """What means something else once a resource is another, whether named by id or identifier."""
    before = view.body(key)
    both = (it for it in (resource, decoded(before) if before else None) if it)
    names = [f"{key.type}/{key.id}"]
    names += sorted({name for one in both for name in identifiers_of(one, key.type)})
    return [kept for name in names for kept in view.depending_on(name)]


def decoded(kept: Kept) -> Json:
    """A kept resource, with the references of the bundle that it came in made literal."""
    resource: Json = wire.decode(kept.body)
    return references.resolved(resource, kept.links) if kept.links else resource


def reading_of(key: Key, understood: Understood, received: datetime, known: Known) -> Reading:
    """What is kept of what was understood; what is about nobody is in no chart.

    A death without a date was known at the earliest of these: the moment that the resource states,
    when it came, and what was known before it came.
    """
    if not understood.patient:
        return Reading(key, "")
    facts = understood.facts
    person = person_in(facts) if key.type == "Patient" else None
    if person is not None and person.deceased and person.died is None:
        moments = [person.dead_by or received]
        before = known.described(person.source.id)
        if before is not None and before.deceased and before.dead_by is not None:
            moments.append(before.dead_by)
        facts = (replace(person, dead_by=min(moments)),)
    if key.type == "DiagnosticReport":
        stored = [one for some in known.view.known(understood.patient) for one in some]
        facts = tuple(it.after(stored) if isinstance(it, Report) else it for it in facts)
    return Reading(key, understood.patient, facts, understood.depends_on)


def reread(kept: Kept, known: Known) -> Reading:
    """The reading of a stored resource, made again."""
    key = kept.key
    source = Source(key.site, key.type, key.id, str(kept.version), arrived=kept.received)
    resource = known.whose(key, decoded(kept)).resource
    understood = known.understood(resource, source, kept.fhir)
    return reading_of(key, understood, kept.received, known)
