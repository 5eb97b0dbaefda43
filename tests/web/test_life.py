"""What becomes of a subject among people: enrolled, followed, ended, and never undone by data."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from refnot_fhir.core.rules import Arm, Rulebook
from refnot_fhir.store.contract import Key
from tests.door import (
    FHIR_JSON,
    R2,
    Door,
    Json,
    bundle,
    content,
    dose,
    eligible,
    entry,
    lab,
    matches,
    open_door,
    patient,
    small_rulebook,
    transaction,
)

ALONE = Arm("monotherapy", "Refnot alone", "Experimental", "without chemotherapy")
BOTH = Arm("with-chemotherapy", "Refnot with chemotherapy", "Experimental", "with it")
NUMBERS = "urn:trial:subject-numbers"
R5 = f"{FHIR_JSON}; fhirVersion=5.0"


def rulebook(status: str = "active") -> Rulebook:
    """The small rulebook with two arms, of a study with that status."""
    return small_rulebook(protocols={"r2": replace(R2, arms=(ALONE, BOTH), status=status)})


@pytest.fixture
def trial(tmp_path: Path, kind_of_store: str, request: pytest.FixtureRequest) -> Iterator[Door]:
    """A study that takes people in, with an eligible patient p1 and a candidate p2."""
    postgresql = kind_of_store == "postgresql"
    url = request.getfixturevalue("postgresql_migrated_url") if postgresql else ""
    with open_door(tmp_path, rulebook=rulebook(), url=url) as door:
        door.kept(*eligible(), patient("p2"))
        yield door


def stated(**values: object) -> Json:
    """Parameters: `arm="…"`, `on="…"` for the date, `number="…"`, `reason_code="…"` …"""
    parameters: list[Json] = []
    for name, value in values.items():
        if name == "number":
            number = {"system": NUMBERS, "value": value}
            parameters.append({"name": "subject-number", "valueIdentifier": number})
        elif name == "on":
            parameters.append({"name": "date", "valueDate": value})
        elif name == "consent":
            parameters.append({"name": "consent", "valueReference": {"reference": value}})
        else:
            parameters.append({"name": name.replace("_", "-"), "valueString": value})
    said = {"parameter": parameters} if parameters else {}
    return {"resourceType": "Parameters", **said}


def decide(door: Door, verb: str, of: str = "p1", **values: object) -> Json:
    """The answer to a decision that must be carried out."""
    answer = door.post(f"ResearchSubject/{door.subject(of)['id']}/${verb}", stated(**values))
    assert answer.status_code == 200, answer.text
    found: Json = content(answer)
    return found


def refused(door: Door, verb: str, of: str = "p1", status: int = 422, **values: object) -> str:
    """Why a decision is refused; it changes nothing."""
    before = door.state()
    answer = door.post(f"ResearchSubject/{door.subject(of)['id']}/${verb}", stated(**values))
    assert answer.status_code == status, answer.text
    assert door.state() == before
    return " ".join(issue["details"]["text"] for issue in content(answer)["issue"])


def enrol(door: Door, of: str = "p1", number: str = "R2-001", **values: object) -> Json:
    """The subject after its enrolment."""
    return decide(door, "enrol", of, arm="monotherapy", number=number, actor="Dr A", **values)


def steps(subject: Json) -> list[tuple[str, str, str]]:
    """State or milestone, first day, reason of each step of an R5 subject."""
    return [
        (
            one.get("subjectState", one.get("milestone"))["coding"][0]["code"],
            one.get("startDate", ""),
            one.get("reason", {}).get("text", ""),
        )
        for one in subject["progress"]
    ]


def findings(door: Door, of: str = "p1") -> list[tuple[str, str, bool]]:
    """Code, criterion and whether it is resolved, of each finding after enrolment."""
    with door.service.store.read() as reader:
        newest = reader.subject_history(door.subject(of)["id"])[0].subject
    return [(one.code, one.criterion, one.resolved is not None) for one in newest.findings]


def test_an_eligible_patient_is_enrolled_in_an_arm_under_a_number(trial: Door) -> None:
    subject = enrol(trial, reason="Signed on the ward.")
    assert subject["status"] == "on-study"
    assert (subject["assignedArm"], subject["actualArm"]) == (ALONE.name, ALONE.name)
    assert subject["identifier"] == [{"system": NUMBERS, "value": "R2-001"}]
    assert subject["period"] == {"start": "2026-05-20"}
    assert "tag" not in subject["meta"]
    r5 = trial.subject(version="5.0")
    assert (r5["assignedComparisonGroup"], r5["actualComparisonGroup"]) == (ALONE.id, ALONE.id)
    assert steps(r5) == [
        ("eligible", "2026-05-20", "Every criterion is satisfied as of 2026-05-20."),
        ("on-study", "2026-05-20", "Signed on the ward."),
    ]
    for query in (
        f"identifier={NUMBERS}|R2-001", "identifier=R2-001", "status=on-study",
        "patient=p1&study=r2&status=on-study,on-study-intervention,follow-up",
    ):  # fmt: skip
        assert [it["id"] for it in matches(trial.get(f"ResearchSubject?{query}"))] == [
            subject["id"]
        ]


def test_the_same_decision_again_changes_nothing(trial: Door) -> None:
    enrol(trial)
    before = trial.state()
    assert enrol(trial)["meta"]["versionId"] == "2"
    assert trial.state() == before


def test_a_whole_life_has_a_day_a_reason_and_somebody_for_each_status(trial: Door) -> None:
    decide(trial, "consent", on="2026-05-10", consent="Consent/c1", actor="Dr A")
    decide(trial, "await-enrolment", reason="A bed is free on Monday.")
    enrol(trial)
    trial.clock.move(days=2)
    decide(trial, "start-intervention", actor="Nurse B")
    trial.clock.move(days=30)
    decide(trial, "follow-up", on="2026-06-18", reason="Second course not given.")
    trial.clock.move(days=30)
    off = decide(trial, "off-study", reason_code="progressive-disease", reason="CT of 2026-07-20.")
    assert off["period"] == {"start": "2026-05-20", "end": "2026-07-21"}
    assert off["consent"] == {"reference": "Consent/c1"}
    r5 = trial.subject(version="5.0")
    assert r5["consent"] == [{"reference": "Consent/c1"}]
    assert [step[:2] for step in steps(r5)] == [
        ("C16735", "2026-05-10"),
        ("eligible", "2026-05-20"),
        ("pending-on-study", "2026-05-20"),
        ("on-study", "2026-05-20"),
        ("on-study-intervention", "2026-05-22"),
        ("follow-up", "2026-06-18"),
        ("off-study", "2026-07-21"),
    ]
    last = r5["progress"][-1]["reason"]
    assert last["text"] == "Progressive disease: CT of 2026-07-20."
    assert last["coding"][0]["code"] == "C35571"
    assert "nothing follows off-study" in refused(trial, "enrol", arm="monotherapy")


REFUSED = [
    ("enrol", {}, "the arm is not stated: it is one of monotherapy (Refnot alone), with-chemo"),
    ("enrol", {"arm": "third", "number": "1"}, "the study has no such arm"),
    ("enrol", {"arm": "monotherapy"}, "the subject number is not stated"),
    ("enrol", {"arm": ALONE.name, "number": "1", "on": "2026-05-21"}, "2026-05-21 is in"),
    ("enrol", {"arm": ALONE.name, "number": "1", "actor": "Rule"}, "not said who decided"),
    ("enrol", {"arm": ALONE.name, "number": "1", "reason_code": "death"}, "no reason for on"),
    ("enrol", {"arm": ALONE.name, "number": "1", "on": "2026-03-01"}, "2026-03-01 not every crit"),
    ("start-intervention", {}, "the arm is not stated"),
    ("follow-up", {}, "a subject that is eligible cannot be made follow-up by a person: allowed "
     "are ineligible, pending-on-study, on-study, on-study-intervention, withdrawn"),
    ("off-study", {}, "a coded reason is needed for off-study: completed, progressive-disease"),
    ("withdraw-consent", {}, "no consent is on record that could be withdrawn"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "values", "why"), REFUSED)
def test_what_may_not_be_is_refused_with_what_may(
    trial: Door, verb: str, values: dict[str, object], why: str
) -> None:
    assert why in refused(trial, verb, **values)


def test_nobody_is_enrolled_who_is_not_eligible(trial: Door) -> None:
    assert "cannot be made on-study by a person" in refused(
        trial, "enrol", "p2", arm="monotherapy", number="1"
    )


def test_an_enrolment_is_judged_by_its_own_day(trial: Door) -> None:
    trial.clock.move(days=40)
    assert trial.subject()["status"] == "screening"
    subject = enrol(trial, on="2026-05-20")
    assert (subject["status"], subject["period"]) == ("on-study", {"start": "2026-05-20"})


def test_a_pending_subject_is_still_eligible_when_it_is_enrolled(trial: Door) -> None:
    decide(trial, "await-enrolment")
    trial.kept(lab("p1-plt", 100))
    assert trial.subject()["status"] == "pending-on-study"
    assert "not every criterion was satisfied: IN07B" in refused(
        trial, "enrol", arm="monotherapy", number="1"
    )


def test_two_subjects_do_not_share_a_number(trial: Door) -> None:
    enrol(trial)
    trial.kept(*eligible("p3"))
    assert "another subject of the study has this subject number" in refused(
        trial, "enrol", "p3", status=409, arm="monotherapy", number="R2-001"
    )


def test_of_two_at_once_one_gets_the_number(trial: Door) -> None:
    trial.kept(*eligible("p3"))
    ids = [trial.subject(of)["id"] for of in ("p1", "p3")]
    body = stated(arm="monotherapy", number="R2-001")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda id_: trial.post(f"ResearchSubject/{id_}/$enrol", body), ids))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_a_correction_needs_a_reason_and_keeps_what_was(trial: Door) -> None:
    enrol(trial)
    assert "state a reason" in refused(trial, "enrol", arm="with-chemotherapy", number="R2-001")
    trial.clock.move(days=1)
    subject = enrol(trial, on="2026-05-21", reason="Wrong day in the first entry.")
    assert subject["period"] == {"start": "2026-05-21"}
    earlier = content(trial.get(f"ResearchSubject/{subject['id']}/_history/2"))
    assert earlier["period"] == {"start": "2026-05-20"}
    changed = decide(trial, "enrol", arm="with-chemotherapy", reason="Chemotherapy was begun.")
    assert (changed["assignedArm"], changed["actualArm"]) == (BOTH.name, BOTH.name)


def test_a_completed_study_takes_people_in_only_under_replay(tmp_path: Path) -> None:
    for replay in (False, True):
        folder = tmp_path / str(replay)
        folder.mkdir()
        with open_door(folder, rulebook=rulebook("completed"), replay=replay) as door:
            door.kept(*eligible())
            if replay:
                subject = enrol(door)
                assert subject["meta"]["tag"][0]["code"] == "HTEST"
            else:
                said = refused(door, "enrol", arm="monotherapy", number="1")
                assert "the study is completed and takes nobody in" in said


def test_no_fact_undoes_an_enrolment_and_each_is_a_finding_with_its_day(trial: Door) -> None:
    decide(trial, "consent", on="2026-05-10")
    enrol(trial)
    trial.clock.move(days=1)
    trial.kept(lab("p1-plt", 100))
    assert trial.subject()["status"] == "on-study"
    assert findings(trial) == [("not-satisfied", "IN07B", False)]
    trial.kept(lab("p1-plt", 100, status="entered-in-error"))
    assert findings(trial) == [
        ("not-satisfied", "IN07B", True), ("no-longer-known", "IN07B", False)
    ]  # fmt: skip
    trial.kept(lab("p1-plt", 201))
    assert all(resolved for _, _, resolved in findings(trial))
    trial.kept(lab("later", 90, days_ago=-1))
    decide(trial, "withdraw-consent")
    trial.kept(patient("p1", deceasedDateTime="2026-05-21"))
    assert findings(trial)[2:] == [
        ("since-enrolment", "IN07B", False), ("consent-withdrawn", "", False), ("died", "", False)
    ]  # fmt: skip
    assert trial.subject()["status"] == "on-study"


def test_findings_are_in_the_report_and_doses_outside_in_the_dosing_record(trial: Door) -> None:
    decide(trial, "consent", on="2026-05-19")
    id_ = enrol(trial)["id"]
    decide(trial, "start-intervention")
    trial.kept(lab("p1-plt", 100))
    report = content(trial.get(f"ResearchSubject/{id_}/$screening-report"))
    (issue,) = [
        one["resource"] for one in report["entry"]
        if one["resource"]["resourceType"] == "DetectedIssue"
    ]  # fmt: skip
    assert [it["code"] for it in issue["code"]["coding"]] == ["eligibility-finding", "IN07B"]
    assert issue["implicated"][0]["reference"].endswith("Observation/p1-plt/_history/2")
    assert issue["detail"].startswith("IN07B, met at enrolment, is not-met")
    trial.kept(lab("p1-plt", 201))
    report = content(trial.get(f"ResearchSubject/{id_}/$screening-report"))
    assert report["entry"][-1]["resource"]["mitigation"][0]["date"]
    trial.kept(dose("d0", days_ago=3), dose("d1"))
    # What was given before the enrolment is no dose of the trial for the criteria.
    assert findings(trial)[1:] == [("not-satisfied", "EX09", False)]
    doses = content(trial.get(f"ResearchSubject/{id_}/$dosing-record"))
    found = {
        one["resource"]["code"]["coding"][0]["code"]
        for one in doses["entry"]
        if one["resource"]["resourceType"] == "DetectedIssue"
    }
    assert {"dose-before-consent", "dose-before-enrolment"} <= found


def test_a_merge_and_a_withdrawn_patient_are_findings_too(trial: Door) -> None:
    enrol(trial)
    other = {"other": {"reference": "Patient/p2"}, "type": "replaced-by"}
    trial.kept(patient("p1", link=[other]))
    assert ("merged", "", False) in findings(trial)
    trial.send("DELETE", "Patient/p1")
    assert ("merged", "", True) in findings(trial)
    assert ("no-patient", "", False) in findings(trial)
    assert trial.subject()["status"] == "on-study"


def test_a_record_that_is_not_in_use_enrols_nobody_and_is_a_finding_later(trial: Door) -> None:
    trial.kept(patient("p1", active=False))
    said = refused(trial, "enrol", arm="monotherapy", number="R2-001", actor="Dr A")
    assert "not in use" in said
    trial.kept(patient("p1", active=True))
    enrol(trial)
    trial.kept(patient("p1", active=False, meta={"lastUpdated": "2030-01-01T00:00:00Z"}))
    assert ("not-in-use", "", False) in findings(trial)


def test_the_consent_of_another_patient_is_nobodys_milestone(trial: Door) -> None:
    trial.kept(patient("p2"), {
        "resourceType": "Consent", "id": "other", "status": "active",
        "scope": {"coding": [{"code": "research"}]}, "category": [{"text": "consent"}],
        "patient": {"reference": "Patient/p2"}, "policy": [{"uri": "urn:policy"}],
    })  # fmt: skip
    said = refused(trial, "consent", consent="Consent/other", actor="Dr A")
    assert "the consent of another patient" in said


def test_time_alone_makes_no_finding(trial: Door) -> None:
    enrol(trial)
    trial.clock.move(days=100)
    trial.kept(lab("later", 180, days_ago=-90))
    assert findings(trial) == []


def test_a_screen_failure_stands_until_it_is_handed_back(trial: Door) -> None:
    decide(trial, "reject", reason_code="screen-failure", reason="No vein.")
    trial.kept(lab("p1-plt", 210))
    assert trial.subject()["status"] == "ineligible"
    back = decide(trial, "screen-again", reason="A port was placed.")
    assert (back["status"], back["meta"]["versionId"]) == ("eligible", "4")
    handed = content(trial.get(f"ResearchSubject/{back['id']}/_history/3"))
    assert handed["status"] == "screening"


def test_the_report_at_enrolment_is_frozen(trial: Door) -> None:
    subject = enrol(trial)
    address = f"ResearchSubject/{subject['id']}/$screening-report?at=enrolment"
    first = trial.get(address)
    trial.clock.move(days=3)
    trial.kept(lab("p1-plt", 100))
    again = trial.get(address)
    assert first.data == again.data
    assert first.headers["ETag"] == f'"{sha256(first.data).hexdigest()}"'
    assert first.headers["X-Rules"] == "1 protocol-digest" or first.headers["X-Rules"]
    assert content(first)["entry"][0]["resource"] == subject
    with trial.service.store.read() as reader:
        report = reader.frozen_report(subject["id"])
        newest = reader.subject_history(subject["id"])[0].subject
    assert report is not None
    assert "Observation/p1-plt/_history/1" in report.sources
    assert newest.report == report.digest.hex()
    assert trial.get(address.replace("at=enrolment", "at=exit")).status_code == 400
    assert trial.get(address + "&date=2026-05-20").status_code == 400
    other = trial.subject("p2")["id"]
    assert trial.get(f"ResearchSubject/{other}/$screening-report?at=enrolment").status_code == 404


def test_the_history_says_what_moved_and_why(trial: Door) -> None:
    subject = enrol(trial)
    trial.kept(lab("p1-plt", 100))
    found = content(trial.get(f"ResearchSubject/{subject['id']}/_history"))
    said = [
        [issue["details"]["text"] for issue in entry["response"]["outcome"]["issue"]]
        for entry in found["entry"]
    ]
    assert [entry["resource"]["meta"]["versionId"] for entry in found["entry"]] == ["3", "2", "1"]
    assert any(one.startswith("IN07B met → not-met: platelets 100") for one in said[0])
    assert any("IN07B, met at enrolment, is not-met" in one for one in said[0])
    assert said[1] == ["on-study since 2026-05-20, by Dr A: Set by Dr A, without a reason."]
    assert any(one.startswith("IN07B unknown → met") for one in said[2])


def test_a_decision_may_name_the_version_that_it_was_taken_by(trial: Door) -> None:
    id_ = trial.subject()["id"]
    body = stated(arm="monotherapy", number="1")
    late = trial.post(f"ResearchSubject/{id_}/$enrol", body, If_Match='W/"7"')
    assert late.status_code == 412
    assert trial.post(f"ResearchSubject/{id_}/$enrol", body, If_Match='W/"1"').status_code == 200


def test_a_decision_is_audited_with_who_sent_it_and_who_decided(trial: Door) -> None:
    before = trial.rows()["audit"]
    enrol(trial)
    assert trial.rows()["audit"] == before + 1
    assert trial.service.store.verify_audit() is None


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": [{"name": "colour", "valueString": "red"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "date", "valueBoolean": True}]},
        {"resourceType": "Parameters", "parameter": [{"name": "arm", "valueString": "a"}] * 2},
        {"resourceType": "Parameters", "parameter": [{}]},
    ],
)
def test_parameters_that_are_not_understood_are_refused(trial: Door, body: Json) -> None:
    answer = trial.post(f"ResearchSubject/{trial.subject()['id']}/$enrol", body)
    assert answer.status_code == 400


def test_a_decision_on_nobody_is_not_found(trial: Door) -> None:
    assert trial.post("ResearchSubject/none/$enrol", stated()).status_code == 404
    assert trial.get("ResearchSubject/none/_history").status_code == 404


# A trial management system


def of_ctms(of: str = "p1", **changes: object) -> Json:
    """A ResearchSubject in R4 as a system of the study states it."""
    return {
        "resourceType": "ResearchSubject",
        "identifier": [{"system": NUMBERS, "value": "R2-007"}],
        "status": "on-study",
        "period": {"start": "2026-05-20"},
        "study": {"reference": "ResearchStudy/r2"},
        "individual": {"reference": f"Patient/{of}"},
        "assignedArm": ALONE.name,
        **changes,
    }


def test_a_ctms_enrols_by_a_resource_of_its_own(trial: Door) -> None:
    answer = trial.post("ResearchSubject", of_ctms())
    assert answer.status_code == 200, answer.text
    subject = content(answer)
    assert subject["id"] == trial.subject()["id"]
    assert (subject["status"], subject["actualArm"]) == ("on-study", ALONE.name)
    before = trial.state()
    assert trial.post("ResearchSubject", of_ctms()).status_code == 200
    assert trial.state() == before
    with trial.service.store.read() as reader:
        kept = reader.kept(Key("default", "ResearchSubject", subject["id"]))
    assert kept is not None
    assert b'"R2-007"' in kept.body


def test_a_ctms_may_send_back_what_it_read_with_another_status(trial: Door) -> None:
    enrol(trial, reason="Signed.")
    for version in ("4.0", "5.0"):
        before = trial.state()
        sent = trial.subject(version=version)
        media = f"{FHIR_JSON}; fhirVersion={version}"
        path = f"ResearchSubject/{sent['id']}"
        same = trial.send("PUT", path, sent, content_type=media)
        assert (same.status_code, trial.state()) == (200, before), same.text
    r4 = trial.subject()
    begun = trial.put({**r4, "status": "on-study-intervention"})
    assert content(begun)["status"] == "on-study-intervention"
    r5 = trial.subject(version="5.0")
    step = {**r5["progress"][-1], "startDate": "2026-05-20"}
    step["subjectState"] = {"coding": [{**step["subjectState"]["coding"][0], "code": "off-study"}]}
    step["reason"] = {"coding": [{"system": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
                                  "code": "C28554"}]}  # fmt: skip
    ended = [{**one, "endDate": "2026-05-20"} for one in r5["progress"]]
    sent = {**r5, "progress": [*ended, step], "period": {**r5["period"], "end": "2026-05-20"}}
    answer = trial.send("PUT", f"ResearchSubject/{r5['id']}", sent, content_type=R5)
    assert answer.status_code == 200, answer.text
    now = trial.subject()
    assert (now["status"], now["period"]["end"]) == ("off-study", "2026-05-20")
    assert steps(trial.subject(version="5.0"))[-1][2] == "Death."


WRONG = [
    ({"status": "follow-up"}, 422, "cannot be made follow-up by a ctms"),
    ({"assignedArm": "third"}, 422, "no such arm"),
    ({"study": {"reference": "ResearchStudy/other"}}, 422, "names a study that is published here"),
    ({"individual": {"reference": "http://elsewhere.example/Patient/p1"}}, 422, "by a reference"),
    ({"individual": {"reference": "Patient/nobody"}}, 422, "nothing is known here of that patient"),
    ({"status": "banana"}, 422, "status"),
    ({"period": {"start": "2027-01-01"}}, 422, "is in the future"),
]


@pytest.mark.parametrize(("changes", "status", "why"), WRONG)
def test_a_ctms_meets_the_same_checks(trial: Door, changes: Json, status: int, why: str) -> None:
    before = trial.state()
    answer = trial.post("ResearchSubject", of_ctms(**changes))
    assert answer.status_code == status, answer.text
    assert why in answer.text
    assert trial.state() == before


def test_a_ctms_puts_only_to_a_subject_that_is_there_and_to_its_own_patient(trial: Door) -> None:
    assert trial.put(of_ctms(id="unknown")).status_code == 404
    mine = trial.subject()["id"]
    assert trial.put(of_ctms("p2", id=mine)).status_code == 422
    other = of_ctms(id="x")
    assert trial.send("PUT", f"ResearchSubject/{mine}", other).status_code == 400
    assert trial.send("DELETE", f"ResearchSubject/{mine}").status_code == 405


def test_a_ctms_that_says_screening_leaves_it_to_the_rules(trial: Door) -> None:
    subject = content(trial.post("ResearchSubject", of_ctms(status="screening")))
    assert subject["status"] == "eligible"
    assert subject["identifier"] == [{"system": NUMBERS, "value": "R2-007"}]


def test_a_batch_may_bring_a_patient_and_the_decision_on_it(trial: Door) -> None:
    request = {"method": "POST", "url": "ResearchSubject"}
    decisions = [
        {"resource": one, "request": request}
        for one in (of_ctms("p4"), of_ctms("p4", status="off-study"), of_ctms("p4", status="x"))
    ]
    answer = trial.post("", bundle("batch", *map(entry, eligible("p4")), *decisions))
    statuses = [one["response"]["status"][:3] for one in content(answer)["entry"]]
    assert statuses == ["201"] * len(eligible("p4")) + ["200", "200", "422"], answer.text
    assert trial.subject("p4")["status"] == "off-study"
    assert trial.post("", transaction(of_ctms("p4"))).status_code == 400


def test_a_ctms_may_nominate_a_patient_whom_the_hospital_does_not(tmp_path: Path) -> None:
    book = rulebook()
    sites = {name: replace(site, propose="none") for name, site in book.sites.items()}
    with open_door(tmp_path, rulebook=replace(book, sites=sites)) as door:
        door.kept(*eligible())
        answer = door.post("ResearchSubject", of_ctms(status="candidate"))
        assert answer.status_code in (200, 201), answer.text
        assert door.subject()["status"] == "eligible"


def test_an_r5_hospital_is_sent_a_subject_in_r5(trial: Door) -> None:
    fifth = trial.at("fifth")
    r5 = []
    for one in eligible("p9"):
        if one["resourceType"] == "MedicationAdministration":
            concept = one.pop("medicationCodeableConcept")
            one |= {"medication": {"concept": concept}}
            one["occurenceDateTime"] = one.pop("effectiveDateTime")
        r5.append(one)
    fifth.kept(*r5)
    state = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/research-subject-state",
                         "code": "on-study"}]}  # fmt: skip
    sent = {
        "resourceType": "ResearchSubject",
        "status": "active",
        "identifier": [{"system": NUMBERS, "value": "R2-009"}],
        "progress": [{"subjectState": state, "startDate": "2026-05-20"}],
        "study": {"identifier": {"system": "https://clinicaltrials.gov", "value": "NCT00000000"}},
        "subject": {"reference": "http://localhost/fifth/fhir/Patient/p9"},
        "assignedComparisonGroup": BOTH.id,
        "consent": [{"reference": "Consent/c1"}],
    }
    answer = fifth.post("ResearchSubject", sent)
    assert answer.status_code == 200, answer.text
    found = content(answer)
    assert found["progress"][-1]["subjectState"]["coding"][0]["code"] == "on-study"
    assert found["actualComparisonGroup"] == BOTH.id
    # The day of the consent was not said.
    assert "startDate" not in found["progress"][0]
    assert found["consent"] == [{"reference": "Consent/c1"}]
    # Without a state it is about the rest alone.
    del sent["progress"]
    assert content(fifth.post("ResearchSubject", sent)) == found
    retired = fifth.post("ResearchSubject", {**sent, "status": "retired"})
    assert (retired.status_code, "only one that is active" in retired.text) == (422, True)


# Beside a replay


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Door]:
    """A replayed study, with an eligible patient who was given two doses."""
    with open_door(tmp_path, rulebook=rulebook("completed"), replay=True) as door:
        door.kept(*eligible())
        door.kept(dose("d1", days_ago=0))
        assert door.subject()["status"] == "on-study-intervention"
        yield door


def test_people_go_on_from_where_a_replay_came_to(replay: Door) -> None:
    subject = decide(replay, "follow-up", reason="Seen on the ward.")
    assert (subject["status"], subject["period"]) == ("follow-up", {"start": "2026-05-20"})
    assert subject["meta"]["tag"][0]["code"] == "HTEST"
    replay.send("DELETE", "MedicationAdministration/d1")
    assert replay.subject()["status"] == "follow-up"
    ended = decide(replay, "off-study", reason_code="completed")
    assert ended["period"] == {"start": "2026-05-20", "end": "2026-05-20"}


def test_people_enrol_whom_a_replay_found(replay: Door) -> None:
    subject = enrol(replay, reason="From the paper list.")
    assert (subject["status"], subject["assignedArm"]) == ("on-study", ALONE.name)
    assert subject["period"] == {"start": "2026-05-20"}
    replay.kept(dose("d2", days_ago=-1))
    assert replay.subject()["status"] == "on-study"
    states = [step[0] for step in steps(replay.subject(version="5.0"))]
    assert states[-2:] == ["eligible", "on-study"]


def test_a_ctms_states_arm_and_number_of_whom_a_replay_found(replay: Door) -> None:
    sent = of_ctms(status="on-study-intervention")
    subject = content(replay.post("ResearchSubject", sent))
    assert (subject["status"], subject["assignedArm"]) == ("on-study-intervention", ALONE.name)
    assert subject["identifier"] == sent["identifier"]
    # The status is still the replay's, and follows the doses.
    replay.send("DELETE", "MedicationAdministration/d1")
    again = replay.subject()
    assert (again["status"], again["identifier"]) == ("eligible", sent["identifier"])


def test_what_an_enrolment_is_refused_for_is_shown_before_it(trial: Door) -> None:
    trial.kept(dose(days_ago=5))
    assert trial.verdicts()["EX09"] == "met"
    assert "EX09" in refused(trial, "enrol", arm="monotherapy", number="R2-001", actor="Dr A")
    trial.kept(dose(status="entered-in-error"))
    enrol(trial)
    trial.kept(dose())
    assert trial.verdicts()["EX09"] == "not-met"
