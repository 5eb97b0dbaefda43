"""Who the audit trail names, what a deletion of nothing is, unknown types, and OPTIONS."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from refnot_fhir.errors import BadMapping
from refnot_fhir.settings import from_environment
from tests.door import Door, batch, bundle, content, entry, open_door, patient, said, statuses


def audited(door: Door) -> list[tuple[str, str]]:
    """Who did what, of every row of the audit trail that a request made."""
    engine = create_engine(
        make_url(door.service.settings.database_url).set(
            drivername="sqlite"
            if "sqlite" in door.service.settings.database_url
            else "postgresql+psycopg"
        )
    )
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT who, action FROM audit ORDER BY number")).all()
    engine.dispose()
    return [(who, action) for who, action in rows]


@pytest.mark.parametrize(
    ("proxy", "peer", "user", "who"),
    [
        ("", "127.0.0.1", "alice", "127.0.0.1"),
        ("10.0.0.5", "127.0.0.1", "alice", "127.0.0.1"),
        ("10.0.0.5", "10.0.0.5", "alice", "alice"),
        ("10.0.0.5", "10.0.0.6", "alice", "10.0.0.6"),
        ("192.168.7.0/24, 10.0.0.5", "192.168.7.9", "alice", "alice"),
        ("10.0.0.5", "::ffff:10.0.0.5", "alice", "alice"),
        ("::1", "::1", " alice ", "alice"),
        ("10.0.0.5", "10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", "a\x07b", "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", "a" * 256, "10.0.0.5"),
        ("10.0.0.5", "", "alice", ""),
    ],
)
def test_the_audit_names_the_user_whom_a_trusted_proxy_names_and_believes_nobody_else(
    tmp_path: Path, proxy: str, peer: str, user: str, who: str
) -> None:
    with open_door(tmp_path, trusted_proxy=proxy) as door:
        options = {"environ_base": {"REMOTE_ADDR": peer}}
        headers = {"X-Forwarded-User": user}
        door.send("PUT", "Patient/p1", patient(), headers, **options)
        door.send("POST", "", batch(patient("p2")), headers, **options)
        assert audited(door)[-2:] == [(who, "update"), (who, "batch")]


def test_the_header_that_names_the_user_is_a_setting(tmp_path: Path) -> None:
    with open_door(tmp_path, trusted_proxy="127.0.0.1", user_header="X-Remote-User") as door:
        door.put(patient(), X_Remote_User="alice", X_Forwarded_User="mallory")
        assert audited(door)[-1] == ("alice", "update")


@pytest.mark.parametrize(
    "wrong",
    [
        {"REFNOT_TRUSTED_PROXY": "proxy.example"},
        {"REFNOT_TRUSTED_PROXY": "10.0.0.0/99"},
        {"REFNOT_TRUSTED_PROXY": "10.0.0.5", "REFNOT_USER_HEADER": "X User"},
    ],
)
def test_a_proxy_that_is_no_address_stops_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(BadMapping, match=list(wrong)[-1]):
        from_environment(wrong)


def test_deleting_what_is_not_there_says_so_and_is_no_change(door: Door) -> None:
    door.put(patient())
    door.send("DELETE", "Patient/p1")
    before = audited(door)
    for id_ in ("never", "p1"):
        answer = door.send("DELETE", f"Patient/{id_}")
        assert (answer.status_code, "nothing was deleted" in said(answer)) == (200, True)
        request = {"request": {"method": "DELETE", "url": f"Patient/{id_}"}}
        inside = door.post("", bundle("batch", request))
        assert statuses(inside) == ["200 OK"]
        [told] = content(inside)["entry"]
        assert "nothing was deleted" in told["response"]["outcome"]["issue"][0]["details"]["text"]
    assert audited(door) == before
    assert door.get("Patient/never").status_code == 404


def test_a_type_that_fhir_does_not_know_is_refused_and_one_that_is_not_read_is_acknowledged(
    door: Door,
) -> None:
    fruit, visit = ({"resourceType": name, "id": "x"} for name in ("Banana", "Appointment"))
    answer = door.post("", bundle("batch", entry(fruit), entry(visit), entry(patient())))
    assert statuses(answer)[0].startswith("422")
    assert statuses(answer)[1:] == ["202 Accepted", "201 Created"]
    issue = content(answer)["entry"][0]["response"]["outcome"]["issue"][0]
    assert issue["details"]["text"] == "the url names no FHIR resource type"
    assert issue["expression"] == ["Bundle.entry[0].request.url"]
    whole = door.post("", bundle("transaction", entry(fruit), entry(patient("p2"))))
    assert (whole.status_code, "no FHIR resource type" in said(whole)) == (400, True)
    alone = door.put(fruit)
    assert (alone.status_code, said(alone)) == (404, "the url names no FHIR resource type")


def test_options_names_the_methods_of_every_route(door: Door) -> None:
    marks = {"<site>": "north", "<type_>": "Patient", "<id_>": "x", "<version>": "1",
             "<kind>": "dosing"}  # fmt: skip
    paths = {"/fhir", "/north/fhir"}
    for rule in door.app.url_map.iter_rules():
        path = str(rule)
        for mark, one in marks.items():
            path = path.replace(mark, one)
        before, _, after = path.partition("<any(")
        paths.add(before + ("CodeSystem" + after.partition(">")[2] if after else ""))
    for path in sorted(paths):
        answer = door.app.test_client().options(path)
        if answer.status_code != 404:
            assert "OPTIONS" in answer.headers["Allow"], path
    assert len(paths) > 20


@pytest.mark.parametrize("path", ["metadata", "ResearchStudy", "ResearchStudy/x", "CodeSystem"])
def test_options_offers_no_write_of_what_is_published(door: Door, path: str) -> None:
    for place in (door, door.at("north")):
        assert place.send("OPTIONS", path).headers["Allow"] == "GET, HEAD, OPTIONS"
        assert place.send("PUT", path, {"resourceType": "ResearchSubject"}).status_code == 405
    assert "POST" in door.send("OPTIONS", "ResearchSubject/_search").headers["Allow"]
    assert "PUT" in door.send("OPTIONS", "Patient/p1").headers["Allow"]


def test_options_offers_what_may_be_written_of_a_subject(door: Door) -> None:
    allowed = {"ResearchSubject": "POST", "ResearchSubject/x": "PUT"}
    for place in (door, door.at("north")):
        for path, method in allowed.items():
            found = place.send("OPTIONS", path).headers["Allow"]
            assert found == f"GET, HEAD, OPTIONS, {method}"
    assert (
        door.send("PUT", "ResearchSubject", {"resourceType": "ResearchSubject"}).status_code == 405
    )


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_a_browser_is_given_the_same_json_in_a_page(door: Door) -> None:
    door.put(patient(name=[{"family": "<b>Anna & Co</b>"}]))
    asked: list[tuple[str, dict[str, str]]] = [
        ("Patient/p1?_format=text/html", {}),
        ("Patient/p1?_format=html", {}),
        ("Patient/p1", {"Accept": BROWSER}),
    ]
    for path, headers in asked:
        answer = door.get(path, **headers)
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), path
        assert "&lt;b&gt;Anna &amp; Co&lt;/b&gt;" in answer.text
        assert "<b>" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
    assert door.get("Patient/p1?_format=json", Accept=BROWSER).mimetype == "application/fhir+json"
    missing = door.app.test_client().get("/fhir/Patient/p2", headers={"Accept": BROWSER})
    assert (missing.status_code, missing.mimetype) == (404, "text/html")
    assert "not-found" in missing.text
    written = door.put(patient("p3"), Accept=BROWSER)
    assert written.mimetype == "application/fhir+json"
