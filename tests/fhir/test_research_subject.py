from __future__ import annotations

import json
from datetime import UTC, date, datetime, time

import pytest

from refnot_fhir.core.results import StatusChange
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import research_subject
from tests.fhir.published_builders import NOW, PROTOCOL, VERSIONS, assert_valid, subject, text

R4_LIKE = (Version.R4, Version.R4B)
STATUSES = (
    "candidate",
    "eligible",
    "follow-up",
    "ineligible",
    "not-registered",
    "off-study",
    "on-study",
    "on-study-intervention",
    "on-study-observation",
    "pending-on-study",
    "potential-candidate",
    "screening",
    "withdrawn",
)
ENROLLED = subject(
    status="on-study-intervention",
    enrolled_on=date(2026, 5, 4),
    ended_on=date(2026, 6, 4),
    planned_arm="alone",
    actual_arm="combined",
    replay=True,
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_subject_of_every_status_is_valid_in_every_version(status, version):
    assert_valid(research_subject.write(subject(status=status), PROTOCOL, version), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subject_on_study_is_valid_in_every_version(version):
    assert_valid(research_subject.write(ENROLLED, PROTOCOL, version), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_version_moment_study_and_period_are_there_in_every_version(version):
    found = research_subject.write(ENROLLED, PROTOCOL, version)
    assert found["meta"]["versionId"] == "3"
    assert found["meta"]["lastUpdated"] == "2026-05-20T09:30:00+00:00"
    assert found["meta"]["tag"][0]["code"] == "HTEST"
    assert found["study"]["reference"] == "ResearchStudy/refnot-r2"
    assert found["study"]["identifier"]["value"] == "NCT05898451"
    assert found["period"] == {"start": "2026-05-04", "end": "2026-06-04"}


@pytest.mark.parametrize("version", R4_LIKE)
def test_r4_says_status_individual_and_arms_by_name(version):
    found = research_subject.write(ENROLLED, PROTOCOL, version)
    assert found["status"] == "on-study-intervention"
    assert found["individual"] == {"reference": "Patient/p1"}
    assert found["assignedArm"] == "Independent use of Refnot"
    assert found["actualArm"] == "The use of Refnot in combination with chemotherapy"


@pytest.mark.parametrize("version", R4_LIKE)
def test_r4_carries_the_history_as_cross_version_extension(version):
    steps = research_subject.write(subject(), PROTOCOL, version)["extension"]
    assert {step["url"] for step in steps} == {
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchSubject.progress"
    }
    first = {part["url"]: part for part in steps[0]["extension"]}
    assert first["subjectState"]["valueCodeableConcept"]["coding"][0]["code"] == "candidate"
    assert first["reason"]["valueCodeableConcept"] == {"text": "the feed sent them"}
    assert first["endDate"]["valueDateTime"] == "2026-05-04"


def test_r5_says_progress_subject_and_arms_by_link_id():
    found = research_subject.write(ENROLLED, PROTOCOL, Version.R5)
    assert found["status"] == "active"
    assert found["subject"] == {"reference": "Patient/p1"}
    assert (found["assignedComparisonGroup"], found["actualComparisonGroup"]) == (
        "alone",
        "combined",
    )
    states = [step["subjectState"]["coding"][0]["code"] for step in found["progress"]]
    assert states == ["candidate", "screening", "eligible"]
    assert "endDate" not in found["progress"][-1]


@pytest.mark.parametrize(
    ("arm", "r4", "r5", "why"),
    [
        ("", None, None, "no arm yet"),
        ("Independent use of Refnot", "Independent use of Refnot", "alone", "said by name"),
        ("third", "third", "third", "not of this protocol, but an id can say it"),
        ("a third arm", "a third arm", None, "an id cannot say it"),
    ],
)
def test_an_arm_is_said_as_each_version_can_say_it(arm, r4, r5, why):
    held = subject(planned_arm=arm)
    assert research_subject.write(held, PROTOCOL, Version.R4).get("assignedArm") == r4, why
    found = research_subject.write(held, PROTOCOL, Version.R5)
    assert found.get("assignedComparisonGroup") == r5, why


@pytest.mark.parametrize("version", VERSIONS)
def test_only_replayed_participation_is_test_data(version):
    assert "tag" not in research_subject.write(subject(), PROTOCOL, version)["meta"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_patient_is_named_by_reference_alone(version):
    elsewhere = "https://hospital.example.org/fhir/Patient/77"
    found = research_subject.write(subject(), PROTOCOL, version, patient_reference=elsewhere)
    assert elsewhere in json.dumps(found)
    assert "Patient/p1" not in json.dumps(found)


def change(status: str, at: date, since: date | None = None) -> StatusChange:
    moment = datetime.combine(at, time(9), UTC)
    return StatusChange(status, moment, text("because"), "rule", since)


# Dosed in May, died in June, and all of it known here in November only.
LATE = subject(
    status="off-study",
    enrolled_on=date(2026, 5, 4),
    ended_on=date(2026, 6, 4),
    replay=True,
    history=(
        change("candidate", date(2026, 11, 24), date(2026, 11, 24)),
        change("on-study-intervention", date(2026, 11, 25), date(2026, 5, 4)),
        change("off-study", date(2026, 11, 26), date(2026, 6, 4)),
    ),
)


def stages_of(found, version):
    """(state, start, end) of every step, in whichever form the version has them."""
    if version is Version.R5:
        steps = found["progress"]
    else:
        steps = [
            {part["url"]: part.get("valueDateTime", part.get("valueCodeableConcept"))
             for part in step["extension"]}
            for step in found["extension"]
        ]  # fmt: skip
    return [
        (step["subjectState"]["coding"][0]["code"], step["startDate"], step.get("endDate"))
        for step in steps
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_since_when_has_one_answer_in_every_version(version):
    found = research_subject.write(LATE, PROTOCOL, version)
    assert_valid(found, version)
    assert stages_of(found, version) == [
        ("candidate", "2026-05-04", "2026-05-04"),
        ("on-study-intervention", "2026-05-04", "2026-06-04"),
        ("off-study", "2026-06-04", None),
    ]
    assert found["period"] == {"start": "2026-05-04", "end": "2026-06-04"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_history_of_an_earlier_release_knows_the_day_of_its_record(version):
    old = subject(history=(change("candidate", date(2026, 5, 1)), change("eligible", NOW.date())))
    assert stages_of(research_subject.write(old, PROTOCOL, version), version) == [
        ("candidate", "2026-05-01", "2026-05-20"),
        ("eligible", "2026-05-20", None),
    ]
