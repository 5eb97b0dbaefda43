"""Whom or what an Observation is about, where it was taken, and with which device.

https://hl7.org/fhir/R4/observation-definitions.html#Observation.focus: "the actual focus of an
observation when it is not the patient of record … such as a spouse, parent, fetus, or donor".
"""

from __future__ import annotations

import re

from refnot_fhir.core.specimen import Focus
from refnot_fhir.core.values import Concept
from refnot_fhir.fhir.elements import Json, concept, contained, extensions, id_of

# https://hl7.org/fhir/extensions/StructureDefinition-observation-focusCode.html
_FOCUS_CODE = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
_PEOPLE = frozenset(
    {"Patient", "RelatedPerson", "Person", "Practitioner", "PractitionerRole", "Group"}
)
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?")


def focus(
    root: Json, resource: Json, owner: Json | None, *, of: Json | None = None
) -> tuple[Focus, ...]:
    """What an Observation, or the specimen of this owner, is about other than its subject.

    The subject is that of `of`, if that is given.
    """
    if owner is None and "focus" not in resource and "extension" not in resource:
        return ()
    subject = (of or resource).get("subject") or {}
    references = [*resource.get("focus", ()), *((owner,) if owner else ())]
    seen = (
        Focus(
            Concept(text=_label(it)),
            _is_another_person(root, it),
            id_of(it, "Patient"),
            bool(id_of(it, "Condition")),
        )
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
    types = None if found is None else found[1].get("type")
    # One type in R4, any number of them in R5.
    type_ = next(iter(types), None) if isinstance(types, list) else types
    shown = Concept(text=reference["display"]) if reference.get("display") else None
    return concept(type_) or shown


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
