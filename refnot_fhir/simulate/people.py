"""What people put on record of a patient, and decide: statements, consents, ResearchSubjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from refnot_fhir.core.rules import Protocol
from refnot_fhir.fhir.write import questionnaire as form
from refnot_fhir.fhir.write.code_systems import meanings_url, roles_url, verdicts_url
from refnot_fhir.simulate.doses import concept
from refnot_fhir.simulate.hospital import Word, hospital

Resource = dict[str, Any]


def statements(
    key: str,
    subject: str,
    verdicts: Mapping[str, str],
    at: datetime,
    protocol: Protocol,
    looked_at: Sequence[str],
) -> Resource:
    """The published form as an investigator signs it: criterion to the code of a verdict.

    `looked_at` has references of the records that were seen.
    """
    said = hospital().statements
    return {
        "resourceType": "QuestionnaireResponse",
        "id": key,
        "questionnaire": f"{form.url(protocol)}|{protocol.version}",
        "status": "completed",
        "subject": {"reference": subject},
        "authored": at.isoformat(),
        "author": {"type": "Practitioner", "display": said["who"]},
        "item": [
            _coded(form.ROLE, roles_url(protocol), said["role"]),
            _coded(form.MEANING, meanings_url(protocol), said["meaning"]),
            *(_stated(name, verdict, protocol, looked_at) for name, verdict in verdicts.items()),
        ],
    }


def _stated(criterion: str, verdict: str, protocol: Protocol, looked_at: Sequence[str]) -> Resource:
    seen = {"linkId": f"{criterion}.{form.LOOKED_AT}"}
    why = {"linkId": f"{criterion}.{form.REASON}"}
    return {
        "linkId": criterion,
        "item": [
            _coded(f"{criterion}.{form.VERDICT}", verdicts_url(protocol), verdict),
            why | {"answer": [{"valueString": hospital().statements["reason"]}]},
            seen | {"answer": [{"valueReference": {"reference": one}} for one in looked_at]},
        ],
    }


def _coded(link: str, system: str, code: str) -> Resource:
    return {"linkId": link, "answer": [{"valueCoding": {"system": system, "code": code}}]}


def consent(key: str, subject: str, study: str, at: datetime, *, permits: bool) -> Resource:
    """A consent to take part in the study, given or refused."""
    codes = hospital().codes
    named = {"url": codes["consent_study_extension"], "valueReference": {"reference": study}}
    return {
        "resourceType": "Consent",
        "id": key,
        "extension": [named],
        "status": "active",
        "scope": {"coding": [{"system": codes["consent_scope"], "code": "research"}]},
        "category": [{"coding": [{"system": codes["loinc"], "code": "59284-0"}]}],
        "patient": {"reference": subject},
        "dateTime": at.isoformat(),
        "policy": [{"uri": f"{hospital().base}/information-for-patients"}],
        "provision": {"type": "permit" if permits else "deny"},
    }


def no_known_allergy(key: str, subject: str, at: datetime) -> Resource:
    """An AllergyIntolerance that says that there is none."""
    codes = hospital().codes
    return {
        "resourceType": "AllergyIntolerance",
        "id": key,
        "clinicalStatus": {"coding": [{"system": codes["allergy_clinical"], "code": "active"}]},
        "verificationStatus": {
            "coding": [{"system": codes["allergy_verification"], "code": "confirmed"}]
        },
        "code": concept(hospital().findings["no-known-allergy"]),
        "patient": {"reference": subject},
        "recordedDate": at.isoformat(),
    }


def diagnosis(key: str, subject: str, found: Word, at: datetime) -> Resource:
    """A Condition that is active and confirmed."""
    codes = hospital().codes
    return {
        "resourceType": "Condition",
        "id": key,
        "clinicalStatus": {"coding": [{"system": codes["condition_clinical"], "code": "active"}]},
        "verificationStatus": {
            "coding": [{"system": codes["condition_verification"], "code": "confirmed"}]
        },
        "code": concept(found),
        "subject": {"reference": subject},
        "recordedDate": at.isoformat(),
    }


def pathology(key: str, subject: str, specimen: str, at: datetime) -> Resource:
    """A final report of surgical pathology that found a malignant tumour in a specimen."""
    codes = hospital().codes
    return {
        "resourceType": "DiagnosticReport",
        "id": key,
        "status": "final",
        "category": [{"coding": [{"system": codes["section"], "code": "SP"}]}],
        "code": {"text": "Histology"},
        "subject": {"reference": subject},
        "effectiveDateTime": at.isoformat(),
        "issued": at.isoformat(),
        "specimen": [{"reference": f"Specimen/{specimen}"}],
        "conclusionCode": [concept(hospital().findings["malignancy"])],
    }


def tissue(key: str, subject: str, at: datetime) -> Resource:
    """The Specimen that a report is about."""
    return {
        "resourceType": "Specimen",
        "id": key,
        "status": "available",
        "type": {"text": "Biopsy"},
        "subject": {"reference": subject},
        "collection": {"collectedDateTime": at.isoformat()},
    }


def decided(
    name: str, subject: str, protocol: Protocol, status: str, on: date, **stated: Any
) -> Resource:
    """A ResearchSubject as a trial management system posts it, in a batch of its own.

    `stated` has further elements, such as `assignedArm`.
    """
    codes = hospital().codes
    state = {"coding": [{"system": codes["subject_state"], "code": status}]}
    progress = {
        "url": codes["progress_extension"],
        "extension": [
            {"url": "subjectState", "valueCodeableConcept": state},
            {"url": "startDate", "valueDateTime": on.isoformat()},
        ],
    }
    body = {
        "resourceType": "ResearchSubject",
        "extension": [progress],
        "status": status,
        "study": {"reference": f"ResearchStudy/{protocol.id}"},
        "individual": {"reference": subject},
        **stated,
    }
    entry = {"resource": body, "request": {"method": "POST", "url": "ResearchSubject"}}
    return {"resourceType": "Bundle", "id": name, "type": "batch", "entry": [entry]}
