"""Whether what is recorded of a patient's sex agrees."""

from __future__ import annotations

from refnot_fhir.core.facts import Person

# What extensions for birth sex, sex for clinical use and gender identity say when they agree:
# administrative gender, v3, R5 and US Core codes (UNVERIFIED beyond administrative gender and the
# two SNOMED finding codes). Anything else, "unknown" too, asks for evidence, so that a code that is
# missing here can only make a verdict unknown.
_AGREES = {
    "male": frozenset({"male", "m", "male-typical", "248153007", "446151000124109"}),
    "female": frozenset({"female", "f", "female-typical", "248152002", "446141000124107"}),
}


def agrees(person: Person) -> bool:
    """Whether nothing recorded about the patient's sex casts doubt on the gender recorded."""
    agreeing = _AGREES.get(person.gender, frozenset())
    said = (signal.rpartition("=")[2].strip().lower() for signal in person.sex_signals)
    return all(code in agreeing for code in said)
