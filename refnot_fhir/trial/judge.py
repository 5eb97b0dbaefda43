"""One patient's chart out of the store, and what follows from it: assessment, doses, status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from refnot_fhir.core import findings, people, subject
from refnot_fhir.core.chart import Chart, survivor
from refnot_fhir.core.chart import charts as build
from refnot_fhir.core.criteria import assess as screening
from refnot_fhir.core.dosing import record as dosing
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.facts import Fact, person_in
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, Subject
from refnot_fhir.core.rules import Protocol, Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.core.subject import BY_RULE
from refnot_fhir.store.contract import Reader, Reading
from refnot_fhir.store.view import View


@record
class Judge:
    """What judging a patient takes besides the chart."""

    rulebook: Rulebook
    now: datetime
    """The moment that what is decided is dated with."""
    new_id: Callable[[], str]
    replay: bool = False
    clock: datetime | None = None
    """What the clock says, where `now` is later, because the clock was set back."""

    def today(self, site: Site) -> date:
        """The date of assessment unless another is asked for: today where the hospital is."""
        return (self.clock or self.now).astimezone(site.zone).date()


@record
class Standing:
    """Where one patient stands in one protocol."""

    protocol: Protocol
    chart: Chart
    before: Subject | None
    subject: Subject | None
    """The subject as it now is; None when nobody proposes this patient."""
    assessment: Assessment
    dosing: DosingRecord


@record
class SubjectChange:
    """What a delivery did to one patient's standing in one protocol."""

    subject: str
    patient: str
    protocol: str
    status: str
    changed: tuple[str, ...] = ()
    """`IN07A unknown → met`, one for each criterion whose verdict moved."""


def charts(
    reader: Reader, site: Site, rulebook: Rulebook, patients: Collection[str]
) -> dict[str, Chart]:
    """The chart of each patient; all records of the same person are read with it."""
    known: dict[str, tuple[Fact, ...]] = {}
    todo = {one for patient in patients for one in family(reader, site.name, patient)}
    while todo:
        known |= reader.facts(site.name, todo)
        people = [person for one in todo if (person := person_in(known[one]))]
        heirs = {person.replaced_by for person in people if person.replaced_by}
        todo = {one for heir in heirs for one in family(reader, site.name, heir)} - known.keys()
    return build(site, rulebook, known, patients)


def family(reader: Reader, site: str, patient: str) -> list[str]:
    """The patient first, then everybody whose record was replaced by it, however indirectly."""
    found = [patient]
    for one in found:
        found.extend(m for m in reader.merged_into(site, one) if m not in found)
    return found


def heir(reader: Reader, site: str, patient: str) -> str:
    """The record that a patient's was merged into at last; the patient's own if it was not."""
    return survivor(patient, lambda one: person_in(reader.facts(site, [one])[one]))


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
    chart = people.known_on(chart, before)
    if chart.self_declared != judge.replay:
        chart = replace(chart, self_declared=judge.replay)
    assessment = screening.assess(protocol, chart, on or enrolled or today)
    record = dosing.follow(protocol, chart, on or today)
    after = subject.proposed(
        before, assessment, chart,
        dosing=record, site=site, now=judge.now, new_id=judge.new_id, replay=judge.replay,
        unsigned=protocol.unsigned,
    )  # fmt: skip
    current = after or before
    if current is not None and current.enrolled_on != enrolled:
        chart = replace(chart, enrolled_on=current.enrolled_on)
        assessment = screening.assess(protocol, chart, on or current.enrolled_on or today)
    if current is not None and current.by_people and on is None and current.at_enrolment:
        then_and_now = assessment, screening.assess(protocol, chart, today)
        found = findings.follow(current, chart, *then_and_now, judge.now)
        current = replace(current, findings=found)
    return Standing(protocol, chart, before, current, assessment, record)


def has_lapsed(judge: Judge, site: Site, subject: Subject) -> bool:
    """Whether a verdict that the subject's status rests on no longer holds today."""
    until = subject.holds_until
    return subject.status in BY_RULE and until is not None and until < judge.today(site)


def lapses(
    judge: Judge, site: Site, chart: Chart, subject: Subject, protocol: Protocol
) -> Iterator[tuple[Subject, Assessment]]:
    """The versions that time alone has made of a subject until today, with what led to each.

    Each is dated when the verdicts before it lapsed, so that whoever asks, and whenever, is given
    the same versions.
    """
    while has_lapsed(judge, site, subject) and subject.holds_until is not None:
        day = subject.holds_until + timedelta(days=1)
        then = replace(judge, now=datetime.combine(day, time.min, site.zone), clock=None)
        now = stand(then, site, chart, subject, protocol, on=day)
        if now.subject is None or now.subject == subject:
            return
        subject = _noted(now.subject, now.assessment)
        yield subject, now.assessment


@record
class Decisions:
    """What follows from new facts for the subjects of some patients."""

    subjects: tuple[tuple[Subject, Assessment], ...] = ()
    """New versions, in order, and the assessments that led to them."""
    changes: tuple[SubjectChange, ...] = ()
    patients: tuple[str, ...] = ()
    """Who was decided: those asked for, and those whom their records were merged into."""


def decided(
    view: View, judge: Judge, site: Site, patients: Collection[str], readings: Collection[Reading]
) -> Decisions | None:
    """What follows for these patients once the readings are kept; each is assessed once.

    All records of the same person are decided: what is filed under one may count for another. A
    version that time alone has made of a subject comes first: what was published of a lapse stays
    true. None when the view does not hold all that it takes: `view.missing` says what to read.
    """
    after = view.after(readings)
    whole = persons(view, after, patients)
    if view.missing:
        return None
    now = build(site, judge.rulebook, after, whole)
    found = [
        _followed(view, judge, site, chart, protocol)
        for chart in now.values()
        for protocol in judge.rulebook.protocols.values()
    ]
    return Decisions(
        tuple(version for versions, _ in found for version in versions),
        tuple(change for _, change in found if change),
        tuple(whole),
    )


def persons(
    view: View, after: Mapping[str, Sequence[Fact]], patients: Collection[str]
) -> list[str]:
    """The patients and all whose records were merged with theirs; their facts are in the view."""
    whole = list(dict.fromkeys(patients))
    for one in whole:
        person = person_in(after.get(one, ()))
        near = (person.replaced_by if person else "", *view.merged_into(one))
        whole += (other for other in dict.fromkeys(near) if other and other not in whole)
    return whole


def _followed(
    view: View, judge: Judge, site: Site, chart: Chart, protocol: Protocol
) -> tuple[list[tuple[Subject, Assessment]], SubjectChange | None]:
    """The new versions of one patient's subject in one protocol, and what moved."""
    versions: list[tuple[Subject, Assessment]] = []
    before = next(
        (row.subject for row in view.subjects_of(chart.patient)
         if row.subject.protocol == protocol.id), None
    )  # fmt: skip
    if before is not None and has_lapsed(judge, site, before):
        known = build(site, judge.rulebook, view.after(()), [chart.patient])[chart.patient]
        versions += lapses(judge, site, known, before, protocol)
        before = versions[-1][0] if versions else before
    change = _changed(stand(judge, site, chart, before, protocol), judge.now)
    if change is None:
        return versions, None
    subject, assessment, moved = change
    versions.append((subject, assessment))
    said = SubjectChange(subject.id, subject.patient, subject.protocol, subject.status, moved)
    return versions, said


def _changed(
    standing: Standing, now: datetime
) -> tuple[Subject, Assessment, tuple[str, ...]] | None:
    """A subject's next version if anything about it changed, and which verdicts moved.

    Other verdicts make another version, even when the status is the same.
    """
    subject, before = standing.subject, standing.before
    if subject is None:
        return None
    noted = _noted(subject, standing.assessment)
    if noted == before:
        return None
    if before is not None and noted.version == before.version:
        noted = replace(noted, version=before.version + 1, updated=now)
    moved = moves(dict(before.verdicts) if before else {}, noted.verdicts)
    return noted, standing.assessment, moved


def _noted(subject: Subject, assessment: Assessment) -> Subject:
    verdicts = summary(assessment)
    return subject if subject.verdicts == verdicts else replace(subject, verdicts=verdicts)


def summary(assessment: Assessment) -> tuple[tuple[str, str], ...]:
    """(criterion, verdict) of every criterion."""
    return tuple([(one.criterion, one.verdict.code) for one in assessment.results])


def moves(before: Mapping[str, str], after: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """`IN07A unknown → met` for each criterion whose verdict moved; unknown is where all begin."""
    return tuple(
        f"{criterion} {before.get(criterion, 'unknown')} → {verdict}"
        for criterion, verdict in after
        if before.get(criterion, "unknown") != verdict
    )
