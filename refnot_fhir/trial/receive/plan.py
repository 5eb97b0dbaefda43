"""What a delivery will change, worked out against one consistent view of the store.

Nothing here writes. The plan names every version of every resource that it supposes, so that the
transaction that carries it out can tell whether the view still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

from refnot_fhir.core.facts import Person, person_in
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.types import (
    KINDS,
    Understood,
    about_patient,
    patient_of,
    understand,
)
from refnot_fhir.fhir.whose import Identifier, Json, Whose, identifiers, patient_identifier
from refnot_fhir.store.contract import Head, Kept, Key, Reader, Reading
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.receive.conditional import Condition, Conditional
from refnot_fhir.trial.receive.decide import Decided, Policy, decide, once, sent_at
from refnot_fhir.trial.receive.hanging import (
    Carried,
    Hook,
    Versions,
    another_person,
    family,
    hanging_on,
    identifiers_moved,
    versions,
)
from refnot_fhir.trial.receive.known import Known, death_noted, reading_of, reread
from refnot_fhir.trial.receive.naming import Named, Naming
from refnot_fhir.trial.receive.notes import not_retained, notes_on, unlinked
from refnot_fhir.trial.receive.request import CHANGING, Request, Result


@record
class Step:
    """One request with its target, its result and what is to be kept."""

    request: Request
    key: Key
    result: Result
    kept: Kept | None = None
    reading: Reading | None = None
    identifiers: tuple[Identifier, ...] | None = None
    """To replace the ones by which it is found; None leaves them."""
    names: Identifier | None = None
    """The identifier by which it names its patient."""


@record
class Plan:
    """Everything that a delivery will change, and what that supposes."""

    steps: tuple[Step, ...]
    again: tuple[Reading, ...]
    """Readings of other resources that mean something else now."""
    moved: Mapping[Key, str]
    """Stored resources that are of another patient now, or of nobody."""
    heads: Mapping[Key, Head | None]
    """The newest versions supposed."""
    conditions: Mapping[Condition, tuple[Key, ...]]
    """What carries each identifier that was asked for."""
    hanging: Mapping[Hook, Versions]
    """What hung on each Patient, Medication and identifier that changes."""
    patients: tuple[str, ...]
    """Whose chart changes."""


@record
class Planner:
    """One delivery being planned."""

    reader: Reader
    site: Site
    rulebook: Rulebook
    now: datetime
    strict: bool = False
    """Whether what can never be linked to a patient fails."""
    salt: str = ""
    """Of the ids of creates: deliveries with another one make other resources."""
    policy: Policy = Policy()

    def plan(self, naming: Naming, wave: Sequence[int]) -> Plan:
        """Work out what the requests of a `wave`, each of another resource, will change."""
        asked = {(r.type, *r.condition) for r in naming.requests if r.condition}
        conditions = self._conditions(asked)
        left = _left(conditions, naming.requests)
        keys = [self._target(request, left) for request in naming.requests]
        asks = Conditional(naming, keys, self._conditions, conditions)
        found, refused = asks.found, asks.refused
        named = naming.named(self.site.name, keys, found, self.salt)
        here = [named[index] for index in wave]
        others = self._depends_on(here)
        heads = self.reader.heads({*(one.key for one in here), *others})
        decided = [
            (one, refused.get(index) or self._decided(one, heads.get(one.key), left))
            for index, one in zip(wave, here, strict=True)
        ]
        return self._planned(list(once(decided)), heads, others, conditions)

    def _planned(
        self,
        decided: Sequence[Decided],
        heads: dict[Key, Head],
        others: Iterable[Key],
        conditions: dict[Condition, tuple[Key, ...]],
    ) -> Plan:
        coming = [(one.request, one.key, result) for one, result in decided]
        known = Known.of(self.reader, self.site, self.rulebook, coming)
        stored = Known.of(self.reader, self.site, self.rulebook)
        steps = [self._step(*one, heads, known) for one in decided]
        before = self._before(steps, stored)
        hanging = self._hanging(steps, before, stored)
        again, moved = self._again(steps, chain.from_iterable(hanging.values()), known)
        looked = [key for found in known.carriers.values() for key in found]
        heads |= self.reader.heads(looked) if looked else {}
        carriers = {("Patient", *one): found for one, found in known.carriers.items()}
        keys = (*(one.key for one, _ in decided), *others, *looked)
        return Plan(
            steps=tuple(steps),
            again=tuple(again),
            moved=moved,
            heads={key: heads.get(key) for key in keys},
            conditions={**conditions, **carriers},
            hanging={hook: versions(found) for hook, found in hanging.items()},
            patients=_affected(steps, again, heads, before.values(), hanging.values()),
        )

    def _conditions(self, asked: Iterable[Condition]) -> dict[Condition, tuple[Key, ...]]:
        return {
            one: tuple(self.reader.with_identifier(self.site.name, one[0], one[1], one[2]))
            for one in asked
        }

    def _target(
        self, request: Request, conditions: Mapping[Condition, tuple[Key, ...]]
    ) -> Key | None:
        """The resource that a request is about; None when its id follows from its content."""
        matches = _matches(request, conditions)
        if matches:
            return matches[0]
        id_ = request.id or _stated_id(request)
        if not id_ and request.action in (R.CREATE, R.UPDATE):
            return None
        return Key(self.site.name, request.type, id_)

    def _depends_on(self, requests: Iterable[Named]) -> set[Key]:
        """What of the store the meaning of the requests hangs on."""
        found = set()
        for one in requests:
            resource = one.request.resource
            if resource is None or one.request.type not in KINDS:
                continue
            patient = patient_of(resource)
            if patient and one.request.type != "Patient":
                found.add(Key(self.site.name, "Patient", patient))
            for reference in KINDS[one.request.type].depends_on(resource):
                found.add(Key(self.site.name, *reference.split("/")))
        return found

    def _decided(
        self, named: Named, head: Head | None, conditions: Mapping[Condition, tuple[Key, ...]]
    ) -> Result:
        matches = _matches(named.request, conditions)
        return decide(named, head, matches, now=self.now, policy=self.policy)

    def _step(self, named: Named, result: Result, heads: Mapping[Key, Head], known: Known) -> Step:
        request, key = named.request, named.key
        if result.outcome not in (*CHANGING, R.LATE):
            return Step(request, key, self._told(named, result, heads.get(key), known))
        head = heads.get(key)
        if request.action == R.DELETE:
            kept = self._kept(named, result, "")
            return Step(request, key, result, kept, Reading(key, ""), ())
        of = self._whose(request, known)
        understood = self._understood(of, key, result, known, request.fhir)
        if not understood.useful and head is None and self.site.keep != "all":
            return Step(request, key, not_retained(request))
        if of.never and self.strict:
            return Step(request, key, unlinked(request, of, fails=True))
        kept = self._kept(named, result, understood.patient)
        if result.outcome == R.LATE:
            return Step(request, key, result, kept)
        notes = (*result.notes, *notes_on(understood, request.where, self.rulebook))
        if of.unlinked:
            notes = (*unlinked(request, of).notes, *notes)
        result = replace(
            result, patient=understood.patient, unlinked=bool(of.unlinked), notes=notes
        )
        resource = request.resource or {}
        names = patient_identifier(resource) if request.type in KINDS else None
        reading = reading_of(key, understood)
        reading = death_noted(reading, self.now, known)
        return Step(request, key, result, kept, reading, identifiers(resource), names)

    def _told(self, named: Named, result: Result, head: Head | None, known: Known) -> Result:
        """The result of what changes nothing: in no chart it is in none still."""
        request = named.request
        stands = result.outcome == R.UNCHANGED and head is not None and not head.deleted
        if not stands or request.action == R.DELETE or not about_patient(request.type):
            return result
        of = self._whose(request, known)
        if not of.unlinked:
            return result
        return replace(result, unlinked=True, notes=(*result.notes, *unlinked(request, of).notes))

    def _whose(self, request: Request, known: Known) -> Whose:
        if request.type not in KINDS or request.resource is None:
            return Whose(request.resource or {})
        return known.whose(request.resource)

    def _understood(
        self, of: Whose, key: Key, result: Result, known: Known, fhir: str
    ) -> Understood:
        if key.type not in KINDS:
            return Understood("", useful=False)
        source = Source(key.site, key.type, key.id, str(result.version))
        return understand(of.resource, source, replace(known.context(of.resource), fhir=fhir))

    def _kept(self, named: Named, result: Result, patient: str) -> Kept:
        request = named.request
        deleted = request.action == R.DELETE
        # What was written before a deletion arrives late after it.
        updated = self.now if deleted else sent_at(request.resource, self.now)
        return Kept(
            key=named.key,
            version=result.version,
            body=request.raw,
            received=self.now,
            digest=named.digest,
            updated=updated,
            deleted=deleted,
            superseded=result.outcome == R.LATE,
            patient=patient,
            fhir=request.fhir or self.site.fhir,
            links=named.links,
        )

    def _before(self, steps: Iterable[Step], stored: Known) -> dict[Key, Person | None]:
        """The persons that the Patients among the steps described until now."""
        return {
            step.key: stored.person(step.key.id)
            for step in steps
            if step.key.type == "Patient" and step.result.outcome in CHANGING
        }

    def _hanging(
        self, steps: Iterable[Step], before: Mapping[Key, Person | None], stored: Known
    ) -> dict[Hook, list[Kept]]:
        """What is in the store and means something else after each of the steps."""
        hooks: dict[Hook, None] = {}
        merged: list[str] = []
        for step in steps:
            after = person_in(step.reading.facts) if step.reading else None
            if step.key in before:
                was = before[step.key]
                if another_person(was, after):
                    hooks[step.key] = None
                hooks |= dict.fromkeys(self._carried(stored.resource(step.key), step))
                ends = [person.replaced_by if person else "" for person in (was, after)]
                if ends[0] != ends[1]:
                    merged += (step.key.id, *ends)
            elif step.key.type in _SHARED and step.result.outcome in CHANGING:
                hooks[step.key] = None
        # Whether several carriers are one patient depends on every merge among them.
        for patient in family(self.reader, stored, merged):
            carried = identifiers(stored.resource(Key(self.site.name, "Patient", patient)))
            hooks |= dict.fromkeys(Carried(self.site.name, one) for one in carried)
        return {hook: hanging_on(self.reader, hook) for hook in hooks}

    def _carried(self, before: Json | None, step: Step) -> Iterator[Carried]:
        after = None if step.request.action == R.DELETE else step.request.resource
        for one in identifiers_moved(before, after):
            yield Carried(self.site.name, one)

    def _again(
        self, steps: Sequence[Step], hanging: Iterable[Kept], known: Known
    ) -> tuple[list[Reading], dict[Key, str]]:
        """Readings of stored resources that the steps give another meaning, or patient."""
        read = {step.key for step in steps if step.reading}
        stale = {kept.key: kept for kept in hanging if kept.key not in read}
        again = [reread(kept, known) for kept in stale.values()]
        moved = {
            reading.key: reading.patient
            for reading, kept in zip(again, stale.values(), strict=True)
            if reading.patient != kept.patient
        }
        return again, moved


_SHARED = {name for name, kind in KINDS.items() if kind.shared} - {"Patient"}


def _left(
    conditions: Mapping[Condition, tuple[Key, ...]], requests: Iterable[Request]
) -> dict[Condition, tuple[Key, ...]]:
    """What conditions match after the deletions of the same delivery, which FHIR puts first."""
    gone = {(r.type, r.id) for r in requests if r.action == R.DELETE}
    return {
        one: tuple(key for key in found if (key.type, key.id) not in gone)
        for one, found in conditions.items()
    }


def _matches(
    request: Request, conditions: Mapping[Condition, tuple[Key, ...]]
) -> tuple[Key, ...] | None:
    return conditions[(request.type, *request.condition)] if request.condition else None


def _affected(
    steps: Iterable[Step],
    again: Iterable[Reading],
    heads: Mapping[Key, Head],
    persons: Iterable[Person | None],
    hanging: Iterable[Iterable[Kept]],
) -> tuple[str, ...]:
    """Patients whose chart changes: those now named, and those named before a correction.

    `persons` are those that were described until now: a record may have been merged into another.
    """
    found: dict[str, None] = {}
    for step in steps:
        if step.result.outcome in CHANGING:
            before = heads.get(step.key)
            found[step.reading.patient if step.reading else ""] = None
            found[before.patient if before else ""] = None
    found.update((reading.patient, None) for reading in again)
    found.update((kept.patient, None) for some in hanging for kept in some)
    found.update((person.replaced_by, None) for person in persons if person)
    return tuple(patient for patient in found if patient)


def _stated_id(request: Request) -> str:
    """The id that the resource of an update by identifier carries itself; a create's is dropped."""
    return str((request.resource or {}).get("id", "")) if request.action == R.UPDATE else ""
