"""Stored resources whose meaning hangs on a Patient or a Medication that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from refnot_fhir.core.records import Person
from refnot_fhir.fhir.whose import Identifier, identifiers
from refnot_fhir.store.base import Kept, Key, Reader

Versions = frozenset[tuple[Key, int]]
"""Resources, and the versions of them that are the newest."""


class Carried(NamedTuple):
    """An identifier of a site's patients that is given to somebody or taken away."""

    site: str
    identifier: Identifier


Hook = Key | Carried
"""What resources hang on."""


def hanging_on(reader: Reader, hook: Hook) -> list[Kept]:
    """A patient's labs hang on sex and age, an administration on its Medication.

    What names its patient by an identifier hangs on who carries that.
    """
    if isinstance(hook, Carried):
        return reader.newest(reader.naming_patient(hook.site, *hook.identifier))
    if hook.type == "Patient":
        return reader.of_patient(hook.site, hook.id, "Observation")
    return reader.newest(reader.waiting_for(hook.site, f"Medication/{hook.id}"))


def versions(found: Iterable[Kept]) -> Versions:
    """Which versions these are."""
    return frozenset((kept.key, kept.version) for kept in found)


def another_person(before: Person | None, after: Person | None) -> bool:
    """Whether what reference ranges depend on is not what it was."""
    return _range_facts(before) != _range_facts(after)


def identifiers_moved(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    persons: tuple[Person | None, Person | None],
) -> set[Identifier]:
    """The identifiers that now name somebody else: given, taken away, or those of a merged record.

    `persons` are what the two versions of the Patient say.
    """
    had, has = set(identifiers(before)), set(identifiers(after))
    merged = [person.replaced_by if person else "" for person in persons]
    return had ^ has if merged[0] == merged[1] else had | has


def _range_facts(person: Person | None) -> tuple[object, ...]:
    return (person.birth, person.gender, person.sex_signals) if person else ()
