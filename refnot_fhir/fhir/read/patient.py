"""Patient → the facts of a person that a protocol asks for.

https://hl7.org/fhir/R4/patient.html, https://hl7.org/fhir/R5/patient.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from refnot_fhir.core.facts import Person
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.dates import day_span, when
from refnot_fhir.fhir.elements import Json, extensions, id_of, modifiers

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_SEX_SIGNALS = {
    f"{_US_CORE}us-core-birthsex": "birth-sex",
    f"{_US_CORE}us-core-sex": "sex",
    f"{_US_CORE}us-core-individual-sex": "sex",
    f"{_US_CORE}us-core-genderIdentity": "gender-identity",
    f"{_CORE}patient-genderIdentity": "gender-identity",
    f"{_CORE}individual-genderIdentity": "gender-identity",
    f"{_CORE}individual-recordedSexOrGender": "recorded-sex",
    f"{_CORE}patient-sexParameterForClinicalUse": "sex-for-clinical-use",
}
"""Extension to the kind of signal it is: US Core 3 to 9, R4 core, HL7's extensions pack."""


def read(resource: Json, source: Source, *, zone: tzinfo, dates_in_utc: bool = False) -> Person:
    """The person that a Patient describes; no name, no address, no telecom.

    A death without a date became known, for all that the resource says, at `meta.lastUpdated`. A
    modifier extension may deny anything that the resource says, and none is understood: then
    neither birth date nor gender is taken from it, and the signals name it.
    """
    doubt = modifiers(resource)
    birth, died = resource.get("birthDate"), resource.get("deceasedDateTime")
    deceased = _is_deceased(resource)
    return Person(
        source=source,
        birth=None if birth is None or doubt else day_span(birth),
        gender="" if doubt else resource.get("gender", ""),
        sex_signals=(*_sex_signals(resource), *([doubt.replace(" ", "=", 1)] if doubt else [])),
        deceased=deceased,
        active=resource.get("active", True),
        replaced_by=_replaced_by(resource),
        identifiers=tuple(
            (identifier.get("system", ""), identifier["value"])
            for identifier in resource.get("identifier", ())
            if identifier.get("value")
        ),
        died=None if died is None else when(died, zone=zone, dates_in_utc=dates_in_utc),
        dead_by=_updated(resource, zone) if deceased and died is None else None,
    )


def _sex_signals(resource: Json) -> tuple[str, ...]:
    return tuple(
        f"{kind}={said}"
        for url, kind in _SEX_SIGNALS.items()
        for found in extensions(resource, url)
        for said in _said(found)
    )


def _said(extension: Json) -> Iterator[str]:
    """What an extension says, be it simple or one with a `value` inside."""
    for part in (extension, *extensions(extension, "value")):
        if "valueCode" in part:
            yield part["valueCode"]
        if "valueCoding" in part:
            yield part["valueCoding"].get("code", "")
        if "valueCodeableConcept" in part:
            concept = part["valueCodeableConcept"]
            codes = [coding["code"] for coding in concept.get("coding", ()) if "code" in coding]
            yield from codes or [concept.get("text", "")]


def _is_deceased(resource: Json) -> bool:
    # A date of death that is itself unknown is sent as an extension of the date.
    dated = "deceasedDateTime" in resource or "_deceasedDateTime" in resource
    return resource.get("deceasedBoolean", dated) is True


def _updated(resource: Json, zone: tzinfo) -> datetime | None:
    stated = resource.get("meta", {}).get("lastUpdated")
    return None if stated is None else when(stated, zone=zone).latest


def _replaced_by(resource: Json) -> str:
    for link in resource.get("link", ()):
        if link["type"] == "replaced-by":
            other = link["other"]
            # A merge into a record that cannot be named here is a merge all the same.
            return id_of(other, "Patient") or other.get("reference") or other.get("display", "?")
    return ""
