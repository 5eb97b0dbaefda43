"""Which status a subject has by rule, and which only people may set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from refnot_fhir.core.findings import Assessment, DosingRecord, Finding, StatusChange, Subject
from refnot_fhir.core.records import Chart
from refnot_fhir.core.rules import Site

BY_RULE = frozenset({"candidate", "screening", "eligible", "ineligible"})
"""Statuses that rules may set and leave; every other is a person's word."""

HANDED_BACK = frozenset({"candidate", "screening"})
"""Statuses that leave the decision to the rules even when a person set them."""

ON_STUDY = "on-study-intervention"


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

    A change is another status, or another `holds_until`, `enrolled_on` or `replay` of a subject
    whose status is by rule; only a change of status enters the history. When nothing but the
    evidence changed, this is None and the caller keeps the new assessment alone. A status that
    people set is left as it is, and so is `eligible` or `ineligible` where a person said so.
    Under replay the first given trial dose decides before the death of a patient does, and a
    participation that only a replay set follows the doses on record, also back.
    """
    if before is None and not _is_candidate(chart, site):
        return None
    if before is not None and not _is_the_rules(before, replay):
        return None
    if before is None:
        before = _unborn(new_id(), assessment, chart, now)
    status, why, enrolled_on = _by_rule(assessment, chart, dosing if replay else None)
    after = replace(
        before,
        status=status,
        history=_history(before, StatusChange(status, now, why, "rule")),
        enrolled_on=enrolled_on or (None if before.replay else before.enrolled_on),
        replay=enrolled_on is not None,
        holds_until=assessment.holds_until if status in BY_RULE else None,
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
    if change.status == before.status:
        return before.history
    return (*before.history, change)


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
    if subject.status == ON_STUDY:
        return by_rule and subject.replay and replay
    return subject.status in (BY_RULE if by_rule else HANDED_BACK)


def _by_rule(
    assessment: Assessment, chart: Chart, replayed: DosingRecord | None
) -> tuple[str, str, date | None]:
    """Status, its reason, and the day of enrolment where a replayed dose sets it."""
    person = chart.person
    if person is not None and person.replaced_by:
        return "ineligible", f"This record was merged into {person.replaced_by}.", None
    if replayed is not None and replayed.first_given_on is not None:
        day = replayed.first_given_on
        return ON_STUDY, f"Replay: the first trial dose was given on {day}.", day
    if person is not None and person.deceased:
        return "ineligible", "The patient is recorded as deceased.", None
    if assessment.standing in ("eligible", "ineligible"):
        return assessment.standing, _reason(assessment), None
    if _has_readings(chart):
        return "screening", f"Not decided yet as of {assessment.as_of}: {_open(assessment)}.", None
    return "candidate", "The hospital sent the patient; no reading is usable yet.", None


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
