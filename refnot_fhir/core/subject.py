"""Which status a subject has by rule, and which only people may set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.death import days_of_death
from refnot_fhir.core.results import Assessment, DosingRecord, Finding, StatusChange, Subject
from refnot_fhir.core.rules import Site

BY_RULE = frozenset({"candidate", "screening", "eligible", "ineligible"})
"""Statuses that rules may set and leave; every other is a person's word."""

HANDED_BACK = frozenset({"candidate", "screening"})
"""Statuses that leave the decision to the rules even when a person set them."""

ON_STUDY = "on-study-intervention"
OFF_STUDY = "off-study"


class _Status(NamedTuple):
    """What follows by rule."""

    status: str
    why: str
    since: date
    """The day on which it began clinically."""
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
) -> Subject | None:
    """The subject's next version, by rule; None when there is nothing to propose or to change.

    A change is another status, or another `holds_until`, `enrolled_on`, `ended_on` or `replay` of a
    subject whose status is by rule. A change of status enters the history; one that began on
    another day than was known corrects its last entry. When nothing but the
    evidence changed, this is None and the caller keeps the new assessment alone. A status that
    people set is left as it is, and so is `eligible` or `ineligible` where a person said so.
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
    found = _by_rule(assessment, chart, dosing if replay else None, today)
    change = StatusChange(found.status, now, found.why, "rule", found.since)
    after = replace(
        before,
        status=found.status,
        history=_history(before, change),
        enrolled_on=found.enrolled_on or (None if before.replay else before.enrolled_on),
        ended_on=found.ended_on or (None if before.replay else before.ended_on),
        replay=found.enrolled_on is not None,
        holds_until=assessment.holds_until if found.status in BY_RULE else None,
    )
    if after == before:
        return None
    return replace(after, version=before.version + 1, updated=now)


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
    if change.status in BY_RULE or change.since == last.since:
        return before.history
    return (*earlier, replace(last, since=change.since, why=change.why))


def _is_candidate(chart: Chart, site: Site) -> bool:
    """Whether the site proposes a patient who was not proposed before."""
    if site.propose == "all":
        return chart.person is not None or _has_readings(chart)
    return site.propose == "with-readings" and _has_readings(chart)


def _has_readings(chart: Chart) -> bool:
    return any(lab.not_usable is None for lab in chart.labs) or any(
        dose.outcome != "retracted" for dose in chart.doses
    )


def _is_the_rules(subject: Subject, replay: bool) -> bool:
    """Whether rules may change this status: they set it, or people handed the subject back."""
    by_rule = not subject.history or subject.history[-1].by == "rule"
    if subject.status in (ON_STUDY, OFF_STUDY):
        return by_rule and subject.replay and replay
    return subject.status in (BY_RULE if by_rule else HANDED_BACK)


def _by_rule(
    assessment: Assessment, chart: Chart, replayed: DosingRecord | None, today: date
) -> _Status:
    person, death = chart.person, days_of_death(chart)
    if person is not None and person.replaced_by:
        why = f"This record was merged into {person.replaced_by}."
        return _Status("ineligible", why, today)
    died = None if death is None else min(death.last, today)
    first = replayed.first_given_on if replayed is not None else None
    if first is not None and (died is None or first <= died):
        return _replayed(first, died)
    if died is not None:
        return _Status("ineligible", "The patient is recorded as deceased.", died)
    if assessment.standing in ("eligible", "ineligible"):
        return _Status(assessment.standing, _reason(assessment), today)
    if _has_readings(chart):
        why = f"Not decided yet as of {assessment.as_of}: {_open(assessment)}."
        return _Status("screening", why, today)
    why = "The hospital sent the patient; no reading is usable yet."
    return _Status("candidate", why, today)


def _replayed(first: date, died: date | None) -> _Status:
    if died is None:
        why = f"Replay: the first trial dose was given on {first}."
        return _Status(ON_STUDY, why, first, enrolled_on=first)
    why = f"Replay: the patient, on study since {first}, is recorded as having died by {died}."
    return _Status(OFF_STUDY, why, died, enrolled_on=first, ended_on=died)


def _reason(assessment: Assessment) -> str:
    if assessment.standing == "eligible":
        return f"Every criterion is satisfied as of {assessment.as_of}."
    against = [finding for finding in assessment.findings if finding.speaks_against]
    first = against[0]
    return f"{_ids(against)} as of {assessment.as_of}: {first.why}"


def _open(assessment: Assessment) -> str:
    return _ids([it for it in assessment.findings if not it.speaks_for])


def _ids(findings: list[Finding]) -> str:
    return ", ".join(finding.criterion for finding in findings)
