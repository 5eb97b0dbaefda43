"""Which status a subject has by rule, and which only people may set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.death import days_of_death
from refnot_fhir.core.dosing.results import DosingRecord
from refnot_fhir.core.facts import Outcome
from refnot_fhir.core.results import Assessment, CriterionResult, StatusChange, Subject
from refnot_fhir.core.site import Site
from refnot_fhir.core.values import Reason
from refnot_fhir.core.verdict import Eligibility, Verdict


class Status(StrEnum):
    """The statuses that rules decide with; people may set every other that FHIR has."""

    CANDIDATE = "candidate"
    SCREENING = "screening"
    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    ON_STUDY = "on-study-intervention"
    OFF_STUDY = "off-study"


BY_RULE = frozenset({Status.CANDIDATE, Status.SCREENING, Status.ELIGIBLE, Status.INELIGIBLE})
"""Statuses that rules may set and leave; every other is set by people."""

HANDED_BACK = frozenset({Status.CANDIDATE, Status.SCREENING})
"""Statuses that leave the decision to the rules even when a person set them."""


class ChangeCode(StrEnum):
    """Why rules set a status."""

    MERGED = "merged"
    DECEASED = "deceased"
    ALL_SATISFIED = "all-satisfied"
    NOT_SATISFIED = "not-satisfied"
    UNDECIDED = "undecided"
    UNSIGNED = "unsigned"
    """All is satisfied, and readings of the protocol that this rests on are not signed."""
    NOTHING_USABLE = "nothing-usable"
    FIRST_DOSE = "first-dose"
    DIED_ON_STUDY = "died-on-study"


class _Status(NamedTuple):
    """What follows by rule."""

    status: Status
    reason: Reason
    since: date
    """The day on which it began clinically."""
    result: CriterionResult | None = None
    """Of the reason."""
    enrolled_on: date | None = None
    """Where a replayed dose sets it."""
    ended_on: date | None = None
    """Where the death of somebody enrolled by replay sets it."""


def proposed(
    before: Subject | None,
    assessment: Assessment,
    chart: Chart,
    *,
    dosing: DosingRecord,
    site: Site,
    now: datetime,
    new_id: Callable[[], str],
    replay: bool,
    unsigned: Sequence[str] = (),
) -> Subject | None:
    """The subject's next version, by rule; None when there is nothing to propose or to change.

    A change is another status, or another `holds_until`, `enrolled_on`, `ended_on` or `replay` of a
    subject whose status is by rule. A change of status enters the history; one that began on
    another day than was known corrects its last entry. When nothing but the
    evidence changed, this is None and the caller keeps the new assessment alone. A status that
    people set is left as it is, and so is `eligible` or `ineligible` where a person said so.
    Nobody becomes `eligible` while entries of `DECISIONS.md` are `unsigned`, but under replay.
    Under replay the first given trial dose enrols, the patient's death ends the participation, and
    what only a replay set follows what is on record, also back.
    """
    if before is None and not _is_candidate(chart, site):
        return None
    if before is not None and not _is_the_rules(before, replay):
        return None
    if before is None:
        before = _unborn(new_id(), assessment, chart, now)
    today = now.astimezone(chart.zone).date()
    held_by = () if replay else unsigned
    found = _by_rule(assessment, chart, dosing if replay else None, today, held_by)
    change = StatusChange(found.status, now, found.reason, "rule", found.since, found.result)
    after = replace(
        before,
        status=found.status,
        version=before.version + 1,
        updated=now,
        history=_history(before, change),
        enrolled_on=found.enrolled_on or (None if before.replay else before.enrolled_on),
        ended_on=found.ended_on or (None if before.replay else before.ended_on),
        replay=found.enrolled_on is not None,
        holds_until=assessment.holds_until if found.status in BY_RULE else None,
    )
    return None if _rests(after) == _rests(before) else after


def _rests(subject: Subject) -> tuple[object, ...]:
    """All that rules may change."""
    return (
        *(subject.status, subject.history, subject.replay),
        *(subject.enrolled_on, subject.ended_on, subject.holds_until),
    )


def _unborn(id: str, assessment: Assessment, chart: Chart, now: datetime) -> Subject:
    """What the first version of a subject changes."""
    return Subject(
        id=id,
        site=chart.site,
        patient=chart.patient,
        protocol=assessment.protocol,
        status="",
        version=0,
        updated=now,
        history=(),
    )


def _history(before: Subject, change: StatusChange) -> tuple[StatusChange, ...]:
    if change.status != before.status:
        return (*before.history, change)
    *earlier, last = before.history
    # An assessment that comes to the same again leaves the status what it was, and since when.
    if _held_by(change) != _held_by(last):
        return (*before.history, change)
    if change.status in BY_RULE or change.since == last.since:
        return before.history
    return (*earlier, replace(change, at=last.at, by=last.by))


def _held_by(change: StatusChange) -> list[str]:
    return [said for name, said in change.reason.about if name == "decision"]


def _is_candidate(chart: Chart, site: Site) -> bool:
    """Whether the site proposes a patient who was not proposed before."""
    if site.propose == "all":
        return chart.person is not None or _has_readings(chart)
    return site.propose == "with-readings" and _has_readings(chart)


def _has_readings(chart: Chart) -> bool:
    return (
        any(lab.not_usable is None for lab in chart.labs)
        or any(dose.outcome != Outcome.RETRACTED for dose in chart.doses)
        or any(not said.retracted for said in chart.attestations)
    )


def _is_the_rules(subject: Subject, replay: bool) -> bool:
    """Whether rules may change this status: they set it, or people handed the subject back."""
    by_rule = not subject.history or subject.history[-1].by == "rule"
    if subject.status in (Status.ON_STUDY, Status.OFF_STUDY):
        return by_rule and subject.replay and replay
    return subject.status in (BY_RULE if by_rule else HANDED_BACK)


def _by_rule(
    assessment: Assessment,
    chart: Chart,
    replayed: DosingRecord | None,
    today: date,
    held_by: Sequence[str],
) -> _Status:
    person, death = chart.person, days_of_death(chart)
    if person is not None and person.replaced_by:
        into = (("into", person.replaced_by),)
        return _Status(Status.INELIGIBLE, Reason(ChangeCode.MERGED, into), today)
    died = None if death is None else min(death.last, today)
    first = replayed.first_given_on if replayed is not None else None
    if first is not None and (died is None or first <= died):
        return _replayed(first, died)
    if died is not None:
        return _Status(Status.INELIGIBLE, Reason(ChangeCode.DECEASED), died)
    return _assessed(assessment, chart, today, held_by)


def _replayed(first: date, died: date | None) -> _Status:
    about = (("first", f"{first}"),)
    if died is None:
        reason = Reason(ChangeCode.FIRST_DOSE, about)
        return _Status(Status.ON_STUDY, reason, first, enrolled_on=first)
    reason = Reason(ChangeCode.DIED_ON_STUDY, (*about, ("died", f"{died}")))
    return _Status(Status.OFF_STUDY, reason, died, enrolled_on=first, ended_on=died)


def _assessed(assessment: Assessment, chart: Chart, today: date, held_by: Sequence[str]) -> _Status:
    as_of = ("as-of", f"{assessment.as_of}")
    if assessment.standing == Eligibility.ELIGIBLE and held_by:
        decisions = tuple(("decision", anchor) for anchor in held_by)
        return _Status(Status.SCREENING, Reason(ChangeCode.UNSIGNED, (as_of, *decisions)), today)
    if assessment.standing == Eligibility.ELIGIBLE:
        return _Status(Status.ELIGIBLE, Reason(ChangeCode.ALL_SATISFIED, (as_of,)), today)
    if assessment.standing == Eligibility.INELIGIBLE:
        decided = [one for one in assessment.results if one.verdict is not Verdict.UNKNOWN]
        against = [one for one in decided if one.speaks_against]
        reason = Reason(ChangeCode.NOT_SATISFIED, (as_of, *_criteria(against)))
        return _Status(Status.INELIGIBLE, reason, today, against[0])
    if _has_readings(chart):
        open_ = [one for one in assessment.results if one.verdict is Verdict.UNKNOWN]
        reason = Reason(ChangeCode.UNDECIDED, (as_of, *_criteria(open_)))
        return _Status(Status.SCREENING, reason, today)
    return _Status(Status.CANDIDATE, Reason(ChangeCode.NOTHING_USABLE), today)


def _criteria(results: list[CriterionResult]) -> tuple[tuple[str, str], ...]:
    return tuple([("criterion", result.criterion) for result in results])
