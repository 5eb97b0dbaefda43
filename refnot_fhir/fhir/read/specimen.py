"""Specimen → what was taken, from where, when, and whether it can be measured.

https://hl7.org/fhir/R4/specimen.html, https://hl7.org/fhir/R5/specimen.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

from refnot_fhir.core.specimen import Specimen, SpecimenState
from refnot_fhir.core.translate.codes import label
from refnot_fhir.core.values import Concept, When
from refnot_fhir.fhir.elements import (
    Json,
    Lookup,
    concept,
    contained,
    id_of,
    modifiers,
    moment,
    name_of,
    other_version,
)
from refnot_fhir.fhir.read.observation_context import focus

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
    versions: tuple[str, str] | None = None
    """The version that is named, and the current one, if that is another."""


def taken(
    root: Json,
    reference: Json | None,
    lookup: Lookup,
    *,
    zone: tzinfo,
    dates_in_utc: bool,
) -> Taken:
    """The specimen that a reference names, sent along inside `root` or as a resource of its own.

    An identifier names the one specimen of the patient of `root` that carries it. Of one that is
    not known, what the reference shows is taken for its type.
    """
    if reference is None:
        return Taken()
    found = _sent(root, reference, lookup)
    shown = Concept(text=reference["display"]) if reference.get("display") else None
    if len(found) > 1:
        return Taken(SpecimenState.SEVERAL, shown)
    if not found:
        return Taken(SpecimenState.NOT_SENT if shown is None else SpecimenState.KNOWN, shown)
    (one,) = found
    if modifiers(one):
        return Taken(SpecimenState.WITHDRAWN)
    collection, owner = one.get("collection", {}), one.get("subject", {})
    return Taken(
        _STATES.get(one.get("status", ""), SpecimenState.KNOWN),
        _type(root, one, lookup, ()) or shown,
        _body_site(collection.get("bodySite")),
        moment(collection, "collected", zone=zone, dates_in_utc=dates_in_utc),
        owner if owner.get("reference") else None,
        other_version(reference, one),
    )


def reported(
    report: Json, references: Iterable[Json], reference: str, lookup: Lookup
) -> Iterator[Specimen]:
    """The specimens that a report or a panel, itself known under a reference, names for results."""
    for named in references:
        it = taken(report, named, lookup, zone=UTC, dates_in_utc=False)
        sample = sample_of(named)
        if sample or it.type:
            yield Specimen(
                f"{reference}{sample}" if sample.startswith("#") else sample,
                it.state, it.type, it.body_site, focus(report, {}, it.owner, of=report),
            )  # fmt: skip


def sample_of(reference: Json) -> str:
    """Which specimen a reference means, whatever it is of."""
    literal: str = reference.get("reference", "")
    named = literal or str((reference.get("identifier") or {}).get("value", ""))
    return id_of(reference, "Specimen") or named


def _type(root: Json, one: Json, lookup: Lookup, below: tuple[Json, ...]) -> Concept | None:
    """The type of a specimen, or else what it was made of: that of its parents."""
    own = concept(one.get("type"))
    if own is not None or "parent" not in one or one in below:
        return own
    parents = [it for named in one["parent"] for it in _sent(root, named, lookup)]
    found = [
        _type(root, it, lookup, (*below, one))
        for it in parents
        if not modifiers(it) and it.get("status") != "entered-in-error"
    ]
    kinds = list(dict.fromkeys(kind for kind in found if kind is not None))
    if len(kinds) < 2:
        return kinds[0] if kinds else None
    return Concept(text="; ".join(filter(None, map(label, kinds))))


def references(resource: Json) -> tuple[str, ...]:
    """The Specimens, as resources of their own, that a resource and its members name."""
    if "specimen" not in resource and "contained" not in resource:
        return ()
    inside = (it for it in resource.get("contained", ()) if it["resourceType"] == "Observation")
    named = (one.get("specimen") for one in (resource, *inside))
    each = (one for some in named for one in (some if isinstance(some, list) else (some,)))
    names = (name_of(one, "Specimen") for one in each if one)
    return tuple(dict.fromkeys(filter(None, names)))


def _sent(root: Json, reference: Json, lookup: Lookup) -> Sequence[Json]:
    """The specimen that a reference names; several, if it does not say which of them."""
    inside = contained(root, reference.get("reference", ""))
    if inside is not None:
        return [inside[1]] if inside[1]["resourceType"] == "Specimen" else []
    name = name_of(reference, "Specimen")
    if "?" not in name:
        found = lookup.resource(name) if name else None
        return [] if found is None else [found]
    carriers = lookup.carrying(name)
    patient = id_of(root.get("subject"), "Patient")
    own = [it for it in carriers if id_of(it.get("subject"), "Patient") in ("", patient)]
    return own or carriers


def _body_site(element: Json | None) -> Concept | None:
    """A CodeableConcept (R4), or a CodeableReference (R5) to a structure of the body."""
    if element is None or not ("concept" in element or "reference" in element):
        return concept(element)
    shown = element.get("reference", {}).get("display", "")
    return concept(element.get("concept")) or (Concept(text=shown) if shown else None)
