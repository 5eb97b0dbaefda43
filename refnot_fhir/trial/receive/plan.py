"""What a delivery will change, worked out in memory against one consistent view of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from refnot_fhir.core.facts import Person, person_in
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import identifiers_of
from refnot_fhir.fhir.types import KINDS, Understood, about_patient, patient_of
from refnot_fhir.fhir.whose import Identifier, Whose, identifiers, patient_identifier
from refnot_fhir.store.contract import Head, Kept, Key, Reading
from refnot_fhir.store.view import Carried, View, Wanted
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.receive.conditional import Conditional
from refnot_fhir.trial.receive.decide import CAREFUL, Decided, Policy, decide, once, sent_at
from refnot_fhir.trial.receive.known import Known, depending, reading_of, reread, want
from refnot_fhir.trial.receive.naming import Found, Named, Naming
from refnot_fhir.trial.receive.notes import not_retained, notes_on, unlinked
from refnot_fhir.trial.receive.request import CHANGING, Request, Result

_OF_PERSON = tuple(type for type, kind in KINDS.items() if kind.depends_on_person)
"""Types whose meaning hangs on the sex and age of the patient."""
_SHARED = frozenset(type for type, kind in KINDS.items() if kind.shared) - {"Patient"}
"""Types on which the meaning of other resources may hang."""


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
    """Everything that a delivery will change."""

    steps: tuple[Step, ...]
    again: tuple[Reading, ...]
    """Readings of other resources that mean something else now."""
    moved: Mapping[Key, str]
    """Stored resources that are of another patient now, or of nobody."""
    patients: tuple[str, ...]
    """Whose chart changes."""

    @property
    def readings(self) -> list[Reading]:
        """Everything that is read anew."""
        return [step.reading for step in self.steps if step.reading] + list(self.again)

    @property
    def changes_something(self) -> bool:
        """Whether anything is to be kept, or decided."""
        return bool(self.patients) or any(step.kept for step in self.steps)


class Planner:
    """One delivery being planned, as often as it takes."""

    def __init__(
        self, naming: Naming, wave: Sequence[int], site: Site, rulebook: Rulebook, now: datetime,
        *, strict: bool = False, salt: str = "", policy: Policy = CAREFUL,
    ) -> None:  # fmt: skip
        """`wave` are the requests to plan, each of another resource.

        `strict` says whether what can never be linked to a patient fails. `salt` is part of the ids
        of creates: deliveries with another one make other resources.
        """
        self._naming, self._wave, self._site, self._rulebook = naming, wave, site, rulebook
        self._now, self._strict, self._salt, self._policy = now, strict, salt, policy
        self._asked = [(r.type, *r.condition) for r in naming.requests if r.condition]
        self._keys = [self._target(request, None) for request in naming.requests]
        """The targets as far as no condition says which they are."""
        self._named: tuple[object, list[Named]] = (None, [])

    def wanted(self) -> Wanted:
        """What is to be read first."""
        wanted = Wanted(carriers={Carried(*one) for one in self._asked})
        if not self._asked and not self._naming.is_conditional:
            _touched(self._here(self._keys, {}), wanted)
        return wanted

    def plan(self, view: View) -> Plan | None:
        """What the requests will change; None when the view does not hold all that it takes."""
        conditions = {one: view.carrying(Carried(*one)) for one in self._asked}
        left = _left(conditions, self._naming.requests) if conditions else {}
        requests = self._naming.requests
        keys = [
            self._target(request, _matches(request, left)) if request.condition else key
            for request, key in zip(requests, self._keys, strict=True)
        ]
        found: dict[str, int | str] = {}
        refused: dict[int, Result] = {}
        if self._naming.is_conditional:
            asks = Conditional(self._naming, keys, view)
            found, refused = asks.found, asks.refused
        if view.missing:
            return None
        here = self._here(keys, found)
        if self._asked or self._naming.is_conditional:
            wanted = Wanted()
            _touched(here, wanted)
            if not view.holds(wanted):
                view.missing.add(wanted)
                return None
        decided: list[Decided] = []
        for index, one in zip(self._wave, here, strict=True):
            matches = _matches(one.request, left) if left else None
            head = view.head(one.key)
            result = refused.get(index) or decide(
                one, head, matches, now=self._now, policy=self._policy
            )
            decided.append((one, result))
        plan = self._planned(list(once(decided)), view)
        return None if view.missing else plan

    def _here(self, keys: Sequence[Key | None], found: Found) -> list[Named]:
        """The requests of the wave with their resources: worked out once for each meaning."""
        meaning = (tuple(keys), tuple(found.items()))
        if self._named[0] != meaning:
            named = self._naming.named(self._site.name, keys, found, self._salt)
            self._named = (meaning, [named[index] for index in self._wave])
        return self._named[1]

    def _planned(self, decided: Sequence[Decided], view: View) -> Plan:
        coming = [(one.request, one.key, result) for one, result in decided]
        known = Known.of(view, self._site, self._rulebook, coming)
        steps = [self._step(*one, view.head(one[0].key), known) for one in decided]
        before = {
            step.key: known.described(step.key.id)
            for step in steps
            if step.key.type == "Patient" and step.result.outcome in CHANGING
        }
        hanging = self._hanging(steps, before, view)
        again, moved = self._again(steps, hanging.values(), known)
        return Plan(
            steps=tuple(steps),
            again=tuple(again),
            moved=moved,
            patients=_affected(steps, again, view, before.values(), hanging.values()),
        )

    def _target(self, request: Request, matches: tuple[Key, ...] | None) -> Key | None:
        """The resource that a request is about; None when its id follows from its content.

        `matches` are the resources that its condition finds.
        """
        if matches:
            return matches[0]
        id_ = request.id or _stated_id(request)
        if not id_ and request.action in (R.CREATE, R.UPDATE):
            return None
        return Key(self._site.name, request.type, id_)

    def _step(self, named: Named, result: Result, head: Head | None, known: Known) -> Step:
        request, key = named.request, named.key
        if result.outcome not in (*CHANGING, R.LATE):
            return Step(request, key, self._told(named, result, head, known))
        if request.action == R.DELETE:
            kept = self._kept(named, result, "")
            result = replace(result, updated=self._now)
            return Step(request, key, result, kept, Reading(key, ""), ())
        of, understood = self._understood(request, key, result, known)
        if not understood.useful and head is None and self._site.keep != "all":
            return Step(request, key, not_retained(request))
        if of.never and self._strict:
            return Step(request, key, unlinked(request, of, fails=True))
        kept = self._kept(named, result, understood.patient)
        if result.outcome == R.LATE:
            return Step(request, key, result, kept)
        notes = (*result.notes, *notes_on(understood, request.where, self._rulebook))
        if of.unlinked:
            notes = (*unlinked(request, of).notes, *notes)
        result = Result(
            result.outcome,
            key.type,
            key.id,
            result.version,
            updated=self._now,
            patient=understood.patient,
            unlinked=bool(of.unlinked),
            notes=notes,
        )
        resource = request.resource or {}
        names = patient_identifier(resource) if request.type in KINDS else None
        reading = reading_of(key, understood, self._now, known)
        return Step(request, key, result, kept, reading, identifiers(resource), names)

    def _told(self, named: Named, result: Result, head: Head | None, known: Known) -> Result:
        """The result of what changes nothing: in no chart it is in none still."""
        request = named.request
        stands = result.outcome == R.UNCHANGED and head is not None and not head.deleted
        if not stands or request.action == R.DELETE or not about_patient(request.type):
            return result
        if request.type not in KINDS or request.resource is None:
            return result
        of = known.whose(named.key, request.resource)
        if not of.unlinked:
            return result
        return replace(result, unlinked=True, notes=(*result.notes, *unlinked(request, of).notes))

    def _understood(
        self, request: Request, key: Key, result: Result, known: Known
    ) -> tuple[Whose, Understood]:
        """Whose result a resource is, and what it says."""
        resource = request.resource or {}
        if key.type not in KINDS:
            return Whose(resource), Understood("", useful=False)
        of = known.whose(key, resource)
        source = Source(key.site, key.type, key.id, str(result.version), arrived=self._now)
        return of, known.understood(of.resource, source, request.fhir)

    def _kept(self, named: Named, result: Result, patient: str) -> Kept:
        request = named.request
        deleted = request.action == R.DELETE
        # What was written before a deletion arrives late after it.
        updated = self._now if deleted else sent_at(request.resource, self._now)
        return Kept(
            key=named.key,
            version=result.version,
            body=request.raw,
            received=self._now,
            digest=named.digest,
            updated=updated,
            deleted=deleted,
            superseded=result.outcome == R.LATE,
            patient=patient,
            fhir=request.fhir or self._site.fhir,
            links=named.links,
        )

    def _hanging(
        self, steps: Iterable[Step], before: Mapping[Key, Person | None], view: View
    ) -> dict[Hook, list[Kept]]:
        """What is in the store and means something else after each of the steps."""
        hanging: dict[Hook, list[Kept]] = {}
        carried: dict[Identifier, None] = {}
        merged: list[str] = []
        for step in steps:
            if step.key in before:
                was = before[step.key]
                now = person_in(step.reading.facts) if step.reading else None
                if _another_person(was, now):
                    hanging[step.key] = _of_another_person(view, step.key.id)
                carried |= dict.fromkeys(sorted(_carried_by(was) ^ _carried_by(now)))
                ends = [person.replaced_by if person else "" for person in (was, now)]
                if ends[0] != ends[1]:
                    merged += (step.key.id, *ends)
            elif step.key.type in _SHARED and step.result.outcome in CHANGING:
                hanging[step.key] = depending(view, step.key, step.request.resource)
        if merged:
            # Whether several carriers are one patient depends on every merge among them.
            stored = Known.of(view, self._site, self._rulebook)
            for patient in _merged_with(stored, merged):
                carried |= dict.fromkeys(sorted(_carried_by(stored.person(patient))))
        return hanging | {one: view.naming_patient(*one) for one in carried}

    def _again(
        self, steps: Sequence[Step], hanging: Iterable[Sequence[Kept]], known: Known
    ) -> tuple[list[Reading], dict[Key, str]]:
        """Readings of stored resources that the steps give another meaning, or patient."""
        read = {step.key for step in steps if step.reading}
        stale = {kept.key: kept for some in hanging for kept in some if kept.key not in read}
        again = [reread(kept, known) for kept in stale.values()]
        moved = {
            reading.key: reading.patient
            for reading, kept in zip(again, stale.values(), strict=True)
            if reading.patient != kept.patient
        }
        return again, moved


Hook = Key | Identifier
"""What resources hang on: another resource, or who carries an identifier."""
Conditions = Mapping[tuple[str, str, str], tuple[Key, ...]]
"""What carries each identifier that a request asks for: (type, system, value)."""


def _left(conditions: Conditions, requests: Iterable[Request]) -> Conditions:
    """What conditions match after the deletions of the same delivery, which FHIR puts first."""
    gone = {(r.type, r.id) for r in requests if r.action == R.DELETE}
    return {
        one: tuple(key for key in found if (key.type, key.id) not in gone)
        for one, found in conditions.items()
    }


def _matches(request: Request, conditions: Conditions) -> tuple[Key, ...] | None:
    return conditions[(request.type, *request.condition)] if request.condition else None


def _affected(
    steps: Iterable[Step],
    again: Iterable[Reading],
    view: View,
    persons: Iterable[Person | None],
    hanging: Iterable[Iterable[Kept]],
) -> tuple[str, ...]:
    """Patients whose chart changes: those now named, and those named before a correction.

    `persons` are those that were described until now: a record may have been merged into another.
    """
    found: dict[str, None] = {}
    for step in steps:
        if step.result.outcome in CHANGING:
            before = view.head(step.key)
            found[step.reading.patient if step.reading else ""] = None
            found[before.patient if before else ""] = None
    others = [reading.patient for reading in again]
    others += [kept.patient for some in hanging for kept in some]
    others += [person.replaced_by for person in persons if person]
    found.update(dict.fromkeys(others))
    return tuple([patient for patient in found if patient])


def _stated_id(request: Request) -> str:
    """The id that the resource of an update by identifier carries itself; a create's is dropped."""
    return str((request.resource or {}).get("id", "")) if request.action == R.UPDATE else ""


def _touched(named: Iterable[Named], wanted: Wanted) -> None:
    """Add to what is wanted all that these requests need in order to be understood and decided."""
    for one in named:
        resource, key = one.request.resource, one.key
        wanted.heads.add(key)
        if key.type in _SHARED:
            wanted.dependants.add(f"{key.type}/{key.id}")
            wanted.dependants.update(identifiers_of(resource or {}, key.type))
            # Others may hang on the identifiers that it carried before.
            wanted.bodies.add(key)
        if key.type == "Patient":
            wanted.patients.add(key.id)
            wanted.orphans.update((key.id, type) for type in _OF_PERSON)
            wanted.naming.update(identifiers(resource))
        if resource is None or one.request.type not in KINDS:
            continue
        patient = patient_of(resource)
        if patient:
            wanted.patients.add(patient)
            wanted.heads.add(Key(key.site, "Patient", patient))
        identifier = patient_identifier(resource)
        if identifier is not None and key.type != "Patient":
            wanted.carriers.add(Carried("Patient", *identifier))
        for reference in KINDS[key.type].depends_on(resource):
            want(reference, key.site, wanted)


def _of_another_person(view: View, patient: str) -> list[Kept]:
    """What means something else once a patient's sex or age is another."""
    return [kept for type in _OF_PERSON for kept in view.resources(patient, type)]


def _another_person(before: Person | None, after: Person | None) -> bool:
    """Whether what reference ranges depend on is not what it was."""
    return _range_facts(before) != _range_facts(after)


def _range_facts(person: Person | None) -> tuple[object, ...]:
    return (person.birth, person.gender, person.sex_signals) if person else ()


def _carried_by(person: Person | None) -> set[Identifier]:
    """The identifiers of a patient."""
    return {Identifier(*one) for one in person.identifiers} if person else set()


def _merged_with(stored: Known, patients: Iterable[str]) -> list[str]:
    """These patients, whom their records were merged into, and who was merged into those."""
    found = list(dict.fromkeys(filter(None, patients)))
    for one in found:
        person = stored.person(one)
        near = [person.replaced_by if person else "", *stored.view.merged_into(one)]
        found += (other for other in dict.fromkeys(near) if other and other not in found)
    return found
