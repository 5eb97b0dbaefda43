"""A protocol as ResearchStudy.

R5 renamed or moved much: https://hl7.org/fhir/R5/researchstudy.html against
https://hl7.org/fhir/R4/researchstudy.html. What R4 has no element for (acronym, numbers of
participants) travels in HL7's cross-version extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from refnot_fhir.core.rules import Arm, Protocol
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.built import built
from refnot_fhir.fhir.write.code_systems import study_drugs_url
from refnot_fhir.fhir.write.published import FROM_R5, Json, concept, filled, meta

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_STATUS = "http://hl7.org/fhir/research-study-status"
_TITLE_TYPE = "http://hl7.org/fhir/title-type"
_PARTY_ROLE = "http://hl7.org/fhir/research-study-party-role"
_ARM_TYPE = "http://hl7.org/fhir/research-study-arm-type"
_ARM_TYPES = frozenset(
    {
        "active-comparator",
        "placebo-comparator",
        "sham-comparator",
        "no-intervention",
        "experimental",
        "other-arm-type",
    }
)
_PHASES = {
    "n-a": "N/A",
    "early-phase-1": "Early Phase 1",
    "phase-1": "Phase 1",
    "phase-1-phase-2": "Phase 1/Phase 2",
    "phase-2": "Phase 2",
    "phase-2-phase-3": "Phase 2/Phase 3",
    "phase-3": "Phase 3",
    "phase-4": "Phase 4",
}


def write(protocol: Protocol, version: Version, *, last_updated: datetime, version_id: str) -> Json:
    """The study as its registry record and mapping files have it.

    Its criteria and schedule are not in it: FHIR has no place for them in ResearchStudy itself.
    """
    shared: Mapping[str, object] = {
        "resourceType": "ResearchStudy",
        "id": protocol.id,
        "identifier": [
            filled({"use": "official", "system": system, "value": value})
            for system, value in protocol.identifiers
        ],
        "title": protocol.title,
        "primaryPurposeType": _coded("research-study-prim-purp-type", protocol.purpose, version),
        "phase": _phase(protocol, version),
        "condition": [{"text": condition} for condition in protocol.conditions],
        "keyword": [{"text": keyword} for keyword in protocol.keywords],
        "description": protocol.description,
        "period": filled(dict(zip(("start", "end"), protocol.period, strict=True))),
    }
    special = _r5(protocol) if version is Version.R5 else _r4(protocol)
    study = built(filled({**shared, **special}), version)
    # Apart from the rest: it depends on where and when the study is served.
    marks = meta(version_id=version_id, updated=last_updated)
    return {"resourceType": study["resourceType"], "id": study["id"], "meta": marks, **study}


def _r4(protocol: Protocol) -> Json:
    return {
        "extension": [_label_extension(protocol), _recruitment_extension(protocol)],
        "status": protocol.status,
        "focus": [_drug(protocol)],
        "sponsor": {"type": "Organization", "display": protocol.sponsor},
        "arm": [
            filled({"name": a.name, "type": {"text": a.type}, "description": a.description})
            for a in protocol.arms
        ],
    }


def _r5(protocol: Protocol) -> Json:
    return {
        "url": f"{protocol.canonical}/ResearchStudy/{protocol.id}",
        "version": protocol.version,
        "name": protocol.id.title().replace("-", ""),
        "label": [{"type": _acronym(), "value": protocol.acronym}],
        # In R5 this is the state of the record; how far the study has come is progressStatus.
        "status": "active",
        "focus": [{"concept": _drug(protocol)}],
        "associatedParty": [
            {"name": protocol.sponsor, "role": concept(_PARTY_ROLE, "sponsor", "sponsor")}
        ],
        "progressStatus": [_progress(protocol)],
        "recruitment": {"targetNumber": protocol.planned, "actualNumber": protocol.actual},
        "comparisonGroup": [_comparison_group(arm) for arm in protocol.arms],
    }


def _coded(name: str, code: str, version: Version) -> Json:
    """A concept of a code system that HL7 keeps in the specification since R5."""
    home = "http://hl7.org/fhir" if version is Version.R5 else _TERMINOLOGY
    return concept(f"{home}/{name}", code)


def _phase(protocol: Protocol, version: Version) -> Json:
    phase = _coded("research-study-phase", protocol.phase, version)
    display = _PHASES.get(protocol.phase)
    return phase if display is None else {**phase, "text": display}


def _drug(protocol: Protocol) -> Json:
    return concept(study_drugs_url(protocol), protocol.dosing.drug, text=protocol.dosing.drug)


def _acronym() -> Json:
    return concept(_TITLE_TYPE, "acronym", "Acronym")


def _label_extension(protocol: Protocol) -> Json:
    parts = [
        {"url": "type", "valueCodeableConcept": _acronym()},
        {"url": "value", "valueString": protocol.acronym},
    ]
    return {"url": f"{FROM_R5}ResearchStudy.label", "extension": parts}


def _recruitment_extension(protocol: Protocol) -> Json:
    parts = [
        {"url": "targetNumber", "valueUnsignedInt": protocol.planned},
        {"url": "actualNumber", "valueUnsignedInt": protocol.actual},
    ]
    return {"url": f"{FROM_R5}ResearchStudy.recruitment", "extension": parts}


def _progress(protocol: Protocol) -> Json:
    # A completed study has been so since it ended; when another state began is not recorded.
    since = protocol.period[1] if protocol.status == "completed" else ""
    state = concept(_STATUS, protocol.status)
    return filled({"state": state, "actual": True, "period": filled({"start": since})})


def _comparison_group(arm: Arm) -> Json:
    code = arm.type.lower().replace(" ", "-")
    known = concept(_ARM_TYPE, code, text=arm.type) if code in _ARM_TYPES else {"text": arm.type}
    members = {"linkId": arm.id, "name": arm.name, "type": known, "description": arm.description}
    return filled(members)
