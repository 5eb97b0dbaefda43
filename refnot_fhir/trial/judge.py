"""One patient's chart out of the store, and what follows from it: assessment, doses, status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from refnot_fhir.core import subject
from refnot_fhir.core.chart import Chart
from refnot_fhir.core.chart import charts as build
from refnot_fhir.core.criteria import assess as screening
from refnot_fhir.core.dosing import record as dosing
from refnot_fhir.core.facts import person_in
from refnot_fhir.core.record import record
from refnot_fhir.core.results import Assessment, DosingRecord, Subject
from refnot_fhir.core.rules import Protocol, Rulebook, Site
from refnot_fhir.core.subject import BY_RULE
from refnot_fhir.fhir.whose import survivor
from refnot_fhir.store.contract import Reader, SubjectQuery, Writer


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


def charts(reader: Reader, site: Site, patients: Collection[str]) -> dict[str, Chart]:
    """The chart of each patient; records merged into one are read with it."""
    everyone = {one for patient in patients for one in family(reader, site.name, patient)}
    return build(site, reader.facts(site.name, everyone), patients)


def family(reader: Reader, site: str, patient: str) -> list[str]:
    """The patient first, then everybody whose record was replaced by it, however indirectly."""
    found = [patient]
    for one in found:
        found.extend(m for m in reader.merged_into(site, one) if m not in found)
    return found


def heir(reader: Reader, site: str, patient: str) -> str:
    """The record that a patient's was merged into at last; the patient's own if it was not."""
    return survivor(patient, lambda one: person_in(reader.facts(site, [one])[one]))


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
    # What only a replay ended follows from the chart itself, and may be taken back by it.
    ended = before.ended_on if before and not before.replay else None
    chart = replace(chart, enrolled_on=enrolled, ended_on=ended)
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
    reader: Reader,
    judge: Judge,
    site: Site,
    patients: Collection[str],
    known: Mapping[tuple[str, str], Subject] | None = None,
) -> list[Standing]:
    """Where each of these patients stands in each protocol, decided now.

    Whoever a patient's record was merged into is decided with it. `known` are their subjects, if
    they were read before.
    """
    found = charts(reader, site, patients)
    heirs = _heirs(found)
    while heirs:
        found |= charts(reader, site, heirs)
        heirs = _heirs(found)
    missing = found if known is None else found.keys() - set(patients)
    subjects = {**(known or {}), **(subjects_of(reader, site.name, missing) if missing else {})}
    return [
        stand(judge, site, chart, subjects.get((patient, protocol.id)), protocol)
        for patient, chart in found.items()
        for protocol in judge.rulebook.protocols.values()
    ]


def _heirs(found: Mapping[str, Chart]) -> set[str]:
    """Patients into whose record one of these was merged, and who are not among them."""
    merged = (chart.person.replaced_by for chart in found.values() if chart.person)
    return {heir for heir in merged if heir and heir not in found}


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


def caught_up(
    writer: Writer, judge: Judge, site: Site, patients: Collection[str]
) -> dict[tuple[str, str], Subject]:
    """The subjects of these patients, once the versions are kept that time has made of them.

    Whatever changes a chart calls this first: what was published of a lapse stays true.
    """
    known = subjects_of(writer, site.name, patients)
    for name, kept in known.items():
        protocol = judge.rulebook.protocols.get(kept.protocol)
        if protocol is None or not has_lapsed(judge, site, kept):
            continue
        chart = charts(writer, site, [kept.patient])[kept.patient]
        for later, assessment in lapses(judge, site, chart, kept, protocol):
            writer.save_subject(later, assessment)
            known[name] = later
    return known


def save(writer: Writer, standing: Standing, now: datetime) -> SubjectChange | None:
    """Keep a subject and its assessment if anything about them changed, and say what did.

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
    writer.save_subject(noted, standing.assessment)
    moved = _moves(dict(before.verdicts) if before else {}, noted.verdicts)
    return SubjectChange(subject.id, subject.patient, subject.protocol, subject.status, moved)


def _noted(subject: Subject, assessment: Assessment) -> Subject:
    return replace(subject, verdicts=summary(assessment))


def summary(assessment: Assessment) -> tuple[tuple[str, str], ...]:
    """(criterion, verdict) of every criterion."""
    return tuple((one.criterion, one.verdict.value) for one in assessment.results)


def _moves(before: dict[str, str], after: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """`IN07A unknown → met` for each criterion whose verdict moved; unknown is where all begin."""
    return tuple(
        f"{criterion} {before.get(criterion, 'unknown')} → {verdict}"
        for criterion, verdict in after
        if before.get(criterion, "unknown") != verdict
    )
