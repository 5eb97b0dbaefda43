"""What pages of others make a browser on this machine send."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.door import Door, open_door, patient, said


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_cannot_send_anything(door: Door, site: str) -> None:
    answer = door.post("Patient", patient("evil"), Sec_Fetch_Site=site)
    assert answer.status_code == 403
    assert door.rows()["resources"] == 0


def test_a_program_and_a_person_at_the_address_bar_are_let_in(door: Door) -> None:
    assert door.post("Patient", patient()).status_code in (200, 201)
    assert door.get("metadata", Sec_Fetch_Site="cross-site").status_code == 200
    assert door.get("metadata", Sec_Fetch_Site="none").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.0.0.7", 'x"><script>'])
def test_a_name_that_is_not_ours_is_refused_even_if_it_leads_here(door: Door, host: str) -> None:
    answer = door.get("ResearchSubject", Host=host)
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000"])
def test_every_name_of_this_machine_is_known(door: Door, host: str) -> None:
    assert door.get("ResearchSubject", Host=host).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:9999", "http://localhost.evil.example",
     "file://", "http://localhost:port", "https://trial.example.evil"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_origin_of_another_site_cannot_send_anything(
    door: Door, method: str, origin: str
) -> None:
    answer = door.send(method, "Patient/evil", patient("evil"), {"Origin": origin})
    assert answer.status_code == 403
    assert door.rows()["resources"] == 0


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost", "http://localhost:80"])
def test_a_page_of_our_own_may_send(door: Door, origin: str) -> None:
    assert door.put(patient(), Origin=origin).status_code == 201


def test_a_page_at_the_public_address_may_send(tmp_path: Path) -> None:
    with open_door(tmp_path, public_url="https://trial.example/") as door:
        assert door.put(patient(), Origin="https://trial.example").status_code == 201
        assert door.put(patient(), Origin="https://trial.example:8443").status_code == 403


def test_any_page_may_ask(door: Door) -> None:
    assert door.get("metadata", Origin="https://other.example").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("GET", "/fhir//metadata", "/fhir/metadata"),
        ("POST", "/fhir//Patient", "/fhir/Patient"),
        ("PUT", "/fhir/Patient//p1", "/fhir/Patient/p1"),
        ("GET", "//fhir/metadata", "/fhir/metadata"),
        ("GET", "/records///dosing", "/records/dosing"),
    ],
)
def test_an_address_with_an_empty_part_is_told_and_not_led_elsewhere(
    door: Door, method: str, path: str, meant: str
) -> None:
    body = patient() if method != "GET" else None
    answer = door.send(method, "/", body, environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 404
    assert f"ask for {meant}" in said(answer)
