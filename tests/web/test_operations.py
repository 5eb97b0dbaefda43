"""Why, and what was given: the two operations, at any date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.door import (
    FHIR_JSON,
    Door,
    Json,
    content,
    dose,
    eligible,
    issues,
    lab,
    matches,
    open_door,
    patient,
    said,
)


def parameters(**named: str) -> Json:
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, "valueDate": value} for name, value in named.items()],
    }


def report(door: Door, query: str = "", operation: str = "$screening-report") -> Json:
    id_ = matches(door.get("ResearchSubject?patient=p1"))[0]["id"]
    answer = door.get(f"ResearchSubject/{id_}/{operation}{query}")
    assert answer.status_code == 200, answer.text
    found: Json = content(answer)
    return found


def test_a_report_has_the_subject_and_an_observation_for_each_criterion(door: Door) -> None:
    door.kept(*eligible())
    found = report(door)
    assert found["type"] == "collection"
    types = [it["resource"]["resourceType"] for it in found["entry"]]
    assert types == ["ResearchSubject"] + ["Observation"] * 10
    platelets = next(
        it["resource"]
        for it in found["entry"]
        if it["resource"].get("code", {}).get("coding", [{}])[0].get("code") == "IN07B"
    )
    evidence = platelets["derivedFrom"][0]["reference"]
    assert evidence.endswith("Observation/p1-plt/_history/1")
    assert door.get(evidence).status_code == 200


def test_a_past_date_sees_nothing_that_was_collected_later(door: Door) -> None:
    door.kept(patient(), lab("old", 100, days_ago=10), lab("new", 200, days_ago=2))
    assert door.verdicts()["IN07B"] == "met"
    assert door.verdicts(on="2026-05-18")["IN07B"] == "met"
    assert door.verdicts(on="2026-05-17")["IN07B"] == "not-met"
    assert door.verdicts(on="2026-05-09")["IN07B"] == "unknown"
    assert door.verdicts(on="2026-06-15")["IN07B"] == "met"
    assert door.verdicts(on="2026-06-16")["IN07B"] == "unknown"


@pytest.mark.parametrize("on", ["0001-01-01", "9999-12-31", "2024-02-29"])
def test_any_day_of_the_calendar_may_be_asked_for(door: Door, on: str) -> None:
    door.kept(*eligible(), dose())
    assert report(door, f"?date={on}")
    assert report(door, f"?date={on}", "$dosing-record")


@pytest.mark.parametrize(
    "query",
    ["date=today", "date=2026-02-30", "date=20260501", "date=2026-W20-1", "date=2026-05",
     "date=2026-05-01T10:00:00Z", "day=2026-05-01"],
)  # fmt: skip
@pytest.mark.parametrize("operation", ["$screening-report", "$dosing-record"])
def test_what_is_no_date_is_refused(door: Door, operation: str, query: str) -> None:
    door.kept(patient())
    answer = door.get(f"ResearchSubject/{door.subject()['id']}/{operation}?{query}")
    assert answer.status_code == 400
    assert "date" in said(answer)
    assert issues(answer)[0]["severity"] == "error"


@pytest.mark.parametrize("operation", ["$screening-report", "$dosing-record"])
def test_a_date_may_be_posted_in_parameters(door: Door, operation: str) -> None:
    door.kept(patient(), lab("old", 100, days_ago=10), lab())
    path = f"ResearchSubject/{door.subject()['id']}/{operation}"
    plain = content(door.send("POST", path))
    assert plain == content(door.get(path))
    dated = content(door.post(path, parameters(date="2026-05-17")))
    assert dated == content(door.get(f"{path}?date=2026-05-17"))
    if operation == "$screening-report":
        assert dated != plain
    for wrong in (patient(), parameters(day="2026-05-17"), parameters(date="today")):
        assert door.post(path, wrong).status_code == 400


@pytest.mark.parametrize("version", ["4.0", "4.3", "5.0"])
def test_both_are_valid_in_every_version(door: Door, version: str) -> None:
    door.kept(*eligible(), dose("d1"), dose("d2", days_ago=3, status="not-done"))
    id_ = door.subject()["id"]
    for operation in ("$screening-report", "$dosing-record"):
        answer = door.get(
            f"ResearchSubject/{id_}/{operation}", Accept=f"{FHIR_JSON}; fhirVersion={version}"
        )
        assert answer.status_code == 200
        assert f"fhirVersion={version}" in answer.content_type


def test_the_dosing_record_counts_doses_and_names_deviations(door: Door) -> None:
    door.kept(patient(), dose("d1", days_ago=6), dose("d2", days_ago=5))
    found = [it["resource"] for it in report(door, "", "$dosing-record")["entry"]]
    types = [it["resourceType"] for it in found]
    assert types.count("MedicationAdministration") == 2
    codes = {
        it["code"]["coding"][0]["code"] for it in found if it["resourceType"] == "DetectedIssue"
    }
    assert {"short-interval", "no-alternation"} <= codes
    early = report(door, "?date=2026-05-14", "$dosing-record")["entry"]
    given = [it for it in early if it["resource"]["resourceType"] == "MedicationAdministration"]
    assert len(given) == 1


# Replaying the trial


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path, replay=True) as opened:
        yield opened


def tags(resource: Json) -> list[str]:
    return [tag["code"] for tag in resource["meta"].get("tag", [])]


def test_under_replay_a_trial_dose_puts_the_subject_on_study_as_test_data(replay: Door) -> None:
    replay.kept(*eligible())
    assert tags(replay.subject()) == []
    replay.kept(dose())
    now = replay.subject()
    assert (now["status"], now["period"]["start"]) == ("on-study-intervention", "2026-05-20")
    assert tags(now) == ["HTEST"]
    assert tags(report(replay)) == ["HTEST"]
    assert replay.verdicts()["EX09"] == "not-met"
    assert len(matches(replay.get("ResearchSubject?_tag=HTEST"))) == 1


def test_a_subject_on_study_is_judged_as_of_the_day_of_enrolment_for_ever(replay: Door) -> None:
    replay.kept(*eligible(), dose())
    before = replay.verdicts()
    replay.clock.move(days=400)
    assert replay.subject()["status"] == "on-study-intervention"
    assert replay.verdicts() == before
    version = replay.subject()["meta"]["versionId"]
    replay.kept(lab("later", 100, days_ago=-300))
    assert replay.subject()["meta"]["versionId"] == version


def test_under_replay_a_dose_that_is_taken_back_takes_the_subject_back(replay: Door) -> None:
    replay.kept(*eligible(), dose())
    replay.put(dose(status="entered-in-error"))
    now = replay.subject()
    assert (now["status"], tags(now), now.get("period")) == ("eligible", [], None)


def test_without_replay_a_trial_dose_moves_nobody(door: Door) -> None:
    door.kept(*eligible(), dose())
    now = door.subject()
    assert now["status"] not in ("on-study", "on-study-intervention")
    assert tags(now) == []
