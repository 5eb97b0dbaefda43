"""Administrations as the synthetic hospital sends them: the trial drug, and whatever else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.simulate.hospital import Word, hospital

Resource = dict[str, Any]


@record
class Given:
    """One administration of the trial drug, as a nurse would chart it."""

    at: datetime
    dose: Resource | None
    """The dose as a Quantity; None for a dose that was not given."""
    place: str
    route: str
    status: str = "completed"
    text: str = ""
    in_utc: bool = False
    """State the time as UTC, as many interfaces do."""
    vial_strength: Decimal | None = None
    """Strength of one vial, sent along as a contained Medication."""

    def elsewhere(self, place: str) -> Given:
        """The same dose, injected at another place."""
        return replace(self, place=place)


def trial_dose(key: str, subject: str, given: Given, *, drug: Word, study: str) -> Resource:
    """A MedicationAdministration of the trial drug, tagged with the study."""
    resource = _administration(key, subject, given.at, in_utc=given.in_utc)
    resource["status"] = given.status
    resource["extension"] = [
        {"url": hospital().codes["study_extension"], "valueReference": {"reference": study}}
    ]
    if given.vial_strength is None:
        resource["medicationCodeableConcept"] = concept(drug)
    else:
        resource["contained"] = [_vials(drug, given.vial_strength)]
        resource["medicationReference"] = {"reference": "#vial"}
    if given.status == "not-done":
        resource["statusReason"] = [{"text": given.text or "Patient did not come"}]
        return resource
    resource["dosage"] = {
        **({"text": given.text} if given.text else {}),
        "site": concept(hospital().places[given.place]),
        "route": concept(hospital().places[given.route]),
        "dose": given.dose,
    }
    return resource


def other_drug(key: str, subject: str, at: datetime, drug: Word) -> Resource:
    """A MedicationAdministration of anything else; the amount is of no use to the protocol."""
    resource = _administration(key, subject, at, in_utc=False)
    return resource | {"status": "completed", "medicationCodeableConcept": concept(drug)}


def units(value: Decimal, unit: str = "") -> Resource:
    """A dose in UCUM units, those of trial doses unless others are stated."""
    unit = unit or hospital().unit
    return {"value": value, "unit": unit, "system": hospital().codes["ucum"], "code": unit}


def unstated() -> Resource:
    """A dose that is said to be unknown; FHIR asks for a dose or a rate in every dosage."""
    return {"extension": [{"url": hospital().codes["absent_extension"], "valueCode": "unknown"}]}


def concept(word: Word) -> Resource:
    """A CodeableConcept of a word, by text alone when the hospital has no code for it."""
    coding = {"coding": [{"system": word.system, "code": word.code}]} if word.code else {}
    return coding | {"text": word.text}


def _vials(drug: Word, strength: Decimal) -> Resource:
    per_vial = {"numerator": units(strength), "denominator": units(Decimal(1), "{vial}")}
    return {
        "resourceType": "Medication",
        "id": "vial",
        "code": concept(drug),
        "ingredient": [{"itemCodeableConcept": concept(drug), "strength": per_vial}],
    }


def _administration(key: str, subject: str, at: datetime, *, in_utc: bool) -> Resource:
    stated = at.astimezone(UTC).isoformat().replace("+00:00", "Z") if in_utc else at.isoformat()
    return {
        "resourceType": "MedicationAdministration",
        "id": key,
        "status": "",
        "subject": {"reference": subject},
        "effectiveDateTime": stated,
    }
