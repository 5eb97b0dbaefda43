"""The two operations on ResearchSubject that no standard defines, as OperationDefinitions."""

from __future__ import annotations

from collections.abc import Mapping

from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.published import Json, filled

SCREENING_REPORT = "screening-report"
DOSING_RECORD = "dosing-record"

_DATE = {
    "name": "date",
    "use": "in",
    "min": 0,
    "max": "1",
    "documentation": "As of which day; if not given, today at the subject's site, "
    "or the day of enrolment of a subject on study.",
    "type": "date",
}


def url(canonical: str, code: str) -> str:
    """The canonical URL of an operation's definition."""
    return f"{canonical}/OperationDefinition/ResearchSubject-{code}"


def write(canonical: str, version: Version, software_version: str) -> tuple[Json, ...]:
    """Both definitions, below a canonical base.

    R4, R4B and R5 have every element of them in the same form.
    """
    definitions = (
        _definition(
            canonical,
            software_version,
            SCREENING_REPORT,
            "Screening report",
            "Each eligibility criterion of the study decided for this subject on a date: a "
            "collection Bundle of the ResearchSubject and one Observation per criterion, with the "
            "verdict, the reason, the limit, and references to the evidence in the versions read.",
        ),
        _definition(
            canonical,
            software_version,
            DOSING_RECORD,
            "Dosing record",
            "The doses of the study drug as the protocol counts them: a collection Bundle of one "
            "MedicationAdministration per protocol dose, with its course and number, and one "
            "DetectedIssue per deviation, with references to the administrations as received.",
        ),
    )
    return tuple(built(definition, version) for definition in definitions)


def _definition(canonical: str, version: str, code: str, title: str, description: str) -> Json:
    returned = {
        "name": "return",
        "use": "out",
        "min": 1,
        "max": "1",
        "documentation": "A Bundle of type collection.",
        "type": "Bundle",
    }
    members: Mapping[str, object] = {
        "resourceType": "OperationDefinition",
        "id": f"ResearchSubject-{code}",
        "url": url(canonical, code),
        "version": version,
        "name": title.title().replace(" ", ""),
        "title": title,
        "status": "active",
        "kind": "operation",
        "experimental": False,
        "description": description,
        "affectsState": False,
        "code": code,
        "resource": ["ResearchSubject"],
        "system": False,
        "type": False,
        "instance": True,
        "parameter": [dict(_DATE), returned],
    }
    return filled(members)
