"""One patient's chart out of the store, and what follows from it: assessment, doses, status."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

from refnot_fhir.core import dosing, screening, subject
from refnot_fhir.core.findings import Assessment, DosingRecord, Subject
from refnot_fhir.core.records import Chart
from refnot_fhir.core.rules import Protocol, Rulebook, Site
from refnot_fhir.store.base import PatientFacts, Reader, SubjectQuery, Writer


@dataclass(frozen=True, slots=True)
class Judge:
    """What judging a patient takes besides the chart."""

    rulebook: Rulebook
    now: datetime
    new_id: Callable[[], str]
    replay: bool = False

    def today(self, site: Site) -> date:
        """The date of assessment unless another is asked for: today where the hospital is."""
        return self.now.astimezone(site.zone).date()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one patient stands in one protocol."""

    protocol: Protocol
    chart: Chart
    before: Subject | None
    subject: Subject | None
    """The subject as it now is; None when nobody proposes this patient."""
    assessment: Assessment
    dosing: DosingRecord


@dataclass(frozen=True, slots=True)
class SubjectChange:
    """What a delivery did to one patient's standing in one protocol."""

    subject: str
    patient: str
    protocol: str
    status: str
    changed: tuple[str, ...] = ()
    """`IN07A unknown → met`, one for each criterion whose verdict moved."""


def charts(reader: Reader, site: Site, patients: Collection[str]) -> dict[str, Chart]:
    """The chart of each patient; records merged into one are read with it."""
    merged = {patient: _family(reader, site.name, patient) for patient in patients}
    everyone = {one for family in merged.values() for one in family}
    facts = reader.facts(site.name, everyone)
    return {
        patient: _chart(site, patient, [facts[one] for one in merged[patient]])
        for patient in patients
    }


def _family(reader: Reader, site: str, patient: str) -> list[str]:
    """The patient first, then everybody whose record was replaced by it, however indirectly."""
    family = [patient]
    for one in family:
        family.extend(m for m in reader.merged_into(site, one) if m not in family)
    return family


def _chart(site: Site, patient: str, family: list[PatientFacts]) -> Chart:
    return Chart(
        site=site.name,
        patient=patient,
        zone=site.zone,
        person=family[0].person,
        labs=tuple(lab for facts in family for lab in facts.labs),
        doses=tuple(dose for facts in family for dose in facts.doses),
    )


def subjects_of(
    reader: Reader, site: str, patients: Collection[str]
) -> dict[tuple[str, str], Subject]:
    """The subjects of these patients by (patient, protocol)."""
    rows = reader.subjects(SubjectQuery(patients=[(site, patient) for patient in patients]))
    return {(row.subject.patient, row.subject.protocol): row.subject for row in rows}


def stand(
    judge: Judge,
    site: Site,
    chart: Chart,
    before: Subject | None,
    protocol: Protocol,
    *,
    on: date | None = None,
) -> Standing:
    """Assess one chart and say which status follows.

    The date of assessment is `on` if given, else the day of enrolment, else today.
    """
    today = judge.today(site)
    enrolled = before.enrolled_on if before else None
    chart = replace(chart, enrolled_on=enrolled)
    assessment = screening.assess(protocol, chart, on or enrolled or today)
    record = dosing.follow(protocol, chart, on or today)
    after = subject.proposed(
        before, assessment, chart,
        dosing=record, site=site, now=judge.now, new_id=judge.new_id, replay=judge.replay,
    )  # fmt: skip
    current = after or before
    if current is not None and current.enrolled_on != enrolled:
        chart = replace(chart, enrolled_on=current.enrolled_on)
        assessment = screening.assess(protocol, chart, on or current.enrolled_on or today)
    return Standing(protocol, chart, before, current, assessment, record)


def standings(
    reader: Reader, judge: Judge, site: Site, patients: Collection[str]
) -> list[Standing]:
    """Where each of these patients stands in each protocol, decided now."""
    known = subjects_of(reader, site.name, patients)
    return [
        stand(judge, site, chart, known.get((patient, protocol.id)), protocol)
        for patient, chart in charts(reader, site, patients).items()
        for protocol in judge.rulebook.protocols.values()
    ]


def save(writer: Writer, standing: Standing) -> SubjectChange | None:
    """Keep a subject and its assessment if anything about them changed, and say what did."""
    subject, before = standing.subject, standing.before
    if subject is None:
        return None
    verdicts = summary(standing.assessment)
    if before is not None and subject == before and before.verdicts == verdicts:
        if before.holds_until != standing.assessment.holds_until:
            writer.save_subject(_noted(subject, standing.assessment), None)
        return None
    writer.save_subject(_noted(subject, standing.assessment), standing.assessment)
    moved = _moves(dict(before.verdicts) if before else {}, verdicts)
    return SubjectChange(subject.id, subject.patient, subject.protocol, subject.status, moved)


def _noted(subject: Subject, assessment: Assessment) -> Subject:
    return replace(subject, verdicts=summary(assessment), holds_until=assessment.holds_until)


def summary(assessment: Assessment) -> tuple[tuple[str, str], ...]:
    """(criterion, verdict) of every finding."""
    return tuple((f.criterion, f.verdict.value) for f in assessment.findings)


def _moves(before: dict[str, str], after: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """`IN07A unknown → met` for each criterion whose verdict moved; unknown is where all begin."""
    return tuple(
        f"{criterion} {before.get(criterion, 'unknown')} → {verdict}"
        for criterion, verdict in after
        if before.get(criterion, "unknown") != verdict
    )
