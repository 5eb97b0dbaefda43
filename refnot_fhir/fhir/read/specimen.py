"""Specimen → what was taken, from where, when, and whether it can be measured.

https://hl7.org/fhir/R4/specimen.html, https://hl7.org/fhir/R5/specimen.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import NamedTuple

from refnot_fhir.core.seen import SpecimenState
from refnot_fhir.core.values import Concept, When
from refnot_fhir.fhir.elements import Json, concept, contained, id_of, modifiers, moment

# "unavailable" is no reason: a specimen that was used up has been measured.
_STATES = {
    "entered-in-error": SpecimenState.WITHDRAWN,
    "unsatisfactory": SpecimenState.UNSATISFACTORY,
}


class Taken(NamedTuple):
    """What is known of the specimen that an Observation names."""

    state: SpecimenState = SpecimenState.UNNAMED
    type: Concept | None = None
    body_site: Concept | None = None
    collected: When | None = None
    owner: Json | None = None
    """The reference to whom or what it was taken from."""


def taken(
    root: Json,
    reference: Json | None,
    resource: Callable[[str], Json | None],
    *,
    zone: tzinfo,
    dates_in_utc: bool,
) -> Taken:
    """The specimen that a reference names, sent along inside `root` or as a resource of its own.

    `resource` gives what is known under a reference. Of one that is not known, what the reference
    shows is taken for its type.
    """
    if reference is None:
        return Taken()
    found = _sent(root, reference, resource)
    shown = Concept(text=reference["display"]) if reference.get("display") else None
    if found is None:
        return Taken(SpecimenState.NOT_SENT if shown is None else SpecimenState.KNOWN, shown)
    if modifiers(found):
        return Taken(SpecimenState.WITHDRAWN)
    collection, owner = found.get("collection", {}), found.get("subject", {})
    return Taken(
        _STATES.get(found.get("status", ""), SpecimenState.KNOWN),
        concept(found.get("type")) or shown,
        _body_site(collection.get("bodySite")),
        moment(collection, "collected", zone=zone, dates_in_utc=dates_in_utc),
        owner if owner.get("reference") else None,
    )


def references(resource: Json) -> tuple[str, ...]:
    """The Specimens, as resources of their own, that a resource and its members name."""
    if "specimen" not in resource and "contained" not in resource:
        return ()
    inside = (it for it in resource.get("contained", ()) if it["resourceType"] == "Observation")
    named = (one.get("specimen") for one in (resource, *inside))
    each = (one for some in named for one in (some if isinstance(some, list) else (some,)))
    ids = (id_of(one, "Specimen") for one in each)
    return tuple(dict.fromkeys(f"Specimen/{id}" for id in ids if id))


def _sent(root: Json, reference: Json, resource: Callable[[str], Json | None]) -> Json | None:
    inside = contained(root, reference.get("reference", ""))
    if inside is not None:
        return inside[1] if inside[1]["resourceType"] == "Specimen" else None
    id = id_of(reference, "Specimen")
    return resource(f"Specimen/{id}") if id else None


def _body_site(element: Json | None) -> Concept | None:
    """A CodeableConcept (R4), or a CodeableReference (R5) to a structure of the body."""
    if element is None or not ("concept" in element or "reference" in element):
        return concept(element)
    shown = element.get("reference", {}).get("display", "")
    return concept(element.get("concept")) or (Concept(text=shown) if shown else None)
