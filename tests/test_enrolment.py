"""Who is in, as of today, when the mapping files no longer know everybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial import judge as charts
from refnot_fhir.trial import subjects as enrolment
from tests.door import (
    R2,
    SITES,
    content,
    eligible,
    lab,
    matches,
    open_door,
    patient,
    small_rulebook,
)


def test_subjects_of_a_hospital_that_left_stay_as_they_were(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.kept(*eligible())
    left = small_rulebook(sites={"north": SITES["north"]})
    with open_door(tmp_path, rulebook=left) as door, door.service.store.read() as reader:
        door.clock.move(days=60)
        (row,) = enrolment.find_subjects(reader, door.service.judge(), SubjectQuery())
        assert row.subject.status == "eligible"
        assert enrolment.standing(reader, door.service.judge(), row.subject) is None


def test_subjects_of_a_study_that_left_are_not_published(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.kept(*eligible())
        id_ = door.subject()["id"]
    other = small_rulebook(protocols={"r3": replace(R2, id="r3")})
    with open_door(tmp_path, rulebook=other, ids="later") as door:
        door.clock.move(days=60)
        assert matches(door.get("ResearchSubject")) == []
        assert door.get(f"ResearchSubject/{id_}").status_code == 404
        assert content(door.get("/records/dosing")) == []
        door.kept(patient(birthDate="1971-01-01"))
        assert [it["study"]["reference"] for it in matches(door.get("ResearchSubject"))] == [
            "ResearchStudy/r3"
        ]


def test_a_patient_is_a_candidate_of_every_study(tmp_path: Path) -> None:
    both = small_rulebook(protocols={"r2": R2, "r3": replace(R2, id="r3")})
    with open_door(tmp_path, rulebook=both) as door:
        door.kept(*eligible())
        found = matches(door.get("ResearchSubject?patient=p1"))
        assert [it["study"]["reference"] for it in found] == [
            "ResearchStudy/r2", "ResearchStudy/r3",
        ]  # fmt: skip
        assert [it["status"] for it in found] == ["eligible"] * 2


def test_the_chart_of_a_record_has_those_that_were_merged_into_it(tmp_path: Path) -> None:
    def link(to: str) -> dict[str, object]:
        return {"link": [{"other": {"reference": f"Patient/{to}"}, "type": "replaced-by"}]}

    with open_door(tmp_path) as door:
        door.kept(patient("a"), patient("b", **link("a")), patient("c", **link("b")))
        with door.service.store.read() as reader:
            assert charts.family(reader, "default", "a") == ["a", "b", "c"]
            assert charts.heir(reader, "default", "c") == "a"
            assert charts.heir(reader, "default", "a") == "a"
            assert charts.heir(reader, "default", "nobody") == "nobody"


def test_a_version_that_another_process_commits_is_answered_at_once(tmp_path: Path) -> None:
    asked = "ResearchSubject?patient=p1&study=r2"
    with open_door(tmp_path) as door, open_door(tmp_path, ids="other") as other:
        other.kept(*eligible())
        told = [(it["meta"]["versionId"], it["status"]) for it in matches(door.get(asked))]
        assert told == [("1", "eligible")]
        other.kept(lab("late", value=10, days_ago=1))
        (now,) = matches(door.get(asked))
        assert (now["meta"]["versionId"], now["status"]) == ("2", "ineligible")
