"""The pieces that everything published is made of: concepts, references, extensions, metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import Protocol

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
WORKFLOW_RESEARCH_STUDY = "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
WORKFLOW_SUPPORTING_INFO = "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo"
DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
# HL7's extensions for elements of R5 in R4: http://hl7.org/fhir/versions.html#extensions
FROM_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"

TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


def filled(members: Mapping[str, object]) -> Json:
    """The members that say something: FHIR's JSON knows no null and nothing empty."""
    # Of what is false, a zero and a False do say something; most is true, and is asked no further.
    return {name: value for name, value in members.items() if value or value not in _NOTHING}


_NOTHING: tuple[object, ...] = (None, "", [], {}, ())


def concept(system: str, code: str, display: str = "", *, text: str = "") -> Json:
    """A CodeableConcept of one coding."""
    coding = filled({"system": system, "code": code, "display": display})
    return filled({"coding": [coding], "text": text})


def reference(to: str, display: str = "") -> Json:
    """A literal reference."""
    return filled({"reference": to, "display": display})


def absolute(base: str, relative: str) -> str:
    """The address of a resource below a service base; without a base it stays relative."""
    return f"{base.rstrip('/')}/{relative}" if base else relative


def study_extension(protocol: Protocol, base: str) -> Json:
    """The standard mark of what belongs to a study."""
    study = reference(absolute(base, f"ResearchStudy/{protocol.id}"), protocol.acronym)
    return {"url": WORKFLOW_RESEARCH_STUDY, "valueReference": study}


def instant(moment: datetime) -> str:
    """An instant or a dateTime with its offset; ValueError without one."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be published")
    return moment.isoformat()


def meta(*, version_id: str = "", updated: datetime | None = None, test_data: bool = False) -> Json:
    """Resource.meta; `test_data` adds the tag HTEST."""
    members: Mapping[str, object] = {
        "versionId": version_id,
        "lastUpdated": None if updated is None else instant(updated),
        "tag": [dict(TEST_DATA)] if test_data else [],
    }
    return filled(members)


def patient_of(subject: Subject, base: str, address: str) -> str:
    """Where a subject's Patient is: at `address` if that is known better, else at its site."""
    return address or absolute(base, f"Patient/{subject.patient}")


def steady_id(protocol: Protocol, parts: Iterable[object]) -> UUID:
    """An id that the same facts always get: UUID version 5 below the protocol's canonical base."""
    space = uuid5(NAMESPACE_URL, f"{protocol.canonical}/{protocol.id}")
    return uuid5(space, "\n".join(str(part) for part in parts))


def entry(resource: Json, full_url: str) -> Json:
    """An entry of a collection."""
    return {"fullUrl": full_url, "resource": resource}


def collection(id: UUID, entries: Iterable[Json], *, now: datetime, test_data: bool) -> Json:
    """A Bundle of type collection, made now."""
    members: Mapping[str, object] = {
        "resourceType": "Bundle",
        "id": str(id),
        "meta": meta(updated=now, test_data=test_data),
        "type": "collection",
        "timestamp": instant(now),
        "entry": list(entries),
    }
    return filled(members)
