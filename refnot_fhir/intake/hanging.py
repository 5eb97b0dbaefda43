"""Stored resources whose meaning hangs on a Patient or a Medication that changes."""

from __future__ import annotations

from collections.abc import Iterable

from refnot_fhir.core.records import Person
from refnot_fhir.store.base import Kept, Key, Reader

Versions = frozenset[tuple[Key, int]]
"""Resources, and the versions of them that are the newest."""


def hanging_on(reader: Reader, key: Key) -> list[Kept]:
    """A patient's labs hang on sex and age, an administration on its Medication."""
    if key.type == "Patient":
        return reader.of_patient(key.site, key.id, "Observation")
    return reader.newest(reader.waiting_for(key.site, f"Medication/{key.id}"))


def versions(found: Iterable[Kept]) -> Versions:
    """Which versions these are."""
    return frozenset((kept.key, kept.version) for kept in found)


def another_person(before: Person | None, after: Person | None) -> bool:
    """Whether what reference ranges depend on is not what it was."""
    return _range_facts(before) != _range_facts(after)


def _range_facts(person: Person | None) -> tuple[object, ...]:
    return (person.birth, person.gender, person.sex_signals) if person else ()
