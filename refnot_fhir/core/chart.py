"""The chart of a patient: made of facts in one way, wherever the facts come from.

A store and a file of lines both give the facts of the newest version of each resource, by the
patient whom the resource names. Here they are put together: records that were merged are one
patient, and what a report says of its results counts for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, tzinfo
from itertools import chain
from typing import Any

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
from refnot_fhir.core.reports import with_reports
from refnot_fhir.core.rules import Rulebook
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
    arm: str = ""
    """Id of the arm that people assigned; empty while it is not known."""
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


def charts(
    site: Site, rulebook: Rulebook, known: Known, patients: Collection[str]
) -> dict[str, Chart]:
    """The chart of each of these patients; `known` includes all records of the same persons.

    A record that was merged into another keeps its own measurements and doses, but what reports say
    of them counts whichever record of the person it is filed under.
    """
    merged: dict[str, list[str]] = {}
    for patient, facts in known.items():
        person = person_in(facts)
        if person is not None and person.replaced_by:
            merged.setdefault(person.replaced_by, []).append(patient)

    def person_of(patient: str) -> Person | None:
        return person_in(known.get(patient, ()))

    found = {}
    for patient in patients:
        own = family(patient, merged)
        last = survivor(patient, person_of) if merged else patient
        whole = own if last == patient else family(last, merged)
        # Records that replace each other in a circle are all one person's.
        records = list(dict.fromkeys((*own, *whole)))
        found[patient] = _chart(site, rulebook, known, own, records)
    return found


def family(patient: str, merged: Mapping[str, Sequence[str]]) -> list[str]:
    """The patient first, then everybody whose record was replaced by it, however indirectly.

    `merged` gives the records that were replaced by one.
    """
    found = [patient]
    for one in found:
        found.extend(other for other in merged.get(one, ()) if other not in found)
    return found


def survivor(patient: str, person: Callable[[str], Person | None]) -> str:
    """The record that a patient's was merged into at last; the patient's own if it was not.

    `person` is what is known of a patient. Records that replace each other end where they meet.
    """
    seen = [patient]
    while (known := person(seen[-1])) and known.replaced_by and known.replaced_by not in seen:
        seen.append(known.replaced_by)
    return seen[-1]


def _chart(
    site: Site, rulebook: Rulebook, known: Known, own: Sequence[str], person: Sequence[str]
) -> Chart:
    """`own` are the patient's record and those merged into it; `person` goes on with the others."""
    labs: list[Measurement] = []
    others: dict[type[Fact], list[Any]] = defaultdict(list)
    reports: list[Report] = []
    count = 0
    for place, patient in enumerate(person):
        is_own = place < len(own)
        for fact in known.get(patient, ()):
            if isinstance(fact, Measurement):
                labs.append(fact)
            elif isinstance(fact, Report):
                reports.append(fact)
            elif is_own:
                others[type(fact)].append(fact)
        count = len(labs) if is_own else count
    told = with_reports(labs, reports, site, rulebook)[:count]
    return Chart(
        site=site.name,
        patient=own[0],
        zone=site.zone,
        person=person_in(known.get(own[0], ())),
        labs=tuple([
            lab if not lab.persons or set(lab.persons) <= set(person) else _of_another(lab)
            for lab in told
        ]),
        doses=tuple(others[Dose]),
        conditions=tuple(others[Condition]),
        medications=tuple(others[MedicationUse]),
        procedures=tuple(others[ProcedureDone]),
        consents=tuple(others[Consent]),
        attestations=tuple(others[Attestation]),
        all_doses=site.administrations,
    )  # fmt: skip


def _of_another(found: Measurement) -> Measurement:
    """A measurement that names a Patient who is another person: it hides nothing of this one."""
    why = reason(Unusable.OTHER_FOCUS, about_what=f"Patient/{found.persons[0]}")
    return replace(found, not_usable=found.not_usable or why, replaces=False)
