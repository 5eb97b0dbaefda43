"""The extensions that no standard defines, as StructureDefinitions.

They say of a MedicationAdministration of a dosing record where in the schedule the dose is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.published import Json, filled

COURSE_NUMBER = "course-number"
DOSE_NUMBER = "dose-number"
PLANNED_DATE = "planned-date"

_BASE = "http://hl7.org/fhir/StructureDefinition/Extension"


class _Meaning(NamedTuple):
    title: str
    type: str
    definition: str


EXTENSIONS: Mapping[str, _Meaning] = {
    COURSE_NUMBER: _Meaning(
        "Course number", "positiveInt", "The course of the study drug that the dose belongs to."
    ),
    DOSE_NUMBER: _Meaning(
        "Dose number",
        "positiveInt",
        "The place of the dose among those given in its course. "
        "A dose that was missed, or whose place cannot be told, has none.",
    ),
    PLANNED_DATE: _Meaning(
        "Planned date", "date", "The day on schedule that is nearest to the one it was given on."
    ),
}


def url(canonical: str, name: str) -> str:
    """The canonical URL of an extension: `…/StructureDefinition/course-number`."""
    return f"{canonical}/StructureDefinition/{name}"


def write(canonical: str, version: Version, software_version: str) -> tuple[Json, ...]:
    """Every definition, below a canonical base, without a snapshot."""
    return tuple(
        built(_definition(canonical, name, version, software_version, meaning), version)
        for name, meaning in EXTENSIONS.items()
    )


def _definition(
    canonical: str, name: str, version: Version, software_version: str, meaning: _Meaning
) -> Json:
    address = url(canonical, name)
    members: Mapping[str, object] = {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": address,
        "version": software_version,
        "name": meaning.title.title().replace(" ", ""),
        "title": meaning.title,
        "status": "active",
        "experimental": False,
        "description": meaning.definition,
        "fhirVersion": version.full,
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": "MedicationAdministration"}],
        "type": "Extension",
        "baseDefinition": _BASE,
        "derivation": "constraint",
        "differential": {"element": _elements(address, meaning)},
    }
    return filled(members)


def _elements(address: str, meaning: _Meaning) -> list[Json]:
    return [
        {
            "id": "Extension",
            "path": "Extension",
            "short": meaning.title,
            "definition": meaning.definition,
            "min": 0,
            "max": "1",
        },
        {"id": "Extension.extension", "path": "Extension.extension", "max": "0"},
        {"id": "Extension.url", "path": "Extension.url", "fixedUri": address},
        {
            "id": "Extension.value[x]",
            "path": "Extension.value[x]",
            "min": 1,
            "type": [{"code": meaning.type}],
        },
    ]
