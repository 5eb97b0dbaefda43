"""What contradicts an enrolment that people decided: shown with its date, and nothing is undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.days import shifted
from refnot_fhir.core.death import days_of_death
from refnot_fhir.core.life import Finding, FindingCode
from refnot_fhir.core.results import Assessment, CriterionResult, Role, Subject
from refnot_fhir.core.values import Source


def follow(
    subject: Subject, chart: Chart, then: Assessment, today: Assessment, now: datetime
) -> tuple[Finding, ...]:
    """The findings of a subject that people enrolled, as they are known `now`.

    `then` is the assessment as of the enrolment with what is known now, `today` that as of today.
    One that is found again stays as it was; one that is no longer so stays, and is resolved.
    """
    if not subject.at_enrolment or subject.enrolled_on is None:
        return subject.findings
    found = {one.about: one for one in _found(subject, chart, then, today, now)}
    kept = []
    for one in subject.findings:
        is_open = one.resolved is None
        again = found.pop(one.about, None) if is_open else None
        kept.append(replace(one, resolved=now) if is_open and again is None else one)
    return (*kept, *found.values())


def _found(
    subject: Subject, chart: Chart, then: Assessment, today: Assessment, now: datetime
) -> Iterator[Finding]:
    yield from _as_of_enrolment(dict(subject.at_enrolment), then, now)
    enrolled = subject.enrolled_on or today.as_of
    was = dict(subject.at_enrolment)
    for result in today.results:
        since = _since(result, enrolled)
        if result.speaks_against and since is not None:
            yield Finding(
                FindingCode.SINCE_ENROLMENT, now, result.criterion,
                was.get(result.criterion, ""), result.verdict.value, since, _sources(result),
            )  # fmt: skip
    if subject.consent_withdrawn is not None:
        yield Finding(FindingCode.CONSENT_WITHDRAWN, now, on=subject.consent_withdrawn.on)
    yield from _of_patient(chart, now)


def _as_of_enrolment(was: dict[str, str], then: Assessment, now: datetime) -> Iterator[Finding]:
    for result in then.results:
        before = was.get(result.criterion, "")
        if before in ("", result.verdict.value) or result.speaks_for:
            continue
        against = result.speaks_against
        code = FindingCode.NOT_SATISFIED if against else FindingCode.NO_LONGER_KNOWN
        yield Finding(
            code, now, result.criterion, before, result.verdict.value, then.as_of, _sources(result)
        )


def _of_patient(chart: Chart, now: datetime) -> Iterator[Finding]:
    person, death = chart.person, days_of_death(chart)
    if person is None:
        yield Finding(FindingCode.NO_PATIENT, now)
        return
    if not (person.active or person.replaced_by):
        yield Finding(FindingCode.NOT_IN_USE, now, sources=(person.source,))
    if person.replaced_by:
        yield Finding(FindingCode.MERGED, now, now=person.replaced_by, sources=(person.source,))
    if death is not None:
        on = death.last if death.last < shifted(date.max, -1) else None
        yield Finding(FindingCode.DIED, now, on=on, sources=(person.source,))


def _since(result: CriterionResult, enrolled: date) -> date | None:
    """The first day after the enrolment on which something that decides the result was so."""
    days = [
        it.days[0]
        for it in result.evidence
        if it.role in (Role.GOVERNS, Role.PART) and it.days and it.days[0] > enrolled
    ]
    return min(days, default=None)


def _sources(result: CriterionResult) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(it.source for it in result.evidence if it.role is not Role.BESIDE))
