"""The registry of what hospitals may send: one row per resource type, from resource to facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from refnot_fhir.core.facts import Fact, Person
from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.seen import MeasurementSeen
from refnot_fhir.core.site import Site
from refnot_fhir.core.translate.condition import condition
from refnot_fhir.core.translate.consent import consent
from refnot_fhir.core.translate.dose import dose
from refnot_fhir.core.translate.measurement import measurement
from refnot_fhir.core.translate.medication_use import medication_use
from refnot_fhir.core.translate.procedure import procedure
from refnot_fhir.core.values import Source
from refnot_fhir.fhir.elements import Lookup, id_of, name_of
from refnot_fhir.fhir.read import (
    condition as condition_as_sent,
)
from refnot_fhir.fhir.read import (
    consent as consent_as_sent,
)
from refnot_fhir.fhir.read import (
    diagnostic_report,
    medication_administration,
    observation,
    patient,
    questionnaire_response,
    specimen,
)
from refnot_fhir.fhir.read import (
    medication_use as use_as_sent,
)
from refnot_fhir.fhir.read import (
    procedure as procedure_as_sent,
)
from refnot_fhir.fhir.versions import Version

Json = Mapping[str, Any]


@record
class Context:
    """What a resource is understood with."""

    site: Site
    rulebook: Rulebook
    person: Person | None = None
    """The patient that it is about, as far as known."""
    lookup: Lookup = Lookup()
    """The resources that it names, as far as known."""
    fhir: str = ""
    """The FHIR version that it is of; empty: the one that the site speaks."""

    @property
    def version(self) -> Version:
        """The FHIR version that the resource is of."""
        return Version(self.fhir or self.site.fhir)


def _nothing(_resource: Json) -> tuple[str, ...]:
    return ()


def _always(_resource: Json, _rulebook: Rulebook) -> bool:
    return True


def _never(_resource: Json, _rulebook: Rulebook) -> bool:
    return False


@record
class Kind:
    """How the resources of one type are understood."""

    read: Callable[[Json, Source, Context, str], Iterable[Fact]]
    """The facts of a resource that is about the patient with this id."""
    about_patient: bool = True
    """That it names the patient whose facts it gives, as `subject` or `patient`."""
    depends_on: Callable[[Json], tuple[str, ...]] = _nothing
    """References of other resources that its facts are made with, whether known or not."""
    depends_on_person: bool = False
    """That its facts are made with the sex and age of its patient."""
    shared: bool = False
    """That facts of other resources may be made with it."""
    useful: Callable[[Json, Rulebook], bool] = _always
    """Whether one without facts is kept all the same."""


@record
class Understood:
    """What one resource says, and whether any protocol has a use for it."""

    patient: str
    """Id of the Patient whose facts they are; empty when it names none."""
    useful: bool
    facts: tuple[Fact, ...] = ()
    depends_on: tuple[str, ...] = ()
    """References of other resources that its facts were made with, known or not."""


def understand(resource: Json, source: Source, context: Context) -> Understood:
    """Read a gated resource of a received type and translate it; nothing is guessed."""
    kind = KINDS[source.type]
    # The body of a create has no id yet: a Patient is called as its source is.
    patient = source.id if source.type == "Patient" else patient_of(resource)
    depends_on = kind.depends_on(resource)
    if depends_on:
        looked = dict.fromkeys(depends_on)
        context = replace(context, lookup=_recorded(context.lookup, looked))
    facts = tuple(kind.read(resource, source, context, patient))
    useful = bool(facts) or kind.useful(resource, context.rulebook)
    return Understood(patient, useful, facts, tuple(looked) if depends_on else ())


def _recorded(lookup: Lookup, looked: dict[str, None]) -> Lookup:
    """A look-up that adds to `looked` what it is asked for.

    What a resource names may name others: a specimen its parents.
    """

    def resource(reference: str) -> Json | None:
        looked.setdefault(reference)
        return lookup.resource(reference)

    def carrying(identifier: str) -> Sequence[Json]:
        looked.setdefault(identifier)
        return lookup.carrying(identifier)

    return Lookup(resource, carrying)


def about_patient(type: str) -> bool:
    """Whether resources of this type are read and give facts of the patient that they name."""
    return type in KINDS and KINDS[type].about_patient


def patient_of(resource: Json) -> str:
    """Id of the Patient that a resource is about; empty when it names none."""
    if resource["resourceType"] == "Patient":
        return str(resource.get("id", ""))
    return id_of(resource.get("subject") or resource.get("patient"), "Patient")


def _person(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    return (patient.read(resource, source, zone=site.zone, dates_in_utc=site.dates_in_utc),)


def _observation(resource: Json, source: Source, context: Context, of: str) -> Iterable[Fact]:
    site = context.site
    seen = observation.read(
        resource,
        source,
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
        lookup=context.lookup,
    )
    found = _measured(seen, of, context)
    if "hasMember" in resource:
        found += diagnostic_report.read_panel(resource, source, of, context.lookup)
    return found


def _measured(seen: Iterable[MeasurementSeen], of: str, context: Context) -> list[Fact]:
    site, rulebook, person = context.site, context.rulebook, context.person
    found: list[Fact] = []
    for one in seen:
        # A member sent inside a panel may be of another patient than the panel: no fact of either.
        if one.patient == of:
            fact = measurement(one, site=site, rulebook=rulebook, person=person)
            if fact is not None:
                found.append(fact)
    return found


def _report(resource: Json, source: Source, context: Context, of: str) -> Iterable[Fact]:
    site = context.site
    seen = observation.read_listed(
        resource,
        source,
        withdrawn=diagnostic_report.is_withdrawn(resource),
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
        lookup=context.lookup,
    )
    concluded = diagnostic_report.concluded(
        resource, source, of, zone=site.zone, dates_in_utc=site.dates_in_utc
    )
    conclusion = condition(concluded, site=site, rulebook=context.rulebook)
    return (
        *_measured(seen, of, context),
        *diagnostic_report.read(resource, source, of, context.lookup),
        *(() if conclusion is None else (conclusion,)),
    )


def _is_panel(resource: Json, rulebook: Rulebook) -> bool:
    codings = (resource.get("code") or {}).get("coding") or ()
    return any((c.get("system", ""), c.get("code", "")) in rulebook.panels for c in codings)


def _administration(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    seen = medication_administration.read(
        resource,
        source,
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
        version=context.version,
        lookup=context.lookup,
    )
    return (dose(seen, site=site, rulebook=context.rulebook),)


def _condition(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    seen = condition_as_sent.read(resource, source, zone=site.zone, dates_in_utc=site.dates_in_utc)
    found = condition(seen, site=site, rulebook=context.rulebook)
    return () if found is None else (found,)


def _medication_use(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    seen = use_as_sent.read(
        resource,
        source,
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
        version=context.version,
        lookup=context.lookup,
    )
    found = medication_use(seen, site=site, rulebook=context.rulebook)
    return () if found is None else (found,)


def _procedure(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    seen = procedure_as_sent.read(
        resource,
        source,
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
        version=context.version,
    )
    found = procedure(seen, site=site, rulebook=context.rulebook)
    return () if found is None else (found,)


def _consent(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    seen = consent_as_sent.read(
        resource,
        source,
        version=context.version,
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
    )
    return (consent(seen, site=site),)


def _statements(resource: Json, source: Source, context: Context, _: str) -> Iterable[Fact]:
    site = context.site
    return questionnaire_response.read(
        resource,
        source,
        context.rulebook.protocols.values(),
        zone=site.zone,
        dates_in_utc=site.dates_in_utc,
    )


def _is_of_a_protocol(resource: Json, rulebook: Rulebook) -> bool:
    protocols = rulebook.protocols.values()
    return questionnaire_response.protocol_of(resource, protocols) is not None


def _product(resource: Json) -> tuple[str, ...]:
    """The Medication that a resource names as its product."""
    named = resource.get("medicationReference")
    if named is None:
        named = (resource.get("medication") or {}).get("reference")
    name = name_of(named, "Medication") if named else ""
    return (name,) if name else ()


def _no_facts(_resource: Json, _source: Source, _context: Context, _of: str) -> Iterable[Fact]:
    return ()


KINDS: Mapping[str, Kind] = {
    "Patient": Kind(_person, about_patient=False, shared=True),
    "Observation": Kind(
        _observation, depends_on=specimen.references, depends_on_person=True, useful=_is_panel
    ),
    "DiagnosticReport": Kind(
        _report, depends_on=specimen.references, depends_on_person=True, useful=_never
    ),
    "MedicationAdministration": Kind(_administration, depends_on=_product),
    "MedicationStatement": Kind(_medication_use, depends_on=_product, useful=_never),
    "MedicationRequest": Kind(_medication_use, depends_on=_product, useful=_never),
    "MedicationDispense": Kind(_medication_use, depends_on=_product, useful=_never),
    "Procedure": Kind(_procedure, useful=_never),
    "Condition": Kind(_condition, useful=_never),
    "AllergyIntolerance": Kind(_condition, useful=_never),
    "Consent": Kind(_consent),
    "QuestionnaireResponse": Kind(_statements, useful=_is_of_a_protocol),
    "Medication": Kind(_no_facts, about_patient=False, shared=True),
    "Specimen": Kind(_no_facts, about_patient=False, shared=True),
}
"""The types that are received, in the order in which their facts are made."""
