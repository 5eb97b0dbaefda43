"""A clock that is set back: told, and what is kept does not go back with it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from refnot_fhir.trial.service import HighWater
from tests.door import NOW, Door, content, eligible, lab, open_door, patient


def _updated(door: Door, path: str) -> datetime:
    return datetime.fromisoformat(content(door.get(path))["meta"]["lastUpdated"])


def test_what_arrives_after_the_clock_was_set_back_is_dated_no_earlier_than_what_is_kept(
    door: Door,
) -> None:
    door.clock.move(hours=3)
    door.kept(patient())
    door.clock.move(hours=-3)
    door.kept(patient(gender="female"), lab())
    assert content(door.get("Patient/p1"))["gender"] == "female"
    first = _updated(door, "Patient/p1/_history/1")
    assert _updated(door, "Patient/p1/_history/2") >= first
    assert _updated(door, "Observation/o1") >= first


def test_another_process_learns_it_from_the_store(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.clock.move(hours=3)
        door.kept(patient())
    with open_door(tmp_path, ids="other") as door:
        assert door.clock.now == NOW
        door.kept(lab())
        assert _updated(door, "Observation/o1") >= _updated(door, "Patient/p1")


def test_a_process_that_runs_learns_what_others_wrote_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnot_fhir.trial.service._ASKED_EVERY", 0.0)
    with open_door(tmp_path) as one, open_door(tmp_path, ids="other") as other:
        one.kept(patient())
        other.clock.move(minutes=10)
        other.kept(patient("p2"))
        one.kept(patient("p3"))
        assert _updated(one, "Patient/p3") >= _updated(one, "Patient/p2")


def test_days_are_counted_by_the_clock_and_not_by_what_is_kept(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.clock.move(days=400)
        door.kept(patient("p2"))
        door.clock.move(days=-400)
        assert door.service.judge().today(door.service.site()) == door.clock.today
        door.kept(*eligible())
        assert door.verdicts()["IN03"] == "met"


def test_it_is_said_once_in_the_log_and_as_long_as_it_lasts_by_readiness(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.kept(patient())
    assert content(door.get("/health/ready"))["warnings"] == []
    door.clock.move(minutes=-10)
    for _ in range(2):
        answer = door.get("/health/ready")
        assert answer.status_code == 200
        assert content(answer)["warnings"] == [
            "the clock is 600 seconds behind what is kept: set it right"
        ]
    assert caplog.text.count("clock.behind") == 1
    door.clock.move(minutes=11)
    assert content(door.get("/health/ready"))["warnings"] == []
    door.clock.move(minutes=-10)
    door.get("/health/ready")
    assert caplog.text.count("clock.behind") == 2


def test_a_second_back_is_no_reason_to_worry(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.kept(patient())
    door.clock.move(seconds=-1)
    door.kept(lab())
    assert content(door.get("/health/ready"))["warnings"] == []
    assert "clock.behind" not in caplog.text


def test_without_anything_kept_the_clock_is_believed(door: Door) -> None:
    assert HighWater().moment(NOW, door.service.store) == NOW
