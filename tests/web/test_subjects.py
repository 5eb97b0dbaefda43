"""Is this patient enrolled? Every way of asking, and what time does to the answer."""

from __future__ import annotations

import pytest

from tests.door import (
    FHIR_JSON,
    Door,
    Json,
    content,
    eligible,
    issues,
    lab,
    matches,
    medicine,
    patient,
    said,
)

MRN = [{"system": "urn:mrn", "value": "17"}]
NCT = "https://clinicaltrials.gov|NCT00000000"


@pytest.fixture
def trial(door: Door) -> Door:
    """An eligible patient p1, a candidate p2, and one of another hospital."""
    door.kept(*eligible()[1:], patient("p1", identifier=MRN), patient("p2"))
    door.at("north").kept(patient("p9"))
    return door


QUESTIONS: list[tuple[str, list[str]]] = [
    ("patient=Patient/p1&study=ResearchStudy/r2", ["p1"]),
    ("patient=p1", ["p1"]),
    ("patient=Patient/p1", ["p1"]),
    ("patient:Patient=p1", ["p1"]),
    ("patient=http://localhost/fhir/Patient/p1", ["p1"]),
    ("patient=http://elsewhere.example/fhir/Patient/p1", []),
    ("patient=p1,p2", ["p1", "p2"]),
    ("patient=p1&patient=p2", []),
    ("patient=p9", []),
    ("patient=", ["p1", "p2"]),
    ("individual=Patient/p1&status=eligible,on-study", ["p1"]),
    ("individual=Patient/p1&status=on-study,on-study-intervention,follow-up", []),
    ("subject=Patient/p2", ["p2"]),
    ("study=r2", ["p1", "p2"]),
    ("study=ResearchStudy/r2", ["p1", "p2"]),
    ("study:ResearchStudy=r2", ["p1", "p2"]),
    ("study=http://localhost/fhir/ResearchStudy/r2", ["p1", "p2"]),
    ("study=other", []),
    ("status=candidate", ["p2"]),
    ("status=http://hl7.org/fhir/research-subject-status|eligible", ["p1"]),
    ("status:not=eligible", ["p2"]),
    ("patient.identifier=urn:mrn|17", ["p1"]),
    ("patient:Patient.identifier=17", ["p1"]),
    ("individual.identifier=urn:mrn|17", ["p1"]),
    ("patient.identifier=urn:mrn|18", []),
    ("patient.identifier=urn:mrn|17&status=candidate", []),
    ("patient.gender=male", ["p1", "p2"]),
    (f"study.identifier={NCT}", ["p1", "p2"]),
    (f"study:ResearchStudy.identifier={NCT}", ["p1", "p2"]),
    (f"study:identifier={NCT}", ["p1", "p2"]),
    ("study.identifier=https://clinicaltrials.gov|NCT1", []),
    ("study.title=a trial", ["p1", "p2"]),
    ("identifier=urn:subjects|R2-001", []),
    ("identifier:missing=true", ["p1", "p2"]),
    ("patient:missing=false", ["p1", "p2"]),
    ("patient:missing=true", []),
    ("_id:missing=false&study:missing=false", ["p1", "p2"]),
    ("_id:not=none", ["p1", "p2"]),
    ("patient:identifier=urn:mrn|17", []),
    ("study.identifier:not=x", ["p1", "p2"]),
    ("patient.identifier:not=urn:mrn|17", ["p2"]),
    ("date=2026", []),
    ("_lastUpdated=ge2026-05-20", ["p1", "p2"]),
    ("_lastUpdated=lt2026-05-20", []),
    ("", ["p1", "p2"]),
]


@pytest.mark.parametrize(("query", "patients"), QUESTIONS)
def test_whether_a_patient_is_in_can_be_asked_in_every_standard_way(
    trial: Door, query: str, patients: list[str]
) -> None:
    got = trial.get(f"ResearchSubject?{query}")
    found = [it["individual"]["reference"] for it in matches(got)]
    assert found == [f"Patient/{one}" for one in patients]
    posted = trial.send(
        "POST", "ResearchSubject/_search", query,
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert numbered(content(posted)) == numbered(content(got))


def numbered(found: Json) -> Json:
    """A search result without the ids that are new in every answer."""
    entries = found.get("entry", [])
    plain = [{**it, "fullUrl": ""} if it["search"]["mode"] == "outcome" else it for it in entries]
    return {**found, "entry": plain}


R5_QUESTIONS = [
    ("subject=p1", ["p1"]),
    ("individual=p1", ["p1"]),
    ("patient=p1&status=active", ["p1"]),
    ("subject_state=eligible", ["p1"]),
    ("subject_state=candidate", ["p2"]),
    ("study=r2&_count=1", ["p1"]),
]


@pytest.mark.parametrize(("query", "patients"), R5_QUESTIONS)
def test_the_names_of_r5_are_understood_in_r5(trial: Door, query: str, patients: list[str]) -> None:
    answer = trial.get(f"ResearchSubject?{query}", Accept=f"{FHIR_JSON}; fhirVersion=5.0")
    found = [it["subject"]["reference"] for it in matches(answer)]
    assert found == [f"Patient/{one}" for one in patients]


def test_only_a_number_may_be_asked_for(trial: Door) -> None:
    counted = content(trial.get("ResearchSubject?study=r2&_summary=count"))
    assert (counted["total"], counted.get("entry")) == (2, None)
    assert content(trial.get("ResearchSubject?status=eligible&_summary=count"))["total"] == 1


@pytest.mark.parametrize(
    ("include", "found"),
    [
        ("ResearchSubject:study", {"ResearchStudy/r2"}),
        ("ResearchSubject:individual", {"Patient/p1", "Patient/p2"}),
        ("ResearchSubject:patient:Patient", {"Patient/p1", "Patient/p2"}),
        ("*", {"ResearchStudy/r2", "Patient/p1", "Patient/p2"}),
    ],
)
def test_what_a_subject_refers_to_may_be_included(
    trial: Door, include: str, found: set[str]
) -> None:
    body = content(trial.get(f"ResearchSubject?study=r2&_include={include}"))
    included = [it for it in body["entry"] if it["search"]["mode"] == "include"]
    assert {it["fullUrl"].removeprefix("http://localhost/fhir/") for it in included} == found
    for one in included:
        assert one["resource"] == content(trial.get(one["fullUrl"]))


def test_a_deleted_patient_is_not_included(trial: Door) -> None:
    trial.send("DELETE", "Patient/p2")
    body = content(trial.get("ResearchSubject?patient=p2&_include=ResearchSubject:patient"))
    assert [it["search"]["mode"] for it in body["entry"]] == ["match", "outcome"]
    assert "Patient/p2" in str(body["entry"][1]["resource"])


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_of_subjects_give_each_once(door: Door, size: int) -> None:
    door.kept(*(patient(f"p{n}") for n in range(5)))
    found, url = [], f"ResearchSubject?study=r2&_count={size}"
    while url:
        answer = door.get(url)
        found += [it["individual"]["reference"] for it in matches(answer)]
        links = {it["relation"]: it["url"] for it in content(answer)["link"]}
        url = links.get("next", "")
    assert found == [f"Patient/p{n}" for n in range(5)]


def test_pages_reach_beyond_what_is_read_at_once(door: Door) -> None:
    door.kept(*(patient(f"p{n:03}") for n in range(205)))
    first = door.get("ResearchSubject?_count=203")
    links = {it["relation"]: it["url"] for it in content(first)["link"]}
    rest = matches(door.get(links["next"]))
    assert [it["individual"]["reference"] for it in rest] == ["Patient/p203", "Patient/p204"]


def test_the_study_is_found_by_its_registry_number_and_read(door: Door) -> None:
    found = matches(door.get(f"ResearchStudy?identifier={NCT}"))
    assert [it["id"] for it in found] == ["r2"]
    read = door.get("ResearchStudy/r2")
    assert content(read) == found[0]
    version = found[0]["meta"]["versionId"]
    assert content(door.get(f"ResearchStudy/r2/_history/{version}")) == found[0]
    assert door.get("ResearchStudy/r2/_history/other").status_code == 404
    assert door.get("ResearchStudy/other").status_code == 404
    assert door.get("ResearchStudy/r2", If_None_Match=read.headers["ETag"]).status_code == 304
    assert matches(door.get("ResearchStudy?status=active")) == []
    assert matches(door.get("ResearchStudy?_count=1&_after=1")) == []


# Time


def test_a_status_falls_back_when_its_evidence_is_too_old_without_any_message(trial: Door) -> None:
    assert trial.subject()["status"] == "eligible"
    before = trial.state()
    trial.clock.move(days=14)
    assert trial.subject()["status"] == "eligible"
    trial.clock.move(days=1)
    now = trial.subject()
    assert now["status"] == "screening"
    assert now["meta"]["versionId"] == "2"
    assert matches(trial.get("ResearchSubject?status=eligible")) == []
    assert len(matches(trial.get("ResearchSubject?status=screening"))) == 1
    assert trial.state() == before


def test_no_question_writes_anything(trial: Door) -> None:
    trial.clock.move(days=60)
    before = trial.state()
    subject = trial.subject()["id"]
    for path in (
        "ResearchSubject?study=r2",
        f"ResearchSubject/{subject}",
        f"ResearchSubject/{subject}/_history/1",
        f"ResearchSubject/{subject}/$screening-report",
        f"ResearchSubject/{subject}/$dosing-record",
        "Observation?patient=p1",
        "metadata",
        "/records/dosing",
        "/",
    ):
        assert trial.get(path).status_code == 200
    assert trial.state() == before


def test_what_was_published_of_a_lapse_stays_what_it_was(trial: Door) -> None:
    subject = trial.subject()["id"]
    trial.clock.move(days=27)
    lapsed = trial.get(f"ResearchSubject/{subject}")
    assert content(lapsed)["status"] == "screening"
    trial.clock.move(days=1)
    again = trial.get(f"ResearchSubject/{subject}")
    assert (again.data, again.headers["ETag"]) == (lapsed.data, lapsed.headers["ETag"])
    fresh = [
        one | {"effectiveDateTime": "2026-06-17T08:00:00+03:00"}
        for one in eligible()
        if one["resourceType"] == "Observation"
    ]
    trial.kept(*fresh)
    now = trial.get(f"ResearchSubject/{subject}", If_None_Match=lapsed.headers["ETag"])
    assert now.status_code == 200
    assert content(now)["status"] == "eligible"
    version = content(lapsed)["meta"]["versionId"]
    assert trial.get(f"ResearchSubject/{subject}/_history/{version}").data == lapsed.data
    states = [
        it["subjectState"]["coding"][0]["code"] for it in trial.subject(version="5.0")["progress"]
    ]
    assert states == ["eligible", "screening", "eligible"]


def test_every_lapse_is_a_version_of_its_own(door: Door) -> None:
    door.kept(patient(birthDate="1950-07-01"), lab("a", 200, days_ago=2), medicine(days_ago=5))
    first = door.subject()
    seen = {first["meta"]["versionId"]: first}
    for _ in range(20):
        door.clock.move(days=20)
        now = door.subject()
        assert seen.setdefault(now["meta"]["versionId"], now) == now
    assert now["status"] == "ineligible"
    assert len(seen) > 2


def test_a_change_of_verdicts_alone_is_a_version_too(door: Door) -> None:
    door.kept(lab(), lab("o2", 5, code="30394-1"))
    before = door.subject()
    door.put(patient())
    after = door.subject()
    assert int(after["meta"]["versionId"]) > int(before["meta"]["versionId"])
    assert after["status"] == before["status"] == "screening"


# Reading


def test_every_version_of_a_subject_can_be_read(door: Door) -> None:
    door.kept(*eligible())
    door.put(lab("p1-plt", 100, status="corrected"))
    id_ = door.subject()["id"]
    statuses = [content(door.get(f"ResearchSubject/{id_}/_history/{n}"))["status"] for n in (1, 2)]
    assert statuses == ["eligible", "ineligible"]
    for wrong in ("0", "3", "x", "1.0"):
        answer = door.get(f"ResearchSubject/{id_}/_history/{wrong}")
        assert answer.status_code == 404
        assert issues(answer)[0]["code"] == "not-found"


def test_a_subject_that_is_unchanged_is_not_sent_again(trial: Door) -> None:
    id_ = trial.subject()["id"]
    read = trial.get(f"ResearchSubject/{id_}")
    assert read.headers["ETag"] == 'W/"1"'
    assert "GMT" in read.headers["Last-Modified"]
    assert trial.get(f"ResearchSubject/{id_}", If_None_Match='W/"1"').status_code == 304
    trial.put(lab("p1-plt", 100, status="corrected"))
    assert trial.get(f"ResearchSubject/{id_}", If_None_Match='W/"1"').status_code == 200


def test_a_subject_that_is_not_there_is_not_found(trial: Door) -> None:
    for path in ("ResearchSubject/x", "ResearchSubject/x/_history/1"):
        answer = trial.get(path)
        assert answer.status_code == 404
        assert "no ResearchSubject/x" in said(answer)


def test_a_subject_says_nothing_of_the_patient_but_the_reference(door: Door) -> None:
    door.kept(patient(name=[{"family": "Secretov"}], identifier=MRN))
    for version in ("4.0", "4.3", "5.0"):
        answer = door.get("ResearchSubject", Accept=f"{FHIR_JSON}; fhirVersion={version}")
        assert b"Secretov" not in answer.data
        assert b"urn:mrn" not in answer.data


def test_the_first_page_shows_ids_and_works_for_people(trial: Door) -> None:
    shown = {site: trial.get(f"/?site={site}") for site in ("default", "north")}
    assert {answer.mimetype for answer in shown.values()} == {"text/html"}
    assert trial.get("/").text == shown["default"].text
    for site, one in (("default", trial), ("north", trial.at("north"))):
        subject = matches(one.get("ResearchSubject"))[0]["id"]
        places = {
            name: f"{one.base}/ResearchSubject/{subject}" in it.text for name, it in shown.items()
        }
        assert places == {"default": site == "default", "north": site == "north"}
    trial.kept(*(patient(f"q{n}") for n in range(60)))
    assert trial.get("/").text.count("$screening-report") == 50


def test_a_total_is_counted_when_it_is_asked_for(door: Door) -> None:
    door.kept(*(patient(f"p{n}") for n in range(4)))
    assert "total" not in content(door.get("ResearchSubject?_count=2"))
    assert content(door.get("ResearchSubject?_count=2&_total=accurate"))["total"] == 4


def test_a_parameter_without_a_value_is_no_silent_wish_for_everybody(door: Door) -> None:
    door.kept(patient())
    answer = door.get("ResearchSubject?patient=")
    assert "has no value" in str(content(answer)["entry"])
    assert door.get("ResearchSubject?patient=", Prefer="handling=strict").status_code == 400


def test_a_search_by_post_has_a_size(door: Door) -> None:
    url = f"{door.base}/ResearchSubject/_search"
    answer = door.app.test_client().post(url, data={"status": "x" * 300_000})
    assert answer.status_code == 413
