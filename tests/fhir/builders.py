"""One-line FHIR resources, valid in R4 unless said otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"


def concept(*codings: tuple[str, str], text: str = "") -> Json:
    """A CodeableConcept of (system, code) pairs."""
    coding = [{"system": system, "code": code} for system, code in codings]
    return {**({"coding": coding} if coding else {}), **({"text": text} if text else {})}


def quantity(value: object, unit: str, code: str | None = None, **more: object) -> Json:
    """A Quantity in UCUM; `code` is the unit's code where the unit is not one itself."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit, **more}


def patient(id_: str = "p1", **more: object) -> Json:
    """A Patient."""
    return {"resourceType": "Patient", "id": id_, **more}


def observation(code: str = "777-3", id_: str = "o1", **more: object) -> Json:
    """A final Observation of Patient/p1 with a LOINC code."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": concept((LOINC, code)),
        "subject": {"reference": "Patient/p1"},
        **more,
    }


def administration(id_: str = "a1", **more: object) -> Json:
    """A completed R4 MedicationAdministration of Refnot to Patient/p1, 400 000 IU, on a Monday."""
    return {
        "resourceType": "MedicationAdministration",
        "id": id_,
        "status": "completed",
        "medicationCodeableConcept": {"text": "Refnot"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2010-03-01T10:00:00+03:00",
        "dosage": {"dose": quantity(400000, "IU", "[iU]")},
        **more,
    }


def administration_r5(id_: str = "a1", **more: object) -> Json:
    """The same administration in R5."""
    r4 = administration(id_)
    del r4["medicationCodeableConcept"], r4["effectiveDateTime"]
    return {
        **r4,
        "medication": {"concept": {"text": "Refnot"}},
        "occurenceDateTime": "2010-03-01T10:00:00+03:00",
        **more,
    }


def without(resource: Mapping[str, Any], *names: str) -> Json:
    """The resource without some of its elements."""
    return {name: value for name, value in resource.items() if name not in names}
