"""What contradicts an enrolment: found once, kept, and resolved; time alone finds nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from refnot_fhir.core.chart import Chart
from refnot_fhir.core.criteria.assess import assess
from refnot_fhir.core.facts import Measurement
from refnot_fhir.core.findings import follow
from refnot_fhir.core.life import Milestone
from refnot_fhir.core.results import StatusChange, Subject
from refnot_fhir.core.values import Reason
from tests import builders as build

NOW = datetime(2026, 5, 20, 9, 0, tzinfo=UTC)
ENROLLED = build.days_ago(10)


def platelets(value: int, days_ago: int = 12, id: str = "plt") -> Measurement:
    """Platelets so many days before today."""
    return build.lab_result("platelets", str(value), on=build.days_ago(days_ago), id=id)


def subject(chart: Chart, **changes: Any) -> Subject:
    """Enrolled ten days ago with the verdicts that the chart gave."""
    then = assess(build.PROTOCOL, replace(chart, enrolled_on=ENROLLED), ENROLLED)
    verdicts = tuple((one.criterion, one.verdict.value) for one in then.results)
    change = StatusChange("on-study", NOW, Reason("stated"), "Dr A", ENROLLED)
    one = Subject("s1", "hospital", "p1", "r2", "on-study", 2, NOW, (change,))
    return replace(one, enrolled_on=ENROLLED, at_enrolment=verdicts, **changes)


def after(before: Subject, chart: Chart, later: int = 0) -> Subject:
    """The subject with the findings of a chart, so many hours later."""
    chart = replace(chart, enrolled_on=ENROLLED)
    then, today = (assess(build.PROTOCOL, chart, day) for day in (ENROLLED, build.TODAY))
    return replace(
        before, findings=follow(before, chart, then, today, NOW + timedelta(hours=later))
    )


def told(one: Subject) -> list[tuple[str, str, bool]]:
    """Code, criterion, and whether it is resolved."""
    return [(it.code, it.criterion, it.resolved is not None) for it in one.findings]


CHART = build.chart(platelets(200))
PLATELETS = next(
    name for name, verdict in subject(CHART).at_enrolment
    if verdict != dict(subject(build.chart()).at_enrolment)[name]
)  # fmt: skip


def test_what_changes_nothing_finds_nothing() -> None:
    assert told(after(subject(CHART), CHART)) == []


def test_a_corrected_value_is_a_finding_until_it_is_corrected_again() -> None:
    first = after(subject(CHART), build.chart(platelets(100)), 1)
    assert told(first) == [("not-satisfied", PLATELETS, False)]
    finding = first.findings[0]
    assert (finding.was, finding.now, finding.on) == ("met", "not-met", ENROLLED)
    assert [one.id for one in finding.sources] == ["plt"]
    again = after(first, build.chart(platelets(90)), 2)
    assert again.findings == first.findings
    resolved = after(again, CHART, 3)
    assert told(resolved) == [("not-satisfied", PLATELETS, True)]
    assert resolved.findings[0].resolved == NOW + timedelta(hours=3)
    assert after(resolved, CHART, 4).findings == resolved.findings
    twice = after(resolved, build.chart(platelets(100)), 5)
    assert [it[2] for it in told(twice)] == [True, False]


def test_a_value_that_is_gone_leaves_it_unknown() -> None:
    assert told(after(subject(CHART), build.chart())) == [("no-longer-known", PLATELETS, False)]


def test_a_later_value_that_speaks_against_is_a_finding_of_its_own_day() -> None:
    found = after(subject(CHART), build.chart(platelets(200), platelets(90, 3, "later")))
    assert told(found) == [("since-enrolment", PLATELETS, False)]
    assert found.findings[0].on == build.days_ago(3)
    assert (
        told(after(subject(CHART), build.chart(platelets(200), platelets(180, 3, "later")))) == []
    )


def test_consent_death_merge_and_a_patient_who_is_gone_are_findings() -> None:
    at = Milestone("consent", None, NOW, "Dr A"), Milestone("consent-withdrawn", None, NOW, "Dr A")
    assert told(after(subject(CHART, milestones=at), CHART)) == [("consent-withdrawn", "", False)]
    dead = build.person(deceased=True, dead_by=NOW)
    assert told(after(subject(CHART), replace(CHART, person=dead))) == [("died", "", False)]
    undated = replace(dead, dead_by=None)
    found = after(subject(CHART), replace(CHART, person=undated)).findings
    assert [(one.code, one.on) for one in found] == [("died", None)]
    merged = build.person(replaced_by="p2")
    found = after(subject(CHART), replace(CHART, person=merged)).findings
    assert [(one.code, one.now) for one in found] == [("merged", "p2")]
    gone = told(after(subject(CHART), replace(CHART, person=None)))
    assert ("no-patient", "", False) in gone


def test_who_was_not_enrolled_by_people_has_no_findings() -> None:
    nobody = replace(subject(CHART), at_enrolment=())
    assert told(after(nobody, build.chart())) == []
    undated = replace(subject(CHART), enrolled_on=None)
    assert told(after(undated, build.chart())) == []


def test_the_days_of_the_builders_are_those_of_the_tests() -> None:
    assert date(2026, 5, 10) == ENROLLED
