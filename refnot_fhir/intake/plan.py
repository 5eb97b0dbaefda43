"""What a delivery will change, worked out against one consistent view of the store.

Nothing here writes. The plan names every version of every resource that it supposes, so that the
transaction that carries it out can tell whether the view still holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from refnot_fhir.core.records import Person, Source
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.intake import request as R
from refnot_fhir.intake.decide import content_id, decide, once, sent_at
from refnot_fhir.intake.hanging import Versions, another_person, hanging_on, versions
from refnot_fhir.intake.known import Known, reading_of, reread
from refnot_fhir.intake.links import between, relinked, used_in
from refnot_fhir.intake.notes import not_retained, notes_on
from refnot_fhir.intake.request import CHANGING, Request, Result
from refnot_fhir.reading import (
    ACCEPTED,
    Understood,
    medication_reference,
    patient_of,
    understand,
)
from refnot_fhir.store.base import Head, Kept, Key, Reader, Reading


@dataclass(frozen=True, slots=True)
class Step:
    """One request with its target, its result and what is to be kept."""

    request: Request
    key: Key
    result: Result
    kept: Kept | None = None
    reading: Reading | None = None
    identifiers: tuple[tuple[str, str], ...] | None = None
    """To replace the ones by which it is found; None leaves them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a delivery will change, and what that supposes."""

    steps: tuple[Step, ...]
    again: tuple[Reading, ...]
    """Readings of other resources that mean something else now."""
    heads: Mapping[Key, Head | None]
    """The newest versions supposed."""
    conditions: Mapping[tuple[str, str, str], tuple[Key, ...]]
    """(type, system, value) of each conditional request and what it matched."""
    hanging: Mapping[Key, Versions]
    """What hung on each Patient and Medication that changes."""
    patients: tuple[str, ...]
    """Whose chart changes."""


@dataclass(frozen=True, slots=True)
class Planner:
    """One delivery being planned."""

    reader: Reader
    site: Site
    rulebook: Rulebook
    now: datetime
    bases: tuple[str, ...] = ()
    """Our own address, below which a reference is a relative one."""

    def plan(self, requests: Sequence[Request]) -> Plan:
        """Work out what `requests`, each of another resource, will change."""
        conditions = self._conditions(requests)
        left = _left(conditions, requests)
        keys = [self._target(request, left) for request in requests]
        links = between(requests, keys)
        bases = (*self.bases, *self.site.base_urls)
        used = [used_in(links, request.raw, bases) for request in requests]
        requests = [relinked(*one) for one in zip(requests, used, strict=True)]
        others = self._depends_on(requests)
        heads = self.reader.heads({*keys, *others})
        steps = self._steps(requests, keys, heads, left, used)
        before = self._before(steps)
        hanging = self._hanging(steps, before)
        again = self._again(steps, chain.from_iterable(hanging.values()))
        return Plan(
            steps=tuple(steps),
            again=tuple(again),
            heads={key: heads.get(key) for key in (*keys, *others)},
            conditions=conditions,
            hanging={key: versions(found) for key, found in hanging.items()},
            patients=_affected(steps, again, heads, before.values()),
        )

    def _conditions(
        self, requests: Iterable[Request]
    ) -> dict[tuple[str, str, str], tuple[Key, ...]]:
        asked = {(r.type, *r.condition) for r in requests if r.condition}
        return {
            one: tuple(self.reader.with_identifier(self.site.name, one[0], one[1], one[2]))
            for one in asked
        }

    def _target(
        self, request: Request, conditions: Mapping[tuple[str, str, str], tuple[Key, ...]]
    ) -> Key:
        """The resource that a request is about; a new one's id follows from its content."""
        matches = _matches(request, conditions)
        if matches:
            return matches[0]
        name = self.site.name
        id_ = request.id or _stated_id(request) or content_id(name, request)
        return Key(name, request.type, id_)

    def _depends_on(self, requests: Iterable[Request]) -> set[Key]:
        """Patients and Medications of the store that the meaning of the requests hangs on."""
        found = set()
        for request in requests:
            if request.resource is None or request.type not in ACCEPTED:
                continue
            patient = patient_of(request.resource)
            if patient and request.type != "Patient":
                found.add(Key(self.site.name, "Patient", patient))
            medication = medication_reference(request.resource)
            if medication:
                found.add(Key(self.site.name, "Medication", medication.split("/")[1]))
        return found

    def _steps(
        self,
        requests: Sequence[Request],
        keys: Sequence[Key],
        heads: Mapping[Key, Head],
        conditions: Mapping[tuple[str, str, str], tuple[Key, ...]],
        links: Sequence[Mapping[str, str]],
    ) -> list[Step]:
        decided = list(
            once(
                (request, key, self._decided(request, key, heads.get(key), conditions))
                for request, key in zip(requests, keys, strict=True)
            )
        )
        known = Known.of(self.reader, self.site, self.rulebook, decided)
        return [
            self._step(*one, heads, known, used) for one, used in zip(decided, links, strict=True)
        ]

    def _decided(
        self,
        request: Request,
        key: Key,
        head: Head | None,
        conditions: Mapping[tuple[str, str, str], tuple[Key, ...]],
    ) -> Result:
        return decide(request, key, head, _matches(request, conditions), now=self.now)

    def _step(
        self,
        request: Request,
        key: Key,
        result: Result,
        heads: Mapping[Key, Head],
        known: Known,
        links: Mapping[str, str],
    ) -> Step:
        if result.outcome not in (*CHANGING, R.LATE):
            return Step(request, key, result)
        if request.action == R.DELETE:
            kept = self._kept(request, key, result, "", {})
            return Step(request, key, result, kept, Reading(key, ""), ())
        understood = self._understood(request, key, result, known)
        if not understood.useful and heads.get(key) is None and self.site.keep != "all":
            return Step(request, key, not_retained(request))
        patient = understood.patient
        kept = self._kept(request, key, result, patient, links)
        if result.outcome == R.LATE:
            return Step(request, key, result, kept)
        notes = (*result.notes, *notes_on(understood, request.where, self.rulebook))
        result = replace(result, patient=patient, notes=notes)
        return Step(
            request, key, result, kept, reading_of(key, understood), _identifiers(request.resource)
        )

    def _understood(self, request: Request, key: Key, result: Result, known: Known) -> Understood:
        if request.type not in ACCEPTED or request.resource is None:
            return Understood("", useful=False)
        source = Source(key.site, key.type, key.id, str(result.version))
        return understand(request.resource, source, known.context(request.resource))

    def _kept(
        self, request: Request, key: Key, result: Result, patient: str, links: Mapping[str, str]
    ) -> Kept:
        return Kept(
            key=key,
            version=result.version,
            body=request.raw,
            received=self.now,
            digest=hashlib.sha256(request.raw).digest() if request.raw else b"",
            updated=sent_at(request.resource, self.now),
            deleted=request.action == R.DELETE,
            superseded=result.outcome == R.LATE,
            patient=patient,
            links=links,
        )

    def _before(self, steps: Iterable[Step]) -> dict[Key, Person | None]:
        """The persons that the Patients among the steps described until now."""
        known = Known.of(self.reader, self.site, self.rulebook)
        return {
            step.key: known.person(step.key.id)
            for step in steps
            if step.key.type == "Patient" and step.result.outcome in CHANGING
        }

    def _hanging(
        self, steps: Iterable[Step], before: Mapping[Key, Person | None]
    ) -> dict[Key, list[Kept]]:
        """What is in the store and means something else after each of the steps."""
        found = {}
        for step in steps:
            after = step.reading.person if step.reading else None
            if (step.key in before and another_person(before[step.key], after)) or (
                step.key.type == "Medication" and step.result.outcome in CHANGING
            ):
                found[step.key] = hanging_on(self.reader, step.key)
        return found

    def _again(self, steps: Sequence[Step], hanging: Iterable[Kept]) -> list[Reading]:
        """Readings of stored resources that the steps give another meaning."""
        read = {step.key for step in steps if step.reading}
        stale = {kept.key: kept for kept in hanging if kept.key not in read}
        decided = [(step.request, step.key, step.result) for step in steps]
        known = Known.of(self.reader, self.site, self.rulebook, decided)
        return [reread(kept, known) for kept in stale.values()]


def _left(
    conditions: Mapping[tuple[str, str, str], tuple[Key, ...]], requests: Iterable[Request]
) -> dict[tuple[str, str, str], tuple[Key, ...]]:
    """What conditions match after the deletions of the same delivery, which FHIR puts first."""
    gone = {(r.type, r.id) for r in requests if r.action == R.DELETE}
    return {
        one: tuple(key for key in found if (key.type, key.id) not in gone)
        for one, found in conditions.items()
    }


def _matches(
    request: Request, conditions: Mapping[tuple[str, str, str], tuple[Key, ...]]
) -> tuple[Key, ...] | None:
    return conditions[(request.type, *request.condition)] if request.condition else None


def _affected(
    steps: Iterable[Step],
    again: Iterable[Reading],
    heads: Mapping[Key, Head],
    persons: Iterable[Person | None],
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
    found.update((person.replaced_by, None) for person in persons if person)
    return tuple(patient for patient in found if patient)


def _stated_id(request: Request) -> str:
    """The id that the resource of an update by identifier carries itself; a create's is dropped."""
    return str((request.resource or {}).get("id", "")) if request.action == R.UPDATE else ""


def _identifiers(resource: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    carried = (resource or {}).get("identifier") or ()
    return tuple((i.get("system", ""), i["value"]) for i in carried if i.get("value"))
