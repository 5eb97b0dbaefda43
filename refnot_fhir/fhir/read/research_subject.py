"""A ResearchSubject as a trial management system states it, in R4, R4B or R5.

In R4 the status says where the subject stands, in R5 the newest state of `progress` does; HL7's
extension carries `progress` in R4. https://hl7.org/fhir/R4/researchsubject.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.fhir.dates import asked_day
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import FROM_R5

Json = Mapping[str, Any]

_STATE = "Enrollment"
"""Code of a state, in research-subject-state-type; the other one is a milestone."""


@record
class SubjectSeen:
    """What a ResearchSubject says; empty where it says nothing."""

    status: str = ""
    """A code of research-subject-status."""
    is_active: bool = True
    """Whether the record is in use: in R5 that is what its status says."""
    since: date | None = None
    """Since when the subject has that status."""
    began: date | None = None
    ended: date | None = None
    patient: str = ""
    """The reference, as sent."""
    study: str = ""
    """The reference, as sent."""
    study_identifier: tuple[str, str] | None = None
    arm: str = ""
    actual_arm: str = ""
    numbers: tuple[tuple[str, str], ...] = ()
    consent: str = ""
    """The reference, as sent."""
    reason: str = ""
    """In words."""
    reason_codes: tuple[tuple[str, str], ...] = ()


def read(resource: Json, version: Version) -> SubjectSeen:
    """What a valid ResearchSubject says. Raises BadInput for a day that does not exist."""
    is_r5 = version is Version.R5
    period, study = resource.get("period", {}), resource.get("study", {})
    consents = resource.get("consent", [])
    consent = consents[0] if isinstance(consents, list) and consents else consents or {}
    state = _newest_state(resource, is_r5=is_r5)
    status = _code(state.get("subjectState")) if is_r5 else resource["status"]
    explained = state if is_r5 or _code(state.get("subjectState")) == status else {}
    why = explained.get("reason", {})
    identifier = study.get("identifier", {})
    group = ("assignedComparisonGroup", "actualComparisonGroup")
    planned, actual = group if is_r5 else ("assignedArm", "actualArm")
    return SubjectSeen(
        status=status,
        is_active=not is_r5 or resource["status"] == "active",
        since=_day(explained.get("startDate")),
        began=_day(period.get("start")),
        ended=_day(period.get("end")),
        patient=resource.get("subject" if is_r5 else "individual", {}).get("reference", ""),
        study=study.get("reference", ""),
        study_identifier=(identifier.get("system", ""), identifier["value"])
        if "value" in identifier
        else None,
        arm=resource.get(planned, ""),
        actual_arm=resource.get(actual, ""),
        numbers=tuple(
            (one.get("system", ""), one["value"])
            for one in resource.get("identifier", ())
            if "value" in one
        ),
        consent=consent.get("reference", ""),
        reason=why.get("text", ""),
        reason_codes=tuple(
            (one.get("system", ""), one.get("code", "")) for one in why.get("coding", ())
        ),
    )


def _newest_state(resource: Json, *, is_r5: bool) -> Json:
    """The state that has not ended and began last; among equals, the last one stated."""
    steps = resource.get("progress", ()) if is_r5 else _carried(resource)
    states = [one for one in steps if _is_state(one) and "endDate" not in one]
    return max(states, key=lambda one: str(one.get("startDate", "")), default={})


def _is_state(step: Json) -> bool:
    return "subjectState" in step and _code(step.get("type")) in ("", _STATE)


def _carried(resource: Json) -> Iterator[Json]:
    """`progress` of R5 in a resource of R4."""
    for one in resource.get("extension", ()):
        if one.get("url") == f"{FROM_R5}ResearchSubject.progress":
            yield {
                part["url"]: next((v for k, v in part.items() if k.startswith("value")), None)
                for part in one.get("extension", ())
            }


def _code(concept: Any) -> str:
    codings = (concept or {}).get("coding", ())
    return next((str(one["code"]) for one in codings if "code" in one), "")


def _day(text: Any) -> date | None:
    """A day as precise as a day; None for one that is not."""
    if not text or len(str(text)) < len("2026-05-20"):
        return None
    return asked_day(str(text)[:10], "date")
