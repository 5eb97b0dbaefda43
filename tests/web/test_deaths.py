"""A patient's death: what is still due, where the subject stands, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from refnot_fhir.trial.reassess import everyone
from tests.door import Door, Json, content, dose, open_door, patient


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path, replay=True) as opened:
        yield opened


def course(*days_ago: int) -> list[Json]:
    """Doses on these days, at one place: alternation is another matter."""
    return [dose(f"d{ago}", days_ago=ago) for ago in days_ago]


def deviations(door: Door, code: str) -> list[str]:
    """The days that deviations of this code are about."""
    path = f"ResearchSubject/{door.subject()['id']}/$dosing-record"
    found = [entry["resource"] for entry in content(door.get(path))["entry"]]
    return [
        issue["identifiedDateTime"]
        for issue in found
        if issue["resourceType"] == "DetectedIssue" and issue["code"]["coding"][0]["code"] == code
    ]


def states(door: Door) -> list[tuple[str, str, str | None]]:
    """(state, since, until) of the subject's progress, in R5."""
    return [
        (it["subjectState"]["coding"][0]["code"], it["startDate"], it.get("endDate"))
        for it in door.subject(version="5.0")["progress"]
    ]


def test_a_death_ends_the_course_and_the_participation(replay: Door) -> None:
    replay.kept(patient(), *course(19, 17))
    assert deviations(replay, "missed-dose") == [f"2026-05-{day:02}" for day in range(6, 19, 3)]
    assert states(replay) == [("on-study-intervention", "2026-05-01", None)]
    replay.put(patient(deceasedDateTime="2026-05-08"))
    assert deviations(replay, "missed-dose") == ["2026-05-06"]
    now = replay.subject()
    assert (now["status"], now["period"]) == (
        "off-study",
        {"start": "2026-05-01", "end": "2026-05-08"},
    )
    assert states(replay) == [
        ("on-study-intervention", "2026-05-01", "2026-05-08"),
        ("off-study", "2026-05-08", None),
    ]


def test_a_death_entered_in_error_is_taken_back(replay: Door) -> None:
    replay.kept(patient(deceasedDateTime="2026-05-08"), *course(19))
    assert replay.subject()["status"] == "off-study"
    replay.put(patient())
    now = replay.subject()
    assert (now["status"], now["period"]) == ("on-study-intervention", {"start": "2026-05-01"})


def test_a_dose_after_death_is_a_deviation(replay: Door) -> None:
    replay.kept(patient(deceasedDateTime="2026-05-02"), *course(19, 17))
    assert deviations(replay, "dose-after-death") == ["2026-05-03"]
    assert replay.subject()["status"] == "off-study"


def test_a_death_without_a_date_counts_from_when_the_hospital_first_said_so(replay: Door) -> None:
    dead = patient(deceasedBoolean=True, meta={"lastUpdated": "2026-05-10T12:00:00+03:00"})
    replay.kept(dead, *course(19))
    expected = ["2026-05-04", "2026-05-07"]
    assert deviations(replay, "missed-dose") == expected
    assert states(replay)[-1] == ("off-study", "2026-05-10", None)
    # A later version of the Patient, and reading everything again, tell nothing new of the death.
    moved = dead | {"active": False, "meta": {"lastUpdated": "2026-05-19T12:00:00+03:00"}}
    replay.put(moved)
    assert deviations(replay, "missed-dose") == expected
    everyone(replay.service.store, replay.service.judge())
    assert deviations(replay, "missed-dose") == expected


def test_a_death_that_says_nothing_of_its_time_counts_from_when_it_came(replay: Door) -> None:
    replay.kept(patient(), *course(5))
    replay.put(patient(deceasedBoolean=True))
    replay.clock.move(days=30)
    assert deviations(replay, "missed-dose") == ["2026-05-18"]
    assert states(replay)[-1] == ("off-study", "2026-05-20", None)


def test_without_replay_a_death_makes_nobody_a_participant(door: Door) -> None:
    door.kept(patient(deceasedDateTime="2026-05-08"), *course(19))
    now = door.subject()
    assert (now["status"], now.get("period")) == ("ineligible", None)
    assert states(door) == [("ineligible", "2026-05-08", None)]
