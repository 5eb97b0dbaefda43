"""What a delivery touches in the store, as far as it says so itself."""

from __future__ import annotations

from collections.abc import Iterable

from refnot_fhir.core.facts import Person
from refnot_fhir.fhir.types import KINDS, patient_of
from refnot_fhir.fhir.whose import Identifier, identifiers, patient_identifier
from refnot_fhir.store.contract import Kept, Key
from refnot_fhir.store.view import Carried, View, Wanted
from refnot_fhir.trial.receive.known import Known
from refnot_fhir.trial.receive.naming import Named

OF_PERSON = tuple(type for type, kind in KINDS.items() if kind.depends_on_person)
"""Types whose meaning hangs on the sex and age of the patient."""
SHARED = frozenset(type for type, kind in KINDS.items() if kind.shared) - {"Patient"}
"""Types on which the meaning of other resources may hang."""


def touched(named: Iterable[Named], wanted: Wanted) -> None:
    """Add to what is wanted all that these requests need in order to be understood and decided."""
    for one in named:
        resource, key = one.request.resource, one.key
        wanted.heads.add(key)
        if key.type in SHARED:
            wanted.dependants.add(f"{key.type}/{key.id}")
        if key.type == "Patient":
            wanted.patients.add(key.id)
            wanted.orphans.update((key.id, type) for type in OF_PERSON)
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
            other = Key(key.site, *reference.split("/"))
            wanted.heads.add(other)
            wanted.bodies.add(other)


def of_another_person(view: View, patient: str) -> list[Kept]:
    """What means something else once a patient's sex or age is another."""
    return [kept for type in OF_PERSON for kept in view.resources(patient, type)]


def another_person(before: Person | None, after: Person | None) -> bool:
    """Whether what reference ranges depend on is not what it was."""
    return _range_facts(before) != _range_facts(after)


def _range_facts(person: Person | None) -> tuple[object, ...]:
    return (person.birth, person.gender, person.sex_signals) if person else ()


def carried_by(person: Person | None) -> set[Identifier]:
    """The identifiers of a patient."""
    return {Identifier(*one) for one in person.identifiers} if person else set()


def merged_with(stored: Known, patients: Iterable[str]) -> list[str]:
    """These patients, whom their records were merged into, and who was merged into those."""
    found = list(dict.fromkeys(filter(None, patients)))
    for one in found:
        person = stored.person(one)
        near = [person.replaced_by if person else "", *stored.view.merged_into(one)]
        found += (other for other in dict.fromkeys(near) if other and other not in found)
    return found
