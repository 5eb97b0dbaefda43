"""When the service itself is in trouble: what is answered, what is kept, what is not told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest

from refnot_fhir.store import postgres, sqlite_file
from tests.door import Door, content, issues, lab, open_door, patient, said, transaction

FAMILY_NAME = "Secretov"


@pytest.fixture
def kind_of_store() -> str:
    """What fails here is a file, its lock or its folder."""
    return "sqlite"


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "refnot.sqlite")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_locked_database_is_answered_with_when_to_try_again(door: Door, database: str) -> None:
    door.kept(patient())
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        answer = door.post("", transaction(patient("p2")))
        assert door.get("Patient/p1").status_code == 200
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert issues(answer)[0]["code"] == "transient"
    assert door.get("Patient/p2").status_code == 404
    assert door.post("", transaction(patient("p2"))).status_code == 200


def test_a_database_without_room_is_answered_with_insufficient_storage(door: Door) -> None:
    door.kept(patient())

    def limit(writer: object) -> None:
        writer._session.cursor.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    door.service.store.write(limit)
    answer = door.post(
        "", transaction(*(lab(f"o{n}", note=[{"text": "x" * 9000}]) for n in range(99)))
    )
    assert answer.status_code == 507
    assert issues(answer)[0]["code"] == "no-store"
    assert door.get("Observation/o1").status_code == 404
    assert door.get("Patient/p1").status_code == 200


def test_a_fault_of_ours_has_an_incident_and_nothing_of_the_patient(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.service.store.close()
    for answer in (
        door.put(patient(name=[{"family": FAMILY_NAME}])),
        door.post("", transaction(patient(name=[{"family": FAMILY_NAME}]))),
    ):
        assert answer.status_code == 500
        issue = issues(answer)[0]
        assert (issue["severity"], issue["code"]) == ("fatal", "exception")
        incident = issue["diagnostics"].removeprefix("incident ")
        assert f"incident={incident}" in caplog.text
        assert FAMILY_NAME not in answer.text
    assert FAMILY_NAME not in caplog.text


def test_a_database_read_with_other_mapping_files_is_told_by_readiness(door: Door) -> None:
    assert content(door.get("/health/ready"))["warnings"] == []
    door.service.store.write(lambda w: w.set_mark("rulebook", "another"))
    (warning,) = content(door.get("/health/ready"))["warnings"]
    assert "other mapping files" in warning


def test_nothing_is_kept_of_a_request_that_met_a_fault(tmp_path: Path, database: str) -> None:
    with open_door(tmp_path) as door:
        door.kept(patient())
        other = sqlite3.connect(database)
        other.execute("DROP TABLE assessment")
        other.commit()
        other.close()
        before = _versions(database)
        answer = door.post("", transaction(patient("p2"), lab("o2", of="p2")))
        assert answer.status_code == 500
        assert "nothing of this request was kept" in said(answer)
        assert _versions(database) == before
        assert door.get("Patient/p2").status_code == 404


def _versions(database: str) -> int:
    with sqlite3.connect(database) as connection:
        count: int = connection.execute("SELECT count(*) FROM version").fetchone()[0]
    connection.close()
    return count


def test_a_service_lives_and_is_ready_with_its_counts(door: Door) -> None:
    door.kept(patient())
    assert content(door.get("/health/live"))["status"] == "live"
    ready = content(door.get("/health/ready"))
    assert ready["status"] == "ready"
    assert ready["sites"] == ["default", "fifth", "north"]
    assert ready["protocols"] == ["r2"]
    assert ready["kept"]["resources"] == 1


def test_a_service_whose_database_is_gone_is_not_ready(door: Door, tmp_path: Path) -> None:
    door.service.store.close()
    for file in tmp_path.glob("refnot.sqlite*"):
        file.unlink()
    tmp_path.chmod(0o500)
    try:
        answer = door.get("/health/ready")
    finally:
        tmp_path.chmod(0o700)
    assert answer.status_code == 503
    assert content(answer)["status"] == "not ready"


def test_a_service_that_cannot_write_is_not_ready_and_recovers_by_itself(door: Door) -> None:
    door.kept(patient())

    def forbid(writer: object) -> None:
        writer._session.cursor.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    door.service.store.write(forbid)
    answer = door.get("/health/ready")
    assert answer.status_code == 503
    assert content(answer) == {"status": "not ready", "reason": "the database cannot be written to"}
    assert door.get("/health/ready").status_code == 200
    assert door.post("", transaction(patient("p2"))).status_code == 200


def test_what_a_database_says_of_itself_is_in_the_log_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = psycopg.OperationalError('connection to server at "db.example", user "refnot" failed')
    busy = postgres.named(error)
    assert str(busy) == "the database does not answer"
    assert "db.example" in caplog.text


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_not_kept_by_anybody(door: Door, path: str) -> None:
    assert door.get(path).headers["Cache-Control"] == "no-store"
