"""The chart of a patient: made of facts in one way, wherever the facts come from.

A store and a file of lines both give the facts of the newest version of each resource, by the
patient whom the resource names. Here they are put together: records that were merged are one
patient, and what a withdrawn report lists is withdrawn with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, tzinfo
from itertools import chain

from refnot_fhir.core.facts import (
    Attestation,
    CompleteFeed,
    Condition,
    Consent,
    Dose,
    Fact,
    Measurement,
    MedicationUse,
    Person,
    ProcedureDone,
    Report,
    person_in,
)
from refnot_fhir.core.record import record
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import reason
from refnot_fhir.core.vocabulary import Unusable

Known = Mapping[str, Sequence[Fact]]
"""The facts of patients of one site, by the id of the Patient."""


@record
class Chart:
    """All that is known of one patient of one site."""

    site: str
    patient: str
    zone: tzinfo
    """The site's time zone: every calendar day is counted in it."""
    person: Person | None = None
    labs: tuple[Measurement, ...] = ()
    doses: tuple[Dose, ...] = ()
    conditions: tuple[Condition, ...] = ()
    consents: tuple[Consent, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    enrolled_on: date | None = None
    ended_on: date | None = None
    """The last day of the patient's participation, if people ended it."""
    consented_on: date | None = None
    """The day of the consent to the study, if people stated it."""
    consent_withdrawn_on: date | None = None
    """The day on which it was withdrawn, if it was not given again."""
    all_doses: CompleteFeed | None = None
    """That `doses` are all there were, if the hospital states it."""
    medications: tuple[MedicationUse, ...] = ()
    procedures: tuple[ProcedureDone, ...] = ()
    self_declared: bool = False
    """Whether a person's statement counts of which nobody established who signed it."""

    @property
    def facts(self) -> Iterator[Fact]:
        """Everything that a criterion may be decided from, but for the person."""
        return chain(
            self.labs,
            self.doses,
            self.conditions,
            self.consents,
            self.attestations,
            self.medications,
            self.procedures,
        )


def charts(site: Site, known: Known, patients: Collection[str]) -> dict[str, Chart]:
    """The chart of each of these patients; `known` includes the records merged into theirs."""
    merged: dict[str, list[str]] = {}
    for patient, facts in known.items():
        person = person_in(facts)
        if person is not None and person.replaced_by:
            merged.setdefault(person.replaced_by, []).append(patient)
    return {
        patient: _chart(site, patient, [known.get(one, ()) for one in family(patient, merged)])
        for patient in patients
    }


def family(patient: str, merged: Mapping[str, Sequence[str]]) -> list[str]:
    """The patient first, then everybody whose record was replaced by it, however indirectly.

    `merged` gives the records that were replaced by one.
    """
    found = [patient]
    for one in found:
        found.extend(other for other in merged.get(one, ()) if other not in found)
    return found


def _chart(site: Site, patient: str, family: Sequence[Sequence[Fact]]) -> Chart:
    """`family` are the facts of the patient's own record, then those of the merged ones."""
    facts = [fact for record in family for fact in record]
    withdrawn = _withdrawn(fact for fact in facts if isinstance(fact, Report))
    return Chart(
        site=site.name,
        patient=patient,
        zone=site.zone,
        person=person_in(family[0]),
        labs=tuple(
            _without(fact) if fact.source.reference in withdrawn else fact
            for fact in facts
            if isinstance(fact, Measurement)
        ),
        doses=tuple(fact for fact in facts if isinstance(fact, Dose)),
        conditions=tuple(fact for fact in facts if isinstance(fact, Condition)),
        consents=tuple(fact for fact in facts if isinstance(fact, Consent)),
        attestations=tuple(fact for fact in facts if isinstance(fact, Attestation)),
        medications=tuple(fact for fact in facts if isinstance(fact, MedicationUse)),
        procedures=tuple(fact for fact in facts if isinstance(fact, ProcedureDone)),
        all_doses=site.administrations,
    )


def _withdrawn(reports: Iterable[Report]) -> set[str]:
    """What withdrawn reports list and no other report does: a report may be issued anew."""
    lists: dict[bool, set[str]] = {True: set(), False: set()}
    for report in reports:
        lists[report.withdrawn].update(report.results)
    return lists[True] - lists[False]


def _without(found: Measurement) -> Measurement:
    """A measurement whose report was withdrawn: no measurement to speak of."""
    gone = reason(Unusable.RETRACTED, "report-withdrawn")
    return replace(found, not_usable=gone, replaces=False)
