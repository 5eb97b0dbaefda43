"""From one received resource to readings in the protocol's words: read, then translate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from refnot_fhir.core.facts import Dose, Measurement, Person
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.core.translate.dose import dose_given
from refnot_fhir.core.translate.measurement import lab_result
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import id_of
from refnot_fhir.fhir.read import medication_administration, observation, patient
from refnot_fhir.fhir.versions import Version

ACCEPTED = ("Patient", "Observation", "MedicationAdministration", "Medication")
"""The resource types that hospitals may send and that are read."""

Medications = Callable[[str], Mapping[str, Any] | None]
"""A reference to a Medication resource and what is known of it."""


@record
class Context:
    """What a resource is understood with."""

    site: Site
    rulebook: Rulebook
    person: Person | None = None
    """The patient that it is about, as far as known: reference ranges depend on sex and age."""
    medication: Medications = lambda _reference: None
    fhir: str = ""
    """The FHIR version that it is of; empty: the one that the site speaks."""

    @property
    def version(self) -> Version:
        """The FHIR version that the resource is of."""
        return Version(self.fhir or self.site.fhir)


@record
class Understood:
    """What one resource says, and whether any protocol has a use for it."""

    patient: str
    useful: bool
    person: Person | None = None
    labs: tuple[Measurement, ...] = ()
    doses: tuple[Dose, ...] = ()
    depends_on: str = ""
    """Reference of the Medication resource that its meaning hangs on."""


def patient_of(resource: Mapping[str, Any]) -> str:
    """Id of the Patient that a resource is about; empty when it names none."""
    if resource["resourceType"] == "Patient":
        return str(resource.get("id", ""))
    return id_of(resource.get("subject") or resource.get("patient"), "Patient")


def medication_reference(resource: Mapping[str, Any]) -> str:
    """`Medication/m1` if a MedicationAdministration names its product that way, else empty."""
    named = resource.get("medicationReference")
    if named is None:
        named = (resource.get("medication") or {}).get("reference")
    id = id_of(named, "Medication")
    return f"Medication/{id}" if id else ""


def understand(resource: Mapping[str, Any], source: Source, context: Context) -> Understood:
    """Read a gated resource of an accepted type and translate it; nothing is guessed."""
    return _READERS[source.type](resource, source, context)


def _patient(resource: Mapping[str, Any], source: Source, context: Context) -> Understood:
    site = context.site
    person = patient.read(resource, source, zone=site.zone, dates_in_utc=site.dates_in_utc)
    return Understood(source.id, True, person=person)


def _observation(resource: Mapping[str, Any], source: Source, context: Context) -> Understood:
    site = context.site
    seen = observation.read(
        resource, source, zone=site.zone, dates_in_utc=site.dates_in_utc, version=context.version
    )
    results = (
        lab_result(one, site=site, rulebook=context.rulebook, person=context.person) for one in seen
    )
    patient = patient_of(resource)
    # A member sent inside a panel may be of another patient than the panel: it is nobody's here.
    labs = tuple(it for it in results if it is not None and it.patient == patient)
    useful = bool(labs) or _is_panel(resource, context.rulebook)
    return Understood(patient, useful, labs=labs)


def _is_panel(resource: Mapping[str, Any], rulebook: Rulebook) -> bool:
    codings = (resource.get("code") or {}).get("coding") or ()
    return any((c.get("system", ""), c.get("code", "")) in rulebook.panels for c in codings)


def _administration(resource: Mapping[str, Any], source: Source, context: Context) -> Understood:
    site = context.site
    seen = medication_administration.read(
        resource,
        source,
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
        version=context.version,
        medication=context.medication,
    )
    dose = dose_given(seen, site=site, rulebook=context.rulebook)
    return Understood(
        patient_of(resource), True, doses=(dose,), depends_on=medication_reference(resource)
    )


_READERS: dict[str, Callable[[Mapping[str, Any], Source, Context], Understood]] = {
    "Patient": _patient,
    "Observation": _observation,
    "MedicationAdministration": _administration,
    "Medication": lambda _resource, _source, _context: Understood("", True),
}
