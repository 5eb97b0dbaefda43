"""The history of a resource: every version with how it came, newest first."""

from __future__ import annotations

import pytest

from tests.door import FHIR_JSON, Door, Json, content, eligible, lab, patient, said
from tests.web.test_corrections import at
from tests.web.test_versions import of, r5_dose


@pytest.fixture
def corrected(door: Door) -> Door:
    """An Observation of three values, an hour apart from 09:00, and deleted at 12:00."""
    for value in (100, 200, 300):
        door.put(lab(value=value))
        door.clock.move(hours=1)
    assert door.send("DELETE", "Observation/o1").status_code == 200
    return door


def versions(found: Json) -> list[str]:
    return [entry["response"]["etag"] for entry in found.get("entry", [])]


def links(found: Json) -> dict[str, str]:
    return {one["relation"]: one["url"] for one in found["link"]}


def test_every_version_of_what_was_received_is_in_its_history(corrected: Door) -> None:
    found = content(corrected.get("Observation/o1/_history"))
    assert (found["type"], found["total"]) == ("history", 4)
    assert versions(found) == ['W/"4"', 'W/"3"', 'W/"2"', 'W/"1"']
    assert [one["request"]["method"] for one in found["entry"]] == ["DELETE", "PUT", "PUT", "POST"]
    assert [one["response"]["status"][:3] for one in found["entry"]] == ["204", "200", "200", "201"]
    assert "resource" not in found["entry"][0]
    values = [one["resource"]["valueQuantity"]["value"] for one in found["entry"][1:]]
    assert values == [300, 200, 100]
    moments = [one["response"]["lastModified"] for one in found["entry"]]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("_since=2026-05-20T10:00:00Z", "432"),
        ("_since=2026-05-20T10:00:01Z", "43"),
        ("_since=2026-05-20T13:00:00%2B03:00", "432"),
        ("_since=2027-01-01", ""),
        ("_at=2026-05-20T09:30:00Z", "1"),
        ("_at=2026-05-20T10:00:00Z", "2"),
        ("_at=2026-05-20", "4321"),
        ("_at=2026-05-21", "4"),
        ("_at=2026-05-19", ""),
        ("_at=2026", "4321"),
    ],
)
def test_a_history_may_be_of_a_time(corrected: Door, asked: str, expected: str) -> None:
    found = content(corrected.get(f"Observation/o1/_history?{asked}"))
    assert versions(found) == [f'W/"{one}"' for one in expected]
    assert found["total"] == len(expected)
    assert "?" in links(found)["self"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_its_pages_have_every_version_once(corrected: Door, size: int) -> None:
    path, seen = f"Observation/o1/_history?_count={size}", []
    while path:
        found = content(corrected.get(path))
        assert found["total"] == 4
        seen += versions(found)
        path = links(found).get("next", "")
    assert seen == ['W/"4"', 'W/"3"', 'W/"2"', 'W/"1"']


def test_a_page_stays_when_a_version_is_added(corrected: Door) -> None:
    first = content(corrected.get("Observation/o1/_history?_count=2"))
    corrected.put(lab(value=400))
    second = content(corrected.get(links(first)["next"]))
    assert versions(first) + versions(second) == ['W/"4"', 'W/"3"', 'W/"2"', 'W/"1"']


def test_a_count_of_nothing_gives_the_number(corrected: Door) -> None:
    found = content(corrected.get("Observation/o1/_history?_count=0"))
    assert (found["total"], versions(found), set(links(found))) == (4, [], {"self"})


def test_a_version_that_came_late_is_told_as_one(door: Door) -> None:
    door.put(at(lab(value=300), "2026-05-19T09:00:00Z"))
    door.put(at(lab(value=200), "2026-05-19T08:00:00Z"))
    found = content(door.get("Observation/o1/_history"))
    late, newest = found["entry"]
    assert "came late" in late["response"]["outcome"]["issue"][0]["details"]["text"]
    assert "outcome" not in newest["response"]
    now = content(door.get("Observation/o1/_history?_at=2026-05-20T09:00:00Z"))
    assert versions(now) == ['W/"1"']


def test_a_history_is_of_one_hospital(corrected: Door) -> None:
    assert corrected.at("north").get("Observation/o1/_history").status_code == 404


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("_count=many", "_count is not a number"),
        ("_since=yesterday", "_since is not an instant"),
        ("_at=yesterday", "_at is not a date"),
        ("_before=x", "_before is not a number"),
        ("_sort=date", "not _sort"),
    ],
)
def test_what_is_not_understood_is_refused(corrected: Door, asked: str, expected: str) -> None:
    answer = corrected.get(f"Observation/o1/_history?{asked}")
    assert (answer.status_code, expected in said(answer)) == (400, True)


def test_there_is_no_history_of_nothing(door: Door) -> None:
    assert door.get("Observation/none/_history").status_code == 404
    assert door.get("CodeSystem/none/_history").status_code == 404


def test_a_version_that_cannot_be_given_is_named(door: Door) -> None:
    door.kept(patient())
    door.send("PUT", "MedicationAdministration/d1", r5_dose(), content_type=of("5.0"))
    path = "MedicationAdministration/d1/_history"
    answer = door.get(path)
    assert (answer.status_code, "version 1" in said(answer)) == (406, True)
    assert door.get(path, Accept=f"{FHIR_JSON}; fhirVersion=5.0").status_code == 200


def test_the_history_of_a_subject_has_pages_and_a_time_too(door: Door) -> None:
    door.kept(*eligible())
    door.clock.move(hours=1)
    door.kept(lab("p1-plt", 50))
    path = f"ResearchSubject/{door.subject()['id']}/_history"
    whole = content(door.get(path))
    assert whole["total"] == len(whole["entry"]) == 2
    first = content(door.get(f"{path}?_count=1"))
    second = content(door.get(links(first)["next"]))
    assert first["entry"] + second["entry"] == whole["entry"]
    before = content(door.get(f"{path}?_at=2026-05-20T09:30:00Z"))
    assert versions(before) == ['W/"1"']
