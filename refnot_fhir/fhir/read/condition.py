"""Condition, AllergyIntolerance → a diagnosis, a problem or an allergy as the hospital sent it.

https://hl7.org/fhir/R4/condition.html, https://hl7.org/fhir/R5/condition.html,
https://hl7.org/fhir/R4/allergyintolerance.html, https://hl7.org/fhir/R5/allergyintolerance.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import TypeVar

from refnot_fhir.core.facts import State, Verification
from refnot_fhir.core.seen import ConditionSeen
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import Json, concept, concepts, id_of, modifiers, moment

# https://hl7.org/fhir/R4/valueset-condition-clinical.html, R5 adds `unknown`;
# https://hl7.org/fhir/R4/valueset-allergyintolerance-clinical.html
_STATES = {
    "active": State.ACTIVE,
    "recurrence": State.ACTIVE,
    "relapse": State.ACTIVE,
    "inactive": State.PAST,
    "remission": State.PAST,
    "resolved": State.PAST,
}
# https://hl7.org/fhir/R4/valueset-condition-ver-status.html;
# https://hl7.org/fhir/R5/valueset-allergyintolerance-verification.html (`presumed`)
_VERIFICATIONS = {
    "confirmed": Verification.CONFIRMED,
    "unconfirmed": Verification.UNCONFIRMED,
    "provisional": Verification.UNCONFIRMED,
    "differential": Verification.UNCONFIRMED,
    "presumed": Verification.UNCONFIRMED,
    "refuted": Verification.REFUTED,
    "entered-in-error": Verification.RETRACTED,
}
_SYSTEM = "http://terminology.hl7.org/CodeSystem/"
_CLINICAL = (f"{_SYSTEM}condition-clinical", f"{_SYSTEM}allergyintolerance-clinical")
_VERIFIED = (f"{_SYSTEM}condition-ver-status", f"{_SYSTEM}allergyintolerance-verification")
T = TypeVar("T", State, Verification)


def read(
    resource: Json, source: Source, *, zone: tzinfo, dates_in_utc: bool = False
) -> ConditionSeen:
    """What the resource says; statuses in codes of its own are not understood.

    A condition with an abatement of any form and no clinical status is past.
    """
    said = _status(resource.get("clinicalStatus"), _CLINICAL, _STATES, State.UNSAID)
    if said is State.UNSAID and any(name.startswith("abatement") for name in resource):
        said = State.PAST
    return ConditionSeen(
        source=source,
        patient=id_of(resource.get("subject") or resource.get("patient"), "Patient"),
        codes=tuple(_codes(resource)),
        state=said,
        verification=_status(
            resource.get("verificationStatus"), _VERIFIED, _VERIFICATIONS, Verification.UNSAID
        ),
        onset=moment(resource, "onset", zone=zone, dates_in_utc=dates_in_utc),
        abated=moment(resource, "abatement", zone=zone, dates_in_utc=dates_in_utc),
        recorded=_recorded(resource, zone, dates_in_utc),
        evidence=tuple(_evidence(resource)),
        stages=tuple(
            found for stage in resource.get("stage", ()) if (found := concept(stage.get("summary")))
        ),
        doubt=modifiers(resource),
        harms=resource.get("criticality") == "high" or bool(resource.get("reaction")),
    )


def _codes(resource: Json) -> Iterable[Concept]:
    code = concept(resource.get("code"))
    if code is not None:
        yield code
    for reaction in resource.get("reaction", ()):
        substance = concept(reaction.get("substance"))
        if substance is not None:
            yield substance
        # R5 has CodeableReferences.
        for shown in reaction.get("manifestation", ()):
            manifested = concept(shown.get("concept", shown))
            if manifested is not None:
                yield manifested


def _status(element: Json | None, systems: tuple[str, ...], known: Mapping[str, T], unsaid: T) -> T:
    """What the codings of FHIR's own system say."""
    codings = () if element is None else element.get("coding", ())
    said = [known.get(c.get("code", "")) for c in codings if c.get("system") in systems]
    return next((one for one in said if one is not None), unsaid)


def _recorded(resource: Json, zone: tzinfo, dates_in_utc: bool) -> When | None:
    """When it was last asserted; R4 and R5 call the date of an allergy's record alike."""
    stated = resource.get("recordedDate")
    return None if stated is None else when(stated, zone=zone, dates_in_utc=dates_in_utc)


def _evidence(resource: Json) -> Iterable[Concept]:
    """R4 has `evidence.code`; in R5 each piece of evidence is a CodeableReference."""
    for piece in resource.get("evidence", ()):
        yield from concepts(piece.get("code"))
        found = concept(piece.get("concept"))
        if found is not None:
            yield found
