"""Whether what is recorded of a patient's sex agrees."""

from __future__ import annotations

from collections.abc import Mapping

from refnot_fhir.core.facts import Person


def agrees(person: Person, recorded: Mapping[str, frozenset[str]]) -> bool:
    """Whether nothing recorded about the patient's sex casts doubt on the gender recorded.

    `recorded` has the codes that mean each sex. Any other code, "unknown" too, asks for evidence,
    so that a code that is missing there can only make a verdict unknown.
    """
    agreeing = recorded.get(person.gender, frozenset())
    said = (signal.rpartition("=")[2].strip().casefold() for signal in person.sex_signals)
    return all(code in agreeing for code in said)
