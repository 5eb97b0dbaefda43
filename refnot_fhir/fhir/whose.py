"""Whose result a resource is: the patient that it names, by reference or by identifier.

An identifier names the patient who carries it, in the store or on the way there
(https://hl7.org/fhir/R4/references.html#logical). Nothing is guessed: with several carriers, or
when reference and identifier disagree, it is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from refnot_fhir.core.record import record
from refnot_fhir.fhir.elements import contained, id_of
from refnot_fhir.fhir.read import diagnostic_report
from refnot_fhir.fhir.types import about_patient

Json = Mapping[str, Any]
K = TypeVar("K")


class Identifier(NamedTuple):
    """A business identifier; without a system it is another one than with any."""

    system: str
    value: str


@record
class Whose:
    """A resource with its patient named literally, as it is to be understood."""

    resource: Json
    unlinked: str = ""
    """Why it is in no chart; empty when it is in one."""
    never: bool = False
    """It names nobody whom a Patient to come could be."""


def identifiers(resource: Json | None) -> tuple[Identifier, ...]:
    """The identifiers that a resource carries; some types have one alone, and no list."""
    carried = (resource or {}).get("identifier") or ()
    listed = carried if isinstance(carried, list) else [carried] if carried else ()
    return tuple(found for one in listed if (found := _identifier(one)))


def carrying(stored: Iterable[K], coming: Mapping[K, Json | None], wanted: Identifier) -> list[K]:
    """Who carries an identifier: of those stored, the ones that do not change, and of `coming`.

    An identifier without a system stands for itself alone, never for any system.
    """
    found = [key for key in stored if key not in coming]
    return found + [key for key, resource in coming.items() if wanted in identifiers(resource)]


def patient_identifier(resource: Json) -> Identifier | None:
    """The identifier by which a resource names its patient, with or without a reference."""
    named = _named(resource)[1]
    stated = named.get("identifier")
    if not stated or _type_named(resource, named) not in ("", "Patient"):
        return None
    return _identifier(stated)


def whose(
    resource: Json,
    carriers: Callable[[Identifier], Sequence[str]],
    heir: Callable[[str], str],
    here: Callable[[str], bool] = lambda _: True,
) -> Whose:
    """Whose result it is. `carriers` gives ids of patients, `here` says whether there is one.

    `heir` gives the record that a patient's was merged into, or the patient's own.
    """
    if not about_patient(resource["resourceType"]):
        return Whose(resource)
    named = _named(resource)[1]
    literal = id_of(named, "Patient")
    identifier = patient_identifier(resource) if "identifier" in named else None
    if identifier is None:
        if not literal:
            elsewhere = "://" in str(named.get("reference", ""))
            return Whose(resource, _ELSEWHERE if elsewhere else _NOBODY, never=True)
        return Whose(resource, "" if here(literal) else _ABSENT)
    found = carriers(identifier)
    heirs = {heir(one) for one in found}
    if len(heirs) > 1:
        return Whose(_as_of(resource, ""), _SEVERAL.format(count=len(found)))
    if _contradicts(resource, identifier) or (literal and heirs and heir(literal) not in heirs):
        return Whose(_as_of(resource, ""), _DISAGREE)
    if literal:
        return Whose(resource, "" if here(literal) else _ABSENT)
    # The survivor of a merge may have been deleted, or never have come.
    patient = next((one for one in found if one in heirs), found[0] if found else "")
    return Whose(_as_of(resource, patient), "" if patient else _NOT_YET)


_NOBODY = "it names no patient of this service, by id or by identifier"


_ELSEWHERE = (
    "it names a patient of another server: if that server is this hospital's own, its address "
    "belongs into base_urls of the site file"
)
_ABSENT = "the Patient that it names is not here: it counts for nobody until that one arrives"
_NOT_YET = "no Patient here carries the identifier that it names: it is linked when one arrives"
_SEVERAL = (
    "{count} Patients carry the identifier that it names: merge them (Patient.link replaced-by), "
    "or name one of them by its id alone"
)
_DISAGREE = "its reference and its identifier name different patients: correct one of them"


def _identifier(element: Json) -> Identifier | None:
    value = element.get("value")
    return Identifier(element.get("system", ""), value) if value else None


def _type_named(resource: Json, named: Json) -> str:
    """The type of what a reference names, as far as it says so."""
    reference = named.get("reference", "")
    if reference.startswith("#"):
        inner = contained(resource, reference)
        return inner[1]["resourceType"] if inner else ""
    found = _TYPED.search(reference)
    said = str(named.get("type", "")).rpartition("/")[2]
    return found[1] if found else said


_TYPED = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?$")


def _contradicts(resource: Json, identifier: Identifier) -> bool:
    """Whether the patient is described inside the resource with other identifiers."""
    inner = contained(resource, _named(resource)[1].get("reference", ""))
    carried = identifiers(inner[1]) if inner else ()
    return bool(carried) and identifier not in carried


def _named(resource: Json) -> tuple[str, Json]:
    """The element that names the patient, and what it says."""
    for name in ("subject", "patient"):
        if resource.get(name):
            return name, resource[name]
    return "subject", {}


def _as_of(resource: Json, patient: str) -> Json:
    """The resource, and what it contains of the same patient, with a literal reference or none."""
    wanted = patient_identifier(resource)
    inner = [
        _naming(one, patient) if patient_identifier(one) == wanted else one
        for one in resource.get("contained", ())
    ]
    linked = _naming(resource, patient)
    return {**linked, "contained": inner} if inner else linked


def names_nobody_more(resource: Json) -> bool:
    """Whether it is a withdrawn report that names no patient: many systems take all content away.

    It is then about the patient of its version before, or else of the results that it lists.
    """
    return (
        resource["resourceType"] == "DiagnosticReport"
        and diagnostic_report.is_withdrawn(resource)
        and not _named(resource)[1].keys() & {"reference", "identifier"}
    )


def results_of(report: Json) -> list[str]:
    """Ids of the Observations that a report lists as resources of their own."""
    ids = (id_of(named, "Observation") for named in report.get("result", ()))
    return [id for id in ids if id]


def linked_to(resource: Json, patient: str) -> Json:
    """The resource as one that names this patient, or nobody: to search it by."""
    literal = id_of(_named(resource)[1], "Patient")
    if not about_patient(resource["resourceType"]) or literal == patient:
        return resource
    return _naming(resource, patient)


def _naming(resource: Json, patient: str) -> Json:
    name, said = _named(resource)
    reference = {"reference": f"Patient/{patient}"} if patient else {}
    rest = {member: value for member, value in said.items() if member != "reference"}
    return {**resource, name: {**reference, **rest}}
