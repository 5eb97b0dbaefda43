"""Consent → to what a patient consents, or not, as the hospital sent it.

https://hl7.org/fhir/R4/consent.html, https://hl7.org/fhir/R5/consent.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from refnot_fhir.core.facts import ConsentState
from refnot_fhir.core.seen import ConsentSeen
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import Json, concept, concepts, extensions, id_of, modifiers
from refnot_fhir.fhir.versions import Version

# https://hl7.org/fhir/R4/valueset-consent-state-codes.html. In R5 `rejected` and `proposed` are
# gone, and `not-done` says that the consent was never finished.
_STATES = {
    "draft": ConsentState.AWAITED,
    "proposed": ConsentState.AWAITED,
    "not-done": ConsentState.AWAITED,
    "active": ConsentState.ACTIVE,
    "rejected": ConsentState.REFUSED,
    "inactive": ConsentState.ENDED,
    "entered-in-error": ConsentState.RETRACTED,
}
_PERMITS = {"permit": True, "deny": False}
# https://hl7.org/fhir/extensions/StructureDefinition-consent-ResearchStudyContext.html
_STUDY = "http://hl7.org/fhir/StructureDefinition/consent-ResearchStudyContext"


def read(
    resource: Json,
    source: Source,
    *,
    version: Version,
    zone: tzinfo,
    dates_in_utc: bool = False,
) -> ConsentSeen:
    """What the resource says.

    In R5 a provision is an exception to the decision: what only a provision says is unclear.
    """
    provisions = resource.get("provision", ())
    if version is Version.R5:
        root, decision, given = resource, resource.get("decision"), resource.get("date")
        period, exceptions = resource.get("period"), list(provisions)
    else:
        root = provisions or {}
        decision, given = root.get("type"), resource.get("dateTime")
        period, exceptions = root.get("period"), list(root.get("provision", ()))
    begins, ends = _ends(period or {}, zone, dates_in_utc)
    patient = id_of(resource.get("subject") or resource.get("patient"), "Patient")
    return ConsentSeen(
        source=source,
        patient=patient,
        state=_STATES.get(resource["status"], ConsentState.UNSAID),
        permits=_PERMITS.get(decision or ""),
        kinds=tuple(_kinds(resource)),
        studies=tuple(dict.fromkeys(_studies(resource, root))),
        policies=tuple(_policies(resource)),
        given=None if given is None else when(given, zone=zone, dates_in_utc=dates_in_utc),
        begins=begins,
        ends=ends,
        doubts=tuple(_doubts(resource, root, exceptions, patient)),
    )


def _kinds(resource: Json) -> Iterator[Concept]:
    """The scope; R5 has none, and there the categories say it."""
    scope = concept(resource.get("scope"))
    if scope is not None:
        yield scope
    else:
        yield from concepts(resource.get("category"))


def _studies(resource: Json, root: Json) -> Iterator[str]:
    """How it names studies: by references and identifiers."""
    named = [
        found.get("valueReference", {})
        for element in (resource, root)
        for found in extensions(element, _STUDY)
    ]
    if root is not resource:
        named += [one["reference"] for one in root.get("data", ()) if _is_study(one["reference"])]
    basis = resource.get("policyBasis", {}).get("reference", {})
    named += [basis] if _is_study(basis) else []
    for one in named:
        yield from filter(None, (one.get("reference"), one.get("identifier", {}).get("value")))


def _policies(resource: Json) -> Iterator[str]:
    """The addresses and codes of its policies."""
    said = [one.get("uri") for one in resource.get("policy", ())]
    said.append(resource.get("policyBasis", {}).get("url"))
    said += [one.get("code") for one in resource.get("policyRule", {}).get("coding", ())]
    yield from filter(None, said)


def _is_study(reference: Json) -> bool:
    said = reference.get("reference", "")
    return reference.get("type") == "ResearchStudy" or "ResearchStudy/" in said


def _ends(period: Json, zone: tzinfo, dates_in_utc: bool) -> tuple[When | None, When | None]:
    begins, ends = (
        None if said is None else when(said, zone=zone, dates_in_utc=dates_in_utc)
        for said in (period.get("start"), period.get("end"))
    )
    return begins, ends


# What a permission is limited to: https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
_NARROWING = ("action", "purpose", "class", "code")


def _doubts(resource: Json, root: Json, exceptions: list[Json], patient: str) -> Iterator[str]:
    """Why it says something that only a person can judge."""
    modified = modifiers(resource, root, *exceptions)
    if modified:
        yield modified
    if exceptions:
        yield "provisions within it"
    narrowed = [name for name in _NARROWING if root is not resource and name in root]
    if narrowed:
        yield f"for no more than the {' and '.join(narrowed)} that it states"
    givers = resource.get("performer", resource.get("grantor", ()))
    if givers and patient not in {id_of(one, "Patient") for one in givers}:
        yield "given by another person than the patient"
    if any(one.get("verified") is False for one in resource.get("verification", ())):
        yield "not verified"
