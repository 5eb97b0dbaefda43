"""Stored resources whose meaning hangs on another one that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from refnot_fhir.core.facts import Person
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.whose import Identifier, identifiers
from refnot_fhir.store.contract import Kept, Key, Reader
from refnot_fhir.trial.receive.known import Known

Versions = frozenset[tuple[Key, int]]
"""Resources, and the versions of them that are the newest."""


class Carried(NamedTuple):
    """An identifier of a site's patients that is given to somebody or taken away."""

    site: str
    identifier: Identifier


Hook = Key | Carried
"""What resources hang on."""


def hanging_on(reader: Reader, hook: Hook) -> list[Kept]:
    """What is made with a patient's sex and age, or with another resource that changes.

    What names its patient by an identifier hangs on who carries that.
    """
    if isinstance(hook, Carried):
        return reader.newest(reader.naming_patient(hook.site, *hook.identifier))
    if hook.type == "Patient":
        return [
            kept
            for type, kind in KINDS.items()
            if kind.depends_on_person
            for kept in reader.of_patient(hook.site, hook.id, type)
        ]
    return reader.newest(reader.depending_on(hook.site, f"{hook.type}/{hook.id}"))


def versions(found: Iterable[Kept]) -> Versions:
    """Which versions these are."""
    return frozenset((kept.key, kept.version) for kept in found)


def another_person(before: Person | None, after: Person | None) -> bool:
    """Whether what reference ranges depend on is not what it was."""
    return _range_facts(before) != _range_facts(after)


def identifiers_moved(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> set[Identifier]:
    """The identifiers that were given to a patient or taken away."""
    return set(identifiers(before)) ^ set(identifiers(after))


def family(reader: Reader, known: Known, patients: Iterable[str]) -> list[str]:
    """These patients, whom their records were merged into, and who was merged into those."""
    site = known.site.name
    found = list(dict.fromkeys(filter(None, patients)))
    for one in found:
        person = known.person(one)
        near = [person.replaced_by if person else "", *reader.merged_into(site, one)]
        found += (other for other in dict.fromkeys(near) if other and other not in found)
    return found


def _range_facts(person: Person | None) -> tuple[object, ...]:
    return (person.birth, person.gender, person.sex_signals) if person else ()
