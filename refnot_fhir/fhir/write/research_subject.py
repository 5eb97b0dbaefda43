"""A patient's place in a study, as ResearchSubject.

In R4 the status says where the patient stands; in R5 the status is that of the record, and the
states, with their reasons and dates, are in `progress`, which R4 carries as HL7's cross-version
extension. Nothing in it identifies the patient but the reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from refnot_fhir.core.life import Milestone, MilestoneCode
from refnot_fhir.core.results import StatusChange, Subject
from refnot_fhir.core.rules import Arm, Protocol
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import FROM_R5, Json, concept, filled, meta, patient_of
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why_status

_STATE = "http://terminology.hl7.org/CodeSystem/research-subject-state"
_STATE_TYPE = "http://terminology.hl7.org/CodeSystem/research-subject-state-type"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def write(
    subject: Subject, protocol: Protocol, version: Version, *, patient_reference: str = ""
) -> Json:
    """One version of a subject; `patient_reference` replaces `Patient/<id>` if it is elsewhere."""
    patient = {"reference": patient_of(subject, "", patient_reference)}
    shared: Mapping[str, object] = {
        "resourceType": "ResearchSubject",
        "id": subject.id,
        "meta": meta(
            version_id=str(subject.version), updated=subject.updated, test_data=subject.replay
        ),
        "identifier": [
            filled({"system": system, "value": value}) for system, value in subject.identifiers
        ],
        "period": _period(subject),
        "study": _study(protocol),
    }
    consent = _consent(subject)
    if version is Version.R5:
        return filled({**shared, **_r5(subject, protocol, patient), "consent": consent})
    return filled({**shared, **_r4(subject, protocol, patient), "consent": (consent or [{}])[0]})


def _r4(subject: Subject, protocol: Protocol, patient: Json) -> Json:
    return {
        "extension": [_extension(step) for step in _progress(subject, protocol)],
        "status": subject.status,
        "individual": patient,
        "assignedArm": _name(protocol, subject.planned_arm),
        "actualArm": _name(protocol, subject.actual_arm),
    }


def _r5(subject: Subject, protocol: Protocol, patient: Json) -> Json:
    return {
        "status": "active",
        "progress": list(_progress(subject, protocol)),
        "subject": patient,
        "assignedComparisonGroup": _link_id(protocol, subject.planned_arm),
        "actualComparisonGroup": _link_id(protocol, subject.actual_arm),
    }


def _study(protocol: Protocol) -> Json:
    """Reference and registry number, so that a reader need not fetch the study to know it."""
    numbers = [{"system": system, "value": value} for system, value in protocol.identifiers[:1]]
    study = {"reference": f"ResearchStudy/{protocol.id}", "display": protocol.title}
    return filled({**study, "identifier": numbers[0] if numbers else None})


def _period(subject: Subject) -> Json:
    start, end = subject.enrolled_on, subject.ended_on
    return filled(
        {
            "start": None if start is None else start.isoformat(),
            "end": None if end is None else end.isoformat(),
        }
    )


def _consent(subject: Subject) -> list[Json]:
    """The record of the consent, if one was named."""
    given = subject.milestone(MilestoneCode.CONSENT)
    return [{"reference": given.reference}] if given is not None and given.reference else []


def _progress(subject: Subject, protocol: Protocol) -> list[Json]:
    """Milestones as they became known; then every state so far, oldest first.

    A state has the day since which it held clinically, and the one on which the next began.
    """
    stages = [_step(protocol, *stage) for stage in subject.stages]
    return [*map(_milestone, subject.milestones), *stages]


def _milestone(one: Milestone) -> Json:
    title = language().say("milestones", one.code, {})
    coded = [{"system": system, "code": code} for system, code in one.codes]
    members: Mapping[str, object] = {
        "type": concept(_STATE_TYPE, "Milestone"),
        "milestone": filled({"coding": coded, "text": title}),
        "startDate": None if one.on is None else one.on.isoformat(),
    }
    return filled(members)


def _step(protocol: Protocol, change: StatusChange, begins: date, ends: date | None) -> Json:
    why = why_status(language(), protocol.labs, change)
    members = {
        "type": concept(_STATE_TYPE, "Enrollment"),
        "subjectState": concept(_STATE, change.status),
        "reason": filled({"coding": _codings(change), "text": why}),
        "startDate": begins.isoformat(),
        "endDate": None if ends is None else ends.isoformat(),
    }
    return filled(members)


def _codings(change: StatusChange) -> list[Json]:
    """The codes of a reason that people stated."""
    stated = (value.rpartition("|") for name, value in change.reason.about if name == "coding")
    return [{"system": system, "code": code} for system, _, code in stated]


def _extension(step: Json) -> Json:
    kinds = {"startDate": "valueDateTime", "endDate": "valueDateTime"}
    parts = [
        {"url": name, kinds.get(name, "valueCodeableConcept"): value}
        for name, value in step.items()
    ]
    return {"url": f"{FROM_R5}ResearchSubject.progress", "extension": parts}


def _arm(protocol: Protocol, wanted: str) -> Arm | None:
    return next((arm for arm in protocol.arms if wanted in (arm.id, arm.name)), None)


def _name(protocol: Protocol, wanted: str) -> str:
    """R4 names an arm by the study's own string for it."""
    arm = _arm(protocol, wanted)
    return wanted if arm is None else arm.name


def _link_id(protocol: Protocol, wanted: str) -> str:
    """R5 names an arm by its linkId; what cannot be one is left out."""
    arm = _arm(protocol, wanted)
    if arm is not None:
        return arm.id
    return wanted if _ID.fullmatch(wanted) else ""
