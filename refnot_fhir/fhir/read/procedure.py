"""Procedure → what was done, and when, as the hospital sent it.

https://hl7.org/fhir/R4/procedure.html, https://hl7.org/fhir/R5/procedure.html (`occurrence[x]`)
"""

from __future__ import annotations

from datetime import tzinfo

from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.seen import ProcedureSeen
from refnot_fhir.core.values import Source, When
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import Json, concept, id_of, modifiers, moment
from refnot_fhir.fhir.read.medication_administration import studies_of
from refnot_fhir.fhir.versions import Version

# https://hl7.org/fhir/R4/valueset-event-status.html; the same in R5.
_OUTCOMES = {
    "completed": Outcome.GIVEN,
    "stopped": Outcome.PARTIAL,
    "not-done": Outcome.NOT_GIVEN,
    "preparation": Outcome.NOT_GIVEN,
    "in-progress": Outcome.PENDING,
    "entered-in-error": Outcome.RETRACTED,
}


def read(
    resource: Json, source: Source, *, zone: tzinfo, dates_in_utc: bool, version: Version
) -> ProcedureSeen:
    """What the resource says; an age or a text for a date is no date.

    With a modifier extension, which may well deny it, its outcome is unknown, unless retracted.
    """
    name = "occurrence" if version is Version.R5 else "performed"
    outcome = _OUTCOMES.get(resource.get("status", ""), Outcome.UNKNOWN)
    if modifiers(resource) and outcome is not Outcome.RETRACTED:
        outcome = Outcome.UNKNOWN
    span = resource.get(f"{name}Period", {})
    whole = moment(resource, name, zone=zone, dates_in_utc=dates_in_utc)
    began, ended = whole, None

    def at(text: str | None) -> When | None:
        return None if text is None else when(text, zone=zone, dates_in_utc=dates_in_utc)

    if span:
        began, ended = at(span.get("start")) or whole, at(span.get("end")) or whole
    return ProcedureSeen(
        source=source,
        patient=id_of(resource.get("subject"), "Patient"),
        outcome=outcome,
        code=concept(resource.get("code")),
        began=began,
        ended=ended,
        recorded=at(resource.get("recorded")),
        studies=studies_of(resource),
    )
