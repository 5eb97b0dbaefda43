"""What is said of drugs beside administrations, and procedures, as the hospital sends it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from refnot_fhir.simulate.doses import concept
from refnot_fhir.simulate.hospital import Word, hospital

Resource = dict[str, Any]


def statement(
    key: str, subject: str, drug: Word, *, first: date, last: date | None, stated: date
) -> Resource:
    """A MedicationStatement of a drug that is taken by mouth; without a last day it still is."""
    period = {"start": first.isoformat(), **({"end": last.isoformat()} if last else {})}
    route = {"system": hospital().codes["snomed"], "code": hospital().routes["oral"]}
    return {
        "resourceType": "MedicationStatement",
        "id": key,
        "status": "completed" if last else "active",
        "medicationCodeableConcept": concept(drug),
        "subject": {"reference": subject},
        "effectivePeriod": period,
        "dateAsserted": stated.isoformat(),
        "dosage": [{"route": {"coding": [route]}}],
    }


def order(key: str, subject: str, drug: Word, at: datetime) -> Resource:
    """A MedicationRequest."""
    return {
        "resourceType": "MedicationRequest",
        "id": key,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept(drug),
        "subject": {"reference": subject},
        "authoredOn": at.isoformat(),
    }


def dispense(key: str, subject: str, drug: Word, at: datetime, days: int) -> Resource:
    """A MedicationDispense that suffices for so many days."""
    supply = {"value": days, "unit": "d", "system": hospital().codes["ucum"], "code": "d"}
    return {
        "resourceType": "MedicationDispense",
        "id": key,
        "status": "completed",
        "medicationCodeableConcept": concept(drug),
        "subject": {"reference": subject},
        "daysSupply": supply,
        "whenHandedOver": at.isoformat(),
    }


def procedure(key: str, subject: str, done: Word, at: datetime) -> Resource:
    """A Procedure that was done."""
    return {
        "resourceType": "Procedure",
        "id": key,
        "status": "completed",
        "code": concept(done),
        "subject": {"reference": subject},
        "performedDateTime": at.isoformat(),
    }
