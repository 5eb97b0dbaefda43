"""Whom or what an Observation is about, where it was taken, and with which device.

https://hl7.org/fhir/R4/observation-definitions.html#Observation.focus: "the actual focus of an
observation when it is not the patient of record … such as a spouse, parent, fetus, or donor".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from refnot_fhir.core.seen import Focus
from refnot_fhir.core.values import Concept
from refnot_fhir.fhir.elements import Json, concept, contained, extensions, id_of

# https://hl7.org/fhir/extensions/StructureDefinition-observation-focusCode.html
_FOCUS_CODE = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
_PEOPLE = frozenset(
    {"Patient", "RelatedPerson", "Person", "Practitioner", "PractitionerRole", "Group"}
)
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?")


def focus(root: Json, resource: Json) -> tuple[Focus, ...]:
    """What an Observation, or the specimen sent inside it, is about other than its subject."""
    subject = resource.get("subject") or {}
    references = [*resource.get("focus", ()), *_owner_of_the_specimen(root, resource)]
    seen = (
        Focus(Concept(text=_label(it)), _is_another_person(root, it))
        for it in references
        if not _is_the_subject(it, subject)
    )
    said = (concept(it.get("valueCodeableConcept")) for it in extensions(resource, _FOCUS_CODE))
    return (*seen, *(Focus(it) for it in said if it is not None))


def body_site(resource: Json) -> Concept | None:
    """`bodySite`, or what the reference `bodyStructure` of R5 shows."""
    structure = resource.get("bodyStructure")
    return (
        concept(resource.get("bodySite")) if structure is None else Concept(text=_label(structure))
    )


def device(root: Json, resource: Json) -> Concept | None:
    """The type of a device sent along inside, else what the reference shows."""
    reference = resource.get("device")
    if reference is None:
        return None
    found = contained(root, reference.get("reference", ""))
    types = [] if found is None else found[1].get("type", [])
    for type_ in types if isinstance(types, list) else [types]:
        if is_concept(type_):
            return concept(type_)
    return Concept(text=reference["display"]) if reference.get("display") else None


def is_concept(element: object) -> bool:
    """Whether an element of a resource that no gate saw is shaped as a CodeableConcept."""
    if not isinstance(element, Mapping) or not isinstance(element.get("text", ""), str):
        return False
    codings = element.get("coding", [])
    return isinstance(codings, list) and all(
        isinstance(found, Mapping)
        and all(isinstance(found.get(name, ""), str) for name in ("system", "code", "display"))
        for found in codings
    )


def _owner_of_the_specimen(root: Json, resource: Json) -> Iterator[Json]:
    """The subject of a specimen that was sent along inside."""
    found = contained(root, resource.get("specimen", {}).get("reference", ""))
    owner = None if found is None else found[1].get("subject")
    if isinstance(owner, Mapping) and isinstance(owner.get("reference"), str):
        yield owner


def _is_the_subject(reference: Json, subject: Json) -> bool:
    """Whether a reference surely names the subject: by the same address, id or identifier."""
    for name in ("reference", "identifier"):
        if reference.get(name) and reference.get(name) == subject.get(name):
            return True
    patient = id_of(reference, "Patient")
    return bool(patient) and patient == id_of(subject, "Patient")


def _is_another_person(root: Json, reference: Json) -> bool:
    """Whether it names a person who is not the subject; an address elsewhere may be the patient."""
    literal = reference.get("reference", "")
    found = contained(root, literal)
    if found is not None:
        return found[1].get("resourceType") in _PEOPLE - {"Patient"}
    relative = _RELATIVE.fullmatch(literal)
    return relative is not None and relative[1] in _PEOPLE


def _label(reference: Json) -> str:
    identifier = reference.get("identifier") or {}
    shown = (reference.get("display"), reference.get("reference"), identifier.get("value"))
    return next((text for text in shown if isinstance(text, str) and text), "something else")
