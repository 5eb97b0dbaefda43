"""The search parameters of each type: their standard names, and where what they ask for is.

Names and definitions are those of HL7's SearchParameters for R4, R4B and R5. Of two names for one
thing (`patient`, `individual`, `subject` of a ResearchSubject) every version accepts all: the one
that is not in the version's own list has no definition and is documented as another name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from refnot_fhir.fhir.search import defined, published, received
from refnot_fhir.fhir.search.row import Kind, Parameter, row
from refnot_fhir.fhir.versions import Version

__all__ = ["TYPES", "Kind", "Parameter", "includes", "parameters"]

_RESOURCE = (
    row("_id", Kind.TOKEN, "id", "Resource-id"),
    row("_lastUpdated", Kind.DATE, "meta.lastUpdated", "Resource-lastUpdated"),
    row("_tag", Kind.TOKEN, "meta.tag", "Resource-tag"),
)
_TABLES: Mapping[str, Callable[[Version], tuple[Parameter, ...]]] = {
    "ResearchStudy": published.research_study,
    "ResearchSubject": published.research_subject,
    "Patient": received.patient_type,
    "Observation": received.observation,
    "MedicationAdministration": received.medication_administration,
    "Medication": received.medication,
    "CodeSystem": defined.definition,
    "OperationDefinition": defined.definition,
    "StructureDefinition": defined.definition,
}
TYPES = tuple(_TABLES)
"""The types that can be searched."""


@cache
def parameters(type: str, version: Version) -> Mapping[str, Parameter]:
    """The search parameters of a type by name; KeyError for a type that cannot be searched."""
    return {found.name: found for found in (*_RESOURCE, *_TABLES[type](version))}


@cache
def includes(type: str, version: Version) -> tuple[str, ...]:
    """What `_include` may name for a type: `ResearchSubject:study`."""
    return tuple(
        f"{type}:{found.name}"
        for found in parameters(type, version).values()
        if found.kind is Kind.REFERENCE and (not found.targets or set(found.targets) & set(TYPES))
    )
