"""Search parameters of what is received: Patient, Observation, MedicationAdministration …"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refnot_fhir.fhir.search.row import Json, Kind, Parameter, at, patient, reference, row
from refnot_fhir.fhir.versions import Version


def _deceased(resource: Json) -> Iterator[bool]:
    yield "deceasedDateTime" in resource or bool(resource.get("deceasedBoolean"))


def _lots(resource: Json) -> Iterator[Any]:
    for lot in at("batch.lotNumber")(resource):
        yield {"value": lot}


def patient_type(_: Version) -> tuple[Parameter, ...]:
    """Those of Patient."""
    return (
        row("identifier", Kind.TOKEN, "identifier", "Patient-identifier"),
        row("birthdate", Kind.DATE, "birthDate", "individual-birthdate"),
        row(
            "gender",
            Kind.TOKEN,
            "gender",
            "individual-gender",
            system="http://hl7.org/fhir/administrative-gender",
        ),
        row("active", Kind.TOKEN, "active", "Patient-active"),
        row("deceased", Kind.TOKEN, _deceased, "Patient-deceased"),
        reference("link", "link.other", "Patient-link", "Patient RelatedPerson"),
    )


def observation(_: Version) -> tuple[Parameter, ...]:
    """Those of Observation."""
    when = at("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")
    return (
        patient("patient", "subject", "clinical-patient"),
        patient("subject", "subject", "Observation-subject", ""),
        row("identifier", Kind.TOKEN, "identifier", "clinical-identifier"),
        row("code", Kind.TOKEN, "code", "clinical-code"),
        row("date", Kind.DATE, when, "clinical-date"),
        row(
            "status",
            Kind.TOKEN,
            "status",
            "Observation-status",
            system="http://hl7.org/fhir/observation-status",
        ),
        row("category", Kind.TOKEN, "category", "Observation-category"),
        row("value-quantity", Kind.QUANTITY, "valueQuantity", "Observation-value-quantity"),
        row("value-concept", Kind.TOKEN, "valueCodeableConcept", "Observation-value-concept"),
    )


def medication_administration(version: Version) -> tuple[Parameter, ...]:
    """Those of MedicationAdministration."""
    r5 = version is Version.R5
    home = "http://hl7.org/fhir" if r5 else "http://terminology.hl7.org"
    status = f"{home}/CodeSystem/medication-admin-status"
    concept = "medication.concept" if r5 else "medicationCodeableConcept"
    medication = "medication.reference" if r5 else "medicationReference"
    name, definition = (
        ("date", "medications-date")
        if r5
        else ("effective-time", "MedicationAdministration-effective-time")
    )
    when = (
        at("occurenceDateTime", "occurencePeriod", "occurenceTiming")
        if r5
        else at("effectiveDateTime", "effectivePeriod")
    )
    return (
        patient("patient", "subject", "clinical-patient"),
        patient("subject", "subject", "MedicationAdministration-subject", "Patient Group"),
        row("identifier", Kind.TOKEN, "identifier", "clinical-identifier"),
        row("status", Kind.TOKEN, "status", "medications-status", system=status),
        row("code", Kind.TOKEN, concept, "clinical-code"),
        row(name, Kind.DATE, when, definition),
        reference("medication", medication, "medications-medication", "Medication"),
    )


def medication(version: Version) -> tuple[Parameter, ...]:
    """Those of Medication."""
    r5 = version is Version.R5
    identifier = "clinical-identifier" if r5 else "Medication-identifier"
    home = "http://hl7.org/fhir/CodeSystem/medication-status"
    return (
        row("code", Kind.TOKEN, "code", "clinical-code"),
        row("status", Kind.TOKEN, "status", "Medication-status", system=home),
        row("identifier", Kind.TOKEN, "identifier", identifier),
        row("lot-number", Kind.TOKEN, _lots, "Medication-lot-number"),
    )
