"""MedicationAdministration → one administration as the hospital sent it.

https://hl7.org/fhir/R4/medicationadministration.html,
https://hl7.org/fhir/R5/medicationadministration.html (which spells it `occurence[x]`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo

from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.record import record
from refnot_fhir.core.seen import DoseSeen, Product
from refnot_fhir.core.values import Concept, Source, When
from refnot_fhir.fhir.dates import when
from refnot_fhir.fhir.elements import (
    Json,
    Lookup,
    concept,
    concepts,
    contained,
    extensions,
    id_of,
    modifiers,
    moment,
    name_of,
    other_version,
    quantity,
)
from refnot_fhir.fhir.read.medication import read as read_medication
from refnot_fhir.fhir.versions import Version

_RESEARCH_STUDY = "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
# https://hl7.org/fhir/R4/valueset-medication-admin-status.html; the same in R5.
_OUTCOMES = {
    "completed": Outcome.GIVEN,
    "stopped": Outcome.PARTIAL,
    "not-done": Outcome.NOT_GIVEN,
    "in-progress": Outcome.PENDING,
    "on-hold": Outcome.PENDING,
    "entered-in-error": Outcome.RETRACTED,
}


@record
class Named:
    """The medication that a resource names, as far as it is known."""

    concept: Concept | None = None
    product: Product | None = None
    unresolved: str = ""
    versions: tuple[str, str] | None = None


def read(
    resource: Json,
    source: Source,
    *,
    zone: tzinfo,
    dates_in_utc: bool,
    version: Version,
    lookup: Lookup,
) -> DoseSeen:
    """The administration, with its medication looked up.

    An administration with a modifier extension, which may well deny it, has an unknown outcome
    and says so among its reasons.
    """
    dosage = resource.get("dosage", {})
    doubt = modifiers(resource, dosage)
    given, ended = _given(resource, version, zone, dates_in_utc)
    drug = medication_of(resource, version, lookup)
    seen = DoseSeen(
        source=source,
        patient=id_of(resource.get("subject"), "Patient"),
        outcome=_OUTCOMES.get(resource["status"], Outcome.UNKNOWN),
        reasons=(
            *concepts(resource.get("statusReason")),
            *concepts(resource.get("subPotentReason")),
        ),
        medication=drug.concept,
        unresolved=drug.unresolved,
        product=drug.product,
        product_versions=drug.versions,
        given=given,
        ended=ended,
        dose=quantity(dosage.get("dose")),
        dose_text=dosage.get("text", ""),
        route=concept(dosage.get("route")),
        body_site=concept(dosage.get("site")),
        studies=studies_of(resource),
        sub_potent=resource.get("isSubPotent", False),
    )
    if not doubt or seen.outcome is Outcome.RETRACTED:
        return seen
    reason = Concept(text=f"{doubt} is not understood")
    return replace(seen, outcome=Outcome.UNKNOWN, reasons=(*seen.reasons, reason))


def _given(
    resource: Json, version: Version, zone: tzinfo, dates_in_utc: bool
) -> tuple[When | None, When | None]:
    """When it was given, and when it ended if that was said.

    A period began at its start; of one that only says its end, no more is known than that the dose
    was given by then. One that only says its start may have ended at any time since.
    """
    name = "occurence" if version is Version.R5 else "effective"
    span = resource.get(f"{name}Period", {})
    end = span.get("end")
    whole = moment(resource, name, zone=zone, dates_in_utc=dates_in_utc)
    ended = None if end is None else when(end, zone=zone, dates_in_utc=dates_in_utc)
    if "start" in span:
        return when(span["start"], zone=zone, dates_in_utc=dates_in_utc), ended or whole
    return whole, ended


def medication_of(resource: Json, version: Version, lookup: Lookup) -> Named:
    """The medication of a resource: R4 has `medication[x]`, R5 one `CodeableReference`."""
    if version is Version.R5:
        said = resource["medication"]
        stated, reference = concept(said.get("concept")), said.get("reference")
    else:
        stated = concept(resource.get("medicationCodeableConcept"))
        reference = resource.get("medicationReference")
    if reference is None:
        return Named(stated)
    found = _behind(resource, reference, version, lookup)
    if stated is None:
        return found
    return replace(found, concept=stated, unresolved="")


def _behind(resource: Json, reference: Json, version: Version, lookup: Lookup) -> Named:
    """What a reference points to; one that only displays a name is a name without a code."""
    literal, shown = reference.get("reference", ""), reference.get("display", "")
    body = _sent(resource, reference, lookup)
    if body is None and not literal and shown:
        return Named(Concept(text=shown))
    named = literal or _identified(reference)
    if body is None or body["resourceType"] != "Medication":
        return Named(unresolved=named)
    code, product = read_medication(body, version)
    known = code or (product and product.ingredients)
    return Named(code, product, "" if known else named, other_version(reference, body))


def _sent(resource: Json, reference: Json, lookup: Lookup) -> Json | None:
    """The Medication that a reference names, or that alone carries the identifier in it."""
    literal = reference.get("reference", "")
    if literal.startswith("#"):
        inside = contained(resource, literal)
        return inside[1] if inside else None
    name = name_of(reference, "Medication")
    if "?" not in name:
        return lookup.resource(name) if name else None
    carriers = lookup.carrying(name)
    return carriers[0] if len(carriers) == 1 else None


def _identified(reference: Json) -> str:
    identifier = reference.get("identifier", {})
    return f"{identifier.get('system', '')}|{identifier.get('value', '')}"


def studies_of(resource: Json) -> tuple[str, ...]:
    """References of the studies that a resource is tagged with."""
    return tuple(
        reference
        for found in extensions(resource, _RESEARCH_STUDY)
        if (reference := found.get("valueReference", {}).get("reference"))
    )
