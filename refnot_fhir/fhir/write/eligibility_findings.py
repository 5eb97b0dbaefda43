"""What contradicts an enrolment after people decided it, each as a DetectedIssue.

`status` is `final` while it is so and `amended` once it is resolved; `identifiedDateTime` is when
it became known here, `implicated` what shows it, each in the version that was read, and
`mitigation` when it was resolved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refnot_fhir.core.dosing.results import DeviationCode
from refnot_fhir.core.life import Finding
from refnot_fhir.core.results import Subject
from refnot_fhir.core.rules import Protocol
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.code_systems import criteria_url, deviations_url
from refnot_fhir.fhir.write.published import (
    Json,
    absolute,
    concept,
    entry,
    filled,
    instant,
    meta,
    reference,
    steady_id,
)
from refnot_fhir.wording import language
from refnot_fhir.wording.dosing import called
from refnot_fhir.wording.results import why_finding

_CODE = DeviationCode.ELIGIBILITY_FINDING


def write(
    subject: Subject, protocol: Protocol, version: Version, *, base: str, patient: str
) -> Iterator[Json]:
    """An entry for each finding, in the order in which they became known."""
    for finding in subject.findings:
        id = steady_id(protocol, (subject.id, "finding", *finding.about, finding.at))
        display = called(_CODE, protocol.dosing.unit).display
        code = concept(deviations_url(protocol), _CODE.value, display)
        if finding.criterion:
            code["coding"].append({"system": criteria_url(protocol), "code": finding.criterion})
        members: Mapping[str, object] = {
            "resourceType": "DetectedIssue",
            "id": str(id),
            "meta": meta(test_data=subject.replay),
            "status": "final" if finding.resolved is None else "amended",
            "code": code,
            "severity": protocol.dosing.severities.get(_CODE, ""),
            ("subject" if version is Version.R5 else "patient"): {"reference": patient},
            "identifiedDateTime": instant(finding.at),
            "implicated": [
                reference(absolute(base, source.versioned)) for source in finding.sources
            ],
            "detail": why_finding(language(), finding),
            "mitigation": _resolved(finding),
        }
        yield entry(filled(members), f"urn:uuid:{id}")


def _resolved(finding: Finding) -> list[Json]:
    if finding.resolved is None:
        return []
    said = language().sections["words"]["resolved"]
    return [{"action": {"text": said}, "date": instant(finding.resolved)}]
